"""One fit of an aligned design: solve, leave out what is redundant, check."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import muted, warn
from statsmodels_synth.exceptions import (
    CollinearSourceWarning,
    DiscreteOutcomeWarning,
    FewClustersWarning,
    FewUnitsWarning,
    FullyLabeledWarning,
    OptionError,
    WeakInstrumentWarning,
)
from statsmodels_synth.gmm.alone import (
    NaiveEstimate,
    naive_at_state,
    naive_estimate,
    naive_with_clusters,
)
from statsmodels_synth.gmm.cautions import (
    note_of_density,
    warn_of,
    warn_of_strata,
    warn_of_ties,
)
from statsmodels_synth.gmm.covariance import Inference, infer
from statsmodels_synth.gmm.instruments import warn_of_weak_instruments
from statsmodels_synth.gmm.jtest import JTest, representativeness
from statsmodels_synth.gmm.separation import (
    LABELS,
    check_exact_fit,
    check_separation,
    check_solution,
)
from statsmodels_synth.gmm.settings import FitSettings
from statsmodels_synth.gmm.solver import Solution, solve
from statsmodels_synth.gmm.sums import SourceState
from statsmodels_synth.gmm.weights import is_ill_conditioned
from statsmodels_synth.problem.design import AlignedDesign, Target, with_outcomes
from statsmodels_synth.problem.groups import Clusters

_NOTHING_LEFT = (
    " They are the population, of which nothing is left to chance: standard errors are "
    "zero."
)


@dataclass(frozen=True)
class Fit:
    """
    A solved design, and how it was solved: what analyses of a result start from.

    Parameters
    ----------
    target : Target
        The target model.
    settings : FitSettings
        Options of the fit.
    solution : Solution
        Parameters and sums at them.
    design : AlignedDesign
        What was solved: without the sources that take no part.
    dropped_sources : dict
        Sources that take no part, with the reason.
    inference : Inference
        Covariance and degrees of freedom.
    clusters : Clusters or None
        Clusters of the units.
    sources : SourceState or None
        What each source says by itself, those that take no part included, where that
        is known.
    """

    target: Target
    settings: FitSettings
    solution: Solution
    design: AlignedDesign
    dropped_sources: dict[str, str]
    inference: Inference
    clusters: Clusters | None
    sources: SourceState | None

    @property
    def bse(self) -> Floats:
        """Standard errors, (p,)."""
        with np.errstate(all="ignore"):
            return np.asarray(np.sqrt(np.diag(self.inference.covariance)))

    @property
    def df_by_coefficient(self) -> Floats:
        """Degrees of freedom of intervals; infinite where they are normal, (p,)."""
        own = self.inference.df_by_coefficient
        return own if self.settings.use_t else np.full(len(own), np.inf)

    @cached_property
    def labels_only(self) -> Fit:
        """The same fit without any source."""
        if not self.design.k_sources:
            return self
        # What is to be warned of was said when this fit was made.
        with muted(
            FewUnitsWarning,
            FewClustersWarning,
            WeakInstrumentWarning,
            DiscreteOutcomeWarning,
        ):
            return fit_labels(
                self.design,
                self.target,
                self.solution.theta_real,
                self.settings,
                self.clusters,
            )

    @cached_property
    def naive(self) -> NaiveEstimate:
        """What each source says alone, as if it were real."""
        state = self.solution.sources
        if state is None and not self.dropped_sources:
            state = self.sources
        score = self.target.score
        if state is not None:
            found = naive_at_state(self.design, state)
        else:
            found = naive_estimate(self.design, score, self.solution.eta)
        if self.clusters is None:
            return found
        return naive_with_clusters(self.design, score, found, self.clusters)

    @cached_property
    def representativeness(self) -> list[tuple[JTest, JTest]]:
        """Tests of all sources together and of each, as :func:`representativeness`."""
        return representativeness(
            self.design, self.target.score, self.solution, self.clusters
        )

    @property
    def effective_labels(self) -> Floats:
        """
        Labels that would give the same standard errors without sources, (p,).

        Eq. (effective).
        """
        return effective_labels(self.design, self.bse**2, self.labels_only.bse**2)


def effective_labels(design: AlignedDesign, variance: Floats, alone: Floats) -> Floats:
    """
    Labels with which a variance without sources would be that with them.

    Eq. (effective), Eq. (finite-effective).

    Shapes: `variance`, `alone` (p,) -> (p,).
    """
    share = np.divide(variance, alone, out=np.ones(len(alone)), where=alone != 0.0)
    frame = design.n_frame if design.is_finite else None
    return labels_for_share(share, design.n_labeled, frame)


def labels_for_share(share: Floats, n: int, frame: int | None) -> Floats:
    """
    Labels that leave such a share of the variance of n, of a finite `frame` or not.

    No more than there are: a label of every unit of a frame leaves none.

    Shapes: `share` (p,) -> (p,).
    """
    known = 0.0 if frame is None else n / frame
    with np.errstate(divide="ignore"):  # no variance is left: infinitely many
        return np.asarray(n / (known + (1.0 - known) * share))


def fit_design(
    design: AlignedDesign,
    target: Target,
    theta: Floats,
    eta: Floats,
    settings: FitSettings,
    clusters: Clusters | None = None,
    known: SourceState | None = None,
) -> Fit:
    """
    Estimate the parameters of an aligned design.

    Shapes: `theta` (p,), `eta` (M, p).
    """
    dropped: dict[str, str] = {}
    _refuse_updating(design, target, settings)
    settings = replace(settings, rescaled=is_ill_conditioned(design.basis))
    if settings.maxiter == 1 and design.outcomes is not None:
        design = design.with_outcomes(design.outcomes.with_sources([]))
    design = replace(design, is_finite=settings.is_finite)
    if design.n_labeled == design.n_units and design.k_sources:
        dropped = dict.fromkeys(design.names, "every unit is labelled")
        design, eta = design.with_sources([]), eta[:0]
        warn(
            "Every unit is labelled, so the sources have nothing to add: the result is "
            "that of the labels alone. Are data and a source swapped?"
            f"{_NOTHING_LEFT * settings.is_finite}",
            FullyLabeledWarning,
        )
    elif known is not None:
        known = known.among(design.n_units)
    if design.is_finite and design.n_labeled == design.n_frame and not dropped:
        warn(
            "Every unit is labelled." + _NOTHING_LEFT + " If there are more, they must "
            "be among the units: rows of data, without an outcome.",
            FullyLabeledWarning,
        )
    solution = _checked_solution(
        design, target, theta, eta, settings, clusters, known if len(eta) else None
    )
    if len(eta):
        known = solution.sources
    if solution.redundant:
        for m, reason in solution.redundant.items():
            dropped[design.names[m]] = reason
            warn(
                f"Source {design.names[m]!r} is left out: {reason}. The estimate is "
                "that without it.",
                CollinearSourceWarning,
            )
        keep = [m for m in range(len(eta)) if m not in solution.redundant]
        design, passes = design.with_sources(keep), solution.passes
        solution = _checked_solution(
            design,
            target,
            theta,
            solution.eta[keep],
            settings,
            clusters,
            None if known is None else known.take(keep),
        )
        solution = replace(solution, passes=solution.passes + passes)
    said = with_outcomes(design, target.score.outcomes)
    warn_of(said, solution, target.names, corrected=settings.use_correction)
    warn_of_weak_instruments(design, target.score, clusters)
    warn_of_ties(design, target.score, solution.theta_real, target.yname)
    note_of_density(design, target.score)
    inference = infer(design, target.score, solution, settings, clusters)
    if clusters is None:
        warn_of_strata(design.labeling, inference.df)
    # One row per labelled unit, which must not outlive the data in a result.
    solution = replace(solution, few_labels=None)
    return Fit(target, settings, solution, design, dropped, inference, clusters, known)


def fit_labels(
    design: AlignedDesign,
    target: Target,
    theta: Floats,
    settings: FitSettings,
    clusters: Clusters | None = None,
) -> Fit:
    """
    Estimate from the labels alone, in the settings of another fit.

    Eq. (labels-only).

    Shapes: `theta` (p,).
    """
    return fit_design(
        design.with_sources([]),
        target,
        theta,
        np.empty((0, design.k_params)),
        replace(settings, maxiter=1),
        clusters,
    )


def _refuse_updating(
    design: AlignedDesign, target: Target, settings: FitSettings
) -> None:
    """Raise if the weight cannot be updated continuously."""
    if settings.maxiter != "cue":
        return
    if not target.score.is_smooth:
        raise OptionError(
            f"maxiter='cue' needs a score without jumps, and that of "
            f"{target.score.called} has some. Leave maxiter= out."
        )
    if design.partitions is not None:
        raise OptionError(
            "maxiter='cue' needs something of every unit in memory, and the rows are "
            "in Dask partitions. If they fit, give frame.compute() instead; else "
            "leave the option out."
        )


def _checked_solution(
    design: AlignedDesign,
    target: Target,
    theta: Floats,
    eta: Floats,
    settings: FitSettings,
    clusters: Clusters | None,
    known: SourceState | None,
) -> Solution:
    score, names = target.score, target.names
    check_separation(
        design.labeled, theta, True, score=score, where=LABELS, names=names
    )
    solution = solve(
        design,
        target.score,
        theta,
        eta,
        steps=2 if settings.maxiter == "cue" else settings.maxiter,
        continuous=settings.maxiter == "cue",
        centered=settings.centered,
        shrink=settings.shrinks,
        clusters=clusters,
        known=known,
    )
    # A separated outcome may be fitted exactly, too.
    check_solution(design, solution, score, names)
    check_exact_fit(design.labeled, solution.theta_real, score, target.yname)
    return solution

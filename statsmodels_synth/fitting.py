"""One fit of an aligned design: solve, leave out what is redundant, check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from statsmodels.genmod import families

from statsmodels_synth._arrays import Floats
from statsmodels_synth.cautions import warn_of
from statsmodels_synth.checks import check_exact_fit
from statsmodels_synth.clusters import Clusters
from statsmodels_synth.design import AlignedDesign
from statsmodels_synth.exceptions import (
    CollinearSourceWarning,
    FullyLabeledWarning,
    OptionError,
    warn,
)
from statsmodels_synth.inference import Inference, infer
from statsmodels_synth.options import FitSettings
from statsmodels_synth.scores import Score
from statsmodels_synth.separation import LABELS, check_separation, check_solution
from statsmodels_synth.solver import Solution, solve
from statsmodels_synth.source_sums import SourceState


@dataclass(frozen=True)
class Fit:
    """
    A solved design.

    Parameters
    ----------
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

    solution: Solution
    design: AlignedDesign
    dropped_sources: dict[str, str]
    inference: Inference
    clusters: Clusters | None
    sources: SourceState | None


@dataclass(frozen=True)
class Target:
    """
    The target model.

    Parameters
    ----------
    family : statsmodels.genmod.families.Family
        Family and link.
    score : Score
        Its score.
    names : sequence of str
        Names of the coefficients.
    yname : str
        Name of the outcome.
    """

    family: families.Family
    score: Score
    names: Sequence[str]
    yname: str


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

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    target : Target
        The target model.
    theta : ndarray (p,)
        Start.
    eta : ndarray (M, p)
        Start.
    settings : FitSettings
        Options of the fit.
    clusters : Clusters, optional
        Clusters of the units.
    known : SourceState, optional
        What each source says by itself, where that is known; takes the place of `eta`.

    Returns
    -------
    Fit
        The solution, and which sources took part.

    Raises
    ------
    SeparationError
        If the labels or a source are perfectly separated.
    OptionError
        If rows are in partitions and an option needs them in memory.
    DataError
        If the labels are fitted exactly.

    Warns
    -----
    FullyLabeledWarning
        If every unit is labelled.
    CollinearSourceWarning
        If a source is left out because it repeats others.
    ConvergenceWarning, LabelAgreementWarning
        See :func:`~statsmodels_synth.cautions.warn_of`.
    """
    dropped: dict[str, str] = {}
    _refuse_in_partitions(design, settings)
    if design.n_labeled == design.n_units and design.k_sources:
        dropped = dict.fromkeys(design.names, "every unit is labelled")
        design, eta = design.with_sources([]), eta[:0]
        warn(
            "Every unit is labelled, so the sources have nothing to add: the result is "
            "that of the labels alone. Are data and a source swapped?",
            FullyLabeledWarning,
        )
    elif known is not None:
        known = known.among(design.n_units)
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
    warn_of(design, solution, corrected=settings.use_correction)
    inference = infer(design, target.score, solution, settings, clusters)
    # One row per labelled unit, which must not outlive the data in a result.
    solution = replace(solution, controls=None)
    return Fit(solution, design, dropped, inference, clusters, known)


def _refuse_in_partitions(design: AlignedDesign, settings: FitSettings) -> None:
    """Raise if an option needs something of every unit, which is not in memory."""
    if design.partitions is None:
        return
    if settings.maxiter == "cue":
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
    family, names = target.family, target.names
    check_separation(
        design.labeled, theta, True, family=family, where=LABELS, names=names
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
    check_exact_fit(design.labeled, solution.theta_real, family, target.yname)
    check_solution(design, solution, family, names)
    return solution

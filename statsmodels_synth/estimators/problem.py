"""What the other estimators start from: one aligned design, and a few names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import suggest, type_name
from statsmodels_synth.core.options import Kind
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.gmm.alone import NaiveEstimate, naive_at_state, naive_estimate
from statsmodels_synth.gmm.separation import LABELS, check_separation
from statsmodels_synth.gmm.target import solve_target
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import Clusters
from statsmodels_synth.problem.scores import TargetScore

#: A model or its results: whatever has a fit, or can be fitted. The classes come later
#: in the flow of data, so that this part knows them by what they have.
ModelOrResults: TypeAlias = Any


@dataclass(frozen=True)
class Problem:
    """
    An aligned design with the two estimates that every method starts from.

    Parameters
    ----------
    model : AugmentedGMM
        The model; estimators take names from it and nothing else.
    design : AlignedDesign
        Aligned arrays.
    clusters : Clusters or None
        Clusters of the units.
    theta : ndarray (p,)
        Labelled-only estimate.
    naive : NaiveEstimate
        What each source says alone.
    dropped : dict
        Sources that the fit left out, with the reason.
    """

    model: Any
    design: AlignedDesign
    clusters: Clusters | None
    theta: Floats
    naive: NaiveEstimate
    dropped: dict[str, str]

    @property
    def score(self) -> TargetScore:
        """TargetScore of the target model."""
        return self.model.target_score  # type: ignore[no-any-return]

    @property
    def n_unlabeled(self) -> int:
        """Units without label, N = T - n."""
        return self.design.n_units - self.design.n_labeled

    @property
    def drawn_alike(self) -> bool:
        """Whether all units had the same probability of being labelled."""
        return self.design.labeling.prob is None

    def position(self, source: str | None, kind: Kind | None = None) -> int:
        """Position of a source."""
        names = self.design.names
        known = [m for m, own in enumerate(self.design.kinds) if kind in {None, own}]
        if source is not None and source in self.dropped:
            raise DataError(
                f"Source {source!r} took no part in the fit: {self.dropped[source]}."
            )
        if not known:
            what = "source" if kind is None else f"{kind} source"
            raise DataError(f"There is no {what} that takes part in the fit.")
        if not self.n_unlabeled:
            raise DataError(
                "Every unit is labelled, so there is nothing to predict: use the "
                "labels."
            )
        if source is None:
            return known[0]
        if source not in names:
            raise DataError(
                f"There is no source {source!r}.{suggest(source, list(names))}"
            )
        m = names.index(source)
        if m not in known:
            raise DataError(
                f"Source {source!r} is of the kind {self.design.kinds[m]}, and a "
                f"{kind} one is asked for.{suggest(source, [names[k] for k in known])}"
            )
        return m


@with_one_blas_thread
def problem_of(fitted: ModelOrResults) -> Problem:
    """Take what the other estimators need from a model, or from its results."""
    given: Any = getattr(fitted, "_results", fitted)
    if hasattr(given, "_fit_or_raise"):
        fit = given._fit_or_raise()
        return Problem(
            given.model,
            fit.design,
            fit.clusters,
            fit.solution.theta_real,
            given._naive,
            fit.dropped_sources,
        )
    if not hasattr(given, "target_score"):
        raise OptionError(
            f"This is a {type_name(fitted)}. Give an AugmentedGMM or its results."
        )
    design, p = given.aligned_or_raise(), given.k_params
    start = given.labeled_start()
    check_separation(
        design.labeled,
        start,
        True,
        score=given.target_score,
        where=LABELS,
        names=given.param_names,
    )
    theta, solved = solve_target(design, given.target_score, start, np.zeros(p))
    if not solved:
        raise DataError(
            "The labels alone have no estimate: their score equations were not solved. "
            "Rescale regressors of very different size, or fit the model first."
        )
    naive = (
        naive_estimate(design, given.target_score, given.sources_start())
        if given.source_state is None
        else naive_at_state(design, given.source_state)
    )
    return Problem(given, design, None, theta, naive, {})

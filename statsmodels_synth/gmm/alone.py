"""Estimates from one source alone, as if it were real: what not to report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import warn
from statsmodels_synth.exceptions import ConvergenceWarning
from statsmodels_synth.gmm.solver import STEP_TOLERANCE
from statsmodels_synth.gmm.sums import SourceState, cluster_scores, design_sums
from statsmodels_synth.gmm.target import MAX_STEPS, relative_step, score_step
from statsmodels_synth.gmm.weights import SINGULAR, inverse_in_basis
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import Clusters
from statsmodels_synth.problem.scores import TargetScore


@dataclass(frozen=True)
class NaiveEstimate:
    """
    Naive estimates of all sources.

    Parameters
    ----------
    params : ndarray (M, p)
        Solutions of each source's own score equations over its covered units.
    covariance : ndarray (M, p, p)
        Robust covariances, replicates of a unit taken as one observation; robust to
        dependence within clusters where there are clusters.
    """

    params: Floats
    covariance: Floats

    @property
    def bse(self) -> Floats:
        """Standard errors, (M, p)."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2)))


def naive_at_state(design: AlignedDesign, state: SourceState) -> NaiveEstimate:
    """Naive estimates where they are known, without another pass."""
    state = state.among(design.n_units)
    assert state.sums.outer is not None
    own = state.sums.outer.reshape(state.eta.shape * 2)
    covariance = np.empty((*state.eta.shape, state.eta.shape[1]))
    for m, jacobian in enumerate(state.sums.jacobian):
        bread = inverse_in_basis(jacobian, design.basis)
        covariance[m] = bread @ own[m, :, m] @ bread.T / design.n_units
    return NaiveEstimate(state.eta.copy(), covariance)


def naive_with_clusters(
    design: AlignedDesign, score: TargetScore, found: NaiveEstimate, clusters: Clusters
) -> NaiveEstimate:
    """The same estimates, with standard errors from sums of scores by cluster."""
    with np.errstate(all="ignore"):  # a source without an estimate has none
        scores = cluster_scores(design, score, found.params, clusters)
        sums = design_sums(design, score, found.params)
    covariance, p = np.full_like(found.covariance, np.nan), found.params.shape[1]
    for m in np.flatnonzero(np.all(np.isfinite(found.params), axis=1)).tolist():
        bread = inverse_in_basis(sums.jacobian[m], design.basis) / design.n_units
        own = scores[:, m * p : (m + 1) * p] @ bread.T
        covariance[m] = own.T @ own
    return NaiveEstimate(found.params, covariance)


def naive_estimate(
    design: AlignedDesign, score: TargetScore, eta: Floats
) -> NaiveEstimate:
    """
    Newton's method on the all-units moments of every source.

    Eq. (source-eta).

    Shapes: `eta` (M, p).
    """
    eta = eta.copy()
    k_sources, p = eta.shape
    covariance = np.full((k_sources, p, p), np.nan)
    unsolved, failed = list(range(k_sources)), []
    for _ in range(MAX_STEPS):
        if not unsolved:
            break
        with np.errstate(all="ignore"):
            sums = design_sums(design, score, eta, outer=True)
        assert sums.outer is not None
        own = sums.outer.reshape(k_sources, p, k_sources, p)
        for m in list(unsolved):
            slope = design.basis.T @ sums.jacobian[m] @ design.basis
            if not np.all(np.isfinite(slope)) or np.linalg.cond(slope) > SINGULAR:
                unsolved.remove(m)
                failed.append(m)
                continue
            bread = inverse_in_basis(sums.jacobian[m], design.basis)
            step = -bread @ sums.mean[m]
            moved = min(
                relative_step(step, eta[m], design.column_scale),
                score_step(step, sums.jacobian[m], own[m, :, m]),
            )
            eta[m] += step
            # A score that jumps is never zero: one step from where the start led.
            if moved <= STEP_TOLERANCE or not score.is_smooth:
                covariance[m] = bread @ own[m, :, m] @ bread.T / design.n_units
                unsolved.remove(m)
    for m in [*unsolved, *failed]:
        eta[m] = np.nan
        warn(
            f"Source {design.names[m]!r}: the estimate from this source alone did not "
            "converge and is shown as NaN. The augmented estimate does not use it.",
            ConvergenceWarning,
        )
    return NaiveEstimate(eta, covariance)

"""Covariance and degrees of freedom of the target coefficients, for any settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.clusters import Clusters, cluster_sums
from statsmodels_synth.correction import corrected_covariance, labeled_influence
from statsmodels_synth.covariance import influence_map, sandwich, stratified
from statsmodels_synth.design import AlignedDesign
from statsmodels_synth.moment_sums import (
    labeled_derivatives,
    labeled_scores,
    moment_blocks,
    unrelated_scores,
)
from statsmodels_synth.options import FitSettings
from statsmodels_synth.scores import Score
from statsmodels_synth.shrinkage import (
    ControlCoefficients,
    control_coefficients,
    no_controls,
)
from statsmodels_synth.solver import Solution
from statsmodels_synth.weights import Weight, all_units_weight, optimal_weight


@dataclass(frozen=True)
class Inference:
    """
    What the standard errors are made of.

    Parameters
    ----------
    covariance : ndarray (p, p)
        Covariance of the target coefficients.
    df : float
        Residual degrees of freedom, at least one.
    map : ndarray (p, q)
        Influence of a unit's moments on the coefficients, K.
    controls : ControlCoefficients
        The regression of the labelled score on the sources.
    """

    covariance: Floats
    df: float
    map: Floats
    controls: ControlCoefficients


def infer(
    design: AlignedDesign,
    score: Score,
    solution: Solution,
    settings: FitSettings,
    clusters: Clusters | None,
) -> Inference:
    """
    Covariance and degrees of freedom at a solution.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    score : Score
        Target model.
    solution : Solution
        What the solver found.
    settings : FitSettings
        Options of the fit.
    clusters : Clusters or None
        Clusters of the units.

    Returns
    -------
    Inference
        NaN where the solver ran off.
    """
    sums, p, theta = solution.sums, design.k_params, solution.theta
    n = design.n_labeled if clusters is None else clusters.n_labeled

    def by_cluster(values: Floats) -> Floats:
        values = values * design.design_weights[:, None]
        if clusters is None:
            return values
        return cluster_sums(values, clusters.of_labeled, n)

    with np.errstate(all="ignore"):  # a solver that ran off, which the result says
        psi, h, *_ = labeled_scores(design, score, theta, solution.eta)
        psi_unaided, _, slope, _ = labeled_scores(
            design, score, solution.theta_real, solution.eta
        )
    weight, shrunken = _weight(design, solution, settings)
    controls = no_controls(by_cluster(psi), len(design.sources))
    if shrunken:
        # As the solver had them: at the labelled-only estimate.
        unaided = replace(sums, target=slope / design.n_units)
        controls = control_coefficients(
            by_cluster(psi_unaided), by_cluster(h), unaided, design.basis
        )
        weight = replace(weight, gain=controls.gain)
    map_ = influence_map(sums, weight, design.basis)
    total, own = _labeled_contributions(map_, psi, h, design)
    if clusters is None:
        covariance = sandwich(sums, map_, design.n_units, settings.centered)
    else:
        everyone = _cluster_contributions(map_, design, score, solution, clusters)
        total, covariance = everyone[:n], everyone.T @ everyone
    df = float(n - (p if clusters is None else 1) - controls.df)
    if design.labeling.strata is not None:
        df = min(df, float(n - 1 - design.labeling.strata.max()))
    df = max(df, 1.0)
    if not np.all(np.isfinite(covariance)):
        return Inference(np.full((p, p), np.nan), df, map_, controls)
    if settings.use_correction:
        labeled = labeled_influence(
            design,
            labeled_derivatives(design, score, theta),
            by_cluster(psi),
            by_cluster(psi_unaided),
            by_cluster(h),
            controls,
            unrelated_scores(design, score, solution.eta),
            None if clusters is None else clusters.of_labeled,
        )
        own = labeled.left_out
        covariance = corrected_covariance(covariance, total, labeled)
    if clusters is None:
        covariance = stratified(
            covariance, own, design.labeling, unbiased=settings.use_correction
        )
    return Inference(covariance, df, map_, controls)


def _weight(
    design: AlignedDesign, solution: Solution, settings: FitSettings
) -> tuple[Weight, bool]:
    """Weight that the estimate has used, and whether its gain is to be shrunken."""
    if settings.maxiter == 1:
        return solution.weight, False
    if settings.shrinks and design.sources and solution.converged:
        return all_units_weight(design), True
    omega = solution.sums.omega(settings.centered)
    return optimal_weight(omega, design.basis), False


def _labeled_contributions(
    map_: Floats, psi: Floats, h: Floats, design: AlignedDesign
) -> tuple[Floats, Floats]:
    """Contributions ``K g_t / T`` of labelled units, and the part of their labels."""
    p = design.k_params
    by_source = map_[:, p:].reshape(p, -1, 2, p)
    drawn, everyone = (by_source[:, :, k].reshape(p, -1) for k in (0, 1))
    own = (psi @ map_[:, :p].T + h @ drawn.T) * design.design_weights[:, None]
    rest = h @ everyone.T
    return (own + rest) / design.n_units, own / design.n_units


def _cluster_contributions(
    map_: Floats,
    design: AlignedDesign,
    score: Score,
    solution: Solution,
    clusters: Clusters,
) -> Floats:
    """Contributions of every cluster, (C, p)."""
    total = np.zeros((clusters.n_all, design.k_params))
    blocks = moment_blocks(design, score, solution.theta, solution.eta)
    for units, moments in blocks:
        present, place = np.unique(clusters.of_units[units], return_inverse=True)
        total[present] += cluster_sums(moments @ map_.T, place, len(present))
    return total / design.n_units

"""Covariance and degrees of freedom of the target coefficients, for any settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.clusters import (
    Clusters,
    cluster_scores,
    cluster_sums,
    labeled_sums,
)
from statsmodels_synth.correction import corrected_covariance, labeled_influence
from statsmodels_synth.covariance import influence_map, sandwich, stratified
from statsmodels_synth.design import AlignedDesign
from statsmodels_synth.moment_sums import (
    labeled_scores,
    target_scores,
    unrelated_scores,
)
from statsmodels_synth.options import FitSettings
from statsmodels_synth.scores import Score
from statsmodels_synth.shrinkage import no_controls
from statsmodels_synth.solver import Solution
from statsmodels_synth.weights import optimal_weight


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
    left_out : ndarray (G, p) or None
        What labelled units (clusters) contribute to the coefficients, had they taken no
        part in them; None without a correction for few labels.
    """

    covariance: Floats
    df: float
    map: Floats
    left_out: Floats | None = None


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
    with np.errstate(all="ignore"):  # a solver that ran off, which the result says
        psi, _, derivatives = target_scores(design, score, theta)
        psi_unaided, h, *_ = labeled_scores(
            design, score, solution.theta_real, solution.eta
        )
    weight = solution.weight
    controls = solution.controls if solution.converged else None
    if controls is None:
        controls = no_controls(n, p, design.k_sources)
        if settings.maxiter != 1:
            weight = optimal_weight(sums.omega(settings.centered), design.basis)
    map_ = influence_map(sums, weight, design.basis)
    by_source = map_[:, p:].reshape(p, -1, 2, p)
    drawn, of_everyone = (by_source[:, :, k].reshape(p, -1) for k in (0, 1))
    own = (psi @ map_[:, :p].T + h @ drawn.T) * design.design_weights[:, None]
    own /= design.n_units
    # Contributions K g_t / T of labelled units, of which `own` is that of their labels.
    total = own + h @ of_everyone.T / design.n_units
    if clusters is None:
        covariance = sandwich(sums, map_, design.n_units, settings.centered)
    else:
        with np.errstate(all="ignore"):
            sources = cluster_scores(design, score, solution.eta, clusters)
        everyone = sources @ of_everyone.T / design.n_units
        everyone += cluster_sums(own, clusters.of_labeled, clusters.n_all)
        total, covariance = everyone[:n], everyone.T @ everyone
    df = float(n - (p if clusters is None else 1) - controls.df)
    if design.labeling.strata is not None:
        df = min(df, float(n - 1 - design.labeling.strata.max()))
    df = max(df, 1.0)
    if not np.all(np.isfinite(covariance)):
        return Inference(np.full((p, p), np.nan), df, map_)
    left_out = None
    if settings.use_correction:
        labeled = labeled_influence(
            design,
            derivatives,
            labeled_sums(psi, design, clusters),
            labeled_sums(psi_unaided, design, clusters),
            labeled_sums(h, design, clusters),
            controls,
            unrelated_scores(design, score, solution.eta, h),
            None if clusters is None else clusters.of_labeled,
        )
        own = left_out = labeled.left_out
        covariance = corrected_covariance(covariance, total, labeled)
    if clusters is None:
        covariance = stratified(
            covariance, own, design.labeling, unbiased=settings.use_correction
        )
    return Inference(covariance, df, map_, left_out)

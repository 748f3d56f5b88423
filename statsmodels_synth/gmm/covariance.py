r"""
Covariance of the target coefficients, and what the sources explain.

With optimal weight the covariance of all parameters is
``(G' Omega^-1 G)^-1 / T``. Because theta enters only the labelled score, its
block is ``K Omega K' / T`` with

.. math::
    K = -D_1^{-1} \bigl[\, I,\; -B \, (I - D_2 (D_2' \Omega_{22}^{-1} D_2)^{-1}
        D_2' \Omega_{22}^{-1}) \,\bigr],
    \qquad B = \Omega_{12} \Omega_{22}^{-1},

where ``D_1`` and ``D_2`` are the Jacobians of the labelled score and of the
moments of the sources. ``K g_t`` is the influence function of unit t. In this
form nothing needs ``Omega`` itself to be invertible, so a source that agrees
with every label does no harm to the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.gmm.few_labels import (
    corrected_covariance,
    labeled_influence,
    no_controls,
    unrelated_scores,
)
from statsmodels_synth.gmm.moments import MomentSums, labeled_scores, target_scores
from statsmodels_synth.gmm.settings import FitSettings
from statsmodels_synth.gmm.solver import Solution
from statsmodels_synth.gmm.sums import cluster_scores
from statsmodels_synth.gmm.weights import (
    SINGULAR,
    Weight,
    block_jacobian,
    inverse_root,
    optimal_weight,
    repeated_block,
    scaled_lstsq,
)
from statsmodels_synth.problem.design import AlignedDesign, Labeling
from statsmodels_synth.problem.groups import Clusters, cluster_sums, labeled_sums
from statsmodels_synth.problem.scores import TargetScore


def influence_map(sums: MomentSums, weight: Weight, basis: Floats) -> Floats:
    """
    Linear map from the moments of a unit to its influence on theta.

    Eq. (covariance).

    Shapes: `basis` (p, p) -> (p, q).
    """
    p = len(sums.target)
    gain = weight.gain
    if weight.rank:
        k_sources = len(sums.auxiliary)
        jacobian = block_jacobian(sums.auxiliary) @ repeated_block(basis, k_sources)
        whitened = weight.whiten @ jacobian
        gain = gain - gain @ jacobian @ scaled_lstsq(whitened, weight.whiten)
    stacked = np.hstack([np.eye(p), -gain])
    slope = basis.T @ sums.target @ basis
    if np.linalg.cond(slope) > SINGULAR:
        # A solver that ran off, which the result says: NaN is the honest covariance.
        return np.full_like(stacked, np.nan)
    return np.asarray(-basis @ np.linalg.solve(slope, basis.T @ stacked), dtype=float)


def sandwich(sums: MomentSums, map_: Floats, n_units: int, centered: bool) -> Floats:
    """
    Covariance ``K Omega K' / T``.

    Eq. (covariance).

    Shapes: `map_` (p, q) -> (p, p).
    """
    cov = map_ @ sums.omega(centered) @ map_.T / n_units
    return (cov + cov.T) / 2


def stratified(
    covariance: Floats, own: Floats, labeling: Labeling, *, unbiased: bool
) -> Floats:
    r"""
    Covariance when the number of labels in each stratum was fixed.

    Eq. (stratified).

    What the labels of a stratum have in common is then no matter of chance, except for
    the share of the stratum that they are: that of an infinite population,

    .. math::
        V - \sum_h (1 - \pi_h) \, n_h \, \bar l_h \bar l_h' .

    Shapes: `covariance` (p, p), `own` (n, p) -> (p, p).
    """
    strata, prob = labeling.strata, labeling.prob
    if strata is None:
        return covariance
    result = covariance.copy()
    for h in range(int(strata.max()) + 1):
        rows = own[strata == h]
        n, chance = len(rows), 1.0 if prob is None else 1.0 - prob[strata == h][0]
        if n == 1:
            continue  # its variance is unknown: as if drawn unit by unit
        centred = rows - rows.mean(axis=0)
        within = centred.T @ centred * (n / (n - 1) if unbiased else 1.0)
        result += chance * (within - rows.T @ rows)
    return result


def explained_shares(
    own: Floats, cross: Floats, source: Floats, n_labeled: int
) -> tuple[float, Floats]:
    """
    Share of labelled scores that scores of sources explain: of all, and of each.

    Eq. (explained), from second moments of the scores, times any constant.

    Shapes: `own` (p, p), `cross` (p, k), `source` (k, k) -> `of_each` (p,).

    Examples
    --------
    >>> score = np.array([[2.0]])
    >>> explained_shares(score, 3 * score, 9 * score, 10)
    (1.0, array([1.]))
    """
    p, k = cross.shape
    if n_labeled <= k:
        return float("nan"), np.full(p, np.nan)
    fitted = cross @ inverse_root(source)
    of_all = np.sum((inverse_root(own).T @ fitted) ** 2) / p
    shares = np.r_[of_all, np.sum(fitted**2, axis=1) / np.diag(own)]
    chance = k / n_labeled
    shares = np.clip((shares - chance) / (1.0 - chance), 0.0, 1.0)
    return float(shares[0]), shares[1:]


def explained_by_source(sums: MomentSums, basis: Floats, n_labeled: int) -> Floats:
    """
    Share of the labelled scores that each source explains, alone.

    Shapes: `basis` (p, p) -> (M,).
    """
    k_sources, _, p, _ = sums.auxiliary.shape
    omega, labels = sums.omega(), slice(0, p)
    own = basis.T @ omega[labels, labels] @ basis
    share = np.empty(k_sources)
    for m in range(k_sources):
        drawn = slice(p + 2 * m * p, p + 2 * m * p + p)
        cross, scores = (
            basis.T @ omega[rows, drawn] @ basis for rows in (labels, drawn)
        )
        share[m], _ = explained_shares(own, cross, scores, n_labeled)
    return share


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
    score: TargetScore,
    solution: Solution,
    settings: FitSettings,
    clusters: Clusters | None,
) -> Inference:
    """Covariance and degrees of freedom at a solution. Eq. (clustered), Eq. (df)."""
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

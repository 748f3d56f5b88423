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

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.gmm.few_labels import FewLabels, few_label_estimate
from statsmodels_synth.gmm.moments import MomentSums, labeled_scores
from statsmodels_synth.gmm.rows import chances, strata_groups, within_groups
from statsmodels_synth.gmm.settings import FitSettings
from statsmodels_synth.gmm.solver import Solution
from statsmodels_synth.gmm.sums import cluster_scores, score_blocks
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
from statsmodels_synth.problem.groups import Clusters, cluster_sums
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


def finite_rows(own: Floats, design: AlignedDesign, *, centered: bool) -> Floats:
    r"""
    What varies of the labels' contributions where the units are the population.

    Eq. (finite-error), Eq. (finite-covariance), before the factor :math:`1 - \pi_t`.

    Shapes: `own` (n, p) -> (n, p).
    """
    groups = strata_groups(design.labeling)
    if groups is not None:
        return within_groups(own, groups)
    everyone = np.zeros(len(own), dtype=np.intp) if centered else None
    return within_groups(own, everyone)


def finite_covariance(
    own: Floats, design: AlignedDesign, *, centered: bool = True
) -> Floats:
    r"""
    Covariance where the units are the population: chance is only who is labelled.

    Eq. (finite-covariance), Eq. (finite-error).

    Over all units the contributions sum to zero, so that the error is
    :math:`\sum_t (S_t / \pi_t - 1) \pi_t l_t`.

    Shapes: `own` (n, p), what each label contributes, -> (p, p).
    """
    rows = finite_rows(own, design, centered=centered)
    rows = rows * np.sqrt(1.0 - chances(design))[:, None]
    covariance = rows.T @ rows
    return np.asarray((covariance + covariance.T) / 2)


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
class Influence:
    """
    What each unit contributes to the coefficients, to first order.

    Parameters
    ----------
    own : ndarray (n, p)
        By its label, and by what the sources say of labelled units.
    of_units : ndarray (p, M p)
        This times the scores of the sources is what any unit contributes besides.
    """

    own: Floats
    of_units: Floats

    def blocks(
        self, design: AlignedDesign, score: TargetScore, eta: Floats
    ) -> Iterator[tuple[slice, Floats]]:
        """
        Contributions of all units, block by block.

        Shapes: `eta` (M, p) -> `values` (units, p).
        """
        where = design.labeled_units
        for units, scores in score_blocks(design.sources, design.n_units, score, eta):
            values = scores @ self.of_units.T
            labeled = slice(*np.searchsorted(where, [units.start, units.stop]))
            values[where[labeled] - units.start] += self.own[labeled]
            yield units, values

    def by_cluster(self, scores: Floats, clusters: Clusters) -> Floats:
        """
        Contributions of clusters, from their sums of scores.

        Shapes: `scores` (C, M p) -> (C, p).
        """
        everyone = scores @ self.of_units.T
        return everyone + cluster_sums(self.own, clusters.of_labeled, clusters.n_all)


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
    df_by_coefficient : ndarray (p,)
        Those of each coefficient, which may be made of fewer rows.
    influence : Influence
        What each unit contributes to the coefficients.
    parts : tuple of ndarray (p,), or None
        Variance in proportion to 1/n and to 1/T; None without a correction for few
        labels.
    """

    covariance: Floats
    df: float
    df_by_coefficient: Floats
    influence: Influence
    parts: tuple[Floats, Floats] | None = None


def survey_covariance(
    total: Floats, own: Floats, design: AlignedDesign, clusters: Clusters
) -> Floats:
    """
    Covariance of sums over clusters that a survey drew within strata.

    Where a share of the clusters of a stratum was drawn, what labelling leaves to
    chance within them does not become less by that. Eq. (survey).

    Shapes: `total` (C, p), `own` (n, p) -> (p, p).
    """
    survey = clusters.survey
    assert survey is not None
    size = np.bincount(survey.of_clusters).astype(float)
    mean = cluster_sums(total, survey.of_clusters, survey.n_strata) / size[:, None]
    scale = size / (size - 1.0)
    weight = (scale[survey.of_clusters] * (1.0 - survey.fraction))[:, None]
    off = total - mean[survey.of_clusters]
    open_ = (1.0 - chances(design)) * survey.fraction[clusters.of_labeled]
    return np.asarray(off.T @ (off * weight) + own.T @ (own * open_[:, None]))


def infer(
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    settings: FitSettings,
    clusters: Clusters | None,
) -> Inference:
    """Covariance and degrees of freedom at a solution."""
    if not settings.use_correction:
        return _asymptotic(design, score, solution, settings, clusters)
    if not solution.converged:
        return _unknown(design, clusters)
    p, k_sources = design.k_params, design.k_sources
    found: FewLabels | None = solution.few_labels
    if found is None:
        # Sources that take no part: the labels alone.
        alone, no_eta = design.with_sources([]), np.empty((0, p))
        theta, sums = solution.theta_real, solution.sums
        found = few_label_estimate(alone, score, theta, no_eta, sums, clusters)
        found = replace(found, of_units=np.zeros((p, k_sources * p)))
    inference = Inference(
        found.covariance,
        found.df,
        found.df_by_coefficient,
        Influence(found.own, found.of_units),
        (found.by_labels, found.by_units),
    )
    if clusters is None or clusters.survey is None:
        return inference
    return _in_survey_strata(inference, design, score, solution, clusters)


def _in_survey_strata(
    inference: Inference,
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    clusters: Clusters,
) -> Inference:
    """
    Inference in the ratio in which strata shorten the asymptotic standard errors.

    Eq. (survey).
    """
    assert clusters.survey is not None
    eta = solution.eta[: design.k_sources]
    scores = cluster_scores(design, score, eta, clusters)
    total = inference.influence.by_cluster(scores, clusters)
    survey = survey_covariance(total, inference.influence.own, design, clusters)
    plain = (total**2).sum(axis=0)
    ratio = np.divide(np.diag(survey), plain, out=np.ones(len(plain)), where=plain > 0)
    root, (by_labels, by_units) = np.sqrt(ratio), inference.parts or (0.0, 0.0)
    most = max(float(clusters.n_labeled - clusters.survey.n_strata), 1.0)
    return replace(
        inference,
        covariance=inference.covariance * np.outer(root, root),
        df=min(inference.df, most),
        df_by_coefficient=np.minimum(inference.df_by_coefficient, most),
        parts=(by_labels * ratio, by_units * ratio),
    )


def _unknown(design: AlignedDesign, clusters: Clusters | None) -> Inference:
    """What is known where the equations were not solved: nothing."""
    n, p, k = design.n_labeled, design.k_params, design.k_sources
    own, of_units = np.full((n, p), np.nan), np.full((p, k * p), np.nan)
    df = _asymptotic_df(design, clusters)
    unknown = np.full((p, p), np.nan)
    return Inference(unknown, df, np.full(p, df), Influence(own, of_units))


def _asymptotic_df(design: AlignedDesign, clusters: Clusters | None) -> float:
    """Rows less coefficients, at least one; with clusters, or strata, less one."""
    if clusters is not None:
        lost = 1 if clusters.survey is None else clusters.survey.n_strata
        return max(float(clusters.n_labeled - lost), 1.0)
    strata, varies = design.labeling.strata, np.ones(design.n_labeled, dtype=bool)
    if design.is_finite:
        varies = chances(design) < 1.0
    n = int(np.count_nonzero(varies))
    df = float(n - design.k_params)
    if strata is not None:
        df = min(df, float(n - len(np.unique(strata[varies]))))
    return max(df, 1.0)


def _asymptotic(
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    settings: FitSettings,
    clusters: Clusters | None,
) -> Inference:
    """
    Covariance that takes the weight for known.

    Eq. (covariance), Eq. (clustered), Eq. (finite-covariance).
    """
    sums, p, n_units = solution.sums, design.k_params, design.n_units
    with np.errstate(all="ignore"):  # a solver that ran off, which the result says
        psi, h, *_ = labeled_scores(design, score, solution.theta, solution.eta)
    weight = solution.weight
    if settings.maxiter != 1:
        weight = optimal_weight(sums.omega(settings.centered), design.basis)
    map_ = influence_map(sums, weight, design.basis)
    by_source = map_[:, p:].reshape(p, -1, 2, p)
    drawn, of_everyone = (by_source[:, :, k].reshape(p, -1) for k in (0, 1))
    own = (psi @ map_[:, :p].T + h @ drawn.T) * design.design_weights[:, None]
    influence = Influence(own / n_units, of_everyone / n_units)
    if design.is_finite:
        covariance = finite_covariance(
            influence.own, design, centered=settings.centered
        )
    elif clusters is None:
        covariance = sandwich(sums, map_, n_units, settings.centered)
        covariance = stratified(
            covariance, influence.own, design.labeling, unbiased=False
        )
    else:
        with np.errstate(all="ignore"):
            scores = cluster_scores(design, score, solution.eta, clusters)
        total = influence.by_cluster(scores, clusters)
        covariance = total.T @ total
        if clusters.survey is not None:
            covariance = survey_covariance(total, influence.own, design, clusters)
    if not np.all(np.isfinite(covariance)):
        covariance = np.full((p, p), np.nan)
    df = _asymptotic_df(design, clusters)
    return Inference(covariance, df, np.full(p, df), influence)

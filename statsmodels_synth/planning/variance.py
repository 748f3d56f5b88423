r"""
The variance of a pilot, taken apart.

The augmented estimate solves ``mean(a psi(theta)) = B [mean_L a h - mean h]``, the
first two means over n labelled units, the last over all T. It is a regression
estimator in double sampling (Cochran 1977), with variance

.. math::
    V(n, T) = D^{-1} \Bigl[ \Bigl(\frac 1n - \frac 1T\Bigr) S_{res}
        + \frac 1T S_\psi \Bigr] D^{-1},
    \qquad S_{res} = S_\psi - C S_{hh}^{-1} C'

where B is optimal: a part in 1/n and a part in 1/T. What the pilot reports is larger,
since it has few labels: leverage, the estimation of B, the labelled unit that is added
(:mod:`~statsmodels_synth.gmm.few_labels`). Here both parts are estimated without the
bias of few labels. :mod:`~statsmodels_synth.planning.prediction` says what becomes of
them at other sizes.

References
----------
Cochran, W. G. (1977). Sampling Techniques, 3rd ed., chapter 12. Wiley.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.gmm.covariance import finite_rows
from statsmodels_synth.gmm.fit import Fit
from statsmodels_synth.gmm.moments import labeled_scores
from statsmodels_synth.gmm.rows import chances
from statsmodels_synth.gmm.settings import FitSettings
from statsmodels_synth.gmm.sums import row_factors
from statsmodels_synth.planning.prediction import (
    VarianceParts,
    positive_parts,
    with_gain,
)
from statsmodels_synth.problem.design import AlignedDesign, Labeling
from statsmodels_synth.problem.groups import all_sums, cluster_sums, labeled_sums
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import (
    by_row,
    row_scores,
)

#: Units per block.
_BLOCK = 4096


@dataclass(frozen=True)
class SourceMoments:
    """
    What is needed to say what other numbers of replicates would do.

    Parameters
    ----------
    coefficients : ndarray (p, M p)
        What a labelled unit contributes to the estimate by the scores of the sources.
    labeled : ndarray (M p, M p)
        Sum of ``a^2 h h'`` over the labelled units.
    """

    coefficients: Floats
    labeled: Floats


@dataclass(frozen=True)
class ReplicateNoise:
    """
    How much the rows of a unit differ in a source: what replicates average out.

    Parameters
    ----------
    labeled, mixed, everyone : ndarray (p, p)
        Sum of the covariance of a row within its unit, over units as in
        :class:`SourceMoments`; NaN where no unit has two rows.
    share : float
        Mean of one over the number of rows of a unit.
    rows : float
        Rows of every covered unit; NaN where they differ in number.
    """

    labeled: Floats
    mixed: Floats
    everyone: Floats
    share: float
    rows: float


@dataclass(frozen=True)
class Taken:
    """
    What a pilot is taken apart into.

    Parameters
    ----------
    blank : VarianceParts
        Sizes, degrees of freedom and labelling.
    labels, units : ndarray (p,)
        Estimates of what is in proportion to 1/n, and to 1/T.
    reported : ndarray (p,)
        Variance that the pilot reports.
    shares : tuple of float
        Least and largest number of labels per unit at which no unit is left that can
        be labelled, over that at which all are: both 1, but with labelling
        probabilities.
    """

    blank: VarianceParts
    labels: Floats
    units: Floats
    reported: Floats
    shares: tuple[float, float]

    def alone(self) -> VarianceParts:
        """Parts of a pilot without sources."""
        return positive_parts(self.labels, self.units, self.reported, self.blank)

    def beside(
        self, alone: VarianceParts, fewest: int, change: Floats | float = 0.0
    ) -> VarianceParts:
        """
        Parts of a pilot with sources.

        Shapes: `change` (p,).
        """
        # In double sampling the sum over units and labels is that of the labels alone.
        by_labels = (alone.labels - self.labels) * alone.n
        by_units = (self.units - alone.units) * alone.n_units
        if alone.finite is not None:
            # The parts of the labels alone are held as one.
            by_labels, by_units = self.labels * alone.n, -self.units * alone.n_units
        usable = (by_labels > 0.0) & (by_units > 0.0)
        share = np.where(usable, by_units / np.where(usable, by_labels, 1.0), 1.0)
        # In a pilot of all units that can be labelled nothing is left to be gained.
        share = np.minimum(np.clip(share, *self.shares), (1.0 - 1e-9) / self.labeled)
        change = change * (1.0 - share * self.labeled)
        first = alone.labels + alone.units - self.labels - self.units
        return with_gain(
            alone,
            first + change,
            self.reported - change,
            share,
            (self.blank.df_lost - alone.df_lost) * np.asarray(self.blank.df_share),
            fewest,
            1.0 - np.asarray(self.blank.df_share) / np.asarray(alone.df_share),
        )

    @property
    def labeled(self) -> float:
        """Share of the units that are labelled."""
        return self.blank.n / self.blank.n_units


@dataclass(frozen=True)
class Pilot:
    """
    A pilot with some of its sources.

    Parameters
    ----------
    taken : Taken
        Its variance.
    moments : SourceMoments
        Of its sources.
    noise : tuple of ReplicateNoise
        One per source.
    fit : Fit
        The fit with these sources.
    """

    taken: Taken
    moments: SourceMoments
    noise: tuple[ReplicateNoise, ...]
    fit: Fit


def pilot_of(
    fit: Fit, score: TargetScore, settings: FitSettings, n_units: int
) -> Pilot:
    """
    Take the variance of a fit apart. Eq. (double-sampling).

    `n_units` are all units that labels could be drawn from.
    """
    design, clusters, solution = fit.design, fit.clusters, fit.solution
    observations = design.n_labeled if clusters is None else clusters.n_labeled
    _, h, *_ = labeled_scores(design, score, solution.theta, solution.eta)
    labels, units = fit.inference.parts or _asymptotic_parts(fit, score, settings, h)
    prob = design.labeling.prob
    blank = VarianceParts(
        labels=labels,
        units=units,
        excess=np.zeros(design.k_params),
        n=design.n_labeled,
        n_units=n_units,
        df_lost=observations - fit.inference.df,
        df_share=fit.inference.df_by_coefficient / fit.inference.df,
        per_label=observations / design.n_labeled,
        use_t=settings.use_t,
        most_probable=None if prob is None else float(prob.max()),
        finite=_share_known(labels, units, design) if design.is_finite else None,
    )
    least = 1.0 if prob is None else float(prob.min()) * blank.n_units / blank.n
    taken = Taken(
        blank,
        labels,
        units,
        np.diag(fit.inference.covariance),
        (min(least, 1.0), blank.units_per_label),
    )
    a_h = labeled_sums(h, design, clusters)
    # The scores of all units and of the labelled ones cancel where both say the same.
    share = design.n_units / design.n_labeled
    moments = SourceMoments(-share * fit.inference.influence.of_units, a_h.T @ a_h)
    noise = tuple(
        replicate_noise(design, m, score, solution.eta[m])
        for m in range(design.k_sources)
    )
    return Pilot(taken, moments, noise, fit)


def _share_known(labels: Floats, units: Floats, design: AlignedDesign) -> Floats:
    """Factor b of labels of a finite population; one with equal probabilities. (p,)."""
    share = np.ones(len(labels))
    if design.labeling.prob is not None:
        by_labels, by_units = labels * design.n_labeled, -units * design.n_frame
        np.divide(by_units, by_labels, out=share, where=by_labels > 0.0)
    return np.clip(share, 0.0, (1.0 - 1e-9) * design.n_frame / design.n_labeled)


def _asymptotic_parts(
    fit: Fit, score: TargetScore, settings: FitSettings, h: Floats
) -> tuple[Floats, Floats]:
    """
    Variance in proportion to 1/n and to 1/T of a fit without correction.

    Shapes: `h` (n, M p) -> (p,), (p,).
    """
    design, clusters, influence = fit.design, fit.clusters, fit.inference.influence
    own, of_units = influence.own, influence.of_units
    if design.is_finite:
        rows = finite_rows(own, design, centered=False)
        scale = design.n_labeled / max(design.n_labeled - _parameters(fit, settings), 1)
        squares = scale * rows**2
        known = chances(design)[:, None] * squares
        return squares.sum(axis=0), -known.sum(axis=0)
    if clusters is None:
        direct, observations = own, design.n_labeled
        outer = fit.solution.sums.source_outer() * design.n_units
        outer = outer.reshape(h.shape[1], h.shape[1])
        units = 2.0 * np.einsum("tj,tj->j", own, h @ of_units.T)
        units += np.einsum("ji,ik,jk->j", of_units, outer, of_units)
    else:
        direct = cluster_sums(own, clusters.of_labeled, clusters.n_labeled)
        observations = clusters.n_labeled
        blocks = influence.blocks(design, score, fit.solution.eta)
        total = all_sums(blocks, clusters, design.k_params)
        units = (total**2).sum(axis=0) - (direct**2).sum(axis=0)
    # Residuals of a regression, whose squares are too small on average.
    scale = observations / max(observations - _parameters(fit, settings), 1)
    labels = scale * (direct**2).sum(axis=0)
    if clusters is not None:
        return labels, units
    return _within_strata(labels, units, direct, direct, design.labeling)


def _parameters(fit: Fit, settings: FitSettings) -> int:
    """Coefficients that were estimated from the labels, where none is shrunken."""
    p = fit.design.k_params
    return p if settings.maxiter == 1 else p * (1 + fit.design.k_sources)


def _within_strata(
    labels: Floats, units: Floats, one: Floats, other: Floats, labeling: Labeling
) -> tuple[Floats, Floats]:
    """
    Variance parts when the number of labels in each stratum is fixed.

    :func:`~statsmodels_synth.gmm.covariance.stratified` takes off ``(1 - pi_h)`` of the
    variance of means of strata. With n, ``pi_h`` grows: the one is in proportion to
    1/n, the other to 1/T.
    """
    if labeling.strata is None:
        return labels, units
    for h in range(int(labeling.strata.max()) + 1):
        rows = labeling.strata == h
        n = int(rows.sum())
        if n == 1:
            continue
        prob = 1.0 if labeling.prob is None else labeling.prob[rows][0]
        a, b = one[rows], other[rows]
        within = np.einsum("tj,tj->j", a - a.mean(axis=0), b - b.mean(axis=0))
        change = within * n / (n - 1) - np.einsum("tj,tj->j", a, b)
        labels, units = labels + change, units - prob * change
    return labels, units


def replicate_noise(
    design: AlignedDesign, m: int, score: TargetScore, eta: Floats
) -> ReplicateNoise:
    """
    Covariance of the scores of rows within their unit.

    Shapes: `eta` (p,).
    """
    source, p, a = design.sources[m], design.k_params, design.design_weights
    units = source.unit_positions
    count = np.bincount(units, minlength=design.n_units)
    share = float(np.mean(1.0 / count[count > 0]))
    most = int(count.max())
    if not source.has_replicates:
        unknown = np.full((p, p), np.nan)
        return ReplicateNoise(unknown, unknown, unknown, share, 1.0)
    equal = bool(np.all((count == most) | (count == 0)))
    rows_of_all = float(most) if equal else float("nan")
    weight = np.zeros(design.n_units)
    weight[design.labeled_units] = a
    several = count > 1
    total = np.zeros((3, p, p))
    # Where labels were drawn with equal probability all units tell of the labelled.
    weights = [weight**2, weight, np.ones(design.n_units)]
    if design.labeling.prob is None or not several[design.labeled_units].any():
        weights[:2] = [np.ones(design.n_units)] * 2
    for start in range(0, design.n_units, _BLOCK):
        stop = min(start + _BLOCK, design.n_units)
        rows = source.rows(start, stop)
        own = units[rows]
        factor, _ = row_factors(source, rows, eta, score)
        # The weight of a row holds one over the number of rows of its unit.
        factor = by_row(factor, count[own].astype(float))
        scores = row_scores(source.exog[rows], factor, score)
        sums_of = [np.bincount(own - start, s, stop - start) for s in scores.T]
        means = np.column_stack(sums_of) / np.maximum(count[start:stop], 1)[:, None]
        scores -= means[own - start]
        scores *= several[own][:, None]
        for k, w in enumerate(weights):
            scale = w[own] / np.maximum(count[own] - 1, 1)
            total[k] += scores.T @ (scores * scale[:, None])
    covered = (count > 0).astype(float)
    sums = [covered * weight**2, covered * weight, covered]
    for k, w in enumerate(weights):
        total[k] *= sums[k].sum() / (w * several).sum()
    return ReplicateNoise(total[0], total[1], total[2], share, rows_of_all)


def explained_more(pilot: Pilot, replicates: Mapping[int, int]) -> Floats:
    """
    What other numbers of replicates would take off the variance in proportion to 1/n.

    The covariance of the scores of source m changes by its noise within units times
    ``1/R - 1/R_0``, its products with the labels do not.

    Shapes: (p,).
    """
    moments, p = pilot.moments, len(pilot.taken.labels)
    before, after = np.zeros((2, len(moments.labeled), len(moments.labeled)))
    for m, noise in enumerate(pilot.noise):
        if m in replicates:
            at = slice(m * p, (m + 1) * p)
            before[at, at] = noise.labeled * noise.share
            after[at, at] = noise.labeled / replicates[m]
    old = moments.labeled
    # What is left without noise is a covariance; with few units it may not look so.
    new = _semidefinite(old - before, old) + after
    cross = moments.coefficients @ old
    changed = cross @ np.linalg.pinv(new, hermitian=True)
    now = np.einsum("ji,ji->j", cross, moments.coefficients)
    return np.asarray(np.einsum("ji,ji->j", changed, cross) - now)


def _semidefinite(matrix: Floats, scale: Floats) -> Floats:
    """Nearest covariance, in the metric of the variances of another."""
    matrix = (matrix + matrix.T) / 2
    root = np.sqrt(np.maximum(np.diag(scale), 1e-300))
    values, vectors = np.linalg.eigh(matrix / np.outer(root, root))
    if values.min(initial=0.0) >= 0.0:
        return matrix
    clipped = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return np.asarray(clipped * np.outer(root, root))

r"""
Arithmetic of planning: the variance of the estimates at another sample size.

The augmented estimate solves ``mean(a psi(theta)) = B [mean_L a h - mean h]``, the
first two means over n labelled units, the last over all T. It is a regression
estimator in double sampling (Cochran 1977), and with the optimal B its variance is

.. math::
    V(n, T) = D^{-1} \Bigl[ \Bigl(\frac 1n - \frac 1T\Bigr) S_{res}
        + \frac 1T S_\psi \Bigr] D^{-1},
    \qquad S_{res} = S_\psi - C S_{hh}^{-1} C' ,

a part in 1/n and a part in 1/T. What the pilot reports is larger, since it has few
labels: leverage, the estimation of B, the labelled unit that is added
(:mod:`~statsmodels_synth.correction`). Relative to the rest all of these are of order
1/n, so that they make a third part in 1/n squared,

.. math::
    V_{pred}(n', T') = P \frac{n}{n'} + Q \frac{T}{T'} + E \frac{n^2}{n'^2} .

P and Q are estimated without the bias of few labels, and E is the rest of what the
pilot reports: at its own design the prediction is the reported variance.

References
----------
Cochran, W. G. (1977). Sampling Techniques, 3rd ed., chapter 12. Wiley.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
import math

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.clusters import all_sums, labeled_sums
from statsmodels_synth.covariance import sandwich
from statsmodels_synth.design import AlignedDesign, Labeling
from statsmodels_synth.fitting import Fit
from statsmodels_synth.moment_sums import labeled_scores, moment_blocks
from statsmodels_synth.options import FitSettings
from statsmodels_synth.scores import Score
from statsmodels_synth.source_sums import row_factors

#: Share of the variance below which what the units contribute is rounding.
ROUNDING = 1e-12
#: Units per block.
_BLOCK = 4096


@dataclass(frozen=True)
class VarianceParts:
    """
    Variance of the estimates of a pilot, by what it depends on.

    Parameters
    ----------
    labels : ndarray (p,)
        P, in proportion to 1/n.
    units : ndarray (p,)
        Q, in proportion to 1/T.
    excess : ndarray (p,)
        E, in proportion to 1/n squared.
    n, n_units : int
        Labels and units of the pilot.
    df_lost : float
        Labels (or clusters) less degrees of freedom of the pilot.
    per_label : float
        Observations per label: one, or labelled clusters over labels.
    use_t : bool
        Whether intervals have quantiles of Student's t.
    most_probable : float or None
        Largest probability with which a labelled unit of the pilot was chosen; None
        where all are alike.
    """

    labels: Floats
    units: Floats
    excess: Floats
    n: int
    n_units: int
    df_lost: float
    per_label: float
    use_t: bool
    most_probable: float | None = None

    @property
    def units_per_label(self) -> float:
        """
        Fewest units per label.

        More labels of as many units are labelling probabilities in the same
        proportions, of which none can be above one.
        """
        if self.most_probable is None:
            return 1.0
        return max(self.most_probable * self.n_units / self.n, 1.0)

    def most_labels(self, n_units: int) -> int:
        """
        The most labels among some units.

        Parameters
        ----------
        n_units : int
            Units.

        Returns
        -------
        int
            At most all.
        """
        return min(math.floor(n_units / self.units_per_label + 1e-6), n_units)

    def units_for(self, n: int) -> int:
        """
        Units among which there can be so many labels, no fewer than in the pilot.

        Parameters
        ----------
        n : int
            Labels.

        Returns
        -------
        int
            Units.
        """
        return max(math.ceil(n * self.units_per_label - 1e-6), self.n_units)

    def variance(self, n: Floats, n_units: Floats) -> Floats:
        """
        Variance at other sample sizes.

        Parameters
        ----------
        n, n_units : ndarray (k,)
            Labels and units.

        Returns
        -------
        ndarray (k, p)
            Decreasing in both.
        """
        u = (self.n / np.asarray(n, dtype=float))[:, None]
        t = (self.n_units / np.asarray(n_units, dtype=float))[:, None]
        # The asymptotic covariance (use_correction=False) is too small, and the less
        # so the more labels. Backwards it is not extrapolated: below the pilot's n the
        # square would win over the first part, and the variance turn negative.
        square = np.where(self.excess < 0.0, np.minimum(u, u * u), u * u)
        return np.asarray(self.labels * u + self.units * t + self.excess * square)

    def df(self, n: Floats) -> Floats:
        """
        Degrees of freedom at other numbers of labels.

        Parameters
        ----------
        n : ndarray (k,)
            Labels.

        Returns
        -------
        ndarray (k,)
            At least one; infinite with normal quantiles.
        """
        n = np.asarray(n, dtype=float)
        if not self.use_t:
            return np.full(n.shape, np.inf)
        return np.maximum(n * self.per_label - self.df_lost, 1.0)

    def labels_for(self, variance: Floats, n_units: Floats) -> Floats:
        """
        Number of labels with a given variance, not rounded.

        Parameters
        ----------
        variance : ndarray (k, p)
            What is asked for.
        n_units : ndarray (k,)
            Units.

        Returns
        -------
        ndarray (k, p)
            Infinite where no number of labels does.
        """
        t = (self.n_units / np.asarray(n_units, dtype=float))[:, None]
        room = variance - self.units * t
        positive = np.maximum(room, 1e-300)
        root = np.sqrt(np.maximum(self.labels**2 + 4.0 * self.excess * positive, 0.0))
        u = 2.0 * positive / np.maximum(self.labels + root, 1e-300)
        linear = positive / np.maximum(self.labels + self.excess, 1e-300)
        u = np.where((self.excess < 0.0) & (linear > 1.0), linear, u)
        return np.where(room > 0.0, self.n / u, np.inf)


@dataclass(frozen=True)
class SourceMoments:
    """
    What is needed to say what other numbers of replicates would do.

    Sums over the pilot, in units of its influence function: a labelled unit
    contributes ``k a psi + L a h``, every unit ``- n/T L h``.

    Parameters
    ----------
    coefficients : ndarray (p, M p)
        L.
    cross : ndarray (p, M p)
        Sum of ``k a psi h'`` over the labelled units.
    labeled : ndarray (M p, M p)
        Sum of ``a^2 h h'`` over the labelled units.
    mixed : ndarray (M p, M p)
        Sum of ``a h h'`` over the labelled units.
    everyone : ndarray (M p, M p)
        Sum of ``h h'`` over all units.
    """

    coefficients: Floats
    cross: Floats
    labeled: Floats
    mixed: Floats
    everyone: Floats


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
class Pilot:
    """
    A pilot with some of its sources.

    Parameters
    ----------
    parts : VarianceParts
        Its variance.
    moments : SourceMoments
        Of its sources.
    noise : tuple of ReplicateNoise
        One per source.
    """

    parts: VarianceParts
    moments: SourceMoments
    noise: tuple[ReplicateNoise, ...]


def pilot_of(fit: Fit, score: Score, settings: FitSettings) -> Pilot:
    """
    Take the variance of a fit apart.

    Parameters
    ----------
    fit : Fit
        The pilot, with the sources that are wanted.
    score : Score
        Target model.
    settings : FitSettings
        Options of the fit.

    Returns
    -------
    Pilot
        Everything that predictions need.
    """
    design, clusters, map_ = fit.design, fit.clusters, fit.inference.map
    solution, p = fit.solution, design.k_params
    psi, h, *_ = labeled_scores(design, score, solution.theta, solution.eta)
    by_source = map_[:, p:].reshape(p, -1, 2, p)
    drawn = by_source[:, :, 0].reshape(p, -1) / design.n_units
    psi = psi @ map_[:, :p].T / design.n_units
    a_psi, a_h = (labeled_sums(part, design, clusters) for part in (psi, h))
    direct = a_psi + a_h @ drawn.T
    if clusters is None:
        asymptotic = sandwich(
            solution.sums, map_, design.n_units, centered=settings.centered
        )
        observations, own_h = design.n_labeled, h
        everyone = solution.sums.source_outer() * design.n_units
        outer = everyone.reshape(h.shape[1], h.shape[1])
    else:
        sums = all_sums(
            moment_blocks(design, score, solution.theta, solution.eta),
            clusters,
            map_.shape[1],
        )
        influence = sums @ map_.T / design.n_units
        asymptotic = influence.T @ influence
        observations = clusters.n_labeled
        w = sums[:, p:].reshape(len(sums), -1, 2, p)[:, :, 1].reshape(len(sums), -1)
        own_h, outer = w[:observations], w.T @ w
    jackknife = direct
    scale = observations / max(observations - _parameters(fit, settings), 1)
    if fit.inference.left_out is not None:
        jackknife, scale = fit.inference.left_out, 1.0
    # What a unit contributes with and without its own part in the coefficients are the
    # residual of a regression and the prediction error, e and e / (1 - leverage). One
    # is too small and one too large; their product is the variance without bias (HC2).
    labels = scale * np.einsum("tj,tj->j", direct, jackknife)
    units = np.diag(asymptotic) - np.einsum("tj,tj->j", direct, direct)
    if clusters is None:
        labels, units = _within_strata(
            labels, units, direct, jackknife, design.labeling
        )
    prob = design.labeling.prob
    parts = _positive_parts(
        labels,
        units,
        np.diag(fit.inference.covariance),
        VarianceParts(
            labels=labels,
            units=units,
            excess=units,
            n=design.n_labeled,
            n_units=design.n_units,
            df_lost=observations - fit.inference.df,
            per_label=observations / design.n_labeled,
            use_t=settings.use_t,
            most_probable=None if prob is None else float(prob.max()),
        ),
    )
    moments = SourceMoments(
        coefficients=drawn,
        cross=a_psi.T @ own_h,
        labeled=a_h.T @ a_h,
        mixed=a_h.T @ own_h,
        everyone=outer,
    )
    noise = tuple(
        replicate_noise(design, m, score, solution.eta[m])
        for m in range(design.k_sources)
    )
    return Pilot(parts, moments, noise)


def _parameters(fit: Fit, settings: FitSettings) -> int:
    """Coefficients that were estimated from the labels, where none is shrunken."""
    p = fit.design.k_params
    return p if settings.maxiter == 1 else p * (1 + fit.design.k_sources)


def _within_strata(
    labels: Floats, units: Floats, one: Floats, other: Floats, labeling: Labeling
) -> tuple[Floats, Floats]:
    """
    Variance parts when the number of labels in each stratum is fixed.

    :func:`~statsmodels_synth.covariance.stratified` takes off ``(1 - pi_h)`` of the
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


def _positive_parts(
    labels: Floats, units: Floats, reported: Floats, blank: VarianceParts
) -> VarianceParts:
    """
    Parts that are positive, sum to what the pilot reports and decrease in n and T.

    That takes ``excess >= -labels / 2``. It fails only where the pilot reports much
    less than the large-sample variance, by chance or for want of a correction; then
    the first part is made smaller, and the sum kept.
    """
    units = np.where(units > ROUNDING * reported, np.minimum(units, reported), 0.0)
    labels = np.clip(labels, 0.0, 2.0 * (reported - units))
    excess = reported - units - labels
    return replace(blank, labels=labels, units=units, excess=excess)


def replicate_noise(
    design: AlignedDesign, m: int, score: Score, eta: Floats
) -> ReplicateNoise:
    """
    Covariance of the scores of rows within their unit.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    m : int
        The source.
    score : Score
        Target model.
    eta : ndarray (p,)
        Its parameters.

    Returns
    -------
    ReplicateNoise
        From all units with two rows or more, taken to stand for the others.
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
        exog = source.exog[rows]
        factor, _ = row_factors(source, rows, exog @ eta, score)
        # The weight of a row holds one over the number of rows of its unit.
        scores = exog * (factor * count[own])[:, None]
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


def with_replicates(pilot: Pilot, replicates: Mapping[int, int]) -> VarianceParts:
    """
    Variance of the pilot had its sources had other numbers of replicates.

    The covariance of the scores of source m changes by its noise within units times
    ``1/R - 1/R_0``, its products with the labels do not.

    Parameters
    ----------
    pilot : Pilot
        The pilot.
    replicates : mapping of int to int
        Rows per unit by position of the source; as in the pilot for the others.

    Returns
    -------
    VarianceParts
        The excess for few labels is that of the pilot.
    """
    parts, moments = pilot.parts, pilot.moments
    if not replicates:
        return parts
    p = len(parts.labels)
    size = len(moments.everyone)
    kappa = parts.n / parts.n_units
    before, after = np.zeros((2, 3, size, size))
    for m, noise in enumerate(pilot.noise):
        if m not in replicates:
            continue
        at = slice(m * p, (m + 1) * p)
        for k, own in enumerate((noise.labeled, noise.mixed, noise.everyone)):
            before[k, at, at] = own * noise.share
            after[k, at, at] = own / replicates[m]
    old = np.stack([moments.labeled, moments.mixed, moments.everyone])
    new = old - before
    # What is left without noise is a covariance; with few units it may not look so.
    new = np.stack(
        [_semidefinite(part, full) for part, full in zip(new, old, strict=True)]
    )
    new += after
    coefficients = moments.coefficients
    changed = coefficients @ old[0] @ np.linalg.pinv(new[0], hermitian=True)

    def explained(c: Floats, s: Floats) -> Floats:
        return np.asarray(np.einsum("ji,ik,jk->j", c, s[0], c))

    def through_units(c: Floats, s: Floats) -> Floats:
        both = moments.cross + c @ s[1]
        alone = np.einsum("ji,ik,jk->j", c, s[2], c)
        shared = np.einsum("ji,ji->j", both, c)
        return np.asarray(kappa**2 * alone - 2.0 * kappa * shared)

    labels = parts.labels + explained(coefficients, old) - explained(changed, new)
    units = parts.units + through_units(changed, new) - through_units(coefficients, old)
    return replace(
        parts,
        labels=np.maximum(labels, -2.0 * np.minimum(parts.excess, 0.0)),
        units=np.maximum(units, 0.0),
    )


def _semidefinite(matrix: Floats, scale: Floats) -> Floats:
    """Nearest covariance, in the metric of the variances of another."""
    matrix = (matrix + matrix.T) / 2
    root = np.sqrt(np.maximum(np.diag(scale), 1e-300))
    values, vectors = np.linalg.eigh(matrix / np.outer(root, root))
    if values.min(initial=0.0) >= 0.0:
        return matrix
    clipped = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return np.asarray(clipped * np.outer(root, root))

r"""
Sums of the moment conditions over rows.

For each unit ``t`` the stacked moment conditions of the paper are

.. math::
    g_t(\theta, \eta) = \bigl[\, a_t \psi_t(\theta);\;
        a_t C_{mt} h_{mt}(\eta_m);\; C_{mt} h_{mt}(\eta_m)
        \;\text{for}\; m = 1..M \,\bigr],

``p + 2 M p`` of them. This module returns their mean, Jacobian and second
moment without ever holding the ``T x (p + 2 M p)`` matrix: labelled rows are
few and dense, and the rows of the sources are read in blocks that stay in
cache.

Throughout, ``theta`` has shape (p,) and ``eta`` has shape (M, p). Moments are
ordered as above: the labelled score first, then for each source its labelled
and its all-units moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.design import AlignedDesign
from statsmodels_synth.scores import Score
from statsmodels_synth.source_sums import (
    BLOCK_SIZE,
    SourceSums,
    design_sums,
    row_factors,
    score_blocks,
    unit_scores,
)

#: Weight of a row's score, in medians of it, above which an unrelated outcome counts no
#: more.
WEIGHT_BOUND = 3.0
#: Second moment of an unrelated score, in units of that of the scores of the source
#: themselves, above which it counts no more. In the simulations that the correction for
#: few labels was made with it is 1 to 28.
UNRELATED_BOUND = 30.0
#: What is below this share of the largest is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class MomentSums:
    """
    Mean, Jacobian and second moment of the stacked moments at one point.

    Parameters
    ----------
    mean : ndarray (q,)
        Mean over the T units of the ``q = p + 2 M p`` moments.
    target : ndarray (p, p)
        Jacobian of the labelled score with respect to theta.
    auxiliary : ndarray (M, 2, p, p)
        Jacobian of the moments of each source with respect to its eta; second
        axis: labelled units, all units.
    second_moment : ndarray (q, q) or None
        Uncentred second moment, if it was asked for.
    """

    mean: Floats
    target: Floats
    auxiliary: Floats
    second_moment: Floats | None

    def omega(self, centered: bool = False) -> Floats:
        """
        Second moment of the moments.

        Parameters
        ----------
        centered : bool
            Whether the outer product of the mean is subtracted.

        Returns
        -------
        ndarray (q, q)
            Omega.
        """
        if self.second_moment is None:
            raise RuntimeError("the second moment was not computed")
        if centered:
            return self.second_moment - np.outer(self.mean, self.mean)
        return self.second_moment

    def source_outer(self) -> Floats:
        """
        Second moment of the all-units moments, source by source.

        Returns
        -------
        ndarray (M, p, M, p)
            Part of Omega.
        """
        k_sources, _, p, _ = self.auxiliary.shape
        sources = self.omega()[p:, p:].reshape((k_sources, 2, p) * 2)
        return np.asarray(sources[:, 1, :, :, 1])

    def source_sums(self) -> SourceSums:
        """
        What of it is about all units.

        Returns
        -------
        SourceSums
            Means of the all-units moments, with second moment.
        """
        k_sources, _, p, _ = self.auxiliary.shape
        size = k_sources * p
        return SourceSums(
            self.mean[p:].reshape(k_sources, 2, p)[:, 1].copy(),
            self.auxiliary[:, 1].copy(),
            self.source_outer().reshape(size, size),
        )


def target_scores(
    design: AlignedDesign, score: Score, theta: Floats
) -> tuple[Floats, Floats, Floats]:
    """
    Scores of the labels alone.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    score : Score
        Target model.
    theta : ndarray (p,)
        Target parameters.

    Returns
    -------
    psi : ndarray (n, p)
        Scores, without the design weight a_t.
    target : ndarray (p, p)
        Sum of ``a_t`` times the derivative of psi.
    derivatives : ndarray (n,)
        Derivative along the linear predictor, times a_t: `target` is the sum of these
        times ``x x'``.
    """
    labels = design.labeled
    factor, derivatives = row_factors(labels, slice(None), labels.exog @ theta, score)
    derivatives = derivatives * design.design_weights
    target = labels.exog.T @ (labels.exog * derivatives[:, None])
    return labels.exog * factor[:, None], target, derivatives


def labeled_scores(
    design: AlignedDesign, score: Score, theta: Floats, eta: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """
    Scores of the labelled units: their own and those of the sources for them.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    score : Score
        Target model.
    theta : ndarray (p,)
        Target parameters.
    eta : ndarray (M, p)
        Auxiliary parameters.

    Returns
    -------
    psi : ndarray (n, p)
        Scores of the labels, without the design weight a_t.
    h : ndarray (n, M p)
        Scores of the sources for the labelled units, likewise.
    target : ndarray (p, p)
        Sum of ``a_t`` times the derivative of psi.
    auxiliary : ndarray (M, p, p)
        The same for the sources.
    """
    k_sources, p = design.k_sources, design.k_params
    everything = slice(None)
    psi, target, _ = target_scores(design, score, theta)
    h = np.empty((design.n_labeled, k_sources * p))
    auxiliary = np.empty((k_sources, p, p))
    for m, source in enumerate(design.labeled_sources):
        linear = source.exog @ eta[m]
        factor, derivative = row_factors(source, everything, linear, score)
        unit_scores(source, everything, factor, 0, h[:, m * p : (m + 1) * p])
        derivative = derivative * design.design_weights[source.unit_of(everything)]
        auxiliary[m] = source.exog.T @ (source.exog * derivative[:, None])
    return psi, h, target, auxiliary


def unrelated_scores(
    design: AlignedDesign, score: Score, eta: Floats, h: Floats
) -> Floats:
    """
    Second moment of the score of each source if its outcome had nothing to do with x.

    The outcome of another unit, the mean of its replicates, in place of the unit's own:
    the score is linear in the outcome, so its mean square over all outcomes needs only
    their mean and variance.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    score : Score
        Target model.
    eta : ndarray (M, p)
        Parameters of each source.
    h : ndarray (n, M p)
        Scores of the sources at these, from :func:`labeled_scores`.

    Returns
    -------
    ndarray (M, p, p)
        Mean over covered labelled units.
    """
    p, n, everything = design.k_params, design.n_labeled, slice(None)
    moments = np.empty((len(eta), p, p))
    scores = np.empty((2, n, p))
    for m, source in enumerate(design.labeled_sources):
        linear = source.exog @ eta[m]
        if source.offset is not None:
            linear += source.offset
        unit = source.unit_positions
        count = np.bincount(unit, minlength=n)
        share = 1.0 / count[unit]  # of a row in the mean of its unit
        outcomes = np.bincount(unit, share * source.endog, n)[count > 0]
        mean = outcomes.mean()
        at_mean, _ = score.factors(np.full(len(linear), mean), linear.copy())
        above, _ = score.factors(np.full(len(linear), mean + 1.0), linear.copy())
        slope = above - at_mean
        # With a link that is not canonical a row whose mean is near the end of its
        # range has a weight without bound, and would stand for all.
        order = np.argsort(np.abs(slope), kind="stable")
        weight = np.cumsum(share[order])
        middle = order[np.searchsorted(weight, weight[-1] / 2)]
        limit = WEIGHT_BOUND * np.abs(slope[middle])
        bound = np.minimum(1.0, limit / np.maximum(np.abs(slope), 1e-300))
        bound *= 1.0 if source.weights is None else source.weights
        for part, factor in zip(scores, (at_mean, slope), strict=True):
            unit_scores(source, everything, factor * bound, 0, part)
        scores *= design.design_weights[:, None]
        moment = scores[0].T @ scores[0] + outcomes.var() * scores[1].T @ scores[1]
        # A source whose slope is far off says very different things of different units:
        # without a bound, that of one unit would drown the labels.
        own = h[:, m * p : (m + 1) * p] * design.design_weights[:, None]
        moments[m] = _bounded(moment, UNRELATED_BOUND * own.T @ own) / len(outcomes)
    return moments


def _bounded(matrix: Floats, bound: Floats) -> Floats:
    """A second moment with no direction above that of another one."""
    scale = np.sqrt(np.diag(bound))
    if not np.all(scale > 0.0):
        return matrix
    values, vectors = np.linalg.eigh(bound / np.outer(scale, scale))
    if values[0] <= ROUNDING * values[-1]:
        return matrix  # a source that says nothing in some direction
    root = scale[:, None] * (vectors * np.sqrt(values))
    inverse = (vectors / np.sqrt(values)).T / scale
    values, vectors = np.linalg.eigh(inverse @ matrix @ inverse.T)
    if values[-1] <= 1.0:
        return matrix
    turned = root @ vectors
    return np.asarray((turned * np.minimum(values, 1.0)) @ turned.T)


def moment_sums(
    design: AlignedDesign,
    score: Score,
    theta: Floats,
    eta: Floats,
    *,
    second_moment: bool = False,
    sources: SourceSums | None = None,
    block_size: int = BLOCK_SIZE,
) -> MomentSums:
    """
    Mean, Jacobian and, if asked, second moment of the stacked moments.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    score : Score
        Target model.
    theta : ndarray (p,)
        Target parameters.
    eta : ndarray (M, p)
        Auxiliary parameters.
    second_moment : bool
        Whether to compute Omega as well; it costs about M more sums.
    sources : SourceSums, optional
        Means over all units at `eta`, where they are known: no pass is made then, and
        Omega is there if these have a second moment.
    block_size : int
        Units per block.

    Returns
    -------
    MomentSums
        Every sum divided by the number of units T.
    """
    n_units, k_sources, p = design.n_units, design.k_sources, design.k_params
    a = design.design_weights
    psi, h, target, auxiliary_labeled = labeled_scores(design, score, theta, eta)
    sums = sources
    if sums is None:
        sums = design_sums(
            design, score, eta, outer=second_moment, block_size=block_size
        )
    mean = np.empty(p + 2 * k_sources * p)
    mean[:p] = a @ psi / n_units
    by_source = mean[p:].reshape(k_sources, 2, p)
    by_source[:, 0] = (a @ h / n_units).reshape(k_sources, p)
    by_source[:, 1] = sums.mean
    auxiliary = np.stack([auxiliary_labeled / n_units, sums.jacobian], axis=1)
    omega = None
    if sums.outer is not None:
        omega = stack_second_moment(psi, h, sums.outer, a, n_units)
    return MomentSums(mean, target / n_units, auxiliary, omega)


def stack_second_moment(
    psi: Floats, h: Floats, outer: Floats, a: Floats, n_units: int
) -> Floats:
    """
    Put the blocks of Omega in the order of the moments.

    Only the block of two all-units moments needs every unit; wherever a
    labelled moment takes part, the product vanishes off the labelled units.

    Parameters
    ----------
    psi : ndarray (n, p)
        Scores of the labels, without the design weight.
    h : ndarray (n, M p)
        Scores of the sources for the labelled units, likewise.
    outer : ndarray (M p, M p)
        Second moment of the all-units moments.
    a : ndarray (n,)
        Design weights.
    n_units : int
        Number of units T.

    Returns
    -------
    ndarray (q, q)
        Omega.
    """
    p = psi.shape[1]
    k_sources = h.shape[1] // p
    own = np.hstack([psi, h])
    twice = own.T @ (own * (a * a)[:, None]) / n_units  # both factors carry a_t
    once = own.T @ (h * a[:, None]) / n_units  # only the first factor does
    omega = np.empty((p + 2 * k_sources * p,) * 2)
    omega[:p, :p] = twice[:p, :p]
    cross = np.empty((p, k_sources, 2, p))
    cross[:, :, 0] = twice[:p, p:].reshape(p, k_sources, p)
    cross[:, :, 1] = once[:p].reshape(p, k_sources, p)
    omega[:p, p:] = cross.reshape(p, -1)
    omega[p:, :p] = omega[:p, p:].T
    sources = np.empty((k_sources, 2, p, k_sources, 2, p))
    shape = (k_sources, p, k_sources, p)
    sources[:, 0, :, :, 0] = twice[p:, p:].reshape(shape)
    sources[:, 0, :, :, 1] = once[p:].reshape(shape)
    sources[:, 1, :, :, 0] = once[p:].T.reshape(shape)
    sources[:, 1, :, :, 1] = outer.reshape(shape)
    omega[p:, p:] = sources.reshape(2 * k_sources * p, 2 * k_sources * p)
    return omega


def moment_blocks(
    design: AlignedDesign,
    score: Score,
    theta: Floats,
    eta: Floats,
    *,
    block_size: int = BLOCK_SIZE,
) -> Iterator[tuple[slice, Floats]]:
    """
    The stacked moments themselves, block by block.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    score : Score
        Target model.
    theta : ndarray (p,)
        Target parameters.
    eta : ndarray (M, p)
        Auxiliary parameters.
    block_size : int
        Units per block.

    Yields
    ------
    units : slice
        Positions of the units of the block.
    moments : ndarray (units, q)
        Their moments; the array is reused, so copy what is kept.
    """
    p = design.k_params
    psi, h, _, _ = labeled_scores(design, score, theta, eta)
    psi *= design.design_weights[:, None]
    h *= design.design_weights[:, None]
    where = design.labeled_units
    buffer = np.empty((block_size, p + 2 * design.k_sources * p))
    blocks = score_blocks(design.sources, design.n_units, score, eta, block_size)
    for units, scores in blocks:
        block = buffer[: len(scores)]
        block[:] = 0.0
        labeled = slice(*np.searchsorted(where, [units.start, units.stop]))
        local = where[labeled] - units.start
        block[local, :p] = psi[labeled]
        for m in range(design.k_sources):
            own, first = slice(m * p, (m + 1) * p), p + 2 * m * p
            block[local, first : first + p] = h[labeled, own]
            block[:, first + p : first + 2 * p] = scores[:, own]
        yield units, block

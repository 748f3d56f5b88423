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

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.gmm.sums import (
    BLOCK_SIZE,
    SourceSums,
    design_sums,
    row_factors,
    score_blocks,
    unit_scores,
)
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import (
    by_row,
    row_scores,
    total_slope,
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

        Eq. (omega).

        Shapes: (q, q).
        """
        if self.second_moment is None:
            raise RuntimeError("the second moment was not computed")
        if centered:
            return self.second_moment - np.outer(self.mean, self.mean)
        return self.second_moment

    def source_outer(self) -> Floats:
        """
        Second moment of the all-units moments, source by source.

        Shapes: (M, p, M, p).
        """
        k_sources, _, p, _ = self.auxiliary.shape
        sources = self.omega()[p:, p:].reshape((k_sources, 2, p) * 2)
        return np.asarray(sources[:, 1, :, :, 1])

    def source_sums(self) -> SourceSums:
        """What of it is about all units."""
        k_sources, _, p, _ = self.auxiliary.shape
        size = k_sources * p
        return SourceSums(
            self.mean[p:].reshape(k_sources, 2, p)[:, 1].copy(),
            self.auxiliary[:, 1].copy(),
            self.source_outer().reshape(size, size),
        )


def target_scores(
    design: AlignedDesign, score: TargetScore, theta: Floats
) -> tuple[Floats, Floats, Floats]:
    """
    Scores of the labels alone.

    Eq. (score).

    Shapes: `theta` (p,) -> `psi` (n, p), `target` (p, p), `derivatives` (n,) or (n, J,
    J).
    """
    labels = design.labeled
    factor, derivatives = row_factors(labels, slice(None), theta, score)
    derivatives = by_row(derivatives, design.design_weights)
    target = total_slope(labels.exog, derivatives, score)
    return row_scores(labels.exog, factor, score), target, derivatives


def labeled_scores(
    design: AlignedDesign, score: TargetScore, theta: Floats, eta: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """
    Scores of the labelled units: their own and those of the sources for them.

    Shapes: `theta` (p,), `eta` (M, p) -> `psi` (n, p), `h` (n, M p), `target`
    (p, p), `auxiliary` (M, p, p).
    """
    k_sources, p = design.k_sources, design.k_params
    everything = slice(None)
    psi, target, _ = target_scores(design, score, theta)
    h = np.empty((design.n_labeled, k_sources * p))
    auxiliary = np.empty((k_sources, p, p))
    for m, source in enumerate(design.labeled_sources):
        factor, derivative = row_factors(source, everything, eta[m], score)
        own = h[:, m * p : (m + 1) * p]
        unit_scores(source, everything, factor, 0, own, score)
        a = design.design_weights[source.unit_of(everything)]
        auxiliary[m] = total_slope(source.exog, by_row(derivative, a), score)
    return psi, h, target, auxiliary


def moment_sums(
    design: AlignedDesign,
    score: TargetScore,
    theta: Floats,
    eta: Floats,
    *,
    second_moment: bool = False,
    sources: SourceSums | None = None,
    block_size: int = BLOCK_SIZE,
) -> MomentSums:
    """
    Mean, Jacobian and, if asked, second moment of the stacked moments.

    Eq. (moments).

    Shapes: `theta` (p,), `eta` (M, p).
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

    Eq. (omega).

    Only the block of two all-units moments needs every unit; wherever a
    labelled moment takes part, the product vanishes off the labelled units.

    Shapes: `psi` (n, p), `h` (n, M p), `outer` (M p, M p), `a` (n,) -> (q, q).
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
    score: TargetScore,
    theta: Floats,
    eta: Floats,
    *,
    block_size: int = BLOCK_SIZE,
) -> Iterator[tuple[slice, Floats]]:
    """
    The stacked moments themselves, block by block.

    Eq. (moments).

    Shapes: `theta` (p,), `eta` (M, p) -> `moments` (units, q).
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

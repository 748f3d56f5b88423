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

import numpy as np
from scipy import stats
import scipy.linalg

from statsmodels_synth._arrays import Floats
from statsmodels_synth.design import Labeling
from statsmodels_synth.moment_sums import MomentSums
from statsmodels_synth.weights import (
    RANK_TOLERANCE,
    SINGULAR,
    Weight,
    block_basis,
    block_jacobian,
    optimal_weight,
    scaled_lstsq,
)


def influence_map(sums: MomentSums, weight: Weight, basis: Floats) -> Floats:
    """
    Linear map from the moments of a unit to its influence on theta.

    Parameters
    ----------
    sums : MomentSums
        At the final parameters.
    weight : Weight
        The weight whose first-order condition theta solves.
    basis : ndarray (p, p)
        Change of basis that makes the labelled design orthonormal. The map does
        not depend on it; the arithmetic does, where x is badly scaled.

    Returns
    -------
    ndarray (p, q)
        The matrix K of the module's notes.
    """
    p = len(sums.target)
    gain = weight.gain
    if weight.rank:
        jacobian = block_jacobian(sums.auxiliary) @ block_basis(basis, len(gain.T), p)
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

    Parameters
    ----------
    sums : MomentSums
        At the final parameters.
    map_ : ndarray (p, q)
        From :func:`influence_map`.
    n_units : int
        Number of units T.
    centered : bool
        Whether Omega is centred.

    Returns
    -------
    ndarray (p, p)
        Symmetric, positive semi-definite.
    """
    cov = map_ @ sums.omega(centered) @ map_.T / n_units
    return (cov + cov.T) / 2


def stratified(
    covariance: Floats, own: Floats, labeling: Labeling, *, unbiased: bool
) -> Floats:
    r"""
    Covariance when the number of labels in each stratum was fixed.

    What the labels of a stratum have in common is then no matter of chance, except for
    the share of the stratum that they are: that of an infinite population,

    .. math::
        V - \sum_h (1 - \pi_h) \, n_h \, \bar l_h \bar l_h' .

    Parameters
    ----------
    covariance : ndarray (p, p)
        Covariance with labels drawn unit by unit.
    own : ndarray (n, p)
        Contributions of the labelled units through their labels.
    labeling : Labeling
        With strata and probabilities.
    unbiased : bool
        Whether the variance within a stratum has ``n_h - 1`` in the denominator.

    Returns
    -------
    ndarray (p, p)
        Covariance.

    References
    ----------
    Cochran, W. G. (1977). Sampling Techniques, 3rd ed., section 5.4. Wiley.
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


def hansen_j(
    sums: MomentSums,
    weight: Weight,
    criterion: float,
    n_units: int,
    *,
    basis: Floats,
    optimal: bool,
    centered: bool,
) -> tuple[float, float, int]:
    """
    Hansen's test of the overidentifying restrictions.

    Parameters
    ----------
    sums : MomentSums
        At the final parameters.
    weight : Weight
        Weight of the last step.
    criterion : float
        Minimised ``T gbar' W gbar``.
    n_units : int
        Number of units T.
    basis : ndarray (p, p)
        See :func:`~statsmodels_synth.weights.optimal_weight`.
    optimal : bool
        Whether the weight is optimal. If not, the statistic is the quadratic
        form of the moments in the inverse of their own covariance at the
        estimate (Newey 1985).
    centered : bool
        Whether Omega is centred.

    Returns
    -------
    statistic : float
        Chi-squared with `df` degrees of freedom if the restrictions hold.
    pvalue : float
        Upper tail; NaN where there is nothing to test.
    df : int
        Number of restrictions.
    """
    k_auxiliary = sums.auxiliary.shape[0] * sums.auxiliary.shape[-1]
    if not k_auxiliary:
        return 0.0, float("nan"), 0
    if optimal:
        df = weight.rank - k_auxiliary
    else:
        efficient = optimal_weight(sums.omega(centered), basis)
        residual = efficient.whiten @ sums.mean[len(sums.target) :]
        # What the estimation of eta absorbs, whatever weight it used.
        space = scipy.linalg.orth(efficient.whiten @ block_jacobian(sums.auxiliary))
        residual = residual - space @ (space.T @ residual)
        criterion = n_units * float(residual @ residual)
        df = efficient.rank - space.shape[1]
    if df <= 0:
        return 0.0, float("nan"), 0
    return criterion, float(stats.chi2.sf(criterion, df)), df


def explained_share(sums: MomentSums, basis: Floats, n_labeled: int) -> Floats:
    """
    Share of the labelled score that each source explains, alone.

    Parameters
    ----------
    sums : MomentSums
        At the final parameters.
    basis : ndarray (p, p)
        Change of basis in which what is rounding is decided.
    n_labeled : int
        Labelled units, n: with p moments a source of pure noise explains p / n of
        the score by chance, however many it covers; shares are adjusted for it.

    Returns
    -------
    ndarray (M,)
        Mean squared canonical correlation between the labelled scores of the
        humans and those of the source, in [0, 1].
    """
    k_sources, _, p, _ = sums.auxiliary.shape
    omega = sums.omega()
    own = basis.T @ omega[:p, :p] @ basis
    share = np.empty(k_sources)
    for m in range(k_sources):
        at = slice(p + 2 * m * p, p + 2 * m * p + p)
        inverse = np.linalg.pinv(
            basis.T @ omega[at, at] @ basis, rcond=RANK_TOLERANCE, hermitian=True
        )
        cross = basis.T @ omega[:p, at] @ basis
        share[m] = np.trace(np.linalg.solve(own, cross @ inverse @ cross.T)) / p
    chance = p / max(n_labeled, p + 1)
    return np.asarray(np.clip((share - chance) / (1 - chance), 0, 1))

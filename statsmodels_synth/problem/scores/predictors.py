"""
Between rows of regressors and parameters: linear predictors, scores, slopes.

A target model has J linear predictors in a row: those in which every regressor has a
coefficient of its own, one after the other, and those that are one parameter for all
rows, such as a threshold or the log of a dispersion. Nothing outside this file asks
which is which. With one predictor arrays have no axis for it.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.problem.scores.protocol import TargetScore

#: Residuals below this share of the outcome's range are rounding of zero, and so are
#: those below that share of its level, which is all that a number keeps.
ZERO_RESIDUAL, ROUNDING = 1e-9, 1e-13


def count_params(score: TargetScore, k_exog: int) -> int:
    """Number of parameters P with so many regressors."""
    return score.predictors * k_exog + len(score.constants)


def linear_predictors(exog: Floats, params: Floats, score: TargetScore) -> Floats:
    """
    Linear predictors of rows, without offset.

    Eq. (predictors).

    Shapes: `exog` (R, p), `params` (P,) -> (R,), or (R, J).
    """
    if score.is_single:
        return np.asarray(exog @ params)
    k = score.predictors
    if not k:  # no column to spare: all rows are one
        return np.broadcast_to(params, (len(exog), len(params)))
    size = k * exog.shape[1]
    # Derivatives of predictions are taken with complex steps.
    dtype = np.result_type(exog, params)
    result = np.empty((len(exog), k + len(score.constants)), dtype=dtype)
    result[:, :k] = exog @ params[:size].reshape(k, -1).T
    result[:, k:] = params[size:]
    return result


def add_offset(linear: Floats, offset: Floats | float, score: TargetScore) -> None:
    """
    Add the offset of rows to their linear predictor, the first of several, in place.

    Shapes: `linear` (R,) or (R, J), `offset` (R,).
    """
    first = linear if score.is_single else linear[:, 0]
    first += offset


def row_scores(exog: Floats, factor: Floats, score: TargetScore) -> Floats:
    """
    Scores of rows with respect to the parameters, from those of their predictors.

    Eq. (score).

    Shapes: `exog` (R, p), `factor` (R,) or (R, J) -> (R, P).
    """
    if score.is_single:
        return np.asarray(exog * factor[:, None])
    k, (n_rows, p) = score.predictors, exog.shape
    if not k:
        fixed = score.fixed_predictors
        return factor if fixed is None else np.asarray(factor @ fixed)
    result = np.empty((n_rows, count_params(score, p)))
    for j in range(k):
        np.multiply(exog, factor[:, j, None], out=result[:, j * p : (j + 1) * p])
    result[:, k * p :] = factor[:, k:]
    return result


def total_slope(exog: Floats, slope: Floats, score: TargetScore) -> Floats:
    """
    Sum over rows of the derivative of the score with respect to the parameters.

    Eq. (score).

    Shapes: `exog` (R, p), `slope` (R,) or (R, J, J) -> (P, P).
    """
    if score.is_single:
        return np.asarray(exog.T @ (exog * slope[:, None]))
    if not score.predictors:
        fixed, total = score.fixed_predictors, np.asarray(slope.sum(axis=0))
        return total if fixed is None else np.asarray(fixed.T @ total @ fixed)
    left, right = slope_rows(exog, slope, score)
    return np.asarray(left.T @ right)


def slope_rows(
    exog: Floats, slope: Floats, score: TargetScore
) -> tuple[Floats, Floats]:
    """
    Two matrices whose product is :func:`total_slope`, with J rows for each row.

    Shapes: `exog` (R, p), `slope` (R,) or (R, J, J) -> (R J, P), (R J, P).
    """
    if score.is_single:
        return exog, exog * slope[:, None]
    each = predictor_rows(exog, score)
    turned = np.einsum("rjk,rkq->rjq", slope, each)
    size = each.shape[2]
    return each.reshape(-1, size), turned.reshape(-1, size)


def predictor_rows(exog: Floats, score: TargetScore) -> Floats:
    """
    Derivative of each linear predictor with respect to the parameters.

    Shapes: `exog` (R, p) -> (R, J, P).
    """
    k, (n_rows, p) = score.predictors, exog.shape
    total = k + len(score.constants)
    if not k:
        fixed = score.fixed_predictors
        own = np.eye(total) if fixed is None else fixed
        return np.broadcast_to(own, (n_rows, total, total))
    result = np.zeros((n_rows, total, count_params(score, p)))
    for j in range(k):
        result[:, j, j * p : (j + 1) * p] = exog
    each = np.arange(k, total)
    result[:, each, k * (p - 1) + each] = 1.0
    return result


def leverages(
    exog: Floats,
    information: Floats,
    inverse: Floats,
    score: TargetScore,
    basis: Floats,
) -> Floats:
    """
    Share of its own information that a row has in that of all.

    With several linear predictors it is a matrix; this is its largest eigenvalue. The
    inverse is that in the basis.

    Shapes: `exog` (R, p), `information` (R,) or (R, J, J), `inverse` (P, P), `basis`
    (P, P) -> (R,).
    """
    if score.is_single:
        turned = exog @ basis
        of_row = np.einsum("ti,ij,tj->t", turned, inverse, turned)
        return np.asarray(information * of_row)
    each = predictor_rows(exog, score) @ basis
    hat = np.einsum("rjp,pq,rkq->rjk", each, inverse, each, optimize=True)
    return np.asarray(np.linalg.eigvals(information @ hat).real.max(axis=1))


def basis_of(exog: Floats, score: TargetScore) -> Floats:
    """
    Basis of the parameters in which rows of every predictor are orthonormal.

    Shapes: `exog` (n, p) -> (P, P).
    """
    if score.basis is not None:
        return score.basis
    _, upper = scipy.linalg.qr(exog, mode="economic")
    own = scipy.linalg.solve_triangular(upper, np.eye(len(upper)))
    if score.is_single:
        return np.asarray(own)
    alone = np.full(len(score.constants), 1.0 / np.sqrt(len(exog)))
    return np.asarray(
        scipy.linalg.block_diag(*[own] * score.predictors, *alone[:, None, None])
    )


def scale_of(exog: Floats, score: TargetScore) -> Floats:
    """
    Root mean square of what each parameter is multiplied by.

    Shapes: `exog` (n, p) -> (P,).
    """
    if score.param_scale is not None:
        return score.param_scale
    own = np.sqrt(np.mean(exog**2, axis=0))
    alone = np.ones(len(score.constants))
    return np.concatenate([np.tile(own, score.predictors), alone])


def fits_exactly(endog: Floats, error: Floats) -> bool:
    """
    Whether residuals are nothing but rounding.

    Shapes: `endog` (R,), `error` (R,).

    Examples
    --------
    >>> fits_exactly(np.array([1e6, 3e6]), np.array([1e-4, 0.0]))
    True
    """
    level, spread = np.abs(endog).max(initial=0.0), np.ptp(endog)
    return bool(np.abs(error).max() <= ZERO_RESIDUAL * spread + ROUNDING * level)


def centring(columns: Floats, weights: Floats) -> Floats:
    """
    Derivative of coefficients with respect to those of centred regressors.

    The identity, where there is no constant.

    Shapes: `columns` (n, k), `weights` (n,) -> (k, k).

    Examples
    --------
    >>> x = np.array([[1.0, 4.0], [1.0, 6.0]])
    >>> centring(x, np.ones(2)).tolist()
    [[1.0, -5.0], [0.0, 1.0]]
    """
    k = columns.shape[1]
    result = np.eye(k)
    if not len(columns):
        return result
    alike = np.flatnonzero((np.ptp(columns, axis=0) == 0.0) & (columns[0] != 0.0))
    if len(alike):
        mean = weights @ columns / weights.sum()
        others = np.arange(k) != alike[0]
        result[alike[0], others] = -mean[others] / mean[alike[0]]
    return result


def total_score(exog: Floats, factor: Floats, score: TargetScore) -> Floats:
    """
    Sum over rows of their scores.

    Shapes: `exog` (R, p), `factor` (R,) or (R, J) -> (P,).
    """
    if score.is_single:
        return np.asarray(exog.T @ factor)
    k, fixed = score.predictors, score.fixed_predictors
    constants = factor[:, k:].sum(axis=0)
    if fixed is not None:
        return np.asarray(constants @ fixed)
    return np.concatenate([(factor[:, :k].T @ exog).ravel(), constants])


def by_row(values: Floats, weights: Floats) -> Floats:
    """
    One number for each row times what belongs to it, whatever its further axes.

    Shapes: `values` (R, ...), `weights` (R,) -> (R, ...).
    """
    return np.asarray((values.T * weights).T)

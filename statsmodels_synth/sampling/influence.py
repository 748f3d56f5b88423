"""
How much a label of a unit would move the coefficients that matter.

To first order a label moves a coefficient by ``a' x_i r_i``: a is the row of the
inverse derivative of the score for that coefficient, r_i the residual. The first factor
is known of every unit before anything is labelled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.gmm.fit import Fit
from statsmodels_synth.gmm.sums import row_factors
from statsmodels_synth.problem.design import AlignedDesign, DesignRows
from statsmodels_synth.problem.groups import mean_by_unit
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import (
    by_row,
    predictor_rows,
    slope_rows,
    total_slope,
)

#: Rows whose predictors are made at once.
_BLOCK = 50_000


@dataclass(frozen=True)
class Leverage:
    """
    What a label of a unit is worth for some coefficients, before it is known.

    Parameters
    ----------
    by_coefficient : ndarray (U, K)
        ``|a_k' x_i|``, NaN where no regressor of the unit is known.
    scale : ndarray (K,)
        Mean square of each over the units.
    """

    by_coefficient: Floats
    scale: Floats

    @property
    def squared(self) -> Floats:
        """Mean over the coefficients of the square, over its mean, (U,)."""
        return np.asarray((self.by_coefficient**2 / self.scale).mean(axis=1))


def unit_leverage(fit: Fit, which: Positions) -> Leverage:
    """
    Of all units of a fit, by what its sources say of them. Eq. (unit-leverage).

    What people coded has no part in it: then a labelled unit would have another value
    than if it had no label, and its probability would not be that of the draw.

    Shapes: `which` (K,).
    """
    design, score = fit.design, fit.target.score
    rows = inverse_rows(design, score, fit.solution.theta)[which]
    values = np.full((design.n_units, len(which)), np.nan)
    for source in sorted(design.sources, key=lambda own: own.kind != "proxy"):
        each = _sizes(source, rows, score)
        found = mean_by_unit(each, source.units, design.n_units)
        values = np.where(np.isnan(values), found, values)
    return _scaled(values)


def label_leverage(fit: Fit, which: Positions) -> Leverage:
    """
    Of the rows that a fit has as labels, where these are what a proxy says of all.

    Shapes: `which` (K,).
    """
    design, score = fit.design, fit.target.score
    rows = inverse_rows(design, score, fit.solution.theta)[which]
    return _scaled(_sizes(design.labeled, rows, score))


def _scaled(values: Floats) -> Leverage:
    """Sizes with their mean squares, (U, K)."""
    known = values[~np.isnan(values).any(axis=1)]
    scale = (known**2).mean(axis=0) if len(known) else np.ones(values.shape[1])
    return Leverage(values, np.where(scale > 0.0, scale, 1.0))


def inverse_rows(design: AlignedDesign, score: TargetScore, theta: Floats) -> Floats:
    """
    Inverse of the mean derivative of the labelled scores.

    Shapes: `theta` (P,) -> (P, P).
    """
    labeled = design.labeled
    factor, slope = row_factors(labeled, slice(0, len(labeled.endog)), theta, score)
    del factor
    slope = by_row(slope, design.design_weights[labeled.unit_positions])
    basis = design.basis
    if score.is_single or score.predictors:
        left, right = (part @ basis for part in slope_rows(labeled.exog, slope, score))
        inside = left.T @ right
    else:
        inside = basis.T @ total_slope(labeled.exog, slope, score) @ basis
    return np.asarray(basis @ np.linalg.inv(inside / design.n_labeled) @ basis.T)


def _sizes(rows: DesignRows, inverse: Floats, score: TargetScore) -> Floats:
    """Root of the sum over predictors of ``(a_k' x)^2``, (R, K)."""
    size = len(rows.endog)
    found = np.empty((size, len(inverse)))
    for start in range(0, size, _BLOCK):
        block = slice(start, min(start + _BLOCK, size))
        if score.is_single:
            found[block] = np.abs(rows.exog[block] @ inverse.T)
            continue
        each = predictor_rows(rows.exog[block], score) @ inverse.T
        found[block] = np.sqrt((each**2).sum(axis=1))
    return found

r"""
Control variates of the default: each source estimated from the labelled units, too.

A source has one estimate over all its units, ``eta``, and one from the labelled units
alone. Both solve the same equation, so that their difference has a mean of zero
whatever the source says: it is what the default takes off the estimate of the labels.
Everything here is in units of the coefficients. A source that repeats every label then
has exactly the influence of the labels, whatever its coefficients are over all units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.gmm.moments import (
    ROUNDING,
    UNRELATED_BOUND,
    WEIGHT_BOUND,
    MomentSums,
    target_scores,
)
from statsmodels_synth.gmm.sums import row_factors, unit_scores
from statsmodels_synth.gmm.target import MAX_HALVINGS, MAX_STEPS
from statsmodels_synth.gmm.weights import inverse_in_basis
from statsmodels_synth.problem.design import AlignedDesign, DesignRows, n_covered
from statsmodels_synth.problem.scores import TargetScore

#: Relative size of the labelled score of a source below which its estimate is found.
SCORE_TOLERANCE = 1e-10


@dataclass(frozen=True)
class LabeledRows:
    """
    What labelled units contribute to an estimate that is made from them.

    Parameters
    ----------
    rows : ndarray (n, p)
        ``H^-1 a psi``, H the information of all labelled units.
    leverage : ndarray (n,)
        Share of its own information that each unit has in H.
    inverse : ndarray (p, p)
        ``H^-1``.
    information : ndarray (rows,)
        Information of each labelled row, its weights included.
    """

    rows: Floats
    leverage: Floats
    inverse: Floats
    information: Floats

    @property
    def room(self) -> Floats:
        """One less the leverage, positive, (n,)."""
        return np.maximum(1.0 - self.leverage, 1e-10)


@dataclass(frozen=True)
class Control:
    """
    One source as a control variate.

    Parameters
    ----------
    labeled : LabeledRows
        Its estimate from the labelled units.
    delta : ndarray (p,)
        Estimate over all units less that from the labelled ones.
    of_units : ndarray (p, p)
        The score of any unit times this is what it contributes to the estimate over
        all units.
    spread : ndarray (p, p)
        Second moment of what all units contribute to that, summed.
    unrelated : ndarray (p, p)
        Second moment of what a labelled unit would contribute to its estimate if the
        source had nothing to do with the unit.
    n_covered : int
        Labelled units that it covers.
    n_effective : float
        As many of equal weight would tell as much of a second moment.
    """

    labeled: LabeledRows
    delta: Floats
    of_units: Floats
    spread: Floats
    unrelated: Floats
    n_covered: int
    n_effective: float


def labels_alone(
    design: AlignedDesign, score: TargetScore, theta: Floats
) -> LabeledRows:
    """
    Contributions to the labelled-only estimate.

    Eq. (labels-rows).

    Shapes: `theta` (p,).
    """
    psi, target, derivatives = target_scores(design, score, theta)
    return _labeled_rows(design, design.labeled, psi, -derivatives, -target)


def _labeled_rows(
    design: AlignedDesign,
    rows: DesignRows,
    h: Floats,
    information: Floats,
    all_: Floats,
) -> LabeledRows:
    """
    Contributions to an estimate from its scores by unit, and its information by row.

    Shapes: `h` (n, p), `information` (rows,), `all_` (p, p).
    """
    inverse = inverse_in_basis(all_, design.basis)
    by_row = information * np.einsum("ti,ij,tj->t", rows.exog, inverse, rows.exog)
    leverage = np.bincount(rows.unit_positions, by_row, design.n_labeled)
    own = (h * design.design_weights[:, None]) @ inverse
    return LabeledRows(own, np.clip(leverage, 0.0, 1.0), inverse, information)


def control_of(
    design: AlignedDesign,
    score: TargetScore,
    m: int,
    eta: Floats,
    sums: MomentSums,
    covered: int,
) -> Control:
    """
    A source, which covers so many units, as a control variate.

    Eq. (gamma-labelled), Eq. (control-rows).

    Shapes: `eta` (p,).
    """
    n_units, p = design.n_units, design.k_params
    information = -n_units * sums.auxiliary[m, 1]
    one_unit = information / covered
    source, everything = design.labeled_sources[m], slice(None)
    own = labeled_estimate(design, score, m, eta, one_unit)
    factor, derivative = row_factors(source, everything, source.exog @ own, score)
    unit = source.unit_of(everything)
    derivative = -derivative * design.design_weights[unit]
    h = np.empty((design.n_labeled, p))
    unit_scores(source, everything, factor, 0, h)
    slope = source.exog.T @ (source.exog * derivative[:, None]) + one_unit
    labeled = _labeled_rows(design, source, h, derivative, slope)
    of_units = inverse_in_basis(information, design.basis)
    moment = unrelated_scores(design, score, m, own, h)
    weights = design.design_weights
    if design.labeled.weights is not None:
        weights = weights * design.labeled.weights
    weights = weights[np.unique(source.unit_positions)] ** 2
    return Control(
        labeled=labeled,
        delta=eta - own,
        of_units=of_units,
        spread=of_units @ (n_units * sums.source_outer()[m, :, m]) @ of_units,
        unrelated=labeled.inverse @ moment @ labeled.inverse,
        n_covered=n_covered(source),
        n_effective=float(weights.sum() ** 2 / max((weights**2).sum(), 1e-300)),
    )


# A trial step may overflow. It is found out by its values, and halved.
@np.errstate(all="ignore")
def labeled_estimate(
    design: AlignedDesign, score: TargetScore, m: int, eta: Floats, one_unit: Floats
) -> Floats:
    """
    Estimate of a source from the labelled units, with one unit of what all units say.

    Eq. (gamma-labelled).

    That unit makes it finite where the source separates the labelled units. Where the
    equation has no solution, as with a score that is not monotone, it is one step of
    Newton's method from the estimate over all units, which is as good to first order.

    Shapes: `eta` (p,), `one_unit` (p, p) -> (p,).
    """
    source, basis = design.labeled_sources[m], design.basis
    a = design.design_weights[source.unit_of(slice(None))]

    def evaluate(point: Floats) -> tuple[Floats, Floats, float]:
        factor, slope = row_factors(source, slice(None), source.exog @ point, score)
        gradient = source.exog.T @ (a * factor) - one_unit @ (point - eta)
        h = one_unit - source.exog.T @ (source.exog * (a * slope)[:, None])
        size = float(np.linalg.norm(basis.T @ gradient))
        return gradient, h, size if np.all(np.isfinite(h)) else np.inf

    gradient, h, size = evaluate(eta)
    point, scale, first = eta, size, None
    for _ in range(MAX_STEPS):
        if size <= SCORE_TOLERANCE * scale:
            return point
        step = inverse_in_basis(h, basis) @ gradient
        first = eta + step if first is None else first
        for _ in range(MAX_HALVINGS):
            new = evaluate(point + step)
            if new[2] < size:
                break
            step = step / 2
        else:
            # Nothing reduces it any more: rounding, if it is small.
            return point if size <= np.sqrt(SCORE_TOLERANCE) * scale else first
        point = point + step
        gradient, h, size = new
    return eta if first is None else first


def unrelated_scores(
    design: AlignedDesign, score: TargetScore, m: int, eta: Floats, h: Floats
) -> Floats:
    """
    Second moment of the score of a source if its outcome had nothing to do with x.

    Eq. (unrelated).

    The outcome of another unit, the mean of its replicates, in place of the unit's own:
    the score is linear in the outcome, so its mean square over all outcomes needs only
    their mean and variance.

    Shapes: `eta` (p,), `h` (n, p) -> (p, p).
    """
    n, everything = design.n_labeled, slice(None)
    source = design.labeled_sources[m]
    linear = source.exog @ eta
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
    scores = np.empty((2, *h.shape))
    for part, factor in zip(scores, (at_mean, slope), strict=True):
        unit_scores(source, everything, factor * bound, 0, part)
    scores *= design.design_weights[:, None]
    moment = scores[0].T @ scores[0] + outcomes.var() * scores[1].T @ scores[1]
    # A source whose slope is far off says very different things of different units:
    # without a bound, that of one unit would drown the labels.
    own = h * design.design_weights[:, None]
    return _bounded(moment, UNRELATED_BOUND * own.T @ own) / len(outcomes)


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

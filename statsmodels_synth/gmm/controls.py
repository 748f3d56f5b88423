r"""
Control variates of the default: each source estimated from the labelled units, too.

A source has one estimate over all its units, ``eta``, and one from the labelled units
alone. Both solve the same equation, so that their difference has a mean of zero
whatever the source says: it is what the default takes off the estimate of the labels.
Everything here is in units of the coefficients. A source that repeats every label then
has exactly the influence of the labels, whatever its coefficients are over all units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
from statsmodels_synth.gmm.weights import inverse_in_basis, inverse_root
from statsmodels_synth.problem.design import AlignedDesign, DesignRows, n_covered
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import (
    add_offset,
    by_row,
    leverages,
    linear_predictors,
    total_score,
    total_slope,
)

#: Relative size of the labelled score of a source below which its estimate is found.
SCORE_TOLERANCE = 1e-10
#: Different outcomes beyond which so many quantiles stand for all.
MANY_OUTCOMES = 20
#: How many times the information of the labelled units that of all units is, per unit
#: and in some direction, before the labels count as missing a part of the regressors.
FAR = 2.0


@dataclass(frozen=True)
class LabeledRows:
    """
    What labelled units contribute to an estimate that is made from them.

    Parameters
    ----------
    rows : ndarray (n, p)
        ``H^-1 a psi``, H the information of all labelled units.
    turned : ndarray (n, p)
        The same in the basis of the design, in which nothing is lost to rounding where
        x is far from zero.
    leverage : ndarray (n,)
        Share of its own information that each unit has in H.
    inverse : ndarray (p, p)
        ``H^-1`` in the basis of the design.
    information : ndarray (rows,), or (rows, J, J)
        Information of each labelled row on its linear predictors, weights included.
    total : ndarray (p, p)
        H in the basis of the design.
    """

    rows: Floats
    turned: Floats
    leverage: Floats
    inverse: Floats
    information: Floats
    total: Floats

    @property
    def room(self) -> Floats:
        """One less the leverage, positive, (n,)."""
        return np.maximum(1.0 - self.leverage, 1e-10)

    def at_scores(self, design: AlignedDesign, h: Floats) -> LabeledRows:
        """
        The same with scores at another point, and the information of this one.

        Shapes: `h` (n, p).
        """
        turned = _turned(design, h, self.inverse)
        return replace(self, rows=turned @ design.basis.T, turned=turned)


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
    turned_units : ndarray (p, p)
        The same, to what it contributes in the basis of the design.
    spread : ndarray (p, p)
        Second moment of the latter over all units, summed.
    unrelated : ndarray (p, p)
        Second moment of what a labelled unit would contribute to its estimate if the
        source had nothing to do with the unit, in the basis of the design.
    n_covered : int
        Labelled units that it covers.
    n_effective : float
        As many of equal weight would tell as much of a second moment.
    """

    labeled: LabeledRows
    delta: Floats
    of_units: Floats
    turned_units: Floats
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
    return _labeled_rows(design, design.labeled, psi, -derivatives, -target, score)


def _labeled_rows(
    design: AlignedDesign,
    rows: DesignRows,
    h: Floats,
    information: Floats,
    all_: Floats,
    score: TargetScore,
) -> LabeledRows:
    """
    Contributions to an estimate from its scores by unit, and its information by row.

    Shapes: `h` (n, p), `information` (rows,) or (rows, J, J), `all_` (p, p).
    """
    basis = design.basis
    total = basis.T @ all_ @ basis
    inverse: Floats = np.linalg.inv(total).astype(float)
    if not score.is_smooth:
        # Where the score jumps, that of a row is a matter of where its residual is.
        weight = design.row_weights(rows)
        mean = information.sum(axis=0) / weight.sum()
        information = by_row(np.broadcast_to(mean, information.shape), weight)
    of_rows = score.own_leverages(rows.exog, design.row_weights(rows))
    if of_rows is None:
        of_rows = leverages(rows.exog, information, inverse, score, basis)
    shares = np.bincount(rows.unit_positions, of_rows, design.n_labeled)
    leverage: Floats = np.clip(shares.astype(float), 0.0, score.most_leverage)
    turned = _turned(design, h, inverse)
    return LabeledRows(turned @ basis.T, turned, leverage, inverse, information, total)


def _turned(design: AlignedDesign, h: Floats, inverse: Floats) -> Floats:
    """
    Contributions of scores by unit in the basis of the design.

    The derivative of estimating equations need not be symmetric.

    Shapes: `h` (n, p), `inverse` (p, p) -> (n, p).
    """
    weighted = h * design.design_weights[:, None]
    return np.asarray(weighted @ design.basis @ inverse.T)


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

    Eq. (gamma-labelled), Eq. (control-rows), Eq. (floor-far).

    Shapes: `eta` (p,).
    """
    n_units, p = design.n_units, design.k_params
    information = -n_units * sums.auxiliary[m, 1]
    one_unit = information / covered
    source, everything = design.labeled_sources[m], slice(None)
    own = labeled_estimate(design, score, m, eta, one_unit)
    factor, derivative = row_factors(source, everything, own, score)
    unit = source.unit_of(everything)
    derivative = by_row(-derivative, design.design_weights[unit])
    h = np.empty((design.n_labeled, p))
    unit_scores(source, everything, factor, 0, h, score)
    slope = total_slope(source.exog, derivative, score) + one_unit
    labeled = _labeled_rows(design, source, h, derivative, slope, score)
    basis, share = design.basis, n_covered(source) / covered
    total = basis.T @ information @ basis
    inside = np.linalg.inv(total)
    outer = n_units * basis.T @ sums.source_outer()[m, :, m] @ basis
    spread = inside @ outer @ inside.T
    of_labels = labeled.inverse
    if np.linalg.eigvals(share * of_labels @ total).real.max() > FAR:
        # Rows with regressors that labels have nothing like make up the information of
        # all units, and what each contributes looks small. By that of the labels it is
        # not.
        other = share**2 * of_labels @ outer @ of_labels.T
        spread = spread + floor_excess(spread, other)
    moment = unrelated_scores(design, score, m, own, h)
    weights = design.row_weights(design.labeled)
    weights = weights[np.unique(source.unit_positions)] ** 2
    return Control(
        labeled=labeled,
        delta=eta - own,
        of_units=basis @ inside @ basis.T,
        turned_units=basis @ inside.T,
        spread=spread,
        unrelated=of_labels @ moment @ of_labels.T,
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
    Where the score jumps it is what the target model itself says.

    Shapes: `eta` (p,), `one_unit` (p, p) -> (p,).
    """
    source, basis = design.labeled_sources[m], design.basis
    a = design.design_weights[source.unit_of(slice(None))]
    if not score.is_smooth:
        weights = design.row_weights(source)
        found = score.start(source.endog, source.exog, source.offset, weights)
        if np.all(np.isfinite(found)):
            return found

    def evaluate(point: Floats) -> tuple[Floats, Floats, float]:
        factor, slope = row_factors(source, slice(None), point, score)
        gradient = total_score(source.exog, by_row(factor, a), score)
        gradient -= one_unit @ (point - eta)
        h = one_unit - total_slope(source.exog, by_row(slope, a), score)
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

    The outcome of another unit in place of the unit's own. Where the score is linear in
    the outcome its mean square over all outcomes, means of replicates, needs only their
    mean and variance; else it is taken over the outcomes, or quantiles of them. It is
    made in the basis of the design: where x is far from zero, coefficients have
    nothing but rounding left of it.

    Shapes: `eta` (p,), `h` (n, p) -> (p, p).
    """
    n, source = design.n_labeled, design.labeled_sources[m]
    linear = linear_predictors(source.exog, eta, score)
    if source.offset is not None:
        add_offset(linear, source.offset, score)
    unit = source.unit_positions
    count = np.bincount(unit, minlength=n)
    share = 1.0 / count[unit]  # of a row in the mean of its unit
    outcomes = np.bincount(unit, share * source.endog, n)[count > 0]
    mean = outcomes.mean()

    def at(outcome: float) -> Floats:
        endog = np.full(len(linear), outcome)
        return score.row_factors(endog, source.exog, linear.copy())[0]

    if score.is_linear_in_outcome:
        factors = [at(mean), at(mean + 1.0) - at(mean)]
        chances, size = np.array([1.0, outcomes.var()]), _lengths(factors[1])
    else:
        values, chances = _spread_outcomes(source.endog, share)
        factors = [at(value) for value in values]
        size = np.sqrt(chances @ np.array([_lengths(f) ** 2 for f in factors]))
    # With a link that is not canonical a row whose mean is near the end of its
    # range has a weight without bound, and would stand for all.
    order = np.argsort(size, kind="stable")
    weight = np.cumsum(share[order])
    middle = order[np.searchsorted(weight, weight[-1] / 2)]
    limit = WEIGHT_BOUND * size[middle]
    bound = np.minimum(1.0, limit / np.maximum(size, 1e-300))
    bound *= 1.0 if source.weights is None else source.weights
    moment, scores = np.zeros((h.shape[1],) * 2), np.empty_like(h)
    for chance, factor in zip(chances, factors, strict=True):
        unit_scores(source, slice(None), by_row(factor, bound), 0, scores, score)
        turned = (scores * design.design_weights[:, None]) @ design.basis
        moment += chance * turned.T @ turned
    # A source whose slope is far off says very different things of different units:
    # without a bound, that of one unit would drown the labels.
    own = (h * design.design_weights[:, None]) @ design.basis
    return _bounded(moment, UNRELATED_BOUND * own.T @ own) / len(outcomes)


def _lengths(factor: Floats) -> Floats:
    """Size of the score of each row, (R,); equations are in units of their rows."""
    return np.abs(factor) if factor.ndim == 1 else np.linalg.norm(factor, axis=1)


def _spread_outcomes(endog: Floats, share: Floats) -> tuple[Floats, Floats]:
    """
    Outcomes with the chance of each; of many that differ, so many quantiles.

    Shapes: `endog` (R,), `share` (R,) -> (k,), (k,).
    """
    values, at = np.unique(endog, return_inverse=True)
    chance = np.bincount(at, share) / share.sum()
    if len(values) <= MANY_OUTCOMES:
        return values, chance
    middles = (np.arange(MANY_OUTCOMES) + 0.5) / MANY_OUTCOMES
    found = np.searchsorted(np.cumsum(chance), middles)
    return values[found], np.full(MANY_OUTCOMES, 1.0 / MANY_OUTCOMES)


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


def floor_excess(gram: Floats, least: Floats) -> Floats:
    """
    What a Gram matrix lacks of another one, in the directions in which it has less.

    Eq. (floor).

    Shapes: `gram` (p, p), `least` (p, p) -> (p, p).

    Examples
    --------
    >>> import numpy as np
    >>> floor_excess(np.diag([1.0, 5.0]), np.diag([3.0, 3.0])).round(12) + 0.0
    array([[2., 0.],
           [0., 0.]])
    """
    root = inverse_root(least)
    values, vectors = np.linalg.eigh(root.T @ gram @ root)
    if root.shape[1] < len(least):
        back = least @ root @ vectors  # some directions have nothing to lack
    else:
        back = np.linalg.solve(root.T, vectors)
    return np.asarray((back * np.maximum(1.0 - values, 0.0)) @ back.T)

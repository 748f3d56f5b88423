"""
The squared influence to expect of a label, learned from those of a pilot.

``E e_i^2 = s_i^2 exp(z_i' b)``: s_i is known (:mod:`.influence`), z_i what is known of
the unit besides: what sources say, how far they disagree, regressors, auxiliary
columns. b is a gamma regression with a ridge penalty, chosen by cross-validation of the
variance that the design would have. With the largest penalty nothing is learned, and
the design is that of a study without a pilot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statsmodels_synth.core.arrays import Floats, Positions

#: Share of the expected squared influence that is spread evenly over all units: no
#: probability is below about a third of the mean, whatever was learned.
EVEN = 0.1
#: Penalties that are tried, per label; infinity learns nothing.
_PENALTIES = (np.inf, 3.0, 1.0, 0.3, 0.1, 0.03)
_STEPS = 50


@dataclass(frozen=True)
class Learned:
    """
    What a pilot says of the squared influence of labels.

    Parameters
    ----------
    expected : ndarray (U,)
        Expected square of the influence of a label of each unit, with a mean of one.
        That of a unit does not depend on its own label.
    gain : float
        Share of the variance that a design in proportion to its root takes off a simple
        random one, at labels that were left out.
    """

    expected: Floats
    gain: float


def with_floor(squared: Floats, even: float = EVEN) -> Floats:
    """
    Expected squares, of which a share is spread evenly; unknown ones are the mean.

    Eq. (even-share).

    Shapes: `squared` (U,) -> (U,).

    Examples
    --------
    >>> import numpy as np
    >>> with_floor(np.array([0.0, 2.0, np.nan]))
    array([0.1, 1.9, 1. ])
    """
    known = ~np.isnan(squared)
    mean = float(squared[known].mean()) if known.any() else 0.0
    if mean <= 0.0:
        return np.ones(len(squared))
    return np.where(known, even + (1.0 - even) * squared / mean, 1.0)


def learned_spread(
    squared: Floats,
    features: Floats,
    labeled: Positions,
    contributions: Floats,
    weights: Floats,
    fold: Positions,
) -> Learned:
    """
    Learn the expected squared influence. Eq. (expected-influence).

    Shapes: `squared` (U,), `features` (U, K), `labeled` (n,), `contributions` (n,)
    squared ones, `weights` (n,), `fold` (U,).
    """
    base = with_floor(squared)
    ratio = contributions / base[labeled]
    ratio = ratio / np.average(ratio, weights=weights)
    z = standardised(features)
    folds = int(fold.max()) + 1

    def expected(penalty: float) -> Floats:
        found = np.empty(len(base))
        for k in range(folds):
            seen, own = fold[labeled] != k, fold == k
            slope = gamma_ridge(z[labeled[seen]], ratio[seen], weights[seen], penalty)
            linear = z[own] @ slope
            found[own] = base[own] * np.exp(np.clip(linear, -4.0, 4.0))
        # Where sources say nothing the mean: of these units a fit has the labelled ones
        # only, and what they get is what they would have got without a label.
        found[np.isnan(squared)] = np.nan
        return with_floor(found)

    def variance(shape: Floats) -> Floats:
        # Of a design in proportion to the root, over that of a simple random one.
        root = np.sqrt(shape)
        each = weights * contributions / root[labeled] * root.mean()
        return np.asarray(each / np.average(contributions, weights=weights))

    return _best([np.ones(len(base)), *map(expected, _PENALTIES)], variance, weights)


def _best(
    shapes: list[Floats], variance: Callable[[Floats], Floats], weights: Floats
) -> Learned:
    """
    The design with the least variance; each step from the last must pay.

    From simple random to the known influence to what is learned with less and less of
    a penalty: a step counts if it takes off more than its standard error.
    """
    total = weights.sum()
    chosen, per_label = shapes[0], variance(shapes[0])
    for shape in shapes[1:]:
        own = variance(shape)
        less = per_label - own
        error = np.sqrt(((less - less.mean()) ** 2).sum()) / total
        if less.sum() / total > error:
            chosen, per_label = shape, own
    return Learned(chosen, 1.0 - float(per_label.sum() / total))


def standardised(features: Floats) -> Floats:
    """
    Columns about zero with a unit of one, and their squares; gaps are the mean.

    Shapes: (U, K) -> (U, 2 K) at most.
    """
    features = features[:, ~np.isnan(features).all(axis=0)]
    mean = np.nanmean(features, axis=0) if features.size else np.zeros(0)
    z = np.where(np.isnan(features), mean, features) - mean
    z = _in_units(z)
    squares = z**2
    squares = _in_units(squares - squares.mean(axis=0))
    # The square of a column with two values is the column.
    twins = np.isclose(np.abs((z * squares[:, : z.shape[1]]).mean(axis=0)), 1.0)
    return np.hstack([z, squares[:, ~twins]]) if z.size else z


def _in_units(z: Floats) -> Floats:
    """Columns over their standard deviation, those that do not vary left out of."""
    spread = z.std(axis=0)
    scaled = z / np.where(spread > 1e-9, spread, np.inf)
    return np.clip(scaled, -4.0, 4.0)


def gamma_ridge(z: Floats, ratio: Floats, weights: Floats, penalty: float) -> Floats:
    """
    Slopes of a gamma regression with a log link and a ridge penalty per observation.

    The constant is not penalised and not returned.

    Shapes: `z` (n, K), `ratio` (n,), `weights` (n,) -> (K,).
    """
    if not np.isfinite(penalty) or not z.shape[1]:
        return np.zeros(z.shape[1])
    x = np.column_stack([np.ones(len(z)), z])
    weights = weights / weights.mean()
    ridge = np.full(x.shape[1], penalty * len(z))
    ridge[0] = 0.0
    slope = np.zeros(x.shape[1])
    slope[0] = np.log(np.average(ratio, weights=weights))

    def loss(at: Floats) -> float:
        eta = np.clip(x @ at, -30.0, 30.0)
        fitted = weights @ (eta + ratio * np.exp(-eta))
        return float(fitted + 0.5 * at @ (ridge * at))

    value = loss(slope)
    for _ in range(_STEPS):
        rest = ratio * np.exp(-np.clip(x @ slope, -30.0, 30.0))
        gradient = x.T @ (weights * (1.0 - rest)) + ridge * slope
        # The expected curvature, which is that of least squares.
        curvature = (x * weights[:, None]).T @ x + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-6 and loss(slope - size * step) > value:
            size *= 0.5
        if size <= 1e-6:
            break
        slope = slope - size * step
        before, value = value, loss(slope)
        if before - value < 1e-10 * max(abs(before), 1.0):
            break
    return slope[1:]

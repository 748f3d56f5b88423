"""Searches of a plan: the fewest labels, and the cheapest mix of labels and units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.planning.power import critical_value, ratio_for_power
from statsmodels_synth.planning.prediction import VarianceParts

#: The most labels that are looked for where nothing else limits them.
MOST_LABELS = 10**9
#: Relative rounding error of a variance.
TOLERANCE = 1e-12
#: Numbers of labels that are looked at in one step of the search for the cheapest.
GRID = 257
#: Rounds in which units and degrees of freedom are brought together. Two are the rule.
_MOST_ROUNDS = 20


@dataclass(frozen=True)
class Aim:
    """
    What one coefficient is to reach.

    Parameters
    ----------
    coefficient : int
        Its position.
    width : float or None
        Width of the interval, at most.
    power : float or None
        Power of the test, at least.
    effect : float
        True effect, for the power.
    alpha : float
        One minus the level of the interval; level of the test.
    """

    coefficient: int
    width: float | None
    power: float | None
    effect: float
    alpha: float

    def largest_variance(self, df: Floats) -> Floats:
        """
        Variance that is just small enough.

        Shapes: `df` (k,) -> (k,).
        """
        if self.width is not None:
            return np.asarray((self.width / 2.0 / critical_value(df, self.alpha)) ** 2)
        assert self.power is not None
        return np.asarray(
            (self.effect / ratio_for_power(self.power, df, self.alpha)) ** 2
        )

    def reached(self, parts: VarianceParts, n: int, n_units: int) -> bool:
        """Whether a design is good enough."""
        at = np.array([float(n)]), np.array([float(n_units)])
        variance = parts.variance(*at)[0, self.coefficient]
        most = self.largest_variance(parts.df(*at)[:, self.coefficient])[0]
        # A width or power that a design has exactly is reached by it.
        return bool(variance <= most * (1.0 + TOLERANCE))


def fewest_labels(
    parts: VarianceParts, aim: Aim, low: int, n_units: int | None
) -> int | None:
    """Smallest number of labels that does, by bisection."""

    def reached(n: int) -> bool:
        return aim.reached(parts, n, parts.units_for(n) if n_units is None else n_units)

    high = MOST_LABELS if n_units is None else parts.most_labels(n_units)
    if low > high or not reached(high):
        return None
    below = low - 1
    while high - below > 1:
        middle = (below + high) // 2
        if reached(middle):
            high = middle
        else:
            below = middle
    return high


def labels_with_variance(
    parts: VarianceParts, j: int, variance: Floats, low: int, n_units: int
) -> int:
    """
    Fewest labels, at least `low`, with no more than a variance.

    Shapes: `variance` (1,).
    """
    high = parts.most_labels(n_units)
    at = np.array([float(n_units)])
    below = low - 1
    while high - below > 1:
        middle = (below + high) // 2
        now = parts.variance(np.array([float(middle)]), at)[:, j]
        if np.all(now <= variance * (1.0 + TOLERANCE)):
            high = middle
        else:
            below = middle
    return high


def cheapest_sizes(
    parts: VarianceParts,
    aim: Aim,
    low: int,
    n_units: int | None,
    price_label: float,
    price_unit: float,
) -> tuple[int, int, float] | None:
    """
    Numbers of labels and units that reach the aim at the lowest price.

    For each number of labels the fewest units that do are found by bisection, and
    the price of both is convex in it, but for the rounding of units: the search looks
    at a grid, and then between the neighbours of its best point, down to every
    single number.

    Shapes: (int, int, float).
    """
    fewest = fewest_labels(parts, aim, low, n_units)
    if fewest is None:
        return None
    if n_units is None:
        return fewest, parts.units_for(fewest), fewest * price_label
    start, stop = fewest, parts.most_labels(n_units)
    while True:
        whole = stop - start < GRID
        if whole:
            n = np.arange(start, stop + 1)
        else:
            n = np.unique(np.geomspace(start, stop, GRID).round().astype(int))
        units = _fewest_units(parts, aim, n.astype(float), n_units)
        price = n * price_label + units * price_unit
        # Among equals the fewest labels, which people have to give.
        best = int(np.flatnonzero(price <= price.min() * (1.0 + TOLERANCE))[0])
        if whole:
            return int(n[best]), int(units[best]), float(price[best])
        start = int(n[max(best - 1, 0)])
        stop = int(n[min(best + 1, len(n) - 1)])


def _fewest_units(parts: VarianceParts, aim: Aim, labels: Floats, most: int) -> Floats:
    """
    Fewest units for each number of labels; enough to label so many.

    More units leave fewer degrees of freedom, so that those with the most units ask for
    too many; with those of the answer one gets down to what is needed.
    """
    j, n_units = aim.coefficient, np.full(len(labels), float(most))
    if parts.finite is not None:
        return n_units  # fewer units would be another population
    for _ in range(_MOST_ROUNDS):
        variance = aim.largest_variance(parts.df(labels, n_units)[:, j])
        found = _units_for_variance(parts, j, labels, variance, most)
        if np.array_equal(found, n_units):
            break
        n_units = found
    return n_units


def _units_for_variance(
    parts: VarianceParts, j: int, labels: Floats, variance: Floats, most: int
) -> Floats:
    """Fewest units that a variance takes, by bisection; the most where none do."""
    low = np.minimum(np.ceil(labels * parts.units_per_label - 1e-6), float(most))
    high = np.full(len(labels), float(most))

    def enough(n_units: Floats) -> NDArray[np.bool_]:
        found = parts.variance(labels, n_units)[:, j]
        return np.asarray(found <= variance * (1.0 + TOLERANCE))

    high = np.where(enough(low), low, high)
    while np.any(high - low > 1.0):
        middle = np.floor((low + high) / 2.0)
        does = enough(middle)
        # What `low` does not do, or is known to do, where `high` is the same.
        high, low = np.where(does, middle, high), np.where(does, low, middle)
    return high

"""Numbers of a table with their Monte Carlo errors: value and error of each cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Measured(NamedTuple):
    """What a simulation says of a number, and the standard error of that."""

    value: float
    error: float

    def times(self, factor: float) -> Measured:
        """The same in other units."""
        return Measured(factor * self.value, abs(factor) * self.error)


#: What few draws cannot say, such as the least of several shares.
UNKNOWN = Measured(float("nan"), float("nan"))


class Span(NamedTuple):
    """
    Lowest and highest of several numbers, and their mean.

    Of few draws the lowest and the highest say little; their mean is compared.
    """

    low: float
    high: float
    mean: Measured


def span_of(values: Any) -> Span:
    """
    Lowest, highest and mean of several means over the same draws.

    Shape: `values` (draws, k). Shares that are all 0 or 1 have an error all the same:
    that of independent ones with one more that does not agree.
    """
    found = np.asarray(values, dtype=float)
    each = found.mean(axis=0)
    mean = mean_of(found.mean(axis=1))
    if np.isin(found, (0.0, 1.0)).all():
        likely = (found.sum() + 1.0) / (found.size + 2.0)
        least = float(np.sqrt(likely * (1.0 - likely) / found.size))
        mean = Measured(mean.value, max(mean.error, least))
    return Span(float(each.min()), float(each.max()), mean)


def together(found: Sequence[Measured]) -> Span:
    """Lowest, highest and mean of numbers of independent draws."""
    values = [own.value for own in found]
    error = float(np.sqrt(np.sum([own.error**2 for own in found]))) / len(found)
    return Span(min(values), max(values), Measured(float(np.mean(values)), error))


def share_of(hits: Any) -> Measured:
    """Share of draws; if all agree the error is that of one more that does not."""
    found = np.asarray(hits, dtype=float)
    likely = (found.sum() + 1.0) / (len(found) + 2.0)
    error = np.sqrt(likely * (1.0 - likely) / len(found))
    return Measured(float(found.mean()), float(error))


def mean_of(values: Any) -> Measured:
    """Mean over draws."""
    found = np.asarray(values, dtype=float)
    error = found.std(ddof=1) / np.sqrt(len(found))
    return Measured(float(found.mean()), float(error))


def rate_of(shares: Any) -> Measured:
    """Mean over draws of shares; its error is at least that of one more draw."""
    value, error = mean_of(shares)
    return Measured(value, max(error, 1.0 / len(shares)))


def ratio_of(squared: Any, base: Any) -> Measured:
    """
    Ratio of mean squared errors over the same draws, mean over coefficients.

    Shapes: `squared`, `base` (draws, p).
    """
    labels = np.mean(base, axis=0)
    ratio = np.mean(squared, axis=0) / labels
    # To first order, as of a ratio of means over the same draws.
    left = ((squared - ratio * base) / labels).mean(axis=1)
    return Measured(float(ratio.mean()), float(left.std() / np.sqrt(len(left))))


def ratio_of_medians(values: Any, base: Any) -> Measured:
    """
    Ratio of medians, mean over coefficients; shapes (draws, p) or (draws,).

    The error of a median is about 1.25 times that of a mean; that of the base, which
    goes along with it, is left out.
    """
    own, medians = np.asarray(values, dtype=float), np.median(base, axis=0)
    ratio = float((np.median(own, axis=0) / medians).mean())
    each = (own / medians).reshape(len(own), -1).mean(axis=1)
    return Measured(ratio, 1.25 * float(each.std() / np.sqrt(len(each))))


def ratio_of_means(values: Any, base: Any) -> Measured:
    """Ratio of the means of two samples that need not have the same draws."""
    (own, own_error), (other, other_error) = mean_of(values), mean_of(base)
    ratio = own / other
    error = abs(ratio) * float(np.hypot(own_error / own, other_error / other))
    return Measured(ratio, error)


def median_of(values: Any) -> Measured:
    """Median over draws, whose error is that of a normal variable's of this spread."""
    found = np.asarray(values, dtype=float)
    low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
    error = 1.25 * (high - low) / 1.349 / np.sqrt(len(found))
    return Measured(float(middle), float(error))


def rmse_of(errors: Any) -> Measured:
    """Root mean squared error over draws."""
    squares = mean_of(np.asarray(errors, dtype=float) ** 2)
    root = float(np.sqrt(squares.value))
    return Measured(root, squares.error / (2.0 * root))

"""Numbers of a table with their Monte Carlo errors: value and error of each cell."""

from __future__ import annotations

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


def mean_share(covered: Any) -> Measured:
    """Mean share of coefficients that are covered, whose draws go together."""
    value, error = mean_of(covered.mean(axis=1))
    # Where all are covered it is as for one coefficient.
    return Measured(value, max(error, share_of(covered[:, 0] > -1.0).error))


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


def rmse_of(errors: Any) -> Measured:
    """Root mean squared error over draws."""
    squares = mean_of(np.asarray(errors, dtype=float) ** 2)
    root = float(np.sqrt(squares.value))
    return Measured(root, squares.error / (2.0 * root))

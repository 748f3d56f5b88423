"""Weights of historical tasks: given by the user, or from a kernel on covariates."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats, as_floats
from statsmodels_synth.core.messages import format_units, show
from statsmodels_synth.core.options import check_choice
from statsmodels_synth.exceptions import AlignmentError, OptionError
from statsmodels_synth.tasks.options import is_positive

Kernel: TypeAlias = Literal["gaussian"]
#: That of the signature: any other was given by the user.
DEFAULT_BANDWIDTH = 1.0


def gaussian_weights(covariates: Floats, at: int, bandwidth: float) -> Floats:
    """
    Gaussian kernel on standardised covariates.

    Shapes: `covariates` (T + 1, C) -> (T + 1,).

    Examples
    --------
    >>> gaussian_weights(np.array([[0.0], [1.0], [2.0]]), 2, 1.0).round(3)
    array([0.05 , 0.472, 1.   ])
    """
    spread = covariates.std(axis=0)
    scaled = covariates / np.where(spread > 0.0, spread, 1.0)
    squares = np.sum((scaled - scaled[at]) ** 2, axis=1)
    return np.asarray(np.exp(-squares / (2.0 * bandwidth**2)))


def find_weights(
    weights: Any, tasks: pd.Index, covariates: pd.DataFrame | None, bandwidth: float
) -> Floats | None:
    """
    Weights of the historical tasks for the current one.

    Shapes: `weights` (T,), `tasks` (T,), `covariates` (T + 1, C) -> (T,).

    Examples
    --------
    >>> find_weights([1.0, 0.5], pd.Index(["a", "b"]), None, 1.0)
    array([1. , 0.5])
    """
    if not is_positive(bandwidth):
        raise OptionError(
            f"bandwidth={bandwidth!r} must be a number above 0, in standard deviations."
        )
    if bandwidth != DEFAULT_BANDWIDTH and not isinstance(weights, str):
        raise OptionError(
            f"bandwidth={bandwidth!r} is that of a kernel. Give weights='gaussian' "
            "too, or leave it out."
        )
    if weights is None:
        return None
    if isinstance(weights, str):
        check_choice("weights", weights, Kernel)
        if covariates is None:
            raise OptionError(
                f"weights={weights!r} compares tasks by covariates, and there are "
                "none. Name their columns with covariates= when you make the model."
            )
        return gaussian_weights(covariates.to_numpy(), len(tasks), bandwidth)[:-1]
    if isinstance(weights, pd.Series):
        absent = tasks.difference(weights.index, sort=False)
        if len(absent) or weights.index.has_duplicates:
            raise AlignmentError(
                "The index of weights= must name every historical task once; "
                + (
                    f"{format_units(absent)} are absent."
                    if len(absent)
                    else "some occur twice."
                )
            )
        weights = weights[tasks]
    found = as_floats(weights, "weights")
    if found.shape != (len(tasks),):
        raise AlignmentError(
            f"weights= has shape {found.shape}; there are {len(tasks)} historical "
            "tasks. Give one weight for each, best as a Series indexed by task."
        )
    bad = ~((found >= 0.0) & (found <= 1.0))
    if bad.any():
        raise OptionError(
            f"weights= must lie between 0 and 1, where 1 is the weight of the current "
            f"task; {show(found[bad][0])} (task {format_units(tasks[bad])}) does not. "
            "Divide by the largest."
        )
    return found

"""Options of task exchangeability: values that exist, names, and their validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from statsmodels_synth.core.messages import show
from statsmodels_synth.core.options import check_alpha, check_choice, check_count
from statsmodels_synth.exceptions import OptionError

Algorithm: TypeAlias = Literal[1, 2, "finite"]
Interval: TypeAlias = Literal[
    "welch", "normal", "paired", "hoeffding", "percentile", "basic", "order"
]
#: "mean", "median", a number in (0, 1) for that quantile, or a function of a sample.
Statistic: TypeAlias = str | float | Callable[..., Any]
#: Shares of alpha for the synthetic interval, the gap intervals and the band.
DEFAULT_SHARES = (0.1, 0.2, 0.7)
#: Shares of alpha add up if they do to within rounding.
ROUNDING = 1e-9


def is_positive(value: object) -> bool:
    """
    Whether something is a finite number above 0.

    Examples
    --------
    >>> is_positive(1), is_positive("1"), is_positive(0.0)
    (True, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return 0.0 < float(value) < float("inf")


@dataclass(frozen=True)
class TaskSettings:
    """
    Validated settings of one fit.

    Parameters
    ----------
    algorithm : 1, 2 or "finite"
        Which algorithm.
    alpha : float
        One minus the level.
    alphas : tuple of float, optional
        Its three parts: synthetic interval, gap intervals, band.
    interval : str, optional
        How the intervals of the gaps are made; None chooses by the data.
    bounds : tuple of float, optional
        Smallest and largest possible value, for ``interval="hoeffding"``.
    n_boot : int
        Bootstrap draws.
    seed : int
        Seed of the bootstrap.
    """

    algorithm: Algorithm = 1
    alpha: float = 0.10
    alphas: tuple[float, float, float] | None = None
    interval: Interval | None = None
    bounds: tuple[float, float] | None = None
    n_boot: int = 1999
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.algorithm, bool):
            raise OptionError("algorithm=True does not exist. Give 1, 2 or 'finite'.")
        if isinstance(self.algorithm, str) and self.algorithm in {"1", "2"}:
            raise OptionError(
                f"algorithm={self.algorithm!r} is text. Give the number "
                f"{self.algorithm}."
            )
        check_choice("algorithm", self.algorithm, Algorithm)
        check_alpha(self.alpha)
        if self.interval is not None:
            check_choice("interval", self.interval, Interval)
        check_count("n_boot", self.n_boot)
        check_count("seed", self.seed, 0)
        if self.alphas is not None:
            self._check_alphas(self.alphas)
        if self.bounds is not None:
            self._check_bounds(self.bounds)
        if (self.interval == "hoeffding") != (self.bounds is not None):
            raise OptionError(
                "interval='hoeffding' and bounds= go together. Give bounds=(smallest, "
                "largest), the range that values can have (not that of the data), such "
                "as bounds=(0, 1) for shares."
            )

    def _check_alphas(self, alphas: Sequence[float]) -> None:
        if self.algorithm == "finite":
            raise OptionError(
                "alphas= has no meaning for algorithm='finite', which spends all of "
                "alpha on the band. Leave it out."
            )
        if len(alphas) != 3:
            raise OptionError(
                f"alphas={tuple(alphas)!r} has {len(alphas)} parts. Give three: for "
                "the synthetic interval, the gap intervals and the band."
            )
        for k, value in enumerate(alphas, start=1):
            check_alpha(value, f"alphas, part {k},")
        if abs(sum(alphas) - self.alpha) > ROUNDING:
            raise OptionError(
                f"alphas={tuple(alphas)!r} add up to {sum(alphas):.6g}, not to alpha="
                f"{self.alpha:g}. Change one of them or give alpha={sum(alphas):.6g}."
            )

    @staticmethod
    def _check_bounds(bounds: Sequence[float]) -> None:
        if len(bounds) != 2 or not bounds[0] < bounds[1]:
            raise OptionError(
                f"bounds={tuple(bounds)!r} must be two numbers, smallest first."
            )


def name_list(value: object) -> list[Any]:
    """
    One name or several, as a list.

    Examples
    --------
    >>> name_list("a"), name_list(["a", "b"]), name_list(None)
    (['a'], ['a', 'b'], [])
    """
    if value is None:
        return []
    several = (Sequence, pd.Index, pd.Series, np.ndarray)
    if isinstance(value, (str, bytes)) or not isinstance(value, several):
        return [value]
    names = list(value)
    twice = [name for k, name in enumerate(names) if name in names[:k]]
    if twice:
        raise OptionError(f"{show(twice[0])} is named twice. Name it once.")
    return names


def check_label(option: str, label: object) -> None:
    """
    Raise unless something can name one task.

    Examples
    --------
    >>> check_label("current", "now")
    """
    try:
        hash(label)
    except TypeError:
        raise OptionError(
            f"{option}= is a {type(label).__name__}. Give the name of one task."
        ) from None

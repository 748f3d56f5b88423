"""Prices, and what a study will cost (provisional, until the full one is merged)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Prices:
    """
    Prices in money per million tokens.

    Parameters
    ----------
    input, output : float
        Price of a million tokens read, and written.
    cached : float, optional
        Price of a million tokens read from a cache; as any other if omitted.

    See Also
    --------
    Study : Takes them as ``prices=``.

    Examples
    --------
    >>> from statsmodels_synth.generation import Prices
    >>> Prices(0.15, 0.60).output
    0.6
    """

    input: float
    output: float
    cached: float | None = None

    @classmethod
    def of(cls, model: str) -> Prices | None:
        """
        Prices of a model by genai-prices, which needs no connection.

        Parameters
        ----------
        model : str
            Name of the model.

        Returns
        -------
        Prices or None
            None where the library knows none, or is not installed.

        Examples
        --------
        >>> Prices.of("no-such-model") is None
        True
        """
        try:
            from genai_prices import Usage, calc_price  # noqa: PLC0415
        except ImportError:
            return None
        million = 1_000_000
        try:
            both = [
                float(calc_price(Usage(**{name: million}), model).total_price)
                for name in ("input_tokens", "output_tokens")
            ]
        except (LookupError, ValueError):
            return None
        return cls(*both)


@dataclass(frozen=True)
class Estimate:
    """
    What a study will take.

    Parameters
    ----------
    calls : int
        Number of calls.
    input_tokens, output_tokens, reasoning_tokens : float
        Expected tokens; those of reasoning are part of the output.
    money : tuple of float
        Expected money, and an interval of 95 %; NaN without prices.
    seconds : float
        Expected time.
    """

    calls: int
    input_tokens: float
    output_tokens: float
    reasoning_tokens: float
    money: tuple[float, float, float]
    seconds: float

    def __str__(self) -> str:
        middle, low, high = self.money
        money = (
            "prices are not known"
            if np.isnan(middle)
            else f"{middle:.4g} of money (95 %: {low:.4g} to {high:.4g})"
        )
        return (
            f"{self.calls} calls, {self.input_tokens:.0f} tokens read, "
            f"{self.output_tokens:.0f} written (of reasoning: "
            f"{self.reasoning_tokens:.0f}); {money}; about {self.seconds:.0f} s"
        )


def total_of(estimates: Sequence[Estimate]) -> Estimate:
    """Sum of estimates of several sources; the ends of intervals are added as well."""
    money = np.sum([own.money for own in estimates], axis=0)
    return Estimate(
        sum(own.calls for own in estimates),
        sum(own.input_tokens for own in estimates),
        sum(own.output_tokens for own in estimates),
        sum(own.reasoning_tokens for own in estimates),
        (float(money[0]), float(money[1]), float(money[2])),
        sum(own.seconds for own in estimates),
    )


def estimate(
    pilot: Mapping[str, Sequence[Any]],
    calls: Mapping[str, int],
    prices: Prices | None,
    workers: int = 8,
) -> Estimate:
    """
    Extrapolate from answers of a pilot, by step, to all calls of each step.

    Examples
    --------
    >>> from statsmodels_synth.generation import Answer
    >>> answers = [Answer("", input_tokens=100, output_tokens=n) for n in (10, 20, 30)]
    >>> print(estimate({"code": answers}, {"code": 1000}, Prices(1.0, 10.0)))
    1000 calls, 100000 tokens read, 20000 written (of reasoning: 0); 0.3 of money (95 %: 0.05196 to 0.548); about 0 s
    """  # noqa: E501
    names = ("input_tokens", "output_tokens", "reasoning_tokens", "seconds")
    total, money, variance, degrees = np.zeros(4), 0.0, 0.0, 0
    for step, answers in pilot.items():
        if not answers:
            continue
        values = np.array([[getattr(a, name) for name in names] for a in answers])
        number = calls[step]
        total += number * values.mean(axis=0)
        if prices is not None:
            own = (values[:, 0] * prices.input + values[:, 1] * prices.output) / 1e6
            money += number * own.mean()
            if len(own) > 1:
                rest = 1 - min(len(own) / number, 1.0)
                variance += number**2 * own.var(ddof=1) / len(own) * rest
                degrees = max(degrees, len(own) - 1)
    half = stats.t.ppf(0.975, max(degrees, 1)) * np.sqrt(variance)
    known = (money, max(money - half, 0.0), money + half)
    return Estimate(
        sum(calls.values()),
        float(total[0]),
        float(total[1]),
        float(total[2]),
        known if prices is not None else (np.nan, np.nan, np.nan),
        float(total[3]) / workers,
    )

"""Prices, and what a study will take: calls, tokens, money as an interval, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.generation.answers import Answer
from statsmodels_synth.generation.requests import Step

#: Samples of units drawn again for the interval of money.
_RESAMPLED = 1999
#: Least standard error of such a sample, as a share of that of the pilot: a sample of
#: units that are all alike has none.
_LEAST = 0.05
_LEVEL = 0.95
#: Tokens of a call for which prices are looked up: some rise with the length of a call.
_CALL = 1_000


@dataclass(frozen=True)
class Prices:
    """
    Prices in money per million tokens.

    Parameters
    ----------
    input, output : float
        Price of a million tokens read, and written; those of reasoning are written.
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

        Where a price rises with the length of a call it is that of a short one.

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
            from genai_prices import Usage, calc_price  # noqa: PLC0415 - when it is used
        except ImportError:
            return None
        read, cached = {"input_tokens": _CALL}, {"cache_read_tokens": _CALL}
        try:
            money = [
                float(calc_price(Usage(**tokens), model).total_price)
                for tokens in (read, {"output_tokens": _CALL}, read | cached)
            ]
        except (LookupError, ValueError):
            return None
        own = [round(k * 1e6 / _CALL, 9) for k in money]
        return cls(own[0], own[1], own[2])


def money_of(prices: Prices, spent: Any) -> float:
    """Money for tokens, of one answer or of many; those of a batch count in halves."""
    own = 0 if prices.cached is None else spent.cached_tokens
    fresh = (spent.input_tokens - own) * prices.input
    money = fresh + own * (prices.cached or 0.0) + spent.output_tokens * prices.output
    return float(money) / 1e6 * (0.5 if getattr(spent, "batch", False) else 1.0)


@dataclass(frozen=True)
class Estimate:
    """
    What a study will take.

    Parameters
    ----------
    calls : int
        Number of calls.
    input_tokens, output_tokens, reasoning_tokens : float
        Expected tokens; those of reasoning are part of the output. NaN where answers
        do not say how many they took.
    money : tuple of float
        Expected money, and an interval of 95 %; NaN without prices or tokens.
    seconds : float
        Expected time.

    Notes
    -----
    The interval is a bootstrap-t over the units of the pilot, all steps of a unit
    together. Costs of calls are skewed, so it reaches further up than down. A kind of
    unit that is rare and dear may be missing from the pilot: no interval knows of it.

    Examples
    --------
    >>> import pandas as pd
    >>> from statsmodels_synth.generation import Binary, Codebook, Study
    >>> posts = pd.DataFrame({"text": ["Could you help?", "Fix this."]}, ["a", "b"])
    >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Is it polite?")})
    >>> def model(request):  # in place of a language model
    ...     yes = "Could" in request.text
    ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
    >>> study = Study(posts, codebook, model=model, store=":memory:")
    >>> study.estimate(pilot=1).calls
    2
    """

    calls: int
    input_tokens: float
    output_tokens: float
    reasoning_tokens: float
    money: tuple[float, float, float]
    seconds: float

    def __str__(self) -> str:
        middle, low, high = self.money
        if np.isnan(middle):
            money = "not known; give prices=(input, output)"
        else:
            money = f"{middle:,.4g} (95 %: {low:,.4g} to {high:,.4g})"
        if np.isnan(self.input_tokens):
            read = wrote = "not known; answers of the model do not say"
        else:
            read = f"{self.input_tokens:,.0f}"
            wrote = f"{self.output_tokens:,.0f}, "
            wrote += f"{self.reasoning_tokens:,.0f} of them for reasoning"
        if np.isnan(middle) and np.isnan(self.input_tokens):
            money = "not known"
        rows = {
            "calls": f"{self.calls:,}",
            "tokens read": read,
            "tokens written": wrote,
            "money": money,
            "time": _duration(self.seconds),
        }
        return "\n".join(f"{name:<16}{value}" for name, value in rows.items())


def _duration(seconds: float) -> str:
    for name, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            return f"about {seconds / length:.1f} {name}"
    return f"about {seconds:.0f} seconds"


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
    pilot: Mapping[Step, Sequence[Answer]],
    calls: Mapping[Step, int],
    prices: Prices | None,
    workers: int = 8,
    units: Mapping[Step, Sequence[object]] | None = None,
) -> Estimate:
    """
    Extrapolate from answers of a pilot, by step, to all calls of each step.

    `units` names the unit of each answer: long texts are dear in every step, which the
    interval has to know. Without it, answers are paired by their order.

    Examples
    --------
    >>> from statsmodels_synth.generation import Answer
    >>> answers = [Answer("", input_tokens=100, output_tokens=n) for n in range(10, 31)]
    >>> print(estimate({"code": answers}, {"code": 1000}, Prices(1.0, 10.0)))
    calls           1,000
    tokens read     100,000
    tokens written  20,000, 0 of them for reasoning
    money           0.3 (95 %: 0.2733 to 0.3294)
    time            about 0 seconds
    """
    names = ("input_tokens", "output_tokens", "reasoning_tokens", "seconds")
    total = np.zeros(4)
    parts: dict[Step, Floats] = {}
    for step, answers in pilot.items():
        if not answers:
            continue
        values = np.array(
            [[float(getattr(a, name)) for name in names] for a in answers]
        )
        if not values[:, :2].any():  # a function that returns text alone
            values[:, :3] = np.nan
        total += calls[step] * values.mean(axis=0)
        if prices is not None:
            own = np.array([money_of(prices, answer) for answer in answers])
            own = np.where(np.isnan(values[:, 0]), np.nan, own)
            parts[step] = own * (calls[step] / len(own))
    known = (np.nan, np.nan, np.nan)
    if parts:
        who = {step: (units or {}).get(step, range(len(parts[step]))) for step in parts}
        first = next(iter(parts))
        asked = len(parts[first]) / max(calls[first], 1)
        known = _interval(_by_unit(parts, who), min(asked, 1.0))
    return Estimate(
        sum(calls.values()),
        float(total[0]),
        float(total[1]),
        float(total[2]),
        known,
        float(total[3]) / workers,
    )


def _by_unit(
    parts: Mapping[Step, Floats], units: Mapping[Step, Sequence[object]]
) -> Floats:
    """What each unit of the pilot adds to the total, over all steps."""
    sums: dict[object, float] = {}
    for step, values in parts.items():
        for unit, value in zip(units[step], values, strict=True):
            sums[unit] = sums.get(unit, 0.0) + float(value)
    return np.array(list(sums.values()))


def _interval(sums: Floats, asked: float) -> tuple[float, float, float]:
    """Total and its interval by a bootstrap-t, of which a share was asked already."""
    n, middle = len(sums), float(sums.sum())
    if np.isnan(middle):
        return middle, middle, middle
    spread = float(sums.std(ddof=1)) if n > 1 else np.nan
    if asked >= 1 or spread == 0:
        return middle, middle, middle
    if n < 2:
        return middle, 0.0, np.inf
    # Seeded: the same pilot gives the same interval.
    rng = np.random.default_rng(0)
    drawn = sums[rng.integers(0, n, (_RESAMPLED, n))]
    own = np.maximum(drawn.std(axis=1, ddof=1), _LEAST * spread)
    ratios = (drawn.mean(axis=1) - sums.mean()) / own
    low, high = np.quantile(ratios, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    half = spread * n * np.sqrt(1 - asked)
    spent = middle * asked  # the pilot is paid for
    return middle, max(middle - high * half, spent), middle - low * half

"""Money: prices of each source, and what answers cost by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.generation.costs import Prices


def read_prices(
    prices: object, names: Mapping[str, str], known: Mapping[str, Prices | None]
) -> dict[str, Prices | None]:
    """Prices of each source: as given, by model if need be, or those that are known."""
    found = dict(known)
    if prices is None:
        return found
    for source, model in names.items():
        own: Any = prices
        if isinstance(prices, Mapping):
            own = prices.get(source, prices.get(model))
        if own is None:
            continue
        if not isinstance(own, Prices):
            try:
                into, out = own
                own = Prices(float(into), float(out))
            except (TypeError, ValueError) as error:
                raise OptionError(
                    f"prices={prices!r}: give (input, output), the prices of a million "
                    "tokens, or {model: (input, output)}."
                ) from error
        if not (own.input >= 0 and own.output >= 0):
            raise OptionError(f"prices={prices!r}: a price is not a number >= 0.")
        found[source] = own
    return found


def money_of(prices: Prices, spent: Any) -> float:
    """Money for tokens, of one answer or of many; those of a batch count in halves."""
    cached = getattr(prices, "cached", None)
    own = 0 if cached is None else spent.cached_tokens
    fresh = (spent.input_tokens - own) * prices.input
    money = fresh + own * (cached or 0.0) + spent.output_tokens * prices.output
    return float(money) / 1e6 * (0.5 if getattr(spent, "batch", False) else 1.0)

"""Prices, and what a study will cost (provisional, until the full one is merged)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prices:
    """
    Prices in money per million tokens.

    Parameters
    ----------
    input, output : float
        Price of a million tokens read, and written.
    """

    input: float
    output: float

    @classmethod
    def of(cls, model: str) -> Prices | None:
        """Prices of a model by genai-prices, None where it knows none."""
        return None

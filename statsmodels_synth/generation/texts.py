"""Diversity and drift of counterparts (provisional, until the full one is merged)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TextChecks:
    """
    What is known of written texts.

    Parameters
    ----------
    share_duplicates : float
        Share of texts that another one equals.
    share_near_copies : float
        Share of texts that their original equals.
    """

    share_duplicates: float
    share_near_copies: float

    def sentence(self) -> str:
        """The same in words."""
        return (
            f"{self.share_near_copies:.1%} of counterparts copy their original, "
            f"{self.share_duplicates:.1%} equal another one."
        )


def describe_texts(originals: Sequence[str], written: Sequence[str]) -> TextChecks:
    """Describe written texts beside their originals."""
    n = max(len(written), 1)
    copies = sum(
        a.strip() == b.strip() for a, b in zip(originals, written, strict=True)
    )
    return TextChecks(1 - len(set(written)) / n if written else 0.0, copies / n)

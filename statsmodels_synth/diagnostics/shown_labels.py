"""Sources that agree with the labels as if these had been shown to their model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from statsmodels_synth.core.messages import suggest
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.gmm.cautions import (
    chance_disagreements,
    disagreements,
    is_nearly_perfect,
)
from statsmodels_synth.problem.design import AlignedDesign


def unaware(known: Sequence[str], blind: bool | str | Sequence[str]) -> set[str]:
    """
    Sources of which the user says that no label was shown to their model.

    Examples
    --------
    >>> unaware(["gpt4o", "llama"], "llama")
    {'llama'}
    """
    if isinstance(blind, (bool, np.bool_)):
        return set(known) if blind else set()
    named = [blind] if isinstance(blind, str) else list(blind)
    for name in named:
        if name not in known:
            raise OptionError(
                f"blind={blind!r}: there is no source {name!r}.{suggest(name, known)} "
                "Give True, or names of sources that were made without any label."
            )
    return set(named)


def nearly_alike(design: AlignedDesign) -> list[tuple[str, int, int, float]]:
    """
    Sources that agree nearly perfectly with the labels that they cover.

    How often an honest source agrees cannot be known from labels that it may have seen.
    """
    found = []
    for name, rows in zip(design.names, design.labeled_sources, strict=True):
        # Of the outcome alone: regressors may be the source's own.
        outcome = replace(rows, exog=design.labeled.exog[rows.unit_positions])
        differing, covered = disagreements(outcome, design.labeled)
        if not covered:
            continue
        chance = chance_disagreements(outcome, design.labeled)
        if is_nearly_perfect(design.labeled, differing, chance):
            found.append((name, differing, covered, chance))
    return found

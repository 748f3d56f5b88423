"""Sources that agree with the labels as if these had been shown to their model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from statsmodels_synth.core.messages import suggest
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.gmm.cautions import FEW_DISAGREEMENTS, disagreements
from statsmodels_synth.problem.design import AlignedDesign

#: Share of labels that may differ where labels were copied or shown. How often an
#: honest source agrees cannot be known from labels that it may have seen.
NEARLY = 0.05
#: The same for a continuous outcome, whose values no source guesses exactly.
NEARLY_CONTINUOUS = 0.5
#: An outcome is continuous where so many labels have a value of their own.
_CONTINUOUS = 0.9


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


def nearly_alike(design: AlignedDesign) -> list[tuple[str, int, int]]:
    """Sources that agree nearly perfectly with the labels that they cover."""
    found = []
    values = design.labeled.endog
    continuous = len(np.unique(values)) >= _CONTINUOUS * len(values)
    share = NEARLY_CONTINUOUS if continuous else NEARLY
    for name, rows in zip(design.names, design.labeled_sources, strict=True):
        # Of the outcome alone: regressors may be the source's own.
        outcome = replace(rows, exog=design.labeled.exog[rows.unit_positions])
        differing, covered = disagreements(outcome, design.labeled)
        if covered and (differing < FEW_DISAGREEMENTS or differing <= share * covered):
            found.append((name, differing, covered))
    return found

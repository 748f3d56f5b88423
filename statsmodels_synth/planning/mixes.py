"""The cheapest mix of labels, units and replicates, for every choice of sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
import math

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.planning.pilots import Pilots
from statsmodels_synth.planning.prediction import VarianceParts
from statsmodels_synth.planning.search import Aim, cheapest_sizes

#: Mixes of sources and replicates among which the cheapest is searched.
MAX_MIXES = 4096


@dataclass(frozen=True)
class Limits:
    """
    What a mix may have.

    Parameters
    ----------
    low : int
        The fewest labels that a prediction is made for.
    n_units : int or None
        The most units; None: as many as the labels take.
    replicates : int
        The most rows per unit.
    """

    low: int
    n_units: int | None
    replicates: int


@dataclass(frozen=True)
class Mix:
    """
    The cheapest mix with some sources.

    Parameters
    ----------
    used : tuple of int
        Positions of the sources.
    rows : tuple of int
        Rows per unit of each; the most where no mix reaches the aim.
    parts : VarianceParts
        Variance with so many rows.
    found : tuple of (int, int, float) or None
        Labels, units and cost; None where the aim cannot be reached.
    """

    used: tuple[int, ...]
    rows: tuple[int, ...]
    parts: VarianceParts
    found: tuple[int, int, float] | None


def cheapest_mixes(
    pilots: Pilots,
    aim: Aim,
    sources: Sequence[int],
    limits: Limits,
    price_label: float,
    prices: Floats,
) -> list[Mix]:
    """
    The cheapest mix for every choice among some sources, none included.

    Shapes: `prices` (M,).
    """
    choices = {m: pilots.row_choices(m, limits.replicates) for m in sources}
    _check_number(list(choices.values()), limits.replicates)
    subsets = filter(
        pilots.can_be_had,
        chain.from_iterable(combinations(sources, k) for k in range(len(sources) + 1)),
    )
    return [
        _cheapest_mix(
            pilots,
            aim,
            used,
            list(product(*(choices[m] for m in used))),
            limits,
            price_label,
            prices,
        )
        for used in subsets
    ]


def _cheapest_mix(
    pilots: Pilots,
    aim: Aim,
    used: tuple[int, ...],
    choices: list[tuple[int, ...]],
    limits: Limits,
    price_label: float,
    prices: Floats,
) -> Mix:
    """Cheapest rows per unit, labels and units with these sources."""
    # As near as one gets, if nothing does: the most rows.
    best = Mix(used, choices[-1], pilots.parts_of_rows(used, choices[-1]), None)
    for rows in choices:
        parts = pilots.parts_of_rows(used, rows)
        price_unit = sum(
            float(prices[m]) * pilots.covered[m] * r
            for m, r in zip(used, rows, strict=True)
        )
        found = cheapest_sizes(
            parts, aim, limits.low, limits.n_units, price_label, price_unit
        )
        if found is not None and (best.found is None or found[2] < best.found[2]):
            best = Mix(used, rows, parts, found)
    return best


def _check_number(choices: list[list[int]], replicates: int) -> None:
    """Raise if there are too many mixes to look at, and say what lowers the number."""
    mixes = math.prod(1 + len(own) for own in choices)
    if mixes <= MAX_MIXES:
        return
    advice = "Name fewer sources in sources=."
    if 2 ** len(choices) <= MAX_MIXES:
        advice = (
            f"Lower max_replicates={replicates}, or name fewer sources in sources=."
        )
    raise OptionError(
        f"There are {mixes} mixes of sources and replicates to compare, more than "
        f"{MAX_MIXES}. {advice}"
    )

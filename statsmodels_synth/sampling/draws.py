"""Probabilities of being drawn, and draws that have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statsmodels_synth.core.arrays import Bools, Floats, Positions

#: Labels per stratum without which it has no variance of its own.
LEAST_PER_STRATUM = 2
#: The most halvings of an interval, and the share of its end that is rounding.
_HALVINGS, _ROUNDING = 200, 2.0**-52


@dataclass(frozen=True)
class Wave:
    """
    Probabilities of one wave of labels.

    Parameters
    ----------
    now : ndarray (U,)
        With which a unit is drawn in this wave; 0 where it cannot be.
    combined : ndarray (U,)
        With which it is labelled after this wave, the earlier ones included.
    """

    now: Floats
    combined: Floats


def wave_probabilities(
    size: Floats, n: int, earlier: Floats | float, is_open: Bools
) -> Wave:
    """
    Probabilities in proportion to a size, none above one, of n more labels.

    With the probabilities that units had in `earlier` waves, both together are in
    proportion, but none is below the earlier one. Eq. (inclusion), Eq. (combined).

    Shapes: `size` (U,), `earlier` (U,), `is_open` (U,).

    Examples
    --------
    >>> import numpy as np
    >>> size, everyone = np.array([1.0, 1.0, 2.0]), np.full(3, True)
    >>> wave_probabilities(size, 2, 0.0, everyone).now
    array([0.5, 0.5, 1. ])
    >>> wave_probabilities(size, 1, 0.4, everyone).combined.round(3)
    array([0.45, 0.45, 0.9 ])
    """
    before = np.broadcast_to(np.asarray(earlier, dtype=float), size.shape)
    room = np.where(before < 1.0, 1.0 - before, 1.0)

    def drawn(scale: float) -> Floats:
        wanted = np.minimum(scale * size, 1.0) - before
        return np.asarray(np.clip(wanted / room, 0.0, 1.0))

    # At the largest scale every open unit is certain.
    low, high = 0.0, 1.0 / float(size[is_open].min())
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if drawn(middle)[is_open].sum() < n:
            low = middle
        else:
            high = middle
        if high - low <= _ROUNDING * high:
            break
    # Of the units that are labelled already, what it would have been.
    would = drawn(high)
    return Wave(np.where(is_open, would, 0.0), before + (1.0 - before) * would)


def systematic(prob: Floats, order: Positions, start: float) -> Bools:
    """
    Draw with these probabilities, as many units as they sum to.

    Units are laid end to end in an order, each as long as its probability, and those
    are drawn in which ``start``, ``start + 1``, ... fall (Madow 1949). In a random
    order that is as good as independent draws of a fixed number; in the order of a
    column it is balanced on it. Eq. (systematic).

    Shapes: `prob` (U,), `order` (U,) -> (U,).

    Examples
    --------
    >>> import numpy as np
    >>> systematic(np.array([0.5, 0.25, 0.25, 1.0]), np.arange(4), 0.6)
    array([False,  True, False,  True])
    """
    ends = np.cumsum(prob[order])
    # Sums of probabilities are whole numbers but for rounding.
    near = np.rint(ends)
    ends = np.where(np.abs(ends - near) < 1e-9 * max(len(prob), 1), near, ends)
    passed = np.ceil(ends - start)
    hit = np.diff(passed, prepend=np.ceil(-start)) >= 1.0
    drawn = np.zeros(len(prob), dtype=bool)
    drawn[order[hit]] = True
    return drawn


def drawn_within(
    groups: Positions, number: Positions, key: Floats, open_: Bools
) -> Bools:
    """
    Draw so many units of each group, those with the smallest key among the open ones.

    Shapes: `groups` (U,), `number` (G,), `key` (U,), `open_` (U,) -> (U,).
    """
    units = np.flatnonzero(open_)
    units = units[np.lexsort((key[units], groups[units]))]
    own = groups[units]
    rank = np.arange(len(own)) - np.searchsorted(own, own)
    drawn = np.zeros(len(groups), dtype=bool)
    drawn[units[rank < number[own]]] = True
    return drawn


def allocated(size: Positions, spread: Floats, n: int, already: Positions) -> Positions:
    """
    Labels in each stratum, those that it has included, for n more.

    In proportion to the size of the stratum times the spread within it (Neyman 1934),
    at least two in each, at most all, and no fewer than there are. Eq. (allocation).

    Shapes: `size`, `spread`, `already` (G,) -> (G,).

    Examples
    --------
    >>> import numpy as np
    >>> size = np.array([100, 100, 10])
    >>> allocated(size, np.array([1.0, 3.0, 1.0]), 42, np.zeros(3, dtype=int))
    array([10, 30,  2])
    """
    total = n + int(already.sum())
    least = np.maximum(np.minimum(size, LEAST_PER_STRATUM), already).astype(float)
    wanted = size * spread
    if not wanted.any():
        wanted = size.astype(float)

    def labels(scale: float) -> Floats:
        return np.clip(scale * wanted, least, size)

    low, high = 0.0, float(size.max()) / float(wanted[wanted > 0.0].min())
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if labels(middle).sum() < total else (low, middle)
    exact = labels(high)
    whole = np.floor(exact + 1e-9).astype(np.intp)
    short = total - int(whole.sum())
    # The largest remainders get what is left, where there is room.
    rest = np.where(whole < size, exact - whole, -1.0)
    for g in np.argsort(-rest, kind="stable")[: max(short, 0)]:
        whole[g] += 1
    return whole

"""
Rows matched by number although a column says that their units differ.

Frames whose rows are only numbered are matched by these numbers. Where they share an
id, or another column that tells units apart, and it differs in rows so matched, a
forgotten ``on=`` is far likelier than a coincidence; matched so, a source would explain
nothing, without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
import itertools
import re
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.messages import show
from statsmodels_synth.data.compared import (
    WHOLE,
    CountedFrame,
    Pair,
    Rows,
    as_in,
    many_values,
    nearly_unique,
    paired,
)
from statsmodels_synth.exceptions import AlignmentError

#: Rows that a message shows.
_SHOWN = 3
#: Share of differing values that the other frame has elsewhere, in a column that
#: names units; of whole numbers more.
_SHARED, _SHARED_NUMBERS = 0.5, 0.9
#: Columns of two names that are compared, at most.
_MAX_PAIRS = 25
#: Columns that count the rows of a file: each file has them, in its own order.
_COUNTERS = re.compile(
    r"(Unnamed: \d+|index|level_\d+|row|row_?n\w*|order|seed|batch|position|rank|step|"
    r"nr?|no|run|iteration|attempt)?",
    re.IGNORECASE,
)
#: Columns that R writes with the names of rows.
_WRITTEN_BY_R = re.compile(r"X(\.\d+)?|rownames", re.IGNORECASE)
_UNIT_NAMES = (
    "id|ids|key|uuid|guid|unit|pid|uid|tid|doc|document|text|tweet|post|comment|line|"
    "respondent|person|participant|subject|case|name|url|doi|isbn"
)
#: Names of columns that identify units.
_IDENTIFIERS = re.compile(
    rf"((.*[^a-zA-Z])?(?i:{_UNIT_NAMES})|.*[a-z]I[dD])([^a-zA-Z](?i:id|no|nr|key))?"
)
#: Names of columns that identify others: who labelled a unit, or what it answers.
_OTHERS = re.compile(
    r"(?i:.*(parent|prev|next|reply|quoted|worker|annotator|coder|rater|judge|"
    r"run|request|batch|job).*)"
)


def names_unit(name: Any) -> bool:
    """Whether a column is named as one that identifies units."""
    called = str(name)
    return bool(_IDENTIFIERS.fullmatch(called)) and not _OTHERS.fullmatch(called)


def refuse_other_order(
    frames: Sequence[CountedFrame], response: set[str], regressors: set[str]
) -> None:
    """Raise if a column shows that rows matched by number are of different units."""
    frames = [f for f in frames if is_counted(f.frame.index)]
    for k, second in enumerate(frames):
        # Sources are compared with each other in what data does not have.
        known = {*response}
        for first in frames[:k]:
            if may_be_others(first.frame.index, second.frame.index):
                _refuse_pair(first, second, known, regressors)
            known |= set(first.columns)


def is_counted(index: pd.Index) -> bool:
    """Whether units may be the numbers of rows, rather than names."""
    return index.nlevels == 1 and pd.api.types.is_integer_dtype(index.dtype)


def may_be_others(index: pd.Index, other: pd.Index) -> bool:
    """Whether nobody said that two indexes of numbers name the same units."""
    return index.name is None or other.name is None


def _refuse_pair(
    first: CountedFrame, second: CountedFrame, known: set[Any], regressors: set[str]
) -> None:
    index = second.frame.index
    at: tuple[Rows, Rows] = (WHOLE, WHOLE)
    if not index.equals(first.frame.index):
        if not first.frame.index.is_unique:
            return  # replicates of two sources: neither says which is which
        place = first.frame.index.get_indexer(index)
        at = place[place >= 0], np.flatnonzero(place >= 0)
    suspects, alike = disagreeing(first, second, known, at)
    units = index[at[1]]
    # Those that are no variables first: it is they that name units.
    suspects.sort(key=lambda pair: pair.names[0] in regressors)
    for pair in suspects:
        if is_shuffled(pair, first, second, pair.names[0] in regressors):
            raise other_order(first, second, [pair], units, regressors)
    together = _jointly_shuffled(suspects, alike)
    if together:
        raise other_order(first, second, together, units, regressors)


def disagreeing(
    first: CountedFrame, second: CountedFrame, known: set[Any], at: tuple[Rows, Rows]
) -> tuple[list[Pair], list[Pair]]:
    """Columns that differ in rows that are matched, and those that do not."""
    suspects, alike = [], []
    for own, other in _shared_names(first, second, known):
        same = own == other
        quick = same and isinstance(at[0], slice) and first.equals(second, own)
        pair = None if quick else paired(first, second, (own, other), at)
        agrees = quick or (pair is not None and pair.agrees)
        if agrees and same and _says_which_unit(first, own, at[0]):
            return [], []
        if pair is None and quick and not many_values(first.values(own, at[0])):
            pair = paired(first, second, (own, other), at)
        if pair is None:
            continue
        if agrees and same:
            alike.append(pair)
        elif not agrees and _may_tell(pair, first, second):
            suspects.append(pair)
    return suspects, alike


def _may_tell(pair: Pair, first: CountedFrame, second: CountedFrame) -> bool:
    """Whether a column may say which unit a row is, rather than what it is like."""
    own, other = pair.names
    if first.strict or (own == other and names_unit(own)):
        return True
    drawn = first.drawn or second.drawn
    if pair.kind == "number" and (drawn or _COUNTERS.fullmatch(str(own))):
        return False
    # A rank is a permutation of 1, 2, ... in every file.
    return not any(
        _ranks(frame, name)
        for frame, name in zip((first, second), pair.names, strict=True)
    )


def _ranks(frame: CountedFrame, name: Any) -> bool:
    """Whether a column has ranks: 1, 2, ..., T, also halves of them or divided by T."""
    values = frame.values(name, WHOLE).dropna()
    if not pd.api.types.is_numeric_dtype(values.dtype) or len(values) < 2:
        return False
    numbers = values.to_numpy(dtype=float)
    n, top = len(numbers), numbers.max()
    if numbers.min() < 0 or top > n or not np.isclose(top, [1, n - 1, n], atol=1).any():
        return False
    scales = (1, n, n + 1, n - 1) if top <= 1 else (1,)
    for scale in scales:
        twice = 2 * scale * numbers
        if np.abs(twice - np.round(twice)).max() < 1e-6:
            return bool(len(np.unique(twice)) > n / 3)
    return False


def _says_which_unit(first: CountedFrame, name: Any, rows: Rows) -> bool:
    """Whether rows that agree in a column must be of one unit."""
    if _COUNTERS.fullmatch(str(name)) or _WRITTEN_BY_R.fullmatch(str(name)):
        return False
    values = first.values(name, rows)
    if not many_values(values) or not nearly_unique(values):
        return False
    # Both may have been sorted by it, each with its own order of ties.
    ordered = values.is_monotonic_increasing or values.is_monotonic_decreasing
    return bool(values.is_unique) or not ordered


def is_shuffled(
    pair: Pair, first: CountedFrame, second: CountedFrame, regressor: bool
) -> bool:
    """Whether the values of one frame are those of the other, at other units."""
    if many_values(pair.first) and _same_counts([pair]):
        return True
    whole = [
        as_in(frame.values(name, WHOLE), pair.kind, pair.first)
        for frame, name in zip((first, second), pair.names, strict=True)
    ]
    if any(values is None or not nearly_unique(values) for values in whole[:1]):
        return False
    for side, values in (("second", whole[0]), ("first", whole[1])):
        some = pair.some_that_differ(side)
        if values is None or len(some) < 2:
            continue
        share = float(np.mean(some.isin(values)))
        if share >= (1.0 if regressor else share_needed(pair.names[0], some)):
            return True
    return False


def _jointly_shuffled(suspects: Sequence[Pair], alike: Sequence[Pair]) -> list[Pair]:
    """Columns of few values, as in quotas, that only together are no design."""
    few = [
        pair
        for pair in suspects
        if pair.names[0] == pair.names[1]
        and not many_values(pair.first)
        and _same_counts([pair])
    ]
    if not few:
        return []
    several = pd.concat([pair.first for pair in few], axis=1)
    if len(few) > 1 and _same_counts(few) and many_values(several):
        return few
    # A country agrees and its years do not.
    every = [*alike, *few]
    values = pd.concat([pair.first for pair in every], axis=1)
    if alike and nearly_unique(values) and _same_counts(every):
        return few
    return []


def share_needed(name: Any, some: pd.Series) -> float:
    """Share of values to be found in other rows, from which units are others."""
    # Whole numbers that are no names of units may be the same by chance.
    whole = pd.api.types.is_numeric_dtype(some) and not (some % 1).any()
    return _SHARED_NUMBERS if whole and not names_unit(name) else _SHARED


def _same_counts(pairs: Sequence[Pair]) -> bool:
    """Whether columns, taken together, have every value as often in both frames."""
    cells = [pair.codes() for pair in pairs]
    if len(cells) > 1:
        rows = np.column_stack(cells)
        cells = [np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)]
    # What is counted up in one is counted down to zero in the other.
    sign = np.repeat([1, -1], [len(pairs[0].first), len(pairs[0].second)])
    return not np.bincount(cells[0], weights=sign).any()


def _shared_names(
    first: CountedFrame, second: CountedFrame, known: set[Any]
) -> list[tuple[Any, Any]]:
    """Columns that may be the same: those of one name, and names of units."""
    own, others = (
        [name for name in frame.columns if name not in known]
        for frame in (first, second)
    )
    alone = (
        [n for n in own if n not in others and names_unit(n)],
        [n for n in others if n not in own and names_unit(n)],
    )
    differing = itertools.islice(itertools.product(*alone), _MAX_PAIRS)
    return [(name, name) for name in own if name in set(others)] + list(differing)


def other_order(
    first: CountedFrame,
    second: CountedFrame,
    pairs: Sequence[Pair],
    units: pd.Index,
    regressors: set[str],
) -> AlignmentError:
    """
    Error for columns that have the same values in another order.

    Shapes: `units` (rows,).
    """
    own, other = pairs[0].names
    rows = pairs[0].different[:_SHOWN]
    examples = "; ".join(
        f"{show(units[row])} is {_shown(pairs, 'first', row)} in {first.where} and "
        f"{_shown(pairs, 'second', row)} in {second.where}"
        for row in rows
    )
    one = len(pairs) == 1
    columns = "column " if one else "columns "
    columns += ", ".join(repr(str(pair.names[0])) for pair in pairs)
    if own != other:
        columns += f" ({str(other)!r} in {second.where})"
    advice = "Set on= to the column that identifies units."
    if one and own not in regressors and pairs[0].first.dropna().is_unique:
        advice = f"Set on={own!r}"
        if own != other:
            advice += f", after renaming {other!r} to {own!r}"
        if pairs[0].converted:
            advice += ", after giving it the same type in both"
        advice += "."
    if not _count_alike(first.frame.index, second.frame.index):
        n_both = int(pairs[0].both.sum())
        return AlignmentError(
            f"The rows of {first.where} and {second.where} were matched by index, but "
            f"{columns} {'differs' if one else 'differ'} in {len(pairs[0].different)} "
            f"of {n_both} matched units: unit {examples}. {advice} If the indexes do "
            "identify units, give both the same name."
        )
    columns += " has" if one else " have"
    return AlignmentError(
        f"The rows of {first.where} and {second.where} are only counted and would be "
        f"matched by position, but {columns} the same values in another order: "
        f"unit {examples}. {advice} If rows do match by position, number them in a "
        "column of both frames and give its name: on='row'."
    )


def _count_alike(*indexes: pd.Index) -> bool:
    """Whether rows are numbered one after the other from one number, without a name."""
    numbers = [index.to_numpy() for index in indexes]
    steps = all((own[1:] - own[:-1] == 1).all() for own in numbers)
    named = any(index.name is not None for index in indexes)
    return bool(steps and not named and numbers[0][0] == numbers[1][0])


def _shown(pairs: Sequence[Pair], side: str, row: int) -> str:
    values = [getattr(pair, side).iloc[row] for pair in pairs]
    return ", ".join(
        f"{value:.10g}" if isinstance(value, float) else show(value) for value in values
    )

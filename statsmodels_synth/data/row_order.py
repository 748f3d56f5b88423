"""
Rows matched by position although a column says that their units differ.

Frames whose rows are only counted, 0, 1, 2, ..., are matched in their order. Where
they share a column with the same values in another order, a forgotten ``on=`` is far
likelier than a coincidence; matched so, a source would explain nothing, without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools
import re
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Positions
from statsmodels_synth.core.messages import show
from statsmodels_synth.data.kinds import column_of, names_of_columns
from statsmodels_synth.exceptions import AlignmentError

Rows: TypeAlias = Positions | slice

#: Fewer rows may be in another order by chance.
_MIN_ROWS = 5
#: A column of fewer values may have the same counts by design: quotas, treatments.
_MIN_VALUES = 20
#: Rows looked at before all are: text takes long.
_PROBE = 500
#: Rows that a message shows.
_SHOWN = 3
#: Share of differing values of a source that data has elsewhere, in a column that
#: names units; of whole numbers more.
_SHARED, _SHARED_NUMBERS = 0.5, 0.9
#: Columns of two names that are compared, at most.
_MAX_PAIRS = 25
#: Columns that count the rows of a file: each file has them, in its own order.
_COUNTERS = re.compile(r"(Unnamed: \d+|index|level_\d+|row)?", re.IGNORECASE)
#: Names of columns that identify units.
_IDENTIFIERS = re.compile(r"(.*[^a-zA-Z])?(id|ids|ID|Id|key|unit|uuid)|.*[a-z]I[dD]")


@dataclass(frozen=True)
class CountedFrame:
    """
    A frame whose rows may only be counted.

    Parameters
    ----------
    where : str
        "data" or "source 'name'", for messages.
    frame : DataFrame
        Indexed by unit.
    other : DataFrame, Table or None
        The frame of another library that it was made of, which has further columns.
    """

    where: str
    frame: pd.DataFrame
    other: Any = None

    @property
    def columns(self) -> list[Any]:
        """Names of its columns."""
        return list(self.frame) if self.other is None else names_of_columns(self.other)

    def values(self, name: Any, rows: Rows) -> pd.Series:
        """
        Values of a column.

        Shapes: (rows,).
        """
        if name in self.frame:
            column: pd.Series = self.frame[name].iloc[rows].reset_index(drop=True)
            return column
        return column_of(self.other, name, None if isinstance(rows, slice) else rows)

    def equals(self, other: CountedFrame, name: Any) -> bool:
        """Whether a column is the same, known without making it one of pandas."""
        if self.other is None or type(self.other) is not type(other.other):
            return False
        own, its = self.other[name], other.other[name]
        kinds = {str(getattr(c, "dtype", getattr(c, "type", ""))) for c in (own, its)}
        return len(kinds) == 1 and bool(own.equals(its))


@dataclass(frozen=True)
class Pair:
    """
    One column of two frames, in the rows that are matched.

    Parameters
    ----------
    names : tuple
        Its name in either frame.
    first, second : Series (rows,)
        Its values, of one type.
    same, both : ndarray (rows,) of bool
        Where they are equal, and where both frames have one.
    converted : bool
        Whether the types differed.
    """

    names: tuple[Any, Any]
    first: pd.Series
    second: pd.Series
    same: Bools
    both: Bools
    converted: bool

    @property
    def agrees(self) -> bool:
        """Whether all rows agree that have a value in both."""
        return bool(self.same[self.both].all())

    @property
    def different(self) -> Positions:
        """Rows that disagree."""
        return np.flatnonzero(self.both & ~self.same)

    def some_that_differ(self) -> pd.Series:
        """Different values of the second frame, in rows that disagree."""
        rows = self.different
        return self.second.iloc[rows[_spread(len(rows))]].drop_duplicates()

    def _is_shuffled(self, names_units: bool) -> bool:
        """Whether it has the same values in another order."""
        some = self.some_that_differ()
        if len(some) < 2:
            return False
        # Not the other way round: to look for few among many is quick.
        found = self.first[self.first.isin(some)].unique()
        share = len(found) / len(some)
        if share == 1 and _many_values(self.first) and _same_counts([self]):
            return True
        enough = names_units and share >= share_needed(self.names[0], some)
        return enough and bool(self.first.dropna().is_unique)

    def _codes(self) -> Positions:
        """Numbers that stand for the values of the first frame, then the second."""
        joined = pd.concat([self.first, self.second], ignore_index=True)
        return np.asarray(pd.factorize(joined, use_na_sentinel=False)[0])


def _says_which_unit(first: CountedFrame, name: Any, rows: Rows) -> bool:
    """Whether rows that agree in a column must be of one unit."""
    at = np.arange(len(first.frame)) if isinstance(rows, slice) else rows
    some = first.values(name, at[_spread(len(at))])
    if not _many_values(some) or _COUNTERS.fullmatch(str(name)):
        return False
    if some.is_monotonic_increasing or some.is_monotonic_decreasing:
        # Both may have been sorted by it, each with its own order of ties.
        return bool(first.values(name, rows).is_unique)
    return True


def share_needed(name: Any, some: pd.Series) -> float:
    """Share of values to be found in other rows, from which units are others."""
    # Whole numbers that are no names of units may be the same by chance.
    whole = pd.api.types.is_numeric_dtype(some) and not (some % 1).any()
    named = _IDENTIFIERS.fullmatch(str(name))
    return _SHARED_NUMBERS if whole and not named else _SHARED


def _spread(n: int) -> Positions:
    """Some of n rows, from the first to the last."""
    return np.unique(np.linspace(0, n - 1, _PROBE).astype(int))


def _many_values(values: pd.Series | pd.DataFrame) -> bool:
    """Whether there are so many values that equal counts are no design."""
    some = values.iloc[_spread(len(values))].drop_duplicates()
    if len(some) < _MIN_VALUES:
        some = values.drop_duplicates()
    return len(some) >= min(_MIN_VALUES, len(values))


def _same_counts(pairs: Sequence[Pair]) -> bool:
    """Whether columns, taken together, have every value as often in both frames."""
    cells = [pair._codes() for pair in pairs]
    if len(cells) > 1:
        rows = np.column_stack(cells)
        cells = [np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)]
    # What is counted up in one is counted down to zero in the other.
    sign = np.repeat([1, -1], [len(pairs[0].first), len(pairs[0].second)])
    return not np.bincount(cells[0], weights=sign).any()


def refuse_other_order(
    frames: Sequence[CountedFrame], response: set[str], regressors: set[str]
) -> None:
    """Raise if a column shows that rows matched by position are of different units."""
    frames = [f for f in frames if is_counted(f.frame.index)]
    for k, second in enumerate(frames):
        # Sources are compared with each other in what data does not have.
        known = {*response}
        for first in frames[:k]:
            _refuse_pair(first, second, known, regressors)
            known |= set(first.columns)


def is_counted(index: pd.Index) -> bool:
    """Whether units may be the numbers of rows, rather than names."""
    return (
        index.nlevels == 1
        and index.name is None
        and pd.api.types.is_integer_dtype(index.dtype)
    )


def _refuse_pair(
    first: CountedFrame, second: CountedFrame, known: set[Any], regressors: set[str]
) -> None:
    index = second.frame.index
    at: tuple[Rows, Rows] = (slice(None), slice(None))
    if not index.equals(first.frame.index):
        if not first.frame.index.is_unique:
            return  # replicates of two sources: neither says which is which
        place = first.frame.index.get_indexer(index)
        at = place[place >= 0], np.flatnonzero(place >= 0)
    suspects = disagreeing(first, second, known, at)
    units = index[at[1]]
    # Those that are no variables first: it is they that name units.
    suspects.sort(key=lambda pair: pair.names[0] in regressors)
    for pair in suspects:
        if pair._is_shuffled(names_units=pair.names[0] not in regressors):
            raise other_order(first, second, [pair], units, regressors)
    # Few values each, as in quotas: only together are they too many for a design.
    few = [
        pair
        for pair in suspects
        if pair.names[0] == pair.names[1]
        and not _many_values(pair.first)
        and _same_counts([pair])
    ]
    if (
        len(few) > 1
        and _same_counts(few)
        and _many_values(pd.concat([pair.first for pair in few], axis=1))
    ):
        raise other_order(first, second, few, units, regressors)


def disagreeing(
    first: CountedFrame, second: CountedFrame, known: set[Any], at: tuple[Rows, Rows]
) -> list[Pair]:
    """Columns whose values differ in rows that are matched."""
    suspects = []
    for own, other in _shared_names(first, second, known):
        if own == other and isinstance(at[0], slice) and first.equals(second, own):
            pair, agrees = None, True
        else:
            pair = _pair(first, second, (own, other), at)
            agrees = pair is not None and pair.agrees
        if agrees and own == other and _says_which_unit(first, own, at[0]):
            return []
        if pair is not None and not agrees:
            suspects.append(pair)
    return suspects


def _shared_names(
    first: CountedFrame, second: CountedFrame, known: set[Any]
) -> list[tuple[Any, Any]]:
    """Columns that may be the same: those of one name, and names of units."""
    own, others = (
        [name for name in frame.columns if name not in known]
        for frame in (first, second)
    )
    alone = (
        [n for n in own if n not in others and _IDENTIFIERS.fullmatch(str(n))],
        [n for n in others if n not in own and _IDENTIFIERS.fullmatch(str(n))],
    )
    differing = itertools.islice(itertools.product(*alone), _MAX_PAIRS)
    return [(name, name) for name in own if name in set(others)] + list(differing)


def _pair(
    first: CountedFrame,
    second: CountedFrame,
    names: tuple[Any, Any],
    at: tuple[Rows, Rows],
) -> Pair | None:
    """The column of both frames, where its values can be compared."""
    given = first.values(names[0], at[0]), second.values(names[1], at[1])
    kinds = [_kind(column) for column in given]
    if "" in kinds or not len(given[0]):
        return None
    converted = kinds[0] != kinds[1]
    columns = []
    for column, kind in zip(given, kinds, strict=True):
        values = column
        if isinstance(column.dtype, pd.CategoricalDtype):
            values = column.astype(column.cat.categories.dtype)
        if converted and "number" not in kinds:
            return None
        if converted and kind == "text":
            values = pd.to_numeric(column, errors="coerce")
            if values.isna().sum() > column.isna().sum():
                return None
        columns.append(values)
    both = (columns[0].notna() & columns[1].notna()).to_numpy()
    same = (columns[0] == columns[1]).to_numpy(dtype=bool, na_value=False)
    if both.sum() < _MIN_ROWS:
        return None
    return Pair(names, columns[0], columns[1], same, both, converted)


def _kind(column: pd.Series) -> str:
    """Kind of values that are compared with those of the same kind; empty: none."""
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        kind = kind.categories.dtype
        column = column.cat.categories.to_series()
    if pd.api.types.is_bool_dtype(kind) or pd.api.types.is_complex_dtype(kind):
        return ""
    if pd.api.types.is_numeric_dtype(kind):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(kind):
        return str(kind)
    if pd.api.types.is_object_dtype(kind):
        inferred = pd.api.types.infer_dtype(column, skipna=True)
        return {"string": "text", "integer": "number"}.get(inferred, "")
    return "text" if pd.api.types.is_string_dtype(kind) else ""


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
    columns += " has" if one else " have"
    advice = "Set on= to the column that identifies units."
    if one and own not in regressors and pairs[0].first.dropna().is_unique:
        advice = f"Set on={own!r}"
        if own != other:
            advice += f", after renaming {other!r} to {own!r}"
        if pairs[0].converted:
            advice += ", after giving it the same type in both"
        advice += "."
    return AlignmentError(
        f"The rows of {first.where} and {second.where} are only counted and would be "
        f"matched by position, but {columns} the same values in another order: "
        f"unit {examples}. {advice} If rows do match by position, number them in a "
        "column of both frames and give its name: on='row'."
    )


def _shown(pairs: Sequence[Pair], side: str, row: int) -> str:
    values = [getattr(pair, side).iloc[row] for pair in pairs]
    return ", ".join(
        f"{value:.10g}" if isinstance(value, float) else show(value) for value in values
    )

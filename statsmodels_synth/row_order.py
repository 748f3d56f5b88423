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
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth._arrays import Bools, Positions
from statsmodels_synth.exceptions import AlignmentError, show
from statsmodels_synth.frame_kinds import column_of, names_of_columns

#: Fewer rows may be in another order by chance.
_MIN_ROWS = 5
#: A column of fewer values may have the same counts by design: quotas, treatments.
_MIN_VALUES = 20
#: Rows looked at before all are.
_PROBE = 50
#: Rows that a message shows.
_SHOWN = 3
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

    def values(self, name: Any, rows: Positions | slice) -> pd.Series:
        """
        Values of a column.

        Parameters
        ----------
        name : str
            The column.
        rows : ndarray of int or slice
            Which rows.

        Returns
        -------
        Series (rows,)
            With the default index.
        """
        here = name in self.frame
        column = self.frame[name] if here else column_of(self.other, name)
        return column.iloc[rows].reset_index(drop=True)


@dataclass(frozen=True)
class _Pair:
    """One column of two frames, in the rows that are matched."""

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

    def says_which_unit(self) -> bool:
        """Whether rows that agree in it must be of one unit."""
        values = self.first
        spread = np.linspace(0, len(values) - 1, 20 * _MIN_VALUES).astype(int)
        wanted = min(_MIN_VALUES, len(values))
        if values.iloc[spread].nunique() < wanted or _COUNTERS.fullmatch(
            str(self.names[0])
        ):
            return False
        if values.is_monotonic_increasing or values.is_monotonic_decreasing:
            # Both may have been sorted by it, each with its own order of ties.
            return values.is_unique
        return True

    def is_shuffled(self, names_units: bool) -> bool:
        """Whether it has the same values in another order."""
        rows = self.different
        if len(rows) < 2 or int(self.both.sum()) < _MIN_ROWS:
            return False
        first = self.first[self.first.notna().to_numpy()]
        probe = rows[np.linspace(0, len(rows) - 1, _PROBE).astype(int)]
        looked_for = self.second.iloc[probe].drop_duplicates()
        found = looked_for.isin(first[first.isin(looked_for)])
        if found.mean() < 0.3 or (found.mean() < 1 and not names_units):
            return False
        if names_units and first.is_unique:
            share = self.second.iloc[rows].isin(first).mean()
            # Integers that are no names of units may be the same by chance.
            whole = pd.api.types.is_numeric_dtype(first) and not (first % 1).any()
            named = _IDENTIFIERS.fullmatch(str(self.names[0]))
            return bool(share >= (0.9 if whole and not named else 0.5))
        return first.nunique() >= _MIN_VALUES and same_counts([self])

    def codes(self) -> tuple[Positions, Positions]:
        """Numbers that stand for the values of either frame."""
        joined = pd.concat([self.first, self.second], ignore_index=True)
        codes = pd.factorize(joined)[0]
        return codes[: len(self.first)], codes[len(self.first) :]


def same_counts(pairs: Sequence[_Pair]) -> bool:
    """Whether columns, taken together, have every value as often in both frames."""
    codes = [pair.codes() for pair in pairs]
    stacked = [np.column_stack([own[side] for own in codes]) for side in (0, 1)]
    # As often in both: what is counted up in one is counted down to zero in the other.
    _, cells = np.unique(np.concatenate(stacked), axis=0, return_inverse=True)
    sign = np.repeat([1, -1], [len(rows) for rows in stacked])
    return not np.bincount(cells.reshape(-1), weights=sign).any()


def refuse_other_order(
    frames: Sequence[CountedFrame], response: set[str], regressors: set[str]
) -> None:
    """
    Raise if a column shows that rows matched by position are of different units.

    Parameters
    ----------
    frames : sequence of CountedFrame
        Data, then the sources with a frame of their own.
    response, regressors : set of str
        Variables of the formula. Those of the outcome are predicted, so they say
        nothing; a regressor does where all its values are there in another order.

    Raises
    ------
    AlignmentError
        Names the column and the first units that disagree.
    """
    frames = [f for f in frames if is_counted(f.frame.index)]
    for k, second in enumerate(frames):
        # Sources are compared with each other in what data does not have.
        known = {*response}
        for first in frames[:k]:
            _refuse_pair(first, second, known, regressors)
            known |= set(first.columns)


def is_counted(index: pd.Index) -> bool:
    """
    Whether units may be the numbers of rows, rather than names.

    Parameters
    ----------
    index : pandas.Index
        Units of a frame.

    Returns
    -------
    bool
        True for integers without a name.
    """
    return (
        index.nlevels == 1
        and index.name is None
        and pd.api.types.is_integer_dtype(index.dtype)
    )


def _refuse_pair(
    first: CountedFrame, second: CountedFrame, known: set[Any], regressors: set[str]
) -> None:
    names = _shared_names(first, second, known)
    if not names:
        return
    index = second.frame.index
    at: tuple[Positions | slice, Positions | slice] = (slice(None), slice(None))
    if not index.equals(first.frame.index):
        if not first.frame.index.is_unique:
            return  # replicates of two sources: neither says which is which
        place = first.frame.index.get_indexer(index)
        at = place[place >= 0], np.flatnonzero(place >= 0)
    suspects = []
    for own, other in names:
        pair = _pair(first, second, (own, other), at)
        if pair is None:
            continue
        if not pair.agrees:
            suspects.append(pair)
        elif own == other and pair.says_which_unit():
            return
    # Those that are no variables first: it is they that name units.
    suspects.sort(key=lambda pair: pair.names[0] in regressors)
    for pair in suspects:
        if pair.is_shuffled(names_units=pair.names[0] not in regressors):
            raise _other_order(first, second, [pair], index[at[1]], regressors)
    few = [p for p in suspects if p.names[0] == p.names[1] and same_counts([p])]
    if len(few) > 1 and same_counts(few):
        cells = pd.concat([pair.first for pair in few], axis=1).drop_duplicates()
        if len(cells) >= _MIN_VALUES:
            raise _other_order(first, second, few, index[at[1]], regressors)


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
    at: tuple[Positions | slice, Positions | slice],
) -> _Pair | None:
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
    return _Pair(names, columns[0], columns[1], same, both, converted)


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


def _other_order(
    first: CountedFrame,
    second: CountedFrame,
    pairs: Sequence[_Pair],
    units: pd.Index,
    regressors: set[str],
) -> AlignmentError:
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
    if one and own not in regressors and pairs[0].first.is_unique:
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


def _shown(pairs: Sequence[_Pair], side: str, row: int) -> str:
    return ", ".join(show(getattr(pair, side).iloc[row]) for pair in pairs)

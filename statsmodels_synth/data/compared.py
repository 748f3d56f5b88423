"""Columns of two frames, compared in the rows that are matched."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Positions
from statsmodels_synth.data.kinds import column_of, names_of_columns

Rows: TypeAlias = Positions | slice
WHOLE = slice(None)

#: Fewer rows may be in another order by chance.
_MIN_ROWS = 5
#: A column of fewer values may have the same counts by design: quotas, treatments.
_MIN_VALUES = 20
#: Rows looked at before all are: text takes long.
_PROBE = 500
#: Share of rows with a value of their own, from which a column names rows.
_NEARLY_UNIQUE = 0.95
#: Objects that are compared by their text; mixed ones are 1005 beside "s7".
_AS_TEXT = {"bytes", "mixed", "mixed-integer"}


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
    drawn : bool
        Whether its rows are of units that a model made up: a synthetic source.
    strict : bool
        Whether every column may tell units apart, also one of ranks or counts.
    """

    where: str
    frame: pd.DataFrame
    other: Any = None
    drawn: bool = False
    strict: bool = False

    @property
    def columns(self) -> list[Any]:
        """Names of its columns, and of its index."""
        columns = self.frame if self.other is None else names_of_columns(self.other)
        named = {self.frame.index.name} - {None, *columns}
        return [*columns, *named]

    def values(self, name: Any, rows: Rows) -> pd.Series:
        """
        Values of a column.

        Shapes: (rows,).
        """
        if name in self.frame:
            column: pd.Series = self.frame[name].iloc[rows].reset_index(drop=True)
            return column
        if name == self.frame.index.name:
            return pd.Series(self.frame.index[rows])
        return column_of(self.other, name, None if isinstance(rows, slice) else rows)

    def equals(self, other: CountedFrame, name: Any) -> bool:
        """Whether a column is the same, known without making it one of pandas."""
        if self.other is None or type(self.other) is not type(other.other):
            return False
        if {name in names_of_columns(f.other) for f in (self, other)} != {True}:
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
    kind : str
        "number", "text" or "time".
    converted : bool
        Whether the types differed.
    """

    names: tuple[Hashable, Hashable]
    first: pd.Series
    second: pd.Series
    same: Bools
    both: Bools
    kind: str
    converted: bool

    @property
    def agrees(self) -> bool:
        """Whether all rows agree that have a value in both."""
        return bool(self.same[self.both].all())

    @property
    def different(self) -> Positions:
        """Rows that disagree."""
        return np.flatnonzero(self.both & ~self.same)

    def some_that_differ(self, side: str = "second") -> pd.Series:
        """Different values of a frame, in rows that disagree."""
        rows = self.different
        values: pd.Series = getattr(self, side)
        return values.iloc[rows[_spread(len(rows))]].drop_duplicates()

    def codes(self) -> Positions:
        """Numbers that stand for the values of the first frame, then the second."""
        joined = pd.concat([self.first, self.second], ignore_index=True)
        return np.asarray(pd.factorize(joined, use_na_sentinel=False)[0])


def paired(
    first: CountedFrame,
    second: CountedFrame,
    names: tuple[Any, Any],
    at: tuple[Rows, Rows],
) -> Pair | None:
    """The column of both frames, where its values can be compared."""
    given = first.values(names[0], at[0]), second.values(names[1], at[1])
    kinds = [_kind(column) for column in given]
    kind = next((k for k in ("number", "time") if k in kinds), "text")
    if "" in kinds or not len(given[0]):
        return None
    own, its = (_as_kind(c, k, kind) for c, k in zip(given, kinds, strict=True))
    if own is None or its is None:
        return None
    if {np.dtype("float32"), np.dtype("float64")} == {own.dtype, its.dtype}:
        own, its = own.astype("float32"), its.astype("float32")
    both = (own.notna() & its.notna()).to_numpy()
    if both.sum() < _MIN_ROWS:
        return None
    same = _equal(own, its)
    if kind == "text" and not same[both].all():
        # Spaces and capitals that one file has lost are no other value.
        own, its = (c.astype(str).str.strip().str.casefold() for c in (own, its))
        own, its = own.where(both), its.where(both)
        same = _equal(own, its)
    return Pair(names, own, its, same, both, kind, kinds[0] != kinds[1])


def as_in(column: pd.Series, kind: str, like: pd.Series) -> pd.Series | None:
    """
    A column, or part of one, in the form in which a pair compares its values.

    Shapes: `column` (rows,), `like` (any,) -> (rows,).
    """
    own = _kind(column)
    made = _as_kind(column, own, kind) if own else None
    if made is None:
        return None
    if kind == "text":
        made = made.astype(str).str.strip().str.casefold().where(column.notna())
    return made.astype(like.dtype) if like.dtype == np.float32 else made


def _equal(own: pd.Series, its: pd.Series) -> Bools:
    return np.asarray((own == its).to_numpy(dtype=bool, na_value=False))


def _as_kind(column: pd.Series, own: str, kind: str) -> pd.Series | None:
    """Values of a column as those of another kind; None if some cannot be."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        # As NumPy has them: whole numbers of which some are missing become floats.
        column = pd.Series(np.asarray(column), column.index, name=column.name)
    if kind == "number" and own == "number":
        # Decimals are objects.
        return column.astype(float) if _inferred(column) == "decimal" else column
    if kind == "number":
        made = pd.to_numeric(column, errors="coerce") if own == "text" else None
    elif kind == "time":
        try:
            made = pd.to_datetime(column, errors="coerce")
        except (ValueError, TypeError):
            return None
        if not pd.api.types.is_datetime64_any_dtype(made.dtype):
            return None
        if made.dt.tz is not None:
            made = made.dt.tz_localize(None)
        made = made.astype("datetime64[ns]")
    else:
        text = column if own == "text" and not _is_mixed(column) else None
        return column.astype(str).where(column.notna()) if text is None else text
    if made is None or made.isna().sum() > column.isna().sum():
        return None
    return made


def _inferred(column: pd.Series) -> str:
    if column.dtype != object:
        return ""
    return str(pd.api.types.infer_dtype(column, skipna=True))


def _is_mixed(column: pd.Series) -> bool:
    return _inferred(column) in _AS_TEXT


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
        return "time"
    if pd.api.types.is_object_dtype(kind):
        inferred = _inferred(column)
        if inferred in _AS_TEXT and not _all_hashable(column):
            return ""
        found = {"string": "text", "integer": "number", "decimal": "number"}
        found |= dict.fromkeys(("date", "datetime"), "time")
        return found.get(inferred, "text" if inferred in _AS_TEXT else "")
    return "text" if pd.api.types.is_string_dtype(kind) else ""


def _all_hashable(column: pd.Series) -> bool:
    some = column.iloc[_spread(len(column))] if len(column) else column
    return all(isinstance(value, Hashable) for value in some)


def _spread(n: int) -> Positions:
    """Some of n rows, from the first to the last."""
    return np.unique(np.linspace(0, n - 1, _PROBE).astype(int))


def many_values(values: pd.Series | pd.DataFrame) -> bool:
    """Whether there are so many values that equal counts are no design."""
    some = values.iloc[_spread(len(values))].drop_duplicates()
    if len(some) < _MIN_VALUES:
        some = values.drop_duplicates()
    return len(some) >= min(_MIN_VALUES, len(values))


def nearly_unique(values: pd.Series | pd.DataFrame) -> bool:
    """Whether nearly every row has a value of its own."""
    values = values.dropna()
    some = values.iloc[_spread(len(values))] if len(values) else values
    # The few first: among all there are no fewer of the same.
    return all(
        len(part) > 0 and len(part.drop_duplicates()) >= _NEARLY_UNIQUE * len(part)
        for part in (some, values)
    )

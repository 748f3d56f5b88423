"""Types of columns, made alike in data and in every source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, all_finite, as_floats, infinite_rows
from statsmodels_synth.core.messages import (
    column_label,
    count,
    name_units,
    show,
    type_name,
)
from statsmodels_synth.data.formula.uses import ColumnUses
from statsmodels_synth.data.kinds import refuse_unread, values_of
from statsmodels_synth.data.types import (
    odd_values,
    plain_column,
    refuse_commas,
    refuse_times,
)
from statsmodels_synth.exceptions import AlignmentError, DataError, OptionError

#: Options whose values are only told apart, so that they may be text.
TEXT_ALLOWED = ("strata",)


def check_frame(data: object) -> None:
    """Raise unless data is a DataFrame."""
    if not isinstance(data, pd.DataFrame):
        refuse_unread(data, "data")
        raise DataError(
            f"data is a {type_name(data)}. Give a pandas DataFrame with one row per "
            "unit."
        )


def check_row_index(value: object, index: pd.Index, option: str) -> None:
    """Raise if a Series has another index than data."""
    if isinstance(value, pd.Series) and not value.index.equals(index):
        raise AlignmentError(
            f"{option}= is a Series whose index differs from that of data. Reindex it "
            "or make it a column of data."
        )


def refuse_nested(value: object, option: str) -> None:
    """Raise for values of rows in a dict or a frame."""
    if isinstance(value, Mapping):
        raise OptionError(
            f"{option}= is a {type_name(value)}, whose keys would be lost. Make it a "
            f"column, as in data[{option!r}] = data['id'].map(...), and give its name."
        )
    if isinstance(value, pd.DataFrame):
        only = repr(str(value.columns[0])) if value.shape[1] else "..."
        raise OptionError(
            f"{option}= is a DataFrame. Give one column of it, as in frame[{only}], or "
            "the name of a column of data."
        )


def with_columns(
    data: pd.DataFrame, **given: object
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Make columns of data of what was given as arrays."""
    named: dict[str, str] = {}
    arrays: dict[str, Any] = {}
    for option, value in given.items():
        if value is None:
            continue
        if isinstance(value, str):
            named[option] = value
            continue
        refuse_nested(value, option)
        value = values_of(value)  # noqa: PLW2901
        check_row_index(value, data.index, option)
        values = (
            pd.Series(value).to_numpy()
            if option in TEXT_ALLOWED
            else as_floats(value, option)
        )
        if values.shape != (len(data),):
            raise DataError(
                f"{option}= has shape {values.shape}; data has {len(data)} rows. Give "
                "one value per row, or the name of a column."
            )
        named[option] = f"({option})"
        arrays[f"({option})"] = values
    if arrays:
        # Not assign(), which copies every column before pandas 3.
        data = data.copy(deep=False)
        for name, column in arrays.items():
            data[name] = column
    return data, named


def joined_columns(columns: Mapping[Any, pd.Series], index: pd.Index) -> pd.DataFrame:
    """
    Frame of columns as they are, without copying them into one block.

    Shapes: `columns` (rows,), `index` (rows,) -> (rows, columns).
    """
    return pd.DataFrame(dict(columns), index=index, copy=False)


def native(frame: pd.DataFrame) -> pd.DataFrame:
    """Frame whose numbers are in the byte order of this machine."""
    swapped = {
        name: dtype.newbyteorder("=")
        for name, dtype in frame.dtypes.items()
        if isinstance(dtype, np.dtype) and not dtype.isnative
    }
    if swapped:
        frame = frame.astype(swapped)
    index = frame.index
    if isinstance(index.dtype, np.dtype) and not index.dtype.isnative:
        frame = frame.set_axis(index.astype(index.dtype.newbyteorder("=")))
    return frame


@dataclass(frozen=True)
class PlainColumns:
    """
    Columns of plain NumPy types, and where they have no value.

    Parameters
    ----------
    frame : DataFrame (rows, columns)
        The columns.
    gaps : dict of ndarray (rows,) of bool
        Rows without value, for the columns that have such rows.
    """

    frame: pd.DataFrame
    gaps: dict[str, Bools]

    def lacking(self, names: Iterable[str] | None = None) -> Bools | None:
        """
        Rows in which one of the columns has no value.

        Shapes: (rows,).
        """
        found: Bools | None = None
        for name in self.gaps if names is None else names:
            gaps = self.gaps.get(name)
            if gaps is not None:
                found = gaps if found is None else found | gaps
        return found


def plain_columns(
    frame: pd.DataFrame, names: Iterable[str], uses: ColumnUses, where: str
) -> PlainColumns:
    """Columns as plain NumPy types: the one door for frames of every kind."""
    columns, gaps = {}, {}
    for name in names:
        column = plain_column(frame[name], name, where, uses)
        finite = column.dtype.kind in "iub"
        if column.dtype == np.float64:
            values = column.to_numpy()
            finite = all_finite(values)
            infinite = np.empty(0, np.intp) if finite else infinite_rows(values)
            if len(infinite):
                raise DataError(
                    f"{where}: {column_label(name)} is infinite for "
                    f"{count(len(infinite), 'row')} ("
                    f"{name_units(frame.index[infinite])}). Correct or remove them."
                )
        columns[name] = column
        missing = None if finite else column.isna().to_numpy()
        if missing is not None and missing.any():
            gaps[name] = missing
    return PlainColumns(joined_columns(columns, frame.index), gaps)


def settled(frame: pd.DataFrame) -> pd.DataFrame:
    """Make bool or int again what was object only because values were missing."""
    types = {"boolean": "bool", "integer": "int64"}
    found = {
        name: types[inferred]
        for name in frame
        if frame[name].dtype == object
        and (inferred := pd.api.types.infer_dtype(frame[name])) in types
        and not (inferred == "integer" and _too_wide(frame[name]))
    }
    return frame.astype(found) if found else frame


def _too_wide(column: pd.Series) -> bool:
    return bool(column.max() >= 2**63 or column.min() < -(2**63))


def uses_beside(model: pd.DataFrame, uses: ColumnUses) -> ColumnUses:
    """What columns of a source are used for, beside those of data."""
    told = {
        str(name)
        for name, column in model.items()
        if not pd.api.types.is_numeric_dtype(column.dtype)
    }
    return uses._replace(levels=uses.levels | told, numbers=uses.numbers - told)


def matched_type(column: pd.Series, model: pd.Series, where: str) -> pd.Series:
    """A source's column in the type that data has for it."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        # Not astype(), which knows no integer for what is missing.
        column = pd.Series(np.asarray(column), column.index, name=column.name)
    if isinstance(model.dtype, pd.CategoricalDtype):
        # Numbers stay levels; a level that data does not have is refused later.
        known = column.isin(model.cat.categories) | column.isna()
        return column.astype(model.dtype) if known.all() else column
    if model.dtype == bool or (
        # Looked at only where it can be: leaving out what is missing is a copy.
        model.dtype == object and pd.api.types.infer_dtype(model.dropna()) == "boolean"
    ):
        other = column[~column.isin([0, 1]) & column.notna()]
        if len(other):
            raise DataError(
                f"{where}: column {str(column.name)!r} has {show(other.iloc[0])} where "
                f"data has True and False ({name_units(other.index)}). Convert "
                "it, or make the column of data a number."
            )
        # Missing values keep it from being bool; they go before it is evaluated.
        return column.astype(object).map(bool, na_action="ignore")
    if pd.api.types.is_numeric_dtype(model.dtype):
        if pd.api.types.is_bool_dtype(column.dtype):
            return column.astype("float64")
        if not pd.api.types.is_numeric_dtype(column.dtype):
            refuse_times(column, where)
            numbers = pd.to_numeric(column, errors="coerce")
            none = ~np.isfinite(numbers.to_numpy(dtype=float, na_value=np.nan))
            text = column[none & column.notna().to_numpy()]
            if len(text):
                refuse_commas(text, str(column.name), where)
                raise DataError(
                    f"{where}: column {str(column.name)!r} has {odd_values(text)}, "
                    "where data has numbers. Convert them, or make them missing with "
                    "pd.to_numeric(..., errors='coerce')."
                )
            # Booleans among objects are no numbers yet.
            return numbers.astype("float64") if numbers.dtype == bool else numbers
    return column

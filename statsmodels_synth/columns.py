"""Types of columns, made alike in data and in every source."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth._arrays import as_floats
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    column_label,
    count,
    format_units,
    show,
    type_name,
)

#: Options whose values are only told apart, so that they may be text.
TEXT_ALLOWED = ("strata",)


def check_frame(data: object) -> None:
    """
    Raise unless data is a DataFrame.

    Parameters
    ----------
    data : object
        What was given.

    Raises
    ------
    DataError
        Says what is accepted.
    """
    if not isinstance(data, pd.DataFrame):
        raise DataError(
            f"data is a {type_name(data)}. Give a pandas DataFrame with one row per "
            "unit."
        )


def check_row_index(value: object, index: pd.Index, option: str) -> None:
    """
    Raise if a Series has another index than data.

    Parameters
    ----------
    value : object
        What was given; only a Series has an index.
    index : pandas.Index
        Index of data.
    option : str
        Name of the option, for the message.

    Raises
    ------
    AlignmentError
        Asks to reindex.
    """
    if isinstance(value, pd.Series) and not value.index.equals(index):
        raise AlignmentError(
            f"{option}= is a Series whose index differs from that of data. Reindex it "
            "or make it a column of data."
        )


def with_columns(
    data: pd.DataFrame, **given: object
) -> tuple[pd.DataFrame, dict[str, str]]:
    """
    Make columns of data of what was given as arrays.

    Parameters
    ----------
    data : DataFrame
        Data.
    **given : str, array_like or None
        Column name, or one value per row of `data`.

    Returns
    -------
    data : DataFrame
        With a column ``"(name)"`` for each array; the input is not changed.
    named : dict
        From option to column, for the options that were given.

    Raises
    ------
    DataError
        If an array has another length, or a Series another index.
    """
    named: dict[str, str] = {}
    arrays: dict[str, Any] = {}
    for option, value in given.items():
        if value is None:
            continue
        if isinstance(value, str):
            named[option] = value
            continue
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
    return (data.assign(**arrays) if arrays else data), named


def plain_columns(frame: pd.DataFrame, response: set[str], where: str) -> pd.DataFrame:
    """
    Columns as plain NumPy types: both formula engines misread nullable ones.

    Parameters
    ----------
    frame : DataFrame
        Columns of any type.
    response : set of str
        Columns whose booleans become numbers, because a boolean outcome would
        be coded as two columns.
    where : str
        "data" or the source, for the message.

    Returns
    -------
    DataFrame
        Numbers as float or int, booleans as bool (object where some are
        missing); text and categories unchanged.

    Raises
    ------
    DataError
        If a column is complex.
    """
    columns = {}
    for name in frame:
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            pass
        elif isinstance(column.dtype, pd.StringDtype):
            column = column.astype(object)
        elif column.dtype == object and _all_numbers(column, name in response):
            column = column.astype("float64")
        elif pd.api.types.is_bool_dtype(column.dtype):
            if name in response or column.isna().any():
                column = column.astype("float64" if name in response else object)
            else:
                column = column.astype(bool)
        elif pd.api.types.is_numeric_dtype(column.dtype):
            if pd.api.types.is_complex_dtype(column.dtype):
                raise DataError(f"{where}: column {name!r} is complex. Give numbers.")
            if not isinstance(column.dtype, np.dtype):
                column = column.astype("float64")
            infinite = np.isinf(column.to_numpy(dtype=float, na_value=np.nan))
            if infinite.any():
                raise DataError(
                    f"{where}: {column_label(name)} is infinite for "
                    f"{count(int(infinite.sum()), 'row')} (units "
                    f"{format_units(frame.index[infinite])}). Correct or remove them."
                )
        columns[name] = column
    return pd.DataFrame(columns, index=frame.index)


def _all_numbers(column: pd.Series, or_booleans: bool) -> bool:
    """Whether an object column holds numbers, apart from missing values."""
    present = column.dropna()
    return len(present) > 0 and pd.api.types.infer_dtype(present) in {
        "integer",
        "floating",
        "mixed-integer-float",
        *(["boolean"] if or_booleans else []),
    }


def settled_booleans(frame: pd.DataFrame) -> pd.DataFrame:
    """
    Make bool again what was object only because values were missing.

    Parameters
    ----------
    frame : DataFrame
        Rows without missing values.

    Returns
    -------
    DataFrame
        The same object where there is nothing to change.
    """
    columns = [
        name
        for name in frame
        if frame[name].dtype == object
        and pd.api.types.infer_dtype(frame[name]) == "boolean"
    ]
    return frame.astype(dict.fromkeys(columns, bool)) if columns else frame


def matched_type(column: pd.Series, model: pd.Series, where: str) -> pd.Series:
    """
    A source's column in the type that data has for it.

    Parameters
    ----------
    column : Series
        Column of a source.
    model : Series
        The same column of data.
    where : str
        The source, for the message.

    Returns
    -------
    Series
        Categories as their values, 0 and 1 as booleans and text as numbers
        where data has those.

    Raises
    ------
    DataError
        If text is no number where data has numbers.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if isinstance(model.dtype, pd.CategoricalDtype):
        return column
    if pd.api.types.infer_dtype(model.dropna()) == "boolean":
        other = column[~column.isin([0, 1]) & column.notna()]
        if len(other):
            raise DataError(
                f"{where}: column {str(column.name)!r} has {show(other.iloc[0])} where "
                f"data has True and False (units {format_units(other.index)}). Convert "
                "it, or make the column of data a number."
            )
        # Missing values keep it from being bool; they go before it is evaluated.
        return column.astype(object).map(bool, na_action="ignore")
    if pd.api.types.is_numeric_dtype(model.dtype):
        if pd.api.types.is_bool_dtype(column.dtype):
            return column.astype("float64")
        if not pd.api.types.is_numeric_dtype(column.dtype):
            numbers = pd.to_numeric(column, errors="coerce")
            text = column[numbers.isna() & column.notna()]
            if len(text):
                raise DataError(
                    f"{where}: column {str(column.name)!r} has {show(text.iloc[0])} "
                    f"where data has numbers (units {format_units(text.index)}). "
                    "Convert it."
                )
            return numbers
    return column

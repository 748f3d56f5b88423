"""Types of columns, made alike in data and in every source."""

from __future__ import annotations

import numpy as np
import pandas as pd

from statsmodels_synth.exceptions import DataError, format_units


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
        elif column.dtype == object and _all_numbers(column):
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
        columns[name] = column
    return pd.DataFrame(columns, index=frame.index)


def _all_numbers(column: pd.Series) -> bool:
    """Whether an object column holds numbers, apart from missing values."""
    present = column.dropna()
    return len(present) > 0 and pd.api.types.infer_dtype(present) in (
        "integer",
        "floating",
        "mixed-integer-float",
    )


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
    if pd.api.types.is_bool_dtype(model.dtype):
        if pd.api.types.is_numeric_dtype(column.dtype) and (
            column.dropna().isin([0, 1]).all()
        ):
            return column.astype(object if column.isna().any() else bool)
        return column
    if pd.api.types.is_numeric_dtype(model.dtype):
        if pd.api.types.is_bool_dtype(column.dtype):
            return column.astype("float64")
        if not pd.api.types.is_numeric_dtype(column.dtype):
            numbers = pd.to_numeric(column, errors="coerce")
            text = column[numbers.isna() & column.notna()]
            if len(text):
                raise DataError(
                    f"{where}: column {str(column.name)!r} has {text.iloc[0]!r} where "
                    f"data has numbers (units {format_units(text.index)}). Convert it."
                )
            return numbers
    return column

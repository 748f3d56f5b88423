"""Kinds of data frames: which there are, and how their columns are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import EXACT, without_mask
from statsmodels_synth.core.messages import type_name
from statsmodels_synth.exceptions import DataError

_FRAMES = {("polars", "DataFrame"), ("pyarrow", "Table")}
_SERIES = {("polars", "Series"), ("pyarrow", "ChunkedArray"), ("pyarrow", "Array")}
#: What is not in memory yet, and the method that reads it.
_UNREAD = {
    ("polars", "LazyFrame"): "collect",
    ("pyarrow", "Dataset"): "to_table",
    ("pyarrow", "Scanner"): "to_table",
    ("pyarrow", "RecordBatchReader"): "read_all",
}


def _kinds(value: object) -> list[tuple[str, str]]:
    """Library and name of the class of a value and of those it derives from."""
    return [(c.__module__.partition(".")[0], c.__name__) for c in type(value).__mro__]


def is_other_frame(value: object) -> bool:
    """Whether a value is a frame in memory of polars or Arrow."""
    return not _FRAMES.isdisjoint(_kinds(value))


def refuse_unread(value: object, where: str) -> None:
    """Raise if a value is a table that has yet to be read."""
    for library, name in _kinds(value):
        read = _UNREAD.get((library, name))
        if read is not None:
            raise DataError(
                f"{where} is a {library} {name}, whose rows have not been read. "
                f"Collect it first, with .{read}(), or give a Dask DataFrame."
            )


def refuse_lazy(value: object, where: str) -> None:
    """Raise if rows that are to be predicted are in Dask, or a path."""
    if isinstance(value, (str, Path)) or _kinds(value)[0][0] == "dask":
        raise DataError(
            f"{where} must be in memory, and are a {type_name(value)}. Predict them "
            "part by part: frame.map_partitions(result.predict), with a Dask DataFrame."
        )


def names_of_columns(frame: Any) -> list[Any]:
    """Names of the columns of a frame of any kind."""
    if isinstance(frame, pd.DataFrame):
        return list(frame.columns)
    # The columns of a Table are their values.
    return list(getattr(frame, "column_names", None) or frame.columns)


def to_pandas(
    frame: Any, wanted: Iterable[Any], required: Iterable[Any], where: str
) -> pd.DataFrame:
    """Columns of a frame of polars or Arrow as a pandas DataFrame."""
    if not is_other_frame(frame):
        return frame  # type: ignore[no-any-return]
    names = names_of_columns(frame)
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise DataError(f"{where} has two columns named {repeated[0]!r}. Rename one.")
    some = set(wanted)
    if not some.isdisjoint(names) and set(required) <= set(names):
        names = [name for name in names if name in some]
    return pd.DataFrame(
        {name: column_of(frame, name) for name in names},
        index=pd.RangeIndex(len(frame)),
        copy=False,
    )


def column_of(frame: Any, name: str, rows: Any = None) -> pd.Series:
    """One column of a frame of polars or Arrow."""
    column = frame[name]
    if rows is not None:
        column = column.take(rows) if hasattr(column, "take") else column[rows]
    return _converted(column).rename(name)


def values_of(value: Any) -> Any:
    """Values of a column of polars or Arrow, or of a masked array, given by itself."""
    value = without_mask(value)
    if _SERIES.isdisjoint(_kinds(value)):
        return value
    # An Arrow array that is no column of a table is unknown to narwhals.
    alone = ("pyarrow", "Array") in _kinds(value)
    series = pd.Series(value.to_pandas()) if alone else _converted(value)
    return series.to_numpy()


def _converted(column: Any) -> pd.Series:
    """A column in the type that a pandas user would have."""
    import narwhals as nw  # noqa: PLC0415 - importing it costs time

    arrow = _kinds(column)[0][0] == "pyarrow"
    series = nw.from_native(column, series_only=True)
    if series.dtype.is_numeric() or series.dtype == nw.Decimal:
        if series.dtype.is_integer() and series.null_count():
            # NumPy has no missing integer, and as floats large ones merge.
            return _integers_with_gaps(series)
        values = series.to_numpy()
        if values.dtype == object:  # decimals, and integers beyond those of NumPy
            values = series.cast(nw.Float64).to_numpy()
        return pd.Series(values, copy=False)
    if series.dtype == nw.Boolean:
        values = series.to_numpy()
        return pd.Series(
            values if values.dtype == bool else pd.array(values, "boolean")
        )
    if arrow:
        # Not through narwhals, where a missing category is another one.
        return column.to_pandas()  # type: ignore[no-any-return]
    if series.dtype == nw.Enum:
        return pd.Series(
            pd.Categorical(column.to_list(), column.dtype.categories.to_list())
        )
    if series.dtype == nw.Categorical:
        # Its categories are those of every frame of the session, in no order: text.
        return pd.Series(column.to_list())
    return pd.Series(series.to_numpy())


def _integers_with_gaps(series: Any) -> pd.Series:
    """Integers of which some are missing, which remain integers."""
    limits = [v for v in (series.min(), series.max()) if v is not None]
    if not limits or max(map(abs, limits)) <= EXACT:
        values = series.to_numpy()
        gaps = np.isnan(values)
        whole = np.where(gaps, 0.0, values).astype(np.int64)
        return pd.Series(pd.arrays.IntegerArray(whole, gaps))
    wide = "Int64" if limits[-1] < 2**63 else "UInt64"
    return pd.Series(pd.array(series.to_list(), dtype=wide))


def any_partitioned(data: object, proxy: object, synthetic: object) -> bool:
    """Whether rows are in Dask, or in Parquet files, rather than in memory."""
    inner = [
        own
        for value in (proxy, synthetic)
        if isinstance(value, Mapping)
        for own in value.values()
    ]
    return isinstance(data, str) or any(
        is_path(value) or type(value).__module__.startswith("dask.")
        for value in (data, proxy, synthetic, *inner)
    )


def is_path(value: object) -> bool:
    """
    Whether a source is the path of Parquet files.

    Examples
    --------
    >>> is_path("llm.parquet"), is_path("s3://bucket/llm"), is_path("polite_llm")
    (True, True, False)
    """
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(is_path, value))
    if isinstance(value, str):
        return value.endswith((".parquet", ".pq", "/")) or "://" in value
    return isinstance(value, Path)

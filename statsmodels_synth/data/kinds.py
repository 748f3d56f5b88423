"""
Kinds of tables: which there are, and how their columns are read.

The one door for tables in memory, or that a database or a query has yet to make: a row
of :data:`KINDS` per kind. Tables of Dask and paths of Parquet files go to `data.dask`.
What has no row, narwhals may know; what it does not know either is named, with what to
do. Rows of a table that is yet to be collected have no order: they are matched by unit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import EXACT, without_mask
from statsmodels_synth.core.messages import count, name_units, type_name
from statsmodels_synth.exceptions import AlignmentError, DataError


class Kind(NamedTuple):
    """
    One kind of table.

    Parameters
    ----------
    library : str
        Where its class, or one that it derives from, is defined.
    table, columns : str, tuple of str
        Name of the class, and of those of its columns when they are given alone.
    read : callable
        From a table and the names of columns to a pandas DataFrame.
    ordered : bool
        Whether its rows have an order. If not, it is collected when it is read.
    indexed : bool
        Whether it has an index, which may name units.
    collect : str
        How a user collects it.
    """

    library: str
    table: str
    columns: tuple[str, ...]
    read: Callable[[Any, list[Any]], pd.DataFrame]
    ordered: bool = True
    indexed: bool = False
    collect: str = ""


def _by_column(frame: Any, names: list[Any]) -> pd.DataFrame:
    """One column after the other; numbers without gaps are not copied."""
    return pd.DataFrame(
        {name: column_of(frame, name) for name in names},
        index=pd.RangeIndex(len(frame)),
        copy=False,
    )


def _with_index(frame: Any, names: list[Any]) -> pd.DataFrame:
    """All at once, by what narwhals calls, which keeps the index."""
    import narwhals as nw  # noqa: PLC0415 - importing it costs time

    found: pd.DataFrame = nw.from_native(frame[names], eager_only=True).to_pandas()
    return found


def _of_cudf(frame: Any, names: list[Any]) -> pd.DataFrame:
    """All at once; as floats, integers beside a null would merge."""
    found: pd.DataFrame = frame[names].to_pandas(nullable=True)
    return found


def _collected(frame: Any, names: list[Any]) -> pd.DataFrame:
    """Only these columns, collected by the library itself, in one go."""
    import narwhals as nw  # noqa: PLC0415 - importing it costs time

    lazy = nw.from_native(frame)
    own = "polars" if lazy.implementation.is_polars() else "pyarrow"
    return _by_column(lazy.select(names).collect(backend=own).to_native(), names)


def _lazy(library: str, table: str, column: str, collect: str) -> Kind:
    """One kind of table that has yet to be collected."""
    return Kind(library, table, (column,), _collected, False, collect=collect)


#: One row per kind.
KINDS = (
    Kind("polars", "DataFrame", ("Series",), _by_column),
    Kind("pyarrow", "Table", ("ChunkedArray", "Array"), _by_column),
    Kind("modin", "DataFrame", ("Series",), _with_index, indexed=True),
    Kind("cudf", "DataFrame", ("Series",), _of_cudf, indexed=True),
    _lazy("polars", "LazyFrame", "Expr", ".collect()"),
    _lazy("duckdb", "DuckDBPyRelation", "Expression", ".df()"),
    _lazy("ibis", "Table", "Column", ".to_pandas()"),
    _lazy("pyspark", "DataFrame", "Column", ".toPandas()"),
    _lazy("sqlframe", "BaseDataFrame", "Column", ".toPandas()"),
    # Tables without a row above that narwhals knows.
    Kind("narwhals", "DataFrame", ("Series",), _by_column),
    _lazy("narwhals", "LazyFrame", "Expr", ".collect()"),
)
_OF_TABLES = {(kind.library, kind.table): kind for kind in KINDS}
_OF_COLUMNS = {(kind.library, name): kind for kind in KINDS for name in kind.columns}
#: What only a reader of its own can make a table of, and the method that reads it.
_UNREAD = {
    ("pyarrow", "Dataset"): "to_table",
    ("pyarrow", "Scanner"): "to_table",
    ("pyarrow", "RecordBatchReader"): "read_all",
}
#: Libraries whose objects narwhals is not asked about.
_NO_TABLES = {
    *("builtins", "collections", "pathlib", "types", "sqlite3", "numpy", "pandas"),
    *("pyarrow", "dask", "xarray", "rpy2", "scipy", "statsmodels_synth"),
}


def _classes(value: object) -> list[tuple[str, str]]:
    """Library and name of the class of a value and of those it derives from."""
    return [
        (c.__module__.partition(".")[0].lstrip("_"), c.__name__)
        for c in type(value).__mro__
    ]


def _among(value: object, known: Mapping[tuple[str, str], Kind]) -> Kind | None:
    return next((known[c] for c in _classes(value) if c in known), None)


def is_other_frame(value: object) -> bool:
    """Whether a value is a table of a library other than pandas and Dask."""
    return _among(value, _OF_TABLES) is not None


def is_column(value: object) -> bool:
    """Whether a value is a column of a table of another library."""
    return _among(value, _OF_COLUMNS) is not None


def is_unordered(value: object) -> bool:
    """Whether a value is a table that is collected when it is read."""
    kind = _among(value, _OF_TABLES)
    return kind is not None and not kind.ordered


def opened(value: Any) -> Any:
    """A table, or a column that has an index, as the other functions here know it."""
    column = _among(value, _OF_COLUMNS)
    if column is not None and column.indexed:
        return _converted(value)
    library = _classes(value)[0][0]
    if library == "narwhals" and hasattr(value, "to_native"):
        native = value.to_native()
        known = isinstance(native, (pd.DataFrame, pd.Series)) or any(
            _among(native, kinds) for kinds in (_OF_TABLES, _OF_COLUMNS)
        )
        return opened(native) if known else value
    if library in _NO_TABLES or is_other_frame(value) or column is not None:
        return value
    import narwhals as nw  # noqa: PLC0415 - importing it costs time

    return nw.from_native(value, pass_through=True)


def refuse_unread(value: object, where: str) -> None:
    """Raise if a value is no table that can be read, with how to make it one."""
    for library, name in _classes(value):
        read = _UNREAD.get((library, name))
        if read is not None:
            raise DataError(
                f"{where} is a {library} {name}, whose rows have not been read. "
                f"Collect it first, with .{read}(), or give a Dask DataFrame."
            )
    for what, knows, advice in _NO_KIND:
        if knows(value):
            raise DataError(f"{where} is {what}. Make it a DataFrame: {advice}.")


def _is_rows(value: object, kind: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(own, kind) for own in value)
    )


def _is_columns(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(
            isinstance(own, (list, np.ndarray)) and np.ndim(own) == 1
            for own in value.values()
        )
    )


def _is_of(*libraries: str) -> Callable[[object], bool]:
    return lambda value: any(library in libraries for library, _ in _classes(value))


def _is_sqlite(value: object) -> bool:
    some = value[0] if isinstance(value, (list, tuple)) and value else value
    return _classes(some)[0][0] == "sqlite3"


#: What holds a table but is none: its name, how it is recognised, and what to do.
_NO_KIND: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("of sqlite3", _is_sqlite, "pandas.read_sql(query, connection)"),
    ("a list of dicts", lambda v: _is_rows(v, Mapping), "pandas.DataFrame(...)"),
    (
        "a list of rows",
        lambda v: _is_rows(v, (tuple, list)),
        "pandas.DataFrame(..., columns=[...])",
    ),
    (
        "a structured array of NumPy",
        lambda v: isinstance(v, np.ndarray) and v.dtype.names is not None,
        "pandas.DataFrame(...)",
    ),
    (
        "a ndarray, whose columns have no names",
        lambda v: isinstance(v, np.ndarray),
        "pandas.DataFrame(..., columns=[...])",
    ),
    ("a dict of columns", _is_columns, "pandas.DataFrame(...)"),
    ("of xarray", _is_of("xarray"), "its .to_dataframe()"),
    (
        "an object of R",
        _is_of("rpy2"),
        "convert it with rpy2.robjects.pandas2ri, or call augmented_gmm() in R",
    ),
)


def refuse_rows(value: object, where: str) -> None:
    """Raise if rows to predict cannot be read, or their predictions not told apart."""
    if not isinstance(value, (Mapping, list, tuple, np.ndarray)):
        refuse_unread(value, where)
    if isinstance(value, (str, Path)) or _classes(value)[0][0] == "dask":
        raise DataError(
            f"{where} must be in memory, and are a {type_name(value)}. Predict them "
            "part by part: frame.map_partitions(result.predict), with a Dask DataFrame."
        )
    kind = _among(value, _OF_TABLES)
    if kind is not None and not kind.ordered:
        raise DataError(
            f"{where} are a {_called(value)}, whose rows have no order, so nothing "
            f"would say which prediction is whose. Collect them first, with "
            f"{kind.collect}."
        )


def refuse_positions(frames: Sequence[tuple[str, Any]], on: object) -> None:
    """Raise if rows without an order would be matched by position: `on` is missing."""
    if on is not None or len(frames) < 2:
        return
    for where, frame in frames:
        if is_unordered(frame):
            raise AlignmentError(
                f"{where} is a {_called(frame)}, whose rows have no order, so they "
                "cannot be matched by position. Set on= to the column that identifies "
                "units in every table."
            )


def refuse_values_by_row(data: Any, **options: Any) -> None:
    """Raise if values were given row by row for data whose rows have no order."""
    if not is_unordered(data):
        return
    for option, value in options.items():
        if not isinstance(value, str) and np.ndim(values_of(value)):
            raise AlignmentError(
                f"{option}= has one value per row, but data is a {_called(data)}, "
                f"whose rows have no order. Make it a column of data: {option}='name'."
            )


def _called(frame: Any) -> str:
    """Name of a kind of table, for a message."""
    kind = _among(frame, _OF_TABLES)
    if kind is None or kind.library == "narwhals":
        return type(frame).__name__
    return f"{kind.library} {type(frame).__name__}"


def by_unit(value: Any, option: str) -> Any:
    """
    Values of all units: with an index as in pandas, else as they are.

    Shapes: `value` (T, columns).
    """
    value = opened(value)
    kind = _among(value, _OF_TABLES)
    if kind is not None and kind.indexed:
        return kind.read(value, names_of_columns(value))
    if kind is not None and not kind.ordered:
        raise AlignmentError(
            f"{option} is a {_called(value)}, whose rows have no order, so nothing "
            f"says which unit each is. Collect it, with {kind.collect}, and give a "
            "pandas object indexed by unit."
        )
    return value


def names_of_columns(frame: Any) -> list[Any]:
    """Names of the columns of a table of any kind."""
    library, name = _classes(frame)[0]
    if library == "pyarrow":
        return list(frame.column_names)  # its columns are their values
    if name == "LazyFrame":
        return list(frame.collect_schema().names())
    return list(frame.columns)


def to_pandas(
    frame: Any, wanted: Iterable[Any], required: Iterable[Any], where: str
) -> pd.DataFrame:
    """Columns of a table of another library as a pandas DataFrame."""
    kind = _among(frame, _OF_TABLES)
    if kind is None:
        return frame  # type: ignore[no-any-return]
    names = names_of_columns(frame)
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise DataError(f"{where} has two columns named {repeated[0]!r}. Rename one.")
    some = set(wanted)
    if not some.isdisjoint(names) and set(required) <= set(names):
        names = [name for name in names if name in some]
    try:
        return kind.read(frame, names)
    except ImportError as error:
        raise DataError(
            f"{where} is a {_called(frame)}, which cannot be read here: {error}. "
            f"Install or upgrade narwhals and pyarrow, or give a pandas DataFrame."
        ) from error


def column_of(frame: Any, name: Any, rows: Any = None) -> pd.Series:
    """One column of a table in memory, without its index."""
    column = frame[name]
    if rows is not None:
        column = column.take(rows) if hasattr(column, "take") else column[rows]
    found = _converted(column)
    if not isinstance(found.index, pd.RangeIndex):
        found = found.reset_index(drop=True)
    return found.rename(name)


@dataclass(frozen=True)
class Uncollected:
    """
    The further columns of a table without an order, matched by unit when asked for.

    Parameters
    ----------
    frame : Any
        The table; None where it was pickled, which a connection cannot be.
    names : tuple
        Names of its columns.
    keys : tuple
        Columns that identify units.
    where : str
        What it is, for messages.
    """

    frame: Any
    names: tuple[Any, ...]
    keys: tuple[Hashable, ...]
    where: str

    def __getstate__(self) -> dict[str, Any]:
        """Leave the table, and with it its connection, behind."""
        return {**self.__dict__, "frame": None}

    @property
    def columns(self) -> list[Any]:
        """Names of its columns."""
        return list(self.names)

    def refuse_by_row(self, value: Any, option: str) -> None:
        """Raise if values were given that have no unit to tell whose they are."""
        value = opened(value)
        inner = list(value) if isinstance(value, (list, tuple)) else [value]
        if isinstance(value, Mapping):
            inner = list(value.values())
        named = all(isinstance(own, (pd.Series, pd.DataFrame)) for own in inner)
        if value is None or np.isscalar(value) or (self.keys and inner and named):
            return
        how = "indexed by unit" if self.keys else "indexed by unit, and set on="
        raise AlignmentError(
            f"{option} has one value per row, but the rows of data were collected from "
            "a table without an order. Give a column of data, or a pandas object "
            f"{how}."
        )

    def column(self, name: Any, index: pd.Index) -> pd.Series:
        """
        One more column, for rows whose units are known.

        Shapes: `index` (rows,) -> (rows,).
        """
        first = f"{self.where}: column {name!r} was not collected with the others"
        if not self.keys:
            raise DataError(
                f"{first}, and rows have no order. Set on= to the column that "
                "identifies units, or collect the table first."
            )
        if self.frame is None:
            raise DataError(
                f"{first}, and a pickled model has no connection. Collect the table "
                "before making the model."
            )
        names = list(dict.fromkeys([*self.keys, name]))
        found = to_pandas(self.frame, names, names, self.where)
        values = found.set_axis(found[list(self.keys)].set_index([*self.keys]).index)
        one = values[name][values[name].notna()]
        rows = one.index.to_frame(index=False).assign(_=one.to_numpy())
        one = one[~rows.duplicated().to_numpy()]
        twice = one.index[one.index.duplicated()].unique()
        if len(twice):
            raise DataError(
                f"{self.where}: column {name!r} has two values for "
                f"{count(len(twice), 'unit')} ({name_units(twice)}). A unit has one."
            )
        column: pd.Series = one.reindex(index).reset_index(drop=True)
        return column


def further_columns(frame: Any, keys: Sequence[Hashable], where: str) -> Any:
    """Where the columns of a table are found that are asked for later, if anywhere."""
    if is_unordered(frame):
        return Uncollected(frame, tuple(names_of_columns(frame)), tuple(keys), where)
    return frame if is_other_frame(frame) else None


def further_column(other: Any, name: Any, index: pd.Index) -> pd.Series | None:
    """
    A column that was not read at first; None where there is none of this name.

    Shapes: `index` (rows,) -> (rows,).
    """
    if other is None or name not in names_of_columns(other):
        return None
    if isinstance(other, Uncollected):
        return other.column(name, index)
    return column_of(other, name)


def values_of(value: Any) -> Any:
    """Values of a column of another library, or of a masked array, given by itself."""
    value = opened(without_mask(value))
    kind = _among(value, _OF_COLUMNS)
    if kind is None:
        return value
    if not kind.ordered:
        raise DataError(
            f"A {kind.library} {type(value).__name__} has no values of its own. Give "
            "the name of a column."
        )
    # An Arrow array that is no column of a table is unknown to narwhals.
    alone = ("pyarrow", "Array") in _classes(value)
    series = pd.Series(value.to_pandas()) if alone else _converted(value)
    return series.to_numpy()


def _converted(given: Any) -> pd.Series:
    """A column in the type that a pandas user would have."""
    import narwhals as nw  # noqa: PLC0415 - importing it costs time

    series = nw.from_native(given, series_only=True)
    column = nw.to_native(series)
    library = _classes(column)[0][0]
    if library == "cudf":
        return column.to_pandas(nullable=True)  # type: ignore[no-any-return]
    if library in ("modin", "pandas"):
        return pd.Series(series.to_pandas())
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
    if library == "pyarrow":
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

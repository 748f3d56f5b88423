"""Tables of every library that narwhals knows give the numbers of pandas."""

from __future__ import annotations

from collections.abc import Callable
import importlib
import os
import pickle
import sqlite3
from types import ModuleType
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.data.kinds import column_of, opened, to_pandas
from statsmodels_synth.exceptions import AlignmentError, DataError
from tests.data.test_frame_kinds import (
    assert_same,
    build,
    make_frames,
    to_arrow,
    to_polars,
)

Convert = Callable[[pd.DataFrame], Any]


def library(name: str) -> ModuleType:
    """A library that need not be installed."""
    os.environ.setdefault("MODIN_ENGINE", "python")
    return pytest.importorskip(name, exc_type=ImportError)


def lazy_polars(frame: pd.DataFrame) -> Any:
    return to_polars(frame).lazy()


def duckdb(frame: pd.DataFrame) -> Any:
    return library("duckdb").connect().from_arrow(to_arrow(frame))


def ibis(frame: pd.DataFrame) -> Any:
    library("duckdb")
    return library("ibis").memtable(to_arrow(frame))


def sqlframe(frame: pd.DataFrame) -> Any:
    library("duckdb")
    library("sqlframe")
    session = importlib.import_module("sqlframe.duckdb").DuckDBSession()
    return session.createDataFrame(to_arrow(frame).to_pylist())


def modin(frame: pd.DataFrame) -> Any:
    library("modin")
    return importlib.import_module("modin.pandas").DataFrame(frame)


def narwhals(frame: pd.DataFrame) -> Any:
    return nw.from_native(to_polars(frame))


def lazy_narwhals(frame: pd.DataFrame) -> Any:
    return nw.from_native(lazy_polars(frame))


LAZY = {"polars": lazy_polars, "duckdb": duckdb, "ibis": ibis}
#: Read in the same way; looked at once.
MORE_LAZY = {"sqlframe": sqlframe, "narwhals": lazy_narwhals}
EAGER = {"modin": modin, "narwhals": narwhals}


@pytest.fixture(params=LAZY)
def lazy(request: pytest.FixtureRequest) -> Convert:
    return LAZY[request.param]


@pytest.fixture(params=EAGER)
def eager(request: pytest.FixtureRequest) -> Convert:
    return EAGER[request.param]


def same_fit(one: AugmentedGMM, other: AugmentedGMM, **options: Any) -> None:
    """Numbers to 1e-12: rows in another order are summed in another order."""
    assert one.exog_names == other.exog_names
    a, b = one.fit(**options), other.fit(**options)
    np.testing.assert_allclose(a.params, b.params, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(a.bse, b.bse, rtol=1e-10)
    assert a.n_labeled == b.n_labeled
    assert a.n_units == b.n_units


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
@pytest.mark.parametrize("right", ["x + count", "x + C(text) + flag"])
def test_lazy_tables_matched_by_unit(lazy: Convert, right: str, engine: str) -> None:
    """The sources' rows come in another order than those of data."""

    def shuffled(frame: pd.DataFrame) -> Any:
        return lazy(frame.sample(frac=1, random_state=len(frame)))

    one = build(shuffled, f"y ~ {right}", engine=engine)
    same_fit(one, build(None, f"y ~ {right}", engine=engine))


@pytest.mark.parametrize("more", MORE_LAZY)
def test_more_lazy_tables(more: str) -> None:
    same_fit(build(MORE_LAZY[more], "y ~ x + C(text)"), build(None, "y ~ x + C(text)"))


@pytest.mark.parametrize("name", ["polars", "duckdb"])
def test_categories_of_lazy_tables(name: str) -> None:
    """Those of an Enum keep their order; Ibis has none."""

    def convert(frame: pd.DataFrame) -> Any:
        table = LAZY[name](frame)
        if name == "polars" or "level" not in frame:
            return table
        kind = "level::VARCHAR::ENUM('mid', 'low', 'high')"
        return table.project(f"* REPLACE ({kind} AS level)")

    same_fit(build(convert, "y ~ x + level"), build(None, "y ~ x + level"))


def test_lazy_tables_beside_others(lazy: Convert) -> None:
    data, llm, _ = make_frames()
    expected = AugmentedGMM.from_formula("y ~ x", data, llm, on="id")
    for left, right in ((data, lazy(llm)), (lazy(data), llm), (lazy(data), lazy(llm))):
        same_fit(AugmentedGMM.from_formula("y ~ x", left, right, on="id"), expected)


def test_one_wide_lazy_table(lazy: Convert) -> None:
    data = make_frames()[0]
    options = {"weights": "w", "labeled": "chosen", "strata": "stratum"}
    one, other = (
        AugmentedGMM.from_formula("y ~ x + count", frame, {"y": "guess"}, **options)
        for frame in (lazy(data), data)
    )
    same_fit(one, other)
    assert set(one.data.frame) == {"y", "x", "count", "guess", "w", "chosen", "stratum"}


def test_columns_asked_for_later_are_matched_by_unit(lazy: Convert) -> None:
    one, other = build(lazy), build(None)
    assert set(one.unit_columns.data) == {"id", "y", "x"}
    same_fit(one, other, cov_type="cluster", cov_kwds={"groups": "cluster"})
    for by in ("stratum", "text"):
        np.testing.assert_allclose(
            one.fit().diagnostics(by=by).subgroups.select_dtypes("number").to_numpy(),
            other.fit().diagnostics(by=by).subgroups.select_dtypes("number").to_numpy(),
            rtol=1e-9,
            atol=1e-12,
        )
    by_unit = make_frames()[0].set_index("id")["cluster"].sample(frac=1, random_state=1)
    same_fit(one, other, cov_type="cluster", cov_kwds={"groups": by_unit})
    with pytest.raises(DataError, match="Did you mean 'cluster'"):
        one.fit(cov_type="cluster", cov_kwds={"groups": "clusters"})


def test_pickles_leave_the_connection_behind(lazy: Convert) -> None:
    model = build(lazy)
    loaded = pickle.loads(pickle.dumps(model))
    assert_same(model, loaded)
    with pytest.raises(DataError, match="pickled model has no connection"):
        loaded.fit(cov_type="cluster", cov_kwds={"groups": "cluster"})


def test_columns_of_a_wide_lazy_table_are_not_guessed(lazy: Convert) -> None:
    data = make_frames()[0]
    model = AugmentedGMM.from_formula("y ~ x", lazy(data), {"y": "guess"})
    with pytest.raises(DataError, match=r"'cluster' was not collected.*Set on="):
        model.fit(cov_type="cluster", cov_kwds={"groups": "cluster"})
    with pytest.raises(AlignmentError, match=r"groups has one value per row.*set on="):
        model.fit(cov_type="cluster", cov_kwds={"groups": data["cluster"]})
    with pytest.raises(AlignmentError, match="endog has one value per row"):
        model.fit_many(data[["y"]])


def test_a_unit_of_a_lazy_table_has_one_value(lazy: Convert) -> None:
    data, llm, _ = make_frames()
    twice = pd.concat([llm, llm.iloc[:9]], ignore_index=True)
    twice["place"] = np.arange(len(twice)) // 2
    model = AugmentedGMM.from_formula("y ~ x", data, lazy(twice), on="id")
    with pytest.raises(DataError, match="'place' has two values for 9 units"):
        model.fit(cov_type="cluster", cov_kwds={"groups": "place"})


def test_fit_many_on_units_of_a_lazy_table(lazy: Convert) -> None:
    data = make_frames()[0]
    sets = data.set_index("id")[["y"]].assign(z=lambda d: d["y"] + 1)
    one, other = (
        [r.params for r in build(c).fit_many(sets.sample(frac=1, random_state=3))]
        for c in (lazy, None)
    )
    np.testing.assert_allclose(one, other, rtol=1e-12)
    with pytest.raises(AlignmentError, match="endog has one value per row"):
        build(lazy).fit_many(sets.to_numpy())
    with pytest.raises(AlignmentError, match=r"endog is a .*rows have no order"):
        build(None).fit_many(lazy(data[["y"]]))


# What is refused of rows without an order


def test_lazy_rows_are_not_matched_by_position(lazy: Convert) -> None:
    data = make_frames()[0]
    same = data[["y", "guess"]].rename(columns={"guess": "y", "y": "z"})
    for left, right in ((data, lazy(same)), (lazy(data), same)):
        with pytest.raises(AlignmentError, match=r"rows have no order.*Set on="):
            AugmentedGMM.from_formula("y ~ x", left, right)
    for option in ("weights", "offset", "labeling_prob", "strata", "labeled"):
        with pytest.raises(AlignmentError, match=f"^{option}= has one value per row"):
            AugmentedGMM.from_formula(
                "y ~ x", lazy(data), {"y": "guess"}, **{option: data["chosen"]}
            )


def test_lazy_rows_are_not_predicted(lazy: Convert) -> None:
    new = make_frames()[0]
    result = build(None).fit()
    for call in (
        result.predict,
        result.get_prediction,
        lambda rows: result.predict(rows, transform=False),
        lambda rows: result.predict(rows, offset="off"),
    ):
        with pytest.raises(DataError, match=r"which prediction is whose.*Collect"):
            call(lazy(new))


@pytest.mark.parametrize("make", LAZY.values(), ids=LAZY)
def test_columns_without_values(make: Convert) -> None:
    data = make_frames()[0]
    table = make(data)
    column: Any = pl.col("w")
    if make is duckdb:
        column = library("duckdb").ColumnExpression("w")
    elif make is not lazy_polars:
        column = table["w"]
    with pytest.raises(DataError, match=r"no values of its own.*name of a column"):
        AugmentedGMM.from_formula("y ~ x", data, {"y": "guess"}, weights=column)


# Tables in memory


@pytest.mark.parametrize("right", ["x + count", "x + level + C(text) + flag"])
def test_eager_tables(eager: Convert, right: str) -> None:
    one, other = build(eager, f"y ~ {right}"), build(None, f"y ~ {right}")
    assert_same(one, other)
    options = {"cov_type": "cluster", "cov_kwds": {"groups": "cluster"}}
    np.testing.assert_array_equal(one.fit(**options).bse, other.fit(**options).bse)
    column = eager(make_frames()[0])["cluster"]
    options["cov_kwds"] = {"groups": column}
    np.testing.assert_array_equal(one.fit(**options).bse, other.fit(**options).bse)
    np.testing.assert_array_equal(
        one.fit().diagnostics(by=eager(make_frames()[0])["text"]).subgroups.to_numpy(),
        other.fit().diagnostics(by="text").subgroups.to_numpy(),
    )
    new = make_frames()[0].iloc[3:9].reset_index(drop=True)
    np.testing.assert_array_equal(
        one.fit().predict(eager(new), offset="off"),
        other.fit().predict(new, offset="off"),
    )
    np.testing.assert_array_equal(
        one.fit().get_prediction(eager(new), offset=eager(new)["off"]).predicted,
        other.fit().get_prediction(new, offset=new["off"]).predicted,
    )


@pytest.mark.parametrize("option", ["weights", "offset", "labeled", "strata"])
def test_eager_columns(eager: Convert, option: str) -> None:
    name = {"weights": "w", "offset": "off", "labeled": "chosen", "strata": "stratum"}
    data = make_frames()[0]
    one, other = (
        AugmentedGMM.from_formula(
            "y ~ x", c(data), {"y": "guess"}, **{option: c(data)[name[option]]}
        )
        for c in (eager, lambda frame: frame)
    )
    assert_same(one, other)
    np.testing.assert_array_equal(one.fit().bse, other.fit().bse)


def test_eager_label_sets(eager: Convert) -> None:
    data = make_frames()[0]
    model = AugmentedGMM.from_formula("y ~ x", data, {"y": "guess"})
    sets = pd.DataFrame({"a": data["y"], "b": data["y"] + 1})
    expected = [r.params for r in model.fit_many(sets)]
    for given in (eager(sets), {n: eager(sets)[n] for n in sets}):
        found = [r.params for r in model.fit_many(given)]
        np.testing.assert_array_equal(found, expected)


def test_an_index_names_units_as_in_pandas() -> None:
    data, llm, sim = (frame.set_index("id") for frame in make_frames())
    one, other = (
        AugmentedGMM.from_formula("y ~ x", c(data), c(llm), c(sim))
        for c in (modin, lambda frame: frame)
    )
    assert_same(one, other)
    shuffled = data["w"].sample(frac=1, random_state=0)
    with pytest.raises(AlignmentError, match="index differs from that of data"):
        AugmentedGMM.from_formula(
            "y ~ x", data, llm, weights=modin(shuffled.to_frame())["w"]
        )
    sets = modin(data[["y"]].sample(frac=1, random_state=0))
    np.testing.assert_array_equal(
        next(iter(one.fit_many(sets))).params, other.fit().params
    )


class CudfFrame:
    """As much of a frame of cuDF as is called: there is no GPU to test on."""

    __module__ = "cudf.core.dataframe"

    def __init__(self, table: pd.DataFrame) -> None:
        self.table, self.columns = table, table.columns

    def __getitem__(self, names: list[str]) -> CudfFrame:
        return CudfFrame(self.table[names])

    def to_pandas(self, nullable: bool = False) -> pd.DataFrame:
        return self.table.convert_dtypes() if nullable else self.table


CudfFrame.__name__ = "DataFrame"


def test_what_is_called_of_cudf() -> None:
    assert_same(build(CudfFrame, "y ~ x + count"), build(None, "y ~ x + count"))


TYPES = {
    "gaps": ([1, None, 2**53 + 1], pa.int64()),
    "truth": ([True, None, False], pa.bool_()),
    "text": (["b", None, "a"], pa.string()),
    "money": (["1.5", None, "2.25"], pa.decimal128(9, 2)),
    "single": ([1.5, None, 0.1], pa.float32()),
    "day": ([0, None, 365], pa.date32()),
}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("make", ["duckdb", "ibis"])
def test_types_of_collected_columns(name: str, make: str) -> None:
    """What a database gives is what the same table of Arrow gives."""
    values, kind = TYPES[name]
    base = pa.array(values, kind if name != "money" else pa.string()).cast(kind)
    table = pa.table({name: base})
    given = (
        library("duckdb").connect().from_arrow(table)
        if make == "duckdb"
        else library("ibis").memtable(table)
    )
    found = to_pandas(given, [name], [name], "data")
    pd.testing.assert_series_equal(found[name], column_of(table, name))


# What is no table


class Foreign:
    """Something of a library that nobody knows."""


@pytest.mark.parametrize(
    ("value", "what", "advice"),
    [
        ([{"y": 1.0, "x": 2.0}], "a list of dicts", "pandas.DataFrame"),
        ([(1.0, 2.0)], "a list of rows", "columns="),
        (np.zeros(3, [("y", float)]), "a structured array", "pandas.DataFrame"),
        (np.zeros((3, 2)), "a ndarray", "columns="),
        ({"y": [1.0], "x": [2.0]}, "a dict of columns", "pandas.DataFrame"),
        (sqlite3.connect(":memory:"), "of sqlite3", "read_sql"),
        (sqlite3.connect(":memory:").execute("select 1"), "of sqlite3", "read_sql"),
        (type("Dataset", (), {"__module__": "xarray"})(), "of xarray", "to_dataframe"),
        (type("DataFrame", (), {"__module__": "rpy2.x"})(), "of R", "pandas2ri"),
        (Foreign(), "a Foreign", "DataFrame"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_what_is_no_table_is_named(value: Any, what: str, advice: str) -> None:
    data = make_frames()[0]
    for call in (
        lambda: AugmentedGMM.from_formula("y ~ x", value, {"y": "guess"}),
        lambda: AugmentedGMM.from_formula("y ~ x", data, value),
        lambda: AugmentedGMM.from_formula("y ~ x", data, {"a": value, "b": data}),
    ):
        with pytest.raises(DataError, match=f"{what}.*{advice}"):
            call()


def test_narwhals_of_pandas_is_pandas() -> None:
    frame = make_frames()[0]
    assert opened(nw.from_native(frame)) is frame
    column = opened(nw.from_native(frame["w"], series_only=True))
    pd.testing.assert_series_equal(column, frame["w"])


class Wrapped:
    """A table of which only narwhals knows what it is, by its own protocol."""

    def __init__(self, table: pl.DataFrame) -> None:
        self.table = nw.from_native(table)

    def __narwhals_dataframe__(self) -> Any:
        return self.table._compliant_frame

    def __len__(self) -> int:
        return len(self.table)


def test_tables_without_a_row_of_their_own() -> None:
    assert_same(build(lambda f: Wrapped(to_polars(f))), build(None))

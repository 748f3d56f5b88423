"""Frames of polars and Arrow give the numbers of the same frames in pandas."""

from __future__ import annotations

from collections.abc import Callable
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.data.kinds import column_of, to_pandas
from statsmodels_synth.exceptions import AlignmentError, DataError, FormulaError

T = 200


def to_polars(frame: pd.DataFrame) -> pl.DataFrame:
    """The same frame in polars; categories become an Enum, NaN a null."""
    columns = {}
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            kind = pl.Enum([str(c) for c in column.cat.categories])
            columns[name] = pl.Series(
                column.astype(object).where(column.notna(), None), dtype=kind
            )
        else:
            columns[name] = pl.Series(
                [
                    None if missing else value
                    for value, missing in zip(column, column.isna(), strict=True)
                ]
            )
    return pl.DataFrame(columns)


def to_arrow(frame: pd.DataFrame) -> pa.Table:
    """The same frame in Arrow, NaN as null."""
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()


KINDS = {"polars": to_polars, "arrow": to_arrow}
Convert = Callable[[pd.DataFrame], Any]


@pytest.fixture(params=KINDS)
def convert(request: pytest.FixtureRequest) -> Convert:
    return KINDS[request.param]


def make_frames() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """All units in data, a proxy of y for some, a synthetic frame with replicates."""
    rng = np.random.default_rng(11)
    chosen = (np.arange(T) % 2 < 1) & (np.arange(T) < 180)
    x = rng.normal(size=T)
    level = pd.Categorical(
        rng.choice(["low", "mid", "high"], T), ["mid", "low", "high"]
    )
    flag = rng.uniform(size=T) < 0.4
    y = 1 + x + (level == "high") - flag + rng.normal(size=T)
    data = pd.DataFrame(
        {
            "id": [f"u{k:03d}" for k in range(T)],
            "y": np.where(chosen, y, np.nan),
            "x": x,
            "count": rng.integers(0, 5, T),
            "level": level,
            "text": rng.choice(["b", "a"], T),
            "flag": flag,
            "guess": y + rng.normal(scale=0.4, size=T),
            "w": rng.uniform(1, 2, T),
            "off": rng.normal(scale=0.1, size=T),
            "prob": np.where(np.arange(T) < 100, 0.5, 0.4),
            "stratum": rng.choice(["s", "t"], T),
            "cluster": rng.integers(0, 40, T),
            "chosen": chosen,
        }
    )
    llm = data[["id"]].assign(y=y + rng.normal(scale=0.5, size=T)).iloc[: T - 20]
    llm.loc[llm.index[[5, 7]], "y"] = np.nan
    rows = np.r_[np.arange(T), np.arange(0, T, 3)]
    sim = data.iloc[rows].assign(
        y=(y + rng.normal(scale=0.6, size=T))[rows],
        x=(x + 0.1)[rows],
    )
    sim = sim.sample(frac=1, random_state=1).reset_index(drop=True)
    columns = ["id", "y", "x", "count", "level", "text", "flag", "w", "off"]
    return data, llm.reset_index(drop=True), sim[columns]


def build(convert: Convert | None, text: str = "y ~ x", **options: Any) -> AugmentedGMM:
    """The model from all three frames, as they are or converted."""
    frames = make_frames()
    if convert is not None:
        frames = tuple(convert(frame) for frame in frames)
    data, llm, sim = frames
    options.setdefault("on", "id")
    return AugmentedGMM.from_formula(
        text, data, proxy={"llm": llm}, synthetic={"sim": sim}, **options
    )


def assert_same(one: AugmentedGMM, other: AugmentedGMM) -> None:
    """Every array, to the last bit, and the names."""
    assert one.exog_names == other.exog_names
    np.testing.assert_array_equal(one.exog, other.exog)
    np.testing.assert_array_equal(one.endog, other.endog)
    assert list(one.unit_index) == list(
        other.unit_index
    )  # pandas 2 has two kinds of text
    for a, b in zip(one.aligned.sources, other.aligned.sources, strict=True):
        assert a.n_dropped == b.n_dropped
        np.testing.assert_array_equal(a.endog, b.endog)
        np.testing.assert_array_equal(a.exog, b.exog)
        np.testing.assert_array_equal(a.unit_positions, b.unit_positions)


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
@pytest.mark.parametrize(
    "right", ["x + count", "x + level", "x + C(text)", "flag + center(x)", "text * x"]
)
def test_the_numbers_of_pandas(convert: Convert, right: str, engine: str) -> None:
    one = build(convert, f"y ~ {right}", engine=engine)
    other = build(None, f"y ~ {right}", engine=engine)
    assert_same(one, other)
    assert np.array_equal(one.fit().params, other.fit().params)


@pytest.mark.parametrize("right", ["x + count", "x + level + flag"])
def test_predictions(convert: Convert, right: str) -> None:
    one, other = (build(c, f"y ~ {right}").fit() for c in (convert, None))
    new = make_frames()[0].iloc[3:9].reset_index(drop=True)
    new.loc[2, "x"] = np.nan
    np.testing.assert_array_equal(one.predict(convert(new)), other.predict(new))
    pd.testing.assert_frame_equal(
        one.get_prediction(convert(new)).summary_frame(),
        other.get_prediction(new).summary_frame(),
    )
    with pytest.raises(FormulaError, match=r"no column '(count|level)'"):
        one.predict(convert(new[["x", "w"]]))


@pytest.mark.parametrize("form", ["wide", "alone", "mixed"])
def test_forms_of_sources(convert: Convert, form: str) -> None:
    data, llm, sim = make_frames()

    def model(c: Callable[[pd.DataFrame], Any]) -> AugmentedGMM:
        if form == "wide":  # rows are units
            return AugmentedGMM.from_formula("y ~ x", c(data), proxy={"y": "guess"})
        if form == "alone":
            return AugmentedGMM.from_formula("y ~ x", c(data), c(llm), c(sim), on="id")
        sources = {"llm": llm, "columns": {"y": "guess"}}
        return AugmentedGMM.from_formula("y ~ x", c(data), sources, sim, on="id")

    assert_same(model(convert), model(lambda frame: frame))


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.CoverageWarning")
def test_gaps_in_columns_of_every_type(convert: Convert) -> None:
    data, llm, sim = make_frames()
    for k, name in enumerate(["x", "level", "flag", "text", "count"]):
        data[name] = data[name].astype(object if name == "flag" else data[name].dtype)
        data[name] = data[name].where(np.arange(T) % 37 != k)
        sim[name] = sim[name].astype(object if name == "flag" else sim[name].dtype)
        sim[name] = sim[name].where(np.arange(len(sim)) % 41 != k)

    def model(c: Callable[[pd.DataFrame], Any]) -> AugmentedGMM:
        return AugmentedGMM.from_formula(
            "y ~ x + level + flag + text + count", c(data), c(llm), c(sim), on="id"
        )

    one, other = model(convert), model(lambda frame: frame)
    assert_same(one, other)
    assert one.aligned.sources[1].n_dropped > 20


@pytest.mark.parametrize(
    "options",
    [
        {"weights": "w"},
        {"offset": "off"},
        {"labeling_prob": "prob"},
        {"strata": "stratum"},
        {"labeled": "chosen"},
    ],
    ids=lambda o: next(iter(o)),
)
@pytest.mark.parametrize("as_array", [False, True])
def test_options(convert: Convert, options: dict[str, str], as_array: bool) -> None:
    ((option, name),) = options.items()
    data = make_frames()[0]

    def model(c: Callable[[pd.DataFrame], Any]) -> AugmentedGMM:
        frame = c(data)
        value = frame[name] if as_array else name
        return AugmentedGMM.from_formula(
            "y ~ x", frame, proxy={"y": "guess"}, **{option: value}
        )

    one, other = model(convert), model(lambda frame: frame)
    assert_same(one, other)
    np.testing.assert_array_equal(one.fit().bse, other.fit().bse)


def test_exposure(convert: Convert) -> None:
    def model(c: Callable[[pd.DataFrame], Any]) -> AugmentedGMM:
        data = make_frames()[0]
        data["y"] = np.floor(data["y"].abs())
        data["guess"] = np.floor(data["guess"].abs())
        return AugmentedGMM.from_formula(
            "y ~ x", c(data), {"y": "guess"}, family=sm.families.Poisson(), exposure="w"
        )

    one, other = model(convert), model(lambda frame: frame)
    np.testing.assert_array_equal(one.fit().params, other.fit().params)


def test_columns_asked_for_after_the_model_was_made(convert: Convert) -> None:
    """Clusters and subgroups: only then are these columns converted."""
    one, other = build(convert), build(None)
    assert set(one.unit_columns.data) == {"id", "y", "x"}
    clustered = {"cov_type": "cluster", "cov_kwds": {"groups": "cluster"}}
    expected = other.fit(**clustered).bse
    np.testing.assert_array_equal(one.fit(**clustered).bse, expected)
    for by in ("stratum", "level", "text"):
        np.testing.assert_array_equal(
            one.fit().diagnostics(by=by).subgroups.to_numpy(),
            other.fit().diagnostics(by=by).subgroups.to_numpy(),
        )
    column = convert(make_frames()[0])["cluster"]
    clustered["cov_kwds"] = {"groups": column}
    np.testing.assert_array_equal(one.fit(**clustered).bse, expected)
    with pytest.raises(DataError, match="Did you mean 'cluster'"):
        one.fit(cov_type="cluster", cov_kwds={"groups": "clusters"})


def test_pickles_and_removed_data(convert: Convert) -> None:
    model = build(convert)
    assert_same(model, pickle.loads(pickle.dumps(model)))
    result = model.fit()
    result.remove_data()
    assert b"u007" not in pickle.dumps(result)


@pytest.mark.skipif(
    int(pd.__version__.partition(".")[0]) < 3, reason="pandas 2 copies columns"
)
def test_numbers_without_gaps_are_not_copied(convert: Convert) -> None:
    frame = convert(make_frames()[0])
    whole = to_pandas(frame, ["x", "count"], [], "data")
    assert list(whole) == ["x", "count"]
    for name in whole:
        column = frame[name]
        memory = (
            column.chunk(0).to_numpy()
            if isinstance(frame, pa.Table)
            else column.to_numpy()
        )
        assert np.shares_memory(whole[name].to_numpy(), memory)


def test_the_frames_of_the_user_are_not_changed(convert: Convert) -> None:
    frame = convert(make_frames()[0])
    same = convert(make_frames()[0])
    AugmentedGMM.from_formula("y ~ x", frame, {"y": "guess"}, weights="w").fit()
    assert frame.equals(same)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series(["v", "u", None], dtype=pl.Categorical), ["v", "u", None]),
        (pl.Series([1, None, 3], dtype=pl.Int8), [1, np.nan, 3]),
        (pl.Series(["1.5", None]).cast(pl.Decimal(5, 2)), [1.5, np.nan]),
        (pa.chunked_array([["u", None], ["v"]]), ["u", None, "v"]),
        (pa.chunked_array([[1, 2], [3]]), [1, 2, 3]),
        (
            pa.chunked_array([pa.array(["u", None, "v"]).dictionary_encode()]),
            ["u", None, "v"],
        ),
        (
            pa.chunked_array([pa.array([1.5, None]).cast(pa.decimal128(5, 2))]),
            [1.5, np.nan],
        ),
        (pa.chunked_array([pa.array([2.5, None], pa.float32())]), [2.5, np.nan]),
    ],
    ids=str,
)
def test_types_of_columns(values: Any, expected: list[Any]) -> None:
    column = column_of({"a": values}, "a")
    assert column.isna().tolist() == [pd.isna(v) for v in expected]
    assert column.dropna().tolist() == [v for v in expected if not pd.isna(v)]
    numbers = [isinstance(v, (int, float)) and not pd.isna(v) for v in expected]
    assert pd.api.types.is_numeric_dtype(column.dtype) == any(numbers)


def test_levels_keep_their_order() -> None:
    level = make_frames()[0]["level"]
    for column in (
        to_polars(level.to_frame())["level"],
        to_arrow(level.to_frame())["level"],
    ):
        converted = column_of({"level": column}, "level")
        assert list(converted.cat.categories) == ["mid", "low", "high"]


# What is refused


def test_rows_are_not_matched_by_position(convert: Convert) -> None:
    with pytest.raises(AlignmentError, match="default indexes of different length"):
        build(convert, on=None)
    with pytest.raises(AlignmentError, match=r"no column 'idd' .*Did you mean 'id'"):
        build(convert, on="idd")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (ds.dataset(pa.table({"y": [1.0]})), r"pyarrow Dataset.*\.to_table\(\)"),
        (
            pa.table({"y": [1.0]}).to_reader(),
            r"pyarrow RecordBatchReader.*\.read_all\(\)",
        ),
    ],
    ids=["dataset", "reader"],
)
def test_what_is_not_in_memory(value: Any, read: str) -> None:
    data, llm, _ = make_frames()
    with pytest.raises(DataError, match=f"data is a {read}"):
        AugmentedGMM.from_formula("y ~ x", value, {"y": "guess"})
    with pytest.raises(DataError, match=f"proxy= is a {read}"):
        AugmentedGMM.from_formula("y ~ x", data, value)
    with pytest.raises(DataError, match=f"'a': .* is a {read}"):
        AugmentedGMM.from_formula("y ~ x", data, llm, {"a": value, "b": llm})
    result = AugmentedGMM.from_formula("y ~ x", data, {"y": "guess"}).fit()
    with pytest.raises(DataError, match=f"the rows to predict is a {read}"):
        result.predict(value)


def test_misspelt_columns(convert: Convert) -> None:
    data = make_frames()[0]
    with pytest.raises(FormulaError, match="Did you mean 'count'"):
        build(convert, "y ~ counts")
    with pytest.raises(DataError, match=r"no column 'gues'.*Did you mean 'guess'"):
        AugmentedGMM.from_formula("y ~ x", convert(data), {"y": "gues"})
    with pytest.raises(DataError, match=r"none of the formula's columns.* 'stratum'"):
        AugmentedGMM.from_formula(
            "y ~ x", convert(data), convert(data[["id", "stratum"]]), on="id"
        )
    with pytest.raises(DataError, match=r"labeled='chose'.*Did you mean 'chosen'"):
        build(convert, labeled="chose")
    with pytest.raises(DataError, match=r"weights='ww' is not a column.*mean 'w'"):
        build(convert, weights="ww")


def test_two_columns_of_one_name() -> None:
    data = to_arrow(make_frames()[0])
    data = data.rename_columns(["x" if n == "w" else n for n in data.column_names])
    with pytest.raises(DataError, match="data has two columns named 'x'"):
        AugmentedGMM.from_formula("y ~ x", data, {"y": "guess"})


def test_neither_library_is_imported() -> None:
    code = (
        "import sys; sys.modules['polars'] = sys.modules['pyarrow'] = None; "
        "import statsmodels_synth, pandas as pd; "
        "d = pd.DataFrame({'x': range(40)}); d['g'] = d.x * 2.0 + d.x % 3; "
        "d['y'] = (d.g + d.x % 2).where(d.x % 4 < 2); "
        "statsmodels_synth.AugmentedGMM.from_formula('y ~ x', d, {'y': 'g'}).fit()"
    )
    assert not subprocess.run([sys.executable, "-c", code], check=False).returncode

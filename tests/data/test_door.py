"""Types of columns and arrays: the same numbers whatever holds them, or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import AlignmentError, DataError, FormulaError

ENGINES = ["patsy", "formulaic"]
T, N = 600, 200
Frame = pd.DataFrame


@pytest.fixture
def units() -> Frame:
    """Small integers, of which squares and products are too large for their type."""
    rng = np.random.default_rng(3)
    frame = Frame(
        {
            "age": rng.integers(18, 90, T).astype("int8"),
            "year": rng.integers(1990, 2020, T).astype("int16"),
            "g": rng.integers(1, 4, T).astype("int8"),
            "b": rng.random(T) < 0.5,
            "f": rng.normal(size=T).astype("float16"),
        }
    )
    truth = 0.1 * frame["age"] + rng.normal(size=T)
    frame["llm"] = truth + rng.normal(size=T)
    frame["y"] = truth.where(np.arange(T) < N)
    return frame


def model_of(frame: Any, right: str, engine: str = "patsy", **kwargs: Any) -> Any:
    """Model with a proxy among the columns."""
    return AugmentedGMM.from_formula(
        f"y ~ {right}", frame, proxy={"y": "llm"}, engine=engine, **kwargs
    )


def as_kind(frame: Frame, kind: str) -> Any:
    """The integers of a frame in another type, or the frame of another library."""
    small = ["age", "g"]
    if kind == "polars":
        return pl.from_pandas(frame.assign(f=frame["f"].astype("float32")))
    if kind == "arrow":
        return pa.Table.from_pandas(frame)
    if kind == "dask":
        return dd.from_pandas(frame, npartitions=3)
    if kind == "decimal":
        return frame.assign(age=frame["age"].map(lambda v: Decimal(int(v))))
    types = {
        "int8": {},
        "uint8": dict.fromkeys(small, "uint8"),
        "Int8": dict.fromkeys(small, "Int8") | {"year": "Int16"},
        "pyarrow": dict.fromkeys(small, "int8[pyarrow]") | {"year": "int16[pyarrow]"},
        "object": dict.fromkeys(["age", "g", "year"], object),
        "big-endian": {"age": ">i4", "year": ">i2", "g": ">i8"},
    }
    return frame.astype(types[kind])


KINDS = [
    *("int8", "uint8", "Int8", "pyarrow", "object", "big-endian"),
    *("polars", "arrow", "dask"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", [*KINDS, "decimal"])
@pytest.mark.parametrize(
    "right",
    [
        "age + I(age**2)",
        "I(100 - age) + I(age * 2):f + I((age + 50) * b)",
        "age*year",
        "I(age**11 / 1e15)",
    ],
)
def test_small_integers_do_not_overflow(
    units: Frame, right: str, kind: str, engine: str
) -> None:
    floats = units.astype({"age": float, "year": float, "f": float})
    expected = model_of(floats, right, engine).fit()
    result = model_of(as_kind(units, kind), right, engine).fit()
    # Rows in parts are added up in another order, and squares of years are large.
    rtol = 1e-5 if kind == "dask" else 1e-9
    np.testing.assert_allclose(result.params, expected.params, rtol=rtol)
    np.testing.assert_allclose(result.bse, expected.bse, rtol=rtol)
    if kind == "dask":
        return
    new = as_kind(units[:5], kind)
    np.testing.assert_allclose(
        result.predict(new), expected.predict(floats[:5]), rtol=1e-7
    )
    np.testing.assert_allclose(
        result.get_prediction(new).se, expected.get_prediction(floats[:5]).se, rtol=1e-6
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_source_of_small_integers_beside_floats(units: Frame, engine: str) -> None:
    floats = units.astype({"age": float})
    guess = units[["age"]].assign(y=units["llm"])
    formula = "y ~ age + I(age**2)"
    one, other = (
        AugmentedGMM.from_formula(formula, floats, source, engine=engine).fit()
        for source in (guess, guess.astype({"age": float}))
    )
    np.testing.assert_array_equal(one.params, other.params)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("right", "levels"),
    [
        ("C(g)", ["C(g)[T.2]", "C(g)[T.3]"]),
        ("C(g) + g:f", ["C(g)[T.2]", "C(g)[T.3]", "g:f"]),
        ("C(age % 2)", ["C(age % 2)[T.1]"]),
        ("g.astype(str)", ["g.astype(str)[T.2]", "g.astype(str)[T.3]"]),
        ("b", ["b[T.True]"]),
    ],
)
def test_levels_are_named_by_whole_numbers(
    units: Frame, right: str, levels: list[str], kind: str, engine: str
) -> None:
    names = model_of(as_kind(units, kind), right, engine).exog_names
    shown = [n.replace("[T.True]", "") for n in levels] if right == "b" else levels
    assert names == ["Intercept", *(shown if engine == "formulaic" else levels)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("where", ["data", "source"])
@pytest.mark.parametrize("right", ["C(g)", "C(g) + I(g**7):f"])
def test_gaps_in_some_frames_leave_the_names(
    units: Frame, right: str, where: str, engine: str
) -> None:
    guess = units[["g"]].assign(y=units["llm"])
    gaps = (units.index % 50 == 7) & (units.index >= N)
    whole = model_of(units, right, engine).exog_names
    if where == "data":
        units = units.assign(g=units["g"].astype("Int8").mask(gaps))
    else:
        guess = guess.assign(g=guess["g"].where(~gaps))
    model = AugmentedGMM.from_formula(f"y ~ {right}", units, guess, engine=engine)
    assert model.exog_names == whole
    assert model.aligned.sources[0].n_dropped == (where == "source") * gaps.sum()


def test_as_number_and_as_level_in_one_formula(units: Frame) -> None:
    right = "C(g) + I(g**40 / 1e18):f"  # 3**40 is beyond int64
    result = model_of(units, right).fit()
    by_hand = units.assign(p=units["g"].astype(float) ** 40 / 1e18)
    expected = model_of(by_hand, "C(g) + p:f").fit()
    np.testing.assert_allclose(result.params, expected.params, rtol=1e-9)
    np.testing.assert_allclose(
        result.predict(units[:9]), expected.predict(by_hand[:9]), rtol=1e-9
    )


@pytest.mark.parametrize("kind", ["int64", "uint64", "Int64", "object", "polars"])
@pytest.mark.parametrize("engine", ENGINES)
def test_integers_that_floats_round_are_refused(
    units: Frame, kind: str, engine: str
) -> None:
    frame = units.assign(age=2**53 + np.arange(T), year=2**60)
    frame = pl.from_pandas(frame) if kind == "polars" else frame.astype({"age": kind})
    with pytest.raises(DataError, match=r"data: column 'age' has 300 integers .*993"):
        model_of(frame, "age", engine)
    # Exactly a float, and only told apart.
    assert model_of(frame, "0 + year", engine).exog[0, 0] == 2.0**60
    model_of(frame, "C(age % 2)", engine)
    with pytest.raises(DataError, match="exog has 300 integers beyond"):
        AugmentedGMM(units["y"], Frame({"a": 2**53 + np.arange(T)}))


# Ids


@pytest.mark.parametrize("form", ["on", "index", "two keys", "polars", "dask"])
def test_float_ids_that_merge_are_refused(units: Frame, form: str) -> None:
    units = units.assign(id=2.0**53 + np.arange(T), k=1)
    guess = units[["id", "k"]].assign(y=units["llm"])
    on: Any = "id"
    data: Any = units
    if form == "index":
        data, guess, on = units.set_index("id"), guess.set_index("id"), None
    elif form == "two keys":
        on = ["k", "id"]
    elif form == "polars":
        data, guess = pl.from_pandas(units), pl.from_pandas(guess)
    elif form == "dask":
        data = dd.from_pandas(units, npartitions=2)
    with pytest.raises(AlignmentError, match=r"2\*\*53 or more .* as text or integers"):
        AugmentedGMM.from_formula("y ~ age", data, guess, on=on)


def test_ids_whole_here_and_floating_there(units: Frame) -> None:
    ids = np.arange(T)
    guess = units.assign(y=units["llm"], id=ids.astype(float))
    data = units.assign(id=ids)
    formula = "y ~ age"
    model = AugmentedGMM.from_formula(formula, data, guess[::-1], on="id")
    expected = model_of(units, "age").fit().params
    np.testing.assert_allclose(model.fit().params, expected, rtol=1e-9)
    with pytest.raises(AlignmentError, match=r"integers beyond .* floating-point"):
        AugmentedGMM.from_formula(formula, data.assign(id=ids + 2**53), guess, on="id")
    narrow = data.assign(id=(ids + 2**24).astype("float32"))
    with pytest.raises(AlignmentError, match=r"2\*\*24 or more"):
        AugmentedGMM.from_formula(formula, narrow, guess, on="id")


def test_large_clusters_beside_a_gap_stay_apart(units: Frame) -> None:
    large = 2**53 + np.arange(T) // 2
    guess = units[["age"]].assign(y=units["llm"], c=large)
    guess.loc[5, "c"] = None  # makes floats of the column
    data = units.assign(c=large)
    model = AugmentedGMM.from_formula("y ~ age", data, guess.drop(columns="c"))
    right = model.fit(cov_type="cluster", cov_kwds={"groups": "c"})
    small = model.fit(cov_type="cluster", cov_kwds={"groups": np.arange(T) // 2})
    np.testing.assert_allclose(right.bse, small.bse, rtol=1e-12)
    rounded = large.astype(float)
    with pytest.raises(DataError, match="neighbouring integers are the same"):
        model.fit(cov_type="cluster", cov_kwds={"groups": rounded})
    with pytest.raises(DataError, match="strata"):
        model_of(units, "age", strata=rounded)


# Masked arrays


@pytest.fixture
def arrays() -> dict[str, Any]:
    """Regressors, truth, guess and which units are labelled."""
    rng = np.random.default_rng(5)
    x = sm.add_constant(rng.normal(size=(T, 2)))
    y = x @ [1.0, 0.5, -0.3] + rng.normal(size=T)
    return {"x": x, "y": y, "g": y + rng.normal(size=T), "labeled": np.arange(T) < N}


def test_masked_values_are_missing(arrays: dict[str, Any]) -> None:
    x, y, g, labeled = arrays.values()
    hidden = np.zeros(x.shape, dtype=bool)
    hidden[[3, 300], [1, 2]] = True
    masked_x = np.ma.array(x, mask=hidden)
    masked_y = np.ma.array(y, mask=~labeled)
    masked_g = np.ma.array(g, mask=np.arange(T) % 7 * (np.arange(T) >= N) == 1)
    nans = [a.filled(np.nan) for a in (masked_y, masked_x, masked_g)]
    models = [
        AugmentedGMM(own_y, own_x, proxy={"llm": (own_g, own_x)})
        for own_y, own_x, own_g in (
            (masked_y, masked_x, masked_g),
            (masked_y, list(masked_x), masked_g),
            nans,
        )
    ]
    expected = models[2].fit()
    for model in models[:2]:
        assert model.fit().n_labeled == N - 1
        np.testing.assert_array_equal(model.fit().params, expected.params)
    np.testing.assert_array_equal(
        expected.predict(masked_x[:5]), expected.predict(nans[1][:5])
    )
    assert np.isnan(expected.get_prediction(masked_x[:5]).predicted[3])
    for sets in (np.ma.column_stack([masked_y]), {"first": masked_y}, masked_y):
        fits = models[2].fit_many(sets, masked_x)
        np.testing.assert_allclose(fits[0].params, expected.params, rtol=1e-12)
    whole = np.ma.array(np.round(y).astype(int), mask=~labeled)
    assert AugmentedGMM(whole, x).fit().n_labeled == N


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("weights", "weights"),
        ("offset", "offset"),
        ("labeling_prob", "labeling_prob"),
        ("strata", "strata"),
        ("labeled", "labeled="),
    ],
)
def test_masked_options_are_refused(
    arrays: dict[str, Any], option: str, text: str
) -> None:
    x, y, g, labeled = arrays.values()
    values = {"strata": np.arange(T) % 3, "labeled": labeled}.get(option, np.ones(T))
    values = values / 3 if option == "labeling_prob" else values
    masked = np.ma.array(values, mask=np.arange(T) == 5)
    labels = y if option == "labeled" else np.where(labeled, y, np.nan)
    with pytest.raises(DataError, match=text):
        AugmentedGMM(labels, x, proxy={"llm": (g, x)}, **{option: masked})
    frame = Frame({"x": x[:, 1], "y": labels, "llm": g})
    if option == "offset":  # as any missing value of data: the row is left out
        model = model_of(frame, "x", offset=masked)
        assert len(model.endog) == N - 1
        return
    with pytest.raises(DataError, match=text):
        model_of(frame, "x", **{option: masked})


def test_masked_clusters_and_positions(arrays: dict[str, Any]) -> None:
    x, y, g, labeled = arrays.values()
    hidden = np.arange(T) == 5
    labels = np.where(labeled, y, np.nan)
    model = AugmentedGMM(labels, x, proxy={"llm": (g, x)})
    groups = np.ma.array(np.arange(T) % 30, mask=hidden)
    with pytest.raises(DataError, match="groups is missing for 1 unit"):
        model.fit(cov_type="cluster", cov_kwds={"groups": groups})
    positions = np.ma.array(np.arange(T), mask=hidden)
    with pytest.raises(DataError, match="units must be"):
        AugmentedGMM(labels, x, proxy={"llm": (g, x, positions)})


# Rows to predict, of a model made from arrays


@pytest.fixture
def named(arrays: dict[str, Any]) -> tuple[Any, Frame]:
    """Result of a model whose columns have names, and its regressors."""
    x, y, g, labeled = arrays.values()
    frame = Frame(x, columns=["const", "a", "b"])
    labels = pd.Series(np.where(labeled, y, np.nan))
    return AugmentedGMM(labels, frame, proxy={"llm": (g, frame)}).fit(), frame


@pytest.mark.parametrize("convert", [Frame, pl.from_pandas, pa.Table.from_pandas])
def test_columns_of_rows_to_predict_are_matched_by_name(
    named: tuple[Any, Frame], convert: Callable[[Frame], Any]
) -> None:
    result, frame = named
    expected = frame.to_numpy()[:4] @ np.asarray(result.params)
    rows = convert(frame[["b", "const", "a"]][:4].assign(unused=1))
    np.testing.assert_allclose(result.predict(rows), expected, rtol=1e-12)
    table = result.get_prediction(rows)
    np.testing.assert_allclose(table.predicted, expected, rtol=1e-12)
    np.testing.assert_allclose(result.model.predict(result.params, rows), expected)
    covariance = np.asarray(result.cov_params())
    variance = np.einsum("ij,jk,ik->i", *[frame[:4], covariance, frame[:4]])
    np.testing.assert_allclose(table.se, np.sqrt(variance), rtol=1e-10)
    if convert is Frame:
        one = frame.iloc[2][["b", "a", "const"]]
        np.testing.assert_allclose(result.predict(one), expected[2:3], rtol=1e-12)


def test_rows_to_predict_that_do_not_match_are_refused(
    named: tuple[Any, Frame], arrays: dict[str, Any]
) -> None:
    result, frame = named
    x, y, g, labeled = arrays.values()
    nameless = AugmentedGMM(np.where(labeled, y, np.nan), x, proxy={"llm": (g, x)})
    other = nameless.fit()
    for call in (result.predict, result.get_prediction):
        with pytest.raises(AlignmentError, match=r"no column 'const'.*add_constant"):
            call(frame[["a", "b"]])
        with pytest.raises(AlignmentError, match="two columns named 'a'"):
            call(pd.concat([frame, frame[["a"]]], axis=1))
        with pytest.raises(AlignmentError, match="no column 'const'"):
            call(Frame(x))
        with pytest.raises(DataError, match=r"have 2 columns.* 3 coefficients"):
            call(x[:, 1:])
        with pytest.raises(DataError, match=r"have 4 columns.* 3 coefficients"):
            call(np.ones((2, 4)))
    with pytest.raises(AlignmentError, match=r"no column 'x1'.*to_numpy"):
        other.predict(frame)
    np.testing.assert_allclose(other.predict(Frame(x)), other.predict(x))
    np.testing.assert_allclose(other.predict(x), result.predict(x), rtol=1e-12)


def test_design_matrix_of_a_formula_is_matched_too(units: Frame) -> None:
    result = model_of(units, "age").fit()
    rows = Frame({"age": [20, 30], "Intercept": [1, 1]}).astype("int8")
    expected = np.array([[1, 20], [1, 30]]) @ np.asarray(result.params)
    np.testing.assert_allclose(result.predict(rows, transform=False), expected)
    with pytest.raises(DataError, match="1 column; the model has 2"):
        result.predict(np.ones((3, 1)), transform=False)


def test_offset_and_exposure_of_rows_to_predict(
    named: tuple[Any, Frame], arrays: dict[str, Any]
) -> None:
    gaussian, frame = named
    counts = np.random.default_rng(1).poisson(1.5, T)
    model = AugmentedGMM(
        pd.Series(np.where(arrays["labeled"], counts, np.nan)),
        frame,
        proxy={"llm": (counts, frame)},
        family=sm.families.Poisson(),
        exposure=np.ones(T),
    )
    with pytest.warns(UserWarning, match="agrees"):
        result = model.fit()
    rows = frame[:3].assign(hours=[1.0, 2.0, np.nan])
    once = result.predict(rows)
    for given in ("hours", rows["hours"], rows["hours"].to_numpy()):
        np.testing.assert_allclose(
            result.predict(rows, exposure=given), once * rows["hours"]
        )
        np.testing.assert_allclose(
            result.get_prediction(rows, exposure=given).predicted, once * rows["hours"]
        )
    np.testing.assert_allclose(result.predict(rows, exposure=2), 2 * once)
    for exposure, text in (
        (np.zeros(3), "above 0; 3 are not"),
        (np.ones(2), r"shape \(2,\); there are 3 rows"),
        ("hour", "Did you mean 'hours'"),
        (pd.Series(np.ones(3), index=[2, 1, 0]), "index differs"),
    ):
        with pytest.raises((DataError, AlignmentError), match=text):
            result.predict(rows, exposure=exposure)
    with pytest.raises(DataError, match="have no names"):
        result.predict(frame.to_numpy(), exposure="hours")
    with pytest.raises(DataError, match="needs a log link"):
        gaussian.predict(frame, exposure=np.ones(T))
    with pytest.raises(DataError, match="offset has shape"):
        gaussian.predict(frame, offset=np.ones(3))


# Columns that are no numbers


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("change", "right", "text"),
    [
        (lambda c: c.astype(str), "age", r"holds numbers as text, such as '\d\d' \(7"),
        (lambda c: (c / 2).astype("string"), "I(age * 2)", "numbers as text"),
        (lambda c: c.astype(str), "np.log(age)", "'age' is not numeric.*to_numeric"),
        (
            lambda c: c.astype(object).mask(c.index % 200 == 7, "I cannot answer"),
            "age",
            r"'I cannot answer' in 3 rows \(units 7, 207, 407\)",
        ),
        (
            lambda c: (c % 5).astype(str).mask(c.index == 7, "NA"),
            "age",
            r"also 'NA' in 1 row",
        ),
        (lambda c: (c / 2).astype(str).mask(c.index == 7, "inf"), "age", "also 'inf'"),
        (lambda c: pd.to_timedelta(c, unit="D"), "age", "durations.*total_seconds"),
        (lambda c: pd.to_timedelta(c, unit="D"), "I(age)", "durations"),
        (lambda c: pd.to_timedelta(c, unit="D"), "np.log(age)", "durations"),
        (lambda c: pd.to_datetime(c, unit="D"), "age", r"dates.*C\(age\)"),
        (lambda c: c.map(lambda v: [v]), "age", "holds lists in 600 rows"),
        (lambda c: c.map(lambda v: str(v).encode()), "age", "holds bytes.*decode"),
        (lambda c: c.astype(complex), "age", "complex"),
        (lambda c: c.astype(complex).astype(object), "age", "complex"),
    ],
)
def test_columns_that_are_no_numbers_are_refused(
    units: Frame, change: Callable[[Any], Any], right: str, text: str, engine: str
) -> None:
    frame = units.assign(age=change(units["age"]))
    with pytest.raises((DataError, FormulaError), match=f"data: .*{text}"):
        model_of(frame, right, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_outcomes_that_are_no_numbers_are_refused(units: Frame, engine: str) -> None:
    y = units["y"]
    for values, text in (
        (y.astype(str).mask(y.isna()), "holds numbers as text"),
        (y.astype(object).mask(y.index == 3, "I refuse"), "'I refuse' in 1 row"),
        (pd.to_timedelta(y, unit="s"), "durations"),
    ):
        with pytest.raises(DataError, match=f"data: column 'y' .*{text}") as raised:
            model_of(units.assign(y=values), "age", engine)
        assert "C(y)" not in str(raised.value)
    for values in (pd.to_timedelta(y, unit="s"), pd.to_timedelta(y, unit="s").array):
        with pytest.raises(DataError, match="endog holds durations"):
            AugmentedGMM(values, units[["age"]])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_refusal_in_a_source_is_shown_with_its_units(
    units: Frame, engine: str
) -> None:
    answers = units["llm"].astype(str)
    answers = answers.mask(answers.index % 250 == 9, "I cannot answer")
    answers = answers.mask(answers.index == 11, "inf")
    guess = Frame({"y": answers})
    with pytest.raises(DataError) as raised:
        AugmentedGMM.from_formula("y ~ age", units, guess, engine=engine)
    for part in (
        "Source 'proxy': column 'y' has 'I cannot answer' in 3 rows",
        "(units 9, 259, 509), 'inf'",
        "'inf' in 1 row (unit 11)",
        "errors='coerce'",
    ):
        assert part in str(raised.value)
    lasts = Frame({"y": pd.to_timedelta(units["llm"], unit="s")})
    with pytest.raises(DataError, match="Source 'proxy': column 'y' holds durations"):
        AugmentedGMM.from_formula("y ~ age", units, lasts, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_text_that_names_levels_is_left_alone(units: Frame, engine: str) -> None:
    codes = units["g"].astype(str)
    padded = Frame({"code": np.arange(T) % 22})["code"].map("{:02d}".format)
    for values, right in (
        (codes, "age"),
        (codes.replace("3", "3+"), "age"),
        (padded, "age"),
        (padded.str.lstrip("0") + "1", "C(age)"),
        (codes, "I((age == '2') * 1.0)"),
    ):
        model_of(units.assign(age=values), right, engine)


def test_gaps_of_any_kind_among_objects(units: Frame) -> None:
    gap = units.index == N + 3
    expected = model_of(units.assign(age=units["age"].where(~gap)), "age").fit().params
    for missing in (None, pd.NA, np.nan, pd.NaT):
        column = units["age"].astype(object)
        column[gap] = missing
        result = model_of(units.assign(age=column), "age").fit()
        np.testing.assert_allclose(result.params, expected, rtol=1e-12)


def test_offsets_are_numbers_too(units: Frame) -> None:
    for values, text in (
        (units["age"].astype(str) + "k", "column 'o' is not numeric"),
        (pd.to_timedelta(units["age"], unit="D"), "column 'o' holds durations"),
        (2**53 + np.arange(T), "column 'o' has 300 integers"),
    ):
        with pytest.raises(DataError, match=f"data: {text}"):
            model_of(units.assign(o=values), "age", offset="o")

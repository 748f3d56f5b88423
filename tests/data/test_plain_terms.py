"""Plain columns are evaluated without the engine, with the engine's own numbers."""

from __future__ import annotations

import gc
import pickle
from typing import Any
import weakref

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.data.formula.learn import LearnedFormula
from statsmodels_synth.exceptions import FormulaError, SynthError

ENGINES = ("patsy", "formulaic")
T, N = 120, 60


def make_data(seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Data whose columns have every plain type, and a synthetic frame like it."""
    frames = []
    for k in range(2):
        rng = np.random.default_rng(seed + k)
        x = rng.normal(size=T)
        frame = pd.DataFrame(
            {
                "y": x + rng.normal(size=T),
                "x": x,
                "z": rng.normal(size=T),
                "whole": rng.integers(0, 9, T),
                "unsigned": rng.integers(0, 9, T).astype("uint8"),
                "single": rng.normal(size=T).astype("float32"),
                "nullable": pd.array(rng.integers(0, 9, T), dtype="Int64"),
                "flag": rng.uniform(size=T) < 0.5,
                "text": rng.choice(["a", "b"], T),
                "odd name": rng.normal(size=T),
            },
            index=[f"u{t}" for t in range(T)],
        )
        frame["level"] = pd.Categorical(frame["text"])
        frames.append(frame)
    data, sim = frames
    data["guess"] = data["y"] + 0.3
    data.loc[data.index[N:], "y"] = np.nan
    return data, sim


def build(text: str, engine: str, **options: Any) -> AugmentedGMM:
    """A proxy that shares the regressors, and a synthetic frame with its own."""
    data, sim = make_data()
    options.setdefault("proxy", {"y": "guess"})
    options.setdefault("synthetic", sim)
    options.setdefault("eval_env", {"np": np})
    return AugmentedGMM.from_formula(
        text, options.pop("data", data), engine=engine, **options
    )


def without_shortcut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave everything to the engine from now on."""
    monkeypatch.setattr(LearnedFormula, "_plain_column", lambda *_: None)
    monkeypatch.setattr(LearnedFormula, "_learn_plain", lambda *_: None)


def assert_same(one: AugmentedGMM, other: AugmentedGMM) -> None:
    """Every array, to the last bit."""
    assert one.exog_names == other.exog_names
    assert one.endog_names == other.endog_names
    np.testing.assert_array_equal(one.endog, other.endog)
    np.testing.assert_array_equal(one.exog, other.exog)
    for a, b in zip(one.aligned.sources, other.aligned.sources, strict=True):
        np.testing.assert_array_equal(a.endog, b.endog)
        np.testing.assert_array_equal(a.exog, b.exog)
        assert a.exog.flags.c_contiguous
    assert one.data.model_spec.column_names == other.data.model_spec.column_names


PLAIN = {
    "two": "x + z",
    "one": "x",
    "no intercept": "0 + z + x",
    "minus one": "x - 1",
    "intercept alone": "1",
    "quoted": 'Q("odd name") + x',
    "repeated": "z + x + z",
    "types": "whole + single + unsigned + nullable",
}
OTHERS = {
    "boolean": "flag + x",
    "text": "text + x",
    "category": "level + x",
    "interaction": "x:z",
    "product": "x * z",
    "function": "np.sin(x) + z",
    "arithmetic": "I(x + z)",
    "centred": "center(x) + z",
    "one term of many": "x + z + whole + np.abs(x)",
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", PLAIN)
def test_plain_columns_are_those_of_the_engine(
    name: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"y ~ {PLAIN[name]}"
    direct = build(text, engine)
    assert direct.learned._plain_left == "y"
    assert direct.learned._plain_right is not None
    without_shortcut(monkeypatch)
    by_engine = build(text, engine)
    assert by_engine.learned._plain_right is None
    assert_same(direct, by_engine)
    new = make_data(9)[0]
    new.loc["u3", ["x", "z", "single", "odd name"]] = np.nan
    for rows in (new, new.iloc[5:]):
        pd.testing.assert_frame_equal(
            direct.learned.predict_exog(rows), by_engine.learned.predict_exog(rows)
        )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", OTHERS)
def test_other_terms_go_through_the_engine(name: str, engine: str) -> None:
    model = build(f"y ~ {OTHERS[name]}", engine)
    assert model.learned._plain_right is None
    assert model.learned._plain_left == "y"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("left", ["np.exp(y)", "I(y + 1)"])
def test_other_left_sides_go_through_the_engine(left: str, engine: str) -> None:
    learned = build(f"{left} ~ x", engine).learned
    assert learned._plain_left is None
    assert learned._plain_right is not None


@pytest.mark.parametrize("engine", ENGINES)
def test_a_quoted_or_integer_outcome(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, sim = make_data()
    data = data.rename(columns={"y": "the y"})
    sim = sim.rename(columns={"y": "the y"}).astype({"the y": "int64"})
    options = {"data": data, "synthetic": sim, "proxy": {"the y": "guess"}}
    direct = build('Q("the y") ~ x', engine, **options)
    assert direct.learned._plain_left == "the y"
    without_shortcut(monkeypatch)
    assert_same(direct, build('Q("the y") ~ x', engine, **options))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_function_called_q_is_left_to_the_engine(engine: str) -> None:
    # Its one value is no column for patsy, and a column of zeros for formulaic.
    with pytest.raises(SynthError, match=r"Q"):
        build('y ~ Q("odd name")', engine, eval_env={"Q": lambda name: np.zeros(1)})


@pytest.mark.parametrize("engine", ENGINES)
def test_a_source_of_another_type(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers in data, numbers as text or booleans in the source."""
    _, sim = make_data()
    sim["x"] = sim["x"].round(3).astype(str)
    sim["whole"] = sim["whole"] > 4
    direct = build("y ~ x + whole", engine, synthetic=sim)
    assert direct.learned._plain_right == (None, "x", "whole")
    without_shortcut(monkeypatch)
    assert_same(direct, build("y ~ x + whole", engine, synthetic=sim))


@pytest.mark.parametrize("engine", ENGINES)
def test_missing_regressors(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, sim = make_data()
    data.iloc[3:9, data.columns.get_loc("x")] = np.nan
    data.iloc[90:95, data.columns.get_loc("z")] = np.nan
    sim = sim.iloc[::-1]
    sim.iloc[5, sim.columns.get_loc("z")] = np.nan
    direct = build("y ~ x + z", engine, data=data, synthetic=sim)
    assert direct.aligned.sources[0].n_dropped == 11
    without_shortcut(monkeypatch)
    assert_same(direct, build("y ~ x + z", engine, data=data, synthetic=sim))


@pytest.mark.parametrize("engine", ENGINES)
def test_pickles_learn_again(engine: str) -> None:
    model = build("y ~ x + z", engine)
    again = pickle.loads(pickle.dumps(model))
    assert again.learned._plain_right == (None, "x", "z")
    assert_same(model, again)
    new = make_data(9)[0]
    pd.testing.assert_frame_equal(
        model.learned.predict_exog(new), again.learned.predict_exog(new)
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("right", ["x + z", "center(x) + z"])
def test_one_design_matrix_is_kept(right: str, engine: str) -> None:
    """The proxy has that of data itself; the formula keeps no other."""
    model = build(f"y ~ {right}", engine)
    assert model.learned._exog is None
    shared = weakref.ref(model.aligned.sources[0].exog)
    model.remove_data()
    model.proxy = model.synthetic = None
    gc.collect()
    assert shared() is None


@pytest.mark.parametrize("engine", ENGINES)
def test_the_arrays_are_not_those_of_the_user(engine: str) -> None:
    """A change of data afterwards changes no estimate."""
    data, sim = make_data()
    sim["y"] = sim["y"].astype(float)
    model = build("y ~ x + z", engine, data=data, synthetic=sim)
    for source in model.aligned.sources:
        for frame in (data, sim):
            for name in ("x", "z", "y", "guess"):
                if name in frame:
                    values = frame[name].to_numpy()
                    assert not np.shares_memory(source.exog, values)
                    assert not np.shares_memory(source.endog, values)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("right", ["x + z", "center(x) + z"])
def test_a_pickle_learns_from_what_data_was(right: str, engine: str) -> None:
    data, _ = make_data()
    model = build(f"y ~ {right}", engine, data=data)
    new = make_data(9)[0]
    before = model.learned.predict_exog(new)
    data.loc[:, "x"] = 7.0
    again = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(again.learned.predict_exog(new), before)


def test_letters_that_python_reads_as_others() -> None:
    """Formulaic takes a name as it is written, Python does not: these are two."""
    data, _ = make_data()
    data["\u00b5"], data["\u03bc"] = data["x"], data["z"]
    model = AugmentedGMM.from_formula(
        "y ~ \u00b5 + \u03bc", data, {"y": "guess"}, engine="formulaic"
    )
    np.testing.assert_array_equal(model.exog[:, 1:], data[["x", "z"]].iloc[:N])


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_a_column_called_intercept(engine: str) -> None:
    data = make_data()[0].rename(columns={"x": "Intercept"})
    with pytest.raises(FormulaError):
        AugmentedGMM.from_formula("y ~ Intercept", data, {"y": "guess"}, engine=engine)

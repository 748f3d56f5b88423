"""Categories whose values are numbers or booleans mean the same in every frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import FormulaError

ENGINES = ["patsy", "formulaic"]
T = 300
CODES = np.random.default_rng(0).integers(0, 3, T)
VALUES = {
    "whole": CODES,
    "halves": CODES + 0.5,
    "flags": CODES > 0,
    "nullable": pd.array(CODES, "Int64"),
    "text": np.array(["a", "b", "c"])[CODES],
}


def make_data(name: str) -> pd.DataFrame:
    """A third of the units labelled."""
    rng = np.random.default_rng(1)
    y = CODES + rng.normal(size=T)
    return pd.DataFrame(
        {
            "y": np.where(np.arange(T) % 3 == 0, y, np.nan),
            "guess": y + rng.normal(size=T),
            "c": pd.Categorical(VALUES[name]),
        }
    )


def dummies(name: str) -> np.ndarray:
    """The design by hand."""
    levels = np.unique(np.asarray(VALUES[name]))
    columns = [np.asarray(VALUES[name]) == level for level in levels[1:]]
    return np.column_stack([np.ones(T), *columns]).astype(float)


def build(data: pd.DataFrame, source: Any, engine: str) -> AugmentedGMM:
    """A synthetic source with a column of its own."""
    source = (
        source.rename(columns={"guess": "y"}) if len(source.columns) == 2 else source
    )
    return AugmentedGMM.from_formula("y ~ c", data, synthetic=source, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("as_values", [False, True])
def test_sources_and_predictions(name: str, as_values: bool, engine: str) -> None:
    data = make_data(name)
    source = data[["guess", "c"]].iloc[::-1]
    if as_values:
        source = source.assign(c=VALUES[name][::-1])
    model = build(data, source, engine)
    np.testing.assert_array_equal(model.aligned.sources[0].exog, dummies(name))
    result = model.fit()
    expected = dummies(name) @ np.asarray(result.params)
    new = source.drop(columns="guess")
    np.testing.assert_allclose(result.predict(new)[::-1], expected, rtol=1e-12)
    np.testing.assert_allclose(result.predict(new[:1]), expected[-1:], rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("in_data", ["categories", "values"])
def test_missing_categories(name: str, in_data: str, engine: str) -> None:
    data = make_data(name)
    source = data[["guess", "c"]].copy()
    source.loc[[4, 5], "c"] = None
    text = "y ~ c"
    if in_data == "values":
        data, text = data.assign(c=VALUES[name]), "y ~ C(c)"
    model = AugmentedGMM.from_formula(
        text,
        data,
        synthetic=source.rename(columns={"guess": "y"}),
        engine=engine,
    )
    expected = np.delete(dummies(name), [4, 5], axis=0)
    np.testing.assert_array_equal(model.aligned.sources[0].exog, expected)
    predicted = model.fit().predict(source[["c"]])
    assert list(np.flatnonzero(predicted.isna())) == [4, 5]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_level_that_data_does_not_have(engine: str) -> None:
    data = make_data("whole")
    source = data[["guess", "c"]].assign(c=CODES + 1)
    with pytest.raises(FormulaError, match="level 3, which data does not have"):
        build(data, source, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_outcome_of_booleans_among_objects(engine: str) -> None:
    data = make_data("whole")
    outcome = (data["guess"] > 0).astype(object)
    data["y"] = (data["y"] > 0).where(data["y"].notna())
    source = data[["c"]].assign(y=outcome)
    model = AugmentedGMM.from_formula("y ~ c", data, synthetic=source, engine=engine)
    np.testing.assert_array_equal(
        model.aligned.sources[0].endog, outcome.to_numpy(dtype=float)
    )

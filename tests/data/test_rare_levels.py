"""Levels that no labelled unit has: refused, left out or merged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import (
    CollinearityError,
    OptionError,
    RareLevelWarning,
)

T, N = 400, 120
#: What is not at stake here.
pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.CoverageWarning"
)


@pytest.fixture(scope="module")
def units() -> pd.DataFrame:
    """Units of which some without a label are of a region of their own."""
    rng = np.random.default_rng(5)
    index = [f"u{k}" for k in range(T)]
    frame = pd.DataFrame({"x": rng.normal(size=T)}, index)
    frame["region"] = rng.choice(["a", "b", "c"], T, p=[0.5, 0.3, 0.2])
    frame.loc[index[300:305], "region"] = "far"
    real = frame["x"] + (frame["region"] == "b") + rng.normal(size=T)
    frame["guess"] = real + rng.normal(scale=0.5, size=T)
    frame["real"] = real.where(np.arange(T) < N)
    return frame


def fit(data: pd.DataFrame, formula: str = "real ~ x + region", **options: Any) -> Any:
    options = {"proxy": {"real": "guess"}} | options
    return AugmentedGMM.from_formula(formula, data, **options).fit()


def settled(data: pd.DataFrame, value: Any) -> pd.DataFrame:
    """What a user would have done by hand."""
    region = data["region"].astype(object)
    return data.assign(region=region.where(region.isin(["a", "b", "c"]), value))


def test_refused_by_default(units: pd.DataFrame) -> None:
    with pytest.raises(CollinearityError, match="rare_levels='drop' or 'lump'"):
        fit(units)


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
@pytest.mark.parametrize("kind", ["text", "category"])
@pytest.mark.parametrize(("how", "value"), [("drop", np.nan), ("lump", "c")])
def test_as_by_hand(
    units: pd.DataFrame, engine: Any, kind: str, how: str, value: Any
) -> None:
    data = units.astype({"region": "category"}) if kind == "category" else units
    rng = np.random.default_rng(6)
    draws = units[["region", "guess"]].rename(columns={"guess": "real"})
    draws = pd.concat([draws, draws])
    draws.loc[rng.uniform(size=2 * T) < 0.05, "region"] = "odd"
    sources = {"synthetic": {"agents": draws}, "proxy": {"llm": {"real": "guess"}}}
    with pytest.warns(RareLevelWarning, match=r"5 units of data, \d+ rows of") as said:
        found = fit(data, engine=engine, rare_levels=how, **sources)
    by_hand = fit(
        settled(units, value),
        engine=engine,
        proxy={"llm": {"real": "guess"}},
        synthetic={"agents": settled(draws, value)},
    )
    assert list(found.params.index) == list(by_hand.params.index)
    np.testing.assert_allclose(found.params, by_hand.params, rtol=1e-12)
    np.testing.assert_allclose(found.cov_params(), by_hand.cov_params(), rtol=1e-10)
    assert found.n_units == by_hand.n_units == (T - 5 if how == "drop" else T)
    text = str(said[0].message)
    assert "'far', 'odd'" in text or "'odd', 'far'" in text
    assert "Column 'region' has levels that no labelled unit has" in str(
        found.summary()
    )


def test_numbers_as_levels(units: pd.DataFrame) -> None:
    codes = {"a": 1, "b": 2, "c": 3, "far": 9}
    data = units.assign(region=units["region"].map(codes))
    with pytest.warns(RareLevelWarning, match="has 9, which no labelled unit"):
        found = fit(data, "real ~ x + C(region)", rare_levels="drop")
    assert found.n_units == T - 5


def test_nothing_rare(units: pd.DataFrame) -> None:
    data = settled(units, "a")
    plain = fit(data)
    same = fit(data, rare_levels="lump")
    assert plain.params.equals(same.params)


def test_contradictions(units: pd.DataFrame) -> None:
    with pytest.raises(OptionError, match="missing='raise' refuses"):
        fit(units, rare_levels="drop", missing="raise")
    with pytest.raises(OptionError, match="rare_levels"):
        fit(units, rare_levels="lumps")

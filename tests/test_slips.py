"""Slips of the hand: each is refused, or done right, in every form of the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import DataError, FormulaError

T, N = 200, 80
ENGINES = ["patsy", "formulaic"]
PROXY = {"y": "llm"}


def wide_frame(seed: int = 0) -> pd.DataFrame:
    """Units with x, a proxy of y, and y where a person labelled; y is positive."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=T)
    y = x + 8.0 + rng.normal(size=T)
    llm = y + 0.5 * rng.normal(size=T)
    return pd.DataFrame(
        {"x": x, "llm": llm, "y": np.where(np.arange(T) < N, y, np.nan)}
    )


# Arguments in the wrong place


@pytest.mark.parametrize("swapped", [False, True])
def test_a_formula_for_the_array_interface_names_from_formula(swapped: bool) -> None:
    given: Any = ("y ~ x", wide_frame())
    with pytest.raises(FormulaError, match=r"from_formula\('y ~ x', data"):
        AugmentedGMM(*(given[::-1] if swapped else given))


def test_names_of_columns_for_the_array_interface() -> None:
    with pytest.raises(DataError, match=r"'y' is text.*from_formula"):
        AugmentedGMM("y", "x")


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "dask", "dict"])
def test_data_before_the_formula(kind: str) -> None:
    frame = wide_frame()
    data: Any = {"pandas": frame, "dict": frame.to_dict("list")}.get(kind)
    if kind == "polars":
        data = pytest.importorskip("polars").from_pandas(frame)
    elif kind == "pyarrow":
        data = pytest.importorskip("pyarrow").Table.from_pandas(frame)
    elif kind == "dask":
        data = pytest.importorskip("dask.dataframe").from_pandas(frame, npartitions=2)
    with pytest.raises(FormulaError, match=r"formula 'y ~ x' comes first"):
        AugmentedGMM.from_formula(data, "y ~ x", PROXY)


def test_arrays_for_from_formula() -> None:
    frame = wide_frame()
    with pytest.raises(FormulaError, match=r"The formula is a Series.*'y ~ x'"):
        AugmentedGMM.from_formula(frame["y"], frame[["x"]])


# The outcome as its own regressor


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "formula",
    [
        *("y ~ y + x", "y ~ np.log(y)", "np.log(y) ~ y", "y ~ x:y", "y ~ I(y > 8)"),
        *("y ~ Q('y') + x", "y ~ x + I(x + y)", "I(y - x) ~ x + y"),
    ],
)
def test_an_outcome_does_not_explain_itself(formula: str, engine: Any) -> None:
    with pytest.raises(FormulaError, match=r"'y'.* the outcome .*also on its right"):
        AugmentedGMM.from_formula(formula, wide_frame(), PROXY, engine=engine)


def test_an_outcome_does_not_explain_itself_in_parts() -> None:
    dask = pytest.importorskip("dask.dataframe")
    data = dask.from_pandas(wide_frame().rename_axis("unit").reset_index())
    with pytest.raises(FormulaError, match=r"'y' is the outcome"):
        AugmentedGMM.from_formula("y ~ np.log(y)", data, PROXY, on="unit")


@pytest.mark.parametrize("engine", ENGINES)
def test_functions_of_the_outcome_stay_right(engine: Any) -> None:
    """Also a change since x, beside x: one column of the left is on the right."""
    frame = wide_frame()
    for formula, change in (
        ("np.log(y) ~ x", np.log),
        ("I(y - x) ~ x", lambda v: v - frame["x"]),
    ):
        result = AugmentedGMM.from_formula(formula, frame, PROXY, engine=engine).fit()
        done = frame.assign(y=change(frame["y"]), llm=change(frame["llm"]))
        by_hand = AugmentedGMM.from_formula("y ~ x", done, PROXY, engine=engine).fit()
        np.testing.assert_allclose(result.params, by_hand.params, rtol=1e-10)
        np.testing.assert_allclose(result.bse, by_hand.bse, rtol=1e-8)

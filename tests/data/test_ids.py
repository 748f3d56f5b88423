"""Ids that two files spell in two ways are no two units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
import warnings

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.data.dask.parts import Unmatched
from statsmodels_synth.data.ids import refuse_ids_spelt_alike, some_by_spelling
from statsmodels_synth.exceptions import AlignmentError

T, N = 300, 80


DOORS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "arrow": pa.Table.from_pandas,
    "dask": lambda frame: dd.from_pandas(frame, npartitions=1),
    "dask, 5 parts": lambda frame: dd.from_pandas(frame, npartitions=5),
}


def study() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(2)
    x = rng.normal(size=T)
    y = x + rng.normal(size=T)
    ids = [f"speech {k:03d}" for k in range(T)]
    data = pd.DataFrame({"id": ids, "x": x, "y": np.where(np.arange(T) < N, y, np.nan)})
    guess = y + 0.5 * rng.normal(size=T)
    return data, pd.DataFrame({"id": ids, "x": x, "y": guess})


def spelt(ids: pd.Series, how: Callable[[str], str], rows: Any) -> pd.Series:
    return ids.where(~rows, ids.map(how))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("how", "what", "remedy"),
    [
        (lambda s: s + " ", "blanks at their ends", "strip()"),
        (str.upper, "capitals", "strip().str.lower()"),
    ],
)
def test_ids_that_differ_by_blanks_or_capitals(
    door: str, how: Callable[[str], str], what: str, remedy: str
) -> None:
    data, proxy = study()
    proxy["id"] = spelt(proxy["id"], how, proxy.index % 2 == 1)
    with pytest.raises(AlignmentError) as error:
        AugmentedGMM.from_formula(
            "y ~ x", DOORS[door](data), {"llm": DOORS[door](proxy)}, on="id"
        ).fit()
    first = proxy["id"].iloc[1]
    text = str(error.value)
    assert "Ids of 150 units of source 'llm' differ from those of data" in text
    assert f"by {what} only, such as {first!r} and 'speech 001'." in text
    assert text.endswith(f"frame['id'] = frame['id'].str.{remedy}.")


@pytest.mark.parametrize("how", [str.upper, lambda s: f" {s}"])
def test_the_cause_of_no_match_at_all(how: Callable[[str], str]) -> None:
    data, proxy = study()
    proxy["id"] = proxy["id"].map(how)
    data, proxy = (frame.set_index("id") for frame in (data, proxy))
    with pytest.raises(AlignmentError, match=r"Ids of 300 units .* frame\.index = fra"):
        AugmentedGMM.from_formula("y ~ x", data, {"llm": proxy})


def test_ids_of_many_parts_are_compared_by_spelling() -> None:
    """Of more ids than can be held one in so many, the same on either side."""
    own = pd.Index([f"speech {k}" for k in range(4000)])
    its = own.str.upper() + " "
    kept, others = (some_by_spelling(ids, 16) for ids in (own, its))
    assert 150 < len(kept) < 350
    assert list(others) == list(kept.str.upper() + " ")
    found = Unmatched({"llm": (own, its), "gpt": (own[:0], own[:0])}, 1).thinned(1000)
    assert found.stride in {8, 16}
    assert sum(map(len, found.ids["llm"])) <= 1000
    with pytest.raises(AlignmentError, match=r"Ids of at least \d+ units of source"):
        refuse_ids_spelt_alike(*found.ids["llm"], "llm", stride=found.stride)


def test_ids_in_several_columns_and_of_two_sources() -> None:
    data, proxy = study()
    for frame in (data, proxy):
        frame["wave"] = 1
    other = proxy.copy()
    data = data.iloc[:200]
    other["id"] = spelt(other["id"], lambda s: s + "\t", other.index >= 290)
    given = {"llm": proxy, "gpt": other}
    with pytest.raises(AlignmentError, match=r"10 units of source 'gpt'.*'id', 'wave'"):
        AugmentedGMM.from_formula("y ~ x", data, given, on=["id", "wave"])


def test_capitals_may_tell_ids_apart() -> None:
    """Short random ids: a few of those without a match are alike by chance."""
    data, proxy = study()
    data["id"] = data["id"].where(data.index > 0, "aBc")
    proxy["id"] = proxy["id"].where(proxy.index > 100, proxy["id"] + "x")
    proxy.loc[0, "id"] = "AbC"
    proxy.loc[1:40, "id"] = data.loc[1:40, "id"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # labelled units are not covered
        model = AugmentedGMM.from_formula("y ~ x", data, {"llm": proxy}, on="id")
    assert len(model.given_units) == T + 61


def test_ids_that_are_alike_within_data_are_told_apart() -> None:
    """They have a match each: two units that someone named so."""
    data, proxy = study()
    for frame in (data, proxy):
        frame.loc[1, "id"] = frame.loc[0, "id"].upper()
    assert AugmentedGMM.from_formula("y ~ x", data, {"g": proxy}, on="id").n_units == T

"""Frames as R sends them: what crosses, and which rows belong together, without R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth.exceptions import AlignmentError, DataError
from statsmodels_synth.r.columns import LABEL_SEPARATOR, kind_of, read_column
from statsmodels_synth.r.frames import align, unit_ids

N = 60


def sent(values: Any, *, factor: bool = False) -> Any:
    """A column as R sends it."""
    column = pd.Series(values)
    if column.dtype == bool:
        return {"logical": column.to_numpy(dtype=float)}
    if column.dtype != object and not pd.api.types.is_string_dtype(column):
        return column.to_numpy(dtype=float)
    codes, levels = pd.factorize(column)
    text = [LABEL_SEPARATOR.join(levels)]
    return {"codes": codes, "levels": text, "factor": np.array([int(factor)])}


def sent_frame(frame: pd.DataFrame, row_names: Any = None) -> dict[str, Any]:
    counted = row_names is None
    return {
        "n_rows": np.array([len(frame)]),
        "columns": {name: sent(frame[name]) for name in frame},
        "row_names": np.arange(1, len(frame) + 1) if counted else row_names,
        "automatic": np.array([int(counted)]),
        "counted": np.array([int(counted)]),
    }


def arguments(
    data: dict[str, Any], source: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """What R asks for `y ~ x + g` with one source."""
    return {
        "data": data,
        "sources": [
            {"name": ["llm"], "kind": ["proxy"], "columns": [], "frame": source}
        ],
        "response": ["y"],
        "regressors": ["x", "g"],
        "bare": ["y", "x", "g"],
        "levels": [],
        "on": ["id"],
        "labeled": None,
        "subset": None,
        "missing": ["drop"],
        "rare_levels": ["raise"],
        "options": [],
        "values": [],
        "fixed": [],
        "text": ["y ~ x + g"],
    } | more


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "id": [f"u{k:03d}" for k in range(N)],
            "y": np.where(np.arange(N) < 20, rng.normal(size=N), np.nan),
            "x": rng.normal(size=N),
            "g": rng.choice(["a", "b"], N),
        }
    )


def test_columns_cross_as_they_are() -> None:
    text = read_column(sent(["b", None, "a"]), 3)
    assert list(text) == ["b", None, "a"]
    factor = sent(["b", None, "a"], factor=True)
    assert kind_of(factor) == "factor"
    assert list(read_column(factor, 3).cat.categories) == ["b", "a"]
    some = read_column({"logical": np.array([1.0, np.nan, 0.0])}, 3)
    assert list(some) == [True, None, False]
    assert len(read_column(None, 4)) == 4


def test_rows_are_those_of_the_units_in_any_order(frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(6)
    order = rng.permutation(N)
    guesses = frame.assign(y=np.arange(N, dtype=float)).iloc[order]
    found = align(arguments(sent_frame(frame), sent_frame(guesses)))
    (source,) = found["sources"]
    # The row of the source that has the outcome k is the one of unit k.
    assert list(source["units"]) == list(range(1, N + 1))
    assert list(order[source["rows"] - 1]) == list(range(N))
    assert found["units"].split(LABEL_SEPARATOR) == list(frame["id"])
    assert list(found["rows"]) == list(range(1, 21))


def test_a_subset_leaves_units_out_of_sources(frame: pd.DataFrame) -> None:
    guesses = frame.assign(y=1.0).iloc[::-1]
    kept = np.arange(0, N, 3)
    found = align(arguments(sent_frame(frame), sent_frame(guesses), subset=kept))
    (source,) = found["sources"]
    assert list(N - source["rows"]) == list(kept)
    assert list(source["units"]) == list(range(1, len(kept) + 1))


def test_levels_that_are_lumped_are_named(frame: pd.DataFrame) -> None:
    frame.loc[50:55, "g"] = "far"
    given = arguments(
        sent_frame(frame), sent_frame(frame.assign(y=1.0)), rare_levels=["lump"]
    )
    fewest = frame["g"][:20].value_counts().idxmin()
    with pytest.warns(UserWarning, match="'far', which no labelled unit has"):
        found = align(given)
    assert found["rare"] == [{"name": "g", "levels": ["far"], "target": [fewest]}]


def test_counted_rows_are_matched_where_nothing_speaks_against_it(
    frame: pd.DataFrame,
) -> None:
    guesses = frame.assign(y=1.0)
    by_row = {"on": None}
    found = align(arguments(sent_frame(frame), sent_frame(guesses), **by_row))
    assert list(found["sources"][0]["rows"]) == list(range(1, N + 1))
    shuffled = guesses.iloc[::-1].reset_index(drop=True)
    with pytest.raises(AlignmentError, match="'id' with other values"):
        align(arguments(sent_frame(frame), sent_frame(shuffled), **by_row))
    with pytest.raises(AlignmentError, match="different numbers of rows"):
        align(arguments(sent_frame(frame), sent_frame(guesses[:9]), **by_row))
    numbered = arguments(
        sent_frame(frame), sent_frame(guesses[5:], np.arange(6, N + 1)), **by_row
    )
    assert list(align(numbered)["sources"][0]["units"]) == list(range(6, N + 1))
    without = guesses[5:][["y"]]
    with pytest.raises(AlignmentError, match="no columns show"):
        align(
            arguments(
                sent_frame(frame), sent_frame(without, np.arange(6, N + 1)), **by_row
            )
        )


@pytest.mark.parametrize("spelt", [str.upper, lambda text: text + " "])
def test_counted_rows_whose_ids_are_spelt_otherwise(
    frame: pd.DataFrame, spelt: Any
) -> None:
    other = frame.assign(y=1.0, id=frame["id"].map(spelt))
    by_row = {"on": None}
    with pytest.raises(AlignmentError, match="'id' differ by capitals or blanks"):
        align(arguments(sent_frame(frame), sent_frame(other), **by_row))
    # Another column that is the same says that rows do match.
    data, other = frame.assign(key=np.arange(N)), other.assign(key=np.arange(N))
    found = align(arguments(sent_frame(data), sent_frame(other), **by_row))
    assert list(found["sources"][0]["rows"]) == list(range(1, N + 1))


def test_columns_of_other_kinds_are_refused(frame: pd.DataFrame) -> None:
    data = sent_frame(frame)
    numbers = sent_frame(frame.assign(y=1.0, g=np.arange(N)))
    with pytest.raises(DataError, match=r"'g' has 0 where data has text .*u000"):
        align(arguments(data, numbers))
    data["columns"]["g"] = sent(frame["g"], factor=True)
    strange = sent_frame(frame.assign(y=1.0, g="c"))
    with pytest.raises(DataError, match="'g' has 'c', which is no level in data"):
        align(arguments(data, strange))
    other = sent_frame(frame.assign(y=1.0, id=np.arange(N)))
    with pytest.raises(AlignmentError, match="text in data, but numbers in source"):
        align(arguments(data, other))


def test_ids_of_one_frame(frame: pd.DataFrame) -> None:
    def asked() -> dict[str, object]:
        return {"data": sent_frame(frame), "on": ["id"], "where": ["units"]}

    assert unit_ids(asked())["units"].split(LABEL_SEPARATOR) == list(frame["id"])
    frame["id"] = "u"
    with pytest.raises(AlignmentError, match="units has more than one row for 1 unit"):
        unit_ids(asked())

"""Units: ids, texts, and codes of humans that are told whatever they are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth.exceptions import AlignmentError, DataError, GenerationWarning
from statsmodels_synth.generation import Binary, Codebook
from statsmodels_synth.generation.units import read_examples, read_units

CODEBOOK = Codebook(
    unit="a respondent",
    shown=["age", "party"],
    variables={"votes": Binary("Does this person vote?")},
)


def people(n: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "party": np.array(["red", "blue"])[rng.integers(0, 2, n)],
            "votes": np.where(np.arange(n) < 25, rng.integers(0, 2, n), np.nan),
        }
    )


def read(frame: Any, on: str | None = None) -> Any:
    return read_units(frame, CODEBOOK, on, 1000)


def test_what_is_shown() -> None:
    units = read(people())
    row = people().iloc[0]
    assert units.shown[0].text == f"age: {row['age']}\nparty: {row['party']}"
    assert units.numeric == {"age"}
    assert units.labeled is not None
    assert units.labeled.sum() == 25


def test_numbers_are_written_as_people_do() -> None:
    frame = people(3).assign(age=[30.0, 30.5, np.nan])
    texts = [own.columns["age"] for own in read(frame).shown]
    assert texts == ["30", "30.5", ""]


def test_frames_of_other_libraries() -> None:
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    units = read(polars.from_pandas(people()))
    assert [own.text for own in units.shown] == [o.text for o in read(people()).shown]


def leaking(column: Callable[[pd.DataFrame], object]) -> pd.DataFrame:
    frame = people()
    frame["party"] = column(frame)
    return frame


@pytest.mark.parametrize(
    "column",
    [
        lambda frame: frame["votes"].fillna(0.0),
        lambda frame: frame["votes"].fillna(1.0).astype(int).astype(str),
        lambda frame: frame["votes"] == 1,
        lambda frame: np.where(frame["votes"] == 1, "voter", "stays at home"),
        lambda frame: 10 - 3 * frame["votes"].fillna(0.0),
    ],
    ids=["same", "text", "bool", "words", "recoded"],
)
def test_codes_of_humans_under_another_name(column: Any) -> None:
    with pytest.raises(
        DataError, match=r"'party', which (equals|recodes) the codes of"
    ):
        read(leaking(column))


def test_columns_that_only_look_like_codes() -> None:
    # One labelled unit in 25 apart, and a column that is different for each unit.
    frame = leaking(lambda frame: frame["votes"].fillna(0.0))
    frame.loc[3, "party"] = 1 - frame.loc[3, "votes"]
    read(frame)
    read(people().assign(party=[f"p{k}" for k in range(30)]))
    # A single labelled unit that agrees by chance.
    few = people().assign(party="1")
    few["votes"] = [1.0, *[np.nan] * 29]
    read(few)


def test_a_column_that_only_coders_filled() -> None:
    """Notes of coders are not their codes, and tell who is labelled all the same."""
    notes = people().assign(party=lambda f: np.where(f["votes"].notna(), "seen", " "))
    with pytest.raises(DataError, match="25 labelled units and for none of the 5"):
        read(notes)
    # What some of the others have as well is no matter of coding.
    notes.loc[29, "party"] = "red"
    read(notes)


@pytest.mark.parametrize(
    ("change", "on", "text"),
    [
        (lambda f: f.set_axis([*range(29), None]), None, "1 unit without id (row 29)"),
        (
            lambda f: f.assign(id=[1, 1, *range(28)]),
            "id",
            "data has unit 1 more than once",
        ),
        (lambda f: f.set_index(["age", "party"], drop=False), None, "in on="),
        (lambda f: f, "idd", "on='idd' is not a column of data"),
        (lambda f: f.drop(columns="party"), None, "shown= names 'party'"),
        (lambda f: f.iloc[:0], None, "data has no rows"),
        (lambda f: {"age": [1]}, None, "data is a dict"),
        (lambda f: pd.concat([f, f[["age"]]], axis=1), None, "several columns 'age'"),
    ],
)
def test_bad_frames(change: Any, on: str | None, text: str) -> None:
    with pytest.raises((DataError, AlignmentError)) as info:
        read(change(people()), on)
    assert text in str(info.value)


def renamed(*ids: object) -> pd.DataFrame:
    return people().set_axis([*ids, *range(30 - len(ids))])


def test_ids_that_are_one_but_for_blanks_or_capitals() -> None:
    with pytest.raises(AlignmentError, match=r"blanks at their ends only.* 'a', ' a '"):
        read(renamed("a", "b", " a "))
    with pytest.warns(GenerationWarning, match=r"capitals only.* 'Ab', 'aB '"):
        read(renamed("Ab", "b", "aB "))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(renamed("a", "b", "a b"))  # within an id blanks tell units apart
        read(people())


def test_examples_that_are_units_but_for_their_spelling() -> None:
    units = read(renamed("a", "b"))
    example = people().iloc[:1].assign(age=99, votes=1.0)
    read_examples(example.set_axis(["c"]), CODEBOOK, units)
    with pytest.raises(DataError, match="of the study"):
        read_examples(example.set_axis(["A "]), CODEBOOK, units)

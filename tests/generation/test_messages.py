"""Mistakes with codebooks and studies, and the texts that they end in, word by word."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth.exceptions import SynthError
from statsmodels_synth.generation import Binary, Choice, Codebook, Number, Scale, Study
from tests.generation.scripted import CODEBOOK, Scripted, posts

SNAPSHOTS = Path(__file__).parents[1] / "snapshots" / "generation.txt"
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"
POLITE = {"polite": Binary("Is it polite?")}


def study(data: Any = None, codebook: Any = CODEBOOK, **options: Any) -> Study:
    options = {"store": ":memory:", "model": Scripted()} | options
    return Study(posts() if data is None else data, codebook, **options)


def changed(**columns: Any) -> pd.DataFrame:
    return posts().assign(**columns)


def shown(*columns: str) -> Codebook:
    return Codebook("a post", list(columns), POLITE)


def notes() -> pd.DataFrame:
    data = changed(polite=np.arange(len(posts())) % 2.0)
    data.loc[data.index[5:], "polite"] = np.nan
    return data.assign(note=np.where(data["polite"].notna(), "seen", ""))


#: What somebody did: how.
CASES: dict[str, Callable[[], Any]] = {
    "question: empty": lambda: Binary(""),
    "choice: one level": lambda: Choice("Which?", ["one"]),
    "choice: the same level twice": lambda: Choice("Which?", ["a", "A"]),
    "scale: ends swapped": lambda: Scale("How warm?", 7, 1),
    "scale: misspelt": lambda: Scale("How warm?", lo=1, high=7),
    "number: ends swapped": lambda: Number("How many?", low=2, high=1),
    "codebook: no unit": lambda: Codebook("", ["text"], POLITE),
    "codebook: no column": lambda: Codebook("a post", [], POLITE),
    "codebook: no question": lambda: Codebook("a post", ["text"], {}),
    "codebook: text for a question": lambda: Codebook(
        "a post", ["text"], {"polite": "Is it polite?"}
    ),
    "codebook: a code is shown": lambda: Codebook("a post", ["polite"], POLITE),
    "codebook: misspelt": lambda: Codebook("a post", ["text"], variabels=POLITE),
    "study: no codebook": lambda: study(codebook={"polite": "Is it polite?"}),
    "study: no such column": lambda: study(codebook=shown("txet")),
    "study: no rows": lambda: study(posts().iloc[:0]),
    "study: a list": lambda: study(["a text"]),
    "study: ids twice": lambda: study(pd.concat([posts(), posts().iloc[:2]])),
    "study: no such ids": lambda: study(on="idd"),
    "study: nothing to show": lambda: study(changed(text=" ")),
    "study: notes of coders": lambda: study(notes(), shown("text", "note")),
    "study: codes under another name": lambda: study(
        changed(polite=np.arange(len(posts())) % 2.0, k=np.arange(len(posts())) % 2),
        shown("text", "k"),
    ),
    "study: no path": lambda: study(store=""),
    "study: temperature": lambda: study(temperature=3),
    "study: a step that does not exist": lambda: study(temperature={"cod": 0}),
    "study: condition": lambda: study(condition_on="humans"),
    "study: misspelt": lambda: study(synthetics=2),
    "study: minus one counterpart": lambda: study(synthetic=-1),
    "study: no model": lambda: study(model=3),
    "run: no money": lambda: study().run(max_cost=0),
    "run: money without prices": lambda: study().run(max_cost=1.0),
    "run: no workers": lambda: study().run(workers=0),
}


def text_of(name: str) -> str:
    with pytest.raises(SynthError) as info:
        CASES[name]()
    return f"{type(info.value).__name__}: {info.value}"


def read_snapshots() -> dict[str, str]:
    parts = SNAPSHOTS.read_text(encoding="utf-8").split("## ")[1:]
    return {part.split("\n")[0]: part.split("\n", 1)[1].strip() for part in parts}


@pytest.mark.skipif(UPDATE, reason="snapshots are being written")
@pytest.mark.parametrize("name", CASES)
def test_a_mistake_ends_in_a_text_that_helps(name: str) -> None:
    assert text_of(name) == read_snapshots()[name]


@pytest.mark.skipif(UPDATE, reason="snapshots are being written")
def test_every_snapshot_belongs_to_a_case() -> None:
    assert set(read_snapshots()) == set(CASES)


@pytest.mark.skipif(not UPDATE, reason="only with UPDATE_SNAPSHOTS=1")
def test_write_snapshots() -> None:
    texts = [f"## {name}\n{text_of(name)}\n" for name in CASES]
    SNAPSHOTS.write_text("\n".join(texts), encoding="utf-8")

"""The codebook: its schema, its answers, and what is none."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.generation import Binary, Choice, Codebook, Number, Scale

QUESTIONS: dict[str, Any] = {
    "a": Binary("A?"),
    "b": Scale("B?", 1, 10),
    "c": Choice("C?", ["left", "right"]),
    "d": Number("D?", low=0.0),
}
GOOD = {"a": "yes", "b": 7, "c": "left", "d": 2.5}


def test_the_schema_is_that_of_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")
    codebook = Codebook("a text", ["text"], QUESTIONS)
    model = codebook.pydantic_model()

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if not _title(k, v)}
        return value

    assert plain(model.model_json_schema()) == codebook.schema
    assert model(**GOOD).b == 7
    for wrong in (GOOD | {"b": 11}, GOOD | {"e": 1}, GOOD | {"d": -1}):
        with pytest.raises(pydantic.ValidationError):
            model(**wrong)


def _title(key: str, value: object) -> bool:
    return key == "title" and isinstance(value, str)


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_what_is_written_is_read(question: Any) -> None:
    for value in [*question.levels.values()] or [np.float64(3.0), np.int64(3)]:
        assert question.read(question.write(value)) == value
        json.dumps(question.write(value))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Binary(" "), "has no question"),
        (lambda: Choice("C?", ["one"]), "two or more answers"),
        (lambda: Choice("C?", "yes"), "two or more answers"),
        (lambda: Choice("C?", ["a", "A"]), "same level twice"),
        (lambda: Scale("S?", 7, 1), "lower one first"),
        (lambda: Scale("S?", 1.5, 7), "whole numbers"),
        (lambda: Number("N?", low=2, high=1), "lower one first"),
        (lambda: Number("N?", low="a"), "Give a number"),
        (lambda: Codebook("", ["t"], QUESTIONS), "unit= is empty"),
        (lambda: Codebook("a text", [], QUESTIONS), "names no column"),
        (lambda: Codebook("a text", ["t"], {}), "has no question"),
        (lambda: Codebook("a text", ["a", "t"], QUESTIONS), "codes of humans"),
        (lambda: Codebook("a text", ["t"], {"x": "X?"}), "Give a Binary"),
        (lambda: Codebook("a text", ["t"], QUESTIONS, images=["i"]), "not in shown="),
        (lambda: Codebook("a text", ["t"], QUESTIONS, role="cooder"), "'coder'"),
        (
            lambda: Codebook("a text", ["t"], variabels=QUESTIONS),
            "Did you mean 'variables'?",
        ),
        (lambda: Scale("S?", lo=1, high=7), "Scale has no option 'lo'"),
    ],
)
def test_bad_codebooks(make: Any, text: str) -> None:
    with pytest.raises(OptionError) as info:
        make()
    assert text in str(info.value)

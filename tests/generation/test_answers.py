"""From the text of an answer to values, probabilities, or why there are none."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from statsmodels_synth.generation import (
    Answer,
    Binary,
    Choice,
    Number,
    Scale,
)
from statsmodels_synth.generation.answers import (
    NotCovered,
    level_probabilities,
    values_of,
    written_of,
)

QUESTIONS: dict[str, Any] = {
    "a": Binary("A?"),
    "b": Scale("B?", 1, 10),
    "c": Choice("C?", ["left", "right"]),
    "d": Number("D?", low=0.0),
}
GOOD = {"a": "yes", "b": 7, "c": "left", "d": 2.5}
VALUES = {"a": 1.0, "b": 7.0, "c": "left", "d": 2.5}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"Sure! Here it is:\n```json\n{json.dumps(GOOD)}\n```\nAnything else?",
        "{not this} " + json.dumps(GOOD),
        json.dumps({"a": True, "b": "7", "c": " LEFT ", "d": "2.5", "e": "more"}),
    ],
)
def test_values(text: str) -> None:
    assert values_of(Answer(text), QUESTIONS) == VALUES


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer("", refusal="no"), "refused"),
        (Answer(json.dumps(GOOD), finish_reason="content_filter"), "refused"),
        (Answer(json.dumps(GOOD)[:-4], finish_reason="length"), "truncated"),
        (Answer("", finish_reason="context"), "longer than the context of the model"),
        (Answer("I am sorry"), "not JSON"),
        (Answer("[1, 2]"), "not JSON"),
        (Answer("{" * 100_000), "not JSON"),
        (Answer('{"a": "yes"}'), "a key is missing"),
        (Answer(json.dumps(GOOD | {"a": "perhaps"})), "no answer of the codebook"),
        (Answer(json.dumps(GOOD | {"b": 11})), "no answer of the codebook"),
        (Answer(json.dumps(GOOD | {"b": 6.5})), "no answer of the codebook"),
        (Answer(json.dumps(GOOD | {"b": True})), "no answer of the codebook"),
        (Answer(json.dumps(GOOD | {"c": "middle"})), "no answer of the codebook"),
        (Answer(json.dumps(GOOD | {"d": math.inf})), "no answer of the codebook"),
        (Answer(json.dumps(GOOD | {"d": None})), "no answer of the codebook"),
    ],
)
def test_reasons(answer: Answer, reason: str) -> None:
    assert values_of(answer, QUESTIONS) == NotCovered(reason)


def test_an_answer_cut_after_its_end_counts() -> None:
    answer = Answer(json.dumps(GOOD) + "  \n", finish_reason="length")
    assert values_of(answer, QUESTIONS) == VALUES


def test_counterparts() -> None:
    numeric = frozenset(["age"])
    good = Answer('{"age": "33", "town": "Ghent"}')
    assert written_of(good, ("age", "town"), numeric) == {"age": 33.0, "town": "Ghent"}
    for text, reason in (
        ('{"age": "old", "town": "Ghent"}', "no answer of the codebook"),
        ('{"age": 33}', "a key is missing"),
        ('{"age": 33, "town": ["Ghent"]}', "no answer of the codebook"),
    ):
        assert written_of(Answer(text), ("age", "town"), numeric) == NotCovered(reason)
    assert written_of(Answer('{"t": " "}'), ("t",), frozenset()) == NotCovered(
        "empty answer"
    )


def tokens(*parts: Any) -> list[Any]:
    """Tokens: text alone, or text with the probabilities of what could stand there."""
    found = []
    for part in parts:
        text, others = part if isinstance(part, tuple) else (part, {})
        own = [(name, math.log(p)) for name, p in others.items()]
        found.append((text, math.log(others.get(text, 1.0)), own))
    return found


@pytest.mark.parametrize(
    "parts",
    [
        ['{"a": "', ("yes", {"yes": 0.6, "no": 0.2, "maybe": 0.2}), '"}'],
        ['{"a":', (' "yes', {' "yes': 0.6, ' "no': 0.2, " true": 0.2}), '"}'],
        ["\n", '{"a": "', ("y", {"y": 0.6, "n": 0.2}), "es", '"}'],
        ['{"b":1,"a":"', ('yes"', {'yes"': 0.5, "yes": 0.1, "no": 0.2}), "}"],
    ],
)
def test_probabilities_whatever_the_tokens(parts: list[Any]) -> None:
    own = tokens(*parts)
    answer = Answer("".join(text for text, _, _ in own).strip(), logprobs=own)
    found = level_probabilities(answer, "a", QUESTIONS["a"])
    assert found is not None
    assert found["yes"] == pytest.approx(0.75)


def test_a_variable_may_be_called_as_an_answer_is() -> None:
    own = tokens('{"c": "', "a", '", "a": "', ("no", {"no": 0.6, "yes": 0.2}), '"}')
    answer = Answer('{"c": "a", "a": "no"}', logprobs=own)
    found = level_probabilities(answer, "a", QUESTIONS["a"])
    assert found is not None
    assert found["no"] == pytest.approx(0.75)


def test_probabilities_that_one_token_does_not_tell() -> None:
    own = tokens('{"b": ', ("1", {"1": 0.9, "2": 0.1}), "0", "}")
    answer = Answer('{"b": 10}', logprobs=own)
    assert level_probabilities(answer, "b", QUESTIONS["b"]) is None
    assert level_probabilities(Answer('{"a": "yes"}'), "a", QUESTIONS["a"]) is None

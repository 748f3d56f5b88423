"""Answers: from text to values, or to the reason why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
import json
import math
import re
from typing import Any, TypeAlias

from statsmodels_synth.generation.codebook import Question, Value

#: A token with its log-probability, and those that could have stood in its place.
Token: TypeAlias = tuple[str, float, list[tuple[str, float]]]

_DECODER = json.JSONDecoder()
#: Braces at which an object is looked for.
_TRIES = 20
REFUSED, TRUNCATED, NO_JSON = "refused", "truncated", "not JSON"
LONG = "longer than the context of the model"
LACKS, WRONG, BLANK = "a key is missing", "no answer of the codebook", "empty answer"


@dataclass(frozen=True)
class Answer:
    """
    What a model answered.

    Parameters
    ----------
    text : str
        The answer, JSON by the schema of the request.
    model : str
        Name of the model as the endpoint returns it.
    refusal : str
        Reason for which it refused; empty if it did not.
    finish_reason : str
        Why it ended: ``"stop"``, ``"length"``, ``"content_filter"``.
    input_tokens, output_tokens : int
        Tokens read and written, those of reasoning included.
    reasoning_tokens, cached_tokens : int
        Those of the output spent on reasoning, those of the input read from a cache.
    logprobs : list of tuple, optional
        For each token its text, its log-probability, and a list of the text and
        log-probability of tokens that could have stood in its place.
    mode : str
        How the form of the answer was asked for: ``"schema"``, ``"json"``, ``"text"``.
    batch : bool
        Whether it came in a batch, at half the price.
    seconds : float
        How long it took.
    created : float
        When it was stored, in seconds since 1970; set by the store.

    See Also
    --------
    Model : Gives answers.

    Examples
    --------
    >>> Answer('{"polite": "yes"}').finish_reason
    'stop'
    """

    text: str
    model: str = ""
    refusal: str = ""
    finish_reason: str = "stop"
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    logprobs: list[Token] | None = None
    mode: str = "schema"
    batch: bool = False
    seconds: float = 0.0
    created: float = 0.0


@dataclass(frozen=True)
class NotCovered:
    """
    Why an answer has no values.

    Parameters
    ----------
    reason : str
        One of a few, so that they can be counted.
    """

    reason: str


def _object(text: str) -> dict[str, Any] | None:
    """The first JSON object in a text."""
    start = -1
    for _ in range(_TRIES):
        start = text.find("{", start + 1)
        if start < 0:
            break
        # What is no JSON, such as a set of words in braces, may come before it.
        with suppress(ValueError, RecursionError):
            found: dict[str, Any] = _DECODER.raw_decode(text, start)[0]
            return found
    return None


def _read(answer: Answer) -> dict[str, Any] | NotCovered:
    """The object of an answer."""
    if answer.refusal or answer.finish_reason == "content_filter":
        return NotCovered(REFUSED)
    if answer.finish_reason == "context":
        return NotCovered(LONG)
    found = _object(answer.text)
    if found is not None:
        return found
    return NotCovered(TRUNCATED if answer.finish_reason == "length" else NO_JSON)


def values_of(
    answer: Answer, variables: Mapping[str, Question]
) -> dict[str, Value] | NotCovered:
    """
    Values of all variables, or why there are none.

    Examples
    --------
    >>> from statsmodels_synth.generation.codebook import Scale
    >>> values_of(Answer('{"warm": 9}'), {"warm": Scale("How warm?", 1, 7)})
    NotCovered(reason='no answer of the codebook')
    """
    found = _read(answer)
    if isinstance(found, NotCovered):
        return found
    values: dict[str, Value] = {}
    for name, question in variables.items():
        if name not in found:
            cut = answer.finish_reason == "length"
            return NotCovered(TRUNCATED if cut else LACKS)
        value = question.read(found[name])
        if value is None:
            return NotCovered(WRONG)
        values[name] = value
    return values


def written_of(
    answer: Answer, columns: tuple[str, ...], numeric: frozenset[str]
) -> dict[str, Any] | NotCovered:
    """Columns of a counterpart, or why there are none."""
    found = _read(answer)
    if isinstance(found, NotCovered):
        return found
    result: dict[str, Any] = {}
    for name in columns:
        if name not in found:
            return NotCovered(LACKS)
        value = found[name]
        if isinstance(value, (dict, list)) or value is None:
            return NotCovered(WRONG)
        if name in numeric:
            try:
                value = float(value)
            except (TypeError, ValueError):
                return NotCovered(WRONG)
            if not math.isfinite(value):
                return NotCovered(WRONG)
        result[name] = value
    if not any(str(value).strip() for value in result.values()):
        return NotCovered(BLANK)
    return result


def level_probabilities(
    answer: Answer, name: str, question: Question
) -> dict[str, float] | None:
    """
    Probability of each level of a variable, by the log-probabilities of tokens.

    They are those of the first token by which the levels differ, divided by their sum:
    the rest went to what is no level. None where they cannot be read.

    Examples
    --------
    >>> from statsmodels_synth.generation.codebook import Binary
    >>> tokens = [('{"a": "', 0.0, []), ("yes", -0.1, [("yes", -0.1), ("no", -2.4)]),
    ...           ('"}', 0.0, [])]
    >>> answer = Answer('{"a": "yes"}', logprobs=tokens)
    >>> round(level_probabilities(answer, "a", Binary("A?"))["yes"], 3)
    0.909
    """
    levels = list(question.levels)
    # What an endpoint strips from the text is still among its tokens.
    tokens = answer.logprobs or []
    start = _start_of("".join(text for text, _, _ in tokens), name)
    if start is None or not levels:
        return None
    position = 0
    for token, logprob, others in tokens:
        if position + len(token) > start:
            return _shares(token, logprob, others, max(start - position, 0), levels)
        position += len(token)
    return None


def _shares(
    token: str,
    logprob: float,
    others: list[tuple[str, float]],
    lead: int,
    levels: list[str],
) -> dict[str, float] | None:
    """Shares of levels at one token, of which `lead` characters stand before them."""
    shares = dict.fromkeys(levels, 0.0)
    if _level(token[lead:], levels) is None:  # as "1" where there are 1 and 10
        return None
    for text, own in dict([*others, (token, logprob)]).items():
        level = _level(text[lead:], levels) if text[:lead] == token[:lead] else None
        if level is not None:
            shares[level] += math.exp(own)
    total = sum(shares.values())
    return {k: v / total for k, v in shares.items()} if total > 0 else None


def _level(text: str, levels: list[str]) -> str | None:
    """The only level that a text begins, or begins with; None if several or none."""
    own = text.lower()
    fits = [k for k in levels if own and (k.lower().startswith(own) or _ends(own, k))]
    return fits[0] if len(fits) == 1 else None


def _ends(own: str, level: str) -> bool:
    """Whether a text is a level and what may follow it in JSON."""
    rest = own[len(level) :]
    return own.startswith(level.lower()) and rest[:1] in {"", '"', ",", "}", " ", "\n"}


def _start_of(text: str, name: str) -> int | None:
    """Where the value of a key starts in the text, inside its quotation mark."""
    key = re.escape(json.dumps(name, ensure_ascii=False))
    # With a colon: the name of a variable may also be the answer to another one.
    found = re.search(key + r'\s*:\s*"?', text)
    return found.end() if found and found.end() < len(text) else None

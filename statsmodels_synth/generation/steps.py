"""The three steps: from units and answers so far to requests and to outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pandas as pd

from statsmodels_synth.generation.answers import (
    Answer,
    NotCovered,
    level_probabilities,
    values_of,
    written_of,
)
from statsmodels_synth.generation.codebook import Binary, Codebook
from statsmodels_synth.generation.models import Model
from statsmodels_synth.generation.prompts import fenced, write_message
from statsmodels_synth.generation.requests import Prompt, Request, Step
from statsmodels_synth.generation.spending import Spent, spent_on
from statsmodels_synth.generation.units import Shown, Units, written

#: What came of a request: values, or why there are none.
Outcome: TypeAlias = dict[str, Any] | NotCovered
#: A unit by its position, and the number of its replicate or counterpart.
Place: TypeAlias = tuple[int, int]
Requests: TypeAlias = dict[Place, Request]

NOT_ASKED = NotCovered("not asked yet")
NO_PROXY = NotCovered("no proxy to condition on")
NO_TEXT = NotCovered("no counterpart")


@dataclass(frozen=True)
class Design:
    """
    How one source is made, alike for every unit.

    Parameters
    ----------
    name : str
        Name of the source.
    model : Model
        The model.
    codebook : Codebook
        The questions.
    code, write : Prompt
        Prompts: of coding, units and counterparts alike; of writing.
    replicates, synthetic : int
        Proxies and counterparts per unit.
    regressors : tuple of str
        Variables that a counterpart has as its original does.
    human : bool
        Whether a counterpart of a labelled unit is given the codes of humans.
    """

    name: str
    model: Model
    codebook: Codebook
    code: Prompt
    write: Prompt
    replicates: int
    synthetic: int
    regressors: tuple[str, ...]
    human: bool = False


def _requests(
    prompt: Prompt, step: Step, units: Units, messages: Iterable[tuple[Place, str]]
) -> Requests:
    """
    Requests for messages by place.

    Messages that are alike are different draws, unless the temperature is 0, where they
    are one.
    """
    drawn: Counter[Any] = Counter()
    varies = prompt.settings.temperature != 0
    found = {}
    for place, text in messages:
        k, replicate = place
        images = units.shown[k].images if step == "code" else ()
        alike = (text, images)
        found[place] = Request(
            *(prompt, step, units.ids[k], k, replicate, text, images),
            draw=drawn[alike] if varies else 0,
        )
        drawn[alike] += 1
    return found


def code_requests(design: Design, units: Units, some: list[int]) -> Requests:
    """Requests for the proxies of some units."""
    texts = {k: fenced(units.shown[k]) for k in some}
    messages = (((k, r), texts[k]) for r in range(design.replicates) for k in some)
    return _requests(design.code, "code", units, messages)


def write_requests(
    design: Design, units: Units, proxies: Mapping[Place, Outcome]
) -> Requests:
    """Requests for the counterparts of units that have a proxy."""
    some = list(dict.fromkeys(k for k, _ in proxies))
    messages = []
    for s in range(design.synthetic):
        for k in some:
            proxy = proxies.get((k, s % design.replicates), NOT_ASKED)
            if not isinstance(proxy, NotCovered):
                given = _given(design, units.codes, k, proxy)
                messages.append(((k, s), write_message(units.shown[k], given)))
    return _requests(design.write, "write", units, messages)


def _given(
    design: Design, codes: pd.DataFrame, k: int, proxy: Mapping[str, Any]
) -> dict[str, Any]:
    """Answers that the counterpart of a unit has."""
    variables, values = design.codebook.variables, dict(proxy)
    if design.human and set(design.regressors) <= set(codes.columns):
        human = {name: codes[name].iloc[k] for name in design.regressors}
        if not any(pd.isna(value) for value in human.values()):
            values |= human
    return {name: variables[name].write(values[name]) for name in design.regressors}


def read_requests(
    design: Design, units: Units, texts: Mapping[Place, Outcome]
) -> Requests:
    """Requests for the codes of counterparts: by the prompt of the units themselves."""
    messages = [
        (place, fenced(counterpart(design, text)))
        for place, text in texts.items()
        if not isinstance(text, NotCovered)
    ]
    return _requests(design.code, "read", units, messages)


def counterpart(design: Design, text: Mapping[str, Any]) -> Shown:
    """A counterpart as a model sees it."""
    return written(text, design.codebook.shown)


def coded(
    design: Design, requests: Mapping[Place, Request], answers: Mapping[bytes, Answer]
) -> dict[Place, Outcome]:
    """What came of requests for codes."""
    variables, found = design.codebook.variables, {}
    for place, request in requests.items():
        answer = answers.get(request.key)
        found[place] = NOT_ASKED if answer is None else values_of(answer, variables)
    return found


def texts_of(
    design: Design,
    numeric: frozenset[str],
    requests: Mapping[Place, Request],
    answers: Mapping[bytes, Answer],
) -> dict[Place, Outcome]:
    """What came of requests for counterparts."""
    columns, found = tuple(design.codebook.shown), {}
    for place, request in requests.items():
        answer = answers.get(request.key)
        found[place] = (
            NOT_ASKED if answer is None else written_of(answer, columns, numeric)
        )
    return found


@dataclass(frozen=True)
class Made:
    """
    What came of one source.

    Parameters
    ----------
    design : Design
        How it is made.
    outcomes : dict
        What came of each step, by unit and replicate.
    probabilities : dict
        Probability of yes, by place and variable, for codes of units and of
        counterparts apart; empty without log-probabilities.
    spent : dict of Spent
        What each step took.
    """

    design: Design
    outcomes: dict[Step, dict[Place, Outcome]]
    probabilities: dict[Step, dict[Place, dict[str, float]]]
    spent: dict[Step, Spent]


@dataclass
class Chain:
    """
    The steps of one source, as far as there are answers.

    Parameters
    ----------
    requests : dict
        Requests of each step by place.
    outcomes : dict
        What came of them.
    answers : dict
        Answers of each step; one that several requests share is there once.
    probabilities : dict
        Probabilities of yes, where log-probabilities tell.
    """

    requests: dict[Step, Requests] = field(default_factory=dict)
    outcomes: dict[Step, dict[Place, Outcome]] = field(default_factory=dict)
    probabilities: dict[Step, dict[Place, dict[str, float]]] = field(
        default_factory=dict
    )
    answers: dict[Step, list[Answer]] = field(default_factory=dict)

    @property
    def spent(self) -> dict[Step, Spent]:
        """What the answers of each step took."""
        return {step: spent_on(own) for step, own in self.answers.items()}


def follow(
    design: Design,
    units: Units,
    some: list[int],
    stored: Callable[[str], dict[bytes, Answer]],
    ask: Callable[[list[Request]], None] | None = None,
) -> Chain:
    """
    Go from step to step, for some units; `ask` gets what is not stored.

    Without it, what is stored is all that there is.
    """
    chain = Chain()

    def answered(step: Step, requests: Requests) -> dict[bytes, Answer]:
        chain.requests[step] = requests
        prompt = (design.write if step == "write" else design.code).digest
        answers = stored(prompt)
        by_key = {request.key: request for request in requests.values()}
        todo = [own for key, own in by_key.items() if key not in answers]
        if todo and ask is not None:
            ask(todo)
            answers = stored(prompt)
        chain.answers[step] = [answers[key] for key in by_key if key in answers]
        return answers

    def code(step: Step, requests: Requests) -> dict[Place, Outcome]:
        answers = answered(step, requests)
        found = coded(design, requests, answers)
        chain.probabilities[step] = _probabilities(design, requests, answers, found)
        return found

    proxies = code("code", code_requests(design, units, some))
    chain.outcomes["code"] = proxies
    if not design.synthetic:
        return chain
    places = [(k, s) for s in range(design.synthetic) for k in some]
    writing = write_requests(design, units, proxies)
    answers = answered("write", writing)
    texts = texts_of(design, units.numeric, writing, answers)
    chain.outcomes["write"] = {
        (k, s): texts.get((k, s)) or _lacking(proxies[k, s % design.replicates])
        for k, s in places
    }
    codes = code("read", read_requests(design, units, texts))
    chain.outcomes["read"] = {
        place: codes.get(place) or _lacking(chain.outcomes["write"][place], NO_TEXT)
        for place in places
    }
    return chain


def _lacking(before: Outcome, reason: NotCovered = NO_PROXY) -> NotCovered:
    """Why there is no outcome, by that of the step before."""
    return NOT_ASKED if before is NOT_ASKED else reason


def _probabilities(
    design: Design,
    requests: Requests,
    answers: Mapping[bytes, Answer],
    outcomes: Mapping[Place, Outcome],
) -> dict[Place, dict[str, float]]:
    """Probabilities of yes of all answers with values, where they can be read."""
    if not design.code.settings.logprobs:
        return {}
    binary = {
        name: question
        for name, question in design.codebook.variables.items()
        if isinstance(question, Binary)
    }
    found = {}
    for place, outcome in outcomes.items():
        if isinstance(outcome, NotCovered):
            continue
        answer, own = answers[requests[place].key], {}
        for name, question in binary.items():
            shares = level_probabilities(answer, name, question)
            if shares is not None:
                own[name] = shares["yes"]
        found[place] = own
    return found

"""The report: what a methods section has to say of each source, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from statsmodels_synth.core.messages import count
from statsmodels_synth.generation.answers import NotCovered
from statsmodels_synth.generation.requests import Prompt
from statsmodels_synth.generation.spending import model_name
from statsmodels_synth.generation.steps import Made
from statsmodels_synth.generation.texts import TextChecks
from statsmodels_synth.generation.units import Units

_DONE = {
    "code": "Coding of units",
    "write": "Writing of counterparts",
    "read": "Coding of counterparts",
}


def report_of(
    units: Units,
    made: Mapping[str, Made],
    counts: pd.DataFrame,
    costs: pd.DataFrame,
    failures: pd.DataFrame | None,
    checks: Mapping[str, TextChecks],
) -> str:
    """Sentences on all sources."""
    parts = [" ".join(_on_units(units, made))]
    for name, own in made.items():
        mine = [table[table["source"] == name] for table in (counts, costs)]
        tests = None if failures is None else failures[failures["source"] == name]
        sentences = [
            *_on_model(own, units),
            *_on_steps(mine[0], mine[1], tests),
            *_on_texts(own, checks.get(name)),
        ]
        parts.append(f"Source {name!r}: " + " ".join(sentences))
    return "\n\n".join(parts)


def _on_units(units: Units, made: Mapping[str, Made]) -> Iterator[str]:
    codebook = next(iter(made.values())).design.codebook
    columns = ", ".join(repr(name) for name in codebook.shown)
    variables = ", ".join(repr(name) for name in codebook.variables)
    yield (
        f"{count(len(units), 'unit')} ({codebook.unit}) were coded for {variables} by "
        f"{count(len(made), 'source')} made with language models."
    )
    if any(own.design.human for own in made.values()):
        yield (
            f"Of a unit the models saw {columns}, and counterparts of labelled units "
            "were conditioned on codes of humans, those of other units on codes of the "
            "model: labelled and unlabelled rows differ in law, and estimates may be "
            "biased."
        )
    else:
        yield (
            f"Of a unit the models saw {columns} and nothing else; no code of a human "
            "was part of any request but for examples, which are outside the study. "
            "Requests and their order do not depend on which units are labelled."
        )
    for reason in sorted(set(units.skipped.values())):
        number = sum(own == reason for own in units.skipped.values())
        yield f"{count(number, 'unit')} were not asked about ({reason})."


def _settings(prompt: Prompt) -> str:
    own = prompt.settings
    heat = "default" if own.temperature is None else f"{own.temperature:g}"
    parts = [f"temperature {heat}"]
    if own.seed is not None:
        parts.append(f"seed {own.seed}")
    if own.max_tokens is not None:
        parts.append(f"at most {own.max_tokens} tokens")
    parts += [f"{name} {value}" for name, value in own.extra.items()]
    return ", ".join(parts)


def _on_model(made: Made, units: Units) -> Iterator[str]:
    design = made.design
    spent = list(made.spent.values())
    returned = sorted({name for own in spent for name in own.models})
    days = sorted({day for own in spent for day in (own.first, own.last) if day})
    when = "" if not days else f", {days[0]}"
    when += "" if len(days) < 2 else f" to {days[-1]}"
    address = design.code.address or "in this process"
    names = ", ".join(returned) or "no name"
    yield (
        f"Model {model_name(design.code.model)} ({address}; "
        f"returned as {names}{when}); "
        "coding: "
        f"{_settings(design.code)}, prompt {design.code.digest[:12]}."
    )
    if len(returned) > 1:
        yield (
            "The endpoint changed the model in the middle, so that the source is a "
            "mixture of both."
        )
    modes = sorted({name for own in spent for name in own.modes})
    if modes:
        yield f"The form of answers was asked for by: {', '.join(modes)}."
    examples = len(design.code.turns) // 2
    if examples:
        were = "was" if examples == 1 else "were"
        yield f"{count(examples, 'example')} from outside the study {were} shown."
    if design.replicates > 1:
        yield f"Each unit was coded {design.replicates} times."
    if design.synthetic:
        given = ", ".join(repr(name) for name in design.regressors)
        source = "codes of humans or the model's own" if design.human else "own codes"
        yield (
            f"{count(design.synthetic, 'counterpart')} of each unit "
            f"{'was' if design.synthetic == 1 else 'were'} written by the model, given "
            "the unit"
            + (f" and its {source} of {given}" if given else "")
            + f" ({_settings(design.write)}, prompt {design.write.digest[:12]}), and "
            "coded by the prompt of the units without sight of the original."
        )
    yield from _on_probabilities(made)


def _on_probabilities(made: Made) -> Iterator[str]:
    """How many answers became probabilities."""
    if not made.design.code.settings.logprobs:
        return
    known = rows = 0
    for step, own in made.probabilities.items():
        rows += sum(
            not isinstance(outcome, NotCovered)
            for outcome in made.outcomes[step].values()
        )
        known += sum(bool(found) for found in own.values())
    yield (
        f"Binary variables are probabilities by the log-probabilities of tokens in "
        f"{known} of {count(rows, 'answer')}, and 0 or 1 in the others."
    )


def _on_steps(
    counts: pd.DataFrame, costs: pd.DataFrame, failures: pd.DataFrame | None
) -> Iterator[str]:
    for step, own in counts.groupby("step", sort=False):
        rows = dict(zip(own["reason"], own["rows"], strict=True))
        done = rows.pop("covered", 0)
        lost = ", ".join(f"{number} {reason}" for reason, number in rows.items())
        text = f"{_DONE[str(step)]}: {done} of {done + sum(rows.values())} usable"
        text += f" ({lost})." if lost else "."
        yield text
        if failures is not None and lost:
            test = failures[failures["step"] == step].iloc[0]
            yield (
                f"Without a usable row are {test['lost_labeled']} of "
                f"{test['n_labeled']} labelled units and {test['lost_unlabeled']} of "
                f"{test['n_unlabeled']} others (Fisher's exact test: p = "
                f"{test['pvalue']:.2g})."
            )
    answers, money = int(costs["answers"].sum()), costs["money"].sum(skipna=False)
    into, out, thought = (
        costs[f"{kind}_tokens"].sum() for kind in ("input", "output", "reasoning")
    )
    cost = "prices are not known" if np.isnan(money) else f"cost {money:.4g}"
    yield (
        f"{count(answers, 'answer')} took {into:.0f} tokens read and {out:.0f} "
        f"written, {thought:.0f} of them for reasoning (those of batches count half); "
        f"{cost}."
    )


def _on_texts(made: Made, checks: TextChecks | None) -> Iterator[str]:
    if checks is not None:
        yield checks.sentence()

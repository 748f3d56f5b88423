"""
What a study takes, measured, and whether its estimate is right.

Run from the root of the repository, where ../shared/data has the texts of requests::

    python -m benchmarks.generation_costs                    # estimate against bill
    python -m benchmarks.generation_costs --batch 100000     # files of a batch, time
    python -m benchmarks.generation_costs --small 60         # tokens of the small model

**Estimate against bill.** A scripted model counts the tokens of what it reads and
writes and keeps a bill, as an endpoint does: reasoning is billed as output, a refusal
and an answer that is cut are billed, and so is an answer that is lost on its way and
asked for again. `Study.estimate` of a pilot is compared with the bill of the whole
study, over many studies of 1,000 requests: mean ratio, share of bills inside the
interval of 95 %, with their Monte Carlo errors.

**Tokens** of a call are counted by a rule: words in pieces of up to six letters, and
each other character, which is within a tenth of the tokenizers of common models for
English. With ``--small`` those are printed that the small model of the extra `llm-test`
counts, for the same requests.

**Table.** Calls, tokens and money for 1e5 to 1e7 units are those of a study of 1,000 by
its stored answers, times the number of units; files and times those of ``--batch``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
import hashlib
from itertools import product
import json
import math
from pathlib import Path
import re
import resource
import tempfile
import threading
import time
from typing import Any
from unittest import mock

from joblib import Parallel, delayed
import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.generation import CODEBOOK
from benchmarks.measured import Measured, mean_of, share_of
from statsmodels_synth.exceptions import ModelError
from statsmodels_synth.generation import (
    Answer,
    Prices,
    Request,
    Study,
    runner,
)
from statsmodels_synth.generation.costs import money_of

SHARED = Path(__file__).parents[2] / "shared" / "data" / "politeness_texts.csv"
PRICES = Prices(0.15, 0.60)
UNITS, PILOT = 1_000, 20
_PIECE = re.compile(r"[^\W_]{1,6}|[^\w\s]|_")
#: Tokens around each message that have no text.
_FRAME = 4
#: Answers take a second, eight at a time, in the table.
SECONDS, WORKERS = 1.0, 8


def tokens(text: str) -> int:
    """Tokens of a text, by the rule."""
    return len(_PIECE.findall(text))


def share(*parts: object) -> float:
    """A number between 0 and 1 that looks random and is the same every time."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


@dataclass
class Billing:
    """
    A scripted model that keeps a bill.

    Attributes
    ----------
    reasoning : float
        Median of the tokens of reasoning of a call; they are log-normal with a standard
        deviation of one.
    lost : float
        Share of calls whose answer is billed and does not arrive.
    refused, cut : float
        Shares of refusals and of answers that end by their length.
    """

    seed: int
    reasoning: float = 0.0
    lost: float = 0.0
    refused: float = 0.0
    cut: float = 0.0
    name: str = "scripted"
    billed: list[Answer] = field(default_factory=list)
    tries: Counter[bytes] = field(default_factory=Counter)
    lock: Any = field(default_factory=threading.Lock)

    def complete(self, request: Request) -> Answer:
        """Answer, and put it on the bill."""
        with self.lock:
            self.tries[request.key] += 1
            attempt = self.tries[request.key]
        fate = share(self.seed, "fate", request.key)
        text, refusal = self.written(request), ""
        if fate < self.refused:
            text, refusal = "", "I cannot help with that."
        elif fate < self.refused + self.cut:
            text = text[: len(text) // 2]
        thought = self.thought(request)
        answer = Answer(
            text,
            model=self.name,
            refusal=refusal,
            finish_reason="length" if 0 < fate - self.refused < self.cut else "stop",
            input_tokens=sum(
                tokens(str(own["content"])) + _FRAME for own in request.messages
            )
            + tokens(json.dumps(request.schema)),
            output_tokens=tokens(text + refusal) + thought,
            reasoning_tokens=thought,
        )
        with self.lock:
            self.billed.append(answer)
        if share(self.seed, "lost", request.key, attempt) < self.lost:
            raise ModelError("lost", True)
        return answer

    def thought(self, request: Request) -> int:
        """Tokens of reasoning."""
        if not self.reasoning:
            return 0
        a, b = (share(self.seed, k, request.key) for k in "ab")
        normal = math.sqrt(-2 * math.log(1 - a)) * math.cos(2 * math.pi * b)
        return round(self.reasoning * math.exp(normal))

    def written(self, request: Request) -> str:
        """Codes; or a counterpart, as long as another request."""
        if "text" not in request.schema["properties"]:
            warmth = 1 + int(7 * share(self.seed, "w", request.key))
            return json.dumps({"polite": "yes", "hedge": "no", "warmth": warmth})
        at = int(share(self.seed, "text", request.key) * len(TEXTS))
        return json.dumps({"text": f"{TEXTS[at]} ({request.unit})"})

    @property
    def bill(self) -> float:
        """Money for all that was answered, whether it arrived or not."""
        return sum(money_of(PRICES, own) for own in self.billed)


def read_texts() -> list[str]:
    """Requests as people wrote them; some of the same lengths if they are not there."""
    if SHARED.exists():
        return [str(k) for k in pd.read_csv(SHARED)["text"].dropna()]
    rng = np.random.default_rng(0)
    words = np.array(["could", "you", "please", "look", "at", "this", "query", "again"])
    lengths = rng.lognormal(3.0, 0.6, 5_000).astype(int) + 1
    return [" ".join(rng.choice(words, length)) for length in lengths]


TEXTS = read_texts()


def requests(n: int, seed: int = 0) -> pd.DataFrame:
    """Requests at random, with a number that makes them differ."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(TEXTS), n, replace=n > len(TEXTS))
    return pd.DataFrame({"text": [f"{TEXTS[row]} [{k}]" for k, row in enumerate(rows)]})


SCENES: dict[str, dict[str, float]] = {
    "plain": {},
    "reasoning": {"reasoning": 300.0},
    "reasoning, refusals, cut answers": {
        "reasoning": 300.0,
        "refused": 0.03,
        "cut": 0.05,
    },
    "one answer in ten lost and asked again": {"lost": 0.1},
}


def compare(scene: str, pilot: int, seed: int) -> tuple[float, bool, float]:
    """Bill over estimate, whether the interval has it, and calls over expected ones."""
    model = Billing(seed, **SCENES[scene])
    study = Study(
        requests(UNITS, seed),
        CODEBOOK,
        model=model,
        store=":memory:",
        synthetic=1,
        prices=PRICES,
    )
    # A call that is lost is tried again at once.
    with mock.patch.object(runner.Pacer, "rest", return_value=None):
        guess = study.estimate(pilot, workers=1)
        study.run(workers=1, progress=False)
    middle, low, high = guess.money
    return (
        model.bill / middle,
        low <= model.bill <= high,
        len(model.billed) / guess.calls,
    )


def estimates(draws: int) -> pd.DataFrame:
    """Table of estimates against bills."""
    rows = []
    for scene in SCENES:
        found = [compare(scene, PILOT, seed) for seed in tqdm(range(draws), desc=scene)]
        ratio, inside, calls = (
            np.array(own, dtype=float) for own in zip(*found, strict=True)
        )
        covered = inside.mean()
        rows.append(
            {
                **{"model": scene, "pilot": PILOT, "studies": draws},
                **{"bill / estimate": ratio.mean(), "its sd": ratio.std(ddof=1)},
                **{"least": ratio.min(), "most": ratio.max(), "covered": covered},
                "mc error": np.sqrt(covered * (1 - covered) / draws),
                "calls / expected": calls.mean(),
            }
        )
    return pd.DataFrame(rows)


#: Models in the words of the table of the documentation, and studies of it.
SHOWN = dict(
    zip(
        (
            *("plain", "reasons", "reasons, 3 % refusals, 5 % of answers cut"),
            "one answer in ten is lost on its way",
        ),
        SCENES,
        strict=True,
    )
)
STUDIES = 20


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of bills: ratio to the estimate, and how many it foresaw."""
    for shown, scene in SHOWN.items():
        found = Parallel(jobs)(
            delayed(compare)(scene, PILOT, seed) for seed in range(first, first + draws)
        )
        ratio, inside, _ = zip(*found, strict=True)
        yield (shown,), [mean_of(ratio), share_of(inside).times(STUDIES)]


def per_call(sources: Any) -> pd.DataFrame:
    """Answers and tokens of a call, by step, from a study that is stored."""
    costs = sources.costs.set_index("step")
    number = costs["answers"]
    return pd.DataFrame(
        {
            "answers": number,
            "tokens read": costs["input_tokens"] / number,
            "tokens written": costs["output_tokens"] / number,
            "of reasoning": costs["reasoning_tokens"] / number,
        }
    )


def scripted_study(synthetic: int, **options: float) -> Any:
    """A study of 1,000 requests by the scripted model."""
    study = Study(
        requests(UNITS),
        CODEBOOK,
        model=Billing(0, **options),
        store=":memory:",
        synthetic=synthetic,
        prices=PRICES,
    )
    return study.run(workers=1, progress=False)


def table() -> pd.DataFrame:
    """What 1e5 to 1e7 units take, by studies of 1,000."""
    rows = []
    for synthetic in (0, 1):
        for name, options in (("no", {}), ("yes", {"reasoning": 300.0})):
            costs = scripted_study(synthetic, **options).costs.sum(numeric_only=True)
            for units in (100_000, 1_000_000, 10_000_000):
                times = units / UNITS
                calls = times * costs["answers"]
                rows.append(
                    {
                        **{"units": units, "counterparts": synthetic},
                        **{"reasons": name, "calls": calls},
                        "tokens read": times * costs["input_tokens"],
                        "tokens written": times * costs["output_tokens"],
                        "money": times * costs["money"],
                        "in batches": times * costs["money"] / 2,
                        "hours": calls * SECONDS / WORKERS / 3600,
                    }
                )
    return pd.DataFrame(rows).sort_values(["reasons", "units", "counterparts"])


def table_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of costs, in which nothing is left to chance."""
    del draws, first, jobs
    if not SHARED.exists():
        return
    found = table().set_index(["units", "counterparts", "reasons"])
    for units, synthetic in product((100_000, 1_000_000, 10_000_000), (0, 1)):
        row = found.loc[(units, synthetic, "no")]
        numbers = [row[k] for k in ("calls", "tokens read", "tokens written", "money")]
        numbers.append(found.loc[(units, synthetic, "yes"), "money"])
        hours = row["hours"]
        key = (f"{units:.0e}".replace("e+0", "e"), str(synthetic))
        yield key, [Measured(float(k), 0.0) for k in (*numbers, hours)]


def batch(n: int) -> dict[str, float]:
    """Files of the batch of n units, and the seconds of writing and reading them."""
    name = "gpt-4o-mini"
    with tempfile.TemporaryDirectory(dir=".") as folder:
        frame, path = requests(n), Path(folder)
        start = time.process_time()
        study = Study(frame, CODEBOOK, model=name, store=path / "s.sqlite")
        made = time.process_time() - start
        start = time.process_time()
        files = study.export_batch(path / "out")
        wrote = time.process_time() - start
        out = sum(file.stat().st_size for file in files)
        (path / "in").mkdir()
        for file in files:
            answer_file(file, path / "in" / file.name)
        came = sum(file.stat().st_size for file in (path / "in").iterdir())
        start = time.process_time()
        assert study.import_batch(path / "in") == n
        read = time.process_time() - start
        size = (path / "s.sqlite").stat().st_size
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {
        **{
            "requests": n,
            "files": len(files),
            "MB out": out / 1e6,
            "MB in": came / 1e6,
        },
        **{"store, MB": size / 1e6, "study, s": made, "export, s": wrote},
        **{"import, s": read, "ms each": 1e3 * (wrote + read) / n},
        "memory, GB": most,
    }


def answer_file(asked: Path, target: Path) -> None:
    """What a batch returns for a file of requests."""
    text = '{"polite": "yes", "hedge": "no", "warmth": 5}'
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    body = {
        **{"id": "c", "object": "chat.completion", "created": 1, "model": "m-1"},
        "choices": [{**choice, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 20},
    }
    response = {"status_code": 200, "request_id": "r", "body": body}
    with asked.open("rb") as source, target.open("w") as file:
        for line in source:
            own = line[:200].partition(b'"custom_id": "')[2].partition(b'"')[0]
            answer = {"custom_id": own.decode(), "response": response, "error": None}
            file.write(json.dumps(answer) + "\n")


def small(n: int) -> pd.DataFrame:
    """Tokens of calls as the small model counts them, beside those of the rule."""
    from statsmodels_synth.demo_llm import small_model  # noqa: PLC0415 - its extra

    rows = []
    counted: dict[str, list[int]] = {}
    with small_model() as served:

        @dataclass
        class Both:
            """The small model; what it reads is counted by the rule as well."""

            name: str = "small"

            def complete(self, request: Request) -> Answer:
                """Answer a request."""
                known = [
                    tokens(str(own["content"])) + _FRAME for own in request.messages
                ]
                answer = served.complete(request)
                written = tokens(answer.text)
                counted.setdefault(request.step, []).append(sum(known))
                counted.setdefault(f"{request.step} out", []).append(written)
                return answer

        study = Study(
            requests(n),
            CODEBOOK,
            model=Both(),
            store=":memory:",
            synthetic=1,
            max_tokens=300,
            prices=PRICES,
        )
        guess = study.estimate(PILOT, workers=2)
        start = time.perf_counter()
        sources = study.run(workers=2)
        print(f"{time.perf_counter() - start:.0f} s after the pilot")
    print(guess)
    print(f"really: {sources.costs['money'].sum():.4g}")
    found = per_call(sources)
    for step in found.index:
        rule = np.mean(counted[step]), np.mean(counted[f"{step} out"])
        rows.append({"step": step, "read by rule": rule[0], "written by rule": rule[1]})
    return found.join(pd.DataFrame(rows).set_index("step"))


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--batch", type=int, nargs="+", help="units of a batch")
    parser.add_argument("--small", type=int, help="units that the small model codes")
    given = parser.parse_args()
    pd.set_option("display.width", 200, "display.max_columns", 20)
    if given.batch:
        found = pd.DataFrame([batch(n) for n in given.batch])
    elif given.small:
        found = small(given.small)
    else:
        print(per_call(scripted_study(1)).round(1).to_string(), "\n")
        print(table().to_string(index=False, float_format="{:.4g}".format), "\n")
        found = estimates(given.draws)
    print(found.round(3).to_string(index=not given.batch))


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.generation_costs  # noqa: PLW0406

    benchmarks.generation_costs.main()

"""A model in this process that answers by rules, and posts with known codes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
import hashlib
import json
import threading
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.generation import Answer, Binary, Codebook, Request, Scale


def share(*parts: object) -> float:
    """A number between 0 and 1 that looks random and is the same every time."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def unit_of(text: str) -> str:
    """What stands between the marks of a prompt."""
    return text.split("<unit>\n", 1)[1].split("\n</unit>", 1)[0]


@dataclass
class Scripted:
    """
    Codes by words of the text, some of them wrongly, and writes by what it is given.

    Attributes
    ----------
    asked : list of Request
        Every call.
    """

    name: str = "scripted"
    wrong: float = 0.1
    refuse: float = 0.0
    cut: float = 0.0
    asked: list[Request] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    def complete(self, request: Request) -> Answer:
        with self._lock:
            self.asked.append(request)
        own = unit_of(request.text)
        fate = share(self.name, "fate", own, request.draw)
        usage = {"input_tokens": 100, "output_tokens": 10, "model": f"{self.name}-1"}
        if fate < self.refuse:
            return Answer("", refusal="I cannot.", **usage)
        if "text" in request.schema["properties"]:
            found = self.written(request, own)
        else:
            found = self.coded(request, own)
        text = json.dumps(found)
        if fate < self.refuse + self.cut:
            return Answer(text[:-3], finish_reason="length", **usage)
        return Answer(text, **usage)

    def coded(self, request: Request, own: str) -> dict[str, object]:
        found: dict[str, object] = {}
        for name in request.schema["properties"]:
            kind = request.schema["properties"][name]
            flip = share(self.name, name, own, request.draw) < self.wrong
            if kind["type"] == "string":
                found[name] = ["no", "yes"][(f"#{name}" in own) != flip]
            else:
                found[name] = 1 + int(share(name, own) * 7)
        return found

    def written(self, request: Request, own: str) -> dict[str, object]:
        given = request.text.partition("Answers: ")[2]
        answers = json.loads(given) if given else {}
        marks = [f"#{name}" for name, answer in answers.items() if answer == "yes"]
        if share("polite", own, request.draw) < 0.3 + 0.3 * bool(marks):
            marks.append("#polite")
        number = int(1e6 * share("text", own, request.draw))
        return {"text": f"Another request {number} {' '.join(marks)}"}

    @property
    def steps(self) -> Counter[str]:
        """Number of calls by step."""
        return Counter(request.step for request in self.asked)


CODEBOOK = Codebook(
    unit="a request posted on a question-and-answer site",
    shown=["text"],
    variables={
        "polite": Binary("Is the request polite?"),
        "hedge": Binary("Does it hedge, as in 'I think' or 'perhaps'?"),
        "warmth": Scale("How warm is it?", 1, 7),
    },
)


def posts(n: int = 40, labeled: int = 12, seed: int = 0) -> pd.DataFrame:
    """Posts whose marks say what they are; humans coded the first ones."""
    rng = np.random.default_rng(seed)
    hedge = rng.random(n) < 0.5
    polite = rng.random(n) < 0.3 + 0.3 * hedge
    texts = [
        f"Request {k}{' #polite' if p else ''}{' #hedge' if h else ''}"
        for k, (p, h) in enumerate(zip(polite, hedge, strict=True))
    ]
    known = np.arange(n) < labeled
    return pd.DataFrame(
        {
            "text": texts,
            "polite": np.where(known, polite, np.nan),
            "hedge": np.where(known, hedge, np.nan),
            "warmth": np.where(known, rng.integers(1, 8, n), np.nan),
        },
        index=pd.Index([f"u{k:04d}" for k in range(n)], name="id"),
    )

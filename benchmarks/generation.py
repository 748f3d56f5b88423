"""
What the pipeline of generation adds to the calls of a model.

Run with ``python -m benchmarks.generation``. A model that answers at once is asked
about texts of the length of a post, so that all time is that of the pipeline; then all
answers are replayed from the store. Both are also given as a ratio to the least that
must be done: a commit of SQLite per call, and reading and parsing the stored answers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import sqlite3
import tempfile
import time

import numpy as np
import pandas as pd

from statsmodels_synth.generation import Binary, Codebook, Request, Scale, Study

CODEBOOK = Codebook(
    unit="a request posted on a question-and-answer site",
    shown=["text"],
    variables={
        "polite": Binary("Is the request polite?"),
        "hedge": Binary("Does it hedge, as in 'I think' or 'perhaps'?"),
        "warmth": Scale("How warm is it?", 1, 7),
    },
)


def instant(request: Request) -> str:
    """A model that takes no time."""
    return '{"polite": "yes", "hedge": "no", "warmth": 5}'


def texts(n: int) -> pd.DataFrame:
    """Texts of about 300 characters."""
    rng = np.random.default_rng(0)
    words = np.array(["could", "you", "please", "look", "at", "this", "query", "again"])
    rows = words[rng.integers(0, len(words), (n, 60))]
    listed = [f"{k} {' '.join(row)}" for k, row in enumerate(rows)]
    return pd.DataFrame({"text": listed})


def commits(path: Path, n: int) -> float:
    """Seconds for n commits of one row each, the least that storing at once takes."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("CREATE TABLE t (key BLOB PRIMARY KEY, text TEXT)")
    start = time.perf_counter()
    for k in range(n):
        db.execute("INSERT INTO t VALUES (?, ?)", (k.to_bytes(32, "big"), "x" * 50))
    took = time.perf_counter() - start
    db.close()
    return took


def reading(path: Path) -> float:
    """Seconds to read and parse all stored answers, and do nothing with them."""
    start = time.perf_counter()
    db = sqlite3.connect(path)
    for _, text in db.execute("SELECT key, text FROM answers"):
        json.loads(text)
    db.close()
    return time.perf_counter() - start


def main() -> None:
    """Print what a call and a replay take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=100_000)
    n = parser.parse_args().units
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.sqlite"
        study = Study(texts(n), CODEBOOK, model=instant, store=path)
        start, cpu = time.perf_counter(), time.process_time()
        study.run(workers=8)
        calls, cpu = time.perf_counter() - start, time.process_time() - cpu
        least = commits(Path(folder) / "c.sqlite", min(n, 10_000)) * n / min(n, 10_000)
        print(
            f"{n} calls: {1e3 * calls / n:.3f} ms each ({1e3 * cpu / n:.3f} ms of "
            f"processor), {calls / least:.1f} times a commit of SQLite"
        )
        start, cpu = time.perf_counter(), time.process_time()
        study.run()
        replay, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"replay of {n} answers: {replay:.2f} s ({cpu:.2f} s of processor), "
            f"{replay / reading(path):.1f} times reading and parsing them"
        )


if __name__ == "__main__":
    main()

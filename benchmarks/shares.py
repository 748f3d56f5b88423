"""
Intervals of a share: on its own scale and on that of the logit.

Run from the root of the repository::

    python -m benchmarks.shares                  # half an hour on one core

Labels are 0 or 1, the model is ``y ~ 1`` with the binomial family, and there is one
source that finds 85 % of the ones: useful (for each one that there is, it calls .15
zeros ones), or half right (.85, so that half of what it calls ones are). "Strata": a
quarter of the labels, or half of those that there are, are of units that it calls ones,
and ``strata=`` says so. Another source is useless. A row of the table is a cell:
coverage, width and how often the lower end is below zero, of the estimate plus and
minus t standard errors (the interval of the mean by the delta method, which is that of
least squares where the source is useless) and of ``get_prediction()``, which goes by
the logit and is that of ``prevalence()``. Draws whose labels are all alike have no
estimate; they are counted as refused.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
import pandas as pd
from scipy import stats
import statsmodels.api as sm
from tqdm import tqdm

from benchmarks.measured import Measured, mean_of, share_of
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import SynthError

UNITS = 3000
SHARES, LABELS = (0.01, 0.02, 0.05), (200, 500, 1000)
SOURCES = ("useless", "useful", "half right", "half right, strata")


def one(share: float, n: int, source: str, seed: int) -> np.ndarray[Any, Any] | None:
    """Ends of both intervals, (2, 2)."""
    rng, x = np.random.default_rng(seed), np.ones((UNITS, 1))
    y = (rng.random(UNITS) < share).astype(float)
    if source == "useless":
        guess = (rng.random(UNITS) < share).astype(float)
    else:
        # Of those that it calls ones: nearly all are ones, or half of them.
        wrong = 0.15 if source == "useful" else 0.85
        found, taken = rng.random(UNITS) < 0.85, rng.random(UNITS) < wrong * share
        guess = np.where(y == 1.0, found, taken).astype(float)
    chosen = rng.permutation(np.arange(UNITS) < n)
    model: dict[str, Any] = {"proxy": {"llm": (guess, x)}}
    model["family"] = sm.families.Binomial()
    if source.endswith("strata"):
        called = int(min(n // 4, guess.sum() // 2))
        chosen = np.zeros(UNITS, dtype=bool)
        for level, number in ((1.0, called), (0.0, n - called)):
            chosen[rng.permutation(np.flatnonzero(guess == level))[:number]] = True
        model["strata"] = guess
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = AugmentedGMM(np.where(chosen, y, np.nan), x, **model).fit()
        except SynthError:
            return None
    mean = result.get_prediction(x[:1])
    quantile = stats.t.ppf(0.975, result.df_inference)
    own = mean.predicted[0] + np.array([-1.0, 1.0]) * quantile * mean.se[0]
    return np.stack([own, mean.conf_int()[0]])


def cell(share: float, n: int, source: str, draws: int, jobs: int) -> dict[str, str]:
    """A row of the table."""
    every = Parallel(jobs)(delayed(one)(share, n, source, s) for s in range(draws))
    found = np.stack([ends for ends in every if ends is not None])
    inside = (found[:, :, 0] <= share) & (share <= found[:, :, 1])
    width = np.diff(found, axis=2)[:, :, 0].mean(axis=0)
    row = {"refused": f"{1.0 - len(found) / draws:.3f}"}
    for k, name in enumerate(("identity", "logit")):
        row[f"{name} covers"] = f"{inside[:, k].mean():.3f}"
        row[f"{name} width"] = f"{width[k]:.4f}"
        row[f"{name} below 0"] = f"{(found[:, k, 0] < 0.0).mean():.2f}"
    return row


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: values with their errors."""
    for share, n, source in product(SHARES, LABELS, SOURCES[:3]):
        seeds = range(first, first + draws)
        every = Parallel(jobs)(delayed(one)(share, n, source, s) for s in seeds)
        found = np.stack([ends for ends in every if ends is not None])
        inside = (found[:, :, 0] <= share) & (share <= found[:, :, 1])
        width = np.diff(found, axis=2)[:, :, 0]
        row = [share_of([ends is None for ends in every])]
        for k in (1, 0):
            row += [share_of(inside[:, k]), mean_of(width[:, k])]
        yield (
            (f"{100 * share:g} %", str(n), source),
            [*row, share_of(found[:, 0, 0] < 0.0)],
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Intervals of shares")
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--source", choices=SOURCES)
    given = parser.parse_args()
    cells = list(product(SHARES, LABELS, SOURCES))
    rows: dict[tuple[float, int, str], dict[str, str]] = {}
    for key in tqdm([key for key in cells if given.source in (None, key[2])]):
        rows[key] = cell(*key, given.draws, given.jobs)
        print(*key, rows[key], flush=True)
    print(pd.DataFrame(rows).T.to_string())


if __name__ == "__main__":
    main()

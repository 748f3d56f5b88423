"""
Every target model in strata, clusters ...: rows of the table of the documentation.

``python -m benchmarks.targets --designs all`` prints the same cell by cell;
``python docs/records.py targets_designs --rerun`` holds the table against new draws.
"""

from __future__ import annotations

from collections.abc import Iterator

from joblib import Parallel, delayed
import numpy as np

from benchmarks.measured import UNKNOWN, Measured, rate_of, ratio_of
from benchmarks.targets import (
    DESIGNS,
    LABELS_OF_DESIGNS,
    TARGETS,
    Array,
    one_draw,
)

#: Targets of the table: its name of each, and that of the benchmark.
SHOWN = {
    "least squares": "least squares",
    "median": "quantile .5, heavy tails",
    "quantile .9": "quantile .9, growing spread",
    "Huber": "Huber, heavy tails",
    "negative binomial": "negative binomial",
    "multinomial logit": "levels, multinomial",
    "ordered logit": "levels, ordered logit",
    "ordered probit": "levels, ordered probit",
    "instruments, just identified": "instruments, just identified",
    "instruments, three for one": "instruments, three for one",
    "effect, regression-adjusted": "effect, regression-adjusted",
    "effect, known propensities": "effect, known propensities",
    "effect, logistic propensities": "effect, logistic propensities",
    "effect, treatment coded": "effect, treatment coded",
}
#: Rows of each target, and columns.
WHAT = ("covers", "labels alone", "squared error")
COLUMNS = list(DESIGNS)[1:]


def measured(found: list[dict[str, Array] | None]) -> list[Measured]:
    """Coverage, that of the labels alone, and squared error relative to theirs."""
    kept = [draw for draw in found if draw is not None]
    if len(kept) < 2:
        return [UNKNOWN] * len(WHAT)
    own, alone = (np.array([d[m] for d in kept]) for m in ("default", "labels"))
    return [
        rate_of(own[:, 1].mean(axis=1)),
        rate_of(alone[:, 1].mean(axis=1)),
        ratio_of(own[:, 0], alone[:, 0]),
    ]


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Values of the table with their Monte Carlo errors."""
    seeds = range(first, first + draws)
    for shown, name in SHOWN.items():
        columns = [
            measured(
                Parallel(jobs)(
                    delayed(one_draw)(
                        TARGETS[name], LABELS_OF_DESIGNS, "useful", seed, design
                    )
                    for seed in seeds
                )
            )
            for design in COLUMNS
        ]
        for what, row in zip(WHAT, zip(*columns, strict=True), strict=True):
            yield (shown, what), list(row)

"""
Quantiles: intervals of inverted score tests against those of standard errors.

Run from the root of the repository::

    python -m benchmarks.score_intervals                # labels at random
    python -m benchmarks.score_intervals --designs all  # other designs, 300 labels

Units, sources and designs are those of :mod:`benchmarks.targets`, with quantiles in the
tails beside the median, and an outcome whose tail is long. A row of the table is a
cell: coverage of both intervals, mean over coefficients and of the worst one, coverage
of both from the labels alone, and the median width of score intervals as a ratio.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy import stats
from tqdm import tqdm

from benchmarks.measured import UNKNOWN, Measured, rate_of
from benchmarks.targets import (
    DESIGNS,
    LABELS,
    LABELS_OF_DESIGNS,
    SOURCES,
    Rng,
    Target,
    fitted,
    linear,
    spreading,
    student,
)
from statsmodels_synth.scores import Quantile

Floats = NDArray[np.float64]


def long_tailed(
    rng: Rng, size: int, tau: float
) -> tuple[pd.DataFrame, dict[str, float]]:
    """A quantile of a log-normal outcome that a source knows up to a factor."""
    y = np.exp(rng.normal(size=size))
    useful = 1.5 * y * np.exp(0.3 * rng.normal(size=size))
    frame = pd.DataFrame({"y": y, "useful": useful})
    frame["useless"] = rng.permutation(useful)
    return frame, {"Intercept": float(np.exp(stats.norm.ppf(tau)))}


def of_spread(tau: float) -> Target:
    """A quantile of an outcome whose spread grows with x."""
    return Target(
        lambda rng, size: spreading(rng, size, tau), "y ~ x", {"score": Quantile(tau)}
    )


def of_tail(tau: float) -> Target:
    """A quantile of an outcome with a long tail."""
    return Target(
        lambda rng, size: long_tailed(rng, size, tau), "y ~ 1", {"score": Quantile(tau)}
    )


#: One row for each outcome and quantile.
TARGETS = {
    "heavy tails, .5": Target(
        lambda rng, size: linear(rng, size, student(rng)),
        "y ~ x",
        {"score": Quantile(0.5)},
    ),
    "growing spread, .5": of_spread(0.5),
    "growing spread, .9": of_spread(0.9),
    "long tail, .1": of_tail(0.1),
    "long tail, .9": of_tail(0.9),
}
#: Those of the table of designs.
IN_DESIGNS = ("growing spread, .9", "long tail, .9")


def one_draw(name: str, n: int, source: str, seed: int, design: str) -> Floats | None:
    """Coverage of four intervals and two widths, (6, p); None where refused."""
    study = fitted(TARGETS[name], n, source, seed, design)
    if study is None:
        return None
    result, truth = study
    wanted, rows = np.array(list(truth.values())), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ends = [
            own
            for fit in (result, result.real_only)
            for own in (fit.score_conf_int(), fit.conf_int())
        ]
    for own in ends:
        low, high = own.loc[list(truth)].to_numpy().T
        rows.append((low <= wanted) & (wanted <= high))
    widths = [own.loc[list(truth)].to_numpy() @ [-1.0, 1.0] for own in ends[:2]]
    return np.array([*rows, *widths], dtype=float)


def cell(name: str, n: int, source: str, design: str, seeds: range, jobs: int) -> Any:
    """All draws of a cell, (draws, 6, p)."""
    done = Parallel(jobs)(
        delayed(one_draw)(name, n, source, seed, design) for seed in seeds
    )
    return np.array([found for found in done if found is not None])


def measured(found: Floats) -> list[Measured]:
    """Columns of the table."""
    score, wald, score_labels, wald_labels = found[:, :4].transpose(1, 0, 2)
    rng = np.random.default_rng(0)

    def ratio(draws: Floats) -> float:
        both = np.median(draws[:, 4:], axis=0)
        return float((both[0] / both[1]).mean())

    again = [
        ratio(found[rng.integers(len(found), size=len(found))]) for _ in range(100)
    ]
    return [
        rate_of(score.mean(axis=1)),
        UNKNOWN,
        rate_of(wald.mean(axis=1)),
        rate_of(score_labels.mean(axis=1)),
        rate_of(wald_labels.mean(axis=1)),
        Measured(ratio(found), max(float(np.std(again)), 0.5 / len(found))),
    ]


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: values with their errors."""
    for name, n, source in product(TARGETS, LABELS, SOURCES):
        found = cell(name, n, source, "simple", range(first, first + draws), jobs)
        yield (name, str(n), source), measured(found)


def design_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of designs, of quantiles in the tail and a useful source."""
    seeds = range(first, first + draws)
    for name, design in product(IN_DESIGNS, list(DESIGNS)[1:]):
        found = cell(name, LABELS_OF_DESIGNS, SOURCES[0], design, seeds, jobs)
        own = measured(found)
        yield (name, design), [own[0], *own[2:]]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("targets", nargs="*", help="beginnings of names")
    parser.add_argument("--designs", nargs="+", choices=["all", *DESIGNS])
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=SOURCES)
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    names = [
        name
        for name in TARGETS
        if not given.targets or name.startswith(tuple(given.targets))
    ]
    kinds, sizes = ["simple"], list(LABELS)
    if given.designs:
        sizes = [LABELS_OF_DESIGNS]
        kinds = list(DESIGNS)[1:] if "all" in given.designs else given.designs
    rows = []
    for name, kind, n, source in tqdm(
        list(product(names, kinds, sizes, given.sources))
    ):
        found = cell(name, n, source, kind, range(given.draws), given.jobs)
        own = measured(found)
        rows.append(
            {
                "outcome": name,
                "design": kind,
                "n": n,
                "source": source,
                "draws": len(found),
                "score": own[0].value,
                "least": found[:, 0].mean(axis=0).min(),
                "error": own[0].error,
                "wald": own[2].value,
                "labels, score": own[3].value,
                "labels, wald": own[4].value,
                "width": own[5].value,
                "infinite": np.isinf(found[:, 4]).mean(),
            }
        )
    pd.set_option("display.width", 200, "display.max_rows", 500)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()

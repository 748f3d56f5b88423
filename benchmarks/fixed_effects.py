"""
Absorbed fixed effects: slope, width and coverage with few labels per group.

Run from the root of the repository::

    python -m benchmarks.fixed_effects            # ten minutes on one core
    python -m benchmarks.fixed_effects --draws 200 "250 labels, useful"

Outcomes are ``.5 x`` plus an effect of the group, which x depends on, plus noise. A row
of the table is a cell: root mean squared error of the slope, width and coverage of 95 %
intervals, and bias in Monte Carlo standard errors, of ``y ~ x | group``, of the same
without sources whose means by group are not known either ("no source"), and of the
within-estimator on the labelled rows (standard errors by group, CR1). The last columns
are the error and the bias of what must not be done: taking the mean of the labels of a
group, one's own included, off the outcome.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy import stats
from tqdm import tqdm

from benchmarks.measured import Measured, mean_of, rmse_of, share_of
from statsmodels_synth import AugmentedGMM

Array = NDArray[Any]
SLOPE = 0.5
METHODS = ("absorbed", "no source", "within")


@dataclass(frozen=True)
class Cell:
    """What is drawn; `source` is what the proxy says, `design` how labels are drawn."""

    groups: int = 250
    labels: int = 250
    units: int = 5000
    source: str = "useful"
    design: str = "equal"


CELLS = {
    "250 labels, useful": Cell(),
    "250 labels, useless": Cell(source="useless"),
    "250 labels, own groups": Cell(source="own groups"),
    "100 labels, useful": Cell(labels=100),
    "100 labels, useless": Cell(labels=100, source="useless"),
    "1,000 labels, useful": Cell(labels=1000),
    "10 groups, 300, useful": Cell(groups=10, labels=300),
    "10 groups, 300, useless": Cell(groups=10, labels=300, source="useless"),
    "30 groups, 100, useless": Cell(groups=30, labels=100, source="useless"),
    "unequal probabilities": Cell(design="labeling_prob"),
    "weights": Cell(design="weights"),
    "two ways": Cell(design="two ways"),
}


def study(cell: Cell, seed: int) -> pd.DataFrame:
    """All units, with what is known of each."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, cell.groups, cell.units)
    effect = rng.normal(size=cell.groups)[group]
    second = rng.integers(0, 20, cell.units)
    if cell.design == "two ways":
        effect += rng.normal(size=20)[second]
    x = effect + rng.normal(size=cell.units)
    y = SLOPE * x + effect + rng.normal(size=cell.units)
    guess = y + 0.3 + 0.2 * x + rng.normal(scale=0.5, size=cell.units)
    if cell.source == "useless":
        guess = rng.normal(size=cell.units)
    elif cell.source == "own groups":
        guess += rng.normal(scale=2.0, size=cell.groups)[group]
    frame = pd.DataFrame({"group": group, "second": second, "x": x, "guess": guess})
    frame["prob"] = cell.labels / cell.units
    if cell.design == "labeling_prob":
        odd = np.exp(0.5 * x) + 0.3
        frame["prob"] = np.minimum(odd / odd.mean() * cell.labels / cell.units, 1.0)
        chosen = rng.random(cell.units) < frame["prob"]
    else:
        chosen = rng.permutation(cell.units) < cell.labels
    frame["weight"] = rng.uniform(0.5, 2.0, cell.units)
    return frame.assign(y=np.where(chosen, y, np.nan))


def within(frame: pd.DataFrame) -> tuple[float, float, float]:
    """Within-estimator on labelled rows: slope, half-width, and the wrong constant."""
    rows = frame.dropna()
    mean = rows.groupby("group")[["x", "y"]].transform("mean")
    x, y = (rows[name].to_numpy() - mean[name].to_numpy() for name in ("x", "y"))
    slope = float(x @ y / (x @ x))
    sums = np.bincount(rows["group"], x * (y - slope * x))
    n, g = len(rows), rows["group"].nunique()
    variance = sums @ sums / (x @ x) ** 2 * g / (g - 1) * (n - 1) / (n - 1 - 1)
    half = float(stats.t.ppf(0.975, g - 1) * np.sqrt(variance))
    every = (frame["x"] - frame.groupby("group")["x"].transform("mean"))[rows.index]
    own = float(every @ y / (every @ every))
    return slope, half, own


def one(cell: Cell, seed: int) -> Array:
    """Slope and half-width of each method, and the slope with the wrong constant."""
    frame = study(cell, seed)
    bar = "group + second" if cell.design == "two ways" else "group"
    options = {"labeling_prob": "prob"} if cell.design == "labeling_prob" else {}
    options |= {"weights": "weight"} if cell.design == "weights" else {}
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for proxy in ({"y": "guess"}, None):
            model = AugmentedGMM.from_formula(
                f"y ~ x | {bar}", frame, proxy=proxy, **options
            )
            ends = np.asarray(model.fit().conf_int())[0]
            found += [float(np.mean(ends)), float(np.diff(ends)[0]) / 2.0]
    return np.array([*found, *within(frame)])


def row(name: str, draws: int, jobs: int) -> dict[str, str]:
    """A row of the table."""
    cell = CELLS[name]
    found = np.stack(Parallel(jobs)(delayed(one)(cell, s) for s in range(draws)))
    told = {}
    for k, method in enumerate(METHODS):
        slope, half = found[:, 2 * k], found[:, 2 * k + 1]
        error = slope - SLOPE
        told[f"{method} rmse"] = f"{np.sqrt(np.mean(error**2)):.4f}"
        told[f"{method} width"] = f"{2.0 * half.mean():.3f}"
        told[f"{method} covers"] = f"{np.mean(np.abs(error) <= half):.3f}"
        told[f"{method} bias/se"] = f"{_bias(error):.1f}"
    own = found[:, -1] - SLOPE
    told["own label rmse"] = f"{np.sqrt(np.mean(own**2)):.4f}"
    told["own label bias"] = f"{own.mean():.3f}"
    return told


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: values with their errors."""
    for name, cell in CELLS.items():
        seeds = range(first, first + draws)
        found = np.stack(Parallel(jobs)(delayed(one)(cell, s) for s in seeds))
        told = []
        for k in range(len(METHODS)):
            error, half = found[:, 2 * k] - SLOPE, found[:, 2 * k + 1]
            covers = share_of(np.abs(error) <= half)
            told += [rmse_of(error), mean_of(2.0 * half), covers]
        own = found[:, -1] - SLOPE
        yield (name,), [*told, rmse_of(own), mean_of(own)]


def _bias(error: Array) -> float:
    return float(error.mean() / error.std() * np.sqrt(len(error)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Absorbed fixed effects")
    parser.add_argument("cells", nargs="*", default=list(CELLS))
    parser.add_argument("--draws", type=int, default=250)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    rows: dict[str, dict[str, str]] = {}
    for name in tqdm(given.cells):
        rows[name] = row(name, given.draws, given.jobs)
        print(name, rows[name], flush=True)
    print(pd.DataFrame(rows).T.to_string())


if __name__ == "__main__":
    main()

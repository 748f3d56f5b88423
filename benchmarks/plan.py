"""
What a plan predicts from a pilot, against what then happens, by simulation.

Run from the root of the repository::

    python -m benchmarks.plan                 # all cells; about half an hour
    python -m benchmarks.plan --draws 200     # a rough look

Finished cells are kept in ``plan-output/cells.csv``; run the command again and it goes
on where it stopped. In the end a table is printed.

Every pilot has 200 labels among 4,000 units. A cell is a design to predict from it:
more labels, fewer, more units, a source left out, or other replicates. For each
coefficient the table has the mean of the predicted standard errors over pilots
(``predicted``), its ratio to the mean of what is reported at that design
(``to_reported``) and to the standard deviation of the estimates over draws
(``to_sd``). The standard error of a standard deviation over D draws is about
``1 / sqrt(2 D)`` of it, that of the mean of predictions is ``error``.

The sources are noisy copies of y. Of several rows of a unit, part of the noise is
common, part is that of the row; every other source has a noisy x, anew in each row.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy.special import expit
import statsmodels.api as sm
from tqdm import tqdm

from benchmarks.measured import Measured, Span
from statsmodels_synth import AugmentedGMM

Floats = NDArray[np.float64]
FAMILIES = {"gaussian": sm.families.Gaussian(), "binomial": sm.families.Binomial()}
#: Labels and units of every pilot.
PILOT_N, PILOT_UNITS = 200, 4000
BETA = np.array([0.3, 0.7, -0.5])


@dataclass(frozen=True)
class Cell:
    """A design to predict: `pilot_rows` replicates in the pilot, `rows` in it."""

    family: str
    sources: int
    n: int = PILOT_N
    units: int = PILOT_UNITS
    pilot_rows: int = 1
    rows: int = 1
    left_out: int = 0

    @property
    def pilot(self) -> Cell:
        """The design of the pilot."""
        return Cell(self.family, self.sources, rows=self.pilot_rows)

    @property
    def kept(self) -> list[str]:
        """Names of the sources that are used."""
        return [f"s{m}" for m in range(self.left_out, self.sources)]


def simulate(cell: Cell, seed: int) -> tuple[Floats, Floats, dict[str, Any]]:
    """Labels (NaN where there is none), regressors and sources."""
    rng = np.random.default_rng(seed)
    size, binary = cell.units, cell.family == "binomial"
    x = np.column_stack([np.ones(size), rng.normal(size=(size, len(BETA) - 1))])
    mean = x @ BETA
    if binary:
        y = (rng.random(size) < expit(mean)).astype(float)
    else:
        y = mean + rng.normal(size=size)
    units, sources = np.repeat(np.arange(size), cell.rows), {}
    for m in range(cell.sources):
        if binary:
            hard = rng.random(size) < 0.3  # texts that are hard for the model
            wrong = rng.random(len(units)) < np.where(hard, 0.45, 0.05)[units]
            guess = np.where(wrong, 1.0 - y[units], y[units])
        else:
            guess = y[units] + 0.4 * rng.normal(size=size)[units]
            guess += 0.8 * rng.normal(size=len(units))
        own = x[units].copy()
        if m % 2:
            own[:, 1:] += 0.3 * rng.normal(size=(len(units), len(BETA) - 1))
        sources[f"s{m}"] = (guess, own, units)
    return np.where(np.arange(size) < cell.n, y, np.nan), x, sources


def fit(cell: Cell, seed: int) -> Any:
    """Fit one sample of a design."""
    endog, exog, sources = simulate(cell, seed)
    kept = {name: sources[name] for name in cell.kept}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AugmentedGMM(
            endog, exog, synthetic=kept, family=FAMILIES[cell.family]
        ).fit()


def predict(cell: Cell, seeds: list[int]) -> list[Floats]:
    """Predicted standard errors of a design, from one pilot each."""
    replicates = None if cell.rows == cell.pilot_rows else cell.rows
    return [
        fit(cell.pilot, seed)
        .plan()
        .expect(cell.n, cell.units, replicates, cell.kept)["std_err"]
        .to_numpy()
        for seed in seeds
    ]


def observe(cell: Cell, seeds: list[int]) -> list[tuple[Floats, Floats]]:
    """Reported standard errors and estimates of a design."""
    found = (fit(cell, seed) for seed in seeds)
    return [(np.asarray(r.bse), np.asarray(r.params)) for r in found]


def study(
    cell: Cell, draws: int, pilots: int, jobs: int = 1, first: int = 0
) -> pd.DataFrame:
    """Compare prediction and outcome: one row per coefficient."""
    early = list(range(first, first + pilots))
    late = list(range(10**6 + first, 10**6 + first + draws))
    parts = 1 if jobs == 1 else 4 * jobs
    work = [delayed(predict)(cell, early[i::parts]) for i in range(parts)]
    work += [delayed(observe)(cell, late[i::parts]) for i in range(parts)]
    results = Parallel(jobs)(work)
    predicted = np.array([row for part in results[:parts] for row in part])
    outcomes = [row for part in results[parts:] for row in part]
    reported = np.array([bse for bse, _ in outcomes])
    estimates = np.array([params for _, params in outcomes])
    mean = predicted.mean(axis=0)
    return pd.DataFrame(
        asdict(cell)
        | {
            "draws": draws,
            "coefficient": [f"b{j}" for j in range(len(BETA))],
            "predicted": mean,
            "error": predicted.std(axis=0) / np.sqrt(pilots) / mean,
            "error of reported": reported.std(axis=0)
            / np.sqrt(draws)
            / reported.mean(axis=0),
            "to_reported": mean / reported.mean(axis=0),
            "to_sd": mean / estimates.std(axis=0, ddof=1),
        }
    )


def grid() -> list[Cell]:
    """All cells."""
    cells = []
    for family in FAMILIES:
        for sources in (1, 2):
            cells += [Cell(family, sources, n=n) for n in (100, 400, 800, 2000, 3600)]
        cells += [
            Cell(family, 2, n=400, units=2 * PILOT_UNITS),
            Cell(family, 2, n=400, left_out=1),
            Cell(family, 2, n=400, left_out=2),
            Cell(family, 2, n=400, pilot_rows=2, rows=1),
            Cell(family, 2, n=400, pilot_rows=2, rows=2),
            Cell(family, 2, n=400, pilot_rows=2, rows=4),
        ]
    return cells


def run(draws: int, pilots: int, path: Path, jobs: int) -> pd.DataFrame:
    """Simulate what is not in the file yet."""
    names = [f.name for f in fields(Cell)]
    done = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=names)
    known = {tuple(row) for row in done[names].itertuples(index=False)}
    todo = [cell for cell in grid() if tuple(asdict(cell).values()) not in known]
    for cell in tqdm(todo, unit="cell"):
        rows = study(cell, draws, pilots, jobs)
        rows.to_csv(path, mode="a", header=not path.exists(), index=False)
    return pd.read_csv(path)


def _span(values: Any, errors: Any) -> Span:
    """Lowest and highest of ratios, and their mean, as if draws were the same."""
    mean = Measured(float(np.mean(values)), float(np.mean(errors)))
    return Span(float(np.min(values)), float(np.max(values)), mean)


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured | Span]]]:
    """Numbers of the documentation, over cells and coefficients."""
    parts = [
        study(cell, draws, draws // 2, jobs, first).assign(family=cell.family)
        for cell in grid()
    ]
    table = pd.concat(parts)
    error = np.hypot(table["error"], table["error of reported"])
    yield ("over reported",), [_span(table["to_reported"], error)]
    spread = np.hypot(table["error"], 1.0 / np.sqrt(2.0 * draws))
    yield ("over spread",), [_span(table["to_sd"], spread)]
    for family in FAMILIES:
        for name, part in (
            ("more", table["n"] > PILOT_N),
            ("fewer", table["n"] < PILOT_N),
        ):
            own = table[part & (table["family"] == family)]
            off = 100.0 * (own["to_reported"].mean() - 1.0)
            if (family, name) == ("binomial", "fewer"):
                off = -off  # the page says by how much it is too small
            wrong = 100.0 * float(error[part & (table["family"] == family)].mean())
            yield (f"{family}, {name}",), [Measured(float(off), wrong)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Predictions from pilots")
    parser.add_argument("--draws", type=int, default=2500)
    parser.add_argument("--pilots", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("plan-output"))
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    pd.set_option("display.width", 200, "display.max_rows", 500)
    pd.set_option("display.max_columns", 30)
    path = given.out / "cells.csv"
    table = run(given.draws, given.pilots, path, given.jobs)
    print(table.round(4).to_string(index=False))
    for name in ("to_reported", "to_sd"):
        low, high = table[name].min(), table[name].max()
        print(f"{name}: {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.plan  # noqa: PLW0406

    benchmarks.plan.main()

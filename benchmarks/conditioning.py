"""
What happens if counterparts of labelled units are given codes of humans.

Run from the root of the repository::

    python -m benchmarks.conditioning               # about fifteen minutes
    python -m benchmarks.conditioning --draws 50    # a rough look
    python -m benchmarks.conditioning --limit       # half a minute

Finished cells are kept in ``conditioning-output/cells.csv``; run the command again and
it goes on where it stopped. A generator by rules stands in for the language model.

The outcome is binary, with a binary regressor whose effect in logits is 1. The model
codes the regressor wrongly for a share of the units, and the outcome for 15 %. The
counterpart of a unit has the regressor that the model is given, but for 5 %. Written
"closely", it has the outcome that the model gave the unit, but for 5 %; "loosely", in
one half of the cases that outcome, but for 20 %, in the other one by a law of the
model's own in which the effect is 2. Given is the proxy for every unit ("proxy"), or
the code of a human where there is one ("human"). Sources are a proxy and a counterpart
per unit, or the counterpart alone. The interval is that of the slope at 95 %, J is
tested at 5 %.

With ``--limit`` there are 20,000 labels and four draws of each cell: printed is by how
much estimates move if codes of humans are given, all else the same, and J of both.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy.special import expit
import statsmodels.api as sm

from benchmarks.measured import Measured, mean_of, share_of
from statsmodels_synth import AugmentedGMM

Floats = NDArray[np.float64]
EFFECT = 1.0


@dataclass(frozen=True)
class Cell:
    """Labels, units, share of regressors coded wrongly, sources, how they are made."""

    n: int
    units: int
    wrong: float
    sources: str
    given: str
    written: str


CELLS = [
    Cell(n, units, wrong, sources, given, written)
    for written in ("loosely", "closely")
    for n, units in ((100, 500), (400, 2_000), (2_000, 10_000))
    for wrong in (0.1, 0.3)
    for sources in ("both", "counterpart")
    for given in ("proxy", "human")
]


def flipped(values: Floats, share: float, rng: np.random.Generator) -> Floats:
    """Values of 0 and 1, a share of them the other one."""
    return np.where(rng.random(len(values)) < share, 1 - values, values)


def simulate(cell: Cell, seed: int) -> dict[str, Any]:
    """Arguments of a model."""
    rng = np.random.default_rng(seed)
    size = cell.units
    x = (rng.random(size) < 0.5).astype(float)
    y = (rng.random(size) < expit(-0.5 + EFFECT * x)).astype(float)
    labeled = np.arange(size) < cell.n
    proxy_x, proxy_y = flipped(x, cell.wrong, rng), flipped(y, 0.15, rng)
    given = np.where(labeled, x, proxy_x) if cell.given == "human" else proxy_x
    written_x = flipped(given, 0.05, rng)
    by_model = (rng.random(size) < expit(-1 + 2 * written_x)).astype(float)
    copies = rng.random(size) < 0.5
    if cell.written == "closely":
        written_y = flipped(proxy_y, 0.05, rng)
    else:
        written_y = np.where(copies, flipped(proxy_y, 0.2, rng), by_model)

    def rows(values: Floats) -> Floats:
        return np.column_stack([np.ones(size), values])

    arguments: dict[str, Any] = {
        "endog": np.where(labeled, y, np.nan),
        "exog": rows(x),
        "synthetic": {"counterpart": (written_y, rows(written_x))},
        "family": sm.families.Binomial(),
    }
    if cell.sources == "both":
        arguments["proxy"] = {"model": (proxy_y, rows(proxy_x))}
    return arguments


def draw(cell: Cell, seed: int) -> tuple[float, float, bool, bool, float, bool]:
    """Estimate, standard error, cover, J rejects; estimate and cover of labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = AugmentedGMM(**simulate(cell, seed)).fit()
    low, high = np.asarray(result.conf_int())[1]
    own = result.real_only
    own_low, own_high = np.asarray(own.conf_int())[1]
    return (
        float(np.asarray(result.params)[1]),
        float(np.asarray(result.bse)[1]),
        bool(low <= EFFECT <= high),
        bool(result.jtest().pvalue < 0.05),
        float(np.asarray(own.params)[1]),
        bool(own_low <= EFFECT <= own_high),
    )


def summary(cell: Cell, draws: int) -> dict[str, Any]:
    """A row of the table."""
    found = np.array([draw(cell, seed) for seed in range(draws)], dtype=float)
    estimates, errors, covered, rejected, own, own_covered = found.T
    return {
        **asdict(cell),
        "draws": draws,
        "bias": estimates.mean() - EFFECT,
        "mc_error": estimates.std(ddof=1) / np.sqrt(draws),
        "sd": estimates.std(ddof=1),
        "mean_se": errors.mean(),
        "coverage": covered.mean(),
        "J_rejects": rejected.mean(),
        "bias_labels": own.mean() - EFFECT,
        "sd_labels": own.std(ddof=1),
        "coverage_labels": own_covered.mean(),
    }


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the worst case in the documentation, with their errors."""
    for cell in CELLS:
        if (cell.written, cell.wrong, cell.sources) != ("closely", 0.3, "both"):
            continue
        seeds = range(first, first + draws)
        every = Parallel(jobs)(delayed(draw)(cell, seed) for seed in seeds)
        estimates, errors, covered, rejected, _, alone = np.array(every, float).T
        yield (
            (f"{cell.n:,}", cell.given),
            [
                mean_of(estimates - EFFECT),
                mean_of(errors),
                *map(share_of, (covered, rejected, alone)),
            ],
        )


def moved(cell: Cell, seed: int) -> tuple[float, float, float]:
    """By how much codes of humans move the estimate, J with them, J without."""
    by_given = {}
    for given in ("proxy", "human"):
        own = replace(cell, given=given, n=20_000, units=100_000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            by_given[given] = AugmentedGMM(**simulate(own, seed)).fit()
    proxy, human = by_given["proxy"], by_given["human"]
    move = float(np.asarray(human.params)[1] - np.asarray(proxy.params)[1])
    return move, human.jtest().statistic, proxy.jtest().statistic


#: Cells of which the limit is shown; their labels and what is given are others there.
LIMITS = [cell for cell in CELLS if cell.n == 100 and cell.given == "proxy"]


def limit(cell: Cell, draws: int = 4) -> dict[str, Any]:
    """By how much codes of humans move the estimate where there are many labels."""
    moves, *tests = np.array([moved(cell, seed) for seed in range(draws)]).T
    return {
        **{"written": cell.written, "wrong": cell.wrong, "sources": cell.sources},
        **{"moves": moves.mean(), "mc_error": moves.std(ddof=1) / np.sqrt(draws)},
        **{"J_human": tests[0].mean(), "J_proxy": tests[1].mean()},
    }


def limit_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the limit: move of the estimate, J of both."""
    for cell in LIMITS:
        seeds = range(first, first + draws)
        every = Parallel(jobs)(delayed(moved)(cell, seed) for seed in seeds)
        both = cell.sources == "both"
        sources = "proxy and counterpart" if both else "counterpart"
        key = (cell.written, f"{100 * cell.wrong:.0f} %", sources)
        yield key, [mean_of(values) for values in np.array(every, dtype=float).T]


def main() -> None:
    """Simulate all cells that are not done, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("conditioning-output"))
    parser.add_argument("--limit", action="store_true")
    options = parser.parse_args()
    if options.limit:
        print(pd.DataFrame([limit(cell) for cell in LIMITS]).round(4).to_string())
        return
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "cells.csv"
    done = pd.read_csv(path).to_dict("records") if path.exists() else []
    for cell in CELLS:
        key = {**asdict(cell), "draws": options.draws}
        if any(all(row[k] == v for k, v in key.items()) for row in done):
            continue
        done.append(summary(cell, options.draws))
        pd.DataFrame(done).to_csv(path, index=False)
    table = pd.DataFrame(done)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.conditioning  # noqa: PLW0406

    benchmarks.conditioning.main()

"""
Stopping when the interval pleases: coverage at the stop.

Run from the root of the repository::

    python -m benchmarks.sequential                # a few minutes on two cores

Labels come in batches of 50, from 100 to 500, drawn at random from 4,000 units with a
useful proxy. A study stops at the first look at which the interval excludes zero, or
when it is shorter than .2, or at 500. A row is a rule, the true slope and an interval:
the ordinary one, that of planned looks and the confidence sequence; its coverage at the
stop with its Monte Carlo error, mean labels and mean width.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
import pandas as pd

from benchmarks.measured import Measured, mean_of, share_of
from statsmodels_synth import AugmentedGMM

LOOKS = list(range(100, 501, 50))
INTERVALS = ("ordinary", "planned looks", "sequence")
SHORT = 0.2


def one(seed: int, slope: float) -> list[tuple[str, str, bool, int, float]]:
    """Where each rule stops with each interval."""
    warnings.simplefilter("ignore")
    rng, size = np.random.default_rng(seed), 4000
    x = rng.normal(size=size)
    y = 1.0 + slope * x + rng.normal(size=size)
    data = pd.DataFrame({"x": x, "y": y, "llm": y + rng.normal(size=size)})
    order = rng.permutation(size)
    seen: dict[str, list[tuple[int, float, float]]] = {name: [] for name in INTERVALS}
    for n in LOOKS:
        labeled = np.zeros(size, dtype=bool)
        labeled[order[:n]] = True
        table = data.assign(y=data["y"].where(labeled))
        result = AugmentedGMM.from_formula("y ~ x", table, proxy={"y": "llm"}).fit()
        found: dict[str, Any] = {
            "ordinary": result.conf_int(),
            "planned looks": result.sequential_conf_int(LOOKS),
            "sequence": result.sequential_conf_int(tightest_at=300),
        }
        for name, bounds in found.items():
            low, high = np.asarray(bounds)[1]
            seen[name].append((n, low, high))
    rows = []
    for name, path in seen.items():
        for rule in ("excludes zero", "short"):
            n, low, high = next(
                (
                    step
                    for step in path
                    if (
                        step[1] * step[2] > 0.0
                        if rule == "excludes zero"
                        else step[2] - step[1] < SHORT
                    )
                ),
                path[-1],
            )
            rows.append((rule, name, bool(low <= slope <= high), n, high - low))
    return rows


#: Rules and intervals in the words of the table of the documentation.
SHOWN = {
    ("it excludes zero", "ordinary"): ("excludes zero", "ordinary"),
    ("it excludes zero", "planned looks"): ("excludes zero", "planned looks"),
    ("it excludes zero", "any number"): ("excludes zero", "sequence"),
    ("it is shorter than .2", "ordinary"): ("short", "ordinary"),
}


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: coverage and labels by slope."""
    seeds = range(first, first + draws)
    found = []
    for slope in (0.0, 0.15):
        every = Parallel(jobs)(delayed(one)(seed, slope) for seed in seeds)
        rows = [row for draw in every for row in draw]
        found.append(pd.DataFrame(rows).set_index([0, 1]).sort_index())
    for shown, key in SHOWN.items():
        numbers = []
        for table in found:
            own = table.loc[[key]]
            numbers += [share_of(own[2]), mean_of(own[3])]
        yield shown, numbers


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    for slope in (0.0, 0.15):
        found = Parallel(given.jobs)(
            delayed(one)(seed, slope) for seed in range(given.draws)
        )
        rows = pd.DataFrame(
            [row for draw in found for row in draw],
            columns=["rule", "interval", "coverage", "labels", "width"],
        )
        table = rows.groupby(["rule", "interval"], sort=False).mean()
        share = table["coverage"]
        table.insert(1, "mc_error", np.sqrt(share * (1.0 - share) / given.draws))
        print(f"slope {slope:g}")
        print(table.round(4).to_string(), flush=True)


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.sequential  # noqa: PLW0406

    benchmarks.sequential.main()

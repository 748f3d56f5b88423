"""
Active inference of a mean: glide-py's sampler and estimator beside ours, on real data.

Run from the root of the repository, where ../shared has the data, in an environment of
its own (glide-py needs Python 3.12)::

    pip install "glide-py==0.11.0" joblib .
    python -m benchmarks.active

The share of polite requests (Zrnic and Candes 2024 look at a mean as well): 300 labels
of 5,480. glide-py draws by how unsure the model says it is, and estimates by inverse
probabilities. A row is a way to draw and to estimate: root mean squared error, mean
width of the 95 % interval, and coverage.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
import pandas as pd

from benchmarks.measured import Measured, mean_of, rmse_of, share_of
from statsmodels_synth import AugmentedGMM, draw_labels

SHARED = Path(__file__).parents[2] / "shared" / "data"
LABELS, PILOT = 300, 100
Line = tuple[float, float, float]


def requests() -> pd.DataFrame:
    """All requests, with the probability that the model states."""
    table = pd.read_csv(SHARED / "politeness.csv")
    sure = table["conf_gpt4o"].fillna(0.5).clip(0.5, 0.99)
    table["stated"] = np.where(table["yhat_gpt4o"] == 1, sure, 1.0 - sure)
    table["sure"] = sure
    return table


def ours(table: pd.DataFrame, drawn: pd.DataFrame, proxy: str) -> tuple[Any, Line]:
    """Our estimate with the labels that were drawn."""
    labeled = drawn["drawn"]
    if "labeled" in drawn:
        labeled = labeled | drawn["labeled"]
    data = table.assign(
        y=table["y"].where(labeled), chance=drawn["labeling_prob"].to_numpy()
    )
    result = AugmentedGMM.from_formula(
        "y ~ 1", data, proxy={"y": proxy}, labeling_prob="chance"
    ).fit()
    low, high = np.asarray(result.conf_int())[0]
    return result, (float(np.asarray(result.params)[0]), float(low), float(high))


def glide(table: pd.DataFrame, proxy: str, seed: int) -> Line:
    """glide-py's sampler and its estimate."""
    spread = np.sqrt(table["stated"] * (1.0 - table["stated"])).to_numpy()
    sampler = import_module("glide.samplers").ActiveSampler()
    chance, drawn = sampler.sample(spread, LABELS, random_seed=seed)
    y = np.where(drawn == 1.0, table["y"], np.nan)
    estimator = import_module("glide.estimators").ASIMeanEstimator()
    found = estimator.estimate(y, table[proxy].to_numpy(float), chance)
    interval = found.confidence_interval
    return interval.mean, interval.lower_bound, interval.upper_bound


def one(seed: int) -> dict[str, Line]:
    """All ways, in one draw."""
    warnings.simplefilter("ignore")
    table, found = requests(), {}
    by_doubts = draw_labels(
        table, LABELS, "optimal", formula="y ~ 1", proxy={"y": "stated"}, seed=seed
    )
    at_random = draw_labels(table, LABELS, seed=seed)
    for name, proxy in (("label", "yhat_gpt4o"), ("probability", "stated")):
        if find_spec("glide"):
            found[f"glide-py, {name}"] = glide(table, proxy, seed)
        found[f"at random, {name}"] = ours(table, at_random, proxy)[1]
        found[f"by stated doubts, {name}"] = ours(table, by_doubts, proxy)[1]
        pilot, _ = ours(table, draw_labels(table, PILOT, seed=seed), proxy)
        wave = draw_labels(
            table, LABELS - PILOT, "optimal", pilot=pilot, auxiliary="sure", seed=seed
        )
        found[f"pilot and wave, {name}"] = ours(table, wave, proxy)[1]
    return found


#: Ways in the words of the table of the documentation, which has the probability.
SHOWN = {
    "glide-py, by stated doubts": "glide-py, probability",
    "here, at random": "at random, probability",
    "here, by stated doubts": "by stated doubts, probability",
    "here, pilot and optimal wave": "pilot and wave, probability",
}


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation, without glide-py if it is not there."""
    if not SHARED.exists():
        return
    truth = requests()["y"].mean()
    seeds = range(first, first + draws)
    found = Parallel(jobs)(delayed(one)(seed) for seed in seeds)
    for shown, name in SHOWN.items():
        if name in found[0]:
            at, low, high = np.array([draw[name] for draw in found]).T
            covered = share_of((low <= truth) & (truth <= high))
            yield (shown,), [rmse_of(at - truth), mean_of(high - low), covered]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=400)
    given = parser.parse_args()
    truth = requests()["y"].mean()
    draws = Parallel(2)(delayed(one)(seed) for seed in range(given.draws))
    for name in draws[0]:
        at, low, high = np.array([draw[name] for draw in draws]).T
        rmse = np.sqrt(np.mean((at - truth) ** 2))
        covered = np.mean((low <= truth) & (truth <= high))
        print(f"{name:32} {rmse:.4f}  {np.mean(high - low):.4f}  {covered:.3f}")


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.active  # noqa: PLW0406

    benchmarks.active.main()

"""
Coverage of task exchangeability, by simulation and on real data.

Run from the root of the repository::

    python -m benchmarks.tasks            # the paper's simulation; about a minute
    python -m benchmarks.tasks --real     # leave-one-out, where ../shared is
    python -m benchmarks.tasks --speed    # 10,000 tasks beside reading their estimates

The simulation is that of Tan and Zrnic (2026): ``p_j ~ Beta(2, 2)``, the synthetic data
have ``p_j + eps_j`` with ``eps_j ~ N(.05, .1^2)``, cut to [0, 1]; 1,000 real and 2,000
synthetic observations per task. The real data are the outcomes of a study of LLM twins,
scaled to their range, and pairs of chatbots with three LLM judges.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd

from benchmarks.measured import Measured, mean_of, share_of
from statsmodels_synth import TaskExchangeability

Floats = NDArray[np.float64]
SHARED = Path(__file__).parents[2] / "shared" / "data"
ALGORITHMS = (1, 2, "finite")
ALPHAS = (0.10, 0.15, 0.20)
N_REAL, N_SYNTHETIC = 1000, 2000
#: Judges in the words of the documentation.
JUDGES = ("GPT-4", "Claude 3", "GPT-3.5")


def simulate(
    n_tasks: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, float, float]:
    """Estimates of T tasks and the current one, its theta and its real estimate."""
    p = rng.beta(2.0, 2.0, n_tasks + 1)
    made = np.clip(p + rng.normal(0.05, 0.1, n_tasks + 1), 0.0, 1.0)
    frame = {}
    for name, chance, n in (("real", p, N_REAL), ("synthetic", made, N_SYNTHETIC)):
        share = rng.binomial(n, chance) / n
        frame[name] = share
        frame[f"{name}_se"] = np.sqrt(share * (1.0 - share) / (n - 1))
        frame[f"{name}_n"] = np.full(n_tasks + 1, float(n))
    table = pd.DataFrame(frame)
    unseen = float(table["real"].iloc[-1])
    table.loc[n_tasks, ["real", "real_se", "real_n"]] = np.nan
    return table, float(p[-1]), unseen


def simulated(n_tasks: int, alpha: float, draws: int, seed: int) -> pd.DataFrame:
    """Whether each algorithm, and the synthetic data alone, cover; and widths."""
    rng = np.random.default_rng([seed, n_tasks, round(1000 * alpha)])
    rows = []
    for _ in range(draws):
        table, theta, unseen = simulate(n_tasks, rng)
        model = TaskExchangeability.from_estimates(
            table, current=n_tasks, real_n="real_n", synthetic_n="synthetic_n"
        )
        with warnings.catch_warnings():
            # A share of 0 or 1 has no standard error; that is part of the simulation.
            warnings.simplefilter("ignore")
            fits = {str(a): model.fit(a, alpha) for a in ALGORITHMS}
        ends = {
            name: (fit.exchange.lower[0], fit.exchange.upper[0])
            for name, fit in fits.items()
        }
        low, high = fits["1"].exchange.naive
        ends["synthetic only"] = (low[0], high[0])
        row = {}
        for name, (low, high) in ends.items():
            target = unseen if name == "finite" else theta
            row[name] = float(low <= target <= high)
            row[f"width {name}"] = high - low
        rows.append(row)
    return pd.DataFrame(rows)


def coverage(n_tasks: int, alpha: float, draws: int, seed: int) -> dict[str, float]:
    """Share of draws that each algorithm, and the synthetic data alone, cover."""
    found = simulated(n_tasks, alpha, draws, seed)
    return {str(name): float(value) for name, value in found.mean().items()}


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the simulation: coverage, then widths."""
    keys = [(t, a) for t in (40, 100) for a in ALPHAS]
    names = [*map(str, ALGORITHMS), "synthetic only"]
    every = Parallel(jobs)(delayed(simulated)(t, a, draws, first) for t, a in keys)
    for (t, a), found in zip(keys, every, strict=True):
        widths = [mean_of(found[f"width {name}"]) for name in names]
        row = [*(share_of(found[name]) for name in names), *widths]
        yield (str(t), f"{a:.2f}".lstrip("0")), row


def real_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of real tasks, in which nothing is left to chance."""
    del draws, first, jobs
    if not SHARED.exists():
        return
    names = dict(
        zip(DATASETS, ["twins", *(f"arena, {k}" for k in JUDGES)], strict=True)
    )
    for (name, alpha), found in leave_one_out().iterrows():
        columns = [f"coverage {a}" for a in ALGORITHMS]
        columns += ["synthetic only", *(f"width {a}" for a in ALGORITHMS)]
        row = [Measured(float(found[k]), 0.0) for k in columns]
        yield (names[name], f"{alpha:.2f}".lstrip("0")), row


def twin_tasks() -> pd.DataFrame:
    """Outcomes of the twin study, scaled to their range; those without are left out."""
    raw = pd.read_csv(SHARED / "twin_tasks.csv")
    raw = raw[raw["max"] > raw["min"]]
    span = raw["max"] - raw["min"]
    root = np.sqrt(raw["n"])
    return pd.DataFrame(
        {
            "real": (raw["mean_h"] - raw["min"]) / span,
            "real_se": raw["sd_h"] / span / root,
            "synthetic": (raw["mean_l"] - raw["min"]) / span,
            "synthetic_se": raw["sd_l"] / span / root,
            "n": raw["n"].astype(float),
            # One twin per person: real and synthetic values are pairs.
            "r": raw["r"].fillna(0.0),
        }
    ).set_index(raw["study"] + " / " + raw["dv"])


def arena_tasks(judge: str) -> pd.DataFrame:
    """Pairs of chatbots: share of wins by people and by one judge."""
    raw = pd.read_csv(SHARED / "arena_tasks.csv")
    root = np.sqrt(raw["n"])
    return pd.DataFrame(
        {
            "real": raw["mean_h"],
            "real_se": raw["sd_h"] / root,
            "synthetic": raw[f"mean_{judge}"],
            "synthetic_se": raw[f"sd_{judge}"] / root,
            "n": raw["n"].astype(float),
        }
    ).set_index(raw["A"] + " / " + raw["B"])


def real_model(table: pd.DataFrame) -> TaskExchangeability:
    """All rows as history, with a current task that leave-one-out does not look at."""
    now = table.iloc[[0]].copy()
    now.index = pd.Index(["stand-in"])
    now[["real", "real_se"]] = np.nan
    return TaskExchangeability.from_estimates(
        pd.concat([table, now]),
        current="stand-in",
        real_n="n",
        synthetic_n="n",
        correlation="r" if "r" in table else None,
    )


DATASETS: dict[str, Callable[[], pd.DataFrame]] = {
    "twins": twin_tasks,
    "arena, gpt4": lambda: arena_tasks("gpt4"),
    "arena, claude3": lambda: arena_tasks("claude3"),
    "arena, gpt35": lambda: arena_tasks("gpt35"),
}


def leave_one_out() -> pd.DataFrame:
    """Coverage and mean width by data set, algorithm and alpha."""
    rows = []
    for name, read in DATASETS.items():
        model = real_model(read())
        for alpha in ALPHAS:
            row: dict[str, object] = {"data": name, "alpha": alpha}
            for algorithm in ALGORITHMS:
                found = model.fit(algorithm, alpha).loo()
                row[f"coverage {algorithm}"] = found.coverage
                row[f"width {algorithm}"] = float(
                    (found.table["upper"] - found.table["lower"]).mean()
                )
                row["synthetic only"] = found.naive_coverage
            rows.append(row)
    return pd.DataFrame(rows).set_index(["data", "alpha"])


def speed(n_tasks: int = 10_000) -> dict[str, float]:
    """Seconds to fit 10,000 tasks, beside sorting their gaps."""
    table, *_ = simulate(n_tasks, np.random.default_rng(0))
    model = TaskExchangeability.from_estimates(table, current=n_tasks)
    gaps = model.data.gaps.value[:, 0]
    seconds = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, work in (
            ("sort", lambda: np.sort(gaps)),
            ("fit", lambda: model.fit(1)),
            ("loo", lambda: model.fit(1).loo()),
        ):
            start = perf_counter()
            work()
            seconds[name] = perf_counter() - start
    return seconds


def main() -> None:
    """Print tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--real", action="store_true", help="leave-one-out, real data")
    parser.add_argument("--speed", action="store_true", help="10,000 tasks")
    parser.add_argument("--draws", type=int, default=2000, help="simulated data sets")
    options = parser.parse_args()
    if options.speed:
        print(pd.Series(speed()).round(4).to_string())
    elif options.real:
        print(leave_one_out().round(3).to_string())
    else:
        rows = {
            (t, a): coverage(t, a, options.draws, seed=0)
            for t in (40, 100)
            for a in ALPHAS
        }
        print(pd.DataFrame(rows).T.rename_axis(["T", "alpha"]).round(3).to_string())


if __name__ == "__main__":
    main()

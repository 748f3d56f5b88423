"""
A fit of rows that do not fit in memory: Dask workers with one gigabyte each.

Run from the root of the repository::

    python -m benchmarks.out_of_core             # 5e7 rows; ten minutes or so
    python -m benchmarks.out_of_core --quick     # 1e6 rows
    python -m benchmarks.out_of_core --kill      # and a worker is killed on the way

Rows are drawn and written to Parquet in chunks, none of which is kept. Then a local
cluster of two worker processes fits a logistic regression with a proxy and a synthetic
source from the files. Shown are the time of each stage, the peak memory of the workers
and, where they fit, the same fit in memory and how far apart the two are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
import os
from pathlib import Path
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from typing import Any

from distributed import Client, LocalCluster
import numpy as np
import pandas as pd
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM

#: Regressors of the target model, besides the constant.
REGRESSORS = 4
#: Rows of a file, which is a partition.
CHUNK = 500_000
#: Human labels.
LABELS = 2_000
#: Largest number of rows that is fitted in memory too.
IN_MEMORY = 4_000_000
SEED = 2508

NAMES = [f"x{k + 1}" for k in range(REGRESSORS)]
FORMULA = f"y ~ {' + '.join(NAMES)}"
SOURCES: dict[str, Any] = {
    "proxy": {"y": "guess"},
    "synthetic": {"y": "made_y"} | {name: f"made_{name}" for name in NAMES},
}


def draw(first: int, n_rows: int, total: int) -> pd.DataFrame:
    """
    Draw some of the units.

    Parameters
    ----------
    first, n_rows : int
        Number of the first unit, and of units.
    total : int
        Number of all units; about ``LABELS`` of them are labelled.

    Returns
    -------
    DataFrame (n_rows, columns)
        Indexed by unit. The proxy errs for every eighth unit, more often where y is 0.
    """
    rng = np.random.default_rng([SEED, first])
    x = rng.standard_normal((n_rows, REGRESSORS))
    linear = 0.2 + x @ np.linspace(0.6, -0.6, REGRESSORS)
    truth = rng.random(n_rows) < 1.0 / (1.0 + np.exp(-linear))
    wrong = rng.random(n_rows) < np.where(truth, 0.1, 0.15)
    made_x = x + 0.4 * rng.standard_normal(x.shape)
    made_y = rng.random(n_rows) < 0.2 + 0.5 * truth
    labeled = rng.random(n_rows) < LABELS / total
    columns = dict(zip(NAMES, x.T, strict=True))
    columns |= {
        f"made_{name}": made for name, made in zip(NAMES, made_x.T, strict=True)
    }
    return pd.DataFrame(
        columns
        | {
            "y": np.where(labeled, truth, np.nan),
            "guess": (truth ^ wrong).astype(np.int8),
            "made_y": made_y.astype(np.int8),
        },
        index=pd.Index(np.arange(first, first + n_rows), name="unit"),
    )


def write(folder: Path, n_rows: int, chunk: int = CHUNK) -> None:
    """
    Write the units to Parquet files, chunk by chunk.

    Parameters
    ----------
    folder : Path
        Where to.
    n_rows : int
        Number of units.
    chunk : int
        Rows of a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for first in range(0, n_rows, chunk):
        frame = draw(first, min(chunk, n_rows - first), n_rows)
        frame.to_parquet(folder / f"part-{first // chunk:05d}.parquet")


def peak_memory() -> float:
    """Peak resident memory of this process, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage tells begins with the peak of the parent
        line = next(x for x in status.read_text().splitlines() if "VmHWM" in x)
        return 1024.0 * float(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a call takes, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def model(data: Any) -> AugmentedGMM:
    """Return the model of these units."""
    return AugmentedGMM.from_formula(
        FORMULA, data, **SOURCES, family=sm.families.Binomial()
    )


def kill_a_worker(client: Any, after: float) -> threading.Thread:
    """
    Kill one worker process, some time from now.

    Parameters
    ----------
    client : distributed.Client
        Client of a local cluster.
    after : float
        Seconds.

    Returns
    -------
    Thread
        Started.
    """
    process = next(iter(client.cluster.workers.values())).process.pid

    def act() -> None:
        time.sleep(after)
        os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def run(folder: Path, memory: str, kill: bool) -> tuple[Any, dict[str, float]]:
    """
    Fit the files on a local cluster.

    Parameters
    ----------
    folder : Path
        Parquet files.
    memory : str
        Memory limit of each of the two workers.
    kill : bool
        Whether one of them is killed during the fit.

    Returns
    -------
    result : AugmentedGMMResultsWrapper
        The fit.
    measured : dict
        Seconds of the stages, and bytes.
    """
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit=memory,
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,
    ):
        at_rest = max(client.run(peak_memory).values())
        construct, built = timed(lambda: model(folder))
        if kill:
            kill_a_worker(client, 2.0)
        fit, result = timed(built.fit)
        peaks = client.run(peak_memory).values()
        return result, {
            "construct": construct,
            "fit": fit,
            "worker at rest": at_rest,
            "worker peak": max(peaks),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate, fit and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.out_of_core")
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--memory", default="1GB", help="limit of each worker")
    parser.add_argument("--folder", type=Path, help="keeps the files there")
    parser.add_argument("--kill", action="store_true", help="kill a worker")
    parser.add_argument("--quick", action="store_true", help="1e6 rows")
    options = parser.parse_args(arguments)
    n_rows = 1_000_000 if options.quick else options.rows
    folder = options.folder or Path(tempfile.mkdtemp(prefix="out_of_core-"))
    try:
        if not any(folder.glob("*.parquet")):
            seconds, _ = timed(lambda: write(folder, n_rows))
            print(f"wrote {n_rows:.2g} rows in {seconds:.0f} s")
        size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
        print(f"{size / 1e9:.2f} GB of Parquet")
        result, measured = run(folder, options.memory, options.kill)
        for name, value in measured.items():
            is_time = name in ("construct", "fit")
            print(
                f"{name}: {value:.1f} s" if is_time else f"{name}: {value / 1e6:.0f} MB"
            )
        print(f"passes of the fit: {result.passes}")
        print(result.summary())
        if n_rows <= IN_MEMORY:
            whole = model(pd.read_parquet(folder)).fit()
            apart = np.abs(result.params - whole.params) / whole.bse
            print(f"largest difference in standard errors: {apart.max():.1e}")
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()

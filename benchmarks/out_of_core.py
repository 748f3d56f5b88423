"""
A fit of rows that do not fit in memory: Dask workers with one gigabyte each.

Run from the root of the repository::

    python -m benchmarks.out_of_core                  # 5e7 rows, two workers
    python -m benchmarks.out_of_core --quick          # 1e6 rows
    python -m benchmarks.out_of_core --kill           # a worker is killed on the way
    python -m benchmarks.out_of_core --rows 10000000 50000000 --workers 1 2

Rows are drawn and written to Parquet in chunks, none of which is kept. Then a local
cluster fits a logistic regression with a proxy and a synthetic source from the files,
once for each number of rows and of workers: the first files of the largest. Shown are
the seconds of construction and fit, the peak memory of a worker and, where the rows fit
in memory, how far apart the same fit in memory is. What is measured is kept in
``out-of-core-output/cells.csv``: run the command again and it goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
import itertools
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

import dask.dataframe as dd
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
        path = folder / f"part-{first // chunk:05d}.parquet"
        if not path.exists():
            draw(first, min(chunk, n_rows - first), n_rows).to_parquet(path)


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


def run(
    files: Sequence[Path], workers: int, memory: str, kill: bool
) -> tuple[Any, dict[str, Any]]:
    """
    Fit the files on a local cluster.

    Parameters
    ----------
    files : sequence of Path
        Parquet files.
    workers : int
        Worker processes, of one thread each.
    memory : str
        Memory limit of each.
    kill : bool
        Whether one of them is killed during the fit.

    Returns
    -------
    result : AugmentedGMMResultsWrapper
        The fit.
    measured : dict
        Seconds of the stages, and peak memory of a worker in bytes.
    """
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory,
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,
    ):
        data = dd.read_parquet([str(path) for path in files])
        at_rest = max(client.run(peak_memory).values())
        construct, built = timed(lambda: model(data))
        if kill:
            kill_a_worker(client, 2.0)
        fit, result = timed(built.fit)
        return result, {
            "rows": result.n_units,
            "workers": workers,
            "killed": kill,
            "construct_seconds": round(construct, 2),
            "fit_seconds": round(fit, 2),
            "passes": result.passes,
            "worker_at_rest": at_rest,
            "worker_peak": max(client.run(peak_memory).values()),
        }


def report(cells: pd.DataFrame) -> str:
    """
    Write what was measured as a table.

    Parameters
    ----------
    cells : DataFrame
        A row for each fit.

    Returns
    -------
    str
        Markdown. Rows a second are those of a pass of the fit, by worker.
    """
    head = (
        "| rows | workers | construct s | fit s | passes | rows/s, worker | peak MB |"
    )
    lines = [head, "|" + " --- |" * 7]
    for cell in cells.sort_values(["rows", "workers", "killed"]).itertuples():
        speed = cell.rows * cell.passes / cell.fit_seconds / cell.workers
        workers = f"{cell.workers}{', one killed' if cell.killed else ''}"
        lines.append(
            f"| {cell.rows:,} | {workers} | {cell.construct_seconds:.1f} | "
            f"{cell.fit_seconds:.1f} | {cell.passes} | {speed:.2g} | "
            f"{cell.worker_peak / 1e6:.0f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate, fit and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.out_of_core")
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--memory", default="1GB", help="limit of each worker")
    parser.add_argument("--folder", type=Path, help="keeps the files there")
    parser.add_argument("--out", type=Path, default=Path("out-of-core-output"))
    parser.add_argument("--kill", action="store_true", help="kill a worker")
    parser.add_argument("--quick", action="store_true", help="1e6 rows")
    options = parser.parse_args(arguments)
    sizes = sorted([1_000_000] if options.quick else options.rows)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="out_of_core-"))
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "cells.csv"
    cells = pd.read_csv(path) if path.exists() else pd.DataFrame()
    try:
        write(folder, sizes[-1])
        files = sorted(folder.glob("*.parquet"))
        for n_rows, workers in itertools.product(sizes, options.workers):
            key = {"rows": n_rows, "workers": workers, "killed": options.kill}
            if (
                len(cells)
                and (cells[list(key)] == list(key.values())).all(axis=1).any()
            ):
                continue
            used = files[: -(-n_rows // CHUNK)]
            result, measured = run(used, workers, options.memory, options.kill)
            print(result.summary())
            if n_rows <= IN_MEMORY:
                whole = model(pd.concat(map(pd.read_parquet, used))).fit()
                apart = np.abs(result.params - whole.params) / whole.bse
                print(f"largest difference in standard errors: {apart.max():.1e}")
            cells = pd.concat([cells, pd.DataFrame([measured])], ignore_index=True)
            cells.to_csv(path, index=False)
        size = sum(file.stat().st_size for file in files)
        print(f"{size / len(files) / CHUNK:.0f} bytes of Parquet a row")
        print(report(cells))
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()

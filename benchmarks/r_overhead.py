"""
What a fit costs from R, against the same fit from Python.

    python -m benchmarks.r_overhead

Both start from a data frame of T units with a formula, a family and a proxy in a column
of it, and end with a result whose covariance is known. Needs R with the package
``statsmodelssynth`` (``python -m statsmodels_synth.r install``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
import statsmodels.api as sm

from benchmarks.measured import UNKNOWN, Measured
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import SynthError
from statsmodels_synth.r.locate import clean_environment, find_r

SIZES = (1_000, 10_000, 100_000, 1_000_000)
N_LABELED = 500
REPEATS = 5

SCRIPT = """
seconds <- function(expr) system.time(expr, gcFirst = FALSE)[["elapsed"]]
cat("library", seconds(library(statsmodelssynth)), "\\n")
stopifnot(!reticulate::py_available(initialize = FALSE))
first <- seconds(ok <- synth_available())
if (!ok) stop(attr(ok, "reason"))
cat("first", first, "\\n")
fit <- function(data, ...) augmented_gmm(
  y ~ x1 + x2 + x3, data, proxy = c(y = "guess"), family = binomial, ...
)
for (size in commandArgs(TRUE)) {
  path <- paste0(size, ".bin")
  x <- matrix(readBin(path, "double", 5 * as.integer(size)), ncol = 5)
  data <- as.data.frame(x)
  names(data) <- c("x1", "x2", "x3", "y", "guess")
  fit(data)
  with <- replicate(REPEATS, seconds(fit(data)))
  without <- replicate(REPEATS, seconds(fit(data, influence = FALSE)))
  cat("fit", size, min(with), min(without), "\\n")
}
"""


def units(size: int) -> pd.DataFrame:
    """Units with a rare label and a guess that is right in 85 %."""
    rng = np.random.default_rng(size)
    frame = pd.DataFrame(rng.normal(size=(size, 3)), columns=["x1", "x2", "x3"])
    chance = 1 / (1 + np.exp(-(frame @ [0.5, -0.3, 0.2])))
    truth = (rng.uniform(size=size) < chance).to_numpy(dtype=float)
    flip = rng.uniform(size=size) < 0.15
    frame["y"] = np.where(np.arange(size) < N_LABELED, truth, np.nan)
    frame["guess"] = np.where(flip, 1 - truth, truth)
    return frame


def python_seconds(frame: pd.DataFrame) -> float:
    """Shortest of some fits."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        model = AugmentedGMM.from_formula(
            "y ~ x1 + x2 + x3",
            frame,
            proxy={"y": "guess"},
            family=sm.families.Binomial(),
        )
        model.fit().cov_params()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def both() -> tuple[dict[int, float], list[list[str]]]:
    """Seconds in Python, and lines of what R prints."""
    r = find_r()
    python = {}
    with tempfile.TemporaryDirectory() as place:
        for size in SIZES:
            frame = units(size)
            python[size] = python_seconds(frame)
            frame.to_numpy().T.tofile(Path(place) / f"{size}.bin")
        script = Path(place) / "overhead.R"
        script.write_text(SCRIPT.replace("REPEATS", str(REPEATS)))
        environment = clean_environment() | {"STATSMODELSSYNTH_PYTHON": sys.executable}
        done = subprocess.run(
            [r.rscript, "--vanilla", script, *map(str, SIZES)],
            env=environment,
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return python, [line.split() for line in done.stdout.splitlines()]


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation; of seconds only the ratio is compared."""
    del draws, first, jobs
    try:
        find_r()
    except SynthError:
        return
    python, lines = both()
    for line in lines:
        if line[0] == "fit":
            size, seconds = int(line[1]), float(line[2])
            ratio = Measured(seconds / python[size], float("nan"))
            yield (f"{size:,}",), [UNKNOWN, UNKNOWN, ratio]


def main() -> int:
    """Print the table."""
    python, lines = both()
    found = {line[0]: line[1:] for line in lines if line[0] != "fit"}
    print(f"library(statsmodelssynth): {float(found['library'][0]):.2f} s, no Python")
    print(f"first call, Python's start included: {float(found['first'][0]):.2f} s")
    print(f"{'units':>9} {'Python':>9} {'R':>9} {'without influence':>18} {'ratio':>6}")
    for line in lines:
        if line[0] == "fit":
            size, with_, without = int(line[1]), float(line[2]), float(line[3])
            print(
                f"{size:>9,} {python[size]:>8.3f}s {with_:>8.3f}s {without:>17.3f}s "
                f"{with_ / python[size]:>6.2f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())

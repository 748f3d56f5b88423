"""What :mod:`benchmarks.speed` and :mod:`benchmarks.scaling` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import gc
import os
import platform
import sys
import time
import tracemalloc
from typing import Any

import numpy as np
from numpy.typing import NDArray
import scipy
from scipy.special import expit
import statsmodels
import statsmodels.api as sm
from threadpoolctl import threadpool_info, threadpool_limits

from statsmodels_synth import AugmentedGMM

SEED = 2508
#: Columns of every design of the table of speed, the constant included.
COLUMNS = 10
#: Human labels.
LABELS = 2_000
FAMILIES = ("binomial", "gaussian")
#: Most rows that are drawn at once: temporaries stay small next to the arrays.
CHUNK = 1_000_000

Floats = NDArray[np.float64]
#: Outcome and regressors, and for replicates the unit of each row.
Source = tuple[Floats, Floats] | tuple[Floats, Floats, NDArray[np.int64]]


@dataclass(frozen=True)
class Problem:
    """
    Arrays of one problem, float64 and C-ordered.

    Attributes
    ----------
    endog : ndarray (T,)
        Human labels, NaN where there is none.
    exog : ndarray (T, p)
        Regressors; those of the proxy too.
    proxy_endog : ndarray (T,)
        Outcome as the proxy has it.
    synthetic : tuple of Source
        The generated units, one entry per synthetic source.
    family : str
        "binomial" or "gaussian".
    """

    endog: Floats
    exog: Floats
    proxy_endog: Floats
    synthetic: tuple[Source, ...]
    family: str = "binomial"

    @property
    def proxy(self) -> tuple[Floats, Floats]:
        """Outcome and regressors of the proxy."""
        return self.proxy_endog, self.exog

    @property
    def sources(self) -> list[tuple[Floats, Floats]]:
        """Outcome and regressors of each source, the proxy first."""
        return [self.proxy, *((s[0], s[1]) for s in self.synthetic)]

    @property
    def labeled(self) -> NDArray[np.bool_]:
        """Which units have a label, (T,)."""
        return ~np.isnan(self.endog)

    @property
    def nbytes(self) -> int:
        """Bytes of all input arrays, each counted once."""
        arrays = (self.endog, self.exog, self.proxy_endog)
        return sum(a.nbytes for a in (*arrays, *(a for s in self.synthetic for a in s)))

    def model(self, proxy_only: bool = False) -> AugmentedGMM:
        """Construct the model through the array interface."""
        synthetic = {f"synthetic{k}": s for k, s in enumerate(self.synthetic)}
        return AugmentedGMM(
            self.endog,
            self.exog,
            proxy={"proxy": self.proxy},
            synthetic=None if proxy_only or not synthetic else synthetic,
            family=getattr(sm.families, self.family.capitalize())(),
        )


def make_problem(
    n_units: int,
    seed: int = SEED,
    *,
    family: str = "binomial",
    columns: int = COLUMNS,
    n_synthetic: int = 1,
    replicates: int = 1,
    labels: int = LABELS,
) -> Problem:
    """
    Draw a population, its labels and imperfect sources.

    Parameters
    ----------
    n_units : int
        Number of units T.
    seed : int
        Seed of the generator.
    family : str
        "binomial" or "gaussian".
    columns : int
        Columns p of the design, the constant included.
    n_synthetic : int
        Synthetic sources; with the proxy there is one source more.
    replicates : int
        Rows of each synthetic source per unit.
    labels : int
        Human labels n, at random units.

    Returns
    -------
    Problem
        The proxy has the regressors of the units. Its outcome errs for about every
        sixth unit (Binomial), more often where y is 0, or has noise and a bias
        (Gaussian). Synthetic regressors are noisy copies, and their outcome comes
        from coefficients of its own.
    """
    rng = np.random.default_rng(seed)
    beta = np.linspace(-0.6, 0.6, columns)
    exog = np.empty((n_units, columns))
    truth, proxy_endog = np.empty(n_units), np.empty(n_units)
    for rows in _chunks(n_units):
        exog[rows, 0] = 1.0
        exog[rows, 1:] = rng.standard_normal((rows.stop - rows.start, columns - 1))
        truth[rows] = _outcome(rng, exog[rows] @ beta, family)
        proxy_endog[rows] = _guess(rng, truth[rows], family)
    synthetic = tuple(
        _generated(rng, exog, truth, 0.7 * beta + 0.1, family, replicates)
        for _ in range(n_synthetic)
    )
    labeled = rng.choice(n_units, size=labels, replace=False)
    endog = np.full(n_units, np.nan)
    endog[labeled] = truth[labeled]
    return Problem(endog, exog, proxy_endog, synthetic, family)


def _chunks(length: int) -> list[slice]:
    """Slices of at most ``CHUNK`` rows."""
    return [slice(i, min(i + CHUNK, length)) for i in range(0, length, CHUNK)]


def _outcome(rng: np.random.Generator, linear: Floats, family: str) -> Floats:
    """Outcome with this linear predictor."""
    if family == "binomial":
        return (rng.random(len(linear)) < expit(linear)).astype(float)
    return np.asarray(linear + rng.standard_normal(len(linear)))


def _guess(rng: np.random.Generator, truth: Floats, family: str) -> Floats:
    """Outcome as a proxy has it."""
    if family == "binomial":
        wrong = rng.random(len(truth)) < np.where(truth, 0.12, 0.2)
        return np.where(wrong, 1.0 - truth, truth)
    return np.asarray(0.2 + 0.9 * truth + 0.6 * rng.standard_normal(len(truth)))


def _generated(
    rng: np.random.Generator,
    exog: Floats,
    truth: Floats,
    beta: Floats,
    family: str,
    replicates: int,
) -> Source:
    """Rows of a synthetic source: a unit's replicates follow each other."""
    n_units, columns = exog.shape
    own = np.empty((n_units * replicates, columns))
    endog = np.empty(n_units * replicates)
    for rows in _chunks(n_units):
        of = np.repeat(np.arange(rows.start, rows.stop), replicates)
        at = slice(rows.start * replicates, rows.stop * replicates)
        own[at, 0] = 1.0
        own[at, 1:] = 0.9 * exog[of, 1:]
        own[at, 1:] += 0.4 * rng.standard_normal((len(of), columns - 1))
        lean = 1.5 * (truth[of] - 0.5) if family == "binomial" else 0.5 * truth[of]
        endog[at] = _outcome(rng, own[at] @ beta + lean, family)
    if replicates == 1:
        return endog, own
    return endog, own, np.repeat(np.arange(n_units), replicates)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    reached: float | None
    aim: float | None = None
    at_least: bool = False
    note: str = ""

    def cells(self) -> list[str]:
        """Text of the columns; a row that was not measured has no number."""
        aim = verdict = ""
        if self.aim is not None:
            aim = f"{'>=' if self.at_least else '<='} {self.aim:.3g}"
        if self.reached is None:
            return [self.what, "", aim, "-", self.note]
        if self.aim is not None:
            good = (
                self.reached >= self.aim if self.at_least else self.reached <= self.aim
            )
            verdict = "yes" if good else "NO"
        return [self.what, f"{self.reached:.3g}", aim, verdict, self.note]


def table(rows: Sequence[Row]) -> str:
    """Lines of the table, columns aligned."""
    cells = [["measure", "ratio", "aim", "met", "note"], *(r.cells() for r in rows)]
    widths = [max(len(line[j]) for line in cells) for j in range(5)]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            text.rjust(width) if j in (1, 2) else text.ljust(width)
            for j, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def size(problem: Problem) -> str:
    """Return the number of units, short."""
    return f"{len(problem.endog):.2g}".replace("e+0", "e")


def timed(call: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return the seconds that a call takes, and its result."""
    gc.collect()
    start = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - start, result


def traced(call: Callable[[], Any]) -> tuple[Any, int, int]:
    """
    Memory of a call, by tracemalloc, which sees NumPy's arrays.

    Parameters
    ----------
    call : callable
        Called without arguments.

    Returns
    -------
    result : object
        What the call returns.
    kept, peak : int
        Bytes more than before, after the call and at most.
    """
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = call()
        kept, peak = (v - before for v in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
    return result, kept, peak


def our_fit(problem: Problem) -> Any:
    """Construct and fit."""
    return problem.model().fit()


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"... {text}", file=sys.stderr, flush=True)


def blas_threads(limit: int | None = None) -> int:
    """
    Set and return the number of threads of NumPy's and SciPy's BLAS.

    Where another process keeps a core busy, products of small blocks on two threads
    wait for each other and take up to ten times as long; on one thread, which our fits
    take by themselves, they do not.

    Parameters
    ----------
    limit : int, optional
        Threads from now on; as many as the environment says if omitted.

    Returns
    -------
    int
        Threads at most.
    """
    if limit is not None:
        threadpool_limits(limit, user_api="blas")
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max((int(pool["num_threads"]) for pool in pools), default=1)


def versions() -> str:
    """Line on the software and the machine."""
    return (
        f"Python {platform.python_version()}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}, statsmodels {statsmodels.__version__}, "
        f"{os.cpu_count()} CPUs, {blas_threads()} BLAS threads, "
        f"load {os.getloadavg()[0]:.1f}"
    )

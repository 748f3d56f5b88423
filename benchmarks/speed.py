"""
Speed and memory of :class:`statsmodels_synth.AugmentedGMM`, as ratios.

Run from the root of the repository::

    python -m benchmarks.speed            # 1e6 units; some minutes
    python -m benchmarks.speed --quick    # small, to see that it runs

Everything that is compared is measured in the same process, in turns, so that
the ratios mean the same on a fast and on a slow machine, provided that nothing
else runs there: threads of BLAS that wait for a busy core distort them. Nothing
here asserts anything: the table says what was aimed at and what was reached.

The problem is a logistic regression of a million units with ten columns, 2,000
human labels, a proxy (the same regressors, the outcome guessed) and a synthetic
source (outcome and regressors generated).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import gc
import os
import platform
import statistics
import subprocess
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
from statsmodels.sandbox.regression.gmm import GMM

from statsmodels_synth import AugmentedGMM

SEED = 2508
#: Columns of every design, the constant included.
COLUMNS = 10
#: Human labels.
LABELS = 2_000

Floats = NDArray[np.float64]


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
    synthetic_endog, synthetic_exog : ndarray (T,), (T, p)
        The generated units.
    """

    endog: Floats
    exog: Floats
    proxy_endog: Floats
    synthetic_endog: Floats
    synthetic_exog: Floats

    @property
    def sources(self) -> list[tuple[Floats, Floats]]:
        """Outcome and regressors of the proxy and of the synthetic source."""
        return [
            (self.proxy_endog, self.exog),
            (self.synthetic_endog, self.synthetic_exog),
        ]

    @property
    def nbytes(self) -> int:
        """Bytes of all input arrays, each counted once."""
        arrays = (self.endog, self.exog, self.proxy_endog)
        return sum(a.nbytes for a in (*arrays, *self.sources[1]))

    def model(self) -> AugmentedGMM:
        """Construct the model through the array interface."""
        proxy, synthetic = self.sources
        return AugmentedGMM(
            self.endog,
            self.exog,
            proxy={"proxy": proxy},
            synthetic={"synthetic": synthetic},
            family=sm.families.Binomial(),
        )


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    reached: float
    aim: float | None = None
    at_least: bool = False
    note: str = ""

    def cells(self) -> list[str]:
        """Text of the columns."""
        if self.aim is None:
            aim = verdict = ""
        else:
            aim = f"{'>=' if self.at_least else '<='} {self.aim:.3g}"
            good = (
                self.reached >= self.aim if self.at_least else self.reached <= self.aim
            )
            verdict = "yes" if good else "NO"
        return [self.what, f"{self.reached:.3g}", aim, verdict, self.note]


def make_problem(n_units: int, seed: int = SEED) -> Problem:
    """
    Draw a population, its labels and two imperfect sources.

    Parameters
    ----------
    n_units : int
        Number of units T.
    seed : int
        Seed of the generator.

    Returns
    -------
    Problem
        With ``LABELS`` labels at random units. The proxy errs for about every
        sixth unit, more often where y is 0; the synthetic regressors are noisy
        copies, their outcome comes from coefficients of its own.
    """
    rng = np.random.default_rng(seed)
    exog = np.ones((n_units, COLUMNS))
    exog[:, 1:] = rng.standard_normal((n_units, COLUMNS - 1))
    coefficients = np.linspace(-0.6, 0.6, COLUMNS)
    truth = rng.random(n_units) < expit(exog @ coefficients)
    wrong = rng.random(n_units) < np.where(truth, 0.12, 0.2)
    synthetic_exog = exog.copy()
    synthetic_exog[:, 1:] *= 0.9
    synthetic_exog[:, 1:] += 0.4 * rng.standard_normal((n_units, COLUMNS - 1))
    leaning = expit(synthetic_exog @ (0.7 * coefficients + 0.1) + 1.5 * (truth - 0.5))
    endog = np.full(n_units, np.nan)
    labeled = rng.choice(n_units, size=LABELS, replace=False)
    endog[labeled] = truth[labeled]
    return Problem(
        endog,
        exog,
        (truth ^ wrong).astype(float),
        (rng.random(n_units) < leaning).astype(float),
        synthetic_exog,
    )


class StockModel(GMM):  # type: ignore[misc]
    """
    The same moment conditions for statsmodels' own GMM, written down densely.

    Parameters
    ----------
    problem : Problem
        The arrays.
    start : ndarray (p + 2 p,)
        Where the search starts.
    """

    def __init__(self, problem: Problem, start: Floats) -> None:
        self.labeled = ~np.isnan(problem.endog)
        self.start = start
        self.parts = [
            (np.where(self.labeled, problem.endog, 0.0), problem.exog),
            *problem.sources,
        ]
        nothing = np.empty((len(problem.endog), 0))
        super().__init__(
            problem.proxy_endog,
            problem.exog,
            nothing,
            k_moms=5 * COLUMNS,
            k_params=3 * COLUMNS,
        )

    def fitstart(self) -> Floats:
        """Start of the search."""
        return self.start

    def momcond(self, params: Floats) -> Floats:
        """Moments ``[a psi; a h_1; h_1; a h_2; h_2]`` of every unit, (T, 5 p)."""
        psi, first, second = (
            exog * (endog - expit(exog @ beta))[:, None]
            for (endog, exog), beta in zip(
                self.parts, params.reshape(3, -1), strict=True
            )
        )
        a = self.labeled[:, None]
        return np.hstack([a * psi, a * first, first, a * second, second])


def size(problem: Problem) -> str:
    """Return the number of units, short."""
    return f"{len(problem.endog):.2g}".replace("e+0", "e")


def timed(call: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return the seconds that a call takes, and its result."""
    gc.collect()
    start = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - start, result


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"... {text}", file=sys.stderr, flush=True)


def gram_pass(problem: Problem, weights: Floats) -> list[Floats]:
    """One weighted Gram matrix of the rows of each source."""
    return [exog.T @ (exog * weights[:, None]) for _, exog in problem.sources]


def our_fit(problem: Problem) -> Any:
    """Construct and fit."""
    return problem.model().fit()


def logit_fit(endog: Floats, exog: Floats) -> Any:
    """Fit what one would fit to a source alone."""
    return sm.Logit(endog, exog).fit(disp=0)


def time_rows(problem: Problem, repeats: int) -> list[Row]:
    """
    Time of the fit against Logit per source and against Gram passes.

    Parameters
    ----------
    problem : Problem
        The arrays.
    repeats : int
        Rounds; the median counts.

    Returns
    -------
    list of Row
        Ratios.
    """
    weights = np.random.default_rng(SEED).random(len(problem.endog))
    construct, fit, logit, gram = [], [], [], []
    passes, n_labeled = 0, 0
    problem.model().fit()  # warm caches of every kind
    for count in range(repeats):
        say(f"timing, round {count + 1} of {repeats}")
        seconds, model = timed(problem.model)
        construct.append(seconds)
        seconds, result = timed(model.fit)
        fit.append(seconds)
        passes, n_labeled = result.passes, result.n_labeled
        del model, result
        gram.append(timed(gram_pass, problem, weights)[0])
        logit.append(sum(timed(logit_fit, *part)[0] for part in problem.sources))
        gram.append(timed(gram_pass, problem, weights)[0])
    both = statistics.median(c + f for c, f in zip(construct, fit, strict=True))
    alone = statistics.median(fit)
    per_source, per_pass = statistics.median(logit), statistics.median(gram)
    note = f"{both:.3f} s / {per_source:.3f} s"
    print(f"{size(problem)} units, {n_labeled} labels, {COLUMNS} columns, two sources")
    return [
        Row("construct + fit / Logit per source", both / per_source, 1 / 3, note=note),
        Row(
            "fit alone / Logit per source",
            alone / per_source,
            1 / 3,
            note=f"{alone:.3f} s",
        ),
        Row(
            "construct + fit / Gram pass",
            both / per_pass,
            10,
            note=f"a pass takes {per_pass:.3f} s",
        ),
        Row("fit alone / Gram pass", alone / per_pass, 10),
        Row("result.passes (a count)", passes, note="over the rows of both sources"),
    ]


def memory_rows(problem: Problem) -> list[Row]:
    """
    Peak of the memory that construction and fit take beyond the input.

    Parameters
    ----------
    problem : Problem
        The arrays.

    Returns
    -------
    list of Row
        Ratios to the bytes of the input arrays.
    """
    say("memory")
    megabytes = 2.0**20
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        model = problem.model()
        kept, peak = (v - before for v in tracemalloc.get_traced_memory())
        result = model.fit()
        peak_both = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    del result
    total = problem.nbytes
    return [
        Row(
            "peak extra memory / input",
            peak_both / total,
            0.5,
            note=f"{peak_both / megabytes:.0f} MiB / {total / megabytes:.0f} MiB",
        ),
        Row("  of the construction", peak / total),
        Row("  kept by the model", kept / total),
    ]


def stock_rows(problem: Problem, repeats: int) -> list[Row]:
    """
    Time against stock GMM on the same moments, and whether they agree.

    Parameters
    ----------
    problem : Problem
        The arrays.
    repeats : int
        Rounds of our fit; stock GMM is fitted once.

    Returns
    -------
    list of Row
        Ratio of times, largest difference in standard errors.
    """
    say(f"{repeats} fits of {len(problem.endog)} units")
    seconds = []
    for _ in range(repeats):
        took, result = timed(our_fit, problem)
        seconds.append(took)
    ours = statistics.median(seconds)
    say("stock GMM on the same units (a minute or two)")
    stock_seconds, stock = timed(stock_fit, problem, result, {})
    small = make_problem(min(len(problem.endog), 20_000))
    say(f"stock GMM to convergence on {size(small)} units")
    exact = small.model().fit()
    return [
        Row(
            f"stock GMM.fit / construct + fit, {size(problem)} units",
            stock_seconds / ours,
            50,
            at_least=True,
            note=f"{stock_seconds:.1f} s / {ours:.3f} s",
        ),
        Row(
            "  estimates apart, in standard errors",
            distance(result, stock),
            note="stock stops at its default gtol=1e-5",
        ),
        Row(
            f"  same with gtol=1e-9, {size(small)} units",
            distance(exact, stock_fit(small, exact, {"gtol": 1e-9})),
            1e-5,
            note="both reach the same estimate if met",
        ),
    ]


def stock_fit(problem: Problem, ours: Any, options: dict[str, float]) -> Any:
    """
    Fit stock GMM, started where our fit starts.

    Parameters
    ----------
    problem : Problem
        The arrays.
    ours : AugmentedGMMResults
        Our fit, for its start: GLM on the labels and on part of each source.
    options : dict
        Options of the optimiser.

    Returns
    -------
    GMMResults
        Two-step estimate, uncentred weight.
    """
    return StockModel(problem, ours.model.fitstart()).fit(
        maxiter=2, optim_args={"disp": 0, **options}, wargs={"centered": False}
    )


def distance(ours: Any, stock: Any) -> float:
    """Return the largest difference of a coefficient, in standard errors."""
    apart = np.asarray(ours.params) - np.asarray(stock.params)[:COLUMNS]
    return float(np.max(np.abs(apart) / np.asarray(ours.bse)))


def import_rows(repeats: int) -> list[Row]:
    """
    Time that importing the package adds to importing statsmodels.

    Parameters
    ----------
    repeats : int
        Fresh interpreters.

    Returns
    -------
    list of Row
        Ratio of the addition.
    """
    say("imports")
    code = (
        "from time import perf_counter as now; start = now(); "
        "import statsmodels.api; middle = now(); "
        "import statsmodels_synth; print(middle - start, now() - middle)"
    )
    base, added = [], []
    for _ in range(repeats + 1):
        printed = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        base.append(float(printed[0]))
        added.append(float(printed[1]))
    # The first one reads the files from disk.
    alone, more = statistics.median(base[1:]), statistics.median(added[1:])
    note = f"{1e3 * more:.0f} ms on top of {1e3 * alone:.0f} ms"
    return [Row("import / import statsmodels.api", more / alone, note=note)]


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("--units", type=int, default=1_000_000, help="units T")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of each timing")
    parser.add_argument(
        "--stock-units", type=int, default=100_000, help="units for stock GMM"
    )
    parser.add_argument("--quick", action="store_true", help="a small smoke test")
    options = parser.parse_args(arguments)
    if options.quick:
        options.units, options.stock_units, options.repeats = 20_000, 5_000, 1
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}, statsmodels {statsmodels.__version__}, "
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    )
    problem = make_problem(options.units)
    rows = time_rows(problem, options.repeats)
    rows += memory_rows(problem)
    del problem
    rows += import_rows(options.repeats)
    rows += stock_rows(make_problem(options.stock_units), options.repeats)
    print(table(rows))
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

"""
Speed and memory of :class:`statsmodels_synth.AugmentedGMM`, as ratios.

Run from the root of the repository::

    python -m benchmarks.speed            # 1e6 units; some minutes
    python -m benchmarks.speed --busy     # beside two processes that spin, alone
    python -m benchmarks.speed --quick    # small, to see that it runs

Everything that is compared, but R and imports, is measured in the same process, in
turns, so that the ratios mean the same on a fast and on a slow machine, provided that
nothing else runs there: a peer with two threads of BLAS waits for a busy core, which
distorts the ratios (``--threads 1`` makes all but R, which has a BLAS of its own, do
with one). What other work does to our fit is the busy mode, :mod:`benchmarks.busy`.
Nothing here asserts anything: the table says what was aimed at and what was reached.
The peers come with the extra ``test``; R and its package gmm with
``tools/set_up_r.sh``, and without them their row says so.

The problem is a regression of a million units with ten columns, 2,000 human labels, a
proxy (the same regressors, the outcome guessed) and a synthetic source (outcome and
regressors generated), logistic where nothing else is said. What a fit costs as units,
sources, columns and replicates grow is measured by :mod:`benchmarks.scaling`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
import os
from statistics import median
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from benchmarks.busy import busy_rows
from benchmarks.measured import Measured
from benchmarks.peers import iv_rows, ppi_rows, r_rows, stock_rows
from benchmarks.problems import (
    COLUMNS,
    LABELS,
    SEED,
    Floats,
    Problem,
    Row,
    blas_threads,
    make_problem,
    say,
    size,
    table,
    timed,
    traced,
    versions,
)
from statsmodels_synth import AugmentedGMM


def gram_pass(problem: Problem, weights: Floats) -> list[Floats]:
    """One weighted Gram matrix of the rows of each source."""
    return [exog.T @ (exog * weights[:, None]) for _, exog in problem.sources]


def logit_fit(endog: Floats, exog: Floats) -> Any:
    """Fit what one would fit to a binary source alone."""
    return sm.Logit(endog, exog).fit(disp=0)


def ols_fit(endog: Floats, exog: Floats) -> Any:
    """Fit what one would fit to a continuous source alone."""
    return sm.OLS(endog, exog).fit()


def _rounds(
    problem: Problem, peer: Callable[[Floats, Floats], Any], repeats: int
) -> tuple[dict[str, float], int]:
    """
    Seconds of our fit, of a peer on each source and of a Gram pass, in turns.

    Parameters
    ----------
    problem : Problem
        The arrays.
    peer : callable
        Fits one source; its seconds are summed over the sources.
    repeats : int
        Rounds; the median counts.

    Returns
    -------
    seconds : dict
        Of "both" (construction and fit), "fit", "peer" and "gram".
    passes : int
        Passes over the rows that our fit took.
    """
    weights = np.random.default_rng(SEED).random(len(problem.endog))
    seconds: dict[str, list[float]] = {"both": [], "fit": [], "peer": [], "gram": []}
    passes = problem.model().fit().passes  # warms caches of every kind, too
    for count in range(repeats):
        say(f"timing, {problem.family}, round {count + 1} of {repeats}")
        construct, model = timed(problem.model)
        fit, result = timed(model.fit)
        del model, result
        seconds["both"].append(construct + fit)
        seconds["fit"].append(fit)
        seconds["gram"].append(timed(gram_pass, problem, weights)[0])
        seconds["peer"].append(sum(timed(peer, *part)[0] for part in problem.sources))
        seconds["gram"].append(timed(gram_pass, problem, weights)[0])
    return {what: median(each) for what, each in seconds.items()}, passes


def binomial_rows(problem: Problem, repeats: int) -> list[Row]:
    """
    Time of the fit against a Logit for each source and against Gram passes.

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
    seconds, passes = _rounds(problem, logit_fit, repeats)
    both, fit, peer, gram = (seconds[k] for k in ("both", "fit", "peer", "gram"))
    return [
        Row(
            "Binomial: construct + fit / Logit per source",
            both / peer,
            0.2,
            note=f"{both:.3f} s / {peer:.3f} s, a Logit for each of two sources",
        ),
        Row("  fit alone / Logit per source", fit / peer, note=f"{fit:.3f} s"),
        Row(
            "  construct + fit / Gram pass",
            both / gram,
            8,
            note=f"a pass over both sources takes {gram:.3f} s",
        ),
        Row("  fit alone / Gram pass", fit / gram),
        Row("  result.passes (a count)", passes, note="over the rows of both sources"),
    ]


def gaussian_rows(problem: Problem, repeats: int) -> list[Row]:
    """
    Time of the fit against an OLS for each source.

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
    seconds, passes = _rounds(problem, ols_fit, repeats)
    both, fit, peer, gram = (seconds[k] for k in ("both", "fit", "peer", "gram"))
    return [
        Row(
            "Gaussian: construct + fit / OLS per source",
            both / peer,
            0.3,
            note=f"{both:.3f} s / {peer:.3f} s, an OLS for each of two sources",
        ),
        Row("  fit alone / OLS per source", fit / peer, note=f"{fit:.3f} s"),
        Row("  construct + fit / Gram pass", both / gram, note=f"{passes} passes"),
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
    mebibyte = 2.0**20
    model, kept, peak = traced(problem.model)
    del model
    _, _, both = traced(lambda: problem.model().fit())
    total = problem.nbytes
    note = f"{both / mebibyte:.0f} MiB / {total / mebibyte:.0f} MiB"
    return [
        Row("peak extra memory / input", both / total, 0.25, note=note),
        Row("  of the construction", peak / total),
        Row("  kept by the model", kept / total),
    ]


#: Prints the seconds that each of the imports takes, in order.
IMPORT = (
    "from time import perf_counter as now; import sys\n"
    "for name in sys.argv[1:]:\n"
    "    start = now(); __import__(name); print(now() - start)"
)


def _import_seconds(*names: str) -> list[float]:
    """Seconds of imports one after the other, in a fresh interpreter."""
    command = [sys.executable, "-c", IMPORT, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def import_rows(repeats: int) -> list[Row]:
    """
    Time that importing the package adds to importing statsmodels.

    Parameters
    ----------
    repeats : int
        Rounds of two fresh interpreters, in turns.

    Returns
    -------
    list of Row
        Ratio of the addition, which is measured within one interpreter: the difference
        of two interpreters would be mostly noise. And ratio of our import alone.
    """
    say("imports")
    base, added, alone = [], [], []
    for count in range(repeats + 1):
        first, more = _import_seconds("statsmodels.api", "statsmodels_synth")
        whole = _import_seconds("statsmodels_synth")[0]
        if count:  # the first round reads the files from disk
            base.append(first)
            added.append(more)
            alone.append(whole)
    stock, ours, more = median(base), median(alone), median(added)
    return [
        Row(
            "import adds / import statsmodels.api",
            more / stock,
            0.15,
            note=f"{1e3 * more:.0f} ms on top of {1e3 * stock:.0f} ms",
        ),
        Row("  import of it alone / import statsmodels.api", ours / stock),
    ]


def forms(problem: Problem) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    The same data as a user may have them.

    Parameters
    ----------
    problem : Problem
        The arrays.

    Yields
    ------
    name : str
        Of the form.
    arguments : dict
        For ``AugmentedGMM.from_formula``. The proxy is a column of the data in both.
    """
    names = [f"x{k}" for k in range(1, problem.exog.shape[1])]
    data = pd.DataFrame(problem.exog[:, 1:], columns=names)
    data["y"], data["guess"] = problem.endog, problem.proxy_endog
    synthetic = pd.DataFrame(problem.synthetic[0][1][:, 1:], columns=names)
    synthetic["y"] = problem.synthetic[0][0]
    formula = "y ~ " + " + ".join(names)
    common = {"formula": formula, "proxy": {"y": "guess"}}
    yield "two frames", common | {"data": data, "synthetic": synthetic}
    wide = pd.concat([data, synthetic.add_prefix("s_")], axis=1)
    columns = {name: f"s_{name}" for name in [*names, "y"]}
    del data, synthetic
    yield "one wide frame", common | {"data": wide, "synthetic": columns}


def _formula_seconds(arguments: dict[str, Any], engine: str) -> tuple[float, ...]:
    """Seconds of design building, fit and summary."""
    family = sm.families.Binomial()
    design, model = timed(
        lambda: AugmentedGMM.from_formula(family=family, engine=engine, **arguments)
    )
    fit, result = timed(model.fit)
    summary, _ = timed(lambda: str(result.summary()))
    return design, fit, summary


def formula_rows(problem: Problem, repeats: int) -> list[Row]:
    """
    Share of building designs in the way from a formula to a summary.

    Parameters
    ----------
    problem : Problem
        The arrays.
    repeats : int
        Rounds; the medians of the three parts count.

    Returns
    -------
    list of Row
        One share per formula engine and form of the data.
    """
    rows = []
    for form, arguments in forms(problem):
        say(f"formula to summary, {form}")
        found: dict[str, list[tuple[float, ...]]] = {"patsy": [], "formulaic": []}
        for count in range(repeats + 1):
            for engine, each in found.items():
                seconds = _formula_seconds(arguments, engine)
                if count:  # the first round warms up
                    each.append(seconds)
        for engine, each in found.items():
            design, fit, summary = (median(part) for part in zip(*each, strict=True))
            rows.append(
                Row(
                    f"design / formula to summary, {engine}, {form}",
                    design / (design + fit + summary),
                    0.5,
                    note=f"{design:.2f} s + {fit:.2f} s + {summary:.2f} s",
                )
            )
    return rows


#: Beginnings of measures, by rows of the table of the documentation.
SHOWN = {
    "Binomial: construction and fit / `sm.Logit` on each source": "Binomial: construct",
    "the same / one weighted Gram matrix $X'WX$ of the rows of both sources in NumPy": (
        "  construct + fit / Gram pass"
    ),
    "Gaussian: construction and fit / `sm.OLS` on each source": "Gaussian: construct",
    "`ppi_logistic_ci` of ppi-python, warm / construction and fit with the same "
    "proxy": "ppi_logistic_ci, warm",
    "statsmodels' own `GMM.fit` on the same moments (numeric gradient), 100,000 units "
    "/ construction and the paper's fit": "stock GMM.fit",
    "R's `gmm` on the same moments (analytic gradient), 100,000 units / the same": (
        "R's gmm"
    ),
    "linearmodels' `IVGMM` on the same moments (Gaussian), 100,000 units / the same": (
        "Gaussian: IVGMM"
    ),
    "peak extra memory / input arrays": "peak extra memory",
    "formula and data frames (plain columns, matched): building the design / all from "
    "formula to summary": "design / formula to summary, patsy, two frames",
    "`import statsmodels_synth` / `import statsmodels.api`, added": "import adds",
}


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation; three rounds, alone on the machine."""
    del draws, first, jobs
    rows = measured(1_000_000, 100_000, 3, 5)
    for shown, begins in SHOWN.items():
        row = next(row for row in rows if row.what.startswith(begins))
        if row.reached is not None:
            yield (shown,), [Measured(row.reached, float("nan"))]


def measured(units: int, dense_units: int, repeats: int, imports: int) -> list[Row]:
    """All rows but the busy ones."""
    problem = make_problem(units)
    rows = binomial_rows(problem, repeats)
    gaussian = make_problem(units, family="gaussian")
    rows += gaussian_rows(gaussian, repeats)
    del gaussian
    rows += ppi_rows(problem, repeats)
    rows += memory_rows(problem)
    rows += formula_rows(problem, repeats)
    del problem
    dense = make_problem(dense_units)
    rows += stock_rows(dense, repeats)
    rows += r_rows(dense, repeats)
    del dense
    rows += iv_rows(make_problem(dense_units, family="gaussian"), repeats)
    return rows + import_rows(imports)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("--units", type=int, default=1_000_000, help="units T")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of each timing")
    parser.add_argument("--imports", type=int, default=15, help="rounds of imports")
    parser.add_argument(
        "--dense-units",
        type=int,
        default=100_000,
        help="units for peers that are dense",
    )
    parser.add_argument("--threads", type=int, help="of BLAS; all if omitted")
    parser.add_argument("--busy", action="store_true", help="beside other work, alone")
    parser.add_argument("--quick", action="store_true", help="a small smoke test")
    options = parser.parse_args(arguments)
    if options.quick:
        options.units, options.dense_units = 20_000, 5_000
        options.repeats, options.imports = 1, 1
    blas_threads(options.threads)
    print(versions())
    problem = make_problem(options.units)
    print(f"{size(problem)} units, {LABELS} labels, {COLUMNS} columns, two sources")
    rows = busy_rows(problem, options.repeats)
    if options.busy:
        _report(rows)
        return
    del problem
    rows += measured(
        options.units, options.dense_units, options.repeats, options.imports
    )
    _report(rows)


def _report(rows: Sequence[Row]) -> None:
    print(table(rows))
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

"""
Speed of fitting again: ``fit`` after ``fit``, and ``fit_many``, as ratios.

Run from the root of the repository::

    python -m benchmarks.many            # up to 1e6 units; some minutes
    python -m benchmarks.many --quick    # small, to see that it runs

The problem is that of :mod:`benchmarks.speed` with 500 labels: logistic regression, ten
columns, a proxy and a synthetic source. Each set of labels is a new random sample of
the units. Constructing and fitting a model for a set, and fitting the same set through
``fit_many``, are measured in the same process, one after the other; all of the sets go
through ``fit_many`` and its shared passes are part of its time, the construction of its
one model is not. The last ratio is what is not
to be had: where the sources have an outcome of their own in every fit, starts and
passes are made anew for each. Even if models shared all that precedes the fit,
construction with all of its checks, the loop could not be faster than that.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
import platform
import statistics
from typing import Any
import warnings

import numpy as np
import pandas as pd
import statsmodels

from benchmarks import problems
from benchmarks.measured import Measured
from statsmodels_synth.exceptions import SynthWarning

LABELS = 500


def draw_sets(problem: problems.Problem, k_sets: int) -> dict[int, pd.Series]:
    """
    Labels of random units: the outcome of the proxy, corrected at random.

    Parameters
    ----------
    problem : Problem
        The arrays.
    k_sets : int
        Number of sets K.

    Returns
    -------
    dict of Series
        By unit, labelled units only: a dense array of all sets would be larger than
        all other arrays together.
    """
    rng = np.random.default_rng(problems.SEED)
    n_units, sets = len(problem.endog), {}
    for k in range(k_sets):
        chosen = rng.choice(n_units, size=LABELS, replace=False)
        wrong = rng.random(LABELS) < 0.15
        sets[k] = pd.Series(np.abs(problem.proxy_endog[chosen] - wrong), index=chosen)
    return sets


def with_labels(problem: problems.Problem, labels: pd.Series) -> problems.Problem:
    """
    The problem with other labels.

    Parameters
    ----------
    problem : Problem
        The arrays.
    labels : Series
        Labels by unit.

    Returns
    -------
    Problem
        It shares all other arrays.
    """
    endog = np.full(len(problem.endog), np.nan)
    endog[labels.index] = labels.to_numpy()
    return replace(problem, endog=endog)


def loop(fits: Any) -> list[float]:
    """First coefficient of every fit."""
    return [float(result.params[0]) for result in fits]


def rows(n_units: int, k_sets: int, k_fresh: int) -> list[problems.Row]:
    """
    Measure one number of units.

    Parameters
    ----------
    n_units : int
        Number of units T.
    k_sets : int
        Sets of labels that go through ``fit_many``.
    k_fresh : int
        How many of these are fitted with a model of their own.

    Returns
    -------
    list of Row
        Ratios.
    """
    problems.say(f"{n_units} units")
    problem = problems.make_problem(n_units, labels=LABELS)
    sets = draw_sets(problem, k_sets)
    model = with_labels(problem, sets[0]).model()
    fresh, again, again_paper, fresh_paper, estimates = [], [], [], [], []
    passes = []
    model.fit()
    for k in range(k_fresh):
        own = with_labels(problem, sets[k])
        seconds, result = problems.timed(problems.our_fit, own)
        fresh.append(seconds)
        passes.append(result.passes)
        estimates.append(float(result.params[0]))
        again.append(problems.timed(model.fit)[0])
        if k < 5:
            fresh_paper.append(problems.timed(_paper, own.model())[0])
            again_paper.append(problems.timed(_paper, model)[0])
    # A new model, so that what the passes of all fits cost is counted once.
    other = with_labels(problem, sets[0]).model()
    shared, fits = problems.timed(lambda: other.fit_many(sets, problem.exog))
    seconds, found = problems.timed(loop, fits)
    assert np.allclose(found[:k_fresh], estimates, rtol=1e-8)
    dense = np.full((n_units, min(k_fresh, 20)), np.nan)
    for k in range(dense.shape[1]):
        dense[sets[k].index, k] = sets[k]
    slow = problems.timed(lambda: loop(other.fit_many(dense, problem.exog)))[0]
    alone = statistics.mean(fresh)
    each = (shared + seconds) / k_sets
    size = problems.size(problem)
    # Passes over rows of other outcomes: what no sharing takes away.
    least = statistics.mean(problems.timed(_without_state, other)[0] for _ in range(5))
    return [
        problems.Row(
            f"construct + fit / fit_many, {size} units",
            alone / each,
            3.0,
            at_least=True,
            note=f"{alone * 1e3:.1f} ms / {each * 1e3:.1f} ms; K = {k_sets}, "
            f"{fits.passes} shared passes in {shared * 1e3:.0f} ms",
        ),
        problems.Row(
            "  with endog a dense (T, K) array",
            alone / (slow / dense.shape[1]),
            note=f"{slow / dense.shape[1] * 1e3:.1f} ms",
        ),
        problems.Row(
            "  construct + fit / fit again",
            alone / statistics.mean(again),
            note=f"{statistics.mean(again) * 1e3:.1f} ms; {passes[0]} passes / 0",
        ),
        problems.Row(
            "  the paper's fit / the same after the default",
            statistics.mean(fresh_paper) / statistics.mean(again_paper),
            note=f"{statistics.mean(fresh_paper) * 1e3:.0f} ms / "
            f"{statistics.mean(again_paper) * 1e3:.0f} ms",
        ),
        problems.Row(
            "  sources with outcomes of their own: at best",
            alone / least,
            3.0,
            at_least=True,
            note=f"a fit without construction, passes made anew: {least * 1e3:.0f} ms",
        ),
    ]


def _paper(model: Any) -> Any:
    """Fit the estimator of the paper, whose weight depends on the labels."""
    return model.fit(use_correction=False, use_t=False)


def _without_state(model: Any) -> Any:
    """Fit with the passes, as new outcomes of the sources would need them."""
    model.source_state = None
    return model.fit()


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Ratios of the documentation: how much faster, and what could be shared."""
    del draws, first, jobs
    share = 0.0
    for n_units in (10_000, 100_000, 1_000_000):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SynthWarning)
            found = rows(n_units, 200, 5)
        faster, best = found[0].reached, found[-1].reached
        assert faster is not None
        assert best is not None
        # All that precedes the fit is what the best that could be had leaves out.
        share = max(share, 100.0 * (1.0 - 1.0 / best))
        yield (f"faster, {n_units:,} units",), [Measured(faster, float("nan"))]
    yield ("before the fit",), [Measured(share, float("nan"))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many")
    parser.add_argument("--units", type=int, nargs="+", default=[10**4, 10**5, 10**6])
    parser.add_argument("--sets", type=int, default=200, help="sets of labels K")
    parser.add_argument("--fresh", type=int, default=20, help="models of their own")
    parser.add_argument("--quick", action="store_true", help="a small smoke test")
    options = parser.parse_args(arguments)
    if options.quick:
        options.units, options.sets, options.fresh = [5_000], 5, 2
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, "
        f"statsmodels {statsmodels.__version__}"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthWarning)
        table = [
            row
            for n_units in options.units
            for row in rows(n_units, options.sets, options.fresh)
        ]
    print(problems.table(table))


if __name__ == "__main__":
    main()

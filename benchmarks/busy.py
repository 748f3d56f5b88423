"""
What other work on the machine does to a fit: the busy mode of :mod:`benchmarks.speed`.

Processes that keep a core busy each take time from everything, so seconds say little.
A peer that cannot wait for threads, ``sm.Logit`` on each source with one thread of
BLAS, is slowed down by exactly what is taken away. So what is reported is the time of
our fit over that of the peer, both as a user has them otherwise: a fit that loses no
more than its share of the machine has the same ratio busy as quiet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
import subprocess
import sys
import time

import statsmodels.api as sm
from threadpoolctl import threadpool_limits

from benchmarks.problems import Problem, Row, our_fit, say, timed

#: Processes that do nothing but compute, and how often the busy ratio may exceed the
#: quiet one.
SPINNING = 2
AIM = 1.5
_SETTLE = 0.3


@contextmanager
def spinning(processes: int) -> Iterator[None]:
    """
    Keep cores busy.

    Parameters
    ----------
    processes : int
        Processes of which each keeps one busy.
    """
    command = [sys.executable, "-c", "while True: pass"]
    started = [subprocess.Popen(command) for _ in range(processes)]
    try:
        if processes:
            time.sleep(_SETTLE)
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def peer_fit(problem: Problem) -> None:
    """
    Fit Logit to each source, with one thread of BLAS.

    Parameters
    ----------
    problem : Problem
        The arrays.
    """
    with threadpool_limits(1, user_api="blas"):
        for endog, exog in problem.sources:
            sm.Logit(endog, exog).fit(disp=0)


def ratios(problem: Problem, repeats: int) -> dict[int, list[float]]:
    """
    Seconds of our fit over those of the peer, quiet and busy in turns.

    Parameters
    ----------
    problem : Problem
        The arrays.
    repeats : int
        Rounds.

    Returns
    -------
    dict
        From the number of spinning processes to one ratio for each round.
    """
    our_fit(problem)  # warms up
    found: dict[int, list[float]] = {0: [], SPINNING: []}
    for count in range(repeats):
        say(f"quiet and busy, round {count + 1} of {repeats}")
        for processes, each in found.items():
            with spinning(processes):
                ours = timed(our_fit, problem)[0]
                each.append(ours / timed(peer_fit, problem)[0])
    return found


def busy_rows(problem: Problem, repeats: int) -> list[Row]:
    """
    Ratio of our fit to the peer beside other work, and without.

    Parameters
    ----------
    problem : Problem
        The arrays, of a binomial family.
    repeats : int
        Rounds; the median counts.

    Returns
    -------
    list of Row
        Ratios.
    """
    found = ratios(problem, repeats)
    quiet, busy = (median(each) for each in found.values())
    rounds = [b / q for q, b in zip(*found.values(), strict=True)]
    return [
        Row("quiet: construct + fit / Logit on one thread, per source", quiet),
        Row(f"the same beside {SPINNING} spinning processes", busy),
        Row(
            "  busy / quiet",
            busy / quiet,
            AIM,
            note=f"by round {min(rounds):.2f} to {max(rounds):.2f}",
        ),
    ]

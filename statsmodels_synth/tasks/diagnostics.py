"""Checks of exchangeability: trend, temporal split, typicality of the current task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from statsmodels_synth.core.arrays import Floats

#: Permutations are made in blocks of so many numbers.
_BLOCK = 1 << 21


@dataclass(frozen=True)
class LeaveOneOut:
    """
    Coverage of the historical tasks, each from the others.

    Parameters
    ----------
    table : DataFrame
        A row per task and coordinate: the real estimate, the interval, whether it
        covers, and the same for the synthetic data taken for real.
    coverage : float
        Share of tasks whose real estimates are all in their intervals.
    naive_coverage : float
        The same for the synthetic data taken for real.
    level : float
        Level that the intervals promise, 1 - alpha.
    n_tasks : int
        Number of tasks.
    weighted : bool
        Whether the tasks were weighted by a kernel, as in the fit.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> result = example_model().fit(alpha=0.10)
    >>> round(result.loo().coverage, 2)
    1.0
    """

    table: pd.DataFrame
    coverage: float
    naive_coverage: float
    level: float
    n_tasks: int
    weighted: bool


@dataclass(frozen=True)
class TrendTest:
    """
    Permutation test of a trend of the gaps.

    Parameters
    ----------
    by : str
        What the gaps were ordered by.
    table : DataFrame (D, 2)
        Spearman correlation and p-value of each coordinate.
    pvalue : float
        That of the largest correlation of all coordinates.
    n_permutations : int
        Number of permutations.
    smallest : float
        P-value that this test cannot get below.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> result = example_model().fit(alpha=0.10)
    >>> round(result.trend_test().pvalue, 2)
    0.89
    """

    by: str
    table: pd.DataFrame
    pvalue: float
    n_permutations: int
    smallest: float


@dataclass(frozen=True)
class TemporalSplit:
    """
    Intervals for late tasks from early ones.

    Parameters
    ----------
    by : str
        What the tasks were ordered by.
    table : DataFrame
        A row per late task and coordinate, as for :class:`LeaveOneOut`.
    coverage : float
        Share of late tasks whose real estimates are all in their intervals.
    level : float
        Level that the intervals promise.
    pvalue : float
        Probability of so low a coverage if tasks are exchangeable and the intervals
        cover exactly as promised (beta-binomial).
    n_early, n_late : int
        Numbers of tasks.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> result = example_model().fit(alpha=0.10)
    >>> round(result.temporal_split().coverage, 2)
    1.0
    """

    by: str
    table: pd.DataFrame
    coverage: float
    level: float
    pvalue: float
    n_early: int
    n_late: int


def permutation_trend(
    gaps: Floats, by: Floats, n_permutations: int, seed: int
) -> tuple[Floats, Floats, float]:
    """
    Spearman correlation of gaps with a covariate and its permutation p-value.

    Shapes: `gaps` (T, D), `by` (T,) -> `correlation` (D,), `pvalue` (D,).

    Examples
    --------
    >>> gaps = np.arange(8.0)[:, None]
    >>> permutation_trend(gaps, gaps[:, 0] ** 2, 999, seed=0)
    (array([1.]), array([0.001]), 0.001)
    """
    ranked = _standard(stats.rankdata(gaps, axis=0))
    order = _standard(stats.rankdata(by)[:, None])[:, 0]
    observed = order @ ranked
    rng = np.random.default_rng(seed)
    beyond, joint = np.zeros(gaps.shape[1]), 0
    largest = np.abs(observed).max()
    rows = max(1, _BLOCK // len(order))
    for at in range(0, n_permutations, rows):
        size = min(rows, n_permutations - at)
        shuffled = rng.permuted(np.tile(order, (size, 1)), axis=1)
        # Ties of the statistic must count whatever rounding does to them.
        found = np.abs(shuffled @ ranked)
        beyond += np.sum(found >= np.abs(observed) - 1e-12, axis=0)
        joint += int(np.sum(found.max(axis=1) >= largest - 1e-12))
    total = 1.0 + n_permutations
    return observed, (1.0 + beyond) / total, (1.0 + joint) / total


def _standard(ranks: Floats) -> Floats:
    centred = ranks - ranks.mean(axis=0)
    norm = np.sqrt(np.sum(centred**2, axis=0))
    return np.asarray(centred / np.where(norm > 0.0, norm, 1.0))


def smallest_trend(gaps: Floats, by: Floats, n_permutations: int) -> float:
    """
    P-value that a permutation test of a trend cannot get below.

    Shapes: `gaps` (T, D), `by` (T,).

    Examples
    --------
    >>> smallest_trend(np.arange(4.0)[:, None], np.array([0.0, 0, 0, 1]), 999)
    0.25
    """

    def orders(values: Floats) -> float:  # logarithm of their number
        counts = np.unique(values, return_counts=True)[1]
        own = special.gammaln(counts + 1.0).sum()
        return float(special.gammaln(len(values) + 1.0) - own)

    log_orders = min(orders(by), max(orders(column) for column in gaps.T))
    return max(1.0 / (1.0 + n_permutations), round(float(np.exp(-log_orders)), 12))


def typicality(synthetic: Floats) -> Floats:
    """
    How far out the current synthetic estimate is among those of all tasks.

    Synthetic samples of exchangeable tasks are exchangeable. The p-value is the share
    of tasks, the current one included, whose estimates are at least as far out, on
    the nearer side, doubled.

    Shapes: `synthetic` (T + 1, D) -> (D,).

    Examples
    --------
    >>> typicality(np.array([[1.0], [2.0], [3.0], [9.0]]))
    array([0.5])
    """
    own = synthetic[-1]
    below = np.mean(synthetic <= own, axis=0)
    above = np.mean(synthetic >= own, axis=0)
    return np.asarray(np.minimum(1.0, 2.0 * np.minimum(below, above)))


def split_pvalue(covered: int, n_late: int, n_early: int, k: int) -> float:
    """
    Chance of so few late tasks in a band of order statistics of the early ones.

    For exchangeable tasks with continuous gaps, the number of n_late gaps between the
    k-th smallest and the k-th largest of n_early is beta-binomial with parameters
    ``n_early + 1 - 2k`` and ``2k``.

    Examples
    --------
    >>> round(split_pvalue(15, 20, 39, 1), 3)
    0.014
    """
    if k < 1:
        return 1.0
    return float(stats.betabinom.cdf(covered, n_late, n_early + 1 - 2 * k, 2 * k))

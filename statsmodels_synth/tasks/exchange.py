r"""
The algorithms of Tan and Zrnic (2026): from gaps of past tasks to an interval.

With ``k_L = floor((T + 1) alpha3 / 2)`` and ``k_U = T + 1 - k_L`` the gap of a task
that is exchangeable with T others lies between the k_L-th smallest lower end and the
k_U-th smallest upper end of their intervals, up to ``alpha2 + alpha3``. Adding the
interval of the synthetic quantity gives

.. math::
    [\tilde L + \Delta_L, \; \tilde U + \Delta_U] , \qquad
    P(\theta \in \cdot) \ge 1 - (\alpha_1 + \alpha_2 + \alpha_3) .

With weights the order statistics become quantiles of the weighted distribution of the
ends, in which the current task has weight 1 and sits at infinity (Barber et al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.tasks.gaps import GapIntervals
from statsmodels_synth.tasks.methods import GapMethod
from statsmodels_synth.tasks.options import DEFAULT_SHARES, ROUNDING, TaskSettings


@dataclass(frozen=True)
class Allocation:
    """
    Parts of alpha, for one coordinate.

    Parameters
    ----------
    synthetic : float
        For the interval of the synthetic quantity (alpha1).
    gap : float
        For the intervals of the gaps (alpha2).
    band : float
        For the band of the gaps (alpha3).
    """

    synthetic: float
    gap: float
    band: float


@dataclass(frozen=True)
class Widths:
    """
    Where the width of the interval comes from.

    Parameters
    ----------
    synthetic : ndarray (D,)
        W1, width of the interval of the synthetic quantity.
    gap : ndarray (D,)
        W2, what the intervals of the gaps add; NaN where the interval is infinite.
    spread : ndarray (D,)
        W3, spread of the centres of the gaps.
    """

    synthetic: Floats
    gap: Floats
    spread: Floats


@dataclass(frozen=True)
class Exchange:
    """
    Interval for the current task and all that it is made of.

    Parameters
    ----------
    allocation : Allocation
        Parts of alpha, for one coordinate.
    ranks : tuple of int
        Ranks k_L and k_U; with weights those that equal weights would have.
    gaps : GapIntervals
        Of the historical tasks, at the level that the algorithm uses.
    synthetic : tuple of ndarray (D,)
        Interval of the synthetic quantity of the current task at alpha1.
    band : tuple of ndarray (D,)
        Band of the gaps.
    naive : tuple of ndarray (D,)
        Interval of the synthetic quantity at alpha: the synthetic data taken for real.
    lower, upper : ndarray (D,)
        The interval.
    widths : Widths
        Its decomposition.
    """

    allocation: Allocation
    ranks: tuple[int, int]
    gaps: GapIntervals
    synthetic: tuple[Floats, Floats]
    band: tuple[Floats, Floats]
    naive: tuple[Floats, Floats]
    lower: Floats
    upper: Floats
    widths: Widths


def band_ranks(n_tasks: int, alpha: float) -> tuple[int, int]:
    """
    Ranks of the order statistics that bound a gap.

    Eq. (ranks).

    Examples
    --------
    >>> band_ranks(40, 0.07), band_ranks(10, 0.07)
    ((1, 40), (0, 11))
    """
    # What is whole but for rounding is whole: (39 + 1) * .05 / 2 must give 1.
    k = int(np.floor((n_tasks + 1) * alpha / 2.0 + ROUNDING))
    return k, n_tasks + 1 - k


def tasks_needed(alpha: float, rest: bool) -> int:
    """
    Fewest tasks for which the ends are finite.

    Examples
    --------
    >>> tasks_needed(0.10, rest=False), tasks_needed(0.10, rest=True)
    (19, 20)
    """
    if rest:
        return int(np.floor(2.0 / alpha + ROUNDING))
    return max(1, int(np.ceil(2.0 / alpha - ROUNDING)) - 1)


def allocate(settings: TaskSettings, total: float, n_coordinates: int) -> Allocation:
    """
    Split alpha into three parts.

    A tenth, a fifth and seven tenths; if that leaves too little for a finite band and
    all of alpha would do, the band gets 2 / (T + 1) and the rest is split 1 to 2.

    Examples
    --------
    >>> found = allocate(TaskSettings(alpha=0.10), 100.0, 1)
    >>> round(found.synthetic, 9), round(found.gap, 9), round(found.band, 9)
    (0.01, 0.02, 0.07)
    >>> round(allocate(TaskSettings(alpha=0.10), 24.0, 1).band, 9)
    0.08
    """
    alpha = settings.alpha / n_coordinates
    if settings.algorithm == "finite":
        return Allocation(0.0, 0.0, alpha)
    if settings.alphas is not None:
        return Allocation(*(part / n_coordinates for part in settings.alphas))
    first, second, third = (share * alpha for share in DEFAULT_SHARES)
    least = 2.0 / (total + 1.0)
    if third < least < alpha - ROUNDING:
        rest = alpha - least
        return Allocation(rest / 3.0, 2.0 * rest / 3.0, least)
    return Allocation(first, second, third)


def band(
    lower: Floats, upper: Floats, alpha: float, weights: Floats | None = None
) -> tuple[Floats, Floats]:
    """
    Band that holds the gap of one more task.

    Shapes: `lower, upper` (T, D), `weights` (T,) -> `lower, upper` (D,).

    Examples
    --------
    >>> gaps = np.arange(19.0)[:, None]
    >>> band(gaps, gaps, 0.10)
    (array([0.]), array([18.]))
    >>> band(gaps, gaps, 0.20, np.where(gaps[:, 0] < 10, 1.0, 0.9))
    (array([0.]), array([17.]))
    """
    if weights is None:
        low, high = band_ranks(len(lower), alpha)
        if low < 1:
            return np.full(lower.shape[1], -np.inf), np.full(lower.shape[1], np.inf)
        return (
            np.partition(lower, low - 1, axis=0)[low - 1],
            np.partition(upper, high - 1, axis=0)[high - 1],
        )
    return (
        -_weighted_quantile(-lower, weights, 1.0 - alpha / 2.0),
        _weighted_quantile(upper, weights, 1.0 - alpha / 2.0),
    )


def _weighted_quantile(values: Floats, weights: Floats, level: float) -> Floats:
    """Smallest value below which lies `level` of the weight, 1 of it at infinity."""
    order = np.argsort(values, axis=0)
    ranked = np.vstack(
        [np.take_along_axis(values, order, axis=0), np.full(values.shape[1], np.inf)]
    )
    mass = np.cumsum(weights[order], axis=0)
    # Relative to the sum: equal weights must give the order statistics exactly.
    short = mass < level * (1.0 + weights.sum()) - ROUNDING * len(weights)
    return np.asarray(
        np.take_along_axis(ranked, short.sum(axis=0, keepdims=True), axis=0)[0]
    )


def leave_one_out_bands(
    lower: Floats,
    upper: Floats,
    alpha: float,
    weights: Callable[[int], Floats] | None = None,
) -> tuple[Floats, Floats]:
    """
    Band from all other tasks, for each task.

    Shapes: `lower, upper` (T, D) -> `lower, upper` (T, D).

    Examples
    --------
    >>> gaps = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> low, high = leave_one_out_bands(gaps, gaps, 0.5)
    >>> low.ravel(), high.ravel()
    (array([2., 1., 1., 1.]), array([4., 4., 4., 3.]))
    """
    if weights is None:
        k, _ = band_ranks(len(lower) - 1, alpha)
        return _without_own(lower, k), -_without_own(-upper, k)
    ends = np.empty((2, *lower.shape))
    for j in range(len(lower)):
        rest = np.arange(len(lower)) != j
        ends[:, j] = band(lower[rest], upper[rest], alpha, weights(j)[rest])
    return ends[0], ends[1]


def _without_own(values: Floats, k: int) -> Floats:
    """The k-th smallest of the others, for each row."""
    if k < 1:
        return np.full_like(values, -np.inf)
    two = np.partition(values, [k - 1, k], axis=0)[k - 1 : k + 1]
    # Taking out one that is not above the k-th smallest moves the k-th up by one.
    return np.asarray(np.where(values <= two[0], two[1], two[0]))


def coverage_gap(weights: Floats, distance: float | Floats) -> float:
    """
    Bound on the coverage that is lost where tasks are not exchangeable.

    Eq. (gap-bound).

    For independent tasks whose distribution is within total variation distance
    ``d_j`` of that of the current one, coverage falls by at most
    ``sum_j w_j (2 d_j - d_j^2) / (1 + sum_j w_j)``, whatever else is true.

    Shapes: `weights` (T,), `distance` (T,).

    Examples
    --------
    >>> round(coverage_gap(np.ones(9), 0.1), 6)
    0.171
    """
    d = np.broadcast_to(np.asarray(distance, dtype=float), weights.shape)
    lost = np.sum(weights * (2.0 * d - d**2)) / (1.0 + weights.sum())
    return float(min(lost, 1.0))


def _gap_level(allocation: Allocation, settings: TaskSettings, n_tasks: int) -> float:
    return allocation.gap / (n_tasks if settings.algorithm == 2 else 1)


def _parts(
    method: GapMethod,
    point: Floats,
    gap: Floats,
    allocation: Allocation,
    settings: TaskSettings,
    n_tasks: int,
) -> tuple[GapIntervals, tuple[Floats, Floats]]:
    """Intervals of gaps (T, D) and of synthetic quantities (T + 1, D). Eq. (finite)."""
    if settings.algorithm == "finite":
        return GapIntervals(gap, gap, gap), (point, point)
    level = _gap_level(allocation, settings, n_tasks)
    return method.gaps(level), method.synthetic(allocation.synthetic)


def exchange(
    method: GapMethod,
    point: Floats,
    gap: Floats,
    settings: TaskSettings,
    weights: Floats | None = None,
) -> Exchange:
    """
    Interval for the current task.

    Eq. (coverage).

    Shapes: `point` (T + 1, D), `gap` (T, D), `weights` (T,).

    Examples
    --------
    >>> from statsmodels_synth.tasks.gaps import Estimates
    >>> from statsmodels_synth.tasks.methods import StudentMethod
    >>> gap, point = np.arange(39.0)[:, None], np.zeros((40, 1))
    >>> none = Estimates(gap, 0.0 * gap, np.full((39, 1), np.inf))
    >>> made = Estimates(point, 0.0 * point, np.full((40, 1), np.inf))
    >>> found = exchange(StudentMethod(none, made), point, gap, TaskSettings("finite"))
    >>> found.ranks, found.lower, found.upper
    ((2, 38), array([1.]), array([37.]))
    """
    n_tasks, k = gap.shape
    total = float(n_tasks if weights is None else weights.sum())
    allocation = allocate(settings, total, k)
    gaps, made = _parts(method, point, gap, allocation, settings, n_tasks)
    low, high = band(gaps.lower, gaps.upper, allocation.band, weights)
    first, last = made[0][-1], made[1][-1]
    naive = method.synthetic(settings.alpha / k)
    centre = band(gap, gap, allocation.band, weights)
    spread = centre[1] - centre[0]
    rest = np.full_like(spread, np.nan)
    np.subtract(high - low, spread, out=rest, where=np.isfinite(spread))
    return Exchange(
        allocation,
        band_ranks(n_tasks, allocation.band),
        gaps,
        (first, last),
        (low, high),
        (naive[0][-1], naive[1][-1]),
        first + low,
        last + high,
        Widths(last - first, rest, spread),
    )


@dataclass(frozen=True)
class HeldOut:
    """
    Interval of each historical task from the others.

    Parameters
    ----------
    lower, upper : ndarray (T, D)
        The intervals.
    naive : tuple of ndarray (T, D)
        The synthetic data taken for real.
    """

    lower: Floats
    upper: Floats
    naive: tuple[Floats, Floats]


def leave_one_out(
    method: GapMethod,
    point: Floats,
    gap: Floats,
    settings: TaskSettings,
    weights: Callable[[int], Floats] | None = None,
) -> HeldOut:
    """
    Treat each historical task as if it were the current one.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> data = example_model().data
    >>> from statsmodels_synth.tasks.methods import make_method
    >>> settings = TaskSettings("finite", interval="welch")
    >>> held_out = leave_one_out(
    ...     make_method(data, settings), data.synthetic.value, data.gaps.value, settings
    ... )
    >>> held_out.lower.shape
    (60, 1)
    """
    n_tasks, k = gap.shape
    # With weights the total differs by task; the split is that of equal weights.
    allocation = allocate(settings, float(n_tasks - 1), k)
    gaps, made = _parts(method, point, gap, allocation, settings, max(n_tasks - 1, 1))
    low, high = leave_one_out_bands(gaps.lower, gaps.upper, allocation.band, weights)
    naive = method.synthetic(settings.alpha / k)
    return HeldOut(
        made[0][:-1] + low, made[1][:-1] + high, (naive[0][:-1], naive[1][:-1])
    )


@dataclass(frozen=True)
class Split:
    """
    Intervals of late tasks from early ones.

    Parameters
    ----------
    lower, upper : ndarray (late, D)
        The intervals.
    naive : tuple of ndarray (late, D)
        The synthetic data taken for real.
    inside : ndarray (late, D) of bool
        Whether estimated gaps lie in the band of the estimated gaps of early tasks,
        with all of alpha spent on it.
    rank : int
        Rank of the lower end of that band.
    """

    lower: Floats
    upper: Floats
    naive: tuple[Floats, Floats]
    inside: Bools
    rank: int


def split_tasks(
    method: GapMethod,
    point: Floats,
    gap: Floats,
    settings: TaskSettings,
    early: Positions,
    late: Positions,
) -> Split:
    """
    Treat late tasks as if only the early ones were history.

    Examples
    --------
    >>> from statsmodels_synth.tasks.methods import make_method
    >>> from statsmodels_synth.tasks.model import example_model
    >>> data = example_model().data
    >>> settings = TaskSettings("finite", interval="welch")
    >>> point, gap = data.synthetic.value, data.gaps.value
    >>> early, late = np.arange(40), np.arange(40, 60)
    >>> method = make_method(data, settings)
    >>> found = split_tasks(method, point, gap, settings, early, late)
    >>> found.inside.shape, found.rank
    ((20, 1), 2)
    """
    k = gap.shape[1]
    allocation = allocate(settings, float(len(early)), k)
    gaps, made = _parts(method, point, gap, allocation, settings, len(early))
    low, high = band(gaps.lower[early], gaps.upper[early], allocation.band)
    naive = method.synthetic(settings.alpha / k)
    alpha = settings.alpha / k
    first, last = band(gap[early], gap[early], alpha)
    inside = (gap[late] >= first) & (gap[late] <= last)
    return Split(
        made[0][late] + low,
        made[1][late] + high,
        (naive[0][late], naive[1][late]),
        inside,
        band_ranks(len(early), alpha)[0],
    )

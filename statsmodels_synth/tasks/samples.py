"""Samples of many tasks in one array, their means, and bootstrap draws from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import inspect
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.core.messages import show
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.tasks.gaps import Estimates

#: Numbers that are resampled at once: more would only leave the processor's cache.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Samples:
    """
    One sample per task, one after the other.

    Parameters
    ----------
    x : ndarray (n, D)
        Observations.
    starts : ndarray (K + 1,) of int
        Where samples begin; the last element is n. No sample is empty.
    weights : ndarray (n,), optional
        Weights, above 0.
    """

    x: Floats
    starts: Positions
    weights: Floats | None = None

    @property
    def sizes(self) -> Positions:
        """Numbers of observations, shape (K,)."""
        return np.diff(self.starts)


@dataclass(frozen=True)
class TaskData:
    """
    Everything that is known of the historical tasks and the current one.

    Parameters
    ----------
    tasks : pandas.Index (T,)
        Historical tasks.
    current : object
        Name of the current task.
    coordinates : pandas.Index (D,)
        Names of the coordinates of theta.
    real : Estimates (T, D)
        From the real samples.
    synthetic : Estimates (T + 1, D)
        From the synthetic samples; the current task comes last.
    gaps : Estimates (T, D)
        Of the gaps.
    statistic : str, float or callable
        What theta is.
    paired : bool
        Whether real and synthetic observations are pairs.
    samples : tuple of Samples, optional
        Real ones (K = T) and synthetic ones (K = T + 1).
    draws : tuple of ndarray, optional
        Bootstrap draws (T, D, B) of the gaps and (T + 1, D, B) of the synthetic
        estimates, unsorted, where they come with the data.
    covariates : DataFrame (T + 1, C), optional
        Covariates of the tasks; the current task comes last.
    kind : str
        What the data came as, for messages.
    draw_seed : int
        Seed of the bootstrap draws that come with the data.
    """

    tasks: pd.Index
    current: object
    coordinates: pd.Index
    real: Estimates
    synthetic: Estimates
    gaps: Estimates
    statistic: str | float | Callable[..., Any] = "mean"
    paired: bool = False
    samples: tuple[Samples, Samples] | None = None
    draws: tuple[Floats, Floats] | None = None
    covariates: pd.DataFrame | None = None
    kind: str = "a frame"
    draw_seed: int = 0


def quantile_of(statistic: object) -> float | None:
    """
    Which quantile a statistic is.

    Examples
    --------
    >>> quantile_of("median"), quantile_of(0.9), quantile_of("mean")
    (0.5, 0.9, None)
    """
    if statistic == "median":
        return 0.5
    return float(statistic) if isinstance(statistic, float) else None


def means(samples: Samples) -> Estimates:
    """
    Mean of each sample, weighted (Hajek) if there are weights.

    The variance is that of the linearised mean,
    ``n / (n - 1) sum w^2 (x - mean)^2 / (sum w)^2``, which with equal weights is the
    usual one.

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [3.0], [5.0]])
    >>> found = means(Samples(x, np.array([0, 3, 4])))
    >>> found.value, found.se.round(4)
    (array([[2.],
           [5.]]), array([[0.5774],
           [   inf]]))
    """
    x, first, n = samples.x, samples.starts[:-1], samples.sizes
    w = np.ones(len(x)) if samples.weights is None else samples.weights
    w = w / np.repeat(np.maximum.reduceat(w, first), n)  # so that squares stay finite
    total = np.add.reduceat(w, first)[:, None]
    low, high = np.minimum.reduceat(x, first), np.maximum.reduceat(x, first)
    value = np.add.reduceat(w[:, None] * x, first) / total
    # A mean lies between its values, whatever rounding says.
    value = np.clip(value, low, high)
    square = (w[:, None] * (x - np.repeat(value, n, axis=0))) ** 2
    size = n[:, None].astype(float)
    factor = np.full_like(size, np.inf)
    np.divide(size, size - 1.0, out=factor, where=size > 1.0)
    spread = np.where(low == high, 0.0, np.add.reduceat(square, first))
    root = np.sqrt(spread) / total
    se = np.where(size > 1.0, root * np.sqrt(np.where(size > 1.0, factor, 1.0)), np.inf)
    df = np.broadcast_to(np.maximum(size - 1.0, 1.0), value.shape)
    return Estimates(value, se, df)


def sort_within(samples: Samples) -> Floats:
    """
    Sort each sample by column.

    Shapes: (n, D).

    Examples
    --------
    >>> x = np.array([[2.0], [1.0], [0.0]])
    >>> sort_within(Samples(x, np.array([0, 2, 3]))).ravel()
    array([1., 2., 0.])
    """
    owner = np.repeat(np.arange(len(samples.sizes)), samples.sizes)
    columns = [column[np.lexsort((column, owner))] for column in samples.x.T.copy()]
    return np.column_stack(columns)


def apply_statistic(
    values: Floats, statistic: str | float | Callable[..., Any], weights: Floats | None
) -> Floats:
    """
    Statistic along the last axis.

    Shapes: `values` (..., n), `weights` (..., n) -> (...,).

    Examples
    --------
    >>> apply_statistic(np.array([[1.0, 2.0, 6.0]]), "mean", None)
    array([3.])
    """
    if statistic == "mean":
        if weights is None:
            return np.asarray(values.mean(axis=-1))
        return np.asarray((values * weights).sum(axis=-1) / weights.sum(axis=-1))
    q = quantile_of(statistic)
    if q is not None:
        return np.asarray(np.quantile(values, q, axis=-1))
    assert callable(statistic)
    if _takes_axis(statistic):
        found = np.asarray(statistic(values, axis=-1), dtype=float)
    else:
        flat = values.reshape(-1, values.shape[-1])
        each = np.array([np.asarray(statistic(row), dtype=float) for row in flat])
        found = each.reshape(values.shape[:-1]) if each.ndim == 1 else each
    name = getattr(statistic, "__name__", repr(statistic))
    if found.shape != values.shape[:-1]:
        raise DataError(
            f"statistic={name} returned shape {found.shape} for samples of shape "
            f"{values.shape}. It must return one number for a sample, or have an "
            "argument axis= and reduce that axis."
        )
    if not np.isfinite(found).all():
        raise DataError(
            f"statistic={name} returned {show(found[~np.isfinite(found)][0])} for a "
            "sample (or a bootstrap draw from it). It must be finite for every sample."
        )
    return found


def _takes_axis(function: Callable[..., Any]) -> bool:
    try:
        return "axis" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # built-in functions without a signature
        return False


def statistics(samples: Samples, statistic: str | float | Callable[..., Any]) -> Floats:
    """
    Statistic of each sample.

    Shapes: (K, D).

    Examples
    --------
    >>> x = np.array([[2.0], [1.0], [0.0]])
    >>> statistics(Samples(x, np.array([0, 2, 3])), np.max).ravel()
    array([2., 0.])
    """
    pieces = np.split(samples.x, samples.starts[1:-1])
    return np.array([apply_statistic(piece.T, statistic, None) for piece in pieces])


def task_rng(seed: int, task: object) -> np.random.Generator:
    """
    Random numbers of a task, the same wherever it stands among the others.

    Examples
    --------
    >>> task_rng(0, "a").integers(10) == task_rng(0, "a").integers(10)
    np.True_
    """
    return np.random.default_rng([seed, crc32(show(task).encode())])


def bootstrap(data: TaskData, n_boot: int, seed: int) -> tuple[Floats, Floats]:
    """
    Bootstrap draws of every gap and every synthetic estimate.

    Real and synthetic observations of a task are drawn independently, or as pairs.

    Shapes: `gaps` (T, D, B), `synthetic` (T + 1, D, B).

    Examples
    --------
    >>> import pandas as pd
    >>> from statsmodels_synth import TaskExchangeability
    >>> frame = pd.DataFrame({
    ...     "task": [1, 1, 1, 1, 2, 2],
    ...     "source": ["real", "real"] + 4 * ["synthetic"],
    ...     "value": [0.0, 1.0, 2.0, 3.0, 1.0, 1.0],
    ... })
    >>> model = TaskExchangeability.from_frame(frame, current=2)
    >>> [draws.shape for draws in bootstrap(model.data, 9, seed=0)]
    [(1, 1, 9), (2, 1, 9)]
    """
    assert data.samples is not None
    real, synthetic = data.samples
    n_tasks, k = len(data.tasks), len(data.coordinates)
    gaps = np.empty((n_tasks, k, n_boot))
    made = np.empty((n_tasks + 1, k, n_boot))
    names = [*data.tasks, data.current]
    for j, name in enumerate(names):
        rng = task_rng(seed, name)
        chosen: list[Positions] | None = None
        if data.paired and j < n_tasks:
            chosen = _choices(rng, int(real.sizes[j]), n_boot)
        made[j] = _draw(synthetic, j, data.statistic, n_boot, rng, chosen)
        if j < n_tasks:
            gaps[j] = _draw(real, j, data.statistic, n_boot, rng, chosen) - made[j]
    return gaps, made


def _choices(rng: np.random.Generator, n: int, n_boot: int) -> list[Positions]:
    """Positions of drawn observations, in blocks of draws."""
    rows = max(1, _BLOCK // n)
    sizes = [min(rows, n_boot - at) for at in range(0, n_boot, rows)]
    return [rng.integers(n, size=(size, n)) for size in sizes]


def _draw(
    samples: Samples,
    j: int,
    statistic: str | float | Callable[..., Any],
    n_boot: int,
    rng: np.random.Generator,
    chosen: list[Positions] | None,
) -> Floats:
    """Draws (D, B) of the statistic of one sample."""
    part = slice(samples.starts[j], samples.starts[j + 1])
    values = samples.x[part].T
    weights = None if samples.weights is None else samples.weights[part]
    blocks = _choices(rng, values.shape[1], n_boot) if chosen is None else chosen
    drawn = [
        apply_statistic(
            values[:, block], statistic, None if weights is None else weights[block]
        )
        for block in blocks
    ]
    return np.concatenate(drawn, axis=1)

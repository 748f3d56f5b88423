"""Warnings of a fit: intervals without an end, and intervals without width."""

from __future__ import annotations

import warnings

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.exceptions import (
    DegenerateGapWarning,
    InfiniteIntervalWarning,
    count,
    format_units,
)
from statsmodels_synth.tasks.exchange import Exchange, tasks_needed
from statsmodels_synth.tasks.options import TaskSettings
from statsmodels_synth.tasks.samples import TaskData


def warn_of_intervals(
    data: TaskData, settings: TaskSettings, outcome: Exchange, weights: Floats | None
) -> None:
    """
    Say what an infinite end or a width of zero means, and what would help.

    Parameters
    ----------
    data : TaskData
        Tasks.
    settings : TaskSettings
        Settings of the fit.
    outcome : Exchange
        Its intervals.
    weights : ndarray (T,), optional
        Weights of the historical tasks.

    Warns
    -----
    InfiniteIntervalWarning
        If an end is infinite.
    DegenerateGapWarning
        If an interval has no width.
    """
    infinite = ~(np.isfinite(outcome.lower) & np.isfinite(outcome.upper))
    if infinite.any():
        warnings.warn(
            _infinite(data, settings, outcome, weights),
            InfiniteIntervalWarning,
            stacklevel=3,
        )
    if settings.algorithm == "finite":
        return
    flat = np.asarray((outcome.gaps.upper <= outcome.gaps.lower).any(axis=1))
    now = (outcome.synthetic[1] <= outcome.synthetic[0]).any()
    if flat.any() or now:
        names = [*data.tasks[flat], *([data.current] if now else [])]
        warnings.warn(
            f"The samples of {count(len(names), 'task')} ({format_units(names)}) do "
            "not vary, so their intervals have no width and the result is too "
            "certain. For bounded values interval='hoeffding' holds in such samples "
            "too.",
            DegenerateGapWarning,
            stacklevel=3,
        )


def _infinite(
    data: TaskData, settings: TaskSettings, outcome: Exchange, weights: Floats | None
) -> str:
    k, n_tasks = len(data.coordinates), len(data.tasks)
    third = outcome.allocation.band
    total = float(n_tasks if weights is None else weights.sum())
    if third * (total + 1.0) < 2.0 - 1e-9:
        whole = settings.algorithm == "finite" or settings.alphas is not None
        need = tasks_needed(third if whole else settings.alpha / k, not whole)
        have = (
            f"{count(n_tasks, 'historical task')} are"
            if weights is None
            else f"Weights that add up to {total:.4g} are"
        ).replace("task are", "task is")
        more = "" if k == 1 else f" (alpha / {k} for each of {k} coordinates)"
        goal = "" if weights is None else " in sum"
        return (
            f"{have} too few for an interval with finite ends at alpha="
            f"{settings.alpha:g}{more}: {need}{goal} would do, since alpha3 must be at "
            "least 2/(T+1). The interval is infinite."
        )
    sizes = ~(np.isfinite(outcome.gaps.lower) & np.isfinite(outcome.gaps.upper))
    tasks = data.tasks[np.asarray(sizes.any(axis=1))]
    now = ~np.isfinite(outcome.synthetic[0]) | ~np.isfinite(outcome.synthetic[1])
    names = [*tasks, *([data.current] if now.any() else [])]
    return (
        f"The samples of {count(len(names), 'task')} ({format_units(names)}) are too "
        "small for a finite interval at the level needed, and so the result has an "
        "infinite end. Leave out historical tasks with tiny samples, or use "
        "algorithm=1 or 'finite'."
    )

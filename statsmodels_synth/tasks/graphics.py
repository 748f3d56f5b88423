"""Figures, drawn from results only. matplotlib is imported when one is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.pyplot import BLACK, BLUE, RED, SKY, pyplot
from statsmodels_synth.exceptions import OptionError

_CURRENT, _GAPS, _BAND, _NAIVE = BLUE, BLACK, SKY, RED
#: More tasks than this are drawn without names.
_NAMED = 40


def _axes(results: Any, ax: Any, size: tuple[float, float]) -> Any:
    """One axes per coordinate."""
    k = len(results.model.data.coordinates)
    if ax is not None:
        if k > 1:
            raise OptionError(
                f"ax= is one panel, and there are {k} coordinates. Leave ax= out."
            )
        return [ax]
    plt = pyplot()
    width, height = size
    _, axes = plt.subplots(
        1, k, figsize=(width * k, height), layout="constrained", squeeze=False
    )
    return axes[0]


def _clip(low: Floats, high: Floats, shown: tuple[float, float]) -> tuple[Any, Any]:
    """Infinite ends at the edge of the figure."""
    return np.clip(low, *shown), np.clip(high, *shown)


def _range(*arrays: Floats) -> tuple[float, float]:
    values = np.concatenate([np.ravel(a) for a in arrays])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def plot_gaps(results: Any, ax: Any = None) -> Any:
    """
    Forest of the historical gaps with their band, and the current interval.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from statsmodels_synth.tasks.model import example_model
    >>> plt.close(plot_gaps(example_model().fit()))
    """
    data, found = results.model.data, results.exchange
    n_tasks = results.n_tasks
    named = n_tasks <= _NAMED
    height = 1.9 + (0.2 * n_tasks if named else min(0.05 * n_tasks + 2.0, 7.0))
    axes = _axes(results, ax, (7.0, height))
    step = max(1.0, n_tasks / 14.0)
    for d, panel in enumerate(axes):
        gaps = found.gaps
        order = np.argsort(gaps.estimate[:, d], kind="stable")
        at = np.arange(n_tasks)
        point = float(data.synthetic.value[-1, d])
        own = [found.lower[d] - point, found.upper[d] - point]
        naive = [found.naive[0][d] - point, found.naive[1][d] - point]
        low, high = gaps.lower[order, d], gaps.upper[order, d]
        shown = _range(low, high, gaps.estimate[:, d], np.array(own + naive))
        low, high = _clip(low, high, shown)
        band = np.clip([found.band[0][d], found.band[1][d]], *shown)
        panel.axvspan(*band, color=_BAND, alpha=0.25, linewidth=0, label="gap band")
        panel.axvline(0.0, color="0.6", linewidth=0.8, zorder=0)
        panel.hlines(
            at, low, high, color="0.45", linewidth=1.2 if named else 0.6, zorder=1
        )
        panel.plot(
            gaps.estimate[order, d],
            at,
            "o",
            color=_GAPS,
            markersize=4 if named else 2,
            label="historical gaps",
            zorder=2,
        )
        for row, ends, color, label in (
            (-1.6 * step, own, _CURRENT, "current task: valid interval"),
            (-2.6 * step, naive, _NAIVE, "current task: synthetic only"),
        ):
            first, last = np.clip(ends, *shown)
            panel.plot(
                [first, last],
                [row, row],
                color=color,
                linewidth=3.5,
                label=label,
                solid_capstyle="butt",
            )
            for end, edge in ((ends[0], "<"), (ends[1], ">")):
                if np.isinf(end):
                    panel.plot(
                        [np.clip(end, *shown)], [row], edge, color=color, markersize=9
                    )
        panel.plot(
            [0.0, 0.0],
            [-1.6 * step, -2.6 * step],
            "|",
            color="white",
            markersize=7,
            markeredgewidth=1.5,
            zorder=5,
        )
        panel.set_xlim(*shown)
        panel.set_ylim(-3.4 * step, n_tasks - 1 + 0.8 * step)
        names = [str(name) for name in data.tasks[order]]
        panel.set_yticks(at if named else [], names if named else [])
        panel.tick_params(axis="y", length=0, labelsize="small")
        if not named:
            panel.set_ylabel(f"{n_tasks} historical tasks, by gap")
        panel.set_xlabel(f"gap of {data.coordinates[d]}: real minus synthetic")
        top = panel.secondary_xaxis(
            "top", functions=(lambda x, p=point: x + p, lambda x, p=point: x - p)
        )
        top.set_xlabel(f"{data.coordinates[d]} of the current task, {data.current}")
        panel.spines[["right", "left"]].set_visible(False)
        panel.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.75 / height),
            ncols=2,
            frameon=False,
            fontsize="small",
        )
    return axes[0].figure


def plot_covariate(results: Any, name: str, values: Floats, ax: Any = None) -> Any:
    """
    Historical gaps against a covariate or time.

    Shapes: `values` (T + 1,).

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from statsmodels_synth.tasks.model import example_model
    >>> plt.close(plot_covariate(example_model().fit(), "index", np.arange(61.0)))
    """
    axes = _axes(results, ax, (6.5, 4.2))
    found, past = results.exchange, values[:-1]
    many = len(past) > 2 * _NAMED
    for d, panel in enumerate(axes):
        gaps = found.gaps
        shown = _range(gaps.lower[:, d], gaps.upper[:, d], gaps.estimate[:, d])
        low, high = _clip(gaps.lower[:, d], gaps.upper[:, d], shown)
        band = np.clip([found.band[0][d], found.band[1][d]], *shown)
        panel.axhspan(*band, color=_BAND, alpha=0.25, linewidth=0, label="gap band")
        panel.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
        panel.vlines(past, low, high, color="0.45", linewidth=0.6 if many else 1.2)
        panel.plot(
            past,
            gaps.estimate[:, d],
            "o",
            color=_GAPS,
            markersize=2.5 if many else 4,
            label="historical gaps",
        )
        if np.isfinite(values[-1]):
            panel.axvline(
                values[-1],
                color=_CURRENT,
                linewidth=2.0,
                linestyle="--",
                label="current task",
            )
        panel.set_ylim(*shown)
        panel.set_xlabel(name)
        panel.set_ylabel(f"gap of {results.model.data.coordinates[d]}")
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=3,
            frameon=False,
            fontsize="small",
        )
    return axes[0].figure

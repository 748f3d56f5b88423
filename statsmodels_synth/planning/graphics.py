"""The figure of a plan. matplotlib is imported when it is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from statsmodels_synth.core.pyplot import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PINK,
    RED,
    SKY,
    pyplot,
)
from statsmodels_synth.planning.arguments import one_coefficient
from statsmodels_synth.planning.power import level_in_words

_ALL, _LABELS = BLUE, BLACK
_ONE = (ORANGE, GREEN, PINK, SKY, RED)
_DASHES = ("--", "-.", ":")
#: Labels at which a line is drawn.
_POINTS = 80


def plot_plan(
    plan: Any, coefficient: str | None, ax: Any = None, *, alpha: float = 0.05
) -> Any:
    """Expected width of the interval against the number of labels."""
    if coefficient is None:
        rest = [name for j, name in enumerate(plan.names) if j != plan.constant]
        coefficient = (rest or plan.names)[0]
    coefficient = plan.names[one_coefficient(coefficient, plan.names)]
    plt = pyplot()
    if ax is None:
        _, ax = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
    low, high = plan.min_labels, min(4 * plan.n_labeled, plan.most_labels)
    labels = np.unique(np.geomspace(low, high, _POINTS).round().astype(int)).tolist()
    for label, color, dash, sources in _lines(plan):
        options: dict[str, Any] = {
            "sources": sources,
            "coefficients": coefficient,
            "alpha": alpha,
        }
        width = plan.expect(labels, **options)["width"]
        ax.plot(
            labels,
            width,
            dash,
            color=color,
            label=label,
            linewidth=3.0 if color == _ALL else 1.5,
            # A source that is as good as all of them is seen on their line.
            zorder=2 if color == _ALL else 3,
        )
        if sources is None or not plan.source_names:
            here = plan.expect(**options)["width"]
            ax.plot(plan.n_labeled, here, "o", color=color, markersize=7, zorder=4)
            ax.annotate(
                f"pilot, n = {plan.n_labeled}",
                (plan.n_labeled, float(here.iloc[0])),
                xytext=(-6, -8),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize="small",
            )
    ax.set_xscale("log")
    halves = [k * plan.n_labeled for k in (0.25, 0.5, 1, 2, 4)]
    ticks = [round(n) for n in halves if low <= n <= high]
    ticks = sorted({*ticks, high} if high > 1.3 * ticks[-1] else ticks)
    ax.set_xticks(ticks, [str(n) for n in ticks])
    ax.minorticks_off()
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(f"Labels, of {plan.n_units} units" if plan.source_names else "Labels")
    ax.set_ylabel(f"Expected width of the {level_in_words(alpha)} interval")
    ax.set_title(coefficient, loc="left", fontsize="medium")
    ax.legend(frameon=False, fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)
    return ax.figure


def _lines(plan: Any) -> list[tuple[str, str, str, list[str] | None]]:
    """Label, colour, dashes and sources of each line."""
    rows: list[tuple[str, str, str, list[str] | None]] = [
        ("labels only", _LABELS, "-", [])
    ]
    names = plan.source_names
    if len(names) > 1:
        rows += [
            (
                f"with {name}",
                _ONE[m % len(_ONE)],
                _DASHES[m // len(_ONE) % len(_DASHES)],
                [name],
            )
            for m, name in enumerate(names)
        ]
    if names:
        label = "with all sources" if len(names) > 1 else f"with {names[0]}"
        rows.append((label, _ALL, "-", None))
    return rows

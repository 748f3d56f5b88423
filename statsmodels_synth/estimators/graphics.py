"""Figure of a comparison. matplotlib is imported when it is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from statsmodels_synth.core.pyplot import BLACK, BLUE, GREEN, RED, pyplot

_OWN, _LABELS, _OTHER, _NAIVE = BLUE, BLACK, GREEN, RED
#: Panels in one row.
_ACROSS = 3


def plot_comparison(comparison: Any, coefficients: list[str], ax: Any) -> Any:
    """Intervals of all methods, one panel per coefficient."""
    plt = pyplot()
    methods = list(comparison.table.index.unique("method"))
    labels = [comparison.label(name) for name in methods]
    if ax is None:
        across = min(len(coefficients), _ACROSS)
        down = -(-len(coefficients) // across)
        longest = max(map(len, labels))
        _, grid = plt.subplots(
            down,
            across,
            figsize=(
                0.07 * longest + 3.0 * across + 0.4,
                (0.8 + 0.26 * len(methods)) * down,
            ),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        axes = list(grid.ravel())
        grid[0, 0].figure.supxlabel(
            "Grey: interval of labels only. Hollow: naive, takes the source for real.",
            fontsize="small",
        )
        for unused in axes[len(coefficients) :]:
            unused.set_visible(False)
    else:
        axes = [ax]
    for panel, name in zip(axes, coefficients, strict=False):
        _panel(panel, comparison.table.loc[name], labels)
        panel.set_title(name, fontsize="medium")
        panel.set_xlabel(f"Coefficient, {100 * (1 - comparison.alpha):g} % interval")
    return axes[0].figure


def _panel(ax: Any, rows: Any, labels: list[str]) -> None:
    if "labels only" in rows.index:
        first = rows.loc["labels only"]
        ax.axvspan(first["lower"], first["upper"], color="0.93", zorder=0)
    for at, (method, row) in enumerate(rows.iterrows()):
        color = _NAIVE if not row["valid"] else _OTHER
        color = {"labels only": _LABELS, "GMM-Synth": _OWN}.get(method, color)
        ax.plot([row["lower"], row["upper"]], [at, at], color=color, linewidth=1.6)
        ax.plot(
            row["estimate"],
            at,
            marker="o" if row["valid"] else "D",
            markerfacecolor=color if row["valid"] else "white",
            color=color,
            markersize=5,
        )
    low, high = ax.get_xlim()
    if low < 0.0 < high:
        ax.axvline(0.0, color="0.6", linewidth=0.8, zorder=0)
    ax.set_yticks(np.arange(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.spines[["top", "right"]].set_visible(False)

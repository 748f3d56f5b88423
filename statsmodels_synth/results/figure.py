"""Figures, drawn from results only. matplotlib is imported when one is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from statsmodels_synth.core.options import check_alpha
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

_AUGMENTED, _LABELS = BLUE, BLACK
_NAIVE = (ORANGE, GREEN, PINK, SKY, RED)
_MARKERS = ("s", "^", "D", "v", "P")


def plot_coefficients(
    results: Any,
    ax: Any = None,
    *,
    alpha: float = 0.05,
    drop_intercept: bool = True,
) -> Any:
    """Labelled-only, naive and augmented estimates with intervals."""
    plt = pyplot()
    names = list(results.model.param_names)
    constant = results.model.data.const_idx if drop_intercept else None
    shown = [j for j in range(len(names)) if j != constant or len(names) == 1]
    rows = _series(results, check_alpha(alpha))
    longest = max(len(row[0]) for row in rows)
    columns = max(1, min(len(rows), 96 // (longest + 8)))
    if ax is None:
        height = 1.0 + 0.2 * -(-len(rows) // columns)
        height += min(0.22 * len(shown) * (len(rows) + 1), 12.0)
        width = 7.5 + 0.08 * max(0, max(len(names[j]) for j in shown) - 14)
        _, ax = plt.subplots(figsize=(min(width, 14.0), height), layout="constrained")
    spread = 0.75 / len(rows)
    for k, (label, color, marker, centre, half) in enumerate(rows):
        at = np.arange(len(shown)) + (k - (len(rows) - 1) / 2) * spread
        ax.errorbar(
            centre[shown],
            at,
            xerr=half[shown],
            fmt=marker,
            color=color,
            label=label,
            markersize=5,
            linewidth=2.2 if color == _AUGMENTED else 1.2,
            capsize=2,
        )
    ax.axvline(0.0, color="0.7", linewidth=0.8, zorder=0)
    ax.set_yticks(np.arange(len(shown)), [names[j] for j in shown])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_xlabel(f"Coefficient, with {1 - alpha:.0%} interval")
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize="small",
    )
    ax.spines[["top", "right"]].set_visible(False)
    return ax.figure


def _series(results: Any, alpha: float) -> list[Any]:
    """Label, colour, marker, estimate and half width of each row of points."""
    normal = stats.norm.ppf(1 - alpha / 2)
    rows = []
    real = results.real_only
    own = (
        f"augmented ({results.settings.method})"
        if results.source_names
        else "augmented"
    )
    for label, color, marker, result in (
        (f"labels only (n = {results.n_labeled})", _LABELS, "o", real),
        (own, _AUGMENTED, "o", results),
    ):
        interval = np.asarray(result.conf_int(alpha))
        half = (interval[:, 1] - interval[:, 0]) / 2
        rows.append((label, color, marker, np.asarray(result.params), half))
    for m, name in enumerate(results.source_names):
        rows.append(
            (
                f"{name} as if real",
                _NAIVE[m % len(_NAIVE)],
                _MARKERS[(m + m // len(_NAIVE)) % len(_MARKERS)],
                results.naive_params.to_numpy()[m],
                normal * results.naive_bse.to_numpy()[m],
            )
        )
    return rows

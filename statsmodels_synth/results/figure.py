"""Figures, drawn from results only. matplotlib is imported when one is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from statsmodels_synth.core.messages import suggest
from statsmodels_synth.core.options import check_alpha, check_flag
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
from statsmodels_synth.exceptions import OptionError

_AUGMENTED, _LABELS = BLUE, BLACK
_NAIVE = (ORANGE, GREEN, PINK, SKY, RED)
_MARKERS = ("s", "^", "v", "P", "X")


#: From this ratio of the widest interval to the narrowest on, each coefficient has a
#: panel with a scale of its own.
_SCALES = 8.0


def plot_coefficients(
    results: Any,
    ax: Any = None,
    *,
    alpha: float = 0.05,
    drop_intercept: bool = True,
    terms: Sequence[str] | None = None,
    panels: bool | None = None,
) -> Any:
    """Labelled-only, naive and augmented estimates with intervals."""
    plt = pyplot()
    names = list(results.model.param_names)
    if panels is not None:
        check_flag("panels", panels)
    shown, left_out = _shown(results, terms, drop_intercept)
    rows = _series(results, check_alpha(alpha))
    if panels is None:
        widths = rows[1][4][shown]
        some = widths[np.isfinite(widths) & (widths > 0.0)]
        panels = ax is None and len(some) > 1 and some.max() > _SCALES * some.min()
    if panels and ax is not None and len(shown) > 1:
        raise OptionError(
            f"ax= is one panel, and there are {len(shown)} coefficients. Leave ax= "
            "out, or give panels=False."
        )
    groups = [[j] for j in shown] if panels else [shown]
    longest = max(len(row[0]) for row in rows)
    columns = max(1, min(len(rows), 96 // (longest + 8)))
    if ax is None:
        height = 1.0 + 0.2 * -(-len(rows) // columns) + 0.35 * (len(groups) - 1)
        height += min(0.22 * len(shown) * (len(rows) + 1), 12.0)
        width = 7.5 + 0.08 * max(0, max(len(names[j]) for j in shown) - 14)
        size = (min(width, 14.0), height)
        _, axes = plt.subplots(
            len(groups), figsize=size, layout="constrained", squeeze=False
        )
        axes = axes[:, 0]
    else:
        axes = [ax]
    for panel, group in zip(axes, groups, strict=True):
        _draw(panel, rows, group, [names[j] for j in group])
    label = f"Coefficient, with {100 * (1 - alpha):g}% interval"
    axes[-1].set_xlabel(label + (f" ({left_out} not shown)" if left_out else ""))
    axes[0].legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize="small",
    )
    return axes[0].figure


def _shown(
    results: Any, terms: Sequence[str] | None, drop_intercept: bool
) -> tuple[list[int], str]:
    """Positions of the coefficients that are drawn, and the name of the constant."""
    check_flag("drop_intercept", drop_intercept)
    names = [str(name) for name in results.model.param_names]
    if terms is not None:
        asked = [terms] if isinstance(terms, str) else list(terms)
        if not asked:
            raise OptionError(f"terms=[] is empty.{suggest('', names)}")
        for term in asked:
            if term not in names:
                raise OptionError(
                    f"There is no coefficient {term!r}.{suggest(term, names)}"
                )
        return [names.index(term) for term in asked], ""
    constant = results.model.data.const_idx if drop_intercept else None
    if constant is None or len(names) == 1:
        return list(range(len(names))), ""
    return [j for j in range(len(names)) if j != constant], names[constant]


def _draw(ax: Any, rows: list[Any], shown: list[int], names: list[str]) -> None:
    """All series of some coefficients."""
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
    ax.set_yticks(np.arange(len(shown)), names)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.spines[["top", "right"]].set_visible(False)


#: Column of the parts -> its words, colour, hatch and colour of its text.
_PARTS = {
    "labels": ("left: which units were labelled", BLUE, "", "white"),
    "units": ("{}: which units were drawn", SKY, "//", "black"),
    "sources": ("taken off by the sources", "0.88", "..", "black"),
}


def _parts(results: Any) -> dict[str, tuple[str, str, str, str]]:
    """Parts that there are: clusters are drawn with their labels, as one."""
    if results.n_clusters is None:
        return _PARTS
    _, color, hatch, ink = _PARTS["labels"]
    words = "left: which clusters and labels were drawn"
    return {"labels": (words, color, hatch, ink), "sources": _PARTS["sources"]}


def plot_variance(
    results: Any, parts: pd.DataFrame, ax: Any = None, *, drop_intercept: bool = True
) -> Any:
    """Parts of the variance of the labels alone, in per cent of it, as bars."""
    shown, _ = _shown(results, None, drop_intercept)
    names = [str(results.model.param_names[j]) for j in shown]
    if ax is None:
        size = (7.5, 1.5 + 0.45 * len(shown))
        _, ax = pyplot().subplots(figsize=size, layout="constrained")
    shares = 100 * parts.iloc[shown].div(parts["labels_only"].iloc[shown], axis=0)
    at, left = np.arange(len(shown)), np.zeros(len(shown))
    units = "taken off" if results.settings.is_finite else "left"
    for column, (words, color, hatch, ink) in _parts(results).items():
        width = np.clip(shares[column].to_numpy(), 0.0, None)
        ax.barh(
            at,
            width,
            left=left,
            height=0.62,
            color=color,
            hatch=hatch,
            edgecolor="white" if color == BLUE else "0.45",
            linewidth=0.6,
            label=words.format(units),
        )
        for y, start, wide in zip(at, left, width, strict=True):
            if wide >= 7.0:
                box = {"facecolor": color, "edgecolor": "none", "pad": 1.5}
                ax.text(
                    start + wide / 2,
                    y,
                    f"{wide:.0f} %",
                    ha="center",
                    va="center",
                    color=ink,
                    bbox=box,
                )
        left = left + width
    ax.set_yticks(at, names)
    ax.invert_yaxis()
    ax.set_xlim(0.0, max(100.0, float(np.nanmax(left))))
    ax.set_xlabel("Variance, in % of that of the labels only")
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=1 if len(shown) > 2 else 2,
        frameon=False,
        fontsize="small",
    )
    ax.spines[["top", "right"]].set_visible(False)
    return ax.figure


def _series(results: Any, alpha: float) -> list[Any]:
    """Label, colour, marker, estimate and half width of each row of points."""
    normal = stats.norm.ppf(1 - alpha / 2)
    # Of the units themselves, what a source says is no sample.
    rows, is_finite = [], results.settings.is_finite
    real = results.real_only
    own = (
        f"augmented ({results.settings.method})"
        if results.source_names
        else "augmented"
    )
    for label, color, marker, result in (
        (f"labels only (n = {results.n_labeled})", _LABELS, "D", real),
        (own, _AUGMENTED, "o", results),
    ):
        interval = np.asarray(result.conf_int(alpha))
        half = (interval[:, 1] - interval[:, 0]) / 2
        rows.append((label, color, marker, np.asarray(result.params), half))
    for m, name in enumerate(results.source_names):
        rows.append(
            (
                f"{name}, naive",
                _NAIVE[m % len(_NAIVE)],
                _MARKERS[(m + m // len(_NAIVE)) % len(_MARKERS)],
                results.naive_params.to_numpy()[m],
                normal * results.naive_bse.to_numpy()[m] * (not is_finite),
            )
        )
    return rows

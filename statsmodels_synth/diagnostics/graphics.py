"""The figure of the diagnostics. matplotlib is imported when it is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.pyplot import pyplot
from statsmodels_synth.exceptions import OptionError

#: With more coefficients the cells hold no numbers.
_WRITTEN = 8
#: So many panels stand side by side.
_ACROSS = 4


def plot_correlation(
    correlation: pd.DataFrame, explained: pd.Series, ax: Any = None
) -> Any:
    """
    Heat map of the correlations of labels and sources, one panel for each source.

    Shapes: `correlation` (p, M p), `explained` (M,).

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> columns = pd.MultiIndex.from_product([["llm"], ["const", "x"]])
    >>> frame = pd.DataFrame(np.eye(2), ["const", "x"], columns)
    >>> plt.close(plot_correlation(frame, pd.Series([0.5], ["llm"])))
    """
    sources = list(explained.index)
    if ax is not None and len(sources) > 1:
        raise OptionError(
            f"ax= is one panel, and there are {len(sources)} sources. Leave ax= out."
        )
    plt = pyplot()
    names = [str(name) for name in correlation.index]
    p, longest = len(names), max(len(str(name)) for name in correlation.index)
    if ax is None:
        across = min(len(sources), _ACROSS)
        down = -(-len(sources) // across)
        side = min(max(0.62 * p, 1.8), 7.0)
        room = 0.085 * longest
        _, grid = plt.subplots(
            down,
            across,
            figsize=(across * (side + 0.35) + room + 0.9, down * (side + room + 0.75)),
            layout="constrained",
            squeeze=False,
            sharey=True,
        )
        axes = list(grid.ravel())
        for empty in axes[len(sources) :]:
            empty.set_visible(False)
    else:
        axes = [ax]
    image = None
    for k, source in enumerate(sources):
        panel, values = axes[k], correlation[source].to_numpy(float)
        at = np.arange(p)
        # Cells, not pixels: a vector format then has no picture in it.
        image = panel.pcolormesh(
            at, at, values, cmap="RdBu", vmin=-1.0, vmax=1.0, shading="nearest"
        )
        panel.set_aspect("equal")
        panel.set_ylim(p - 0.5, -0.5)
        panel.set_title(f"{source}\n{100 * explained[source]:.0f} % explained", size=10)
        panel.set_xticks(at, names, rotation=90)
        panel.set_yticks(at, names)
        panel.tick_params(length=0, labelsize="small")
        panel.spines[:].set_visible(False)
        if p > _WRITTEN:
            continue
        for (i, j), value in np.ndenumerate(values):
            text = "–" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}"
            color = "white" if abs(value) > 0.65 else "black"
            panel.text(
                j, i, text, ha="center", va="center", color=color, fontsize="small"
            )
    axes[0].set_ylabel("labels")
    axes[0].figure.supxlabel("source", size=10) if ax is None else ax.set_xlabel(
        "source"
    )
    bar = axes[0].figure.colorbar(image, ax=axes, shrink=0.8, aspect=30)
    bar.set_label("correlation", size="small")
    bar.set_ticks([-1.0, -0.5, 0.0, 0.5, 1.0])
    bar.ax.tick_params(length=0, labelsize="small")
    bar.outline.set_visible(False)
    bar.solids.set(rasterized=False, edgecolor="face")
    return axes[0].figure

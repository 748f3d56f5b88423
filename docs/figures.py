"""
Draw the pictures of README and documentation that no page draws itself.

``python docs/figures.py`` writes them. Each PNG carries the numbers that it was drawn
from, as text; a test computes them again and compares.
"""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm
import statsmodels.formula.api as smf

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.core.pyplot import BLACK, BLUE, RED
from statsmodels_synth.datasets import load_posts

IMAGES = Path(__file__).resolve().parent / "images"
FORMULA = "polite ~ hedge + length"
SHOWN = ["hedge", "length"]
#: Key of the text in a PNG that has its numbers.
NUMBERS = "Numbers"


def posts_numbers() -> dict[str, Any]:
    """Estimates of the bundled posts in three ways, with 95 % intervals, and truth."""
    family = sm.families.Binomial()
    result = AugmentedGMM.from_formula(
        FORMULA, load_posts(), proxy={"polite": "polite_llm"}, family=family
    ).fit()
    half = 1.96 * result.naive_bse.iloc[0]
    naive = result.naive_params.iloc[0]
    alone = result.real_only
    rows = {
        "LLM labels\ntaken for real": (naive, naive - half, naive + half),
        "300 human\nlabels only": (alone.params, *alone.conf_int().T.to_numpy()),
        "both, with\nAugmentedGMM": (result.params, *result.conf_int().T.to_numpy()),
    }
    names = list(result.params.index)
    truth = smf.glm(
        FORMULA.replace("polite", "polite_truth", 1),
        load_posts(truth=True),
        family=family,
    ).fit()
    numbers: dict[str, Any] = {
        label: {
            name: [round(float(np.asarray(part)[names.index(name)]), 4) for part in row]
            for name in SHOWN
        }
        for label, row in rows.items()
    }
    numbers["truth"] = {name: round(float(truth.params[name]), 4) for name in SHOWN}
    return numbers


def draw_posts(numbers: dict[str, Any]) -> Any:
    """Naive wrong, labels only wide, augmented right and short."""
    rows = {label: row for label, row in numbers.items() if label != "truth"}
    # One below the other: so it can be read on a phone.
    figure, axes = plt.subplots(2, 1, figsize=(6.6, 4.6), layout="constrained")
    titles = ("Effect of a hedge", "Effect of 100 more words")
    for ax, name, title in zip(axes, SHOWN, titles, strict=True):
        truth = numbers["truth"][name]
        ax.axvline(truth, color="0.45", linestyle="--", linewidth=1.4, zorder=0)
        ax.annotate(
            "truth",
            (truth, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(3, -3),
            textcoords="offset points",
            va="top",
            color="0.35",
            fontsize=13,
        )
        marks = zip(rows.values(), (RED, BLACK, BLUE), "sDo", strict=True)
        for at, (row, color, marker) in enumerate(marks):
            centre, low, high = row[name]
            ax.plot([low, high], [at, at], color=color, linewidth=3.2)
            ax.plot(centre, at, marker, color=color, markersize=9)
        ax.set_yticks(range(3), list(rows))
        ax.set_ylim(2.5, -0.75)
        ax.set_title(title, loc="left", fontsize=14)
        ax.tick_params(labelsize=13, left=False)
        ax.spines[["top", "right", "left"]].set_visible(False)
    figure.supxlabel("log odds of being polite, with 95 % interval", fontsize=13)
    return figure


#: Question -> what may be, and what to write then.
DECISIONS: dict[str, list[tuple[str, str]]] = {
    "1. How were units chosen for labelling?": [
        ("at random", "nothing to add"),
        ("a fixed number in each group", 'strata="group"'),
        ("with known chances", 'labeling_prob="chance"'),
        ("by convenience", "label a random sample first"),
        ("nobody labelled any", "TaskExchangeability"),
    ],
    "2. Whom are the estimates about?": [
        ("units like these", "nothing to add"),
        ("units in groups: authors, schools", 'cov_type="cluster"'),
        ("exactly these units", 'population="finite"'),
    ],
    "3. What is the outcome?": [
        ("a number", "nothing to add"),
        ("0 or 1, or a count", "family=sm.families..."),
        ("levels or ranks", "score=OrderedLogit()"),
        ("a share of units", "prevalence(...)"),
    ],
    "4. Which estimator?": [
        ("few or many labels", "fit()"),
        ("to replicate the paper", "fit(use_correction=False)"),
        ("to see the other methods", "result.compare()"),
    ],
}


def draw_decisions(decisions: dict[str, list[tuple[str, str]]]) -> Any:
    """The questions from top to bottom, with what to write for each answer."""
    height = 0.46 * sum(len(rows) + 1.35 for rows in decisions.values())
    figure, ax = plt.subplots(figsize=(6.6, height), layout="constrained")
    y = 0.0
    for question, rows in decisions.items():
        ax.text(0, y, question, fontsize=14, weight="bold", va="center")
        for answer, code in rows:
            y += 1
            ax.annotate(
                "",
                (3.62, y),
                (3.32, y),
                arrowprops={"arrowstyle": "->", "color": "0.35", "lw": 1.2},
            )
            ax.text(3.25, y, answer, fontsize=12, va="center", ha="right")
            stop = "label a random" in code
            ax.text(
                3.75,
                y,
                code,
                fontsize=12,
                va="center",
                color=RED if stop else BLUE,
                weight="bold" if stop else "normal",
                bbox={"boxstyle": "round", "facecolor": "0.96", "edgecolor": "0.8"},
            )
        y += 1.35
    ax.set_xlim(0, 6.3)
    ax.set_ylim(y - 0.6, -0.5)
    ax.set_axis_off()
    return figure


#: Name of a picture -> its numbers, and the function that draws them.
FIGURES: dict[str, tuple[Callable[[], dict[str, Any]], Callable[..., Any]]] = {
    "posts.png": (posts_numbers, draw_posts),
    "decision.png": (lambda: DECISIONS, draw_decisions),
}


def main() -> None:
    """Write all pictures."""
    mpl.use("agg")
    IMAGES.mkdir(exist_ok=True)
    for name, (compute, draw) in FIGURES.items():
        numbers = compute()
        figure = draw(numbers)
        about = {NUMBERS: json.dumps(numbers), "Software": None}
        figure.savefig(IMAGES / name, dpi=150, metadata=about)
        plt.close(figure)
        print(f"docs/images/{name}")


if __name__ == "__main__":
    main()

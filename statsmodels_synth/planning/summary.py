"""The table of a plan that people read."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable

from statsmodels_synth.core.messages import count
from statsmodels_synth.core.tables import NotesSummary
from statsmodels_synth.planning.power import level_in_words
from statsmodels_synth.planning.search import MOST_LABELS

#: Multiples of the labels of the pilot that are shown.
_TIMES = (0.5, 1, 2, 4)


def header(plan: Any) -> str:
    """What the pilot was, in a line."""
    sources = ", ".join(plan.source_names) or "none"
    labels, units = count(plan.n_labeled, "label"), count(plan.n_units, "unit")
    return f"{labels}, {units}; sources: {sources}"


def plan_summary(plan: Any, alpha: float, effect: Any) -> Summary:
    """Predictions for some multiples of the labels of the pilot."""
    times = [math.ceil(n * plan.n_labeled) for n in _TIMES]
    sizes = [n for n in times if plan.min_labels <= n <= plan.most_labels]
    options = {"alpha": alpha, "effect": effect}
    table = plan.expect(sizes, **options)
    columns, heads = ["std_err", "width", "power"], ["std err", "width", "power"]
    shown = table[["n", *columns]].set_axis(["labels", *heads], axis=1)
    if plan.source_names:
        alone = plan.expect(sizes, sources=[], **options)[columns]
        alone.columns = pd.Index([f"{head}, alone" for head in heads])
        shown = pd.concat(
            [shown, table["effective_labels"].rename("eff. sample"), alone], axis=1
        )
    rows = [
        [_cell(str(name), value) for name, value in zip(shown, row, strict=True)]
        for row in shown.itertuples(index=False)
    ]
    whole = SimpleTable(
        rows,
        list(shown.columns),
        list(table["coefficient"]),
        title=f"Plan from a pilot: {header(plan)}",
    )
    per_size = len(rows) // len(sizes)
    for k in range(per_size, len(rows), per_size):
        # A line between the numbers of labels; the first row is the header.
        whole[k].dec_below = "header_dec_below"
    found = NotesSummary()
    found.tables = [whole]
    found.set_notes(
        "Notes:", _notes(plan, alpha, effect is None, len(sizes) < len(times))
    )
    return found


def _cell(column: str, value: float) -> str:
    if column in ("labels", "eff. sample"):
        return f"{value:.0f}"
    return f"{value:.2f}" if "power" in column else f"{value:#.4g}"


def _notes(plan: Any, alpha: float, estimated: bool, cut: bool) -> list[str]:
    """Everything a reader must know besides the numbers."""
    notes = [
        "Predicted for a study like the pilot: same population, model, labelling and "
        "sources. The prediction is no surer than the pilot's standard errors."
    ]
    if plan.source_names:
        notes.append(
            "alone: the labels without the sources. eff. sample: labels that would "
            "give the same standard error without them. For the pilot's own number "
            "they differ from its summary: here they are predicted."
        )
    notes.append(
        f"width: of the {level_in_words(alpha)} interval, from end to end. power: of "
        f"the test at {alpha:g} that the coefficient is 0, if its true value is "
        + (
            "the pilot's estimate. That is optimistic where the estimate is large by "
            "luck (the winner's curse): give effect=, the smallest effect that matters."
            if estimated
            else "that of effect=."
        )
    )
    if plan.is_finite:
        notes.append(
            "The units are the population: with all of them labelled nothing would be "
            "left to chance."
        )
    if plan.by_clusters:
        notes.append("Twice the labels are twice the clusters, of the same size.")
    if plan.units_can_be_drawn:
        notes.append(
            "Labels are drawn as in the pilot. designs(n=...) says how many other ways "
            "of drawing them save, and draw_labels() draws them."
        )
    if cut:
        notes.append(
            f"From {plan.min_labels} labels on."
            if plan.most_labels >= MOST_LABELS
            else f"From {plan.min_labels} to {plan.most_labels} labels only, which is "
            f"as many as there can be among {count(plan.n_units, 'unit')}. With more "
            "units: expect(n_units=...)."
        )
    return notes

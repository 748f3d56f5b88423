"""The table of a plan that people read."""

from __future__ import annotations

from collections.abc import Mapping
import math
import textwrap
from typing import TYPE_CHECKING, Any

import pandas as pd

from statsmodels_synth.exceptions import count
from statsmodels_synth.planning.power import level_in_words
from statsmodels_synth.planning.search import MOST_LABELS

if TYPE_CHECKING:
    from statsmodels_synth.planning.plan import Plan

#: Multiples of the labels of the pilot that are shown.
_TIMES = (0.5, 1, 2, 4)
_WIDTH = 78


def header(plan: Plan) -> str:
    """
    What the pilot was, in a line.

    Parameters
    ----------
    plan : Plan
        The plan.

    Returns
    -------
    str
        Labels, units and sources.
    """
    sources = ", ".join(plan.source_names) or "none"
    labels, units = count(plan.n_labeled, "label"), count(plan.n_units, "unit")
    return f"{labels}, {units}; sources: {sources}"


def summary_text(plan: Plan, alpha: float, effect: Any) -> str:
    """
    Predictions for some multiples of the labels of the pilot.

    Parameters
    ----------
    plan : Plan
        The plan.
    alpha, effect : optional
        See :meth:`Plan.expect`.

    Returns
    -------
    str
        Table and notes.
    """
    times = [math.ceil(n * plan.n_labeled) for n in _TIMES]
    sizes = [n for n in times if plan.min_labels <= n <= plan.most_labels]
    options = {"alpha": alpha, "effect": effect, "coefficients": None}
    if isinstance(effect, (Mapping, pd.Series)) and len(effect):
        options["coefficients"] = list(effect.keys())
    table = plan.expect(sizes, **options)
    columns, heads = ["std_err", "width", "power"], ["std err", "width", "power"]
    shown = table[["n", "coefficient", *columns]].set_axis(
        ["labels", "coefficient", *heads], axis=1
    )
    if plan.source_names:
        alone = plan.expect(sizes, sources=[], **options)[columns]
        alone.columns = pd.Index([f"{head}, alone" for head in heads])
        shown = pd.concat(
            [shown, table["effective_labels"].rename("worth"), alone], axis=1
        )
    for name in shown.columns[2:]:
        form = "{:.2f}" if "power" in name else "{:#.4g}"
        form = "{:.0f}" if name == "worth" else form
        shown[name] = [form.format(value) for value in shown[name]]
    body = shown.to_string(index=False).splitlines()
    width = max(_WIDTH, *(len(line) for line in body))
    blocks: list[str] = []
    per_size = len(table) // len(sizes)
    for k, line in enumerate(body):
        # A line between the numbers of labels.
        if k == 1 or (k > 1 and (k - 1) % per_size == 0):
            blocks.append("-" * width)
        blocks.append(line)
    lines = ["Plan from a pilot".center(width).rstrip(), "=" * width]
    lines += [f"Pilot: {header(plan)}", "-" * width, *blocks, "=" * width, "Notes:"]
    notes = _notes(plan, alpha, effect is None, len(sizes) < len(times))
    for number, note in enumerate(notes, start=1):
        lines += textwrap.wrap(
            f"[{number}] {note}", width=_WIDTH, subsequent_indent="    "
        )
    return "\n".join(lines)


def _notes(plan: Plan, alpha: float, estimated: bool, cut: bool) -> list[str]:
    """Everything a reader must know besides the numbers."""
    notes = [
        "Predicted for a study like the pilot: same population, model, labelling and "
        "sources. The prediction is no surer than the pilot's standard errors."
    ]
    if plan.source_names:
        notes.append(
            "alone: the labels without the sources. worth: labels that would give the "
            "same standard error without them."
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
    if plan.by_clusters:
        notes.append("Twice the labels are twice the clusters, of the same size.")
    if cut:
        notes.append(
            f"From {plan.min_labels} labels on."
            if plan.most_labels >= MOST_LABELS
            else f"From {plan.min_labels} to {plan.most_labels} labels only, which is "
            f"as many as there can be among {count(plan.n_units, 'unit')}. With more "
            "units: expect(n_units=...)."
        )
    return notes

"""What is known of each unit that was given: groups, and how labels were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Positions
from statsmodels_synth.diagnostics.coverage import Drawn
from statsmodels_synth.diagnostics.diagnose import GivenUnits
from statsmodels_synth.diagnostics.subgroups import Groups, check_by, make_groups

if TYPE_CHECKING:
    from statsmodels_synth.gmm.fit import Fit


def given_units(model: Any, fit: Fit) -> GivenUnits:
    """The units of a model, and how labels were drawn among those that were given."""
    design, labeling = fit.design, fit.design.labeling
    labeled, eligible = labeled_and_eligible(model)
    strata = prob = None
    if labeling.strata is not None:
        strata, _ = pd.factorize(pd.Series(model.strata).to_numpy())
    elif labeling.prob is not None:
        prob = np.full(len(labeled), np.nan)
        given = np.asarray(model.labeling_prob, dtype=float)
        prob[slice(None) if len(given) == len(labeled) else labeled] = given
    clusters = None if fit.clusters is None else fit.clusters.of_given
    drawn = Drawn(labeled, eligible, design.design_weights, strata, prob, clusters)
    return GivenUnits(model.unit_index, drawn)


def labeled_and_eligible(model: Any) -> tuple[Bools, Bools]:
    """
    Which of the units that were given are labelled, and which could be.

    Shapes: (units,), (units,).
    """
    design = model.aligned
    columns, lacking = model.unit_columns, model.lacking_units
    places = np.arange(len(model.given_units)) if design.kept is None else design.kept
    labeled: Bools = np.zeros(len(model.given_units), dtype=bool)
    labeled[places[design.labeled_units]] = True
    eligible: Bools = np.ones(len(labeled), dtype=bool)
    if columns is not None:
        # Units of data come first; the others are there because a source has them.
        eligible = ~columns.lacking(labeled)
        eligible[len(columns.data) :] = False
    elif lacking is not None:
        eligible = ~lacking
    return labeled, eligible


def groups_by(model: Any, by: Any) -> Groups:
    """Groups of the units that take part, from a column or one value per unit."""
    return _groups(model, by, model.aligned.kept)


def groups_of_given(model: Any, by: Any) -> Groups:
    """Groups of all units that were given, those included that take no part."""
    return _groups(model, by, None)


def _groups(model: Any, by: Any, kept: Positions | None) -> Groups:
    label, title = f"by={by!r}", by
    if not isinstance(by, str):
        label, title = "by=", str(getattr(by, "name", None) or "group")
        check_by(by, label)
    # A source may draw a regressor anew, which is then another variable. Units that
    # only a source has, or that data says nothing of, go by that source.
    values = model._values_by_unit(by, label, of_data_first=True)
    if kept is not None:
        values = values[kept]
    groups = make_groups(values, label)
    return Groups(groups.codes, groups.names, groups.has_missing, title)

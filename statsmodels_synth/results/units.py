"""What is known of each unit that was given: groups, and how labels were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.diagnostics.coverage import Drawn
from statsmodels_synth.diagnostics.diagnose import GivenUnits
from statsmodels_synth.diagnostics.subgroups import Groups, check_by, make_groups
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.sampling.pilots import UnitsToDraw

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
    elif model.coders is not None:
        model.coders.refuse_left_out(by, label)
    # A source may draw a regressor anew, which is then another variable. Units that
    # only a source has, or that data says nothing of, go by that source.
    values = model._values_by_unit(by, label, of_data_first=True)
    if kept is not None:
        values = values[kept]
    groups = make_groups(values, label)
    return Groups(groups.codes, groups.names, groups.has_missing, title)


def chance_by_unit(model: Any, fit: Fit, labeled: Bools, eligible: Bools) -> Floats:
    """
    Probability with which each unit was labelled; 0 where it could not be.

    Shapes: `labeled`, `eligible` (T,) -> (T,).
    """
    labeling, size = fit.design.labeling, len(labeled)
    chance = np.zeros(size)
    if labeling.strata is not None:
        codes, _ = pd.factorize(pd.Series(np.asarray(model.strata)))
        every = np.bincount(codes[eligible], minlength=codes.max() + 1)
        some = np.bincount(codes[labeled], minlength=codes.max() + 1)
        chance[eligible] = (some / np.maximum(every, 1))[codes[eligible]]
    elif labeling.prob is not None:
        given = np.asarray(model.labeling_prob, dtype=float)
        if len(given) != size or np.isnan(given[eligible]).any():
            raise DataError(
                "labeling_prob= of the pilot is known for labelled units only, or "
                "missing for some. A second wave needs that of all units: fit the "
                "pilot with a column that has it."
            )
        chance[eligible] = given[eligible]
    else:
        chance[eligible] = labeled.sum() / eligible.sum()
    return chance


def units_to_draw(model: Any, fit: Fit) -> UnitsToDraw:
    """What a further wave of labels would be drawn from: the units that were given."""
    labeled, eligible = labeled_and_eligible(model)
    chance = chance_by_unit(model, fit, labeled, eligible)
    kept = fit.design.kept
    by_id = pd.util.hash_pandas_object(model.given_units, index=False).to_numpy()
    return UnitsToDraw(
        chance,
        eligible & ~labeled,
        by_id,
        np.arange(len(chance)) if kept is None else kept,
        int((eligible | labeled).sum()),
    )

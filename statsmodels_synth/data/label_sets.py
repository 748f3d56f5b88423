"""Sets of labels and values of units, matched to the units of a model."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import (
    Bools,
    Floats,
    Positions,
    as_floats,
    missing_rows,
)
from statsmodels_synth.core.messages import count, format_units, name_units, type_name
from statsmodels_synth.data.arrays import (
    AlignedProblem,
    ModelOptions,
    check_labels,
    keeps_cautions,
    offsets,
    unit_weights,
    units_without_exog,
)
from statsmodels_synth.data.auxiliary_columns import AuxiliaryColumns
from statsmodels_synth.data.checks import check_coverage
from statsmodels_synth.data.formula.learn import LearnedFormula
from statsmodels_synth.data.frames import UnitColumns
from statsmodels_synth.data.kinds import (
    by_unit,
    is_column,
    is_other_frame,
    names_of_columns,
    values_of,
)
from statsmodels_synth.data.labeling import find_labeling
from statsmodels_synth.exceptions import AlignmentError, DataError
from statsmodels_synth.problem.design import (
    DesignRows,
    SourceArrays,
    align_design,
    covered_units,
    told_labels,
)
from statsmodels_synth.problem.scores import TargetScore

_BY_UNIT = (
    "Give one row per unit, NaN where it is not labelled, or pandas objects indexed by "
    "unit."
)


class Column(NamedTuple):
    """
    Values of some units.

    Parameters
    ----------
    values : ndarray or Series (rows,)
        As they were given.
    positions : ndarray (rows,) or None
        Position of each unit among all; None: all units, in order.
    """

    values: Any
    positions: Positions | None


@dataclass(frozen=True)
class LabelSets:
    """
    Labels of many fits.

    Parameters
    ----------
    names : tuple
        Name of each set.
    columns : tuple of Column
        Labels, NaN where a unit is not labelled.
    """

    names: tuple[Hashable, ...]
    columns: tuple[Column, ...]

    def labels(self, k: int) -> tuple[Positions, Floats]:
        """
        Labelled units of a set and their labels.

        Shapes: `positions` (n,), `values` (n,).
        """
        given, positions = self.columns[k]
        values = as_floats(given, "endog")
        rows = np.flatnonzero(~np.isnan(values))
        values, where = values[rows], rows if positions is None else positions[rows]
        order = (
            np.argsort(where, kind="stable") if positions is not None else slice(None)
        )
        return where[order], values[order]


@dataclass(frozen=True)
class ByUnit:
    """
    What is known of some units.

    Parameters
    ----------
    values : ndarray (R,) or (R, p)
        Values.
    positions : ndarray (R,) or None
        Their units, increasing; None: all units, in order.
    what : str
        What it is, for messages.
    advice : str
        What to do where it is not known.
    """

    values: Floats
    positions: Positions | None
    what: str
    advice: str

    def at(self, wanted: Positions, units: pd.Index) -> Floats:
        """
        Values of some units.

        Shapes: `wanted` (n,), `units` (T,) -> (n,).
        """
        if self.positions is None:
            return self.values[wanted]
        if not len(self.positions):
            place, found = np.zeros(len(wanted), dtype=np.intp), np.zeros(1, dtype=bool)
        else:
            place = np.searchsorted(self.positions, wanted)
            place = np.minimum(place, len(self.positions) - 1)
            found = self.positions[place] == wanted
        if not np.all(found):
            absent = wanted[~found]
            raise DataError(
                f"{self.what} is not known for {count(len(absent), 'labelled unit')} "
                f"({format_units(units[absent])}). {self.advice}"
            )
        return self.values[place]


def sorted_by_unit(
    values: Floats, positions: Positions, what: str, advice: str
) -> ByUnit:
    """
    Values of units in any order.

    Shapes: `values` (R,), `positions` (R,).
    """
    if np.any(positions[1:] < positions[:-1]):
        order = np.argsort(positions, kind="stable")
        values, positions = values[order], positions[order]
    return ByUnit(values, positions, what, advice)


def positions_of(index: pd.Index, units: pd.Index, what: str) -> Positions | None:
    """
    Positions of the units that an index names.

    Shapes: `index` (rows,), `units` (T,) -> (rows,).
    """
    if index.equals(units):
        return None
    if _counts(index) and pd.api.types.is_integer_dtype(units.dtype):
        # The numbers of units in another order are no less integers than a count.
        there = (
            f"there are {len(units)} units"
            if _counts(units)
            else f"the units of the model are {format_units(units[:3])} and so on"
        )
        raise AlignmentError(
            f"The index of {what} counts {len(index)} rows and {there}, so it does not "
            f"say which unit a row is. {_BY_UNIT}"
        )
    if index.has_duplicates:
        twice = index[index.duplicated()].unique()
        raise AlignmentError(
            f"{what} has two rows for {count(len(twice), 'unit')} "
            f"({format_units(twice)}). Keep one."
        )
    positions = units.get_indexer(index)
    if (positions < 0).any():
        strange = index[positions < 0]
        raise AlignmentError(
            f"{what} has {count(len(strange), 'unit')} ({format_units(strange)}) that "
            "the model does not know. Its units are those of data and the sources: "
            "leave these out, or build the model with them."
        )
    return np.asarray(positions, dtype=np.intp)


def _values_by_unit(value: Any, units: pd.Index, what: str) -> Any:
    """
    An option of all units in their order, where pandas or a dict says which they are.

    Shapes: `units` (T,) -> (T,).
    """
    if isinstance(value, Mapping):
        value = pd.Series(value)
    if not isinstance(value, pd.Series):
        return value
    place = positions_of(value.index, units, what)
    if place is None:
        return value
    inverse = np.full(len(units), -1)
    inverse[place] = np.arange(len(value))
    kept = value.reset_index(drop=True).reindex(
        np.where(inverse < 0, len(value), inverse)
    )
    return kept.set_axis(units)


def _counts(index: pd.Index) -> bool:
    """Whether an index only counts rows, as pandas makes it where none is given."""
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def read_sets(endog: Any, units: pd.Index) -> LabelSets:
    """
    Read sets of labels.

    Shapes: `endog` (T,), `units` (T,).
    """
    if isinstance(endog, Iterator):
        endog = list(endog)
    endog = by_unit(endog, "endog")
    if is_other_frame(endog):  # has no index: by position, as arrays
        endog = {name: values_of(endog[name]) for name in names_of_columns(endog)}
    if isinstance(endog, (list, tuple)) and (
        any(isinstance(s, pd.Series) for s in endog) or any(map(is_column, endog[:1]))
    ):
        endog = dict(enumerate(endog))
    if isinstance(endog, Mapping):
        parts = [_one_set(value, units, f"endog[{k!r}]") for k, value in endog.items()]
        return LabelSets(tuple(endog), tuple(parts))
    if isinstance(endog, pd.DataFrame):
        where = positions_of(endog.index, units, "endog")
        columns = [Column(endog.iloc[:, k], where) for k in range(endog.shape[1])]
        return LabelSets(tuple(endog.columns), tuple(columns))
    if isinstance(endog, pd.Series) or np.ndim(endog) == 1:
        one = _one_set(endog, units, "endog")
        return LabelSets((getattr(endog, "name", None) or 0,), (one,))
    values = as_floats(endog, "endog")
    if values.ndim != 2 or len(values) != len(units):
        raise DataError(
            f"endog has shape {values.shape}; there are {len(units)} units. {_BY_UNIT}"
        )
    columns = [Column(values[:, k], None) for k in range(values.shape[1])]
    return LabelSets(tuple(range(len(columns))), tuple(columns))


def _one_set(value: Any, units: pd.Index, what: str) -> Column:
    value = values_of(value)
    if isinstance(value, pd.Series):
        return Column(value, positions_of(value.index, units, what))
    if np.shape(value) != (len(units),):
        raise DataError(
            f"{what} is a {type_name(value)} of shape {np.shape(value)}; there are "
            f"{len(units)} units. {_BY_UNIT}"
        )
    return Column(value, None)


@dataclass(frozen=True)
class SharedUnits:
    """
    What all sets of labels have in common.

    Parameters
    ----------
    units : pandas.Index (T,)
        Labels of all units that were given.
    sources : tuple of SourceArrays
        Sources; positions are among these units.
    covered : ndarray (T,) of bool or None
        Units that a source covers; None: all.
    exog : ByUnit
        Regressors as people observed them.
    offset : ByUnit or None
        Offset of the labels, log exposure included.
    weights : ndarray (T,) or None
        Weight of each unit, with a mean of one.
    score : TargetScore
        Family of the target model.
    names : tuple of str
        Names of the coefficients.
    yname : str
        Name of the outcome.
    labeled_pandas : bool
        Whether labelled rows carry names and units.
    options : ModelOptions
        What the constructor takes besides, with how units are chosen in all sets.
    learned : LearnedFormula or None
        The formula, if there is one.
    columns : UnitColumns or None
        Further columns of the units.
    frame : DataFrame or None
        Data of the formula.
    auxiliary : AuxiliaryColumns or None
        What every set makes a source of, by its own labels.
    """

    units: pd.Index
    sources: tuple[SourceArrays, ...]
    covered: Bools | None
    exog: ByUnit
    offset: ByUnit | None
    weights: Floats | None
    score: TargetScore
    names: tuple[str, ...]
    yname: str
    labeled_pandas: bool
    options: ModelOptions
    learned: LearnedFormula | None
    columns: UnitColumns | None
    frame: pd.DataFrame | None
    auxiliary: AuxiliaryColumns | None


def share_units(model: Any, exog: Any, labeling_prob: Any, strata: Any) -> SharedUnits:
    """
    Take from a model what other sets of labels share with its own.

    Shapes: `exog` (T, p).
    """
    design, units = model.aligned_or_raise(), model.given_units
    made = model.recalibration
    if made is not None:  # a source that labels have made: each set makes its own
        design = made.before.design
    mask = np.asarray(model.labeled)
    labeled, sources = np.flatnonzero(mask), design.sources
    labeling_prob = _values_by_unit(labeling_prob, units, "labeling_prob")
    strata = _values_by_unit(strata, units, "strata")
    if design.kept is not None:
        kept = design.kept
        sources = tuple(replace(s, units=kept[s.units]) for s in sources)
    if labeling_prob is None and strata is None:
        labeling_prob, strata = model.labeling_prob, model.strata
        if labeling_prob is None and strata is None and design.labeling.name != "equal":
            raise DataError(
                "How the labels of this model were chosen is known for its labelled "
                "units only. Give labeling_prob= or strata= for all units."
            )
        if np.ndim(labeling_prob) and len(labeling_prob) != len(units):
            known = np.full(len(units), np.nan)
            known[labeled] = as_floats(labeling_prob, "labeling_prob")
            labeling_prob = known
    _, of_labels = offsets(model.offset, model.exposure, model.target_score, mask)
    return SharedUnits(
        units=units,
        sources=sources,
        covered=covered_units(sources, len(units)),
        exog=_known_exog(model, exog, labeled),
        offset=None if of_labels is None else _known_offset(model, mask, of_labels),
        weights=unit_weights(model.weights, len(units)),
        score=model.target_score,
        names=tuple(model.exog_names),
        yname=str(model.endog_names),
        labeled_pandas=isinstance(model.data.orig_exog, pd.DataFrame),
        options=replace(model.options, labeling_prob=labeling_prob, strata=strata),
        learned=model.learned,
        columns=model.unit_columns,
        frame=getattr(model.data, "frame", None),
        auxiliary=None if made is None else made.before.auxiliary,
    )


def _known_exog(model: Any, exog: Any, labeled: Positions) -> ByUnit:
    what, names, units = "exog", list(model.exog_names), model.given_units
    positions: Positions | None
    if exog is None:
        advice = "Give exog= for them: the regressors of all units."
        if model.learned is not None:
            # Rows of data whose regressors are complete, labelled or not.
            rows = model.learned.exog_of_data()
            index = model.learned.index_of_data
            known = np.asarray(units.get_indexer(index), dtype=np.intp)
            n_data = 0 if model.unit_columns is None else len(model.unit_columns.data)
            if len(known) < n_data:
                # Units of data come first. Without their regressors they count as
                # unlabelled, as where the model is built with these labels.
                values = np.full((n_data, len(names)), np.nan)
                values[known] = rows
                rows, known = values, np.arange(n_data)
            return sorted_by_unit(rows, known, what, advice)
        return ByUnit(model.aligned.labeled.exog, labeled, what, advice)
    advice = "Give exog= a row for each of them."
    positions = None
    exog = by_unit(exog, "exog")
    if isinstance(exog, pd.DataFrame):
        columns = [str(c) for c in exog.columns]
        if columns != names:
            raise AlignmentError(
                f"exog has the columns {columns}, the model has {names}. Give the same "
                "columns in the same order."
            )
        positions = positions_of(exog.index, units, "exog")
    values = as_floats(exog, "exog")
    values = values[:, None] if values.ndim == 1 else values
    n_rows = len(units) if positions is None else len(positions)
    if values.shape != (n_rows, len(names)):
        raise DataError(
            f"exog has shape {values.shape}; there are {len(units)} units and "
            f"{count(len(names), 'coefficient')}. Give one row per unit and the same "
            "columns as the model's."
        )
    if positions is None:
        return ByUnit(values, None, what, advice)
    return sorted_by_unit(values, positions, what, advice)


def _known_offset(model: Any, mask: Bools, of_labels: Floats) -> ByUnit:
    advice = "The model knows that of its labelled units only: "
    advice += (
        "give offset= or exposure= of all units to the constructor."
        if model.learned is None
        else "build it from arrays, with offset= or exposure= of all units."
    )
    given = [v for v in (model.offset, model.exposure) if v is not None]
    if all(len(v) == len(mask) for v in given):
        by_unit, _ = offsets(model.offset, model.exposure, model.target_score, mask)
        assert by_unit is not None
        return ByUnit(by_unit, None, "offset", advice)
    return ByUnit(of_labels, np.flatnonzero(mask), "offset", advice)


def _without_exog(exog: ByUnit, labeled: Bools) -> Bools | None:
    """
    Units without an observed regressor, among those of which rows are at hand.

    Shapes: `labeled` (T,) -> (T,).
    """
    if exog.positions is None:
        return units_without_exog(exog.values, labeled)
    own = units_without_exog(exog.values, labeled[exog.positions])
    if own is None:
        return None
    lacking = np.zeros(len(labeled), dtype=bool)
    lacking[exog.positions] = own
    return lacking


@keeps_cautions
def align_labels(
    shared: SharedUnits, positions: Positions, values: Floats
) -> AlignedProblem:
    """
    Align and check one set of labels.

    Shapes: `positions` (n,), `values` (n,).
    """
    units, n_units, n_incomplete = shared.units, len(shared.units), 0
    exog = shared.exog.at(positions, units)
    lacking = missing_rows(exog)
    if lacking is not None:
        n_incomplete = int(lacking.sum())
        if shared.options.missing == "raise":
            raise DataError(
                f"exog is missing for {count(n_incomplete, 'labelled unit')} ("
                f"{name_units(units[positions[lacking]])}). Complete them, or build "
                "the model with missing='drop', which counts them as unlabelled."
            )
        positions, values, exog = positions[~lacking], values[~lacking], exog[~lacking]
    labels = DesignRows(
        values,
        exog,
        offset=None if shared.offset is None else shared.offset.at(positions, units),
        weights=None if shared.weights is None else shared.weights[positions],
    )
    own, names = units[positions], shared.names
    designs = [s.exog for s in shared.sources]
    check_labels(labels, own, n_units, designs, shared.score, names, shared.yname)
    for source in shared.sources:
        check_coverage(source.units, positions, source.name, units, len(names))
    mask = np.zeros(n_units, dtype=bool)
    mask[positions] = True
    lacking = _without_exog(shared.exog, mask)
    options = shared.options
    labeling = find_labeling(
        options.labeling_prob, options.strata, mask, units, lacking
    )
    score = told_labels(shared.score, labels, labeling)
    given = (labels, positions, shared.sources, n_units, score)
    design = align_design(*given, labeling, shared.covered, lacking)
    rows: tuple[Any, Any] = (values, exog)
    if shared.labeled_pandas:
        rows = (
            pd.Series(values, own, name=shared.yname),
            pd.DataFrame(exog, own, columns=list(names)),
        )
    gaps = None
    if shared.exog.positions is None:
        gaps = units_without_exog(shared.exog.values, mask)
    if shared.offset is not None and shared.offset.positions is not None:
        options = replace(options, offset=labels.offset, exposure=None)
    return AlignedProblem(
        score,
        *rows,
        design=design,
        units=units,
        labeled=mask,
        n_incomplete=n_incomplete,
        options=options,
        lacking=gaps,
        learned=None if shared.learned is None else shared.learned.twin(),
        columns=shared.columns,
        frame=shared.frame,
        auxiliary=shared.auxiliary,
    )

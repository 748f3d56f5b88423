"""The array interface: what the constructor takes, aligned and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
import functools
from typing import Any, ParamSpec

import numpy as np
import pandas as pd
from statsmodels.genmod import families

from statsmodels_synth.core.arrays import (
    LEAVE_OUT,
    Bools,
    Floats,
    Positions,
    as_floats,
    check_positive,
    lacking_observed,
    missing_rows,
    without_mask,
)
from statsmodels_synth.core.messages import (
    Caution,
    are,
    count,
    format_units,
    name_units,
    noting,
    there_are,
)
from statsmodels_synth.core.options import Kind, Missing, RareLevels
from statsmodels_synth.data.absorbing import Absorbed
from statsmodels_synth.data.auxiliary_columns import AuxiliaryColumns, read_arrays
from statsmodels_synth.data.checks import (
    check_columns,
    check_coverage,
    check_endog,
    check_labeled_design,
    check_leverage,
    check_source_design,
    check_values,
    check_weights,
    check_weights_of_others,
    warn_of_missing_code,
)
from statsmodels_synth.data.coders import Coders
from statsmodels_synth.data.forms import unique_names
from statsmodels_synth.data.formula.learn import LearnedFormula
from statsmodels_synth.data.frames import UnitColumns
from statsmodels_synth.data.labeling import find_labeling
from statsmodels_synth.data.learners import check_learner
from statsmodels_synth.data.levels import code_outcomes
from statsmodels_synth.exceptions import AlignmentError, DataError, OptionError
from statsmodels_synth.problem.design import (
    AlignedDesign,
    DesignRows,
    Labeling,
    SourceArrays,
    align_design,
    replicate_weights,
    told_labels,
)
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.levels import LevelScore
from statsmodels_synth.problem.scores.predictors import count_params

_FORMS = (
    "Give {name: (endog, exog)} with one row per unit, or {name: (endog, exog, "
    "units)} with the position of the unit of each row."
)
_BY_UNIT = (
    " Arrays are matched by position: reindex it, or let AugmentedGMM.from_formula "
    "match the frames by unit."
)


def unit_labels(
    rows: pd.Index | None,
    labeled: Bools,
    given: Mapping[str, Any],
    proxy: object,
    synthetic: object,
) -> pd.Index | None:
    """
    Labels of the units, from whatever pandas objects were given.

    Shapes: `rows` (T,), `labeled` (T,) -> (T,).
    """
    n_units, n_labeled = len(labeled), int(labeled.sum())
    parts: list[tuple[str, str, pd.Index]] = []
    if rows is not None:
        parts.append(("The index of endog and exog", " Reindex them.", rows))
    for name, part in given.items():
        if isinstance(part, pd.Series):
            text = f"{name}= is a Series whose index"
            parts.append((text, " Reindex it.", part.index))
    for mapping in (proxy, synthetic):
        for name, value in mapping.items() if isinstance(mapping, Mapping) else ():
            if not isinstance(value, (tuple, list)) or len(value) != 2:
                continue
            for what, part in zip(("endog", "exog"), value, strict=True):
                if isinstance(part, (pd.Series, pd.DataFrame)):
                    text = f"Source {name!r}: the index of its {what}"
                    parts.append((text, _BY_UNIT, part.index))
    index = next((own for *_, own in parts if len(own) == n_units), None)
    some = rows if index is None else index[labeled]
    for text, advice, own in parts:
        # Other lengths are refused where the values are read.
        expected = {n_labeled: some, n_units: index}.get(len(own))
        if expected is not None and not own.equals(expected):
            raise AlignmentError(
                f"{text} differs from that of the rows it belongs to.{advice}"
            )
    return index


def labeled_rows(
    endog: Any, exog: Any, labeled: Any, missing: Missing = "drop"
) -> tuple[Any, Any, Bools, pd.Index | None, int]:
    """
    Labelled rows of endog and exog.

    Shapes: `endog` (T,), `exog` (T, p), `labeled` (T,) -> `labeled` (T,), `index`
    (T,).
    """
    if not isinstance(endog, pd.Series):
        if isinstance(endog, pd.DataFrame) and endog.shape[1] == 1:
            endog = endog.iloc[:, 0]
        else:
            endog = np.squeeze(as_floats(endog, "endog"))
    if not isinstance(exog, pd.DataFrame):
        alone = isinstance(exog, pd.Series)
        exog = exog.to_frame() if alone else as_floats(exog, "exog")
        exog = exog[:, None] if exog.ndim == 1 else exog
    if np.ndim(endog) != 1 or exog.ndim != 2 or len(endog) != len(exog):
        raise DataError(
            f"endog has shape {np.shape(endog)} and exog {np.shape(exog)}. They must "
            "be (rows,) and (rows, columns)."
        )
    pandas = [isinstance(part, (pd.Series, pd.DataFrame)) for part in (endog, exog)]
    if all(pandas) and not endog.index.equals(exog.index):
        raise AlignmentError("The indexes of endog and exog differ. Reindex one.")
    if pandas[0] and not pandas[1]:
        endog = as_floats(endog, "endog")
    if pandas[1] and not pandas[0]:
        endog = pd.Series(endog, index=exog.index, name="y")
    index = endog.index if isinstance(endog, pd.Series) else None
    values, regressors = as_floats(endog, "endog"), as_floats(exog, "exog")
    if isinstance(endog, pd.Series):
        endog = pd.Series(values, endog.index, name=endog.name, copy=False)
    if isinstance(exog, pd.DataFrame):
        exog = pd.DataFrame(regressors, exog.index, exog.columns, copy=False)
    # Regressors matter only where there is a label, which is rare.
    lacking = np.isnan(values)
    present = np.flatnonzero(~lacking)
    incomplete = missing_rows(regressors[present])
    if incomplete is not None:
        lacking[present] = incomplete
    n_incomplete = 0
    if labeled is None:
        mask = ~lacking
        short = np.flatnonzero(~np.isnan(values) & ~mask)
        n_incomplete = len(short)
        if n_incomplete and missing == "raise":
            raise DataError(
                f"exog is missing for {count(n_incomplete, 'labelled row')} ("
                f"{name_units(short if index is None else index[short])}). Complete "
                "them or set missing='drop', which counts them as unlabelled."
            )
        rows = np.flatnonzero(mask)
    else:
        mask = np.asarray(without_mask(labeled))
        if mask.dtype == object and pd.isna(mask).any():
            raise DataError(
                f"labeled= is missing for {count(int(pd.isna(mask).sum()), 'unit')} "
                f"(positions {format_units(np.flatnonzero(pd.isna(mask)))}). Say True "
                "or False for every unit."
            )
        if mask.ndim != 1 or mask.dtype != bool:
            raise DataError(
                f"labeled= has shape {mask.shape} and type {mask.dtype}. Give one True "
                "or False per unit."
            )
        if len(mask) == len(values):
            rows = np.flatnonzero(mask)
        elif int(mask.sum()) == len(values):
            rows = np.arange(len(values))
        else:
            raise DataError(
                f"endog has {len(values)} rows; labeled= has {len(mask)} units, "
                f"{int(mask.sum())} of them True. Give endog and exog for all units or "
                "for the labelled ones."
            )
        if lacking[rows].any():
            bad = rows[lacking[rows]]
            raise DataError(
                f"{count(len(bad), 'labelled row')} have missing values ("
                f"{name_units(bad if index is None else index[bad])}). Complete them "
                "or set labeled=False for them."
            )
    if len(rows) < len(values):
        if isinstance(endog, pd.Series):
            endog, exog = endog.iloc[rows], exog.iloc[rows]
        else:
            endog, exog = values[rows], regressors[rows]
    return endog, exog, mask, index, n_incomplete


def units_without_exog(exog: Any, labeled: Bools) -> Bools | None:
    """
    Units without an observed regressor.

    Shapes: `exog` (T, p), `labeled` (T,) -> (T,).
    """
    if len(exog) != len(labeled):
        return None
    values = as_floats(exog, "exog")
    if missing_rows(values) is None:
        return None
    gaps = np.isnan(values.reshape(len(labeled), -1)).T
    return lacking_observed(gaps, labeled)


def column_names(exog: Any) -> list[str]:
    """
    Names of the columns of exog, as statsmodels makes them up for arrays.

    Shapes: `exog` (n, p).
    """
    if isinstance(exog, pd.DataFrame):
        return [str(c) for c in exog.columns]
    exog = np.asarray(exog)
    constant = (
        np.flatnonzero((np.ptp(exog, axis=0) == 0) & (exog[0] != 0))
        if len(exog)
        else np.empty(0, dtype=int)
    )
    count, names = 0, []
    for j in range(exog.shape[1]):
        if len(constant) and j == constant[0]:
            names.append("const")
        else:
            count += 1
            names.append(f"x{count}")
    return names


def unit_weights(weights: Any, n_units: int) -> Floats | None:
    """
    Check the weights of the units.

    Shapes: `weights` (T,) -> (T,).
    """
    if weights is None:
        return None
    values = as_floats(weights, "weights")
    if values.shape != (n_units,):
        raise DataError(
            f"weights has shape {values.shape}; there are {n_units} units. Give one "
            "weight per unit."
        )
    check_positive(values, "weights", None, LEAVE_OUT)
    # Only their ratios matter; as they are, tiny ones would look like rounding.
    return np.asarray(values / values.mean())


def offsets(
    offset: Any, exposure: Any, score: TargetScore, labeled: Bools
) -> tuple[Floats | None, Floats | None]:
    """
    Offset of units and of labelled rows, log exposure included.

    Shapes: `offset, exposure` (T,), `labeled` (T,) -> `by_unit` (T,), `of_labels`
    (n,).
    """
    by_unit: Floats | None = None
    of_labels: Floats | None = None
    for name, given in (("offset", offset), ("exposure", exposure)):
        if given is None:
            continue
        values = as_floats(given, name)
        if values.shape not in ((len(labeled),), (int(labeled.sum()),)):
            raise DataError(
                f"{name} has shape {values.shape}; there are {len(labeled)} units, "
                f"{int(labeled.sum())} labelled. Give one value per unit."
            )
        if name == "exposure":
            require_log_link(score)
            check_positive(values, "exposure", None)
            values = np.log(values)
        bad = ~np.isfinite(values)
        if bad.any():
            raise DataError(
                f"{name} must be finite for every unit; {are(int(bad.sum()))} not "
                f"({name_units(np.flatnonzero(bad), 'position')})."
            )
        if len(values) == len(labeled):
            by_unit = values if by_unit is None else by_unit + values
            values = values[labeled]
        of_labels = values if of_labels is None else of_labels + values
    return by_unit, of_labels


def code_arrays(
    endog: Any, options: ModelOptions, score: LevelScore
) -> tuple[Any, ModelOptions, LevelScore]:
    """Outcomes with levels as codes, in labels and sources."""
    if options.auxiliary is not None:
        raise OptionError(
            f"auxiliary= predicts a number, and the outcome of {score.called} has "
            "levels. Give predictions of your own as a proxy, a probability by level."
        )
    if score.levels:  # coded already, with a formula or when it was first built
        return endog, options, score
    endog, proxy, synthetic, told = code_outcomes(
        endog, options.proxy, options.synthetic, score
    )
    return endog, replace(options, proxy=proxy, synthetic=synthetic, score=told), told


def told_columns(
    score: TargetScore, names: Sequence[str], offset: Floats | None
) -> TargetScore:
    """
    The target model, told its columns; one without linear predictor has no offset.

    Shapes: `offset` (n,).
    """
    if offset is not None and not score.predictors:
        raise OptionError(
            f"offset= is added to a linear predictor, and with {score.called} there is "
            "none. Subtract it from the outcome beforehand, in data and every source."
        )
    return score.told_names(names)


def require_log_link(score: TargetScore) -> None:
    """Raise if the link is no logarithm, so that there is no exposure."""
    if not isinstance(score.link, families.links.Log):
        raise DataError(
            "exposure needs a log link, and the link is "
            f"{type(score.link).__name__}. Use offset."
            if score.link is not None
            else f"exposure needs a log link, and with {score.called} there is none. "
            + ("Use offset." if score.predictors else "Leave it out.")
        )


def collect_sources(
    proxy: object,
    synthetic: object,
    *,
    k_params: int,
    exog_names: Sequence[str],
    index: pd.Index | None,
    n_units: int,
    weights: Floats | None,
    offset: Floats | None,
    missing: Missing,
) -> list[SourceArrays]:
    """
    Convert the `proxy` and `synthetic` arguments of the array interface.

    Shapes: `weights, offset` (T,).
    """
    given: dict[Kind, Mapping[str, object]] = {"proxy": {}, "synthetic": {}}
    kinds: tuple[tuple[Kind, object], ...] = (
        ("proxy", proxy),
        ("synthetic", synthetic),
    )
    for kind, value in kinds:
        if isinstance(value, Mapping):
            given[kind] = value
        elif value is not None:
            raise DataError(
                f"{kind}= is a {type(value).__name__}. {_FORMS} Data frames and "
                "formulas go to AugmentedGMM.from_formula."
            )
    names = unique_names(list(given["proxy"]), list(given["synthetic"]))
    result = []
    for kind, sources in given.items():
        for key, value in sources.items():
            name = names[f"{kind}:{key}"]
            if isinstance(value, SourceArrays):
                arrays = replace(value, name=name, kind=kind)
                if value.units is not None:
                    positions = _positions(value.units, name, len(value.endog), n_units)
                    arrays = _sorted_by_unit(replace(arrays, units=positions))
            else:
                arrays = _from_tuple(value, name, kind, exog_names, n_units)
            if arrays.exog.shape[1] != k_params:
                raise DataError(
                    f"Source {name!r} has {count(arrays.exog.shape[1], 'column')} in "
                    f"exog, the labels have {k_params}. Both need the same columns "
                    "in the same order, the constant included."
                )
            if offset is not None and arrays.offset is None:
                everyone = slice(0, len(arrays.endog))
                arrays = replace(arrays, offset=offset[arrays.unit_of(everyone)])
            arrays = _drop_missing(arrays, missing, index)
            row_weights, repeated = replicate_weights(arrays.units, weights, n_units)
            result.append(replace(arrays, weights=row_weights, has_replicates=repeated))
    return result


def _from_tuple(
    value: object,
    name: str,
    kind: Kind,
    exog_names: Sequence[str],
    n_units: int,
) -> SourceArrays:
    if not isinstance(value, (tuple, list)) or len(value) not in (2, 3):
        raise DataError(f"Source {name!r} is a {type(value).__name__}. {_FORMS}")
    endog, exog = value[:2]
    units = value[2] if len(value) == 3 else None
    if (
        isinstance(endog, pd.Series)
        and isinstance(exog, (pd.Series, pd.DataFrame))
        and not endog.index.equals(exog.index)
    ):
        raise AlignmentError(
            f"Source {name!r}: the indexes of its endog and exog differ. Reindex one."
        )
    if isinstance(exog, pd.DataFrame):
        columns = [str(c) for c in exog.columns]
        if columns != list(exog_names):
            raise AlignmentError(
                f"Source {name!r} has the exog columns {columns}, the labels have "
                f"{list(exog_names)}. Give the same columns in the same order."
            )
    endog = as_floats(endog, f"Source {name!r}: endog")
    exog = as_floats(exog, f"Source {name!r}: exog")
    endog = endog[:, 0] if endog.ndim == 2 and endog.shape[1] == 1 else endog
    exog = exog[:, None] if exog.ndim == 1 else exog
    if endog.ndim != 1 or exog.ndim != 2 or len(endog) != len(exog):
        raise DataError(
            f"Source {name!r}: endog has shape {endog.shape} and exog {exog.shape}. "
            "They must be (rows,) and (rows, columns)."
        )
    if units is None:
        if len(endog) != n_units:
            raise DataError(
                f"Source {name!r} has {count(len(endog), 'row')} for {n_units} "
                f"units. {_FORMS}"
            )
        return SourceArrays(endog, exog, name=name, kind=kind)
    positions = _positions(units, name, len(endog), n_units)
    arrays = SourceArrays(endog, exog, positions, name=name, kind=kind)
    return _sorted_by_unit(arrays)


def _sorted_by_unit(arrays: SourceArrays) -> SourceArrays:
    """Rows in the order of their units, which the sums over blocks rely on."""
    units = arrays.units
    if units is None or not np.any(units[1:] < units[:-1]):
        return arrays
    order = np.argsort(units, kind="stable")
    return arrays.take(order, units[order])


def _positions(units: object, name: str, n_rows: int, n_units: int) -> Positions:
    positions = np.asarray(without_mask(units))
    if positions.shape != (n_rows,) or positions.dtype.kind not in "iu":
        raise DataError(
            f"Source {name!r}: units must be {n_rows} integers, one per row; it has "
            f"shape {positions.shape} and type {positions.dtype}."
        )
    outside = (positions < 0) | (positions >= n_units)
    if outside.any():
        raise DataError(
            f"Source {name!r}: units must be from 0 to {n_units - 1}; "
            f"{are(int(outside.sum()))} not ("
            f"{name_units(np.flatnonzero(outside), 'row')})."
        )
    return positions.astype(np.intp)


def _drop_missing(
    arrays: SourceArrays, missing: Missing, index: pd.Index | None
) -> SourceArrays:
    bad: Bools | None = missing_rows(arrays.endog, arrays.exog, arrays.offset)
    if bad is None:
        return arrays
    if missing == "raise":
        units = np.flatnonzero(bad)
        if arrays.units is not None:
            units = np.unique(arrays.units[units])
        shown = name_units(units if index is None else index[units])
        raise DataError(
            f"Source {arrays.name!r} has {count(int(bad.sum()), 'row')} with missing "
            f"values ({shown}). Complete them or set missing='drop'."
        )
    keep = np.flatnonzero(~bad)
    units = keep if arrays.units is None else arrays.units[keep]
    return replace(
        arrays.take(keep, units), n_dropped=arrays.n_dropped + int(bad.sum())
    )


@dataclass(frozen=True)
class ModelOptions:
    """
    What the constructor takes besides rows, family and labelled units.

    A model keeps it, so that statsmodels can build the model again.
    """

    proxy: Any = None
    synthetic: Any = None
    weights: Any = None
    offset: Any = None
    exposure: Any = None
    missing: Missing = "drop"
    hasconst: bool | None = None
    labeling_prob: Any = None
    strata: Any = None
    score: Any = None
    auxiliary: Any = None
    learner: Any = None
    rare_levels: RareLevels = "raise"

    @property
    def by_unit(self) -> dict[str, Any]:
        """Those that have one value per unit, or name a column."""
        names = ("weights", "offset", "exposure", "labeling_prob", "strata")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class AlignedProblem:
    """
    All that a model is made from, whichever way the data came in.

    Parameters
    ----------
    target : TargetScore
        Score of the target model.
    endog, exog : Series and DataFrame, or ndarray
        The n labelled rows, (n,) and (n, p).
    design : AlignedDesign
        Aligned arrays.
    units : pandas.Index (T,)
        Labels of all units that were given.
    labeled : ndarray (T,) of bool
        Which of them are labelled.
    n_incomplete : int
        Rows with an outcome but without a regressor.
    options : ModelOptions
        What the constructor takes besides.
    lacking : ndarray (T,) of bool, or None
        Units without an observed regressor, where the rows of all units were given.
    learned : LearnedFormula or None
        The formula, if there is one.
    columns : UnitColumns or None
        Further columns of the units, with frames in memory.
    frame : DataFrame or None
        Data, with a column for every option that was given as an array.
    auxiliary : AuxiliaryColumns or None
        What is known of every unit besides the formula.
    cautions : tuple of Caution
        What was warned of while it was made, for the summary.
    absorbed : Absorbed or None
        Fixed effects that were absorbed.
    coders : Coders or None
        How far coders agree, where units have several codes.
    call : str or None
        The call that gave the data, as text.
    formula : str or None
        The formula as it was given, with instruments in brackets.
    """

    target: TargetScore
    endog: Any
    exog: Any
    design: AlignedDesign
    units: pd.Index
    labeled: Bools
    n_incomplete: int
    options: ModelOptions
    lacking: Bools | None = None
    learned: LearnedFormula | None = None
    columns: UnitColumns | None = None
    frame: pd.DataFrame | None = None
    auxiliary: AuxiliaryColumns | None = None
    cautions: tuple[Caution, ...] = ()
    absorbed: Absorbed | None = None
    coders: Coders | None = None
    call: str | None = None
    formula: str | None = None


P = ParamSpec("P")


def keeps_cautions(align: Callable[P, AlignedProblem]) -> Callable[P, AlignedProblem]:
    """Keep what a door warns of with the problem that it makes."""

    @functools.wraps(align)
    def noted(*args: P.args, **kwargs: P.kwargs) -> AlignedProblem:
        with noting() as cautions:
            problem = align(*args, **kwargs)
        return replace(problem, cautions=(*problem.cautions, *cautions))

    return noted


@keeps_cautions
def align_arrays(
    endog: Any,
    exog: Any,
    labeled: Any,
    target: TargetScore,
    options: ModelOptions,
    *,
    labeling: Labeling | None = None,
    units: pd.Index | None = None,
    learned: LearnedFormula | None = None,
) -> AlignedProblem:
    """
    Align and check what the array interface takes.

    Shapes: `units` (T,).
    """
    if isinstance(target, LevelScore):
        endog, options, target = code_arrays(endog, options, target)
    given, missing = exog, options.missing
    endog, exog, mask, index, n_incomplete = labeled_rows(endog, exog, labeled, missing)
    n_units = len(mask)
    lacking = units_without_exog(given, mask)
    index = unit_labels(
        index,
        mask,
        {"labeled": labeled, **options.by_unit},
        options.proxy,
        options.synthetic,
    )
    unit_offset, label_offset = offsets(options.offset, options.exposure, target, mask)
    weights = unit_weights(options.weights, n_units)
    labels = DesignRows(
        as_floats(endog, "endog"),
        as_floats(exog, "exog"),
        offset=label_offset,
        weights=None if weights is None else weights[mask],
    )
    names = column_names(exog)
    sources = collect_sources(
        options.proxy,
        options.synthetic,
        k_params=labels.exog.shape[1],
        exog_names=names,
        index=index,
        n_units=n_units,
        weights=weights,
        offset=unit_offset,
        missing=missing,
    )
    _check_offsets(label_offset, sources, n_units)
    if units is None:
        units = pd.RangeIndex(n_units) if index is None else index
    labeled_units = np.flatnonzero(mask)
    target = told_columns(target, names, label_offset)
    check_weights_of_others(weights, mask, units)
    check_problem(
        labels,
        labeled_units,
        sources,
        units=units,
        score=target,
        names=names,
        yname=learned.yname if learned else str(getattr(endog, "name", None) or "y"),
    )
    if labeling is None:
        labeling = find_labeling(
            options.labeling_prob, options.strata, mask, units, lacking
        )
    target = told_labels(target, labels, labeling)
    given = (labels, labeled_units, sources, n_units, target)
    design = align_design(*given, labeling, lacking=lacking)
    aligned = (endog, exog, design, units, mask, n_incomplete)
    auxiliary = read_auxiliary(options, units, index)
    return AlignedProblem(
        target, *aligned, options, lacking, learned, auxiliary=auxiliary
    )


def _check_offsets(
    of_labels: Floats | None, sources: Sequence[SourceArrays], n_units: int
) -> None:
    """
    Raise where labels have an offset and a source does not.

    Shapes: `of_labels` (n,).
    """
    if of_labels is not None and any(s.offset is None for s in sources):
        raise DataError(
            "offset and exposure have one value per labelled unit, but the sources "
            f"need one for each of the {n_units} units. Give {n_units} values."
        )


def read_auxiliary(
    options: ModelOptions, units: pd.Index, index: pd.Index | None
) -> AuxiliaryColumns | None:
    """
    Auxiliary columns, and whether there is a learner for them.

    Shapes: `units` (T,), `index` (T,).
    """
    if options.learner is not None:
        if options.auxiliary is None:
            raise OptionError(
                "learner= is given without auxiliary=, whose columns it learns from. "
                "Give these too."
            )
        check_learner(options.learner)
    return read_arrays(options.auxiliary, units, index, options.missing)


def check_problem(
    labels: DesignRows,
    labeled_units: Positions,
    sources: Sequence[SourceArrays],
    *,
    units: pd.Index,
    score: TargetScore,
    names: Sequence[str],
    yname: str,
) -> None:
    """
    Refuse what has no answer, before anything is computed.

    Shapes: `labeled_units` (n,), `units` (T,).
    """
    designs = [s.exog for s in sources]
    check_labels(labels, units[labeled_units], len(units), designs, score, names, yname)
    p = labels.exog.shape[1]
    for source in sources:
        of_row = units if source.units is None else units[source.units]
        check_coverage(source.units, labeled_units, source.name, units, p)
        check_source(source, of_row, score, names, yname)


def check_labels(
    labels: DesignRows,
    units: pd.Index,
    n_units: int,
    designs: Sequence[Floats],
    score: TargetScore,
    names: Sequence[str],
    yname: str,
) -> None:
    """
    Refuse labelled rows that have no answer.

    Shapes: `units` (n,), `designs` (R, p).
    """
    check_values(labels, "data", names, yname, units)
    if score.predictors:
        check_labeled_design(labels.exog, names, designs)
        check_leverage(labels.exog, labels.weights, names, units)
    check_weights(labels.weights, units, "labelled units")
    check_endog(labels.endog, score, "data", yname, units)
    warn_of_missing_code(labels.endog, "data", yname)
    # With one source; the fit asks for more if it has all of them at once.
    p, size = count_params(score, labels.exog.shape[1]), len(labels.endog)
    check_number_of_labels(size, p, min(len(designs), 1), len(designs), n_units)


def check_number_of_labels(
    n: int, p: int, k_used: int, k_sources: int, n_units: int
) -> None:
    """Raise if labels are too few for coefficients of so many sources at once."""
    needed = p * (1 + k_used)
    if n <= needed and n < n_units:
        raise DataError(
            f"{there_are(n, 'labelled unit')} for {count(p, 'coefficient')} and "
            f"{count(k_sources, 'source')}, which need more than "
            f"{p * (1 + k_sources)}. Label more units, use fewer sources or shorten "
            "the formula."
            + (
                " In Python multiverse() takes each source by itself."
                if k_sources > 1
                else ""
            )
        )


def check_source(
    source: SourceArrays,
    units: pd.Index,
    score: TargetScore,
    names: Sequence[str],
    yname: str,
) -> None:
    """
    Refuse rows of a source that have no answer.

    Shapes: `units` (R,).
    """
    where = f"Source {source.name!r}"
    check_values(source, where, names, yname, units)
    check_endog(source.endog, score, where, yname, units)
    check_columns(source.exog, score, where, names, units)
    warn_of_missing_code(source.endog, where, yname)
    if score.predictors:
        check_source_design(source.exog, source.name, names)

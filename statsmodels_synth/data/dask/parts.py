"""
One part of the rows: its frames, evaluated as a small problem of their own.

A part holds every row of its units, of data and of all sources. What is computed on it
is small: sums, facts, the labelled rows and a sample. Everything here takes and returns
pandas and NumPy objects; where the frames come from is the business of
:mod:`~statsmodels_synth.partitions.dask_rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import cloudpickle
import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.core.messages import option_label
from statsmodels_synth.core.options import Missing
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.data.checks import check_columns, check_endog, check_values
from statsmodels_synth.data.columns import plain_columns
from statsmodels_synth.data.forms import GivenSource
from statsmodels_synth.data.formula.instruments import with_columns_of_terms
from statsmodels_synth.data.formula.learn import LearnedFormula
from statsmodels_synth.data.formula.parse import ParsedFormula
from statsmodels_synth.data.frames import AlignedFrames, On, align_frames
from statsmodels_synth.data.from_frames import Labels, evaluate_part
from statsmodels_synth.data.ids import some_by_spelling, unmatched_ids
from statsmodels_synth.data.labeling import check_never
from statsmodels_synth.problem.design import (
    DesignRows,
    SourceArrays,
    n_covered,
    replicate_weights,
    rows_of_labeled,
    without_idle_units,
)
from statsmodels_synth.problem.scores import TargetScore

#: Rows of data per part that types and plain columns are learned on.
FIRST_ROWS = 20


@dataclass(frozen=True)
class PartPlan:
    """
    What every part needs to know of the whole.

    Parameters
    ----------
    parsed : ParsedFormula
        The formula.
    given : tuple of GivenSource
        The sources; `frame` is an empty one where a source has a frame of its own.
    options : dict
        From option to column: labeled, weights, offset, exposure, labeling_prob,
        strata.
    on : str, sequence of str or None
        Column that identifies units, where it is not the index.
    missing : {"drop", "raise"}
        What to do with incomplete rows.
    types : DataFrame
        Rows of data that tell the type of each variable.
    learned : LearnedFormula or None
        The formula with its levels, means and knots, once they are learned.
    score : TargetScore or None
        The target model.
    weight_scale : float
        What the weights of the units are multiplied with, so that their mean is one.
    """

    parsed: ParsedFormula
    given: tuple[GivenSource, ...]
    options: dict[str, str]
    on: On
    missing: Missing
    types: pd.DataFrame
    learned: LearnedFormula | None = None
    score: TargetScore | None = None
    weight_scale: float = 1.0

    def __reduce__(self) -> tuple[Any, ...]:
        """With the functions of the calling code, which plain pickle refuses."""
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        learned = self.learned
        if learned is not None:
            state["learned"] = (learned.labels, learned.frame, learned.states)
        return _restored, (cloudpickle.dumps(state),)

    @property
    def extra(self) -> list[str]:
        """Columns of offset and exposure."""
        return [self.options[k] for k in ("offset", "exposure") if k in self.options]

    @property
    def variables(self) -> list[str]:
        """Columns that every row needs."""
        return list(dict.fromkeys([*self.parsed.variables, *self.extra]))

    @property
    def matches_frames(self) -> bool:
        """Whether a source has a frame of its own, which is matched by unit."""
        return any(source.frame is not None for source in self.given)


def _restored(state: bytes) -> PartPlan:
    """The plan, with the formula learned again: specifications cannot be pickled."""
    values = cloudpickle.loads(state)
    if values["learned"] is not None:
        values["learned"] = LearnedFormula(values["parsed"], *values["learned"])
    return PartPlan(**values)


class Part(NamedTuple):
    """
    A part as arrays.

    Parameters
    ----------
    sources : tuple of SourceArrays
        The sources; positions count the units of the part.
    n_units : int
        Units of the part that are labelled or covered.
    """

    sources: tuple[SourceArrays, ...]
    n_units: int


class FirstLook(NamedTuple):
    """
    What is taken from a part of data before the formula is learned.

    Parameters
    ----------
    labeled : DataFrame (n_part, columns)
        Complete labelled rows, in the types that the columns were given in.
    first : DataFrame
        A few rows with all regressors.
    n_rows : int
        Rows of the part.
    n_incomplete : int
        Rows with an outcome, or declared labelled, that lack another variable.
    gaps : Series
        Rows without a value, by variable.
    """

    labeled: pd.DataFrame
    first: pd.DataFrame
    n_rows: int
    n_incomplete: int
    gaps: pd.Series


@dataclass(frozen=True)
class Unmatched:
    """
    Text ids without a match, for the units of a source may be spelt in two ways.

    Blanks and capitals decide where an id is sorted, so that its twin may be in any
    part.

    Parameters
    ----------
    ids : dict of (Index, Index)
        By source, those of data and of earlier sources, and its own.
    stride : int
        One id in so many is here: a power of two.
    """

    ids: dict[str, tuple[pd.Index, pd.Index]]
    stride: int

    def at_stride(self, stride: int) -> Unmatched:
        """One in so many, of those that there are."""
        ids = {
            name: (some_by_spelling(own, stride), some_by_spelling(its, stride))
            for name, (own, its) in self.ids.items()
        }
        return Unmatched(ids, stride)

    def thinned(self, most: int) -> Unmatched:
        """With at most so many ids, if these are spelt in different ways."""
        found = self
        while sum(len(ids) for pair in found.ids.values() for ids in pair) > most:
            found = found.at_stride(2 * found.stride)
            if found.stride > 2**32:
                break
        return found


@dataclass(frozen=True)
class PartFacts:
    """
    What is known of a part before anything is estimated.

    Parameters
    ----------
    labels : Labels
        Labelled rows.
    weights : ndarray (n_part,) or None
        Their weights.
    labeling_prob, strata : ndarray (n_part,) or None
        Their probabilities and strata.
    strata_sizes : Series or None
        Units in each stratum.
    labeled_sources : tuple of DesignRows
        Rows of the sources for them; positions count the labelled units of the part.
    samples : tuple of SourceArrays
        Evenly spaced rows of each source.
    strides : ndarray (M,) of int
        One row in so many is in the sample: a power of two.
    counts : ndarray (M, 3) of int
        Rows, covered units and dropped rows of each source.
    grams : ndarray (M, p, p)
        ``x'x`` of each source.
    gaps : dict
        Which observed variables are missing, with the number of unlabelled units of
        data for which they are, of those of them that no source covers, and sums as in
        `prob_sums` over the former.
    n_units, n_given, n_foreign : int
        Units that are labelled or covered, these and others that could have been
        labelled, all units, units that are not in data.
    weight_sum : float
        Sum of the weights of all units.
    prob_sums : ndarray (3,) or None
        Sums of the probabilities of labelled units and of those that only sources have,
        of their variances, and of units without probability.
    unmatched : Unmatched
        Text ids without a match.
    edges : tuple of (object, object), or None
        First and last unit of the part.
    """

    labels: Labels
    weights: Floats | None
    labeling_prob: Floats | None
    strata: NDArray[Any] | None
    strata_sizes: pd.Series | None
    labeled_sources: tuple[DesignRows, ...]
    samples: tuple[SourceArrays, ...]
    strides: NDArray[np.intp]
    counts: NDArray[np.intp]
    grams: Floats
    n_units: int
    gaps: dict[tuple[bool, ...], Floats]
    n_given: int
    n_foreign: int
    weight_sum: float
    prob_sums: Floats | None
    unmatched: Unmatched
    edges: tuple[object, object] | None = None


def align_part(plan: PartPlan, frames: tuple[pd.DataFrame, ...]) -> AlignedFrames:
    """Match the frames of a part by unit."""
    data, *others = frames
    own = iter(others)
    given = [
        source if source.frame is None else replace(source, frame=next(own))
        for source in plan.given
    ]
    options = plan.options
    return align_frames(
        data,
        given,
        plan.parsed.response,
        plan.parsed.regressors,
        plan.parsed.uses,
        on=plan.on,
        labeled=options.get("labeled"),
        weights=options.get("weights"),
        extra=plan.extra,
        missing=plan.missing,
        types=plan.types,
    )


@with_one_blas_thread
def evaluate(plan: PartPlan, *frames: pd.DataFrame) -> Part:
    """Arrays of a part."""
    return evaluate_aligned(plan, align_part(plan, frames)).part


class EvaluatedPart(NamedTuple):
    """
    A part as arrays, and its labelled rows.

    Parameters
    ----------
    part : Part
        What a pass goes over.
    labels : Labels
        Labelled rows.
    positions : ndarray (n_part,)
        Positions of the labelled units among those of the part.
    kept : ndarray (T_part,) or None
        Which of the units that were given these are; None: all.
    """

    part: Part
    labels: Labels
    positions: Positions
    kept: Positions | None


def evaluate_aligned(plan: PartPlan, frames: AlignedFrames) -> EvaluatedPart:
    """Arrays of a part whose frames are matched."""
    options = plan.options
    assert plan.learned is not None
    labels, sources = evaluate_part(
        plan.learned, frames, options.get("offset"), options.get("exposure")
    )
    n_units = len(frames.units)
    weights = frames.weights
    weights = None if weights is None else weights * plan.weight_scale
    weighted = []
    for source in sources:
        of_rows, repeated = replicate_weights(source.units, weights, n_units)
        weighted.append(replace(source, weights=of_rows, has_replicates=repeated))
    kept, n_used, positions, arrays = without_idle_units(
        frames.labeled_rows, weighted, n_units
    )
    return EvaluatedPart(Part(tuple(arrays), n_used), labels, positions, kept)


def first_look(plan: PartPlan, columns: list[str], data: pd.DataFrame) -> FirstLook:
    """Labelled rows of a part of data, and a few others."""
    frames = align_frames(
        data,
        [],
        plan.parsed.response,
        plan.parsed.regressors,
        plan.parsed.uses,
        on=plan.on,
        labeled=plan.options.get("labeled"),
        extra=plan.extra,
        missing=plan.missing,
        types=plan.types,
    )
    keyed = data.set_axis(frames.data.index)[columns]
    known = np.arange(len(keyed))
    if frames.lacking is not None:
        known = np.flatnonzero(~frames.lacking)
    return FirstLook(
        keyed.iloc[frames.labeled_rows],
        keyed.iloc[known[:FIRST_ROWS]],
        len(keyed),
        frames.n_incomplete,
        frames.data.isna().sum(),
    )


@with_one_blas_thread
def describe(plan: PartPlan, most: int, *frames: pd.DataFrame) -> PartFacts:
    """Check a part, and say what it holds."""
    aligned = align_part(plan, frames)
    part, labels, positions, kept = evaluate_aligned(plan, aligned)
    labels_of_units = aligned.units
    for source in part.sources:
        _check_rows(plan, source, aligned)
    p = labels.exog.shape[1]
    grams = [s.exog.T @ s.exog for s in part.sources]
    sums = aligned.weights
    prob, sums_of_units, strata, sizes = _labeling(plan, aligned)
    prob_sums = None
    if sums_of_units is not None:
        prob_sums = sums_of_units[~_others(aligned)].sum(axis=0)
    edges = None
    if len(labels_of_units) and plan.matches_frames:
        edges = (labels_of_units.min(), labels_of_units.max())
    rows = aligned.labeled_rows
    strides = [_stride(len(source.endog), most) for source in part.sources]
    return PartFacts(
        labels=labels,
        weights=None if sums is None else sums[rows],
        labeling_prob=prob,
        strata=strata,
        strata_sizes=sizes,
        labeled_sources=tuple(rows_of_labeled(s, positions) for s in part.sources),
        samples=tuple(
            s.take(np.arange(0, len(s.endog), stride), None)
            for s, stride in zip(part.sources, strides, strict=True)
        ),
        strides=np.array(strides, dtype=np.intp),
        counts=np.array(
            [(len(s.endog), n_covered(s), s.n_dropped) for s in part.sources],
            dtype=np.intp,
        ).reshape(-1, 3),
        grams=np.array(grams).reshape(-1, p, p),
        n_units=part.n_units,
        gaps=_gaps(aligned, kept, sums_of_units),
        n_given=len(labels_of_units),
        n_foreign=len(labels_of_units) - len(aligned.data),
        weight_sum=0.0 if sums is None else float(sums.sum()),
        prob_sums=prob_sums,
        unmatched=_unmatched(aligned).thinned(most),
        edges=edges,
    )


def _unmatched(frames: AlignedFrames) -> Unmatched:
    """Text ids of a part without a match."""
    units, found = frames.columns.data.index, {}
    for name, frame in frames.columns.sources:
        if not frame.index.equals(units):
            own, its = unmatched_ids(units, frame.index)
            found[name] = own, its
            units = units.append(its)
    return Unmatched(found, 1)


def _others(frames: AlignedFrames) -> Bools:
    """Unlabelled units of data, (T_part,)."""
    others = np.zeros(len(frames.units), dtype=bool)
    others[: len(frames.data)] = True
    others[frames.labeled_rows] = False
    return others


def _gaps(
    frames: AlignedFrames, kept: Positions | None, prob_sums: Floats | None
) -> dict[tuple[bool, ...], Floats]:
    """
    What is missing of unlabelled units; whether it is observed, all parts tell.

    Shapes: `kept` (T_part,), `prob_sums` (T_part, 3).
    """
    columns, others = frames.columns, _others(frames)
    idle = np.ones(len(frames.units), dtype=bool)
    idle[slice(None) if kept is None else kept] = False
    names = [c for c in columns.needed if c in columns.data]
    of_data = others[: len(frames.data)]
    gaps = columns.data[names].isna().to_numpy()[of_data]
    patterns, at = np.unique(gaps, axis=0, return_inverse=True)
    counted = [np.ones(len(gaps)), idle[others]]
    if prob_sums is not None:
        counted += list(prob_sums[others].T)
    counts = np.zeros((len(patterns), 5))
    for k, values in enumerate(counted):
        counts[:, k] = np.bincount(at.ravel(), values, len(patterns))
    keys = [tuple(map(bool, pattern)) for pattern in patterns]
    return dict(zip(keys, counts, strict=True))


def _stride(n_rows: int, most: int) -> int:
    """The power of two that leaves no more than so many rows."""
    stride = 1
    while n_rows > most * stride:
        stride *= 2
    return stride


def _check_rows(plan: PartPlan, source: SourceArrays, frames: AlignedFrames) -> None:
    assert plan.learned is not None
    assert plan.score is not None
    own = next(f for f in frames.sources if f.name == source.name)
    where, yname = f"Source {source.name!r}", plan.learned.yname
    units = frames.units[own.units]
    check_values(source, where, plan.learned.exog_names, yname, units)
    check_endog(source.endog, plan.score, where, yname, units)
    score = with_columns_of_terms(plan.score, plan.learned)
    check_columns(source.exog, score, where, plan.learned.exog_names, units)


def _labeling(
    plan: PartPlan, frames: AlignedFrames
) -> tuple[Floats | None, Floats | None, NDArray[Any] | None, pd.Series | None]:
    """
    Probabilities of the labelled units, and of every one what is summed; strata.

    Shapes: (n_part,), (T_part, 3), (n_part,).
    """
    prob = sums = strata = sizes = None
    name = plan.options.get("labeling_prob")
    if name is not None:
        values = frames.columns.values(name, option_label("labeling_prob", name))
        every = values.to_numpy(dtype=float)
        labeled = np.zeros(len(every), dtype=bool)
        labeled[frames.labeled_rows] = True
        check_never(every, labeled, frames.units)
        prob, absent = every[labeled], np.isnan(every)
        every = np.where(absent, 0.0, every)
        sums = np.column_stack([every, every * (1.0 - every), absent])
    name = plan.options.get("strata")
    if name is not None:
        values = frames.columns.complete(name, option_label("strata", name))
        strata, sizes = values.to_numpy()[frames.labeled_rows], values.value_counts()
    return prob, sums, strata, sizes


@with_one_blas_thread
def apply(
    function: Callable[[tuple[SourceArrays, ...], int], Any],
    keep: tuple[int, ...],
    part: Part,
) -> Any:
    """What a function says of some sources of a part."""
    return function(tuple(part.sources[m] for m in keep), part.n_units)


def typed_rows(plan: PartPlan, frame: pd.DataFrame) -> pd.DataFrame:
    """Variables of some rows of data, as the engines get them."""
    return plain_columns(frame, plan.variables, plan.parsed.uses, "data").frame

"""
The source that is made of auxiliary columns: the outcome, predicted by cross-fitting.

What is known of every unit besides the formula, such as the confidence of a model, may
say where a proxy errs. The outcome is predicted from the outcomes of the proxies, their
regressors and these columns, and the prediction is one more source.

Units are split into folds, labelled or not, and what is predicted for a unit comes from
the labels of other folds. So labelled and unlabelled units are treated alike, which is
all that a source needs to be valid. It takes part where it predicts the labels better
than the proxies alone do, by one standard error: else it would be one more thing to
estimate from few labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.core.messages import count
from statsmodels_synth.data.arrays import AlignedProblem, column_names
from statsmodels_synth.data.checks import check_coverage, check_source_design
from statsmodels_synth.data.learners import (
    Basis,
    Predictor,
    learned,
    learned_by,
    refuse_no_numbers,
)
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.problem.design import (
    AlignedDesign,
    SourceArrays,
    rows_of_labeled,
    stacked_rows,
)
from statsmodels_synth.problem.groups import (
    Clusters,
    cluster_sums,
    dealt_folds,
    mean_by_unit,
)
from statsmodels_synth.problem.scores import TargetScore

#: What the source is called.
NAME = "auxiliary"
#: Folds of the units, or of clusters.
FOLDS = 10
#: Labels below which nothing is learned.
FEWEST_LABELS = 20
#: Standard errors by which the source predicts the labels better than the proxies do,
#: or it takes no part. With 0 it takes part too often by chance, and with 2 too seldom.
LEAST_GAIN = 1.0
#: Units that the default learner's columns are scaled on.
_SAMPLE = 20_000
#: Units whose columns are made at once.
_BLOCK = 50_000


@dataclass(frozen=True)
class Recalibration:
    """
    How the source was made, and what it is worth.

    Parameters
    ----------
    names : tuple of str
        The auxiliary columns.
    learner : str
        What predicted.
    folds : ndarray (T,) of int
        Fold of each unit that is labelled or covered; -1 where the source has no row.
    gain : float
        Share of the mean squared error of the proxies, recalibrated without these
        columns, that they take off, at labels that were left out.
    gain_error : float
        Its standard error.
    reason : str
        Why the source takes no part; empty where it does.
    before : AlignedProblem
        The problem without it.
    """

    names: tuple[str, ...]
    learner: str
    folds: Positions
    gain: float
    gain_error: float
    reason: str
    before: AlignedProblem


@dataclass(frozen=True)
class _Inputs:
    """
    What is learned from, of the units that the source covers.

    Parameters
    ----------
    units : ndarray (U,)
        Their positions.
    columns : ndarray (U, K)
        Outcomes of proxies, what else proxies say, and auxiliary columns.
    k_outcomes, k_proxies : int
        How many of these are outcomes of proxies, and all that proxies say.
    labeled : ndarray (L,)
        Place of the labelled ones among the `units`.
    y : ndarray (L,)
        Their labels.
    key : ndarray (U,) of uint64
        A number for each, by its identity alone.
    """

    units: Positions
    columns: Floats
    k_outcomes: int
    k_proxies: int
    labeled: Positions
    y: Floats
    key: Any


def with_auxiliary(
    problem: AlignedProblem, clusters: Clusters | None = None
) -> tuple[AlignedProblem, Recalibration | None]:
    """The problem with the source that its auxiliary columns make, if it has any."""
    given, design = problem.auxiliary, problem.design
    if given is None:
        return problem, None
    kept = slice(None) if design.kept is None else design.kept
    values, units = given.columns[kept], problem.units[kept]
    rows = _borrowed(design, values)
    learner = problem.options.learner
    called = "ridge regression" if learner is None else type(learner).__name__
    nothing = np.full(design.n_units, -1)
    made = Recalibration(given.names, called, nothing, np.nan, np.nan, "", problem)
    check_coverage(rows.units, design.labeled_units, NAME, units, design.k_params)
    inputs = _inputs(design, rows, values, units)
    reason = _too_few(design, inputs, clusters)
    if reason:
        return problem, replace(made, reason=reason)
    fold = _folds(inputs, clusters)
    predicted = _cross_fit(inputs, fold, problem.target, learner)
    gain, error = _gain(design, inputs, predicted, clusters)
    folds = nothing.copy()
    folds[inputs.units] = fold
    made = replace(made, folds=folds, gain=gain, gain_error=error)
    if not gain > LEAST_GAIN * error:
        reason = (
            "it predicts the labels no better than the proxies do (squared error "
            f"{-100 * gain + 0.0:+.1f} %, standard error {100 * error:.1f} %)"
        )
        return problem, replace(made, reason=reason)
    by_unit = np.full(design.n_units, np.nan)
    by_unit[inputs.units] = predicted[0]
    source = replace(rows, endog=by_unit[rows.unit_positions])
    check_source_design(source.exog, NAME, column_names(problem.exog))
    return replace(problem, design=_added(design, source)), made


def _added(design: AlignedDesign, source: SourceArrays) -> AlignedDesign:
    """The design with one more source."""
    rows = rows_of_labeled(source, design.labeled_units)
    return replace(
        design,
        source_rows=(*design.sources, source),
        labeled_sources=(*design.labeled_sources, rows),
    )


def _borrowed(design: AlignedDesign, values: Floats) -> SourceArrays:
    """
    Rows of the first proxy that covers each unit, where no column is missing.

    Shapes: `values` (T, k).
    """
    if NAME in design.names:
        raise DataError(
            f"A source is named {NAME!r}, as the one that auxiliary= makes is. "
            "Rename it."
        )
    proxies = [s for s in design.sources if s.kind == "proxy"]
    if not proxies:
        raise DataError(
            "auxiliary= needs a proxy: the columns say where a prediction of the "
            "outcome errs. Give proxy=, for all units."
        )
    usable: Bools = np.asarray(~np.isnan(values).any(axis=1))
    covered = np.zeros(design.n_units, dtype=bool)
    parts = []
    for proxy in proxies:
        units = proxy.unit_positions
        keep = np.asarray(usable[units] & ~covered[units])
        covered[units] = True
        own = np.flatnonzero(keep)
        parts.append(proxy if len(own) == len(keep) else proxy.take(own, units[own]))
    parts = [part for part in parts if len(part.endog)]
    dropped = int((covered & ~usable).sum())
    if not parts:
        raise DataError(
            "auxiliary= has no unit of which no column is missing and that a proxy "
            "covers. Complete the columns."
        )
    rows = parts[0] if len(parts) == 1 else _joined(parts)
    return replace(rows, name=NAME, kind="auxiliary", n_dropped=dropped)


def _joined(parts: list[SourceArrays]) -> SourceArrays:
    """Rows of several sources that cover different units, by unit."""
    units = np.concatenate([part.unit_positions for part in parts])
    order = np.argsort(units, kind="stable")
    rows = stacked_rows(parts).take(order, units[order])
    return SourceArrays(
        rows.endog,
        rows.exog,
        rows.units,
        rows.offset,
        rows.weights,
        any(part.has_replicates for part in parts),
    )


def _inputs(
    design: AlignedDesign, rows: SourceArrays, values: Floats, units: pd.Index
) -> _Inputs:
    """
    Columns of the units that the source covers.

    Shapes: `values` (T, k), `units` (T,).
    """
    at = np.unique(rows.unit_positions)
    proxies = [s for s in design.sources if s.kind == "proxy"]
    said = [
        mean_by_unit(p.endog[:, None], p.units, design.n_units)[at, 0] for p in proxies
    ]
    gaps = [np.isnan(own) for own in said]
    # A proxy that does not cover a unit says the mean of what it says, and that it
    # does not cover it.
    outcomes = [
        np.where(gap, own[~gap].mean() if not gap.all() else 0.0, own)
        for own, gap in zip(said, gaps, strict=True)
    ]
    absent = [gap.astype(float) for gap in gaps if gap.any()]
    exog = mean_by_unit(rows.exog, rows.units, design.n_units)[at]
    other = [exog[:, np.ptp(exog, axis=0) > 0.0]]
    if rows.offset is not None:
        other.append(mean_by_unit(rows.offset[:, None], rows.units, design.n_units)[at])
    of_proxies = np.column_stack([*outcomes, *absent, *other])
    place = np.full(design.n_units, -1)
    place[at] = np.arange(len(at))
    labeled = place[design.labeled_units]
    key = pd.util.hash_pandas_object(units[at], index=False).to_numpy()
    return _Inputs(
        at,
        np.hstack([of_proxies, values[at]]),
        len(proxies),
        of_proxies.shape[1],
        labeled[labeled >= 0],
        design.labeled.endog[labeled >= 0],
        key,
    )


def _too_few(design: AlignedDesign, inputs: _Inputs, clusters: Clusters | None) -> str:
    """Why nothing can be learned, if so."""
    n = len(inputs.labeled)
    if design.n_labeled == design.n_units:
        return "every unit is labelled"
    if n < FEWEST_LABELS:
        return f"{count(n, 'label')} are too few to learn from ({FEWEST_LABELS})"
    needed = design.k_params * (2 + design.k_sources)
    if design.n_labeled <= needed:
        return f"{count(design.n_labeled, 'label')} are too few for one more source"
    if clusters is not None:
        at = inputs.units[inputs.labeled]
        if len(np.unique(clusters.of_units[at])) < 2:
            return "all labels are in one cluster"
    return ""


def _folds(inputs: _Inputs, clusters: Clusters | None) -> Positions:
    """
    Fold of each unit, by its identity alone.

    As many labelled ones in each fold as can be, and as many of the others; clusters
    stay together.

    Shapes: (U,).
    """
    if clusters is None:
        inside = np.zeros(len(inputs.units), dtype=bool)
        inside[inputs.labeled] = True
        return dealt_folds(inputs.key, inside, min(FOLDS, int(inside.sum())))
    of_units = clusters.of_units[inputs.units]
    key = np.full(clusters.n_all, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(key, of_units, inputs.key)
    with_labels = np.zeros(clusters.n_all, dtype=bool)
    with_labels[of_units[inputs.labeled]] = True
    folds = min(FOLDS, int(with_labels.sum()))
    return np.asarray(dealt_folds(key, with_labels, folds)[of_units])


def _cross_fit(
    inputs: _Inputs, fold: Positions, score: TargetScore, learner: Any
) -> tuple[Floats, Floats]:
    """
    Predictions for all units, and by the proxies alone for labelled ones.

    Shapes: `fold` (U,) -> (U,), (L,).
    """
    # Whatever is summed is in an order that rows do not have a part in.
    some = np.argsort(inputs.key, kind="stable")[:_SAMPLE]
    basis = Basis.of(inputs.columns[some], inputs.k_proxies, inputs.k_outcomes)
    order = np.argsort(inputs.key[inputs.labeled], kind="stable")
    labeled, y = inputs.labeled[order], inputs.y[order]
    raw = inputs.columns[labeled]
    columns, of_labeled = basis(raw), fold[labeled]
    full, alone = np.empty(len(fold)), np.empty(len(labeled))
    predictors: list[Predictor] = []
    for k in range(int(of_labeled.max()) + 1):
        seen, out = of_labeled != k, of_labeled == k
        own, clip = y[seen], partial(_within, y[seen], score)
        learn = partial(
            learned, basis, columns[seen], own, binary=_is_binary(own, score)
        )
        alone[order[out]] = clip(learn(proxies_alone=True)(columns[out]))
        if learner is None:
            predict = _after(basis, learn(proxies_alone=False))
        else:
            predict = learned_by(learner, raw[seen], own)
        predictors.append(_after_clip(predict, clip))
    for block in _blocks(len(fold)):
        for k, predict in enumerate(predictors):
            rows = block[fold[block] == k]
            if len(rows):
                full[rows] = predict(inputs.columns[rows])
    if learner is not None:
        refuse_no_numbers(full, learner)
    return full, alone


def _after(basis: Basis, predict: Predictor) -> Predictor:
    return lambda rows: predict(basis(rows))


def _after_clip(predict: Predictor, clip: Any) -> Predictor:
    return lambda rows: np.asarray(clip(predict(rows)))


def _blocks(size: int) -> Iterator[Positions]:
    for start in range(0, size, _BLOCK):
        yield np.arange(start, min(start + _BLOCK, size))


def _is_binary(y: Floats, score: TargetScore) -> bool:
    """Whether a logistic regression is asked for."""
    shares = score.low == 0.0 and score.high == 1.0
    return shares or bool(np.isin(y, (0.0, 1.0)).all())


def _within(y: Floats, score: TargetScore, values: Floats) -> Floats:
    """
    Predictions within the range of the outcome, and not far beyond the labels.

    Shapes: `y` (n,), `values` (R,).
    """
    low, high = float(y.min()), float(y.max())
    least = low - (high - low) / 2
    if score.low_open and least <= score.low:
        least = score.low + (low - score.low) / 10
    return np.clip(
        values, max(least, score.low), min(high + (high - low) / 2, score.high)
    )


def _gain(
    design: AlignedDesign,
    inputs: _Inputs,
    predicted: tuple[Floats, Floats],
    clusters: Clusters | None,
) -> tuple[float, float]:
    """Share of the squared error that is taken off, and its standard error."""
    full, alone = predicted
    before = (inputs.y - alone) ** 2
    less = before - (inputs.y - full[inputs.labeled]) ** 2
    scale = float(before.mean())
    if scale == 0.0:
        return 0.0, 0.0
    n, off = len(less), (less - less.mean())[:, None]
    if clusters is not None:
        at = clusters.of_units[inputs.units[inputs.labeled]]
        off = cluster_sums(off, at, clusters.n_labeled)
    error = float(np.sqrt((off**2).sum()) / n)
    return float(less.mean()) / scale, error / scale

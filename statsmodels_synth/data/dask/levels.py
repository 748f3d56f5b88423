"""Outcomes with levels in Dask: found in a pass of their own, then read as codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import dask
import pandas as pd

from statsmodels_synth.data.dask.dask_rows import compute, meta_of, tree
from statsmodels_synth.data.forms import GivenSource, require_source_column
from statsmodels_synth.data.levels import (
    Codebook,
    check_known,
    learn_levels,
    require_column,
)
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.problem.scores import LevelScore


class Coded(NamedTuple):
    """
    Frames whose outcomes are codes.

    Parameters
    ----------
    data : dask DataFrame
        Data.
    given : list of GivenSource
        The sources.
    frames : list of dask DataFrame
        Their frames, of those that have one.
    score : LevelScore
        The target model, which knows the codes.
    """

    data: Any
    given: list[GivenSource]
    frames: list[Any]
    score: LevelScore


def code_partitions(
    data: Any,
    given: Sequence[GivenSource],
    frames: Sequence[Any],
    response: Sequence[str],
    left: str,
    score: LevelScore,
) -> Coded:
    """
    The outcome in every frame as codes, and the score that knows them.

    As in memory, but that levels are found in a pass over the outcomes.
    """
    require_column(response, left, score)
    columns: dict[str, Any] = {}
    own = iter(frames)
    for source in given:
        frame = None if source.frame is None else next(own)
        if frame is not None and left in frame.columns:
            columns[source.name] = frame[left]
        elif frame is None and left in source.columns:
            columns[source.name] = _column_of(data, source, left, score)
    labels, *others = _levels([data[left], *columns.values()])
    values = labels.index.to_series()
    book = Codebook(learn_levels(values, score, left))
    check_known(values, book, "data", is_source=False, counts=labels)
    codes: dict[str, dict[Any, float]] = {}
    for name, rows in zip(columns, others, strict=True):
        where = f"Source {name!r}"
        check_known(rows.index.to_series(), book, where, is_source=True, counts=rows)
        codes[name] = book.codes_of(is_short=len(rows) < len(book.levels))
    changed, sources = [], []
    new = {left: _coded(data[left], book.code)}
    own = iter(frames)
    for source in given:
        frame = None if source.frame is None else next(own)
        named = dict(source.columns)
        if source.name in codes and frame is not None:
            column = _coded(columns[source.name], codes[source.name])
            frame = frame.assign(**{left: column})
        elif source.name in codes:
            named[left] = f"{left} ({source.name})"
            new[named[left]] = _coded(columns[source.name], codes[source.name])
        meta = None
        if frame is not None:
            meta = meta_of(frame)
            changed.append(frame)
        sources.append(replace(source, frame=meta, columns=named))
    told = score.told_levels(book.levels, book.table)
    return Coded(data.assign(**new), sources, changed, told)


def _column_of(data: Any, source: GivenSource, left: str, score: LevelScore) -> Any:
    """The column of data that a source has for the outcome."""
    named = source.columns[left]
    if isinstance(named, str):
        require_source_column(source, left, named, data.columns)
    if not isinstance(named, str):
        raise OptionError(
            f"Source {source.name!r} has a probability for each level of {left!r}, "
            "which with rows in Dask partitions is not available. Give the level that "
            "is most probable, as one column; or, with two levels, the binomial family "
            f"in place of {score.called} and one probability."
        )
    return data[named]


def _levels(columns: Sequence[Any]) -> list[pd.Series]:
    """Rows by level of each column, in one pass."""
    step = dask.delayed(_counts)
    found = [tree([step(part) for part in c.to_delayed()], _added) for c in columns]
    return list(compute(found))


def _counts(values: pd.Series) -> pd.Series:
    """Rows by level; of a categorical its own order is kept."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.value_counts().loc[lambda rows: rows > 0]
    return values.dropna().astype(object).value_counts()


def _added(parts: list[pd.Series]) -> pd.Series:
    """Rows by level of several parts."""
    dtype = parts[0].index.dtype
    rows = pd.concat([p.set_axis(p.index.astype(object)) for p in parts])
    total = rows.groupby(level=0, sort=False).sum()
    found: pd.Series = total.set_axis(total.index.astype(dtype))
    return found


def _coded(column: Any, codes: dict[Any, float]) -> Any:
    """A column of codes, which stays in its partitions."""
    return column.map_partitions(_mapped, codes, meta=(column.name, "float64"))


def _mapped(values: pd.Series, codes: dict[Any, float]) -> pd.Series:
    return values.astype(object).map(codes).astype(float)

"""Rows in Dask: reading, matching partitions by unit, and sums over them as a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
import operator
import os
from pathlib import Path
import sys
from typing import Any, TypeVar

import dask
from dask.base import get_scheduler
import dask.dataframe as dd
from dask.diagnostics import ProgressBar
import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth._arrays import Floats
from statsmodels_synth.design import SourceArrays, SourceFacts, Sums
from statsmodels_synth.exceptions import AlignmentError, DataError, suggest
from statsmodels_synth.partitions.parts import (
    PartPlan,
    apply,
    evaluate,
    group_scores,
    group_sizes,
)
from statsmodels_synth.scores import Score

#: Results that are added up at once.
FAN_IN = 8
#: Seconds that a pass takes before its progress is shown.
PATIENCE = 5.0
#: Share of the memory that evaluated parts may take; else they are evaluated anew in
#: every pass.
MEMORY_SHARE = 0.4

Value = TypeVar("Value")


def read_frame(value: object, where: str) -> Any:
    """
    A Dask DataFrame of whatever was given.

    Parameters
    ----------
    value : dask DataFrame or Series, path of Parquet files, or pandas DataFrame
        What was given.
    where : str
        "data" or the source, for messages.

    Returns
    -------
    dask.dataframe.DataFrame
        Lazy.

    Raises
    ------
    DataError
        If there is no Parquet file.
    """
    if isinstance(value, (str, Path)):
        path = os.fspath(value)
        try:
            return dd.read_parquet(path, calculate_divisions=True)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{where}: {path!r} cannot be read as Parquet: {error}. Give the path "
                "of a Parquet file or of a folder of such files, or a DataFrame."
            ) from error
    if isinstance(value, dd.Series):
        return value.to_frame()
    if isinstance(value, dd.DataFrame):
        return value
    return dd.from_pandas(value, npartitions=1, sort=True)


def matched_frames(frames: Sequence[Any], names: Sequence[str], on: Any) -> list[Any]:
    """
    The same frames, cut so that all rows of a unit are in partitions of one number.

    Parameters
    ----------
    frames : sequence of dask DataFrame
        Data, then the sources that have a frame of their own.
    names : sequence of str
        What messages call them.
    on : str or None
        Column that identifies units; the index if None.

    Returns
    -------
    list of dask DataFrame
        With equal divisions.

    Raises
    ------
    AlignmentError
        If the divisions of a frame are not known, or units cannot be compared.
    """
    if isinstance(on, (list, tuple)):
        if len(on) != 1:
            raise AlignmentError(
                f"on={on!r} names several columns, and partitions are matched by one. "
                "Join them into one column first."
            )
        on = on[0]
    if on is not None:
        for frame, name in zip(frames, names, strict=True):
            if on not in frame.columns and frame.index.name != on:
                raise AlignmentError(f"{name} has no column {on!r} (on={on!r}).")
        frames = [f.set_index(on, drop=False) if on in f.columns else f for f in frames]
    for frame, name in zip(frames, names, strict=True):
        if not frame.known_divisions:
            raise AlignmentError(
                f"{name}: it is not known which units are in which partition (its "
                "divisions), so that rows of a unit cannot be brought together. Set "
                "on= to the column that identifies units, or set a sorted index: "
                "frame.set_index('unit'), or when reading Parquet "
                "read_parquet(..., index='unit', calculate_divisions=True)."
            )
    try:
        low = min(frame.divisions[0] for frame in frames)
        high = max(frame.divisions[-1] for frame in frames)
        largest = max(frames, key=lambda frame: frame.npartitions)
        inner = [d for d in largest.divisions if low < d < high]
    except TypeError as error:
        kinds = ", ".join(
            f"{name}: {frame.divisions[0]!r}"
            for frame, name in zip(frames, names, strict=True)
        )
        raise AlignmentError(
            f"Units of the frames cannot be compared ({kinds}). Use the same "
            "identifiers in all of them, or set on=."
        ) from error
    divisions = (low, *inner, high)
    return [
        frame
        if tuple(frame.divisions) == divisions
        else frame.repartition(divisions=divisions, force=True)
        for frame in frames
    ]


def compute(value: Any) -> Any:
    """
    Compute with the current scheduler, with progress where it takes long.

    Parameters
    ----------
    value : Delayed, or list of Delayed
        What to compute.

    Returns
    -------
    object
        The value.
    """
    client = _client()
    if client is None:
        with ProgressBar(minimum=PATIENCE, out=sys.stderr):
            return dask.compute(value)[0]
    from distributed import progress, wait  # noqa: PLC0415 - only where it is in use

    futures = client.compute(value)
    try:
        wait(futures, timeout=PATIENCE)
    except TimeoutError:
        # Once a second: it may end up in a log.
        progress(futures, notebook=False, interval="1s")
    return client.gather(futures)


def _client() -> Any:
    """The client of a distributed cluster that would be used now, or None."""
    owner = getattr(get_scheduler(), "__self__", None)
    return owner if hasattr(owner, "scheduler_info") else None


def tree(
    values: Sequence[Any], combine: Callable[[list[Any]], Any], fan_in: int = FAN_IN
) -> Any:
    """
    Combine delayed values in steps, so that few are in one place at a time.

    Parameters
    ----------
    values : sequence of Delayed
        At least one.
    combine : callable
        Takes a list of values; associative.
    fan_in : int
        Length of these lists.

    Returns
    -------
    Delayed
        The combination of all, in their order.
    """
    step = dask.delayed(combine)
    while len(values) > 1:
        values = [
            step(list(values[k : k + fan_in])) for k in range(0, len(values), fan_in)
        ]
    return values[0]


def add_up(values: Iterable[Any]) -> Any:
    """
    Sum from left to right.

    Parameters
    ----------
    values : iterable
        At least one.

    Returns
    -------
    object
        The sum.
    """
    return reduce(operator.add, values)


@dataclass(frozen=True)
class PartFrames:
    """
    Frames with the same number of partitions, and what of them is used.

    Parameters
    ----------
    frames : tuple of dask DataFrame
        Data, then the sources that have a frame of their own, with all columns.
    needed : tuple of list of str
        Columns of each that the model needs.
    """

    frames: tuple[Any, ...]
    needed: tuple[list[str], ...]

    def parts(self, column: str | None = None) -> list[tuple[Any, ...]]:
        """
        Frames of each part.

        Parameters
        ----------
        column : str, optional
            A column besides those needed, of whichever frame has it.

        Returns
        -------
        list of tuple of Delayed
            One tuple per part.

        Raises
        ------
        DataError
            If no frame has the column.
        """
        known = {str(name) for frame in self.frames for name in frame.columns}
        if column is not None and column not in known:
            raise DataError(
                f"groups={column!r} is not a column of data or of a source."
                f"{suggest(column, sorted(known))}"
            )
        used = [
            frame[[name for name in frame.columns if name in {*needed, column}]]
            for frame, needed in zip(self.frames, self.needed, strict=True)
        ]
        return list(zip(*(frame.to_delayed() for frame in used), strict=True))


@dataclass(frozen=True)
class DaskPartitions:
    """
    Rows of the sources in Dask partitions.

    Parameters
    ----------
    parts : tuple of Delayed
        Each a :class:`~statsmodels_synth.partitions.parts.Part`.
    facts : tuple of SourceFacts
        The sources.
    samples : tuple of SourceArrays
        Some rows of each.
    keep : tuple of int
        Which sources of the parts take part.
    plan : PartPlan
        What every part knows of the whole.
    frames : PartFrames
        What the parts are made of.
    """

    parts: tuple[Any, ...]
    facts: tuple[SourceFacts, ...]
    samples: tuple[SourceArrays, ...]
    keep: tuple[int, ...]
    plan: PartPlan
    frames: PartFrames

    def total(self, function: Callable[[tuple[SourceArrays, ...], int], Sums]) -> Sums:
        """See :class:`~statsmodels_synth.design.Partitions`."""
        step = dask.delayed(apply)
        done = [step(function, self.keep, part) for part in self.parts]
        return compute(tree(done, add_up))  # type: ignore[no-any-return]

    def groups(self, column: str) -> tuple[NDArray[Any], pd.Series]:
        """See :class:`~statsmodels_synth.design.Partitions`."""
        step, plan = dask.delayed(group_sizes), dask.delayed(self.plan)
        found = [step(plan, column, *part) for part in self.frames.parts(column)]
        labeled, sizes = compute(tree(found, _join_sizes))
        return labeled, sizes

    def group_scores(self, column: str, score: Score, eta: Floats) -> pd.DataFrame:
        """See :class:`~statsmodels_synth.design.Partitions`."""
        step, plan = dask.delayed(group_scores), dask.delayed(self.plan)
        parts = self.frames.parts(column)
        found = [step(plan, column, self.keep, score, eta, *part) for part in parts]
        return pd.DataFrame(compute(tree(found, _join_sums)))

    def with_sources(self, keep: Sequence[int]) -> DaskPartitions:
        """See :class:`~statsmodels_synth.design.Partitions`."""
        return replace(
            self,
            facts=tuple(self.facts[m] for m in keep),
            samples=tuple(self.samples[m] for m in keep),
            keep=tuple(self.keep[m] for m in keep),
        )


def _join_sizes(
    found: list[tuple[NDArray[Any], pd.Series]],
) -> tuple[NDArray[Any], pd.Series]:
    """Groups of several parts."""
    sizes = pd.concat([sizes for _, sizes in found])
    return np.concatenate([labeled for labeled, _ in found]), _by_label(sizes)


def _join_sums(found: list[pd.DataFrame]) -> pd.DataFrame:
    """Sums by group over several parts."""
    return pd.DataFrame(_by_label(pd.concat(found)))


def _by_label(rows: Any) -> Any:
    return rows.groupby(level=0, sort=False).sum()


def evaluated(
    plan: PartPlan, frames: Sequence[tuple[Any, ...]], nbytes: int
) -> tuple[Any, ...]:
    """
    The parts as arrays, kept in memory where there is enough of it.

    Parameters
    ----------
    plan : PartPlan
        With the learned formula.
    frames : sequence of tuple of Delayed
        Frames of each part.
    nbytes : int
        What the arrays of all parts take.

    Returns
    -------
    tuple of Delayed
        Each a :class:`~statsmodels_synth.partitions.parts.Part`.
    """
    shared, step = dask.delayed(plan), dask.delayed(evaluate)
    parts = tuple(step(shared, *part) for part in frames)
    if nbytes <= MEMORY_SHARE * _memory():
        parts = dask.persist(*parts)
    return parts


def _memory() -> float:
    """Bytes that the workers have, or that are free on this machine."""
    client = _client()
    if client is not None:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        return float(sum(worker["memory_limit"] or 0 for worker in workers))
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):  # not on this system
        return 2.0**30


def is_partitioned(value: object) -> bool:
    """
    Whether a value is a Dask collection.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    bool
        Also for a Dask Series.
    """
    return isinstance(value, (dd.DataFrame, dd.Series))


def meta_of(frame: Any) -> pd.DataFrame:
    """
    An empty frame with the columns and types of a Dask DataFrame.

    Parameters
    ----------
    frame : dask DataFrame
        The frame.

    Returns
    -------
    DataFrame
        Without rows.
    """
    return frame._meta.copy()  # type: ignore[no-any-return]

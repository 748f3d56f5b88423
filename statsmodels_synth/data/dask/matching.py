"""Partitions matched by unit, and what must not be matched at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
import itertools
from typing import Any, NamedTuple

import dask
import dask.dataframe as dd
import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth.core.messages import count, show, unknown_column
from statsmodels_synth.data.compared import CountedFrame, as_in
from statsmodels_synth.data.dask.dask_rows import compute, meta_of, objects_kept
from statsmodels_synth.data.row_order import (
    disagreeing,
    is_counted,
    may_be_others,
    other_order,
    share_needed,
)
from statsmodels_synth.exceptions import AlignmentError, DataError

#: Units of a partition from which it is decided where the frame is cut.
_SOME_UNITS = 200


@dataclass(frozen=True)
class PartFrames:
    """
    Frames as they were given, and what of them is used.

    Parameters
    ----------
    frames : tuple of dask DataFrame
        Data, then the sources that have a frame of their own.
    needed : tuple of list of str
        Columns of each that the model needs.
    names : tuple of str
        What messages call them.
    matched : bool
        Whether they are matched by unit.
    on : str or None
        Column that identifies units; the index if None.
    """

    frames: tuple[Any, ...]
    needed: tuple[list[str], ...]
    names: tuple[str, ...]
    matched: bool
    on: Any

    @property
    def columns_of_data(self) -> list[str]:
        """Columns of data that the model needs."""
        return self.needed[0]

    def parts(self, column: str | None = None) -> list[tuple[Any, ...]]:
        """Frames of each part."""
        known = {str(name) for frame in self.frames for name in frame.columns}
        if column is not None and column not in known:
            raise unknown_column(f"groups={column!r}", column, known)
        # Dask reads several files as one partition where few columns are wanted: it is
        # to decide that now, before partitions are counted and matched.
        used = [
            frame[
                [name for name in frame.columns if name in {*needed, column}]
            ].optimize()
            for frame, needed in zip(self.frames, self.needed, strict=True)
        ]
        if self.matched:
            used = matched_frames(used, self.names, self.on)
        return list(zip(*(frame.to_delayed() for frame in used), strict=True))


def matched_frames(frames: Sequence[Any], names: Sequence[str], on: Any) -> list[Any]:
    """The same frames, cut so that rows of a unit are in partitions of one number."""
    if isinstance(on, (list, tuple)):
        if len(on) != 1:
            raise AlignmentError(
                f"on={on!r} names several columns, and partitions are matched by one. "
                "Join them into one column first."
            )
        on = on[0]
    frames = [
        _by_unit(frame, name, on) for frame, name in zip(frames, names, strict=True)
    ]
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
            f"Units of the frames cannot be compared: text here, numbers there "
            f"({kinds}). Use the same identifiers in all of them."
        ) from error
    divisions = (low, *inner, high)
    return [
        frame
        if tuple(frame.divisions) == divisions
        else _in_place(frame, name).repartition(divisions=divisions, force=True)
        for frame, name in zip(frames, names, strict=True)
    ]


def _by_unit(frame: Any, name: str, on: Any) -> Any:
    """The frame with units as its index, and known divisions."""
    if on is not None and on not in frame.columns and frame.index.name != on:
        raise AlignmentError(f"{name} has no column {on!r} (on={on!r}).")
    meta = meta_of(frame)
    column = on is not None and on in frame.columns
    kind = meta[on].dtype if column else meta.index.dtype
    if isinstance(kind, pd.CategoricalDtype):
        raise AlignmentError(
            f"{name}: units are categories, which Dask does not sort. Make them text "
            "or numbers, with astype()."
        )
    if column:
        try:
            return _sorted_by(frame, name, on)
        except (NotImplementedError, TypeError, ValueError) as error:
            raise AlignmentError(
                f"{name} cannot be sorted by {on!r}: {error} Every row needs a unit, "
                "and all units must be of one type."
            ) from error
    if not frame.known_divisions:
        raise AlignmentError(
            f"{name}: it is not known which units are in which partition (its "
            "divisions), so that rows of a unit cannot be brought together. Set "
            "on= to the column that identifies units, or set a sorted index: "
            "frame.set_index('unit'), or when reading Parquet "
            "read_parquet(..., index='unit', calculate_divisions=True)."
        )
    return frame


class Ends(NamedTuple):
    """
    First and last unit of a partition, and some between.

    Parameters
    ----------
    first, last : object
        None where there is no row.
    some : ndarray
        Sorted.
    """

    first: Any
    last: Any
    some: NDArray[Any]


def _ends(part: pd.DataFrame, on: str, name: str) -> Ends:
    units = part[on].dropna().sort_values()
    if len(units) < len(part):
        raise AlignmentError(
            f"{name} has {count(len(part) - len(units), 'row')} whose unit is missing. "
            "Every row needs one."
        )
    if not len(units):
        return Ends(None, None, np.empty(0, dtype=object))
    spread = np.unique(np.linspace(0, len(units) - 1, _SOME_UNITS).astype(int))
    some = units.iloc[spread].to_numpy(dtype=object)
    return Ends(some[0], some[-1], some)


def _sorted_by(frame: Any, name: str, on: str) -> Any:
    """
    The frame with a column as its index, and divisions that hold.

    Dask's own divisions of numbers are rounded, and rows then not where these say.
    """
    step, meta = dask.delayed(_ends), meta_of(frame).set_index(on, drop=False)
    parts = frame.to_delayed()
    ends: list[Ends] = compute([step(part, on, name) for part in parts])
    filled = [k for k, end in enumerate(ends) if len(end.some)]
    if not filled:
        raise DataError(f"{name} has no rows.")
    pairs = itertools.pairwise(filled)
    if all(ends[k].last < ends[later].first for k, later in pairs):
        index = dask.delayed(_indexed)
        divisions = [*(ends[k].first for k in filled), ends[filled[-1]].last]
        return _from_parts([index(parts[k], on) for k in filled], meta, divisions)
    pooled = np.sort(np.concatenate([ends[k].some for k in filled]))
    at = np.linspace(0, len(pooled) - 1, len(filled) + 1).astype(int)
    inner = list(dict.fromkeys(pooled[at[1:-1]]))
    low, high = pooled[0], pooled[-1]
    divisions = [low, *(unit for unit in inner if low < unit < high), high]
    return frame.set_index(on, drop=False, divisions=divisions)


def _indexed(part: pd.DataFrame, on: str) -> pd.DataFrame:
    return part.set_index(on, drop=False)


def _from_parts(parts: list[Any], meta: pd.DataFrame, divisions: Sequence[Any]) -> Any:
    """Dask frame of delayed partitions."""
    with objects_kept():
        return dd.from_delayed(
            parts, meta=meta, divisions=tuple(divisions), verify_meta=False
        )


def _in_place(frame: Any, name: str) -> Any:
    """
    The frame, whose rows are looked at when they are read.

    To cut a partition is to leave out what is not between its divisions; rows that
    should not be there would be lost without a word.
    """
    step, ends = dask.delayed(_checked), list(frame.divisions)
    parts = [
        step(part, low, high, name)
        for part, low, high in zip(frame.to_delayed(), ends[:-1], ends[1:], strict=True)
    ]
    return _from_parts(parts, meta_of(frame), ends)


def _checked(part: pd.DataFrame, low: Any, high: Any, name: str) -> pd.DataFrame:
    units = part.index
    if len(units) and units.hasnans:
        raise AlignmentError(
            f"{name} has rows whose unit is missing. Every row needs one."
        )
    outside = units[(units < low) | (units > high)] if len(units) else units
    if len(outside):
        raise AlignmentError(
            f"{name}: unit {show(outside[0])} is in a partition that should go from "
            f"{show(low)} to {show(high)}. Its divisions are wrong. Set the index "
            "anew: frame.reset_index().set_index(...)."
        )
    return part


def refuse_counted(frames: PartFrames, n_rows: Sequence[int]) -> None:
    """Raise if rows were matched by position, though frames count other units."""
    data, *sources = (
        (frame, name, _is_counted(frame, n))
        for frame, name, n in zip(frames.frames, frames.names, n_rows, strict=True)
    )
    advice = (
        "Set on= to the column that identifies units, or set the index of both frames."
    )
    for source in sources:
        for (keyed, its, _), (other, name, counted) in (
            (data, source),
            (source, data),
        ):
            key = keyed.index.name
            if key is not None and counted and key in other.columns:
                raise AlignmentError(
                    f"The units of {its} are its index {key!r}; {name} has a column "
                    f"{key!r} and a default index, which would be matched by position. "
                    f"Set on={key!r}."
                )
        last = [frame.divisions[-1] for frame in (data[0], source[0])]
        if not source[2] or last[0] == last[1]:
            continue
        if data[2]:
            raise AlignmentError(
                f"data and {source[1]} have default indexes of different length "
                f"({last[0] + 1} and {last[1] + 1}), so rows would be matched by "
                f"position. {advice}"
            )
        if last[0] > last[1] or data[0].divisions[0] < 0:
            raise AlignmentError(
                f"data has units that {source[1]}, with its default index 0 to "
                f"{last[1]}, does not have, so the two may not count the same units. "
                f"{advice}"
            )


def _is_counted(frame: Any, n_rows: int) -> bool:
    """Whether the index is 0, 1, ... without a name."""
    index = meta_of(frame).index
    return (
        index.name is None
        and pd.api.types.is_integer_dtype(index.dtype)
        and frame.divisions[0] == 0
        and frame.divisions[-1] == n_rows - 1
    )


def refuse_other_units(
    frames: PartFrames, response: set[str], regressors: set[str]
) -> None:
    """
    Raise if a shared column says that rows matched by position are of other units.

    Only some partitions are read for it; where their rows disagree, their values are
    looked for in all of data.
    """
    data = frames.frames[0]
    for frame, name in zip(frames.frames[1:], frames.names[1:], strict=True):
        indexes = [meta_of(own).index for own in (data, frame)]
        if not (all(map(is_counted, indexes)) and may_be_others(*indexes)):
            continue
        pair = replace(
            frames,
            frames=(data, frame),
            needed=(list(data.columns), list(frame.columns)),
            names=(frames.names[0], name),
        )
        parts = pair.parts()
        some = sorted({0, len(parts) // 2, len(parts) - 1})
        for own, its in compute([dask.delayed(tuple)(parts[k]) for k in some]):
            _refuse_rows(
                CountedFrame("data", own),
                CountedFrame(name[:1].lower() + name[1:], its),
                [part[0] for part in parts],
                response,
                regressors,
            )


def _refuse_rows(
    first: CountedFrame,
    second: CountedFrame,
    data: list[Any],
    response: set[str],
    regressors: set[str],
) -> None:
    """Raise if rows of a part disagree, and what they have is elsewhere in data."""
    if not first.frame.index.is_unique:
        return  # refused by itself
    place = first.frame.index.get_indexer(second.frame.index)
    at = place[place >= 0], np.flatnonzero(place >= 0)
    pairs, _ = disagreeing(first, second, response, at)
    for pair in sorted(pairs, key=lambda pair: pair.names[0] in regressors):
        name, some = pair.names[0], pair.some_that_differ()
        if len(some) < 2:
            continue
        step = dask.delayed(_found)
        kind = pair.kind
        found = pd.concat(compute([step(part, name, some, kind) for part in data]))
        needed = 1 if name in regressors else share_needed(name, some)
        if found.is_unique and len(found) >= max(2, needed * len(some)):
            units = second.frame.index[at[1]]
            raise other_order(first, second, [pair], units, regressors)


def _found(part: pd.DataFrame, name: str, some: pd.Series, kind: str) -> pd.Series:
    """Values of a column that are among some."""
    given = part[name] if name in part else pd.Series(part.index)
    column = as_in(given, kind, some)
    return some.iloc[:0] if column is None else column[column.isin(some)]

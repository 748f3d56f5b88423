"""Ids of units, and categories, that would be merged, or told apart, by their type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth.core.arrays import EXACT
from statsmodels_synth.core.messages import count, format_units, show
from statsmodels_synth.exceptions import AlignmentError, DataError

#: Text that is a whole number, as spreadsheets and readers of floats write it.
_WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
#: Share of ids without a match that may differ by capitals alone, by chance.
_MOST_BY_CHANCE = 0.05


def refuse_rounded_ids(index: pd.Index, where: str) -> None:
    """Raise if ids are floating-point numbers so large that neighbours are the same."""
    for level, name in zip(_levels_of(index), index.names, strict=True):
        exact = _exact_up_to(level)
        if exact is None:
            continue
        bad = level[np.abs(level.to_numpy(dtype=float, na_value=np.nan)) >= exact]
        if len(bad):
            called = "" if name is None else f" {name!r}"
            raise AlignmentError(
                f"{where}: the ids{called} of {count(len(bad), 'unit')} are "
                f"floating-point numbers of 2**{exact.bit_length() - 1} or more "
                f"({format_units(bad)}), where neighbouring integers are the same "
                "number, so units may have been merged. Read the ids as text or "
                "integers, for example with read_csv(..., dtype={'id': str}); a gap in "
                "the column is what makes it floating-point."
            )


def _levels_of(index: pd.Index) -> list[pd.Index]:
    """Distinct ids of each level; of a flat index the ids themselves."""
    return list(index.levels) if isinstance(index, pd.MultiIndex) else [index]


def _exact_up_to(level: pd.Index) -> int | None:
    """Up to where floats of this type hold every integer; None where it has others."""
    if level.dtype == object:
        kind = pd.api.types.infer_dtype(level, skipna=True)
        return EXACT if kind in ("floating", "mixed-integer-float") else None
    if not pd.api.types.is_float_dtype(level.dtype):
        return None
    digits: int = np.finfo(level.to_numpy(na_value=np.nan).dtype).nmant + 1
    return 1 << digits


def refuse_mixed_ids(ids: pd.Index, others: pd.Index, name: str) -> None:
    """Raise if ids are floats in one frame and large integers in the other."""
    pairs = list(zip(_levels_of(ids), _levels_of(others), strict=False))
    for pair in [*pairs, *((b, a) for a, b in pairs)]:
        integers, floats = pair
        if pd.api.types.is_float_dtype(floats.dtype) and _is_large(integers):
            raise AlignmentError(
                f"Ids of units are integers beyond 2**53 in one of data and source "
                f"{name!r} and floating-point numbers in the other, which cannot be "
                "matched exactly. Make them text or integers in both; a gap in the "
                "column is what makes it floating-point."
            )


def _is_large(ids: pd.Index) -> bool:
    """Whether there are integers beyond 2**53."""
    if not pd.api.types.is_integer_dtype(ids.dtype) or not len(ids):
        return False
    return max(int(ids.max()), -int(ids.min())) > EXACT


def told_apart(labels: pd.Series) -> pd.Series:
    """Labels that a gap will not make floats of."""
    return labels.astype(object) if _is_large(pd.Index(labels)) else labels


def refuse_ids_of_two_types(
    units: pd.Index, frames: Sequence[tuple[str, pd.Index]]
) -> None:
    """Raise if an id is text in some rows and a number in others: two units."""
    for k, level in enumerate(_levels_of(units)):
        doubled = _of_two_types(level)
        if not doubled:
            continue
        text, number = doubled[0]
        where = [
            " and ".join(name for name, index in frames if id_ in _levels_of(index)[k])
            for id_ in (text, number)
        ]
        raise AlignmentError(
            f"Ids of units are text in some rows and numbers in others: {text!r} "
            f"({where[0]}) and {show(number)} ({where[1]}) would be two units, and so "
            f"would those of {count(len(doubled), 'id')} in all. Make them one type in "
            "data and every source, for example frame['id'].astype(int), or read "
            "them as text in both."
        )


def unmatched_ids(units: pd.Index, others: pd.Index) -> tuple[pd.Index, pd.Index]:
    """
    Distinct text ids on either side that the other does not have, spelt as they are.

    Shapes: `units` (U,), `others` (R,).

    Examples
    --------
    >>> own, its = unmatched_ids(pd.Index(["a", "b"]), pd.Index(["a", "B", "B"]))
    >>> [*own, *its]
    ['b', 'B']
    """
    if units.nlevels != others.nlevels or not any(map(_is_text, _levels_of(others))):
        return units[:0], others[:0]
    distinct = others.unique()  # a source has replicates
    own = units[distinct.get_indexer(units) < 0]
    return own, distinct[units.get_indexer(distinct) < 0]


def some_by_spelling(ids: pd.Index, stride: int) -> pd.Index:
    """
    About one id in so many: which, blanks at the ends and capitals do not matter.

    Shapes: `ids` (U,).
    """
    if stride == 1:
        return ids
    hashes = pd.util.hash_array(np.asarray(_spelt(ids, _folded).astype(str), object))
    return ids[np.flatnonzero(hashes % np.uint64(stride) == 0)]


def refuse_ids_spelt_alike(
    own: pd.Index, its: pd.Index, name: str, on: Any = None, *, stride: int = 1
) -> None:
    """
    Raise if ids that have no match would have one but for blanks, or capitals.

    Each would be a unit of its own, and counted twice. Where capitals tell ids apart
    some are alike by chance, so that a few of many are no error.

    `own` and `its` are those of :func:`unmatched_ids`, or one in so many of them.

    Shapes: `own` (U,), `its` (R,).
    """
    at_least = "" if stride == 1 else "at least "
    for fold, what, remedy, least in (
        (str.strip, "blanks at their ends", "strip()", 0.0),
        (_folded, "capitals", "strip().str.lower()", _MOST_BY_CHANCE),
    ):
        spelt = [_spelt(ids, fold) for ids in (own, its)]
        found = np.flatnonzero(spelt[1].isin(spelt[0]))
        if not len(found) or len(found) <= least * min(len(own), len(its)):
            continue
        theirs = its[found[:1]]
        ours = own[spelt[0].get_indexer_for(spelt[1][found[:1]])[:1]]
        column = "frame.index" if on is None else f"frame[{on!r}]"
        raise AlignmentError(
            f"Ids of {at_least}{count(len(found), 'unit')} of source {name!r} differ "
            f"from those of data or of another source by {what} only, such as "
            f"{format_units(theirs)} and {format_units(ours)}. They would be units of "
            "their own, and counted twice. Write them alike in every frame: "
            f"{column} = {column}.str.{remedy}."
        )


def _is_text(level: pd.Index) -> bool:
    """Whether ids are text, or text among others."""
    if isinstance(level.dtype, pd.CategoricalDtype):
        level = level.dtype.categories
    if level.dtype == object:
        return pd.api.types.infer_dtype(level, skipna=True) in {"string", "mixed"}
    return pd.api.types.is_string_dtype(level.dtype)


def _folded(text: str) -> str:
    """Text without capitals and without blanks at its ends."""
    return text.strip().casefold()


def _spelt(ids: pd.Index, fold: Callable[[str], str]) -> pd.Index:
    """Ids as they would be spelt, numbers as they are."""
    if isinstance(ids, pd.MultiIndex):
        parts = [_spelt(ids.get_level_values(k), fold) for k in range(ids.nlevels)]
        return pd.MultiIndex.from_arrays(parts)
    return pd.Index([fold(v) if isinstance(v, str) else v for v in ids], dtype=object)


def _of_two_types(values: pd.Index) -> list[tuple[str, Any]]:
    """Pairs of a text and a number that are the same, in order of the texts."""
    if values.dtype != object or pd.api.types.infer_dtype(values, skipna=True) in (
        *("string", "integer", "floating", "mixed-integer-float"),
        *("boolean", "bytes", "date", "datetime", "decimal", "empty"),
    ):
        return []
    numbers: dict[Any, Any] = {v: v for v in values if isinstance(v, Real)}
    found = []
    for text in values:
        if isinstance(text, str) and _WHOLE.fullmatch(text.strip()):
            number = numbers.get(int(text.strip().partition(".")[0]))
            if number is not None:
                found.append((text, number))
    return found


def _refuse_labels_of_two_types(values: NDArray[Any], label: str) -> None:
    """Raise if a cluster or stratum is text in some rows and a number in others."""
    doubled = _of_two_types(pd.Index(pd.unique(values))) if values.dtype == "O" else []
    if doubled:
        text, number = doubled[0]
        raise DataError(
            f"{label} has {text!r} as text in some rows and {show(number)} as a number "
            "in others, which would be two groups. Make the column one type in data "
            "and every source, for example with astype(str)."
        )


def check_labels_of_groups(values: NDArray[Any], label: str) -> None:
    """Raise if clusters or strata that differ would be one, or one would be two."""
    _refuse_labels_of_two_types(values, label)
    if values.dtype.kind != "f":
        return
    bad = values[np.abs(values) >= 2 ** (np.finfo(values.dtype).nmant + 1)]
    if len(bad):
        raise DataError(
            f"{label} has {count(len(bad), 'floating-point number')} so large that "
            f"neighbouring integers are the same, such as {show(bad[0])}. Read the "
            "column as text or integers; a gap in it is what makes it floating-point."
        )


def stacked(columns: Sequence[pd.Series]) -> pd.Series:
    """Columns one below the other, without making floats of large integers."""
    kinds = {pd.api.types.is_integer_dtype(c.dtype) for c in columns}
    if len(kinds) > 1 and any(_is_large(pd.Index(c.dropna())) for c in columns):
        columns = [c.astype(object) for c in columns]
    return pd.concat(columns, ignore_index=True)

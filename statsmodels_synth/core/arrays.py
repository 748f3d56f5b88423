"""Array types, and conversions that never broadcast or lose a missing value."""

from __future__ import annotations

from collections.abc import Iterable
import re
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth.core.messages import are, count, format_units, name_units
from statsmodels_synth.exceptions import DataError

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Positions: TypeAlias = NDArray[np.intp]

_BLOCK = 65_536
#: Up to it float64 holds every integer.
EXACT = 2**53
#: Advice that goes with weights of 0.
LEAVE_OUT = " Leave out units that should not count."


def as_floats(value: object, where: str) -> Floats:
    """Convert to a float array, missing values to NaN."""
    if isinstance(value, (pd.Series, pd.DataFrame)):
        return _pandas_floats(value, where)
    try:
        array = np.asarray(without_mask(value))
    except ValueError as error:  # rows of different length
        raise DataError(f"{where} is not numeric: {_plain(error)}.") from error
    if array.dtype == np.float64:
        return array
    _check_kind(array, where, None)
    if array.dtype == object:
        array = np.where(pd.isna(array), np.nan, array)
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} is not numeric: {_plain(error)}.") from error


def _pandas_floats(value: Any, where: str) -> Floats:
    """Values of a Series or DataFrame."""
    columns = [value] if isinstance(value, pd.Series) else [c for _, c in value.items()]
    for column in columns:
        if column.dtype == np.float64:
            continue
        if pd.api.types.is_integer_dtype(column.dtype) and column.hasnans:
            column = column.dropna()  # noqa: PLW2901
        own = column.dtype
        if isinstance(own, np.dtype) or own.kind in "iumM":
            kept: Any = None if own.kind in "mM" else getattr(own, "numpy_dtype", own)
            _check_kind(column.to_numpy(dtype=kept), where, column.index)
    try:
        # pd.NA has no float of its own: to_numpy needs to be told.
        return np.asarray(value.to_numpy(dtype=float, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} is not numeric: {_plain(error)}.") from error


def _check_kind(array: NDArray[Any], where: str, index: pd.Index | None) -> None:
    """Raise if values are no numbers of float64; index: labels of the rows."""
    kind = array.dtype.kind
    if kind == "c" or (kind == "O" and any(isinstance(v, complex) for v in array.flat)):
        raise DataError(f"{where} is complex. Give real numbers.")
    if kind in "mM":
        what = "durations" if kind == "m" else "dates"
        raise DataError(
            f"{where} holds {what}, not numbers. Say in which unit: convert them, for "
            "example with .dt.total_seconds() or .dt.year."
        )
    bad = inexact_integers(array.ravel())
    if len(bad):
        rows = bad // max(array.size // len(array), 1) if array.ndim else bad
        raise DataError(
            f"{where} has {count(len(bad), 'integer')} beyond 2**53 that no "
            f"floating-point number equals, such as {int(array.flat[bad[0]])} (rows "
            f"{format_units(rows if index is None else index[rows])}). Subtract a "
            "constant or divide beforehand."
        )


def inexact_integers(values: NDArray[Any]) -> Positions:
    """
    Positions of integers that float64 does not hold, and would round.

    Shapes: `values` (R,).

    Examples
    --------
    >>> inexact_integers(np.array([2**53, 2**53 + 1, 2**60, 2**60 + 1]))
    array([1, 3])
    """
    big = np.empty(0, dtype=np.intp)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8 and len(values):
        if max(int(values.max()), -int(values.min())) > EXACT:
            big = np.flatnonzero((values > EXACT) | (values < -EXACT))
    elif values.dtype.kind == "O":
        found = [
            k
            for k, v in enumerate(values)
            if isinstance(v, (int, np.integer)) and abs(int(v)) > EXACT
        ]
        big = np.array(found, dtype=np.intp)
    rounded = [k for k in big if _rounds(int(values[k]))]
    return np.array(rounded, dtype=np.intp)


def _rounds(value: int) -> bool:
    """Whether float64 does not hold an integer."""
    try:
        return int(float(value)) != value
    except OverflowError:
        return True


def without_mask(value: Any) -> Any:
    """
    Values of a masked array, missing where it hides them.

    Examples
    --------
    >>> without_mask(np.ma.array([1.0, 2.0], mask=[False, True]))
    array([ 1., nan])
    """
    if isinstance(value, (list, tuple)) and any(
        isinstance(own, np.ma.MaskedArray) and own.ndim for own in value
    ):
        return [without_mask(own) for own in value]
    if not isinstance(value, np.ma.MaskedArray):
        return value
    mask = np.ma.getmaskarray(value)
    if not mask.any():
        return np.asarray(value)
    if value.dtype.kind == "f":
        return np.where(mask, np.nan, np.asarray(value, dtype=float))
    values = np.asarray(value).astype(object)
    values[mask] = None
    return values


def _plain(error: Exception) -> str:
    """Message without the names of NumPy's types."""
    return re.sub(r"np\.\w+\(('[^']*')\)", r"\1", str(error))


def all_finite(array: Floats) -> bool:
    """Whether the sum is finite: one read, where a mask is a read and a write."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum()))


def missing_rows(*arrays: Floats | None) -> Bools | None:
    """
    Rows with a NaN in any of several arrays of the same length.

    Shapes: `*arrays` (R,) -> (R,).
    """
    mask: Bools | None = None
    for array in arrays:
        if array is None or all_finite(array):
            continue
        for start in range(0, len(array), _BLOCK):
            bad = np.isnan(array[start : start + _BLOCK])
            if bad.any():
                if mask is None:
                    mask = np.zeros(len(array), dtype=bool)
                rows = bad if bad.ndim == 1 else bad.any(axis=1)
                mask[start : start + _BLOCK] |= rows
    return mask


def infinite_rows(array: Floats) -> Positions:
    """
    Positions of rows with an infinite value.

    Shapes: `array` (R,).
    """
    found: list[Positions] = []
    if all_finite(array):
        return np.empty(0, dtype=np.intp)
    for start in range(0, len(array), _BLOCK):
        bad = np.isinf(array[start : start + _BLOCK])
        if bad.any():
            rows = bad if bad.ndim == 1 else bad.any(axis=1)
            found.append(np.flatnonzero(rows) + start)
    return np.concatenate(found) if found else np.empty(0, dtype=np.intp)


def check_positive(
    values: Floats, label: str, units: pd.Index | None, advice: str = ""
) -> None:
    """
    Raise unless every weight or exposure is a finite number above 0.

    Shapes: `values` (rows,), `units` (rows,).
    """
    bad = ~(values > 0) | np.isinf(values)
    if bad.any():
        where = (
            name_units(np.flatnonzero(bad), "position")
            if units is None
            else name_units(units[bad])
        )
        raise DataError(
            f"{label} must be finite and above 0; {are(int(bad.sum()))} not ({where})."
            f"{advice}"
        )


def lacking_observed(gaps: Iterable[Bools], labeled: Bools) -> Bools:
    """
    Units that could not have been labelled, for want of an observed variable.

    A variable that hardly any unlabelled unit has is observed by labelling; one that
    others have too is observed for all, but for gaps. It counts as observed if as many
    unlabelled units have it as are labelled, or half of them.

    Shapes: `gaps` (T,), `labeled` (T,) -> (T,).

    Examples
    --------
    >>> labeled = np.array([True, False, False, False])
    >>> by_humans, gappy = ~labeled, np.array([False, False, True, False])
    >>> lacking_observed([by_humans, gappy], labeled)
    array([False, False,  True, False])
    """
    lacking, others = np.zeros(len(labeled), dtype=bool), ~labeled
    n_labeled, n_others = int(labeled.sum()), int(others.sum())
    for gap in gaps:
        have = np.array([np.count_nonzero(~gap & others)])
        if is_observed(have, n_labeled, n_others)[0]:
            lacking |= gap
    return lacking & others


def is_observed(have: Floats, n_labeled: int, n_others: int) -> Bools:
    """
    Whether variables that so many unlabelled units have are not only for humans.

    Shapes: `have` (k,) -> (k,).
    """
    return np.asarray(have >= max(1, min(n_labeled, n_others // 2)))

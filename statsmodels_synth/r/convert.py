"""
What crosses the border to R, and back.

Only numbers, integer codes, text and lists of these: R's data frames, factors and
logical vectors have no faithful counterpart here, so nobody sends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import rpy2.rinterface as ri

#: R's missing integer, which NumPy would take for a number.
NA_INTEGER = np.iinfo(np.int32).min


def from_r(value: Any) -> Any:
    """Copy an R object."""
    if isinstance(value, ri.NULLType):
        return None
    if "class" in value.list_attrs():
        # A factor or a data frame, say: codes or columns alone would mislead.
        raise TypeError(f"R sent a {value.rclass[0]}, which does not cross.")
    if isinstance(value, ri.FloatSexpVector):
        # A copy: a view would be of memory that R may free.
        return np.array(value, dtype=float, order="C")
    if isinstance(value, ri.IntSexpVector):
        codes = np.array(value, dtype=np.intp, order="C")
        if np.any(codes == NA_INTEGER):
            raise ValueError("A missing integer was sent from R.")
        return codes
    if isinstance(value, ri.StrSexpVector):
        text = list(value)
        if any(part is ri.NA_Character for part in text):
            raise ValueError("A missing string was sent from R.")
        return text
    if isinstance(value, ri.ListSexpVector):
        names = value.names
        if isinstance(names, ri.NULLType):
            return [from_r(part) for part in value]
        return {
            str(name): from_r(part) for name, part in zip(names, value, strict=True)
        }
    raise TypeError(f"R sent a {type(value).__name__}, which does not cross.")


def to_r(value: Any) -> Any:
    """Make an R object."""
    if value is None:
        return ri.NULL
    if isinstance(value, (bool, np.bool_)):
        return ri.BoolSexpVector([bool(value)])
    if isinstance(value, (int, np.integer)):
        return to_r(np.array([value]))
    if isinstance(value, (float, np.floating)):
        return ri.FloatSexpVector([float(value)])
    if isinstance(value, str):
        return ri.StrSexpVector([value])
    if isinstance(value, Mapping):
        result = ri.ListSexpVector([to_r(part) for part in value.values()])
        result.names = ri.StrSexpVector(list(map(str, value)))
        return result
    if isinstance(value, (pd.Series, pd.DataFrame)):
        value = value.to_numpy()
    if isinstance(value, np.ndarray):
        return _vector(value)
    if isinstance(value, (list, tuple, pd.Index)):
        if len(value) and all(isinstance(part, str) for part in value):
            return ri.StrSexpVector(list(value))
        return ri.ListSexpVector([to_r(part) for part in value])
    raise TypeError(f"A {type(value).__name__} does not cross to R.")


def frame_columns(frame: pd.DataFrame, *, index: bool = True) -> dict[str, Any]:
    """Columns of a frame by name, those of its index first; R makes a frame of them."""
    flat = frame.reset_index() if index else frame
    return {str(name): _plain(flat[name]) for name in flat}


def _plain(column: pd.Series) -> Any:
    """Numbers, True and False, or text."""
    if pd.api.types.is_bool_dtype(column):
        return column.to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(column):
        whole = column.dtype.kind in "iu" and not column.hasnans
        return column.to_numpy() if whole else column.to_numpy(float, na_value=np.nan)
    return [str(value) for value in column]


def _vector(value: Any) -> Any:
    """Vector or matrix; integers that R cannot hold become doubles."""
    if value.dtype.kind == "b":
        return ri.BoolSexpVector(value.tolist())
    kind = ri.FloatSexpVector
    small = value.dtype.kind in "iu" and np.all(np.abs(value) < -NA_INTEGER)
    if small:
        kind = ri.IntSexpVector
    # R's matrices go column by column.
    flat = np.ascontiguousarray(value.T, np.int32 if small else float).ravel()
    result = kind.from_memoryview(flat.data) if flat.size else kind([])
    if value.ndim > 1:
        result.do_slot_assign("dim", ri.IntSexpVector(value.shape))
    return result

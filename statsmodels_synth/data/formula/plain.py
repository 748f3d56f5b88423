"""
Formulas whose terms are plain numeric columns, evaluated without their engine.

The engine still learns the formula and says which columns there are and in
which order. What it would do with a million rows is to copy each column into a
matrix, and that needs no engine.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.data.formula.engines import Term

#: Column of the frame for each column of the design matrix, None for the constant.
Columns: TypeAlias = tuple[str | None, ...]

#: Rows filled at a time: the block of a design matrix stays in the cache, although
#: each of its columns is written with a stride.
_BLOCK = 4096


def plain_column(code: str, frame: pd.DataFrame) -> str | None:
    """
    Numeric column that a factor of a formula names, if it is no more than that.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x": [1.0], "a b": [2.0], "g": ["u"]})
    >>> plain_column("x", frame), plain_column('Q("a b")', frame)
    ('x', 'a b')
    >>> plain_column("np.log(x)", frame), plain_column("g", frame)
    (None, None)
    """
    try:
        tree = ast.parse(code.strip(), mode="eval").body
    except SyntaxError:
        return None
    name: object = None
    if isinstance(tree, ast.Name):
        # Python reads some letters as others (NFKC), formulaic takes names as they are.
        name = tree.id if tree.id == code.strip() else None
    elif (
        isinstance(tree, ast.Call)
        and isinstance(tree.func, ast.Name)
        and tree.func.id == "Q"
        and len(tree.args) == 1
        and not tree.keywords
    ):
        name = getattr(tree.args[0], "value", None)
    if isinstance(name, str) and all_numeric(frame, [name]):
        return name
    return None


def all_numeric(frame: pd.DataFrame, names: Sequence[str | None]) -> bool:
    """Whether columns exist and are numbers of NumPy, other than booleans."""
    for name in names:
        if name is None:
            continue
        dtype = frame[name].dtype if name in frame else None
        if not (isinstance(dtype, np.dtype) and dtype.kind in "iuf"):
            return False
    return True


def plain_columns_of(
    terms: Sequence[Term], n_columns: int, plain: Mapping[str, str | None]
) -> Columns | None:
    """Columns of a design matrix, if each is the constant or a plain column."""
    if len(terms) != n_columns:
        return None
    found: list[str | None] = []
    for codes, width in terms:
        name = plain.get(codes[0]) if len(codes) == 1 else None
        if width != 1 or (codes and name is None):
            return None
        found.append(name)
    return tuple(found)


def fill_columns(frame: pd.DataFrame, columns: Columns) -> Floats:
    """
    Copy columns into one array.

    Shapes: `frame` (rows, any) -> (rows, columns).

    Examples
    --------
    >>> import pandas as pd
    >>> fill_columns(pd.DataFrame({"x": [2, 3]}), (None, "x"))
    array([[1., 2.],
           [1., 3.]])
    """
    values = [None if name is None else frame[name].to_numpy() for name in columns]
    result = np.empty((len(frame), len(columns)))
    for start in range(0, len(frame), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = result[rows]
        for k, column in enumerate(values):
            block[:, k] = 1.0 if column is None else column[rows]
    return result

"""Rows to predict: matched to the coefficients by name, or counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import re
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats, as_floats, check_positive
from statsmodels_synth.core.messages import count, suggest
from statsmodels_synth.data.arrays import require_log_link
from statsmodels_synth.data.kinds import (
    column_of,
    is_other_frame,
    names_of_columns,
    opened,
    refuse_rows,
    to_pandas,
    values_of,
)
from statsmodels_synth.exceptions import AlignmentError, DataError
from statsmodels_synth.problem.scores import TargetScore

WHERE = "the rows to predict"
#: Names that statsmodels makes up where none were given.
_MADE_UP = re.compile(r"const|x\d+")


def design_rows(exog: Any, names: Sequence[str]) -> pd.DataFrame | Floats:
    """
    Design matrix of rows to predict, its columns those of the coefficients.

    Shapes: `exog` (rows, p) -> (rows, p).
    """
    exog = opened(exog)
    refuse_rows(exog, WHERE)
    if is_other_frame(exog):
        exog = to_pandas(exog, names, names, WHERE)
    if isinstance(exog, Mapping):
        alone = all(np.ndim(v) == 0 for v in exog.values())
        exog = pd.DataFrame(dict(exog), index=[0] if alone else None)
    if isinstance(exog, pd.Series):
        if len(names) == 1 and names[0] not in exog.index:
            exog = exog.to_frame(names[0])
        else:
            exog = exog.to_frame().T
    if isinstance(exog, pd.DataFrame):
        frame = _matched(exog, names)
        return pd.DataFrame(as_floats(frame, WHERE), frame.index, list(names))
    values = as_floats(exog, WHERE)
    if values.ndim == 1 and len(names) == 1:
        values = values[:, None]
    values = np.atleast_2d(values)
    if values.ndim != 2 or values.shape[1] != len(names):
        given = count(values.shape[-1], "column")
        raise DataError(
            f"The rows to predict have {given}; the model has "
            f"{count(len(names), 'coefficient')} ({', '.join(map(repr, names))}). Give "
            f"one column for each, in this order."
            f"{_constant(names if values.shape[-1] == len(names) - 1 else [])}"
        )
    return values


def _matched(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Columns of a frame in the order of the coefficients."""
    known = [str(name) for name in frame.columns]
    if not set(names) - set(known):
        for name in names:
            if known.count(name) > 1:
                raise AlignmentError(
                    f"The rows to predict have two columns named {name!r}. Rename one."
                )
        return frame.iloc[:, [known.index(name) for name in names]]
    counted = isinstance(frame.columns, pd.RangeIndex) and frame.columns.start == 0
    if counted and len(known) == len(names) and all(map(_MADE_UP.fullmatch, names)):
        return frame  # neither side has names
    absent = [name for name in names if name not in known]
    raise AlignmentError(
        f"The rows to predict have no column {absent[0]!r}: the coefficients are "
        f"{list(names)}, the columns {known[:20]}. Columns are matched by name: rename "
        "them, or give an array in the order of the coefficients (.to_numpy())."
        f"{_constant([n for n in absent if n == 'const'])}"
    )


def _constant(names: Sequence[str]) -> str:
    """How to add the constant, where it is among the names."""
    if "const" not in names:
        return ""
    return " sm.add_constant(..., has_constant='add') adds the constant."


def option_of_rows(value: Any, exog: Any, option: str) -> Any:
    """
    Offset or exposure of rows to predict.

    Shapes: `value` (rows,).
    """
    exog, value = opened(exog), values_of(value)
    if is_other_frame(exog):
        refuse_rows(exog, WHERE)
    if isinstance(value, str):
        named = isinstance(exog, (pd.DataFrame, Mapping)) or is_other_frame(exog)
        known = list(exog) if isinstance(exog, Mapping) else []
        known = names_of_columns(exog) if named and not known else known
        if value in known:
            return column_of(exog, value) if is_other_frame(exog) else exog[value]
        if not named:
            raise DataError(
                f"{option}={value!r} names a column, and the rows to predict have no "
                "names. Give one value per row."
            )
        raise DataError(
            f"{option}={value!r} is not a column of the rows to predict."
            f"{suggest(value, known)}"
        )
    index = getattr(exog, "index", None)
    if (
        isinstance(value, pd.Series)
        and isinstance(index, pd.Index)
        and not value.index.equals(index)
    ):
        raise AlignmentError(
            f"{option}= is a Series whose index differs from that of the rows to "
            "predict. Reindex it."
        )
    return value


def total_offset(
    offset: Any, exposure: Any, n_rows: int, score: TargetScore
) -> Floats | float:
    """
    What is added to the linear predictor of rows.

    Shapes: `offset, exposure` (rows,) -> (rows,).
    """
    total: Floats | float = 0.0
    for name, given in (("offset", offset), ("exposure", exposure)):
        if given is None:
            continue
        values = as_floats(given, name)
        if values.shape not in ((), (n_rows,)):
            raise DataError(
                f"{name} has shape {values.shape}; there are "
                f"{count(n_rows, 'row')} to predict. Give one value per row, or one "
                "number for all."
            )
        if name == "exposure":
            require_log_link(score)
            known = np.atleast_1d(values)
            check_positive(known[~np.isnan(known)], "exposure", None)
            values = np.log(values)
        total = total + values
    return total

"""
Columns of R's data frames: how each crosses, and what pandas has for it.

R sends numbers as doubles. What else there is comes as a list: `levels` (one string)
and `codes`, with `factor` or not, for text and factors; `logical`; `time`, numbers with
the name of their class; `matrix`, of which only the rows without value are told. A
column that nothing asks for has only its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import EXACT
from statsmodels_synth.core.messages import name_units, show
from statsmodels_synth.exceptions import AlignmentError, DataError

#: Separates unit labels and levels, which cross as one string.
LABEL_SEPARATOR = "\x1f"
#: Classes whose numbers are times, as R stores them.
TIMES = ("Date", "POSIXct", "difftime")
#: Levels that a message names.
_SHOWN = 10


def split_text(given: list[str]) -> list[str]:
    """Text that crossed as one string."""
    return given[0].split(LABEL_SEPARATOR) if given else []


def kind_of(given: Any) -> str:
    """What R says that a column is."""
    if not isinstance(given, Mapping):
        return "numbers"
    if "codes" in given:
        return "factor" if given["factor"][0] else "text"
    return str(given["class"][0]) if "class" in given else next(iter(given))


def kind_of_key(given: Any) -> str:
    """The same for what identifies units: a factor is its text."""
    return "text" if kind_of(given) == "factor" else kind_of(given)


def read_column(given: Any, n_rows: int) -> pd.Series:
    """
    A column as pandas has it.

    Shapes: (rows,).
    """
    if given is None:
        return pd.Series(np.broadcast_to(0.0, n_rows), copy=False)
    if not isinstance(given, Mapping):
        return pd.Series(given, copy=False)
    if "codes" in given:
        return _of_codes(given)
    values = next(iter(given.values()))
    if "logical" not in given:
        return pd.Series(values, copy=False)
    if not np.isnan(values).any():
        return pd.Series(values.astype(bool))
    made = pd.Series(values == 1.0, dtype=object)
    made[np.isnan(values)] = None
    return made


def _of_codes(given: Mapping[str, Any]) -> pd.Series:
    levels, codes = split_text(given["levels"]), given["codes"]
    if given["factor"][0]:
        return pd.Series(pd.Categorical.from_codes(codes, pd.Index(levels)))
    table = np.array([*levels, None], dtype=object)
    return pd.Series(table[codes], dtype=object)


def whole_numbers(column: pd.Series) -> pd.Series:
    """
    Numbers as integers, where they are whole, so that messages show them so.

    Shapes: `column` (rows,) -> (rows,).
    """
    if column.dtype != np.float64:
        return column
    values = column.to_numpy()
    known = ~np.isnan(values)
    some = values[known]
    if not (np.all(some == np.floor(some)) and np.all(np.abs(some) < EXACT)):
        return column
    if known.all():
        return column.astype("int64")
    made = pd.Series(np.full(len(values), None, dtype=object), column.index)
    made[known] = some.astype("int64").astype(object)
    return made


def alike(model: pd.Series, column: pd.Series, kinds: tuple[str, str]) -> bool:
    """
    Whether two columns are of one kind, and of the same levels: seen at a glance.

    Shapes: `model` (rows,), `column` (any,).
    """
    if kinds != ("factor", "factor"):
        return kinds[0] == kinds[1] or set(kinds) <= {"numbers", "logical"}
    return set(column.cat.categories) <= set(model.cat.categories)


def refuse_other_kinds(
    model: pd.Series, column: pd.Series, kinds: tuple[str, str], where: str
) -> None:
    """
    Raise if R would not take a source's column for what the one of data is.

    Numbers, TRUE and FALSE are those of :func:`matched_type`.
    """
    known, own = model.notna(), column.notna()
    if not known.any() or not own.any():
        return  # said where labels are read, or where rows are left out
    name, texts = str(model.name), {"factor", "text"}
    plain = {"numbers", "logical", "matrix"}
    has = meant = None
    advice = "Convert one of them."
    if kinds[0] == "factor" and kinds[1] in texts:
        _refuse_levels(model, column[own], where)
    elif kinds[0] in texts and kinds[1] not in texts:
        has, meant = show(whole_numbers(column[own]).iloc[0]), "text"
        advice = "Convert it with as.character(), or make the column of data a number."
    elif kinds[0] not in plain | texts or kinds[1] not in plain | texts:
        names = ["numbers" if k in plain else f"values of class {k}" for k in kinds]
        if names[0] != names[1]:
            meant, has = names
    elif (kinds[0] == "matrix") != (kinds[1] == "matrix"):
        has, meant = (kind.replace("numbers", "one column") for kind in kinds[::-1])
    if has:
        raise DataError(
            f"{where}: column {name!r} has {has} where data has {meant} "
            f"({name_units(column.index[own])}). {advice}"
        )


def _refuse_levels(model: pd.Series, column: pd.Series, where: str) -> None:
    known = [str(level) for level in model.cat.categories]
    strange = column[~column.isin(known)]
    if not len(strange):
        return
    first = strange.iloc[0]
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    raise DataError(
        f"{where}: column {str(model.name)!r} has {first!r}, which is no level in data "
        f"({name_units(strange.index[(strange == first).to_numpy()].unique())}). Known "
        f"levels: {', '.join(map(repr, known[:_SHOWN]))}{more}. Recode or remove these "
        "rows."
    )


def refuse_other_keys(
    data: Mapping[str, Any], source: Mapping[str, Any], on: list[str], where: str
) -> None:
    """Raise if ids are of two classes, which nothing would match."""
    for name in on:
        if name not in data or name not in source:
            continue
        kinds = [kind_of_key(frame[name]) for frame in (data, source)]
        if kinds[0] != kinds[1]:
            raise AlignmentError(
                f"The units ({name!r}) are {kinds[0]} in data, but {kinds[1]} in "
                f"{where}. Convert one of them, for example with as.character()."
            )

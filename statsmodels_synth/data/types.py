"""
One column of any type, in the plain type that both formula engines read alike.

The door for numbers: whatever holds them comes out as float64, once, so that
nothing overflows and every frame means the same. Whole numbers stay whole where a
formula tells them apart, because levels are named by them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import inexact_integers
from statsmodels_synth.core.messages import column_label, count, name_units, show
from statsmodels_synth.data.formula.uses import ColumnUses
from statsmodels_synth.exceptions import DataError

#: What ``pandas.api.types.infer_dtype`` calls objects that are numbers.
_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal"}
#: Kinds of time, and a number that can be made of each.
_TIMES = {
    "m": ("durations", ".dt.total_seconds()"),
    "M": ("dates", ".dt.year, or days since one of them"),
}
_INFERRED_TIMES = {
    **dict.fromkeys(("timedelta", "timedelta64"), "m"),
    **dict.fromkeys(("datetime", "datetime64", "date"), "M"),
}
#: Levels that text of whole numbers may have before it is taken for numbers.
_FEW_LEVELS = 20
#: Rows whose text tells whether a column may hold numbers at all.
_SOME_ROWS = 200
#: Text that stands for a missing value, in small letters.
_NO_VALUE = {
    *("", "-", "--", ".", "?", "na", "n/a", "#n/a", "nan", "none", "null", "nil"),
    *("missing", "error", "refused", "refusal", "inf", "-inf", "infinity"),
}
#: Characters beyond which text beside numbers is a sentence, not a level.
_LONG = 12
#: Values that a message shows with their counts.
_SHOWN = 3


def plain_column(
    column: pd.Series, name: str, where: str, uses: ColumnUses
) -> pd.Series:
    """Column as numbers, booleans, objects or categories of pandas."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column
    kind = kind_of(column)
    if kind == "complex":
        raise DataError(f"{where}: column {name!r} is complex. Give numbers.")
    if kind == "boolean":
        return _booleans(column, name in uses.outcome)
    if kind in ("integer", "number"):
        return _numbers(column, name, where, uses, whole=kind == "integer")
    if kind in _TIMES and name in uses.bare:
        raise _time(name, where, kind)
    if kind == "other" and name in uses.operands:
        _refuse_objects(column, name, where)
    if column.dtype != object and pd.api.types.is_string_dtype(column.dtype):
        return column.astype(object)
    return column


def kind_of(column: pd.Series) -> str:
    """What a column holds, whatever its type."""
    types = pd.api.types
    dtype: Any = column.dtype
    if dtype == "object":
        inferred = types.infer_dtype(column, skipna=True)
        if inferred.startswith("mixed"):  # also by pd.NaT
            inferred = types.infer_dtype(column[column.notna()])
        if inferred in _NUMBERS:
            return "integer" if inferred == "integer" else "number"
        own = {"boolean": "boolean", "complex": "complex", "string": "text"}
        return own.get(inferred) or _INFERRED_TIMES.get(inferred, "other")
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_complex_dtype(dtype):
        return "complex"
    if types.is_numeric_dtype(dtype):
        return "integer" if types.is_integer_dtype(dtype) else "number"
    if types.is_string_dtype(dtype):
        return "text"
    kind = getattr(dtype, "kind", "O")
    return kind if kind in _TIMES else "other"


def _booleans(column: pd.Series, outcome: bool) -> pd.Series:
    """Booleans as such; as numbers in the outcome, which would be two columns."""
    if outcome:
        return _floats(column)
    if column.isna().any():
        return column.astype(object)
    return column.astype(bool)


def _numbers(
    column: pd.Series, name: str, where: str, uses: ColumnUses, *, whole: bool
) -> pd.Series:
    if not whole:
        return _floats(column)
    as_levels = name in uses.levels
    if not as_levels or name in uses.numbers:
        _refuse_inexact(column, name, where)
    return _levels(column) if as_levels else _floats(column)


def _floats(column: pd.Series) -> pd.Series:
    """As float64; the same object where it is."""
    if column.dtype == np.float64:
        return column
    if isinstance(column.dtype, pd.SparseDtype):
        column = pd.Series(np.asarray(column), column.index, name=column.name)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.Series(values, column.index, name=column.name, copy=False)


def _levels(column: pd.Series) -> pd.Series:
    """Whole numbers as integers of one width, whose text names a level."""
    if column.isna().any():
        objects = column.astype(object)
        return objects.where(objects.notna(), None)
    wide: Any = (
        "uint64" if column.dtype == np.uint64 and column.max() >= 2**63 else "int64"
    )
    if column.dtype == wide:
        return column
    try:
        return pd.Series(column.astype(wide))
    except OverflowError:  # integers of Python have any width
        return column


def _refuse_inexact(column: pd.Series, name: str, where: str) -> None:
    """Raise if there are integers that float64 rounds."""
    if isinstance(column.dtype, np.dtype) and column.dtype.itemsize < 8:
        return
    present = column
    if not (isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu"):
        present = column[column.notna()]
    bad = inexact_integers(present.to_numpy())
    if len(bad):
        shown = present.iloc[bad]
        raise DataError(
            f"{where}: {column_label(name)} has {count(len(bad), 'integer')} beyond "
            f"2**53 that no floating-point number equals, such as {int(shown.iloc[0])} "
            f"({name_units(shown.index)}). Subtract a constant or divide "
            f"beforehand; if it only names something, write C({name}) or make it text."
        )


def _time(name: str, where: str, kind: str) -> DataError:
    what, number = _TIMES[kind]
    instead = f", or C({name}) for a category of each" if kind == "M" else ""
    return DataError(
        f"{where}: {column_label(name)} holds {what}, and the formula uses them as "
        f"numbers. Say in which unit: make a column with {number}{instead}."
    )


def refuse_times(column: pd.Series, where: str) -> None:
    """Raise if a column holds dates or durations where data has numbers."""
    kind = kind_of(column)
    if kind in _TIMES:
        raise _time(str(column.name), where, kind)


def _refuse_objects(column: pd.Series, name: str, where: str) -> None:
    """Raise if a column of objects holds lists or bytes, which no formula can use."""
    present = column[column.notna()]
    is_bytes = np.array([isinstance(v, bytes) for v in present], dtype=bool)
    nested = np.array([np.ndim(v) > 0 or isinstance(v, dict) for v in present], bool)
    for bad, what, advice in (
        (is_bytes, "bytes", "Decode it, with .str.decode('utf-8')."),
        (nested, "lists", "Give one number or text per row."),
    ):
        if bad.any():
            rows = present[bad]
            raise DataError(
                f"{where}: {column_label(name)} holds {what} in "
                f"{count(len(rows), 'row')} ({name_units(rows.index)}), such "
                f"as {show(rows.iloc[0])}. {advice}"
            )


def odd_values(values: pd.Series) -> str:
    """Values with their numbers of rows and units, for a message."""
    texts = values.map(show)
    counts = texts.value_counts(sort=True)
    parts = [
        f"{text} in {count(int(number), 'row')} "
        f"({name_units(values.index[(texts == text).to_numpy()])})"
        for text, number in counts.iloc[:_SHOWN].items()
    ]
    more = len(counts) - len(parts)
    return ", ".join(parts) + (f" and {more} more such values" if more > 0 else "")


def refuse_text_numbers(frame: pd.DataFrame, uses: ColumnUses, where: str) -> None:
    """Raise if a column of text holds numbers, which would be a level each."""
    for name in sorted(uses.operands.intersection(map(str, frame.columns))):
        column = frame[name]
        if column.dtype != object or not _some_numbers(column):
            continue
        if kind_of(column) in ("text", "other"):
            _refuse_numbers_in(frame[name], name, where, name in uses.outcome)


def _some_numbers(column: pd.Series) -> bool:
    """Whether rows here and there read like numbers: all of them take time."""
    some = column.iloc[:: max(len(column) // _SOME_ROWS, 1)].dropna()
    if not len(some):
        some = column.dropna().iloc[:_SOME_ROWS]
    text = some.map(str).str.replace(",", ".", regex=False)
    return bool(pd.to_numeric(text, errors="coerce").notna().any())


def _refuse_numbers_in(column: pd.Series, name: str, where: str, outcome: bool) -> None:
    present = column[column.notna()]
    refuse_commas(present, name, where)
    numbers = pd.to_numeric(present.map(str), errors="coerce")
    none = (numbers.isna() | np.isinf(numbers)).to_numpy()
    if none.sum() > len(none) / 2 or not _meant_as_number(present, numbers, none):
        return
    label = column_label(name)
    category = "" if outcome else f" If it is a category, write C({name})."
    if none.any():
        raise DataError(
            f"{where}: {label} has numbers, but also {odd_values(present[none])}. Make "
            "them missing, with pd.to_numeric(..., errors='coerce'), or correct them."
            f"{category}"
        )
    raise DataError(
        f"{where}: {label} holds numbers as text, such as {show(present.iloc[0])} "
        f"({count(present.nunique(), 'value')} in {count(len(present), 'row')}). "
        f"Convert it with pd.to_numeric.{category}"
    )


#: A number with a decimal comma, with or without points between thousands.
_COMMA = r"\s*[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+\s*"


def refuse_commas(present: pd.Series, name: str, where: str) -> None:
    """Raise if most of the text in a column is numbers with a decimal comma."""
    text = present.map(str)
    comma = text.str.fullmatch(_COMMA).to_numpy(dtype=bool)
    number = comma | text.str.fullmatch(r"\s*[+-]?\d+\s*").to_numpy(dtype=bool)
    if not comma.any() or 2 * number.sum() <= len(number):
        return
    raise DataError(
        f"{where}: {column_label(name)} holds numbers as text with a decimal comma, "
        f"such as {show(present[comma].iloc[0])} "
        f"({count(int(comma.sum()), 'row')}). Read the file with read_csv(..., "
        "decimal=','), or convert the column with "
        "pd.to_numeric(column.str.replace(',', '.'))."
    )


def _meant_as_number(present: pd.Series, numbers: pd.Series, none: Any) -> bool:
    """Whether text is likely a number gone wrong rather than the name of a level."""
    if not present[~none].map(lambda v: isinstance(v, str)).all():
        return True  # numbers and text side by side
    values, text = numbers[~none], present[~none]
    if (values % 1 != 0).any():
        return True
    padded = text.str.match(r"\s*0\d").any()  # as in codes of places
    if values.nunique() > _FEW_LEVELS and not padded:
        return True
    other = present[none].map(lambda v: str(v).strip().lower()).unique()
    return any(len(v) > _LONG or v in _NO_VALUE for v in other)


def no_numbers(frame: pd.DataFrame, names: Iterable[str]) -> str:
    """What to say of columns that an engine may have failed on."""
    hints = []
    for name in names:
        if name not in frame or isinstance(frame[name].dtype, pd.CategoricalDtype):
            continue
        kind, label = kind_of(frame[name]), column_label(name).capitalize()
        if kind in _TIMES:
            what, number = _TIMES[kind]
            hints.append(f" {label} holds {what}: use a number, as {number}.")
        elif kind in ("text", "other") and len(frame):
            first = frame[name].iloc[0]
            numbers = pd.to_numeric(frame[name].map(str), errors="coerce")
            if numbers.notna().any():
                hints.append(
                    f" {label} is not numeric, such as {show(first)}: convert it with "
                    "pd.to_numeric."
                )
    return "".join(hints)

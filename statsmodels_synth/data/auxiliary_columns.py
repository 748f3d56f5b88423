"""Reading auxiliary columns: arrays, a formula, or a frame that is matched by unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, as_floats
from statsmodels_synth.core.messages import (
    count,
    format_units,
    name_units,
    option_label,
    type_name,
)
from statsmodels_synth.core.options import Missing
from statsmodels_synth.data.columns import plain_columns
from statsmodels_synth.data.formula.learn import LearnedFormula
from statsmodels_synth.data.formula.parse import ParsedFormula, read_formula
from statsmodels_synth.data.frames import AlignedFrames, On, keyed_rows, unit_keys
from statsmodels_synth.data.kinds import (
    is_other_frame,
    names_of_columns,
    opened,
    refuse_positions,
    to_pandas,
)
from statsmodels_synth.data.types import refuse_text_numbers
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    FormulaError,
    OptionError,
)


@dataclass(frozen=True)
class AuxiliaryColumns:
    """
    What is known of every unit besides the formula.

    Parameters
    ----------
    columns : ndarray (T, k)
        NaN where a unit lacks one.
    names : tuple of str
        Their names.
    """

    columns: Floats
    names: tuple[str, ...]


def read_arrays(
    given: Any, units: pd.Index, index: pd.Index | None, missing: Missing
) -> AuxiliaryColumns | None:
    """
    Read what the array interface takes.

    Shapes: `units` (T,), `index` (T,).
    """
    if given is None:
        return None
    if isinstance(given, AuxiliaryColumns):
        return given
    if isinstance(given, (str, Mapping)):
        raise OptionError(
            f"auxiliary= is a {type_name(given)}. Give an array with one row per unit "
            "and one column per variable; formulas and frames that are matched by unit "
            "go to AugmentedGMM.from_formula."
        )
    if isinstance(given, pd.Series):
        given = given.to_frame("auxiliary" if given.name is None else given.name)
    names = None
    if isinstance(given, pd.DataFrame):
        names = tuple(map(str, given.columns))
        if index is not None and not given.index.equals(index):
            raise AlignmentError(
                "auxiliary= is a DataFrame whose index differs from that of the units. "
                "Reindex it, or let AugmentedGMM.from_formula match frames by unit."
            )
    values = as_floats(given, "auxiliary")
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != len(units):
        raise DataError(
            f"auxiliary= has shape {values.shape}; there are {len(units)} units. Give "
            "one row per unit."
        )
    if names is None:
        names = tuple(f"column {j}" for j in range(values.shape[1]))
    return checked(values, names, units, missing)


def checked(
    values: Floats, names: tuple[str, ...], units: pd.Index, missing: Missing
) -> AuxiliaryColumns:
    """
    Refuse columns with infinite values, and with missing ones if they shall raise.

    Shapes: `values` (T, k), `units` (T,).
    """
    for column, name in zip(values.T, names, strict=True):
        bad = units[np.isinf(column)]
        if len(bad):
            raise DataError(
                f"auxiliary=: column {name!r} is infinite for "
                f"{count(len(bad), 'unit')} ({format_units(bad)}). Correct them."
            )
        _refuse_gaps(name, np.isnan(column), units, missing)
    return AuxiliaryColumns(values, names)


def read_columns(
    given: Any,
    parsed: ParsedFormula,
    frames: AlignedFrames,
    *,
    namespace: Mapping[str, Any],
    on: On,
    missing: Missing,
) -> AuxiliaryColumns | None:
    """Read a formula of columns, or a frame, for the units of aligned frames."""
    if given is None:
        return None
    if isinstance(given, str):
        text = _right_side(given)
        columns = frames.columns
        known = {*columns.data, *(c for _, frame in columns.sources for c in frame)}
        for other in columns.others:
            known |= set() if other is None else {*names_of_columns(other)}
        own = _parsed(text, parsed, set(map(str, known)), namespace, len(columns.data))
        values = {
            name: columns.of_data_first(name, option_label("auxiliary", name))
            for name in own.regressors
        }
        frame = pd.DataFrame(values).set_axis(frames.units)
    else:
        frame = _matched(given, frames, on)
        text = " + ".join(map(_quoted, frame.columns))
        names = {*map(str, frame.columns), *parsed.response}
        own = _parsed(text, parsed, names, {}, len(frame))
    return _evaluated(own, frame, frames, missing)


def _right_side(text: str) -> str:
    """Right side of a formula, without the tilde that it may begin with."""
    text = text.strip().removeprefix("~").strip()
    if "~" in text or not text:
        raise FormulaError(
            f"auxiliary={text!r} is no right side of a formula. Name columns of data "
            "or of a source, as in auxiliary='confidence + n_words'."
        )
    return text


def _quoted(name: object) -> str:
    """A column as a term of a formula."""
    if not isinstance(name, str):
        raise DataError(
            f"auxiliary= has a column named {name!r}. Name columns by text, as with "
            "frame.rename(columns=str)."
        )
    plain = name.isidentifier() and not iskeyword(name) and name not in ("C", "I", "Q")
    return name if plain else f"Q({name!r})"


def _parsed(
    text: str,
    parsed: ParsedFormula,
    known: set[str],
    namespace: Mapping[str, Any],
    n_rows: int,
) -> ParsedFormula:
    """The formula with these columns on its right; its outcome may not be one."""
    own = read_formula(
        f"{parsed.left} ~ {text}", known, namespace, parsed.engine, n_rows
    )
    outcome = sorted(set(own.regressors) & set(parsed.response))
    if outcome:
        raise FormulaError(
            f"auxiliary= uses the outcome {outcome[0]!r}, which only labelled units "
            "have. Leave it out; what the proxies say of it is used anyway."
        )
    return own


def _matched(given: Any, frames: AlignedFrames, on: On) -> pd.DataFrame:
    """Rows of a frame for all units; missing values where it has none."""
    value, where = opened(given), "auxiliary="
    if isinstance(value, pd.Series):
        value = value.to_frame("auxiliary" if value.name is None else value.name)
    if not isinstance(value, pd.DataFrame) and not is_other_frame(value):
        raise OptionError(
            f"auxiliary= is a {type_name(given)}. Give the right side of a formula of "
            "columns, as in auxiliary='confidence + n_words', or a frame with a row "
            "for each unit."
        )
    columns = frames.columns
    other = columns.others[0] if columns.others else None
    data = columns.data if other is None else other
    refuse_positions([("data", data), (where, value)], on)
    names = names_of_columns(value)
    frame = to_pandas(value, names, names, where)
    keyed = keyed_rows(frame, columns, on, where)
    return keyed[[c for c in keyed if c not in unit_keys(on)]].reindex(frames.units)


def _evaluated(
    own: ParsedFormula, frame: pd.DataFrame, frames: AlignedFrames, missing: Missing
) -> AuxiliaryColumns:
    """
    Columns of a formula for all units.

    Shapes: `frame` (T, variables).
    """
    where, units = "auxiliary=", frames.units
    if not own.regressors:
        return AuxiliaryColumns(np.empty((len(units), 0)), ())
    plain = plain_columns(frame, own.regressors, own.uses, where)
    refuse_text_numbers(plain.frame, own.uses, where)
    for name, gaps in plain.gaps.items():
        _refuse_gaps(name, gaps, units, missing)
    lacking = plain.lacking()
    whole = plain.frame if lacking is None else plain.frame.loc[~lacking]
    if not len(whole):
        raise DataError(
            f"auxiliary=: no unit has all of {', '.join(map(repr, own.regressors))}. "
            "Complete them, or leave some out."
        )
    learned = LearnedFormula(own, frames.data.iloc[frames.labeled_rows], whole)
    matrix = learned.exog_of_data()
    varies = np.ptp(matrix, axis=0) > 0.0
    values = np.full((len(units), int(varies.sum())), np.nan)
    values[slice(None) if lacking is None else ~lacking] = matrix[:, varies]
    names = np.array(learned.exog_names, dtype=object)[varies]
    return AuxiliaryColumns(values, tuple(map(str, names)))


def _refuse_gaps(name: str, gaps: Bools, units: pd.Index, missing: Missing) -> None:
    """Raise if a column is missing that may not be."""
    absent = units[gaps]
    if len(absent) == len(units):
        raise DataError(
            f"auxiliary=: column {name!r} is missing for every unit. Leave it out."
        )
    if len(absent) and missing == "raise":
        raise DataError(
            f"auxiliary=: column {name!r} is missing for {name_units(absent)}. "
            "Complete it, or set missing='drop', with which the source that is "
            "made of it is not available for these units."
        )

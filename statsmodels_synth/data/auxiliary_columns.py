"""Reading auxiliary columns: arrays, a formula, or a frame that is matched by unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats, as_floats
from statsmodels_synth.core.messages import count, format_units, name_units, type_name
from statsmodels_synth.core.options import Missing
from statsmodels_synth.exceptions import AlignmentError, DataError, OptionError


@dataclass(frozen=True)
class AuxiliaryColumns:
    """
    What is known of every unit besides the formula.

    Parameters
    ----------
    values : ndarray (T, k)
        The columns; NaN where a unit lacks one.
    names : tuple of str
        Their names.
    """

    values: Floats
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
        absent = units[np.isnan(column)]
        if len(absent) and missing == "raise":
            raise DataError(
                f"auxiliary=: column {name!r} is missing for "
                f"{name_units(absent)}. Complete them, or set missing='drop', which "
                "counts these units as not covered by the source that is made of it."
            )
        if len(absent) == len(units):
            raise DataError(
                f"auxiliary=: column {name!r} is missing for every unit. Leave it out."
            )
    return AuxiliaryColumns(values, names)

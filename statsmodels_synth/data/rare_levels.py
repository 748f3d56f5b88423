"""Levels of regressors that no labelled unit has: left out or merged, if asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import re
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools
from statsmodels_synth.core.messages import count, show, warn
from statsmodels_synth.core.options import Missing, RareLevels, check_choice
from statsmodels_synth.data.forms import GivenSource
from statsmodels_synth.data.formula.parse import ParsedFormula
from statsmodels_synth.exceptions import OptionError, RareLevelWarning

#: Levels that a message names.
_SHOWN = 5


def check_rare_levels(how: RareLevels, missing: Missing) -> None:
    """Raise for an option that does not exist, or that contradicts another."""
    check_choice("rare_levels", how, RareLevels)
    if how == "drop" and missing == "raise":
        raise OptionError(
            "rare_levels='drop' leaves rows out like incomplete ones, which "
            "missing='raise' refuses. Set missing='drop', or rare_levels='lump'."
        )


def settle_rare_levels(
    data: pd.DataFrame,
    given: Sequence[GivenSource],
    parsed: ParsedFormula,
    labeled: Any,
    how: RareLevels,
) -> tuple[pd.DataFrame, list[GivenSource]]:
    """
    Levels without a label made missing, or merged with one that has labels.

    Missing values count as such from then on: units that lack an observed regressor
    could not have been labelled, and such rows of sources are not covered.
    """
    sources = list(given)
    if how == "raise":
        return data, sources
    rows = _labelled(data, parsed, labeled)
    for name in parsed.regressors:
        if name not in data or not _has_levels(data[name], name, parsed.text):
            continue
        seen = data[name][rows].dropna().astype(object).value_counts()
        if not len(seen):
            continue  # said where labels are read
        target = None if how == "drop" else _fewest(seen)
        data, sources = _recoded(data, sources, name, list(seen.index), target)
    return data, sources


def _labelled(data: pd.DataFrame, parsed: ParsedFormula, labeled: Any) -> Bools:
    """Rows with a label, (rows,)."""
    needed = [c for c in (*parsed.response, *parsed.regressors) if c in data]
    complete: Bools = data[needed].notna().all(axis=1).to_numpy()
    if isinstance(labeled, str) and labeled in data:
        labeled = data[labeled].fillna(0)
    if labeled is not None and np.shape(labeled) == (len(data),):
        complete &= np.asarray(labeled).astype(bool)
    return complete


def _has_levels(column: pd.Series, name: str, formula: str) -> bool:
    """Whether the formula takes a column for levels: text, or numbers in C()."""
    if not pd.api.types.is_numeric_dtype(column):
        return not pd.api.types.is_datetime64_any_dtype(column)
    return bool(re.search(rf"\bC\(\s*{re.escape(name)}\s*[,)]", formula))


def _fewest(seen: pd.Series) -> Any:
    """The level with the fewest labels; of several the first in order."""
    least = [level for level, number in seen.items() if number == seen.min()]
    return min(least, key=str)


def _recoded(
    data: pd.DataFrame,
    sources: list[GivenSource],
    name: str,
    known: list[Any],
    target: Any,
) -> tuple[pd.DataFrame, list[GivenSource]]:
    """Data and sources in which a column has known levels only, with a warning."""
    found: dict[Any, int] = {}
    changed, n_units = _column(data[name], known, target, found)
    places = [f"{count(n_units, 'unit')} of data"] if n_units else []
    result = []
    columns = {name: changed}
    for given in sources:
        source = given
        frame, own, n_rows = source.frame, dict(source.columns), 0
        if frame is not None and name in frame:
            column, n_rows = _column(frame[name], known, target, found)
            source = replace(source, frame=frame.assign(**{name: column}))
        elif frame is None and name in own:
            made = f"{name} ({source.name})"
            columns[made], n_rows = _column(data[own[name]], known, target, found)
            own[name] = made
            source = replace(source, columns=own)
        if n_rows:
            places.append(f"{count(n_rows, 'row')} of source {source.name!r}")
        result.append(source)
    if found:
        _warn(name, found, places, target)
    return data.assign(**columns), result


def _column(
    column: pd.Series, known: list[Any], target: Any, found: dict[Any, int]
) -> tuple[pd.Series, int]:
    """A column with known levels only, and how many values were changed."""
    rare = column.notna() & ~column.isin(known)
    for level, number in column[rare].astype(object).value_counts().items():
        found[level] = found.get(level, 0) + int(number)
    if isinstance(column.dtype, pd.CategoricalDtype):
        kept = [level for level in column.cat.categories if level in known]
        made = column.cat.set_categories(kept)
        if target is not None:
            made[rare] = target
        return made, int(rare.sum())
    if not rare.any():
        return column, 0
    return column.mask(rare, np.nan if target is None else target), int(rare.sum())


def _warn(name: str, found: dict[Any, int], places: list[str], target: Any) -> None:
    levels = ", ".join(show(level) for level in list(found)[:_SHOWN])
    if len(found) > _SHOWN:
        levels += f" and {len(found) - _SHOWN} more"
    said = "left out, and the coefficients are of the other units"
    if target is not None:
        said = f"counted as {show(target)}, the level with the fewest labels"
    warn(
        f"Column {name!r} has {levels}, which no labelled unit has ("
        f"{', '.join(places)}): {said}.",
        RareLevelWarning,
        f"Column {name!r} has levels that no labelled unit has; "
        + (
            "they are left out." if target is None else f"they are {show(target)} here."
        ),
    )

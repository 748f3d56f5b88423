"""
Outcomes with levels, as codes: at the door, before anything else sees them.

A code is the row of a table of probabilities by level. Levels come first; then, where
a source never uses a level, the same levels with a little of all others; then a row for
every row of a source that has probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats, as_floats
from statsmodels_synth.core.messages import count, name_units, show
from statsmodels_synth.data.forms import GivenSource, require_source_column
from statsmodels_synth.data.kinds import values_of
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.problem.scores.levels import SPREAD, LevelScore

#: By how much probabilities of a row may miss one in sum: that of six digits.
SUM_TOLERANCE = 1e-5
#: Values beyond which an outcome is hardly meant as levels.
MANY_LEVELS = 50


class Codebook:
    """
    Codes of outcomes, and the table of what they say of each level.

    Parameters
    ----------
    levels : sequence
        Levels, in order.
    """

    def __init__(self, levels: Sequence[Any]) -> None:
        self.levels = list(levels)
        self.code = {level: float(k) for k, level in enumerate(self.levels)}
        size = len(self.levels)
        soft = (1.0 - SPREAD) * np.eye(size) + SPREAD / size
        self._parts = [np.eye(size), soft]
        self._used = 2 * size

    @property
    def table(self) -> Floats:
        """Probability of each level by code, (C, K)."""
        return np.concatenate(self._parts)

    def of_levels(self, values: pd.Series, where: str, *, is_source: bool) -> Floats:
        """
        Codes of levels; NaN where there is none.

        Shapes: (rows,).
        """
        check_known(values, self, where, is_source=is_source)
        codes = values.astype(object).map(self.code).to_numpy(dtype=float)
        known = values.notna().to_numpy()
        if is_source and len(np.unique(codes[known])) < len(self.levels):
            codes = codes + len(self.levels)  # with a little of those it never uses
        return codes

    def codes_of(self, *, is_short: bool) -> dict[Any, float]:
        """Code of each level; `is_short`: in a source that never uses some."""
        return {
            level: code + len(self.levels) * is_short
            for level, code in self.code.items()
        }

    def of_probabilities(self, values: Floats, index: Any, where: str) -> Floats:
        """
        Codes of rows of probabilities; NaN where one is missing.

        Shapes: `values` (rows, K) -> (rows,).
        """
        if values.ndim != 2 or values.shape[1] != len(self.levels):
            levels = ", ".join(show(level) for level in self.levels)
            raise DataError(
                f"{where} has outcomes of shape {values.shape}. Give one level per row,"
                f" or a probability for each of the {len(self.levels)} levels "
                f"({levels})."
            )
        gap = np.isnan(values).any(axis=1)
        off = ~gap & (np.abs(values.sum(axis=1) - 1.0) > SUM_TOLERANCE)
        off |= ~gap & (values < -SUM_TOLERANCE).any(axis=1)
        if off.any():
            at = int(np.flatnonzero(off)[0])
            raise DataError(
                f"{where}: the probabilities of the levels must be 0 or above and sum "
                f"to 1; for {count(int(off.sum()), 'row')} they do not, such as "
                f"{', '.join(f'{v:.4g}' for v in values[at])} "
                f"({name_units(np.asarray(index)[off])}). Divide them by their sum, or "
                "add a column for the level that is missing."
            )
        kept = np.clip(values[~gap], 0.0, None)
        kept = kept / kept.sum(axis=1, keepdims=True)
        if len(kept) and kept.sum(axis=0).min() == 0.0:
            kept = (1.0 - SPREAD) * kept + SPREAD / len(self.levels)
        codes = np.full(len(values), np.nan)
        codes[~gap] = np.arange(self._used, self._used + len(kept))
        self._parts.append(kept)
        self._used += len(kept)
        return codes


def check_known(
    values: pd.Series,
    book: Codebook,
    where: str,
    *,
    is_source: bool,
    counts: pd.Series | None = None,
) -> None:
    """Raise for a level that is not known. `counts`: rows of each value, of many."""
    unknown = values.notna() & ~values.astype(object).isin(book.levels)
    if not unknown.any():
        return
    rows = values.index[unknown]
    said = f"{count(len(rows), 'row')}: {name_units(rows)}"
    if counts is not None:
        said = count(int(counts[unknown.to_numpy()].sum()), "row")
    levels = ", ".join(show(level) for level in book.levels)
    what = "levels= does not have" if not is_source else "no label has"
    raise DataError(
        f"{where} has the level {show(values[unknown].iloc[0])}, which {what} "
        f"({said}). Levels are {levels}. Recode these rows, leave them out, or label "
        "units of that level."
    )


def require_column(response: Sequence[str], left: str, score: LevelScore) -> None:
    """Raise if the outcome is more than a column."""
    if list(response) != [left]:
        raise OptionError(
            f"The outcome {left!r} must be a column: {score.called} has levels, which "
            "a function of them would change. Compute the column beforehand."
        )


def learn_levels(values: pd.Series, score: LevelScore, yname: str) -> list[Any]:
    """Levels of what people gave: those of the score, of a categorical, or sorted."""
    present = values.dropna()
    own = list(pd.unique(present.astype(object)))
    if not own:
        raise DataError(
            f"There is no labelled unit: no row has the outcome {yname!r}. Check the "
            "outcome column, and missing values."
        )
    if any(isinstance(v, (float, np.floating)) and np.isinf(v) for v in own):
        raise DataError(
            f"The outcome {yname!r} is infinite for some labels, which is no level. "
            "Recode them, or leave them missing."
        )
    if len(own) == 1:
        raise DataError(
            f"The outcome {yname!r} has one level among the labels, {show(own[0])}. "
            f"{score.called} needs two at least."
        )
    if score.given is None and len(own) > MANY_LEVELS:
        raise DataError(
            f"The outcome {yname!r} has {len(own)} values among the labels, such as "
            f"{show(own[0])}: too many to be levels. For numbers leave score= out; or "
            "give levels=[...]."
        )
    if score.given is not None:
        unused = [level for level in score.given if level not in own]
        if unused and len(present):
            raise DataError(
                f"No label is {show(unused[0])}, which levels= has: nothing can be "
                "learned of its coefficients. Label units of that level, or take it "
                "from levels=."
            )
        return list(score.given)
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        if score.is_ordered and not dtype.ordered and not _are_numbers(own):
            raise DataError(_no_order(yname, own))
        return [level for level in dtype.categories if level in own]
    if score.is_ordered and not _are_numbers(own):
        raise DataError(_no_order(yname, own))
    if all(isinstance(v, float) and v.is_integer() for v in own):
        own = [int(v) for v in own]  # floats only because of units without a label
    try:
        return sorted(own)
    except TypeError as error:
        raise DataError(
            f"Levels of {yname!r} are of several types, such as {show(own[0])} and "
            f"{show(next(v for v in own if type(v) is not type(own[0])))}. Recode them."
        ) from error


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(v, (int, float, np.number, bool, np.bool_)) for v in values)


def _no_order(yname: str, own: Sequence[Any]) -> str:
    shown = ", ".join(show(v) for v in own[:5])
    return (
        f"Levels of {yname!r} have no order ({shown}). Give them from low to high: "
        "levels=[...] of the score, an ordered pandas categorical, or numbers."
    )


def code_outcomes(
    endog: Any, proxy: Any, synthetic: Any, score: LevelScore
) -> tuple[Any, Any, Any, LevelScore]:
    """Outcomes of labels and sources as codes, and the score that knows them."""
    values = _series(endog)
    yname = str(values.name or "y")
    book = Codebook(learn_levels(values, score, yname))
    coded = pd.Series(
        book.of_levels(values, "data", is_source=False), values.index, name=values.name
    )
    sources = []
    for given in (proxy, synthetic):
        if not isinstance(given, Mapping):
            sources.append(given)
            continue
        own = {}
        for name, value in given.items():
            if not isinstance(value, (tuple, list)) or len(value) < 2:
                own[name] = value  # refused where sources are read
                continue
            where = f"Source {name!r}"
            own[name] = (_coded(value[0], book, where), *value[1:])
        sources.append(own)
    told = score.told_levels(book.levels, book.table)
    # With an index it stays a Series, to be matched by it.
    out = coded if isinstance(endog, (pd.Series, pd.DataFrame)) else coded.to_numpy()
    return out, sources[0], sources[1], told


def _coded(outcome: Any, book: Codebook, where: str) -> Any:
    """Codes of a source's outcomes, levels or probabilities."""
    several = getattr(outcome, "ndim", None) == 2 or isinstance(outcome, pd.DataFrame)
    if several and np.shape(outcome)[1] > 1:
        index = getattr(outcome, "index", range(len(outcome)))
        if isinstance(outcome, pd.DataFrame):
            outcome = _by_level(outcome, book, where)
        codes = book.of_probabilities(as_floats(outcome, where), index, where)
        return pd.Series(codes, index) if isinstance(index, pd.Index) else codes
    values = _series(outcome)
    codes = book.of_levels(values, where, is_source=True)
    return pd.Series(codes, values.index) if isinstance(outcome, pd.Series) else codes


def _by_level(frame: pd.DataFrame, book: Codebook, where: str) -> Floats:
    """Columns in the order of the levels, by their names."""
    names = {str(column): column for column in frame.columns}
    absent = [level for level in book.levels if str(level) not in names]
    if absent or len(names) != len(book.levels):
        levels = ", ".join(show(level) for level in book.levels)
        raise DataError(
            f"{where} has columns {list(frame.columns)} for the outcome. Give one for "
            f"each level, named as it: {levels}."
        )
    columns = [frame[names[str(level)]] for level in book.levels]
    return np.column_stack([as_floats(column, where) for column in columns])


def coded_sets(given: Any, score: LevelScore) -> Any:
    """Sets of labels with their levels as codes, in whichever form they came."""
    if isinstance(given, Mapping):
        return {name: coded_sets(values, score) for name, values in given.items()}
    if isinstance(given, (list, tuple)):
        return [coded_sets(values, score) for values in given]
    if isinstance(given, pd.DataFrame):
        return given.apply(lambda column: coded_sets(column, score))
    array = given if isinstance(given, pd.Series) else np.asarray(values_of(given))
    flat = pd.Series(np.ravel(array))
    codes = flat.astype(object).map(score.codes).to_numpy(dtype=float)
    unknown = flat[flat.notna().to_numpy() & np.isnan(codes)]
    if len(unknown):
        levels = ", ".join(show(level) for level in score.codes)
        raise DataError(
            f"endog has the level {show(unknown.iloc[0])}, which the model does not. "
            f"Levels are {levels}."
        )
    if isinstance(given, pd.Series):
        return pd.Series(codes, given.index, name=given.name)
    return codes.reshape(array.shape)


def _series(values: Any) -> pd.Series:
    """Outcomes as a Series, one column."""
    if isinstance(values, pd.DataFrame):
        values = values.iloc[:, 0]
    if isinstance(values, pd.Series):
        return values
    array = np.asarray(values_of(values))
    if array.dtype.kind in "US" and np.any(array == "nan"):
        raise DataError(
            "An outcome is the text 'nan': NumPy has made text of a missing value. "
            "Give np.array([...], dtype=object), or a pandas Series."
        )
    return pd.Series(array[:, 0] if array.ndim == 2 else array)


def code_frames(
    data: pd.DataFrame,
    given: Sequence[GivenSource],
    response: Sequence[str],
    left: str,
    score: LevelScore,
) -> tuple[pd.DataFrame, list[GivenSource], LevelScore]:
    """The outcome in every frame as codes, and the score that knows them."""
    require_column(response, left, score)
    book = Codebook(learn_levels(data[left], score, left))
    coded = book.of_levels(data[left], "data", is_source=False)
    columns: dict[str, Any] = {left: coded}
    sources = []
    for source in given:
        where = f"Source {source.name!r}"
        if source.frame is not None:
            frame = source.frame
            if left in frame:
                codes = book.of_levels(frame[left], where, is_source=True)
                frame = frame.assign(**{left: codes})
            sources.append(replace(source, frame=frame))
            continue
        own: Any = dict(source.columns)
        if left in own:
            name = f"{left} ({source.name})"
            named = own[left]
            several = named.values() if isinstance(named, Mapping) else [named]
            for column in several:
                require_source_column(source, left, column, data.columns)
            columns[name] = _codes_of_columns(data, named, book, where)
            own[left] = name
        sources.append(replace(source, columns=own))
    told = score.told_levels(book.levels, book.table)
    return data.assign(**columns), sources, told


def _codes_of_columns(
    data: pd.DataFrame, named: Any, book: Codebook, where: str
) -> Floats:
    """Codes of a column of levels, or of columns of probabilities by level."""
    if not isinstance(named, Mapping):
        return book.of_levels(data[named], where, is_source=True)
    frame = pd.DataFrame({level: data[column] for level, column in named.items()})
    return book.of_probabilities(_by_level(frame, book, where), data.index, where)

"""Sets of labels and values of units, matched to the units of a model."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from statsmodels_synth._arrays import Floats, Positions, as_floats
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    count,
    format_units,
    type_name,
)
from statsmodels_synth.frame_kinds import is_other_frame, names_of_columns, values_of

_BY_UNIT = (
    "Give one row per unit, NaN where it is not labelled, or pandas objects indexed by "
    "unit."
)


class Column(NamedTuple):
    """
    Values of some units.

    Parameters
    ----------
    values : ndarray or Series (rows,)
        As they were given.
    positions : ndarray (rows,) or None
        Position of each unit among all; None: all units, in order.
    """

    values: Any
    positions: Positions | None


@dataclass(frozen=True)
class LabelSets:
    """
    Labels of many fits.

    Parameters
    ----------
    names : tuple
        Name of each set.
    columns : tuple of Column
        Labels, NaN where a unit is not labelled.
    """

    names: tuple[Hashable, ...]
    columns: tuple[Column, ...]

    def labels(self, k: int) -> tuple[Positions, Floats]:
        """
        Labelled units of a set and their labels.

        Parameters
        ----------
        k : int
            Position of the set.

        Returns
        -------
        positions : ndarray (n,)
            Of the units, increasing.
        values : ndarray (n,)
            Labels.
        """
        given, positions = self.columns[k]
        values = as_floats(given, "endog")
        rows = np.flatnonzero(~np.isnan(values))
        values, where = values[rows], rows if positions is None else positions[rows]
        order = (
            np.argsort(where, kind="stable") if positions is not None else slice(None)
        )
        return where[order], values[order]


@dataclass(frozen=True)
class ByUnit:
    """
    What is known of some units.

    Parameters
    ----------
    values : ndarray (R,) or (R, p)
        Values.
    positions : ndarray (R,) or None
        Their units, increasing; None: all units, in order.
    what : str
        What it is, for messages.
    advice : str
        What to do where it is not known.
    """

    values: Floats
    positions: Positions | None
    what: str
    advice: str

    def at(self, wanted: Positions, units: pd.Index) -> Floats:
        """
        Values of some units.

        Parameters
        ----------
        wanted : ndarray (n,)
            Positions of the units.
        units : pandas.Index (T,)
            Labels of all units, for the message.

        Returns
        -------
        ndarray (n,) or (n, p)
            Values.

        Raises
        ------
        DataError
            Names units of which it is not known.
        """
        if self.positions is None:
            return self.values[wanted]
        if not len(self.positions):
            place, found = np.zeros(len(wanted), dtype=np.intp), np.zeros(1, dtype=bool)
        else:
            place = np.searchsorted(self.positions, wanted)
            place = np.minimum(place, len(self.positions) - 1)
            found = self.positions[place] == wanted
        if not np.all(found):
            absent = wanted[~found]
            raise DataError(
                f"{self.what} is not known for {count(len(absent), 'labelled unit')} "
                f"({format_units(units[absent])}). {self.advice}"
            )
        return self.values[place]


def sorted_by_unit(
    values: Floats, positions: Positions, what: str, advice: str
) -> ByUnit:
    """
    Values of units in any order.

    Parameters
    ----------
    values : ndarray (R,) or (R, p)
        Values.
    positions : ndarray (R,)
        Their units.
    what, advice : str
        See :class:`ByUnit`.

    Returns
    -------
    ByUnit
        In the order of the units.
    """
    if np.any(positions[1:] < positions[:-1]):
        order = np.argsort(positions, kind="stable")
        values, positions = values[order], positions[order]
    return ByUnit(values, positions, what, advice)


def positions_of(index: pd.Index, units: pd.Index, what: str) -> Positions | None:
    """
    Positions of the units that an index names.

    Parameters
    ----------
    index : pandas.Index (rows,)
        Unit of each row.
    units : pandas.Index (T,)
        Labels of all units.
    what : str
        Whose index it is, for messages.

    Returns
    -------
    ndarray (rows,) or None
        None where the two are the same.

    Raises
    ------
    AlignmentError
        If a unit is not there or is there twice, or both only count rows and differ in
        length.
    """
    if index.equals(units):
        return None
    if _counts(index) and _counts(units):
        raise AlignmentError(
            f"The index of {what} counts {len(index)} rows and there are {len(units)} "
            f"units, so it does not say which unit a row is. {_BY_UNIT}"
        )
    if index.has_duplicates:
        twice = index[index.duplicated()].unique()
        raise AlignmentError(
            f"{what} has two rows for {count(len(twice), 'unit')} "
            f"({format_units(twice)}). Keep one."
        )
    positions = units.get_indexer(index)
    if (positions < 0).any():
        strange = index[positions < 0]
        raise AlignmentError(
            f"{what} has {count(len(strange), 'unit')} ({format_units(strange)}) that "
            "the model does not know. Its units are those of data and the sources: "
            "leave these out, or build the model with them."
        )
    return np.asarray(positions, dtype=np.intp)


def _counts(index: pd.Index) -> bool:
    """Whether an index only counts rows, as pandas makes it where none is given."""
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def read_sets(endog: Any, units: pd.Index) -> LabelSets:
    """
    Read sets of labels.

    Parameters
    ----------
    endog : array_like (T,) or (T, K), DataFrame, Series, or mapping or list of them
        See :meth:`AugmentedGMM.fit_many`.
    units : pandas.Index (T,)
        Labels of all units.

    Returns
    -------
    LabelSets
        Values are not copied.

    Raises
    ------
    AlignmentError, DataError
        If rows cannot be matched to units.
    """
    if is_other_frame(endog):  # has no index: by position, as arrays
        endog = {name: values_of(endog[name]) for name in names_of_columns(endog)}
    if isinstance(endog, Iterator):
        endog = list(endog)
    if isinstance(endog, (list, tuple)) and any(
        isinstance(s, pd.Series) for s in endog
    ):
        endog = dict(enumerate(endog))
    if isinstance(endog, Mapping):
        parts = [_one_set(value, units, f"endog[{k!r}]") for k, value in endog.items()]
        return LabelSets(tuple(endog), tuple(parts))
    if isinstance(endog, pd.DataFrame):
        where = positions_of(endog.index, units, "endog")
        columns = [Column(endog.iloc[:, k], where) for k in range(endog.shape[1])]
        return LabelSets(tuple(endog.columns), tuple(columns))
    if isinstance(endog, pd.Series) or np.ndim(endog) == 1:
        one = _one_set(endog, units, "endog")
        return LabelSets((getattr(endog, "name", None) or 0,), (one,))
    values = as_floats(endog, "endog")
    if values.ndim != 2 or len(values) != len(units):
        raise DataError(
            f"endog has shape {values.shape}; there are {len(units)} units. {_BY_UNIT}"
        )
    columns = [Column(values[:, k], None) for k in range(values.shape[1])]
    return LabelSets(tuple(range(len(columns))), tuple(columns))


def _one_set(value: Any, units: pd.Index, what: str) -> Column:
    if isinstance(value, pd.Series):
        return Column(value, positions_of(value.index, units, what))
    if np.shape(value) != (len(units),):
        raise DataError(
            f"{what} is a {type_name(value)} of shape {np.shape(value)}; there are "
            f"{len(units)} units. {_BY_UNIT}"
        )
    return Column(value, None)

"""Columns with one value per unit, which may be in data or in a source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth._arrays import Bools, lacking_observed
from statsmodels_synth.exceptions import (
    DataError,
    count,
    format_units,
    name_units,
    show,
    unknown_column,
)
from statsmodels_synth.frame_kinds import column_of, names_of_columns
from statsmodels_synth.unit_ids import stacked


@dataclass(frozen=True)
class UnitColumns:
    """
    Columns with one value per unit, wherever they are.

    Parameters
    ----------
    data : DataFrame
        Data, indexed by unit.
    sources : tuple of (str, DataFrame)
        Name and frame of every source that has one, indexed by unit.
    units : Index (T,)
        Unit labels: those of data first.
    others : tuple of (DataFrame, Table or None)
        For data and then every source, the frame of another library that it was
        made of: its other columns are converted when they are asked for.
    needed : tuple of str
        Columns of data that a labelled unit needs besides its outcome.
    """

    data: pd.DataFrame
    sources: tuple[tuple[str, pd.DataFrame], ...]
    units: pd.Index
    others: tuple[Any, ...] = ()
    needed: tuple[str, ...] = ()

    def lacking(self, labeled: Bools) -> Bools:
        """
        Units of data without an observed regressor, offset or exposure.

        Parameters
        ----------
        labeled : ndarray (T,) of bool
            Labelled units.

        Returns
        -------
        ndarray (T,) of bool
            See :func:`~statsmodels_synth._arrays.lacking_observed`.
        """
        n_data = len(self.data)
        found = np.zeros(len(self.units), dtype=bool)
        gaps = (self.data[c].isna().to_numpy() for c in self.needed if c in self.data)
        found[:n_data] = lacking_observed(gaps, labeled[:n_data])
        return found

    def of_data_first(self, name: str, label: str) -> pd.Series:
        """
        Values of a column for all units: those of data, and of sources for the rest.

        Parameters
        ----------
        name : str
            The column.
        label : str
            What it is, for messages.

        Returns
        -------
        Series (T,)
            Missing where nobody has a value. Sources may differ from data, since they
            may draw a variable anew, but not among themselves where data says nothing.

        Raises
        ------
        DataError
            See :meth:`values`.
        """
        others = self.others or (None,) * (1 + len(self.sources))
        if _column(self.data, name, others[0]) is None:
            return self.values(name, label)
        own = replace(self, sources=(), others=others[:1]).values(name, label)
        lacking = own.isna().to_numpy()
        elsewhere = []
        for (source, frame), other in zip(self.sources, others[1:], strict=True):
            column = _column(frame, name, other)
            if column is None or not lacking.any():
                continue
            column = pd.Series(column.to_numpy(), frame.index)
            asked = self.units[lacking]
            elsewhere.append((source, column[column.index.isin(asked)].to_frame(name)))
        if not elsewhere:
            return own
        rest = UnitColumns(
            pd.DataFrame(index=self.units[:0]),
            tuple(elsewhere),
            self.units,
        )
        return own.where(~lacking, rest.values(name, label))

    def values(self, name: str, label: str) -> pd.Series:
        """
        Values of a column for all units: from data, else from a source.

        Parameters
        ----------
        name : str
            The column.
        label : str
            What it is, for messages.

        Returns
        -------
        Series (T,)
            Missing where nobody has a value.

        Raises
        ------
        DataError
            If no frame has the column, or two frames disagree.
        """
        frames = [("data", self.data), *self.sources]
        others = self.others or (None,) * len(frames)
        found = [
            (source, column, frame.index)
            for (source, frame), other in zip(frames, others, strict=True)
            if (column := _column(frame, name, other)) is not None
        ]
        if not found:
            known = {*self.data, *(c for _, frame in self.sources for c in frame)}
            for other in self.others:
                known |= set() if other is None else {*names_of_columns(other)}
            raise unknown_column(label, name, known)
        values = stacked([column for _, column, _ in found])
        units = self.units.append([index for *_, index in found])[len(self.units) :]
        present = values.notna().to_numpy()
        values, units = values[present], units[present]
        first = ~units.duplicated()
        result = pd.Series(values.to_numpy()[first], units[first]).reindex(self.units)
        kept = result.loc[units].to_numpy()
        differs = np.asarray(kept != values.to_numpy())
        if differs.any():
            where = np.repeat([s for s, *_ in found], [len(c) for _, c, _ in found])
            source, at = where[present][differs][0], int(np.flatnonzero(differs)[0])
            raise DataError(
                f"Source {str(source)!r}: {label} is not the same as in data or in "
                f"another row for {count(int(differs.sum()), 'row')}, such as "
                f"{show(values.iloc[at])} and {show(kept[at])} ("
                f"{name_units(units[differs])}). A unit has one value."
            )
        return result.reset_index(drop=True)

    def complete(self, name: str, label: str) -> pd.Series:
        """
        Values of a column that every unit needs.

        Parameters
        ----------
        name : str
            The column.
        label : str
            What it is, for messages.

        Returns
        -------
        Series (T,)
            No missing value.

        Raises
        ------
        DataError
            Also if a unit has no value.
        """
        values = self.values(name, label)
        absent = values.isna().to_numpy()
        if absent.any():
            raise DataError(
                f"{label} is missing for {count(int(absent.sum()), 'unit')} "
                f"({format_units(self.units[absent])}). Add the column to data or to a "
                "source that has these units."
            )
        return values


def _column(frame: pd.DataFrame, name: str, other: Any = None) -> pd.Series | None:
    """A column, or a level of the index, by position."""
    if name in frame:
        return frame[name]
    if name in frame.index.names:
        return pd.Series(frame.index.get_level_values(name))
    if other is not None and name in names_of_columns(other):
        return column_of(other, name)
    return None

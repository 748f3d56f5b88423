"""Columns with one value per unit, which may be in data or in a source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statsmodels_synth.exceptions import (
    DataError,
    count,
    format_units,
    show,
    suggest,
)


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
    """

    data: pd.DataFrame
    sources: tuple[tuple[str, pd.DataFrame], ...]
    units: pd.Index

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
        found = [
            (source, column, frame.index)
            for source, frame in frames
            if (column := _column(frame, name)) is not None
        ]
        if not found:
            known = {*self.data, *(c for _, frame in self.sources for c in frame)}
            raise DataError(
                f"{label} is not a column of data or of a source."
                f"{suggest(name, sorted(map(str, known)))}"
            )
        values = pd.concat([column for _, column, _ in found], ignore_index=True)
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
                f"{show(values.iloc[at])} and {show(kept[at])} (units "
                f"{format_units(units[differs])}). A unit has one value."
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


def _column(frame: pd.DataFrame, name: str) -> pd.Series | None:
    """A column, or a level of the index, by position."""
    if name in frame:
        return frame[name]
    if name in frame.index.names:
        return pd.Series(frame.index.get_level_values(name))
    return None

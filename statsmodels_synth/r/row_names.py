"""
Units by R's row names, where no column is named that identifies them.

R numbers the rows of every data frame, so that three cases are told apart:

* Row names that are text were given by someone: they identify units.
* Row names 1 to n in two frames of the same number of rows: rows correspond by
  position, unless a column that both have says that they do not.
* Other numbers (what subset() and order() leave behind, or 1 to n in frames of
  different length) count rows of a frame that is no longer there. They are matched only
  where columns that both have prove that the same numbers are the same rows. So
  ``labelled <- subset(all, !is.na(y))`` goes with ``proxy = all``, but not with a file
  of guesses in an order of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Positions
from statsmodels_synth.core.messages import format_units
from statsmodels_synth.data.compared import CountedFrame, Pair, paired
from statsmodels_synth.data.row_order import names_unit, refuse_other_order
from statsmodels_synth.exceptions import AlignmentError
from statsmodels_synth.r.columns import whole_numbers

_ADVICE = 'Name the column that identifies units, as in on = "id"'


@dataclass(frozen=True)
class NumberedFrame:
    """
    A frame of R, indexed by its row names.

    Parameters
    ----------
    where : str
        "data" or "source 'name'", for messages.
    frame : DataFrame
        Indexed by row names: text or numbers.
    automatic : bool
        Whether R made the row names, and none of its rows were left out since.
    counted : bool
        Whether they are 1 to n.
    """

    where: str
    frame: pd.DataFrame
    automatic: bool
    counted: bool

    @property
    def named(self) -> bool:
        """Whether somebody named the rows."""
        return self.frame.index.dtype == object


def refuse_row_names(
    data: NumberedFrame,
    sources: Sequence[NumberedFrame],
    response: Sequence[str],
    regressors: Sequence[str],
) -> None:
    """Raise if row names do not say which rows belong together."""
    by_position = [data]
    for source in sources:
        if data.named != source.named:
            raise _mixed_names(data, source)
        if data.named:
            continue
        if data.counted and source.counted and len(data.frame) == len(source.frame):
            _refuse_other_names(data, source)
            by_position.append(source)
        elif data.automatic and source.automatic:
            raise AlignmentError(
                f"data and {source.where} have automatic row names and different "
                f"numbers of rows ({len(data.frame)} and {len(source.frame)}), so it "
                f"is not known which rows belong together. {_ADVICE}."
            )
        elif not _proved(data, source):
            raise AlignmentError(
                f"The row names of data ({_some(data)}) and of {source.where} "
                f"({_some(source)}) are numbers, left from the frames that they were "
                "taken from, and no columns show that these are the same rows. "
                f"{_ADVICE}, or give both frames row names that are text."
            )
    refuse_other_order(
        [CountedFrame(f.where, f.frame, strict=True) for f in by_position],
        set(response),
        set(regressors),
    )


def _mixed_names(data: NumberedFrame, source: NumberedFrame) -> AlignmentError:
    named, other = (data, source) if data.named else (source, data)
    first = named.frame.index[:5]
    key = next((n for n in other.frame if other.frame[n].isin(first).any()), None)
    column = "" if key is None else f" (and a column {key!r} with such values)"
    return AlignmentError(
        f"The units of {named.where} are its row names "
        f"({format_units(named.frame.index)}), but {other.where} has only numbered rows"
        f"{column}, which would be matched by position. Name a column that identifies "
        'units in both, as in on = "id", or give both row names.'
    )


def _some(numbered: NumberedFrame) -> str:
    index = numbered.frame.index
    more = " ..." if len(index) > 3 else ""
    return ", ".join(map(str, index[:3])) + more


def _compared(
    data: NumberedFrame, source: NumberedFrame, names: tuple[str, str]
) -> Pair | None:
    frames = [CountedFrame(f.where, f.frame) for f in (data, source)]
    return paired(frames[0], frames[1], names, (slice(None), slice(None)))


def _refuse_other_names(data: NumberedFrame, source: NumberedFrame) -> None:
    """Raise if ids of data are in other rows of a source, or others are there."""
    ids = [str(n) for n in data.frame if _tells_rows_apart(data.frame[n])]
    shared = [n for n in ids if n in source.frame and names_unit(n)]
    proofs = []
    for own in shared:
        pair = _compared(data, source, (own, own))
        if pair is not None and pair.agrees and _tells_rows_apart(source.frame[own]):
            proofs.append(own)
    if proofs:
        rows = [_spelt_otherwise(data, source, own) for own in proofs]
        otherwise = [row for row in rows if row is not None]
        if len(otherwise) == len(proofs):
            raise _other_spelling(data, source, proofs[0], otherwise[0])
        return
    for own in ids:
        for name in map(str, source.frame):
            alike = _plain(own) == _plain(name)
            certain = alike and names_unit(own)
            if not alike and source.frame[name].dtype != object:
                continue
            # Replicates repeat an id, so that it need not tell rows of a source apart.
            if not certain and not _tells_rows_apart(source.frame[name]):
                continue
            pair = _compared(data, source, (own, name))
            differ = not pair.agrees if pair else _differ(data, source, (own, name))
            if differ and (certain or (pair is not None and _in_other_rows(pair))):
                raise _other_rows(source, own, name)


def _spelt_otherwise(
    data: NumberedFrame, source: NumberedFrame, name: str
) -> int | None:
    """The first row whose id, as text, is spelt in two ways; None if there is none."""
    own, its = (f.frame[name].reset_index(drop=True) for f in (data, source))
    if own.dtype != object or its.dtype != object:
        return None
    rows = np.flatnonzero(own.notna() & its.notna() & (own != its))
    return int(rows[0]) if len(rows) else None


def _other_spelling(
    data: NumberedFrame, source: NumberedFrame, name: str, row: int
) -> AlignmentError:
    pair = [f.frame[name].iloc[row] for f in (data, source)]
    return AlignmentError(
        f"data and {source.where} would be matched by position, but ids in column "
        f"{name!r} differ by capitals or blanks, such as {pair[0]!r} and {pair[1]!r} "
        f'in row {row + 1}. Write them alike and set on = "{name}", or leave the '
        "column out of the source if rows do match by position."
    )


def _differ(data: NumberedFrame, source: NumberedFrame, names: tuple[str, str]) -> bool:
    """Whether columns of two types, or of few rows, differ by their text."""
    columns = (data.frame[names[0]], source.frame[names[1]])
    own, its = (whole_numbers(c.reset_index(drop=True)) for c in columns)
    both = own.notna() & its.notna()
    return bool((own[both].map(str) != its[both].map(str)).any())


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum() and c.isascii()) or name


def _tells_rows_apart(column: pd.Series) -> bool:
    """Whether values are there for most rows, and none is twice."""
    if column.dtype == bool:
        return False
    known = column.dropna()
    enough = len(known) >= max(2, 0.5 * len(column))
    return enough and bool(known.is_unique)


def _in_other_rows(pair: Pair) -> bool:
    """Whether most values of the second frame are in the first, some in another row."""
    known = pair.second.dropna()
    place = pd.Index(pair.first).get_indexer_for(known)
    return bool((place >= 0).sum() >= 0.5 * len(known) and (place != known.index).any())


def _other_rows(source: NumberedFrame, own: str, name: str) -> AlignmentError:
    said = (
        f"both have a column {own!r} with other values in the same rows"
        if own == name
        else f"column {own!r} of data and column {name!r} of the source have the same "
        "values in other rows"
    )
    advice = (
        f'Set on = "{own}" if it identifies units, or sort both alike.'
        if own == name
        else f'Give both one name and set on = "{own}", or sort both alike.'
    )
    return AlignmentError(
        f"data and {source.where} would be matched by position, but {said}. {advice} "
        "(A column that identifies nothing and goes by another order: leave it out of "
        "the source.)"
    )


def _proved(data: NumberedFrame, source: NumberedFrame) -> bool:
    """Whether columns prove that equal numbers are equal rows."""
    place = source.frame.index.get_indexer_for(data.frame.index)
    if not source.frame.index.is_unique or not data.frame.index.is_unique:
        return False
    found = np.flatnonzero(place >= 0)
    # A frame that still has all its rows must have those that the other has left.
    complete = (not source.automatic or len(found) == len(data.frame)) and (
        not data.automatic or source.frame.index.isin(data.frame.index).all()
    )
    return bool(
        complete and len(found) and _same_rows(data, source, found, place[found])
    )


def _same_rows(
    data: NumberedFrame, source: NumberedFrame, rows: Positions, at: Positions
) -> bool:
    shared = {}
    for name in data.frame.columns.intersection(source.frame.columns):
        own = data.frame[name].iloc[rows].reset_index(drop=True)
        its = source.frame[name].iloc[at].reset_index(drop=True)
        if (own.dtype == object) != (its.dtype == object) or own.dtype == bool:
            continue
        same = (own.astype(object) == its.astype(object)) | (own.isna() & its.isna())
        if not same.all():
            continue
        if own.is_unique:
            return True
        shared[name] = own
    return bool(shared) and not pd.DataFrame(shared).duplicated().any()

"""
Data frames, matched unit by unit.

What comes in: rows that people labelled, and for each source a frame, or the
names of columns of `data`. What goes out: complete rows of every frame, each
with the position of its unit. Nothing is matched by position unless the
indexes say so.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import (
    LEAVE_OUT,
    Bools,
    Floats,
    Positions,
    as_floats,
    check_positive,
    lacking_observed,
)
from statsmodels_synth.core.messages import (
    count,
    format_units,
    name_units,
    option_label,
    show,
    suggest,
    unknown_column,
)
from statsmodels_synth.core.options import Kind, Missing
from statsmodels_synth.data.columns import (
    PlainColumns,
    check_frame,
    check_row_index,
    joined_columns,
    matched_type,
    native,
    plain_columns,
    refuse_nested,
    uses_beside,
)
from statsmodels_synth.data.compared import CountedFrame
from statsmodels_synth.data.forms import GivenSource, require_source_column
from statsmodels_synth.data.formula.uses import ColumnUses
from statsmodels_synth.data.ids import (
    refuse_ids_of_two_types,
    refuse_ids_spelt_alike,
    refuse_mixed_ids,
    refuse_rounded_ids,
    stacked,
    unmatched_ids,
)
from statsmodels_synth.data.kinds import (
    Uncollected,
    further_column,
    names_of_columns,
    values_of,
)
from statsmodels_synth.data.row_order import refuse_other_order
from statsmodels_synth.data.types import refuse_text_numbers
from statsmodels_synth.exceptions import AlignmentError, DataError

On: TypeAlias = Hashable | Sequence[Hashable] | None


@dataclass(frozen=True)
class SourceFrame:
    """
    The complete rows of one source.

    Parameters
    ----------
    name, kind : str
        Name and kind.
    frame : DataFrame (R, variables)
        Index: unit labels.
    units : ndarray (R,)
        Position of the unit of each row in ``AlignedFrames.units``.
    data_rows : ndarray (R,)
        Row of `data` of the unit, -1 where it has none.
    rows : ndarray (R,)
        Row of the source's own frame.
    own : frozenset of str
        Variables that the source brings; the others come from `data`.
    n_dropped : int
        Rows left out because a value is missing.
    """

    name: str
    kind: Kind
    frame: pd.DataFrame
    units: Positions
    data_rows: Positions
    rows: Positions
    own: frozenset[str]
    n_dropped: int


@dataclass(frozen=True)
class AlignedFrames:
    """
    All frames, matched.

    Parameters
    ----------
    units : Index (T,)
        Unit labels: those of data first, then those of the sources.
    data : DataFrame
        Rows of data, its columns the variables.
    labeled_rows : ndarray (n,)
        Rows of data that are labelled, which are also the units' positions.
    lacking : ndarray (rows of data,) of bool or None
        Rows of data without a regressor; None where there are none.
    sources : tuple of SourceFrame
        The sources.
    weights : ndarray (T,) or None
        Weight of each unit.
    columns : UnitColumns
        Further columns of the units.
    n_incomplete : int
        Rows with an outcome, or declared labelled, that lack another variable
        and count as unlabelled.
    """

    units: pd.Index
    data: pd.DataFrame
    labeled_rows: Positions
    lacking: Bools | None
    sources: tuple[SourceFrame, ...]
    weights: Floats | None
    columns: UnitColumns
    n_incomplete: int


def align_frames(
    data: pd.DataFrame,
    sources: Sequence[GivenSource],
    response: Sequence[str],
    regressors: Sequence[str],
    uses: ColumnUses,
    *,
    on: On = None,
    labeled: object = None,
    weights: str | None = None,
    extra: Sequence[str] = (),
    missing: Missing = "drop",
    types: pd.DataFrame | None = None,
    others: Sequence[Any] = (),
) -> AlignedFrames:
    """
    Match data and sources by unit and keep complete rows.

    Shapes: `others` (DataFrame, Table or None).
    """
    check_frame(data)
    variables = list(dict.fromkeys([*response, *regressors, *extra]))
    labeled_mask = _labeled_mask(data, labeled)
    keyed = keyed_by(data, on, whole=types is None)
    for name in variables:
        if name not in keyed.columns:
            purpose = " (offset or exposure)" if name in extra else ""
            raise DataError(
                f"data has no column {name!r}{purpose}, which every labelled unit "
                f"needs.{suggest(name, list(keyed.columns))}"
            )
    if not keyed.index.is_unique:
        repeated = keyed.index[keyed.index.duplicated()].unique()
        raise AlignmentError(
            f"data has more than one row for {count(len(repeated), 'unit')} "
            f"({format_units(repeated)}). Keep one row per unit; only sources may "
            "have replicates."
        )
    uses = uses.with_numbers(extra)
    plain = plain_columns(keyed, variables, uses, "data")
    refuse_text_numbers(plain.frame, uses, "data")
    if types is not None:
        plain = _typed(plain, types)
    rows, n_incomplete = _labeled_rows(plain, response, labeled_mask, missing)
    framed = [_source_columns(s, keyed, variables, on, types is None) for s in sources]
    units = _all_units(keyed, framed, on, types is None)
    aligned = [
        _align_source(given, columns, plain, units, variables, uses, missing, types)
        for given, columns in framed
    ]
    own = tuple((g.name, f) for g, f in framed if g.frame is not None)
    columns = UnitColumns(
        keyed, own, units, tuple(others), tuple(dict.fromkeys([*regressors, *extra]))
    )
    if on is None and types is None:
        drawn = {g.name for g, _ in framed if g.kind == "synthetic"}
        _refuse_other_order(columns, set(response), set(regressors), drawn)
    return AlignedFrames(
        units=units,
        data=plain.frame,
        labeled_rows=rows,
        lacking=plain.lacking(regressors),
        sources=tuple(aligned),
        weights=None if weights is None else _weights(weights, columns),
        columns=columns,
        n_incomplete=n_incomplete,
    )


def _refuse_other_order(
    columns: UnitColumns, response: set[str], regressors: set[str], drawn: set[str]
) -> None:
    """Raise if a column that frames share says that their rows are others."""
    named = [("data", columns.data, False)]
    named += [(f"source {n!r}", frame, n in drawn) for n, frame in columns.sources]
    others = columns.others or (None,) * len(named)
    frames = [
        CountedFrame(where, frame, other, made_up)
        for (where, frame, made_up), other in zip(named, others, strict=True)
    ]
    refuse_other_order(frames, response, regressors)


def _labeled_mask(data: pd.DataFrame, labeled: object) -> Bools | None:
    if labeled is None:
        return None
    if isinstance(labeled, str):
        if labeled not in data:
            raise DataError(
                f"labeled={labeled!r} is not a column of data."
                f"{suggest(labeled, list(data.columns))}"
            )
        labeled = data[labeled]
    refuse_nested(labeled, "labeled")
    labeled = values_of(labeled)
    check_row_index(labeled, data.index, "labeled")
    mask = np.asarray(labeled)
    if mask.shape != (len(data),):
        raise DataError(
            f"labeled= has shape {mask.shape}; data has {len(data)} rows. Give one "
            "value per row."
        )
    if mask.dtype == bool:
        return mask
    values = pd.Series(mask)
    if values.isna().any() or not values.isin([0, 1, True, False]).all():
        raise DataError("labeled= must be True or False (or 1 or 0) for every row.")
    return values.astype(bool).to_numpy()


def _typed(plain: PlainColumns, types: pd.DataFrame) -> PlainColumns:
    """Columns of a part of data in the types of the whole."""
    columns = {
        name: matched_type(column, types[name], "data")
        for name, column in plain.frame.items()
    }
    return PlainColumns(joined_columns(columns, plain.frame.index), plain.gaps)


def keyed_by(
    frame: pd.DataFrame, on: On, where: str = "data", *, whole: bool = True
) -> pd.DataFrame:
    """The frame indexed by unit; where it is the whole one, some row must be there."""
    if on is not None:
        keys = unit_keys(on)
        if list(frame.index.names) == keys and not set(keys) & set(frame.columns):
            frame = frame.reset_index()
        for name in keys:
            if name not in frame:
                raise AlignmentError(
                    f"{where} has no column {name!r} (on={on!r})."
                    f"{suggest(name, list(frame.columns))}"
                )
        # The index alone is made of copies, not the whole frame with it.
        index = frame[keys].set_index(keys).index
        frame = frame.copy(deep=False)
        frame.index = index.set_names([None] * index.nlevels)
    frame = native(frame)
    if whole and not len(frame):
        raise DataError(f"{where} has no rows.")
    n_missing = _n_missing(frame.index)
    if n_missing:
        raise AlignmentError(
            f"{where} has {count(n_missing, 'row')} whose unit is missing. Every "
            "row needs one."
        )
    refuse_rounded_ids(frame.index, where)
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise DataError(f"{where} has two columns named {doubled[0]!r}. Rename one.")
    return frame


def keyed_rows(
    frame: pd.DataFrame, columns: UnitColumns, on: On, where: str
) -> pd.DataFrame:
    """One row per unit of a frame that is no source, matched as sources are."""
    keyed = keyed_by(frame, on, where)
    if not keyed.index.is_unique:
        repeated = keyed.index[keyed.index.duplicated()].unique()
        raise AlignmentError(
            f"{where} has more than one row for {count(len(repeated), 'unit')} "
            f"({format_units(repeated)}). Keep one row per unit."
        )
    name = where.rstrip("=")
    given = GivenSource(name, "auxiliary", frame, {})
    _all_units(columns.data, [(given, keyed)], on, True)
    if on is None:
        other = columns.others[0] if columns.others else None
        both = [
            CountedFrame("data", columns.data, other, False),
            CountedFrame(f"source {name!r}", keyed, None, False),
        ]
        refuse_other_order(both, set(), set())
    return keyed


def unit_keys(on: On) -> list[Hashable]:
    """Columns that identify units."""
    if on is None:
        return []
    return list(on) if isinstance(on, (list, tuple)) else [on]


def _n_missing(index: pd.Index) -> int:
    """Rows whose unit, or a part of it, is missing."""
    if index.nlevels == 1:
        return int(np.sum(index.isna())) if index.hasnans else 0
    return int(index.to_frame(index=False).isna().any(axis=1).sum())


def _source_columns(
    given: GivenSource,
    data: pd.DataFrame,
    variables: list[str],
    on: On,
    whole: bool,
) -> tuple[GivenSource, pd.DataFrame]:
    """The columns that a source brings itself, keyed by unit."""
    if given.frame is not None:
        keyed = keyed_by(given.frame, on, f"Source {given.name!r}", whole=whole)
        if not any(name in keyed for name in variables):
            raise DataError(
                f"Source {given.name!r} has none of the formula's columns "
                f"({', '.join(map(repr, variables))}). It has: "
                f"{', '.join(repr(str(c)) for c in keyed.columns[:10])}."
            )
        return given, keyed
    for variable, column in given.columns.items():
        if variable not in variables:
            advice = suggest(variable, variables)
            named = column in data and variable not in data
            if named and "Did you mean" not in advice:  # the name of a source
                form = {variable: {variables[0]: column}}
                advice = f" For a source of that name write {given.kind}={form!r}."
            raise DataError(
                f"Source {given.name!r} replaces {variable!r}, which the formula does "
                f"not use.{advice}"
            )
        if not isinstance(column, str):
            raise DataError(
                f"Source {given.name!r}: {variable!r} has a column for each level "
                f"({', '.join(map(repr, column))}), which is for the outcome of a model"
                " of levels, such as score=MultinomialLogit()."
            )
        require_source_column(given, variable, column, data.columns)
    columns = {variable: data[column] for variable, column in given.columns.items()}
    return given, joined_columns(columns, data.index)


def _is_default(index: pd.Index) -> bool:
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def _counts_from_one(index: pd.Index) -> bool:
    """Whether an index is 1, 2, ..., as R numbers rows."""
    return index.name is None and index.equals(pd.RangeIndex(1, len(index) + 1))


def _refuse_other_counts(
    units: pd.Index, index: pd.Index, in_data: Bools, name: str
) -> None:
    """Raise if rows are only counted, and those of a source in another way."""
    if _is_default(units):
        if _is_default(index) and len(index) != len(units):
            raise AlignmentError(
                f"data and source {name!r} have default indexes of different "
                f"length ({len(units)} and {len(index)}), so rows would be matched "
                "by position. Set on= to the column that identifies units, or set "
                "the index of both."
            )
        strange = index[~in_data]
        if len(strange):
            raise AlignmentError(
                f"data has the default index 0 to {len(units) - 1}, but source "
                f"{name!r} has units that are not in it "
                f"({format_units(strange.unique())}), so the two do not count the "
                "same units. Set on= to the column that identifies units, or set "
                "the index of both."
            )
    if _is_default(index) and _counts_from_one(units) and len(index) > len(units):
        raise AlignmentError(
            f"data counts its rows from 1 to {len(units)} and source "
            f"{name!r} from 0 to {len(index) - 1}, so the two do not count "
            "the same units. Set on= to the column that identifies units, or set "
            "the index of both."
        )


def _all_units(
    data: pd.DataFrame,
    framed: list[tuple[GivenSource, pd.DataFrame]],
    on: On,
    whole: bool,
) -> pd.Index:
    units = data.index
    for given, frame in framed:
        index = frame.index
        if not whole:  # what follows is about frames as they were given
            if not index.equals(units):
                units = units.append(index[units.get_indexer(index) < 0].unique())
            continue
        if not index.equals(units):
            refuse_ids_spelt_alike(*unmatched_ids(units, index), given.name, on)
        if on is None and given.frame is not None:
            _refuse_index_and_column(data, frame, given.name)
        if index.equals(data.index):
            continue
        refuse_mixed_ids(data.index, index, given.name)
        # Not isin(), which with text takes ten times as long.
        same = index.nlevels == data.index.nlevels
        place = units.get_indexer(index) if same else np.full(len(index), -1)
        in_data = (place >= 0) & (place < len(data))
        if on is None:
            _refuse_other_counts(data.index, index, in_data, given.name)
        if not in_data.any():
            raise AlignmentError(
                f"Source {given.name!r} has no unit in common with data: its units are "
                f"{index.inferred_type} ({format_units(index[:3])}), those of data "
                f"{data.index.inferred_type} ({format_units(data.index[:3])}). Use the "
                "same identifiers in both, or set on=; and a source needs rows for the "
                "labelled units too."
            )
        renumbered = _is_default(index) and not _is_default(data.index)
        present = np.zeros(len(data), dtype=bool)
        present[place[in_data]] = True
        if on is None and renumbered and not present.all():
            strange = data.index[~present]
            raise AlignmentError(
                f"data has units that source {given.name!r}, with its default index 0 "
                f"to {len(index) - 1}, does not have ({format_units(strange)}), so the "
                "two may not count the same units. Set on= to the column that "
                "identifies units, or set the index of both."
            )
        if (place < 0).any():
            units = units.append(index[place < 0].unique())
    if whole:
        named = [(f"source {given.name!r}", frame.index) for given, frame in framed]
        refuse_ids_of_two_types(units, [("data", data.index), *named])
    return units


def _refuse_index_and_column(
    data: pd.DataFrame, frame: pd.DataFrame, name: str
) -> None:
    """Raise if units are the index of one frame and a column of the other."""
    source = f"source {name!r}"
    for keyed, counted, its, other in (
        (data, frame, "data", source),
        (frame, data, source, "data"),
    ):
        key = keyed.index.name
        if key is not None and _is_default(counted.index) and key in counted.columns:
            raise AlignmentError(
                f"The units of {its} are its index {key!r}; {other} has a column "
                f"{key!r} and a default index, which would be matched by position. Set "
                f"on={key!r}."
            )


def _align_source(
    given: GivenSource,
    keyed: pd.DataFrame,
    plain: PlainColumns,
    units: pd.Index,
    variables: list[str],
    uses: ColumnUses,
    missing: Missing,
    types: pd.DataFrame | None,
) -> SourceFrame:
    where = f"Source {given.name!r}"
    data = plain.frame
    model = data if types is None else types
    own = [name for name in variables if name in keyed]
    brought = plain_columns(keyed, own, uses_beside(model, uses), where)
    every_unit = keyed.index.equals(units)
    positions = np.arange(len(units)) if every_unit else units.get_indexer(keyed.index)
    data_rows = positions
    if len(units) > len(data):
        # The units of data come first, so a position beyond them has no row there.
        data_rows = np.where(positions < len(data), positions, -1)
    borrowed = [name for name in variables if name not in keyed]
    if borrowed and len(units) > len(data) and (data_rows < 0).any():
        absent = keyed.index[data_rows < 0].unique()
        raise AlignmentError(
            f"{where} has no column {borrowed[0]!r}, and {len(absent)} of its units "
            f"({format_units(absent)}) are not in data, where it would be taken from. "
            f"Add {borrowed[0]!r} to the source, or give data for all units."
        )
    whole = every_unit and len(units) == len(data)
    columns = {}
    lacking = brought.lacking()
    for name in variables:
        if name in keyed:
            columns[name] = matched_type(brought.frame[name], model[name], where)
            continue
        values = data[name] if whole else data[name].take(data_rows)
        columns[name] = pd.Series(values.array, keyed.index, copy=False)
        gaps = plain.gaps.get(name)
        if gaps is not None:
            gaps = gaps if whole else gaps[data_rows]
            lacking = gaps if lacking is None else lacking | gaps
    if lacking is not None and not lacking.any():
        lacking = None  # what data lacks is in other rows
    complete = joined_columns(columns, keyed.index)
    bad = np.zeros(len(complete), dtype=bool) if lacking is None else lacking
    if missing == "raise" and lacking is not None:
        column = next(n for n in variables if complete[n].isna().any())
        lender = "" if column in own else ", taken from data,"
        raise DataError(
            f"{where}: column {column!r}{lender} is missing for "
            f"{name_units(complete.index[complete[column].isna()])}. Complete them "
            "or set missing='drop'."
        )
    if lacking is not None and bad.all() and types is None:
        empty = [n for n in variables if complete[n].isna().all()] or [
            n for n in variables if complete[n].isna().any()
        ]
        share = complete[empty[0]].isna().mean()
        raise DataError(
            f"{where} has no row with every variable of the formula: {empty[0]!r} is "
            f"missing in {share:.0%} of its {count(len(bad), 'row')}. Complete it or "
            "leave the source out."
        )
    rows = np.arange(len(bad)) if lacking is None else np.flatnonzero(~bad)
    if lacking is not None:
        complete, positions, data_rows = (
            complete.loc[~bad],
            positions[~bad],
            data_rows[~bad],
        )
    if not every_unit and np.any(positions[1:] < positions[:-1]):
        order = np.argsort(positions, kind="stable")
        complete, positions, data_rows, rows = (
            complete.iloc[order],
            positions[order],
            data_rows[order],
            rows[order],
        )
    return SourceFrame(
        given.name,
        given.kind,
        complete,
        positions,
        data_rows,
        rows,
        frozenset(own),
        int(bad.sum()),
    )


def _labeled_rows(
    plain: PlainColumns,
    response: Sequence[str],
    declared: Bools | None,
    missing: Missing,
) -> tuple[Positions, int]:
    """Rows of data that are labelled, and how many fall short of it."""
    data = plain.frame
    complete, has_outcome = (
        np.ones(len(data), dtype=bool) if lacking is None else ~lacking
        for lacking in (plain.lacking(), plain.lacking(response))
    )
    wanted = has_outcome if declared is None else declared
    short = wanted & ~complete
    if missing == "raise" and short.any():
        column = next(n for n in data if data[n][short].isna().any())
        raise DataError(
            f"data: column {column!r} is missing for "
            f"{count(int(short.sum()), 'labelled unit')} "
            f"({format_units(data.index[short])}). Complete them or set "
            "missing='drop', which counts them as unlabelled."
        )
    return np.flatnonzero(wanted & complete), int(short.sum())


def _weights(name: str, columns: UnitColumns) -> Floats:
    """Weight of each unit."""
    label = option_label("weights", name)
    values = as_floats(columns.complete(name, label), label)
    check_positive(values, label, columns.units, LEAVE_OUT)
    return values


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
        made of: its other columns are converted when they are asked for, and
        collected by unit where rows have no order.
    needed : tuple of str
        Columns of data that a labelled unit needs besides its outcome.
    """

    data: pd.DataFrame
    sources: tuple[tuple[str, pd.DataFrame], ...]
    units: pd.Index
    others: tuple[Any, ...] = ()
    needed: tuple[str, ...] = ()

    @property
    def unordered(self) -> Uncollected | None:
        """The table that data were collected from, if its rows have no order."""
        other = self.others[0] if self.others else None
        return other if isinstance(other, Uncollected) else None

    def lacking(self, labeled: Bools) -> Bools:
        """
        Units of data without an observed regressor, offset or exposure.

        Shapes: `labeled` (T,) -> (T,).
        """
        n_data = len(self.data)
        found = np.zeros(len(self.units), dtype=bool)
        gaps = (self.data[c].isna().to_numpy() for c in self.needed if c in self.data)
        found[:n_data] = lacking_observed(gaps, labeled[:n_data])
        return found

    def of_data_first(self, name: str, label: str) -> pd.Series:
        """
        Values of a column for all units: those of data, and of sources for the rest.

        Shapes: (T,).
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

        Shapes: (T,).
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

        Shapes: (T,).
        """
        values = self.values(name, label)
        absent = self.units[values.isna().to_numpy()]
        if len(absent):
            raise DataError(
                f"{label} is missing for {count(len(absent), 'unit')} "
                f"({format_units(absent)}). {self._advice(name, absent)}"
            )
        return values

    def _advice(self, name: str, absent: pd.Index) -> str:
        """What to do for units without a value: of a column they have, or have not."""
        frames = [("data", self.data), *self.sources]
        others = self.others or (None,) * len(frames)
        having = [
            frame.index
            for (_, frame), other in zip(frames, others, strict=True)
            if _column(frame, name, other) is not None
        ]
        gaps = absent[np.any([absent.isin(index) for index in having], axis=0)]
        elsewhere = "add the column to data or to a source that has these units."
        if not len(gaps):
            return elsewhere.capitalize()
        if len(gaps) == len(absent):
            return "Complete the column, or leave out the units that lack it."
        return (
            f"Complete the column for {len(gaps)} of them, whose rows have it "
            f"({format_units(gaps)}); for the others {elsewhere}"
        )


def _column(frame: pd.DataFrame, name: str, other: Any = None) -> pd.Series | None:
    """A column, or a level of the index, by position."""
    if name in frame:
        return frame[name]
    if name in frame.index.names:
        return pd.Series(frame.index.get_level_values(name))
    return further_column(other, name, frame.index)

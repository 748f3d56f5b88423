"""
Several codes of one unit: how far coders agree, and what their codes make one label.

A unit's label is the mean of its codes or what most of them say. Where the score is
linear in the outcome, that at the mean is the mean of those at each code, as of
replicates. So the variance between coders is in that between units, which the standard
errors are made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import re
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.core.messages import (
    count,
    format_units,
    show,
    unknown_column,
    warn,
)
from statsmodels_synth.core.options import check_choice
from statsmodels_synth.data.frames import keyed_by, unit_keys
from statsmodels_synth.data.kinds import (
    is_other_frame,
    names_of_columns,
    opened,
    to_pandas,
)
from statsmodels_synth.exceptions import CoderWarning, DataError, OptionError

How = Literal["mean", "majority"]


@dataclass(frozen=True)
class Coders:
    """
    How far coders agree.

    Parameters
    ----------
    table : DataFrame
        One row per variable on which they could differ: `coders`, `codes`, `units`
        with a code, `several`, those with more than one, `agreement`, the share of
        pairs of codes of a unit that are the same, Krippendorff's `alpha`, its
        `metric`, `label`, what made one of several codes, and `ties`, the units without
        a majority.
    left_out : tuple of str
        The column of coders, and those that differ within a unit and are no label.
    """

    table: pd.DataFrame
    left_out: tuple[str, ...] = ()

    def refuse_left_out(self, name: str, label: str) -> None:
        """Raise where a column is asked for that belongs to codes, not to units."""
        if name in self.left_out:
            raise DataError(
                f"{label} has several values for one unit, one for each coder. A unit "
                "goes into one group: name a column that is the same in all its rows."
            )

    @property
    def note(self) -> str:
        """What a reader of a summary must know."""
        parts = [
            f"{name}: {row['codes'] / max(row['units'], 1):.1f} codes per unit by "
            f"{count(int(row['coders']), 'coder')}, "
            + (
                f"Krippendorff's alpha {row['alpha']:.2f}"
                if row["several"]
                else "of whom no two coded the same unit, so that nothing is known of "
                "their agreement"
            )
            + f"; the label of a unit is their {row['label']}"
            for name, row in self.table.iterrows()
        ]
        return f"Several coders. {'. '.join(parts)}. It is taken for the truth."


@dataclass(frozen=True)
class Collapsed:
    """
    One row per unit, made of the rows of coders.

    Parameters
    ----------
    data : DataFrame
        It.
    coders : Coders
        How far they agree.
    units : ndarray (rows,)
        Row of `data` that each row of a coder went into.
    """

    data: pd.DataFrame
    coders: Coders
    units: Positions


@dataclass(frozen=True)
class Coding:
    """
    How codes become labels.

    Parameters
    ----------
    asked : str, mapping or None
        What makes one of several codes, of all columns or by column.
    formula : str
        The formula.
    is_linear, has_levels : bool
        Whether its score is linear in it, and whether it has levels.
    fixed : mapping
        Columns that options name, which cannot differ within a unit.
    """

    asked: Any
    formula: str
    is_linear: bool
    has_levels: bool
    fixed: Mapping[str, str]

    @property
    def outcome(self) -> str:
        """Left side of the formula."""
        return self.formula.split("~")[0].strip()

    def of(self, name: Any, values: pd.Series) -> How | None:
        """What makes one of several codes; None for a column that is not a label."""
        asked = self.asked
        if isinstance(asked, Mapping):
            asked = asked.get(name)
        numeric = pd.api.types.is_numeric_dtype(values)
        is_outcome = name == self.outcome
        if asked is None:
            if not is_outcome:
                if not is_named(str(name), self.formula):
                    return None
                raise OptionError(
                    f"Coders differ on {name!r}, which is in the formula. Say what "
                    f"its label is: coding={{{name!r}: 'majority'}}, or 'mean' for a "
                    "number."
                )
            if self.has_levels or not numeric:
                return "majority"
            if not self.is_linear:
                raise OptionError(
                    f"Coders differ on {name!r}, and this score is not linear in the "
                    "outcome: at the mean of the codes it is another target than at "
                    "each. Say which is meant, with coding='mean' or "
                    "coding='majority'."
                )
            return "mean"
        check_choice("coding", asked, How)
        if asked == "mean" and ((self.has_levels and is_outcome) or not numeric):
            raise OptionError(
                f"coding='mean' needs numbers, and {name!r} has levels. Give "
                "'majority'."
            )
        return cast("How", asked)


def is_named(name: str, text: str) -> bool:
    """Whether a part of a formula has a variable."""
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text) is not None


def collapse(data: Any, coder: Any, on: Any, coding: Coding) -> Collapsed:
    """One row per unit of a frame with a row per unit and coder."""
    rows = _read(data)
    if not isinstance(coder, str) or coder not in rows:
        raise unknown_column(f"coder={show(coder)}", str(coder), rows.columns)
    keys = unit_keys(on)
    if on is None and isinstance(rows.index, pd.RangeIndex):
        raise DataError(
            "coder= needs ids: several rows are of one unit. Make the id the index of "
            "data, or name its column in on=."
        )
    if coder in keys:
        raise OptionError(
            f"coder={coder!r} is in on=, which names units. Leave it out."
        )
    ids = keyed_by(rows, on).index
    for name in coding.asked if isinstance(coding.asked, Mapping) else ():
        if name not in rows:
            raise unknown_column(f"coding={{{show(name)}: ...}}", name, rows.columns)
    units, _ = pd.factorize(ids)
    _refuse_twice(rows, units, coder)
    # The first row of a unit, to which its label is brought.
    first = np.unique(units, return_index=True)[1]
    by_id = pd.util.hash_pandas_object(ids[first], index=False).to_numpy()
    result, described = rows.iloc[first].drop(columns=coder), {}
    for name in [c for c in rows.columns if c != coder and c not in keys]:
        codes = _Codes(rows[name], units, rows[coder])
        differs = codes.first_that_differs
        if differs is None:
            result[name] = codes.known(first)
            if name == coding.outcome:
                described[name] = codes.described("mean", 0)
            continue
        if name in coding.fixed:
            raise DataError(
                f"{coding.fixed[name]} names {name!r}, which differs between the rows "
                f"of one unit ({format_units([ids[differs]])}). It belongs to the "
                "unit: make it the same in all its rows."
            )
        how = coding.of(name, rows[name])
        if how is None:
            result = result.drop(columns=name)
            continue
        result[name], ties = codes.label(how, by_id / 2.0**64)
        described[name] = codes.described(how, ties)
        if ties:
            _warn_of_ties(name, ties)
    table = pd.DataFrame.from_dict(described, orient="index")
    table.index.name = "variable"
    gone = tuple(str(name) for name in rows.columns if name not in result)
    return Collapsed(result, Coders(table, gone), units)


def _warn_of_ties(name: Any, ties: int) -> None:
    """Say how many units have no majority."""
    warn(
        f"Coders are divided on {name!r} for {count(ties, 'unit')}: among the most "
        "frequent codes one was drawn by the unit's id. With "
        f"coding={{{name!r}: 'mean'}} numbers are averaged.",
        CoderWarning,
    )


def _read(data: Any) -> pd.DataFrame:
    """The frame as one of pandas."""
    given = opened(data)
    if is_other_frame(given):
        given = to_pandas(given, names_of_columns(given), (), "data")
    if not isinstance(given, pd.DataFrame):
        raise OptionError(
            "coder= needs the rows of data in memory, in a DataFrame with one row per "
            "unit and coder. Collect them."
        )
    return given


def _refuse_twice(rows: pd.DataFrame, units: Positions, coder: str) -> None:
    """Raise if a coder has two rows of one unit."""
    who = pd.factorize(rows[coder])[0]
    known = who >= 0
    twice = pd.DataFrame({"u": units[known], "c": who[known]}).duplicated().to_numpy()
    if twice.any():
        at = np.flatnonzero(known)[twice]
        raise DataError(
            f"data has several rows of one unit and coder, {len(at)} more than one "
            f"each ({format_units(rows.index[at])}). Keep one row per unit and coder."
        )


class _Codes:
    """
    The codes of one column.

    Parameters
    ----------
    values : Series (N,)
        They, missing where there is none.
    units : ndarray (N,)
        Unit of each row.
    who : Series (N,)
        Coder of each row.
    """

    def __init__(self, values: pd.Series, units: Positions, who: pd.Series) -> None:
        self.values, self.units, self.who = values, units, who
        self.codes, self.levels = pd.factorize(values)
        self.given = self.codes >= 0

    @property
    def first_that_differs(self) -> int | None:
        """A row whose value is not that of another row of its unit."""
        given = np.flatnonzero(self.given)
        order = given[np.argsort(self.units[given], kind="stable")]
        units, codes = self.units[order], self.codes[order]
        apart = (units[1:] == units[:-1]) & (codes[1:] != codes[:-1])
        return int(order[1:][apart][0]) if apart.any() else None

    def known(self, first: Positions) -> Any:
        """The one value that each unit has, missing where it has none, (U,)."""
        place = first.copy()
        given = np.flatnonzero(self.given)
        place[self.units[given][::-1]] = given[::-1]
        return self.values.iloc[place].array

    def label(self, how: How, chance: Floats) -> tuple[Any, int]:
        """One label per unit, and how many units have no majority. `chance`: (U,)."""
        size, given = len(chance), self.given
        number = np.bincount(self.units[given], minlength=size)
        if how == "mean":
            numbers = self.values[given].to_numpy(dtype=float)
            total = np.bincount(self.units[given], numbers, minlength=size)
            with np.errstate(invalid="ignore"):
                return total / number, 0
        counts = np.zeros((size, len(self.levels)), dtype=np.intp)
        np.add.at(counts, (self.units[given], self.codes[given]), 1)
        # In an order of their own, so that rows have no part in what is drawn.
        order = np.argsort(pd.Index(self.levels).astype(str), kind="stable")
        best = (counts == counts.max(axis=1, keepdims=True))[:, order]
        several = best.sum(axis=1)
        wanted = 1 + np.floor(chance * several).astype(np.intp)
        chosen = order[np.argmax(np.cumsum(best, axis=1) >= wanted[:, None], axis=1)]
        labels = pd.Series(self.levels).iloc[chosen].reset_index(drop=True)
        labels = labels.where(number > 0)
        ties = int(((several > 1) & (number > 0)).sum())
        if isinstance(self.values.dtype, pd.CategoricalDtype):
            # Levels that no one has, and their order, belong to the column.
            return labels.astype(self.values.dtype).array, ties
        return labels.to_numpy(), ties

    def described(self, how: How, ties: int) -> dict[str, Any]:
        """The row of the column in the table of :class:`Coders`."""
        given, metric = self.given, "nominal"
        numbers, units = self.codes.astype(float)[given], self.units[given]
        number = np.bincount(units)
        if pd.api.types.is_numeric_dtype(self.values) and len(self.levels) > 2:
            metric, numbers = "interval", self.values[given].to_numpy(dtype=float)
        return {
            "coders": int(self.who[given].nunique()),
            "codes": int(given.sum()),
            "units": int((number > 0).sum()),
            "several": int((number > 1).sum()),
            "agreement": pair_agreement(self.codes[given], units),
            "alpha": krippendorff_alpha(numbers, units, metric),
            "metric": metric,
            "label": how,
            "ties": ties,
        }


def pair_agreement(codes: Positions, units: Positions) -> float:
    """
    Share of pairs of codes of a unit that are the same, each unit counted as its codes.

    Shapes: `codes` (N,), `units` (N,).
    """
    return 1.0 - _disagreement(codes.astype(float), units, "nominal")[0]


def krippendorff_alpha(values: Floats, units: Positions, metric: str) -> float:
    """
    Krippendorff's alpha: one less observed over expected disagreement.

    NaN where no unit has two codes, 1 where all codes are the same.

    Shapes: `values` (N,), `units` (N,).

    References
    ----------
    .. [1] Krippendorff, K. (2011). Computing Krippendorff's alpha-reliability.

    Examples
    --------
    >>> import numpy as np
    >>> codes, units = np.array([1.0, 1, 0, 1, 0, 0]), np.array([0, 0, 1, 1, 2, 2])
    >>> round(krippendorff_alpha(codes, units, "nominal"), 3)
    0.444
    """
    observed, expected = _disagreement(values, units, metric)
    if np.isnan(observed):
        return float("nan")
    return 1.0 if expected == 0.0 else 1.0 - observed / expected


def _disagreement(values: Floats, units: Positions, metric: str) -> tuple[float, float]:
    """Observed and expected disagreement of pairs, of units with two codes or more."""
    number = np.bincount(units)
    pairable = number[units] > 1
    if not pairable.any():
        return float("nan"), float("nan")
    values, units = values[pairable], units[pairable]
    number, total = np.bincount(units).astype(float), len(values)
    if metric == "interval":
        mean = np.bincount(units, values) / np.maximum(number, 1.0)
        within = np.bincount(units, (values - mean[units]) ** 2)
        some = number > 1.0
        # Sum over pairs of squared differences is 2 m times the sum of squares.
        observed = (2.0 * number * within)[some] / (number - 1.0)[some]
        spread = 2.0 * total * ((values - values.mean()) ** 2).sum()
        return float(observed.sum() / total), float(spread / (total * (total - 1)))
    codes, levels = pd.factorize(values)
    table = np.zeros((len(number), len(levels)))
    np.add.at(table, (units, codes), 1.0)
    some = number > 1.0
    same = (table[some] * (table[some] - 1.0)).sum(axis=1)
    pairs = number[some] * (number[some] - 1.0)
    observed = ((pairs - same) / (number[some] - 1.0)).sum() / total
    of_levels = table[some].sum(axis=0)
    alike = (of_levels * (of_levels - 1.0)).sum()
    return float(observed), float(1.0 - alike / (total * (total - 1.0)))

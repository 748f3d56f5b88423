"""What labels are drawn from: units, a pilot, and what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
import inspect
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions, as_floats
from statsmodels_synth.core.messages import (
    count,
    format_units,
    show,
    suggest,
    type_name,
    unknown_column,
)
from statsmodels_synth.data.coders import is_named
from statsmodels_synth.data.columns import check_frame
from statsmodels_synth.data.forms import GivenSource, given_sources
from statsmodels_synth.data.frames import On, unit_keys
from statsmodels_synth.data.ids import refuse_rounded_ids
from statsmodels_synth.data.kinds import names_of_columns, opened, to_pandas
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    FormulaError,
    OptionError,
)
from statsmodels_synth.gmm.fit import Fit
from statsmodels_synth.model.augmented import AugmentedGMM
from statsmodels_synth.planning.arguments import positions
from statsmodels_synth.results.units import chance_by_unit, labeled_and_eligible
from statsmodels_synth.sampling.pilots import doubts


@dataclass(frozen=True)
class Pilot:
    """
    A pilot, and the units that were given to it.

    Parameters
    ----------
    fit : Fit
        It.
    which : ndarray (K,)
        Positions of the coefficients that matter.
    kept : ndarray (T,)
        Places of its units among those to draw from.
    labeled, eligible : ndarray (U,)
        Which are labelled, and which could be.
    chance : ndarray (U,)
        Probability with which each was labelled.
    strata : ndarray (U,) or None
        Stratum of each, where labels were a simple random sample within them.
    has_prob : bool
        Whether labelling probabilities were given.
    """

    fit: Fit
    which: Positions
    kept: Positions
    labeled: Bools
    eligible: Bools
    chance: Floats
    strata: Positions | None
    has_prob: bool

    def is_simple_within(self, groups: Positions) -> bool:
        """Whether its labels were a simple random sample of each group. (U,)."""
        if self.strata is None:
            return not self.has_prob
        own = pd.DataFrame({"group": groups, "stratum": self.strata})[self.eligible]
        return bool(own.drop_duplicates()["group"].is_unique)


@dataclass(frozen=True)
class Frame:
    """
    What is drawn from.

    Parameters
    ----------
    table : DataFrame
        One row per unit.
    ids : Index (U,)
        Their ids.
    key : ndarray (U,)
        A random number for each, that does not depend on the order of rows.
    start : float
        Another one.
    is_open : ndarray (U,)
        Which can be drawn.
    pilot : Pilot or None
        The labels that there are.
    """

    table: pd.DataFrame
    ids: pd.Index
    key: Floats
    start: float
    is_open: Bools
    pilot: Pilot | None

    @property
    def earlier(self) -> Floats | float:
        """Probability with which each unit was labelled in earlier waves."""
        return 0.0 if self.pilot is None else self.pilot.chance

    def values(self, name: Any, option: str) -> pd.Series:
        """A column of the units."""
        if not isinstance(name, str) or name not in self.table:
            if not isinstance(name, str):
                given = f"a {type_name(name)}" if np.ndim(name) else show(name)
                raise OptionError(
                    f"{option}= is {given}, no name of a column. Give the name of one "
                    "column of units."
                )
            raise unknown_column(f"{option}={name!r}", name, self.table.columns)
        return self.table[name]

    def groups(self, name: Any, option: str) -> tuple[Positions, int]:
        """Groups that a column makes of the units, and how many."""
        values = self.values(name, option)
        absent = values.isna().to_numpy()
        if absent.any():
            raise DataError(
                f"{option}={name!r} is missing for {count(int(absent.sum()), 'unit')} "
                f"({format_units(self.ids[absent])}). Complete the column."
            )
        codes, found = pd.factorize(values, sort=False)
        return codes, len(found)


@dataclass(frozen=True)
class Request:
    """What was asked for besides units, number and design; as :func:`draw_labels`."""

    for_: Any
    formula: Any
    proxy: Any
    strata: Any
    clusters: Any
    auxiliary: Any
    balance: Any
    on: On
    options: dict[str, Any]
    #: The regression on proxies, already fitted, and how unsure they are (U, K).
    by_proxies: Callable[[Frame], tuple[Any, Floats]] | None = None

    def check(self, design: str, *, has_pilot: bool) -> None:
        """Raise if a design lacks what it needs, or has what it does not take."""
        by_model = design in ("influence", "optimal")
        for name, needed in (("strata", "stratified"), ("clusters", "clusters")):
            given = getattr(self, name) is not None
            if given != (design == needed):
                raise OptionError(
                    f"{name}= names the column of design={needed!r}, "
                    + (f"not of {design!r}. " if given else "and is missing. ")
                    + ("Leave it out." if given else f"Give {name}='column'.")
                )
        if self.balance is not None and design in ("stratified", "clusters"):
            raise OptionError(
                f"balance= is not for design={design!r}, which has its own draw. Leave "
                "it out."
            )
        if self.auxiliary is not None and not (design == "optimal" and has_pilot):
            raise OptionError(
                'auxiliary= is for design="optimal" with a pilot: only labels can say '
                "what its columns are worth. Leave it out."
            )
        self._check_names()
        own = {"formula": self.formula, "proxy": self.proxy} | self.options
        model = [name for name, value in own.items() if value is not None]
        if has_pilot and model:
            raise OptionError(
                f"{model[0]}= is part of the pilot, which is fitted. Leave it out."
            )
        known = self.by_proxies is not None or (
            self.formula is not None and self.proxy is not None
        )
        if not has_pilot and by_model and not known:
            raise OptionError(
                f"design={design!r} needs the model: formula= and proxy= without a "
                "pilot, or pilot=result. Give them."
            )
        if not by_model and model:
            raise OptionError(
                f"{model[0]}= is for the designs 'influence' and 'optimal'; "
                f"{design!r} needs no model. Leave it out."
            )

    def _check_names(self) -> None:
        """Raise for options that are neither ours nor those of a model."""
        ours = ("seed", "on", "n", "design", "pilot")
        taken = list(inspect.signature(AugmentedGMM.from_formula).parameters)
        fixed = ("data", "labeled", "labeling_prob", "synthetic", "coder", "coding")
        known = [
            name for name in taken if name not in fixed and not name.startswith("kw")
        ]
        for name in self.options:
            if name in fixed:
                raise OptionError(
                    f"{name}= is not for a draw, which supposes no label and goes by "
                    "the units and what proxies say. Leave it out."
                )
            if name not in known:
                every = [*ours, *(f.name for f in fields(self)), *known]
                every.remove("options")
                raise OptionError(
                    f"draw_labels has no option {name!r}.{suggest(name, every)}"
                )

    def numbers(self, frame: Frame) -> Floats | None:
        """Auxiliary columns, (U, k)."""
        if self.auxiliary is None:
            return None
        names = self.auxiliary
        if isinstance(names, str):
            names = [name.strip() for name in names.split("+")]
        if not isinstance(names, (list, tuple)) or not names:
            raise OptionError(
                f"auxiliary={show(self.auxiliary)} is no list of columns. Give "
                "['confidence', 'n_words'] or 'confidence + n_words'."
            )
        found = np.column_stack(
            [
                as_floats(frame.values(name, "auxiliary"), f"auxiliary={name!r}")
                for name in names
            ]
        )
        for name, values in zip(names, found.T, strict=True):
            if np.isinf(values).any() or np.isnan(values).all():
                what = "infinite for some units"
                if np.isnan(values).all():
                    what = "missing for all units"
                raise DataError(
                    f"auxiliary={name!r} is {what}. Correct the column, or leave it "
                    "out."
                )
        return found

    def filled(self, frame: Frame) -> tuple[pd.DataFrame, Floats]:
        """The units with what proxies say in place of labels, and doubts, (U, K)."""
        table = frame.table.set_axis(frame.ids)
        formula = str(self.formula)
        if "~" not in formula:
            raise FormulaError(
                f"formula={formula!r} has no '~'. Write 'outcome ~ regressors'."
            )
        said: dict[str, list[pd.Series]] = {}
        unsure = []
        for source in given_sources(self.proxy, None):
            for name, values in self._columns(source, table).items():
                if isinstance(values, pd.DataFrame):  # a probability of each level
                    unsure.append(1.0 - (as_floats(values, name) ** 2).sum(axis=1))
                    values = _likeliest(values)  # noqa: PLW2901
                said.setdefault(name, []).append(values)
        left = formula.split("~", maxsplit=1)[0].strip()
        outcome = [name for name in said if is_named(name, left)]
        if not outcome:
            raise DataError(
                f"proxy= says nothing of the outcome of {formula!r}, but of "
                f"{', '.join(map(repr, said)) or 'nothing'}. Give proxy={{'name of the "
                "outcome': 'column of units'}."
            )
        # Of several proxies the first speaks for the regression.
        table = table.assign(**{name: values[0] for name, values in said.items()})
        own = doubts(_comparable(said[outcome[0]], outcome[0]))
        return table, np.column_stack([own, *unsure])

    def _columns(self, source: GivenSource, table: pd.DataFrame) -> dict[str, Any]:
        """Columns of one proxy by variable, in the order of the units."""
        if source.frame is None:
            for column in source.named:
                if column not in table:
                    raise unknown_column(
                        f"proxy {source.name!r}: {column!r}", column, table.columns
                    )
            return {
                name: table[column]
                if isinstance(column, str)
                else table[list(column.values())].set_axis(list(column), axis=1)
                for name, column in source.columns.items()
            }
        own = to_pandas(source.frame, (), (), f"proxy {source.name!r}")
        on, keys = self.on, unit_keys(self.on)
        known = [key for key in keys if key in own]
        if keys and known == keys:
            own = own.set_axis(ids_of(own, on)).drop(columns=keys)
        by_place = isinstance(own.index, pd.RangeIndex) and known != keys
        if on is None and isinstance(own.index, pd.RangeIndex):
            by_place = not own.index.equals(table.index)
        if by_place or not own.index.is_unique or not own.index.isin(table.index).any():
            raise AlignmentError(
                f"proxy {source.name!r}: its ids are not those of units, one row each. "
                "Make the id its index, or a column that on= names; or make its "
                "columns columns of units, and name them in proxy=."
            )
        return {str(name): own[name].reindex(table.index) for name in own}


def _likeliest(values: pd.DataFrame) -> pd.Series:
    """The level with the largest of some columns, missing where one is. (U, k)."""
    known = values.notna().all(axis=1)
    found = pd.Series(None, index=values.index, dtype=object)
    found[known] = values[known].idxmax(axis=1)
    return found


def _comparable(said: list[pd.Series], name: str) -> Floats:
    """
    What proxies say as numbers; of text, whether it is what the first says.

    Shapes: (U,) each -> (U, M).
    """
    try:
        return np.column_stack([as_floats(v, f"proxy of {name!r}") for v in said])
    except DataError:
        first = said[0].astype(object)
        return np.column_stack(
            [
                np.where(v.isna() | first.isna(), np.nan, v.astype(object) != first)
                for v in said
            ]
        ).astype(float)


def ids_of(frame: pd.DataFrame, on: On) -> pd.Index:
    """The ids of rows: the index, or one column or several."""
    index: pd.Index = frame.index
    keys = unit_keys(on)
    for key in keys:
        if key not in frame:
            raise unknown_column(f"on={show(on)}", str(key), frame.columns)
    if len(keys) == 1:
        index = pd.Index(frame[keys[0]])
    elif keys:
        index = pd.MultiIndex.from_frame(frame[keys])
    return index


def absent_ids(ids: pd.Index) -> Bools:
    """Which ids are missing, in whole or in part."""
    if ids.nlevels == 1:
        return np.asarray(ids.isna())
    return np.asarray(ids.to_frame(index=False).isna().any(axis=1))


def read_units(units: Any, on: On) -> tuple[pd.DataFrame, pd.Index]:
    """The units as a table, and their ids."""
    given = opened(units)
    if not isinstance(given, (pd.DataFrame, pd.Series)):
        given = (
            to_pandas(given, names_of_columns(given), (), "units")
            if hasattr(given, "columns")
            else given
        )
    check_frame(given)
    ids = ids_of(given, on)
    refuse_rounded_ids(ids, "units")
    absent = absent_ids(ids)
    if absent.any():
        raise DataError(
            f"units: the id of {count(int(absent.sum()), 'row')} is missing. "
            "Complete the ids, or leave these rows out."
        )
    twice = ids[ids.duplicated()].unique()
    if len(twice):
        raise DataError(
            f"units: several rows are of one unit, for {count(len(twice), 'unit')} "
            f"({format_units(twice)}). Keep one row per unit."
        )
    return given, ids


def random_keys(seed: int, ids: pd.Index, n_labeled: int) -> tuple[Floats, float]:
    """
    A random number for each unit, and one more; others in each wave.

    Numbers go by ids, not by the order of rows. Shapes: `ids` (U,) -> (U,).
    """
    # With those of the wave before, a draw would follow from who is labelled already.
    rng = np.random.default_rng([seed, n_labeled])
    start = float(rng.random())
    by_id = pd.util.hash_pandas_object(ids, index=False).to_numpy()
    key = np.empty(len(ids))
    key[np.argsort(by_id, kind="stable")] = rng.random(len(ids))
    return key, start


def read_pilot(result: Any, ids: pd.Index, for_: Any) -> Pilot:
    """Read a pilot: whose units those to draw from must be. Shapes: `ids` (U,)."""
    model = getattr(result, "model", None)
    if not isinstance(model, AugmentedGMM):
        raise OptionError(
            f"pilot= is a {type_name(result)}. Give the result of AugmentedGMM.fit()."
        )
    fit: Fit = result._fit_to_analyse()
    _ = fit.design.sources  # rows in partitions are refused first
    place = ids.get_indexer(model.given_units)
    unknown = ids[~ids.isin(model.given_units)]
    gone = model.given_units[place < 0]
    if len(unknown) or len(gone):
        raise AlignmentError(
            "units are not those of the pilot: "
            + _listed(unknown, "unit", "the pilot does not know")
            + " and " * bool(len(unknown) and len(gone))
            + _listed(gone, "unit", "they lack")
            + ". Labels of the pilot were drawn from its units: give these, or fit the "
            "pilot to all units, with rows without an outcome."
        )
    labeled, eligible = labeled_and_eligible(model)
    kept = slice(None) if fit.design.kept is None else fit.design.kept
    of_units = np.argsort(place)
    which = coefficients(for_, fit, model)
    chance = chance_by_unit(model, fit, labeled, eligible)[of_units]
    strata = None
    if fit.design.labeling.strata is not None:
        strata = pd.factorize(pd.Series(np.asarray(model.strata)))[0][of_units]
    return Pilot(
        fit,
        which,
        place[kept],
        labeled[of_units],
        eligible[of_units],
        chance,
        strata,
        fit.design.labeling.prob is not None,
    )


def _listed(ids: pd.Index, noun: str, what: str) -> str:
    """So many units are so, or nothing."""
    return f"{what} {count(len(ids), noun)} ({format_units(ids)})" if len(ids) else ""


def coefficients(for_: Any, fit: Fit, model: AugmentedGMM) -> Positions:
    """Positions of the coefficients that matter: all but the constant if not named."""
    if for_ is not None:
        if not isinstance(for_, str) and (
            not isinstance(for_, (list, tuple, pd.Index)) or not len(for_)
        ):
            raise OptionError(
                f"for_={show(for_)} names no coefficient. Give the name of one, or a "
                "list of them."
            )
        for name in [for_] if isinstance(for_, str) else for_:
            if name not in fit.target.names:
                raise OptionError(
                    f"for_: there is no coefficient {show(name)}."
                    f"{suggest(name, fit.target.names)}"
                )
        return np.asarray(positions("for_", for_, fit.target.names))
    constant = model.data.const_idx if fit.target.score.is_single else None
    every = [j for j in range(len(fit.target.names)) if j != constant]
    return np.asarray(every or [0])

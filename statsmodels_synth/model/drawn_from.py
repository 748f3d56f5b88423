"""What labels are drawn from: units, a pilot, and what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions, as_floats
from statsmodels_synth.core.messages import (
    count,
    format_units,
    show,
    type_name,
    unknown_column,
)
from statsmodels_synth.data.columns import check_frame
from statsmodels_synth.data.forms import given_sources
from statsmodels_synth.data.ids import refuse_rounded_ids
from statsmodels_synth.data.kinds import names_of_columns, opened, to_pandas
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    OptionError,
)
from statsmodels_synth.gmm.fit import Fit
from statsmodels_synth.model.augmented import AugmentedGMM
from statsmodels_synth.planning.arguments import positions
from statsmodels_synth.results.units import chance_by_unit, labeled_and_eligible


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
    is_simple : bool
        Whether labels were a simple random sample, within strata or not.
    """

    fit: Fit
    which: Positions
    kept: Positions
    labeled: Bools
    eligible: Bools
    chance: Floats
    is_simple: bool


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
                raise OptionError(
                    f"{option}={show(name)} is no name of a column. Give the name of "
                    "one column of units."
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
    options: dict[str, Any]
    #: The regression on proxies, already fitted, and their outcomes (U, M).
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
        return np.column_stack(
            [
                as_floats(frame.values(name, "auxiliary"), f"auxiliary={name!r}")
                for name in names
            ]
        )

    def filled(self, frame: Frame) -> tuple[pd.DataFrame, Floats]:
        """The units with what proxies say in place of labels, and outcomes, (U, M)."""
        table = frame.table.set_axis(frame.ids)
        outcome = str(self.formula).split("~")[0].strip()
        said: dict[str, list[Floats]] = {}
        for source in given_sources(self.proxy, None):
            own = self._columns(source, table)
            for name, values in own.items():
                said.setdefault(name, []).append(values)
        if outcome not in said:
            raise DataError(
                f"proxy= says nothing of {outcome!r}, the outcome of {self.formula!r}. "
                f"Give proxy={{{outcome!r}: 'column of units'}}."
            )
        # Of several proxies the first speaks for the regression.
        table = table.assign(**{name: values[0] for name, values in said.items()})
        outcomes = [as_floats(v, f"proxy of {outcome!r}") for v in said[outcome]]
        return table, np.column_stack(outcomes)

    def _columns(self, source: Any, table: pd.DataFrame) -> dict[str, Any]:
        """Columns of one proxy by variable, in the order of the units."""
        if source.frame is None:
            for column in source.named:
                if column not in table:
                    raise unknown_column(
                        f"proxy {source.name!r}: {column!r}", column, table.columns
                    )
            return {name: table[column] for name, column in source.columns.items()}
        own = to_pandas(source.frame, (), (), f"proxy {source.name!r}")
        if not own.index.is_unique or not own.index.isin(table.index).any():
            raise AlignmentError(
                f"proxy {source.name!r}: its index is not that of units, one row each. "
                "Make its columns columns of units, and name them in proxy=."
            )
        return {str(name): own[name].reindex(table.index) for name in own}


def read_units(units: Any, on: str | None) -> tuple[pd.DataFrame, pd.Index]:
    """The units as a table, and their ids."""
    given = opened(units)
    if not isinstance(given, (pd.DataFrame, pd.Series)):
        given = (
            to_pandas(given, names_of_columns(given), (), "units")
            if hasattr(given, "columns")
            else given
        )
    check_frame(given)
    if on is None:
        ids = given.index
    elif on in given.columns:
        ids = pd.Index(given[on])
    else:
        raise unknown_column(f"on={on!r}", str(on), given.columns)
    refuse_rounded_ids(ids, "units")
    if ids.hasnans:
        raise DataError(
            f"units: the id of {count(int(ids.isna().sum()), 'row')} is missing. "
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
            + _listed(gone, "unit of the pilot", "units lack")
            + ". Labels of the pilot were drawn from its units: give these, or fit the "
            "pilot to all units, with rows without an outcome."
        )
    labeled, eligible = labeled_and_eligible(model)
    kept = slice(None) if fit.design.kept is None else fit.design.kept
    of_units = np.argsort(place)
    which = coefficients(for_, fit, model)
    chance = chance_by_unit(model, fit, labeled, eligible)[of_units]
    return Pilot(
        fit,
        which,
        place[kept],
        labeled[of_units],
        eligible[of_units],
        chance,
        fit.design.labeling.prob is None or fit.design.labeling.strata is not None,
    )


def _listed(ids: pd.Index, noun: str, what: str) -> str:
    """So many units are so, or nothing."""
    return f"{what} {count(len(ids), noun)} ({format_units(ids)})" if len(ids) else ""


def coefficients(for_: Any, fit: Fit, model: AugmentedGMM) -> Positions:
    """Positions of the coefficients that matter: all but the constant if not named."""
    if for_ is not None:
        return np.asarray(positions("coefficient", for_, fit.target.names))
    constant = model.data.const_idx if fit.target.score.is_single else None
    every = [j for j in range(len(fit.target.names)) if j != constant]
    return np.asarray(every or [0])

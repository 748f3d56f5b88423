"""
Absorbed fixed effects: regressors and outcomes less what is constant in a group.

Regressors are taken less their mean over all units of a group, labelled or not. Their
sum in a group is then zero, so that anything that is the same for all of its units may
be taken off the outcome: the expected score of the labelled units stays as it is. What
is taken off is chosen to leave little noise. See docs/how-to/fixed-effects.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import lsmr

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.core.messages import count, format_units
from statsmodels_synth.data.formula.learn import CONSTANT
from statsmodels_synth.data.frames import AlignedFrames
from statsmodels_synth.data.ids import check_labels_of_groups
from statsmodels_synth.exceptions import CollinearityError, DataError, OptionError
from statsmodels_synth.problem.design import (
    Labeling,
    SourceArrays,
    design_weights,
    replicate_weights,
)

#: Labelled groups that a column of means between groups needs, and folds of groups.
GROUPS_PER_COLUMN, FOLDS = 10, 10
#: Variation within groups, relative to that of all, from which a regressor has some.
STEADY = 1e-10


@dataclass(frozen=True)
class Absorbed:
    """
    What was absorbed, for those who read results.

    Parameters
    ----------
    text : str
        The formula as it was given.
    names : tuple of str
        Columns of the groups; standard errors are by the first.
    n_groups : tuple of int
        Groups of each column.
    n_alone : int
        Labelled units that are alone in a group of the first column.
    """

    text: str
    names: tuple[str, ...]
    n_groups: tuple[int, ...]
    n_alone: int

    @property
    def note(self) -> str:
        """What a summary says of it."""
        of_each = " and ".join(
            f"{count(number, 'group')} of {name!r}"
            for name, number in zip(self.names, self.n_groups, strict=True)
        )
        alone = (
            f" {count(self.n_alone, 'labelled unit')} without another unit in the "
            f"group of {self.names[0]!r} say nothing of the coefficients."
            if self.n_alone
            else ""
        )
        return (
            f"Absorbed: a constant for each of {of_each}. Regressors are taken less "
            "their means over all units of a group, and the outcome less what the "
            f"sources, and other labels, say of the group.{alone}"
        )


@dataclass(frozen=True)
class Effects:
    """
    The part of columns that is constant in groups, (groups, k) for each grouping.

    Parameters
    ----------
    center : ndarray (k,)
        Mean of each column.
    effects : tuple of ndarray (G, k)
        Of each group what is added to it; zero for groups without rows.
    """

    center: Floats
    effects: tuple[Floats, ...]

    def at(self, codes: Sequence[Positions]) -> Floats:
        """Values for rows of these groups, (rows, k)."""
        parts = [own[code] for own, code in zip(self.effects, codes, strict=True)]
        return np.asarray(self.center + sum(parts))


def fitted_effects(
    values: Floats,
    codes: Sequence[Positions],
    sizes: Sequence[int],
    weights: Floats | None = None,
) -> Effects:
    """
    Least squares of columns on dummies of every grouping, Eq. (less-means).

    With one grouping these are the means by group; with several they are found by
    iteration, in sparse matrices.

    Shapes: `values` (rows, k), `weights` (rows,).

    Examples
    --------
    >>> x, g = np.array([[1.0], [3.0], [6.0]]), np.array([0, 0, 1])
    >>> fitted_effects(x, [g], [2]).at([g])[:, 0]
    array([2., 2., 6.])
    """
    weights = np.ones(len(values)) if weights is None else weights
    center = weights @ values / weights.sum()
    centered = values - center
    totals = [
        np.bincount(c, weights, size) for c, size in zip(codes, sizes, strict=True)
    ]
    if len(codes) == 1:
        total = np.where(totals[0] > 0.0, totals[0], 1.0)
        sums = [np.bincount(codes[0], weights * v, sizes[0]) for v in centered.T]
        return Effects(center, (np.column_stack(sums) / total[:, None],))
    # Columns of unit length: else iteration takes long where groups differ in size.
    lengths = np.sqrt(np.concatenate(totals))
    lengths[lengths == 0.0] = 1.0
    starts = np.cumsum([0, *sizes])
    rows = np.tile(np.arange(len(values)), len(codes))
    columns = np.concatenate(
        [start + c for start, c in zip(starts[:-1], codes, strict=True)]
    )
    root = np.sqrt(weights)
    entries = np.tile(root, len(codes)) / lengths[columns]
    dummies = sparse.csr_matrix(
        (entries, (rows, columns)), shape=(len(values), int(starts[-1]))
    )
    found = np.column_stack(
        [
            lsmr(dummies, root * v, atol=1e-14, btol=1e-14, conlim=0, maxiter=10_000)[0]
            for v in centered.T
        ]
    )
    found /= lengths[:, None]
    return Effects(center, tuple(np.split(found, starts[1:-1])))


@dataclass(frozen=True)
class Groups:
    """
    The groups of every unit.

    Parameters
    ----------
    codes : tuple of ndarray (T,)
        Group of each unit, by grouping.
    sizes : tuple of int
        Number of groups.
    """

    codes: tuple[Positions, ...]
    sizes: tuple[int, ...]

    def of(self, units: Positions | slice) -> list[Positions]:
        """Groups of some units, by grouping."""
        return [code[units] for code in self.codes]

    def effects(
        self, values: Floats, units: Positions | slice, weights: Floats | None
    ) -> Effects:
        """The part of columns that is constant in groups."""
        return fitted_effects(values, self.of(units), self.sizes, weights)


def within_exog(
    exog: Floats,
    groups: Groups,
    weights: Floats | None,
    names: Sequence[str],
    text: str,
) -> Floats:
    """
    Regressors of all units less their means by group, Eq. (less-means).

    Shapes: `exog` (T, p), `weights` (T,) -> (T, p).
    """
    everyone = slice(None)
    within = exog - groups.effects(exog, everyone, weights).at(groups.of(everyone))
    for j, name in enumerate(names):
        if np.abs(within[:, j]).max() <= STEADY * np.abs(exog[:, j]).max():
            raise CollinearityError(
                f"{name!r} is the same for all units of a group, so that the fixed "
                f"effects of the formula {text!r} absorb it. Leave it out."
            )
    return within


def within_source(
    source: SourceArrays,
    borrowed: Floats | None,
    groups: Groups,
    weights: Floats | None,
) -> tuple[SourceArrays, Effects]:
    """
    A source less its own means by group, and these means of its outcome.

    `borrowed`: regressors that it has from data, which are so already.

    Shapes: `borrowed` (R, p), `weights` (T,).
    """
    units = slice(None) if source.units is None else source.units
    n_units = len(groups.codes[0])
    own, _ = replicate_weights(source.units, weights, n_units)
    means = groups.effects(source.endog[:, None], units, own)
    at = groups.of(units)
    exog = borrowed
    if exog is None:
        exog = source.exog - groups.effects(source.exog, units, own).at(at)
    endog = source.endog - means.at(at)[:, 0]
    return replace(source, endog=endog, exog=exog), means


@dataclass(frozen=True)
class WithinLabels:
    """
    Labelled units, and what is known of their groups.

    Parameters
    ----------
    labels : ndarray (n,)
        Outcome.
    within : ndarray (n, p)
        Regressors less their means by group.
    means : ndarray (n, k)
        Means of regressors by group.
    of_sources : tuple of ndarray (n, columns)
        Means of the outcome of each source by group.
    group : ndarray (n,)
        Group of each.
    weights : ndarray (n,)
        Weights, of units times those of the design.
    shares : ndarray (n,)
        Weight of the unit as a share of that of its group, all N units included, times
        N / (N - 1).
    folds : int
        Folds of groups. One where groups are of several kinds: coefficients that differ
        by fold would make of ``a_g + b_h`` what is no such sum.
    """

    labels: Floats
    within: Floats
    means: Floats
    of_sources: tuple[Floats, ...]
    group: Positions
    weights: Floats
    shares: Floats
    folds: int = FOLDS

    def with_sources(self, keep: Sequence[int]) -> WithinLabels:
        """The same, where only some of the sources are known, of those that were."""
        if not self.of_sources:
            return self
        return replace(self, of_sources=tuple(self.of_sources[m] for m in keep))

    def together(self) -> WithinLabels:
        """The same, where all sources have become one."""
        return replace(self, of_sources=(self._all_means,))

    @property
    def _all_means(self) -> Floats:
        """Means of all sources, (n, M)."""
        return np.column_stack([self.means[:, :0], *self.of_sources])

    @cached_property
    def endog(self) -> Floats:
        """
        Outcome less what is known of the group, (n,), Eq. (group-constant).

        What means between groups say is learned from other groups, in folds, those of
        sources as far as they predict more than chance; what remains is taken off as
        far as other labels of the group show it. No label has a part in what is taken
        off itself, but through how much is made of the others, and of the sources.
        """
        group, weights = self.group, self.weights
        slope, rest = _without_effects(
            *(self.labels, self.within, (self.means, self._all_means)),
            *(group, weights, self.folds),
        )
        n = np.bincount(group)[group]
        weighted = weights * rest
        sums, total = np.bincount(group, weighted), np.bincount(group, weights)
        pairs = sums**2 - np.bincount(group, weighted**2)
        of_pairs = total**2 - np.bincount(group, weights**2)
        spread = weighted @ rest / weights.sum()
        alike = 0.0
        if (n > 1).any():
            alike = min(max(pairs.sum() / of_pairs.sum(), 0.0), spread)
        # As a best linear prediction weighs the mean of the n - 1 others.
        noise = max(spread - alike, 1e-3 * spread)
        shrunken = n * alike / ((n - 1) * alike + noise) if noise else np.zeros(len(n))
        return slope + without_others(rest, shrunken, group, weights, self.shares)


def without_others(
    rest: Floats,
    shrunken: Floats,
    group: Positions,
    weights: Floats,
    shares: Floats,
) -> Floats:
    """
    Residuals less what the other labels of the group say, Eq. (group-constant).

    Shapes: (n,) each; see :class:`WithinLabels`.
    """
    n = np.bincount(group)[group]
    weighted = weights * rest
    sums, total = np.bincount(group, weighted), np.bincount(group, weights)
    others = (sums[group] - weighted) / total[group]
    # The label itself counts as in a mean of all units: then nothing is expected of it.
    own = (n - 1) / n * shares * rest
    return np.asarray(rest - shrunken * (others + own))


def _without_effects(
    endog: Floats,
    within: Floats,
    between: tuple[Floats, Floats],
    group: Positions,
    weights: Floats,
    folds: int,
) -> tuple[Floats, Floats]:
    """
    What regressors explain, and what remains without means between groups.

    The means of sources count with the share of what they take off that is more than
    chance, groups being drawn. Eq. (group-constant-share).

    Shapes: (n,), (n,).
    """
    means, of_sources = between
    if of_sources.shape[1] > _columns_for(group):
        # Too few groups to weigh each: the first must not stand for all.
        of_sources = of_sources.mean(axis=1, keepdims=True)
    both = np.column_stack([of_sources, means])
    ways = [_out_of_fold(endog, within, means, group, weights, folds)]
    if not of_sources.shape[1]:
        return ways[0]
    ways.append(_out_of_fold(endog, within, both, group, weights, folds))
    tried = ways
    if folds == 1:  # what was fitted to a label always predicts it
        tried = [
            _out_of_fold(endog, within, columns, group, weights, FOLDS)
            for columns in (means, both)
        ]
    alone, less = tried[0][1], tried[0][1] - tried[1][1]
    by_group = np.bincount(group, weights * alone * less)
    size, chance = weights @ less**2, by_group @ by_group
    taken = by_group.sum()
    share = 0.0
    if size > 0.0 and taken > 0.0:
        share = min(taken / size, 1.0) * max(1.0 - chance / taken**2, 0.0)
    slope, rest = (
        one + share * (other - one) for one, other in zip(*ways, strict=True)
    )
    return slope, rest


def _columns_for(group: Positions) -> int:
    """Columns of means that labelled groups are enough for, besides a constant."""
    return max(len(np.unique(group)) // GROUPS_PER_COLUMN - 1, 0)


def _out_of_fold(
    endog: Floats,
    within: Floats,
    between: Floats,
    group: Positions,
    weights: Floats,
    folds: int,
) -> tuple[Floats, Floats]:
    """
    What regressors explain, and what remains, by coefficients of other groups.

    Shapes: (n,), (n,).
    """
    numbers, rank = np.unique(group, return_inverse=True)
    k = min(between.shape[1], _columns_for(group))
    columns = np.column_stack([within, np.ones(len(endog)), between[:, :k]])
    root = np.sqrt(weights)[:, None]
    p = within.shape[1]
    slope, rest = np.empty(len(endog)), np.empty(len(endog))
    fold = rank % min(folds, len(numbers))
    for number in range(int(fold.max()) + 1):
        own = fold == number
        others = ~own if not own.all() else own
        made = np.linalg.lstsq(
            columns[others] * root[others], endog[others] * root[others, 0], rcond=None
        )[0]
        slope[own] = within[own] @ made[:p]
        rest[own] = endog[own] - columns[own] @ made
    return slope, rest


def refuse_options(given: Mapping[str, Any], text: str) -> None:
    """Raise for options that fixed effects do not go with."""
    instead = {
        "offset": "Subtract it from the outcome beforehand, in data and every source",
        "exposure": "It is for models with a log link",
        "auxiliary": "Predict the outcome beforehand, without the labels, and give the "
        "predictions as a proxy",
        "learner": "It is for auxiliary columns",
    }
    for name, advice in instead.items():
        if given.get(name) is not None:
            raise OptionError(
                f"{name}= is not available with the fixed effects of the formula "
                f"{text!r}. {advice}."
            )


def read_groupings(names: Sequence[str], frames: AlignedFrames, text: str) -> Groups:
    """The groups of all units, from data or, where it lacks them, from sources."""
    codes, sizes = [], []
    for name in names:
        label = f"The fixed effect {name!r} of the formula {text!r}"
        values = frames.columns.complete(name, label).to_numpy()
        check_labels_of_groups(values, label)
        code, size = numbered_groups(values)
        codes.append(code)
        sizes.append(size)
    return Groups(tuple(codes), tuple(sizes))


def numbered_groups(values: Any) -> tuple[Positions, int]:
    """
    Groups counted from 0, and how many: the same whatever the order of rows is.

    Folds are of groups by number. Labels that have no order count as they come.

    Examples
    --------
    >>> numbered_groups(np.array(["b", "a", "b"]))
    (array([1, 0, 1]), 2)
    """
    try:
        codes, levels = pd.factorize(values, sort=True)
    except TypeError:
        codes, levels = pd.factorize(values)
    return codes.astype(np.intp), len(levels)


def refuse_unknown_exog(
    frames: AlignedFrames, text: str, *, drops_levels: bool = False
) -> None:
    """
    Raise if the regressors of a unit are not known: means are over all of them.

    `drops_levels`: whether those of levels without a label count as not known.
    """
    n_data, units = len(frames.data), frames.units
    absent = np.zeros(len(units), dtype=bool)
    absent[n_data:] = True
    if frames.lacking is not None:
        absent[:n_data] |= frames.lacking
    if not absent.any():
        return
    dummies = " + ".join(f"C({name})" for name in _names_after_bar(text))
    raise DataError(
        f"The formula {text!r} needs the regressors of all units in data, which the "
        f"means by group are over; {count(int(absent.sum()), 'unit')} of "
        f"{len(units)} lack them ({format_units(units[absent])}). Give data a row for "
        "every unit, with the outcome missing where nobody labelled it; or leave these "
        "units out of data and sources, if it does not depend on the labels which "
        "these are. Where regressors are known for labelled units only, write "
        f"{dummies} in place of the bar, which needs several labels in each group."
        + " Levels that rare_levels='drop' leaves out are not known either; "
        "rare_levels='lump' keeps their units." * drops_levels
    )


def _names_after_bar(text: str) -> list[str]:
    return [name.strip() for name in text.rpartition("|")[2].split("+")]


def absorb(
    text: str,
    names: Sequence[str],
    frames: AlignedFrames,
    labels: tuple[pd.Series, pd.DataFrame],
    sources: Sequence[tuple[SourceArrays, bool]],
    exog_of_data: Floats,
    labeling: Labeling,
) -> tuple[pd.Series, pd.DataFrame, list[SourceArrays], Absorbed, WithinLabels]:
    """
    Take off what is constant in groups: of labelled rows, and of every source.

    Last comes what makes the outcomes of labelled rows with fewer sources.

    `sources`: with whether its regressors are those of data.

    Shapes: `exog_of_data` (T, p).
    """
    groups = read_groupings(names, frames, text)
    keep = [j for j, name in enumerate(labels[1].columns) if name != CONSTANT]
    if not keep:
        raise CollinearityError(
            f"The formula {text!r} has no regressor besides fixed effects. Add one."
        )
    endog, rows = labels[0], frames.labeled_rows
    columns = labels[1].columns[keep]
    exog, weights = exog_of_data[:, keep], frames.weights
    within = within_exog(exog, groups, weights, list(columns), text)
    done, means = [], []
    for given, borrows in sources:
        source = replace(given, exog=given.exog[:, keep])
        its: Floats | None = None
        if borrows:
            its = within if source.units is None else within[source.units]
        made, of_groups = within_source(source, its, groups, weights)
        done.append(made)
        means.append(of_groups.at(groups.of(rows)).reshape(len(rows), 1))
    first = groups.codes[0]
    weight = np.ones(len(within)) if weights is None else weights
    total, number = np.bincount(first, weight), np.bincount(first)
    alone = number[first[rows]] == 1
    number = np.maximum(number, 2)
    shares = weight * (number / (number - 1) / total)[first]
    if np.ptp(endog.to_numpy()) == 0.0:
        raise DataError(
            f"All {count(len(endog), 'label')} of {endog.name!r} are "
            f"{endog.iloc[0]:g}, so that there is nothing to regress. Label more units."
        )
    outcomes = WithinLabels(
        endog.to_numpy(),
        within[rows],
        (exog - within)[rows],
        tuple(means),
        first[rows],
        weight[rows] * design_weights(labeling, len(rows)),
        shares[rows],
        FOLDS if len(names) == 1 else 1,
    )
    absorbed = Absorbed(text, tuple(names), groups.sizes, int(alone.sum()))
    return (
        pd.Series(outcomes.endog, endog.index, name=endog.name),
        pd.DataFrame(within[rows], endog.index, columns),
        done,
        absorbed,
        outcomes,
    )

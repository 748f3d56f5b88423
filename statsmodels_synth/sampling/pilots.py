"""What a pilot tells of the influence that further labels would have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.gmm.fit import Fit
from statsmodels_synth.problem.groups import cluster_sums, dealt_folds, mean_by_unit
from statsmodels_synth.sampling.draws import wave_probabilities
from statsmodels_synth.sampling.influence import unit_leverage
from statsmodels_synth.sampling.spread import Learned, learned_spread, with_floor

#: Folds of the units.
FOLDS = 5
#: Labels below which nothing is learned from a pilot.
FEWEST_LABELS = 20
#: Labels that the spread of all counts for in that of a group.
_PRIOR_LABELS = 4.0


@dataclass(frozen=True)
class UnitsToDraw:
    """
    Units of a pilot that a further wave of labels would be drawn from.

    Parameters
    ----------
    chance : ndarray (U,)
        Probability with which each was labelled.
    is_open : ndarray (U,)
        Which can still be.
    key : ndarray (U,)
        A number for each, by its id alone.
    kept : ndarray (T,)
        Places of the units that take part in the fit.
    n_eligible : int
        Units that are labelled or can be.
    """

    chance: Floats
    is_open: Bools
    key: Any
    kept: Positions
    n_eligible: int

    def of_all(self, values: Floats) -> Floats:
        """Values of the units of the fit for all, else NaN. (T,) -> (U,)."""
        found = np.full(len(self.chance), np.nan)
        found[self.kept] = values
        return found

    @property
    def are_alike(self) -> bool:
        """Whether all had one probability."""
        some = self.chance[self.chance > 0.0]
        return bool(np.ptp(some) <= 1e-9 * some.max()) if len(some) else True


def design_ratio(
    fit: Fit, which: int, design: str, units: UnitsToDraw, n: int
) -> float:
    """
    Variance in proportion to 1/n under a design, over that under the pilot's.

    The labels of the pilot are kept, and `n` more are drawn. Eq. (design-ratio).
    """
    one = np.array([which])
    weights = fit.design.design_weights
    labeled, n_labeled = units.kept[fit.design.labeled_units], fit.design.n_labeled
    e = influence_of_labels(fit, one)[:, 0] ** 2
    own = np.average(e / units.chance[labeled], weights=weights)
    own *= n_labeled / units.n_eligible
    if not n:  # all labels anew, at random
        return float(np.average(e, weights=weights) / own)
    if design == "random":
        squared = np.ones(len(units.chance))
    elif design == "influence":
        squared = with_floor(units.of_all(unit_leverage(fit, one).squared))
    else:
        key = units.key[units.kept]
        expected = learned_from_pilot(fit, one, key, None).expected
        squared = with_floor(units.of_all(expected), 0.0)
    wave = wave_probabilities(np.sqrt(squared), n, units.chance, units.is_open)
    now = np.average(e / wave.combined[labeled], weights=weights)
    return float(now * ((n_labeled + n) / units.n_eligible) / own)


def influence_of_labels(fit: Fit, which: Positions) -> Floats:
    """
    What each label of a pilot contributes, without the weight of its design.

    Each coefficient in units of its root mean square. Eq. (squared-influence).

    Shapes: `which` (K,) -> (n, K).
    """
    weights = fit.design.design_weights
    own = fit.inference.influence.own[:, which] / weights[:, None]
    scale = np.sqrt(np.average(own**2, axis=0, weights=weights))
    return np.asarray(own / np.where(scale > 0.0, scale, 1.0))


def spread_by_group(influence: Floats, groups: Positions, n_groups: int) -> Floats:
    """
    Spread of the influence within groups, drawn towards that of all.

    A group counts as much as the pilot has labels in it, all together as much as four.
    Eq. (allocation).

    Shapes: `influence` (n, K), `groups` (n,) -> (G,).
    """
    pooled = float(influence.var(axis=0, ddof=1).mean())
    number = np.bincount(groups, minlength=n_groups).astype(float)
    mean = cluster_sums(influence, groups, n_groups) / np.maximum(number, 1.0)[:, None]
    off = ((influence - mean[groups]) ** 2).mean(axis=1)
    squares = np.bincount(groups, off, minlength=n_groups)
    known = np.maximum(number - 1.0, 0.0)
    return np.sqrt((squares + _PRIOR_LABELS * pooled) / (known + _PRIOR_LABELS))


def pilot_features(fit: Fit, leverage: Floats, auxiliary: Floats | None) -> Floats:
    """
    What is known of each unit of a pilot that may say how far sources err there.

    Shapes: `leverage` (T,), `auxiliary` (T, k) -> (T, K).
    """
    size, score = fit.design.n_units, fit.target.score
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(leverage)
    columns = [np.where(np.isfinite(log), log, np.nan)[:, None]]
    sources = sorted(fit.design.sources, key=lambda own: own.kind != "proxy")
    outcomes, exog = [], None
    for source in sources:
        values = score.outcomes(source.endog).reshape(len(source.endog), -1)[:, :1]
        mean = mean_by_unit(values, source.units, size)
        outcomes.append(mean)
        own = mean_by_unit(source.exog, source.units, size)
        exog = own if exog is None else np.where(np.isnan(exog), own, exog)
        if source.has_replicates:
            square = mean_by_unit(values**2, source.units, size)
            columns.append(np.sqrt(np.maximum(square - mean**2, 0.0)))
    if exog is not None:
        columns += [doubts(np.hstack(outcomes)), np.hstack(outcomes), exog]
    if auxiliary is not None:
        columns.append(auxiliary)
    return np.hstack(columns)


def doubts(outcomes: Floats) -> Floats:
    """
    How uncertain sources are by what they say, NaN where they say nothing.

    Of probabilities ``p (1 - p)``; of several sources how far they are apart.

    Shapes: `outcomes` (T, M) -> (T, 0 to M + 1).
    """
    own = [
        (p * (1.0 - p))[:, None]
        for p in outcomes.T
        if not np.isnan(p).all() and np.nanmin(p) >= 0.0 and np.nanmax(p) <= 1.0
    ]
    if outcomes.shape[1] > 1:
        apart = np.full(len(outcomes), np.nan)
        some = (~np.isnan(outcomes)).sum(axis=1) > 1
        apart[some] = np.nanvar(outcomes[some], axis=1, ddof=1)
        own.append(apart[:, None])
    return np.hstack(own) if own else np.empty((len(outcomes), 0))


def learned_from_pilot(
    fit: Fit, which: Positions, key: Floats, auxiliary: Floats | None
) -> Learned:
    """
    Expected squared influence of all units of a pilot.

    Shapes: `which` (K,), `key` (T,), `auxiliary` (T, k).
    """
    design = fit.design
    leverage = unit_leverage(fit, which).squared
    inside = np.zeros(design.n_units, dtype=bool)
    inside[design.labeled_units] = True
    return learned_spread(
        leverage,
        pilot_features(fit, leverage, auxiliary),
        design.labeled_units,
        (influence_of_labels(fit, which) ** 2).mean(axis=1),
        design.design_weights,
        dealt_folds(key, inside, FOLDS),
    )

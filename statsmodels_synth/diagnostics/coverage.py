r"""
Whether coverage by a source depends on being labelled.

Which units a source lacks is taken as given; what is random is the choice of labels.
The test asks whether the number of labelled units that the source lacks is one that
this choice gives by chance:

- labels drawn at random, or a fixed number in each stratum: hypergeometric, Fisher's
  exact test (with strata the exact test of Cochran, Mantel and Haenszel);
- known unequal probabilities: units are drawn independently, given their number
  (conditional Poisson sampling), so that the number is Poisson-binomial;
- clusters: the labelled shares of clusters are exchanged among clusters alike in size
  and probability; within a cluster units are exchanged (permutation test).

None of them estimates a variance from the labelled units, which a rare gap is hardly
ever among.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit

from statsmodels_synth.core.arrays import Bools, Floats, Positions

#: Parts into which units are put by their probability, and clusters by their size.
_PARTS = 8
_SIZES = 4
#: Different probabilities that are told apart within labelled units that are lacking.
_LEVELS = 40
#: Draws of the permutation test, and numbers that it may cost.
_MOST_DRAWS, _LEAST_DRAWS, _COST = 1999, 499, 4e6
#: Draws as far as what was found after which no more are needed: a p-value too.
_FAR_ENOUGH = 50
#: Expected labelled gaps below which unknown probabilities allow no test.
_ENOUGH = 5.0


@dataclass(frozen=True)
class Drawn:
    """
    How the labelled units were chosen, for all units that were given.

    Parameters
    ----------
    labeled : ndarray (N,) of bool
        Labelled units.
    eligible : ndarray (N,) of bool
        Units that could have been labelled: a unit that lacks an observed regressor is
        neither labelled nor covered, and one that only a source has is covered by
        construction.
    weights : ndarray (n,)
        Design weights of the labelled units.
    strata : ndarray (N,) of int, or None
        Stratum of each unit, where the number of labels in each was fixed.
    prob : ndarray (N,), or None
        Probability of each unit; NaN where it is not known.
    clusters : ndarray (N,) of int, or None
        Cluster of each unit; -1 where it is not known.
    """

    labeled: Bools
    eligible: Bools
    weights: Floats
    strata: Positions | None = None
    prob: Floats | None = None
    clusters: Positions | None = None

    def among(self, keep: Bools) -> Drawn:
        """
        Some of the units, all labelled ones included.

        Shapes: `keep` (N,).
        """
        return replace(
            self,
            labeled=self.labeled[keep],
            eligible=self.eligible[keep],
            strata=None if self.strata is None else self.strata[keep],
            prob=None if self.prob is None else self.prob[keep],
            clusters=None if self.clusters is None else self.clusters[keep],
        )


@dataclass(frozen=True)
class CoverageGap:
    """
    Coverage of labelled and of unlabelled units.

    Parameters
    ----------
    labeled : float
        Share of the labelled units that is covered, with design weights.
    unlabeled : float
        Share of the unlabelled units that could have been labelled; NaN where there
        are none.
    pvalue : float
        Test that coverage does not depend on being labelled; NaN where there is
        nothing to test.
    """

    labeled: float
    unlabeled: float
    pvalue: float


def coverage_gap(covered: Bools, drawn: Drawn) -> CoverageGap:
    """
    Test whether a source covers labelled units as it covers the rest.

    Shapes: `covered` (N,).
    """
    share = float(np.average(covered[drawn.labeled], weights=drawn.weights))
    keep = drawn.eligible | drawn.labeled
    drawn, gap = drawn.among(keep), ~covered[keep]
    rest = ~drawn.labeled
    if not rest.any():
        return CoverageGap(share, float("nan"), float("nan"))
    others = float(1.0 - gap[rest].mean())
    if gap.all() or not gap.any():
        return CoverageGap(share, others, float("nan"))
    if drawn.clusters is not None:
        pvalue = _permutation_test(gap, drawn)
    elif drawn.prob is not None and np.isnan(drawn.prob).any():
        pvalue = _weighted_test(gap, drawn)
    else:
        first, mass = _null_distribution(gap, drawn)
        at = int(np.count_nonzero(gap & drawn.labeled)) - first
        pvalue = _two_sided(mass, at)
    return CoverageGap(share, others, pvalue)


def _two_sided(mass: Floats, at: int) -> float:
    """Probability of what is at most as probable as what was found."""
    own = mass[at] if 0 <= at < len(mass) else 0.0
    # Equally probable but for rounding is equally probable.
    total = float(mass[mass <= own * (1.0 + 1e-7)].sum() / mass.sum())
    return min(1.0, max(total, float(np.finfo(float).tiny)))


def _null_distribution(gap: Bools, drawn: Drawn) -> tuple[int, Floats]:
    """First number of labelled gaps, and probabilities from there on."""
    labeled, strata = drawn.labeled, drawn.strata
    if drawn.prob is not None:
        return _rejective(gap, drawn.prob, int(labeled.sum()))
    codes = np.zeros(len(gap), dtype=np.intp) if strata is None else strata
    size, lacking = (
        np.bincount(codes),
        np.bincount(codes[gap], minlength=codes.max() + 1),
    )
    chosen = np.bincount(codes[labeled], minlength=len(size))
    first, mass = 0, np.ones(1)
    for n_units, n_gaps, n in zip(size, lacking, chosen, strict=True):
        if not (n_gaps and n):
            continue
        share = n_gaps / n_units
        spread = n * share * (1.0 - share) * (n_units - n) / max(n_units - 1, 1)
        ends = max(0, n + n_gaps - n_units), min(n, n_gaps)
        number = _likely(n * share, spread, *ends)
        own = stats.hypergeom.pmf(number, n_units, n_gaps, n)
        first, mass = first + number[0], np.convolve(mass, own)
    return first, mass


def _likely(mean: float, variance: float, low: int, high: int) -> Positions:
    """Numbers from low to high, without those far out."""
    far = 12.0 * np.sqrt(variance) + 30.0
    return np.arange(max(low, int(mean - far)), min(high, int(mean + far) + 1) + 1)


def _rejective(gap: Bools, prob: Floats, n: int) -> tuple[int, Floats]:
    """Labelled gaps among n units that were drawn independently, given n."""
    # One odds ratio for all leaves the distribution given n as it is; with this one
    # n is what is expected.
    odds = logit(np.minimum(prob, 1.0 - 1e-12))
    shift = 0.0
    if 0 < n < len(odds):
        bound = 40.0 + float(np.abs(odds).max())
        shift = brentq(lambda s: expit(odds + s).sum() - n, -bound, bound)
    prob = expit(odds + shift)
    low, lacking = _poisson_binomial(prob[gap])
    first, having = _poisson_binomial(prob[~gap])
    at = n - (low + np.arange(len(lacking))) - first
    inside = (at >= 0) & (at < len(having))
    mass = np.where(inside, lacking * having[np.where(inside, at, 0)], 0.0)
    if not mass.sum() > 0.0:  # certain units alone: one number is possible
        return low, np.ones(1)
    return low, mass


def _poisson_binomial(prob: Floats) -> tuple[int, Floats]:
    """Number of successes: binomials of units that are (nearly) alike, convolved."""
    levels, counts = np.unique(prob, return_counts=True)
    if len(levels) > _LEVELS:
        parts = np.array_split(np.sort(prob), _LEVELS)
        levels = np.array([part.mean() for part in parts])
        counts = np.array([len(part) for part in parts])
    first, mass = 0, np.ones(1)
    for level, size in zip(levels, counts, strict=True):
        mean = size * level
        number = _likely(mean, mean * (1.0 - level), 0, int(size))
        own = stats.binom.pmf(number, size, level)
        first, mass = first + number[0], np.convolve(mass, own)
    return first, mass


def _weighted_test(gap: Bools, drawn: Drawn) -> float:
    """
    Share of the labelled units against that of all, where probabilities are unknown.

    The larger of two variances: that from the labelled units, and that which holds if
    gaps do not go with the probabilities.
    """
    assert drawn.prob is not None
    own, rate, a = gap[drawn.labeled], gap.mean(), drawn.weights
    n = len(a)
    if min(rate, 1.0 - rate) * n < _ENOUGH:
        return float("nan")
    spread = a**2 * np.maximum(1.0 - drawn.prob[drawn.labeled], 0.0)
    variance = max(
        float(spread @ (own - rate) ** 2), rate * (1.0 - rate) * float(spread.sum())
    )
    distance = float(a @ (own - rate))
    if not variance > 0.0:
        return float("nan")
    statistic = abs(distance) / np.sqrt(variance * n / (n - 1))
    return float(2.0 * stats.t.sf(statistic, n - 1))


def _permutation_test(gap: Bools, drawn: Drawn) -> float:
    """Labelled gaps beyond the expected ones, against exchanged clusters."""
    labeled, clusters = drawn.labeled, drawn.clusters
    assert clusters is not None
    alone = clusters < 0
    clusters = np.where(alone, clusters.max() + 1 + np.cumsum(alone), clusters)
    _, clusters = np.unique(clusters, return_inverse=True)
    parts, chance = _parts(drawn)
    shape = (int(clusters.max()) + 1, len(chance))
    block = clusters * shape[1] + parts

    def table(units: Bools | slice) -> Positions:
        return np.bincount(block[units], minlength=shape[0] * shape[1]).reshape(shape)

    size, lacking, chosen = table(slice(None)), table(gap), table(labeled)
    rate = lacking.sum(axis=0) / size.sum(axis=0)
    found = float(table(gap & labeled).sum() - (chosen @ rate).sum())
    # How often units of a cluster are labelled, next to how often they should be.
    intensity = chosen.sum(axis=1) / (size @ chance)
    own = np.flatnonzero(intensity)
    cells = [(np.flatnonzero(np.isin(own, m)), m) for m in _cells(size)]
    draws = int(np.clip(_COST / (len(own) * shape[1]), _LEAST_DRAWS, _MOST_DRAWS))
    rng = np.random.default_rng(0)
    as_far = 0
    for draw in range(1, draws + 1):
        at = np.empty(len(own), dtype=np.intp)
        for inside, members in cells:
            if len(inside):
                at[inside] = rng.choice(members, len(inside), replace=False)
        n_units, n_gaps = size[at], lacking[at]
        expected = np.minimum(intensity[own][:, None] * chance, 1.0) * n_units
        drawn_ = np.floor(expected + rng.random(n_units.shape)).astype(np.intp)
        drawn_ = np.minimum(drawn_, n_units)
        hits = np.where(n_gaps == n_units, drawn_, 0)
        mixed = (n_gaps > 0) & (n_gaps < n_units) & (drawn_ > 0)
        hits[mixed] = rng.hypergeometric(
            n_gaps[mixed], (n_units - n_gaps)[mixed], drawn_[mixed]
        )
        value = hits.sum() - (drawn_ @ rate).sum()
        as_far += abs(value) >= abs(found) - 1e-9 * (1.0 + abs(found))
        if as_far == _FAR_ENOUGH:
            return float(as_far / draw)
    return float((1 + as_far) / (1 + draws))


def _parts(drawn: Drawn) -> tuple[Positions, Floats]:
    """Part of each unit, alike in probability, and the share that is labelled there."""
    labeled, prob = drawn.labeled, drawn.prob
    codes = np.zeros(len(labeled), dtype=np.intp)
    if drawn.strata is not None:
        _, codes = np.unique(drawn.strata, return_inverse=True)
        share = np.bincount(codes, labeled) / np.bincount(codes)
        prob = share[codes] if len(share) > _PARTS else None
    if prob is not None:
        # Units whose probability is not known are a part of their own.
        codes = _ranked(np.where(np.isnan(prob), 2.0, prob), _PARTS)
    size = np.bincount(codes)
    return codes, np.bincount(codes, labeled) / size


def _ranked(values: Floats, parts: int) -> Positions:
    """Values cut at their quantiles, or one part each where there are few."""
    levels, codes = np.unique(values, return_inverse=True)
    if len(levels) > parts:
        ends = np.unique(np.quantile(values, np.arange(1, parts) / parts))
        _, codes = np.unique(np.searchsorted(ends, values), return_inverse=True)
    return codes


def _cells(size: Positions) -> list[Positions]:
    """Clusters that are alike: most units in the same part, and of like size."""
    part = size.argmax(axis=1)
    cells = []
    for k in np.unique(part):
        members = np.flatnonzero(part == k)
        of_size = _ranked(size[members].sum(axis=1).astype(float), _SIZES)
        cells += [members[of_size == j] for j in np.unique(of_size)]
    return cells

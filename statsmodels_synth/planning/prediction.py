r"""
The variance of the estimates at another sample size, from what a pilot is made of.

Labels alone have ``V_0(n, T) = P n_0/n + Q T_0/T + E n_0^2/n^2``, n_0 and T_0 those of
the pilot: a part in 1/n, with strata one in 1/T, and what few labels add. Sources take
off

.. math::
    V_0 - V = G \, \frac{1/n - b/T}{1/n_0 - b/T_0}
        - C \, \frac{n_0^2}{n^2} \min\Bigl(1, \frac{1 - b n/T}{1 - b n_0/T_0}\Bigr) .

G is what double sampling gains (Cochran 1977): the augmented estimate subtracts
``B (mean_L h - mean h)``, whose variance is in proportion to ``1/n - 1/T``. C is what
the estimation of B costs. Both vanish when all units are labelled, since then the two
means are one, and the augmented estimate is that of the labels. b is 1, but where
labelling probabilities differ: then units are still unlabelled when others run out.

References
----------
Cochran, W. G. (1977). Sampling Techniques, 3rd ed., chapter 12. Wiley.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
import math

import numpy as np
from numpy.typing import NDArray

from statsmodels_synth.core.arrays import Floats

#: Share of the variance below which a difference is rounding.
ROUNDING = 1e-12
#: What costs at the pilot's design are believed, as a multiple of what remains: the
#: gain is at most so many times the difference that the pilot reports.
_MOST_GAIN = 4.0
#: Twice the largest slope of the logarithm of a 97.5 % quantile of Student's t in one
#: over its degrees of freedom, which it has between one and two of them.
_T_SLOPE = 4.4


@dataclass(frozen=True)
class Gain:
    """
    What the sources of a pilot take off the variance of its labels.

    Parameters
    ----------
    first : ndarray (p,)
        G, at the design of the pilot.
    cost : ndarray (p,)
        C, at the design of the pilot; negative where few labels add less with sources.
    share : ndarray (p,)
        b.
    pays : ndarray of bool (p,)
        Whether the pilot reports less variance with the sources than without.
    df_lost : float
        Degrees of freedom that the sources cost, however many labels there are.
    df_per_log : ndarray (p,)
        The most that one over the degrees of freedom rises per unit of the logarithm
        of ``V_0 / V``: an interval that is narrower in the pilot stays so.
    df_factor : ndarray (p,) or float
        Share of those without sources that they cost besides, in proportion.
    """

    first: Floats
    cost: Floats
    share: Floats
    pays: NDArray[np.bool_]
    df_lost: Floats | float
    df_per_log: Floats
    df_factor: Floats | float = 0.0

    def lost(self, alone: Floats) -> Floats:
        """Degrees of freedom that the sources cost, of those without, (k, p)."""
        return np.asarray(np.maximum(self.df_lost + self.df_factor * alone, 0.0))


@dataclass(frozen=True)
class VarianceParts:
    """
    Variance of the estimates of a pilot, by what it depends on.

    Parameters
    ----------
    labels : ndarray (p,)
        P, of the labels alone, in proportion to 1/n.
    units : ndarray (p,)
        Q, in proportion to 1/T.
    excess : ndarray (p,)
        E, in proportion to 1/n squared.
    n, n_units : int
        Labels and units of the pilot.
    df_lost : float
        Labels (or clusters) less degrees of freedom of the labels alone.
    per_label : float
        Observations per label: one, or labelled clusters over labels.
    use_t : bool
        Whether intervals have quantiles of Student's t.
    most_probable : float or None
        Largest probability with which a labelled unit of the pilot was chosen; None
        where all are alike.
    gain : Gain or None
        What the sources take off; None without sources.
    df_share : ndarray (p,) or float
        Share of the degrees of freedom of the labels alone that a coefficient has.
    finite : ndarray (p,) or None
        Where the units are the population, b of the labels alone: their variance then
        has the factor ``(1 - b n/T) / (1 - b n_0/T_0)`` and no part in 1/T.
    saved : ndarray (p,) or float
        What the design of the labels takes off the part in 1/n, at the pilot's n.
    """

    labels: Floats
    units: Floats
    excess: Floats
    n: int
    n_units: int
    df_lost: float
    per_label: float
    use_t: bool
    most_probable: float | None = None
    gain: Gain | None = None
    df_share: Floats | float = 1.0
    finite: Floats | None = None
    saved: Floats | float = 0.0

    def by_design(self, ratio: Floats) -> VarianceParts:
        """
        The same with a design that has so much of the variance in 1/n that is left.

        What sources take off is in proportion to ``1/n - b/T``, and in a finite
        population so is everything: at the pilot's n less than the part in 1/n. No
        probability of the design is above one. Eq. (design-ratio).

        Shapes: `ratio` (p,).
        """
        share, left = self.n / self.n_units, self.labels
        if self.finite is not None:
            left = left / np.maximum(1.0 - self.finite * share, ROUNDING)
        if self.gain is not None:
            room = np.maximum(1.0 - self.gain.share * share, ROUNDING)
            left = left - self.gain.first / room
        saved = (1.0 - ratio) * np.maximum(left, 0.0)
        return replace(self, saved=saved, most_probable=None)

    @property
    def units_per_label(self) -> float:
        """
        Fewest units per label.

        More labels of as many units are labelling probabilities in the same
        proportions, of which none can be above one.
        """
        if self.most_probable is None:
            return 1.0
        return max(self.most_probable * self.n_units / self.n, 1.0)

    @property
    def reported(self) -> Floats:
        """Variance of the labels alone in the pilot, (p,)."""
        return self.labels + self.units + self.excess

    def most_labels(self, n_units: int) -> int:
        """The most labels among some units."""
        return min(math.floor(n_units / self.units_per_label + 1e-6), n_units)

    def units_for(self, n: int) -> int:
        """Units among which there can be so many labels, no fewer than in the pilot."""
        return max(math.ceil(n * self.units_per_label - 1e-6), self.n_units)

    def variance(self, n: Floats, n_units: Floats) -> Floats:
        """
        Variance at other sample sizes.

        Shapes: `n, n_units` (k,) -> (k, p).
        """
        u = (self.n / np.asarray(n, dtype=float))[:, None]
        found = self._variances(n, n_units)[1] - self.saved * u
        return np.asarray(np.maximum(found, 0.0))

    def _variances(self, n: Floats, n_units: Floats) -> tuple[Floats, Floats]:
        """
        Variance without the sources and with them, by the pilot's design, (k, p).

        Eq. (planned), Eq. (finite-planned).
        """
        u = (self.n / np.asarray(n, dtype=float))[:, None]
        t = (self.n_units / np.asarray(n_units, dtype=float))[:, None]
        alone = self.labels * u + self.units * t + self.excess * _square(u, self.excess)
        if self.finite is not None:
            alone = alone * self._left(self.finite, n, n_units)
        if self.gain is None:
            return alone, alone
        gain, room = self.gain, self._left(self.gain.share, n, n_units)
        # A negative cost only lowers what few labels add, where it does not exceed it.
        sign = np.where(gain.cost < 0.0, self.excess + gain.cost, gain.cost)
        cost = gain.cost * np.minimum(room, 1.0) * _square(u, sign)
        found = alone - gain.first * u * room + cost
        # With fewer labels than in the pilot costs may outgrow the gain. The weights of
        # the sources are then shrunken to nothing.
        found = np.where(gain.pays, np.minimum(found, alone), found)
        return alone, found

    def _left(self, b: Floats, n: Floats, n_units: Floats) -> Floats:
        """Share of the units still to be labelled, relative to the pilot, (k, p)."""
        share = (np.asarray(n, dtype=float) / np.asarray(n_units, dtype=float))[:, None]
        left = 1.0 - b * share
        room = left / (1.0 - b * self.n / self.n_units)
        # All units labelled is nothing left, and 1 - 1.0000000000000002 is not it.
        return np.where(left > ROUNDING, room, 0.0)

    def df(self, n: Floats, n_units: Floats) -> Floats:
        """
        Degrees of freedom at other sample sizes.

        Shapes: `n, n_units` (k,) -> (k, p).
        """
        n = np.asarray(n, dtype=float)
        if not self.use_t:
            return np.full((len(n), len(self.labels)), np.inf)
        alone = self._df_alone(n, len(self.labels))
        if self.gain is None:
            return alone
        gain = self.gain
        room = np.minimum(self._left(gain.share, n, n_units), 1.0)
        lost = gain.lost(alone) * np.where(gain.pays, 1.0, room)
        more = 1.0 / np.maximum(alone - lost, 1.0) - 1.0 / alone
        without, found = self._variances(n, n_units)
        some = found > 0.0  # none is left where all units of a population are labelled
        ratio = np.divide(without, found, out=np.ones_like(found), where=some)
        most = gain.df_per_log * np.log(ratio)
        more = np.where(gain.pays, np.minimum(more, most), more)
        return np.asarray(1.0 / (1.0 / alone + more))

    @property
    def pilot_df(self) -> Floats:
        """Degrees of freedom without sources in the pilot, (p,)."""
        own = self._df_alone(np.array([float(self.n)]), len(self.labels))
        return np.asarray(own[0])

    def _df_alone(self, n: Floats, p: int) -> Floats:
        """Degrees of freedom without sources, (k, p)."""
        rows = np.maximum(n * self.per_label - self.df_lost, 1.0)[:, None]
        share = np.broadcast_to(self.df_share, (len(n), p))
        return np.asarray(np.maximum(rows * share, 1.0))

    def labels_for(self, variance: Floats, n_units: Floats) -> Floats:
        """
        Number of labels that have a given variance without sources, not rounded.

        Shapes: `variance` (k, p), `n_units` (k,) -> (k, p).
        """
        t = (self.n_units / np.asarray(n_units, dtype=float))[:, None]
        labels, room = self.labels, variance - self.units * t
        if self.finite is not None:
            b = self.finite
            known = b * self.n / np.asarray(n_units, dtype=float)[:, None]
            room = variance * (1.0 - b * self.n / self.n_units) + labels * known
            labels = labels - self.excess * known
        positive = np.maximum(room, 1e-300)
        root = np.sqrt(np.maximum(labels**2 + 4.0 * self.excess * positive, 0.0))
        u = 2.0 * positive / np.maximum(labels + root, 1e-300)
        linear = positive / np.maximum(labels + self.excess, 1e-300)
        u = np.where((self.excess < 0.0) & (linear > 1.0), linear, u)
        return np.where(room > 0.0, self.n / u, np.inf)


def _square(u: Floats, excess: Floats) -> Floats:
    """
    What few labels add, relative to the pilot, whose labels are u times as many.

    The asymptotic covariance (``use_correction=False``) is too small, and the less so
    the more labels. Backwards it is not extrapolated: below the pilot's n the square
    would win over the first part, and the variance turn negative.
    """
    return np.where(excess < 0.0, np.minimum(u, u * u), u * u)


def positive_parts(
    labels: Floats, units: Floats, reported: Floats, blank: VarianceParts
) -> VarianceParts:
    """
    Parts of the labels alone: positive, with the sum that the pilot reports.

    That they decrease in n takes ``excess >= -labels / 2``. It fails only where the
    pilot reports much less than the large-sample variance, by chance or for want of a
    correction; then the first part is made smaller, and the sum kept.

    Shapes: `labels, units` (p,), `reported` (p,).
    """
    if blank.finite is not None:
        labels, units = labels + units, np.zeros_like(units)
    units = np.where(units > ROUNDING * reported, np.minimum(units, reported), 0.0)
    labels = np.clip(labels, 0.0, 2.0 * (reported - units))
    excess = reported - units - labels
    return replace(blank, labels=labels, units=units, excess=excess)


def with_gain(
    alone: VarianceParts,
    first: Floats,
    reported: Floats,
    share: Floats,
    df_lost: Floats | float,
    fewest: int,
    df_factor: Floats | float = 0.0,
) -> VarianceParts:
    """
    Variance with sources, coherent with that of the labels alone.

    What the pilot reports with sources less than without is ``G - C``. G is estimated,
    and C the rest, within the bounds that keep the variance monotone: the variance
    with sources decreases in n if ``P - G / k + 2 min(E, 0) + c C >= 0``, with
    ``k = 1 - b n_0 / T_0`` and c the largest slope of what is multiplied by C. Where
    the pilot reports less with its sources than all its units labelled would have
    without, both cannot be; then it is that of all units.

    Shapes: `first` (p,), `reported` (p,), `share` (p,).
    """
    left = 1.0 - share * alone.n / alone.n_units
    most = alone.labels + 2.0 * np.minimum(alone.excess, 0.0)
    if alone.finite is None:
        most = most * left
    difference = np.minimum(alone.reported - reported, most)
    pays = difference > ROUNDING * alone.reported
    # c k
    slope = max(alone.n / fewest, 2.0)
    low = np.maximum((slope * difference - most) / (slope - 1.0), 0.0)
    high = np.minimum(most, _MOST_GAIN * difference)
    # What does not pay in the pilot is not supposed to pay with more labels.
    gain = np.where(pays, np.clip(first, low, np.maximum(high, low)), 0.0)
    parts = replace(
        alone,
        gain=Gain(
            first=gain,
            cost=gain - difference,
            share=share,
            pays=pays,
            df_lost=df_lost,
            df_per_log=np.full(len(gain), np.inf),
            df_factor=df_factor,
        ),
    )
    return _with_order_of_widths(parts)


def _with_order_of_widths(parts: VarianceParts) -> VarianceParts:
    """Bound the degrees of freedom that sources cost, with no effect in the pilot."""
    assert parts.gain is not None
    here = np.array([float(parts.n)]), np.array([float(parts.n_units)])
    without, found = (variance[0] for variance in parts._variances(*here))
    df = parts._df_alone(here[0], len(parts.labels))[0]
    more = 1.0 / np.maximum(df - parts.gain.lost(df), 1.0) - 1.0 / df
    log = np.where(parts.gain.pays, np.log(without / found), 1.0)
    per_log = np.maximum(1.0 / _T_SLOPE, more / log)
    return replace(parts, gain=replace(parts.gain, df_per_log=per_log))

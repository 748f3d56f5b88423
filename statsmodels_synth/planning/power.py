"""Width and power of Student's t, for arrays of degrees of freedom."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from statsmodels_synth.core.arrays import Floats

#: Degrees of freedom above which Student's t is taken for the normal distribution.
MANY_DF = 1e5
#: Nodes of the integral over the estimated standard error in the power of a t test.
_NODES, _NODE_WEIGHTS = (
    part / 2 + shift
    for part, shift in zip(np.polynomial.legendre.leggauss(64), (0.5, 0.0), strict=True)
)


def critical_value(df: Floats, alpha: float) -> Floats:
    """
    Two-sided quantile of Student's t, or of the normal distribution.

    Examples
    --------
    >>> critical_value(np.array([5.0, np.inf]), 0.05).round(3)
    array([2.571, 1.96 ])
    """
    return np.asarray(stats.t.ppf(1.0 - alpha / 2.0, df))


def level_in_words(alpha: float) -> str:
    """
    Write the level of an interval.

    Examples
    --------
    >>> level_in_words(0.05), level_in_words(0.005)
    ('95 %', '99.5 %')
    """
    return f"{100 * (1 - alpha):g} %"


def power_of_test(ratio: Floats, df: Floats, alpha: float) -> Floats:
    """
    Power of a two-sided t test.

    The noncentral t distribution, as an integral over the estimated standard error,
    ``E[Phi(ratio - q s) + Phi(-ratio - q s)]`` with ``df s^2`` chi-squared, by
    Gauss-Legendre quadrature in the probability of s. Routines for its distribution
    function fail far out in the tails and with many degrees of freedom.

    Examples
    --------
    >>> power_of_test(np.array([0.0, 2.8]), np.array([30.0, np.inf]), 0.05).round(3)
    array([0.05, 0.8 ])
    """
    # As many quantiles as there are degrees of freedom, however many ratios.
    thresholds = _thresholds(np.asarray(df, dtype=float), alpha)
    return _tails(np.abs(np.asarray(ratio, dtype=float)), thresholds)[0]


def _thresholds(df: Floats, alpha: float) -> Floats:
    """``q s`` at the nodes of the integral over s, (..., nodes)."""
    finite = np.minimum(df, MANY_DF)[..., None]
    s = np.sqrt(2.0 * special.gammaincinv(finite / 2.0, _NODES) / finite)
    s = np.where(df[..., None] >= MANY_DF, 1.0, s)
    return np.asarray(critical_value(df, alpha)[..., None] * s)


def _tails(ratio: Floats, thresholds: Floats) -> tuple[Floats, Floats]:
    """Power at a ratio, and its derivative."""
    low, high = ratio[..., None] - thresholds, -ratio[..., None] - thresholds
    power = (special.ndtr(low) + special.ndtr(high)) @ _NODE_WEIGHTS
    density = np.exp(-(low**2) / 2.0) - np.exp(-(high**2) / 2.0)
    return power, density @ _NODE_WEIGHTS / np.sqrt(2.0 * np.pi)


def ratio_for_power(power: float, df: Floats, alpha: float) -> Floats:
    """
    Effect over standard error at which a test has a given power.

    Examples
    --------
    >>> ratio_for_power(0.8, np.array([30.0, np.inf]), 0.05).round(3)
    array([2.895, 2.802])
    """
    df = np.asarray(df, dtype=float)
    thresholds, aim = _thresholds(df, alpha), special.ndtri(power)
    q = critical_value(df, alpha)
    low, high = np.zeros(df.shape), 10.0 * q + 10.0
    ratio = q + max(aim, -1.0)
    for _ in range(100):
        reached, slope = _tails(ratio, thresholds)
        low = np.where(reached < power, ratio, low)
        high = np.where(reached >= power, ratio, high)
        z = special.ndtri(np.clip(reached, 1e-300, 1.0 - 1e-16))
        rate = slope * np.sqrt(2.0 * np.pi) * np.exp(z**2 / 2.0)
        new = ratio - (z - aim) / np.maximum(rate, 1e-300)
        new = np.where((new > low) & (new < high), new, (low + high) / 2.0)
        done = np.abs(new - ratio) <= 1e-13 * high
        ratio = new
        if done.all():
            break
    return np.asarray(ratio)

r"""
Intervals of the gap between a real and a synthetic quantity, for all tasks at once.

The gap of task j is ``Delta_j = theta_j - theta~_j``. Functions take and return arrays
of shape (T, D): a row per task, a column per coordinate of theta. All intervals are
two-sided, with half of `alpha` on each side.

Welch's interval and the one for weighted (Hajek) means are

.. math::
    \hat\Delta_j \pm t_{\nu_j, 1 - \alpha/2}
    \sqrt{\hat\sigma_j^2 + \tilde\sigma_j^2}, \qquad
    \nu_j = \frac{(\hat\sigma_j^2 + \tilde\sigma_j^2)^2}
    {\hat\sigma_j^4 / \nu_{j1} + \tilde\sigma_j^4 / \nu_{j2}} .
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.exceptions import OptionError


@dataclass(frozen=True)
class Estimates:
    """
    Estimates with standard errors.

    Parameters
    ----------
    value : ndarray (T, D)
        Estimates.
    se : ndarray (T, D)
        Standard errors; infinite where unknown (a single observation).
    df : ndarray (T, D)
        Degrees of freedom of the standard errors; infinite for the normal.
    """

    value: Floats
    se: Floats
    df: Floats

    @property
    def historical(self) -> Estimates:
        """Those of all tasks but the current one, which comes last."""
        return Estimates(self.value[:-1], self.se[:-1], self.df[:-1])

    @property
    def normal(self) -> Estimates:
        """The same with normal quantiles."""
        return replace(self, df=np.full_like(self.df, np.inf))


@dataclass(frozen=True)
class GapIntervals:
    """
    Gaps with intervals.

    Parameters
    ----------
    estimate : ndarray (T, D)
        Estimated gaps, real minus synthetic.
    lower, upper : ndarray (T, D)
        Ends of their intervals; may be infinite.
    """

    estimate: Floats
    lower: Floats
    upper: Floats


def student_interval(estimates: Estimates, alpha: float) -> tuple[Floats, Floats]:
    """
    Student (or normal) interval of each estimate.

    Shapes: `lower, upper` (T, D).

    Examples
    --------
    >>> one = Estimates(np.array([[0.0]]), np.array([[1.0]]), np.array([[np.inf]]))
    >>> student_interval(one, 0.05)[1].round(3)
    array([[1.96]])
    """
    normal = np.isinf(estimates.df)
    # Lower tails: they stay exact where 1 - alpha / 2 would round to 1.
    t = -special.stdtrit(np.where(normal, 1.0, estimates.df), alpha / 2.0)
    half = np.where(normal, -special.ndtri(alpha / 2.0), t) * estimates.se
    return estimates.value - half, estimates.value + half


def difference(
    real: Estimates, synthetic: Estimates, covariance: Floats | None = None
) -> Estimates:
    """
    Real minus synthetic estimate, with Welch's degrees of freedom.

    Shapes: `covariance` (T, D).

    Examples
    --------
    >>> a = Estimates(np.array([[1.0]]), np.array([[0.3]]), np.array([[9.0]]))
    >>> b = Estimates(np.array([[0.5]]), np.array([[0.4]]), np.array([[9.0]]))
    >>> gap = difference(a, b)
    >>> gap.se.round(6), gap.df.round(2)
    (array([[0.5]]), array([[16.69]]))
    """
    value = real.value - synthetic.value
    if covariance is not None:
        variance = real.se**2 + synthetic.se**2 - 2.0 * covariance
        # Rounding can take a perfectly correlated pair below zero.
        se = np.sqrt(np.maximum(variance, 0.0))
        return Estimates(value, se, np.minimum(real.df, synthetic.df))
    largest = np.maximum(real.se, synthetic.se)
    known = np.isfinite(largest) & (largest > 0.0)
    scale = np.where(known, largest, 1.0)  # of the standard errors, lest they underflow
    a = np.where(known, real.se / scale, 1.0) ** 2
    b = np.where(known, synthetic.se / scale, 1.0) ** 2
    parts = a**2 / real.df + b**2 / synthetic.df
    df = np.full_like(parts, np.inf)
    np.divide((a + b) ** 2, parts, out=df, where=parts > 0.0)
    return Estimates(value, np.hypot(real.se, synthetic.se), df)


def student_gaps(gap: Estimates, alpha: float) -> GapIntervals:
    """
    Student intervals of gaps: Welch, paired, or from parameters and covariances.

    Examples
    --------
    >>> gap = Estimates(np.zeros((1, 1)), np.ones((1, 1)), np.full((1, 1), 4.0))
    >>> student_gaps(gap, 0.05).upper.round(3)
    array([[2.776]])
    """
    return GapIntervals(gap.value, *student_interval(gap, alpha))


def hoeffding_interval(
    value: Floats, n: Floats, width: float, alpha: float
) -> tuple[Floats, Floats]:
    """
    Hoeffding's interval of means of bounded values.

    The half width is ``width sqrt(log(2 / alpha) / (2 n))``. It holds for any sample
    size and distribution.

    Shapes: `value` (T, D), `n` (T, 1) -> `lower, upper` (T, D).

    Examples
    --------
    >>> mean, n = np.array([[0.5]]), np.array([[200.0]])
    >>> hoeffding_interval(mean, n, 1.0, 0.05)[1].round(3)
    array([[0.596]])
    """
    half = width * np.sqrt(np.log(2.0 / alpha) / (2.0 * n))
    return value - half, value + half


def hoeffding_gaps(
    real: Floats,
    synthetic: Floats,
    n_real: Floats,
    n_synthetic: Floats,
    width: float,
    alpha: float,
    paired: bool = False,
) -> GapIntervals:
    """
    Hoeffding's intervals of differences of means of bounded values.

    The difference of two independent means is a sum of n + N independent bounded
    terms, so its half width is ``width sqrt((1/n + 1/N) log(2/alpha) / 2)``. Paired
    differences have twice the range and n terms.

    Shapes: `real, synthetic` (T, D), `n_real, n_synthetic` (T, 1).

    Examples
    --------
    >>> n = np.array([[100.0]])
    >>> gap = hoeffding_gaps(n * 0 + 0.6, n * 0 + 0.5, n, n, 1.0, 0.1)
    >>> gap.upper.round(3)
    array([[0.273]])
    """
    size = n_real / 4.0 if paired else 1.0 / (1.0 / n_real + 1.0 / n_synthetic)
    gap = real - synthetic
    return GapIntervals(gap, *hoeffding_interval(gap, size, width, alpha))


def quantile_ranks(n: Positions, q: float, alpha: float) -> tuple[Positions, Positions]:
    """
    Ranks of the order statistics that bound a quantile, from the binomial.

    Shapes: `n` (T,) -> `lower, upper` (T,).

    Examples
    --------
    >>> quantile_ranks(np.array([4, 20]), 0.5, 0.05)
    (array([0, 6]), array([ 5, 15]))
    """
    lower = stats.binom.ppf(alpha / 2.0, n, q)
    upper = stats.binom.ppf(1.0 - alpha / 2.0, n, q) + 1.0
    return lower.astype(np.intp), upper.astype(np.intp)


def quantile_interval(
    ordered: Floats, starts: Positions, q: float, alpha: float
) -> tuple[Floats, Floats]:
    """
    Exact interval of a quantile of each sample, from order statistics.

    It holds for any distribution, discrete ones included.

    Shapes: `ordered` (n, D), `starts` (T + 1,) -> `lower, upper` (T, D).

    Examples
    --------
    >>> low, high = quantile_interval(
    ...     np.arange(20.0)[:, None], np.array([0, 20]), 0.5, 0.05
    ... )
    >>> low, high
    (array([[5.]]), array([[14.]]))
    """
    n = np.diff(starts)
    low, high = quantile_ranks(n, q, alpha)
    first = ordered[starts[:-1] + np.maximum(low, 1) - 1]
    last = ordered[starts[:-1] + np.minimum(high, n) - 1]
    lower = np.where((low < 1)[:, None], -np.inf, first)
    return lower, np.where((high > n)[:, None], np.inf, last)


def sample_quantiles(ordered: Floats, starts: Positions, q: float) -> Floats:
    """
    Quantile of each sample, interpolated as NumPy does by default.

    Shapes: (T, D).

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [4.0], [7.0], [9.0]])
    >>> sample_quantiles(x, np.array([0, 3, 5]), 0.5)
    array([[2.],
           [8.]])
    """
    at = q * (np.diff(starts) - 1)
    below = np.floor(at).astype(np.intp)
    share = (at - below)[:, None]
    first = ordered[starts[:-1] + below]
    second = ordered[starts[:-1] + np.ceil(at).astype(np.intp)]
    return np.asarray(first + share * (second - first))


def bootstrap_interval(
    estimate: Floats,
    replicates: Floats,
    alpha: float,
    basic: bool = False,
    votes: bool = False,
) -> tuple[Floats, Floats]:
    """
    Percentile or basic bootstrap interval.

    Shapes: `estimate` (T, D), `replicates` (T, D, B) -> `lower, upper` (T, D).

    Examples
    --------
    >>> draws = np.arange(1.0, 100.0)[None, None]
    >>> bootstrap_interval(np.array([[50.0]]), draws, 0.10)
    (array([[5.]]), array([[95.]]))
    """
    draws = replicates.shape[-1]
    k = int(np.floor((draws + 1) * alpha / 2.0 + 1e-9))
    if k < 1:
        need = int(np.ceil(2.0 / alpha)) - 1
        advice = (
            f"Give n_boot={need} or more to from_votes."
            if votes
            else f"Give n_boot={need} or more, or another interval=, such as 'welch' "
            "for means."
        )
        raise OptionError(
            f"n_boot={draws} is too few for bootstrap intervals at level "
            f"{1.0 - alpha:.6g}. {advice}"
        )
    low, high = replicates[..., k - 1], replicates[..., draws - k]
    if basic:
        return 2.0 * estimate - high, 2.0 * estimate - low
    return low, high

"""
Intervals that stay valid when labelling stops as soon as they please.

Either the numbers of labels at which one looks are known before: then all looks
together have the level (Pocock 1977). Or they are not: then the interval holds at every
number of labels at once, as an asymptotic confidence sequence, and is longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import scipy.optimize
import scipy.stats

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.options import check_alpha, check_count
from statsmodels_synth.exceptions import OptionError

#: Nodes of the integration over where the walk is at a look: the level has five digits
#: if no look has less than a thousandth more labels than the one before.
_NODES = 400
#: More looks than these are as good as any number of them.
MOST_LOOKS = 100


def sequential_level(
    n: int, looks: Sequence[int] | None, tightest_at: int | None, alpha: float
) -> float:
    """Level of the ordinary interval that is to be shown at n labels."""
    check_alpha(alpha)
    if looks is None:
        best = n if tightest_at is None else check_count("tightest_at", tightest_at)
        return anytime_level(n, best, alpha)
    if tightest_at is not None:
        raise OptionError(
            "tightest_at= is for looks that are not planned, and looks= gives those "
            "that are. Leave one of them out."
        )
    if isinstance(looks, str) or not isinstance(looks, Iterable):
        raise OptionError(
            f"looks={looks!r} is no list of numbers of labels. Give all at which you "
            "look, as in looks=[100, 200, 300]."
        )
    planned = sorted({check_count("looks", look) for look in looks})
    if n not in planned:
        raise OptionError(
            f"looks={planned} lacks the {n} labels that there are. Give all numbers of "
            "labels at which you look, also those to come; or leave looks out where "
            "they are not planned."
        )
    if len(planned) > MOST_LOOKS:
        raise OptionError(
            f"looks= has {len(planned)} numbers of labels. With more than {MOST_LOOKS} "
            "leave looks out: the interval then holds at any number."
        )
    return pocock_level(planned, alpha)


def pocock_level(looks: Sequence[int], alpha: float) -> float:
    """
    Level of each look such that all together have level `alpha`.

    Estimates at n_i < n_j labels have the correlation ``sqrt(n_i / n_j)``; it is larger
    where a part of them does not change with n, and the level conservative.
    Eq. (looks).

    Examples
    --------
    >>> round(pocock_level([100, 200, 300, 400, 500], 0.05), 4)
    0.0158
    >>> round(pocock_level([100], 0.05), 4)
    0.05
    """
    return _pocock(tuple(sorted(looks)), alpha)


@lru_cache(maxsize=64)
def _pocock(looks: tuple[int, ...], alpha: float) -> float:
    if len(looks) == 1:
        return alpha
    n = np.array(looks, dtype=float)

    def excess(critical: float) -> float:
        return 1.0 - alpha - _never_outside(n, critical)

    # One look, and as many as if each were a study of its own.
    low = scipy.stats.norm.isf(alpha / 2.0) - 1e-9
    high = scipy.stats.norm.isf(alpha / (2.0 * len(n)))
    critical = scipy.optimize.brentq(excess, low, high, xtol=1e-8)
    return float(2.0 * scipy.stats.norm.sf(critical))


def _never_outside(n: Floats, critical: float) -> float:
    """
    Probability that a random walk is within its bounds at all looks.

    By integration from look to look (Armitage, McPherson and Rowe 1969).

    Shapes: `n` (L,).
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    bound = critical * np.sqrt(n)
    at = nodes * bound[0]
    density = scipy.stats.norm.pdf(at, scale=np.sqrt(n[0])) * weights * bound[0]
    for k in range(1, len(n)):
        here = nodes * bound[k]
        step = scipy.stats.norm.pdf(
            here[:, None] - at[None, :], scale=np.sqrt(n[k] - n[k - 1])
        )
        density, at = (step @ density) * weights * bound[k], here
    return float(density.sum())


def anytime_level(n: int, tightest_at: int, alpha: float) -> float:
    """
    Level of a normal interval that is as long as a confidence sequence at n labels.

    The sequence is that of a normal mixture, as short as can be at `tightest_at` labels
    (Waudby-Smith et al. 2024). Eq. (anytime).

    Examples
    --------
    >>> round(anytime_level(300, 300, 0.05), 5)
    0.0024
    """
    rate = (-2.0 * np.log(alpha) + np.log(-2.0 * np.log(alpha)) + 1.0) / tightest_at
    scale = n * rate
    width = 2.0 * (scale + 1.0) / scale * np.log(np.sqrt(scale + 1.0) / alpha)
    return float(2.0 * scipy.stats.norm.sf(np.sqrt(width)))

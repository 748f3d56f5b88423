"""Huber's robust regression (Huber 1964)."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from scipy import stats

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.problem.scores.protocol import TargetScore

#: Steps of reweighted least squares, and when coefficients and scale stand.
MAX_STEPS = 500
STANDS = 1e-12
#: Of a start, which Newton's method goes on from.
START_STEPS = 20
#: Median absolute deviation of a normal distribution with a standard deviation of one.
NORMAL_DEVIATION = float(stats.norm.ppf(0.75))


class Huber(TargetScore):
    r"""
    Huber's robust regression: residuals beyond a bound count no more than those at it.

    The score is :math:`x \max(-t \sigma, \min(e, t \sigma))` for the residual e.

    Parameters
    ----------
    t : float
        Tuning constant: the bound in units of the scale. With 1.345 the estimate has
        95 % of the efficiency of least squares where errors are normal.
    scale : float, optional
        The scale sigma. If omitted, the median absolute deviation of the labels'
        residuals from zero over .6745, as in ``RLM`` of statsmodels.

    Raises
    ------
    OptionError
        If `t` or `scale` is not a number above zero.
    DataError
        If half of the labels are fitted exactly, so that there is no such deviation.

    Notes
    -----
    The scale is estimated once, from the labels, and then the same in all sources and
    held fixed, as in the standard errors of ``RLM``. Where errors are symmetric this
    changes nothing to first order; where they are not, it leaves out that the constant
    (no other coefficient) depends on it. Design weights count.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. The Annals of
    Mathematical Statistics, 35(1).

    Examples
    --------
    >>> import numpy as np
    >>> import statsmodels.api as sm
    >>> from statsmodels_synth import AugmentedGMM
    >>> from statsmodels_synth.scores import Huber
    >>> rng = np.random.default_rng(0)
    >>> x = sm.add_constant(rng.normal(size=2000))
    >>> y = x @ [1.0, 0.5] + rng.standard_t(2, size=2000)
    >>> guess = y + rng.normal(scale=0.5, size=2000) + 0.3
    >>> labels = np.where(np.arange(2000) < 200, y, np.nan)
    >>> sources = {"llm": (guess, x)}
    >>> AugmentedGMM(labels, x, sources, score=Huber()).fit().params.round(2)
    array([0.98, 0.52])
    """

    name = "Huber"
    learns_from_labels = True

    def __init__(self, t: float = 1.345, scale: float | None = None) -> None:
        self.t = _above_zero("t", t)
        #: None until the labels are known.
        self.scale = None if scale is None else _above_zero("scale", scale)
        # Of which a scale that was estimated is another one for other labels.
        self._given = self.scale

    def __repr__(self) -> str:
        """As it is written."""
        scale = "" if self._given is None else f", scale={float(self._given)!r}"
        return f"Huber({float(self.t)!r}{scale})"

    @property
    def called(self) -> str:
        """The target model in a sentence."""
        return "Huber's regression"

    @property
    def title(self) -> list[tuple[str, str]]:
        """What the header of a summary says of the target model."""
        bound = "-" if self.scale is None else f"{self._bound:.4g}"
        return [("Estimator", f"Huber, t = {self.t:g}"), ("Residuals up to", bound)]

    @property
    def _bound(self) -> float:
        return self.t * (1.0 if self.scale is None else self.scale)

    def told_labels(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
    ) -> Huber:
        """The same with the scale of the labels' residuals."""
        if self._given is not None:
            return self
        told = copy.copy(self)
        own = np.ones(len(endog)) if weights is None else weights
        y = endog if offset is None else endog - offset
        _, told.scale = _reweighted(y, exog, own, self.t, None, MAX_STEPS)
        if not told.scale > 0.0:
            raise DataError(
                "Half of the labels are fitted exactly, so that the median absolute "
                "deviation of their residuals, the scale of Huber's regression, is "
                "zero. Give the scale: Huber(scale=...)."
            )
        return told

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """Bounded residual, less whether it is within, (rows,) each. Eq. (score)."""
        residual, bound = endog - linear, self._bound
        inside = np.abs(residual) <= bound
        return np.clip(residual, -bound, bound), -inside.astype(float)

    def start(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None = None,
        weights: Floats | None = None,
    ) -> Floats:
        """Reweighted least squares, (p,)."""
        own = np.ones(len(endog)) if weights is None else weights
        y = endog if offset is None else endog - offset
        scale = 1.0 if self.scale is None else self.scale
        found, _ = _reweighted(y, exog, own, self.t, scale, START_STEPS)
        return np.where(np.isfinite(found), found, 0.0)

    def loss(
        self, endog: Floats, linear: Floats, weights: Floats | None
    ) -> float | None:
        """Squares of residuals up to the bound, lines beyond it."""
        size, bound = np.abs(endog - linear), self._bound
        own = np.where(size <= bound, size**2 / 2.0, bound * (size - bound / 2.0))
        return float(own.sum() if weights is None else weights @ own)


def _above_zero(name: str, given: Any) -> float:
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = np.nan
    if isinstance(given, bool) or not 0.0 < value < np.inf:
        raise OptionError(f"{name}={given!r} of Huber must be a number above 0.")
    return value


def _reweighted(
    y: Floats, x: Floats, own: Floats, t: float, scale: float | None, most: int
) -> tuple[Floats, float]:
    """
    Iteratively reweighted least squares; the scale is that of the residuals if None.

    Shapes: `y`, `own` (R,), `x` (R, p) -> (p,).
    """
    root: Floats = np.sqrt(own)
    params: Floats = np.zeros(x.shape[1])
    sigma = scale or 0.0
    for count in range(most):
        before, before_sigma = params, sigma
        params = np.asarray(
            np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0], dtype=float
        )
        size = np.abs(y - x @ params)
        if scale is None:
            sigma = _median(size, own) / NORMAL_DEVIATION
            if size.max() == 0.0 or sigma <= STANDS * size.max():
                return params, 0.0
        bound = t * sigma
        # A residual of zero has the full weight.
        root = np.sqrt(own * np.minimum(1.0, bound / np.maximum(size, bound)))
        moved = np.abs(x @ (params - before)).max() + abs(sigma - before_sigma)
        if count and moved <= STANDS * sigma:
            break
    return params, sigma


def _median(values: Floats, weights: Floats) -> float:
    """
    Median of values that count by their weights: the middle of two where they tie.

    Shapes: `values`, `weights` (R,).
    """
    order = np.argsort(values, kind="stable")
    passed = np.cumsum(weights[order])
    half = passed[-1] / 2.0
    near = 1e-12 * passed[-1]
    low = int(np.searchsorted(passed, half - near))
    high = int(np.searchsorted(passed, half + near))
    return float(values[order[[low, high]]].mean())

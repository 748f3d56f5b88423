"""Quantile regression (Koenker and Bassett 1978)."""

from __future__ import annotations

import copy

import numpy as np
from scipy import optimize, stats

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.problem.scores.predictors import ROUNDING, centring
from statsmodels_synth.problem.scores.protocol import TargetScore

#: Rows up to which the linear programme is solved as it is; of more, most are put on
#: their side of the line beforehand (Portnoy and Koenker 1997).
ALL_AT_ONCE = 4_000
#: Rows of the first fit then, as a multiple of the power 2/3 of all; and those whose
#: side is left open, in standard deviations of how far that fit may be off.
FIRST_ROWS, OPEN = 3.0, 4.0
MAX_ROUNDS = 20
#: Residuals below this share of the spread are zero: rows that the line goes through.
ON_THE_LINE = 1e-9
#: Interquartile range of a normal distribution with a standard deviation of one.
NORMAL_RANGE = 1.34


class Quantile(TargetScore):
    r"""
    Quantile regression: the median, or any other quantile, of y given x.

    The score is :math:`x (\tau - 1\{y \le x'\theta\})`, the subgradient of the check
    function. It jumps: the estimate of the labels, and that of a source from some of
    its rows, is the exact solution of the linear programme, and one step of Newton's
    method leads from there to all rows.

    Parameters
    ----------
    tau : float
        Which quantile: above 0 and below 1. The median is 0.5.

    Attributes
    ----------
    width : float or None
        Bandwidth of the kernel, once told the rows.

    Raises
    ------
    OptionError
        If `tau` is not a number above 0 and below 1.

    Notes
    -----
    The slope of the mean score is :math:`-E[f(0 | x) x x']`, with f the density of the
    residual. It is estimated by Powell's kernel, :math:`s' = -K(e / h) / h`, with the
    kernel of Epanechnikov and the bandwidth of Hall and Sheather on the scale of the
    smaller of the standard deviation of y and the interquartile range of the residuals,
    as ``QuantReg`` of statsmodels has it. Each source, and its rows of labelled units,
    have a bandwidth of their own. ``QuantReg`` takes the same density for all rows;
    with a constant alone the standard errors are the same.

    Where y has few values, such as whole numbers, the line goes through many rows, the
    density is not defined, and no method has valid standard errors: a warning says so.

    References
    ----------
    Koenker, R. and Bassett, G. (1978). Regression quantiles. Econometrica, 46(1).
    Powell, J. L. (1991). Estimation of monotonic regression models under quantile
    restrictions. In Nonparametric and Semiparametric Methods in Econometrics.
    Hall, P. and Sheather, S. J. (1988). On the distribution of a studentized quantile.
    Journal of the Royal Statistical Society, Series B, 50(3).

    Examples
    --------
    >>> import numpy as np
    >>> import statsmodels.api as sm
    >>> from statsmodels_synth import AugmentedGMM
    >>> from statsmodels_synth.scores import Quantile
    >>> rng = np.random.default_rng(0)
    >>> x = sm.add_constant(rng.normal(size=2000))
    >>> y = x @ [1.0, 0.5] + rng.standard_t(3, size=2000)
    >>> guess = y + rng.normal(scale=0.5, size=2000) + 0.3
    >>> labels = np.where(np.arange(2000) < 200, y, np.nan)
    >>> sources = {"llm": (guess, x)}
    >>> AugmentedGMM(labels, x, sources, score=Quantile(0.5)).fit().params.round(2)
    array([0.86, 0.6 ])
    """

    name = "quantile"
    is_smooth = False
    learns_from_rows = True

    def __init__(self, tau: float = 0.5) -> None:
        try:
            value = float(tau)
        except (TypeError, ValueError):
            value = np.nan
        if isinstance(tau, bool) or not 0.0 < value < 1.0:
            raise OptionError(
                f"tau={tau!r} is no quantile: it must be a number above 0 and below 1, "
                "such as 0.5 for the median."
            )
        self.tau = value
        self.width: float | None = None

    def __repr__(self) -> str:
        """As it is written."""
        return f"Quantile({float(self.tau)!r})"

    @property
    def called(self) -> str:
        """The target model in a sentence."""
        return f"the quantile {self.tau:g}"

    @property
    def title(self) -> list[tuple[str, str]]:
        """What the header of a summary says of the target model."""
        return [("Quantile", f"{self.tau:g}")]

    def told_rows(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
        n_units: int,
    ) -> Quantile:
        """The same with the bandwidth of rows, all or an even part of them."""
        params = self.start(endog, exog, offset, weights)
        residual = endog - exog @ params - (0.0 if offset is None else offset)
        told = copy.copy(self)
        told.width = bandwidth(self.tau, endog, residual, weights, n_units)
        return told

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """Score factor and less the kernel's density, (rows,) each. Eq. (score)."""
        residual = np.subtract(endog, linear, out=linear)
        width = 1.0 if self.width is None else self.width
        factor = np.where(residual <= ON_THE_LINE * width, self.tau - 1.0, self.tau)
        residual /= width
        np.square(residual, out=residual)
        residual -= 1.0
        np.minimum(residual, 0.0, out=residual)
        residual *= 0.75 / width
        return factor, residual

    def start(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None = None,
        weights: Floats | None = None,
    ) -> Floats:
        """The estimate itself, exact, (p,)."""
        y = endog if offset is None else endog - offset
        return regression_quantile(self.tau, y, exog, weights)

    def loss(
        self, endog: Floats, linear: Floats, weights: Floats | None
    ) -> float | None:
        """The sum of the check function."""
        residual = endog - linear
        own = residual * (self.tau - (residual <= 0.0))
        return float(own.sum() if weights is None else weights @ own)


def bandwidth(
    tau: float, endog: Floats, residual: Floats, weights: Floats | None, n_units: int
) -> float:
    """
    Bandwidth of Hall and Sheather in units of the residuals, positive.

    Shapes: `endog`, `residual`, `weights` (R,).
    """
    n = float(n_units)
    if weights is None or np.ptp(weights) <= 1e-9 * weights.max():
        low, high = np.percentile(residual, [25.0, 75.0])
    else:
        n *= weights.sum() ** 2 / (weights @ weights) / len(weights)  # Kish
        low, high = _weighted_quartiles(residual, weights)
    z = stats.norm.ppf(tau)
    own = 1.5 * stats.norm.pdf(z) ** 2 / (2.0 * z**2 + 1.0)
    h = n ** (-1 / 3) * stats.norm.ppf(0.975) ** (2 / 3) * own ** (1 / 3)
    while tau - h <= 0.0 or tau + h >= 1.0:
        h /= 2.0
    scales = np.array([np.std(endog), (high - low) / NORMAL_RANGE, np.std(residual)])
    # Where half of the rows are on the line the quartiles are one value.
    least = max(ON_THE_LINE * scales[2], ROUNDING * np.abs(endog).max(initial=0.0))
    positive = scales[:2][scales[:2] > least]
    # A constant outcome is refused elsewhere, with its reason.
    scale = positive.min() if len(positive) else max(1.0, np.abs(endog).max())
    return float(scale * (stats.norm.ppf(tau + h) - stats.norm.ppf(tau - h)))


def _weighted_quartiles(values: Floats, weights: Floats) -> tuple[float, float]:
    """
    Quartiles of values that count by their weights.

    Shapes: `values`, `weights` (R,).
    """
    order = np.argsort(values, kind="stable")
    passed = np.cumsum(weights[order])
    at = np.searchsorted(passed, np.array([0.25, 0.75]) * passed[-1])
    low, high = values[order[np.minimum(at, len(order) - 1)]]
    return float(low), float(high)


def regression_quantile(
    tau: float, endog: Floats, exog: Floats, weights: Floats | None
) -> Floats:
    """
    Coefficients that minimise the sum of the check function, exactly.

    Of many rows most are put on one side of the line by a fit to some; who turns out to
    be on the other side joins those whose side is open, until nobody is.

    Shapes: `endog` (R,), `exog` (R, p), `weights` (R,) -> (p,), or NaN.
    """
    w = np.ones(len(exog)) if weights is None else weights / weights.mean()
    # Far from zero regressors are all alike to the tolerance of the solver.
    own = centring(exog, w)
    x = exog @ own
    scale = np.sqrt(np.mean(x**2, axis=0))
    scale[scale == 0.0] = 1.0  # a rare dummy may be absent
    level, spread = float(np.abs(endog).max(initial=0.0)), float(np.std(endog))
    spread = spread if spread > ROUNDING * level else level or 1.0
    found = _solved(tau, endog / spread, x / scale, w) / scale * spread
    return np.asarray(own @ found)


def _solved(tau: float, y: Floats, x: Floats, w: Floats) -> Floats:
    """The same on the scale of y and of each column."""
    n, p = x.shape
    if n <= ALL_AT_ONCE:
        return _programme(tau, y, x, w, np.zeros(p))
    step = int(n / (FIRST_ROWS * n ** (2 / 3))) + 1
    first = slice(None, None, step)
    params = _solved(tau, y[first], x[first], w[first])
    residual = y - x @ params
    off = OPEN * np.sqrt(p * tau * (1.0 - tau) * step / n)
    rank = np.cumsum(w[np.argsort(residual)]) / w.sum()
    sorted_ = np.sort(residual)
    low = sorted_[np.searchsorted(rank, max(tau - off, 0.0))]
    high = sorted_[min(np.searchsorted(rank, tau + off), n - 1)]
    is_open = (residual >= low) & (residual <= high)
    above = ~is_open & (residual > high)
    for _ in range(MAX_ROUNDS):
        fixed = above & ~is_open
        taken = x[fixed].T @ w[fixed]
        taken -= (1.0 - tau) * (x.T @ w - x[is_open].T @ w[is_open])
        params = _programme(tau, y[is_open], x[is_open], w[is_open], taken)
        if not np.all(np.isfinite(params)):
            break  # sides that no line has
        wrong = ~is_open & ((y > x @ params) != above)
        if not wrong.any():
            return params
        is_open |= wrong
    return _programme(tau, y, x, w, np.zeros(p))


def _programme(tau: float, y: Floats, x: Floats, w: Floats, taken: Floats) -> Floats:
    """
    Dual of the linear programme, with one share per row of how far it is above.

    Its p equations say that the subgradient is zero; their multipliers are the
    coefficients. `taken` is what rows whose side is known add to it.

    Shapes: `y`, `w` (R,), `x` (R, p), `taken` (p,) -> (p,).
    """
    found = optimize.linprog(
        -y,
        A_eq=x.T,
        b_eq=(1.0 - tau) * (x.T @ w) - taken,
        bounds=np.column_stack([np.zeros(len(w)), w]),
        method="highs-ds",
    )
    if not found.success:
        return np.full(x.shape[1], np.nan)
    return _through_its_rows(-np.asarray(found.eqlin.marginals), y, x)


def _through_its_rows(params: Floats, y: Floats, x: Floats) -> Floats:
    """
    The same without the rounding of the solver, where p rows tell the line.

    Shapes: `params` (p,), `y` (R,), `x` (R, p) -> (p,).
    """
    p = len(params)
    residual = np.abs(y - x @ params)
    if len(y) < p or not np.all(np.isfinite(residual)):
        return params
    rows = np.argpartition(residual, p - 1)[:p]
    if residual[rows].max() > 1e-6 or np.linalg.cond(x[rows]) > 1e10:
        return params
    exact = np.linalg.solve(x[rows], y[rows])
    return np.asarray(exact if np.abs(exact - params).max() <= 1e-6 else params)

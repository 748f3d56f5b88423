"""
Outcomes with levels: multinomial logit, ordered logit and probit.

An outcome is a code: the row of a table of probabilities by level, which for a level
itself are 0 and 1. So a source may give a probability of each level instead of a level,
and one that never uses a level can have a little of it, so that its own estimate is
finite; what it says of labelled and of all units is changed alike.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
import copy
from typing import Any, ClassVar

import numpy as np
from scipy import special

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import show
from statsmodels_synth.exceptions import CollinearityError, DataError, OptionError
from statsmodels_synth.problem.scores.predictors import (
    linear_predictors,
    row_scores,
    total_slope,
)
from statsmodels_synth.problem.scores.protocol import TargetScore

#: What regressors may leave of a column of ones where they add up to it.
CONSTANT = 1e-9
#: Steps of the search for a start, and halvings of each.
MAX_STEPS, MAX_HALVINGS = 30, 20
#: Change of the log-likelihood per row that ends it.
SMALL = 1e-10
#: Share that is spread over all levels in a source that never uses one of them.
SPREAD = 0.02


class LevelScore(TargetScore):
    """
    A target model of an outcome with K levels.

    Parameters
    ----------
    levels : sequence, optional
        Levels of the outcome, in order. If omitted, those that people gave: sorted, or
        in the order of a pandas categorical.
    """

    kind = "score"
    has_levels = True
    separable = True
    is_ordered: ClassVar[bool] = False

    def __init__(self, levels: Sequence[Hashable] | None = None) -> None:
        if isinstance(levels, str):
            raise OptionError(
                f"levels={levels!r} is one text. Give a list of levels, such as "
                "['low', 'high']."
            )
        self.given = None if levels is None else list(levels)
        if self.given is not None and len(set(self.given)) != len(self.given):
            raise OptionError(f"levels= has a level twice: {self.given}.")
        self.levels: list[Any] = []
        #: Code of each level.
        self.codes: dict[Any, float] = {}
        #: Probability of each level by code, (C, K).
        self.table: Floats = np.empty((0, 0))
        self.name = type(self).__name__
        self.is_single = False

    def __repr__(self) -> str:
        """As it is written."""
        return f"{self.name}({', '.join(self._arguments())})"

    def _arguments(self) -> list[str]:
        """What was given, as code that needs no numpy."""
        if self.given is None:
            return []
        return [f"levels=[{', '.join(map(show, self.given))}]"]

    @property
    def called(self) -> str:
        """The target model in a sentence."""
        return self.name

    @property
    def title(self) -> list[tuple[str, str]]:
        """What the header of a summary says of the target model."""
        return [("Score", self.name), ("Levels", ", ".join(map(str, self.levels)))]

    def told_levels(self, levels: Sequence[Any], table: Floats) -> LevelScore:
        """The same model of these levels; rows of the table are codes of outcomes."""
        told = copy.copy(self)
        told.levels, told.table = list(levels), table
        told.codes = {level: float(k) for k, level in enumerate(levels)}
        told.low, told.high = 0.0, len(table) - 1.0
        told.range_text = f"a level from 0 to {len(table) - 1}"
        told._take_levels()
        return told

    def told_labels(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
    ) -> TargetScore:
        """The same model, after a look whether every level has a label."""
        lacking = self.chances(endog).sum(axis=0) == 0.0
        if lacking.any():
            level = self.levels[int(np.argmax(lacking))]
            raise DataError(
                f"No label is {show(level)}: nothing can be learned of the coefficients"
                " of that level. Label units of it, or merge it with another."
            )
        return self

    def _take_levels(self) -> None:
        """Name parameters after the levels."""
        raise NotImplementedError

    def probabilities(self, linear: Floats) -> Floats:
        """Probability of each level, (rows, K)."""
        raise NotImplementedError

    def mean(self, linear: Floats) -> Floats:
        """Probability of each level, (rows, K)."""
        return self.probabilities(linear)

    def chances(self, endog: Floats) -> Floats:
        """What outcomes say of each level, (rows, K)."""
        codes = endog.astype(np.intp)
        if np.any(codes != endog):
            raise DataError(
                "An outcome is no level: codes are whole numbers. With rows in "
                "partitions give levels as 0, 1, 2, ... in every source."
            )
        return np.asarray(self.table[codes])

    def outcomes(self, endog: Floats) -> Floats:
        """The most probable level, (rows,)."""
        return np.asarray(self.chances(endog).argmax(axis=1), dtype=float)

    def numbers(self, endog: Floats) -> Floats:
        """Levels have no mean unless they are in order."""
        raise OptionError(
            "by= compares means of the outcome between groups, and its levels have no "
            "order. Look at one level at a time: an outcome of 0 and 1."
        )

    def loss(
        self, endog: Floats, linear: Floats, weights: Floats | None
    ) -> float | None:
        """Minus twice the log-likelihood."""
        own = self.chances(endog)
        with np.errstate(all="ignore"):
            logs = np.where(own > 0.0, own * np.log(self.probabilities(linear)), 0.0)
        rows = logs.sum(axis=1)
        total = rows.sum() if weights is None else weights @ rows
        return float(-2.0 * total)

    def _first(self, endog: Floats, weights: Floats, size: int) -> Floats:
        """Parameters of a model in which nothing depends on regressors, (P,)."""
        raise NotImplementedError

    def start(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None = None,
        weights: Floats | None = None,
    ) -> Floats:
        """Maximum likelihood on these rows, by Newton's method with shorter steps."""
        own = np.ones(len(endog)) if weights is None else weights
        params = self._first(endog, own, exog.shape[1])

        def linear(point: Floats) -> Floats:
            found = linear_predictors(exog, point, self)
            if offset is not None:
                found[:, 0] += offset
            return found

        def value(point: Floats) -> float:
            found = self.loss(endog, linear(point), own)
            return np.inf if found is None or np.isnan(found) else found

        before = value(params)
        with np.errstate(all="ignore"):
            for _ in range(MAX_STEPS):
                factor, slope = self.factors(endog, linear(params))
                gradient = own @ row_scores(exog, factor, self)
                hessian = total_slope(exog, slope * own[:, None, None], self)
                if not np.all(np.isfinite(hessian)):
                    break
                step = np.linalg.lstsq(-hessian, gradient, rcond=1e-12)[0]
                for _ in range(MAX_HALVINGS):
                    after = value(params + step)
                    if after <= before:
                        break
                    step = step / 2.0
                else:
                    break
                params, gain, before = params + step, before - after, after
                if gain <= SMALL * own.sum():
                    break
        return params


class MultinomialLogit(LevelScore):
    r"""
    Multinomial logit: the log odds of each level against the first are linear.

    .. math:: P(y = k \mid x) = \frac{\exp(x'\theta_k)}{\sum_l \exp(x'\theta_l)},
        \qquad \theta_1 = 0 .

    Without a source it is ``sm.MNLogit`` with robust standard errors. Coefficients are
    named ``level:regressor``; `predict` has a column for each level.

    Parameters
    ----------
    levels : sequence, optional
        Levels of the outcome. If omitted, those that people gave, sorted or in the
        order of a pandas categorical.
    base : object, optional
        The level that others are compared with; the first if omitted.

    Raises
    ------
    OptionError
        If a level is given twice, or `base` is none of them.

    References
    ----------
    McFadden, D. (1974). Conditional logit analysis of qualitative choice behavior. In
    Frontiers in Econometrics, ed. P. Zarembka. Academic Press.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from statsmodels_synth import AugmentedGMM
    >>> from statsmodels_synth.scores import MultinomialLogit
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=1500)
    >>> utility = np.column_stack([0 * x, x, 0.5 - x]) + rng.gumbel(size=(1500, 3))
    >>> levels = np.array(["centre", "left", "right"])
    >>> vote = pd.Series(levels[utility.argmax(axis=1)])
    >>> said = vote.where(rng.random(1500) < 0.8, rng.choice(levels, 1500))
    >>> units = pd.DataFrame({"x": x, "llm": said})
    >>> units["vote"] = vote.where(vote.index < 300)
    >>> model = AugmentedGMM.from_formula(
    ...     "vote ~ x", units, proxy={"vote": "llm"}, score=MultinomialLogit()
    ... )
    >>> model.fit().params.round(1)
    left:Intercept     0.3
    left:x             0.8
    right:Intercept    0.4
    right:x           -1.0
    dtype: float64
    """

    is_canonical = True

    def __init__(
        self, levels: Sequence[Hashable] | None = None, base: Hashable | None = None
    ) -> None:
        super().__init__(levels)
        self.base = base
        if base is not None and self.given is not None and base not in self.given:
            raise OptionError(
                f"base={base!r} is not one of levels=, which are {self.given}."
            )

    def _arguments(self) -> list[str]:
        """What was given, as code that needs no numpy."""
        base = [] if self.base is None else [f"base={show(self.base)}"]
        return [*super()._arguments(), *base]

    def told_levels(self, levels: Sequence[Any], table: Floats) -> LevelScore:
        """The same model of these levels, the base first."""
        if self.base is None:
            return super().told_levels(levels, table)
        if self.base not in levels:
            known = ", ".join(show(level) for level in levels)
            raise OptionError(
                f"base={self.base!r} is not a level of the outcome. Levels are {known}."
            )
        at = list(levels).index(self.base)
        order = [at, *(k for k in range(len(levels)) if k != at)]
        # Codes stay: only what they say of the levels is in another order.
        told = super().told_levels([levels[k] for k in order], table[:, order])
        told.codes = {level: float(k) for k, level in enumerate(levels)}
        return told

    def _take_levels(self) -> None:
        self.predictors = len(self.levels) - 1

    def param_names(self, exog_names: Sequence[str]) -> list[str]:
        """``level:regressor`` for each level but the base."""
        return [f"{own}:{name}" for own in self.levels[1:] for name in exog_names]

    def probabilities(self, linear: Floats) -> Floats:
        """Probability of each level, (rows, K)."""
        full = np.concatenate([np.zeros((len(linear), 1)), linear], axis=1)
        return np.asarray(special.softmax(full, axis=1))

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """Indicators less probabilities, and less their covariance."""
        own = self.probabilities(linear)[:, 1:]
        slope = own[:, :, None] * own[:, None, :]
        each = np.arange(own.shape[1])
        slope[:, each, each] -= own
        return self.chances(endog)[:, 1:] - own, slope

    def separation_rows(self, endog: Floats, exog: Floats) -> Floats:
        """The own level against each other one."""
        n, p = exog.shape
        k = self.predictors
        chances = self.chances(endog)
        result = np.zeros((n, k, k + 1, p))
        if chances.max(axis=1).min(initial=1.0) < 1.0:
            # What has a chance of several levels lets no direction be.
            return result[:, :, 1:].reshape(n, k, k * p)
        for level in range(k + 1):
            mine = chances[:, level] == 1.0
            for c, rival in enumerate(r for r in range(k + 1) if r != level):
                result[mine, c, level] = exog[mine]
                result[mine, c, rival] = -exog[mine]
        return result[:, :, 1:].reshape(n, k, k * p)

    def _first(self, endog: Floats, weights: Floats, size: int) -> Floats:
        return np.zeros(self.predictors * size)


class OrderedScore(LevelScore):
    r"""
    Ordered regression: thresholds on a latent scale.

    .. math:: P(y \le k \mid x) = F(\tau_k - x'\beta) .

    Thresholds are parameters by themselves, named ``low/high`` after the levels that
    they part. There is no constant among the regressors: in a formula it is left out.
    """

    is_ordered: ClassVar[bool] = True
    predictors = 1
    has_own_constant = True

    def _take_levels(self) -> None:
        low, high = self.levels[:-1], self.levels[1:]
        self.constants = tuple(f"{a}/{b}" for a, b in zip(low, high, strict=True))

    def numbers(self, endog: Floats) -> Floats:
        """The expected level, counted from 0, (rows,)."""
        return np.asarray(self.chances(endog) @ np.arange(len(self.levels)))

    def told_labels(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
    ) -> TargetScore:
        """The same model, after a look for a constant among the regressors."""
        ones = np.ones(len(exog))
        left = ones - exog @ np.linalg.lstsq(exog, ones, rcond=None)[0]
        if np.abs(left).max() < CONSTANT:
            raise CollinearityError(
                "The regressors add up to a constant, as a column of ones does, or "
                f"dummies of all levels; {self.called} has thresholds in its place. "
                "Leave it, or a level, out."
            )
        return super().told_labels(endog, exog, offset, weights)

    def distribution(self, z: Floats) -> tuple[Floats, Floats, Floats]:
        """F and its first two derivatives, of the same shape."""
        raise NotImplementedError

    def quantile(self, p: Floats) -> Floats:
        """Inverse of F."""
        raise NotImplementedError

    def _edges(self, linear: Floats) -> Floats:
        """Thresholds less predictor, with the ends, (rows, K + 1)."""
        rows = len(linear)
        inner = linear[:, 1:] - linear[:, :1]
        ends = np.full((rows, 1), np.inf)
        return np.concatenate([-ends, inner, ends], axis=1)

    def probabilities(self, linear: Floats) -> Floats:
        """Probability of each level, (rows, K); NaN if thresholds are not in order."""
        edges = self._edges(linear)
        found = np.empty((len(linear), len(self.levels)))
        for k in range(found.shape[1]):
            found[:, k] = self._between(edges[:, k], edges[:, k + 1])
        return np.where(found > 0.0, found, np.nan)

    def _between(self, low: Floats, high: Floats) -> Floats:
        """Probability between two edges, by the tail where it is smaller."""
        above = low > 0.0
        left, right = np.where(above, -high, low), np.where(above, -low, high)
        return self.distribution(right)[0] - self.distribution(left)[0]

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """First and second derivatives of the log of the probability of the level."""
        size = 1 + len(self.constants)
        factor = np.zeros((len(linear), size))
        slope = np.zeros((len(linear), size, size))
        chances, edges = self.chances(endog), self._edges(linear)
        for k in range(len(self.levels)):
            at = np.flatnonzero(chances[:, k] > 0.0)
            if len(at):
                self._add_level(k, at, chances[at, k], edges, (factor, slope))
        return factor, slope

    def _add_level(
        self,
        k: int,
        at: Any,
        share: Floats,
        edges: Floats,
        out: tuple[Floats, Floats],
    ) -> None:
        """Add a share of the derivatives for level k, of some rows."""
        factor, slope = out
        low, high = edges[at, k], edges[at, k + 1]
        p = self._between(low, high)
        p = np.where(p > 0.0, p, np.nan)  # thresholds that are not in order
        _, f_low, df_low = self.distribution(low)
        _, f_high, df_high = self.distribution(high)
        # Derivatives of p with respect to the predictor and the two thresholds.
        first = [(0, -(f_high - f_low))]
        second = {(0, 0): df_high - df_low}
        if k < len(self.constants):
            first.append((k + 1, f_high))
            second |= {(0, k + 1): -df_high, (k + 1, k + 1): df_high}
        if k > 0:
            first.append((k, -f_low))
            second |= {(0, k): df_low, (k, k): -df_low}
        for i, own in first:
            factor[at, i] += share * own / p
            for j, other in first:
                curve = second.get((i, j), second.get((j, i), 0.0))
                slope[at, i, j] += share * (curve / p - own * other / p**2)

    def separation_rows(self, endog: Floats, exog: Floats) -> Floats:
        """The distance from either threshold."""
        n, p = exog.shape
        result = np.zeros((n, 2, p + len(self.constants)))
        chances = self.chances(endog)
        if chances.max(axis=1).min(initial=1.0) < 1.0:
            return result  # what has a chance of several levels lets no direction be
        codes, rows = chances.argmax(axis=1), np.arange(n)
        below, above = codes < len(self.constants), codes > 0
        result[below, 0, :p] = -exog[below]
        result[rows[below], 0, p + codes[below]] = 1.0
        result[above, 1, :p] = exog[above]
        result[rows[above], 1, p + codes[above] - 1] = -1.0
        return result

    def _first(self, endog: Floats, weights: Floats, size: int) -> Floats:
        shares = weights @ self.chances(endog)
        shares = shares + 0.5  # levels that these rows lack
        below = np.cumsum(shares / shares.sum())[:-1]
        return np.concatenate([np.zeros(size), self.quantile(below)])


class OrderedLogit(OrderedScore):
    r"""
    Ordered logit, or proportional odds.

    .. math:: P(y \le k \mid x) = \Lambda(\tau_k - x'\beta) .

    Without a source it is statsmodels' ``OrderedModel(distr="logit")`` with robust
    standard errors; there thresholds are written as logs of their differences, here by
    themselves, as ``low/high``. There is no constant among the regressors: in a formula
    it is left out. `predict` has a column for each level.

    Parameters
    ----------
    levels : sequence, optional
        Levels of the outcome, from low to high. If omitted they are the numbers that
        people gave, or the order of a pandas categorical.

    Raises
    ------
    OptionError
        If a level is given twice.

    References
    ----------
    McCullagh, P. (1980). Regression models for ordinal data. Journal of the Royal
    Statistical Society B 42, 109-142.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from statsmodels_synth import AugmentedGMM
    >>> from statsmodels_synth.scores import OrderedLogit
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=1500)
    >>> latent = x + rng.logistic(size=1500)
    >>> rating = pd.Series(np.digitize(latent, [-1.0, 1.0])).astype(float)
    >>> said = rating.where(rng.random(1500) < 0.8, rng.integers(0, 3, 1500))
    >>> units = pd.DataFrame({"x": x, "llm": said})
    >>> units["y"] = rating.where(rating.index < 300)
    >>> model = AugmentedGMM.from_formula(
    ...     "y ~ x", units, proxy={"y": "llm"}, score=OrderedLogit()
    ... )
    >>> model.fit().params.round(1)
    x      0.9
    0/1   -0.9
    1/2    1.1
    dtype: float64
    """

    def distribution(self, z: Floats) -> tuple[Floats, Floats, Floats]:
        """The logistic distribution."""
        p = special.expit(z)
        f = p * special.expit(-z)
        return p, f, f * (1.0 - 2.0 * p)

    def quantile(self, p: Floats) -> Floats:
        """Log odds."""
        return np.asarray(special.logit(p))


class OrderedProbit(OrderedScore):
    r"""
    Ordered probit.

    .. math:: P(y \le k \mid x) = \Phi(\tau_k - x'\beta) .

    As :class:`OrderedLogit`, with normal errors: statsmodels'
    ``OrderedModel(distr="probit")``.

    Parameters
    ----------
    levels : sequence, optional
        Levels of the outcome, from low to high. If omitted they are the numbers that
        people gave, or the order of a pandas categorical.

    Raises
    ------
    OptionError
        If a level is given twice.

    References
    ----------
    McKelvey, R. D. and Zavoina, W. (1975). A statistical model for the analysis of
    ordinal level dependent variables. Journal of Mathematical Sociology 4, 103-120.

    Examples
    --------
    >>> from statsmodels_synth.scores import OrderedProbit
    >>> OrderedProbit(["never", "sometimes", "often"]).given
    ['never', 'sometimes', 'often']
    """

    def distribution(self, z: Floats) -> tuple[Floats, Floats, Floats]:
        """The normal distribution."""
        f = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        finite = np.where(np.isfinite(z), z, 0.0)
        return np.asarray(special.ndtr(z)), f, -finite * f

    def quantile(self, p: Floats) -> Floats:
        """Normal quantiles."""
        return np.asarray(special.ndtri(p))

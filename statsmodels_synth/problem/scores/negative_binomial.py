"""Negative binomial regression whose dispersion is estimated."""

from __future__ import annotations

from collections.abc import Callable
import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import special
from statsmodels.genmod import families

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.problem.scores.glm import glm_score
from statsmodels_synth.problem.scores.protocol import TargetScore

MAX_STEPS, MAX_HALVINGS = 100, 40
#: Size of a step, in standard errors, from which on Newton's method converges
#: quadratically, and steps that it then takes to what rounding leaves.
NEAR, LAST_STEPS = 1e-4, 4
#: By how much the log of the dispersion of a source may differ from that of the labels
#: where it enters the scores of the coefficients.
FAR = 5.0
#: Counts up to which digamma is looked up: all values of a block are whole numbers.
LOOKED_UP = 10_000


@dataclass(frozen=True)
class _Dispersion:
    """
    What the labels say of the dispersion.

    Parameters
    ----------
    log : float
        Log of its estimate by maximum likelihood.
    information : float
        What a labelled row says of that, on average.
    """

    log: float
    information: float


class NegativeBinomial2(TargetScore):
    r"""
    Negative binomial regression of counts, its dispersion by maximum likelihood.

    The mean is :math:`\mu = e^{x'\theta}`, the variance
    :math:`\mu + \alpha \mu^2`. The last parameter is ``lnalpha``, the log of the
    dispersion: ``np.exp`` of it and of its interval are those of alpha.

    Raises
    ------
    DataError
        If the labels vary no more than counts of a Poisson distribution do, so that
        there is no dispersion above zero.

    Notes
    -----
    Without sources it is ``NegativeBinomial`` of statsmodels, whose standard error of
    alpha is that of ``lnalpha`` times alpha.

    A source that gives means varies less than counts do, and has no dispersion of its
    own by maximum likelihood. So what enters of each is its score at the dispersion of
    the labels, which always has a solution: one step of Newton's method from there. The
    ``lnalpha`` of a source alone is this step.

    References
    ----------
    Cameron, A. C. and Trivedi, P. K. (2013). Regression Analysis of Count Data, 2nd
    ed., chapter 3. Cambridge University Press.

    Examples
    --------
    >>> import numpy as np
    >>> import statsmodels.api as sm
    >>> from statsmodels_synth import AugmentedGMM
    >>> from statsmodels_synth.scores import NegativeBinomial2
    >>> rng = np.random.default_rng(0)
    >>> x = sm.add_constant(rng.normal(size=2000))
    >>> rate = np.exp(x @ [1.0, 0.5]) * rng.gamma(2.0, 0.5, size=2000)
    >>> y, guess = rng.poisson(rate).astype(float), np.round(rate)
    >>> labels = np.where(np.arange(2000) < 200, y, np.nan)
    >>> sources = {"llm": (guess, x)}
    >>> model = AugmentedGMM(labels, x, sources, score=NegativeBinomial2())
    >>> model.fit().params.round(2)
    array([ 0.96,  0.5 , -0.68])
    """

    kind = "family"
    name = "negative binomial"
    link = families.links.Log()
    low = 0.0
    range_text = "0 or above"
    separable = True
    constants = ("lnalpha",)
    mean_of_first = True
    learns_from_labels = True

    def __init__(self) -> None:
        self._labels: _Dispersion | None = None

    def __repr__(self) -> str:
        """As it is written."""
        return "NegativeBinomial2()"

    @property
    def called(self) -> str:
        """The target model in a sentence."""
        return "the negative binomial model"

    @property
    def title(self) -> list[tuple[str, str]]:
        """What the header of a summary says of the target model."""
        return [("Family", "NegativeBinomial2"), ("Link", "Log")]

    def mean(self, linear: Floats) -> Floats:
        """Mean of the counts, (rows,)."""
        return np.asarray(np.exp(linear[:, 0]))

    def told_labels(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
    ) -> NegativeBinomial2:
        """The same with the dispersion of the labels."""
        told = copy.copy(self)
        with np.errstate(all="ignore"):
            told._labels = _maximum_likelihood(endog, exog, offset, weights)
        return told

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """Scores of mean and dispersion, (rows, 2), and their slopes. Eq. (score)."""
        if self._labels is None:
            return exact_factors(endog, linear)
        own, base = linear[:, 1], self._labels.log
        moved = own - base
        near = np.clip(moved, -FAR, FAR)
        mu = np.exp(linear[:, 0])
        share = 1.0 + np.exp(base + near) * mu
        factor, slope = np.empty_like(linear), np.empty((len(linear), 2, 2))
        factor[:, 0] = (endog - mu) / share
        slope[:, 0, 0] = -mu * (1.0 + np.exp(base + near) * endog) / share**2
        slope[:, 0, 1] = np.where(
            near == moved, -factor[:, 0] * (share - 1.0) / share, 0.0
        )
        alpha = np.exp(base)
        share = 1.0 + alpha * mu
        factor[:, 1] = _dispersion_score(endog, mu, alpha)
        factor[:, 1] -= self._labels.information * moved
        slope[:, 1, 0] = alpha * mu * (mu - endog) / share**2
        slope[:, 1, 1] = -self._labels.information
        return factor, slope

    def start(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None = None,
        weights: Floats | None = None,
    ) -> Floats:
        """Poisson regression, and the dispersion of the labels, (p + 1,)."""
        log = 0.0 if self._labels is None else self._labels.log
        poisson = glm_score(families.Poisson())
        return np.append(poisson.start(endog, exog, offset, weights), log)


def _dispersion_score(endog: Floats, mu: Floats, alpha: float) -> Floats:
    """
    Score with respect to the log of the dispersion.

    Shapes: `endog`, `mu` (rows,) -> (rows,).
    """
    v = 1.0 / alpha
    more = _raised(special.digamma, endog, v)
    return np.asarray(
        (np.log1p(alpha * mu) - more) * v + (endog - mu) / (1 + alpha * mu)
    )


def _raised(function: Callable[[Any], Any], endog: Floats, v: float) -> Floats:
    """
    What a function is at v + y, less what it is at v.

    Shapes: `endog` (rows,) -> (rows,).
    """
    at = endog.astype(np.int64)
    if len(at) and at.min() >= 0 and at.max() < LOOKED_UP and np.all(at == endog):
        table = function(v + np.arange(int(at.max()) + 1))
        return np.asarray((table - table[0])[at])
    return np.asarray(function(v + endog) - function(v))


def exact_factors(endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
    """
    Scores of the likelihood and its second derivatives, at one dispersion.

    Shapes: `endog` (rows,), `linear` (rows, 2) -> (rows, 2), (rows, 2, 2).
    """
    mu = np.exp(linear[:, 0])
    alpha = float(np.exp(linear[:1, 1].sum()))
    v, share = 1.0 / alpha, 1.0 + alpha * mu
    residual = (endog - mu) / share
    factor, slope = np.empty_like(linear), np.empty((len(linear), 2, 2))
    factor[:, 0] = residual
    factor[:, 1] = _dispersion_score(endog, mu, alpha)
    slope[:, 0, 0] = -mu * (1.0 + alpha * endog) / share**2
    slope[:, 0, 1] = slope[:, 1, 0] = -residual * (share - 1.0) / share
    curved = _raised(special.digamma, endog, v) - np.log1p(alpha * mu)
    curved += (share - 1.0) / share
    curved += v * _raised(partial(special.polygamma, 1), endog, v)
    slope[:, 1, 1] = v * curved - residual * (share - 1.0) / share
    return factor, slope


def _maximum_likelihood(
    endog: Floats, exog: Floats, offset: Floats | None, weights: Floats | None
) -> _Dispersion:
    """
    Estimates of the labels, by Newton's method from Poisson regression.

    Shapes: `endog` (n,), `exog` (n, p), `offset`, `weights` (n,).
    """
    if np.ptp(endog) == 0.0:
        raise DataError(
            f"All {len(endog)} labels are {endog[0]:g}, so that the negative binomial "
            "model has no estimate. Label more units."
        )
    own = np.ones(len(endog)) if weights is None else weights
    shift = np.zeros(len(endog)) if offset is None else offset
    poisson = glm_score(families.Poisson())
    params = poisson.start(endog, exog, offset, weights)
    mu = np.exp(exog @ params + shift)
    excess = own @ ((endog - mu) ** 2 - endog)
    if not excess > 0.0:
        spread = own @ (endog - mu) ** 2 / (own @ mu)
        raise DataError(
            "The labels vary no more than counts of a Poisson distribution (around "
            f"their means {spread:.2g} times as much), so that the dispersion of the "
            "negative binomial model is at its bound, zero, and has no interval. Use "
            "family=sm.families.Poisson(), whose standard errors are robust."
        )
    scale = np.sqrt(np.mean(exog**2, axis=0))
    scale[scale == 0.0] = 1.0
    alpha = max(excess / (own @ mu**2), 1e-3)
    point = np.append(params * scale, np.log(alpha))
    return _climbed(point, endog, exog / scale, shift, own)


def _climbed(
    point: Floats, endog: Floats, x: Floats, shift: Floats, own: Floats
) -> _Dispersion:
    """
    The maximum of the likelihood from a point on.

    Shapes: `point` (p + 1,), `endog` (n,), `x` (n, p), `shift`, `own` (n,).
    """

    def at(where: Floats) -> tuple[float, Floats, Floats]:
        linear = np.column_stack([x @ where[:-1] + shift, np.full(len(x), where[-1])])
        factor, slope = exact_factors(endog, linear)
        value = own @ _log_likelihood(endog, linear)
        rows = np.concatenate([x * factor[:, :1], factor[:, 1:]], axis=1)
        weighted = slope * own[:, None, None]
        cross = x.T @ weighted[:, 0, 1]
        hessian = np.block(
            [
                [x.T @ (x * weighted[:, 0, :1]), cross[:, None]],
                [cross[None], weighted[:, 1, 1].sum()],
            ]
        )
        return float(value), own @ rows, hessian

    value, gradient, hessian = at(point)
    last = 0
    for _ in range(MAX_STEPS):
        # Where the likelihood is not concave, along the gradient in its own metric.
        values, vectors = np.linalg.eigh(-hessian)
        size = np.maximum(np.abs(values), 1e-10 * np.abs(values).max())
        step = vectors @ (vectors.T @ gradient / size)
        # So near, what a step gains is rounding of the likelihood.
        last += float(gradient @ step) <= NEAR**2
        for _ in range(MAX_HALVINGS):
            new = at(point + step)
            if last or (np.isfinite(new[0]) and new[0] >= value):
                break
            step = step / 2.0
        point, (value, gradient, hessian) = point + step, new
        if last == LAST_STEPS:
            break
    if last < LAST_STEPS or not np.all(np.isfinite(point)):
        raise DataError(
            "No maximum of the likelihood of the labels was found: the dispersion of "
            f"the negative binomial model went to {np.exp(point[-1]):.3g}. Use "
            "family=sm.families.Poisson(), whose standard errors are robust."
        )
    information = -hessian[-1, -1] / own.sum()
    return _Dispersion(float(point[-1]), float(information))


def _log_likelihood(endog: Floats, linear: Floats) -> Floats:
    """
    Log likelihood of rows, less what does not depend on the parameters.

    Shapes: `endog` (rows,), `linear` (rows, 2) -> (rows,).
    """
    mu, alpha = np.exp(linear[:, 0]), float(np.exp(linear[0, 1]))
    v = 1.0 / alpha
    own = special.gammaln(endog + v) - special.gammaln(v)
    own -= (endog + v) * np.log1p(alpha * mu)
    return np.asarray(own + endog * (linear[:, 0] + linear[0, 1]))

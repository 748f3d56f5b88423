"""
A second, plain derivation of the estimator, for comparison.

Written from the equations alone, with the T x (p + 2 M p) matrix in memory,
numeric derivatives where a formula could hide a mistake, and no code of the
package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
import scipy.optimize
import statsmodels.api as sm
from statsmodels.sandbox.regression.gmm import GMM

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Arrays of one problem: everything has one row per unit."""

    y: Array
    x: Array
    labeled: NDArray[np.bool_]
    sources: list[tuple[Array, Array]]
    family: Any
    weights: Array | None = None
    offset: Array | None = None

    @property
    def endog(self) -> Array:
        """Outcome with NaN where nobody labelled."""
        return np.where(self.labeled, self.y, np.nan)


def glm_score(problem: Problem, params: Array, y: Array, x: Array) -> Array:
    """Score of statsmodels' GLM at given parameters, row by row."""
    model = sm.GLM(
        y, x, family=problem.family, offset=problem.offset, var_weights=problem.weights
    )
    return np.asarray(model.score_obs(params, scale=1.0))


def moments(problem: Problem, params: Array) -> Array:
    """Stacked moments, (T, p + 2 M p)."""
    p = problem.x.shape[1]
    a = problem.labeled[:, None].astype(float)
    y = np.where(problem.labeled, problem.y, problem.y[problem.labeled][0])
    blocks = [a * glm_score(problem, params[:p], y, problem.x)]
    for m, (y_m, x_m) in enumerate(problem.sources):
        covered = ~np.isnan(y_m)
        first = y_m[covered][0]
        eta = params[p * (m + 1) : p * (m + 2)]
        h = glm_score(
            problem,
            eta,
            np.where(covered, y_m, first),
            np.where(covered[:, None], x_m, 1),
        )
        h = h * covered[:, None]
        blocks += [a * h, h]
    return np.hstack(blocks)


def jacobian(problem: Problem, params: Array) -> Array:
    """Numeric Jacobian of the mean moments, steps scaled by each parameter."""
    columns = []
    for j in range(len(params)):
        step = np.zeros_like(params)
        step[j] = 1e-5 * max(1.0, abs(params[j]))
        # Fourth-order central difference: its error is of order step ** 4.
        values = [moments(problem, params + k * step).mean(0) for k in (-2, -1, 1, 2)]
        slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 12
        columns.append(slope / step[j])
    return np.column_stack(columns)


def minimise(problem: Problem, params: Array, weight: Array) -> Array:
    """Minimise the quadratic form of the mean moments."""
    root = np.linalg.cholesky(weight).T
    found = scipy.optimize.least_squares(
        lambda b: root @ moments(problem, b).mean(0),
        params,
        jac=lambda b: root @ jacobian(problem, b),
        method="lm",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
    )
    return np.asarray(found.x)


def second_moment(g: Array, centered: bool) -> Array:
    """Second moment of the moments, about their mean or about zero."""
    mean = g.mean(0) if centered else np.zeros(g.shape[1])
    return np.asarray((g - mean).T @ (g - mean) / len(g))


def fit(problem: Problem, steps: int = 2, centered: bool = False) -> dict[str, Any]:
    """Two-step (or longer) GMM with the identity first: theta, cov, eta, J."""
    p, t = problem.x.shape[1], len(problem.y)
    start = [_glm(problem, problem.labeled, problem.y, problem.x)]
    start += [_glm(problem, ~np.isnan(y), y, x) for y, x in problem.sources]
    params = np.concatenate(start)
    weight = np.eye(p + 2 * p * len(problem.sources))
    params = minimise(problem, params, weight)
    for _ in range(steps - 1):
        g = moments(problem, params)
        weight = np.linalg.inv(second_moment(g, centered))
        params = minimise(problem, params, weight)
    g = moments(problem, params)
    slope = jacobian(problem, params)
    omega = second_moment(g, centered)
    cov = np.linalg.inv(slope.T @ np.linalg.inv(omega) @ slope) / t
    mean = g.mean(0)
    return {
        "params": params[:p],
        "eta": params[p:].reshape(-1, p),
        "cov": cov[:p, :p],
        "J": t * mean @ weight @ mean,
    }


def _glm(problem: Problem, rows: Array, y: Array, x: Array) -> Array:
    offset, weights = problem.offset, problem.weights
    return np.asarray(
        sm.GLM(
            y[rows],
            x[rows],
            family=problem.family,
            offset=None if offset is None else offset[rows],
            var_weights=None if weights is None else weights[rows],
        )
        .fit()
        .params
    )


class StockGMM(GMM):
    """statsmodels' GMM on the stacked moments."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        p, k = problem.x.shape[1], len(problem.sources)
        super().__init__(
            problem.y, problem.x, None, k_moms=p + 2 * p * k, k_params=p * (k + 1)
        )

    def momcond(self, params: Array) -> Array:
        """Stacked moments."""
        return moments(self.problem, params)

    def gradient_momcond(self, params: Array, *_: Any, **__: Any) -> Array:
        """Numeric Jacobian; stock GMM's step of 1e-4 is too coarse to compare."""
        return jacobian(self.problem, params)


def simulate(
    kind: str = "gaussian",
    *,
    seed: int = 0,
    n_units: int = 600,
    n_labeled: int = 200,
    k_sources: int = 1,
    error: float = 0.15,
    p: int = 3,
) -> Problem:
    """
    Labels that follow a GLM, and sources that are wrong in y and x.

    Odd sources are proxies with the real x; even ones have an x of their own.
    """
    rng = np.random.default_rng(seed)
    families = {
        "gaussian": sm.families.Gaussian(),
        "binomial": sm.families.Binomial(),
        "probit": sm.families.Binomial(sm.families.links.Probit()),
        "cloglog": sm.families.Binomial(sm.families.links.CLogLog()),
        "poisson": sm.families.Poisson(),
        "gamma": sm.families.Gamma(sm.families.links.Log()),
        "inverse_gaussian": sm.families.InverseGaussian(sm.families.links.Log()),
        "negative_binomial": sm.families.NegativeBinomial(alpha=0.5),
        "tweedie": sm.families.Tweedie(var_power=1.5),
    }
    family = families[kind]
    x = np.column_stack([np.ones(n_units), rng.normal(size=(n_units, p - 1)) * 0.5])
    beta = np.r_[0.3, np.linspace(0.6, -0.4, p - 1)]
    mean = family.link.inverse(x @ beta)

    def draw(mu: Array) -> Array:
        if kind == "gaussian":
            return np.asarray(rng.normal(mu))
        if kind in ("binomial", "probit", "cloglog"):
            return np.asarray(rng.binomial(1, mu), dtype=float)
        if kind in ("poisson", "negative_binomial"):
            return np.asarray(rng.poisson(mu), dtype=float)
        if kind == "tweedie":
            counts = rng.poisson(mu)
            return np.array([rng.gamma(2.0, 0.5, size=c).sum() for c in counts])
        return np.asarray(rng.gamma(4.0, mu / 4.0))

    y = draw(mean)
    sources = []
    for m in range(k_sources):
        x_m = x.copy()
        if m % 2:
            x_m[:, 1:] += rng.normal(scale=0.3, size=(n_units, p - 1))
        wrong = rng.uniform(size=n_units) < error * (1 + m)
        noise = draw(family.link.inverse(x_m @ beta[::-1] * 0.5))
        sources.append((np.where(wrong, noise, y), x_m))
    labeled = np.zeros(n_units, dtype=bool)
    labeled[rng.permutation(n_units)[:n_labeled]] = True
    return Problem(y, x, labeled, sources, family)

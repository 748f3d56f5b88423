"""
A second, plain derivation of the estimator, for comparison.

Written from the equations alone, with the T x (p + 2 M p) matrix in memory,
numeric derivatives where a formula could hide a mistake, and no code of the
package.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
import scipy.optimize
import statsmodels.api as sm
from statsmodels.sandbox.regression.gmm import GMM

Array = NDArray[np.float64]
#: Settings that give the estimator and the interval of the paper.
PAPER: dict[str, Any] = {"use_correction": False, "use_t": False}


@dataclass(frozen=True)
class Problem:
    """
    Arrays of one problem: everything has one row per unit.

    The design weights are a_t, read at labelled units only; one if omitted.
    """

    y: Array
    x: Array
    labeled: NDArray[np.bool_]
    sources: list[tuple[Array, Array]]
    family: Any
    weights: Array | None = None
    offset: Array | None = None
    design_weights: Array | None = None

    @property
    def endog(self) -> Array:
        """Outcome with NaN where nobody labelled."""
        return np.where(self.labeled, self.y, np.nan)

    @cached_property
    def models(self) -> list[Any]:
        """
        A GLM for the labels and for each source, with a row for every unit.

        Rows that do not exist get values that do no harm; their scores are not
        used. Kept, because to build a model costs more than its scores.
        """
        y = np.where(self.labeled, self.y, self.y[self.labeled][0])
        parts = [(y, self.x)]
        for y_m, x_m in self.sources:
            covered = ~np.isnan(y_m)
            filled = np.where(covered, y_m, y_m[covered][0])
            parts.append((filled, np.where(covered[:, None], x_m, 1)))
        return [self.model(y, x, slice(None)) for y, x in parts]

    @property
    def k_params(self) -> int:
        """Number of target coefficients, p."""
        return int(self.x.shape[1])

    def model(self, y: Array, x: Array, rows: Any) -> Any:
        """The target model of some units: anything with ``score_obs(params)``."""
        offset, weights = (
            None if own is None else own[rows] for own in (self.offset, self.weights)
        )
        return sm.GLM(y, x, family=self.family, offset=offset, var_weights=weights)

    def start(self) -> Array:
        """A GLM on the labels, and one on each source, (p + M p,)."""
        start = [_glm(self, self.labeled, self.y, self.x)]
        start += [_glm(self, ~np.isnan(y), y, x) for y, x in self.sources]
        return np.concatenate(start)


def moments(problem: Problem, params: Array) -> Array:
    """Stacked moments, (T, p + 2 M p), with the scores of statsmodels' GLM."""
    p = problem.k_params
    a = problem.labeled.astype(float)
    if problem.design_weights is not None:
        a = np.where(problem.labeled, problem.design_weights, 0.0)
    a = a[:, None]
    scores = [
        np.asarray(model.score_obs(params[p * m : p * (m + 1)], scale=1.0))
        for m, model in enumerate(problem.models)
    ]
    blocks = [a * scores[0]]
    for (y_m, _), score in zip(problem.sources, scores[1:], strict=True):
        h = score * ~np.isnan(y_m)[:, None]
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
    """Two-step (or longer) GMM with the identity first: theta, cov, eta, J, Omega."""
    p, t = problem.k_params, len(problem.y)
    params = problem.start()
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
        "omega": omega,
    }


def influence(problem: Problem, params: Array) -> Array:
    """Influence of every unit on theta, from the whole system, (T, p)."""
    g, slope = moments(problem, params), jacobian(problem, params)
    projected = slope.T @ np.linalg.inv(second_moment(g, centered=False))
    # To first order, params - truth = -(G' W G)^-1 G' W gbar.
    map_ = -np.linalg.solve(projected @ slope, projected)
    return np.asarray(g @ map_[: problem.k_params].T)


def _glm(problem: Problem, rows: NDArray[np.bool_], y: Array, x: Array) -> Array:
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
    """
    statsmodels' GMM on the stacked moments, in coordinates of about one error.

    Weights, iteration, minimisation, covariance and J are statsmodels' own. Its
    BFGS starts from the unit matrix and stops early where coefficients differ in
    scale, so it is given ``params = start + scale @ z``, with the root of the
    sandwich covariance at the start for the scale.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        p, k = problem.k_params, len(problem.sources)
        self.start = problem.start()
        g, slope = moments(problem, self.start), jacobian(problem, self.start)
        bread = slope.T @ np.linalg.inv(second_moment(g, centered=False)) @ slope
        self.scale = np.linalg.cholesky(np.linalg.inv(bread) / len(g))
        super().__init__(
            problem.y, problem.x, None, k_moms=p + 2 * p * k, k_params=p * (k + 1)
        )

    def given(self, z: Array) -> Array:
        """Coefficients at a point of the scaled coordinates."""
        return np.asarray(self.start + self.scale @ z)

    def momcond(self, params: Array) -> Array:
        """Stacked moments."""
        return moments(self.problem, self.given(params))

    def gradient_momcond(self, params: Array, *_: Any, **__: Any) -> Array:
        """Numeric Jacobian; stock GMM's step of 1e-4 is too coarse to compare."""
        return jacobian(self.problem, self.given(params)) @ self.scale

    def score(self, params: Array, weights: Array, *_: Any, **__: Any) -> Array:
        """Gradient of the criterion; stock GMM takes differences of the criterion."""
        slope = self.gradient_momcond(params)
        return np.asarray(2 * self.momcond_mean(params) @ weights @ slope)

    def estimate(self, gtol: float = 1e-10) -> tuple[Array, Array, float]:
        """
        Two-step estimate from GLM by part: coefficients, covariance, J.

        The criterion is about ``d ** 2 / T`` at d standard errors from its minimum,
        its gradient 2 d / T: with T = 600 and this `gtol`, d is 3e-8. (Where BFGS
        finds no lower value before that, it stops at 4e-7 at the latest.)
        """
        found = self.fit(
            np.zeros(self.k_params),
            maxiter=2,
            wargs={"centered": False},
            optim_method="bfgs",
            optim_args={"disp": 0, "gtol": gtol},
        )
        cov = self.scale @ found.cov_params() @ self.scale.T
        return self.given(found.params), cov, float(found.jtest()[0])


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

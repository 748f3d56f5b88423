"""
A second, plain derivation of what is done about few labels, for comparison.

One observation at a time: whatever is said to be left out is left out and fitted
again, with plain inverses and generic optimisers, in the coordinates of x as given.
No code of the package.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
import scipy.optimize
import statsmodels.api as sm

from tests.reference import dense

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Controls:
    """Coefficients B (p, M p), what they predict left out, weights, df, coverage."""

    matrix: Array
    left_out: Array
    shares: Array
    df: float
    covered: list[int]


def control_coefficients(y: Array, h: Array, slope: Array, slopes: Array) -> Controls:
    """
    Stack a full and a scalar ridge regression, and nothing.

    `y` (G, p) and `h` (G, M p) are scores with the design weight, summed by cluster;
    `slope` (p, p) and `slopes` (M, p, p) derivatives of the labelled scores and of
    those of every source over all units.
    """
    n, p = y.shape
    k = h.shape[1] // p
    z = [h[:, m * p : (m + 1) * p] for m in range(k)]
    covered = [int(np.any(part != 0.0, axis=1).sum()) for part in z]
    metric = np.linalg.inv(y.T @ y)
    # Two units at which the source says what it says of the typical unit, and the
    # label zero.
    penalty = np.zeros((k * p, k * p))
    for m, part in enumerate(z):
        at = slice(m * p, (m + 1) * p)
        penalty[at, at] = 2.0 / covered[m] * part.T @ part

    def full(rows: Array) -> Array:
        gram = h[rows].T @ h[rows] + penalty
        return np.linalg.solve(gram, h[rows].T @ y[rows]).T

    aligned = [
        part @ (slope @ np.linalg.inv(own)).T
        for part, own in zip(z, slopes, strict=True)
    ]

    def products(a: Array, b: Array) -> float:
        return float(np.trace(a @ metric @ b.T))

    pseudo = [2.0 / c * products(a, a) for c, a in zip(covered, aligned, strict=True)]

    def multiples(rows: Array) -> Array:
        gram = np.diag(pseudo)
        cross = np.zeros(k)
        for m in range(k):
            cross[m] = products(aligned[m][rows], y[rows])
            for other in range(k):
                gram[m, other] += products(aligned[m][rows], aligned[other][rows])
        return np.linalg.solve(gram, cross)

    every = np.ones(n, dtype=bool)
    first, second = np.empty_like(y), np.empty_like(y)
    for g in range(n):
        others = every.copy()
        others[g] = False
        first[g] = full(others) @ h[g]
        second[g] = sum(
            c * a[g] for c, a in zip(multiples(others), aligned, strict=True)
        )
    root = np.linalg.cholesky(metric)
    shares = simplex(
        (y @ root).ravel(),
        np.column_stack([(first @ root).ravel(), (second @ root).ravel()]),
    )
    scalar = np.hstack(
        [
            c * slope @ np.linalg.inv(own)
            for c, own in zip(multiples(every), slopes, strict=True)
        ]
    )
    hat = h @ np.linalg.inv(h.T @ h + penalty) @ h.T
    return Controls(
        shares[0] * full(every) + shares[1] * scalar,
        shares[0] * first + shares[1] * second,
        shares,
        float(shares[0] * np.trace(hat) + shares[1] * k / p),
        covered,
    )


def simplex(target: Array, columns: Array) -> Array:
    """
    Least squares with coefficients not below zero and at most one in sum.

    Without the second condition first; where it is not met, on its border.
    """
    free, _ = scipy.optimize.nnls(columns, target)
    if free.sum() <= 1.0:
        return np.asarray(free)
    difference = columns[:, :1] - columns[:, 1:]
    found = scipy.optimize.lsq_linear(
        difference, target - columns[:, 1], bounds=(0.0, 1.0), tol=1e-15
    )
    return np.array([found.x[0], 1.0 - found.x[0]])


@dataclass(frozen=True)
class Fit:
    """Estimate, corrected covariance, degrees of freedom, and the controls."""

    params: Array
    covariance: Array
    df: float
    controls: Controls | None


def derivatives(problem: dense.Problem, params: Array, block: int) -> Array:
    """
    Derivative of a block of moments of every unit, (T, p, p).

    Block 0 is that of the labels, 2 m + 1 and 2 m + 2 are those of source m on
    labelled and on all units. By the central difference of fourth order: with a
    step of 1e-3 its error is of the order of 1e-12 of the derivative.
    """
    p = problem.x.shape[1]
    source = (block + 1) // 2
    columns = []
    for j in range(p):
        step = np.zeros_like(params)
        step[source * p + j] = 1e-3
        at = slice(block * p, (block + 1) * p)
        v = [dense.moments(problem, params + k * step)[:, at] for k in (-2, -1, 1, 2)]
        columns.append((v[0] - 8 * v[1] + 8 * v[2] - v[3]) / 12e-3)
    return np.stack(columns, axis=2)


def fit(problem: dense.Problem, groups: NDArray[np.int_] | None = None) -> Fit:
    """The default fit and its covariance, one cluster (or unit) after the other."""
    p, k, t = problem.x.shape[1], len(problem.sources), len(problem.y)
    start = labels_then_sources(problem)
    theta_real, eta = start[:p], start[p:]
    own = np.arange(t) if groups is None else groups
    labelled = sorted(set(own[problem.labeled].tolist()))
    rest = sorted(set(own.tolist()) - set(labelled))

    def parts(theta: Array) -> tuple[Array, Array, Array]:
        """Scores of labels, of sources where labelled, of sources everywhere."""
        g = dense.moments(problem, np.r_[theta, eta])
        by_source = g[:, p:].reshape(t, k, 2, p)
        drawn, everyone = (by_source[:, :, j].reshape(t, k * p) for j in (0, 1))
        return g[:, :p], drawn, everyone

    def total(values: Array, cluster: int) -> Array:
        return np.asarray(values[own == cluster].sum(axis=0))

    unaided, drawn, everyone = parts(theta_real)
    y = np.array([total(unaided, c) for c in labelled])
    h = np.array([total(drawn, c) for c in labelled])
    slopes = np.array(
        [derivatives(problem, start, 2 * m + 2).mean(axis=0) for m in range(k)]
    )

    def controls_at(theta: Array) -> Controls | None:
        slope = derivatives(problem, np.r_[theta, eta], 0).mean(axis=0)
        return control_coefficients(y, h, slope, slopes) if k else None

    controls = controls_at(theta_real)
    shift = controls.matrix @ drawn.mean(axis=0) if controls else np.zeros(p)
    theta = newton(problem, theta_real, eta, shift)
    b = controls.matrix if controls else np.zeros((p, 0))
    left_out = controls.left_out if controls else np.zeros_like(y)
    psi = parts(theta)[0]
    slope = derivatives(problem, np.r_[theta, eta], 0)
    inverse = np.linalg.inv(slope.sum(axis=0))
    # What all units say about the coefficients of a source.
    turn = np.zeros_like(b)
    for m in range(k):
        at = slice(m * p, (m + 1) * p)
        here = derivatives(problem, start, 2 * m + 1).mean(axis=0)
        turn[:, at] = b[:, at] @ here @ np.linalg.inv(slopes[m])
    contribution = -(psi - drawn @ b.T + everyone @ turn.T) @ inverse.T

    covariance, more, n = np.zeros((p, p)), np.zeros((p, p)), len(labelled)
    for c in rest:
        covariance += np.outer(total(contribution, c), total(contribution, c))
    for i, c in enumerate(labelled):
        without = np.linalg.inv(slope.sum(axis=0) - total(slope, c))
        direct = -inverse @ (total(psi, c) - b @ h[i])
        alone = -without @ y[i]
        jackknifed = -without @ (y[i] - left_out[i])
        row = total(contribution, c) - direct + jackknifed
        covariance += np.outer(row, row)
        more += np.outer(alone, alone) - np.outer(jackknifed, jackknifed)
    for m in range(k):
        at = slice(m * p, (m + 1) * p)
        said = inverse @ b[:, at]
        units = problem.labeled.sum()  # a cluster has several of them
        more += units * said @ unrelated(problem, m, eta[at]) @ said.T
    covariance += 1.0 / (n + 1.0) * more
    lost = p if groups is None else 1
    df = n - lost - (controls.df if controls else 0.0)
    return Fit(theta, covariance, df, controls)


def unrelated(problem: dense.Problem, m: int, eta: Array) -> Array:
    """Second moment of a source's score with the outcome of every other unit."""
    y, x = problem.sources[m]
    rows = problem.labeled & ~np.isnan(y)
    n, p = int(rows.sum()), x.shape[1]

    weights = None if problem.weights is None else problem.weights[rows]
    offset = None if problem.offset is None else problem.offset[rows]

    def score(value: float) -> Array:
        family = problem.family
        options = {"family": family, "offset": offset, "var_weights": weights}
        model = sm.GLM(np.full(n, value), x[rows], **options)
        return np.asarray(model.score_obs(eta, scale=1.0))

    # Constants come first, so that the first column is the weight of a row.
    slope = np.abs(score(1.0) - score(0.5))[:, 0]
    slope = slope if weights is None else slope / weights
    bound = np.minimum(1.0, 3.0 * np.median(slope) / slope)
    a = np.ones(n) if problem.design_weights is None else problem.design_weights[rows]
    moment = np.zeros((p, p))
    for value in y[rows]:
        drawn = score(value) * (bound * a)[:, None]
        moment += drawn.T @ drawn / n**2
    return moment


def labels_then_sources(problem: dense.Problem) -> Array:
    """Each part by itself, (p + M p,), to rounding."""
    p, start = problem.x.shape[1], dense.glm_by_part(problem)
    for m in range(len(problem.sources) + 1):
        block, at = 2 * m, slice(m * p, (m + 1) * p)
        for _ in range(3):
            mean = dense.moments(problem, start)[:, block * p : (block + 1) * p].mean(0)
            slope = derivatives(problem, start, block).mean(axis=0)
            start[at] -= np.linalg.solve(slope, mean)
    return start


def newton(problem: dense.Problem, theta: Array, eta: Array, shift: Array) -> Array:
    """Coefficients at which the mean labelled score is `shift`."""
    p = len(theta)
    for _ in range(20):  # from so near far more than enough
        full = np.r_[theta, eta]
        mean = dense.moments(problem, full)[:, :p].mean(axis=0) - shift
        slope = derivatives(problem, full, 0).mean(axis=0)
        theta = theta - np.linalg.solve(slope, mean)
    return theta

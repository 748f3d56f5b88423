r"""
The rectified estimating equation, its solution and its covariance.

With ``g_t`` the predicted score of unit t, scaled as the method says, theta solves

.. math::
    \frac{1}{n} \sum_{t \in L} a_t \psi_t(\theta)
      + \lambda \, d(\theta) = 0, \qquad
    d = \frac{T}{N} \Bigl( \frac{1}{T} \sum_t h_t
      - \frac{1}{n} \sum_{t \in L} a_t h_t \Bigr),

with ``N = T - n``. Where all units had the same chance of being labelled, d is the
mean of h over the unlabelled units less that over the labelled ones, as in
prediction-powered inference. Labelled unit t contributes ``a_t psi_t - b_t g_t`` with
``b_t = (T a_t - n) / N``, one without unequal probabilities, and unlabelled unit t
contributes ``g_t = lambda h_t``. The covariance of theta is the sum of their two
variances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.clusters import all_sums, cluster_sums
from statsmodels_synth.covariance import stratified
from statsmodels_synth.estimators.predicted import PredictedMoments, PredictedScores
from statsmodels_synth.estimators.problem import Problem
from statsmodels_synth.moment_sums import target_scores
from statsmodels_synth.solver import (
    MAX_HALVINGS,
    MAX_STEPS,
    TIGHT_STEP_TOLERANCE,
    relative_step,
    score_step,
)
from statsmodels_synth.weights import SINGULAR

Blocks = Callable[[], Iterator[tuple[slice, Floats]]]


@dataclass(frozen=True)
class RectifiedMoments:
    """
    Scores of the labels and predicted scores at one value of theta.

    Parameters
    ----------
    psi : ndarray (n, p)
        Scores of the labels, without the design weight a_t.
    target : ndarray (p, p)
        Sum of ``a_t`` times their derivative.
    predicted : PredictedMoments
        Predicted scores h.
    """

    psi: Floats
    target: Floats
    predicted: PredictedMoments


def moments_at(
    problem: Problem, predicted: PredictedScores, theta: Floats
) -> RectifiedMoments:
    """
    Evaluate labels and predictions: one pass over the rows of the sources.

    Parameters
    ----------
    problem : Problem
        The problem.
    predicted : PredictedScores
        What stands in for the score.
    theta : ndarray (p,)
        Target parameters.

    Returns
    -------
    RectifiedMoments
        At theta.
    """
    psi, target, _ = target_scores(problem.design, problem.score, theta)
    return RectifiedMoments(psi, target, predicted.at(theta))


def residual(
    problem: Problem, moments: RectifiedMoments, power: float
) -> tuple[Floats, Floats]:
    """
    Left-hand side of the equation and its Jacobian.

    Parameters
    ----------
    problem : Problem
        The problem.
    moments : RectifiedMoments
        At theta.
    power : float
        How far the predictions are trusted, lambda.

    Returns
    -------
    value : ndarray (p,)
        Left-hand side.
    jacobian : ndarray (p, p)
        Derivative.
    """
    design = problem.design
    n, scale = design.n_labeled, power * design.n_units / problem.n_unlabeled
    a, h = design.design_weights, moments.predicted
    value = a @ moments.psi / n
    value = value + scale * (h.mean - a @ h.labeled / n)
    jacobian = moments.target / n
    jacobian = jacobian + scale * (h.jacobian - h.slope / n)
    return value, jacobian


def solve_rectified(
    problem: Problem, predicted: PredictedScores, power: float, start: Floats
) -> tuple[Floats, RectifiedMoments, bool]:
    """
    Newton's method for the rectified equation.

    Parameters
    ----------
    problem : Problem
        The problem.
    predicted : PredictedScores
        What stands in for the score.
    power : float
        How far the predictions are trusted, lambda.
    start : ndarray (p,)
        Start.

    Returns
    -------
    theta : ndarray (p,)
        Solution.
    moments : RectifiedMoments
        At the solution.
    converged : bool
        Whether the last step was negligible.
    """
    design, theta = problem.design, start
    basis = design.basis
    moments = moments_at(problem, predicted, theta)
    value, jacobian = residual(problem, moments, power)
    for _ in range(MAX_STEPS):
        slope = basis.T @ jacobian @ basis
        if not np.all(np.isfinite(slope)) or np.linalg.cond(slope) > SINGULAR:
            return theta, moments, False
        step = -basis @ np.linalg.solve(slope, basis.T @ value)
        second = moments.psi.T @ moments.psi / design.n_labeled
        moved = min(
            relative_step(step, theta, design.column_scale),
            score_step(step, jacobian, second),
        )
        size = np.linalg.norm(basis.T @ value)
        for _ in range(MAX_HALVINGS):
            with np.errstate(all="ignore"):  # a step too long, which is halved
                new = moments_at(problem, predicted, theta + step)
                value, jacobian = residual(problem, new, power)
            shorter = np.linalg.norm(basis.T @ value) <= size
            # A step at rounding level need not reduce the residual further.
            if moved <= TIGHT_STEP_TOLERANCE or shorter:
                break
            step = step / 2
        else:
            return theta, moments, False
        theta, moments = theta + step, new
        if moved <= TIGHT_STEP_TOLERANCE:
            return theta, moments, True
    return theta, moments, False


def bread(problem: Problem, moments: RectifiedMoments, *, pooled: bool) -> Floats:
    """
    Negative inverse of the derivative of the mean score.

    Parameters
    ----------
    problem : Problem
        The problem.
    moments : RectifiedMoments
        At the estimate.
    pooled : bool
        Whether the rows of unlabelled units count too, as they may where their
        regressors are those that people observed.

    Returns
    -------
    ndarray (p, p)
        Symmetric.
    """
    design = problem.design
    mean = moments.target / design.n_labeled
    if pooled:
        h = moments.predicted
        rest = design.n_units * h.jacobian - h.slope
        mean = (rest + moments.target) / design.n_units
    turned = np.linalg.inv(design.basis.T @ mean @ design.basis)
    return np.asarray(-design.basis @ turned @ design.basis.T)


@dataclass(frozen=True)
class Contributions:
    """
    What units contribute to an estimate, which has the mean of both groups.

    Parameters
    ----------
    labeled : ndarray (n, p)
        Contributions of labelled units.
    own : ndarray (n, p)
        The part of them that comes from having been labelled.
    predicted : ndarray (n, p)
        What labelled units would contribute if they were not.
    mean : ndarray (p,)
        Mean contribution of an unlabelled unit.
    covariance : ndarray (p, p)
        Covariance of the contributions of unlabelled units.
    blocks : callable
        Yields the contributions of all units as if they were not labelled, block by
        block; called where units come in clusters only.
    """

    labeled: Floats
    own: Floats
    predicted: Floats
    mean: Floats
    covariance: Floats
    blocks: Blocks


def unlabeled_moments(
    problem: Problem, labeled: Floats, mean: Floats, outer: Floats
) -> tuple[Floats, Floats]:
    """
    Mean and covariance over the unlabelled units, from those over all.

    Parameters
    ----------
    problem : Problem
        The problem.
    labeled : ndarray (n, p)
        Values of the labelled units, which are taken out.
    mean : ndarray (p,)
        Mean over all units.
    outer : ndarray (p, p)
        Second moment over all units.

    Returns
    -------
    mean : ndarray (p,)
        Mean.
    covariance : ndarray (p, p)
        With ``N - 1`` in the denominator.
    """
    n_units, rest = problem.design.n_units, problem.n_unlabeled
    total = n_units * mean - labeled.sum(axis=0)
    second = n_units * outer - labeled.T @ labeled
    return total / rest, (second - np.outer(total, total) / rest) / max(rest - 1, 1)


def contributions(
    problem: Problem,
    predicted: PredictedScores,
    theta: Floats,
    moments: RectifiedMoments,
    *,
    inverse: Floats,
    power: Floats,
) -> Contributions:
    """
    Contributions of all units at an estimate.

    Parameters
    ----------
    problem : Problem
        The problem.
    predicted : PredictedScores
        What stands in for the score.
    theta : ndarray (p,)
        Estimate.
    moments : RectifiedMoments
        At the estimate.
    inverse : ndarray (p, p)
        From :func:`bread`.
    power : ndarray (p, p)
        How far they are trusted: lambda times the identity, or a matrix.

    Returns
    -------
    Contributions
        In units of theta.
    """
    design = problem.design
    n, n_units, rest = design.n_labeled, design.n_units, problem.n_unlabeled
    a = design.design_weights[:, None]
    weights = (n_units * a - n) / rest  # b_t, one where units were drawn alike
    h, turned = moments.predicted, inverse @ power
    g = h.labeled @ power.T
    mean, spread = unlabeled_moments(problem, h.labeled, h.mean, h.outer)
    return Contributions(
        labeled=(a * moments.psi - weights * g) @ inverse,
        own=(a * moments.psi - a * (n_units / rest) * g) @ inverse,
        predicted=g @ inverse,
        mean=turned @ mean,
        covariance=turned @ spread @ turned.T,
        blocks=lambda: ((u, h @ turned.T) for u, h in predicted.blocks(theta)),
    )


def covariance_of(problem: Problem, parts: Contributions) -> Floats:
    """
    Covariance of an estimate from what units contribute to it.

    Parameters
    ----------
    problem : Problem
        The problem.
    parts : Contributions
        Contributions of the units.

    Returns
    -------
    ndarray (p, p)
        Covariance; with clusters of the units, robust to dependence within them.
    """
    design, clusters = problem.design, problem.clusters
    n, rest, p = design.n_labeled, problem.n_unlabeled, len(parts.mean)
    if clusters is None:
        drawn = np.cov(parts.labeled.T).reshape(p, p) / n
        centred = (parts.own - parts.own.mean(axis=0)) / n
        return stratified(
            drawn + parts.covariance / rest, centred, design.labeling, unbiased=True
        )
    everyone = ((u, (g - parts.mean) / rest) for u, g in parts.blocks())
    total = all_sums(everyone, clusters, p)
    # Labelled units are among all of them; what they contribute is something else.
    mean = parts.labeled.mean(axis=0)
    other = (parts.labeled - mean) / n - (parts.predicted - parts.mean) / rest
    total += cluster_sums(other, clusters.of_labeled, clusters.n_all)
    return np.asarray(total.T @ total * clusters.n_labeled / (clusters.n_labeled - 1))

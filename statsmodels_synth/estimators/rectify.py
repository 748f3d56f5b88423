r"""
The rectified estimating equation, its solution and its covariance.

With ``h_t`` the predicted score of unit t less the mean over all units that have one,
theta solves

.. math::
    \frac{1}{n} \sum_{t \in L} a_t \psi_t(\theta)
      - \lambda \frac{T}{N} \, \frac{1}{n} \sum_{t \in L} a_t h_t(\theta) = 0,

with L the labelled units and ``N = T - n``. Where all units had the same chance of
being labelled, the second term is lambda times the mean of the predictions over the
unlabelled units less that over the labelled ones, as in prediction-powered inference.

To first order the error of theta is a sum over units: a labelled one contributes
``l_t / n`` through its label, with ``l_t = a_t (psi_t - Lambda h_t)``, and every unit
contributes ``g_t / T`` through the mean of the predictions, with ``g_t = Lambda h_t``.
The covariance is that of the two groups, labelled and other units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import warn
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.estimators.predicted import PredictedMoments, PredictedScores
from statsmodels_synth.estimators.problem import Problem
from statsmodels_synth.estimators.results import EstimatorResultsWrapper, results_of
from statsmodels_synth.exceptions import ConvergenceWarning
from statsmodels_synth.gmm.covariance import finite_covariance, stratified
from statsmodels_synth.gmm.fit import effective_labels
from statsmodels_synth.gmm.moments import target_scores
from statsmodels_synth.gmm.solver import TIGHT_STEP_TOLERANCE
from statsmodels_synth.gmm.target import (
    MAX_HALVINGS,
    MAX_STEPS,
    relative_step,
    score_step,
)
from statsmodels_synth.gmm.weights import SINGULAR, inverse_root
from statsmodels_synth.problem.groups import all_sums, cluster_sums

#: Fewer unlabelled units than this say too little of their own variance.
FEW_UNLABELED = 30
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

    Shapes: `theta` (p,).
    """
    psi, target, _ = target_scores(problem.design, problem.score, theta)
    return RectifiedMoments(psi, target, predicted.at(theta))


def residual(
    problem: Problem, moments: RectifiedMoments, power: float
) -> tuple[Floats, Floats]:
    """
    Left-hand side of the equation and its Jacobian.

    Shapes: `value` (p,), `jacobian` (p, p).
    """
    n, a, h = problem.design.n_labeled, problem.design.design_weights, moments.predicted
    scale = power * full_power(problem, h.n_units)
    value = a @ (moments.psi - scale * h.drawn) / n
    return value, (moments.target - scale * h.slope) / n


def full_power(problem: Problem, n_units: float) -> float:
    """``T / N``: what is taken off where predictions are trusted in full."""
    return n_units / max(n_units - problem.design.n_labeled, 1.0)


@np.errstate(all="ignore")  # where it runs off, which is said
@with_one_blas_thread
def solve_rectified(
    problem: Problem, predicted: PredictedScores, power: float, start: Floats
) -> tuple[Floats, RectifiedMoments, bool]:
    """
    Newton's method for the rectified equation.

    Where the score jumps it has no exact solution: one step from where it starts, the
    estimate of the labels.

    Shapes: `start` (p,) -> `theta` (p,).
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
        if not problem.score.is_smooth:
            theta = theta + step
            return theta, moments_at(problem, predicted, theta), True
        second = moments.psi.T @ moments.psi / design.n_labeled
        moved = min(
            relative_step(step, theta, design.column_scale),
            score_step(step, jacobian, second),
        )
        size = np.linalg.norm(basis.T @ value)
        for _ in range(MAX_HALVINGS):
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

    Shapes: (p, p).
    """
    design = problem.design
    mean = moments.target / design.n_labeled
    if pooled:
        mean = moments.predicted.jacobian
    turned = design.basis.T @ mean @ design.basis
    if not np.all(np.isfinite(turned)) or np.linalg.cond(turned) > SINGULAR:
        return np.full_like(turned, np.nan)
    return np.asarray(-design.basis @ np.linalg.inv(turned) @ design.basis.T)


@dataclass(frozen=True)
class Contributions:
    """
    What units contribute to the error of an estimate.

    Parameters
    ----------
    labels : ndarray (n, p)
        Of labelled units through their labels alone.
    taken : ndarray (n, p)
        What is taken off them for their predictions; the estimate has the mean of what
        is left.
    everyone : ndarray (n, p)
        Of labelled units as any unit; the estimate has the mean of these over all T.
    outer : ndarray (p, p)
        Second moment of the latter over all units, whose mean is zero.
    blocks : callable
        Yields the latter of all units, block by block; called where units come in
        clusters only.
    """

    labels: Floats
    taken: Floats
    everyone: Floats
    outer: Floats
    blocks: Blocks

    def weighted(self, matrix: Floats) -> Contributions:
        """
        The same with predictions multiplied by a matrix.

        Shapes: `matrix` (p, p).
        """
        return Contributions(
            labels=self.labels,
            taken=self.taken @ matrix.T,
            everyone=self.everyone @ matrix.T,
            outer=matrix @ self.outer @ matrix.T,
            blocks=lambda: ((u, g @ matrix.T) for u, g in self.blocks()),
        )


@with_one_blas_thread
def contributions(
    problem: Problem,
    predicted: PredictedScores,
    theta: Floats,
    moments: RectifiedMoments,
    *,
    inverse: Floats,
    weight: Floats,
) -> Contributions:
    """
    Contributions of all units at an estimate.

    Shapes: `theta` (p,), `inverse` (p, p), `weight` (p, p).
    """
    a, h = problem.design.design_weights[:, None], moments.predicted
    turned = inverse @ weight
    return Contributions(
        labels=a * (moments.psi @ inverse.T),
        taken=a * (h.drawn @ turned.T),
        everyone=h.everyone @ turned.T,
        outer=turned @ h.outer @ turned.T,
        blocks=lambda: ((u, g @ turned.T) for u, g in predicted.blocks(theta)),
    )


def covariance_of(problem: Problem, parts: Contributions) -> Floats:
    """
    Covariance of an estimate from what units contribute to it.

    Shapes: (p, p).
    """
    design, clusters = problem.design, problem.clusters
    n, n_units, p = design.n_labeled, design.n_units, parts.labels.shape[1]
    left = parts.labels - parts.taken
    own = (left - left.mean(axis=0)) / n
    if design.is_finite:
        return finite_covariance(own, design)
    if clusters is None:
        labeled = left + parts.everyone * (n / n_units)
        rest = problem.n_unlabeled / n_units**2 * unlabeled_covariance(problem, parts)
        return stratified(
            np.cov(labeled.T).reshape(p, p) / n + rest,
            own,
            design.labeling,
            unbiased=True,
        )
    total = all_sums(((u, g / n_units) for u, g in parts.blocks()), clusters, p)
    total += cluster_sums(own, clusters.of_labeled, clusters.n_all)
    return np.asarray(total.T @ total * clusters.n_labeled / (clusters.n_labeled - 1))


def unlabeled_covariance(problem: Problem, parts: Contributions) -> Floats:
    """
    Covariance of the contributions of unlabelled units.

    Shapes: (p, p).
    """
    n_units, rest = problem.design.n_units, problem.n_unlabeled
    if rest < FEW_UNLABELED:
        return parts.outer * n_units / (n_units - 1)
    total = parts.everyone.sum(axis=0)  # what the others sum to, but for the sign
    second = n_units * parts.outer - parts.everyone.T @ parts.everyone
    return np.asarray((second - np.outer(total, total) / rest) / (rest - 1))


@with_one_blas_thread
def best_weight(problem: Problem, parts: Contributions) -> Floats:
    r"""
    Matrix that predictions are multiplied with for the smallest variance.

    The variance of ``mean_L l_t - M (mean_L b_t - mean_U g_t)`` is smallest at

    .. math::
        M = \operatorname{Cov}(l, b) \bigl[\operatorname{Var}(b)
            + \tfrac{n N}{T^2} \operatorname{Var}_U(g)\bigr]^{-1},

    with ``b_t`` what a labelled unit takes off for its prediction.

    Shapes: (p, k).
    """
    n, n_units = problem.design.n_labeled, problem.design.n_units
    b = parts.taken - parts.everyone * (n / n_units)
    b, labels = b - b.mean(axis=0), parts.labels - parts.labels.mean(axis=0)
    share = n * problem.n_unlabeled / n_units**2
    gram = b.T @ b / (n - 1) + share * unlabeled_covariance(problem, parts)
    # Predictions that say nothing, or the same thing twice, are no help.
    root = inverse_root(gram)
    return np.asarray((labels.T @ b / (n - 1)) @ root @ root.T)


def _effective_labels(
    problem: Problem, parts: Contributions, covariance: Floats
) -> Floats:
    """
    Labels that would give the same standard errors without any source.

    Shapes: `covariance` (p, p) -> (p,).
    """
    nothing = np.zeros_like(parts.labels)
    without = Contributions(
        labels=parts.labels,
        taken=nothing,
        everyone=nothing,
        outer=np.zeros_like(covariance),
        blocks=lambda: iter(()),
    )
    alone = np.diag(covariance_of(problem, without))
    return effective_labels(problem.design, np.diag(covariance), alone)


@with_one_blas_thread
def rectified_results(
    problem: Problem,
    theta: Floats,
    parts: Contributions | None,
    method: str,
    sources: tuple[str, ...],
    *,
    label: str,
    **kwargs: Any,
) -> EstimatorResultsWrapper:
    """
    Results from what units contribute.

    Shapes: `theta` (p,).
    """
    p = len(theta)
    covariance, effective = np.full((p, p), np.nan), np.full(p, np.nan)
    if parts is not None:
        covariance = covariance_of(problem, parts)
        effective = _effective_labels(problem, parts, covariance)
    else:
        warn(
            f"{label}: the equations were not solved. Do not use the estimate.",
            ConvergenceWarning,
        )
    return results_of(
        problem,
        theta,
        covariance,
        method,
        sources,
        effective_nobs=effective,
        converged=parts is not None,
        **kwargs,
    )

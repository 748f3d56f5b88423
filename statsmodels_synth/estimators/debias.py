r"""
Predict-Then-Debias: correct the estimates, not their scores.

With gamma the estimate from a source, and theta that from the labels,

.. math::
    \hat\theta = \hat\theta_L + \Omega \, (\hat\gamma - \hat\gamma_L), \qquad
    \Omega = \operatorname{Cov}(\theta, \gamma) \operatorname{Var}(\gamma)^{-1},

where L are the labelled units and gamma is over all units that the source covers. A
source may be wrong in outcome and regressors alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
import warnings

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.estimators.predicted import SourceScores
from statsmodels_synth.estimators.problem import Problem, problem_of
from statsmodels_synth.estimators.rectify import (
    Contributions,
    covariance_of,
    unlabeled_moments,
)
from statsmodels_synth.estimators.results import (
    EstimatorResults,
    EstimatorResultsWrapper,
)
from statsmodels_synth.estimators.simple import naive_params
from statsmodels_synth.exceptions import ConvergenceWarning
from statsmodels_synth.moment_sums import target_scores
from statsmodels_synth.solver import (
    MAX_STEPS,
    TARGET_TOLERANCE,
    relative_step,
    score_step,
)
from statsmodels_synth.weights import SINGULAR, inverse_in_basis

if TYPE_CHECKING:
    from statsmodels_synth.estimators.problem import Fitted


def predict_then_debias(
    model: Fitted, source: str | None = None
) -> EstimatorResultsWrapper:
    """
    Predict-Then-Debias with one source and the optimal tuning matrix.

    Parameters
    ----------
    model : AugmentedGMM or AugmentedGMMResults
        The model; results bring their clusters.
    source : str, optional
        The source, a proxy or a synthetic one. The first if omitted.

    Returns
    -------
    EstimatorResultsWrapper
        With standard errors from the central limit theorem.

    Raises
    ------
    DataError
        If there is no such source, or its equations have no solution.

    Warns
    -----
    ConvergenceWarning
        If the source has no estimate on the labelled units.

    Notes
    -----
    The authors compare labelled with unlabelled units; with all units, as here, the
    estimator is the same to first order, and unequal probabilities can be allowed for.

    References
    ----------
    Kluger, D. M., Lu, K., Zrnic, T., Wang, S. and Bates, S. (2025). Prediction-powered
    inference with imputed covariates and nonuniform sampling. arXiv:2501.18577.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> from statsmodels_synth.estimators import predict_then_debias
    >>> predict_then_debias(study_model(make_study()), "draws").method
    'predict-then-debias'
    """
    problem = problem_of(model)
    design, m = problem.design, problem.position(source)
    scores = SourceScores.of(design, problem.score, {m: 1.0})
    everyone = naive_params(problem, m)
    drawn, converged = _labeled_fit(problem, scores, everyone)
    name = design.names[m]
    if not converged:
        warnings.warn(
            f"predict-then-debias with {name!r}: the source has no estimate on the "
            "labelled units. Do not use the estimate.",
            ConvergenceWarning,
            stacklevel=2,
        )
    a, n, n_units = design.design_weights[:, None], design.n_labeled, design.n_units
    psi, target, _ = target_scores(design, problem.score, problem.theta)
    theta = -(a * psi) @ inverse_in_basis(target / n, design.basis).T
    # What a unit contributes to gamma over the labelled units, and over all.
    h, slope = scores.labeled(drawn)
    gamma = -(a * h) @ inverse_in_basis(slope / n, design.basis).T
    means = scores.means(everyone)
    inverse = -inverse_in_basis(means.jacobian, design.basis)
    variance = inverse @ means.outer @ inverse.T
    matrix = np.linalg.solve(variance, gamma.T @ theta / n).T
    estimate = problem.theta + matrix @ (everyone - drawn)

    # As in the rectified equation, a mean over the N unlabelled units.
    turned = problem.n_unlabeled / n_units * matrix @ inverse
    own_all, _ = scores.labeled(everyone)
    mean, spread = unlabeled_moments(problem, own_all, means.mean, means.outer)
    own = theta - gamma @ matrix.T
    parts = Contributions(
        labeled=own + own_all @ (matrix @ inverse).T * (n / n_units),
        own=own,
        predicted=own_all @ turned.T,
        mean=turned @ mean,
        covariance=turned @ spread @ turned.T,
        blocks=lambda: ((u, g @ turned.T) for u, g in scores.blocks(everyone)),
    )
    return EstimatorResultsWrapper(
        EstimatorResults(
            problem.model,
            estimate,
            covariance_of(problem, parts),
            "predict-then-debias",
            (name,),
            n_labeled=n,
            n_units=n_units,
            note="Standard errors are asymptotic, from the central limit theorem.",
            converged=converged,
        )
    )


def _labeled_fit(
    problem: Problem, scores: SourceScores, start: Floats
) -> tuple[Floats, bool]:
    """Estimate of a source on its rows of labelled units, weighted by a_t."""
    design, theta = problem.design, start
    for _ in range(MAX_STEPS):
        h, slope = scores.labeled(theta)
        total = design.design_weights @ h
        turned = design.basis.T @ slope @ design.basis
        if not np.all(np.isfinite(turned)) or np.linalg.cond(turned) > SINGULAR:
            return theta, False
        step = -design.basis @ np.linalg.solve(turned, design.basis.T @ total)
        moved = min(
            relative_step(step, theta, design.column_scale),
            score_step(step, slope, h.T @ h),
        )
        theta = theta + step
        if moved <= TARGET_TOLERANCE:
            return theta, True
    return theta, moved <= np.sqrt(TARGET_TOLERANCE)

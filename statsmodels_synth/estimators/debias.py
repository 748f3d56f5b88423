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
from statsmodels_synth.design import DesignRows
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
from statsmodels_synth.moment_sums import (
    row_factors,
    source_sums,
    target_scores,
    unit_scores,
)
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
    everyone = naive_params(problem, m)
    drawn, converged = _labeled_fit(problem, design.labeled_sources[m], everyone)
    # Its scores over all units have the mean zero: no centring of what is not covered.
    scores = SourceScores.of(design, problem.score, {m: 1.0})
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
    own_rows = design.labeled_sources[m]
    h, slope = _labeled_scores(problem, own_rows, drawn)
    gamma = -(a * h) @ inverse_in_basis(slope / n, design.basis).T
    sums = source_sums(
        (design.sources[m],), n_units, problem.score, everyone[None], outer=True
    )
    assert sums.outer is not None
    inverse = -inverse_in_basis(sums.jacobian[0], design.basis)
    outer = sums.outer.reshape(len(everyone), -1)
    variance = inverse @ outer @ inverse.T
    matrix = np.linalg.solve(variance, gamma.T @ theta / n).T
    estimate = problem.theta + matrix @ (everyone - drawn)

    # As in the rectified equation, a mean over the N unlabelled units.
    turned = problem.n_unlabeled / n_units * matrix @ inverse
    own_all, _ = _labeled_scores(problem, own_rows, everyone)
    mean, spread = unlabeled_moments(problem, own_all, sums.mean[0], outer)
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


def _labeled_scores(
    problem: Problem, rows: DesignRows, theta: Floats
) -> tuple[Floats, Floats]:
    """Scores of a source for labelled units, and the sum of a_t times their slope."""
    design, everything = problem.design, slice(None)
    factor, steep = row_factors(rows, everything, rows.exog @ theta, problem.score)
    scores = np.empty((design.n_labeled, design.k_params))
    unit_scores(rows, everything, factor, 0, scores)
    steep = steep * design.design_weights[rows.unit_of(everything)]
    return scores, rows.exog.T @ (rows.exog * steep[:, None])


def _labeled_fit(
    problem: Problem, rows: DesignRows, start: Floats
) -> tuple[Floats, bool]:
    """Estimate of a source on its rows of labelled units, weighted by a_t."""
    design, theta = problem.design, start
    for _ in range(MAX_STEPS):
        h, slope = _labeled_scores(problem, rows, theta)
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

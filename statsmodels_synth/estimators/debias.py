r"""
Predict-Then-Debias: correct the estimates, not their scores.

With gamma the estimate from a source, and theta that from the labels,

.. math::
    \hat\theta = \hat\theta_L + \Omega \, (\hat\gamma - \hat\gamma_L), \qquad
    \Omega = \operatorname{Cov}(\hat\theta_L, \hat\gamma_L - \hat\gamma)
        \operatorname{Var}(\hat\gamma_L - \hat\gamma)^{-1},

where L are the labelled units and gamma is over all units that the source covers. A
source may be wrong in outcome and regressors alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import muted
from statsmodels_synth.core.options import names_keywords
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.estimators.predicted import SourceScores
from statsmodels_synth.estimators.problem import Problem, problem_of
from statsmodels_synth.estimators.rectify import (
    Contributions,
    best_weight,
    rectified_results,
)
from statsmodels_synth.estimators.results import EstimatorResultsWrapper
from statsmodels_synth.estimators.simple import naive_params
from statsmodels_synth.exceptions import ConvergenceWarning, DataError
from statsmodels_synth.gmm.alone import naive_estimate
from statsmodels_synth.gmm.moments import labeled_scores
from statsmodels_synth.gmm.sums import source_sums
from statsmodels_synth.gmm.weights import inverse_in_basis
from statsmodels_synth.problem.design import AlignedDesign

if TYPE_CHECKING:
    from statsmodels_synth.estimators.problem import ModelOrResults


@names_keywords
@with_one_blas_thread
def predict_then_debias(
    model: ModelOrResults, source: str | None = None
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
        If there is no such source, or its equations have no solution, over all units
        or over the labelled ones.

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
    m = problem.position(source)
    design, score = problem.design.with_sources([m]), problem.score
    n, n_units, a = design.n_labeled, design.n_units, design.design_weights[:, None]
    everyone = naive_params(problem, m)
    drawn = _labeled_estimate(problem, design, everyone)
    psi, h, target, slope = labeled_scores(design, score, problem.theta, drawn[None])
    labels = -(a * psi) @ inverse_in_basis(target / n, design.basis).T
    # What a unit contributes to gamma over the labelled units, and over all.
    gamma = -(a * h) @ inverse_in_basis(slope[0] / n, design.basis).T
    sums = source_sums(design.sources, n_units, score, everyone[None], outer=True)
    assert sums.outer is not None
    inverse = -inverse_in_basis(sums.jacobian[0], design.basis)
    _, own, *_ = labeled_scores(design, score, problem.theta, everyone[None])
    scores = SourceScores.of(design, score, {0: 1.0})
    alone = Contributions(
        labels=labels,
        taken=gamma,
        everyone=own @ inverse.T,
        outer=inverse @ sums.outer.reshape(len(inverse), -1) @ inverse.T,
        blocks=lambda: ((u, g @ inverse.T) for u, g in scores.uncentred(everyone)),
    )
    matrix = best_weight(problem, alone)
    method = "predict-then-debias"
    return rectified_results(
        problem,
        problem.theta + matrix @ (everyone - drawn),
        alone.weighted(matrix),
        method,
        design.names,
        label=method,
        note="Standard errors are asymptotic, from the central limit theorem.",
    )


def _labeled_estimate(problem: Problem, design: AlignedDesign, start: Floats) -> Floats:
    """Estimate of a source on its rows of labelled units, weighted by a_t."""
    rows, source = design.labeled_sources[0], design.sources[0]
    weights = design.design_weights[rows.unit_of(slice(None))]
    if rows.weights is not None:
        weights = weights * rows.weights
    own = replace(
        source,
        endog=rows.endog,
        exog=rows.exog,
        units=rows.unit_positions,
        offset=rows.offset,
        weights=weights,
        has_replicates=rows.has_replicates,
    )
    alone = replace(design, source_rows=(own,), n_units=design.n_labeled)
    with muted(ConvergenceWarning):  # an error here, below
        found: Floats = naive_estimate(alone, problem.score, start[None]).params[0]
    if not np.all(np.isfinite(found)):
        raise DataError(
            f"Source {source.name!r} has no estimate on the labelled units: its score "
            "equations have no solution there. Label more units, or leave the method "
            "out."
        )
    return found

"""What needs no correction because it makes none: labels only, and naive estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import warn
from statsmodels_synth.core.options import Kind, names_keywords
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.estimators.problem import Problem, problem_of
from statsmodels_synth.estimators.results import EstimatorResultsWrapper, results_of
from statsmodels_synth.exceptions import ConvergenceWarning, DataError
from statsmodels_synth.gmm.sums import row_factors, source_sums
from statsmodels_synth.gmm.target import solve_target
from statsmodels_synth.gmm.weights import inverse_in_basis
from statsmodels_synth.problem.design import DesignRows, align_design, stacked_rows
from statsmodels_synth.problem.groups import cluster_sums
from statsmodels_synth.problem.scores.predictors import row_scores

if TYPE_CHECKING:
    from statsmodels_synth.estimators.problem import ModelOrResults

_NAIVE = "It takes the source for real: biased by whatever that gets wrong."


@names_keywords
def labeled_only(model: ModelOrResults) -> Any:
    """
    Regression on the labels alone.

    Parameters
    ----------
    model : AugmentedGMM or AugmentedGMMResults
        The model; results bring their settings and clusters.

    Returns
    -------
    AugmentedGMMResultsWrapper
        As ``AugmentedGMMResults.real_only``.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> from statsmodels_synth.estimators import labeled_only
    >>> labeled_only(study_model(make_study())).n_labeled
    200
    """
    given: Any = getattr(model, "_results", model)
    problem = problem_of(model)
    if given is not problem.model:
        return given.real_only
    return problem.model.labeled_only()


@names_keywords
def naive_proxy(
    model: ModelOrResults, source: str | None = None
) -> EstimatorResultsWrapper:
    """
    Regression on a proxy as if it were real.

    Parameters
    ----------
    model : AugmentedGMM or AugmentedGMMResults
        The model; results bring their clusters.
    source : str, optional
        The proxy. The first if omitted.

    Returns
    -------
    EstimatorResultsWrapper
        With robust standard errors, replicates of a unit taken as one observation.

    Raises
    ------
    DataError
        If there is no such proxy, or its equations have no solution.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> from statsmodels_synth.estimators import naive_proxy
    >>> naive_proxy(study_model(make_study())).valid
    False
    """
    return _naive(model, source, "proxy")


@names_keywords
def naive_synthetic(
    model: ModelOrResults, source: str | None = None
) -> EstimatorResultsWrapper:
    """
    Regression on synthetic rows as if they were real.

    Parameters
    ----------
    model : AugmentedGMM or AugmentedGMMResults
        The model; results bring their clusters.
    source : str, optional
        The synthetic source. The first if omitted.

    Returns
    -------
    EstimatorResultsWrapper
        With robust standard errors, replicates of a unit taken as one observation.

    Raises
    ------
    DataError
        If there is no such source, or its equations have no solution.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> from statsmodels_synth.estimators import naive_synthetic
    >>> naive_synthetic(study_model(make_study())).sources
    ('draws',)
    """
    return _naive(model, source, "synthetic")


@with_one_blas_thread
def _naive(
    model: ModelOrResults, source: str | None, kind: Kind
) -> EstimatorResultsWrapper:
    problem = problem_of(model)
    m = problem.position(source, kind)
    _refuse_finite(problem)
    theta, design = naive_params(problem, m), problem.design
    covariance = problem.naive.covariance[m]
    names = (design.names[m],)
    return results_of(
        problem, theta, covariance, f"naive {kind}", names, valid=False, note=_NAIVE
    )


def _refuse_finite(problem: Problem) -> None:
    """Raise where the units are the population, which the source has said all of."""
    if problem.design.is_finite:
        raise DataError(
            "with population='finite' it has no interval: taken for real, what a "
            "source says of the units themselves is no sample. naive_params has the "
            "estimate; its errors are what diagnostics() shows."
        )


def naive_params(problem: Problem, m: int) -> Floats:
    """
    Estimate of one source alone.

    Shapes: (p,).
    """
    theta: Floats = problem.naive.params[m]
    if not np.all(np.isfinite(theta)):
        raise DataError(
            f"Source {problem.design.names[m]!r} has no estimate of its own: its score "
            "equations have no solution. Leave the method out, or the source."
        )
    return theta


@names_keywords
@with_one_blas_thread
def naive_pooled(model: ModelOrResults) -> EstimatorResultsWrapper:
    """
    Regression on labels and all sources pooled, as if every row were real.

    Labelled units count with their label; each source stands in for the others.

    Parameters
    ----------
    model : AugmentedGMM or AugmentedGMMResults
        The model.

    Returns
    -------
    EstimatorResultsWrapper
        With standard errors that take all rows for independent or, with clusters,
        those of different clusters. Labelling probabilities take no part.

    Raises
    ------
    DataError
        If there is no source.

    Warns
    -----
    ConvergenceWarning
        If the equations were not solved.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> from statsmodels_synth.estimators import naive_pooled
    >>> naive_pooled(study_model(make_study())).params.round(3)
    Intercept   -1.780
    age          0.006
    educ        -0.001
    income       0.071
    dtype: float64
    """
    problem = problem_of(model)
    problem.position(None)
    _refuse_finite(problem)
    design = problem.design
    labeled = np.zeros(design.n_units, dtype=bool)
    labeled[design.labeled_units] = True
    units = [design.labeled_units]
    parts: list[DesignRows] = [design.labeled]
    for source in design.sources:
        others = np.flatnonzero(~labeled[source.unit_positions])
        units.append(source.unit_positions[others])
        parts.append(source.take(others, None))
    rows = stacked_rows(parts)
    size = len(rows.endog)
    pooled = align_design(rows, np.arange(size), [], size, problem.score)
    start = problem.score.start(rows.endog, rows.exog, rows.offset, rows.weights)
    theta, solved = solve_target(pooled, problem.score, start, np.zeros(len(start)))
    if not solved:
        warn(
            "naive pooled: the equations were not solved. Do not use the estimate.",
            ConvergenceWarning,
        )
        return results_of(
            problem,
            theta,
            np.full((len(theta), len(theta)), np.nan),
            "naive pooled",
            design.names,
            valid=False,
            note=_NAIVE,
            converged=False,
        )
    sums = source_sums((rows,), size, problem.score, theta[None], outer=True)
    assert sums.outer is not None
    inverse = inverse_in_basis(sums.jacobian[0], design.basis) / size
    outer = size * sums.outer.reshape(len(theta), -1)
    if problem.clusters is not None:
        factor, _ = row_factors(rows, slice(None), theta, problem.score)
        groups = problem.clusters.of_units[np.concatenate(units)]
        scores = row_scores(rows.exog, factor, problem.score)
        total = cluster_sums(scores, groups, problem.clusters.n_all)
        outer = total.T @ total
    return results_of(
        problem,
        theta,
        inverse @ outer @ inverse.T,
        "naive pooled",
        design.names,
        valid=False,
        note=_NAIVE,
    )

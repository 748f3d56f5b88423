"""What needs no correction because it makes none: labels only, and naive estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
import warnings

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.estimators.problem import Problem, problem_of
from statsmodels_synth.estimators.results import (
    EstimatorResults,
    EstimatorResultsWrapper,
)
from statsmodels_synth.exceptions import ConvergenceWarning, DataError
from statsmodels_synth.moment_sums import labeled_scores, source_sums
from statsmodels_synth.options import FitSettings, Kind
from statsmodels_synth.solver import (
    MAX_STEPS,
    TIGHT_STEP_TOLERANCE,
    relative_step,
    score_step,
)
from statsmodels_synth.weights import SINGULAR, inverse_in_basis

if TYPE_CHECKING:
    from statsmodels_synth.estimators.problem import Fitted
    from statsmodels_synth.results import AugmentedGMMResultsWrapper

_NAIVE = "It takes the source at its word: biased by whatever that gets wrong."


def labeled_only(model: Fitted) -> AugmentedGMMResultsWrapper:
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
        return given.real_only  # type: ignore[no-any-return]
    result: AugmentedGMMResultsWrapper = problem.model.labeled_only(
        problem.theta, FitSettings()
    )
    return result


def naive_proxy(model: Fitted, source: str | None = None) -> EstimatorResultsWrapper:
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


def naive_synthetic(
    model: Fitted, source: str | None = None
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


def _naive(model: Fitted, source: str | None, kind: Kind) -> EstimatorResultsWrapper:
    problem = problem_of(model)
    m = problem.position(source, kind)
    theta = naive_params(problem, m)
    p = len(theta)
    sums = source_sums(
        (problem.design.sources[m],),
        problem.design.n_units,
        problem.score,
        theta[None],
        outer=True,
    )
    assert sums.outer is not None
    inverse = inverse_in_basis(sums.jacobian[0], problem.design.basis)
    covariance = inverse @ sums.outer.reshape(p, p) @ inverse.T / problem.design.n_units
    return _result(problem, theta, covariance, f"naive {kind}", (m,), True)


def naive_params(problem: Problem, m: int) -> Floats:
    """
    Estimate of one source alone.

    Parameters
    ----------
    problem : Problem
        The problem.
    m : int
        Position of the source.

    Returns
    -------
    ndarray (p,)
        Estimate.

    Raises
    ------
    DataError
        If its equations have no solution.
    """
    theta: Floats = problem.naive.params[m]
    if not np.all(np.isfinite(theta)):
        raise DataError(
            f"Source {problem.design.names[m]!r} has no estimate of its own: its score "
            "equations have no solution. Leave the method out, or the source."
        )
    return theta


def naive_pooled(model: Fitted) -> EstimatorResultsWrapper:
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
        With standard errors that take the rows of all sources for independent.

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
    design, theta = problem.design, problem.theta
    k = len(design.sources)
    converged = False
    for _ in range(MAX_STEPS):
        mean, slope, second = _pooled_sums(problem, theta, k)
        if not np.all(np.isfinite(slope)) or np.linalg.cond(slope) > SINGULAR:
            break
        inverse = inverse_in_basis(slope, design.basis)
        step = -inverse @ mean
        moved = min(
            relative_step(step, theta, design.column_scale),
            score_step(step, slope, second),
        )
        theta = theta + step
        if moved <= TIGHT_STEP_TOLERANCE:
            converged = True
            break
    method = "naive pooled"
    if not converged:
        warnings.warn(
            f"{method}: the equations were not solved. Do not use the estimate.",
            ConvergenceWarning,
            stacklevel=2,
        )
        nothing = np.full((len(theta), len(theta)), np.nan)
        return _result(problem, theta, nothing, method, tuple(range(k)), False)
    covariance = inverse @ second @ inverse.T
    return _result(problem, theta, covariance, method, tuple(range(k)), True)


def _pooled_sums(
    problem: Problem, theta: Floats, k: int
) -> tuple[Floats, Floats, Floats]:
    """Sums of the scores, their derivatives and outer products over pooled rows."""
    design, p = problem.design, len(theta)
    psi, h, target, _ = labeled_scores(
        design, problem.score, theta, np.tile(theta, (k, 1))
    )
    with np.errstate(all="ignore"):  # an iteration that ran off, which is said
        sums = source_sums(
            design.sources,
            design.n_units,
            problem.score,
            np.tile(theta, (k, 1)),
            outer=True,
        )
    labeled = source_sums(
        design.labeled_sources,
        design.n_labeled,
        problem.score,
        np.tile(theta, (k, 1)),
    )
    assert sums.outer is not None
    own = np.einsum("minj,mn->ij", sums.outer.reshape(k, p, k, p), np.eye(k))
    taken = h.reshape(-1, k, p)
    mean = psi.sum(axis=0) + design.n_units * sums.mean.sum(axis=0)
    mean = mean - taken.sum(axis=(0, 1))
    slope = target + design.n_units * sums.jacobian.sum(axis=0)
    slope = slope - design.n_labeled * labeled.jacobian.sum(axis=0)
    second = psi.T @ psi + design.n_units * own
    second = second - np.einsum("tmi,tmj->ij", taken, taken)
    return mean, slope, second


def _result(
    problem: Problem,
    theta: Floats,
    covariance: Floats,
    method: str,
    sources: tuple[int, ...],
    converged: bool,
) -> EstimatorResultsWrapper:
    names = tuple(problem.design.names[m] for m in sources)
    return EstimatorResultsWrapper(
        EstimatorResults(
            problem.model,
            theta,
            covariance,
            method,
            names,
            n_labeled=problem.design.n_labeled,
            n_units=problem.design.n_units,
            valid=False,
            note=_NAIVE,
            converged=converged,
        )
    )

r"""
Methods that learn from the labels what to make of a source, by cross-fitting.

Units are split into folds, and what is predicted for a unit comes from labels outside
its fold: then a learner, however flexible, cannot make the interval too short.

DSL, design-based supervised learning, predicts the *outcome* from the row of a source,
and corrects each prediction by the label, over its probability, where there is one,

.. math::
    \tilde y_t = \hat f(z_t) + \frac{S_t}{\pi_t} \bigl(y_t - \hat f(z_t)\bigr).

RePPI, recalibrated prediction-powered inference, predicts the *score* of a unit from
the scores of all sources, and takes off the multiple of it that is best: a regression.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.core.messages import install, there_are, type_name
from statsmodels_synth.core.options import check_count, learns, names_keywords
from statsmodels_synth.core.process import with_filters_kept
from statsmodels_synth.estimators.predicted import (
    LearnedScores,
    PredictedScores,
    SourceScores,
)
from statsmodels_synth.estimators.problem import Problem, problem_of
from statsmodels_synth.estimators.rectify import (
    RectifiedMoments,
    best_weight,
    bread,
    contributions,
    full_power,
    moments_at,
    rectified_results,
    solve_rectified,
)
from statsmodels_synth.estimators.results import EstimatorResultsWrapper
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.gmm.moments import target_scores
from statsmodels_synth.gmm.target import solve_target
from statsmodels_synth.problem.design import DesignRows, rows_of_labeled

if TYPE_CHECKING:
    from statsmodels_synth.estimators.problem import ModelOrResults

#: Folds of the units.
FOLDS = 5
#: Labels that a learner needs at least: some in every fold.
FEWEST_LABELS = 2 * FOLDS


@names_keywords
def default_learner(seed: int = 0) -> Any:
    """
    A learner that neither method needs to tune: a random forest.

    Parameters
    ----------
    seed : int
        Seed of its draws.

    Returns
    -------
    sklearn.ensemble.RandomForestRegressor
        Not fitted.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.

    Examples
    --------
    >>> default_learner().min_samples_leaf
    5
    """
    try:
        from sklearn.ensemble import RandomForestRegressor  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            f"DSL and RePPI need scikit-learn: {install('learn')}"
        ) from error
    return RandomForestRegressor(
        n_estimators=50, min_samples_leaf=5, max_features=1 / 2, random_state=seed
    )


@names_keywords
@with_filters_kept
def dsl(
    model: ModelOrResults,
    source: str | None = None,
    learner: Any = None,
    *,
    seed: int = 0,
) -> EstimatorResultsWrapper:
    """
    Design-based supervised learning with one source.

    Parameters
    ----------
    model : AugmentedGMM or AugmentedGMMResults
        The model; results bring their clusters. Unequal probabilities of labelling are
        those that it was made with.
    source : str, optional
        The source, whose outcome and regressors predict the label. The first if
        omitted. Regressors that are not those that people observed are corrected by
        the same difference.
    learner : object, optional
        Regressor with scikit-learn's ``fit`` and ``predict``; a random forest if
        omitted.
    seed : int
        Seed of the folds and of the random forest.

    Returns
    -------
    EstimatorResultsWrapper
        With asymptotic standard errors.

    Raises
    ------
    DataError
        If there is no such source, there are too few labels, or the outcome has levels.
    OptionError
        If `learner` cannot learn.
    ImportError
        If `learner` is omitted and scikit-learn is not installed.

    Warns
    -----
    ConvergenceWarning
        If the equations were not solved.

    References
    ----------
    Egami, N., Hinck, M., Stewart, B. M. and Wei, H. (2023). Using imperfect surrogates
    for downstream inference: design-based supervised learning for social science
    applications of large language models. NeurIPS 2023, arXiv:2306.04746.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> from statsmodels_synth.estimators import dsl
    >>> dsl(study_model(make_study()), learner=LinearRegression()).sources
    ('guess',)
    """
    problem = problem_of(model)
    if problem.score.has_levels:
        raise DataError(
            f"DSL predicts a number, and the outcome of {problem.score.called} has "
            "levels. RePPI predicts scores."
        )
    _check_learner(learner)
    check_count("seed", seed, 0)
    design, m = problem.design, problem.position(source)
    fold = _folds(problem, np.random.default_rng(seed))
    given, labeled = design.sources[m], design.labeled_sources[m]
    steady = np.ptp(labeled.exog, axis=0) == 0.0

    def features(rows: DesignRows) -> Floats:
        own = [rows.endog, *rows.exog.T[~steady]]
        return np.column_stack(own if rows.offset is None else [*own, rows.offset])

    at_labeled = labeled.unit_positions
    outcome = _cross_fit(
        learner,
        features(labeled),
        design.labeled.endog[at_labeled][:, None],
        fold[design.labeled_units[at_labeled]],
        features(given),
        fold[given.unit_positions],
        f"Source {design.names[m]!r}",
        seed,
    )
    learned = replace(given, endog=outcome[:, 0])
    scores = SourceScores(
        design,
        problem.score,
        (learned,),
        (rows_of_labeled(learned, design.labeled_units),),
        np.ones(1),
    )
    # Over all units the predictions count in full; lambda is that over the unlabelled.
    full = full_power(problem, scores.n_units)
    theta, moments, converged = solve_rectified(
        problem, scores, 1.0 / full, problem.theta
    )
    inverse = bread(problem, moments, pooled=problem.drawn_alike and scores.poolable)
    weight = np.eye(len(theta))
    return _result(
        problem,
        scores,
        theta,
        moments,
        inverse,
        weight,
        "DSL",
        (m,),
        learner,
        converged,
    )


@names_keywords
@with_filters_kept
def reppi(
    model: ModelOrResults, learner: Any = None, *, seed: int = 0
) -> EstimatorResultsWrapper:
    """
    Recalibrated prediction-powered inference with all sources.

    Parameters
    ----------
    model : AugmentedGMM or AugmentedGMMResults
        The model; results bring their clusters.
    learner : object, optional
        Regressor with scikit-learn's ``fit`` and ``predict``, for several outcomes at
        once; a random forest if omitted.
    seed : int
        Seed of the folds and of the random forest.

    Returns
    -------
    EstimatorResultsWrapper
        With asymptotic standard errors.

    Raises
    ------
    DataError
        If there is no source, or there are too few labels.
    OptionError
        If `learner` cannot learn.
    ImportError
        If `learner` is omitted and scikit-learn is not installed.

    Warns
    -----
    ConvergenceWarning
        If the equations were not solved.

    References
    ----------
    Ji, W., Lei, L. and Zrnic, T. (2025). Predictions as surrogates: revisiting
    surrogate outcomes in the age of AI. arXiv:2501.09731.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> from statsmodels_synth.estimators import reppi
    >>> reppi(study_model(make_study()), LinearRegression()).sources
    ('guess', 'draws')
    """
    problem = problem_of(model)
    _check_learner(learner)
    check_count("seed", seed, 0)
    problem.position(None)
    design, k = problem.design, problem.design.k_sources
    n, n_units, p = design.n_labeled, design.n_units, design.k_params
    psi, *_ = target_scores(design, problem.score, problem.theta)
    seen = np.empty((n_units, k * p))
    for m in range(k):
        scores = SourceScores.of(design, problem.score, {m: 1.0})
        # At the estimate of the source itself, where its scores have the mean zero.
        at = problem.naive.params[m]
        at = at if np.all(np.isfinite(at)) else problem.theta
        for units, values in scores.uncentred(at):
            # In the basis in which regressors are orthonormal, so that neither learner
            # nor figures depend on units of x.
            seen[units, m * p : (m + 1) * p] = values @ design.basis
    fold = _folds(problem, np.random.default_rng(seed))
    where = design.labeled_units
    values = _cross_fit(
        learner, seen[where], psi @ design.basis, fold[where], seen, fold, "RePPI", seed
    )
    learned = LearnedScores(design, values)
    first = moments_at(problem, learned, problem.theta)
    # In units of the score, with predictions that are not weighted yet.
    alone = contributions(
        problem,
        learned,
        problem.theta,
        first,
        inverse=np.eye(p),
        weight=np.eye(p),
    )
    matrix = best_weight(problem, alone)
    shift = matrix @ alone.taken.mean(axis=0)
    theta, converged = solve_target(
        design, problem.score, problem.theta, shift * n / n_units
    )
    moments = moments_at(problem, learned, theta)
    inverse = bread(problem, moments, pooled=False)
    every = tuple(range(k))
    return _result(
        problem,
        learned,
        theta,
        moments,
        inverse,
        matrix,
        "RePPI",
        every,
        learner,
        converged,
    )


def _check_learner(learner: Any) -> None:
    if learner is not None and not learns(learner):
        raise OptionError(
            f"learner is a {type_name(learner)}. Give a regressor with fit and "
            "predict, such as sklearn.linear_model.LinearRegression()."
        )
    kind = type(learner).__name__
    if kind.endswith("Classifier") or hasattr(learner, "predict_proba"):
        other = kind.replace("Classifier", "Regressor")
        advice = f", here {other}" if other != kind else ""
        raise OptionError(
            f"learner is a classifier ({kind}), which predicts classes, and what is "
            "learnt here are numbers: expected outcomes, or scores. Give a regressor"
            f"{advice}. For outcomes of 0 and 1 its predictions are probabilities."
        )


def _folds(problem: Problem, rng: np.random.Generator) -> Positions:
    """Fold of each unit, as many labelled ones in each; clusters stay together."""
    design = problem.design
    if design.n_labeled < FEWEST_LABELS:
        raise DataError(
            f"{there_are(design.n_labeled, 'label')}. To learn from some what to make "
            f"of a source for others takes {FEWEST_LABELS}."
        )
    if problem.clusters is not None:
        clusters = problem.clusters
        some = rng.permutation(clusters.n_labeled) % FOLDS
        rest = rng.permutation(clusters.n_all - clusters.n_labeled) % FOLDS
        return np.asarray(np.r_[some, rest][clusters.of_units])
    fold = np.empty(design.n_units, dtype=np.intp)
    inside = np.zeros(design.n_units, dtype=bool)
    inside[design.labeled_units] = True
    for part in (inside, ~inside):
        size = int(part.sum())
        fold[part] = rng.permutation(size) % FOLDS
    return fold


def _cross_fit(
    learner: Any,
    known: Floats,
    target: Floats,
    known_fold: Positions,
    features: Floats,
    fold: Positions,
    where: str,
    seed: int,
) -> Floats:
    """Predict (R, k) from (n, features), each fold by what the others have learnt."""
    result = np.empty((len(features), target.shape[1]))
    columns = [[j] for j in range(target.shape[1])]
    if learner is None:
        # It learns all columns at once, which is as good and faster.
        learner, columns = default_learner(seed), [list(range(target.shape[1]))]
    clone = _cloner(learner)
    for k in range(FOLDS):
        inside, out = known_fold != k, fold == k
        if not inside.any():
            raise DataError(f"{where}: all labels are in one fold. Nothing is learnt.")
        for some in columns:
            fresh, own = clone(), target[np.ix_(inside, some)]
            fresh.fit(known[inside], own.ravel() if len(some) == 1 else own)
            if out.any():
                found = np.asarray(fresh.predict(features[out]), dtype=float)
                result[np.ix_(out, some)] = found.reshape(-1, len(some))
    if not np.all(np.isfinite(result)):
        raise DataError(f"{where}: the learner's predictions are not finite.")
    return result


def _cloner(learner: Any) -> Any:
    """Make copies that have not learnt anything: scikit-learn's clone, where it can."""
    import copy  # noqa: PLC0415

    if hasattr(learner, "get_params"):
        from sklearn.base import clone  # noqa: PLC0415

        return lambda: clone(learner)
    return lambda: copy.deepcopy(learner)


def _result(
    problem: Problem,
    scores: PredictedScores,
    theta: Floats,
    moments: RectifiedMoments,
    inverse: Floats,
    weight: Floats,
    method: str,
    sources: tuple[int, ...],
    learner: Any,
    converged: bool,
) -> EstimatorResultsWrapper:
    parts = contributions(
        problem, scores, theta, moments, inverse=inverse, weight=weight
    )
    name = "random forest" if learner is None else type(learner).__name__
    return rectified_results(
        problem,
        theta,
        parts if converged else None,
        method,
        tuple(problem.design.names[m] for m in sources),
        label=method,
        note=f"Learner: {name}, cross-fitted. Standard errors are asymptotic.",
    )

r"""
Prediction-powered inference: PPI, PPI++, and PPI++ with two sources.

The score of a source at the same theta predicts that of the unit
(:mod:`~statsmodels_synth.estimators.rectify`). PPI trusts predictions in full,
``lambda = 1``; PPI++ takes the lambda in [0, 1] that minimises the sum of the variances
of all coefficients, or for each coefficient its own variance,

.. math::
    \hat\lambda = \frac{\operatorname{tr}(H^{-1} \operatorname{Cov}(\psi, h) H^{-1})}
        {(1 + n/N) \operatorname{tr}(H^{-1} \operatorname{Var}(h) H^{-1})} .

Numbers are those of the authors' ``ppi-python`` 0.2.3, whose intervals choose lambda
twice, at the PPI estimate and at that of the first lambda. For least squares these
authors add the regression of the predictions to that of their errors, and that is done
here as well. Its covariance, theirs too, is that of the rectified equation: where the
slope of the predictions is biased, standard errors are too large, in simulation (200
labels, a slope of 1 predicted as 2) by 2.6 for PPI and by 1.2 for PPI++.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
import warnings

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.estimators.predicted import SourceScores
from statsmodels_synth.estimators.problem import Problem, problem_of
from statsmodels_synth.estimators.rectify import (
    Contributions,
    RectifiedMoments,
    bread,
    contributions,
    covariance_of,
    moments_at,
    solve_rectified,
    unlabeled_moments,
)
from statsmodels_synth.estimators.results import (
    EstimatorResults,
    EstimatorResultsWrapper,
)
from statsmodels_synth.exceptions import ConvergenceWarning, OptionError
from statsmodels_synth.options import check_choice
from statsmodels_synth.scores import GaussianIdentityScore

if TYPE_CHECKING:
    from statsmodels_synth.estimators.problem import Fitted

PowerTuning: TypeAlias = Literal["none", "scalar", "coefficient"]
#: Shares of the second source that cross-validation chooses from.
MIXES = np.linspace(0.0, 1.0, 11)
#: Folds of the labelled units.
FOLDS = 5


@dataclass(frozen=True)
class _Point:
    """Estimate at one lambda, with the moments there."""

    theta: Floats
    moments: RectifiedMoments
    power: float
    converged: bool


class _Prediction:
    """One way to predict, and what is the same for every lambda."""

    def __init__(self, problem: Problem, predicted: SourceScores) -> None:
        self.problem, self.predicted = problem, predicted
        design = problem.design
        self.pooled = problem.drawn_alike and (
            predicted.covers_all and not predicted.has_own_regressors
        )
        self._regressions: tuple[Floats, Floats] | None = None
        if self.pooled and isinstance(problem.score, GaussianIdentityScore):
            # Least squares, as its authors define it: the regression of predictions on
            # the unlabelled rows, and on the labelled ones.
            at = moments_at(problem, predicted, np.zeros(design.k_params))
            h, drawn = at.predicted, at.predicted.labeled.sum(axis=0)
            rest = design.n_units * h.jacobian - h.slope
            total = design.n_units * h.mean - drawn
            basis = design.basis
            pair = [
                -basis @ np.linalg.solve(basis.T @ slope @ basis, basis.T @ mean)
                for slope, mean in ((rest, total), (h.slope, drawn))
            ]
            self._regressions = pair[0], pair[1]

    def at(self, power: float, start: Floats) -> _Point:
        """Estimate with a lambda."""
        if self._regressions is not None:
            unlabeled, labeled = self._regressions
            theta = self.problem.theta + power * (unlabeled - labeled)
            moments = moments_at(self.problem, self.predicted, theta)
            return _Point(theta, moments, power, True)
        theta, moments, converged = solve_rectified(
            self.problem, self.predicted, power, start
        )
        return _Point(theta, moments, power, converged)

    def inverse(self, point: _Point) -> Floats:
        """Bread of the covariance, (p, p)."""
        return bread(self.problem, point.moments, pooled=self.pooled)

    def tuned(self, point: _Point, coefficient: int | None = None) -> float:
        """The lambda that is best at an estimate, for all or for one coefficient."""
        inverse = self.inverse(point)
        rows = inverse if coefficient is None else inverse[[coefficient]]
        return _best_power(self.problem, point.moments, rows)

    def covariance(self, point: _Point) -> Floats:
        """Covariance of the estimate."""
        parts = contributions(
            self.problem,
            self.predicted,
            point.theta,
            point.moments,
            inverse=self.inverse(point),
            power=point.power * np.eye(len(point.theta)),
        )
        return covariance_of(self.problem, parts)


def _best_power(problem: Problem, moments: RectifiedMoments, rows: Floats) -> float:
    """Minimise the variances of ``rows @ mean`` in lambda, within [0, 1]."""
    design = problem.design
    n, n_units, rest = design.n_labeled, design.n_units, problem.n_unlabeled
    a = design.design_weights[:, None]
    weights = (n_units * a - n) / rest  # b_t, one where units were drawn alike
    predicted = moments.predicted
    psi, h = a * moments.psi @ rows.T, weights * predicted.labeled @ rows.T
    spread = predicted.outer - np.outer(predicted.mean, predicted.mean)
    variance = np.einsum("ji,ik,jk->", rows, spread, rows) * n_units / (n_units - 1)
    psi, own = psi - psi.mean(axis=0), h - h.mean(axis=0)
    common = float((psi * own).sum()) / n
    denominator = (1.0 + n / rest) * variance
    if not problem.drawn_alike:
        denominator = float((own**2).sum()) / n + n / rest * variance
    if denominator <= 0.0:
        return 0.0
    return float(min(max(common / denominator, 0.0), 1.0))


def ppi(
    model: Fitted,
    source: str | None = None,
    power_tuning: PowerTuning = "scalar",
) -> EstimatorResultsWrapper:
    """
    Prediction-powered inference with one source.

    Parameters
    ----------
    model : AugmentedGMM or AugmentedGMMResults
        The model; results bring their clusters.
    source : str, optional
        Source of the predictions, a proxy or a synthetic one. The first if omitted.
    power_tuning : {"scalar", "coefficient", "none"}
        PPI++ with one lambda, with one for each coefficient, or PPI.

    Returns
    -------
    EstimatorResultsWrapper
        With ``power``, the lambda.

    Raises
    ------
    DataError
        If there is no such source.
    OptionError
        If `power_tuning` does not exist.

    Warns
    -----
    ConvergenceWarning
        If the equations were not solved.

    References
    ----------
    Angelopoulos, A. N., Bates, S., Fannjiang, C., Jordan, M. I. and Zrnic, T. (2023).
    Prediction-powered inference. Science, 382, 669-674.

    Angelopoulos, A. N., Duchi, J. C. and Zrnic, T. (2023). PPI++: Efficient
    prediction-powered inference. arXiv:2311.01453.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> from statsmodels_synth.estimators import ppi
    >>> result = ppi(study_model(make_study()), "guess")
    >>> round(result.power, 2)
    0.49
    """
    check_choice("power_tuning", power_tuning, PowerTuning)
    problem = problem_of(model)
    m = problem.position(source)
    shares = {m: 1.0}
    names = (problem.design.names[m],)
    scores = SourceScores.of(problem.design, problem.score, shares)
    prediction = _Prediction(problem, scores)
    first = prediction.at(1.0, problem.theta)
    if power_tuning == "coefficient":
        return _each_coefficient(prediction, first, names)
    if power_tuning == "none":
        return _finish(prediction, first, "PPI", names)
    return _finish(prediction, _tune(prediction, first), "PPI++", names)


def ppi_synth(
    model: Fitted, sources: Sequence[str] | None = None, *, seed: int = 0
) -> EstimatorResultsWrapper:
    r"""
    PPI++ with a proxy and a synthetic source, mixed by cross-validation.

    Predicted scores are ``(1 - alpha) h_proxy + alpha h_synthetic``. Of eleven alpha
    from 0 to 1 the one is taken with the smallest variance of the estimate, lambda
    being chosen on four fifths of the labels and the variance measured on the rest, in
    turn.

    Parameters
    ----------
    model : AugmentedGMM or AugmentedGMMResults
        The model; results bring their clusters.
    sources : pair of str, optional
        The two sources. The first proxy and the first synthetic source if omitted.
    seed : int
        Seed of the folds.

    Returns
    -------
    EstimatorResultsWrapper
        With ``power``, the lambda, and ``mix``, the alpha.

    Raises
    ------
    DataError
        If there is no such source.
    OptionError
        If there are not two of them.

    Notes
    -----
    A baseline of the GMM-Synth paper, which selects alpha by cross-validation; the
    criterion is ours.

    References
    ----------
    Byun, Y., Gupta, S., Lipton, Z. C., Childers, R. L. and Wilder, B. (2025). Valid
    inference with imperfect synthetic data. NeurIPS 2025, arXiv:2508.06635.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> from statsmodels_synth.estimators import ppi_synth
    >>> result = ppi_synth(study_model(make_study()))
    >>> result.sources, result.mix
    (('guess', 'draws'), 0.3)
    """
    problem = problem_of(model)
    if sources is None:
        pair = problem.position(None, "proxy"), problem.position(None, "synthetic")
    elif isinstance(sources, str) or len(set(sources)) != 2:
        raise OptionError(f"sources={sources!r}: give two different sources.")
    else:
        pair = problem.position(sources[0]), problem.position(sources[1])
    mix = _choose_mix(problem, pair, np.random.default_rng(seed))
    shares = {pair[0]: 1.0 - mix, pair[1]: mix}
    scores = SourceScores.of(problem.design, problem.score, shares)
    prediction = _Prediction(problem, scores)
    point = _tune(prediction, prediction.at(1.0, problem.theta))
    names = tuple(problem.design.names[m] for m in pair)
    return _finish(prediction, point, "PPI++Synth", names, mix)


def _tune(prediction: _Prediction, first: _Point) -> _Point:
    """Choose lambda at the PPI estimate, and again at the estimate that it gives."""
    second = prediction.at(prediction.tuned(first), first.theta)
    return prediction.at(prediction.tuned(second), second.theta)


def _finish(
    prediction: _Prediction,
    point: _Point,
    method: str,
    names: tuple[str, ...],
    mix: float | None = None,
) -> EstimatorResultsWrapper:
    problem = prediction.problem
    _warn_unless(point.converged, method, names)
    return EstimatorResultsWrapper(
        EstimatorResults(
            problem.model,
            point.theta,
            prediction.covariance(point),
            method,
            names,
            n_labeled=problem.design.n_labeled,
            n_units=problem.design.n_units,
            note="Standard errors are asymptotic, as published.",
            power=point.power,
            mix=mix,
            converged=point.converged,
        )
    )


def _warn_unless(converged: bool, method: str, names: tuple[str, ...]) -> None:
    if not converged:
        warnings.warn(
            f"{method} with {', '.join(map(repr, names))}: the equations were not "
            "solved. Do not use the estimate.",
            ConvergenceWarning,
            stacklevel=4,
        )


def _each_coefficient(
    prediction: _Prediction, first: _Point, names: tuple[str, ...]
) -> EstimatorResultsWrapper:
    """Every coefficient with its own lambda, and the covariance of them all."""
    problem, predicted = prediction.problem, prediction.predicted
    design, p = problem.design, problem.design.k_params
    points = []
    for j in range(p):
        point = prediction.at(prediction.tuned(first, j), first.theta)
        points.append(prediction.at(prediction.tuned(point, j), point.theta))
    parts = [
        contributions(
            problem,
            predicted,
            point.theta,
            point.moments,
            inverse=prediction.inverse(point),
            power=point.power * np.eye(p),
        )
        for point in points
    ]

    def blocks() -> Iterator[tuple[slice, Floats]]:
        """Contribution j is that of the estimate with the lambda of coefficient j."""
        for many in zip(*(part.blocks() for part in parts), strict=True):
            columns = [values[:, j] for j, (_, values) in enumerate(many)]
            yield many[0][0], np.column_stack(columns)

    # Estimates at p values of theta: their covariance needs all of them at once.
    total, second = np.zeros(p), np.zeros((p, p))
    for _, values in blocks():
        total += values.sum(axis=0)
        second += values.T @ values
    drawn = np.stack([part.predicted[:, j] for j, part in enumerate(parts)], axis=1)
    mean, spread = unlabeled_moments(
        problem, drawn, total / design.n_units, second / design.n_units
    )
    joint = Contributions(
        labeled=np.stack([q.labeled[:, j] for j, q in enumerate(parts)], axis=1),
        own=np.stack([q.own[:, j] for j, q in enumerate(parts)], axis=1),
        predicted=drawn,
        mean=mean,
        covariance=spread,
        blocks=blocks,
    )
    converged = all(point.converged for point in points)
    method = "PPI++ by coefficient"
    _warn_unless(converged, method, names)
    return EstimatorResultsWrapper(
        EstimatorResults(
            problem.model,
            np.array([point.theta[j] for j, point in enumerate(points)]),
            covariance_of(problem, joint),
            method,
            names,
            n_labeled=design.n_labeled,
            n_units=design.n_units,
            note="Standard errors are asymptotic, as published.",
            power=np.array([point.power for point in points]),
            converged=converged,
        )
    )


def _choose_mix(
    problem: Problem, pair: tuple[int, int], rng: np.random.Generator
) -> float:
    """Share of the second source with the smallest cross-validated variance."""
    design, theta = problem.design, problem.theta
    n, rest = design.n_labeled, problem.n_unlabeled
    fold = rng.permutation(np.arange(n) % FOLDS)
    if problem.clusters is not None:
        order = rng.permutation(problem.clusters.n_labeled) % FOLDS
        fold = order[problem.clusters.of_labeled]
    best, smallest = 0.0, np.inf
    for mix in MIXES:
        shares = {pair[0]: 1.0 - mix, pair[1]: mix}
        scores = SourceScores.of(design, problem.score, shares)
        at = moments_at(problem, scores, theta)
        inverse = bread(problem, at, pooled=False)
        a = design.design_weights[:, None]
        predicted = at.predicted
        psi, h = (a * part @ inverse for part in (at.psi, predicted.labeled))
        spread = predicted.outer - np.outer(predicted.mean, predicted.mean)
        variance = float(np.trace(inverse @ spread @ inverse))
        loss = 0.0
        for k in range(FOLDS):
            inside = fold != k
            common = float(
                np.sum((psi - psi[inside].mean(0)) * h, where=inside[:, None])
            )
            power = common / inside.sum() / ((1.0 + n / rest) * variance)
            power = min(max(power, 0.0), 1.0)
            left = psi[~inside] - power * h[~inside]
            loss += float(((left - left.mean(axis=0)) ** 2).sum())
            loss += n / rest * power**2 * variance * np.count_nonzero(~inside)
        if loss < smallest:
            best, smallest = float(mix), loss
    return round(best, 2)

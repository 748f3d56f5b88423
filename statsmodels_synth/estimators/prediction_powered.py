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
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.options import check_choice, check_count, names_keywords
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.estimators.predicted import SourceScores
from statsmodels_synth.estimators.problem import Problem, problem_of
from statsmodels_synth.estimators.rectify import (
    Contributions,
    RectifiedMoments,
    bread,
    contributions,
    full_power,
    moments_at,
    rectified_results,
    solve_rectified,
    unlabeled_covariance,
)
from statsmodels_synth.estimators.results import EstimatorResultsWrapper
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.gmm.sums import source_sums
from statsmodels_synth.problem.scores.glm import GaussianIdentityScore

if TYPE_CHECKING:
    from statsmodels_synth.estimators.problem import ModelOrResults

PowerTuning: TypeAlias = Literal["none", "scalar", "coefficient"]
#: Shares of the second source that cross-validation chooses from.
MIXES = np.linspace(0.0, 1.0, 11)
#: Folds of the labelled units.
FOLDS = 5
_NOTE = "Standard errors are asymptotic, as published."


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
        self.pooled = problem.drawn_alike and predicted.poolable
        self._regressions: tuple[Floats, Floats] | None = None
        if self.pooled and isinstance(problem.score, GaussianIdentityScore):
            self._regressions = self._least_squares()

    def _least_squares(self) -> tuple[Floats, Floats]:
        """Regressions of the predictions, on the unlabelled and the labelled rows."""
        design, score = self.problem.design, self.problem.score
        zero = np.zeros((len(self.predicted.mix), design.k_params))
        sums = source_sums(self.predicted.sources, design.n_units, score, zero)
        drawn = source_sums(self.predicted.rows, design.n_labeled, score, zero)
        mix, basis = self.predicted.mix, design.basis
        total = (
            mix @ (design.n_units * sums.mean),
            mix @ (design.n_labeled * drawn.mean),
        )
        slopes = design.n_units * sums.jacobian[0], design.n_labeled * drawn.jacobian[0]
        found = [
            -basis @ np.linalg.solve(basis.T @ slope @ basis, basis.T @ mean)
            for slope, mean in (
                (slopes[0] - slopes[1], total[0] - total[1]),
                (slopes[1], total[1]),
            )
        ]
        return found[0], found[1]

    def at(self, power: float, start: Floats) -> _Point:
        """Estimate with a lambda."""
        if self._regressions is not None:
            # As the authors define it: the regression of predictions on the unlabelled
            # rows, and of their errors on the labelled ones.
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

    @cached_property
    def _first(self) -> _Point:
        """
        Where lambda is chosen first: the PPI estimate, as published.

        Where the slope of the predictions is another one, or PPI has no solution, that
        of the labels alone is the safer start.
        """
        point = self.at(1.0 if self.pooled else 0.0, self.problem.theta)
        return point if point.converged else self.at(0.0, self.problem.theta)

    def tuned(self, coefficient: int | None = None) -> _Point:
        """
        Estimate with the lambda that is best for all or for one coefficient.

        Chosen at the first estimate, and again at the one that it gives.
        """
        point = self._first
        for _ in range(2):
            inverse = self.inverse(point)
            rows = inverse if coefficient is None else inverse[[coefficient]]
            power = _best_power(self.problem, point.moments, rows)
            start = point.theta if point.converged else self.problem.theta
            point = self.at(power, start)
        return point

    def contributions(self, point: _Point) -> Contributions:
        """Contributions of all units to the estimate."""
        p = len(point.theta)
        full = full_power(self.problem, self.predicted.n_units)
        return contributions(
            self.problem,
            self.predicted,
            point.theta,
            point.moments,
            inverse=self.inverse(point),
            weight=point.power * full * np.eye(p),
        )


def _best_power(problem: Problem, moments: RectifiedMoments, rows: Floats) -> float:
    """Minimise the variances of ``rows @ mean`` in lambda, within [0, 1]."""
    if not np.all(np.isfinite(rows)):
        return 0.0
    design, h = problem.design, moments.predicted
    n, n_units, rest = design.n_labeled, design.n_units, problem.n_unlabeled
    a = design.design_weights[:, None]
    labels, drawn = a * moments.psi @ rows.T, a * h.drawn @ rows.T
    outer, everyone = rows @ h.outer @ rows.T, h.everyone @ rows.T
    full = full_power(problem, h.n_units)
    if problem.drawn_alike and h.n_units == n_units:
        # As published.
        variance = (1.0 + n / rest) * np.trace(outer) * n_units / (n_units - 1)
        scale = 1.0
    else:
        parts = Contributions(labels, drawn, everyone, outer, lambda: iter(()))
        drawn = drawn - everyone * (n / n_units)
        variance = (
            n * rest / n_units**2 * np.trace(unlabeled_covariance(problem, parts))
        )
        variance += float(((drawn - drawn.mean(axis=0)) ** 2).sum()) / n
        scale = 1.0 / full
    common = float((labels * (drawn - drawn.mean(axis=0))).sum()) / n * scale
    if variance <= 0.0:
        return 0.0
    return float(min(max(common / variance, 0.0), 1.0))


@names_keywords
@with_one_blas_thread
def ppi(
    model: ModelOrResults,
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
    if power_tuning == "coefficient":
        return _each_coefficient(prediction, names)
    if power_tuning == "none":
        return _finish(prediction, prediction.at(1.0, problem.theta), "PPI", names)
    return _finish(prediction, prediction.tuned(), "PPI++", names)


@names_keywords
@with_one_blas_thread
def ppi_synth(
    model: ModelOrResults, sources: Sequence[str] | None = None, *, seed: int = 0
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
    check_count("seed", seed, 0)
    problem = problem_of(model)
    if sources is None:
        pair = problem.position(None, "proxy"), problem.position(None, "synthetic")
    elif (
        isinstance(sources, str)
        or not isinstance(sources, Sequence)
        or len(set(sources)) != 2
    ):
        raise OptionError(f"sources={sources!r}: give two different sources.")
    else:
        pair = problem.position(sources[0]), problem.position(sources[1])
    mix = _choose_mix(problem, pair, np.random.default_rng(seed))
    shares = {pair[0]: 1.0 - mix, pair[1]: mix}
    scores = SourceScores.of(problem.design, problem.score, shares)
    prediction = _Prediction(problem, scores)
    names = tuple(problem.design.names[m] for m in pair)
    return _finish(prediction, prediction.tuned(), "PPI++Synth", names, mix)


def _finish(
    prediction: _Prediction,
    point: _Point,
    method: str,
    names: tuple[str, ...],
    mix: float | None = None,
) -> EstimatorResultsWrapper:
    parts = prediction.contributions(point) if point.converged else None
    return rectified_results(
        prediction.problem,
        point.theta,
        parts,
        method,
        names,
        label=_label(method, names),
        note=_NOTE,
        power=point.power,
        mix=mix,
    )


def _label(method: str, names: tuple[str, ...]) -> str:
    return f"{method} with {', '.join(map(repr, names))}"


def _each_coefficient(
    prediction: _Prediction, names: tuple[str, ...]
) -> EstimatorResultsWrapper:
    """Every coefficient with its own lambda, and the covariance of them all."""
    problem, p = prediction.problem, prediction.problem.design.k_params
    points = [prediction.tuned(j) for j in range(p)]
    method = "PPI++ by coefficient"
    joint = None
    if all(point.converged for point in points):
        parts = [prediction.contributions(point) for point in points]
        joint = _joined(parts, problem.design.n_units)
    return rectified_results(
        problem,
        np.array([point.theta[j] for j, point in enumerate(points)]),
        joint,
        method,
        names,
        label=_label(method, names),
        note=_NOTE,
        power=np.array([point.power for point in points]),
    )


def _joined(parts: Sequence[Contributions], n_units: int) -> Contributions:
    """Contribution j is that of part j: the estimate with its lambda."""

    def column(name: str) -> Floats:
        every = [getattr(part, name)[:, j] for j, part in enumerate(parts)]
        return np.stack(every, axis=1)

    def blocks() -> Iterator[tuple[slice, Floats]]:
        for many in zip(*(part.blocks() for part in parts), strict=True):
            columns = [values[:, j] for j, (_, values) in enumerate(many)]
            yield many[0][0], np.column_stack(columns)

    # Estimates at p values of theta: their covariance needs all of them at once.
    outer = np.zeros((len(parts), len(parts)))
    for _, values in blocks():
        outer += values.T @ values / n_units
    return Contributions(
        column("labels"), column("taken"), column("everyone"), outer, blocks
    )


def _choose_mix(
    problem: Problem, pair: tuple[int, int], rng: np.random.Generator
) -> float:
    """Share of the second source with the smallest cross-validated variance."""
    design, theta = problem.design, problem.theta
    n = design.n_labeled
    fold = rng.permutation(np.arange(n) % FOLDS)
    if problem.clusters is not None:
        order = rng.permutation(problem.clusters.n_labeled) % FOLDS
        fold = order[problem.clusters.of_labeled]

    def at(mix: float) -> tuple[Floats, Floats, float]:
        """Labels, what is taken off them, and the variance of what is put back."""
        shares = {pair[0]: 1.0 - mix, pair[1]: mix}
        scores = SourceScores.of(design, problem.score, shares)
        moments = moments_at(problem, scores, theta)
        parts = contributions(
            problem,
            scores,
            theta,
            moments,
            inverse=bread(problem, moments, pooled=False),
            weight=np.eye(len(theta)),
        )
        rest = n * problem.n_unlabeled / design.n_units**2 * np.trace(parts.outer)
        taken = parts.taken - parts.everyone * (n / design.n_units)
        return parts.labels, taken, float(rest)

    # What is taken off is linear in the mix, and a variance quadratic.
    (labels, first, rest_0), (_, second, rest_1) = at(0.0), at(1.0)
    common = 4.0 * at(0.5)[2] - rest_0 - rest_1
    best, smallest = 0.0, np.inf
    for mix in MIXES:
        drawn = (1.0 - mix) * first + mix * second
        rest = (1.0 - mix) ** 2 * rest_0 + mix**2 * rest_1 + mix * (1.0 - mix) * common
        loss = 0.0
        for k in range(FOLDS):
            x, y = drawn[fold != k], labels[fold != k]
            x, y = x - x.mean(axis=0), y - y.mean(axis=0)
            weight = float((x * y).sum()) / (float((x**2).sum()) + rest * len(x))
            weight = max(weight, 0.0)
            left = labels[fold == k] - weight * drawn[fold == k]
            loss += float(((left - left.mean(axis=0)) ** 2).sum())
            loss += rest * weight**2 * len(left)
        if loss < smallest:
            best, smallest = float(mix), loss
    return round(best, 2)

r"""
Confidence intervals of quantile regressions by inverting score tests.

How precise a quantile is depends on the density of the outcome there, which few labels
tell badly. Whether the quantile is some value does not: under the hypothesis each label
is below the line with a known probability. The test is that of one step of Newton's
method from the estimate under the hypothesis, in which the density cancels. Sources are
control variates of that step, at lines that are moved as far as that of the labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.gmm.controls import Control, LabeledRows, labels_alone
from statsmodels_synth.gmm.few_labels import (
    ControlVariates,
    control_variates,
    corrected_covariance,
    stacked_rows,
)
from statsmodels_synth.gmm.fit import Fit
from statsmodels_synth.gmm.moments import labeled_scores
from statsmodels_synth.gmm.sums import cluster_scores, design_sums
from statsmodels_synth.problem.design import DesignRows, told_of
from statsmodels_synth.problem.scores.quantile import (
    ON_THE_LINE,
    Quantile,
    regression_quantile,
)

#: The search for an end goes out in steps that grow so, so often at most: some 1e5
#: standard errors. What is not rejected there is rejected nowhere.
GROWTH, MOST_STEPS = 2.0, 17
#: How exact ends are, in standard errors. The test is a step function of the
#: coefficient, whose steps are at labels.
EXACT = 1e-4


class ScoreStep(NamedTuple):
    """One step from a hypothesis, and its standard error under it."""

    step: float
    error: float


@dataclass(frozen=True)
class ScoreTests:
    """
    Score tests of the coefficients of one quantile regression.

    Parameters
    ----------
    fit : Fit
        The fit.
    score : Quantile
        Its target model.
    """

    fit: Fit
    score: Quantile

    @classmethod
    def of(cls, fit: Fit) -> ScoreTests:
        """Those of a fit, if it is one of a quantile by the default."""
        score, settings = fit.target.score, fit.settings
        if not isinstance(score, Quantile):
            raise OptionError(
                "Score intervals are of quantile regressions, whose standard errors "
                f"need a density; the target model is {score.called}. conf_int() has "
                "its intervals."
            )
        labels_only = settings.use_correction and not fit.design.k_sources
        if not (settings.shrinks or labels_only):
            raise OptionError(
                "Score intervals are those of the default estimator; this is "
                f"{settings.variant}. Leave maxiter= and use_correction= out."
            )
        return cls(fit, score)

    @cached_property
    def _at_estimates(self) -> ControlVariates:
        """The sources as the fit had them."""
        fit, found = self.fit, self.fit.solution
        return control_variates(
            fit.design, self.score, found.eta, found.sums, fit.clusters
        )

    @cached_property
    def _labels(self) -> LabeledRows:
        """The labels at their own estimate."""
        return labels_alone(self.fit.design, self.score, self.fit.solution.theta_real)

    @cached_property
    def _known(self) -> Floats:
        """
        Variance of the step of the labels alone under a hypothesis, (p,).

        Eq. (score-known).
        """
        design, tau = self.fit.design, self.score.tau
        labels = design.labeled
        factor = self._factors(
            labels.endog - _linear(labels, self.fit.solution.theta_real), labels.exog
        )
        rows = self._labels.at_scores(design, self._scores(factor)).rows
        # That is its mean square, but for the labels on the line.
        square = np.average(factor**2, weights=design.row_weights(labels))
        return np.asarray(tau * (1.0 - tau) / square * (rows**2).sum(axis=0))

    @cached_property
    def _of_labeled(self) -> Floats:
        """Estimates of the sources from the labelled units, (M, p)."""
        eta = self.fit.solution.eta
        return eta - _deltas(self._at_estimates.controls).reshape(eta.shape)

    @cached_property
    def _spreads(self) -> Floats:
        """Spread of each source about its line relative to that of the labels, (M,)."""
        design, found = self.fit.design, self.fit.solution
        own = _spread(design.labeled, found.theta_real)
        rows = zip(design.labeled_sources, self._of_labeled, strict=True)
        spreads = np.array([_spread(source, eta) for source, eta in rows])
        return spreads / own if own > 0.0 else np.zeros_like(spreads)

    def restricted(self, at: int, value: float) -> tuple[Floats, Floats]:
        """
        Estimate of the labels alone with one coefficient at a value, and its scores.

        The line goes through as many labels as there are other coefficients. Their
        scores are those that solve the equations of these.

        Eq. (restricted-quantile).

        Shapes: (p,), (n, p).
        """
        labels = self.fit.design.labeled
        theta = np.full(labels.exog.shape[1], value, dtype=float)
        others = np.arange(len(theta)) != at
        x = labels.exog[:, others]
        if others.any():
            theta[others] = 0.0
            left = labels.endog - _linear(labels, theta)
            weights = self.fit.design.row_weights(labels)
            theta[others] = regression_quantile(self.score.tau, left, x, weights)
        factor = self._factors(labels.endog - _linear(labels, theta), x)
        return theta, self._scores(factor)

    def _factors(self, residual: Floats, x: Floats) -> Floats:
        """
        Score factors of the labels, with which the equations of some regressors hold.

        Shapes: `residual` (n,), `x` (n, k) -> (n,).
        """
        design, tau = self.fit.design, self.score.tau
        told = told_of(design.labeled, self.score)
        assert isinstance(told, Quantile)
        width = ON_THE_LINE * (told.width or 1.0)
        factor = np.where(residual <= width, tau - 1.0, tau)
        on = np.abs(residual) <= width
        if x.shape[1] and on.any():
            x = x * design.row_weights(design.labeled)[:, None]
            lacking = -x[~on].T @ factor[~on]
            factor[on] = _on_the_line(x[on], lacking, tau)
        return factor

    def _scores(self, factor: Floats) -> Floats:
        """Scores of the labels, (n, p)."""
        labels = self.fit.design.labeled
        own = factor if labels.weights is None else factor * labels.weights
        return np.asarray(labels.exog * own[:, None])

    def moved(self, theta: Floats) -> ControlVariates:
        """
        The sources at lines that are moved as that of the labels is.

        Each by as much of its own spread. That holds at any line; at these what it says
        of a unit has most to do with whether the label is below its line.

        Eq. (moved-lines).

        Shapes: `theta` (p,).
        """
        design, score, found = self.fit.design, self.score, self._at_estimates
        if not found.controls:
            return found
        shift = theta - self.fit.solution.theta_real
        eta = self._of_labeled + self._spreads[:, None] * shift
        _, h, _, _ = labeled_scores(design, score, theta, eta)
        if found.clusters is None:
            scores = None
            total = design.n_units * design_sums(design, score, eta, outer=False).mean
        else:
            scores = cluster_scores(design, score, eta, found.clusters)
            total = scores.sum(axis=0).reshape(eta.shape)
        parts = np.split(h, len(eta), axis=1)
        controls = []
        for control, own, all_ in zip(found.controls, parts, total, strict=True):
            rows = control.labeled.at_scores(design, own)
            step = control.of_units @ all_ - rows.rows.sum(axis=0)
            controls.append(replace(control, labeled=rows, delta=step))
        return ControlVariates(controls, found.clusters, scores)

    def step(self, at: int, value: float) -> ScoreStep:
        """
        One step from the hypothesis that a coefficient is a value.

        Eq. (score-step), Eq. (score-variance).
        """
        design = self.fit.design
        theta, psi = self.restricted(at, value)
        labels, variates = self._labels.at_scores(design, psi), self.moved(theta)
        rows, stacked = stacked_rows(design, self.score, labels, variates)
        covariance = corrected_covariance(rows, stacked, variates.controls)
        variance = design.basis[at] @ covariance @ design.basis[at]
        step = labels.rows[:, at].sum()
        step += stacked.mapped(design.basis).matrix[at] @ _deltas(variates.controls)
        # What sources do not explain, as a share of a variance that is known.
        seen = float(((labels.rows[:, at] / labels.room) ** 2).sum())
        error = np.sqrt(max(variance, 0.0) * self._known[at] / seen)
        return ScoreStep(float(step), float(error))

    def interval(self, at: int, alpha: float) -> tuple[float, float]:
        """
        Values of a coefficient that are not rejected.

        Eq. (score-interval).
        """
        critical = float(stats.t.ppf(1.0 - alpha / 2, self.fit.df_by_coefficient[at]))
        start, unit = float(self.fit.solution.theta[at]), float(self.fit.bse[at])
        if not unit > 0.0:  # all units of a finite population have labels
            return start, start

        def too_low(value: float) -> bool:
            step, error = self.step(at, value)
            return step > critical * error

        def too_high(value: float) -> bool:
            step, error = self.step(at, value)
            return -step > critical * error

        return _end(too_low, start, -unit), _end(too_high, start, unit)


def _deltas(controls: list[Control]) -> Floats:
    """What the estimates of the sources differ by, (M p,)."""
    return np.array([control.delta for control in controls]).ravel()


def _linear(rows: DesignRows, params: Floats) -> Floats:
    """Line of rows, their offset included, (R,)."""
    linear = np.asarray(rows.exog @ params)
    return linear if rows.offset is None else linear + rows.offset


def _on_the_line(x: Floats, lacking: Floats, tau: float) -> Floats:
    """
    Score factors of labels on a line that solve its equations, `tau` less 0 to 1 each.

    Where more labels than needed are on it there are many; the shortest may be too far.

    Shapes: `x` (k, p - 1), `lacking` (p - 1,) -> (k,).
    """
    shortest = np.linalg.lstsq(x.T, lacking, rcond=None)[0]
    inside = np.clip(shortest, tau - 1.0, tau)
    if np.abs(inside - shortest).max() > ON_THE_LINE:
        # In a basis of all labels on the line, whatever the scale of regressors is.
        left, size, right = np.linalg.svd(x, full_matrices=False)
        kept = size > ON_THE_LINE * size.max()
        target = (right @ lacking)[kept] / size[kept]
        inside = optimize.lsq_linear(
            left[:, kept].T, target, (tau - 1.0, tau), method="bvls"
        ).x
    return np.asarray(inside)


def _spread(rows: DesignRows, params: Floats) -> float:
    """Interquartile range of residuals of labelled units; 0 where there are none."""
    if not len(rows.endog):
        return 0.0
    quartiles = np.percentile(rows.endog - _linear(rows, params), [75.0, 25.0])
    return float(np.subtract(*quartiles))


def _end(is_rejected: Callable[[float], bool], start: float, unit: float) -> float:
    """
    First value from a start in the direction of a unit that is rejected; or infinity.

    Where the start itself is, the search is for the last one in the other direction.
    """
    rejected = is_rejected(start)
    step = -unit if rejected else unit
    near, size = start, step
    for _ in range(MOST_STEPS):
        far = start + size
        if is_rejected(far) != rejected:
            break
        near, size = far, GROWTH * size
    else:
        return float(np.copysign(np.inf, step))
    while abs(far - near) > EXACT * abs(unit):
        middle = near + (far - near) / 2
        if middle in (near, far):
            break
        if is_rejected(middle) == rejected:
            near = middle
        else:
            far = middle
    # The side that is rejected: the interval is closed, and has the label at its end.
    return near if rejected else far


def score_intervals(fit: Fit, alpha: float) -> Floats:
    """
    Intervals of all coefficients of a quantile regression.

    Eq. (score-interval).

    Shapes: (p, 2).
    """
    tests = ScoreTests.of(fit)
    return np.array([tests.interval(at, alpha) for at in range(fit.design.k_params)])

"""
Estimating equations that are no score of linear predictors.

A row counts with all its columns, and each equation with a parameter of its own. As an
equation may be multiplied by any number, and be added to another, they are written in
the metric of the labelled rows: so that their derivative is diagonal there, and each
equation is to its parameter what a score is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import copy
from typing import Any

import numpy as np
import pandas as pd
import scipy.linalg
import scipy.optimize

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count, suggest
from statsmodels_synth.exceptions import CollinearityError, DataError, OptionError
from statsmodels_synth.problem.scores.protocol import TargetScore

#: Share of a parameter's own size by which a numeric derivative moves it: the cube root
#: of the rounding error, where central differences lose least.
STEP = float(np.finfo(float).eps ** (1 / 3))
#: By how much a derivative that was given may differ from the numeric one, as a share
#: of the largest.
DERIVATIVE_TOLERANCE = 1e-4
#: Mean of the moments, in units of their root mean square, that counts as zero.
SOLVED = 1e-7
#: Residuals below this share of the outcome's range are rounding of zero, and so are
#: those below that share of its level.
ZERO_RESIDUAL, ROUNDING = 1e-9, 1e-13
#: Length of what is left of a column, as a share of it, that is rounding.
DEPENDENT = 1e-10
#: Condition number of the derivative from which moments do not identify parameters.
SINGULAR = 1e12


class MomentScore(TargetScore):
    """
    Estimating equations: as many as parameters, of all columns of a row.

    Subclasses define `moments`, `slopes` and what they start from.

    Eq. (equations).
    """

    kind = "moments"
    predictors = 0
    learns_from_labels = True
    # Rows may pull in opposite directions: then leverages have no bound.
    most_leverage = 0.9
    #: What the equations are multiplied by, (P, P); None: nothing, before labels.
    metric: Floats | None = None
    #: Estimate from the labelled rows, once known.
    point: Floats | None = None

    @property
    def called(self) -> str:
        """The target model in a sentence."""
        return f"the {self.kind} of {self.name}"

    @property
    def title(self) -> list[tuple[str, str]]:
        """What the header of a summary says of the target model."""
        return [("Moments", self.name)]

    def moments(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        """Left side of the equations, row by row, (rows, P)."""
        raise NotImplementedError

    def slopes(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        """Its derivative with respect to the parameters, (rows, P, P)."""
        raise NotImplementedError

    def first_guess(self, endog: Floats, exog: Floats, weights: Floats) -> Floats:
        """Where to look for a solution, (P,)."""
        raise NotImplementedError

    def predicted(self, exog: Floats, params: Floats) -> Floats:
        """Prediction of the outcome, where the equations have one, (rows,)."""
        raise OptionError(
            f"With {self.called} there is nothing to predict: there are parameters, "
            "and no linear predictor. Compute what you need from params and "
            "cov_params()."
        )

    def prediction_columns(self, exog: Floats) -> Floats | None:
        """None: equations predict nothing by themselves."""
        return None

    def param_names(self, exog_names: Sequence[str]) -> list[str]:
        """Those of the parameters, whatever the columns are called."""
        return list(self.constants)

    def row_factors(
        self, endog: Floats, exog: Floats, linear: Floats
    ) -> tuple[Floats, Floats]:
        """Equations and their derivative, in the metric of the labels."""
        size = len(self.constants)
        if not len(linear):
            return np.empty((0, size)), np.empty((0, size, size))
        params, metric = linear[0], self.metric
        moments = self.moments(params, endog, exog)
        slopes = self.slopes(params, endog, exog)
        if metric is None:
            return moments, slopes
        return moments @ metric.T, metric @ slopes

    def start(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None = None,
        weights: Floats | None = None,
    ) -> Floats:
        """Solution on these rows; where there is none, that of the labelled rows."""
        own = np.ones(len(endog)) if weights is None else weights
        guess = self.first_guess(endog, exog, own)
        with np.errstate(all="ignore"):
            found, solved = _solved(self, guess, endog, exog, own)
        if solved or self.point is None:
            return found
        return self.point.copy()

    def told_labels(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
    ) -> MomentScore:
        """The same equations in the metric of the labelled rows."""
        own = np.ones(len(endog)) if weights is None else weights
        told = copy.copy(self)
        told.metric = told.point = None
        guess = told.first_guess(endog, exog, own)
        params, solved = _solved(told, guess, endog, exog, own)
        moments = told.moments(params, endog, exog)
        if not solved and np.all(np.isfinite(moments)):
            before = np.abs(told.moments(guess, endog, exog)).max(axis=0)
            if np.all(np.abs(moments).max(axis=0) <= ZERO_RESIDUAL * before):
                raise DataError(
                    f"The equations of {told.name} hold exactly for each of the "
                    f"{count(len(endog), 'labelled unit')}, so no standard error can "
                    "be estimated. Is the outcome constant, or an exact function?"
                )
        told._check_solution(params, solved, len(endog))
        slope = np.tensordot(own, told.slopes(params, endog, exog), 1) / own.sum()
        told._check_slope(slope, len(endog))
        inverse = np.linalg.inv(slope)
        influence = moments @ inverse.T
        size = np.sqrt(own @ influence**2 / own.sum())
        size = np.where(size > 0.0, size, 1.0)
        told.metric = -inverse / (size**2)[:, None]
        told.basis = np.diag(size) / np.sqrt(len(endog))
        told.param_scale = 1.0 / size
        told.point = params
        return told

    def _check_solution(self, params: Floats, solved: bool, n: int) -> None:
        if not solved:
            shown = ", ".join(
                f"{name} {value:.4g}"
                for name, value in zip(self.constants, params, strict=True)
            )
            raise DataError(
                f"The equations of {self.name} have no solution on the "
                f"{count(n, 'labelled unit')} that the search could find; it ended at "
                f"{shown}. Give start= nearer to it, or see whether the labels "
                "identify every parameter."
            )

    def _check_slope(self, slope: Floats, n: int) -> None:
        scale = np.abs(slope).max(axis=1, keepdims=True)
        scaled = slope / np.where(scale > 0.0, scale, 1.0)
        across = np.abs(scaled).max(axis=0)
        if across.min() == 0.0 or np.linalg.cond(scaled / across) > SINGULAR:
            _, _, right = np.linalg.svd(scaled)
            least = self.constants[int(np.argmax(np.abs(right[-1])))]
            raise CollinearityError(
                f"The equations of {self.name} do not identify {least!r} from the "
                f"{count(n, 'labelled unit')}: in a direction of it they hardly "
                "change. Leave a parameter out, or add an equation."
            )


def refuse_exact(endog: Floats, error: Floats) -> None:
    """Raise if every label is fitted exactly: no interval has a width then."""
    level, spread = np.abs(endog).max(initial=0.0), np.ptp(endog)
    if np.abs(error).max() <= ZERO_RESIDUAL * spread + ROUNDING * level:
        raise DataError(
            f"The regressors fit all {len(endog)} labels exactly, so no standard error "
            "can be estimated. Is the outcome an exact function of the regressors, or "
            "constant?"
        )


def refuse_dependent(
    columns: Floats, names: Sequence[str], what: str, of: Floats | None = None
) -> None:
    """Raise if a column is a combination of the others, as far as can be told."""
    if not len(names):
        return
    length = np.linalg.norm(columns, axis=0) if of is None else of
    scaled = columns / np.where(length > 0.0, length, 1.0)
    upper, pivots = scipy.linalg.qr(scaled, mode="r", pivoting=True)
    size = np.zeros(len(names))
    diagonal = np.abs(np.diag(upper))
    size[: len(diagonal)] = diagonal
    if size.min() <= DEPENDENT:
        name = names[pivots[-1]]
        others = ", ".join(repr(other) for other in names if other != name)
        raise CollinearityError(
            f"On the {count(len(columns), 'labelled unit')} {name!r} is a linear "
            f"combination of the other {what} ({others}), so that its coefficient is "
            "not identified. Leave it out, or label more units."
        )


def _solved(
    score: MomentScore, guess: Floats, endog: Floats, exog: Floats, weights: Floats
) -> tuple[Floats, bool]:
    """Root of the weighted mean of the moments, and whether it is one."""
    total = weights.sum()

    def mean(params: Floats) -> Floats:
        return np.asarray(weights @ score.moments(params, endog, exog) / total)

    def slope(params: Floats) -> Floats:
        own = score.slopes(params, endog, exog)
        return np.asarray(np.tensordot(weights, own, 1) / total)

    def is_zero(params: Floats) -> bool:
        moments, own = score.moments(params, endog, exog), slope(params)
        if np.all(np.isfinite(own)) and np.linalg.cond(own) < SINGULAR:
            # Of an equation that is the same in all rows there is no size: in units of
            # what each row contributes to the parameters.
            moments = np.asarray(np.linalg.solve(own, moments.T).T, dtype=float)
        size = np.sqrt(weights @ moments**2 / total)
        return bool(np.all(np.abs(weights @ moments / total) <= SOLVED * size))

    if np.all(np.isfinite(mean(guess))) and is_zero(guess):
        return guess, True
    found = guess
    for method in ("hybr", "lm"):
        result = scipy.optimize.root(
            mean, guess, jac=slope, method=method, options={"xtol": 1e-12}
        )
        found = np.asarray(result.x, dtype=float)
        if np.all(np.isfinite(found)) and is_zero(found):
            return found, True
    return found, False


class UserMoments(MomentScore):
    """
    A user's own estimating equations, of a frame of columns.

    Parameters
    ----------
    psi : callable
        ``psi(theta, frame)``, (rows, P).
    start : ndarray (P,)
        Where the search for a solution begins.
    names : sequence of str
        Names of the parameters.
    columns : mapping of str to str
        Column of the frame by name of the regressor; the outcome is `outcome`.
    outcome : str
        Column that the outcome is.
    derivative : callable, optional
        ``derivative(theta, frame)``, (rows, P, P); numeric if omitted.
    """

    def __init__(
        self,
        psi: Callable[..., Any],
        start: Floats,
        names: Sequence[str],
        columns: Mapping[str, str],
        outcome: str,
        derivative: Callable[..., Any] | None = None,
    ) -> None:
        self.psi, self.begin, self.derivative = psi, start, derivative
        self.constants = tuple(names)
        self.columns, self.outcome = dict(columns), outcome
        self.name = str(getattr(psi, "__name__", type(psi).__name__))
        self._order: tuple[str, ...] = ()

    def told_names(self, exog_names: Sequence[str]) -> UserMoments:
        """The same equations, told which column is where."""
        told = copy.copy(self)
        told._order = tuple(self.columns.get(name, name) for name in exog_names)
        return told

    def told_labels(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
    ) -> MomentScore:
        """The same equations, checked on the labelled rows, in their metric."""
        self._check_rows(endog, exog)
        told = super().told_labels(endog, exog, offset, weights)
        told.is_linear_in_outcome = self._is_linear_in_outcome(told.point, endog, exog)
        if self.derivative is not None:
            self._check_derivative(told.point, endog, exog)
        return told

    def first_guess(self, endog: Floats, exog: Floats, weights: Floats) -> Floats:
        """What the user gave, or the estimate from the labelled rows."""
        return self.begin if self.point is None else self.point

    def frame(self, endog: Floats, exog: Floats) -> pd.DataFrame:
        """What psi gets: the columns by name."""
        columns = dict(zip(self._order, exog.T, strict=True))
        return pd.DataFrame({self.outcome: endog, **columns}, copy=False)

    def _called_with(
        self, function: Callable[..., Any], params: Floats, frame: pd.DataFrame
    ) -> Floats:
        try:
            found = function(params, frame)
        except KeyError as error:
            raise OptionError(
                f"{self.name} asks for a column {error.args[0]!r} that it did not ask "
                "for before. Name all that it uses: variables=[...]."
                f"{suggest(str(error.args[0]), list(frame.columns))}"
            ) from error
        return np.array(found, dtype=float)

    def moments(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        """What psi returns, (rows, P), with its shape checked."""
        found = self._called_with(self.psi, params, self.frame(endog, exog))
        found = found[:, None] if found.ndim == 1 else found
        wanted = (len(endog), len(self.constants))
        if found.shape != wanted:
            raise OptionError(
                f"{self.name} must return one row for each row of the frame and one "
                f"column for each of the {count(wanted[1], 'parameter')}, an array of "
                f"shape {wanted}; it has shape {found.shape}."
            )
        return found

    def slopes(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        """The derivative that was given, or central differences."""
        if self.derivative is None:
            return self._numeric(params, endog, exog)
        frame = self.frame(endog, exog)
        found = self._called_with(self.derivative, params, frame)
        size = len(self.constants)
        wanted = (len(endog), size, size)
        if found.shape != wanted:
            raise OptionError(
                "derivative= must return one matrix for each row, [equation, "
                f"parameter], an array of shape {wanted}; it has shape {found.shape}."
            )
        return found

    def _numeric(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        size = len(params)
        result = np.empty((len(endog), size, size))
        scale = np.abs(params) if self.param_scale is None else 1.0 / self.param_scale
        for j in range(size):
            step = np.zeros(size)
            step[j] = STEP * max(float(scale[j]), abs(float(params[j])), STEP)
            after, before = params + step, params - step
            difference = self.moments(after, endog, exog)
            difference -= self.moments(before, endog, exog)
            result[:, :, j] = difference / (after[j] - before[j])
        return result

    def _is_linear_in_outcome(
        self, params: Floats | None, endog: Floats, exog: Floats
    ) -> bool:
        """Whether it is on the labelled rows, by second differences."""
        assert params is not None
        step = np.full(len(endog), max(float(np.std(endog)), 1.0))
        with np.errstate(all="ignore"):
            here, after, before = (
                self.moments(params, endog + k * step, exog) for k in (0, 1, -1)
            )
        size = np.abs(here).max(axis=0) + np.abs(after).max(axis=0)
        return bool(np.all(np.abs(after + before - 2.0 * here) <= 1e-9 * size))

    def _check_rows(self, endog: Floats, exog: Floats) -> None:
        """A row must count by itself, or it would mean something else in a source."""
        moments = self.moments(self.begin, endog, exog)
        if not np.all(np.isfinite(moments)):
            row = int(np.flatnonzero(~np.isfinite(moments).all(axis=1))[0])
            raise DataError(
                f"{self.name} is not finite at start= for labelled row {row} ("
                f"{self.frame(endog, exog).iloc[row].to_dict()}). Give another start=, "
                "or leave such rows out."
            )
        middle = len(endog) // 2
        halves = [slice(0, middle), slice(middle, None)]
        alone = np.concatenate(
            [self.moments(self.begin, endog[at], exog[at]) for at in halves]
        )
        scale = np.abs(moments).max(axis=0)
        if np.any(np.abs(alone - moments) > 1e-9 * scale):
            raise OptionError(
                f"What {self.name} returns for a row depends on which other rows are "
                "there, as with frame.x - frame.x.mean(). Make such a mean a parameter "
                "with an equation of its own, or compute the column beforehand."
            )

    def _check_derivative(
        self, params: Floats | None, endog: Floats, exog: Floats
    ) -> None:
        assert params is not None
        given = self.slopes(params, endog, exog).sum(axis=0)
        numeric = self._numeric(params, endog, exog).sum(axis=0)
        differs = np.abs(given - numeric) > DERIVATIVE_TOLERANCE * np.abs(numeric).max()
        if differs.any():
            i, j = (int(k) for k in np.argwhere(differs)[0])
            raise OptionError(
                "derivative= is not the derivative of psi: that of equation "
                f"{i} with respect to {self.constants[j]!r} sums to {given[i, j]:.6g} "
                f"over the labelled rows, and differences of psi to "
                f"{numeric[i, j]:.6g}. Correct it, or leave derivative= out."
            )

"""
Estimating equations that are no score of linear predictors.

A row counts with all its columns, and each equation with a parameter of its own. As an
equation may be multiplied by any number, and be added to another, they are written in
the metric of the labelled rows: so that their derivative is diagonal there, where
regressors are less their means, and each equation is to its parameter what a score is.
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
from statsmodels_synth.problem.scores.predictors import ZERO_RESIDUAL, fits_exactly
from statsmodels_synth.problem.scores.protocol import TargetScore

#: Share of a parameter's own size by which a numeric derivative moves it: the cube root
#: of the rounding error, where central differences lose least.
STEP = float(np.finfo(float).eps ** (1 / 3))
#: By how much a derivative that was given may differ from the numeric one, as a share
#: of the largest.
DERIVATIVE_TOLERANCE = 1e-4
#: Mean of the moments, in units of their root mean square, that counts as zero.
SOLVED = 1e-7
#: Length of what is left of a column, as a share of it, that is rounding.
DEPENDENT = 1e-10
#: Condition number of the derivative from which moments do not identify parameters.
SINGULAR = 1e12
#: Condition number from which regressors count as far from zero.
FAR = 1e6
#: Contribution of rows, as a share of what it is summed from, that is rounding.
LEAST = 1e-12


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
    #: What the equations are multiplied by, so that their derivative is diagonal
    #: in the basis, (P, P); None: nothing, before labels.
    turn: Floats | None = None
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

    @property
    def metric(self) -> Floats:
        """What the equations are multiplied by to be scores, (P, P)."""
        assert self.turn is not None
        assert self.fixed_predictors is not None
        return np.asarray(self.fixed_predictors.T @ self.turn)

    def moments(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        """Left side of the equations, row by row, (rows, P)."""
        raise NotImplementedError

    def slopes(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        """Its derivative with respect to the parameters, (rows, P, P)."""
        raise NotImplementedError

    def slopes_between(
        self, left: Floats, params: Floats, endog: Floats, exog: Floats, right: Floats
    ) -> Floats:
        """The same times a matrix on either side, (rows, P, P)."""
        found = self.slopes(params, endog, exog) @ right
        return np.asarray(left @ found)

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
        params, turn = linear[0], self.turn
        moments = self.moments(params, endog, exog)
        if turn is None:
            return moments, self.slopes(params, endog, exog)
        assert self.basis is not None
        slopes = self.slopes_between(turn, params, endog, exog, self.basis)
        return moments @ turn.T, slopes

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
        told.turn = told.point = told.fixed_predictors = None
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
        to = told.coordinates(exog, own)
        told._check_slope(slope @ to, len(endog))
        told._set_metric(moments, slope @ to, to, own / own.sum())
        told.point = params
        return told

    def coordinates(self, exog: Floats, weights: Floats) -> Floats:
        """
        Derivative of the parameters with respect to those of centred regressors.

        What rows contribute to these hardly goes together, however far from zero the
        regressors are. Of equations of one's own nothing is known.

        Shapes: `exog` (n, p), `weights` (n,) -> (P, P).
        """
        return np.eye(len(self.constants))

    def _set_metric(
        self, moments: Floats, slope: Floats, own: Floats, share: Floats
    ) -> None:
        """
        Units of the coordinates in which rows contribute alike to each.

        Eq. (equations).

        Shapes: `moments` (n, P), `slope` (P, P), derivative with respect to the
        coordinates `own` (P, P), `share` (n,), which sum to one.
        """
        turn, back, condition = inverse_parts(slope)
        rows = moments @ turn.T
        size = _rms(rows, share)
        if condition > FAR:  # directions that have little to do with each other
            rows = rows / size
            _, vectors = np.linalg.eigh((rows.T * share) @ rows)
            own, turn = own @ back @ (size[:, None] * vectors), vectors.T / size @ turn
            most = np.ones(len(size))
        else:
            turn, most = back @ turn, np.abs(back) @ size
        size = np.sqrt(share @ (moments @ turn.T) ** 2)
        size = np.where(size > LEAST * most, size, most)
        length = np.sqrt(len(moments))
        self.turn = -turn / size[:, None] / length
        self.basis = own * size / length
        self.fixed_predictors = np.linalg.inv(own) / size[:, None] * length
        self.param_scale = np.linalg.norm(self.fixed_predictors, axis=0) / length

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
        _, back, condition = inverse_parts(slope)
        if condition > SINGULAR:
            least = self.constants[int(np.argmax(np.abs(back[:, -1])))]
            raise CollinearityError(
                f"The equations of {self.name} do not identify {least!r} from the "
                f"{count(n, 'labelled unit')}: in a direction of it they hardly "
                "change. Leave a parameter out, or add an equation. Take the mean off "
                "columns that are far from zero."
            )


def _rms(rows: Floats, share: Floats) -> Floats:
    """Root mean squares, one where they are zero, (P,)."""
    size = np.sqrt(share @ rows**2)
    return np.asarray(np.where(size > 0.0, size, 1.0))


def inverse_parts(slope: Floats) -> tuple[Floats, Floats, float]:
    """
    Two matrices whose product, second times first, is the inverse; and the condition.

    Neither has lost digits where parameters differ in size, or regressors are far from
    zero, as the inverse has.

    Shapes: `slope` (P, P) -> (P, P), (P, P).

    Examples
    --------
    >>> slope = np.array([[1.0, 1e3], [1e3, 1e6 + 1.0]])
    >>> first, second, condition = inverse_parts(slope)
    >>> bool(np.allclose(first @ slope @ second, np.eye(2))), condition > 1e6
    (True, True)
    """
    down = np.abs(slope).max(axis=1)
    down = np.where(down > 0.0, down, 1.0)
    across = np.abs(slope / down[:, None]).max(axis=0)
    across = np.where(across > 0.0, across, 1.0)
    left, values, right = np.linalg.svd(slope / down[:, None] / across)
    condition = values[0] / values[-1] if values[-1] > 0.0 else np.inf
    values = np.where(values > 0.0, values, 1.0)
    return (left / values).T / down, right.T / across[:, None], float(condition)


def refuse_exact(endog: Floats, error: Floats) -> None:
    """Raise if every label is fitted exactly: no interval has a width then."""
    if fits_exactly(endog, error):
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

    def contributed(params: Floats) -> Floats:
        # Of an equation that is the same in all rows there is no size: in units of what
        # each row contributes to the parameters.
        moments, own = score.moments(params, endog, exog), slope(params)
        if np.all(np.isfinite(own)):
            turn, back, condition = inverse_parts(own)
            if condition < SINGULAR:
                moments = moments @ turn.T @ back.T
        return moments

    def is_zero(params: Floats) -> bool:
        rows = contributed(params)
        size = np.sqrt(weights @ rows**2 / total)
        return bool(np.all(np.abs(weights @ rows / total) <= SOLVED * size))

    if np.all(np.isfinite(mean(guess))) and is_zero(guess):
        return guess, True
    found = guess
    for method in ("hybr", "lm"):
        result = scipy.optimize.root(
            mean, guess, jac=slope, method=method, options={"xtol": 1e-12}
        )
        found = np.asarray(result.x, dtype=float)
        if np.all(np.isfinite(found)) and not is_zero(found):
            # Far from zero the search has lost digits, which Newton's step has not.
            found = found - weights @ contributed(found) / total
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

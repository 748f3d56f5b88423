"""
Learners of the source that is made of auxiliary columns: ridge regressions.

Both choose their penalty, and whether curvature and products pay, by leaving out one
label at a time: a closed form for a ridge regression, and exact to first order for a
logistic one. A learner sees nothing but the rows that it is given: who calls it keeps
the labels of a fold away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from scipy.special import expit, logit

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.core.messages import install, type_name
from statsmodels_synth.core.options import learns
from statsmodels_synth.exceptions import DataError, OptionError

#: From rows of columns to predictions.
Predictor: TypeAlias = Callable[[Floats], Floats]

#: Penalties, in units of one label's information on a standardised column.
PENALTIES = np.geomspace(0.3, 3000.0, 9)
#: Steps of Newton's method per penalty, each from the solution at the one before.
MOST_STEPS = 25
#: Values that a column has at least for curvature in it.
FEWEST_VALUES = 6
#: Where pieces of a curve meet, as shares of the units.
KNOTS = (0.2, 0.4, 0.6, 0.8)
#: Shares are moved so far from zero and one before their logit is taken.
LEAST_SHARE = 1e-3
#: Columns beyond which there is no curvature, and products beyond which there are none.
MOST_CURVED, MOST_PRODUCTS = 40, 60
#: Columns beyond which a binary outcome is learned by least squares as well: Newton's
#: method costs their cube for every penalty, and predictions are as good.
MOST_LOGISTIC = 150


@dataclass(frozen=True)
class Basis:
    """
    What the default learner makes of columns: themselves, curves in them, and products.

    Parameters
    ----------
    curved : ndarray of int
        Columns with curvature.
    knots : ndarray (knots, columns)
        Where pieces of the curves meet.
    shares : ndarray of int
        Columns of shares, which have a logit.
    products : list of (int, int)
        Columns of which there is a product.
    middle, scale : ndarray (K,)
        What brings each resulting column to mean zero and variance one.
    choices : tuple of ndarray of int
        Resulting columns: of the proxies alone, with the others, and with all.
    """

    curved: Positions
    knots: Floats
    shares: Positions
    products: list[tuple[int, int]]
    middle: Floats
    scale: Floats
    choices: tuple[Positions, ...]

    @classmethod
    def of(cls, sample: Floats, k_proxies: int, k_outcomes: int) -> Basis:
        """
        Learn it from rows of which no label is known.

        Shapes: `sample` (R, columns), of which the first `k_proxies` are of proxies.
        """
        k = sample.shape[1]
        several = np.array(
            [len(np.unique(column)) >= FEWEST_VALUES for column in sample.T], dtype=bool
        )
        curved = np.flatnonzero(several) if k <= MOST_CURVED else np.empty(0, np.intp)
        inside = (sample.min(axis=0) >= 0.0) & (sample.max(axis=0) <= 1.0)
        raw = cls(
            curved=curved,
            knots=np.quantile(sample, KNOTS, axis=0),
            shares=curved[inside[curved]],
            products=_pairs(k_outcomes, k),
            middle=np.zeros(1),
            scale=np.ones(1),
            choices=(),
        )
        columns = raw(sample)
        spread = columns.std(axis=0)
        tiny = spread <= 1e-12 * np.abs(columns).max(axis=0)
        numbers = np.flatnonzero(~tiny)
        return cls(
            **vars(raw)
            | {
                "middle": columns.mean(axis=0),
                "scale": np.where(tiny, 1.0, spread),
                "choices": (
                    numbers[numbers < k_proxies],
                    numbers[numbers < k],
                    numbers,
                ),
            }
        )

    def __call__(self, rows: Floats) -> Floats:
        """
        All columns.

        Shapes: `rows` (R, columns) -> (R, K).
        """
        parts = [rows]
        parts += [np.maximum(rows - knot, 0.0)[:, self.curved] for knot in self.knots]
        shares = np.clip(rows[:, self.shares], LEAST_SHARE, 1.0 - LEAST_SHARE)
        parts.append(logit(shares))
        # Centred: the columns themselves are there already.
        centred = rows - self.knots.mean(axis=0)
        parts += [centred[:, [i]] * centred[:, [j]] for i, j in self.products]
        return np.asarray((np.hstack(parts) - self.middle) / self.scale)


def _pairs(k_outcomes: int, k: int) -> list[tuple[int, int]]:
    """Columns to multiply: all pairs if they are few, else those with a proxy."""
    pairs = list(combinations(range(k), 2))
    if len(pairs) > MOST_PRODUCTS:
        pairs = [(i, j) for i, j in pairs if i < k_outcomes]
    return pairs if len(pairs) <= MOST_PRODUCTS else []


@dataclass(frozen=True)
class Fitted:
    """
    Coefficients of a ridge regression, and the error of leaving one label out.

    Parameters
    ----------
    params : ndarray (1 + K,)
        Constant, and coefficients of all columns.
    error : float
        Squared error, or deviance, per label that was left out.
    """

    params: Floats
    error: float


def fit_linear(x: Floats, y: Floats, columns: Positions) -> Fitted:
    """
    Ridge regression on some columns, with the best penalty.

    Shapes: `x` (n, K), `y` (n,).
    """
    n, params = len(y), np.zeros(1 + x.shape[1])
    middle, center = x[:, columns].mean(axis=0), y.mean()
    left, size, right = np.linalg.svd(x[:, columns] - middle, full_matrices=False)
    across = left.T @ (y - center)
    # (P, K): what is left of each direction.
    share = size**2 / (size**2 + PENALTIES[:, None])
    fit = (share * across) @ left.T
    leverage = share @ (left.T**2) + 1.0 / n
    left_out = (y - center - fit) / np.maximum(1.0 - leverage, 1e-10)
    errors = (left_out**2).mean(axis=1)
    best = int(np.argmin(errors))
    safe = np.where(size > 0.0, size, 1.0)
    slopes = right.T @ (share[best] * across / safe)
    params[1 + columns] = slopes
    params[0] = center - middle @ slopes
    return Fitted(params, float(errors[best]))


def fit_logistic(x: Floats, y: Floats, columns: Positions) -> Fitted:
    """
    Logistic ridge regression on some columns, with the best penalty.

    Shapes: `x` (n, K), `y` (n,), between zero and one.
    """
    n, k = len(y), len(columns)
    params = np.zeros(1 + x.shape[1])
    # Half a success and half a failure: finite where all labels are alike.
    start = logit((y.sum() + 0.5) / (n + 1.0))
    if np.ptp(y) == 0.0:
        params[0] = start
        return Fitted(params, 0.0)
    design = np.column_stack([np.ones(n), x[:, columns]])
    beta, best = np.r_[start, np.zeros(k)], Fitted(params, np.inf)
    for penalty in PENALTIES[::-1]:  # strongest first: each is the next one's start
        beta, error = _newton(design, y, beta, np.r_[0.0, np.full(k, penalty / 4.0)])
        if error < best.error:
            params = np.zeros(1 + x.shape[1])
            params[0], params[1 + columns] = beta[0], beta[1:]
            best = Fitted(params, error)
    return best


def _newton(
    design: Floats, y: Floats, beta: Floats, penalty: Floats
) -> tuple[Floats, float]:
    """Solution, and its deviance at labels that were left out, to first order."""
    for _ in range(MOST_STEPS):
        linear = design @ beta
        mean = expit(linear)
        weight = np.maximum(mean * (1.0 - mean), 1e-10)
        information = design.T @ (design * weight[:, None]) + np.diag(penalty)
        gradient = design.T @ (y - mean) - penalty * beta
        step = np.linalg.solve(information, gradient)
        # Where the first step is too long, the next ones are bounded.
        length = float(np.abs(design @ step).max())
        beta = beta + step * min(1.0, 4.0 / max(length, 1e-300))
        if length < 1e-3:
            break
    linear = design @ beta
    mean = expit(linear)
    weight = np.maximum(mean * (1.0 - mean), 1e-10)
    information = design.T @ (design * weight[:, None]) + np.diag(penalty)
    spread = np.einsum("ij,ji->i", design, np.linalg.solve(information, design.T))
    room = np.maximum(1.0 - weight * spread, 1e-3)
    without = linear - spread * (y - mean) / room
    loss = np.logaddexp(0.0, without) - y * without
    return beta, float(loss.mean())


def learned(
    basis: Basis, columns: Floats, y: Floats, *, proxies_alone: bool, binary: bool
) -> Predictor:
    """
    What labels teach of the columns of a basis, by default.

    Shapes: `columns` (n, K), `y` (n,).
    """
    choices = basis.choices[:1] if proxies_alone else basis.choices[1:]
    slow = any(len(choice) > MOST_LOGISTIC for choice in choices)
    fit = fit_logistic if binary and not slow else fit_linear
    fits = [fit(columns, y, choice) for choice in choices]
    best = min(fits, key=lambda own: own.error).params

    def predict(rows: Floats) -> Floats:
        linear = best[0] + rows @ best[1:]
        return np.asarray(expit(linear) if fit is fit_logistic else linear)

    return predict


def check_learner(learner: Any) -> None:
    """Raise unless it learns as scikit-learn's regressors and classifiers do."""
    if not learns(learner):
        raise OptionError(
            f"learner= is a {type_name(learner)}. Give a regressor of scikit-learn "
            "with fit and predict, or a classifier with predict_proba, such as "
            "sklearn.ensemble.GradientBoostingRegressor()."
        )


def learned_by(learner: Any, columns: Floats, y: Floats) -> Predictor:
    """
    What labels teach a learner of scikit-learn, which is copied.

    Shapes: `columns` (n, columns), `y` (n,).
    """
    try:
        from sklearn.base import clone  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(f"learner= needs scikit-learn: {install('learn')}") from error
    own = clone(learner)
    if "random_state" in (given := own.get_params()) and given["random_state"] is None:
        own.set_params(random_state=0)  # the same call gives the same numbers
    if not hasattr(own, "predict_proba"):
        own.fit(columns, y)
        return lambda rows: np.asarray(own.predict(rows), dtype=float).ravel()
    if not np.isin(y, (0.0, 1.0)).all():
        raise OptionError(
            f"learner= is a classifier ({type_name(learner)}), and the outcome has "
            "other values than 0 and 1. Give a regressor."
        )
    if np.ptp(y) == 0.0:
        return lambda rows: np.full(len(rows), y[0])
    own.fit(columns, y)
    return lambda rows: np.asarray(own.predict_proba(rows)[:, 1], dtype=float)


def refuse_no_numbers(values: Floats, learner: Any) -> None:
    """Raise if a learner predicts what is no number."""
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise DataError(
            f"learner= ({type_name(learner)}) predicts {bad} values that are not "
            "finite. Scale the auxiliary columns, or give another learner."
        )

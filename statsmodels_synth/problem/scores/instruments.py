"""Linear models with instruments: two-stage least squares."""

from __future__ import annotations

from collections.abc import Sequence
import copy

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count, suggest
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.problem.scores.moments import (
    MomentScore,
    refuse_dependent,
    refuse_exact,
)
from statsmodels_synth.problem.scores.predictors import centring


class InstrumentalVariables(MomentScore):
    r"""
    Linear regression with instruments, by two-stage least squares.

    In a formula it is ``y ~ x + [d ~ z]``. The equations are

    .. math:: E[\hat\Pi' w_t (y_t - x_t' \theta)] = 0,

    with x the exogenous and endogenous regressors, w the exogenous ones and the
    instruments, and :math:`\hat\Pi` the first stage on the labelled rows, design
    weights included. A source enters with its own y, x and w, whichever it has.

    Parameters
    ----------
    endogenous : str or sequence of str
        Endogenous regressors, columns of `exog` or terms of the formula.
    instruments : str or sequence of str
        Their instruments, which have no coefficient.

    Raises
    ------
    OptionError
        If there are fewer instruments than endogenous regressors.
    CollinearityError
        If the instruments do not identify the coefficients.

    Notes
    -----
    With as many instruments as endogenous regressors the first stage does not matter.
    With more, it is taken as known: where the instruments are valid that changes
    nothing to first order; where effects differ between units the estimate is the
    average of effects that the first stage weighs, as without sources.

    References
    ----------
    Wooldridge, J. M. (2010). Econometric Analysis of Cross Section and Panel Data, 2nd
    ed., chapter 5. MIT Press.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from statsmodels_synth import AugmentedGMM
    >>> rng = np.random.default_rng(0)
    >>> z, u = rng.normal(size=(2, 2000))
    >>> d = z + u + rng.normal(size=2000)
    >>> y = 0.5 * d + u + rng.normal(size=2000)
    >>> units = pd.DataFrame({"d": d, "z": z, "llm": y + 0.3 * rng.normal(size=2000)})
    >>> units["y"] = np.where(np.arange(2000) < 200, y, np.nan)
    >>> model = AugmentedGMM.from_formula("y ~ 1 + [d ~ z]", units, proxy={"y": "llm"})
    >>> model.fit().params.round(2)
    Intercept   -0.02
    d            0.49
    dtype: float64
    """

    name = "two-stage least squares"
    is_linear = True
    is_canonical = True
    is_linear_in_outcome = True

    def __init__(
        self, endogenous: str | Sequence[str], instruments: str | Sequence[str]
    ) -> None:
        self.endogenous, self.instruments = (
            (given,) if isinstance(given, str) else tuple(map(str, given))
            for given in (endogenous, instruments)
        )
        for what, names in (
            ("endogenous", self.endogenous),
            ("instruments", self.instruments),
        ):
            if not names:
                raise OptionError(f"{what}= names no column. Without any, it is OLS.")
        both = [name for name in self.endogenous if name in self.instruments]
        if both:
            raise OptionError(
                f"{both[0]!r} is endogenous and an instrument. It can be one of them."
            )
        self._names: tuple[str, ...] = ()
        self._first: Floats | None = None

    def __repr__(self) -> str:
        """As it is written."""
        endogenous, instruments = list(self.endogenous), list(self.instruments)
        return f"InstrumentalVariables({endogenous!r}, {instruments!r})"

    @property
    def called(self) -> str:
        """The target model in a sentence."""
        return self.name

    @property
    def title(self) -> list[tuple[str, str]]:
        """What the header of a summary says of the target model."""
        return [("Estimator", "2SLS"), ("Instruments", ", ".join(self.instruments))]

    def told_names(self, exog_names: Sequence[str]) -> InstrumentalVariables:
        """The same model, told which column is what."""
        for what, names in (
            ("endogenous", self.endogenous),
            ("instruments", self.instruments),
        ):
            for name in names:
                if name not in exog_names:
                    raise DataError(
                        f"{what}={name!r} is not a column of the regressors, which are "
                        f"{list(exog_names)}.{suggest(name, list(exog_names))}"
                    )
        if len(self.instruments) < len(self.endogenous):
            raise OptionError(
                f"{count(len(self.endogenous), 'endogenous regressor')} ("
                f"{', '.join(self.endogenous)}) need as many instruments or more; "
                f"given: {', '.join(self.instruments)}."
            )
        told = copy.copy(self)
        told._names = tuple(exog_names)
        told.constants = tuple(n for n in exog_names if n not in self.instruments)
        return told

    @property
    def exog_names(self) -> tuple[str, ...]:
        """Columns of the rows: exogenous and endogenous regressors, instruments."""
        return self._names

    @property
    def first_coefficients(self) -> Floats:
        """Coefficients of the first stage, (q, P)."""
        assert self._first is not None
        return self._first

    def _at(self, names: Sequence[str]) -> list[int]:
        return [self._names.index(name) for name in names]

    def regressors(self, exog: Floats) -> Floats:
        """Columns that have a coefficient, (rows, P)."""
        return exog[:, self._at(self.constants)]

    def all_instruments(self, exog: Floats) -> Floats:
        """Exogenous regressors and instruments, (rows, q)."""
        exogenous = [name for name in self._names if name not in self.endogenous]
        return exog[:, self._at(exogenous)]

    def told_labels(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
    ) -> MomentScore:
        """The same model, with the first stage on the labelled rows."""
        root = np.ones(len(endog)) if weights is None else np.sqrt(weights)
        told = copy.copy(self)
        x, w = self.regressors(exog), self.all_instruments(exog)
        names = [name for name in self._names if name not in self.endogenous]
        refuse_dependent(w * root[:, None], names, "instruments")
        refuse_dependent(x * root[:, None], self.constants, "regressors")
        found = np.linalg.lstsq(w * root[:, None], x * root[:, None], rcond=None)
        told._first = np.asarray(found[0], dtype=float)
        refuse_dependent(
            told._fitted(exog) * root[:, None],
            self.constants,
            "regressors as the instruments predict them",
            of=np.linalg.norm(x * root[:, None], axis=0),
        )
        error = endog - x @ told.first_guess(endog, exog, root**2)
        refuse_exact(endog, error)
        return MomentScore.told_labels(told, endog, exog, offset, weights)

    def _fitted(self, exog: Floats) -> Floats:
        return np.asarray(self.all_instruments(exog) @ self.first_coefficients)

    def moments(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        """Fitted regressors times the residual, (rows, P)."""
        residual = endog - self.regressors(exog) @ params
        return self._fitted(exog) * residual[:, None]

    def slopes(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        """Less the product of fitted and actual regressors, (rows, P, P)."""
        fitted, x = self._fitted(exog), self.regressors(exog)
        return -fitted[:, :, None] * x[:, None, :]

    def slopes_between(
        self, left: Floats, params: Floats, endog: Floats, exog: Floats, right: Floats
    ) -> Floats:
        """The same times a matrix on either side, (rows, P, P)."""
        fitted, x = self._fitted(exog) @ left.T, self.regressors(exog) @ right
        return np.asarray(-fitted[:, :, None] * x[:, None, :])

    def coordinates(self, exog: Floats, weights: Floats) -> Floats:
        """Derivative with respect to coefficients of centred regressors, (P, P)."""
        return centring(self.regressors(exog), weights)

    def own_leverages(self, exog: Floats, weights: Floats) -> Floats:
        """Those of least squares on the regressors as the instruments predict them."""
        rows = self._fitted(exog) * np.sqrt(weights)[:, None]
        left, *_ = np.linalg.svd(rows, full_matrices=False)
        return np.asarray((left**2).sum(axis=1))

    def first_guess(self, endog: Floats, exog: Floats, weights: Floats) -> Floats:
        """The estimate itself."""
        fitted, x = self._fitted(exog), self.regressors(exog)
        weighted = (fitted * weights[:, None]).T
        own = centring(x, weights)
        # In a source a column may be constant, which is said where its sums are.
        found = np.linalg.lstsq(weighted @ (x @ own), weighted @ endog, rcond=None)[0]
        return np.asarray(own @ found)

    def predicted(self, exog: Floats, params: Floats) -> Floats:
        """Structural prediction, (rows,)."""
        return np.asarray(self.regressors(exog) @ params)

    def prediction_columns(self, exog: Floats) -> Floats | None:
        """Regressors, (rows, P)."""
        return self.regressors(exog)

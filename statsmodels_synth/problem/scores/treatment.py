"""Average treatment effects: difference in means, regression adjustment, AIPW."""

from __future__ import annotations

from collections.abc import Sequence
import copy
import re

import numpy as np
import scipy.linalg
from scipy.special import expit
from statsmodels.genmod import families

from statsmodels_synth.core.arrays import Bools, Floats
from statsmodels_synth.core.messages import count, show, suggest
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.problem.scores.glm import glm_score
from statsmodels_synth.problem.scores.moments import (
    MomentScore,
    refuse_dependent,
    refuse_exact,
)
from statsmodels_synth.problem.scores.predictors import ZERO_RESIDUAL, centring

#: Propensity that a logistic regression has only where arms are separated.
SURE = 1e-8


class AverageTreatmentEffect(MomentScore):
    r"""
    Average effect of a treatment of two levels.

    With the formula ``y ~ treated + x`` and the score
    ``AverageTreatmentEffect("treated")`` it is regression-adjusted: the outcome is
    regressed on the covariates in each arm, and the difference of the two predictions
    is averaged over units, as Lin (2013) does for experiments. Without covariates it is
    the difference in means. With propensities it is augmented by inverse probabilities
    (AIPW; Robins, Rotnitzky and Zhao 1994),

    .. math::
        E\Bigl[m_1(x) - m_0(x) + \frac{d (y - m_1(x))}{e(x)}
            - \frac{(1 - d) (y - m_0(x))}{1 - e(x)} - \tau\Bigr] = 0 .

    Regressions and propensities are parameters with equations of their own, so that the
    standard error of the effect counts what they cost.

    Parameters
    ----------
    treatment : str
        Column that says who was treated, 0 or 1; of a source also a probability.
    propensity : float, str or "logit", optional
        Probability of being treated: the one number of an experiment; the column that
        has it, which then is no covariate; or "logit": a logistic regression on the
        covariates. If omitted, regression adjustment alone.

    Raises
    ------
    OptionError
        If there is no such column, or the number is no probability.
    DataError
        If the treatment has other values than 0 and 1 among the labels, or an arm has
        no more labels than coefficients.

    Notes
    -----
    The effect is causal if treatment was given at random, or at random given the
    covariates. A source may have coded the outcome, the treatment or a covariate; what
    it says is only compared with itself, on labelled and on all units, so that its
    errors do not bias the effect, whichever of these they are in and whether or not
    they differ between arms. What people coded is taken as true.

    References
    ----------
    Lin, W. (2013). Agnostic notes on regression adjustments to experimental data.
    Annals of Applied Statistics 7, 295-318.

    Robins, J. M., Rotnitzky, A. and Zhao, L. P. (1994). Estimation of regression
    coefficients when some regressors are not always observed. Journal of the American
    Statistical Association 89, 846-866.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from statsmodels_synth import AugmentedGMM
    >>> from statsmodels_synth.scores import AverageTreatmentEffect
    >>> rng = np.random.default_rng(0)
    >>> x, noise = rng.normal(size=(2, 2000))
    >>> units = pd.DataFrame({"x": x, "treated": rng.integers(0, 2, 2000)})
    >>> y = 0.4 * units.treated + x + noise
    >>> units["llm"] = y + rng.normal(scale=0.5, size=2000)
    >>> units["y"] = y.where(units.index < 200)
    >>> model = AugmentedGMM.from_formula(
    ...     "y ~ treated + x",
    ...     units,
    ...     proxy={"y": "llm"},
    ...     score=AverageTreatmentEffect("treated", propensity=0.5),
    ... )
    >>> round(float(model.fit().params["ATE"]), 2)
    0.43
    """

    is_linear_in_outcome = True

    def __init__(self, treatment: str, propensity: float | str | None = None) -> None:
        self.treatment, self.propensity = treatment, propensity
        known = not (isinstance(propensity, str) and propensity == "logit")
        self.is_linear = self.is_canonical = known
        number = propensity is not None and not isinstance(propensity, str)
        if number and not 0.0 < float(propensity) < 1.0:  # type: ignore[arg-type]
            raise OptionError(
                f"propensity={propensity!r} must be between 0 and 1: the probability "
                "of being treated."
            )
        self.name = "regression adjustment" if propensity is None else "AIPW"
        self._names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """As it is written."""
        given = self.propensity
        known = "" if given is None else f", propensity={show(given)}"
        return f"AverageTreatmentEffect({self.treatment!r}{known})"

    @property
    def called(self) -> str:
        """The target model in a sentence."""
        return f"the treatment effect by {self.name}"

    @property
    def title(self) -> list[tuple[str, str]]:
        """What the header of a summary says of the target model."""
        said = [("Estimand", f"ATE of {self.treatment}"), ("Estimator", self.name)]
        if self.propensity is not None:
            said.append(("Propensity", str(self.propensity)))
        return said

    @property
    def _column(self) -> str | None:
        """Column of the propensities, if there is one."""
        given = self.propensity
        return given if isinstance(given, str) and given != "logit" else None

    def told_names(self, exog_names: Sequence[str]) -> AverageTreatmentEffect:
        """The same model, told which column is what."""
        told = copy.copy(self)
        if self.treatment not in exog_names:
            # Of text, or of True and False, the formula makes one column of two levels.
            own = re.compile(rf"(C\()?{re.escape(self.treatment)}\)?\[.*\]")
            made = [name for name in exog_names if own.fullmatch(name)]
            told.treatment = made[0] if len(made) == 1 else self.treatment
        asked = (("treatment", told.treatment), ("propensity", self._column))
        for what, name in asked:
            if name is not None and name not in exog_names:
                raise OptionError(
                    f"{what}={name!r} is not a column of the regressors, which are "
                    f"{list(exog_names)}.{suggest(name, list(exog_names))}"
                )
        told._names = tuple(exog_names)
        covariates = told.covariates
        parts = ["control", "treated"]
        parts += ["propensity"] if self.propensity == "logit" else []
        told.constants = (
            "ATE",
            *(f"{part}:{name}" for part in parts for name in covariates),
        )
        return told

    def strange_rows(self, exog: Floats) -> tuple[Bools, str] | None:
        """Treatments that are no probability, and propensities of 0 or 1."""
        d, _ = self._columns(exog)
        bad = (d < 0.0) | (d > 1.0)
        if bad.any() or self._column is None:
            text = f"treatment {self.treatment!r} must be 0 or 1, or between"
            return bad, text
        chance = self._chance(exog, exog, np.empty(0))
        text = f"propensity {self._column!r} must be between 0 and 1, both excluded"
        return (chance <= 0.0) | (chance >= 1.0), text

    @property
    def covariates(self) -> list[str]:
        """Columns that outcome and propensity are regressed on."""
        others = {self.treatment, self._column}
        return [name for name in self._names if name not in others]

    def _columns(self, exog: Floats) -> tuple[Floats, Floats]:
        """Treatment (rows,), and covariates (rows, k)."""
        at = [self._names.index(name) for name in self.covariates]
        return exog[:, self._names.index(self.treatment)], exog[:, at]

    def _chance(self, exog: Floats, w: Floats, params: Floats) -> Floats:
        """Propensity of each row, (rows,)."""
        if self._column is not None:
            return np.asarray(exog[:, self._names.index(self._column)])
        if self.propensity == "logit":
            return np.asarray(expit(w @ params[-w.shape[1] :]))
        assert self.propensity is not None
        return np.full(len(exog), float(self.propensity))

    def told_labels(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
    ) -> MomentScore:
        """The same model, checked on the labelled rows, in their metric."""
        d, w = self._columns(exog)
        other = d[(d != 0.0) & (d != 1.0)]
        if len(other):
            raise DataError(
                f"data: treatment {self.treatment!r} must be 0 or 1 for labelled "
                f"units; {count(len(other), 'label')} are not, such as {other[0]:g}."
            )
        for which, number in (("treated", d.sum()), ("not treated", (1.0 - d).sum())):
            if number <= w.shape[1]:
                raise DataError(
                    f"{count(int(number), 'labelled unit')} "
                    f"{'was' if number == 1 else 'were'} {which}, for "
                    f"{count(w.shape[1], 'coefficient')} ("
                    f"{', '.join(map(repr, self.covariates))}). Label more of them, or "
                    "use fewer covariates."
                )
        if self._column is not None:
            chance = self._chance(exog, w, np.empty(0))
            outside = chance[(chance <= 0.0) | (chance >= 1.0)]
            if len(outside):
                raise DataError(
                    f"data: propensity {self._column!r} must be between 0 and 1, both "
                    f"excluded; {count(len(outside), 'labelled unit')} have others, "
                    f"such as {outside[0]:g}. Leave out units that could only be in "
                    "one arm."
                )
        self._check_constant(w)
        error = np.empty(len(endog))
        for which, arm in (("treated", d == 1.0), ("not treated", d == 0.0)):
            refuse_dependent(w[arm], self.covariates, f"covariates of those {which}")
            own = np.linalg.lstsq(w[arm], endog[arm], rcond=None)[0]
            error[arm] = endog[arm] - w[arm] @ own
        refuse_exact(endog, error)
        if self.propensity == "logit":
            self._check_overlap(d, w, weights)
        return super().told_labels(endog, exog, offset, weights)

    def _check_constant(self, w: Floats) -> None:
        """Raise if regressions through the origin would make up the effect."""
        if isinstance(self.propensity, float) or self._column is not None:
            return  # right whatever the regressions are
        ones = np.ones(len(w))
        left = ones - w @ np.linalg.lstsq(w, ones, rcond=None)[0]
        if np.abs(left).max() > ZERO_RESIDUAL:
            raise OptionError(
                f"{self.called} needs a constant among the regressors "
                f"({', '.join(map(repr, self._names))}): without one the regressions "
                "of both arms go through the origin. Leave '0 +' or '- 1' out."
            )

    def _check_overlap(self, d: Floats, w: Floats, weights: Floats | None) -> None:
        """Raise if covariates tell who was treated."""
        found = glm_score(families.Binomial()).start(d, w, None, weights)
        chance = expit(w @ found)
        sure = np.minimum(chance, 1.0 - chance) < SURE
        if sure.any() or not np.all(np.isfinite(chance)):
            raise DataError(
                f"For {count(int(sure.sum()), 'labelled unit')} the covariates ("
                f"{', '.join(map(repr, self.covariates))}) tell who was treated: "
                "propensities come to 0 or 1. An effect needs units in both arms that "
                "are alike: leave a covariate or such units out."
            )

    def moments(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        """Effect, then the regressions of control and treated, (rows, P)."""
        d, w = self._columns(exog)
        k = w.shape[1]
        own, other = (
            endog - w @ params[1 + arm * k : 1 + (arm + 1) * k] for arm in (1, 0)
        )
        effect = other - own - params[0]  # of the predictions
        parts = [w * ((1.0 - d) * other)[:, None], w * (d * own)[:, None]]
        if self.propensity is not None:
            chance = self._chance(exog, w, params)
            effect += d * own / chance - (1.0 - d) * other / (1.0 - chance)
            if self.propensity == "logit":
                parts.append(w * (d - chance)[:, None])
        return np.hstack([effect[:, None], *parts])

    def slopes(self, params: Floats, endog: Floats, exog: Floats) -> Floats:
        """Derivative of the equations with respect to the parameters, (rows, P, P)."""
        d, w = self._columns(exog)
        k, size = w.shape[1], len(self.constants)
        result = np.zeros((len(endog), size, size))
        square = w[:, :, None] * w[:, None, :]
        control, treated = slice(1, 1 + k), slice(1 + k, 1 + 2 * k)
        result[:, 0, 0] = -1.0
        result[:, control, control] = -(1.0 - d)[:, None, None] * square
        result[:, treated, treated] = -d[:, None, None] * square
        left = right = np.ones(len(endog))
        if self.propensity is not None:
            chance = self._chance(exog, w, params)
            left, right = 1.0 - (1.0 - d) / (1.0 - chance), 1.0 - d / chance
        result[:, 0, control] = -w * left[:, None]
        result[:, 0, treated] = w * right[:, None]
        if self.propensity == "logit":
            odds, at = chance / (1.0 - chance), slice(1 + 2 * k, None)
            moved = -d * (endog - w @ params[treated]) / odds
            moved -= (1.0 - d) * (endog - w @ params[control]) * odds
            result[:, 0, at] = w * moved[:, None]
            result[:, at, at] = -(chance * (1.0 - chance))[:, None, None] * square
        return result

    def coordinates(self, exog: Floats, weights: Floats) -> Floats:
        """Derivative with respect to coefficients of centred covariates, (P, P)."""
        _, w = self._columns(exog)
        own = centring(w, weights)
        blocks = (len(self.constants) - 1) // w.shape[1]
        return np.asarray(scipy.linalg.block_diag(1.0, *[own] * blocks))

    def first_guess(self, endog: Floats, exog: Floats, weights: Floats) -> Floats:
        """The estimate itself, or with a fitted propensity close to it."""
        d, w = self._columns(exog)
        arms = []
        for share in ((1.0 - d), d):
            root = np.sqrt(weights * np.clip(share, 0.0, None))
            found = np.linalg.lstsq(w * root[:, None], endog * root, rcond=None)
            arms.append(found[0])
        params = np.concatenate([[0.0], *arms])
        if self.propensity == "logit":
            logit = glm_score(families.Binomial())
            own = logit.start(np.clip(d, 0.0, 1.0), w, None, weights)
            params = np.concatenate([params, own])
        with np.errstate(all="ignore"):
            effect = self.moments(params, endog, exog)[:, 0]
        params[0] = weights @ effect / weights.sum()
        return params

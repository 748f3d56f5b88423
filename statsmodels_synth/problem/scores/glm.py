"""Generalised linear models of statsmodels."""

from __future__ import annotations

from typing import Any

import numpy as np
from statsmodels.genmod import families

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.problem.scores.protocol import TargetScore

#: Steps of reweighted least squares, and by how much the last may change the deviance.
MAX_REWEIGHTED = 100
SMALL_DEVIANCE = 1e-6


class FamilyScore(TargetScore):
    """
    Score factors of any family and link of statsmodels, Eq. (score).

    The derivative is the observed one, with the terms that vanish in
    expectation: it is the Jacobian of the moments also where the model is
    misspecified and the link is not canonical.

    Parameters
    ----------
    family : statsmodels.genmod.families.Family
        Family with its link.
    """

    kind = "family"
    is_linear_in_outcome = True

    def __init__(self, family: families.Family) -> None:
        self.family, self.link = family, family.link
        self.name = type(family).__name__
        self.low, self.high, self.low_open, self.range_text = admissible_range(family)
        # At a bound of a binary or a log link a coefficient may run to infinity.
        self.separable = isinstance(family, families.Binomial) or (
            isinstance(family.link, families.links.Log) and self.low == 0.0
        )

    @property
    def called(self) -> str:
        """The family in a sentence."""
        return f"the {self.name} family"

    @property
    def title(self) -> list[tuple[str, str]]:
        """Family and link."""
        return [("Family", self.name), ("Link", type(self.link).__name__)]

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """Score factor and its derivative, (rows,) each."""
        link, variance = self.family.link, self.family.variance
        mean = link.inverse(linear)
        slope = link.inverse_deriv(linear)
        curvature = link.inverse_deriv2(linear)
        var = variance(mean)
        residual = endog - mean
        ratio = slope / var
        derivative = residual * (curvature / var - ratio * ratio * variance.deriv(mean))
        derivative -= slope * ratio
        return residual * ratio, derivative

    def mean(self, linear: Floats) -> Floats:
        """Mean of the outcome, (rows,)."""
        return np.asarray(self.link.inverse(linear))

    def start(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None = None,
        weights: Floats | None = None,
    ) -> Floats:
        """
        The estimate of the GLM, by iteratively reweighted least squares, (p,).

        The same numbers as ``GLM.fit(tol=1e-6)`` of statsmodels, which warns of much
        that does not matter in a start: whether the problem has a solution, and the
        solver found it, is judged on the moments themselves. Zero where an outcome
        cannot be started from, or is fitted exactly: the solver finds out which.
        """
        with np.errstate(all="ignore"):
            found = _reweighted(self.family, endog, exog, offset, weights)
        if found is None:
            return np.zeros(exog.shape[1])
        return np.where(np.isfinite(found), found, 0.0)

    def loss(
        self, endog: Floats, linear: Floats, weights: Floats | None
    ) -> float | None:
        """The deviance."""
        own = 1.0 if weights is None else weights
        with np.errstate(all="ignore"):
            return float(self.family.deviance(endog, self.mean(linear), own))


class GaussianIdentityScore(FamilyScore):
    """Score factors of least squares: ``s = y - eta``, ``s' = -1``."""

    is_canonical = True
    is_linear = True

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """Score factor and its derivative, (rows,) each."""
        return endog - linear, np.full(linear.shape[0], -1.0)


class BinomialLogitScore(FamilyScore):
    """Score factors of logistic regression: ``s = y - mu``, ``s' = -mu (1 - mu)``."""

    is_canonical = True
    is_linear = False

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """Score factor and its derivative, (rows,) each."""
        # In place, and half the time of scipy.special.expit.
        mean = np.negative(linear)
        with np.errstate(over="ignore"):  # exp(-linear) = inf gives the mean 0
            np.exp(mean, out=mean)
        mean += 1.0
        np.reciprocal(mean, out=mean)
        derivative = mean - 1.0
        derivative *= mean
        return np.subtract(endog, mean, out=mean), derivative


class PoissonLogScore(FamilyScore):
    """Score factors of Poisson regression: ``s = y - mu``, ``s' = -mu``."""

    is_canonical = True
    is_linear = False

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """Score factor and its derivative, (rows,) each."""
        mean = np.exp(linear)
        return endog - mean, np.negative(mean, out=mean)


_CANONICAL: tuple[tuple[type, type, type[FamilyScore]], ...] = (
    (families.Gaussian, families.links.Identity, GaussianIdentityScore),
    (families.Binomial, families.links.Logit, BinomialLogitScore),
    (families.Poisson, families.links.Log, PoissonLogScore),
)


def glm_score(family: Any) -> FamilyScore:
    """
    Score of a generalised linear model.

    Parameters
    ----------
    family : statsmodels.genmod.families.Family
        Family with its link.

    Returns
    -------
    Score
        The closed form for Gaussian, Binomial and Poisson with their canonical
        links, else the general form.

    Raises
    ------
    OptionError
        If `family` is not an instance of a statsmodels family.

    Examples
    --------
    >>> import numpy as np, statsmodels.api as sm
    >>> s, ds = glm_score(sm.families.Poisson()).factors(np.ones(1), np.zeros(1))
    >>> s, ds
    (array([0.]), array([-1.]))
    """
    if not isinstance(family, families.Family):
        raise OptionError(
            f"family={family!r} is not a statsmodels family. Give an instance, such "
            "as sm.families.Binomial(). If it is a score of your own, give it as "
            "score=."
        )
    for family_type, link_type, score_type in _CANONICAL:
        # Exact types: CDFLink and CLogLog derive from Logit in statsmodels.
        types = (type(family), type(family.link))
        if types == (family_type, link_type):
            return score_type(family)
    return FamilyScore(family)


def admissible_range(family: families.Family) -> tuple[float, float, bool, str]:
    """
    Values of y that the family admits.

    Parameters
    ----------
    family : statsmodels.genmod.families.Family
        The family.

    Returns
    -------
    low, high : float
        Bounds.
    low_open : bool
        Whether `low` itself is not admitted.
    text : str
        The range in words.

    Examples
    --------
    >>> import statsmodels.api as sm
    >>> admissible_range(sm.families.Gamma())
    (0.0, inf, True, 'above 0')
    """
    inf = float("inf")
    if isinstance(family, families.Binomial):
        return 0.0, 1.0, False, "between 0 and 1"
    if isinstance(family, (families.Gamma, families.InverseGaussian)):
        return 0.0, inf, True, "above 0"
    if isinstance(family, families.Tweedie) and family.var_power >= 2:
        return 0.0, inf, True, "above 0"
    if isinstance(
        family, (families.Poisson, families.NegativeBinomial, families.Tweedie)
    ):
        return 0.0, inf, False, "0 or above"
    return -inf, inf, False, "finite"


def _reweighted(
    family: families.Family,
    endog: Floats,
    exog: Floats,
    offset: Floats | None,
    weights: Floats | None,
) -> Floats | None:
    """Weighted regressions on the linearised outcome, until the deviance stands."""
    shift = 0.0 if offset is None else offset
    own = 1.0 if weights is None else weights
    p, params, mean = exog.shape[1], None, family.starting_mu(endog)
    linear, scale = family.link(mean), _scale(family, endog, mean, own, p)
    before = family.deviance(endog, mean, own, scale=scale)
    if np.isnan(before):
        return None
    for _ in range(MAX_REWEIGHTED):
        root = np.sqrt(own * family.weights(mean))
        working = linear + family.link.deriv(mean) * (endog - mean) - shift
        if not (np.all(np.isfinite(root)) and np.all(np.isfinite(working))):
            return None
        params = np.linalg.lstsq(exog * root[:, None], working * root, rcond=-1)[0]
        linear = exog @ params + shift
        mean = family.link.inverse(linear)
        # In units of the dispersion, which that of the step before is close to.
        deviance = family.deviance(endog, mean, own, scale=scale)
        scale = _scale(family, endog, mean, own, p)
        if abs(deviance - before) <= SMALL_DEVIANCE:
            break
        before = deviance
    return params


def _scale(
    family: families.Family, endog: Floats, mean: Floats, own: Any, p: int
) -> float:
    """Dispersion, where the family does not fix it: Pearson's, as in statsmodels."""
    if isinstance(
        family, (families.Binomial, families.Poisson, families.NegativeBinomial)
    ):
        return 1.0
    total = np.sum(own * (endog - mean) ** 2 / family.variance(mean))
    return float(total / (len(endog) - p))

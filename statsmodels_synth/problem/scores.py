"""
Score of the target model, row by row.

The moment function of the paper, psi(theta; y, x), is the score of a
generalised linear model. For one row with linear predictor
``eta = x @ theta + offset`` and mean ``mu``, it is ``x`` times a scalar,

    s(eta) = (y - mu) mu'(eta) / V(mu),

and its derivative with respect to theta is ``x x'`` times the scalar
``s'(eta)``. Everything else in the package works with these two scalars, so
another target model needs another class with the same method.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from statsmodels.genmod import families

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.exceptions import OptionError


class Score(Protocol):
    """
    What the sums over rows need to know of a target model.

    Attributes
    ----------
    is_canonical : bool
        Whether the derivative does not depend on the outcome.
    is_linear : bool
        Whether it is constant, so that Newton's first step is the last.
    """

    is_canonical: bool
    is_linear: bool

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """
        Score factor and its derivative, row by row.

        Parameters
        ----------
        endog : ndarray (rows,)
            Outcome.
        linear : ndarray (rows,)
            Linear predictor.

        Returns
        -------
        factor, derivative : ndarray (rows,)
            New arrays ``s`` and ``s'``, which the caller may overwrite.
        """
        ...


class GaussianIdentityScore:
    """Score factors of least squares: ``s = y - eta``, ``s' = -1``."""

    is_canonical = True
    is_linear = True

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """See :class:`Score`."""
        return endog - linear, np.full(linear.shape[0], -1.0)


class BinomialLogitScore:
    """Score factors of logistic regression: ``s = y - mu``, ``s' = -mu (1 - mu)``."""

    is_canonical = True
    is_linear = False

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """See :class:`Score`."""
        # In place, and half the time of scipy.special.expit.
        mean = np.negative(linear)
        with np.errstate(over="ignore"):  # exp(-linear) = inf gives the mean 0
            np.exp(mean, out=mean)
        mean += 1.0
        np.reciprocal(mean, out=mean)
        derivative = mean - 1.0
        derivative *= mean
        return np.subtract(endog, mean, out=mean), derivative


class PoissonLogScore:
    """Score factors of Poisson regression: ``s = y - mu``, ``s' = -mu``."""

    is_canonical = True
    is_linear = False

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """See :class:`Score`."""
        mean = np.exp(linear)
        return endog - mean, np.negative(mean, out=mean)


class FamilyScore:
    """
    Score factors of any family and link of statsmodels.

    The derivative is the observed one, with the terms that vanish in
    expectation: it is the Jacobian of the moments also where the model is
    misspecified and the link is not canonical.

    Parameters
    ----------
    family : statsmodels.genmod.families.Family
        Family with its link.
    """

    is_canonical = False
    is_linear = False

    def __init__(self, family: families.Family) -> None:
        self.family = family

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """See :class:`Score`. Eq. (score)."""
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


_CANONICAL: tuple[tuple[type, type, type[Score]], ...] = (
    (families.Gaussian, families.links.Identity, GaussianIdentityScore),
    (families.Binomial, families.links.Logit, BinomialLogitScore),
    (families.Poisson, families.links.Log, PoissonLogScore),
)


def glm_score(family: Any) -> Score:
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
            "as sm.families.Binomial()."
        )
    for family_type, link_type, score_type in _CANONICAL:
        # Exact types: CDFLink and CLogLog derive from Logit in statsmodels.
        types = (type(family), type(family.link))
        if types == (family_type, link_type):
            return score_type()
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

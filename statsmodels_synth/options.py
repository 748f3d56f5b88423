"""Options of the interface: the values that exist and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from statsmodels_synth.exceptions import OptionError, suggest

CovType: TypeAlias = Literal["robust", "cluster"]
Engine: TypeAlias = Literal["patsy", "formulaic"]
Kind: TypeAlias = Literal["proxy", "synthetic"]
Missing: TypeAlias = Literal["drop", "raise"]
WeightsMethod: TypeAlias = Literal["cov"]
#: What the two main variants are called, in every header, table, figure and page.
FEW_LABEL_DEFAULT = "few-label default"
PAPER = "Byun et al. (2025)"
#: Number of steps: 1 (identity weight), 2 (two-step), more (iterated), or "cue".
MaxIter: TypeAlias = int | Literal["cue"]

#: What statsmodels calls covariances that are robust to heteroskedasticity.
_ROBUST = {"HC", "HC0", "HC1", "HC2", "HC3", "HC4", "SANDWICH", "WHITE"}


def check_choice(name: str, value: object, alias: Any) -> None:
    """
    Raise unless `value` is one of the strings that a Literal alias lists.

    Parameters
    ----------
    name : str
        Name of the option, for the message.
    value : object
        What the user gave.
    alias : typing.Literal
        The alias that lists what exists.

    Raises
    ------
    OptionError
        If the value does not exist; the message lists those that do.

    Examples
    --------
    >>> check_choice("missing", "dorp", Missing)
    Traceback (most recent call last):
    ...
    statsmodels_synth.exceptions.OptionError: missing='dorp' does not exist. \
Did you mean 'drop'?
    """
    known = get_args(alias)
    if value not in known:
        raise OptionError(f"{name}={value!r} does not exist.{suggest(value, known)}")


def check_flag(name: str, value: object) -> None:
    """
    Raise unless `value` is True or False.

    Parameters
    ----------
    name : str
        Name of the option, for the message.
    value : object
        What the user gave.

    Raises
    ------
    OptionError
        Says so.
    """
    if not isinstance(value, (bool, np.bool_)) and not (
        isinstance(value, Integral) and value in (0, 1)
    ):
        raise OptionError(f"{name}={value!r} does not exist. Give True or False.")


def check_alpha(alpha: object, name: str = "alpha") -> float:
    """
    Raise unless a level is a number between 0 and 1.

    Parameters
    ----------
    alpha : object
        What the user gave.
    name : str
        Its name, for the message.

    Returns
    -------
    float
        The level.

    Raises
    ------
    OptionError
        If it is not a number strictly between 0 and 1.

    Examples
    --------
    >>> check_alpha(0.1)
    0.1
    """
    if (
        isinstance(alpha, (bool, np.bool_))
        or not isinstance(alpha, Real)
        or not 0 < float(alpha) < 1
    ):
        raise OptionError(
            f"{name}={alpha!r} is not between 0 and 1. Give one minus the level of the "
            "interval, such as 0.10 for an interval of 90 %."
        )
    return float(alpha)


def check_count(name: str, value: object, least: int = 1) -> int:
    """
    Raise unless an option is a whole number.

    Parameters
    ----------
    name : str
        Name of the option, for the message.
    value : object
        What the user gave.
    least : int
        Smallest value that makes sense.

    Returns
    -------
    int
        The number.

    Raises
    ------
    OptionError
        If it is not whole or too small.

    Examples
    --------
    >>> check_count("n_boot", 999)
    999
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    number = int(value) if isinstance(value, Integral) and whole else least - 1
    if number < least:
        raise OptionError(f"{name}={value!r} must be a whole number >= {least}.")
    return number


def check_keywords(where: str, given: Mapping[str, object], known: list[str]) -> None:
    """
    Raise if a keyword is not known.

    Parameters
    ----------
    where : str
        The callable, for the message.
    given : mapping
        The keywords that were not recognised.
    known : list of str
        The keywords that exist.

    Raises
    ------
    OptionError
        Names the first unknown keyword and what exists.
    """
    for name in given:
        if name not in known:
            raise OptionError(f"{where} has no option {name!r}.{suggest(name, known)}")


@dataclass(frozen=True)
class FitSettings:
    """
    Validated settings of one fit.

    Parameters
    ----------
    maxiter : int or "cue"
        Steps of the estimator.
    weights_method : str
        How the weight matrix is estimated; "cov" is the inverse second moment.
    cov_type : str
        Covariance of the estimates.
    centered : bool
        Whether the second moment of the moment conditions is centred.
    use_t : bool
        Student t instead of normal quantiles.
    use_correction : bool
        Whether control coefficients are shrunken and the covariance is that for few
        labels.
    """

    maxiter: MaxIter = 2
    weights_method: WeightsMethod = "cov"
    cov_type: CovType = "robust"
    centered: bool = False
    use_t: bool = True
    use_correction: bool = True

    def __post_init__(self) -> None:
        check_choice("weights_method", self.weights_method, WeightsMethod)
        if str(self.cov_type).upper() in _ROBUST:
            raise OptionError(
                f"cov_type={self.cov_type!r} does not exist by this name. 'robust', "
                "the default, is of this kind: HC3 for the labels alone, and HC0 with "
                "use_correction=False. There are: 'robust', 'cluster'."
            )
        check_choice("cov_type", self.cov_type, CovType)
        whole = isinstance(self.maxiter, Integral) and not isinstance(
            self.maxiter, bool
        )
        if self.maxiter != "cue" and not (whole and int(self.maxiter) >= 1):
            raise OptionError(
                f"maxiter={self.maxiter!r} does not exist. Give 1 (one-step), 2 "
                "(two-step, the default), a larger integer (iterated) or 'cue'."
            )
        for name in ("centered", "use_t", "use_correction"):
            check_flag(name, getattr(self, name))

        if self.maxiter == "cue" and self.use_correction:
            raise OptionError(
                "maxiter='cue' has no correction for few labels. Leave use_correction "
                "out, or use maxiter=2."
            )

    @property
    def shrinks(self) -> bool:
        """Whether the control coefficients are shrunken."""
        return self.use_correction and self.maxiter != 1

    @property
    def covariance_note(self) -> str:
        """What the standard errors are, in a sentence."""
        clustered = " and to dependence within clusters" * (self.cov_type == "cluster")
        kind = (
            "corrected for few " + ("clusters" if clustered else "labels")
            if self.use_correction
            else "asymptotic"
        )
        return (
            f"Standard errors are {kind}, and robust to misspecification of the model"
            f"{clustered}."
        )

    @property
    def variant(self) -> str:
        """Variant of GMM-Synth, as the summary prints it."""
        if self.shrinks:
            return FEW_LABEL_DEFAULT
        if self.maxiter == "cue":
            return "continuously updated"
        two_step = "two-step, centred" if self.centered else PAPER
        return {1: "one-step", 2: two_step}.get(self.maxiter, "iterated")

    @property
    def method(self) -> str:
        """Name of the estimator with its variant."""
        return f"GMM-Synth, {self.variant}"

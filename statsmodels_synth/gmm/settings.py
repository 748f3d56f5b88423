"""Options of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from statsmodels_synth.core.options import (
    CovType,
    MaxIter,
    Population,
    WeightsMethod,
    check_choice,
    check_flag,
)
from statsmodels_synth.exceptions import OptionError

#: What the two main variants are called, in every header, table, figure and page.
FEW_LABEL_DEFAULT = "few-label default"
PAPER = "Byun et al. (2025)"


_FINITE = (
    " The units are the population: intervals are for the coefficients that labels for "
    "all of them would give, and leave out the variance from drawing the units."
)

#: What statsmodels calls covariances that are robust to heteroskedasticity.
_ROBUST = {"HC", "HC0", "HC1", "HC2", "HC3", "HC4", "SANDWICH", "WHITE"}


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
        Whether what is taken off is shrunken and the covariance is that for few
        labels.
    population : str
        What the coefficients are of: "superpopulation", which the units were drawn
        from, or "finite", the units themselves.
    rescaled : bool
        Whether the first step was taken in another basis than that of the paper; found
        by the fit, not chosen.
    """

    maxiter: MaxIter = 2
    weights_method: WeightsMethod = "cov"
    cov_type: CovType = "robust"
    centered: bool = False
    use_t: bool = True
    use_correction: bool = True
    population: Population = "superpopulation"
    rescaled: bool = False

    def __post_init__(self) -> None:
        check_choice("weights_method", self.weights_method, WeightsMethod)
        if str(self.cov_type).upper() in _ROBUST:
            raise OptionError(
                f"cov_type={self.cov_type!r} does not exist by this name. 'robust', "
                "the default, is of this kind: HC3 for the labels alone, and HC0 with "
                "use_correction=False. There are: 'robust', 'cluster'."
            )
        check_choice("cov_type", self.cov_type, CovType)
        check_choice("population", self.population, Population)
        if self.is_finite and self.cov_type == "cluster":
            raise OptionError(
                "population='finite' has no cov_type='cluster'. Where units were "
                "chosen for labelling one by one, leave cov_type out: that units of a "
                "cluster are alike is no matter of chance when they are the population "
                "(name clusters in strata= if each has a fixed number of labels). "
                "Where whole clusters were chosen, leave population out: intervals are "
                "then too long, not too short."
            )
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
    def is_finite(self) -> bool:
        """Whether the units themselves are the population."""
        return self.population == "finite"

    @property
    def shrinks(self) -> bool:
        """Whether what is taken off for the sources is shrunken."""
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
            f"{clustered}.{_FINITE * self.is_finite}"
        )

    @property
    def variant(self) -> str:
        """Variant of GMM-Synth, as the summary prints it."""
        if self.shrinks:
            return FEW_LABEL_DEFAULT
        if self.maxiter == 1:
            return "one-step (labels only)"
        if self.maxiter == "cue":
            # Its minimum does not depend on the first step.
            return "continuously updated"
        steps = PAPER if self.maxiter == 2 else "iterated"
        if self.centered:
            steps = "two-step, centred" if self.maxiter == 2 else "iterated, centred"
        return steps + ", rescaled first step" * self.rescaled

    @property
    def method(self) -> str:
        """Name of the estimator with its variant."""
        return f"GMM-Synth, {self.variant}"

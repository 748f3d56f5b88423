"""Tests and confidence sets that hold however weak the instruments are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from numbers import Real
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import optimize, stats
from statsmodels.genmod import families
from statsmodels.iolib.summary import Summary, fmt_params
from statsmodels.iolib.table import SimpleTable

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import muted, show
from statsmodels_synth.core.tables import NotesSummary
from statsmodels_synth.core.tidy import tidy_frame
from statsmodels_synth.exceptions import (
    CollinearSourceWarning,
    FewClustersWarning,
    FewUnitsWarning,
    FullyLabeledWarning,
    LabelAgreementWarning,
    OptionError,
    SynthError,
)
from statsmodels_synth.gmm.fit import Fit, fit_design
from statsmodels_synth.gmm.starts import start_of
from statsmodels_synth.problem.design import AlignedDesign, DesignRows, Target
from statsmodels_synth.problem.scores import InstrumentalVariables
from statsmodels_synth.problem.scores.glm import glm_score
from statsmodels_synth.problem.scores.predictors import basis_of, scale_of

Rows = TypeVar("Rows", bound=DesignRows)
#: A right angle, whose tangent stands for infinity.
_RIGHT = np.pi / 2
#: Directions in which the test is looked at before its borders are searched for. Along
#: the angle it is close to one period of a sine.
_DIRECTIONS = 36
#: Share of the errors that is left of them at least.
_EXACT = 1e-8
#: How close a border comes to where the test turns, as an angle.
_CLOSE = 1e-7
#: Rows of all sources up to which a summary looks for the set, some fifty fits: on one
#: core .15 s with few rows, .3 s with so many.
_CHEAP_ROWS = 100_000
#: What the kinds of a set mean, where that is not plain from its ends.
_MEANING = {
    "unbounded": "At an infinite end the instruments are too weak for a bound.",
    "whole line": "The instruments are too weak to say anything of the coefficient.",
    "empty": "No value suits all instruments: they contradict each other.",
}


@dataclass(frozen=True)
class AndersonRubin:
    """
    A test of the coefficient of an endogenous regressor, and its confidence set.

    Parameters
    ----------
    name : str
        The coefficient.
    null : float
        Its value under the hypothesis.
    fvalue, pvalue : float
        F statistic and p-value.
    df_num, df_denom : float
        Degrees of freedom; the latter are infinite with normal intervals.
    alpha : float or None
        One less the level of the confidence set.
    confidence_set : tuple of (float, float), or None
        Values that are not rejected, as intervals from left to right. Ends are infinite
        where the instruments are too weak to bound the coefficient. None at all: the
        instruments contradict each other.

    Examples
    --------
    >>> AndersonRubin("d", 0.0, 9.1, 0.003, 1, 97.0, 0.05, ((0.21, 0.84),)).is_bounded
    True
    """

    name: str
    null: float
    fvalue: float
    pvalue: float
    df_num: int
    df_denom: float
    alpha: float | None
    confidence_set: tuple[tuple[float, float], ...] | None

    @property
    def is_bounded(self) -> bool:
        """
        Whether all ends of the set are finite; an empty one has none.

        Examples
        --------
        >>> AndersonRubin("d", 0.0, 9.1, 0.003, 1, 97.0, 0.05, ()).is_bounded
        False
        """
        return self.kind == "bounded"

    @property
    def kind(self) -> str:
        """
        What the set is like.

        Returns
        -------
        {"bounded", "unbounded", "whole line", "empty", "not asked for"}
            The last where `alpha` was None.

        Examples
        --------
        >>> inf = float("inf")
        >>> AndersonRubin("d", 0.0, 0.1, 0.7, 1, 97.0, 0.05, ((-inf, inf),)).kind
        'whole line'
        """
        if self.confidence_set is None:
            return "not asked for"
        ends = np.ravel(self.confidence_set)
        if not len(ends):
            return "empty"
        if np.isfinite(ends).all():
            return "bounded"
        return "unbounded" if np.isfinite(ends).any() else "whole line"

    @property
    def level(self) -> str:
        """The level of the set in words."""
        return "" if self.alpha is None else f"{100 * (1 - self.alpha):.6g}%"

    @property
    def ends(self) -> str:
        """The set in words."""
        own = self.confidence_set or ()
        return " or ".join(f"{a:.4g} to {b:.4g}" for a, b in own) or "empty"

    def tidy(self) -> pd.DataFrame:
        """
        Test and confidence set as a plain frame, to join, filter and plot.

        Returns
        -------
        DataFrame
            One row per interval of the set: `term`, `statistic` and `p_value` of the
            test, the ends `conf_low` and `conf_high`, which may be infinite, `null`,
            `df_num`, `df_denom`, `conf_level`, and `kind` of the set. An empty set, and
            one that was not asked for, is one row without ends.

        Examples
        --------
        >>> inf = float("inf")
        >>> sides = ((-inf, -2.0), (0.5, inf))
        >>> found = AndersonRubin("d", 0.0, 5.2, 0.02, 1, 97.0, 0.05, sides)
        >>> found.tidy()[["term", "p_value", "conf_low", "conf_high", "kind"]]
          term  p_value  conf_low  conf_high       kind
        0    d     0.02      -inf       -2.0  unbounded
        1    d     0.02       0.5        inf  unbounded
        """
        ends = self.confidence_set or ((np.nan, np.nan),)
        once = {
            "statistic": self.fvalue,
            "p_value": self.pvalue,
            "null": self.null,
            "df_num": self.df_num,
            "df_denom": self.df_denom,
            "conf_level": np.nan if self.alpha is None else 1.0 - self.alpha,
            "kind": self.kind,
        }
        columns = {name: [value] * len(ends) for name, value in once.items()}
        return tidy_frame([self.name] * len(ends), ends, **columns)

    def summary(self) -> Summary:
        """
        Table for people.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; ``as_latex()``, ``as_html()``.

        Examples
        --------
        >>> found = AndersonRubin("d", 0.0, 9.1, 0.003, 1, 97.0, 0.05, ((0.2, 0.8),))
        >>> table = found.summary()  # print() shows it
        """
        header = ["null", "F", "df", "P>F"]
        test = [f"{self.null:g}", f"{self.fvalue:.4g}"]
        test += [f"{self.df_num}, {self.df_denom:.4g}", f"{self.pvalue:.3f}"]
        if self.alpha is not None:
            header.append(f"{self.level} set")
            test.append(self.ends)
        result = NotesSummary()
        title = "Anderson-Rubin test"
        result.tables.append(
            SimpleTable([test], header, [self.name], title=title, txt_fmt=fmt_params)
        )
        meaning = _MEANING.get(self.kind)
        result.set_notes(
            "Notes:",
            [
                "Test and set hold however weak the instruments are.",
                *([meaning] if meaning else []),
            ],
        )
        return result

    def __str__(self) -> str:
        """Test and set in a sentence each."""
        text = (
            f"Anderson-Rubin test of {self.name} = {self.null:g}: {self.fvalue:.4g}, "
            f"F({self.df_num}, {self.df_denom:.4g}), p = {self.pvalue:.3g}."
        )
        if self.confidence_set is None or self.alpha is None:
            return text
        return f"{text} Confidence set of {self.level}: {self.ends}."

    def _repr_html_(self) -> str:
        """The table in a notebook."""
        return str(self.summary().as_html())


def anderson_rubin(fit: Fit, null: object, alpha: float | None) -> AndersonRubin:
    """
    Test of a coefficient by the regression of what it leaves on all instruments.

    Under the hypothesis ``y - null d`` has nothing to do with the instruments, given
    exogenous regressors. That is a linear regression, in which sources help as in any.
    Values of the coefficient are tangents of an angle, so that infinity is one of them.
    """
    score = fit.target.score
    if not isinstance(score, InstrumentalVariables):
        raise OptionError(
            f"There are no instruments: the target model is {score.called}."
        )
    if len(score.endogenous) > 1:
        raise OptionError(
            f"There are {len(score.endogenous)} endogenous regressors "
            f"({', '.join(score.endogenous)}), and the test is of one. Fit a model "
            "that has one of them."
        )
    if isinstance(null, bool) or not isinstance(null, Real) or not isfinite(null):
        raise OptionError(f"null={show(null)} is no finite number.")
    null = float(null)
    reduced = _Reduced.of(fit, score)
    size = max(1.0, abs(null))  # F does not know the scale, and squares overflow
    value, df_num, df_denom = reduced.test(1.0 / size, null / size)
    return AndersonRubin(
        score.endogenous[0],
        null,
        value,
        float(_reference(df_num, df_denom).sf(value)),
        df_num,
        df_denom,
        alpha,
        None if alpha is None else reduced.accepted(alpha),
    )


def set_at_no_cost(fit: Fit, alpha: float) -> AndersonRubin | None:
    """The set, if there is one, and the rows of the sources are few enough."""
    design = fit.design
    if design.partitions is not None:
        return None
    if sum(len(own.endog) for own in design.sources) > _CHEAP_ROWS:
        return None
    try:
        return anderson_rubin(fit, 0.0, alpha)
    except (SynthError, np.linalg.LinAlgError):
        return None  # who asks for it is told why


def _reference(df_num: int, df_denom: float) -> Any:
    """F distribution, or its limit."""
    if np.isfinite(df_denom):
        return stats.f(df_num, df_denom)
    return stats.chi2(df_num, scale=1.0 / df_num)


def _accepted(excess: Callable[[float], float]) -> Iterator[tuple[float, float]]:
    """
    Intervals of angles between minus and plus a right one where there is no excess.

    At the two ends, which are the same direction, the tangent is infinite.
    """
    angles = np.linspace(-_RIGHT, _RIGHT, _DIRECTIONS + 1)
    values = [excess(angle) for angle in angles[:-1]]
    values.append(values[0])
    borders = [] if values[0] > 0.0 else [-_RIGHT]
    for (a, f), (b, g) in pairwise(zip(angles, values, strict=True)):
        if (f > 0.0) != (g > 0.0):
            borders.append(float(optimize.brentq(excess, a, b, xtol=_CLOSE)))
    if values[-1] <= 0.0:
        borders.append(_RIGHT)
    return zip(borders[::2], borders[1::2], strict=True)


@dataclass(frozen=True)
class _Reduced:
    """
    Regressions of the outcome and of the endogenous regressor on all instruments.

    Parameters
    ----------
    fit : Fit
        The fit with instruments.
    score : InstrumentalVariables
        Its target model.
    outcome, regressor : AlignedDesign
        Designs of the two regressions.
    starts : tuple of ndarray
        Their estimates: of the labels (2, q), of each source (2, M, q).
    tested : list of int
        Instruments among the coefficients.
    """

    fit: Fit
    score: InstrumentalVariables
    outcome: AlignedDesign
    regressor: AlignedDesign
    starts: tuple[Floats, Floats]
    tested: list[int]

    @classmethod
    def of(cls, fit: Fit, score: InstrumentalVariables) -> _Reduced:
        """Those of a fit."""
        gaussian = glm_score(families.Gaussian())
        at = score.exog_names.index(score.endogenous[0])

        def outcome(rows: Rows) -> Rows:
            own = rows.endog if rows.offset is None else rows.endog - rows.offset
            exog = score.all_instruments(rows.exog)
            return replace(rows, endog=own, exog=exog, offset=None, told=None)

        design = fit.design
        exog = score.all_instruments(design.labeled.exog)
        first = replace(
            design,
            labeled=outcome(design.labeled),
            source_rows=tuple(outcome(own) for own in design.sources),
            labeled_sources=tuple(outcome(own) for own in design.labeled_sources),
            basis=basis_of(exog, gaussian),
            column_scale=scale_of(exog, gaussian),
            outcomes=None,
        )
        second = replace(
            first,
            labeled=replace(first.labeled, endog=design.labeled.exog[:, at]),
            source_rows=_with_endog(first.sources, design.sources, at),
            labeled_sources=_with_endog(
                first.labeled_sources, design.labeled_sources, at
            ),
        )
        labels, sources = [], []
        for own in (first, second):
            weighted = replace(own.labeled, weights=own.row_weights(own.labeled))
            labels.append(start_of(weighted, gaussian))
            sources.append([start_of(rows, gaussian) for rows in own.sources])
        q = exog.shape[1]
        names = [name for name in score.exog_names if name not in score.endogenous]
        return cls(
            *(fit, score, first, second),
            (np.array(labels), np.array(sources, dtype=float).reshape(2, -1, q)),
            [names.index(name) for name in score.instruments],
        )

    def accepted(self, alpha: float) -> tuple[tuple[float, float], ...]:
        """Values of the coefficient that are not rejected, as intervals."""
        centre, scale = self.errors_line()

        def excess(angle: float) -> float:
            """The F statistic less its critical value."""
            value, df_num, df_denom = self.test(
                np.cos(angle), centre * np.cos(angle) + scale * np.sin(angle)
            )
            return value - float(_reference(df_num, df_denom).ppf(1.0 - alpha))

        return tuple(
            (
                -np.inf if low == -_RIGHT else float(centre + scale * np.tan(low)),
                np.inf if high == _RIGHT else float(centre + scale * np.tan(high)),
            )
            for low, high in _accepted(excess)
        )

    def errors_line(self) -> tuple[float, float]:
        """
        Slope of the errors of the outcome on those of the regressor, and what is left.

        Where the instruments do nothing the test is the same at all angles around it.
        """
        own = []
        for design, start in zip(
            (self.outcome, self.regressor), self.starts[0], strict=True
        ):
            own.append(design.labeled.endog - design.labeled.exog @ start)
        weights = self.outcome.row_weights(self.outcome.labeled)
        (yy, yd), (_, dd) = (np.array(own) * weights) @ np.array(own).T
        d = self.regressor.labeled.endog
        whole = d - np.average(d, weights=weights)
        if dd <= _EXACT**2 * (weights @ whole**2):
            raise OptionError(
                "Instruments and exogenous regressors fit "
                f"{self.score.endogenous[0]!r} exactly on the labels, so it is "
                "exogenous. Use conf_int(), or alpha=None for the test alone."
            )
        left = max(yy * dd - yd**2, _EXACT * yy * dd)
        return float(yd / dd), float(np.sqrt(left) / dd)

    def test(self, y: float, d: float) -> tuple[float, int, float]:
        """F test that ``y * outcome - d * regressor`` has no instrument in it."""
        first, second = self.outcome, self.regressor
        design = replace(
            first,
            labeled=_combined(first.labeled, second.labeled, y, d),
            source_rows=tuple(
                _combined(a, b, y, d)
                for a, b in zip(first.sources, second.sources, strict=True)
            ),
            labeled_sources=tuple(
                _combined(a, b, y, d)
                for a, b in zip(
                    first.labeled_sources, second.labeled_sources, strict=True
                )
            ),
        )
        score = self.score
        names = [name for name in score.exog_names if name not in score.endogenous]
        target = Target(glm_score(families.Gaussian()), names, self.fit.target.yname)
        theta, eta = (y * start[0] - d * start[1] for start in self.starts)
        # What is to be warned of was said when the fit was made.
        with muted(
            FewUnitsWarning,
            FewClustersWarning,
            FullyLabeledWarning,
            LabelAgreementWarning,
            CollinearSourceWarning,
        ):
            found = fit_design(
                design, target, theta, eta, self.fit.settings, self.fit.clusters
            )
        own = found.solution.theta[self.tested]
        covariance = found.inference.covariance[np.ix_(self.tested, self.tested)]
        scale = np.sqrt(np.diag(covariance))
        inverse = np.linalg.inv(covariance / np.outer(scale, scale))
        value = (own / scale) @ inverse @ (own / scale) / len(own)
        df = float(found.df_by_coefficient[self.tested].min())
        return float(value), len(own), df


def _with_endog(
    rows: Sequence[Rows], given: Sequence[DesignRows], at: int
) -> tuple[Rows, ...]:
    """Rows whose outcome is a column of the regressors that were given."""
    return tuple(
        replace(own, endog=full.exog[:, at])
        for own, full in zip(rows, given, strict=True)
    )


def _combined(first: Rows, second: DesignRows, y: float, d: float) -> Rows:
    """Rows with a combination of two outcomes."""
    return replace(first, endog=y * first.endog - d * second.endog)

"""One result from those of several imputed or generated data sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.iolib.summary import Summary, fmt_params
from statsmodels.iolib.table import SimpleTable

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count, type_name, warn
from statsmodels_synth.core.options import (
    check_alpha,
    check_choice,
    methods_name_keywords,
    names_keywords,
)
from statsmodels_synth.core.statsmodels import FormulaManager
from statsmodels_synth.core.tables import NotesSummary
from statsmodels_synth.core.tidy import ForMaketables, tidy_frame
from statsmodels_synth.exceptions import DataError, OptionError, SynthWarning

Rule = Literal["imputed", "partly synthetic", "fully synthetic"]

_SAID: dict[Rule, str] = {
    "imputed": (
        "Rubin's rules for multiply imputed data: missing values were filled in from "
        "their distribution given what was observed."
    ),
    "partly synthetic": (
        "Rules of Reiter (2003) for partly synthetic data: observed values were "
        "replaced by draws from their distribution."
    ),
    "fully synthetic": (
        "Rules of Raghunathan, Reiter and Rubin (2003) for fully synthetic data: all "
        "units were drawn from the distribution of the observed ones."
    ),
}


@dataclass(frozen=True)
class CombinedTest:
    """
    Test of several coefficients, made by :meth:`Combined.wald_test`.

    Parameters
    ----------
    fvalue : float
        Statistic.
    pvalue : float
        Its p-value.
    df_num : int
        Number of restrictions.
    df_denom : float
        Degrees of freedom of the denominator.

    Examples
    --------
    >>> import numpy as np
    >>> import statsmodels.api as sm
    >>> from statsmodels_synth import combine
    >>> rng = np.random.default_rng(0)
    >>> sets = rng.normal(size=(3, 50))
    >>> found = combine([sm.OLS(own, np.ones(50)).fit() for own in sets])
    >>> test = found.wald_test("const = 0")
    >>> test.df_num, round(test.pvalue, 2)
    (1, 0.68)
    """

    fvalue: float
    pvalue: float
    df_num: int
    df_denom: float


@methods_name_keywords
@dataclass(frozen=True)
class Combined(ForMaketables):
    """
    Estimates of several data sets, combined by :func:`combine`.

    Parameters
    ----------
    params : Series (p,)
        Mean of the estimates.
    within : DataFrame (p, p)
        Mean of their covariances.
    between : DataFrame (p, p)
        Covariance of the estimates over data sets.
    covariance : DataFrame (p, p)
        Covariance of the mean.
    df : Series (p,)
        Degrees of freedom of intervals.
    n_sets : int
        Number of data sets.
    rule : str
        Rule that they were combined by.
    df_complete : float
        Degrees of freedom that complete data would have; infinite where not known.

    Examples
    --------
    >>> import numpy as np
    >>> import statsmodels.api as sm
    >>> from statsmodels_synth import combine
    >>> rng = np.random.default_rng(0)
    >>> x = sm.add_constant(rng.normal(size=100))
    >>> y = x @ [1.0, 0.5] + rng.normal(size=(5, 100))
    >>> found = combine([sm.OLS(own, x).fit() for own in y])
    >>> found.summary_frame().round(2).loc["x1", ["estimate", "std_err"]].tolist()
    [0.52, 0.12]
    """

    params: pd.Series
    within: pd.DataFrame
    between: pd.DataFrame
    covariance: pd.DataFrame
    df: pd.Series
    n_sets: int
    rule: Rule
    df_complete: float = float("inf")

    @property
    def bse(self) -> pd.Series:
        """Standard errors, (p,)."""
        values = np.sqrt(np.diag(self.covariance))
        return pd.Series(values, self.params.index, name="std_err")

    @property
    def missing_information(self) -> pd.Series:
        """
        Share of the information that was lost by imputation, (p,).

        With ``rule="imputed"``; else the share of the variance that comes from the data
        sets.
        """
        share = (1.0 + 1.0 / self.n_sets) * np.diag(self.between)
        if self.rule == "partly synthetic":
            share = np.diag(self.between) / self.n_sets
        total = np.diag(self.covariance)
        share = np.divide(share, total, out=np.zeros(len(total)), where=total > 0.0)
        return pd.Series(share, self.params.index, name="missing_information")

    def cov_params(self) -> pd.DataFrame:
        """
        Covariance of the coefficients.

        Returns
        -------
        DataFrame (p, p)
            That of the combined estimates.

        Examples
        --------
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> from statsmodels_synth import combine
        >>> rng = np.random.default_rng(0)
        >>> sets = rng.normal(size=(3, 50))
        >>> found = combine([sm.OLS(own, np.ones(50)).fit() for own in sets])
        >>> found.cov_params().round(3)
               const
        const  0.023
        """
        return self.covariance

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """
        Confidence intervals.

        Parameters
        ----------
        alpha : float
            One minus the level.

        Returns
        -------
        DataFrame (p, 2)
            Lower and upper ends.

        Examples
        --------
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> from statsmodels_synth import combine
        >>> rng = np.random.default_rng(0)
        >>> sets = rng.normal(size=(3, 50))
        >>> found = combine([sm.OLS(own, np.ones(50)).fit() for own in sets])
        >>> found.conf_int().round(2)
                  0     1
        const -0.25  0.38
        """
        check_alpha(alpha)
        margin = stats.t.ppf(1.0 - alpha / 2.0, self.df) * self.bse
        return pd.DataFrame({0: self.params - margin, 1: self.params + margin})

    def wald_test(self, r_matrix: Any) -> CombinedTest:
        """
        Test several coefficients together.

        The statistic is D1: it takes the share of information that is lost to be the
        same for all that is tested, as few data sets say little of each.

        Parameters
        ----------
        r_matrix : str or array_like (k, p)
            Restrictions, as in statsmodels: ``"x = 0, z = 0"``, or a row for each.

        Returns
        -------
        CombinedTest
            ``fvalue``, ``pvalue``, ``df_num``, ``df_denom``.

        Raises
        ------
        OptionError
            If there is no such coefficient, or restrictions repeat each other.
        DataError
            If fully synthetic data sets differ too little for a variance above zero.

        References
        ----------
        Li, K. H., Raghunathan, T. E. and Rubin, D. B. (1991). Large-sample significance
        levels from multiply imputed data using moment-based statistics and an F
        reference distribution. JASA 86, 1065-1073.

        Reiter, J. P. (2007). Small-sample degrees of freedom for multi-component
        significance tests with multiple imputation for missing data. Biometrika 94,
        502-508.

        Reiter, J. P. (2005). Significance tests for multi-component estimands from
        multiply imputed, synthetic microdata. Journal of Statistical Planning and
        Inference 131, 365-377.

        Examples
        --------
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> from statsmodels_synth import combine
        >>> rng = np.random.default_rng(0)
        >>> x = sm.add_constant(rng.normal(size=(100, 2)))
        >>> y = x @ [1.0, 0.5, 0.0] + rng.normal(size=(5, 100))
        >>> found = combine([sm.OLS(own, x).fit() for own in y])
        >>> round(found.wald_test("x1 = 0, x2 = 0").pvalue, 3)
        0.065
        """
        rows, values = _restrictions(r_matrix, [str(n) for n in self.params.index])
        off = rows @ self.params.to_numpy() - values
        within = rows @ self.within.to_numpy() @ rows.T
        if np.linalg.matrix_rank(within, hermitian=True) < len(rows):
            raise OptionError(
                f"r_matrix= has {count(len(rows), 'restriction')} that repeat each "
                "other. Leave out those that follow from others."
            )
        inverse = np.linalg.inv(within)
        k, m = len(rows), self.n_sets
        times = 1.0 / m if self.rule == "partly synthetic" else 1.0 + 1.0 / m
        between = rows @ self.between.to_numpy() @ rows.T
        rise = times * float(np.trace(between @ inverse)) / k
        scale = rise - 1.0 if self.rule == "fully synthetic" else 1.0 + rise
        if scale <= 0.0:
            raise DataError(
                f"The variance between {m} fully synthetic data sets is less than that "
                "within, so that there is no test of several coefficients. Generate "
                "more data sets."
            )
        fvalue = float(off @ inverse @ off) / (k * scale)
        df = _df_of_test(k, m, rise, self.rule, self.df_complete)
        return CombinedTest(fvalue, float(stats.f.sf(fvalue, k, df)), k, df)

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """
        All about each coefficient.

        Parameters
        ----------
        alpha : float
            One minus the level of intervals.

        Returns
        -------
        DataFrame
            `estimate`, `std_err`, `statistic`, `df`, `pvalue`, `lower`, `upper` and
            `missing_information`.

        Examples
        --------
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> from statsmodels_synth import combine
        >>> rng = np.random.default_rng(0)
        >>> sets = rng.normal(size=(3, 50))
        >>> found = combine([sm.OLS(own, np.ones(50)).fit() for own in sets])
        >>> found.summary_frame().round(2).T
                             const
        estimate              0.06
        std_err               0.15
        statistic             0.41
        df                   22.69
        pvalue                0.68
        lower                -0.25
        upper                 0.38
        missing_information   0.19
        """
        ends = self.conf_int(alpha)
        statistic = self.params / self.bse
        return pd.DataFrame(
            {
                "estimate": self.params,
                "std_err": self.bse,
                "statistic": statistic,
                "df": self.df,
                "pvalue": 2.0 * stats.t.sf(np.abs(statistic), self.df),
                "lower": ends[0],
                "upper": ends[1],
                "missing_information": self.missing_information,
            }
        )

    def tidy(self, alpha: float = 0.05) -> pd.DataFrame:
        """
        Coefficients as a plain frame, to join, filter and plot.

        Parameters
        ----------
        alpha : float
            One minus the level of intervals.

        Returns
        -------
        DataFrame
            One row per coefficient: `term`, `estimate`, `std_error`, `statistic`,
            `p_value`, `conf_low`, `conf_high`, `df` and `missing_information`.

        Examples
        --------
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> from statsmodels_synth import combine
        >>> rng = np.random.default_rng(0)
        >>> sets = rng.normal(size=(3, 50))
        >>> found = combine([sm.OLS(own, np.ones(50)).fit() for own in sets])
        >>> found.tidy().round(2).T
                                 0
        term                 const
        estimate              0.06
        std_error             0.15
        statistic             0.41
        p_value               0.68
        conf_low             -0.25
        conf_high             0.38
        df                   22.69
        missing_information   0.19
        """
        own = self.summary_frame(alpha)
        return tidy_frame(
            own.index,
            own[["lower", "upper"]],
            estimate=own["estimate"],
            std_error=own["std_err"],
            statistic=own["statistic"],
            p_value=own["pvalue"],
            df=own["df"],
            missing_information=own["missing_information"],
        )

    def summary(self, alpha: float = 0.05) -> Summary:
        """
        Table for people.

        Parameters
        ----------
        alpha : float
            One minus the level of intervals.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; ``as_latex()``, ``as_html()``.

        Examples
        --------
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> from statsmodels_synth import combine
        >>> rng = np.random.default_rng(0)
        >>> sets = rng.normal(size=(3, 50))
        >>> found = combine([sm.OLS(own, np.ones(50)).fit() for own in sets])
        >>> table = found.summary()  # print() shows it
        """
        frame = self.summary_frame(alpha)
        low, high = alpha / 2, 1 - alpha / 2
        header = ["coef", "std err", "t", "df", "P>|t|", f"[{low:g}", f"{high:g}]"]
        rows = [
            [
                f"{row.estimate:.4f}",
                f"{row.std_err:.4f}",
                f"{row.statistic:.3f}",
                f"{row.df:.1f}",
                f"{row.pvalue:.3f}",
                f"{row.lower:.3f}",
                f"{row.upper:.3f}",
            ]
            for row in frame.itertuples()
        ]
        result = NotesSummary()
        names = [str(name) for name in frame.index]
        title = f"{self.n_sets} data sets combined"
        result.tables.append(
            SimpleTable(rows, header, names, title=title, txt_fmt=fmt_params)
        )
        result.set_notes("Notes:", [_SAID[self.rule]])
        return result

    def __str__(self) -> str:
        """Table for people."""
        return str(self.summary())

    def _repr_html_(self) -> str:
        """The same in a notebook."""
        return str(self.summary().as_html())


@names_keywords
def combine(results: Iterable[Any], rule: Rule = "imputed") -> Combined:
    r"""
    Combine the results of several imputed or generated data sets.

    To stack the data sets, or to report one of them, understates the uncertainty. The
    mean of the estimates has the variance of each, U, and that between them, B:

    .. math::
        T = \bar U + (1 + 1/m) B , \qquad
        T_{partly} = \bar U + B / m , \qquad
        T_{fully} = (1 + 1/m) B - \bar U .

    Parameters
    ----------
    results : iterable
        Results of the same model, one for each data set: of statsmodels, of
        linearmodels, of this package, or anything with `params` and `cov_params()` or
        `cov`. With `df_resid` the degrees of freedom are those of Barnard and Rubin
        (1999).
    rule : {"imputed", "partly synthetic", "fully synthetic"}
        How the data sets were made.

    Returns
    -------
    Combined
        Coefficients, standard errors, intervals, and a summary.

    Raises
    ------
    DataError
        If there are fewer than two results, or they have other coefficients.

    Warns
    -----
    SynthWarning
        If a variance of fully synthetic data is below zero, and was replaced by the
        mean of those within data sets (Reiter 2002).

    Notes
    -----
    The rules hold if the data sets were drawn from the right distribution. A language
    model's rows are no such draws: their variance between data sets says nothing of how
    far off all of them are. For a valid interval use them as sources beside labels,
    with :class:`~statsmodels_synth.AugmentedGMM`.

    With ``rule="partly synthetic"`` the degrees of freedom of Reiter (2003) are at most
    `df_resid`, where results have one.

    References
    ----------
    Rubin, D. B. (1987). Multiple Imputation for Nonresponse in Surveys. Wiley.

    Barnard, J. and Rubin, D. B. (1999). Small-sample degrees of freedom with multiple
    imputation. Biometrika 86, 948-955.

    Raghunathan, T. E., Reiter, J. P. and Rubin, D. B. (2003). Multiple imputation for
    statistical disclosure limitation. Journal of Official Statistics 19, 1-16.

    Reiter, J. P. (2003). Inference for partially synthetic, public use microdata sets.
    Survey Methodology 29, 181-188.

    Examples
    --------
    >>> import numpy as np
    >>> import statsmodels.api as sm
    >>> from statsmodels_synth import combine
    >>> rng = np.random.default_rng(0)
    >>> sets = rng.normal(size=(3, 50)) + rng.normal(size=(3, 1))
    >>> found = combine([sm.OLS(own, np.ones(50)).fit() for own in sets])
    >>> round(float(found.missing_information.iloc[0]), 2)
    0.94
    """
    check_choice("rule", rule, Rule)
    if not isinstance(results, Iterable):
        raise DataError(
            f"combine() needs a list of results, and this is {type(results).__name__}. "
            "Put them into brackets: combine([first, second])."
        )
    found = [_read(result, k) for k, result in enumerate(results)]
    if len(found) < 2:
        raise DataError(
            f"combine() needs the results of two data sets or more; there are "
            f"{len(found)}. One tells nothing of how much data sets differ."
        )
    names = found[0][0].index
    for k, (params, *_) in enumerate(found):
        if list(params.index) != list(names):
            raise DataError(
                f"Result {k} has the coefficients {list(params.index)}, the first has "
                f"{list(names)}. Combine results of the same model."
            )
    m = len(found)
    estimates = np.array([params.to_numpy(dtype=float) for params, *_ in found])
    within = np.asarray(np.mean([cov for _, cov, _ in found], axis=0), dtype=float)
    centred = estimates - estimates.mean(axis=0)
    between = centred.T @ centred / (m - 1)
    complete = [df for *_, df in found]
    total, df = _RULES[rule](within, between, m, float(np.min(complete)))
    low = np.diag(total) < 0.0
    if low.any():
        warn(
            f"The variance of {count(int(low.sum()), 'coefficient')} ("
            f"{', '.join(map(str, names[low]))}) is below zero, as happens with few "
            f"data sets ({m}). The variance within data sets stands in for it, which "
            "is too large. Generate more data sets.",
            SynthWarning,
        )
        total = np.where(low[:, None] | low[None, :], within, total)
        df = np.where(low, m - 1.0, df)
    return Combined(
        pd.Series(estimates.mean(axis=0), names, name="estimate"),
        pd.DataFrame(within, names, names),
        pd.DataFrame(between, names, names),
        pd.DataFrame(total, names, names),
        pd.Series(df, names, name="df"),
        m,
        rule,
        float(np.min(complete)),
    )


def _read(result: Any, k: int) -> tuple[pd.Series, Floats, float]:
    """Coefficients, covariance, and degrees of freedom of the complete data."""
    params = getattr(result, "params", None)
    covariance = getattr(result, "cov_params", None)
    covariance = covariance() if callable(covariance) else getattr(result, "cov", None)
    if params is None or covariance is None:
        raise DataError(
            f"Result {k} is a {type_name(result)}, without params or cov_params(). "
            "Give results of a fitted model."
        )
    if not isinstance(params, pd.Series):
        model = getattr(result, "model", None)
        names = getattr(model, "exog_names", None)
        values = np.asarray(params, dtype=float)
        if names is None or len(names) != len(values):
            names = [f"x{j}" for j in range(len(values))]
        params = pd.Series(values, list(names))
    matrix = np.asarray(covariance, dtype=float)
    bad = not np.all(np.isfinite(params)) or not np.all(np.isfinite(matrix))
    if bad or matrix.shape != (len(params),) * 2:
        raise DataError(
            f"Result {k} has coefficients or covariances that are not finite, or of "
            f"another shape ({matrix.shape} for {count(len(params), 'coefficient')}). "
            "See whether its model was fitted."
        )
    df = getattr(result, "df_resid", None)
    return params, matrix, float("inf") if df is None else float(np.min(df))


def _restrictions(given: Any, names: list[str]) -> tuple[Floats, Floats]:
    """
    Restrictions as a matrix and the values that they should have.

    Shapes: (k, p), (k,).
    """
    try:
        found = FormulaManager().get_linear_constraints(given, names)
        rows = np.atleast_2d(np.asarray(found.constraint_matrix, dtype=float))
        values = np.asarray(found.constraint_values, dtype=float).reshape(len(rows))
    except Exception as error:
        told = str(error).splitlines()
        raise OptionError(
            f"r_matrix={given!r} is no restriction on the coefficients "
            f"{', '.join(names)}: {told[0] if told else type_name(error)}"
        ) from error
    if rows.shape[1] != len(names):
        raise OptionError(
            f"r_matrix= has {rows.shape[1]} columns; give one for each of "
            f"{count(len(names), 'coefficient')}: {', '.join(names)}."
        )
    return rows, values


def _df_of_test(k: int, m: int, rise: float, rule: Rule, complete: float) -> float:
    """
    Degrees of freedom of the denominator of a test of k coefficients.

    `rise`: relative increase of the variance. With imputed data those of Reiter (2007)
    where the complete data have some, else those of Li, Raghunathan and Rubin (1991).
    """
    if rise == 0.0:  # data sets that do not differ
        return complete
    t = k * (m - 1)
    sign = -1.0 if rule == "fully synthetic" else 1.0
    if t <= 4:
        large = t * (1.0 + 1.0 / k) * (1.0 + sign / rise) ** 2 / 2.0
        return large if rule == "fully synthetic" else min(large, complete)
    if rule != "imputed" or not np.isfinite(complete):
        large = 4.0 + (t - 4.0) * (1.0 + sign * (1.0 - 2.0 / t) / rise) ** 2
        return large if rule == "fully synthetic" else min(large, complete)
    a = rise * t / (t - 2.0)
    observed = (complete + 1.0) / (complete + 3.0) * complete
    c1, c2 = observed - 2.0 * (1.0 + a), observed - 4.0 * (1.0 + a)
    if c2 <= 0.0:
        return 4.0
    more = a**2 * c1 / ((1.0 + a) ** 2 * c2)
    more += 8.0 * a**2 * c1 / ((1.0 + a) * c2**2) + 4.0 * a**2 / ((1.0 + a) * c2)
    more += 4.0 * a**2 / (c2 * c1) + 16.0 * a**2 * c1 / c2**3 + 8.0 * a**2 / c2**2
    return 4.0 + 1.0 / (1.0 / c2 + more / (t - 4.0))


def _imputed(
    within: Floats, between: Floats, m: int, complete: float
) -> tuple[Floats, Floats]:
    """Variance and degrees of freedom of multiply imputed data."""
    total = within + (1.0 + 1.0 / m) * between
    share = (1.0 + 1.0 / m) * np.diag(between) / np.diag(total)
    with np.errstate(divide="ignore"):
        df = (m - 1) / share**2
        if np.isfinite(complete):
            observed = (complete + 1) / (complete + 3) * complete * (1.0 - share)
            df = 1.0 / (1.0 / df + 1.0 / observed)
    return total, df


def _partly(
    within: Floats, between: Floats, m: int, complete: float
) -> tuple[Floats, Floats]:
    """Variance and degrees of freedom of partly synthetic data."""
    total = within + between / m
    with np.errstate(divide="ignore"):
        ratio = np.diag(within) / (np.diag(between) / m)
        return total, np.minimum((m - 1) * (1.0 + ratio) ** 2, complete)


def _fully(
    within: Floats, between: Floats, m: int, complete: float
) -> tuple[Floats, Floats]:
    """Variance and degrees of freedom of fully synthetic data."""
    more = (1.0 + 1.0 / m) * between
    with np.errstate(divide="ignore"):
        ratio = np.diag(within) / np.diag(more)
        return more - within, (m - 1) * (1.0 - ratio) ** 2


_RULES = {"imputed": _imputed, "partly synthetic": _partly, "fully synthetic": _fully}

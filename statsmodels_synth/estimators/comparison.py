"""All methods side by side: one table of what each makes of the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import importlib.util
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary, fmt_params
from statsmodels.iolib.table import SimpleTable

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import install, suggest
from statsmodels_synth.core.options import (
    check_alpha,
    check_count,
    methods_name_keywords,
    names_keywords,
)
from statsmodels_synth.core.process import with_filters_kept
from statsmodels_synth.core.tables import NotesSummary, decimals, fixed
from statsmodels_synth.core.tidy import great_table, pvalue_of_interval, tidy_frame
from statsmodels_synth.estimators.graphics import plot_comparison
from statsmodels_synth.estimators.methods import (
    Line,
    Method,
    Own,
    Subject,
    chosen_methods,
    lines,
)
from statsmodels_synth.estimators.problem import ModelOrResults
from statsmodels_synth.estimators.results import EstimatorResults
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.gmm.fit import effective_labels
from statsmodels_synth.gmm.settings import FEW_LABEL_DEFAULT, PAPER
from statsmodels_synth.problem.design import AlignedDesign

_WIDTH = 86


@methods_name_keywords
@dataclass(frozen=True)
class Comparison:
    """
    Estimates of all methods on the same data.

    Made by :meth:`AugmentedGMMResults.compare`.

    Parameters
    ----------
    table : DataFrame
        One row per coefficient and method (the index): `estimate`, `std_err`, the ends
        `lower` and `upper` of the interval, `width_ratio`, its width over that of
        labels only, `effective_labels`, the number of labels that would give the same
        standard error without any source, `valid`: whether the interval stays
        valid where the sources err, and the `pvalue` of the hypothesis of zero.
        Effective labels are missing where the interval is not valid.
    n_labeled, n_units : int
        Labelled units n and all units T.
    alpha : float
        One minus the level of the intervals.
    left_out : dict
        From a method that could not be used to the reason.
    constant : str or None
        Name of the constant, which figures leave out.
    variant : str
        Variant of GMM-Synth that was fitted, as the summary of the fit has it.
    own : tuple of str
        Methods that are functions of the user.
    n_population : int or None
        Units of the population, where they are it (``population="finite"``).

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> result = study_model(make_study()).fit()
    >>> found = result.compare(["labels only", "PPI++", "GMM-Synth"])
    >>> found.table.loc["educ", "effective_labels"].round()
    method
    labels only      200.0
    PPI++ (guess)    379.0
    PPI++ (draws)    194.0
    GMM-Synth        385.0
    Name: effective_labels, dtype: float64
    """

    table: pd.DataFrame
    n_labeled: int
    n_units: int
    alpha: float
    left_out: dict[str, str]
    constant: str | None
    variant: str
    own: tuple[str, ...] = ()
    n_population: int | None = None

    def label(self, method: str) -> str:
        """
        Name of a method for people.

        Parameters
        ----------
        method : str
            Name in :attr:`table`.

        Returns
        -------
        str
            The same, but for GMM-Synth, which has its variant.
        """
        return f"{method}, {self.variant}" if method == "GMM-Synth" else method

    @with_filters_kept
    def summary(self) -> Summary:
        """
        One table per coefficient, and what to know of them.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; ``as_latex()``, ``as_html()``.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> found = fit_study(make_study())[1].compare(["labels only", "GMM-Synth"])
        >>> table = found.summary()  # print() shows it
        """
        result = NotesSummary()
        low, high = self.alpha / 2, 1 - self.alpha / 2
        header = [
            "estimate",
            "std err",
            f"[{low:g}",
            f"{high:g}]",
            "width",
            "eff. sample",
        ]
        for name in self.table.index.unique("coefficient"):
            part = self.table.loc[name]
            digits = decimals(part["std_err"])
            rows = [_cells(row, digits) for _, row in part.iterrows()]
            names = [
                f"{self.label(str(k))}{'' if row.valid else ' *'}"
                for k, row in part.iterrows()
            ]
            result.tables.append(
                SimpleTable(rows, header, names, title=str(name), txt_fmt=fmt_params)
            )
        result.set_notes("Notes:", self.notes, width=_WIDTH)
        return result

    @property
    def notes(self) -> list[str]:
        """What a reader must know besides the numbers, in sentences."""
        notes = [
            f"{self.n_labeled} labelled of {self.n_units} units. Width: of the "
            f"{100 * (1 - self.alpha):g} % interval, over that of labels only. "
            "Eff. sample: how many would give the same standard error without any "
            "source."
        ]
        if self.n_population is not None:
            notes.append(
                f"Population: finite, {self.n_population} units. All intervals leave "
                "out the variance from drawing the units."
            )
        methods = self.table.index.unique("method")
        if self.variant == FEW_LABEL_DEFAULT and "GMM-Synth" in methods:
            notes.append(
                f"GMM-Synth is the fit, in its {FEW_LABEL_DEFAULT}. A fit with "
                f"use_correction=False has the two-step estimator of {PAPER} there."
            )
        if not self.table["valid"].all():
            notes.append(
                "* is naive: it takes sources for real. Its interval is about what "
                "they say, not about the truth, however narrow it is."
            )
        kinds = {str(k).split(" (")[0] for k in methods}
        if self.own:
            notes.append(
                f"{', '.join(self.own)}: a function of yours, whose interval is taken "
                "as it comes."
            )
        as_fitted = {"labels only", "GMM-Synth", "naive", "naive pooled"}
        if kinds - as_fitted.union(self.own):
            notes.append(
                "Labels only and GMM-Synth are as they were fitted; the intervals of "
                "the others are asymptotic, as published, and too narrow where labels "
                "are few. The effective sample size compares every method with its own "
                "formula without any source."
            )
            notes.append(
                "Do not pick the narrowest: an interval that was chosen among many "
                "covers less often than it says."
            )
        notes += [f"{name} is left out: {why}" for name, why in self.left_out.items()]
        return notes

    def tidy(self) -> pd.DataFrame:
        """
        Estimates as a plain frame, to join, filter and plot.

        Returns
        -------
        DataFrame
            One row per coefficient and method: `term`, `estimate`, `std_error`,
            `statistic`, `p_value`, `conf_low`, `conf_high` at the level of the
            comparison, `method`, `valid`, `width_ratio`, `effective_labels`.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> found = fit_study(make_study())[1].compare(["labels only", "GMM-Synth"])
        >>> found.tidy()[["term", "method", "estimate"]].head(3).round(3)
                term                        method  estimate
        0  Intercept                   labels only    -2.332
        1  Intercept  GMM-Synth, few-label default    -2.853
        2        age                   labels only     0.010
        """
        table = self.table
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = table["estimate"] / table["std_err"]
        return tidy_frame(
            table.index.get_level_values("coefficient"),
            table[["lower", "upper"]],
            estimate=table["estimate"],
            std_error=table["std_err"],
            statistic=statistic,
            p_value=table["pvalue"],
            method=[self.label(str(k)) for k in table.index.get_level_values("method")],
            valid=table["valid"],
            width_ratio=table["width_ratio"],
            effective_labels=table["effective_labels"],
        )

    @with_filters_kept
    def to_gt(self) -> Any:
        """
        A table of the package great_tables, with a part for each coefficient.

        Returns
        -------
        great_tables.GT
            To style, and to save as HTML, LaTeX or a picture.

        Raises
        ------
        ImportError
            If great_tables is not installed.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> found = fit_study(make_study())[1].compare(["labels only", "GMM-Synth"])
        >>> table = found.to_gt()  # doctest: +SKIP
        >>> html = table.as_raw_html()  # doctest: +SKIP
        """
        columns = ["term", "method", "estimate", "std_error", "conf_low", "conf_high"]
        shown = self.tidy()[[*columns, "width_ratio", "effective_labels"]]
        title = "Estimates of all methods"
        return great_table(shown, title, self.notes, by="term")

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())

    @with_filters_kept
    def plot(self, coefficients: Any = None, ax: Any = None) -> Any:
        """
        Draw the intervals of all methods.

        Parameters
        ----------
        coefficients : str or sequence of str, optional
            Which to draw, one panel each. All but the constant if omitted.
        ax : matplotlib.axes.Axes, optional
            Axes for a single coefficient; a new figure if omitted.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Raises
        ------
        OptionError
            If there is no such coefficient, or one `ax` for several.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> found = fit_study(make_study())[1].compare(["labels only", "GMM-Synth"])
        >>> figure = found.plot("age")
        """
        known = [str(k) for k in self.table.index.unique("coefficient")]
        if coefficients is None:
            shown = [k for k in known if k != self.constant] or known
        else:
            one = isinstance(coefficients, str)
            shown = [coefficients] if one else list(coefficients)
        for name in shown:
            if name not in known:
                raise OptionError(
                    f"There is no coefficient {name!r}.{suggest(name, known)}"
                )
        if ax is not None and len(shown) != 1:
            raise OptionError(
                f"ax= is one panel, and there are {len(shown)} coefficients. Name one "
                "in coefficients=, or leave ax= out."
            )
        return plot_comparison(self, shown, ax)


def _cells(row: Any, digits: int) -> list[str]:
    labels = row["effective_labels"]
    return [
        fixed(row["estimate"], digits + 1),
        *(fixed(row[k], digits) for k in ("std_err", "lower", "upper")),
        f"{row['width_ratio']:.2f}",
        "" if np.isnan(labels) else f"{labels:.0f}",
    ]


@names_keywords
def compare(
    fitted: ModelOrResults,
    methods: Sequence[Method | Own] | None = None,
    alpha: float = 0.05,
    learner: Any = None,
    seed: int = 0,
) -> Comparison:
    """
    Estimate with every method.

    Parameters
    ----------
    fitted : AugmentedGMMResults
        The result; labels only are its ``real_only``.
    methods, alpha, learner, seed : optional
        See :meth:`AugmentedGMMResults.compare`.

    Returns
    -------
    Comparison
        Labels only first, GMM-Synth and the user's own last.

    Raises
    ------
    OptionError
        If a method does not exist or alpha is not between 0 and 1.
    DataError
        If the data were removed, or no method can be used.
    """
    alpha = check_alpha(alpha)
    check_count("seed", seed, 0)
    rows, own = chosen_methods(methods)
    fit = fitted._fit_or_raise()
    kinds = dict(zip(fit.design.names, fit.design.kinds, strict=True))
    left_out = {f"source {k!r}": v + "." for k, v in fit.dropped_sources.items()}
    if learner is None and importlib.util.find_spec("sklearn") is None:
        why = f"it needs scikit-learn: {install('learn')}."
        left_out |= {row.name: why for row in rows if row.learns}
    every = list(lines(Subject(fitted, kinds, learner, seed), rows, own))
    if methods is not None:
        used = {line.method for line in every}
        why = "it has not the sources that it needs."
        left_out |= {row.name: why for row in rows if row.name not in used}
    parts = _estimated(every, fitted.real_only, fit.design, alpha, left_out)
    names = list(fit.target.names)
    table = pd.concat({k: v.set_axis(names) for k, v in parts.items()})
    table = table.swaplevel().rename_axis(["coefficient", "method"])
    order = pd.MultiIndex.from_product([names, list(parts)], names=table.index.names)
    at = fitted.model.data.const_idx if fit.target.score.is_single else None
    return Comparison(
        table.loc[order],
        fit.design.n_labeled,
        fit.design.n_units,
        alpha,
        left_out,
        None if at is None else names[at],
        fit.settings.variant if kinds else "labels only",
        tuple(line.label for line in every if line.is_own and line.label in parts),
        fit.design.n_frame if fit.settings.is_finite else None,
    )


def _estimated(
    every: Sequence[Line],
    real: Any,
    design: AlignedDesign,
    alpha: float,
    left_out: dict[str, str],
) -> dict[str, pd.DataFrame]:
    """Rows of each line; what could not be used joins `left_out`."""
    parts = {}
    for line in every:
        if line.method in left_out:
            continue
        try:
            found = line.estimate()
        except DataError as error:
            left_out[line.label] = str(error)
            continue
        if getattr(found, "converged", True):
            parts[line.label] = _rows(found, real, design, alpha)
        else:
            left_out[line.label] = "its equations were not solved."
    if not parts:
        reasons = " ".join(f"{k}: {v}" for k, v in left_out.items())
        raise DataError(f"None of the methods can be used. {reasons}")
    return parts


def _rows(found: Any, real: Any, design: AlignedDesign, alpha: float) -> pd.DataFrame:
    """One row per coefficient."""
    interval = np.asarray(found.conf_int(alpha))
    first = np.asarray(real.conf_int(alpha))
    bse = np.asarray(found.bse)
    if isinstance(getattr(found, "_results", found), EstimatorResults):
        valid, effective = found.valid, np.asarray(found.effective_nobs)
    else:  # with the correction for few labels, as the labels alone
        valid = True
        effective = effective_labels(design, bse**2, np.asarray(real.bse) ** 2)
    return pd.DataFrame(
        {
            "estimate": np.asarray(found.params),
            "std_err": bse,
            "lower": interval[:, 0],
            "upper": interval[:, 1],
            "width_ratio": np.diff(interval)[:, 0] / np.diff(first)[:, 0],
            "effective_labels": effective,
            "valid": valid,
            "pvalue": _pvalues(found, bse, interval, alpha),
        }
    )


def _pvalues(found: Any, bse: Floats, interval: Floats, alpha: float) -> Floats:
    """P-values of a result; those of its intervals where it has none."""
    own = getattr(found, "pvalues", None)
    if own is not None:
        return np.asarray(own, dtype=float)
    rows = zip(found.params, bse, np.diff(interval)[:, 0], strict=True)
    return np.array([pvalue_of_interval(*row, alpha) for row in rows])

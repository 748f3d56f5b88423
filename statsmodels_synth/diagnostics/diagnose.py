"""
Diagnostics of a result: where a source is wrong, and what that does.

A review of regressions on LLM output names three pitfalls: misspecification bias,
attenuated uncertainty and failure to generalise (Abdel-Azim, Wang and Lin 2026). The
labels that the augmented estimate needs anyway show how large each is. Nothing here
changes an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.iolib.summary import Summary

from statsmodels_synth.core.arrays import Bools, Floats
from statsmodels_synth.core.options import (
    check_alpha,
    methods_name_keywords,
    names_keywords,
)
from statsmodels_synth.core.process import with_filters_kept, with_one_blas_thread
from statsmodels_synth.core.tables import NotesSummary
from statsmodels_synth.core.tidy import tidy_frame
from statsmodels_synth.diagnostics.agreement import (
    cross_correlation,
    labeled_moves,
)
from statsmodels_synth.diagnostics.coverage import Drawn, coverage_gap
from statsmodels_synth.diagnostics.graphics import plot_correlation
from statsmodels_synth.diagnostics.left_out import params_without
from statsmodels_synth.diagnostics.shown_labels import nearly_alike, unaware
from statsmodels_synth.diagnostics.source_bias import (
    bias_covariance,
    bias_test,
    joint_covariance,
    strongest_units,
)
from statsmodels_synth.diagnostics.subgroups import (
    Groups,
    group_errors,
    outcome_errors,
)
from statsmodels_synth.diagnostics.tables import frame_table
from statsmodels_synth.diagnostics.verdict import Evidence, verdict
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.gmm.cautions import coding_note, useless_note
from statsmodels_synth.gmm.covariance import explained_by_source, explained_shares
from statsmodels_synth.gmm.jtest import reference_table
from statsmodels_synth.problem.design import (
    AlignedDesign,
    source_facts,
    with_outcomes,
)

if TYPE_CHECKING:
    from statsmodels_synth.gmm.fit import Fit

_LEVEL = 0.05
_BIAS = [
    "naive",
    "augmented",
    "bias",
    "std_err",
    "statistic",
    "pvalue",
    "augmented_std_err",
    "df",
]
_UNCERTAINTY = [
    "naive_std_err",
    "std_err",
    "naive_margin",
    "margin",
    "ratio",
    "contains",
]
_COVERAGE = ["covered", "labeled", "unlabeled", "difference", "pvalue"]
_SUBGROUPS = ["labeled", "mean_error", "std_err"]
_TESTS = ["statistic", "df", "df_denom", "pvalue"]


@dataclass(frozen=True)
class GivenUnits:
    """
    The units that were given, also those that take no part.

    Parameters
    ----------
    taking_part : Index (T,)
        Those that are labelled or covered.
    drawn : Drawn
        How labels were drawn among all that were given.
    """

    taking_part: pd.Index
    drawn: Drawn


@methods_name_keywords
@dataclass(frozen=True)
class Diagnostics:
    """
    What the labels say about the sources.

    Made by :func:`diagnose`. Holds tables only: it can be pickled, and still prints and
    draws after the data of the result were removed. It names units (in `influential`)
    and groups, and holds no label of a unit.

    Parameters
    ----------
    bias : DataFrame
        One row per source and coefficient: `naive` estimate, `augmented` estimate,
        `bias` (the difference), its standard error `std_err`, `statistic`, `pvalue`,
        not adjusted for their number; `augmented_std_err`, to see the size of the bias;
        and the degrees of freedom `df` of the test, infinite where it is normal.
        The standard error allows for both estimates using the same units.
    bias_tests : DataFrame
        One row per source, Wald test of no bias in any coefficient: `statistic` (F
        with `df` and `df_denom`, or chi-squared where `df_denom` is infinite),
        `pvalue`.
    explained : DataFrame
        One row per source and one for "all sources": `overall`, the share of the
        labelled score that it explains, and for each coefficient the share of what
        labelled units contribute to it: what could at most be taken off. Adjusted for
        what noise explains by chance.
    uncertainty : DataFrame
        One row per source and coefficient: standard errors `naive_std_err` (what would
        have been claimed) and `std_err` (augmented); half widths of the 95 % intervals,
        `naive_margin` and `margin`; their `ratio`, how many times too narrow the
        naive interval is; and whether it `contains` the augmented estimate.
    residual_correlation : DataFrame (p, M p)
        Correlation, over labelled units that the source covers, of what a unit
        contributes to the labelled-only coefficient (row) and to a coefficient of the
        source (columns: source, coefficient).
    influential : DataFrame
        Units that move a coefficient most, by label: which `coefficient`, by how many
        standard errors (`dfbetas`: estimate less that of a fit without the unit), and
        whether the unit is `labeled`. Missing where there is no fit without the unit.
        To first order twice as many units are found, and fitted without.
    coverage : DataFrame
        One row per source: `covered` units, share of the `labeled` units and of the
        `unlabeled` ones that are, `difference`, `pvalue` of no dependence on labelling
        (exact given the design; with clusters a permutation test). Units that only a
        source has are not counted as unlabelled ones: they are covered by
        construction. Nor are units that lack an observed regressor: they could not be
        labelled. Without others the p-value is missing, as it is where all units are
        covered.
    representativeness : DataFrame
        See :meth:`AugmentedGMMResults.representativeness`.
    subgroups : DataFrame
        One row per source and group: `labeled` units that the source covers, its
        `mean_error` (outcome of the source, averaged over replicates, less the human
        one) and `std_err`. Missing with fewer than two such units (with clusters, fewer
        than two clusters). Where all errors of a group are the same, `std_err` comes
        from the other groups. No rows if groups were not asked for.
    subgroup_tests : DataFrame
        One row per source: Welch's test (with clusters a Wald test) that the mean
        error is the same in all groups. Units without a group are left out.
    verdict : tuple of str
        The tables in words: misspecification bias, attenuated uncertainty, failure to
        generalise, what the sources are worth.
    combined : DataFrame
        One row per source with replicates and coefficient: naive estimates of its
        `sets`, the k-th row of every unit, combined by Rubin's rules: `estimate`,
        `std_err`, `df`, 95 % interval from `lower` to `upper`; and `stacked_std_err`,
        that of the naive estimate which takes replicates of a unit as one observation.
        It allows for how far sets differ, and knows nothing of the bias.

    Examples
    --------
    >>> from statsmodels_synth.demo import fit_study, make_study
    >>> found = fit_study(make_study())[1].diagnostics()
    >>> found.explained.round(2)
                 overall  Intercept   age  educ  income
    source
    guess           0.62       0.42  0.51   0.7    0.59
    draws           0.25       0.15  0.46   0.0    0.00
    all sources     0.62       0.45  0.53   0.7    0.60
    """

    bias: pd.DataFrame = field(repr=False)
    bias_tests: pd.DataFrame = field(repr=False)
    explained: pd.DataFrame = field(repr=False)
    uncertainty: pd.DataFrame = field(repr=False)
    residual_correlation: pd.DataFrame = field(repr=False)
    influential: pd.DataFrame = field(repr=False)
    coverage: pd.DataFrame = field(repr=False)
    representativeness: pd.DataFrame = field(repr=False)
    subgroups: pd.DataFrame = field(repr=False)
    subgroup_tests: pd.DataFrame = field(repr=False)
    verdict: tuple[str, ...]
    combined: pd.DataFrame = field(repr=False, default_factory=pd.DataFrame)

    @with_filters_kept
    def summary(self) -> Summary:
        """
        Tables and verdict for people.

        All tables but the correlations, which :meth:`plot` draws.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; ``as_latex()``, ``as_html()``, ``as_csv()``.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> found = fit_study(make_study())[1].diagnostics()
        >>> table = found.summary()  # print() shows it
        """
        table = NotesSummary()
        table.tables = [
            frame_table(
                self.bias.drop(columns=["augmented_std_err", "df"]),
                "Bias of each source alone",
            ),
            frame_table(self.bias_tests, "Wald tests of bias in all coefficients"),
            frame_table(self.explained, "Share of the labels' noise that is explained"),
            frame_table(self.uncertainty, "Uncertainty: naive and augmented"),
            frame_table(
                self.coverage,
                "Coverage of labelled and unlabelled units: test",
            ),
            frame_table(
                self.representativeness,
                "Scores of labelled units against all: test",
            ),
        ]
        if len(self.combined):
            title = "Naive estimates of replicates, combined by Rubin's rules"
            table.tables.append(frame_table(self.combined, title))
        if len(self.subgroups):
            table.tables += [
                frame_table(self.subgroups, "Error of the outcome by group"),
                frame_table(self.subgroup_tests, "Tests of equal mean error by group"),
            ]
        if len(self.influential):
            table.tables.append(frame_table(self.influential, "Most influential units"))
        table.set_notes("Verdict:", self.verdict)
        return table

    def tidy(self, alpha: float = 0.05) -> pd.DataFrame:
        """
        Bias of each source as a plain frame, to join, filter and plot.

        Parameters
        ----------
        alpha : float
            One minus the level of the intervals.

        Returns
        -------
        DataFrame
            One row per source and coefficient: `term`, `estimate` (of the bias),
            `std_error`, `statistic`, `p_value`, `conf_low`, `conf_high`, `source`, and
            the `naive` and `augmented` estimates whose difference it is.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> found = fit_study(make_study())[1].diagnostics()
        >>> found.tidy()[["term", "source", "estimate"]].head(3).round(2)
                term source  estimate
        0  Intercept  guess      0.96
        1        age  guess     -0.01
        2       educ  guess     -0.03
        """
        own = self.bias
        tail = 1.0 - check_alpha(alpha) / 2.0
        margin = stats.t.ppf(tail, own["df"]) * own["std_err"]
        return tidy_frame(
            own.index.get_level_values("coefficient"),
            np.column_stack([own["bias"] - margin, own["bias"] + margin]),
            estimate=own["bias"],
            std_error=own["std_err"],
            statistic=own["statistic"],
            p_value=own["pvalue"],
            source=own.index.get_level_values("source").astype(str),
            naive=own["naive"],
            augmented=own["augmented"],
        )

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())

    @with_filters_kept
    def plot(self, ax: Any = None) -> Any:
        """
        Heat map of :attr:`residual_correlation`, one panel for each source.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes, if there is one source; a new figure if omitted.

        Returns
        -------
        matplotlib.figure.Figure
            The figure. The titles give the share that each source explains.

        Raises
        ------
        OptionError
            If one `ax` is given and there are several sources.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> found = fit_study(make_study())[1].diagnostics()
        >>> figure = found.plot()
        """
        # By position: a regressor may be called "overall", and a source "all sources".
        overall = self.explained.iloc[:-1, 0]
        return plot_correlation(self.residual_correlation, overall, ax)


@names_keywords
@with_one_blas_thread
def diagnose(
    fit: Fit,
    given: GivenUnits,
    groups: Groups | None = None,
    n_influential: int = 5,
    *,
    blind: bool | str | Sequence[str] = False,
) -> Diagnostics:
    """Look for bias, false precision and failure to generalise of the sources."""
    if (
        isinstance(n_influential, bool)
        or not isinstance(n_influential, numbers.Integral)
        or n_influential < 0
    ):
        raise OptionError(
            f"n_influential={n_influential!r} must be a number of units, 0 or above."
        )
    design = fit.design
    if not design.k_sources:
        dropped = "; ".join(f"{k!r}: {v}" for k, v in fit.dropped_sources.items())
        raise DataError(
            "No source took part in this result, so there is nothing to diagnose. "
            + (
                f"The fit dropped {dropped}."
                if dropped
                else "Give the model a proxy or a synthetic frame."
            )
        )
    if not fit.solution.converged:
        raise DataError(
            "The fit did not converge, so there is nothing to compare the sources "
            "with. See the ConvergenceWarning of fit() for what to do."
        )
    exempt = unaware(list(design.names), blind)
    bias, tests = _bias(fit)
    correlation, explained = _agreement(fit)
    uncertainty = _uncertainty(fit)
    coverage = _coverage(design, given)
    subgroups, subgroup_tests = _subgroups(fit, groups)
    representativeness = reference_table(fit.representativeness, list(design.names))
    evidence = Evidence(
        bias,
        tests,
        uncertainty,
        coverage,
        representativeness,
        subgroups,
        subgroup_tests,
        None if groups is None else groups.label,
        0 if groups is None else len(groups.names) - groups.has_missing,
        design.n_labeled,
        pd.Series(fit.effective_labels, list(fit.target.names)),
        clustered=fit.clusters is not None,
        alike=tuple(own for own in nearly_alike(design) if own[0] not in exempt),
        useless=_useless(fit),
    )
    return Diagnostics(
        bias=bias,
        bias_tests=tests,
        explained=explained,
        uncertainty=uncertainty,
        residual_correlation=correlation,
        influential=_influential(fit, given, int(n_influential)),
        coverage=coverage,
        representativeness=representativeness,
        subgroups=subgroups,
        subgroup_tests=subgroup_tests,
        verdict=verdict(evidence),
    )


def _useless(fit: Fit) -> tuple[str, ...]:
    """What is said of sources that explain next to nothing, as in the summary."""
    design = fit.design
    shares = explained_by_source(fit.solution.sums, design.basis, design.n_labeled)
    most = design.n_labeled if fit.clusters is None else fit.clusters.n_labeled
    facts = zip(source_facts(design), shares, strict=True)
    notes = (
        useless_note(name, share * design.n_labeled / labelled, min(labelled, most))
        for (name, _, _, labelled, *_), share in facts
    )
    coding = (
        coding_note(name, rows, design.labeled)
        for name, rows in zip(design.names, design.labeled_sources, strict=True)
    )
    return tuple(filter(None, [*notes, *coding]))


def _rows(fit: Fit) -> pd.MultiIndex:
    return pd.MultiIndex.from_product(
        [list(fit.design.names), list(fit.target.names)],
        names=["source", "coefficient"],
    )


def _sources(design: AlignedDesign) -> pd.Index:
    return pd.Index(list(design.names), name="source")


def _bias(fit: Fit) -> tuple[pd.DataFrame, pd.DataFrame]:
    params, bse = fit.solution.theta, fit.bse
    naive, df = fit.naive.params, fit.df_by_coefficient
    joint = joint_covariance(
        fit.design,
        fit.target.score,
        fit.solution,
        fit.inference.influence,
        naive,
        fit.clusters,
    )
    covariances = bias_covariance(joint, fit.inference.covariance)
    bias = naive - params
    if fit.design.is_finite:
        # What a source says of all units is no matter of chance.
        covariances = np.stack([fit.inference.covariance] * len(naive))
    tests = [
        bias_test(own, covariance, bse, df)
        for own, covariance in zip(bias, covariances, strict=True)
    ]
    columns: list[Floats] = [
        naive,
        np.broadcast_to(params, naive.shape),
        bias,
        np.stack([t.se for t in tests]),
        np.stack([t.statistic for t in tests]),
        np.stack([t.pvalue for t in tests]),
        np.broadcast_to(bse, naive.shape),
        np.broadcast_to(df, naive.shape),
    ]
    frame = pd.DataFrame(
        dict(zip(_BIAS, (c.ravel() for c in columns), strict=True)), _rows(fit)
    )
    overall = pd.DataFrame(
        [(t.joint, t.df, float(df.min()), t.joint_pvalue) for t in tests],
        _sources(fit.design),
        columns=_TESTS,
    )
    return frame, overall


def _agreement(fit: Fit) -> tuple[pd.DataFrame, pd.DataFrame]:
    moves = labeled_moves(fit.design, fit.target.score, fit.solution)
    names = list(fit.target.names)
    every = np.concatenate(list(moves.sources), axis=1)
    labels = moves.labels
    shares = [
        explained_shares(labels.T @ labels, labels.T @ own, own.T @ own, len(own))
        for own in (*moves.sources, every)
    ]
    explained = pd.DataFrame(
        np.column_stack([[s[0] for s in shares], np.stack([s[1] for s in shares])]),
        pd.Index([*fit.design.names, "all sources"], name="source"),
        columns=["overall", *names],
    )
    correlation = np.hstack(
        [
            cross_correlation(moves.labels[covered], own[covered])
            for own, covered in zip(moves.sources, moves.covered, strict=True)
        ]
    )
    index = pd.Index(names, name="labels")
    return pd.DataFrame(correlation, index, _rows(fit)), explained


def _uncertainty(fit: Fit) -> pd.DataFrame:
    params, bse = fit.solution.theta, fit.bse
    naive, naive_se = fit.naive.params, fit.naive.bse
    tail = 1.0 - _LEVEL / 2
    honest = stats.t.ppf(tail, fit.df_by_coefficient)  # normal where infinite
    naive_margin = stats.norm.ppf(tail) * naive_se
    margin = np.broadcast_to(honest * bse, naive.shape)
    # A naive standard error of zero claims infinitely much.
    with np.errstate(divide="ignore"):
        ratio = margin / naive_margin
    contains = np.abs(naive - params) <= naive_margin
    columns = [
        naive_se,
        np.broadcast_to(bse, naive.shape),
        naive_margin,
        margin,
        ratio,
        contains,
    ]
    return pd.DataFrame(
        dict(zip(_UNCERTAINTY, (c.ravel() for c in columns), strict=True)),
        _rows(fit),
    )


def _influential(fit: Fit, given: GivenUnits, size: int) -> pd.DataFrame:
    """Units by what the estimate is without them; to first order they are found."""
    params, bse, design = fit.solution.theta, fit.bse, fit.design
    score, solution = fit.target.score, fit.solution
    units = strongest_units(
        design, score, solution, fit.inference.influence, bse, 2 * size if size else 0
    )
    without = [
        params_without(int(unit), design, score, solution, fit.settings, fit.clusters)
        for unit in units
    ]
    changes = (params - np.reshape(without, (len(units), len(params)))) / bse
    # Without an estimate a unit is as influential as can be.
    far = np.where(np.isnan(changes), np.inf, np.abs(changes))
    order = np.argsort(-far.max(axis=1), kind="stable")[:size]
    units, coefficient = units[order], far[order].argmax(axis=1)
    index = given.taking_part[units]
    return pd.DataFrame(
        {
            "coefficient": np.array(list(fit.target.names), dtype=object)[coefficient],
            "dfbetas": changes[order, coefficient],
            "labeled": np.isin(units, design.labeled_units),
        },
        index.rename("unit") if index.name is None and index.nlevels == 1 else index,
    )


def _coverage(design: AlignedDesign, given: GivenUnits) -> pd.DataFrame:
    n_given, rows = len(given.drawn.labeled), []
    places = np.arange(n_given) if design.kept is None else design.kept
    for source in design.sources:
        covered: Bools = np.zeros(n_given, dtype=bool)
        covered[places[source.unit_positions]] = True
        gap = coverage_gap(covered, given.drawn)
        rows.append(
            (
                int(covered.sum()),
                gap.labeled,
                gap.unlabeled,
                gap.labeled - gap.unlabeled,
                gap.pvalue,
            )
        )
    return pd.DataFrame(rows, _sources(design), columns=_COVERAGE)


def _subgroups(fit: Fit, groups: Groups | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    design = fit.design
    names = () if groups is None else groups.names
    index = pd.MultiIndex.from_product(
        [list(design.names), names], names=["source", "group"]
    )
    if groups is None:
        empty = pd.DataFrame(index=index, columns=_SUBGROUPS, dtype=float)
        sources = pd.Index([], name="source")
        return empty, pd.DataFrame(index=sources, columns=_TESTS, dtype=float)
    clusters = fit.clusters
    design = with_outcomes(design, fit.target.score.numbers)
    own_group = groups.codes[design.labeled_units]
    weights = design.design_weights
    if design.labeled.weights is not None:
        weights = weights * design.labeled.weights
    found = []
    for m in range(design.k_sources):
        units, error = outcome_errors(design, m)
        found.append(
            group_errors(
                error,
                weights[units],
                own_group[units],
                len(names),
                None if clusters is None else clusters.of_labeled[units],
                len(names) - groups.has_missing,
            )
        )
    table = pd.DataFrame(
        {
            "labeled": np.concatenate([f.labeled for f in found]),
            "mean_error": np.concatenate([f.mean for f in found]),
            "std_err": np.concatenate([f.se for f in found]),
        },
        index,
    )
    tests = pd.DataFrame(
        [(f.statistic, *f.df, f.pvalue) for f in found],
        _sources(fit.design),
        columns=_TESTS,
    )
    return table, tests

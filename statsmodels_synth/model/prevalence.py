"""Shares of a binary outcome, overall and by group, with intervals within 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass
import keyword
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.genmod import families
from statsmodels.iolib.summary import Summary

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import (
    VALIDITY,
    count,
    format_units,
    show,
    suggest,
)
from statsmodels_synth.core.options import (
    check_alpha,
    methods_name_keywords,
)
from statsmodels_synth.core.process import with_filters_kept
from statsmodels_synth.core.pyplot import BLUE, pyplot
from statsmodels_synth.core.tables import NotesSummary
from statsmodels_synth.core.tidy import tidy_frame
from statsmodels_synth.diagnostics.tables import frame_table
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.model.augmented import AugmentedGMM

#: Name of the line of all units.
OVERALL = "overall"
#: Options of the fit; all others are those of the model.
_OF_FIT = (
    *("cov_type", "cov_kwds", "use_correction", "population", "maxiter", "use_t"),
    *("centered", "weights_method"),
)
#: Labels with the rarer outcome below which a note says how few they are.
_FEW = 5
_GREY = "0.6"


@methods_name_keywords
@dataclass(frozen=True)
class PrevalenceResults:
    """
    Shares of a binary outcome, made by :func:`~statsmodels_synth.prevalence`.

    Parameters
    ----------
    table : DataFrame
        One row per share, "overall" first and then the groups: `share`, its standard
        error `std_err`, the ends `lower` and `upper` of the interval, `labels`, the
        `ones` among them, and `effective_labels`, the number that would give the same
        standard error on the scale of the logit without any source.
    overall : AugmentedGMMResults
        The fit of the overall share, a logit with a constant.
    groups : AugmentedGMMResults or None
        The fit of the shares by group, a logit with a constant for each.
    outcome : str
        Name of the outcome.
    by : str or None
        Column of the groups.
    alpha : float
        One minus the level of the intervals.

    See Also
    --------
    statsmodels_synth.prevalence : Makes it.

    Examples
    --------
    >>> from statsmodels_synth import prevalence
    >>> from statsmodels_synth.datasets import load_posts
    >>> posts = load_posts()
    >>> found = prevalence("polite", posts, {"polite": "polite_llm"}, by="forum")
    >>> found.table[["share", "lower", "upper", "labels"]].round(3)
             share  lower  upper  labels
    forum
    overall  0.518  0.485  0.552     300
    cooking  0.493  0.436  0.551      84
    physics  0.434  0.383  0.487     127
    travel   0.650  0.582  0.713      89
    """

    table: pd.DataFrame
    overall: Any
    groups: Any
    outcome: str
    by: str | None
    alpha: float

    @with_filters_kept
    def differences(self, reference: Any = None) -> pd.DataFrame:
        """
        Differences between the shares of groups.

        Parameters
        ----------
        reference : object, optional
            The group that the others are compared with; all pairs if omitted.

        Returns
        -------
        DataFrame
            One row per pair: `difference`, first group less second, `std_err`, the ends
            `lower` and `upper` of its interval, which is within -1 and 1, and `pvalue`
            of the hypothesis that the odds are the same.

        Raises
        ------
        OptionError
            If there are no groups, or not this one.

        Notes
        -----
        The interval is put together from those of the two shares (Newcombe 1998), with
        the correlation that their estimates have (Zou and Donner 2008).

        References
        ----------
        .. [1] Newcombe, R. G. (1998). Interval estimation for the difference between
           independent proportions. Statistics in Medicine 17, 873-890.
        .. [2] Zou, G. Y. and Donner, A. (2008). Construction of confidence limits
           about effect measures: a general approach. Statistics in Medicine 27,
           1693-1702.

        Examples
        --------
        >>> from statsmodels_synth import prevalence
        >>> from statsmodels_synth.datasets import load_posts
        >>> posts = load_posts()
        >>> found = prevalence("polite", posts, {"polite": "polite_llm"}, by="forum")
        >>> found.differences().round(3)
                           difference  std_err  lower  upper  pvalue
        group   reference
        physics cooking        -0.059    0.039 -0.136  0.019   0.139
        travel  cooking         0.157    0.044  0.068  0.242   0.001
                physics         0.216    0.042  0.130  0.297   0.000
        """
        if self.groups is None:
            raise OptionError(
                "There are no groups to compare. Name their column in by=, as in "
                f"prevalence({self.outcome!r}, data, ..., by='group')."
            )
        names = list(self.table.index[1:])
        if reference is not None and reference not in names:
            raise OptionError(
                f"There is no group {show(reference)}."
                f"{suggest(str(reference), [str(name) for name in names])}"
            )
        covariance = np.asarray(self.groups.cov_params())
        shares = self.table.iloc[1:]
        pairs = [
            (a, b)
            for a in range(len(names))
            for b in range(len(names))
            if (b < a if reference is None else names[b] == reference and a != b)
        ]
        rows = [_difference(a, b, shares, covariance) for a, b in pairs]
        table = pd.DataFrame(
            rows,
            pd.MultiIndex.from_tuples(
                [(names[a], names[b]) for a, b in pairs], names=["group", "reference"]
            ),
            ["difference", "std_err", "lower", "upper"],
        )
        unit = np.eye(len(names))
        contrasts = np.array([unit[a] - unit[b] for a, b in pairs])
        table["pvalue"] = self.groups.t_test(contrasts).pvalue
        return table

    def tidy(self) -> pd.DataFrame:
        """
        Shares as a plain frame, to join, filter and plot.

        Returns
        -------
        DataFrame
            One row per share: `term` ("overall" or the group), `estimate`, `std_error`,
            `conf_low`, `conf_high` at the level of the table, `labels`,
            `effective_labels`.

        Examples
        --------
        >>> from statsmodels_synth import prevalence
        >>> from statsmodels_synth.datasets import load_posts
        >>> posts = load_posts()
        >>> found = prevalence("polite", posts, {"polite": "polite_llm"}, by="forum")
        >>> found.tidy().shape
        (4, 7)
        """
        return tidy_frame(
            self.table.index,
            self.table[["lower", "upper"]],
            estimate=self.table["share"],
            std_error=self.table["std_err"],
            labels=self.table["labels"],
            effective_labels=self.table["effective_labels"],
        )

    @with_filters_kept
    def summary(self) -> Summary:
        """
        The table of shares, that of differences, and what to know of them.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; ``as_latex()``, ``as_html()``.

        Examples
        --------
        >>> from statsmodels_synth import prevalence
        >>> from statsmodels_synth.datasets import load_posts
        >>> posts = load_posts()
        >>> found = prevalence("polite", posts, {"polite": "polite_llm"}, by="forum")
        >>> table = found.summary()  # print() shows it
        """
        result = NotesSummary()
        title = f"Prevalence of {self.outcome}"
        result.tables.append(frame_table(self._shown(self.table), title))
        if self.groups is not None and len(self.table) <= 5:
            result.tables.append(
                frame_table(self._shown(self.differences()), "Differences")
            )
        result.set_notes("Notes:", self.notes)
        return result

    def _shown(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with the headers of statsmodels."""
        low, high = self.alpha / 2, 1 - self.alpha / 2
        headers = {
            "std_err": "std err",
            "lower": f"[{low:g}",
            "upper": f"{high:g}]",
            "effective_labels": "eff. labels",
            "pvalue": "P (same odds)",
        }
        shown = table.rename(columns=headers)
        if "eff. labels" in shown:
            shown["eff. labels"] = shown["eff. labels"].round().astype(int)
        return shown

    @property
    def notes(self) -> list[str]:
        """What a reader must know besides the numbers, in sentences."""
        fit = self.overall
        notes = [
            f"{fit.n_labeled} labelled of {fit.n_units} units. "
            f"{100 * (1 - self.alpha):g} % intervals are those of the logit, "
            "transformed: they are within 0 and 1, and not symmetric."
        ]
        if fit.source_names:
            notes.append(
                f"{VALIDITY} Eff. labels: how many would give the same standard error "
                "without any source."
            )
        rare = np.minimum(self.table["ones"], self.table["labels"] - self.table["ones"])
        few = self.table.index[rare < _FEW]
        if len(few):
            named = ", ".join(map(str, few[:5]))
            notes.append(
                f"Fewer than {_FEW} labels have the rarer outcome ({named}): the "
                "interval may be too short there. Label more units that a source says "
                "have it, and say so with strata= or labeling_prob=."
            )
        return notes

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())

    @with_filters_kept
    def plot(self, ax: Any = None) -> Any:
        """
        Draw the shares with their intervals; grey are those of the labels alone.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            A new figure if omitted.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Examples
        --------
        >>> from statsmodels_synth import prevalence
        >>> from statsmodels_synth.datasets import load_posts
        >>> posts = load_posts()
        >>> found = prevalence("polite", posts, {"polite": "polite_llm"}, by="forum")
        >>> figure = found.plot()
        """
        plt = pyplot()
        number = len(self.table)
        if ax is None:
            size = (5.0, 1.1 + 0.32 * number)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        groups = None if self.groups is None else self.groups.real_only
        alone = _table(self.overall.real_only, groups, self.by, self.alpha)
        if self.overall.source_names:
            below = np.arange(number) + 0.16
            ax.hlines(below, alone["lower"], alone["upper"], color=_GREY, linewidth=1.6)
            ax.plot(
                alone["share"], below, "o", color=_GREY, markersize=4, label="labels"
            )
        at = np.arange(number)
        ax.hlines(at, self.table["lower"], self.table["upper"], color=BLUE)
        ax.plot(self.table["share"], at, "o", color=BLUE, markersize=5)
        ax.set_yticks(at, [str(name) for name in self.table.index])
        ax.set_ylim(number - 0.5, -0.5)
        ax.set_xlabel(f"Share of {self.outcome}, {100 * (1 - self.alpha):g} % interval")
        ax.spines[["top", "right"]].set_visible(False)
        return ax.figure


def prevalence(
    outcome: str,
    data: Any,
    proxy: Any = None,
    synthetic: Any = None,
    *,
    by: str | None = None,
    alpha: float = 0.05,
    **options: Any,
) -> PrevalenceResults:
    """
    Share of units with a binary outcome, overall and by group.

    Estimates are valid when units are labelled at random or with known
    probabilities, and the sources are made in the same way for labelled and
    unlabelled units.

    Parameters
    ----------
    outcome : str
        Column that is 1 or 0, or True or False, for labelled units and missing for
        others. In sources it may be anything between, such as a probability.
    data : DataFrame or Table
        One row per unit, as in :meth:`AugmentedGMM.from_formula`.
    proxy, synthetic : DataFrame, Table or mapping, optional
        Sources, as there.
    by : str, optional
        Column of groups. Where a source does not have it, it is taken from `data`.
    alpha : float
        One minus the level of the intervals.
    **options
        Others of :meth:`AugmentedGMM.from_formula`, such as `on`, `strata`, `weights`
        and `labeling_prob`, and of :meth:`AugmentedGMM.fit`, such as `cov_type`.

    Returns
    -------
    PrevalenceResults
        Prints as a table; ``.table`` is the data frame, ``.differences()`` that of
        pairs of groups, and ``.plot()`` draws it.

    Raises
    ------
    DataError
        If labels are not 0 or 1, or all alike, overall or in a group.
    OptionError
        If an option does not exist.

    See Also
    --------
    AugmentedGMM : The same as a regression, with other regressors.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from statsmodels_synth import prevalence
    >>> rng = np.random.default_rng(0)
    >>> texts = pd.DataFrame({"site": rng.choice(["a", "b"], 3000)})
    >>> hateful = rng.random(3000) < np.where(texts.site == "a", 0.03, 0.08)
    >>> texts["llm"] = np.where(rng.random(3000) < 0.97, hateful, ~hateful) * 1.0
    >>> texts["hateful"] = np.where(np.arange(3000) < 400, hateful, np.nan)
    >>> found = prevalence("hateful", texts, {"hateful": "llm"}, by="site")
    >>> found.table[["share", "lower", "upper", "labels"]].round(3)
             share  lower  upper  labels
    site
    overall  0.063  0.050  0.080     400
    a        0.041  0.026  0.065     179
    b        0.082  0.062  0.108     221
    """
    check_alpha(alpha)
    refused = {"family", "score", "formula", "offset", "exposure"} & {*options}
    if refused:
        raise OptionError(
            f"prevalence() has no {sorted(refused)[0]}=: it is a logit with constants. "
            "AugmentedGMM.from_formula has other models."
        )
    for name, given in (("outcome", outcome), ("by", by)):
        if not isinstance(given, str) and (name == "outcome" or given is not None):
            raise OptionError(
                f"{name}={show(given)} is no name of a column. Give one column"
                + (
                    ", for several groupings that of their combinations."
                    * (name == "by")
                )
            )
    of_fit = {name: options.pop(name) for name in _OF_FIT if name in options}
    options |= {"family": families.Binomial(), "eval_env": -1}

    def fitted(right: str) -> Any:
        text = f"{_quoted(outcome)} ~ {right}"
        model = AugmentedGMM.from_formula(text, data, proxy, synthetic, **options)
        _check_labels(model, outcome, by if right != "1" else None, alpha)
        return model.fit(**of_fit)

    overall = fitted("1")
    groups = None if by is None else fitted(f"0 + C({_quoted(by)})")
    table = _table(overall, groups, by, alpha)
    return PrevalenceResults(table, overall, groups, outcome, by, alpha)


def _quoted(name: str) -> str:
    """The name of a column in a formula."""
    plain = name.isidentifier() and not keyword.iskeyword(name)
    return name if plain else f"Q({name!r})"


def _group_names(model: AugmentedGMM, by: str | None) -> list[Any]:
    """What the shares of a model are of, (P,)."""
    if by is None:
        return [OVERALL]
    learned = model.learned
    assert learned is not None
    assert learned.labels is not None
    values = learned.labels[by]
    rows = np.argmax(model.aligned.labeled.exog, axis=0)
    return [values.iloc[row] for row in rows]


def _check_labels(
    model: AugmentedGMM, outcome: str, by: str | None, alpha: float
) -> None:
    """Raise if labels are not 0 or 1, or all alike in a group."""
    labels = model.aligned.labeled
    strange = ~np.isin(labels.endog, [0.0, 1.0])
    if strange.any():
        units = model.unit_index[model.aligned.labeled_units[strange]]
        raise DataError(
            f"data: {outcome!r} is {show(labels.endog[strange][0])} for "
            f"{count(int(strange.sum()), 'labelled unit')} ({format_units(units)}). A "
            "prevalence is of an outcome of 0 and 1: recode it"
            + (", or give coding='majority'" if model.coders is not None else "")
            + ". The mean of another "
            f"one is AugmentedGMM.from_formula('{outcome} ~ 1', data, ...)."
        )
    member = labels.exog != 0.0
    number, ones = member.sum(axis=0), labels.endog @ member
    alike = np.flatnonzero((ones == 0) | (ones == number))
    if not len(alike):
        return
    names = _group_names(model, by)
    told = [_bound(names[j], int(number[j]), ones[j] > 0, alpha) for j in alike[:5]]
    raise DataError(
        f"The labels of {outcome!r} are all alike"
        + (f" in {count(len(alike), 'group')} of {by!r}" if by is not None else "")
        + f", which no interval of a logit has: {'; '.join(told)} (exact "
        f"{100 * (1 - alpha):g} % interval of Clopper and Pearson 1934, for units that "
        "were labelled with equal probabilities; sources do not shorten it). Label "
        "more units, above all such as a source says have the other outcome, and say "
        "so with strata= or labeling_prob="
        + ("; or join groups, or leave by= out." if by is not None else ".")
    )


def _bound(name: Any, number: int, is_one: bool, alpha: float) -> str:
    """
    What labels that are all alike say of a share.

    Examples
    --------
    >>> _bound("overall", 150, False, 0.05)
    'overall, none of 150 labels is 1, so that the share is at most 2.43 %'
    """
    end = 1.0 - (alpha / 2.0) ** (1.0 / number)  # as scipy.stats.binomtest has it
    if is_one:
        return (
            f"{name}, all of {number} labels are 1, so that the share is at least "
            f"{100 * (1.0 - end):.3g} %"
        )
    return (
        f"{name}, none of {number} labels is 1, so that the share is at most "
        f"{100 * end:.3g} %"
    )


def _shares(fit: Any, by: str | None, alpha: float) -> pd.DataFrame:
    """Shares of a fit with a constant for each group, as a table."""
    model = fit.model
    labels, n = model.aligned.labeled, fit.n_labeled
    member = labels.exog != 0.0
    number = member.sum(axis=0)
    found = fit.get_prediction(np.eye(len(number)), transform=False)
    lower, upper = found.conf_int(alpha=alpha).T
    return pd.DataFrame(
        {
            "share": found.predicted,
            "std_err": found.se,
            "lower": lower,
            "upper": upper,
            "labels": number,
            "ones": (labels.endog @ member).astype(int),
            "effective_labels": np.asarray(fit.effective_nobs) * number / n,
        },
        index=_group_names(model, by),
    )


def _table(overall: Any, groups: Any, by: str | None, alpha: float) -> pd.DataFrame:
    """The share of all units, and below it those of groups."""
    table = _shares(overall, None, alpha)
    if groups is None:
        return table
    of_groups = _shares(groups, by, alpha)
    # Objects: a group may be a number.
    names = pd.Index([*table.index, *of_groups.index], dtype=object, name=by)
    return pd.concat([table, of_groups]).set_axis(names)


def _difference(
    a: int, b: int, shares: pd.DataFrame, covariance: Floats
) -> tuple[float, float, float, float]:
    """First share less second, its standard error and the ends of its interval."""
    first, second = shares.iloc[a], shares.iloc[b]
    correlation = covariance[a, b] / np.sqrt(covariance[a, a] * covariance[b, b])
    found = float(first["share"] - second["share"])

    def length(one: float, other: float) -> float:
        return float(np.sqrt(one**2 + other**2 - 2.0 * correlation * one * other))

    below = length(first["share"] - first["lower"], second["upper"] - second["share"])
    above = length(first["upper"] - first["share"], second["share"] - second["lower"])
    error = length(first["std_err"], second["std_err"])
    return found, error, max(found - below, -1.0), min(found + above, 1.0)

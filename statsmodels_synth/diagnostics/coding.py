"""How far a source agrees with people, variable by variable: the table of papers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.iolib.summary import Summary, fmt_params
from statsmodels.iolib.table import SimpleTable

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.core.options import check_alpha, methods_name_keywords
from statsmodels_synth.core.process import with_filters_kept
from statsmodels_synth.core.pyplot import BLUE, pyplot
from statsmodels_synth.core.tables import NotesSummary
from statsmodels_synth.core.tidy import great_table, tidy_frame
from statsmodels_synth.gmm.fit import Fit
from statsmodels_synth.gmm.rows import strata_groups, within_groups
from statsmodels_synth.problem.design import DesignRows
from statsmodels_synth.problem.groups import Clusters, cluster_sums

#: Step of numeric gradients, as a share of a mean.
STEP = 1e-6
#: Values up to which there is a table of both.
MOST_VALUES = 20
#: Measures between 0 and 1, whose intervals are those of the logit; correlations have
#: those of Fisher's transformation.
_SHARES = {"accuracy", "precision", "recall", "F1"}
_CORRELATIONS = {"r", "kappa"}
_MARKERS = {"accuracy": "o", "kappa": "s", "precision": "v", "recall": "^"}
_MARKERS |= {"F1": "D", "r": "P"}

Measure = Callable[[Floats], float]


def _ratio(over: float, under: float) -> float:
    return over / under if under != 0.0 else float("nan")


#: Of the shares of units that both call 1, people alone, the source alone, neither.
_BINARY: dict[str, Measure] = {
    "accuracy": lambda p: p[0] + p[3],
    "kappa": lambda p: _kappa(np.array([[p[0], p[1]], [p[2], p[3]]])),
    "precision": lambda p: _ratio(p[0], p[0] + p[2]),
    "recall": lambda p: _ratio(p[0], p[0] + p[1]),
    "F1": lambda p: _ratio(2.0 * p[0], 2.0 * p[0] + p[1] + p[2]),
    "bias": lambda p: p[2] - p[1],
}
#: Of the means of people's value h and the source's m, h^2, m^2, h m and |m - h|.
_NUMBERS: dict[str, Measure] = {
    "r": lambda v: _ratio(
        v[4] - v[0] * v[1], _spread(v[0], v[2]) * _spread(v[1], v[3])
    ),
    "bias": lambda v: v[1] - v[0],
    "MAE": lambda v: v[5],
    "slope": lambda v: _ratio(v[4] - v[0] * v[1], v[3] - v[1] ** 2),
}


def _spread(mean: float, square: float) -> float:
    return float(np.sqrt(max(square - mean**2, 0.0)))


def _kappa(shares: Floats) -> float:
    """Cohen's kappa of a table of shares, (K, K)."""
    chance = float(shares.sum(axis=0) @ shares.sum(axis=1))
    return _ratio(float(np.trace(shares)) - chance, 1.0 - chance)


@methods_name_keywords
@dataclass(frozen=True)
class AgreementTable:
    """
    Agreement of sources with people, made by ``result.agreement()``.

    Parameters
    ----------
    table : DataFrame
        A row for each source, variable and measure (the index): `estimate`, `std_err`,
        and the ends `lower` and `upper` of the interval.
    confusion : dict
        From ``(source, variable)`` to a DataFrame of the shares of units by what people
        (rows) and the source (columns) say, where there are at most twenty values.
    n : Series
        Labelled units that each source covers.
    alpha : float
        One minus the level of the intervals.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> found = study_model(make_study()).fit().agreement()
    >>> float(found.table.loc[("guess", "dole", "kappa"), "estimate"].round(2))
    0.8
    """

    table: pd.DataFrame
    confusion: dict[tuple[str, str], pd.DataFrame]
    n: pd.Series
    alpha: float

    def wide(self) -> pd.DataFrame:
        """
        One row per source and variable, one column per measure.

        Returns
        -------
        DataFrame
            Estimates; NaN where a measure is not that of the variable.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> table = fit_study(make_study())[1].agreement()
        >>> table.wide().round(2).T
        source    draws              guess
        variable   dole  educ income  dole
        measure
        accuracy   0.84   NaN    NaN  0.90
        kappa      0.68   NaN    NaN  0.80
        precision  0.79   NaN    NaN  0.85
        recall     0.84   NaN    NaN  0.92
        F1         0.81   NaN    NaN  0.89
        bias       0.03 -0.23   0.25  0.04
        r           NaN  0.00   0.01   NaN
        MAE         NaN  1.79   6.58   NaN
        slope       NaN  0.00   0.01   NaN
        """
        order = list(dict.fromkeys([*_BINARY, *_NUMBERS]))
        wide = self.table["estimate"].unstack("measure")  # noqa: PD010
        return wide.reindex(columns=[name for name in order if name in wide])

    def tidy(self) -> pd.DataFrame:
        """
        Measures as a plain frame, to join, filter and plot.

        Returns
        -------
        DataFrame
            One row for each source, variable and measure: `term` (the variable),
            `estimate`, `std_error`, `conf_low`, `conf_high` at the level of the table,
            `source`, `measure` and `n`, the labelled units that the source covers.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> table = fit_study(make_study())[1].agreement()
        >>> table.tidy().head(3).round(2)
           term  estimate  std_error  conf_low  conf_high source   measure    n
        0  dole      0.81       0.03      0.75       0.86  draws        F1  200
        1  dole      0.84       0.02      0.80       0.88  draws  accuracy  200
        2  dole      0.03       0.02     -0.02       0.07  draws      bias  200
        """
        source, variable, measure = (
            self.table.index.get_level_values(name)
            for name in ("source", "variable", "measure")
        )
        return tidy_frame(
            variable,
            self.table[["lower", "upper"]],
            estimate=self.table["estimate"],
            std_error=self.table["std_err"],
            source=source.astype(str),
            measure=measure.astype(str),
            n=self.n.loc[source].to_numpy(),
        )

    @with_filters_kept
    def to_gt(self) -> Any:
        """
        A table of the package great_tables, with a part for each source.

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
        >>> found = fit_study(make_study())[1].agreement()
        >>> table = found.to_gt()  # doctest: +SKIP
        >>> html = table.as_raw_html()  # doctest: +SKIP
        """
        shown = self.tidy()
        columns = ["source", "term", "measure", "estimate", "std_error"]
        shown = shown[[*columns, "conf_low", "conf_high"]]
        return great_table(shown, "Agreement with people", self._notes, by="source")

    def _parts(self) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
        """Measures of each variable of each source."""
        frame = self.table.reset_index()
        for key, part in frame.groupby(["source", "variable"], sort=False):
            source, variable = key
            yield (str(source), str(variable)), part.set_index("measure")

    @with_filters_kept
    def summary(self) -> Summary:
        """
        Tables for people.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; ``as_latex()``, ``as_html()``.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> table = fit_study(make_study())[1].agreement()
        >>> printed = table.summary()  # print() shows it
        """
        result = NotesSummary()
        for measures, title in (
            (list(_BINARY), "Variables with two values, and levels"),
            (list(_NUMBERS), "Variables with many values"),
        ):
            rows, names = [], []
            for (source, variable), own in self._parts():
                if ("r" in own.index) != ("r" in measures):
                    continue
                rows.append([_cell(own, name) for name in measures])
                names.append(f"{source}: {variable} ({self.n.loc[source]})")
            if rows:
                result.tables.append(
                    SimpleTable(rows, measures, names, title=title, txt_fmt=fmt_params)
                )
        level = f"{100 * (1 - self.alpha):g} %"
        where = (
            "Behind a variable: labelled units that the source covers. Behind a "
            "number: its standard error, with the weights of the design. "
            f"{level} intervals are in .table."
        )
        result.set_notes("Notes:", [where, *self._notes])
        return result

    @property
    def _notes(self) -> list[str]:
        return [
            "bias: mean of the source less that of people. slope: of people's values "
            "on the source's; 1 if it is calibrated.",
            "What people coded is taken as true.",
        ]

    def __str__(self) -> str:
        """Tables for people."""
        return str(self.summary())

    def _repr_html_(self) -> str:
        """The same in a notebook."""
        return str(self.summary().as_html())

    def to_latex(self) -> str:
        r"""
        Tables as LaTeX.

        Returns
        -------
        str
            Tabulars, and the notes.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> table = fit_study(make_study())[1].agreement()
        >>> table.to_latex().splitlines()[0]
        '\\begin{center}'
        """
        return str(self.summary().as_latex())

    @with_filters_kept
    def plot(self, ax: Any = None) -> Any:
        """
        Draw the measures between 0 and 1 with their intervals.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes; a new figure if omitted.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> table = fit_study(make_study())[1].agreement()
        >>> figure = table.plot()
        """
        shown = [*_SHARES, *_CORRELATIONS]
        part = self.table[self.table.index.get_level_values("measure").isin(shown)]
        if ax is None:
            size = (6.4, 1.0 + 0.3 * len(part))
            _, ax = pyplot().subplots(figsize=size, layout="constrained")
        measures = part.index.get_level_values("measure")
        for y, (measure, row) in enumerate(
            zip(measures, part.itertuples(), strict=True)
        ):
            ax.plot([row.lower, row.upper], [y, y], color="0.4", zorder=1)
            ax.plot(row.estimate, y, _MARKERS[measure], color=BLUE, zorder=2)
        names = [", ".join(map(str, key)) for key in part.index.to_flat_index()]
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.axvline(1.0, color="0.8", zorder=0)
        ax.set_xlabel(f"agreement with people, {100 * (1 - self.alpha):g} % intervals")
        return ax.figure


def _cell(own: pd.DataFrame, name: str) -> str:
    if name not in own.index:
        return "-"
    row = own.loc[name]
    digits = 2 if abs(row["estimate"]) < 100 else 0
    return f"{row['estimate']:.{digits}f} ({row['std_err']:.{digits}f})"


def agreement_table(
    fit: Fit, yname: str, exog_names: Sequence[str], alpha: float
) -> AgreementTable:
    """Agreement of every source with people in each variable that it brings."""
    check_alpha(alpha)
    design, score = fit.design, fit.target.score
    found, confusion, sizes = [], {}, {}
    for name, rows in zip(design.names, design.labeled_sources, strict=True):
        sizes[name] = len(np.unique(rows.unit_positions))
        for variable, said, given in _variables(
            rows, design.labeled, yname, exog_names
        ):
            is_outcome = variable == yname
            people = score.outcomes(said) if is_outcome else said
            own = score.outcomes(given) if is_outcome else given
            weights = design.row_weights(rows)
            is_level = score.has_levels and variable == yname
            measures, values = _pair(people, own, is_level)
            mean, by_unit = _means(values, weights, rows.unit_positions, fit)
            for measure, function in measures.items():
                estimate, error = _by_delta(function, mean, by_unit)
                size = _size(measure, mean, weights)
                ends = _interval(measure, estimate, error, alpha, size)
                found.append((name, variable, measure, estimate, error, *ends))
            table = _confusion(people, own, weights)
            if table is not None:
                confusion[name, variable] = table
    columns = ["source", "variable", "measure", "estimate", "std_err", "lower", "upper"]
    table = pd.DataFrame(found, columns=columns).set_index(columns[:3]).sort_index()
    return AgreementTable(table, confusion, pd.Series(sizes, dtype=int), alpha)


def _variables(
    rows: DesignRows, labels: DesignRows, yname: str, names: Sequence[str]
) -> Iterator[tuple[str, Floats, Floats]]:
    """Outcome, and regressors in which the source has not what people observed."""
    at = rows.unit_positions
    yield yname, labels.endog[at], rows.endog
    for j, name in enumerate(names):
        people, own = labels.exog[at, j], rows.exog[:, j]
        if not np.array_equal(people, own):
            yield name, people, own


def _confusion(people: Floats, own: Floats, weights: Floats) -> pd.DataFrame | None:
    """Shares of units by what both say; None where there are many values."""
    both = np.unique(np.r_[people, own])
    if len(both) > MOST_VALUES:
        return None
    share = np.zeros((len(both), len(both)))
    at = np.searchsorted(both, people), np.searchsorted(both, own)
    np.add.at(share, at, weights / weights.sum())
    return pd.DataFrame(
        share, pd.Index(both, name="people"), pd.Index(both, name="source")
    )


def _pair(
    people: Floats, own: Floats, is_level: bool
) -> tuple[dict[str, Measure], Floats]:
    """Measures, and the values of each row whose means they are functions of."""
    both = np.unique(np.r_[people, own])
    if not is_level and set(both) <= {0.0, 1.0}:
        h, m = people == 1.0, own == 1.0
        return _BINARY, np.column_stack([h & m, h & ~m, ~h & m, ~h & ~m]) * 1.0
    if is_level:
        k = len(both)
        cells = np.searchsorted(both, people) * k + np.searchsorted(both, own)
        measures: dict[str, Measure] = {
            "accuracy": lambda p: float(np.trace(p.reshape(k, k))),
            "kappa": lambda p: _kappa(p.reshape(k, k)),
        }
        return measures, (cells[:, None] == np.arange(k * k)) * 1.0
    # About the mean of what people say: of large numbers with little spread nothing is
    # lost.
    h, m = people - people.mean(), own - people.mean()
    return _NUMBERS, np.column_stack([h, m, h**2, m**2, h * m, np.abs(m - h)])


def _means(
    values: Floats, weights: Floats, unit: Positions, fit: Fit
) -> tuple[Floats, Floats]:
    """Weighted means, and what each unit, or cluster, contributes to them."""
    mean = weights @ values / weights.sum()
    share = weights[:, None] * (values - mean) / weights.sum()
    return mean, _varying(cluster_sums(share, unit, fit.design.n_labeled), fit)


def _by_delta(function: Measure, mean: Floats, by_unit: Floats) -> tuple[float, float]:
    """A function of means with its standard error, by the delta method."""
    gradient = np.empty(len(mean))
    for j in range(len(mean)):
        step = np.zeros(len(mean))
        step[j] = STEP * max(abs(mean[j]), STEP**0.5)
        with np.errstate(all="ignore"):
            rise = function(mean + step) - function(mean - step)
        gradient[j] = rise / (2.0 * step[j])
    error = float(np.sqrt(np.sum((by_unit @ gradient) ** 2)))
    return float(function(mean)), error


def _size(measure: str, mean: Floats, weights: Floats) -> float:
    """Kish's number of the rows that a share is of."""
    number = float(weights.sum() ** 2 / (weights**2).sum())
    parts = {"precision": (0, 2), "recall": (0, 1), "F1": (0, 1, 2)}
    return (
        number * float(mean[list(parts[measure])].sum()) if measure in parts else number
    )


def _varying(by_unit: Floats, fit: Fit) -> Floats:
    """What varies: within strata, or sums by cluster, with n / (n - 1)."""
    clusters: Clusters | None = fit.clusters
    if clusters is not None:
        total = cluster_sums(by_unit, clusters.of_labeled, clusters.n_all)
        n = clusters.n_labeled
        return np.asarray(total * np.sqrt(n / max(n - 1, 1)))
    groups = strata_groups(fit.design.labeling)
    if groups is not None:
        return within_groups(by_unit, groups)
    n = len(by_unit)
    return np.asarray(by_unit * np.sqrt(n / max(n - 1, 1)))


def _interval(
    measure: str, estimate: float, error: float, alpha: float, size: float
) -> tuple[float, float]:
    """Ends of the interval, on a scale that respects the range of the measure."""
    if measure in _SHARES and estimate in (0.0, 1.0) and size > 0.0:
        # Exact (Clopper and Pearson 1934): of a share without a variance there is none
        # by the delta method.
        end = (alpha / 2.0) ** (1.0 / size)
        return (0.0, 1.0 - end) if estimate == 0.0 else (end, 1.0)
    z = float(stats.norm.ppf(1.0 - alpha / 2.0))
    if measure in _SHARES and 0.0 < estimate < 1.0:
        logit = np.log(estimate / (1.0 - estimate))
        margin = z * error / (estimate * (1.0 - estimate))
        low, high = 1.0 / (1.0 + np.exp(-(logit + np.array([-margin, margin]))))
        return float(low), float(high)
    if measure in _CORRELATIONS and -1.0 < estimate < 1.0:
        margin = z * error / (1.0 - estimate**2)
        low, high = np.tanh(np.arctanh(estimate) + np.array([-margin, margin]))
        return float(low), float(high)
    return estimate - z * error, estimate + z * error

"""Marginal effects, averaged over the units that the design speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.iolib.summary import Summary, fmt_params
from statsmodels.iolib.table import SimpleTable

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.core.messages import suggest
from statsmodels_synth.core.options import (
    check_alpha,
    check_choice,
    check_flag,
    methods_name_keywords,
)
from statsmodels_synth.core.tables import NotesSummary
from statsmodels_synth.core.tidy import ForMaketables, tidy_frame
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.problem.groups import all_sums
from statsmodels_synth.problem.scores import TargetScore

if TYPE_CHECKING:
    from statsmodels_synth.gmm.fit import Fit

At = Literal["overall", "mean", "median", "zero"]
Effect = Literal["dydx", "eyex", "dyex", "eydx"]
#: Step of a numeric derivative of the mean, where there is no link.
STEP = 1e-5


@methods_name_keywords
@dataclass(frozen=True)
class Margins(ForMaketables):
    """
    Marginal effects, made by ``result.get_margeff()``.

    Parameters
    ----------
    frame : DataFrame
        A row for each regressor but the constant: `dy/dx` (or what was asked for),
        `std_err`, `df` of intervals, and `conditional`, the standard error that takes
        the units for given, as statsmodels does.
    alpha : float
        One minus the level of intervals in the summary.
    notes : tuple of str
        What was averaged over.
    title : str
        What they are.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> found = study_model(make_study()).fit().get_margeff()
    >>> found.frame.index.tolist()
    ['age', 'educ', 'income']
    """

    frame: pd.DataFrame
    alpha: float
    notes: tuple[str, ...]
    title: str

    @property
    def margeff(self) -> Floats:
        """Marginal effects, (k,)."""
        return self.frame.iloc[:, 0].to_numpy(dtype=float)

    @property
    def margeff_se(self) -> Floats:
        """Standard errors, (k,)."""
        return self.frame["std_err"].to_numpy(dtype=float)

    @property
    def tvalues(self) -> Floats:
        """Effects over their standard errors, (k,)."""
        return np.asarray(self.margeff / self.margeff_se)

    @property
    def pvalues(self) -> Floats:
        """P-values, two-sided, (k,)."""
        return np.asarray(2.0 * stats.t.sf(np.abs(self.tvalues), self.frame["df"]))

    def conf_int(self, alpha: float = 0.05) -> Floats:
        """
        Confidence intervals.

        Parameters
        ----------
        alpha : float
            One minus the level.

        Returns
        -------
        ndarray (k, 2)
            Lower and upper ends.
        """
        check_alpha(alpha)
        margin = stats.t.ppf(1.0 - alpha / 2.0, self.frame["df"]) * self.margeff_se
        return np.column_stack([self.margeff - margin, self.margeff + margin])

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """
        All about each effect.

        Parameters
        ----------
        alpha : float
            One minus the level of intervals.

        Returns
        -------
        DataFrame
            With the columns of statsmodels' own.
        """
        ends = self.conf_int(alpha)
        return pd.DataFrame(
            {
                str(self.frame.columns[0]): self.margeff,
                "Std. Err.": self.margeff_se,
                "z": self.tvalues,
                "Pr(>|z|)": self.pvalues,
                "Conf. Int. Low": ends[:, 0],
                "Cont. Int. Hi.": ends[:, 1],
            },
            index=self.frame.index,
        )

    def tidy(self, alpha: float = 0.05) -> pd.DataFrame:
        """
        Effects as a plain frame, to join, filter and plot.

        Parameters
        ----------
        alpha : float
            One minus the level of intervals.

        Returns
        -------
        DataFrame
            One row per effect: `term`, `estimate`, `std_error`, `statistic`, `p_value`,
            `conf_low`, `conf_high`.
        """
        return tidy_frame(
            self.frame.index,
            self.conf_int(alpha),
            estimate=self.margeff,
            std_error=self.margeff_se,
            statistic=self.tvalues,
            p_value=self.pvalues,
        )

    def summary(self, alpha: float | None = None) -> Summary:
        """
        Table for people.

        Parameters
        ----------
        alpha : float, optional
            One minus the level of intervals; 0.05 if omitted.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; ``as_latex()``, ``as_html()``.
        """
        alpha = self.alpha if alpha is None else alpha
        ends = self.conf_int(alpha)
        low, high = alpha / 2, 1 - alpha / 2
        name = str(self.frame.columns[0])
        header = [name, "std err", "t", "P>|t|", f"[{low:g}", f"{high:g}]"]
        cells = zip(
            self.margeff,
            self.margeff_se,
            self.tvalues,
            self.pvalues,
            *ends.T,
            strict=True,
        )
        rows = [
            [*(f"{v:.4f}" for v in row[:2]), *(f"{v:.3f}" for v in row[2:])]
            for row in cells
        ]
        result = NotesSummary()
        names = [str(name) for name in self.frame.index]
        result.tables.append(
            SimpleTable(rows, header, names, title=self.title, txt_fmt=fmt_params)
        )
        result.set_notes("Notes:", list(self.notes))
        return result

    def __str__(self) -> str:
        """Table for people."""
        return str(self.summary())


@dataclass(frozen=True)
class Averaged:
    """
    Rows that effects are averaged over.

    Parameters
    ----------
    exog : ndarray (R, p)
        Regressors as people observed them.
    weights : ndarray (R,)
        Their weights, which sum to one.
    units : ndarray (R,)
        Position of the unit of each row among those of the design, -1 for units that
        are neither labelled nor covered.
    offset : ndarray (R,) or None
        Offset of the linear predictor.
    note : str
        What they are, in a sentence.
    given : ndarray (R,)
        Position of the unit of each row among those that were given.
    is_population : bool
        Whether they are all units, and not the labelled ones that stand for them.
    """

    exog: Floats
    weights: Floats
    units: Positions
    offset: Floats | None
    note: str
    given: Positions
    is_population: bool


def rows_to_average(model: Any, fit: Fit, offset: float | None = None) -> Averaged:
    """
    All units whose regressors are observed; else the labelled ones, weighted.

    `offset`: in place of that of the labelled units.
    """
    design = fit.design
    labels = design.labeled
    learned = model.learned
    has_own = labels.offset is not None and offset is None
    if learned is not None and not has_own and design.partitions is None:
        exog = learned.exog_of_data()
        position = model.unit_index.get_indexer(learned.index_of_data)
        place = model.given_units.get_indexer(learned.index_of_data)
        weights = np.ones(len(exog))
        if model.weights is not None:
            weights = np.asarray(model.weights, dtype=float)[place]
        if len(exog) >= design.n_units or len(exog) > design.n_labeled:
            note = (
                f"Averaged over the {len(exog)} units whose regressors people "
                "observed, labelled or not."
            )
            shift = None if offset is None else np.full(len(exog), offset)
            share = weights / weights.sum()
            return Averaged(exog, share, position, shift, note, place, True)
    weights = design.row_weights(labels)
    note = (
        f"Averaged over the {design.n_labeled} labelled units, with the weights of the "
        "design: of the others the regressors are not known as people observe them."
    )
    at = design.labeled_units
    shift = labels.offset if offset is None else np.full(len(at), offset)
    place = at if design.kept is None else design.kept[at]
    share = weights / weights.sum()
    return Averaged(labels.exog, share, at, shift, note, place, False)


def mean_and_slope(score: TargetScore, linear: Floats) -> tuple[Floats, Floats]:
    """Mean of the outcome and its derivative, (R,) each."""
    if score.link is not None:
        return mean_of(score, linear), np.asarray(score.link.inverse_deriv(linear))
    rise = mean_of(score, linear + STEP) - mean_of(score, linear - STEP)
    return mean_of(score, linear), np.asarray(rise / (2.0 * STEP))


def mean_of(score: TargetScore, linear: Floats) -> Floats:
    """Mean of the outcome by the predictor that it depends on, (R,)."""
    if score.is_single:
        return score.mean(linear)
    others = np.zeros((len(linear), score.predictors + len(score.constants) - 1))
    return score.mean(np.column_stack([linear, others]))


def effects_of_rows(
    score: TargetScore,
    rows: Averaged,
    params: Floats,
    method: Effect,
    changed: Mapping[int, float],
) -> Floats:
    """
    Effects of every regressor in every row.

    `changed`: regressors whose effect is that of a step, up and down; from 0 to 1
    where it is negative.

    Shapes: `params` (p,) -> (R, p).
    """
    shift = 0.0 if rows.offset is None else rows.offset
    params = params[: rows.exog.shape[1]]  # others, such as a dispersion, come last
    linear = rows.exog @ params + shift
    mean, slope = mean_and_slope(score, linear)
    effects = slope[:, None] * params
    for j, step in changed.items():
        own = params[j]
        if step < 0.0:
            none = linear - rows.exog[:, j] * own
            effects[:, j] = mean_of(score, none + own) - mean_of(score, none)
        else:  # one more and one less, as statsmodels has it
            more, less = linear + step * own, linear - step * own
            rise = mean_of(score, more) - mean_of(score, less)
            effects[:, j] = rise / (2.0 * step)
    if "ex" in method:
        effects = effects * rows.exog
    if "ey" in method:
        effects = effects / mean[:, None]
    return np.asarray(effects)


def _refuse(model: Any, score: TargetScore) -> None:
    """Raise for models whose mean has no marginal effects of its own."""
    if model.absorbed is not None:
        raise OptionError(
            f"With the fixed effects of {model.absorbed.text!r} the coefficients are "
            "the marginal effects: get_margeff() has nothing to add. params and "
            "conf_int() have them."
        )
    if score.is_single or score.mean_of_first:
        return
    what = "get_margeff() differentiates the mean of one linear predictor, and"
    if score.predictors:
        raise OptionError(
            f"{what} {score.called} has several. Compare predict() at two values of "
            "the regressor."
        )
    if score.prediction_columns(model.exog[:0]) is not None:
        raise OptionError(
            f"With {score.called} the coefficients are the marginal effects: "
            "get_margeff() has nothing to add. params and conf_int() have them."
        )
    raise OptionError(
        f"{what} with {score.called} there is none. params and t_test() have what was "
        "estimated."
    )


def margins(
    result: Any,
    fit: Fit,
    at: At,
    method: Effect,
    atexog: Mapping[Any, float] | None,
    *,
    dummy: bool,
    count: bool,
) -> Margins:
    """Marginal effects of a fit, with their standard errors."""
    model, score = result.model, fit.target.score
    check_choice("at", at, At)
    check_choice("method", method, Effect)
    check_flag("dummy", dummy)
    check_flag("count", count)
    _refuse(model, score)
    if (dummy or count) and method != "dydx":
        raise OptionError(
            f"method={method!r} is about small changes; dummy=True and count=True need "
            "method='dydx'."
        )
    names = [str(name) for name in model.exog_names]
    rows = rows_to_average(model, fit)
    kept = [j for j in range(len(names)) if np.ptp(rows.exog[:, j]) > 0.0]
    changed: dict[int, float] = {}
    for j in kept:
        values = np.unique(rows.exog[:, j])
        if dummy and set(values) <= {0.0, 1.0}:
            changed[j] = -1.0
        elif count and len(values) > 2 and np.all(values == np.round(values)):
            changed[j] = 1.0
    rows = _placed(rows, at, atexog, names)
    params = np.asarray(result.params, dtype=float)

    def average(point: Floats) -> Floats:
        own = effects_of_rows(score, rows, point, method, changed)
        return np.asarray(rows.weights @ own)[kept]

    jacobian = jacobian_of(average, params, np.asarray(result.bse, dtype=float))
    effects = effects_of_rows(score, rows, params, method, changed)[:, kept]
    covariance = np.asarray(result.cov_params(), dtype=float)
    conditional = jacobian @ covariance @ jacobian.T
    total, note = conditional, "Regressors are as given, so that no unit is drawn."
    if at == "overall" and fit.settings.is_finite and rows.is_population:
        note = f"{rows.note} They are the population."
    elif at == "overall":
        spread = (effects - rows.weights @ effects) * rows.weights[:, None]
        total = conditional + of_drawing(fit, rows, spread, jacobian)
        note = f"{rows.note} Standard errors include the drawing of the units."
    df = float(np.min(result.df_inference)) if result.use_t else np.inf
    label = {"dydx": "dy/dx", "eyex": "d(lny)/d(lnx)"}
    label |= {"dyex": "dy/d(lnx)", "eydx": "d(lny)/dx"}
    frame = pd.DataFrame(
        {
            label[method]: rows.weights @ effects,
            "std_err": np.sqrt(np.maximum(np.diag(total), 0.0)),
            "df": df,
            "conditional": np.sqrt(np.maximum(np.diag(conditional), 0.0)),
        },
        index=[names[j] for j in kept],
    )
    notes = [note]
    if changed:
        notes.append(
            "Of " + ", ".join(names[j] for j in changed) + ": difference of the means "
            "for a step, from 0 to 1 or by one."
        )
    return Margins(frame, 0.05, tuple(notes), f"Marginal effects ({at})")


def _placed(
    rows: Averaged, at: At, atexog: Mapping[Any, float] | None, names: list[str]
) -> Averaged:
    """Rows with regressors at given values, and at their mean where so asked."""
    exog = rows.exog.copy()
    for key, value in ({} if atexog is None else atexog).items():
        if isinstance(key, str) and key not in names:
            raise OptionError(
                f"atexog= has {key!r}, which is no regressor.{suggest(key, names)}"
            )
        j = names.index(key) if isinstance(key, str) else int(key)
        if not 0 <= j < len(names) or not np.isfinite(float(value)):
            raise OptionError(
                f"atexog= takes a number by name or position of a regressor, of which "
                f"there are {len(names)}; given: {key!r}: {value!r}."
            )
        exog[:, j] = float(value)
    if at == "overall":
        return replace(rows, exog=exog)
    if at == "mean":
        one = rows.weights @ exog
    elif at == "median":
        one = _weighted_median(exog, rows.weights)
    else:
        one = np.where(np.ptp(exog, axis=0) == 0.0, exog[0], 0.0)
    offset = None
    if rows.offset is not None:
        offset = np.array([rows.weights @ rows.offset])
    return replace(
        rows,
        exog=one[None, :],
        weights=np.ones(1),
        units=np.array([-1]),
        offset=offset,
    )


def _weighted_median(exog: Floats, weights: Floats) -> Floats:
    """Median of each column; that of numpy where weights are equal."""
    if np.ptp(weights) == 0.0:
        return np.asarray(np.median(exog, axis=0))
    found = np.empty(exog.shape[1])
    for j, column in enumerate(exog.T):
        order = np.argsort(column, kind="stable")
        below = np.cumsum(weights[order])
        found[j] = column[order][np.searchsorted(below, 0.5 * below[-1])]
    return found


def jacobian_of(function: Any, params: Floats, size: Floats) -> Floats:
    """Derivative of averages with respect to the coefficients, (k, p)."""
    columns = []
    for j in range(len(params)):
        step = np.zeros(len(params))
        step[j] = 1e-4 * (size[j] if size[j] > 0.0 else 1.0)
        values = [function(params + k * step) for k in (-2, -1, 1, 2)]
        rise = values[0] - 8 * values[1] + 8 * values[2] - values[3]
        columns.append(rise / (12.0 * step[j]))
    return np.column_stack(columns)


def of_drawing(fit: Fit, rows: Averaged, own: Floats, jacobian: Floats) -> Floats:
    """
    What the drawing of the units adds to the covariance of averages, (k, k).

    Shapes: `own` (R, k), what each row contributes to the averages; `jacobian` (k, p).
    """
    design, k = fit.design, own.shape[1]
    by_unit = np.zeros((design.n_units, k))
    known = rows.units >= 0
    by_unit[rows.units[known]] = own[known]
    influence = fit.inference.influence
    blocks = influence.blocks(design, fit.target.score, fit.solution.eta)
    pairs = [
        (units, np.hstack([by_unit[units], values @ jacobian.T]))
        for units, values in blocks
    ]
    rest = own[~known]
    if fit.clusters is not None:
        sums = all_sums(iter(pairs), fit.clusters, 2 * k)
    else:
        sums = np.concatenate([part for _, part in pairs])
    a, b = sums[:, :k], sums[:, k:]
    cross = a.T @ b
    return np.asarray(a.T @ a + rest.T @ rest + cross + cross.T)

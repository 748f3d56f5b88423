"""Predictions, averaged over the units that the design speaks of, also by group."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from statsmodels.genmod.families.links import Identity

from statsmodels_synth.core.arrays import Bools, Floats
from statsmodels_synth.core.messages import count
from statsmodels_synth.core.options import check_alpha
from statsmodels_synth.core.prediction import RowsToPredict
from statsmodels_synth.core.statsmodels import on_link_scale, with_levels_checked
from statsmodels_synth.diagnostics.subgroups import Groups, check_by, make_groups
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.results.margins import (
    Averaged,
    jacobian_of,
    of_drawing,
    rows_to_average,
)
from statsmodels_synth.results.units import groups_of_given

if TYPE_CHECKING:
    from statsmodels_synth.gmm.fit import Fit

_GIVEN = "Averaged over the {} that were given, which are taken as they are."


@dataclass(frozen=True)
class _Parts:
    """
    Rows of each group.

    Parameters
    ----------
    names : tuple of str or None
        Names of the groups; None: there is one, of all rows.
    member : ndarray (R, k) of bool
        Which rows are in which group.
    """

    names: tuple[str, ...] | None
    member: Bools


def average_predictions(
    result: Any, asked: RowsToPredict, which: str, by: Any, fit: Fit | None
) -> Any:
    """
    Average predictions over all units, or over rows that were given, by group.

    `fit`: None for rows that were given.
    """
    score = result.model.target_score
    rows, groups = _rows(result.model, asked, by, fit)
    parts = _parts(groups, len(rows.exog))
    weights = rows.weights[:, None] * parts.member
    weights = weights / weights.sum(axis=0)
    params = np.asarray(result.params, dtype=float)

    def predicted(point: Floats) -> Floats:
        found = result.model.predict(point, rows.exog, which=which, offset=rows.offset)
        return np.asarray(found)

    jacobian = jacobian_of(
        lambda point: np.asarray(predicted(point) @ weights),
        params,
        np.asarray(result.bse, dtype=float),
    )
    own = predicted(params)
    means = np.asarray(own @ weights)
    covariance = np.asarray(result.cov_params(), dtype=float)
    total = conditional = np.diag(jacobian @ covariance @ jacobian.T)
    note = rows.note
    if fit is not None and rows.is_population and fit.settings.is_finite:
        note = f"{note} They are the population."
    elif fit is not None:
        spread = (own[:, None] - means) * weights
        total = conditional + np.diag(of_drawing(fit, rows, spread, jacobian))
        note = f"{note} Standard errors include the drawing of the units."
    link = score.link if which == "mean" and score.link is not None else Identity()
    bare = SimpleNamespace(
        predicted=means,
        var_pred=np.maximum(total, 0.0),
        se=np.sqrt(np.maximum(total, 0.0)),
        row_labels=None if parts.names is None else list(parts.names),
    )
    df = float(np.min(result.df_inference)) if result.use_t else None
    found = with_levels_checked(on_link_scale(bare, link, df), check_alpha)
    found.note, found.conditional_se = note, np.sqrt(np.maximum(conditional, 0.0))
    return found


def _rows(
    model: Any, asked: RowsToPredict, by: Any, fit: Fit | None
) -> tuple[Averaged, Groups | None]:
    """What is averaged over, and the group of each row."""
    if fit is None:
        return _given_rows(model, asked, by)
    if asked.weights is not None:
        raise OptionError(
            "agg_weights= are of rows that are given in exog=. Averages over the units "
            "have the weights of the design, and those of weights= of the model."
        )
    if np.ndim(asked.offset) or np.ndim(asked.exposure):
        raise OptionError(
            "offset= and exposure= of an average over all units are one number, which "
            "all of them have. For other values give the rows in exog=."
        )
    shift = None
    if asked.offset is not None or asked.exposure is not None:
        nothing = np.zeros((1, fit.design.labeled.exog.shape[1]))
        shift = float(_shift(model, asked, nothing)[0])
    rows = rows_to_average(model, fit, shift)
    if by is None:
        return rows, None
    groups = groups_of_given(model, by)
    return rows, Groups(
        groups.codes[rows.given], groups.names, groups.has_missing, groups.label
    )


def _shift(model: Any, asked: RowsToPredict, exog: Floats) -> Floats:
    """
    What offset and exposure add to the linear predictor of rows.

    Shapes: `exog` (R, p) -> (R,).
    """
    zeros = np.zeros(len(model.param_names))
    options = {"offset": asked.offset, "exposure": asked.exposure}
    return np.asarray(model.predict(zeros, exog, which="linear", **options))


def _given_rows(
    model: Any, asked: RowsToPredict, by: Any
) -> tuple[Averaged, Groups | None]:
    """Rows that were given, and the groups that a column of them makes."""
    exog = np.asarray(asked.exog, dtype=float)
    n_rows = len(exog)
    offset = _shift(model, asked, exog)
    weights = np.ones(n_rows) if asked.weights is None else asked.weights
    if weights.shape != (n_rows,) or not np.all(weights >= 0.0) or not weights.any():
        raise DataError(
            f"agg_weights= are one number per row, not below zero: there are {n_rows} "
            f"rows, and agg_weights= has shape {weights.shape}."
        )
    absent = ~np.isfinite(exog).all(axis=1) | ~np.isfinite(offset)
    if absent.any():
        raise DataError(
            f"Of {count(int(absent.sum()), 'row')} to average a variable is missing "
            f"(the first is row {int(np.argmax(absent))}). Leave them out."
        )
    groups = None
    if by is not None:
        check_by(by, "by=")
        groups = make_groups(np.asarray(by), "by=")
        if len(groups.codes) != n_rows:
            raise DataError(
                f"by= has {len(groups.codes)} values for {n_rows} rows of exog=."
            )
    nobody = np.full(n_rows, -1)
    rows = Averaged(
        exog,
        weights / weights.sum(),
        nobody,
        offset,
        _GIVEN.format(count(n_rows, "row")),
        given=nobody,
        is_population=False,
    )
    return rows, groups


def _parts(groups: Groups | None, n_rows: int) -> _Parts:
    """Which rows are in which group; none is empty."""
    if groups is None:
        return _Parts(None, np.ones((n_rows, 1), dtype=bool))
    member = groups.codes[:, None] == np.arange(len(groups.names))
    empty = [
        name
        for name, has in zip(groups.names, member.any(axis=0), strict=True)
        if not has
    ]
    if empty:
        raise DataError(
            f"Nothing is to be averaged in {count(len(empty), 'group')} of "
            f"{groups.label!r} ({', '.join(empty[:5])}): people observed the "
            "regressors of none of the units. Give rows in exog=, or join groups."
        )
    return _Parts(groups.names, member)

"""Errors of a source by group of units."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy import stats
from statsmodels.stats.oneway import anova_generic

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.core.messages import type_name
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.gmm.weights import inverse_root
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import cluster_sums

#: More distinct numbers than this are cut at their quartiles.
MAX_NUMBERS = 10
#: More groups than this are no subgroups.
MAX_GROUPS = 50


@dataclass(frozen=True)
class Groups:
    """
    Group of every unit.

    Parameters
    ----------
    codes : ndarray (T,)
        Position of the group among `names`.
    names : tuple of str
        Names of the groups, in order; that of units without a value comes last.
    has_missing : bool
        Whether the last group is that of units without a value.
    label : str
        What the groups are called.
    """

    codes: Positions
    names: tuple[str, ...]
    has_missing: bool
    label: str


def make_groups(values: NDArray[Any], label: str) -> Groups:
    """
    Groups from the values of a column.

    Shapes: `values` (T,).

    Examples
    --------
    >>> make_groups(np.array(["b", "a", None], dtype=object), "by='x'").names
    ('a', 'b', 'missing')
    """
    series = pd.Series(values)
    absent = series.isna().to_numpy()
    if absent.all():
        raise DataError(f"{label} has no value for any unit. Give another column.")
    given = series[~absent].infer_objects()
    is_number = pd.api.types.is_numeric_dtype(given) and not (
        pd.api.types.is_bool_dtype(given) or pd.api.types.is_complex_dtype(given)
    )
    if is_number and given.nunique() > MAX_NUMBERS:
        parts = pd.qcut(given, 4, duplicates="drop", labels=False, retbins=True)
        return _with_missing(
            np.asarray(parts[0]),
            _quartiles(np.asarray(parts[1], dtype=float)),
            absent,
            label,
        )
    codes, levels = pd.factorize(given, sort=is_number)
    if not is_number:
        by_text = np.argsort([str(level) for level in levels], kind="stable")
        codes, levels = np.argsort(by_text)[codes], levels[by_text]
    if len(levels) > MAX_GROUPS:
        raise DataError(
            f"{label} has {len(levels)} different values. Give a column with at most "
            f"{MAX_GROUPS} groups."
        )
    names = [_name(level) for level in levels]
    return _with_missing(codes, names, absent, label)


def _with_missing(
    codes: Positions, names: list[str], absent: Bools, label: str
) -> Groups:
    full = np.full(len(absent), len(names), dtype=np.intp)
    full[~absent] = codes
    has_missing = bool(absent.any())
    if has_missing:
        names.append("(missing)" if "missing" in names else "missing")
    return Groups(full, tuple(names), has_missing, label)


def _quartiles(ends: Floats) -> list[str]:
    """Names of the ranges between some ends."""
    inner = [f"{end:.4g}" for end in ends[1:-1]]
    if not inner:
        return ["all"]
    between = [f"over {a} to {b}" for a, b in pairwise(inner)]
    return [f"up to {inner[0]}", *between, f"over {inner[-1]}"]


def _name(level: Any) -> str:
    return f"{level:g}" if isinstance(level, (float, np.floating)) else str(level)


def check_by(by: object, label: str) -> None:
    """
    Raise unless the groups are one-dimensional.

    Examples
    --------
    >>> check_by(np.zeros(3), "by")
    """
    if isinstance(by, (dict, set)) or np.ndim(by) != 1:  # type: ignore[arg-type]
        raise DataError(
            f"{label} is a {type_name(by)}. Give the name of a column, or one value "
            "per unit."
        )


def outcome_errors(design: AlignedDesign, m: int) -> tuple[Positions, Floats]:
    """
    Outcome of a source less that of the labels.

    Shapes: `units` (c,), `error` (c,).
    """
    rows = design.labeled_sources[m]
    unit = rows.unit_positions
    size = np.bincount(unit, minlength=design.n_labeled)
    total = np.bincount(unit, rows.endog, design.n_labeled)
    units = np.flatnonzero(size)
    return units, total[units] / size[units] - design.labeled.endog[units]


@dataclass(frozen=True)
class GroupErrors:
    """
    Mean error of a source in each group.

    Parameters
    ----------
    labeled : ndarray (k,) of int
        Labelled units of the group that the source covers.
    mean : ndarray (k,)
        Mean error, weighted; NaN where there are fewer than two such units, or, with
        clusters, fewer than two clusters.
    se : ndarray (k,)
        Standard errors. Where all errors of a group are the same, from the variance
        within the other groups.
    statistic, pvalue : float
        Test that the means are the same: Welch's, or with clusters a Wald test. NaN
        with fewer than two groups.
    df : tuple of float
        Degrees of freedom of its F distribution.
    """

    labeled: Positions
    mean: Floats
    se: Floats
    statistic: float
    pvalue: float
    df: tuple[float, float]


def group_errors(
    error: Floats,
    weights: Floats,
    group: Positions,
    n_groups: int,
    clusters: Positions | None = None,
    tested: int | None = None,
) -> GroupErrors:
    """
    Mean error by group, and a test that it is the same in all.

    Shapes: `error` (c,), `weights` (c,), `group` (c,), `clusters` (c,).

    Examples
    --------
    >>> found = group_errors(
    ...     np.array([0.0, 1.0, 4.0, 6.0]), np.ones(4), np.array([0, 0, 1, 1]), 2
    ... )
    >>> found.mean, found.se
    (array([0.5, 5. ]), array([0.5, 1. ]))
    """
    labeled = np.bincount(group, minlength=n_groups).astype(np.intp)
    total = np.bincount(group, weights, n_groups)
    mean, se = np.full(n_groups, np.nan), np.full(n_groups, np.nan)
    usable = labeled >= 2
    if clusters is not None:
        _, clusters = np.unique(clusters, return_inverse=True)
        pairs = np.unique(np.column_stack([group, clusters]), axis=0)
        usable &= np.bincount(pairs[:, 0].astype(np.intp), minlength=n_groups) >= 2
    some = np.flatnonzero(usable)
    mean[some] = np.bincount(group, weights * error, n_groups)[some] / total[some]
    in_test = np.flatnonzero(usable[: n_groups if tested is None else tested])
    keep = usable[group]
    residual = np.where(keep, weights * (error - np.where(keep, mean[group], 0.0)), 0.0)
    nothing = float("nan"), float("nan"), (float("nan"), float("nan"))
    if clusters is None:
        squares = np.bincount(group, residual**2, n_groups)
        alike = usable & (squares <= 1e-24 * np.bincount(group, error**2, n_groups))
        degrees = int(labeled[usable].sum() - usable.sum())
        pooled = squares[usable].sum() / max(degrees, 1)
        squares[alike] = pooled * (labeled[alike] - 1)
        spread = np.full(n_groups, np.nan)
        spread[some] = squares[some] / total[some] ** 2
        spread[some] *= labeled[some] / (labeled[some] - 1)
        # No variation anywhere says that nothing is known, not that all is.
        spread[spread == 0.0] = np.nan
        se = np.sqrt(spread)
        in_test = in_test[np.isfinite(se[in_test])]
        test = nothing
        if len(in_test) >= 2:
            size = labeled[in_test]
            welch = anova_generic(
                mean[in_test], spread[in_test] * size, size, use_var="unequal"
            )
            df = float(welch.df_num), float(welch.df_denom)
            test = float(welch.statistic), float(welch.pvalue), df
        return GroupErrors(labeled, mean, se, *test)
    n_clusters = int(clusters.max(initial=-1)) + 1
    columns = np.zeros((len(error), n_groups))
    columns[keep, group[keep]] = residual[keep] / total[group[keep]]
    rows = cluster_sums(columns, clusters, n_clusters)
    covariance = rows.T @ rows * n_clusters / max(n_clusters - 1, 1)
    spread = np.diag(covariance)[some]
    se[some] = np.sqrt(np.where(spread > 0.0, spread, np.nan))
    if len(in_test) < 2:
        return GroupErrors(labeled, mean, se, *nothing)
    contrast = np.eye(len(in_test))[1:] - np.eye(len(in_test))[0]
    covariance = contrast @ covariance[np.ix_(in_test, in_test)] @ contrast.T
    root = inverse_root(covariance)
    k, rest = root.shape[1], float(n_clusters - 1)
    if not k:
        return GroupErrors(labeled, mean, se, *nothing)
    statistic = float(np.sum((root.T @ (contrast @ mean[in_test])) ** 2)) / k
    pvalue = float(stats.f.sf(statistic, k, rest))
    return GroupErrors(labeled, mean, se, statistic, pvalue, (float(k), rest))

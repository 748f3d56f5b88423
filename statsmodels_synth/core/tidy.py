"""Estimates as plain frames: one row each, the same columns everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy import optimize, stats

from statsmodels_synth.core.messages import install

#: Columns of every such frame, in this order, as far as there are such numbers.
COLUMNS = ("term", "estimate", "std_error", "statistic", "p_value")
ENDS = ("conf_low", "conf_high")


def tidy_frame(term: Any, ends: Any, **columns: Any) -> pd.DataFrame:
    """
    A frame of estimates with an index of numbers.

    `columns`: those of COLUMNS go first, others behind the interval.

    Shapes: `term` (k,), `ends` (k, 2).

    Examples
    --------
    >>> tidy_frame(["x"], [[0.0, 2.0]], n=[9], estimate=[1.0]).columns.tolist()
    ['term', 'estimate', 'conf_low', 'conf_high', 'n']
    """
    low, high = np.asarray(ends, dtype=float).T
    given = {"term": [str(name) for name in term]} | columns
    first = {name: given[name] for name in COLUMNS if name in given}
    rest = {name: own for name, own in columns.items() if name not in first}
    every = first | dict(zip(ENDS, (low, high), strict=True)) | rest
    return pd.DataFrame({k: _plain(own) for k, own in every.items()})


def _plain(values: Any) -> Any:
    """Values without an index, by which pandas would match them."""
    return values.array if isinstance(values, pd.Series) else values


def maketables_frame(tidy: Callable[[float], pd.DataFrame]) -> pd.DataFrame:
    """Coefficients as the plug-in interface of maketables has them."""
    own, short = tidy(0.05), tidy(0.1)
    names = {"estimate": "b", "std_error": "se", "statistic": "t", "p_value": "p"}
    found = own[list(names)].rename(columns=names)
    found["ci95l"], found["ci95u"] = own["conf_low"], own["conf_high"]
    found["ci90l"], found["ci90u"] = short["conf_low"], short["conf_high"]
    return found.set_axis(pd.Index(own["term"], name="Coefficient"))


class _Tidies(Protocol):
    """What has a frame of its estimates."""

    def tidy(self, alpha: float = ...) -> pd.DataFrame:
        """One row for each."""
        ...


class ForMaketables:
    """
    The part of a class that maketables makes a column of a publication table of.

    It asks for these attributes of any object, and is not imported here.
    """

    @property
    def __maketables_coef_table__(self: _Tidies) -> pd.DataFrame:
        """Coefficients, standard errors, tests and intervals."""
        return maketables_frame(self.tidy)


def pvalue_of_interval(
    estimate: float, error: float, width: float, alpha: float
) -> float:
    """
    P-value of the hypothesis of zero that goes with the width of an interval.

    Its half width over the standard error is a quantile of t, which has the degrees of
    freedom; at most those of the normal.

    Examples
    --------
    >>> margin = 0.5 * stats.t.ppf(0.975, 7)
    >>> found = pvalue_of_interval(1.0, 0.5, 2.0 * margin, 0.05)
    >>> bool(np.isclose(found, 2 * stats.t.sf(2.0, 7)))
    True
    """
    if not error > 0.0:
        return float("nan") if np.isnan(error) or estimate == 0.0 else 0.0
    size, tail = width / (2.0 * error), 1.0 - alpha / 2.0
    normal = float(stats.norm.ppf(tail))
    statistic = abs(estimate) / error
    if size <= normal * (1.0 + 1e-6):
        return float(2.0 * stats.norm.sf(statistic))
    df = optimize.brentq(
        lambda log: stats.t.ppf(tail, np.exp(log)) - size, np.log(0.1), np.log(1e9)
    )
    return float(2.0 * stats.t.sf(statistic, np.exp(df)))


def great_table(
    frame: pd.DataFrame, title: str, notes: list[str], by: str | None = None
) -> Any:
    """
    A table of great_tables, its rows grouped `by` a column.

    Numbers have three digits, missing ones a dash.
    """
    try:
        from great_tables import GT  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(f"to_gt() needs great_tables: {install('tables')}") from error
    numbers = [c for c in frame if pd.api.types.is_float_dtype(frame[c])]
    table = GT(frame, groupname_col=by).tab_header(title=title)
    table = table.fmt_number(columns=numbers, n_sigfig=3).sub_missing(missing_text="-")
    for note in notes:
        table = table.tab_source_note(note)
    return table

"""What people read: tables, the verdict on exchangeability, warnings of a fit."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import numpy as np
from statsmodels.iolib.summary import Summary, fmt_2cols, fmt_params, forg
from statsmodels.iolib.table import SimpleTable

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count, format_units, warn
from statsmodels_synth.exceptions import (
    DegenerateGapWarning,
    InfiniteIntervalWarning,
    OptionError,
)
from statsmodels_synth.tasks.exchange import Exchange, tasks_needed
from statsmodels_synth.tasks.options import TaskSettings
from statsmodels_synth.tasks.samples import TaskData

_WIDTH = 78
#: A check speaks up below this p-value, divided by the number of checks.
_LEVEL = 0.05
#: With fewer tasks the checks hardly ever see anything.
_FEW = 10
_ALGORITHMS = {
    1: "1 (tasks, samples exch.)",
    2: "2 (only tasks exch.)",
    "finite": "finite-sample",
}


class _Check(NamedTuple):
    """A p-value, the smallest it can be, what was looked at, what a small p says."""

    pvalue: float
    smallest: float
    what: str
    sign: str


def verdict(results: Any) -> str:
    """
    What the checks say about exchangeability.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> verdict(example_model().fit())[:34]
    'No sign against exchangeability in'
    """
    if results.n_tasks < _FEW:
        return (
            f"With {count(results.n_tasks, 'historical task')} exchangeability cannot "
            "be checked. The interval rests on your judgement that the current task "
            "is like them."
        )
    checks = _checks(results)
    level = _LEVEL / len(checks)
    bad = [c for c in checks if c.pvalue < level]
    if not bad:
        return _no_sign(results, checks, level)
    found = "; ".join(f"{c.sign} (p = {c.pvalue:.2g})" for c in bad)
    weighted = (
        "The weights may mend this if they follow the cause: see plot_covariate()."
        if results.is_weighted
        else "Look at plot_covariate() and temporal_split(), leave out tasks that are "
        "unlike the current one for a reason that can be named, or weight tasks "
        "that resemble it with weights=."
    )
    return (
        f"EXCHANGEABILITY IS DOUBTFUL: {found}. Exchangeable tasks give such a result "
        f"in at most {100 * _LEVEL:.0f} % of studies. If they are not, the interval "
        f"may not cover as often as it says. {weighted}"
    )


def _checks(results: Any) -> list[_Check]:
    """Rank of the current synthetic estimate, and trends of the gaps."""
    data = results.model.data
    typical = results.typicality()
    checks = [
        _Check(
            min(1.0, float(typical.min()) * len(typical)),
            min(1.0, 2.0 / (results.n_tasks + 1.0) * len(typical)),
            "the rank of the current synthetic estimate among the past ones",
            "the current synthetic estimate is unlike those of the historical tasks",
        )
    ]
    names: list[Any] = [] if data.covariates is None else list(data.covariates.columns)
    # Players are sorted by name, and the alphabet is no cause of a trend.
    if data.covariates is None and data.kind != "votes":
        names = [None]
    for name in names:
        test = results.trend_test(name)
        what = f"{name!r}" if name is not None else "the order of the tasks"
        checks.append(
            _Check(
                test.pvalue,
                test.smallest,
                f"a trend of the gaps with {what}",
                f"gaps move with {what}",
            )
        )
    return checks


def _no_sign(results: Any, checks: list[_Check], level: float) -> str:
    """What can be said where no check rejects, some because they never can."""
    told = [c for c in checks if c.smallest < level]
    mute = [c for c in checks if not c.smallest < level]
    looked = ", ".join(f"{c.what} (p = {c.pvalue:.2g})" for c in told)
    tasks = count(results.n_tasks, "task")
    unseen = (
        "whether the gap of the current task is like the past ones cannot be seen "
        "without real data."
    )
    silent = " and ".join(c.what for c in mute)
    least = " and ".join(f"{c.smallest:.2g}" for c in mute)
    cannot = (
        f"{silent} cannot speak with {tasks} (p is at least {least}, and a sign would "
        f"be one below {level:.2g})."
    )
    cannot = cannot[:1].upper() + cannot[1:]
    # The first check is the rank: at its smallest p no past estimate is as far out.
    typical = results.typicality()
    far = typical.index[typical < 2.5 / (results.n_tasks + 1.0)]
    if checks[0] in mute and len(far):
        which = f" of {format_units(far)}" if len(typical) > 1 else ""
        seen = f" Nothing is seen in {looked}." if told else ""
        return (
            "EXCHANGEABILITY CANNOT BE JUDGED: the current synthetic estimate"
            f"{which} lies beyond those of all historical tasks. {cannot} Ask why it "
            f"is so far out before you trust the interval.{seen}"
        )
    if not told:
        return f"{cannot} The interval rests on your judgement: {unseen}"
    return (
        f"No sign against exchangeability in {looked}. {cannot + ' ' if mute else ''}"
        f"That is no proof: {unseen}"
    )


def summary(results: Any, title: str | None) -> Summary:
    """
    Summary in statsmodels' look.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> len(summary(example_model().fit(), None).tables)
    4
    """
    table = Summary()
    table.tables = [
        _header(results, title),
        _intervals(results),
        _band(results),
        _width(results),
    ]
    lines = ["Notes:"]
    for number, note in enumerate(summary_notes(results), start=1):
        lines += textwrap.wrap(
            f"[{number}] {note}", width=_WIDTH, subsequent_indent="    "
        )
    table.add_extra_txt(lines)
    return table


def _number(value: float) -> str:
    if np.isnan(value):
        return "-"
    return forg(value, prec=4).strip() if np.isfinite(value) else f"{value:g}"


def _header(results: Any, title: str | None) -> SimpleTable:
    data, settings = results.model.data, results.settings
    parts = results.allocation
    ranks = results.exchange.ranks
    weighted = results.is_weighted
    pairs = [
        ("Current task:", str(data.current)),
        ("Algorithm:", _ALGORITHMS[settings.algorithm]),
        ("Gap intervals:", str(settings.interval) if parts["alpha2"] else "none"),
        ("No. tasks (T):", str(results.n_tasks)),
        ("alpha:", f"{settings.alpha:.4g}"),
        ("alpha1 (synthetic):", f"{parts['alpha1']:.4g}"),
        ("alpha2 (gaps):", f"{parts['alpha2']:.4g}"),
        ("alpha3 (band):", f"{parts['alpha3']:.4g}"),
        ("k_L, k_U:", "by weight" if weighted else f"{ranks[0]}, {ranks[1]}"),
        (
            "Effective tasks:",
            f"{results.effective_tasks:.1f}" if weighted else str(results.n_tasks),
        ),
    ]
    half = len(pairs) // 2
    table, other = (
        SimpleTable(
            [[value] for _, value in part],
            None,
            [lead + name for name, _ in part],
            title="Task Exchangeability Results" if title is None else title,
            txt_fmt=fmt_2cols,
        )
        for lead, part in (("", pairs[:half]), ("  ", pairs[half:]))
    )
    table.extend_right(other)
    return table


def _intervals(results: Any) -> SimpleTable:
    low, high = results.exchange.lower, results.exchange.upper
    naive = results.exchange.naive
    level = f"{results.settings.alpha:.3g}"
    rows = [
        [_number(e), *(_number(v) for v in (a, b, c, d))]
        for e, a, b, c, d in zip(
            results.estimate, low, high, naive[0], naive[1], strict=True
        )
    ]
    return SimpleTable(
        rows,
        ["synthetic", "[valid lower", "upper]", "[synth. only lower", "upper]"],
        [str(name) for name in results.estimate.index],
        title=f"Intervals at alpha = {level}: valid, and synthetic data taken for real",
        txt_fmt=fmt_params,
    )


def _band(results: Any) -> SimpleTable:
    gaps = results.model.data.gaps.value
    band = results.exchange.band
    rows = [
        [_number(v) for v in (low, high, *np.quantile(gaps[:, d], [0.0, 0.5, 1.0]))]
        for d, (low, high) in enumerate(zip(*band, strict=True))
    ]
    return SimpleTable(
        rows,
        ["[Delta_L", "Delta_U]", "min gap", "median gap", "max gap"],
        [str(name) for name in results.estimate.index],
        title="Band of the gap (real minus synthetic), and the gaps it comes from",
        txt_fmt=fmt_params,
    )


def _width(results: Any) -> SimpleTable:
    frame = results.widths
    rows = [
        [_number(row[c]) for c in ("W1", "W2", "W3", "total")]
        for _, row in frame.iterrows()
    ]
    return SimpleTable(
        rows,
        ["W1 synthetic", "W2 gap error", "W3 gap spread", "total"],
        [str(name) for name in frame.index],
        title="Where the width comes from",
        txt_fmt=fmt_params,
    )


def summary_notes(results: Any) -> list[str]:
    """
    Notes below the tables: what the interval promises, and what the checks say.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> len(summary_notes(example_model().fit()))
    3
    """
    settings, data = results.settings, results.model.data
    alpha = settings.alpha
    target = (
        "theta of the real sample that was not seen (not of its population)"
        if settings.algorithm == "finite"
        else "theta"
    )
    what = {
        1: "the tasks, with their samples, are exchangeable",
        2: "the tasks are exchangeable; their samples need not be",
        "finite": "the tasks, with their samples, are exchangeable",
    }[settings.algorithm]
    # The kernel's weights change with the covariates, so they are held fixed.
    given = ", given the covariates that weight them," if results.has_kernel else ""
    every = " of all coordinates together" if len(data.coordinates) > 1 else ""
    notes = [
        f"The valid interval covers {target}{every} with probability {1 - alpha:.4g} "
        f"or more if{given} {what}. That of the synthetic data alone ignores that they "
        "differ from real ones and promises nothing.",
        f"Verdict: {results.verdict()}",
    ]
    if results.n_tasks > 1:
        notes.append(_held_out(results))
    if results.is_weighted:
        notes.append(
            "Weighted tasks: if the distribution of every historical task is within "
            "total variation distance d of the current one, coverage is lower by at "
            f"most {results.coverage_gap(0.01):.1%} for d = .01 and "
            f"{results.coverage_gap(0.05):.1%} for d = .05; see coverage_gap()."
        )
    if not np.isfinite(results.exchange.upper - results.exchange.lower).all():
        notes.insert(
            0,
            "THE INTERVAL IS INFINITE: too few tasks, or samples too small, for this "
            "alpha.",
        )
    return notes


def _held_out(results: Any) -> str:
    """What leave-one-out says, if it can be done."""
    try:
        found = results.loo()
    except OptionError as error:  # one task less can need more bootstrap draws
        return f"Leave-one-out could not be done. {error}"
    ends = found.table[["lower", "upper"]]
    if not np.isfinite(ends).all(axis=1).any():
        # An infinite interval covers anything: its coverage says nothing.
        return (
            "Leave-one-out needs more tasks: with one task less every interval is "
            "infinite."
        )
    equal = " (tasks weighted equally)" * (results.is_weighted and not found.weighted)
    return (
        f"Leave-one-out{equal}: the interval covers the real estimates of "
        f"{found.coverage:.1%} of the historical tasks, the synthetic data alone "
        f"those of {found.naive_coverage:.1%}. This says how well the interval suits "
        "tasks like the historical ones, not whether the current one is."
    )


def warn_of_intervals(
    data: TaskData, settings: TaskSettings, outcome: Exchange, weights: Floats | None
) -> None:
    """
    Say what an infinite end or a width of zero means, and what would help.

    Shapes: `weights` (T,).
    """
    infinite = ~(np.isfinite(outcome.lower) & np.isfinite(outcome.upper))
    if infinite.any():
        warn(
            _infinite(data, settings, outcome, weights),
            InfiniteIntervalWarning,
        )
    if settings.algorithm == "finite":
        return
    flat = np.asarray((outcome.gaps.upper <= outcome.gaps.lower).any(axis=1))
    now = (outcome.synthetic[1] <= outcome.synthetic[0]).any()
    if flat.any() or now:
        names = [*data.tasks[flat], *([data.current] if now else [])]
        warn(
            f"The samples of {count(len(names), 'task')} ({format_units(names)}) do "
            "not vary, so their intervals have no width and the result is too "
            "certain. For bounded values interval='hoeffding' holds in such samples "
            "too.",
            DegenerateGapWarning,
        )


def _infinite(
    data: TaskData, settings: TaskSettings, outcome: Exchange, weights: Floats | None
) -> str:
    k, n_tasks = len(data.coordinates), len(data.tasks)
    third = outcome.allocation.band
    total = float(n_tasks if weights is None else weights.sum())
    if third * (total + 1.0) < 2.0 - 1e-9:
        whole = settings.algorithm == "finite" or settings.alphas is not None
        need = tasks_needed(third if whole else settings.alpha / k, not whole)
        have = (
            f"{count(n_tasks, 'historical task')} are"
            if weights is None
            else f"Weights that add up to {total:.4g} are"
        ).replace("task are", "task is")
        more = "" if k == 1 else f" (alpha / {k} for each of {k} coordinates)"
        goal = "" if weights is None else " in sum"
        return (
            f"{have} too few for an interval with finite ends at alpha="
            f"{settings.alpha:g}{more}: {need}{goal} would do, since alpha3 must be at "
            "least 2/(T+1). The interval is infinite."
        )
    sizes = ~(np.isfinite(outcome.gaps.lower) & np.isfinite(outcome.gaps.upper))
    tasks = data.tasks[np.asarray(sizes.any(axis=1))]
    now = ~np.isfinite(outcome.synthetic[0]) | ~np.isfinite(outcome.synthetic[1])
    names = [*tasks, *([data.current] if now.any() else [])]
    return (
        f"The samples of {count(len(names), 'task')} ({format_units(names)}) are too "
        "small for a finite interval at the level needed, and so the result has an "
        "infinite end. Leave out historical tasks with tiny samples, or use "
        "algorithm=1 or 'finite'."
    )

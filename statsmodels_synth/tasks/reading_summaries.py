"""From estimates, fitted results and votes to arrays; input errors end here."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.core.messages import count, format_units, show, suggest, warn
from statsmodels_synth.core.options import Missing, check_choice, check_count
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    DegenerateGapWarning,
    OptionError,
)
from statsmodels_synth.tasks.bradley_terry import (
    check_connected,
    count_votes,
    one_sided,
    vote_strengths,
)
from statsmodels_synth.tasks.gaps import Estimates, difference
from statsmodels_synth.tasks.options import check_label, is_positive, name_list
from statsmodels_synth.tasks.reading import (
    check_columns,
    keep_tasks,
    numbers,
    task_covariates,
    task_index,
)
from statsmodels_synth.tasks.samples import TaskData

#: Fitted results in the order of the tasks, or by task.
Results: TypeAlias = Sequence[Any] | Mapping[Any, Any] | pd.Series


def read_estimates(
    frame: pd.DataFrame,
    current: object,
    task: Hashable | None,
    coordinate: Hashable | None,
    columns: Sequence[Hashable | None],
    correlation: Hashable | None,
    covariates: Hashable | Sequence[Hashable] | None,
    missing: Missing,
) -> TaskData:
    """
    Read one row per task (and coordinate) with estimates.

    Examples
    --------
    >>> frame = pd.DataFrame(
    ...     {"r": [1.0, None], "s": [0.1, None], "a": [0.5, 2.0], "b": [0.1, 0.2]},
    ...     index=["old", "new"],
    ... )
    >>> names = ["r", "s", None, "a", "b", None]
    >>> read_estimates(frame, "new", None, None, names, None, None, "raise").gaps.value
    array([[0.5]])
    """
    check_choice("missing", missing, Missing)
    names = name_list(covariates)
    named = [task, coordinate, *columns, correlation]
    check_columns(frame, [c for c in named if c is not None] + names)
    labels = frame.index.to_series() if task is None else frame[task]
    labels.name = "the index" if task is None else task
    if labels.isna().any():
        raise DataError(f"{labels.name!r} has rows without a task. Name their tasks.")
    tasks = task_index(labels, current)
    codes = tasks.get_indexer(pd.Index(labels))
    if coordinate is None:
        coordinates, place = pd.Index(["theta"]), np.zeros(len(frame), dtype=np.intp)
    else:
        place, levels = pd.factorize(frame[coordinate])
        coordinates = pd.Index(levels)
        if (place < 0).any():
            raise DataError(f"Column {coordinate!r} is missing in some rows.")
    shape = (len(tasks), len(coordinates))
    twice = pd.DataFrame({"a": codes, "b": place}).duplicated().to_numpy()
    if twice.any():
        again = format_units(pd.unique(labels[twice]))
        raise DataError(
            f"{count(int(twice.sum()), 'row')} repeat a task ({again}). Give one row "
            "per task, or one per task and coordinate= for several coordinates."
        )

    def table(column: Any) -> Floats:
        found = np.full(shape, np.nan)
        found[codes, place] = numbers(frame, column)
        return found

    cells = [None if c is None else table(c) for c in columns]
    required = [[0, 1], [3, 4]]
    for kind, (value, error) in enumerate(required):
        size = [] if columns[3 * kind + 2] is None else [3 * kind + 2]
        stack = np.stack([np.isnan(cells[c]) for c in (value, error, *size)])  # type: ignore[arg-type]
        some = np.asarray((~stack).any(axis=(0, 2)) & stack.any(axis=(0, 2)))
        if some.any() and (kind or some[:-1].any()):
            what = ("real", "synthetic")[kind]
            some[-1] &= bool(kind)
            raise DataError(
                f"The {what} estimate of {count(int(some.sum()), 'task')} "
                f"({format_units(tasks[some])}) is incomplete: estimate, standard "
                "error and n must be there for every coordinate, or missing together."
            )
    has = np.column_stack(
        [~np.isnan(cells[0]).any(axis=1), ~np.isnan(cells[3]).any(axis=1)]  # type: ignore[arg-type]
    )
    usable = keep_tasks(has, tasks, missing)
    real = _summary(cells[:3], usable, columns[:3], tasks, past=True)
    made = _summary(cells[3:], usable, columns[3:], tasks, past=False)
    before = made.historical
    covariance = None
    if correlation is not None:
        r = table(correlation)[usable][:-1]
        bad = np.asarray(~(np.abs(r) <= 1.0).all(axis=1))
        if bad.any():
            raise DataError(
                f"Column {correlation!r} must hold correlations between -1 and 1; "
                f"that of {count(int(bad.sum()), 'task')} is not "
                f"({format_units(tasks[usable][:-1][bad])})."
            )
        covariance = r * real.se * before.se
    values = task_covariates(frame, codes, tasks, names)
    kept = tasks[usable]
    return TaskData(
        kept[:-1],
        current,
        coordinates,
        real,
        made,
        difference(real, before, covariance),
        paired=correlation is not None,
        covariates=None if values is None else values[usable],
        kind="estimates",
    )


def _summary(
    cells: list[Floats | None],
    usable: Bools,
    columns: Sequence[Hashable | None],
    tasks: pd.Index,
    past: bool,
) -> Estimates:
    rows = usable.copy()
    rows[-1] = not past
    value, se, n = (None if c is None else c[rows] for c in cells)
    assert value is not None
    assert se is not None
    names = tasks[rows]
    bad = np.asarray(~(se >= 0.0).all(axis=1))
    if bad.any():
        raise DataError(
            f"Standard errors in column {columns[1]!r} must not be negative; that of "
            f"{count(int(bad.sum()), 'task')} is ({format_units(names[bad])})."
        )
    df = np.full_like(value, np.inf)
    if n is not None:
        few = np.asarray(~(n >= 2.0).all(axis=1))
        if few.any():
            raise DataError(
                f"Numbers of observations in column {columns[2]!r} must be at least 2; "
                f"that of {count(int(few.sum()), 'task')} is not "
                f"({format_units(names[few])}). A standard error needs two."
            )
        df = n - 1.0
    return Estimates(value, se, df)


def read_results(
    real: Results,
    synthetic: Results,
    current: Any,
    params: Sequence[Hashable] | Hashable | None,
    tasks: Sequence[Hashable] | None,
    name: Hashable,
    covariates: pd.DataFrame | None,
) -> TaskData:
    """
    Read fitted results of statsmodels.

    Examples
    --------
    >>> import statsmodels.api as sm
    >>> x = sm.add_constant(np.arange(5.0))
    >>> fits = [sm.OLS(np.array([0.0, 1, 1, 2, k]), x).fit() for k in (3, 4, 5)]
    >>> data = read_results([fits[0]], [fits[1]], fits[2], "x1", None, "new", None)
    >>> data.gaps.value.round(3)
    array([[-0.2]])
    """
    check_label("name", name)
    index, real, synthetic = _paired_results(real, synthetic, tasks)
    if len(index) != len(real) or index.has_duplicates or name in index:
        raise OptionError(
            f"tasks= must hold one name for each of the {len(real)} historical tasks, "
            f"all different and different from name={name!r}."
        )
    wanted = None if params is None else name_list(params)
    first = _param_names(real[0])
    names = first if wanted is None else wanted
    every = [
        *(
            (f"real result of task {show(t)}", r)
            for t, r in zip(index, real, strict=True)
        ),
        *(
            (f"synthetic result of task {show(t)}", r)
            for t, r in zip(index, synthetic, strict=True)
        ),
        ("synthetic result of the current task", current),
    ]
    rows = [
        _read_result(result, where, names, wanted is None) for where, result in every
    ]
    value, se, df = (np.array([row[i] for row in rows]) for i in range(3))
    n = len(index)
    human = Estimates(value[:n], se[:n], df[:n])
    made = Estimates(value[n:], se[n:], df[n:])
    if covariates is not None:
        columns = list(check_columns(covariates, []).columns)
        absent = [t for t in (*index, name) if t not in covariates.index]
        if absent:
            raise AlignmentError(
                f"covariates= has no row for {format_units(absent)}. Its index must "
                "name every task, the current one included."
            )
        # A label that occurs twice selects two rows, which shifts all that follow.
        if covariates.index.has_duplicates:
            again = covariates.index[covariates.index.duplicated()].unique()
            raise AlignmentError(
                f"covariates= has several rows for {format_units(again)}. Give one row "
                "for each task."
            )
        covariates = covariates.loc[[*index, name]]
        covariates = pd.DataFrame(
            {c: numbers(covariates, c) for c in columns}, index=covariates.index
        )
        if covariates.isna().to_numpy().any():
            raise DataError("covariates= has missing values. Fill them in.")
    return TaskData(
        index,
        name,
        pd.Index(names),
        human,
        made,
        difference(human, made.historical),
        covariates=covariates,
        kind="fitted results",
    )


def _paired_results(
    real: Any, synthetic: Any, tasks: Sequence[Hashable] | None
) -> tuple[pd.Index, list[Any], list[Any]]:
    """Names of the tasks, and their results in this order, by key where there are."""
    for option, given in (("real", real), ("synthetic", synthetic)):
        if hasattr(given, "params"):
            raise DataError(
                f"{option}= is one result ({type(given).__name__}). Give a list or a "
                "dict with one for each historical task."
            )
        if isinstance(given, (str, set, frozenset, pd.DataFrame)) or not (
            hasattr(given, "__len__") and hasattr(given, "__getitem__")
        ):
            raise DataError(
                f"{option}= is a {type(given).__name__}. Give a list, or a dict or a "
                "Series by task, of fitted results."
            )
    keyed = [isinstance(given, (Mapping, pd.Series)) for given in (real, synthetic)]
    if keyed[0] != keyed[1]:
        raise OptionError(
            "One of real= and synthetic= has keys, the other is a list. Give both as "
            "dicts (or Series) by task, or both as lists in the same order."
        )
    if not keyed[0] and len(real) != len(synthetic):
        raise AlignmentError(
            f"There are {len(real)} real and {len(synthetic)} synthetic results. Give "
            "one of each for every historical task, in the same order."
        )
    if not len(real):
        raise DataError("There is no historical task. Give at least one pair of fits.")
    names = None if tasks is None else pd.Index(list(tasks), tupleize_cols=False)
    if not keyed[0]:
        index = pd.RangeIndex(len(real)) if names is None else names
        return index, list(real), list(synthetic)
    keys = pd.Index(list(real.keys()), tupleize_cols=False)
    others = pd.Index(list(synthetic.keys()), tupleize_cols=False)
    index = keys if names is None else names
    known = [("real", keys), ("synthetic", others)]
    for option, found in known:
        if found.has_duplicates:
            again = found[found.duplicated()].unique()
            raise AlignmentError(
                f"{option}= has several results for {format_units(again)}. Give one "
                "for each task."
            )
    known.append(("tasks", index))
    for option, found in known:
        for other, more in known:
            absent = [key for key in more if key not in found]
            if absent:
                raise AlignmentError(
                    f"{option}= lacks {count(len(absent), 'task')} of {other}= "
                    f"({format_units(absent)}). Results with keys are matched by "
                    "them: give the same tasks in both."
                )

    def ordered(results: Any, own: pd.Index) -> list[Any]:
        # By position: the keys of a Series may be whole numbers.
        values = list(results.values() if isinstance(results, Mapping) else results)
        return [values[k] for k in own.get_indexer(index)]

    return index, ordered(real, keys), ordered(synthetic, others)


def _param_names(result: Any) -> list[Any]:
    for attribute in ("params", "cov_params"):
        if not hasattr(result, attribute):
            raise DataError(
                f"{type(result).__name__} has no {attribute}: give fitted results of "
                "statsmodels, such as sm.OLS(...).fit()."
            )
    if isinstance(result.params, pd.Series):
        return list(result.params.index)
    if np.ndim(result.params) != 1:
        raise DataError(
            f"The parameters of {type(result).__name__} have shape "
            f"{np.shape(result.params)}; results with one vector of parameters are "
            "needed. For others give numbers to from_estimates."
        )
    model = getattr(result, "model", None)
    names = getattr(model, "param_names", None) or getattr(model, "exog_names", None)
    size = len(result.params)
    if names is None or len(names) != size:
        return [f"x{k}" for k in range(size)]
    return list(names)


def _read_result(
    result: Any, where: str, names: list[Any], every: bool
) -> tuple[Floats, Floats, Floats]:
    own = _param_names(result)
    absent = [name for name in names if name not in own]
    more = [name for name in own if name not in names] if every else []
    if absent or more:
        what = f"has no parameter {absent[0]!r}" if absent else f"also has {more[0]!r}"
        hint = suggest(absent[0], own) if absent else ""
        raise AlignmentError(
            f"The {where} {what}.{hint} Fit the same model to all tasks, or choose "
            "what they share with params=."
        )
    at = [own.index(name) for name in names]
    value = np.asarray(result.params, dtype=float)[at]
    variance = np.diag(np.asarray(result.cov_params(), dtype=float))[at]
    if not (np.isfinite(value).all() and (variance >= 0.0).all()):
        raise DataError(
            f"The {where} has parameters or variances that are missing, infinite or "
            "negative. Look at its summary()."
        )
    return value, np.sqrt(variance), _result_df(result, at)


def _result_df(result: Any, at: list[int]) -> Floats:
    """Degrees of freedom that the result's own conf_int uses; infinite for normal."""
    own = getattr(result, "df_inference", None)  # of each coefficient, in this package
    if own is not None and getattr(result, "use_t", False):
        return np.asarray(own, dtype=float)[at]
    return np.full(len(at), _common_df(result))


def _common_df(result: Any) -> float:
    """The same of results that have one for all coefficients."""
    if not getattr(result, "use_t", False):
        return np.inf
    # Clustered results have fewer than df_resid: the number of clusters less one.
    for attribute in ("df_resid_inference", "df_resid"):
        df = getattr(result, attribute, None)
        if df is not None and np.isfinite(df) and df > 0:
            return float(df)
    return np.inf


def read_votes(
    frame: pd.DataFrame,
    current: object,
    first: Hashable,
    second: Hashable,
    real: Hashable,
    synthetic: Hashable,
    reference: object,
    prior: float,
    n_boot: int,
    seed: int,
) -> TaskData:
    """
    Read comparisons with a human vote and one of an autorater.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "a": ["x", "y", "x", "y"], "b": ["y", "x", "z", "z"],
    ...     "human": [1.0, 0.5, None, None], "judge": [1.0, 0.5, 0.0, 0.5],
    ... })
    >>> votes = read_votes(frame, "z", "a", "b", "human", "judge", None, 1.0, 9, 0)
    >>> list(votes.tasks)
    ['x', 'y']
    """
    check_count("n_boot", n_boot)
    check_count("seed", seed, 0)
    if not is_positive(prior):
        raise OptionError(f"prior={prior!r} must be a number of votes above 0.")
    check_label("reference", reference)
    check_columns(frame, [first, second, real, synthetic])
    kinds = [
        pd.api.types.is_numeric_dtype(frame[c].infer_objects()) for c in (first, second)
    ]
    if kinds[0] != kinds[1]:
        raise DataError(
            f"Columns {first!r} and {second!r} must both name players by text or "
            "both by numbers, so that it is clear which is which."
        )
    both = pd.concat([frame[first], frame[second]], ignore_index=True)
    if both.isna().any():
        raise DataError(
            f"Columns {first!r} and {second!r} have rows without a player. Remove them."
        )
    # Sorted, so that bootstrap draws do not depend on the order of rows.
    found = task_index(both.rename(f"{first}/{second}"), current)
    players = found[:-1].sort_values().append(found[-1:])
    if reference is not None and reference not in players[:-1]:
        raise OptionError(
            f"reference={reference!r} is no historical player."
            + suggest(reference, list(players[:-1]))
        )
    a = players.get_indexer(pd.Index(frame[first]))
    b = players.get_indexer(pd.Index(frame[second]))
    own = frame.index[a == b]
    if len(own):
        raise DataError(
            f"{count(len(own), 'row')} compare a player with itself (rows "
            f"{format_units(own)}). Remove them."
        )
    votes = {c: numbers(frame, c) for c in (real, synthetic)}
    now = (a == len(players) - 1) | (b == len(players) - 1)
    votes[real] = np.where(now, np.nan, votes[real])
    for column, value in votes.items():
        needed = ~now if column == real else np.ones(len(frame), dtype=bool)
        bad = needed & ~((value >= 0.0) & (value <= 1.0))
        if bad.any():
            raise DataError(
                f"Votes in column {column!r} must be 1 ({first!r} wins), 0 or .5 (tie)"
                f", but {count(int(bad.sum()), 'row')} are not (rows "
                f"{format_units(frame.index[bad])})."
            )
    check_connected(a, b, players, "autorater")
    check_connected(a[~now], b[~now], players[:-1], "human")
    _warn_one_sided(a[~now], b[~now], votes[real][~now], players[:-1], "human")
    _warn_one_sided(a, b, votes[synthetic], players, "autorater")
    at = (
        None
        if reference is None
        else int(players.get_indexer(pd.Index([reference]))[0])
    )
    counted = count_votes(a, b, votes[real], votes[synthetic])
    human, made = vote_strengths(counted, len(players), at, prior, n_boot, seed)
    # The reference has strength 0 on both sides by definition: it is no task.
    keep = np.arange(len(players)) != (-1 if at is None else at)
    human, made, players = human[:, keep[:-1]], made[:, keep], players[keep]
    if len(players) < 2:
        raise DataError("No historical player is left besides the reference.")
    gap = human - made[:, :-1]
    return TaskData(
        players[:-1],
        current,
        pd.Index(["log-strength"]),
        _of_draws(human),
        _of_draws(made),
        _of_draws(gap),
        "Bradley-Terry",
        True,
        None,
        (gap[1:].T[:, None], made[1:].T[:, None]),
        kind="votes",
        draw_seed=seed,
    )


def _warn_one_sided(
    first: Positions, second: Positions, vote: Floats, players: pd.Index, what: str
) -> None:
    """Name players whose strength is what the prior makes it."""
    rows = one_sided(first, second, vote, len(players))
    if rows.any():
        warn(
            f"By {what} votes, {count(int(rows.sum()), 'player')} "
            f"({format_units(players[rows])}) won or lost every comparison. prior= "
            "alone keeps such strengths finite, and their bootstrap intervals are too "
            "short. Collect more votes, or leave these players out.",
            DegenerateGapWarning,
        )


def _of_draws(draws: Floats) -> Estimates:
    value = draws[0][:, None]
    se = draws[1:].std(axis=0)[:, None]
    return Estimates(value, se, np.full_like(value, np.inf))

"""From the user's frames, votes and fitted results to arrays; input errors end here."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.core.messages import count, format_units, show, suggest, warn
from statsmodels_synth.core.options import Missing, check_choice
from statsmodels_synth.exceptions import (
    AlignmentError,
    CurrentTaskLabelsWarning,
    DataError,
    DroppedTaskWarning,
    OptionError,
)
from statsmodels_synth.tasks.gaps import Estimates, difference, sample_quantiles
from statsmodels_synth.tasks.options import check_label, name_list
from statsmodels_synth.tasks.samples import (
    Samples,
    TaskData,
    means,
    quantile_of,
    sort_within,
    statistics,
)

#: What the two kinds of rows are called.
REAL, SYNTHETIC = "real", "synthetic"


def check_columns(frame: object, columns: Sequence[object]) -> pd.DataFrame:
    """
    Raise unless a frame has the columns.

    Examples
    --------
    >>> check_columns(pd.DataFrame({"task": [1]}), ["tusk"])
    Traceback (most recent call last):
    ...
    statsmodels_synth.exceptions.DataError: The frame has no column 'tusk'. Did you mean 'task'?
    """  # noqa: E501
    if not isinstance(frame, pd.DataFrame):
        raise DataError(
            f"A pandas DataFrame is needed, not {type(frame).__name__}. Make one with "
            "pandas.DataFrame(...)."
        )
    for column in columns:
        found = int(np.sum([name == column for name in frame.columns]))
        if not found:
            hint = suggest(column, list(frame.columns))
            raise DataError(f"The frame has no column {column!r}.{hint}")
        if found > 1:
            raise DataError(
                f"The frame has {found} columns {column!r}. Rename all but one."
            )
    return frame


def numbers(frame: pd.DataFrame, column: Any) -> Floats:
    """
    Values of a column, missing ones as NaN.

    Shapes: (n,).

    Examples
    --------
    >>> numbers(pd.DataFrame({"y": [True, False]}), "y")
    array([1., 0.])
    """
    series = frame[column]
    if not (
        pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series)
    ) or pd.api.types.is_complex_dtype(series):
        raise DataError(
            f"Column {column!r} is not numeric (dtype {series.dtype}; such as "
            f"{show(series.iloc[0]) if len(series) else 'empty'}). Convert it to "
            "numbers."
        )
    values = series.to_numpy(dtype=float, na_value=np.nan)
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            f"Column {column!r} has {count(int(infinite.sum()), 'infinite value')} "
            f"(rows {format_units(frame.index[infinite])}). Correct or remove them."
        )
    return np.asarray(values)


def _present(
    frame: pd.DataFrame, columns: list[Any], missing: Missing, past: Bools | None
) -> pd.DataFrame:
    """Leave out rows with missing values, or refuse them."""
    absent = frame[columns].isna()
    rows = np.asarray(absent.to_numpy().any(axis=1))
    if not rows.any():
        return frame
    column = columns[int(np.flatnonzero(absent.to_numpy().any(axis=0))[0])]
    where = f"{count(int(rows.sum()), 'row')} (such as rows "
    where += f"{format_units(frame.index[rows])}; first column {column!r})"
    if missing == "raise":
        raise DataError(
            f"Values are missing in {where}. Fill them in, or give missing='drop' to "
            "leave such rows out."
        )
    partners = ""
    if past is not None:
        # A row of a historical task without its partner is no pair any more.
        keys = pd.MultiIndex.from_frame(frame[[columns[0], columns[-1]]])
        alone = ~rows & past & np.asarray(keys.isin(keys[rows & past]))
        rows |= alone
        if alone.any():
            partners = f" with {count(int(alone.sum()), 'row')} that they pair with"
    warn(
        f"Values are missing in {where}; these rows are left out{partners}.",
        DroppedTaskWarning,
    )
    return frame.loc[~rows]


def task_index(tasks: pd.Series, current: object) -> pd.Index:
    """
    Tasks in the order of their first rows, the current one last.

    Shapes: (T + 1,).

    Examples
    --------
    >>> list(task_index(pd.Series(["b", "c", "a", "b"], name="task"), "c"))
    ['b', 'a', 'c']
    """
    check_label("current", current)
    found = pd.Index(pd.unique(tasks))
    if current not in found:
        raise DataError(
            f"The current task {show(current)} has no row in column {tasks.name!r}."
            + suggest(current, list(found))
        )
    last = found.get_indexer(pd.Index([current]))
    return found.delete(last).append(found[last])


def keep_tasks(has: Bools, tasks: pd.Index, missing: Missing) -> Bools:
    """
    Which tasks can be used.

    Shapes: `has` (T + 1, 2), `tasks` (T + 1,) -> (T + 1,).

    Examples
    --------
    >>> has = np.array([[True, True], [False, True]])
    >>> keep_tasks(has, pd.Index(["old", "new"]), "raise")
    array([ True,  True])
    """
    if not has[-1, 1]:
        raise DataError(
            f"The current task {show(tasks[-1])} has no synthetic data. There is "
            "nothing to infer from: generate some."
        )
    if has[-1, 0]:
        warn(
            f"The current task {show(tasks[-1])} has real data, which are not used "
            "here. With labels for the task itself AugmentedGMM gives an interval that "
            "needs no exchangeable tasks.",
            CurrentTaskLabelsWarning,
        )
    usable = np.append(has[:-1].all(axis=1), True)
    if not usable.all():
        lacks = []
        for column, kind in enumerate((REAL, SYNTHETIC)):
            absent = np.append(~has[:-1, column], False)
            if absent.any():
                lacks.append(
                    f"{count(int(absent.sum()), 'historical task')} without {kind} "
                    f"data ({format_units(tasks[absent])})"
                )
        text = f"There are {' and '.join(lacks)}, so no gap is known for them."
        if missing == "raise":
            raise DataError(
                f"{text} Add the data, or give missing='drop' if they lack for reasons "
                "that have nothing to do with the gap."
            )
        warn(
            f"{text} They are left out, which is harmless only if the reason has "
            "nothing to do with the gap.",
            DroppedTaskWarning,
        )
    if usable.sum() < 2:
        raise DataError(
            "No historical task has both real and synthetic data. At least one is "
            "needed, and about 2 / alpha for an interval with finite ends."
        )
    return usable


def task_covariates(
    frame: pd.DataFrame, codes: Positions, tasks: pd.Index, names: list[Any]
) -> pd.DataFrame | None:
    """
    Covariates of each task.

    Shapes: `codes` (n,), `tasks` (K,) -> (K, C).

    Examples
    --------
    >>> frame = pd.DataFrame({"year": [2020, 2020, 2024]})
    >>> codes = np.array([0, 0, 1])
    >>> task_covariates(frame, codes, pd.Index(["a", "b"]), ["year"])["year"].tolist()
    [2020.0, 2024.0]
    """
    if not names:
        return None
    columns = {}
    for name in names:
        values = numbers(frame, name)
        low = np.full(len(tasks), np.inf)
        high = np.full(len(tasks), -np.inf)
        np.minimum.at(low, codes, values)
        np.maximum.at(high, codes, values)
        bad = ~(low == high)
        if bad.any():
            raise DataError(
                f"Covariate {name!r} is missing or varies within "
                f"{count(int(bad.sum()), 'task')} ({format_units(tasks[bad])}). It "
                "must have one value per task, the same in all rows."
            )
        columns[name] = low
    return pd.DataFrame(columns, index=tasks)


def read_frame(
    frame: pd.DataFrame,
    current: object,
    task: Hashable,
    source: Hashable,
    value: Hashable | Sequence[Hashable],
    weight: Hashable | None,
    unit: Hashable | None,
    statistic: str | float | Callable[..., Any],
    covariates: Hashable | Sequence[Hashable] | None,
    missing: Missing,
) -> TaskData:
    """
    Read a tidy frame, one row per observation.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "task": [1, 1, 1, 1, 2, 2],
    ...     "source": ["real", "real"] + 4 * ["synthetic"],
    ...     "value": [0.0, 1.0, 2.0, 3.0, 1.0, 1.0],
    ... })
    >>> data = read_frame(
    ...     frame, 2, "task", "source", "value", None, None, "mean", None, "raise"
    ... )
    >>> data.gaps.value
    array([[-2.]])
    """
    check_choice("missing", missing, Missing)
    check_statistic(statistic, weight)
    check_label("current", current)
    values, names = name_list(value), name_list(covariates)
    known: list[Any] = [c for c in (weight, unit) if c is not None]
    check_columns(frame, [task, source, *values, *known, *names])
    # The unit comes last: pairs are left out together.
    past = None if unit is None else ~frame[task].isin([current]).to_numpy()
    frame = _present(frame, [task, source, *values, *known], missing, past)
    kinds = frame[source]
    wrong = ~kinds.isin([REAL, SYNTHETIC]).to_numpy()
    if wrong.any():
        raise DataError(
            f"Column {source!r} has values other than 'real' and 'synthetic': "
            f"{format_units(pd.unique(kinds[wrong]))}. Recode them."
        )
    tasks = task_index(frame[task], current)
    codes = tasks.get_indexer(pd.Index(frame[task]))
    made = (kinds == SYNTHETIC).to_numpy()
    has = np.zeros((len(tasks), 2), dtype=bool)
    has[codes[~made], 0] = True
    has[codes[made], 1] = True
    usable = keep_tasks(has, tasks, missing)
    kept = usable[codes] & (made | (codes < len(tasks) - 1))
    frame, made = frame[kept], made[kept]
    codes = (np.cumsum(usable) - 1)[codes[kept]]
    tasks = tasks[usable]
    x = np.column_stack([numbers(frame, name) for name in values])
    w = None if weight is None else numbers(frame, weight)
    if w is not None and not (w > 0.0).all():
        raise DataError(
            f"Weights in column {weight!r} must be above 0, but "
            f"{count(int((~(w > 0.0)).sum()), 'row')} (such as "
            f"{format_units(frame.index[~(w > 0.0)])}) have others. Leave out rows "
            "that should not count."
        )
    units = None if unit is None else frame[unit]
    n_all = len(tasks)
    order = _row_order(codes, made, units)
    samples = tuple(
        _samples(x, w, codes, order[made[order] == kind], n_all - 1 + kind)
        for kind in (False, True)
    )
    if units is not None:
        _check_pairs(codes, made, units, order, tasks)
    return _from_samples(
        (samples[0], samples[1]),
        tasks,
        pd.Index(values),
        statistic,
        unit is not None,
        task_covariates(frame, codes, tasks, names),
    )


def _row_order(codes: Positions, made: Bools, units: pd.Series | None) -> Positions:
    """Rows by task, and by unit where these are known."""
    if units is None:
        return np.argsort(codes, kind="stable")
    return np.lexsort((pd.factorize(units)[0], codes))


def _samples(
    x: Floats, w: Floats | None, codes: Positions, rows: Positions, n_tasks: int
) -> Samples:
    sizes = np.bincount(codes[rows], minlength=n_tasks)
    starts = np.append(0, np.cumsum(sizes)).astype(np.intp)
    return Samples(x[rows], starts, None if w is None else w[rows])


def _check_pairs(
    codes: Positions, made: Bools, units: pd.Series, order: Positions, tasks: pd.Index
) -> None:
    """Raise unless every historical task has each unit once in both sources."""
    units = units.iloc[order]
    past = codes[order] < len(tasks) - 1
    keys = pd.DataFrame(
        {"task": codes[order], "unit": units.to_numpy(), "made": made[order]}
    )
    twice = keys.duplicated().to_numpy() & past
    if twice.any():
        first = keys[twice].iloc[0]
        raise AlignmentError(
            f"Unit {show(first['unit'])} occurs twice in the "
            f"{SYNTHETIC if first['made'] else REAL} data of task "
            f"{show(tasks[first['task']])}. Pairs need each unit once in both: average "
            "its rows."
        )
    alone = ~keys.duplicated(["task", "unit"], keep=False).to_numpy() & past
    if alone.any():
        first = keys[alone].iloc[0]
        other = REAL if first["made"] else SYNTHETIC
        raise AlignmentError(
            f"{count(int(alone.sum()), 'unit')} of historical tasks are in one source "
            f"only, such as {show(first['unit'])} of task "
            f"{show(tasks[first['task']])}, which has no {other} row. Pairs need each "
            "unit in both: leave the others out, or leave unit= out if real and "
            "synthetic data are independent."
        )


def check_statistic(
    statistic: str | float | Callable[..., Any], weight: object
) -> None:
    """
    Raise unless a statistic exists.

    Examples
    --------
    >>> check_statistic("median", None)
    """
    q = quantile_of(statistic)
    if not (statistic == "mean" or callable(statistic) or q is not None) or (
        q is not None and not 0.0 < q < 1.0
    ):
        raise OptionError(
            f"statistic={statistic!r} does not exist. Give 'mean', 'median', a number "
            "between 0 and 1 for that quantile, or a function of a sample."
        )
    if weight is not None and statistic != "mean":
        raise OptionError(
            f"weight={weight!r} is for means only. Leave it out, or use "
            "statistic='mean'."
        )


def _from_samples(
    samples: tuple[Samples, Samples],
    tasks: pd.Index,
    coordinates: pd.Index,
    statistic: str | float | Callable[..., Any],
    paired: bool,
    covariates: pd.DataFrame | None,
) -> TaskData:
    real, made = (_estimates(sample, statistic) for sample in samples)
    n_tasks = len(tasks) - 1
    gaps = difference(real, made.historical)
    if paired and statistic == "mean":
        gaps = means(_pair_differences(*samples, n_tasks))
    return TaskData(
        tasks[:-1],
        tasks[-1],
        coordinates,
        real,
        made,
        gaps,
        statistic,
        paired,
        samples,
        None,
        covariates,
    )


def _estimates(
    samples: Samples, statistic: str | float | Callable[..., Any]
) -> Estimates:
    if statistic == "mean":
        return means(samples)
    q = quantile_of(statistic)
    if q is not None:
        value = sample_quantiles(sort_within(samples), samples.starts, q)
    else:
        value = statistics(samples, statistic)
    # Standard errors of other statistics come from the bootstrap alone.
    unknown = np.full_like(value, np.inf)
    return Estimates(value, unknown, np.ones_like(value))


def _pair_differences(real: Samples, made: Samples, n_tasks: int) -> Samples:
    end = made.starts[n_tasks]
    if real.weights is not None and made.weights is not None:
        differ = real.weights != made.weights[:end]
        if differ.any():
            raise DataError(
                f"The weights of {count(int(differ.sum()), 'pair')} differ between the "
                "real and the synthetic row. Give both rows of a unit the same weight."
            )
    return Samples(real.x - made.x[:end], real.starts, real.weights)

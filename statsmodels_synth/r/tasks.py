"""TaskExchangeability for R: from its columns to the model, from results to lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count, format_units, muted, suggest
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    OptionError,
    SynthWarning,
)
from statsmodels_synth.r.columns import (
    LABEL_SEPARATOR,
    kind_of,
    read_column,
    split_text,
    whole_numbers,
)
from statsmodels_synth.r.frames import read_values, texts_of
from statsmodels_synth.tasks.model import TaskExchangeability
from statsmodels_synth.tasks.results import TaskExchangeabilityResults
from statsmodels_synth.tasks.samples import TaskData
from statsmodels_synth.tasks.summary import summary_notes

Arguments = dict[str, Any]


@dataclass(frozen=True)
class RFit:
    """
    What is needed of a model that R fitted, under statsmodels' names.

    Parameters
    ----------
    params : Series (p,)
        Coefficients by name.
    variances : ndarray (p,)
        Their variances.
    df_resid : float
        Degrees of freedom of Student's t; infinite for the normal.
    use_t : bool
        Whether they are finite.
    """

    params: pd.Series
    variances: Floats
    df_resid: float
    use_t: bool

    def cov_params(self) -> Floats:
        """
        Matrix with the variances; the covariances are not needed.

        Shapes: (p, p).
        """
        return np.diag(self.variances)


def task_exchangeability(arguments: Arguments) -> Arguments:
    """Fit the model to what R read."""
    return describe(fit_model(make_model(arguments), arguments))


def task_interval(arguments: Arguments) -> Arguments:
    """Interval at another level."""
    result = _fitted_before(arguments)
    return {"interval": result.conf_int(alpha=float(arguments["alpha"][0]))}


def task_trend(arguments: Arguments) -> Arguments:
    """Permutation test of a trend of the gaps."""
    result = _fitted_before(arguments)
    found = result.trend_test(
        _by_task(arguments["by"], result.model.data, "by"),
        _whole(arguments["n_permutations"]),
        _whole(arguments["seed"]),
    )
    return {"table": found.table, "pvalue": found.pvalue, "by": found.by}


def task_split(arguments: Arguments) -> Arguments:
    """Cover late tasks from early ones."""
    result = _fitted_before(arguments)
    by = _by_task(arguments["by"], result.model.data, "by")
    found = result.temporal_split(by, float(arguments["share"][0]))
    late = found.table.index.get_level_values("task").unique()
    return {
        "tasks": result.model.data.tasks.get_indexer(late) + 1,
        "table": found.table.astype(float),
        "coverage": found.coverage,
        "level": found.level,
        "pvalue": found.pvalue,
        "n_early": found.n_early,
        "n_late": found.n_late,
        "by": found.by,
    }


def task_order(arguments: Arguments) -> Arguments:
    """What tasks are ordered by, the current one last."""
    result = _fitted_before(arguments)
    name, values = result._known(_by_task(arguments["by"], result.model.data, "by"))
    return {"by": name, "values": values}


def task_coverage_gap(arguments: Arguments) -> Arguments:
    """Bound on the coverage lost where tasks are not exchangeable."""
    given = arguments["distance"]
    result = _fitted_before(arguments)
    if given["names"] is None and len(given["values"]) == 1:
        return {"bound": result.coverage_gap(float(given["values"][0]))}
    distance = _by_task(given, result.model.data, "distance")
    return {"bound": result.coverage_gap(distance)}


def make_model(arguments: Arguments) -> TaskExchangeability:
    """Model of the data that R sent."""
    data = arguments["data"]
    kind = data["kind"][0]
    if kind == "fits":
        return _from_fits(data)
    roles = {"frame": ("task", "source", "unit"), "estimates": ("task",)}
    keys = [data[r][0] for r in roles.get(kind, ("first", "second")) if data[r]]
    frame = _frame(data["frame"], keys)
    if kind == "frame":
        given = data["statistic"][0]
        return TaskExchangeability.from_frame(
            frame,
            current=_label(data["current"], _column(frame, keys[0])),
            **_names(data, "task", "source", "weight", "unit"),
            value=data["value"],
            statistic=given if isinstance(given, str) else float(given),
            covariates=data["covariates"],
            missing=data["missing"][0],
        )
    if kind == "estimates":
        labels = _column(frame, keys[0]) if keys else frame.index
        names = ("real", "real_se", "real_n", "synthetic", "synthetic_se")
        return TaskExchangeability.from_estimates(
            frame,
            current=_label(data["current"], labels),
            **_names(data, *names, "synthetic_n", "task", "coordinate", "correlation"),
            covariates=data["covariates"],
            missing=data["missing"][0],
        )
    players = pd.Index([*_column(frame, keys[0]), *_column(frame, keys[1])])
    reference = data["reference"]
    return TaskExchangeability.from_votes(
        frame,
        current=_label(data["current"], players),
        **_names(data, "first", "second", "real", "synthetic"),
        reference=None if reference is None else _label(reference, players),
        prior=float(data["prior"][0]),
        n_boot=_whole(arguments["fit"]["n_boot"]),
        seed=_whole(arguments["fit"]["seed"]),
    )


def _frame(given: Arguments, keys: list[str] | None) -> pd.DataFrame:
    """The frame that R sent, its rows as R numbers or names them."""
    frame = read_values(given, keys or None)
    for name, column in given["columns"].items():
        if column is not None and kind_of(column) == "matrix":
            raise DataError(
                f"Column {name!r} is a matrix. Give columns of one value per row."
            )
    if keys:
        frame.index += 1
    return frame


def _column(frame: pd.DataFrame, name: str) -> pd.Index:
    """Labels of a column; none where there is no such one, which is said later."""
    return pd.Index(frame[name]) if name in frame else pd.Index([])


def _label(given: Any, known: pd.Index) -> Any:
    """
    The label that is meant: text and numbers are compared as text.

    Shapes: `known` (rows,).
    """
    value = whole_numbers(read_column(given, 1)).iloc[0]
    labels = known[known.notna()].unique()
    place = pd.Index(texts_of(labels)).get_indexer(
        pd.Index(texts_of(pd.Index([value])))
    )[0]
    return labels[place] if place >= 0 else value


def fit_model(
    model: TaskExchangeability, arguments: Arguments
) -> TaskExchangeabilityResults:
    """Fit with the options that R sent."""
    options = arguments["fit"]
    alpha, interval = options["alpha"], options["interval"]
    return model.fit(
        _algorithm(options["algorithm"][0]),
        None if alpha is None else float(alpha[0]),
        options["alphas"],
        None if interval is None else _one(interval),
        weights=_by_task(options["weights"], model.data, "weights"),
        bandwidth=float(options["bandwidth"][0]),
        bounds=options["bounds"],
        n_boot=_whole(options["n_boot"]),
        seed=_whole(options["seed"]),
    )


def _algorithm(given: Any) -> Any:
    """A word, or a number, whole where it is."""
    if isinstance(given, str):
        return given
    return int(given) if given == int(given) else float(given)


def _one(given: list[str]) -> Any:
    """The one word that was given, or what is none."""
    return given[0] if len(given) == 1 else tuple(given)


def describe(result: TaskExchangeabilityResults) -> Arguments:
    """All that R keeps of a result."""
    data = result.model.data
    held_out, why_not = _held_out(result)
    return {
        "tasks": _labels_to_r(data.tasks),
        "current": _labels_to_r(pd.Index([data.current])),
        "coordinates": texts_of(data.coordinates),
        "alpha": float(result.settings.alpha),
        "estimate": result.estimate,
        "interval": result.conf_int(),
        "synthetic_only": result.synthetic_only,
        "synthetic_interval": result.synthetic_interval,
        "gap_band": result.gap_band,
        "gaps": result.gaps,
        "widths": result.widths,
        "allocation": result.allocation,
        "ranks": np.array(result.exchange.ranks),
        "weighted": result.is_weighted,
        "effective_tasks": result.effective_tasks,
        "gap_interval": str(result.settings.interval),
        "covariates": data.covariates,
        "covariate_names": None
        if data.covariates is None
        else [str(name) for name in data.covariates],
        "typicality": result.typicality(),
        "verdict": result.verdict(),
        "notes": summary_notes(result),
        "held_out": held_out,
        "why_not_held_out": why_not,
    }


def _held_out(result: TaskExchangeabilityResults) -> tuple[Any, str]:
    """Leave-one-out, or why it cannot be done."""
    try:
        found = result.loo()
    except (DataError, OptionError) as error:
        return None, str(error)
    return {
        "table": found.table.astype(float),
        "coverage": found.coverage,
        "naive_coverage": found.naive_coverage,
        "weighted": found.weighted,
    }, ""


def _labels_to_r(labels: pd.Index) -> Any:
    """
    Labels of tasks: numbers, or text in one string.

    Shapes: `labels` (T,).
    """
    plain = labels.infer_objects()
    if pd.api.types.is_numeric_dtype(plain.dtype):
        return plain.to_numpy(dtype=float)
    return LABEL_SEPARATOR.join(texts_of(labels))


def _fitted_before(arguments: Arguments) -> TaskExchangeabilityResults:
    """Fit again; R has shown the warnings the first time."""
    with muted(SynthWarning):
        return fit_model(make_model(arguments), arguments)


def _from_fits(data: Arguments) -> TaskExchangeability:
    real, synthetic = (_fits(data[kind]) for kind in ("real", "synthetic"))
    tasks = None
    if not isinstance(real, pd.Series):
        tasks = [str(k + 1) for k in range(len(real))]
    name = texts_of(pd.Index([_label(data["current"], pd.Index([]))]))[0]
    index = [*(real.index if tasks is None else tasks), name]
    return TaskExchangeability.from_results(
        real,
        synthetic,
        _fit(data["fit"]),
        params=data["params"],
        tasks=tasks,
        name=name,
        covariates=_covariates(data["covariates"], index),
    )


def _fits(given: Arguments) -> Any:
    """Fits as a Series by task, or as a list where tasks have no names."""
    fits = [_fit(one) for one in given["fits"]]
    names = given["names"]
    return fits if names is None else pd.Series(fits, split_text(names), dtype=object)


def _covariates(given: Arguments | None, tasks: list[str]) -> pd.DataFrame | None:
    """Covariates by task; without row names they have the order of the tasks."""
    if given is None:
        return None
    frame = _frame(given, None)
    if not given["automatic"][0]:
        return frame.set_axis(pd.Index(texts_of(frame.index)))
    if len(frame) != len(tasks):
        raise AlignmentError(
            f"covariates has {count(len(frame), 'row')}, and there are {len(tasks)} "
            "tasks with the current one. Name its rows by task."
        )
    return frame.set_axis(pd.Index(tasks))


def _fit(given: Arguments) -> RFit:
    params = pd.Series(given["params"], index=given["names"])
    df = float(given["df"][0])
    return RFit(params, given["variances"], df, bool(np.isfinite(df)))


def _by_task(given: Any, data: TaskData, what: str) -> Any:
    """A word, or numbers of the tasks: by name as a Series, else in their order."""
    if given is None or isinstance(given, list):
        return None if given is None else _one(given)
    values, names = given["values"], given["names"]
    if names is None:
        if len(values) != len(data.tasks):
            raise AlignmentError(
                f"{what} has {count(len(values), 'value')}; there are "
                f"{count(len(data.tasks), 'historical task')}. Give one for each, best "
                "named by task."
            )
        found = pd.Series(values, data.tasks)
    else:
        labels = pd.Index([*data.tasks, data.current])
        known = texts_of(labels)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise AlignmentError(
                f"{what} names {format_units(unknown)}, which is no task."
                f"{suggest(unknown[0], known)}"
            )
        place = pd.Index(known).get_indexer(pd.Index(names))
        found = pd.Series(values, labels[place])
        if found.index.has_duplicates:
            twice = found.index[found.index.duplicated()].unique()
            raise AlignmentError(f"{what} names a task twice ({format_units(twice)}).")
    past = found.reindex(data.tasks)
    if past.isna().any():
        absent = past.index[past.isna()]
        raise AlignmentError(
            f"{what} is missing for {count(len(absent), 'historical task')} "
            f"({format_units(absent)}). Give a number for each."
        )
    return found


def _names(data: Arguments, *roles: str) -> dict[str, Any]:
    """Columns that play a part, each one name or None."""
    return {r: None if data[r] is None else data[r][0] for r in roles}


def _whole(value: Floats) -> int:
    return int(value[0])

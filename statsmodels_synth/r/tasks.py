"""TaskExchangeability for R: from its columns to the model, from results to lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count, format_units, muted
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    OptionError,
    SynthWarning,
)
from statsmodels_synth.r.columns import split_text
from statsmodels_synth.tasks.model import TaskExchangeability
from statsmodels_synth.tasks.results import TaskExchangeabilityResults
from statsmodels_synth.tasks.summary import summary_notes


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


def task_exchangeability(arguments: dict[str, Any]) -> dict[str, Any]:
    """Fit the model to what R read."""
    labels = task_labels(arguments["tasks"])
    return describe(fit_model(make_model(arguments, labels), arguments, labels), labels)


def task_interval(arguments: dict[str, Any]) -> dict[str, Any]:
    """Interval at another level."""
    result = _fitted_before(arguments)
    return {"interval": result.conf_int(alpha=float(arguments["alpha"][0]))}


def task_trend(arguments: dict[str, Any]) -> dict[str, Any]:
    """Permutation test of a trend of the gaps."""
    result = _fitted_before(arguments)
    found = result.trend_test(
        _by(result, arguments),
        _whole(arguments["n_permutations"]),
        _whole(arguments["seed"]),
    )
    return {"table": found.table, "pvalue": found.pvalue}


def task_split(arguments: dict[str, Any]) -> dict[str, Any]:
    """Cover late tasks from early ones."""
    result = _fitted_before(arguments)
    found = result.temporal_split(_by(result, arguments), float(arguments["share"][0]))
    late = found.table.index.get_level_values("task").unique()
    return {
        "tasks": result.model.data.tasks.get_indexer(late) + 1,
        "table": found.table.astype(float),
        "coverage": found.coverage,
        "level": found.level,
        "pvalue": found.pvalue,
        "n_early": found.n_early,
        "n_late": found.n_late,
    }


def task_coverage_gap(arguments: dict[str, Any]) -> dict[str, Any]:
    """Bound on the coverage lost where tasks are not exchangeable."""
    distance = arguments["distance"]
    value = float(distance[0]) if len(distance) == 1 else distance
    return {"bound": _fitted_before(arguments).coverage_gap(value)}


def make_model(arguments: dict[str, Any], labels: pd.Index) -> TaskExchangeability:
    """Model of the data that R sent."""
    data = arguments["data"]
    kind = data["kind"][0]
    if kind == "fits":
        return _from_fits(data, labels)
    frame = make_frame(data["columns"], labels)
    current = labels[int(data["current"][0]) - 1]
    if kind == "frame":
        given = data["statistic"][0]
        return TaskExchangeability.from_frame(
            frame,
            current=current,
            **_names(data, "task", "source", "weight", "unit"),
            value=data["value"],
            statistic=given if isinstance(given, str) else float(given),
            covariates=data["covariates"],
            missing=data["missing"][0],
        )
    if kind == "estimates":
        if data["rows"] is not None:
            frame.index = labels[data["rows"] - 1]
        roles = ("real", "real_se", "real_n", "synthetic", "synthetic_se")
        return TaskExchangeability.from_estimates(
            frame,
            current=current,
            **_names(data, *roles, "synthetic_n", "task", "coordinate", "correlation"),
            covariates=data["covariates"],
            missing=data["missing"][0],
        )
    reference = data["reference"]
    return TaskExchangeability.from_votes(
        frame,
        current=current,
        **_names(data, "first", "second", "real", "synthetic"),
        reference=None if reference is None else labels[int(reference[0]) - 1],
        prior=float(data["prior"][0]),
        n_boot=_whole(arguments["fit"]["n_boot"]),
        seed=_whole(arguments["fit"]["seed"]),
    )


def make_frame(columns: list[dict[str, Any]], labels: pd.Index) -> pd.DataFrame:
    """Frame of the columns that R sent."""
    series = {}
    for column in columns:
        values = column["values"]
        if values is None:
            codes, levels = column["codes"], column["levels"]
            levels = labels if levels is None else task_labels(levels)
            found = pd.Series(levels.take(np.maximum(codes - 1, 0)))
            values = found.where(codes > 0) if (codes == 0).any() else found
            values = values.to_numpy()
        series[column["name"][0]] = values
    n_rows = len(next(iter(series.values())))
    return pd.DataFrame(series, index=pd.RangeIndex(1, n_rows + 1))


def task_labels(levels: Any) -> pd.Index:
    """Labels that R sent."""
    if isinstance(levels, list):
        levels = split_text(levels)
    elif np.array_equal(levels, whole := levels.astype(np.int64)):
        levels = whole
    labels: pd.Index = pd.Index(levels)
    return labels


def fit_model(
    model: TaskExchangeability, arguments: dict[str, Any], labels: pd.Index
) -> TaskExchangeabilityResults:
    """Fit with the options that R sent."""
    options = arguments["fit"]
    given: Any = options["algorithm"][0]
    algorithm: Any = given if isinstance(given, str) else int(given)
    interval, weights = options["interval"], options["weights"]
    if isinstance(weights, list):
        weights = weights[0]
    elif weights is not None:
        weights = _weights(weights, model.data.tasks, labels)
    return model.fit(
        algorithm,
        float(options["alpha"][0]),
        options["alphas"],
        None if interval is None else interval[0],
        weights=weights,
        bandwidth=float(options["bandwidth"][0]),
        bounds=options["bounds"],
        n_boot=_whole(options["n_boot"]),
        seed=_whole(options["seed"]),
    )


def describe(result: TaskExchangeabilityResults, labels: pd.Index) -> dict[str, Any]:
    """All that R keeps of a result."""
    data = result.model.data
    held_out, why_not = _held_out(result)
    return {
        "tasks": labels.get_indexer(data.tasks) + 1,
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


def _fitted_before(arguments: dict[str, Any]) -> TaskExchangeabilityResults:
    """Fit again; R has shown the warnings the first time."""
    labels = task_labels(arguments["tasks"])
    with muted(SynthWarning):
        return fit_model(make_model(arguments, labels), arguments, labels)


def _from_fits(data: dict[str, Any], labels: pd.Index) -> TaskExchangeability:
    real, synthetic = ([_fit(one) for one in data[k]] for k in ("real", "synthetic"))
    table = data["covariates"]
    covariates = None
    if table is not None:
        covariates = pd.DataFrame(table, index=labels, columns=data["covariate_names"])
    return TaskExchangeability.from_results(
        real,
        synthetic,
        _fit(data["current"]),
        params=data["params"],
        tasks=list(labels[:-1]),
        name=labels[-1],
        covariates=covariates,
    )


def _fit(given: dict[str, Any]) -> RFit:
    params = pd.Series(given["params"], index=given["names"])
    df = float(given["df"][0])
    return RFit(params, given["variances"], df, bool(np.isfinite(df)))


def _weights(given: dict[str, Any], tasks: pd.Index, labels: pd.Index) -> Floats:
    values: Floats = given["values"]
    if not given["named"][0]:
        if len(values) != len(tasks):
            raise AlignmentError(
                f"weights has {count(len(values), 'value')}; there are "
                f"{count(len(tasks), 'historical task')}. Give one weight for each, "
                "best named by task."
            )
        return values
    found = values[labels.get_indexer(tasks)]
    absent = tasks[np.isnan(found)]
    if len(absent):
        raise AlignmentError(
            f"weights has no value for {count(len(absent), 'historical task')} "
            f"({format_units(absent)}). Name every historical task once."
        )
    return found


def _by(result: TaskExchangeabilityResults, arguments: dict[str, Any]) -> Any:
    """What tasks are ordered by: R has brought it into their order."""
    if arguments["by"] is None:
        return None
    data = result.model.data
    return pd.Series(arguments["by"], index=[*data.tasks, data.current])


def _names(data: dict[str, Any], *roles: str) -> dict[str, Any]:
    """Columns that play a part, each one name or None."""
    return {r: None if data[r] is None else data[r][0] for r in roles}


def _whole(value: Floats) -> int:
    return int(value[0])

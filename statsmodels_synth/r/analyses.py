"""What is asked of a fit besides its numbers, such as ``compare()`` and ``plan()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.r.augmented import fitted_before
from statsmodels_synth.r.columns import read_column
from statsmodels_synth.r.convert import frame_columns

Arguments = dict[str, Any]
#: R sends the arrays of the fit when it gets this.
AGAIN: dict[str, Any] = {"again": True}


def of_fit(
    answer: Callable[[Any, Arguments], dict[str, Any]],
) -> Callable[[Arguments], dict[str, Any]]:
    """A handler that answers from the fit that R asks of."""

    def handler(arguments: Arguments) -> dict[str, Any]:
        result = fitted_before(arguments)
        return AGAIN if result is None else answer(result, arguments)

    return handler


@of_fit
def compare(result: Any, arguments: Arguments) -> dict[str, Any]:
    """All methods on the same data."""
    found = result.compare(
        arguments["methods"],
        alpha=float(arguments["alpha"][0]),
        seed=int(arguments["seed"][0]),
    )
    return {
        "table": frame_columns(found.table),
        "variant": found.variant,
        "notes": found.notes,
        "n_labeled": found.n_labeled,
        "n_units": found.n_units,
        "constant": found.constant,
        "left_out": list(found.left_out),
        "why": list(found.left_out.values()),
    }


@of_fit
def diagnostics(result: Any, arguments: Arguments) -> dict[str, Any]:
    """Whether the sources are to be trusted."""
    blind = arguments["blind"]
    found = result.diagnostics(
        _groups(result, arguments["by"]),
        int(arguments["n_influential"][0]),
        blind=bool(blind[0]) if isinstance(blind, np.ndarray) else blind,
    )
    tables = {
        name: frame_columns(getattr(found, name))
        for name in (
            *("bias", "bias_tests", "uncertainty", "influential"),
            *("coverage", "representativeness", "subgroups", "subgroup_tests"),
        )
    }
    return {
        **tables,
        "combined": frame_columns(found.combined) if len(found.combined) else None,
        "explained": found.explained,
        "sources": [str(name) for name in found.explained.index[:-1]],
        "residual_correlation": found.residual_correlation,
        "verdict": list(found.verdict),
    }


def _groups(result: Any, given: Any) -> pd.Series | str | None:
    """Values that part the units into groups; a name where only codes have it."""
    if given is None:
        return None
    name: str = given["name"][0]
    if given["column"] is None:
        return name
    units = result.model.given_units
    return read_column(given["column"], len(units)).set_axis(units).rename(name)


@of_fit
def plan(result: Any, arguments: Arguments) -> dict[str, Any]:
    """What a plan from this pilot is about."""
    found = result.plan()
    return {
        "names": found.names,
        "sources": found.source_names,
        "n_labeled": found.n_labeled,
        "n_units": found.n_units,
        "min_labels": found.min_labels,
        "most_labels": found.most_labels,
        "constant": None if found.constant is None else found.names[found.constant],
        "by_clusters": found.by_clusters,
        "is_finite": found.is_finite,
    }


@of_fit
def plan_expect(result: Any, arguments: Arguments) -> dict[str, Any]:
    """Standard errors, widths and power to expect."""
    table = result.plan().expect(
        arguments["n"], arguments["n_units"], **_assumed(arguments)
    )
    return {"table": frame_columns(table, index=False)}


@of_fit
def plan_designs(result: Any, arguments: Arguments) -> dict[str, Any]:
    """What the choice of the units to label is worth."""
    table = result.plan().designs(
        int(arguments["n"][0]),
        coefficients=arguments["coefficients"],
        alpha=float(arguments["alpha"][0]),
    )
    return {"table": frame_columns(table.reset_index(), index=False)}


@of_fit
def plan_labels_needed(result: Any, arguments: Arguments) -> dict[str, Any]:
    """Fewest labels for a width or a power."""
    table = result.plan().labels_needed(
        width=_number(arguments["width"]),
        power=_number(arguments["power"]),
        n_units=_whole(arguments["n_units"]),
        **_assumed(arguments),
    )
    return {"table": frame_columns(table)}


@of_fit
def plan_cheapest(result: Any, arguments: Arguments) -> dict[str, Any]:
    """Cheapest mix of labels, units and rows."""
    assumed = _assumed(arguments)
    table = result.plan().cheapest(
        coefficient=assumed["coefficients"][0],
        price_label=_number(arguments["price_label"]),
        price_proxy=_by_name(arguments["price_proxy"]),
        price_synthetic=_by_name(arguments["price_synthetic"]),
        width=_number(arguments["width"]),
        power=_number(arguments["power"]),
        n_units=_whole(arguments["n_units"]),
        max_replicates=int(arguments["max_replicates"][0]),
        **{name: assumed[name] for name in ("sources", "effect", "alpha")},
    )
    return {"table": frame_columns(table, index=False)}


@of_fit
def agreement(result: Any, arguments: Arguments) -> dict[str, Any]:
    """How far each source agrees with people."""
    found = result.agreement(alpha=float(arguments["alpha"][0]))
    keys = list(found.confusion)
    return {
        "table": frame_columns(found.table),
        "n": found.n.to_numpy(dtype=float),
        "sources": [str(name) for name in found.n.index],
        "confusion": {
            "source": [source for source, _ in keys],
            "variable": [variable for _, variable in keys],
            "values": [
                found.confusion[key].index.to_numpy(dtype=float) for key in keys
            ],
            "shares": [found.confusion[key] for key in keys],
        },
    }


def _assumed(arguments: Arguments) -> dict[str, Any]:
    """What all predictions of a plan take."""
    replicates = _by_name(arguments["replicates"])
    if isinstance(replicates, dict):
        replicates = {name: _count(value) for name, value in replicates.items()}
    elif replicates is not None:
        replicates = _count(replicates)
    return {
        "replicates": replicates,
        "sources": arguments["sources"],
        "alpha": float(arguments["alpha"][0]),
        "effect": _by_name(arguments["effect"]),
        "coefficients": arguments["coefficients"],
    }


def _by_name(given: Any) -> Any:
    """One number, or one by name."""
    if given is None:
        return None
    values, names = given["values"], given["names"]
    if names is None:
        return float(values[0])
    return dict(zip(names, map(float, values), strict=True))


def _number(given: Any) -> float | None:
    return None if given is None else float(given[0])


def _count(value: float) -> float:
    """A whole number as such; another is refused where it is read."""
    return int(value) if value == int(value) else value


def _whole(given: Any) -> int | None:
    return None if given is None else int(given[0])


@of_fit
def score_intervals(result: Any, arguments: Arguments) -> dict[str, Any]:
    """Intervals of quantile regressions by inverting score tests."""
    return {"interval": result.score_conf_int(float(arguments["alpha"][0]))}


@of_fit
def anderson_rubin(result: Any, arguments: Arguments) -> dict[str, Any]:
    """Test and confidence set of an endogenous regressor."""
    alpha = arguments["alpha"]
    found = result.anderson_rubin(
        float(arguments["null"][0]), alpha=None if alpha is None else float(alpha[0])
    )
    return {"table": frame_columns(found.tidy(), index=False)}

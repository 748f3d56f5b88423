"""
The parts of statsmodels that are not public: imported here and nowhere else.

statsmodels keeps its GMM classes in ``sandbox``, its formula manager and its
prediction code in private modules. When a release moves them, this is the one
file to change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import threading
from typing import Any

from statsmodels.base import _prediction_inference
from statsmodels.base.model import LikelihoodModelResults, LikelihoodResultsWrapper
from statsmodels.base.wrapper import populate_wrapper
import statsmodels.formula
from statsmodels.formula._manager import FormulaManager
from statsmodels.sandbox.regression.gmm import GMM, GMMResults
from statsmodels.tools._decorators import cache_readonly, cached_data, cached_value

from statsmodels_synth.core.options import Engine

__all__ = [
    "GMM",
    "FormulaManager",
    "GMMResults",
    "LikelihoodModelResults",
    "LikelihoodResultsWrapper",
    "cache_readonly",
    "cached_data",
    "cached_value",
    "default_engine",
    "formula_engine",
    "populate_wrapper",
    "predictions",
]

#: Options of statsmodels belong to all threads.
_OPTIONS = threading.RLock()


def default_engine() -> Engine:
    """Formula engine that statsmodels would use now."""
    with _OPTIONS:
        return statsmodels.formula.options.formula_engine  # type: ignore[no-any-return]


@contextmanager
def formula_engine(engine: Engine | None) -> Iterator[None]:
    """
    Set the formula engine that statsmodels' own methods use, for a while.

    They ask a global option, which may have changed since the model was built. Where it
    has not, nothing is set; else one thread after the other sets it, so that it comes
    back as it was.
    """
    with _OPTIONS:
        options = statsmodels.formula.options
        before = options.formula_engine
        if engine in (None, before):
            yield
            return
        options.formula_engine = engine
        try:
            yield
        finally:
            options.formula_engine = before


def predictions(
    results: Any,
    exog: Any,
    *,
    which: str,
    average: bool,
    agg_weights: Any,
    row_labels: Any,
    offset: Any,
    exposure: Any,
) -> Any:
    """
    Predictions with standard errors, from design matrices.

    The parts and not ``get_prediction`` of statsmodels: that applies the formula
    once more before it averages, and needs data that may have been removed.

    Shapes: `exog` (rows, p).
    """
    kwds: dict[str, Any] = {
        "exog": exog,
        "transform": False,
        "row_labels": row_labels,
        "pred_kwds": {"offset": offset, "exposure": exposure},
    }
    link = results.model.target_score.link
    if average or (link is None and which == "mean"):
        return _prediction_inference.get_prediction_delta(
            results, which=which, average=average, agg_weights=agg_weights, **kwds
        )
    if which == "linear":
        return _prediction_inference.get_prediction_linear(results, **kwds)
    kwds["pred_kwds"]["which"] = "mean"
    return _prediction_inference.get_prediction_monotonic(results, link=link, **kwds)

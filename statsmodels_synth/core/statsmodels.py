"""
The parts of statsmodels that are not public: imported here and nowhere else.

statsmodels keeps its GMM classes in ``sandbox``, its formula manager and its
prediction code in private modules. When a release moves them, this is the one
file to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import threading
from typing import Any

import numpy as np
from statsmodels.base import _prediction_inference
from statsmodels.base.model import LikelihoodModelResults, LikelihoodResultsWrapper
from statsmodels.base.wrapper import populate_wrapper
import statsmodels.formula
from statsmodels.formula._manager import FormulaManager
from statsmodels.sandbox.regression.gmm import GMM, GMMResults
from statsmodels.tools._decorators import cache_readonly, cached_data, cached_value

from statsmodels_synth.core.options import Engine, check_keywords, keywords_of
from statsmodels_synth.exceptions import OptionError

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
    "on_link_scale",
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


def with_levels_checked(found: Any, check: Callable[[Any], object]) -> Any:
    """
    Predictions or contrasts of statsmodels, whose intervals check their arguments.

    statsmodels' own take a level of 95, and pass over keywords that they do not know.
    The object stays of its class: of a subclass that is made here.
    """
    own = type(found)

    def conf_int(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_keywords("conf_int", kwargs, [*keywords_of(own.conf_int), "obs"])
        check_interval(args, kwargs, check)
        return own.conf_int(self, *args, **kwargs)

    def summary_frame(self: Any, *args: Any, **kwargs: Any) -> Any:
        check_keywords(
            "summary_frame", kwargs, [*keywords_of(own.summary_frame), "obs"]
        )
        check_interval(args, kwargs, check)
        return own.summary_frame(self, *args, **kwargs)

    members = {"conf_int": conf_int, "summary_frame": summary_frame}
    kept = {name: made for name, made in members.items() if hasattr(own, name)}
    for name, made in kept.items():
        made.__doc__ = getattr(own, name).__doc__

    # Pickles look for the class by its name, and find that of statsmodels.
    def reduced(self: Any, protocol: Any) -> Any:
        return _restored, (own, dict(self.__dict__))

    kept["__reduce_ex__"] = reduced
    found.__class__ = type(own.__name__, (own,), {**kept, "__module__": own.__module__})
    return found


def _restored(own: Any, state: dict[str, Any]) -> Any:
    """An object of statsmodels with its attributes."""
    made = own.__new__(own)
    made.__dict__.update(state)
    return made


def on_link_scale(found: Any, link: Any, df: float | None) -> Any:
    """
    An average prediction whose interval is that of its link, transformed back.

    So it stays where means can be, as the intervals of single predictions do.

    `df` of Student's t; None for normal quantiles.
    """
    mean = np.asarray(found.predicted, dtype=float)
    return _prediction_inference.PredictionResultsMonotonic(
        mean,
        np.asarray(found.var_pred, dtype=float),
        linpred=np.asarray(link(mean)),
        linpred_se=np.asarray(found.se * np.abs(link.deriv(mean))),
        func=link.inverse,
        deriv=link.inverse_deriv,
        df=df,
        dist=None if df is None else "t",
        row_labels=found.row_labels,
    )


def check_interval(
    args: tuple[Any, ...], kwargs: dict[str, Any], check: Callable[[Any], object]
) -> None:
    """Raise for an interval that does not exist, or a level that is none."""
    if kwargs.get("obs"):
        raise OptionError(
            "obs=True asks for an interval of a single outcome, which does not exist "
            "here: the model says nothing of the law of the errors. Leave it out for "
            "the interval of the mean."
        )
    kwargs.pop("obs", None)
    levels = [kwargs["alpha"]] if "alpha" in kwargs else list(args)
    for level in levels:
        if level is not None and not isinstance(level, (str, list)):
            check(level)


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
    # The coefficients of the mean; others, such as a dispersion, come last.
    size = len(results.model.exog_names)
    index = None if size == len(results.params) else np.arange(size)
    return _prediction_inference.get_prediction_monotonic(
        results, link=link, index=index, **kwds
    )

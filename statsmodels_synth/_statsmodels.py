"""
The parts of statsmodels that are not public: imported here and nowhere else.

statsmodels keeps its GMM classes in ``sandbox``, its formula manager and its
prediction code in private modules. When a release moves them, this is the one
file to change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import statsmodels.base._prediction_inference as prediction_inference
from statsmodels.base.model import LikelihoodModelResults, LikelihoodResultsWrapper
from statsmodels.base.wrapper import populate_wrapper
import statsmodels.formula
from statsmodels.formula._manager import FormulaManager
from statsmodels.sandbox.regression.gmm import GMM, GMMResults
from statsmodels.tools._decorators import cache_readonly, cached_data

from statsmodels_synth.options import Engine

__all__ = [
    "GMM",
    "FormulaManager",
    "GMMResults",
    "LikelihoodModelResults",
    "LikelihoodResultsWrapper",
    "cache_readonly",
    "cached_data",
    "default_engine",
    "formula_engine",
    "formula_ordering",
    "populate_wrapper",
    "prediction_inference",
]


def default_engine() -> Engine:
    """
    Formula engine that statsmodels would use now.

    Returns
    -------
    {"patsy", "formulaic"}
        Its name.
    """
    return statsmodels.formula.options.formula_engine  # type: ignore[no-any-return]


@contextmanager
def formula_engine(engine: Engine | None) -> Iterator[None]:
    """
    Let statsmodels' own methods use the engine that the model was built with.

    They ask the global option, which may have changed since.

    Parameters
    ----------
    engine : str or None
        Engine; None leaves the option alone.
    """
    options = statsmodels.formula.options
    before = options.formula_engine
    options.formula_engine = before if engine is None else engine
    try:
        yield
    finally:
        options.formula_engine = before


@contextmanager
def formula_ordering(ordering: str | None) -> Iterator[None]:
    """
    Set statsmodels' option for the order of terms for a while.

    Parameters
    ----------
    ordering : str or None
        Ordering; None leaves the option alone.
    """
    options = statsmodels.formula.options
    before = options.ordering
    options.ordering = before if ordering is None else ordering
    try:
        yield
    finally:
        options.ordering = before

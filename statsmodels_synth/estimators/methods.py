"""The methods that ``compare()`` knows, one row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from statsmodels_synth.core.messages import type_name
from statsmodels_synth.core.options import check_choice
from statsmodels_synth.estimators.debias import predict_then_debias
from statsmodels_synth.estimators.learned import dsl, reppi
from statsmodels_synth.estimators.prediction_powered import ppi, ppi_synth
from statsmodels_synth.estimators.problem import ModelOrResults, problem_of
from statsmodels_synth.estimators.results import results_of
from statsmodels_synth.estimators.simple import (
    naive_pooled,
    naive_proxy,
    naive_synthetic,
)
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.gmm.fit import effective_labels

Method: TypeAlias = Literal[
    "labels only",
    "naive",
    "naive pooled",
    "PPI",
    "PPI++",
    "PPI++ by coefficient",
    "PPI++Synth",
    "predict-then-debias",
    "DSL",
    "RePPI",
    "GMM-Synth",
]
Own: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True)
class Subject:
    """
    What methods estimate from.

    Parameters
    ----------
    fitted : AugmentedGMMResults
        The result.
    kinds : dict
        From each source that took part to its kind.
    learner : object or None
        Learner of the methods that learn.
    seed : int
        Seed of folds and of the default learner.
    """

    fitted: ModelOrResults
    kinds: dict[str, str]
    learner: Any
    seed: int


@dataclass(frozen=True)
class Row:
    """
    A method of the table.

    Parameters
    ----------
    name : str
        Its name.
    estimate : callable
        From the subject and the name of a source to results.
    by_source : bool
        Whether there is a line for each source.
    kinds : int
        Kinds of sources that it needs: 0, 1, or both, 2.
    learns : bool
        Whether it needs a learner.
    predicted : bool
        Whether, by source, it has a line for the one made of auxiliary columns, too.
    """

    name: Method
    estimate: Callable[[Subject, Any], Any]
    by_source: bool = False
    kinds: int = 1
    learns: bool = False
    predicted: bool = True


def _naive(of: Subject, source: str) -> Any:
    estimate = naive_proxy if of.kinds[source] == "proxy" else naive_synthetic
    return estimate(of.fitted, source)


#: In the order of the table. A method is added as one row, and in :data:`Method`.
METHODS: tuple[Row, ...] = (
    Row("labels only", lambda of, _: of.fitted.real_only, kinds=0),
    Row("naive", _naive, by_source=True, predicted=False),
    Row("naive pooled", lambda of, _: naive_pooled(of.fitted)),
    Row("PPI", lambda of, s: ppi(of.fitted, s, "none"), by_source=True),
    Row("PPI++", lambda of, s: ppi(of.fitted, s), by_source=True),
    Row(
        "PPI++ by coefficient",
        lambda of, s: ppi(of.fitted, s, "coefficient"),
        by_source=True,
    ),
    Row("PPI++Synth", lambda of, _: ppi_synth(of.fitted, seed=of.seed), kinds=2),
    Row(
        "predict-then-debias",
        lambda of, s: predict_then_debias(of.fitted, s),
        by_source=True,
    ),
    Row(
        "DSL",
        lambda of, s: dsl(of.fitted, s, of.learner, seed=of.seed),
        by_source=True,
        learns=True,
    ),
    Row(
        "RePPI",
        lambda of, _: reppi(of.fitted, of.learner, seed=of.seed),
        learns=True,
    ),
    Row("GMM-Synth", lambda of, _: of.fitted, kinds=0),
)


@dataclass(frozen=True)
class Line:
    """
    One line of a comparison.

    Parameters
    ----------
    method, source : str
        The method, and the source where there is a line for each.
    estimate : callable
        Returns its results.
    is_own : bool
        Whether it is a function of the user.
    """

    method: str
    source: str | None
    estimate: Callable[[], Any]
    is_own: bool = False

    @property
    def label(self) -> str:
        """Name of the line."""
        return self.method if self.source is None else f"{self.method} ({self.source})"


def chosen_methods(methods: Any) -> tuple[list[Row], list[Own]]:
    """Rows of the table and functions that ``methods=`` names; all rows if None."""
    if methods is None:
        return list(METHODS), []
    if isinstance(methods, str) or not isinstance(methods, Sequence) or not methods:
        raise OptionError(
            f"methods={methods!r}: give a list of names or functions, such as "
            "['PPI++', 'GMM-Synth']."
        )
    own = [method for method in methods if callable(method)]
    for name in methods:
        if not callable(name):
            check_choice("methods", name, Method)
    names = [name_of(function) for function in own]
    for name in names:
        if name in get_args(Method) or names.count(name) > 1:
            raise OptionError(
                f"methods has two methods of the name {name!r}. Give the function "
                "another __name__."
            )
    return [row for row in METHODS if row.name in methods], own


def name_of(function: Own) -> str:
    """What the line of a user's function is called."""
    return str(getattr(function, "__name__", None) or type_name(function))


def lines(of: Subject, rows: Sequence[Row], own: Sequence[Own]) -> Iterator[Line]:
    """Every method with every source that it can use, then the user's functions."""
    for row in rows:
        given = [s for s, kind in of.kinds.items() if kind != "auxiliary"]
        if row.kinds <= len({of.kinds[s] for s in given}):
            named = list(of.kinds) if row.predicted else given
            for source in named if row.by_source else [None]:
                yield Line(row.name, source, partial(row.estimate, of, source))
    for function in own:
        call = partial(_own_results, of, function)
        yield Line(name_of(function), None, call, is_own=True)


def _own_results(of: Subject, function: Own) -> Any:
    """Results of a user's function of the aligned problem."""
    problem = problem_of(of.fitted)
    found, name = function(problem), name_of(function)
    if all(hasattr(found, member) for member in ("params", "bse", "conf_int")):
        if np.shape(found.params) != problem.theta.shape:
            raise _odd(name, f"params has shape {np.shape(found.params)}", problem)
        return found
    if not isinstance(found, tuple) or len(found) != 2:
        raise _odd(name, f"it returns a {type_name(found)}", problem)
    params, covariance = (np.asarray(part, dtype=float) for part in found)
    p = len(problem.theta)
    if params.shape != (p,) or covariance.shape != (p, p):
        shapes = f"its arrays have the shapes {params.shape} and {covariance.shape}"
        raise _odd(name, shapes, problem)
    alone = np.asarray(of.fitted.real_only.bse) ** 2
    effective = effective_labels(problem.design, np.diag(covariance), alone)
    return results_of(problem, params, covariance, name, (), effective_nobs=effective)


def _odd(name: str, what: str, problem: Any) -> OptionError:
    p = len(problem.theta)
    return OptionError(
        f"{name}() must return results with params, bse and conf_int(), or the pair "
        f"(params, covariance) of shapes ({p},) and ({p}, {p}); {what}."
    )

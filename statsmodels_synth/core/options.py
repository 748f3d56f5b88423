"""Options of the interface: the values that exist and their validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
import inspect
from numbers import Integral, Real
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar, get_args

import numpy as np

from statsmodels_synth.core.messages import suggest
from statsmodels_synth.exceptions import OptionError

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)

#: First parameters of methods.
_OWN = ("self", "cls")

CovType: TypeAlias = Literal["robust", "cluster"]
Engine: TypeAlias = Literal["patsy", "formulaic"]
Kind: TypeAlias = Literal["proxy", "synthetic", "auxiliary"]
Missing: TypeAlias = Literal["drop", "raise"]
Population: TypeAlias = Literal["superpopulation", "finite"]
RareLevels: TypeAlias = Literal["raise", "drop", "lump"]
WeightsMethod: TypeAlias = Literal["cov"]


#: Number of steps: 1 (identity weight), 2 (two-step), more (iterated), or "cue".
MaxIter: TypeAlias = int | Literal["cue"]


def check_choice(name: str, value: object, alias: Any) -> None:
    """
    Raise unless `value` is one of the strings that a Literal alias lists.

    Examples
    --------
    >>> check_choice("missing", "dorp", Missing)
    Traceback (most recent call last):
    ...
    statsmodels_synth.exceptions.OptionError: missing='dorp' does not exist. Did you mean 'drop'?
    """  # noqa: E501
    known = get_args(alias)
    if value not in known:
        raise OptionError(f"{name}={value!r} does not exist.{suggest(value, known)}")


def learns(learner: object) -> bool:
    """Whether it is an object with `fit` and `predict`, as scikit-learn's have."""
    methods = [callable(getattr(learner, name, None)) for name in ("fit", "predict")]
    return not isinstance(learner, type) and all(methods)


def check_flag(name: str, value: object) -> None:
    """Raise unless `value` is True or False."""
    if not isinstance(value, (bool, np.bool_)) and not (
        isinstance(value, Integral) and value in (0, 1)
    ):
        raise OptionError(f"{name}={value!r} does not exist. Give True or False.")


def check_alpha(alpha: object, name: str = "alpha") -> float:
    """
    Raise unless a level is a number between 0 and 1.

    Examples
    --------
    >>> check_alpha(0.1)
    0.1
    """
    if (
        isinstance(alpha, (bool, np.bool_))
        or not isinstance(alpha, Real)
        or not 0 < float(alpha) < 1
    ):
        raise OptionError(
            f"{name}={alpha!r} is not between 0 and 1. Give one minus the level of the "
            "interval, such as 0.10 for an interval of 90 %."
        )
    return float(alpha)


def check_count(name: str, value: object, least: int = 1) -> int:
    """
    Raise unless an option is a whole number.

    Examples
    --------
    >>> check_count("n_boot", 999)
    999
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    number = int(value) if isinstance(value, Integral) and whole else least - 1
    if number < least:
        raise OptionError(f"{name}={value!r} must be a whole number >= {least}.")
    return number


_BY_CLUSTER = (
    " Clusters are given to fit(cov_type='cluster', cov_kwds={'groups': ...})."
)
_OF_DATA = " It is given where the model is made: from_formula({}=...)."
#: Where the options are that people give to the other of model and fit.
_ELSEWHERE = {
    **dict.fromkeys(("cluster", "clusters", "groups"), _BY_CLUSTER),
    **{n: _OF_DATA.format(n) for n in ("weights", "offset", "family", "strata")},
}


def check_keywords(where: str, given: Mapping[str, object], known: list[str]) -> None:
    """Raise if a keyword is not known."""
    for name in given:
        if name in known:
            continue
        advice = suggest(name, known) or " It takes none."
        if {"cov_kwds", "eval_env"} & set(known):  # of AugmentedGMM
            advice = _ELSEWHERE.get(name, advice)
        raise OptionError(f"{where} has no option {name!r}.{advice}")


def names_keywords(function: Callable[P, R], where: str = "") -> Callable[P, R]:
    """
    Let a function name a keyword that it does not know, and the nearest that it does.

    Python's own error names the first alone. A function that takes ``**kwargs`` knows
    better itself what they may be, and stays as it is.

    Examples
    --------
    >>> names_keywords(lambda alpha=0.05: alpha, "level")(alhpa=0.1)
    Traceback (most recent call last):
    ...
    statsmodels_synth.exceptions.OptionError: level has no option 'alhpa'. Did you mean 'alpha'?
    """  # noqa: E501
    parameters = inspect.signature(function).parameters.values()
    if any(own.kind is own.VAR_KEYWORD for own in parameters):
        return function
    known = keywords_of(function)
    called = where or str(getattr(function, "__name__", "the function"))

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        check_keywords(called, kwargs, known)
        return function(*args, **kwargs)

    return checked


def keywords_of(function: Callable[..., Any]) -> list[str]:
    """
    Keywords that a function or method knows by name.

    Examples
    --------
    >>> keywords_of(lambda self, exog, *, which="mean", **kwargs: exog)
    ['exog', 'which']
    """
    takes = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind in takes and p.name not in _OWN]


def methods_name_keywords(own: C) -> C:
    """Let the constructor and public methods of a class name unknown keywords."""
    for name, member in list(vars(own).items()):
        if not (inspect.isfunction(member) or isinstance(member, classmethod)):
            continue
        if isinstance(member, classmethod):
            found = names_keywords(member.__func__, f"{own.__name__}.{name}")
            setattr(own, name, classmethod(found))
        elif not name.startswith("_"):
            setattr(own, name, names_keywords(member))
        elif name == "__init__":
            setattr(own, name, names_keywords(member, own.__name__))
    return own

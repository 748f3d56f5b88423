"""What a user gives to a plan: checked, and brought to one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count, suggest, type_name
from statsmodels_synth.core.options import check_count
from statsmodels_synth.exceptions import OptionError


def whole_numbers(name: str, value: Any, default: int, minimum: int) -> list[int]:
    """
    One whole number or several.

    Examples
    --------
    >>> whole_numbers("n", [100, 200], 50, 5), whole_numbers("n", None, 50, 5)
    ([100, 200], [50])
    """
    if value is None:
        return [default]
    if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)):
        found = [check_count(name, v, minimum) for v in value]
        if not found:
            raise OptionError(f"{name} is empty. Give a number or several.")
        return found
    return [check_count(name, value, minimum)]


def check_target(width: Any, power: Any, alpha: float) -> None:
    """Raise unless exactly one aim is given, and can be had."""
    if (width is None) == (power is None):
        given = "neither" if width is None else "both"
        raise OptionError(
            f"width= and power= are {given} given. Give one of them: the width of the "
            "interval, or the power of the test."
        )
    if power is not None:
        if not alpha < _number("power", power) < 1.0:
            raise OptionError(
                f"power={power!r} does not exist. Give a number above alpha={alpha:g} "
                "and below 1."
            )
    else:
        check_amount("width", width, positive=True)


def check_amount(name: str, value: Any, *, positive: bool = False) -> float:
    """
    A finite number that is not negative.

    Examples
    --------
    >>> check_amount("price_label", 2)
    2.0
    """
    real = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    good = real and np.isfinite(float(value))
    if not good or float(value) < 0.0 or (positive and float(value) == 0.0):
        low = "above 0" if positive else "of at least 0"
        raise OptionError(f"{name}={value!r} does not exist. Give a number {low}.")
    return float(value)


def positions(name: str, given: Any, known: Sequence[str]) -> list[int]:
    """
    Positions of names, in the order of what exists.

    Examples
    --------
    >>> positions("source", ["b", "a"], ["a", "b", "c"])
    [0, 1]
    """
    if given is None:
        return list(range(len(known)))
    if not isinstance(given, Iterable):
        raise OptionError(
            f"{name}s={given!r} is no name of a {name}. Give a name, or a list of them."
        )
    names = [given] if isinstance(given, str) else list(given)
    if not names and name == "coefficient":
        raise OptionError("coefficients= is empty. Name one or several, or leave it.")
    for one in names:
        if one not in known:
            advice = suggest(one, known) or f" The pilot has no {name}."
            raise OptionError(f"There is no {name} {one!r}.{advice}")
    return [k for k, one in enumerate(known) if one in names]


def one_coefficient(given: Any, known: Sequence[str]) -> int:
    """
    Position of the one coefficient that is named.

    Examples
    --------
    >>> one_coefficient("x", ["const", "x"])
    1
    """
    if not isinstance(given, str):
        raise OptionError(
            f"coefficient= is a {type_name(given)}. Name the one that matters."
        )
    return positions("coefficient", given, known)[0]


def read_replicates(
    given: Any, names: Sequence[str], used: Sequence[int], rows: Sequence[float]
) -> dict[int, int]:
    """Numbers of replicates that differ from those of the pilot."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        for name in given:
            m = positions("source", [name], names)[0]
            if m not in used:
                raise OptionError(
                    f"replicates= names source {name!r}, which is not among sources=. "
                    "Leave it out, or add the source."
                )
        asked = {
            names.index(name): check_count(f"replicates of {name!r}", value)
            for name, value in given.items()
        }
    else:
        asked = dict.fromkeys(used, check_count("replicates", given))
    wanted = {m: r for m, r in asked.items() if r != rows[m]}
    for m, r in wanted.items():
        if rows[m] == 1:
            raise OptionError(
                f"The pilot has one row per unit of source {names[m]!r}, so that what "
                f"{count(r, 'row')} would do cannot be predicted: how much they differ "
                "is not known. Draw a second row, for some units at least, and fit "
                "again; or leave the source out of replicates=."
            )
    return wanted


def read_prices(
    price_proxy: Any, price_synthetic: Any, names: Sequence[str], kinds: Sequence[str]
) -> Floats:
    """
    Price of one row of each source.

    Shapes: (M,).

    Examples
    --------
    >>> read_prices({"a": 0.1}, 0.02, ["a", "b"], ["proxy", "synthetic"])
    array([0.1 , 0.02])
    """
    prices = np.zeros(len(names))
    options = {"proxy": price_proxy, "synthetic": price_synthetic}
    for kind, given in options.items():
        option = f"price_{kind}"
        own = [name for name, k in zip(names, kinds, strict=True) if k == kind]
        if not isinstance(given, Mapping):
            value = check_amount(option, given)
            prices[[name in own for name in names]] = value
            continue
        for name in given:
            if name not in own:
                advice = suggest(name, own) or f" The pilot has no {kind} source."
                raise OptionError(f"{option}= names {name!r}.{advice}")
        for name in own:
            if name not in given:
                raise OptionError(
                    f"{option}= has no price for source {name!r}. Add it; it may be 0."
                )
            prices[names.index(name)] = check_amount(
                f"{option} of {name!r}", given[name]
            )
    return prices


def coefficients_of(coefficients: Any, effect: Any) -> Any:
    """Coefficients that were named, or of which an effect was given."""
    named = isinstance(effect, (Mapping, pd.Series)) and len(effect) > 0
    return list(effect.keys()) if coefficients is None and named else coefficients


def read_effects(
    given: Any, names: Sequence[str], used: Sequence[int], estimates: Floats
) -> Floats:
    """
    True effects to plan for.

    Shapes: `estimates` (p,) -> (p,).
    """
    if given is None:
        return estimates
    effects = np.full(len(names), np.nan)
    if not isinstance(given, (Mapping, pd.Series)):
        effects[:] = _number("effect", given)
        return effects
    for name in given.keys():  # noqa: SIM118 (a Series iterates over its values)
        positions("coefficient", [name], names)
        effects[list(names).index(name)] = _number(f"effect of {name!r}", given[name])
    for j in used:
        if np.isnan(effects[j]):
            raise OptionError(
                f"effect= has no value for coefficient {names[j]!r}. Add it, or name "
                "the coefficients that you want."
            )
    return effects


def _number(name: str, value: Any) -> float:
    real = isinstance(value, (Real, Integral)) and not isinstance(value, bool)
    if not real or not np.isfinite(float(value)):
        raise OptionError(f"{name}={value!r} is not a finite number.")
    return float(value)

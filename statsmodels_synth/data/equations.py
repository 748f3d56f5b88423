"""The door for a user's own estimating equations: which columns they use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import keyword
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats, as_floats
from statsmodels_synth.core.messages import suggest, type_name
from statsmodels_synth.data.forms import GivenSource
from statsmodels_synth.data.formula.engines import ENGINES
from statsmodels_synth.data.kinds import (
    any_partitioned,
    names_of_columns,
    opened,
    to_pandas,
)
from statsmodels_synth.exceptions import DataError, OptionError, SynthError
from statsmodels_synth.problem.scores.moments import UserMoments

#: Rows that psi is called with to see which columns it asks for.
_LOOK = 20


class Equations(NamedTuple):
    """Estimating equations as a target model, and a formula of the same columns."""

    formula: str
    score: UserMoments


def read_equations(
    psi: Callable[..., Any],
    data: Any,
    sources: Sequence[GivenSource],
    *,
    start: Any,
    params: Sequence[str] | None,
    variables: Sequence[str] | None,
    derivative: Callable[..., Any] | None,
) -> Equations:
    """Find the columns that `psi` uses, and which of them is the outcome."""
    if not callable(psi):
        raise OptionError(
            f"psi is a {type_name(psi)}. Give a function psi(theta, frame), which "
            "returns one row for each row of the frame and one column for each "
            "parameter."
        )
    if derivative is not None and not callable(derivative):
        raise OptionError(
            f"derivative= is a {type_name(derivative)}. Give a function "
            "derivative(theta, frame), or leave it out."
        )
    begin, names = _parameters(start, params)
    data = opened(data)
    used = _variables(psi, begin, data, variables)
    if any_partitioned(data, None, None):
        # Of files nothing is known yet, and formulas find out.
        rows = getattr(data, "_meta", pd.DataFrame(columns=used, dtype=float))
        frame, outcome = rows[used], used[0]
    else:
        frame = to_pandas(data, used, used, "data")
        outcome = _outcome(used, frame, sources)
    others = [name for name in used if name != outcome]
    codes = {name: _code(name, frame[name], "data") for name in others}
    right = " + ".join(["0", *codes.values()]) if others else "1"
    score = UserMoments(
        psi,
        begin,
        names,
        {code: name for name, code in codes.items()},
        outcome,
        derivative,
    )
    return Equations(f"{_quoted(outcome)} ~ {right}", score)


def _parameters(start: Any, params: Sequence[str] | None) -> tuple[Floats, list[str]]:
    """Where to begin, and what the parameters are called."""
    if isinstance(start, (Mapping, pd.Series)):
        if params is not None:
            raise OptionError("start= names the parameters already; leave params= out.")
        named = dict(start.items())
        params, start = [str(name) for name in named], list(named.values())
    begin = np.atleast_1d(as_floats(start, "start"))
    if begin.ndim != 1 or not len(begin) or not np.all(np.isfinite(begin)):
        raise OptionError(
            f"start= must be one finite number for each parameter; it is {start!r}."
        )
    if params is None:
        params = [f"theta{j + 1}" for j in range(len(begin))]
    names = [str(name) for name in params]
    if isinstance(params, str) or len(names) != len(begin):
        raise OptionError(
            f"params= has {len(names)} names and start= {len(begin)} values."
        )
    if len(set(names)) < len(names):
        raise OptionError(f"Two parameters have the same name: {names}.")
    return begin, names


def _variables(
    psi: Callable[..., Any],
    begin: Floats,
    data: Any,
    variables: Sequence[str] | None,
) -> list[str]:
    """Columns that psi uses: those that are named, or that it asks for."""
    known = [str(name) for name in names_of_columns(data)]
    if variables is not None:
        used = [variables] if isinstance(variables, str) else [*map(str, variables)]
        for name in used:
            if name not in known:
                raise DataError(
                    f"variables=: data has no column {name!r}.{suggest(name, known)}"
                )
        return list(dict.fromkeys(used))
    if not isinstance(data, pd.DataFrame):
        raise OptionError(
            "Which columns psi uses is found by calling it with a pandas frame. For "
            f"a {type_name(data)} name them: variables=[...]."
        )
    asked: dict[str, None] = {}
    frame = _Asked(data.head(_LOOK).copy())
    object.__setattr__(frame, "asked", asked)
    with np.errstate(all="ignore"):
        try:
            psi(begin, frame)
        except KeyError as error:
            name = error.args[0]
            raise DataError(
                f"psi asks for a column {name!r}, which data does not have."
                f"{suggest(name, known)}"
            ) from error
        except SynthError:
            raise
        except Exception as error:
            raise DataError(_failed(error, data[list(asked)])) from error
    if not asked:
        raise OptionError(
            "psi asked for no column of its frame by name. Name those that it uses: "
            "variables=[...]."
        )
    return list(asked)


def _failed(error: Exception, frame: pd.DataFrame) -> str:
    """What is said where psi fails, with columns that it may have stumbled over."""
    odd = [
        repr(name)
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name])
    ]
    text = (
        f"psi fails with the first rows of data: {type(error).__name__}: {error}. "
        "Try psi(start, data.head()) by itself."
    )
    if not odd:
        return text
    return (
        f"{text} Not numeric is {', '.join(odd)}: compute an indicator beforehand, "
        "such as 1.0 * (column == level), or correct cells with pd.to_numeric()."
    )


class _Asked(pd.DataFrame):
    """A frame that keeps which of its columns were asked for."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __getitem__(self, key: Any) -> Any:
        """Select, as ever, and keep the names."""
        asked = self.__dict__.get("asked")
        if asked is not None:
            names = [key] if isinstance(key, str) else key
            if isinstance(names, (list, tuple, pd.Index)):
                asked.update(dict.fromkeys(n for n in names if n in self.columns))
        return super().__getitem__(key)


def _outcome(
    used: Sequence[str], frame: pd.DataFrame, sources: Sequence[GivenSource]
) -> str:
    """What labels are of: the column that is missing most, else a source's first."""
    gaps = frame.isna().sum()
    if gaps.max() > 0:
        return str(gaps.idxmax())
    for source in sources:
        own = source.columns if source.frame is None else names_of_columns(source.frame)
        for name in used:
            if name in own:
                return name
    return used[0]


def _quoted(name: str) -> str:
    """A column in a formula."""
    taken = set().union(*(engine.functions for engine in ENGINES.values()))
    plain = name.isidentifier() and not keyword.iskeyword(name) and name not in taken
    return name if plain else f"Q({name!r})"


def _code(name: str, column: pd.Series, where: str) -> str:
    """The same as a number: a formula would make levels of True and False."""
    code = _quoted(name)
    kept = column.dropna()
    if pd.api.types.is_bool_dtype(column) or (
        kept.dtype == object and len(kept) and all(isinstance(v, bool) for v in kept)
    ):
        return f"I(1.0 * {code})"
    if not pd.api.types.is_numeric_dtype(column) and kept.dtype != object:
        raise DataError(
            f"{where}: column {name!r} is not numeric ({column.dtype}), and psi gets "
            "numbers. Compute an indicator beforehand, such as 1.0 * (column == level)."
        )
    return code

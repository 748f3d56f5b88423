"""Reading a formula: which columns, functions and constants it uses."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
import pickle
import re
from types import FrameType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.messages import suggest, type_name
from statsmodels_synth.core.options import Engine, check_choice
from statsmodels_synth.core.statsmodels import default_engine
from statsmodels_synth.data.formula.engines import ENGINES, FormulaEngine
from statsmodels_synth.data.formula.syntax import refuse_foreign
from statsmodels_synth.data.formula.uses import ColumnUses, column_uses
from statsmodels_synth.exceptions import DataError, FormulaError

#: Names that need no column and no import.
_KNOWN = set(dir(builtins)).union(*(own.functions for own in ENGINES.values()))


@dataclass(frozen=True)
class ParsedFormula:
    """
    A formula and what it refers to.

    Parameters
    ----------
    text : str
        The formula.
    engine : {"patsy", "formulaic"}
        Engine that evaluates it.
    response, regressors : tuple of str
        Columns used on the left and on the right of the tilde.
    namespace : dict
        Functions and constants of the calling code that it uses.
    uses : ColumnUses
        What it uses the columns for.
    codes : tuple of two lists of str
        Code of the factors on each side.
    without_constant : bool
        Whether the constant is left out of the columns, after levels were coded with
        it: the target model has parameters in its place.
    """

    text: str
    engine: Engine
    response: tuple[str, ...]
    regressors: tuple[str, ...]
    namespace: dict[str, Any] = field(repr=False)
    uses: ColumnUses = field(repr=False)
    codes: tuple[list[str], list[str]] = field(repr=False)
    without_constant: bool = False

    @property
    def through(self) -> FormulaEngine:
        """The engine itself."""
        return ENGINES[self.engine]

    @property
    def left(self) -> str:
        """Left side of the formula."""
        return self.text.split("~", 1)[0].strip()

    @property
    def right(self) -> str:
        """Right side of the formula."""
        return self.text.split("~", 1)[1].strip()

    @property
    def variables(self) -> tuple[str, ...]:
        """All columns that the formula uses, the outcome's first."""
        return tuple(dict.fromkeys(self.response + self.regressors))


def calling_namespace(
    frame: FrameType | None, eval_env: int | Mapping[str, Any] | None
) -> dict[str, Any]:
    """
    Names that a formula may use besides columns.

    Captured once as a dict: formulaic's specification does not remember the
    names, and a later evaluation would look them up elsewhere.
    """
    if isinstance(eval_env, Mapping):
        return dict(eval_env)
    if eval_env == -1:
        return {}
    for _ in range(eval_env or 0):
        frame = frame.f_back if frame is not None else None
    return {} if frame is None else {**frame.f_globals, **frame.f_locals}


def refuse_formula(*arguments: object) -> None:
    """Raise if the array interface was given a formula, or text for an array."""
    texts = [given for given in arguments if isinstance(given, str)]
    if not texts:
        return
    text = next((t for t in texts if "~" in t), texts[0])
    if "~" in text:
        raise FormulaError(
            f"{text!r} is a formula, and AugmentedGMM takes arrays. Call "
            f"AugmentedGMM.from_formula({text!r}, data, ...)."
        )
    raise DataError(
        f"{text!r} is text, and AugmentedGMM takes arrays, here of outcomes and "
        "regressors. Names of columns go into a formula: "
        "AugmentedGMM.from_formula('y ~ x', data, ...)."
    )


def check_formula(formula: object, data: object) -> None:
    """Raise if the formula is no text, as where data come first."""
    if isinstance(formula, str):
        return
    if isinstance(data, str) and "~" in data:
        raise FormulaError(
            f"The formula {data!r} comes first and the data second: "
            f"from_formula({data!r}, data, ...)."
        )
    raise FormulaError(
        f"The formula is a {type_name(formula)}. Give text such as 'y ~ x'; outcomes "
        "and regressors as arrays go to AugmentedGMM itself."
    )


def read_formula(
    text: str,
    columns: set[str],
    namespace: Mapping[str, Any],
    engine: Engine | None = None,
    n_rows: int | None = None,
) -> ParsedFormula:
    """
    Find the columns, functions and constants that a formula uses.

    A constant of `n_rows` values may be a column that was not given as one.

    Examples
    --------
    >>> parsed = read_formula("y ~ np.log(x) + C(g)", {"y", "x", "g"}, {"np": np})
    >>> parsed.response, parsed.regressors
    (('y',), ('x', 'g'))
    """
    if "~" not in text or not text.split("~", maxsplit=1)[0].strip():
        raise FormulaError(
            f"The formula {text!r} needs an outcome and regressors, such as 'y ~ x'."
        )
    engine = default_engine() if engine is None else engine
    check_choice("engine", engine, Engine)
    own = ENGINES[engine]
    refuse_foreign(text, own, namespace)
    given, text = text, own.plainly(text)
    try:
        sides = own.factor_codes(text)
        for codes in sides:
            for code in codes:
                ast.parse(code, mode="eval") if code not in columns else None
    except Exception as error:  # both engines raise many types for bad syntax
        raise FormulaError(
            f"{engine} cannot parse {given!r}: {plain_text(error)}"
        ) from error
    if len(sides[0]) > 1:
        raise FormulaError(
            f"The left side {given.split('~')[0].strip()!r} of the formula {given!r} "
            f"has {len(sides[0])} terms. Give one outcome; I(a + b) is the sum of two "
            "columns."
        )
    used: dict[str, Any] = {}
    found: list[tuple[str, ...]] = []
    for codes in sides:
        names: dict[str, None] = {}
        for code in codes:
            names |= dict.fromkeys(
                columns_of(code, columns, namespace, text, used, n_rows)
            )
        found.append(tuple(names))
    if found[0] and set(found[0]) <= set(found[1]):
        raise _outcome_among_regressors(given, found[0])
    uses = column_uses([*sides[0], *sides[1]], columns, set(found[0]) - set(found[1]))
    return ParsedFormula(text, engine, found[0], found[1], used, uses, sides)


def _outcome_among_regressors(text: str, response: tuple[str, ...]) -> FormulaError:
    """Error for an outcome that is also on the right; `y - x ~ x` may be meant."""
    names = " and ".join(map(repr, response))
    verb = "is" if len(response) == 1 else "are"
    return FormulaError(
        f"{names} {verb} the outcome of the formula {text!r} and also on its right "
        "side, so that the outcome would explain itself. Leave it out on the right."
    )


def plain_text(error: object) -> str:
    """Message of an engine, on one line and without terminal colours."""
    text = re.sub(r"\x1b\[[0-9;]*m|[⧛⧚]", "", str(error))
    return " ".join(text.split())


def columns_of(
    code: str,
    columns: set[str],
    namespace: Mapping[str, Any],
    text: str,
    used: dict[str, Any],
    n_rows: int | None = None,
) -> list[str]:
    """Columns that one factor uses."""
    if code in columns:
        return [code]
    found = []
    tree = ast.parse(code, mode="eval")
    # A column may share its name with a function that is called, as in C(C).
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    options, later = _options(tree, _KNOWN)
    bound = _bound(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Q":
            name = getattr(node.args[0], "value", None) if node.args else None
            if name not in columns:
                raise _unknown(str(name), text, columns)
            found.append(str(name))
        if not isinstance(node, ast.Name) or id(node) in bound:
            continue
        if node.id in columns and id(node) not in called:
            found.append(node.id)
        elif node.id in namespace:
            value = namespace[node.id]
            if isinstance(value, (np.ndarray, pd.Series, pd.Index, list, tuple)) and (
                id(node) not in options
                and not (id(node) in later and len(value) != n_rows)
            ):
                raise FormulaError(
                    f"{node.id!r} in the formula {text!r} is an array of the calling "
                    "code, not a column. It cannot be matched by unit: make it a "
                    "column of data and of the sources."
                )
            used[node.id] = value
        elif node.id not in _KNOWN:
            raise _unknown(node.id, text, columns)
    return found


def _options(tree: ast.AST, known: set[str]) -> tuple[set[int], set[int]]:
    """
    Places of options, such as the knots of a spline, which may be arrays.

    First keyword arguments, and what follows the column in the engines' own functions;
    then what follows the first argument of others, such as bins.
    """
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]

    def inside(arguments: list[ast.expr]) -> set[int]:
        return {id(inner) for own in arguments for inner in ast.walk(own)}

    options: set[int] = set()
    later: set[int] = set()
    for call in calls:
        options |= inside([k.value for k in call.keywords])
        engines = getattr(call.func, "id", "") in known
        (options if engines else later).update(inside(call.args[1:]))
        if isinstance(call.func, ast.Attribute):
            # Of a method of a column, as in g.map(levels), the first as well.
            later |= inside(call.args)
    return options, later


def _bound(tree: ast.AST) -> set[int]:
    """Places where a name is a parameter of a lambda, or runs in a comprehension."""
    bound: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = {argument.arg for argument in every}
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
            targets = [own.target for own in node.generators]
            names = {
                inner.id
                for target in targets
                for inner in ast.walk(target)
                if isinstance(inner, ast.Name)
            }
        else:
            continue
        bound |= {
            id(inner)
            for inner in ast.walk(node)
            if isinstance(inner, ast.Name) and inner.id in names
        }
    return bound


def _unknown(name: str, text: str, columns: set[str]) -> FormulaError:
    return FormulaError(
        f"{name!r} in the formula {text!r} is not a column of data or of a source."
        f"{suggest(name, sorted(columns))}"
    )


@dataclass(frozen=True)
class _Module:
    """A module in a pickle, by name."""

    name: str


def picklable_namespace(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """What of a namespace survives a pickle; a lambda, for one, does not."""
    result: dict[str, Any] = {}
    for name, value in namespace.items():
        if isinstance(value, ModuleType):
            result[name] = _Module(value.__name__)
            continue
        try:
            pickle.dumps(value)
        except (pickle.PicklingError, AttributeError, TypeError):
            continue
        result[name] = value
    return result


def restored_namespace(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """A namespace from a pickle, with its modules."""
    return {
        name: import_module(value.name) if isinstance(value, _Module) else value
        for name, value in namespace.items()
    }

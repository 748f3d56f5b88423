"""What an engine learns of a formula: names, levels, means and knots."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
import copy
import functools
from typing import Any

from formulaic.transforms import TRANSFORMS
import numpy as np
import pandas as pd
import patsy.builtins

from statsmodels_synth.core.options import Engine
from statsmodels_synth.data.formula.parse import ParsedFormula, columns_of


def column_names_of(spec: Any) -> list[str]:
    """Names of the columns of the design matrix."""
    return [str(c) for c in spec.column_names]


def levels_of(spec: Any, engine: Engine) -> dict[str, list[Any]]:
    """Levels of categorical factors."""
    if engine == "patsy":
        return {
            factor.code: list(info.categories)
            for factor, info in spec.factor_infos.items()
            if info.type == "categorical"
        }
    return {
        str(expr): list(state["categories"])
        for expr, (_, state) in spec.encoder_state.items()
        if "categories" in state
    }


def levels_of_columns(spec: Any, parsed: ParsedFormula) -> dict[str, list[Any]]:
    """Levels of the columns that are categorical factors by themselves."""
    levels = {}
    for code, known in levels_of(spec, parsed.engine).items():
        used: dict[str, Any] = {}
        names = set(
            columns_of(
                code, set(parsed.regressors), parsed.namespace, parsed.text, used
            )
        )
        plain = code in names or code.startswith(("C(", "Q("))
        if len(names) == 1 and plain and not _is_expression(code):
            levels[names.pop()] = known
    return levels


def _is_expression(code: str) -> bool:
    """Whether the first argument of ``C(...)`` is more than a column."""
    if code.isidentifier():
        return False
    tree = ast.parse(code, mode="eval").body
    if not isinstance(tree, ast.Call) or not tree.args:
        return True
    first = tree.args[0]
    plain = isinstance(first, (ast.Name, ast.Constant))
    quoted = isinstance(first, ast.Call) and getattr(first.func, "id", "") == "Q"
    return not (plain or quoted)


def values_code(code: str) -> str:
    """
    What a factor takes its levels from.

    Examples
    --------
    >>> values_code("C(x > 0, Treatment(True))"), values_code("g")
    ('x > 0', 'g')
    """
    if code.isidentifier():
        return code
    tree = ast.parse(code, mode="eval").body
    if isinstance(tree, ast.Call) and getattr(tree.func, "id", "") == "C" and tree.args:
        return ast.unparse(tree.args[0])
    return code


def states_of(spec: Any, engine: Engine) -> dict[str, Any]:
    """What stateful transforms such as ``center()`` and ``bs()`` have learned."""
    if engine == "formulaic":
        return copy.deepcopy(dict(spec.transform_state))
    return {
        factor.code: {name: copy.deepcopy(vars(t)) for name, t in transforms.items()}
        for factor, info in spec.factor_infos.items()
        if (transforms := info.state["transforms"])
    }


def with_states(spec: Any, engine: Engine, states: Mapping[str, Any]) -> Any:
    """The specification with transforms that have learned something else."""
    if engine == "formulaic":
        return spec.update(transform_state={**spec.transform_state, **states})
    for factor, info in spec.factor_infos.items():
        for name, state in states.get(factor.code, {}).items():
            vars(info.state["transforms"][name]).update(copy.deepcopy(state))
    return spec


def numbers_and_levels(
    frame: pd.DataFrame, parsed: ParsedFormula
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """What an engine gets, where a column is a number here and a level there."""
    names = dict(parsed.namespace)
    whole = [
        name
        for name in sorted(parsed.uses.both)
        if name in frame and frame[name].dtype.kind in "iu"
    ]
    if whole:
        floats = {name: frame[name].astype(np.float64) for name in whole}
        columns: dict[Any, pd.Series] = {**dict(frame.items()), **floats}
        frame = pd.DataFrame(columns, index=frame.index, copy=False)
        names.setdefault("C", _with_whole_levels(parsed.engine, whole))
    return frame, names


def _with_whole_levels(engine: Engine, columns: Sequence[str]) -> Callable[..., Any]:
    """The engine's ``C()``, which names levels of these columns 2, not 2.0."""
    own = patsy.builtins.C if engine == "patsy" else TRANSFORMS["C"]

    @functools.wraps(own)
    def categories(data: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(data, "name", None) in columns and data.dtype.kind == "f":
            whole = data.astype("int64")
            data = whole if (whole == data).all() else data
        return own(data, *args, **kwargs)

    return categories

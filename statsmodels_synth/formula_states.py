"""What the terms of a formula learn from all rows: means, scales and knots."""

from __future__ import annotations

from collections.abc import Mapping
import copy
from typing import Any

from statsmodels_synth.options import Engine


def categorical_factors(spec: Any, engine: Engine) -> list[str]:
    """
    Factors whose levels were learned.

    Parameters
    ----------
    spec : object
        The engine's specification of a side of a formula.
    engine : {"patsy", "formulaic"}
        The engine.

    Returns
    -------
    list of str
        Their code.
    """
    if engine == "patsy":
        return [
            factor.code
            for factor, info in spec.factor_infos.items()
            if info.type == "categorical"
        ]
    return [
        str(code)
        for code, (_, state) in spec.encoder_state.items()
        if "categories" in state
    ]


def states_of(spec: Any, engine: Engine) -> dict[str, Any]:
    """
    What stateful transforms such as ``center()`` and ``bs()`` have learned.

    Parameters
    ----------
    spec : object
        The engine's specification.
    engine : {"patsy", "formulaic"}
        The engine.

    Returns
    -------
    dict
        From the code of the factor (with formulaic: of the call) to plain values, which
        can be pickled, as patsy's own objects cannot.
    """
    if engine == "formulaic":
        return copy.deepcopy(dict(spec.transform_state))
    return {
        factor.code: {name: copy.deepcopy(vars(t)) for name, t in transforms.items()}
        for factor, info in spec.factor_infos.items()
        if (transforms := info.state["transforms"])
    }


def with_states(spec: Any, engine: Engine, states: Mapping[str, Any]) -> Any:
    """
    The specification with transforms that have learned something else.

    Parameters
    ----------
    spec : object
        The engine's specification; with patsy its transforms are changed in place.
    engine : {"patsy", "formulaic"}
        The engine.
    states : mapping
        From :func:`states_of`.

    Returns
    -------
    object
        The specification.
    """
    if engine == "formulaic":
        return spec.update(transform_state={**spec.transform_state, **states})
    for factor, info in spec.factor_infos.items():
        for name, state in states.get(factor.code, {}).items():
            vars(info.state["transforms"][name]).update(copy.deepcopy(state))
    return spec

"""The call that made an object, as text that can be read and mostly run again."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Number
from typing import Any

#: Width from which arguments have a line each.
_WIDTH = 88


def argument_text(name: str, value: Any) -> str:
    """
    Write an argument; what holds data is the name of the argument.

    Examples
    --------
    >>> argument_text("proxy", {"polite": "polite_llm"}), argument_text("data", [1, 2])
    ("{'polite': 'polite_llm'}", 'data')
    """
    if value is None or isinstance(value, (str, bool, Number)):
        return repr(value)
    if isinstance(value, Mapping):
        parts = [
            f"{key!r}: {argument_text(str(key), part)}" for key, part in value.items()
        ]
        return f"{{{', '.join(parts)}}}"
    module = type(value).__module__
    if module.startswith("statsmodels.genmod.families"):
        return f"sm.families.{type(value).__name__}({_family_options(value)})"
    if module.startswith("statsmodels_synth"):
        text = repr(value)
        return text if " object at " not in text else f"{type(value).__name__}(...)"
    return name if name.isidentifier() else "frame"


def _family_options(family: Any) -> str:
    """Arguments of a family that are not its defaults."""
    own = {
        name: getattr(family, name)
        for name in ("alpha", "var_power")
        if hasattr(family, name)
    }
    parts = [f"{name}={value!r}" for name, value in own.items()]
    if type(type(family)(**own).link) is not type(family.link):
        parts.insert(0, f"sm.families.links.{type(family.link).__name__}()")
    return ", ".join(parts)


def call_text(function: str, given: Mapping[str, Any]) -> str:
    """
    Write a call with the arguments that were given: those that are not None.

    Examples
    --------
    >>> print(call_text("fit", {"maxiter": 3, "cov_type": None}))
    fit(maxiter=3)
    """
    parts = [
        f"{name}={argument_text(name, value)}"
        for name, value in given.items()
        if value is not None
    ]
    line = f"{function}({', '.join(parts)})"
    if len(line) <= _WIDTH:
        return line
    return f"{function}(\n" + "".join(f"    {part},\n" for part in parts) + ")"

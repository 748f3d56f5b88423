"""Signatures as users read them."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type[Any])


def not_constructed(cls: Class) -> Class:
    """
    Show no arguments: users are given such objects, and do not construct them.

    ``help()`` and the reference would else begin with parts that nobody can have.
    """
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    setattr(cls, "__signature__", inspect.Signature())  # noqa: B010
    constructor: Any = cls.__dict__["__init__"]
    constructor.__signature__ = inspect.Signature([own])
    return cls

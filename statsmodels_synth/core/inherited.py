"""Members that statsmodels' classes hand down and that mean nothing here."""

from __future__ import annotations

from collections.abc import Iterable
import inspect
from typing import Any, ClassVar, NoReturn

from statsmodels_synth.exceptions import UnavailableError


class Withheld:
    """
    A member that does not exist here, although a base class has it.

    Parameters
    ----------
    advice : str
        Why, and what to use instead, in sentences.

    Examples
    --------
    >>> class Results:
    ...     llf = Withheld("Compare standard errors.")
    >>> hasattr(Results(), "llf")
    False
    >>> Results().llf
    Traceback (most recent call last):
    ...
    statsmodels_synth.exceptions.UnavailableError: Results has no 'llf'. Compare \
standard errors.
    """

    def __init__(self, advice: str) -> None:
        self.advice = advice
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise UnavailableError(f"{owner.__name__} has no {self.name!r}. {self.advice}")


class ListsWhatWorks:
    """
    The part of a class that leaves out of ``dir()`` what is not for users.

    Attributes
    ----------
    not_listed : frozenset of str
        Members of a base class that work, but for its own methods.
    """

    not_listed: ClassVar[frozenset[str]] = frozenset()

    def __dir__(self) -> Iterable[str]:
        kind = type(self)
        return [
            name
            for name in super().__dir__()
            if name not in kind.not_listed
            and name != "not_listed"
            and not isinstance(inspect.getattr_static(kind, name, None), Withheld)
        ]

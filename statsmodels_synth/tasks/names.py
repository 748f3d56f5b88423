"""Names that the user gives: one or several columns or parameters, and one task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.exceptions import OptionError, show


def name_list(value: object) -> list[Any]:
    """
    One name or several, as a list.

    Parameters
    ----------
    value : object
        A name, a sequence of names, or None.

    Returns
    -------
    list
        Names.

    Raises
    ------
    OptionError
        If a name occurs twice.

    Examples
    --------
    >>> name_list("a"), name_list(["a", "b"]), name_list(None)
    (['a'], ['a', 'b'], [])
    """
    if value is None:
        return []
    several = (Sequence, pd.Index, pd.Series, np.ndarray)
    if isinstance(value, (str, bytes)) or not isinstance(value, several):
        return [value]
    names = list(value)
    twice = [name for k, name in enumerate(names) if name in names[:k]]
    if twice:
        raise OptionError(f"{show(twice[0])} is named twice. Name it once.")
    return names


def check_label(option: str, label: object) -> None:
    """
    Raise unless something can name one task.

    Parameters
    ----------
    option : str
        Name of the option, for the message.
    label : object
        What the user gave.

    Raises
    ------
    OptionError
        If it is a list or the like.

    Examples
    --------
    >>> check_label("current", "now")
    """
    try:
        hash(label)
    except TypeError:
        raise OptionError(
            f"{option}= is a {type(label).__name__}. Give the name of one task."
        ) from None

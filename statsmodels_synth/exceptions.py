"""
Errors and warnings.

Every error derives from :class:`SynthError` and from the built-in exception
that statsmodels or pandas would raise in its place, so that existing
``except ValueError`` code keeps working. A message says what is wrong, where
(source, column, up to five units) and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
import difflib
import sys
import warnings

from statsmodels.tools.sm_exceptions import (
    ConvergenceWarning as StatsmodelsConvergenceWarning,
)

__all__ = [
    "AlignmentError",
    "CollinearSourceWarning",
    "CollinearityError",
    "ConvergenceWarning",
    "CoverageWarning",
    "CurrentTaskLabelsWarning",
    "DataError",
    "DegenerateGapWarning",
    "DroppedTaskWarning",
    "FewClustersWarning",
    "FewUnitsWarning",
    "FormulaError",
    "FullyLabeledWarning",
    "InfiniteIntervalWarning",
    "LabelAgreementWarning",
    "OptionError",
    "SeparationError",
    "SynthError",
    "SynthWarning",
    "UnavailableError",
]

MAX_UNITS_SHOWN = 5
#: What the estimates rest on, in the words that every page and message has.
VALIDITY = (
    "Estimates are valid when units are labelled at random or with known "
    "probabilities, and the sources are made in the same way for labelled and "
    "unlabelled units."
)
#: Warnings of ours that are not issued now. A context variable, which each thread has
#: by itself: the filters of Python's warnings belong to all threads.
_MUTED: ContextVar[tuple[type[Warning], ...]] = ContextVar("_MUTED", default=())


class SynthError(Exception):
    """Root of every error that this package raises on purpose."""


class DataError(SynthError, ValueError):
    """The values of a frame or an array cannot be used."""


class AlignmentError(DataError):
    """Frames cannot be matched unit by unit."""


class FormulaError(DataError):
    """The formula cannot be evaluated on one of the frames."""


class CollinearityError(DataError):
    """Columns of a design matrix are linearly dependent."""


class SeparationError(DataError):
    """The outcome is separated by the regressors: no finite estimate exists."""


class OptionError(SynthError, ValueError):
    """An option is misspelt or has a value that does not exist."""


class UnavailableError(SynthError, AttributeError):
    """A member of statsmodels' classes that means nothing here."""


class SynthWarning(UserWarning):
    """Root of every warning that this package issues."""


class ConvergenceWarning(SynthWarning, StatsmodelsConvergenceWarning):  # type: ignore[misc]
    """The solver stopped before the moment conditions were solved."""


class CoverageWarning(SynthWarning):
    """Some labelled units are absent from a source."""


class CollinearSourceWarning(SynthWarning):
    """A source was dropped: its moments repeat those of other sources."""


class FewClustersWarning(SynthWarning):
    """There are few clusters with labelled units."""


class FewUnitsWarning(SynthWarning):
    """A coefficient rests on very few labelled units."""


class LabelAgreementWarning(SynthWarning):
    """A source agrees with (almost) every label: too little is known of its errors."""


class FullyLabeledWarning(SynthWarning):
    """Every unit is labelled, so the sources have nothing to add."""


class InfiniteIntervalWarning(SynthWarning):
    """There are too few tasks for an interval with finite ends."""


class DegenerateGapWarning(SynthWarning):
    """Samples without variation: their interval has no width and is too short."""


class DroppedTaskWarning(SynthWarning):
    """Tasks or rows that cannot be used were left out."""


class CurrentTaskLabelsWarning(SynthWarning):
    """The current task has real data, which task exchangeability does not use."""


def show(value: object) -> str:
    """
    Write a value of a frame for a message, without its NumPy type.

    Parameters
    ----------
    value : object
        A scalar.

    Returns
    -------
    str
        Its plain form.

    Examples
    --------
    >>> import numpy as np
    >>> show(np.int64(3)), show("a")
    ('3', "'a'")
    """
    return repr(value.item() if hasattr(value, "item") else value)


def column_label(name: object) -> str:
    """
    Write the name of a column, or the option whose array became one.

    Parameters
    ----------
    name : object
        Name; ``"(offset)"`` and the like hold what was given as an array.

    Returns
    -------
    str
        For example "column 'x'" or "offset=".

    Examples
    --------
    >>> column_label("x"), column_label("(offset)")
    ("column 'x'", 'offset=')
    """
    text = str(name)
    if text.startswith("(") and text.endswith(")"):
        return f"{text[1:-1]}="
    return f"column {text!r}"


def option_label(option: str, column: str) -> str:
    """
    Write an option, with its column where it names one.

    Parameters
    ----------
    option : str
        Name of the option.
    column : str
        Column; ``"(weights)"`` and the like hold what was given as an array.

    Returns
    -------
    str
        For example "weights=" or "weights='w'".

    Examples
    --------
    >>> option_label("weights", "(weights)"), option_label("weights", "w")
    ('weights=', "weights='w'")
    """
    return f"{option}=" if column == f"({option})" else f"{option}={column!r}"


def unknown_column(label: str, name: str, known: Iterable[object]) -> DataError:
    """
    Error for an option that names no column.

    Parameters
    ----------
    label : str
        The option and the name, for the message.
    name : str
        The name.
    known : iterable
        Columns of data and of the sources.

    Returns
    -------
    DataError
        To be raised; suggests a name.
    """
    return DataError(
        f"{label} is not a column of data or of a source."
        f"{suggest(name, sorted(map(str, known)))}"
    )


def type_name(value: object) -> str:
    """
    Name of a type for a message, with its library where that is a data frame's.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    str
        For example "list" or "polars DataFrame (call .to_pandas())".
    """
    name = type(value).__name__
    library = type(value).__module__.partition(".")[0]
    if library in {"polars", "pyarrow", "dask", "modin"}:
        convert = "to_pandas"
        if library == "dask":
            own = {"Array": "to_dask_dataframe", "Bag": "to_dataframe"}
            convert = own.get(name, "compute")
        return f"{library} {name} (call .{convert}())"
    return name


def count(number: int, noun: str) -> str:
    """
    Write a number with its noun.

    Parameters
    ----------
    number : int
        How many.
    noun : str
        Noun in the singular, regular in the plural.

    Returns
    -------
    str
        For example "1 row" or "3 rows".

    Examples
    --------
    >>> count(1, "row"), count(3, "row")
    ('1 row', '3 rows')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def are(number: int) -> str:
    """
    Write a number with its verb.

    Parameters
    ----------
    number : int
        How many.

    Returns
    -------
    str
        For example "1 is" or "3 are".
    """
    return f"{number} is" if number == 1 else f"{number} are"


def format_units(units: Iterable[object]) -> str:
    """
    Write up to five units for a message.

    Parameters
    ----------
    units : iterable
        Unit labels.

    Returns
    -------
    str
        The labels, followed by how many more there are.

    Examples
    --------
    >>> format_units(range(7))
    '0, 1, 2, 3, 4 and 2 more'
    >>> format_units(["a"])
    "'a'"
    """
    listed = list(units)
    shown = [show(unit) for unit in listed[:MAX_UNITS_SHOWN]]
    text = ", ".join(shown)
    more = len(listed) - len(shown)
    return f"{text} and {more} more" if more else text


def name_units(units: Iterable[object], noun: str = "unit") -> str:
    """
    Write up to five units for a message, after the word for them.

    Parameters
    ----------
    units : iterable
        Unit labels.
    noun : str
        What they are, in the singular.

    Returns
    -------
    str
        For example "unit 3" or "units 3, 4".

    Examples
    --------
    >>> name_units(["a"]), name_units([0, 1]), name_units([7], "row")
    ("unit 'a'", 'units 0, 1', 'row 7')
    """
    listed = list(units)
    return f"{noun if len(listed) == 1 else noun + 's'} {format_units(listed)}"


def install(extra: str) -> str:
    """
    Write how to install what an extra needs.

    Parameters
    ----------
    extra : str
        Name of the extra.

    Returns
    -------
    str
        A command. The package is on no index, so it is one for a checkout.

    Examples
    --------
    >>> install("dask")
    'pip install ".[dask]" in a checkout of statsmodels-synth'
    """
    return f'pip install ".[{extra}]" in a checkout of statsmodels-synth'


def suggest(name: object, known: Sequence[object]) -> str:
    """
    Write the end of a message that names what exists, nearest name first.

    Parameters
    ----------
    name : object
        What the user wrote.
    known : sequence
        What exists.

    Returns
    -------
    str
        A sentence that starts with a space, or an empty string.

    Examples
    --------
    >>> suggest("hegde", ["length", "hedge"])
    " Did you mean 'hedge'?"
    >>> suggest("zzz", ["length", "hedge"])
    " There are: 'length', 'hedge'."
    """
    names = [str(k) for k in known]
    # "nonrobust" is no misspelt "robust": what only adds or drops a word is not it.
    near = [
        k
        for k in names
        if abs(len(k) - len(str(name))) < 3 or not (k in str(name) or str(name) in k)
    ]
    close = difflib.get_close_matches(str(name), near, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    if not names:
        return ""
    shown = ", ".join(repr(k) for k in names[:20])
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f" There are: {shown}{more}."


def warn(message: str, category: type[Warning]) -> None:
    """
    Issue a warning that points at the line of the user, unless it is muted.

    Parameters
    ----------
    message : str
        What is said.
    category : type
        Class of the warning.
    """
    if not issubclass(category, _MUTED.get()):
        warnings.warn(message, category, stacklevel=stack_level())


@contextmanager
def muted(*categories: type[Warning]) -> Iterator[None]:
    """
    Do not issue some of the warnings of this package, in this thread.

    Safe in threads, unlike ``warnings.catch_warnings``, which changes the filters of
    the whole process and leaves them changed where two threads overlap.

    Parameters
    ----------
    *categories : type
        Classes of :func:`warn`.
    """
    token = _MUTED.set((*_MUTED.get(), *categories))
    try:
        yield
    finally:
        _MUTED.reset(token)


def stack_level() -> int:
    """
    Where a warning should point: at the line of the user, however deep it is raised.

    Returns
    -------
    int
        The ``stacklevel`` of ``warnings.warn`` for the first frame that is neither of
        this package, nor of statsmodels or functools, whose properties call it.
    """
    level, frame = 1, sys._getframe(1)
    own = {"statsmodels_synth", "statsmodels", "functools"}
    while (
        frame.f_back is not None
        and str(frame.f_globals.get("__name__")).partition(".")[0] in own
    ):
        level, frame = level + 1, frame.f_back
    return level

"""Words of messages: values, columns, units and counts as errors show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
import difflib
import sys
from typing import NamedTuple
import warnings

from statsmodels_synth.exceptions import DataError

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


class Caution(NamedTuple):
    """What a warning said, in one line that the summary repeats."""

    category: type[Warning]
    text: str


#: Where cautions are noted while a model is made or fitted, in each thread.
_NOTED: ContextVar[list[Caution] | None] = ContextVar("_NOTED", default=None)


def show(value: object) -> str:
    """
    Write a value of a frame for a message, without its NumPy type.

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

    Examples
    --------
    >>> option_label("weights", "(weights)"), option_label("weights", "w")
    ('weights=', "weights='w'")
    """
    return f"{option}=" if column == f"({option})" else f"{option}={column!r}"


def unknown_column(label: str, name: str, known: Iterable[object]) -> DataError:
    """Error for an option that names no column."""
    return DataError(
        f"{label} is not a column of data or of a source."
        f"{suggest(name, sorted(map(str, known)))}"
    )


def type_name(value: object) -> str:
    """Name of a type for a message, with its library where that is a data frame's."""
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

    Examples
    --------
    >>> count(1, "row"), count(3, "row")
    ('1 row', '3 rows')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def there_are(number: int, noun: str) -> str:
    """
    Begin a sentence on how many there are.

    Examples
    --------
    >>> there_are(1, "label"), there_are(0, "label")
    ('There is 1 label', 'There are 0 labels')
    """
    return f"There {'is' if number == 1 else 'are'} {count(number, noun)}"


def are(number: int) -> str:
    """Write a number with its verb."""
    return f"{number} is" if number == 1 else f"{number} are"


def format_units(units: Iterable[object]) -> str:
    """
    Write up to five units for a message.

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

    Examples
    --------
    >>> install("dask")
    'pip install ".[dask]" in a checkout of statsmodels-synth'
    """
    return f'pip install ".[{extra}]" in a checkout of statsmodels-synth'


def suggest(name: object, known: Sequence[object]) -> str:
    """
    Write the end of a message that names what exists, nearest name first.

    Examples
    --------
    >>> suggest("hegde", ["length", "hedge"])
    " Did you mean 'hedge'?"
    >>> suggest("zzz", ["length", "hedge"])
    " There are: 'length', 'hedge'."
    >>> suggest("ppi", ["PPI", "PPI++"])
    " Did you mean 'PPI'?"
    """
    names = [str(k) for k in known]
    alike = [k for k in names if k.lower() == str(name).lower()]
    if len(alike) == 1:
        return f" Did you mean {alike[0]!r}?"
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


def warn(message: str, category: type[Warning], brief: str = "") -> None:
    """
    Issue a warning that points at the line of the user, unless it is muted.

    `brief`, a line without any unit, is noted for the summary, muted or not.
    """
    note(brief, category)
    if not issubclass(category, _MUTED.get()):
        warnings.warn(message, category, stacklevel=stack_level())


def note(brief: str, category: type[Warning]) -> None:
    """Note a line for the summary of which no warning is issued."""
    noted = _NOTED.get()
    if brief and noted is not None:
        noted.append(Caution(category, brief))


@contextmanager
def noting() -> Iterator[list[Caution]]:
    """Note the cautions of warnings issued meanwhile, in this thread."""
    noted: list[Caution] = []
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


@contextmanager
def muted(*categories: type[Warning]) -> Iterator[None]:
    """
    Do not issue some of the warnings of this package, in this thread.

    Safe in threads, unlike ``warnings.catch_warnings``, which changes the filters of
    the whole process and leaves them changed where two threads overlap.
    """
    token = _MUTED.set((*_MUTED.get(), *categories))
    try:
        yield
    finally:
        _MUTED.reset(token)


def stack_level() -> int:
    """Where a warning points: at the line of the user, however deep it is raised."""
    level, frame = 1, sys._getframe(1)
    own = {"statsmodels_synth", "statsmodels", "functools"}
    while (
        frame.f_back is not None
        and str(frame.f_globals.get("__name__")).partition(".")[0] in own
    ):
        level, frame = level + 1, frame.f_back
    return level

"""What Python warns of and prints while R waits, which R is told of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
import io
import warnings


@dataclass
class Said:
    """
    What was recorded, to be read also where an exception ends it.

    Parameters
    ----------
    warnings : list of warnings.WarningMessage
        Warnings, in their order.
    output : io.StringIO
        What was printed.
    """

    warnings: list[warnings.WarningMessage] = field(default_factory=list)
    output: io.StringIO = field(default_factory=io.StringIO)


@contextmanager
def recorded(said: Said) -> Iterator[None]:
    """Record warnings and output within, in place of showing them."""
    with (
        redirect_stdout(said.output),
        warnings.catch_warnings(record=True) as said.warnings,
    ):
        warnings.simplefilter("always")
        # For developers of Python packages, whom nobody is in R.
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        yield

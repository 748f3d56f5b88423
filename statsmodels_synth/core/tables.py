"""Tables with notes that text, LaTeX and HTML break themselves."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from html import escape
import textwrap
from typing import Any

import numpy as np
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable

_WIDTH = 78


_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}"}


def decimals(values: Any, least: int = 3, digits: int = 2) -> int:
    """
    Decimals with which the smallest of some numbers has so many digits: at most 10.

    Examples
    --------
    >>> decimals([0.12, 3.4]), decimals([0.00042, 1.0]), decimals([0.0])
    (3, 5, 3)
    """
    sizes = np.abs(np.asarray(values, dtype=float))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0.0)]
    if not len(sizes):
        return least
    return max(least, min(digits - 1 - int(np.floor(np.log10(sizes.min()))), 10))


def fixed(value: float, digits: int) -> str:
    """
    Write a number with so many decimals, and large ones as statsmodels does.

    Examples
    --------
    >>> fixed(0.12345, 3), fixed(123456.0, 3)
    ('0.123', '1.23e+05')
    """
    return f"{value:.3g}" if abs(value) >= 1e4 else f"{value:.{digits}f}"


class NotesSummary(Summary):  # type: ignore[misc]
    """
    The summary of statsmodels, with notes that LaTeX and HTML break themselves.

    Attributes
    ----------
    notes : list of str
        A line that says what they are, and one paragraph each.
    """

    notes: list[str]

    def set_notes(self, title: str, notes: Sequence[str], width: int = _WIDTH) -> None:
        """Put numbered notes below the tables."""
        numbered = [f"[{number}] {note}" for number, note in enumerate(notes, start=1)]
        self.notes = [title, *numbered]
        lines = [title]
        for note in numbered:
            lines += textwrap.wrap(note, width=width, subsequent_indent="    ")
        self.add_extra_txt(lines)

    def as_latex(self) -> str:
        """Tables and notes as LaTeX."""
        escaped = ["".join(_LATEX.get(c, c) for c in note) for note in self.notes]
        # One tabular each: they differ in their numbers of columns.
        tables = [table.as_latex_tabular() for table in self.tables]
        return "\n\n".join([*tables, " \\newline\n ".join(escaped)])

    def as_html(self) -> str:
        """Tables and notes as HTML: names of columns and sources are text in it."""
        plain = Summary()
        plain.tables = [_escaped(table) for table in self.tables]
        plain.add_extra_txt([escape(note, quote=False) for note in self.notes])
        return str(plain.as_html())


def _escaped(table: SimpleTable) -> SimpleTable:
    """A table whose texts are texts in HTML, too."""
    found = deepcopy(table)
    for row in found:
        for cell in row:
            if isinstance(cell.data, str):
                cell.data = escape(cell.data, quote=False)
    if found.title:
        found.title = escape(found.title, quote=False)
    return found

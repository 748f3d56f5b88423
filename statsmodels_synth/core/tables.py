"""Tables with notes that text, LaTeX and HTML break themselves."""

from __future__ import annotations

from collections.abc import Sequence
import textwrap

from statsmodels.iolib.summary import Summary

_WIDTH = 78


_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}"}


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
        """Tables and notes as HTML."""
        plain = Summary()
        plain.tables = self.tables
        plain.add_extra_txt(self.notes)
        return str(plain.as_html())

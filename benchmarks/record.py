"""
A table of numbers that a benchmark made: how a page shows it, and whether it holds.

A cell has one number or several, each with its Monte Carlo error, and a format that
says how a page writes them: ``.3f``; ``.2f (.3f)``, which shows the error as well;
``.2f / .2f / .3f``; ``.3f to .3f``, the lowest and the highest of several numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
import math
import re
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.measured import Measured, Span

#: A number, or in brackets its error, in a format.
_SPEC = re.compile(r"(?P<error>\()?(?P<how>0?,?\.\d[fsme])(?(error)\))")
_NUMBER = r"(-?[\d,]*\.?\d+(?:e\d+)?)"
#: Format of a column whose texts are neither a key nor computed.
TEXT = "-"
#: Chance that a table is said to differ where nothing does.
LEVEL = 0.001

Cell = list[float | None]
Found = dict[tuple[str, ...], list[Measured | Span]]


def number(value: float, how: str) -> str:
    """
    Write a number.

    Letters: `f`, so many digits after the point; `s`, so many that count; `m`, one
    less after the point from 10 on; `e`, as 3.3e7. Without a leading 0 none is before
    the point.
    """
    if how.endswith("e"):
        return re.sub(r"e\+?0*", "e", format(value, how))
    digits = digits_of(value, how)
    text = format(value, f"{',' if ',' in how else ''}.{digits}f")
    return text if how.startswith("0") else re.sub(r"^(-?)0\.", r"\1.", text)


def digits_of(value: float, how: str) -> int:
    """Digits after the point."""
    digits = int(how[-2])
    size = math.floor(math.log10(abs(value)) + 1e-12) if value else 0
    if how.endswith("e"):
        return digits - size
    if how.endswith("s") and value:
        return max(digits - 1 - size, 0)
    if how.endswith("m") and abs(value) >= 10.0:
        return digits - 1
    return digits


@dataclass(frozen=True)
class Format:
    """How a cell is written."""

    text: str

    @property
    def values(self) -> list[str]:
        """Formats of the numbers."""
        return [own["how"] for own in _SPEC.finditer(self.text) if not own["error"]]

    @property
    def is_span(self) -> bool:
        """Whether it is the lowest and the highest of several numbers."""
        return " to " in self.text

    def shown(self, cell: Cell, missing: str = "") -> str:
        """What a page has."""
        if cell[0] is None:
            return missing
        at = iter(range(0, len(cell), 2))
        place = 0

        def written(spec: re.Match[str]) -> str:
            nonlocal place
            if spec["error"]:
                error = cell[place + 1]
                return "" if error is None else f"({number(error, spec['how'])})"
            place = next(at)
            value = cell[place]
            assert value is not None
            return number(value, spec["how"])

        text = _SPEC.sub(written, self.text).strip()
        if self.is_span:
            low, high = re.findall(_NUMBER, text)[:2]
            text = text.replace(f"{low} to {high}", low) if low == high else text
        return text

    def pattern(self) -> str:
        """Regular expression of what a page may have."""
        parts = [re.escape(part) for part in _SPEC.split(self.text)[::3]]
        specs = list(_SPEC.finditer(self.text))
        found = parts[0]
        for spec, part in zip(specs, parts[1:], strict=True):
            found += rf"\({_NUMBER}\)" if spec["error"] else _NUMBER
            found += part
        if self.is_span:
            found = found.replace(
                rf"{_NUMBER}\ to\ {_NUMBER}", rf"{_NUMBER}(?:\ to\ {_NUMBER})?"
            )
        return found

    def read(self, text: str, before: Cell | None, missing: str = "") -> Cell:
        """Numbers of a page; what it does not tell is as it was before."""
        if before is not None and self.shown(before, missing) == text:
            return before
        empty: Cell = [None, None] * len(self.values)
        old = empty if before is None else before
        if text == missing:
            return [x if k % 2 else None for k, x in enumerate(old)]
        match = re.fullmatch(self.pattern(), text)
        if match is None:
            raise ValueError(f"{text!r} is not written as {self.text!r}")
        numbers = [
            None if k is None else float(k.replace(",", "")) for k in match.groups()
        ]
        found = list(old)
        place = -2
        for spec, value in zip(_SPEC.finditer(self.text), numbers, strict=True):
            if spec["error"]:
                found[place + 1] = value
                continue
            place += 2
            # The highest of numbers that are all alike.
            found[place] = numbers[0] if value is None else value
        return found


@dataclass
class Record:
    """
    A table: `columns` with as many `formats`.

    Columns without a format are keys, those of the format "-" texts. For each key or
    text a row has a text, for each other column value, error, value, error, ... as the
    format says. None is not known, or not there. Where the columns are "number",
    "sentence" and "value", the page has no table: numbers are in its sentences, at {}
    with the format in it.

    `seconds` is what a draw of all rows takes on one core. If `factor` is not zero the
    numbers are ratios of times or sizes on one machine, have no Monte Carlo error, and
    hold if others are within this factor.
    """

    page: str
    command: str
    draws: int
    columns: list[str]
    formats: list[str]
    rows: list[list[Any]]
    missing: str = ""
    seconds: float = 0.0
    factor: float = 0.0

    @property
    def n_keys(self) -> int:
        """Columns that say what a row is."""
        return self.formats.count("")

    @property
    def has_sentences(self) -> bool:
        """Whether the numbers are in sentences of the page."""
        return self.columns[:2] == ["number", "sentence"]

    def keys(self) -> list[tuple[str, ...]]:
        """What each row is; where a table writes a first key once, it is repeated."""
        at = [k for k, how in enumerate(self.formats) if not how]
        found: list[tuple[str, ...]] = []
        for row in self.rows:
            first, *others = (str(row[k]) for k in at)
            found.append((first or found[-1][0], *others))
        return found

    def cells(self, row: list[Any]) -> list[tuple[str, Format, Cell]]:
        """Column, format and numbers of the cells of a row."""
        return [
            (name, self.format_of(row, how), cell)
            for name, how, cell in zip(self.columns, self.formats, row, strict=True)
            if not isinstance(cell, str)
        ]

    def format_of(self, row: list[Any], how: str) -> Format:
        """Format of a cell: that of its column, or the one in its sentence."""
        if self.has_sentences and how:
            return Format(re.findall(r"\{(.*?)\}", row[1])[0])
        return Format(how)

    def slots(self, row: list[Any]) -> list[Slot]:
        """The numbers of a row, and its spans."""
        return [
            Slot(column, how, cell, k, sentence.is_span)
            for column, sentence, cell in self.cells(row)
            for k, how in enumerate(sentence.values)
            if not (sentence.is_span and k)
        ]

    def table(self) -> str:
        """The table as a page has it."""
        lines = [
            [
                cell if isinstance(cell, str) else Format(how).shown(cell, self.missing)
                for cell, how in zip(row, self.formats, strict=True)
            ]
            for row in self.rows
        ]
        rule = "|" + "---|" * len(self.columns)
        text = "\n".join([_line(self.columns), rule, *map(_line, lines)])
        return f"{text}\n"

    def in_page(self, text: str, name: str) -> str:
        """The page with the numbers of the record in their place."""
        if self.has_sentences:
            for row in self.rows:
                text = self._with_sentence(text, row)
            return text
        place = re.compile(
            rf"(^<!-- record: {name} -->\n)((?:\|.*\n)+)", flags=re.MULTILINE
        )
        if len(place.findall(text)) != 1:
            raise ValueError(f"the page has no one table with <!-- record: {name} -->")
        table = self.table()
        return place.sub(lambda found: found[1] + table, text)

    def _with_sentence(self, text: str, row: list[Any]) -> str:
        how, place = self._place(row)
        if len(place.findall(text)) != 1:
            raise ValueError(f"the page has not just one {row[1]!r}")
        shown = how.shown(row[2], self.missing)
        return place.sub(lambda found: found[1] + shown + found[found.re.groups], text)

    def _place(self, row: list[Any]) -> tuple[Format, re.Pattern[str]]:
        """Format of the number of a sentence, and where the sentence is."""
        how = self.format_of(row, TEXT)
        before, after = re.split(r"\{.*?\}", row[1])
        # A page may break its lines anywhere.
        own = [re.sub(r"(\\ )+", r"\\s+", re.escape(part)) for part in (before, after)]
        return how, re.compile(f"({own[0]}){how.pattern()}({own[1]})")

    def from_page(self, text: str, name: str) -> Record:
        """The record with the numbers that its page shows: they were found by hand."""
        new = Record(**{**self.__dict__, "rows": []})
        if self.has_sentences:
            for row in self.rows:
                how, place = self._place(row)
                match = place.search(text)
                if match is None:
                    raise ValueError(f"the page has no {row[1]!r}")
                shown = match[0][len(match[1]) : -len(match[match.re.groups]) or None]
                new.rows.append([*row[:2], how.read(shown, row[2], self.missing)])
            return new
        found = re.search(
            rf"^<!-- record: {name} -->\n((?:\|.*\n)+)", text, re.MULTILINE
        )
        if found is None:
            raise ValueError(f"{self.page} has no <!-- record: {name} -->")
        lines = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in found[1].splitlines()
        ]
        before = dict(zip(self.keys(), self.rows, strict=True))
        new.columns, new.rows = lines[0], [list(line) for line in lines[2:]]
        for key, row in zip(new.keys(), new.rows, strict=True):
            for k, how_text in enumerate(self.formats):
                if how_text not in ("", TEXT):
                    old = before[key][k] if key in before else None
                    row[k] = Format(how_text).read(row[k], old, self.missing)
        return new

    def pairs(
        self, found: Found
    ) -> Iterator[tuple[tuple[str, ...], Slot, Measured | Span]]:
        """Key, number of the record, and the same as it was found now."""
        for key, row in zip(self.keys(), self.rows, strict=True):
            if key in found:
                for slot, new in zip(self.slots(row), found[key], strict=True):
                    yield key, slot, new

    def differences(self, found: Found, draws: int) -> Iterator[str]:
        """Numbers that are further from the record than chance would have it."""
        at = LEVEL / 2.0 / max(sum(map(len, found.values())), 1)
        for key in found.keys() - set(self.keys()):
            yield f"{', '.join(key)}: a row that the record has not"
        for key, slot, new in self.pairs(found):
            low, high, mean = slot.low, slot.high, middle(new)
            if low is None or high is None or np.isnan(mean.value):
                continue
            if not (self.factor or mean.error or slot.has_error):
                continue  # few draws that agree say nothing of chance
            if self.factor:
                below, above, note = low / self.factor, high * self.factor, ""
            else:
                room = slot.room(mean.error, draws, self.draws, at)
                below, above, note = (
                    low - room,
                    high + room,
                    f" (error {mean.error:.2g})",
                )
            if not below <= mean.value <= above:
                told = " to ".join(number(k, slot.how) for k in sorted({low, high}))
                where = ", ".join([*key, slot.column])
                yield f"{where}: {mean.value:.4g}{note} in place of {told}"

    def filled(self, found: Found, draws: int) -> None:
        """Take the errors that the record lacks from other draws."""
        for _, slot, new in self.pairs(found):
            error = middle(new).error * math.sqrt(draws / self.draws)
            if slot.low is not None and np.isfinite(error) and error:
                slot.put_errors(float(f"{error:.2g}"))

    def kept(self, found: Found, draws: int) -> None:
        """Take all numbers from other draws."""
        for _, slot, new in self.pairs(found):
            slot.put(new)
        self.draws = draws


def middle(found: Measured | Span) -> Measured:
    """A number, or the mean of several."""
    return found.mean if isinstance(found, Span) else found


@dataclass
class Slot:
    """Number `at` of a cell; or all of it, the lowest and the highest of several."""

    column: str
    how: str
    cell: Cell
    at: int
    is_span: bool

    @property
    def low(self) -> float | None:
        """The number, or the lowest."""
        return self.cell[2 * self.at]

    @property
    def high(self) -> float | None:
        """The number, or the highest."""
        return self.cell[2 if self.is_span else 2 * self.at]

    @property
    def errors(self) -> range:
        """Where the errors are."""
        return (
            range(1, 4, 2) if self.is_span else range(2 * self.at + 1, 2 * self.at + 2)
        )

    @property
    def has_error(self) -> bool:
        """Whether the error is known."""
        return any(self.cell[k] is not None for k in self.errors)

    def room(self, error: float, draws: int, before: int, at: float) -> float:
        """How far a number may be from this one by chance and rounding."""
        known = max(
            (e for k in self.errors if (e := self.cell[k]) is not None), default=None
        )
        if known is None:
            # What few draws say of their error is too small at times.
            size = error * math.sqrt(1.0 + draws / before)
            furthest = stats.t.isf(at, max(draws - 1, 1))
        else:
            # As many draws as these have the error of the record at their number.
            size = math.hypot(max(error, known * math.sqrt(before / draws)), known)
            furthest = stats.norm.isf(at)
        assert self.low is not None
        return float(furthest) * size + 0.5 * 10.0 ** -digits_of(self.low, self.how)

    def put_errors(self, error: float) -> None:
        """Write the error where there is none."""
        for k in self.errors:
            if self.cell[k] is None:
                self.cell[k] = error

    def put(self, found: Measured | Span) -> None:
        """Write what was found; what few draws cannot tell stays."""
        mean = middle(found)
        if np.isnan(mean.value):
            return
        ends = (found.low, found.high) if isinstance(found, Span) else (mean.value,)
        for k, value in zip(self.errors, ends, strict=True):
            self.cell[k - 1] = float(f"{value:.6g}")
            self.cell[k] = (
                float(f"{mean.error:.2g}") if np.isfinite(mean.error) else None
            )


def _line(cells: Iterable[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)

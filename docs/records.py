"""
Tables that a benchmark made: how, with which Monte Carlo error, and whether it holds.

``docs/records/NAME.json`` has command, draws, value and error of each cell.
``python docs/records.py`` writes the tables of the pages from these files; a page marks
its place by ``<!-- record: NAME -->``. ``--rerun`` computes the tables anew, with fewer
draws and other seeds, and fails where a cell differs by more than chance would have it.
``--keep`` writes what it finds as the record. ``--take`` has the record follow its
page, where a table was written by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
import json
from pathlib import Path
import re
import sys

import numpy as np
from scipy import stats

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))
RECORDS = DOCS / "records"
#: Chance that a table is said to differ where nothing does.
LEVEL = 0.001
#: Name of a record -> its function: draws, first seed, processes -> keys and cells.
RERUN = {
    "shares": "benchmarks.shares",
    "conditioning": "benchmarks.conditioning",
    "designs": "benchmarks.designs",
    "five_sources": "benchmarks.coverage",
    "fixed_effects": "benchmarks.fixed_effects",
    "partly_covered": "benchmarks.partly_covered",
    "targets": "benchmarks.targets",
    "targets_designs": "benchmarks.target_designs",
}

Cells = Iterator[tuple[tuple[str, ...], list[tuple[float, float]]]]
Found = dict[tuple[str, ...], list[tuple[float, float]]]


@dataclass
class Record:
    """
    A table: `columns` with as many `formats`; those that are empty are keys.

    A row has a text for each key, and for each other column a value and its Monte Carlo
    error; None is not known, or not there. A format such as ".3f" writes no zero before
    the point; "0.3f" does; ".2f (.3f)" shows the error as well.
    """

    page: str
    command: str
    draws: int
    columns: list[str]
    formats: list[str]
    rows: list[list[str | list[float | None]]]
    missing: str = ""

    @property
    def n_keys(self) -> int:
        """Columns that say what a row is."""
        return self.formats.count("")

    def keys(self) -> list[tuple[str, ...]]:
        """What each row is; where a table writes a first key once, it is repeated."""
        found: list[tuple[str, ...]] = []
        for row in self.rows:
            first, *others = map(str, row[: self.n_keys])
            found.append((first or found[-1][0], *others))
        return found

    def table(self) -> str:
        """The table as a page has it."""
        lines = [
            [
                cell if isinstance(cell, str) else self._shown(cell, how)
                for cell, how in zip(row, self.formats, strict=True)
            ]
            for row in self.rows
        ]
        rule = "|" + "---|" * len(self.columns)
        text = "\n".join([_line(self.columns), rule, *map(_line, lines)])
        return f"{text}\n"

    def _shown(self, cell: list[float | None], how: str) -> str:
        value, error = cell
        if value is None:
            return self.missing
        first, _, second = how.partition(" ")
        text = number(value, first)
        if second and error is not None:
            text += f" ({number(error, second.strip('()'))})"
        return text


def _line(cells: list[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def number(value: float, how: str) -> str:
    """A number without the zero before its point, unless the format has one."""
    text = format(value, how.removeprefix("0"))
    return text if how.startswith("0") else re.sub(r"^(-?)0\.", r"\1.", text)


def read(name: str) -> Record:
    """A record by its name."""
    return Record(**json.loads((RECORDS / f"{name}.json").read_text("utf-8")))


def write(name: str, record: Record) -> None:
    """Write a record, a line for each row."""
    given = asdict(record)
    rows = ",\n".join(f"    {json.dumps(row)}" for row in given.pop("rows"))
    head = json.dumps(given, indent=2, ensure_ascii=False).removesuffix("\n}")
    text = f'{head},\n  "rows": [\n{rows}\n  ]\n}}\n'
    (RECORDS / f"{name}.json").write_text(text, encoding="utf-8")


def names() -> list[str]:
    """All records."""
    return sorted(path.stem for path in RECORDS.glob("*.json"))


def with_table(text: str, name: str, table: str) -> str:
    """A page with the table of a record in its place."""
    place = re.compile(
        rf"(^<!-- record: {name} -->\n)((?:\|.*\n)+)", flags=re.MULTILINE
    )
    if len(place.findall(text)) != 1:
        raise ValueError(f"the page has no one table with <!-- record: {name} -->")
    return place.sub(lambda found: found[1] + table, text)


def taken(record: Record, name: str) -> Record:
    """The record with the numbers that its page shows: they were found by hand."""
    text = (DOCS / record.page).read_text(encoding="utf-8")
    found = re.search(rf"^<!-- record: {name} -->\n((?:\|.*\n)+)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{record.page} has no <!-- record: {name} -->")
    lines = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in found[1].splitlines()
    ]
    before = dict(zip(record.keys(), record.rows, strict=True))
    new = Record(**{**asdict(record), "columns": lines[0], "rows": []})
    new.rows = [list(line) for line in lines[2:]]
    for key, row in zip(new.keys(), new.rows, strict=True):
        for k, how in enumerate(record.formats):
            if not how:
                continue
            parts = re.findall(r"-?[\d,]*\.?\d+", str(row[k]))
            numbers: list[float | None] = [float(p.replace(",", "")) for p in parts]
            old = before[key][k] if key in before else [None, None]
            # What the page does not tell stays as it was: the error of a number alone.
            row[k] = (
                [*numbers, None, None][:2]
                if " " in how
                else [
                    *numbers[:1],
                    *[None] * (not numbers),
                    old[1],  # type: ignore[list-item]
                ]
            )
    return new


def write_tables() -> None:
    """Write the tables of all pages."""
    for name in names():
        record = read(name)
        page = DOCS / record.page
        text = page.read_text(encoding="utf-8")
        new = with_table(text, name, record.table())
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(f"{record.page}: the table of {name} is another")


def differences(record: Record, found: Found) -> Iterator[str]:
    """Cells that are further from the record than chance would have it."""
    columns = [c for c, how in zip(record.columns, record.formats, strict=True) if how]
    formats = [how for how in record.formats if how]
    number_of_cells = sum(map(len, found.values()))
    furthest = float(stats.norm.isf(LEVEL / 2.0 / max(number_of_cells, 1)))
    for key, row in zip(record.keys(), record.rows, strict=True):
        cells = [cell for cell in row if not isinstance(cell, str)]
        for k, (value, error) in enumerate(found.get(key, [])):
            old, old_error = cells[k]
            if old is None or np.isnan(value):
                continue
            digits = int(re.findall(r"\.(\d)", formats[k])[0])
            rounding = 0.5 * 10.0**-digits
            # Where the record has no error, it has that of these draws at its size.
            size = float(np.hypot(error, error if old_error is None else old_error))
            if abs(value - old) > furthest * size + rounding:
                yield (
                    f"{', '.join(key)}, {columns[k]}: {value:.4g} (error {error:.2g}) "
                    f"in place of {old:.4g}"
                )


def rerun(name: str, draws: int, jobs: int, keep: bool) -> list[str]:
    """Compute a table anew; what differs."""
    record = read(name)
    cells: Callable[..., Cells] = import_module(RERUN[name]).cells
    # Other seeds than those of the record, unless it is written anew.
    found = dict(cells(draws, 0 if keep else record.draws, jobs))
    wrong = list(differences(record, found))
    print(f"{name}: {draws} draws, {len(found)} rows, {len(wrong)} cells differ")
    if keep:
        for key, row in zip(record.keys(), record.rows, strict=True):
            row[record.n_keys :] = [
                [float(f"{value:.6g}"), float(f"{error:.2g}")]
                for value, error in found[key]
            ]
        record.draws = draws
        write(name, record)
        return []
    return [f"{name}: {what}" for what in wrong]


def main() -> int:
    """Write the tables, or compute them anew; return how many cells differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="records; all if omitted")
    parser.add_argument("--rerun", action="store_true")
    parser.add_argument("--keep", action="store_true", help="as the record, and rerun")
    parser.add_argument(
        "--take", action="store_true", help="take the numbers that the pages show"
    )
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    wrong: list[str] = []
    if given.take:
        for name in given.names or names():
            write(name, taken(read(name), name))
    if given.rerun or given.keep:
        for name in given.names or sorted(RERUN):
            wrong += rerun(name, given.draws, given.jobs, given.keep)
    print("\n".join(wrong), end="\n" * bool(wrong))
    write_tables()
    return min(len(wrong), 1)


if __name__ == "__main__":
    sys.exit(main())

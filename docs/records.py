"""
Numbers that a benchmark made: how, with which Monte Carlo error, and whether they hold.

``docs/records/NAME.json`` has command, draws, value and error of each number.
``python docs/records.py`` writes them into the pages; a page marks the place of a table
by ``<!-- record: NAME -->``, and that of numbers in its sentences by their words.
``--rerun`` computes them anew, with fewer draws and other seeds, and fails where a
number differs by more than chance would have it, or a ratio of times by more than the
factor of its record. ``--minutes`` says how long all of it may take: tables that cost
much get fewer draws. What needs data or packages that are not here is left out, and
said to be.

``--keep`` writes what it finds as the record, ``--fill`` only what a draw takes, and
errors that the record lacks unless draws are very few. ``--take`` has the record follow
its page, where a table was written by hand. ``--list`` says what there is.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
import json
from pathlib import Path
import sys
import time

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from benchmarks.measured import Measured, Span  # noqa: E402 - found by the path above
from benchmarks.record import Record  # noqa: E402

RECORDS = DOCS / "records"
#: Fewer draws say too little of their own error.
FEWEST = 16
#: Name of a record -> its function: draws, first seed, processes -> keys and numbers.
#: It is ``cells`` of the module, or what follows the colon.
RERUN = {
    "active": "benchmarks.active",
    "agreeing": "benchmarks.diagnostics:agreeing_cells",
    "auxiliary": "benchmarks.auxiliary",
    "conditioning": "benchmarks.conditioning",
    "conditioning_limit": "benchmarks.conditioning:limit_cells",
    "designs": "benchmarks.designs",
    "diagnostics": "benchmarks.diagnostics",
    "diagnostics_power": "benchmarks.diagnostics:power_cells",
    "finite": "benchmarks.finite",
    "five_sources": "benchmarks.coverage",
    "fixed_effects": "benchmarks.fixed_effects",
    "generation_bill": "benchmarks.generation_costs",
    "generation_over_label": "benchmarks.generation_study:over_label_cells",
    "generation_reported": "benchmarks.generation_study:reported_cells",
    "generation_study": "benchmarks.generation_study",
    "generation_table": "benchmarks.generation_costs:table_cells",
    "grid": "benchmarks.coverage:grid_cells",
    "many": "benchmarks.many",
    "margins": "benchmarks.margins",
    "methods": "benchmarks.methods",
    "methods_coverage": "benchmarks.methods:coverage_cells",
    "multiverse": "benchmarks.multiverse",
    "other_targets": "benchmarks.target_rivals",
    "partly_covered": "benchmarks.partly_covered",
    "plan": "benchmarks.plan",
    "r_overhead": "benchmarks.r_overhead",
    "real_labels": "benchmarks.coverage:real_cells",
    "real_refused": "benchmarks.coverage:refused_cells",
    "rivals": "benchmarks.rivals",
    "sampling": "benchmarks.sampling",
    "sampling_refused": "benchmarks.sampling:refused_cells",
    "score_designs": "benchmarks.score_intervals:design_cells",
    "score_intervals": "benchmarks.score_intervals",
    "sequential": "benchmarks.sequential",
    "shares": "benchmarks.shares",
    "slope_two": "benchmarks.coverage:slope_cells",
    "speed": "benchmarks.speed",
    "targets": "benchmarks.targets",
    "targets_designs": "benchmarks.target_designs",
    "tasks": "benchmarks.tasks",
    "tasks_real": "benchmarks.tasks:real_cells",
    "weak_instruments": "benchmarks.weak_instruments",
}

Cells = Iterator[tuple[tuple[str, ...], list[Measured | Span]]]


def cells_of(name: str) -> Callable[..., Cells]:
    """The function that computes the rows of a record."""
    module, _, function = RERUN[name].partition(":")
    found: Callable[..., Cells] = getattr(import_module(module), function or "cells")
    return found


def read(name: str) -> Record:
    """A record by its name."""
    return Record(**json.loads((RECORDS / f"{name}.json").read_text("utf-8")))


def write(name: str, record: Record) -> None:
    """Write a record, a line for each row."""
    given = asdict(record)
    rows = ",\n".join(
        f"    {json.dumps(row, ensure_ascii=False)}" for row in given.pop("rows")
    )
    head = json.dumps(given, indent=2, ensure_ascii=False).removesuffix("\n}")
    text = f'{head},\n  "rows": [\n{rows}\n  ]\n}}\n'
    (RECORDS / f"{name}.json").write_text(text, encoding="utf-8")


def names() -> list[str]:
    """All records."""
    return sorted(path.stem for path in RECORDS.glob("*.json"))


def write_tables() -> None:
    """Write the numbers of all pages."""
    for name in names():
        record = read(name)
        page = DOCS / record.page
        text = page.read_text(encoding="utf-8")
        new = record.in_page(text, name)
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(f"{record.page}: the numbers of {name} are others")


def take(name: str) -> None:
    """Have a record follow its page."""
    record = read(name)
    text = (DOCS / record.page).read_text(encoding="utf-8")
    write(name, record.from_page(text, name))


def draws_of(which: list[str], draws: int, jobs: int, minutes: float) -> dict[str, int]:
    """
    Draws of each table, so that all of them take so long.

    Tables that cost little have all draws; what these leave of the time is shared
    alike by the others. Zero minutes are no limit.
    """
    cost = {name: read(name).seconds for name in which if not read(name).factor}
    left = 60.0 * minutes - sum(r.seconds for r in map(read, which) if r.factor)
    found = dict.fromkeys(which, draws)
    if not minutes:
        return found
    order = sorted(cost, key=lambda name: cost[name])
    for k, name in enumerate(order):
        alike = max(left, 0.0) / (len(order) - k)
        if cost[name]:
            found[name] = min(draws, max(FEWEST, int(alike * jobs / cost[name])))
        left -= found[name] * cost[name] / jobs
    return found


def rerun(name: str, draws: int, jobs: int, what: str) -> list[str]:
    """Compute numbers anew: what differs. `what` is done with them: "keep", "fill"."""
    record = read(name)
    # Other seeds than those of the record, unless it is written anew.
    first = 0 if what == "keep" else record.draws
    start, own = time.perf_counter(), time.process_time()
    found = dict(cells_of(name)(draws, first, jobs))
    took = time.perf_counter() - start
    if not found:
        print(f"{name}: LEFT OUT, its data or packages are not here", flush=True)
        return []
    wrong = [] if what == "keep" else list(record.differences(found, draws))
    size = "" if record.factor else f"{draws} draws, "
    part = f"{len(found)} of {len(record.rows)} rows"
    print(f"{name}: {size}{part}, {took:.0f} s, {len(wrong)} differ", flush=True)
    if what == "keep":
        record.kept(found, draws)
    if what in ("keep", "fill"):
        if draws >= FEWEST:
            record.filled(found, draws)
        # Alone it takes what it takes of the processor, whatever else runs.
        core = time.process_time() - own if jobs == 1 else took * jobs
        each = (took if record.factor else core / draws) / len(found)
        record.seconds = float(f"{each * len(record.rows):.2g}")
        write(name, record)
    return [f"{name}: {text}" for text in wrong]


def tried(name: str, draws: int, jobs: int, what: str) -> list[str]:
    """What differs, or why nothing can be said of it: the others are still of use."""
    try:
        return rerun(name, draws, jobs, what)
    except Exception as error:
        print(f"{name}: FAILED", flush=True)
        return [f"{name}: {type(error).__name__}: {error}"]


def show_list() -> None:
    """Print what there is."""
    for name in names():
        record = read(name)
        how = RERUN.get(name, "by hand")
        print(f"{name:22} {record.page:34} {record.draws:>5} {how}: {record.command}")


def main() -> int:
    """Write the numbers, or compute them anew; return whether some differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="records; all if omitted")
    parser.add_argument("--rerun", action="store_true")
    parser.add_argument("--keep", action="store_true", help="as the record, and rerun")
    parser.add_argument("--fill", action="store_true", help="errors, and rerun")
    parser.add_argument("--take", action="store_true", help="what the pages show")
    parser.add_argument("--list", action="store_true", help="what there is")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=0.0, help="for all of it")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    wrong: list[str] = []
    if given.list:
        show_list()
        return 0
    for name in (given.names or names()) if given.take else []:
        take(name)
    if given.rerun or given.keep or given.fill:
        which = given.names or sorted(RERUN)
        draws = draws_of(which, given.draws, given.jobs, given.minutes)
        what = "keep" if given.keep else "fill" if given.fill else ""
        for name in which:
            wrong += tried(name, draws[name], given.jobs, what)
    print("\n".join(wrong), end="\n" * bool(wrong))
    write_tables()
    return min(len(wrong), 1)


if __name__ == "__main__":
    sys.exit(main())

r"""
What a fit costs as units, sources, columns and replicates grow.

Run from the root of the repository::

    python -m benchmarks.scaling              # up to 1e7 units; needs 3 GB of memory
    python -m benchmarks.scaling --quick      # small, to see that it runs
    python -m benchmarks.scaling --report     # tables and figure of what is there
    python -m benchmarks.scaling --report --figure docs/explanation/scaling.png

A cell is a problem of :mod:`benchmarks.problems` with 2,000 labels, a proxy and, from
the second source on, synthetic sources. Its seconds are those of construction and fit
(median of three; one for the largest); its memory is the peak of another construction
and fit beyond the arrays that are given, by tracemalloc. Finished cells are kept in
``scaling-output/cells.csv``: run the command again and it goes on where it stopped.
BLAS has one thread, so that the figures are those of one core, whatever else runs on
the others; ``--threads`` sets another number.

The cost model, for each family, with R rows of all sources together (N M where nothing
is replicated) and the passes over them that the fit counted, is

.. math:: c_0 + l\, n (M p)^2 + \text{passes} \cdot R\, (a + b p + c p^2)
    + d\, N p^2 M (M + 1) / 2 + e\, R_{>1} .

The term of d is the second moment between sources, which one of the passes takes; that
of l is what is done with the labels; that of e is the averaging of replicates over
units, for the rows of sources that have some. Coefficients are not negative and
minimise relative errors. A few cells are in no sweep: they tell d from l, which with
units that stay as they are look alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
import os
from pathlib import Path
from statistics import median
import tempfile
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from tqdm import tqdm

from benchmarks.problems import (
    FAMILIES,
    LABELS,
    Floats,
    blas_threads,
    make_problem,
    our_fit,
    timed,
    traced,
    versions,
)

MEBIBYTE = 2.0**20
#: Cells with more units are timed once.
ONCE = 5_000_000
#: Values that are tried of one property while the others stay as they are.
SWEEPS: dict[str, Sequence[int]] = {
    "units": (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000),
    "sources": (1, 2, 4, 8),
    "columns": (2, 5, 10, 20, 40),
    "replicates": (1, 2, 4),
}
QUICK: dict[str, Sequence[int]] = {
    "units": (10_000, 30_000, 100_000),
    "sources": (1, 2, 3),
    "columns": (2, 5, 10),
    "replicates": (1, 2),
}
#: Units where something else is varied.
USUAL_UNITS, QUICK_UNITS = 300_000, 20_000
#: Units and, with them, what is varied in the cells that are in no sweep.
CROSSED: tuple[dict[str, int], ...] = (
    {"units": 1_000_000, "sources": 4},
    {"units": 1_000_000, "columns": 20},
    {"units": 1_000_000, "replicates": 2},
)
AXES = {
    "units": "units N",
    "sources": "sources M",
    "columns": "columns p",
    "replicates": "synthetic rows per unit",
}
COLOURS = {"binomial": "#0072B2", "gaussian": "#D55E00"}


@dataclass(frozen=True)
class Cell:
    """One problem to measure."""

    family: str
    units: int = USUAL_UNITS
    sources: int = 2
    columns: int = 10
    replicates: int = 1

    @property
    def rows(self) -> int:
        """Rows of all sources; those of the proxy are not replicated."""
        return self.units * (1 + (self.sources - 1) * self.replicates)


CELL = [f.name for f in fields(Cell)]


def sweep(axis: str, values: Sequence[int], usual: int) -> list[Cell]:
    """
    List the cells of one sweep, for both families.

    Parameters
    ----------
    axis : str
        What is varied.
    values : sequence of int
        Its values.
    usual : int
        Units, where they are not what is varied.

    Returns
    -------
    list of Cell
        In the order of the values.
    """
    return [
        Cell(family, **({"units": usual} | {axis: value}))
        for value in values
        for family in FAMILIES
    ]


def all_sweeps(quick: bool) -> dict[str, list[Cell]]:
    """Cells of each sweep; some are in several."""
    values, usual = (QUICK, QUICK_UNITS) if quick else (SWEEPS, USUAL_UNITS)
    return {axis: sweep(axis, each, usual) for axis, each in values.items()}


def crossed(quick: bool) -> list[Cell]:
    """List the cells that are in no sweep."""
    if quick:
        return []
    return [Cell(family, **each) for each in CROSSED for family in FAMILIES]


def measure(cell: Cell, repeats: int) -> dict[str, Any]:
    """
    Time and memory of one cell.

    Parameters
    ----------
    cell : Cell
        What to measure.
    repeats : int
        Fits that are timed.

    Returns
    -------
    dict
        The cell, its seconds and passes, bytes of the peak and of the input.
    """
    problem = make_problem(
        cell.units,
        family=cell.family,
        columns=cell.columns,
        n_synthetic=cell.sources - 1,
        replicates=cell.replicates,
    )
    result, _, peak = traced(lambda: our_fit(problem))
    found: dict[str, Any] = {
        "passes": result.passes,
        "peak": peak,
        "input": problem.nbytes,
    }
    if result.dropped_sources or not result.converged:
        raise RuntimeError(f"Not the fit that was meant: {cell}")
    del result
    found["seconds"] = median(timed(our_fit, problem)[0] for _ in range(repeats))
    found |= {"threads": blas_threads(), "load": round(os.getloadavg()[0], 1)}
    return asdict(cell) | found


def run(cells: Sequence[Cell], path: Path, repeats: int) -> None:
    """
    Measure what is not in the file yet, the smallest first.

    Parameters
    ----------
    cells : sequence of Cell
        What to measure; a cell may be there twice.
    path : Path
        CSV file, one line per measured cell.
    repeats : int
        Fits that are timed per cell.
    """
    known = set()
    if path.exists():
        done = pd.read_csv(path)
        known = {Cell(*row) for row in done[CELL].itertuples(index=False)}
        if (done["threads"] != blas_threads()).any():
            raise SystemExit(f"{path} has other --threads: give another --out.")
    todo = sorted(set(cells) - known, key=lambda c: (c.rows * c.columns, *astuple(c)))
    if todo:  # warms caches of every kind
        our_fit(make_problem(5_000))
    for cell in tqdm(todo, unit="cell"):
        row = pd.DataFrame([measure(cell, 1 if cell.units > ONCE else repeats)])
        row.to_csv(path, mode="a", header=not path.exists(), index=False)


# Cost model

TERMS = (
    "c0 (s)",
    "l (ns per label, (M p)^2)",
    "a (ns per row and pass)",
    "b (... and column)",
    "c (... and column^2)",
    "d (ns per unit, p^2 M (M + 1) / 2)",
    "e (ns per replicate)",
)


def terms(cells: pd.DataFrame) -> Floats:
    """
    What the coefficients of the cost model are multiplied by.

    Parameters
    ----------
    cells : DataFrame (K, ...)
        Measured cells.

    Returns
    -------
    ndarray (K, 7)
        In seconds for the first coefficient and nanoseconds for the others.
    """
    units, m, p, each, passes = (
        cells[k].to_numpy(dtype=float) for k in (*CELL[1:], "passes")
    )
    synthetic = units * (m - 1) * each
    passed = passes * (units + synthetic)
    pairs = units * p**2 * m * (m + 1) / 2
    labels = LABELS * (m * p) ** 2
    replicated = np.where(each > 1, synthetic, 0.0)
    sizes = [labels, passed, passed * p, passed * p**2, pairs, replicated]
    return np.column_stack([np.ones(len(cells)), 1e-9 * np.column_stack(sizes)])


def cost_model(cells: pd.DataFrame) -> Floats:
    """
    Fit the cost model to the cells of one family.

    Parameters
    ----------
    cells : DataFrame (K, ...)
        Measured cells.

    Returns
    -------
    ndarray (7,)
        Non-negative coefficients, of least squares of the relative errors: the cells'
        seconds differ by a factor of a hundred.
    """
    seconds = cells["seconds"].to_numpy()
    relative = terms(cells) / seconds[:, None]
    # nnls stops by an absolute tolerance, so that columns must be of like size.
    scale = np.linalg.norm(relative, axis=0)
    scale[scale == 0.0] = 1.0  # a term that no cell has
    return np.asarray(nnls(relative / scale, np.ones(len(cells)))[0] / scale)


def with_model(cells: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Floats]]:
    """
    Add what is derived from the measurements.

    Parameters
    ----------
    cells : DataFrame
        Measured cells.

    Returns
    -------
    cells : DataFrame
        With rows, nanoseconds per row, modelled seconds and the ratio to them.
    coefficients : dict
        Of the cost model, by family.
    """
    parts, coefficients = [], {}
    for family, part in cells.groupby("family"):
        coefficients[str(family)] = cost_model(part)
        parts.append(part.assign(modelled=terms(part) @ coefficients[str(family)]))
    table = pd.concat(parts)
    table["rows"] = [Cell(*row).rows for row in table[CELL].itertuples(index=False)]
    table["ns"] = 1e9 * table["seconds"] / table["rows"]
    table["ratio"] = table["seconds"] / table["modelled"]
    return table, coefficients


def slopes(cells: pd.DataFrame, from_units: int = 0) -> dict[str, float]:
    """
    Slopes of log seconds against log units, by family.

    Parameters
    ----------
    cells : DataFrame
        Cells of the sweep over units.
    from_units : int
        Fewest units that count.

    Returns
    -------
    dict
        One slope per family with two cells at least.
    """
    found = {}
    for family, part in cells[cells["units"] >= from_units].groupby("family"):
        if len(part) > 1:
            logs = np.log(part["units"]), np.log(part["seconds"])
            found[str(family)] = float(np.polyfit(*logs, 1)[0])
    return found


# Report


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lines of a markdown table."""
    every = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in every)


def cells_table(axes: Sequence[str], cells: pd.DataFrame) -> str:
    """
    Markdown table of some cells.

    Parameters
    ----------
    axes : sequence of str
        What is varied.
    cells : DataFrame
        Its cells, with what :func:`with_model` adds.

    Returns
    -------
    str
        One line per cell.
    """
    head = ["family", *(AXES[axis] for axis in axes)]
    head += ["seconds", "passes", "ns per row and source"]
    head += ["modelled s", "measured / modelled", "extra MiB", "extra / input"]
    lines = [
        [
            row.family,
            *(f"{getattr(row, axis):,}" for axis in axes),
            f"{row.seconds:.3g}",
            str(row.passes),
            f"{row.ns:.0f}",
            f"{row.modelled:.3g}",
            f"{row.ratio:.2f}",
            f"{row.peak / MEBIBYTE:.0f}",
            f"{row.peak / row.input:.2f}",
        ]
        for row in cells.sort_values(["family", *axes]).itertuples()
    ]
    return markdown(head, lines)


def report(
    cells: pd.DataFrame,
    coefficients: dict[str, Floats],
    sweeps: dict[str, list[Cell]],
) -> str:
    """
    All tables, in markdown.

    Parameters
    ----------
    cells : DataFrame
        Measured cells, with what :func:`with_model` adds.
    coefficients : dict
        Of the cost model, by family.
    sweeps : dict
        Cells of each sweep.

    Returns
    -------
    str
        Tables, slopes and cost model.
    """
    parts = []
    for axis, wanted in sweeps.items():
        part = of_sweep(cells, wanted)
        parts += [f"\n**{AXES[axis]}**\n", cells_table([axis], part)]
    others = of_sweep(cells, crossed(False))
    if len(others):
        parts += ["\n**more than one of them**\n", cells_table(CELL[1:], others)]
    units = of_sweep(cells, sweeps["units"])
    for start in (0, 1_000_000):
        slope = slopes(units, start)
        text = ", ".join(f"{family} {value:.2f}" for family, value in slope.items())
        if slope:
            since = f" from N = {start:,} on" if start else ""
            parts.append(f"\nSlope of log seconds against log N{since}: {text}")
    lines = [
        [family, *(f"{value:.3g}" for value in found)]
        for family, found in coefficients.items()
    ]
    parts += ["\n**Cost model**\n", markdown(["family", *TERMS], lines)]
    worst = cells.loc[cells["ratio"].idxmax()]
    least = cells["ratio"].min()
    where = ", ".join(f"{name} {worst[name]}" for name in CELL)
    parts.append(
        f"\nMeasured / modelled: {least:.2f} to {worst['ratio']:.2f} ({where}); BLAS "
        f"threads: {cells['threads'].iloc[0]}; load {cells['load'].max():.1f} at most"
    )
    return "\n".join(parts)


def of_sweep(cells: pd.DataFrame, wanted: Sequence[Cell]) -> pd.DataFrame:
    """Return the measured cells of a sweep."""
    chosen = set(wanted)
    keep = [Cell(*row) in chosen for row in cells[CELL].itertuples(index=False)]
    return cells[keep]


def modelled_curve(
    axis: str, cells: pd.DataFrame, coefficients: Floats
) -> tuple[Floats, Floats]:
    """
    Seconds by the cost model between the cells of one sweep and family.

    Parameters
    ----------
    axis : str
        What is varied.
    cells : DataFrame
        The cells, in order; passes between them are interpolated.
    coefficients : ndarray (7,)
        Of the cost model.

    Returns
    -------
    values, seconds : ndarray
        Of what is varied; and seconds.
    """
    own = cells[axis].to_numpy(dtype=float)
    values = own  # that there are replicates at all costs something: not a curve
    if axis != "replicates":
        values = np.geomspace(own[0], own[-1], 200)
    grid = pd.DataFrame(
        {name: cells[name].iloc[0] for name in CELL}, range(len(values))
    )
    grid[axis] = values
    grid["passes"] = np.interp(values, own, cells["passes"])
    return values, terms(grid) @ coefficients


def figure(
    cells: pd.DataFrame,
    coefficients: dict[str, Floats],
    sweeps: dict[str, list[Cell]],
    path: Path,
) -> None:
    """Seconds in each sweep: measured (points) and modelled (lines)."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    fig, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    for ax, (axis, wanted) in zip(axes.flat, sweeps.items(), strict=True):
        part = of_sweep(cells, wanted).sort_values(axis)
        for family, own in part.groupby("family"):
            colour, name = COLOURS[str(family)], str(family).capitalize()
            curve = modelled_curve(axis, own, coefficients[str(family)])
            ax.plot(*curve, color=colour, lw=1.2)
            ax.plot(own[axis], own["seconds"], "o", ms=5, color=colour, label=name)
        values = sorted(part[axis].unique())
        if axis == "units":
            ax.set(xscale="log", yscale="log")
        else:
            ax.set(xlim=(0, None), ylim=(0, None))
            ax.set_xticks(values)
        ax.set(xlabel=AXES[axis], ylabel="seconds, construct + fit")
        ax.grid(color="0.9", lw=0.6)
        ax.set_axisbelow(True)
    axes[0, 0].legend(title="points measured, lines modelled", frameon=False)
    fig.savefig(path, dpi=150)
    plt.close(fig)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--repeats", type=int, default=3, help="timed fits per cell")
    parser.add_argument("--threads", type=int, default=1, help="of BLAS")
    parser.add_argument("--out", type=Path, default=Path("scaling-output"))
    parser.add_argument("--figure", type=Path, help="where to save the figure")
    parser.add_argument("--report", action="store_true", help="of what is there")
    parser.add_argument("--quick", action="store_true", help="a small smoke test")
    given = parser.parse_args(arguments)
    sweeps = all_sweeps(given.quick)
    with tempfile.TemporaryDirectory() as place:
        # A smoke test neither goes on with what is there nor adds to it.
        folder = Path(place) if given.quick else given.out
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "cells.csv"
        if not given.report:
            blas_threads(given.threads)
            print(versions())
            wanted = [c for part in sweeps.values() for c in part]
            run(wanted + crossed(given.quick), path, given.repeats)
        if not path.exists():
            parser.error(f"nothing was measured yet: there is no {path}")
        cells, coefficients = with_model(pd.read_csv(path))
        print(report(cells, coefficients, sweeps))
        to = given.figure or folder / "scaling.png"
        figure(cells, coefficients, sweeps, to)
    if given.figure or not given.quick:
        print(f"\nFigure: {to}")


if __name__ == "__main__":
    main()

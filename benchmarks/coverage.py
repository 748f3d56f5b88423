"""
Coverage, width and error of the default interval, by simulation.

Run from the root of the repository::

    python -m benchmarks.coverage                 # the whole grid; about half an hour
    python -m benchmarks.coverage --draws 200     # a rough look
    python -m benchmarks.coverage --real          # real labels, where ../shared is

Finished cells are kept in ``coverage-output/cells.csv``; run the command again and it
goes on where it stopped. In the end a table is printed and a figure saved next to it.

A cell is a number of labels n and of units T, a family, and sources of one quality:

- ``useless``: outcome and regressor have nothing to do with the unit;
- ``weak``: the outcome is unrelated for 70 % of the units (Binomial: flipped for 38 %),
  the regressor is noisy;
- ``ordinary``: 15 % (every other source 20 %) label errors, the regressor is noisy;
- ``5 %`` and ``2 %``: so many label errors, the regressor is right.

A label error is a draw that has nothing to do with the unit (Gaussian) or the other
label (Binomial); errors of sources are independent. The slope is 1; in some cells it is
2, so that one error moves the estimate far. The interval is that of the first slope at
95 %; errors are those of all coefficients, each as a ratio to that of the labels alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, cpu_count, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy.special import expit
import statsmodels.api as sm
from tqdm import tqdm

from benchmarks.measured import Measured, Span, ratio_of, share_of, span_of, together
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import SeparationError

Floats = NDArray[np.float64]
SHARED = Path(__file__).parents[2] / "shared" / "data"
FAMILIES = {"gaussian": sm.families.Gaussian(), "binomial": sm.families.Binomial()}
#: Aim for every cell: coverage of the 95 % interval.
BAND = (0.935, 0.975)


@dataclass(frozen=True)
class Cell:
    """One design to simulate."""

    family: str
    n: int
    units: int
    sources: int
    quality: str
    columns: int = 2
    slope: float = 1.0


@dataclass(frozen=True)
class Draw:
    """One simulated sample: squared errors are of all coefficients."""

    covered: bool
    covered_paper: bool
    covered_labels: bool
    width: float
    width_labels: float
    error: Floats
    error_paper: Floats
    error_labels: Floats


def simulate(cell: Cell, seed: int) -> tuple[Floats, Floats, dict[str, Any], Floats]:
    """Labels (NaN where there is none), regressors, sources and the truth."""
    rng = np.random.default_rng(seed)
    size, columns = cell.units, cell.columns
    x = np.column_stack([np.ones(size), rng.normal(size=(size, columns - 1))])
    beta = np.r_[0.3, np.full(columns - 1, cell.slope / np.sqrt(columns - 1))]
    binary = cell.family == "binomial"

    def outcome(linear: Floats) -> Floats:
        if binary:
            return (rng.random(size) < expit(linear)).astype(float)
        return np.asarray(linear + rng.normal(size=size))

    y = outcome(x @ beta)
    sources = {}
    for m in range(cell.sources):
        own = x.copy()
        noise = {"weak": 0.5, "ordinary": 0.3}.get(cell.quality, 0.0)
        own[:, 1:] += noise * rng.normal(size=(size, columns - 1))
        fresh = np.column_stack([x[:, :1], rng.normal(size=(size, columns - 1))])
        other = outcome(fresh @ beta)
        if cell.quality == "useless":
            sources[f"s{m}"] = (other, fresh)
            continue
        wrong = rng.random(size) < {
            "weak": 0.38 if binary else 0.7,
            "ordinary": 0.15 + 0.05 * (m % 2),
            "5 %": 0.05,
            "2 %": 0.02,
        }.get(cell.quality, 0.0)
        sources[f"s{m}"] = (np.where(wrong, 1.0 - y if binary else other, y), own)
    return np.where(np.arange(size) < cell.n, y, np.nan), x, sources, beta


def draw(cell: Cell, seed: int) -> Draw | None:
    """Fit one sample; None where the labels are separated and the fit is refused."""
    endog, exog, sources, beta = simulate(cell, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AugmentedGMM(endog, exog, proxy=sources, family=FAMILIES[cell.family])
        try:
            result = model.fit()
            paper = model.fit(use_correction=False)
        except SeparationError:
            return None
        real = result.real_only
        found = [np.asarray(r.conf_int())[1] for r in (result, paper, real)]
    inside = [bool(low <= beta[1] <= high) for low, high in found]
    errors = [(np.asarray(r.params) - beta) ** 2 for r in (result, paper, real)]
    return Draw(
        *inside,
        float(np.diff(found[0])[0]),
        float(np.diff(found[2])[0]),
        errors[0],
        errors[1],
        errors[2],
    )


def _draws(cell: Cell, seeds: list[int]) -> list[Draw | None]:
    return [draw(cell, seed) for seed in seeds]


def simulated(cell: Cell, seeds: list[int], jobs: int = 1) -> list[Draw]:
    """Draws of a cell that were not refused."""
    parts = [seeds[i :: 4 * jobs] for i in range(4 * jobs)]
    results = Parallel(jobs)(delayed(_draws)(cell, part) for part in parts if part)
    return [d for part in results for d in part if d is not None]


def study(cell: Cell, seeds: Iterable[int], jobs: int = 1) -> dict[str, Any]:
    """Simulate a cell: one row of the table."""
    seeds = list(seeds)
    draws = simulated(cell, seeds, jobs)
    base = np.array([d.error_labels for d in draws])

    def ratio(name: str) -> float:
        return ratio_of(np.array([getattr(d, name) for d in draws]), base).value

    return asdict(cell) | {
        "draws": len(draws),
        "separated": len(seeds) - len(draws),
        "coverage": np.mean([d.covered for d in draws]),
        "coverage_paper": np.mean([d.covered_paper for d in draws]),
        "coverage_labels": np.mean([d.covered_labels for d in draws]),
        "width": np.median([d.width for d in draws])
        / np.median([d.width_labels for d in draws]),
        "mse": ratio("error"),
        "mse_paper": ratio("error_paper"),
    }


def grid() -> Iterator[Cell]:
    """All cells."""
    qualities = ["useless", "ordinary", "5 %", "2 %"]
    for family in FAMILIES:
        for n in (30, 50, 100, 200):
            for units in (2 * n, 1000):
                yield Cell(family, n, units, 0, "none")
                for quality in qualities:
                    for sources in (1, 2, 3):
                        yield Cell(family, n, units, sources, quality)
    for family in FAMILIES:  # one error moves the estimate far
        for n in (30, 50, 100, 200):
            for sources in (1, 2):
                for quality in ("5 %", "2 %"):
                    yield Cell(family, n, 1000, sources, quality, slope=2.0)
    for n in (50, 100, 200, 400):  # many moments for few labels
        for quality in ("useless", "weak", "ordinary", "5 %"):
            yield Cell("gaussian", n, 2000, 5, quality, columns=5)
            if n >= 100:
                yield Cell("binomial", n, 2000, 5, quality, columns=5)


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of five sources: values with their errors."""
    many = [cell for cell in grid() if cell.columns == 5]
    for cell in sorted(many, key=lambda c: (list(FAMILIES).index(c.family), c.n)):
        found = simulated(cell, list(range(first, first + draws)), jobs)
        base = np.array([d.error_labels for d in found])
        row = [share_of([d.covered for d in found])]
        row.append(share_of([d.covered_paper for d in found]))
        row.append(ratio_of(np.array([d.error for d in found]), base))
        row.append(ratio_of(np.array([d.error_paper for d in found]), base))
        yield (cell.family, str(cell.n), cell.quality), row


def _shares(
    cells: list[Cell], names: list[str], seeds: list[int], jobs: int
) -> dict[str, Span]:
    """Lowest, highest and mean share of draws that are covered, over some cells."""
    found = [simulated(cell, seeds, jobs) for cell in cells]
    return {
        name: together([share_of([getattr(d, name) for d in own]) for own in found])
        for name in names
    }


def grid_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Span]]]:
    """Rows of the table of the grid: coverage over numbers of sources and units."""
    seeds = list(range(first, first + draws))
    qualities = ["none", "useless", "ordinary", "5 %", "2 %"]
    usual = [cell for cell in grid() if cell.columns == 2 and cell.slope == 1.0]
    for family, n in product(FAMILIES, (30, 50, 100, 200)):
        row, paper = [], []
        for quality in qualities:
            part = [
                c for c in usual if (c.family, c.n, c.quality) == (family, n, quality)
            ]
            found = _shares(part, ["covered", "covered_paper"], seeds, jobs)
            row.append(found["covered"])
            paper += [found["covered_paper"]] * (quality != "none")
        ends = [p.low for p in paper], [p.high for p in paper]
        mean = together([p.mean for p in paper]).mean
        yield (family, str(n)), [*row, Span(min(ends[0]), max(ends[1]), mean)]


def slope_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Span]]]:
    """Rows of the table of a slope of 2: coverage over numbers of sources."""
    seeds = list(range(first, first + draws))
    steep = [cell for cell in grid() if cell.slope != 1.0]
    for family, quality, n in product(FAMILIES, ("5 %", "2 %"), (30, 50, 100, 200)):
        part = [c for c in steep if (c.family, c.n, c.quality) == (family, n, quality)]
        found = _shares(part, ["covered", "covered_paper"], seeds, jobs)
        yield (family, quality, str(n)), list(found.values())


def run(cells: list[Cell], draws: int, path: Path, jobs: int) -> pd.DataFrame:
    """Simulate what is not in the file yet."""
    names = [f.name for f in fields(Cell)]
    done = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=names)
    known = {tuple(row) for row in done[names].itertuples(index=False)}
    todo = [cell for cell in cells if tuple(asdict(cell).values()) not in known]
    for cell in tqdm(todo, unit="cell"):
        row = pd.DataFrame([study(cell, range(draws), jobs)])
        row.to_csv(path, mode="a", header=not path.exists(), index=False)
    return pd.read_csv(path)


def figure(table: pd.DataFrame, path: Path) -> None:
    """Coverage and mean squared error of all cells."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    # One below the other: so it can be read on a phone.
    figsize = (7.2, 11.5)
    fig, (top, below) = plt.subplots(2, 1, figsize=figsize, layout="constrained")
    colours = {"none": "#000000", "useless": "#999999", "weak": "#56B4E9"}
    colours |= {"ordinary": "#009E73", "5 %": "#E69F00", "2 %": "#D55E00"}
    markers = dict(zip(colours, "oP^sDv", strict=True))  # colour is not the only code
    rng = np.random.default_rng(0)
    for quality, colour in colours.items():
        rows = table[table["quality"] == quality]
        at = rows["n"] * np.exp(rng.uniform(-0.1, 0.1, len(rows)))
        common = {"color": colour, "s": 34, "marker": markers[quality]}
        top.scatter(at * 0.93, rows["coverage"], label=quality, alpha=0.85, **common)
        # Empty, and to the right: the paper's.
        hollow = common | {"facecolors": "none", "edgecolors": colour, "color": None}
        top.scatter(at * 1.14, rows["coverage_paper"], linewidths=1.1, **hollow)
        below.scatter(rows["mse_paper"], rows["mse"], alpha=0.85, **common)
    top.axhspan(*BAND, color="#0072B2", alpha=0.12)
    top.axhline(0.95, color="#0072B2", lw=1)
    top.set(xscale="log")
    top.set_xlabel("labels n", fontsize=12)
    top.set_xticks([30, 50, 100, 200, 400], ["30", "50", "100", "200", "400"])
    top.minorticks_off()
    whose = "filled: few-label default; hollow, right: Byun et al. (2025)"
    title = f"Coverage of the 95 % interval\n{whose}"
    top.set_title(title, loc="left", fontsize=12)
    top.legend(title="sources", loc="lower right", fontsize=11, title_fontsize=11)
    most = float(table[["mse", "mse_paper"]].max().max()) * 1.05
    below.plot([0, most], [0, most], color="#888888", lw=1)
    below.axhline(1.0, color="#0072B2", lw=1)
    below.set(xlim=(0, most), ylim=(0, most))
    below.set_xlabel("Byun et al. (2025)", fontsize=12)
    below.set_ylabel("few-label default", fontsize=12)
    below.set_title("Mean squared error, labels alone = 1", loc="left", fontsize=12)
    for ax in (top, below):
        ax.tick_params(labelsize=11)
        ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(path, dpi=150)
    plt.close(fig)


# Real labels


def _politeness(outcome: str) -> tuple[pd.DataFrame, str, dict[str, Any]]:
    frame = pd.read_csv(SHARED / "politeness.csv").set_index("id")
    formula = f"y ~ {outcome}"
    return (
        frame,
        formula,
        {"proxy": {"y": "yhat_gpt4o"}, "family": FAMILIES["binomial"]},
    )


def _twins() -> tuple[pd.DataFrame, str, dict[str, Any]]:
    frame = pd.read_csv(SHARED / "twin_wide.csv").set_index("twin_id")
    names = ["Redistribution_1", "Fairness", "Trust", "Work_vs_Luck"]
    frame = frame.dropna(subset=[p + n for p in ("h_", "l_", "l2_") for n in names])
    parts = {
        p: frame[[p + n for n in names]].set_axis(names, axis=1)
        for p in ("h_", "l_", "l2_")
    }
    formula = "Redistribution_1 ~ Fairness + Trust + Work_vs_Luck"
    sources = {"proxy": parts["l_"][names[:1]], "synthetic": parts["l2_"]}
    return parts["h_"], formula, sources


def real_draw(
    frame: pd.DataFrame, formula: str, options: dict[str, Any], n: int, seed: int
) -> pd.DataFrame | str:
    """Label n units at random; estimates and intervals of all coefficients."""
    rng = np.random.default_rng(seed)
    labeled = np.zeros(len(frame), dtype=bool)
    labeled[rng.permutation(len(frame))[:n]] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = AugmentedGMM.from_formula(
                formula, frame, labeled=labeled, **options
            )
            result = model.fit()
        except ValueError as error:
            return type(error).__name__
        rows = {}
        for name, fitted in (("default", result), ("labels", result.real_only)):
            ends = fitted.conf_int()
            rows[name] = pd.DataFrame(
                {"estimate": fitted.params, "low": ends[0], "high": ends[1]}
            )
    return pd.concat(rows)


def real_problems() -> dict[str, tuple[pd.DataFrame, str, dict[str, Any]]]:
    """Frame, formula and options of each regression of real data."""
    return {
        "politeness, hashedge": _politeness("hashedge"),
        "politeness, first_person_pl": _politeness("first_person_pl"),
        "politeness, 3 regressors": _politeness(
            "hashedge + first_person_pl + np.log(n_words)"
        ),
        "twins": _twins(),
    }


def real_full(frame: pd.DataFrame, formula: str, options: dict[str, Any]) -> Any:
    """The fit with all labels."""
    family = options.get("family", FAMILIES["gaussian"])
    return AugmentedGMM.from_formula(formula, frame, family=family).fit()


def real_measures(
    good: list[pd.DataFrame], full: Any, coefficient: str
) -> dict[str, Floats]:
    """
    What is found of a coefficient in each draw: covered, and squared errors.

    The truth is that of the T units, not of a population they come from. The interval
    is for the latter, so that it covers more often than it says, the more the larger
    n / T: of its variance the part that comes from drawing the units, about V_T = the
    variance with all T labelled, does not count. ``fpc`` is the interval without this
    part, whose half-width is shortened by ``sqrt(1 - V_T / V)``.
    """
    truth = full.params[coefficient]
    part = {
        kind: pd.DataFrame([f.loc[(kind, coefficient)] for f in good])
        for kind in ("default", "labels")
    }
    found = {}
    for kind, values in part.items():
        found[f"covers, {kind}"] = (
            (values["low"] <= truth) & (truth <= values["high"])
        ).to_numpy(float)
        found[f"squared, {kind}"] = ((values["estimate"] - truth) ** 2).to_numpy()
    half = (part["default"]["high"] - part["default"]["low"]) / 2
    variance = (half / 1.96) ** 2
    share = np.sqrt((1 - full.bse[coefficient] ** 2 / variance).clip(0))
    error = part["default"]["estimate"] - truth
    found["fpc"] = (error.abs() <= half * share).to_numpy(float)
    return found


def real_study(draws: int, jobs: int) -> pd.DataFrame:
    """Repeated labelling of real data, against the estimate from all labels."""
    rows = []
    for name, (frame, formula, options) in real_problems().items():
        full = real_full(frame, formula, options)
        for n in (100, 200, 500):
            found = Parallel(jobs)(
                delayed(real_draw)(frame, formula, options, n, seed)
                for seed in tqdm(range(draws), desc=f"{name}, n={n}")
            )
            good = [f for f in found if isinstance(f, pd.DataFrame)]
            for coefficient in full.params.index:
                told = real_measures(good, full, coefficient)
                mean = {k: v.mean() for k, v in told.items()}
                rows.append(
                    {
                        **{"data": name, "n": n, "coefficient": coefficient},
                        **{"draws": len(good), "refused": draws - len(good)},
                        **{"coverage_default": mean["covers, default"]},
                        **{"coverage_labels": mean["covers, labels"]},
                        "coverage_fpc": mean["fpc"],
                        "mse": mean["squared, default"] / mean["squared, labels"],
                    }
                )
    return pd.DataFrame(rows)


#: Rows of the table of real labels, and the beginnings of names of their regressions.
REAL = {
    "politeness of 5,480 requests, three models, 8 coefficients": "politeness",
    "survey of 1,784 respondents, 4 coefficients, proxy and synthetic rows": "twins",
}


def real_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Span]]]:
    """Rows of the table of real labels, over coefficients."""
    if not SHARED.is_dir():
        return
    seeds = range(first, first + draws)
    problems = real_problems()
    for (shown, begins), n in product(REAL.items(), (100, 200, 500)):
        covered, fpc, ratios = [], [], []
        for name in [name for name in problems if name.startswith(begins)]:
            own, full = problems[name], real_full(*problems[name])
            found = Parallel(jobs)(delayed(real_draw)(*own, n, seed) for seed in seeds)
            good = [f for f in found if isinstance(f, pd.DataFrame)]
            told = [real_measures(good, full, k) for k in full.params.index]
            covered.append(span_of(np.array([t["covers, default"] for t in told]).T))
            fpc.append(span_of(np.array([t["fpc"] for t in told]).T))
            ratios.append(
                [
                    ratio_of(
                        t["squared, default"][:, None], t["squared, labels"][:, None]
                    )
                    for t in told
                ]
            )
        every = [own for part in ratios for own in part]
        # Coefficients of the same draws go together.
        error = float(np.mean([own.error for own in every]))
        mean = Measured(float(np.mean([own.value for own in every])), error)
        low, high = min(o.value for o in every), max(o.value for o in every)
        yield (shown, str(n)), [over(covered), over(fpc), Span(low, high, mean)]


def refused_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Per cent of the draws of 100 requests in which the fit is refused."""
    if not SHARED.is_dir():
        return
    problems = [own for name, own in real_problems().items() if "politeness" in name]
    found = [
        own
        for problem in problems
        for own in Parallel(jobs)(
            delayed(real_draw)(*problem, 100, seed)
            for seed in range(first, first + draws)
        )
    ]
    yield ("refused",), [share_of([isinstance(own, str) for own in found]).times(100.0)]


def over(spans: list[Span]) -> Span:
    """The span of spans of the same draws."""
    value = float(np.mean([own.mean.value for own in spans]))
    error = float(np.mean([own.mean.error for own in spans]))
    low, high = min(own.low for own in spans), max(own.high for own in spans)
    return Span(low, high, Measured(value, error))


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of the default interval")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=cpu_count())
    parser.add_argument("--out", type=Path, default=Path("coverage-output"))
    parser.add_argument("--real", action="store_true", help="real labels instead")
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    pd.set_option("display.width", 200, "display.max_rows", 500)
    pd.set_option("display.max_columns", 30)
    if given.real:
        if not SHARED.is_dir():
            parser.error(f"the real data are not in {SHARED}")
        table = real_study(given.draws, given.jobs)
        table.to_csv(given.out / "real.csv", index=False)
        print(table.round(3).to_string(index=False))
        return
    path = given.out / "cells.csv"
    table = run(list(grid()), given.draws, path, given.jobs)
    print(table.round(3).to_string(index=False))
    outside = table[~table["coverage"].between(*BAND)]
    print(f"\nOutside {BAND}: {len(outside)} of {len(table)} cells")
    print(f"Largest ratio of squared errors to labels alone: {table['mse'].max():.3f}")
    figure(table, given.out / "coverage.png")
    print(f"Figure: {given.out / 'coverage.png'}")


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.coverage  # noqa: PLW0406

    benchmarks.coverage.main()

"""
Which units to label: what designs of the second wave are worth, and if they cover.

Run from the root of the repository::

    python -m benchmarks.sampling                    # a quarter of an hour on two cores
    python -m benchmarks.sampling --draws 200 quarter politeness

A pilot of 100 labels at random and 200 more by each design, against 300 at random.
Cells of real data, in which every unit has a human label, need ../shared. A row of the
table is a cell and a design: root mean squared error and mean width of the 95 %
interval over those of 300 labels at random, the coverage of the interval, its Monte
Carlo error, and what the plan of the pilot says of the width, over the same for labels
at random. With ``--figure FILE`` the widths are drawn. Finished cells are kept in
``sampling-output``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, delayed
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import statsmodels.api as sm
from tqdm import tqdm

from benchmarks.measured import UNKNOWN, Measured, ratio_of_means, share_of
from statsmodels_synth import AugmentedGMM, draw_labels
from statsmodels_synth.exceptions import SynthError

SHARED = Path(__file__).parents[2] / "shared" / "data"
DESIGNS = ("random", "stratified", "influence alone", "influence", "optimal")
PILOT, WAVE = 100, 200
OUTPUT = Path("sampling-output")
_MARKS = (
    ("stratified", "^", "#d55e00"),
    ("influence", "s", "#009e73"),
    ("optimal", "o", "#0072b2"),
)


@dataclass(frozen=True)
class Cell:
    """A study with all labels, of which some are drawn."""

    data: pd.DataFrame
    formula: str
    truth: float
    coefficient: str = "x"
    proxy: Any = field(default_factory=lambda: {"y": "llm"})
    family: Any = field(default_factory=sm.families.Gaussian)
    auxiliary: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)


def linear(
    seed: int, spread: Callable[..., Any], *, skewed: bool = False, **more: Any
) -> Cell:
    """A linear model whose proxy errs by as much as a function of x and z says."""
    rng, size = np.random.default_rng(seed), 6000
    x, z = rng.normal(size=size), rng.random(size)
    x = np.exp(x) if skewed else x
    y = 1.0 + 0.5 * x + rng.normal(size=size)
    llm = y + spread(x, z) * rng.normal(size=size)
    data = pd.DataFrame({"y": y, "x": x, "z": z, "llm": llm})
    data["second"] = y + 1.5 * rng.normal(size=size)
    data["stratum"] = pd.qcut(data["z"], 4, labels=False)
    return Cell(data, "y ~ x", 0.5, auxiliary=("z",), **more)


def flat(seed: int) -> Cell:
    """Errors are alike everywhere."""
    return linear(seed, lambda x, z: 1.0 + 0.0 * x)


def quarter(seed: int) -> Cell:
    """Errors concentrate in a quarter of the units."""
    return linear(seed, lambda x, z: np.where(z > 0.75, 2.0, 0.2))


def adverse(seed: int) -> Cell:
    """Errors are small where x is far from its mean."""
    return linear(seed, lambda x, z: 1.0 / (0.3 + np.abs(x)))


def skewed(seed: int) -> Cell:
    """A regressor with a long tail."""
    return linear(seed, lambda x, z: 1.0 + 0.0 * x, skewed=True)


def two(seed: int) -> Cell:
    """Two proxies."""
    proxy = {"one": {"y": "llm"}, "two": {"y": "second"}}
    return linear(seed, lambda x, z: np.where(z > 0.75, 2.0, 0.2), proxy=proxy)


def weighted(seed: int) -> Cell:
    """Survey weights."""
    cell = flat(seed)
    cell.data["w"] = np.random.default_rng(seed + 1).uniform(0.5, 2.0, len(cell.data))
    cell.options["weights"] = "w"
    return cell


def clustered(seed: int) -> Cell:
    """Units in clusters of ten that have something in common."""
    cell = flat(seed)
    rng = np.random.default_rng(seed + 1)
    cell.data["c"] = np.arange(len(cell.data)) // 10
    shift = 0.5 * rng.normal(size=len(cell.data) // 10)[cell.data["c"]]
    for name in ("y", "llm"):
        cell.data[name] += shift
    cell.fit.update(cov_type="cluster", cov_kwds={"groups": "c"})
    return cell


def coded(seed: int) -> Cell:
    """A regressor that people code and the model guesses."""
    cell = flat(seed)
    rng = np.random.default_rng(seed + 1)
    cell.data["x_llm"] = cell.data["x"] + 0.5 * rng.normal(size=len(cell.data))
    cell.proxy["x"] = "x_llm"
    return cell


def mean(seed: int) -> Cell:
    """A mean, where nothing can be gained."""
    cell = flat(seed)
    return Cell(
        cell.data, "y ~ 1", 1.0, "Intercept", auxiliary=("z",), proxy=cell.proxy
    )


def prevalence(seed: int) -> Cell:
    """A share; probabilities of the model are sure in three quarters of the units."""
    rng, size = np.random.default_rng(seed), 6000
    z = rng.random(size)
    y = rng.random(size) < np.where(z > 0.75, 0.5, rng.choice([0.02, 0.98], size))
    llm = np.where(z > 0.75, 0.5, np.where(y, 0.98, 0.02))
    flip = (z <= 0.75) & (rng.random(size) < 0.02)
    llm = np.where(flip, 1.0 - llm, llm)
    data = pd.DataFrame({"y": y * 1.0, "z": z, "llm": llm})
    data["stratum"] = pd.qcut(data["z"], 4, labels=False)
    return Cell(data, "y ~ 1", 0.5, "Intercept")


def rare(seed: int) -> Cell:
    """A logit with a dummy that one unit in twenty has."""
    rng, size = np.random.default_rng(seed), 6000
    x, z = (rng.random(size) < 0.05) * 1.0, rng.normal(size=size)
    y = rng.random(size) < 1.0 / (1.0 + np.exp(0.3 - 0.8 * x - 0.5 * z))
    llm = np.where(rng.random(size) < 0.85, y, ~y)
    data = pd.DataFrame({"y": y * 1.0, "x": x, "z": z, "llm": llm * 1.0})
    data["stratum"] = x
    return Cell(data, "y ~ x + z", 0.8, family=sm.families.Binomial())


def _real(
    table: pd.DataFrame, formula: str, name: str, family: Any, **more: Any
) -> Cell:
    full = sm.formula.glm(formula, table, family=family).fit()
    return Cell(table, formula, full.params[name], name, family=family, **more)


def politeness(seed: int) -> Cell:
    """Requests and their politeness: first person plural, which is rare."""
    del seed
    table = pd.read_csv(SHARED / "politeness.csv")
    table["stratum"] = table["first_person_pl"]
    return _real(
        table,
        "y ~ hashedge + first_person_pl + n_words",
        "first_person_pl",
        sm.families.Binomial(),
        proxy={"y": "yhat_gpt4o"},
        auxiliary=("conf_gpt4o",),
    )


def hedges(seed: int) -> Cell:
    """The same for hedges, which are frequent."""
    cell = politeness(seed)
    return _real(
        cell.data.assign(stratum=cell.data["hashedge"]),
        cell.formula,
        "hashedge",
        cell.family,
        proxy=cell.proxy,
        auxiliary=cell.auxiliary,
    )


def twins(seed: int) -> Cell:
    """Attitudes of people and of their digital twins."""
    del seed
    names = ["Redistribution_1", "Fairness", "Trust", "Work_vs_Luck"]
    wide = pd.read_csv(SHARED / "twin_wide.csv")
    columns = {f"h_{n}": n for n in names} | {f"l_{n}": f"llm_{n}" for n in names}
    table = wide[list(columns)].rename(columns=columns).dropna()
    table["stratum"] = pd.qcut(
        table["llm_Work_vs_Luck"], 4, duplicates="drop"
    ).cat.codes
    formula = "Redistribution_1 ~ Fairness + Trust + Work_vs_Luck"
    return _real(
        table,
        formula,
        "Work_vs_Luck",
        sm.families.Gaussian(),
        proxy={"Redistribution_1": "llm_Redistribution_1"},
    )


CELLS: dict[str, Callable[[int], Cell]] = {
    "flat": flat,
    "quarter": quarter,
    "adverse": adverse,
    "skewed": skewed,
    "two": two,
    "weighted": weighted,
    "clustered": clustered,
    "coded": coded,
    "mean": mean,
    "prevalence": prevalence,
    "rare": rare,
    "politeness": politeness,
    "hedges": hedges,
    "twins": twins,
}
_REAL = ("politeness", "hedges", "twins")


def fitted(cell: Cell, drawn: pd.DataFrame, *, strata: bool = False) -> Any:
    """The fit with the labels that were drawn."""
    outcome = cell.formula.split(" ~ ")[0]
    labeled = drawn["drawn"]
    if "labeled" in drawn:
        labeled = labeled | drawn["labeled"]
    table = cell.data.assign(labeling=drawn["labeling_prob"])
    people = {outcome} | ({"x"} if "x" in cell.proxy else set())
    for name in people:
        table[name] = table[name].where(labeled)
    options = {"strata": "stratum"} if strata else {"labeling_prob": "labeling"}
    model = AugmentedGMM.from_formula(
        cell.formula,
        table,
        proxy=cell.proxy,
        family=cell.family,
        **options,
        **cell.options,
    )
    return model.fit(**cell.fit)


def _without_pilot(cell: Cell, units: pd.DataFrame, seed: int) -> Any:
    """The fit with labels that were drawn by regressors and proxies alone."""
    if "x" in cell.proxy:
        units = units.drop(columns="x")
    drawn = draw_labels(
        units,
        PILOT + WAVE,
        "influence",
        formula=cell.formula,
        proxy=dict(cell.proxy),
        for_=cell.coefficient,
        family=cell.family,
        seed=seed,
    )
    return fitted(cell, drawn)


def _in_waves(
    cell: Cell, units: pd.DataFrame, design: str, seed: int
) -> tuple[Any, float]:
    """The fit with a pilot and a wave, and the width that its plan says."""
    first = PILOT if design != "random" else PILOT + WAVE
    result = fitted(cell, draw_labels(units, first, seed=seed))
    if design == "random":
        return result, np.nan
    more: dict[str, Any] = {}
    if design == "stratified":
        more["strata"] = "stratum"
    elif design == "optimal" and cell.auxiliary:
        more["auxiliary"] = list(cell.auxiliary)
    drawn = draw_labels(
        units, WAVE, design, pilot=result, for_=cell.coefficient, seed=seed, **more
    )
    final = fitted(cell, drawn, strata=design == "stratified")
    expected = np.nan
    if design in ("influence", "optimal"):
        plan = result.plan().designs(PILOT + WAVE, coefficients=cell.coefficient)
        width = plan.loc[cell.coefficient]["width"]
        expected = width[design] / width["random"]
    return final, expected


def one(name: str, design: str, seed: int) -> tuple[float, ...] | None:
    """Error, width, whether covered, and what the plan says of it, in one draw."""
    warnings.simplefilter("ignore")
    cell = CELLS[name](seed)
    units = cell.data.drop(columns=cell.formula.split(" ~ ")[0])
    try:
        if design == "influence alone":
            result, said = _without_pilot(cell, units, seed), np.nan
        else:
            result, said = _in_waves(cell, units, design, seed)
    except SynthError:
        return None
    low, high = result.conf_int().loc[cell.coefficient]
    error = result.params[cell.coefficient] - cell.truth
    return error, high - low, float(low <= cell.truth <= high), said


def row(name: str, design: str, draws: int, jobs: int) -> dict[str, Any]:
    """Summary of the draws of a cell and a design."""
    found = Parallel(jobs)(delayed(one)(name, design, seed) for seed in range(draws))
    kept = np.array([values for values in found if values is not None], dtype=float)
    if not len(kept):
        return {"cell": name, "design": design, "draws": 0}
    error, width, covered, said = kept.T
    share = covered.mean()
    return {
        "cell": name,
        "design": design,
        "draws": len(kept),
        "rmse": np.sqrt(np.mean(error**2)),
        "width": width.mean(),
        "coverage": share,
        "mc_error": np.sqrt(share * (1.0 - share) / len(kept)),
        "expected": said.mean(),
    }


#: Studies in the words of the table of the documentation.
SHOWN = {
    "flat": "errors alike everywhere",
    "quarter": "errors in a quarter of the units",
    "adverse": "errors small at the ends of x",
    "skewed": "log-normal x",
    "two": "two proxies",
    "weighted": "survey weights",
    "clustered": "clusters of ten",
    "coded": "x coded by people, too",
    "mean": "a mean",
    "prevalence": "a share, sure in three quarters",
    "rare": "logit, dummy of 1 in 20",
    "politeness": "politeness, first person plural",
    "hedges": "politeness, hedges",
    "twins": "digital twins",
}


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: width and coverage of each design."""
    for name, shown in SHOWN.items():
        if name in _REAL and not SHARED.exists():
            continue
        found = {}
        for design in DESIGNS:
            every = Parallel(jobs)(
                delayed(one)(name, design, seed) for seed in range(first, first + draws)
            )
            kept = [own for own in every if own is not None]
            found[design] = np.array(kept, dtype=float).reshape(-1, 4)
        base, row = found.pop("random")[:, 1], []
        for own in found.values():
            if not len(own):  # this design is refused here
                row += [UNKNOWN, UNKNOWN]
                continue
            row += [ratio_of_means(own[:, 1], base), share_of(own[:, 2])]
        yield (shown,), row


def refused_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Per cent of the draws in which a pilot with a rare dummy cannot be fitted."""
    found = Parallel(jobs)(
        delayed(one)("rare", "influence", seed) for seed in range(first, first + draws)
    )
    yield ("refused",), [share_of([own is None for own in found]).times(100.0)]


def rows_of(name: str, draws: int, jobs: int) -> pd.DataFrame:
    """The rows of a cell, from a file where they are finished."""
    file = OUTPUT / f"{name}-{draws}.csv"
    if file.exists():
        return pd.read_csv(file)
    own = pd.DataFrame([row(name, design, draws, jobs) for design in DESIGNS])
    for measure in ("rmse", "width"):
        own[f"{measure}_ratio"] = own[measure] / own[measure][0]
    OUTPUT.mkdir(exist_ok=True)
    own.to_csv(file, index=False)
    return own


def draw(table: pd.DataFrame, file: str) -> None:
    """Widths by cell and design, and what plans said of them."""
    cells = list(dict.fromkeys(table["cell"]))
    figure, ax = plt.subplots(figsize=(6.4, 0.8 + 0.42 * len(cells)), layout="tight")
    for place, (design, marker, color) in enumerate(_MARKS):
        own = table[table["design"] == design].set_index("cell").reindex(cells)
        at = np.arange(len(cells)) + 0.2 * (place - 1)
        ax.plot(own["width_ratio"], at, marker, color=color, label=design)
        ax.plot(own["expected"], at, marker, color=color, fillstyle="none")
    ax.plot([], [], "ko", fillstyle="none", label="as the plan said")
    ax.axvline(1.0, color="0.6", linewidth=1.0)
    ax.set_yticks(np.arange(len(cells)), cells)
    ax.set_ylim(len(cells) - 0.4, -0.6)
    ax.set_xlim(0.35, 1.05)
    ax.set_xlabel("Width of the interval over that of as many labels at random")
    ax.legend(frameon=False, loc="lower left")
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=150)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", metavar="cell", default=list(CELLS))
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--figure", metavar="FILE")
    given = parser.parse_args()
    names = [c for c in given.cells if c not in _REAL or SHARED.exists()]
    tables = [rows_of(name, given.draws, given.jobs) for name in tqdm(names)]
    table = pd.concat(tables, ignore_index=True)
    print(table.round(3).to_string(index=False))
    if given.figure:
        draw(table, given.figure)


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.sampling  # noqa: PLW0406

    benchmarks.sampling.main()

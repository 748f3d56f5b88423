"""
Size and power of the tests that ``result.diagnostics()`` takes its verdict from.

Run from the root of the repository::

    python -m benchmarks.diagnostics                 # everything; about an hour
    python -m benchmarks.diagnostics --draws 200     # a rough look

Finished cells are kept in ``diagnostics-output/cells.csv``; run the command again and
it goes on where it stopped. In the end tables are printed: shares of draws with a
p-value below .05, in per cent, with the Monte Carlo standard error.

A cell is a design, a kind of gaps, whether regressors are missing, and what is wrong:

- ``plain``: 200 of 2,000 units are labelled at random;
- ``strata``: fixed numbers in four strata, from 5 to 25 per cent of each;
- ``probabilities``: each unit with its own, from 2 to 40 per cent, which depends on x;
- ``clusters``: 25 of 100 clusters of 4 to 36 units, and all their units;
- ``clusters, part``: units drawn at random, and clusters of units that are alike.

Gaps of the source: ``rare``, 4 units (clustered designs: in 3 clusters); ``common``,
one in five units, which goes with the stratum, the probability or the cluster. Missing
regressors: one in twenty units has no x, and then neither label nor row in the source.

The source is right where nothing is wrong: an outcome of the same law, half of the time
that of the unit. ``coverage``: the source lacks labelled units three times as often.
``selection``: the units with high outcomes are labelled. ``shown``: labelled units have
the label, the others are off by .5. ``biased``: the slope is off by .4.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
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

from benchmarks.measured import UNKNOWN, Measured, share_of
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.diagnostics import Diagnostics
from statsmodels_synth.diagnostics.coverage import Drawn, coverage_gap

Floats = NDArray[np.float64]
DESIGNS = ("plain", "strata", "probabilities", "clusters", "clusters, part")
GAPS = ("none", "rare", "common")
WRONG = ("coverage", "selection", "shown", "biased")
UNITS, LABELS, CLUSTERS = 2_000, 200, 100
TESTS = ("coverage", "J", "bias", "single bias", "groups", "doubt")


@dataclass(frozen=True)
class Cell:
    """One design to simulate."""

    design: str
    gaps: str
    missing: bool
    wrong: str = "nothing"


def _labeled(cell: Cell, x: Floats, y: Floats, rng: Any) -> tuple[Any, dict, dict, Any]:
    """Labelled units, options of model and fit, and what gaps go with (0 to 1)."""
    size = len(x)
    urge = y if cell.wrong == "selection" else np.zeros(size)
    if cell.design.startswith("clusters"):
        # Clusters of 4 to 36 units, numbered in the order of the units.
        share = 1.0 + (np.arange(CLUSTERS) * 37 % CLUSTERS) / 12.0
        group = np.searchsorted(np.cumsum(share) / share.sum(), rng.random(size))
        group = np.sort(group)
        level = rng.beta(0.5, 2.0, CLUSTERS)[group]
        fit = {"cov_type": "cluster", "cov_kwds": {"groups": group}}
        if cell.design == "clusters":
            sizes = np.bincount(group, minlength=CLUSTERS)
            mean = np.bincount(group, urge, CLUSTERS) / np.maximum(sizes, 1)
            order = np.argsort(rng.normal(size=CLUSTERS) - 2.0 * mean)
            return np.isin(group, order[: CLUSTERS // 4]), {}, fit, level
        order = np.argsort(rng.normal(size=size) - urge)
        return np.isin(np.arange(size), order[:LABELS]), {}, fit, level
    if cell.design == "strata":
        strata = np.digitize(x, [-0.7, 0.0, 0.7])
        labeled = np.zeros(size, dtype=bool)
        for h, share in enumerate((0.05, 0.08, 0.12, 0.25)):
            own = np.flatnonzero(strata == h)
            order = np.argsort(rng.normal(size=len(own)) - urge[own])
            labeled[own[order[: int(share * len(own))]]] = True
        level = np.array([0.05, 0.1, 0.25, 0.4])[strata]
        return labeled, {"strata": strata}, {}, level
    if cell.design == "probabilities":
        prob = np.clip(0.08 * np.exp(0.8 * x), 0.02, 0.4)
        labeled = rng.random(size) < np.clip(prob * np.exp(0.7 * urge - 0.7), 0, 1)
        if cell.wrong != "selection":
            labeled = rng.random(size) < prob
        return labeled, {"labeling_prob": prob}, {}, np.clip(1.5 * prob, 0, 0.6)
    order = np.argsort(rng.normal(size=size) - urge)
    return np.isin(np.arange(size), order[:LABELS]), {}, {}, np.full(size, 0.2)


def _lacking(cell: Cell, labeled: Any, level: Floats, fit: dict, rng: Any) -> Any:
    """Units without a row in the source."""
    size = len(labeled)
    if cell.wrong == "coverage":
        return rng.random(size) < np.clip(level * np.where(labeled, 3.0, 1.0), 0, 0.9)
    if cell.gaps == "common":
        return rng.random(size) < level
    lacking = np.zeros(size, dtype=bool)
    if cell.gaps == "rare":
        lacking[rng.choice(size, 4, replace=False)] = True
        if fit:  # the first two next to each other, so mostly in one cluster
            first = np.flatnonzero(lacking)[0]
            lacking[[np.flatnonzero(lacking)[1], min(first + 1, size - 1)]] = (
                False,
                True,
            )
    return lacking


@dataclass(frozen=True)
class Sample:
    """One simulated sample, as the array interface takes it."""

    endog: Floats
    exog: Floats
    guess: Floats
    by: Floats
    options: dict[str, Any]
    fit: dict[str, Any]


def simulate(cell: Cell, seed: int) -> Sample:
    """Labels, regressors, source and groups."""
    # Draws of different cells are independent.
    rng = np.random.default_rng([seed, *repr(cell).encode()])
    x = rng.normal(size=UNITS)
    y, again = 1.0 + 0.5 * x + rng.normal(size=(2, UNITS))
    labeled, options, fit, level = _labeled(cell, x, y, rng)
    if fit:  # units of a cluster have something in common
        common = rng.normal(scale=0.5, size=CLUSTERS)[fit["cov_kwds"]["groups"]]
        y, again = y + common, again + common
    guess = np.where(rng.random(UNITS) < 0.5, again, y)
    if cell.wrong == "shown":
        guess = np.where(labeled, y, guess + 0.5)
    if cell.wrong == "biased":
        guess = guess + 0.4 * x
    guess[_lacking(cell, labeled, level, fit, rng)] = np.nan
    design = np.column_stack([np.ones(UNITS), x])
    if cell.missing:
        # Those with a high x are asked less often for it.
        design[rng.random(UNITS) < 0.1 * (x > 0), 1] = np.nan
    endog = np.where(labeled, y, np.nan)
    by = (rng.random(UNITS) < 0.4).astype(float)
    return Sample(endog, design, guess, by, options, fit)


def diagnosis(sample: Sample) -> Diagnostics | None:
    """Diagnostics of a sample; None where the fit is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = AugmentedGMM(
                sample.endog,
                sample.exog,
                proxy={"s": (sample.guess, sample.exog)},
                **sample.options,
            )
            return model.fit(**sample.fit).diagnostics(by=sample.by)
        except ValueError:
            return None


def coverage_pvalue(sample: Sample) -> float:
    """P-value of the test of coverage alone, which needs no fit."""
    complete = np.isfinite(sample.exog[:, 1])
    labeled = np.isfinite(sample.endog) & complete
    prob, fit = sample.options.get("labeling_prob"), sample.fit
    weights = np.ones(int(labeled.sum())) if prob is None else 1.0 / prob[labeled]
    groups = fit["cov_kwds"]["groups"] if fit else None
    strata = sample.options.get("strata")
    drawn = Drawn(labeled, complete, weights, strata, prob, groups)
    return coverage_gap(np.isfinite(sample.guess) & complete, drawn).pvalue


def pvalues(found: Diagnostics) -> Floats:
    """P-value of each test, and 0 where the verdict says not to rely on it."""
    tests = found.bias_tests.iloc[0], found.subgroup_tests.iloc[0]
    smallest = float(found.bias["pvalue"].iloc[1])
    doubt = any("Do not rely" in text for text in found.verdict)
    return np.array(
        [
            found.coverage["pvalue"].iloc[0],
            found.representativeness["pvalue"].iloc[0],
            tests[0]["pvalue"],
            smallest,
            tests[1]["pvalue"],
            0.0 if doubt else 1.0,
        ]
    )


def _draws(cell: Cell, seeds: range) -> list[Floats | None]:
    found = [diagnosis(simulate(cell, seed)) for seed in seeds]
    return [None if own is None else pvalues(own) for own in found]


def _coverage(cell: Cell, seeds: range) -> list[float]:
    return [coverage_pvalue(simulate(cell, seed)) for seed in seeds]


def study(cell: Cell, draws: int, jobs: int = 1) -> dict[str, Any]:
    """Simulate a cell: a row of the table; a test that is not made does not reject."""
    parts = [range(i, draws, 4 * jobs) for i in range(4 * jobs)]
    results = Parallel(jobs)(delayed(_draws)(cell, part) for part in parts)
    values = np.array([v for part in results for v in part if v is not None])
    row = asdict(cell) | {"draws": len(values), "refused": draws - len(values)}
    # Where every draw is refused no test is made.
    shares = (values < 0.05).mean(axis=0) if len(values) else [np.nan] * len(TESTS)
    row |= dict(zip(TESTS, shares, strict=True))
    if cell.gaps != "none":
        # The test of coverage is cheap: ten times as many draws.
        parts = [range(i, 10 * draws, 4 * jobs) for i in range(4 * jobs)]
        found = Parallel(jobs)(delayed(_coverage)(cell, part) for part in parts)
        row["coverage"] = np.mean([p < 0.05 for part in found for p in part])
    return row


def grid() -> Iterator[Cell]:
    """All cells: sizes, then power."""
    for design in DESIGNS:
        for missing in (False, True):
            for gaps in GAPS:
                yield Cell(design, gaps, missing)
    for design in DESIGNS:
        for wrong in WRONG:
            gaps = "common" if wrong == "coverage" else "rare"
            yield Cell(design, gaps, True, wrong)


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: per cent of draws with p < .05."""
    for cell in [own for own in grid() if own.wrong == "nothing"]:
        seeds = range(first, first + draws)
        parts = Parallel(jobs)(delayed(_draws)(cell, seeds[k::8]) for k in range(8))
        values = np.array([v for part in parts for v in part if v is not None])
        row = [
            share_of(values[:, k] < 0.05).times(100.0) for k in range(len(TESTS) - 1)
        ]
        row[0] = UNKNOWN
        if cell.gaps != "none":
            seeds = range(10 * first, 10 * (first + draws))
            found = Parallel(jobs)(
                delayed(_coverage)(cell, seeds[k::8]) for k in range(8)
            )
            hits = [p < 0.05 for part in found for p in part]
            row[0] = share_of(hits).times(100.0)
        yield (cell.design, cell.gaps, "yes" if cell.missing else "no"), row


#: What is wrong, in the words of the documentation, and the test that should see it.
POWER = {
    "lacks labelled units three times as often": ("coverage", "coverage"),
    "is .5 off for unlabelled units only": ("shown", "J"),
    "is made alike, but labels prefer high outcomes": ("selection", "J"),
    "has a slope that is .4 off": ("biased", "bias"),
}


def power_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of power: per cent of draws with p < .05, by design."""
    for shown, (wrong, test) in POWER.items():
        row = []
        for design in DESIGNS:
            gaps = "common" if wrong == "coverage" else "rare"
            cell = Cell(design, gaps, True, wrong)
            seeds = range(first, first + draws)
            parts = Parallel(jobs)(delayed(_draws)(cell, seeds[k::8]) for k in range(8))
            kept = [v for part in parts for v in part if v is not None]
            hits = [v[TESTS.index(test)] < 0.05 for v in kept]
            # Where most are refused there is no test.
            told = share_of(hits).times(100.0) if len(kept) > draws / 2 else UNKNOWN
            row.append(told)
        yield (shown, test), row


#: Sources that agree nearly perfectly: share that is right, and whether labels were
#: copied into it.
AGREE = {
    "labels copied, others right in 85 %": (0.85, True),
    "made alike, right in 90 %": (0.90, False),
    "made alike, right in 97 %": (0.97, False),
    "made alike, right in 98 %": (0.98, False),
    "made alike, right in 99 %": (0.99, False),
}


#: Constants of the logit: an outcome of 1 in half of the units, or in one of eight.
OFTEN, RARE = 0.0, -2.3


def agreeing(
    right: float, copied: bool, constant: float, seed: int
) -> tuple[bool, bool]:
    """Whether the verdict asks if labels were shown, and whether it says "Rely"."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=UNITS)
    y = (rng.random(UNITS) < expit(constant + x)).astype(float)
    labeled = rng.permutation(UNITS) < LABELS
    guess = np.where(rng.random(UNITS) < right, y, 1.0 - y)
    guess = np.where(labeled & copied, y, guess)
    design = np.column_stack([np.ones(UNITS), x])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = AugmentedGMM(
            np.where(labeled, y, np.nan),
            design,
            proxy={"s": (guess, design)},
            family=sm.families.Binomial(),
        ).fit()
        verdict = " ".join(result.diagnostics().verdict)
    return "labels were copied into the source" in verdict, "Rely on" in verdict


def agreeing_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of sources that agree nearly perfectly, in per cent."""
    for shown, (right, copied) in AGREE.items():
        row = []
        for constant in (OFTEN, RARE):
            found = Parallel(jobs)(
                delayed(agreeing)(right, copied, constant, seed)
                for seed in range(first, first + draws)
            )
            row += [share_of(k).times(100.0) for k in zip(*found, strict=True)]
        yield (shown,), row


def run(cells: list[Cell], draws: int, path: Path, jobs: int) -> pd.DataFrame:
    """Simulate what is not in the file yet."""
    names = [f.name for f in fields(Cell)]
    done = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=names)
    known = {tuple(row) for row in done[names].itertuples(index=False)}
    for cell in tqdm([c for c in cells if tuple(asdict(c).values()) not in known]):
        # Power need not be known as closely as size.
        own = draws if cell.wrong == "nothing" else max(draws // 4, 1)
        row = pd.DataFrame([study(cell, own, jobs)])
        row.to_csv(path, mode="a", header=not path.exists(), index=False)
    return pd.read_csv(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Size and power of the diagnostics")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=cpu_count())
    parser.add_argument("--out", type=Path, default=Path("diagnostics-output"))
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    pd.set_option("display.width", 200, "display.max_columns", 30)
    path = given.out / "cells.csv"
    table = run(list(grid()), given.draws, path, given.jobs)
    print("Shares of draws with p < .05, in per cent.")
    shown = table.assign(**{test: 100 * table[test] for test in TESTS})
    null = table["wrong"] == "nothing"
    for title, part, at in (("Size", null, 0.05), ("Power", ~null, 0.5)):
        error = 100 * np.sqrt(at * (1 - at) / shown.loc[part, "draws"].min())
        print(f"\n{title} (Monte Carlo standard error at {100 * at:.0f}: {error:.1f})")
        print(shown[part].round(1).to_string(index=False))


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.diagnostics  # noqa: PLW0406

    benchmarks.diagnostics.main()

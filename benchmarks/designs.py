"""
Every design, heavy tails and odd weights: error and coverage of the default.

Run from the root of the repository::

    python -m benchmarks.designs                     # about 20 minutes on two cores
    python -m benchmarks.designs --draws 200 "4 strata" "60 clusters"

Finished cells are kept in ``designs-output``: run it again and it goes on. Each
row of the table is a cell: squared errors of all coefficients as ratios to those of the
labels alone (mean over coefficients, with its Monte Carlo error, and the largest), the
width of 95 % intervals as a ratio to those of the labels alone, and the lowest and
highest coverage of a coefficient. Rivals are those that are valid in the design.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, cpu_count, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy import stats
import statsmodels.api as sm
from tqdm import tqdm

from benchmarks.measured import Measured, Span, ratio_of, ratio_of_medians, span_of
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.estimators import predict_then_debias
from statsmodels_synth.exceptions import SynthError, SynthWarning

Array = NDArray[Any]
Rng = np.random.Generator
FAMILIES = {
    "gaussian": sm.families.Gaussian(),
    "logit": sm.families.Binomial(),
    "probit": sm.families.Binomial(sm.families.links.Probit()),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
}


@dataclass(frozen=True)
class Study:
    """One simulated study; `options` are those of the model, `groups` its clusters."""

    x: Array
    y: Array
    labeled: Array
    sources: list[tuple[Array, Array]]
    truth: Array
    family: str = "gaussian"
    options: dict[str, Any] = field(default_factory=dict)
    groups: Array | None = None


def columns(*parts: Array) -> Array:
    """A constant and regressors."""
    return np.column_stack([np.ones(len(parts[0])), *parts])


def some(rng: Rng, size: int, n: int) -> Array:
    """A random sample of n units."""
    chosen = np.zeros(size, dtype=bool)
    chosen[rng.choice(size, n, replace=False)] = True
    return chosen


def draw(rng: Rng, family: str, linear: Array) -> Array:
    """An outcome of a model."""
    if family == "gaussian":
        return np.asarray(linear + rng.normal(size=len(linear)))
    if family == "poisson":
        return rng.poisson(np.exp(linear)).astype(float)
    if family == "gamma":
        return np.asarray(rng.gamma(2.0, np.exp(linear) / 2.0))
    law = stats.logistic if family == "logit" else stats.norm
    return (rng.random(len(linear)) < law.cdf(linear)).astype(float)


def usual(
    rng: Rng, family: str, n: int, k: int, rate: float, p: int = 3, slope: float = 1.0
) -> Study:
    """Sources whose outcome is another one for a share of the units, x with noise."""
    size = max(1000, 2 * n)
    x = columns(rng.normal(size=(size, p - 1))) if p > 1 else np.ones((size, 1))
    truth = np.r_[0.3, np.full(p - 1, slope / np.sqrt(max(p - 1, 1)))]
    y = draw(rng, family, x @ truth)
    sources = []
    for _ in range(k):
        other = draw(rng, family, x[rng.permutation(size)] @ truth)
        own = x.copy()
        own[:, 1:] += 0.3 * rng.normal(size=(size, p - 1))
        sources.append((np.where(rng.random(size) < rate, other, y), own))
    return Study(x, y, some(rng, size, n), sources, truth, family)


def errors(rng: Rng, kind: str, n: int = 80) -> Study:
    """Errors that are not normal, not of one size, or not symmetric."""
    size = 1000
    x = rng.normal(size=size)
    noise = {
        "heavy": lambda: rng.standard_t(3, size),
        "skewed": lambda: rng.exponential(size=size) - 1.0,
        "growing": lambda: rng.normal(size=size) * np.exp(0.7 * x),
    }[kind]()
    y = 0.3 + x + noise
    guess = np.where(rng.random(size) < 0.2, 0.3 + x + rng.permutation(noise), y)
    truth = np.array([0.3, 1.0])
    return Study(columns(x), y, some(rng, size, n), [(guess, columns(x))], truth)


def strata(rng: Rng, slope: bool, per: int = 50, groups: int = 4) -> Study:
    """A source that is off by stratum, in which the outcome differs."""
    size = max(4000, groups * per * 4) // groups * groups
    g = np.repeat(np.arange(groups), size // groups)
    x = rng.normal(size=size)
    y = 4.0 * g / groups + 0.5 * x * slope + rng.normal(size=size)
    guess = y + 0.5 * rng.normal(size=size) - 8.0 * g / groups
    labeled = np.zeros(size, dtype=bool)
    for h in range(groups):
        labeled[rng.choice(np.flatnonzero(g == h), per, replace=False)] = True
    exog = columns(x) if slope else np.ones((size, 1))
    truth = np.array([2.0 * (groups - 1) / groups, 0.5])[: exog.shape[1]]
    return Study(exog, y, labeled, [(guess, exog)], truth, options={"strata": g})


def clusters(rng: Rng, labelled: int, of_all: int, guess: str, per: int = 10) -> Study:
    """Labels in some or all clusters; the source has effects of clusters of its own."""
    size = of_all * 40
    g = np.arange(size) % of_all
    x = 0.7 * rng.normal(size=of_all)[g] + rng.normal(size=size)
    y = 0.3 + 0.5 * x + 0.5 * rng.normal(size=of_all)[g] + rng.normal(size=size)
    labeled = np.zeros(size, dtype=bool)
    for c in range(labelled):
        labeled[rng.choice(np.flatnonzero(g == c), per, replace=False)] = True
    off = 0.8 * rng.normal(size=of_all)[g]
    said = {
        "useless": rng.normal(size=size),
        "ordinary": y + 0.8 * rng.normal(size=size) + off / 2,
        "off by cluster": y + 0.4 * rng.normal(size=size) - 1.5 * off,
        "good": y + 0.3 * rng.normal(size=size),
    }[guess]
    exog, truth = columns(x), np.array([0.3, 0.5])
    return Study(exog, y, labeled, [(said, exog)], truth, groups=g)


def probabilities(
    rng: Rng, low: float, high: float, size: int, family: str = "gaussian"
) -> Study:
    """Units are labelled more often where the proxy is high."""
    x = rng.normal(size=size)
    truth = np.array([0.2, 0.6])
    y = draw(rng, family, columns(x) @ truth)
    wrong = rng.random(size) < 0.15
    guess = np.where(wrong, draw(rng, family, columns(x) @ truth), y)
    prob = np.where(guess + x > np.median(guess + x) + 1.0, high, low)
    labeled = rng.random(size) < prob
    options = {"labeling_prob": prob}
    return Study(columns(x), y, labeled, [(guess, columns(x))], truth, family, options)


def weights(rng: Rng, n: int = 150) -> Study:
    """Survey weights that go along with outcome and regressor."""
    size = 1500
    x, e = rng.normal(size=(2, size))
    y = 0.2 + 0.5 * x + e
    weight = np.exp(0.5 * x + 0.5 * e)
    # The weighted mean moves along both by 0.5.
    guess = y + 0.7 * rng.normal(size=size)
    exog, truth = columns(x), np.array([0.7, 0.5])
    options = {"weights": weight}
    return Study(exog, y, some(rng, size, n), [(guess, exog)], truth, options=options)


def skewed(rng: Rng, n: int, noise_by_x: bool = False) -> Study:
    """A log-normal regressor and a source that is curved in it."""
    size = max(3000, 3 * n)
    x = np.exp(rng.normal(size=size))
    e = rng.normal(size=size) * (x / 2.0 if noise_by_x else 1.0)
    y = 0.3 + x + e
    guess = 0.6 * y + 0.5 * rng.normal(size=size) + np.sqrt(x)
    exog, truth = columns(x), np.array([0.3, 1.0])
    return Study(exog, y, some(rng, size, n), [(guess, exog)], truth)


def dummy(rng: Rng, ones: int, n: int = 100) -> Study:
    """A dummy that is set for few labelled units."""
    size = 1000
    x = rng.normal(size=size)
    labeled = some(rng, size, n)
    rare = rng.random(size) < ones / n
    rare[labeled] = False
    rare[rng.choice(np.flatnonzero(labeled), ones, replace=False)] = True
    exog, truth = columns(x, rare.astype(float)), np.array([0.3, 1.0, 0.5])
    y = exog @ truth + rng.normal(size=size)
    guess = np.where(rng.random(size) < 0.15, rng.permutation(y), y)
    return Study(exog, y, labeled, [(guess, exog)], truth)


def partly(rng: Rng, selective: bool, n: int = 150) -> Study:
    """A source that covers 30 % of the units, at random or by x."""
    study = usual(rng, "gaussian", n, 1, 0.15)
    size = len(study.y)
    share = np.where(study.x[:, 1] > 0.0, 0.5, 0.1) if selective else 0.3
    guess, exog = study.sources[0]
    guess = np.where(rng.random(size) < share, guess, np.nan)
    return Study(study.x, study.y, study.labeled, [(guess, exog)], study.truth)


def guessed(rng: Rng, n: int = 150) -> Study:
    """A regressor that only labelled units have; elsewhere a model guesses it, too."""
    size = 1500
    known, coded = rng.normal(size=(2, size))
    coded += 0.5 * known
    truth = np.array([0.3, 0.6, 0.8])
    y = columns(known, coded) @ truth + rng.normal(size=size)
    sources = []
    for noise in (0.6, 1.2):
        own = 0.7 * coded + noise * rng.normal(size=size) + 0.2
        sources.append((y + 0.8 * rng.normal(size=size), columns(known, own)))
    return Study(columns(known, coded), y, some(rng, size, n), sources, truth)


def strata_of_clusters(rng: Rng, guess: str) -> Study:
    """Labels in a fixed number per stratum, from clusters that lie within strata."""
    groups, per_stratum, of_cluster, labels = 4, 12, 40, 40
    c = np.repeat(np.arange(groups * per_stratum), of_cluster)
    g, size = c // per_stratum, len(c)
    x = rng.normal(size=size) + 0.5 * rng.normal(size=c.max() + 1)[c]
    y = 0.5 * g + 0.5 * x + 0.5 * rng.normal(size=c.max() + 1)[c]
    y += rng.normal(size=size)
    off = -g if guess == "off by stratum" else 0.5 * rng.normal(size=c.max() + 1)[c]
    said = y + off + 0.5 * rng.normal(size=size)
    labeled = np.zeros(size, dtype=bool)
    for h in range(groups):
        labeled[rng.choice(np.flatnonzero(g == h), labels, replace=False)] = True
    exog, truth = columns(x), np.array([0.75, 0.5])
    options = {"strata": g}
    return Study(exog, y, labeled, [(said, exog)], truth, options=options, groups=c)


CELLS: dict[str, Callable[[Rng], Study]] = {
    "simple, useless, n = 40": lambda r: usual(r, "gaussian", 40, 2, 1.0),
    "simple, 15 % errors, n = 40": lambda r: usual(r, "gaussian", 40, 2, 0.15),
    "simple, 15 % errors, n = 300": lambda r: usual(r, "gaussian", 300, 2, 0.15),
    "p = 1, useless, n = 60": lambda r: usual(r, "gaussian", 60, 2, 1.0, p=1),
    "p = 1, 15 % errors, n = 60": lambda r: usual(r, "gaussian", 60, 2, 0.15, p=1),
    "p = 8, useless, n = 150": lambda r: usual(r, "gaussian", 150, 2, 1.0, p=8),
    "p = 8, 15 % errors, n = 150": lambda r: usual(r, "gaussian", 150, 2, 0.15, p=8),
    "six sources, useless, n = 80": lambda r: usual(r, "gaussian", 80, 6, 1.0),
    "six sources, 15 % errors, n = 80": lambda r: usual(r, "gaussian", 80, 6, 0.15),
    "slope 2, 5 % errors, n = 50": lambda r: usual(
        r, "gaussian", 50, 2, 0.05, slope=2.0
    ),
    "logit, useless, n = 100": lambda r: usual(r, "logit", 100, 2, 1.0),
    "logit, 15 % errors, n = 100": lambda r: usual(r, "logit", 100, 2, 0.15),
    "probit, 15 % errors, n = 100": lambda r: usual(r, "probit", 100, 2, 0.15),
    "Poisson, useless, n = 80": lambda r: usual(r, "poisson", 80, 1, 1.0, slope=0.5),
    "Poisson, 15 % errors, n = 80": lambda r: usual(
        r, "poisson", 80, 1, 0.15, slope=0.5
    ),
    "Gamma, 15 % errors, n = 80": lambda r: usual(r, "gamma", 80, 1, 0.15, slope=0.5),
    "errors t(3)": lambda r: errors(r, "heavy"),
    "errors exponential": lambda r: errors(r, "skewed"),
    "errors grow with x": lambda r: errors(r, "growing"),
    "4 strata, y ~ 1": lambda r: strata(r, False),
    "4 strata, y ~ x": lambda r: strata(r, True),
    "30 strata, 2 labels each": lambda r: strata(r, True, 2, 30),
    "30 strata, 1 label each": lambda r: strata(r, True, 1, 30),
    "5 clusters, useless": lambda r: clusters(r, 5, 5, "useless"),
    "12 clusters, useless": lambda r: clusters(r, 12, 12, "useless"),
    "12 clusters, good": lambda r: clusters(r, 12, 12, "good"),
    "60 clusters, off by cluster": lambda r: clusters(r, 60, 60, "off by cluster"),
    "12 of 60 clusters, ordinary": lambda r: clusters(r, 12, 60, "ordinary"),
    "40 of 200 clusters, good": lambda r: clusters(r, 40, 200, "good"),
    "probabilities .9 and .06": lambda r: probabilities(r, 0.06, 0.9, 1200),
    "probabilities 20:1": lambda r: probabilities(r, 0.03, 0.6, 900),
    "probabilities 20:1, logit": lambda r: probabilities(r, 0.03, 0.6, 1500, "logit"),
    "informative weights": weights,
    "skewed x, n = 60": lambda r: skewed(r, 60),
    "skewed x, n = 300": lambda r: skewed(r, 300),
    "skewed x, n = 1000": lambda r: skewed(r, 1000),
    "skewed x, errors grow, n = 300": lambda r: skewed(r, 300, noise_by_x=True),
    "dummy, 4 ones": lambda r: dummy(r, 4),
    "dummy, 10 ones": lambda r: dummy(r, 10),
    "30 % covered": lambda r: partly(r, False),
    "30 % covered, by x": lambda r: partly(r, True),
    "a regressor guessed": guessed,
    "strata of clusters, off by cluster": lambda r: strata_of_clusters(r, "cluster"),
    "strata of clusters, off by stratum": lambda r: strata_of_clusters(
        r, "off by stratum"
    ),
}
METHODS = ("labels only", "default", "paper", "predict-then-debias")


def fits(study: Study) -> dict[str, Any]:
    """Results of the methods, those that are valid in the design."""
    endog = np.where(study.labeled, study.y, np.nan)
    sources = {f"source {m}": own for m, own in enumerate(study.sources)}
    model = AugmentedGMM(
        endog,
        study.x,
        sources,
        family=FAMILIES[study.family],
        missing="drop",
        **study.options,
    )
    options: dict[str, Any] = {}
    if study.groups is not None:
        options = {"cov_type": "cluster", "cov_kwds": {"groups": study.groups}}
    default = model.fit(**options)
    paper = model.fit(use_correction=False, **options)
    found = {"labels only": default.real_only, "default": default, "paper": paper}
    if study.groups is None and not study.options:
        found["predict-then-debias"] = predict_then_debias(default)
    return found


def one_draw(name: str, seed: int) -> dict[str, Array] | None:
    """Squared errors, coverage and widths, (3, p) per method; None where refused."""
    study = CELLS[name](np.random.default_rng([seed, len(name), sum(map(ord, name))]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthWarning)
        try:
            results = fits(study)
        except SynthError:
            return None
        found = {}
        for method, result in results.items():
            low, high = np.asarray(result.conf_int()).T
            error = (np.asarray(result.params) - study.truth) ** 2
            covered = (low <= study.truth) & (study.truth <= high)
            found[method] = np.array([error, covered, high - low])
    return found


def simulated(name: str, seeds: range, jobs: int) -> list[dict[str, Array]]:
    """Draws of a cell that were not refused."""
    done = Parallel(jobs)(delayed(one_draw)(name, seed) for seed in seeds)
    return [found for found in done if found is not None]


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured | Span]]]:
    """Rows of the table of the documentation: values with their errors."""
    for name in CELLS:
        kept = simulated(name, range(first, first + draws), jobs)
        base, own, paper = (
            np.array([found[method] for found in kept])
            for method in ("labels only", "default", "paper")
        )
        errors = [ratio_of(made[:, 0], base[:, 0]) for made in (own, paper)]
        width = ratio_of_medians(own[:, 2], base[:, 2])
        yield (name,), [*errors, width, span_of(own[:, 1])]


def run(name: str, draws: int, jobs: int, folder: Path) -> pd.DataFrame:
    """All draws of a cell, from the file where it is there."""
    path = folder / f"{name.replace(' ', '_').replace('%', 'pct')}.csv"
    if path.exists():
        return pd.read_csv(path)
    kept = simulated(name, range(draws), jobs)
    base = np.array([found["labels only"] for found in kept])
    rows = []
    for method in METHODS:
        if method not in kept[0]:
            continue
        own = np.array([found[method] for found in kept])
        ratio = own[:, 0].mean(axis=0) / base[:, 0].mean(axis=0)
        error = ratio_of(own[:, 0], base[:, 0])
        width = np.median(own[:, 2], axis=0) / np.median(base[:, 2], axis=0)
        covered = own[:, 1].mean(axis=0)
        rows.append(
            {
                "cell": name,
                "method": method,
                "draws": len(kept),
                "mse": error.value,
                "mc error": error.error,
                "largest": ratio.max(),
                "width": width.mean(),
                "covers, lowest": covered.min(),
                "highest": covered.max(),
            }
        )
    table = pd.DataFrame(rows)
    table.to_csv(path, index=False)
    return table


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cells", nargs="*", help="beginnings of names; all if omitted")
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=cpu_count())
    parser.add_argument("--out", type=Path, default=Path("designs-output"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    names = [
        name for name in CELLS if not given.cells or name.startswith(tuple(given.cells))
    ]
    tables = [run(name, given.draws, given.jobs, given.out) for name in tqdm(names)]
    found = pd.concat(tables, ignore_index=True)
    pd.set_option("display.width", 200, "display.max_rows", 500)
    print(found.round(3).to_string(index=False))
    default = found[found["method"] == "default"]
    error = default["mse"] - 2.0 * default["mc error"]
    print(
        f"\nSquared error above 1.03 of the labels alone: {int((error > 1.03).sum())}"
    )
    low = (default["covers, lowest"] < 0.93).sum()
    print(f"Cells with a coefficient that is covered in less than .93: {int(low)}")


if __name__ == "__main__":
    main()

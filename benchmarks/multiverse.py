"""
Many prompts: how often a variant finds what is not there.

Run from the root of the repository::

    python -m benchmarks.multiverse                    # ten minutes on one core
    python -m benchmarks.multiverse --study twins --draws 200

Each study has 200 variants of a source or more. In every draw units are labelled at
random, and some of the variants are drawn; each is tested as if it were real (naive)
and beside the labels (augmented), and so are those of the draw all together, as
replicates.

"simulated": a logit whose coefficient of x is zero. The errors of each variant depend
on x in a way of its own. Found: any significant coefficient of x.

"politeness", "twins": real human labels, whose estimate with all units labelled is the
truth (``population="finite"``). Found: any interval that leaves it out. Politeness has
the labels of one model; a variant calls texts with one of 21 strategies polite, or
impolite, in a share of cases. Twins has two runs of a model; a variant takes the
outcome from the first, the second or their mean, and each regressor from people or one
of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
import pandas as pd
from scipy.special import expit
import statsmodels.api as sm
from tqdm import tqdm

from benchmarks.measured import Measured, rate_of
from statsmodels_synth import AugmentedGMM

DATA = Path(__file__).parents[2] / "shared" / "data"
SHARES = (0.05, 0.1, 0.2, 0.4, 0.8)
Floats = np.ndarray[Any, Any]
Pair = tuple[Floats, Floats]


@dataclass
class Study:
    """Units, their variants, and what is true of one coefficient."""

    endog: Floats
    exog: Floats
    variants: Any  # a sequence of pairs
    coefficient: int
    truth: float
    labels: int
    family: Any
    population: str

    def variant(self, k: int) -> Pair:
        """Outcome and regressors of a variant."""
        found: Pair = self.variants[k]
        return found


def simulated(seed: int) -> Study:
    """A study of its own in each draw; its 200 variants err alike in all of them."""
    fixed, rng, n_units = np.random.default_rng(7), np.random.default_rng(seed), 2000
    slopes, rates = fixed.normal(0.0, 0.5, 200), fixed.uniform(0.05, 0.25, 200)
    x, g = rng.normal(size=n_units), rng.integers(0, 2, n_units)
    y = (rng.random(n_units) < expit(0.5 * g - 0.2)).astype(float)
    exog = np.column_stack([np.ones(n_units), x, g])
    # What all models find hard is hard for each of them.
    hard = rng.normal(size=n_units)

    def variant(k: int) -> Pair:
        own = np.random.default_rng([seed, k])
        z = hard + own.normal(size=n_units)
        wrong = z > np.quantile(z, 1.0 - rates[k])
        says = own.random(n_units) < expit(2.0 * slopes[k] * x)
        return np.where(wrong, says, y).astype(float), exog

    lazy = _Lazy(variant, 200)
    family = sm.families.Binomial()
    return Study(y, exog, lazy, 1, 0.0, 300, family, "superpopulation")


class _Lazy:
    """Variants that are made when they are asked for."""

    def __init__(self, make: Any, size: int) -> None:
        self.make, self.size = make, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, k: int) -> Pair:
        found: Pair = self.make(k)
        return found


def politeness(_: int = 0) -> Study:
    """Requests rated by people; 210 variants of the labels of one model."""
    data = pd.read_csv(DATA / "politeness.csv")
    given = ["direct_question", "first_person_start"]
    exog = sm.add_constant(data[given].to_numpy(dtype=float))
    first = list(data.columns).index("please")
    y, guess = data["y"].to_numpy(float), data["yhat_gpt4o"].to_numpy(float)

    def variants() -> Iterator[Pair]:
        rng = np.random.default_rng(3)
        for name, share, says in product(data.columns[first:], SHARES, (0.0, 1.0)):
            taken = (data[name] == 1) & (rng.random(len(data)) < share)
            yield np.where(taken, says, guess), exog

    family = sm.families.Binomial()
    truth = sm.GLM(y, exog, family=family).fit().params[1]
    return Study(y, exog, list(variants()), 1, truth, 400, family, "finite")


def twins(_: int = 0) -> Study:
    """Survey respondents; 243 variants of the answers of their digital twins."""
    data = pd.read_csv(DATA / "twin_wide.csv")
    names = ["Redistribution_1", "Fairness", "Trust", "Work_vs_Luck"]
    names.append("Father_education")
    data = data[[f"{p}_{name}" for p in ("h", "l", "l2") for name in names]].dropna()

    def column(who: str, name: str) -> Floats:
        if who == "both":
            return (column("l", name) + column("l2", name)) / 2.0
        return data[f"{who}_{name}"].to_numpy(dtype=float)

    def exog(*who: str) -> Floats:
        columns = [column(w, name) for w, name in zip(who, names[1:], strict=True)]
        return np.column_stack([np.ones(len(data)), *columns])

    given = product(("l", "l2", "both"), *[("h", "l", "l2")] * 4)
    variants = [(column(y, names[0]), exog(*x)) for y, *x in given]
    y, people = column("h", names[0]), exog("h", "h", "h", "h")
    truth = np.linalg.lstsq(people, y, rcond=None)[0][3]
    return Study(y, people, variants, 3, truth, 300, None, "finite")


STUDIES: dict[str, Any] = {
    "simulated": simulated,
    "politeness": politeness,
    "twins": twins,
}


def one(study: Study, size: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Which variants were drawn, and what each finds: naive, augmented; (k, 4)."""
    rng = np.random.default_rng([seed, 11])
    n_units = len(study.endog)
    labels = np.full(n_units, np.nan)
    drawn = rng.permutation(n_units)[: study.labels]
    labels[drawn] = study.endog[drawn]
    chosen = rng.permutation(len(study.variants))[:size]
    proxies = {f"v{k}": study.variant(int(k)) for k in chosen}
    model = AugmentedGMM(labels, study.exog, proxy=proxies, family=study.family)
    options: dict[str, Any] = {"population": study.population}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.multiverse(**options)
    name = model.exog_names[study.coefficient]
    table, both = found.table.loc[name], found.together.loc[[name]]
    used = np.array([int(v[1:]) for v in table.index])
    return used, _found(table, study.truth), _found(both, study.truth)


def _found(table: pd.DataFrame, truth: float) -> Floats:
    """Whether intervals are below and above the truth: naive, augmented; (k, 4)."""
    ends = table[["naive_lower", "naive_upper", "lower", "upper"]].to_numpy()
    below, above = ends[:, 1::2] < truth, ends[:, 0::2] > truth
    return np.column_stack([below[:, 0], above[:, 0], below[:, 1], above[:, 1]])


#: Variants of a draw.
TESTED = 10


def _some(name: str, size: int, seeds: range) -> list[tuple[Floats, Floats, Floats]]:
    """Draws of a study, which is read once if it is the same in all of them."""
    make = STUDIES[name]
    once = make(0)
    return [one(make(k) if name == "simulated" else once, size, k) for k in seeds]


def every_draw(
    name: str, seeds: range, size: int, jobs: int
) -> list[tuple[Floats, Floats, Floats]]:
    """Draws of a study."""
    parts = [seeds[k : k + 25] for k in range(0, len(seeds), 25)]
    found = Parallel(jobs, return_as="generator")(
        delayed(_some)(name, size, part) for part in parts
    )
    return [own for part in tqdm(found, name, total=len(parts)) for own in part]


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: shares of false findings."""
    for name in STUDIES:
        if name != "simulated" and not DATA.exists():
            continue
        every = every_draw(name, range(first, first + draws), TESTED, jobs)
        rates = np.array([own.mean(axis=0) for _, own, _ in every])
        both = np.concatenate([own for *_, own in every])
        totals = (rates[:, :2], rates[:, 2:], both[:, 2:])
        yield (name,), [rate_of(own.sum(axis=1)) for own in totals]


def run(name: str, draws: int, size: int, jobs: int) -> dict[str, str]:
    """A row of the table."""
    every = every_draw(name, range(draws), size, jobs)
    used = np.concatenate([own for own, *_ in every])
    rates = np.array([own.mean(axis=0) for _, own, _ in every])
    both = np.concatenate([own for *_, own in every])
    row = {"variants": str(len(np.unique(used))), "tests": str(len(used))}
    for k, kind in enumerate(("naive", "augmented")):
        part = rates[:, 2 * k : 2 * k + 2]
        total = part.sum(axis=1)
        error = total.std(ddof=1) / np.sqrt(draws)
        row[f"{kind} below"] = f"{part[:, 0].mean():.3f}"
        row[f"{kind} above"] = f"{part[:, 1].mean():.3f}"
        row[kind] = f"{total.mean():.4f} ({error:.4f})"
        row[f"{kind}, together"] = (
            f"{both[:, 2 * k : 2 * k + 2].sum(axis=1).mean():.4f}"
        )
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description="False findings of many variants")
    parser.add_argument("--study", choices=[*STUDIES], action="append")
    parser.add_argument("--draws", type=int, default=3000)
    parser.add_argument("--variants", type=int, default=TESTED, help="of each draw")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    rows = {}
    for name in given.study or list(STUDIES):
        rows[name] = run(name, given.draws, given.variants, given.jobs)
        print(name, rows[name], flush=True)
    print(pd.DataFrame(rows).to_string())


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.multiverse  # noqa: PLW0406

    benchmarks.multiverse.main()

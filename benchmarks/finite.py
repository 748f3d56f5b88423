"""
The units themselves as the population: coverage by repeated labelling of real data.

Run from the root of the repository, where ../shared has the data::

    python -m benchmarks.finite                  # about fifteen minutes on one core
    python -m benchmarks.finite --draws 200 twins

All units of each data set have a human label, so that the coefficients of the
population are known. Each draw labels some of the units anew, as the name of the cell
says; nothing else is left to chance. Finished cells are kept in ``finite-output``. A
row of the table is a cell: the lowest and highest coverage over coefficients of the
95 % interval of the default, of Byun et al. (2025), of the labels alone and of
Predict-Then-Debias, all with ``population="finite"``, then that of the default without
it; and the mean over coefficients of the half-width of the first over that of the last.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
import statsmodels.api as sm
from tqdm import tqdm

from benchmarks.measured import Measured, Span, ratio_of, span_of
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.estimators import predict_then_debias
from statsmodels_synth.exceptions import SynthError

Array = NDArray[Any]
Rng = np.random.Generator
SHARED = Path(__file__).parents[2] / "shared" / "data"
METHODS = ("default", "paper", "labels", "debias", "superpopulation")
#: Largest share of the units that a cell labels.
HALF = 0.5


@dataclass(frozen=True)
class Corpus:
    """Units of which every one has a label; `strata` and `prob` to choose them by."""

    x: Array
    y: Array
    guess: Array
    strata: Array
    prob: Array
    family: Any = field(default_factory=sm.families.Gaussian)

    @cached_property
    def truth(self) -> Array:
        """The coefficients of these units."""
        return np.asarray(sm.GLM(self.y, self.x, self.family).fit().params)


@cache
def politeness() -> Corpus:
    """1,200 requests, by whether they hedge; the strata are what the model says."""
    frame = pd.read_csv(SHARED / "politeness.csv").iloc[:1200]
    x = sm.add_constant(frame[["hashedge"]].to_numpy(float))
    sure = np.abs(frame["conf_gpt4o"].fillna(0.5).to_numpy() - 0.5)
    return Corpus(
        x,
        frame["y"].to_numpy(float),
        frame["yhat_gpt4o"].to_numpy(float),
        frame["yhat_gpt4o"].to_numpy(int),
        np.clip(1.2 - 2.0 * sure, 0.2, 1.0),
        sm.families.Binomial(),
    )


@cache
def alphafold() -> Corpus:
    """2,000 residues, of which a fifth is disordered: their share."""
    frame = pd.read_csv(SHARED / "alphafold.csv").iloc[::5][:2000]
    guess = frame["yhat"].to_numpy(float)
    return Corpus(
        np.ones((len(frame), 1)),
        frame["y"].to_numpy(float),
        guess,
        np.digitize(guess, [0.05, 0.3]),
        0.2 + np.sqrt(guess * (1.0 - guess)),
    )


@cache
def twins() -> Corpus:
    """Respondents of a survey; the strata are what their twins say."""
    names = ["Redistribution_1", "Fairness", "Trust", "Work_vs_Luck"]
    columns = [p + n for p in ("h_", "l_") for n in names]
    frame = pd.read_csv(SHARED / "twin_wide.csv").dropna(subset=columns)
    guess = frame["l_" + names[0]].to_numpy(float)
    return Corpus(
        sm.add_constant(frame[[f"h_{name}" for name in names[1:]]].to_numpy(float)),
        frame["h_" + names[0]].to_numpy(float),
        guess,
        np.digitize(guess, np.quantile(guess, [0.3, 0.7])),
        0.3 + np.abs(guess - guess.mean()) / guess.std(),
    )


CORPORA = {"politeness": politeness, "alphafold": alphafold, "twins": twins}


def labelled(corpus: Corpus, how: str, n: int, rng: Rng) -> tuple[Array, Any, Array]:
    """Which units are labelled, how that is said to the model, and the guesses."""
    size, chosen, guess = len(corpus.y), None, corpus.guess
    if how == "strata":
        # As many in each: small strata are nearly all labelled.
        parts = []
        for h in np.unique(corpus.strata):
            own = np.flatnonzero(corpus.strata == h)
            most = min(n // len(np.unique(corpus.strata)), len(own))
            parts.append(rng.choice(own, most, replace=False))
        chosen = np.isin(np.arange(size), np.concatenate(parts))
        return chosen, {"strata": corpus.strata}, guess
    if how == "unequal":
        prob = np.minimum(corpus.prob * n / corpus.prob.sum(), 1.0)
        return rng.random(size) < prob, {"labeling_prob": prob}, guess
    if how == "40 % covered":
        guess = np.where(np.arange(size) % 5 < 2, guess, np.nan)
    return np.isin(np.arange(size), rng.permutation(size)[:n]), {}, guess


def one(name: str, how: str, n: int, seed: int) -> Array | None:
    """One labelling: covered or not, and half-width, by method, (2, 5, p)."""
    corpus, rng = CORPORA[name](), np.random.default_rng(seed)
    chosen, options, guess = labelled(corpus, how, n, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = AugmentedGMM(
                np.where(chosen, corpus.y, np.nan),
                corpus.x,
                proxy={"llm": (guess, corpus.x)},
                family=corpus.family,
                **options,
            )
            default = model.fit(population="finite")
            fits = {
                "default": default,
                "paper": model.fit(use_correction=False, population="finite"),
                "labels": default.real_only,
                "debias": predict_then_debias(default),
                "superpopulation": model.fit(),
            }
        except SynthError:
            return None
    ends = np.stack([np.asarray(fits[k].conf_int()) for k in METHODS])
    inside = (ends[:, :, 0] <= corpus.truth) & (corpus.truth <= ends[:, :, 1])
    return np.stack([inside, (ends[:, :, 1] - ends[:, :, 0]) / 2.0])


def grid() -> list[tuple[str, str, int]]:
    """Data, way of labelling, and number of labels."""
    found = []
    for name, corpus in CORPORA.items():
        half = int(len(corpus().y) * HALF)
        found += [(name, "simple", n) for n in (100, 300, half)]
        found += [(name, how, n) for how in ("strata", "unequal") for n in (150, 500)]
        found += [(name, "40 % covered", n) for n in (200, half)]
    return found


#: Words of the table of the documentation.
SHOWN = {
    "politeness": "politeness, 1,200 requests, logit",
    "alphafold": "proteins, 2,000 residues, share",
    "twins": "survey, linear, 4 coefficients",
    "simple": "at random",
    "strata": "strata",
    "unequal": "unequal probabilities",
    "40 % covered": "at random, 40 % covered",
}


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured | Span]]]:
    """Rows of the table of the documentation: coverage over coefficients, and width."""
    if not SHARED.exists():
        return
    for name, how, n in grid():
        found = Parallel(jobs)(
            delayed(one)(name, how, n, seed) for seed in range(first, first + draws)
        )
        good = np.stack([own for own in found if own is not None])
        covered = [span_of(good[:, 0, k]) for k in range(len(METHODS))]
        width = ratio_of(good[:, 1, 0], good[:, 1, -1])
        yield (SHOWN[name], SHOWN[how], f"{n:,}"), [*covered, width]


def table_row(draws: list[Array | None]) -> dict[str, str]:
    """What is said of a cell."""
    good = np.stack([draw for draw in draws if draw is not None])
    row = {}
    for k, method in enumerate(METHODS):
        cover = good[:, 0, k].mean(axis=0)
        row[method] = f"{cover.min():.3f} to {cover.max():.3f}"
    width = good[:, 1].mean(axis=0)
    row["width"] = f"{(width[0] / width[-1]).mean():.2f}"
    row["refused"] = str(len(draws) - len(good))
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of finite populations")
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("finite-output"))
    parser.add_argument("only", nargs="*", help="data sets")
    given = parser.parse_args()
    if not SHARED.exists():
        parser.error(f"the real data are not in {SHARED}")
    given.out.mkdir(parents=True, exist_ok=True)
    rows = {}
    for name, how, n in grid():
        if given.only and name not in given.only:
            continue
        path = given.out / f"{name}-{how}-{n}-{given.draws}.csv"
        if not path.exists():
            draws = Parallel(given.jobs)(
                delayed(one)(name, how, n, seed)
                for seed in tqdm(range(given.draws), desc=f"{name}, {how}, n={n}")
            )
            pd.DataFrame([table_row(draws)]).to_csv(path, index=False)
        rows[name, how, n] = pd.read_csv(path).iloc[0]
    print(pd.DataFrame(rows).T.to_string())


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.finite  # noqa: PLW0406

    benchmarks.finite.main()

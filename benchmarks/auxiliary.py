"""
What auxiliary columns bring, and what they cost where they are useless.

Run from the root of the repository::

    python -m benchmarks.auxiliary                     # about 20 minutes on one core
    python -m benchmarks.auxiliary --draws 400 "two columns" "4 strata"

Finished cells are kept in ``auxiliary-output``: run it again and it goes on. Each row
of the table is a cell: squared errors of all coefficients as ratios to those of the
labels alone (mean over coefficients), of the default without and with ``auxiliary=``
and with the prediction of an oracle as one more source, which is gradient boosting that
was trained on the labels of the whole population, or on 50,000 other units of it; with
over without (with its Monte Carlo error), and over the oracle; the share of draws in
which the source took part; and lowest and highest coverage of a coefficient with it.

Cells on real labels need ``--data``, a folder with politeness.csv and alphafold.csv.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.model_selection import cross_val_predict
import statsmodels.api as sm
from tqdm import tqdm

from benchmarks.designs import FAMILIES, Rng, Study, columns, some
from benchmarks.measured import Measured, Span, ratio_of, share_of, span_of
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import SynthError, SynthWarning

Array = NDArray[Any]
#: Units of each study, and other units of the population that an oracle learns from.
SIZE, POPULATION = 3000, 50_000
METHODS = ("labels only", "without", "with", "oracle")


@dataclass(frozen=True)
class Cell:
    """
    A study, `known` of every unit, and `oracle`: predictions that know the population.

    Without predictions the oracle learns from another draw of the cell.
    """

    study: Study
    known: Array
    oracle: Array | None = None
    learner: Any = None


def two_columns(
    rng: Rng, size: int, n: int, useful: bool = True, more: int = 0
) -> Cell:
    """The outcome depends on two columns beside x, on one of which the proxy errs."""
    x, a, b = rng.normal(size=(3, size))
    y = 0.3 + x + 0.7 * a - 0.5 * b + 0.8 * rng.normal(size=size)
    guess = y + 0.8 * rng.normal(size=size) - 0.5 * a
    known = np.column_stack([a, b]) if useful else rng.normal(size=(size, 2))
    known = np.column_stack([known, rng.normal(size=(size, more))])
    exog, truth = columns(x), np.array([0.3, 1.0])
    return Cell(Study(exog, y, some(rng, size, n), [(guess, exog)], truth), known)


def curved(rng: Rng, size: int, n: int, learner: Any = None) -> Cell:
    """The outcome jumps in one column, and bends in the product of two."""
    x, a, b = rng.normal(size=(3, size))
    y = 0.3 + x + 1.2 * (a > 0.5) + 0.8 * a * b + 0.7 * rng.normal(size=size)
    guess = y + rng.normal(size=size) - 0.8 * (a > 0.5)
    exog, truth = columns(x), np.array([0.3 + 1.2 * 0.3085375, 1.0])
    study = Study(exog, y, some(rng, size, n), [(guess, exog)], truth)
    return Cell(study, np.column_stack([a, b]), learner=learner)


def confidence(rng: Rng, size: int, n: int) -> Cell:
    """A yes or no of the model, and how sure it is, which is how often it is right."""
    x, sure = rng.normal(size=size), rng.uniform(0.5, 1.0, size)
    y = (rng.random(size) < expit(0.3 + x)).astype(float)
    guess = np.where(rng.random(size) < sure, y, 1.0 - y)
    exog, truth = columns(x), np.array([0.3, 1.0])
    study = Study(exog, y, some(rng, size, n), [(guess, exog)], truth, "logit")
    return Cell(study, sure[:, None])


def strata(rng: Rng, size: int, per: int, useful: bool = True) -> Cell:
    """Four strata of equal size and labels, a proxy that is off by stratum."""
    cell = two_columns(rng, size, 4 * per, useful)
    g = np.arange(size) % 4
    labeled = np.zeros(size, dtype=bool)
    for h in range(4):
        labeled[rng.choice(np.flatnonzero(g == h), per, replace=False)] = True
    study = cell.study
    (guess, exog), truth = study.sources[0], study.truth + np.array([1.5, 0.0])
    dummies = (g[:, None] == np.arange(1, 4)).astype(float)
    return replace(
        cell,
        known=np.column_stack([cell.known, dummies]) if useful else cell.known,
        study=replace(
            study,
            y=study.y + g,
            labeled=labeled,
            sources=[(guess - g, exog)],
            truth=truth,
            options={"strata": g},
        ),
    )


def clusters(
    rng: Rng, size: int, labelled: int, of_all: int, useful: bool = True
) -> Cell:
    """Clusters of which some are labelled, with effects of their own and of theirs."""
    cell = two_columns(rng, size, 10, useful)
    g, study = np.arange(size) % of_all, cell.study
    labeled = np.zeros(size, dtype=bool)
    for c in range(labelled):
        labeled[rng.choice(np.flatnonzero(g == c), 10, replace=False)] = True
    y = study.y + 0.5 * rng.normal(size=of_all)[g]
    guess, exog = study.sources[0]
    guess = guess + y - study.y + 0.4 * rng.normal(size=of_all)[g]
    study = replace(study, y=y, labeled=labeled, sources=[(guess, exog)], groups=g)
    return replace(cell, study=study)


def probabilities(rng: Rng, size: int, useful: bool = True) -> Cell:
    """Labelled with .25 where the proxy is high, and with .02 elsewhere."""
    cell = two_columns(rng, size, 10, useful)
    guess, _ = cell.study.sources[0]
    prob = np.where(guess > 1.5, 0.25, 0.02)
    study = replace(
        cell.study, labeled=rng.random(size) < prob, options={"labeling_prob": prob}
    )
    return replace(cell, study=study)


@cache
def _real(folder: Path, name: str) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Regressors, labels, proxy, columns, coefficients and the oracle's predictions."""
    table = pd.read_csv(folder / f"{name}.csv")
    y = table["y"].to_numpy(dtype=float)
    if name == "politeness":
        guess = table["yhat_gpt4o"].to_numpy(dtype=float)
        exog = columns(*table[["hashedge", "first_person_pl"]].to_numpy(float).T)
        words = [
            *("please", "gratitude", "apologizing", "haspositive", "hasnegative"),
            *("second_person", "direct_question", "indirect_greeting"),
        ]
        sure = table["conf_gpt4o"].fillna(table["conf_gpt4o"].mean())
        known = np.column_stack([sure, np.log(table["n_words"]), table[words]])
    else:
        guess = table["yhat"].to_numpy(dtype=float)
        exog = columns(table["phosphorylated"].to_numpy(dtype=float))
        known = table[["ubiquitinated", "acetylated"]].to_numpy(dtype=float)
    truth = np.asarray(sm.GLM(y, exog, sm.families.Binomial()).fit().params)
    boosted = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.08, random_state=0
    )
    seen = np.column_stack([guess, exog[:, 1:], known])
    oracle = cross_val_predict(boosted, seen, y, cv=10, method="predict_proba")[:, 1]
    return exog, y, guess, known, truth, oracle


def real(rng: Rng, size: int, *, folder: Path, name: str, n: int) -> Cell:
    """Data of which every unit is labelled: units to label are drawn."""
    exog, y, guess, known, truth, oracle = _real(folder, name)
    labeled = some(rng, len(y), n)
    study = Study(exog, y, labeled, [(guess, exog)], truth, "logit")
    return Cell(study, known, oracle)


def _sizes(
    name: str, function: Callable[..., Cell], sizes: tuple[int, ...], **options: Any
) -> dict[str, Callable[[Rng, int], Cell]]:
    return {f"{name}, n = {n}": partial(function, n=n, **options) for n in sizes}


EVERY = (60, 100, 300, 1000)
CELLS: dict[str, Callable[[Rng, int], Cell]] = {
    **_sizes("two columns", two_columns, EVERY),
    **_sizes("useless columns", two_columns, EVERY, useful=False),
    **_sizes("20 useless columns", two_columns, (60, 100, 1000), useful=False, more=18),
    **_sizes("confidence", confidence, (100, 300, 1000)),
    **_sizes(
        "jump and product, boosted",
        curved,
        (300,),
        learner=HistGradientBoostingRegressor(max_iter=60, learning_rate=0.08),
    ),
    "4 strata, useless columns": partial(strata, per=50, useful=False),
    "60 of 60 clusters, useless columns": partial(
        clusters, labelled=60, of_all=60, useful=False
    ),
    "20 of 100 clusters": partial(clusters, labelled=20, of_all=100),
    "20 of 100 clusters, useless columns": partial(
        clusters, labelled=20, of_all=100, useful=False
    ),
    "unequal probabilities": probabilities,
    "unequal probabilities, useless columns": partial(probabilities, useful=False),
}


def real_cells(folder: Path | None) -> dict[str, Callable[[Rng, int], Cell]]:
    """Cells of real labels, where the data are."""
    return {
        f"{name}, n = {n}": partial(real, folder=folder, name=name, n=n)
        for name, n in (
            ("politeness", 100),
            ("politeness", 300),
            ("politeness", 1000),
            ("alphafold", 300),
            ("alphafold", 1000),
        )
        if folder is not None
    }


def _seen(cell: Cell) -> Array:
    """All that an oracle may know of the units."""
    study = cell.study
    parts = [own for own, _ in study.sources] + [study.x[:, 1:], cell.known]
    return np.column_stack(parts)


@cache
def _oracle(name: str) -> Any:
    """Gradient boosting that has learned from many other units of the population."""
    cell = CELLS[name](np.random.default_rng(99), POPULATION)
    binary = cell.study.family == "logit"
    kind = HistGradientBoostingClassifier if binary else HistGradientBoostingRegressor
    return kind(max_iter=150, learning_rate=0.08, random_state=0).fit(
        _seen(cell), cell.study.y
    )


def predictions(name: str, cell: Cell) -> Array:
    """What the oracle says of the units of a study."""
    if cell.oracle is not None:
        return cell.oracle
    learned = _oracle(name)
    if hasattr(learned, "predict_proba"):
        return np.asarray(learned.predict_proba(_seen(cell))[:, 1])
    found = np.asarray(learned.predict(_seen(cell)))
    return np.maximum(found, 0.0) if cell.study.family == "poisson" else found


def fits(name: str, cell: Cell) -> tuple[dict[str, Any], bool]:
    """Results of the methods, and whether the auxiliary source took part."""
    study = cell.study
    endog = np.where(study.labeled, study.y, np.nan)
    sources = {f"source {m}": own for m, own in enumerate(study.sources)}
    options: dict[str, Any] = {}
    if study.groups is not None:
        options = {"cov_type": "cluster", "cov_kwds": {"groups": study.groups}}

    def fit(sources: Any, **more: Any) -> Any:
        return AugmentedGMM(
            endog,
            study.x,
            sources,
            family=FAMILIES[study.family],
            **study.options,
            **more,
        ).fit(**options)

    without = fit(sources)
    found = fit(sources, auxiliary=cell.known, learner=cell.learner)
    oracle = fit({**sources, "oracle": (predictions(name, cell), study.x)})
    results = (without.real_only, without, found, oracle)
    return dict(zip(METHODS, results, strict=True)), "auxiliary" in found.sources.index


def one_draw(
    name: str, make: Callable[[Rng, int], Cell], seed: int
) -> tuple[dict[str, Array], bool] | None:
    """Squared errors and coverage, (2, p) per method; None where refused."""
    rng = np.random.default_rng([seed, len(name), sum(map(ord, name))])
    cell = make(rng, SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthWarning)
        try:
            results, used = fits(name, cell)
        except SynthError:
            return None
        found, truth = {}, cell.study.truth
        for method, result in results.items():
            low, high = np.asarray(result.conf_int()).T
            error = (np.asarray(result.params) - truth) ** 2
            found[method] = np.array([error, (low <= truth) & (truth <= high)])
    return found, used


#: Where real labels are, if nothing else is said.
SHARED = Path(__file__).parents[2] / "shared" / "data"


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured | Span]]]:
    """Rows of the table of the documentation: values with their errors."""
    own = real_cells(SHARED if SHARED.exists() else None)
    for name, make in {**CELLS, **own}.items():
        done = Parallel(jobs)(
            delayed(one_draw)(name, make, seed) for seed in range(first, first + draws)
        )
        kept = [found for found in done if found is not None]
        error = {m: np.array([found[m][0] for found, _ in kept]) for m in METHODS}
        row: list[Measured | Span] = [
            ratio_of(error[method], error["labels only"]) for method in METHODS[1:]
        ]
        row += [ratio_of(error["with"], error[k]) for k in ("without", "oracle")]
        row.append(share_of([used for _, used in kept]).times(100.0))
        row.append(span_of([found["with"][1] for found, _ in kept]))
        yield (name,), row


def run(
    name: str, make: Callable[[Rng, int], Cell], draws: int, jobs: int, folder: Path
) -> pd.DataFrame:
    """All draws of a cell, from the file where it is there."""
    path = folder / f"{name.replace(' ', '_')}.csv"
    if path.exists():
        return pd.read_csv(path)
    done = Parallel(jobs)(delayed(one_draw)(name, make, seed) for seed in range(draws))
    kept = [found for found in done if found is not None]
    error = {m: np.array([found[m][0] for found, _ in kept]) for m in METHODS}
    mean = {m: own.mean(axis=0) for m, own in error.items()}
    row: dict[str, Any] = {"cell": name, "draws": len(kept)}
    for method in METHODS[1:]:
        row[method] = float((mean[method] / mean["labels only"]).mean())
    for other in ("without", "oracle"):
        ratio = mean["with"] / mean[other]
        spread = (error["with"] - ratio * error[other]) / mean[other]
        row[f"with/{other}"] = float(ratio.mean())
        row[f"error, {other}"] = spread.mean(axis=1).std() / np.sqrt(len(kept))
    row["took part"] = float(np.mean([used for _, used in kept]))
    covered = np.mean([found["with"][1] for found, _ in kept], axis=0)
    row["covers, lowest"], row["highest"] = covered.min(), covered.max()
    table = pd.DataFrame([row])
    table.to_csv(path, index=False)
    return table


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cells", nargs="*", help="beginnings of names; all if omitted")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder of the real labels")
    parser.add_argument("--out", type=Path, default=Path("auxiliary-output"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    cells = {
        name: make
        for name, make in {**CELLS, **real_cells(given.data)}.items()
        if not given.cells or name.startswith(tuple(given.cells))
    }
    found = pd.concat(
        [
            run(name, make, given.draws, given.jobs, given.out)
            for name, make in tqdm(cells.items())
        ],
        ignore_index=True,
    )
    pd.set_option("display.width", 200, "display.max_rows", 500)
    print(found.round(3).to_string(index=False))
    harm = found["with/without"] - 2.0 * found["error, without"] > 1.03
    print(
        f"\nAbove 1.03 of the default without: {', '.join(found['cell'][harm]) or '-'}"
    )
    low = found["cell"][found["covers, lowest"] < 0.93]
    print(f"A coefficient is covered in less than .93: {', '.join(low) or '-'}")


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.auxiliary  # noqa: PLW0406

    benchmarks.auxiliary.main()

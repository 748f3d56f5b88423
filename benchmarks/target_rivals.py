"""
Means, quantiles and effects against ppi-python, where it has the same target.

Run from the root of the repository, some minutes on a core::

    python -m benchmarks.target_rivals
    python -m benchmarks.target_rivals --draws 50 quantile

As in ``benchmarks.methods`` a draw is a sample of units with replacement, of which some
are labelled at random; the estimate from all the data is the truth. The real data need
``../shared``: polite requests and phosphorylated proteins (shares), and a survey with
twins (a mean). Quantiles are of a skewed outcome that a source knows up to a factor; an
effect is a difference in means between the arms of an experiment, for which ppi-python
has the mean of each arm.

A row is a target, a number of labels and a method: squared error and width over those
of the labels alone, with the Monte Carlo error of the former by the jackknife, and
coverage of 95 % intervals with its Monte Carlo error.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy import stats
from tqdm import tqdm

from benchmarks.measured import Measured, ratio_of, ratio_of_medians, share_of
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.scores import Quantile

Floats = NDArray[np.float64]
#: Estimate, and the ends of its interval.
Found = tuple[float, float, float]
SHARED = Path(__file__).parents[2] / "shared" / "data"
UNITS, LABELS, LEVEL = 2_000, (100, 300), 0.05


@dataclass(frozen=True)
class Row:
    """
    One target.

    Attributes
    ----------
    frame : callable
        Columns y, guess, and t for an effect.
    rival : callable
        ``(labelled, unlabelled) -> Found`` of ppi-python.
    truth : callable
        Of all rows.
    formula, name : str
        Of the model, and of the coefficient.
    options : dict
        Further arguments of ``from_formula``.
    """

    frame: Callable[[], pd.DataFrame]
    rival: Callable[[pd.DataFrame, pd.DataFrame], Found]
    truth: Callable[[pd.DataFrame], float]
    formula: str = "y ~ 1"
    name: str = "Intercept"
    options: dict[str, Any] = field(default_factory=dict)


def read(file: str, **columns: str) -> Callable[[], pd.DataFrame]:
    """Two columns of a table."""

    def frame() -> pd.DataFrame:
        table = pd.read_csv(SHARED / file)
        return pd.DataFrame({k: table[v] for k, v in columns.items()}).dropna()

    return frame


def skewed() -> pd.DataFrame:
    """A log-normal outcome, and a source that is off by a factor of its own."""
    rng = np.random.default_rng(0)
    y = np.exp(rng.normal(size=100_000))
    return pd.DataFrame(
        {"y": y, "guess": 0.8 * y * np.exp(0.4 * rng.normal(size=len(y)))}
    )


def trial() -> pd.DataFrame:
    """An experiment; the source sees an effect of its own."""
    rng = np.random.default_rng(0)
    t = (rng.random(100_000) < 0.5).astype(float)
    y = 1.0 + 0.5 * t + rng.normal(size=len(t))
    guess = 0.3 * t + 0.8 * y + 0.5 * rng.normal(size=len(t))
    return pd.DataFrame({"y": y, "guess": guess, "t": t})


def mean(labels: pd.DataFrame, others: pd.DataFrame) -> Found:
    """Mean of ppi-python, tuned."""
    arrays = [own.to_numpy() for own in (labels["y"], labels["guess"], others["guess"])]
    ppi_py = import_module("ppi_py")
    low, high = ppi_py.ppi_mean_ci(*arrays, alpha=LEVEL)
    return (
        float(ppi_py.ppi_mean_pointestimate(*arrays)[0]),
        float(low[0]),
        float(high[0]),
    )


def quantile(tau: float) -> Callable[[pd.DataFrame, pd.DataFrame], Found]:
    """Quantile of ppi-python, by its exact search."""

    def rival(labels: pd.DataFrame, others: pd.DataFrame) -> Found:
        arrays = [
            own.to_numpy() for own in (labels["y"], labels["guess"], others["guess"])
        ]
        ppi_py = import_module("ppi_py")
        at = ppi_py.ppi_quantile_pointestimate(*arrays, tau, exact_grid=True)
        ends = ppi_py.ppi_quantile_ci(*arrays, tau, alpha=LEVEL, exact_grid=True)
        low, high = (float(np.squeeze(end)) for end in ends)
        return float(np.squeeze(at)), low, high

    return rival


def difference(labels: pd.DataFrame, others: pd.DataFrame) -> Found:
    """Difference of the means of the two arms, which are independent."""
    z = stats.norm.ppf(1 - LEVEL / 2)
    arms = []
    for arm in (1.0, 0.0):
        at, low, high = mean(labels[labels["t"] == arm], others[others["t"] == arm])
        arms.append((at, (high - low) / (2 * z)))
    (one, its), (zero, other) = arms
    half = z * np.hypot(its, other)
    return one - zero, one - zero - half, one - zero + half


def of_quantile(tau: float) -> Row:
    """A row of a quantile."""
    return Row(
        skewed,
        quantile(tau),
        lambda frame: float(np.quantile(frame["y"], tau)),
        options={"score": Quantile(tau)},
    )


def average(frame: pd.DataFrame) -> float:
    """Mean of the outcome."""
    return float(frame["y"].mean())


TARGETS: dict[str, Row] = {
    "share of polite requests": Row(
        read("politeness.csv", y="y", guess="yhat_gpt4o"), mean, average
    ),
    "share of proteins": Row(read("alphafold.csv", y="y", guess="yhat"), mean, average),
    "mean of a survey": Row(
        read("twin_wide.csv", y="h_Redistribution_1", guess="l_Redistribution_1"),
        mean,
        average,
    ),
    "quantile .5": of_quantile(0.5),
    "quantile .9": of_quantile(0.9),
    "effect": Row(
        trial,
        difference,
        lambda frame: float(frame.groupby("t")["y"].mean().diff().iloc[1]),
        "y ~ t",
        "t",
    ),
}


def draw(row: Row, frame: pd.DataFrame, n: int, seed: int) -> dict[str, Found]:
    """Estimates and intervals of one draw."""
    rng = np.random.default_rng([seed, n])
    units = frame.iloc[rng.integers(0, len(frame), UNITS)].reset_index(drop=True)
    labeled = rng.permutation(UNITS) < n
    data = units.assign(y=units["y"].where(labeled))
    model = AugmentedGMM.from_formula(
        row.formula, data, proxy={"llm": {"y": "guess"}}, **row.options
    )
    default = model.fit()
    found = {
        "labels only": default.real_only,
        "default": default,
        "paper": model.fit(use_correction=False),
    }
    done: dict[str, Found] = {
        name: (own.params[row.name], *own.conf_int().loc[row.name])
        for name, own in found.items()
    }
    done["ppi-python"] = row.rival(units[labeled], units[~labeled])
    return done


def table_of(draws: list[dict[str, Found]], truth: float) -> pd.DataFrame:
    """One line for each method."""
    base = np.array([own["labels only"] for own in draws])
    squared = (base[:, 0] - truth) ** 2
    rows = []
    for name in draws[0]:
        own = np.array([done[name] for done in draws])
        error, size = (own[:, 0] - truth) ** 2, len(own)
        left = (error.sum() - error) / (squared.sum() - squared)
        spread = np.sqrt((size - 1) / size * ((left - left.mean()) ** 2).sum())
        covered = ((own[:, 1] <= truth) & (truth <= own[:, 2])).mean()
        width = np.median(own[:, 2] - own[:, 1]) / np.median(base[:, 2] - base[:, 1])
        rows.append(
            {
                **{"method": name, "draws": size},
                **{"mse": error.sum() / squared.sum(), "mc error": spread},
                **{"width": width, "covers": covered},
                "its mc error": np.sqrt(covered * (1 - covered) / size),
            }
        )
    return pd.DataFrame(rows)


#: Targets in the words of the table of the documentation.
SHOWN = {
    "share of polite requests": "share of polite requests",
    "share of proteins": "share of modified proteins",
    "mean of a survey": "mean of a survey",
    "quantile .5": "median",
    "quantile .9": ".9 quantile",
    "effect": "treatment effect",
}


def _quiet(name: str, n: int, seed: int) -> dict[str, Found]:
    """One draw without warnings; frames are read where it is made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return draw(TARGETS[name], frame_of(name), n, seed)


@cache
def frame_of(name: str) -> pd.DataFrame:
    """The population of a target."""
    return TARGETS[name].frame()


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: values with their errors."""
    for name, n in product(SHOWN if find_spec("ppi_py") else (), LABELS):
        if not readable(name):
            continue
        truth = TARGETS[name].truth(frame_of(name))
        found = Parallel(jobs)(
            delayed(_quiet)(name, n, seed) for seed in range(first, first + draws)
        )
        told = {method: np.array([own[method] for own in found]) for method in found[0]}
        base, row = told["labels only"], []
        for method in ("default", "ppi-python"):
            own = told[method]
            error = ratio_of((own[:, :1] - truth) ** 2, (base[:, :1] - truth) ** 2)
            width = ratio_of_medians(own[:, 2] - own[:, 1], base[:, 2] - base[:, 1])
            row += [error, width, share_of((own[:, 1] <= truth) & (truth <= own[:, 2]))]
        covered = share_of((base[:, 1] <= truth) & (truth <= base[:, 2]))
        yield (SHOWN[name], str(n)), [*row, covered]


def readable(name: str) -> bool:
    """Whether the data of a target are here."""
    try:
        return len(frame_of(name)) > 0
    except FileNotFoundError:
        return False


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("targets", nargs="*", help="beginnings of names; all if none")
    parser.add_argument("--draws", type=int, default=300)
    given = parser.parse_args()
    tables = []
    for name, row in TARGETS.items():
        if given.targets and not name.startswith(tuple(given.targets)):
            continue
        try:
            frame = row.frame()
        except FileNotFoundError as error:
            print(f"{name}: {error.filename} is not there.")
            continue
        for n in LABELS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                done = [
                    draw(row, frame, n, seed)
                    for seed in tqdm(range(given.draws), desc=f"{name}, n = {n}")
                ]
            own = table_of(done, row.truth(frame))
            tables.append(own.assign(target=name, n=n))
    found = pd.concat(tables).set_index(["target", "n"])
    print(found.round(3).to_string())


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.target_rivals  # noqa: PLW0406

    benchmarks.target_rivals.main()

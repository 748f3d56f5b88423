"""
How far intervals of average predictions hold, over the population and by group.

Run from the root of the repository, some minutes on a core::

    python -m benchmarks.margins

A logit of 3,000 units with a proxy that is right in 85 % of them. 250 units are
labelled at random; units with a high x with probability .6 and the others with .03; or
150 and 100 by stratum. The truth is the average over very many units. A row is a way
of labelling: coverage of the 95 % interval for all units, and for two groups.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import cache
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy.special import expit
import statsmodels.api as sm

from benchmarks.measured import Measured, share_of
from statsmodels_synth import AugmentedGMM

Floats = NDArray[np.float64]
FAMILY = sm.families.Binomial()
UNITS = 3000
#: Ways of labelling in the words of the documentation.
SHOWN = {
    "simple random": "random",
    "unequal, .6 and .03": "unequal",
    "strata": "strata",
}


def frame(seed: int = 0, n_units: int = 1500) -> pd.DataFrame:
    """Units with a proxy, strata, probabilities, weights and clusters."""
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=n_units), rng.integers(0, 2, n_units)
    units = pd.DataFrame({"x": x, "g": g, "c": rng.poisson(2.0, n_units)})
    units["y_true"] = (rng.uniform(size=n_units) < chance_of(units)).astype(float)
    right = rng.uniform(size=n_units) < 0.85
    units["llm"] = np.where(right, units["y_true"], 1.0 - units["y_true"])
    units["k"], units["w"] = np.arange(n_units) // 10, rng.uniform(0.5, 2.0, n_units)
    units["s"] = (x > 0.5).astype(int)
    units["p"] = np.where(units["s"] == 1, 0.6, 0.06)
    return units


def chance_of(units: pd.DataFrame) -> pd.Series:
    """Probability of the outcome."""
    return expit(0.3 + units["x"] - 0.5 * units["g"] + 0.1 * units["c"])


def labelled(units: pd.DataFrame, how: str, seed: int = 0) -> pd.DataFrame:
    """Outcome where a unit is labelled: simple random, by probability, by stratum."""
    rng = np.random.default_rng([seed, 1])
    n = len(units)
    if how == "unequal":
        drawn = rng.uniform(size=n) < units["p"].to_numpy()
    elif how == "strata":
        order = pd.Series(rng.permutation(n), units.index)
        rank = order.groupby(units["s"]).rank()
        drawn = (rank <= np.where(units["s"] == 1, 150, 100)).to_numpy()
    else:
        drawn = rng.permutation(n) < 250
    return units.assign(y=units["y_true"].where(drawn))


def fitted(units: pd.DataFrame, fit: Any = None, **options: Any) -> Any:
    """The fit of a logit."""
    model = AugmentedGMM.from_formula(
        "y ~ x + g + c", units, proxy={"y": "llm"}, family=FAMILY, **options
    )
    return model.fit(**(fit or {}))


@cache
def truth() -> Floats:
    """Averages over very many units: of all, and by group."""
    many = frame(999, 400_000)
    chance = chance_of(many)
    return np.r_[chance.mean(), chance.groupby(many["g"]).mean()]


def study(how: str, seed: int) -> tuple[Any, pd.DataFrame]:
    """A fit and its units, whose probabilities are .6 and .03."""
    units = frame(seed, UNITS)
    units["p"] = np.where(units["s"] == 1, 0.6, 0.03)
    units = labelled(units, how, seed)
    options: dict[str, Any] = {"unequal": {"labeling_prob": "p"}}.get(how, {})
    options |= {"strata": "s"} if how == "strata" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fitted(units, **options), units


def covered(result: Any) -> Any:
    """Whether intervals have the averages of the population: of all, and by group."""
    whole = result.get_prediction(average=True)
    parts = result.get_prediction(average=True, by="g")
    low, high = np.vstack([whole.conf_int(), parts.conf_int()]).T
    return (low <= truth()) & (truth() <= high)


def one(how: str, seed: int) -> Any:
    """Whether the intervals of one draw cover."""
    return covered(study(how, seed)[0])


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation."""
    for shown, how in SHOWN.items():
        found = Parallel(jobs)(
            delayed(one)(how, seed) for seed in range(first, first + draws)
        )
        yield (shown,), [share_of(hits) for hits in np.array(found).T]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    names = ["all", "group 1", "group 2"]
    rows = {
        key[0]: dict(zip(names, (own.value for own in row), strict=True))
        for key, row in cells(given.draws, jobs=given.jobs)
    }
    print(pd.DataFrame(rows).T.round(3).to_string())


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.margins  # noqa: PLW0406

    benchmarks.margins.main()

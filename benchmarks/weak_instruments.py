"""
Coverage where instruments are weak: Anderson and Rubin's set against the interval.

Run from the root of the repository, some minutes on a core::

    python -m benchmarks.weak_instruments --designs simple
    python -m benchmarks.weak_instruments --jobs 2        # all designs

3,000 units, about 150 of them labelled, have one instrument of several strengths for a
regressor that shares much of its error with the outcome. A model codes the outcome, and
the regressor is known of all units or, in one design, coded, too. The other designs are
those of :mod:`benchmarks.targets`: ways to choose the labels, weights, and a source of
some units only.

A row has the F statistic of the instrument on the labels, the share of draws in which
the interval, the set, and that of the labels alone have the truth, and the share of
rejections of a wrong value, 1 in place of .5, by the set and by that of the labels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from itertools import product

from joblib import Parallel, delayed
import numpy as np
import pandas as pd

from benchmarks.measured import Measured, share_of
from benchmarks.targets import DESIGNS, Rng, Target
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.core.messages import muted
from statsmodels_synth.exceptions import SynthWarning

LABELS = 150
TRUTH, WRONG = 0.5, 1.0
STRENGTHS = (0.0, 0.1, 0.2, 0.8)
#: The design in which the regressor is coded as well, and only of some units known.
CODED = "simple, both coded"
#: Column of the table -> key of a draw.
SHARES = {
    "interval covers": "interval",
    "set covers": "set",
    "set of labels alone": "labels",
    "set rejects 1": "rejects",
    "of labels alone": "labels reject",
}


def study(
    strength: float, rng: Rng, size: int
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Units, with what a model says of the outcome and of the regressor."""
    z, u, e, v = rng.normal(size=(4, size))
    d = strength * z + u + 0.3 * v
    y = TRUTH * d + u + 0.5 * e
    frame = pd.DataFrame({"z": z, "d": d, "y": y})
    frame["useful"] = 0.2 + 0.9 * y + 0.5 * rng.normal(size=size)
    frame["d_llm"] = d + 0.5 * rng.normal(size=size)
    return frame, {"d": TRUTH}


def draw(design: str, strength: float, seed: int) -> dict[str, float]:
    """What one study says. Each strength has studies of its own."""
    target = Target(partial(study, strength), "y ~ 1 + [d ~ z]")
    rng = np.random.default_rng([seed, STRENGTHS.index(strength)])
    sample = DESIGNS["simple" if design == CODED else design](rng, target, LABELS)
    units = sample.frame.rename(columns={"useful": "y_llm"})
    if sample.covered is not None:
        units["y_llm"] = units["y_llm"].where(sample.covered)
    source, hidden = {"y": "y_llm"}, ["y"]
    if design == CODED:
        source["d"] = "d_llm"
        hidden.append("d")
    units.loc[~sample.labeled, hidden] = np.nan
    with muted(SynthWarning):
        model = AugmentedGMM.from_formula(
            target.formula, units, {"llm": source}, **sample.options
        )
        result = model.fit(**sample.fit)
        low, high = result.conf_int().loc["d"]
        pvalues = {
            name: [own.anderson_rubin(k, alpha=None).pvalue for k in (TRUTH, WRONG)]
            for name, own in (("set", result), ("labels", result.real_only))
        }
    return {
        "F": float(result.first_stage()["fvalue"].iloc[0]),
        "interval": float(low <= TRUTH <= high),
        "set": float(pvalues["set"][0] >= 0.05),
        "labels": float(pvalues["labels"][0] >= 0.05),
        "rejects": float(pvalues["set"][1] < 0.05),
        "labels reject": float(pvalues["labels"][1] < 0.05),
    }


Cells = Iterator[tuple[tuple[str, ...], list[Measured]]]


def cells(draws: int, first: int = 0, jobs: int = 1) -> Cells:
    """Rows of the table of the documentation: values with their errors."""
    return cells_of((*DESIGNS, CODED), draws, first, jobs)


def cells_of(designs: tuple[str, ...], draws: int, first: int, jobs: int) -> Cells:
    """Its rows of some designs."""
    for design, strength in product(designs, STRENGTHS):
        seeds = range(first, first + draws)
        done = Parallel(jobs)(delayed(draw)(design, strength, seed) for seed in seeds)
        found = pd.DataFrame(done)
        # The error of a median, of values that are about normal.
        spread = 1.25 * found["F"].std() / np.sqrt(draws)
        told = [Measured(float(found["F"].median()), float(spread))]
        told += [share_of(found[key]) for key in SHARES.values()]
        yield (design, f"{strength:g}".replace("0.", ".")), told


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=1)
    known = (*DESIGNS, CODED)
    parser.add_argument("--designs", nargs="+", choices=known, default=known)
    given = parser.parse_args()
    print("design", "strength", "median F", *SHARES, sep=" | ")
    for key, told in cells_of(tuple(given.designs), given.draws, 0, given.jobs):
        numbers = (f"{value:.3f} ({error:.3f})" for value, error in told)
        print(*key, *numbers, sep=" | ", flush=True)


if __name__ == "__main__":
    main()

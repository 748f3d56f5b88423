"""
Coverage where instruments are weak: Anderson and Rubin's set against the interval.

Run from the root of the repository, some minutes on a core::

    python -m benchmarks.weak_instruments

3,000 units, 150 of them labelled, have one instrument of several strengths for a
regressor that shares much of its error with the outcome. A model codes the outcome, and
the regressor is either known of all units or coded, too. A row has the F statistic of
the instrument on the labels, the share of draws in which the interval, and the set, has
the truth, and the share of rejections of a wrong value, 1 in place of .5, by the set
and by that of the labels alone.
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.core.messages import muted
from statsmodels_synth.exceptions import SynthWarning

UNITS, LABELS = 3_000, 150
TRUTH, WRONG = 0.5, 1.0
STRENGTHS, CODED = (0.0, 0.1, 0.2, 0.8), ("outcome", "both")


def draw(strength: float, coded: str, seed: int) -> dict[str, float]:
    """What one study says."""
    rng = np.random.default_rng(seed)
    z, u, e, v = rng.normal(size=(4, UNITS))
    d = strength * z + u + 0.3 * v
    y = TRUTH * d + u + 0.5 * e
    unlabeled = rng.permutation(UNITS) >= LABELS
    units = pd.DataFrame({"z": z, "d": d, "y": y})
    units["y_llm"] = 0.2 + 0.9 * y + 0.5 * rng.normal(size=UNITS)
    proxy: dict[str, Any] = {"llm": {"y": "y_llm"}}
    hidden = ["y"]
    if coded == "both":
        units["d_llm"] = d + 0.5 * rng.normal(size=UNITS)
        proxy["llm"]["d"] = "d_llm"
        hidden.append("d")
    units.loc[unlabeled, hidden] = np.nan
    with muted(SynthWarning):
        result = AugmentedGMM.from_formula("y ~ 1 + [d ~ z]", units, proxy).fit()
        low, high = result.conf_int().loc["d"]
        tests = {
            name: [own.anderson_rubin(k, alpha=None).pvalue for k in (TRUTH, WRONG)]
            for name, own in (("set", result), ("labels", result.real_only))
        }
    return {
        "F": float(result.first_stage()["fvalue"].iloc[0]),
        "interval": float(low <= TRUTH <= high),
        "set": float(tests["set"][0] >= 0.05),
        "set, labels": float(tests["labels"][0] >= 0.05),
        "rejects": float(tests["set"][1] < 0.05),
        "rejects, labels": float(tests["labels"][1] < 0.05),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--draws", type=int, default=400)
    draws, rows = parser.parse_args().draws, []
    for coded, strength in tqdm(list(product(CODED, STRENGTHS))):
        found = pd.DataFrame([draw(strength, coded, seed) for seed in range(draws)])
        means = {**found.mean(), "F": found["F"].median()}
        rows.append({"coded": coded, "strength": strength, "draws": draws, **means})
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()

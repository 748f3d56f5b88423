"""
Size and power of J where a source covers some units only.

Run from the root of the repository::

    python -m benchmarks.partly_covered                 # about five minutes

100 of 1,000 units are labelled: at random; in three strata, 50, 25 and 25; each with
its own probability; or four in each of 40 of 100 clusters of ten. The source covers a
share of all units, whatever is labelled. Selected labels prefer units (clusters) with
high outcomes. Printed are shares of draws that reject, in per cent: random labels at
the 5 and 1 % level, selected labels at the 5 % level, and the same from a fit to
nothing but the units that the source covers.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray

from benchmarks.measured import Measured, share_of
from statsmodels_synth import AugmentedGMM

DESIGNS = ("plain", "strata", "probabilities", "clusters")


def partly_covered(
    how: str, seed: int, *, select: float = 0.0, n: int = 100, share: float = 0.3
) -> tuple[dict[str, Any], dict[str, Any], NDArray[np.bool_]]:
    """Arguments of a model and of its fit, and which units the source covers."""
    rng = np.random.default_rng(seed)
    size = 1_000
    x = rng.normal(size=size)
    stratum = rng.integers(0, 3, size)
    groups = np.repeat(np.arange(size // 10), 10)
    effect = 0.5 * rng.normal(size=size // 10)[groups]
    y = x + stratum + effect * (how == "clusters") + rng.normal(size=size)
    # Units with a high outcome are labelled more often, and nobody knows.
    noise = rng.gumbel(size=size) + select * (y - stratum)
    options: dict[str, Any] = {}
    fit: dict[str, Any] = {}
    if how == "probabilities":
        prob = n / size * np.clip(np.exp(0.5 * x), 0.4, 2.5)
        true = prob * np.exp(select * (y - stratum))
        chosen = rng.uniform(size=size) < true * prob.sum() / true.sum()
        options["labeling_prob"] = prob
    elif how == "strata":
        chosen = np.zeros(size, dtype=bool)
        for k, n_k in enumerate((n // 2, n // 4, n // 4)):
            units = np.flatnonzero(stratum == k)
            chosen[units[np.argsort(-noise[units])[:n_k]]] = True
        options["strata"] = stratum
    elif how == "clusters":
        drawn = np.argsort(-(rng.gumbel(size=100) + 8 * select * effect[::10]))[:40]
        chosen = np.isin(groups, drawn) & (np.arange(size) % 10 < 4)
        fit = {"cov_type": "cluster", "cov_kwds": {"groups": groups}}
    else:
        chosen = noise >= np.sort(noise)[-n]
    covered = rng.uniform(size=size) < share
    source = np.where(covered, y + 0.5 * rng.normal(size=size), np.nan)
    regressors = np.column_stack([np.ones(size), x])
    arguments = {
        "endog": np.where(chosen, y, np.nan),
        "exog": regressors,
        "proxy": {"source": (source, regressors)},
        **options,
    }
    return arguments, fit, covered


def restricted(
    arguments: dict[str, Any], fit: dict[str, Any], keep: NDArray[np.bool_]
) -> Any:
    """The same with some of the units, and nothing else."""
    x = arguments["exog"][keep]
    parts = {k: v[keep] for k, v in arguments.items() if k not in ("proxy", "exog")}
    proxy = {"source": (arguments["proxy"]["source"][0][keep], x)}
    model = AugmentedGMM(**parts, exog=x, proxy=proxy)
    if fit:
        groups = fit["cov_kwds"]["groups"][keep]
        fit = {"cov_type": "cluster", "cov_kwds": {"groups": groups}}
    return model.fit(**fit)


def pvalues(
    how: str, draws: int, share: float, select: float, first: int = 0
) -> NDArray[np.float64]:
    """P-values of J, and those among the covered units alone, (draws, 2)."""
    found = []
    for seed in range(first, first + draws):
        arguments, fit, covered = partly_covered(how, seed, select=select, share=share)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the source covers some units only
            ours = AugmentedGMM(**arguments).fit(**fit).jtest()[1]
            alone = restricted(arguments, fit, covered).jtest()[1]
        found.append((ours, alone))
    return np.array(found)


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: per cent, with their errors."""
    rows = list(product((0.3, 0.6), DESIGNS))
    ways = [
        (how, draws, share, select, first)
        for share, how in rows
        for select in (0.0, 0.6)
    ]
    found = iter(Parallel(jobs)(delayed(pvalues)(*way) for way in ways))
    for share, how in rows:
        null, power = next(found), next(found)
        hits = [null[:, 0] < 0.05, null[:, 0] < 0.01, null[:, 1] < 0.05]
        hits += [power[:, 0] < 0.05, power[:, 1] < 0.05]
        told = [share_of(hit).times(100.0) for hit in hits]
        yield (how, f"{100 * share:.0f} %"), told


def main() -> None:
    parser = argparse.ArgumentParser(description="J under partial coverage")
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    print("| design | covered | 5 % | 1 % | alone, 5 % | selected | alone |")
    for share in (0.3, 0.6):
        for how in DESIGNS:
            null = pvalues(how, draws, share, 0.0)
            power = (pvalues(how, draws // 2, share, 0.6) < 0.05).mean(axis=0)
            cells = [*(null[:, 0] < [[0.05], [0.01]]).mean(axis=1)]
            cells += [(null[:, 1] < 0.05).mean(), *power]
            numbers = " | ".join(f"{100 * cell:.1f}" for cell in cells)
            print(f"| {how} | {share:.0%} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()

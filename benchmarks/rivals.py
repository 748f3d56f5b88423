"""
Other packages for means from few labels and many predictions, on the same draws.

Run from the root of the repository, in an environment that has the packages, which are
no dependency of this one (glide-py needs Python 3.12)::

    pip install "ppi-aipw==0.2.2" "glide-py==0.11.0"
    pip install "fewhumans==1.0.0" "truescore==0.7.4" "cje-eval==0.9.3"
    python -m benchmarks.rivals                  # ten minutes

What is not installed is left out. dsl-kit 0.1.1 is missing because it cannot be
imported: its archives lack the module ``dsl.helpers``.

First, the same estimator here and there: the largest and the median difference of
estimates, in standard errors, and the largest of widths, relative. Then what each takes
off: mean squared error, that of the labels alone being 1, coverage of its 95 %
intervals, and their width relative to those of the labels alone.

- ``one``: y is normal, the proxy .6 y + noise; 100 of 2,000 units are labelled;
- ``two``: a second proxy, with errors of its own;
- ``curved``: the proxy is exp(y);
- ``strata``: four strata with means of their own, 25 labels in each, the proxy off by
  stratum;
- ``clusters``: 30 of 200 clusters of 1 to 20 units, whose means grow with their size.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd

from benchmarks.measured import UNKNOWN, Measured, ratio_of, share_of
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.estimators import ppi

Floats = NDArray[np.float64]
#: Estimate, and both ends of its interval.
Line = tuple[float, float, float]
CELLS = ("one", "two", "curved", "strata", "clusters")


def draw(cell: str, seed: int) -> dict[str, Any]:
    """One sample: labels (NaN where there are none), proxies (T, M), groups, truth."""
    rng = np.random.default_rng([CELLS.index(cell), seed])
    size = 2000
    group = np.zeros(size, dtype=int)
    truth = 0.5
    if cell == "strata":
        group = np.repeat(np.arange(4), size // 4)
        y = group + rng.normal(size=size)
        chosen = np.concatenate([rng.permutation(500)[:25] + 500 * k for k in range(4)])
        proxies = (y - 2.0 * group + 0.5 * rng.normal(size=size))[:, None]
        truth = 1.5
    elif cell == "clusters":
        sizes = rng.integers(1, 21, 200)
        group = np.repeat(np.arange(200), sizes)
        effect = 0.05 * sizes + 0.5 * rng.normal(size=200)
        y = effect[group] + rng.normal(size=len(group))
        proxies = (y + 0.5 * rng.normal(size=len(y)))[:, None]
        chosen = np.flatnonzero(np.isin(group, rng.permutation(200)[:30]))
        # Mean over units of clusters of 1 to 20: E[size * .05 size] / E[size].
        k = np.arange(1, 21)
        truth = 0.05 * float((k**2).sum() / k.sum())
    else:
        y = 0.5 + rng.normal(size=size)
        proxies = (0.6 * y + 0.6 * rng.normal(size=size))[:, None]
        if cell == "two":
            other = 0.3 * y + 0.6 * rng.normal(size=size)
            proxies = np.column_stack([proxies, other])
        if cell == "curved":
            proxies = np.exp(y + 0.3 * rng.normal(size=size))[:, None]
        chosen = rng.permutation(size)[:100]
    labels = np.full(len(y), np.nan)
    labels[chosen] = y[chosen]
    return {"y": labels, "proxies": proxies, "group": group, "truth": truth}


def ours(sample: dict[str, Any], cell: str) -> dict[str, Line]:
    """What this package says."""
    y, proxies, group = sample["y"], sample["proxies"], sample["group"]
    one = pd.DataFrame({"const": np.ones(len(y))})
    sources = {f"p{m}": (column, one) for m, column in enumerate(proxies.T)}
    options = {"strata": group} if cell == "strata" else {}
    fit: dict[str, Any] = {}
    if cell == "clusters":
        fit = {"cov_type": "cluster", "cov_kwds": {"groups": group}}
    model = AugmentedGMM(y, one, proxy=sources, **options)
    result = model.fit(**fit)
    found = {
        "labels only": result.real_only,
        "GMM-Synth": result,
        "GMM-Synth, paper": model.fit(use_correction=False, **fit),
        "PPI++": ppi(result),
        "PPI": ppi(result, power_tuning="none"),
    }
    return {name: _line(fitted) for name, fitted in found.items()}


def _line(result: Any) -> Line:
    low, high = np.asarray(result.conf_int())[0]
    return float(np.asarray(result.params)[0]), float(low), float(high)


def of_aipw(sample: dict[str, Any], cell: str) -> dict[str, Line]:
    """ppi-aipw: one proxy, no design."""
    mean_inference = import_module("ppi_aipw").mean_inference
    if cell in ("strata", "clusters", "two"):
        return {}
    y, proxy = sample["y"], sample["proxies"][:, 0]
    seen = np.isfinite(y)
    found = {}
    for name, options in {
        "ppi-aipw, aipw": {"method": "aipw"},
        "ppi-aipw, tuned": {"method": "aipw", "efficiency_maximization": True},
        "ppi-aipw, linear": {"method": "linear"},
        "ppi-aipw, spline": {"method": "monotone_spline"},
    }.items():
        result = mean_inference(
            y[seen], proxy[seen], proxy[~seen], alpha=0.05, **options
        )
        low, high = np.ravel(result.ci[0])[0], np.ravel(result.ci[1])[0]
        found[name] = (
            float(np.ravel(result.pointestimate)[0]),
            float(low),
            float(high),
        )
    return found


def of_glide(sample: dict[str, Any], cell: str) -> dict[str, Line]:
    """glide-py: each of its designs."""
    estimators = import_module("glide.estimators")
    y, proxies, group = sample["y"], sample["proxies"], sample["group"]
    if cell == "strata":
        results = {
            "glide, stratified": estimators.StratifiedPPIMeanEstimator().estimate(
                y, proxies[:, 0], group
            )
        }
    elif cell == "clusters":
        results = {
            "glide, clustered": estimators.ClusteredPPIMeanEstimator().estimate(
                y, proxies[:, 0], group
            )
        }
    elif cell == "two":
        results = {
            "glide, multi": estimators.MultiPPIMeanEstimator().estimate(y, proxies)
        }
    else:
        one = estimators.PPIMeanEstimator()
        results = {
            "glide, PPI++": one.estimate(y, proxies[:, 0]),
            "glide, PPI": one.estimate(y, proxies[:, 0], power_tuning=False),
        }
    return {
        name: (
            float(found.confidence_interval.mean),
            float(found.confidence_interval.lower_bound),
            float(found.confidence_interval.upper_bound),
        )
        for name, found in results.items()
    }


def of_fewhumans(sample: dict[str, Any], cell: str) -> dict[str, Line]:
    """fewhumans: one proxy, by stratum if need be; it has no clusters."""
    if cell in ("clusters", "two"):
        return {}
    y, proxy, group = sample["y"], sample["proxies"][:, 0], sample["group"]
    seen, names = np.isfinite(y), [str(t) for t in range(len(y))]
    estimators = import_module("fewhumans.estimators.stratified")
    if cell == "strata":
        results = {
            "fewhumans, stratified": estimators.stratified_ppi_plus(
                dict(zip(names, map(str, group), strict=True)),
                dict(zip(names, proxy, strict=True)),
                {names[t]: y[t] for t in np.flatnonzero(seen)},
            )
        }
    else:
        plus = import_module("fewhumans.estimators.pp_plus")
        plain = import_module("fewhumans.estimators.ppi")
        results = {
            "fewhumans, PPI++": plus.ppi_plus_mean(proxy[~seen], y[seen], proxy[seen]),
            "fewhumans, PPI": plain.ppi_mean(proxy, y[seen], proxy[seen]),
        }
    return {
        name: (float(own.value), float(own.lo), float(own.hi))
        for name, own in results.items()
    }


def of_truescore(sample: dict[str, Any], cell: str) -> dict[str, Line]:
    """truescore: PPI++ of one proxy, with clusters that are labelled as a whole."""
    if cell in ("strata", "two"):
        return {}
    y, proxy = sample["y"], sample["proxies"][:, 0]
    at = np.flatnonzero(np.isfinite(y))
    groups = sample["group"] if cell == "clusters" else None
    found = import_module("truescore").ppi_estimate(proxy, y[at], at, clusters=groups)
    return {"truescore, PPI++": (found.point, found.low, found.high)}


def of_cje(sample: dict[str, Any], cell: str) -> dict[str, Line]:
    """cje-eval: a calibrated proxy; outcomes brought to 0 to 1 by the labels."""
    if cell in ("strata", "two"):
        return {}
    y, proxy = sample["y"], sample["proxies"][:, 0]
    low, high = np.nanmin(y), np.nanmax(y)
    mean = import_module("cje.array_api").calibrated_mean_ci
    groups = sample["group"] if cell == "clusters" else None
    found = mean(proxy, (y - low) / (high - low), cluster_ids=groups)
    ends = [float(low + (high - low) * v) for v in (found.estimate, *found.ci)]
    return {"cje-eval, calibrated": (ends[0], ends[1], ends[2])}


#: The same estimator, or one that is the same to first order, here.
PAIRS = {
    "ppi-aipw, aipw": "PPI",
    "glide, PPI": "PPI",
    "glide, PPI++": "PPI++",
    "ppi-aipw, tuned": "PPI++",
    "ppi-aipw, linear": "GMM-Synth, paper",
    "glide, multi": "GMM-Synth, paper",
    "fewhumans, PPI": "PPI",
    "fewhumans, PPI++": "PPI++",
    "truescore, PPI++": "PPI++",
}


def installed() -> list[Callable[[dict[str, Any], str], dict[str, Line]]]:
    """The rivals that are there."""
    rivals = {
        "ppi_aipw": of_aipw,
        "glide": of_glide,
        "fewhumans": of_fewhumans,
        "truescore": of_truescore,
        "cje": of_cje,
    }
    return [lines for name, lines in rivals.items() if find_spec(name)]


def lines_of(cell: str, seed: int, rivals: list[Any]) -> pd.DataFrame:
    """What all methods say of one draw."""
    sample = draw(cell, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ours(sample, cell)
        for rival in rivals:
            found |= rival(sample, cell)
    frame = pd.DataFrame(found, index=["estimate", "low", "high"]).T
    return frame.assign(truth=sample["truth"], seed=seed)


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation, of the packages that are there."""
    rivals, told = installed(), {}
    for cell in CELLS:
        found = Parallel(jobs)(
            delayed(lines_of)(cell, seed, rivals)
            for seed in range(first, first + draws)
        )
        every = pd.concat(found).rename_axis("method").set_index("seed", append=True)
        base = every.xs("labels only")
        for method in every.index.unique("method"):
            told[method, cell] = _measured(every.xs(method), base)
    methods = dict.fromkeys(method for method, _ in told if method != "labels only")
    for method in methods:
        yield (
            (method,),
            [own for cell in CELLS for own in told.get((method, cell), [UNKNOWN] * 3)],
        )


def _measured(own: pd.DataFrame, base: pd.DataFrame) -> list[Measured]:
    """Squared error and width over those of the labels alone, and coverage."""
    truth = own["truth"]
    squared = [((k["estimate"] - truth) ** 2).to_numpy() for k in (own, base)]
    width = [(k["high"] - k["low"]).to_numpy() for k in (own, base)]
    covered = (own["low"] <= truth) & (truth <= own["high"])
    ratios = [ratio_of(a[:, None], b[:, None]) for a, b in (squared, width)]
    return [*ratios, share_of(covered)]


def study(
    cell: str, draws: int, rivals: list[Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of both tables."""
    lines = [lines_of(cell, seed, rivals) for seed in range(draws)]
    every = pd.concat(lines).rename_axis("method").set_index("seed", append=True)
    every["width"] = every["high"] - every["low"]
    error = (every["estimate"] - every["truth"]) ** 2
    inside = (every["low"] <= every["truth"]) & (every["truth"] <= every["high"])
    each = pd.DataFrame({"mse": error, "coverage": inside, "width": every["width"]})
    table = each.groupby("method", sort=False).mean()
    table[["mse", "width"]] /= table.loc["labels only", ["mse", "width"]]
    same = []
    for theirs, own in PAIRS.items():
        if theirs not in table.index:
            continue
        a, b = every.xs(theirs), every.xs(own)
        apart = (a["estimate"] - b["estimate"]).abs() / (b["width"] / 3.92)
        widths = (a["width"] / b["width"] - 1.0).abs()
        same.append((cell, theirs, own, apart.max(), apart.median(), widths.max()))
    columns = ["cell", "theirs", "ours", "estimate, most", "median", "width, most"]
    return pd.DataFrame(same, columns=columns), table.assign(cell=cell).reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(description="Other packages on the same draws")
    parser.add_argument("--draws", type=int, default=500)
    draws, rivals = parser.parse_args().draws, installed()
    parts = [study(cell, draws, rivals) for cell in CELLS]
    for tables in zip(*parts, strict=True):
        print(pd.concat(tables).round(4).to_string(index=False), "\n")


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.rivals  # noqa: PLW0406

    benchmarks.rivals.main()

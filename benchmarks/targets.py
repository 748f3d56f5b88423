"""
Every target model: coverage, width and error with useful and useless sources; cost.

Run from the root of the repository::

    python -m benchmarks.targets                # all of them, about an hour on a core
    python -m benchmarks.targets quantile       # those whose name begins so
    python -m benchmarks.targets --designs all  # strata, clusters ..., 300 labels
    python -m benchmarks.targets --speed        # cost at 1e6 rows, in ratios

A target is a row of :data:`TARGETS`. Its `draw` makes a frame of units in which column
``y`` is the outcome that humans would give, ``useful`` and ``useless`` what two sources
say of it, and says what the parameters of the population are. Where a source says
something of another column, `replaces` names it. Of 3,000 units 100 or 300 are labelled
at random. Finished cells are kept in ``targets-output``: run it again and it goes on.
With ``--designs`` labels are drawn in other ways, rows of :data:`DESIGNS`.

A row of the table is a cell: coverage of 95 % intervals of the default (mean over
coefficients, the lowest, and the Monte Carlo error of one), that of the labels alone,
median width as a ratio to the labels alone, and squared error as a ratio to the labels
alone with its Monte Carlo error. Draws that were refused are counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any
import warnings

from joblib import Parallel, delayed
from linearmodels.iv import IV2SLS
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy import stats
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.treatment.treatment_effects import TreatmentEffect
from tqdm import tqdm

from benchmarks.measured import UNKNOWN, Measured, rate_of
from benchmarks.problems import Row, say, table, timed, versions
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import SynthError
from statsmodels_synth.results.augmented import AugmentedGMMResults
from statsmodels_synth.scores import (
    AverageTreatmentEffect,
    Huber,
    MultinomialLogit,
    NegativeBinomial2,
    OrderedLogit,
    OrderedProbit,
    Quantile,
)

Array = NDArray[Any]
Rng = np.random.Generator
UNITS = 3000
LABELS, SOURCES = (100, 300), ("useful", "useless")
#: Labels in designs other than a simple random sample, and what names a cell.
LABELS_OF_DESIGNS, CELL = 300, ("target", "design", "n", "source")
#: Units and labels of the table of costs.
MANY, MANY_LABELS = 1_000_000, 1_000


@dataclass(frozen=True)
class Target:
    """
    A target model: one row of the table.

    Attributes
    ----------
    draw : callable
        ``(rng, size) -> (frame, truth)``: units, and the parameters by name. Those that
        are not named are not scored.
    formula : str
        Of the model.
    options : dict
        Further arguments of ``from_formula``.
    peer : callable or None
        ``frame -> fit`` of the model that one would fit to a source alone, for the
        table of costs: column ``y`` is then the outcome as the source has it.
    replaces : str
        Column that sources are about.
    at_most : float
        What the cost is to be at most, relative to the peer on one source.
    """

    draw: Callable[[Rng, int], tuple[pd.DataFrame, dict[str, float]]]
    formula: str
    options: dict[str, Any] = field(default_factory=dict)
    peer: Callable[[pd.DataFrame], Any] | None = None
    replaces: str = "y"
    at_most: float = 1.0


def linear(
    rng: Rng, size: int, noise: Callable[[int], Array]
) -> tuple[pd.DataFrame, dict[str, float]]:
    """
    A line with noise of median zero, and a source that is off by a third and noisy.

    The useless one says something of the line only, from another unit.
    """
    x = rng.normal(size=size)
    y = 0.5 + x + noise(size)
    useful = 0.3 + 0.8 * y + 0.5 * rng.normal(size=size)
    useless = rng.permutation(useful)
    frame = pd.DataFrame({"y": y, "x": x, "useful": useful, "useless": useless})
    return frame, {"Intercept": 0.5, "x": 1.0}


def student(rng: Rng) -> Callable[[int], Array]:
    """Noise with heavy tails."""
    return lambda size: rng.standard_t(3, size)


def spreading(rng: Rng, size: int, tau: float) -> tuple[pd.DataFrame, dict[str, float]]:
    """A quantile of an outcome whose spread grows along x, and as good a source."""
    x, e = rng.uniform(0.0, 2.0, size), rng.normal(size=size)
    y = 0.5 + x + (0.5 + x) * e
    useful = 0.3 + 0.8 * y + 0.5 * rng.normal(size=size)
    frame = pd.DataFrame({"y": y, "x": x, "useful": useful})
    frame["useless"] = rng.permutation(useful)
    z = stats.norm.ppf(tau)
    return frame, {"Intercept": 0.5 + 0.5 * z, "x": 1.0 + z}


def quantreg(tau: float) -> Callable[[pd.DataFrame], Any]:
    """Quantile regression of statsmodels."""
    return lambda frame: smf.quantreg("y ~ x", frame).fit(q=tau)


def skewed(rng: Rng, size: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """
    A line with skewed errors, of which Huber's regression knows the slope only.

    Its constant depends on the scale, and is what the labels of a large sample say.
    """
    frame, _ = linear(rng, size, lambda n: rng.exponential(size=n) - np.log(2.0))
    return frame, {"x": 1.0}


def counts(rng: Rng, size: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Counts that vary by what a source sees and x does not say."""
    x, unseen = rng.normal(size=size), rng.gamma(2.0, 0.5, size)
    mean = np.exp(1.0 + 0.5 * x) * unseen
    y = rng.poisson(mean).astype(float)
    useful = np.round(0.8 * mean * np.exp(0.3 * rng.normal(size=size)))
    frame = pd.DataFrame({"y": y, "x": x, "useful": useful})
    frame["useless"] = rng.permutation(useful)
    return frame, {"Intercept": 1.0, "x": 0.5, "lnalpha": np.log(0.5)}


def confounded(
    rng: Rng, size: int, strength: float = 0.8
) -> tuple[pd.DataFrame, dict[str, float]]:
    """A regressor that shares an unobserved part with the outcome, and instruments."""
    z1, z2, z3, x, u = rng.normal(size=(5, size))
    d = strength * z1 + 0.3 * z2 + 0.2 * z3 + 0.3 * x + u + rng.normal(size=size)
    y = 1.0 + 0.5 * d + 0.3 * x + u + rng.normal(size=size)
    frame = pd.DataFrame({"y": y, "x": x, "d": d, "z1": z1, "z2": z2, "z3": z3})
    frame["useful"] = 0.3 + 0.8 * y + 0.5 * rng.normal(size=size)
    frame["useless"] = rng.permutation(frame["useful"])
    return frame, {"Intercept": 1.0, "x": 0.3, "d": 0.5}


def trial(
    rng: Rng, size: int, by_model: str = "y"
) -> tuple[pd.DataFrame, dict[str, float]]:
    """A treatment by chance of x, whose effect depends on x; y or it is coded."""
    x = rng.normal(size=size)
    chance = 1.0 / (1.0 + np.exp(-0.5 * x))
    t = (rng.uniform(size=size) < chance).astype(float)
    y = 1.0 + 0.5 * t + x + 0.3 * t * x + rng.normal(size=size)
    useful = 0.3 * t + 0.8 * y + 0.5 * rng.normal(size=size)
    if by_model == "t":
        useful = np.where(rng.uniform(size=size) < 0.9, t, 1.0 - t)
    frame = pd.DataFrame({"y": y, "t": t, "x": x, "e": chance, "useful": useful})
    frame["useless"] = rng.permutation(useful)
    return frame, {"ATE": 0.5}


def two_stages(frame: pd.DataFrame) -> Any:
    """Two-stage least squares of linearmodels."""
    return IV2SLS.from_formula("y ~ 1 + x + [d ~ z1 + z2 + z3]", frame).fit()


def lin(frame: pd.DataFrame) -> Any:
    """Regression with interactions of Lin (2013), by least squares of statsmodels."""
    centred = frame.assign(x=frame["x"] - frame["x"].mean())
    return smf.ols("y ~ t * x", centred).fit(cov_type="HC2")


def doubly_robust(frame: pd.DataFrame) -> Any:
    """Augmented inverse probability weights of statsmodels."""
    x = sm.add_constant(frame[["x"]])
    chosen = sm.Logit(frame["t"], x).fit(disp=0)
    model = TreatmentEffect(sm.OLS(frame["y"], x), frame["t"], results_select=chosen)
    return model.aipw(return_results=True)


def effect(propensity: Any = None) -> dict[str, Any]:
    """Options of a treatment effect."""
    return {"score": AverageTreatmentEffect("t", propensity)}


def choices(rng: Rng, size: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """One of three levels, and a source that errs for a fifth of the units."""
    x = rng.normal(size=size)
    utility = np.column_stack([0.0 * x, 0.7 * x, 0.4 - 0.7 * x])
    at = (utility + rng.gumbel(size=(size, 3))).argmax(axis=1)
    names = np.array(["a", "b", "c"], dtype=object)
    said = np.where(rng.uniform(size=size) < 0.8, at, rng.integers(0, 3, size))
    frame = pd.DataFrame({"y": names[at], "x": x, "useful": names[said]})
    frame["useless"] = rng.permutation(frame["useful"])
    truth = {"b:Intercept": 0.0, "b:x": 0.7, "c:Intercept": 0.4, "c:x": -0.7}
    return frame, truth


def ratings(
    rng: Rng, size: int, noise: Callable[[int], Array]
) -> tuple[pd.DataFrame, dict[str, float]]:
    """A rating from 0 to 3, and a source that errs for a fifth of the units."""
    x = rng.normal(size=size)
    y = np.digitize(0.7 * x + noise(size), [-1.0, 0.0, 1.2])
    said = np.where(rng.uniform(size=size) < 0.8, y, rng.integers(0, 4, size))
    frame = pd.DataFrame({"y": y.astype(float), "x": x, "useful": said.astype(float)})
    frame["useless"] = rng.permutation(frame["useful"])
    return frame, {"x": 0.7, "0/1": -1.0, "1/2": 0.0, "2/3": 1.2}


def multinomial(frame: pd.DataFrame) -> Any:
    """Multinomial logit of statsmodels."""
    codes = frame["y"].map({"a": 0, "b": 1, "c": 2})
    return sm.MNLogit(codes, sm.add_constant(frame[["x"]])).fit(disp=0)


def ordered(distribution: str) -> Callable[[pd.DataFrame], Any]:
    """Ordered model of statsmodels, by its fastest method."""

    def fit(frame: pd.DataFrame) -> Any:
        model = OrderedModel(frame["y"], frame[["x"]], distr=distribution)
        return model.fit(method="bfgs", disp=0)

    return fit


#: One row for each target: add yours here.
TARGETS: dict[str, Target] = {
    "least squares": Target(
        lambda rng, size: linear(rng, size, rng.standard_normal),
        "y ~ x",
        peer=lambda frame: smf.ols("y ~ x", frame).fit(),
    ),
    "quantile .5, heavy tails": Target(
        lambda rng, size: linear(rng, size, student(rng)),
        "y ~ x",
        {"score": Quantile(0.5)},
        quantreg(0.5),
    ),
    "quantile .5, growing spread": Target(
        lambda rng, size: spreading(rng, size, 0.5), "y ~ x", {"score": Quantile(0.5)}
    ),
    "quantile .8, growing spread": Target(
        lambda rng, size: spreading(rng, size, 0.8),
        "y ~ x",
        {"score": Quantile(0.8)},
        quantreg(0.8),
    ),
    "Huber, heavy tails": Target(
        lambda rng, size: linear(rng, size, student(rng)),
        "y ~ x",
        {"score": Huber()},
        lambda frame: smf.rlm("y ~ x", frame).fit(),
    ),
    "Huber, skewed errors": Target(skewed, "y ~ x", {"score": Huber()}),
    "negative binomial": Target(
        counts,
        "y ~ x",
        {"score": NegativeBinomial2()},
        lambda frame: smf.negativebinomial("y ~ x", frame).fit(disp=0),
    ),
    "levels, multinomial": Target(
        choices, "y ~ x", {"score": MultinomialLogit()}, multinomial, at_most=2.0
    ),
    "levels, ordered logit": Target(
        lambda rng, size: ratings(rng, size, lambda k: rng.logistic(size=k)),
        "y ~ x",
        {"score": OrderedLogit()},
        ordered("logit"),
    ),
    "levels, ordered probit": Target(
        lambda rng, size: ratings(rng, size, rng.standard_normal),
        "y ~ x",
        {"score": OrderedProbit()},
        ordered("probit"),
    ),
    "instruments, just identified": Target(confounded, "y ~ 1 + x + [d ~ z1]"),
    "instruments, three for one": Target(
        confounded, "y ~ 1 + x + [d ~ z1 + z2 + z3]", peer=two_stages
    ),
    "effect, regression-adjusted": Target(trial, "y ~ t + x", effect(), lin),
    "effect, known propensities": Target(trial, "y ~ t + x + e", effect("e")),
    "effect, logistic propensities": Target(
        trial, "y ~ t + x", effect("logit"), doubly_robust
    ),
    "effect, treatment coded": Target(
        lambda rng, size: trial(rng, size, "t"),
        "y ~ t + x",
        effect("logit"),
        doubly_robust,
        replaces="t",
    ),
}


@dataclass(frozen=True)
class Sample:
    """
    Units of a study, and who of them is labelled.

    Attributes
    ----------
    frame : DataFrame
        Units.
    truth : dict
        Parameters of the population that they stand for.
    labeled : array of bool
        Who is labelled.
    options, fit : dict
        What the design asks of ``from_formula`` and of ``fit``.
    covered : array of bool or None
        Units of which the sources say something; None for all.
    """

    frame: pd.DataFrame
    truth: dict[str, float]
    labeled: Array
    options: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)
    covered: Array | None = None


def simple(rng: Rng, target: Target, n: int) -> Sample:
    """A simple random sample."""
    frame, truth = target.draw(rng, UNITS)
    return Sample(frame, truth, rng.permutation(UNITS) < n)


def ranks(rng: Rng, frame: pd.DataFrame) -> Array:
    """Where units stand by what the useful source says of them, from 0 to 1."""
    codes, _ = pd.factorize(frame["useful"], sort=True)
    order = np.lexsort((rng.random(len(frame)), codes))
    found = np.empty(len(frame))
    found[order] = (np.arange(len(frame)) + 0.5) / len(frame)
    return found


def strata(rng: Rng, target: Target, n: int) -> Sample:
    """Three strata by the useful source, with 1/2, 1/3 and 1/6 of the labels."""
    frame, truth = target.draw(rng, UNITS)
    frame["stratum"] = (3 * ranks(rng, frame)).astype(int)
    labeled = np.zeros(UNITS, dtype=bool)
    for stratum, part in enumerate((n // 2, n // 3, n // 6)):
        units = np.flatnonzero(frame["stratum"] == stratum)
        labeled[rng.choice(units, part, replace=False)] = True
    return Sample(frame, truth, labeled, {"strata": "stratum"})


def probabilities(rng: Rng, target: Target, n: int) -> Sample:
    """Each unit by itself, with a probability that rises sixfold along the source."""
    frame, truth = target.draw(rng, UNITS)
    share = np.exp(np.log(6.0) * ranks(rng, frame))
    frame["chance"] = n * share / share.sum()
    labeled = rng.random(UNITS) < frame["chance"].to_numpy()
    return Sample(frame, truth, labeled, {"labeling_prob": "chance"})


def clusters(rng: Rng, target: Target, n: int) -> Sample:
    """
    Five labels in each of some of 300 clusters of ten.

    Four of ten in a cluster are the same unit over and over, its sources included: the
    law of a unit stays what it is, and one has on average 1.2 copies beside it.
    """
    frame, truth = target.draw(rng, UNITS)
    group, place = np.divmod(np.arange(UNITS), 10)
    rows = np.where(place < 4, 10 * group, np.arange(UNITS))
    frame = frame.iloc[rows].reset_index(drop=True)
    chosen = rng.choice(UNITS // 10, n // 5, replace=False)
    five = rng.permuted(np.tile(place[:10] < 5, (UNITS // 10, 1)), axis=1).ravel()
    frame["group"] = group
    options = {"cov_type": "cluster", "cov_kwds": {"groups": "group"}}
    return Sample(frame, truth, np.isin(group, chosen) & five, fit=options)


def weights(rng: Rng, target: Target, n: int) -> Sample:
    """A survey that missed units the more the higher the source; weights say so."""
    frame, truth = target.draw(rng, 3 * UNITS)
    at = ranks(rng, frame)
    frame["weight"] = np.exp(1.5 * at)
    met = np.flatnonzero(rng.random(3 * UNITS) < 1.0 / frame["weight"])[:UNITS]
    frame = frame.iloc[met].reset_index(drop=True)
    assert len(frame) == UNITS
    labeled = rng.permutation(UNITS) < n
    return Sample(frame, truth, labeled, {"weights": "weight"})


def partly(rng: Rng, target: Target, n: int) -> Sample:
    """Sources that cover half of the units, the more of them the higher they are."""
    own = simple(rng, target, n)
    covered = rng.random(UNITS) < 0.2 + 0.6 * ranks(rng, own.frame)
    return replace(own, covered=covered)


#: How units are labelled, and of which of them there are sources.
DESIGNS: dict[str, Callable[[Rng, Target, int], Sample]] = {
    "simple": simple,
    "strata": strata,
    "probabilities": probabilities,
    "clusters": clusters,
    "weights": weights,
    "partly covered": partly,
}


def fitted(
    target: Target, n: int, source: str, seed: int, design: str = "simple"
) -> tuple[AugmentedGMMResults, dict[str, float]] | None:
    """Result of a study and the parameters of the population; None where refused."""
    sample = DESIGNS[design](np.random.default_rng([seed, n]), target, n)
    data = sample.frame.drop(columns=["useful", "useless"])
    data["llm"] = sample.frame[source]
    if sample.covered is not None:
        data["llm"] = data["llm"].where(sample.covered)
    data.loc[~sample.labeled, target.replaces] = np.nan
    proxy = {"llm": {target.replaces: "llm"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = AugmentedGMM.from_formula(
                target.formula, data, proxy=proxy, **target.options, **sample.options
            )
            return model.fit(**sample.fit), sample.truth
        except SynthError:
            return None


def one_draw(
    target: Target, n: int, source: str, seed: int, design: str = "simple"
) -> dict[str, Array] | None:
    """Squared errors, coverage and widths, (3, p) per method; None where refused."""
    study = fitted(target, n, source, seed, design)
    if study is None:
        return None
    result, truth = study
    wanted, names = np.array(list(truth.values())), list(truth)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for method, own in (("default", result), ("labels", result.real_only)):
            low, high = own.conf_int().loc[names].to_numpy().T
            error = (own.params[names].to_numpy() - wanted) ** 2
            covered = (low <= wanted) & (wanted <= high)
            found[method] = np.array([error, covered, high - low])
    return found


def run(
    cell: tuple[str, str, int, str], draws: int, jobs: int, folder: Path
) -> dict[str, Any]:
    """All draws of a cell, from the file where it is there."""
    name, design, n, source = cell
    where = "" if design == "simple" else f"{design}-"
    own = f"{name}-{where}{n}-{source}-{draws}.csv"
    path = folder / own.replace(" ", "_")
    if path.exists():
        return dict(pd.read_csv(path).iloc[0])
    done = Parallel(jobs)(
        delayed(one_draw)(TARGETS[name], n, source, seed, design)
        for seed in range(draws)
    )
    kept = [found for found in done if found is not None]
    row: dict[str, Any] = dict(zip(CELL, cell, strict=True))
    row |= summary(kept) if kept else {}
    row["refused"] = draws - len(kept)
    pd.DataFrame([row]).to_csv(path, index=False)
    return row


def summary(kept: list[dict[str, Array]]) -> dict[str, float]:
    """What the table says of some draws."""
    own, labels = (np.array([d[m] for d in kept]) for m in ("default", "labels"))
    base = labels[:, 0].mean(axis=0)
    ratio = own[:, 0].mean(axis=0) / base
    spread = (own[:, 0] / base - ratio * labels[:, 0] / base).mean(axis=1)
    covered, alone = own[:, 1].mean(axis=0), labels[:, 1].mean(axis=0)
    width = np.median(own[:, 2], axis=0) / np.median(labels[:, 2], axis=0)
    return {
        "draws": len(kept),
        "covers": covered.mean(),
        "lowest": covered.min(),
        "mc error": np.sqrt(0.95 * 0.05 / len(kept)),
        "labels cover": alone.mean(),
        "lowest ": alone.min(),
        "width": width.mean(),
        "mse": ratio.mean(),
        "its mc error": spread.std() / np.sqrt(len(kept)),
        "largest": ratio.max(),
    }


#: Names of targets in the table of the documentation, and here.
SHOWN = {
    "median, heavy tails": "quantile .5, heavy tails",
    "median, growing spread": "quantile .5, growing spread",
    "quantile .8, growing spread": "quantile .8, growing spread",
    "Huber, heavy tails": "Huber, heavy tails",
    "Huber, skewed errors, slope": "Huber, skewed errors",
    "negative binomial (300 draws)": "negative binomial",
}


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: values with their errors."""
    for (shown, name), n, source in product(SHOWN.items(), LABELS, SOURCES):
        target, seeds = TARGETS[name], range(first, first + draws)
        done = Parallel(jobs)(delayed(one_draw)(target, n, source, s) for s in seeds)
        kept = [found for found in done if found is not None]
        told = summary(kept)
        own, alone = (np.array([d[m] for d in kept]) for m in ("default", "labels"))
        # Medians and their ratios have the spread of samples with replacement. A few
        # draws may agree: a share of a draw more is never known.
        rng = np.random.default_rng(0)
        again = [
            summary([kept[k] for k in rng.integers(len(kept), size=len(kept))])["width"]
            for _ in range(100)
        ]
        yield (
            (shown, str(n), source),
            [
                rate_of(own[:, 1].mean(axis=1)),
                UNKNOWN,
                rate_of(alone[:, 1].mean(axis=1)),
                Measured(told["width"], max(float(np.std(again)), 0.5 / len(kept))),
                Measured(told["mse"], told["its mc error"]),
            ],
        )


def cost(name: str, units: int, repeats: int) -> Row:
    """Model and fit with two sources, relative to the peer on each, in turns."""
    target, rng = TARGETS[name], np.random.default_rng(0)
    assert target.peer is not None
    frame, _ = target.draw(rng, units)
    data = frame.copy()
    data.loc[rng.permutation(units) >= MANY_LABELS, target.replaces] = np.nan
    proxy = {s: {target.replaces: s} for s in SOURCES}
    alone = [frame.assign(**{target.replaces: frame[s]}) for s in SOURCES]

    def ours() -> Any:
        model = AugmentedGMM.from_formula(
            target.formula, data, proxy=proxy, **target.options
        )
        return model.fit()

    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for count in range(repeats):
            say(f"{name}, round {count + 1} of {repeats}")
            seconds["ours"].append(timed(ours)[0])
            seconds["peer"].append(sum(timed(target.peer, own)[0] for own in alone))
    mine, peer = (median(each) for each in seconds.values())
    note = f"{mine:.1f} s / {peer:.1f} s"
    return Row(
        f"{name}, two sources / its model on each",
        mine / peer,
        target.at_most,
        note=note,
    )


def cells_of(
    names: list[str], designs: list[str] | None, sources: list[str]
) -> list[tuple[str, str, int, str]]:
    """Cells of the table; `designs` are those of the command line."""
    if designs is None:
        return list(product(names, ["simple"], LABELS, sources))
    kinds = list(DESIGNS)[1:] if "all" in designs else designs
    return list(product(names, kinds, [LABELS_OF_DESIGNS], sources))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "targets", nargs="*", help="beginnings of names; all if omitted"
    )
    parser.add_argument(
        "--designs",
        nargs="+",
        choices=["all", *DESIGNS],
        help="ways to label, all but a simple random sample with 'all'",
    )
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=SOURCES)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("targets-output"))
    parser.add_argument("--speed", action="store_true", help="costs in place of draws")
    parser.add_argument("--units", type=int, default=MANY, help="of the table of costs")
    parser.add_argument("--repeats", type=int, default=3, help="of the table of costs")
    given = parser.parse_args()
    names = [
        name
        for name in TARGETS
        if not given.targets or name.startswith(tuple(given.targets))
    ]
    if given.speed:
        print(versions())
        with_peer = [name for name in names if TARGETS[name].peer is not None]
        print(table([cost(name, given.units, given.repeats) for name in with_peer]))
        return
    given.out.mkdir(parents=True, exist_ok=True)
    cells = cells_of(names, given.designs, given.sources)
    rows = [run(cell, given.draws, given.jobs, given.out) for cell in tqdm(cells)]
    found = pd.DataFrame(rows)
    pd.set_option("display.width", 200, "display.max_rows", 500)
    print(found.round(3).to_string(index=False))
    worse = found["mse"] - 2.0 * found["its mc error"] > 1.03
    print(f"\nSquared error above 1.03 of the labels alone: {int(worse.sum())}")
    outside = (found["covers"] < 0.93) | (found["covers"] > 0.97)
    print(f"Coverage outside .93 to .97: {int(outside.sum())}")


if __name__ == "__main__":
    main()

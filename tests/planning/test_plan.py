"""Planning from a pilot: the formula, the searches, and what they predict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import re
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm

from benchmarks.plan import BETA, PILOT_UNITS, Cell, fit, observe, simulate, study
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.datasets import load_posts
from statsmodels_synth.demo import fit_study, make_study
from statsmodels_synth.exceptions import DataError, LabelAgreementWarning, OptionError
from statsmodels_synth.planning.mixes import _check_number
from statsmodels_synth.planning.plan import Plan
from statsmodels_synth.planning.power import power_of_test, ratio_for_power
from statsmodels_synth.planning.prediction import VarianceParts, with_gain
from statsmodels_synth.planning.search import Aim, cheapest_sizes, fewest_labels
from statsmodels_synth.scores import AverageTreatmentEffect
from tests.problems import frames, model_of
from tests.reference import dense
from tests.reference.dense import Array


def problem(kind: str = "gaussian", **kwargs: Any) -> dense.Problem:
    return dense.simulate(kind, seed=1, k_sources=2, error=0.4, **kwargs)


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Two sources in frames; the second with two rows per unit."""
    data, proxies = frames(problem())
    twice = pd.concat([proxies["s1"], proxies["s1"]])
    rng = np.random.default_rng(0)
    twice["y"] += rng.normal(size=len(twice))
    model = AugmentedGMM.from_formula(
        "y ~ x1 + x2", data, proxy={"gpt": proxies["s0"]}, synthetic={"sim": twice}
    )
    return model.fit().plan()


# The formula

STRATUM = np.arange(600) % 3 == 0
GROUPS = np.random.default_rng(0).integers(0, 150, 600)


def by_strata(one: dense.Problem) -> Any:
    rng, labeled = np.random.default_rng(3), np.zeros(600, dtype=bool)
    for stratum, size in ((False, 80), (True, 120)):
        labeled[rng.permutation(np.flatnonzero(stratum == STRATUM))[:size]] = True
    return model_of(replace(one, labeled=labeled), strata=STRATUM).fit()


def by_chance(one: dense.Problem) -> Any:
    prob = np.where(STRATUM, 0.5, 0.25)
    labeled = np.random.default_rng(4).random(600) < prob
    return model_of(replace(one, labeled=labeled), labeling_prob=prob).fit()


CLUSTERED = {"cov_type": "cluster", "cov_kwds": {"groups": GROUPS}}
FITS: dict[str, Callable[[dense.Problem], Any]] = {
    "default": lambda one: model_of(one).fit(),
    "paper": lambda one: model_of(one).fit(use_correction=False, use_t=False),
    "one step": lambda one: model_of(one).fit(maxiter=1),
    "clusters": lambda one: model_of(one).fit(**CLUSTERED),
    "clusters, paper": lambda one: model_of(one).fit(use_correction=False, **CLUSTERED),
    "weights": lambda one: model_of(
        one, weights=np.random.default_rng(5).uniform(0.5, 2.0, 600)
    ).fit(),
    "strata": by_strata,
    "probabilities": by_chance,
}


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
@pytest.mark.parametrize("name", FITS)
def test_the_pilot_is_predicted_exactly(kind: str, name: str) -> None:
    result = FITS[name](problem(kind))
    plan = result.plan()
    found = plan.expect()
    np.testing.assert_allclose(found["std_err"], result.bse, rtol=1e-10)
    alone = plan.expect(sources=[])
    np.testing.assert_allclose(alone["std_err"], result.real_only.bse, rtol=1e-10)
    np.testing.assert_allclose(alone["effective_labels"], plan.n_labeled, rtol=1e-10)
    width = np.diff(np.asarray(result.conf_int()), axis=1)[:, 0]
    np.testing.assert_allclose(found["width"], width, rtol=1e-10)
    # A subset is what a fit with these sources alone reports.
    if name == "default":
        one = model_of(replace(problem(kind), sources=problem(kind).sources[1:])).fit()
        np.testing.assert_allclose(
            plan.expect(sources=["s1"])["std_err"], one.bse, rtol=1e-8
        )
    # More labels and units never hurt.
    sizes = [plan.min_labels, 100, plan.n_labeled, 320, plan.most_labels]
    errors = plan.expect(sizes)["std_err"].to_numpy().reshape(5, -1)
    assert (np.diff(errors, axis=0) < 0).all()
    errors = plan.expect(n_units=[400, 600, 10**4])["std_err"].to_numpy().reshape(3, -1)
    assert (np.diff(errors, axis=0) <= 0).all()


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
@pytest.mark.parametrize("name", FITS)
def test_all_units_labelled_is_the_labels_alone(kind: str, name: str) -> None:
    """With n = T the augmented estimate is that of the labels, whatever the sources."""
    plan = (FITS[name](problem(kind))).plan()
    if plan.most_labels < 600:  # a stratum runs out before all are labelled
        return
    alone = plan.expect(600, sources=[])
    for sources in (["s0"], ["s1"], None):
        found = plan.expect(600, sources=sources)
        for column in ("std_err", "width", "power"):
            np.testing.assert_allclose(found[column], alone[column], rtol=1e-9)
        np.testing.assert_allclose(found["effective_labels"], 600, rtol=1e-9)
    # So it is among any number of units.
    wide = [plan.expect(900, 900, sources=s)["width"] for s in (None, [])]
    np.testing.assert_allclose(wide[0], wide[1], rtol=1e-9)


def lines(plan: Plan, name: str) -> dict[str, Array]:
    """Widths in the default figure."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    (axes,) = plan.plot(name).axes
    found = {
        str(line.get_label()): np.asarray(line.get_ydata())
        for line in axes.get_lines()
        if len(np.atleast_1d(line.get_ydata())) > 1
    }
    plt.close("all")
    return found


@pytest.mark.parametrize("error", [0.1, 0.4, 30.0])
@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
@pytest.mark.parametrize("name", FITS)
def test_predictions_are_monotone_and_lines_do_not_cross(
    kind: str, name: str, error: float
) -> None:
    """Good sources, the usual ones and useless ones."""
    one = dense.simulate(kind, seed=1, k_sources=2, error=min(error, 0.49))
    if error > 1.0:
        rng = np.random.default_rng(8)
        shuffled = [rng.permutation(y) for y, _ in one.sources]
        one = replace(
            one,
            sources=[(y, x) for y, (_, x) in zip(shuffled, one.sources, strict=True)],
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = (FITS[name](one)).plan()
    for coefficient in plan.names:
        found = lines(plan, coefficient)
        alone = found.pop("labels only")
        for widths in found.values():
            assert (np.diff(widths) <= 1e-12 * alone[1:]).all()
            sides = np.sign(
                np.where(np.abs(widths / alone - 1) < 1e-9, 0, widths - alone)
            )
            assert {*sides} <= {0, -1} or {*sides} <= {0, 1}
    units = [450, 600, 700, 1000, 3000, 10**6]
    here = plan.expect(plan.n_labeled, n_units=units)
    wide = here["width"].to_numpy().reshape(len(units), -1)
    alone = plan.expect(sources=[])["std_err"].to_numpy()
    pays = plan.expect()["std_err"].to_numpy() < alone
    assert (np.diff(wide, axis=0)[:, pays] <= 1e-12).all()


@pytest.mark.parametrize("seed", range(100))
def test_coherence_whatever_a_pilot_reports(seed: int) -> None:
    """Pilots that contradict themselves: monotone in n and T, and never across."""
    rng = np.random.default_rng(seed)
    p, n = 5, int(rng.integers(8, 400))
    n_units = int(n * (1.0 + rng.choice([0.01, 0.3, 3.0, 50.0]))) + 1
    labels = rng.uniform(0.1, 1.0, p)
    alone = VarianceParts(
        labels=labels,
        units=labels * rng.choice([0.0, 0.1]),
        excess=labels * rng.uniform(-0.5, 0.6, p),
        n=n,
        n_units=n_units,
        df_lost=3.0,
        per_label=float(rng.choice([1.0, 0.3])),
        use_t=bool(rng.random() < 0.8),
    )
    fewest = max(n // 4, 5)
    parts = with_gain(
        alone,
        first=labels * rng.uniform(-0.2, 1.2, p),
        reported=alone.reported * rng.uniform(0.02, 1.2, p),
        share=np.ones(p),
        df_lost=float(rng.uniform(0.0, 6.0)),
        fewest=fewest,
    )
    small = 1e-12 * alone.reported
    sizes = np.unique(np.geomspace(fewest, n_units, 60).round())
    everyone = np.full(len(sizes), float(n_units))
    found, without = (one.variance(sizes, everyone) for one in (parts, alone))
    assert (found > 0.0).all()
    assert (np.diff(found, axis=0) <= small).all()
    np.testing.assert_allclose(found[-1], without[-1], rtol=1e-12)
    df = parts.df(sizes, everyone)
    np.testing.assert_allclose(df[-1], alone.df(sizes, everyone)[-1], rtol=1e-9)
    assert parts.gain is not None
    pays = parts.gain.pays
    sign = np.where(pays, 1.0, -1.0)
    assert ((without - found) * sign >= -small).all()
    # In units, where sources pay.
    for size in (fewest, n, n_units):
        units = np.unique(np.geomspace(size, 100 * n_units, 60).round())
        by_units = parts.variance(np.full(len(units), float(size)), units)
        assert (np.diff(by_units, axis=0)[:, pays] <= small[pays]).all()


def test_large_sample_variance_against_a_dense_derivation() -> None:
    """
    Where n is large nothing is left but the formula of double sampling.

    The parts are freed from the bias of few labels, here 20,000, so that the two
    agree up to k / n: 9 coefficients (squared residuals weigh the tails of x more,
    which takes some more).
    """
    one = dense.simulate(
        "gaussian", seed=2, k_sources=2, n_units=60_000, n_labeled=20_000
    )
    result = model_of(one).fit()
    labeled = one.labeled

    def score(y: Array, x: Array, b: Array) -> Array:
        return np.asarray(x * (y - x @ b)[:, None])

    psi = score(one.y, one.x, result.params)[labeled]
    h = np.hstack(
        [score(y, x, np.linalg.lstsq(x, y, rcond=None)[0]) for y, x in one.sources]
    )
    n, slope = labeled.sum(), np.linalg.inv(one.x[labeled].T @ one.x[labeled])
    s_psi, cross = psi.T @ psi / n, psi.T @ h[labeled] / n
    s_hh = h[labeled].T @ h[labeled] / n
    s_res = s_psi - cross @ np.linalg.solve(s_hh, cross.T)
    for size, units in ((20_000, 60_000), (5_000, 10**6), (10**6, 10**6)):
        middle = (1 / size - 1 / units) * s_res + s_psi / units
        dense_bse = np.sqrt(np.diag(slope @ middle @ slope)) * n
        found = result.plan().expect(size, units)["std_err"]
        np.testing.assert_allclose(found, dense_bse, rtol=0.005)


def test_labels_alone_against_the_textbook() -> None:
    """The mean of y: s / sqrt(n), and HC3 is s / sqrt(n - 1) n / (n - 1)."""
    y = np.random.default_rng(0).normal(size=50)
    plan = AugmentedGMM(y, np.ones((50, 1))).fit().plan()
    parts = plan._pilots.alone
    s2 = y.var(ddof=1)
    np.testing.assert_allclose(parts.labels, s2 / 50, rtol=1e-12)
    np.testing.assert_allclose(parts.excess, s2 / 49 - s2 / 50, rtol=1e-12)
    assert parts.units == 0.0
    found = plan.expect([50, 5000], n_units=5000)
    np.testing.assert_allclose(found["std_err"][1], np.sqrt(s2 / 5000), rtol=2e-4)
    t = stats.t.ppf(0.975, 4999)
    np.testing.assert_allclose(found["width"][1], 2 * t * found["std_err"][1])


def test_power() -> None:
    ratio = np.linspace(0.1, 6, 20)
    for df in (3.0, 10.0, 200.0):
        q = stats.t.ppf(0.975, df)
        exact = stats.nct.sf(q, df, ratio) + stats.nct.cdf(-q, df, ratio)
        found = power_of_test(ratio, np.full(20, df), 0.05)
        np.testing.assert_allclose(found, exact, atol=2e-5)
    normal = stats.norm.sf(1.96 - ratio) + stats.norm.cdf(-1.96 - ratio)
    for df in (np.inf, 1e6):
        found = power_of_test(-ratio, np.full(20, df), 0.05)
        np.testing.assert_allclose(found, normal, atol=1e-4)
    many = np.array([1.0, 2.0, 7.5, 300.0, np.inf])
    for power in (0.051, 0.5, 0.8, 0.999):
        needed = ratio_for_power(power, many, 0.05)
        np.testing.assert_allclose(power_of_test(needed, many, 0.05), power, rtol=1e-9)


# What it predicts


@pytest.mark.parametrize("family", ["gaussian", "binomial"])
@pytest.mark.parametrize("sources", [1, 2])
def test_predictions_come_true(family: str, sources: int) -> None:
    """
    Pilots of 200 predict 400 and 800 labels, within 5 %.

    To the aim of 5 % three standard errors of the simulation are added. The means of
    standard errors over 60 pilots and over 150 fits are known to .015 together; the
    standard deviation of 150 estimates to 1 / sqrt(300) = .058, which is why ``python
    -m benchmarks.plan`` has 2,500 draws.
    """
    pilot = Cell(family, sources)
    predicted = np.mean(
        [
            fit(pilot, seed).plan().expect([400, 800])["std_err"].to_numpy()
            for seed in range(60)
        ],
        axis=0,
    ).reshape(2, -1)
    for k, n in enumerate((400, 800)):
        outcomes = observe(replace(pilot, n=n), list(range(10**6, 10**6 + 150)))
        reported = np.mean([bse for bse, _ in outcomes], axis=0)
        np.testing.assert_allclose(predicted[k] / reported, 1.0, atol=0.05 + 3 * 0.015)
        spread = np.std([params for _, params in outcomes], axis=0, ddof=1)
        np.testing.assert_allclose(predicted[k] / spread, 1.0, atol=0.05 + 3 * 0.06)


@pytest.mark.parametrize("family", ["gaussian", "binomial"])
def test_replicates_are_predicted(family: str) -> None:
    """Four rows and one, from pilots with two; tolerances as above, 60 of each."""
    cell = Cell(family, 1, units=PILOT_UNITS, pilot_rows=2)
    plans = [fit(cell.pilot, seed).plan() for seed in range(60)]

    def mean(rows: int) -> Array:
        found = [plan.expect(400, replicates=rows)["std_err"] for plan in plans]
        return np.asarray(np.mean(found, axis=0))

    for rows in (1, 4):
        late = replace(cell, n=400, rows=rows)
        outcomes = observe(late, list(range(10**6, 10**6 + 60)))
        reported = np.mean([bse for bse, _ in outcomes], axis=0)
        np.testing.assert_allclose(mean(rows) / reported, 1.0, atol=0.05 + 3 * 0.016)
        # And this is no small thing.
        assert ((mean(rows) < mean(2)) == (rows == 4)).all()


@pytest.mark.parametrize("seed", range(3))
def test_more_replicates_never_hurt(seed: int) -> None:
    cell = Cell("gaussian", 2, units=600, pilot_rows=2)
    plan = fit(cell.pilot, seed).plan()
    for n in (plan.min_labels, 200, 500):
        errors = [
            plan.expect(n, replicates={"s0": r})["std_err"]
            for r in (1, 2, 3, 10, 10**6)
        ]
        assert (np.diff(errors, axis=0) <= 1e-12).all()


def test_noise_within_units() -> None:
    """Against the covariance of two rows of each unit, unit by unit."""
    endog, exog, sources = simulate(Cell("gaussian", 1, units=300, rows=2), 0)
    result = AugmentedGMM(endog, exog, synthetic=sources).fit()
    y, x, _ = sources["s0"]
    eta = result.auxiliary_params.to_numpy()[0]
    rows = (x * (y - x @ eta)[:, None]).reshape(300, 2, len(BETA))
    difference = rows[:, 0] - rows[:, 1]
    noise = result.plan()._pilots.of((0,)).noise[0]
    np.testing.assert_allclose(noise.everyone, difference.T @ difference / 2)
    np.testing.assert_allclose(noise.labeled, noise.everyone * 200 / 300)
    assert noise.rows == 2
    assert noise.share == 0.5


def test_replicates_of_some_units_only() -> None:
    """A second row for a quarter of the units is enough to predict with."""
    endog, exog, sources = simulate(Cell("gaussian", 1, units=4000, rows=2), 0)
    y, x, units = sources["s0"]
    keep = (np.arange(8000) % 2 == 0) | (units % 4 == 0)
    some = {"s0": (y[keep], x[keep], units[keep])}
    plan = AugmentedGMM(endog, exog, synthetic=some).fit().plan()
    full = AugmentedGMM(endog, exog, synthetic=sources).fit().plan()
    np.testing.assert_allclose(
        plan.expect(replicates=2)["std_err"], full.expect()["std_err"], rtol=0.05
    )
    one, many = (plan.expect(replicates=r)["std_err"] for r in (1, 50))
    assert (many < plan.expect()["std_err"]).all()
    assert (plan.expect()["std_err"] < one).all()


def test_replicates_with_unequal_probabilities_and_clusters() -> None:
    """Only that the sums fit together: as many rows as before change nothing."""
    endog, exog, sources = simulate(Cell("gaussian", 2, units=900, rows=2), 0)
    prob = np.where(np.arange(900) % 2 == 0, 0.15, 0.3)
    model = AugmentedGMM(endog, exog, synthetic=sources, labeling_prob=prob)
    groups = np.arange(900) % 90
    for result in (
        model.fit(),
        AugmentedGMM(endog, exog, synthetic=sources).fit(
            cov_type="cluster", cov_kwds={"groups": groups}
        ),
    ):
        plan = result.plan()
        error = plan.expect()["std_err"].to_numpy()
        assert (plan.expect(replicates=2)["std_err"] == error).all()
        few = plan.expect(replicates={"s0": 1})["std_err"].to_numpy()
        some = plan.expect(replicates={"s0": 3})["std_err"].to_numpy()
        many = plan.expect(replicates=10**6)["std_err"].to_numpy()
        assert ((many < some) & (some < error) & (error < few)).all()


# The searches


def test_labels_needed_is_the_smallest(plan: Plan) -> None:
    aims: list[dict[str, Any]] = [{"width": 0.3}, {"power": 0.9}]
    for aim in aims:
        table = plan.labels_needed(effect=0.3, n_units=10**4, **aim)
        assert list(table.index) == ["x1", "x2"]
        assert table["reached"].all()
        for name, row in table.iterrows():
            n = int(row["n"])
            sizes = plan.expect([n - 1, n], 10**4, effect=0.3, coefficients=str(name))
            if "width" in aim:
                assert sizes["width"][1] <= 0.3 < sizes["width"][0]
            else:
                assert sizes["power"][0] < 0.9 <= sizes["power"][1]


def test_labels_that_even_all_units_are_not(plan: Plan) -> None:
    table = plan.labels_needed(width=0.01)
    assert table["n"].isna().all()
    assert not table["reached"].any()
    best = plan.expect(600, coefficients=["x1", "x2"])
    np.testing.assert_allclose(table["width"], best["width"])
    assert plan.labels_needed(width=0.01, n_units=10**7)["reached"].all()


def test_a_lone_constant_is_a_coefficient() -> None:
    y = np.random.default_rng(0).normal(size=50)
    plan = AugmentedGMM(y, np.ones((50, 1))).fit().plan()
    assert list(plan.labels_needed(width=0.9).index) == ["const"]


def test_effective_labels(plan: Plan) -> None:
    row = plan.expect(300, coefficients="x1").iloc[0]
    n = row["effective_labels"]
    assert n > 300
    low, high = plan.expect([int(n), int(n) + 1], 10**4, sources=[], coefficients="x1")[
        "std_err"
    ]
    assert high <= row["std_err"] <= low


@pytest.mark.parametrize("gains", [None, 0.15, 0.4])
@pytest.mark.parametrize("seed", range(4))
def test_cheapest_sizes_against_brute_force(seed: int, gains: float | None) -> None:
    rng = np.random.default_rng(seed)
    parts = VarianceParts(
        labels=rng.uniform(0.2, 1.0, 1),
        units=rng.uniform(0.0, 0.3, 1),
        excess=rng.uniform(-0.1, 0.2, 1),
        n=50,
        n_units=100,
        df_lost=4.3,
        per_label=1.0,
        use_t=bool(seed % 2),
    )
    if gains is not None:
        first = np.array([gains * parts.labels[0]])
        reported = parts.reported - first + rng.uniform(-0.02, 0.05)
        parts = with_gain(parts, first, reported, np.ones(1), 3.2, 12)
    label, unit = rng.uniform(1.0, 3.0), rng.uniform(0.0, 0.5)
    sizes = [(n, t) for n in range(12, 201) for t in range(n, 201)]
    n, t = np.array(sizes, dtype=float).T
    error = np.sqrt(parts.variance(n, t)[:, 0])
    df = parts.df(n, t)[:, 0]
    for aim in (Aim(0, 1.5, None, 1.0, 0.05), Aim(0, None, 0.8, 1.5, 0.05)):
        if aim.width is not None:
            good = 2 * stats.t.ppf(0.975, df) * error <= aim.width
        else:
            good = power_of_test(aim.effect / error, df, 0.05) >= 0.8
        found = cheapest_sizes(parts, aim, 12, 200, label, unit)
        if not good.any():
            assert found is None
            assert fewest_labels(parts, aim, 12, 200) is None
            continue
        cost = np.where(good, label * n + unit * t, np.inf)
        assert found is not None
        np.testing.assert_allclose(found[2], cost.min(), rtol=1e-12)
        assert aim.reached(parts, found[0], found[1])
        assert fewest_labels(parts, aim, 12, 200) == n[good & (t == 200)].min()


@pytest.mark.parametrize("gains", [None, 0.4])
def test_cheapest_with_many_units(gains: float | None) -> None:
    """The grid ends at single numbers: against every number of labels and units."""
    parts = VarianceParts(
        *np.array([[0.8], [0.1], [0.02]]), 50, 1000, 4.0, 1.0, use_t=True
    )
    if gains is not None:
        first = np.array([gains])
        parts = with_gain(parts, first, parts.reported - 0.3, np.ones(1), 3.0, 12)
    aim = Aim(0, 0.8, None, 1.0, 0.05)
    found = cheapest_sizes(parts, aim, 12, 10**5, 1.0, 0.03)
    assert found is not None
    n, units = (
        part.ravel().astype(float)
        for part in np.meshgrid(np.arange(12, 1500), np.arange(50, 25_000, 25))
    )
    n, units = n[units >= n], units[units >= n]
    good = parts.variance(n, units) <= aim.largest_variance(parts.df(n, units))
    cost = np.where(good[:, 0], n + 0.03 * units, np.inf)
    # The grid is coarse by 25 units, .75 in price.
    assert cost.min() - 0.75 <= found[2] <= cost.min() + 1e-9


def test_cheapest_mix(plan: Plan) -> None:
    """Every row is what it says, and no mix of a grid is cheaper."""
    options: dict[str, Any] = {
        "coefficient": "x1",
        "width": 0.25,
        "price_label": 2.0,
        "price_proxy": {"gpt": 0.05},
        "price_synthetic": 0.1,
        "n_units": 2000,
        "max_replicates": 3,
    }
    table = plan.cheapest(**options)
    assert sorted(table["sources"]) == ["gpt", "gpt, sim", "labels only", "sim"]
    assert table["cost"].is_monotonic_increasing
    for row in table.itertuples(index=False):
        used = [] if row.sources == "labels only" else row.sources.split(", ")
        rows = dict(zip(["gpt", "sim"], row[3:5], strict=True))
        price = 0.05 * ("gpt" in used)
        price += 0.1 * int(rows["sim"]) if "sim" in used else 0.0
        assert row.cost == pytest.approx(2.0 * row.n + price * row.n_units)
        assert pd.isna(rows["sim"]) == ("sim" not in used)
        choices: list[Any] = [None]
        if "sim" in used:
            choices = [{"sim": r} for r in (1, 2, 3)]
            at = {"sim": int(rows["sim"])}
        else:
            at = None
        here = plan.expect(row.n, row.n_units, at, used, coefficients="x1")
        np.testing.assert_allclose(here["width"], row.width, rtol=1e-12)
        assert row.width <= 0.25
        for choice in choices:
            units = list(range(600, 2001, 100))
            grid = plan.expect(
                list(range(150, 600, 10)), units, choice, used, coefficients="x1"
            )
            grid = grid[grid["width"] <= 0.25]
            extra = 0.05 * ("gpt" in used)
            extra += 0.1 * choice["sim"] if choice else 0.0
            cost = 2.0 * grid["n"] + extra * grid["n_units"]
            assert not len(cost) or cost.min() >= row.cost - 1e-9


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.CoverageWarning")
def test_units_that_no_source_covers_can_be_labelled() -> None:
    """
    Of 3,000 units a source covers three in ten; the pilot uses 1,100 of them.

    The mean prediction of pilots with 300 labels is the mean of what fits with more
    labels report. Their ratio has a Monte Carlo error of 2 % for the constant, and of
    4 % for the slope: three of them are allowed.
    """

    def fit(seed: int, n: int) -> Any:
        rng = np.random.default_rng(seed)
        x = np.column_stack([np.ones(3000), rng.normal(size=3000)])
        y = x @ [0.3, 1.0] + rng.normal(size=3000)
        source = y + 0.5 * rng.normal(size=3000)
        source[rng.permutation(3000)[900:]] = np.nan
        y[rng.permutation(3000)[n:]] = np.nan
        # The pilot's last unit could never be labelled.
        x[-1, 1] = np.nan if np.isnan(y[-1]) and np.isnan(source[-1]) else x[-1, 1]
        return AugmentedGMM(y, x, proxy={"some": (source, x)}).fit()

    plan = fit(1, 300).plan()
    given = 3000 - plan.n_units
    assert given in (0, 1)
    assert plan.most_labels == plan.n_units
    alone = plan.expect(n=plan.n_units, sources=[])["std_err"]
    np.testing.assert_allclose(plan.expect(n=plan.n_units)["std_err"], alone)
    sizes = [600, 1500, 2700]
    predicted = np.array(
        [fit(seed, 300).plan().expect(n=sizes)["std_err"] for seed in range(25)]
    )
    for n, found in zip(sizes, (predicted**2).mean(axis=0).reshape(3, 2), strict=True):
        actual = np.mean([fit(seed, n).bse ** 2 for seed in range(8)], axis=0)
        np.testing.assert_allclose(found[0], actual[0], rtol=0.06)
        np.testing.assert_allclose(found[1], actual[1], rtol=0.12)


def test_a_source_costs_what_it_covers() -> None:
    """A tenth of the units, of which some have two rows: against brute force."""
    endog, exog, sources = simulate(Cell("gaussian", 2, units=2000, rows=2), 0)
    y, x, units = sources["s1"]
    keep = units % 10 == 0
    # In the pilot a second row for every other of them.
    keep &= (np.arange(len(units)) % 2 == 0) | (units % 20 == 0)
    some = {"s0": sources["s0"], "s1": (y[keep], x[keep], units[keep])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = AugmentedGMM(endog, exog, synthetic=some).fit().plan()
    price, name = 0.3, plan.names[1]
    table = plan.cheapest(
        coefficient=name,
        width=0.2,
        price_label=2.0,
        price_synthetic=price,
        max_replicates=3,
        n_units=4000,
        sources=["s1"],
    )
    assert sorted(table["sources"]) == ["labels only", "s1"]
    assert "replicates[s0]" not in table
    row = table.set_index("sources").loc["s1"]
    rows = int(row["replicates[s1]"])
    cost = 2.0 * row["n"] + price * 0.1 * rows * row["n_units"]
    assert row["cost"] == pytest.approx(cost)
    others = []
    for r in (1, 2, 3):
        grid = plan.expect(
            list(range(100, 700, 5)),
            list(range(700, 4001, 100)),
            r,
            ["s1"],
            coefficients=name,
        )
        grid = grid[grid["width"] <= 0.2]
        others += list(2.0 * grid["n"] + price * 0.1 * r * grid["n_units"])
    # The grid is coarse: its best is dearer by less than 5 labels and 100 units.
    assert row["cost"] - 1e-9 <= min(others) <= row["cost"] + 10 + 9


def test_mixes_that_only_fewer_sources_make_fewer() -> None:
    with pytest.raises(OptionError, match=r"8192 mixes .* Name fewer sources in"):
        _check_number([[1]] * 13, 5)


def test_cheapest_that_cannot_be_had(plan: Plan) -> None:
    table = plan.cheapest(coefficient="x1", width=0.001, price_label=1)
    assert np.isinf(table["cost"]).all()
    assert table["n"].isna().all()
    assert (table["width"] > 0.001).all()


def test_what_is_reached_exactly_is_reached(plan: Plan) -> None:
    for n in (60, 137, 200, 431):
        here = plan.expect(n, effect=0.15, coefficients="x1").iloc[0]
        for aim in ("width", "power"):
            given = {aim: float(here[aim])}
            needed = plan.labels_needed(**given, effect=0.15, coefficients="x1")
            assert needed["n"].iloc[0] == n


# Designs that cannot be


def test_strata_run_out() -> None:
    """A stratum of which three quarters are labelled has no twice as many."""
    one, rng = problem(), np.random.default_rng(3)
    labeled = np.zeros(600, dtype=bool)
    for stratum, size in ((False, 50), (True, 150)):
        labeled[rng.permutation(np.flatnonzero(stratum == STRATUM))[:size]] = True
    result = model_of(replace(one, labeled=labeled), strata=STRATUM).fit()
    plan = result.plan()
    # All 200 of one stratum are 4/3 of 150, and so of 200 labels.
    assert plan.most_labels == 266
    message = r"n=300 is more than the pilot's n_units=600 allow: .* at most n=266\."
    with pytest.raises(OptionError, match=message):
        plan.expect(300)
    assert plan.expect([266], 600)["std_err"].notna().all()
    assert plan.expect(300, 700)["std_err"].notna().all()
    table = plan.labels_needed(width=0.001)
    at_most = plan.expect(266, coefficients=["x1", "x2"])
    np.testing.assert_allclose(table["width"], at_most["width"])
    found = plan.cheapest(coefficient="x1", width=0.25, price_label=1, n_units=900)
    assert (found["n"].dropna() <= 400).all()
    # Without sources units are added with the labels.
    alone = result.real_only.plan()
    double = alone.expect(2 * alone.n_labeled)
    assert (double["std_err"] < alone.expect()["std_err"]).all()


def test_labels_alone_are_not_limited_by_the_units() -> None:
    result = model_of(problem()).fit().real_only
    plan = result.plan()
    double = plan.expect(2 * result.n_labeled)
    assert (double["n_units"] >= 400).all()
    assert (double["std_err"] < np.asarray(result.bse) / 1.4).all()
    width = float(double["width"].iloc[1])
    needed = plan.labels_needed(width=width, coefficients="x1")
    assert needed["n"].iloc[0] == 400
    cheapest = plan.cheapest(coefficient="x1", width=width, price_label=3.0).iloc[0]
    assert (cheapest["n"], cheapest["cost"]) == (400, 1200.0)
    assert "800" in str(plan)
    assert not plan.labels_needed(width=width, n_units=300)["reached"].any()


# Texts, figures, input


def test_summary(plan: Plan) -> None:
    text = str(plan)
    assert text == str(plan.summary())
    assert plan._repr_html_() == plan.summary().as_html()
    assert "tabular" in plan.summary().as_latex()
    # A line between the numbers of labels, and three around the table.
    assert sum(set(line) <= set("-=") for line in text.splitlines() if line) == 5
    for part in (
        "winner's curse",
        "gpt, sim",
        "100",
        "400",
        "eff. sample",
        "predicted",
        "600 units",
    ):
        assert part in text
    assert "winner's curse" not in str(plan.summary(effect=0.2))
    assert "x2" not in str(plan.summary(effect={"x1": 0.2}))
    assert "99.5 % interval" in str(plan.summary(alpha=0.005))
    with pytest.raises(OptionError, match="effect= has no value"):
        plan.summary(effect={})
    assert max(len(line) for line in text.splitlines()) <= 100
    assert repr(plan) == "<Plan from a pilot: 200 labels, 600 units; sources: gpt, sim>"
    clustered = model_of(problem()).fit(**CLUSTERED).plan()
    assert "Twice the labels are twice the clusters" in str(clustered)
    y = np.random.default_rng(0).normal(size=50)
    alone = AugmentedGMM(y, np.ones((50, 1))).fit().plan()
    assert "alone" not in str(alone)
    assert "sources: none" in str(alone)
    # Where it can, it says how to draw labels better.
    for some in (plan, fit_study(make_study())[1].plan()):
        told = "designs(n=...) says how many" in re.sub(r"\s+", " ", str(some))
        assert told == some.units_can_be_drawn
    assert some.units_can_be_drawn


def test_plot(plan: Plan) -> None:
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure = plan.plot("x2")
    (axes,) = figure.axes
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["labels only", "with gpt", "with sim", "with all sources"]
    assert axes.get_title("left") == "x2"
    _, given = plt.subplots()
    assert plan.plot(ax=given, alpha=0.005) is given.figure
    assert "99.5 % interval" in given.get_ylabel()
    with pytest.raises(OptionError, match="coefficient= is a list"):
        plan.plot(["x1", "x2"])  # type: ignore[arg-type]
    assert given.get_title("left") == "x1"  # not the constant
    y = np.random.default_rng(0).normal(size=50)
    alone = AugmentedGMM(y, np.ones((50, 1))).fit().plan().plot()
    assert len(alone.axes[0].get_legend().get_texts()) == 1
    plt.close("all")


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.FewUnitsWarning")
def test_a_pilot_of_hardly_any_labels() -> None:
    one = problem()
    labeled = np.zeros(600, dtype=bool)
    labeled[:4] = True
    plan = model_of(replace(one, labeled=labeled, sources=[])).fit().plan()
    assert plan.min_labels == plan.n_labeled == 4
    assert "From 4 labels on." in str(plan)
    assert plan.expect(8, 100)["std_err"].notna().all()


def test_effects(plan: Plan) -> None:
    named = plan.expect(effect={"x1": 0.2}, coefficients="x1")["power"]
    series = plan.expect(effect=pd.Series({"x1": -0.2, "x2": 1.0}), coefficients="x1")
    assert named[0] == series["power"][0]
    estimate = plan.expect(effect=plan.params[1], coefficients="x1")["power"]
    assert estimate[0] == plan.expect(coefficients="x1")["power"][0]


EXPECT: list[tuple[dict[str, Any], str]] = [
    ({"n": 0}, "n=0 must be a whole number"),
    ({"n": -5}, "n=-5 must be a whole number"),
    ({"n": 10.5}, "n=10.5 must be a whole number"),
    ({"n": "many"}, "n='many' must be a whole number"),
    ({"n": float("nan")}, "n=nan must be a whole number"),
    ({"n": True}, "n=True must be a whole number"),
    ({"n": []}, "n is empty"),
    ({"n": 4}, "n=4 is too few for 3 coefficients. Give at least 50"),
    ({"n": 49}, "n=49 is less than a quarter of the pilot's 200 labels, and what so"),
    ({"n": 700}, "n=700 is more than the pilot's n_units=600"),
    ({"n": 700, "n_units": [800, 650]}, "n=700 is more than n_units=650"),
    ({"n": 700}, "Give a larger n_units, or at most n=600"),
    ({"sources": 1}, "sources=1 is no name of a source"),
    ({"coefficients": 3}, "coefficients=3 is no name of a coefficient"),
    ({"coefficients": []}, "coefficients= is empty"),
    ({"n_units": 0}, "n_units=0 must be a whole number"),
    ({"sources": ["gtp"]}, "There is no source 'gtp'. Did you mean 'gpt'?"),
    ({"coefficients": "x3"}, "There is no coefficient 'x3'. There are: 'Inter"),
    ({"alpha": 0.0}, "alpha=0.0 is not between 0 and 1"),
    ({"alpha": 1}, "alpha=1 is not between 0 and 1"),
    ({"alpha": "x"}, "alpha='x' is not between 0 and 1"),
    ({"replicates": 2}, "one row per unit of source 'gpt', so that what 2 rows"),
    ({"replicates": {"gpt": 3}}, "Draw a second row, for some units at least"),
    ({"replicates": {"smi": 3}}, "There is no source 'smi'. Did you mean 'sim'?"),
    ({"replicates": {"sim": 0}}, "replicates of 'sim'=0 must be a whole number"),
    ({"replicates": 1.5}, "replicates=1.5 must be a whole number"),
    ({"replicates": {"sim": 3}, "sources": ["gpt"]}, "which is not among sources="),
    ({"effect": "big"}, "effect='big' is not a finite number"),
    ({"effect": {"x3": 1.0}}, "There is no coefficient 'x3'"),
    ({"effect": {"x1": np.inf}}, "effect of 'x1'=inf is not a finite number"),
    (
        {"effect": {"x1": 1.0}, "coefficients": ["Intercept"]},
        "effect= has no value for coefficient 'Intercept'",
    ),
]
NEEDED: list[tuple[dict[str, Any], str]] = [
    ({}, "width= and power= are neither given"),
    ({"width": 1.0, "power": 0.8}, "width= and power= are both given"),
    ({"width": 0.0}, "width=0.0 does not exist. Give a number above 0"),
    ({"width": -1}, "width=-1 does not exist"),
    (
        {"power": 1.0},
        "power=1.0 does not exist. Give a number above alpha=0.05 and below 1",
    ),
    ({"power": 0.04}, "power=0.04 does not exist"),
    ({"power": 0.8, "effect": 0.0}, "The effect of 'x1' is 0"),
    ({"width": 1.0, "n_units": 3}, "n_units=3 must be a whole number >= 50"),
    ({"width": 1.0, "coefficients": []}, "coefficients= is empty"),
]
CHEAPEST: list[tuple[dict[str, Any], str]] = [
    ({"price_label": -1}, "price_label=-1 does not exist. Give a number of at least 0"),
    ({"price_proxy": {"gtp": 1}}, "price_proxy= names 'gtp'. Did you mean 'gpt'?"),
    ({"price_proxy": {"sim": 1}}, "price_proxy= names 'sim'. There are: 'gpt'."),
    ({"price_synthetic": {}}, "price_synthetic= has no price for source 'sim'"),
    ({"price_proxy": {"gpt": -1}}, "price_proxy of 'gpt'=-1 does not exist"),
    ({"price_synthetic": float("inf")}, "price_synthetic=inf does not exist"),
    ({"coefficient": ["x1", "x2"]}, "coefficient= is a list. Name the one"),
    ({"coefficient": "x9"}, "There is no coefficient 'x9'"),
    ({"max_replicates": 0}, "max_replicates=0 must be a whole number"),
    ({"max_replicates": 10**4}, "Lower max_replicates=10000, or name fewer sources"),
    ({"sources": ["gtp"]}, "There is no source 'gtp'"),
    ({"width": None}, "width= and power= are neither given"),
    ({"price_label": None}, "price_label= is not given"),
]


@pytest.mark.parametrize(("given", "message"), EXPECT, ids=[m for _, m in EXPECT])
def test_bad_designs(plan: Plan, given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as error:
        plan.expect(**given)
    assert message in str(error.value)


@pytest.mark.parametrize(("given", "message"), NEEDED, ids=[m for _, m in NEEDED])
def test_bad_aims(plan: Plan, given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as error:
        plan.labels_needed(**given)
    assert message in str(error.value)


@pytest.mark.parametrize(("given", "message"), CHEAPEST, ids=[m for _, m in CHEAPEST])
def test_bad_prices(plan: Plan, given: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"coefficient": "x1", "width": 0.3, "price_label": 1.0}
    with pytest.raises(OptionError) as error:
        plan.cheapest(**(options | given))
    assert message in str(error.value)


def test_no_source_to_name() -> None:
    y = np.random.default_rng(0).normal(size=50)
    plan = AugmentedGMM(y, np.ones((50, 1))).fit().plan()
    with pytest.raises(OptionError, match="The pilot has no source"):
        plan.expect(sources=["gpt"])
    with pytest.raises(OptionError, match="The pilot has no proxy source"):
        plan.cheapest(
            coefficient="const", width=1.0, price_label=1.0, price_proxy={"gpt": 1.0}
        )


def test_a_plan_does_not_share_the_estimates() -> None:
    result = model_of(problem()).fit()
    plan, before = result.plan(), np.array(result.params)
    plan.params[:] = 0.0
    np.testing.assert_array_equal(result.params, before)
    np.testing.assert_array_equal(result.plan().params, before)


def test_pilots_that_are_none() -> None:
    result = model_of(problem()).fit()
    fit = result._fit_or_raise()
    failed = replace(fit, solution=replace(fit.solution, converged=False))
    result._results._fit = failed
    with pytest.raises(DataError, match="The pilot did not converge"):
        result.plan()
    result = model_of(problem()).fit()
    result.remove_data()
    with pytest.raises(DataError, match="removed with remove_data"):
        result.plan()


def test_a_pilot_of_which_every_unit_is_labelled() -> None:
    """The sources take no part in it."""
    one = problem()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = model_of(replace(one, labeled=np.ones(600, dtype=bool))).fit()
    plan = result.plan()
    assert plan.source_names == []
    np.testing.assert_allclose(plan.expect()["std_err"], result.bse, rtol=1e-10)


def test_warnings_of_the_pilot_are_not_repeated() -> None:
    """A source that is always right: warned of at the fit, finite in the plan."""
    one = problem("binomial")
    sure = replace(one, sources=[(one.y, one.x)])
    with pytest.warns(LabelAgreementWarning):
        result = model_of(sure).fit()
    table = result.plan().expect([50, 200, 600])
    assert np.isfinite(table["std_err"]).all()
    assert (table["std_err"] > 0).all()


def test_other_families() -> None:
    for kind in ("poisson", "gamma"):
        result = model_of(problem(kind)).fit()
        assert isinstance(result.model.family, (sm.families.Poisson, sm.families.Gamma))
        table = result.plan().labels_needed(power=0.9, effect=0.2, n_units=10**5)
        assert table["reached"].all()


def test_a_cell_of_the_benchmark() -> None:
    cell = Cell("gaussian", 2, n=300, units=1000, left_out=1)
    assert fit(cell, 0).source_names == ["s1"]
    table = study(cell, draws=5, pilots=5)
    assert list(table["coefficient"]) == ["b0", "b1", "b2"]
    assert np.isfinite(table[["predicted", "to_reported", "to_sd"]]).all(axis=None)


def test_the_effect_of_a_treatment_is_no_constant() -> None:
    """Its first coefficient is what the study is about."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"d": np.arange(300) % 2 * 1.0, "x": rng.normal(size=300)})
    data["y"] = data["d"] + data["x"] + rng.normal(size=300)
    data["llm"] = data["y"] + rng.normal(size=300)
    data.loc[100:, "y"] = np.nan
    result = AugmentedGMM.from_formula(
        "y ~ d + x", data, proxy={"y": "llm"}, score=AverageTreatmentEffect("d")
    ).fit()
    assert result.compare(methods=["naive"]).constant is None
    plan = result.plan()
    assert "ATE" in plan.labels_needed(width=1.0).index
    assert "ATE" in plan.designs(200).index.get_level_values(0)


def test_half_the_labels_have_no_jump_in_width() -> None:
    """A coefficient has its share of the degrees of freedom at any number of labels."""
    result = AugmentedGMM.from_formula(
        "polite ~ hedge + length",
        load_posts(),
        proxy={"polite": "polite_llm"},
        family=sm.families.Binomial(),
    ).fit()
    plan = result.plan()
    own = [plan.expect(n, coefficients="hedge").iloc[0] for n in (140, 160, 300)]
    quantiles = [row["width"] / (2.0 * row["std_err"]) for row in own]
    # 104 degrees of freedom of 300 labels leave about a half with half the labels.
    assert quantiles[2] < quantiles[1] < quantiles[0] < stats.t.ppf(0.975, 45)

"""The units themselves as the population: against closed forms, loops and labelling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.demo import make_study, study_model
from statsmodels_synth.estimators import ppi, predict_then_debias
from statsmodels_synth.exceptions import DataError, FullyLabeledWarning, OptionError
from tests.problems import SHARED, model_of, needs_data
from tests.reference import dense, loops
from tests.test_shrinkage import PROBLEMS, small

T, N = 300, 90


def survey(seed: int = 0, t_units: int = T, n: int = N) -> tuple[Any, Any, Any]:
    """Outcomes of all units, a source, and which units are labelled."""
    rng = np.random.default_rng(seed)
    y = rng.gamma(2.0, size=t_units)
    chosen = np.isin(np.arange(t_units), rng.permutation(t_units)[:n])
    return y, y + rng.normal(size=t_units), chosen


def mean_model(y: Any, chosen: Any, guess: Any = None, **options: Any) -> AugmentedGMM:
    """The mean of y, with or without a source."""
    one = np.ones((len(y), 1))
    proxy = None if guess is None else {"llm": (guess, one)}
    return AugmentedGMM(np.where(chosen, y, np.nan), one, proxy=proxy, **options)


def test_of_a_mean_it_is_the_finite_population_correction() -> None:
    """Cochran (1977), 2.6; HC3 has n - 1 in place of n, HC0 the biased variance."""
    y, guess, chosen = survey()
    left = 1.0 - N / T
    for model in (mean_model(y, chosen), mean_model(y, chosen, guess)):
        real = model.fit(population="finite").real_only
        np.testing.assert_allclose(
            real.bse**2, left * y[chosen].var(ddof=1) / (N - 1), rtol=1e-12
        )
        paper = model.fit(population="finite", use_correction=False).real_only
        np.testing.assert_allclose(paper.bse**2, left * y[chosen].var() / N, rtol=1e-12)


@pytest.mark.parametrize("take_all", [False, True])
def test_with_strata_each_has_its_own_fraction(take_all: bool) -> None:
    """Cochran (1977), 5.4; a stratum of which all are labelled adds nothing."""
    y, _, _ = survey()
    strata = np.repeat([0, 1, 2], [200, 60, 40])
    rng, chosen = np.random.default_rng(2), np.zeros(T, dtype=bool)
    sizes = {0: 40, 1: 30, 2: 40 if take_all else 20}
    variance = 0.0
    for h, n in sizes.items():
        own = np.flatnonzero(strata == h)
        chosen[rng.choice(own, n, replace=False)] = True
        s2 = y[chosen & (strata == h)].var(ddof=1)
        variance += (len(own) / T) ** 2 * (1 - n / len(own)) * s2 / n
    model = mean_model(y, chosen, strata=strata)
    paper = model.fit(population="finite", use_correction=False)
    np.testing.assert_allclose(paper.bse**2, variance, rtol=1e-12)
    default = model.fit(population="finite")
    # Leverages of HC3 are at most 1.5 / 40 here.
    np.testing.assert_allclose(default.bse**2, variance, rtol=0.1)
    groups, n = (2, 70) if take_all else (3, 90)
    assert default.df_resid == n - groups
    assert paper.df_resid == n - groups


def test_with_unequal_probabilities_it_is_that_of_hajek() -> None:
    """Each unit by 1 - pi; pi is known up to the number of units."""
    y, _, _ = survey()
    rng = np.random.default_rng(3)
    prob = rng.uniform(0.1, 0.6, T)
    chosen = rng.random(T) < prob
    weight = 1.0 / prob[chosen]
    weight *= T / weight.sum()
    e = y[chosen] - (weight @ y[chosen]) / T
    model = mean_model(y, chosen, labeling_prob=prob)
    paper = model.fit(population="finite", use_correction=False)
    expected = np.sum((1 - 1 / weight) * (weight * e / T) ** 2)
    np.testing.assert_allclose(paper.bse**2, expected, rtol=1e-12)
    room = 1.0 - weight / T
    left_out = np.sum((1 - 1 / weight) * (weight * e / T / room) ** 2)
    default = model.fit(population="finite")
    np.testing.assert_allclose(default.bse**2, left_out, rtol=1e-12)


FINITE = {name: PROBLEMS[name] for name in ("gaussian, two", "binomial, three", "gaps")}


@pytest.mark.filterwarnings("ignore:.*lacks:UserWarning")
@pytest.mark.parametrize("name", FINITE)
def test_one_row_left_out_after_the_other(name: str) -> None:
    """As the test of the same name does; with gaps, units that nobody covers count."""
    found = model_of(FINITE[name]).fit(population="finite")
    expected = loops.fit(FINITE[name], finite=True)
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-8)
    np.testing.assert_allclose(
        found.cov_params(), expected.covariance, rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(found.df_resid, expected.df, rtol=1e-8)


def test_with_strata_by_loops_too() -> None:
    problem = small("gaussian", 2, 12)
    strata = np.arange(len(problem.y)) % 3
    share = np.array([problem.labeled[strata == h].mean() for h in range(3)])
    a = problem.labeled.mean() / share[strata]
    a *= problem.labeled.sum() / a[problem.labeled].sum()
    found = model_of(problem, strata=strata).fit(population="finite")
    problem = dense.Problem(**{**vars(problem), "design_weights": a})
    expected = loops.fit(problem, strata=strata, unequal=True, finite=True)
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-8)
    np.testing.assert_allclose(
        found.cov_params(), expected.covariance, rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(found.df_resid, expected.df, rtol=1e-8)


@pytest.mark.filterwarnings("ignore:.*lacks:UserWarning")
@pytest.mark.parametrize("options", [{}, {"use_correction": False}])
@pytest.mark.parametrize("name", FINITE)
def test_it_is_never_longer_and_the_estimate_is_the_same(
    name: str, options: dict[str, Any]
) -> None:
    model = model_of(FINITE[name])
    found, usual = model.fit(population="finite", **options), model.fit(**options)
    np.testing.assert_array_equal(found.params, usual.params)
    assert (np.asarray(found.bse) < np.asarray(usual.bse)).all()
    assert (np.asarray(found.real_only.bse) < np.asarray(usual.real_only.bse)).all()


def test_with_many_more_units_than_labels_the_two_are_one() -> None:
    """What is left out is about n / T of the variance of the labels."""
    ratio = []
    for size in (400, 4_000, 40_000):
        y, guess, chosen = survey(4, size, 100)
        model = mean_model(y, chosen, guess)
        usual, found = model.fit(), model.fit(population="finite")
        ratio.append(float(found.bse[0] / usual.bse[0]))
        assert ratio[-1] <= 1.0
    assert ratio == sorted(ratio)
    assert ratio[0] < 0.75
    assert 1.0 - 2.0 * 100 / 40_000 * 2 < ratio[-1] < 1.0


# Units that are neither labelled nor covered


def half_covered() -> tuple[Any, Any, Any]:
    y, guess, chosen = survey(5)
    return y, np.where(np.arange(T) % 2 == 0, guess, np.nan), chosen


@pytest.mark.filterwarnings("ignore:.*lacks:UserWarning")
def test_units_that_nobody_covers_are_units() -> None:
    """The same from arrays and frames, in many fits, and in a plan."""
    y, guess, chosen = half_covered()
    model = mean_model(y, chosen, guess)
    frame = pd.DataFrame({"y": np.where(chosen, y, np.nan), "g": guess, "x": 1.0})
    by_frame = AugmentedGMM.from_formula("y ~ 1", frame, proxy={"y": "g"})
    fits = [each.fit(population="finite") for each in (model, by_frame)]
    sets = model.fit_many(
        np.where(chosen, y, np.nan)[:, None], np.ones((T, 1)), population="finite"
    )
    fits.append(sets[0])
    assert fits[0].n_units < T
    for fit in fits:
        assert fit.n_frame == T
        real = fit.real_only
        np.testing.assert_allclose(
            np.asarray(real.bse) ** 2,
            (1 - N / T) * y[chosen].var(ddof=1) / (N - 1),
            rtol=1e-12,
        )
        np.testing.assert_allclose(np.asarray(fit.bse), np.asarray(fits[0].bse))
    assert fits[0].plan().n_units == T


@pytest.mark.filterwarnings("ignore:.*lacks:UserWarning")
def test_in_a_superpopulation_too_they_count_in_the_fraction() -> None:
    """
    As many labels among more units leave more to be known from a source.

    The rows of the labels are those of a sample of all units.
    """
    y, guess, chosen = half_covered()
    without = chosen | ~np.isnan(guess)
    one = np.ones((T, 1))
    all_units = mean_model(y, chosen, guess).fit()
    those = mean_model(y[without], chosen[without], guess[without]).fit()
    assert those.n_frame == without.sum() < all_units.n_frame == T
    assert all_units.bse[0] < those.bse[0]
    np.testing.assert_allclose(all_units.real_only.bse, those.real_only.bse, rtol=1e-12)
    frame = pd.DataFrame({"y": np.where(chosen, y, np.nan), "g": guess, "x": one[:, 0]})
    # A unit without x could not have been labelled.
    frame.loc[~without, "x"] = np.where(np.arange((~without).sum()) < 10, np.nan, 1.0)
    frame.loc[without, "x"] = np.random.default_rng(0).normal(size=without.sum())
    frame.loc[~without, "x"] *= 0.5
    model = AugmentedGMM.from_formula("y ~ x", frame, proxy={"y": "g"})
    assert model.fit().n_frame == T - 10


# Nothing left to chance


def test_with_all_units_labelled_standard_errors_are_zero() -> None:
    y, guess, _ = survey()
    everyone = np.ones(T, dtype=bool)
    with pytest.warns(FullyLabeledWarning, match="standard errors are zero"):
        result = mean_model(y, everyone, guess).fit(population="finite")
    np.testing.assert_array_equal(result.bse, 0.0)
    np.testing.assert_allclose(result.conf_int(), y.mean(), rtol=1e-12)
    np.testing.assert_array_equal(result.variance_reduction, 0.0)
    np.testing.assert_array_equal(result.effective_nobs, T)
    assert "finite, 300 units" in str(result.summary())
    with pytest.raises(DataError, match="nothing to plan"):
        result.plan()
    with pytest.warns(FullyLabeledWarning, match="rows of data, without an outcome"):
        alone = AugmentedGMM(y, np.ones((T, 1))).fit(population="finite")
    np.testing.assert_array_equal(alone.bse, 0.0)


def test_clusters_are_refused_and_names_are_checked() -> None:
    y, guess, chosen = survey()
    model = mean_model(y, chosen, guess)
    with pytest.raises(OptionError, match="Where whole clusters were chosen"):
        model.fit(
            population="finite",
            cov_type="cluster",
            cov_kwds={"groups": np.arange(T) % 30},
        )
    with pytest.raises(OptionError, match="Did you mean 'finite'"):
        model.fit(population="finit")  # type: ignore[arg-type]


# What starts from a fit


def test_rivals_have_the_fraction_of_what_they_take_off() -> None:
    """PPI of a mean: the variance of y - lambda T / (T - n) guess among the labels."""
    y, guess, chosen = survey()
    result = mean_model(y, chosen, guess).fit(population="finite")
    for power in ("none", "scalar"):
        found = ppi(result, power_tuning=power)  # type: ignore[arg-type]
        left = y[chosen] - found.power * T / (T - N) * guess[chosen]
        expected = (1 - N / T) * left.var(ddof=1) / N
        np.testing.assert_allclose(found.bse**2, expected, rtol=1e-10)
    debias = predict_then_debias(result)
    slope = np.cov(y[chosen], guess[chosen])
    slope = slope[0, 1] / slope[1, 1]
    expected = (1 - N / T) * (y - slope * guess)[chosen].var(ddof=1) / N
    # Its slope is that of all units together, with few of them a little different.
    np.testing.assert_allclose(debias.bse**2, expected, rtol=0.02)


def test_comparisons_leave_naive_estimates_out_and_say_so() -> None:
    result = study_model(make_study()).fit(population="finite")
    found = result.compare(["labels only", "naive", "PPI++", "GMM-Synth"])
    assert "naive (guess)" in found.left_out
    assert "Population: finite, 694 units." in str(found)
    labels = found.table.xs("labels only", level="method")
    np.testing.assert_allclose(labels["effective_labels"], 200.0)
    assert (found.table["effective_labels"] < 694).all()
    mine = found.table.xs("GMM-Synth", level="method")["effective_labels"]
    np.testing.assert_allclose(mine, result.effective_nobs)


def test_effective_labels_are_those_of_the_labels_alone() -> None:
    """So many labels have this standard error: 1/n' - 1/T in place of 1/n - 1/T."""
    y, guess, chosen = survey()
    result = mean_model(y, chosen, guess).fit(population="finite")
    n = result.effective_nobs[0]
    ratio = (1 / n - 1 / T) / (1 / N - 1 / T)
    np.testing.assert_allclose(ratio, 1 - result.variance_reduction[0], rtol=1e-12)


def test_a_plan_ends_with_all_units_labelled() -> None:
    y, guess, chosen = survey()
    for options in ({}, {"use_correction": False}):
        result = mean_model(y, chosen, guess).fit(population="finite", **options)
        plan = result.plan()
        at = plan.expect(n=[N, 2 * N, T], effect=0.1)
        np.testing.assert_allclose(at["std_err"][0], result.bse[0], rtol=1e-10)
        assert list(at["std_err"]) == sorted(at["std_err"], reverse=True)
        assert at["std_err"][2] == 0.0
        assert at["effective_labels"][2] == pytest.approx(T)
        assert at["power"][2] == 1.0
        alone = plan.expect(n=[N, 2 * N, T], sources=[], effect=0.1)
        np.testing.assert_allclose(alone["effective_labels"], [N, 2 * N, T])
        real = float(result.real_only.bse[0])
        expected = real * np.sqrt((1 / (2 * N) - 1 / T) / (1 / N - 1 / T))
        # What few labels add is 1/n of it.
        np.testing.assert_allclose(alone["std_err"][1], expected, rtol=1 / N)
        mix = plan.cheapest(
            coefficient="const", price_label=1.0, price_proxy=0.01, width=0.2
        )
        assert (mix["n_units"].dropna() == T).all()


def test_what_a_source_says_of_all_units_is_no_chance() -> None:
    result = study_model(make_study()).fit(population="finite")
    bias = result.diagnostics().bias
    np.testing.assert_allclose(
        bias["std_err"], np.tile(np.asarray(result.bse), 2), rtol=1e-12
    )


def test_it_survives_without_the_data() -> None:
    result = study_model(make_study()).fit(population="finite")
    before = str(result.summary().tables[0])
    result.remove_data()
    assert "finite, 694 units" in before
    assert str(result.summary().tables[0])[:600] == before[:600]


# How often intervals cover


def coverage(design: str, n: int, draws: int) -> float:
    """Share of labellings of 800 residues whose interval has their mean."""
    frame = pd.read_csv(SHARED / "data" / "alphafold.csv").iloc[::13][:800]
    y, guess = frame["y"].to_numpy(float), frame["yhat"].to_numpy(float)
    strata, rng = (guess > 0.2).astype(int), np.random.default_rng(7)
    inside = 0
    for _ in range(draws):
        options: dict[str, Any] = {}
        own = rng.permutation(800)
        chosen = np.isin(np.arange(800), own[:n])
        if design == "strata":
            first = own[strata[own] == 0][: n // 2]
            second = own[strata[own] == 1][: min(n // 2, int(strata.sum()) - 5)]
            chosen = np.isin(np.arange(800), np.r_[first, second])
            options = {"strata": strata}
        model = mean_model(y, chosen, guess, **options)
        low, high = model.fit(population="finite").conf_int()[0]
        inside += low <= y.mean() <= high
    return inside / draws


@needs_data
@pytest.mark.parametrize("design", ["simple", "strata"])
def test_half_of_the_units_labelled_again_and_again(design: str) -> None:
    """.95 within three Monte Carlo errors of 400 draws (.011); without it is .99."""
    assert 0.917 <= coverage(design, 400, 400) <= 0.983

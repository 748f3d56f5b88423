"""Intervals of quantile regressions by inverting score tests."""

from __future__ import annotations

from typing import Any
import warnings

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import OptionError, SynthWarning
from statsmodels_synth.gmm.score_intervals import EXACT, ScoreTests
from statsmodels_synth.problem.scores.quantile import bandwidth, regression_quantile
from statsmodels_synth.scores import Quantile
from tests.problem.test_quantile import units

PROXY = {"a": {"y": "llm"}, "b": {"y": "other"}}


def study(seed: int = 1, every: int = 7) -> pd.DataFrame:
    """Units, every seventh of them labelled."""
    frame = units(seed)
    return frame.assign(y=frame["full"].where(frame.index % every == 0))


def fitted(
    frame: Any,
    formula: str = "y ~ x",
    proxy: Any = PROXY,
    tau: float = 0.8,
    fit: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthWarning)
        model = AugmentedGMM.from_formula(
            formula, frame, proxy, score=Quantile(tau), **options
        )
        return model.fit(**(fit or {}))


def ends(result: Any) -> Any:
    return result.score_conf_int().to_numpy()


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("rounded", [False, True])
def test_ends_of_a_quantile_are_those_of_the_sign_test(
    tau: float, rounded: bool
) -> None:
    n = 101
    y = np.exp(np.random.default_rng(3).normal(size=n))
    y = np.sort(np.round(y, 1) if rounded else y)
    result = fitted(pd.DataFrame({"y": y}), "y ~ 1", None, tau)
    # Of so many labels as may lie at or below the quantile, by the normal distribution.
    below = np.arange(n + 1)
    z = (below - n * tau) / np.sqrt(n * tau * (1.0 - tau))
    kept = below[np.abs(z) <= stats.t.ppf(0.975, n - 1)]
    expected = [y[kept[0] - 1], y[kept[-1]]]
    # Ends are found to this share of a standard error.
    exact = 2.0 * EXACT * result.bse.iloc[0]
    np.testing.assert_allclose(ends(result)[0], expected, rtol=0, atol=exact)


def test_an_end_is_infinite_where_too_few_labels_are_beyond() -> None:
    y = np.arange(25.0)
    low, high = ends(fitted(pd.DataFrame({"y": y}), "y ~ 1", None, 0.9))[0]
    # All 25 below: 2.5 expected above, 1.67 standard errors of a count.
    assert high == np.inf
    assert 0.0 < low < 24.0


def test_with_a_regressor_it_is_the_test_written_out() -> None:
    frame, tau = study(), 0.7
    rows = frame[frame["y"].notna()]
    result = fitted(rows, proxy=None, tau=tau)
    y, x = rows["y"].to_numpy(), sm.add_constant(rows[["x"]].to_numpy())
    at = regression_quantile(tau, y, x, None)
    residual = y - x @ at
    h = bandwidth(tau, y, residual, None, len(y))
    density = np.clip(1.0 - (residual / h) ** 2, 0.0, None) * 0.75 / h
    # Of the regressor only what has nothing to do with the constant counts.
    effective = x @ np.linalg.inv(x.T @ (x * density[:, None]))[1]
    critical = stats.t.ppf(0.975, result._fit_or_raise().df_by_coefficient[1])
    # Scores at the estimate: of the two labels on the line those that solve it.
    solved = tau - (residual < 0.0)
    on = np.abs(residual) < 1e-9
    assert on.sum() == 2
    solved[on] = np.linalg.solve(x[on].T, -x[~on].T @ solved[~on])
    known = tau * (1 - tau) / np.mean(solved**2) * (effective**2 @ solved**2)

    def is_kept(slope: float) -> bool:
        left = y - slope * x[:, 1]
        constant = np.sort(left)[int(np.ceil(tau * len(y))) - 1]
        on = left == constant
        share = tau - (left < constant)
        share[on] = -share[~on].sum()  # with it the equation of the constant is solved
        z = effective @ share / np.sqrt(known)
        return bool(abs(z) <= critical)

    low, high = ends(result)[1]
    step = 10.0 * EXACT * result.bse.iloc[1]
    assert [is_kept(low - step), is_kept(low + step)] == [False, True]
    assert [is_kept(high - step), is_kept(high + step)] == [True, False]


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("tau", [0.2, 0.5, 0.9])
def test_other_coefficients_solve_their_equations(tau: float, rounded: bool) -> None:
    """Also where more labels lie on the line: at the estimate, or with ties."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["x", "z"])
    frame["y"] = 1.0 + 0.5 * frame["x"] + rng.standard_t(3, size=60)
    frame = frame.round(0 if rounded else 12)
    result = fitted(frame, "y ~ x + z", None, tau)
    tests = ScoreTests.of(result._fit_or_raise())
    for at in range(3):
        own = float(result.params.iloc[at])
        for value in (own, own + result.bse.iloc[at], 0.0, 1.0, -1.0):
            theta, psi = tests.restricted(at, value)
            assert theta[at] == value
            # Sums of 60 numbers of order one.
            np.testing.assert_allclose(
                np.delete(psi.sum(axis=0), at), 0.0, rtol=0, atol=1e-9
            )
            share = tau - psi[:, 0]  # of the constant: how far below each label is
            assert np.all((share >= -1e-12) & (share <= 1.0 + 1e-12))


def test_the_units_of_measurement_do_not_matter() -> None:
    frame = study()
    base = ends(fitted(frame))
    columns = ["y", "llm", "other"]
    scaled = frame.assign(**{name: 3.0 * frame[name] + 1.0 for name in columns})
    # Ends are found to EXACT standard errors; here that is below 1e-4.
    np.testing.assert_allclose(
        ends(fitted(scaled)), 3.0 * base + [[1.0], [0.0]], atol=3e-4
    )
    shuffled = frame.sample(frac=1.0, random_state=0)
    np.testing.assert_allclose(ends(fitted(shuffled)), base, atol=1e-4)
    far = frame.assign(x=frame["x"] + 1e5)
    np.testing.assert_allclose(ends(fitted(far))[1], base[1], atol=1e-4)


def test_a_source_that_repeats_the_labels_has_all_units_say_it() -> None:
    frame = study().assign(other=0.0)
    frame["llm"] = frame["full"]
    found = fitted(frame, "y ~ 1", {"y": "llm"})
    everything = ends(fitted(frame, "full ~ 1", None))
    alone = ends(found.real_only)
    width, least, most = (np.ptp(own) for own in (ends(found), everything, alone))
    # One unrelated unit of 129 counts as well: it adds a part to the variance.
    assert least < width < least + 0.25 * (most - least)


def test_a_source_without_a_word_leaves_the_labels() -> None:
    frame = study()
    rng = np.random.default_rng(0)
    frame["llm"] = rng.permutation(frame["llm"])
    found = fitted(frame, proxy={"y": "llm"}, tau=0.5)
    # A step of the test is one label, which moves an end by some tenth of an error.
    np.testing.assert_allclose(
        ends(found), ends(found.real_only), atol=0.35 * found.bse.max()
    )


DESIGNS: dict[str, dict[str, Any]] = {
    "strata": {"strata": "g"},
    "probabilities": {"labeling_prob": "prob"},
    "weights": {"weights": "w"},
    "offset": {"offset": "shift"},
    "clusters": {"fit": {"cov_type": "cluster", "cov_kwds": {"groups": "c"}}},
    "finite": {"fit": {"population": "finite"}},
}


@pytest.mark.parametrize("design", DESIGNS)
def test_they_lie_where_intervals_of_standard_errors_do(design: str) -> None:
    result = fitted(study(), tau=0.5, **DESIGNS[design])
    found, wald = ends(result), result.conf_int().to_numpy()
    assert np.all(found[:, 0] < result.params.to_numpy())
    assert np.all(found[:, 1] > result.params.to_numpy())
    ratio = np.ptp(found, axis=1) / np.ptp(wald, axis=1)
    # They are other tests of the same hypotheses: one label moves an end by a tenth.
    assert np.all((ratio > 0.5) & (ratio < 1.5))


def test_labels_of_all_units_of_a_finite_population_leave_nothing_open() -> None:
    frame = study()
    result = fitted(frame.assign(y=frame["full"]), fit={"population": "finite"})
    np.testing.assert_array_equal(ends(result), result.conf_int().to_numpy())


@pytest.mark.parametrize("fit", [{}, {"cov_type": "cluster"}])
def test_partitions_say_what_memory_does(fit: dict[str, Any]) -> None:
    if fit:
        fit = {**fit, "cov_kwds": {"groups": "c"}}
    frame, proxy = study(), {"a": {"y": "llm"}}
    parts = dd.from_pandas(frame, npartitions=3)
    # The bandwidth of a source is that of some of its rows in partitions.
    np.testing.assert_allclose(
        ends(fitted(parts, proxy=proxy, fit=fit)),
        ends(fitted(frame, proxy=proxy, fit=fit)),
        atol=0.02,
    )


def test_coverage_where_standard_errors_fail() -> None:
    """The .9 quantile of a long tail: ten labels decide it."""
    truth, tau, draws = np.exp(stats.norm.ppf(0.9)), 0.9, 120
    hits = np.zeros((2, draws))
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        full = np.exp(rng.normal(size=1000))
        frame = pd.DataFrame({"llm": 1.5 * full * np.exp(0.3 * rng.normal(size=1000))})
        frame["y"] = np.where(np.arange(1000) < 100, full, np.nan)
        result = fitted(frame, "y ~ 1", {"y": "llm"}, tau)
        for k, own in enumerate((ends(result), result.conf_int().to_numpy())):
            hits[k, seed] = own[0, 0] <= truth <= own[0, 1]
    # Below .89 are three standard errors of a share of 120 draws.
    assert hits[0].mean() > 0.89
    assert hits[1].mean() < 0.89


def test_what_has_none_is_named() -> None:
    frame = study()
    least_squares = AugmentedGMM.from_formula("y ~ x", frame, {"y": "llm"}).fit()
    with pytest.raises(OptionError, match="of quantile regressions"):
        least_squares.score_conf_int()
    with pytest.raises(OptionError, match="those of the default estimator"):
        fitted(frame, fit={"use_correction": False}).score_conf_int()
    with pytest.raises(OptionError, match="alpha"):
        fitted(frame).score_conf_int(alpha=1.5)


@pytest.mark.parametrize(("tau", "is_said"), [(0.5, False), (0.9, True)])
def test_a_summary_says_where_few_labels_lie_beyond(tau: float, is_said: bool) -> None:
    for result in (fitted(study(), tau=tau), fitted(study(), proxy=None, tau=tau)):
        text = " ".join(str(result.summary()).split())
        assert ("about 13 labels." in text) == is_said
        assert ("score_conf_int() has" in text) == is_said

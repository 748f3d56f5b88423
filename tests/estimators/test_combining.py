"""Results of several imputed or generated data sets: combine()."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm
from statsmodels.imputation.mice import MICE, MICEData

from statsmodels_synth import combine
from statsmodels_synth.core.messages import muted
from statsmodels_synth.demo import make_study, study_model
from statsmodels_synth.exceptions import DataError, OptionError, SynthWarning


def fits(m: int = 5, n: int = 80, spread: float = 0.3) -> list[Any]:
    rng = np.random.default_rng(1)
    x = sm.add_constant(pd.DataFrame({"x": rng.normal(size=n)}))
    y = x["const"] + 0.5 * x["x"] + rng.normal(size=n)
    return [sm.OLS(y + spread * rng.normal(size=n), x).fit() for _ in range(m)]


def test_rubins_rules_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame(rng.normal(size=(200, 2)), columns=["x", "z"])
    data["y"] = data["x"] + rng.normal(size=200)
    data.loc[rng.uniform(size=200) < 0.3, "x"] = np.nan
    peer = MICE("y ~ x + z", sm.OLS, MICEData(data))
    theirs = peer.fit(3, 6)
    found = combine(peer.results_list)
    np.testing.assert_allclose(found.params, theirs.params, rtol=1e-12)
    # It has normal quantiles, and divides the covariances by the scale and back.
    np.testing.assert_allclose(found.bse, theirs.bse, rtol=1e-8)


def test_degrees_of_freedom_are_those_of_barnard_and_rubin() -> None:
    """One coefficient, written out as in section 2 of their paper."""
    results = fits()
    q = np.array([r.params["x"] for r in results])
    u = np.mean([r.bse["x"] ** 2 for r in results])
    b, m, complete = q.var(ddof=1), len(q), 78.0
    t = u + (1 + 1 / m) * b
    gamma = (1 + 1 / m) * b / t
    old = (m - 1) * gamma**-2
    observed = (complete + 1) / (complete + 3) * complete * (1 - gamma)
    expected = 1 / (1 / old + 1 / observed)
    found = combine(results).summary_frame().loc["x"]
    assert found["df"] == pytest.approx(expected, rel=1e-12)
    assert found["std_err"] == pytest.approx(np.sqrt(t), rel=1e-12)
    assert found["missing_information"] == pytest.approx(gamma, rel=1e-12)
    statistic = q.mean() / np.sqrt(t)
    assert found["pvalue"] == pytest.approx(2 * stats.t.sf(statistic, expected))


def test_coverage_of_imputed_means() -> None:
    """Half of the values are missing and drawn from their posterior distribution."""
    rng = np.random.default_rng(3)
    covered, n, m, draws = 0, 60, 5, 1000
    for _ in range(draws):
        y = rng.normal(size=n // 2)
        results = []
        for _ in range(m):
            size = len(y)
            variance = y.var(ddof=1) * (size - 1) / rng.chisquare(size - 1)
            mean = y.mean() + np.sqrt(variance / size) * rng.normal()
            filled = np.r_[y, mean + np.sqrt(variance) * rng.normal(size=size)]
            results.append(sm.OLS(filled, np.ones(n)).fit())
        low, high = combine(results).conf_int().to_numpy()[0]
        covered += low <= 0 <= high
    # 3 standard errors of a coverage of .95 with 1,000 draws.
    assert covered / draws == pytest.approx(0.95, abs=0.021)


@pytest.mark.parametrize("rule", ["partly synthetic", "fully synthetic"])
def test_coverage_of_synthetic_means(rule: Any) -> None:
    """Means of data drawn from the posterior of the observed ones."""
    rng = np.random.default_rng(4)
    covered, n, m, draws = 0, 60, 20, 1000
    for _ in range(draws):
        y = rng.normal(size=n)
        results = []
        for _ in range(m):
            if rule == "partly synthetic":
                # All values are replaced, with the parameters fixed at their estimates.
                own = y.mean() + y.std(ddof=1) * rng.normal(size=n)
            else:
                variance = y.var(ddof=1) * (n - 1) / rng.chisquare(n - 1)
                mean = y.mean() + np.sqrt(variance / n) * rng.normal()
                own = mean + np.sqrt(variance) * rng.normal(size=n)
            results.append(sm.OLS(own, np.ones(n)).fit())
        with muted(SynthWarning):  # a variance below zero, in some draws
            found = combine(results, rule)
        low, high = found.conf_int().to_numpy()[0]
        covered += low <= 0 <= high
    # With few data sets intervals of fully synthetic data are known to be long: the
    # degrees of freedom are then few.
    most = 0.97 if rule == "partly synthetic" else 0.995
    assert 0.93 < covered / draws < most


def test_results_of_this_package() -> None:
    results = [study_model(make_study(seed=k)).fit() for k in range(2)]
    found = combine(results)
    assert list(found.params.index) == list(results[0].params.index)
    text = str(found)
    assert "2 data sets combined" in text
    assert "Rubin's rules" in text
    assert "tabular" in found.summary().as_latex()


def test_a_variance_below_zero_is_said() -> None:
    with pytest.warns(SynthWarning, match="below zero"):
        found = combine(fits(spread=0.0001), "fully synthetic")
    assert np.all(found.bse > 0)


def test_data_sets_that_do_not_differ() -> None:
    one = fits(1)[0]
    found = combine([one, one, one])
    np.testing.assert_allclose(found.bse, one.bse)
    np.testing.assert_allclose(found.df, 79 / 81 * 78)
    partly = combine([one, one], "partly synthetic")
    np.testing.assert_allclose(partly.df, 78)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="two data sets or more; there are 1"):
        combine(fits(1))
    other = sm.OLS(np.arange(9.0), np.ones(9)).fit()
    with pytest.raises(DataError, match="Combine results of the same model"):
        combine([*fits(2), other])
    with pytest.raises(DataError, match="without params or cov_params"):
        combine([1, 2])
    with pytest.raises(OptionError, match="rule='rubin' does not exist"):
        combine(fits(2), "rubin")  # type: ignore[arg-type]

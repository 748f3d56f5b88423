"""Results of several imputed or generated data sets: combine()."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm
from statsmodels.imputation.mice import MICE, MICEData

from statsmodels_synth import AugmentedGMM, combine
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


# Against mice 3.15.0 and mitml 0.4-4 under R 4.2.2: tests/reference/combining.R.
FROM_MICE = pd.DataFrame(
    {
        "estimate": [0.928207377044677, 0.529453360900690, 0.166070212621374],
        "std_err": [0.242925087085109, 0.308398736677582, 0.339690502420481],
        "df": [14.07919696848669, 10.11044319646905, 6.54980272139991],
        "pvalue": [0.00185420584498687, 0.11644353558218380, 0.64086337856867248],
        "lower": [0.407459707541947, -0.156685741658284, -0.648499008257652],
        "upper": [1.44895504654741, 1.21559246345966, 0.98063943350040],
        "missing_information": [0.403097024182, 0.500340816896, 0.639701997249],
    },
    index=["Intercept", "x", "z"],
)


def shared_fits() -> list[Any]:
    data = pd.read_csv(Path(__file__).parent / "combining.csv")
    return [sm.OLS.from_formula(f"y{k} ~ x + z", data).fit() for k in range(1, 6)]


def test_rubins_rules_are_those_of_mice() -> None:
    found = combine(shared_fits()).summary_frame()[FROM_MICE.columns]
    np.testing.assert_allclose(
        found, FROM_MICE, rtol=1e-10
    )  # as many digits as printed


def test_rules_for_partly_synthetic_data_are_those_of_mice() -> None:
    class Plain:
        def __init__(self, fit: Any) -> None:
            self.params, self.cov = fit.params, fit.cov_params()

    found = combine([Plain(own) for own in shared_fits()], "partly synthetic")
    expected = [0.197963201348, 0.235486078019, 0.232114525240]
    np.testing.assert_allclose(found.bse, expected, rtol=1e-10)
    expected = [390.8334381102, 195.5425213656, 76.7154320813]
    np.testing.assert_allclose(found.df, expected, rtol=1e-10)
    # mice has no degrees of freedom of the complete data here.
    assert (combine(shared_fits(), "partly synthetic").df == 57).all()


def test_joint_tests_are_those_of_mice_and_mitml() -> None:
    found = combine(shared_fits())
    for given in ("x = 0, z = 0", [[0, 1, 0], [0, 0, 1]], "z = 0, x + z = 0"):
        test = found.wald_test(given)
        assert test.fvalue == pytest.approx(1.35671212039727, rel=1e-12)
        assert test.df_num == 2
        assert test.df_denom == pytest.approx(8.18244283061687, rel=1e-12)
        assert test.pvalue == pytest.approx(0.30984088318272, rel=1e-12)
    # mitml without df.com.
    large = replace(found, df_complete=np.inf).wald_test("x = 0, z = 0")
    assert large.df_denom == pytest.approx(13.6377169888724, rel=1e-12)
    assert large.pvalue == pytest.approx(0.290155186011711, rel=1e-12)
    shifted = found.wald_test(f"x = {found.params['x']}, z = {found.params['z']}")
    assert shifted.fvalue == pytest.approx(0.0, abs=1e-12)


def test_a_joint_test_of_one_coefficient_is_the_square_of_its_t() -> None:
    for rule in ("imputed", "partly synthetic"):
        found = replace(combine(fits(), rule), df_complete=np.inf)
        own = found.summary_frame().loc["x", "statistic"]
        assert found.wald_test("x = 0").fvalue == pytest.approx(own**2)
    same = combine([fits(1)[0]] * 3).wald_test("x = 0")
    assert (same.df_num, same.df_denom) == (1, 78.0)


@pytest.mark.parametrize("rule", ["imputed", "partly synthetic", "fully synthetic"])
def test_size_of_joint_tests(rule: Any) -> None:
    """Of three means that are zero, from data drawn as the rule supposes."""
    rng = np.random.default_rng(6)
    rejected, n, m, draws, k = 0, 80, 10, 600, 3
    for _ in range(draws):
        y, sets = rng.normal(size=(n, k)), []
        n_known = n // 2 if rule == "imputed" else n
        known = y[:n_known]
        mean, spread = known.mean(axis=0), known.std(axis=0, ddof=1)
        for _ in range(m):
            own, middle = spread, mean
            if rule != "partly synthetic":
                own = spread * np.sqrt((n_known - 1) / rng.chisquare(n_known - 1, k))
                middle = mean + own / np.sqrt(n_known) * rng.normal(size=k)
            drawn = middle + own * rng.normal(size=(n, k))
            if rule == "imputed":
                drawn[:n_known] = known
            cov = np.diag(drawn.var(axis=0, ddof=1) / n)
            sets.append(SimpleNamespace(params=drawn.mean(axis=0), cov=cov))
        with muted(SynthWarning):
            found = combine(sets, rule)
        try:
            rejected += found.wald_test(np.eye(k)).pvalue < 0.05
        except DataError:  # no variance above zero
            continue
    # 3 standard errors of .05 in 600 draws are .027; fully synthetic data are tested
    # with few degrees of freedom, and seldom rejected.
    least = 0.0 if rule == "fully synthetic" else 0.023
    assert least <= rejected / draws <= 0.077


def test_restrictions_that_make_no_sense() -> None:
    found = combine(fits())
    for given, match in (
        ("zz = 0", "no restriction on the coefficients const, x"),
        ([[1.0, 0.0, 0.0]], "no restriction|3 columns"),
        ("x = 0, 2 * x = 0", "repeat each other"),
    ):
        with pytest.raises(OptionError, match=match):
            found.wald_test(given)
    with pytest.warns(SynthWarning, match="below zero"):
        few = combine(fits(spread=0.0001), "fully synthetic")
    with pytest.raises(DataError, match="no test of several coefficients"):
        few.wald_test("x = 0, const = 0")


def replicated(n_sets: int = 4, n_units: int = 600) -> tuple[Any, list[pd.DataFrame]]:
    rng = np.random.default_rng(7)
    units = pd.DataFrame({"x": rng.normal(size=n_units)})
    y = 1 + 0.5 * units["x"] + rng.normal(size=n_units)
    units["y"] = y.where(np.arange(n_units) < 150)
    units["k"] = np.arange(n_units) // 5
    sets = [
        pd.DataFrame(
            {
                "x": units["x"] + 0.3 * rng.normal(size=n_units),
                "y": y + rng.normal(size=n_units),
            }
        )
        for _ in range(n_sets)
    ]
    return units, sets


@pytest.mark.parametrize("clustered", [False, True])
def test_diagnostics_combine_the_replicates_of_a_source(clustered: bool) -> None:
    units, sets = replicated()
    fit: dict[str, Any] = {}
    robust: dict[str, Any] = {"cov_type": "HC0"}
    if clustered:
        fit = {"cov_type": "cluster", "cov_kwds": {"groups": "k"}}
        robust = {"cov_type": "cluster"}
        robust["cov_kwds"] = {"groups": units["k"], "use_correction": False}
    model = AugmentedGMM.from_formula(
        *("y ~ x", units), proxy={"one": sets[0]}, synthetic={"sim": pd.concat(sets)}
    )
    found = model.fit(**fit).diagnostics(n_influential=0)
    assert found.combined.index.unique("source").tolist() == ["sim"]
    own = found.combined.loc["sim"]

    class Large:
        def __init__(self, data: pd.DataFrame) -> None:
            peer = sm.OLS.from_formula("y ~ x", data).fit(**robust)
            self.params, self.cov = peer.params, peer.cov_params()

    expected = combine([Large(data) for data in sets]).summary_frame()
    for name in ("estimate", "std_err", "df", "lower", "upper"):
        np.testing.assert_allclose(own[name], expected[name], rtol=1e-7)
    assert (own["sets"] == 4).all()
    naive = model.fit(**fit).naive_bse.loc["sim"]
    np.testing.assert_allclose(own["stacked_std_err"], naive)
    assert "combined by Rubin's rules" in str(found)


def test_replicates_that_units_have_unequally_many_of() -> None:
    units, sets = replicated(3)
    sets[2] = sets[2].iloc[::2]  # half of the units have a third row
    result = AugmentedGMM.from_formula(
        "y ~ x", units, synthetic={"sim": pd.concat(sets)}
    ).fit()
    own = result.diagnostics(n_influential=0).combined
    assert (own["sets"] == 2).all()
    sets[1] = sets[1].iloc[::2]  # and half have one
    result = AugmentedGMM.from_formula(
        "y ~ x", units, synthetic={"sim": pd.concat(sets)}
    ).fit()
    assert result.diagnostics(n_influential=0).combined.empty


def test_combined_replicates_outlive_the_data() -> None:
    units, sets = replicated()
    result = AugmentedGMM.from_formula(
        "y ~ x", units, synthetic={"sim": pd.concat(sets)}
    ).fit()
    found = result.diagnostics(n_influential=0)
    result.remove_data()
    assert "combined by Rubin's rules" in str(found)

"""Marginal effects over the population: get_margeff()."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit
import statsmodels.api as sm

from benchmarks.margins import FAMILY, fitted, frame, labelled
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.scores import MultinomialLogit


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"at": "mean"},
        {"at": "median"},
        {"at": "zero"},
        {"method": "eyex"},
        {"method": "dyex"},
        {"method": "eydx"},
        {"dummy": True},
        {"dummy": True, "count": True},
        {"atexog": {2: 1.0}},
    ],
)
def test_effects_are_those_of_statsmodels(options: dict[str, Any]) -> None:
    labels = frame().head(300).assign(y=lambda d: d["y_true"])
    found = AugmentedGMM.from_formula("y ~ x + g + c", labels, family=FAMILY).fit(
        use_correction=False
    )
    peer = sm.GLM.from_formula("y ~ x + g + c", labels, family=FAMILY)
    theirs = peer.fit(cov_type="HC0").get_margeff(**options)
    own = found.get_margeff(**options)
    np.testing.assert_allclose(own.margeff, theirs.margeff, rtol=1e-7)
    # Theirs takes the units for given.
    np.testing.assert_allclose(own.frame["conditional"], theirs.margeff_se, rtol=1e-6)


@pytest.mark.parametrize("how", ["random", "unequal", "strata"])
def test_coverage_over_the_population(how: str) -> None:
    """The truth is the average effect of very many units."""
    many = frame(999, 400_000)
    linear = 0.3 + many["x"] - 0.5 * many["g"] + 0.1 * many["c"]
    slope = (expit(linear) * (1.0 - expit(linear))).mean()
    truth = slope * np.array([1.0, -0.5, 0.1])
    options: dict[str, Any] = {"unequal": {"labeling_prob": "p"}}.get(how, {})
    options |= {"strata": "s"} if how == "strata" else {}
    draws, covered = 150, np.zeros(3)
    for seed in range(draws):
        found = fitted(labelled(frame(seed), how, seed), **options).get_margeff()
        low, high = found.conf_int().T
        covered += (low <= truth) & (truth <= high)
    # 3 Monte Carlo standard errors of a coverage of .95.
    off = 3 * np.sqrt(0.95 * 0.05 / draws)
    assert np.all(np.abs(covered / draws - 0.95) <= off), covered / draws


def test_unlabelled_units_count_with_unequal_probabilities() -> None:
    """Averages over labelled rows alone are those of the oversampled units."""
    units = labelled(frame(), "unequal")
    result = fitted(units, labeling_prob="p")
    linear = result.predict(units, which="linear")
    slope = expit(linear) * (1.0 - expit(linear))
    own = result.get_margeff()
    assert own.margeff[0] == pytest.approx(slope.mean() * result.params["x"], rel=1e-10)
    assert "1500 units" in str(own)
    some = units["y"].notna()
    wrong = slope[some].mean() * result.params["x"]
    assert abs(own.margeff[0] / wrong - 1.0) > 0.05


def test_arrays_have_labelled_rows_with_the_weights_of_the_design() -> None:
    units = labelled(frame(), "unequal")
    exog = sm.add_constant(units[["x", "g", "c"]].astype(float))
    result = AugmentedGMM(
        units["y"],
        exog,
        proxy={"llm": (units["llm"], exog)},
        labeling_prob=units["p"],
        family=FAMILY,
    ).fit()
    labels = units.dropna()
    linear = result.predict(exog.loc[labels.index], which="linear")
    slope = expit(linear) * (1.0 - expit(linear))
    expected = np.average(slope, weights=1.0 / labels["p"]) * result.params["x"]
    own = result.get_margeff()
    assert own.margeff[0] == pytest.approx(expected, rel=1e-8)
    assert "with the weights of the design" in " ".join(str(own).split())


def test_survey_weights_clusters_and_finite_populations() -> None:
    units = labelled(frame(), "random")
    weighted = fitted(units, weights="w")
    linear = weighted.predict(units, which="linear")
    slope = np.average(expit(linear) * (1 - expit(linear)), weights=units["w"])
    own = weighted.get_margeff()
    assert own.margeff[0] == pytest.approx(slope * weighted.params["x"], rel=1e-9)
    plain = fitted(units).get_margeff()
    clusters = fitted(units, {"cov_type": "cluster", "cov_kwds": {"groups": "k"}})
    assert np.all(np.isfinite(clusters.get_margeff().margeff_se))
    finite = fitted(units, {"population": "finite"}).get_margeff()
    np.testing.assert_allclose(finite.margeff_se, finite.frame["conditional"])
    assert finite.margeff_se[0] < plain.margeff_se[0]


def test_identity_link_has_the_coefficients() -> None:
    units = labelled(frame(), "random")
    result = AugmentedGMM.from_formula("y ~ x + g", units, proxy={"y": "llm"}).fit()
    found = result.get_margeff()
    np.testing.assert_allclose(found.margeff, result.params[1:])
    # Differences of a line.
    np.testing.assert_allclose(found.margeff_se, result.bse[1:], rtol=1e-7)
    assert "Conf. Int. Low" in found.summary_frame()
    assert "tabular" in found.summary().as_latex()


def test_bad_input() -> None:
    units = labelled(frame(), "random")
    result = fitted(units)
    for options, match in (
        ({"at": "all"}, "at='all' does not exist"),
        ({"method": "dx"}, "method='dx' does not exist"),
        ({"atexog": {"xx": 1.0}}, "which is no regressor"),
        ({"atexog": {9: 1.0}}, "by name or position"),
        ({"method": "eyex", "dummy": True}, "need method='dydx'"),
    ):
        with pytest.raises(OptionError, match=match):
            result.get_margeff(**options)
    levels = units.assign(y=units["y"].map({0.0: "no", 1.0: "yes"}))
    levels["llm"] = levels["llm"].map({0.0: "no", 1.0: "yes"})
    several = AugmentedGMM.from_formula(
        "y ~ x", levels, {"y": "llm"}, score=MultinomialLogit()
    ).fit()
    with pytest.raises(OptionError, match="MultinomialLogit has several"):
        several.get_margeff()


def test_absorbed_effects_have_neither_margins_nor_agreement() -> None:
    units = labelled(frame(), "random").assign(y=lambda d: d["y"] + 0.1 * d["x"])
    result = AugmentedGMM.from_formula("y ~ x | k", units, {"y": "llm"}).fit()
    for method in (result.get_margeff, result.agreement):
        with pytest.raises(OptionError, match="fixed effects of 'y ~ x"):
            method()

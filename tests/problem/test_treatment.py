"""Average treatment effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import (
    CollinearSourceWarning,
    DataError,
    OptionError,
    SynthError,
)
from statsmodels_synth.scores import AverageTreatmentEffect
from tests.reference.dense import Array

SOURCES = {"llm": {"y": "y_llm", "t": "t_llm"}}


def frame(seed: int = 0, n_units: int = 1200, n_labels: int = 240) -> pd.DataFrame:
    """Treatment by a propensity that depends on x, as the effect does."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_units)
    e = expit(0.5 * x)
    t = (rng.uniform(size=n_units) < e).astype(float)
    y = 1.0 + 0.5 * t + x + 0.3 * t * x + rng.normal(size=n_units)
    units = pd.DataFrame({"x": x, "e": e, "t_true": t, "y_true": y})
    units["y_llm"] = y + 0.5 * rng.normal(size=n_units) + 0.2 * t
    units["t_llm"] = np.where(rng.uniform(size=n_units) < 0.9, t, 1.0 - t)
    units["c"] = np.arange(n_units) // 12
    units["s"] = np.arange(n_units) % 3
    labeled = rng.permutation(n_units) < n_labels
    return units.assign(
        y=units["y_true"].where(labeled), t=units["t_true"].where(labeled)
    )


def model_of(
    units: pd.DataFrame, propensity: Any = None, formula: str = "y ~ t + x", **kw: Any
) -> AugmentedGMM:
    score = AverageTreatmentEffect("t", propensity)
    return AugmentedGMM.from_formula(formula, units, score=score, **kw)


def test_without_covariates_it_is_the_difference_in_means() -> None:
    labels = frame().dropna()
    found = model_of(labels, formula="y ~ t").fit(use_correction=False)
    groups = labels.groupby("t")["y"]
    assert found.params["ATE"] == pytest.approx(groups.mean().diff().iloc[-1])
    # Neyman's variance, with n in place of n - 1.
    expected = np.sqrt((groups.var(ddof=0) / groups.size()).sum())
    assert found.bse["ATE"] == pytest.approx(expected, rel=1e-8)


def test_without_covariates_a_source_counts_as_in_least_squares() -> None:
    # The equation of the effect is zero for every row of a source: it says nothing, and
    # the others say what they say. Shrinkage counts parameters: three here, two there.
    units = frame().assign(t=lambda u: u["t_true"])
    found = model_of(units, formula="y ~ t", proxy={"y": "y_llm"}).fit()
    other = AugmentedGMM.from_formula("y ~ t", units, proxy={"y": "y_llm"}).fit()
    assert not found.dropped_sources
    assert found.bse["ATE"] < 0.7 * found.real_only.bse["ATE"]
    assert found.bse["ATE"] == pytest.approx(other.bse["t"], rel=0.03)
    error = abs(found.params["ATE"] - other.params["t"])
    assert error < 0.1 * other.bse["t"]


@pytest.mark.parametrize("propensity", [None, 0.5])
def test_two_sources_that_say_the_same_of_covariates_both_count(
    propensity: Any,
) -> None:
    # With one covariate the equation of the effect is its distance from the mean, by a
    # factor, in every source.
    units = frame().assign(t=lambda u: u["t_true"])
    rng = np.random.default_rng(1)
    units["second"] = units["y_true"] + 0.5 * rng.normal(size=len(units))
    every = {"llm": {"y": "y_llm"}, "second": {"y": "second"}}
    both = model_of(units, propensity, proxy=every).fit()
    assert not both.dropped_sources
    for name, columns in every.items():
        one = model_of(units, propensity, proxy={name: columns}).fit()
        assert both.bse["ATE"] < 0.97 * one.bse["ATE"]
    # One that repeats another has nothing to add, and is left out.
    with pytest.warns(CollinearSourceWarning, match="those of 'llm'"):
        model_of(units, propensity, proxy=every | {"second": {"y": "y_llm"}}).fit()


def test_regression_adjustment_is_that_of_lin() -> None:
    labels = frame().dropna()
    found = model_of(labels).fit(use_correction=False)
    centred = labels["x"] - labels["x"].mean()
    exog = np.column_stack(
        [np.ones(len(labels)), labels["t"], centred, labels["t"] * centred]
    )
    lin = sm.OLS(labels["y"], exog).fit(cov_type="HC0")
    assert found.params["ATE"] == pytest.approx(lin.params.iloc[1], rel=1e-9)
    # Lin's interval is for these units; ours counts that their mean of x is drawn,
    # which has to do with the rest by chance only.
    drawn = np.var(centred) * lin.params.iloc[3] ** 2 / len(labels)
    assert found.bse["ATE"] == pytest.approx(
        np.sqrt(lin.bse.iloc[1] ** 2 + drawn), rel=2e-2
    )


def aipw(labels: pd.DataFrame, chance: Array) -> tuple[float, float]:
    """Effect and standard error by its efficient influence function."""
    t, y = labels["t"].to_numpy(), labels["y"].to_numpy()
    w = sm.add_constant(labels["x"].to_numpy())
    means = [sm.OLS(y[t == arm], w[t == arm]).fit().predict(w) for arm in (0, 1)]
    own = means[1] - means[0] + t * (y - means[1]) / chance
    own -= (1 - t) * (y - means[0]) / (1 - chance)
    return float(own.mean()), float(own.std() / np.sqrt(len(y)))


@pytest.mark.parametrize("propensity", ["e", "logit", 0.4])
def test_aipw_is_the_mean_of_its_influence_function(propensity: Any) -> None:
    labels = frame(n_units=6000, n_labels=3000).dropna()
    formula = "y ~ t + x + e" if propensity == "e" else "y ~ t + x"
    found = model_of(labels, propensity, formula).fit(use_correction=False)
    w = sm.add_constant(labels["x"].to_numpy())
    if propensity == "e":
        chance = labels["e"].to_numpy()
    elif propensity == "logit":
        chance = sm.Logit(labels["t"], w).fit(disp=0).predict(w)
    else:
        chance = np.full(len(labels), propensity)
    effect, error = aipw(labels, np.asarray(chance))
    assert found.params["ATE"] == pytest.approx(effect, rel=1e-8)
    # With the right propensity the estimation of the regressions costs nothing to first
    # order; with a wrong one it may.
    assert found.bse["ATE"] == pytest.approx(error, rel=4e-2)


def by_hand(theta: Array, rows: pd.DataFrame) -> Array:
    y, t, x = (rows[name].to_numpy() for name in ("y", "t", "x"))
    m0, m1 = theta[1] + theta[2] * x, theta[3] + theta[4] * x
    e = expit(theta[5] + theta[6] * x)
    effect = m1 - m0 + t * (y - m1) / e - (1 - t) * (y - m0) / (1 - e) - theta[0]
    arms = [(1 - t) * (y - m0), (1 - t) * (y - m0) * x, t * (y - m1), t * (y - m1) * x]
    return np.column_stack([effect, *arms, t - e, (t - e) * x])


FITS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({}, {"use_correction": False}),
    ({"strata": "s"}, {}),
    ({}, {"cov_type": "cluster", "cov_kwds": {"groups": "c"}}),
]


@pytest.mark.parametrize(("options", "fit"), FITS)
def test_sources_count_as_in_equations_by_hand(
    options: dict[str, Any], fit: dict[str, Any]
) -> None:
    units = frame()
    found = model_of(units, "logit", proxy=SOURCES, **options).fit(**fit)
    hand = AugmentedGMM.from_moments(
        by_hand, units, SOURCES, start=np.zeros(7), **options
    ).fit(**fit)
    # Derivatives are exact here, and differences there. The first step of the paper's
    # estimator has the weight of another basis, as nobody knows of equations by hand
    # which column is to be centred.
    atol, rtol = (1e-4, 1e-3) if "use_correction" in fit else (1e-7, 1e-5)
    np.testing.assert_allclose(found.params, hand.params.to_numpy(), rtol=0, atol=atol)
    np.testing.assert_allclose(found.bse, hand.bse.to_numpy(), rtol=rtol)
    assert found.effective_nobs["ATE"] > 1.2 * found.n_labeled


@pytest.mark.parametrize("propensity", [None, 0.5, "e", "logit"])
def test_analyses(propensity: Any) -> None:
    formula = "y ~ t + x + e" if propensity == "e" else "y ~ t + x"
    result = model_of(frame(1), propensity, formula, proxy=SOURCES).fit()
    assert result.params["ATE"] == pytest.approx(0.5, abs=4 * result.bse["ATE"])
    text = str(result.summary())
    assert "ATE of t" in text
    assert result.params.index[0] == "ATE"
    assert len(result.diagnostics().verdict) > 2
    table = result.compare(["labels only", "PPI++", "predict-then-debias"]).table
    assert np.all(np.isfinite(table["estimate"]))
    assert np.all(np.isfinite(result.plan().expect([300])["std_err"]))
    with pytest.raises(OptionError, match="nothing to predict: there are"):
        result.predict()
    with pytest.raises(OptionError, match=r"wald_test\(\) takes constraints"):
        result.wald_test_terms()
    own = result.t_test("ATE = 0.5")
    assert float(own.effect[0]) == pytest.approx(result.params["ATE"])
    assert np.isfinite(result.wald_test("control:x = 1, ATE = 0", scalar=True).pvalue)


def test_without_covariates_sources_count_as_in_least_squares() -> None:
    units = frame().assign(t=lambda d: d["t_true"])
    sources = {"llm": {"y": "y_llm"}, "second": {"y": "y_llm2"}}
    rng = np.random.default_rng(9)
    units["y_llm2"] = units["y_true"] + rng.normal(size=len(units))
    for fit in ({}, {"use_correction": False}):
        found = model_of(units, formula="y ~ t", proxy=sources).fit(**fit)
        ols = AugmentedGMM.from_formula("y ~ t", units, sources).fit(**fit)
        assert list(found.dropped_sources) == []
        # The default counts three parameters here, and two there.
        assert found.params["ATE"] == pytest.approx(ols.params["t"], rel=2e-2)
        assert found.bse["ATE"] == pytest.approx(ols.bse["t"], rel=2e-2)
        assert found.jtest().df == ols.jtest().df == 4
        assert found.jtest().pvalue == pytest.approx(ols.jtest().pvalue, rel=5e-2)


@pytest.mark.parametrize("propensity", [None, 0.5, "logit"])
def test_equations_that_sources_have_in_common_cost_none_of_them(
    propensity: Any,
) -> None:
    # Treatment and covariate are known: only the outcome differs between sources.
    units = frame().assign(t=lambda d: d["t_true"])
    rng = np.random.default_rng(9)
    units["y_llm2"] = units["y_true"] + 0.6 * rng.normal(size=len(units))
    sources = {"llm": {"y": "y_llm"}, "second": {"y": "y_llm2"}}
    for fit in ({}, {"use_correction": False}):
        both = model_of(units, propensity, proxy=sources).fit(**fit)
        assert both.source_names == ["llm", "second"]
        for name, source in sources.items():
            one = model_of(units, propensity, proxy={name: source}).fit(**fit)
            assert both.bse["ATE"] < 0.97 * one.bse["ATE"]
    turned = dict(reversed(sources.items()))
    again = model_of(units, propensity, proxy=turned).fit(use_correction=False)
    # The first step minimises what is not identified by chance in any order.
    assert again.params["ATE"] == pytest.approx(both.params["ATE"], rel=1e-3)
    with pytest.raises(OptionError, match="'cue' needs moments that do not follow"):
        model_of(units, propensity, proxy=sources).fit(maxiter="cue")


def test_offsets_are_refused_with_what_to_do() -> None:
    with pytest.raises(OptionError, match="Subtract it from the outcome beforehand"):
        model_of(frame(), proxy=SOURCES, offset="x")
    with pytest.raises(DataError, match=r"by regression adjustment there is none\. L"):
        model_of(frame().assign(a=2.0), proxy=SOURCES, exposure="a")


BAD: list[tuple[dict[str, Any], dict[str, Any], type[SynthError], str]] = [
    ({"propensity": 1.5}, {}, OptionError, "between 0 and 1"),
    ({"propensity": "ee"}, {}, OptionError, "propensity='ee' is not a column"),
    ({"propensity": "x"}, {"formula": "y ~ t + x"}, DataError, "both excluded"),
    ({"treatment": "tt"}, {}, OptionError, "treatment='tt' is not a column"),
    ({"treatment": "x"}, {}, DataError, "must be 0 or 1"),
]


@pytest.mark.parametrize("formula", ["y ~ t + x", "y ~ C(t) + x"])
@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_treatments_may_be_true_and_false_or_text(formula: str, engine: Any) -> None:
    units = frame().assign(t=lambda d: d["t_true"])
    expected = model_of(units, proxy={"y": "y_llm"}).fit()
    for arm in (units["t"] == 1.0, units["t"].map({0.0: "control", 1.0: "treated"})):
        found = model_of(
            units.assign(t=arm), formula=formula, proxy={"y": "y_llm"}, engine=engine
        ).fit()
        np.testing.assert_allclose(found.params, expected.params, rtol=1e-9)
        np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-8)
    three = units.assign(t=np.array(list("abc"))[np.arange(len(units)) % 3])
    with pytest.raises(OptionError, match=r"treatment='t' is not a column.*'t\[T.c\]'"):
        model_of(three, proxy={"y": "y_llm"})


WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"formula": "y ~ 0 + t"}, {}, "needs a constant among the regressors"),
    ({"formula": "y ~ 0 + t + x", "propensity": "logit"}, {}, "needs a constant"),
    ({"formula": "y ~ t * x"}, {}, "'t:x' is a linear combination of the other cov"),
    ({"formula": "y ~ t + x + two"}, {"two": "x"}, "is a linear combination"),
    ({"proxy": {"l": {"y": "y_llm", "t": "y_llm"}}}, {}, "'l': treatment 't' must be"),
    (
        {
            "formula": "y ~ t + x + e",
            "propensity": "e",
            "proxy": {"l": {"y": "y_llm", "e": "t_llm"}},
        },
        {},
        "Source 'l': propensity 'e' must be between 0 and 1, both excluded",
    ),
]


def test_covariates_that_tell_who_was_treated_are_named() -> None:
    units = frame().assign(t=lambda d: d["t_true"], x=lambda d: d["x"] + 20 * d["t"])
    for propensity in (None, 0.5):
        assert model_of(units, propensity, proxy={"y": "y_llm"}).fit().converged
    with pytest.raises(DataError, match=r"'x'.* tell who was treated: propensities"):
        model_of(units, "logit", proxy={"y": "y_llm"})


@pytest.mark.parametrize(("options", "columns", "match"), WRONG)
def test_what_would_be_another_effect_is_refused(
    options: dict[str, Any], columns: dict[str, str], match: str
) -> None:
    units = frame().assign(t=lambda d: d["t_true"])
    units = units.assign(**{name: units[own] for name, own in columns.items()})
    with pytest.raises(SynthError, match=match):
        model_of(units, **{"proxy": {"y": "y_llm"}, **options})


@pytest.mark.parametrize(("score", "options", "error", "match"), BAD)
def test_bad_input(
    score: dict[str, Any], options: dict[str, Any], error: type[SynthError], match: str
) -> None:
    formula = options.get("formula", "y ~ t + x")
    with pytest.raises(error, match=match):
        AugmentedGMM.from_formula(
            formula,
            frame(),
            SOURCES,
            score=AverageTreatmentEffect(**{"treatment": "t", **score}),
        )


def test_an_arm_with_too_few_labels_is_named() -> None:
    units = frame()
    few = units.assign(t=units["t"].where(units["t"] != 1.0, 0.0))
    few.loc[few["y"].dropna().index[0], "t"] = 1.0
    with pytest.raises(DataError, match="1 labelled unit was treated, for 2"):
        model_of(few, proxy=SOURCES)

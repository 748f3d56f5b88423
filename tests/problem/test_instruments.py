"""Instruments: y ~ x + [d ~ z]."""

from __future__ import annotations

from dataclasses import dataclass
import re
from typing import Any

from linearmodels.iv import IV2SLS
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.core.messages import muted
from statsmodels_synth.exceptions import (
    CollinearityError,
    DataError,
    FewUnitsWarning,
    FormulaError,
    OptionError,
    SynthError,
    WeakInstrumentWarning,
)
from statsmodels_synth.scores import InstrumentalVariables
from tests.reference import dense, loops
from tests.reference.dense import Array

JUST = "y ~ 1 + x + [d ~ z1]"
OVER = "y ~ 1 + x + C(g) + [d ~ z1 + z2]"
SOURCES = {"llm": {"y": "y_llm", "d": "d_llm"}}


def frame(seed: int = 0, n_units: int = 1200, n_labels: int = 250) -> pd.DataFrame:
    """A study in which an unobserved u is in the treatment and in the outcome."""
    rng = np.random.default_rng(seed)
    z1, z2, u, x = rng.normal(size=(4, n_units))
    g = rng.choice(list("abc"), n_units)
    d = 0.8 * z1 + 0.5 * z2 + u + rng.normal(size=n_units) + 0.3 * x
    y = 1.0 + 0.5 * d + 0.3 * x + u + (g == "b") + rng.normal(size=n_units)
    units = pd.DataFrame({"x": x, "z1": z1, "z2": z2, "g": g, "d_true": d, "y_true": y})
    units["y_llm"] = y + 0.5 * rng.normal(size=n_units) + 0.2
    units["d_llm"] = d + 0.3 * rng.normal(size=n_units)
    units["c"] = np.arange(n_units) // 12
    units["s"] = np.arange(n_units) % 3
    units["w"] = rng.uniform(0.5, 2.0, n_units)
    units["p"] = np.where(units["s"] == 0, 0.4, 0.15)
    labeled = rng.permutation(n_units) < n_labels
    return units.assign(
        y=units["y_true"].where(labeled), d=units["d_true"].where(labeled)
    )


@pytest.mark.parametrize("formula", [JUST, OVER])
@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_without_sources_it_is_linearmodels(formula: str, engine: Any) -> None:
    labels = frame().dropna()
    found = AugmentedGMM.from_formula(formula, labels, engine=engine).fit(
        use_correction=False
    )
    peer = IV2SLS.from_formula(formula, labels).fit(cov_type="robust", debiased=False)
    order = found.params.index
    np.testing.assert_allclose(found.params, peer.params[order], rtol=1e-10)
    np.testing.assert_allclose(found.bse, peer.std_errors[order], rtol=1e-10)


def test_weights_are_those_of_linearmodels() -> None:
    labels = frame().dropna()
    found = AugmentedGMM.from_formula(OVER, labels, weights="w").fit(
        use_correction=False
    )
    peer = IV2SLS.from_formula(OVER, labels, weights=labels["w"]).fit(debiased=False)
    np.testing.assert_allclose(found.params, peer.params[found.params.index], rtol=1e-8)


def test_first_stage_and_overidentification_are_those_of_linearmodels() -> None:
    units = frame()
    result = AugmentedGMM.from_formula(OVER, units, SOURCES).fit()
    peer = IV2SLS.from_formula(OVER, units.dropna()).fit(cov_type="robust")
    table, theirs = result.first_stage(), peer.first_stage.diagnostics
    assert table.loc["d", "partial_rsquared"] == pytest.approx(
        theirs.loc["d", "partial.rsquared"], rel=1e-10
    )
    # Theirs is a chi-squared statistic without the factor n / (n - k) of HC1.
    n, k = result.n_labeled, 6
    chi2 = table.loc["d", "fvalue"] * table.loc["d", "df_num"] * n / (n - k)
    assert chi2 == pytest.approx(theirs.loc["d", "f.stat"], rel=1e-10)
    own, other = result.overidentification(), peer.wooldridge_overid
    assert own.statistic == pytest.approx(other.stat, rel=1e-8)
    assert own.pvalue == pytest.approx(other.pval, rel=1e-8)
    assert own.df == 1


def test_least_squares_where_regressors_are_their_own_instruments() -> None:
    units = frame().assign(copy=lambda d: d["z1"])
    source = {"y": "y_llm"}
    iv = AugmentedGMM.from_formula("y ~ x + [copy ~ z1]", units, source).fit()
    ols = AugmentedGMM.from_formula("y ~ x + z1", units, source).fit()
    # Leverages are those of the regressors, without the one unit that is added to the
    # labelled rows of a source.
    np.testing.assert_allclose(iv.params, ols.params, rtol=1e-4)
    np.testing.assert_allclose(iv.bse, ols.bse, rtol=1e-3)


@dataclass(frozen=True)
class _Rows:
    """A model of the dense derivations."""

    y: Array
    x: Array
    first: Array
    metric: Array

    def score_obs(self, params: Array, scale: float) -> Array:
        w, regressors = self.x[:, [0, 1, 3, 4]], self.x[:, [0, 1, 2]]
        psi = (w @ self.first) * (self.y - regressors @ params)[:, None]
        return np.asarray(psi @ self.metric.T)


@dataclass(frozen=True)
class InstrumentsProblem(dense.Problem):
    """Columns of x: constant, x, d, z1, z2."""

    first: Any = None
    metric: Any = None

    @property
    def k_params(self) -> int:
        return 3

    def model(self, y: Array, x: Array, rows: Any) -> Any:
        return _Rows(y, x, self.first, self.metric)

    def start(self) -> Array:
        return np.zeros(3 * (1 + len(self.sources)))


def dense_problem(seed: int) -> tuple[InstrumentsProblem, AugmentedGMM]:
    units = frame(seed, 400, 100)
    model = AugmentedGMM.from_formula("y ~ 1 + x + [d ~ z1 + z2]", units, SOURCES)
    columns = [np.ones(400), units["x"], units["d_true"], units["z1"], units["z2"]]
    x = np.column_stack(columns)
    own = x.copy()
    own[:, 2] = units["d_llm"]
    labeled = units["y"].notna().to_numpy()
    # The first stage again, from the labels.
    w, regressors = x[:, [0, 1, 3, 4]][labeled], x[:, [0, 1, 2]][labeled]
    first = np.linalg.lstsq(w, regressors, rcond=None)[0]
    problem = InstrumentsProblem(
        units["y_true"].to_numpy(),
        x,
        labeled,
        [(units["y_llm"].to_numpy(), own)],
        None,
        first=first,
        metric=model.target_score.metric,
    )
    return problem, model


def test_the_papers_estimator_equals_the_dense_derivation() -> None:
    problem, model = dense_problem(3)
    found, expected = model.fit(**dense.PAPER), dense.fit(problem)
    # Both solve to rounding; the dense Jacobian is a difference of fourth order.
    np.testing.assert_allclose(found.params, expected["params"], rtol=1e-6)
    np.testing.assert_allclose(found.bse, np.sqrt(np.diag(expected["cov"])), rtol=1e-6)


def test_the_default_equals_the_plain_loops() -> None:
    problem, model = dense_problem(4)
    found, expected = model.fit(), loops.fit(problem)
    np.testing.assert_allclose(found.params, expected.params, rtol=2e-3)
    # The loops have leverages of the equations, the package those of the regressors as
    # the instruments predict them: equal in sum, and close.
    np.testing.assert_allclose(
        found.bse, np.sqrt(np.diag(expected.covariance)), rtol=2e-2
    )


OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"strata": "s"}, {}),
    ({"labeling_prob": "p"}, {}),
    ({"weights": "w"}, {}),
    ({}, {"cov_type": "cluster", "cov_kwds": {"groups": "c"}}),
    ({}, {"population": "finite"}),
    ({}, {"maxiter": "cue"}),
]


@pytest.mark.parametrize(("options", "fit"), OPTIONS)
def test_options_gain_and_are_near_the_truth(
    options: dict[str, Any], fit: dict[str, Any]
) -> None:
    result = AugmentedGMM.from_formula(OVER, frame(1), SOURCES, **options).fit(**fit)
    # Of a finite population the truth is what all its units say.
    full = frame(1).assign(y=lambda d: d["y_true"], d=lambda d: d["d_true"])
    finite = fit.get("population") == "finite"
    truth = IV2SLS.from_formula(OVER, full).fit().params["d"] if finite else 0.5
    assert result.params["d"] == pytest.approx(truth, abs=4 * result.bse["d"])
    assert result.effective_nobs["d"] > 1.5 * result.n_labeled
    assert len(result.diagnostics().verdict) > 2
    result.compare(["labels only", "PPI++", "GMM-Synth"])
    assert "2SLS" in str(result.summary())


def test_arrays_and_formula_are_the_same() -> None:
    units = frame()
    by_formula = AugmentedGMM.from_formula("y ~ x + [d ~ z1]", units, SOURCES).fit()
    names = ["const", "x", "d", "z1"]
    exog = sm.add_constant(units[["x", "d", "z1"]])[names]
    own = exog.assign(d=units["d_llm"])
    score = InstrumentalVariables("d", ["z1"])
    by_array = AugmentedGMM(
        units["y"], exog, proxy={"llm": (units["y_llm"], own)}, score=score
    ).fit()
    np.testing.assert_allclose(by_array.params, by_formula.params, rtol=1e-10)
    assert list(by_array.params.index) == ["const", "x", "d"]
    predicted = by_formula.predict(units.dropna().head(3))
    rows = units.dropna().head(3)
    expected = by_formula.params @ np.vstack([np.ones(3), rows["x"], rows["d"]])
    np.testing.assert_allclose(predicted, expected)


def test_terms_with_several_columns() -> None:
    units = frame()
    formula = "y ~ 1 + [d ~ C(g) + x:z1]"
    for engine in ("patsy", "formulaic"):
        model = AugmentedGMM.from_formula(formula, units, SOURCES, engine=engine)
        assert list(model.param_names) == ["Intercept", "d"]
        assert len(model.target_score.instruments) == 3


def test_dask_equals_memory() -> None:
    dd = pytest.importorskip("dask.dataframe")
    units = frame()[["y", "d", "x", "z1", "z2", "y_llm", "d_llm"]]
    formula = "y ~ 1 + x + [d ~ z1 + z2]"
    found, expected = (
        AugmentedGMM.from_formula(formula, data, SOURCES).fit()
        for data in (dd.from_pandas(units, npartitions=3), units)
    )
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-8)
    np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-8)


def test_many_sets_learn_their_own_first_stage() -> None:
    units = frame(2, 400)
    model = AugmentedGMM.from_formula("y ~ 1 + [d ~ z1 + z2]", units, SOURCES)
    exog = np.column_stack([np.ones(400), *(units[c] for c in ("d_true", "z1", "z2"))])
    rng = np.random.default_rng(0)
    labels = np.where(rng.permutation(400) < 120, units["y_true"], np.nan)
    found = model.fit_many(labels[:, None], exog=exog)[0]
    alone = units.assign(y=labels, d=units["d_true"].where(~np.isnan(labels)))
    own = AugmentedGMM.from_formula("y ~ 1 + [d ~ z1 + z2]", alone, SOURCES).fit()
    np.testing.assert_allclose(found.params, own.params, rtol=1e-9)


def test_a_weak_instrument_is_named_in_the_summary() -> None:
    units = frame()
    units["weak"] = np.random.default_rng(5).normal(size=len(units))
    weak = pytest.warns(WeakInstrumentWarning, match="instruments of 'd' are weak")
    with weak, muted(FewUnitsWarning):
        result = AugmentedGMM.from_formula("y ~ 1 + [d ~ weak]", units, SOURCES).fit()
    assert "Weak instruments of d" in str(result.summary())
    assert result.first_stage().loc["d", "fvalue"] < 10
    assert np.all(result.bse < 1e4)


def test_predictions_have_intervals() -> None:
    units = frame()
    result = AugmentedGMM.from_formula("y ~ x + [d ~ z1 + z2]", units, SOURCES).fit()
    rows = units[["x", "d", "z1", "z2"]].dropna().head(5)
    found = result.get_prediction(rows).summary_frame()
    columns = np.column_stack([np.ones(5), rows["x"], rows["d"]])
    order = [["Intercept", "x", "d"].index(name) for name in result.params.index]
    columns = columns[:, order]
    np.testing.assert_allclose(found["predicted"], columns @ result.params, rtol=1e-9)
    error = np.sqrt(np.diag(columns @ result.cov_params() @ columns.T))
    # The derivative is numeric.
    np.testing.assert_allclose(found["se"], error, rtol=1e-6)
    average = result.get_prediction(rows, average=True)
    mean = columns.mean(axis=0)
    expected = np.sqrt(mean @ result.cov_params() @ mean)
    np.testing.assert_allclose(average.se, expected, rtol=1e-6)
    with pytest.raises(OptionError, match="the coefficients are the marginal effects"):
        result.get_margeff()


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_tests_of_terms_find_their_coefficients(engine: Any) -> None:
    units = frame().assign(k=lambda d: np.tile(list("abc"), len(d) // 3 + 1)[: len(d)])
    formula = "y ~ C(k) + [d ~ C(z3)]"
    units["z3"] = pd.qcut(units["z1"], 3, labels=False)
    model = AugmentedGMM.from_formula(formula, units, SOURCES, engine=engine)
    result = model.fit()
    names = ["C(k)[T.b]", "C(k)[T.c]"]
    terms = result.wald_test_terms(scalar=True).table
    assert [*terms.index[1:]] == ["C(k)", "d"]
    both = result.wald_test(", ".join(f"{name} = 0" for name in names), scalar=True)
    assert terms.loc["C(k)", "statistic"] == pytest.approx(both.statistic)
    pairs = result.t_test_pairwise("C(k)").result_frame["coef"]
    b, c = result.params[names]
    np.testing.assert_allclose(pairs, [b, c, c - b], rtol=1e-9)


def test_errors_name_the_formula_that_was_written() -> None:
    units = frame().assign(g=lambda d: np.arange(len(d)) % 30)
    formula = "y ~ x + [d ~ zz] | g"
    with pytest.raises(SynthError, match=re.escape(repr(formula))):
        AugmentedGMM.from_formula(formula, units, SOURCES)
    units["d"] = units["d_true"]
    formula = "y ~ x + [d ~ z1] | g"
    result = AugmentedGMM.from_formula(formula, units, {"y": "y_llm"}).fit()
    with pytest.raises(OptionError, match=re.escape(repr(formula))):
        result.predict()


BAD: list[tuple[str, dict[str, Any], type[SynthError], str]] = [
    ("y ~ [d ~ z1] + [x ~ z2]", {}, FormulaError, "has 2 brackets"),
    ("y ~ 1 + [d ~ ]", {}, FormulaError, "needs endogenous regressors"),
    ("y ~ 1 + [d ~ z1 | g]", {}, FormulaError, "stand after the brackets"),
    ("y ~ 1 + [d + x ~ z1]", {}, OptionError, "need as many instruments or more"),
    ("y ~ 1 + [d ~ d]", {}, OptionError, "endogenous and an instrument"),
    ("y ~ x + [d ~ x]", {}, FormulaError, "exogenous regressor and an instrument"),
    ("y ~ 1 + [d ~ zz]", {}, FormulaError, "'zz' .* is not a column"),
    (
        "y ~ 1 + [d ~ z1]",
        {"family": sm.families.Binomial()},
        OptionError,
        "which are for linear models",
    ),
    ("y ~ 1 + [d ~ z1 + twin]", {}, CollinearityError, "linear combination"),
    ("y ~ 1 + x + [copy ~ z1]", {}, CollinearityError, "linear combination"),
    ("y ~ 1 + [d ~ z1]", {"offset": "x"}, OptionError, "Subtract it from the outcome"),
]


@pytest.mark.parametrize(("formula", "options", "error", "match"), BAD)
def test_bad_input(
    formula: str, options: dict[str, Any], error: type[SynthError], match: str
) -> None:
    units = frame().assign(twin=lambda d: 2.0 * d["z1"], copy=lambda d: d["x"])
    source = {"y": "y_llm"} if "copy" in formula else SOURCES
    with pytest.raises(error, match=match):
        AugmentedGMM.from_formula(formula, units, source, **options)


@pytest.mark.parametrize("column", ["d", "z1"])
def test_a_source_that_does_not_identify_is_named(column: str) -> None:
    units = frame().assign(one=1.0)
    model = AugmentedGMM.from_formula(
        "y ~ x + [d ~ z1]", units, {"llm": {**SOURCES["llm"], column: "one"}}
    )
    with pytest.raises(CollinearityError, match="'llm': its rows do not identify"):
        model.fit()


def test_an_outcome_that_is_fitted_exactly_is_refused() -> None:
    units = frame()
    exact = units.assign(y=2.0 + 3.0 * units["d"] - units["x"])
    for data in (units.assign(y=units["y"].where(units["y"].isna(), 4.0)), exact):
        with pytest.raises(DataError, match="fit all 250 labels exactly"):
            AugmentedGMM.from_formula("y ~ x + [d ~ z1]", data, SOURCES)


def test_clusters_are_as_many_as_coefficients() -> None:
    units = frame().assign(one=1, three=lambda units: np.arange(len(units)) % 3)
    for groups, formula in (("one", "y ~ 1 + [d ~ z1]"), ("three", "y ~ x+[d ~ z1]")):
        model = AugmentedGMM.from_formula(formula, units, SOURCES)
        with pytest.raises(DataError, match=r"in \d clusters?, too few for"):
            model.fit(cov_type="cluster", cov_kwds={"groups": groups})
    labels = units.dropna()
    model = AugmentedGMM.from_formula("y ~ x + [d ~ z1] | one", labels)
    with pytest.raises(DataError, match=r"in 1 cluster, too few for"):
        model.fit()


def test_there_is_no_first_stage_without_instruments() -> None:
    result = AugmentedGMM.from_formula("y ~ x", frame(), {"y": "y_llm"}).fit()
    with pytest.raises(OptionError, match="no first stage"):
        result.first_stage()
    with pytest.raises(OptionError, match="no instruments"):
        result.overidentification()
    just = AugmentedGMM.from_formula(JUST, frame(), SOURCES).fit()
    with pytest.raises(OptionError, match="nothing is left to test"):
        just.overidentification()

"""The source of auxiliary columns: cross-fitted, order-free, and refused if useless."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.data.learners import PENALTIES, fit_linear, fit_logistic
from statsmodels_synth.estimators import ppi
from statsmodels_synth.exceptions import CoverageWarning, DataError, OptionError

T, N = 1500, 150
ALL = np.arange(3)


def study(seed: int = 0, binary: bool = False) -> pd.DataFrame:
    """Units, N of them labelled; the proxy errs along `a`, and `g` matters too."""
    rng = np.random.default_rng(seed)
    units = pd.DataFrame(
        {
            "x": rng.normal(size=T),
            "a": rng.normal(size=T),
            "junk": rng.normal(size=T),
            "g": rng.choice(list("pqr"), T),
            "area": rng.integers(0, 40, T),
        },
        index=pd.Index([f"u{k}" for k in rng.permutation(T)], name="unit"),
    )
    y = 0.3 + units["x"] + 0.8 * units["a"] + 0.5 * (units["g"] == "q")
    y = y + 0.7 * rng.normal(size=T)
    units["llm"] = y + 0.7 * rng.normal(size=T) - 0.6 * units["a"]
    if binary:
        y = (rng.random(T) < expit(2.0 * y)).astype(float)
        units["llm"] = np.where(rng.random(T) < 0.25, 1.0 - y, y)
    units["y"] = y.where(np.isin(np.arange(T), rng.choice(T, N, replace=False)))
    return units


def model(units: pd.DataFrame, auxiliary: Any = "a + g", **options: Any) -> Any:
    """The model of y on x."""
    given = {"proxy": {"y": "llm"}} | options
    return AugmentedGMM.from_formula("y ~ x", units, auxiliary=auxiliary, **given)


def predictions(made: Any) -> Any:
    """What the source says of each unit."""
    assert made.aligned.names[-1] == "auxiliary"
    return made.aligned.sources[-1].endog


def by_hand(units: pd.DataFrame, folds: Any, learner: Any, binary: bool) -> Any:
    """Predictions of every unit by what the labels of other folds have taught."""
    known = (
        units[["llm", "x", "a"]]
        .assign(q=units["g"] == "q", r=units["g"] == "r")
        .to_numpy(dtype=float)
    )
    y, found = units["y"].to_numpy(), np.full(T, np.nan)
    for k in np.unique(folds):
        seen = (folds != k) & ~np.isnan(y)
        learner.fit(known[seen], y[seen])
        out = known[folds == k]
        found[folds == k] = (
            learner.predict_proba(out)[:, 1] if binary else learner.predict(out)
        )
    return found


@pytest.mark.parametrize("binary", [False, True])
def test_it_is_the_source_that_one_builds_by_hand(binary: bool) -> None:
    units = study(binary=binary)
    learner = LogisticRegression() if binary else LinearRegression()
    family = sm.families.Binomial() if binary else None
    made = model(units, learner=learner, family=family)
    folds = made.recalibration.folds
    labeled = units["y"].notna().to_numpy()
    # As many labelled units in each fold, and as many of the others.
    assert set(np.bincount(folds[labeled])) == {N // 10}
    assert set(np.bincount(folds[~labeled])) == {(T - N) // 10}
    said = by_hand(units, folds, learner, binary)
    np.testing.assert_allclose(predictions(made), said, rtol=1e-12)
    result = made.fit()
    units["said"] = said
    sources = {"proxy": {"y": "llm"}, "hand": {"y": "said"}}
    hand = AugmentedGMM.from_formula("y ~ x", units, sources, family=family).fit()
    np.testing.assert_allclose(result.params, hand.params, rtol=1e-10)
    np.testing.assert_allclose(result.bse, hand.bse, rtol=1e-10)
    np.testing.assert_allclose(
        result.representativeness(), hand.representativeness(), rtol=1e-6
    )
    # It is worth something.
    alone = AugmentedGMM.from_formula("y ~ x", units, {"y": "llm"}, family=family).fit()
    assert np.all(np.asarray(result.bse) ** 2 < 0.9 * np.asarray(alone.bse) ** 2)


@pytest.mark.parametrize("learner", [None, LinearRegression()])
@pytest.mark.parametrize("binary", [False, True])
def test_labels_of_a_fold_do_not_touch_its_predictions(
    learner: Any, binary: bool
) -> None:
    units = study(binary=binary)
    family = sm.families.Binomial() if binary and learner is None else None
    made = model(units, learner=learner, family=family)
    said, folds = predictions(made).copy(), made.recalibration.folds
    labeled = units["y"].notna().to_numpy()
    at = np.flatnonzero(labeled & (folds == 3))
    other = units.copy()
    other.iloc[at, other.columns.get_loc("y")] = units["y"].to_numpy()[at[::-1]]
    assert not other["y"].equals(units["y"])
    again = model(other, learner=learner, family=family)
    np.testing.assert_array_equal(again.recalibration.folds, folds)
    np.testing.assert_array_equal(predictions(again)[folds == 3], said[folds == 3])
    assert np.all(predictions(again)[folds != 3] != said[folds != 3])


def test_order_of_rows_does_not_matter() -> None:
    units = study()
    fitted = model(units).fit()
    mixed = units.sample(frac=1, random_state=1)
    frame = units.sample(frac=1, random_state=2)[["a", "g"]]
    proxy = units.sample(frac=1, random_state=3)[["llm", "a", "g"]]
    bare = units[["x", "y", "llm"]]
    others = [
        model(mixed),
        model(bare, frame),
        model(bare, proxy=proxy.rename(columns={"llm": "y"})),
        model(mixed.reset_index(), on="unit"),
        model(bare.reset_index(), frame.reset_index(), on="unit"),
    ]
    for other in others:
        # Sums are taken in another order.
        np.testing.assert_allclose(other.fit().params, fitted.params, rtol=1e-10)
        np.testing.assert_allclose(other.fit().bse, fitted.bse, rtol=1e-10)
        folds = pd.Series(other.recalibration.folds, other.unit_index)
        own = pd.Series(fitted.model.recalibration.folds, units.index)
        assert folds.loc[units.index].equals(own)


def test_arrays_give_the_numbers_of_frames() -> None:
    units = study()
    columns = pd.get_dummies(units["g"], dtype=float)[["q", "r"]]
    columns.insert(0, "a", units["a"])
    exog = sm.add_constant(units[["x"]])
    arrays = AugmentedGMM(
        units["y"], exog, {"llm": (units["llm"], exog)}, auxiliary=columns
    )
    frames = model(units)
    np.testing.assert_allclose(arrays.fit().params, frames.fit().params, rtol=1e-9)
    # statsmodels builds a model again from what it keeps.
    x = exog.to_numpy()
    bare = AugmentedGMM(
        units["y"].to_numpy(),
        x,
        {"llm": (units["llm"].to_numpy(), x)},
        auxiliary=columns.to_numpy(),
    )
    again = AugmentedGMM(bare.endog, bare.exog, **bare._get_init_kwds())
    np.testing.assert_array_equal(again.fit().params, bare.fit().params)


def test_useless_columns_take_no_part() -> None:
    units = study()
    made = model(units, "junk")
    result = made.fit()
    without = AugmentedGMM.from_formula("y ~ x", units, {"y": "llm"}).fit()
    np.testing.assert_array_equal(result.params, without.params)
    np.testing.assert_array_equal(result.bse, without.bse)
    assert made.recalibration.gain < made.recalibration.gain_error
    assert list(result.dropped_sources) == ["auxiliary"]
    notes = " ".join(result.summary().extra_txt.split())
    assert "Source 'auxiliary' takes no part: it predicts the labels no better" in notes
    with pytest.raises(DataError, match="'auxiliary' took no part in the fit: it pre"):
        ppi(result, "auxiliary")


def test_few_labels_are_said_and_not_learned_from() -> None:
    units = study()
    units.loc[units["y"].dropna().index[15:], "y"] = np.nan
    result = model(units).fit()
    reason = result.dropped_sources["auxiliary"]
    assert reason == "15 labels are too few to learn from (20)"


def test_a_unit_that_lacks_a_column_is_not_covered() -> None:
    units = study()
    units.iloc[:300, units.columns.get_loc("a")] = np.nan
    lacking = int(units["y"].iloc[:300].notna().sum())
    with pytest.warns(CoverageWarning, match=f"'auxiliary' lacks {lacking} of the 150"):
        result = model(units).fit()
    row = result.sources.loc["auxiliary"]
    assert row["covered"] == T - 300
    assert row["covered_labeled"] == N - lacking
    assert row["dropped_rows"] == 300
    assert np.all(result.model.recalibration.folds[:300] == -1)


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.CoverageWarning")
def test_the_first_proxy_that_covers_a_unit_lends_its_regressors() -> None:
    units = study()
    rng = np.random.default_rng(5)
    first, second = (rng.random(T) < share for share in (0.6, 0.7))
    exog = sm.add_constant(units["x"].to_numpy())
    said = units["llm"].to_numpy()
    other = np.column_stack([exog[:, 0], exog[:, 1] + 0.1])
    made = AugmentedGMM(
        units["y"].to_numpy(),
        exog,
        {
            "one": (np.where(first, said, np.nan), exog),
            "two": (np.where(second, said + 1.0, np.nan), other),
        },
        auxiliary=units["a"].to_numpy(),
    )
    source = made.aligned.sources[-1]
    units_of = made.aligned.kept[source.unit_positions]
    np.testing.assert_array_equal(units_of, np.flatnonzero(first | second))
    np.testing.assert_array_equal(
        source.exog, np.where(first[:, None], exog, other)[units_of]
    )


def test_replicates_share_a_prediction() -> None:
    units = study()
    exog = sm.add_constant(units["x"].to_numpy())
    rows = np.repeat(np.arange(T), 2)
    noise = 0.3 * np.random.default_rng(1).normal(size=2 * T)
    proxy = {"llm": (units["llm"].to_numpy()[rows] + noise, exog[rows], rows)}
    made = AugmentedGMM(
        units["y"].to_numpy(), exog, proxy, auxiliary=units["a"].to_numpy()
    )
    said = predictions(made).reshape(T, 2)
    np.testing.assert_array_equal(said[:, 0], said[:, 1])
    assert made.fit().sources.loc["auxiliary", "replicates"] == 2


def test_clusters_stay_in_one_fold() -> None:
    units = study()
    made = model(units)
    result = made.fit(cov_type="cluster", cov_kwds={"groups": "area"})
    folds = pd.Series(result.model.recalibration.folds)
    assert folds.groupby(units["area"].to_numpy()).nunique().max() == 1
    assert (
        pd.Series(made.recalibration.folds)
        .groupby(units["area"].to_numpy())
        .nunique()
        .min()
        > 1
    )
    # The model itself is as it was, and so are fits without clusters.
    np.testing.assert_array_equal(made.fit().params, model(units).fit().params)
    mixed = units.sample(frac=1, random_state=1)
    again = model(mixed).fit(cov_type="cluster", cov_kwds={"groups": "area"})
    np.testing.assert_allclose(again.params, result.params, rtol=1e-10)


def test_each_set_of_labels_makes_its_own_source() -> None:
    units = study()
    rng = np.random.default_rng(3)
    truth = study().assign(y=rng.normal(size=T) + units["x"] + units["a"])["y"]
    sets = pd.DataFrame(index=units.index)
    for k in range(2):
        sets[k] = truth.where(np.isin(np.arange(T), rng.choice(T, N, replace=False)))
    fits = model(units).fit_many(sets)
    for k in range(2):
        own = model(units.assign(y=sets[k])).fit()
        np.testing.assert_allclose(fits[k].params, own.params, rtol=1e-10)
        np.testing.assert_allclose(fits[k].bse, own.bse, rtol=1e-10)


def test_plan_and_compare_know_what_it_is_made_of() -> None:
    result = model(study()).fit()
    mixes = result.plan().cheapest(
        coefficient="x", width=0.3, price_label=1.0, price_proxy=0.01, n_units=T
    )
    named = set(mixes["sources"])
    assert named == {"labels only", "proxy", "proxy, auxiliary"}
    text = str(result.compare())
    assert "PPI++ (auxiliary)" in text
    assert "naive (auxiliary)" not in text


def test_predictions_are_within_the_range_of_the_outcome() -> None:
    rng = np.random.default_rng(4)
    x, a = rng.normal(size=(2, T))
    exog = sm.add_constant(x)
    cost = rng.gamma(2.0, np.exp(0.4 * x + 0.8 * a) / 2.0)
    guess = rng.gamma(2.0, np.exp(0.4 * x) / 2.0)
    count = rng.poisson(cost).astype(float)
    labeled = np.arange(T) < 200
    for y, family, open_ in (
        (cost, sm.families.Gamma(sm.families.links.Log()), True),
        (count, sm.families.Poisson(), False),
    ):
        made = AugmentedGMM(
            np.where(labeled, y, np.nan),
            exog,
            {"llm": (guess, exog)},
            family=family,
            auxiliary=a,
        )
        said = predictions(made)
        assert said.min() > 0.0 if open_ else said.min() == 0.0
        assert said.max() <= 1.5 * y[labeled].max()
        assert made.fit().converged


def test_no_label_is_left_when_data_are_removed() -> None:
    result = model(study()).fit()
    label = result.model.endog[0]
    result.remove_data()
    assert np.float64(label).tobytes() not in pickle.dumps(result)


def test_ridge_leaves_out_one_label_at_a_time() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(40, 3))
    y = 2.0 + x @ [1.0, 0.5, 0.0] + rng.normal(size=40)

    def solve(rows: Any, penalty: float) -> Any:
        design = sm.add_constant(x[rows])
        ridge = np.diag([0.0, *[penalty] * 3])
        return np.linalg.solve(design.T @ design + ridge, design.T @ y[rows])

    errors = []
    for penalty in PENALTIES:
        left_out = [
            y[i] - np.r_[1.0, x[i]] @ solve(np.delete(np.arange(40), i), penalty)
            for i in range(40)
        ]
        errors.append(np.mean(np.square(left_out)))
    fitted = fit_linear(x, y, ALL)
    best = int(np.argmin(errors))
    np.testing.assert_allclose(fitted.error, errors[best], rtol=1e-10)
    np.testing.assert_allclose(
        fitted.params, solve(np.arange(40), PENALTIES[best]), rtol=1e-10
    )


def test_logistic_ridge_is_solved_and_left_out_to_first_order() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(60, 3))
    y = (rng.random(60) < expit(0.3 + x @ [1.0, -0.5, 0.0])).astype(float)

    def solve(rows: Any, penalty: float) -> Any:
        design = sm.add_constant(x[rows])

        def loss(beta: Any) -> float:
            linear = design @ beta
            fit = np.logaddexp(0.0, linear).sum() - y[rows] @ linear
            return float(fit + penalty / 8.0 * (beta[1:] @ beta[1:]))

        return optimize.minimize(loss, np.zeros(4), method="BFGS").x

    errors = []
    for penalty in PENALTIES[2:6]:
        left_out = []
        for i in range(60):
            linear = np.r_[1.0, x[i]] @ solve(np.delete(np.arange(60), i), penalty)
            left_out.append(np.logaddexp(0.0, linear) - y[i] * linear)
        errors.append(np.mean(left_out))
    fitted = fit_logistic(x, y, ALL)
    best = int(np.argmin(errors))
    assert 0 < best < 3
    # Of second order: one label in 60.
    np.testing.assert_allclose(fitted.error, errors[best], rtol=5e-3)
    # Newton's method stops where the predictor moves by less than 1e-3.
    np.testing.assert_allclose(
        fitted.params, solve(np.arange(60), PENALTIES[2 + best]), atol=2e-3
    )


def test_a_classifier_predicts_probabilities_or_is_refused() -> None:
    forest = RandomForestClassifier(n_estimators=20, min_samples_leaf=5)
    binary = model(study(binary=True), learner=forest, family=sm.families.Binomial())
    again = model(study(binary=True), learner=forest, family=sm.families.Binomial())
    assert binary.recalibration.learner == "RandomForestClassifier"
    np.testing.assert_array_equal(binary.fit().params, again.fit().params)
    with pytest.raises(
        OptionError, match=r"a classifier \(RandomForestClassifier\), and"
    ):
        model(study(), learner=forest)


def test_partitions_are_refused_with_what_to_do() -> None:
    dask = pytest.importorskip("dask.dataframe")
    units = dask.from_pandas(study(), npartitions=2)
    with pytest.raises(OptionError, match="auxiliary= needs its columns and the rows"):
        model(units)

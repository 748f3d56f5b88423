"""Degrees of freedom by coefficient: dense formulas, closed forms, and who has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.gmm import degrees
from statsmodels_synth.gmm.controls import labels_alone
from statsmodels_synth.gmm.degrees import interval_df, satterthwaite
from statsmodels_synth.problem.groups import number_clusters
from tests.reference.dense import Array

# A dummy that is set four times is one of a few units, and warned of.
pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.FewUnitsWarning"
)


def labelled(n: int = 60, seed: int = 0, more: int = 0, **options: Any) -> AugmentedGMM:
    """All units labelled, a constant, a slope and a dummy that is set four times."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.lognormal(size=n), np.arange(n) < 4])
    x = np.column_stack([x, rng.normal(size=(n, more))])
    return AugmentedGMM(rng.normal(size=n), x, **options)


def dense_moments(model: AugmentedGMM, codes: Array | None) -> tuple[Array, Array]:
    """
    Degrees of freedom and bias, with all n x n matrices.

    Residuals of a weighted regression with errors of variance one are ``M e``. Row c of
    ``L`` is what a unit (a cluster), left out, changes by its residuals.
    """
    x = model.exog
    n, p = x.shape
    a = np.ones(n) if model.weights is None else np.asarray(model.weights)
    a = a / a.mean()
    h = np.linalg.inv(x.T @ (x * a[:, None]))
    residual = np.eye(n) - x @ h @ (x * a[:, None]).T
    true = h @ (x * a[:, None] ** 2).T @ x @ h
    df, scale = np.empty(p), np.empty(p)
    groups = np.arange(n) if codes is None else codes
    for j in range(p):
        rows = []
        for c in np.unique(groups):
            at = groups == c
            rest = np.linalg.pinv(
                x[~at].T @ (x[~at] * a[~at, None]), rcond=1e-10, hermitian=True
            )
            rows.append((x[at] * a[at, None]) @ rest[:, j] @ residual[at])
        # The variance is the sum of squares of these, a quadratic form in the errors.
        form = np.array(rows).T @ np.array(rows)
        df[j] = np.trace(form) ** 2 / np.sum(form**2)
        scale[j] = np.trace(form) / true[j, j]
    return df, scale


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("pairs", [True, False])
def test_against_the_quadratic_form(
    weighted: bool, clustered: bool, pairs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Bell and McCaffrey's mean and variance of the quadratic form itself.

    Units whose dummy nobody else has are left out by a generalised inverse.
    """
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.2, 4.0, 60) if weighted else None
    model = labelled(weights=weights)
    if pairs:  # which pays where there are many coefficients
        model = labelled(weights=weights, more=8)
    else:
        monkeypatch.setattr(degrees, "MANY_PAIRS", 0)
    design, score = model.aligned, model.target_score
    theta = np.asarray(model.fit().params)
    codes = np.arange(60) % 12
    clusters = number_clusters(codes, design.labeled_units) if clustered else None
    found = satterthwaite(design, score, labels_alone(design, score, theta), clusters)
    expected = dense_moments(model, codes if clustered else None)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_pairs_of_many_residuals_hardly_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 2,000 labels leaving them out changes degrees of freedom by a per cent."""
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(2000), rng.normal(size=(2000, 3))])
    model = AugmentedGMM(rng.normal(size=2000), x)
    design, score = model.aligned, model.target_score
    labels = labels_alone(design, score, np.asarray(model.fit().params))
    exact = satterthwaite(design, score, labels, None)
    monkeypatch.setattr(degrees, "MANY_PRODUCTS", 0.0)
    rough = satterthwaite(design, score, labels, None)
    np.testing.assert_allclose(rough, exact, rtol=0.01)
    assert not np.array_equal(rough, exact)


def test_two_groups_are_a_weighted_sum_of_two_variances() -> None:
    """
    The difference of two means: HC3 is ``sum s_g^2 / (n_g - 1)``, independent parts.

    Satterthwaite's degrees of freedom then are those of two chi-squared variables.
    """
    sizes = np.array([40, 6])
    x = np.column_stack([np.ones(46), np.arange(46) >= 40])
    model = AugmentedGMM(np.random.default_rng(0).normal(size=46), x)
    design, score = model.aligned, model.target_score
    labels = labels_alone(design, score, np.asarray(model.fit().params))
    df, scale = satterthwaite(design, score, labels, None)
    # HC3: residual squares over (1 - 1/n)^2 n^2, of mean (n - 1) / n each.
    part = (sizes - 1.0) / (sizes - 1.0) ** 2
    np.testing.assert_allclose(df[1], part.sum() ** 2 / np.sum(part**2 / (sizes - 1)))
    np.testing.assert_allclose(df[0], 39.0)
    np.testing.assert_allclose(scale, [40 / 39, part.sum() / np.sum(1 / sizes)])


def test_the_interval_is_as_long_as_it_should_be() -> None:
    df, scale = np.array([4.0, 30.0, 900.0]), np.array([1.2, 1.05, 1.0])
    found = interval_df(df, scale, 100.0)
    wanted = stats.t.ppf(0.975, df) / np.sqrt(scale)
    np.testing.assert_allclose(
        stats.t.ppf(0.975, found), np.maximum(wanted, stats.t.ppf(0.975, 100.0))
    )
    assert found[2] == 100.0
    # A variance that is too large may make up for it.
    assert interval_df(np.array([50.0]), np.array([1.3]), 60.0)[0] == 60.0


@pytest.mark.parametrize("sources", [0, 1])
def test_everything_has_the_degrees_of_freedom_of_its_coefficients(
    sources: int,
) -> None:
    rng = np.random.default_rng(3)
    size, n = 400, 80
    data = pd.DataFrame({"x": rng.normal(size=size), "rare": np.arange(size) % 20 == 0})
    data["rare"] = data["rare"].astype(float)
    data["truth"] = data["x"] + rng.normal(size=size)
    data["y"] = data["truth"].where(np.arange(size) < n)
    data["guess"] = data["truth"] + rng.normal(size=size)
    proxy = {"y": "guess"} if sources else None
    result = AugmentedGMM.from_formula("y ~ x + rare", data, proxy).fit()
    df = result.df_inference
    assert list(df.index) == ["Intercept", "x", "rare"]
    assert df["rare"] < 8.0
    assert 40.0 < df["Intercept"] <= result.df_resid
    params, bse = result.params, result.bse
    for alpha in (0.05, 0.2):
        size_of = stats.t.ppf(1 - alpha / 2, df) * bse
        ends = result.conf_int(alpha)
        np.testing.assert_allclose(ends[1] - params, size_of)
        np.testing.assert_allclose(params - ends[0], size_of)
    statistic = params / bse
    np.testing.assert_allclose(result.pvalues, 2 * stats.t.sf(abs(statistic), df))
    shown = result.summary().tables[1].data[3]
    assert float(shown[4]) == pytest.approx(result.pvalues["rare"], abs=5e-4)
    one = result.t_test("rare = 0")
    assert float(one.pvalue) == pytest.approx(result.pvalues["rare"])
    both = result.t_test(np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0]]))
    np.testing.assert_allclose(both.df_denom, [df["x"], df["rare"]])
    joint = result.wald_test("x = 0, Intercept = 0", scalar=True)
    assert joint.df_denom == min(df["x"], df["Intercept"])
    rows = pd.DataFrame({"x": [0.5, 0.5], "rare": [0.0, 1.0]})
    predicted = result.get_prediction(rows).summary_frame()
    width = predicted["ci_upper"] - predicted["ci_lower"]
    fewest = np.array([min(df["Intercept"], df["x"]), df["rare"]])
    np.testing.assert_allclose(width, 2 * stats.t.ppf(0.975, fewest) * predicted["se"])
    assert f"{df['rare']:.1f} (rare)" in str(result.summary()).replace("\n", " ")
    normal = AugmentedGMM.from_formula("y ~ x + rare", data, proxy).fit(use_t=False)
    assert "(rare)" not in str(normal.summary())
    np.testing.assert_allclose(
        normal.pvalues, 2 * stats.norm.sf(abs(normal.params / normal.bse))
    )


def test_degrees_of_freedom_do_not_depend_on_where_x_is_zero() -> None:
    """With clusters each is left out of sums that are badly scaled for x near 1e5."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 120))
    groups = {"cov_type": "cluster", "cov_kwds": {"groups": np.arange(120) % 40}}
    near, far = (
        AugmentedGMM(y, np.column_stack([np.ones(120), x + shift])).fit(**groups)
        for shift in (0.0, 3e5)
    )
    # Of twelve digits of the squares of x near 1e5 some six are left.
    np.testing.assert_allclose(far.df_inference[1], near.df_inference[1], rtol=1e-4)


def test_weights_that_leave_few_labels_have_fewer_degrees_of_freedom() -> None:
    equal = labelled(100, 4).fit().df_inference
    weights = np.where(np.arange(100) % 10 == 0, 50.0, 1.0)
    unequal = labelled(100, 4, weights=weights).fit().df_inference
    assert unequal[0] < 20.0
    assert equal[0] > 90.0

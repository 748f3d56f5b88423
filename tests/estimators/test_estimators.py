"""The other estimators: against ppi-python, dense derivations and simulation."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd
import ppi_py
from ppi_py.ppi import _calc_lam_glm, _logistic_get_stats, _poisson_get_stats
import pytest
from scipy import stats
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.estimators import (
    dsl,
    labeled_only,
    naive_pooled,
    naive_proxy,
    naive_synthetic,
    ppi,
    ppi_synth,
    predict_then_debias,
    reppi,
)
from statsmodels_synth.exceptions import (
    CoverageWarning,
    DataError,
    FewUnitsWarning,
    OptionError,
    SeparationError,
)

#: ppi-python 0.2.3 calls scikit-learn in a way that goes away.
pytestmark = pytest.mark.filterwarnings("ignore:'penalty' was deprecated:FutureWarning")
Array = NDArray[np.float64]
Z = stats.norm.ppf(0.975)
#: Optimisers of ppi-python stop where the gradient is about 1e-8, which leaves errors
#: of 1e-7 in coefficients; ours are at rounding.
AS_PPI = 1e-6
FAMILIES = {
    "ols": sm.families.Gaussian(),
    "logistic": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
}
STATS = {"logistic": _logistic_get_stats, "poisson": _poisson_get_stats}


class Sample:
    """Outcome, regressors, two guesses of the outcome, and who is labelled."""

    def __init__(self, family: str, seed: int, n: int = 300, size: int = 3000) -> None:
        rng = np.random.default_rng(seed)
        self.family = FAMILIES[family]
        x = np.column_stack([np.ones(size), rng.normal(size=(size, 2))])
        linear = x @ [0.2, 0.5, -0.3]
        if family == "ols":
            y = linear + rng.normal(size=size)
            guesses = [
                y + s * rng.normal(size=size) + 0.3 * x[:, 1] + 0.2 for s in (0.7, 1.0)
            ]
        elif family == "logistic":
            y = (rng.random(size) < 1 / (1 + np.exp(-linear))).astype(float)
            guesses = [np.where(rng.random(size) < s, y, 1 - y) for s in (0.8, 0.7)]
        else:
            y = rng.poisson(np.exp(linear)).astype(float)
            guesses = [rng.poisson(0.7 * y + s).astype(float) for s in (0.4, 1.0)]
        self.x, self.y, self.guesses = x, y, guesses
        self.labeled = np.zeros(size, dtype=bool)
        self.labeled[rng.permutation(size)[:n]] = True

    def model(self, **kwargs: Any) -> AugmentedGMM:
        """Two sources that see the regressors as they are."""
        return AugmentedGMM(
            np.where(self.labeled, self.y, np.nan),
            self.x,
            proxy={"a": (self.guesses[0], self.x)},
            synthetic={"b": (self.guesses[1], self.x)},
            family=self.family,
            **kwargs,
        )

    def split(self, guess: int = 0) -> tuple[Array, ...]:
        """As ppi-python takes it."""
        inside, f = self.labeled, self.guesses[guess]
        return self.x[inside], self.y[inside], f[inside], self.x[~inside], f[~inside]


# Against ppi-python


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("tuning", "lam"), [("none", 1), ("scalar", None)])
def test_ppi_is_that_of_ppi_python(family: str, tuning: Any, lam: int | None) -> None:
    sample = Sample(family, 1)
    result = ppi(sample.model(), power_tuning=tuning)
    interval = getattr(ppi_py, f"ppi_{family}_ci")
    low, high = interval(*sample.split(), alpha=0.05, lam=lam)
    np.testing.assert_allclose(result.params, (low + high) / 2, atol=AS_PPI, rtol=0)
    np.testing.assert_allclose(result.bse, (high - low) / 2 / Z, atol=AS_PPI, rtol=0)


def test_a_synthetic_source_predicts_as_well() -> None:
    sample = Sample("logistic", 2)
    result = ppi(sample.model(), "b", "none")
    low, high = ppi_py.ppi_logistic_ci(*sample.split(1), alpha=0.05, lam=1)
    np.testing.assert_allclose(result.params, (low + high) / 2, atol=AS_PPI, rtol=0)
    assert result.sources == ("b",)


def test_least_squares_by_coefficient_is_that_of_ppi_python() -> None:
    sample = Sample("ols", 3)
    result = ppi(sample.model(), power_tuning="coefficient")
    for j in range(3):
        low, high = ppi_py.ppi_ols_ci(*sample.split(), alpha=0.05, coord=j)
        assert result.params[j] == pytest.approx((low + high)[j] / 2, abs=AS_PPI)
        assert result.bse[j] == pytest.approx((high - low)[j] / 2 / Z, abs=AS_PPI)


@pytest.mark.parametrize("family", STATS)
def test_lambda_by_coefficient(family: str) -> None:
    # ppi-python 0.2.3 takes `coord` for these families and does not use it: its parts
    # are put together here as its least squares does.
    sample = Sample(family, 4)
    x, y, f, x_rest, f_rest = sample.split()
    estimate = getattr(ppi_py, f"ppi_{family}_pointestimate")
    result = ppi(sample.model(), power_tuning="coefficient")
    for j in range(3):
        lam: Any = 1
        for _ in range(2):
            theta = estimate(x, y, f, x_rest, f_rest, lam=lam)
            parts = STATS[family](theta, x, y, f, x_rest, f_rest)
            lam = _calc_lam_glm(*parts, coord=j, clip=True)
        theta = estimate(x, y, f, x_rest, f_rest, lam=lam)
        interval = getattr(ppi_py, f"ppi_{family}_ci")
        low, high = interval(x, y, f, x_rest, f_rest, alpha=0.05, lam=lam)
        assert result.power[j] == pytest.approx(lam, abs=AS_PPI)
        assert result.params[j] == pytest.approx(theta[j], abs=AS_PPI)
        assert result.bse[j] == pytest.approx((high - low)[j] / 2 / Z, abs=AS_PPI)


def test_the_mean_is_that_of_ppi_python() -> None:
    sample = Sample("ols", 5)
    inside, f = sample.labeled, sample.guesses[0]
    one = np.ones((len(f), 1))
    model = AugmentedGMM(np.where(inside, sample.y, np.nan), one, proxy={"a": (f, one)})
    y, guess, rest = sample.y[inside], f[inside], f[~inside]
    n, n_rest = len(y), len(rest)
    result = ppi(model)
    expected = np.ravel(ppi_py.ppi_mean_pointestimate(y, guess, rest))
    np.testing.assert_allclose(result.params, expected, atol=AS_PPI, rtol=0)
    # Its interval for a mean divides by n where those for regressions take n - 1.
    lam = result.power
    variance = np.var(y - lam * guess) / (n - 1) + np.var(lam * rest) / (n_rest - 1)
    assert result.bse[0] == pytest.approx(np.sqrt(variance), abs=1e-12)
    low, high = ppi_py.ppi_mean_ci(y, guess, rest, alpha=0.05)
    biased = np.var(y - lam * guess) / n + np.var(lam * rest) / n_rest
    half = np.ravel(high - low) / 2
    np.testing.assert_allclose(half / Z, np.sqrt(biased), atol=AS_PPI)


# Dense derivations


def test_ppi_with_own_regressors_and_unequal_probabilities() -> None:
    sample, rng = Sample("logistic", 6), np.random.default_rng(60)
    size, y, x = len(sample.y), sample.y, sample.x
    own = x + np.column_stack([np.zeros(size), 0.3 * rng.normal(size=(size, 2))])
    chance = np.clip(0.1 + 0.05 * x[:, 1], 0.03, 0.3)
    labeled = rng.random(size) < chance
    f = sample.guesses[0]
    model = AugmentedGMM(
        np.where(labeled, y, np.nan),
        x,
        proxy={"a": (f, own)},
        family=sample.family,
        labeling_prob=chance,
    )
    result = ppi(model, power_tuning="none")
    n, rest = labeled.sum(), (~labeled).sum()
    a = np.where(labeled, 1 / chance, 0.0)
    a *= n / a.sum()

    def mean(x_: Array, theta: Array) -> Array:
        return np.asarray(1 / (1 + np.exp(-x_ @ theta)))

    theta = np.asarray(result.params)
    psi = x * (y - mean(x, theta))[:, None]
    h = own * (f - mean(own, theta))[:, None]
    # Weights of labelled units that add up to n make the mean of h over them a ratio,
    # with the influence a (h - mean).
    h, scale = h - h.mean(axis=0), size / rest
    value = a @ psi / n - scale * a @ h / n
    np.testing.assert_allclose(value, 0.0, atol=1e-10)
    slope = x.T @ (x * (a * mean(x, theta) * (1 - mean(x, theta)))[:, None]) / n
    total = (a[:, None] * (psi - scale * h) * size / n) + scale * h
    # Labelled and unlabelled units are two samples, each about its own mean.
    variance = sum(
        (total[part] - total[part].mean(0)).T @ (total[part] - total[part].mean(0))
        for part in (labeled, ~labeled)
    )
    bread = np.linalg.inv(slope)
    expected = np.sqrt(np.diag(bread @ variance @ bread)) / size
    # n - 1 for n in each of the two.
    np.testing.assert_allclose(result.bse, expected, rtol=2.0 / n)


def test_clusters_of_one_unit_are_no_clusters() -> None:
    sample = Sample("logistic", 7)
    model = sample.model()
    plain, n = model.fit(), sample.labeled.sum()
    groups = np.arange(len(sample.y))
    alone = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
    for method in (
        ppi,
        ppi_synth,
        lambda m: ppi(m, power_tuning="coefficient"),
        predict_then_debias,
    ):
        one, other = method(plain), method(alone)
        np.testing.assert_allclose(one.params, other.params, rtol=1e-10)
        np.testing.assert_allclose(one.bse, other.bse, rtol=1 / n)


@pytest.mark.parametrize("method", [ppi, predict_then_debias])
def test_doubled_units_are_clusters_of_two(method: Any) -> None:
    sample = Sample("ols", 8)
    pick = np.repeat(np.arange(len(sample.y)), 2)
    twice = AugmentedGMM(
        np.where(sample.labeled, sample.y, np.nan)[pick],
        sample.x[pick],
        proxy={"a": (sample.guesses[0][pick], sample.x[pick])},
    ).fit(cov_type="cluster", cov_kwds={"groups": pick})
    once = AugmentedGMM(
        np.where(sample.labeled, sample.y, np.nan),
        sample.x,
        proxy={"a": (sample.guesses[0], sample.x)},
    ).fit()
    one, other = method(once), method(twice)
    # n - 1 for n, in the variance and in the choice of lambda.
    np.testing.assert_allclose(one.params, other.params, rtol=1e-3)
    np.testing.assert_allclose(one.bse, other.bse, rtol=4 / sample.labeled.sum())


ONE_SOURCE: dict[str, Any] = {
    "PPI": lambda m: ppi(m, power_tuning="none"),
    "PPI++": ppi,
    "by coefficient": lambda m: ppi(m, power_tuning="coefficient"),
    "debias": predict_then_debias,
    "DSL": lambda m: dsl(m, learner=LinearRegression()),
    "RePPI": lambda m: reppi(m, LinearRegression()),
    "naive": naive_proxy,
    "pooled": naive_pooled,
}


@pytest.mark.parametrize("name", ONE_SOURCE)
@pytest.mark.parametrize("family", ["ols", "poisson"])
def test_rows_that_repeat_change_nothing(family: str, name: str) -> None:
    sample, rng = Sample(family, 15), np.random.default_rng(15)
    size = len(sample.y)
    own = sample.x + np.column_stack([np.zeros(size), rng.normal(size=(size, 2))]) / 3
    labels, f = np.where(sample.labeled, sample.y, np.nan), sample.guesses[0]
    twice = np.repeat(np.arange(size), 2)
    once = AugmentedGMM(labels, sample.x, proxy={"a": (f, own)}, family=sample.family)
    more = AugmentedGMM(
        labels,
        sample.x,
        proxy={"a": (f[twice], own[twice], twice)},
        family=sample.family,
    )
    one, other = ONE_SOURCE[name](once), ONE_SOURCE[name](more)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-8)
    if name != "pooled":  # whose rows are independent, it thinks
        np.testing.assert_allclose(one.bse, other.bse, rtol=1e-8)


@pytest.mark.parametrize("name", ONE_SOURCE)
def test_weights_of_one_number_change_nothing(name: str) -> None:
    sample = Sample("logistic", 16)
    plain = ONE_SOURCE[name](sample.model())
    weighted = ONE_SOURCE[name](sample.model(weights=np.full(len(sample.y), 3.0)))
    np.testing.assert_allclose(plain.params, weighted.params, rtol=1e-8)
    np.testing.assert_allclose(plain.bse, weighted.bse, rtol=1e-8)


def test_weights_and_partial_coverage() -> None:
    sample, rng = Sample("poisson", 17), np.random.default_rng(17)
    size, x, y, f = len(sample.y), sample.x, sample.y, sample.guesses[0]
    weights = rng.uniform(0.5, 2.0, size)
    covered = rng.random(size) < 0.7
    with pytest.warns(CoverageWarning):
        model = AugmentedGMM(
            np.where(sample.labeled, y, np.nan),
            x,
            proxy={"a": (np.where(covered, f, np.nan), x)},
            family=sample.family,
            weights=weights,
        )
    result = ppi(model, power_tuning="none")
    theta, inside = np.asarray(result.params), sample.labeled
    mean = np.exp(x @ theta)
    psi = (weights * (y - mean))[:, None] * x
    # Units that are neither labelled nor covered need not be known: about the mean of
    # those that are covered, a prediction of zero is right for the others.
    h = (weights * (f - mean))[:, None] * x
    h = np.where(covered[:, None], h - h[covered].mean(0), 0.0)
    n, rest = inside.sum(), (covered & ~inside).sum()
    sample_of = covered.sum() / covered[inside].mean()
    scale = sample_of / (sample_of - n)
    value = psi[inside].mean(0) - scale * h[inside].mean(0)
    np.testing.assert_allclose(value, 0.0, atol=1e-9)
    bread = np.linalg.inv(x[inside].T @ (x * (weights * mean)[:, None])[inside])
    bread = bread * inside.sum()
    variance = np.cov((psi - h)[inside].T) / n
    others = np.cov(h[covered & ~inside].T)
    variance += rest * (scale / sample_of) ** 2 * others
    np.testing.assert_allclose(result.cov_params(), bread @ variance @ bread, rtol=1e-8)


def test_a_source_that_covers_some_units_brings_no_bias() -> None:
    # Only labelled and covered units are known, and the proxy is far off the truth.
    methods = {k: v for k, v in ONE_SOURCE.items() if not k.startswith(("n", "pooled"))}
    found: dict[str, list[Array]] = {name: [] for name in methods}
    for seed in range(100):
        sample, rng = Sample("logistic", seed), np.random.default_rng(20_000 + seed)
        covered = rng.random(len(sample.y)) < 0.6
        guess = np.where(rng.random(len(sample.y)) < 0.7, 1.0, sample.guesses[0])
        with pytest.warns(CoverageWarning):
            model = AugmentedGMM(
                np.where(sample.labeled, sample.y, np.nan),
                sample.x,
                proxy={"a": (np.where(covered, guess, np.nan), sample.x)},
                family=sample.family,
            )
        for name, method in methods.items():
            found[name].append(np.asarray(method(model).params))
    for name, estimates in found.items():
        miss = np.mean(estimates, axis=0) - [0.2, 0.5, -0.3]
        # Logits of 300 labels are off by about 1 % of their size, .005, besides chance.
        error = np.std(estimates, axis=0) / 10
        assert np.all(np.abs(miss) <= 3.5 * error + 0.01), (name, miss, error)


def test_other_sources_do_not_matter() -> None:
    # How many units are known depends on what other sources cover.
    sample, rng = Sample("ols", 19), np.random.default_rng(19)
    covered = rng.random(len(sample.y)) < 0.3
    sources = {"a": (np.where(covered, sample.guesses[0], np.nan), sample.x)}
    other = {"b": (rng.normal(size=len(sample.y)), sample.x)}
    labels = np.where(sample.labeled, sample.y, np.nan)
    with pytest.warns(CoverageWarning):
        alone = AugmentedGMM(labels, sample.x, proxy=sources)
    with pytest.warns(CoverageWarning):
        both = AugmentedGMM(labels, sample.x, proxy=sources | other)
    for method in (ppi, predict_then_debias):
        one, two = method(alone, "a"), method(both, "a")
        # The variance over unlabelled units is about the mean of more of them, which
        # lambda depends on.
        np.testing.assert_allclose(one.params, two.params, rtol=1e-3)
        np.testing.assert_allclose(one.bse, two.bse, rtol=0.01)


def test_naive_standard_errors_know_of_clusters() -> None:
    sample = Sample("logistic", 20)
    groups = np.arange(len(sample.y)) // 6
    result = sample.model().fit(cov_type="cluster", cov_kwds={"groups": groups})
    expected = sm.GLM(sample.guesses[0], sample.x, family=sample.family).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    np.testing.assert_allclose(naive_proxy(result).bse, expected.bse, rtol=1e-6)
    assert "No. Clusters" in str(naive_proxy(result).summary())
    assert naive_pooled(result).cov_type == "cluster"


def test_few_unlabelled_units() -> None:
    # One unit cannot tell its own variance: that of all units stands for it.
    rng, miss, bse = np.random.default_rng(21), [], []
    one = np.ones((200, 1))
    for _ in range(300):
        y = rng.normal(size=200)
        labels = np.where(np.arange(200) < 199, y, np.nan)
        model = AugmentedGMM(labels, one, proxy={"a": (y + rng.normal(size=200), one)})
        result = ppi(model, power_tuning="none")
        miss.append(result.params[0])
        bse.append(result.bse[0])
    # 300 draws give a standard deviation to 4 %.
    assert np.mean(bse) == pytest.approx(np.std(miss), rel=0.15)


def test_strata_take_out_what_was_fixed() -> None:
    sample = Sample("ols", 18)
    rng, size, y = np.random.default_rng(18), len(sample.y), sample.y
    f = rng.normal(size=size)
    # The outcome differs a great deal between strata; half of each label goes to both.
    stratum = (y > np.median(y)).astype(int)
    inside = np.zeros(size, dtype=bool)
    for h in (0, 1):
        inside[rng.permutation(np.flatnonzero(stratum == h))[:150]] = True
    one = np.ones((size, 1))
    model = AugmentedGMM(
        np.where(inside, y, np.nan), one, proxy={"a": (f, one)}, strata=stratum
    )
    result = ppi(model, power_tuning="none")
    left = y - f * size / (size - 300)
    within = sum(
        np.var(left[inside & (stratum == h)], ddof=1) / 150 / 4 * (1 - 300 / size)
        for h in (0, 1)
    )
    # Had all units been labelled, what is left would be that of their mean. Moments of
    # y are over 3,000 units here and over 300 there: some per cent.
    expected = within + np.var(y) / size
    np.testing.assert_allclose(result.bse[0], np.sqrt(expected), rtol=0.05)
    ignored = ppi(
        AugmentedGMM(np.where(inside, y, np.nan), one, proxy={"a": (f, one)}),
        power_tuning="none",
    )
    assert ignored.bse[0] > 1.2 * result.bse[0]


def test_dsl_is_the_regression_of_pseudo_outcomes() -> None:
    class Guess:
        """A learner that knows the answer: the guess itself."""

        def fit(self, z: Array, y: Array) -> None:
            assert z.shape[1] == 3  # the guess and two regressors that vary

        def predict(self, z: Array) -> Array:
            return np.asarray(0.8 * z[:, 0])

    sample = Sample("ols", 9)
    n, size = sample.labeled.sum(), len(sample.y)
    result = dsl(sample.model(), learner=Guess())
    f = 0.8 * sample.guesses[0]
    pseudo = f + np.where(sample.labeled, (sample.y - f) * size / n, 0.0)
    expected = sm.OLS(pseudo, sample.x).fit(cov_type="HC0")
    np.testing.assert_allclose(result.params, expected.params, rtol=1e-9)
    # HC0 is about zero, ours about the means of labelled and unlabelled units.
    np.testing.assert_allclose(result.bse, expected.bse, rtol=0.02)


def test_predict_then_debias_is_a_control_variate() -> None:
    sample = Sample("ols", 10)
    inside, x, y, f = sample.labeled, sample.x, sample.y, sample.guesses[0]
    n, size = inside.sum(), len(y)
    result = predict_then_debias(sample.model())
    parts = ((y[inside], x[inside]), (f[inside], x[inside]), (f, x))
    fits = [sm.OLS(*part).fit() for part in parts]

    def rows(fit: Any) -> Array:
        return np.asarray(
            fit.model.exog * fit.resid[:, None] @ fit.normalized_cov_params * fit.nobs
        )

    own, drawn, everyone = map(rows, fits)
    # What a labelled unit takes off: it is one of all units too.
    taken, rest = drawn - everyone[inside] * n / size, np.cov(everyone[~inside].T)
    gram = np.cov(taken.T) + n * (size - n) / size**2 * rest
    matrix = np.linalg.solve(gram, np.cov(taken.T, own.T)[:3, 3:]).T
    expected = fits[0].params + matrix @ (fits[2].params - fits[1].params)
    np.testing.assert_allclose(result.params, expected, rtol=1e-9)
    left = own - drawn @ matrix.T + everyone[inside] @ matrix.T * n / size
    variance = np.cov(left.T) / n
    variance += np.cov((everyone[~inside] @ matrix.T).T) * (size - n) / size**2
    np.testing.assert_allclose(result.cov_params(), variance, rtol=1e-9)


def test_naive_estimates_are_those_of_glm() -> None:
    sample = Sample("logistic", 11)
    model = sample.model()
    for method, guess in ((naive_proxy, 0), (naive_synthetic, 1)):
        expected = sm.GLM(sample.guesses[guess], sample.x, family=sample.family).fit(
            cov_type="HC0"
        )
        result = method(model)
        np.testing.assert_allclose(result.params, expected.params, rtol=1e-8)
        np.testing.assert_allclose(result.bse, expected.bse, rtol=1e-8)
        assert not result.valid
    inside = sample.labeled
    pooled = sm.GLM(
        np.r_[sample.y[inside], sample.guesses[0][~inside], sample.guesses[1][~inside]],
        np.vstack([sample.x[inside], sample.x[~inside], sample.x[~inside]]),
        family=sample.family,
    ).fit(cov_type="HC0")
    result = naive_pooled(model)
    np.testing.assert_allclose(result.params, pooled.params, rtol=1e-8)
    np.testing.assert_allclose(result.bse, pooled.bse, rtol=1e-8)


def test_any_regressor_learns() -> None:
    # Most regressors of scikit-learn predict one outcome, and RePPI has p.
    model = Sample("ols", 22).model()
    learner = GradientBoostingRegressor(n_estimators=10, random_state=0)
    assert np.all(np.isfinite(reppi(model, learner).bse))
    found = dsl(model, learner=learner)
    assert found.note.startswith("Learner: GradientBoostingRegressor")


def test_model_and_result_give_the_same() -> None:
    sample = Sample("poisson", 12)
    model = sample.model()
    result = model.fit()
    for method in (labeled_only, ppi, predict_then_debias, naive_pooled):
        np.testing.assert_allclose(
            method(model).params, method(result).params, rtol=1e-6
        )


def test_results_are_those_of_statsmodels() -> None:
    sample = Sample("ols", 13)
    result = ppi(sample.model(), power_tuning="coefficient")
    test = result.t_test("x1 = 0")
    assert test.effect[0] == pytest.approx(result.params[1])
    assert result.conf_int().shape == (3, 2)
    assert "by coefficient" in str(result.summary())
    assert "PPI++ by coefficient" in str(result.summary2())
    frame = result.get_prediction(sample.x[:4]).summary_frame()
    np.testing.assert_allclose(frame["predicted"], sample.x[:4] @ result.params)
    one = np.array([1.0, 0.0, 0.0])
    assert result.get_prediction(one[None]).se[0] == pytest.approx(result.bse[0])
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(again.params, result.params)
    x = sample.x[:4]
    np.testing.assert_allclose(result.predict(x), x @ result.params)


# By simulation


def draw(family: str, seed: int, *, noise: bool, own_x: bool) -> AugmentedGMM:
    """A proxy and a synthetic source, of use or of none, with right or wrong x."""
    sample, rng = Sample(family, seed, size=2000), np.random.default_rng(10_000 + seed)
    guesses = [rng.permutation(g) if noise else g for g in sample.guesses]
    x = sample.x
    if own_x:
        x = x + np.column_stack([np.zeros(2000), 0.4 * rng.normal(size=(2000, 2))])
    return AugmentedGMM(
        np.where(sample.labeled, sample.y, np.nan),
        sample.x,
        proxy={"a": (guesses[0], x)},
        synthetic={"b": (guesses[1], x)},
        family=sample.family,
    )


METHODS: dict[str, Any] = {
    "labels": labeled_only,
    "PPI": lambda m: ppi(m, power_tuning="none"),
    "PPI++": ppi,
    "by coefficient": lambda m: ppi(m, power_tuning="coefficient"),
    "PPI++Synth": ppi_synth,
    "debias": predict_then_debias,
    "DSL": lambda m: dsl(m, learner=LinearRegression()),
    "RePPI": lambda m: reppi(m, LinearRegression()),
}
DRAWS = 250


def simulated(family: str, **kwargs: bool) -> dict[str, tuple[float, float]]:
    """Coverage of the 95 % interval, and mean squared error relative to labels only."""
    truth = np.array([0.2, 0.5, -0.3])
    inside = dict.fromkeys(METHODS, 0.0)
    error = {name: np.zeros(3) for name in METHODS}
    for seed in range(DRAWS):
        result = draw(family, seed, **kwargs).fit()
        for name, method in METHODS.items():
            found = method(result)
            miss = np.asarray(found.params) - truth
            inside[name] += float(np.mean(np.abs(miss) <= Z * np.asarray(found.bse)))
            error[name] += miss**2
    base = error["labels"]
    return {k: (inside[k] / DRAWS, float(np.mean(error[k] / base))) for k in METHODS}


#: 750 intervals of three nearly independent coefficients: standard error .008 where the
#: coverage is .95; asymptotic intervals of 300 labels lose up to .01 of it.
COVERAGE = (0.95 - 4 * 0.008 - 0.01, 0.95 + 4 * 0.008)


@pytest.mark.parametrize("own_x", [False, True])
@pytest.mark.parametrize("family", ["ols", "logistic"])
def test_intervals_cover_and_useful_sources_help(family: str, own_x: bool) -> None:
    found = simulated(family, noise=False, own_x=own_x)
    for name, (coverage, error) in found.items():
        assert COVERAGE[0] <= coverage <= COVERAGE[1], (name, coverage)
        # Ratios of mean squared errors of the same draws: standard error about .03. An
        # untuned PPI is not promised to help.
        limit = {"labels": 1.001, "PPI": 2.5}.get(name, 0.93)
        assert error <= limit, (name, error)


def test_noise_brings_nothing_and_costs_little() -> None:
    found = simulated("logistic", noise=True, own_x=False)
    for name, (coverage, error) in found.items():
        assert COVERAGE[0] <= coverage <= COVERAGE[1], (name, coverage)
        if name == "PPI":
            assert error > 1.3, error  # trusts what it is told
        else:
            assert 0.95 <= error <= 1.1, (name, error)


@pytest.mark.parametrize("kind", ["probit", "gamma", "own exposure"])
def test_standard_errors_where_slopes_depend_on_the_source(kind: str) -> None:
    # The derivative of the score depends on the outcome, or on an offset of the source.
    families = {
        "probit": sm.families.Binomial(sm.families.links.Probit()),
        "gamma": sm.families.Gamma(sm.families.links.Log()),
        "own exposure": sm.families.Poisson(),
    }
    methods = {"PPI++": ppi, "DSL": METHODS["DSL"], "debias": predict_then_debias}
    if kind == "own exposure":
        del methods["DSL"]  # predicts counts of people, on the exposure of the source
    found: dict[str, list[Array]] = {name: [] for name in methods}
    errors: dict[str, list[Array]] = {name: [] for name in methods}
    for seed in range(150):
        rng, size = np.random.default_rng(30_000 + seed), 1500
        x = np.column_stack([np.ones(size), rng.normal(size=size)])
        linear, exposure, arguments = x @ [0.2, 0.4], np.ones(size), {}
        if kind == "probit":
            y = (rng.normal(size=size) < linear).astype(float)
            guess = np.where(rng.random(size) < 0.5, y, 1.0)
        elif kind == "gamma":
            y = rng.gamma(2.0, np.exp(linear) / 2.0)
            guess = 3.0 * y * rng.gamma(9.0, 1.0 / 9.0, size)
        else:
            y = rng.poisson(np.exp(linear)).astype(float)
            guess = 3.0 * y + rng.poisson(1.0, size)
            exposure = np.full(size, 3.0)
            arguments = {"exposure": "e"}
        data = pd.DataFrame({"y": y, "x": x[:, 1], "e": 1.0})
        data.loc[200:, "y"] = np.nan
        model = AugmentedGMM.from_formula(
            "y ~ x",
            data,
            proxy={"a": pd.DataFrame({"y": guess, "e": exposure})},
            family=families[kind],
            **arguments,
        )
        for name, method in methods.items():
            result = method(model)
            found[name].append(np.asarray(result.params))
            errors[name].append(np.asarray(result.bse))
    for name in methods:
        ratio = np.mean(errors[name], axis=0) / np.std(found[name], axis=0)
        # 150 draws give a standard deviation to 6 %; 200 labels lose some per cent.
        assert np.all((ratio > 0.8) & (ratio < 1.25)), (name, ratio)


def test_unequal_probabilities_and_a_level_that_is_off() -> None:
    methods = {k: METHODS[k] for k in ("labels", "PPI", "PPI++", "debias", "RePPI")}
    found: dict[str, list[Array]] = {name: [] for name in methods}
    errors: dict[str, list[Array]] = {name: [] for name in methods}
    for seed in range(150):
        rng, size = np.random.default_rng(40_000 + seed), 2000
        x = np.column_stack([np.ones(size), rng.normal(size=size)])
        y = x @ [0.2, 0.5] + rng.normal(size=size)
        chance = np.clip(0.08 * np.exp(0.8 * rng.normal(size=size)), 0.02, 0.9)
        labels = np.where(rng.random(size) < chance, y, np.nan)
        model = AugmentedGMM(
            labels,
            x,
            proxy={"a": (y + 0.3 * rng.normal(size=size) + 3.0, x)},
            labeling_prob=chance,
        )
        for name, method in methods.items():
            result = method(model)
            found[name].append(np.asarray(result.params) - [0.2, 0.5])
            errors[name].append(np.asarray(result.bse))
    base = np.mean(np.square(found["labels"]), axis=0)
    for name in methods:
        ratio = np.mean(errors[name], axis=0) / np.std(found[name], axis=0)
        assert np.all((ratio > 0.8) & (ratio < 1.25)), (name, ratio)
        gain = np.mean(np.square(found[name]), axis=0) / base
        # The score of a slope has the level in it, and PPI++ has one lambda for all.
        limit = {"debias": 0.5, "RePPI": 0.5, "PPI++": 1.05}.get(name, np.inf)
        assert np.all(gain < limit), (name, gain)


# Errors


def test_errors_say_what_to_do() -> None:
    sample = Sample("ols", 14)
    model = sample.model()
    with pytest.raises(DataError, match="no source 'c'"):
        ppi(model, "c")
    with pytest.raises(DataError, match="'b' is a synthetic source"):
        naive_proxy(model, "b")
    with pytest.raises(OptionError, match="power_tuning='skalar'"):
        ppi(model, power_tuning="skalar")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="two different"):
        ppi_synth(model, ["a", "a"])
    with pytest.raises(OptionError, match=r"This is a str"):
        ppi("model")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"fit and predict"):
        dsl(model, learner=LinearRegression)
    lone = AugmentedGMM(sample.y[:50], sample.x[:50])
    with pytest.raises(DataError, match="no source"):
        ppi(lone)
    with pytest.raises(DataError, match="no synthetic source"):
        naive_synthetic(lone)
    nine = Sample("ols", 14, n=9)
    labels, source = np.where(nine.labeled, nine.y, np.nan), (nine.guesses[0], nine.x)
    with pytest.warns(FewUnitsWarning):
        few = AugmentedGMM(labels, nine.x, proxy={"a": source})
    with pytest.raises(DataError, match="9 labels"):
        reppi(few, LinearRegression())
    ones = AugmentedGMM(
        np.where(sample.labeled, 1.0, np.nan),
        sample.x,
        proxy={"a": ((sample.guesses[0] > 0).astype(float), sample.x)},
        family=sm.families.Binomial(),
    )
    with pytest.raises(SeparationError, match="1 in every row"):
        ppi(ones)

    with pytest.raises(DataError, match="nothing to predict"):
        ppi(AugmentedGMM(sample.y, sample.x, proxy={"a": (sample.y, sample.x)}))
    with pytest.raises(OptionError, match="seed='a'"):
        ppi_synth(model, seed="a")  # type: ignore[arg-type]

    class Broken(LinearRegression):  # type: ignore[misc]
        """Predicts nothing."""

        def predict(self, X: Array) -> Array:
            return np.full(len(X), np.nan)

    with pytest.raises(DataError, match="not finite"):
        dsl(model, learner=Broken())
    result = model.fit()
    result.remove_data()
    with pytest.raises(DataError, match="removed"):
        ppi(result)


@pytest.mark.parametrize("method", [dsl, reppi])
def test_a_classifier_does_not_learn_numbers(method: Any) -> None:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    y = np.arange(200.0)
    model = AugmentedGMM(
        np.where(y < 100, y % 2, np.nan),
        np.ones((200, 1)),
        proxy={"llm": (y % 2, np.ones((200, 1)))},
    )
    with pytest.raises(OptionError, match="a regressor, here RandomForestRegressor"):
        method(model, learner=RandomForestClassifier())
    with pytest.raises(OptionError, match=r"a classifier \(LogisticRegression\)"):
        method(model, learner=LogisticRegression())

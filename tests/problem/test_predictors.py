"""Scores with several linear predictors, and scores that jump."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import scipy.optimize
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import OptionError
from tests.reference import dense, loops
from tests.reference.dense import Array

LEVELS = 3


class Multinomial:
    """Multinomial logit with levels 0, 1, 2: a linear predictor for 1 and for 2."""

    predictors = LEVELS - 1
    low, high = 0.0, LEVELS - 1.0

    def mean(self, linear: Array) -> Array:
        """Probability of each level."""
        odds = np.exp(np.column_stack([np.zeros(len(linear)), linear]))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def factors(self, endog: Array, linear: Array) -> tuple[Array, Array]:
        own = self.mean(linear)[:, 1:]
        is_level = endog[:, None] == np.arange(1, LEVELS)
        slope = own[:, :, None] * own[:, None, :]
        each = np.arange(LEVELS - 1)
        slope[:, each, each] -= own
        return is_level - own, slope


class NormalWithScale:
    """Mean and log of the standard deviation by maximum likelihood."""

    constants = ("log sd",)

    def factors(self, endog: Array, linear: Array) -> tuple[Array, Array]:
        mean, log_sd = linear.T
        z = (endog - mean) * np.exp(-log_sd)
        score = np.column_stack([z * np.exp(-log_sd), z**2 - 1.0])
        cross = -2.0 * z * np.exp(-log_sd)
        slope = np.array([[-np.exp(-2.0 * log_sd), cross], [cross, -2.0 * z**2]])
        return score, slope.transpose(2, 0, 1)


class LeastSquares:
    """Least squares as a score of one's own, without the short cuts of the family."""

    is_linear_in_outcome = True

    def factors(self, endog: Array, linear: Array) -> tuple[Array, Array]:
        return endog - linear, -np.ones(len(endog))


class ConstantApart:
    """Least squares whose constant is a parameter of its own."""

    constants = ("const",)
    is_linear_in_outcome = True

    def factors(self, endog: Array, linear: Array) -> tuple[Array, Array]:
        residual = endog - linear.sum(axis=1)
        return residual.repeat(2).reshape(-1, 2), -np.ones((len(endog), 2, 2))


@dataclass(frozen=True)
class _Stacked:
    """A model of the dense derivations: scores with respect to all parameters."""

    y: Array
    x: Array
    own: Any
    weights: Any = None

    def score_obs(self, params: Array, scale: float) -> Array:
        p = self.x.shape[1]
        k = getattr(self.own, "predictors", 1)
        linear = np.column_stack(
            [
                *(self.x @ params[j * p : (j + 1) * p] for j in range(k)),
                *(np.full(len(self.y), c) for c in params[k * p :]),
            ]
        )
        s, _ = self.own.factors(self.y, linear)
        parts = [self.x * s[:, [j]] for j in range(k)] + [s[:, k:]]
        w = 1.0 if self.weights is None else self.weights[:, None]
        return np.hstack(parts) * w


@dataclass(frozen=True)
class GeneralProblem(dense.Problem):
    """The problem of the dense derivations, with any score."""

    own: Any = None

    @property
    def k_params(self) -> int:
        constants = len(getattr(self.own, "constants", ()))
        return getattr(self.own, "predictors", 1) * self.x.shape[1] + constants

    def model(self, y: Array, x: Array, rows: Any) -> Any:
        weights = None if self.weights is None else self.weights[rows]
        return _Stacked(y, x, self.own, weights)

    def start(self) -> Array:
        size = self.k_params * (1 + len(self.sources))
        return np.zeros(size)


def multinomial_data(
    seed: int, n_units: int, n_labels: int, agree: float = 0.8
) -> GeneralProblem:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n_units), rng.normal(size=n_units)])
    chances = Multinomial().mean(x @ np.array([[0.3, -0.2], [0.8, -0.5]]))
    y = (rng.uniform(size=(n_units, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    y = y.astype(float)
    sources = []
    for _ in range(2):
        other = rng.integers(0, LEVELS, n_units)
        said = np.where(rng.uniform(size=n_units) < agree, y, other)
        sources.append((said.astype(float), x))
    labeled = np.zeros(n_units, dtype=bool)
    labeled[rng.choice(n_units, n_labels, replace=False)] = True
    return GeneralProblem(y, x, labeled, sources, None, own=Multinomial())


def normal_data(seed: int, n_units: int, n_labels: int) -> GeneralProblem:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n_units), rng.normal(size=n_units)])
    y = x @ [0.4, 0.7] + rng.normal(scale=1.5, size=n_units)
    # Few outcomes: those of other units are then met one by one, without quantiles.
    said = np.round(0.7 * y + rng.normal(scale=0.8, size=n_units) + 0.2)
    labeled = np.zeros(n_units, dtype=bool)
    labeled[rng.choice(n_units, n_labels, replace=False)] = True
    return GeneralProblem(y, x, labeled, [(said, x)], None, own=NormalWithScale())


def model_of(problem: GeneralProblem, **options: Any) -> AugmentedGMM:
    sources = {f"s{m}": pair for m, pair in enumerate(problem.sources)}
    if problem.weights is not None:
        options["weights"] = problem.weights
    return AugmentedGMM(
        problem.endog, problem.x, proxy=sources, score=problem.own, **options
    )


def problems() -> dict[str, GeneralProblem]:
    rng = np.random.default_rng(9)
    plain = multinomial_data(1, 400, 90)
    weights = rng.uniform(0.5, 2.0, 400)
    weighted = replace(plain, weights=weights / weights.mean())
    return {
        "multinomial": plain,
        "multinomial, weights": weighted,
        "normal": normal_data(2, 500, 60),
    }


@pytest.mark.parametrize("name", list(problems()))
def test_the_papers_estimator_equals_the_dense_derivation(name: str) -> None:
    problem = problems()[name]
    found = model_of(problem).fit(**dense.PAPER)
    expected = dense.fit(problem)
    # Both solve to rounding; the dense Jacobian is a difference of fourth order.
    np.testing.assert_allclose(found.params, expected["params"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        found.bse, np.sqrt(np.diag(expected["cov"])), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("name", list(problems()))
def test_the_default_equals_the_plain_loops(name: str) -> None:
    problem = problems()[name]
    found, expected = model_of(problem).fit(), loops.fit(problem)
    # Numeric derivatives there.
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        np.asarray(found.cov_params()), expected.covariance, rtol=1e-5, atol=1e-9
    )
    assert found.df_resid == pytest.approx(expected.df, rel=1e-6)


@pytest.mark.parametrize("name", ["multinomial", "normal"])
def test_clusters_equal_the_plain_loops(name: str) -> None:
    problem = problems()[name]
    groups = np.arange(len(problem.y)) % 25
    found = model_of(problem).fit(cov_type="cluster", cov_kwds={"groups": groups})
    expected = loops.fit(problem, groups)
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(
        np.asarray(found.cov_params()), expected.covariance, rtol=1e-5, atol=1e-9
    )


def test_without_sources_it_is_mnlogit() -> None:
    problem = multinomial_data(4, 500, 500)
    found = AugmentedGMM(problem.y, problem.x, score=Multinomial())
    result = found.fit(use_correction=False)
    peer = sm.MNLogit(problem.y, problem.x).fit(disp=0, cov_type="HC0")
    np.testing.assert_allclose(result.params, peer.params.T.ravel(), rtol=1e-6)
    np.testing.assert_allclose(result.bse, np.asarray(peer.bse).T.ravel(), rtol=1e-5)
    linear = result.predict(problem.x[:4], which="linear")
    np.testing.assert_allclose(linear, problem.x[:4] @ peer.params, rtol=1e-6)
    np.testing.assert_allclose(
        result.predict(problem.x[:4]), peer.predict(problem.x[:4]), rtol=1e-6
    )


def test_what_a_source_says_alone_is_mnlogit() -> None:
    problem = multinomial_data(5, 400, 120)
    result = model_of(problem).fit()
    for m, (said, x) in enumerate(problem.sources):
        peer = sm.MNLogit(said, x).fit(disp=0)
        np.testing.assert_allclose(
            result.naive_params.iloc[m], peer.params.T.ravel(), rtol=1e-6
        )


def constant_apart(score: Any = None, **options: Any) -> tuple[Any, Any]:
    """The same least squares: a constant among the regressors, and one apart."""
    rng = np.random.default_rng(6)
    n_units = 400
    frame = pd.DataFrame(
        {"x": rng.normal(size=n_units), "g": np.arange(n_units) % 3}
    ).assign(y=lambda d: 1.0 + 0.5 * d["x"] + rng.normal(size=n_units))
    frame["llm"] = frame["y"] + rng.normal(scale=0.7, size=n_units)
    frame["c"] = np.arange(n_units) // 8
    frame["w"] = rng.uniform(0.5, 2.0, size=n_units)
    labels = frame.assign(y=frame["y"].where(rng.uniform(size=n_units) < 0.25))
    sources = {"llm": {"y": "llm"}}
    one = AugmentedGMM.from_formula(
        "y ~ x + 1", labels, proxy=sources, score=score, **options
    )
    other = AugmentedGMM.from_formula(
        "y ~ 0 + x", labels, proxy=sources, score=ConstantApart(), **options
    )
    return one, other


SWAP = ["x", "const"]


@pytest.mark.parametrize(
    ("options", "fit"),
    [
        ({}, {}),
        ({}, {"use_correction": False}),
        ({}, {"maxiter": "cue"}),
        ({"strata": "g"}, {}),
        ({"weights": "w"}, {}),
        ({}, {"cov_type": "cluster", "cov_kwds": {"groups": "c"}}),
    ],
)
def test_a_constant_may_be_a_predictor_of_its_own(
    options: dict[str, Any], fit: dict[str, Any]
) -> None:
    one, other = (model.fit(**fit) for model in constant_apart(**options))
    assert list(other.params.index) == SWAP
    for name in ("params", "bse", "tvalues", "variance_reduction"):
        expected = getattr(one, name).rename({"Intercept": "const"})
        np.testing.assert_allclose(
            getattr(other, name)[SWAP], expected[SWAP], rtol=1e-6
        )
    np.testing.assert_allclose(
        other._results.df_inference[::-1], one._results.df_inference, rtol=1e-6
    )


def test_analyses_of_several_predictors() -> None:
    one, other = (model.fit() for model in constant_apart(LeastSquares()))
    names = ["labels only", "naive", "naive pooled", "PPI++", "predict-then-debias"]
    columns = ["estimate", "std_err"]
    tables = [
        result.compare(names)
        .table.reset_index()
        .assign(coefficient=lambda d: d["coefficient"].replace("Intercept", "const"))
        for result in (one, other)
    ]
    keys = ["method", "coefficient"]
    left, right = (t.sort_values(keys).set_index(keys)[columns] for t in tables)
    np.testing.assert_allclose(left, right, rtol=1e-6)
    verdicts = ["\n".join(r.diagnostics().verdict) for r in (one, other)]
    assert verdicts[0].replace("Intercept", "const") == verdicts[1]
    plans = [
        result.plan().expect([100, 200]).set_index("coefficient")
        for result in (one, other)
    ]
    np.testing.assert_allclose(
        plans[0].loc["x"].select_dtypes("number"),
        plans[1].loc["x"].select_dtypes("number"),
        rtol=1e-6,
    )
    for shown in (other.summary(), other.summary2()):
        assert "const" in str(shown)
    with pytest.raises(OptionError, match="one linear predictor"):
        other.get_prediction()


def test_dask_equals_memory() -> None:
    dd = pytest.importorskip("dask.dataframe")
    problem = multinomial_data(7, 600, 150)
    data = pd.DataFrame(
        {"y": problem.endog, "x": problem.x[:, 1], "llm": problem.sources[0][0]}
    )
    models = [
        AugmentedGMM.from_formula("y ~ x", d, {"y": "llm"}, score=Multinomial())
        for d in (dd.from_pandas(data, npartitions=3), data)
    ]
    found, expected = (model.fit() for model in models)
    assert list(found.params.index) == [
        *("eq1:Intercept", "eq1:x", "eq2:Intercept", "eq2:x")
    ]
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-8)
    np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-8)


# Scores that jump


class Median:
    """Median regression: a score that jumps, its slope by a kernel."""

    is_smooth = False

    def __init__(self, width: float = 0.5) -> None:
        self.width = width

    def factors(self, endog: Array, linear: Array) -> tuple[Array, Array]:
        residual = endog - linear
        kernel = stats.norm.pdf(residual / self.width) / self.width
        return 0.5 - (residual <= 0.0), -kernel

    def start(
        self,
        endog: Array,
        exog: Array,
        offset: Array | None = None,
        weights: Array | None = None,
    ) -> Array:
        """A linear programme, exact, with weights."""
        n, p = exog.shape
        w = np.ones(n) if weights is None else weights
        y = endog if offset is None else endog - offset
        cost = np.concatenate([np.zeros(p), w, w])
        equal = np.hstack([exog, np.eye(n), -np.eye(n)])
        bounds = [(None, None)] * p + [(0.0, None)] * (2 * n)
        found = scipy.optimize.linprog(
            cost, A_eq=equal, b_eq=y, bounds=bounds, method="highs"
        )
        return np.asarray(found.x[:p])


def median_data(
    seed: int, n_units: int = 600, n_labels: int = 100, noise: float = 0.5
) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n_units), rng.normal(size=n_units)])
    y = x @ [0.5, 1.0] + rng.standard_t(3, size=n_units)
    said = y + noise * rng.normal(size=n_units) + 0.3
    labels = np.full(n_units, np.nan)
    chosen = rng.choice(n_units, n_labels, replace=False)
    labels[chosen] = y[chosen]
    return labels, x, said, y


def test_labels_alone_are_quantile_regression() -> None:
    labels, x, _, _ = median_data(1)
    known = ~np.isnan(labels)
    found = AugmentedGMM(labels, x, score=Median()).fit(use_correction=False)
    peer = sm.QuantReg(labels[known], x[known]).fit(q=0.5, max_iter=10_000)
    # The peer stops at a step of 1e-6.
    np.testing.assert_allclose(found.params, peer.params, atol=1e-4)
    residual = labels[known] - x[known] @ np.asarray(found.params)
    density = stats.norm.pdf(residual / 0.5) / 0.5
    bread = np.linalg.inv((x[known] * density[:, None]).T @ x[known])
    cov = bread @ (0.25 * x[known].T @ x[known]) @ bread
    np.testing.assert_allclose(found.bse, np.sqrt(np.diag(cov)), rtol=1e-8)


def test_a_source_that_repeats_every_label_gives_what_it_says() -> None:
    labels, x, _, y = median_data(2)
    rng = np.random.default_rng(0)
    said = y + 1e-3 * rng.normal(size=len(y))
    result = AugmentedGMM(labels, x, {"llm": (said, x)}, score=Median()).fit()
    everyone = Median().start(y, x)
    alone = np.asarray(result.real_only.params)
    # Most of the way from the labels to all units.
    gap = np.abs(np.asarray(result.params) - everyone)
    assert np.all(gap < 0.25 * np.abs(alone - everyone) + 0.02)


@pytest.mark.parametrize("correction", [True, False])
def test_size_and_efficiency_of_the_median(correction: bool) -> None:
    """
    120 draws: coverage and squared error.

    The Monte Carlo error of a coverage of .95 is .02, of the ratio about .1.
    """
    inside, own, alone = [], [], []
    for seed in range(120):
        labels, x, said, _ = median_data(1000 + seed, 500, 120, 0.4)
        model = AugmentedGMM(labels, x, {"llm": (said, x)}, score=Median())
        result = model.fit(use_correction=correction)
        low, high = np.asarray(result.conf_int())[1]
        inside.append(low <= 1.0 <= high)
        own.append(result.params[1] - 1.0)
        alone.append(result.real_only.params[1] - 1.0)
    assert np.mean(inside) > 0.88
    assert np.mean(np.square(own)) < 0.8 * np.mean(np.square(alone))


def test_a_score_that_jumps_says_where_it_starts() -> None:
    class NoStart:
        is_smooth = False

        def factors(self, endog: Array, linear: Array) -> tuple[Array, Array]:
            return endog - linear, -np.ones(len(endog))

    labels, x, _, _ = median_data(3)
    with pytest.raises(OptionError, match="Define start"):
        AugmentedGMM(labels, x, score=NoStart())


class OneColumn(Multinomial):
    """Returns scores of one predictor only."""

    def factors(self, endog: Array, linear: Array) -> tuple[Array, Array]:
        s, slope = super().factors(endog, linear)
        return s[:, 0], slope


def test_the_shape_of_scores_is_checked() -> None:
    problem = multinomial_data(8, 200, 80)
    with pytest.raises(OptionError, match="row and linear predictor, an array of sha"):
        AugmentedGMM(problem.endog, problem.x, score=OneColumn()).fit()

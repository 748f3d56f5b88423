"""The numbers, against references, a dense derivation and other packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from linearmodels.iv import IVGMM
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from tests import dense

SHARED = Path(__file__).parents[2] / "shared"
needs_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real data in ../shared are not here"
)


def expected(name: str) -> dict[str, Any]:
    """Reference results, computed elsewhere."""
    return json.loads((SHARED / "expected" / f"{name}.json").read_text())


def politeness() -> AugmentedGMM:
    frame = pd.read_csv(SHARED / "data" / "politeness.csv").set_index("id")
    return AugmentedGMM.from_formula(
        "y ~ hashedge + first_person_pl + np.log(n_words)",
        frame,
        proxy={"y": "yhat_gpt4o"},
        labeled=frame.index % 11 == 0,
        family=sm.families.Binomial(),
    )


def alphafold() -> AugmentedGMM:
    frame = pd.read_csv(SHARED / "data" / "alphafold.csv")
    return AugmentedGMM.from_formula(
        "y ~ phosphorylated + ubiquitinated + acetylated",
        frame[frame.id % 20 == 0],
        proxy={"alphafold": frame.assign(y=frame.yhat)},
        on="id",
        family=sm.families.Binomial(),
    )


def twins() -> AugmentedGMM:
    frame = pd.read_csv(SHARED / "data" / "twin_wide.csv").sort_values("twin_id")
    names = ["Redistribution_1", "Fairness", "Trust", "Work_vs_Luck"]
    needed = [prefix + name for prefix in ("h_", "l_", "l2_") for name in names]
    frame = frame.set_index("twin_id").dropna(subset=needed)

    def part(prefix: str) -> pd.DataFrame:
        columns = {prefix + name: name for name in names}
        return frame[list(columns)].rename(columns=columns)

    human = part("h_")
    return AugmentedGMM.from_formula(
        "Redistribution_1 ~ Fairness + Trust + Work_vs_Luck",
        human,
        proxy=part("l_")[["Redistribution_1"]],
        synthetic=part("l2_"),
        labeled=np.arange(len(human)) % 4 == 0,
    )


@needs_data
@pytest.mark.parametrize("build", [politeness, twins, alphafold])
def test_reference_results(build: Any) -> None:
    reference = expected(build.__name__)
    model = build()
    result = model.fit()
    # What the issue asks for; the solver's own error is below 1e-7.
    close = {"rtol": 1e-6, "atol": 0.0}
    np.testing.assert_allclose(result.params, reference["params"], **close)
    np.testing.assert_allclose(result.bse, reference["bse"], **close)
    np.testing.assert_allclose(result.cov_params(), reference["cov"], **close)
    np.testing.assert_allclose(
        result.auxiliary_params, reference["auxiliary_params"], **close
    )
    statistic, _, df = result.jtest()
    np.testing.assert_allclose(statistic, reference["J"], **close)
    assert df == reference["J_df"]
    assert (result.n_units, result.n_labeled) == (
        reference["n_units"],
        reference["n_labeled"],
    )
    np.testing.assert_allclose(
        result.real_only.params, reference["real_only_params"], **close
    )
    np.testing.assert_allclose(
        result.real_only.bse, reference["real_only_bse"], **close
    )
    one_step = model.fit(maxiter=1)
    np.testing.assert_allclose(one_step.params, reference["one_step_params"], **close)


@pytest.mark.parametrize("k_sources", [1, 2, 3])
@pytest.mark.parametrize("kind", ["gaussian", "binomial", "poisson"])
def test_dense_and_stock_gmm(kind: str, k_sources: int) -> None:
    problem = dense.simulate(kind, seed=k_sources, k_sources=k_sources)
    sources = {f"s{m}": source for m, source in enumerate(problem.sources)}
    result = AugmentedGMM(
        problem.endog, problem.x, proxy=sources, family=problem.family
    ).fit()
    own = dense.fit(problem)
    # The numeric Jacobian of the comparison is good to about 1e-9.
    close = {"rtol": 1e-6, "atol": 1e-8}
    np.testing.assert_allclose(result.params, own["params"], **close)
    np.testing.assert_allclose(result.auxiliary_params, own["eta"], **close)
    np.testing.assert_allclose(result.cov_params(), own["cov"], **close)
    np.testing.assert_allclose(result.jtest()[0], own["J"], rtol=1e-6)

    stock = dense.StockGMM(problem)
    start = np.r_[result.params, np.asarray(result.auxiliary_params).ravel()]
    found = stock.fit(
        start * 1.01,  # near, because BFGS without scaling stops early from afar
        maxiter=2,
        wargs={"centered": False},
        optim_method="bfgs",
        optim_args={"disp": 0, "gtol": 1e-12},
    )
    p = len(result.params)
    # In standard errors: stock GMM minimises a criterion whose own gradient is
    # a finite difference.
    distance = np.abs(found.params[:p] - result.params) / result.bse
    assert distance.max() < 1e-4


@pytest.mark.parametrize("k_sources", [1, 2])
def test_stock_methods_of_the_class(k_sources: int) -> None:
    """Stock GMM's own iteration, through our momcond and Jacobian."""
    problem = dense.simulate("binomial", seed=5, k_sources=k_sources)
    sources = {f"s{m}": source for m, source in enumerate(problem.sources)}
    model = AugmentedGMM(problem.endog, problem.x, proxy=sources, family=problem.family)
    result = model.fit()
    full = np.r_[result.params, np.asarray(result.auxiliary_params).ravel()]
    np.testing.assert_allclose(
        model.momcond(full), dense.moments(problem, full), atol=1e-12
    )
    np.testing.assert_allclose(
        model.gradient_momcond(full), dense.jacobian(problem, full), atol=1e-9
    )
    params, _ = model.fititer(
        model.fitstart(),
        maxiter=2,
        wargs={"centered": False},
        optim_method="bfgs",
        optim_args={"disp": 0, "gtol": 1e-10},
    )
    distance = np.abs(params[: len(result.params)] - result.params) / result.bse
    assert distance.max() < 1e-3


@pytest.mark.parametrize(
    "kind",
    [
        "probit",
        "cloglog",
        "gamma",
        "inverse_gaussian",
        "negative_binomial",
        "tweedie",
    ],
)
def test_other_families(kind: str) -> None:
    problem = dense.simulate(kind, seed=3, k_sources=2, n_units=500)
    result = AugmentedGMM(
        problem.endog,
        problem.x,
        proxy={"p": problem.sources[0]},
        synthetic={"s": problem.sources[1]},
        family=problem.family,
    ).fit()
    own = dense.fit(problem)
    np.testing.assert_allclose(result.params, own["params"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(result.cov_params(), own["cov"], rtol=1e-6, atol=1e-8)


def test_weights_and_offset_enter_every_score() -> None:
    problem = dense.simulate("poisson", seed=8, k_sources=2)
    rng = np.random.default_rng(1)
    n_units = len(problem.y)
    weights = rng.uniform(0.5, 2.0, n_units)
    exposure = rng.uniform(0.5, 2.0, n_units)
    offset = rng.normal(scale=0.1, size=n_units)
    changed = dense.Problem(
        problem.y,
        problem.x,
        problem.labeled,
        problem.sources,
        problem.family,
        weights,
        offset + np.log(exposure),
    )
    own = dense.fit(changed)
    result = AugmentedGMM(
        problem.endog,
        problem.x,
        proxy={"p": problem.sources[0], "q": problem.sources[1]},
        family=problem.family,
        weights=weights,
        offset=offset,
        exposure=exposure,
    ).fit()
    np.testing.assert_allclose(result.params, own["params"], rtol=1e-6)
    np.testing.assert_allclose(result.cov_params(), own["cov"], rtol=1e-6, atol=1e-9)


def test_partial_coverage() -> None:
    problem = dense.simulate("binomial", seed=11, k_sources=2)
    rng = np.random.default_rng(2)
    y_0 = np.where(
        rng.uniform(size=len(problem.y)) < 0.3, np.nan, problem.sources[0][0]
    )
    sources = [(y_0, problem.sources[0][1]), problem.sources[1]]
    changed = dense.Problem(
        problem.y, problem.x, problem.labeled, sources, problem.family
    )
    own = dense.fit(changed)
    with pytest.warns(UserWarning, match="lacks"):
        model = AugmentedGMM(
            problem.endog,
            problem.x,
            proxy={"part": sources[0]},
            synthetic={"full": sources[1]},
            family=problem.family,
        )
    result = model.fit()
    np.testing.assert_allclose(result.params, own["params"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(result.cov_params(), own["cov"], rtol=1e-6, atol=1e-8)
    assert result.sources.loc["part", "covered"] == int((~np.isnan(y_0)).sum())


def test_gaussian_equals_linearmodels() -> None:
    """
    The stacked moments of least squares as one linear instrumental problem.

    Row t of the stack holds the three residuals of unit t, so rows of one unit
    form a cluster: linearmodels sums moments within it, as we do.
    """
    problem = dense.simulate("gaussian", seed=4, k_sources=1)
    x, a = problem.x, problem.labeled.astype(float)
    y_m, x_m = problem.sources[0]
    t, p = x.shape
    nothing = np.zeros((t, p))
    y = np.r_[np.where(problem.labeled, problem.y, 0.0), y_m, y_m]
    regressors = np.block([[x * a[:, None], nothing], [nothing, x_m], [nothing, x_m]])
    instruments = np.block(
        [
            [x * a[:, None], nothing, nothing],
            [nothing, x_m * a[:, None], nothing],
            [nothing, nothing, x_m],
        ]
    )
    unit = np.tile(np.arange(t), 3)
    peer = IVGMM(
        y, None, regressors, instruments, weight_type="clustered", clusters=unit
    ).fit(
        iter_limit=2,
        # The scale of the moments: linearmodels divides by the rows of the stack.
        initial_weight=np.eye(3 * p),
        cov_type="clustered",
        clusters=unit,
    )
    result = AugmentedGMM(problem.endog, x, proxy={"p": (y_m, x_m)}).fit()
    np.testing.assert_allclose(result.params, peer.params[:p], rtol=1e-6)
    np.testing.assert_allclose(
        np.asarray(result.auxiliary_params)[0], peer.params[p:], rtol=1e-6
    )


@pytest.mark.parametrize("kind", ["gaussian", "binomial", "poisson", "gamma"])
def test_one_step_is_glm_on_the_labels(kind: str) -> None:
    problem = dense.simulate(kind, seed=6)
    rows = problem.labeled
    glm = sm.GLM(problem.y[rows], problem.x[rows], family=problem.family)
    peer = glm.fit(cov_type="HC0", tol=1e-14)
    model = AugmentedGMM(
        problem.endog, problem.x, proxy={"p": problem.sources[0]}, family=problem.family
    )
    for result in (model.fit(maxiter=1), model.fit().real_only):
        np.testing.assert_allclose(result.params, peer.params, rtol=1e-9)
        if kind != "gamma":  # for other links statsmodels uses the expected Hessian
            np.testing.assert_allclose(result.bse, peer.bse, rtol=1e-7)


def test_all_labelled_is_the_robust_glm() -> None:
    problem = dense.simulate("binomial", seed=9)
    model = AugmentedGMM(
        problem.y, problem.x, proxy={"p": problem.sources[0]}, family=problem.family
    )
    with pytest.warns(UserWarning, match="Every unit is labelled"):
        result = model.fit()
    peer = sm.GLM(problem.y, problem.x, family=problem.family).fit(cov_type="HC0")
    np.testing.assert_allclose(result.params, peer.params, rtol=1e-8)
    np.testing.assert_allclose(result.bse, peer.bse, rtol=1e-7)
    assert result.dropped_sources == {"p": "every unit is labelled"}


def test_iterated_and_continuous_solve_their_own_conditions() -> None:
    problem = dense.simulate("binomial", seed=10, k_sources=2)
    model = AugmentedGMM(
        problem.endog,
        problem.x,
        proxy={"p": problem.sources[0], "q": problem.sources[1]},
        family=problem.family,
    )
    iterated = model.fit(maxiter=200)
    assert iterated.converged
    assert iterated.iterations < 200
    longer = dense.fit(problem, steps=iterated.iterations)
    np.testing.assert_allclose(iterated.params, longer["params"], rtol=1e-6)

    continuous = model.fit(maxiter="cue")
    assert continuous.converged
    best = np.r_[continuous.params, np.asarray(continuous.auxiliary_params).ravel()]

    def criterion(params: np.ndarray) -> float:
        g = dense.moments(problem, params)
        mean = g.mean(0)
        return float(len(g) * mean @ np.linalg.solve(g.T @ g / len(g), mean))

    lowest = criterion(best)
    np.testing.assert_allclose(lowest, continuous.jtest()[0], rtol=1e-9)
    for result in (iterated, model.fit()):
        other = np.r_[result.params, np.asarray(result.auxiliary_params).ravel()]
        assert lowest <= criterion(other)
    rng = np.random.default_rng(0)
    for _ in range(20):
        nearby = best + rng.normal(scale=1e-3, size=len(best))
        assert lowest <= criterion(nearby)


def test_influence_adds_up_to_the_covariance() -> None:
    problem = dense.simulate("binomial", seed=12)
    result = AugmentedGMM(
        problem.endog, problem.x, proxy={"p": problem.sources[0]}, family=problem.family
    ).fit()
    influence = result.influence.to_numpy()
    assert influence.shape == (len(problem.y), 3)
    total = influence.T @ influence / len(influence) ** 2
    np.testing.assert_allclose(total, result.cov_params(), rtol=1e-6, atol=1e-12)

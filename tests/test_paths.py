"""Corners of the estimator that one plain fit does not reach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM, SourceArrays
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.moment_sums import moment_blocks, moment_sums
from tests import dense


def model_of(problem: dense.Problem, **kwargs: Any) -> AugmentedGMM:
    """Model with every source as a proxy."""
    sources = {f"s{m}": source for m, source in enumerate(problem.sources)}
    return AugmentedGMM(
        problem.endog, problem.x, proxy=sources, family=problem.family, **kwargs
    )


@pytest.mark.parametrize("k_sources", [1, 2])
def test_design_weights_enter_the_labelled_moments(k_sources: int) -> None:
    """a_t multiplies what labelled units add, and nothing else."""
    problem = dense.simulate("binomial", seed=1, k_sources=k_sources)
    plain = model_of(problem).aligned
    a = np.random.default_rng(0).uniform(0.3, 3.0, plain.n_labeled)
    design = replace(plain, design_weights=a)
    theta = np.array([0.1, 0.3, -0.2])
    eta = np.arange(3.0 * k_sources).reshape(k_sources, 3) / 10
    everyone = np.zeros(len(problem.y))
    everyone[problem.labeled] = a
    full = np.r_[theta, eta.ravel()]

    def weighted(params: np.ndarray) -> np.ndarray:
        # Labelled blocks are zero off the labels: scaling their rows is a_t.
        g = dense.moments(problem, params)
        p, scale = 3, np.where(problem.labeled, everyone, 1.0)[:, None]
        g[:, :p] *= scale
        for m in range(k_sources):
            g[:, p + 2 * m * p : 2 * p + 2 * m * p] *= scale
        return g

    expected = weighted(full)
    sums = moment_sums(
        design, model_of(problem).target_score, theta, eta, second_moment=True
    )
    np.testing.assert_allclose(sums.mean, expected.mean(0), atol=1e-13)
    np.testing.assert_allclose(
        sums.omega(), expected.T @ expected / len(expected), atol=1e-13
    )
    np.testing.assert_allclose(
        sums.omega(centered=True), np.cov(expected.T, bias=True), atol=1e-13
    )
    blocks = moment_blocks(design, model_of(problem).target_score, theta, eta)
    stacked = np.vstack([block.copy() for _, block in blocks])
    np.testing.assert_allclose(stacked, expected, atol=1e-12)
    step = 1e-6
    for j in range(3):
        up, down = full.copy(), full.copy()
        up[j] += step
        down[j] -= step
        slope = (weighted(up).mean(0) - weighted(down).mean(0)) / (2 * step)
        np.testing.assert_allclose(sums.target[:, j], slope[:3], atol=1e-8)


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_centred_second_moment(kind: str) -> None:
    problem = dense.simulate(kind, seed=2, k_sources=2)
    result = model_of(problem).fit(centered=True)
    own = dense.fit(problem, centered=True)
    np.testing.assert_allclose(result.params, own["params"], rtol=1e-6)
    np.testing.assert_allclose(result.cov_params(), own["cov"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(result.jtest()[0], own["J"], rtol=1e-6)
    continuous = model_of(problem).fit(maxiter="cue", centered=True)
    # J about the mean is an increasing function of J about zero.
    plain = model_of(problem).fit(maxiter="cue")
    share = plain.jtest()[0] / len(problem.y)
    np.testing.assert_allclose(
        continuous.jtest()[0], len(problem.y) * share / (1 - share), rtol=1e-4
    )


def test_j_of_the_one_step_estimate() -> None:
    """Newey's form: moments in the inverse of their covariance at the estimate."""
    problem = dense.simulate("binomial", seed=3, k_sources=1)
    result = model_of(problem).fit(maxiter=1)
    full = np.r_[result.params, np.asarray(result.auxiliary_params).ravel()]
    g = dense.moments(problem, full)[:, 3:]
    slope = dense.jacobian(problem, full)[3:, 3:]
    # What is left of the moments after the identity-weighted step for eta.
    rest = np.eye(6) - slope @ np.linalg.solve(slope.T @ slope, slope.T)
    omega = g.T @ g / len(g)
    middle = np.linalg.pinv(rest @ omega @ rest.T, rcond=1e-9)
    mean = rest @ g.mean(0)
    statistic, pvalue, df = result.jtest()
    np.testing.assert_allclose(statistic, len(g) * mean @ middle @ mean, rtol=1e-5)
    assert df == 3
    np.testing.assert_allclose(pvalue, stats.chi2.sf(statistic, 3))


@pytest.mark.parametrize("maxiter", [1, 2])
def test_degrees_of_freedom_without_a_labelled_moment(maxiter: int) -> None:
    """A synthetic column that is 0 for labelled units loses its labelled moment."""
    problem = dense.simulate("gaussian", seed=4)
    y_0, x_0 = problem.sources[0]
    rare = x_0.copy()
    rare[problem.labeled, 2] = 0.0
    changed = replace(problem, sources=[(y_0, rare)])
    result = model_of(changed).fit(maxiter=maxiter)
    assert result.jtest()[2] == 2
    assert np.all(np.isfinite(result.bse))


def test_units_that_nobody_sees_change_nothing() -> None:
    problem = dense.simulate("binomial", seed=5, k_sources=2)
    rng = np.random.default_rng(5)
    seen = rng.uniform(size=len(problem.y)) < 0.6
    units = pd.Index([f"u{t}" for t in range(len(problem.y))])
    frame = pd.DataFrame(problem.x[:, 1:], units, ["x1", "x2"])
    proxies = {
        f"s{m}": pd.DataFrame(x[:, 1:], units, ["x1", "x2"])
        .assign(y=y)
        .loc[seen | problem.labeled]
        for m, (y, x) in enumerate(problem.sources)
    }
    data = frame.assign(y=problem.endog)

    def fit(data: pd.DataFrame) -> Any:
        return AugmentedGMM.from_formula(
            "y ~ x1 + x2", data, proxy=proxies, family=problem.family
        ).fit()

    everything, known = fit(data), fit(data[seen | problem.labeled])
    assert everything.n_units == known.n_units == int((seen | problem.labeled).sum())
    np.testing.assert_allclose(everything.params, known.params, rtol=1e-12)
    np.testing.assert_allclose(everything.cov_params(), known.cov_params(), rtol=1e-9)
    assert list(everything.influence.index) == list(known.influence.index)
    np.testing.assert_allclose(everything.influence, known.influence, atol=1e-9)


def test_labels_only_keeps_weights_offset_and_t() -> None:
    problem = dense.simulate("poisson", seed=6)
    rng = np.random.default_rng(6)
    weights = rng.uniform(0.5, 2.0, len(problem.y))
    offset = rng.normal(scale=0.3, size=len(problem.y))
    result = model_of(problem, weights=weights, offset=offset).fit(use_t=True)
    rows = problem.labeled
    peer = sm.GLM(
        problem.y[rows],
        problem.x[rows],
        family=problem.family,
        offset=offset[rows],
        var_weights=weights[rows],
    ).fit(cov_type="HC0", tol=1e-14)
    real = result.real_only
    np.testing.assert_allclose(real.params, peer.params, rtol=1e-8)
    np.testing.assert_allclose(real.bse, peer.bse, rtol=1e-7)
    assert real.use_t
    np.testing.assert_allclose(
        real.pvalues, 2 * stats.t.sf(np.abs(real.tvalues), int(rows.sum()) - 3)
    )
    # Predictions of the labelled rows carry their offset.
    np.testing.assert_allclose(
        result.fittedvalues, np.exp(problem.x[rows] @ result.params + offset[rows])
    )
    predicted = result.get_prediction().predicted
    np.testing.assert_allclose(predicted, result.fittedvalues)


def test_given_offset_replaces_that_of_the_rows() -> None:
    problem = dense.simulate("poisson", seed=8)
    offset = np.random.default_rng(8).normal(size=len(problem.y))
    result = model_of(problem, offset=offset).fit()
    rows = problem.labeled
    none = np.zeros(int(rows.sum()))
    expected = np.exp(problem.x[rows] @ result.params)
    np.testing.assert_allclose(result.predict(offset=none), expected)
    np.testing.assert_allclose(result.get_prediction(offset=none).predicted, expected)


def test_rows_of_a_source_in_any_order() -> None:
    """Also across blocks, and for the class as well as for tuples."""
    problem = dense.simulate("gaussian", seed=9, n_units=9000, n_labeled=300)
    y_0, x_0 = problem.sources[0]
    order = np.random.default_rng(9).permutation(len(y_0))
    forms = [
        (y_0, x_0),
        (y_0[order], x_0[order], order),
        SourceArrays(y_0[order], x_0[order], order),
    ]
    results = [
        AugmentedGMM(problem.endog, problem.x, proxy={"p": form}).fit()
        for form in forms
    ]
    for other in results[1:]:
        np.testing.assert_allclose(other.params, results[0].params, rtol=1e-10)
        np.testing.assert_allclose(other.bse, results[0].bse, rtol=1e-9)


def test_a_source_that_covers_hardly_any_label() -> None:
    problem = dense.simulate("gaussian", seed=10)
    y_0, x_0 = problem.sources[0]
    seen = np.r_[np.flatnonzero(problem.labeled)[:3], np.flatnonzero(~problem.labeled)]
    with pytest.raises(DataError, match="covers 3 labelled units, too few"):
        AugmentedGMM(
            problem.endog, problem.x, proxy={"p": (y_0[seen], x_0[seen], seen)}
        )


def test_offset_and_exposure_by_column() -> None:
    problem = dense.simulate("poisson", seed=7, k_sources=2)
    rng = np.random.default_rng(7)
    offset = rng.normal(scale=0.2, size=len(problem.y))
    exposure = rng.uniform(0.5, 2.0, len(problem.y))
    arrays = model_of(problem, offset=offset, exposure=exposure).fit()
    frame = pd.DataFrame(problem.x[:, 1:], columns=["x1", "x2"]).assign(
        y=problem.endog, shift=offset, time=exposure
    )
    proxies = {
        f"s{m}": pd.DataFrame(x[:, 1:], columns=["x1", "x2"]).assign(y=y)
        for m, (y, x) in enumerate(problem.sources)
    }
    frames = AugmentedGMM.from_formula(
        "y ~ x1 + x2",
        frame,
        proxy=proxies,
        family=problem.family,
        offset="shift",
        exposure="time",
    ).fit()
    np.testing.assert_allclose(frames.params, arrays.params, rtol=1e-10)
    np.testing.assert_allclose(frames.cov_params(), arrays.cov_params(), rtol=1e-9)

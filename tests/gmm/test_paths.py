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
from statsmodels_synth.gmm.covariance import influence_map, sandwich
from statsmodels_synth.gmm.moments import moment_blocks, moment_sums
from statsmodels_synth.gmm.solver import solve
from statsmodels_synth.gmm.weights import block_jacobian, optimal_weight
from statsmodels_synth.problem.design import AlignedDesign
from tests.problems import model_of
from tests.reference import dense


def with_design_weights(
    problem: dense.Problem, design: AlignedDesign
) -> tuple[dense.Problem, AlignedDesign]:
    """The same problem, labelled with unequal probabilities."""
    a = np.random.default_rng(0).uniform(0.3, 3.0, len(problem.y))
    return (
        replace(problem, design_weights=a),
        replace(design, design_weights=a[problem.labeled]),
    )


@pytest.mark.parametrize("k_sources", [1, 2])
def test_design_weights_enter_the_labelled_moments(k_sources: int) -> None:
    """a_t multiplies what labelled units add, and nothing else."""
    problem = dense.simulate("binomial", seed=1, k_sources=k_sources)
    plain = model_of(problem).aligned
    problem, design = with_design_weights(problem, plain)
    theta = np.array([0.1, 0.3, -0.2])
    eta = np.arange(3.0 * k_sources).reshape(k_sources, 3) / 10
    full = np.r_[theta, eta.ravel()]
    expected = dense.moments(problem, full)
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
    # The numeric Jacobian of the comparison is good to about 1e-9.
    slope = dense.jacobian(problem, full)
    np.testing.assert_allclose(sums.target, slope[:3, :3], atol=1e-9)
    np.testing.assert_allclose(block_jacobian(sums.auxiliary), slope[3:, 3:], atol=1e-9)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_design_weights_in_the_solver(kind: str, steps: int, centered: bool) -> None:
    """
    Every place that reads a_t: with a_t = 1, a missing one would not be seen.

    Two steps use Omega at the first estimate, three also that of the second, which
    is put together in another place.
    """
    problem = dense.simulate(kind, seed=14, k_sources=2)
    model = model_of(problem)
    problem, design = with_design_weights(problem, model.aligned)
    start = problem.start()
    found = solve(
        design,
        model.target_score,
        start[:3],
        start[3:].reshape(2, 3),
        steps=steps,
        centered=centered,
    )
    assert found.converged
    own = dense.fit(problem, steps=steps, centered=centered)
    # Both solve to rounding; the numeric Jacobian is good to about 1e-9.
    close = {"rtol": 1e-6, "atol": 1e-8}
    np.testing.assert_allclose(found.theta, own["params"], **close)
    np.testing.assert_allclose(found.eta, own["eta"], **close)
    np.testing.assert_allclose(found.sums.omega(centered), own["omega"], **close)
    np.testing.assert_allclose(found.criterion, own["J"], rtol=1e-6)
    map_ = influence_map(
        found.sums, optimal_weight(own["omega"], design.basis), design.basis
    )
    cov = sandwich(found.sums, map_, design.n_units, centered)
    np.testing.assert_allclose(cov, own["cov"], **close)


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_centred_second_moment(kind: str) -> None:
    problem = dense.simulate(kind, seed=2, k_sources=2)
    result = model_of(problem).fit(centered=True, **dense.PAPER)
    own = dense.fit(problem, centered=True)
    np.testing.assert_allclose(result.params, own["params"], rtol=1e-6)
    np.testing.assert_allclose(result.cov_params(), own["cov"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(result.jtest()[0], own["J"], rtol=1e-6)
    continuous = model_of(problem).fit(maxiter="cue", centered=True, **dense.PAPER)
    # J about the mean is an increasing function of J about zero.
    plain = model_of(problem).fit(maxiter="cue", **dense.PAPER)
    share = plain.jtest()[0] / len(problem.y)
    np.testing.assert_allclose(
        continuous.jtest()[0], len(problem.y) * share / (1 - share), rtol=1e-4
    )


@pytest.mark.parametrize("centered", [False, True])
def test_j_of_the_one_step_estimate(centered: bool) -> None:
    """Newey's form: moments in the inverse of their covariance at the estimate."""
    problem = dense.simulate("binomial", seed=3, k_sources=1)
    result = model_of(problem).fit(maxiter=1, centered=centered, **dense.PAPER)
    full = np.r_[result.params, np.asarray(result.auxiliary_params).ravel()]
    g = dense.moments(problem, full)[:, 3:]
    slope = dense.jacobian(problem, full)[3:, 3:]
    # What is left of the moments after the identity-weighted step for eta.
    rest = np.eye(6) - slope @ np.linalg.solve(slope.T @ slope, slope.T)
    omega = dense.second_moment(g, centered)
    middle = np.linalg.pinv(rest @ omega @ rest.T, rcond=1e-9)
    mean = rest @ g.mean(0)
    statistic, pvalue, df = result.jtest()
    # The numeric Jacobian is good to 1e-9, and the pseudo-inverse makes that larger
    # by the condition number. Centred and not differ by J / T, about 5e-3.
    np.testing.assert_allclose(statistic, len(g) * mean @ middle @ mean, rtol=1e-6)
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
    result = model_of(changed).fit(maxiter=maxiter, **dense.PAPER)
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
        ).fit(**dense.PAPER)

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
    result = model_of(problem, weights=weights, offset=offset).fit(
        use_t=True, use_correction=False
    )
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
    result = model_of(problem, offset=offset).fit(**dense.PAPER)
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
        AugmentedGMM(problem.endog, problem.x, proxy={"p": form}).fit(**dense.PAPER)
        for form in forms
    ]
    for other in results[1:]:
        np.testing.assert_allclose(other.params, results[0].params, rtol=1e-10)
        np.testing.assert_allclose(other.bse, results[0].bse, rtol=1e-9)


def test_a_source_that_covers_hardly_any_label() -> None:
    problem = dense.simulate("gaussian", seed=10)
    y_0, x_0 = problem.sources[0]
    seen = np.r_[np.flatnonzero(problem.labeled)[:3], np.flatnonzero(~problem.labeled)]
    with pytest.raises(DataError, match="is available for 3 labelled units, too few"):
        AugmentedGMM(
            problem.endog, problem.x, proxy={"p": (y_0[seen], x_0[seen], seen)}
        )


def test_offset_and_exposure_by_column() -> None:
    problem = dense.simulate("poisson", seed=7, k_sources=2)
    rng = np.random.default_rng(7)
    offset = rng.normal(scale=0.2, size=len(problem.y))
    exposure = rng.uniform(0.5, 2.0, len(problem.y))
    arrays = model_of(problem, offset=offset, exposure=exposure).fit(**dense.PAPER)
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
    ).fit(**dense.PAPER)
    np.testing.assert_allclose(frames.params, arrays.params, rtol=1e-10)
    np.testing.assert_allclose(frames.cov_params(), arrays.cov_params(), rtol=1e-9)


@pytest.mark.parametrize("form", [tuple, SourceArrays])
def test_rows_of_a_source_take_the_offset_of_their_unit(form: Any) -> None:
    """Rows in any order, several for a unit, none for others."""
    problem = dense.simulate("poisson", seed=15)
    y_0, x_0 = problem.sources[0]
    rng = np.random.default_rng(15)
    # Large, so that a wrong one is seen, and far from constant in blocks.
    offset = rng.normal(scale=0.5, size=len(problem.y))
    seen = rng.uniform(size=len(problem.y)) < 0.7
    own = dense.fit(
        replace(problem, sources=[(np.where(seen, y_0, np.nan), x_0)], offset=offset)
    )
    # Twice the same row of a unit counts once, so the dense fit needs one.
    rows = np.flatnonzero(seen)
    rows = rng.permutation(np.r_[rows, rows[::3]])
    parts = (y_0[rows], x_0[rows], rows)
    with pytest.warns(UserWarning, match="lacks"):
        model = AugmentedGMM(
            problem.endog,
            problem.x,
            synthetic={"s": parts if form is tuple else SourceArrays(*parts)},
            family=problem.family,
            offset=offset,
        )
    result = model.fit(**dense.PAPER)
    assert result.sources.loc["s", "covered"] == int(seen.sum())
    # The numeric Jacobian of the comparison is good to about 1e-9.
    close = {"rtol": 1e-6, "atol": 1e-8}
    np.testing.assert_allclose(result.params, own["params"], **close)
    np.testing.assert_allclose(result.auxiliary_params, own["eta"], **close)
    np.testing.assert_allclose(result.cov_params(), own["cov"], **close)


def test_a_source_may_have_an_offset_of_its_own() -> None:
    problem = dense.simulate("poisson", seed=16)
    y_0, x_0 = problem.sources[0]
    rng = np.random.default_rng(16)
    offset, other = rng.normal(scale=0.5, size=(2, len(problem.y)))
    order = rng.permutation(len(y_0))
    model = AugmentedGMM(
        problem.endog,
        problem.x,
        proxy={"p": SourceArrays(y_0[order], x_0[order], order, other[order])},
        family=problem.family,
        offset=offset,
    )
    result = model.fit(**dense.PAPER)
    # Its own estimate is that of a GLM with its own offset.
    peer = sm.GLM(y_0, x_0, family=problem.family, offset=other).fit(tol=1e-14)
    np.testing.assert_allclose(result.naive_params.loc["p"], peer.params, rtol=1e-8)
    labels = sm.GLM(
        problem.y[problem.labeled],
        problem.x[problem.labeled],
        family=problem.family,
        offset=offset[problem.labeled],
    ).fit(tol=1e-14)
    np.testing.assert_allclose(result.real_only.params, labels.params, rtol=1e-8)


@pytest.mark.parametrize("data_has_weights", [True, False])
@pytest.mark.parametrize("keyed", ["index", "on"])
def test_weights_come_from_a_source(keyed: str, data_has_weights: bool) -> None:
    """data holds the labelled units only; the weights of the others are elsewhere."""
    problem = dense.simulate("binomial", seed=17, k_sources=2)
    rng = np.random.default_rng(17)
    weights = rng.uniform(0.3, 3.0, len(problem.y))
    arrays = model_of(problem, weights=weights).fit(**dense.PAPER)
    units = np.array([f"u{t:04d}" for t in rng.permutation(len(problem.y))])

    def frame(y: np.ndarray, x: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(x[:, 1:], units, ["x1", "x2"]).assign(y=y)

    data = frame(problem.y, problem.x)
    if data_has_weights:
        data["w"] = weights
    data = data[problem.labeled]
    bare, weighted = (frame(y, x) for y, x in problem.sources)
    # In another order, and only the second source has the column.
    shuffled = weighted.assign(w=weights).sample(frac=1, random_state=rng)
    proxies = {"s0": bare, "s1": shuffled}
    on = None
    if keyed == "on":
        on = "unit"
        data = data.rename_axis("unit").reset_index()
        proxies = {k: f.rename_axis("unit").reset_index() for k, f in proxies.items()}
    result = AugmentedGMM.from_formula(
        "y ~ x1 + x2", data, proxy=proxies, on=on, family=problem.family, weights="w"
    ).fit(**dense.PAPER)
    # The same sums in another order of units; the solver stops at 1e-10.
    np.testing.assert_allclose(result.params, arrays.params, rtol=1e-8)
    np.testing.assert_allclose(
        result.auxiliary_params, arrays.auxiliary_params, rtol=1e-8
    )
    np.testing.assert_allclose(result.cov_params(), arrays.cov_params(), rtol=1e-7)
    np.testing.assert_allclose(result.jtest()[0], arrays.jtest()[0], rtol=1e-7)
    # That the weights matter here: without them the estimate is another one.
    plain = model_of(problem).fit(**dense.PAPER)
    assert np.abs(plain.params - arrays.params).max() > 1e-2


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_nothing_to_iterate_by_default(kind: str) -> None:
    """What is taken off rests on the labelled-only estimate, however many steps."""
    model = model_of(dense.simulate(kind, seed=11, k_sources=2))
    twice, often = model.fit(), model.fit(maxiter=9)
    assert often.settled
    # The last step solves the same equations once more, to rounding.
    np.testing.assert_allclose(often.params, twice.params, rtol=1e-10)
    np.testing.assert_allclose(often.cov_params(), twice.cov_params(), rtol=1e-8)

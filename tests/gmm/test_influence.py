"""Influence of units, and what is said where the Jacobian cannot be inverted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from statsmodels_synth.gmm.covariance import influence_map, sandwich
from statsmodels_synth.gmm.moments import moment_sums
from statsmodels_synth.gmm.target import solve_target
from statsmodels_synth.gmm.weights import optimal_weight
from tests.problems import model_of
from tests.reference import dense


@pytest.mark.parametrize("k_sources", [1, 2])
@pytest.mark.parametrize("kind", ["gaussian", "binomial", "poisson"])
def test_influence_is_that_of_the_whole_system(kind: str, k_sources: int) -> None:
    """Unit by unit, sign and scale included, and at a covered unit without label."""
    problem = dense.simulate(kind, seed=21, k_sources=k_sources)
    result = model_of(problem).fit(**dense.PAPER)
    full = np.r_[result.params, np.asarray(result.auxiliary_params).ravel()]
    expected = dense.influence(problem, full)
    # A share of the typical influence: the numeric Jacobian is good to about 1e-9.
    scale = np.sqrt(np.mean(expected**2, axis=0))
    np.testing.assert_allclose(result.influence / scale, expected / scale, atol=1e-6)
    influence = result.influence.to_numpy()
    assert np.abs(influence[~problem.labeled]).max() > 0.1 * scale.min()
    total = influence.T @ influence / len(influence) ** 2
    # Two sums of the same numbers in another order; entries off the diagonal may be
    # nearly zero.
    size = np.outer(result.bse, result.bse)
    np.testing.assert_allclose(total / size, result.cov_params() / size, atol=1e-12)


@pytest.mark.parametrize("kind", ["gaussian", "binomial", "poisson"])
def test_influence_is_what_more_weight_does(kind: str) -> None:
    """
    One unit counts for 1 + eps: the labelled-only estimate moves by eps / T times
    its influence.

    The first step is exact for this, since its weight matrix stays. A central
    difference is off by eps squared (1e-6) of the influence, and each estimate by
    less than 1e-12, which the division by eps / T makes some 1e-7.
    """
    problem = dense.simulate(kind, seed=22)
    eps, n_units = 1e-3, len(problem.y)
    result = model_of(problem).fit(maxiter=1, **dense.PAPER)
    influence = result.influence.to_numpy()
    scale = np.sqrt(np.mean(influence[problem.labeled] ** 2, axis=0))
    strongest = np.argmax(np.abs(influence[:, 1]))
    units = [*np.flatnonzero(problem.labeled)[:3], strongest]
    for unit in [*units, np.flatnonzero(~problem.labeled)[0]]:
        moved = []
        for sign in (1, -1):
            weights = np.ones(n_units)
            weights[unit] += sign * eps
            moved.append(
                model_of(problem, weights=weights).fit(maxiter=1, **dense.PAPER).params
            )
        slope = (moved[0] - moved[1]) / (2 * eps / n_units)
        np.testing.assert_allclose(slope / scale, influence[unit] / scale, atol=1e-4)
    assert np.all(influence[~problem.labeled] == 0.0)


def test_influence_of_labels_alone() -> None:
    """The estimate of the first step; units without a label have no influence."""
    problem = dense.simulate("poisson", seed=23)
    result = model_of(problem).fit(**dense.PAPER)
    real = result.real_only
    influence = real.influence.to_numpy()
    assert influence.shape == (len(problem.y), 3)
    assert not influence[~problem.labeled].any()
    np.testing.assert_allclose(
        influence.T @ influence / len(influence) ** 2, real.cov_params(), rtol=1e-9
    )
    one_step = model_of(problem).fit(maxiter=1, **dense.PAPER).influence.to_numpy()
    np.testing.assert_allclose(one_step, influence, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("linear", [800.0, -800.0])
def test_no_slope_at_the_start(linear: float) -> None:
    """
    A start so far out that every mean is 0 or 1: the Jacobian is zero there.

    The solver cannot leave the start, says so, and no number pretends otherwise.
    """
    problem = dense.simulate("binomial", seed=24)
    model = model_of(problem)
    with pytest.warns(ConvergenceWarning):
        result = model.fit(start_params=[linear, 0.0, 0.0], **dense.PAPER)
    assert not result.converged
    assert np.all(np.isnan(result.cov_params()))
    assert np.all(np.isnan(result.bse))
    assert np.all(np.isnan(result.influence))


def test_jacobian_that_is_singular_up_to_rounding() -> None:
    """
    Two columns that agree to 1e-9: their cross product has a condition of 1e18.

    Such a matrix can be factorised, and numbers come out. They are rounding errors.
    """
    problem = dense.simulate("gaussian", seed=25)
    model = model_of(problem)
    design = model.aligned
    rng = np.random.default_rng(25)
    twin = design.labeled.exog.copy()
    twin[:, 2] = twin[:, 1] * (1 + 1e-9 * rng.normal(size=len(twin)))
    # The basis is that of a design in which nothing was amiss: with its own, the
    # two columns would be told apart.
    collinear = replace(design, labeled=replace(design.labeled, exog=twin))
    zero = np.zeros(3)
    theta, converged = solve_target(collinear, model.target_score, zero, zero)
    assert not converged
    np.testing.assert_array_equal(theta, zero)

    sums = moment_sums(
        collinear, model.target_score, zero, np.zeros((1, 3)), second_moment=True
    )
    weight = optimal_weight(sums.omega(), design.basis)
    map_ = influence_map(sums, weight, design.basis)
    assert np.all(np.isnan(map_))
    assert np.all(np.isnan(sandwich(sums, map_, design.n_units, False)))
    # The same with a third column that differs by 1e-3 is only ill-conditioned.
    twin = twin.copy()
    twin[:, 2] += 1e-3 * rng.normal(size=len(twin))
    close = replace(design, labeled=replace(design.labeled, exog=twin))
    _, converged = solve_target(close, model.target_score, zero, zero)
    assert converged

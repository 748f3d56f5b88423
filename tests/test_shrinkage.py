"""Control coefficients: by plain loops, and what they have to be in any case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from statsmodels_synth.gmm.few_labels import (
    ControlCoefficients,
    _simplex_weights,
    control_coefficients,
)
from statsmodels_synth.gmm.moments import MomentSums
from tests.problems import model_of
from tests.reference import dense, loops
from tests.reference.dense import Array


def with_gaps(problem: dense.Problem, seed: int) -> dense.Problem:
    """The same, with each source known for some of the units only."""
    rng = np.random.default_rng(seed)
    sources = [
        (np.where(rng.uniform(size=len(y)) < 0.8, y, np.nan), x)
        for y, x in problem.sources
    ]
    return replace(problem, sources=sources)


def small(kind: str, k_sources: int, seed: int) -> dense.Problem:
    """Few labels, so that what is left out matters, and the loops are short."""
    return dense.simulate(
        kind, seed=seed, n_units=240, n_labeled=60, k_sources=k_sources, error=0.4
    )


def scores(problem: dense.Problem) -> tuple[Array, Array, Array, Array]:
    """Labelled scores y, h, and the derivatives of labels and sources."""
    p, k = problem.x.shape[1], len(problem.sources)
    params = loops.labels_then_sources(problem)
    g = dense.moments(problem, params)[problem.labeled]
    h = g[:, p:].reshape(len(g), k, 2, p)[:, :, 0].reshape(len(g), k * p)
    slope = loops.derivatives(problem, params, 0).mean(axis=0)
    slopes = [
        loops.derivatives(problem, params, 2 * m + 2).mean(axis=0) for m in range(k)
    ]
    return g[:, :p], h, slope, np.array(slopes)


def sums_of(slope: Array, slopes: Array) -> MomentSums:
    """What the function reads of the sums; the rest must not matter."""
    auxiliary = np.stack([np.full_like(slopes, np.nan), slopes], axis=1)
    return MomentSums(np.full(1, np.nan), slope, auxiliary, None)


def found(y: Array, h: Array, slope: Array, slopes: Array) -> ControlCoefficients:
    return control_coefficients(y, h, sums_of(slope, slopes), np.eye(y.shape[1]))


PROBLEMS = {
    "gaussian, one source": small("gaussian", 1, 1),
    "gaussian, two": small("gaussian", 2, 2),
    "gaussian, three": small("gaussian", 3, 3),
    "binomial, one source": small("binomial", 1, 4),
    "binomial, two": small("binomial", 2, 5),
    "binomial, three": small("binomial", 3, 6),
    "gaps": with_gaps(small("binomial", 2, 10), 7),
    "design weights": replace(
        small("gaussian", 2, 8),
        design_weights=np.random.default_rng(8).uniform(0.3, 3.0, 240),
    ),
    "weights": replace(
        small("poisson", 2, 9), weights=np.random.default_rng(9).uniform(0.3, 3.0, 240)
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_one_unit_left_out_after_the_other(name: str) -> None:
    """Both solve the same least-squares problems, of condition up to 1e3."""
    parts = scores(PROBLEMS[name])
    actual, expected = found(*parts), loops.control_coefficients(*parts)
    close = {"rtol": 1e-8, "atol": 1e-9}
    np.testing.assert_allclose(actual.shares, expected.shares, **close)
    np.testing.assert_allclose(actual.matrix, expected.matrix, **close)
    np.testing.assert_allclose(actual.left_out, expected.left_out, **close)
    np.testing.assert_allclose(actual.df, expected.df, **close)
    # Zeros for the moments of all units, source by source.
    p = len(actual.matrix)
    gain = actual.gain.reshape(p, -1, 2, p)
    np.testing.assert_array_equal(gain[:, :, 0].reshape(p, -1), actual.matrix)
    assert not gain[:, :, 1].any()


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_estimate_takes_off_what_the_coefficients_say(name: str) -> None:
    """
    ``mean(a psi(theta)) = B mean(a h(eta))``, eta each source by itself.

    The numeric derivatives of the comparison are good to about 1e-9.
    """
    problem = PROBLEMS[name]
    if name == "design weights":  # they are made of the probabilities
        a = problem.design_weights[problem.labeled]
        a = problem.design_weights * len(a) / a.sum()
        problem = replace(problem, design_weights=a)
        prob = 0.2 / a
        options = {"labeling_prob": np.where(problem.labeled, prob, np.nan)}
    else:
        options = {"weights": problem.weights}
    with pytest.MonkeyPatch.context() as patch:
        # Not what these probabilities were made for.
        patch.setattr("statsmodels_synth.data.labeling._check_sum", lambda *_: None)
        if name == "gaps":
            with pytest.warns(UserWarning, match="lacks"):
                model = model_of(problem, **options)
        else:
            model = model_of(problem, **options)
    result = model.fit()
    expected = loops.fit(problem)
    close = {"rtol": 1e-7, "atol": 1e-9}
    np.testing.assert_allclose(result.params, expected.params, **close)
    np.testing.assert_allclose(result.cov_params(), expected.covariance, **close)
    np.testing.assert_allclose(result.df_resid, expected.df, **close)


def test_weights_of_the_stack_are_the_best_in_the_triangle() -> None:
    """Against a general-purpose optimiser, in all corners and on all sides."""
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        first, second = rng.normal(size=(2, 12))
        second = second + rng.normal() * first
        target = rng.normal() * first + rng.normal() * second + rng.normal(size=12)
        own = np.array(_simplex_weights(target, first, second))
        assert own.min() >= 0.0
        assert own.sum() <= 1.0 + 1e-12

        def loss(
            w: Array, t: Array = target, f: Array = first, s: Array = second
        ) -> float:
            return float(np.sum((t - w[0] * f - w[1] * s) ** 2))

        general = scipy.optimize.minimize(
            loss,
            [0.3, 0.3],
            method="SLSQP",
            bounds=[(0, 1), (0, 1)],
            constraints={"type": "ineq", "fun": lambda w: 1 - w.sum()},
            options={"ftol": 1e-14},
        )
        # SLSQP with differences for the gradient comes within about 1e-6.
        np.testing.assert_allclose(own, general.x, atol=1e-4)
        assert loss(own) <= loss(general.x) + 1e-9
        seen.add((own[0] > 0, own[1] > 0, own.sum() < 1 - 1e-9))
    # Inside, three sides, three corners.
    assert len(seen) == 7


def test_a_constraint_on_the_weights_is_felt() -> None:
    """Predictions that are too small would like weights above one in sum."""
    first = np.array([1.0, 0.0, 1.0])
    np.testing.assert_allclose(
        _simplex_weights(3 * first, first, 0 * first), (1.0, 0.0)
    )
    np.testing.assert_allclose(
        _simplex_weights(-first, first, 0 * first + 1.0), (0.0, 0.0)
    )
    assert _simplex_weights(first, 0 * first, 0 * first) == (0.0, 0.0)


# What may not matter


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_other_units_of_x(kind: str) -> None:
    """
    x A for x: coefficients A^-1 theta, B becomes A' B A'^-1.

    A has a condition of some 1e3, so 1e-16 in x is about 1e-10 in what depends on
    the squares of the solution.
    """
    problem = small(kind, 2, 11)
    change = np.array([[1.0, 3.0, -200.0], [0.0, 0.1, 5.0], [0.0, 0.0, 40.0]])
    sources = [(y, x @ change) for y, x in problem.sources]
    other = replace(problem, x=problem.x @ change, sources=sources)
    plain, turned = model_of(problem).fit(), model_of(other).fit()
    close = {"rtol": 1e-6, "atol": 1e-9}
    np.testing.assert_allclose(change @ turned.params, plain.params, **close)
    np.testing.assert_allclose(
        change @ turned.cov_params() @ change.T, plain.cov_params(), **close
    )
    np.testing.assert_allclose(turned.df_resid, plain.df_resid, rtol=1e-7)
    np.testing.assert_allclose(turned.jtest()[0], plain.jtest()[0], rtol=1e-6)
    y, h, slope, slopes = scores(problem)
    big = np.kron(np.eye(2), change)
    ours, theirs = (
        control_coefficients(*arguments, basis)
        for arguments, basis in [
            ((y, h, sums_of(slope, slopes)), np.eye(3)),
            (
                (
                    y @ change,
                    h @ big,
                    sums_of(change.T @ slope @ change, change.T @ slopes @ change),
                ),
                np.linalg.inv(change),
            ),
        ]
    )
    np.testing.assert_allclose(theirs.shares, ours.shares, rtol=1e-7)
    np.testing.assert_allclose(
        np.linalg.inv(change.T) @ theirs.matrix @ big.T, ours.matrix, **close
    )
    np.testing.assert_allclose(theirs.left_out, ours.left_out @ change, **close)


def test_other_order_of_sources_and_units() -> None:
    """The same sums in another order."""
    problem = small("binomial", 3, 12)
    order = np.random.default_rng(12).permutation(len(problem.y))
    swapped = replace(
        problem,
        y=problem.y[order],
        x=problem.x[order],
        labeled=problem.labeled[order],
        sources=[(y[order], x[order]) for y, x in problem.sources[::-1]],
    )
    plain, other = model_of(problem).fit(), model_of(swapped).fit()
    np.testing.assert_allclose(other.params, plain.params, rtol=1e-9)
    np.testing.assert_allclose(other.cov_params(), plain.cov_params(), rtol=1e-8)


@pytest.mark.parametrize("factor", [1e-4, 1e5])
def test_other_units_of_y(factor: float) -> None:
    """Outcome and sources times a number: so are coefficients and errors."""
    problem = small("gaussian", 2, 13)
    sources = [(factor * y, x) for y, x in problem.sources]
    other = replace(problem, y=factor * problem.y, sources=sources)
    plain, scaled = model_of(problem).fit(), model_of(other).fit()
    np.testing.assert_allclose(scaled.params, factor * plain.params, rtol=1e-8)
    np.testing.assert_allclose(scaled.bse, factor * plain.bse, rtol=1e-8)


@pytest.mark.parametrize("factor", [1e-3, -7.0])
def test_other_units_of_the_outcome_of_a_source(factor: float) -> None:
    """
    A source may be off by any factor, or mean the opposite: B makes up for it.

    The multiple of the scalar regression is relative to the derivatives, which do
    not know of the factor in a linear model, so it is fitted as well.
    """
    problem = small("gaussian", 2, 14)
    (y, x), second = problem.sources
    other = replace(problem, sources=[(factor * y, x), second])
    plain, scaled = model_of(problem).fit(), model_of(other).fit()
    np.testing.assert_allclose(scaled.params, plain.params, rtol=1e-8)
    np.testing.assert_allclose(scaled.bse, plain.bse, rtol=1e-8)


# What noise and knowledge are worth


def linear_scores(
    y: Array, guess: Array, x: Array, labeled: Any
) -> tuple[Array, Array, Array, Array]:
    """Labelled scores of a linear model and of one source, and the derivatives."""
    eta = np.linalg.lstsq(x, guess, rcond=None)[0]
    theta = np.linalg.lstsq(x[labeled], y[labeled], rcond=None)[0]
    psi, h = (
        x[labeled] * (v[labeled] - x[labeled] @ coefficients)[:, None]
        for v, coefficients in ((y, theta), (guess, eta))
    )
    slope = -x[labeled].T @ x[labeled] / len(x)
    return psi, h, slope, -(x.T @ x)[None] / len(x)


def test_noise_gets_next_to_nothing() -> None:
    """
    A source that knows nothing, in 300 draws.

    Left out, a coefficient fitted to noise predicts worse than none as often as not,
    so that half of the shares are next to zero. What is taken off in spite of that
    costs less than 3 % of the mean squared error; the full regression costs about
    p / n, 7 %.
    """
    rng = np.random.default_rng(15)
    n_units, n = 600, 60
    x = np.column_stack([np.ones(n_units), *rng.normal(size=(3, n_units))])
    labeled = np.arange(n_units) < n
    shares, plain, augmented = [], [], []
    for _ in range(300):
        y, guess = rng.normal(size=(2, n_units))
        psi, h, slope, own = linear_scores(y, guess, x, labeled)
        controls = found(psi, h, slope, own)
        shares.append(controls.shares)
        theta = np.linalg.lstsq(x[labeled], y[labeled], rcond=None)[0]
        shift = controls.matrix @ h.sum(axis=0) / n_units
        plain.append(theta)
        augmented.append(theta + np.linalg.solve(slope, shift))
    # Shares are at most 1 in sum: their means are known to about .02.
    assert np.median(np.sum(shares, axis=1)) < 0.1
    assert np.mean(shares, axis=0).sum() < 0.3
    # Both estimates share nearly all of their noise, so that chance in their ratio is
    # a fifth of the 6 % that it has in either.
    assert np.mean(np.square(augmented)) / np.mean(np.square(plain)) < 1.03


def test_with_many_labels_the_coefficients_are_those_of_the_paper() -> None:
    """
    The regression of the labelled score on those of the source, at the rate 1 / n.

    With noise that depends on x the best B is no multiple of the identity: the share
    of the full regression goes to one. A hundred times as many labels are a hundred
    times nearer; chance in the scores accounts for a factor of three.
    """
    rng = np.random.default_rng(16)
    distance, shares = {}, {}
    for n in (300, 30_000):
        x = np.column_stack([np.ones(2 * n), rng.normal(size=2 * n)])
        y = rng.normal(size=2 * n)
        guess = y + 2.0 * x[:, 1] * rng.normal(size=2 * n)
        psi, h, slope, own = linear_scores(y, guess, x, np.arange(2 * n) < n)
        controls = found(psi, h, slope, own)
        paper = np.linalg.lstsq(h, psi, rcond=None)[0].T
        distance[n] = np.abs(controls.matrix - paper).max()
        shares[n] = controls.shares
    assert distance[30_000] < distance[300] / 30
    assert distance[300] > 1e-4  # at rounding there would be no rate to see
    assert shares[30_000][0] > 0.99


@pytest.mark.parametrize("n", [30, 100])
def test_a_perfect_source_is_believed_but_for_two_units(n: int) -> None:
    """The source repeats the labels: either regression has a gain of n / (n + 2)."""
    rng = np.random.default_rng(17)
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    psi = x * rng.normal(size=n)[:, None]
    slope = -x.T @ x
    controls = found(psi, psi, slope, slope[None])
    expected = n / (n + 2) * np.eye(2)
    np.testing.assert_allclose(controls.matrix, expected, atol=1e-12)
    assert sum(controls.shares) == pytest.approx(1.0)

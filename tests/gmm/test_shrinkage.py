"""How much is taken off: by plain loops, and what it has to be in any case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import statsmodels.api as sm

from statsmodels_synth.gmm import few_labels
from statsmodels_synth.gmm.controls import floor_excess
from statsmodels_synth.gmm.rows import merged_strata
from statsmodels_synth.gmm.stacking import Stacked, _certain_share, _simplex_weights
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


def rare(problem: dense.Problem, ones: int) -> dense.Problem:
    """The last regressor becomes a dummy that few labelled units have."""
    labeled = np.flatnonzero(problem.labeled)
    dummy = np.zeros(len(problem.y))
    dummy[np.r_[labeled[:ones], np.flatnonzero(~problem.labeled)[:20]]] = 1.0

    def with_dummy(x: Array) -> Array:
        return np.column_stack([x[:, :-1], dummy])

    sources = [(y, with_dummy(x)) for y, x in problem.sources]
    return replace(problem, x=with_dummy(problem.x), sources=sources)


def stacked_of(model: Any, **options: Any) -> tuple[Any, Stacked]:
    """A fit, and how much of the sources it takes off."""
    found: list[Stacked] = []
    own = few_labels.stack

    def record(*arguments: Any) -> Stacked:
        found.append(own(*arguments))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few_labels, "stack", record)
        result = model.fit(**options)
    return result, found[-1].mapped(model.aligned.basis)


PROBLEMS = {
    "gaussian, one source": small("gaussian", 1, 1),
    "gaussian, two": small("gaussian", 2, 2),
    "gaussian, three": small("gaussian", 3, 3),
    "binomial, one source": small("binomial", 1, 4),
    "binomial, two": small("binomial", 2, 5),
    "binomial, three": small("binomial", 3, 6),
    # Units that decide a coefficient are left out with what they do to the others.
    "dummy of two": rare(small("gaussian", 2, 2), 2),
    "dummy of three": rare(small("gaussian", 1, 22), 3),
    "gaps": with_gaps(small("binomial", 2, 10), 7),
    "design weights": replace(
        small("gaussian", 2, 18),
        design_weights=np.random.default_rng(8).uniform(0.3, 3.0, 240),
    ),
    "weights": replace(
        small("poisson", 2, 9), weights=np.random.default_rng(9).uniform(0.3, 3.0, 240)
    ),
}


def fitted(name: str) -> tuple[Any, Stacked, loops.Fit]:
    """The fit of a problem, how much it takes off, and both by loops."""
    problem = PROBLEMS[name]
    options: dict[str, Any] = {"weights": problem.weights}
    if name == "design weights":  # they are made of the probabilities
        a = problem.design_weights[problem.labeled]
        a = problem.design_weights * len(a) / a.sum()
        problem = replace(problem, design_weights=a)
        options = {"labeling_prob": np.where(problem.labeled, 0.2 / a, np.nan)}
    with pytest.MonkeyPatch.context() as patch:
        # Not what these probabilities were made for.
        patch.setattr("statsmodels_synth.data.labeling._check_sum", lambda *_: None)
        if name == "gaps":
            with pytest.warns(UserWarning, match="lacks"):
                model = model_of(problem, **options)
        else:
            model = model_of(problem, **options)
    result, stacked = stacked_of(model)
    return result, stacked, loops.fit(problem, unequal=name == "design weights")


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.FewUnitsWarning")
@pytest.mark.parametrize("name", PROBLEMS)
def test_one_row_left_out_after_the_other(name: str) -> None:
    """
    Both solve the same least-squares problems, of condition up to 1e3.

    The numeric derivatives of the comparison are good to about 1e-11.
    """
    result, stacked, expected = fitted(name)
    close = {"rtol": 1e-8, "atol": 1e-10}
    assert expected.stack is not None
    assert max(expected.stack.shares) > 0.01
    np.testing.assert_allclose(stacked.shares, expected.stack.shares, **close)
    np.testing.assert_allclose(stacked.matrix, expected.stack.matrix, **close)
    np.testing.assert_allclose(stacked.df, expected.stack.df, **close)
    np.testing.assert_allclose(result.params, expected.params, **close)
    np.testing.assert_allclose(result.cov_params(), expected.covariance, **close)
    np.testing.assert_allclose(result.df_resid, expected.df, **close)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_weights_of_the_stack_are_the_best_on_the_simplex(k: int) -> None:
    """Against a general-purpose optimiser, on all faces of the simplex."""
    rng = np.random.default_rng(k)
    seen = set()
    for _ in range(60 * k**2):
        columns = rng.normal(size=(k, 12)) + rng.normal() * rng.normal(size=12)
        target = rng.normal(size=k) @ columns + rng.normal(size=12)
        own = np.asarray(_simplex_weights(target, list(columns)))
        assert own.min() >= 0.0
        assert own.sum() <= 1.0 + 1e-9

        def loss(w: Array, t: Array = target, c: Array = columns) -> float:
            return float(np.sum((t - w @ c) ** 2))

        general = scipy.optimize.minimize(
            loss,
            np.full(k, 0.2),
            method="SLSQP",
            bounds=[(0, 1)] * k,
            constraints={"type": "ineq", "fun": lambda w: 1 - w.sum()},
            options={"ftol": 1e-14},
        )
        # SLSQP with differences for the gradient comes within about 1e-6, and its sum
        # may be above one by rounding.
        assert loss(own) <= loss(general.x) * (1 + 1e-7)
        np.testing.assert_allclose(own, general.x, atol=2e-3)
        seen.add((*(own > 0), own.sum() < 1 - 1e-9))
    # Every set of coefficients, inside and on the border; nothing has no border.
    assert len(seen) == 2 ** (k + 1) - 1


def test_a_constraint_on_the_weights_is_felt() -> None:
    """Predictions that are too small would like weights above one in sum."""
    first, none = np.array([1.0, 0.0, 1.0]), np.zeros(3)
    for target, predictions, expected in (
        (3 * first, [first, none], [1.0, 0.0]),
        (3 * first, [none, none, first], [0.0, 0.0, 1.0]),
        (-first, [first, none + 1.0], [0.0, 0.0]),
        (first, [none, none], [0.0, 0.0]),
    ):
        np.testing.assert_allclose(
            _simplex_weights(target, predictions), expected, atol=1e-12
        )


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_the_floor_is_what_a_gram_matrix_lacks(seed: int) -> None:
    """
    By the definition of a positive part in the metric of the other matrix.

    ``G^1/2 (I - G^-1/2 S G^-1/2)_+ G^1/2``, with the symmetric root.
    """
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(2, 3, 8))
    gram, least = one @ one.T, two @ two.T
    root = np.real(scipy.linalg.sqrtm(least))
    values, vectors = np.linalg.eigh(
        np.eye(3) - np.linalg.inv(root) @ gram @ np.linalg.inv(root)
    )
    assert values.min() < 0 < values.max()
    part = (vectors * np.maximum(values, 0)) @ vectors.T
    floor = floor_excess(gram, least)
    np.testing.assert_allclose(floor, root @ part @ root, atol=1e-10)
    # Other units turn it as they turn a Gram matrix.
    turn = rng.normal(size=(3, 3))
    turned = floor_excess(turn.T @ gram @ turn, turn.T @ least @ turn)
    np.testing.assert_allclose(turned, turn.T @ floor @ turn, atol=1e-9)
    # None where there is enough, all where there is nothing.
    np.testing.assert_allclose(floor_excess(2 * least, least), 0.0, atol=1e-10)
    np.testing.assert_allclose(floor_excess(0 * gram, least), least, atol=1e-10)


@pytest.mark.parametrize(
    "strata",
    [
        [0, 0, 1, 1, 1],
        [0, 0, 1, 2, 3, 3, 3],
        [0, 0, 1, 3, 3, 3],
        [0, 1, 2],
        [3, 3, 3, 1, 1, 0, 2, 5],
    ],
)
def test_single_labels_are_one_group(strata: list[int]) -> None:
    """The same partition as that of the loops."""
    own, plain = merged_strata(np.array(strata)), loops.collapsed(np.array(strata))
    np.testing.assert_array_equal(own[:, None] == own, plain[:, None] == plain)
    assert np.bincount(own).min() > 1


def test_the_certain_share_is_what_the_f_statistic_leaves() -> None:
    """F by the regression through zero, with the residual about nothing."""
    rng = np.random.default_rng(19)
    fitted, noise = rng.normal(size=(2, 40))
    target = 0.5 * fitted + noise
    slope = (target @ fitted) / (fitted @ fitted)
    f = slope**2 * (fitted @ fitted) / (target @ target / 40)
    assert f > 2.0
    own = _certain_share(target, fitted, 40)
    assert own == pytest.approx(1 - 2 / f)
    weak = fitted - 0.9 * (fitted @ target) / (target @ target) * target
    assert _certain_share(target, weak, 40) == 0.0
    assert _certain_share(target, 0 * fitted, 40) == 0.0
    assert _certain_share(target, 7 * fitted, 40) == pytest.approx(own)


# What may not matter


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_other_units_of_x(kind: str) -> None:
    """
    x C for x: coefficients C^-1 theta, A becomes C^-1 A C.

    C has a condition of some 1e3, so 1e-16 in x is about 1e-10 in what depends on
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
    (_, ours), (_, theirs) = (stacked_of(model_of(own)) for own in (problem, other))
    np.testing.assert_allclose(theirs.shares, ours.shares, rtol=1e-7, atol=1e-9)
    big = np.kron(np.eye(2), np.linalg.inv(change))
    np.testing.assert_allclose(change @ theirs.matrix @ big, ours.matrix, **close)


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
def test_the_full_regression_makes_up_for_a_factor(factor: float) -> None:
    """A source may be off by any factor, or mean the opposite, in a linear model."""
    problem = small("gaussian", 2, 14)
    (y, x), second = problem.sources
    other = replace(problem, sources=[(factor * y, x), second])
    plain, scaled = model_of(problem).fit(), model_of(other).fit()
    np.testing.assert_allclose(scaled.params, plain.params, rtol=1e-8)
    np.testing.assert_allclose(scaled.bse, plain.bse, rtol=1e-8)


# What noise and knowledge are worth


def linear(y: Array, guess: Array, x: Array, labeled: Any) -> dense.Problem:
    return dense.Problem(y, x, labeled, [(guess, x)], sm.families.Gaussian())


def test_noise_gets_next_to_nothing() -> None:
    """
    A source that knows nothing, in 150 draws.

    Left out, a coefficient fitted to noise predicts worse than none as often as not,
    so that half of the shares are next to zero. The full regression would cost about
    p / n, 7 %, of the mean squared error.
    """
    rng = np.random.default_rng(15)
    n_units, n = 600, 60
    x = np.column_stack([np.ones(n_units), *rng.normal(size=(3, n_units))])
    shares, plain, augmented = [], [], []
    for _ in range(150):
        y, guess = rng.normal(size=(2, n_units))
        model = model_of(linear(y, guess, x, np.arange(n_units) < n))
        result, stacked = stacked_of(model)
        shares.append(stacked.shares)
        plain.append(result.real_only.params)
        augmented.append(result.params)
    # Shares are at most 1 in sum: their means are known to about .03.
    assert np.median(np.sum(shares, axis=1)) < 0.1
    assert np.mean(shares, axis=0).sum() < 0.3
    # Both estimates share nearly all of their noise, so that chance in their ratio is
    # a fifth of the 8 % that it has in either.
    assert np.mean(np.square(augmented)) / np.mean(np.square(plain)) < 1.03


def test_with_many_labels_the_coefficients_are_those_of_least_squares() -> None:
    """
    With noise that depends on x the best A is no multiple of the identity.

    The share of the full regression goes to one, its penalty to zero at the rate 1/n.
    A hundred times as many labels are some hundred times nearer; chance in the rows
    accounts for a factor of three.
    """
    rng = np.random.default_rng(16)
    distance = {}
    for n in (300, 30_000):
        x = np.column_stack([np.ones(2 * n), rng.normal(size=2 * n)])
        y = rng.normal(size=2 * n)
        guess = y + 2.0 * x[:, 1] * rng.normal(size=2 * n)
        labeled = np.arange(2 * n) < n
        _, stacked = stacked_of(model_of(linear(y, guess, x, labeled)))
        first = x[:n]
        rows = []
        for v in (y, guess):
            own = np.linalg.lstsq(first, v[:n], rcond=None)[0]
            scores = first * (v[:n] - first @ own)[:, None]
            rows.append(scores @ np.linalg.inv(first.T @ first))
        best = np.linalg.lstsq(rows[1], rows[0], rcond=None)[0].T
        distance[n] = np.abs(stacked.matrix - best).max()
    assert distance[30_000] < distance[300] / 30
    assert distance[300] > 1e-4  # at rounding there would be no rate to see
    assert stacked.shares[0] > 0.99


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("n", [30, 100])
def test_a_perfect_source_is_believed_but_for_two_units(n: int) -> None:
    """
    The source repeats the labels, which see what all units see: there is no floor.

    Either regression has a gain of n / (n + 2). One unit of what all units say is in
    the source's estimate besides, so that its rows are smaller by n / (n + 1). Of
    that, 1 - 2 / F is certain, with F = n p. Leverage changes it by some 1 / n^2.
    """
    rng = np.random.default_rng(17)
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    x, y = np.tile(x, (20, 1)), np.tile(rng.normal(size=n), 20)
    _, stacked = stacked_of(model_of(linear(y, y, x, np.arange(20 * n) < n)))
    expected = (1 - 2 / (2 * n)) * (n + 1) / (n + 2) * np.eye(2)
    np.testing.assert_allclose(stacked.matrix, expected, atol=4 / n**2)

"""Negative binomial regression with estimated dispersion as a target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import DataError, SeparationError
from statsmodels_synth.problem.scores.negative_binomial import exact_factors
from statsmodels_synth.scores import NegativeBinomial2
from tests.problem.test_predictors import GeneralProblem, model_of
from tests.reference import dense, loops
from tests.reference.dense import Array


def data(seed: int, n: int = 250) -> tuple[Array, Array, Array, Array]:
    """Counts, regressors, hours of exposure, and the means that counts are about."""
    rng = np.random.default_rng(seed)
    x = sm.add_constant(rng.normal(size=(n, 2)))
    hours = rng.uniform(1.0, 3.0, n)
    mean = np.exp(x @ [0.8, 0.4, 0.2]) * hours * rng.gamma(2.0, 0.5, n)
    return rng.poisson(mean).astype(float), x, hours, mean


@pytest.mark.parametrize("exposed", [False, True])
def test_labels_alone_are_negativebinomial(exposed: bool) -> None:
    y, x, hours, _ = data(1)
    given = {"exposure": hours} if exposed else {}
    result = AugmentedGMM(y, x, score=NegativeBinomial2(), **given).fit(
        use_correction=False
    )
    peer = sm.NegativeBinomial(y, x, **given).fit(
        disp=0, cov_type="HC0", maxiter=500, method="newton"
    )
    alpha = peer.params[-1]
    np.testing.assert_allclose(
        result.params, np.append(peer.params[:-1], np.log(alpha)), rtol=1e-6
    )
    # The standard error of a logarithm is that of the number over the number.
    np.testing.assert_allclose(
        result.bse, np.append(peer.bse[:-1], peer.bse[-1] / alpha), rtol=1e-6
    )
    own = {"exposure": 2.0} if exposed else {}
    np.testing.assert_allclose(
        result.predict(x[:5], **own),
        peer.predict(x[:5], **({"exposure": np.full(5, 2.0)} if exposed else {})),
        rtol=1e-6,
    )
    assert list(result.model.param_names) == ["const", "x1", "x2", "lnalpha"]


def test_factors_are_the_derivatives_of_the_likelihood() -> None:
    y, x, _, _ = data(2, 40)
    at = np.array([0.5, 0.3, -0.2, np.log(0.7)])
    linear = np.column_stack([x @ at[:-1], np.full(40, at[-1])])
    step = 1e-5

    def moved(j: int) -> list[Array]:
        shift = np.zeros(2)
        shift[j] = step
        return [linear - shift, linear + shift]

    def logarithm(where: Array) -> Array:
        size = np.exp(-where[:, 1])
        return np.asarray(
            stats.nbinom.logpmf(y, size, size / (size + np.exp(where[:, 0])))
        )

    # Central differences: an error of the square of the step.
    close = {"rtol": 1e-6, "atol": 1e-7}
    for j in range(2):
        low, high = (logarithm(where) for where in moved(j))
        factor, _ = exact_factors(y, linear)
        np.testing.assert_allclose(factor[:, j], (high - low) / (2 * step), **close)
        for own in (y, y + 0.25):  # looked up, and computed
            _, slope = exact_factors(own, linear)
            low, high = (exact_factors(own, where)[0] for where in moved(j))
            np.testing.assert_allclose(
                slope[:, :, j], (high - low) / (2 * step), **close
            )


def problem_of(seed: int, n: int = 500, n_labels: int = 110) -> GeneralProblem:
    rng = np.random.default_rng(seed)
    y, x, _, mean = data(seed, n)
    labeled = np.zeros(n, dtype=bool)
    labeled[rng.choice(n, n_labels, replace=False)] = True
    sources = [(np.round(0.7 * mean), x), (rng.poisson(mean).astype(float), x)]
    own = NegativeBinomial2()
    return GeneralProblem(y, x, labeled, sources, None, own=own)


class FromLabels(GeneralProblem):
    """Starts where the package does: zero is far away."""

    def start(self) -> Array:
        parts = [(self.y[self.labeled], self.x[self.labeled]), *self.sources]
        return np.concatenate([self.own.start(*part) for part in parts])


def told(problem: GeneralProblem, score: object) -> FromLabels:
    return FromLabels(**(vars(problem) | {"own": score}))


def test_with_sources_it_is_the_dense_derivation() -> None:
    problem = problem_of(3)
    model = model_of(problem)
    found = model.fit(**dense.PAPER)
    expected = dense.fit(told(problem, model.target_score))
    # Both solve to rounding; the dense Jacobian is a difference of fourth order.
    np.testing.assert_allclose(found.params, expected["params"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.bse, np.sqrt(np.diag(expected["cov"])), rtol=1e-6)


def test_the_default_equals_the_plain_loops() -> None:
    problem = problem_of(4, 300, 80)
    model = model_of(problem)
    found = model.fit()
    expected = loops.fit(told(problem, model.target_score))
    # Numeric derivatives there.
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        np.asarray(found.cov_params()), expected.covariance, rtol=1e-4, atol=1e-8
    )


def test_weights_count_rows() -> None:
    y, x, _, _ = data(5)
    whole = np.where(np.arange(len(y)) % 3 == 0, 2.0, 1.0)
    at = np.repeat(np.arange(len(y)), whole.astype(int))
    found = AugmentedGMM(y, x, weights=whole, score=NegativeBinomial2()).fit()
    expected = sm.NegativeBinomial(y[at], x[at]).fit(
        disp=0, method="newton", maxiter=500
    )
    np.testing.assert_allclose(found.params[:-1], expected.params[:-1], rtol=1e-6)
    assert np.exp(found.params[-1]) == pytest.approx(expected.params[-1], rel=1e-6)


def test_a_source_of_means_has_no_dispersion_and_helps() -> None:
    y, x, _, mean = data(6, 1500)
    labels = np.where(np.arange(1500) < 200, y, np.nan)
    sources = {"llm": (np.round(mean), x)}
    result = AugmentedGMM(labels, x, sources, score=NegativeBinomial2()).fit()
    assert result.converged
    assert np.all(np.asarray(result.variance_reduction) > 0.2)
    # In its own score at the dispersion of the labels, one step.
    score = result.model.target_score
    assert score._labels is not None
    eta = np.asarray(result.naive_params)[0]
    linear = np.column_stack([x @ eta[:-1], np.full(1500, eta[-1])])
    factor, _ = score.factors(sources["llm"][0], linear)
    np.testing.assert_allclose(factor.mean(axis=0), 0.0, atol=1e-8)


@pytest.mark.parametrize("options", [{}, {"method": "eyex"}, {"at": "mean"}])
def test_marginal_effects_are_those_of_statsmodels(options: dict[str, Any]) -> None:
    y, x, _, _ = data(4, 400)
    found = AugmentedGMM(y, x, score=NegativeBinomial2()).fit(use_correction=False)
    own = found.get_margeff(**options)
    peer = sm.NegativeBinomial(y, x).fit(disp=0, method="newton", maxiter=500)
    np.testing.assert_allclose(own.margeff, peer.get_margeff(**options).margeff, 1e-5)
    # By the delta method, with the robust covariance of the coefficients.
    cov = np.asarray(found.cov_params())
    theirs = peer.model.fit(disp=0, method="newton", maxiter=500, cov_type="HC0")
    np.testing.assert_allclose(cov[:2, :2], theirs.cov_params()[:2, :2], rtol=1e-4)
    np.testing.assert_allclose(
        own.frame["conditional"], theirs.get_margeff(**options).margeff_se, rtol=2e-2
    )


@pytest.mark.parametrize("spread", ["none", "Poisson"])
def test_counts_that_vary_no_more_than_poissons(spread: str) -> None:
    rng = np.random.default_rng(7)
    x = sm.add_constant(rng.normal(size=200))
    mean = np.exp(x @ [1.0, 0.3])
    y = np.round(mean) if spread == "none" else rng.binomial(20, mean / 20.0)
    with pytest.raises(DataError, match=r"vary no more .*\n?.*sm.families.Poisson"):
        AugmentedGMM(y.astype(float), x, score=NegativeBinomial2())


def test_little_dispersion_has_an_estimate() -> None:
    """Newton's method does not run past a maximum near zero."""
    rng = np.random.default_rng(0)
    x = sm.add_constant(rng.normal(size=3000))
    y = rng.poisson(np.exp(x @ [2.0, 0.3]) * rng.gamma(50.0, 0.02, 3000)).astype(float)
    found = AugmentedGMM(y, x, score=NegativeBinomial2()).fit(use_correction=False)
    peer = sm.NegativeBinomial(y, x).fit(disp=0, method="newton", maxiter=500)
    assert np.exp(found.params[-1]) == pytest.approx(peer.params[-1], rel=1e-6)


def test_counts_are_not_negative() -> None:
    y, x, _, _ = data(8)
    y[3] = -1.0
    with pytest.raises(DataError, match="0 or above for the negative binomial model"):
        AugmentedGMM(y, x, score=NegativeBinomial2())


def test_a_column_that_tells_zeros_is_named() -> None:
    y, x, _, _ = data(10, 400)
    rare = (np.arange(400) % 8 == 0).astype(float)
    exog = np.column_stack([x, rare])
    zeros = np.where(rare == 1.0, 0.0, y)
    labels = np.where(np.arange(400) < 120, zeros, np.nan)
    with pytest.raises(SeparationError, match="the labelled units: 'x3' tells"):
        AugmentedGMM(labels, exog, {"llm": (y, exog)}, score=NegativeBinomial2()).fit()
    labels = np.where(np.arange(400) < 120, y, np.nan)
    sources = {"llm": (zeros, exog)}
    with pytest.raises(SeparationError, match="source 'llm': 'x3' tells"):
        AugmentedGMM(labels, exog, sources, score=NegativeBinomial2()).fit()
    with pytest.raises(DataError, match="All 120 labels are 0"):
        AugmentedGMM(0.0 * labels, exog, sources, score=NegativeBinomial2())

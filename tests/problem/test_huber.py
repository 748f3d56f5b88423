"""Huber's robust regression as a target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.scores import Huber
from tests.problem.test_predictors import GeneralProblem, model_of
from tests.reference import dense
from tests.reference.dense import Array


def data(seed: int, n: int = 201) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = sm.add_constant(rng.normal(size=(n, 2)))
    return x @ [1.0, 0.5, 0.2] + rng.standard_t(2, size=n), x


@pytest.mark.parametrize("t", [1.345, 2.0])
def test_labels_alone_are_rlm(t: float) -> None:
    y, x = data(1)
    result = AugmentedGMM(y, x, score=Huber(t)).fit(use_correction=False)
    peer = sm.RLM(y, x, M=sm.robust.norms.HuberT(t)).fit(tol=1e-14, maxiter=500)
    np.testing.assert_allclose(result.params, peer.params, rtol=1e-8)
    assert result.model.target_score.scale == pytest.approx(peer.scale, rel=1e-8)


def test_standard_errors_are_the_sandwich() -> None:
    """RLM's own take errors for alike in all rows."""
    y, x = data(2)
    result = AugmentedGMM(y, x, score=Huber()).fit(use_correction=False)
    residual = y - x @ np.asarray(result.params)
    bound = 1.345 * result.model.target_score.scale
    bread = np.linalg.inv((x * (np.abs(residual) <= bound)[:, None]).T @ x)
    psi = x * np.clip(residual, -bound, bound)[:, None]
    np.testing.assert_allclose(
        result.cov_params(), bread @ psi.T @ psi @ bread, rtol=1e-8
    )


def test_with_a_wide_bound_it_is_least_squares() -> None:
    y, x = data(3)
    labels = np.where(np.arange(len(y)) < 80, y, np.nan)
    sources = {"llm": (y + 0.5 * x[:, 2], x)}
    found, expected = (
        AugmentedGMM(labels, x, sources, **target).fit()
        for target in ({"score": Huber(scale=1e6)}, {})
    )
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-8)
    # Least squares knows that its score is linear in y, where few quantiles stand for
    # all outcomes here.
    np.testing.assert_allclose(found.bse, expected.bse, rtol=2e-2)


def test_weights_and_offset_enter_the_scale() -> None:
    y, x = data(4, 200)
    shift = 3.0 * np.arange(200)
    whole = np.where(np.arange(200) % 3 == 0, 2.0, 1.0)
    found = AugmentedGMM(y + shift, x, offset=shift, weights=whole, score=Huber())
    at = np.repeat(np.arange(200), whole.astype(int))
    expected = AugmentedGMM(y[at], x[at], score=Huber())
    scales = [m.target_score.scale for m in (found, expected)]
    assert scales[0] == pytest.approx(scales[1], rel=1e-10)
    np.testing.assert_allclose(found.fit().params, expected.fit().params, rtol=1e-8)


class OneColumn:
    """Huber's score, for derivations that have an axis of linear predictors."""

    def __init__(self, own: Huber) -> None:
        self.own = own

    def factors(self, endog: Array, linear: Array) -> tuple[Array, Array]:
        factor, slope = self.own.factors(endog, linear[:, 0])
        return factor[:, None], slope[:, None, None]


def test_with_sources_it_is_the_dense_derivation() -> None:
    y, x = data(5, 600)
    rng = np.random.default_rng(5)
    labeled = np.zeros(600, dtype=bool)
    labeled[rng.choice(600, 120, replace=False)] = True
    sources = [(0.7 * y + rng.normal(size=600), x), (y + rng.normal(size=600), x)]
    problem = GeneralProblem(y, x, labeled, sources, None, own=Huber(1.5))
    model = model_of(problem)
    found = model.fit(**dense.PAPER)
    expected = dense.fit(replace(problem, own=OneColumn(model.target_score)))
    # The dense Jacobian is numeric, across the kinks of the score.
    error = np.sqrt(np.diag(expected["cov"]))
    np.testing.assert_allclose(found.params, expected["params"], atol=2e-3 * error[0])
    np.testing.assert_allclose(found.bse, error, rtol=5e-3)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"t": 0}, "t=0 of Huber must be a number above 0"),
        ({"t": "1"}, None),
        ({"t": -1.0}, "t=-1.0 of Huber"),
        ({"t": None}, "t=None of Huber"),
        ({"scale": 0.0}, "scale=0.0 of Huber"),
        ({"scale": "mad"}, "scale='mad' of Huber"),
        ({"scale": np.inf}, "scale=inf of Huber"),
        ({"scale": True}, "scale=True of Huber"),
    ],
)
def test_constants_are_above_zero(given: dict[str, Any], text: str | None) -> None:
    if text is None:
        assert Huber(**given).t == 1.0
        return
    with pytest.raises(OptionError, match=text):
        Huber(**given)


def test_no_scale_where_half_of_the_labels_are_fitted_exactly() -> None:
    y = np.where(np.arange(60) < 45, 2.0, np.arange(60.0))
    with pytest.raises(DataError, match=r"Half of the labels .* Huber\(scale=...\)"):
        AugmentedGMM(y, np.ones((60, 1)), score=Huber())
    assert AugmentedGMM(y, np.ones((60, 1)), score=Huber(scale=1.0)).fit().converged


@pytest.mark.parametrize("draw", [28, 37, 104])
def test_a_minimum_at_a_kink_is_found(draw: int) -> None:
    """Gauss-Newton steps would lead to and fro across it until they run out."""
    rng = np.random.default_rng(2)
    n = 900
    x = rng.normal(size=n)
    y = 0.5 + x + rng.standard_t(3, size=n)
    exog = np.column_stack([np.ones(n), x])
    sources = [
        (0.3 + 0.8 * y + 0.4 * rng.normal(size=n), exog),
        (y + rng.normal(size=n), exog),
    ]
    labeled = np.random.default_rng(draw).permutation(n) < 150
    problem = GeneralProblem(y, exog, labeled, sources, None, own=Huber())
    model = model_of(problem)
    found = model.fit(**dense.PAPER)
    assert found.converged
    expected = dense.fit(replace(problem, own=OneColumn(model.target_score)))
    error = np.sqrt(np.diag(expected["cov"]))
    np.testing.assert_allclose(found.params, expected["params"], atol=1e-2 * error[0])

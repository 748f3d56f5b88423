"""Regressors whose mean is 1e5 times their spread: the numbers of centred ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.core.messages import muted
from statsmodels_synth.exceptions import SynthWarning
from statsmodels_synth.problem.scores.moments import inverse_parts
from statsmodels_synth.problem.scores.predictors import centring
from statsmodels_synth.scores import AverageTreatmentEffect, Huber, Quantile
from tests.reference.dense import Array

FAR = 1e5


def study(far: float, n_units: int = 1200) -> pd.DataFrame:
    """An experiment with an instrument, whose regressors are so far from zero."""
    rng = np.random.default_rng(3)
    z1, z2, u, x, e, v, s1, s2 = rng.normal(size=(8, n_units))
    d = 0.8 * z1 + 0.5 * z2 + u + 0.3 * x + v
    t = (rng.uniform(size=n_units) < 0.5).astype(float)
    y = 1.0 + 0.5 * d + 0.3 * x + 0.4 * t + u + e
    units = pd.DataFrame({"z1": z1, "z2": z2, "x": x, "d": d, "d_llm": d + 0.3 * s2})
    units += far
    units = units.assign(t=t, y=y, y_llm=y + 0.5 * s1 + 0.2)
    units["c"] = np.arange(n_units) // 10
    units["p"] = np.where(np.arange(n_units) % 3 == 0, 0.35, 0.15)
    units["s"] = np.arange(n_units) % 3
    labeled = rng.uniform(size=n_units) < units["p"]
    return units.assign(y=units["y"].where(labeled), d=units["d"].where(labeled))


def least_squares(theta: Array, rows: pd.DataFrame) -> Array:
    r = np.asarray(rows["y"] - theta[0] - theta[1] * rows["x"])
    return np.column_stack([r, r * rows["x"]])


def its_derivative(theta: Array, rows: pd.DataFrame) -> Array:
    x = np.column_stack([np.ones(len(rows)), rows["x"]])
    return -x[:, :, None] * x[:, None, :]


def formula(text: str, *proxied: str, score: Any = None) -> Callable[..., Any]:
    """A model by a formula, with a source of these columns."""

    def make(far: float, **options: Any) -> Any:
        units = study(far)
        # Units that lack a variable that is not in the model would not count.
        units = units if "d" in proxied else units.drop(columns="d")
        source = {"llm": {name: f"{name}_llm" for name in proxied}}
        return AugmentedGMM.from_formula(text, units, source, score=score, **options)

    return make


def equations(derivative: Any) -> Callable[..., Any]:
    """A model by equations."""

    def make(far: float, **options: Any) -> Any:
        units = study(far).drop(columns="d")
        start = {"a": 1.0 - 0.3 * far, "x": 0.3}
        return AugmentedGMM.from_moments(
            *(least_squares, units, {"llm": {"y": "y_llm"}}),
            start=start,
            derivative=derivative,
            **options,
        )

    return make


#: Name: the model, and its coefficients that do not depend on where zero is.
MODELS: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "just": (formula("y ~ x + [d ~ z1]", "y", "d"), ["x", "d"]),
    "over": (formula("y ~ x + [d ~ z1 + z2]", "y", "d"), ["x", "d"]),
    "adjusted": (formula("y ~ t + x", "y", score=AverageTreatmentEffect("t")), ["ATE"]),
    "AIPW": (
        formula("y ~ t + x", "y", score=AverageTreatmentEffect("t", 0.5)),
        ["ATE"],
    ),
    "logit": (
        formula("y ~ t + x", "y", score=AverageTreatmentEffect("t", "logit")),
        ["ATE", "control:x", "treated:x"],
    ),
    "median": (formula("y ~ x + t", "y", score=Quantile(0.5)), ["x", "t"]),
    "Huber": (formula("y ~ x + t", "y", score=Huber()), ["x", "t"]),
    "equations": (equations(None), ["x"]),
    "with derivative": (equations(its_derivative), ["x"]),
}
CLUSTERS = {"cov_type": "cluster", "cov_kwds": {"groups": "c"}}
DESIGNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "simple": ({}, {}),
    "probabilities": ({"labeling_prob": "p"}, {}),
    "strata": ({"strata": "s"}, {}),
    "clusters": ({}, CLUSTERS),
    "both": ({"labeling_prob": "p"}, CLUSTERS),
    "paper": ({}, {"use_correction": False}),
}


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("name", MODELS)
def test_the_numbers_are_those_of_centred_regressors(name: str, design: str) -> None:
    make, terms = MODELS[name]
    options, fit = DESIGNS[design]
    with muted(SynthWarning):
        near, far = (make(at, **options).fit(**fit) for at in (0.0, FAR))
    assert far.source_names == near.source_names == ["llm"]
    # A mean of squares is 1e10 times a variance here, so that 1e-16 becomes 1e-6 of it,
    # times what a design multiplies it by. The first step of the paper's estimator has
    # the weight of another basis, which moves it by a share of the second order.
    tolerance = 5e-3 if design == "paper" else 1e-4
    for own, other in ((far, near), (far.real_only, near.real_only)):
        error = np.abs(own.params[terms] - other.params[terms]) / other.bse[terms]
        assert error.max() < tolerance
        np.testing.assert_allclose(own.bse[terms], other.bse[terms], rtol=tolerance)
        # Of one's own equations nobody knows where the centre is.
        np.testing.assert_allclose(
            own.df_inference[terms],
            other.df_inference[terms],
            rtol=0.1 if "x" in terms and len(terms) == 1 else 10 * tolerance,
        )


@pytest.mark.parametrize("name", ["over", "AIPW", "median"])
def test_ten_times_as_far_it_is_still_close(name: str) -> None:
    make, terms = MODELS[name]
    with muted(SynthWarning):
        near, far = (make(at).fit() for at in (0.0, 10.0 * FAR))
    assert far.source_names == ["llm"]
    # Rounding is a hundred times as large.
    error = np.abs(far.params[terms] - near.params[terms]) / near.bse[terms]
    assert error.max() < 1e-2
    np.testing.assert_allclose(far.bse[terms], near.bse[terms], rtol=1e-2)


@pytest.mark.parametrize("design", ["simple", "both"])
def test_the_test_of_anderson_and_rubin(design: str) -> None:
    options, fit = DESIGNS[design]
    with muted(SynthWarning):
        near, far = (
            MODELS["over"][0](at, **options).fit(**fit).anderson_rubin(0.3)
            for at in (0.0, FAR)
        )
    assert far.fvalue == pytest.approx(near.fvalue, rel=1e-3)
    np.testing.assert_allclose(far.confidence_set, near.confidence_set, rtol=1e-4)


@pytest.mark.parametrize("fit", [{}, {"use_correction": False}, CLUSTERS])
def test_a_difference_of_means_uses_its_source(fit: dict[str, Any]) -> None:
    """A parameter that is a function of others is no reason to drop a source."""
    units = study(0.0).drop(columns="d")
    source = {"llm": {"y": "y_llm"}}
    score = AverageTreatmentEffect("t")
    with muted(SynthWarning):
        found = AugmentedGMM.from_formula("y ~ t", units, source, score=score).fit(
            **fit
        )
        peer = AugmentedGMM.from_formula("y ~ t", units, source).fit(**fit)
    assert found.source_names == ["llm"]
    assert found.real_only.params["ATE"] == pytest.approx(peer.real_only.params["t"])
    # Each arm has its own variance, so that the sources count a little otherwise.
    assert abs(found.params["ATE"] - peer.params["t"]) < 0.25 * peer.bse["t"]
    assert found.bse["ATE"] == pytest.approx(peer.bse["t"], rel=0.05)
    assert found.params["ATE"] == pytest.approx(
        found.params["treated:Intercept"] - found.params["control:Intercept"]
    )


def test_parts_of_an_inverse() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(50), rng.normal(size=(50, 2)) + FAR])
    first, second, condition = inverse_parts(x.T @ x)
    # The condition is about 1e10, in which rounding of 1e-16 is 1e-6.
    np.testing.assert_allclose(first @ (x.T @ x) @ second, np.eye(3), atol=1e-4)
    assert 1e8 < condition < 1e12
    own = centring(x, np.ones(50))
    np.testing.assert_allclose((x @ own)[:, 1:].mean(axis=0), 0.0, atol=1e-9)
    assert np.array_equal(centring(x[:, 1:], np.ones(50)), np.eye(2))
    assert np.array_equal(centring(x[:0], np.ones(0)), np.eye(3))
    assert inverse_parts(np.zeros((2, 2)))[2] == np.inf

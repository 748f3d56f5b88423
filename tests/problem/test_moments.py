"""Estimating equations of all columns of a row: from_moments()."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import (
    CollinearityError,
    DataError,
    OptionError,
    SynthError,
)
from tests.reference import dense, loops
from tests.reference.dense import Array

#: A mixture of the two equations: its derivative is not symmetric.
MIXED = np.array([[2.0, 1.0], [-0.5, 3.0]])
START = {"Intercept": 0.0, "x": 0.0}


def frame(seed: int = 0, n_units: int = 900, n_labels: int = 150) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_units)
    units = pd.DataFrame({"x": x, "g": np.arange(n_units) % 3})
    units["c"] = np.arange(n_units) // 9
    units["w"] = rng.uniform(0.5, 2.0, n_units)
    truth = 1.0 + 0.5 * x + rng.normal(size=n_units) * (1.0 + 0.4 * np.abs(x))
    units["llm"] = truth + 0.5 * rng.normal(size=n_units) + 0.2
    units["other"] = 0.5 * truth + rng.normal(size=n_units)
    labeled = rng.permutation(n_units) < n_labels
    units["y"] = np.where(labeled, truth, np.nan)
    return units


def residual(theta: Array, rows: pd.DataFrame) -> Array:
    return np.asarray(rows["y"] - theta[0] - theta[1] * rows["x"])


def least_squares(theta: Array, rows: pd.DataFrame) -> Array:
    r = residual(theta, rows)
    return np.column_stack([r, r * rows["x"]])


def mixed(theta: Array, rows: pd.DataFrame) -> Array:
    return least_squares(theta, rows) @ MIXED.T


SOURCES = {"a": {"y": "llm"}, "b": {"y": "other"}}
FITS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({}, {"use_correction": False}),
    ({}, {"maxiter": "cue"}),
    ({"strata": "g"}, {}),
    ({"weights": "w"}, {}),
    ({}, {"cov_type": "cluster", "cov_kwds": {"groups": "c"}}),
    ({}, {"population": "finite"}),
]


@pytest.mark.parametrize(("options", "fit"), FITS)
@pytest.mark.parametrize("psi", [least_squares, mixed])
def test_least_squares_as_equations(
    psi: Callable[..., Any], options: dict[str, Any], fit: dict[str, Any]
) -> None:
    units = frame()
    expected = AugmentedGMM.from_formula("y ~ x", units, SOURCES, **options).fit(**fit)
    found = AugmentedGMM.from_moments(psi, units, SOURCES, start=START, **options).fit(
        **fit
    )
    # The first step of the two-step estimator has the weight of another basis, which
    # moves the estimate by a share of the second order.
    tolerance = 1e-6 if fit.get("use_correction") is False else 1e-9
    np.testing.assert_allclose(found.params, expected.params, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-6)


@dataclass(frozen=True)
class _Rows:
    """A model of the dense derivations: the equations, in the metric of the labels."""

    frame: pd.DataFrame
    psi: Callable[..., Any]
    metric: Array

    def score_obs(self, params: Array, scale: float) -> Array:
        return np.asarray(self.psi(params, self.frame)) @ self.metric.T


@dataclass(frozen=True)
class EquationsProblem(dense.Problem):
    """The problem of the dense derivations, of any equations."""

    psi: Any = None
    metric: Any = None
    begin: Any = None
    columns: tuple[str, ...] = ()

    @property
    def k_params(self) -> int:
        return len(self.begin)

    def model(self, y: Array, x: Array, rows: Any) -> Any:
        own = pd.DataFrame(x, columns=list(self.columns)).assign(y=y)
        return _Rows(own, self.psi, self.metric)

    def start(self) -> Array:
        return np.tile(self.begin, 1 + len(self.sources))


def ratio_and_spread(theta: Array, rows: pd.DataFrame) -> Array:
    """Ratio of two means, a mean, and the variance about it: nothing is symmetric."""
    y, x = rows["y"].to_numpy(), rows["x"].to_numpy()
    ratio, mean, variance = theta
    return np.column_stack(
        [y - ratio * (x + 3.0), y - mean, (y - mean) ** 2 - variance + 0.1 * ratio * x]
    )


def dense_problem(seed: int) -> tuple[EquationsProblem, AugmentedGMM]:
    units = frame(seed, 400, 90)
    # Few outcomes: those of other units are then met one by one, without quantiles.
    units[["llm", "other"]] = units[["llm", "other"]].round()
    other = units.assign(x=units["x"] + 0.3 * units["w"], y=units["other"])
    model = AugmentedGMM.from_moments(
        ratio_and_spread,
        units,
        proxy={"a": {"y": "llm"}, "b": other[["y", "x"]]},
        start=[0.3, 1.0, 1.0],
    )
    x = units[["x"]].to_numpy()
    problem = EquationsProblem(
        units["y"].to_numpy(),
        x,
        units["y"].notna().to_numpy(),
        [
            (units["llm"].to_numpy(), x),
            (other["y"].to_numpy(), other[["x"]].to_numpy()),
        ],
        None,
        psi=ratio_and_spread,
        metric=model.target_score.metric,
        begin=model.target_score.point,
        columns=("x",),
    )
    return problem, model


def test_the_papers_estimator_equals_the_dense_derivation() -> None:
    problem, model = dense_problem(3)
    found, expected = model.fit(**dense.PAPER), dense.fit(problem)
    # Both solve to rounding; the dense Jacobian is a difference of fourth order.
    np.testing.assert_allclose(found.params, expected["params"], rtol=1e-6)
    np.testing.assert_allclose(found.bse, np.sqrt(np.diag(expected["cov"])), rtol=1e-6)
    assert found.jtest().statistic == pytest.approx(expected["J"], rel=1e-6)


def test_the_default_equals_the_plain_loops() -> None:
    problem, model = dense_problem(4)
    found, expected = model.fit(), loops.fit(problem)
    # Numeric derivatives on both sides.
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-6)
    np.testing.assert_allclose(
        np.asarray(found.cov_params()), expected.covariance, rtol=1e-5, atol=1e-10
    )
    assert found.df_resid == pytest.approx(expected.df, rel=1e-6)


def test_clusters_equal_the_plain_loops() -> None:
    problem, model = dense_problem(5)
    groups = np.arange(400) % 25
    found = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
    expected = loops.fit(problem, groups)
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-6)
    np.testing.assert_allclose(
        np.asarray(found.cov_params()), expected.covariance, rtol=1e-5, atol=1e-10
    )


def test_without_sources_it_is_delicatessen() -> None:
    delicatessen = pytest.importorskip("delicatessen")
    units = frame(6).dropna()
    found = AugmentedGMM.from_moments(
        ratio_and_spread, units, start=[0.3, 1.0, 1.0], params=["r", "m", "v"]
    ).fit(use_correction=False)
    peer = delicatessen.MEstimator(
        lambda theta: ratio_and_spread(theta, units).T, init=[0.3, 1.0, 1.0]
    )
    peer.estimate()
    np.testing.assert_allclose(found.params, peer.theta, rtol=1e-8)
    # Its Jacobian is a forward difference.
    np.testing.assert_allclose(found.bse, np.sqrt(np.diag(peer.variance)), rtol=1e-6)
    assert list(found.params.index) == ["r", "m", "v"]


def test_parameters_of_very_different_size() -> None:
    units = frame(7).assign(income=lambda d: 1e6 * (3.0 + d["x"]))

    def psi(theta: Array, rows: pd.DataFrame) -> Array:
        r = np.asarray(rows["y"] - theta[0] - theta[1] * rows["income"])
        return np.column_stack([r, r * rows["income"]])

    found = AugmentedGMM.from_moments(psi, units, SOURCES, start=[0.0, 0.0]).fit()
    expected = AugmentedGMM.from_formula("y ~ income", units, SOURCES).fit()
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-6)


def test_a_derivative_of_ones_own() -> None:
    units = frame()

    def derivative(theta: Array, rows: pd.DataFrame) -> Array:
        x = np.column_stack([np.ones(len(rows)), rows["x"]])
        return -np.einsum("ij,rj,rk->rik", MIXED, x, x)

    given = AugmentedGMM.from_moments(
        mixed, units, SOURCES, start=START, derivative=derivative
    ).fit()
    numeric = AugmentedGMM.from_moments(mixed, units, SOURCES, start=START).fit()
    np.testing.assert_allclose(given.params, numeric.params, rtol=1e-8)
    np.testing.assert_allclose(given.bse, numeric.bse, rtol=1e-7)
    with pytest.raises(OptionError, match="derivative= is not the derivative of psi"):
        AugmentedGMM.from_moments(
            mixed,
            units,
            SOURCES,
            start=START,
            derivative=lambda t, rows: 1.1 * derivative(t, rows),
        )


def test_several_variables_that_people_coded() -> None:
    units = frame().assign(z=lambda d: (d["x"] > 0).where(d["y"].notna()))

    def share(theta: Array, rows: pd.DataFrame) -> Array:
        return np.asarray(rows.z * (rows.y - theta[0]))

    units["z_llm"] = units["x"] + 0.3 * units["other"] > 0
    model = AugmentedGMM.from_moments(
        share, units, proxy={"y": "llm", "z": "z_llm"}, start=[0.0]
    )
    labels = units.dropna()
    alone = labels.loc[labels["z"].astype(bool), "y"].mean()
    result = model.fit()
    own = model.fit(maxiter=1)
    assert own.params.iloc[0] == pytest.approx(alone)
    assert result.effective_nobs.iloc[0] > result.n_labeled


def test_many_sets_of_labels() -> None:
    units = frame(n_units=300)
    model = AugmentedGMM.from_moments(mixed, units, SOURCES, start=START)
    rng = np.random.default_rng(1)
    sets = np.column_stack(
        [
            np.where(rng.permutation(300) < 80, units["llm"] + units["w"], np.nan)
            for _ in range(2)
        ]
    )
    for k, result in enumerate(model.fit_many(sets)):
        own = AugmentedGMM.from_moments(
            mixed, units.assign(y=sets[:, k]), SOURCES, start=START
        ).fit()
        np.testing.assert_allclose(result.params, own.params, rtol=1e-9)


def test_dask_equals_memory() -> None:
    dd = pytest.importorskip("dask.dataframe")
    units = frame()[["x", "y", "llm"]]
    found, expected = (
        AugmentedGMM.from_moments(
            mixed, data, {"y": "llm"}, start=START, variables=["y", "x"]
        ).fit()
        for data in (dd.from_pandas(units, npartitions=3), units)
    )
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-8)
    np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-7)


def test_analyses() -> None:
    result = AugmentedGMM.from_moments(mixed, frame(), SOURCES, start=START).fit()
    usual = AugmentedGMM.from_formula("y ~ x", frame(), SOURCES).fit()
    names = ["labels only", "naive", "PPI++", "predict-then-debias", "GMM-Synth"]
    tables = [r.compare(names).table["estimate"] for r in (result, usual)]
    # PPI++ chooses a share in the metric of the scores, which is another one.
    some = [t[~t.index.get_level_values(1).str.contains("PPI")] for t in tables]
    np.testing.assert_allclose(some[0], some[1], rtol=1e-5)
    assert len(result.diagnostics().verdict) == len(usual.diagnostics().verdict)
    plans = [
        r.plan().expect([300]).set_index("coefficient")["std_err"]
        for r in (result, usual)
    ]
    np.testing.assert_allclose(plans[0], plans[1], rtol=5e-3)
    assert "Moments:" in str(result.summary())
    for method in (result.predict, result.get_prediction):
        with pytest.raises(OptionError, match="linear predictor"):
            method()


def one(theta: Array, rows: pd.DataFrame) -> Array:
    return np.asarray(rows["y"] - theta[0])


BAD: list[tuple[dict[str, Any], type[SynthError], str]] = [
    ({"psi": "y"}, OptionError, "psi is a str"),
    ({"start": []}, OptionError, "one finite number for each parameter"),
    ({"start": [np.nan]}, OptionError, "one finite number for each parameter"),
    ({"start": [0.0], "params": ["a", "b"]}, OptionError, "2 names and start= 1"),
    ({"start": [0.0, 0.0], "params": ["a", "a"]}, OptionError, "the same name"),
    ({"start": [0.0, 0.0]}, OptionError, r"shape \(150, 2\); it has shape \(150, 1\)"),
    ({"psi": lambda t, d: d["q"]}, DataError, "column 'q', which data does not have"),
    ({"psi": lambda t, d: np.ones(len(d))}, OptionError, "asked for no column"),
    ({"variables": ["yy"]}, DataError, "Did you mean 'y'"),
    ({"psi": lambda t, d: d["y"] * d["x"].mean()}, OptionError, "which other rows"),
    ({"psi": lambda t, d: d["y"] / 0.0 * t[0]}, DataError, "not finite at start="),
    ({"psi": lambda t, d: 1.0 + (d["y"] - t[0]) ** 2}, DataError, "no solution"),
    ({"offset": "x"}, OptionError, r"has no offset="),
    ({"score": 1}, OptionError, r"has no score="),
    (
        {"psi": lambda t, d: d["y"].to_numpy()[:, None] - t.sum(), "start": [0.0, 0.0]},
        OptionError,
        "shape",
    ),
]


@pytest.mark.parametrize(("change", "error", "match"), BAD)
def test_bad_input(change: dict[str, Any], error: type[SynthError], match: str) -> None:
    options: dict[str, Any] = {"psi": one, "start": [0.0], **change}
    psi = options.pop("psi")
    with np.errstate(all="ignore"), pytest.raises(error, match=match):
        AugmentedGMM.from_moments(psi, frame(), SOURCES, **options)


def test_equations_that_do_not_identify() -> None:
    def twice(theta: Array, rows: pd.DataFrame) -> Array:
        r = np.asarray(rows["y"] - theta[0] - theta[1])
        return np.column_stack([r, 2.0 * r])

    with pytest.raises(CollinearityError, match="do not identify"):
        AugmentedGMM.from_moments(twice, frame(), SOURCES, start=[0.0, 0.0])


def test_a_column_that_psi_asks_for_only_later() -> None:
    def sly(theta: Array, rows: pd.DataFrame) -> Array:
        return np.asarray(rows["y"] - theta[0] * (rows["x"] if len(rows) > 20 else 1.0))

    with pytest.raises(OptionError, match=r"variables=\[...\]"):
        AugmentedGMM.from_moments(sly, frame(), SOURCES, start=[0.0])


def test_the_model_of_a_weighted_quasi_likelihood() -> None:
    """A Poisson regression written by hand is sm.Poisson with robust errors."""
    units = frame().assign(y=lambda d: np.round(np.abs(d["y"])))

    def poisson(theta: Array, rows: pd.DataFrame) -> Array:
        x = np.column_stack([np.ones(len(rows)), rows["x"]])
        return x * np.asarray(rows["y"] - np.exp(x @ theta))[:, None]

    labels = units.dropna()
    found = AugmentedGMM.from_moments(poisson, labels, start=START).fit(
        use_correction=False
    )
    peer = sm.Poisson(labels["y"], sm.add_constant(labels["x"])).fit(
        disp=0, cov_type="HC0"
    )
    np.testing.assert_allclose(found.params, peer.params, rtol=1e-7)
    np.testing.assert_allclose(found.bse, peer.bse, rtol=1e-6)


def test_replicates_and_partial_coverage() -> None:
    units = frame()
    rng = np.random.default_rng(2)
    some = units.index[units["y"].notna() | (units["g"] > 0)]
    rows = units.loc[np.repeat(some, 2), ["x", "llm"]]
    rows = rows.assign(y=rows["llm"] + rng.normal(size=len(rows))).drop(columns="llm")
    results = [
        AugmentedGMM.from_moments(mixed, units, synthetic=rows, start=START).fit(),
        AugmentedGMM.from_formula("y ~ x", units, synthetic=rows).fit(),
    ]
    np.testing.assert_allclose(results[0].params, results[1].params, rtol=1e-8)

"""Quantile regression as a target."""

from __future__ import annotations

from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import (
    DiscreteOutcomeWarning,
    OptionError,
    SynthWarning,
)
from statsmodels_synth.problem.design import DesignRows, told_of
from statsmodels_synth.problem.scores.quantile import bandwidth, regression_quantile
from statsmodels_synth.scores import Quantile
from tests.reference.dense import Array

#: QuantReg stops when a step is smaller than its p_tol.
EXACT = {"p_tol": 1e-11, "max_iter": 50_000}


def units(seed: int, n_units: int = 901, n_labels: int = 151) -> pd.DataFrame:
    """Units with labels, two sources, of which one covers a part, and all else."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n_units)})
    frame["full"] = 0.5 + frame["x"] + rng.standard_t(3, size=n_units)
    frame["llm"] = 0.8 * frame["full"] + 0.5 * rng.normal(size=n_units) + 0.3
    frame["other"] = frame["full"] + rng.normal(size=n_units)
    frame.loc[rng.random(n_units) < 0.3, "other"] = np.nan
    frame["w"] = rng.uniform(0.5, 2.0, n_units)
    frame["shift"] = rng.normal(size=n_units)
    frame["g"], frame["c"] = np.arange(n_units) % 3, np.arange(n_units) // 9
    frame["prob"] = np.where(frame["llm"] > 1.0, 0.3, 0.1)
    chosen = rng.permutation(n_units) < n_labels
    frame["y"] = frame["full"].where(chosen)
    return frame


def design(frame: pd.DataFrame) -> Array:
    return sm.add_constant(frame[["x"]].to_numpy())


def is_best(tau: float, y: Array, x: Array, w: Array, params: Array) -> bool:
    """Whether zero is a subgradient: the rows on the line can make up for the rest."""
    residual = y - x @ params
    on = np.abs(residual) < 1e-9
    rest = (w * (tau - (residual < 0.0)))[~on] @ x[~on]
    if on.sum() != x.shape[1]:
        return False
    share = np.linalg.solve((x[on] * w[on, None]).T, -rest)
    return bool(np.all((share > tau - 1.0 - 1e-9) & (share < tau + 1e-9)))


@pytest.mark.parametrize("tau", [0.05, 0.5, 0.8])
@pytest.mark.parametrize("n", [60, 4_001, 30_000])
def test_the_programme_is_solved_exactly(tau: float, n: int) -> None:
    rng = np.random.default_rng(n)
    x = np.column_stack([np.ones(n), 100.0 + rng.normal(size=n), rng.normal(size=n)])
    x[:, 2] *= 0.01
    y = x @ [1.0, 0.1, 3.0] + rng.standard_t(3, size=n) * (1.0 + np.abs(x[:, 2]))
    for w in (np.ones(n), rng.uniform(0.2, 3.0, n)):
        assert is_best(tau, y, x, w, regression_quantile(tau, y, x, w))


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.75])
def test_labels_alone_are_quantreg(tau: float) -> None:
    frame = units(1).dropna(subset=["y"])
    y, x = frame["y"].to_numpy(), design(frame)
    found = AugmentedGMM(y, x, score=Quantile(tau)).fit(use_correction=False)
    peer = sm.QuantReg(y, x).fit(q=tau, **EXACT)
    np.testing.assert_allclose(found.params, peer.params, atol=1e-6)
    width = found.model.aligned.labeled.told[1].width
    assert width == pytest.approx(peer.bandwidth, rel=1e-6)


def test_with_a_constant_alone_standard_errors_are_those_of_quantreg() -> None:
    """With regressors the peer takes one density for all rows."""
    y = units(2)["y"].dropna().to_numpy()
    x = np.ones((len(y), 1))
    found = AugmentedGMM(y, x, score=Quantile(0.5)).fit(use_correction=False)
    peer = sm.QuantReg(y, x).fit(q=0.5, **EXACT)
    np.testing.assert_allclose(found.bse, peer.bse, rtol=1e-6)


def powell(tau: float, y: Array, x: Array, params: Array, w: Array) -> Array:
    """Covariance of Powell (1991), written down."""
    residual = y - x @ params
    width = bandwidth(tau, y, residual, None if np.ptp(w) == 0 else w, len(y))
    density = np.where(
        np.abs(residual) < width, 0.75 * (1 - (residual / width) ** 2) / width, 0.0
    )
    psi = tau - (residual < 1e-9)
    bread = np.linalg.inv((x * (w * density)[:, None]).T @ x)
    scores = x * (w * psi)[:, None]
    return np.asarray(bread @ scores.T @ scores @ bread)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tau", [0.3, 0.5])
def test_standard_errors_are_powells(tau: float, weighted: bool) -> None:
    frame = units(3).dropna(subset=["y"])
    y, x = frame["y"].to_numpy(), design(frame)
    w = frame["w"].to_numpy() if weighted else np.ones(len(y))
    given = {"weights": w} if weighted else {}
    model = AugmentedGMM(y, x, score=Quantile(tau), **given)
    found = model.fit(use_correction=False)
    assert is_best(tau, y, x, w, np.asarray(found.params))
    expected = powell(tau, y, x, np.asarray(found.params), w)
    np.testing.assert_allclose(found.cov_params(), expected, rtol=1e-8)


class Stacked:
    """All stacked moments at the exact estimates, with the T x (p + 2 M p) matrix."""

    def __init__(
        self, tau: float, labels: Array, x: Array, sources: list[Array]
    ) -> None:
        self.tau, self.x, self.sources = tau, x, sources
        self.labeled = np.flatnonzero(~np.isnan(labels))
        self.own, self.x_own = labels[self.labeled], x[self.labeled]
        self.theta = regression_quantile(tau, self.own, self.x_own, None)
        self.eta = np.array([regression_quantile(tau, s, x, None) for s in sources])
        self.widths = [(self.width(s[self.labeled]), self.width(s)) for s in sources]

    def width(self, y: Array) -> float:
        rows = self.x if len(y) == len(self.x) else self.x_own
        at = regression_quantile(self.tau, y, rows, None)
        return bandwidth(self.tau, y, y - rows @ at, None, len(y))

    def scores(self, y: Array, at: Array, h: float) -> tuple[Array, Array]:
        rows = self.x if len(y) == len(self.x) else self.x_own
        residual = y - rows @ at
        density = np.clip(1.0 - (residual / h) ** 2, 0.0, None) * 0.75 / h
        psi = self.tau - (residual <= 1e-9 * h)
        return rows * psi[:, None], -(rows * density[:, None]).T @ rows / len(self.x)

    def moments(self, theta: Array, eta: Array) -> tuple[Array, Array]:
        p, size = self.x.shape[1], len(self.sources)
        g = np.zeros((len(self.x), p * (1 + 2 * size)))
        jacobian = np.zeros((g.shape[1], p * (1 + size)))
        g[self.labeled, :p], jacobian[:p, :p] = self.scores(
            self.own, theta, self.width(self.own)
        )
        for m, s in enumerate(self.sources):
            rows, columns = p + 2 * m * p, slice(p + m * p, p + (m + 1) * p)
            for k, (y, at) in enumerate(((s[self.labeled], self.labeled), (s, ...))):
                block = slice(rows + k * p, rows + (k + 1) * p)
                g[at, block], jacobian[block, columns] = self.scores(
                    y, eta[m], self.widths[m][k]
                )
        return g, jacobian

    def step(self) -> tuple[Array, Array]:
        """
        Theta and eta after one step under the optimal weight.

        The mean score of the labels is zero at their estimate, as far as a sum of
        jumps can be.
        """
        g, jacobian = self.moments(self.theta, self.eta)
        mean, p = g.mean(axis=0), self.x.shape[1]
        mean[:p] = 0.0
        weight = np.linalg.inv(g.T @ g / len(g))
        moved = np.linalg.solve(
            jacobian.T @ weight @ jacobian, jacobian.T @ weight @ mean
        )
        return self.theta - moved[:p], self.eta - moved[p:].reshape(self.eta.shape)

    def covariance(self, theta: Array, eta: Array) -> Array:
        """Of theta; all units are at the first eta, as no pass is repeated."""
        (first, jacobian), (g, of_labels) = (
            self.moments(self.theta, self.eta),
            self.moments(theta, eta),
        )
        p, size = self.x.shape[1], len(self.sources)
        everyone = np.concatenate(
            [np.arange(p + (2 * m + 1) * p, p + (2 * m + 2) * p) for m in range(size)]
        )
        omega = g.T @ g / len(g)
        block = np.ix_(everyone, everyone)
        omega[block] = (first.T @ first / len(g))[block]
        jacobian[:p, :p] = of_labels[:p, :p]
        bread = np.linalg.inv(jacobian.T @ np.linalg.inv(omega) @ jacobian)
        return np.asarray(bread[:p, :p] / len(g))


@pytest.mark.parametrize("tau", [0.5, 0.7])
def test_with_sources_it_is_one_step_on_the_stacked_moments(tau: float) -> None:
    frame = units(4)
    x, names = design(frame), ["llm", "second"]
    frame["second"] = frame["full"] + np.random.default_rng(5).normal(size=len(frame))
    sources = {name: (frame[name].to_numpy(), x) for name in names}
    model = AugmentedGMM(frame["y"].to_numpy(), x, sources, score=Quantile(tau))
    found = model.fit(use_correction=False)
    stacked = Stacked(
        tau, frame["y"].to_numpy(), x, [frame[name].to_numpy() for name in names]
    )
    theta, eta = stacked.step()
    np.testing.assert_allclose(found.params, theta, atol=1e-8)
    np.testing.assert_allclose(found.auxiliary_params, eta, atol=1e-8)
    np.testing.assert_allclose(
        found.cov_params(), stacked.covariance(theta, eta), rtol=1e-6
    )


def test_what_a_source_says_alone_is_quantreg() -> None:
    frame = units(6)
    x = design(frame)
    model = AugmentedGMM(
        frame["y"].to_numpy(), x, {"llm": (frame["llm"], x)}, score=Quantile(0.3)
    )
    found = model.fit()
    peer = sm.QuantReg(frame["llm"], x).fit(q=0.3, **EXACT)
    # One step from the exact estimate, which sets a mean score to zero that is a sum of
    # jumps: it is off by up to p rows in 901.
    error = np.abs(np.asarray(found.naive_params)[0] - peer.params)
    assert np.all(error < 0.1 * peer.bse)


def test_ppi_is_the_step_of_prediction_powered_quantiles() -> None:
    """Angelopoulos et al. (2023) invert the rectified distribution function."""
    frame = units(7)
    x = np.ones((len(frame), 1))
    labels, said = frame["y"].to_numpy(), frame["llm"].to_numpy()
    known = ~np.isnan(labels)
    model = AugmentedGMM(labels, x, {"llm": (said, x)}, score=Quantile(0.5))
    table = model.fit().compare(["PPI"]).table
    own = labels[known]
    grid = np.sort(np.concatenate([own, said]))
    rectified = np.array(
        [
            (said[~known] <= at).mean()
            + (own <= at).mean()
            - (said[known] <= at).mean()
            for at in grid
        ]
    )
    inverted = grid[np.argmin(np.abs(rectified - 0.5))]
    # One step and the root differ by less than what chance does: a tenth of it.
    error = table["std_err"].iloc[0]
    assert abs(table["estimate"].iloc[0] - inverted) < 0.25 * error
    start = regression_quantile(0.5, own, x[known], None)[0]
    value = (
        (own <= start).mean()
        + (said[~known] <= start).mean()
        - (said[known] <= start).mean()
    )
    assert np.isfinite(value)


@pytest.mark.parametrize("tau", [0, 1, -0.2, 1.5, "median", None, True, float("nan")])
def test_a_quantile_is_between_0_and_1(tau: Any) -> None:
    with pytest.raises(OptionError, match="above 0 and below 1"):
        Quantile(tau)


def test_few_values_are_said_to_be_so() -> None:
    frame = units(8)
    frame["y"] = frame["y"].round()
    with pytest.warns(DiscreteOutcomeWarning, match="of the rows of the labels are on"):
        found = AugmentedGMM.from_formula(
            "y ~ 1", frame, {"y": "llm"}, score=Quantile(0.5)
        ).fit()
    share = (frame["y"] == found.real_only.params.iloc[0]).sum() / frame["y"].count()
    assert f"Discrete outcome: {share:.0%} of the rows of the labels" in str(
        found.summary()
    )
    assert np.all(np.isfinite(found.bse))


def test_a_source_with_few_values_is_said_to_be_so() -> None:
    frame = units(9)
    frame["llm"] = frame["llm"].round()
    with pytest.warns(DiscreteOutcomeWarning, match="rows of source 'llm'"):
        AugmentedGMM.from_formula(
            "y ~ 1", frame, {"llm": {"y": "llm"}}, score=Quantile(0.5)
        ).fit()
    with warnings.catch_warnings():
        warnings.simplefilter("error", SynthWarning)
        AugmentedGMM.from_formula(
            "y ~ x", units(9), {"y": "llm"}, score=Quantile(0.5)
        ).fit()


def test_the_bandwidth_is_that_of_all_rows_of_a_source() -> None:
    frame = units(10)
    rows = DesignRows(frame["llm"].to_numpy(), design(frame))
    score = Quantile(0.5)
    told = told_of(rows, score)
    assert isinstance(told, Quantile)
    part = rows.take(slice(0, 50), None)
    assert told_of(part, score) is told
    assert told_of(part, Quantile(0.5)) is not told
    assert score.width is None


def test_predictions_are_quantiles() -> None:
    frame = units(11)
    found = AugmentedGMM.from_formula(
        "y ~ x", frame, {"y": "llm"}, score=Quantile(0.8)
    ).fit()
    rows = pd.DataFrame({"x": [0.0, 2.0]})
    shown = found.get_prediction(rows).summary_frame()
    at = np.array([[1.0, 0.0], [1.0, 2.0]])
    error = np.sqrt(np.diag(at @ found.cov_params() @ at.T))
    np.testing.assert_allclose(shown["predicted"], at @ found.params)
    df = found.df_inference
    width = stats.t.ppf(0.975, [df.iloc[0], df.min()]) * error
    np.testing.assert_allclose(shown["ci_upper"] - shown["predicted"], width, rtol=1e-6)

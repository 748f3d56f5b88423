"""The covariance for few labels or clusters, against others that leave one out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
import statsmodels.api as sm

from statsmodels_synth.exceptions import FewClustersWarning, FewUnitsWarning
from tests.problems import model_of
from tests.reference import dense, loops
from tests.reference.dense import Array


def small(kind: str, k_sources: int, seed: int) -> dense.Problem:
    """Few labels, so that what is left out matters."""
    return dense.simulate(
        kind, seed=seed, n_units=240, n_labeled=60, k_sources=k_sources, error=0.3
    )


def blocks(n_units: int, n_clusters: int, seed: int = 0) -> np.ndarray:
    """A cluster for each unit, of unequal size, in no order."""
    rng = np.random.default_rng(seed)
    size = rng.dirichlet(np.full(n_clusters, 5.0))
    groups = rng.choice(n_clusters, n_units, p=size)
    groups[:n_clusters] = np.arange(n_clusters)
    return rng.permutation(groups)


def clustered(groups: Any) -> dict[str, Any]:
    """Options of a clustered fit."""
    return {"cov_type": "cluster", "cov_kwds": {"groups": groups}}


# The numeric derivatives of the comparison are good to about 1e-9.
CLOSE: dict[str, float] = {"rtol": 1e-7, "atol": 1e-10}


@pytest.mark.parametrize("k_sources", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["gaussian", "binomial", "poisson"])
def test_one_unit_after_the_other(kind: str, k_sources: int) -> None:
    problem = small(kind, k_sources, 20 + k_sources)
    result, expected = model_of(problem).fit(), loops.fit(problem)
    np.testing.assert_allclose(result.params, expected.params, **CLOSE)
    np.testing.assert_allclose(result.cov_params(), expected.covariance, **CLOSE)
    np.testing.assert_allclose(result.df_resid, expected.df, rtol=1e-8)


@pytest.mark.parametrize("k_sources", [0, 1, 2])
@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_one_cluster_after_the_other(kind: str, k_sources: int) -> None:
    """Some clusters have no labelled unit."""
    problem = small(kind, k_sources, 30 + k_sources)
    groups = blocks(240, 35)
    labeled = problem.labeled & (groups >= 5)
    problem = replace(problem, labeled=labeled)
    result = model_of(problem).fit(**clustered(groups))
    expected = loops.fit(problem, groups)
    assert result.n_clusters == len(set(groups[labeled])) <= 30
    np.testing.assert_allclose(result.params, expected.params, **CLOSE)
    np.testing.assert_allclose(result.cov_params(), expected.covariance, **CLOSE)
    np.testing.assert_allclose(result.df_resid, expected.df, rtol=1e-8)


def test_the_correction_makes_a_difference() -> None:
    """That the comparisons above are not between two numbers that hardly differ."""
    problem = small("gaussian", 2, 22)
    asymptotic = model_of(problem).fit(use_correction=False)
    corrected = model_of(problem).fit()
    assert (corrected.bse > 1.05 * np.asarray(asymptotic.bse)).all()


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_centred_or_not_is_the_same(kind: str) -> None:
    """Centring is a choice of the paper's weight, of which the default has none."""
    problem = small(kind, 2, 23)
    plain, centred = (model_of(problem).fit(centered=c) for c in (False, True))
    np.testing.assert_allclose(centred.cov_params(), plain.cov_params(), rtol=1e-12)


def by_stratum(labels: tuple[int, ...], seed: int) -> tuple[dense.Problem, np.ndarray]:
    """Strata that see x, with so many labels in each."""
    problem = small("gaussian", 2, seed)
    strata = np.digitize(problem.x[:, 1], np.linspace(-1, 1, len(labels) - 1))
    rng = np.random.default_rng(seed)
    labeled = np.zeros(240, dtype=bool)
    for h, n in enumerate(labels):
        labeled[rng.permutation(np.flatnonzero(strata == h))[:n]] = True
    share = [np.mean(labeled[strata == h]) for h in range(len(labels))]
    a = labeled.sum() / 240 / np.array(share)[strata]
    return replace(problem, labeled=labeled, design_weights=a), strata


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("sources", [0, 2])
@pytest.mark.parametrize("labels", [(20, 25, 15), (1, 20, 30, 9), (1, 20, 30, 1, 10)])
def test_one_unit_of_a_stratum_after_the_other(
    labels: tuple[int, ...], sources: int
) -> None:
    """Strata, also with one label: alone, and two of them as one group."""
    problem, strata = by_stratum(labels, 31)
    problem = replace(problem, sources=problem.sources[:sources])
    result = model_of(problem, strata=strata).fit()
    expected = loops.fit(problem, strata=strata)
    np.testing.assert_allclose(result.params, expected.params, **CLOSE)
    np.testing.assert_allclose(result.df_resid, expected.df, rtol=1e-8)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("sources", [0, 2])
@pytest.mark.parametrize("labels", [(20, 25, 15), (1, 20, 30, 9), (1, 20, 30, 1, 10)])
def test_covariance_of_strata(labels: tuple[int, ...], sources: int) -> None:
    problem, strata = by_stratum(labels, 31)
    problem = replace(problem, sources=problem.sources[:sources])
    result = model_of(problem, strata=strata).fit()
    expected = loops.fit(problem, strata=strata)
    np.testing.assert_allclose(result.cov_params(), expected.covariance, **CLOSE)


def test_every_cluster_is_labelled() -> None:
    problem = small("binomial", 3, 33)
    groups = np.random.default_rng(33).permutation(np.arange(240) % 20)
    assert set(groups[problem.labeled]) == set(range(20))
    result = model_of(problem).fit(**clustered(groups))
    expected = loops.fit(problem, groups)
    np.testing.assert_allclose(result.params, expected.params, **CLOSE)
    np.testing.assert_allclose(result.cov_params(), expected.covariance, **CLOSE)
    np.testing.assert_allclose(result.df_resid, expected.df, rtol=1e-8)


# Labels only


def test_hc3_of_a_linear_model() -> None:
    problem = small("gaussian", 1, 24)
    rows = problem.labeled
    peer = sm.OLS(problem.y[rows], problem.x[rows]).fit(cov_type="HC3")
    for result in (
        model_of(problem).fit().real_only,
        model_of(problem).fit(maxiter=1),
        model_of(replace(problem, sources=[])).fit(),
    ):
        np.testing.assert_allclose(result.params, peer.params, rtol=1e-9)
        np.testing.assert_allclose(result.cov_params(), peer.cov_params(), rtol=1e-9)
        assert result.df_resid == rows.sum() - 3
        assert result.use_t


def hc3(problem: dense.Problem, weights: Array) -> Array:
    """
    HC3 by hand, the weight multiplying the score: ``w x e / (1 - h)``.

    With the canonical link the derivative is ``w x x' V``, and h the hat value of
    the last weighted regression that solves it.
    """
    rows = problem.labeled
    y, x, w = problem.y[rows], problem.x[rows], weights[rows]
    fit = sm.GLM(y, x, family=problem.family, var_weights=w).fit(tol=1e-14)
    mu = fit.fittedvalues
    v = w * problem.family.variance(mu)
    bread = np.linalg.inv(x.T @ (x * v[:, None]))
    hat = v * np.einsum("ti,ij,tj->t", x, bread, x)
    scores = x * (w * (y - mu) / (1 - hat))[:, None]
    return np.asarray(bread @ scores.T @ scores @ bread)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["gaussian", "binomial", "poisson"])
def test_hc3_by_hand(kind: str, weighted: bool) -> None:
    problem = small(kind, 1, 25)
    weights = np.ones(len(problem.y))
    if weighted:
        weights = np.random.default_rng(25).uniform(0.2, 4.0, len(weights))
    result = model_of(problem, weights=weights).fit().real_only
    # GLM stops at a relative change of 1e-14 in the deviance.
    np.testing.assert_allclose(result.cov_params(), hc3(problem, weights), rtol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
def test_clusters_left_out_and_refitted(weighted: bool) -> None:
    """
    CR3 of a linear model is the jackknife: refit without each cluster.

    About the estimate from all, without the factor (G - 1) / G. Exact, because the
    score is linear; 1e-9 is rounding.
    """
    problem = small("gaussian", 1, 26)
    groups = blocks(240, 25, seed=1)
    weights = np.ones(240)
    if weighted:
        weights = np.random.default_rng(26).uniform(0.2, 4.0, 240)
    rows = problem.labeled

    def estimate(part: np.ndarray) -> Array:
        return np.asarray(
            sm.WLS(problem.y[part], problem.x[part], weights[part]).fit().params
        )

    differences = np.array(
        [
            estimate(rows & (groups != g)) - estimate(rows)
            for g in np.unique(groups[rows])
        ]
    )
    result = model_of(problem, weights=weights).fit(**clustered(groups)).real_only
    np.testing.assert_allclose(
        result.cov_params(), differences.T @ differences, rtol=1e-9, atol=1e-12
    )


# Clusters of one, and clusters that cannot be left out


@pytest.mark.parametrize("design", ["simple", "weights", "gaps"])
@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_clusters_of_one_are_units(kind: str, design: str) -> None:
    """They are no clusters: the same estimate, covariance and degrees of freedom."""
    problem, options = small(kind, 2, 27), {}
    rng = np.random.default_rng(27)
    if design == "weights":
        options["weights"] = rng.uniform(0.2, 4.0, 240)
    if design == "gaps":
        (y, x), second = problem.sources
        unlabelled = np.flatnonzero(~problem.labeled)
        y = y.copy()
        y[unlabelled[::3]] = np.nan
        problem = replace(problem, sources=[(y, x), second])
    model = model_of(problem, **options)
    groups = rng.permutation(240)
    for maxiter in (1, 2):
        plain = model.fit(maxiter=maxiter)
        single = model.fit(maxiter=maxiter, **clustered(groups))
        close = {"rtol": 1e-9, "atol": 1e-14}
        np.testing.assert_allclose(single.params, plain.params, **close)
        np.testing.assert_allclose(single.cov_params(), plain.cov_params(), **close)
        np.testing.assert_allclose(single.df_resid, plain.df_resid, rtol=1e-9)


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_a_cluster_that_alone_informs_a_coefficient(kind: str) -> None:
    """
    A dummy of one cluster: without it there is no such coefficient.

    The others keep a standard error that is near what they have without the dummy
    and the cluster.
    """
    problem = small(kind, 1, 28)
    groups = blocks(240, 30, seed=2)
    own = groups == 3
    x = np.column_stack([problem.x, own])
    rng = np.random.default_rng(28)
    # With both outcomes among its labelled units.
    labeled = problem.labeled | own
    y = np.where(own & (rng.uniform(size=240) < 0.5), 1 - problem.y, problem.y)
    sources = [(s, x) for s, _ in problem.sources]
    with_dummy = replace(problem, y=y, x=x, labeled=labeled, sources=sources)
    with pytest.warns(FewUnitsWarning, match="'x3'"):
        model = model_of(with_dummy)
    with pytest.warns(FewClustersWarning, match="'x3'"):
        result = model.fit(**clustered(groups))
    covariance = result.cov_params()
    assert np.isfinite(covariance).all()
    assert np.linalg.eigvalsh(covariance).min() > -1e-12
    without = model_of(replace(problem, labeled=problem.labeled & ~own)).fit(
        **clustered(groups)
    )
    np.testing.assert_allclose(result.bse[:3], without.bse, rtol=0.25)


# Quantiles


@pytest.mark.parametrize("groups", [None, blocks(240, 40, seed=3)])
def test_quantiles_are_those_of_student(groups: Any) -> None:
    problem = small("gaussian", 2, 29)
    options = {} if groups is None else clustered(groups)
    result = model_of(problem).fit(**options)
    controls = loops.fit(problem, groups).stack
    assert controls is not None
    assert controls.df > 0.5
    lost, n = 3, 60
    if groups is not None:
        lost, n = 1, len(set(groups[problem.labeled]))
    df = n - lost - controls.df
    np.testing.assert_allclose(result.df_resid, df, rtol=1e-8)
    own = np.asarray(result.df_inference)
    assert (own <= result.df_resid + 1e-9).all()
    quantile = stats.t.ppf(0.95, own)
    np.testing.assert_allclose(
        result.conf_int(0.1)[:, 1], result.params + quantile * result.bse, rtol=1e-9
    )
    np.testing.assert_allclose(
        result.pvalues, 2 * stats.t.sf(np.abs(result.tvalues), own), rtol=1e-6
    )
    normal = model_of(problem).fit(use_t=False, **options)
    np.testing.assert_allclose(normal.bse, result.bse)
    np.testing.assert_allclose(
        normal.conf_int(0.1)[:, 1], result.params + stats.norm.ppf(0.95) * result.bse
    )
    # Labels only: no coefficient of a source.
    assert result.real_only.df_resid == n - lost

"""Diagnostics of a result: against plain derivations, by simulation, and in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import os
from pathlib import Path
import pickle
import re
import tracemalloc
from typing import Any
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.oneway import anova_oneway

from benchmarks.diagnostics import DESIGNS, Cell, coverage_pvalue, simulate
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.demo import make_study, study_model
from statsmodels_synth.diagnostics.coverage import Drawn, coverage_gap
from statsmodels_synth.diagnostics.diagnose import Diagnostics
from statsmodels_synth.diagnostics.source_bias import (
    LEAST_SHARE,
    BiasTest,
    bias_covariance,
    bias_test,
    joint_covariance,
)
from statsmodels_synth.diagnostics.subgroups import group_errors, make_groups
from statsmodels_synth.diagnostics.verdict import (
    Evidence,
    _worth,
    holm,
    number,
    probability,
)
from statsmodels_synth.exceptions import DataError, OptionError, SynthWarning
from tests.gmm.test_oracle import politeness
from tests.problems import model_of, needs_data
from tests.reference import dense
from tests.reference.dense import PAPER, Array

#: The verdicts, word by word; after a deliberate change write them again with
#: ``UPDATE_SNAPSHOTS=1 pytest tests/diagnostics/test_diagnostics.py``.
SNAPSHOTS = Path(__file__).parents[1] / "snapshots" / "verdicts.txt"
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"


def bias_of(result: Any) -> tuple[Array, BiasTest]:
    """Bias of the first source, and its tests."""
    naive = result.naive_params.to_numpy()
    joint = joint_covariance(
        result._design_or_raise,
        result.model.target_score,
        result._solution,
        result._fit_or_raise().inference.influence,
        naive,
        result._clusters,
    )
    covariance = bias_covariance(joint, result.cov_params_default)[0]
    bias = naive[0] - np.asarray(result.params)
    return bias, bias_test(
        bias, covariance, result.bse, np.asarray(result.df_inference)
    )


def uneven(kind: str, seed: int) -> dense.Problem:
    """Two sources, one of which covers a part, with weights and an offset."""
    problem = dense.simulate(kind, seed=seed, k_sources=2, error=0.3)
    rng = np.random.default_rng(seed)
    (y, x), other = problem.sources
    y = np.where(rng.uniform(size=len(y)) < 0.7, y, np.nan)
    return replace(
        problem,
        sources=[(y, x), other],
        weights=rng.uniform(0.5, 2.0, len(y)),
        offset=0.2 * rng.normal(size=len(y)),
    )


def dense_moves(
    problem: dense.Problem, params: Array, naive: Array
) -> tuple[Array, list[Array]]:
    """Influence of every unit on theta (T, p) and on each naive estimate."""
    p, t = problem.x.shape[1], len(problem.y)
    theta = dense.influence(problem, params)
    at = np.r_[params[:p], naive.ravel()]
    g, slope = dense.moments(problem, at), dense.jacobian(problem, at)
    alone = []
    for m in range(len(naive)):
        rows = slice(p + 2 * m * p + p, p + 2 * m * p + 2 * p)
        own = slope[rows, p + m * p : 2 * p + m * p]
        alone.append(-g[:, rows] @ np.linalg.inv(own).T)
    assert theta.shape == (t, p)
    return theta, alone


# Bias


@pytest.mark.parametrize("kind", ["gaussian", "binomial", "probit"])
@pytest.mark.parametrize("clustered", [False, True])
def test_bias_is_that_of_a_dense_derivation(kind: str, clustered: bool) -> None:
    problem = uneven(kind, 3)
    groups = np.arange(600) % 75
    options = {"cov_type": "cluster", "cov_kwds": {"groups": groups}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthWarning)
        model = model_of(problem, weights=problem.weights, offset=problem.offset)
        result = model.fit(**PAPER, **(options if clustered else {}))
    found = result.diagnostics()
    naive = problem.start().reshape(3, 3)[1:]
    np.testing.assert_allclose(result.naive_params, naive, rtol=1e-6)
    params = np.r_[result.params, np.ravel(result.auxiliary_params)]
    theta, alone = dense_moves(problem, params, naive)
    for m, own in enumerate(alone):
        rows = own - theta
        if clustered:
            rows = np.array([rows[groups == c].sum(axis=0) for c in range(75)])
        cov = rows.T @ rows / 600**2
        frame = found.bias.loc[f"s{m}"]
        bias = naive[m] - result.params
        np.testing.assert_allclose(frame["bias"], bias, rtol=1e-5)
        np.testing.assert_allclose(frame["std_err"], np.sqrt(np.diag(cov)), rtol=1e-4)
        z = bias / np.sqrt(np.diag(cov))
        np.testing.assert_allclose(frame["pvalue"], 2 * stats.norm.sf(abs(z)), 1e-2)
        test = found.bias_tests.loc[f"s{m}"]
        wald = bias @ np.linalg.inv(cov) @ bias
        np.testing.assert_allclose(test["statistic"], wald, rtol=1e-3)
        assert test["df"] == 3
        np.testing.assert_allclose(test["pvalue"], stats.chi2.sf(wald, 3), rtol=0.02)


def test_unequal_probabilities_and_replicates() -> None:
    """Design weights enter theta only; replicates are averaged."""
    rng = np.random.default_rng(5)
    problem = dense.simulate("gaussian", seed=5, error=0.3)
    chance = np.clip(0.15 + 0.5 * (problem.x[:, 1] > 0), 0, 1)
    labeled = rng.uniform(size=600) < chance
    chance *= labeled.sum() / chance.sum()
    y, x = problem.sources[0]
    units = np.repeat(np.arange(600), 2)
    noise = rng.normal(size=1200)
    model = AugmentedGMM(
        np.where(labeled, problem.y, np.nan),
        problem.x,
        proxy={"s0": (y[units] + noise, x[units], units)},
        labeling_prob=chance,
    )
    result = model.fit(**PAPER)
    a = np.where(labeled, 1 / chance, 0.0)
    a *= labeled.sum() / a.sum()
    # A linear score: the mean of two outcomes is one outcome.
    averaged = (y + noise.reshape(-1, 2).mean(axis=1), x)
    flat = replace(problem, labeled=labeled, sources=[averaged], design_weights=a)
    params = np.r_[result.params, np.ravel(result.auxiliary_params)]
    theta, alone = dense_moves(flat, params, result.naive_params.to_numpy())
    rows = alone[0] - theta
    expected = np.sqrt(np.diag(rows.T @ rows)) / 600
    found = result.diagnostics(n_influential=3)
    np.testing.assert_allclose(found.bias["std_err"], expected, rtol=1e-4)
    units_, error = np.flatnonzero(labeled), averaged[0] - problem.y
    by = problem.x[:, 2] > 0
    table = result.diagnostics(by=by).subgroups
    for k, name in enumerate(["False", "True"]):
        own = units_[by[units_] == bool(k)]
        mean = np.average(error[own], weights=a[own])
        np.testing.assert_allclose(table.loc[("s0", name), "mean_error"], mean)


def test_what_few_labels_add_is_added() -> None:
    """The same joint influence, and the reported covariance less its asymptotic one."""
    problem = dense.simulate("binomial", seed=6, n_labeled=60, error=0.3)
    result = model_of(problem).fit()
    influence = result.influence.to_numpy()
    asymptotic = influence.T @ influence / 600**2
    naive = result.naive_params.to_numpy()
    params = np.r_[result.params, np.ravel(result.auxiliary_params)]
    _, alone = dense_moves(problem, params, naive)
    rows = alone[0] - influence
    extra = np.asarray(result.cov_params()) - asymptotic
    expected = np.sqrt(np.diag(rows.T @ rows / 600**2 + extra))
    assert (np.diag(extra) > 0).all()
    np.testing.assert_allclose(
        result.diagnostics().bias["std_err"], expected, rtol=1e-5
    )


def test_strata_enter_through_the_reported_covariance() -> None:
    problem = dense.simulate("gaussian", seed=18, error=0.3)
    strata = (problem.x[:, 1] > 0).astype(float)
    result = model_of(problem, strata=strata).fit()
    influence = result.influence.to_numpy()
    naive = result.naive_params.to_numpy()
    params = np.r_[result.params, np.ravel(result.auxiliary_params)]
    _, alone = dense_moves(problem, params, naive)
    cross = alone[0].T @ influence / 600**2
    own = alone[0].T @ alone[0] / 600**2
    expected = own - cross - cross.T + np.asarray(result.cov_params())
    frame = result.diagnostics().bias
    np.testing.assert_allclose(frame["std_err"], np.sqrt(np.diag(expected)), rtol=1e-5)


def test_covariance_of_a_bias_is_never_negative() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    joint = root @ root.T
    plain = joint[2:, 2:] - joint[2:, :2] - joint[:2, 2:] + joint[:2, :2]
    # A reported covariance that is far too small in one direction.
    found = bias_covariance(joint, np.diag([0.01, 5.0]))[0]
    assert np.linalg.eigvalsh(found).min() >= 0.0
    assert (np.diag(found) >= LEAST_SHARE * np.diag(plain) * 0.99).all()
    unchanged = bias_covariance(joint, 2 * joint[:2, :2])[0]
    np.testing.assert_allclose(unchanged, plain + joint[:2, :2])


DRAWS = 400


@pytest.fixture(scope="module", params=["unbiased", "biased"])
def simulated(request: pytest.FixtureRequest) -> tuple[str, Array, Array, Array]:
    """Bias, half width of its interval and joint p-value of each draw."""
    found, half, pvalues = np.empty((DRAWS, 3)), np.empty((DRAWS, 3)), np.empty(DRAWS)
    for seed in range(DRAWS):
        rng = np.random.default_rng(20_000 + seed)
        problem = dense.simulate("binomial", seed=seed, n_labeled=120, k_sources=0)
        mean = 1 / (1 + np.exp(-problem.x @ [0.3, 0.6, -0.4]))
        if request.param == "unbiased":
            # Half of the outcomes drawn again from the same law.
            again = (rng.uniform(size=600) < mean).astype(float)
            y = np.where(rng.uniform(size=600) < 0.5, again, problem.y)
        else:
            y = np.where(rng.uniform(size=600) < 0.3, 1.0, problem.y)
        source = replace(problem, sources=[(y, problem.x)])
        result = model_of(source).fit()
        bias, test = bias_of(result)
        found[seed], pvalues[seed] = bias, test.joint_pvalue
        half[seed] = stats.t.ppf(0.975, result.df_resid) * test.se
    return request.param, found, half, pvalues


def test_interval_of_the_bias_covers(
    simulated: tuple[str, Array, Array, Array],
) -> None:
    kind, found, half, pvalues = simulated
    true = np.zeros(3)
    if kind == "biased":
        # From a million units: its own error is a hundredth of that of a bias.
        big = dense.simulate("binomial", seed=1, n_units=1_000_000, k_sources=0)
        mean = 1 / (1 + np.exp(-big.x @ [0.3, 0.6, -0.4]))
        fractional = 0.3 + 0.7 * mean
        fit = sm.GLM(fractional, big.x, family=sm.families.Binomial()).fit()
        true = np.asarray(fit.params) - [0.3, 0.6, -0.4]
    covers = (np.abs(found - true) <= half).mean(axis=0)
    # Three Monte Carlo errors of a share of .95 in 400 draws are .033.
    assert (np.abs(covers - 0.95) < 0.033).all(), covers
    if kind == "unbiased":
        # Likewise .033 for the size of .05.
        assert abs((pvalues < 0.05).mean() - 0.05) < 0.033
    else:
        assert (pvalues < 0.05).mean() > 0.3  # it has power


# Share explained, correlation


def test_share_explained_is_an_r_squared() -> None:
    problem = uneven("binomial", 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthWarning)
        model = model_of(problem, weights=problem.weights, offset=problem.offset)
        result = model.fit()
    found = result.diagnostics()
    params = np.r_[result.params, np.ravel(result.auxiliary_params)]
    g, slope = dense.moments(problem, params), dense.jacobian(problem, params)
    labels = g[problem.labeled][:, :3] @ np.linalg.inv(slope[:3, :3]).T
    scores = [g[problem.labeled][:, k : k + 3] for k in (3, 9)]
    for name, z in (
        ("s0", scores[0]),
        ("s1", scores[1]),
        ("all sources", np.hstack(scores)),
    ):
        fitted = z @ np.linalg.lstsq(z, labels, rcond=None)[0]
        share = (fitted**2).sum(axis=0) / (labels**2).sum(axis=0)
        chance = z.shape[1] / len(z)
        expected = np.clip((share - chance) / (1 - chance), 0, 1)
        np.testing.assert_allclose(found.explained.loc[name][1:], expected, atol=1e-7)
    overall = found.explained["overall"].iloc[:2]
    np.testing.assert_allclose(overall, result.sources["explained"], rtol=1e-8)
    covered = ~np.isnan(problem.sources[0][0][problem.labeled])
    own = slope[6:9, 3:6]
    both = np.hstack([labels, scores[0] @ np.linalg.inv(own).T])[covered]
    expected = np.corrcoef(both.T)[:3, 3:]
    np.testing.assert_allclose(found.residual_correlation["s0"], expected, rtol=1e-5)


def test_noise_explains_nothing_and_the_truth_everything() -> None:
    problem = dense.simulate("gaussian", seed=8, n_labeled=300, k_sources=0)
    rng = np.random.default_rng(8)
    outcomes = (rng.normal(size=600), problem.y + 1e-4 * rng.normal(size=600))
    both = replace(problem, sources=[(y, problem.x) for y in outcomes])
    explained = model_of(both).fit().diagnostics().explained
    # By chance 3 regressors explain 1 % of 300 labels, which is taken off.
    assert (explained.loc["s0"] < 0.02).all()
    assert (explained.loc["s1"] > 0.999).all()
    assert (explained.loc["all sources"] > 0.999).all()


# Coverage, groups


def covering(problem: dense.Problem, covered: Array) -> Any:
    """Fit with one source that covers some units."""
    y, x = problem.sources[0]
    own = replace(problem, sources=[(np.where(covered, y, np.nan), x)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthWarning)
        return model_of(own)


def test_coverage_gap_is_fishers_exact_test() -> None:
    problem = dense.simulate("gaussian", seed=9)
    rng = np.random.default_rng(9)
    covered = rng.uniform(size=600) < np.where(problem.labeled, 0.6, 0.75)
    row = covering(problem, covered).fit().diagnostics().coverage.loc["s0"]
    counts = [covered[problem.labeled].sum(), covered[~problem.labeled].sum()]
    others = np.array([200, 400]) - counts
    pvalue = stats.fisher_exact([counts, others]).pvalue
    assert row["covered"] == sum(counts)
    np.testing.assert_allclose(row["pvalue"], pvalue)
    np.testing.assert_allclose(row["difference"], counts[0] / 200 - counts[1] / 400)


@pytest.mark.parametrize("design", ["strata", "prob", "cluster"])
def test_coverage_gap_has_its_size_in_other_designs(design: str) -> None:
    """
    Coverage depends on what labelling depends on, and not on labelling.

    Two proportions would reject nearly always with strata and probabilities. Three
    Monte Carlo errors of .05 in 200 draws are .046; clusters are cautious.
    """
    rejected = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        group = np.arange(600) % 60
        often = (group % 2).astype(bool)
        problem = dense.simulate("gaussian", seed=seed)
        options: dict[str, Any] = {}
        fit: dict[str, Any] = {}
        if design == "cluster":
            labeled = np.isin(group, rng.permutation(60)[:12])
            covered = rng.uniform(size=600) < rng.uniform(size=60)[group]
            fit = {"cov_type": "cluster", "cov_kwds": {"groups": group}}
        else:
            chance = np.where(often, 0.5, 0.2)
            labeled = rng.uniform(size=600) < chance
            covered = rng.uniform(size=600) < np.where(often, 0.9, 0.5)
            options = (
                {"strata": often.astype(float)}
                if design == "strata"
                else {"labeling_prob": chance * labeled.sum() / chance.sum()}
            )
        y, x = problem.sources[0]
        own = replace(problem, labeled=labeled)
        own = replace(own, sources=[(np.where(covered, y, np.nan), x)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SynthWarning)
            model = model_of(own, **options)
            gap = coverage_of(model, fit)
        rejected.append(gap["pvalue"] < 0.05)
    assert np.mean(rejected) < 0.05 + 0.046
    if design != "cluster":
        assert np.mean(rejected) > 0.004


def gappy(strata: bool, clustered: bool) -> tuple[AugmentedGMM, dict[str, Any]]:
    """22,000 units, 400 (40 clusters) labelled; one unlabelled unit lacks its proxy."""
    rng = np.random.default_rng(0)
    units = pd.DataFrame({"x": rng.normal(size=22_000)})
    y = units["x"] + rng.normal(size=22_000)
    units["llm"], units["g"] = y + rng.normal(size=22_000), np.arange(22_000) % 500
    units["s"] = units["g"] % 4
    units["y"] = y.where((units.index < 400) if not clustered else units["g"] < 40)
    units.loc[21_999, "llm"] = np.nan
    options: dict[str, Any] = {"strata": "s"} if strata else {}
    model = AugmentedGMM.from_formula("y ~ x", units, proxy={"y": "llm"}, **options)
    fit = {"cov_type": "cluster", "cov_kwds": {"groups": "g"}}
    return model, fit if clustered else {}


@pytest.mark.parametrize("strata", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_one_gap_is_no_sign(strata: bool, clustered: bool) -> None:
    assert coverage_of(*gappy(strata, clustered))["pvalue"] == 1.0


def test_units_without_a_regressor_leave_both_shares() -> None:
    """Labelled units are complete by definition: nothing is to be learned of others."""
    data, guess = study()
    rng = np.random.default_rng(1)
    gone = rng.uniform(size=3000) < 0.02
    data["llm"] = guess["y"].where(rng.uniform(size=3000) < 0.97)
    data.loc[gone, "x"] = np.nan
    for frame in (data, data.assign(y=data["y"].where(~gone))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SynthWarning)
            model = AugmentedGMM.from_formula("y ~ x", frame, proxy={"y": "llm"})
            row = coverage_of(model, {})
        own, rest = (
            data["llm"][~gone & mask].notna()
            for mask in (data["y"].notna(), data["y"].isna())
        )
        table = [[own.sum(), rest.sum()], [(~own).sum(), (~rest).sum()]]
        np.testing.assert_allclose(row["pvalue"], stats.fisher_exact(table).pvalue)
        assert row["unlabeled"] == rest.mean()


def test_unequal_probabilities_are_conditioned_on() -> None:
    """Equal ones give Fisher's test; others the same as drawing again and again."""
    rng = np.random.default_rng(2)
    prob = rng.choice([0.1, 0.3, 0.6], 40)
    gap, labeled = rng.uniform(size=40) < 0.4, rng.uniform(size=40) < prob
    n = int(labeled.sum())
    equal = Drawn(labeled, np.ones(40, dtype=bool), np.ones(n), prob=np.full(40, 0.2))
    plain = replace(equal, prob=None)
    np.testing.assert_allclose(
        coverage_gap(~gap, equal).pvalue, coverage_gap(~gap, plain).pvalue
    )
    again = rng.uniform(size=(400_000, 40)) < prob
    counts = (again & gap).sum(axis=1)[again.sum(axis=1) == n]
    share = np.bincount(counts, minlength=41) / len(counts)
    expected = share[share <= share[(gap & labeled).sum()] + 1e-3].sum()
    found = coverage_gap(~gap, replace(equal, prob=prob)).pvalue
    # Tens of thousands of draws: three Monte Carlo errors are below .01.
    assert abs(found - expected) < 0.01


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("gaps", ["rare", "common"])
def test_size_and_power_of_the_test_of_coverage(design: str, gaps: str) -> None:
    """Three Monte Carlo errors of .05 in 100 draws are .065."""
    size = [coverage_pvalue(simulate(Cell(design, gaps, True), k)) for k in range(100)]
    assert np.mean(np.array(size) < 0.05) <= 0.05 + 0.065
    wrong = Cell(design, "common", True, "coverage")
    power = [coverage_pvalue(simulate(wrong, k)) for k in range(20)]
    assert np.mean(np.array(power) < 0.05) >= 0.6


def test_copied_labels_are_not_relied_on() -> None:
    data, guess = study()
    guess["y"] = data["y"].fillna(guess["y"])
    with pytest.warns(SynthWarning, match="labels were copied into the source"):
        result = AugmentedGMM.from_formula("y ~ x", data, proxy={"llm": guess}).fit()
    found = result.diagnostics()
    assert "Either its errors are rare, or labels were copied" in found.verdict[2]
    assert not any("Rely" in text for text in found.verdict)
    assert "Rely on" in result.diagnostics(blind=True).verdict[3]
    assert (
        result.diagnostics(blind="llm").verdict
        == result.diagnostics(blind=True).verdict
    )
    with pytest.raises(OptionError, match="there is no source 'lm'"):
        result.diagnostics(blind=["lm"])


def test_groups_are_taken_from_wherever_a_unit_has_them() -> None:
    data, guess = study()
    whole = diagnosis(data, guess, "platform").subgroups
    guess["platform"] = data["platform"]
    found = diagnosis(data.dropna(), guess, "platform").subgroups
    assert list(found.loc["llm"].index) == ["letters", "posts"]
    pd.testing.assert_frame_equal(found, whole)
    data.loc[data.index[:1500], "platform"] = None
    pd.testing.assert_frame_equal(diagnosis(data, guess, "platform").subgroups, whole)


def coverage_of(model: AugmentedGMM, fit: dict[str, Any]) -> pd.Series:
    """The only row of the table of coverage."""
    from statsmodels_synth.diagnostics.diagnose import _coverage  # noqa: PLC0415
    from statsmodels_synth.results.units import given_units  # noqa: PLC0415

    fitted = model.fit(maxiter=1, **fit)._fit_or_raise()
    return _coverage(fitted.design, given_units(model, fitted)).iloc[0]


def test_units_that_only_a_source_has_are_no_evidence_of_coverage() -> None:
    data, guess = study(n_units=600)
    labels = data.dropna()
    guess = guess.drop(labels.index[:30])
    with pytest.warns(UserWarning, match="lacks"):
        model = AugmentedGMM.from_formula("y ~ x", labels, proxy={"llm": guess})
    found = model.fit().diagnostics()
    row = found.coverage.loc["llm"]
    assert np.isnan(row["pvalue"])
    assert np.isnan(row["unlabeled"])
    assert "every known unit is labelled or has a source" in found.verdict[2]


def test_groups_are_compared_by_welch() -> None:
    rng = np.random.default_rng(10)
    group = rng.integers(0, 4, 90)
    error = rng.normal(size=90) * (1 + group) + 0.3 * group
    found = group_errors(error, np.full(90, 3.0), group, 4)
    parts = [error[group == k] for k in range(4)]
    np.testing.assert_allclose(found.mean, [v.mean() for v in parts])
    np.testing.assert_allclose(found.se, [stats.sem(v) for v in parts])
    expected = anova_oneway(parts, use_var="unequal")
    np.testing.assert_allclose(found.statistic, expected.statistic)
    np.testing.assert_allclose(found.pvalue, expected.pvalue)
    two = group_errors(error, np.ones(90), group % 2, 2)
    halves = [error[group % 2 == k] for k in range(2)]
    np.testing.assert_allclose(
        two.pvalue, stats.ttest_ind(*halves, equal_var=False).pvalue
    )


def test_groups_with_clusters_against_regression() -> None:
    """Cluster-robust regression of the error on dummies, less its factor of n."""
    rng = np.random.default_rng(11)
    group, cluster = rng.integers(0, 3, 120), rng.integers(0, 20, 120)
    error = rng.normal(size=120) + rng.normal(size=20)[cluster] + 0.4 * group
    weights = rng.uniform(0.5, 2.0, 120)
    found = group_errors(error, weights, group, 3, cluster)
    dummies = np.eye(3)[group]
    fit = sm.WLS(error, dummies, weights=weights).fit(
        cov_type="cluster",
        cov_kwds={"groups": cluster, "use_correction": False},
        use_t=True,
    )
    factor = 20 / 19
    np.testing.assert_allclose(found.mean, fit.params)
    np.testing.assert_allclose(found.se, fit.bse * np.sqrt(factor))
    test = fit.f_test(np.array([[-1.0, 1, 0], [-1, 0, 1]]))
    np.testing.assert_allclose(found.statistic, test.fvalue / factor)
    expected = stats.f.sf(found.statistic, 2, 19)
    np.testing.assert_allclose(found.pvalue, expected)


def test_group_without_variation_borrows_that_of_the_others() -> None:
    error = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    group = np.array([0, 0, 0, 1, 1, 1, 1])
    found = group_errors(error, np.ones(7), group, 2)
    assert found.se[0] == pytest.approx(np.sqrt(1.0 / 5 / 3))
    assert np.isfinite(found.pvalue)
    nothing = group_errors(np.zeros(7), np.ones(7), group, 2)
    assert np.isnan(nothing.se).all()
    assert np.isnan(nothing.pvalue)


def test_groups_from_columns() -> None:
    found = make_groups(np.r_[np.arange(40.0), np.nan], "by='x'")
    assert found.names == (
        "up to 9.75",
        "over 9.75 to 19.5",
        "over 19.5 to 29.25",
        "over 29.25",
        "missing",
    )
    assert np.bincount(found.codes).tolist() == [10, 10, 10, 10, 1]
    few = make_groups(np.array([2.0, 10.0, 2.0]), "by")
    assert few.names == ("2", "10")
    text = make_groups(np.array(["b", "a", "missing", None], dtype=object), "by")
    assert text.names == ("a", "b", "missing", "(missing)")
    assert text.codes.tolist() == [1, 0, 2, 3]
    assert make_groups(np.array([True, False]), "by").names == ("False", "True")
    category = pd.Series(pd.Categorical(["z", "y", "z"])).to_numpy()
    assert make_groups(category, "by").codes.tolist() == [1, 0, 1]


# Influential units


def test_a_planted_outlier_comes_first() -> None:
    problem = dense.simulate("gaussian", seed=12, n_labeled=150)
    unit = int(np.flatnonzero(problem.labeled)[37])
    y, x = problem.y.copy(), problem.x.copy()
    y[unit], x[unit, 1] = y[unit] + 8.0, 2.0
    (own_y, own_x), *_ = problem.sources
    own_x = own_x.copy()
    own_x[unit] = x[unit]
    planted = replace(problem, y=y, x=x, sources=[(own_y, own_x)])
    found = model_of(planted).fit().diagnostics(n_influential=4).influential
    assert found.index[0] == unit
    assert found["labeled"].iloc[0]
    assert found["coefficient"].iloc[0] == "x1"
    assert len(found) == 4
    assert np.all(np.diff(found["dfbetas"].abs()) <= 0)


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_dfbetas_are_what_leaving_out_does(kind: str, corrected: bool) -> None:
    """
    The same as a model that was built without the unit, but for its start.
    """
    problem = dense.simulate(kind, seed=13, n_labeled=150, error=0.3)
    settings: dict[str, Any] = {"use_correction": corrected}
    result = model_of(problem).fit(**settings)
    found = result.diagnostics(n_influential=40).influential
    pairs = []
    strongest = [
        *found.index[found["labeled"]][:6],
        *found.index[~found["labeled"]][:4],
    ]
    for unit in strongest:
        keep = np.arange(600) != unit
        rest = dense.Problem(
            problem.y[keep],
            problem.x[keep],
            problem.labeled[keep],
            [(y[keep], x[keep]) for y, x in problem.sources],
            problem.family,
        )
        change = (result.params - model_of(rest).fit(**settings).params) / result.bse
        row = found.loc[unit]
        at = result.model.exog_names.index(row["coefficient"])
        pairs.append((row["dfbetas"], change[at]))
    predicted, actual = np.array(pairs).T
    np.testing.assert_allclose(predicted, actual, rtol=1e-3, atol=1e-5)


# The verdict


def study(
    *,
    n_units: int = 3000,
    n_labeled: int = 300,
    slope: float = 0.0,
    in_group: float = 0.0,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Data with a group, and a guess that is off by slope * x, and in one group."""
    rng = np.random.default_rng(seed)
    units = pd.Index([f"u{k}" for k in range(n_units)], name="unit")
    x = rng.normal(size=n_units)
    group = np.where(np.arange(n_units) % 4 == 0, "letters", "posts")
    y = 1 + 0.5 * x + rng.normal(size=n_units)
    guess = y + rng.normal(scale=0.5, size=n_units) + slope * x
    guess += in_group * np.where(group == "letters", 3.0, -1.0)
    labeled = np.zeros(n_units, dtype=bool)
    labeled[rng.permutation(n_units)[:n_labeled]] = True
    data = pd.DataFrame({"x": x, "y": np.where(labeled, y, np.nan)}, units)
    data["platform"] = group
    return data, pd.DataFrame({"y": guess, "x": x}, units)


def diagnosis(
    data: pd.DataFrame, guess: pd.DataFrame, by: Any = None, **fit: Any
) -> Diagnostics:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthWarning)
        model = AugmentedGMM.from_formula("y ~ x", data, proxy={"llm": guess})
        return model.fit(**fit).diagnostics(by)


def with_gap() -> Diagnostics:
    data, guess = study()
    chance = np.where(data["y"].notna(), 0.6, 0.9)
    return diagnosis(data, guess[np.random.default_rng(1).uniform(size=3000) < chance])


def with_few() -> Diagnostics:
    data, guess = study()
    data["age"] = np.where(np.arange(3000) < 3, "old", "young")
    data.loc["u7", "age"] = None
    return diagnosis(data, guess, "age")


def made_for_labels() -> Diagnostics:
    """A guess that is better for labelled units, as if it had seen the label."""
    data, guess = study()
    guess["y"] = guess["y"] + np.where(data["y"].notna(), 0.0, 0.3)
    return diagnosis(data, guess)


def two_sources() -> Diagnostics:
    data, guess = study()
    _, other = study(slope=0.4, in_group=0.2, seed=1)
    rng = np.random.default_rng(4)
    other["y"] = rng.normal(size=3000)
    model = AugmentedGMM.from_formula(
        "y ~ x", data, proxy={"gpt4o": guess, "noise": other}
    )
    return model.fit().diagnostics("platform")


SAID: dict[str, Callable[[], Diagnostics]] = {
    "good source": lambda: diagnosis(*study(), "platform"),
    "biased source": lambda: diagnosis(*study(slope=0.4)),
    "wrong in one group": lambda: diagnosis(*study(in_group=0.3), "platform"),
    "coverage gap": with_gap,
    "unknown groups": with_few,
    "made with the label": made_for_labels,
    "a good one and noise": two_sources,
    "politeness": lambda: politeness().fit().diagnostics("n_words"),
}


def read_snapshots() -> dict[str, str]:
    if not SNAPSHOTS.exists():
        return {}
    parts = SNAPSHOTS.read_text(encoding="utf-8").split("## ")[1:]
    return {
        name: text.strip() for name, _, text in (part.partition("\n") for part in parts)
    }


@pytest.mark.skipif(UPDATE, reason="snapshots are being written")
@pytest.mark.parametrize(
    "name",
    [pytest.param(k, marks=needs_data if k == "politeness" else ()) for k in SAID],
)
def test_verdict_in_words(name: str) -> None:
    assert "\n".join(SAID[name]().verdict) == read_snapshots()[name]


@pytest.mark.skipif(not UPDATE, reason="only with UPDATE_SNAPSHOTS=1")
def test_write_snapshots() -> None:
    texts = [f"## {name}\n" + "\n".join(SAID[name]().verdict) for name in SAID]
    SNAPSHOTS.write_text("\n\n".join(texts) + "\n", encoding="utf-8")


def test_holm_and_numbers() -> None:
    found = holm(np.array([0.04, np.nan, 0.01]))
    np.testing.assert_allclose(found, [0.04, np.nan, 0.02])
    many = np.random.default_rng(0).uniform(size=40) ** 4
    many[:4] = many[4]
    np.testing.assert_allclose(holm(many), multipletests(many, method="holm")[1])
    assert np.isnan(holm(np.array([np.nan]))).all()
    shown = [number(v) for v in (0.0, np.inf, 1e-9, 12345678.0, 99.0, -0.5)]
    assert shown == ["0", "inf", "1.0e-09", "1.2e+07", "99", "-0.50"]


def test_naive_estimate_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are missing; the rest is as it was."""
    problem = dense.simulate("binomial", seed=14, k_sources=2)
    whole = model_of(problem).fit().diagnostics()
    result = model_of(problem).fit()
    naive = result._naive
    params, covariance = naive.params.copy(), naive.covariance.copy()
    params[1], covariance[1] = np.nan, np.nan
    lost = replace(naive, params=params, covariance=covariance)
    monkeypatch.setitem(result._fit_or_raise().__dict__, "naive", lost)
    found = result.diagnostics()
    pd.testing.assert_frame_equal(found.bias.loc[["s0"]], whole.bias.loc[["s0"]])
    assert found.bias.loc["s1"][["naive", "std_err", "pvalue"]].isna().all(axis=None)
    assert "s1 could not be compared" in found.verdict[0]


@pytest.mark.parametrize(
    ("effective", "text"),
    [
        ([40.0, 200.0], "For a the labels alone are surer (real_only). For the rest"),
        ([40.0, 60.0], "less than the labels alone: report real_only"),
        ([94.0, 104.0], "For a that is less than the labels alone, and otherwise next"),
        ([96.0, 104.0], "That is next to nothing"),
        ([96.0, 200.0], "Rely on the augmented estimate; that no bias"),
    ],
)
def test_worth_in_words(effective: list[float], text: str) -> None:
    nothing = pd.DataFrame()
    worth = pd.Series(effective, ["a", "b"])
    tables = [nothing] * 7
    evidence = Evidence(*tables, None, 0, 100, worth, clustered=False)
    assert text in _worth(evidence, [], doubtful=False)


def test_doubt_comes_before_facts() -> None:
    for found in (with_gap(), made_for_labels()):
        for paragraph in found.verdict[:2]:
            start = paragraph.partition(": ")[2]
            assert start.startswith(
                "compared with an augmented estimate that is itself"
            )
            assert "honest" not in paragraph


def test_dropped_sources_are_named() -> None:
    problem = dense.simulate("binomial", seed=15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthWarning)
        whole = replace(problem, labeled=np.ones(600, dtype=bool))
        result = model_of(whole).fit()
    with pytest.raises(
        DataError, match=r"The fit dropped 's0': every unit is labelled"
    ):
        result.diagnostics()


# By


def test_column_of_data_comes_before_that_of_a_source() -> None:
    """A synthetic source may draw a regressor anew."""
    result = study_model(make_study()).fit()
    found = result.diagnostics(by="income")
    values = result.model.data.frame["income"].to_numpy()
    by_values = result.diagnostics(by=values)
    pd.testing.assert_frame_equal(found.subgroups, by_values.subgroups)
    # What data does not have is taken from the source.
    data, guess = study()
    platform = data.pop("platform")
    found = diagnosis(data, guess.assign(platform=platform), "platform")
    assert list(found.subgroups.loc["llm"].index) == ["letters", "posts"]


def test_one_group_is_no_comparison() -> None:
    data, guess = study()
    found = diagnosis(data.assign(platform="posts"), guess, "platform")
    assert "by platform there is one group only, posts" in found.verdict[2]
    assert "too few labels" not in found.verdict[2]


def test_unknown_groups_are_not_all_named() -> None:
    data, guess = study()
    data["topic"] = np.where(data["y"].notna(), "seen", "rest")
    rest = np.flatnonzero(data["y"].isna())
    data.iloc[rest, data.columns.get_loc("topic")] = [f"t{k % 8}" for k in rest]
    known = np.flatnonzero(data["y"].notna())[:100]
    data.iloc[known, data.columns.get_loc("topic")] = "known"
    text = diagnosis(data, guess, "topic").verdict[2]
    assert "Nothing is known of t0, t1, t2, t3, t4 and 3 other groups: fewer" in text


def test_groups_may_be_given_in_every_form() -> None:
    data, guess = study()
    tables = [
        diagnosis(data, guess, by).subgroups
        for by in (
            "platform",
            data["platform"],
            data["platform"].to_numpy(),
            list(data["platform"]),
            data["platform"].astype("category"),
        )
    ]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0])
    own = data["y"].notna()
    error = (guess["y"] - data["y"])[own]
    expected = error.groupby(data["platform"]).agg(["size", "mean", "sem"])
    np.testing.assert_allclose(tables[0].to_numpy(), expected.to_numpy())
    none = diagnosis(data, guess)
    assert none.subgroups.empty
    assert none.subgroup_tests.empty


def test_groups_are_of_the_units_that_take_part() -> None:
    """Units that are neither labelled nor covered have no place in the design."""
    data, guess = study()
    keep = data["y"].notna() | (np.arange(3000) % 3 > 0)
    keep.iloc[np.flatnonzero(data["y"].notna())[::7]] = False
    found = diagnosis(data, guess[keep], "platform")
    error = (guess["y"] - data["y"])[data["y"].notna() & keep]
    expected = error.groupby(data["platform"]).agg(["size", "mean", "sem"])
    np.testing.assert_allclose(found.subgroups.to_numpy(), expected.to_numpy())
    row = found.coverage.loc["llm"]
    assert row["covered"] == keep.sum()
    assert row["unlabeled"] == keep[data["y"].isna()].mean()
    by_array = diagnosis(data, guess[keep], data["platform"].to_numpy())
    pd.testing.assert_frame_equal(by_array.subgroups, found.subgroups)


def test_missing_groups_are_a_line_of_their_own() -> None:
    data, guess = study()
    data.loc[data.index[::10], "platform"] = np.nan
    found = diagnosis(data, guess, "platform")
    assert list(found.subgroups.loc["llm"].index) == ["letters", "posts", "missing"]
    missing = data["y"].notna() & data["platform"].isna()
    assert found.subgroups.loc[("llm", "missing"), "labeled"] == missing.sum()
    assert found.subgroup_tests.loc["llm", "df"] == 1.0


def test_numbers_are_cut_at_their_quartiles() -> None:
    data, guess = study()
    data["age"] = np.random.default_rng(3).integers(18, 90, 3000)
    names = list(diagnosis(data, guess, "age").subgroups.loc["llm"].index)
    ends = data["age"].quantile([0.25, 0.5, 0.75])
    a, b, c = (f"{end:g}" for end in ends)
    assert names == [f"up to {a}", f"over {a} to {b}", f"over {b} to {c}", f"over {c}"]


def test_clusters_reach_the_groups() -> None:
    data, guess = study()
    data["author"] = np.arange(3000) % 150
    options = {"cov_type": "cluster", "cov_kwds": {"groups": "author"}}
    found = diagnosis(data, guess, "platform", **options)
    own = data["y"].notna().to_numpy()
    expected = group_errors(
        (guess["y"] - data["y"]).to_numpy()[own],
        np.ones(300),
        (data["platform"] == "posts").to_numpy().astype(int)[own],
        2,
        data["author"].to_numpy()[own],
    )
    np.testing.assert_allclose(found.subgroups["std_err"], expected.se)
    np.testing.assert_allclose(found.subgroup_tests["pvalue"], expected.pvalue)
    # The p-value is that of Hotelling's T squared, which has other degrees of freedom.
    assert re.search(r"\(J = [\d.]+, p", found.verdict[2])


# Bad input


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"by": "platfrom"}, DataError, "Did you mean 'platform'"),
        ({"by": np.zeros(7)}, DataError, "has 7 values; there are 3000 units"),
        ({"by": np.zeros((3000, 2))}, DataError, "one value per unit"),
        ({"by": 3}, DataError, "Give the name of a column"),
        ({"by": {"a": 1}}, DataError, "by= is a dict"),
        ({"by": np.arange(3000).astype(str)}, DataError, "3000 different values"),
        ({"by": np.full(3000, np.nan)}, DataError, "no value for any unit"),
        ({"by": pd.Series([1, 2])}, DataError, "index is neither that of data"),
        ({"n_influential": -1}, OptionError, "n_influential=-1 must be"),
        ({"n_influential": 2.5}, OptionError, "n_influential=2.5 must be"),
        ({"n_influential": True}, OptionError, "n_influential=True must be"),
    ],
)
def test_bad_options(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    data, guess = study()
    result = AugmentedGMM.from_formula("y ~ x", data, proxy={"llm": guess}).fit()
    with pytest.raises(kind, match=re.escape(text)):
        result.diagnostics(**options)


def test_results_that_cannot_be_diagnosed() -> None:
    problem = dense.simulate("binomial", seed=15)
    result = model_of(problem).fit()
    with pytest.raises(OptionError, match="made from arrays"):
        result.diagnostics(by="platform")
    with pytest.raises(DataError, match="No source took part"):
        result.real_only.diagnostics()
    fit = result._fit_or_raise()
    failed = replace(fit, solution=replace(fit.solution, converged=False))
    result._results._fit = failed
    with pytest.raises(DataError, match="did not converge"):
        result.diagnostics()


# Print, draw, keep


def test_summary_and_text() -> None:
    found = diagnosis(*study(), "platform")
    text = str(found)
    assert str(found.summary()) == text
    for part in (
        "Bias of each source",
        "letters",
        "tests",
        "Most influential",
        "[4] Efficiency gain",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100
    assert "<table" in found.summary().as_html()
    assert found._repr_html_() == found.summary().as_html()
    # Tables of different widths are not forced into one.
    assert found.summary().as_latex().count("begin{tabular}") == 9
    assert "Verdict" in found.summary().as_text()
    without = model_of(dense.simulate()).fit().diagnostics(n_influential=0)
    assert without.influential.empty
    assert "influential" not in str(without)


def test_figure() -> None:
    single = diagnosis(*study())
    _, ax = plt.subplots()
    assert single.plot(ax) is ax.figure
    assert ax.get_title().startswith("llm\n79 % explained")
    several = two_sources()
    figure = several.plot()
    panels = [a for a in figure.axes if a.get_title()]
    assert [a.get_title().split("\n")[0] for a in panels] == ["gpt4o", "noise"]
    assert len(panels[0].texts) == 4
    with pytest.raises(OptionError, match="there are 2 sources"):
        several.plot(ax)
    assert several.plot().axes[0].get_title() == panels[0].get_title()
    plt.close("all")


def test_figure_with_names_that_the_tables_use() -> None:
    data, guess = study()
    data, guess = (f.rename(columns={"x": "overall"}) for f in (data, guess))
    other = guess + 0.1 * guess.iloc[::-1].to_numpy()
    sources = {"all sources": guess, "overall": other}
    model = AugmentedGMM.from_formula("y ~ overall", data, proxy=sources)
    result = model.fit()
    figure = result.plot_diagnostics()
    titles = [a.get_title() for a in figure.axes if a.get_title()]
    assert titles[0].startswith("all sources\n79 % explained")
    assert titles[1].startswith("overall\n")
    plt.close("all")


def test_many_coefficients_are_drawn_without_numbers() -> None:
    problem = dense.simulate(p=10, n_labeled=300)
    figure = model_of(problem).fit().diagnostics().plot()
    assert not figure.axes[0].texts
    plt.close(figure)


def test_before_and_after_the_data_are_gone() -> None:
    data, guess = study()
    result = AugmentedGMM.from_formula("y ~ x", data, proxy={"llm": guess}).fit()
    found = result.diagnostics("platform")
    again = pickle.loads(pickle.dumps(found))
    assert str(again) == str(found)
    assert again.verdict == found.verdict
    assert str(pickle.loads(pickle.dumps(result)).diagnostics()) == str(
        result.diagnostics()
    )
    result.remove_data()
    with pytest.raises(DataError, match="removed with remove_data"):
        result.diagnostics()
    assert str(found) == str(again)
    plt.close(found.plot())


def test_nothing_of_the_size_of_the_moments_is_kept() -> None:
    """Neither the stacked moments nor a copy of the influence of all units."""
    rng = np.random.default_rng(16)
    n_units, p = 200_000, 6
    x = np.column_stack([np.ones(n_units), rng.normal(size=(n_units, p - 1))])
    y = x.sum(axis=1) + rng.normal(size=n_units)
    labels = np.where(np.arange(n_units) % 400 == 0, y, np.nan)
    sources = {f"s{m}": (y + rng.normal(size=n_units), x) for m in range(3)}
    result = AugmentedGMM(labels, x, proxy=sources).fit()
    tracemalloc.start()
    result.diagnostics()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The matrix of moments would take p + 2 M p = 42 numbers per unit.
    assert peak < 8 * n_units * 12


def test_adjusted_pvalues_are_called_so() -> None:
    """Those of the verdict are Holm's where there are several, those of tables not."""
    data, guess = study()
    rng = np.random.default_rng(2)
    other = guess.assign(y=guess["y"] + rng.normal(size=len(guess)))
    sources = {"one": guess, "two": other}
    for names in (["one"], ["one", "two"]):
        proxy = {name: sources[name] for name in names}
        result = AugmentedGMM.from_formula("y ~ x", data, proxy=proxy).fit()
        found = result.diagnostics(by="platform")
        table = found.subgroup_tests["pvalue"].to_numpy()
        text = found.verdict[2]
        for p in holm(table):
            assert probability(p, len(names)) in text
        assert ("Holm-adjusted p" in text) == (len(names) > 1)

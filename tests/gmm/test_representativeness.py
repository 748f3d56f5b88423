"""Whether labelled units look like the rest: size, power, and which source it is."""

from __future__ import annotations

from dataclasses import replace
import pickle
import re
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.partly_covered import partly_covered, restricted
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.data.groups import find_clusters
from statsmodels_synth.gmm.jtest import labeled_difference, representativeness
from statsmodels_synth.gmm.moments import moment_sums
from statsmodels_synth.gmm.solver import Solution
from statsmodels_synth.gmm.weights import all_units_weight
from statsmodels_synth.problem.design import AlignedDesign, Labeling, align_design
from statsmodels_synth.problem.groups import Clusters
from tests.problems import model_of
from tests.reference import dense, loops
from tests.reference.dense import Array


class Relabelled:
    """
    One set of sources, and any choice of labelled units.

    The coefficients of a source come from all its units, so they and its scores are
    the same whatever is labelled: what is tested is all that changes.
    """

    def __init__(self, problem: dense.Problem, groups: Any = None) -> None:
        self.model = model_of(problem)
        self.design = self.model.aligned
        self.eta = np.asarray(self.model.fit().auxiliary_params)
        self.p = problem.x.shape[1]
        self.x, self.y = problem.x, problem.y
        self.groups = groups

    def solved(
        self, chosen: Array, labeling: Labeling
    ) -> tuple[AlignedDesign, Solution, Clusters | None]:
        units = np.flatnonzero(chosen)
        labels = replace(self.design.labeled, endog=self.y[units], exog=self.x[units])
        n_units = self.design.n_units
        score = self.model.target_score
        given = (labels, units, self.design.sources, n_units, score)
        design = align_design(*given, labeling)
        theta = np.zeros(self.p)
        sums = moment_sums(
            design, self.model.target_score, theta, self.eta, second_moment=True
        )
        weight = all_units_weight(design)
        solution = Solution(theta, self.eta, theta, sums, weight, 0.0, True, True, 2, 1)
        clusters = None
        if self.groups is not None:
            units_ = self.model.unit_index
            clusters = find_clusters(self.groups, design, units_, "groups")
        return design, solution, clusters

    def test(self, chosen: Array, labeling: Labeling | None = None) -> list[Any]:
        """Numbers of the table, for all sources and for each."""
        design, solution, clusters = self.solved(chosen, labeling or Labeling())
        score = self.model.target_score
        rows = representativeness(design, score, solution, clusters)
        return [(*own, added.statistic, added.pvalue) for own, added in rows]

    def difference(self, chosen: Array) -> Any:
        design, solution, _ = self.solved(chosen, Labeling())
        return labeled_difference(design, self.model.target_score, solution, None)


def sample(rng: np.random.Generator, size: int, n: int) -> np.ndarray:
    """A simple random sample."""
    chosen = np.zeros(size, dtype=bool)
    chosen[rng.permutation(size)[:n]] = True
    return chosen


def test_a_relabelled_problem_is_that_of_the_model() -> None:
    """That the short cut of these tests is what a fit does."""
    problem = dense.simulate("binomial", seed=1, k_sources=2, error=0.4)
    shortcut = Relabelled(problem)
    chosen = sample(np.random.default_rng(1), 600, 150)
    result = model_of(replace(problem, labeled=chosen)).fit()
    expected = result.representativeness()
    assert list(expected.index) == ["all sources", "s0", "s1"]
    # eta is solved to 1e-10.
    np.testing.assert_allclose(
        np.array(shortcut.test(chosen), dtype=float), expected.to_numpy(), rtol=1e-6
    )
    np.testing.assert_allclose(result.jtest(), expected.iloc[0, :3].astype(float))


# The distribution


def test_variance_is_that_of_all_relabellings() -> None:
    """
    Mean zero and covariance ``(1/n - 1/T) S``: exact for simple random sampling.

    With T - 1 in the denominator of S; half of the units are labelled, so that a
    missing 1 / T would double the variance.
    """
    problem = dense.simulate("gaussian", seed=2, n_units=60, n_labeled=30, error=0.4)
    shortcut = Relabelled(problem)
    g = dense.moments(problem, np.r_[np.zeros(3), shortcut.eta[0]])[:, 6:9]
    found = shortcut.difference(problem.labeled)
    np.testing.assert_allclose(
        found.mean, g[problem.labeled].mean(axis=0) - g.mean(axis=0), atol=1e-10
    )
    expected = np.cov(g.T) * (1 / 30 - 1 / 60)
    np.testing.assert_allclose(found.variance, expected, rtol=1e-8)
    rng = np.random.default_rng(2)
    draws = np.array(
        [shortcut.difference(sample(rng, 60, 30)).mean for _ in range(800)]
    )
    # The mean square of a statistic with 3 degrees of freedom is known to
    # sqrt(6 / 800), .09.
    quadratic = np.einsum("di,ij,dj->d", draws, np.linalg.inv(expected), draws)
    assert abs(quadratic.mean() - 3.0) < 0.27


def rare_dummies(size: int, seed: int) -> dense.Problem:
    """A binary outcome, and ten dummies of some 4 % of the units."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(size), rng.uniform(size=(size, 10)) < 0.04])
    y = rng.binomial(1, 1 / (1 + np.exp(0.3 - x[:, 1] + x[:, 2]))).astype(float)
    guess = np.where(rng.uniform(size=size) < 0.2, 1 - y, y)
    labeled = np.zeros(size, dtype=bool)
    labeled[::2] = True
    return dense.Problem(y, x, labeled, [(guess, x)], dense.simulate("binomial").family)


@pytest.mark.parametrize("case", ["100 labels", "300 labels, rare dummies"])
def test_size_under_random_relabelling(case: str) -> None:
    """
    700 relabellings: a size of .05 is known to .008, and .03 and .07 are 2.4 of it.

    With 300 labels some dummies have a dozen labelled units.
    """
    if case == "100 labels":
        problem = dense.simulate(
            "binomial", seed=3, n_units=1000, n_labeled=200, k_sources=2, error=0.4
        )
        n = 100
    else:
        problem, n = rare_dummies(1200, 3), 300
    shortcut = Relabelled(problem)
    rng = np.random.default_rng(3)
    pvalues = np.array(
        [
            [row[1] for row in shortcut.test(sample(rng, len(problem.y), n))]
            for _ in range(700)
        ]
    )
    rejected = np.mean(pvalues < 0.05, axis=0)
    assert ((rejected > 0.03) & (rejected < 0.07)).all(), rejected
    # In the middle as well: the largest gap to uniform has a critical value of
    # 1.95 / sqrt(700), .074, at the level of .001; the chi-squared distribution is
    # an approximation.
    gaps = [stats.kstest(p, "uniform").statistic for p in pvalues.T]
    assert max(gaps) < 0.075


@pytest.mark.parametrize("how", ["probabilities", "strata", "clusters"])
def test_size_under_other_designs(how: str) -> None:
    """
    400 draws: a size of .05 has an error of .011. .02 to .09 allow for what is not
    exact about Hotelling's distribution.
    """
    size = 800
    problem = dense.simulate("gaussian", seed=4, n_units=size, n_labeled=200, error=0.4)
    rng = np.random.default_rng(4)
    groups = None
    if how == "clusters":
        # Of 80 clusters of ten that differ, 20 are drawn, with four of their units.
        groups = np.repeat(np.arange(80), 10)
        effect = rng.normal(size=80)[groups]
        y, x = problem.sources[0]
        problem = replace(problem, sources=[(y + effect, x)])
    shortcut = Relabelled(problem, groups)
    seen = problem.sources[0][0] > 0.3
    rejected = []
    for _ in range(400):
        labeling = Labeling()
        if how == "probabilities":
            prob = np.where(seen, 0.4, 0.08)
            chosen = rng.uniform(size=size) < prob
            labeling = Labeling(prob[chosen])
        elif how == "strata":
            chosen = np.zeros(size, dtype=bool)
            share = np.where(seen, 120 / seen.sum(), 40 / (~seen).sum())
            for stratum, n in ((True, 120), (False, 40)):
                units = np.flatnonzero(seen == stratum)
                chosen[rng.permutation(units)[:n]] = True
            labeling = Labeling(share[chosen], seen[chosen].astype(int))
        else:
            drawn = sample(rng, 80, 20)[groups]
            chosen = drawn & (np.arange(size) % 10 < 4)
        rejected.append(shortcut.test(chosen, labeling)[0][1] < 0.05)
    assert 0.02 <= np.mean(rejected) <= 0.09, np.mean(rejected)
    if how == "clusters":
        return
    # Labels that are not weighted are seen to be a selection.
    plain = [shortcut.test(rng.uniform(size=size) < prob_of(seen))[0][1] for _ in "abc"]
    assert max(plain) < 1e-3


def prob_of(seen: np.ndarray) -> Array:
    """Probabilities that see the outcome of the source."""
    return np.where(seen, 0.4, 0.08)


# Power, and which source


def test_labels_chosen_by_the_outcome_are_detected() -> None:
    """A source that sees the outcome tells; pure noise does not."""
    rng = np.random.default_rng(5)
    rejected = []
    for _ in range(60):
        x = np.column_stack([np.ones(800), rng.normal(size=800)])
        y = x @ [0.2, 0.5] + rng.normal(size=800)
        chosen = rng.uniform(size=800) < np.where(y > 0.2, 0.24, 0.06)
        sources = {
            "sees": (y + 0.5 * rng.normal(size=800), x),
            "noise": (rng.normal(size=800), x),
        }
        result = AugmentedGMM(np.where(chosen, y, np.nan), x, proxy=sources).fit()
        rejected.append(result.representativeness()["pvalue"] < 0.05)
    everything, sees, noise = np.mean(rejected, axis=0)
    assert everything > 0.8
    assert sees > 0.8
    # 60 draws at .05: above .2 once in 50,000.
    assert noise <= 0.2


def test_the_source_that_knew_who_is_labelled_is_named() -> None:
    """
    A generator was shown the human x of labelled units and a guess of the others'.

    Another was not: its own row has the size of a test that holds.
    """
    rng = np.random.default_rng(6)
    rejected, added = [], []
    for _ in range(60):
        x = rng.binomial(1, 0.4, 3000).astype(float)
        y = x + rng.normal(size=3000)
        labeled = np.arange(3000) < 400
        guess = np.where(rng.uniform(size=3000) < 0.75, x, 1 - x)
        shown = np.where(labeled, x, guess)
        design = [np.column_stack([np.ones(3000), v]) for v in (x, shown, guess)]
        made_up = y + 0.5 * rng.normal(size=(2, 3000))
        result = AugmentedGMM(
            np.where(labeled, y, np.nan),
            design[0],
            synthetic={
                "leak": (made_up[0], design[1]),
                "innocent": (made_up[1], design[2]),
            },
        ).fit()
        table = result.representativeness()
        rejected.append(table["pvalue"] < 0.05)
        added.append(table["c_pvalue"] < 0.05)
    everything, leak, innocent = np.mean(rejected, axis=0)
    assert everything > 0.8
    assert leak > 0.8
    assert innocent <= 0.2
    assert np.mean(added, axis=0)[1] > 0.8


@pytest.mark.parametrize("how", ["equal", "probabilities", "clusters"])
def test_what_a_source_adds_is_a_difference_of_two_j(how: str) -> None:
    """J of all sources minus J without this one, from a fit without it."""
    problem = dense.simulate("gaussian", seed=7, k_sources=3, error=0.4)
    options: dict[str, Any] = {}
    fit: dict[str, Any] = {}
    if how == "probabilities":
        prob = np.random.default_rng(7).uniform(0.2, 0.5, 600)
        options["labeling_prob"] = np.where(problem.labeled, prob, np.nan)
    if how == "clusters":
        fit = {"cov_type": "cluster", "cov_kwds": {"groups": np.arange(600) % 60}}
    result = model_of(problem, **options).fit(**fit)
    table = result.representativeness()
    statistic = table["statistic"]
    assert np.isnan(table.loc["all sources", ["c_statistic", "c_pvalue"]]).all()
    assert list(table["df"]) == [9, 3, 3, 3]
    for m in range(3):
        sources = problem.sources[:m] + problem.sources[m + 1 :]
        without = model_of(replace(problem, sources=sources), **options).fit(**fit)
        # eta of each source is its own, solved to 1e-10.
        np.testing.assert_allclose(
            table.loc[f"s{m}", "c_statistic"],
            statistic["all sources"] - without.jtest()[0],
            rtol=1e-7,
        )
        alone = model_of(replace(problem, sources=[problem.sources[m]]), **options)
        row = alone.fit(**fit).jtest()
        np.testing.assert_allclose(
            table.loc[f"s{m}", ["statistic", "pvalue", "df"]].astype(float),
            row,
            rtol=1e-7,
        )
    if how == "equal":
        c = table["c_statistic"].to_numpy()[1:]
        np.testing.assert_allclose(
            table["c_pvalue"].to_numpy()[1:], stats.chi2.sf(c, 3), rtol=1e-9
        )
    else:
        # Hotelling's, with one degree of freedom less than there are labels or
        # clusters with labels.
        df = (200 if how == "probabilities" else result.n_clusters) - 1
        j = statistic["all sources"]
        np.testing.assert_allclose(
            table["pvalue"].iloc[0],
            stats.f.sf(j * (df - 8) / (9 * df), 9, df - 8),
            rtol=1e-9,
        )


def reference_of(how: str) -> Any:
    """A fit whose J has the reference of its design."""
    problem = dense.simulate("gaussian", seed=7, k_sources=2, error=0.4)
    options: dict[str, Any] = {}
    fit: dict[str, Any] = {}
    rng = np.random.default_rng(7)
    if how == "probabilities":
        prob = rng.uniform(0.2, 0.5, 600)
        options["labeling_prob"] = np.where(problem.labeled, prob, np.nan)
    if how in ("strata", "strata, clusters"):
        options["strata"] = np.arange(600) % 3
    if how in ("clusters", "strata, clusters", "clusters, paper"):
        fit = {"cov_type": "cluster", "cov_kwds": {"groups": np.arange(600) % 60}}
    if how in ("paper", "clusters, paper"):
        fit["use_correction"] = False
    return model_of(problem, **options).fit(**fit)


REFERENCES = {
    "equal": "chi2",
    "paper": "chi2",
    "probabilities": "F",
    "strata": "F",
    "clusters": "F",
    "clusters, paper": "F",
    "strata, clusters": "F",
}


@pytest.mark.parametrize("how", REFERENCES)
def test_pvalue_of_j_follows_from_what_is_printed(how: str) -> None:
    result = reference_of(how)
    test = result.jtest()
    statistic, pvalue, df = test
    assert (statistic, pvalue, df) == (test.statistic, test.pvalue, test.df)
    assert test.distribution == REFERENCES[how]
    text = str(result.summary())
    printed = " ".join(text.split())
    if how in ("equal", "paper"):
        assert stats.chi2.sf(statistic, df) == pytest.approx(pvalue, rel=1e-12)
        assert "reference is chi-squared with 6 degrees of freedom" in printed
        (j,) = re.findall(r"Hansen J: +(\S+) \(df 6\)", text)
        again = stats.chi2.sf(float(j), 6)
    else:
        exact = stats.f.sf(test.fvalue, test.df_num, test.df_denom)
        assert exact == pytest.approx(pvalue, rel=1e-12)
        ((num, denom, value),) = re.findall(r"J as F\((\d+), (\d+)\): +(\S+)", text)
        again = stats.f.sf(float(value), int(num), int(denom))
        # And from J, as the note says.
        (line,) = re.findall(r"J \* (\d+) / \((\d+) \* (\d+)\)", printed)
        rest, k, nu = map(int, line)
        labels = result.n_clusters if result.n_clusters else result.n_labeled
        assert (k, nu, rest) == (6, labels - 1, labels - 6)
        assert statistic * rest / (k * nu) == pytest.approx(test.fvalue, rel=1e-12)
    # The header has four digits of the statistic, and three of the p-value.
    assert again == pytest.approx(pvalue, rel=5e-3)
    (shown,) = re.findall(r"Prob \(Hansen J\): +(\S+)", text)
    assert again == pytest.approx(float(shown), rel=1e-2)


@pytest.mark.parametrize("how", REFERENCES)
def test_pvalues_of_the_table_follow_from_its_columns(how: str) -> None:
    result = reference_of(how)
    table = result.representativeness()
    if REFERENCES[how] == "chi2":
        assert list(table) == ["statistic", "pvalue", "df", "c_statistic", "c_pvalue"]
        again = stats.chi2.sf(table["statistic"], table["df"])
        np.testing.assert_allclose(again, table["pvalue"], rtol=1e-12)
        return
    again = stats.f.sf(table["fvalue"], table["df"], table["df_denom"])
    np.testing.assert_allclose(again, table["pvalue"], rtol=1e-12)
    c = table.iloc[1:]
    again = stats.f.sf(c["c_fvalue"], c["c_df"], c["c_df_denom"])
    np.testing.assert_allclose(again, c["c_pvalue"], rtol=1e-12)
    assert np.isnan(table["c_pvalue"].iloc[0])


def test_the_test_outlives_a_pickle() -> None:
    test = reference_of("clusters").jtest()
    again = pickle.loads(pickle.dumps(test))
    assert again == test
    assert repr(again) == repr(test)
    assert "distribution='F', fvalue=" in repr(test)
    assert "fvalue" not in repr(reference_of("equal").jtest())


def test_too_many_means_for_the_clusters() -> None:
    """No distribution is left: not a number, no error and no warning."""
    problem = dense.simulate("gaussian", seed=8, k_sources=3, error=0.4)
    groups = np.arange(600) % 8
    with pytest.warns(UserWarning, match="8 clusters"):
        result = model_of(problem).fit(cov_type="cluster", cov_kwds={"groups": groups})
    table = result.representativeness()
    assert np.isnan(table["pvalue"].iloc[0])
    assert np.isfinite(table["pvalue"].iloc[1:].to_numpy()).all()
    assert np.isnan(result.jtest()[1])
    assert "nan" in str(result.summary())


def test_without_a_source_there_is_nothing_to_compare() -> None:
    problem = dense.simulate("gaussian", seed=9)
    table = model_of(replace(problem, sources=[])).fit().representativeness()
    assert list(table.index) == ["all sources"]
    assert table["df"].iloc[0] == 0
    assert np.isnan(table["pvalue"].iloc[0])


def test_variance_under_probabilities_by_hand() -> None:
    """
    Labels and the rest are drawn one by one: each adds its square.

    ``d = sum_t a_t z_t / n - zbar``, over labelled and all units.
    """
    problem = dense.simulate("gaussian", seed=10, error=0.4)
    prob = np.random.default_rng(10).uniform(0.2, 0.5, 600)
    rows = problem.labeled
    model = model_of(problem, labeling_prob=np.where(rows, prob, np.nan))
    result = model.fit()
    eta = loops.labels_then_sources(problem)
    z = dense.moments(problem, eta)[:, 6:9]
    a = np.where(rows, 1.0 / prob, 0.0)
    a *= rows.sum() / a.sum()
    z, n = z - z.mean(axis=0), rows.sum()
    d = a @ z / n
    # The mean of the labelled units is a ratio: residuals are from the mean itself.
    parts = a[:, None] * (z - d) / n - z / 600
    lab, rest = parts[rows], parts[~rows]
    variance = lab.T @ lab * n / (n - 1) + rest.T @ rest
    expected = d @ np.linalg.solve(variance, d)
    np.testing.assert_allclose(result.jtest()[0], expected, rtol=1e-6)
    # And summed by cluster.
    groups = np.arange(600) % 50
    options = {"cov_type": "cluster", "cov_kwds": {"groups": groups}}
    clustered = model.fit(**options)
    sums = np.array([parts[groups == g].sum(axis=0) for g in range(50)])
    expected = d @ np.linalg.solve(sums.T @ sums * 50 / 49, d)
    np.testing.assert_allclose(clustered.jtest()[0], expected, rtol=1e-6)


# Sources that cover some units only


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.CoverageWarning")
@pytest.mark.parametrize("how", ["plain", "probabilities", "clusters"])
def test_j_is_that_of_the_covered_units_alone(how: str) -> None:
    arguments, fit, covered = partly_covered(how, 1)
    found = AugmentedGMM(**arguments).fit(**fit).jtest()
    alone = restricted(arguments, fit, covered).jtest()
    np.testing.assert_allclose(found, alone, rtol=1e-8)
    assert found.df_denom == alone.df_denom


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.CoverageWarning")
@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.FewUnitsWarning")
@pytest.mark.parametrize("how", ["plain", "strata", "probabilities", "clusters"])
def test_size_and_power_with_a_source_that_covers_three_in_ten(how: str) -> None:
    """
    Of 200 draws with random labels one in twenty rejects, with an error of .015.

    Before, none did: the units that take no part were left out, not the labels of
    which the source says nothing.
    """
    arguments = [partly_covered(how, seed)[:2] for seed in range(200)]
    pvalues = [AugmentedGMM(**a).fit(**fit).jtest()[1] for a, fit in arguments]
    assert 0.015 <= np.mean(np.array(pvalues) < 0.05) <= 0.1
    assert stats.kstest(pvalues, "uniform").statistic < 0.12
    ours, theirs = [], []
    for seed in range(40):
        chosen, fit, covered = partly_covered(how, seed, select=0.6)
        ours.append(AugmentedGMM(**chosen).fit(**fit).jtest()[1] < 0.05)
        theirs.append(restricted(chosen, fit, covered).jtest()[1] < 0.05)
    assert np.mean(ours) > 0.3
    assert abs(np.mean(ours) - np.mean(theirs)) <= 0.1


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.CoverageWarning")
@pytest.mark.parametrize("prob", [False, True])
def test_each_source_against_its_own_units_by_hand(prob: bool) -> None:
    """
    Three sources that cover all, some, and some other units; Dask finds the same.

    The scores are summed unit by unit over the units of each, and of each two.
    """
    rng = np.random.default_rng(3)
    size = 400
    x = np.column_stack([np.ones(size), rng.normal(size=size)])
    y = x @ [0.3, 1.0] + rng.normal(size=size)
    pi = np.where(x[:, 1] > 0, 0.4, 0.2) if prob else np.full(size, 0.3)
    chosen = rng.uniform(size=size) < pi
    covers = np.column_stack(
        [rng.uniform(size=size) < share for share in (2, 0.6, 0.4)]
    )
    values = [y + rng.normal(size=size) for _ in range(3)]
    proxies = {
        f"s{m}": (np.where(covers[:, m], v, np.nan), x) for m, v in enumerate(values)
    }
    options = {"labeling_prob": pi} if prob else {}
    model = AugmentedGMM(np.where(chosen, y, np.nan), x, proxy=proxies, **options)
    result = model.fit()
    e = np.zeros((size, 3, 2))
    d = np.zeros((3, 2))
    a = chosen / pi
    n = (covers & chosen[:, None]).sum(axis=0)
    for m, eta in enumerate(np.asarray(result.auxiliary_params)):
        c = covers[:, m]
        h = x * (values[m] - x @ eta)[:, None]
        e[c, m] = h[c] - h[c].mean(axis=0)
        d[m] = (a * c) @ e[:, m] / (a * c).sum()
    units = covers.sum(axis=0)
    if prob:
        rows = a[:, None, None] * covers[:, :, None] * (e - d)
        rows = rows / (a @ covers)[:, None] - e / units[:, None]
        scale = np.where(chosen[:, None], np.sqrt(n / (n - 1)), 1.0)
        rows = (rows * scale[:, :, None]).reshape(size, -1)
    else:
        scale = np.sqrt((1 - n / units) / n / (units - 1))
        rows = (e * scale[:, None]).reshape(size, -1)
    test = d.ravel() @ np.linalg.solve(rows.T @ rows, d.ravel())
    np.testing.assert_allclose(result.jtest()[0], test, rtol=1e-8)
    assert result.jtest().df_denom == (n.min() - 1 - 5 if prob else np.inf)
    own = result.representativeness()
    block = rows[:, 2:4]
    test = d[1] @ np.linalg.solve(block.T @ block, d[1])
    np.testing.assert_allclose(own.loc["s1", "statistic"], test, rtol=1e-8)

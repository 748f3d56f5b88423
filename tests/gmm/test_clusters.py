"""Clusters of units: how they are given, and what they do to the variance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import AlignmentError, DataError, FewClustersWarning
from statsmodels_synth.problem.groups import cluster_sums
from statsmodels_synth.results.summary import summary_notes
from tests.problems import frames, model_of
from tests.reference import dense
from tests.reference.dense import Array

T = 360


def problem_of(kind: str = "gaussian", seed: int = 1) -> dense.Problem:
    return dense.simulate(
        kind, seed=seed, n_units=T, n_labeled=150, k_sources=2, error=0.4
    )


def groups_of(n_clusters: int = 45, seed: int = 2) -> np.ndarray:
    """Clusters by name, in no order, of unequal size."""
    rng = np.random.default_rng(seed)
    numbers = np.minimum(rng.integers(0, n_clusters, T), rng.integers(0, 60, T))
    return np.array([f"c{k:02d}" for k in numbers])


def clustered(groups: Any, **options: Any) -> dict[str, Any]:
    """Options of a clustered fit."""
    return {"cov_type": "cluster", "cov_kwds": {"groups": groups}, **options}


def same(actual: Any, expected: Any) -> None:
    """The same fit, to the rounding of sums in another order."""
    assert actual.n_clusters == expected.n_clusters
    np.testing.assert_allclose(actual.params, expected.params, rtol=1e-9)
    np.testing.assert_allclose(actual.cov_params(), expected.cov_params(), rtol=1e-8)
    np.testing.assert_allclose(actual.jtest()[1], expected.jtest()[1], rtol=1e-7)
    np.testing.assert_allclose(actual.df_resid, expected.df_resid, rtol=1e-9)


# The variance


@pytest.mark.parametrize("maxiter", [1, 2, "cue"])
@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_asymptotic_covariance_is_the_sum_over_clusters(
    kind: str, maxiter: Any
) -> None:
    """``sum_c (sum_t K g_t)(sum_t K g_t)' / T^2``, with K from the dense fit."""
    problem, groups = problem_of(kind), groups_of()
    model = model_of(problem)
    result = model.fit(**clustered(groups, maxiter=maxiter, **dense.PAPER))
    plain = model.fit(maxiter=maxiter, **dense.PAPER)
    np.testing.assert_array_equal(result.params, plain.params)
    # The same influence with and without clusters.
    np.testing.assert_array_equal(result.influence, plain.influence)
    if maxiter == 2:
        full = np.r_[result.params, np.asarray(result.auxiliary_params).ravel()]
        influence = dense.influence(problem, full)
    else:
        influence = plain.influence.to_numpy()
    expected = np.zeros((3, 3))
    for name in np.unique(groups):
        total = influence[groups == name].sum(axis=0) / T
        expected += np.outer(total, total)
    # The numeric Jacobian of the comparison is good to about 1e-9.
    np.testing.assert_allclose(result.cov_params(), expected, rtol=1e-6, atol=1e-9)


def test_sums_by_cluster_across_blocks_of_units() -> None:
    """More units than fit in a block, and clusters that stretch over several."""
    problem = dense.simulate("gaussian", seed=3, n_units=9000, n_labeled=300)
    groups = np.random.default_rng(3).integers(0, 100, 9000)
    result = model_of(problem).fit(**clustered(groups, **dense.PAPER))
    sums = pd.DataFrame(result.influence.to_numpy() / 9000).groupby(groups).sum()
    sums = sums.to_numpy()
    np.testing.assert_allclose(result.cov_params(), sums.T @ sums, rtol=1e-9)


@pytest.mark.parametrize("use_correction", [False, True])
@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_labels_only_is_the_clustered_fit_of_the_labels(
    kind: str, use_correction: bool
) -> None:
    problem, groups = problem_of(kind), groups_of()
    rows = problem.labeled
    options = {"use_correction": use_correction}
    real = model_of(problem).fit(**clustered(groups, **options)).real_only
    alone = model_of(replace(problem, sources=[])).fit(**clustered(groups, **options))
    same_but_j = ("params", "bse", "pvalues", "df_resid", "n_clusters")
    for name in same_but_j:
        np.testing.assert_allclose(getattr(real, name), getattr(alone, name), rtol=1e-7)
    if use_correction:
        return
    codes = pd.factorize(groups[rows])[0]
    peer = sm.GLM(problem.y[rows], problem.x[rows], family=problem.family).fit(
        tol=1e-14,
        cov_type="cluster",
        cov_kwds={"groups": codes, "use_correction": False},
    )
    np.testing.assert_allclose(real.cov_params(), peer.cov_params(), rtol=1e-6)


def test_clusters_matter() -> None:
    """That none of the above compares two numbers that hardly differ."""
    problem, groups = problem_of(), groups_of()
    model = model_of(problem)
    ratio = model.fit(**clustered(groups)).bse / model.fit().bse
    assert np.abs(ratio - 1).max() > 0.05


# How they are given


@pytest.mark.parametrize("use_correction", [False, True])
def test_forms_of_groups(use_correction: bool) -> None:
    problem, groups = problem_of(), groups_of()
    options = {"use_correction": use_correction}
    expected = model_of(problem).fit(**clustered(groups, **options))
    numbers = pd.factorize(groups, sort=True)[0]
    data, proxies = frames(problem)
    by_unit = pd.Series(groups, data.index)
    forms: list[Any] = [
        *(groups.tolist(), numbers, -numbers / 7, pd.Categorical(groups)),
        pd.Series(groups),
    ]
    for form in forms:
        same(model_of(problem).fit(**clustered(form, **options)), expected)
    plain = AugmentedGMM.from_formula("y ~ x1 + x2", data, proxy=proxies)
    named = AugmentedGMM.from_formula(
        "y ~ x1 + x2", data.assign(g=groups), proxy=proxies
    )
    with pytest.raises(AlignmentError, match="neither that of data"):
        plain.fit(**clustered(forms[-1], **options))
    for model, form in (
        *((plain, form) for form in forms[:-1]),
        (plain, by_unit.sample(frac=1, random_state=1)),
        (named, "g"),
    ):
        same(model.fit(**clustered(form, **options)), expected)


@pytest.mark.parametrize("where", ["data", "source", "both"])
def test_units_that_only_a_source_has(where: str) -> None:
    """Their cluster is that of the source, or of a Series by unit."""
    problem, groups = problem_of(), groups_of()
    expected = model_of(problem).fit(**clustered(groups))
    data, proxies = frames(problem)
    by_unit = pd.Series(groups, data.index)
    if where != "data":
        proxies["s1"] = proxies["s1"].assign(g=groups).sample(frac=1, random_state=1)
    if where != "source":
        data = data.assign(g=groups)
    part = data[problem.labeled]
    model = AugmentedGMM.from_formula("y ~ x1 + x2", part, proxy=proxies)
    same(model.fit(**clustered(by_unit.sample(frac=1, random_state=2))), expected)
    if where == "data":
        unlabelled = int((~problem.labeled).sum())
        with pytest.raises(DataError, match=f"missing for {unlabelled} units"):
            model.fit(**clustered("g"))
    else:
        same(model.fit(**clustered("g")), expected)


def test_units_that_nobody_sees_need_no_cluster() -> None:
    """Neither labelled nor covered: they are left out, their clusters as well."""
    problem, groups = problem_of(), groups_of()
    data, proxies = frames(problem)
    seen = problem.labeled | (np.arange(T) % 3 > 0)
    expected = AugmentedGMM.from_formula(
        "y ~ x1 + x2", data[seen], proxy={k: f[seen] for k, f in proxies.items()}
    ).fit(**clustered(groups[seen]))
    partial = {k: f[seen] for k, f in proxies.items()}
    plain = AugmentedGMM.from_formula("y ~ x1 + x2", data, proxy=partial)
    by_unit = pd.Series(groups, data.index)
    gaps = by_unit.where(seen)
    for form in (groups, by_unit, by_unit[seen], gaps, gaps.to_numpy()):
        same(plain.fit(**clustered(form)), expected)
    named = AugmentedGMM.from_formula("y ~ x1 + x2", data.assign(g=gaps), proxy=partial)
    same(named.fit(**clustered("g")), expected)
    # The same with arrays, whose sources have gaps.
    sources = {
        k: (np.where(seen, f["y"], np.nan), problem.sources[i][1])
        for i, (k, f) in enumerate(proxies.items())
    }
    arrays = AugmentedGMM(problem.endog, problem.x, proxy=sources)
    same(arrays.fit(**clustered(groups)), expected)
    with pytest.raises(DataError, match="there are 360 units"):
        arrays.fit(**clustered(groups[seen]))


@pytest.mark.parametrize("use_correction", [False, True])
def test_rows_that_are_dropped(use_correction: bool) -> None:
    """
    A labelled row without x is no label, but its unit is still covered.

    A Series by unit, a column and one value per row all find the right units.
    """
    problem, groups = problem_of(), groups_of()
    options = {"use_correction": use_correction}
    data, proxies = frames(problem)
    lost = np.flatnonzero(problem.labeled)[::10]
    labeled = problem.labeled.copy()
    labeled[lost] = False
    expected = model_of(replace(problem, labeled=labeled)).fit(
        **clustered(groups, **options)
    )
    data.iloc[lost, 0] = np.nan
    model = AugmentedGMM.from_formula(
        "y ~ x1 + x2", data.assign(g=groups), proxy=proxies
    )
    by_unit = pd.Series(groups, data.index)
    for form in ("g", by_unit, by_unit.sample(frac=1, random_state=3), groups):
        same(model.fit(**clustered(form, **options)), expected)


def test_a_cluster_for_units_that_are_not_there() -> None:
    """More units in a Series than in the model."""
    problem, groups = problem_of(), groups_of()
    data, proxies = frames(problem)
    more = pd.concat([pd.Series({"elsewhere": "c99"}), pd.Series(groups, data.index)])
    model = AugmentedGMM.from_formula("y ~ x1 + x2", data, proxy=proxies)
    same(model.fit(**clustered(more)), model.fit(**clustered(groups)))


def test_names_of_clusters_and_order_of_units_do_not_matter() -> None:
    problem, groups = problem_of("binomial"), groups_of()
    order = np.random.default_rng(4).permutation(T)
    other = replace(
        problem,
        y=problem.y[order],
        x=problem.x[order],
        labeled=problem.labeled[order],
        sources=[(y[order], x[order]) for y, x in problem.sources],
    )
    renamed = np.array([hash_of(g) for g in groups])
    same(
        model_of(other).fit(**clustered(renamed[order])),
        model_of(problem).fit(**clustered(groups)),
    )


def hash_of(name: str) -> int:
    """A number that does not rise with the name."""
    return int(name[1:]) * 37 % 101


def test_sums_over_no_columns_and_empty_clusters() -> None:
    assert cluster_sums(np.empty((3, 0)), np.array([0, 1, 1]), 4).shape == (4, 0)
    sums = cluster_sums(np.ones((3, 2)), np.array([0, 2, 2]), 4)
    np.testing.assert_array_equal(sums, [[1, 1], [0, 0], [2, 2], [0, 0]])


# Too few


def test_few_clusters_are_said_once() -> None:
    problem = problem_of()
    groups = np.arange(T) % 8
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = model_of(problem).fit(**clustered(groups))
        _ = result.real_only.bse
        str(result.summary())
    assert [w.category for w in caught] == [FewClustersWarning]
    assert "8 clusters" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert result.n_clusters == 8
    assert 1.0 <= result.df_resid <= 7.0
    assert np.isfinite(result.bse).all()


def test_only_clusters_with_a_label_count() -> None:
    """A hundred clusters, three of which have labels: too few for 3 coefficients."""
    problem = problem_of()
    groups = np.where(problem.labeled, np.arange(T) % 3, 10 + np.arange(T))
    with pytest.raises(DataError, match="3 clusters, too few for 3 coefficients"):
        model_of(problem).fit(**clustered(groups))


# In the long run


def effects(rng: np.random.Generator, of: np.ndarray) -> Array:
    """One value per cluster, for each unit."""
    return rng.normal(size=of.max() + 1)[of]


def test_dependence_within_clusters_in_the_long_run() -> None:
    """
    40 clusters of 4 labelled and 12 other units; x and the errors go with them.

    The coverage of 300 draws is within .905 and .983 of .95 in 99.9 % of cases; a
    valid interval may be a bit wide.
    """
    rng = np.random.default_rng(6)
    of = np.repeat(np.arange(40), 16)
    labeled = np.arange(640) % 16 < 4
    truth = np.array([0.2, 0.8])
    covered, ignoring = [], []
    for draw in range(300):
        x = np.column_stack([np.ones(640), effects(rng, of) + rng.normal(size=640)])
        y = x @ truth + effects(rng, of) + rng.normal(size=640)
        # The errors of the proxy, too, are the same throughout a cluster.
        guess = 0.7 * y + effects(rng, of) + 0.5 * rng.normal(size=640)
        labels = np.where(labeled, y, np.nan)
        model = AugmentedGMM(labels, x, proxy={"p": (guess, x)})
        low, high = np.asarray(model.fit(**clustered(of)).conf_int()).T
        covered.append((low < truth) & (truth < high))
        if draw % 4 == 0:
            low, high = np.asarray(model.fit().conf_int()).T
            ignoring.append((low < truth) & (truth < high))
    least, _ = stats.binom.interval(0.999, 300, 0.95)
    share = np.mean(covered, axis=0)
    assert ((share >= least / 300) & (share <= 0.985)).all(), share
    assert np.mean(ignoring, axis=0).min() < 0.85


@pytest.mark.parametrize("form", ["column", "series", "array"])
def test_integer_units_in_any_order(form: str) -> None:
    """Units that are 0 .. T - 1 are not positions, however their rows are ordered."""
    problem, groups = problem_of(), groups_of()
    data, proxies = frames(problem)
    data = data.assign(g=groups).reset_index(drop=True)
    proxy = next(iter(proxies.values())).reset_index(drop=True)
    order = np.random.default_rng(7).permutation(T)
    errors = []
    for frame in (data, data.iloc[order]):
        given = {
            "column": "g",
            "series": frame["g"],
            "array": frame["g"].to_numpy(),
        }[form]
        model = AugmentedGMM.from_formula("y ~ x1 + x2", frame, proxy=proxy)
        errors.append(model.fit(**clustered(given)).bse)
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-9)


def test_a_coefficient_that_two_clusters_decide() -> None:
    problem, groups = problem_of(), groups_of()
    two = np.isin(groups, ["c03", "c11"]).astype(float)
    x = np.column_stack([problem.x, two])
    changed = replace(problem, x=x, sources=[(s, x) for s, _ in problem.sources])
    with pytest.warns(FewClustersWarning, match=r"'x3' \(\d\.\d\)"):
        model_of(changed).fit(**clustered(groups))


# The estimate


def note_of_change(result: Any) -> str | None:
    """The note that says by how much clusters changed the estimate."""
    notes = [n for n in summary_notes(result._results) if n.startswith("Clusters")]
    return notes[0] if notes else None


def test_the_summary_says_by_how_much_clusters_change_the_estimate() -> None:
    """Against the fit without them; both numbers are in the note."""
    model = model_of(problem_of())
    result, plain = model.fit(**clustered(groups_of())), model.fit()
    change = np.abs(result.params - plain.params) / result.bse
    assert change.max() > 0.01
    j = int(np.argmax(change))
    name = result.model.exog_names[j]
    note = note_of_change(result)
    assert note is not None
    assert (
        f"up to {change[j]:.2f} standard errors ({name}: {plain.params[j]:.4g}" in note
    )
    assert f"instead of {result.params[j]:.4g})" in note
    assert f"from {result.n_clusters} labelled clusters instead of 150" in note
    assert "labels alone" not in note
    result.remove_data()
    assert note_of_change(result) == note


def test_useless_sources_of_few_clusters_leave_the_labels_nearly_alone() -> None:
    """
    Noise is right of 5 clusters by chance now and then, in 40 draws.

    What is certain of it is little: in most draws the estimate moves by less than a
    tenth of a standard error.
    """
    problem, moved = dense.simulate("gaussian", seed=2, error=0.4), []
    rng = np.random.default_rng(2)
    for _ in range(40):
        sources = [(rng.normal(size=600), x) for _, x in problem.sources]
        model = model_of(replace(problem, sources=sources))
        with pytest.warns(FewClustersWarning):
            result = model.fit(**clustered(np.arange(600) % 5))
        change = np.abs(result.params - result.real_only.params)
        moved.append((change / result.real_only.bse).max())
    assert np.median(moved) < 0.1


@pytest.mark.parametrize(
    "options", [dense.PAPER, {"maxiter": 1}, {"maxiter": "cue"}], ids=str
)
def test_clusters_that_change_no_estimate_need_no_note(options: dict[str, Any]) -> None:
    model = model_of(problem_of())
    result = model.fit(**clustered(groups_of(), **options))
    np.testing.assert_array_equal(result.params, model.fit(**options).params)
    assert note_of_change(result) is None


def test_clusters_of_one_unit_change_nothing() -> None:
    model = model_of(problem_of())
    result = model.fit(**clustered(np.arange(T)))
    np.testing.assert_allclose(result.params, model.fit().params, rtol=1e-10)
    assert note_of_change(result) is None

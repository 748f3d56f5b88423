"""Labels drawn with unequal probabilities or by stratum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.data.labeling import find_labeling
from statsmodels_synth.exceptions import DataError, FewUnitsWarning
from statsmodels_synth.problem.design import Labeling
from tests.problems import frames, model_of
from tests.reference import dense, loops
from tests.reference.dense import Array

T = 400


def drawn(kind: str = "gaussian", k_sources: int = 2, seed: int = 1) -> dense.Problem:
    """
    Labels drawn with a probability between .1 and .5.

    The attribute `design_weights` has their inverses, with a mean of one.
    """
    problem = dense.simulate(kind, seed=seed, n_units=T, k_sources=k_sources, error=0.4)
    rng = np.random.default_rng(seed)
    prob = rng.uniform(0.1, 0.5, T)
    labeled = rng.uniform(size=T) < prob
    a = 1.0 / prob
    return replace(
        problem, labeled=labeled, design_weights=a * labeled.sum() / a[labeled].sum()
    )


def prob_of(problem: dense.Problem) -> Array:
    """The probabilities again."""
    assert problem.design_weights is not None
    n = problem.labeled.sum()
    scale = (1.0 / problem.design_weights).sum() / n
    return np.asarray(1.0 / problem.design_weights / scale)


def same(actual: Any, expected: Any) -> None:
    """The same fit, to the rounding of sums in another order."""
    np.testing.assert_allclose(actual.params, expected.params, rtol=1e-9)
    np.testing.assert_allclose(actual.cov_params(), expected.cov_params(), rtol=1e-8)
    np.testing.assert_allclose(actual.jtest()[0], expected.jtest()[0], rtol=1e-8)
    np.testing.assert_allclose(
        actual.real_only.cov_params(), expected.real_only.cov_params(), rtol=1e-8
    )


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_probabilities_against_loops(kind: str) -> None:
    problem = drawn(kind)
    result = model_of(problem, labeling_prob=prob_of(problem)).fit()
    expected = loops.fit(problem, unequal=True)
    # The numeric derivatives of the comparison are good to about 1e-9.
    close = {"rtol": 1e-7, "atol": 1e-10}
    np.testing.assert_allclose(result.params, expected.params, **close)
    np.testing.assert_allclose(result.cov_params(), expected.covariance, **close)
    labels_only = loops.fit(replace(problem, sources=[]))
    np.testing.assert_allclose(result.real_only.params, labels_only.params, **close)
    np.testing.assert_allclose(
        result.real_only.cov_params(), labels_only.covariance, **close
    )
    # That they matter.
    plain = model_of(problem).fit()
    assert np.abs(plain.params - result.params).max() > 1e-2


@pytest.mark.parametrize("use_correction", [False, True])
def test_forms_of_probabilities(use_correction: bool) -> None:
    problem = drawn()
    prob, rows = prob_of(problem), problem.labeled
    options = {"use_correction": use_correction}
    expected = model_of(problem, labeling_prob=prob).fit(**options)
    assert expected.labeling == "unequal prob."
    for form in (
        prob.tolist(),
        pd.Series(prob),
        np.where(rows, prob, np.nan),
        prob[rows],
    ):
        same(model_of(problem, labeling_prob=form).fit(**options), expected)
    data, proxies = frames(problem)

    def by_formula(data: Any, prob: Any, proxies: Any = proxies) -> Any:
        return AugmentedGMM.from_formula(
            "y ~ x1 + x2", data, proxy=proxies, labeling_prob=prob
        ).fit(**options)

    same(by_formula(data.assign(pi=prob), "pi"), expected)
    same(by_formula(data, prob), expected)
    same(by_formula(data, pd.Series(prob, data.index)), expected)
    # Units that are in a source only need none, or have it there.
    same(by_formula(data.assign(pi=prob)[rows], "pi"), expected)
    first = proxies["s0"].assign(pi=prob).sample(frac=1, random_state=1)
    same(by_formula(data[rows], "pi", proxies | {"s0": first}), expected)


def test_a_number_for_all_is_a_simple_random_sample() -> None:
    problem = drawn()
    share = float(problem.labeled.mean())
    plain = model_of(problem).fit()
    data, proxies = frames(problem)
    for model in (
        model_of(problem, labeling_prob=share),
        model_of(problem, labeling_prob=np.full(T, share)),
        AugmentedGMM.from_formula(
            "y ~ x1 + x2", data, proxy=proxies, labeling_prob=share
        ),
    ):
        result = model.fit()
        same(result, plain)
        assert result.labeling == "equal"


@pytest.mark.parametrize("factor", [0.93, 1.06])
def test_only_ratios_of_probabilities_matter(factor: float) -> None:
    """Hajek's estimator: all of them a bit larger or smaller changes nothing."""
    problem = drawn("binomial")
    prob = prob_of(problem)
    same(
        model_of(problem, labeling_prob=factor * prob).fit(),
        model_of(problem, labeling_prob=prob).fit(),
    )


# Strata


def by_stratum(kind: str = "gaussian") -> tuple[dense.Problem, np.ndarray]:
    """Three strata that see x, and 20, 60 and all of 30 units labelled."""
    problem = drawn(kind)
    strata = np.digitize(problem.x[:, 1], [-0.3, 0.4])
    rng = np.random.default_rng(3)
    labeled = np.zeros(T, dtype=bool)
    for h, n in enumerate((20, 60, 25)):
        labeled[rng.permutation(np.flatnonzero(strata == h))[:n]] = True
    a = np.array([np.sum(strata == h) / np.sum(strata[labeled] == h) for h in range(3)])
    a = a[strata]
    return (
        replace(problem, labeled=labeled, design_weights=a * labeled.sum() / T),
        strata,
    )


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_strata_are_probabilities_for_the_estimate(kind: str) -> None:
    problem, strata = by_stratum(kind)
    names = np.array(["low", "middle", "high"])[strata]
    share = np.array([problem.labeled[strata == h].mean() for h in range(3)])
    result = model_of(problem, strata=strata).fit()
    assert result.labeling == "3 strata"
    by_prob = model_of(problem, labeling_prob=share[strata]).fit()
    # How much is taken off is learned within strata: only the labels alone agree.
    np.testing.assert_allclose(
        result.real_only.params, by_prob.real_only.params, rtol=1e-9
    )
    assert np.abs(result.bse / by_prob.bse - 1).max() > 1e-3
    data, proxies = frames(problem)
    arguments = {"proxy": proxies, "family": problem.family}
    for option, frame in (
        ("h", data.assign(h=names)),
        (names, data),
        (pd.Series(names, data.index), data),
    ):
        same(
            AugmentedGMM.from_formula(
                "y ~ x1 + x2", frame, strata=option, **arguments
            ).fit(),
            result,
        )
    # Units that are in a source only have their stratum there.
    first = proxies["s0"].assign(h=names).sample(frac=1, random_state=1)
    for frame in (
        data[problem.labeled],
        data[problem.labeled].assign(h=names[problem.labeled]),
    ):
        arguments["proxy"] = proxies | {"s0": first}
        same(
            AugmentedGMM.from_formula(
                "y ~ x1 + x2", frame, strata="h", **arguments
            ).fit(),
            result,
        )


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_what_strata_take_off_the_variance(kind: str) -> None:
    """
    ``V - sum (1 - pi_h) n_h lbar lbar'``, from the formula, without a source.

    Without correction l = D^-1 psi is a row of the influence over n; with it HC3's,
    and the variance within a stratum has n_h - 1 in the denominator.
    """
    problem, strata = by_stratum(kind)
    problem = replace(problem, sources=[])
    model, own = model_of(problem, strata=strata), strata[problem.labeled]
    share = np.array([problem.labeled[strata == h].mean() for h in range(3)])
    plain = model_of(problem, labeling_prob=share[strata])
    asymptotic = plain.fit(**dense.PAPER)
    rows = asymptotic.influence.to_numpy() / len(own)
    expected = asymptotic.cov_params().copy()
    for h in range(3):
        mean = rows[own == h].mean(axis=0)
        expected -= (1 - share[h]) * np.sum(own == h) * np.outer(mean, mean)
    actual = model.fit(**dense.PAPER).cov_params()
    np.testing.assert_allclose(actual, expected, rtol=1e-8)

    x, y = problem.x[problem.labeled], problem.y[problem.labeled]
    a = problem.design_weights[problem.labeled]
    fit = sm.GLM(y, x, family=problem.family, var_weights=a).fit(tol=1e-14)
    v = a * problem.family.variance(fit.fittedvalues)
    bread = np.linalg.inv(x.T @ (x * v[:, None]))
    hat = v * np.einsum("ti,ij,tj->t", x, bread, x)
    rows = x * (a * (y - fit.fittedvalues) / (1 - hat))[:, None] @ bread
    expected = rows.T @ rows
    for h in range(3):
        part = rows[own == h]
        expected += (1 - share[h]) * (len(part) * np.cov(part.T) - part.T @ part)
    actual = model.fit().cov_params()
    np.testing.assert_allclose(actual, expected, rtol=1e-7)


def test_a_stratum_with_one_label_goes_with_the_smallest() -> None:
    """Its own variance is unknown; weights and probabilities stay its own."""
    problem, strata = by_stratum()
    labeled = problem.labeled.copy()
    labeled[np.flatnonzero(labeled & (strata == 0))[1:]] = False
    problem = replace(problem, labeled=labeled)
    said = r"1 of 3 strata has one label, .* Merge strata"
    with pytest.warns(FewUnitsWarning, match=said):
        result = model_of(problem, strata=strata).fit()
    assert np.isfinite(result.bse).all()
    assert np.linalg.eigvalsh(result.cov_params()).min() > 0.0


@pytest.mark.parametrize("single", [0, 1, 10, 30])
def test_one_label_in_a_stratum_is_warned_of(single: int) -> None:
    """Named are the strata and the degrees of freedom; those of one unit are known."""
    rng = np.random.default_rng(1)
    strata = np.repeat(np.arange(30), 20)
    labeled = np.arange(600) % 20 < np.where(strata < single, 1, 2)
    # The last stratum is a unit, which is labelled.
    strata = np.r_[strata, 30]
    labeled = np.r_[labeled, True]
    x = np.column_stack([np.ones(601), rng.normal(size=601)])
    y = x @ [0.3, 1.0] + rng.normal(size=601)
    guess = {"guess": (y + rng.normal(size=601), x)}
    model = AugmentedGMM(np.where(labeled, y, np.nan), x, proxy=guess, strata=strata)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        result = model.fit()
        _ = result.real_only, result.effective_nobs  # says it no second time
    texts = [str(w.message) for w in said if "strata" in str(w.message)]
    assert len(texts) == (single > 0)
    if single:
        df = float(np.min(result._fit_or_raise().inference.df))
        degrees = "degree" if df == 1.0 else "degrees"
        assert texts[0].startswith(f"{single} of 31 strata ha")
        assert f"rest on {df:.3g} {degrees} of freedom" in texts[0]


def test_one_label_in_every_stratum_is_warned_of() -> None:
    x = np.column_stack([np.ones(300), np.random.default_rng(2).normal(size=300)])
    y = np.where(np.arange(300) % 10 == 0, x.sum(axis=1) + x[::-1, 1], np.nan)
    model = AugmentedGMM(y, x, strata=np.arange(300) // 10)
    with pytest.warns(FewUnitsWarning, match="All 30 strata have one label each"):
        model.fit()


def test_units_that_nobody_sees_are_in_their_stratum() -> None:
    """They are neither labelled nor covered, but were there to be drawn."""
    problem, strata = by_stratum()
    data, proxies = frames(problem)
    seen = problem.labeled | (np.arange(T) % 3 > 0)
    proxies = {name: frame[seen] for name, frame in proxies.items()}
    result = AugmentedGMM.from_formula(
        "y ~ x1 + x2", data.assign(h=strata), proxy=proxies, strata="h"
    ).fit()
    assert result.n_units == seen.sum()
    share = np.array([problem.labeled[strata == h].mean() for h in range(3)])
    by_prob = AugmentedGMM.from_formula(
        "y ~ x1 + x2",
        data.assign(pi=share[strata]),
        proxy=proxies,
        labeling_prob="pi",
    ).fit()
    # What the sources say is learned within strata; the labels' own estimate is not.
    np.testing.assert_allclose(
        result.real_only.params, by_prob.real_only.params, rtol=1e-9
    )


# The check of the sum


def test_probabilities_that_chance_explains_are_fine() -> None:
    """The sum over all units, or of the inverses where only labels have one."""
    problem = drawn()
    prob, mask = prob_of(problem), problem.labeled
    units = pd.RangeIndex(T)
    for form in (prob, prob[mask], 0.9 * prob, 1.1 * prob[mask]):
        assert isinstance(find_labeling(form, None, mask, units), Labeling)
    for form in (0.4 * prob, np.minimum(2 * prob, 1.0)):
        with pytest.raises(DataError, match="sums to"):
            find_labeling(form, None, mask, units)
        with pytest.raises(DataError, match="stand for"):
            find_labeling(form[mask], None, mask, units)


def test_certain_labels_leave_no_room_for_chance() -> None:
    """Probabilities of one are all labelled, and no error explains another sum."""
    mask = np.array([True] * 30 + [False] * 10)
    units = pd.RangeIndex(40)
    prob = np.where(mask, 1.0, 0.0)
    with pytest.raises(DataError, match="sums to 31"):
        find_labeling(np.where(np.arange(40) < 31, 1.0, 1e-9), None, mask, units)
    found = find_labeling(np.where(mask, prob, 1e-3), None, mask, units)
    assert found.prob is None  # all labelled units were certain: no weights


# In the long run


def test_unequal_probabilities_in_the_long_run() -> None:
    """
    Units are labelled ten times as often where the proxy and x are high.

    300 draws: the coverage of a valid interval is .95 with an error of .0126. A
    valid one may be a bit wide, an interval that ignores the design is not near.
    """
    rng = np.random.default_rng(5)
    size, truth = 1000, np.array([0.2, 0.8])
    covered, ignoring, estimates = [], [], []
    for draw in range(300):
        x = np.column_stack([np.ones(size), rng.normal(size=size)])
        y = x @ truth + rng.normal(size=size)
        guess = y + rng.normal(size=size)
        prob = np.where(guess + x[:, 1] > 0.5, 0.3, 0.03)
        labels = np.where(rng.uniform(size=size) < prob, y, np.nan)
        proxy = {"p": (guess, x)}
        result = AugmentedGMM(labels, x, proxy=proxy, labeling_prob=prob).fit()
        low, high = np.asarray(result.conf_int()).T
        covered.append((low < truth) & (truth < high))
        estimates.append(result.params)
        if draw % 4:
            continue
        plain = AugmentedGMM(labels, x, proxy=proxy).fit()
        low, high = np.asarray(plain.conf_int()).T
        ignoring.append((low < truth) & (truth < high))
    share = np.mean(covered, axis=0)
    assert ((share >= 0.90) & (share <= 0.985)).all(), share
    assert np.mean(ignoring, axis=0).min() < 0.88
    # The mean estimate has an error of a 17th of the spread of one.
    bias = np.mean(estimates, axis=0) - truth
    assert (np.abs(bias) < 3.5 * np.std(estimates, axis=0) / np.sqrt(300)).all()


@pytest.mark.parametrize("form", ["column", "number", "arrays", "many", "dask"])
def test_a_regressor_missing_at_random_beside_probabilities(form: str) -> None:
    """Of the units that have it the share is right, labelled ones before they drop."""
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"x": rng.normal(size=1500)})
    outcome = data["x"] + rng.normal(size=1500)
    data["guess"], data["p"] = outcome + rng.normal(size=1500), 0.2
    data["p"] += 0.1 * (data["x"] > 0) * (form not in ("number",))
    data["y"] = outcome.where(rng.uniform(size=1500) < data["p"])
    data.loc[rng.uniform(size=1500) < 0.3, "x"] = np.nan
    if form == "dask":
        dd = pytest.importorskip("dask.dataframe")
    known = data.dropna(subset=["x"]).reset_index(drop=True)
    options = {"proxy": {"y": "guess"}, "labeling_prob": "p"}
    wanted = AugmentedGMM.from_formula("y ~ x", known, **options).fit()

    def fitted(frame: pd.DataFrame, prob: float) -> Any:
        own = frame.assign(p=frame["p"] * prob)
        if form == "number":
            return AugmentedGMM.from_formula(
                "y ~ x", own, proxy={"y": "guess"}, labeling_prob=0.2 * prob
            ).fit()
        if form in ("column", "dask"):
            given = dd.from_pandas(own, npartitions=3) if form == "dask" else own
            return AugmentedGMM.from_formula("y ~ x", given, **options).fit()
        if form == "many":
            model = AugmentedGMM.from_formula("y ~ x", own, proxy={"y": "guess"})
            return model.fit_many(own[["y"]], labeling_prob=own["p"])[0]
        exog = sm.add_constant(own[["x"]])
        rows = np.flatnonzero(own["x"].notna())
        source = (own["guess"].iloc[rows], exog.iloc[rows], rows)
        return AugmentedGMM(
            own["y"], exog, proxy={"guess": source}, labeling_prob=own["p"]
        ).fit()

    np.testing.assert_allclose(fitted(data, 1.0).params, wanted.params, rtol=1e-6)
    # A false probability is still refused.
    with pytest.raises(DataError, match="labeling_prob sums to"):
        fitted(data, 0.7)


def test_probabilities_in_per_cent() -> None:
    labeled = np.arange(20) < 4
    units = pd.RangeIndex(20)
    with pytest.raises(
        DataError, match=r"5\.47 looks like a percentage: divide by 100"
    ):
        find_labeling(np.full(20, 5.47), None, labeled, units)
    with pytest.raises(DataError, match=r"leave them out\.$"):
        find_labeling(np.full(20, 547.0), None, labeled, units)

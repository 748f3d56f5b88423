"""Absorbed fixed effects: y ~ x | group."""

from __future__ import annotations

from itertools import combinations, product
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.data.absorbing import fitted_effects, without_others
from statsmodels_synth.exceptions import FewClustersWarning, OptionError, SynthError

Array = NDArray[Any]
FORMULA = "y ~ x + C(k) | group"
PROXY = {"llm": {"y": "guess"}}


def study(seed: int = 0, n_units: int = 900, n_labels: int = 150) -> pd.DataFrame:
    """Units in 60 groups of unequal size, with effects that x depends on."""
    rng = np.random.default_rng(seed)
    group = np.minimum(rng.geometric(0.04, n_units) - 1, 59)
    year = rng.integers(0, 6, n_units)
    effect = rng.normal(size=60)[group]
    x = effect + rng.normal(size=n_units)
    k = rng.choice(list("abc"), n_units)
    y = 0.5 * x + (k == "b") + effect + 0.3 * year + rng.normal(size=n_units)
    frame = pd.DataFrame({"x": x, "k": k, "truth": y, "year": year})
    frame["group"] = [f"g{number}" for number in group]
    frame["guess"] = y + rng.normal(0.3, 0.5, n_units)
    frame["w"] = rng.uniform(0.5, 2.0, n_units)
    frame["p"] = np.where(k == "a", 1.5, 0.75) * n_labels / n_units
    frame["y"] = frame["truth"].where(rng.permutation(n_units) < n_labels)
    frame.index = [f"u{t}" for t in range(n_units)]
    return frame


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
@pytest.mark.parametrize("bar", ["group", "group + year"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_where_all_units_are_labelled_it_is_dummies(
    bar: str, weights: str | None, engine: Any
) -> None:
    frame = study().assign(y=lambda d: d["truth"])
    result = AugmentedGMM.from_formula(
        f"y ~ x + C(k) | {bar}", frame, weights=weights, engine=engine
    ).fit()
    dummies = " + ".join(f"C({name})" for name in bar.split(" + "))
    peer = smf.wls(
        f"y ~ x + C(k) + {dummies}",
        frame,
        weights=np.ones(len(frame)) if weights is None else frame["w"],
    ).fit()
    assert set(result.params.index) == {"x", "C(k)[T.b]", "C(k)[T.c]"}
    np.testing.assert_allclose(
        result.params, peer.params[result.params.index], rtol=1e-8
    )


def test_two_groupings_are_least_squares_on_dummies() -> None:
    rng = np.random.default_rng(1)
    codes = [rng.integers(0, 30, 400), rng.integers(0, 7, 400)]
    values, weights = rng.normal(size=(400, 2)), rng.uniform(0.5, 2.0, 400)
    dummies = np.column_stack([np.eye(30)[codes[0]], np.eye(7)[codes[1]]])
    root = np.sqrt(weights)[:, None]
    found = np.linalg.lstsq(dummies * root, values * root, rcond=None)[0]
    own = fitted_effects(values, codes, [30, 7], weights).at(codes)
    np.testing.assert_allclose(own, dummies @ found, atol=1e-10)


def by_group(values: pd.Series, frame: pd.DataFrame) -> pd.Series:
    """Weighted means by group, slowly."""
    weighted = (values * frame["w"]).groupby(frame["group"]).transform("sum")
    return weighted / frame["w"].groupby(frame["group"]).transform("sum")


def dense(
    frame: pd.DataFrame, a: Array, names: tuple[str, ...] = ("x",)
) -> tuple[Array, Array, Array, Array]:
    """
    Outcome and regressors of labels and of the proxy, by the definition, in loops.

    `a`: weight of the design of each labelled unit.
    """
    within = frame[list(names)].apply(lambda own: own - by_group(own, frame))
    proxy = frame["guess"] - by_group(frame["guess"], frame)
    rows = frame.index[frame["y"].notna()]
    group = frame.loc[rows, "group"]
    groups = sorted(group.unique())
    fold = group.map({name: k % 10 for k, name in enumerate(groups)})
    columns = pd.DataFrame(
        {
            **{f"within {name}": within.loc[rows, name] for name in names},
            "one": 1.0,
            **{k: by_group(frame[k], frame)[rows] for k in ("guess", *names)},
        }
    ).iloc[:, : len(names) + 1 + min(1 + len(names), len(groups) // 10 - 1)]
    q = frame.loc[rows, "w"] * a
    zero = pd.Series(0.0, rows)
    slopes, rests = [zero.copy(), zero.copy()], [zero.copy(), zero.copy()]
    for number, k in product(range(10), (0, 1)):
        others, own = fold != number, columns.drop(columns=["guess"] if k else [])
        made = sm.WLS(frame["y"][rows][others], own[others], q[others]).fit().params
        slopes[k][~others] = within.loc[rows][~others] @ made.to_numpy()[: len(names)]
        rests[k][~others] = frame["y"][rows][~others] - own[~others] @ made
    # As far as the means of the proxy predict groups they were not learned from.
    taken = rests[1] - rests[0]
    by = (q * rests[1] * taken).groupby(group).sum()
    share = min(by.sum() / (q * taken**2).sum(), 1.0)
    share *= max(1.0 - (by**2).sum() / by.sum() ** 2, 0.0)
    assert 0.1 < share < 1.0
    slope = slopes[1] + share * (slopes[0] - slopes[1])
    rest = rests[1] - share * taken
    top = bottom = 0.0
    for s, t in combinations(rows, 2):
        if group[s] == group[t]:
            top += 2.0 * q[s] * rest[s] * q[t] * rest[t]
            bottom += 2.0 * q[s] * q[t]
    spread = float((q * rest**2).sum() / q.sum())
    alike = min(max(top / bottom, 0.0), spread)
    changed = []
    for t in rows:
        own = [s for s in rows if group[s] == group[t]]
        n = len(own)
        shrunken = n * alike / ((n - 1) * alike + spread - alike)
        others = sum(q[s] * rest[s] for s in own if s != t) / sum(q[s] for s in own)
        all_ = frame.index[frame["group"] == group[t]]
        size = max(len(all_), 2)
        share = frame.loc[t, "w"] / frame.loc[all_, "w"].sum() * size / (size - 1)
        itself = (n - 1) / n * share * rest[t]
        changed.append(slope[t] + rest[t] - shrunken * (others + itself))
    columns = within.to_numpy() if len(names) > 1 else within.to_numpy()[:, 0]
    return np.array(changed), columns, proxy.to_numpy(), q.to_numpy()


def two_step(
    y: Array,
    x: Array,
    proxy: Array,
    frame: pd.DataFrame,
    a: Array,
    instrument: Array | None = None,
) -> tuple[float, float]:
    """Byun et al. (2025) for one slope and one proxy, with sums by group."""
    z = x if instrument is None else instrument
    labeled = frame["y"].notna().to_numpy()
    w = frame["w"].to_numpy() / frame["w"].mean()
    inverse = np.zeros(len(frame))
    inverse[labeled] = a
    outcome = np.zeros(len(frame))
    outcome[labeled] = y
    total = len(frame)
    dummies = pd.get_dummies(frame["group"]).to_numpy(float).T

    def moments(theta: float, eta: float) -> Array:
        own = inverse * w * z * (outcome - x * theta)
        its = w * z * (proxy - x * eta)
        return np.column_stack([own, inverse * its, its])

    square = w * z * x
    jacobian = np.zeros((3, 2))
    jacobian[0, 0] = jacobian[1, 1] = -(inverse * square).sum() / total
    jacobian[2, 1] = -square.sum() / total
    theta, eta = np.linalg.lstsq(jacobian, -moments(0.0, 0.0).mean(axis=0))[0]
    own = moments(theta, eta)
    weight = np.linalg.inv(own.T @ own / total)
    bread = np.linalg.inv(jacobian.T @ weight @ jacobian)
    theta, eta = -bread @ jacobian.T @ weight @ moments(0.0, 0.0).mean(axis=0)
    # Clusters are in the covariance alone, where labels are not corrected for.
    own = moments(theta, eta)
    sums = dummies @ own
    weight = np.linalg.inv(own.T @ own / total)
    bread = np.linalg.inv(jacobian.T @ weight @ jacobian)
    half = bread @ jacobian.T @ weight
    covariance = half @ (sums.T @ sums / total) @ half.T / total
    return float(theta), float(np.sqrt(covariance[0, 0]))


@pytest.mark.parametrize("prob", [None, "p"])
def test_a_source_is_as_in_the_dense_derivation(prob: str | None) -> None:
    frame = study()
    # What the proxy alone knows of a group.
    codes = pd.factorize(frame["group"], sort=True)[0]
    known = np.random.default_rng(1).normal(size=60)[codes]
    frame[["y", "guess"]] = frame[["y", "guess"]].add(known, axis=0)
    a = np.ones(150)
    if prob is not None:
        a = 1.0 / frame.loc[frame["y"].notna(), "p"].to_numpy()
        a *= 150 / a.sum()
    result = AugmentedGMM.from_formula(
        "y ~ x | group", frame, PROXY, weights="w", labeling_prob=prob
    ).fit(use_correction=False)
    y, x, proxy, _ = dense(frame, a)
    np.testing.assert_allclose(result.model.endog, y, rtol=1e-9)
    theta, error = two_step(y, x, proxy, frame, a)
    assert result.params["x"] == pytest.approx(theta, rel=1e-8)
    assert result.bse["x"] == pytest.approx(error, rel=1e-8)


def with_instruments(seed: int = 0, n_labels: int = 150) -> pd.DataFrame:
    """The study, with a regressor that shares a part of the outcome's noise."""
    frame = study(seed, n_labels=n_labels)
    rng = np.random.default_rng(seed + 100)
    shared, v = rng.normal(size=(2, len(frame)))
    frame["z"] = by_group(frame["x"], frame) + rng.normal(size=len(frame))
    frame["v"] = v
    frame["d"] = frame["z"] + 0.5 * v + shared + rng.normal(size=len(frame))
    for name in ("truth", "guess", "y"):
        frame[name] += 0.5 * frame["d"] + shared
    return frame


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
@pytest.mark.parametrize("bar", ["group", "group + year"])
@pytest.mark.parametrize("weights", [None, "w"])
def test_instruments_are_those_of_linearmodels_with_dummies(
    bar: str, weights: str | None, engine: Any
) -> None:
    iv = pytest.importorskip("linearmodels.iv")
    frame = with_instruments().assign(y=lambda d: d["truth"])
    result = AugmentedGMM.from_formula(
        f"y ~ x + C(k) + [d ~ z + v] | {bar}", frame, weights=weights, engine=engine
    ).fit()
    dummies = " + ".join(f"C({name})" for name in bar.split(" + "))
    peer = iv.IV2SLS.from_formula(
        f"y ~ 1 + x + C(k) + {dummies} + [d ~ z + v]",
        frame,
        weights=None if weights is None else frame["w"],
    ).fit()
    assert set(result.params.index) == {"x", "C(k)[T.b]", "C(k)[T.c]", "d"}
    assert result.model.formula == f"y ~ x + C(k) + [d ~ z + v] | {bar}"
    np.testing.assert_allclose(
        result.params, peer.params[result.params.index], rtol=1e-8
    )


@pytest.mark.parametrize("prob", [None, "p"])
def test_instruments_with_a_source_are_as_in_the_dense_derivation(
    prob: str | None,
) -> None:
    frame = with_instruments()
    a = np.ones(150)
    if prob is not None:
        a = 1.0 / frame.loc[frame["y"].notna(), "p"].to_numpy()
        a *= 150 / a.sum()
    result = AugmentedGMM.from_formula(
        "y ~ [d ~ z] | group", frame, PROXY, weights="w", labeling_prob=prob
    ).fit(use_correction=False)
    y, x, proxy, _ = dense(frame, a, ("d", "z"))
    np.testing.assert_allclose(result.model.endog, y, rtol=1e-8)
    theta, error = two_step(y, x[:, 0], proxy, frame, a, x[:, 1])
    assert result.params["d"] == pytest.approx(theta, rel=1e-8)
    assert result.bse["d"] == pytest.approx(error, rel=1e-8)


def test_instruments_within_groups_are_near_what_all_labels_say() -> None:
    # The estimate of all units is that of every set of labels on average.
    frame = with_instruments()
    formula = "y ~ x + [d ~ z + v] | group"
    whole = AugmentedGMM.from_formula(formula, frame.assign(y=frame["truth"])).fit()
    rng, found = np.random.default_rng(9), []
    for _ in range(60):
        is_chosen = rng.permutation(len(frame)) < 200
        drawn = frame.assign(y=frame["truth"].where(is_chosen))
        found.append(AugmentedGMM.from_formula(formula, drawn, PROXY).fit().params)
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    # Four standard errors of the simulation; bias of two-stage least squares is less.
    assert np.all(np.abs(mean - whole.params) < 4 * spread / np.sqrt(60))


def test_other_labels_are_taken_off_without_bias() -> None:
    # All ways to label 2, 3 or 5 of 6 units: the mean is what labels for all would say.
    rng = np.random.default_rng(2)
    x, e = rng.normal(size=(2, 6))
    x -= x.mean()
    for n in (2, 3, 5):
        found = []
        for rows in map(list, combinations(range(6), n)):
            ones = np.ones(n)
            shares = ones / 6 * 6 / 5
            left = without_others(e[rows], 0.8 * ones, np.zeros(n, int), ones, shares)
            found.append(x[rows] @ left)
        assert np.mean(found) == pytest.approx(n / 6 * x @ e, abs=1e-12)


def test_standard_errors_are_by_the_first_group_unless_asked_otherwise() -> None:
    model = AugmentedGMM.from_formula("y ~ x | group + year", study(), PROXY)
    result = model.fit()
    assert result.cov_type == "cluster"
    assert result.n_clusters == study().dropna()["group"].nunique()
    named = model.fit(cov_type="cluster", cov_kwds={"groups": "group"})
    np.testing.assert_array_equal(result.bse, named.bse)
    with pytest.warns(FewClustersWarning):
        by_year = model.fit(cov_type="cluster", cov_kwds={"groups": "year"})
    assert by_year.n_clusters == 6
    assert model.fit(cov_type="robust").n_clusters is None
    assert model.fit(population="finite").cov_type == "robust"
    text = str(result.summary()).replace("\n    ", " ")
    assert "60 groups of 'group' and 6 groups of 'year'" in text
    assert "group + year" in text
    assert model.formula == "y ~ x | group + year"
    assert "60 groups" in str(result.summary2())


def test_designs_options_and_analyses_work() -> None:
    frame = study(n_labels=240)
    for options in ({"strata": "k"}, {"labeling_prob": "p"}, {"weights": "w"}):
        result = AugmentedGMM.from_formula(FORMULA, frame, PROXY, **options).fit()
        assert np.isfinite(result.bse).all()
        assert result.bse["x"] < result.real_only.bse["x"]
    assert len(result.compare(["labels only", "PPI++", "GMM-Synth"]).table) == 9
    result.diagnostics()
    result.plan()
    twin = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(twin.params, result.params)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        (FORMULA, {}),
        (FORMULA, {"strata": "k"}),
        (FORMULA, {"labeling_prob": "p"}),
        (f"{FORMULA} + year", {"weights": "w"}),
        ("y ~ x + [d ~ z] | group", {}),
    ],
)
def test_labels_alone_know_of_no_source(formula: str, options: dict[str, Any]) -> None:
    frame = with_instruments().assign(second=lambda d: d["guess"] + d["w"])
    both = {**PROXY, "second": {"y": "second"}}

    def model(sources: dict[str, Any] | None = None) -> AugmentedGMM:
        return AugmentedGMM.from_formula(formula, frame, sources, **options)

    def same(found: Any, expected: Any, rtol: float = 1e-12) -> None:
        np.testing.assert_allclose(found.params, expected.params, rtol, 1e-12)
        np.testing.assert_allclose(found.bse, expected.bse, rtol, 1e-12)

    fits, alone = model(both), model().fit()
    result = fits.fit()
    same(result.real_only, alone)
    same(fits.fit(maxiter=1).real_only, alone)
    np.testing.assert_allclose(fits.fit(maxiter=1).params, alone.params, rtol=1e-12)
    table = result.compare(["labels only", "GMM-Synth"]).table
    own = table.xs("labels only", level="method")
    np.testing.assert_allclose(own["estimate"], alone.params, rtol=1e-12)
    np.testing.assert_allclose(
        result.variance_reduction, 1.0 - (result.bse / alone.bse) ** 2, rtol=1e-9
    )
    # Nor does a source alone know of the other.
    one = fits.multiverse().table.xs("llm", level="variant")
    expected = model(PROXY).fit()
    np.testing.assert_allclose(one["augmented"], expected.params, rtol=1e-9)
    # Equations of instruments are in a metric that the labels with all sources have.
    np.testing.assert_allclose(one["std_err"], expected.bse, rtol=1e-4)


def test_units_are_matched_whatever_their_order_and_frames() -> None:
    frame = study()
    expected = AugmentedGMM.from_formula("y ~ x | group", frame, PROXY).fit()
    guesses = frame[["guess"]].rename(columns={"guess": "y"}).iloc[::-1]
    alone = AugmentedGMM.from_formula("y ~ x | group", frame, {"llm": guesses}).fit()
    np.testing.assert_allclose(alone.params, expected.params, rtol=1e-12)
    np.testing.assert_allclose(alone.bse, expected.bse, rtol=1e-12)


def test_a_synthetic_source_is_less_means_of_its_own() -> None:
    frame = study()
    rng = np.random.default_rng(3)
    made = frame[["x"]] + rng.normal(scale=0.3, size=(900, 1))
    made["y"] = 0.4 * made["x"] + rng.normal(size=900)
    made = pd.concat([made, made + 0.1])
    model = AugmentedGMM.from_formula("y ~ x | group", frame, synthetic={"s": made})
    (source,) = model.aligned.sources
    groups = frame["group"].reindex(made.index)
    for name, values in (("x", source.exog[:, 0]), ("y", source.endog)):
        expected = made[name] - made[name].groupby(groups).transform("mean")
        np.testing.assert_allclose(
            np.sort(values), np.sort(expected.to_numpy()), atol=1e-12
        )
    assert model.fit().converged


def raised(formula: str, frame: pd.DataFrame | None = None, **options: Any) -> str:
    frame = study() if frame is None else frame
    with pytest.raises(SynthError) as caught:
        AugmentedGMM.from_formula(formula, frame, PROXY, **options).fit()
    return f"{type(caught.value).__name__}: {caught.value}"


def test_what_cannot_be_absorbed_is_named() -> None:
    frame = study()
    text = raised("y ~ x | group", frame.assign(x=frame["x"].where(frame.y.notna())))
    assert text.startswith("DataError")
    assert "750 units of 900 lack them" in text
    assert "C(group)" in text
    gaps = frame.assign(group=frame["group"].where(frame.index != "u7"))
    text = raised("y ~ x | group", gaps)
    assert "fixed effect 'group'" in text
    assert "is missing for 1 unit ('u7')" in text
    assert "'clas' of the formula" in raised("y ~ x | clas")
    constant = frame.assign(z=frame["group"].str.len())
    text = raised("y ~ x + z | group", constant)
    assert text.startswith(
        "CollinearityError: 'z' is the same for all units of a group"
    )
    assert "no regressor besides" in raised("y ~ 1 | group")
    family = sm.families.Poisson()
    text = raised("y ~ x | group", family=family)
    assert text.startswith("OptionError")
    assert "the Poisson family" in text
    assert "has two bars" in raised("y ~ x | group | year")
    assert "'group:year' after the bar" in raised("y ~ x | group:year")
    assert "'' after the bar" in raised("y ~ x | group + ")
    assert "twice" in raised("y ~ x | group + group")
    for name in ("offset", "auxiliary"):
        text = raised("y ~ x | group", **{name: "w"})
        assert f"{name}= is not available with the fixed effects" in text
    assert "'z' is the same" in raised("y ~ [x ~ z] | group", constant)


def test_a_plan_of_labels_alone_knows_of_no_source() -> None:
    model = AugmentedGMM.from_formula("y ~ x | group", study(), PROXY)
    result = model.fit()
    expected = result.plan().expect([150, 300])
    alone = result.plan().expect([150, 300], sources=[])
    np.testing.assert_allclose(
        alone["std_err"].iloc[0], result.real_only.bse["x"], rtol=1e-6
    )
    # What is predicted for the present labels is what there is.
    np.testing.assert_allclose(expected["std_err"].iloc[0], result.bse["x"], rtol=0.15)


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.RareLevelWarning")
def test_units_of_levels_that_are_left_out_are_named() -> None:
    frame = study()
    frame.loc[frame.index[frame["y"].isna()][:4], "k"] = "rare"
    with pytest.raises(SynthError, match="rare_levels='lump' keeps their units"):
        AugmentedGMM.from_formula(FORMULA, frame, PROXY, rare_levels="drop")
    lumped = AugmentedGMM.from_formula(FORMULA, frame, PROXY, rare_levels="lump")
    assert np.isfinite(lumped.fit().bse).all()


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_tests_of_terms_find_their_coefficients(engine: Any) -> None:
    model = AugmentedGMM.from_formula("y ~ C(k) | group", study(), PROXY, engine=engine)
    result = model.fit()
    terms = result.wald_test_terms(scalar=True).table
    assert list(terms.index) == ["C(k)"]
    both = result.wald_test(np.eye(2), scalar=True)
    assert terms.loc["C(k)", "statistic"] == pytest.approx(both.statistic)
    b, c = result.params
    pairs = result.t_test_pairwise("C(k)").result_frame["coef"]
    np.testing.assert_allclose(pairs, [b, c, c - b], rtol=1e-9)


def test_predictions_and_many_fits_are_refused() -> None:
    model = AugmentedGMM.from_formula("y ~ x | group", study(), PROXY)
    result = model.fit()
    for ask in (result.predict, result.get_prediction):
        with pytest.raises(OptionError, match="constants of the groups are not"):
            ask(study())
        with pytest.raises(OptionError, match="constants of the groups are not"):
            ask()
    with pytest.raises(OptionError, match="a model for each set of labels"):
        model.fit_many(study()[["y"]])


def test_partitions_are_refused() -> None:
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(study(), npartitions=2)
    with pytest.raises(OptionError, match="in Dask partitions"):
        AugmentedGMM.from_formula("y ~ x | group", frame, PROXY)

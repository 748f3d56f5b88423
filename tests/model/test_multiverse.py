"""Many variants of one source: model.multiverse()."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm

from benchmarks import multiverse as benchmark
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.estimators.multiverse import TOGETHER
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.scores import MultinomialLogit, Quantile
from tests.problems import SHARED

FAMILY = sm.families.Binomial()
K = 60


def frame(n_labeled: int = 150) -> pd.DataFrame:
    """Units whose x has no effect, and variants whose errors depend on x."""
    rng = np.random.default_rng(5)
    units = pd.DataFrame({"x": rng.normal(size=900), "g": rng.integers(0, 2, 900)})
    y = rng.random(900) < 1 / (1 + np.exp(0.3 - units["g"]))
    guesses = {}
    for k in range(K):
        says = rng.random(900) < 1 / (1 + np.exp(-units["x"] * (k - K / 2) / 10))
        wrong = rng.random(900) < 0.25
        guesses[f"p{k}"] = np.where(wrong, says, y).astype(float)
    units["y"] = np.where(np.arange(900) < n_labeled, y, np.nan)
    return pd.concat([units, pd.DataFrame(guesses)], axis=1)


def model(units: pd.DataFrame, size: int = K, **options: Any) -> AugmentedGMM:
    proxy = {f"p{k}": {"y": f"p{k}"} for k in range(size)}
    return AugmentedGMM.from_formula(
        "y ~ x + g", units, proxy, family=FAMILY, **options
    )


@pytest.fixture(scope="module")
def units() -> pd.DataFrame:
    return frame()


@pytest.fixture(scope="module")
def found(units: pd.DataFrame) -> Any:
    return model(units).multiverse()


def test_a_variant_is_what_a_model_with_it_alone_says(
    units: pd.DataFrame, found: Any
) -> None:
    for name in ("p0", "p41"):
        alone = AugmentedGMM.from_formula(
            "y ~ x + g", units, {name: {"y": name}}, family=FAMILY
        ).fit()
        own = found.table.xs(name, level="variant")
        np.testing.assert_allclose(own["augmented"], alone.params, rtol=1e-8)
        np.testing.assert_allclose(own["std_err"], alone.bse, rtol=1e-8)
        np.testing.assert_allclose(own["pvalue"], alone.pvalues, rtol=1e-7)
        np.testing.assert_allclose(own[["lower", "upper"]], alone.conf_int(), rtol=1e-7)
        glm = sm.GLM.from_formula(f"{name} ~ x + g", units, family=FAMILY)
        naive = glm.fit(cov_type="HC0")
        np.testing.assert_allclose(own["naive"], naive.params, rtol=1e-6)
        np.testing.assert_allclose(own["naive_std_err"], naive.bse, rtol=1e-6)
        np.testing.assert_allclose(own["naive_pvalue"], naive.pvalues, rtol=1e-5)
    labels = AugmentedGMM.from_formula("y ~ x + g", units.head(150), family=FAMILY)
    np.testing.assert_allclose(found.labels_only["augmented"], labels.fit().params)
    np.testing.assert_allclose(found.labels_only["std_err"], labels.fit().bse)


@pytest.mark.filterwarnings("ignore:Source 'b' lacks")
def test_all_together_are_replicates_of_one_source(units: pd.DataFrame) -> None:
    # A variant that covers some units, and one with replicates of its own.
    some = units[["p1"]].rename(columns={"p1": "y"}).iloc[::3]
    twice = pd.concat([units[["p2"]], units[["p3"]].set_axis(["p2"], axis=1)])
    twice = twice.rename(columns={"p2": "y"})
    proxies = {"a": {"y": "p0"}, "b": some, "c": twice}
    parts = {"p0": units["p0"], "b": some["y"], "c": twice.groupby(level=0)["y"].mean()}
    found = AugmentedGMM.from_formula("y ~ x + g", units, proxies, family=FAMILY)
    own = found.multiverse(use_correction=False).together
    # The score is linear in the outcome: replicates are their mean.
    mean = pd.DataFrame(parts).mean(axis=1)
    peer = AugmentedGMM.from_formula(
        "y ~ x + g", units.assign(m=mean), {"y": "m"}, family=FAMILY
    ).fit(use_correction=False)
    np.testing.assert_allclose(own["augmented"], peer.params, rtol=1e-6)
    np.testing.assert_allclose(own["std_err"], peer.bse, rtol=1e-6)
    np.testing.assert_allclose(own["naive"], peer.naive_params.iloc[0], rtol=1e-6)


def test_weights_stay_those_of_units(units: pd.DataFrame) -> None:
    weighted = units.assign(w=np.where(units["g"] == 1, 2.0, 0.5))
    own = model(weighted, 3, weights="w").multiverse().together
    mean = weighted[["p0", "p1", "p2"]].mean(axis=1)
    peer = AugmentedGMM.from_formula(
        *("y ~ x + g", weighted.assign(m=mean), {"y": "m"}), family=FAMILY, weights="w"
    ).fit()
    np.testing.assert_allclose(own["augmented"], peer.params, rtol=1e-6)
    np.testing.assert_allclose(own["naive"], peer.naive_params.iloc[0], rtol=1e-6)


def test_options_are_those_of_the_fit(units: pd.DataFrame) -> None:
    clusters = {"groups": np.arange(900) // 6}
    options: dict[str, Any] = {"cov_type": "cluster", "cov_kwds": clusters}
    own = model(units, 2).multiverse(alpha=0.1, population="finite").table
    fit = model(units, 1).fit(population="finite")
    part = own.xs("p0", level="variant")
    np.testing.assert_allclose(part["std_err"], fit.bse, rtol=1e-8)
    np.testing.assert_allclose(part[["lower", "upper"]], fit.conf_int(0.1), rtol=1e-8)
    own = model(units, 2).multiverse(**options).table.xs("p0", level="variant")
    fit = model(units, 1).fit(**options)
    np.testing.assert_allclose(own["augmented"], fit.params, rtol=1e-8)
    np.testing.assert_allclose(own["std_err"], fit.bse, rtol=1e-8)
    np.testing.assert_allclose(own["naive_std_err"], fit.naive_bse.iloc[0], rtol=1e-8)


def test_shares_count_significant_variants(found: Any) -> None:
    shares = found.shares()
    part = found.table.loc["x"]
    low = (part["naive_upper"] < 0).mean()
    assert shares.loc[("x", "naive"), "negative"] == pytest.approx(low)
    assert shares.loc[("x", "naive"), "negative"] > 0.25
    assert shares.loc[("x", "naive"), "positive"] > 0.25
    assert shares.loc[("x", "augmented"), "none"] > 0.8
    np.testing.assert_allclose(shares[["negative", "none", "positive"]].sum(axis=1), 1)
    assert (shares["variants"] == K).all()


def test_frame_summary_and_figure(found: Any) -> None:
    tidy = found.tidy()
    assert len(tidy) == 3 * 2 * (K + 1)
    row = tidy[(tidy["variant"] == TOGETHER) & (tidy["method"] == "augmented")]
    np.testing.assert_array_equal(row["estimate"], found.together["augmented"])
    np.testing.assert_allclose(
        tidy["p_value"].to_numpy()[: K + 1],
        2 * stats.norm.sf(np.abs(tidy["statistic"][: K + 1])),
    )
    text = " ".join(str(found).split())
    assert "60 variants" in text
    assert "search of its own" in text
    assert "tabular" in found.summary().as_latex()
    figure = found.plot()
    (ax,) = figure.axes
    assert "x, 95 % interval" in ax.get_ylabel()
    assert found.plot("g", ax) is figure
    with pytest.raises(OptionError, match="There is no coefficient 'xx'"):
        found.plot("xx")


def test_it_holds_no_data(units: pd.DataFrame) -> None:
    own = model(units, 2)
    found = own.multiverse()
    own.remove_data()
    again = pickle.loads(pickle.dumps(found))
    assert str(again) == str(found)
    with pytest.raises(DataError, match="removed"):
        own.multiverse()


def test_more_variants_than_labels_are_for_the_multiverse_alone(
    units: pd.DataFrame, found: Any
) -> None:
    assert len(found.variants) == K
    with pytest.raises(DataError, match=r"60 sources, which need more than 183"):
        model(units).fit()
    with pytest.raises(DataError, match="multiverse"):
        model(units).fit()


def test_variants_that_cannot_be_used_are_named(units: pd.DataFrame) -> None:
    constant = units.assign(p1=np.where(units["x"] > 0, 1.0, 0.0))  # separated
    found = model(constant, 3).multiverse()
    assert found.variants == ["p0", "p2"]
    assert list(found.left_out) == ["p1"]
    assert "Left out: 1 variant: p1" in " ".join(str(found).split())
    with pytest.raises(DataError, match="None of the variants can be used"):
        AugmentedGMM.from_formula(
            "y ~ x + g", constant, {"a": {"y": "p1"}}, family=FAMILY
        ).multiverse()


def test_bad_input(units: pd.DataFrame) -> None:
    with pytest.raises(OptionError, match="multiverse has no option 'populaton'"):
        model(units, 2).multiverse(populaton="finite")
    with pytest.raises(OptionError, match="is not between 0 and 1"):
        model(units, 2).multiverse(alpha=95)
    with pytest.raises(DataError, match="There is no source, and so no variant"):
        AugmentedGMM.from_formula("y ~ x", units, family=FAMILY).multiverse()
    with pytest.raises(OptionError, match="Build the model without it"):
        model(units, 2, auxiliary="p7").multiverse()


@pytest.mark.parametrize("name", ["simulated", "twins", "politeness"])
def test_false_findings(name: str) -> None:
    """A few draws of the benchmark, whose rates are .05 +- .01 with 1,200."""
    if name != "simulated" and not SHARED.exists():
        pytest.skip("needs ../shared")
    study = benchmark.STUDIES[name](0)
    assert len(study.variants) >= 200
    naive, own = [], []
    for seed in range(25):
        if name == "simulated":
            study = benchmark.simulated(seed)
        used, rates, _ = benchmark.one(study, 4, seed)
        assert len(used) == 4
        naive.append(rates[:, :2].sum(axis=1))
        own.append(rates[:, 2:].sum(axis=1))
    assert np.mean(naive) > 0.2
    # 3 standard errors of a rate of .05 in 25 draws, as if variants were all alike.
    assert np.mean(own) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 25)


@pytest.mark.parametrize("target", ["levels", "absorbed", "quantile", "instruments"])
def test_every_target_has_a_multiverse(target: str) -> None:
    rng = np.random.default_rng(8)
    x, z = rng.normal(size=(2, 1200))
    y = x + rng.normal(size=1200)
    units = pd.DataFrame({"x": x, "z": x + z, "f": np.arange(1200) % 20})
    guesses = {f"q{k}": y + rng.normal(size=1200) for k in range(2)}
    if target == "levels":
        names = np.array(["low", "middle", "high"])
        y = names[np.digitize(y, [-0.7, 0.7])]
        guesses = {k: names[np.digitize(v, [-0.7, 0.7])] for k, v in guesses.items()}
    units["y"] = pd.Series(y).where(units.index < 250)
    units = units.assign(**guesses)
    formula = {"absorbed": "y ~ x | f", "instruments": "y ~ [x ~ z]"}
    scores = {"levels": MultinomialLogit(), "quantile": Quantile(0.5)}

    def model(*names: str) -> AugmentedGMM:
        return AugmentedGMM.from_formula(
            formula.get(target, "y ~ x"),
            units,
            proxy={name: {"y": name} for name in names},
            score=scores.get(target),
        )

    found, alone = model("q0", "q1").multiverse(), model("q1").fit()
    own = found.table.xs("q1", level="variant")
    # What is taken off the groups of labels is learned from all sources.
    rtol = 0.02 if target == "absorbed" else 1e-6
    np.testing.assert_allclose(own["augmented"], alone.params, rtol=rtol)
    np.testing.assert_allclose(own["std_err"], alone.bse, rtol=rtol)
    np.testing.assert_allclose(own["naive"], alone.naive_params.iloc[0], rtol=1e-6)
    assert (found.together["std_err"] < found.labels_only["std_err"]).all()
    assert found.tidy()["p_value"].notna().all()


def test_a_fit_before_it_changes_nothing() -> None:
    """The median of a source is the solution that fit() finds, whenever asked for."""
    rng = np.random.default_rng(3)
    units = pd.DataFrame({"x": rng.normal(size=900)})
    units["p0"] = units["x"] + rng.normal(size=900)
    units["y"] = (units["p0"] + rng.normal(size=900)).where(np.arange(900) < 200)
    built = AugmentedGMM.from_formula(
        "y ~ x", units, {"p0": {"y": "p0"}}, score=Quantile(0.5)
    )
    result = built.fit()
    own = built.multiverse().table.xs("p0", level="variant")
    np.testing.assert_allclose(own["augmented"], result.params, rtol=1e-10)
    np.testing.assert_allclose(own["naive"], result.naive_params.iloc[0], rtol=1e-10)

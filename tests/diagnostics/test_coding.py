"""Agreement of sources with people: result.agreement()."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
import statsmodels.api as sm
from statsmodels.stats.inter_rater import cohens_kappa

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.scores import MultinomialLogit


def frame(seed: int = 0, n_units: int = 1000, n_labels: int = 250) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_units)
    y = (x + rng.normal(size=n_units) > 0.3).astype(float)
    units = pd.DataFrame({"x_llm": 0.8 * x + 0.5 * rng.normal(size=n_units) + 0.1})
    units["y_llm"] = np.where(rng.uniform(size=n_units) < 0.85, y, 1.0 - y)
    units["s"], units["c"] = np.arange(n_units) % 2, np.arange(n_units) // 10
    units["w"] = rng.uniform(0.5, 2.0, n_units)
    units["p"] = np.where(units["s"] == 0, 0.4, 0.1)
    units["x_true"], units["y_true"] = x, y
    labeled = rng.uniform(size=n_units) < units["p"]
    return units.assign(
        x=units["x_true"].where(labeled), y=units["y_true"].where(labeled)
    )


def fitted(units: pd.DataFrame, fit: Any = None, **options: Any) -> Any:
    proxy = {"llm": {"y": "y_llm", "x": "x_llm"}}
    model = AugmentedGMM.from_formula("y ~ x", units, proxy=proxy, **options)
    return model.fit(**(fit or {}))


def test_equal_weights_are_scikit_learn_and_statsmodels() -> None:
    units = frame()
    labels = units.dropna()
    table = fitted(units).agreement().table["estimate"]
    y, said = labels["y"], labels["y_llm"]
    own = table.loc[("llm", "y")]
    assert own["accuracy"] == pytest.approx(metrics.accuracy_score(y, said))
    assert own["kappa"] == pytest.approx(metrics.cohen_kappa_score(y, said))
    assert own["precision"] == pytest.approx(metrics.precision_score(y, said))
    assert own["recall"] == pytest.approx(metrics.recall_score(y, said))
    assert own["F1"] == pytest.approx(metrics.f1_score(y, said))
    assert own["bias"] == pytest.approx((said - y).mean())
    x, guess = labels["x"], labels["x_llm"]
    numbers = table.loc[("llm", "x")]
    assert numbers["r"] == pytest.approx(np.corrcoef(x, guess)[0, 1])
    assert numbers["MAE"] == pytest.approx(metrics.mean_absolute_error(x, guess))
    assert numbers["bias"] == pytest.approx((guess - x).mean())
    slope = sm.OLS(x, sm.add_constant(guess)).fit().params.iloc[1]
    assert numbers["slope"] == pytest.approx(slope)


def test_standard_errors_are_known_ones() -> None:
    units = frame()
    labels = units.dropna()
    found = fitted(units).agreement()
    own, n = found.table.loc[("llm", "y")], len(labels)
    table = pd.crosstab(labels["y"], labels["y_llm"]).to_numpy()
    peer = cohens_kappa(table)
    factor = np.sqrt(n / (n - 1))
    assert own.loc["kappa", "std_err"] == pytest.approx(
        peer.std_kappa * factor, rel=1e-5
    )
    p = own.loc["accuracy", "estimate"]
    assert own.loc["accuracy", "std_err"] == pytest.approx(
        np.sqrt(p * (1 - p) / (n - 1)), rel=1e-6
    )
    x, guess = labels["x"], sm.add_constant(labels["x_llm"])
    slope = sm.OLS(x, guess).fit(cov_type="HC0").bse.iloc[1]
    numbers = found.table.loc[("llm", "x")]
    assert numbers.loc["slope", "std_err"] == pytest.approx(slope * factor, rel=1e-5)
    shares = found.confusion["llm", "y"]
    np.testing.assert_allclose(shares, table / n)


def test_weights_are_those_of_horvitz_and_thompson() -> None:
    units = frame()
    labels = units.dropna()
    a = labels["w"] / labels["p"]
    own = fitted(units, labeling_prob="p", weights="w").agreement().table
    agree = (labels["y"] == labels["y_llm"]).astype(float)
    expected = np.average(agree, weights=a)
    row = own.loc[("llm", "y", "accuracy")]
    assert row["estimate"] == pytest.approx(expected)
    part = a * (agree - expected) / a.sum()
    n = len(labels)
    assert row["std_err"] == pytest.approx(
        np.sqrt((part**2).sum() * n / (n - 1)), rel=1e-6
    )


def test_strata_and_clusters() -> None:
    units = frame()
    labels = units.dropna()
    agree = (labels["y"] == labels["y_llm"]).astype(float)
    own = fitted(units, strata="s").agreement().table.loc[("llm", "y", "accuracy")]
    sizes = units.groupby("s").size() / len(units)
    variance = agree.groupby(labels["s"]).var() / labels.groupby("s").size()
    assert own["estimate"] == pytest.approx(
        (agree.groupby(labels["s"]).mean() * sizes).sum()
    )
    assert own["std_err"] == pytest.approx(np.sqrt((sizes**2 * variance).sum()))
    clustered = fitted(units, {"cov_type": "cluster", "cov_kwds": {"groups": "c"}})
    row = clustered.agreement().table.loc[("llm", "y", "accuracy")]
    part = (agree - agree.mean()).groupby(labels["c"]).sum() / len(labels)
    m = len(part)
    assert row["std_err"] == pytest.approx(np.sqrt((part**2).sum() * m / (m - 1)))


def test_coverage() -> None:
    """Intervals of 300 draws for the agreement over all units."""
    draws, covered = 300, np.zeros(4)
    names = [("y", "accuracy"), ("y", "kappa"), ("y", "F1"), ("x", "r")]
    for seed in range(draws):
        units = frame(seed, 600)
        table = fitted(units, labeling_prob="p").agreement().table
        y, said = units["y_true"], units["y_llm"]
        truth = [
            metrics.accuracy_score(y, said),
            metrics.cohen_kappa_score(y, said),
            metrics.f1_score(y, said),
            np.corrcoef(units["x_true"], units["x_llm"])[0, 1],
        ]
        for k, (key, value) in enumerate(zip(names, truth, strict=True)):
            row = table.loc[("llm", *key)]
            covered[k] += row["lower"] <= value <= row["upper"]
    # The truth is that of the units, of which a sixth is labelled, so that intervals
    # for the population cover it a little more often; 3 standard errors below.
    assert np.all(covered / draws > 0.95 - 3 * np.sqrt(0.95 * 0.05 / draws))


def test_levels() -> None:
    rng = np.random.default_rng(3)
    levels = np.array(["a", "b", "c"], dtype=object)
    x = rng.normal(size=800)
    y = levels[(np.column_stack([0 * x, x, -x]) + rng.gumbel(size=(800, 3))).argmax(1)]
    said = np.where(rng.uniform(size=800) < 0.8, y, rng.choice(levels, 800))
    units = pd.DataFrame(
        {"x": x, "llm": said, "y": np.where(x.argsort() < 200, y, None)}
    )
    found = AugmentedGMM.from_formula(
        "y ~ x", units, proxy={"y": "llm"}, score=MultinomialLogit()
    ).fit()
    labels = units.dropna()
    table = found.agreement().table["estimate"].loc[("proxy", "y")]
    assert list(table.index) == ["accuracy", "kappa"]
    expected = metrics.cohen_kappa_score(labels["y"], labels["llm"])
    assert table["kappa"] == pytest.approx(expected)


def test_perfect_agreement_has_an_exact_interval() -> None:
    units = frame().assign(y_llm=lambda d: d["y_true"])
    result = fitted(units)
    row = result.agreement().table.loc[("llm", "y", "accuracy")]
    assert row["upper"] == 1.0
    assert row["lower"] == pytest.approx(0.025 ** (1 / result.n_labeled))


def test_what_is_shown() -> None:
    found = fitted(frame()).agreement()
    text = str(found)
    assert "llm: y" in text
    assert "kappa" in text
    assert "tabular" in found.to_latex()
    assert found.wide().loc[("llm", "y"), "F1"] > 0.5
    axes = found.plot().axes[0]
    assert axes.get_xlabel().startswith("agreement with people")
    assert len(axes.get_yticklabels()) == 6


def test_bad_input() -> None:
    result = fitted(frame())
    with pytest.raises(OptionError, match="alpha"):
        result.agreement(alpha=2.0)
    result.remove_data()
    with pytest.raises(DataError, match="removed"):
        result.agreement()

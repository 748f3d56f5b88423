"""All methods side by side."""

from __future__ import annotations

import importlib.util
import pickle
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.estimators import naive_pooled, ppi, ppi_synth, reppi
from statsmodels_synth.estimators.methods import Method
from statsmodels_synth.exceptions import (
    CollinearSourceWarning,
    DataError,
    OptionError,
)
from tests.estimators.test_estimators import Sample
from tests.problems import model_of
from tests.reference import dense

mpl.use("Agg")
QUICK: list[Method] = ["labels only", "naive", "PPI++", "GMM-Synth"]


@pytest.fixture(scope="module")
def result() -> Any:
    """Fit of a proxy and a synthetic source."""
    return Sample("logistic", 20).model().fit()


def test_lines_are_the_methods_themselves(result: Any) -> None:
    table = result.compare(learner=LinearRegression()).table
    assert len(table) == 3 * 17
    for label, found in {
        "labels only": result.real_only,
        "GMM-Synth": result,
        "PPI++ (b)": ppi(result, "b"),
        "PPI++Synth": ppi_synth(result),
        "naive pooled": naive_pooled(result),
        "RePPI": reppi(result, LinearRegression()),
    }.items():
        rows = table.xs(label, level="method")
        np.testing.assert_array_equal(rows["estimate"], found.params)
        np.testing.assert_array_equal(rows["std_err"], found.bse)
        np.testing.assert_array_equal(rows[["lower", "upper"]], found.conf_int())


def test_widths_and_labels_are_relative_to_labels_only(result: Any) -> None:
    table = result.compare(QUICK, alpha=0.2).table
    first = table.xs("labels only", level="method")
    assert np.allclose(first["width_ratio"], 1.0)
    assert np.allclose(first["effective_labels"], result.n_labeled)
    own = table.xs("GMM-Synth", level="method")
    np.testing.assert_allclose(own["effective_labels"], result.effective_nobs)
    ends = result.real_only.conf_int(0.2)
    np.testing.assert_allclose(first[["lower", "upper"]], ends)
    naive = table.xs("naive (a)", level="method")
    assert not naive["valid"].any()
    assert naive["effective_labels"].isna().all()


def test_effective_labels_compare_like_with_like() -> None:
    # A guess that is the wrong way round gets the lambda 0, which leaves the labels,
    # whatever formula a method has for its standard error.
    sample = Sample("ols", 21, n=40, size=1000)
    model = AugmentedGMM(
        np.where(sample.labeled, sample.y, np.nan),
        sample.x,
        proxy={"wrong": (-sample.guesses[0], sample.x)},
    )
    result = model.fit()
    assert ppi(result).power == 0.0
    table = result.compare(["PPI++", "PPI++ by coefficient"]).table
    np.testing.assert_allclose(table["effective_labels"], 40.0)
    assert not np.allclose(table["std_err"].iloc[::2], result.real_only.bse)


def test_what_is_printed(result: Any) -> None:
    text = str(result.compare(QUICK))
    assert "naive (a) *" in text
    assert "takes sources for real" in text
    assert "Do not pick the narrowest" in text
    assert "GMM-Synth, few-label default" in text
    assert "use_correction=False has the two-step estimator of Byun et al. (2025)" in (
        " ".join(text.split())
    )
    assert "left out" not in text
    assert "takes sources" not in str(result.compare(["labels only", "GMM-Synth"]))
    found = result.compare(QUICK)
    assert "PPI++ (a)" in found.summary().as_latex()
    assert "<table" in found._repr_html_()
    assert pickle.loads(pickle.dumps(found)).table.equals(found.table)


def test_without_scikit_learn_two_methods_are_left_out(
    result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = result.compare(["labels only", "DSL", "RePPI"])
    assert set(found.left_out) == {"DSL", "RePPI"}
    assert list(found.table.index.unique("method")) == ["labels only"]
    assert "RePPI is left out: it needs scikit-learn" in str(found)


def test_a_method_that_cannot_be_used_is_left_out_with_the_reason() -> None:
    problem = dense.simulate(n_units=100, n_labeled=9, p=2, error=0.9)
    result = model_of(problem).fit()
    found = result.compare(["labels only", "DSL"], learner=LinearRegression())
    assert "9 labels" in found.left_out["DSL (s0)"]


def test_without_sources_only_labels_are_left() -> None:
    sample = Sample("ols", 22)
    inside = sample.labeled
    result = AugmentedGMM(sample.y[inside], sample.x[inside]).fit()
    methods = result.compare().table.index.unique("method")
    assert list(methods) == ["labels only", "GMM-Synth"]


def test_what_is_not_used_is_said() -> None:
    sample = Sample("ols", 25)
    source = (sample.guesses[0], sample.x)
    model = AugmentedGMM(
        np.where(sample.labeled, sample.y, np.nan),
        sample.x,
        proxy={"a": source, "copy": source},
    )
    with pytest.warns(CollinearSourceWarning):
        result = model.fit()
    found = result.compare(["labels only", "PPI++", "PPI++Synth"])
    assert set(found.left_out) == {"source 'copy'", "PPI++Synth"}
    assert "PPI++Synth is left out: it has not the sources" in str(found)
    with pytest.raises(DataError, match="'copy' took no part in the fit: its moments"):
        ppi(result, "copy")


def test_sources_without_a_solution_do_no_harm() -> None:
    # Labels are few and the guess is wrong or random: PPI often has no solution.
    for seed in range(25):
        sample, rng = Sample("logistic", seed, n=60), np.random.default_rng(seed)
        for guess in (1.0 - sample.guesses[0], rng.permutation(sample.guesses[0])):
            model = AugmentedGMM(
                np.where(sample.labeled, sample.y, np.nan),
                sample.x,
                proxy={"a": (guess, sample.x)},
                family=sample.family,
            )
            found = model.fit().compare(["labels only", "PPI++", "GMM-Synth"])
            assert np.isfinite(found.table["std_err"]).all()


def test_clusters_are_those_of_the_fit() -> None:
    sample = Sample("ols", 23)
    groups = np.arange(len(sample.y)) // 10
    result = sample.model().fit(cov_type="cluster", cov_kwds={"groups": groups})
    table = result.compare(["PPI++"]).table
    np.testing.assert_array_equal(
        table.xs("PPI++ (a)", level="method")["std_err"], ppi(result).bse
    )
    assert not np.allclose(ppi(result).bse, ppi(sample.model()).bse)


def test_figures(result: Any) -> None:
    figure = result.plot_compare(QUICK)
    assert len([ax for ax in figure.axes if ax.get_visible()]) == 2
    ax = mpl.figure.Figure().subplots()
    assert result.plot_compare(QUICK, ax, coefficients="x1") is ax.figure
    mpl.pyplot.close("all")


def test_errors(result: Any) -> None:
    with pytest.raises(OptionError, match=r"methods='PPI\+'"):
        result.compare(["PPI+"])
    for wrong in ("PPI", [], 3):
        with pytest.raises(OptionError, match="give a list of names"):
            result.compare(wrong)
    with pytest.raises(OptionError, match="alpha=5"):
        result.compare(alpha=5)
    found = result.compare(QUICK)
    with pytest.raises(OptionError, match="no coefficient 'x9'"):
        found.plot("x9")
    with pytest.raises(OptionError, match="2 coefficients"):
        found.plot(ax=object())
    small = Sample("ols", 24)
    inside = small.labeled
    lone = AugmentedGMM(small.y[inside], small.x[inside]).fit()
    with pytest.raises(DataError, match="None of the methods"):
        lone.compare(["PPI"])
    other = Sample("logistic", 24).model().fit()
    shared = ppi(other)
    shared.remove_data()
    with pytest.raises(DataError, match="removed"):
        other.compare()
    other.remove_data()
    with pytest.raises(DataError, match="removed"):
        other.compare()

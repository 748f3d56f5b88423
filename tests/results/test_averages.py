"""Average predictions over the population: get_prediction(average=True, by=...)."""

from __future__ import annotations

import pickle
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from benchmarks.margins import FAMILY, covered, fitted, frame, labelled, study, truth
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.estimators import ppi
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.scores import NegativeBinomial2, Quantile


def test_averages_are_those_of_statsmodels() -> None:
    labels = frame().head(300).assign(y=lambda d: d["y_true"])
    found = AugmentedGMM.from_formula("y ~ x + g + c", labels, family=FAMILY).fit(
        use_correction=False
    )
    peer = sm.GLM.from_formula("y ~ x + g + c", labels, family=FAMILY)
    peer = peer.fit(cov_type="HC0")
    whole = found.get_prediction(average=True)
    theirs = peer.get_prediction(which="mean", average=True)
    np.testing.assert_allclose(whole.predicted, theirs.predicted, rtol=1e-7)
    # Theirs takes the units for given.
    np.testing.assert_allclose(whole.conditional_se, theirs.se, rtol=1e-6)
    both = found.get_prediction(average=True, by="g")
    for k in (0, 1):
        part = labels[labels["g"] == k]
        theirs = peer.get_prediction(part, which="mean", average=True)
        np.testing.assert_allclose(both.predicted[k], theirs.predicted, rtol=1e-7)
        np.testing.assert_allclose(both.conditional_se[k], theirs.se, rtol=1e-6)


def test_errors_are_those_of_stacked_equations() -> None:
    """Sandwich of the score and of the averages together, all units labelled."""
    labels = frame().head(400).assign(y=lambda d: d["y_true"])
    result = AugmentedGMM.from_formula("y ~ x + g + c", labels, family=FAMILY).fit(
        use_correction=False
    )
    x = np.asarray(result.model.exog)
    mean, own = result.predict(labels).to_numpy(), labels["g"].to_numpy() == 1
    average = mean[own].mean()
    score = x * (labels["y"].to_numpy() - mean)[:, None]
    scores = np.column_stack([score, own * (mean - average)])
    slope = mean * (1.0 - mean)
    bread = np.zeros((5, 5))
    bread[:4, :4] = -(x * slope[:, None]).T @ x
    bread[4, :4] = (own * slope) @ x
    bread[4, 4] = -own.sum()
    inverse = np.linalg.inv(bread)
    expected = np.sqrt((inverse @ scores.T @ scores @ inverse.T)[4, 4])
    found = result.get_prediction(average=True, by="g")
    assert found.se[1] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("how", ["random", "unequal", "strata"])
def test_coverage_over_the_population(how: str) -> None:
    """The truth is the average of very many units."""
    draws, hits, off_labels = 200, np.zeros(3), []
    for seed in range(draws):
        result, units = study(how, seed)
        hits += covered(result)
        labels = units[units["y"].notna()]
        off_labels.append(result.predict(labels).mean() - truth()[0])
    # 3 Monte Carlo standard errors of a coverage of .95; `benchmarks.margins` has more.
    off = 3 * np.sqrt(0.95 * 0.05 / draws)
    assert np.all(np.abs(hits / draws - 0.95) <= off), hits / draws
    if how == "unequal":  # what an average over labelled rows is off by
        assert np.mean(off_labels) > 0.1


def test_groups_are_those_of_any_column_or_values() -> None:
    units = labelled(frame(), "unequal")
    result = fitted(units, labeling_prob="p")
    mean = result.predict(units)
    found = result.get_prediction(average=True, by="k")  # many numbers: quartiles
    assert len(found.predicted) == 4
    first = units["k"] <= np.quantile(units["k"], 0.25)
    assert found.predicted[0] == pytest.approx(mean[first].mean())
    names = units["g"].map({0: "no", 1: "yes"}).mask(units["x"] > 2)
    found = result.get_prediction(average=True, by=names)
    table = found.summary_frame()
    assert table.index.tolist() == ["no", "yes", "missing"]
    expected = mean.groupby(names.fillna("missing")).mean()
    np.testing.assert_allclose(table["predicted"], expected.loc[table.index])
    assert "1500 units whose regressors" in found.note
    linear = result.get_prediction(average=True, by="g", which="linear")
    expected = result.predict(units, which="linear").groupby(units["g"]).mean()
    np.testing.assert_allclose(linear.predicted, expected)


def test_rows_that_are_given_are_taken_as_they_are() -> None:
    units = labelled(frame(), "random")
    result = fitted(units)
    found = result.get_prediction(units, average=True, by="g")
    own = result.get_prediction(average=True, by="g")
    np.testing.assert_allclose(found.predicted, own.predicted)
    np.testing.assert_allclose(found.se, own.conditional_se)
    assert np.all(found.se < own.se)
    weights = np.where(units["s"] == 1, 3.0, 1.0)
    found = result.get_prediction(units, average=True, by="g", agg_weights=weights)
    mean = result.predict(units)
    expected = np.average(mean[units["g"] == 0], weights=weights[units["g"] == 0])
    assert found.predicted[0] == pytest.approx(expected)
    # So they do without any data.
    result.remove_data()
    after = result.get_prediction(units, average=True, by="g")
    np.testing.assert_allclose(after.predicted, own.predicted)
    with pytest.raises(DataError, match="were removed"):
        result.get_prediction(average=True)


def test_weights_clusters_and_finite_populations() -> None:
    units = labelled(frame(), "random")
    weighted = fitted(units, weights="w")
    found = weighted.get_prediction(average=True)
    expected = np.average(weighted.predict(units), weights=units["w"])
    assert found.predicted[0] == pytest.approx(expected)
    clusters = fitted(units, {"cov_type": "cluster", "cov_kwds": {"groups": "k"}})
    assert clusters.get_prediction(average=True).se[0] > 0.0
    finite = fitted(units, {"population": "finite"}).get_prediction(average=True)
    np.testing.assert_allclose(finite.se, finite.conditional_se)
    assert "They are the population" in finite.note


def test_labelled_rows_stand_for_a_finite_population_by_chance() -> None:
    units = labelled(frame(), "random")
    exog = sm.add_constant(units[["x", "g"]].astype(float))
    model = AugmentedGMM(units["y"], exog, {"llm": (units["llm"], exog)}, family=FAMILY)
    result = model.fit(population="finite")
    found = result.get_prediction(average=True, by=units["g"].to_numpy())
    assert "labelled units, with the weights of the design" in found.note
    assert "They are the population" not in found.note
    assert np.all(found.se > found.conditional_se)
    assert "They are the population" not in " ".join(result.get_margeff().notes)


def test_other_targets() -> None:
    units = labelled(frame(), "random")
    units["n"], units["h"] = np.exp(units["w"]), units["w"] + 0.5
    c = units["c"] ** 2.0  # spread wider than Poisson's
    counts = units.assign(y=c.where(units["y"].notna()), llm=c + 1.0)
    negative = AugmentedGMM.from_formula(
        "y ~ x + g", counts, {"y": "llm"}, score=NegativeBinomial2()
    ).fit()
    found = negative.get_prediction(average=True, by="g")
    expected = negative.predict(units).groupby(units["g"]).mean()
    np.testing.assert_allclose(found.predicted, expected)
    assert np.all(found.conf_int() > 0.0)
    numbers = units.assign(y=units["w"].where(units["y"].notna()), llm=units["w"] ** 2)
    median = AugmentedGMM.from_formula(
        "y ~ x + g", numbers, {"y": "llm"}, score=Quantile(0.5)
    ).fit()
    found = median.get_prediction(average=True)
    assert found.predicted[0] == pytest.approx(median.predict(units).mean())
    rates = AugmentedGMM.from_formula(
        "y ~ x", counts, {"y": "llm"}, family=sm.families.Poisson(), exposure="h"
    ).fit()
    # Of one unit of exposure, all units; of their own, labelled ones.
    found = rates.get_prediction(average=True, exposure=1.0)
    expected = rates.predict(units, exposure=1.0).mean()
    assert found.predicted[0] == pytest.approx(expected)
    assert "1500 units" in found.note
    own = rates.get_prediction(average=True)
    labels = units[units["y"].notna()]
    expected = rates.predict(labels, exposure=labels["h"]).mean()
    assert own.predicted[0] == pytest.approx(expected)
    with pytest.raises(OptionError, match="are one number"):
        rates.get_prediction(average=True, exposure=units["h"].to_numpy())


def test_bad_input() -> None:
    units = labelled(frame(), "random")
    result = fitted(units)
    for ask, error, match in (
        (lambda: result.get_prediction(by="g"), OptionError, "give average=True"),
        (
            lambda: result.get_prediction(average=True, by="gg"),
            DataError,
            "'gg'",
        ),
        (
            lambda: result.get_prediction(average=True, agg_weights=np.ones(250)),
            OptionError,
            "rows that are given in exog=",
        ),
        (
            lambda: result.get_prediction(
                units.assign(x=units["x"].mask(units["x"] > 2)), average=True, by="g"
            ),
            DataError,
            "a variable is missing",
        ),
        (
            lambda: result.get_prediction(units, average=True, by=[1, 2]),
            DataError,
            "by= has 2 values for 1500 rows",
        ),
        (
            lambda: ppi(result).get_prediction(average=True),
            OptionError,
            "give the rows to average over: exog=data",
        ),
    ):
        with pytest.raises(error, match=match):
            ask()
    assert np.ravel(ppi(result).get_prediction(units, average=True).se)[0] > 0.0


# Other packages. What they suppose of our results is pinned here.


@pytest.mark.filterwarnings("ignore:Dropping rows with missing")
def test_marginaleffects() -> None:
    peer = pytest.importorskip("marginaleffects")
    state = np.random.get_state()  # noqa: NPY002 - it draws, whatever for
    units = labelled(frame(), "unequal")
    result = fitted(units, labeling_prob="p")
    # Without the outcome: with it rows that have none are dropped.
    rows = units.drop(columns=["y", "y_true"])
    theirs = peer.avg_predictions(result, newdata=rows)
    own = result.get_prediction(average=True)
    np.testing.assert_allclose(theirs["estimate"], own.predicted, rtol=1e-6)
    np.testing.assert_allclose(theirs["std_error"], own.conditional_se, rtol=1e-5)
    theirs = peer.avg_predictions(result, newdata=rows, by="g").sort("g")
    own = result.get_prediction(average=True, by="g")
    np.testing.assert_allclose(theirs["estimate"], own.predicted, rtol=1e-6)
    np.testing.assert_allclose(theirs["std_error"], own.conditional_se, rtol=1e-5)
    theirs = peer.avg_slopes(result, newdata=rows, variables="x")
    own = result.get_margeff().frame.loc["x"]
    # Their slope is a difference over a step of 1e-4 of the range.
    np.testing.assert_allclose(theirs["estimate"], own["dy/dx"], rtol=1e-5)
    np.testing.assert_allclose(theirs["std_error"], own["conditional"], rtol=1e-4)
    # The default, and all units with their missing outcomes: labelled rows alone.
    labels = result.predict(units[units["y"].notna()]).mean()
    for options in ({}, {"newdata": units}):
        wrong = peer.avg_predictions(result, **options)["estimate"].item()
        assert wrong == pytest.approx(labels, rel=1e-6)
        assert wrong > result.get_prediction(average=True).predicted[0] + 0.1
    np.random.set_state(state)  # noqa: NPY002


def test_smmargins() -> None:
    peer = pytest.importorskip("smmargins")
    units = labelled(frame(), "unequal")
    model = AugmentedGMM.from_formula(
        *("y ~ x + C(g) + c", units, {"y": "llm"}),
        family=FAMILY,
        labeling_prob="p",
        engine="patsy",
    )
    result = model.fit()
    found = peer.Margins(result)
    own = result.get_prediction(average=True)
    theirs = found.predict()
    np.testing.assert_allclose(theirs.estimate, own.predicted, rtol=1e-6)
    np.testing.assert_allclose(theirs.se, own.conditional_se, rtol=1e-5)
    theirs, own = found.dydx("x"), result.get_margeff().frame.loc["x"]
    np.testing.assert_allclose(theirs.estimate, own["dy/dx"], rtol=1e-5)
    np.testing.assert_allclose(theirs.se, own["conditional"], rtol=1e-4)


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_what_smmargins_asks_for_survives_pickles(engine: Any) -> None:
    units: pd.DataFrame = labelled(frame(), "random")
    result = AugmentedGMM.from_formula(
        *("y ~ x", units, {"y": "llm"}), family=FAMILY, engine=engine
    ).fit()
    again = pickle.loads(pickle.dumps(result))
    for own in (result, again):
        assert hasattr(own.model.data, "design_info") == (engine == "patsy")


def test_rows_in_partitions_are_given() -> None:
    units = labelled(frame(), "random").reset_index(names="id")
    parts = dd.from_pandas(units, npartitions=2)
    result = AugmentedGMM.from_formula(
        "y ~ x", parts, {"y": "llm"}, on="id", family=FAMILY
    ).fit()
    for by in (None, "g"):
        with pytest.raises(DataError, match="in Dask partitions"):
            result.get_prediction(average=True, by=by)
    found = result.get_prediction(units, average=True, by="g")
    expected = result.predict(units).groupby(units["g"]).mean()
    np.testing.assert_allclose(found.predicted, expected)

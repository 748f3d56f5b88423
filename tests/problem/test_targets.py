"""What holds of every built-in target model, whichever options a model has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.scores import Huber, NegativeBinomial2, Quantile

N_UNITS, N_LABELS = 900, 150


def continuous(rng: np.random.Generator, x: np.ndarray[Any, Any]) -> dict[str, Any]:
    """An outcome with heavy tails, and what two sources say of it."""
    y = 0.5 + x + rng.standard_t(3, size=len(x))
    other = 0.3 + 0.8 * y + 0.4 * rng.normal(size=len(x))
    return {"full": y, "llm": other, "second": y + rng.normal(size=len(x))}


def counts(rng: np.random.Generator, x: np.ndarray[Any, Any]) -> dict[str, Any]:
    """A count with more variance than Poisson's, and what two sources say of it."""
    mean = np.exp(1.0 + 0.5 * x) * rng.gamma(2.0, 0.5, len(x))
    y = rng.poisson(mean).astype(float)
    return {"full": y, "llm": np.round(mean), "second": rng.poisson(mean).astype(float)}


@dataclass(frozen=True)
class Row:
    """A target model: the data that it is for, and how exactly replicates agree."""

    score: TargetScore
    draw: Callable[..., dict[str, Any]]
    #: Quartiles of residuals are interpolated without weights, and not with them.
    replicates: float = 1e-7


TARGETS = {
    "median": Row(Quantile(0.5), continuous, 2e-2),
    "quantile .8": Row(Quantile(0.8), continuous, 2e-2),
    "Huber": Row(Huber(), continuous),
    "Huber, scale given": Row(Huber(2.0, scale=0.7), continuous),
    "negative binomial": Row(NegativeBinomial2(), counts),
}
BOTH = {"llm": {"y": "llm"}, "second": {"y": "second"}}
FITS: list[dict[str, Any]] = [
    {},
    {"use_correction": False},
    {"cov_type": "cluster", "cov_kwds": {"groups": "c"}},
]
every_target = pytest.mark.parametrize("name", list(TARGETS))
every_fit = pytest.mark.parametrize("fit", FITS, ids=["default", "paper", "clusters"])


def units(name: str, seed: int = 1) -> pd.DataFrame:
    """Labels and sources, strata, clusters, weights, probabilities and an offset."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=N_UNITS)})
    frame = frame.assign(**TARGETS[name].draw(rng, frame["x"].to_numpy()))
    frame["s"], frame["c"] = np.arange(N_UNITS) % 3, np.arange(N_UNITS) // 9
    frame["w"] = rng.uniform(0.5, 2.0, N_UNITS)
    frame["shift"] = 0.1 * rng.normal(size=N_UNITS)
    frame["prob"] = np.where(frame["llm"] > frame["llm"].median(), 0.25, 0.1)
    chosen = rng.permutation(N_UNITS) < N_LABELS
    frame["y"] = frame["full"].where(chosen)
    return frame


def model_of(
    name: str, frame: Any, proxy: Any = None, formula: str = "y ~ x", **given: Any
) -> AugmentedGMM:
    return AugmentedGMM.from_formula(
        formula,
        frame,
        BOTH if proxy is None else proxy,
        score=TARGETS[name].score,
        **given,
    )


def agree(found: Any, expected: Any, rtol: float = 1e-7) -> None:
    for what in ("params", "bse", "df_inference"):
        left, right = (np.asarray(getattr(r, what)) for r in (found, expected))
        np.testing.assert_allclose(left, right, rtol=rtol, atol=rtol)


@every_target
@every_fit
def test_a_weight_or_a_probability_of_all_alike_changes_nothing(
    name: str, fit: dict[str, Any]
) -> None:
    frame = units(name).assign(one=2.0, all=N_LABELS / N_UNITS)
    expected = model_of(name, frame).fit(**fit)
    # Exact estimates of the same rows, with and without weights.
    agree(model_of(name, frame, weights="one").fit(**fit), expected, 1e-6)
    agree(model_of(name, frame, labeling_prob="all").fit(**fit), expected, 1e-6)


@every_target
def test_replicates_that_agree_are_one_row(name: str) -> None:
    frame = units(name)
    source = frame[["llm"]].rename(columns={"llm": "y"})
    twice = pd.concat([source, source]).sort_index(kind="stable")
    found, expected = (
        model_of(name, frame, {"llm": own}).fit() for own in (twice, source)
    )
    agree(found, expected, TARGETS[name].replicates)


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.CoverageWarning")
@every_target
@every_fit
def test_sources_tell_something_in_every_design(name: str, fit: dict[str, Any]) -> None:
    frame = units(name, 2)
    frame.loc[np.arange(N_UNITS) % 5 == 0, "second"] = np.nan
    designs: list[dict[str, Any]] = [{}, {"strata": "s"}, {"weights": "w"}]
    designs += [{"offset": "shift"}]
    rng = np.random.default_rng(3)
    drawn = frame.assign(y=frame["full"].where(rng.random(N_UNITS) < frame["prob"]))
    for data, given in [
        *((frame, d) for d in designs),
        (drawn, {"labeling_prob": "prob"}),
    ]:
        result = model_of(name, data, **given).fit(**fit)
        assert result.converged
        # The first source nearly repeats the outcome.
        assert np.all(np.asarray(result.variance_reduction)[:2] > 0.1), given
        alone = model_of(name, data, {}, **given).fit(**fit)
        agree(result.real_only, alone, 1e-6)


@every_target
def test_the_order_of_rows_changes_nothing(name: str) -> None:
    frame = units(name)
    order = np.random.default_rng(0).permutation(N_UNITS)
    agree(model_of(name, frame.iloc[order]).fit(), model_of(name, frame).fit(), 1e-6)


@every_target
def test_units_of_measure_of_x_change_nothing(name: str) -> None:
    frame = units(name)
    expected = model_of(name, frame).fit()
    found = model_of(name, frame.assign(x=1000.0 * frame["x"])).fit()
    scale = np.ones(len(expected.params))
    scale[1] = 1000.0
    np.testing.assert_allclose(found.params * scale, expected.params, rtol=1e-5)
    np.testing.assert_allclose(found.bse * scale, expected.bse, rtol=1e-5)


@every_target
def test_dask_equals_memory(name: str) -> None:
    dd = pytest.importorskip("dask.dataframe")
    frame = units(name)
    parts = dd.from_pandas(frame, npartitions=3)
    for fit in FITS:
        found, expected = (model_of(name, d).fit(**fit) for d in (parts, frame))
        agree(found, expected, 1e-7)


@every_target
def test_analyses_follow(name: str) -> None:
    result = model_of(name, units(name)).fit()
    table = result.compare().table
    numbers = table[["estimate", "std_err", "lower", "upper"]]
    assert np.all(np.isfinite(numbers))
    own = table.xs("GMM-Synth", level="method")
    np.testing.assert_allclose(own["estimate"], result.params)
    # Methods that are valid differ by chance: four standard errors of the labels.
    valid = table[table["valid"]]
    alone = table.xs("labels only", level="method")
    for (coefficient, _), row in valid.iterrows():
        apart = abs(row["estimate"] - alone.loc[coefficient, "estimate"])
        assert apart < 4.0 * alone.loc[coefficient, "std_err"]
    assert len(result.diagnostics(by="s").verdict) == 4
    plan = result.plan().expect([N_LABELS, 4 * N_LABELS])
    wide = plan.pivot_table(index="n", values="width", aggfunc="mean")["width"]
    assert 0.4 < wide.iloc[1] / wide.iloc[0] < 0.8  # about a half
    for shown in (result.summary(), result.summary2()):
        assert TARGETS[name].score.title[0][1].split(",")[0] in str(shown)


@every_target
def test_pickles_and_sets_of_labels_keep_the_target(name: str) -> None:
    frame = units(name)
    model = model_of(name, frame)
    result = model.fit()
    agree(pickle.loads(pickle.dumps(result)), result)
    rng = np.random.default_rng(5)
    sets = pd.DataFrame(
        {k: frame["full"].where(rng.permutation(N_UNITS) < 120) for k in range(2)}
    )
    for k, found in enumerate(model.fit_many(sets)):
        # The sources are told, and start, once for all sets of labels.
        agree(found, model_of(name, frame.assign(y=sets[k])).fit(), 1e-6)


@every_target
def test_predictions_have_intervals(name: str) -> None:
    result = model_of(name, units(name)).fit()
    rows = pd.DataFrame({"x": [-1.0, 0.0, 1.5]})
    shown = result.get_prediction(rows).summary_frame()
    np.testing.assert_allclose(shown.iloc[:, 0], result.predict(rows))
    exog = np.column_stack([np.ones(3), rows["x"]])
    linear = exog @ np.asarray(result.params)[:2]
    cov = np.asarray(result.cov_params())[:2, :2]
    error = np.sqrt(np.einsum("ij,jk,ik->i", exog, cov, exog))
    is_log = name == "negative binomial"
    mean = np.exp(linear) if is_log else linear
    np.testing.assert_allclose(shown.iloc[:, 0], mean, rtol=1e-8)
    np.testing.assert_allclose(
        shown.iloc[:, 1], error * (mean if is_log else 1.0), rtol=1e-6
    )
    assert np.all(shown.iloc[:, 2] < mean)
    assert np.all(mean < shown.iloc[:, 3])
    average = result.get_prediction(rows, average=True)
    gradient = (exog * (mean if is_log else np.ones(3))[:, None]).mean(axis=0)
    np.testing.assert_allclose(
        np.asarray(average.se).ravel(), np.sqrt(gradient @ cov @ gradient), rtol=1e-6
    )

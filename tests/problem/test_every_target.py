"""The matrix: every target model with every option, analysis and kind of frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
import pickle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM, scores
from statsmodels_synth.estimators import combine
from statsmodels_synth.exceptions import SynthError

N_UNITS, N_LABELS = 600, 150
LOG = sm.families.links.Log()
pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.CoverageWarning",
    "ignore::statsmodels_synth.exceptions.CoderWarning",
    "ignore::statsmodels_synth.exceptions.FewUnitsWarning",
)


def psi(theta: Any, frame: pd.DataFrame) -> Any:
    """The mean of x, and of the outcome: sources have the first in common."""
    mean = frame["x"].to_numpy() - theta[0]
    return np.column_stack([mean, frame["y"].to_numpy() - theta[1] * frame["w"]])


@dataclass(frozen=True)
class Target:
    """A target model: its formula, what else it takes, and the kind of its outcome."""

    formula: str
    given: dict[str, Any] = field(default_factory=dict)
    kind: str = "number"


TARGETS = {
    "least squares": Target("y ~ x"),
    "logit": Target("y ~ x", {"family": sm.families.Binomial()}, "binary"),
    "Poisson": Target("y ~ x", {"family": sm.families.Poisson()}, "count"),
    "gamma": Target("y ~ x", {"family": sm.families.Gamma(LOG)}, "positive"),
    "median": Target("y ~ x", {"score": scores.Quantile(0.5)}),
    "Huber": Target("y ~ x", {"score": scores.Huber()}),
    "negative binomial": Target(
        "y ~ x", {"score": scores.NegativeBinomial2()}, "count"
    ),
    "multinomial": Target("y ~ x", {"score": scores.MultinomialLogit()}, "text"),
    "ordered logit": Target("y ~ x", {"score": scores.OrderedLogit()}, "level"),
    "ordered probit": Target(
        "y ~ x", {"score": scores.OrderedProbit(["low", "mid", "top"])}, "text"
    ),
    "instruments": Target("y ~ x + [d ~ z]"),
    "instruments, over": Target("y ~ x + [d ~ z + z2]"),
    "means": Target("y ~ t", {"score": scores.AverageTreatmentEffect("t")}),
    "adjusted": Target("y ~ t + x", {"score": scores.AverageTreatmentEffect("t")}),
    "AIPW": Target("y ~ t + x", {"score": scores.AverageTreatmentEffect("t", 0.5)}),
    "AIPW, column": Target(
        "y ~ t + x + e", {"score": scores.AverageTreatmentEffect("t", "e")}
    ),
    "AIPW, logit": Target(
        "y ~ t + x", {"score": scores.AverageTreatmentEffect("t", "logit")}
    ),
    "differences": Target("y ~ t * s"),
    "absorbed": Target("y ~ x | g"),
    "absorbed, two ways": Target("y ~ x | g + h"),
    "absorbed, instruments": Target("y ~ x + [d ~ z] | g"),
    "moments": Target(""),
}
IV = {"instruments", "instruments, over"}
LEVELS = {"multinomial", "ordered logit", "ordered probit"}
ABSORBED = {name for name in TARGETS if name.startswith("absorbed")}
EFFECTS = {"means", "adjusted", "AIPW", "AIPW, column", "AIPW, logit"}
LOGS = {"Poisson", "gamma", "negative binomial"}
NO_MEAN = {*EFFECTS, *ABSORBED, "moments"}


def outcome(kind: str, number: Any, rng: np.random.Generator) -> Any:
    """An outcome of this kind that goes with a number."""
    if kind == "number":
        return number
    if kind == "binary":
        return (number + rng.logistic(size=len(number)) > 0.5).astype(float)
    if kind == "positive":
        return np.exp(0.5 * number)
    if kind == "count":
        return rng.poisson(np.exp(0.5 + 0.3 * number)).astype(float)
    level = np.digitize(number, [-0.6, 1.2])
    return (
        level.astype(float)
        if kind == "level"
        else np.array(["low", "mid", "top"])[level]
    )


def units(name: str, seed: int = 1) -> pd.DataFrame:
    """Everything that any of the targets and options uses."""
    rng, n = np.random.default_rng(seed), N_UNITS
    x, z, z2, u, e1, e2 = rng.normal(size=(6, n))
    frame = pd.DataFrame({"x": x, "z": z, "z2": z2}, [f"u{t}" for t in range(n)])
    frame["g"], frame["h"] = np.arange(n) % 20, rng.integers(0, 6, n)
    frame["s"], frame["c"] = np.arange(n) % 3, np.arange(n) // 6
    frame["e"] = 0.3 + 0.4 * (x > 0.0)
    frame["t"] = (rng.random(n) < frame["e"]).astype(float)
    frame["d"] = z + 0.5 * z2 + u + 0.5 * rng.normal(size=n)
    number = 0.4 + 0.7 * x + 0.4 * frame["d"] + 0.3 * frame["t"] + 0.5 * u
    kind = TARGETS[name].kind
    number = (number + 0.6 * rng.normal(size=n)).to_numpy()
    frame["full"] = outcome(kind, number, rng)
    if kind in ("binary", "count"):
        frame["llm"] = np.clip(
            frame["full"] + (rng.random(n) < 0.15), 0, 1 if kind == "binary" else None
        )
        frame["second"] = outcome(kind, number, rng)
    else:
        frame["llm"] = outcome(kind, number + 0.5 * e1, rng)
        frame["second"] = outcome(kind, number + 1.0 * e2, rng)
    frame["w"] = rng.uniform(0.5, 2.0, n)
    frame["shift"], frame["aux"] = 0.1 * rng.normal(size=n), number + 0.7 * e2
    frame["p"] = np.where(np.arange(n) % 2, 0.35, 0.15)
    frame["half"] = rng.random(n) < 0.6
    frame["y"] = frame["full"].where(rng.permutation(n) < N_LABELS)
    return frame


BOTH = {"llm": {"y": "llm"}, "second": {"y": "second"}}


def model_of(name: str, frame: Any, proxy: Any = None, **options: Any) -> AugmentedGMM:
    proxy = BOTH if proxy is None else proxy
    if name == "moments":
        start = {"mean of x": 0.0, "ratio": 1.0}
        return AugmentedGMM.from_moments(psi, frame, proxy, start=start, **options)
    target = TARGETS[name]
    return AugmentedGMM.from_formula(
        target.formula, frame, proxy, **target.given, **options
    )


def numbers(result: Any) -> Any:
    return np.concatenate([np.asarray(result.params), np.asarray(result.bse)])


def synthetic(frame: pd.DataFrame) -> pd.DataFrame:
    """Two generated rows for each unit, with an x of their own."""
    rows = frame.loc[frame.index.repeat(2)].copy()
    rng = np.random.default_rng(3)
    rows["y"] = rows["second"]
    rows["x"] = rows["x"] + 0.3 * rng.normal(size=len(rows))
    return rows[["y", "x"]]


def replicates(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    parts = [frame[[c]].rename(columns={c: "y"}) for c in ("llm", "second")]
    return {"both": pd.concat(parts).sort_index(kind="stable")}


def coded(frame: pd.DataFrame) -> pd.DataFrame:
    """Three codes of each label, of which one differs for some units."""
    every = [frame.assign(coder="A", unit=frame.index)]
    labels = frame[frame["y"].notna()]
    for coder in ("B", "C"):
        again = labels.assign(coder=coder, unit=labels.index)
        if coder == "C":
            again["y"] = again["y"].where(
                np.arange(len(again)) % 9 > 0, again["second"]
            )
        every.append(again)
    return pd.concat(every, ignore_index=True)


Frame = pd.DataFrame
#: What is done to the data, options of the model, and options of the fit.
OPTIONS: dict[str, Callable[[str, Frame], AugmentedGMM]] = {
    "no source": lambda n, f: model_of(n, f, {}),
    "replicates": lambda n, f: model_of(n, f, replicates(f)),
    "synthetic rows": lambda n, f: model_of(
        n, f, {"llm": {"y": "llm"}}, synthetic={"sim": synthetic(f)}
    ),
    "partial coverage": lambda n, f: model_of(
        n, f.assign(second=f["second"].where(f["half"]))
    ),
    "weights": lambda n, f: model_of(n, f, weights="w"),
    "probabilities": lambda n, f: model_of(
        n,
        f.assign(y=f["full"].where(np.random.default_rng(7).random(len(f)) < f["p"])),
        labeling_prob="p",
    ),
    "strata": lambda n, f: model_of(n, f, strata="s"),
    "labeled": lambda n, f: model_of(
        n, f.assign(lab=f["y"].notna(), y=f["full"]), labeled="lab"
    ),
    "offset": lambda n, f: model_of(n, f, offset="shift"),
    "exposure": lambda n, f: model_of(n, f, exposure="w"),
    "auxiliary": lambda n, f: model_of(n, f, auxiliary="aux + shift"),
    "coders": lambda n, f: model_of(
        n,
        coded(f),
        f[["llm"]].rename(columns={"llm": "y"}).reset_index(names="unit"),
        on="unit",
        coder="coder",
        coding="majority",
    ),
    "formulaic": lambda n, f: model_of(n, f, engine="formulaic"),
}
FITS: dict[str, dict[str, Any]] = {
    "paper": {"use_correction": False},
    "one step": {"maxiter": 1},
    "clusters": {"cov_type": "cluster", "cov_kwds": {"groups": "c"}},
    "survey": {
        "cov_type": "cluster",
        "cov_kwds": {"groups": "c", "strata": "s2", "fpc": "w2"},
    },
    "finite": {"population": "finite"},
    "normal": {"use_t": False},
    "continuously updated": {"maxiter": "cue"},
}
#: What is refused, and in which words.
SHARED = {*EFFECTS, "moments"} - {"AIPW, column"}
REFUSED: dict[str, list[tuple[set[str], str]]] = {
    "offset": [
        ({*IV, *EFFECTS}, "Subtract it from the outcome beforehand"),
        (ABSORBED, "Subtract it from the outcome beforehand"),
        ({"moments"}, "psi says all of it"),
    ],
    "exposure": [
        ({*TARGETS} - LOGS - ABSORBED - {"moments"}, "exposure needs a log link"),
        (ABSORBED, "is for models with a log link"),
        ({"moments"}, "psi says all of it"),
    ],
    "auxiliary": [
        (LEVELS, "Give predictions of your own as a proxy, a probability by level"),
        (ABSORBED, "Predict the outcome beforehand"),
    ],
    "continuously updated": [
        (SHARED, "needs moments that do not follow from each other"),
        ({"median"}, "needs a score without jumps"),
    ],
    "get_prediction": [
        (LEVELS, "has several. predict"),
        ({*EFFECTS, "moments"}, "there is none. t_test"),
        (ABSORBED, "There are no predictions with the fixed effects"),
    ],
    "predict": [
        ({*EFFECTS, "moments"}, "there is nothing to predict"),
        (ABSORBED, "There are no predictions with the fixed effects"),
    ],
    "get_margeff": [
        (LEVELS, "has several. Compare predict"),
        ({*IV, *ABSORBED}, "the coefficients are"),
        ({*EFFECTS, "moments"}, "there is none. params and t_test"),
    ],
    "fit_many": [(ABSORBED, "Make a model for each set of labels")],
    "agreement": [(ABSORBED, "Fit the formula without")],
    "diagnostics by": [({"multinomial"}, "Look at one level at a time")],
    "wald_test_terms": [
        ({"multinomial", "moments", *EFFECTS}, "takes constraints on these, by name")
    ],
    "dask": [(ABSORBED, "not available where rows are in Dask partitions")],
}


def refusal(what: str, name: str) -> str | None:
    found = [words for names, words in REFUSED.get(what, []) if name in names]
    return found[0] if found else None


def check(what: str, name: str, run: Callable[[], Any]) -> Any:
    """What a cell gives: finite numbers, or the refusal that is written above."""
    words = refusal(what, name)
    if words is not None:
        with pytest.raises(SynthError) as caught:
            run()
        assert words in str(caught.value), (what, str(caught.value))
        return None
    found = run()
    if hasattr(found, "bse"):
        assert found.converged, what
        assert np.all(np.isfinite(numbers(found))), what
        assert np.all(np.asarray(found.bse) > 0.0), what
        assert {*found.dropped_sources} <= {"auxiliary"}, what
    return found


every_target = pytest.mark.parametrize("name", list(TARGETS))


@every_target
def test_options_of_the_model(name: str) -> None:
    frame = units(name)
    alone = model_of(name, frame, {}).fit()
    for what, made in OPTIONS.items():
        found = check(what, name, lambda made=made: made(name, frame).fit())
        if found is not None and what not in ("no source", "labeled"):
            # Near the labels alone: not other numbers that happen to be finite.
            # (Probabilities are with other labels, coders with other outcomes.)
            apart = np.abs(np.asarray(found.params) - np.asarray(alone.params))
            assert np.all(apart < 5.0 * np.asarray(alone.bse)), what


@every_target
def test_options_of_the_fit(name: str) -> None:
    frame = units(name).assign(s2=lambda d: d["c"] % 4, w2=0.2)
    model = model_of(name, frame)
    usual = model.fit()
    for what, options in FITS.items():
        found = check(what, name, lambda options=options: model.fit(**options))
        if found is not None:
            apart = np.abs(np.asarray(found.params) - np.asarray(usual.params))
            assert np.all(apart < 3.0 * np.asarray(usual.real_only.bse)), what


@every_target
def test_analyses(name: str) -> None:
    frame = units(name)
    model = model_of(name, frame)
    result, rows = model.fit(), frame.head(4)
    check("predict", name, lambda: result.predict(rows))
    for run in (
        lambda: result.get_prediction(rows).summary_frame(),
        lambda: result.get_prediction(average=True).summary_frame(),
        lambda: result.get_prediction(average=True, by="s").summary_frame(),
    ):
        found = check("get_prediction", name, run)
        assert found is None or np.all(np.isfinite(found))
    margins = check("get_margeff", name, lambda: result.get_margeff().summary_frame())
    assert margins is None or np.all(np.isfinite(margins))
    check("agreement", name, lambda: str(result.agreement()))
    check("wald_test_terms", name, lambda: str(result.wald_test_terms()))
    check("diagnostics by", name, lambda: str(result.diagnostics(by="s")))
    assert len(result.diagnostics().verdict) == 4
    table = result.compare(["labels only", "PPI++", "GMM-Synth"]).table
    assert np.all(np.isfinite(table["std_err"]))
    assert np.all(np.isfinite(result.plan().expect([100, 300])["std_err"]))
    pooled = combine([result, model_of(name, frame, {"llm": {"y": "llm"}}).fit()])
    assert np.all(np.isfinite(pooled.bse))
    alone = model.multiverse().table
    assert set(alone.index.get_level_values("variant")) == set(BOTH)
    for text in (result.summary(), result.summary2(), result.report()):
        assert "second" in str(text)
    assert result.methods_text()
    assert len(result.tidy()) == len(result.params)
    assert len(result.glance()) == 1
    assert np.isfinite(result.jtest().pvalue)
    assert np.all(np.isfinite(result.representativeness()["pvalue"]))
    assert result.influence.shape == (N_UNITS, len(result.params))
    assert np.all(np.isfinite(result.sequential_conf_int()))
    for plot in (result.plot_coefficients, result.plot_variance, result.plot_plan):
        plot()
    plt.close("all")


@every_target
def test_pickles_and_sets_of_labels(name: str) -> None:
    frame = units(name)
    model = model_of(name, frame)
    result = model.fit()
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(numbers(again), numbers(result))
    sets = pd.DataFrame(
        {"one": frame["full"].where(np.random.default_rng(2).random(N_UNITS) < 0.25)}
    )
    many = check("fit_many", name, lambda: list(model.fit_many(sets)))
    if many is not None:
        expected = model_of(name, frame.assign(y=sets["one"])).fit()
        np.testing.assert_allclose(numbers(many[0]), numbers(expected), 1e-6, 1e-8)
    result.remove_data()
    bare = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(numbers(bare), numbers(result))
    assert name in ABSORBED or "second" in str(bare.summary())


@every_target
def test_the_same_whatever_the_order_the_ids_and_the_forms(name: str) -> None:
    frame = units(name)
    expected = numbers(model_of(name, frame).fit())
    mixed = frame.sample(frac=1.0, random_state=0)
    own = {key: frame[[key]].rename(columns={key: "y"}) for key in BOTH}
    renamed = frame.set_axis([f"id{k}" for k in range(N_UNITS)])
    for data, proxy in (
        (mixed, None),
        (renamed, None),
        (mixed, own),
        (frame, dict(reversed(BOTH.items()))),
    ):
        found = numbers(model_of(name, data, proxy).fit())
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@every_target
def test_units_of_measure_change_nothing(name: str) -> None:
    frame = units(name)
    result = model_of(name, frame).fit()
    found = model_of(name, frame.assign(x=1e-3 * frame["x"])).fit()
    of_x = [n.split(":")[-1] == "x" and name != "moments" for n in result.params.index]
    scale = np.where(of_x, 1e3, 1.0)
    if name == "moments":
        scale[0] = 1e-3
    np.testing.assert_allclose(found.bse, scale * result.bse, rtol=1e-5)
    np.testing.assert_allclose(
        found.params, scale * result.params, rtol=1e-5, atol=1e-6 * scale.max()
    )
    if TARGETS[name].kind != "number" or name == "moments":
        return
    columns = ["y", "llm", "second"]
    found = model_of(name, frame.assign(**(1e3 * frame[columns]))).fit()
    logit = np.array([n.startswith("propensity") for n in result.params.index])
    scale = np.where(logit, 1.0, 1e3)
    np.testing.assert_allclose(found.bse, scale * result.bse, rtol=1e-6)
    np.testing.assert_allclose(found.params, scale * result.params, rtol=1e-6)


@pytest.mark.parametrize("name", ["ordered logit", "multinomial"])
def test_what_levels_are_called_and_compared_with_changes_nothing(name: str) -> None:
    frame = units(name)
    result = model_of(name, frame).fit()
    columns = ["y", "llm", "second"]
    if name == "ordered logit":
        turned = model_of(name, frame.assign(**(2.0 - frame[columns]))).fit()
        expected = result.params.iloc[[0, 2, 1]].to_numpy()
        np.testing.assert_allclose(turned.params, -expected, rtol=1e-7)
        expected = result.bse.iloc[[0, 2, 1]].to_numpy()
        np.testing.assert_allclose(turned.bse, expected, rtol=1e-7)
        return
    other = scores.MultinomialLogit(base="top")
    based = AugmentedGMM.from_formula("y ~ x", frame, BOTH, score=other).fit()
    apart = result.t_test("mid:x - top:x = 0")
    assert based.params["mid:x"] == pytest.approx(float(apart.effect[0]))
    assert based.bse["mid:x"] == pytest.approx(float(apart.sd.item()))
    renamed = frame.replace({"low": "A", "mid": "B", "top": "C"})
    again = model_of(name, renamed).fit()
    np.testing.assert_allclose(numbers(again), numbers(result), rtol=1e-12)


def frames(frame: pd.DataFrame) -> dict[str, Any]:
    """The same rows in other libraries, with ids in a column."""
    pl, pa = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    named = frame.reset_index(names="unit")
    return {
        "polars": pl.from_pandas(named),
        "pyarrow": pa.Table.from_pandas(named, preserve_index=False),
        "nullable": named.convert_dtypes(),
        "arrow types": named.convert_dtypes(dtype_backend="pyarrow"),
    }


@every_target
def test_kinds_of_frames(name: str) -> None:
    dd = pytest.importorskip("dask.dataframe")
    frame = units(name)
    expected = numbers(model_of(name, frame).fit())
    more = {"variables": ["y", "x", "w"]} if name == "moments" else {}
    for kind, data in frames(frame).items():
        found = numbers(model_of(name, data, on="unit", **more).fit())
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=kind)
    parts = dd.from_pandas(frame, npartitions=3)
    found = check("dask", name, lambda: model_of(name, parts, **more).fit())
    if found is not None:
        np.testing.assert_allclose(numbers(found), expected, rtol=1e-6)


def changed(frame: pd.DataFrame, column: str, labelled: bool, value: Any) -> Frame:
    """One cell of a column with another value."""
    at = frame.index[frame["y"].notna() == labelled][0]
    values = frame[column].astype(object)
    values[at] = value
    return frame.assign(**{column: values})


#: What is done to the data, and which words the error has, for all but some targets.
WRONG: dict[str, tuple[Callable[[Frame], Frame], str, set[str]]] = {
    "infinite label": (lambda f: changed(f, "y", True, np.inf), "infinite", LEVELS),
    "infinite guess": (lambda f: changed(f, "llm", False, np.inf), "infinite", LEVELS),
    "text label": (
        lambda f: changed(f, "y", True, "?"),
        "'?'",
        {*LEVELS, "moments"},
    ),
    "text guess": (lambda f: changed(f, "llm", False, "?"), "'?'", set()),
    "infinite x": (
        lambda f: changed(f, "x", True, np.inf),
        "'x' is infinite",
        {"means", "differences"},
    ),
    "text x": (lambda f: changed(f, "x", True, "?"), "'x'", {"means", "differences"}),
    "no label": (
        lambda f: f.assign(y=f["y"].where(f["x"].isna())),
        "no labelled",
        set(),
    ),
    "no guess": (lambda f: f.assign(llm=f["llm"].where(f["x"].isna())), "'llm'", set()),
    "guesses of labels": (
        lambda f: f.assign(llm=f["llm"].where(f["y"].notna())),
        "'llm' covers no unlabelled",
        set(),
    ),
    "a unit twice": (lambda f: pd.concat([f, f.head(1)]), "more than one row", set()),
    "no column": (lambda f: f.drop(columns="llm"), "no column 'llm'", set()),
    "labels alike": (
        lambda f: f.assign(y=f["y"].mask(f["y"].notna(), f["full"].mode()[0])),
        "",
        {"moments"},
    ),
}


@every_target
@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_what_is_wrong_is_named(name: str) -> None:
    frame = units(name)
    for what, (change, words, but) in WRONG.items():
        if name in but:
            continue
        with pytest.raises(SynthError) as caught:
            model_of(name, change(frame)).fit()
        assert words in str(caught.value), (what, str(caught.value))


@every_target
@pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.CollinearSourceWarning"
)
def test_a_constant_guess_does_no_harm(name: str) -> None:
    frame = units(name)
    result = model_of(name, frame.assign(llm=frame["full"].mode()[0])).fit()
    assert result.converged
    assert np.all(np.isfinite(numbers(result)))
    assert np.all(np.asarray(result.bse) > 0.0)
    # Where it has something that is its own, such as a logistic regression, it stays.
    assert {*result.dropped_sources} <= {"llm"}
    without = model_of(name, frame, {"second": BOTH["second"]}).fit()
    apart = np.abs(np.asarray(result.params) - np.asarray(without.params))
    assert np.all(apart < 0.5 * np.asarray(without.bse))

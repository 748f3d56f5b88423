"""Every public member of every public object works, or says what to use instead."""

from __future__ import annotations

from collections.abc import Callable
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM, TaskExchangeability
from statsmodels_synth.core.inherited import Withheld
from statsmodels_synth.estimators import naive_pooled, ppi
from statsmodels_synth.exceptions import (
    DataError,
    OptionError,
    SynthError,
    UnavailableError,
)

pytestmark = pytest.mark.filterwarnings("ignore")
COEFFICIENTS = ["Intercept", "C(g)[T.b]", "C(g)[T.c]", "x"]


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=400), "g": rng.choice(list("abc"), 400)})
    truth = data["x"] + (data["g"] == "b") + rng.normal(size=400)
    data["llm"] = truth + 0.5 * rng.normal(size=400)
    data["gpt"] = truth + rng.normal(size=400)
    data["y"] = truth.where(np.arange(400) < 150)
    return data


def make_model() -> AugmentedGMM:
    proxies = {name: {"y": name} for name in ("llm", "gpt")}
    return AugmentedGMM.from_formula("y ~ C(g) + x", frame(), proxy=proxies)


@functools.cache
def model() -> AugmentedGMM:
    return make_model()


@functools.cache
def result() -> Any:
    return model().fit()


@functools.cache
def tasks() -> Any:
    rng = np.random.default_rng(1)
    rows = [
        pd.DataFrame(
            {"task": t, "source": s, "value": rng.normal(size=20), "year": 2000.0 + t}
        )
        for t in range(31)
        for s in ("real", "synthetic")
        if t < 30 or s == "synthetic"
    ]
    return TaskExchangeability.from_frame(
        pd.concat(rows), current=30, covariates="year"
    )


@functools.cache
def task_result() -> Any:
    return tasks().fit(alpha=0.2)


def full() -> Any:
    eta = result().auxiliary_params.to_numpy().ravel()
    return np.r_[result().params.to_numpy(), eta]


def call(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """Call a member with these."""
    return lambda member: member(*args, **kwargs)


def saved(member: Any) -> Any:
    """Where pickles go, in memory."""
    import io  # noqa: PLC0415

    member(buffer := io.BytesIO())
    return buffer.getvalue()


def drawn(member: Any) -> None:
    """Where the package for it is installed."""
    pytest.importorskip("great_tables")
    member()


def refused(member: Any, match: str) -> None:
    """Of other models than this one."""
    with pytest.raises(OptionError, match=match):
        member()


RESULTS: dict[str, Callable[[Any], Any]] = {
    "conf_int": call(0.1),
    "cov_params": call(column="x"),
    "f_test": call("x = 0"),
    "glance": call(),
    "get_prediction": lambda member: member().summary_frame(),
    "load": lambda member: isinstance(member, Callable),  # type: ignore[arg-type]
    "predict": call(),
    "remove_data": lambda _: None,  # below
    "save": saved,
    "summary": call(),
    "summary2": call(),
    "t_test": call("x = 0"),
    "t_test_pairwise": call("C(g)"),
    "tidy": call(),
    "wald_test": call("x = 0, C(g)[T.b] = 0", scalar=True),
    "wald_test_terms": call(),
}
AUGMENTED = RESULTS | {
    "agreement": call(),
    "sequential_conf_int": call([100, 150, 200]),
    "coder_agreement": lambda member: refused(member, "coder="),
    "first_stage": lambda member: refused(member, "no first stage"),
    "get_margeff": lambda member: member().summary_frame(),
    "overidentification": lambda member: refused(member, "no instruments"),
    "anderson_rubin": lambda member: refused(member, "no instruments"),
    "score_conf_int": lambda member: refused(member, "of quantile regressions"),
    "compare": call(["labels only", "GMM-Synth"]),
    "diagnostics": call(n_influential=1),
    "get_bse": call(),
    "jtest": call(),
    "methods_text": call(),
    "plan": call(),
    "plot_coefficients": call(),
    "plot_compare": call(["labels only"]),
    "plot_diagnostics": call(),
    "plot_plan": call(),
    "plot_variance": call(),
    "report": call(),
    "representativeness": call(),
    "variance_parts": call(),
}
MODEL: dict[str, Callable[[Any], Any]] = {
    "fit": call(),
    "fit_many": lambda member: member(frame()[["y", "y"]].set_axis(["a", "b"], axis=1)),
    "fitstart": call(),
    "from_formula": lambda member: member("y ~ x", frame(), proxy={"y": "llm"}),
    "from_moments": lambda member: member(
        lambda theta, rows: (rows["y"] - theta[0]).to_numpy(),
        frame(),
        proxy={"y": "llm"},
        start=[0.0],
    ),
    "gradient_momcond": lambda member: member(full()),
    "labeled_only": call(),
    "labeled_start": call(),
    "momcond": lambda member: member(full()),
    "multiverse": call(),
    "predict": lambda member: member(result().params),
    "remove_data": lambda _: None,  # below
    "sources_start": call(),
}
PLAN: dict[str, Callable[[Any], Any]] = {
    "cheapest": call(coefficient="x", price_label=1.0, width=0.3),
    "designs": call(300),
    "expect": call(),
    "labels_needed": call(width=0.6),
    "plot": call(),
    "summary": call(),
    "tidy": call(),
}
SHOWN: dict[str, Callable[[Any], Any]] = {
    "plot": call(),
    "summary": call(),
    "tidy": call(),
}
MANY: dict[str, Callable[[Any], Any]] = {"tidy": call()}
TASK_MODEL: dict[str, Callable[[Any], Any]] = {
    "fit": call(),
    **dict.fromkeys(
        ["from_frame", "from_estimates", "from_results", "from_votes"],
        lambda member: isinstance(member, Callable),  # type: ignore[arg-type]
    ),
}
TASKS: dict[str, Callable[[Any], Any]] = {
    "conf_int": call(0.2),
    "coverage_gap": call(np.linspace(0.0, 0.1, 30)),
    "loo": call(),
    "plot": call(),
    "plot_covariate": call("year"),
    "summary": call(),
    "temporal_split": call("year"),
    "trend_test": call("year"),
    "typicality": call(),
    "verdict": call(),
}
OBJECTS: dict[str, tuple[Callable[[], Any], dict[str, Callable[[Any], Any]]]] = {
    "model": (model, MODEL),
    "result": (result, AUGMENTED),
    "inside": (lambda: result()._results, AUGMENTED),
    "real_only": (lambda: result().real_only, AUGMENTED),
    "ppi": (lambda: ppi(model(), "llm"), RESULTS),
    "naive": (lambda: naive_pooled(model()), RESULTS),
    "many": (lambda: model().fit_many(frame()[["y"]]), MANY),
    "plan": (lambda: result().plan(), PLAN),
    "comparison": (
        lambda: result().compare(["labels only", "GMM-Synth"]),
        SHOWN | {"label": call("GMM-Synth"), "to_gt": drawn},
    ),
    "diagnostics": (lambda: result().diagnostics(), SHOWN),
    "multiverse": (lambda: model().multiverse(), SHOWN | {"shares": call()}),
    "task model": (tasks, TASK_MODEL),
    "task result": (task_result, TASKS),
    "loo": (lambda: task_result().loo(), {}),
    "trend": (lambda: task_result().trend_test("year"), {}),
    "split": (lambda: task_result().temporal_split("year"), {}),
}
#: Where a missing value is the right one.
MISSING = {
    ("diagnostics", "coverage"),  # a source that leaves nothing uncovered
    ("comparison", "table"),  # effective labels of what is not valid
    ("comparison", "tidy"),
    ("ppi", "effective_nobs"),
    ("naive", "effective_nobs"),
    ("plan", "cheapest"),  # replicates of sources that are not used
    # A C statistic of all sources together.
    *((name, "representativeness") for name in ("result", "inside", "diagnostics")),
    ("real_only", "jtest"),  # no source, nothing to test
    ("real_only", "glance"),
    ("real_only", "representativeness"),
}


def sensible(value: Any) -> bool:
    """No missing or infinite number; anything that is no table of numbers."""
    if isinstance(value, pd.DataFrame):
        return all(sensible(value[column].to_numpy()) for column in value)
    if isinstance(value, (pd.Series, pd.Index)):
        return sensible(value.to_numpy())
    if isinstance(value, (tuple, list)):
        return all(sensible(part) for part in value)
    if isinstance(value, (float, np.floating, np.ndarray)):
        array = np.asarray(value)
        return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
    return True


def members(thing: Any) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


@pytest.mark.parametrize("name", OBJECTS)
def test_every_member(name: str) -> None:
    """Every callable has a row in the tables above; every answer is finite."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    make, table = OBJECTS[name]
    thing, known = make(), set()
    for member in members(thing):
        value = getattr(thing, member)
        if callable(value) and not isinstance(value, type):
            assert member in table, f"{name}.{member} has no row in the tables"
            known.add(member)
            try:
                value = table[member](value)
            except SynthError:
                if name != "real_only":  # which has no source to plot or to compare
                    raise
        if (name, member) not in MISSING:
            assert sensible(value), f"{name}.{member} is {value}"
    assert known <= set(table)
    plt.close("all")


@pytest.mark.parametrize("name", ["result", "real_only", "ppi"])
def test_every_member_without_data(name: str, tmp_path: Path) -> None:
    """Works, or says that the data were removed: no other error, no NaN."""
    fresh = make_model()
    make: dict[str, Callable[[], Any]] = {
        "result": fresh.fit,
        "real_only": lambda: fresh.fit().real_only,
        "ppi": lambda: ppi(fresh, "llm"),
    }
    thing = make[name]()
    thing.remove_data()
    thing.save(str(tmp_path / "result.pickle"))
    for one in (thing, sm.load(str(tmp_path / "result.pickle"))):
        for member in members(one):
            try:
                value = getattr(one, member)
                if callable(value):
                    value = OBJECTS[name][1][member](value)
            except DataError as error:
                if "remove_data()" not in str(error):
                    raise
                continue
            except OptionError:
                continue
            if (name, member) not in MISSING:
                assert sensible(value), f"{name}.{member} is {value}"


def test_a_model_without_data() -> None:
    fresh = make_model()
    fresh.remove_data()
    for member in members(fresh):
        value = getattr(fresh, member)
        if callable(value) and member not in {
            *("from_formula", "from_moments", "remove_data")
        }:
            with pytest.raises(DataError, match=r"remove_data\(\)"):
                MODEL[member](value)


def withheld() -> list[tuple[str, str]]:
    return [
        (name, member)
        for name, (make, _) in OBJECTS.items()
        if name not in {"many"}
        for kind in type(getattr(make(), "_results", make())).__mro__
        for member, value in vars(kind).items()
        if isinstance(value, Withheld)
    ]


def test_what_means_nothing_says_so() -> None:
    found = withheld()
    assert {member for _, member in found} >= {"llf", "compare_j", "set_param_names"}
    for name, member in found:
        thing = OBJECTS[name][0]()
        assert member not in dir(thing)
        assert not hasattr(thing, member)
        with pytest.raises(UnavailableError, match=rf"has no '{member}'\. [A-Z]"):
            getattr(thing, member)
    with pytest.raises(UnavailableError, match="not initialised again"):
        result().initialize(model(), result().params)


def test_what_statsmodels_works_with() -> None:
    """Not listed, but right: at all parameters, against the moments themselves."""
    one, found = model(), result()
    mean = one.momcond(full()).mean(axis=0)
    assert "gmmobjective" not in dir(one)
    value = one.gmmobjective(full(), found.weights)
    np.testing.assert_allclose(value, mean @ found.weights @ mean)
    np.testing.assert_allclose(one.momcond_mean(full()), mean)
    moments = one.momcond(full())
    np.testing.assert_allclose(
        one.calc_weightmatrix(moments, wargs={"centered": False}),
        moments.T @ moments / one.n_units,
    )
    with pytest.raises(OptionError, match="weights_method='iid' does not exist"):
        one.calc_weightmatrix(moments, "iid")
    with pytest.raises(DataError, match=r"momcond\(params\)"):
        one.calc_weightmatrix("cov")
    with pytest.raises(DataError, match="theta and eta of 2 sources are 12 values"):
        one.gmmobjective(found.params, found.weights)
    with pytest.raises(DataError, match="theta and eta of 2 sources"):
        one.fititer(found.params)
    alone = one.labeled_only()
    glm = sm.GLM.from_formula("y ~ C(g) + x", frame().iloc[:150]).fit()
    np.testing.assert_allclose(alone.params, glm.params[alone.params.index])
    np.testing.assert_allclose(found.normalized_cov_params, found.cov_params())
    assert list(found.normalized_cov_params.index) == COEFFICIENTS


# Covariances and tests, in numbers and names


@pytest.mark.parametrize("name", ["result", "real_only", "ppi"])
def test_covariance_of_what_is_asked_for(name: str) -> None:
    found = OBJECTS[name][0]()
    whole = found.cov_params()
    assert list(whole.index) == list(whole.columns) == COEFFICIENTS
    values = whole.to_numpy()
    np.testing.assert_allclose(np.sqrt(np.diag(values)), found.bse)
    rows = np.array([[0.0, 1.0, -1.0, 0.0], [0.5, 0.0, 0.0, 2.0]])
    np.testing.assert_allclose(found.cov_params(rows), rows @ values @ rows.T)
    one = found.cov_params(rows[0])
    assert isinstance(one, float)
    np.testing.assert_allclose(one, values[1, 1] + values[2, 2] - 2 * values[1, 2])
    np.testing.assert_allclose(
        found.cov_params(rows, other=rows[:1]), rows @ values @ rows[:1].T
    )
    # By name, in whatever order the columns are.
    named = pd.DataFrame(rows, ["diff", "mix"], COEFFICIENTS)[COEFFICIENTS[::-1]]
    both = found.cov_params(named)
    assert list(both.index) == list(both.columns) == ["diff", "mix"]
    np.testing.assert_allclose(both, rows @ values @ rows.T)
    for column in (3, -1, "x"):
        assert found.cov_params(column=column) == values[3, 3]
    for columns in ([3, 1], ["x", "C(g)[T.b]"]):
        some = found.cov_params(column=columns)
        assert list(some.index) == list(some.columns) == ["x", "C(g)[T.b]"]
        np.testing.assert_array_equal(some, values[np.ix_([3, 1], [3, 1])])
    mask = np.array([False, True, False, True])
    assert list(found.cov_params(column=mask).index) == ["C(g)[T.b]", "x"]
    swapped = pd.DataFrame(
        np.diag([4.0, 3, 2, 1]), COEFFICIENTS[::-1], COEFFICIENTS[::-1]
    )
    own = found.cov_params(cov_p=swapped)
    np.testing.assert_array_equal(np.diag(own), [1.0, 2, 3, 4])
    assert found.cov_params(column="x", cov_p=swapped) == 4.0


def test_arrays_stay_arrays() -> None:
    data = frame()
    x = sm.add_constant(data[["x"]].to_numpy())
    found = AugmentedGMM(
        data["y"].to_numpy(), x, proxy={"llm": (data["llm"].to_numpy(), x)}
    ).fit()
    assert isinstance(found.cov_params(), np.ndarray)
    some = found.cov_params(column=["x1", "const"])
    np.testing.assert_array_equal(some, found.cov_params()[::-1, ::-1])
    with pytest.raises(OptionError, match="made from arrays"):
        found.t_test_pairwise("x1")


def test_tests_match_by_name_and_ols_otherwise() -> None:
    found = result()
    ols = sm.OLS.from_formula("y ~ C(g) + x", frame().iloc[:150]).fit(cov_type="HC3")
    ols = ols.__class__(ols._results)
    # With our numbers statsmodels' OLS gives our tests.
    inside = ols._results
    inside.params, inside.cov_params_default = found.params, found.cov_params()
    inside.params = inside.params.to_numpy()
    inside.cov_params_default = inside.cov_params_default.to_numpy()
    inside.use_t, inside.df_resid_inference = True, found.df_resid
    inside.df_resid = found.df_resid
    rows = np.array([[0.0, 1.0, -1.0, 0.0], [0.5, 0.0, 0.0, 2.0]])
    # Degrees of freedom are the fewest of the coefficients that take part.
    constant, b, c, x = found.df_inference
    pairs, fewest, slope, group_df = (min(b, c), min(constant, x)), min(b, c), x, (b, c)
    for r_matrix, df in (
        ("x = 1", x),
        ("C(g)[T.b] = C(g)[T.c], x = 0", np.array([min(b, c), x])),
        (rows, np.array(pairs)),
        ((rows, [1.0, 2.0]), np.array(pairs)),
    ):
        inside.df_resid_inference = df
        a, b = found.t_test(r_matrix), ols.t_test(r_matrix)
        for name in ("effect", "sd", "tvalue", "pvalue"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name))
        assert list(a.summary_frame().index) == list(b.summary_frame().index)
        inside.df_resid_inference = np.min(df)
        a, b = (one.wald_test(r_matrix, scalar=True) for one in (found, ols))
        np.testing.assert_allclose([a.statistic, a.pvalue], [b.statistic, b.pvalue])
        np.testing.assert_allclose(found.f_test(r_matrix).fvalue, a.statistic)
    terms = found.wald_test_terms(scalar=True).table
    for term, df in (("Intercept", constant), ("C(g)", fewest), ("x", slope)):
        inside.df_resid_inference = df
        expected = ols.wald_test_terms(scalar=True).table.loc[term]
        pd.testing.assert_series_equal(terms.loc[term], expected)
    inside.df_resid_inference = np.array([*group_df, fewest])
    a, b = (one.t_test_pairwise("C(g)").result_frame for one in (found, ols))
    pd.testing.assert_frame_equal(a, b)
    named = pd.DataFrame(rows, ["diff", "mix"], COEFFICIENTS)[COEFFICIENTS[::-1]]
    np.testing.assert_allclose(found.t_test(named).effect, rows @ found.params)
    series = pd.Series({"x": 1.0, "Intercept": 0, "C(g)[T.b]": 0, "C(g)[T.c]": 0})
    np.testing.assert_allclose(found.t_test(series).effect, found.params["x"])


BAD: list[tuple[Callable[[Any], Any], str]] = [
    (lambda r: r.cov_params(scale=2.0), "robust and has no scale"),
    (lambda r: r.cov_params(np.eye(4), column=1), "exclude each other"),
    (lambda r: r.cov_params(other=np.eye(4)), "other= needs r_matrix="),
    (lambda r: r.cov_params(column="xx"), "There is no coefficient 'xx'"),
    (lambda r: r.cov_params(column=4), "column=4 is no coefficient. .* from 0 to 3"),
    (lambda r: r.cov_params(column=0.5), "column=0.5 is no coefficient"),
    (lambda r: r.cov_params(np.eye(3)), r"r_matrix= has shape \(3, 3\)"),
    (lambda r: r.cov_params(np.eye(4), other=[1, 0]), r"other= has shape \(2,\)"),
    (lambda r: r.cov_params(cov_p=np.eye(2)), r"cov_p has shape \(2, 2\)"),
    (lambda r: r.t_test("z = 1"), "'z = 1' is no restriction .* 'C\\(g\\)"),
    (lambda r: r.f_test("x 1"), "'x 1' is no restriction"),
    (lambda r: r.wald_test([1, 0]), r"r_matrix= has shape \(2,\)"),
    (
        lambda r: r.t_test(pd.Series({"x": 1.0})),
        r"missing \['Intercept', .*\], unknown \[\]",
    ),
    (lambda r: r.t_test_pairwise("x"), "'x' is no categorical term"),
    (lambda r: r.t_test_pairwise("z"), "'z' is no categorical term"),
    (lambda r: r.t_test_pairwise("C(g)", alpha=5), "alpha=5 is not between"),
    (lambda r: r.conf_int(95), "alpha=95 is not between"),
    (lambda r: r.conf_int(0), "alpha=0 is not between"),
    (lambda r: r.summary(alpha=95), "alpha=95 is not between"),
    (lambda r: r.summary2(alpha=1), "alpha=1 is not between"),
]


@pytest.mark.parametrize("name", ["result", "ppi"])
@pytest.mark.parametrize(("ask", "message"), BAD, ids=[m for _, m in BAD])
def test_questions_without_an_answer(
    name: str, ask: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(SynthError, match=message):
        ask(OBJECTS[name][0]())


@pytest.mark.parametrize("given", [95, 0, 1, -0.1, np.nan, "0.05", True])
def test_levels_that_do_not_exist(given: Any) -> None:
    asked: list[Callable[[], Any]] = [
        lambda: result().plot_coefficients(alpha=given),
        lambda: result().compare(["labels only"], alpha=given),
        lambda: result().plot_compare(["labels only"], alpha=given),
        lambda: result().plan().summary(alpha=given),
        lambda: result().plot_plan(alpha=given),
        lambda: tasks().fit(alpha=given),
        lambda: task_result().conf_int(given),
    ]
    for ask in asked:
        with pytest.raises(OptionError, match="is not between 0 and 1"):
            ask()


@pytest.mark.parametrize("kind", ["HC0", "HC1", "hc3", "HC3"])
def test_covariances_that_have_another_name(kind: str) -> None:
    with pytest.raises(OptionError, match="'robust', the default, is of this kind"):
        model().fit(cov_type=kind)  # type: ignore[arg-type]
    # What the message says of the labels alone.
    ols = sm.OLS.from_formula("y ~ C(g) + x", frame().iloc[:150])
    for use, own in ((True, "HC3"), (False, "HC0")):
        alone = model().fit(use_correction=use).real_only
        bse = ols.fit(cov_type=own).bse[alone.bse.index]
        np.testing.assert_allclose(alone.bse, bse, rtol=1e-6)

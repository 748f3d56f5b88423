"""What results print, draw, keep and forget."""

from __future__ import annotations

import pickle
import re
from typing import Any

from matplotlib.figure import Figure
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.iolib.summary2 import summary_col
from statsmodels.stats.contrast import ContrastResults
from statsmodels.tools.sm_exceptions import ConvergenceWarning as StatsmodelsWarning

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.demo import fit_study, main, make_study
from statsmodels_synth.exceptions import DataError, OptionError
from tests.problems import model_of
from tests.reference import dense


def survey(n_units: int = 500, n_labeled: int = 150, seed: int = 1) -> pd.DataFrame:
    """Units with a text outcome that somebody labelled, and a guess of it."""
    problem = dense.simulate(
        "binomial", seed=seed, n_units=n_units, n_labeled=n_labeled
    )
    units = pd.Index([f"id_{t}" for t in range(n_units)], name="unit")
    return pd.DataFrame(
        {
            "polite": problem.endog,
            "hedge": problem.x[:, 1],
            "length": problem.x[:, 2],
            "polite_llm": problem.sources[0][0],
        },
        index=units,
    )


def fitted(**kwargs: Any) -> Any:
    return AugmentedGMM.from_formula(
        "polite ~ hedge + length",
        survey(),
        proxy={"gpt_4o": {"polite": "polite_llm"}},
        family=sm.families.Binomial(),
    ).fit(**kwargs)


def test_summary_says_what_was_done() -> None:
    result = fitted()
    text = str(result.summary())
    for part in (
        "Augmented GMM Results",
        "Dep. Variable:                 polite",
        "No. Labelled (n):                 150",
        "No. Units (T):                     500",
        "Binomial",
        "Logit",
        "Method:                     GMM-Synth",
        "Variant:            few-label default",
        "use_correction=False",
        "corrected for few labels",
        "Df Residuals:",
        "No. Sources:",
        "Hansen J:",
        "(df 3)",
        "Prob (Hansen J):",
        "labels only    std err var. reduction eff. sample",
        "share explained",
        "whether the labelled units look like the rest",
        "P>|t|",
    ):
        assert part in " ".join(text.split("\n")) or part in text, part
    assert max(len(line) for line in text.splitlines()) <= 80
    statistic, pvalue, df = result.jtest()
    assert f"{statistic:#.4g} (df {df})" in text
    assert f"{pvalue:#.3g}" in text
    second = str(result.summary2())
    assert "share explained" in second
    assert "whether the" in second


def test_variant_is_named_everywhere() -> None:
    """Who cites the paper sees whether its estimator was used."""
    paper = fitted(use_correction=False)
    for text in (str(paper.summary()), str(paper.summary2())):
        assert "Byun et al. (2025)" in text
        assert "few-label" not in text
    for text in (str(fitted().summary()), str(fitted().summary2())):
        assert "few-label default" in text
    columns = str(summary_col([paper], info_dict=paper.default_model_infos))
    assert "GMM-Synth, Byun et al. (2025)" in columns
    compared = paper.compare(["labels only", "GMM-Synth"])
    assert "GMM-Synth, Byun et al. (2025)" in str(compared)
    assert "few-label" not in str(compared)
    assert list(compared.table.index.unique("method")) == ["labels only", "GMM-Synth"]
    for options, variant in (
        ({"maxiter": 1}, "one-step"),
        (
            {"maxiter": 2, "centered": True, "use_correction": False},
            "two-step, centred",
        ),
        ({"maxiter": 50, "use_correction": False}, "iterated"),
        ({"maxiter": "cue"}, "continuously updated"),
    ):
        assert variant in str(fitted(**options).summary())


def test_another_first_step_than_that_of_the_paper_is_said() -> None:
    frame = survey().assign(year=lambda d: 1950.0 + np.arange(len(d)) % 60)
    model = AugmentedGMM.from_formula(
        "polite ~ year",
        frame,
        proxy={"polite": "polite_llm"},
        family=sm.families.Binomial(),
    )
    said = "The first step is not that of Byun et al. (2025)"
    assert said in " ".join(str(model.fit(use_correction=False).summary()).split())
    assert said not in " ".join(str(model.fit().summary()).split())
    paper = fitted(use_correction=False).summary()
    assert said not in " ".join(str(paper).split())
    header = str(model.fit(use_correction=False).summary())
    assert "Byun et al. (2025), rescaled first step" in header
    iterated = model.fit(use_correction=False, maxiter=50)
    assert iterated.settings.variant == "iterated, rescaled first step"
    assert "rescaled" not in str(paper)
    assert model.fit().settings.variant == "few-label default"
    compared = model.fit(use_correction=False).compare(["labels only", "GMM-Synth"])
    assert compared.variant == "Byun et al. (2025), rescaled first step"


def test_one_step_is_said_to_be_that_of_the_labels() -> None:
    text = " ".join(str(fitted(maxiter=1).summary()).split())
    assert "one-step (labels only)" in text
    assert "the sources take no part" in text


def test_summary_of_labels_alone_has_no_gains() -> None:
    result = fitted().real_only
    text = str(result.summary())
    assert "var. reduction" not in text
    assert "Hansen" not in text
    assert result.real_only.params.equals(result.params)
    np.testing.assert_allclose(result.variance_reduction, 0.0)


def test_summary_is_frank() -> None:
    few = AugmentedGMM.from_formula(
        "polite ~ hedge + length",
        survey(n_labeled=60),
        proxy={"polite": "polite_llm"},
        family=sm.families.Binomial(),
    ).fit(**dense.PAPER)
    assert "With 60 labels for 3 coefficients and 1 source they are likely" in " ".join(
        str(few.summary()).split()
    )
    incomplete = survey()
    incomplete.loc[incomplete["polite"].notna().idxmax(), "hedge"] = np.nan
    text = str(
        AugmentedGMM.from_formula(
            "polite ~ hedge",
            incomplete,
            proxy={"polite": "polite_llm"},
            family=sm.families.Binomial(),
        )
        .fit()
        .summary()
    )
    assert "1 unit with an outcome" in text


def test_exports() -> None:
    result = fitted()
    summary = result.summary()
    latex = summary.as_latex()
    assert r"\begin{tabular}" in latex
    assert "gpt\\_4o" in latex
    assert summary.extra_txt.startswith("Notes:")  # as_latex leaves it as it was
    assert "<table" in summary.as_html()
    assert "hedge" in summary.as_csv()
    columns = str(summary_col([result, result.real_only], model_names=["a", "b"]))
    assert "Labelled units" in columns
    titled = str(result.summary(yname="Y", xname=["a", "b", "c"], title="T", alpha=0.1))
    assert "[0.05" in titled
    assert "length" not in titled


def test_tables_have_names() -> None:
    result = fitted()
    names = ["Intercept", "hedge", "length"]
    for table in (result.params, result.variance_reduction, result.effective_nobs):
        assert isinstance(table, pd.Series)
        assert list(table.index) == names
    real = result.real_only
    np.testing.assert_allclose(
        result.variance_reduction, 1 - (result.bse / real.bse) ** 2, rtol=1e-12
    )
    np.testing.assert_allclose(
        result.effective_nobs, 150 * (real.bse / result.bse) ** 2, rtol=1e-12
    )
    assert list(result.auxiliary_params.columns) == names
    sources = result.sources
    assert sources.loc["gpt_4o", "kind"] == "proxy"
    assert sources.loc["gpt_4o", ["covered", "covered_labeled"]].tolist() == [500, 150]
    assert 0 < sources.loc["gpt_4o", "explained"] < 1
    assert list(result.influence.index) == list(survey().index)


def test_naive_estimate_is_the_glm_on_the_source() -> None:
    result = fitted()
    frame = survey()
    peer = sm.GLM(
        frame["polite_llm"],
        sm.add_constant(frame[["hedge", "length"]]),
        family=sm.families.Binomial(),
    ).fit(cov_type="HC0")
    np.testing.assert_allclose(
        result.naive_params.loc["gpt_4o"], peer.params, rtol=1e-7
    )
    np.testing.assert_allclose(result.naive_bse.loc["gpt_4o"], peer.bse, rtol=1e-6)


def test_explained_share_of_a_perfect_and_of_a_useless_source() -> None:
    problem = dense.simulate("gaussian", n_units=2000, n_labeled=1000, error=0.0)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=2000)
    with pytest.warns(UserWarning, match="agrees with all 1000 labels"):
        result = AugmentedGMM(
            problem.endog,
            problem.x,
            proxy={"same": problem.sources[0], "noise": (noise, problem.x)},
        ).fit()
    explained = result.sources["explained"]
    assert explained["same"] > 0.999
    assert explained["noise"] < 0.02
    # Finite and positive, though Omega is singular.
    assert np.all(np.asarray(result.bse) > 0)


def test_prediction() -> None:
    result = fitted(use_t=False)
    new = pd.DataFrame({"hedge": [0.0, 1.0, np.nan], "length": 0.5}, index=list("abc"))
    linear = result.params["Intercept"] + 0.5 * result.params["length"]
    means = result.predict(new)
    np.testing.assert_allclose(means["a"], 1 / (1 + np.exp(-linear)))
    assert np.isnan(means["c"])
    assert list(means.index) == list("abc")
    np.testing.assert_allclose(result.predict(new, which="linear")["a"], linear)
    frame = result.get_prediction(new.iloc[:2]).summary_frame()
    gradient = np.array([1.0, 0.0, 0.5])
    error = np.sqrt(gradient @ result.cov_params().to_numpy() @ gradient)
    interval = 1 / (1 + np.exp(-(linear + np.array([-1, 1]) * 1.959964 * error)))
    np.testing.assert_allclose(
        frame.iloc[0][["ci_lower", "ci_upper"]].astype(float), interval, rtol=1e-6
    )
    average = result.get_prediction(new.iloc[:2], average=True).summary_frame()
    np.testing.assert_allclose(average["predicted"], means.iloc[:2].mean())
    line = result.get_prediction(new.iloc[:1], which="linear").summary_frame()
    np.testing.assert_allclose(line.iloc[0, 1], error)


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_no_label_survives_remove_data(engine: str) -> None:
    """Labels, ids and x are floats and strings that occur nowhere else."""
    frame = survey()
    rng = np.random.default_rng(7)
    frame["polite"] = frame["polite"].where(
        frame["polite"].isna(), rng.uniform(0.1, 0.9, len(frame))
    )
    result = AugmentedGMM.from_formula(
        "polite ~ hedge + center(length)",
        frame,
        proxy={"polite": "polite_llm"},
        family=sm.families.Binomial(),
        engine=engine,
    ).fit()
    _ = result.influence, result.resid, result.summary(), result.real_only.resid
    before = pickle.dumps(result)
    labels = frame["polite"].dropna()
    assert any(np.float64(v).tobytes() in before for v in labels)
    result.remove_data()
    after = pickle.dumps(result)
    for column in ("polite", "hedge", "length"):
        for value in frame[column].dropna():
            assert np.float64(value).tobytes() not in after
    assert not any(unit.encode() in after for unit in frame.index)

    restored = pickle.loads(after)
    text = str(restored.summary())
    assert "No. Labelled (n):                 150" in text
    assert list(restored.real_only.params.index) == list(restored.params.index)
    assert isinstance(restored.plot_coefficients(), Figure)
    plt.close("all")
    with pytest.raises(DataError, match="removed"):
        _ = restored.influence
    with pytest.raises(DataError, match="transform=False"):
        restored.predict(frame)
    design = np.array([[1.0, 0.2, 0.1]])
    np.testing.assert_allclose(
        restored.predict(design, transform=False),
        result.predict(design, transform=False),
    )


@pytest.mark.parametrize("kind", ["MultiIndex", "CategoricalIndex", "two columns"])
def test_remove_data_leaves_no_unit_in_the_pickle(kind: str) -> None:
    """The levels of an index outlive its rows, if they are let."""
    frame = survey().rename_axis("unit").reset_index()
    frame["school"] = [f"school{k % 7}" for k in range(len(frame))]
    keys, on = list(frame["unit"]), None
    if kind == "MultiIndex":
        frame = frame.set_index(["school", "unit"])
    elif kind == "CategoricalIndex":
        frame = frame.set_index(pd.CategoricalIndex(frame.pop("unit")))
    else:
        on = ["school", "unit"]
    result = AugmentedGMM.from_formula(
        "polite ~ hedge + length",
        frame,
        proxy={"polite": "polite_llm"},
        on=on,
        family=sm.families.Binomial(),
    ).fit()
    before = pickle.dumps(result)
    assert any(str(key).encode() in before for key in keys)
    result.remove_data()
    after = pickle.dumps(result)
    assert not any(str(key).encode() in after for key in keys)
    assert b"school1" not in after


def test_predictions_need_no_data() -> None:
    result = fitted()
    new = pd.DataFrame({"hedge": [0.0, 1.0], "length": 0.5})
    before = [
        result.get_prediction(new, **options).summary_frame()
        for options in ({}, {"which": "linear"}, {"average": True})
    ]
    result.remove_data()
    after = [
        result.get_prediction(new, **options).summary_frame()
        for options in ({}, {"which": "linear"}, {"average": True})
    ]
    for one, other in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(one, other)
    for ask in (result.predict, result.get_prediction):
        with pytest.raises(DataError, match="removed"):
            ask()


def test_summary_counts_moments_against_labels() -> None:
    """One source and three coefficients on 150 labels are fine, four are not."""
    frame = survey()
    rng = np.random.default_rng(0)
    noise = {
        f"noise{k}": frame[["hedge"]].assign(polite=rng.integers(0, 2, len(frame)))
        for k in range(3)
    }
    few = str(fitted(**dense.PAPER).summary())
    assert "likely too small" not in few
    model = AugmentedGMM.from_formula(
        "polite ~ hedge + length",
        frame,
        proxy={"gpt": frame[["polite_llm"]].set_axis(["polite"], axis=1), **noise},
        family=sm.families.Binomial(),
    )
    text = " ".join(str(model.fit(**dense.PAPER).summary()).split())
    assert "150 labels for 3 coefficients and 4 sources they are likely too" in text
    assert "pure noise would show about 8%" in text


def test_figure_holds_many_names() -> None:
    frame = survey()
    rng = np.random.default_rng(0)
    names = [f"a source with a rather long name, number {k}" for k in range(7)]
    proxies = {
        name: pd.DataFrame({"polite": rng.integers(0, 2, len(frame))}, frame.index)
        for name in names
    }
    result = AugmentedGMM.from_formula(
        "polite ~ hedge + length", frame, proxy=proxies, family=sm.families.Binomial()
    ).fit()
    figure = result.plot_coefficients()
    figure.canvas.draw()  # warns, which is an error here, if the axes collapse
    legend = figure.axes[0].get_legend()
    assert len(legend.get_texts()) == 9
    box = legend.get_window_extent()
    assert box.x1 <= figure.bbox.x1
    assert box.y1 <= figure.bbox.y1 + 1
    drawn = {
        (c.lines[0].get_marker(), c.lines[0].get_color())
        for c in figure.axes[0].containers
    }
    assert len(drawn) == 9  # no two sources look alike
    plt.close("all")


def test_figure_draws_every_estimate() -> None:
    result = fitted()
    figure = result.plot_coefficients()
    assert isinstance(figure, Figure)
    (ax,) = figure.axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["hedge", "length"]
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert labels == [
        "labels only (n = 150)",
        "augmented (GMM-Synth, few-label default)",
        "gpt_4o, naive",
    ]
    drawn = [c.lines[0].get_xdata() for c in ax.containers]
    np.testing.assert_allclose(drawn[0], result.real_only.params.iloc[1:])
    np.testing.assert_allclose(drawn[1], result.params.iloc[1:])
    np.testing.assert_allclose(drawn[2], result.naive_params.loc["gpt_4o"].iloc[1:])
    _, own = plt.subplots()
    assert result.plot_coefficients(own, drop_intercept=False) is own.figure
    assert len(own.get_yticks()) == 3
    plt.close("all")


def test_not_converged_is_said_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statsmodels_synth.gmm.solver.MAX_STEPS", 1)
    with pytest.warns(StatsmodelsWarning, match="do not use"):
        result = fitted()
    assert not result.converged
    assert "NOT CONVERGED" in str(result.summary())


def test_use_t() -> None:
    result = fitted()
    # 150 labels, three coefficients, and the effective number of control coefficients:
    # between that of one multiple of the source's score and that of a matrix.
    assert 147 - 3 <= result.df_resid <= 147 - 1 / 3
    assert "P>|t|" in str(result.summary())
    assert fitted(use_correction=False, use_t=True).df_resid == 147
    plain = fitted(use_t=False)
    assert np.all(result.pvalues > plain.pvalues)
    np.testing.assert_allclose(result.bse, plain.bse)


def test_demo(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "figure.png"
    main(["--figure", str(path)])
    text = capsys.readouterr().out
    assert path.stat().st_size > 10_000
    for part in ("stand in for one", "GMM-Proxy", "GMM-Synth", "naive pooled", "truth"):
        assert part in text


def test_demo_never_shows_a_source_the_own_answer() -> None:
    """The synthetic rows and the proxy are the same whatever people answered."""
    one, other = make_study(n_labelled=150), make_study(n_labelled=300)
    assert not one.respondents.index.isin(one.labelled.index).all()
    pd.testing.assert_frame_equal(one.proxy, other.proxy)
    table, result = fit_study(one)
    assert result.n_labeled == 150
    assert np.isfinite(table.to_numpy()).all()


@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_correction": False},
        {"maxiter": 1},
        {"maxiter": "cue"},
        {"cov_type": "cluster", "cov_kwds": {"groups": np.arange(500) % 50}},
    ],
    ids=str,
)
def test_tables_outlive_the_data(options: dict[str, Any], touched: bool) -> None:
    result = fitted(**options)
    text = _without_time(fitted(**options))
    if touched:
        result.summary()
    table = fitted(**options).representativeness()
    result.remove_data()
    assert _without_time(result) == text
    pd.testing.assert_frame_equal(result.representativeness(), table)


def _without_time(result: Any) -> str:
    return re.sub(r"\d\d:\d\d:\d\d", "", str(result.summary()))


def test_a_mean_near_the_end_of_its_range_does_not_stand_for_all() -> None:
    """Poisson with a square-root link: the weight of a row has no bound."""
    ratios = []
    for seed in range(1000, 1020):
        rng = np.random.default_rng(seed)
        x = sm.add_constant(rng.normal(size=120))
        y = rng.poisson((x @ [0.8, 0.3]) ** 2).astype(float)
        guess = np.where(rng.random(120) < 0.2, rng.permutation(y), y)
        result = AugmentedGMM(
            np.where(np.arange(120) < 90, y, np.nan),
            x,
            proxy={"llm": (guess, x)},
            family=sm.families.Poisson(sm.families.links.Sqrt()),
        ).fit()
        ratios.append(result.bse / result.real_only.bse)
    # Without the bound the largest was above 100.
    assert np.max(ratios) < 1.5


@pytest.mark.parametrize("kind", ["gaussian", "binomial", "probit"])
def test_naive_estimates_need_no_other_pass(kind: str) -> None:
    # By default they are eta itself; the other estimators solve for them.
    model = model_of(dense.simulate(kind, k_sources=2))
    default, other = model.fit(), model.fit(use_correction=False)
    np.testing.assert_allclose(default.naive_params, other.naive_params, rtol=1e-7)
    np.testing.assert_allclose(default.naive_bse, other.naive_bse, rtol=1e-7)


def test_intervals_of_predictions_and_contrasts_check_their_level() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.normal(size=200)})
    data["guess"] = data["x"] + rng.normal(size=200)
    data["y"] = (data["guess"] + rng.normal(size=200)).where(data.index < 80)
    result = AugmentedGMM.from_formula("y ~ x", data, proxy={"y": "guess"}).fit()
    found = result.get_prediction(data[:3])
    test = result.t_test("x = 0")
    for level in (95, 0, True):
        for call in (found.conf_int, found.summary_frame, test.conf_int):
            with pytest.raises(OptionError, match="is not between 0 and 1"):
                call(alpha=level)
    with pytest.raises(OptionError, match="is not between 0 and 1"):
        test.conf_int(95)
    with pytest.raises(OptionError, match="obs=True asks for an interval of a single"):
        found.conf_int(obs=True)
    # What is right is that of statsmodels, also from a pickle.
    np.testing.assert_allclose(test.conf_int(0.1)[0], result.conf_int(0.1).loc["x"])
    for own in (found, test):
        again = pickle.loads(pickle.dumps(own))
        np.testing.assert_array_equal(
            again.conf_int(alpha=0.1), own.conf_int(alpha=0.1)
        )
    assert isinstance(test, ContrastResults)


def test_a_reduction_of_nothing_has_no_sign() -> None:
    result = fit_study(make_study())[1]._results
    for reduction, shown, noted in ((-4e-4, " 0.0%", False), (-0.02, "-2.0%", True)):
        result._cache["variance_reduction"] = np.full(len(result.params), reduction)
        text = " ".join(result.summary().as_text().split())
        assert shown in text
        assert "-0.0%" not in text
        assert ("the sources added nothing" in text) == noted

"""Plain frames of estimates: tidy() and glance(), and tables of other packages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm
from statsmodels.iolib.summary2 import summary_col

from statsmodels_synth import AugmentedGMM, combine, prevalence
from statsmodels_synth.core.tidy import COLUMNS, ENDS, pvalue_of_interval
from statsmodels_synth.demo import make_study, study_model
from statsmodels_synth.estimators import ppi

FULL = [*COLUMNS, *ENDS]


@pytest.fixture(scope="module")
def model() -> Any:
    return study_model(make_study())


@pytest.fixture(scope="module")
def result(model: Any) -> Any:
    return model.fit()


@pytest.mark.parametrize("kind", ["augmented", "labels only", "ppi"])
def test_frame_of_a_result(model: Any, result: Any, kind: str) -> None:
    own = {"augmented": result, "labels only": result.real_only, "ppi": ppi(model)}
    found = own[kind].tidy(0.1)
    assert found.columns.tolist() == FULL
    assert found["term"].tolist() == list(own[kind].params.index)
    for column, name in (
        ("estimate", "params"),
        ("std_error", "bse"),
        ("statistic", "tvalues"),
        ("p_value", "pvalues"),
    ):
        np.testing.assert_array_equal(found[column], getattr(own[kind], name))
    np.testing.assert_array_equal(found[[*ENDS]], own[kind].conf_int(0.1))
    row = own[kind].glance()
    assert row.shape[0] == 1
    assert row.loc[0, "nobs"] == 200
    assert row.loc[0, "n_units"] == 694


def test_glance_is_that_of_the_summary(result: Any) -> None:
    row, test = result.glance().loc[0], result.jtest()
    assert row["j_statistic"] == test.statistic
    assert row["j_p_value"] == test.pvalue
    assert (row["n_sources"], row["converged"]) == (2, True)
    alone = result.real_only.glance().loc[0]
    assert alone["method"] == "labels only"
    assert np.isnan(alone["j_statistic"])


def test_frames_outlive_the_data() -> None:
    result = study_model(make_study()).fit()
    before = result.tidy(), result.glance(), result.__maketables_coef_table__
    analyses = result.compare(["labels only", "naive"]), result.diagnostics()
    shown = [own.tidy() for own in analyses]
    result.remove_data()
    after = result.tidy(), result.glance(), result.__maketables_coef_table__
    for one, other in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(one, other)
    for one, own in zip(shown, analyses, strict=True):
        pd.testing.assert_frame_equal(one, own.tidy())


def test_frame_of_a_comparison(result: Any) -> None:
    comparison = result.compare()
    found = comparison.tidy()
    assert found.columns.tolist()[:8] == [*FULL, "method"]
    part = found[found["method"].str.startswith("GMM-Synth")].set_index("term")
    np.testing.assert_allclose(part["p_value"], result.pvalues)
    np.testing.assert_allclose(part["conf_low"], result.conf_int()[0])
    assert len(found) == len(comparison.table)


def test_a_function_of_ones_own_has_the_p_value_of_its_interval(result: Any) -> None:
    class Own:
        params = np.array([1.0, 0.5, -0.2, 0.0])
        bse = np.array([0.5, 0.5, 0.1, 0.3])

        def __init__(self, df: float) -> None:
            self.df = df

        def conf_int(self, alpha: float) -> Any:
            margin = stats.t.ppf(1 - alpha / 2, self.df) * self.bse
            return np.column_stack([self.params - margin, self.params + margin])

    for df in (3.0, 40.0, np.inf):

        def mine(_: Any, df: float = df) -> Any:
            return Own(df)

        table = result.compare([mine], alpha=0.1).table
        expected = 2 * stats.t.sf(np.abs(Own.params / Own.bse), df)
        # The root of a quantile of t.
        np.testing.assert_allclose(table["pvalue"], expected, rtol=1e-6)
    assert pvalue_of_interval(1.0, 0.0, 0.0, 0.05) == 0.0
    assert np.isnan(pvalue_of_interval(0.0, 0.0, 0.0, 0.05))


def test_frame_of_diagnostics(result: Any) -> None:
    found = result.diagnostics().tidy(0.1)
    assert found.columns.tolist() == [*FULL, "source", "naive", "augmented"]
    np.testing.assert_allclose(found["naive"] - found["augmented"], found["estimate"])
    # A test at the level of the interval says what the interval says.
    outside = (found["conf_low"] > 0) | (found["conf_high"] < 0)
    assert (outside == (found["p_value"] < 0.1)).all()


def test_frame_of_a_plan(result: Any) -> None:
    plan = result.plan()
    found = plan.tidy([200, 400], effect={"educ": 0.1})
    assert found["source"].nunique() == 2
    assert found["term"].unique().tolist() == ["educ"]
    assert (found["estimate"] == 0.1).all()
    expected = plan.expect([200, 400], effect={"educ": 0.1})
    width = found["conf_high"] - found["conf_low"]
    np.testing.assert_allclose(width[:2], expected["width"])
    assert len(plan.tidy()) == 2 * 4
    assert len(result.real_only.plan().tidy()) == 4


def test_frames_of_other_analyses(model: Any, result: Any) -> None:
    margins = result.get_margeff()
    found = margins.tidy()
    assert found.columns.tolist() == FULL
    np.testing.assert_array_equal(found["estimate"], margins.margeff)
    both = combine([result, result])
    assert both.tidy().columns.tolist() == [*FULL, "df", "missing_information"]
    np.testing.assert_allclose(both.tidy()["estimate"], result.params)
    agreement = result.agreement()
    found = agreement.tidy()
    assert len(found) == len(agreement.table)
    assert (found["n"] == 200).all()
    units = model.unit_index[model.aligned.labeled_units]
    labels = pd.Series(np.asarray(model.endog), units)
    found = model.fit_many(pd.DataFrame({"a": labels, "b": labels})).tidy()
    assert found["labels"].tolist() == ["a"] * 4 + ["b"] * 4


def test_frame_of_prevalences() -> None:
    rng = np.random.default_rng(0)
    texts = pd.DataFrame({"site": rng.choice(["a", "b"], 1000)})
    truth = (rng.random(1000) < 0.3) * 1.0
    texts["llm"] = np.where(rng.random(1000) < 0.9, truth, 1 - truth)
    texts["y"] = np.where(np.arange(1000) < 300, truth, np.nan)
    shares = prevalence("y", texts, {"y": "llm"}, by="site")
    found = shares.tidy()
    assert found["term"].tolist() == ["overall", "a", "b"]
    np.testing.assert_array_equal(found["conf_low"], shares.table["lower"])
    assert found["conf_low"].between(0, 1).all()


def arrays() -> Any:
    rng = np.random.default_rng(1)
    x = sm.add_constant(rng.normal(size=(300, 1)))
    y = x[:, 1] + rng.normal(size=300)
    labels = np.where(np.arange(300) < 80, y, np.nan)
    guess = y + 0.3 * rng.normal(size=300)
    return AugmentedGMM(labels, x, proxy={"llm": (guess, x)}).fit()


def test_arrays_have_names_of_their_own() -> None:
    result = arrays()
    assert result.tidy()["term"].tolist() == result.model.exog_names
    assert result.glance().loc[0, "nobs"] == 80


def test_plug_in_interface_of_maketables(result: Any) -> None:
    """Attributes that maketables 0.2 asks for, and the columns that it knows."""
    margins, both = result.get_margeff(), combine([result, result])
    for own in (result, result._results, margins, both):
        table = own.__maketables_coef_table__
        columns = ["b", "se", "t", "p", "ci95l", "ci95u", "ci90l", "ci90u"]
        assert table.columns.tolist() == columns
        assert table.index.name == "Coefficient"
        assert table.index.is_unique
        assert np.all(table["ci95l"] < table["ci90l"])
    interval = result.conf_int(0.1)
    table = result.__maketables_coef_table__
    np.testing.assert_array_equal(table[["ci90l", "ci90u"]], interval)
    assert result.__maketables_depvar__ == "dole"
    assert result.__maketables_stat__("N") == 200
    assert result.__maketables_stat__("n_units") == 694
    assert result.__maketables_stat__("r2") is None


def test_table_of_maketables(result: Any) -> None:
    maketables = pytest.importorskip("maketables")
    for own in (result, result.get_margeff(), combine([result, result])):
        found = maketables.get_extractor(own).coef_table(own)
        expected = own.tidy().set_index("term")
        np.testing.assert_allclose(found["b"], expected["estimate"])
        np.testing.assert_allclose(found["se"], expected["std_error"])
        np.testing.assert_allclose(found["p"], expected["p_value"])
        np.testing.assert_allclose(found["ci95l"], expected["conf_low"])
    text = maketables.ETable([result.real_only, result]).make(type="tex")
    assert "educ" in text
    assert "200" in text
    alone = maketables.ETable([result.get_margeff()]).make(type="tex")
    assert "educ" in alone


def test_tables_of_great_tables(result: Any) -> None:
    pytest.importorskip("great_tables")
    comparison = result.compare(["labels only", "naive", "GMM-Synth"])
    html = comparison.to_gt().as_raw_html()
    assert "educ" in html
    assert "naive (guess)" in html
    assert comparison.notes[0][:20] in html
    assert "kappa" in result.agreement().to_gt().as_raw_html()


def test_great_tables_is_named_where_it_is_missing(
    result: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "great_tables", None)
    with pytest.raises(ImportError, match=r"needs great_tables: .*\[tables\]"):
        result.agreement().to_gt()


def test_summary_col_takes_results_as_they_are(result: Any) -> None:
    table = summary_col(
        [result.real_only, result], info_dict=result.default_model_infos
    )
    assert "educ" in str(table)
    assert "694" in str(table)

"""What people try first and does not exist: the message says what does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import DataError, OptionError, UnavailableError
from statsmodels_synth.results.summary import summary_notes


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    x = rng.normal(size=400)
    y = x + rng.normal(size=400)
    frame = pd.DataFrame({"x": x, "z": rng.normal(size=400)})
    frame["y_gpt"] = y + 0.5 * rng.normal(size=400)
    frame["y_llama"] = y + rng.normal(size=400)
    frame["y"] = np.where(np.arange(400) < 100, y, np.nan)
    return frame


def model(data: pd.DataFrame, **options: Any) -> AugmentedGMM:
    options = {"proxy": {"y": "y_gpt"}} | options
    return AugmentedGMM.from_formula("y ~ x + z", data, **options)


@pytest.mark.parametrize(
    "name", ["aic", "bic", "deviance", "prsquared", "rsquared", "rsquared_adj", "llf"]
)
def test_what_needs_a_likelihood_says_so(data: pd.DataFrame, name: str) -> None:
    result = model(data).fit()
    with pytest.raises(UnavailableError, match=f"{name}.*solves moment conditions"):
        getattr(result, name)
    assert not hasattr(result, name)
    assert name not in dir(result)


def test_options_of_the_other_function_are_named(data: pd.DataFrame) -> None:
    with pytest.raises(OptionError, match=r"'cluster'\. Clusters .*cov_kwds=\{'groups"):
        model(data, cluster="z")
    for name in ("cluster", "groups"):
        with pytest.raises(OptionError, match=r"cov_kwds=\{'groups'"):
            model(data).fit(**{name: "z"})
    with pytest.raises(OptionError, match=r"from_formula\(weights=\.\.\.\)"):
        model(data).fit(weights="z")
    with pytest.raises(OptionError, match=r"plan has no option 'n'\. It takes none\."):
        model(data).fit().plan(n=100)


def test_two_columns_are_two_sources(data: pd.DataFrame) -> None:
    with pytest.raises(DataError) as error:
        model(data, proxy={"gpt": "y_gpt"})
    assert str(error.value).endswith(
        "For a source of that name write proxy={'gpt': {'y': 'y_gpt'}}."
    )
    both = {"y_gpt": {"y": "y_gpt"}, "y_llama": {"y": "y_llama"}}
    with pytest.raises(DataError) as error:
        model(data, proxy={"y": ["y_gpt", "y_llama"]})
    assert str(error.value).endswith(f"Name each: proxy={both}.")
    assert model(data, proxy=both).fit().source_names == ["y_gpt", "y_llama"]


def test_an_effect_by_name_is_planned_for_by_itself(data: pd.DataFrame) -> None:
    plan = model(data).fit().plan()
    for table in (
        plan.labels_needed(power=0.8, effect={"z": 0.3}),
        plan.expect(100, effect={"z": 0.3}).set_index("coefficient"),
    ):
        assert list(table.index) == ["z"]


def test_the_most_labels_are_told_where_they_do_not_do(data: pd.DataFrame) -> None:
    """Strata of 40 and 360 units, half and a tenth of them labelled, run out."""
    frame = data.assign(stratum=np.where(np.arange(400) < 160, "a", "b"))
    frame["y"] = frame["y_gpt"] + frame["y_llama"].to_numpy()[::-1]
    rng = np.random.default_rng(1)
    chosen = np.r_[rng.permutation(160)[:80], 160 + rng.permutation(240)[:24]]
    frame.loc[~frame.index.isin(chosen), "y"] = np.nan
    plan = model(frame, strata="stratum").fit().plan()
    table = plan.labels_needed(width=1e-6)
    assert set(table["limit"]) == {"n=208: units of the likeliest labels run out"}
    with pytest.raises(OptionError, match="at most n=208"):
        plan.expect(300)
    alone = model(data).fit().plan()
    assert set(alone.labels_needed(width=1e-6)["limit"]) == {
        "n=400: all units labelled"
    }
    assert "limit" not in alone.labels_needed(width=1.0)


@pytest.mark.parametrize(
    ("recode", "text"),
    [
        (lambda y: -y, "Source 'y_gpt': its coding looks reversed (correlation -0.9"),
        (lambda y: 50 + 20 * y, "Source 'y_gpt': its outcome looks like another scale"),
        (lambda y: 1 + 2 * y, ""),
    ],
)
def test_a_coding_that_looks_wrong_is_told(
    data: pd.DataFrame, recode: Any, text: str
) -> None:
    """In the summary and in the verdict."""
    changed = data.assign(y_gpt=recode(data["y_gpt"]))
    result = model(changed, proxy={"y_gpt": {"y": "y_gpt"}}).fit()
    notes = summary_notes(result._results)
    verdict = " ".join(result.diagnostics().verdict)
    assert any(note.startswith(text) for note in notes)
    assert text in verdict
    if not text:
        assert "looks" not in verdict + " ".join(notes)


@pytest.mark.parametrize(
    ("codes", "advice"),
    [((1, 2), "1 and 2: subtract 1"), ((0, 100), "percent: divide by 100")],
)
def test_a_binary_outcome_coded_otherwise(
    data: pd.DataFrame, codes: tuple[int, int], advice: str
) -> None:
    coded = (
        (data["y"] > 0).map({False: codes[0], True: codes[1]}).where(data["y"].notna())
    )
    with pytest.raises(DataError, match=f"looks like {advice}"):
        model(data.assign(y=coded), proxy=None, family=sm.families.Binomial())


@pytest.mark.parametrize("formula", ["C(tone) ~ x", "tone ~ x"])
def test_an_ordered_outcome_is_led_to_numbers(data: pd.DataFrame, formula: str) -> None:
    tone = data["y"].round().clip(-2, 2)
    if formula.startswith("tone"):
        tone = tone.astype(
            pd.CategoricalDtype([-2.0, -1.0, 0.0, 1.0, 2.0], ordered=True)
        )
    with pytest.raises(DataError, match=r"use it as a number .*given as score="):
        AugmentedGMM.from_formula(formula, data.assign(tone=tone))

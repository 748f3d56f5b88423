"""The bundled table: what its docstring says of it, and that it can be made again."""

from __future__ import annotations

import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.datasets import load_posts
from statsmodels_synth.datasets.posts import PATH, simulate

FAMILY = sm.families.Binomial()


def test_the_table_can_be_made_again() -> None:
    pd.testing.assert_frame_equal(load_posts(truth=True), simulate())


def test_r_has_the_same_table() -> None:
    own = PATH.parents[2] / "r_bridge" / "inst" / "extdata" / PATH.name
    if not own.is_file():
        pytest.skip("needs a checkout")
    assert own.read_bytes() == PATH.read_bytes()


def test_it_is_what_its_docstring_says() -> None:
    posts = load_posts(truth=True)
    labelled = posts["polite"].notna()
    assert labelled.sum() == 300
    assert (posts["polite"] == posts["polite_truth"])[labelled].all()
    right = posts[["polite_llm", "polite_small"]].eq(posts["polite_truth"], axis=0)
    assert right.mean().round(2).tolist() == [0.94, 0.78]
    assert "polite_truth" not in load_posts()


def test_each_call_has_its_own_table() -> None:
    first = load_posts()
    first["polite"] = 0.0
    assert load_posts()["polite"].isna().any()


@pytest.mark.filterwarnings("error")
def test_the_naive_answer_is_wrong_and_the_augmented_one_right_and_short() -> None:
    # What README and landing page show.
    formula = "polite ~ hedge + length"
    result = AugmentedGMM.from_formula(
        formula, load_posts(), proxy={"polite": "polite_llm"}, family=FAMILY
    ).fit()
    posts = load_posts(truth=True)
    whole = smf.glm(formula.replace("polite", "polite_truth", 1), posts, family=FAMILY)
    truth = whole.fit().params
    interval = result.conf_int()
    assert interval[0].lt(truth).all()
    assert interval[1].gt(truth).all()
    for name in ("hedge", "length"):
        naive, error = (
            frame[name].item() for frame in (result.naive_params, result.naive_bse)
        )
        assert abs(naive - truth[name]) > 4 * error
        # 300 labels do the work of 420 and more.
        assert result.effective_nobs[name] > 420

"""The report says what a methods section has to; estimates and prices of plans."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import AlignmentError, DataError
from statsmodels_synth.generation import Answer, Study
from tests.generation.scripted import CODEBOOK, Scripted, posts


def study(model: Any = None, n: int = 400, **options: Any) -> Study:
    options.setdefault("store", ":memory:")
    options.setdefault("synthetic", 2)
    return Study(posts(n, n // 4), CODEBOOK, model=model or Scripted(), **options)


def test_sentences() -> None:
    sources = study(Scripted(refuse=0.05), prices=(9.0, 10.0)).run()
    text = sources.report()
    counts = sources.counts.set_index(["step", "reason"])
    refused = counts.loc[("code", "refused"), "rows"]
    for sentence in (
        "400 units (a request posted on a question-and-answer site) were coded for "
        "'polite', 'hedge', 'warmth' by 1 source",
        "Of a unit the models saw 'text' and nothing else",
        "Requests and their order do not depend on which units are labelled.",
        "Model scripted (in this process; returned as scripted-1, 20",
        "temperature 0, seed 0, prompt ",
        "2 counterparts of each unit were written by the model, given the unit and its "
        "own codes of 'hedge', 'warmth' (temperature 1, seed 0, prompt ",
        f"Coding of units: {400 - refused} of 400 usable ({refused} refused).",
        "labelled units and ",
        "Fisher's exact test: p = ",
        f"cost {sources.costs['money'].sum():.4g}.",
        sources.checks()["scripted"].sentence(),
    ):
        assert sentence in text


def test_a_report_names_no_folder_of_this_machine() -> None:
    def model(request: Any) -> Answer:
        own = Scripted().complete(request)
        return Answer(own.text, model="/home/me/models/small.gguf")

    text = study({"m": model}, n=40, synthetic=0).run().report()
    assert "returned as small.gguf, 20" in text
    assert "/home" not in text


def test_a_report_says_what_is_wrong() -> None:
    with pytest.warns(UserWarning, match="differ in law"):
        own = study(condition_on="human", synthetic=1, n=40)
    assert "estimates may be biased" in own.run().report()


def test_failures_want_to_know_who_is_labelled() -> None:
    data = posts()[["text"]]
    sources = Study(data, CODEBOOK, model=Scripted(), store=":memory:").run()
    assert "Fisher" not in sources.report()
    with pytest.raises(DataError, match="Give labeled="):
        sources.failures()
    by_id = sources.failures(list(data.index[:7]))
    by_mask = sources.failures(np.arange(40) < 7)
    assert by_id.equals(by_mask)
    assert by_id["n_labeled"].iloc[0] == 7
    with pytest.raises(AlignmentError, match="such as 'nobody'"):
        sources.failures(["nobody"])
    with pytest.raises(DataError, match="3 values for 40 units"):
        sources.failures([True, False, True])


def test_an_estimate_is_that_of_a_run() -> None:
    model = Scripted(refuse=0.05)
    own = study(model, prices=(9.0, 10.0))
    guess = own.estimate(pilot=40)
    asked = len(model.asked)
    assert 150 < asked <= 200
    costs = own.run().costs
    # The pilot is part of the run.
    assert len(model.asked) == costs["answers"].sum()
    # Units of a pilot of 40 lose a proxy by chance: a few calls in a hundred.
    assert guess.calls == pytest.approx(costs["answers"].sum(), rel=0.15)


def test_prices_of_rows_go_into_a_plan() -> None:
    data = posts(600, 150)
    own = Study(
        data,
        CODEBOOK,
        model=Scripted(wrong=0.2),
        store=":memory:",
        synthetic=1,
        prices=(9.0, 10.0),
    )
    sources = own.run()
    prices = sources.plan_prices()
    # 100 tokens in and 10 out at these prices are .001 a call.
    assert prices["price_proxy"]["scripted (proxy)"] == pytest.approx(0.001)
    # A counterpart is written and coded; two that are alike share their codes.
    price = prices["price_synthetic"]["scripted (synthetic)"]
    assert price == pytest.approx(0.002, rel=0.01)
    result = AugmentedGMM.from_formula(
        "polite ~ hedge", data, **sources.arguments(), family=sm.families.Binomial()
    ).fit()
    table = result.plan().cheapest(
        coefficient="hedge", price_label=1.0, width=1.0, **prices
    )
    assert len(table)
    with pytest.raises(DataError, match="has no known prices"):
        study(n=40).run().plan_prices()

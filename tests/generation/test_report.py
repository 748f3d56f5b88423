"""The report says what a methods section has to; estimates and prices of plans."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import AlignmentError, CoverageWarning, DataError
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


def test_a_plan_costs_what_the_study_would() -> None:
    """Costs of a plan, from the tokens of the calls that the models were asked."""
    data = posts(500, 150)
    # One in six refuses: it is paid for, and its rows are dearer by as much.
    models = {"a": Scripted("a", 0.2, 0.15), "b": Scripted("b", 0.3)}
    sources = Study(
        data,
        CODEBOOK,
        model=models,
        store=":memory:",
        synthetic=1,
        prices={"a": (9.0, 10.0), "b": (90.0, 100.0)},
    ).run()
    with pytest.warns(CoverageWarning):
        model = AugmentedGMM.from_formula(
            "polite ~ hedge", data, **sources.arguments(), family=sm.families.Binomial()
        )
    result = model.fit()
    table = result.plan().cheapest(
        coefficient="hedge", price_label=0.5, width=2.0, **sources.plan_prices()
    )
    # 100 tokens in and 10 out are .001 a call with "a", .01 with "b".
    paid = {}
    for name, each in (("a", 0.001), ("b", 0.01)):
        calls = models[name].steps
        paid[f"{name} (proxy)"] = each * calls["code"]
        paid[f"{name} (synthetic)"] = each * (calls["write"] + calls["read"])
    money = sources.costs.groupby("source")["money"].sum()
    assert money.sum() == pytest.approx(sum(paid.values()))
    done = table[np.isfinite(table["cost"])]
    listed = [row["sources"].split(", ") for _, row in done.iterrows()]
    assert ["labels only"] in listed
    assert max(map(len, listed)) == 4
    paid["labels only"] = 0.0
    for names, (_, row) in zip(listed, done.iterrows(), strict=True):
        # The study asked about 500 units; a plan asks about n_units of them.
        calls = sum(paid[name] for name in names) / 500 * row["n_units"]
        assert row["cost"] == pytest.approx(0.5 * row["n"] + calls)

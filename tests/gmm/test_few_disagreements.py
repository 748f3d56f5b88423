"""Few labels: sources that hardly ever differ from them, and separation."""

from __future__ import annotations

import re
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import (
    DataError,
    LabelAgreementWarning,
    SeparationError,
)
from statsmodels_synth.gmm.cautions import chance_disagreements, disagreements
from statsmodels_synth.problem.design import DesignRows
from tests.problems import SHARED, needs_data

# Disagreements with the labels


def binary(n_differing: int, where: str = "outcome") -> tuple[AugmentedGMM, int]:
    """A proxy that differs from 80 labels in so many units, and elsewhere in 15 %."""
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(400), rng.integers(0, 3, 400)]).astype(float)
    y = rng.binomial(1, 1 / (1 + np.exp(0.5 - 0.5 * x[:, 1]))).astype(float)
    guess = np.where(rng.uniform(size=400) < 0.15, 1 - y, y)
    guess[:80] = y[:80]
    design = x.copy()
    if where == "outcome":
        guess[:n_differing] = 1 - guess[:n_differing]
    else:
        design[:n_differing, 1] = 2 - design[:n_differing, 1] + 0.5
    covered = guess.copy()
    covered[70:80] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ten labelled units are not covered
        model = AugmentedGMM(
            np.where(np.arange(400) < 80, y, np.nan),
            x,
            proxy={"llm": (covered, design)},
            family=sm.families.Binomial(),
        )
    return model, 70


@pytest.mark.parametrize("where", ["outcome", "regressor"])
@pytest.mark.parametrize("use_correction", [False, True])
@pytest.mark.parametrize(
    ("differing", "text"),
    [
        (0, "agrees with all 70 labels of its units"),
        (1, "in 1 of the 70 units that have both, .* comes from this one"),
        (3, "in 3 of the 70 units that have both, .* comes from these"),
    ],
)
def test_few_disagreements_are_counted(
    differing: int, text: str, use_correction: bool, where: str
) -> None:
    model, _ = binary(differing, where)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = model.fit(use_correction=use_correction)
    assert [w.category for w in caught] == [LabelAgreementWarning]
    said = str(caught[0].message)
    assert "'llm'" in said
    assert re.search(text, said)
    assert caught[0].filename == __file__
    assert ("allow for one more" in said) == use_correction
    assert ("asymptotic" in said) == (not use_correction)
    if differing == 0:
        assert "up to 4.3% of its rows" in said  # 3 / 70
    assert np.isfinite(result.bse).all()


@pytest.mark.parametrize("where", ["outcome", "regressor"])
def test_four_disagreements_are_enough(where: str) -> None:
    model, _ = binary(4, where)
    model.fit()  # a warning is an error here


@pytest.mark.parametrize(("shift", "scale"), [(0, 1), (1e8, 1), (-3e5, 1e-4), (2, 1e9)])
@pytest.mark.parametrize("where", ["outcome", "regressor"])
def test_agreement_does_not_depend_on_zero_and_unit(
    where: str, shift: float, scale: float
) -> None:
    """Degrees or kelvins, euros or millions: what differs, differs."""
    rng = np.random.default_rng(1)
    value = rng.normal(size=50)
    other = value + np.where(np.arange(50) < 3, 1e-3, 0.0)
    other[3:] += 1e-9 * rng.normal(size=47)
    one = np.ones(50)
    pair = [shift + scale * v for v in (other, value)]
    if where == "outcome":
        rows = [DesignRows(v, one[:, None]) for v in pair]
    else:
        rows = [DesignRows(one, np.column_stack([one, v])) for v in pair]
    assert disagreements(*rows) == (3, 50)


@pytest.mark.parametrize("shift", [0.0, 1e8])
def test_single_precision_is_no_disagreement(shift: float) -> None:
    value = shift + np.random.default_rng(1).normal(size=50)
    single = value.astype(np.float32).astype(float)
    x = np.ones((50, 1))
    assert disagreements(DesignRows(single, x), DesignRows(value, x)) == (0, 50)
    assert disagreements(DesignRows(value, x), DesignRows(single, x)) == (0, 50)


def test_an_outcome_far_from_zero_is_not_warned_of() -> None:
    rng = np.random.default_rng(2)
    x = sm.add_constant(rng.normal(size=300))
    y = x.sum(axis=1) + rng.normal(size=300) + 1e8
    labels = np.where(np.arange(300) < 60, y, np.nan)
    # A warning would be an error here.
    AugmentedGMM(labels, x, proxy={"g": (y + rng.normal(size=300), x)}).fit()


def test_replicates_of_a_unit_are_one_disagreement() -> None:
    """A unit differs if one of its rows does, and counts once."""
    rng = np.random.default_rng(2)
    x = sm.add_constant(rng.integers(0, 3, 300).astype(float))
    y = rng.binomial(1, 1 / (1 + np.exp(0.5 - 0.5 * x[:, 1]))).astype(float)
    units = np.repeat(np.arange(300), 3)
    guess = np.where(rng.uniform(size=900) < 0.2, 1 - y[units], y[units])
    guess[: 3 * 90] = y[units[: 3 * 90]]
    guess[:6] = 1 - guess[:6]  # all rows of two units
    guess[6] = 1 - guess[6]  # one of the third
    model = AugmentedGMM(
        np.where(np.arange(300) < 90, y, np.nan),
        x,
        synthetic={"sim": (guess, x[units], units)},
        family=sm.families.Binomial(),
    )
    with pytest.warns(LabelAgreementWarning, match="in 3 of the 90 units"):
        model.fit()


@pytest.mark.parametrize("rows_per_unit", [1, 2])
def test_chance_is_what_permuted_labels_give(rows_per_unit: int) -> None:
    """The expectation is the mean over 4000 permutations, up to their error."""
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(60), rows_per_unit)
    y, x = rng.choice([0.0, 1.0, 5.0], 60, p=[0.7, 0.2, 0.1]), rng.integers(0, 2, 60)
    labels = DesignRows(y, np.column_stack([np.ones(60), x]).astype(float))
    own = rng.choice([0.0, 1.0, 7.0], len(units), p=[0.7, 0.2, 0.1])
    other = rng.integers(0, 2, len(units)).astype(float)
    rows = DesignRows(own, np.column_stack([np.ones(len(units)), other]), units)
    drawn = []
    for _ in range(4000):
        order = rng.permutation(60)
        moved = DesignRows(labels.endog[order], labels.exog[order])
        drawn.append(disagreements(rows, moved)[0])
    error = np.std(drawn) / np.sqrt(len(drawn))
    # A unit is compared with every label, also its own.
    assert abs(chance_disagreements(rows, labels) - np.mean(drawn)) < 4 * error


def rare(events: int, wrong: int) -> AugmentedGMM:
    """Of 250 labels so many events; a proxy wrong in so many, half of them missed."""
    rng = np.random.default_rng(4)
    x = sm.add_constant(rng.normal(size=1500))
    y = (rng.uniform(size=1500) < 0.04).astype(float)
    y[:250] = np.arange(250) < events
    guess = np.where(rng.uniform(size=1500) < 0.016, 1 - y, y)
    guess[:250] = y[:250]
    flipped = np.arange(wrong)
    flipped[wrong // 2 :] += 200
    guess[flipped] = 1 - guess[flipped]
    return AugmentedGMM(
        np.where(np.arange(1500) < 250, y, np.nan),
        x,
        proxy={"llm": (guess, x)},
        family=sm.families.Binomial(),
    )


@pytest.mark.parametrize(("wrong", "alarm"), [(0, True), (2, True), (4, False)])
def test_few_events_do_not_pass_for_copied_labels(wrong: int, alarm: bool) -> None:
    """Ten events in 250: chance differs in 19 units, and kappa is .79 with four."""
    model = rare(10, wrong)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = model.fit()
    assert (LabelAgreementWarning in {w.category for w in caught}) == alarm
    verdict = " ".join(result.diagnostics().verdict)
    assert ("labels were copied" in verdict) == alarm
    assert ("(by chance: 19)" in verdict) == alarm


def test_noise_about_a_rare_outcome_does_not_pass_for_copied_labels() -> None:
    """Outcome 3 %, noise 1 %: 4 % differ, as they would by chance."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=3000)})
    data["y"] = (rng.uniform(size=3000) < 0.03).astype(float)
    data["guess"] = (rng.uniform(size=3000) < 0.01).astype(float)
    data.loc[500:, "y"] = np.nan
    binomial = sm.families.Binomial()
    model = AugmentedGMM.from_formula("y ~ x", data, {"y": "guess"}, family=binomial)
    verdict = " ".join(model.fit().diagnostics().verdict)
    assert "copied" not in verdict
    assert "explains next to nothing" in verdict


def test_errors_grow_with_what_is_not_known() -> None:
    """
    Agreement with every label does not make the standard error that of T labels.

    It allows for one unrelated unit, so it is well above the asymptotic one, and
    not above that of the labels alone.
    """
    model, _ = binary(0)
    with pytest.warns(LabelAgreementWarning):
        corrected = model.fit()
    with pytest.warns(LabelAgreementWarning):
        asymptotic = model.fit(use_correction=False)
    assert (corrected.bse > 1.05 * np.asarray(asymptotic.bse)).all()
    assert (corrected.bse < corrected.real_only.bse).all()


# Separation in real data


@needs_data
def test_a_hundred_labels_separate_or_give_errors_that_are_finite() -> None:
    """
    200 draws of 100 labels of requests: no estimate at infinity goes unsaid.

    The separated share is that of a two-by-two table with an empty cell, found by
    counting. A standard error of 10 is e^20 in odds: nobody has data for that.
    """
    frame = pd.read_csv(SHARED / "data" / "politeness.csv").set_index("id")
    frame = frame.rename(columns={"yhat_gpt4o": "guess"})
    y, x = (
        frame["y"].to_numpy(),
        sm.add_constant(frame[["hashedge", "first_person_pl"]].to_numpy(dtype=float)),
    )
    proxy = {"gpt": (frame["guess"].to_numpy(dtype=float), x)}
    rng = np.random.default_rng(3)
    separated, largest = [], []
    for _ in range(200):
        chosen = np.zeros(len(frame), dtype=bool)
        chosen[rng.permutation(len(frame))[:100]] = True
        result: Any = None
        refused = "the labelled units: one labelled unit alone"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few labels
            try:
                result = AugmentedGMM(
                    np.where(chosen, y, np.nan),
                    x,
                    proxy=proxy,
                    family=sm.families.Binomial(),
                ).fit()
            except SeparationError as error:
                refused = str(error)
            except DataError as error:  # a dummy that one labelled unit has
                refused = str(error)
        # Separated: a dummy whose units all have the same outcome.
        empty = any(len(np.unique(y[chosen & (x[:, j] == 1)])) < 2 for j in (1, 2))
        assert (result is None) == empty
        assert re.search("the labelled units:|one labelled unit alone", refused)
        separated.append(result is None)
        if result is not None:
            largest.append(np.max(result.bse))
    assert np.isfinite(largest).all()
    assert max(largest) < 10
    # 6 % have an error of 1.7 %.
    assert 0.01 <= np.mean(separated) <= 0.12


def test_a_slope_that_is_far_off_does_not_drown_the_labels() -> None:
    # A proxy with another slope says the same of the labels: estimates are equal. The
    # unit at which it says something unrelated counts for more, but with a bound.
    rng, size = np.random.default_rng(7), 2000
    x = np.column_stack([np.ones(size), rng.normal(size=(size, 2))])
    y = x @ [0.2, 0.5, 0.5] + rng.normal(size=size)
    labels = np.where(np.arange(size) < 150, y, np.nan)
    guess = y + 0.2 * rng.normal(size=size)
    fits = [
        AugmentedGMM(labels, x, proxy={"llm": (guess + c * x[:, 2], x)}).fit()
        for c in (0.0, 8.0, 500.0)
    ]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.params, fits[0].params, atol=1e-8)
        assert np.all(fit.bse < 1.8 * fits[0].bse)
        assert np.all(fit.bse < fit.real_only.bse)
    np.testing.assert_allclose(fits[1].bse, fits[2].bse, rtol=1e-6)


@pytest.mark.parametrize("share", [0.90, 0.95, 1.0])
@pytest.mark.parametrize("binary", [True, False])
def test_copies_in_most_labelled_units_are_never_relied_on(
    share: float, binary: bool
) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        data = pd.DataFrame({"x": rng.normal(size=1500)})
        human = data["x"] + rng.normal(size=1500)
        guess = human + 0.7 * rng.normal(size=1500)
        if binary:
            human = (human > 0).astype(float)
            guess = human.where(rng.uniform(size=1500) > 0.15, 1 - human)
        copied = (data.index < 200) & (rng.uniform(size=1500) < share)
        data["guess"] = guess.mask(copied, human)
        data["y"] = human.where(data.index < 200)
        model = AugmentedGMM.from_formula("y ~ x", data, proxy={"y": "guess"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = model.fit()
        text = " ".join(result.diagnostics().verdict)
        assert "say so with blind=True" in text
        assert " Rely on" not in text
        assert "blind=True" not in " ".join(result.diagnostics(blind=True).verdict)

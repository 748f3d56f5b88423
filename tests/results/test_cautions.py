"""What a fit warns of is in its summary, so that the two agree."""

from __future__ import annotations

import pickle
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import (
    CoverageWarning,
    FewClustersWarning,
    FewUnitsWarning,
    FullyLabeledWarning,
    LabelAgreementWarning,
    MissingCodeWarning,
)
from statsmodels_synth.results.summary import summary_notes


def _cautioned(*, clusters: bool = False, **changed: Any) -> Any:
    """A fit of 60 labels with sources as given, and what it warned of."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=600)
    data = pd.DataFrame({"x": x, "group": np.arange(600) % 8, "y": x})
    data["y"] += rng.normal(size=600)
    data["guess"] = data["y"] + 0.5 * rng.normal(size=600)
    data.loc[60:, "y"] = np.nan
    for name, value in changed.items():
        data[name] = value(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = AugmentedGMM.from_formula(
            "y ~ x",
            data,
            proxy={"llm": data[["guess"]].rename(columns={"guess": "y"}).dropna()},
        )
        groups = {"groups": "group"} if clusters else None
        result = model.fit(
            cov_type="cluster" if clusters else "robust", cov_kwds=groups
        )
    return result, {w.category for w in caught}


@pytest.mark.parametrize(
    ("changed", "category", "note", "of_labels"),
    [
        (
            {"guess": lambda d: d["y"].fillna(d["guess"])},
            LabelAgreementWarning,
            "Agreement: source 'llm' differs from the labels in 0 of 60 units. If "
            "labels were copied into it or shown to its model, do not use the "
            "augmented estimates.",
            False,
        ),
        (
            {"guess": lambda d: d["guess"].mask(d.index < 7)},
            CoverageWarning,
            "Coverage: source 'llm' lacks 7 of the 60 labelled units.",
            False,
        ),
        (
            {"x": lambda d: (d.index % 30 == 0) * (1.0 + d["x"] / 10)},
            FewUnitsWarning,
            "Few units: of 60 labelled ones few decide x (2.1); intervals may be too "
            "short.",
            True,
        ),
        (
            {"clusters": True},
            FewClustersWarning,
            "Few clusters: 8 have labelled units; intervals may be too short.",
            True,
        ),
    ],
)
def test_the_summary_repeats_what_the_fit_warned_of(
    changed: Any, category: type[Warning], note: str, of_labels: bool
) -> None:
    """One line each, also in the second layout, the labels alone and a copy."""
    result, caught = _cautioned(**changed)
    assert category in caught
    copy = pickle.loads(pickle.dumps(result))
    for own in (result, copy):
        notes = summary_notes(own._results)
        assert notes.count(note) == 1
        assert sum(n.startswith(note.partition(":")[0]) for n in notes) == 1
        assert note in " ".join(str(own.summary2()).split())
    alone = summary_notes(result.real_only._results)
    assert (note in alone) == of_labels


def test_a_fit_without_warnings_has_no_caution() -> None:
    result, caught = _cautioned()
    assert not caught
    assert not result._results._cautions


@pytest.mark.parametrize("code", [-9.0, 99.0, -999.0])
@pytest.mark.parametrize("where", ["data", "Source 'llm'"])
def test_a_code_for_missing_values_is_no_outcome(code: float, where: str) -> None:
    """In labels and in sources; the share and the range of the rest are named."""
    name = "y" if where == "data" else "guess"
    result, caught = _cautioned(
        **{name: lambda d: d[name].mask((d.index % 10 == 0) & d[name].notna(), code)}
    )
    assert MissingCodeWarning in caught
    notes = summary_notes(result._results)
    found = [
        n for n in notes if n.startswith(f"Missing code: {where}: 'y' is {code:g}")
    ]
    assert len(found) == 1
    assert "in 10% of the rows" in found[0]


@pytest.mark.parametrize(
    "values",
    [[-1.0, 0.0, 1.0], [97.0, 98.0, 99.0], [-9.0, -8.0, 9.0], [0.0, 90.0, 99.0]],
)
def test_values_of_a_scale_are_no_codes(values: list[float]) -> None:
    rng = np.random.default_rng(1)
    drawn = pd.Series(rng.choice(values, 600))
    _, caught = _cautioned(
        y=lambda d: drawn.mask(d.index >= 60),
        guess=lambda d: drawn.sample(frac=1.0, random_state=1).to_numpy(),
    )
    assert not caught


def test_swapped_frames_are_told_by_one_warning() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=300)
    guessed = pd.DataFrame({"x": x, "y": x + rng.normal(size=300)})
    guessed.index = pd.Index([f"u{k}" for k in range(300)])
    human = guessed.iloc[:60] + 0.1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        AugmentedGMM.from_formula("y ~ x", guessed, proxy={"llm": human}).fit()
    assert [w.category for w in caught] == [FullyLabeledWarning]
    assert "swapped" in str(caught[0].message)

"""Warnings point at the line of the user, however deep they are raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM

T = 400


def make_frame() -> pd.DataFrame:
    """A dummy that few labels have, a source with gaps and one that is right."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=T)
    y = 0.5 * x + rng.normal(size=T)
    guess = y + rng.normal(size=T)
    return pd.DataFrame(
        {
            "x": x,
            "rare": np.arange(T) < 9.0,
            "y": np.where(np.arange(T) % 4 == 0, y, np.nan),
            "truth": y,
            "guess": guess,
            "gaps": np.where(np.arange(T) % 7 == 1, np.nan, guess),
            "group": np.arange(T) // 45,
        }
    )


def arrays(source: str, rare: bool = False) -> AugmentedGMM:
    """The model from arrays."""
    frame = make_frame()
    x = sm.add_constant(frame[["x", "rare"] if rare else ["x"]].to_numpy(dtype=float))
    sources = {"llm": (frame[source].to_numpy(), x)}
    return AugmentedGMM(frame["y"].to_numpy(), x, proxy=sources)


def formula(source: str, rare: bool = False) -> AugmentedGMM:
    """The model from a formula."""
    text = "y ~ x + I(rare * 1.0)" if rare else "y ~ x"
    return AugmentedGMM.from_formula(text, make_frame(), {"y": source})


CLUSTERS = {"cov_type": "cluster", "cov_kwds": {"groups": make_frame()["group"]}}


@pytest.mark.parametrize("make", [arrays, formula])
@pytest.mark.parametrize(
    ("case", "name"),
    [
        (lambda make: make("gaps"), "CoverageWarning"),
        (lambda make: make("guess", rare=True), "FewUnitsWarning"),
        (lambda make: make("truth").fit(), "LabelAgreementWarning"),
        (lambda make: make("guess").fit(**CLUSTERS), "FewClustersWarning"),
        (lambda make: _many(make("gaps"))[0], "CoverageWarning"),
        (lambda make: list(_many(make("truth"))), "LabelAgreementWarning"),
        (lambda make: _many(make("guess"), **CLUSTERS)[0], "FewClustersWarning"),
    ],
)
def test_the_line_of_the_user(
    make: Callable[..., AugmentedGMM], case: Callable[..., Any], name: str
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        case(make)
    assert name in {w.category.__name__ for w in caught}
    assert {w.filename for w in caught} == {__file__}


def _many(model: AugmentedGMM, **options: Any) -> Any:
    x = sm.add_constant(make_frame()["x"].to_numpy())
    return model.fit_many(make_frame()[["y"]], x, **options)

"""Models of the problems that the reference simulates, and the real data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from tests.reference import dense

SHARED = Path(__file__).parents[2] / "shared"
needs_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real data in ../shared are not here"
)


def model_of(problem: dense.Problem, **kwargs: Any) -> AugmentedGMM:
    """Model with every source as a proxy."""
    sources = {f"s{m}": source for m, source in enumerate(problem.sources)}
    return AugmentedGMM(
        problem.endog, problem.x, proxy=sources, family=problem.family, **kwargs
    )


def frames(problem: dense.Problem) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Data and proxies, all units in both, with y missing where nobody labelled."""
    units = pd.Index([f"u{k}" for k in range(len(problem.y))])
    x = pd.DataFrame(problem.x[:, 1:], units, ["x1", "x2"])
    proxies = {
        f"s{m}": pd.DataFrame(own[:, 1:], units, ["x1", "x2"]).assign(y=y)
        for m, (y, own) in enumerate(problem.sources)
    }
    return x.assign(y=problem.endog), proxies

"""Task exchangeability: what must be refused, and what the verdict may not claim."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import TaskExchangeability
from statsmodels_synth.exceptions import (
    AlignmentError,
    InfiniteIntervalWarning,
)


def fits(n: int, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    x = sm.add_constant(np.arange(20.0))
    return [sm.OLS(rng.normal(size=20), x).fit() for _ in range(n)]


# Fitted results


def test_covariates_of_results_have_one_row_per_task() -> None:
    found = fits(5)
    years = pd.DataFrame({"year": [1.0, 1.0, 2.0, 3.0]}, index=["a", "a", "b", "now"])
    with pytest.raises(AlignmentError, match="several rows for 'a'"):
        TaskExchangeability.from_results(
            found[:2],
            found[2:4],
            found[4],
            tasks=["a", "b"],
            name="now",
            covariates=years,
        )


def test_clustered_results_have_the_degrees_of_freedom_of_their_conf_int() -> None:
    rng = np.random.default_rng(0)
    x = sm.add_constant(rng.normal(size=50))
    found = [
        sm.OLS(rng.normal(size=50), x).fit(
            cov_type="cluster",
            cov_kwds={"groups": np.repeat(np.arange(5), 10)},
            use_t=True,
        )
        for _ in range(3)
    ]
    model = TaskExchangeability.from_results(found[:1], found[1:2], found[2])
    np.testing.assert_array_equal(model.data.synthetic.df, 4.0)
    with pytest.warns(InfiniteIntervalWarning):
        result = model.fit(1, 0.4, (0.2, 0.1, 0.1))
    np.testing.assert_allclose(
        result.synthetic_interval, found[2].conf_int(0.1), rtol=1e-9
    )

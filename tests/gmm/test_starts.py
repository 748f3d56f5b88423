"""Starts from a part of the rows, where that part says little or misleads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.gmm.starts import FEW_ROWS, GLM_ROWS, source_start, start_of
from statsmodels_synth.problem.design import DesignRows
from statsmodels_synth.problem.scores.glm import glm_score

F = sm.families
FAMILIES = {
    "logit": F.Binomial(),
    "probit": F.Binomial(F.links.Probit()),
    "cloglog": F.Binomial(F.links.CLogLog()),
    "poisson": F.Poisson(),
    "negative_binomial": F.NegativeBinomial(alpha=1.0),
}
N = 50_000
B = np.array([-0.2, 0.4, -0.3])


def make_rows(family: Any, case: str) -> DesignRows:
    """Rows whose evenly spaced part is unlike the others."""
    rng = np.random.default_rng(11)
    x = np.column_stack([np.ones(N), rng.normal(size=(N, 2))])
    some = -(-N // GLM_ROWS)  # every so many rows are fitted by GLM
    if case == "alternating":
        x[:, 1] = np.arange(N) % some < some // 2
    mean = family.link.inverse(x @ (B - [5.0, 0, 0] if case == "rare" else B))
    if isinstance(family, F.Binomial):
        y = (rng.uniform(size=N) < mean).astype(float)
    else:
        y = rng.poisson(mean).astype(float)
    if case == "periodic":
        y[::some] = 0.0
    return DesignRows(y, x)


@pytest.mark.parametrize("case", ["rare", "periodic", "alternating"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_start_is_near_the_estimate(name: str, case: str) -> None:
    family = FAMILIES[name]
    rows = make_rows(family, case)
    assert len(rows.endog) > FEW_ROWS
    start = source_start(rows, glm_score(family))
    estimate = start_of(rows, glm_score(family))
    if case == "alternating":  # constant in the part: only its sum with the others
        start, estimate = (rows.exog @ b for b in (start, estimate))
        assert np.all(np.isfinite(start))
    else:
        np.testing.assert_allclose(start, estimate, atol=0.5)


def test_a_fit_whose_start_misleads() -> None:
    """Newton's method from rows without an event once ended where no score is left."""
    family = FAMILIES["cloglog"]
    rows = make_rows(family, "periodic")
    guess = np.roll(rows.endog, -(-N // GLM_ROWS))
    labels = np.where(np.arange(N) % 100 == 1, rows.endog, np.nan)
    result = AugmentedGMM(
        labels, rows.exog, proxy={"llm": (guess, rows.exog)}, family=family
    ).fit()
    assert result.converged
    assert not result.dropped_sources
    estimate = start_of(DesignRows(guess, rows.exog), glm_score(family))
    np.testing.assert_allclose(result.auxiliary_params.iloc[0], estimate, atol=1e-4)

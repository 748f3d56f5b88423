"""Coverage in the simulation of the paper, and leave-one-out on real tasks."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.tasks import ALPHAS, SHARED, coverage, leave_one_out, simulate
from statsmodels_synth import TaskExchangeability

DRAWS = 400


@pytest.mark.parametrize("n_tasks", [40, 100])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_coverage_of_the_papers_simulation(n_tasks: int, alpha: float) -> None:
    found = coverage(n_tasks, alpha, DRAWS, seed=1)
    # Four Monte Carlo standard errors: 1 in 30,000 by chance, and the seed is fixed.
    error = 4.0 * np.sqrt(alpha * (1.0 - alpha) / DRAWS)
    assert found["1"] >= 1.0 - alpha - error
    assert found["2"] >= found["1"]
    assert 1.0 - alpha - error <= found["finite"]
    assert found["finite"] < 1.0 - alpha + 2.0 / (n_tasks + 1) + error
    assert found["synthetic only"] < 0.3


def test_finite_sample_coverage_is_the_beta_binomial_one() -> None:
    """Exactly exchangeable, continuous gaps: coverage is (k_U - k_L) / (T + 1)."""
    rng = np.random.default_rng(0)
    gaps = rng.normal(size=(4000, 30))
    ordered = np.sort(gaps[:, :29], axis=1)
    inside = (ordered[:, 1] <= gaps[:, 29]) & (gaps[:, 29] <= ordered[:, 27])
    # k = floor(30 * .15 / 2) = 2, so 26 / 30; four Monte Carlo standard errors.
    assert inside.mean() == pytest.approx(26 / 30, abs=4 * np.sqrt(0.87 * 0.13 / 4000))


def test_ten_thousand_tasks() -> None:
    """How long it takes is measured by ``python -m benchmarks.tasks --speed``."""
    table, *_ = simulate(10_000, np.random.default_rng(0))
    model = TaskExchangeability.from_estimates(table, current=10_000)
    assert len(model.fit("finite").gaps) == 10_000


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_leave_one_out_on_real_tasks() -> None:
    table = leave_one_out()
    assert len(table) == 12
    for (_, alpha), row in table.iterrows():
        # Leave-one-out of order statistics covers 1 - alpha up to 2 tasks in T.
        assert row["coverage 1"] >= 1.0 - alpha - 2.0 / 160
        assert row["coverage 2"] >= row["coverage 1"]
        assert abs(row["coverage finite"] - (1.0 - alpha)) <= 2.0 / 160
        assert row["synthetic only"] < 1.0 - alpha - 0.2

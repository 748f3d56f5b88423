"""
The share of the labelled score that a source explains, where it covers a part.

With n labels and p scores, the unadjusted share r is the mean squared canonical
correlation of the labelled scores ``psi_t`` and those of the source ``C_t h_t``,
over all n labels, covered or not. What is to be expected of it:

Noise. ``n p r`` is a sum of p squared normal variables for each of p directions,
so chi-squared with ``p ** 2`` degrees of freedom, if scores are independent of each
other. They share x: with both standardised, ``|psi_t|^2 |h_t|^2`` has the mean
``E |z_t|^4`` rather than ``p ** 2``, z being the standardised x. For a constant and
two normal regressors that is 1 + 2 * 2 + 8 = 13 instead of 9. So noise explains
13 / 9 of the p / n that is taken off, and the mean that is left is positive, also
because shares are cut off at 0. Coverage does not enter: fewer labels add up to a
smaller cross product, which is standardised by a smaller second moment of h.

A perfect source that covers the share f of the labels: there h = psi, so that
``r = tr(S^-1 S_covered) / p`` with S the second moment of psi, which is f on
average. Its adjusted share is (f - p / n) / (1 - p / n), a bit less than f.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from tests.reference import dense

DRAWS, N_UNITS, N_LABELED, P = 120, 1500, 300, 3
CHANCE = P / N_LABELED

Outcome = Callable[[dense.Problem, np.random.Generator], dense.Array]


def shares(kind: str, cover: float, outcome: Outcome) -> tuple[dense.Array, ...]:
    """Share explained and share of the labels covered, for each draw."""
    explained, covered = np.empty(DRAWS), np.empty(DRAWS)
    for seed in range(DRAWS):
        problem = dense.simulate(
            kind, seed=seed, n_units=N_UNITS, n_labeled=N_LABELED, k_sources=0
        )
        rng = np.random.default_rng(10_000 + seed)
        y = outcome(problem, rng)
        units = np.flatnonzero(rng.uniform(size=N_UNITS) < cover)
        with pytest.warns(UserWarning, match="lacks"):
            model = AugmentedGMM(
                problem.endog,
                problem.x,
                proxy={"part": (y[units], problem.x[units], units)},
                family=problem.family,
            )
        facts = model.fit().sources.loc["part"]
        explained[seed] = facts["explained"]
        covered[seed] = facts["covered_labeled"] / N_LABELED
    return explained, covered


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_noise_on_a_part_of_the_units_explains_nothing(kind: str) -> None:
    def noise(problem: dense.Problem, rng: np.random.Generator) -> dense.Array:
        if kind == "gaussian":
            return np.asarray(rng.normal(size=len(problem.y)))
        return rng.binomial(1, 0.5, len(problem.y)).astype(float)

    explained, covered = shares(kind, 0.3, noise)
    assert abs(covered.mean() - 0.3) < 0.02
    by_chance = 13 / 9 * np.random.default_rng(0).chisquare(P**2, 100_000)
    adjusted = (by_chance / (N_LABELED * P) - CHANCE) / (1 - CHANCE)
    expected = np.maximum(adjusted, 0.0).mean()
    assert expected < 0.006
    # Three Monte Carlo errors, 0.002. Not adjusted, the mean is 0.014; adjusted by
    # the covered labels only, which are 0.3 n, it is 0.
    error = explained.std() / np.sqrt(DRAWS)
    assert abs(explained.mean() - expected) < 3 * error
    assert error < 0.001


def test_perfect_source_of_half_of_the_units_explains_half() -> None:
    def truth(problem: dense.Problem, rng: np.random.Generator) -> dense.Array:
        # Not to the last digit: of that the package warns.
        return np.asarray(problem.y + 1e-6 * rng.normal(size=len(problem.y)))

    explained, covered = shares("gaussian", 0.5, truth)
    expected = (covered - CHANCE) / (1 - CHANCE)
    assert abs(expected.mean() - 0.5) < 0.01
    gap = explained - expected
    # Three Monte Carlo errors, 0.012, and p / n for the distance of theta from eta,
    # of which the second order enters.
    error = gap.std() / np.sqrt(DRAWS)
    assert abs(gap.mean()) < 3 * error + CHANCE
    assert error < 0.005


@pytest.mark.filterwarnings("ignore:Source 'llm' lacks")
def test_a_useless_source_is_told_and_a_decent_or_small_one_is_not() -> None:
    rng = np.random.default_rng(0)
    x = sm.add_constant(rng.normal(size=4000))
    noise = rng.normal(size=4000)
    y = x.sum(axis=1) + noise
    decent = x.sum(axis=1) + noise + 3.0 * rng.normal(size=4000)  # 10 %
    useless = rng.permutation(y)
    small = np.where(
        np.arange(4000) % 25 == 0, y + 0.01 * rng.normal(size=4000), np.nan
    )
    said = "explains next to nothing of the labels' score"

    def notes(n_labeled: int, source: np.ndarray) -> tuple[str, str]:
        labels = np.where(np.arange(4000) < n_labeled, y, np.nan)
        result = AugmentedGMM(labels, x, proxy={"llm": (source, x)}).fit()
        verdict = " ".join(result.diagnostics(n_influential=0).verdict)
        return " ".join(str(result.summary()).split()), verdict

    for text in notes(800, useless):
        assert f"Source 'llm' {said}" in text
        assert "99 or -9" in text
    for text in (*notes(800, decent), *notes(100, useless), *notes(1000, small)):
        assert said not in text

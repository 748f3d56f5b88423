"""Perfect separation in large sources, where only some of the rows are looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import SeparationError
from statsmodels_synth.gmm.separation import check_separation
from statsmodels_synth.problem.design import DesignRows
from statsmodels_synth.problem.scores.glm import glm_score
from tests.reference.dense import Array

ROWS = 60_000
#: As many as the first look takes, evenly spaced.
PART = 2000
NAMES = ["const", "x", "rare"]


def source(*, mixed: bool, slope: float, noise: float) -> tuple[Array, Array]:
    """
    Outcome and design of a source with a dummy that 10 rows have.

    In these rows the outcome is 1; if mixed, in half of them. None of them is
    among those that an evenly spaced look would find.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    y = rng.binomial(1, 1 / (1 + np.exp(-0.2 - slope * x))).astype(float)
    y = np.where(rng.uniform(size=ROWS) < noise, 1 - y, y)
    seen = np.linspace(0, ROWS - 1, PART).astype(int)
    hidden = np.setdiff1d(np.arange(ROWS // 5, ROWS), seen)
    rows = rng.choice(hidden, 10, replace=False)
    rare = np.zeros(ROWS)
    rare[rows] = 1.0
    y[rows] = 1.0
    if mixed:
        y[rows[::2]] = 0.0
    return y, np.column_stack([np.ones(ROWS), x, rare])


def model_of(proxy: tuple[Array, Array]) -> AugmentedGMM:
    """4,000 labels, of which 20 have the dummy, with both outcomes."""
    y, x = proxy
    labels = np.where(np.arange(ROWS) < 4000, y, np.nan)
    labels[:20] = np.arange(20) % 2
    own = x.copy()
    own[:20, 2] = 1.0
    return AugmentedGMM(labels, own, proxy={"p": proxy}, family=sm.families.Binomial())


def test_separated_by_a_rare_dummy() -> None:
    proxy = source(mixed=False, slope=1.0, noise=0.1)
    with pytest.raises(SeparationError, match="source 'p': 'x2' tells the outcome"):
        model_of(proxy).fit()


# With a slope of 10 thousands of rows are within 1e-5 of 0 or 1 that are not
# separated, and all of them have to be told from those that are.
@pytest.mark.parametrize(("slope", "noise"), [(1.0, 0.1), (10.0, 0.0)])
def test_rare_dummy_with_both_outcomes(slope: float, noise: float) -> None:
    y, x = source(mixed=True, slope=slope, noise=noise)
    result = model_of((y, x)).fit()
    assert result.converged
    # And what is estimated from the ten rows is what GLM makes of them.
    peer = sm.GLM(y, x, family=sm.families.Binomial()).fit(tol=1e-14)
    np.testing.assert_allclose(result.naive_params.loc["p"], peer.params, rtol=1e-5)


def test_separated_among_many_rows_at_a_bound() -> None:
    proxy = source(mixed=False, slope=10.0, noise=0.0)
    with pytest.raises(SeparationError, match="source 'p': 'x2' tells the outcome"):
        model_of(proxy).fit()


def look(y: Array, x: Array, params: Any, *, converged: bool) -> None:
    """The check alone, as it is called for a source."""
    check_separation(
        DesignRows(y, x),
        np.asarray(params),
        converged,
        score=glm_score(sm.families.Binomial()),
        where="source 'p'",
        names=NAMES,
    )


def test_dummy_that_the_first_look_does_not_hold() -> None:
    """A column of zeros in the part, which must not divide by zero (any warning is
    an error here), and is no reason for alarm."""
    y, x = source(mixed=True, slope=1.0, noise=0.1)
    part = np.linspace(0, ROWS - 1, PART).astype(int)
    assert not x[part, 2].any()
    # Not converged, so that it does look, and no fitted mean at a bound, so that
    # the part is the evenly spaced one.
    look(y, x, [0.2, 0.8, 0.0], converged=False)
    # The same where the rare rows are separated and nothing hints at it: the part
    # is clean. What hints at it are their means, which run to a bound.
    y, x = source(mixed=False, slope=1.0, noise=0.1)
    with pytest.raises(SeparationError, match="'rare' tells the outcome"):
        look(y, x, [0.2, 0.8, 20.0], converged=True)


def test_the_part_may_be_separated_and_the_whole_not() -> None:
    """In the evenly spaced rows x tells y without error; elsewhere it does not."""
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(ROWS), rng.normal(size=ROWS)])
    y = (x[:, 1] > 0).astype(float)
    others = np.setdiff1d(np.arange(ROWS), np.linspace(0, ROWS - 1, PART).astype(int))
    wrong = rng.choice(others, 3000, replace=False)
    y[wrong] = 1 - y[wrong]
    look(y, x, [0.0, 1.0], converged=False)
    y[wrong] = 1 - y[wrong]
    with pytest.raises(SeparationError, match="'x' tells the outcome without error"):
        look(y, x, [0.0, 1.0], converged=False)

"""Rows of a source that labelled units have nothing like, and how x is coded."""

from __future__ import annotations

from typing import Any
import warnings

import numpy as np
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import FewUnitsWarning
from tests.reference.dense import Array

T, N = 2000, 80


def study(seed: int, where: str) -> tuple[Array, Array, Array, Array, Array]:
    """Labels, regressors, groups, and a good source with four gross values."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=T)
    y = 0.3 + x + rng.normal(size=T)
    said, own = y + 0.3 * rng.normal(size=T), x.copy()
    gross = rng.choice(T, 4, replace=False)
    (said if where == "outcome" else own)[gross] = 999.0
    g = rng.integers(0, 4, T)
    labeled = np.zeros(T, dtype=bool)
    free = np.isin(np.arange(T), gross, invert=True)
    for h in range(4):
        at = np.flatnonzero((g == h) & free)
        labeled[rng.choice(at, N // 4, replace=False)] = True
    one = np.ones(T)
    labels = np.where(labeled, y, np.nan)
    return labels, np.column_stack([one, x]), g, said, np.column_stack([one, own])


@pytest.mark.parametrize("where", ["outcome", "regressor"])
@pytest.mark.parametrize("design", ["equal", "strata", "probabilities"])
def test_gross_values_that_no_label_shows(where: str, design: str) -> None:
    """
    Without a floor the estimate was 20 to 140 standard errors off, with no warning.

    The slope then hardly differs from that of the labels; where the outcome has them
    the constant does not either.
    """
    labels, x, g, said, own = study(1, where)
    options: dict[str, Any] = {}
    if design == "strata":
        options = {"strata": g}
    if design == "probabilities":
        rng = np.random.default_rng(2)
        options = {"labeling_prob": 0.04 * np.exp(0.05 * rng.normal(size=T))}
    model = AugmentedGMM(labels, x, proxy={"llm": (said, own)}, **options)
    with pytest.warns(FewUnitsWarning, match="codes such as 99"):
        result = model.fit()
    alone = result.real_only
    off = np.abs(np.asarray(result.params - alone.params)) / np.asarray(alone.bse)
    assert off[1] < 0.3
    if where == "outcome":
        assert off[0] < 0.3
        np.testing.assert_allclose(result.bse, alone.bse, rtol=0.1)


def test_what_labels_miss_counts_in_the_variance() -> None:
    """
    A regressor of 99 in .2 % of a source's rows, most often of no labelled unit.

    The standard deviation of the constant is .074 then (500 draws, error .003), of
    which standard errors from the labelled rows alone, .059, have four fifths.
    """
    said = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=3000)
        y = 0.3 + x + rng.normal(size=3000)
        own = np.where(rng.random(3000) < 0.002, 99.0, x)
        chosen = rng.permutation(3000)[:100]
        if np.any(own[chosen] == 99.0):
            continue
        labels = np.full(3000, np.nan)
        labels[chosen] = y[chosen]
        source = (y + 0.5 * rng.normal(size=3000), sm.add_constant(own))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewUnitsWarning)
            fit = AugmentedGMM(labels, sm.add_constant(x), {"llm": source}).fit()
        said.append(fit.bse[0])
    assert len(said) > 25
    assert np.mean(said) == pytest.approx(0.074, rel=0.12)


@pytest.mark.parametrize("seed", range(4))
def test_seconds_since_1970_within_an_hour(seed: int) -> None:
    """
    Standard errors in seconds are those in half hours, to a share of 1e-2.

    So are degrees of freedom. The design has a condition of 1e6, and its square is what
    coefficients are made of; the second moment of unrelated scores and the covariance
    of residuals had nothing but rounding left.
    """
    rng = np.random.default_rng(seed)
    u = np.round(rng.uniform(-1, 1, 2000), 3)
    y = 0.3 + u + rng.normal(size=2000)
    said = y + 0.5 * rng.normal(size=2000)
    labels = np.where(np.arange(2000) < 60, y, np.nan)
    found = []
    for x in (u, 1.7e9 + 1800.0 * u):
        exog = sm.add_constant(x)
        found.append(AugmentedGMM(labels, exog, {"llm": (said, exog)}).fit())
    own, other = found
    assert other.bse[1] * 1800.0 == pytest.approx(own.bse[1], rel=1e-2)
    assert other.df_inference[1] == pytest.approx(own.df_inference[1], rel=1e-2)
    alone, again = own.real_only.df_inference, other.real_only.df_inference
    np.testing.assert_allclose(again, alone, rtol=2e-2)


def test_ordinary_sources_are_not_warned_of() -> None:
    """Forty samples of 80 labels; the fits would raise the warning."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = np.column_stack([np.ones(T), rng.normal(size=T)])
        y = x @ [0.3, 1.0] + rng.standard_t(4, size=T)
        said = y + 0.5 * rng.standard_t(4, size=T)
        labels = np.where(np.arange(T) < N, y, np.nan)
        AugmentedGMM(labels, x, proxy={"llm": (said, x)}).fit()


@pytest.mark.parametrize("clusters", [False, True])
def test_where_zero_is_does_not_matter(clusters: bool) -> None:
    """
    A year and its square, of condition 1e9, and the same without the common part.

    Fitted values agree to a share of 1e-3 of a standard error: eight digits of the
    sixteen are lost to the design itself, and what is made of it squares that. On one
    kind of processor it was 7e-5, on another 1.1e-4.
    """
    rng = np.random.default_rng(3)
    year = rng.integers(1998, 2013, size=1500).astype(float)
    u = (year - 2005.0) / 8.0
    raw = np.column_stack([np.ones(1500), year, year**2])
    turned = np.column_stack([np.ones(1500), u, u**2])
    y = turned @ [0.3, 0.5, -0.4] + rng.normal(size=1500)
    said = y + 0.6 * rng.normal(size=1500) + 0.4 * u
    labels = np.where(np.arange(1500) < 90, y, np.nan)
    fit: dict[str, Any] = {}
    if clusters:
        groups = np.arange(1500) % 30
        fit = {"cov_type": "cluster", "cov_kwds": {"groups": groups}}
    found = [
        AugmentedGMM(labels, x, proxy={"llm": (said, x)}).fit(**fit)
        for x in (raw, turned)
    ]
    means = [r.predict(x[:50]) for r, x in zip(found, (raw, turned), strict=True)]
    least = float(np.min(np.asarray(found[1].get_prediction(turned[:50]).se)))
    assert np.abs(means[0] - means[1]).max() < 1e-3 * least
    shift = [np.asarray(r.params) - np.asarray(r.real_only.params) for r in found]
    assert np.abs(turned[:50] @ shift[1]).max() > 1e-2 * least  # the source takes part


def test_the_order_of_rows_does_not_pair_strata() -> None:
    """Strata with one label each are neighbours by their names."""
    rng = np.random.default_rng(5)
    h = rng.permutation(np.arange(900) % 31)
    x = np.column_stack([np.ones(900), rng.normal(size=900)])
    y = 4.0 * h / 31 + x @ [0.0, 0.5] + rng.normal(size=900)
    said = y + 0.5 * rng.normal(size=900) - 6.0 * h / 31
    chosen = np.array([np.flatnonzero(h == k)[0] for k in range(31)])
    labels = np.where(np.isin(np.arange(900), chosen), y, np.nan)
    order = rng.permutation(900)
    found = []
    for at in (np.arange(900), order):
        model = AugmentedGMM(labels[at], x[at], {"a": (said[at], x[at])}, strata=h[at])
        with pytest.warns(FewUnitsWarning, match="one label"):
            found.append(model.fit())
    np.testing.assert_allclose(found[0].params, found[1].params, rtol=1e-9)
    np.testing.assert_allclose(found[0].bse, found[1].bse, rtol=1e-9)

"""Anderson and Rubin's test, and its set, against closed forms and other fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.formula.api as smf

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.core.messages import muted
from statsmodels_synth.exceptions import (
    FewUnitsWarning,
    OptionError,
    WeakInstrumentWarning,
)
from statsmodels_synth.gmm.anderson_rubin import AndersonRubin
from tests.problem.test_instruments import JUST, OVER, SOURCES, frame

REDUCED = {JUST: "left ~ x + z1", OVER: "left ~ x + C(g) + z1 + z2"}
TESTED = {JUST: ["z1"], OVER: ["z1", "z2"]}


@pytest.mark.parametrize("formula", [JUST, OVER])
@pytest.mark.parametrize("null", [0.0, 0.5, -2.0])
def test_without_sources_it_is_a_regression_on_instruments(
    formula: str, null: float
) -> None:
    labels = frame().dropna()
    result = AugmentedGMM.from_formula(formula, labels).fit(use_correction=False)
    found = result.anderson_rubin(null)
    labels["left"] = labels["y"] - null * labels["d"]
    peer = smf.ols(REDUCED[formula], labels).fit(cov_type="HC0", use_t=False)
    test = peer.wald_test(
        ", ".join(f"{name} = 0" for name in TESTED[formula]), scalar=True, use_f=False
    )
    # Two ways to solve the same equations; rounding of tests that are large.
    assert found.fvalue * found.df_num == pytest.approx(test.statistic, rel=1e-8)
    assert found.pvalue == pytest.approx(test.pvalue, rel=1e-6, abs=1e-300)
    assert found.df_num == len(TESTED[formula])
    assert np.isinf(found.df_denom)


def closed_form(labels: pd.DataFrame, alpha: float) -> tuple[float, float, float]:
    """Coefficients a, b, c of ``a + b t + c t^2 <= 0``, the set of one instrument."""
    x = np.column_stack([np.ones(len(labels)), labels[["x", "z1"]]])
    both = labels[["y", "d"]].to_numpy()
    inverse = np.linalg.inv(x.T @ x)
    pi = inverse @ x.T @ both
    scores = (x @ inverse)[:, [2]] * (both - x @ pi)
    v = scores.T @ scores
    q = stats.chi2.ppf(1 - alpha, 1)
    (py, pd_), k = pi[2], q * v
    return (
        py**2 - k[0, 0],
        -2 * py * pd_ + 2 * k[0, 1],
        pd_**2 - k[1, 1],
    )


@pytest.mark.parametrize(("seed", "strength"), [(0, 0.8), (1, 0.2), (2, 0.0), (5, 0.0)])
def test_the_set_is_that_of_the_quadratic(seed: int, strength: float) -> None:
    units = frame(seed)
    units["d"] += (strength - 0.8) * units["z1"]
    labels = units.dropna()
    with muted(WeakInstrumentWarning):
        result = AugmentedGMM.from_formula(JUST, labels).fit(use_correction=False)
    for alpha in (0.05, 0.4):
        found = result.anderson_rubin(alpha=alpha).confidence_set
        a, b, c = closed_form(labels, alpha)
        roots = np.sort(np.roots([c, b, a]))
        if np.iscomplex(roots).any():
            assert found == ((-np.inf, np.inf),)
            continue
        ends = np.real(roots)
        wanted = [ends] if c > 0 else [(-np.inf, ends[0]), (ends[1], np.inf)]
        # A border is searched for to 1e-7 of an angle.
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def f_test(units: pd.DataFrame, null: float, **options: Any) -> Any:
    """The test by a linear regression of what the hypothesis leaves."""
    fit = options.pop("fit", {})
    own = units.assign(
        left=units["y"] - null * units["d"],
        left_llm=units["y_llm"] - null * units["d_llm"],
    )
    result = AugmentedGMM.from_formula(
        REDUCED[JUST], own, {"llm": {"left": "left_llm"}}, **options
    ).fit(**fit)
    return result.f_test("z1 = 0"), result


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fit": {"use_correction": False}},
        {"strata": "s"},
        {"labeling_prob": "p"},
        {"weights": "w"},
        {"fit": {"cov_type": "cluster", "cov_kwds": {"groups": "c"}}},
    ],
    ids=["default", "paper", "strata", "probabilities", "weights", "clusters"],
)
def test_with_sources_it_is_the_regression_with_sources(
    options: dict[str, Any],
) -> None:
    units, null = frame(), 0.4
    peer, regression = f_test(units, null, **options)
    own = dict(options)
    fit = own.pop("fit", {})
    result = AugmentedGMM.from_formula(JUST, units, SOURCES, **own).fit(**fit)
    found = result.anderson_rubin(null)
    # The starts of the two differ; the solver goes on to 1e-8 of the sampling error.
    assert found.fvalue == pytest.approx(float(np.squeeze(peer.fvalue)), rel=1e-5)
    ends = np.ravel(found.confidence_set)
    assert found.is_bounded
    for end in ends:
        assert result.anderson_rubin(end, alpha=None).pvalue == pytest.approx(
            0.05, abs=1e-4
        )
    # Strong instruments: the set is close to the interval.
    low, high = result.conf_int().loc["d"]
    np.testing.assert_allclose(ends, [low, high], atol=0.15 * (high - low))
    assert regression.n_labeled == result.n_labeled


def test_coverage_where_instruments_are_weak() -> None:
    """The test keeps its level; the interval of two-stage least squares does not."""
    draws, rejected, wald, unbounded = 200, 0, 0, np.zeros(2)
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        z, u, e, v = rng.normal(size=(4, 1000))
        d = 0.1 * z + u + 0.3 * v
        y = 0.5 * d + 2.0 * u + 0.5 * e
        units = pd.DataFrame({"z": z, "d": d, "y": y})
        units["llm"] = y + rng.normal(size=1000)
        units.loc[rng.permutation(1000) >= 150, "y"] = np.nan
        with muted(WeakInstrumentWarning, FewUnitsWarning):
            result = AugmentedGMM.from_formula(
                "y ~ 1 + [d ~ z]", units, {"llm": {"y": "llm"}}
            ).fit()
            low, high = result.conf_int().loc["d"]
            wald += not low <= 0.5 <= high
            rejected += result.anderson_rubin(0.5, alpha=None).pvalue < 0.05
            if seed < 6:
                both = result.anderson_rubin(), result.real_only.anderson_rubin()
                unbounded += [not own.is_bounded for own in both]
    # Three Monte Carlo errors of .0154 around .05.
    assert abs(rejected / draws - 0.05) < 0.046
    assert wald / draws > 0.12
    # The source has d of all units, and says more of the first stage than the labels.
    assert unbounded[1] > 2 > unbounded[0]


def test_what_has_no_such_test() -> None:
    units = frame()
    result = AugmentedGMM.from_formula("y ~ x", units).fit()
    with pytest.raises(OptionError, match="There are no instruments"):
        result.anderson_rubin()
    two = AugmentedGMM.from_formula("y ~ 1 + [d + x ~ z1 + z2]", units)
    with muted(WeakInstrumentWarning):
        result = two.fit()
    with pytest.raises(OptionError, match="2 endogenous regressors"):
        result.anderson_rubin()
    result = AugmentedGMM.from_formula(JUST, units, SOURCES).fit()
    for null in (np.nan, "0", True):
        with pytest.raises(OptionError, match="no finite number"):
            result.anderson_rubin(null)  # type: ignore[arg-type]
    for alpha, level in ((0.001, "99.9%"), (0.025, "97.5%")):
        assert f"set of {level}: " in str(
            AndersonRubin("d", 0.0, 9.0, 0.01, 1, 97.0, alpha, ((0.2, 0.8),))
        )
    text = str(result.anderson_rubin(0.1))
    assert text.startswith("Anderson-Rubin test of d = 0.1: ")
    assert "Confidence set of 95%: " in text
    assert "Confidence set" not in str(result.anderson_rubin(alpha=None))


def test_instruments_that_contradict_each_other() -> None:
    units = frame()
    units["y"] += 3.0 * units["z2"]
    result = AugmentedGMM.from_formula(OVER, units).fit()
    found = result.anderson_rubin()
    assert found.confidence_set == ()
    assert not found.is_bounded
    assert "empty" in str(found)


def test_nulls_so_large_that_squares_overflow() -> None:
    """The outcome is then nothing beside the regressor, whose first stage is tested."""
    result = AugmentedGMM.from_formula(OVER, frame()).fit()
    found = [result.anderson_rubin(null, alpha=None) for null in (1e300, -1e12)]
    # The outcome has 1e-12 of the second, twice in a square.
    assert found[0].fvalue == pytest.approx(found[1].fvalue, rel=1e-9)
    assert found[0].fvalue > 10.0


def test_an_instrument_that_is_the_regressor() -> None:
    units = frame().dropna().assign(same=lambda units: 2.0 * units["d"] - units["x"])
    result = AugmentedGMM.from_formula("y ~ x + [d ~ same]", units).fit()
    peer = AugmentedGMM.from_formula("y ~ x + d", units).fit()
    # The same F, of a slope that is scaled.
    assert result.anderson_rubin(alpha=None).fvalue == pytest.approx(
        float(peer.tvalues["d"]) ** 2, rel=1e-6
    )
    with pytest.raises(OptionError, match="fit 'd' exactly on the labels"):
        result.anderson_rubin()


def weak_frame(n_units: int = 1200) -> pd.DataFrame:
    """The study, with an instrument that does nothing."""
    units = frame(n_units=n_units)
    units["weak"] = np.random.default_rng(5).normal(size=n_units)
    return units


def test_the_summary_has_the_set_where_instruments_are_weak() -> None:
    model = AugmentedGMM.from_formula("y ~ 1 + [d ~ weak]", weak_frame(), SOURCES)
    weak = pytest.warns(WeakInstrumentWarning, match=r"anderson_rubin\(\) has a set")
    with weak, muted(FewUnitsWarning):
        result = model.fit()
    wanted = "set of 95% for d, which holds with weak instruments: -inf to inf."
    for own in (result, result.real_only):
        text = " ".join(str(own.summary()).split())
        assert wanted in text
        assert "Weak instruments of d" in text
    assert wanted in " ".join(str(result.summary2()).split())
    result.remove_data()
    assert wanted in " ".join(str(result.summary()).split())
    strong = AugmentedGMM.from_formula(JUST, frame(), SOURCES).fit()
    assert "Anderson" not in str(strong.summary())


def test_a_summary_of_many_rows_names_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("statsmodels_synth.gmm.anderson_rubin._CHEAP_ROWS", 1199)
    units = weak_frame()
    for formula, is_there in (
        ("y ~ 1 + [d ~ weak]", True),
        ("y ~ 1 + [d + x ~ weak + z1]", False),  # a test of several there is not
    ):
        with muted(FewUnitsWarning), pytest.warns(WeakInstrumentWarning):
            result = AugmentedGMM.from_formula(formula, units, SOURCES).fit()
        text = " ".join(str(result.summary()).split())
        assert ("anderson_rubin() has a test and a confidence set" in text) == is_there
        assert "which holds with weak" not in text


INF = np.inf


@pytest.mark.parametrize(
    ("ends", "kind", "shown"),
    [
        (((0.2, 0.8),), "bounded", "0.2 to 0.8"),
        (((0.2, 0.8), (2.0, 3.0)), "bounded", "0.2 to 0.8 or 2 to 3"),
        (((-INF, 0.2), (0.8, INF)), "unbounded", "-inf to 0.2 or 0.8 to inf"),
        (((-INF, INF),), "whole line", "-inf to inf"),
        ((), "empty", "empty"),
        (None, "not asked for", "empty"),
    ],
)
def test_frame_and_table(
    ends: tuple[tuple[float, float], ...] | None, kind: str, shown: str
) -> None:
    alpha = None if ends is None else 0.1
    test = AndersonRubin("C(g)[T.<b>]", 0.5, 9.0, 0.01, 2, 97.0, alpha, ends)
    found = test.tidy()
    assert found.columns.tolist() == [
        *("term", "statistic", "p_value", "conf_low", "conf_high"),
        *("null", "df_num", "df_denom", "conf_level", "kind"),
    ]
    assert len(found) == max(1, len(ends or ()))
    assert set(found["kind"]) == {kind}
    assert set(found["term"]) == {test.name}
    assert test.is_bounded == (kind == "bounded")
    if ends:
        np.testing.assert_array_equal(found[["conf_low", "conf_high"]], ends)
    else:
        assert found[["conf_low", "conf_high"]].isna().all(axis=None)
    text = str(test.summary())
    assert ("90% set" in text and shown in text) == (ends is not None)
    assert "C(g)[T.&lt;b&gt;]" in test._repr_html_()

"""Intervals of gaps against closed forms: SciPy, the binomial, enumeration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm

from statsmodels_synth import TaskExchangeability
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.tasks.bradley_terry import log_strengths
from statsmodels_synth.tasks.gaps import quantile_ranks
from statsmodels_synth.tasks.methods import make_method
from statsmodels_synth.tasks.options import TaskSettings

# The same formulas in another order: rounding alone.
EXACT = {"rtol": 1e-10, "atol": 1e-12}
SIZES = [(5, 9), (30, 12), (3, 40), (8, 8)]


def tidy(
    seed: int = 0, weights: bool = False, paired: bool = False, columns: int = 1
) -> pd.DataFrame:
    """Four historical tasks "a" to "d" and the current one, "now"."""
    rng = np.random.default_rng(seed)
    parts = []
    for name, (n, other) in zip("abcd", SIZES, strict=True):
        m = n if paired else other
        parts.append(pd.DataFrame({"task": name, "source": "real", "unit": range(n)}))
        parts.append(
            pd.DataFrame({"task": name, "source": "synthetic", "unit": range(m)})
        )
    parts.append(
        pd.DataFrame({"task": "now", "source": "synthetic", "unit": range(20)})
    )
    frame = pd.concat(parts, ignore_index=True)
    for k in range(columns):
        frame["value" if not k else f"value{k}"] = rng.gamma(2.0, size=len(frame))
    if weights:
        frame["weight"] = rng.uniform(0.5, 2.0, len(frame))
    return frame.sample(frac=1.0, random_state=rng)


def one(
    frame: pd.DataFrame, task: str, source: str, column: str = "value"
) -> np.ndarray:
    rows = frame[(frame["task"] == task) & (frame["source"] == source)]
    return rows.sort_values("unit")[column].to_numpy()


def gaps_at(model: TaskExchangeability, alpha: float, **settings: object) -> object:
    method = make_method(model.data, TaskSettings(**settings))  # type: ignore[arg-type]
    return method.gaps(alpha), method.synthetic(alpha)


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.4])
def test_welch_and_student_against_scipy(alpha: float) -> None:
    frame = tidy()
    model = TaskExchangeability.from_frame(frame, current="now")
    gaps, (low, high) = gaps_at(model, alpha, interval="welch")
    for j, task in enumerate(model.data.tasks):
        a, b = one(frame, task, "real"), one(frame, task, "synthetic")
        expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(1 - alpha)
        np.testing.assert_allclose(
            [gaps.lower[j, 0], gaps.upper[j, 0]], expected, **EXACT
        )
    own = stats.ttest_1samp(one(frame, "now", "synthetic"), 0.0)
    expected = own.confidence_interval(1 - alpha)
    np.testing.assert_allclose([low[-1, 0], high[-1, 0]], expected, **EXACT)


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.4])
def test_normal_intervals_are_those_of_the_published_code(alpha: float) -> None:
    """
    ``mean +- z sqrt(s1^2 / n1 + s2^2 / n2)``, variances over n - 1.

    As Tan and Zrnic compute them; that of the synthetic mean likewise.
    """
    frame = tidy()
    model = TaskExchangeability.from_frame(frame, current="now")
    gaps, (low, high) = gaps_at(model, alpha, interval="normal")
    z = stats.norm.ppf(1 - alpha / 2)
    for j, task in enumerate(model.data.tasks):
        a, b = one(frame, task, "real"), one(frame, task, "synthetic")
        half = z * np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))
        expected = a.mean() - b.mean() + np.array([-half, half])
        found = [gaps.lower[j, 0], gaps.upper[j, 0]]
        np.testing.assert_allclose(found, expected, **EXACT)
    x = one(frame, "now", "synthetic")
    half = z * np.std(x, ddof=1) / np.sqrt(len(x))
    np.testing.assert_allclose(
        [low[-1, 0], high[-1, 0]], x.mean() + np.array([-half, half]), **EXACT
    )


def test_the_default_stays_student() -> None:
    model = TaskExchangeability.from_frame(tidy(), current="now")
    narrow, _ = gaps_at(model, 0.1, interval="normal")
    wide, _ = gaps_at(model, 0.1, interval="welch")
    assert np.all(narrow.upper < wide.upper)
    with pytest.warns(UserWarning, match="too few"):
        assert model.fit().settings.interval == "welch"


def test_paired_against_scipy() -> None:
    frame = tidy(paired=True)
    model = TaskExchangeability.from_frame(frame, current="now", unit="unit")
    gaps, _ = gaps_at(model, 0.1, interval="paired")
    for j, task in enumerate(model.data.tasks):
        a, b = one(frame, task, "real"), one(frame, task, "synthetic")
        expected = stats.ttest_rel(a, b).confidence_interval(0.9)
        np.testing.assert_allclose(
            [gaps.lower[j, 0], gaps.upper[j, 0]], expected, **EXACT
        )


def test_paired_summaries_are_those_of_the_pairs() -> None:
    frame = tidy(paired=True)
    rows = {}
    for task in "abcd":
        a, b = one(frame, task, "real"), one(frame, task, "synthetic")
        root = np.sqrt(len(a))
        rows[task] = {
            "real": a.mean(),
            "real_se": a.std(ddof=1) / root,
            "synthetic": b.mean(),
            "synthetic_se": b.std(ddof=1) / root,
            "n": len(a),
            "r": np.corrcoef(a, b)[0, 1],
        }
    b = one(frame, "now", "synthetic")
    rows["now"] = {"synthetic": b.mean(), "synthetic_se": b.std(ddof=1) / 20**0.5}
    rows["now"] |= {"n": 20}
    table = pd.DataFrame(rows).T
    sums = TaskExchangeability.from_estimates(
        table, current="now", real_n="n", synthetic_n="n", correlation="r"
    )
    full = TaskExchangeability.from_frame(frame, current="now", unit="unit")
    with pytest.warns(UserWarning, match="too few"):
        first, second = sums.fit(), full.fit()
    order = list("abcd")
    np.testing.assert_allclose(first.gaps.loc[order], second.gaps.loc[order], **EXACT)


def test_hajek_means_with_equal_weights_are_means_and_else_wls() -> None:
    frame = tidy(weights=True)
    plain = TaskExchangeability.from_frame(frame, current="now").data
    equal = TaskExchangeability.from_frame(
        frame.assign(w=3.0), current="now", weight="w"
    ).data
    np.testing.assert_allclose(equal.gaps.se, plain.gaps.se, **EXACT)
    weighted = TaskExchangeability.from_frame(
        frame, current="now", weight="weight"
    ).data
    for j, task in enumerate(weighted.tasks):
        x, w = one(frame, task, "real"), one(frame, task, "real", "weight")
        # HC1 standard error of a weighted regression on a constant is the same thing.
        fit = sm.WLS(x, np.ones(len(x)), weights=w).fit(cov_type="HC1")
        np.testing.assert_allclose(weighted.real.value[j, 0], fit.params[0], **EXACT)
        np.testing.assert_allclose(weighted.real.se[j, 0], fit.bse[0], **EXACT)


def test_hoeffding_from_its_inequality() -> None:
    frame = tidy().assign(value=lambda f: np.minimum(f["value"] / 10.0, 1.0))
    model = TaskExchangeability.from_frame(frame, current="now")
    gaps, _ = gaps_at(model, 0.1, interval="hoeffding", bounds=(0.0, 1.0))
    for j, task in enumerate(model.data.tasks):
        n, m = dict(zip("abcd", SIZES, strict=True))[task]
        half = gaps.upper[j, 0] - gaps.estimate[j, 0]
        # P(|difference - mean| >= t) <= 2 exp(-2 t^2 / (1/n + 1/m))
        assert 2.0 * np.exp(-2.0 * half**2 / (1.0 / n + 1.0 / m)) == pytest.approx(0.1)
    pairs = tidy(paired=True).assign(value=lambda f: np.minimum(f["value"] / 10, 1))
    model = TaskExchangeability.from_frame(pairs, current="now", unit="unit")
    gaps, _ = gaps_at(model, 0.1, interval="hoeffding", bounds=(0.0, 1.0))
    j = list(model.data.tasks).index("a")
    half = gaps.upper[j, 0] - gaps.estimate[j, 0]
    assert 2.0 * np.exp(-2.0 * 5 * half**2 / 4.0) == pytest.approx(0.1)


@pytest.mark.parametrize("q", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("n", [1, 4, 17, 200])
def test_order_statistics_by_the_binomial(n: int, q: float) -> None:
    alpha = 0.07
    (low,), (high,) = quantile_ranks(np.array([n]), q, alpha)
    # The quantile lies at or above the low-th value unless fewer than low are below.
    assert stats.binom.cdf(low - 1, n, q) <= alpha / 2
    assert stats.binom.sf(high - 1, n, q) <= alpha / 2
    # And the next narrower ranks would not do.
    assert stats.binom.cdf(low, n, q) > alpha / 2 - 1e-12
    assert stats.binom.sf(high - 2, n, q) > alpha / 2 - 1e-12


def test_quantile_gaps_are_differences_of_exact_intervals() -> None:
    frame = tidy()
    model = TaskExchangeability.from_frame(frame, current="now", statistic="median")
    gaps, _ = gaps_at(model, 0.4, interval="order")
    j = list(model.data.tasks).index("b")
    ends = []
    for source in ("real", "synthetic"):
        x = np.sort(one(frame, "b", source))
        (low,), (high,) = quantile_ranks(np.array([len(x)]), 0.5, 0.2)
        ends.append((x[low - 1], x[high - 1]))
    expected = [ends[0][0] - ends[1][1], ends[0][1] - ends[1][0]]
    np.testing.assert_allclose([gaps.lower[j, 0], gaps.upper[j, 0]], expected)
    medians = [np.median(one(frame, "b", s)) for s in ("real", "synthetic")]
    assert gaps.estimate[j, 0] == pytest.approx(medians[0] - medians[1])


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("interval", ["percentile", "basic"])
def test_bootstrap_against_scipy(interval: str, paired: bool) -> None:
    frame = tidy(paired=paired)
    unit = "unit" if paired else None
    model = TaskExchangeability.from_frame(frame, current="now", unit=unit)
    gaps, _ = gaps_at(model, 0.1, interval=interval, n_boot=9999)
    j = list(model.data.tasks).index("b")
    a, b = one(frame, "b", "real"), one(frame, "b", "synthetic")
    other = stats.bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
        paired=paired,
        vectorized=True,
        confidence_level=0.9,
        method=interval,
        rng=np.random.default_rng(1),
    ).confidence_interval
    # Ends of two runs of 9,999 draws differ by about .02 standard errors (1 in 50).
    close = 0.1 * np.hypot(a.std() / len(a) ** 0.5, b.std() / len(b) ** 0.5)
    np.testing.assert_allclose([gaps.lower[j, 0], gaps.upper[j, 0]], other, atol=close)


def test_bootstrap_of_any_function_vectorised_or_not() -> None:
    frame = tidy()
    fits = [
        TaskExchangeability.from_frame(frame, current="now", statistic=f).fit(
            1, 0.9, n_boot=199, seed=3
        )
        for f in (np.std, lambda x: float(np.std(x)))
    ]
    assert fits[0].settings.interval == "percentile"
    np.testing.assert_allclose(*(f.gaps for f in fits), **EXACT)


def test_too_few_draws_are_refused() -> None:
    model = TaskExchangeability.from_frame(tidy(), current="now")
    with pytest.raises(OptionError, match=r"n_boot=99 is too few .* n_boot=\d+ or"):
        model.fit(1, 0.1, interval="percentile", n_boot=99)


def test_results_of_statsmodels() -> None:
    rng = np.random.default_rng(0)

    def logit() -> object:
        data = pd.DataFrame({"x": rng.normal(size=300), "const": 1.0})
        y = rng.random(300) < 1.0 / (1.0 + np.exp(-data["x"]))
        return sm.Logit(y, data).fit(disp=0)

    real, made = [logit() for _ in range(30)], [logit() for _ in range(30)]
    now = logit()
    model = TaskExchangeability.from_results(real, made, now, params="x")
    result = model.fit(1, 0.2)
    gap = real[0].params["x"] - made[0].params["x"]  # type: ignore[attr-defined]
    se = np.hypot(real[0].bse["x"], made[0].bse["x"])  # type: ignore[attr-defined]
    level = result.allocation["alpha2"]
    expected = gap + np.array([-1.0, 1.0]) * stats.norm.isf(level / 2) * se
    np.testing.assert_allclose(
        result.gaps.loc[0, ["lower", "upper"]], expected, **EXACT
    )
    both = TaskExchangeability.from_results(real, made, now).fit(1, 0.4)
    # Two coordinates at alpha / 2 each: the same as one at alpha / 2.
    np.testing.assert_allclose(both.conf_int().loc["x"], result.conf_int().loc["x"])


def test_least_squares_results_use_student_t() -> None:
    x = sm.add_constant(np.arange(6.0))
    rng = np.random.default_rng(1)
    fits = [sm.OLS(rng.normal(size=6), x).fit() for _ in range(3)]
    data = TaskExchangeability.from_results(fits[:1], fits[1:2], fits[2]).data
    assert data.coordinates.tolist() == ["const", "x1"]
    np.testing.assert_allclose(data.synthetic.df, 4.0)


def test_bradley_terry_against_logit() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(5, size=(2, 800))
    first, second = first[first != second], second[first != second]
    won = rng.random(len(first)) < 1 / (1 + np.exp(0.5 * (second - first)))
    wins = np.zeros((1, 5, 5))
    np.add.at(wins[0], (first, second), won)
    np.add.at(wins[0], (second, first), ~won)
    design = np.eye(5)[first] - np.eye(5)[second]
    fit = sm.Logit(won, design[:, 1:]).fit(disp=0, tol=1e-12)
    found = log_strengths(wins, prior=1e-9)[0]
    # The prior of 1e-9 votes moves strengths by about 1e-10.
    np.testing.assert_allclose(found[1:] - found[0], fit.params, atol=1e-7)
    assert np.isfinite(log_strengths(np.array([[[0.0, 9.0], [0.0, 0.0]]]))).all()

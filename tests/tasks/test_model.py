"""Task exchangeability as users hold it: edge cases, messages, properties, figures."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
import pickle
from typing import Any
import warnings

from hypothesis import given
from hypothesis import strategies as st
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
import statsmodels.api as sm

from statsmodels_synth import TaskExchangeability
from statsmodels_synth.exceptions import (
    AlignmentError,
    CurrentTaskLabelsWarning,
    DataError,
    DegenerateGapWarning,
    DroppedTaskWarning,
    InfiniteIntervalWarning,
    OptionError,
)
from statsmodels_synth.tasks.exchange import band, band_ranks, leave_one_out_bands
from statsmodels_synth.tasks.model import example_model

SEEDS = st.integers(0, 10_000)
ALGORITHMS = st.sampled_from([1, 2, "finite"])
# Sums in another order differ by rounding.
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}


def summaries(n_tasks: int, seed: int = 0, ties: bool = False) -> pd.DataFrame:
    """Estimates of T tasks and the current one, "now"."""
    rng = np.random.default_rng(seed)
    n = n_tasks + 1
    frame = pd.DataFrame(
        {
            "real": rng.normal(size=n),
            "real_se": rng.uniform(0.05, 0.2, n),
            "synthetic": rng.normal(size=n),
            "synthetic_se": rng.uniform(0.05, 0.2, n),
            "year": rng.permutation(n).astype(float),
        },
        index=[*(f"t{j}" for j in range(n_tasks)), "now"],
    )
    if ties:
        frame = frame.round(0).assign(real_se=0.1, synthetic_se=0.1)
    frame.loc["now", ["real", "real_se"]] = np.nan
    return frame


def model(frame: pd.DataFrame, **options: Any) -> TaskExchangeability:
    return TaskExchangeability.from_estimates(frame, current="now", **options)


def interval(
    frame: pd.DataFrame, algorithm: Any, alpha: float, **fit: Any
) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InfiniteIntervalWarning)
        return model(frame).fit(algorithm, alpha, **fit).conf_int().to_numpy()[0]


# Properties


@given(seed=SEEDS, algorithm=ALGORITHMS, n_tasks=st.integers(1, 80), ties=st.booleans())
def test_monotone_in_alpha(seed: int, algorithm: Any, n_tasks: int, ties: bool) -> None:
    frame = summaries(n_tasks, seed, ties)
    found = [interval(frame, algorithm, a) for a in (0.02, 0.05, 0.1, 0.11, 0.3, 0.6)]
    for wide, narrow in pairwise(found):
        assert wide[0] <= narrow[0] + 1e-9
        assert wide[1] >= narrow[1] - 1e-9


@given(
    seed=SEEDS,
    algorithm=ALGORITHMS,
    shift=st.floats(-100, 100),
    scale=st.floats(0.01, 100).flatmap(lambda s: st.sampled_from([s, -s])),
)
def test_affine_equivariance(
    seed: int, algorithm: Any, shift: float, scale: float
) -> None:
    frame = summaries(45, seed)
    other = frame.copy()
    other[["real", "synthetic"]] = shift + scale * frame[["real", "synthetic"]]
    other[["real_se", "synthetic_se"]] = abs(scale) * frame[["real_se", "synthetic_se"]]
    expected = np.sort(shift + scale * interval(frame, algorithm, 0.1))
    np.testing.assert_allclose(interval(other, algorithm, 0.1), expected, **CLOSE)


@given(seed=SEEDS, algorithm=ALGORITHMS, ties=st.booleans())
def test_order_of_tasks(seed: int, algorithm: Any, ties: bool) -> None:
    frame = summaries(45, seed, ties)
    shuffled = frame.sample(frac=1.0, random_state=np.random.default_rng(seed))
    np.testing.assert_array_equal(
        interval(frame, algorithm, 0.1), interval(shuffled, algorithm, 0.1)
    )


@given(seed=SEEDS, n_tasks=st.integers(1, 60), alpha=st.floats(0.02, 0.9))
def test_equal_weights_are_no_weights(seed: int, n_tasks: int, alpha: float) -> None:
    ends = np.random.default_rng(seed).normal(size=(2, n_tasks, 2)).round(1)
    np.testing.assert_array_equal(
        band(ends[0], ends[1], alpha), band(ends[0], ends[1], alpha, np.ones(n_tasks))
    )


@given(seed=SEEDS, n_tasks=st.integers(2, 40), alpha=st.floats(0.05, 0.9))
def test_leave_one_out_is_what_it_says(seed: int, n_tasks: int, alpha: float) -> None:
    ends = np.random.default_rng(seed).normal(size=(2, n_tasks, 1)).round(1)
    low, high = leave_one_out_bands(ends[0], ends[1], alpha)
    again = leave_one_out_bands(ends[0], ends[1], alpha, lambda j: np.ones(n_tasks))
    for j in range(n_tasks):
        rest = np.arange(n_tasks) != j
        expected = band(ends[0][rest], ends[1][rest], alpha)
        np.testing.assert_array_equal([low[j], high[j]], expected)
    np.testing.assert_array_equal([low, high], again)


@given(seed=SEEDS, algorithm=ALGORITHMS)
def test_parts_add_up(seed: int, algorithm: Any) -> None:
    result = model(summaries(45, seed)).fit(algorithm, 0.1)
    widths = result.widths.iloc[0]
    assert widths[["W1", "W2", "W3"]].sum() == pytest.approx(widths["total"])
    assert (widths >= -1e-12).all()
    assert result.allocation.sum() == pytest.approx(0.1)
    np.testing.assert_allclose(
        result.synthetic_interval.to_numpy() + result.gap_band.to_numpy(),
        result.conf_int().to_numpy(),
    )


def test_algorithm_by_hand() -> None:
    frame = summaries(59, 3)
    result = model(frame).fit(1, 0.1)
    low, high = band_ranks(59, 0.07)
    assert (low, high) == (2, 58)
    gaps = result.gaps
    expected = np.sort(gaps["lower"])[low - 1], np.sort(gaps["upper"])[high - 1]
    np.testing.assert_array_equal(result.gap_band.iloc[0], expected)
    second = model(frame).fit(2, 0.1, alphas=(0.01, 0.02, 0.07))
    half = (second.gaps["upper"] - second.gaps["lower"]) / 2
    root = np.hypot(frame["real_se"], frame["synthetic_se"]).drop("now")
    np.testing.assert_allclose(half / root, norm.isf(0.02 / 59 / 2))


def test_bootstrap_does_not_depend_on_the_order_of_rows_of_other_tasks() -> None:
    rng = np.random.default_rng(0)
    frame = pd.concat(
        pd.DataFrame({"task": t, "source": s, "value": rng.normal(size=12)})
        for t in range(25)
        for s in ("real", "synthetic")
        if (t, s) != (24, "real")
    )
    fits = [
        TaskExchangeability.from_frame(f, current=24).fit(
            1, 0.2, interval="percentile", n_boot=499, seed=4
        )
        for f in (frame, pd.concat([frame.iloc[240:], frame.iloc[:240]]))
    ]
    pd.testing.assert_frame_equal(*(f.conf_int() for f in fits))


# Edge cases


def test_one_task_is_infinite_and_says_how_many_would_do() -> None:
    with pytest.warns(InfiniteIntervalWarning, match=r"1 historical .* is.* 20 "):
        result = model(summaries(1)).fit(1, 0.1)
    assert np.isneginf(result.exchange.lower[0])
    assert np.isposinf(result.exchange.upper[0])
    assert np.isnan(result.widths["W2"].iloc[0])
    text = str(result.summary())
    assert "THE INTERVAL IS INFINITE" in text
    assert "cannot be" in text
    plt.close(result.plot())
    with pytest.raises(DataError, match="Leave-one-out needs two"):
        result.loo()
    with pytest.warns(InfiniteIntervalWarning, match=r"19 would do"):
        model(summaries(1)).fit("finite", 0.1)


@pytest.mark.parametrize(
    ("algorithm", "alphas"),
    [(1, None), (2, None), ("finite", None), (1, (0.02, 0.03, 0.05))],
)
def test_as_many_tasks_as_the_warning_says_do(algorithm: Any, alphas: Any) -> None:
    with pytest.warns(InfiniteIntervalWarning) as caught:
        model(summaries(5)).fit(algorithm, 0.1, alphas)
    need = int(str(caught[0].message).split(" would do")[0].split()[-1])
    assert np.isfinite(
        model(summaries(need)).fit(algorithm, 0.1, alphas).conf_int()
    ).all(axis=None)
    with pytest.warns(InfiniteIntervalWarning):
        model(summaries(need - 1)).fit(algorithm, 0.1, alphas)


def test_alpha3_is_lifted() -> None:
    result = model(summaries(24)).fit(1, 0.1)
    assert result.allocation["alpha3"] == pytest.approx(0.08)
    assert result.allocation["alpha2"] == pytest.approx(2 * result.allocation["alpha1"])
    assert np.isfinite(result.conf_int()).all(axis=None)


def test_ties_and_identical_gaps() -> None:
    frame = summaries(45).assign(real=1.0, synthetic=0.5)
    frame.loc["now", "real"] = np.nan
    result = model(frame).fit("finite", 0.1)
    np.testing.assert_allclose(result.conf_int(), [[1.0, 1.0]])
    assert result.loo().coverage == 1.0
    assert result.trend_test().pvalue == 1.0


def test_zero_variance_warns() -> None:
    frame = summaries(45)
    frame.loc[["t3", "t4"], ["real_se", "synthetic_se"]] = 0.0
    with pytest.warns(DegenerateGapWarning, match=r"2 tasks \('t3', 't4'\) do not"):
        result = model(frame).fit()
    assert np.isfinite(result.gaps).all(axis=None)
    frame.loc["now", "synthetic_se"] = 0.0
    with pytest.warns(DegenerateGapWarning, match=r"3 tasks .*'now'"):
        model(frame).fit()


def tidy(n_tasks: int = 45, n: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.concat(
        [
            pd.DataFrame(
                {"task": t, "source": s, "value": rng.random(n), "unit": range(n)}
            ).assign(year=2000 + t)
            for t in range(n_tasks + 1)
            for s in ("real", "synthetic")
            if t < n_tasks or s == "synthetic"
        ],
        ignore_index=True,
    )


def from_tidy(frame: pd.DataFrame, **options: Any) -> TaskExchangeability:
    return TaskExchangeability.from_frame(frame, **({"current": 45} | options))


def test_zero_variance_of_samples_and_hoeffding() -> None:
    frame = tidy()
    frame.loc[frame["task"].isin([3, 45]), "value"] = 0.1
    with pytest.warns(DegenerateGapWarning, match=r"2 tasks \(3, 45\)"):
        from_tidy(frame).fit()
    result = from_tidy(frame).fit(interval="hoeffding", bounds=(0, 1))
    assert (result.gaps["upper"] > result.gaps["lower"]).all()


def test_samples_of_one_are_infinitely_uncertain() -> None:
    frame = tidy()
    few = frame[(frame["task"] > 2) | (frame["unit"] == 0)]
    with pytest.warns(InfiniteIntervalWarning, match="3 tasks .* are too small"):
        from_tidy(few).fit()
    assert np.isfinite(from_tidy(few).fit("finite").conf_int()).all(axis=None)


def test_tasks_without_synthetic_data() -> None:
    frame = tidy()
    lacks = frame[~((frame["task"] == 7) & (frame["source"] == "synthetic"))]
    with pytest.raises(DataError, match=r"1 historical task without .* \(7\)"):
        from_tidy(lacks)
    with pytest.warns(DroppedTaskWarning, match=r"synthetic data \(7\).*left out"):
        result = from_tidy(lacks, missing="drop", covariates="year").fit()
    assert result.n_tasks == 44
    rest = from_tidy(frame[frame["task"] != 7]).fit()
    pd.testing.assert_frame_equal(result.conf_int(), rest.conf_int())
    with pytest.raises(DataError, match="The current task 45 has no synthetic data"):
        from_tidy(
            pd.concat(
                [
                    frame[frame["task"] < 45],
                    pd.DataFrame({"task": [45], "source": ["real"], "value": [0.0]}),
                ]
            )
        )


def test_real_data_of_the_current_task_are_not_used() -> None:
    frame = tidy()
    more = pd.concat(
        [frame, pd.DataFrame({"task": [45], "source": ["real"], "value": [0.0]})]
    )
    with pytest.warns(CurrentTaskLabelsWarning, match="AugmentedGMM"):
        result = from_tidy(more).fit()
    pd.testing.assert_frame_equal(result.conf_int(), from_tidy(frame).fit().conf_int())


def test_missing_rows() -> None:
    frame = tidy()
    frame.loc[4, "value"] = np.nan
    with pytest.raises(DataError, match=r"missing in 1 row .*rows 4.*'value'"):
        from_tidy(frame)
    with pytest.warns(DroppedTaskWarning, match="left out"):
        from_tidy(frame, missing="drop")


# Messages


def without(frame: pd.DataFrame, **changes: Any) -> pd.DataFrame:
    return frame.assign(**changes)


ERRORS: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    (
        "column",
        lambda: from_tidy(tidy(), value="valu"),
        DataError,
        "Did you mean 'value'",
    ),
    ("current", lambda: from_tidy(tidy(), current=99), DataError, "task 99 has no row"),
    (
        "source",
        lambda: from_tidy(without(tidy(), source="human")),
        DataError,
        "other than 'real' and 'synthetic': 'human'",
    ),
    ("text", lambda: from_tidy(tidy(), value="source"), DataError, "not numeric"),
    (
        "infinite",
        lambda: from_tidy(without(tidy(), value=np.inf)),
        DataError,
        "infinite values",
    ),
    (
        "weights",
        lambda: from_tidy(without(tidy(), w=0.0), weight="w"),
        DataError,
        "must be above 0",
    ),
    (
        "weighted median",
        lambda: from_tidy(tidy(), weight="year", statistic="median"),
        OptionError,
        "for means only",
    ),
    ("statistic", lambda: from_tidy(tidy(), statistic=2.0), OptionError, "between 0"),
    (
        "covariate",
        lambda: from_tidy(tidy(), covariates="value"),
        DataError,
        "varies within 46 tasks",
    ),
    (
        "pairs",
        lambda: from_tidy(tidy().drop(index=0), unit="unit"),
        AlignmentError,
        "0 of task 0, which has no real row",
    ),
    (
        "repeated pairs",
        lambda: from_tidy(without(tidy(), unit=1), unit="unit"),
        AlignmentError,
        "occurs twice",
    ),
    (
        "repeated task",
        lambda: model(pd.concat([summaries(3), summaries(3)])),
        DataError,
        "repeat a task",
    ),
    (
        "incomplete",
        lambda: model(summaries(3).assign(real_se=[0.1, np.nan, 0.1, np.nan])),
        DataError,
        "real estimate of 1 task .'t1'. is incomplete",
    ),
    (
        "negative",
        lambda: model(summaries(3).assign(synthetic_se=-1.0)),
        DataError,
        "must not be negative",
    ),
    (
        "n",
        lambda: model(summaries(3).assign(n=1.0), synthetic_n="n"),
        DataError,
        "at least 2",
    ),
    (
        "correlation",
        lambda: model(summaries(3).assign(r=2.0), correlation="r"),
        DataError,
        "between -1 and 1",
    ),
    ("no frame", lambda: model([1]), DataError, "DataFrame is needed"),  # type: ignore[arg-type]
    (
        "constructor",
        lambda: TaskExchangeability(3),
        OptionError,
        "made with from_frame",
    ),  # type: ignore[arg-type]
    (
        "results",
        lambda: TaskExchangeability.from_results([1], [], 2),
        AlignmentError,
        "1 real and 0 synthetic",
    ),
    (
        "no result",
        lambda: TaskExchangeability.from_results([1], [1], 2),
        DataError,
        "has no params",
    ),
    (
        "player",
        lambda: TaskExchangeability.from_votes(votes(), current="q"),
        DataError,
        "'q' has no row",
    ),
    (
        "vote",
        lambda: TaskExchangeability.from_votes(votes().assign(judge=2), current="d"),
        DataError,
        "must be 1",
    ),
    (
        "reference",
        lambda: TaskExchangeability.from_votes(votes(), current="d", reference="d"),
        OptionError,
        "no historical player",
    ),
]
FITS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"algorithm": 3}, OptionError, "algorithm=3 does not exist"),
    ({"alpha": 1.5}, OptionError, "not between 0 and 1"),
    (
        {"alpha": 0.1, "alphas": (0.1, 0.1, 0.1)},
        OptionError,
        "add up to 0.3, not to alpha=0.1",
    ),
    ({"alphas": (0.1, 0.1)}, OptionError, "has 2 parts"),
    ({"alphas": (0.1, 0.0, 0.0)}, OptionError, "part 2"),
    ({"alphas": 3}, OptionError, "not a tuple of numbers"),
    (
        {"algorithm": "finite", "alphas": (0.01, 0.02, 0.07)},
        OptionError,
        "no meaning for algorithm='finite'",
    ),
    ({"interval": "welsh"}, OptionError, "Did you mean 'welch'"),
    ({"interval": "paired"}, OptionError, "does not exist for estimates.*correlation="),
    ({"interval": "hoeffding"}, OptionError, "go together"),
    ({"interval": "hoeffding", "bounds": (1, 0)}, OptionError, "smallest first"),
    ({"weights": "gausian"}, OptionError, "Did you mean 'gaussian'"),
    ({"weights": "gaussian"}, OptionError, "there are none"),
    ({"weights": [1.0]}, AlignmentError, "shape .1,.; there are 45"),
    ({"weights": np.full(45, 2.0)}, OptionError, "Divide by the largest"),
    ({"weights": pd.Series({"t1": 1.0})}, AlignmentError, "'t0'.* are absent"),
    ({"n_boot": 0}, OptionError, "n_boot=0 must be a whole number"),
]


def votes(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Comparisons of players "a" to "d"; the judge likes "d" too much."""
    rng = np.random.default_rng(seed)
    strength = pd.Series({"a": 0.0, "b": 0.5, "c": 1.0, "d": 0.2})
    pairs = np.array([rng.permutation(4)[:2] for _ in range(n)])
    first, second = strength.index[pairs[:, 0]], strength.index[pairs[:, 1]]
    chance = 1 / (1 + np.exp(strength.to_numpy()[pairs] @ [-1.0, 1.0]))
    return pd.DataFrame(
        {
            "model_a": first,
            "model_b": second,
            "human": (rng.random(n) < chance).astype(float),
            "judge": (rng.random(n) < chance).astype(float),
        }
    )


@pytest.mark.parametrize("case", ERRORS, ids=[case[0] for case in ERRORS])
def test_errors_say_what_and_where(case: Any) -> None:
    _, act, error, text = case
    with pytest.raises(error, match=text):
        act()


@pytest.mark.parametrize(("options", "error", "text"), FITS)
def test_fit_options_are_checked(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        model(summaries(45)).fit(**options)


def test_bounds_that_do_not_hold() -> None:
    with pytest.raises(OptionError, match="real values lie between"):
        from_tidy(tidy()).fit(interval="hoeffding", bounds=(0.0, 0.5))


# Results


def test_several_coordinates_are_rectangles() -> None:
    frame = tidy().assign(other=lambda f: f["value"] ** 2)
    both = from_tidy(frame, value=["value", "other"]).fit(1, 0.2)
    alone = from_tidy(frame, value="other").fit(1, 0.1)
    np.testing.assert_allclose(both.conf_int().loc["other"], alone.conf_int().iloc[0])
    assert both.gaps.index.names == ["task", "coordinate"]
    plt.close(both.plot())
    with pytest.raises(OptionError, match="2 coordinates"):
        both.plot(plt.gca())
    plt.close("all")
    assert len(both.loo().table) == 90


def test_long_estimates_with_coordinates() -> None:
    frame = summaries(60)
    long = pd.concat([frame.assign(c="x"), frame.assign(c="y")])
    result = model(long, coordinate="c").fit(1, 0.2)
    expected = model(frame).fit(1, 0.1).conf_int().iloc[0]
    np.testing.assert_allclose(result.conf_int().loc["y"], expected)


def test_kernel_weights_help_where_gaps_drift() -> None:
    rng = np.random.default_rng(0)
    frame = summaries(300).assign(
        year=np.arange(301.0), synthetic=lambda f: f["real"] - np.arange(301.0) / 50
    )
    frame.loc["now", "synthetic"] = 0.0
    frame["real"] += rng.normal(scale=0.1, size=301)
    made = model(frame, covariates="year")
    plain, weighted = made.fit(1, 0.2), made.fit(1, 0.2, weights="gaussian")
    assert "EXCHANGEABILITY IS DOUBTFUL: gaps move with 'year'" in plain.verdict()
    assert weighted.gap_band["lower"].iloc[0] > plain.gap_band["lower"].iloc[0]
    assert weighted.effective_tasks < 200
    assert plain.trend_test("year").pvalue == 0.001
    assert plain.temporal_split("year").pvalue < 1e-6
    assert "total variation" in " ".join(str(weighted.summary()).split())
    far = pd.Series(np.linspace(1.0, 0.0, 300), index=frame.index[:-1])
    assert weighted.coverage_gap(far) < plain.coverage_gap(far)
    assert weighted.coverage_gap(0.0) == 0.0
    again = made.fit(1, 0.3, weights="gaussian").conf_int()
    pd.testing.assert_frame_equal(weighted.conf_int(0.3), again)
    assert weighted.loo().weighted
    assert not made.fit(weights=np.ones(300)).loo().weighted


def test_weights_that_are_too_small_for_finite_ends() -> None:
    made = model(summaries(45))
    with pytest.warns(InfiniteIntervalWarning, match="Weights that add up to 9 are"):
        made.fit(weights=np.full(45, 0.2))
    with pytest.warns(InfiniteIntervalWarning, match="add up to 0"):
        assert made.fit(weights=np.zeros(45)).effective_tasks == 0.0


def test_user_weights_by_label() -> None:
    frame = summaries(45)
    weights = pd.Series(np.linspace(0.5, 1.0, 45), index=frame.index[:-1])
    made = model(frame)
    first = made.fit(weights=weights.iloc[::-1]).conf_int()
    pd.testing.assert_frame_equal(
        first, made.fit(weights=weights.to_numpy()).conf_int()
    )


def test_current_task_that_is_unlike_the_others() -> None:
    frame = summaries(99)
    frame.loc["now", "synthetic"] = 50.0
    result = model(frame).fit()
    assert result.typicality().iloc[0] == pytest.approx(0.02)
    assert "unlike those of the historical tasks (p = 0.02)" in result.verdict()


def test_trend_test_has_its_level() -> None:
    """Exact under exchangeability: p is below .1 one time in ten."""
    rejected = [
        example.trend_test("year", n_permutations=99, seed=s).pvalue <= 0.1
        for s in range(200)
        for example in [model(summaries(20, s), covariates="year").fit("finite", 0.2)]
    ]
    # Four standard errors of a share of .1 in 200.
    assert np.mean(rejected) == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 200))


def test_conf_int_at_another_alpha() -> None:
    made = model(summaries(60))
    pd.testing.assert_frame_equal(
        made.fit(2, 0.1).conf_int(0.2), made.fit(2, 0.2).conf_int()
    )
    alphas = (0.02, 0.02, 0.06)
    # Without alpha it is their sum.
    inferred = made.fit(1, alphas=alphas)
    assert inferred.settings.alpha == 0.1
    pd.testing.assert_frame_equal(
        inferred.conf_int(), made.fit(1, 0.1, alphas).conf_int()
    )
    pd.testing.assert_frame_equal(
        made.fit(1, 0.1, alphas).conf_int(0.2),
        made.fit(1, 0.2, (0.04, 0.04, 0.12)).conf_int(),
    )


def test_votes() -> None:
    more = votes(seed=1).replace({"a": "x", "b": "y", "c": "z"})
    frame = pd.concat([votes(), more], ignore_index=True)
    with pytest.raises(DataError, match="'x', 'y', 'z' are not connected with 'a'"):
        TaskExchangeability.from_votes(frame, current="d")
    frame = pd.concat([frame, more.replace({"x": "a"})], ignore_index=True)
    made = TaskExchangeability.from_votes(frame, current="d", n_boot=999)
    assert sorted(made.data.tasks) == ["a", "b", "c", "x", "y", "z"]
    with pytest.warns(InfiniteIntervalWarning):
        result = made.fit(1, 0.2)
    assert result.settings.interval == "percentile"
    # Strengths are relative to the mean of the historical players, on both sides.
    np.testing.assert_allclose(result.gaps[["real", "synthetic"]].sum(), 0.0, atol=1e-9)
    wide = made.fit(1, 0.9, interval="basic")
    assert (wide.gaps["lower"] < wide.gaps["upper"]).all()
    shuffled = frame.sample(frac=1.0, random_state=np.random.default_rng(0))
    again = TaskExchangeability.from_votes(shuffled, current="d", n_boot=999)
    pd.testing.assert_frame_equal(again.fit(1, 0.9, interval="basic").gaps, wide.gaps)
    with pytest.raises(OptionError, match="votes with statistic='Bradley-Terry'"):
        made.fit(interval="welch")
    anchored = TaskExchangeability.from_votes(frame, current="d", reference="a")
    assert "a" not in anchored.data.tasks
    apart = frame.assign(human=frame["human"].where(frame["model_a"] != "a"))
    with pytest.raises(DataError, match="are not"):
        TaskExchangeability.from_votes(apart, current="d")


def test_summary_has_everything() -> None:
    text = str(example_model().fit().summary())
    for part in (
        "Task Exchangeability Results",
        "valid lower",
        "synth. only lower",
        "Delta_L",
        "alpha1 (synthetic):",
        "W1 synthetic",
        "W2 gap error",
        "W3 gap spread",
        "No. tasks (T):",
        "Verdict",
        "Leave-one-out",
    ):
        assert part in text
    assert example_model().fit().summary().as_html().startswith("<table")
    assert "tabular" in example_model().fit().summary().as_latex()


def test_figures_draw_into_given_axes() -> None:
    result = example_model().fit()
    figure, axes = plt.subplots(1, 2)
    assert result.plot(ax=axes[0]) is figure
    assert result.plot_covariate("year", ax=axes[1]) is figure
    assert axes[1].get_xlabel() == "year"
    assert len(axes[0].collections) >= 1
    with pytest.raises(OptionError, match=r"no covariate 'yer'\. Did you mean 'year'"):
        result.plot_covariate("yer")
    plt.close(figure)


def test_results_survive_a_pickle() -> None:
    result = example_model().fit(weights="gaussian")
    again = pickle.loads(pickle.dumps(result))
    assert str(again.conf_int()) == str(result.conf_int())
    assert "60 historical tasks" in repr(again)


def test_augmented_results_can_be_tasks() -> None:
    """Any result with params and cov_params will do."""
    x = sm.add_constant(np.arange(8.0))
    rng = np.random.default_rng(0)
    fits = [
        sm.GLM(rng.poisson(3, 8), x, family=sm.families.Poisson()).fit()
        for _ in range(5)
    ]
    data = TaskExchangeability.from_results(
        fits[:2], fits[2:4], fits[4], tasks=["old", "older"], name="new"
    ).data
    assert np.isinf(data.synthetic.df).all()
    assert list(data.tasks) == ["old", "older"]


def test_summary_where_leave_one_out_needs_more_draws() -> None:
    made = from_tidy(tidy(21), current=21)
    # 21 tasks leave alpha1 = .0030, which needs 659 draws; 20 leave half of that.
    result = made.fit(1, 0.1, interval="percentile", n_boot=799)
    assert "Leave-one-out could not be done. n_boot=799" in " ".join(
        str(result.summary()).split()
    )

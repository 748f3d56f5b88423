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
    DataError,
    DegenerateGapWarning,
    DroppedTaskWarning,
    InfiniteIntervalWarning,
    OptionError,
)
from statsmodels_synth.tasks.model import example_model


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


# The verdict


def estimates(n_tasks: int, now: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "real": rng.normal(size=n_tasks + 1),
            "real_se": 0.1,
            "synthetic": rng.normal(size=n_tasks + 1),
            "synthetic_se": 0.1,
        }
    )
    frame.loc[n_tasks, ["real", "real_se", "synthetic"]] = np.nan, np.nan, now
    return frame


def verdict(frame: pd.DataFrame, **options: Any) -> str:
    model = TaskExchangeability.from_estimates(
        frame, current=frame.index[-1], **options
    )
    return model.fit("finite", 0.5).verdict()


def test_a_check_that_cannot_reject_does_not_find_no_sign() -> None:
    far = verdict(estimates(40, now=1e6))
    assert far.startswith("EXCHANGEABILITY CANNOT BE JUDGED")
    assert "beyond those of all historical tasks" in far
    assert "No sign" not in far
    near = verdict(estimates(40))
    assert near.startswith("No sign against exchangeability in a trend of the gaps")
    assert "past ones cannot speak with 40 tasks (p is at least 0.049" in near
    assert "cannot speak" not in verdict(estimates(80))
    assert "DOUBTFUL" in verdict(estimates(80, now=1e6))


def test_a_covariate_with_few_values_cannot_speak() -> None:
    frame = estimates(12).assign(late=0.0)
    frame.loc[[0, 12], "late"] = 1.0
    found = verdict(frame, covariates="late")
    assert "No sign" not in found
    assert "'late' cannot speak with 12 tasks (p is at least 0.15 and 0.083" in found


def test_trend_with_many_coordinates_keeps_its_power() -> None:
    """The largest of 60 correlations: Bonferroni could not get below .06."""
    rng = np.random.default_rng(0)
    parts = []
    for k in range(60):
        part = estimates(30).assign(which=k, task=np.arange(31), year=np.arange(31.0))
        part.loc[:29, "real"] = rng.normal(size=30) + (k == 7) * np.arange(30)
        parts.append(part)
    model = TaskExchangeability.from_estimates(
        pd.concat(parts, ignore_index=True),
        current=30,
        task="task",
        coordinate="which",
        covariates="year",
    )
    with pytest.warns(InfiniteIntervalWarning):
        result = model.fit("finite", 0.5)
    assert result.trend_test("year").pvalue == pytest.approx(0.001)
    assert "DOUBTFUL: gaps move with 'year'" in result.verdict()


def test_leave_one_out_with_infinite_intervals_claims_nothing() -> None:
    frame = estimates(19)
    model = TaskExchangeability.from_estimates(frame, current=19)
    text = " ".join(str(model.fit("finite", 0.1).summary()).split())
    assert "Leave-one-out needs more tasks" in text
    assert "100.0%" not in text


# Votes


def votes(seed: int = 0) -> pd.DataFrame:
    """Comparisons of "a" to "d" at random."""
    rng = np.random.default_rng(seed)
    pairs = np.array([rng.permutation(4)[:2] for _ in range(300)])
    names = np.array(list("abcd"))
    return pd.DataFrame(
        {
            "model_a": names[pairs[:, 0]],
            "model_b": names[pairs[:, 1]],
            "human": rng.integers(2, size=300) * 1.0,
            "judge": rng.integers(2, size=300) * 1.0,
        }
    )


@pytest.mark.parametrize("column", ["human", "judge"])
@pytest.mark.parametrize("won", [0.0, 1.0])
def test_players_who_won_or_lost_every_vote_are_named(column: str, won: float) -> None:
    frame = votes()
    frame.loc[frame["model_a"] == "b", column] = won
    frame.loc[frame["model_b"] == "b", column] = 1.0 - won
    who = {"human": "human", "judge": "autorater"}[column]
    with pytest.warns(DegenerateGapWarning, match=rf"By {who} votes, 1 player \('b'\)"):
        TaskExchangeability.from_votes(frame, current="d", n_boot=9)


def test_votes_are_resampled_when_they_are_read() -> None:
    model = TaskExchangeability.from_votes(votes(), current="d", n_boot=199, seed=5)
    for options in ({"n_boot": 500}, {"seed": 1}):
        with pytest.raises(OptionError, match="to from_votes"):
            model.fit(1, 0.9, **options)  # type: ignore[arg-type]
    result = model.fit(1, 0.9)
    assert (result.settings.n_boot, result.settings.seed) == (199, 5)
    again = model.fit(1, 0.9, n_boot=199, seed=5)
    pd.testing.assert_frame_equal(again.conf_int(0.8), result.conf_int(0.8))
    with pytest.raises(OptionError, match=r"n_boot=\d+ or more to from_votes\.$"):
        model.fit(1, 0.05)


def test_the_alphabet_of_players_is_no_trend() -> None:
    rng = np.random.default_rng(0)
    names = np.array([f"p{k:02d}" for k in range(13)])
    pairs = np.array([rng.permutation(13)[:2] for _ in range(3000)])
    frame = pd.DataFrame(
        {
            "model_a": names[pairs[:, 0]],
            "model_b": names[pairs[:, 1]],
            "human": rng.integers(2, size=3000) * 1.0,
            # The judge prefers whoever comes late in the alphabet.
            "judge": (rng.normal(size=3000) < pairs @ [0.1, -0.1]) * 1.0,
        }
    )
    model = TaskExchangeability.from_votes(frame, current="p12", n_boot=199)
    result = model.fit("finite", 0.5)
    assert result.trend_test().pvalue == pytest.approx(0.001)
    assert "order of the tasks" not in result.verdict()
    assert "cannot speak with 12 tasks" in result.verdict()


# Matching by name


def test_results_with_keys_are_matched_by_them() -> None:
    a, b, c, d, now = fits(5)
    expected = TaskExchangeability.from_results([a, b], [c, d], now, tasks=["x", "y"])
    for kind in (dict, pd.Series):
        found = TaskExchangeability.from_results(
            kind({"x": a, "y": b}), kind({"y": d, "x": c}), now
        ).data
        assert list(found.tasks) == ["x", "y"]
        np.testing.assert_array_equal(found.gaps.value, expected.data.gaps.value)
    turned = TaskExchangeability.from_results(
        {1: b, 0: a}, pd.Series({0: c, 1: d}), now, tasks=[0, 1]
    ).data
    np.testing.assert_array_equal(turned.gaps.value, expected.data.gaps.value)


@pytest.mark.parametrize(
    ("real", "synthetic", "tasks", "error", "text"),
    [
        ({"x": 0}, {"y": 1}, None, AlignmentError, "real= lacks 1 task of synthetic="),
        ({"x": 0}, {"x": 1}, ["y"], AlignmentError, "real= lacks 1 task of tasks="),
        ({"x": 0}, [1], None, OptionError, "has keys, the other is a list"),
        (pd.Series([0, 1], ["x", "x"]), {"x": 1}, None, AlignmentError, "several"),
        (iter([0]), [1], None, DataError, "real= is a list_iterator. Give a list"),
        ([0], {1}, None, DataError, "synthetic= is a set"),
    ],
)
def test_results_that_cannot_be_matched(
    real: Any, synthetic: Any, tasks: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        TaskExchangeability.from_results(real, synthetic, fits(1)[0], tasks=tasks)


def test_a_lone_result_is_no_list() -> None:
    a, b, now = fits(3)
    with pytest.raises(DataError, match=r"real= is one result \(RegressionResults"):
        TaskExchangeability.from_results(a, b, now)  # type: ignore[arg-type]


def test_missing_values_drop_pairs() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (task, source, unit, rng.normal())
        for task in ("old", "older", "now")
        for source in ("real", "synthetic")
        for unit in range(6)
        if (task, source) != ("now", "real")
    ]
    frame = pd.DataFrame(rows, columns=["task", "source", "id", "value"])
    options: dict[str, Any] = {"current": "now", "unit": "id"}
    pairs = (frame["task"] == "old") & (frame["id"] == 2)
    expected = TaskExchangeability.from_frame(frame[~pairs], **options).data
    frame.loc[pairs & (frame["source"] == "real"), "value"] = np.nan
    with pytest.raises(DataError, match="missing='drop'"):
        TaskExchangeability.from_frame(frame, **options)
    with pytest.warns(DroppedTaskWarning, match="with 1 row that they pair with"):
        found = TaskExchangeability.from_frame(frame, missing="drop", **options).data
    np.testing.assert_array_equal(found.gaps.value, expected.gaps.value)
    np.testing.assert_array_equal(found.gaps.se, expected.gaps.se)


def test_a_kernel_promises_given_the_covariates() -> None:
    model = example_model()
    given = "if, given the covariates that weight them, the tasks"
    assert given in " ".join(str(model.fit(weights="gaussian").summary()).split())
    for weights in (None, np.full(60, 0.9)):
        assert given not in " ".join(str(model.fit(weights=weights).summary()).split())


# Options of a wrong type


def test_options_of_a_wrong_type_are_refused() -> None:
    make, frame = TaskExchangeability.from_estimates, estimates(12).assign(year=1.0)
    model = make(frame, current=12)
    for options, text in (
        ({"bandwidth": "1", "weights": "gaussian"}, "bandwidth='1' must be a number"),
        ({"bandwidth": 2.0}, "weights='gaussian' too"),
        ({"bandwidth": 2.0, "weights": np.ones(12)}, "weights='gaussian' too"),
        ({"algorithm": "1"}, "algorithm='1' is text. Give the number 1"),
    ):
        with pytest.raises(OptionError, match=text):
            model.fit(**options)  # type: ignore[arg-type]
    a, b, now = fits(3)
    results, ballots = TaskExchangeability.from_results, votes()
    for act, text in (
        (lambda: make(frame, current=[12]), "current= is a list"),
        (lambda: make(frame, current=12, covariates=["year"] * 2), "named twice"),
        (lambda: results([a], [b], now, params=["x1", "x1"]), "'x1' is named twice"),
        (lambda: results([a], [b], now, name=["x"]), "name= is a list"),  # type: ignore[arg-type]
        (
            lambda: TaskExchangeability.from_votes(ballots, current="d", prior="1"),  # type: ignore[arg-type]
            "prior='1' must be a number",
        ),
        (
            lambda: TaskExchangeability.from_frame(
                pd.DataFrame(columns=["task", "source", "value", "u"]),
                current=["d"],
                unit="u",
            ),
            "current= is a list",
        ),
    ):
        with pytest.raises(OptionError, match=text):
            act()


def test_names_can_be_arrays() -> None:
    a, b, now = fits(3)
    make = TaskExchangeability.from_results
    names = np.array(["x1", "const"])
    found = make([a], [b], now, params=names).data  # type: ignore[arg-type]
    assert list(found.coordinates) == ["x1", "const"]

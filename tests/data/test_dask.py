"""Rows in Dask partitions: the same numbers as in memory, and errors that say where."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import pickle
import re
import signal
import sys
import threading
import time
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import (
    AlignmentError,
    CollinearityError,
    CoverageWarning,
    DataError,
    FormulaError,
    OptionError,
    SeparationError,
)

dd = pytest.importorskip("dask.dataframe")
out_of_core = pytest.importorskip("benchmarks.out_of_core")
pytestmark = pytest.mark.filterwarnings(
    "ignore:The inplace keyword",  # in Dask's reading of Parquet
    # Said alike of frames in memory; where it matters, it is tested.
    "ignore::statsmodels_synth.exceptions.CoverageWarning",
    "ignore::statsmodels_synth.exceptions.FewUnitsWarning",
)
#: Estimates in standard errors, and ratios of standard errors. Sums are the same up to
#: rounding; above 100,000 units the solver stops at a step of 1e-7, which leaves less.
TOLERANCE = 1e-8
UNITS = 3_000


def draw(n_units: int = UNITS, seed: int = 0) -> pd.DataFrame:
    """Units with everything that a formula may ask for."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n_units),
            "z": rng.exponential(size=n_units),
            "g": rng.choice(list("abc"), n_units),
            "k": rng.integers(0, 3, n_units),
            "b": rng.random(n_units) < 0.4,
            "w": rng.uniform(0.5, 2.0, n_units),
            "hours": rng.uniform(1.0, 3.0, n_units),
            "stratum": rng.choice(["low", "high"], n_units),
        },
        pd.Index([f"u{k:07d}" for k in range(n_units)], name="unit"),
    )
    # The last level is rare, and shows in the last rows alone.
    frame.iloc[-max(20, n_units // 50) :, frame.columns.get_loc("g")] = "z"
    linear = 0.2 + 0.6 * frame.x - 0.3 * frame.z + 0.5 * (frame.g == "b")
    truth = rng.random(n_units) < 1.0 / (1.0 + np.exp(-linear))
    frame["guess"] = truth ^ (rng.random(n_units) < 0.15)
    frame["made_x"] = frame.x + 0.3 * rng.normal(size=n_units)
    frame["made_y"] = (rng.random(n_units) < 0.2 + 0.4 * truth).astype(float)
    frame["count"] = rng.poisson(np.exp(0.3 * frame.x) * frame.hours).astype(float)
    frame["count_guess"] = frame["count"] + rng.integers(0, 2, n_units)
    frame["p"] = np.where(frame.stratum == "low", 0.1, 0.3)
    chosen = rng.random(n_units) < frame.p
    chosen |= (frame.g == "z") & (rng.random(n_units) < 0.5)
    frame["chosen"] = chosen
    frame["y"] = np.where(chosen, truth, np.nan)
    frame.loc[~frame.chosen, "count"] = np.nan
    return frame


def replicates(units: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """None to three synthetic rows for each unit, some of them incomplete."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(len(units)), rng.integers(0, 4, len(units)))
    made = units.iloc[rows][["x", "z", "g", "k", "b", "hours"]].copy()
    made["x"] += 0.3 * rng.normal(size=len(made))
    made["y"] = (rng.random(len(made)) < 0.3 + 0.3 * units.made_y.iloc[rows]).to_numpy()
    made.loc[rng.random(len(made)) < 0.05, "z"] = np.nan
    return made


WIDE: dict[str, Any] = {
    "proxy": {"y": "guess"},
    "synthetic": {"x": "made_x", "y": "made_y"},
    "family": sm.families.Binomial(),
}


def agree(ours: Any, peer: Any) -> None:
    """Everything that a result says is the same."""
    assert list(ours.params.index) == list(peer.params.index)
    assert np.max(np.abs(ours.params - peer.params) / peer.bse) < TOLERANCE
    np.testing.assert_allclose(ours.bse, peer.bse, rtol=TOLERANCE)
    np.testing.assert_allclose(
        ours.real_only.params, peer.real_only.params, rtol=1e-7, atol=1e-9
    )
    np.testing.assert_allclose(ours.naive_bse, peer.naive_bse, rtol=1e-7)
    assert ours.jtest()[0] == pytest.approx(peer.jtest()[0], rel=1e-6, abs=1e-8)
    facts = ["kind", "covered", "covered_labeled", "replicates", "dropped_rows"]
    pd.testing.assert_frame_equal(ours.sources[facts], peer.sources[facts])
    assert (ours.n_units, ours.n_labeled) == (peer.n_units, peer.n_labeled)
    assert ours.df_resid == pytest.approx(peer.df_resid, rel=1e-9)
    np.testing.assert_allclose(
        ours.representativeness().iloc[:, 0],
        peer.representativeness().iloc[:, 0],
        rtol=1e-6,
        atol=1e-8,
    )
    assert ours.summary().as_text().count("\n") == peer.summary().as_text().count("\n")


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + z",
        "y ~ 0 + x + C(k) + b",
        "y ~ center(x) * b + np.log1p(z)",
        "y ~ x + bs(z, df=4) + C(k) + g",
    ],
)
def test_formulas(formula: str, engine: str) -> None:
    units = draw()
    peer = AugmentedGMM.from_formula(formula, units, engine=engine, **WIDE).fit()
    for n_partitions in (1, 5):
        rows = dd.from_pandas(units, npartitions=n_partitions)
        model = AugmentedGMM.from_formula(formula, rows, engine=engine, **WIDE)
        result = model.fit()
        agree(result, peer)
        # What was learned is what new rows are evaluated with.
        new = units.iloc[5:9]
        np.testing.assert_allclose(
            result.predict(new), peer.predict(new), rtol=1e-7, atol=1e-9
        )


@pytest.mark.parametrize(
    "options",
    [
        {"weights": "w"},
        {"strata": "stratum"},
        {"labeling_prob": "p"},
        {"labeled": "chosen"},
        {"offset": "z"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options(options: dict[str, str]) -> None:
    units = draw()
    given = {**WIDE, **options}
    peer = AugmentedGMM.from_formula("y ~ x", units, **given).fit()
    rows = dd.from_pandas(units, npartitions=4)
    agree(AugmentedGMM.from_formula("y ~ x", rows, **given).fit(), peer)


@pytest.mark.parametrize(
    "fit",
    [
        {"use_correction": False, "use_t": False},
        {"maxiter": 1},
        {"maxiter": 20, "use_correction": False},
        {"centered": True, "use_correction": False},
        {"population": "finite"},
    ],
    ids=str,
)
def test_settings(fit: dict[str, Any]) -> None:
    units = draw()
    peer = AugmentedGMM.from_formula("y ~ x + z", units, **WIDE).fit(**fit)
    rows = dd.from_pandas(units, npartitions=3)
    agree(AugmentedGMM.from_formula("y ~ x + z", rows, **WIDE).fit(**fit), peer)


def test_exposure() -> None:
    units = draw()
    given: dict[str, Any] = {
        "proxy": {"count": "count_guess"},
        "family": sm.families.Poisson(),
        "exposure": "hours",
    }
    peer = AugmentedGMM.from_formula("count ~ x", units, **given).fit()
    rows = dd.from_pandas(units, npartitions=3)
    agree(AugmentedGMM.from_formula("count ~ x", rows, **given).fit(), peer)


@pytest.mark.parametrize("cuts", [(1, 1), (4, 7), (6, 2)], ids=str)
def test_frames_are_matched_by_unit(cuts: tuple[int, int]) -> None:
    units = draw()
    made = replicates(units)
    given = {**WIDE, "synthetic": None}
    peer = AugmentedGMM.from_formula(
        "y ~ x + z + g", units, **{**given, "synthetic": made}
    ).fit()
    rows, theirs = (
        dd.from_pandas(frame, npartitions=n)
        for frame, n in zip((units, made), cuts, strict=True)
    )
    given["synthetic"] = theirs
    agree(AugmentedGMM.from_formula("y ~ x + z + g", rows, **given).fit(), peer)


def test_labels_in_memory_and_sources_in_files(tmp_path: Path) -> None:
    units = draw()
    labels, made = units[units.chosen], replicates(units)
    other = units.drop(columns="y").rename(columns={"made_y": "y"})
    sources = {"made": made, "llm": other}
    peer = AugmentedGMM.from_formula(
        "y ~ x + z", labels, synthetic=sources, family=sm.families.Binomial()
    ).fit()
    paths = {}
    for name, frame in sources.items():
        dd.from_pandas(frame, npartitions=3).to_parquet(tmp_path / name)
        paths[name] = tmp_path / name
    ours = AugmentedGMM.from_formula(
        "y ~ x + z", labels, synthetic=paths, family=sm.families.Binomial()
    ).fit()
    agree(ours, peer)


def test_paths_as_text(tmp_path: Path) -> None:
    units = draw()
    for k, part in enumerate(np.array_split(np.arange(UNITS), 3)):
        units.iloc[part].to_parquet(tmp_path / f"part{k}.parquet")
    peer = AugmentedGMM.from_formula("y ~ x + g", units, **WIDE).fit()
    agree(AugmentedGMM.from_formula("y ~ x + g", str(tmp_path), **WIDE).fit(), peer)


def test_on_sorts_and_matches() -> None:
    units = draw()
    shuffled = units.sample(frac=1.0, random_state=0).reset_index()
    made = replicates(units).sample(frac=1.0, random_state=1).reset_index()
    given = {**WIDE, "synthetic": made, "on": "unit"}
    peer = AugmentedGMM.from_formula("y ~ x + z", shuffled, **given).fit()
    given["synthetic"] = dd.from_pandas(made, npartitions=3)
    rows = dd.from_pandas(shuffled, npartitions=4)
    agree(AugmentedGMM.from_formula("y ~ x + z", rows, **given).fit(), peer)


def test_more_units_than_the_solver_takes_for_few() -> None:
    units = draw(150_000)
    peer = AugmentedGMM.from_formula("y ~ x + z", units, **WIDE).fit()
    for n_partitions in (2, 9):
        rows = dd.from_pandas(units, npartitions=n_partitions)
        agree(AugmentedGMM.from_formula("y ~ x + z", rows, **WIDE).fit(), peer)


def test_parts_without_labels_or_rows() -> None:
    units = draw().sort_values("chosen").reset_index(drop=True)
    rows = dd.from_pandas(units, npartitions=6)
    rows = dd.concat([rows, rows[rows.x > 1e6]])
    peer = AugmentedGMM.from_formula("y ~ x + g", units, **WIDE).fit()
    agree(AugmentedGMM.from_formula("y ~ x + g", rows, **WIDE).fit(), peer)


def test_types_come_from_the_whole() -> None:
    """In most parts nobody has labelled anything, so that y has no type there."""
    units = draw()
    units["y"] = units.y.map({0.0: False, 1.0: True}).astype("boolean")
    units["b"] = units.b.astype("boolean").mask(units.z > 3)
    units = units.sort_values("chosen").reset_index(drop=True)
    peer = AugmentedGMM.from_formula("y ~ x + b", units, **WIDE).fit()
    rows = dd.from_pandas(units, npartitions=8)
    agree(AugmentedGMM.from_formula("y ~ x + b", rows, **WIDE).fit(), peer)


def test_redundant_source_is_left_out() -> None:
    units = draw()
    given = {**WIDE, "proxy": {"llm": {"y": "guess"}, "copy": {"y": "guess"}}}
    results = []
    for rows in (units, dd.from_pandas(units, npartitions=3)):
        model = AugmentedGMM.from_formula("y ~ x", rows, **given)
        with pytest.warns(UserWarning, match="'copy' is left out: .* collinear"):
            results.append(model.fit())
    agree(results[1], results[0])


def test_coverage_is_warned_of() -> None:
    units = draw()
    gap = units.chosen & (units.x > 1)
    units["guess"] = units.guess.astype(float).mask(gap | (units.x > 1.5))
    texts = []
    for rows in (units, dd.from_pandas(units, npartitions=3)):
        with pytest.warns(CoverageWarning) as caught:
            AugmentedGMM.from_formula("y ~ x", rows, **WIDE)
        texts.append(str(caught[0].message))
    assert texts[0] == texts[1]


def model_of(units: pd.DataFrame, formula: str = "y ~ x", **given: Any) -> AugmentedGMM:
    rows = dd.from_pandas(units, npartitions=3, sort=False)
    return AugmentedGMM.from_formula(formula, rows, **{**WIDE, **given})


def changed(column: str, value: object) -> pd.DataFrame:
    """Units of which one, without label, has another value."""
    units = draw()
    units.loc[units.index[~units.chosen][-1], column] = value
    return units


@pytest.mark.parametrize(
    ("attempt", "error", "text"),
    [
        (lambda: model_of(draw(), "y ~ q"), FormulaError, "'q'"),
        (lambda: model_of(draw(), proxy={"y": "gues"}), DataError, "'gues'.*'guess'"),
        (lambda: model_of(draw(), weights="v"), DataError, "weights='v'"),
        (
            lambda: model_of(draw(), weights=np.ones(UNITS)),
            OptionError,
            "weights= must be the name of a column",
        ),
        (
            lambda: model_of(changed("made_x", np.inf)),
            DataError,
            "Source 'synthetic': .*infinite for 1 row .*'u000",
        ),
        (
            lambda: model_of(changed("made_y", 2.0)),
            DataError,
            "Source 'synthetic': 'y' must be between 0 and 1 .*such as 2",
        ),
        (
            lambda: model_of(draw().assign(y=np.nan)),
            DataError,
            "There is no labelled unit.*'y' is missing in 100% of the rows",
        ),
        (
            lambda: model_of(draw().assign(v=lambda d: d.x), "y ~ x + v"),
            CollinearityError,
            "'v'",
        ),
        (
            lambda: model_of(draw().assign(made_x=1.0)),
            CollinearityError,
            "Source 'synthetic'",
        ),
        (
            lambda: model_of(draw(), "y ~ I(x - x.mean())"),
            FormulaError,
            "depends on which other rows",
        ),
        (
            lambda: model_of(draw(), labeling_prob=0.9),
            DataError,
            "labeling_prob sums to 2700 over all units, but 651 are",
        ),
        (
            lambda: model_of(
                draw().assign(stratum=lambda d: np.where(d.chosen, d.stratum, "no")),
                strata="stratum",
            ),
            DataError,
            r"No unit is labelled in 1 of 3 strata \('no'\)",
        ),
        (
            lambda: model_of(draw(), "y ~ x", missing="raise", proxy={"y": "y"}),
            DataError,
            "'y'.* is missing",
        ),
        (
            lambda: model_of(
                draw().sample(frac=1.0, random_state=0),
                synthetic=dd.from_pandas(draw(), npartitions=1),
            ),
            AlignmentError,
            "data: it is not known which units are in which partition",
        ),
        (
            lambda: AugmentedGMM.from_formula("y ~ x", "nowhere.parquet", **WIDE),
            DataError,
            "data: there is no file or folder 'nowhere.parquet'",
        ),
        (
            lambda: AugmentedGMM.from_formula("y ~ x", str(Path(__file__)), **WIDE),
            DataError,
            "test_dask.py' cannot be read as Parquet",
        ),
        (
            lambda: model_of(draw(), strata="straum"),
            DataError,
            "strata='straum' is not a column .*'stratum'",
        ),
    ],
)
def test_errors(attempt: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        attempt()


def test_unit_in_two_places_of_a_part() -> None:
    units = draw()
    twice = pd.concat([units, units.iloc[[7]]])
    rows = dd.from_pandas(twice.sort_index(), npartitions=3)
    with pytest.raises(AlignmentError, match=r"more than one row .*'u0000007'"):
        AugmentedGMM.from_formula("y ~ x", rows, **WIDE)


def test_frames_that_may_not_count_the_same_units() -> None:
    units = draw().reset_index(drop=True)
    # No column says which rows belong together.
    made = units[["made_y"]].assign(x=-units["x"]).set_index(np.arange(UNITS) + 10)
    with pytest.raises(AlignmentError, match="10 units of the sources are not in data"):
        AugmentedGMM.from_formula(
            "y ~ x",
            dd.from_pandas(units, npartitions=2),
            synthetic=dd.from_pandas(
                made.rename(columns={"made_y": "y"}), npartitions=2
            ),
            family=sm.families.Binomial(),
        )


@pytest.mark.parametrize(
    "ask",
    [
        lambda r: r.influence,
        lambda r: r.compare(),
        lambda r: r.diagnostics(),
        lambda r: r.plan(),
        lambda r: r.model.momcond(np.zeros(6)),
    ],
    ids=["influence", "compare", "diagnostics", "plan", "momcond"],
)
def test_what_needs_every_row_says_so(ask: Any) -> None:
    result = model_of(draw()).fit()
    with pytest.raises(DataError, match="needs the rows of the sources in memory"):
        ask(result)


def test_settings_that_need_every_row() -> None:
    with pytest.raises(OptionError, match="needs something of every unit in memory"):
        model_of(draw()).fit(maxiter="cue")


@pytest.mark.parametrize("use_correction", [True, False])
@pytest.mark.parametrize("kind", [str, float], ids=["text", "number"])
def test_clusters(kind: Any, use_correction: bool) -> None:
    units = draw()
    cluster = np.random.default_rng(9).integers(0, 150, UNITS)
    units["author"] = [kind(c) for c in cluster]
    # Units of some authors are neither labelled nor covered.
    idle = units.author.isin([kind(3), kind(4)]) & ~units.chosen
    units.loc[idle, ["made_y", "made_x"]] = np.nan
    units["guess"] = units.guess.astype(float).mask(idle)
    options: dict[str, Any] = {
        "cov_type": "cluster",
        "cov_kwds": {"groups": "author"},
        "use_correction": use_correction,
    }
    peer = AugmentedGMM.from_formula("y ~ x + z", units, **WIDE).fit(**options)
    for n_partitions in (1, 4):
        rows = dd.from_pandas(units, npartitions=n_partitions)
        model = AugmentedGMM.from_formula("y ~ x + z", rows, **WIDE)
        agree(model.fit(**options), peer)


def test_units_that_nobody_covers_are_units() -> None:
    """They count in the share that was labelled, wherever their rows are."""
    units = draw()
    idle = (np.arange(UNITS) % 3 == 0) & ~units.chosen
    units.loc[idle, ["made_y", "made_x"]] = np.nan
    units["guess"] = units.guess.astype(float).mask(idle)
    peer = AugmentedGMM.from_formula("y ~ x + z", units, **WIDE)
    rows = dd.from_pandas(units, npartitions=4)
    model = AugmentedGMM.from_formula("y ~ x + z", rows, **WIDE)
    for options in ({}, {"population": "finite"}):
        found = model.fit(**options)
        assert found.n_frame == UNITS > found.n_units
        agree(found, peer.fit(**options))


@pytest.mark.parametrize("n_partitions", [1, 3, 8])
@pytest.mark.parametrize("prob", ["p", 0.2])
def test_units_that_could_not_be_labelled(prob: Any, n_partitions: int) -> None:
    """Those without an observed regressor: which are, no part can tell for itself."""
    units = draw(seed=4)
    units["p"] = 0.2
    units["chosen"] = np.random.default_rng(4).random(UNITS) < 0.2
    late = np.arange(UNITS) >= 0.6 * UNITS
    units["chosen"] &= ~late
    units["y"] = units.made_y.where(units.chosen)
    units.loc[late, "z"] = np.nan  # in later parts it looks observed by labelling
    given = {**WIDE, "synthetic": None, "labeling_prob": prob}
    rows = dd.from_pandas(units, npartitions=n_partitions)
    peer = AugmentedGMM.from_formula("y ~ x + z", units, **given)
    model = AugmentedGMM.from_formula("y ~ x + z", rows, **given)
    assert model.fit().n_frame == peer.fit().n_frame == UNITS - late.sum()
    agree(model.fit(), peer.fit())
    units["p"] /= 2
    given["labeling_prob"] = "p" if prob == "p" else 0.1
    rows, sentence = dd.from_pandas(units, npartitions=n_partitions), []
    for data in (units, rows):
        with pytest.raises(DataError, match="labeling_prob sums to 180 over") as error:
            AugmentedGMM.from_formula("y ~ x + z", data, **given)
        sentence.append(str(error.value))
    assert sentence[0] == sentence[1]


def test_clusters_of_replicates() -> None:
    units, made = draw(), replicates(draw())
    units["author"] = np.random.default_rng(9).integers(0, 150, UNITS)
    options: dict[str, Any] = {
        "cov_type": "cluster",
        "cov_kwds": {"groups": "author"},
    }
    given = {**WIDE, "synthetic": made}
    peer = AugmentedGMM.from_formula("y ~ x + z", units, **given).fit(**options)
    given["synthetic"] = dd.from_pandas(made, npartitions=3)
    rows = dd.from_pandas(units, npartitions=2)
    agree(AugmentedGMM.from_formula("y ~ x + z", rows, **given).fit(**options), peer)


@pytest.mark.parametrize("design", [{}, {"labeling_prob": "p"}, {"strata": "stratum"}])
def test_j_over_the_units_that_each_source_covers(design: dict[str, Any]) -> None:
    units = draw()
    # Labels of the rare level were drawn twice.
    units["p"] = units.p.mask(units.g == "z", 1 - (1 - units.p) / 2)
    gone = np.random.default_rng(5).random((2, UNITS)) < [[0.7], [0.4]]
    units["guess"] = units.guess.astype(float).mask(gone[0])
    units["made_y"] = units.made_y.mask(gone[1])
    peer = AugmentedGMM.from_formula("y ~ x + z", units, **WIDE, **design).fit()
    rows = dd.from_pandas(units, npartitions=3)
    agree(AugmentedGMM.from_formula("y ~ x + z", rows, **WIDE, **design).fit(), peer)
    assert peer.representativeness()["pvalue"].notna().all()


@pytest.mark.parametrize(
    ("groups", "error", "text"),
    [
        ("auhtor", DataError, "groups='auhtor' is not a column .*'author'"),
        (np.zeros(UNITS), OptionError, "must be the name of a column"),
        ("gap", DataError, "groups='gap' is missing for [12] unit"),
    ],
)
def test_clusters_that_are_not_there(
    groups: Any, error: type[Exception], text: str
) -> None:
    units = draw().assign(author=lambda d: d.k, gap=lambda d: d.x)
    units.loc[units.index[[5, 900, 2500]], "gap"] = np.nan
    with pytest.raises(error, match=text):
        model_of(units).fit(cov_type="cluster", cov_kwds={"groups": groups})


def separated(n_against: int) -> pd.DataFrame:
    """A synthetic dummy that tells y, but for some rows of the last part."""
    units = draw()
    units["d"] = (np.random.default_rng(3).random(UNITS) < 0.5).astype(float)
    units["made_y"] = np.where(units.d == 1, 1.0, units.made_y)
    against = units.index[(units.d == 1).to_numpy()][-n_against:] if n_against else []
    units.loc[against, "made_y"] = 0.0
    return units


def test_separation_in_parts() -> None:
    with pytest.raises(SeparationError, match=r"source 'synthetic': 'd' tells"):
        model_of(separated(0), "y ~ x + d").fit()
    units = separated(1)
    peer = AugmentedGMM.from_formula("y ~ x + d", units, **WIDE).fit()
    agree(model_of(units, "y ~ x + d").fit(), peer)


def test_pickle_and_remove_data() -> None:
    result = model_of(draw(), "y ~ center(x) + g").fit()
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(again.params, result.params)
    new = draw().iloc[:5]
    np.testing.assert_allclose(again.predict(new), result.predict(new))
    agree(again.model.fit(), result)
    result.remove_data()
    with pytest.raises(DataError, match="data were removed"):
        result.model.fit()
    assert "u0000003" not in repr(pickle.dumps(result))


@pytest.mark.parametrize("text", [False, True], ids=["number", "text"])
@pytest.mark.parametrize("cuts", [(1, 3), (2, 1), (5, 8), (16, 3)], ids=str)
def test_files_without_index(text: bool, cuts: tuple[int, int], tmp_path: Path) -> None:
    """Files with a column that identifies units, in any order and number."""
    units = draw().reset_index(drop=True).assign(extra="some text")
    units["post"] = [f"post{k}" if text else k for k in range(UNITS)]
    made = replicates(units).assign(post=lambda d: units.post.loc[d.index])
    shuffled = cuts[0] % 2 == 0
    frames = {"units": units, "made": made}
    for (name, frame), n_files in zip(frames.items(), cuts, strict=True):
        whole = frame.sample(frac=1.0, random_state=3) if shuffled else frame
        (tmp_path / name).mkdir()
        for k, rows in enumerate(np.array_split(np.arange(len(whole)), n_files)):
            part = whole.iloc[rows].reset_index(drop=True)
            part.to_parquet(tmp_path / name / f"part{k:02d}.parquet")
    given = {**WIDE, "synthetic": made, "on": "post"}
    peer = AugmentedGMM.from_formula("y ~ x + z", units, **given).fit()
    given["synthetic"] = f"{tmp_path / 'made'}/"
    model = AugmentedGMM.from_formula("y ~ x + z", f"{tmp_path / 'units'}/", **given)
    agree(model.fit(), peer)


def test_rows_to_predict_are_in_memory() -> None:
    units = draw()
    result = model_of(units).fit()
    rows = dd.from_pandas(units, npartitions=3)
    with pytest.raises(DataError, match=r"frame\.map_partitions"):
        result.predict(rows)
    parts = rows.map_partitions(result.predict, meta=("mean", float)).compute()
    np.testing.assert_allclose(parts, result.predict(units))


def test_what_to_install_where_dask_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels_synth.data.dask.construct", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[dask\]"'):
        AugmentedGMM.from_formula("y ~ x", "units/", **WIDE)


def test_progress_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("statsmodels_synth.data.dask.dask_rows.PATIENCE", 0.0)
    model_of(draw()).fit()
    shown = capsys.readouterr()
    assert re.search(r"\b(\d+) of \1 tasks, 0 s", shown.err)
    assert not shown.out


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two worker processes of one gigabyte each."""
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                memory_limit="1GB",
                dashboard_address=None,
            ) as own,
            distributed.Client(own),
        ):
            yield own


def test_cluster_and_a_worker_that_dies(cluster: Any, tmp_path: Path) -> None:
    """Two million rows in files; the fit goes on when a worker is killed."""
    out_of_core.write(tmp_path, 2_000_000, chunk=250_000)
    built = out_of_core.model(tmp_path)
    peer = out_of_core.model(pd.read_parquet(tmp_path)).fit()
    agree(built.fit(), peer)
    victim = next(iter(cluster.workers.values())).process.pid
    killed = threading.Event()

    def kill() -> None:
        time.sleep(0.3)
        os.kill(victim, signal.SIGKILL)
        killed.set()

    threading.Thread(target=kill, daemon=True).start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = built.fit()
    assert killed.wait(5.0)
    agree(result, peer)

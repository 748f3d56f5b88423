"""Dask: where parts differ in type, level or place, and what must not be matched."""

from __future__ import annotations

from pathlib import Path
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import AlignmentError, DataError
from tests.data.test_dask import UNITS, WIDE, agree, draw

dask = pytest.importorskip("dask")
dd = pytest.importorskip("dask.dataframe")
pytestmark = pytest.mark.filterwarnings(
    "ignore:(?s).*The inplace keyword",  # in Dask's reading of Parquet
    "ignore::statsmodels_synth.exceptions.CoverageWarning",
    "ignore::statsmodels_synth.exceptions.FewUnitsWarning",
)
ENGINES = ["patsy", "formulaic"]


def twin_of(units: pd.DataFrame) -> pd.DataFrame:
    """A synthetic frame with everything of its own."""
    return units.drop(columns="y").rename(columns={"made_y": "y"})


def in_parts(frame: pd.DataFrame, n: int = 4) -> Any:
    return dd.from_pandas(frame, npartitions=n, sort=False)


def same(
    formula: str,
    units: pd.DataFrame,
    rows: Any = None,
    theirs: dict[str, Any] | None = None,
    **given: Any,
) -> Any:
    """Fit in memory and in parts, and compare."""
    given = {**WIDE, **given}
    peer = AugmentedGMM.from_formula(formula, units, **given).fit()
    rows = in_parts(units) if rows is None else rows
    ours = AugmentedGMM.from_formula(formula, rows, **{**given, **(theirs or {})})
    result = ours.fit()
    agree(result, peer)
    return result


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("missing", [False, True])
def test_order_of_categories(engine: str, missing: bool) -> None:
    units = draw()
    units["g"] = pd.Categorical(units.g, ["z", "c", "a", "b"])
    units["k"] = pd.Categorical(units.k, [2, 0, 1])
    units["b"] = pd.Categorical(units.b, [True, False])
    if missing:
        units.loc[units.z > 3, ["k", "b"]] = np.nan
    same("y ~ x + g + k + b", units, engine=engine)
    made = twin_of(units)
    made["k"] = made.k.astype("float64")
    source = {"synthetic": dd.from_pandas(made, npartitions=3)}
    rows = dd.from_pandas(units, npartitions=5)
    same("y ~ g + k", units, rows, source, synthetic=made, proxy=None, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_types_that_differ_between_files(engine: str, tmp_path: Path) -> None:
    """Categories, integers and floats, and columns in which a file has nothing."""
    units, parts = draw(), []
    for k, place in enumerate(np.array_split(np.arange(UNITS), 4)):
        part = units.iloc[place].copy()
        part["g"] = pd.Categorical(part.g, sorted(part.g.unique())[::-1])
        thirds = part.hours.round().astype(int).replace(1 + k % 3, 2)
        part["stratum"] = pd.Categorical(thirds, thirds.unique()[::-1])
        if k % 2:
            part["k"] = part.k.astype(float).mask(part.z > 3)
        if k == 1:
            part["b"] = None
        part.to_parquet(tmp_path / f"part{k}.parquet")
        parts.append(part)
    plain = [p.astype({"g": object, "stratum": int}) for p in parts]
    units = pd.concat(plain)
    units["stratum"] = pd.Categorical(units.stratum)
    same("y ~ x + g + C(k) + b + stratum", units, str(tmp_path), engine=engine)


def test_numbers_among_objects_stay_numbers() -> None:
    units = draw()
    made = twin_of(units)
    units["x"] = units.x.astype(object)
    units["b"] = units.b.astype(object).mask(units.z > 3, None)
    source = {"synthetic": dd.from_pandas(made, npartitions=3)}
    same("y ~ x + b", units, units, source, synthetic=made, proxy=None)


@pytest.mark.parametrize("engine", ENGINES)
def test_levels_of_expressions(engine: str) -> None:
    """There are many values, but few levels."""
    units = draw(12_000)
    formula = "y ~ z + I(x > 0) + C(np.floor(np.clip(x, 1, 3)))"
    same(formula, units, engine=engine, synthetic={"y": "made_y"})


def test_labels_in_memory_matched_by_column() -> None:
    units = draw()
    made = twin_of(units).reset_index()
    labels = units[units.chosen].reset_index()
    source = {"synthetic": dd.from_pandas(made, npartitions=3)}
    same("y ~ x", labels, labels, source, synthetic=made, proxy=None, on="unit")


def test_the_sample_has_a_fixed_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows data has; and a level may be constant or absent in it."""
    construct = pytest.importorskip("statsmodels_synth.data.dask.construct")
    monkeypatch.setattr(construct, "SAMPLE_ROWS", 100)
    for seed in (0, 5):
        units = draw(20_000, seed)
        result = same("y ~ x + g", units, in_parts(units, 8))
        for sample in result.model.aligned.partitions.samples:
            assert 50 <= len(sample.endog) <= 100
    labels, made = units[units.chosen], twin_of(units)
    source = {"synthetic": dd.from_pandas(made, npartitions=3)}
    result = same("y ~ x", labels, labels, source, synthetic=made, proxy=None)
    (sample,) = result.model.aligned.partitions.samples
    assert len(sample.endog) <= 100


def counted(**columns: Any) -> pd.DataFrame:
    return draw().assign(**columns).reset_index(drop=True)


def attempt(data: pd.DataFrame, made: pd.DataFrame, **given: Any) -> None:
    for rows, source in ((data, made), [dd.from_pandas(f, 3) for f in (data, made)]):
        with pytest.raises(AlignmentError, match=given["match"]):
            AugmentedGMM.from_formula(
                "y ~ x", rows, synthetic=source, family=sm.families.Binomial()
            )


def test_nothing_is_matched_by_position() -> None:
    made = twin_of(counted())
    attempt(counted(), made.iloc[:2000], match=r"different length \(3000 and 2000\)")
    attempt(counted().iloc[5:], made[:2000], match="which would be|does not have|not")
    named = counted().rename_axis("unit")
    made["unit"] = made.index
    attempt(named, made.iloc[:2900], match="has a column 'unit' and a default index")
    attempt(counted(unit=1), twin_of(named), match="data has a column 'unit'")


def test_wrong_divisions_lose_no_rows() -> None:
    units = draw()
    parts = [units.iloc[k] for k in np.array_split(np.arange(UNITS), 3)]
    ends = [units.index[k] for k in (0, 500, 2500, UNITS - 1)]
    rows = dd.from_delayed([dask.delayed(p) for p in parts], divisions=tuple(ends))
    made = dd.from_pandas(twin_of(units), npartitions=5)
    with pytest.raises(AlignmentError, match="Its divisions are wrong"):
        AugmentedGMM.from_formula(
            "y ~ x", rows, synthetic=made, family=sm.families.Binomial()
        ).fit()


@pytest.mark.parametrize(
    ("columns", "options", "error", "text"),
    [
        (
            {"p": lambda d: np.where(d.chosen | (d.x < 1), d.p, 0.0)},
            {"labeling_prob": "p"},
            DataError,
            "unlabelled units is not, such as 0",
        ),
        (
            {"p": lambda d: np.where(d.chosen, d.p, 2 * d.p)},
            {"labeling_prob": "p"},
            DataError,
            "labeling_prob sums to 1045 over all units",
        ),
        (
            {"unit": lambda d: np.where(d.chosen, "same", d.index)},
            {"on": "unit"},
            AlignmentError,
            "more than one (labelled )?row .*'same'",
        ),
        (
            {"unit": lambda d: pd.Categorical(d.index)},
            {"on": "unit", "synthetic": dd.from_pandas(twin_of(draw()), npartitions=2)},
            AlignmentError,
            "units are categories",
        ),
        (
            {"unit": lambda d: d.index.where(d.x < 2)},
            {"on": "unit", "synthetic": dd.from_pandas(twin_of(draw()), npartitions=2)},
            AlignmentError,
            "Every row needs a unit",
        ),
    ],
)
def test_errors(columns: Any, options: Any, error: Any, text: str) -> None:
    units = draw().assign(**columns).reset_index(drop=True)
    with pytest.raises(error, match=text):
        AugmentedGMM.from_formula("y ~ x", in_parts(units), **{**WIDE, **options})


def test_functions_of_the_calling_code_are_shipped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also those that plain pickle refuses; and where nothing is kept in memory."""
    rows = pytest.importorskip("statsmodels_synth.data.dask.dask_rows")
    monkeypatch.setattr(rows, "MEMORY_SHARE", -1.0)
    square = lambda v: v**2  # noqa: E731
    units = draw()
    result = same(
        "y ~ center(x) + square(z) + cr(hours, df=4) - 1",
        units,
        eval_env={"square": square},
    )
    again = pickle.loads(pickle.dumps(result.model.aligned))
    assert again.partitions.kept is None
    model = result.model
    model.aligned = again
    agree(model.fit(), result)

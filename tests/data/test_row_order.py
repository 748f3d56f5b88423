"""Rows that would be matched by position although a column says otherwise."""

from __future__ import annotations

import datetime
from typing import Any
import uuid

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import AlignmentError
from tests.data.test_frame_kinds import KINDS

N = 300
#: Frames of each library.
MADE: dict[str, Any] = {"pandas": lambda frame: frame, **KINDS}


def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Data, labelled for one third, and a proxy in another order."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"x": rng.normal(size=N), "k": rng.integers(0, 4, N)})
    data["y"] = data["x"] + rng.normal(size=N)
    data["id"] = rng.permutation(9 * N)[:N]
    data["text"] = [f"text {v}" for v in rng.permutation(N)]
    source = data.assign(y=data["y"] + 0.2 * rng.normal(size=N))
    data.loc[N // 3 :, "y"] = np.nan
    return data, source.sample(frac=1, random_state=3, ignore_index=True)


def fitted(data: Any, proxy: Any, **options: Any) -> Any:
    """The model of y on x."""
    return AugmentedGMM.from_formula("y ~ x", data, proxy=proxy, **options).fit()


@pytest.mark.parametrize("library", MADE)
@pytest.mark.parametrize("column", ["id", "text"])
def test_a_shared_id_in_another_order_asks_for_on(library: str, column: str) -> None:
    made = MADE[library]
    data, source = frames()
    data, source = data[["x", "y", column]], source[["y", column]]
    with pytest.raises(AlignmentError) as caught:
        fitted(made(data), made(source))
    first, other = (f[column].tolist()[0] for f in (data, source))
    message = str(caught.value)
    assert f"column {column!r} has the same values in another order" in message
    assert f"unit 0 is {first!r} in data and {other!r} in source 'proxy'" in message
    assert f"Set on={column!r}." in message
    # What it advises gives what rows in the right order give.
    right = source.set_index(column).loc[data[column]].reset_index()
    wanted = fitted(data, right[["y"]]).params
    matched = fitted(made(data), made(source), on=column).params
    np.testing.assert_allclose(matched, wanted, rtol=1e-10)
    # And the other advice what they give by position.
    numbered = [f.assign(row=range(N)) for f in (data, source)]
    by_row = fitted(*map(made, numbered), on="row").params
    by_position = fitted(data[["x", "y"]], source[["y"]]).params
    np.testing.assert_allclose(by_row, by_position, rtol=1e-10)
    assert not np.allclose(by_row, wanted)


def test_one_source_of_several_in_another_order() -> None:
    data, source = frames()
    right = source.set_index("id").loc[data["id"]].reset_index()
    with pytest.raises(AlignmentError, match="source 'late' are only counted"):
        fitted(data, {"early": right, "late": source})
    # Data does not say which unit a row is, but the sources disagree.
    alone = data[["x", "y"]]
    early, late = right[["y", "id"]], source[["y", "id"]]
    with pytest.raises(AlignmentError, match="rows of source 'early' and source 'late"):
        fitted(alone, {"early": early, "late": late})


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda s: s.assign(id=s["id"].astype(str)), "giving it the same type in both"),
        (lambda s: s.rename(columns={"id": "unit_id"}), "renaming 'unit_id' to 'id'"),
        (lambda s: s.assign(id=s["id"].astype(float)), r"Set on='id'\."),
        (lambda s: s.assign(id=s["id"].astype("category")), r"Set on='id'\."),
        (lambda s: s.assign(id=s["id"].where(s.index > 9)), r"Set on='id'\."),
        # Its index is no default one, and still made of numbers of rows.
        (lambda s: s[s["y"] > -1], r"Set on='id'\."),
        (lambda s: s.iloc[::-1], r"Set on='id'\."),
        # Two replicates of each of half of the units.
        (lambda s: pd.concat([s[: N // 2]] * 2, ignore_index=True), r"Set on='id'\."),
        # A third of the units are others.
        (lambda s: s.assign(id=s["id"].mask(s.index > 199, -s["id"])), "Set on='id'"),
    ],
    ids=[
        *("text", "name", "float", "category", "gaps"),
        *("filtered", "reversed", "replicates", "others"),
    ],
)
def test_other_forms_of_the_id(change: Any, advice: str) -> None:
    data, source = frames()
    with pytest.raises(AlignmentError, match=advice):
        fitted(data[["x", "y", "id"]], change(source[["y", "id"]]))


def test_regressors_show_the_order_too() -> None:
    data, source = frames()
    with pytest.raises(AlignmentError, match=r"'x' has .* Set on= to the column that"):
        fitted(data[["x", "y"]], source[["x", "y"]])
    # Few values each: only together are they no design with equal counts.
    few = [
        f[["y"]].assign(a=f["id"] % 7, b=f["id"] // 7 % 5, x=0.0)
        for f in (data, source)
    ]
    few[0]["x"] = data["x"]
    with pytest.raises(AlignmentError, match="columns 'a', 'b' have the same values"):
        fitted(few[0], few[1][["y", "a", "b"]])


def test_rows_that_match_are_not_refused() -> None:
    data, source = frames()
    source = source.set_index("id").loc[data["id"]].reset_index()
    rng = np.random.default_rng(5)
    noise = rng.normal(size=N)
    for own, other in (
        ({}, {}),
        # A rank is a permutation in both frames, and no id: x and id agree.
        ({"rank": noise.argsort()}, {"rank": noise[::-1].argsort()}),
        # Answers are unique in both and seldom the same.
        (
            {"answer": [f"a{v}" for v in rng.permutation(N)]},
            {"answer": [f"a{v}" for v in rng.permutation(4 * N)[:N]]},
        ),
        ({"when": pd.date_range("2024", periods=N, freq="s")}, {"when": pd.NaT}),
    ):
        fitted(data.assign(**own), source.assign(**other))


def test_what_may_differ_without_an_id() -> None:
    data, source = frames()
    source = source.set_index("id").loc[data["id"]].reset_index()
    data, source = data[["x", "y"]], source[["y"]]
    rng = np.random.default_rng(5)
    balanced = np.arange(N) % 4
    for own, other in (
        # Quotas: the same counts, and another order.
        (rng.permutation(balanced), rng.permutation(balanced)),
        # Measured with error, by whole numbers: some are found elsewhere.
        (rng.integers(0, 900, N), rng.integers(0, 900, N)),
        (rng.normal(size=N), rng.normal(size=N)),
        ([f"a{v}" for v in range(N)], [f"b{v}" for v in range(N)]),
        ([[1, 2]] * N, [{"a": 1}] * N),
    ):
        fitted(data.assign(c=own), source.assign(c=other))


def test_a_count_of_rows_says_nothing() -> None:
    """Both files were written with their row numbers, which agree by construction."""
    data, source = (
        f[["x", "y", "id"]].assign(**{"Unnamed: 0": range(N)}) for f in frames()
    )
    with pytest.raises(AlignmentError, match="column 'id' has the same values"):
        fitted(data, source)
    # An id that counts as well, in order, does, whatever a rank says.
    own, other = (
        f[["y"]].assign(id=range(N), x=data["x"], rank=np.argsort(f["y"].to_numpy()))
        for f in (data, source)
    )
    fitted(own, other[["y", "id", "rank"]])


def test_sorted_by_a_column_with_ties() -> None:
    """Both are sorted by day, and within days the order differs."""
    data, source = frames()
    data["day"] = data["id"] // 50
    source["day"] = source["id"] // 50
    data, source = (
        f.sort_values("day", kind="stable", ignore_index=True)[["x", "y", "id", "day"]]
        for f in (data, source)
    )
    with pytest.raises(AlignmentError, match="column 'id' has the same values"):
        fitted(data, source)


def test_labels_first_in_both_and_the_rest_shuffled() -> None:
    data, source = frames()
    source = source.set_index("id").loc[data["id"]].reset_index()
    rest = source[N // 3 :].sample(frac=1, random_state=1)
    source = pd.concat([source[: N // 3], rest], ignore_index=True)
    with pytest.raises(AlignmentError, match=f"unit {N // 3} is"):
        fitted(data, source)


def test_units_with_names_are_matched_by_them() -> None:
    """An index that the user has set is what identifies units."""
    data, source = frames()
    names = [f"u{k}" for k in range(N)]
    fitted(data.set_axis(names), source.set_axis(names))
    data.index.name = source.index.name = "row"
    fitted(data, source)


def labelled() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labelled rows of a file, and all of its rows from another file, shuffled."""
    data, source = frames()
    noise = np.random.default_rng(2).normal(size=N)
    return data[data["y"].notna()], source[["y", "id"]].assign(x=source["x"] + noise)


@pytest.mark.parametrize(
    "made",
    [
        # The index that the rows had in their own file.
        lambda data, source: (data[3:], source),
        lambda data, source: (data.sample(60, random_state=1), source),
        # Units are the index of one file; the other has them as a column.
        lambda data, source: (
            data.assign(id=data["id"].rank().astype(int))[3:],
            source.assign(id=source["id"].rank().astype(int)).set_index("id"),
        ),
        lambda data, source: (
            data.assign(id=data["id"].rank().astype(int)).set_index("id"),
            source.assign(id=source["id"].rank().astype(int))[::-1],
        ),
    ],
    ids=["filtered", "sampled", "index of the source", "index of data"],
)
def test_rows_matched_by_an_index_that_an_id_contradicts(made: Any) -> None:
    data, source = made(*labelled())
    match = r"column 'id' differs in \d+ of \d+ matched units: unit .* Set on='id'\."
    with pytest.raises(AlignmentError, match=match):
        fitted(data, source)
    fitted(data, source, on="id")


def test_labelled_rows_counted_from_one() -> None:
    """As R writes them; the source counts all rows, from 0."""
    data, source = (f[["x", "y"]] for f in frames())
    data = data.dropna()
    data.index = pd.RangeIndex(1, len(data) + 1)
    with pytest.raises(AlignmentError, match="rows from 1 to 100 and source 'proxy'"):
        fitted(data, source[["y"]].assign(x=0.0))


def test_an_agreeing_column_of_groups_does_not_acquit() -> None:
    data, source = frames()
    source = source.set_index("id").loc[data["id"]].reset_index()
    for frame in (data, source):
        frame["school"] = np.arange(N) // 10
        frame["year"] = 2000 + np.arange(N) % 10
    shuffled = source.sample(frac=1, random_state=4).sort_values(
        "school", kind="stable", ignore_index=True
    )
    for column in ("id", "year"):
        # Alone it may be a design; with the school it says which row is which.
        kept = ["y", "school", column]
        fitted(data[["x", *kept]], source[kept])
        with pytest.raises(AlignmentError, match=f"column {column!r} has"):
            fitted(data[["x", *kept]], shuffled[kept])


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("day", lambda v: datetime.date(2020, 1, 1) + datetime.timedelta(v), None),
        ("u", lambda v: uuid.UUID(int=v), None),
        ("b", lambda v: f"{v}".encode(), None),
        ("t", lambda v: ("a", v), None),
        ("m", lambda v: v if v % 2 else f"s{v}", None),
        ("ts", lambda v: pd.Timestamp(2020, 1, 1) + pd.Timedelta(v, "h"), str),
        ("lat", lambda v: v / 7, np.float32),
        ("pid", int, None),
        ("title", lambda v: f"Text {v}", lambda v: f"text {v[5:]} "),
    ],
)
def test_types_of_ids(name: str, value: Any, other: Any) -> None:
    data, source = frames()
    for frame in (data, source):
        frame[name] = [value(int(v)) for v in frame["id"]]
    if other is not None:
        source[name] = [other(v) for v in source[name]]
    right = source.set_index("id").loc[data["id"]].reset_index()
    data = data[["x", "y", name]]
    with pytest.raises(AlignmentError, match=f"column {name!r} has the same"):
        fitted(data, source[["y", name]])
    fitted(data, right[["y", name]])


def test_names_of_ids_that_differ() -> None:
    data, source = frames()
    data, source = (
        f[["x", "y", "id"]].rename(columns={"id": "doc"}) for f in (data, source)
    )
    source = source[["y", "doc"]].rename(columns={"doc": "document"})
    with pytest.raises(AlignmentError, match="renaming 'document' to 'doc'"):
        fitted(data, source)
    # Posts and those that they answer: each has the ids of others.
    parent = data["doc"].sample(frac=1, random_state=1).to_numpy()
    fitted(data, source[["y"]].assign(parent_id=parent))


@pytest.mark.parametrize("name", ["score", "order", "seed", "batch"])
def test_ranks_and_counters_are_no_ids(name: str) -> None:
    data, source = frames()
    source = source.set_index("id").loc[data["id"]].reset_index()
    data, source = data[["x", "y"]], source[["y"]]
    rng = np.random.default_rng(5)
    orders = rng.permutation(N), rng.permutation(N)
    made: list[Any] = [
        [v + 1 for v in orders],
        [(v + 1) / N for v in orders],
        [pd.Series(v // 2).rank() for v in orders],
    ]
    if name != "score":
        made.append([v * 7 for v in orders])
    for own, other in made:
        fitted(data.assign(**{name: own}), source.assign(**{name: other}))
    with pytest.raises(AlignmentError, match="column 'id' has the same values"):
        fitted(data.assign(id=orders[0]), source.assign(id=orders[1]))


def test_synthetic_units_have_other_covariates() -> None:
    data, source = frames()
    kept = ["x", "y", "k", "income"]
    data["income"], source["income"] = data["id"] * 13, source["id"] * 13
    AugmentedGMM.from_formula("y ~ x", data[kept], synthetic=source[kept]).fit()
    with pytest.raises(AlignmentError, match="column 'id' has the same values"):
        AugmentedGMM.from_formula("y ~ x", data, synthetic=source).fit()


@pytest.mark.parametrize("column", ["id", "text"])
def test_partitions_in_another_order(column: str) -> None:
    dd = pytest.importorskip("dask.dataframe")
    data, source = (f[["x", "y", column]] for f in frames())
    with pytest.raises(AlignmentError) as caught:
        fitted(
            dd.from_pandas(data, npartitions=5), dd.from_pandas(source, npartitions=3)
        )
    message = str(caught.value)
    assert f"column {column!r} has the same values in another order" in message
    first, other = (f[column].tolist()[0] for f in (data, source))
    assert f"unit 0 is {first!r} in data and {other!r} in source 'proxy'" in message
    wanted = fitted(data, source, on=column).params
    parts = [dd.from_pandas(f, npartitions=4) for f in (data, source)]
    matched = fitted(*parts, on=column).params
    np.testing.assert_allclose(matched, wanted, rtol=1e-7)
    # In the same order they are not refused, whatever another column says.
    source = source.set_index(column).loc[data[column]].reset_index()
    own, other = (
        dd.from_pandas(f.assign(rank=np.argsort(f["y"].to_numpy())), npartitions=n)
        for f, n in ((data, 3), (source, 4))
    )
    np.testing.assert_allclose(fitted(own, other).params, wanted, rtol=1e-7)


def test_partitions_of_which_the_last_are_in_another_order() -> None:
    dd = pytest.importorskip("dask.dataframe")
    data, source = frames()
    source = source.set_index("id").loc[data["id"]].reset_index()
    rest = source[N // 3 :].sample(frac=1, random_state=1)
    source = pd.concat([source[: N // 3], rest], ignore_index=True)
    data, source = (f[["x", "y", "id"]] for f in (data, source[["id", "y", "x"]]))
    parts = [dd.from_pandas(f, npartitions=6) for f in (data, source)]
    with pytest.raises(AlignmentError, match="column 'id' has the same values"):
        fitted(*parts)

"""Numbers that a benchmark made are those of their records, and can be made again."""

from __future__ import annotations

import importlib.util
import inspect

import numpy as np
import pytest

from benchmarks.measured import Measured, Span, mean_of, rmse_of, share_of, span_of
from benchmarks.record import Format, Record, number
from tests.docs.blocks import DOCS, load

records = load(DOCS / "records.py")


@pytest.mark.parametrize("name", records.names())
def test_a_page_shows_the_record(name: str) -> None:
    record = records.read(name)
    text = (DOCS / record.page).read_text(encoding="utf-8")
    assert record.in_page(text, name) == text, "run make figures"
    assert len(set(record.keys())) == len(record.rows)
    module = record.command.removeprefix("python -m ").split()[0]
    assert importlib.util.find_spec(module) is not None
    # The page says how: the same command, options that are defaults left out.
    assert module in text


@pytest.mark.parametrize("name", records.names())
def test_a_record_can_follow_its_page(name: str) -> None:
    # Nothing is lost on the way from a record to its page and back.
    record = records.read(name)
    text = (DOCS / record.page).read_text(encoding="utf-8")
    assert record.from_page(text, name) == record


@pytest.mark.parametrize("name", records.RERUN)
def test_what_is_computed_anew_has_the_rows_of_the_record(name: str) -> None:
    # Two draws say nothing of the numbers: that is what `--rerun` is for.
    cells = records.cells_of(name)
    assert list(inspect.signature(cells).parameters) == ["draws", "first", "jobs"]
    record = records.read(name)
    if record.factor:
        return  # times are not measured beside other tests
    key, found = next(iter(cells(2)), (None, []))
    if key is None:
        pytest.skip("its data or packages are not here")
    row = record.rows[record.keys().index(key)]
    assert len(found) == len(record.slots(row))
    for own, slot in zip(found, record.slots(row), strict=True):
        assert isinstance(own, Span if slot.is_span else Measured)


def test_a_difference_beyond_chance_is_seen() -> None:
    record = records.read("fixed_effects")
    key, row = record.keys()[0], record.rows[0]
    same = [Measured(own.low, own.cell[1] or 0.01) for own in record.slots(row)]
    assert not list(record.differences({key: same}, record.draws))
    value, error = same[0]
    for off, seen in ((2.0, 0), (12.0, 1)):
        moved = [Measured(value + off * error, error), *same[1:]]
        assert len(list(record.differences({key: moved}, record.draws))) == seen
    # A quarter of the draws has twice the error, whatever these say of it.
    moved = [Measured(value + 9.0 * error, error / 9.0), *same[1:]]
    assert list(record.differences({key: moved}, record.draws))
    assert not list(record.differences({key: moved}, record.draws // 16))


def made(how: str, cell: list[float | None], **more: float) -> Record:
    """A record of one number."""
    return Record(
        "p.md", "python -m x", 100, ["a", "b"], ["", how], [["k", cell]], **more
    )


def test_the_mean_of_several_numbers_is_compared_with_their_span() -> None:
    record = made(".2f to .2f", [0.9, 0.01, 0.96, 0.01])
    for mean, differs in ((0.93, False), (0.88, False), (0.8, True), (1.04, True)):
        found = {("k",): [Span(0.0, 1.0, Measured(mean, 0.01))]}
        assert bool(list(record.differences(found, 100))) == differs


def test_ratios_of_times_hold_within_a_factor() -> None:
    record = made(".1f", [3.0, None], factor=2.0)
    for value, differs in ((1.6, False), (5.9, False), (1.4, True), (6.1, True)):
        found = {("k",): [Measured(value, np.nan)]}
        assert bool(list(record.differences(found, 1))) == differs


def test_draws_that_agree_say_nothing_of_chance() -> None:
    found = {("k",): [Measured(500.0, 0.0)]}
    unknown, none = made(".0f", [460.0, None]), made(".0f", [460.0, 0.0])
    assert not list(unknown.differences(found, 4))
    assert list(none.differences(found, 4))
    unknown.filled(found, 4)
    assert unknown.rows[0][1] == [460.0, None]


def test_records_are_filled_and_kept() -> None:
    record = made(".2f / .2f", [0.9, None, 0.5, 0.1])
    found = {("k",): [Measured(0.8, 0.04), Measured(0.7, 0.2)]}
    record.filled(found, 25)
    # A quarter of the draws: their error is twice as large.
    assert record.rows[0][1] == [0.9, 0.02, 0.5, 0.1]
    record.kept(found, 25)
    assert record.rows[0][1] == [0.8, 0.04, 0.7, 0.2]
    assert record.draws == 25


def test_few_draws_where_they_cost_much(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = {"cheap": 0.1, "dear": 30.0, "dearer": 300.0}
    one = made(".1f", [1.0, None])
    own = {name: Record(**{**one.__dict__, "seconds": k}) for name, k in costs.items()}
    monkeypatch.setattr(records, "read", own.get)
    assert records.draws_of(list(costs), 40, 2, 0.0) == dict.fromkeys(costs, 40)
    found = records.draws_of(list(costs), 40, 1, 30.0)
    assert found == {"cheap": 40, "dear": 29, "dearer": records.FEWEST}


@pytest.mark.parametrize(
    ("how", "cell", "text"),
    [
        (".3f", [0.95, 0.01], ".950"),
        (".2f (.3f)", [0.57, 0.027], ".57 (.027)"),
        (
            "0.2f (0.2f) / .2f / .3f",
            [0.9, 0.05, 1.2, None, 0.95, None],
            "0.90 (0.05) / 1.20 / .950",
        ),
        (".3f to .3f", [0.913, None, 1.0, None], ".913 to 1.000"),
        (".3f to .3f", [0.96, None, 0.96, None], ".960"),
        (".2f, .3f", [1.0, None, 0.933, None], "1.00, .933"),
        (",.3s", [1060.0, None], "1,060"),
        (".0f %", [97.0, None], "97 %"),
    ],
)
def test_cells_are_written_and_read(
    how: str, cell: list[float | None], text: str
) -> None:
    form = Format(how)
    assert form.shown(cell) == text
    before = [None if k % 2 == 0 else own for k, own in enumerate(cell)]
    assert form.read(text, before) == cell
    assert form.shown([None] * len(cell), "none") == "none"
    with pytest.raises(ValueError, match="is not written as"):
        form.read("one", cell)


def test_numbers_in_sentences_are_written() -> None:
    rows = [["most", "It covers in {.2f to .2f} of them", [0.91, None, 0.97, None]]]
    columns, formats = ["number", "sentence", "value"], ["", "-", "{}"]
    record = Record("p.md", "python -m x", 9, columns, formats, rows)
    page = "So: It covers\nin .93 of them, or .5 of others.\n"
    new = record.in_page(page, "it")
    assert new == "So: It covers\nin .91 to .97 of them, or .5 of others.\n"
    assert record.from_page(page, "it").rows[0][2] == [0.93, None, 0.93, None]
    assert record.from_page(new, "it") == record
    with pytest.raises(ValueError, match="not just one"):
        record.in_page("It covers always.", "it")


def test_numbers_are_written_as_the_pages_have_them() -> None:
    assert number(0.95, ".3f") == ".950"
    assert number(-0.0004, ".3f") == "-.000"
    assert number(0.9, "0.1f") == "0.9"
    assert number(12.34, ".1f") == "12.3"
    assert number(224.0, ".2s") == "224"
    assert number(4.8, ".2s") == "4.8"
    assert number(0.15, ".2s") == ".15"
    assert number(11.94, ".2m") == "11.9"
    assert number(3.2, ".2m") == "3.20"


def test_monte_carlo_errors() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4000, 50))
    # The error is the spread of the number over repeated studies; 4,000 of them have
    # a standard deviation with an error of one in ninety.
    for told, values in ((mean_of, draws), (rmse_of, draws), (share_of, draws > 1.0)):
        found = np.array([told(row) for row in values])
        spread = found[:, 0].std()
        assert np.sqrt(np.mean(found[:, 1] ** 2)) == pytest.approx(spread, rel=0.06)
    assert share_of([True] * 10).error > 0.0
    assert span_of(np.ones((10, 2))).mean.error > 0.0
    assert span_of([[0.0, 1.0], [0.0, 3.0]])[:2] == (0.0, 2.0)

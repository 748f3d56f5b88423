"""Tables that a benchmark made are those of their records, and can be made again."""

from __future__ import annotations

from importlib import import_module
import importlib.util
import inspect

import numpy as np
import pytest

from benchmarks.measured import mean_of, rmse_of, share_of
from tests.docs.blocks import DOCS, load

records = load(DOCS / "records.py")


@pytest.mark.parametrize("name", records.names())
def test_a_page_shows_the_record(name: str) -> None:
    record = records.read(name)
    text = (DOCS / record.page).read_text(encoding="utf-8")
    assert records.with_table(text, name, record.table()) == text, "run make figures"
    assert len(set(record.keys())) == len(record.rows)
    module = record.command.removeprefix("python -m ").split()[0]
    assert importlib.util.find_spec(module) is not None
    # The page says how: the same command, options that are defaults left out.
    assert module in text


@pytest.mark.parametrize("name", records.names())
def test_a_record_can_follow_its_page(name: str) -> None:
    # Nothing is lost on the way from a record to its page and back.
    record = records.read(name)
    assert records.taken(record, name) == record


@pytest.mark.parametrize("name", records.RERUN)
def test_what_is_computed_anew_has_the_rows_of_the_record(name: str) -> None:
    # Two draws say nothing of the numbers: that is what `--rerun` is for.
    cells = import_module(records.RERUN[name]).cells
    assert list(inspect.signature(cells).parameters) == ["draws", "first", "jobs"]
    record = records.read(name)
    key, found = next(iter(cells(2)))
    assert key == record.keys()[0]
    assert len(found) == len(record.columns) - record.n_keys
    assert all(len(cell) == 2 for cell in found)


def test_a_difference_beyond_chance_is_seen() -> None:
    record = records.read("fixed_effects")
    key = record.keys()[0]
    cells = [cell for cell in record.rows[0] if not isinstance(cell, str)]
    same = [(value, error or 0.01) for value, error in cells]
    assert not list(records.differences(record, {key: same}))
    value, error = same[0]
    for off, seen in ((2.0, 0), (12.0, 1)):
        moved = [(value + off * error, error), *same[1:]]
        assert len(list(records.differences(record, {key: moved}))) == seen


def test_numbers_are_written_as_the_pages_have_them() -> None:
    assert records.number(0.95, ".3f") == ".950"
    assert records.number(-0.0004, ".3f") == "-.000"
    assert records.number(0.9, "0.1f") == "0.9"
    assert records.number(12.34, ".1f") == "12.3"


def test_monte_carlo_errors() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4000, 50))
    # The error is the spread of the number over repeated studies; 4,000 of them have
    # a standard deviation with an error of one in ninety.
    for number, values in ((mean_of, draws), (rmse_of, draws), (share_of, draws > 1.0)):
        found = np.array([number(row) for row in values])
        spread = found[:, 0].std()
        assert np.sqrt(np.mean(found[:, 1] ** 2)) == pytest.approx(spread, rel=0.06)
    assert share_of([True] * 10).error > 0.0

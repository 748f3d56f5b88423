"""Parts of the benchmarks of speed that could be wrong without anybody noticing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import (
    busy,
    conditioning,
    designs,
    generation_study,
    rivals,
    scaling,
    targets,
)
from benchmarks.peers import StockModel, linear_stack
from benchmarks.problems import Row, make_problem
from benchmarks.scaling import CELL, Cell


def test_peers_have_our_moments() -> None:
    for family in ("binomial", "gaussian"):
        problem = make_problem(3_000, family=family, columns=3)
        model = problem.model()
        point = model.fitstart() + 0.1
        ours = model.momcond(point)
        if family == "binomial":
            peer = StockModel(problem, point).momcond(point)
        else:
            y, regressors, instruments, unit = linear_stack(problem)
            peer = np.zeros_like(ours)
            np.add.at(peer, unit, instruments * (y - regressors @ point)[:, None])
        np.testing.assert_allclose(peer, ours, atol=1e-12)


def test_replicates_belong_to_their_unit() -> None:
    endog, exog, units = make_problem(4_000, columns=2, replicates=3).synthetic[0]
    assert exog.shape == (12_000, 2)
    assert len(endog) == len(units) == 12_000
    own = make_problem(4_000, columns=2, replicates=3).exog[units, 1]
    assert np.corrcoef(own, exog[:, 1])[0, 1] > 0.9


def test_verdict_of_a_row() -> None:
    assert Row("a", 0.3, 0.25).cells()[2:4] == ["<= 0.25", "NO"]
    assert Row("a", 60.0, 50, at_least=True).cells()[2:4] == [">= 50", "yes"]
    assert Row("a", None, note="no R").cells()[1:] == ["", "", "-", "no R"]


def test_cost_model_is_found_again() -> None:
    cells = [c for part in scaling.all_sweeps(False).values() for c in part]
    cells += scaling.crossed(False)
    table = pd.DataFrame(sorted({c for c in cells if c.family == "gaussian"}, key=str))
    table["passes"] = np.where(table["units"] > 1e6, 3, 2)
    wanted = np.array([0.02, 30.0, 15.0, 4.0, 0.2, 0.7, 80.0])
    table["seconds"] = scaling.terms(table) @ wanted
    np.testing.assert_allclose(scaling.cost_model(table), wanted, rtol=1e-6)
    table, coefficients = scaling.with_model(table)
    np.testing.assert_allclose(table["ratio"], 1.0)
    units = scaling.of_sweep(table, scaling.all_sweeps(False)["units"])
    slope = scaling.slopes(units, 1_000_000)["gaussian"]
    assert 0.9 < slope < 1.2
    assert list(coefficients) == ["gaussian"]


def test_finished_cells_are_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []

    def measure(cell: Cell, repeats: int) -> dict[str, Any]:
        measured.append(cell)
        values = dict(zip(CELL, scaling.astuple(cell), strict=True))
        return values | {"seconds": float(repeats), "threads": scaling.blas_threads()}

    monkeypatch.setattr(scaling, "measure", measure)
    path = tmp_path / "cells.csv"
    small, large = Cell("gaussian", 100), Cell("binomial", 200)
    scaling.run([large], path, 1)
    scaling.run([large, small, small], path, 1)
    assert measured == [large, small]
    assert len(scaling.of_sweep(pd.read_csv(path), [small])) == 1
    monkeypatch.setattr(scaling, "blas_threads", lambda: 99)
    with pytest.raises(SystemExit, match="threads"):
        scaling.run([small], path, 1)


def test_busy_mode_compares_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quiet and busy in turns, with as many processes as are said, which all end."""
    running: list[int] = []
    started = []

    class Process:
        def __init__(self, command: list[str]) -> None:
            started.append(command)
            running.append(1)

        def kill(self) -> None:
            running.pop()

        def wait(self) -> None:
            pass

    # All are slowed down alike, and our fit by a quarter more for each process.
    def seconds(call: Any, *arguments: Any) -> tuple[float, None]:
        own = 0.2 * 1.25 ** len(running) if call is busy.our_fit else 1.0
        return own * (1 + len(running)), None

    monkeypatch.setattr(busy.subprocess, "Popen", Process)
    monkeypatch.setattr(busy, "_SETTLE", 0.0)
    monkeypatch.setattr(busy, "timed", seconds)
    monkeypatch.setattr(busy, "our_fit", lambda problem: None)
    quiet, loaded, ratio = busy.busy_rows(make_problem(2_000, columns=2), 3)
    assert len(started) == 3 * busy.SPINNING
    assert not running
    assert (quiet.reached, loaded.reached) == pytest.approx((0.2, 0.3125))
    assert ratio.cells()[1:4] == ["1.56", "<= 1.5", "NO"]


def test_what_rivals_are_held_against() -> None:
    """PPI and the control variate of one mean, in closed form."""
    sample = rivals.draw("one", 1)
    y, proxy = sample["y"], sample["proxies"][:, 0]
    seen = np.isfinite(y)
    found = rivals.ours(sample, "one")
    untuned = y[seen].mean() - proxy[seen].mean() + proxy[~seen].mean()
    assert found["PPI"][0] == pytest.approx(untuned, rel=1e-12)
    slope = np.polyfit(proxy[seen], y[seen], 1)[0]
    control = y[seen].mean() - slope * (proxy[seen].mean() - proxy.mean())
    # The optimal weight counts the labelled units a little differently.
    assert found["GMM-Synth, paper"][0] == pytest.approx(control, abs=1e-3)


@pytest.mark.parametrize("cell", rivals.CELLS)
def test_rivals_that_are_not_installed_are_left_out(cell: str) -> None:
    same, table = rivals.study(cell, 2, [])
    assert same.empty
    assert list(table["method"])[:2] == ["labels only", "GMM-Synth"]


@pytest.mark.parametrize(
    ("cell", "highest"), [("4 strata, y ~ 1", 0.4), ("probabilities 20:1", 0.6)]
)
def test_the_default_knows_the_design(
    cell: str, highest: float, tmp_path: Path
) -> None:
    """
    Squared errors of 60 draws as ratios to the labels alone, which are .25 and .39.

    Their Monte Carlo errors are about .05; before the rows of the default were those of
    the design the first was above 1.
    """
    table = designs.run(cell, 60, 1, tmp_path).set_index("method")
    assert table.loc["default", "draws"] == 60
    assert table.loc["default", "mse"] < highest
    assert table.loc["default", "width"] < 0.75
    assert table.loc["default", "covers, lowest"] > 0.85
    # Finished cells are read again.
    again = designs.run(cell, 1, 1, tmp_path).set_index("method")
    pd.testing.assert_frame_equal(again, table)


def test_every_cell_of_designs_is_a_study() -> None:
    for name in designs.CELLS:
        found = designs.one_draw(name, 1)
        assert found is not None, name
        assert {"labels only", "default", "paper"} <= found.keys()


def test_only_labelled_units_are_made_otherwise() -> None:
    both = {
        given: conditioning.simulate(
            conditioning.Cell(100, 500, 0.3, "both", given, "closely"), 0
        )
        for given in ("proxy", "human")
    }
    made = {k: own["synthetic"]["counterpart"][1][:, 1] for k, own in both.items()}
    moved = made["proxy"] != made["human"]
    assert 15 < moved[:100].sum() < 45
    assert not moved[100:].any()
    for kind in ("endog", "exog"):
        np.testing.assert_array_equal(both["proxy"][kind], both["human"][kind])


def test_gain_is_a_ratio_of_squared_errors() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=4_000)
    factor, error = generation_study.gain(own / 2 + 0.01 * rng.normal(size=4_000), own)
    assert factor == pytest.approx(4.0, abs=4 * error + 0.01)
    # Independent errors: a ratio of two chi-squares, with a relative error of
    # sqrt(2 / n + 2 / n).
    factor, error = generation_study.gain(rng.normal(size=4_000), own)
    assert error == pytest.approx(np.sqrt(4 / 4_000), rel=0.15)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_every_target_is_estimated_and_its_parameters_found(name: str) -> None:
    found = targets.one_draw(targets.TARGETS[name], 300, "useful", 0)
    assert found is not None
    error, _, width = found["default"]
    # Half a width is two standard errors; four of them are one draw in 15,000.
    assert np.all(np.sqrt(error) < width)

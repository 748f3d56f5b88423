"""Prices, and the honesty of the interval of money."""

from __future__ import annotations

import numpy as np
import pytest

from statsmodels_synth.generation import Answer, Prices
from statsmodels_synth.generation.costs import estimate, total_of

PRICES = Prices(1.0, 10.0)


def answers(tokens: object) -> list[Answer]:
    return [Answer("", input_tokens=100, output_tokens=int(k)) for k in tokens]  # type: ignore[attr-defined]


def test_totals() -> None:
    pilot = [
        Answer("", input_tokens=100, output_tokens=30, reasoning_tokens=20, seconds=2.0)
    ] * 5
    found = estimate({"code": pilot}, {"code": 1_000}, PRICES, workers=4)
    assert (found.calls, found.input_tokens, found.output_tokens) == (1e3, 1e5, 3e4)
    # Those of reasoning are written: paid for once, and not on top.
    assert found.reasoning_tokens == 2e4
    assert found.money == pytest.approx((0.4, 0.4, 0.4))
    assert found.seconds == pytest.approx(500.0)
    text = str(found)
    assert "20,000 of them for reasoning" in text
    assert "about 8.3 minutes" in text


def test_without_prices() -> None:
    found = estimate({"code": answers([1, 2])}, {"code": 10}, None)
    assert np.isnan(found.money).all()
    assert "give prices=(input, output)" in str(found)


def test_tokens_that_are_not_told() -> None:
    found = estimate({"code": [Answer("{}")] * 5}, {"code": 100}, PRICES)
    assert found.calls == 100
    assert np.isnan([found.input_tokens, found.output_tokens, *found.money]).all()
    assert str(found).count("not known") == 3
    assert "nan" not in str(found)


def test_steps_of_a_unit_go_together() -> None:
    rng = np.random.default_rng(0)
    tokens = np.exp(rng.normal(4, 0.5, 40))
    once = estimate({"code": answers(tokens)}, {"code": 4_000}, PRICES)
    both = {"code": answers(tokens), "write": answers(tokens)}
    calls = {"code": 4_000, "write": 4_000}
    units = {"code": list(range(40)), "write": list(range(40))}
    paired = estimate(both, calls, PRICES, units=units)
    # Twice the same cost: twice the interval, not the root of two.
    np.testing.assert_allclose(paired.money, 2 * np.array(once.money), rtol=1e-9)
    units["write"] = list(range(39, -1, -1))
    crossed = estimate(both, calls, PRICES, units=units)
    assert crossed.money[2] < paired.money[2]


def test_the_interval_ends_where_all_is_asked() -> None:
    found = estimate({"code": answers([10, 20, 90])}, {"code": 3}, PRICES)
    assert found.money[0] == found.money[1] == found.money[2]
    one = estimate({"code": answers([10])}, {"code": 3}, PRICES)
    assert one.money[2] == np.inf
    both = total_of([found, one])
    assert both.calls == 6
    assert both.money[0] == pytest.approx(found.money[0] + one.money[0])


@pytest.mark.parametrize(("spread", "least"), [(0.5, 0.91), (1.0, 0.88)])
def test_the_interval_covers_skewed_costs(spread: float, least: float) -> None:
    rng = np.random.default_rng(3)
    missed_above, covered, draws = 0, 0, 300
    for _ in range(draws):
        tokens = np.ceil(np.exp(rng.normal(5, spread, 3_000)))
        pilot = answers(tokens[:20])
        _, low, high = estimate({"code": pilot}, {"code": 3_000}, PRICES).money
        true = (3_000 * 100 * 1.0 + tokens.sum() * 10.0) / 1e6
        covered += low <= true <= high
        missed_above += true > high
    # Student's interval covers .93 and .885, and misses above .06 and .113: measured
    # with 600 draws. Three standard errors of a share of 300 draws are .045.
    assert covered / draws > least
    assert missed_above / draws < 0.10


def test_prices_of_models() -> None:
    pytest.importorskip("genai_prices")
    known = Prices.of("gpt-4o-mini")
    assert known is not None
    assert 0 < known.input < known.output
    assert known.cached is not None
    assert known.cached < known.input
    assert Prices.of("no-such-model") is None


def test_prices_that_rise_with_length_are_those_of_a_short_call() -> None:
    prices = pytest.importorskip("genai_prices")
    model = "gemini-2.5-pro"
    short, long = (
        float(prices.calc_price(prices.Usage(input_tokens=n), model).total_price) / n
        for n in (1_000, 1_000_000)
    )
    assert short < long
    known = Prices.of(model)
    assert known is not None
    assert known.input == pytest.approx(short * 1e6)

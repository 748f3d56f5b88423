"""Intervals for labelling that stops at will."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from statsmodels_synth.demo import make_study, study_model
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.sampling.sequential import (
    anytime_level,
    pocock_level,
    sequential_level,
)


@pytest.mark.parametrize(
    # Jennison and Turnbull (2000), table 2.1: constants of Pocock at 5 %.
    ("looks", "constant"),
    [(2, 2.178), (3, 2.289), (4, 2.361), (5, 2.413), (10, 2.555), (20, 2.672)],
)
def test_levels_are_those_of_pocock(looks: int, constant: float) -> None:
    level = pocock_level(np.arange(1, looks + 1) * 100, 0.05)
    # Published to three digits.
    assert scipy.stats.norm.isf(level / 2.0) == pytest.approx(constant, abs=6e-4)


def test_looks_at_uneven_numbers() -> None:
    """A random walk stays within its bounds as often as it should."""
    looks = np.array([100, 110, 300, 700])
    critical = scipy.stats.norm.isf(pocock_level(looks, 0.05) / 2.0)
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(200_000, 4)) * np.sqrt(np.diff(looks, prepend=0))
    walk = np.cumsum(steps, axis=1) / np.sqrt(looks)
    outside = np.mean(np.abs(walk).max(axis=1) > critical)
    # Monte Carlo error .0005.
    assert outside == pytest.approx(0.05, abs=0.002)


def test_sequence_holds_at_every_number_of_labels() -> None:
    rng = np.random.default_rng(1)
    n = np.arange(50, 2001)
    levels = np.array([anytime_level(int(k), 500, 0.05) for k in n])
    critical = scipy.stats.norm.isf(levels / 2.0)
    outside = 0
    for _ in range(1000):
        walk = np.cumsum(rng.normal(size=2000))[49:]
        outside += np.any(np.abs(walk) / np.sqrt(n) > critical)
    # At most .05 from the first label to infinity; Monte Carlo error .007.
    assert outside / 1000 <= 0.05 + 0.02
    # It is no empty bound.
    assert outside / 1000 >= 0.01


def test_sequence_is_shortest_where_it_is_to_be() -> None:
    n = np.arange(20, 3000, 10)
    width = [
        scipy.stats.norm.isf(anytime_level(500, int(best), 0.05) / 2.0) for best in n
    ]
    # The choice of Waudby-Smith et al. is an approximation.
    assert abs(n[np.argmin(width)] - 500) <= 100


def test_one_look_is_the_ordinary_interval() -> None:
    result = study_model(make_study()).fit()
    one = result.sequential_conf_int([result.n_labeled])
    assert np.allclose(one, result.conf_int())
    several = result.sequential_conf_int([100, result.n_labeled, 300])
    wider = several["upper"] - several["lower"] > one["upper"] - one["lower"]
    assert wider.all()


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(OptionError, match="lacks the 200 labels"):
        sequential_level(200, [100, 300], None, 0.05)
    with pytest.raises(OptionError, match="more than 100"):
        sequential_level(200, range(150, 300), None, 0.05)
    with pytest.raises(OptionError, match="alpha"):
        sequential_level(200, None, None, 5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"looks": 100}, "is no list of numbers of labels"),
        ({"looks": "100"}, "is no list of numbers of labels"),
        ({"looks": [100], "tightest_at": 100}, "Leave one of them out"),
    ],
)
def test_looks_that_are_no_list_or_not_alone_are_refused(options, says) -> None:
    given = {"looks": None, "tightest_at": None} | options
    with pytest.raises(OptionError, match=says):
        sequential_level(100, alpha=0.05, **given)

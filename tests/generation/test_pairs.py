"""Autoraters: pairs in random order, votes as from_votes reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import TaskExchangeability
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.generation import judge_pairs

PLAYERS = np.array(["x", "y", "z"])


def pairs(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    players = np.array([rng.permutation(3)[:2] for _ in range(n)])
    frame = pd.DataFrame(
        {"model_a": PLAYERS[players[:, 0]], "model_b": PLAYERS[players[:, 1]]}
    )
    for side, k in (("a", 0), ("b", 1)):
        # Even for one and odd for the other: never equal.
        length = 2 * (5 + 2 * players[:, k] + rng.poisson(2, n)) + k
        frame[f"output_{side}"] = ["w" * own + f" {j}" for j, own in enumerate(length)]
    wins = (players[:, 0] > players[:, 1]) != (rng.random(n) < 0.3)
    frame["human"] = wins.astype(float)
    return frame


def first_is_longer(text: str) -> bool:
    lines = text.splitlines()
    return len(lines[1].split()[2]) > len(lines[2].split()[2])


def fair(request: Any) -> str:
    winner = "first" if first_is_longer(request.text) else "second"
    return f'{{"winner": "{winner}"}}'


def biased(request: Any) -> str:
    return '{"winner": "first"}'


def judged(model: Any, **options: Any) -> pd.DataFrame:
    return judge_pairs(
        pairs(), "Which is longer?", model={"j": model}, store=":memory:", **options
    ).run()


def test_votes_are_of_the_first_player() -> None:
    frame = judged(fair)
    lengths = [frame[f"output_{k}"].str.split().str[0].str.len() for k in "ab"]
    np.testing.assert_array_equal(frame["judge"], (lengths[0] > lengths[1]) * 1.0)
    model = TaskExchangeability.from_votes(frame, current="z", n_boot=99)
    assert "current task 'z'" in repr(model)


def test_a_judge_who_takes_the_first_favours_nobody() -> None:
    # 300 fair coins: standard deviation .029.
    assert abs(judged(biased)["judge"].mean() - 0.5) < 0.1
    assert (judged(biased, both_orders=True)["judge"] == 0.5).all()
    assert judged(fair, both_orders=True)["judge"].isin([0.0, 1.0]).all()


def test_names_of_players_and_human_votes_are_not_shown() -> None:
    seen = []

    def judge(request: Any) -> str:
        seen.append(str(request.messages))
        return fair(request)

    judged(judge)
    assert not any(word in text for text in seen for word in ("model_a", "human"))


def test_pairs_without_an_answer_have_no_vote() -> None:
    def judge(request: Any) -> str:
        return "I would rather not" if first_is_longer(request.text) else fair(request)

    votes = judged(judge, ties=False)["judge"]
    assert 0 < votes.isna().sum() < 300


def test_bad_pairs() -> None:
    with pytest.raises(DataError, match="Did you mean 'output_a'"):
        judge_pairs(
            pairs(), "Which?", model=fair, store=":memory:", outputs=("outptu_a", "b")
        )

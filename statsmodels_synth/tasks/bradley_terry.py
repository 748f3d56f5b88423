r"""
Bradley-Terry strengths from votes of people and of an autorater.

Player a beats player b with probability ``1 / (1 + exp(s_b - s_a))``; a tie is half a
win for each. A task is a player; theta is the log-strength from human votes, theta~
that from the votes of the autorater. Resampling comparisons keeps the two votes on each
comparison together, so the bootstrap is paired.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.core.messages import format_units, show
from statsmodels_synth.exceptions import DataError

#: Newton steps; from zero it takes about ten.
_MAXITER = 200
#: Log-strengths are settled when they move by less than this.
_SETTLED = 1e-9
#: Longest step: keeps Newton's method from overshooting where a player nearly always
#: wins.
_STEP = 1.0


@dataclass(frozen=True)
class Votes:
    """
    Comparisons with two votes each, counted.

    Parameters
    ----------
    first, second : ndarray (C,) of int
        Players of each kind of comparison.
    real : ndarray (C,)
        Human vote: 1 if the first player wins, 0 if the second does, .5 for a tie.
        NaN where the current player takes part.
    synthetic : ndarray (C,)
        Vote of the autorater, likewise.
    counts : ndarray (C,)
        How often this combination occurs.
    """

    first: Positions
    second: Positions
    real: Floats
    synthetic: Floats
    counts: Floats


def count_votes(
    first: Positions, second: Positions, real: Floats, synthetic: Floats
) -> Votes:
    """
    Count comparisons that are alike.

    Shapes: `first, second` (n,), `real, synthetic` (n,).

    Examples
    --------
    >>> a, b = np.array([0, 0, 1]), np.array([1, 1, 2])
    >>> count_votes(a, b, np.ones(3), np.ones(3)).counts
    array([2., 1.])
    """
    rows = np.column_stack(
        [first, second, np.where(np.isnan(real), -1, real), synthetic]
    )
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    human = np.where(kinds[:, 2] < 0, np.nan, kinds[:, 2])
    return Votes(
        kinds[:, 0].astype(np.intp),
        kinds[:, 1].astype(np.intp),
        human,
        kinds[:, 3],
        counts.astype(float),
    )


def win_table(
    first: Positions, second: Positions, vote: Floats, counts: Floats, n_players: int
) -> Floats:
    """
    Wins of each player over each other one.

    Shapes: `first, second` (C,), `vote` (C,), `counts` (B, C) -> (B, K, K).

    Examples
    --------
    >>> one = np.array([0]), np.array([1])
    >>> win_table(*one, np.array([0.5]), np.array([[4.0]]), 2)[0]
    array([[0., 2.],
           [2., 0.]])
    """
    wins = np.zeros((len(counts), n_players * n_players))
    for cell, share in (
        (first * n_players + second, vote),
        (second * n_players + first, 1.0 - vote),
    ):
        # One pass per draw over few kinds of comparisons.
        for b in range(len(counts)):
            wins[b] += np.bincount(cell, counts[b] * share, n_players * n_players)
    return wins.reshape(len(counts), n_players, n_players)


def log_strengths(wins: Floats, prior: float = 1.0) -> Floats:
    """
    Bradley-Terry log-strengths.

    Shapes: `wins` (B, K, K) -> (B, K).

    Examples
    --------
    >>> wins = np.array([[[0.0, 300.0], [100.0, 0.0]]])
    >>> s = log_strengths(wins, prior=1e-6)[0]
    >>> round(float(s[0] - s[1]), 4), round(float(np.log(3)), 4)
    (1.0986, 1.0986)
    """
    total = wins + wins.transpose(0, 2, 1)
    won = wins.sum(axis=2) + prior / 2.0
    strength = np.zeros(won.shape)
    diagonal = np.arange(won.shape[1])
    for _ in range(_MAXITER):
        chance = 0.5 + 0.5 * np.tanh(
            (strength[:, :, None] - strength[:, None, :]) / 2.0
        )
        own = 0.5 + 0.5 * np.tanh(strength / 2.0)
        gradient = won - (total * chance).sum(axis=2) - prior * own
        hessian = -total * chance * (1.0 - chance)
        hessian[:, diagonal, diagonal] = prior * own * (1.0 - own) - hessian.sum(axis=2)
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        strength = strength + step * np.minimum(
            1.0, _STEP / np.maximum(longest, 1e-300)
        )
        if longest.max() < _SETTLED:
            return np.asarray(strength)
    raise DataError(
        "The Bradley-Terry strengths did not settle. Is there a player with hardly any "
        "votes? Leave that player out, or give a larger prior=."
    )


def vote_strengths(
    votes: Votes,
    n_players: int,
    reference: int | None,
    prior: float,
    n_boot: int,
    seed: int,
) -> tuple[Floats, Floats]:
    """
    Log-strengths from human votes and from the autorater, with bootstrap draws.

    Shapes: `real` (B + 1, K - 1), `synthetic` (B + 1, K).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a = rng.integers(3, size=200)
    >>> b = (a + 1 + rng.integers(2, size=200)) % 3
    >>> human = np.where((a == 2) | (b == 2), np.nan, rng.integers(2, size=200))
    >>> votes = count_votes(a, b, human, rng.integers(2, size=200) * 1.0)
    >>> [s.shape for s in vote_strengths(votes, 3, None, 1.0, 9, 0)]
    [(10, 2), (10, 3)]
    """
    n = int(votes.counts.sum())
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, votes.counts / n, size=n_boot).astype(float)
    counts = np.vstack([votes.counts, drawn])
    made = log_strengths(
        win_table(votes.first, votes.second, votes.synthetic, counts, n_players), prior
    )
    past = ~np.isnan(votes.real)
    real = log_strengths(
        win_table(
            votes.first[past],
            votes.second[past],
            votes.real[past],
            counts[:, past],
            n_players - 1,
        ),
        prior,
    )
    if reference is not None:
        return real - real[:, [reference]], made - made[:, [reference]]
    made = made - made[:, :-1].mean(axis=1, keepdims=True)
    return real - real.mean(axis=1, keepdims=True), made


def one_sided(
    first: Positions, second: Positions, vote: Floats, n_players: int
) -> Bools:
    """
    Which players won, or lost, every vote.

    Votes alone put their strengths at infinity, in every bootstrap draw too.

    Shapes: `first, second` (n,), `vote` (n,) -> (K,).

    Examples
    --------
    >>> a, b = np.array([0, 0, 1]), np.array([1, 2, 2])
    >>> one_sided(a, b, np.array([1.0, 1.0, 0.5]), 3)
    array([ True, False, False])
    """
    players = np.concatenate([first, second])
    won = np.bincount(players, np.concatenate([vote, 1.0 - vote]), n_players)
    total = np.bincount(players, minlength=n_players)
    return np.asarray((total > 0) & ((won == 0.0) | (won == total)))


def check_connected(
    first: Positions, second: Positions, players: pd.Index, what: str
) -> None:
    """
    Raise if players fall into groups that never met.

    Shapes: `first, second` (n,), `players` (K,).

    Examples
    --------
    >>> check_connected(np.array([0]), np.array([1]), pd.Index(["a", "b"]), "human")
    """
    reached = np.zeros(len(players), dtype=bool)
    reached[first[0] if len(first) else 0] = True
    for _ in players:
        touch = reached[first] | reached[second]
        reached[first[touch]] = reached[second[touch]] = True
    if not reached.all():
        from_there = players[reached][0]
        apart = format_units(players[~reached])
        raise DataError(
            f"By {what} votes, players {apart} are not connected with "
            f"{show(from_there)} through any chain of comparisons, so their strengths "
            "cannot be compared. Leave them out."
        )

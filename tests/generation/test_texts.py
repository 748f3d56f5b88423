"""Diversity and drift of counterparts: the figures of texts whose answer is known."""

from __future__ import annotations

import time

import numpy as np
import pytest

from statsmodels_synth.generation.texts import describe_texts

WORDS = np.array([f"w{k}" for k in range(2_000)])


def texts(n: int, seed: int, words: int = 12, vocabulary: int = 2_000) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(WORDS[rng.integers(0, vocabulary, words)]) for _ in range(n)]


def test_figures_by_hand() -> None:
    found = describe_texts(
        ["a b c d", "e f g h", "i j k l"], ["a b c d", "e f g x", "x y"]
    )
    # Pairs e f, f g are shared of three each: a cosine of 2/3, no near-copy.
    assert found.share_near_copies == pytest.approx(1 / 3)
    assert found.share_duplicates == 0.0
    assert found.distinct_1 == (1.0, pytest.approx(9 / 10))
    assert found.distinct_2 == (1.0, 1.0)
    assert found.nearest_written == (0.0, 0.0, 0.0)


def test_copies_and_duplicates() -> None:
    originals = texts(200, 0)
    fresh = texts(200, 1)
    mixed = originals[:50] + fresh[50:150] + [" Thank  you"] * 49 + ["thank you"]
    found = describe_texts(originals, mixed)
    assert found.share_near_copies == pytest.approx(0.25)
    assert found.share_duplicates == pytest.approx(0.25)
    assert found.nearest_written[2] == pytest.approx(1.0)
    sentence = found.sentence()
    assert "25.0% are near-copies" in sentence
    assert "25.0% equal another one" in sentence


def test_one_style_is_seen() -> None:
    found = describe_texts(texts(300, 0), texts(300, 1, vocabulary=20))
    assert found.distinct_2[1] < found.distinct_2[0] / 5
    assert found.nearest_written[1] > found.nearest_originals[1] + 0.1


def test_several_counterparts_of_one_original_are_no_copies_of_originals() -> None:
    originals = texts(50, 0)
    found = describe_texts(originals * 3, texts(150, 1))
    # An original is there once: it is not its own nearest neighbour.
    assert found.nearest_originals[2] < 0.3
    assert found.distinct_2[0] > 0.9


@pytest.mark.parametrize(
    ("originals", "written"),
    [
        (["a"], ["b"]),
        (["one word"], [""]),
        (["\u4f60\u597d\u4e16\u754c"], ["\u4f60\u597d"]),
        (["\U0001f600"], ["\U0001f600"]),
        (["x" * 200_000], ["x " * 100_000]),
    ],
)
def test_odd_texts(originals: list[str], written: list[str]) -> None:
    found = describe_texts(originals, written)
    assert found.n == 1
    assert 0 <= found.share_near_copies <= 1
    assert np.isnan(found.nearest_written).all()
    assert found.sentence()


def test_nothing_to_describe() -> None:
    assert describe_texts([], []).n == 0
    with pytest.raises(ValueError, match="shorter"):
        describe_texts(["a"], [])


def test_many_texts_are_described_by_a_sample() -> None:
    own = texts(2_000, 0) * 50
    other = texts(2_000, 1) * 50
    start = time.process_time()
    found = describe_texts(own, other)
    # About a second of processor time; ten would be all pairs.
    assert time.process_time() - start < 10
    assert (found.n, found.n_compared) == (100_000, 2_000)
    assert "sample of 2,000" in found.sentence()

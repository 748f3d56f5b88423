"""Diversity and drift of counterparts: models fall into one style, or copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import re
from typing import Any

import numpy as np
from scipy import sparse

from statsmodels_synth.core.arrays import Floats

#: Words, and characters of scripts that put no space between words, one by one.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+", re.UNICODE)
#: Most texts of which all pairs are compared, and texts that share a block of memory.
_MOST, _BLOCK = 2_000, 500
#: Similarity from which a counterpart is a near-copy of its original.
NEAR = 0.8
_QUANTILES = (0.1, 0.5, 0.9)
#: Words kept of a text: comparisons need no more.
_LONGEST = 2_000


@dataclass(frozen=True)
class TextChecks:
    """
    Diversity of counterparts, and how near they are to their originals.

    Similarity is the cosine of the counts of pairs of words that follow one another
    (of words, in texts of one word): 1 for the same text, 0 if no pair is shared.

    Parameters
    ----------
    n : int
        Number of counterparts.
    n_compared : int
        Number of them, at random, on which all but `share_duplicates` rests. As many
        originals are compared: the share of distinct words falls with their number.
    distinct_1, distinct_2 : tuple of float
        Different words, and pairs of words, as shares of all: originals, counterparts.
    share_near_copies : float
        Share of counterparts whose similarity to their original is .8 or more.
    share_duplicates : float
        Share of counterparts that another one equals, letter case and spaces apart.
    nearest_originals, nearest_written : tuple of float
        Similarity of a text to the nearest other one of its kind: quantiles .1, .5, .9.

    See Also
    --------
    Sources.checks : Makes them.

    Examples
    --------
    >>> from statsmodels_synth.generation.texts import describe_texts
    >>> posts = ["could you help me", "fix this now", "where is the old file"]
    >>> print(describe_texts(posts, ["thank you so much"] * 3).share_duplicates)
    1.0
    """

    n: int
    n_compared: int
    distinct_1: tuple[float, float]
    distinct_2: tuple[float, float]
    share_near_copies: float
    share_duplicates: float
    nearest_originals: tuple[float, float, float]
    nearest_written: tuple[float, float, float]

    def sentence(self) -> str:
        """
        Say the same for a methods section.

        Returns
        -------
        str
            Sentences with all figures.

        Examples
        --------
        >>> describe_texts(["a b c"], ["a b c"]).sentence()[:48]
        'Of 1 counterpart, 100.0% are near-copies of thei'
        """
        noun = "counterpart" if self.n == 1 else "counterparts"
        sample = (
            "" if self.n_compared == self.n else f" (sample of {self.n_compared:,})"
        )
        return (
            f"Of {self.n:,} {noun}, {self.share_near_copies:.1%} are near-copies of "
            f"their original (cosine similarity of word pairs of {NEAR} or more) and "
            f"{self.share_duplicates:.1%} equal another one. Distinct words are "
            f"{self.distinct_1[1]:.3f} of all, distinct pairs of words "
            f"{self.distinct_2[1]:.3f} ({self.distinct_1[0]:.3f} and "
            f"{self.distinct_2[0]:.3f} among originals); the median similarity to the "
            f"nearest other text is {self.nearest_written[1]:.2f} "
            f"({self.nearest_originals[1]:.2f} among originals){sample}."
        )


def describe_texts(
    originals: Sequence[str], written: Sequence[str], seed: int = 0
) -> TextChecks:
    """Describe counterparts beside their originals, one original for each."""
    pairs = list(zip(originals, written, strict=True))
    n = len(pairs)
    if n == 0:
        nan = float("nan")
        two, three = (nan, nan), (nan, nan, nan)
        return TextChecks(0, 0, two, two, nan, nan, three, three)
    rng = np.random.default_rng(seed)
    some = np.sort(rng.choice(n, min(n, _MOST), replace=False))
    own = [_words(pairs[k][1]) for k in some]
    # An original counts once, however many counterparts it has.
    different = list(dict.fromkeys(original for original, _ in pairs))
    few = rng.choice(len(different), min(len(different), _MOST), replace=False)
    other = [_words(different[k]) for k in np.sort(few)]
    # As many of both: the share of distinct words falls with the number of words.
    as_many = min(len(own), len(other))
    first, second = own[:as_many], other[:as_many]
    return TextChecks(
        n=n,
        n_compared=len(some),
        distinct_1=(_distinct(second, 1), _distinct(first, 1)),
        distinct_2=(_distinct(second, 2), _distinct(first, 2)),
        share_near_copies=_near_copies([pairs[k] for k in some]),
        share_duplicates=_duplicates([text for _, text in pairs]),
        nearest_originals=_nearest(other),
        nearest_written=_nearest(own),
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(text[: 20 * _LONGEST].lower())[:_LONGEST]


def _grams(words: list[str], size: int) -> list[Any]:
    """Runs of words of a size; the words themselves in a text that is shorter."""
    if len(words) < size:
        return list(words)
    return list(zip(*(words[k:] for k in range(size)), strict=False))


def _distinct(texts: list[list[str]], size: int) -> float:
    """
    Different runs of words as a share of all.

    Examples
    --------
    >>> _distinct([["a", "b"], ["a", "c"]], 1)
    0.75
    """
    grams = [gram for words in texts for gram in _grams(words, size)]
    return len(set(grams)) / len(grams) if grams else float("nan")


def _duplicates(texts: list[str]) -> float:
    """Share of texts that another one equals."""
    plain = np.array([hash(" ".join(text.lower().split())) for text in texts])
    _, inverse, counts = np.unique(plain, return_inverse=True, return_counts=True)
    return float((counts[inverse] > 1).mean())


def _near_copies(pairs: list[tuple[str, str]]) -> float:
    """Share of counterparts that are near their own original."""
    both = _unit_rows([_words(text) for pair in pairs for text in pair])
    own = np.asarray(both[0::2].multiply(both[1::2]).sum(axis=1)).ravel()
    return float((own >= NEAR - 1e-12).mean())


def _unit_rows(texts: list[list[str]]) -> Any:
    """Counts of pairs of words, a text in a row of length 1."""
    names: dict[Any, int] = {}
    rows, columns = [], []
    for row, words in enumerate(texts):
        grams = _grams(words, 2)
        columns += [names.setdefault(gram, len(names)) for gram in grams]
        rows += [row] * len(grams)
    shape = (len(texts), max(len(names), 1))
    counts = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    return sparse.csr_array(sparse.diags_array(1 / np.maximum(length, 1e-300)) @ counts)


def _blocks(rows: Any) -> Iterator[tuple[int, Floats]]:
    """Similarities of some texts at a time to all."""
    for start in range(0, rows.shape[0], _BLOCK):
        yield start, (rows[start : start + _BLOCK] @ rows.T).toarray()


def _nearest(texts: list[list[str]]) -> tuple[float, float, float]:
    """Quantiles of the similarity of a text to the nearest other one."""
    if len(texts) < 2:
        return (float("nan"),) * 3
    found = []
    for start, near in _blocks(_unit_rows(texts)):
        own = np.arange(len(near))
        near[own, start + own] = -1.0
        found.append(near.max(axis=1))
    low, middle, high = np.quantile(np.concatenate(found), _QUANTILES)
    return float(low), float(middle), float(high)

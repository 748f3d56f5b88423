"""
What log-probabilities and replicates of a small, bad model are worth.

Run from the root of the repository, where ../shared/data is, with the extra
`llm-test`::

    python -m benchmarks.small_model --texts 200 --store small.sqlite

Requests rated by people are coded by the model of ``make demo-llm``: once at
temperature 0 with log-probabilities, and twice at temperature 1. Printed are the area
under the curve of each against the human labels (.5 is chance, with the error of
Hanley and McNeil), and the squared correlation with them, which bounds what a proxy of
the outcome can take off the variance. Calls are stored: run again to go on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import time

import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy import stats

from statsmodels_synth.demo_llm import small_model
from statsmodels_synth.generation import Binary, Codebook, Study

Floats = NDArray[np.float64]
SHARED = Path(__file__).parents[2] / "shared" / "data"
CODEBOOK = Codebook(
    unit="a request posted on a website",
    shown=["text"],
    variables={"polite": Binary("Is the request polite?")},
)
#: Characters of a text: long ones take most of the time.
MOST = 400


def area(score: Floats, label: Floats) -> tuple[float, float]:
    """
    Area under the curve, ties counting half, and its error.

    Examples
    --------
    >>> area(np.array([0.1, 0.9]), np.array([0.0, 1.0]))[0]
    1.0
    """
    ones, zeros = int((label == 1).sum()), int((label == 0).sum())
    ranks = stats.rankdata(score)
    found = (ranks[label == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros)
    above, below = found / (2 - found), 2 * found**2 / (1 + found)
    spread = found * (1 - found) + (ones - 1) * (above - found**2)
    spread += (zeros - 1) * (below - found**2)
    return float(found), float(np.sqrt(max(spread, 0.0) / (ones * zeros)))


def main() -> None:
    """Code the texts and print what each proxy tells of the labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--store", type=Path, default=Path("small-model.sqlite"))
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    texts = pd.read_csv(SHARED / "politeness_texts.csv").set_index("id")
    labels = pd.read_csv(SHARED / "politeness.csv").set_index("id")["y"]
    texts = texts[texts["text"].str.len() <= MOST].join(labels, how="inner").dropna()
    texts = texts.sample(options.texts, random_state=np.random.default_rng(0))
    start = time.perf_counter()
    with small_model(options.threads) as model:
        own = {"small model": model}
        common = {"model": own, "store": options.store, "max_tokens": 20}
        once = Study(texts[["text"]], CODEBOOK, logprobs=True, **common).run(workers=2)
        twice = Study(
            texts[["text"]], CODEBOOK, temperature=1.0, replicates=2, **common
        ).run(workers=2)
    took = time.perf_counter() - start
    probability = once.proxy["small model"]["polite"]
    drawn = twice.proxy["small model"]["polite"]
    scores = {
        "0 or 1, temperature 0": (probability > 0.5).astype(float),
        "probability": probability,
        "0 or 1, one draw": drawn.groupby(level=0).first(),
        "mean of two draws": drawn.groupby(level=0).mean(),
    }
    rows = []
    for name, score in scores.items():
        label = texts["y"].loc[score.index].to_numpy(dtype=float)
        values = score.to_numpy(dtype=float)
        found, error = area(values, label)
        varies = values.std() > 0
        square = np.corrcoef(values, label)[0, 1] ** 2 if varies else 0.0
        rows.append((name, len(values), values.mean(), found, error, square))
    names = ["proxy", "units", "mean", "area", "error", "squared correlation"]
    print(pd.DataFrame(rows, columns=names).round(3).to_string(index=False))
    print(f"{took:.0f} s")


if __name__ == "__main__":
    main()

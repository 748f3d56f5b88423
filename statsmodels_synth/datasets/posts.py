"""Posts of a forum, few of them labelled, all of them labelled by two models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

#: The table: ``simulate().to_csv(PATH, float_format="%g")``; ours, BSD 3-Clause.
PATH = Path(__file__).with_name("posts.csv")
SEED, N_POSTS, N_LABELLED = 2, 3000, 300
_TYPES = {"polite": float, "hedge": np.int64, "length": float}


def load_posts(*, truth: bool = False) -> pd.DataFrame:
    """
    Posts of which people labelled a tenth, and two language models all.

    The posts are simulated, with a fixed seed: no person and no language model took
    part. The licence is that of the package, BSD 3-Clause. The errors of the better
    model look like those of real ones. It takes hedged and long posts for polite more
    often than people do.

    Parameters
    ----------
    truth : bool
        Whether to add `polite_truth`: what people would have said of each post. In a
        real study nobody has it. It is for checks of the estimates.

    Returns
    -------
    DataFrame
        3,000 rows, named by the index `post`. Columns:

        - `polite`: human label, 1 if the post is polite, NaN where nobody labelled. 300
          posts were drawn at random;
        - `hedge`: number of hedges, such as "perhaps";
        - `length`: length in hundreds of words;
        - `forum`: where it was posted: cooking, physics or travel;
        - `polite_llm`: label of a large language model, right for 94 % of the posts;
        - `polite_small`: label of a small model, right for 78 %.

    Examples
    --------
    >>> from statsmodels_synth.datasets import load_posts
    >>> posts = load_posts()
    >>> posts.shape, int(posts["polite"].count())
    ((3000, 6), 300)
    >>> posts.columns.tolist()
    ['hedge', 'length', 'forum', 'polite', 'polite_llm', 'polite_small']
    """
    posts = pd.read_csv(PATH, index_col="post", dtype=_TYPES)
    return posts if truth else posts.drop(columns="polite_truth")


def simulate(seed: int = SEED) -> pd.DataFrame:
    """Write the table anew: the process behind it, in which the models err."""
    rng = np.random.default_rng(seed)
    levels = {"cooking": 0.0, "physics": -0.5, "travel": 0.3}
    forum = rng.choice(list(levels), N_POSTS, p=[0.3, 0.4, 0.3])
    hedge = rng.poisson(1.2, N_POSTS)
    length = np.round(np.exp(rng.normal(-0.1, 0.55, N_POSTS)), 2)
    by_forum = np.array([levels[name] for name in forum])

    def drawn(logit: Any) -> Any:
        return (rng.random(N_POSTS) < 1 / (1 + np.exp(-logit))).astype(int)

    truth = drawn(0.3 + 0.35 * hedge - 0.5 * length + by_forum)
    many, long = hedge - 1.2, length - 1.0
    llm = drawn(-3.4 + 7.0 * truth + 1.3 * many + 1.4 * long)
    small = drawn(-1.2 + 2.4 * truth + 0.2 * many - 0.6 * long)
    posts = pd.DataFrame(
        {
            "hedge": hedge,
            "length": length,
            "forum": forum,
            "polite": np.nan,
            "polite_llm": llm,
            "polite_small": small,
            "polite_truth": truth,
        },
        index=pd.Index([f"p{k:04d}" for k in range(1, N_POSTS + 1)], name="post"),
    )
    labelled = rng.choice(N_POSTS, N_LABELLED, replace=False)
    posts.iloc[labelled, 3] = truth[labelled]
    return posts

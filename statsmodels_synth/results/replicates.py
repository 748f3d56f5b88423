"""Naive analysis of each replicate of a source, combined by Rubin's rules."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from statsmodels_synth.core.messages import muted
from statsmodels_synth.estimators.combining import combine
from statsmodels_synth.exceptions import ConvergenceWarning
from statsmodels_synth.gmm.alone import naive_estimate, naive_with_clusters
from statsmodels_synth.problem.design import (
    AlignedDesign,
    SourceArrays,
    rows_of_labeled,
)

if TYPE_CHECKING:
    from statsmodels_synth.gmm.fit import Fit

COLUMNS = ["sets", "estimate", "std_err", "df", "lower", "upper", "stacked_std_err"]


class _Set:
    """Estimate of one data set."""

    def __init__(self, params: pd.Series, covariance: pd.DataFrame) -> None:
        self.params, self.cov = params, covariance


def combined_replicates(fit: Fit) -> pd.DataFrame:
    """
    For each source with replicates what its data sets say, combined.

    Set k has the k-th row of each unit that the source covers; there are as many sets
    as every covered unit has rows. Sources with fewer than two have no rows here.
    """
    names, found = [str(name) for name in fit.target.names], {}
    for m, source in enumerate(fit.design.sources):
        if not source.has_replicates:
            continue
        sets = _sets(fit.design, source)
        if len(sets.names) < 2:
            continue
        eta = np.repeat(fit.solution.eta[[m]], len(sets.names), axis=0)
        with muted(ConvergenceWarning):
            naive = naive_estimate(sets, fit.target.score, eta)
            if fit.clusters is not None:
                score = fit.target.score
                naive = naive_with_clusters(sets, score, naive, fit.clusters)
        if not np.all(np.isfinite(naive.covariance)):
            continue  # a set alone has no estimate
        pairs = zip(naive.params, naive.covariance, strict=True)
        both = combine(
            _Set(pd.Series(own, names), pd.DataFrame(cov, names, names))
            for own, cov in pairs
        )
        frame = both.summary_frame()[["estimate", "std_err", "df", "lower", "upper"]]
        frame.insert(0, "sets", both.n_sets)
        frame["stacked_std_err"] = fit.naive.bse[m]
        found[source.name] = frame
    index = pd.MultiIndex.from_arrays([[], []], names=["source", "coefficient"])
    if not found:
        return pd.DataFrame(index=index, columns=COLUMNS, dtype=float)
    return pd.concat(found, names=index.names)


def _sets(design: AlignedDesign, source: SourceArrays) -> AlignedDesign:
    """A design with the k-th row of every unit as a source of its own."""
    unit = source.unit_positions
    size = np.bincount(unit, minlength=design.n_units)
    rank = np.arange(len(unit)) - (np.cumsum(size) - size)[unit]
    own = np.ones(len(unit)) if source.weights is None else source.weights
    whole = replace(source, weights=own * size[unit], has_replicates=False)
    parts = tuple(
        replace(whole.take(rank == k, unit[rank == k]), name=f"{source.name}, set {k}")
        for k in range(int(size[size > 0].min()))
    )
    labels = tuple(rows_of_labeled(part, design.labeled_units) for part in parts)
    return replace(design, source_rows=parts, labeled_sources=labels)

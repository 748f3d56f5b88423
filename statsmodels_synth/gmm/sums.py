"""Clusters of units, and sums over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.problem.design import (
    AlignedDesign,
    DesignRows,
    SourceArrays,
    Sums,
    told_of,
)
from statsmodels_synth.problem.groups import Clusters, all_sums
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import (
    add_offset,
    linear_predictors,
    row_scores,
    total_slope,
)


def cluster_scores(
    design: AlignedDesign, score: TargetScore, eta: Floats, clusters: Clusters
) -> Floats:
    """
    Scores of the sources over all units, summed by cluster.

    Eq. (clustered).

    Shapes: `eta` (M, p) -> (C, M p).
    """
    if design.partitions is None:
        blocks = score_blocks(design.sources, design.n_units, score, eta)
        return all_sums(blocks, clusters, eta.size)
    assert clusters.column is not None
    scores = told_parts(design, score, partial(score_blocks, score=score, eta=eta))
    sums = design.partitions.group_sums(clusters.column, scores, eta.size)
    return sums.reindex(clusters.labels).to_numpy()


def told_parts(
    design: AlignedDesign, score: TargetScore, function: Callable[..., Sums]
) -> Callable[..., Sums]:
    """
    A function of the sources of a part, with what the score was told of all parts.

    What a part would say of itself depends on where parts begin and end.
    """
    if not score.learns_from_rows:
        return function
    parts = design.partitions
    assert parts is not None
    told = [
        (score, told_of(sample, score, fact.n_covered))
        for sample, fact in zip(parts.samples, parts.facts, strict=True)
    ]
    return partial(_with_told, told=told, function=function)


def _with_told(
    sources: tuple[SourceArrays, ...],
    *given: int,
    told: Sequence[tuple[TargetScore, TargetScore]],
    function: Callable[..., Sums],
) -> Sums:
    own = tuple(replace(s, told=t) for s, t in zip(sources, told, strict=True))
    return function(own, *given)


#: Units per block: a block of ten columns and its copies fit in the L2 cache.
BLOCK_SIZE = 4096


@dataclass(frozen=True)
class SourceSums:
    """
    Sums or means over units of the moments of the sources.

    Parameters
    ----------
    mean : ndarray (M, p)
        Scores.
    jacobian : ndarray (M, p, p)
        Their derivative.
    outer : ndarray (M p, M p) or None
        Second moment across all sources, if it was asked for.
    """

    mean: Floats
    jacobian: Floats
    outer: Floats | None

    def __add__(self, other: SourceSums) -> SourceSums:
        """Sums over two sets of units together."""
        outer = None
        if self.outer is not None and other.outer is not None:
            outer = self.outer + other.outer
        return SourceSums(self.mean + other.mean, self.jacobian + other.jacobian, outer)

    def over(self, n_units: float) -> SourceSums:
        """Means, from sums."""
        outer = None if self.outer is None else self.outer / n_units
        return SourceSums(self.mean / n_units, self.jacobian / n_units, outer)


@dataclass(frozen=True)
class SourceState:
    """
    The estimate of each source over all its units, and the sums at it.

    It does not depend on the labels: every fit on the same sources shares it.

    Parameters
    ----------
    eta : ndarray (M, p)
        Estimates.
    sums : SourceSums
        Means at these, with second moment.
    n_units : int
        Number of units T that the means are over.
    """

    eta: Floats
    sums: SourceSums
    n_units: int

    def take(self, keep: Sequence[int]) -> SourceState:
        """Some of the sources."""
        rows = list(keep)
        k_sources, p = self.eta.shape
        assert self.sums.outer is not None
        outer = self.sums.outer.reshape((k_sources, p) * 2)[rows][:, :, rows]
        size = len(rows) * p
        sums = SourceSums(
            self.sums.mean[rows], self.sums.jacobian[rows], outer.reshape(size, size)
        )
        return SourceState(self.eta[rows], sums, self.n_units)

    def among(self, n_units: int) -> SourceState:
        """The same where more or fewer units that no source covers are counted."""
        if n_units == self.n_units:
            return self
        return SourceState(self.eta, self.sums.over(n_units / self.n_units), n_units)


def row_factors(
    source: DesignRows, rows: slice, params: Floats, score: TargetScore
) -> tuple[Floats, Floats]:
    """
    Weighted score factors of a block of rows of a source.

    Shapes: `params` (p,) -> `factor` (rows,) or (rows, J), `derivative` (rows,) or
    (rows, J, J).
    """
    return _factors_at(
        source, rows, linear_predictors(source.exog[rows], params, score), score
    )


def _factors_at(
    source: DesignRows, rows: slice, linear: Floats, score: TargetScore
) -> tuple[Floats, Floats]:
    """The same at linear predictors without offset, which are overwritten."""
    if source.offset is not None:
        add_offset(linear, source.offset[rows], score)
    factor, derivative = told_of(source, score).row_factors(
        source.endog[rows], source.exog[rows], linear
    )
    if source.weights is not None:
        for part in (factor.T, derivative.T):  # rows are the last axis
            np.multiply(part, source.weights[rows], out=part)
    return factor, derivative


def unit_scores(
    source: DesignRows,
    rows: slice,
    factor: Floats,
    start: int,
    out: Floats,
    score: TargetScore,
) -> None:
    """
    Write the scores of a block of units, replicates averaged.

    Eq. (source-score).

    Shapes: `factor` (rows,) or (rows, J), `out` (units, p).
    """
    exog = source.exog[rows]
    if source.units is None:
        if score.is_single:
            np.multiply(exog, factor[:, None], out=out)
        else:
            out[:] = row_scores(exog, factor, score)
        return
    out[:] = 0.0
    if not len(factor):
        return
    local = source.units[rows] - start
    scores = row_scores(exog, factor, score)
    if source.has_replicates:
        first = np.flatnonzero(np.r_[True, local[1:] != local[:-1]])
        scores = np.add.reduceat(scores, first, axis=0)
        local = local[first]
    out[local] = scores


def score_blocks(
    sources: tuple[DesignRows, ...],
    n_units: int,
    score: TargetScore,
    eta: Floats,
    block_size: int = BLOCK_SIZE,
) -> Iterator[tuple[slice, Floats]]:
    """
    Scores of the sources, block by block.

    Shapes: `eta` (M, p) -> `scores` (units, M p).
    """
    p = eta.shape[1]
    buffer = np.empty((block_size, eta.size))
    for start in range(0, n_units, block_size):
        stop = min(start + block_size, n_units)
        block = buffer[: stop - start]
        for m, source in enumerate(sources):
            rows = source.rows(start, stop)
            own = block[:, m * p : (m + 1) * p]
            factor, _ = row_factors(source, rows, eta[m], score)
            unit_scores(source, rows, factor, start, own, score)
        yield slice(start, stop), block


def design_sums(
    design: AlignedDesign,
    score: TargetScore,
    eta: Floats,
    *,
    outer: bool = False,
    unit_weights: Floats | None = None,
    block_size: int = BLOCK_SIZE,
) -> SourceSums:
    """
    Mean scores of the sources over all units, wherever their rows are.

    Shapes: `eta` (M, p), `unit_weights` (M, T).
    """
    if design.partitions is None:
        return source_sums(
            design.sources,
            design.n_units,
            score,
            eta,
            outer=outer,
            unit_weights=unit_weights,
            block_size=block_size,
        )
    assert unit_weights is None
    part = partial(part_sums, score=score, eta=eta, outer=outer, block_size=block_size)
    told = told_parts(design, score, part)
    return design.partitions.total(told).over(design.n_units)


def source_sums(
    sources: tuple[DesignRows, ...],
    n_units: int,
    score: TargetScore,
    eta: Floats,
    *,
    outer: bool = False,
    unit_weights: Floats | None = None,
    block_size: int = BLOCK_SIZE,
) -> SourceSums:
    """
    One pass over rows in memory, as means: :func:`part_sums` divided by T.

    Shapes: `eta` (M, p), `unit_weights` (M, T).
    """
    return part_sums(
        sources,
        n_units,
        score,
        eta,
        outer=outer,
        unit_weights=unit_weights,
        block_size=block_size,
    ).over(n_units)


def part_sums(
    sources: tuple[DesignRows, ...],
    n_units: int,
    score: TargetScore,
    eta: Floats,
    *,
    outer: bool = False,
    unit_weights: Floats | None = None,
    block_size: int = BLOCK_SIZE,
) -> SourceSums:
    """
    One pass over the rows of some units.

    Shapes: `eta` (M, p), `unit_weights` (M, units).
    """
    if not score.is_single:
        return _general_sums(
            sources,
            n_units,
            score,
            eta,
            outer=outer,
            unit_weights=unit_weights,
            block_size=block_size,
        )
    k_sources, p = eta.shape
    # Per source the Jacobian and, in the last column, the mean: one product of
    # x with both weights gives them at once.
    both = np.zeros((k_sources, p, p + 1))
    cross = np.zeros((k_sources, p, k_sources * p))
    # Blocks are transposed once: products with p long rows are what BLAS and the
    # vector units do best. The last row of `scores` is never used; with all rows
    # NumPy would take A @ A.T for a symmetric update, which is slower at this size.
    columns, weighted = np.empty((p, block_size)), np.empty((p + 1, block_size))
    scores = np.zeros((k_sources * p + 1, block_size if outer else 0))
    for start in range(0, n_units, block_size):
        stop = min(start + block_size, n_units)
        for m, source in enumerate(sources):
            rows = source.rows(start, stop)
            exog = source.exog[rows]
            if len(exog) > columns.shape[1]:  # replicates
                columns, weighted = (np.empty((k, len(exog))) for k in (p, p + 1))
            x, w = columns[:, : len(exog)], weighted[:, : len(exog)]
            np.copyto(x, exog.T)
            factor, derivative = _factors_at(source, rows, eta[m] @ x, score)
            if unit_weights is not None:
                derivative = derivative * unit_weights[m][source.unit_of(rows)]
            np.multiply(x, derivative, out=w[:p])
            w[p] = factor
            both[m] += x @ w.T
            if outer:
                own = scores[m * p : (m + 1) * p, : stop - start]
                if source.units is None:
                    np.multiply(x, factor, out=own)
                else:
                    unit_scores(source, rows, factor, start, own.T, score)
        if outer:
            block = scores[:, : stop - start]
            for m in range(k_sources):  # the upper triangle
                product = block[m * p : (m + 1) * p] @ block[m * p :].T
                cross[m, :, m * p :] += product[:, :-1]
    second_moment = None
    if outer:
        upper = np.triu(cross.reshape(k_sources * p, k_sources * p))
        second_moment = upper + np.triu(upper, 1).T
    return SourceSums(both[:, :, p], both[:, :, :p], second_moment)


def _general_sums(
    sources: tuple[DesignRows, ...],
    n_units: int,
    score: TargetScore,
    eta: Floats,
    *,
    outer: bool,
    unit_weights: Floats | None,
    block_size: int,
) -> SourceSums:
    """The same pass where a row has several linear predictors."""
    k_sources, p = eta.shape
    mean, jacobian = np.zeros((k_sources, p)), np.zeros((k_sources, p, p))
    total = np.zeros((k_sources * p,) * 2) if outer else None
    block = np.empty((block_size, k_sources * p))
    for start in range(0, n_units, block_size):
        stop = min(start + block_size, n_units)
        own = block[: stop - start]
        for m, source in enumerate(sources):
            rows, at = source.rows(start, stop), slice(m * p, (m + 1) * p)
            factor, slope = row_factors(source, rows, eta[m], score)
            if unit_weights is not None:
                slope.T[...] *= unit_weights[m][source.unit_of(rows)]
            unit_scores(source, rows, factor, start, own[:, at], score)
            mean[m] += own[:, at].sum(axis=0)
            jacobian[m] += total_slope(source.exog[rows], slope, score)
        if total is not None:
            total += own.T @ own
    return SourceSums(mean, jacobian, total)

"""What units the sources cover, and the moments of their scores over these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from statsmodels_synth.core.arrays import Bools, Floats
from statsmodels_synth.gmm.sums import score_blocks, told_parts
from statsmodels_synth.problem.design import AlignedDesign, DesignRows, source_facts
from statsmodels_synth.problem.groups import Clusters, all_sums
from statsmodels_synth.problem.scores import TargetScore


@dataclass(frozen=True)
class CoveredSums:
    """
    Sums over the units that two sources both cover.

    Parameters
    ----------
    units : ndarray (M, M)
        Their number.
    scores : ndarray (M p, M)
        Scores of the first source over the units of the second.
    """

    units: Floats
    scores: Floats

    def __add__(self, other: CoveredSums) -> CoveredSums:
        """Sums over two sets of units together."""
        return CoveredSums(self.units + other.units, self.scores + other.scores)

    @property
    def mean(self) -> Floats:
        """Mean score of each source over its own units, (M p,)."""
        own = np.diag(self.units)
        p = len(self.scores) // len(own)
        each = np.arange(len(own)).repeat(p)
        return np.asarray(self.scores[np.arange(len(each)), each] / own.repeat(p))

    def about_means(self, outer: Floats) -> Floats:
        """
        Sum of products of scores about their means, over the units that both cover.

        Shapes: `outer` (M p, M p), the sum of products -> the same.
        """
        p = len(self.scores) // len(self.units)
        mean = self.mean
        # (M p, M p): of the row's source, over the units of the column's.
        crossed = self.scores.repeat(p, axis=1) * mean
        units = self.units.repeat(p, axis=0).repeat(p, axis=1)
        return np.asarray(outer - crossed - crossed.T + units * np.outer(mean, mean))


def covers_everyone(design: AlignedDesign) -> bool:
    """Whether every source covers every unit."""
    return all(fact[2] == design.n_units for fact in source_facts(design))


def labeled_coverage(design: AlignedDesign) -> Bools:
    """Which labelled units each source covers, (n, M)."""
    covered = np.zeros((design.n_labeled, design.k_sources), dtype=bool)
    for m, rows in enumerate(design.labeled_sources):
        covered[rows.unit_positions, m] = True
    return covered


def covered_blocks(
    sources: tuple[DesignRows, ...], n_units: int, score: TargetScore, eta: Floats
) -> Iterator[tuple[slice, Floats]]:
    """
    Scores of the sources and which of them cover a unit, block by block.

    Shapes: `eta` (M, p) -> `scores and coverage` (units, M p + M).
    """
    for units, scores in score_blocks(sources, n_units, score, eta):
        covered = np.zeros((len(scores), len(sources)))
        for m, source in enumerate(sources):
            of_rows = source.unit_of(source.rows(units.start, units.stop))
            if isinstance(of_rows, slice):
                covered[:, m] = 1.0
            else:
                covered[of_rows - units.start, m] = 1.0
        yield units, np.hstack([scores, covered])


def part_covered_sums(
    sources: tuple[DesignRows, ...], n_units: int, score: TargetScore, eta: Floats
) -> CoveredSums:
    """
    One pass over the rows of some units.

    Shapes: `eta` (M, p).
    """
    size, k_sources = eta.size, len(sources)
    total = np.zeros((size + k_sources, k_sources))
    for _, block in covered_blocks(sources, n_units, score, eta):
        total += block.T @ block[:, size:]
    return CoveredSums(total[size:], total[:size])


def covered_sums(design: AlignedDesign, score: TargetScore, eta: Floats) -> CoveredSums:
    """
    Sums over all units, wherever their rows are.

    Shapes: `eta` (M, p).
    """
    if design.partitions is None:
        return part_covered_sums(design.sources, design.n_units, score, eta)
    part = partial(part_covered_sums, score=score, eta=eta)
    return design.partitions.total(told_parts(design, score, part))


def covered_clusters(
    design: AlignedDesign, score: TargetScore, eta: Floats, clusters: Clusters
) -> tuple[Floats, Floats]:
    """
    Scores of the sources and number of covered units, summed by cluster.

    Shapes: `eta` (M, p) -> (C, M p), (C, M).
    """
    size, k = eta.size, eta.size + len(eta)
    if design.partitions is None:
        blocks = covered_blocks(design.sources, design.n_units, score, eta)
        sums = all_sums(blocks, clusters, k)
    else:
        assert clusters.column is not None
        own = partial(covered_blocks, score=score, eta=eta)
        blocks_of = told_parts(design, score, own)
        found = design.partitions.group_sums(clusters.column, blocks_of, k)
        sums = found.reindex(clusters.labels).to_numpy()
    return sums[:, :size], sums[:, size:]

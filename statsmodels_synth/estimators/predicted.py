"""
Predicted scores: what stands in for the score of a unit that nobody labelled.

A method on this page predicts the score of the target model for every unit and corrects
the mean of its predictions by the error that it makes on the labelled ones. Methods
differ in what they predict with: the rows of a source, a mixture of two, or a learner.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.gmm.sums import BLOCK_SIZE, row_factors, source_sums, unit_scores
from statsmodels_synth.problem.design import AlignedDesign, DesignRows, SourceArrays
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import (
    by_row,
    total_slope,
)


@dataclass(frozen=True)
class PredictedMoments:
    """
    Predicted scores at one value of theta, centred over the units that have one.

    Centring changes no estimate where every unit is covered, and is what makes the
    rest right: weights of labelled units that add up to n, and sources of which it is
    not known how many units they could have covered.

    Parameters
    ----------
    drawn : ndarray (n, p)
        Predicted scores of the labelled units, without the design weight a_t.
    slope : ndarray (p, p)
        Sum of their derivatives times a_t.
    everyone : ndarray (n, p)
        The same as parts of the mean over all T units. Differs where a source covers
        some units only, by the factor that its mean is over more or fewer units.
    outer : ndarray (p, p)
        Second moment of that over all units; its mean is zero.
    jacobian : ndarray (p, p)
        Mean derivative of the scores over all units.
    n_units : float
        Units that the predictions are for: T, or the covered ones over the share of the
        labelled units that is covered.
    """

    drawn: Floats
    slope: Floats
    everyone: Floats
    outer: Floats
    jacobian: Floats
    n_units: float


class PredictedScores(Protocol):
    """Predicted scores of all units at a value of theta."""

    def at(self, theta: Floats) -> PredictedMoments:
        """
        Labelled units, and means over all.

        Shapes: `theta` (p,).
        """
        ...

    def blocks(self, theta: Floats) -> Iterator[tuple[slice, Floats]]:
        """
        All units, block by block.

        Shapes: `theta` (p,) -> `scores` (units, p).
        """
        ...


@dataclass(frozen=True)
class SourceScores:
    """
    Scores of the rows of sources, mixed.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    score : TargetScore
        Target model.
    sources : tuple of SourceArrays
        Sources that predict.
    rows : tuple of DesignRows
        Their rows of labelled units.
    mix : ndarray (sources,)
        Share of each.
    """

    design: AlignedDesign
    score: TargetScore
    sources: tuple[SourceArrays, ...]
    rows: tuple[DesignRows, ...]
    mix: Floats

    @classmethod
    def of(
        cls, design: AlignedDesign, score: TargetScore, shares: dict[int, float]
    ) -> SourceScores:
        """Mixture of some of the sources of a design."""
        return cls(
            design,
            score,
            tuple(design.sources[m] for m in shares),
            tuple(design.labeled_sources[m] for m in shares),
            np.array(list(shares.values())),
        )

    @cached_property
    def poolable(self) -> bool:
        """
        Whether the derivative of the scores is that of the labels, unit by unit.

        So it is if the source has the regressors and the offset that people observed,
        for every unit, and the derivative does not depend on the outcome.
        """
        if not self.score.is_canonical or self._partial.any():
            return False
        labels = self.design.labeled
        for rows in self.rows:
            at = rows.unit_positions
            if not np.array_equal(rows.exog, labels.exog[at]):
                return False
            if rows.offset is not None and (
                labels.offset is None
                or not np.array_equal(rows.offset, labels.offset[at])
            ):
                return False
        return True

    @cached_property
    def _covered(self) -> Positions:
        """Units that each source covers, (k,)."""
        everyone = self.design.n_units
        return np.array(
            [
                everyone if s.units is None else len(np.unique(s.units))
                for s in self.sources
            ]
        )

    @property
    def _partial(self) -> Bools:
        """Whether each source lacks some unit, (k,)."""
        return np.asarray(self._covered < self.design.n_units)

    @property
    def n_units(self) -> float:
        """Units that the predictions are for, as in :class:`PredictedMoments`."""
        return float(self.mix @ self._n_units)

    @cached_property
    def _n_units(self) -> Floats:
        """Units that each source is a sample of, (k,)."""
        a = self.design.design_weights
        share = [a[np.unique(r.unit_positions)].sum() / a.sum() for r in self.rows]
        return np.asarray(self._covered / np.array(share))

    def at(self, theta: Floats) -> PredictedMoments:
        """See :class:`PredictedScores`."""
        design, k, p = self.design, len(self.sources), len(theta)
        everything = slice(None)
        sums = source_sums(
            self.sources,
            design.n_units,
            self.score,
            np.tile(theta, (k, 1)),
            outer=not self._partial.any(),
        )
        # Means over covered units, of the scores and of their derivatives.
        over = design.n_units / self._covered
        centres = over[:, None] * sums.mean
        slopes = over[:, None, None] * sums.jacobian
        drawn, slope = np.zeros((design.n_labeled, p)), np.zeros((p, p))
        everyone = np.zeros_like(drawn)
        own, a = np.empty_like(drawn), design.design_weights
        for m, (share, rows) in enumerate(zip(self.mix, self.rows, strict=True)):
            factor, steep = row_factors(rows, everything, theta, self.score)
            unit_scores(rows, everything, factor, 0, own, self.score)
            steep = by_row(steep, a[rows.unit_of(everything)])
            present = np.unique(rows.unit_positions)
            own[present] -= centres[m]
            drawn += share * own
            everyone += share * design.n_units / self._n_units[m] * own
            slope += share * total_slope(rows.exog, steep, self.score)
            slope -= share * a[present].sum() * slopes[m]
        if sums.outer is not None:
            mean = self.mix @ sums.mean
            parts = sums.outer.reshape(k, p, k, p)
            outer = np.einsum("m,minj,n->ij", self.mix, parts, self.mix)
            outer -= np.outer(mean, mean)
        else:
            total = sum(v.T @ v for _, v in self._centred_blocks(theta, centres))
            outer = np.asarray(total) / design.n_units
        jacobian = np.einsum("m,mij->ij", self.mix, sums.jacobian)
        return PredictedMoments(drawn, slope, everyone, outer, jacobian, self.n_units)

    def blocks(self, theta: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :class:`PredictedScores`."""
        k, n_units = len(self.sources), self.design.n_units
        at = np.tile(theta, (k, 1))
        means = source_sums(self.sources, n_units, self.score, at).mean
        centres = (n_units / self._covered)[:, None] * means
        return self._centred_blocks(theta, centres)

    def uncentred(self, theta: Floats) -> Iterator[tuple[slice, Floats]]:
        """
        Scores of all units as they are, block by block.

        Shapes: `theta` (p,) -> `scores` (units, p).
        """
        nothing = np.zeros((len(self.sources), len(theta)))
        return self._blocks(theta, nothing, self.mix)

    def _centred_blocks(
        self, theta: Floats, centres: Floats
    ) -> Iterator[tuple[slice, Floats]]:
        shares = self.mix * self.design.n_units / self._n_units
        return self._blocks(theta, centres, shares)

    def _blocks(
        self, theta: Floats, centres: Floats, shares: Floats
    ) -> Iterator[tuple[slice, Floats]]:
        n_units = self.design.n_units
        buffer = np.empty((BLOCK_SIZE, len(theta)))
        for start in range(0, n_units, BLOCK_SIZE):
            stop = min(start + BLOCK_SIZE, n_units)
            own, block = buffer[: stop - start], np.zeros((stop - start, len(theta)))
            for m, source in enumerate(self.sources):
                rows = source.rows(start, stop)
                factor, _ = row_factors(source, rows, theta, self.score)
                unit_scores(source, rows, factor, start, own, self.score)
                present = np.unique(source.unit_positions[rows]) - start
                own[present] -= centres[m]
                block += shares[m] * own
            yield slice(start, stop), block


@dataclass(frozen=True)
class LearnedScores:
    """
    Scores that a learner predicted; they do not depend on theta.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    values : ndarray (T, p)
        Predicted scores; of no account for units that no source covers.
    """

    design: AlignedDesign
    values: Floats

    @cached_property
    def _covered(self) -> Bools:
        """Whether some source covers a unit, (T,)."""
        covered = np.zeros(self.design.n_units, dtype=bool)
        for source in self.design.sources:
            covered[slice(None) if source.units is None else source.units] = True
        return covered

    @cached_property
    def _centred(self) -> Floats:
        covered = self._covered
        mean = self.values[covered].mean(axis=0)
        return np.where(covered[:, None], self.values - mean, 0.0)

    @cached_property
    def _n_units(self) -> float:
        a = self.design.design_weights
        share = a @ self._covered[self.design.labeled_units] / a.sum()
        return float(self._covered.sum() / share)

    def at(self, theta: Floats) -> PredictedMoments:
        """See :class:`PredictedScores`."""
        factor = self.design.n_units / self._n_units
        nothing = np.zeros((len(theta), len(theta)))
        drawn = self._centred[self.design.labeled_units]
        outer = self._centred.T @ self._centred * factor**2 / self.design.n_units
        return PredictedMoments(
            drawn, nothing, factor * drawn, outer, nothing, self._n_units
        )

    def blocks(self, theta: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :class:`PredictedScores`."""
        factor = self.design.n_units / self._n_units
        yield slice(0, len(self.values)), factor * self._centred

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

from statsmodels_synth._arrays import Bools, Floats, Positions
from statsmodels_synth.design import AlignedDesign, DesignRows, SourceArrays
from statsmodels_synth.moment_sums import (
    BLOCK_SIZE,
    row_factors,
    source_sums,
    unit_scores,
)
from statsmodels_synth.scores import Score


@dataclass(frozen=True)
class PredictedMoments:
    """
    Predicted scores at one value of theta.

    Parameters
    ----------
    labeled : ndarray (n, p)
        Predicted scores of the labelled units, without the design weight a_t.
    slope : ndarray (p, p)
        Sum of their derivatives times a_t.
    mean : ndarray (p,)
        Mean over all units.
    jacobian : ndarray (p, p)
        Its derivative.
    outer : ndarray (p, p)
        Second moment over all units.
    """

    labeled: Floats
    slope: Floats
    mean: Floats
    jacobian: Floats
    outer: Floats


class PredictedScores(Protocol):
    """
    Predicted scores of all units at a value of theta.

    Their expectation is the same for labelled and for other units. A source that does
    not cover every unit is centred at its mean over those that it covers, and zero
    for the rest: how many units it could have covered need not be known then.
    """

    def at(self, theta: Floats) -> PredictedMoments:
        """
        Labelled units, and means over all.

        Parameters
        ----------
        theta : ndarray (p,)
            Target parameters.

        Returns
        -------
        PredictedMoments
            One pass over the rows of the sources.
        """
        ...

    def blocks(self, theta: Floats) -> Iterator[tuple[slice, Floats]]:
        """
        All units, block by block.

        Parameters
        ----------
        theta : ndarray (p,)
            Target parameters.

        Yields
        ------
        units : slice
            Positions.
        scores : ndarray (units, p)
            Predicted scores; may be overwritten by the next block.
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
    score : Score
        Target model.
    sources : tuple of SourceArrays
        Sources that predict.
    rows : tuple of DesignRows
        Their rows of labelled units.
    mix : ndarray (sources,)
        Share of each.
    """

    design: AlignedDesign
    score: Score
    sources: tuple[SourceArrays, ...]
    rows: tuple[DesignRows, ...]
    mix: Floats

    @classmethod
    def of(
        cls, design: AlignedDesign, score: Score, shares: dict[int, float]
    ) -> SourceScores:
        """
        Mixture of some of the sources of a design.

        Parameters
        ----------
        design : AlignedDesign
            Aligned arrays.
        score : Score
            Target model.
        shares : dict
            From the position of a source to its share.

        Returns
        -------
        SourceScores
            The mixture.
        """
        return cls(
            design,
            score,
            tuple(design.sources[m] for m in shares),
            tuple(design.labeled_sources[m] for m in shares),
            np.array(list(shares.values())),
        )

    @property
    def has_own_regressors(self) -> bool:
        """Whether the regressors are not those that people observed."""
        observed = self.design.labeled.exog
        return any(
            not np.array_equal(rows.exog, observed[rows.unit_positions])
            for rows in self.rows
        )

    @property
    def covers_all(self) -> bool:
        """Whether every unit has a row in every source."""
        return not self._partial.any()

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

    def at(self, theta: Floats) -> PredictedMoments:
        """See :class:`PredictedScores`."""
        design, k, p = self.design, len(self.sources), len(theta)
        everything = slice(None)
        sums = source_sums(
            self.sources,
            design.n_units,
            self.score,
            np.tile(theta, (k, 1)),
            outer=self.covers_all,
        )
        centres = self._centres(sums.mean)
        labeled, slope = np.zeros((design.n_labeled, p)), np.zeros((p, p))
        own, a = np.empty_like(labeled), design.design_weights
        for m, (share, rows) in enumerate(zip(self.mix, self.rows, strict=True)):
            factor, steep = row_factors(rows, everything, rows.exog @ theta, self.score)
            unit_scores(rows, everything, factor, 0, own)
            steep = steep * a[rows.unit_of(everything)]
            own_slope = rows.exog.T @ (rows.exog * steep[:, None])
            if self._partial[m]:
                present = np.unique(rows.unit_positions)
                own[present] -= centres[m]
                ratio = design.n_units / self._covered[m]
                own_slope -= a[present].sum() * ratio * sums.jacobian[m]
            labeled += share * own
            slope += share * own_slope
        if sums.outer is not None:
            parts = sums.outer.reshape(k, p, k, p)
            outer = np.einsum("m,minj,n->ij", self.mix, parts, self.mix)
        else:
            total = sum(v.T @ v for _, v in self._centred_blocks(theta, centres))
            outer = np.asarray(total) / design.n_units
        # What is centred has the mean zero, whatever theta is.
        whole = np.where(self._partial, 0.0, self.mix)
        jacobian = np.einsum("m,mij->ij", whole, sums.jacobian)
        return PredictedMoments(labeled, slope, whole @ sums.mean, jacobian, outer)

    def blocks(self, theta: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :class:`PredictedScores`."""
        k = len(self.sources)
        sums = source_sums(
            self.sources, self.design.n_units, self.score, np.tile(theta, (k, 1))
        )
        return self._centred_blocks(theta, self._centres(sums.mean))

    def _centres(self, means: Floats) -> Floats:
        """Mean score of each source over the units that it covers, or zero, (k, p)."""
        share = self.design.n_units / self._covered
        return np.asarray(np.where(self._partial, share, 0.0)[:, None] * means)

    def _centred_blocks(
        self, theta: Floats, centres: Floats
    ) -> Iterator[tuple[slice, Floats]]:
        buffer = np.empty((BLOCK_SIZE, len(theta)))
        for start in range(0, self.design.n_units, BLOCK_SIZE):
            stop = min(start + BLOCK_SIZE, self.design.n_units)
            own, block = buffer[: stop - start], np.zeros((stop - start, len(theta)))
            for m, (share, source) in enumerate(
                zip(self.mix, self.sources, strict=True)
            ):
                rows = source.rows(start, stop)
                linear = source.exog[rows] @ theta
                factor, _ = row_factors(source, rows, linear, self.score)
                unit_scores(source, rows, factor, start, own)
                if self._partial[m]:
                    assert source.units is not None
                    own[np.unique(source.units[rows]) - start] -= centres[m]
                block += share * own
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
        Predicted scores.
    """

    design: AlignedDesign
    values: Floats

    def at(self, theta: Floats) -> PredictedMoments:
        """See :class:`PredictedScores`."""
        nothing = np.zeros((len(theta), len(theta)))
        return PredictedMoments(
            self.values[self.design.labeled_units],
            nothing,
            self.values.mean(axis=0),
            nothing,
            self.values.T @ self.values / len(self.values),
        )

    def blocks(self, theta: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :class:`PredictedScores`."""
        yield slice(0, len(self.values)), self.values

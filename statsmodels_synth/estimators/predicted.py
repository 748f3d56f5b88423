"""
Predicted scores: what stands in for the score of a unit that nobody labelled.

A method on this page predicts the score of the target model for every unit and corrects
the mean of its predictions by the error that it makes on the labelled ones. Methods
differ in what they predict with: the rows of a source, a mixture of two, or a learner.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.design import AlignedDesign, DesignRows, SourceArrays
from statsmodels_synth.moment_sums import (
    BLOCK_SIZE,
    row_factors,
    source_sums,
    unit_scores,
)
from statsmodels_synth.scores import Score


@dataclass(frozen=True)
class ScoreMeans:
    """
    Means of a predicted score over all units.

    Parameters
    ----------
    mean : ndarray (p,)
        Mean.
    jacobian : ndarray (p, p)
        Its derivative with respect to theta.
    outer : ndarray (p, p)
        Second moment.
    """

    mean: Floats
    jacobian: Floats
    outer: Floats


class PredictedScores(Protocol):
    """Predicted scores of all units at a value of theta."""

    def labeled(self, theta: Floats) -> tuple[Floats, Floats]:
        """
        Of the labelled units.

        Parameters
        ----------
        theta : ndarray (p,)
            Target parameters.

        Returns
        -------
        scores : ndarray (n, p)
            Predicted scores, without the design weight a_t.
        jacobian : ndarray (p, p)
            Sum of their derivatives times a_t.
        """
        ...

    def means(self, theta: Floats) -> ScoreMeans:
        """
        Over all units.

        Parameters
        ----------
        theta : ndarray (p,)
            Target parameters.

        Returns
        -------
        ScoreMeans
            Sums divided by T.
        """
        ...

    def blocks(self, theta: Floats) -> Iterator[tuple[slice, Floats]]:
        """
        Of all units, block by block.

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
        return all(
            s.units is None or len(np.unique(s.units)) == self.design.n_units
            for s in self.sources
        )

    def labeled(self, theta: Floats) -> tuple[Floats, Floats]:
        """See :class:`PredictedScores`."""
        n, p = self.design.n_labeled, self.design.k_params
        scores, jacobian = np.zeros((n, p)), np.zeros((p, p))
        own, everything = np.empty((n, p)), slice(None)
        for share, rows in zip(self.mix, self.rows, strict=True):
            factor, slope = row_factors(rows, everything, rows.exog @ theta, self.score)
            unit_scores(rows, everything, factor, 0, own)
            scores += share * own
            slope = slope * self.design.design_weights[rows.unit_of(everything)]
            jacobian += share * (rows.exog.T @ (rows.exog * slope[:, None]))
        return scores, jacobian

    def means(self, theta: Floats) -> ScoreMeans:
        """See :class:`PredictedScores`."""
        k, p = len(self.sources), len(theta)
        sums = source_sums(
            self.sources,
            self.design.n_units,
            self.score,
            np.tile(theta, (k, 1)),
            outer=True,
        )
        assert sums.outer is not None
        outer = sums.outer.reshape(k, p, k, p)
        return ScoreMeans(
            self.mix @ sums.mean,
            np.einsum("m,mij->ij", self.mix, sums.jacobian),
            np.einsum("m,minj,n->ij", self.mix, outer, self.mix),
        )

    def blocks(self, theta: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :class:`PredictedScores`."""
        buffer = np.empty((BLOCK_SIZE, len(theta)))
        for start in range(0, self.design.n_units, BLOCK_SIZE):
            stop = min(start + BLOCK_SIZE, self.design.n_units)
            own, block = buffer[: stop - start], np.zeros((stop - start, len(theta)))
            for share, source in zip(self.mix, self.sources, strict=True):
                rows = source.rows(start, stop)
                linear = source.exog[rows] @ theta
                factor, _ = row_factors(source, rows, linear, self.score)
                unit_scores(source, rows, factor, start, own)
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

    def labeled(self, theta: Floats) -> tuple[Floats, Floats]:
        """See :class:`PredictedScores`."""
        p = len(theta)
        return self.values[self.design.labeled_units], np.zeros((p, p))

    def means(self, theta: Floats) -> ScoreMeans:
        """See :class:`PredictedScores`."""
        p = len(theta)
        outer = self.values.T @ self.values / len(self.values)
        return ScoreMeans(self.values.mean(axis=0), np.zeros((p, p)), outer)

    def blocks(self, theta: Floats) -> Iterator[tuple[slice, Floats]]:
        """See :class:`PredictedScores`."""
        yield slice(0, len(self.values)), self.values

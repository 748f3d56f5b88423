r"""
What the scores of the sources have in common with those of the labels.

A labelled unit moves the labelled-only estimate by ``-D^{-1} a_t psi_t`` and the
estimate from a source by ``-D_m^{-1} a_t h_mt``. The more of the first the second
explains, the more of the noise of the labels can be removed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statsmodels_synth.core.arrays import Bools, Floats
from statsmodels_synth.gmm.moments import labeled_scores
from statsmodels_synth.gmm.solver import Solution
from statsmodels_synth.gmm.weights import inverse_in_basis
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.scores import TargetScore


@dataclass(frozen=True)
class LabeledMoves:
    """
    What every labelled unit contributes to the estimates of labels and sources.

    Parameters
    ----------
    labels : ndarray (n, p)
        ``D^-1 a psi``, up to a constant.
    sources : ndarray (M, n, p)
        ``D_m^-1 a h_m``, up to a constant; zero where the unit is not covered.
    covered : ndarray (M, n) of bool
        Whether the source covers the unit.
    """

    labels: Floats
    sources: Floats
    covered: Bools


def labeled_moves(
    design: AlignedDesign, score: TargetScore, solution: Solution
) -> LabeledMoves:
    """Contributions of the labelled units at a solution."""
    n, p, k_sources = design.n_labeled, design.k_params, design.k_sources
    psi, h, *_ = labeled_scores(design, score, solution.theta, solution.eta)
    a = design.design_weights[:, None]
    sums, basis = solution.sums, design.basis
    covered = np.zeros((k_sources, n), dtype=bool)
    moves = np.empty((k_sources, n, p))
    for m, rows in enumerate(design.labeled_sources):
        covered[m, rows.unit_positions] = True
        bread = inverse_in_basis(sums.auxiliary[m, 1], basis)
        moves[m] = -(a * h[:, m * p : (m + 1) * p]) @ bread.T
    labels = -(a * psi) @ inverse_in_basis(sums.target, basis).T
    return LabeledMoves(labels, moves, covered)


def cross_correlation(labels: Floats, source: Floats) -> Floats:
    """
    Correlations of the columns of two arrays.

    Shapes: `labels` (n, p), `source` (n, k) -> (p, k).

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [4.0]])
    >>> cross_correlation(x, np.hstack([-x, x])).round(6)
    array([[-1.,  1.]])
    """
    left, right = (_standardised(v) for v in (labels, source))
    return np.asarray(left.T @ right)


def _standardised(values: Floats) -> Floats:
    """Columns less their means, of unit length; NaN where they do not vary."""
    if not len(values):
        return np.full_like(values, np.nan)
    centred = values - values.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    rounding = 1e-12 * np.linalg.norm(values, axis=0)
    length = np.where(length > rounding, length, np.nan)
    return np.asarray(centred / length)

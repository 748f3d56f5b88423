r"""
How much to take off: control coefficients that few labels can bear.

The augmented estimate solves ``mean(a psi(theta)) = B mean(a h(eta))``. The paper's
``B`` is the least-squares regression of the labelled score on the scores of the
sources for the same units, ``p x M p`` numbers from n units. With few labels and
several sources it costs more than it brings. Here three candidates are stacked
(Wolpert 1992; Breiman 1996): that regression, a multiple of each source's own
score (M numbers), and nothing at all,

.. math::
    B = w_1 B_{\text{full}} + w_2 B_{\text{scalar}},
    \qquad w_1, w_2 \ge 0, \quad w_1 + w_2 \le 1,

with the weights that predict the labelled score of a unit best, in the metric of its
second moment, when that unit is left out. Each regression sees :data:`PSEUDO_UNITS`
units per source at which the source says something unrelated, which adds
``c / n S_mm`` to the Gram matrix of source m, and zero to its product with the
labelled score. That is ridge regression with a penalty that does not depend on units
of x. It keeps a handful of disagreements from deciding which source is right.

As n grows the pseudo-units and the error of leaving one out vanish. With equal
labelling probabilities and no clusters B then is the paper's. With unequal ones it
need not be: the paper's regression also has the scores of all units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statsmodels_synth._arrays import Floats
from statsmodels_synth.moment_sums import MomentSums
from statsmodels_synth.weights import RANK_TOLERANCE, inverse_root

#: Units per source at which it is supposed to say something unrelated; for a
#: proportion, to add two successes and two failures is the rule of Agresti and
#: Coull (1998).
PSEUDO_UNITS = 2.0


@dataclass(frozen=True)
class ControlCoefficients:
    """
    Regression of the labelled score on the scores of the sources.

    Parameters
    ----------
    matrix : ndarray (p, M p)
        B.
    left_out : ndarray (G, p)
        ``B h`` of every observation, with coefficients that have not seen it.
    df : float
        Effective number of coefficients per component of the score.
    shares : tuple of float
        Weights of the full regression and of the scalar one.
    """

    matrix: Floats
    left_out: Floats
    df: float
    shares: tuple[float, float]

    @property
    def gain(self) -> Floats:
        """B with zeros for the all-units moments, (p, 2 M p)."""
        p = len(self.matrix)
        by_source = self.matrix.reshape(p, -1, p)
        padded = np.stack([by_source, np.zeros_like(by_source)], axis=2)
        return padded.reshape(p, -1)


def no_controls(n: int, p: int, k_sources: int) -> ControlCoefficients:
    """
    Coefficients of zero: the sources take no part.

    Parameters
    ----------
    n, p, k_sources : int
        Observations, target coefficients and sources.

    Returns
    -------
    ControlCoefficients
        All zero.
    """
    return ControlCoefficients(
        matrix=np.zeros((p, k_sources * p)),
        left_out=np.zeros((n, p)),
        df=0.0,
        shares=(0.0, 0.0),
    )


@dataclass(frozen=True)
class _Candidate:
    """Coefficients (p, M p), left-out fit (G, p), degrees of freedom."""

    matrix: Floats
    left_out: Floats
    df: float


def control_coefficients(
    psi: Floats, h: Floats, sums: MomentSums, basis: Floats
) -> ControlCoefficients:
    """
    Stack the full and the scalar regression, and nothing.

    Parameters
    ----------
    psi : ndarray (G, p)
        Labelled scores ``a psi``, one row per labelled unit or cluster of them.
    h : ndarray (G, M p)
        Scores ``a h`` of the sources, likewise.
    sums : MomentSums
        At the same parameters.
    basis : ndarray (p, p)
        Change of basis that makes the labelled design orthonormal: for the
        arithmetic, the result does not depend on it.

    Returns
    -------
    ControlCoefficients
        Coefficients and predictions.

    References
    ----------
    Wolpert, D. H. (1992). Stacked generalization. Neural Networks, 5, 241-259.

    Breiman, L. (1996). Stacked regressions. Machine Learning, 24, 49-64.

    Agresti, A. and Coull, B. A. (1998). Approximate is better than "exact" for
    interval estimation of binomial proportions. American Statistician, 52, 119-126.
    """
    n, p = psi.shape
    k_sources = h.shape[1] // p
    y, z = psi @ basis, h.reshape(n, k_sources, p) @ basis
    covered = np.any(z != 0.0, axis=2).sum(axis=0)
    pseudo = PSEUDO_UNITS / np.maximum(covered, 1)
    values, vectors = np.linalg.eigh(y.T @ y)
    keep = values > RANK_TOLERANCE * values.max(initial=0.0)
    if not keep.any():  # labels that are fitted exactly: there is nothing to explain
        return no_controls(n, p, k_sources)
    metric = vectors[:, keep] / np.sqrt(values[keep])
    full = _full(y, z, pseudo)
    scalar = _scalar(y, z, pseudo, metric, _alignment(sums, basis))
    shares = _simplex_weights(
        (y @ metric).ravel(),
        (full.left_out @ metric).ravel(),
        (scalar.left_out @ metric).ravel(),
    )
    back = np.linalg.inv(basis)

    def stacked(name: str) -> Floats:
        return np.asarray(
            shares[0] * getattr(full, name) + shares[1] * getattr(scalar, name)
        )

    matrix = back.T @ (stacked("matrix").reshape(p, k_sources, p) @ basis.T).reshape(
        p, -1
    )
    return ControlCoefficients(
        matrix=matrix,
        left_out=stacked("left_out") @ back,
        df=shares[0] * full.df + shares[1] * scalar.df,
        shares=shares,
    )


def _alignment(sums: MomentSums, basis: Floats) -> Floats:
    """
    Maps that turn the score of a source into units of the labelled one, (M, p, p).

    A source that repeats the labels has the influence of the labels, not their
    score, where its coefficients are others: ``D_1^{-1} psi = D_m^{-1} h_m``.
    """
    target = basis.T @ sums.target @ basis
    own = basis.T @ sums.auxiliary[:, 1] @ basis
    return np.asarray(target @ np.linalg.inv(own))


def _full(y: Floats, z: Floats, pseudo: Floats) -> _Candidate:
    """Every component of y on all of z, by ridge regression."""
    n, k_sources, p = z.shape
    gram = np.einsum("gmi,gnj->minj", z, z, optimize=True)
    for m in range(k_sources):
        gram[m, :, m] *= 1.0 + pseudo[m]
    gram = gram.reshape(k_sources * p, k_sources * p)
    flat = z.reshape(n, k_sources * p)
    root = inverse_root(gram)
    scores = flat @ root
    coefficients = root @ (scores.T @ y)
    fitted = flat @ coefficients
    leverage = (scores**2).sum(axis=1)
    left_out = y - (y - fitted) / np.maximum(1.0 - leverage, 1e-10)[:, None]
    return _Candidate(coefficients.T, left_out, float(leverage.sum()))


def _scalar(
    y: Floats, z: Floats, pseudo: Floats, metric: Floats, alignment: Floats
) -> _Candidate:
    """One multiple per source of its aligned score, for all components at once."""
    _, k_sources, p = z.shape
    aligned = np.einsum("gmj,mij->gmi", z, alignment)
    x, target = aligned @ metric, y @ metric
    gram = np.einsum("gmi,gni->gmn", x, x)
    cross = np.einsum("gmi,gi->gm", x, target)
    total = gram.sum(axis=0)
    # A source whose scores vanish on all labelled units gets a multiple of zero.
    own = np.diag(total)
    total += np.diag(np.where(own > 0.0, pseudo * own, 1.0))
    multiples = np.linalg.solve(total, cross.sum(axis=0))
    without = np.linalg.solve(total - gram, (cross.sum(axis=0) - cross)[:, :, None])
    matrix = multiples[:, None, None] * alignment
    return _Candidate(
        matrix.transpose(1, 0, 2).reshape(p, -1),
        np.einsum("gmi,gm->gi", aligned, without[:, :, 0]),
        k_sources / p,
    )


def _simplex_weights(
    target: Floats, first: Floats, second: Floats
) -> tuple[float, float]:
    """
    Least-squares weights of two predictions, not negative and at most one in sum.

    A convex problem in the triangle: its solution is inside, or the best point of
    one of the three sides.
    """
    gram = np.array(
        [[first @ first, first @ second], [first @ second, second @ second]]
    )
    cross = np.array([first @ target, second @ target])

    def loss(w: Floats) -> float:
        return float(w @ gram @ w - 2.0 * (w @ cross))

    def side(start: Floats, stop: Floats) -> Floats:
        step = stop - start
        length = float(step @ gram @ step)
        along = float(step @ (cross - gram @ start)) / length if length > 0.0 else 0.0
        return np.asarray(start + min(max(along, 0.0), 1.0) * step)

    zero, one, two = np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, 1.0])
    points = [side(zero, one), side(zero, two), side(one, two)]
    if np.linalg.det(gram) > RANK_TOLERANCE * gram[0, 0] * gram[1, 1]:
        inside = np.linalg.solve(gram, cross)
        if inside.min() >= 0.0 and inside.sum() <= 1.0:
            points = [inside]
    best = min(points, key=loss)
    return float(best[0]), float(best[1])

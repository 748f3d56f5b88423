"""
How much of each source is taken off: regressions on their rows, stacked.

Stacking (Wolpert 1992; Breiman 1996) weighs the regression of the labels' rows on those
of all sources, one multiple per source, and nothing, by how well each predicts a row
that it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.gmm.rows import Rows
from statsmodels_synth.gmm.weights import inverse_root

#: F statistic of what is taken off that counts as chance. In simulation useless sources
#: cost less than with 1, and good ones gain as much within one per cent.
CHANCE = 2.0


@dataclass(frozen=True)
class Stacked:
    """
    How much of the sources is taken off.

    Parameters
    ----------
    matrix : ndarray (p, M p)
        A.
    left_out : ndarray (R, p)
        ``A z`` of every row, with coefficients that have not seen it.
    df : float
        Effective number of coefficients per component.
    shares : tuple of float
        Weights of the full regression, of the multiples and, with clusters, of what
        units within them say.
    """

    matrix: Floats
    left_out: Floats
    df: float
    shares: tuple[float, ...]

    def mapped(self, basis: Floats) -> Stacked:
        """The same for coefficients, where rows were in a basis of them."""
        p = len(basis)
        matrix = (basis @ self.matrix).reshape(p, -1, p) @ np.linalg.inv(basis)
        return replace(
            self, matrix=matrix.reshape(p, -1), left_out=self.left_out @ basis.T
        )


@dataclass(frozen=True)
class _Candidate:
    """
    Coefficients (p, M p), left-out fit (R, p), degrees of freedom.

    `refit` makes coefficients of other rows, of labels (R, p) and controls (R, M, p).
    """

    matrix: Floats
    left_out: Floats
    df: float
    refit: Callable[[Floats, Floats], Floats] | None = None


def stack(rows: Rows, within: Stacked | None = None) -> Stacked:
    """
    Stack the full regression, the multiples, and nothing.

    Where rows are clusters, `within` is what units within them say.

    Eq. (stack), Eq. (stack-weights).
    """
    n, m, p = rows.controls.shape
    gram = rows.labels.T @ rows.labels
    if not m or not np.any(gram):  # labels that are fitted exactly
        return Stacked(np.zeros((p, m * p)), np.zeros((n, p)), 0.0, (0.0, 0.0))
    metric = inverse_root(gram)
    found = [_full(rows), _multiples(rows, metric)]
    for t, y, others in rows.deciding():
        for candidate in found:
            assert candidate.refit is not None
            own = candidate.refit(y, others)
            candidate.left_out[t] = own @ rows.controls[t].ravel()
    if within is not None:
        found.append(_within_clusters(rows, within))
    target = (rows.labels @ metric).ravel()
    fits = [(candidate.left_out @ metric).ravel() for candidate in found]
    shares = _simplex_weights(target, fits)
    fit = shares @ np.stack(fits)
    # What units within clusters say is from many more rows, and was shrunk by these.
    shares[:2] *= _certain_share(target, fit, p * rows.n)

    def stacked(values: Sequence[Floats]) -> Floats:
        return np.asarray(sum(w * v for w, v in zip(shares, values, strict=True)))

    return Stacked(
        matrix=stacked([candidate.matrix for candidate in found]),
        left_out=stacked([candidate.left_out for candidate in found]),
        df=float(shares @ [candidate.df for candidate in found]),
        shares=tuple(float(share) for share in shares),
    )


def _certain_share(target: Floats, fitted: Floats, n: int) -> float:
    """
    Share of a fit that is more than chance, by the F statistic of its one slope.

    Eq. (certain).

    With few rows a useless source is right of most of them by chance now and then.
    """
    size = float(target @ target) * float(fitted @ fitted)
    if size == 0.0:
        return 0.0
    f = n * float(target @ fitted) ** 2 / size
    return max(1.0 - CHANCE / f, 0.0) if f > 0.0 else 0.0


def _full(rows: Rows) -> _Candidate:
    """Every component of the labels on all sources, by ridge regression. Eq. (full)."""
    n, m, p = rows.controls.shape
    z = rows.controls.reshape(n, m * p)
    gram = z.T @ z
    for k in range(m):
        at = slice(k * p, (k + 1) * p)
        gram[at, at] = gram[at, at] * (1.0 + rows.pseudo[k]) + rows.floors[k]
    root = inverse_root(gram)
    scores = z @ root
    coefficients = root @ (scores.T @ rows.labels)
    leverage = (scores**2).sum(axis=1)
    if rows.groups is None:
        residual = rows.labels - z @ coefficients
        left_out = rows.labels - residual / np.maximum(1.0 - leverage, 1e-10)[:, None]
    else:
        left_out = _full_within(rows, z, gram)
    penalty = gram - z.T @ z

    def refit(y: Floats, others: Floats) -> Floats:
        x = others.reshape(n, m * p)
        root = inverse_root(x.T @ x + penalty)
        return np.asarray((root @ (root.T @ (x.T @ y))).T)

    return _Candidate(coefficients.T, left_out, float(leverage.sum()), refit)


def _without_one(size: int) -> tuple[float, float]:
    """
    What leaves one of so many rows about their mean out of a sum of products.

    Eq. (left-out-strata).

    Their products, S in all, have the factor n / (n - 1). Without one of them the mean
    is another one: ``S - z z'`` is left, with the factor (n - 1) / (n - 2), and nothing
    where only one is left, which mirrors the other. As a share of the sum that is added
    to it, and what is taken off for ``z z'``.

    Examples
    --------
    >>> _without_one(2), _without_one(4)
    ((-1.0, 0.0), (0.125, 1.5))
    """
    if size < 3:
        return -1.0, 0.0
    return 1.0 / (size * (size - 2)), (size - 1) / (size - 2)


def _members(groups: Positions) -> Iterator[Positions]:
    """Rows of each group."""
    order = np.argsort(groups, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _full_within(rows: Rows, z: Floats, gram: Floats) -> Floats:
    """Left-out fit of rows about the means of their groups. Eq. (left-out-strata)."""
    assert rows.groups is not None
    cross, left_out = z.T @ rows.labels, np.empty_like(rows.labels)
    for at in _members(rows.groups):
        more, once = _without_one(len(at))
        own, y = z[at], rows.labels[at]
        root = inverse_root(gram + more * own.T @ own)
        scores = own @ root
        residual = y - scores @ (root.T @ (cross + more * own.T @ y))
        leverage = once * (scores**2).sum(axis=1)
        left_out[at] = y - residual / np.maximum(1.0 - leverage, 1e-10)[:, None]
    return left_out


def _multiples(rows: Rows, metric: Floats) -> _Candidate:
    """One multiple of each source, for all components at once. Eq. (multiples)."""
    _, m, p = rows.controls.shape
    x, target = rows.controls @ metric, rows.labels @ metric
    gram = np.einsum("rki,rli->rkl", x, x)
    cross = np.einsum("rki,ri->rk", x, target)
    total, total_cross = gram.sum(axis=0), cross.sum(axis=0)
    own = np.diag(total)
    lacking = np.einsum("ij,kil,lj->k", metric, rows.floors, metric)
    # A source whose rows vanish on all labelled units gets a multiple of zero.
    penalty = np.where(own > 0.0, rows.pseudo * own + lacking, 1.0)
    total = total + np.diag(penalty)

    def refit(y: Floats, others: Floats) -> Floats:
        x = others @ metric
        gram = np.einsum("rki,rli->kl", x, x) + np.diag(penalty)
        return of(np.linalg.solve(gram, np.einsum("rki,ri->k", x, y @ metric)))

    def of(multiples: Floats) -> Floats:
        return np.hstack([multiple * np.eye(p) for multiple in multiples])

    multiples = np.linalg.solve(total, total_cross)
    if rows.groups is not None:
        for at in _members(rows.groups):
            more, once = _without_one(len(at))
            gram[at] = once * gram[at] - more * gram[at].sum(axis=0)
            cross[at] = once * cross[at] - more * cross[at].sum(axis=0)
    without = np.linalg.solve(total - gram, (total_cross - cross)[:, :, None])
    left_out = np.einsum("rki,rk->ri", rows.controls, without[:, :, 0])
    return _Candidate(of(multiples), left_out, m / p, refit)


def _within_clusters(rows: Rows, within: Stacked) -> _Candidate:
    """What units within clusters say, of which there are many more. Eq. (within)."""
    n, m, p = rows.controls.shape
    fitted = rows.controls.reshape(n, m * p) @ within.matrix.T
    return _Candidate(within.matrix, fitted, within.df / rows.per_row)


def _simplex_weights(target: Floats, predictions: Sequence[Floats]) -> Floats:
    """
    Least-squares weights of predictions, not negative and at most one in sum.

    Eq. (stack-weights).

    A convex problem: its solution is inside one of the faces of the simplex.
    """
    k, q = len(predictions), np.stack(predictions)
    gram, cross = q @ q.T, q @ target
    best, weights = 0.0, np.zeros(k)
    faces = (face for size in range(1, k + 1) for face in combinations(range(k), size))
    for face in faces:
        at = list(face)
        for tight in (False, True):
            size = len(at) + tight
            system, right = np.ones((size, size)), np.ones(size)
            system[: len(at), : len(at)] = gram[np.ix_(at, at)]
            right[: len(at)] = cross[at]
            if tight:
                system[-1, -1] = 0.0
            found = np.linalg.lstsq(system, right, rcond=None)[0][: len(at)]
            value = found @ gram[np.ix_(at, at)] @ found - 2.0 * (found @ cross[at])
            if found.min() >= 0.0 and found.sum() <= 1.0 + 1e-9 and value < best:
                best, weights = float(value), np.zeros(k)
                weights[at] = found
    return weights

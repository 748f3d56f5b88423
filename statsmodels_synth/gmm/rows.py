"""
Rows that vary as the default estimate does: of labelled units, or of clusters.

Labelled units enter less the mean of their stratum, where the labels of each stratum
were fixed, and by the root of one less their labelling probability: a unit that was
certain to be labelled does not vary. Clusters enter with all their units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.gmm.controls import Control, LabeledRows, floor_excess
from statsmodels_synth.problem.design import AlignedDesign, DesignRows, Labeling
from statsmodels_synth.problem.groups import Clusters, cluster_sums
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import slope_rows

#: Units per source at which it is supposed to say something unrelated; for a
#: proportion, to add two successes and two failures is the rule of Agresti and
#: Coull (1998).
PSEUDO_UNITS = 2.0
#: Least share of the second moment over all units that labelled rows have.
LEAST_SHARE = 0.3
#: Leverage from which a labelled unit is left out with what it does to the residuals of
#: others: that of a dummy which is set for three units.
HIGH_LEVERAGE = 0.3
#: Directions that only one cluster informs, which is left out: what is left of them
#: is rounding below this share.
LEFT_OUT_TOLERANCE = 1e-10


def _nothing() -> Iterator[tuple[int, Floats, Floats]]:
    """No row decides a coefficient."""
    return iter(())


@dataclass(frozen=True)
class Rows:
    """
    Rows that vary as the estimate does: of labelled units, or of clusters of all units.

    They are made in the basis of the design: see :meth:`mapped`.

    Parameters
    ----------
    labels : ndarray (R, p)
        Of the labelled-only estimate, to learn from.
    left_out : ndarray (R, p)
        The same as if the row had not taken part in it, to judge by.
    controls : ndarray (R, M, p)
        Of each source.
    everyone : ndarray (R, M, p) or None
        What all units of a cluster contribute to the estimate of each source over all
        units; None where rows are labelled units.
    up : ndarray (R,)
        What brings a residual from `labels` to `left_out`, where that is a factor.
    open : ndarray (R,)
        One less the probability of being labelled; one where rows are clusters.
    drawn : ndarray (p, p)
        Covariance that comes from drawing the units, whoever of them is labelled.
    pseudo : ndarray (M,)
        Ridge penalty as a share of the Gram matrix.
    floors : ndarray (M, p, p)
        What the Gram matrix of each source lacks.
    n : int
        Rows that have labels.
    per_row : float
        Labelled units per such row, times the mean of `open`.
    groups : ndarray (R,) or None
        Within which rows are about their mean.
    deciding : callable
        Goes through the rows that decide a coefficient, each with what all others are
        without it: of labels (R, p) and controls (R, M, p).
    """

    labels: Floats
    left_out: Floats
    controls: Floats
    everyone: Floats | None
    up: Floats
    open: Floats
    drawn: Floats
    pseudo: Floats
    floors: Floats
    n: int
    per_row: float
    groups: Positions | None = None
    deciding: Callable[[], Iterator[tuple[int, Floats, Floats]]] = _nothing

    def mapped(self, basis: Floats) -> Rows:
        """The same rows in coefficients."""
        back = basis.T
        everyone = None if self.everyone is None else self.everyone @ back
        return replace(
            self,
            labels=self.labels @ back,
            left_out=self.left_out @ back,
            controls=self.controls @ back,
            everyone=everyone,
            drawn=basis @ self.drawn @ back,
        )


def chances(design: AlignedDesign) -> Floats:
    """
    Probability with which each labelled unit was chosen; of merged strata, (n,).

    Eq. (chances).
    """
    labeling, n = design.labeling, design.n_labeled
    groups = strata_groups(labeling)
    if groups is not None and labeling.prob is not None:
        mean = np.bincount(groups, labeling.prob) / np.bincount(groups)
        return np.asarray(mean[groups])
    # Only ratios of probabilities are known to matter: they are those of n labels.
    share = n / design.n_frame
    return np.minimum(1.0, share / design.design_weights)


def strata_groups(labeling: Labeling) -> Positions | None:
    """Strata of the labelled units, (n,), after those with one label were merged."""
    strata, prob = labeling.strata, labeling.prob
    if strata is None:
        return None
    return merged_strata(strata, None if prob is None else prob >= 1.0)


def merged_strata(strata: Positions, certain: Bools | None = None) -> Positions:
    """
    Strata, of which those with one label are taken together: they have no variance.

    In pairs of neighbours, which are often alike; of an odd number the last three. A
    stratum whose one unit was certain to be labelled has none anyway, and is left.

    Eq. (collapsed).

    Shapes: `strata` (n,), `certain` (n,).

    Examples
    --------
    >>> import numpy as np
    >>> merged_strata(np.array([0, 0, 1, 2, 3, 3, 3]))
    array([0, 0, 2, 2, 1, 1, 1])
    >>> merged_strata(np.array([0, 0, 1, 3, 3, 3]))
    array([0, 0, 0, 1, 1, 1])
    >>> merged_strata(np.array([4, 3, 2, 1, 0]))
    array([1, 1, 1, 0, 0])
    """
    _, codes, count = np.unique(strata, return_inverse=True, return_counts=True)
    single = count[codes] == 1
    if certain is not None:
        single &= ~certain
    k, several = int(single.sum()), count > 1
    if k == 1 and several.any():  # with the smallest of the others
        codes[single] = np.argmin(np.where(several, count, len(codes) + 1))
    elif k > 1:
        place = np.argsort(np.argsort(codes[single]))
        codes[single] = len(count) + np.minimum(place // 2, k // 2 - 1)
    return np.unique(codes, return_inverse=True)[1]


def single_together(clusters: Positions) -> Positions:
    """
    Clusters, of which those with one label are one: their order says nothing.

    Shapes: `clusters` (n,).
    """
    size = np.bincount(clusters)[clusters]
    codes = np.where(size == 1, clusters.max() + 1, clusters)
    return np.unique(codes, return_inverse=True)[1]


def within_groups(rows: Floats, groups: Positions | None) -> Floats:
    """
    Rows less the mean of their stratum, by the root of n_h / (n_h - 1).

    Eq. (strata-rows).
    """
    if groups is None:
        return rows
    flat = rows.reshape(len(rows), -1)
    size = np.bincount(groups).astype(float)
    mean = cluster_sums(flat, groups, len(size)) / size[:, None]
    scale = np.sqrt(size / np.maximum(size - 1.0, 1.0))
    centred = (flat - mean[groups]) * scale[groups][:, None]
    return np.asarray(centred.reshape(rows.shape))


def unit_rows(
    design: AlignedDesign,
    labels: LabeledRows,
    controls: Sequence[Control],
    groups: Positions | None,
    score: TargetScore,
) -> Rows:
    """
    Rows of the labelled units, within strata where the labels of each were fixed.

    Eq. (rows), Eq. (strata-rows), Eq. (finite-error).

    Shapes: `groups` (n,).
    """
    (n, p), m = labels.turned.shape, len(controls)
    chance = chances(design)
    room, root = np.sqrt(labels.room), np.sqrt(1.0 - chance)
    z = np.empty((n, m, p))
    for k, control in enumerate(controls):
        z[:, k] = control.labeled.turned / np.sqrt(control.labeled.room)[:, None]
    floors = _floors_of_units(design, controls, z, chance)
    deciding = _nothing
    if groups is None:
        deciding = partial(_rows_without, design, score, labels, controls, root)
    z = within_groups(z, groups) * root[:, None, None]
    own = labels.turned / labels.room[:, None]
    return Rows(
        labels=within_groups(labels.turned / room[:, None], groups) * root[:, None],
        left_out=within_groups(own, groups) * root[:, None],
        controls=z,
        everyone=None,
        up=1.0 / room,
        open=1.0 - chance,
        # Where the units are the population, none was drawn.
        drawn=own.T @ (own * chance[:, None]) * (not design.is_finite),
        pseudo=np.array([PSEUDO_UNITS / max(c.n_covered, 1) for c in controls]),
        floors=floors,
        n=n,
        per_row=float(np.mean(1.0 - chance)),
        groups=groups,
        deciding=deciding,
    )


def _rows_without(
    design: AlignedDesign,
    score: TargetScore,
    labels: LabeledRows,
    controls: Sequence[Control],
    root: Floats,
) -> Iterator[tuple[int, Floats, Floats]]:
    """
    Rows of the other labelled units without each of those that decide a coefficient.

    Of two units that a dummy is set for, each mirrors the other; without one of them
    the other has no residual there. Eq. (deciding).

    Shapes: `root` (n,) -> unit: `labels` (n, p), `controls` (n, M, p).
    """
    every = [labels, *(control.labeled for control in controls)]
    most = np.max([own.leverage for own in every], axis=0)
    units = np.flatnonzero(most > HIGH_LEVERAGE)
    if not len(units):
        return
    parts = [
        _Parts(own, rows, design, score)
        for own, rows in zip(
            every, (design.labeled, *design.labeled_sources), strict=True
        )
    ]
    # One after the other: with many coefficients there may be as many as labels.
    for t in units.tolist():
        y, *z = (part.without(t) * root[:, None] for part in parts)
        n, p = y.shape
        yield t, y, np.array(z).reshape(-1, n, p).transpose(1, 0, 2)


class _Parts:
    """What an estimate from the labelled units is made of, row by row."""

    def __init__(
        self,
        own: LabeledRows,
        rows: DesignRows,
        design: AlignedDesign,
        score: TargetScore,
    ) -> None:
        both = slope_rows(rows.exog, own.information, score)
        self.left, self.right = (part @ design.basis for part in both)
        self.own, self.n = own, design.n_labeled
        each = len(self.left) // max(len(rows.endog), 1)
        self.unit = rows.unit_positions.repeat(each)

    def without(self, t: int) -> Floats:
        """Rows of the others in the basis, as if unit t had not been there, (n, p)."""
        own, at = self.own, self.unit == t
        rest = _inverse(own.total - self.left[at].T @ self.right[at])
        step = rest @ (own.total @ own.turned[t])  # the estimate moves by this
        moved = cluster_sums(
            self.left * (self.right @ step)[:, None], self.unit, self.n
        )
        rows = (own.turned @ own.total.T + moved) @ rest.T
        rows[t] = 0.0
        return np.asarray(rows / np.sqrt(own.room)[:, None])


def cluster_rows(
    design: AlignedDesign,
    labels: LabeledRows,
    controls: Sequence[Control],
    scores: Floats,
    clusters: Clusters,
    score: TargetScore,
) -> Rows:
    """
    Rows of the clusters of all units: their labels, less what all their units say.

    Eq. (cluster-rows).

    Shapes: `scores` (C, M p).
    """
    p, m, n = design.k_params, len(controls), clusters.n_labeled
    own = cluster_sums(labels.turned, clusters.of_labeled, clusters.n_all)
    everyone = np.empty((clusters.n_all, m, p))
    z = np.empty_like(everyone)
    for k, control in enumerate(controls):
        everyone[:, k] = scores[:, k * p : (k + 1) * p] @ control.turned_units
        z[:, k] = cluster_sums(
            control.labeled.turned, clusters.of_labeled, clusters.n_all
        )
        z[:, k] -= everyone[:, k]
    return Rows(
        labels=own,
        left_out=_without_cluster(design, score, labels, own, clusters),
        controls=z,
        everyone=everyone,
        up=np.ones(clusters.n_all),
        open=np.ones(clusters.n_all),
        drawn=np.zeros((p, p)),
        pseudo=np.full(m, PSEUDO_UNITS / n),
        floors=_floors_of_clusters(design, controls, z, n),
        n=n,
        per_row=design.n_labeled / n,
    )


def _without_cluster(
    design: AlignedDesign,
    score: TargetScore,
    labels: LabeledRows,
    own: Floats,
    clusters: Clusters,
) -> Floats:
    """
    Rows of clusters, had each not taken part in the labelled-only estimate, (C, p).

    Eq. (jackknife).
    """
    both = slope_rows(design.labeled.exog, labels.information, score)
    x, weighted = (rows @ design.basis for rows in both)
    groups = clusters.of_labeled.repeat(len(x) // design.n_labeled)
    psi = own @ (weighted.T @ x)  # before the inverse was taken
    result = np.zeros_like(own)
    for c, (_, rest) in enumerate(left_out_inverses(x, weighted, groups)):
        result[c] = rest @ psi[c]
    return result


def left_out_inverses(
    x: Floats, weighted: Floats, groups: Positions
) -> Iterator[tuple[Positions, Floats]]:
    """
    Labelled rows of each cluster, and the inverse of the information of all others.

    Shapes: `x`, `weighted` (R, p), in a basis in which their product is well scaled;
    `groups` (R,).
    """
    information, order = x.T @ weighted, np.argsort(groups, kind="stable")
    bounds = np.searchsorted(groups[order], np.arange(groups.max() + 2))
    for start, stop in pairwise(bounds):
        at = order[start:stop]
        others = information - x[at].T @ weighted[at]
        yield at, _inverse(others)


def _inverse(matrix: Floats) -> Floats:
    """
    Inverse; a generalised one where a direction has nothing left.

    A dummy of a cluster has no coefficient without it. Cholesky's pivots tell it in a
    tenth of the time of eigenvalues.
    """
    try:
        pivots = np.diag(np.linalg.cholesky(matrix)) ** 2
    except np.linalg.LinAlgError:
        pivots = np.zeros(1)
    if pivots.min() > np.sqrt(LEFT_OUT_TOLERANCE) * pivots.max():
        return np.asarray(np.linalg.inv(matrix))
    is_symmetric = np.allclose(matrix, matrix.T, rtol=0.0, atol=1e-9 * np.ptp(matrix))
    found = np.linalg.pinv(
        matrix, rcond=LEFT_OUT_TOLERANCE, hermitian=bool(is_symmetric)
    )
    return np.asarray(found, dtype=float)


def _least_share(control: Control, p: int, n: int) -> float:
    """Share of what all units say that n rows are expected to show. Eq. (floor)."""
    known = min(control.n_effective, n)
    return max(1.0 - float(np.sqrt(2.0 * p / max(known, 1.0))), LEAST_SHARE)


def _floors_of_units(
    design: AlignedDesign, controls: Sequence[Control], z: Floats, chance: Floats
) -> Floats:
    """
    What the Gram matrices of labelled rows lack of what all units say of them.

    By the second moment over all units that the labelled ones let expect. It does not
    depend on strata: what they miss is missing in some stratum. Eq. (floor).

    Shapes: `z` (n, M, p), before strata, `chance` (n,) -> (M, p, p).
    """
    n, m, p = z.shape
    floors = np.zeros((m, p, p))
    odds = design.n_frame / design.n_labeled - 1.0
    for k, control in enumerate(controls):
        seen = z[:, k].T @ (z[:, k] * chance[:, None])
        least = _least_share(control, p, n) * control.spread
        floors[k] = odds * floor_excess(seen, least)
    return floors


def missed_spread(rows: Rows, basis: Floats) -> Floats:
    """
    What floors add to the second moment of each coefficient, as a multiple of it.

    Shapes: `basis` (p, p) -> (M, p).
    """
    lacking = np.einsum("ji,kil,jl->kj", basis, rows.floors, basis, optimize=True)
    seen = ((rows.controls @ basis.T) ** 2).sum(axis=0)
    return np.asarray(lacking / np.where(seen > 0.0, seen, np.inf))


def _floors_of_clusters(
    design: AlignedDesign, controls: Sequence[Control], z: Floats, n: int
) -> Floats:
    """
    The same of rows of clusters, n of which have labels. Eq. (floor).

    Shapes: `z` (C, M, p) -> (M, p, p).
    """
    m, p = z.shape[1:]
    floors = np.zeros((m, p, p))
    if design.labeling.prob is not None:
        # The probabilities of all units would be needed to know what to expect.
        return floors
    odds = design.n_frame / design.n_labeled - 1.0
    for k, control in enumerate(controls):
        least = _least_share(control, p, n) * odds * control.spread
        floors[k] = floor_excess(z[:, k].T @ z[:, k], least)
    return floors

"""
Rows that vary as the default estimate does: of labelled units, or of clusters.

Labelled units enter less the mean of their stratum, where the labels of each stratum
were fixed, and by the root of one less their labelling probability: a unit that was
certain to be labelled does not vary. Clusters enter with all their units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.gmm.controls import Control, LabeledRows
from statsmodels_synth.gmm.weights import inverse_root
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import Clusters, cluster_sums
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import slope_rows

#: Units per source at which it is supposed to say something unrelated; for a
#: proportion, to add two successes and two failures is the rule of Agresti and
#: Coull (1998).
PSEUDO_UNITS = 2.0
#: Least share of the second moment over all units that labelled rows have.
LEAST_SHARE = 0.3
#: Directions that only one cluster informs, which is left out: what is left of them
#: is rounding below this share.
LEFT_OUT_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Rows:
    """
    Rows that vary as the estimate does: of labelled units, or of clusters of all units.

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


def chances(design: AlignedDesign) -> Floats:
    """Probability with which each labelled unit was chosen; of merged strata, (n,)."""
    labeling, n = design.labeling, design.n_labeled
    if labeling.strata is not None and labeling.prob is not None:
        groups = merged_strata(labeling.strata)
        mean = np.bincount(groups, labeling.prob) / np.bincount(groups)
        return np.asarray(mean[groups])
    # Only ratios of probabilities are known to matter: they are those of n labels.
    share = n / design.n_units
    return np.minimum(1.0, share / design.design_weights)


def merged_strata(strata: Positions) -> Positions:
    """
    Strata, of which those with one label are taken together: they have no variance.

    In pairs of neighbours, which are often alike; of an odd number the last three.

    Eq. (collapsed).

    Shapes: `strata` (n,).

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
    k = int(single.sum())
    if k == 1:  # with the smallest of the others
        codes[single] = np.argmin(np.where(count > 1, count, len(codes) + 1))
    else:
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


def _within(rows: Floats, groups: Positions | None) -> Floats:
    """Rows less the mean of their stratum, by the root of n_h / (n_h - 1)."""
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
) -> Rows:
    """
    Rows of the labelled units, within strata where the labels of each were fixed.

    Eq. (rows), Eq. (strata-rows).

    Shapes: `groups` (n,).
    """
    (n, p), m = labels.rows.shape, len(controls)
    chance = chances(design)
    room, root = np.sqrt(labels.room), np.sqrt(1.0 - chance)
    z = np.empty((n, m, p))
    for k, control in enumerate(controls):
        z[:, k] = control.labeled.rows / np.sqrt(control.labeled.room)[:, None]
    z = _within(z, groups) * root[:, None, None]
    own = labels.rows / labels.room[:, None]
    # What all units say of rows within strata or clusters is not known.
    floors = _floors(design, controls, z, n) if groups is None else np.zeros((m, p, p))
    return Rows(
        labels=_within(labels.rows / room[:, None], groups) * root[:, None],
        left_out=_within(own, groups) * root[:, None],
        controls=z,
        everyone=None,
        up=1.0 / room,
        open=1.0 - chance,
        drawn=own.T @ (own * chance[:, None]),
        pseudo=np.array([PSEUDO_UNITS / max(c.n_covered, 1) for c in controls]),
        floors=floors,
        n=n,
        per_row=float(np.mean(1.0 - chance)),
        groups=groups,
    )


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
    own = cluster_sums(labels.rows, clusters.of_labeled, clusters.n_all)
    everyone = np.empty((clusters.n_all, m, p))
    z = np.empty_like(everyone)
    for k, control in enumerate(controls):
        everyone[:, k] = scores[:, k * p : (k + 1) * p] @ control.of_units
        z[:, k] = cluster_sums(
            control.labeled.rows, clusters.of_labeled, clusters.n_all
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
        floors=_floors(design, controls, z, n),
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
    back = np.linalg.inv(design.basis).T
    psi = own @ back @ x.T @ weighted  # in the basis, before the inverse was taken
    result = np.zeros_like(own)
    for c, (_, rest) in enumerate(left_out_inverses(x, weighted, groups)):
        result[c] = psi[c] @ rest @ design.basis.T
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
        # A dummy of this cluster has no coefficient without it: a generalised inverse.
        rest = np.linalg.pinv(others, rcond=LEFT_OUT_TOLERANCE, hermitian=True)
        yield at, np.asarray(rest, dtype=float)


def _floors(
    design: AlignedDesign, controls: Sequence[Control], z: Floats, n: int
) -> Floats:
    """
    What the Gram matrices of n labelled rows lack of what all units say of them.

    Eq. (floor).

    Shapes: `z` (R, M, p) -> (M, p, p).
    """
    m, p = z.shape[1:]
    floors = np.zeros((m, p, p))
    if design.labeling.prob is not None:
        # The probabilities of all units would be needed to know what to expect.
        return floors
    odds = design.n_units / design.n_labeled - 1.0
    for k, control in enumerate(controls):
        known = min(control.n_effective, n)
        share = max(1.0 - np.sqrt(2.0 * p / max(known, 1.0)), LEAST_SHARE)
        gram = z[:, k].T @ z[:, k]
        floors[k] = floor_excess(gram, share * odds * control.spread)
    return floors


def floor_excess(gram: Floats, least: Floats) -> Floats:
    """
    What a Gram matrix lacks of another one, in the directions in which it has less.

    Eq. (floor).

    Shapes: `gram` (p, p), `least` (p, p) -> (p, p).

    Examples
    --------
    >>> import numpy as np
    >>> floor_excess(np.diag([1.0, 5.0]), np.diag([3.0, 3.0])).round(12) + 0.0
    array([[2., 0.],
           [0., 0.]])
    """
    root = inverse_root(least)
    if root.shape[1] < len(least):
        return np.zeros_like(gram)
    values, vectors = np.linalg.eigh(root.T @ gram @ root)
    back = np.linalg.solve(root.T, vectors)
    return np.asarray((back * np.maximum(1.0 - values, 0.0)) @ back.T)

r"""
The default: how much of each control variate is taken off, and the covariance.

The estimate is that of the labels plus a share of what each source's own two
estimates differ by,

.. math::
    \hat\theta = \hat\theta_L + \sum_m A_m (\hat\eta_m - \hat\gamma_m) ,

with :math:`\hat\gamma_m` the estimate of source m from the labelled units
(:mod:`statsmodels_synth.gmm.controls`). ``A`` makes the sum of squares small of rows
that vary as the estimate does: labelled units, less their stratum's mean, by the root
of one less their labelling probability; or clusters of all units.

It is stacked (Wolpert 1992; Breiman 1996) from three candidates: the regression of the
labels' rows on those of all sources, one multiple per source, and nothing. Each sees
:data:`PSEUDO_UNITS` units per source at which the source says something unrelated: a
ridge penalty that does not depend on units of x. And no source counts as more precise
among the labelled units than all its units say that it is: the Gram matrix of its rows
is at least a share of what is to be expected of them.

**Covariance.** Each row enters with what it would change if it were left out, with
``A`` that has not seen it. Without sources this is the HC3 covariance (MacKinnon and
White 1985), and CR3 with clusters. A source that hardly ever disagrees with the labels
shows hardly any residual, and the labels cannot tell how rare its errors are.
:data:`UNRELATED_UNITS` labelled unit is therefore added, at which all sources say
something unrelated: what they say of some other unit. It weighs little where residuals
are many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.gmm.controls import (
    Control,
    LabeledRows,
    control_of,
    labels_alone,
)
from statsmodels_synth.gmm.moments import MomentSums, target_scores
from statsmodels_synth.gmm.sums import cluster_scores
from statsmodels_synth.gmm.weights import inverse_root
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import Clusters, cluster_sums
from statsmodels_synth.problem.scores import TargetScore

#: Units per source at which it is supposed to say something unrelated; for a
#: proportion, to add two successes and two failures is the rule of Agresti and
#: Coull (1998).
PSEUDO_UNITS = 2.0
#: Labelled units that are added, at which the sources say something unrelated. One is
#: between the half of Jeffreys' prior for a proportion and the two of Agresti and
#: Coull (1998), and did best of the three in simulation.
UNRELATED_UNITS = 1.0
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
        Weights of the full regression and of the multiples.
    """

    matrix: Floats
    left_out: Floats
    df: float
    shares: tuple[float, float]


@dataclass(frozen=True)
class FewLabels:
    """
    The default estimate, with its covariance.

    Parameters
    ----------
    theta : ndarray (p,)
        Estimate.
    stacked : Stacked
        How much of the sources is taken off.
    covariance : ndarray (p, p)
        Covariance of the estimate.
    by_labels, by_units : ndarray (p,)
        Estimates of the variance in proportion to 1/n, and to 1/T, without the bias of
        few labels.
    own : ndarray (n, p)
        What each label contributes, the part of the sources for it taken off.
    of_units : ndarray (p, M p)
        This times the scores of any unit is what it contributes by the sources.
    """

    theta: Floats
    stacked: Stacked
    covariance: Floats
    by_labels: Floats
    by_units: Floats
    own: Floats
    of_units: Floats


def few_label_estimate(
    design: AlignedDesign,
    score: TargetScore,
    theta: Floats,
    eta: Floats,
    sums: MomentSums,
    clusters: Clusters | None,
) -> FewLabels:
    """
    Estimate and covariance of the default, from the estimates of labels and sources.

    Eq. (estimate).

    Shapes: `theta` (p,), `eta` (M, p).
    """
    p = design.k_params
    labels = labels_alone(design, score, theta)
    controls = [control_of(design, score, m, eta[m], sums) for m in range(len(eta))]
    if clusters is None:
        rows = unit_rows(design, labels, controls)
    else:
        slope = target_scores(design, score, theta)[2]
        scores = cluster_scores(design, score, eta, clusters)
        rows = cluster_rows(design, labels, slope, controls, scores, clusters)
    stacked = stack(rows)
    by_source = stacked.matrix.reshape(p, -1, p)
    own = labels.rows.copy()
    of_units, delta = np.empty((p, len(eta), p)), np.empty((len(eta), p))
    for m, control in enumerate(controls):
        own -= control.labeled.rows @ by_source[:, m].T
        of_units[:, m] = by_source[:, m] @ control.of_units
        delta[m] = control.delta
    by_labels, by_units = variance_parts(rows, stacked, labels)
    return FewLabels(
        theta=theta + stacked.matrix @ delta.ravel(),
        stacked=stacked,
        covariance=corrected_covariance(rows, stacked, controls),
        by_labels=by_labels,
        by_units=by_units,
        own=own,
        of_units=of_units.reshape(p, -1),
    )


# Rows


def chances(design: AlignedDesign) -> Floats:
    """Probability with which each labelled unit was chosen, (n,)."""
    labeling, n = design.labeling, design.n_labeled
    if labeling.strata is not None and labeling.prob is not None:
        return labeling.prob
    # Only ratios of probabilities are known to matter: they are those of n labels.
    share = n / design.n_units
    return np.minimum(1.0, share / design.design_weights)


def merged_strata(strata: Positions) -> Positions:
    """
    Strata, of which those with one label are taken together: they have no variance.

    Eq. (collapsed).

    Shapes: `strata` (n,).

    Examples
    --------
    >>> import numpy as np
    >>> merged_strata(np.array([0, 0, 1, 2, 3, 3, 3]))
    array([0, 0, 2, 2, 1, 1, 1])
    >>> merged_strata(np.array([0, 0, 1, 3, 3, 3]))
    array([0, 0, 0, 1, 1, 1])
    """
    _, codes, count = np.unique(strata, return_inverse=True, return_counts=True)
    single = count[codes] == 1
    if single.sum() == 1:  # with the smallest of the others
        codes[single] = np.argmin(np.where(count > 1, count, len(codes) + 1))
    else:
        codes[single] = len(count)
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
    design: AlignedDesign, labels: LabeledRows, controls: Sequence[Control]
) -> Rows:
    """
    Rows of the labelled units, within strata where the labels of each were fixed.

    Eq. (rows), Eq. (strata-rows).
    """
    (n, p), m = labels.rows.shape, len(controls)
    chance, strata = chances(design), design.labeling.strata
    groups = None if strata is None else merged_strata(strata)
    room, root = np.sqrt(labels.room), np.sqrt(1.0 - chance)
    z = np.empty((n, m, p))
    for k, control in enumerate(controls):
        z[:, k] = control.labeled.rows / np.sqrt(control.labeled.room)[:, None]
    z = _within(z, groups) * root[:, None, None]
    floors = np.zeros((m, p, p))
    # Otherwise the probabilities of all units would be needed to know what to expect.
    if design.labeling.prob is None:
        odds = design.n_units / n - 1.0
        for k, control in enumerate(controls):
            least = 1.0 - np.sqrt(2.0 * p / max(control.n_effective, 1.0))
            expected = max(least, LEAST_SHARE) * odds * control.spread
            floors[k] = floor_excess(z[:, k].T @ z[:, k], expected)
    own = labels.rows / labels.room[:, None]
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
    )


def cluster_rows(
    design: AlignedDesign,
    labels: LabeledRows,
    slope: Floats,
    controls: Sequence[Control],
    scores: Floats,
    clusters: Clusters,
) -> Rows:
    """
    Rows of the clusters of all units: their labels, less what all their units say.

    Eq. (cluster-rows).

    Shapes: `slope` (n,), `scores` (C, M p).
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
    return Rows(
        labels=own,
        left_out=_without_cluster(design, labels, slope, own, clusters),
        controls=z - everyone,
        everyone=everyone,
        up=np.ones(clusters.n_all),
        open=np.ones(clusters.n_all),
        drawn=np.zeros((p, p)),
        pseudo=np.full(m, PSEUDO_UNITS / n),
        floors=np.zeros((m, p, p)),
        n=n,
        per_row=design.n_labeled / n,
    )


def _without_cluster(
    design: AlignedDesign,
    labels: LabeledRows,
    slope: Floats,
    own: Floats,
    clusters: Clusters,
) -> Floats:
    """
    Rows of clusters, had each not taken part in the labelled-only estimate, (C, p).

    Eq. (jackknife).
    """
    x = design.labeled.exog @ design.basis
    information = -x.T @ (x * slope[:, None])
    back = np.linalg.inv(design.basis).T
    psi = own @ back @ information  # in the basis, before the inverse was taken
    order = np.argsort(clusters.of_labeled, kind="stable")
    bounds = np.searchsorted(
        clusters.of_labeled[order], np.arange(clusters.n_labeled + 1)
    )
    result = np.zeros_like(own)
    for c in range(clusters.n_labeled):
        at = order[bounds[c] : bounds[c + 1]]
        taken = -x[at].T @ (x[at] * slope[at, None])
        # A dummy of this cluster has no coefficient without it: a generalised inverse.
        rest = np.linalg.pinv(
            information - taken, rcond=LEFT_OUT_TOLERANCE, hermitian=True
        )
        result[c] = psi[c] @ rest @ design.basis.T
    return result


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


# How much is taken off


@dataclass(frozen=True)
class _Candidate:
    """Coefficients (p, M p), left-out fit (R, p), degrees of freedom."""

    matrix: Floats
    left_out: Floats
    df: float


def stack(rows: Rows) -> Stacked:
    """
    Stack the full regression, the multiples, and nothing.

    Eq. (stack), Eq. (stack-weights).
    """
    n, m, p = rows.controls.shape
    gram = rows.labels.T @ rows.labels
    if not m or not np.any(gram):  # labels that are fitted exactly
        return Stacked(np.zeros((p, m * p)), np.zeros((n, p)), 0.0, (0.0, 0.0))
    metric = inverse_root(gram)
    found = [_full(rows), _multiples(rows, metric)]
    shares = _simplex_weights(
        (rows.labels @ metric).ravel(),
        [(candidate.left_out @ metric).ravel() for candidate in found],
    )

    def stacked(values: Sequence[Floats]) -> Floats:
        return np.asarray(sum(w * v for w, v in zip(shares, values, strict=True)))

    return Stacked(
        matrix=stacked([candidate.matrix for candidate in found]),
        left_out=stacked([candidate.left_out for candidate in found]),
        df=float(shares @ [candidate.df for candidate in found]),
        shares=(float(shares[0]), float(shares[1])),
    )


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
    residual = rows.labels - z @ coefficients
    left_out = rows.labels - residual / np.maximum(1.0 - leverage, 1e-10)[:, None]
    return _Candidate(coefficients.T, left_out, float(leverage.sum()))


def _multiples(rows: Rows, metric: Floats) -> _Candidate:
    """One multiple of each source, for all components at once. Eq. (multiples)."""
    _, m, p = rows.controls.shape
    x, target = rows.controls @ metric, rows.labels @ metric
    gram = np.einsum("rki,rli->rkl", x, x)
    cross = np.einsum("rki,ri->rk", x, target)
    total = gram.sum(axis=0)
    own = np.diag(total)
    lacking = np.einsum("ij,kil,lj->k", metric, rows.floors, metric)
    # A source whose rows vanish on all labelled units gets a multiple of zero.
    total = total + np.diag(np.where(own > 0.0, rows.pseudo * own + lacking, 1.0))
    multiples = np.linalg.solve(total, cross.sum(axis=0))
    without = np.linalg.solve(total - gram, (cross.sum(axis=0) - cross)[:, :, None])
    return _Candidate(
        np.hstack([multiple * np.eye(p) for multiple in multiples]),
        np.einsum("rki,rk->ri", rows.controls, without[:, :, 0]),
        m / p,
    )


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


# Variance


def _residual(rows: Rows, stacked: Stacked) -> Floats:
    """Rows less what is taken off, as if each had not taken part, (R, p)."""
    if rows.everyone is None and rows.controls.shape[1]:
        return (rows.labels - stacked.left_out) * rows.up[:, None]
    return rows.left_out - stacked.left_out


def corrected_covariance(
    rows: Rows, stacked: Stacked, controls: Sequence[Control]
) -> Floats:
    """
    Covariance that allows for what few labels do not show.

    Eq. (corrected), Eq. (unrelated).

    Shapes: (p, p).
    """
    p, n = rows.labels.shape[1], rows.n
    residual = _residual(rows, stacked)
    unrelated = np.zeros((p, p))
    for m, control in enumerate(controls):
        part = stacked.matrix[:, m * p : (m + 1) * p]
        unrelated += rows.per_row * part @ control.unrelated @ part.T
    inner = residual.T @ residual
    # An average over n labelled rows and the unrelated one.
    more = rows.left_out.T @ rows.left_out + n * unrelated - inner
    result = inner + UNRELATED_UNITS / (n + UNRELATED_UNITS) * more + rows.drawn
    return np.asarray((result + result.T) / 2)


def variance_parts(
    rows: Rows, stacked: Stacked, labels: LabeledRows
) -> tuple[Floats, Floats]:
    """
    The variance in proportion to 1/n, and to 1/T, without the bias of few labels.

    Eq. (double-sampling).

    What a row contributes with and without its own part in the coefficients are the
    residual of a regression and the prediction error, ``e`` and ``e / (1 - leverage)``.
    One is too small and one too large; their product is the variance without bias
    (HC2).

    Shapes: (p,), (p,).
    """
    size = len(rows.labels)
    total = rows.labels - rows.controls.reshape(size, -1) @ stacked.matrix.T
    residual = _residual(rows, stacked)
    if rows.everyone is None:
        closed = (1.0 - rows.open)[:, None]
        weight = np.where(rows.open > 0.0, 1.0 / np.maximum(rows.open, 1e-300), 0.0)
        own = total / rows.up[:, None] * residual * weight[:, None]
        alone = labels.rows**2 / labels.room[:, None]
        return own.sum(axis=0), (closed * (alone - own)).sum(axis=0)
    # With clusters a row has both parts, that of its labels and that of all its units.
    shared = rows.everyone.reshape(size, -1) @ stacked.matrix.T
    direct, left_out = (part[: rows.n] - shared[: rows.n] for part in (total, residual))
    units = (total**2).sum(axis=0) - (direct**2).sum(axis=0)
    return (direct * left_out).sum(axis=0), units

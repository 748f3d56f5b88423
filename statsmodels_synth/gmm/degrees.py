r"""
Degrees of freedom of each coefficient, and the bias of its variance.

A variance that is made of squared residuals is known the less, the fewer units it is
made of: with unequal weights, or a dummy that is set for four units, that are much
fewer than there are labels. So each coefficient has degrees of freedom of its own
(Satterthwaite 1946; Bell and McCaffrey 2002), from a working model in which errors are
independent with the variance function of the model. A weight is then no precision. The
variance is otherwise robust: the model decides nothing but its distribution, and by how
much leaving units out makes it too large. Both are put into one number, so that the
standard error stays HC3: as many degrees of freedom as make the 95 % interval as long
as that of the unbiased variance. They are never more than there are rows.
"""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.gmm.controls import LabeledRows
from statsmodels_synth.gmm.rows import left_out_inverses, strata_groups
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import Clusters, cluster_sums
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import by_row, predictor_rows

#: Level at which intervals have the right length.
LEVEL = 0.95
#: Labels up to which a matrix of all pairs of residuals is made.
MANY_PAIRS = 4000
#: Products beyond which pairs of residuals, nearly unrelated then, are left out.
MANY_PRODUCTS = 4e9


def satterthwaite(
    design: AlignedDesign,
    score: TargetScore,
    labels: LabeledRows,
    clusters: Clusters | None,
    varies: Floats | None = None,
) -> tuple[Floats, Floats]:
    """
    Degrees of freedom of the labels alone, and the bias of their variance as a factor.

    Eq. (satterthwaite).

    `varies` is the weight of each squared residual in the variance of a finite
    population.

    Shapes: `varies` (n,) -> (p,), (p,).
    """
    n = design.n_labeled
    a = design.row_weights(design.labeled)
    # Rows of unit working variance, J of each unit: residuals are (I - g u') times
    # errors.
    basis = design.basis
    x = _working_rows(design, score, by_row(labels.information, 1.0 / _positive(a)))
    unit = np.arange(n).repeat(len(x) // n)
    a, room = a[unit], labels.room[unit]
    x = x @ basis  # in which nothing is lost to rounding
    g, u = x @ labels.inverse, x * a[:, None]
    of_errors = (g @ basis.T) * a[:, None]
    own = of_errors**2
    own = own if varies is None else own * varies[unit, None]
    plain = own.sum(axis=0)
    if clusters is None:
        b = of_errors / room[:, None]
        b = b if varies is None else b * np.sqrt(varies)[unit, None]
        c = cluster_sums(b * b, unit, n)
        if score.is_single:
            trace, square = _moments_of_units(g, u, c)
        else:
            trace, square = _moments_of_clusters(g, u, b, unit)
        more = _stratum_factor(strata_groups(design.labeling), n)
        total = np.maximum((c * c).sum(axis=0), 1e-300)
        square *= (c * c * more[:, None]).sum(axis=0) / total
    else:
        groups = clusters.of_labeled[unit]
        weights = _cluster_weights(u, x, basis, groups)
        trace, square = _moments_of_clusters(g, u, weights, groups)
    some = (plain > 0.0) & (square > 0.0)
    safe = np.where(some, square, 1.0)
    df = np.where(some, trace**2 / safe, 1.0)
    scale = np.where(some, trace / np.where(some, plain, 1.0), 1.0)
    return np.maximum(df, 1.0), scale


def _positive(a: Floats) -> Floats:
    return np.where(a > 0.0, a, 1.0)


def _working_rows(
    design: AlignedDesign, score: TargetScore, information: Floats
) -> Floats:
    """
    Regressors times the root of the information of each row, (n J, p).

    Shapes: `information` (n,) or (n, J, J).
    """
    exog = design.labeled.exog
    if score.is_single:
        return np.asarray(exog * np.sqrt(np.maximum(information, 0.0))[:, None])
    values, vectors = np.linalg.eigh((information + information.transpose(0, 2, 1)) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    rows = root.transpose(0, 2, 1) @ predictor_rows(exog, score)
    return np.asarray(rows.reshape(-1, design.k_params))


def interval_df(df: Floats, scale: Floats, most: float) -> Floats:
    """
    Degrees of freedom of a variance that is too large by a factor, at most so many.

    Eq. (df-coefficient).

    Shapes: `df`, `scale` (p,) -> (p,).

    Examples
    --------
    >>> import numpy as np
    >>> interval_df(np.array([80.0, 5.0]), np.array([1.0, 1.2]), 57.0).round(1)
    array([57. ,  7.3])
    """
    tail = (1.0 + LEVEL) / 2.0
    # Beyond 1e6 quantiles are those of the normal distribution.
    wanted = stats.t.ppf(tail, np.clip(df, 1.0, 1e6)) / np.sqrt(scale)
    least = stats.t.ppf(tail, min(most, 1e6))
    short = wanted <= least
    found = special.stdtridf(tail, np.where(short, least, wanted))
    return np.asarray(np.clip(np.where(short, most, found), 1.0, most))


def _stratum_factor(groups: Positions | None, n: int) -> Floats:
    """What the mean of its stratum costs each unit, n_h / (n_h - 1)."""
    if groups is None:
        return np.ones(n)
    size = np.bincount(groups).astype(float)[groups]
    return np.asarray(size / np.maximum(size - 1.0, 1.0))


def _moments_of_units(g: Floats, u: Floats, c: Floats) -> tuple[Floats, Floats]:
    """
    Mean and half the variance of sums of squared residuals, weighted by c.

    Shapes: `g`, `u`, `c` (n, p) -> (p,), (p,).
    """
    n, p = g.shape
    # Covariance of residuals, (I - g u')(I - u g').
    middle = u.T @ u
    by_pairs, by_sums = 2.0 * n * n * p, 4.0 * n * p**3
    if by_pairs < by_sums and n <= MANY_PAIRS:
        cross = g @ u.T
        k = np.eye(n) - cross - cross.T + g @ middle @ g.T
        return np.diag(k) @ c, np.einsum("tj,ts,sj->j", c, k * k, c, optimize=True)
    w = np.hstack([g, u])
    q = np.block([[-middle, np.eye(p)], [np.eye(p), np.zeros((p, p))]])
    own = np.einsum("ti,ij,tj->t", w, q, w, optimize=True)
    if by_sums > MANY_PRODUCTS:
        return (1.0 - own) @ c, (1.0 - own) ** 2 @ (c * c)
    square = (1.0 - 2.0 * own) @ (c * c)
    for j in range(p):
        turned = q @ (w.T @ (w * c[:, j : j + 1]))
        square[j] += np.sum(turned * turned.T)
    return (1.0 - own) @ c, square


def _cluster_weights(u: Floats, x: Floats, basis: Floats, groups: Positions) -> Floats:
    """
    Weight of each error in the residual of its cluster as if left out, (n, p).

    Shapes: `u`, `x` (n, p) in the basis.
    """
    weights = np.empty_like(u)
    for at, rest in left_out_inverses(x, u, groups):
        weights[at] = u[at] @ rest @ basis.T
    return weights


def _moments_of_clusters(
    g: Floats, u: Floats, weights: Floats, groups: Positions
) -> tuple[Floats, Floats]:
    """The same of sums of residuals by cluster, each with its weight. (p,), (p,)."""
    p, n_clusters = g.shape[1], int(groups.max()) + 1
    w, middle = np.hstack([g, u]), u.T @ u
    q = np.block([[-middle, np.eye(p)], [np.eye(p), np.zeros((p, p))]])
    trace, square = np.empty(p), np.empty(p)
    for j in range(p):
        b = weights[:, j]
        own = np.bincount(groups, b * b, n_clusters)
        sums = cluster_sums(w * b[:, None], groups, n_clusters)
        both = np.einsum("ci,ij,cj->c", sums, q, sums)
        turned = q @ (sums.T @ sums)
        trace[j] = np.sum(own - both)
        square[j] = np.sum(own * own - 2.0 * own * both) + np.sum(turned * turned.T)
    return trace, square

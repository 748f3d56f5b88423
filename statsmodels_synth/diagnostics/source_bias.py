r"""
Bias of the naive estimates, and how much single units move the augmented one.

The estimate from source m alone, as if it were real, has the influence function
``-D_m^{-1} h_mt`` over all units, the augmented estimate ``K g_t`` (see
:mod:`statsmodels_synth.gmm.covariance`). Both are sums over the same units, so that the
covariance of everything is that of the sums of the stacked influences. The bias of
source m is the difference of the two estimates; with V the covariance that is
reported for the augmented one, its covariance is

.. math::
    J_{mm} - J_{m\theta} - J_{\theta m} + J_{\theta\theta} + (V - J_{\theta\theta}),

the asymptotic one of the difference, J, plus what V adds for few labels. With strata V
is smaller than J where labels of a stratum have something in common; that part is a
matter of the choice of labels, of which a naive estimate knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.gmm.moments import labeled_scores, moment_blocks, target_scores
from statsmodels_synth.gmm.solver import Solution
from statsmodels_synth.gmm.sums import design_sums
from statsmodels_synth.gmm.weights import inverse_in_basis, inverse_root
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import Clusters, all_sums
from statsmodels_synth.problem.scores import TargetScore

#: The correction for few labels leaves at least this share of the asymptotic variance
#: of a bias: a tenth of the standard error.
LEAST_SHARE = 0.01
#: Leverage counts up to this: a unit that alone determines a coefficient.
MOST_LEVERAGE = 0.9
#: A standard error of a bias below this share of that of the coefficient is rounding.
ROUNDING = 1e-9


@dataclass(frozen=True)
class BiasTest:
    """
    Bias of one source.

    Parameters
    ----------
    se : ndarray (p,)
        Standard errors of the bias in each coefficient.
    statistic, pvalue : ndarray (p,)
        Test of each; NaN where the standard error is zero or unknown.
    joint : float
        Wald statistic of all coefficients, divided by `df` if it is an F.
    joint_pvalue : float
        Its p-value.
    df : int
        Number of coefficients that it tests.
    """

    se: Floats
    statistic: Floats
    pvalue: Floats
    joint: float
    joint_pvalue: float
    df: int


def joint_influence(
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    map_: Floats,
    naive: Floats,
) -> Iterator[tuple[slice, Floats]]:
    """
    Influence of units on the augmented and on all naive estimates, block by block.

    Shapes: `map_` (p, q), `naive` (M, p) -> `influence` (units, p + M p).
    """
    p, k_sources = design.k_params, design.k_sources
    known: Bools = np.all(np.isfinite(naive), axis=1)
    at = np.where(known[:, None], naive, solution.eta)
    jacobian = design_sums(design, score, at).jacobian
    bread = [
        -inverse_in_basis(slope, design.basis) if ok else np.full((p, p), np.nan)
        for slope, ok in zip(jacobian, known, strict=True)
    ]
    augmented = moment_blocks(design, score, solution.theta, solution.eta)
    alone = moment_blocks(design, score, solution.theta, at)
    for (units, g), (_, own) in zip(augmented, alone, strict=True):
        influence = np.empty((len(g), p + k_sources * p))
        influence[:, :p] = g @ map_.T
        for m in range(k_sources):
            first = p + 2 * m * p + p  # moments of all units
            influence[:, p + m * p : 2 * p + m * p] = (
                own[:, first : first + p] @ bread[m].T
            )
        yield units, influence


def joint_covariance(
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    map_: Floats,
    naive: Floats,
    clusters: Clusters | None,
) -> Floats:
    """
    Asymptotic covariance of the augmented and all naive estimates.

    Shapes: `map_` (p, q), `naive` (M, p) -> (p + M p, p + M p).
    """
    size = design.k_params * (1 + design.k_sources)
    blocks = joint_influence(design, score, solution, map_, naive)
    if clusters is not None:
        sums = all_sums(blocks, clusters, size)
        return np.asarray(sums.T @ sums / design.n_units**2)
    total = np.zeros((size, size))
    for _, influence in blocks:
        total += influence.T @ influence
    return total / design.n_units**2


def bias_covariance(joint: Floats, reported: Floats) -> Floats:
    """
    Covariance of the bias of each source.

    Shapes: `joint` (p + M p, p + M p), `reported` (p, p) -> (M, p, p).

    Examples
    --------
    >>> independent = np.diag([0.04, 0.01])
    >>> bias_covariance(independent, np.array([[0.05]])).ravel()
    array([0.06])
    """
    p = len(reported)
    target = joint[:p, :p]
    result = np.empty((len(joint) // p - 1, p, p))
    for m in range(len(result)):
        at = slice(p + m * p, p + m * p + p)
        plain = joint[at, at] - joint[at, :p] - joint[:p, at] + target
        result[m] = _at_least(plain + reported - target, plain, reported)
    return result


def _at_least(total: Floats, plain: Floats, metric: Floats) -> Floats:
    """A covariance that is no less than a share of another one in any direction."""
    if not np.all(np.isfinite(total)):
        return np.full_like(total, np.nan)
    scale = np.sqrt(np.diag(metric + plain))
    scale[scale == 0.0] = 1.0
    unit = np.outer(scale, scale)
    values, vectors = np.linalg.eigh((total + total.T) / 2 / unit)
    least = np.einsum("ij,ik,kj->j", vectors, plain / unit, vectors)
    if np.all(values >= LEAST_SHARE * least):
        return np.asarray((total + total.T) / 2)
    values = np.maximum(values, np.maximum(LEAST_SHARE * least, 0.0))
    return np.asarray((vectors * values) @ vectors.T * unit)


def bias_test(bias: Floats, covariance: Floats, bse: Floats, df: float) -> BiasTest:
    """
    Test that a source is not biased, coefficient by coefficient and in all.

    Shapes: `bias` (p,), `covariance` (p, p), `bse` (p,).

    Examples
    --------
    >>> test = bias_test(np.array([1.96]), np.eye(1), np.ones(1), np.inf)
    >>> round(float(test.pvalue[0]), 3), round(test.joint_pvalue, 3)
    (0.05, 0.05)
    """
    nan = np.full_like(bias, np.nan)
    if not np.all(np.isfinite(covariance)):
        return BiasTest(nan, nan, nan, np.nan, np.nan, 0)
    se = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    known = se > ROUNDING * bse
    statistic = nan.copy()
    np.divide(bias, se, out=statistic, where=known)
    distribution = stats.norm() if np.isinf(df) else stats.t(df)
    pvalue = 2.0 * distribution.sf(np.abs(statistic))
    root = inverse_root(covariance[np.ix_(known, known)])
    k = root.shape[1]
    if not k:
        return BiasTest(se, statistic, pvalue, np.nan, np.nan, 0)
    joint = float(np.sum((root.T @ bias[known]) ** 2))
    if np.isinf(df):
        return BiasTest(se, statistic, pvalue, joint, float(stats.chi2.sf(joint, k)), k)
    joint /= k
    return BiasTest(se, statistic, pvalue, joint, float(stats.f.sf(joint, k, df)), k)


def strongest_units(
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    map_: Floats,
    bse: Floats,
    size: int,
) -> Positions:
    """
    Units that move the augmented estimate most, to first order.

    A labelled unit counts with what it would change through its label if it were left
    out (its share of the information included); everything else to first order.

    Shapes: `map_` (p, q), `bse` (p,) -> (size,).
    """
    bonus = _left_out_bonus(design, score, solution, map_)
    change = np.empty(design.n_units)
    where = design.labeled_units
    for units, g in moment_blocks(design, score, solution.theta, solution.eta):
        values = g @ map_.T / design.n_units
        labeled = slice(*np.searchsorted(where, [units.start, units.stop]))
        values[where[labeled] - units.start] += bonus[labeled]
        change[units] = np.abs(values / bse).max(axis=1)
    return np.argsort(-change, kind="stable")[:size]


def _left_out_bonus(
    design: AlignedDesign, score: TargetScore, solution: Solution, map_: Floats
) -> Floats:
    """What leaving a label out changes beyond its influence, (n, p)."""
    p, n_units = design.k_params, design.n_units
    psi, target, derivatives = target_scores(design, score, solution.theta)
    _, h, *_ = labeled_scores(design, score, solution.theta, solution.eta)
    drawn = map_[:, p:].reshape(p, -1, 2, p)[:, :, 0].reshape(p, -1)
    a = design.design_weights[:, None]
    own = (psi @ map_[:, :p].T + h @ drawn.T) * a
    bonus = np.zeros_like(own)
    if np.any(drawn):
        # The regression on the scores of the sources has seen the unit too.
        scores = (a * h) @ inverse_root((a * h).T @ (a * h))
        leverage = np.minimum(np.sum(scores**2, axis=1), MOST_LEVERAGE)[:, None]
        bonus = own * (leverage / (1.0 - leverage))
        own = own + bonus
    # (D - d x x')^-1 v less D^-1 v, by the formula of Sherman and Morrison.
    x = design.labeled.exog
    turned = x @ inverse_in_basis(target, design.basis)
    room = 1.0 - derivatives * np.einsum("ti,ti->t", turned, x)
    along = derivatives * np.einsum("ti,ti->t", own, x) / np.maximum(room, 1e-10)
    return np.asarray((bonus + along[:, None] * turned) / n_units)

r"""
Bias of the naive estimates, and how much single units move the augmented one.

The estimate from source m alone, as if it were real, has the influence function
``-D_m^{-1} h_mt`` over all units, the augmented estimate that of
:class:`statsmodels_synth.gmm.covariance.Influence`. Both are sums over the same units,
so that the covariance of everything is that of the sums of the stacked influences. The
bias of source m is the difference of the two estimates; with V the covariance that is
reported for the augmented one, its covariance is

.. math::
    J_{mm} - J_{m\theta} - J_{\theta m} + J_{\theta\theta} + (V - J_{\theta\theta}),

the asymptotic one of the difference, J, plus what V adds for few labels. With strata V
is smaller than J where labels of a stratum have something in common; that part is a
matter of the choice of labels, of which a naive estimate knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.gmm.covariance import Influence
from statsmodels_synth.gmm.moments import labeled_scores, target_scores
from statsmodels_synth.gmm.solver import Solution
from statsmodels_synth.gmm.sums import design_sums, score_blocks
from statsmodels_synth.gmm.weights import inverse_in_basis, inverse_root
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import Clusters, all_sums
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import leverages

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
    influence: Influence,
    naive: Floats,
) -> Iterator[tuple[slice, Floats]]:
    """
    Contribution of units to the augmented and to all naive estimates, block by block.

    Shapes: `naive` (M, p) -> `values` (units, p + M p).
    """
    p, k_sources = design.k_params, design.k_sources
    known: Bools = np.all(np.isfinite(naive), axis=1)
    at = np.where(known[:, None], naive, solution.eta)
    jacobian = design_sums(design, score, at).jacobian * design.n_units
    bread = [
        -inverse_in_basis(slope, design.basis) if ok else np.full((p, p), np.nan)
        for slope, ok in zip(jacobian, known, strict=True)
    ]
    augmented = influence.blocks(design, score, solution.eta)
    alone = score_blocks(design.sources, design.n_units, score, at)
    for (units, values), (_, own) in zip(augmented, alone, strict=True):
        both = np.empty((len(values), p + k_sources * p))
        both[:, :p] = values
        for m in range(k_sources):
            both[:, p + m * p : 2 * p + m * p] = (
                own[:, m * p : (m + 1) * p] @ bread[m].T
            )
        yield units, both


def joint_covariance(
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    influence: Influence,
    naive: Floats,
    clusters: Clusters | None,
) -> Floats:
    """
    Asymptotic covariance of the augmented and all naive estimates.

    Shapes: `naive` (M, p) -> (p + M p, p + M p).
    """
    size = design.k_params * (1 + design.k_sources)
    blocks = joint_influence(design, score, solution, influence, naive)
    if clusters is not None:
        sums = all_sums(blocks, clusters, size)
        return np.asarray(sums.T @ sums)
    total = np.zeros((size, size))
    for _, values in blocks:
        total += values.T @ values
    return total


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


def bias_test(bias: Floats, covariance: Floats, bse: Floats, df: Floats) -> BiasTest:
    """
    Test that a source is not biased, coefficient by coefficient and in all.

    Shapes: `bias` (p,), `covariance` (p, p), `bse` (p,), `df` (p,).

    Examples
    --------
    >>> one = np.ones(1)
    >>> test = bias_test(np.array([1.96]), np.eye(1), one, np.inf * one)
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
    pvalue = 2.0 * stats.t.sf(np.abs(statistic), df)  # normal where df is infinite
    root = inverse_root(covariance[np.ix_(known, known)])
    k = root.shape[1]
    if not k:
        return BiasTest(se, statistic, pvalue, np.nan, np.nan, 0)
    joint = float(np.sum((root.T @ bias[known]) ** 2))
    fewest = float(df[known].min())
    if np.isinf(fewest):
        return BiasTest(se, statistic, pvalue, joint, float(stats.chi2.sf(joint, k)), k)
    joint /= k
    joint_pvalue = float(stats.f.sf(joint, k, fewest))
    return BiasTest(se, statistic, pvalue, joint, joint_pvalue, k)


def strongest_units(
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    influence: Influence,
    bse: Floats,
    size: int,
) -> Positions:
    """
    Units that move the augmented estimate most, to first order.

    A labelled unit counts with what it would change through its label if it were left
    out (its share of the information included); everything else to first order.

    Shapes: `bse` (p,) -> (size,).
    """
    share = _left_out_share(design, score, solution)
    influence = replace(influence, own=influence.own / (1.0 - share)[:, None])
    change = np.empty(design.n_units)
    for units, values in influence.blocks(design, score, solution.eta):
        change[units] = np.abs(values / bse).max(axis=1)
    return np.argsort(-change, kind="stable")[:size]


def _left_out_share(
    design: AlignedDesign, score: TargetScore, solution: Solution
) -> Floats:
    """Share that a label has in the coefficients that it takes part in, (n,)."""
    _, target, derivatives = target_scores(design, score, solution.theta)
    basis, a = design.basis, design.design_weights[:, None]
    inverse = np.asarray(np.linalg.inv(basis.T @ target @ basis), dtype=float)
    own = leverages(design.labeled.exog, derivatives, inverse, score, basis)
    own = np.clip(own, 0.0, MOST_LEVERAGE)
    if not solution.uses_sources:
        return np.asarray(own)
    # The regression on the scores of the sources has seen the unit too.
    h = a * labeled_scores(design, score, solution.theta, solution.eta)[1]
    leverage = np.sum((h @ inverse_root(h.T @ h)) ** 2, axis=1)
    others = np.minimum(leverage, MOST_LEVERAGE)
    return np.asarray(1.0 - (1.0 - own) * (1.0 - others))

r"""
Whether the labelled units look like the rest, as far as the sources can see.

Each source has a score for every unit, ``z_t = C_t h_t(eta)``. Labels that were drawn
without regard to the sources have, on average, the scores of all units. The test
compares the two means,

.. math::
    d = \frac{1}{n} \sum_t a_t z_t - \frac{1}{T} \sum_t z_t .

With labels drawn at random its variance is known from *all* units,
``(1/n - 1/T) S`` with S the covariance of ``z_t``. This is Hansen's J with the variance
that holds under the hypothesis; the usual one takes S from the n labelled units and
rejects too often where these are few or dummies are rare. With unequal
probabilities, strata or clusters the variance comes from the labelled units or
clusters, and the reference is Hotelling's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from statsmodels_synth._arrays import Floats, Positions
from statsmodels_synth.clusters import Clusters, cluster_scores, cluster_sums
from statsmodels_synth.covariance import stratified
from statsmodels_synth.design import AlignedDesign
from statsmodels_synth.moment_sums import labeled_scores
from statsmodels_synth.scores import Score
from statsmodels_synth.solver import Solution
from statsmodels_synth.weights import inverse_root


@dataclass(frozen=True)
class Difference:
    """
    Difference of the mean scores of labelled and of all units.

    Parameters
    ----------
    mean : ndarray (M p,)
        Labelled minus all.
    variance : ndarray (M p, M p)
        Its variance if the labels were drawn without regard to the sources.
    df : float
        Degrees of freedom of the variance; infinite where it is from all units.
    basis : ndarray (p, p)
        Change of basis that makes the labelled design orthonormal: what is rounding
        shall not depend on the units of x.
    """

    mean: Floats
    variance: Floats
    df: float
    basis: Floats

    def test(self, part: Positions) -> tuple[float, float, int]:
        """
        Test that some of the means do not differ.

        Parameters
        ----------
        part : ndarray of int
            Which of them: those of one or several sources.

        Returns
        -------
        statistic : float
            Quadratic form.
        pvalue : float
            From the chi-squared or Hotelling's distribution; NaN where there is
            nothing to test.
        df : int
            Number of means that can be told apart.
        """
        turn = np.kron(np.eye(len(part) // len(self.basis)), self.basis)
        variance = turn.T @ self.variance[np.ix_(part, part)] @ turn
        varying = int(np.count_nonzero(np.diag(variance) > 0.0))
        if varying > self.df:
            # A variance of fewer degrees of freedom says nothing of some directions.
            return float("nan"), float("nan"), varying
        root = inverse_root(variance)
        k = root.shape[1]
        if not k:
            return 0.0, float("nan"), 0
        statistic = float(np.sum((root.T @ (turn.T @ self.mean[part])) ** 2))
        return statistic, self.pvalue(statistic, k), k

    def pvalue(
        self, statistic: float, k: int, others: float = 0.0, k_others: int = 0
    ) -> float:
        """
        Upper tail of the distribution of a quadratic form, or of what it adds.

        Parameters
        ----------
        statistic : float
            Quadratic form, less that of the others.
        k : int
            Its degrees of freedom, less those of the others.
        others : float
            Quadratic form of the others, whose part is left out.
        k_others : int
            Their degrees of freedom.

        Returns
        -------
        float
            NaN where there are not enough degrees of freedom.

        References
        ----------
        Rao, C. R. (1973). Linear Statistical Inference and its Applications, 2nd ed.,
        section 8c.4. Wiley.
        """
        if k <= 0:
            return float("nan")
        if np.isinf(self.df):
            return float(stats.chi2.sf(statistic, k))
        rest = self.df - k - k_others + 1.0
        if rest <= 0.0:
            return float("nan")
        ratio = statistic / (self.df + others) * rest / k
        return float(stats.f.sf(ratio, k, rest))


def labeled_difference(
    design: AlignedDesign,
    score: Score,
    solution: Solution,
    clusters: Clusters | None,
) -> Difference:
    """
    Compare the scores of the sources on labelled and on all units.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    score : Score
        Target model.
    solution : Solution
        Parameters and sums at them.
    clusters : Clusters or None
        Clusters of the units.

    Returns
    -------
    Difference
        Of the M p mean scores.
    """
    n, n_units, p = design.n_labeled, design.n_units, design.k_params
    size = design.k_sources * p
    _, z, *_ = labeled_scores(design, score, solution.theta, solution.eta)
    a = design.design_weights[:, None]
    everyone = solution.sums.mean[p:].reshape(-1, 2, p)[:, 1].ravel()
    second = solution.sums.source_outer().reshape(size, size)
    z = z - everyone
    mean = (a * z).mean(axis=0)
    spread = second - np.outer(everyone, everyone)
    labeling = design.labeling
    if clusters is None and labeling.prob is None:
        spread = spread * n_units / (n_units - 1)
        return Difference(
            mean, spread * (1.0 / n - 1.0 / n_units), float("inf"), design.basis
        )
    if clusters is not None:
        own = cluster_sums(a * (z - mean) / n, clusters.of_labeled, clusters.n_all)
        total = cluster_scores(design, score, solution.eta, clusters)
        total = total - clusters.n_units[:, None] * everyone
        rows, df = own - total / n_units, float(clusters.n_labeled - 1)
        return Difference(mean, rows.T @ rows * (df + 1) / df, df, design.basis)
    # The mean is a ratio, whose residuals are those from the mean itself.
    own = a * (z - mean) / n
    rows = own - z / n_units
    variance = rows.T @ rows * n / (n - 1)
    variance += (spread * n_units - z.T @ z) / n_units**2
    variance = stratified(variance, own, labeling, unbiased=True)
    return Difference(mean, variance, float(n - 1), design.basis)


def representativeness(
    design: AlignedDesign,
    score: Score,
    solution: Solution,
    clusters: Clusters | None,
) -> list[tuple[float, float, int, float, float]]:
    """
    Test all sources together, and each by itself and beside the others.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    score : Score
        Target model.
    solution : Solution
        Parameters and sums at them.
    clusters : Clusters or None
        Clusters of the units.

    Returns
    -------
    list of tuple
        Statistic, p-value, degrees of freedom, C statistic and its p-value: first for
        all, then for each source.
    """
    nan, p, k_sources = float("nan"), design.k_params, design.k_sources
    if not k_sources:
        return [(0.0, nan, 0, nan, nan)]
    if not solution.converged:
        return [(nan, nan, 0, nan, nan)] * (k_sources + 1)
    difference = labeled_difference(design, score, solution, clusters)
    every = np.arange(k_sources * p)
    overall, pvalue, df = difference.test(every)
    rows = [(overall, pvalue, df, nan, nan)]
    for m in range(k_sources):
        own = (every >= m * p) & (every < (m + 1) * p)
        others, _, df_others = difference.test(every[~own])
        c = max(overall - others, 0.0)
        added = difference.pvalue(c, df - df_others, others, df_others)
        rows.append((*difference.test(every[own]), c, added))
    return rows

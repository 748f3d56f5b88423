r"""
Whether the labelled units look like the rest, as far as the sources can see.

Each source has a score for every unit, ``z_t = C_t h_t(eta)``. Units that were labelled
at random, or with the given probabilities, have on average the scores of all units. The
test compares the two means,

.. math::
    d = \frac{1}{n} \sum_t a_t z_t - \frac{1}{T} \sum_t z_t .

With labels drawn at random its variance is known from *all* units,
``(1/n - 1/T) S`` with S the covariance of ``z_t``. This is Hansen's J with the variance
that holds under the hypothesis; the usual one takes S from the n labelled units and
rejects too often where these are few or dummies are rare. The reference is
chi-squared. With unequal probabilities, strata or clusters the variance comes from the
labelled units or clusters, with ``nu`` degrees of freedom: their number less one. The
statistic for k means is then Hotelling's :math:`T^2`, and
``T^2 (nu - k + 1) / (nu k)`` is compared with F on ``k`` and ``nu - k + 1`` degrees of
freedom.

A source that covers some units only is compared over these: its labelled units with
all that it covers, each mean over its own number, n_m and T_m. Whether a unit is
labelled then says nothing of whether it is covered, nor the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
import scipy.linalg

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.gmm.covariance import stratified
from statsmodels_synth.gmm.covered import (
    covered_clusters,
    covered_sums,
    covers_everyone,
    labeled_coverage,
)
from statsmodels_synth.gmm.moments import MomentSums, labeled_scores
from statsmodels_synth.gmm.solver import Solution
from statsmodels_synth.gmm.sums import cluster_scores
from statsmodels_synth.gmm.weights import (
    NEGLIGIBLE,
    Weight,
    block_jacobian,
    inverse_root,
    optimal_weight,
    repeated_block,
)
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import Clusters, cluster_sums
from statsmodels_synth.problem.scores import TargetScore


def hansen_j(
    sums: MomentSums,
    weight: Weight,
    criterion: float,
    n_units: int,
    *,
    basis: Floats,
    optimal: bool,
    centered: bool,
) -> tuple[float, float, int]:
    """
    Hansen's test of the overidentifying restrictions.

    Eq. (hansen).

    Shapes: `basis` (p, p).
    """
    k_auxiliary = sums.auxiliary.shape[0] * sums.auxiliary.shape[-1]
    if not k_auxiliary:
        return 0.0, float("nan"), 0
    efficient = optimal_weight(sums.omega(centered), basis)
    if optimal and efficient.rank == weight.rank == 2 * k_auxiliary:
        df = k_auxiliary
    else:
        residual = efficient.whiten @ sums.mean[len(sums.target) :]
        # What the estimation of eta absorbs, whatever weight it used.
        jacobian = efficient.whiten @ block_jacobian(sums.auxiliary)
        space = scipy.linalg.orth(jacobian, rcond=NEGLIGIBLE)
        residual = residual - space @ (space.T @ residual)
        criterion = n_units * float(residual @ residual)
        df = efficient.rank - space.shape[1]
    if df <= 0:
        return 0.0, float("nan"), 0
    return criterion, float(stats.chi2.sf(criterion, df)), df


class JTest(tuple[float, float, int]):
    """
    A test that unpacks as ``statistic, pvalue, df``, and names its reference.

    Parameters
    ----------
    statistic, pvalue, df : float, float, int
        As in the tuple: the quadratic form J, its p-value, the number of restrictions.
    df_denom : float
        Denominator degrees of freedom; infinite where the reference is chi-squared.
    fvalue : float
        What is compared with F; NaN where the reference is chi-squared.

    Attributes
    ----------
    distribution : {"chi2", "F"}
        Reference: chi-squared, ``scipy.stats.chi2.sf(statistic, df)``; or Hotelling's
        T-squared, ``scipy.stats.f.sf(fvalue, df_num, df_denom)``.
    df_num : int
        The same as `df`.

    Examples
    --------
    >>> from scipy import stats
    >>> test = JTest(9.0, stats.f.sf(2.85, 3, 57.0), 3, 57.0, 2.85)
    >>> statistic, pvalue, df = test
    >>> test.distribution, test.df_num, test.df_denom
    ('F', 3, 57.0)
    >>> bool(pvalue == stats.f.sf(test.fvalue, test.df_num, test.df_denom))
    True
    """

    df_denom: float
    fvalue: float

    def __new__(  # noqa: D102 (see the class)
        cls,
        statistic: float,
        pvalue: float,
        df: int,
        df_denom: float = float("inf"),
        fvalue: float = float("nan"),
    ) -> JTest:
        test = super().__new__(cls, (float(statistic), float(pvalue), int(df)))
        test.df_denom, test.fvalue = float(df_denom), float(fvalue)
        return test

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (*self, self.df_denom, self.fvalue)

    def __repr__(self) -> str:
        names = ["statistic", "pvalue", "df", "distribution"]
        names += ["fvalue", "df_num", "df_denom"] if self.distribution == "F" else []
        return f"JTest({', '.join(f'{k}={getattr(self, k)!r}' for k in names)})"

    @property
    def statistic(self) -> float:
        """The quadratic form J."""
        return self[0]

    @property
    def pvalue(self) -> float:
        """Upper tail of the reference."""
        return self[1]

    @property
    def df(self) -> int:
        """Number of restrictions."""
        return self[2]

    @property
    def df_num(self) -> int:
        """Numerator degrees of freedom."""
        return self[2]

    @property
    def distribution(self) -> str:
        """Reference, "chi2" or "F"."""
        return "chi2" if np.isinf(self.df_denom) else "F"


@dataclass(frozen=True)
class Difference:
    """
    Difference of the mean scores of labelled and of all units.

    Parameters
    ----------
    mean : ndarray (M p,)
        Labelled minus all.
    variance : ndarray (M p, M p)
        Its variance if the units were labelled at random, or with the given
        probabilities.
    df : ndarray (M,)
        Degrees of freedom of the variance of each source; infinite where it is from
        all units.
    basis : ndarray (p, p)
        Change of basis that makes the labelled design orthonormal: what is rounding
        shall not depend on the units of x.
    """

    mean: Floats
    variance: Floats
    df: Floats
    basis: Floats

    def df_of(self, part: Positions) -> float:
        """Degrees of freedom of the variance of some means: the fewest of a source."""
        return float(self.df[part // len(self.basis)].min(initial=np.inf))

    def test(self, part: Positions) -> JTest:
        """Test that some of the means do not differ. Eq. (representative)."""
        df = self.df_of(part)
        turn = repeated_block(self.basis, len(part) // len(self.basis))
        variance = turn.T @ self.variance[np.ix_(part, part)] @ turn
        varying = int(np.count_nonzero(np.diag(variance) > 0.0))
        if varying > df:
            # A variance of fewer degrees of freedom says nothing of some directions.
            nan = float("nan")
            return JTest(nan, nan, varying, nan)
        root = inverse_root(variance)
        k = root.shape[1]
        if not k:
            return JTest(0.0, float("nan"), 0)
        statistic = float(np.sum((root.T @ (turn.T @ self.mean[part])) ** 2))
        return judge(statistic, k, df)


def judge(
    statistic: float, k: int, df: float, others: float = 0.0, k_others: int = 0
) -> JTest:
    """
    Hold a quadratic form, or what it adds to others, to its reference.

    Eq. (hotelling).
    """
    nan = float("nan")
    if k <= 0:
        return JTest(statistic, nan, max(k, 0), nan)
    if np.isinf(df):
        return JTest(statistic, float(stats.chi2.sf(statistic, k)), k)
    rest = df - k - k_others + 1.0
    if rest <= 0.0:
        return JTest(statistic, nan, k, nan)
    ratio = statistic / (df + others) * rest / k
    return JTest(statistic, float(stats.f.sf(ratio, k, rest)), k, rest, ratio)


def labeled_difference(
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    clusters: Clusters | None,
) -> Difference:
    """
    Compare the scores of the sources on labelled and on all units.

    Eq. (representative).
    """
    if not covers_everyone(design):
        return covered_difference(design, score, solution, clusters)
    n, n_units, p = design.n_labeled, design.n_units, design.k_params
    size = design.k_sources * p
    each = np.ones(design.k_sources)
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
        variance = spread * (1.0 / n - 1.0 / n_units)
        return Difference(mean, variance, each * np.inf, design.basis)
    if clusters is not None:
        own = cluster_sums(a * (z - mean) / n, clusters.of_labeled, clusters.n_all)
        total = cluster_scores(design, score, solution.eta, clusters)
        total = total - clusters.n_units[:, None] * everyone
        rows, df = own - total / n_units, float(clusters.n_labeled - 1)
        variance = rows.T @ rows * (df + 1) / df
        return Difference(mean, variance, each * df, design.basis)
    # The mean is a ratio, whose residuals are those from the mean itself.
    own = a * (z - mean) / n
    rows = own - z / n_units
    variance = rows.T @ rows * n / (n - 1)
    variance += (spread * n_units - z.T @ z) / n_units**2
    variance = stratified(variance, own, labeling, unbiased=True)
    return Difference(mean, variance, each * (n - 1), design.basis)


def covered_difference(
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    clusters: Clusters | None,
) -> Difference:
    """
    The same over the units that each source covers.

    Eq. (representative-covered).
    """
    p, labeling = design.k_params, design.labeling
    covered = labeled_coverage(design)
    sums = covered_sums(design, score, solution.eta)
    everyone, units = sums.mean, np.diag(sums.units)
    _, z, *_ = labeled_scores(design, score, solution.theta, solution.eta)
    of_means = covered.repeat(p, axis=1)
    z = np.where(of_means, z - everyone, 0.0)
    weight = design.design_weights[:, None] * of_means
    # A source without a covered label says nothing: a difference of zero.
    weight = weight / np.maximum(weight.sum(axis=0), 1e-300)
    mean = (weight * z).sum(axis=0)
    n_units = units.repeat(p)
    if clusters is not None:
        own = cluster_sums(weight * (z - mean), clusters.of_labeled, clusters.n_all)
        total, counts = covered_clusters(design, score, solution.eta, clusters)
        rows = own - (total - counts.repeat(p, axis=1) * everyone) / n_units
        with_labels = cluster_sums(
            covered.astype(float), clusters.of_labeled, clusters.n_all
        )
        variance, df = rows.T @ rows, (with_labels > 0.0).sum(axis=0) - 1.0
        return Difference(mean, variance * _unbiased(df, p), df, design.basis)
    outer = solution.sums.source_outer().reshape((len(z.T),) * 2) * design.n_units
    spread = sums.about_means(outer)
    n = covered.sum(axis=0)
    df = n - 1.0
    if labeling.prob is None:
        left = (n > 0) * (1.0 - n / units) / np.maximum(n, 1)
        left /= np.maximum(units - 1, 1)
        return Difference(
            mean, spread * _products(left, p), np.full(len(n), np.inf), design.basis
        )
    own = weight * (z - mean)
    rows = own - z / n_units
    variance = rows.T @ rows * _unbiased(df, p)
    variance += (spread - z.T @ z) / np.outer(n_units, n_units)
    variance = stratified(variance, own, labeling, unbiased=True)
    return Difference(mean, variance, df, design.basis)


def _unbiased(df: Floats, p: int) -> Floats:
    """What makes a variance of so many degrees of freedom unbiased, (M p, M p)."""
    return _products((df + 1.0) / np.maximum(df, 1.0), p)


def _products(factors: Floats, p: int) -> Floats:
    """One factor for each variance, its root for the covariances, (M p, M p)."""
    roots = np.sqrt(np.maximum(factors, 0.0)).repeat(p)
    return np.outer(roots, roots)


def representativeness(
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    clusters: Clusters | None,
) -> list[tuple[JTest, JTest]]:
    """Test all sources together, and each by itself and beside the others."""
    nan, p, k_sources = float("nan"), design.k_params, design.k_sources
    none = JTest(nan, nan, 0, nan)
    if not k_sources:
        return [(JTest(0.0, nan, 0), none)]
    if not solution.converged:
        return [(JTest(nan, nan, 0), none)] * (k_sources + 1)
    difference = labeled_difference(design, score, solution, clusters)
    every = np.arange(k_sources * p)
    overall = difference.test(every)
    rows = [(overall, none)]
    for m in range(k_sources):
        own = (every >= m * p) & (every < (m + 1) * p)
        others = difference.test(every[~own])
        added = judge(
            max(overall.statistic - others.statistic, 0.0),
            overall.df - others.df,
            difference.df_of(every),
            others.statistic,
            others.df,
        )
        rows.append((difference.test(every[own]), added))
    return rows


def reference_table(rows: list[tuple[JTest, JTest]], names: list[str]) -> pd.DataFrame:
    """The tests as a table, with what an F reference needs where there is one."""
    table = pd.DataFrame(
        [(*own, added.statistic, added.pvalue) for own, added in rows],
        index=["all sources", *names],
        columns=["statistic", "pvalue", "df", "c_statistic", "c_pvalue"],
    )
    if all(own.distribution == "chi2" for own, _ in rows):
        return table
    every, added = zip(*rows, strict=True)
    table["fvalue"] = [test.fvalue for test in every]
    table["df_denom"] = [test.df_denom for test in every]
    table["c_fvalue"] = [test.fvalue for test in added]
    table["c_df"] = [test.df for test in added]
    table["c_df_denom"] = [test.df_denom for test in added]
    return table

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

It is stacked from the regression of the labels' rows on those of all sources, one
multiple per source, and nothing; with clusters also from what units within them say
(:mod:`statsmodels_synth.gmm.stacking`). Each sees some units per source at which the
source says something unrelated: a ridge penalty that does not depend on units of x. And
no source counts as more precise among the labelled units than all its units say that it
is: the Gram matrix of its rows is at least a share of what is to be expected of them
(:mod:`statsmodels_synth.gmm.rows`).

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

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.gmm.controls import (
    Control,
    LabeledRows,
    control_of,
    labels_alone,
)
from statsmodels_synth.gmm.degrees import interval_df, satterthwaite
from statsmodels_synth.gmm.moments import MomentSums
from statsmodels_synth.gmm.rows import (
    Rows,
    cluster_rows,
    missed_spread,
    single_together,
    strata_groups,
    unit_rows,
)
from statsmodels_synth.gmm.stacking import Stacked, stack
from statsmodels_synth.gmm.sums import cluster_scores
from statsmodels_synth.problem.design import AlignedDesign, source_facts
from statsmodels_synth.problem.groups import Clusters
from statsmodels_synth.problem.scores import TargetScore

#: Labelled units that are added, at which the sources say something unrelated. One is
#: between the half of Jeffreys' prior for a proportion and the two of Agresti and
#: Coull (1998), and did best of the three in simulation.
UNRELATED_UNITS = 1.0


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
    one_error : ndarray (M, p)
        How far one labelled unit moves the estimate at which a source says something
        unrelated.
    missed : ndarray (M, p)
        How many times as much each source varies over all units as labelled ones let
        expect, in what it says of each coefficient; less one.
    df : float
        Rows less what was estimated from them, at least one.
    df_by_coefficient : ndarray (p,)
        Degrees of freedom of each coefficient, at most `df`.
    """

    theta: Floats
    stacked: Stacked
    covariance: Floats
    by_labels: Floats
    by_units: Floats
    own: Floats
    of_units: Floats
    one_error: Floats
    missed: Floats
    df: float
    df_by_coefficient: Floats


@dataclass(frozen=True)
class ControlVariates:
    """
    The sources as control variates, whatever the labels say.

    Parameters
    ----------
    controls : list of Control
        One per source.
    clusters : Clusters or None
        Clusters of several units.
    scores : ndarray (C, M p) or None
        Scores of the sources by cluster.
    """

    controls: list[Control]
    clusters: Clusters | None
    scores: Floats | None


def control_variates(
    design: AlignedDesign,
    score: TargetScore,
    eta: Floats,
    sums: MomentSums,
    clusters: Clusters | None,
) -> ControlVariates:
    """
    Sources as control variates.

    Shapes: `eta` (M, p).
    """
    if clusters is not None and clusters.n_all == design.n_units:
        clusters = None  # one unit in each
    controls = [
        control_of(design, score, m, eta[m], sums, covered)
        for m, (_, _, covered, *_) in enumerate(source_facts(design))
    ]
    scores = None if clusters is None else cluster_scores(design, score, eta, clusters)
    return ControlVariates(controls, clusters, scores)


def stacked_rows(
    design: AlignedDesign,
    score: TargetScore,
    labels: LabeledRows,
    variates: ControlVariates,
) -> tuple[Rows, Stacked]:
    """Rows that vary as the estimate does, and what of the sources is taken off."""
    controls, clusters = variates.controls, variates.clusters
    if clusters is None or variates.scores is None:
        groups = strata_groups(design.labeling)
        rows = unit_rows(design, labels, controls, groups, score)
        return rows, stack(rows)
    rows = cluster_rows(design, labels, controls, variates.scores, clusters, score)
    groups = single_together(clusters.of_labeled)
    units = unit_rows(design, labels, controls, groups, score)
    return rows, stack(rows, stack(units))


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
    variates = control_variates(design, score, eta, sums, clusters)
    clusters, controls = variates.clusters, variates.controls
    labels = labels_alone(design, score, theta)
    rows, stacked = stacked_rows(design, score, labels, variates)
    basis = design.basis
    missed = missed_spread(rows, basis)
    covariance = basis @ corrected_covariance(rows, stacked, controls) @ basis.T
    in_basis = stacked.matrix.reshape(p, -1, p)
    rows, stacked = rows.mapped(basis), stacked.mapped(basis)
    by_source = stacked.matrix.reshape(p, -1, p)
    own = labels.rows.copy()
    of_units, (delta, one_error) = np.empty((p, *eta.shape)), np.empty((2, *eta.shape))
    for m, control in enumerate(controls):
        own -= control.labeled.rows @ by_source[:, m].T
        of_units[:, m] = by_source[:, m] @ control.of_units
        delta[m] = control.delta
        turned = basis @ in_basis[:, m]
        errors = np.einsum("ji,ik,jk->j", turned, control.unrelated, turned)
        one_error[m] = np.sqrt(np.maximum(errors, 0.0))
    by_labels, by_units = variance_parts(
        rows, stacked, labels, is_finite=design.is_finite
    )
    varies = rows.open if design.is_finite else None
    alone = satterthwaite(design, score, labels, clusters, varies)
    df, df_by_coefficient = degrees_of_freedom(
        design, clusters, rows, stacked.df, np.diag(covariance), alone
    )
    return FewLabels(
        theta=theta + stacked.matrix @ delta.ravel(),
        stacked=stacked,
        covariance=covariance,
        by_labels=by_labels,
        by_units=by_units,
        own=own,
        of_units=of_units.reshape(p, -1),
        one_error=one_error,
        missed=missed,
        df=df,
        df_by_coefficient=df_by_coefficient,
    )


def degrees_of_freedom(
    design: AlignedDesign,
    clusters: Clusters | None,
    rows: Rows,
    k: float,
    variance: Floats,
    of_labels_alone: tuple[Floats, Floats],
) -> tuple[float, Floats]:
    """
    Rows less what was estimated from them, and those of each coefficient.

    Eq. (df), Eq. (df-coefficient).

    Shapes: `variance` (p,), `of_labels_alone` (p,), (p,) -> (p,).
    """
    groups, most = strata_groups(design.labeling), np.inf
    varies = np.ones(design.n_labeled, dtype=bool)
    n = rows.n
    if design.is_finite:
        # What was certain to be labelled says nothing of a variance without it.
        varies = rows.open > 0.0
        n = int(np.count_nonzero(varies))
    least = float(n - (design.k_params if clusters is None else 1))
    if groups is not None:
        n_groups = len(np.unique(groups[varies]))
        most = float(np.count_nonzero(varies) - n_groups)
    df = max(min(least - k, most), 1.0)
    alone, scale = of_labels_alone
    own = alone * df / max(min(least, most), 1.0)
    # Of the variance of leaving labels out less is too large, the more is taken off.
    of_labels = np.diag(rows.left_out.T @ rows.left_out + rows.drawn)
    safe = np.where(of_labels > 0.0, of_labels, 1.0)
    scale = 1.0 + (scale - 1.0) * np.minimum(variance / safe, 1.0)
    return df, interval_df(own, np.maximum(scale, 1.0), df)


def _residual(rows: Rows, stacked: Stacked) -> Floats:
    """Rows less what is taken off, as if each had not taken part, (R, p)."""
    if rows.everyone is None and np.any(stacked.matrix):
        return (rows.labels - stacked.left_out) * rows.up[:, None]
    return rows.left_out - stacked.left_out


def corrected_covariance(
    rows: Rows, stacked: Stacked, controls: Sequence[Control]
) -> Floats:
    """
    Covariance that allows for what few labels do not show, in the basis of the design.

    What labels miss of a source varies as well: its floor.

    Eq. (corrected), Eq. (unrelated).

    Shapes: (p, p).
    """
    p, n = rows.labels.shape[1], rows.n
    residual = _residual(rows, stacked)
    unrelated, missed = np.zeros((2, p, p))
    for m, control in enumerate(controls):
        part = stacked.matrix[:, m * p : (m + 1) * p]
        unrelated += rows.per_row * part @ control.unrelated @ part.T
        missed += part @ rows.floors[m] @ part.T
    inner = residual.T @ residual
    # An average over n labelled rows and the unrelated one.
    more = rows.left_out.T @ rows.left_out + n * unrelated - inner
    result = inner + UNRELATED_UNITS / (n + UNRELATED_UNITS) * more
    result = result + missed + rows.drawn
    return np.asarray((result + result.T) / 2)


def variance_parts(
    rows: Rows, stacked: Stacked, labels: LabeledRows, *, is_finite: bool = False
) -> tuple[Floats, Floats]:
    """
    The variance in proportion to 1/n, and to 1/T, without the bias of few labels.

    Eq. (double-sampling), Eq. (finite-parts).

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
        own = alone = labels.rows**2 / labels.room[:, None]
        some = rows.open > 0.0  # others say nothing of what sources explain
        own = own.copy()
        product = (total / rows.up[:, None] * residual)[some]
        own[some] = product / rows.open[some][:, None]
        closed = (1.0 - rows.open)[:, None]
        alone = alone * (not is_finite)
        return own.sum(axis=0), (closed * (alone - own)).sum(axis=0)
    # With clusters a row has both parts, that of its labels and that of all its units.
    shared = rows.everyone.reshape(size, -1) @ stacked.matrix.T
    direct, left_out = (part[: rows.n] - shared[: rows.n] for part in (total, residual))
    units = (total**2).sum(axis=0) - (direct**2).sum(axis=0)
    return (direct * left_out).sum(axis=0), units

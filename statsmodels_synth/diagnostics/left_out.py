"""
What the augmented estimate would be without one unit: fitted again without it.

First-order changes find the units that matter, and can be several times too large or
too small for them: a unit far out in x takes part in everything that its influence is
computed from.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from statsmodels_synth.core.arrays import Bools, Floats
from statsmodels_synth.gmm.settings import FitSettings
from statsmodels_synth.gmm.solver import Solution, solve
from statsmodels_synth.problem.design import (
    AlignedDesign,
    Labeling,
    SourceArrays,
    assemble_design,
    rows_of_labeled,
)
from statsmodels_synth.problem.groups import Clusters, number_clusters
from statsmodels_synth.problem.scores import TargetScore


def params_without(
    unit: int,
    design: AlignedDesign,
    score: TargetScore,
    solution: Solution,
    settings: FitSettings,
    clusters: Clusters | None,
) -> Floats:
    """
    Estimate without a unit, by the same settings.

    Shapes: (p,).
    """
    unknown = np.full(design.k_params, np.nan)
    keep: Bools = np.ones(design.n_units, dtype=bool)
    keep[unit] = False
    rest = _without(unit, design, score)
    if rest is None:
        return unknown
    continuous = settings.maxiter == "cue"
    try:
        with np.errstate(all="ignore"):  # what ran off is not converged
            found = solve(
                rest,
                score,
                solution.theta_real,
                solution.eta,
                steps=2 if settings.maxiter == "cue" else settings.maxiter,
                continuous=continuous,
                centered=settings.centered,
                shrink=settings.shrinks,
                clusters=None
                if clusters is None
                else number_clusters(clusters.of_units[keep], rest.labeled_units),
            )
    except np.linalg.LinAlgError:
        return unknown
    if not found.converged or found.redundant:
        return unknown
    return np.asarray(found.theta)


def _without(
    unit: int, design: AlignedDesign, score: TargetScore
) -> AlignedDesign | None:
    """The design without a unit; None where the labels then do not identify theta."""
    own = design.labeled_units != unit
    labels, labeling = design.labeled, design.labeling
    if not own.all():
        at = np.flatnonzero(own)
        labels = labels.take(at, None)
        labeling = _labeling_without(labeling, ~own)
        p = labels.exog.shape[1]
        if score.predictors:
            orthonormal = labels.exog @ design.basis[:p, :p]
            if np.linalg.svd(orthonormal, compute_uv=False)[-1] < 1e-8:
                return None
    units = design.labeled_units[own]
    units = units - (units > unit)
    shared: dict[tuple[int, int, int], Floats] = {}
    sources = tuple(_rows_without(unit, source, shared) for source in design.sources)
    found = assemble_design(
        labels,
        units,
        sources,
        tuple(rows_of_labeled(source, units) for source in sources),
        design.n_units - 1,
        score,
        None,
        labeling,
    )
    return replace(found, n_frame=design.n_frame - 1)


def _labeling_without(labeling: Labeling, gone: Bools) -> Labeling:
    """How the other labelled units were chosen."""
    if labeling.prob is None:
        return labeling
    prob, strata = labeling.prob[~gone], labeling.strata
    if strata is not None:
        # The share of the stratum that is labelled: (n - 1) / (N - 1) for n / N.
        stratum = strata[gone][0]
        strata = strata[~gone]
        inside = strata == stratum
        n = int(inside.sum()) + 1
        size = n / labeling.prob[gone][0]
        prob = np.where(inside, (n - 1) / (size - 1), prob)
    return replace(labeling, prob=prob, strata=strata)


def _rows_without(
    unit: int, source: SourceArrays, shared: dict[tuple[int, int, int], Floats]
) -> SourceArrays:
    """Rows of a source without those of a unit; regressors in common are one copy."""
    rows = source.rows(unit, unit + 1)
    start, stop = rows.indices(len(source.endog))[:2]

    def rest(values: Floats) -> Floats:
        return np.concatenate([values[:start], values[stop:]])

    key = (id(source.exog), start, stop)
    if key not in shared:
        shared[key] = rest(source.exog)
    units = None if source.units is None else np.delete(source.units, rows)
    return replace(
        source,
        endog=rest(source.endog),
        exog=shared[key],
        units=None if units is None else units - (units > unit),
        offset=None if source.offset is None else rest(source.offset),
        weights=None if source.weights is None else rest(source.weights),
    )

"""Perfect separation and exact fits: outcomes that regressors tell without error."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import scipy.linalg
import scipy.optimize

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.exceptions import (
    DataError,
    SeparationError,
)
from statsmodels_synth.gmm.solver import Solution
from statsmodels_synth.problem.design import AlignedDesign, DesignRows, SourceArrays
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import (
    add_offset,
    fits_exactly,
    linear_predictors,
    scale_of,
)


def check_exact_fit(
    labels: DesignRows, theta: Floats, score: TargetScore, yname: str
) -> None:
    """
    Raise if the model fits every label exactly: no interval has a width then.

    Shapes: `theta` (p,).
    """
    if not score.is_single:
        return  # what is fitted is not the outcome itself
    linear = labels.exog @ theta
    if labels.offset is not None:
        linear = linear + labels.offset
    with np.errstate(all="ignore"):
        error = labels.endog - score.mean(linear)
    if fits_exactly(labels.endog, error):
        raise DataError(
            f"The regressors fit all {len(labels.endog)} labels of {yname!r} exactly, "
            "so no standard error can be estimated. "
            + (
                _all_alike(labels.endog)
                or "Is the outcome an exact function of the regressors, or constant?"
            )
        )


def _all_alike(endog: Floats) -> str:
    """
    What labels say that are all alike, and what to do; nothing where they differ.

    Examples
    --------
    >>> _all_alike(np.zeros(200))[:70]
    'If units were labelled with equal probabilities, at most 1.8 % of all '
    """
    if np.ptp(endog) != 0.0:
        return ""
    n = len(endog)
    # Of Clopper and Pearson (1934), as scipy.stats.binomtest has it.
    most = 1.0 - 0.025 ** (1.0 / n)
    return (
        f"If units were labelled with equal probabilities, at most {100 * most:.2g} % "
        "of all units have another outcome (the exact 95 % interval, "
        f"scipy.stats.binomtest(0, {n}).proportion_ci()). Label more units, above all "
        "such as a source says have another outcome, and say so with strata= or "
        "labeling_prob=."
    )


#: Rows of the first look for separation.
_PART = 2000
#: How often rows that contradict a direction are looked for.
_ROUNDS = 20
#: Ratio of eigenvalues of a derivative below which a source may be separated.
FLAT = 1e-3
#: What messages call the labelled rows.
LABELS = "the labelled units"


def separating_direction(rows: DesignRows, score: TargetScore) -> Floats | None:
    """
    Direction along which the outcome is separated (Konis 2007).

    A linear programme looks for a direction ``b`` with ``x b >= 0`` where y is
    1, ``x b <= 0`` where y is 0, and at least one strict inequality; along it
    the likelihood rises for ever. For counts: ``x b <= 0`` where y is 0 and
    ``x b = 0`` elsewhere. For levels: along ``b`` no other level gains on the own.

    Shapes: (P,).
    """
    if not score.separable:
        return None
    scale = _scale_of(rows, score)
    contrasts = score.separation_rows(rows.endog, rows.exog)
    if contrasts is not None:
        open_ended, fixed = contrasts.reshape(-1, len(scale)) / scale, np.empty((0, 0))
    else:
        sign = _signs(rows.endog, score)
        open_ended = (rows.exog / scale * sign[:, None])[sign != 0]
        fixed = (rows.exog / scale)[sign == 0]
    if not len(open_ended):
        return None
    found = scipy.optimize.linprog(
        -open_ended.sum(axis=0),
        A_ub=-open_ended,
        b_ub=np.zeros(len(open_ended)),
        A_eq=fixed if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=(-1.0, 1.0),
        method="highs",
    )
    if not found.success or -found.fun < 1e-6:
        return None
    return np.asarray(found.x)


def _scale_of(rows: DesignRows, score: TargetScore) -> Floats:
    """Root mean squares of what a direction is multiplied by, none of them zero."""
    scale = scale_of(rows.exog, score)
    if not score.has_levels:  # only coefficients run to infinity
        scale = scale[: rows.exog.shape[1]]
    # A rare dummy may be absent from a part of the rows.
    return np.where(scale == 0.0, 1.0, scale)


def _signs(endog: Floats, score: TargetScore) -> Floats:
    """-1 and 1 where the outcome is at an end of its range."""
    return np.where(endog <= score.low, -1.0, np.where(endog >= score.high, 1.0, 0.0))


def check_separation(
    rows: DesignRows,
    params: Floats,
    converged: bool,
    *,
    score: TargetScore,
    where: str,
    names: Sequence[str],
) -> None:
    """
    Raise if the outcome is separated; cheap where nothing hints at it.

    Shapes: `params` (p,).
    """
    # Under separation some fitted means run into a bound, at the latest until
    # the solver's tolerance stops them within 1e-5 of it.
    extreme = _at_bound(rows, params, score)
    if converged and not extreme.any():
        return
    # Rows that are singled out end at the bound, and what is separated stays
    # so in any part that holds them: a clean part clears the whole.
    part, direction = np.flatnonzero(extreme), None
    everything = len(part) > _PART
    if not everything:
        some = np.linspace(0, len(extreme) - 1, _PART).astype(int)
        part = np.unique(np.r_[part, some])
        direction = separating_direction(rows.take(part, None), score)
        everything = direction is not None and len(part) < len(extreme)
    if everything:
        direction = separating_direction(rows, score)
    if direction is not None:
        raise _separated(rows, direction, score, where, names)


def _separated(
    rows: DesignRows,
    direction: Floats,
    score: TargetScore,
    where: str,
    names: Sequence[str],
) -> SeparationError:
    """The error that names what separates these rows."""
    if np.ptp(rows.endog) == 0.0 and not score.has_levels:
        reason = f"the outcome is {rows.endog[0]:g} in every row"
    else:
        columns = np.flatnonzero(np.abs(direction) > 1e-7)
        listed = ", ".join(repr(names[int(j)]) for j in columns)
        reason = f"{listed} tells the outcome without error, in some rows or in all"
    return SeparationError(
        f"Perfect separation in {where}: {reason}, so there is no finite estimate. "
        + (
            ("" if score.has_levels else _all_alike(rows.endog))
            or "Leave the column out, merge levels, or label more units."
            if where.startswith("the")
            else "Leave the source out, or the column."
            + (
                " Or give a probability for each level, none of them zero."
                if score.has_levels
                else ""
            )
        )
    )


def check_partitions(
    design: AlignedDesign,
    m: int,
    params: Floats,
    score: TargetScore,
    names: Sequence[str],
) -> None:
    """
    Raise if the outcome of a source is separated whose rows are not in memory.

    A direction that separates some of the rows is tried on all; rows that contradict it
    join the others, until there is no direction, or one that nothing contradicts.

    Shapes: `params` (p,).
    """
    parts = design.partitions
    assert parts is not None
    at_bound = parts.total(partial(_rows_at_bound, m=m, params=params, score=score))
    sample = parts.samples[m]
    some = np.linspace(0, len(sample.endog) - 1, _PART).astype(int)
    found = [_plain(sample, np.unique(some)), *at_bound]
    for _ in range(_ROUNDS):
        rows = DesignRows(
            np.concatenate([r.endog for r in found]),
            np.concatenate([r.exog for r in found]),
        )
        direction = separating_direction(rows, score)
        if direction is None:
            return
        along = direction / _scale_of(rows, score)
        against = parts.total(partial(_rows_against, m=m, direction=along, score=score))
        if not against:
            where = f"source {design.names[m]!r}"
            raise _separated(rows, direction, score, where, names)
        found += against


def _rows_at_bound(
    sources: tuple[SourceArrays, ...],
    n_units: int,
    *,
    m: int,
    params: Floats,
    score: TargetScore,
) -> list[DesignRows]:
    """Rows of a part whose fitted means are at a bound, at most a few thousand."""
    rows = np.flatnonzero(_at_bound(sources[m], params, score))
    return [_plain(sources[m], rows[:_PART])] if len(rows) else []


def _rows_against(
    sources: tuple[SourceArrays, ...],
    n_units: int,
    *,
    m: int,
    direction: Floats,
    score: TargetScore,
) -> list[DesignRows]:
    """Rows of a part that a direction does not separate, the worst ones."""
    source = sources[m]
    contrasts = score.separation_rows(source.endog, source.exog)
    if contrasts is not None:
        margin = (contrasts @ direction).min(axis=1)
    else:
        sign, along = _signs(source.endog, score), source.exog @ direction
        margin = np.where(sign == 0.0, -np.abs(along), sign * along)
    worst = np.argsort(margin)[:_PART]
    worst = worst[margin[worst] < -1e-9]
    return [_plain(source, worst)] if len(worst) else []


def _plain(rows: DesignRows, keep: Positions) -> DesignRows:
    return DesignRows(rows.endog[keep], rows.exog[keep])


def _at_bound(rows: DesignRows, params: Floats, score: TargetScore) -> Bools:
    """Rows whose fitted mean is within 1e-5 of a bound of its range."""
    if not score.separable:
        return np.zeros(len(rows.endog), dtype=bool)
    with np.errstate(all="ignore"):
        linear = linear_predictors(rows.exog, params, score)
        if rows.offset is not None:
            add_offset(linear, rows.offset, score)
        mean = score.mean(linear)
    if score.has_levels:
        return np.asarray(~(mean.min(axis=1) >= 1e-5))
    above = mean - score.low
    if np.isfinite(score.high):
        width = score.high - score.low
        return np.asarray(~(np.minimum(above, score.high - mean) >= 1e-5 * width))
    return np.asarray(~(above >= 1e-5 * float(rows.endog.mean() - score.low)))


def check_solution(
    design: AlignedDesign,
    solution: Solution,
    score: TargetScore,
    names: Sequence[str],
) -> None:
    """Raise if a solution owes its values to separation."""
    fitted = [(design.labeled, solution.theta_real, LABELS)]
    suspects = []
    for m, name in enumerate(design.names):
        # A look at every row of a source is worth it only on suspicion: along a
        # separated direction the derivative of the score vanishes.
        slope = design.basis.T @ solution.sums.auxiliary[m, 1] @ design.basis
        values = np.linalg.svd(slope, compute_uv=False)
        if not solution.converged or values.min() < FLAT * values.max():
            suspects.append((m, f"source {name!r}"))
    if design.partitions is None:
        for m, where in suspects:
            fitted.append((design.sources[m], solution.eta[m], where))
    for rows, params, where in fitted:
        check_separation(
            rows, params, solution.converged, score=score, where=where, names=names
        )
    if design.partitions is not None:
        for m, _ in suspects:
            check_partitions(design, m, solution.eta[m], score, names)

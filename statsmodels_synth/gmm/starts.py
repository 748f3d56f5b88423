"""
Starting values, from the target model on some of the rows.

The labelled rows are few and are fitted in full. Of a source a part of the rows
is enough: what it misses, the solver corrects on all rows in two or three
passes. The more rows, the closer the start: from a thousandth of a coefficient's size
one step leads to a millionth of it, so that a tenth of the rows saves a pass.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.gmm.sums import source_sums
from statsmodels_synth.problem.design import DesignRows
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import (
    add_offset,
    linear_predictors,
    scale_of,
    total_slope,
)

#: Rows of a source that GLM is fitted to, where there are more than FEW_ROWS.
FEW_ROWS = 20_000
GLM_ROWS = 2_000
#: Rows of a source that Newton's method goes on with from there: a tenth, but at most
#: these. Where it has not arrived after so many steps, GLM is asked again.
MANY_ROWS = 200_000
MAX_STEPS = 8
#: Condition number above which a column is as good as absent from these rows.
SINGULAR = 1e8
#: Step, as a share of the coefficients' size, that is far below the sampling error.
SMALL_STEP = 1e-3
#: By how much the condition number of the derivative of the score may exceed that of
#: the columns before a start is taken for one at infinity; and the share of the mean
#: that is mixed into the outcome then, so that a rare level has a finite estimate.
FLAT = 1e3
DOUBT = 0.5


def start_of(rows: DesignRows, score: TargetScore) -> Floats:
    """A finite estimate on these rows to start from, (p,), by the target model."""
    return score.start(rows.endog, rows.exog, rows.offset, rows.weights)


def source_start(
    rows: DesignRows, score: TargetScore, *, is_sample: bool = False
) -> Floats:
    """
    Estimate from some of the rows of a source.

    Shapes: (p,).
    """
    total = len(rows.endog)
    if total <= FEW_ROWS and not is_sample:
        return start_of(rows, score)
    part = rows
    if total > FEW_ROWS and score.is_smooth:
        part = _spread(rows, max(FEW_ROWS, min(total // 10, MANY_ROWS)))
        start = start_of(_spread(rows, GLM_ROWS), score)
        found = _newton(part, score, start)
        if found is not None and (
            score.is_canonical or _better(part, score, found, start)
        ):
            return found
    some = _spread(rows, FEW_ROWS)
    params = start_of(some, score)
    if not _is_flat(some, score, params):
        return params
    # All outcomes of a rare level are alike in these rows, not in all: from infinity
    # the solver would not come back.
    mixed = (1.0 - DOUBT) * some.endog + DOUBT * some.endog.mean()
    return start_of(replace(some, endog=mixed), score)


def _better(rows: DesignRows, score: TargetScore, found: Floats, start: Floats) -> bool:
    """
    Whether the loss did not rise.

    Scores that are not canonical also vanish where every mean is at the end of its
    range, far from any estimate.
    """
    after, before = (
        score.loss(rows.endog, _with_offset(rows, score, params), rows.weights)
        for params in (found, start)
    )
    return after is None or before is None or bool(after <= before)


def _with_offset(rows: DesignRows, score: TargetScore, params: Floats) -> Floats:
    linear = linear_predictors(rows.exog, params, score)
    if rows.offset is not None:
        add_offset(linear, rows.offset, score)
    return linear


def _is_flat(rows: DesignRows, score: TargetScore, params: Floats) -> bool:
    """Whether the score hardly depends on the parameters in some direction."""
    scale = scale_of(rows.exog, score)
    keep = scale > 0.0
    outer = np.outer(scale, scale)[np.ix_(keep, keep)]
    ones = np.ones(len(rows.exog))
    if not score.is_single:
        each = np.eye(score.predictors + len(score.constants))
        ones = np.broadcast_to(each, (len(ones), *each.shape))
    gram = total_slope(rows.exog, ones, score)[np.ix_(keep, keep)] / outer
    with np.errstate(all="ignore"):
        sums = source_sums((rows,), len(rows.endog), score, params[None])
    slope = sums.jacobian[0][np.ix_(keep, keep)] / outer
    if not np.all(np.isfinite(slope)):
        return True
    return bool(np.linalg.cond(slope) > FLAT * np.linalg.cond(gram))


def _spread(rows: DesignRows, n_rows: int) -> DesignRows:
    """Evenly spaced rows, each a unit: a view."""
    return rows.take(slice(None, None, -(-len(rows.endog) // n_rows)), None)


def _newton(rows: DesignRows, score: TargetScore, params: Floats) -> Floats | None:
    """Newton's method until a step is small; None where it does not come to that."""
    scale = scale_of(rows.exog, score)
    scale[scale == 0.0] = 1.0  # a rare dummy may be absent
    with np.errstate(all="ignore"):
        for _ in range(MAX_STEPS):
            sums = source_sums((rows,), len(rows.endog), score, params[None])
            slope = sums.jacobian[0] / np.outer(scale, scale)
            if not np.all(np.isfinite(slope)) or np.linalg.cond(slope) > SINGULAR:
                return None
            step = -np.linalg.solve(slope, sums.mean[0] / scale)
            params = params + step / scale
            if np.abs(step).max() <= SMALL_STEP * np.abs(params * scale).max():
                return params
    return None

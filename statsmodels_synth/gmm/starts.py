"""
Starting values, from the GLM of the family.

The labelled rows are few and are fitted in full. Of a source a part of the rows
is enough: what it misses, the solver corrects on all rows in two or three
passes. The more rows, the closer the start: from a thousandth of a coefficient's size
one step leads to a millionth of it, so that a tenth of the rows saves a pass.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from statsmodels.genmod import families

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.gmm.sums import source_sums
from statsmodels_synth.problem.design import DesignRows
from statsmodels_synth.problem.scores import Score

#: Rows of a source that GLM is fitted to, where there are more than FEW_ROWS.
FEW_ROWS = 20_000
GLM_ROWS = 2_000
#: Rows of a source that Newton's method goes on with from there: a tenth, but at most
#: these. Where it has not arrived after so many steps, GLM is asked again.
MANY_ROWS = 200_000
MAX_STEPS = 8
#: Steps of reweighted least squares, and by how much the last may change the deviance.
MAX_REWEIGHTED = 100
SMALL_DEVIANCE = 1e-6
#: Condition number above which a column is as good as absent from these rows.
SINGULAR = 1e8
#: Step, as a share of the coefficients' size, that is far below the sampling error.
SMALL_STEP = 1e-3
#: By how much the condition number of the derivative of the score may exceed that of
#: the columns before a start is taken for one at infinity; and the share of the mean
#: that is mixed into the outcome then, so that a rare level has a finite estimate.
FLAT = 1e3
DOUBT = 0.5


def start_params(rows: DesignRows, family: families.Family) -> Floats:
    """
    Estimate of a GLM, by iteratively reweighted least squares.

    The same numbers as ``GLM.fit(tol=1e-6)`` of statsmodels, which warns of much that
    does not matter in a start: whether the problem has a solution, and the solver found
    it, is judged on the moments themselves. Not to hear its warnings would be to change
    the filters of all threads.

    Shapes: (p,).
    """
    with np.errstate(all="ignore"):
        params = _reweighted(rows, family)
    if params is None:
        return np.zeros(rows.exog.shape[1])
    return np.where(np.isfinite(params), params, 0.0)


def _reweighted(rows: DesignRows, family: families.Family) -> Floats | None:
    """Weighted regressions on the linearised outcome, until the deviance stands."""
    endog, exog = rows.endog, rows.exog
    offset = 0.0 if rows.offset is None else rows.offset
    own = 1.0 if rows.weights is None else rows.weights
    params, mean = None, family.starting_mu(endog)
    linear, scale = family.link(mean), _scale(rows, family, mean)
    before = family.deviance(endog, mean, own, scale=scale)
    if np.isnan(before):
        return None
    for _ in range(MAX_REWEIGHTED):
        root = np.sqrt(own * family.weights(mean))
        working = linear + family.link.deriv(mean) * (endog - mean) - offset
        if not (np.all(np.isfinite(root)) and np.all(np.isfinite(working))):
            return None
        params = np.linalg.lstsq(exog * root[:, None], working * root, rcond=-1)[0]
        linear = exog @ params + offset
        mean = family.link.inverse(linear)
        # In units of the dispersion, which that of the step before is close to.
        deviance = family.deviance(endog, mean, own, scale=scale)
        scale = _scale(rows, family, mean)
        if abs(deviance - before) <= SMALL_DEVIANCE:
            break
        before = deviance
    return params


def _scale(rows: DesignRows, family: families.Family, mean: Floats) -> float:
    """Dispersion, where the family does not fix it: Pearson's, as in statsmodels."""
    if isinstance(
        family, (families.Binomial, families.Poisson, families.NegativeBinomial)
    ):
        return 1.0
    own = 1.0 if rows.weights is None else rows.weights
    total = np.sum(own * (rows.endog - mean) ** 2 / family.variance(mean))
    return float(total / (len(rows.endog) - rows.exog.shape[1]))


def source_start(
    rows: DesignRows, family: families.Family, score: Score, *, is_sample: bool = False
) -> Floats:
    """
    Estimate from some of the rows of a source.

    Shapes: (p,).
    """
    total = len(rows.endog)
    if total <= FEW_ROWS and not is_sample:
        return start_params(rows, family)
    part = rows
    if total > FEW_ROWS:
        part = _spread(rows, max(FEW_ROWS, min(total // 10, MANY_ROWS)))
        start = start_params(_spread(rows, GLM_ROWS), family)
        found = _newton(part, score, start)
        if found is not None and (
            score.is_canonical or _better(part, family, found, start)
        ):
            return found
    some = _spread(rows, FEW_ROWS)
    params = start_params(some, family)
    if not _is_flat(some, score, params):
        return params
    # All outcomes of a rare level are alike in these rows, not in all: from infinity
    # the solver would not come back.
    mixed = (1.0 - DOUBT) * some.endog + DOUBT * some.endog.mean()
    return start_params(replace(some, endog=mixed), family)


def _better(
    rows: DesignRows, family: families.Family, found: Floats, start: Floats
) -> bool:
    """
    Whether the deviance did not rise.

    Scores that are not canonical also vanish where every mean is at the end of its
    range, far from any estimate.
    """
    offset = 0.0 if rows.offset is None else rows.offset
    weights = 1.0 if rows.weights is None else rows.weights
    with np.errstate(all="ignore"):
        after, before = (
            family.deviance(
                rows.endog, family.link.inverse(rows.exog @ params + offset), weights
            )
            for params in (found, start)
        )
    return bool(after <= before)


def _root_mean_squares(exog: Floats) -> Floats:
    return np.asarray(np.sqrt(np.einsum("ij,ij->j", exog, exog) / len(exog)))


def _is_flat(rows: DesignRows, score: Score, params: Floats) -> bool:
    """Whether the score hardly depends on the parameters in some direction."""
    scale = _root_mean_squares(rows.exog)
    keep = scale > 0.0
    outer = np.outer(scale, scale)[np.ix_(keep, keep)]
    gram = (rows.exog.T @ rows.exog)[np.ix_(keep, keep)] / outer
    with np.errstate(all="ignore"):
        sums = source_sums((rows,), len(rows.endog), score, params[None])
    slope = sums.jacobian[0][np.ix_(keep, keep)] / outer
    if not np.all(np.isfinite(slope)):
        return True
    return bool(np.linalg.cond(slope) > FLAT * np.linalg.cond(gram))


def _spread(rows: DesignRows, n_rows: int) -> DesignRows:
    """Evenly spaced rows, each a unit: a view."""
    return rows.take(slice(None, None, -(-len(rows.endog) // n_rows)), None)


def _newton(rows: DesignRows, score: Score, params: Floats) -> Floats | None:
    """Newton's method until a step is small; None where it does not come to that."""
    scale = _root_mean_squares(rows.exog)
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

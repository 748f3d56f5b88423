"""
Starting values, from statsmodels' own GLM.

The labelled rows are few and are fitted in full. Of a source a part of the rows
is enough: what it misses, the solver corrects on all rows in two or three
passes.
"""

from __future__ import annotations

import warnings

import numpy as np
from statsmodels.genmod import families
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.tools.sm_exceptions import (
    ConvergenceWarning,
    DomainWarning,
    HessianInversionWarning,
    PerfectSeparationWarning,
    SingularMatrixWarning,
)

from statsmodels_synth._arrays import Floats
from statsmodels_synth.design import DesignRows

#: Rows of a source that its start is estimated from.
START_ROWS = 20_000


def start_params(
    rows: DesignRows, family: families.Family, max_rows: int | None = None
) -> Floats:
    """
    Estimate of a GLM on some of the rows.

    Parameters
    ----------
    rows : DesignRows
        The rows.
    family : statsmodels.genmod.families.Family
        Family with its link.
    max_rows : int, optional
        Rows to use, evenly spaced; all if omitted.

    Returns
    -------
    ndarray (p,)
        Estimate, finite.
    """
    total = len(rows.endog)
    if max_rows is not None and total > max_rows:
        stride = -(-total // max_rows)
        rows = rows.take(np.arange(0, total, stride), None)
    with warnings.catch_warnings():
        # Only a start: whether the problem has a solution, and the solver found
        # it, is judged on the moments themselves.
        for category in (
            ConvergenceWarning,
            DomainWarning,
            HessianInversionWarning,
            PerfectSeparationWarning,
            SingularMatrixWarning,
            RuntimeWarning,
        ):
            warnings.simplefilter("ignore", category)
        glm = GLM(
            rows.endog,
            rows.exog,
            family=family,
            offset=rows.offset,
            var_weights=rows.weights,
        )
        try:
            params = np.asarray(glm.fit(tol=1e-6).params, dtype=float)
        except ValueError:
            # GLM refuses an outcome that it fits exactly, or cannot start from; the
            # solver finds out which, and says so.
            return np.zeros(rows.exog.shape[1])
    return np.where(np.isfinite(params), params, 0.0)

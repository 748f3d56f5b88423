"""Perfect separation: outcomes that some regressors tell without error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.optimize
from statsmodels.genmod import families

from statsmodels_synth._arrays import Bools, Floats
from statsmodels_synth.design import AlignedDesign, DesignRows
from statsmodels_synth.exceptions import SeparationError
from statsmodels_synth.scores import admissible_range
from statsmodels_synth.solver import Solution

#: Rows of the first look for separation.
_PART = 2000
#: Ratio of eigenvalues of a derivative below which a source may be separated.
FLAT = 1e-3
#: What messages call the labelled rows.
LABELS = "the labelled units"


def separating_columns(
    rows: DesignRows, family: families.Family, names: Sequence[str]
) -> list[str]:
    """
    Columns along which the outcome is separated (Konis 2007).

    A linear programme looks for a direction ``b`` with ``x b >= 0`` where y is
    1, ``x b <= 0`` where y is 0, and at least one strict inequality; along it
    the likelihood rises for ever. For counts: ``x b <= 0`` where y is 0 and
    ``x b = 0`` elsewhere.

    Parameters
    ----------
    rows : DesignRows
        The rows.
    family : statsmodels.genmod.families.Family
        The family.
    names : sequence of str
        Names of the columns.

    Returns
    -------
    list of str
        Columns with a part in the direction; empty where there is none.

    References
    ----------
    Konis, K. (2007). Linear programming algorithms for detecting separated data
    in binary logistic regression models. DPhil thesis, University of Oxford.
    """
    high = np.inf
    if isinstance(family, families.Binomial):
        high = 1.0
    elif not (
        isinstance(family.link, families.links.Log) and admissible_range(family)[0] == 0
    ):
        return []
    sign = np.where(rows.endog <= 0.0, -1.0, np.where(rows.endog >= high, 1.0, 0.0))
    scale = np.sqrt(np.mean(rows.exog**2, axis=0))
    scale[scale == 0.0] = 1.0  # a rare dummy may be absent from a part of the rows
    signed = rows.exog / scale * sign[:, None]
    open_ended = signed[sign != 0]
    fixed = (rows.exog / scale)[sign == 0]
    if not len(open_ended):
        return []
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
        return []
    return [names[int(j)] for j in np.flatnonzero(np.abs(found.x) > 1e-7)]


def check_separation(
    rows: DesignRows,
    params: Floats,
    converged: bool,
    *,
    family: families.Family,
    where: str,
    names: Sequence[str],
) -> None:
    """
    Raise if the outcome is separated; cheap where nothing hints at it.

    Parameters
    ----------
    rows : DesignRows
        The rows that were fitted.
    params : ndarray (p,)
        The estimate on them.
    converged : bool
        Whether the fit converged.
    family : statsmodels.genmod.families.Family
        The family.
    where : str
        "the labelled units" or the source, for the message.
    names : sequence of str
        Names of the columns.

    Raises
    ------
    SeparationError
        Names the columns.
    """
    # Under separation some fitted means run into a bound, at the latest until
    # the solver's tolerance stops them within 1e-5 of it.
    extreme = _at_bound(rows, params, family)
    if converged and not extreme.any():
        return
    # Rows that are singled out end at the bound, and what is separated stays
    # so in any part that holds them: a clean part clears the whole.
    part = np.flatnonzero(extreme)
    everything = len(part) > _PART
    if not everything:
        some = np.linspace(0, len(extreme) - 1, _PART).astype(int)
        part = np.unique(np.r_[part, some])
        columns = separating_columns(rows.take(part, None), family, names)
        everything = bool(columns) and len(part) < len(extreme)
    if everything:
        columns = separating_columns(rows, family, names)
    if columns:
        if np.ptp(rows.endog) == 0.0:
            reason = f"the outcome is {rows.endog[0]:g} in every row"
        else:
            listed = ", ".join(repr(c) for c in columns)
            reason = f"{listed} tells the outcome without error, in some rows or in all"
        raise SeparationError(
            f"Perfect separation in {where}: {reason}, so there is no finite estimate. "
            + (
                "Leave the column out, merge levels, or label more units."
                if where.startswith("the")
                else "Leave the source out, or the column."
            )
        )


def _at_bound(rows: DesignRows, params: Floats, family: families.Family) -> Bools:
    """Rows whose fitted mean is within 1e-5 of a bound of its range."""
    binomial = isinstance(family, families.Binomial)
    if not binomial and admissible_range(family)[0] != 0.0:
        return np.zeros(len(rows.endog), dtype=bool)
    with np.errstate(all="ignore"):
        linear = rows.exog @ params
        mean = family.link.inverse(
            linear if rows.offset is None else linear + rows.offset
        )
    if binomial:
        return np.asarray(~(np.minimum(mean, 1.0 - mean) >= 1e-5))
    return np.asarray(~(mean >= 1e-5 * float(rows.endog.mean())))


def check_solution(
    design: AlignedDesign,
    solution: Solution,
    family: families.Family,
    names: Sequence[str],
) -> None:
    """
    Raise if a solution owes its values to separation.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    solution : Solution
        What the solver found.
    family : statsmodels.genmod.families.Family
        The family.
    names : sequence of str
        Names of the columns.

    Raises
    ------
    SeparationError
        Names the labels or the source, and the columns.
    """
    fitted = [(design.labeled, solution.theta_real, LABELS)]
    for m, source in enumerate(design.sources):
        # A look at every row of a source is worth it only on suspicion: along a
        # separated direction the derivative of the score vanishes.
        slope = design.basis.T @ solution.sums.auxiliary[m, 1] @ design.basis
        values = np.abs(np.linalg.eigvalsh(slope))
        if not solution.converged or values.min() < FLAT * values.max():
            fitted.append((source, solution.eta[m], f"source {source.name!r}"))
    for rows, params, where in fitted:
        check_separation(
            rows, params, solution.converged, family=family, where=where, names=names
        )

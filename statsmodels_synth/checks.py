"""Checks of the numbers that enter an estimate: what fails here has no answer."""

from __future__ import annotations

from collections.abc import Sequence
import warnings

import numpy as np
import pandas as pd
import scipy.linalg
import scipy.optimize
from statsmodels.genmod import families

from statsmodels_synth._arrays import Bools, Floats, Positions, infinite_rows
from statsmodels_synth.design import DesignRows, SourceArrays
from statsmodels_synth.exceptions import (
    CollinearityError,
    CoverageWarning,
    DataError,
    SeparationError,
    format_units,
)
from statsmodels_synth.scores import admissible_range

#: Columns count as dependent when what one adds is this small a share of it.
COLLINEARITY_TOLERANCE = 1e-10
#: Rows of the first look for separation.
_PART = 2000


def check_values(
    rows: DesignRows, where: str, names: Sequence[str], yname: str, units: pd.Index
) -> None:
    """
    Raise if a value is infinite.

    Parameters
    ----------
    rows : DesignRows
        The rows.
    where : str
        "data" or the source, for the message.
    names : sequence of str
        Names of the columns of exog.
    yname : str
        Name of endog.
    units : pandas.Index
        Unit of each row.

    Raises
    ------
    DataError
        Names the column and the units.
    """
    bad = infinite_rows(rows.exog)
    if len(bad):
        column = int(np.flatnonzero(np.isinf(rows.exog[bad]).any(axis=0))[0])
        bad = bad[np.isinf(rows.exog[bad, column])]
        raise DataError(
            f"{where}: column {names[column]!r} is infinite for {len(bad)} rows "
            f"(units {format_units(units[bad])}). Correct or remove them."
        )
    bad = infinite_rows(rows.endog)
    if len(bad):
        raise DataError(
            f"{where}: {yname!r} is infinite for {len(bad)} rows (units "
            f"{format_units(units[bad])}). Correct or remove them."
        )


def check_endog(
    endog: Floats, family: families.Family, where: str, yname: str, units: pd.Index
) -> None:
    """
    Raise if a value of y is outside the range of the family.

    Parameters
    ----------
    endog : ndarray (R,)
        Values.
    family : statsmodels.genmod.families.Family
        The family.
    where : str
        "data" or the source, for the message.
    yname : str
        Name of y.
    units : pandas.Index
        Unit of each row.

    Raises
    ------
    DataError
        Names the family, its range and the units.
    """
    low, high, low_open, text = admissible_range(family)
    outside = (endog <= low) if low_open else (endog < low)
    outside |= endog > high
    if outside.any():
        bad = np.flatnonzero(outside)
        raise DataError(
            f"{where}: {yname!r} must be {text} for the "
            f"{type(family).__name__} family, but {len(bad)} rows are not, such as "
            f"{endog[bad[0]]:g} (units {format_units(units[bad])}). Recode "
            f"{yname!r} or choose another family."
        )


def dependent_columns(exog: Floats, tolerance: float) -> tuple[list[int], list[int]]:
    """
    Columns that are linear combinations of others, and the others.

    Parameters
    ----------
    exog : ndarray (R, p)
        Regressors.
    tolerance : float
        Share of a column that counts as rounding.

    Returns
    -------
    dependent, partners : list of int
        Empty where the columns are independent.
    """
    length = np.linalg.norm(exog, axis=0)
    scaled = exog / np.where(length > 0, length, 1.0)
    upper, pivots = scipy.linalg.qr(scaled, mode="r", pivoting=True)[:2]
    size = np.abs(np.diag(upper[: exog.shape[1]]))
    size = np.pad(size, (0, exog.shape[1] - len(size)))
    rank = int((size > tolerance).sum())
    if rank == exog.shape[1]:
        return [], []
    dependent = [int(j) for j in pivots[rank:]]
    independent = [int(j) for j in pivots[:rank]]
    weights = scipy.linalg.lstsq(scaled[:, independent], scaled[:, dependent])[0]
    used = np.abs(weights).max(axis=1) > 1e-6
    return sorted(dependent), sorted(np.asarray(independent)[used].tolist())


def check_labeled_design(
    exog: Floats, names: Sequence[str], others: Sequence[Floats]
) -> None:
    """
    Raise unless the labelled rows identify every coefficient.

    Parameters
    ----------
    exog : ndarray (n, p)
        Regressors of the labelled rows.
    names : sequence of str
        Names of the columns.
    others : sequence of ndarray (R, p)
        Regressors of the sources.

    Raises
    ------
    DataError
        If there are no labelled rows or not more than columns.
    CollinearityError
        Names a column that is constant among the labelled rows, or columns
        that are linearly dependent.
    """
    n, p = exog.shape
    if n == 0:
        raise DataError(
            "There is no labelled unit: no row of data has every variable of the "
            "formula. Check the outcome column, `labeled` and missing values."
        )
    if n <= p:
        raise DataError(
            f"There are {n} labelled units for {p} coefficients ({', '.join(names)}). "
            "Label more units or shorten the formula."
        )
    dependent, partners = dependent_columns(exog, COLLINEARITY_TOLERANCE)
    if not dependent:
        return
    fixed = [
        names[j]
        for j in range(p)
        if np.ptp(exog[:, j]) == 0.0
        and any(len(e) and np.ptp(e[:, j]) > 0.0 for e in others)
    ]
    if fixed:
        j = list(names).index(fixed[0])
        raise CollinearityError(
            f"Column {fixed[0]!r} is {exog[0, j]:g} for all {n} labelled units, though "
            "not for the others: its coefficient cannot be estimated from the labels. "
            "Label units where it differs, merge levels, or leave it out."
        )
    columns = ", ".join(repr(names[j]) for j in dependent)
    combined = ", ".join(repr(names[j]) for j in partners) or "zero"
    raise CollinearityError(
        f"The design of the {n} labelled units is collinear: {columns} is a linear "
        f"combination of {combined}. Leave one of them out."
    )


def check_source_design(exog: Floats, name: str, names: Sequence[str]) -> None:
    """
    Raise if the columns of a source are linearly dependent.

    Parameters
    ----------
    exog : ndarray (R, p)
        Regressors of the source.
    name : str
        Name of the source.
    names : sequence of str
        Names of the columns.

    Raises
    ------
    CollinearityError
        Names the source and the columns.
    """
    gram = exog.T @ exog
    scale = np.sqrt(np.diag(gram))
    if np.all(scale > 0):
        smallest = np.linalg.eigvalsh(gram / np.outer(scale, scale))[0]
        # The eigenvalue is a squared share, so rounding hides shares below 1e-7:
        # only then are the columns themselves worth a decomposition.
        if smallest > 1e-12:
            return
    dependent, partners = dependent_columns(exog, COLLINEARITY_TOLERANCE)
    if dependent:
        columns = ", ".join(repr(names[j]) for j in dependent)
        others = ", ".join(repr(names[j]) for j in partners) or "zero"
        raise CollinearityError(
            f"Source {name!r}: in its {len(exog)} rows {columns} is a linear "
            f"combination of {others}, so its moments are not defined. Leave the "
            "source or the column out."
        )


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
    part = np.unique(
        np.r_[
            np.flatnonzero(extreme)[:_PART],
            np.linspace(0, len(extreme) - 1, _PART).astype(int),
        ]
    )
    columns = separating_columns(rows.take(part, None), family, names)
    if columns and len(part) < len(extreme):
        columns = separating_columns(rows, family, names)
    if columns:
        listed = ", ".join(repr(c) for c in columns)
        raise SeparationError(
            f"Perfect separation in {where}: the outcome is the same in every row "
            f"that {listed} singles out, so the coefficient has no finite estimate. "
            "Leave the column out, merge levels, or label more units."
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


def check_coverage(
    units: Positions | None, labeled_units: Positions, name: str, index: pd.Index
) -> None:
    """
    Raise unless a source covers labelled and unlabelled units; warn of gaps.

    Parameters
    ----------
    units : ndarray (R,) or None
        Position of the unit of each row; None where every unit is covered.
    labeled_units : ndarray (n,)
        Positions of the labelled units.
    name : str
        Name of the source.
    index : pandas.Index (T,)
        Unit labels.

    Raises
    ------
    DataError
        If no labelled unit, or no unlabelled unit, is covered.

    Warns
    -----
    CoverageWarning
        If some labelled units are not covered.
    """
    if units is None:
        return
    covered = np.zeros(len(index), dtype=bool)
    covered[units] = True
    absent = labeled_units[~covered[labeled_units]]
    if len(absent) == len(labeled_units):
        raise DataError(
            f"Source {name!r} covers none of the {len(labeled_units)} labelled "
            "units, so its errors cannot be learned. Run the model on the labelled "
            "units too, or check that units have the same identifiers."
        )
    covered_labeled = len(labeled_units) - len(absent)
    if len(labeled_units) < len(index) and covered.sum() == covered_labeled:
        raise DataError(
            f"Source {name!r} covers no unlabelled unit, so it adds nothing to the "
            "labels. Give its rows for unlabelled units (a variable that it lacks is "
            "taken from data, and may be missing there), or leave it out."
        )
    if len(absent):
        warnings.warn(
            f"Source {name!r} lacks {len(absent)} of the {len(labeled_units)} "
            "labelled "
            f"units ({format_units(index[absent])}). The estimate stays valid if "
            "coverage does not depend on being labelled.",
            CoverageWarning,
            stacklevel=5,
        )


def agrees_with_labels(rows: DesignRows, labels: DesignRows) -> bool:
    """
    Whether a source repeats outcome and regressors of every labelled unit.

    Parameters
    ----------
    rows : DesignRows
        Rows of the source for labelled units.
    labels : DesignRows
        The labelled rows.

    Returns
    -------
    bool
        True if no row differs.

    Examples
    --------
    >>> import numpy as np
    >>> labels = DesignRows(np.array([0.0, 1.0]), np.ones((2, 1)))
    >>> agrees_with_labels(labels, labels)
    True
    """
    unit = rows.unit_of(slice(0, len(rows.endog)))
    return bool(
        np.array_equal(rows.endog, labels.endog[unit])
        and np.array_equal(rows.exog, labels.exog[unit])
    )


def check_problem(
    labels: DesignRows,
    labeled_units: Positions,
    sources: Sequence[SourceArrays],
    *,
    units: pd.Index,
    family: families.Family,
    names: Sequence[str],
    yname: str,
) -> None:
    """
    Refuse what has no answer, before anything is computed.

    Parameters
    ----------
    labels : DesignRows
        Labelled rows.
    labeled_units : ndarray (n,)
        Positions of their units.
    sources : sequence of SourceArrays
        The sources.
    units : pandas.Index (T,)
        Unit labels.
    family : statsmodels.genmod.families.Family
        Family of the target model.
    names : sequence of str
        Names of the columns of exog.
    yname : str
        Name of the outcome.

    Raises
    ------
    DataError, CollinearityError
        See the single checks.
    """
    check_values(labels, "data", names, yname, units[labeled_units])
    check_labeled_design(labels.exog, names, [s.exog for s in sources])
    check_endog(labels.endog, family, "data", yname, units[labeled_units])
    p, k_sources = labels.exog.shape[1], len(sources)
    n, needed = len(labels.endog), p * (1 + k_sources)
    if n <= needed and n < len(units):
        raise DataError(
            f"There are {n} labelled units for {p} coefficients and {k_sources} "
            f"sources, which need more than {needed}. Label more units, use fewer "
            "sources or shorten the formula."
        )
    for source in sources:
        where = f"Source {source.name!r}"
        of_row = units if source.units is None else units[source.units]
        check_coverage(source.units, labeled_units, source.name, units)
        check_values(source, where, names, yname, of_row)
        check_endog(source.endog, family, where, yname, of_row)
        check_source_design(source.exog, source.name, names)

"""Checks of the numbers that enter an estimate: what fails here has no answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.linalg
import scipy.optimize
from statsmodels.genmod import families

from statsmodels_synth._arrays import Floats, Positions, infinite_rows
from statsmodels_synth.clusters import Clusters, cluster_sums
from statsmodels_synth.design import DesignRows
from statsmodels_synth.exceptions import (
    VALIDITY,
    CollinearityError,
    CoverageWarning,
    DataError,
    FewClustersWarning,
    FewUnitsWarning,
    count,
    format_units,
    name_units,
    warn,
)
from statsmodels_synth.scores import admissible_range

#: Share of a bound by which rounding may pass it.
BEYOND = 1e-9
#: Columns count as dependent when what one adds is this small a share of it: sums
#: of squares lose the rest to rounding.
COLLINEARITY_TOLERANCE = 1e-7
#: Effective number of labelled units below which a coefficient is warned of. In
#: simulations a dummy with 2, 3, 4 and 5 ones had intervals with a coverage of .79
#: to .83, .87, .89 to .91 and .92.
FEW_UNITS = 4.0
#: Clusters with labels below which a warning is due.
FEW_CLUSTERS = 20
#: Residuals below this share of the outcome's range are rounding of zero, and so
#: are those below that share of its level, which is all that a number keeps.
ZERO_RESIDUAL = 1e-9
ROUNDING = 1e-13
#: Rows of a source that its columns are first looked at on.
_PART = 20_000


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
            f"{where}: column {names[column]!r} is infinite for "
            f"{count(len(bad), 'row')} "
            f"({name_units(units[bad])}). Correct or remove them."
        )
    bad = infinite_rows(rows.endog)
    if len(bad):
        raise DataError(
            f"{where}: {yname!r} is infinite for {count(len(bad), 'row')} ("
            f"{name_units(units[bad])}). Correct or remove them."
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
    # What is beyond an end by rounding, as 1 + 1e-12 is, is at it.
    outside = (endog <= low) if low_open else (endog < low - BEYOND)
    outside |= endog > high * (1.0 + BEYOND)
    if outside.any():
        bad = np.flatnonzero(outside)
        raise DataError(
            f"{where}: {yname!r} must be {text} for the "
            f"{type(family).__name__} family, but {count(len(bad), 'row')} are not, "
            f"such as {endog[bad[0]]:.10g} ({name_units(units[bad])}). Recode "
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
            f"There are {n} labelled units for {p} coefficients ({_some(names)}). "
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
    raise CollinearityError(
        f"The design of the {n} labelled units is collinear: "
        f"{_dependence(dependent, partners, names)}. "
        f"{_remedy(dependent, partners, names)}"
    )


def check_leverage(
    exog: Floats, weights: Floats | None, names: Sequence[str], units: pd.Index
) -> None:
    """
    Raise if a coefficient is decided by one labelled unit; warn if by a few.

    Parameters
    ----------
    exog : ndarray (n, p)
        Regressors of the labelled rows, of full column rank.
    weights : ndarray (n,) or None
        Weights of the rows.
    names : sequence of str
        Names of the columns.
    units : pandas.Index (n,)
        Their units.

    Raises
    ------
    DataError
        Names the column and the unit whose leverage is one.

    Warns
    -----
    FewUnitsWarning
        Names a coefficient that rests on fewer than :data:`FEW_UNITS` units.
    """
    if weights is not None:
        exog = exog * np.sqrt(weights)[:, None]
    left, upper = scipy.linalg.qr(exog, mode="economic")
    single = np.flatnonzero((left**2).sum(axis=1) >= 1.0 - 1e-8)
    scale = np.linalg.norm(exog, axis=0)
    if len(single):
        # The direction that this unit alone decides.
        direction = scipy.linalg.solve_triangular(upper, left[single[0]])
        column = names[int(np.argmax(np.abs(direction) * scale))]
        raise DataError(
            f"The coefficient of {column!r} is decided by one labelled unit alone "
            f"({format_units(units[single[:1]])}), which fits exactly: no standard "
            "error can be estimated. Label more units like it, merge levels, or leave "
            f"{column!r} out."
        )
    share = _shares(left, upper)
    number, few = _effective_number(share)
    if few:
        listed = ", ".join(f"{names[j]!r} ({number[j]:.1f})" for j in few)
        most = np.argsort(-share[few[0]], kind="stable")[: round(number[few[0]])]
        warn(
            f"These coefficients rest on very few of the {len(exog)} labelled units: "
            f"{listed}. For {names[few[0]]!r} {name_units(units[most])} count "
            "most. Intervals of such coefficients may be too short. Label more units "
            "like these, merge levels, or transform the column.",
            FewUnitsWarning,
        )


def _shares(left: Floats, upper: Floats) -> Floats:
    """Squared share of each labelled unit in each coefficient, (p, n), from QR."""
    return np.asarray(scipy.linalg.solve_triangular(upper, left.T) ** 2)


def _effective_number(share: Floats) -> tuple[Floats, list[int]]:
    """How many equal shares those of each coefficient make, and where they are few."""
    number = share.sum(axis=1) ** 2 / (share**2).sum(axis=1)
    return number, [int(j) for j in np.flatnonzero(number < FEW_UNITS)]


def check_clusters(clusters: Clusters, exog: Floats, names: Sequence[str]) -> None:
    """
    Raise if there are fewer clusters than coefficients; warn of few.

    Parameters
    ----------
    clusters : Clusters
        Clusters of the units.
    exog : ndarray (n, p)
        Regressors of the labelled rows.
    names : sequence of str
        Names of the coefficients.

    Raises
    ------
    DataError
        If not more clusters have a labelled unit than there are coefficients.

    Warns
    -----
    FewClustersWarning
        If fewer than :data:`FEW_CLUSTERS` have one, or a coefficient rests on fewer
        than :data:`FEW_UNITS` of them.
    """
    n, p = clusters.n_labeled, len(names)
    if n <= p:
        raise DataError(
            f"Labelled units are in {count(n, 'cluster')}, too few for "
            f"{count(p, 'coefficient')} ({_some(names)}). Use smaller clusters, label "
            "units in more of them, or shorten the formula."
        )
    if n < FEW_CLUSTERS:
        warn(
            f"Labelled units are in {n} clusters only. Intervals rest on the "
            "differences between these: with so few they are wide, and may still be "
            "too short where clusters differ in size or there are many sources.",
            FewClustersWarning,
        )
    share = _shares(*scipy.linalg.qr(exog, mode="economic"))
    number, few = _effective_number(cluster_sums(share.T, clusters.of_labeled, n).T)
    if few:
        listed = ", ".join(f"{names[j]!r} ({number[j]:.1f})" for j in few[:10])
        warn(
            f"These coefficients rest on very few of the {n} clusters with labels: "
            f"{listed}. Their intervals are too short. Label units in more clusters in "
            "which the column differs.",
            FewClustersWarning,
        )


def _dependence(
    dependent: Sequence[int], partners: Sequence[int], names: Sequence[str]
) -> str:
    """Which columns depend on which, in words."""
    columns = ", ".join(repr(names[j]) for j in dependent)
    if not partners:
        return f"{columns} is zero in every row"
    others = ", ".join(repr(names[j]) for j in partners)
    return f"{columns} is a linear combination of {others}"


def _remedy(
    dependent: Sequence[int], partners: Sequence[int], names: Sequence[str]
) -> str:
    """What to do about columns that depend on others."""
    name = names[dependent[0]]
    if not partners:
        level = name.endswith("]")
        return (
            "No unit has this level: leave it out of levels= of C(), or call "
            ".cat.remove_unused_categories()."
            if level
            else "Leave it out."
        )
    involved = [names[j] for j in (*dependent, *partners)]
    if (
        any(own.startswith(("cr(", "cc(")) for own in involved)
        and "Intercept" in involved
    ):
        return (
            "This spline has a constant of its own: give it constraints='center', or "
            "write 0 + in the formula."
        )
    return "Leave one of them out."


def _some(names: Sequence[str]) -> str:
    """Up to ten names."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more


def check_exact_fit(
    labels: DesignRows, theta: Floats, family: families.Family, yname: str
) -> None:
    """
    Raise if the model fits every label exactly: no interval has a width then.

    Parameters
    ----------
    labels : DesignRows
        Labelled rows.
    theta : ndarray (p,)
        The estimate on them.
    family : statsmodels.genmod.families.Family
        Family of the target model.
    yname : str
        Name of the outcome.

    Raises
    ------
    DataError
        Names the outcome.
    """
    linear = labels.exog @ theta
    if labels.offset is not None:
        linear = linear + labels.offset
    with np.errstate(all="ignore"):
        error = labels.endog - family.link.inverse(linear)
    level, spread = np.abs(labels.endog).max(), np.ptp(labels.endog)
    if np.abs(error).max() <= ZERO_RESIDUAL * spread + ROUNDING * level:
        raise DataError(
            f"The regressors fit all {len(labels.endog)} labels of {yname!r} exactly, "
            "so no standard error can be estimated. Is the outcome an exact function "
            "of the regressors, or constant?"
        )


def surely_independent(gram: Floats) -> bool:
    """
    Whether columns are independent as far as their sums of squares can tell.

    Parameters
    ----------
    gram : ndarray (p, p)
        ``x'x`` of the columns.

    Returns
    -------
    bool
        False where only the columns themselves can tell.
    """
    scale = np.sqrt(np.diag(gram))
    if not np.all(scale > 0):
        return False
    # The eigenvalue is a squared share and smaller than any single one: only near the
    # tolerance are the columns themselves worth a decomposition.
    smallest = np.linalg.eigvalsh(gram / np.outer(scale, scale))[0]
    return bool(smallest > 1e4 * COLLINEARITY_TOLERANCE**2)


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
    # Columns that are independent on some rows are so on all.
    part = exog[:: max(1, len(exog) // _PART)]
    if surely_independent(part.T @ part):
        return
    dependent, partners = dependent_columns(exog, COLLINEARITY_TOLERANCE)
    if dependent:
        raise CollinearityError(
            f"Source {name!r}: in its {len(exog)} rows "
            f"{_dependence(dependent, partners, names)}, so its moments are not "
            "defined. Leave the source or the column out."
        )


def check_coverage(
    units: Positions | None,
    labeled_units: Positions,
    name: str,
    index: pd.Index,
    p: int,
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
    p : int
        Number of coefficients.

    Raises
    ------
    DataError
        If no more labelled units than coefficients, or no unlabelled unit, are
        covered.

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
    if covered_labeled <= p:
        raise DataError(
            f"Source {name!r} covers {count(covered_labeled, 'labelled unit')}, too "
            f"few to learn its errors in {count(p, 'coefficient')}. Run the model on "
            "more of the labelled units, or leave the source out."
        )
    if len(labeled_units) < len(index) and covered.sum() == covered_labeled:
        raise DataError(
            f"Source {name!r} covers no unlabelled unit, so it adds nothing to the "
            "labels. Give its rows for unlabelled units (a variable that it lacks is "
            "taken from data, and may be missing there), or leave it out."
        )
    if len(absent):
        warn(
            f"Source {name!r} lacks {len(absent)} of the {len(labeled_units)} labelled "
            f"units ({format_units(index[absent])}). Their coverage "
            f"must have nothing to do with their being labelled. {VALIDITY}",
            CoverageWarning,
        )

"""Checks of the numbers that enter an estimate: what fails here has no answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.linalg
import scipy.optimize

from statsmodels_synth.core.arrays import Bools, Floats, Positions, infinite_rows
from statsmodels_synth.core.messages import (
    VALIDITY,
    count,
    format_units,
    name_units,
    there_are,
    warn,
)
from statsmodels_synth.exceptions import (
    CollinearityError,
    CoverageWarning,
    DataError,
    FewClustersWarning,
    FewUnitsWarning,
    MissingCodeWarning,
)
from statsmodels_synth.problem.design import DesignRows
from statsmodels_synth.problem.groups import Clusters, cluster_sums
from statsmodels_synth.problem.scores import TargetScore

#: Share of a bound by which rounding may pass it.
BEYOND = 1e-9
#: Columns count as dependent when what one adds is this small a share of it: sums
#: of squares lose the rest to rounding.
COLLINEARITY_TOLERANCE = 1e-7
#: Effective number of labelled units below which a coefficient is warned of. In
#: simulations a dummy with 2, 3, 4 and 5 ones had intervals with a coverage of .79
#: to .83, .87, .89 to .91 and .92.
FEW_UNITS = 4.0
#: Effective number of units, given their weights, below which a warning is due.
FEW_WEIGHTED = 20.0
#: Clusters with labels below which a warning is due.
FEW_CLUSTERS = 20
#: Values that stand for missing ones in many surveys: of those of one digit only what
#: no short scale has.
MISSING_CODES = frozenset(
    float(sign * code)
    for sign, codes in (
        (-1, (7, 8, 9, 77, 88, 97, 98, 99, 999, 9999)),
        (1, (97, 98, 99, 997, 998, 999, 9998, 9999)),
    )
    for code in codes
)
#: Share of the rows from which such a value is pointed at.
CODED = 0.05


#: Rows of a source that its columns are first looked at on.
_PART = 20_000


def check_values(
    rows: DesignRows, where: str, names: Sequence[str], yname: str, units: pd.Index
) -> None:
    """Raise if a value is infinite."""
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


def check_columns(
    exog: Floats,
    score: TargetScore,
    where: str,
    names: Sequence[str],
    units: pd.Index,
) -> None:
    """
    Raise if regressors of a row are none that the target model can have.

    Shapes: `exog` (R, p).
    """
    found = score.told_names(names).strange_rows(exog)
    if found is not None and found[0].any():
        bad, text = found
        number = int(bad.sum())
        raise DataError(
            f"{where}: {text}; {count(number, 'row')} {'is' if number == 1 else 'are'} "
            f"not ({name_units(units[bad])}). Correct these rows, or leave them out."
        )


def check_endog(
    endog: Floats, score: TargetScore, where: str, yname: str, units: pd.Index
) -> None:
    """
    Raise if a value of y is outside the range of the target model.

    Shapes: `endog` (R,).
    """
    low, high, text = score.low, score.high, score.range_text
    # What is beyond an end by rounding, as 1 + 1e-12 is, is at it.
    outside = (endog <= low) if score.low_open else (endog < low - BEYOND)
    outside |= endog > high * (1.0 + BEYOND)
    if outside.any():
        bad = np.flatnonzero(outside)
        raise DataError(
            f"{where}: {yname!r} must be {text} for "
            f"{score.called}, but {count(len(bad), 'row')} are not, "
            f"such as {endog[bad[0]]:.10g} ({name_units(units[bad])}). "
            f"{_recoding(endog, score)}Recode {yname!r} or choose another {score.kind}."
        )


def warn_of_missing_code(endog: Floats, where: str, yname: str) -> None:
    """
    Warn if one value is a usual code for missing ones, frequent and far from the rest.

    Shapes: `endog` (R,).
    """
    if not len(endog):
        return
    # What lies outside of all other values is the least or the largest.
    for code in MISSING_CODES & {float(endog.min()), float(endog.max())}:
        coded = endog == code
        number = int(np.count_nonzero(coded))
        if number < CODED * len(endog) or number in (0, len(endog)):
            continue
        low, high = float(endog[~coded].min()), float(endog[~coded].max())
        gap = max(low - code, code - high)
        if gap < 2.0 or (gap < (high - low) / 4.0 and not code < 0.0 <= low):
            continue
        share = number / len(endog)
        warn(
            f"{where}: {yname!r} is {code:g} in {count(number, 'row')} ({share:.0%}), "
            f"and from {low:.4g} to {high:.4g} in all others. If {code:g} stands for "
            "missing values, make it missing, for example with "
            f"frame[{yname!r}].replace({code:g}, float('nan')).",
            MissingCodeWarning,
            f"Missing code: {where}: {yname!r} is {code:g} in {share:.0%} of the rows, "
            f"and from {low:.4g} to {high:.4g} in all others.",
        )


def _recoding(endog: Floats, score: TargetScore) -> str:
    """What a coding looks like, where 0 to 1 is asked for."""
    if (score.low, score.high) != (0.0, 1.0):
        return ""
    values = set(np.unique(endog).tolist())
    if values == {1.0, 2.0}:
        return "It looks like 1 and 2: subtract 1. "
    if values == {-1.0, 1.0}:
        return "It looks like -1 and 1: add 1 and halve it. "
    if min(values) >= 0.0 and 10.0 < max(values) <= 100.0:
        return "It looks like percent: divide by 100. "
    return ""


def dependent_columns(exog: Floats, tolerance: float) -> tuple[list[int], list[int]]:
    """
    Columns that are linear combinations of others, and the others.

    Shapes: `exog` (R, p).
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

    Shapes: `exog` (n, p), `others` (R, p).
    """
    n, p = exog.shape
    if n == 0:
        raise DataError(
            "There is no labelled unit: no row of data has every variable of the "
            "formula. Check the outcome column, `labeled` and missing values."
        )
    if n <= p:
        raise DataError(
            f"{there_are(n, 'labelled unit')} for {count(p, 'coefficient')} "
            f"({_some(names)}). "
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
            "Label units where it differs, merge levels, or leave it out. If it is a "
            "level, rare_levels='drop' or 'lump' of from_formula does that."
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

    Shapes: `exog` (n, p), `weights` (n,), `units` (n,).
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
            f"Few units: of {len(exog)} labelled ones few decide "
            f"{_fewest(names, number, few)}; intervals may be too short.",
        )


def check_weights(weights: Floats | None, units: pd.Index, whose: str) -> None:
    """
    Warn if weights make many units worth a few (Kish 1965).

    Shapes: `weights` (n,), `units` (n,).
    """
    if weights is None or not len(weights):
        return
    share = weights / weights.sum()
    number = float(1.0 / np.sum(share**2))
    if number >= FEW_WEIGHTED or number > len(weights) / 2:
        return
    most = np.argsort(-share, kind="stable")[: min(round(number), 5)]
    part = share[most].sum()
    warn(
        f"The weights make {len(weights)} {whose} worth {number:.1f} (Kish's effective "
        f"number): {name_units(units[most])} {'has' if len(most) == 1 else 'have'} "
        f"{100 * part:.3g} % of their sum. Standard errors then rest on few units, and "
        "intervals may be too short. Look for a wrong weight, or trim the largest.",
        FewUnitsWarning,
        f"Few units: the weights make {len(weights)} {whose} worth {number:.1f}; "
        "intervals may be too short.",
    )


def check_weights_of_others(
    weights: Floats | None, labeled: Bools, units: pd.Index
) -> None:
    """
    Warn of the same where the heaviest unit has no label.

    Shapes: `weights` (T,), `labeled` (T,), `units` (T,).
    """
    if weights is not None and not labeled[np.argmax(weights)]:
        check_weights(weights, units, "units")


def _shares(left: Floats, upper: Floats) -> Floats:
    """Squared share of each labelled unit in each coefficient, (p, n), from QR."""
    return np.asarray(scipy.linalg.solve_triangular(upper, left.T) ** 2)


def _effective_number(share: Floats) -> tuple[Floats, list[int]]:
    """How many equal shares those of each coefficient make, and where they are few."""
    number = share.sum(axis=1) ** 2 / (share**2).sum(axis=1)
    return number, [int(j) for j in np.flatnonzero(number < FEW_UNITS)]


def check_number_of_clusters(clusters: Clusters, names: Sequence[str]) -> None:
    """Raise if there are fewer clusters than coefficients; warn of few."""
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
            f"Few clusters: {n} have labelled units; intervals may be too short.",
        )


def check_clusters(clusters: Clusters, exog: Floats, names: Sequence[str]) -> None:
    """
    Raise if there are fewer clusters than coefficients; warn of few that decide one.

    Shapes: `exog` (n, p).
    """
    check_number_of_clusters(clusters, names)
    n = clusters.n_labeled
    share = _shares(*scipy.linalg.qr(exog, mode="economic"))
    number, few = _effective_number(cluster_sums(share.T, clusters.of_labeled, n).T)
    if few:
        listed = ", ".join(f"{names[j]!r} ({number[j]:.1f})" for j in few[:10])
        warn(
            f"These coefficients rest on very few of the {n} clusters with labels: "
            f"{listed}. Their intervals are too short. Label units in more clusters in "
            "which the column differs.",
            FewClustersWarning,
            f"Few clusters: of {n} with labels few decide "
            f"{_fewest(names, number, few)}; intervals are too short.",
        )


def _fewest(names: Sequence[str], number: Floats, few: Sequence[int]) -> str:
    """Up to three coefficients, with the effective number that decides each."""
    shown = ", ".join(f"{names[j]} ({number[j]:.1f})" for j in few[:3])
    return f"{shown} and {len(few) - 3} more" if len(few) > 3 else shown


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


def surely_independent(gram: Floats) -> bool:
    """
    Whether columns are independent as far as their sums of squares can tell.

    Shapes: `gram` (p, p).
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

    Shapes: `exog` (R, p).
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

    Shapes: `units` (R,), `labeled_units` (n,), `index` (T,).
    """
    if units is None:
        return
    covered = np.zeros(len(index), dtype=bool)
    covered[units] = True
    absent = labeled_units[~covered[labeled_units]]
    if len(absent) == len(labeled_units):
        raise DataError(
            f"Source {name!r} is available for none of the {len(labeled_units)} "
            "labelled units, so its errors cannot be learned. Run the model on the "
            "labelled units too, or check that units have the same identifiers."
        )
    covered_labeled = len(labeled_units) - len(absent)
    if covered_labeled <= p:
        raise DataError(
            f"Source {name!r} is available for "
            f"{count(covered_labeled, 'labelled unit')}, too few to learn its errors "
            f"in {count(p, 'coefficient')}. Run the model on more of the labelled "
            "units, or leave the source out."
        )
    if len(labeled_units) < len(index) and covered.sum() == covered_labeled:
        raise DataError(
            f"Source {name!r} is available for no unlabelled unit, so it adds nothing "
            "to the labels. Give its rows for unlabelled units (a variable that it "
            "lacks is taken from data, and may be missing there), or leave it out."
        )
    # Where every unit is labelled, it is said that frames may be swapped.
    if len(absent) and len(labeled_units) < len(index):
        warn(
            f"Source {name!r} lacks {len(absent)} of the {len(labeled_units)} labelled "
            f"units ({format_units(index[absent])}). Their coverage "
            f"must have nothing to do with their being labelled. {VALIDITY}",
            CoverageWarning,
            f"Coverage: source {name!r} lacks {len(absent)} of the "
            f"{len(labeled_units)} labelled units.",
        )

"""How the labelled units were chosen: probabilities and strata, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, as_floats, without_mask
from statsmodels_synth.core.messages import are, count, format_units, name_units, show
from statsmodels_synth.data.columns import refuse_nested
from statsmodels_synth.data.ids import check_labels_of_groups
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.problem.design import Labeling

#: Standard errors of the number of labels by which it may differ from the sum of the
#: probabilities.
FAR = 5.0


def find_labeling(
    prob: Any,
    strata: Any,
    labeled: Bools,
    units: pd.Index,
    lacking: Bools | None = None,
) -> Labeling:
    """
    Read `labeling_prob` or `strata`.

    Units of `lacking` could not have been labelled; those that count as unlabelled for
    want of a regressor are among them.

    Shapes: `prob` (T,), `strata` (T,), `labeled` (T,), `units` (T,), `lacking` (T,).

    Examples
    --------
    >>> labeled = np.array([True, True, False, True, False, False])
    >>> find_labeling(None, list("aaabbb"), labeled, pd.RangeIndex(6)).prob
    array([0.66666667, 0.66666667, 0.33333333])
    """
    refuse_both(prob, strata)
    for name, given in (("labeling_prob", prob), ("strata", strata)):
        if isinstance(given, (str, bool)):
            raise OptionError(
                f"{name}={given!r} is no value per unit. In the array interface give "
                "one for each; columns go to AugmentedGMM.from_formula."
            )
        refuse_nested(given, name)
    if strata is not None:
        return _stratified(strata, labeled, units)
    if prob is None:
        return Labeling()
    values = _at_most_one(as_floats(prob, "labeling_prob"))
    n_units, n = len(labeled), int(labeled.sum())
    if values.ndim == 0:
        values = np.full(n_units, float(values))
    if values.shape not in ((n_units,), (n,)):
        raise DataError(
            f"labeling_prob has shape {values.shape}; there are {n_units} units, {n} "
            "labelled. Give one probability per unit, or one number for all."
        )
    known = np.full(n_units, np.nan)
    known[labeled if len(values) < n_units else slice(None)] = values
    check_never(known, labeled, units)
    _check_prob(known[labeled], units[labeled])
    of_units = len(values) == n_units and n < n_units
    eligible = slice(None) if lacking is None or not of_units else ~lacking
    _check_sum(known[eligible], labeled[eligible])
    of_labeled = known[labeled]
    return Labeling() if np.ptp(of_labeled) == 0.0 else Labeling(of_labeled)


def check_never(known: Floats, labeled: Bools, units: pd.Index) -> None:
    """
    Raise if an unlabelled unit could not be chosen.

    Shapes: `known` (T,), `labeled` (T,), `units` (T,).
    """
    known = _at_most_one(known)
    outside = ~((known > 0.0) & (known <= 1.0))
    never = outside & ~labeled & ~np.isnan(known)
    if never.any():
        raise DataError(
            "labeling_prob must be above 0 and at most 1, but that of "
            f"{count(int(never.sum()), 'unlabelled unit')} is not, such as "
            f"{show(known[never][0])} ({name_units(units[never])}). Give the "
            "probability with which each unit was chosen, not a weight; NaN where it "
            "is not known. Units that could not be chosen are represented by nobody: "
            f"leave them out.{_percent(known[~np.isnan(known)])}"
        )


def refuse_both(prob: object, strata: object) -> None:
    """Raise if the labelling is described in two ways."""
    if prob is not None and strata is not None:
        raise OptionError(
            "labeling_prob= and strata= say the same thing. Give strata= where the "
            "number of labels in each stratum was fixed, else labeling_prob=."
        )


def labeling_of_labeled(
    prob: Floats | None, n_units: int, units: pd.Index, sums: Floats | None = None
) -> Labeling:
    """
    Read probabilities of which only those of labelled units are at hand.

    Shapes: `prob` (n,), `units` (n,), `sums` (3,).
    """
    if prob is None:
        return Labeling()
    prob = _at_most_one(prob)
    _check_prob(prob, units)
    if sums is not None and not sums[2]:
        _check_expected(sums[0], sums[1], len(prob))
    else:
        _check_inverse_sum(prob, n_units)
    return Labeling() if np.ptp(prob) == 0.0 else Labeling(prob)


def _at_most_one(prob: Floats) -> Floats:
    """Probabilities of which those above 1 by rounding alone are 1."""
    return np.where((prob > 1.0) & (prob <= 1.0 + 1e-9), 1.0, prob)


def _check_prob(prob: Floats, units: pd.Index) -> None:
    absent = np.isnan(prob)
    if absent.any():
        raise DataError(
            f"labeling_prob is missing for {count(int(absent.sum()), 'labelled unit')} "
            f"({format_units(units[absent])}). Complete the column: every labelled "
            "unit needs the probability with which it was chosen."
        )
    bad = ~((prob > 0.0) & (prob <= 1.0))
    if bad.any():
        raise DataError(
            "labeling_prob must be above 0 and at most 1 for every labelled unit, but "
            f"{are(int(bad.sum()))} not, such as {show(prob[bad][0])} ("
            f"{name_units(units[bad])}). Give the probability with which each unit "
            f"was chosen, not a weight.{_percent(prob)}"
        )


def _percent(prob: Floats) -> str:
    """Advice for probabilities that are per cent: in (0, 100], and most above 1."""
    above = prob[prob > 1.0]
    # A single 1.5 among probabilities is a slip, not per cent.
    if 2 * len(above) <= len(prob) or prob.min() <= 0.0 or prob.max() > 100.0:
        return ""
    return f" {show(above[0])} looks like a percentage: divide by 100."


def _check_sum(known: Floats, labeled: Bools) -> None:
    """Raise if probabilities are far from the share of units that is labelled."""
    n_units, n = len(labeled), int(labeled.sum())
    if np.isnan(known).any():
        _check_inverse_sum(known[labeled], n_units)
    else:
        _check_expected(known.sum(), np.sum(known * (1.0 - known)), n)


def _check_expected(expected: float, variance: float, n: int) -> None:
    """Raise if the number of labels is far from the one to be expected."""
    error = float(np.sqrt(variance))
    if abs(expected - n) > FAR * error + 0.5:
        raise DataError(
            f"labeling_prob sums to {expected:.4g} over all units, but {n} are "
            f"labelled; chance explains a difference of {FAR * error:.2g}. Give "
            "the probability with which each unit was chosen for labelling, and "
            "rows (or sources) for the units that were not."
        )


def _check_inverse_sum(prob: Floats, n_units: int) -> None:
    """Raise if labelled units stand for a number of units far from that there is."""
    n, expected = len(prob), float(np.sum(1.0 / prob))
    error = float(np.sqrt(np.sum((1.0 - prob) / prob**2)))
    if abs(expected - n_units) > FAR * error + 0.5:
        raise DataError(
            f"labeling_prob says that the {n} labelled units stand for "
            f"{expected:.4g} units (the sum of its inverse), but there are {n_units}; "
            f"chance explains a difference of {FAR * error:.2g}. Give the probability "
            "with which each unit was chosen for labelling."
        )


def _stratified(strata: Any, labeled: Bools, units: pd.Index) -> Labeling:
    if np.ndim(strata) != 1:
        raise DataError(
            f"strata has {np.ndim(strata)} dimensions. Give one stratum per unit."
        )
    values = pd.Series(without_mask(strata)).to_numpy()
    check_labels_of_groups(values, "strata")
    codes, levels = pd.factorize(values)
    if codes.shape != labeled.shape:
        raise DataError(
            f"strata has {len(codes)} values; there are {len(labeled)} units. Give one "
            "stratum per unit, unlabelled ones included."
        )
    if (codes < 0).any():
        absent = codes < 0
        raise DataError(
            f"strata is missing for {count(int(absent.sum()), 'unit')} "
            f"({format_units(units[absent])}). Every unit needs a stratum, also those "
            "of the sources: complete them, or leave these units out."
        )
    size = pd.Series(np.bincount(codes), levels)
    return stratified(levels[codes[labeled]], size)


def stratified(strata: Any, sizes: pd.Series) -> Labeling:
    """
    Shares of labelled units, stratum by stratum, in the order of their names.

    Shapes: `strata` (n,), `sizes` (H,).
    """
    sizes = sizes.sort_index()  # not in that of the rows, which says nothing
    levels, size = sizes.index, sizes.to_numpy()
    own = levels.get_indexer(strata)
    chosen = np.bincount(own, minlength=len(size))
    if (chosen == 0).any():
        empty = np.flatnonzero(chosen == 0)
        raise DataError(
            f"No unit is labelled in {len(empty)} of {len(size)} strata "
            f"({format_units(levels[empty])}), so the labels cannot stand for them. "
            "Label some of their units, merge strata, or leave these units out."
        )
    return Labeling((chosen / size)[own], own)

"""From the arguments of the constructor to an aligned and checked design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.genmod import families

from statsmodels_synth._arrays import Bools, Floats, Positions, as_floats
from statsmodels_synth.assembly import align_design
from statsmodels_synth.checks import (
    check_coverage,
    check_endog,
    check_labeled_design,
    check_leverage,
    check_source_design,
    check_values,
)
from statsmodels_synth.design import (
    AlignedDesign,
    DesignRows,
    Labeling,
    SourceArrays,
)
from statsmodels_synth.exceptions import DataError, count
from statsmodels_synth.labeling import find_labeling
from statsmodels_synth.options import Missing
from statsmodels_synth.sources import (
    collect_sources,
    column_names,
    labeled_rows,
    offsets,
    unit_labels,
    unit_weights,
    units_without_exog,
)


@dataclass(frozen=True)
class AlignedRows:
    """
    Labelled rows with their names, and everything aligned by unit.

    Parameters
    ----------
    endog, exog : Series and DataFrame, or ndarray
        The n labelled rows, (n,) and (n, p).
    design : AlignedDesign
        Aligned arrays.
    units : pandas.Index (T,)
        Labels of all units that were given.
    labeled : ndarray (T,) of bool
        Which of them are labelled.
    n_incomplete : int
        Rows with an outcome but without a regressor.
    lacking : ndarray (T,) of bool, or None
        Units without an observed regressor, where the rows of all units were given.
    """

    endog: Any
    exog: Any
    design: AlignedDesign
    units: pd.Index
    labeled: Bools
    n_incomplete: int
    lacking: Bools | None = None


def align_arrays(
    endog: Any,
    exog: Any,
    proxy: Mapping[str, Any] | None,
    synthetic: Mapping[str, Any] | None,
    *,
    labeled: Any,
    family: families.Family,
    weights: Any,
    offset: Any,
    exposure: Any,
    missing: Missing,
    labeling_prob: Any,
    strata: Any,
    labeling: Labeling | None,
    units: pd.Index | None,
    yname: str | None,
) -> AlignedRows:
    """
    Align and check what the array interface takes.

    Parameters
    ----------
    endog, exog : array_like
        See :class:`~statsmodels_synth.AugmentedGMM`, as for all but the last three.
    proxy, synthetic : mapping or None
        Sources.
    labeled : array_like of bool or None
        Which units are labelled.
    family : statsmodels.genmod.families.Family
        Family with its link.
    weights, offset, exposure : array_like or None
        Per unit.
    missing : {"drop", "raise"}
        What to do with incomplete rows.
    labeling_prob, strata : array_like or None
        How the labelled units were chosen.
    labeling : Labeling or None
        How the labelled units were chosen, where that is known already.
    units : pandas.Index (T,) or None
        Labels of the units, where they are known already.
    yname : str or None
        Name of the outcome, if not that of `endog`.

    Returns
    -------
    AlignedRows
        Checked.

    Raises
    ------
    DataError, CollinearityError
        See :class:`~statsmodels_synth.AugmentedGMM`.
    """
    given = exog
    endog, exog, mask, index, n_incomplete = labeled_rows(endog, exog, labeled, missing)
    n_units = len(mask)
    lacking = units_without_exog(given, mask)
    index = unit_labels(
        index,
        mask,
        {
            "labeled": labeled,
            "weights": weights,
            "offset": offset,
            "exposure": exposure,
            "labeling_prob": labeling_prob,
            "strata": strata,
        },
        proxy,
        synthetic,
    )
    unit_offset, label_offset = offsets(offset, exposure, family, mask)
    weights_ = unit_weights(weights, n_units)
    labels = DesignRows(
        as_floats(endog, "endog"),
        as_floats(exog, "exog"),
        offset=label_offset,
        weights=None if weights_ is None else weights_[mask],
    )
    names = column_names(exog)
    sources = collect_sources(
        proxy,
        synthetic,
        k_params=labels.exog.shape[1],
        exog_names=names,
        index=index,
        n_units=n_units,
        weights=weights_,
        offset=unit_offset,
        missing=missing,
    )
    if label_offset is not None and any(s.offset is None for s in sources):
        raise DataError(
            "offset and exposure have one value per labelled unit, but the sources "
            f"need one for each of the {n_units} units. Give {n_units} values."
        )
    if units is None:
        units = pd.RangeIndex(n_units) if index is None else index
    labeled_units = np.flatnonzero(mask)
    check_problem(
        labels,
        labeled_units,
        sources,
        units=units,
        family=family,
        names=names,
        yname=yname or str(getattr(endog, "name", None) or "y"),
    )
    if labeling is None:
        labeling = find_labeling(labeling_prob, strata, mask, units)
    design = align_design(labels, labeled_units, sources, n_units, labeling)
    return AlignedRows(endog, exog, design, units, mask, n_incomplete, lacking)


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
    designs = [s.exog for s in sources]
    check_labels(
        labels, units[labeled_units], len(units), designs, family, names, yname
    )
    p = labels.exog.shape[1]
    for source in sources:
        of_row = units if source.units is None else units[source.units]
        check_coverage(source.units, labeled_units, source.name, units, p)
        check_source(source, of_row, family, names, yname)


def check_labels(
    labels: DesignRows,
    units: pd.Index,
    n_units: int,
    designs: Sequence[Floats],
    family: families.Family,
    names: Sequence[str],
    yname: str,
) -> None:
    """
    Refuse labelled rows that have no answer.

    Parameters
    ----------
    labels : DesignRows
        Labelled rows.
    units : pandas.Index (n,)
        Their units.
    n_units : int
        Number of all units.
    designs : sequence of ndarray (R, p)
        Regressors of each source.
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
    check_values(labels, "data", names, yname, units)
    check_labeled_design(labels.exog, names, designs)
    check_leverage(labels.exog, labels.weights, names, units)
    check_endog(labels.endog, family, "data", yname, units)
    p, k_sources = labels.exog.shape[1], len(designs)
    n, needed = len(labels.endog), p * (1 + k_sources)
    if n <= needed and n < n_units:
        raise DataError(
            f"There are {n} labelled units for {p} coefficients and "
            f"{count(k_sources, 'source')}, which need more than {needed}. Label more "
            "units, use fewer sources or shorten the formula."
        )


def check_source(
    source: SourceArrays,
    units: pd.Index,
    family: families.Family,
    names: Sequence[str],
    yname: str,
) -> None:
    """
    Refuse rows of a source that have no answer.

    Parameters
    ----------
    source : SourceArrays
        The source.
    units : pandas.Index (R,)
        Unit of each row.
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
    where = f"Source {source.name!r}"
    check_values(source, where, names, yname, units)
    check_endog(source.endog, family, where, yname, units)
    check_source_design(source.exog, source.name, names)

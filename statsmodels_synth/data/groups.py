"""Clusters as they are given: a column, or one value per unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth.core.arrays import Bools, as_floats
from statsmodels_synth.core.messages import count, format_units, suggest, type_name
from statsmodels_synth.core.options import CovType
from statsmodels_synth.data.ids import check_labels_of_groups, told_apart
from statsmodels_synth.data.kinds import values_of
from statsmodels_synth.exceptions import AlignmentError, DataError, OptionError
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import (
    Clusters,
    SurveyStrata,
    number_clusters,
)


def read_groups(cov_type: CovType, options: Mapping[str, Any]) -> Any:
    """The groups among the options of a covariance."""
    if not isinstance(options, Mapping):
        raise OptionError(
            f"cov_kwds is {options!r}. Give a dict: cov_kwds={{'groups': column or "
            "array}."
        )
    if cov_type != "cluster" and "groups" in options:
        raise OptionError(
            f"cov_type={cov_type!r} takes no 'groups'. Set cov_type='cluster'."
        )
    known = ["groups", "strata", "fpc"] if cov_type == "cluster" else []
    for name in options:
        if name not in known:
            allowed = suggest(name, known) or " Leave cov_kwds out."
            raise OptionError(f"cov_type={cov_type!r} has no option {name!r}.{allowed}")
    groups = options.get("groups")
    if cov_type == "cluster" and groups is None:
        raise OptionError(
            "cov_type='cluster' needs the cluster of every unit: cov_kwds={'groups': "
            "column or array}."
        )
    return groups


def survey_strata(
    found: Clusters, strata: NDArray[Any] | None, fpc: NDArray[Any] | None
) -> Clusters:
    """
    Clusters with the strata that they were drawn from.

    `fpc` is the number of clusters that the stratum has, or the share that was drawn.

    Shapes: `strata` (T,), `fpc` (T,), of the units of the clusters.
    """
    label = "cov_kwds={'strata': ...}"
    codes = np.zeros(len(found.of_units), dtype=np.intp)
    if strata is not None:
        codes = pd.factorize(strata)[0]
        if np.any(codes < 0):
            raise DataError(
                f"{label} is missing for {count(int((codes < 0).sum()), 'unit')}. "
                "Every unit needs the stratum of its cluster."
            )
    of_clusters = _of_clusters(codes, found, label, "strata")
    drawn = np.bincount(of_clusters)
    if np.any(drawn == 1):
        raise DataError(
            f"{label}: {int((drawn == 1).sum())} of {len(drawn)} strata "
            "have one cluster, which says nothing of how clusters differ within them. "
            "Merge them with others that are alike."
        )
    fraction = np.zeros(found.n_all)
    if fpc is not None:
        given = as_floats(fpc, "cov_kwds={'fpc': ...}")
        if np.isnan(given).any():
            raise DataError(
                "cov_kwds={'fpc': ...} is missing for "
                f"{count(int(np.isnan(given).sum()), 'unit')}. Complete it: every unit "
                "needs that of its stratum."
            )
        values = _of_clusters(given, found, "cov_kwds={'fpc': ...}", "fpc")
        pairs = pd.DataFrame({"stratum": of_clusters, "fpc": values})
        varies = np.bincount(pairs.drop_duplicates()["stratum"]) > 1
        if varies.any():
            raise DataError(
                f"cov_kwds={{'fpc': ...}} differs within {varies.sum()} of "
                f"{len(drawn)} strata. It is the number of clusters that the stratum "
                "has, or the share of them that was drawn: make it the same in a "
                "stratum, or name the strata it belongs to in 'strata'."
            )
        share = values <= 1.0
        own = drawn[of_clusters]
        bad = ~(values > 0.0) | (~share & (values < own))
        if bad.any():
            raise DataError(
                f"cov_kwds={{'fpc': ...}} is {values[bad][0]:g} for a stratum of which "
                f"{own[bad][0]} clusters are here. Give the number of clusters that "
                "the stratum has, or the share of them that was drawn."
            )
        fraction = np.where(share, values, own / np.where(share, 1.0, values))
    return replace(found, survey=SurveyStrata(of_clusters, fraction))


def _of_clusters(
    values: NDArray[Any], found: Clusters, label: str, noun: str
) -> NDArray[Any]:
    """The one value that the units of each cluster have, (C,)."""
    result = np.zeros(found.n_all, dtype=values.dtype)
    result[found.of_units] = values
    differs = result[found.of_units] != values
    if differs.any():
        many = count(len(np.unique(found.of_units[differs])), "cluster")
        raise DataError(
            f"{label}: units of {many} have different {noun}. Where clusters are "
            "numbered within strata, name them by both, as in "
            "data['stratum'].astype(str) + '-' + data['psu'].astype(str)."
        )
    return result


def group_values(
    groups: Any, units: pd.Index, needed: pd.Index, rows: pd.Index | None, label: str
) -> NDArray[Any]:
    """
    Groups that were given as an array, one for each unit.

    Shapes: `units` (T,) -> (T,).
    """
    groups = values_of(groups)
    advice = "Give one value per unit, or the name of a column."
    if isinstance(groups, Mapping) or np.ndim(groups) != 1:
        raise DataError(
            f"{label} is a {type_name(groups)} of {np.ndim(groups)} dimensions. "
            f"{advice} There is no clustering in two ways."
        )
    if isinstance(groups, pd.Series):
        by_row = rows is not None and groups.index.equals(rows)
        counted = isinstance(units, pd.RangeIndex) and rows is None
        if not (by_row or counted or groups.index.equals(units)):
            if groups.index.has_duplicates:
                raise DataError(
                    f"{label} has two values for one unit. Give one per unit."
                )
            if not needed.isin(groups.index).all():
                raise AlignmentError(
                    f"{label} is a Series whose index is neither that of data nor that "
                    "of the units. Reindex it or make it a column of data."
                )
            groups = told_apart(groups).reindex(units)
    values = pd.Series(groups).to_numpy()
    if rows is not None and len(values) == len(rows) < len(units):
        missing = np.full(len(units) - len(rows), None)
        values = np.concatenate([values.astype(object), missing])
    if len(values) != len(units):
        raise DataError(
            f"{label} has {len(values)} values; there are {len(units)} units, those of "
            f"the sources included. {advice}"
        )
    return values


def require_groups(absent: Bools, units: pd.Index, label: str) -> None:
    """
    Raise if the cluster of a unit is missing.

    Shapes: `absent` (T,), `units` (T,).
    """
    if absent.any():
        raise DataError(
            f"{label} is missing for {count(int(absent.sum()), 'unit')} "
            f"({format_units(units[absent])}). Every unit needs a cluster, also those "
            "of the sources: complete them, or leave these units out."
        )


def find_clusters(
    groups: NDArray[Any], design: AlignedDesign, units: pd.Index, label: str
) -> Clusters:
    """
    Number the clusters.

    Shapes: `units` (T,).
    """
    check_labels_of_groups(groups, label)
    of_given, _ = pd.factorize(groups)
    codes = of_given if design.kept is None else of_given[design.kept]
    require_groups(codes < 0, units, label)
    return replace(number_clusters(codes, design.labeled_units), of_given=of_given)


def partitioned_clusters(
    column: str, units: pd.Index, labeled: pd.Series, sizes: pd.Series
) -> Clusters:
    """
    Number the clusters of units that are not in memory.

    Shapes: `units` (n,), `labeled` (n,), `sizes` (C,).
    """
    if not labeled.index.equals(units):
        labeled = labeled.reindex(units)
    of_labels = pd.Index(labeled)
    with_labels = of_labels.unique()
    labels = with_labels.append(sizes.index.difference(with_labels, sort=False))
    return Clusters(
        np.empty(0, dtype=np.intp),
        labels.get_indexer(of_labels),
        len(with_labels),
        len(labels),
        column,
        labels,
        sizes.reindex(labels).to_numpy(dtype=np.intp),
    )

"""Clusters of units, and sums over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth._arrays import Bools, Floats, Positions
from statsmodels_synth.design import AlignedDesign
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    OptionError,
    count,
    format_units,
    suggest,
    type_name,
)
from statsmodels_synth.frame_kinds import values_of
from statsmodels_synth.options import CovType
from statsmodels_synth.scores import Score
from statsmodels_synth.source_sums import score_blocks
from statsmodels_synth.unit_ids import refuse_rounded_labels, told_apart


@dataclass(frozen=True)
class Clusters:
    """
    The cluster of every unit, those with a labelled unit first.

    Parameters
    ----------
    of_units : ndarray (T,)
        Cluster of each unit, 0 to C - 1.
    of_labeled : ndarray (n,)
        Cluster of each labelled unit, 0 to G - 1.
    n_labeled : int
        Clusters with a labelled unit, G.
    n_all : int
        Clusters, C.
    column : str or None
        Column that says the cluster, where units are not in memory; `of_units` has
        none then.
    labels : Index (C,) or None
        Its value in each cluster.
    sizes : ndarray (C,) of int, or None
        Units of each cluster.
    of_given : ndarray, or None
        Some number for the cluster of each unit that was given, also of those that
        take no part; -1 where it is missing.
    """

    of_units: Positions
    of_labeled: Positions
    n_labeled: int
    n_all: int
    column: str | None = None
    labels: pd.Index | None = None
    sizes: Positions | None = None
    of_given: Positions | None = None

    @property
    def n_units(self) -> Positions:
        """Units of each cluster, (C,)."""
        if self.sizes is not None:
            return self.sizes
        return np.bincount(self.of_units, minlength=self.n_all)


def read_groups(cov_type: CovType, options: Mapping[str, Any]) -> Any:
    """
    The groups among the options of a covariance.

    Parameters
    ----------
    cov_type : {"robust", "cluster"}
        Covariance.
    options : mapping
        Its options, as they were given.

    Returns
    -------
    str or array_like or None
        None where the covariance is not clustered.

    Raises
    ------
    OptionError
        If an option does not exist, or the groups are not given.
    """
    if not isinstance(options, Mapping):
        raise OptionError(
            f"cov_kwds is {options!r}. Give a dict: cov_kwds={{'groups': column or "
            "array}."
        )
    if cov_type != "cluster" and "groups" in options:
        raise OptionError(
            f"cov_type={cov_type!r} takes no 'groups'. Set cov_type='cluster'."
        )
    known = ["groups"] if cov_type == "cluster" else []
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


def group_values(
    groups: Any, units: pd.Index, needed: pd.Index, rows: pd.Index | None, label: str
) -> NDArray[Any]:
    """
    Groups that were given as an array, one for each unit.

    Parameters
    ----------
    groups : array_like
        A Series goes by its index: that of the rows of data, or unit labels. Anything
        else goes by position, in the order of the units or the rows of data.
    units : pandas.Index (T,)
        Labels of all units that were given, those of data first.
    needed : pandas.Index
        Those that are labelled or covered.
    rows : pandas.Index or None
        Index of data as it was given; None without a formula.
    label : str
        What the groups are called in messages.

    Returns
    -------
    ndarray (T,)
        Missing for units that are not in data, where there is one value per row.

    Raises
    ------
    AlignmentError
        If a Series has another index.
    DataError
        If the length or the shape is another.
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

    Parameters
    ----------
    absent : ndarray (T,) of bool
        Units without one.
    units : pandas.Index (T,)
        Labels of the units.
    label : str
        What the groups are called in messages.

    Raises
    ------
    DataError
        Names up to five units.
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

    Parameters
    ----------
    groups : ndarray
        Cluster of each unit that was given: numbers, text or anything that can be
        told apart.
    design : AlignedDesign
        Aligned arrays.
    units : pandas.Index (T,)
        Labels of the units that are labelled or covered.
    label : str
        What the groups are called in messages.

    Returns
    -------
    Clusters
        Numbered from 0.

    Raises
    ------
    DataError
        If the cluster of a unit is missing.
    """
    refuse_rounded_labels(groups, label)
    of_given, _ = pd.factorize(groups)
    codes = of_given if design.kept is None else of_given[design.kept]
    require_groups(codes < 0, units, label)
    return replace(number_clusters(codes, design.labeled_units), of_given=of_given)


def number_clusters(groups: NDArray[Any], labeled_units: Positions) -> Clusters:
    """
    Number the clusters of units, none of which is missing.

    Parameters
    ----------
    groups : ndarray (T,)
        Cluster of each unit.
    labeled_units : ndarray (n,)
        Positions of the labelled units.

    Returns
    -------
    Clusters
        Numbered from 0, those with a labelled unit first.
    """
    codes, _ = pd.factorize(groups)
    n_all = int(codes.max()) + 1
    with_labels = np.zeros(n_all, dtype=bool)
    with_labels[codes[labeled_units]] = True
    order = np.argsort(~with_labels, kind="stable")
    place = np.empty(n_all, dtype=np.intp)
    place[order] = np.arange(n_all)
    of_units = place[codes]
    return Clusters(of_units, of_units[labeled_units], int(with_labels.sum()), n_all)


def partitioned_clusters(
    column: str, units: pd.Index, labeled: pd.Series, sizes: pd.Series
) -> Clusters:
    """
    Number the clusters of units that are not in memory.

    Parameters
    ----------
    column : str
        Column that says the cluster.
    units : pandas.Index (n,)
        Labelled units.
    labeled : Series (n,)
        Its value for each of them. Partitions that were cut anew may have changed their
        order.
    sizes : Series (C,)
        Number of units with each value.

    Returns
    -------
    Clusters
        Numbered from 0, those with a labelled unit first.
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


def cluster_scores(
    design: AlignedDesign, score: Score, eta: Floats, clusters: Clusters
) -> Floats:
    """
    Scores of the sources over all units, summed by cluster.

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    score : Score
        Target model.
    eta : ndarray (M, p)
        Parameters of each source.
    clusters : Clusters
        Clusters of the units.

    Returns
    -------
    ndarray (C, M p)
        Sums of ``C_mt h_mt``, source by source.
    """
    if design.partitions is None:
        blocks = score_blocks(design.sources, design.n_units, score, eta)
        return all_sums(blocks, clusters, eta.size)
    assert clusters.column is not None
    sums = design.partitions.group_scores(clusters.column, score, eta)
    return sums.reindex(clusters.labels).to_numpy()


def cluster_sums(values: Floats, clusters: Positions, n_clusters: int) -> Floats:
    """
    Sum rows by cluster.

    Parameters
    ----------
    values : ndarray (rows, k)
        Values.
    clusters : ndarray (rows,)
        Cluster of each row.
    n_clusters : int
        Number of clusters.

    Returns
    -------
    ndarray (n_clusters, k)
        Sums.

    Examples
    --------
    >>> cluster_sums(np.array([[1.0], [2.0], [4.0]]), np.array([1, 0, 1]), 2)
    array([[2.],
           [5.]])
    """
    columns = [np.bincount(clusters, v, n_clusters) for v in values.T]
    return np.column_stack(columns) if columns else np.empty((n_clusters, 0))


def labeled_sums(
    values: Floats, design: AlignedDesign, clusters: Clusters | None
) -> Floats:
    """
    Observations that the labelled units make: weighted, and summed by cluster.

    Parameters
    ----------
    values : ndarray (n, k)
        Values of the labelled units.
    design : AlignedDesign
        Their design weights a_t.
    clusters : Clusters or None
        Clusters; None: each unit for itself.

    Returns
    -------
    ndarray (G, k)
        Sums of ``a_t`` times the values; G is n without clusters.
    """
    weighted = values * design.design_weights[:, None]
    if clusters is None:
        return weighted
    return cluster_sums(weighted, clusters.of_labeled, clusters.n_labeled)


def all_sums(
    blocks: Iterable[tuple[slice, Floats]], clusters: Clusters, k: int
) -> Floats:
    """
    Sum the values of all units by cluster, block by block.

    Parameters
    ----------
    blocks : iterable of (slice, ndarray (units, k))
        Positions of units, and their values.
    clusters : Clusters
        Clusters.
    k : int
        Number of columns.

    Returns
    -------
    ndarray (C, k)
        Sums.
    """
    total = np.zeros((clusters.n_all, k))
    for units, values in blocks:
        # Only the clusters that the block meets: there may be very many.
        present, place = np.unique(clusters.of_units[units], return_inverse=True)
        total[present] += cluster_sums(values, place, len(present))
    return total

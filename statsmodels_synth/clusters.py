"""Clusters of units, and sums over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth._arrays import Floats, Positions
from statsmodels_synth.design import AlignedDesign
from statsmodels_synth.exceptions import (
    DataError,
    OptionError,
    count,
    format_units,
    suggest,
)
from statsmodels_synth.options import CovType


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
    """

    of_units: Positions
    of_labeled: Positions
    n_labeled: int
    n_all: int


def read_groups(cov_type: CovType, options: Mapping[str, Any]) -> Any:
    """
    The groups among the options of a covariance.

    Parameters
    ----------
    cov_type : {"robust", "cluster"}
        Covariance.
    options : mapping
        Its options.

    Returns
    -------
    str or array_like or None
        None where the covariance is not clustered.

    Raises
    ------
    OptionError
        If an option does not exist, or the groups are not given.
    """
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


def find_clusters(
    groups: Any, design: AlignedDesign, units: pd.Index, n_given: int, label: str
) -> Clusters:
    """
    Number the clusters.

    Parameters
    ----------
    groups : array_like
        Cluster of each unit: numbers, text or anything that can be told apart. One
        value for each unit that was given, or, as a Series, for each label in
        `units`.
    design : AlignedDesign
        Aligned arrays.
    units : pandas.Index (T,)
        Unit labels.
    n_given : int
        Units that were given, with those that are neither labelled nor covered.
    label : str
        What the groups are called in messages.

    Returns
    -------
    Clusters
        Numbered from 0.

    Raises
    ------
    DataError
        If the cluster of a unit is missing, or the length differs.
    """
    if isinstance(groups, pd.Series) and units.isin(groups.index).all():
        if groups.index.has_duplicates:
            raise DataError(f"{label} has two values for one unit. Give one per unit.")
        groups = groups.reindex(units)
    groups = pd.Series(groups).to_numpy()
    if len(groups) == n_given and design.kept is not None:
        groups = groups[design.kept]
    if len(groups) != design.n_units:
        raise DataError(
            f"{label} has {len(groups)} values; there are {n_given} units. Give one "
            "value per unit, those of the sources included, or the name of a column."
        )
    labeled_units = design.labeled_units
    codes, _ = pd.factorize(groups)
    if (codes < 0).any():
        absent = np.flatnonzero(codes < 0)
        raise DataError(
            f"{label} is missing for {count(len(absent), 'unit')} "
            f"({format_units(units[absent])}). Every unit needs a cluster, also those "
            "of the sources: complete them, or leave these units out."
        )
    n_all = int(codes.max()) + 1
    with_labels = np.zeros(n_all, dtype=bool)
    with_labels[codes[labeled_units]] = True
    order = np.argsort(~with_labels, kind="stable")
    place = np.empty(n_all, dtype=np.intp)
    place[order] = np.arange(n_all)
    of_units = place[codes]
    return Clusters(of_units, of_units[labeled_units], int(with_labels.sum()), n_all)


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

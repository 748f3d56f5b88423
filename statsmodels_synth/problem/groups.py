"""Clusters of units, and sums over them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.problem.design import AlignedDesign


@dataclass(frozen=True)
class SurveyStrata:
    """
    Strata within which clusters were drawn, before any unit was labelled.

    Parameters
    ----------
    of_clusters : ndarray (C,)
        Stratum of each cluster, 0 to H - 1.
    fraction : ndarray (C,)
        Share of the clusters of its stratum that were drawn; 0 where that is small.
    """

    of_clusters: Positions
    fraction: Floats

    @property
    def n_strata(self) -> int:
        """Number of strata, H."""
        return int(self.of_clusters.max()) + 1


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
    survey : SurveyStrata or None
        Strata that the clusters were drawn from.
    """

    of_units: Positions
    of_labeled: Positions
    n_labeled: int
    n_all: int
    column: str | None = None
    labels: pd.Index | None = None
    sizes: Positions | None = None
    of_given: Positions | None = None
    survey: SurveyStrata | None = None

    @property
    def n_units(self) -> Positions:
        """Units of each cluster, (C,)."""
        if self.sizes is not None:
            return self.sizes
        return np.bincount(self.of_units, minlength=self.n_all)


def number_clusters(groups: NDArray[Any], labeled_units: Positions) -> Clusters:
    """
    Number the clusters of units, none of which is missing.

    Shapes: `groups` (T,), `labeled_units` (n,).
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


def cluster_sums(values: Floats, clusters: Positions, n_clusters: int) -> Floats:
    """
    Sum rows by cluster.

    Shapes: `values` (rows, k), `clusters` (rows,) -> (n_clusters, k).

    Examples
    --------
    >>> cluster_sums(np.array([[1.0], [2.0], [4.0]]), np.array([1, 0, 1]), 2)
    array([[2.],
           [5.]])
    """
    columns = [np.bincount(clusters, v, n_clusters) for v in values.T]
    return np.column_stack(columns) if columns else np.empty((n_clusters, 0))


def mean_by_unit(values: Floats, units: Positions | None, n_units: int) -> Floats:
    """
    Means over the rows of each unit, NaN where it has none; `units` as in a design.

    Shapes: `values` (R, k), `units` (R,) -> (T, k).
    """
    if units is None:
        return values
    number = np.bincount(units, minlength=n_units).astype(float)
    with np.errstate(invalid="ignore"):
        return np.asarray(cluster_sums(values, units, n_units) / number[:, None])


def dealt_folds(key: NDArray[Any], labeled: Bools, folds: int) -> Positions:
    """
    Folds, dealt out in the order of a key, to those with labels and to the others.

    As many labelled ones in each fold as can be, and as many of the others.

    Shapes: `key` (G,), `labeled` (G,) -> (G,).

    Examples
    --------
    >>> dealt_folds(np.arange(5), np.array([True, False, True, False, False]), 2)
    array([0, 0, 1, 1, 0])
    """
    fold = np.empty(len(key), dtype=np.intp)
    for part in (np.flatnonzero(labeled), np.flatnonzero(~labeled)):
        order = part[np.argsort(key[part], kind="stable")]
        fold[order] = np.arange(len(order)) % folds
    return fold


def labeled_sums(
    values: Floats, design: AlignedDesign, clusters: Clusters | None
) -> Floats:
    """
    Observations that the labelled units make: weighted, and summed by cluster.

    Shapes: `values` (n, k) -> (G, k).
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

    Shapes: `blocks` (units, k) -> (C, k).
    """
    total = np.zeros((clusters.n_all, k))
    for units, values in blocks:
        # Only the clusters that the block meets: there may be very many.
        present, place = np.unique(clusters.of_units[units], return_inverse=True)
        total[present] += cluster_sums(values, place, len(present))
    return total

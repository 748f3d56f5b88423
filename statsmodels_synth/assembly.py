"""From labelled rows and sources to a design: what follows from them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.linalg

from statsmodels_synth._arrays import Bools, Positions
from statsmodels_synth.design import (
    AlignedDesign,
    DesignRows,
    Labeling,
    Partitions,
    SourceArrays,
)


def align_design(
    labeled: DesignRows,
    labeled_units: Positions,
    sources: Sequence[SourceArrays],
    n_units: int,
    labeling: Labeling | None = None,
    covered: Bools | None = None,
) -> AlignedDesign:
    """
    Put labelled rows and sources together.

    Parameters
    ----------
    labeled : DesignRows
        Labelled rows, in the order of the units.
    labeled_units : ndarray (n,)
        Their positions among the units, increasing.
    sources : sequence of SourceArrays
        Sources, rows sorted by unit.
    n_units : int
        Number of units the positions refer to.
    labeling : Labeling, optional
        How the labelled units were chosen; all alike if omitted.
    covered : ndarray (n_units,) of bool, optional
        Units that a source covers, where they are known already.

    Returns
    -------
    AlignedDesign
        Units that are neither labelled nor covered are left out: they add
        zeros to every moment, which changes neither estimate nor variance where
        Omega is not centred.
    """
    kept, n_units, labeled_units, sources = without_idle_units(
        labeled_units, sources, n_units, covered
    )
    return assemble_design(
        labeled,
        labeled_units,
        tuple(sources),
        tuple(rows_of_labeled(s, labeled_units) for s in sources),
        n_units,
        kept,
        labeling,
    )


def without_idle_units(
    labeled_units: Positions,
    sources: Sequence[SourceArrays],
    n_units: int,
    covered: Bools | None = None,
) -> tuple[Positions | None, int, Positions, Sequence[SourceArrays]]:
    """
    Count the units anew, without those that are neither labelled nor covered.

    Parameters
    ----------
    labeled_units : ndarray (n,)
        Positions of the labelled units.
    sources : sequence of SourceArrays
        Sources, rows sorted by unit.
    n_units : int
        Number of units the positions refer to.
    covered : ndarray (units,) of bool, optional
        Which units a source covers, where that is known already.

    Returns
    -------
    kept : ndarray (T,) or None
        Positions of the units that are left; None: all of them.
    n_units : int
        Their number T.
    labeled_units : ndarray (n,)
        Positions among these.
    sources : sequence of SourceArrays
        With positions among these.
    """
    part = covered_units(sources, n_units) if covered is None else covered.copy()
    if part is None:
        return None, n_units, labeled_units, sources
    part[labeled_units] = True
    if part.all():
        return None, n_units, labeled_units, sources
    kept = np.flatnonzero(part)
    position = np.cumsum(part) - 1
    moved = [replace(s, units=position[s.units]) for s in sources]
    return kept, len(kept), position[labeled_units], moved


def assemble_design(
    labeled: DesignRows,
    labeled_units: Positions,
    source_rows: tuple[SourceArrays, ...] | Partitions,
    labeled_sources: tuple[DesignRows, ...],
    n_units: int,
    kept: Positions | None = None,
    labeling: Labeling | None = None,
) -> AlignedDesign:
    """
    Add what follows from the labelled rows: weights, basis and scale.

    Parameters
    ----------
    labeled : DesignRows
        Labelled rows.
    labeled_units : ndarray (n,)
        Positions of their units.
    source_rows : tuple of SourceArrays, or Partitions
        The sources.
    labeled_sources : tuple of DesignRows
        Rows of the sources for the labelled units.
    n_units : int
        Number of units T.
    kept : ndarray (T,), optional
        Their positions among the units that were given.
    labeling : Labeling, optional
        How the labelled units were chosen; all alike if omitted.

    Returns
    -------
    AlignedDesign
        Everything the estimator needs.
    """
    _, upper = scipy.linalg.qr(labeled.exog, mode="economic")
    labeling = Labeling() if labeling is None else labeling
    # Normalised to a mean of one (Hajek 1971): only ratios of probabilities matter.
    weights = np.ones(len(labeled_units))
    if labeling.prob is not None:
        weights = 1.0 / labeling.prob
        weights *= len(weights) / weights.sum()
    return AlignedDesign(
        labeled=labeled,
        labeled_units=labeled_units,
        design_weights=weights,
        source_rows=source_rows,
        labeled_sources=labeled_sources,
        n_units=n_units,
        kept=kept,
        basis=scipy.linalg.solve_triangular(upper, np.eye(len(upper))),
        column_scale=np.sqrt(np.mean(labeled.exog**2, axis=0)),
        labeling=labeling,
    )


def covered_units(sources: Sequence[SourceArrays], n_units: int) -> Bools | None:
    """
    Units that a source covers.

    Parameters
    ----------
    sources : sequence of SourceArrays
        Sources.
    n_units : int
        Number of units T that the positions refer to.

    Returns
    -------
    ndarray (T,) of bool or None
        None where a source has a row for each.
    """
    covered = np.zeros(n_units, dtype=bool)
    for source in sources:
        if source.units is None:
            return None
        covered[source.units] = True
    return covered


def rows_of_labeled(source: SourceArrays, labeled_units: Positions) -> DesignRows:
    """
    Rows of a source that belong to labelled units.

    Parameters
    ----------
    source : SourceArrays
        The source.
    labeled_units : ndarray (n,)
        Positions of the labelled units among all, increasing.

    Returns
    -------
    DesignRows
        With positions among the labelled units.
    """
    plain = DesignRows(
        source.endog,
        source.exog,
        source.units,
        source.offset,
        source.weights,
        source.has_replicates,
    )
    if source.units is None or not len(labeled_units):
        return plain.take(labeled_units, None)
    # Rows are sorted by unit: those of each labelled unit are from first to last.
    first = np.searchsorted(source.units, labeled_units, side="left")
    n_rows = np.searchsorted(source.units, labeled_units, side="right") - first
    place = np.repeat(np.arange(len(labeled_units)), n_rows)
    before = np.cumsum(n_rows) - n_rows
    keep = np.arange(len(place)) - before[place] + first[place]
    return plain.take(keep, place)

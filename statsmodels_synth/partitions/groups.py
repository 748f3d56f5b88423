"""Groups of the units of a part: sizes, and sums of scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth._arrays import Floats
from statsmodels_synth._process import with_one_blas_thread
from statsmodels_synth.clusters import require_groups
from statsmodels_synth.partitions.parts import (
    Part,
    PartPlan,
    align_part,
    evaluate_aligned,
)
from statsmodels_synth.scores import Score
from statsmodels_synth.source_sums import score_blocks


def _grouped(
    plan: PartPlan, column: str, frames: tuple[pd.DataFrame, ...]
) -> tuple[Part, NDArray[Any], pd.Series]:
    """The part, and the value of a column for its units and for the labelled ones."""
    aligned = align_part(plan, frames)
    part, _, positions, kept = evaluate_aligned(plan, aligned)
    label = f"groups={column!r}"
    values = aligned.columns.values(column, label).to_numpy()
    units = aligned.units
    if kept is not None:
        values, units = values[kept], units[kept]
    require_groups(np.asarray(pd.isna(values)), units, label)
    return part, values, pd.Series(values[positions], units[positions])


def group_sizes(
    plan: PartPlan, column: str, *frames: pd.DataFrame
) -> tuple[pd.Series, pd.Series]:
    """
    Groups that a column makes of the units of a part.

    Parameters
    ----------
    plan : PartPlan
        With the learned formula.
    column : str
        The column.
    *frames : DataFrame
        See :func:`align_part`, with the column.

    Returns
    -------
    labeled : Series (n_part,)
        Its value for each labelled unit, indexed by unit.
    sizes : Series
        Number of units with each value.
    """
    _, values, labeled = _grouped(plan, column, frames)
    return labeled, pd.Series(values).value_counts(sort=False)


@with_one_blas_thread
def group_scores(
    plan: PartPlan,
    column: str,
    keep: tuple[int, ...],
    score: Score,
    eta: Floats,
    *frames: pd.DataFrame,
) -> pd.DataFrame:
    """
    Scores of the sources of a part, summed by group.

    Parameters
    ----------
    plan : PartPlan
        With the learned formula.
    column : str
        Column that makes the groups.
    keep : tuple of int
        Positions of the sources that take part.
    score : Score
        Target model.
    eta : ndarray (M, p)
        Parameters of these.
    *frames : DataFrame
        See :func:`align_part`, with the column.

    Returns
    -------
    DataFrame (groups, M p)
        Indexed by the values of the column.
    """
    part, values, _ = _grouped(plan, column, frames)
    codes, labels = pd.factorize(values)
    sources = tuple(part.sources[m] for m in keep)
    total = np.zeros((len(labels), eta.size))
    for units, block in score_blocks(sources, part.n_units, score, eta):
        np.add.at(total, codes[units], block)
    return pd.DataFrame(total, pd.Index(labels))

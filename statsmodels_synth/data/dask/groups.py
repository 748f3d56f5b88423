"""Groups of the units of a part: sizes, and sums of scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.data.dask.parts import (
    Part,
    PartPlan,
    align_part,
    evaluate_aligned,
)
from statsmodels_synth.data.groups import require_groups


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

    Shapes: `labeled` (n_part,).
    """
    _, values, labeled = _grouped(plan, column, frames)
    return labeled, pd.Series(values).value_counts(sort=False)


@with_one_blas_thread
def group_sums(
    plan: PartPlan,
    column: str,
    keep: tuple[int, ...],
    blocks: Callable[..., Any],
    k: int,
    *frames: pd.DataFrame,
) -> pd.DataFrame:
    """
    Values of the units of a part, summed by group.

    Shapes: (groups, k).
    """
    part, values, _ = _grouped(plan, column, frames)
    codes, labels = pd.factorize(values)
    sources = tuple(part.sources[m] for m in keep)
    total = np.zeros((len(labels), k))
    for units, block in blocks(sources, part.n_units):
        np.add.at(total, codes[units], block)
    return pd.DataFrame(total, pd.Index(labels))

"""Rows of a part that a formula learns from: all levels, and whole columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from statsmodels_synth.data.dask.parts import PartPlan
from statsmodels_synth.data.frames import align_frames


class Learnable(NamedTuple):
    """
    What the right side of a formula needs from all rows.

    Parameters
    ----------
    levels : tuple of tuple of str
        Columns of each factor whose levels are learned.
    factors : tuple of str
        Expressions whose values are levels, such as ``x > 0``.
    states : tuple of str
        Columns of the factors that learn means, scales or knots.
    """

    levels: tuple[tuple[str, ...], ...]
    factors: tuple[str, ...]
    states: tuple[str, ...]

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Columns that tell levels apart; an expression is a column by its text."""
        return (*self.levels, *((code,) for code in self.factors))


def rows_to_learn(
    plan: PartPlan, needed: Learnable, data: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """
    Rows of a part that show all its levels, and whole columns.

    Shapes: `levels` (rows, regressors and expressions), `columns`
    (rows with all regressors, columns).
    """
    regressors = list(plan.parsed.regressors)
    parsed = plan.parsed
    frames = align_frames(
        data, [], (), regressors, parsed.uses, on=plan.on, types=plan.types[regressors]
    )
    known = frames.data
    if frames.lacking is not None:
        known = known.loc[~frames.lacking]
    columns = known[list(needed.states)]
    if needed.factors and len(known):
        learned = plan.learned
        assert learned is not None
        values = {code: learned.levels_of_rows(code, known) for code in needed.factors}
        known = known.assign(**values)
    elif needed.factors:
        known = known.reindex(columns=[*known, *needed.factors])
    return distinct(known, needed.groups), columns


def distinct(frame: pd.DataFrame, levels: tuple[tuple[str, ...], ...]) -> pd.DataFrame:
    """One row for each combination of values of each group of columns."""
    repeated = np.ones(len(frame), dtype=bool)
    for group in levels:
        repeated &= frame.duplicated(list(group)).to_numpy()
    return frame.loc[~repeated]

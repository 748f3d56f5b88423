"""Rows in Dask as the partitions of a design: passes over them, and groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle
import dask
import pandas as pd

from statsmodels_synth.data.dask.dask_rows import (
    Kept,
    _client_id,
    add_up,
    compute,
    tree,
)
from statsmodels_synth.data.dask.groups import group_sizes, group_sums
from statsmodels_synth.data.dask.matching import PartFrames
from statsmodels_synth.data.dask.parts import PartPlan, apply
from statsmodels_synth.problem.design import SourceArrays, SourceFacts, Sums


@dataclass(frozen=True)
class DaskPartitions:
    """
    Rows of the sources in Dask partitions.

    Parameters
    ----------
    parts : tuple of Delayed
        Each a :class:`~statsmodels_synth.data.dask.parts.Part`.
    facts : tuple of SourceFacts
        The sources.
    samples : tuple of SourceArrays
        Some rows of each.
    keep : tuple of int
        Which sources of the parts take part.
    plan : PartPlan
        What every part knows of the whole.
    frames : PartFrames
        What the parts are made of.
    kept : Kept or None
        The same parts, evaluated and in memory.
    """

    parts: tuple[Any, ...]
    facts: tuple[SourceFacts, ...]
    samples: tuple[SourceArrays, ...]
    keep: tuple[int, ...]
    plan: PartPlan
    frames: PartFrames
    kept: Kept | None = None

    def total(self, function: Callable[[tuple[SourceArrays, ...], int], Sums]) -> Sums:
        """See :class:`~statsmodels_synth.problem.design.Partitions`."""
        step, parts = dask.delayed(apply), self.parts
        if self.kept is not None and self.kept.client == _client_id():
            parts = self.kept.parts
        done = [step(function, self.keep, part) for part in parts]
        return compute(tree(done, add_up))  # type: ignore[no-any-return]

    def groups(self, column: str) -> tuple[pd.Series, pd.Series]:
        """See :class:`~statsmodels_synth.problem.design.Partitions`."""
        step, plan = dask.delayed(group_sizes), dask.delayed(self.plan)
        found = [step(plan, column, *part) for part in self.frames.parts(column)]
        labeled, sizes = compute(tree(found, _join_sizes))
        return labeled, sizes

    def group_sums(
        self, column: str, blocks: Callable[..., Any], k: int
    ) -> pd.DataFrame:
        """See :class:`~statsmodels_synth.problem.design.Partitions`."""
        step, plan = dask.delayed(group_sums), dask.delayed(self.plan)
        parts = self.frames.parts(column)
        found = [step(plan, column, self.keep, blocks, k, *part) for part in parts]
        return pd.DataFrame(compute(tree(found, _join_sums)))

    def with_sources(self, keep: Sequence[int]) -> DaskPartitions:
        """See :class:`~statsmodels_synth.problem.design.Partitions`."""
        return replace(
            self,
            facts=tuple(self.facts[m] for m in keep),
            samples=tuple(self.samples[m] for m in keep),
            keep=tuple(self.keep[m] for m in keep),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """How to evaluate the parts; with all functions, which pickle refuses."""
        state = (
            *(self.parts, self.facts, self.samples, self.keep),
            *(self.plan, self.frames),
        )
        return _restored, (cloudpickle.dumps(state),)


def _restored(state: bytes) -> DaskPartitions:
    return DaskPartitions(*cloudpickle.loads(state))


def _join_sizes(
    found: list[tuple[pd.Series, pd.Series]],
) -> tuple[pd.Series, pd.Series]:
    """Groups of several parts."""
    sizes = pd.concat([sizes for _, sizes in found])
    return pd.concat([labeled for labeled, _ in found]), _by_label(sizes)


def _join_sums(found: list[pd.DataFrame]) -> pd.DataFrame:
    """Sums by group over several parts."""
    return pd.DataFrame(_by_label(pd.concat(found)))


def _by_label(rows: Any) -> Any:
    return rows.groupby(level=0, sort=False).sum()

"""
The arrays of one problem, aligned by unit.

:class:`AlignedDesign` is the border between input and numbers: whatever came
in, frames or arrays, leaves this module as plain float arrays, unit positions
and names. Nothing downstream knows of missing values, indexes or formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.core.options import Kind
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import basis_of, scale_of

Rows = TypeVar("Rows", bound="DesignRows")
Sums = TypeVar("Sums")


@dataclass(frozen=True)
class DesignRows:
    """
    Rows of a design that belong to units.

    Parameters
    ----------
    endog : ndarray (R,)
        Outcome.
    exog : ndarray (R, p)
        Regressors.
    units : ndarray (R,) or None
        Position of the unit of each row, not decreasing. None: row t is unit t.
    offset : ndarray (R,) or None
        Offset of the linear predictor, log exposure included.
    weights : ndarray (R,) or None
        Weight of the row: the unit's weight divided by its replicates.
    has_replicates : bool
        Whether a unit has more than one row.
    told : tuple of TargetScore or None
        A target model, and the same told of these rows; set by :func:`told_of`.
    """

    endog: Floats
    exog: Floats
    units: Positions | None = None
    offset: Floats | None = None
    weights: Floats | None = None
    has_replicates: bool = False
    told: tuple[TargetScore, TargetScore] | None = field(
        default=None, repr=False, compare=False, kw_only=True
    )

    def rows(self, start: int, stop: int) -> slice:
        """Rows of a range of units."""
        if self.units is None:
            return slice(start, stop)
        first, last = np.searchsorted(self.units, [start, stop])
        return slice(int(first), int(last))

    def unit_of(self, rows: slice) -> slice | Positions:
        """Index of the units of some rows into an array of one value per unit."""
        return rows if self.units is None else self.units[rows]

    @property
    def unit_positions(self) -> Positions:
        """Position of the unit of each row, (R,)."""
        return np.arange(len(self.endog)) if self.units is None else self.units

    def take(self: Rows, keep: Positions | slice, units: Positions | None) -> Rows:
        """Some of the rows."""
        return replace(
            self,
            endog=self.endog[keep],
            exog=self.exog[keep],
            units=units,
            offset=None if self.offset is None else self.offset[keep],
            weights=None if self.weights is None else self.weights[keep],
        )


@dataclass(frozen=True)
class SourceArrays(DesignRows):
    """
    One auxiliary data set as arrays: a proxy or a synthetic frame.

    Parameters
    ----------
    endog : ndarray (R,)
        Outcome.
    exog : ndarray (R, p)
        Regressors.
    units : ndarray (R,) or None
        Position of the unit of each row, not decreasing. None: row t is unit t.
    offset : ndarray (R,) or None
        Offset of the linear predictor, log exposure included.
    weights : ndarray (R,) or None
        Set by the model from the weights of the units.
    has_replicates : bool
        Set by the model.
    name : str
        Name of the source.
    kind : {"proxy", "synthetic"}
        What it is; the estimator treats both alike.
    n_dropped : int
        Rows that were left out because a value is missing.
    told : tuple of TargetScore, optional
        Set by the model.

    Examples
    --------
    >>> import numpy as np
    >>> from statsmodels_synth import AugmentedGMM, SourceArrays
    >>> rng = np.random.default_rng(0)
    >>> x = np.column_stack([np.ones(500), rng.normal(size=500)])
    >>> y = x @ [1.0, 0.5] + rng.normal(size=500)
    >>> guess = SourceArrays(y + rng.normal(size=500), x)
    >>> endog = np.where(np.arange(500) < 100, y, np.nan)
    >>> AugmentedGMM(endog, x, proxy={"guess": guess}).fit().params.round(2)
    array([0.99, 0.54])
    """

    name: str = ""
    kind: Kind = "proxy"
    n_dropped: int = 0


@dataclass(frozen=True)
class Labeling:
    """
    How the labelled units were chosen.

    Parameters
    ----------
    prob : ndarray (n,) or None
        Probability with which each labelled unit was chosen; None where all are
        alike.
    strata : ndarray (n,) or None
        Stratum of each labelled unit, 0 to H - 1, where the number of labels in each
        was fixed.
    """

    prob: Floats | None = None
    strata: Positions | None = None

    @property
    def name(self) -> str:
        """What the summary calls it."""
        if self.strata is not None:
            return f"{int(self.strata.max()) + 1} strata"
        return "equal" if self.prob is None else "unequal prob."


@dataclass(frozen=True)
class SourceFacts:
    """
    What a source is and covers.

    Parameters
    ----------
    name : str
        Name.
    kind : {"proxy", "synthetic"}
        Kind.
    n_rows : int
        Rows, replicates included.
    n_covered : int
        Units with at least one.
    n_dropped : int
        Rows that were left out because a value is missing.
    """

    name: str
    kind: Kind
    n_rows: int
    n_covered: int
    n_dropped: int


class Partitions(Protocol):
    """Rows of the sources that are not in memory, in parts that hold whole units."""

    @property
    def facts(self) -> tuple[SourceFacts, ...]:
        """The M sources."""
        ...

    @property
    def samples(self) -> tuple[SourceArrays, ...]:
        """Some rows of each source, evenly spread, each row a unit."""
        ...

    def total(self, function: Callable[[tuple[SourceArrays, ...], int], Sums]) -> Sums:
        """Add up what a function says of each part."""
        ...

    def groups(self, column: str) -> tuple[pd.Series, pd.Series]:
        """
        Groups that a column makes of the units.

        Shapes: `labeled` (n,), `sizes` (C,).
        """
        ...

    def group_sums(
        self, column: str, blocks: Callable[..., Any], k: int
    ) -> pd.DataFrame:
        """
        Values of the units, summed by group.

        Shapes: (C, k).
        """
        ...

    def with_sources(self, keep: Sequence[int]) -> Partitions:
        """The same parts with some of the sources."""
        ...


class Outcomes(Protocol):
    """Outcomes of the labelled units, where they depend on which sources there are."""

    @property
    def endog(self) -> Floats:
        """Those with these sources, (n,)."""

    def with_sources(self, keep: Sequence[int]) -> Outcomes:
        """Those with some of the sources."""

    def together(self) -> Outcomes:
        """The same, where all sources have become one."""


@dataclass(frozen=True)
class AlignedDesign:
    """
    Everything the estimator needs, aligned by unit.

    Parameters
    ----------
    labeled : DesignRows
        The n labelled units, in the order of the units.
    labeled_units : ndarray (n,)
        Their positions among the T units, increasing.
    design_weights : ndarray (n,)
        ``a_t`` of the labelled units, with a mean of one: inverse probabilities.
    source_rows : tuple of SourceArrays, or Partitions
        The M sources: their rows, or where these are.
    labeled_sources : tuple of DesignRows
        Of each source the rows of labelled units; `units` are positions among
        the n labelled ones.
    n_units : int
        Units that are labelled or covered, T.
    kept : ndarray (T,) or None
        Their positions among the units that were given; None: all of them.
    basis : ndarray (p, p)
        ``labeled.exog @ basis`` has orthonormal columns; with several linear predictors
        so it is in each.
    column_scale : ndarray (p,)
        Root mean square of each column of the labelled exog, for each coefficient.
    labeling : Labeling
        How the labelled units were chosen.
    n_frame : int
        Units that labels were drawn from: T, and those that could have been labelled
        but are not, and that no source covers.
    is_finite : bool
        Whether these units are the population; set by the fit.
    outcomes : Outcomes or None
        What makes the outcomes of the labelled units, where sources have a part in it.
    """

    labeled: DesignRows
    labeled_units: Positions
    design_weights: Floats
    source_rows: tuple[SourceArrays, ...] | Partitions
    labeled_sources: tuple[DesignRows, ...]
    n_units: int
    kept: Positions | None
    basis: Floats
    column_scale: Floats
    labeling: Labeling
    n_frame: int
    is_finite: bool = False
    outcomes: Outcomes | None = None

    @property
    def sources(self) -> tuple[SourceArrays, ...]:
        """The M sources, where their rows are in memory."""
        if self.partitions is not None:
            raise DataError(
                "This needs the rows of the sources in memory, and they are in Dask "
                "partitions. If they fit, give data.compute() and "
                "source.compute(); or give a sample of the units: the standard errors "
                "depend on the number of labels above all."
            )
        return cast("tuple[SourceArrays, ...]", self.source_rows)

    @cached_property
    def partitions(self) -> Partitions | None:
        """Where the rows of the sources are, if not in memory."""
        return None if isinstance(self.source_rows, tuple) else self.source_rows

    @cached_property
    def k_sources(self) -> int:
        """Number of sources, M."""
        return len(self.labeled_sources)

    @cached_property
    def k_params(self) -> int:
        """Number of target coefficients, p."""
        return len(self.basis)

    @cached_property
    def n_labeled(self) -> int:
        """Number of labelled units, n."""
        return int(self.labeled.exog.shape[0])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sources."""
        return tuple(source.name for source in self._described)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of the sources."""
        return tuple(source.kind for source in self._described)

    @property
    def _described(self) -> Sequence[SourceArrays | SourceFacts]:
        return self.sources if self.partitions is None else self.partitions.facts

    def row_weights(self, rows: DesignRows) -> Floats:
        """Weight of each row of labelled units, that of the design included, (R,)."""
        a = self.design_weights[rows.unit_positions]
        return a if rows.weights is None else a * rows.weights

    def with_sources(self, keep: Sequence[int]) -> AlignedDesign:
        """The same design with some of the sources."""
        outcomes = None if self.outcomes is None else self.outcomes.with_sources(keep)
        return replace(
            self.with_outcomes(outcomes),
            source_rows=(
                tuple(self.sources[m] for m in keep)
                if self.partitions is None
                else self.partitions.with_sources(keep)
            ),
            labeled_sources=tuple(self.labeled_sources[m] for m in keep),
        )

    def with_outcomes(self, outcomes: Outcomes | None) -> AlignedDesign:
        """The same design with what these are; itself if nothing makes them."""
        if outcomes is None:
            return self
        labeled = replace(self.labeled, endog=outcomes.endog, told=None)
        return replace(self, labeled=labeled, outcomes=outcomes)


def with_outcomes(
    design: AlignedDesign, outcomes: Callable[[Floats], Floats]
) -> AlignedDesign:
    """The labelled rows of labels and sources with outcomes as a function has them."""
    labeled, *sources = (
        replace(rows, endog=outcomes(rows.endog))
        for rows in (design.labeled, *design.labeled_sources)
    )
    return replace(
        design, labeled=labeled, labeled_sources=tuple(sources), outcomes=None
    )


#: Rows that a target model is told of, evenly spread, where a source has more.
TOLD_ROWS = 20_000


def told_of(
    rows: DesignRows, score: TargetScore, n_units: int | None = None
) -> TargetScore:
    """
    The target model, told what blocks of these rows have in common.

    It is told once and remembered with the rows. `n_units`: where they are a part, of
    the rows of how many units.
    """
    if not score.learns_from_rows:
        return score
    if rows.told is None or rows.told[0] is not score:
        size, part = len(rows.endog), rows
        if size > TOLD_ROWS:
            part = rows.take(slice(None, None, -(-size // TOLD_ROWS)), None)
        told = score.told_rows(
            *(part.endog, part.exog, part.offset, part.weights),
            n_covered(rows) if n_units is None else n_units,
        )
        object.__setattr__(rows, "told", (score, told))
        return told
    return rows.told[1]


def replicate_weights(
    units: Positions | None, unit_weights: Floats | None, n_units: int
) -> tuple[Floats | None, bool]:
    """
    Row weights that average replicates and carry the weights of the units.

    Eq. (source-score).

    Shapes: `units` (R,), `unit_weights` (T,) -> `weights` (R,).

    Examples
    --------
    >>> import numpy as np
    >>> replicate_weights(np.array([0, 0, 1]), None, 3)
    (array([0.5, 0.5, 1. ]), True)
    """
    if units is None:
        return unit_weights, False
    count = np.bincount(units, minlength=n_units)
    repeated = bool(count.max(initial=0) > 1)
    if unit_weights is None and not repeated:
        return None, False
    base = np.ones(n_units) if unit_weights is None else unit_weights
    weights: Floats = base[units] / count[units]
    return weights, repeated


def source_facts(
    design: AlignedDesign,
) -> list[tuple[str, Kind, int, int, float, int]]:
    """What each source covers."""
    if design.partitions is None:
        facts: Sequence[SourceFacts] = [
            SourceFacts(s.name, s.kind, len(s.endog), n_covered(s), s.n_dropped)
            for s in design.sources
        ]
    else:
        facts = design.partitions.facts
    return [
        (
            fact.name,
            fact.kind,
            fact.n_covered,
            n_covered(rows),
            fact.n_rows / fact.n_covered,
            fact.n_dropped,
        )
        for fact, rows in zip(facts, design.labeled_sources, strict=True)
    ]


def n_covered(rows: DesignRows) -> int:
    """Number of units that have a row."""
    units = rows.units
    if units is None or not len(units):
        return len(rows.endog)
    # They are sorted: a unit begins where the position changes.
    return int(np.count_nonzero(units[1:] != units[:-1])) + 1


def align_design(
    labeled: DesignRows,
    labeled_units: Positions,
    sources: Sequence[SourceArrays],
    n_units: int,
    score: TargetScore,
    labeling: Labeling | None = None,
    covered: Bools | None = None,
    lacking: Bools | None = None,
) -> AlignedDesign:
    """
    Put labelled rows and sources together.

    Units of `lacking` could not have been labelled.

    Shapes: `labeled_units` (n,), `covered` (n_units,), `lacking` (n_units,).
    """
    n_given = n_units
    kept, n_units, labeled_units, sources = without_idle_units(
        labeled_units, sources, n_units, covered
    )
    design = assemble_design(
        labeled,
        labeled_units,
        tuple(sources),
        tuple(rows_of_labeled(s, labeled_units) for s in sources),
        n_units,
        score,
        kept,
        labeling,
    )
    eligible = np.ones(n_given, dtype=bool) if lacking is None else ~lacking
    return with_frame(design, eligible)


def with_frame(design: AlignedDesign, eligible: Bools) -> AlignedDesign:
    """
    Count the units that labels were drawn from, given which could be labelled.

    Shapes: `eligible` (units,).
    """
    if design.kept is None:
        return design
    drawn_from = eligible.copy()
    drawn_from[design.kept] = True
    return replace(design, n_frame=int(drawn_from.sum()))


def without_idle_units(
    labeled_units: Positions,
    sources: Sequence[SourceArrays],
    n_units: int,
    covered: Bools | None = None,
) -> tuple[Positions | None, int, Positions, Sequence[SourceArrays]]:
    """
    Count the units anew, without those that are neither labelled nor covered.

    Shapes: `labeled_units` (n,), `covered` (units,) -> `kept` (T,), `labeled_units`
    (n,).
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


def design_weights(labeling: Labeling, n: int) -> Floats:
    """
    Inverse labelling probabilities, with a mean of one.

    Only ratios of probabilities matter (Hajek 1971). Eq. (design-weight).

    Shapes: (n,).
    """
    if labeling.prob is None:
        return np.ones(n)
    weights = 1.0 / labeling.prob
    return np.asarray(weights * (n / weights.sum()))


def told_labels(
    score: TargetScore, labels: DesignRows, labeling: Labeling
) -> TargetScore:
    """The target model, told the labelled rows and what each of them counts."""
    weights = design_weights(labeling, len(labels.endog))
    if labels.weights is not None:
        weights = weights * labels.weights
    return score.told_labels(labels.endog, labels.exog, labels.offset, weights)


def assemble_design(
    labeled: DesignRows,
    labeled_units: Positions,
    source_rows: tuple[SourceArrays, ...] | Partitions,
    labeled_sources: tuple[DesignRows, ...],
    n_units: int,
    score: TargetScore,
    kept: Positions | None = None,
    labeling: Labeling | None = None,
) -> AlignedDesign:
    """
    Add what follows from the labelled rows: weights, basis and scale.

    Eq. (design-weight).

    Shapes: `labeled_units` (n,), `kept` (T,).
    """
    labeling = Labeling() if labeling is None else labeling
    weights = design_weights(labeling, len(labeled_units))
    return AlignedDesign(
        labeled=labeled,
        labeled_units=labeled_units,
        design_weights=weights,
        source_rows=source_rows,
        labeled_sources=labeled_sources,
        n_units=n_units,
        kept=kept,
        basis=basis_of(labeled.exog, score),
        column_scale=scale_of(labeled.exog, score),
        labeling=labeling,
        n_frame=n_units,
    )


def covered_units(sources: Sequence[SourceArrays], n_units: int) -> Bools | None:
    """
    Units that a source covers.

    Shapes: (T,).
    """
    covered = np.zeros(n_units, dtype=bool)
    for source in sources:
        if source.units is None:
            return None
        covered[source.units] = True
    return covered


def stacked_rows(parts: Sequence[DesignRows]) -> DesignRows:
    """Rows one below the other, each for itself."""

    def column(name: str, missing: float) -> Floats | None:
        columns = [getattr(part, name) for part in parts]
        if all(value is None for value in columns):
            return None
        filled = [
            np.full(len(part.endog), missing) if value is None else value
            for part, value in zip(parts, columns, strict=True)
        ]
        return np.concatenate(filled)

    return DesignRows(
        np.concatenate([part.endog for part in parts]),
        np.concatenate([part.exog for part in parts]),
        offset=column("offset", 0.0),
        weights=column("weights", 1.0),
    )


def as_replicates(design: AlignedDesign, name: str) -> AlignedDesign:
    """
    All sources as one, whose rows are replicates of the units that they cover.

    Every source that covers a unit counts the same in it. Eq. (source-score).
    """
    parts, unit = design.sources, [s.unit_positions for s in design.sources]
    covering = np.zeros(design.n_units)
    for own in unit:
        covering[np.unique(own)] += 1.0
    both = stacked_rows(parts)
    units = np.concatenate(unit)
    order = np.argsort(units, kind="stable")
    weights = np.ones(len(units)) if both.weights is None else both.weights
    source = SourceArrays(
        both.endog[order],
        both.exog[order],
        units[order],
        None if both.offset is None else both.offset[order],
        (weights / covering[units])[order],
        len(parts) > 1,
        name,
        parts[0].kind,
    )
    labels = rows_of_labeled(source, design.labeled_units)
    outcomes = None if design.outcomes is None else design.outcomes.together()
    return replace(
        design, source_rows=(source,), labeled_sources=(labels,), outcomes=outcomes
    )


def rows_of_labeled(source: SourceArrays, labeled_units: Positions) -> DesignRows:
    """
    Rows of a source that belong to labelled units.

    Shapes: `labeled_units` (n,).
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


@dataclass(frozen=True)
class Target:
    """
    The target model.

    Parameters
    ----------
    score : TargetScore
        Its score, and all that is asked of the model.
    names : sequence of str
        Names of the coefficients.
    yname : str
        Name of the outcome.
    """

    score: TargetScore
    names: Sequence[str]
    yname: str

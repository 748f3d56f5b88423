"""From aligned frames to arrays: one formula, evaluated alike on every frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from statsmodels_synth._arrays import Floats, Positions, as_floats, check_positive
from statsmodels_synth.design import SourceArrays
from statsmodels_synth.exceptions import DataError, column_label, name_units
from statsmodels_synth.formula import LearnedFormula
from statsmodels_synth.frames import AlignedFrames, SourceFrame
from statsmodels_synth.parsing import ParsedFormula


class Labels(NamedTuple):
    """
    Labelled rows of data.

    Parameters
    ----------
    endog : Series (n,)
        Outcome.
    exog : DataFrame (n, p)
        Design matrix.
    offset, exposure : ndarray (n,) or None
        Of the rows, if given.
    """

    endog: pd.Series
    exog: pd.DataFrame
    offset: Floats | None
    exposure: Floats | None


def evaluate_frames(
    parsed: ParsedFormula,
    frames: AlignedFrames,
    offset: str | None = None,
    exposure: str | None = None,
) -> tuple[LearnedFormula, Labels, list[SourceArrays]]:
    """
    Learn the formula on data and evaluate it on the labels and every source.

    Parameters
    ----------
    parsed : ParsedFormula
        The formula.
    frames : AlignedFrames
        Aligned frames.
    offset, exposure : str, optional
        Columns of the frames.

    Returns
    -------
    learned : LearnedFormula
        The formula with its levels, means and knots.
    labels : Labels
        Labelled rows, indexed by unit.
    sources : list of SourceArrays
        Sources, rows sorted by unit.

    Raises
    ------
    DataError
        If there is no labelled row.
    FormulaError
        If the formula cannot be evaluated on a frame.
    """
    data = frames.data
    rows = frames.labeled_rows
    if not len(rows):
        raise no_label(data.isna().mean())
    known, place = _known(frames)
    labeled = data.iloc[rows]
    learned = LearnedFormula(parsed, labeled, known)
    exog = learned.exog_of_data(rows if place is None else place[rows])
    labels = _evaluate_labels(learned, labeled, exog, offset, exposure)
    sources = _evaluate_sources(
        learned, frames, learned.exog_of_data, place, offset, exposure
    )
    return learned, labels, sources


def no_label(gaps: pd.Series) -> DataError:
    """
    Error for data without a labelled unit.

    Parameters
    ----------
    gaps : Series
        Share of the rows without a value, by variable.

    Returns
    -------
    DataError
        To be raised.
    """
    reason = "".join(
        f" {name!r} is missing in {share:.0%} of the rows."
        for name, share in gaps[gaps > 0].items()
    )
    return DataError(
        "There is no labelled unit: no row of data has every variable of the "
        f"formula.{reason} Check the outcome column, labeled= and missing values."
    )


def evaluate_part(
    learned: LearnedFormula,
    frames: AlignedFrames,
    offset: str | None = None,
    exposure: str | None = None,
) -> tuple[Labels, list[SourceArrays]]:
    """
    Evaluate a formula that was learned elsewhere, on a part of the frames.

    Parameters
    ----------
    learned : LearnedFormula
        The formula with its levels, means and knots.
    frames : AlignedFrames
        A part of the frames, aligned.
    offset, exposure : str, optional
        Columns of the frames.

    Returns
    -------
    labels : Labels
        Labelled rows of the part, indexed by unit; there may be none.
    sources : list of SourceArrays
        Sources, rows sorted by unit; positions count the units of the part.

    Raises
    ------
    FormulaError
        If the formula cannot be evaluated on a frame.
    """
    known, place = _known(frames)
    labeled = frames.data.iloc[frames.labeled_rows]
    exog = learned.evaluate_exog(labeled, "data")
    labels = _evaluate_labels(learned, labeled, exog, offset, exposure)
    sources = _evaluate_sources(
        learned,
        frames,
        lambda: learned.evaluate_exog(known, "data"),
        place,
        offset,
        exposure,
    )
    return labels, sources


def _known(frames: AlignedFrames) -> tuple[pd.DataFrame, Positions | None]:
    """Rows of data with all regressors, and for each row of data its place in them."""
    if frames.lacking is None:
        return frames.data, None
    known = frames.data.loc[~frames.lacking]
    place = np.full(len(frames.data), -1)
    place[~frames.lacking] = np.arange(len(known))
    return known, place


def _evaluate_labels(
    learned: LearnedFormula,
    labeled: pd.DataFrame,
    exog: Floats,
    offset: str | None,
    exposure: str | None,
) -> Labels:
    return Labels(
        pd.Series(
            learned.evaluate_endog(labeled, "data"), labeled.index, name=learned.yname
        ),
        pd.DataFrame(exog, labeled.index, learned.exog_names, copy=False),
        _column(labeled, offset, "data"),
        _column(labeled, exposure, "data"),
    )


def _evaluate_sources(
    learned: LearnedFormula,
    frames: AlignedFrames,
    exog_of_data: Callable[[], Floats],
    place: Positions | None,
    offset: str | None,
    exposure: str | None,
) -> list[SourceArrays]:
    """All sources; what they share with data is evaluated once."""
    borrows = [_borrows(source, learned.parsed) for source in frames.sources]
    shared = exog_of_data() if any(borrows) else None
    return [
        _evaluate_source(
            source,
            learned,
            _rows_of(shared, source, place) if borrowed else None,
            frames,
            offset,
            exposure,
        )
        for source, borrowed in zip(frames.sources, borrows, strict=True)
    ]


def _borrows(source: SourceFrame, parsed: ParsedFormula) -> bool:
    """Whether its regressors are those of data: not evaluated or stored twice."""
    return source.own.isdisjoint(parsed.regressors)


def _rows_of(
    shared: Floats | None, source: SourceFrame, place: Positions | None
) -> Floats:
    """Its rows of the design matrix of data; the same array where it is all of it."""
    assert shared is not None
    at = source.data_rows if place is None else place[source.data_rows]
    return shared if _counts_up(at, len(shared)) else shared[at]


def _counts_up(positions: Positions, number: int) -> bool:
    """Whether the positions are 0, 1, ... up to this number."""
    return len(positions) == number and bool(
        np.array_equal(positions, np.arange(number))
    )


def _evaluate_source(
    source: SourceFrame,
    learned: LearnedFormula,
    exog: Floats | None,
    frames: AlignedFrames,
    offset: str | None,
    exposure: str | None,
) -> SourceArrays:
    where = f"Source {source.name!r}"
    if exog is None:
        exog = learned.evaluate_exog(source.frame, where)
    every_unit = _counts_up(source.units, len(frames.units))
    total = _column(source.frame, offset, where)
    exposed = _column(source.frame, exposure, where)
    if exposed is not None:
        label = f"{where}: exposure ({column_label(exposure)})"
        check_positive(exposed, label, source.frame.index)
        total = np.log(exposed) if total is None else total + np.log(exposed)
    return SourceArrays(
        learned.evaluate_endog(source.frame, where),
        exog,
        None if every_unit else source.units,
        total,
        name=source.name,
        kind=source.kind,
        n_dropped=source.n_dropped,
    )


def _column(frame: pd.DataFrame, name: str | None, where: str) -> Floats | None:
    if name is None:
        return None
    values = as_floats(frame[name], f"{where}: {column_label(name)}")
    if not np.all(np.isfinite(values)):
        bad = frame.index[~np.isfinite(values)]
        raise DataError(
            f"{where}: {column_label(name)} is infinite ({name_units(bad)})."
        )
    return values

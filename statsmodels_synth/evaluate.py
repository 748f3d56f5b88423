"""From aligned frames to arrays: one formula, evaluated alike on every frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from statsmodels_synth._arrays import Floats, Positions, check_positive
from statsmodels_synth.design import SourceArrays
from statsmodels_synth.exceptions import DataError, column_label, format_units
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
        gaps = data.isna().mean()
        reason = "".join(
            f" {name!r} is missing in {share:.0%} of the rows."
            for name, share in gaps[gaps > 0].items()
        )
        raise DataError(
            "There is no labelled unit: no row of data has every variable of the "
            f"formula.{reason} Check the outcome column, labeled= and missing values."
        )
    known = data[list(parsed.regressors)].notna().all(axis=1).to_numpy()
    learned = LearnedFormula(parsed, data.iloc[rows], data.loc[known])
    # Row of the learned design matrix for each row of data, for what is
    # evaluated once and shared.
    place = np.full(len(data), -1)
    place[known] = np.arange(int(known.sum()))
    labels = Labels(
        pd.Series(
            learned.evaluate_endog(data.iloc[rows], "data"),
            index=data.index[rows],
            name=learned.yname,
        ),
        learned.exog.iloc[place[rows]],
        _column(data.iloc[rows], offset, "data"),
        _column(data.iloc[rows], exposure, "data"),
    )
    sources = [
        _evaluate_source(source, learned, place, frames, offset, exposure)
        for source in frames.sources
    ]
    return learned, labels, sources


def _evaluate_source(
    source: SourceFrame,
    learned: LearnedFormula,
    place: Positions,
    frames: AlignedFrames,
    offset: str | None,
    exposure: str | None,
) -> SourceArrays:
    where = f"Source {source.name!r}"
    if source.own.isdisjoint(learned.parsed.regressors):
        # Its regressors are those of data: do not evaluate or store them twice.
        shared = learned.exog.to_numpy()
        at = place[source.data_rows]
        whole = len(at) == len(shared) and bool(np.all(at == np.arange(len(at))))
        exog = shared if whole else shared[at]
    else:
        exog = learned.evaluate_exog(source.frame, where)
    every_unit = len(source.units) == len(frames.units) and bool(
        np.all(source.units == np.arange(len(source.units)))
    )
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
    values: Floats = frame[name].to_numpy(dtype=float)
    if not np.all(np.isfinite(values)):
        bad = frame.index[~np.isfinite(values)]
        raise DataError(
            f"{where}: {column_label(name)} is infinite (units {format_units(bad)})."
        )
    return values

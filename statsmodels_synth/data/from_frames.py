"""The door for frames: from a formula and data frames to aligned arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats, Positions, as_floats, check_positive
from statsmodels_synth.core.messages import (
    column_label,
    name_units,
    noting,
    option_label,
)
from statsmodels_synth.core.options import Engine
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.data.absorbing import (
    Absorbed,
    WithinLabels,
    absorb,
    refuse_options,
    refuse_unknown_exog,
)
from statsmodels_synth.data.arrays import AlignedProblem, ModelOptions, align_arrays
from statsmodels_synth.data.auxiliary_columns import read_columns
from statsmodels_synth.data.columns import check_frame, with_columns
from statsmodels_synth.data.forms import GivenSource, given_sources
from statsmodels_synth.data.formula.absorbed import without_absorbed
from statsmodels_synth.data.formula.instruments import with_columns_of_terms
from statsmodels_synth.data.formula.learn import LearnedFormula
from statsmodels_synth.data.formula.parse import ParsedFormula, read_formula
from statsmodels_synth.data.frames import (
    AlignedFrames,
    On,
    SourceFrame,
    align_frames,
    unit_keys,
)
from statsmodels_synth.data.kinds import (
    further_columns,
    is_other_frame,
    names_of_columns,
    opened,
    refuse_positions,
    refuse_values_by_row,
    to_pandas,
)
from statsmodels_synth.data.labeling import find_labeling
from statsmodels_synth.data.levels import code_frames
from statsmodels_synth.data.rare_levels import settle_rare_levels
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.problem.design import Labeling, SourceArrays, with_frame
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.levels import LevelScore


@with_one_blas_thread
def align_tables(
    formula: str,
    data: Any,
    labeled: Any,
    target: TargetScore,
    options: ModelOptions,
    *,
    namespace: dict[str, Any],
    engine: Engine | None,
    on: On,
) -> AlignedProblem:
    """Match frames by unit, evaluate the formula on each, and align the arrays."""
    text = formula
    formula, fixed = without_absorbed(text, target)
    if fixed:
        refuse_options(vars(options), text)
    given, data = given_sources(options.proxy, options.synthetic), opened(data)
    by_row = options.by_unit
    if not is_other_frame(data):
        check_frame(data)
    framed = [("data", data)]
    framed += [(f"Source {s.name!r}", s.frame) for s in given if s.frame is not None]
    refuse_positions(framed, on)
    refuse_values_by_row(data, labeled=labeled, **by_row)
    known = {str(name) for _, frame in framed for name in names_of_columns(frame)}
    # Of a table that is not collected it is not known yet.
    n_rows = len(data) if isinstance(data, pd.DataFrame) else None
    parsed = read_formula(formula, known, namespace, engine, n_rows)
    data, given = _pandas_frames(
        data,
        given,
        # What data must have, and what may be in data or in a source.
        [*parsed.variables, *_names(labeled, options.offset, options.exposure)],
        [*_names(options.weights, options.labeling_prob, options.strata), *fixed],
        on,
    )
    if isinstance(target, LevelScore):
        parsed = replace(parsed, without_constant=target.has_own_constant)
        left = parsed.left
        data, given, target = code_frames(data, given, parsed.response, left, target)
    with noting() as noted:
        data, given = settle_rare_levels(
            data, given, parsed, labeled, options.rare_levels
        )
    labeling_prob, strata = options.labeling_prob, options.strata
    if np.isscalar(labeling_prob) and not isinstance(labeling_prob, str):
        by_row["labeling_prob"] = None
    data, named = with_columns(data, **by_row)
    frames = align_frames(
        data,
        given,
        parsed.response,
        parsed.regressors,
        parsed.uses,
        on=on,
        labeled=labeled,
        weights=named.get("weights"),
        extra=[named[key] for key in ("offset", "exposure") if key in named],
        missing=options.missing,
        others=[
            further_columns(frame, unit_keys(on), where) for where, frame in framed
        ],
    )
    learned, labels, sources = evaluate_frames(
        parsed, frames, named.get("offset"), named.get("exposure")
    )
    target = with_columns_of_terms(target, learned)
    auxiliary = read_columns(
        options.auxiliary,
        parsed,
        frames,
        namespace=namespace,
        on=on,
        missing=options.missing,
    )
    mask = np.zeros(len(frames.units), dtype=bool)
    mask[frames.labeled_rows] = True
    columns = frames.columns
    if "labeling_prob" in named:
        # Only labelled units need one.
        name = named["labeling_prob"]
        label = option_label("labeling_prob", name)
        labeling_prob = columns.values(name, label).to_numpy()
    if "strata" in named:
        name = named["strata"]
        strata = columns.complete(name, option_label("strata", name)).to_numpy()
    labeling, lacking = None, columns.lacking(mask)
    if labeling_prob is not None and lacking.any():
        # These could not have been labelled, nor counted if they were.
        labeling = find_labeling(labeling_prob, strata, mask, frames.units, lacking)
    absorbed = outcomes = None
    if fixed:
        labeling = labeling or find_labeling(labeling_prob, strata, mask, frames.units)
        refuse_unknown_exog(frames, text, drops_levels=options.rare_levels == "drop")
        labels, sources, absorbed, outcomes = _absorbed(
            text, fixed, frames, learned, labels, sources, labeling
        )
    aligned = align_arrays(
        labels.endog,
        labels.exog,
        mask,
        target,
        replace(
            options,
            proxy={s.name: s for s in sources if s.kind == "proxy"},
            synthetic={s.name: s for s in sources if s.kind == "synthetic"},
            weights=frames.weights,
            offset=labels.offset,
            exposure=labels.exposure,
            labeling_prob=labeling_prob,
            strata=strata,
            auxiliary=auxiliary,
            hasconst=False if fixed else options.hasconst,
            # Outcomes are codes from here on, which only the told score knows.
            score=target if target.has_levels else options.score,
        ),
        labeling=labeling,
        units=frames.units,
        learned=learned,
    )
    # Units that only a source has could not have been labelled.
    eligible = ~lacking
    eligible[len(columns.data) :] = False
    return replace(
        aligned,
        design=with_frame(aligned.design, eligible).with_outcomes(outcomes),
        n_incomplete=frames.n_incomplete,
        columns=columns,
        frame=data,
        absorbed=absorbed,
        cautions=(*noted, *aligned.cautions),
    )


def _absorbed(
    text: str,
    names: Sequence[str],
    frames: AlignedFrames,
    learned: LearnedFormula,
    labels: Labels,
    sources: Sequence[SourceArrays],
    labeling: Labeling,
) -> tuple[Labels, list[SourceArrays], Absorbed, WithinLabels]:
    """Labels and sources less what is constant in groups."""
    borrows = [_borrows(source, learned.parsed) for source in frames.sources]
    endog, exog, done, absorbed, outcomes = absorb(
        text,
        names,
        frames,
        (labels.endog, labels.exog),
        list(zip(sources, borrows, strict=True)),
        learned.exog_of_data(),
        labeling,
    )
    return labels._replace(endog=endog, exog=exog), done, absorbed, outcomes


def _names(*options: Any) -> list[str]:
    """Columns that options name."""
    return [value for value in options if isinstance(value, str)]


def _pandas_frames(
    data: Any,
    given: Sequence[GivenSource],
    required: list[str],
    optional: list[str],
    on: On,
) -> tuple[pd.DataFrame, list[GivenSource]]:
    """Frames of other libraries as pandas, with the columns that are needed now."""
    keys = unit_keys(on)
    wanted = [*keys, *required, *optional]
    replacing = [name for source in given for name in source.named]
    data = to_pandas(
        data, [*wanted, *replacing], [*keys, *required, *replacing], "data"
    )
    sources = []
    for source in given:
        frame = source.frame
        if frame is not None:
            # It must have some variable, and need not have them all.
            useful = not set(required).isdisjoint(names_of_columns(frame))
            needs = keys if useful else required
            frame = to_pandas(frame, wanted, needs, f"Source {source.name!r}")
        sources.append(replace(source, frame=frame))
    return data, sources


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
    """Learn the formula on data and evaluate it on the labels and every source."""
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
    """Error for data without a labelled unit."""
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
    """Evaluate a formula that was learned elsewhere, on a part of the frames."""
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

"""
Frames of R, matched by unit: which rows belong together, and what each unit has.

R sends the columns that are asked for, and gets positions: it takes the rows of its own
frames, with classes that only R knows, and evaluates its formula on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Positions
from statsmodels_synth.core.messages import count, format_units, option_label
from statsmodels_synth.data.absorbing import numbered_groups, refuse_unknown_exog
from statsmodels_synth.data.forms import GivenSource
from statsmodels_synth.data.formula.uses import ColumnUses
from statsmodels_synth.data.frames import AlignedFrames, align_frames, keyed_by
from statsmodels_synth.data.from_frames import no_label
from statsmodels_synth.data.labeling import find_labeling
from statsmodels_synth.data.rare_levels import check_rare_levels, settle_rare_levels
from statsmodels_synth.exceptions import AlignmentError, DataError
from statsmodels_synth.r.columns import (
    LABEL_SEPARATOR,
    TIMES,
    alike,
    kind_of,
    read_column,
    refuse_other_keys,
    refuse_other_kinds,
    split_text,
    whole_numbers,
)
from statsmodels_synth.r.row_names import NumberedFrame, refuse_row_names

Arguments = dict[str, Any]


def align(arguments: Arguments) -> Arguments:
    """Positions of labelled rows and of the rows of sources, and columns of units."""
    on = arguments["on"]
    data = read_frame(arguments["data"], on)
    given = [_read_source(source, on) for source in arguments["sources"]]
    if on is None:
        _refuse_row_names(arguments, data, given)
    else:
        _refuse_keys(arguments, given)
    data, given, kept = _of_subset(arguments, data, given)
    plain = data, given
    data, given, rare = _without_rare_levels(arguments, data, given)
    frames = _aligned(arguments, data, given)
    _refuse_kinds(arguments, plain, rare)
    mask = np.zeros(len(frames.units), dtype=bool)
    mask[frames.labeled_rows] = True
    return {
        "units": labels_to_r(frames.units),
        "rows": frames.labeled_rows + 1,
        "n_incomplete": frames.n_incomplete,
        "sources": [
            {
                "rows": (s.rows if own is None else own[s.rows]) + 1,
                "units": s.units + 1,
                "dropped": s.n_dropped,
            }
            for s, own in zip(frames.sources, kept, strict=True)
        ],
        "rare": rare,
        "eligible": _eligible(frames, mask).astype(np.intp),
        **_of_units(arguments, frames, mask),
    }


def unit_ids(arguments: Arguments) -> Arguments:
    """Labels of the rows of one frame, each a unit of its own."""
    frame = read_frame(arguments["data"], arguments["on"])
    where = arguments["where"][0]
    frame = keyed_by(frame, on_of(arguments), where)
    _refuse_repeated(frame.index, where)
    return {"units": labels_to_r(frame.index)}


def on_of(arguments: Arguments) -> Any:
    """The column that identifies units, or several."""
    on = arguments["on"]
    return on[0] if on is not None and len(on) == 1 else on


def _refuse_repeated(index: pd.Index, where: str = "data") -> None:
    twice = index[index.duplicated()].unique()
    if len(twice):
        raise AlignmentError(
            f"{where} has more than one row for {count(len(twice), 'unit')} "
            f"({format_units(twice)}). Keep one row per unit."
        )


def labels_to_r(units: pd.Index) -> Any:
    """
    Labels of units: numbers, or text in one string.

    Shapes: `units` (T,).
    """
    whole = units.nlevels == 1 and pd.api.types.is_integer_dtype(units.dtype)
    if whole and np.all(np.abs(units.to_numpy()) < 2**31):
        return units.to_numpy()
    return LABEL_SEPARATOR.join(texts_of(units))


def texts_of(units: pd.Index) -> list[str]:
    """
    Labels of units as text, numbers with all their digits.

    Shapes: `units` (T,).
    """
    if units.nlevels > 1:
        parts = [texts_of(units.get_level_values(k)) for k in range(units.nlevels)]
        return list(map(", ".join, zip(*parts, strict=True)))
    if pd.api.types.is_float_dtype(units.dtype):
        return [f"{value:.15g}" for value in units]
    return [str(value) for value in units]


def read_frame(given: Arguments, on: Sequence[str] | None) -> pd.DataFrame:
    """A frame, by its row names where no column identifies units."""
    n_rows = int(given["n_rows"][0])
    columns = {
        name: read_column(column, n_rows) for name, column in given["columns"].items()
    }
    frame = pd.DataFrame(columns, index=range(n_rows), copy=False)
    for name in on or ():
        if name in frame:
            key = frame[name]
            categories = isinstance(key.dtype, pd.CategoricalDtype)
            frame[name] = key.astype(object) if categories else whole_numbers(key)
    if on is None:
        names = given["row_names"]
        text = isinstance(names, list)
        index = pd.Index(
            split_text(names) if text else names, dtype=object if text else None
        )
        # Named alike: what R's numbers say was looked at before.
        frame.index = index.rename(None if text else "row")
    return frame


def read_values(given: Arguments, on: Sequence[str] | None) -> pd.DataFrame:
    """The same as numbers and text: TRUE and FALSE are numbers, and times are none."""
    frame = read_frame(given, on)
    for name, column in given["columns"].items():
        if name in (on or ()) or column is None:
            continue
        if kind_of(column) == "logical":
            frame[name] = column["logical"]
        elif kind_of(column) in TIMES:
            frame[name] = frame[name].astype(object)
    return frame


def _read_source(given: Arguments, on: Sequence[str] | None) -> GivenSource:
    frame = None if given["frame"] is None else read_frame(given["frame"], on)
    columns = {name: column[0] for name, column in dict(given["columns"]).items()}
    return GivenSource(given["name"][0], given["kind"][0], frame, columns)


def _refuse_keys(arguments: Arguments, given: Sequence[GivenSource]) -> None:
    for source, sent in zip(given, arguments["sources"], strict=True):
        if source.frame is not None:
            own = sent["frame"]["columns"]
            where = f"source {source.name!r}"
            refuse_other_keys(arguments["data"]["columns"], own, arguments["on"], where)


def _refuse_row_names(
    arguments: Arguments, data: pd.DataFrame, given: Sequence[GivenSource]
) -> None:
    """Raise if row names do not say which rows belong together."""
    framed = [("data", data, arguments["data"])]
    framed += [
        (f"source {source.name!r}", source.frame, sent["frame"])
        for source, sent in zip(given, arguments["sources"], strict=True)
        if source.frame is not None
    ]
    numbered = []
    for where, frame, sent in framed:
        sent_columns = [
            n for n, column in sent["columns"].items() if column is not None
        ]
        own = frame[sent_columns].rename_axis(index=None)
        factors = own.select_dtypes("category").columns
        own = own.astype(dict.fromkeys(factors, object))
        flags = (bool(sent[name][0]) for name in ("automatic", "counted"))
        numbered.append(NumberedFrame(where, own, *flags))
    refuse_row_names(
        numbered[0], numbered[1:], arguments["response"], arguments["regressors"]
    )


def _of_subset(
    arguments: Arguments, data: pd.DataFrame, given: list[GivenSource]
) -> tuple[pd.DataFrame, list[GivenSource], list[Positions | None]]:
    """Rows of data that are kept, and of sources those of other units than are left."""
    subset = arguments["subset"]
    if subset is None:
        return data, given, [None] * len(given)
    on = on_of(arguments)
    keys = keyed_by(data, on).index
    _refuse_repeated(keys)
    left = keys.delete(subset)
    sources: list[GivenSource] = []
    kept: list[Positions | None] = []
    for source in given:
        rows = subset  # of columns of data
        if source.frame is not None:
            own = keyed_by(source.frame, on, f"Source {source.name!r}").index
            rows = np.flatnonzero(~own.isin(left))
            source = replace(source, frame=source.frame.iloc[rows])  # noqa: PLW2901
        sources.append(source)
        kept.append(rows)
    return data.take(subset), sources, kept


def _without_rare_levels(
    arguments: Arguments, data: pd.DataFrame, given: list[GivenSource]
) -> tuple[pd.DataFrame, list[GivenSource], list[Arguments]]:
    """Frames without levels that no label has, and what R has to do alike."""
    how, missing = arguments["rare_levels"][0], arguments["missing"][0]
    check_rare_levels(how, missing)
    if how == "raise":
        return data, given, []
    levels = arguments["levels"]
    data = data.assign(**{n: whole_numbers(data[n]) for n in levels if n in data})
    given = [
        source
        if source.frame is None
        else replace(
            source,
            frame=source.frame.assign(
                **{
                    n: whole_numbers(source.frame[n])
                    for n in levels
                    if n in source.frame
                }
            ),
        )
        for source in given
    ]
    parsed: Any = SimpleNamespace(
        response=arguments["response"],
        regressors=arguments["regressors"],
        text=" + ".join(f"C({name})" for name in levels),
    )
    labeled = _labeled(arguments, data)
    changed, sources = settle_rare_levels(data, given, parsed, labeled, how)
    pairs = [(data, changed)]
    for before, after in zip(given, sources, strict=True):
        pairs.append(
            (before.frame, after.frame)
            if before.frame is not None
            else _stand_ins(before, after, data, changed)
        )
    rare = [_changed(name, pairs) for name in arguments["regressors"]]
    return changed, sources, [what for what in rare if what is not None]


def _stand_ins(
    before: GivenSource, after: GivenSource, data: pd.DataFrame, changed: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Columns of data that stand in for variables, under the names of these."""
    own = {name: data[column] for name, column in before.columns.items()}
    new = {name: changed[column] for name, column in after.columns.items()}
    return pd.DataFrame(own), pd.DataFrame(new)


def _changed(name: str, pairs: Sequence[tuple[Any, Any]]) -> Arguments | None:
    """Levels of a variable that became another one, or none."""
    levels: dict[str, None] = {}
    target = None
    for before, after in pairs:
        if name not in before:
            continue
        own, new = before[name].astype(object), after[name].astype(object)
        rows = own.notna() & (new.isna() | (own != new))
        levels |= dict.fromkeys(map(_as_in_r, own[rows]))
        if rows.any() and new[rows].notna().any():
            target = [_as_in_r(new[rows].iloc[0])]
    return {"name": name, "levels": list(levels), "target": target} if levels else None


def _as_in_r(value: Any) -> str:
    return str(value).upper() if isinstance(value, (bool, np.bool_)) else str(value)


def _labeled(arguments: Arguments, data: pd.DataFrame) -> Any:
    """What `labeled` says, by row; a name is one of a column."""
    given = arguments["labeled"]
    if given is None or isinstance(given, list):
        return None if given is None else given[0]
    subset = arguments["subset"]
    values = read_column(given["values"], len(data)).to_numpy()
    return values if subset is None else values[subset]


@contextmanager
def _naming(option: str, column: str | None) -> Iterator[None]:
    """Say the column of an option in errors that name the option alone."""
    try:
        yield
    except DataError as error:
        if column is None or column.startswith("("):
            raise
        pattern = rf"^{option}=?(?= )"
        text = re.sub(pattern, lambda _: option_label(option, column), str(error))
        raise type(error)(text) from error


def _options(arguments: Arguments) -> dict[str, str]:
    """Columns that options name; a list without names crosses as a list."""
    return {name: column[0] for name, column in dict(arguments["options"]).items()}


def _aligned(
    arguments: Arguments, data: pd.DataFrame, given: list[GivenSource]
) -> AlignedFrames:
    """Complete rows, by unit."""
    bare = frozenset(arguments["bare"])
    response, regressors = arguments["response"], arguments["regressors"]
    others = {*response, *regressors} - bare
    data = _finite(data, others)
    given = [
        source
        if source.frame is None
        else replace(source, frame=_finite(source.frame, others))
        for source in given
    ]
    labeled = _labeled(arguments, data)
    with _naming("labeled", labeled if isinstance(labeled, str) else None):
        frames = align_frames(
            data,
            given,
            response,
            regressors,
            ColumnUses(outcome=frozenset(response), operands=bare),
            on=on_of(arguments),
            labeled=labeled,
            weights=_options(arguments).get("weights"),
            missing=arguments["missing"][0],
        )
    if not len(frames.labeled_rows):
        raise no_label(frames.data.isna().mean())
    return frames


def _finite(frame: pd.DataFrame, names: set[str]) -> pd.DataFrame:
    """Finite numbers where only functions see them, as in 1 / x, which R evaluates."""
    made = {
        name: frame[name].where(~np.isinf(frame[name]), 0.0)
        for name in names.intersection(frame.columns)
        if frame[name].dtype == np.float64 and np.isinf(frame[name]).any()
    }
    return frame.assign(**made) if made else frame


def _refuse_kinds(
    arguments: Arguments,
    plain: tuple[pd.DataFrame, list[GivenSource]],
    rare: Sequence[Arguments],
) -> None:
    """Raise if a source's column is of another kind than the one of data."""
    data, given = plain
    sent = arguments["data"]["columns"]
    settled = {what["name"] for what in rare}
    for name in dict.fromkeys([*arguments["response"], *arguments["regressors"]]):
        if name in settled:
            continue
        for source, own in zip(given, arguments["sources"], strict=True):
            column, its = None, None
            if name in source.columns:
                column, its = data[source.columns[name]], sent[source.columns[name]]
            elif source.frame is not None and name in source.frame:
                column, its = source.frame[name], own["frame"]["columns"][name]
            if column is None:
                continue
            kinds = kind_of(sent[name]), kind_of(its)
            if alike(data[name], column, kinds):
                continue
            frame = data if source.frame is None else source.frame
            where = f"Source {source.name!r}"
            column = column.set_axis(keyed_by(frame, on_of(arguments), where).index)
            refuse_other_kinds(data[name], column, kinds, where)


def _eligible(frames: AlignedFrames, mask: Bools) -> Bools:
    """
    Units that could have been labelled: of data, with what all are observed in.

    Shapes: `mask` (T,) -> (T,).
    """
    eligible: Bools = ~frames.columns.lacking(mask)
    eligible[len(frames.data) :] = False
    return eligible


def _of_units(arguments: Arguments, frames: AlignedFrames, mask: Bools) -> Arguments:
    """Columns with one value per unit: numbers, or codes of what is told apart."""
    found: Arguments = {"weights": frames.weights, "clusters": None}
    options = _options(arguments)
    columns = frames.columns
    prob = strata = None
    if "labeling_prob" in options:
        label = option_label("labeling_prob", options["labeling_prob"])
        prob = columns.values(options["labeling_prob"], label)
        found["labeling_prob"] = prob.to_numpy(dtype=float)
    if "strata" in options:
        label = option_label("strata", options["strata"])
        strata = columns.complete(options["strata"], label).to_numpy()
    lacking = columns.lacking(mask)
    with _naming("labeling_prob", options.get("labeling_prob")):
        find_labeling(found.get("labeling_prob"), strata, mask, frames.units, lacking)
    for option in ("strata", "cluster", "survey_strata"):
        if option in options:
            label = option_label(option.replace("_", " "), options[option])
            values = columns.complete(options[option], label)
            codes, known = pd.factorize(values)
            found[option] = codes + 1
            if option == "cluster":
                found["clusters"] = labels_to_r(
                    pd.Index(whole_numbers(pd.Series(known)))
                )
    if "survey_fpc" in options:
        label = "fpc of survey"
        found["survey_fpc"] = columns.complete(options["survey_fpc"], label).to_numpy()
    found["fixed"] = [
        numbered_groups(columns.complete(name, f"fixed effect={name!r}").to_numpy())[0]
        + 1
        for name in arguments["fixed"]
    ]
    if arguments["fixed"]:
        refuse_unknown_exog(frames, arguments["text"][0])
    found["values"] = [
        _unit_column(columns.values(name, option_label("auxiliary", name)))
        for name in arguments["values"]
    ]
    return found


def _unit_column(values: pd.Series) -> Any:
    """
    Numbers, or codes and their levels.

    Shapes: `values` (T,).
    """
    if pd.api.types.is_numeric_dtype(values.dtype):
        return {"numbers": values.to_numpy(dtype=float)}
    codes, known = pd.factorize(values)
    return {"codes": codes + 1, "levels": list(map(str, known))}

"""From a formula and data frames to the arguments of the array interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth._process import with_one_blas_thread
from statsmodels_synth.columns import check_frame, with_columns
from statsmodels_synth.evaluate import evaluate_frames
from statsmodels_synth.exceptions import option_label
from statsmodels_synth.frame_kinds import (
    is_other_frame,
    names_of_columns,
    to_pandas,
)
from statsmodels_synth.frames import (
    On,
    align_frames,
    unit_keys,
)
from statsmodels_synth.given_sources import GivenSource, given_sources
from statsmodels_synth.options import Engine, Missing
from statsmodels_synth.parsing import read_formula
from statsmodels_synth.unit_columns import UnitColumns


@dataclass(frozen=True)
class ConstructorArguments:
    """
    What the constructor needs, and what a model made from frames keeps.

    Parameters
    ----------
    keywords : dict
        Arguments of :class:`~statsmodels_synth.AugmentedGMM`.
    columns : UnitColumns
        Further columns of the units.
    data : DataFrame
        Data, with a column for every option that was given as an array.
    n_incomplete : int
        Rows with an outcome that lack another variable.
    """

    keywords: dict[str, Any]
    columns: UnitColumns
    data: pd.DataFrame
    n_incomplete: int


def any_partitioned(data: object, proxy: object, synthetic: object) -> bool:
    """
    Whether rows are in Dask, or in Parquet files, rather than in memory.

    Parameters
    ----------
    data, proxy, synthetic : object
        What was given. Text is a path as `data`; as a source it is the name of a column
        unless it ends like a Parquet file (see :func:`is_path`).

    Returns
    -------
    bool
        True if one of them is a Dask DataFrame or a path.
    """
    inner = [
        own
        for value in (proxy, synthetic)
        if isinstance(value, Mapping)
        for own in value.values()
    ]
    return isinstance(data, str) or any(
        is_path(value) or type(value).__module__.startswith("dask.")
        for value in (data, proxy, synthetic, *inner)
    )


def is_path(value: object) -> bool:
    """
    Whether a source is the path of Parquet files.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    bool
        True for a ``pathlib.Path``, for text that ends in ".parquet", ".pq" or "/", for
        a URL, and for a list of these.

    Examples
    --------
    >>> is_path("llm.parquet"), is_path("s3://bucket/llm"), is_path("polite_llm")
    (True, True, False)
    """
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(is_path, value))
    if isinstance(value, str):
        return value.endswith((".parquet", ".pq", "/")) or "://" in value
    return isinstance(value, Path)


@with_one_blas_thread
def constructor_arguments(
    formula: str,
    data: Any,
    proxy: Any,
    synthetic: Any,
    *,
    namespace: dict[str, Any],
    engine: Engine | None,
    on: On,
    labeled: Any,
    labeling_prob: Any,
    strata: Any,
    weights: Any,
    offset: Any,
    exposure: Any,
    missing: Missing,
) -> ConstructorArguments:
    """
    Match frames by unit, evaluate the formula on each, and collect arrays.

    Parameters
    ----------
    formula : str
        See :meth:`AugmentedGMM.from_formula`, as all but `namespace`.
    data : DataFrame or Table
        Rows with human labels, or all units.
    proxy, synthetic : DataFrame, Table, mapping or None
        Sources.
    namespace : dict
        Functions and constants of the calling code.
    engine : {"patsy", "formulaic"} or None
        Formula engine.
    on : str or sequence of str or None
        Column that identifies units.
    labeled, labeling_prob, strata, weights, offset, exposure : str or array_like
        Columns or values; None where not given.
    missing : {"drop", "raise"}
        What to do with incomplete rows.

    Returns
    -------
    ConstructorArguments
        All but family.
    """
    given = given_sources(proxy, synthetic)
    if not is_other_frame(data):
        check_frame(data)
    originals = [data, *(s.frame for s in given if s.frame is not None)]
    known = {str(name) for frame in originals for name in names_of_columns(frame)}
    parsed = read_formula(formula, known, namespace, engine)
    data, given = _pandas_frames(
        data,
        given,
        # What data must have, and what may be in data or in a source.
        [*parsed.variables, *_names(labeled, offset, exposure)],
        _names(weights, labeling_prob, strata),
        on,
    )
    number = np.isscalar(labeling_prob) and not isinstance(labeling_prob, str)
    data, named = with_columns(
        data,
        weights=weights,
        offset=offset,
        exposure=exposure,
        labeling_prob=None if number else labeling_prob,
        strata=strata,
    )
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
        missing=missing,
        others=[frame if is_other_frame(frame) else None for frame in originals],
    )
    learned, labels, sources = evaluate_frames(
        parsed, frames, named.get("offset"), named.get("exposure")
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
    keywords = {
        "endog": labels.endog,
        "exog": labels.exog,
        "proxy": {s.name: s for s in sources if s.kind == "proxy"},
        "synthetic": {s.name: s for s in sources if s.kind == "synthetic"},
        "labeled": mask,
        "weights": frames.weights,
        "offset": labels.offset,
        "exposure": labels.exposure,
        "missing": missing,
        "labeling_prob": labeling_prob,
        "strata": strata,
        "learned": learned,
        "unit_index": frames.units,
    }
    return ConstructorArguments(keywords, columns, data, frames.n_incomplete)


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
    replacing = [name for source in given for name in source.columns.values()]
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

"""From a formula and data frames to the arguments of the array interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.columns import check_frame, with_columns
from statsmodels_synth.evaluate import evaluate_frames
from statsmodels_synth.exceptions import option_label
from statsmodels_synth.frames import On, align_frames, given_sources
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
        What was given. In a mapping of sources text is the name of a column, and a
        path is a ``pathlib.Path``.

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
    return any(isinstance(value, str) for value in (data, proxy, synthetic)) or any(
        isinstance(value, Path) or type(value).__module__.startswith("dask.")
        for value in (data, proxy, synthetic, *inner)
    )


def constructor_arguments(
    formula: str,
    data: pd.DataFrame,
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
    data : DataFrame
        Rows with human labels, or all units.
    proxy, synthetic : DataFrame or mapping or None
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
    check_frame(data)
    number = np.isscalar(labeling_prob) and not isinstance(labeling_prob, str)
    data, named = with_columns(
        data,
        weights=weights,
        offset=offset,
        exposure=exposure,
        labeling_prob=None if number else labeling_prob,
        strata=strata,
    )
    parsed = read_formula(
        formula,
        set(map(str, data.columns)).union(
            *(map(str, s.frame.columns) for s in given if s.frame is not None)
        ),
        namespace,
        engine,
    )
    frames = align_frames(
        data,
        given,
        parsed.response,
        parsed.regressors,
        on=on,
        labeled=labeled,
        weights=named.get("weights"),
        extra=[named[key] for key in ("offset", "exposure") if key in named],
        missing=missing,
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

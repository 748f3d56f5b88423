"""One label of the codes of several people, for R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Positions
from statsmodels_synth.data.coders import Coders, Coding, collapse
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.problem import scores
from statsmodels_synth.r.convert import frame_columns
from statsmodels_synth.r.frames import on_of, read_values

Arguments = dict[str, Any]


def collapse_coders(arguments: Arguments) -> Arguments:
    """
    Columns with one value per unit, and the table of the coders' agreement.

    A column comes back as the rows of R that have its values; means as numbers.
    """
    on, coder = arguments["on"], arguments["coder"]
    if on is None:
        raise DataError(
            "coder needs ids: several rows are of one unit. Name the column of the id "
            "in on."
        )
    rows = read_values(arguments["data"], on)
    rows.index += 1  # as R numbers them
    coder = coder[0] if len(coder) == 1 else coder
    found = collapse(rows, coder, on_of(arguments), _coding(arguments))
    return {
        "columns": {
            name: _label(found.data[name], rows[name], found.units)
            for name in found.data
        },
        "table": frame_columns(found.coders.table),
        "left_out": list(found.coders.left_out),
    }


def read_coders(given: Arguments | None) -> Coders | None:
    """The agreement of coders as R has kept it."""
    if given is None:
        return None
    columns = {
        name: values if isinstance(values, list) else np.asarray(values)
        for name, values in given["table"].items()
    }
    table = pd.DataFrame(columns).set_index("variable")
    return Coders(table, tuple(given["left_out"]))


def _coding(arguments: Arguments) -> Coding:
    """How codes become labels."""
    asked = arguments["coding"]
    if asked is not None:
        by_name = asked["names"] is not None
        asked = (
            dict(zip(asked["names"], asked["how"], strict=True))
            if by_name
            else asked["how"][0]
        )
    fixed = arguments["fixed"]
    score = arguments["score"]
    return Coding(
        asked,
        arguments["formula"][0],
        # A family, and linear regression with fixed effects, have no score of a name.
        score is None or bool(getattr(scores, score[0]).is_linear_in_outcome),
        bool(arguments["has_levels"][0]),
        {} if fixed is None else dict(zip(fixed["names"], fixed["what"], strict=True)),
    )


def _label(label: pd.Series, codes: pd.Series, units: Positions) -> Arguments:
    """Rows with the label of each unit, or the labels where no row has them."""
    kinds, levels = pd.factorize(codes)
    has = 1 + units * (len(levels) + 1) + kinds
    own = pd.Index(levels).get_indexer(pd.Index(label))
    wanted = 1 + np.arange(len(label)) * (len(levels) + 1) + own
    known, first = np.unique(has, return_index=True)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    if np.array_equal(known[place], wanted):
        return {"rows": first[place] + 1}
    return {"values": label.to_numpy(dtype=float)}

"""One label of the codes of several people, for R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.data.coders import Coders, Coding, collapse
from statsmodels_synth.problem import scores
from statsmodels_synth.r.convert import frame_columns

Arguments = dict[str, Any]


def collapse_coders(arguments: Arguments) -> Arguments:
    """
    Labels of the columns that R has sent, and the table of the coders' agreement.

    Numbers come back as numbers, others as codes of the levels, 0 where there is none.
    """
    names = arguments["column_names"] or []
    columns = dict(zip(names, arguments["columns"], strict=True))
    keys = dict(zip(arguments["key_names"], arguments["keys"].values(), strict=True))
    rows = pd.DataFrame(
        {
            **{name: _column(given) for name, given in keys.items()},
            arguments["coder_name"][0]: _column(arguments["coder"]),
            **{name: _column(given) for name, given in columns.items()},
        }
    )
    rows.index += 1  # as R numbers them
    on = list(keys)
    found = collapse(
        rows,
        arguments["coder_name"][0],
        on[0] if len(on) == 1 else on,
        _coding(arguments),
    )
    return {
        "labels": [
            _label(pd.Series(found.data[name]), given) if name in found.data else None
            for name, given in columns.items()
        ],
        "table": frame_columns(found.coders.table),
    }


def read_coders(given: Arguments | None) -> Coders | None:
    """The agreement of coders as R has kept it."""
    if given is None:
        return None
    columns = {
        name: values if isinstance(values, list) else np.asarray(values)
        for name, values in given.items()
    }
    return Coders(pd.DataFrame(columns).set_index("variable"))


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


def _column(given: Arguments) -> Any:
    """Numbers, or text where there are levels."""
    if given.get("levels") is None and given.get("codes") is None:
        return given["values"]
    levels = np.array([None, *(given["levels"] or [])], dtype=object)
    return levels[given["codes"]]


def _label(label: pd.Series, given: Arguments) -> Arguments:
    if given.get("codes") is None:
        return {"values": label.to_numpy(dtype=float)}
    place = {level: k + 1 for k, level in enumerate(given["levels"] or [])}
    codes = [place.get(value, 0) for value in label.astype(object)]
    return {"codes": np.array(codes, dtype=np.intp)}

"""Which units to label, for R: it sends ids, codes and numbers, and gets a draw."""

from __future__ import annotations

from typing import Any

import pandas as pd

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.options import check_count
from statsmodels_synth.model.drawing import draw_from
from statsmodels_synth.model.drawn_from import Request
from statsmodels_synth.r.analyses import AGAIN, Arguments
from statsmodels_synth.r.augmented import fitted_before, unit_labels
from statsmodels_synth.sampling.pilots import doubts

#: Columns of one value per unit that R may send.
_COLUMNS = ("strata", "clusters", "balance")


def draw_labels(arguments: Arguments) -> Arguments:
    """Draw the units that people shall label."""
    result = None
    if arguments["token"] is not None:
        result = fitted_before(arguments)
        if result is None:
            return AGAIN
    is_pilot = bool(arguments["is_pilot"][0])
    check_count("n", int(arguments["n"][0]))
    number = int(arguments["n_units"][0])
    ids = unit_labels(arguments["units"], number)
    table = pd.DataFrame(index=ids)
    named: dict[str, str | None] = dict.fromkeys(_COLUMNS)
    for name in _COLUMNS:
        if arguments[name] is not None:
            table[name], named[name] = arguments[name], name
    columns: list[str] = []
    if (auxiliary := arguments["auxiliary"]) is not None:
        columns = [f"auxiliary {j + 1}" for j in range(auxiliary.shape[1])]
        table[columns] = auxiliary

    def by_proxies(frame: Any) -> tuple[Any, Floats]:
        del frame
        return result, doubts(arguments["outcomes"])

    request = Request(
        arguments["terms"],
        None,
        None,
        named["strata"],
        named["clusters"],
        columns or None,
        named["balance"],
        None,
        {},
        None if is_pilot or result is None else by_proxies,
    )
    design, seed = arguments["design"][0], arguments["seed"]
    request.check(design, has_pilot=is_pilot)
    found = draw_from(
        table,
        ids,
        int(arguments["n"][0]),
        design,
        request,
        result if is_pilot else None,
        None if seed is None else int(seed[0]),
    )
    return {
        "labeled": found["labeled"].to_numpy() if is_pilot else None,
        "drawn": found["drawn"].to_numpy(),
        "labeling_prob": found["labeling_prob"].to_numpy(),
        "seed": found.attrs["seed"],
        "gain": float(found.attrs["gain"]),
    }

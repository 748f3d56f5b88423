"""Frames of the diagnostics as tables for people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from statsmodels.iolib.table import SimpleTable


def frame_table(frame: pd.DataFrame, title: str) -> SimpleTable:
    """A frame as a table of statsmodels; the levels of its index are the stub."""
    stubs = [
        ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
        for key in frame.index
    ]
    rows = [[_cell(value) for value in row] for row in frame.to_numpy(dtype=object)]
    return SimpleTable(rows, [str(c) for c in frame.columns], stubs, title=title)


def _cell(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return "-" if np.isnan(value) else f"{value:.4g}"
    return str(value)

"""
Rows that do not fit in memory, or are on other machines: Dask.

Dask is imported only when :meth:`AugmentedGMM.from_formula` is given a Dask DataFrame
or the path of Parquet files. It is the extra ``dask``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from statsmodels_synth.core.messages import install


def partitioned() -> Callable[..., dict[str, Any]]:
    """What turns Dask frames and paths into the constructor's arguments."""
    try:
        # Imported only where it is in use.
        from statsmodels_synth.data.dask.construct import (  # noqa: PLC0415
            partitioned_arguments,
        )
    except ModuleNotFoundError as error:
        raise ImportError(
            "Paths of Parquet files and Dask DataFrames need Dask with its DataFrames: "
            f"{install('dask')}. (Files of another kind can be read with pandas, such "
            "as pandas.read_csv.)"
        ) from error
    return partitioned_arguments

"""
Rows that do not fit in memory, or are on other machines: Dask.

Dask is imported only when :meth:`AugmentedGMM.from_formula` is given a Dask DataFrame
or the path of Parquet files. It is the extra ``dask``.
"""

from __future__ import annotations

from collections.abc import Callable

from statsmodels_synth.core.messages import install
from statsmodels_synth.data.arrays import AlignedProblem


def partitioned() -> Callable[..., AlignedProblem]:
    """What turns Dask frames and paths into an aligned problem."""
    try:
        # Imported only where it is in use.
        from statsmodels_synth.data.dask.construct import (  # noqa: PLC0415
            align_partitions,
        )
    except ModuleNotFoundError as error:
        raise ImportError(
            "Paths of Parquet files and Dask DataFrames need Dask with its DataFrames: "
            f"{install('dask')}. (Files of another kind can be read with pandas, such "
            "as pandas.read_csv.)"
        ) from error
    return align_partitions

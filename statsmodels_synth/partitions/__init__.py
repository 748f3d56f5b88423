"""
Rows that do not fit in memory, or are on other machines: Dask.

Imported only when :meth:`AugmentedGMM.from_formula` is given a Dask DataFrame or the
path of Parquet files. Needs the extra ``dask``.
"""

from statsmodels_synth.partitions.construct import partitioned_arguments

__all__ = ["partitioned_arguments"]

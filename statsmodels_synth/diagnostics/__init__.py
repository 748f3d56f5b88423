"""Diagnostics of a result: whether its sources are to be trusted."""

from statsmodels_synth.diagnostics.diagnose import Diagnostics, diagnose

__all__ = ["Diagnostics", "diagnose"]

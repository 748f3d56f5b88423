"""Tests of statsmodels_synth."""

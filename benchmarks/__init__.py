"""Benchmarks: run with ``python -m benchmarks.speed``; no part of the test suite."""

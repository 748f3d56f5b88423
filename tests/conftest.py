"""Settings for all tests."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import HealthCheck, settings
import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")
# Fits take milliseconds, but the first one imports much; a deadline would fail at
# random. Deterministic, so that CI never finds what nobody can repeat.
settings.register_profile(
    "project",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("project")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that draws from NumPy's global generator."""
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    yield
    after = np.random.get_state()[1]  # noqa: NPY002
    if not np.array_equal(before, after):
        pytest.fail(f"{item.name} used NumPy's global generator")

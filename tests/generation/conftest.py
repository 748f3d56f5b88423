"""Nothing of a test is left in the process: connections, nor threads of a runner."""

from __future__ import annotations

from collections.abc import Iterator
import threading
import time
from typing import Any

import pytest

from statsmodels_synth.generation import OpenAIModel

#: Seconds that calls under way may take to give up.
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait for the runner's threads, and close clients: else later tests hear them."""
    made: list[Any] = []
    connect = OpenAIModel._connect

    def recorded(model: OpenAIModel) -> Any:
        made.append(connect(model))
        return made[-1]

    monkeypatch.setattr(OpenAIModel, "_connect", recorded)
    yield
    end = time.monotonic() + PATIENCE
    for thread in threading.enumerate():
        if thread.name.startswith("generation"):
            thread.join(max(end - time.monotonic(), 0.0))
    for client in made:
        client.close()

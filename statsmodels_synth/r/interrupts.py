"""
Who handles Ctrl-C: R, except while Python computes.

There are two handlers. The one in C decides what happens when the signal comes, and
R's (or reticulate's in its place) must be there whenever R runs. The one in Python is
what Python runs later, between two of its instructions. reticulate's handler in C
notifies both, so that an interrupt that R has dealt with is still due when Python is
next called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
import os
import signal
from types import FrameType
from typing import Any

#: Larger than struct sigaction is anywhere.
_SIGACTION_SIZE = 1024


@contextmanager
def r_handles_interrupts() -> Iterator[None]:
    """Put the handler in C back, whatever is done to it within."""
    if os.name != "posix":
        yield
        return
    # Python's signal module knows only handlers of Python.
    sigaction = ctypes.CDLL(None, use_errno=True).sigaction
    kept = ctypes.create_string_buffer(_SIGACTION_SIZE)
    sigaction(int(signal.SIGINT), None, kept)
    try:
        yield
    finally:
        sigaction(int(signal.SIGINT), kept, None)


@contextmanager
def interrupts_raise() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt within, and leave it to R after."""
    with r_handles_interrupts():
        outside = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, outside)


def forget_stale_interrupts() -> None:
    """Ignore interrupts that are due when R calls, since R has dealt with them."""
    inner = signal.getsignal(signal.SIGINT)

    def outside(signum: int, frame: FrameType | None) -> Any:
        # An exception in rpy2's own frames, before ours, would be lost with the call.
        if frame is None or "rpy2" in frame.f_code.co_filename or not callable(inner):
            return None
        return inner(signum, frame)

    with r_handles_interrupts():
        signal.signal(signal.SIGINT, outside)

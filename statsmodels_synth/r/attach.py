"""
Attach this Python to the R that started it.

R is the host: reticulate starts Python in R's process, and rpy2 finds R running. What
starting rpy2 does to the process beyond that is undone here, since R owns it.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
import os
from typing import Any

from statsmodels_synth.r.interrupts import (
    forget_stale_interrupts,
    r_handles_interrupts,
)

#: Variable of R's global environment in which the dispatcher is handed over. R takes it
#: from there at once.
HANDOVER = ".statsmodelssynth_dispatch"
#: R's closures hold addresses of Python objects, which must live as long as R does.
_KEPT: list[Any] = []


def attach() -> None:
    """Hand the dispatcher over to R."""
    if "R_SESSION_INITIALIZED" not in os.environ:
        raise RuntimeError(
            "R does not run in this process. Load the package statsmodelssynth in R, "
            "or run `python -m statsmodels_synth.r script.R`."
        )
    with r_handles_interrupts(), _environment_kept():
        if find_spec("_rinterface_cffi_api") is None:
            # Not compiled here; rpy2 would find out by itself, and print so.
            os.environ["RPY2_CFFI_MODE"] = "ABI"
        # Not before: they read the environment, and write to it.
        import rpy2.rinterface as ri  # noqa: PLC0415

        from statsmodels_synth.r.dispatcher import dispatch  # noqa: PLC0415

        ri.initr()
    # At exit rpy2 would end R, which has ended Python by then.
    atexit.unregister(ri.endr)
    forget_stale_interrupts()
    closure = ri.rternalize(dispatch)
    _KEPT.append((closure, closure.__sexp__))
    ri.globalenv[HANDOVER] = closure


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Undo what is done to environment variables within."""
    kept = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - kept.keys():
            del os.environ[name]
        for name, value in kept.items():
            if os.environ.get(name) != value:
                os.environ[name] = value

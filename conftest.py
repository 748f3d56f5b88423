"""What applies to the tests and to the doctests of the package."""

from __future__ import annotations

import logging

# It tells of the mode in which it was not built, and of an R that it does not find.
logging.getLogger("rpy2").setLevel(logging.CRITICAL)
#: Modules that cannot be imported, and so have no doctests, where R is missing.
collect_ignore: list[str] = []

try:
    import rpy2.rinterface  # noqa: F401
except (ImportError, ValueError):  # not installed, or it finds no R
    collect_ignore += [
        f"statsmodels_synth/r/{name}.py" for name in ("convert", "dispatcher")
    ]

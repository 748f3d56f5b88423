"""Run an R script with this Python's bridge ready."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import NoReturn

from statsmodels_synth.r.locate import clean_environment, find_r

#: Names the Python that the R package is to start.
PYTHON_VARIABLE = "STATSMODELSSYNTH_PYTHON"


def run_script(script: Path, arguments: Sequence[str]) -> int:
    """Become Rscript: same output, exit code and signals."""
    command = [str(find_r().rscript), str(script), *arguments]
    if os.name != "nt":
        become(command, script_environment())
    return subprocess.run(command, env=script_environment(), check=False).returncode


def become(command: list[str], environment: dict[str, str]) -> NoReturn:
    """Put another program in the place of this process."""
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these signals, and its heir would as well: `... | head` would not
    # end the script.
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execve(command[0], command, environment)


def script_environment() -> dict[str, str]:
    """Return the environment of the script."""
    # A process has one Python. A script that uses reticulate first starts the same.
    names = (PYTHON_VARIABLE, "RETICULATE_PYTHON")
    return clean_environment() | dict.fromkeys(names, sys.executable)

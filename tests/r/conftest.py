"""R for the tests: found, with the package in a library of its own; or a reason."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import subprocess
import sys

import pytest

from statsmodels_synth.r.install import install_source, problems
from statsmodels_synth.r.locate import (
    RInstallation,
    SetUpError,
    ask_r,
    clean_environment,
    find_r,
)

Finished = subprocess.CompletedProcess[str]


def without_r(reason: str) -> None:
    """Skip; where R must be there (CI), fail."""
    reason = reason.partition(". ")[0]  # what to do is for users
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, but R cannot be used. {reason}", pytrace=False)
    pytest.skip(f"R cannot be used. {reason}")


@pytest.fixture(scope="session")
def r_installation() -> RInstallation:
    """R with what the bridge needs."""
    try:
        r = find_r()
        missing = problems(ask_r(r))
    except SetUpError as error:
        missing = [str(error)]
    if missing:
        without_r(missing[0])
    return r


@pytest.fixture(scope="session")
def r_library(
    r_installation: RInstallation, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A library with the R package, installed for this Python."""
    library = tmp_path_factory.mktemp("library")
    install_source(r_installation, library)
    return library


@pytest.fixture(scope="session")
def r_environment(r_library: Path) -> dict[str, str]:
    """Environment in which R finds the package, and the package this Python."""
    libraries = [str(r_library), os.environ.get("R_LIBS", "")]
    return clean_environment() | {
        "R_LIBS": os.pathsep.join(filter(None, libraries)),
        "STATSMODELSSYNTH_PYTHON": sys.executable,
    }


@pytest.fixture(scope="session")
def r_command(r_installation: RInstallation) -> list[str]:
    """Command line that starts R."""
    return [str(r_installation.executable)]


@pytest.fixture
def run_r(
    r_installation: RInstallation, r_environment: dict[str, str], tmp_path: Path
) -> Callable[..., Finished]:
    """Run the text of an R script in an empty directory."""

    def run(script: str, env: dict[str, str] | None = None) -> Finished:
        path = tmp_path / "script.R"
        path.write_text(script, encoding="utf-8")
        return subprocess.run(
            [r_installation.rscript, "--vanilla", path],
            env=r_environment | (env or {}),
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Finished]:
    """Run `python -m statsmodels_synth.r` in an empty directory."""

    def run(*arguments: object, env: dict[str, str] | None = None) -> Finished:
        return subprocess.run(
            [sys.executable, "-m", "statsmodels_synth.r", *map(str, arguments)],
            env=clean_environment() if env is None else env,
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )

    return run

"""Find R, ask it what it has, and check what this Python must have."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata, util
import os
from pathlib import Path
import re
import shutil
import subprocess

from statsmodels_synth.exceptions import SynthError

#: Name of the R package.
PACKAGE = "statsmodelssynth"
#: R packages that it cannot do without, besides those that come with R.
R_PACKAGES = ("reticulate", "generics")
#: Oldest R that the package runs on, as in its DESCRIPTION.
R_MINIMUM = (4, 1)
#: Versions of rpy2-rinterface from and below, as in pyproject.toml, and the R that
#: those from the second one need.
RPY2_FROM, RPY2_BELOW, R_FOR_NEWER_RPY2 = (3, 6), (3, 6, 6), (4, 5)
#: How what R needs is installed: the package is on no index.
EXTRA = (
    '`pip install ".[r]"` in a checkout of statsmodels_synth, or '
    '`pip install "FILE.whl[r]"` with its wheel'
)
#: What R tells the processes that it starts of itself. An R that is started by one of
#: them finds its own.
SESSION_VARIABLES = (
    "R_HOME",
    "R_SHARE_DIR",
    "R_INCLUDE_DIR",
    "R_DOC_DIR",
    "R_ARCH",
    "R_SESSION_TMPDIR",
    "R_SESSION_INITIALIZED",
)
#: Every answer starts with this word, because a profile may print as well.
ANSWER = "statsmodelssynth-answer"
#: What R is asked. Bytes are written as they are: paths need not be in R's encoding.
QUESTION = f"""
answer <- function(key, ...) writeLines(
  paste(c("{ANSWER}", key, ...), collapse = "\\t"), useBytes = TRUE)
answer("version", as.character(getRversion()))
for (library in .libPaths())
  answer("library", library, file.access(library, 2L) == 0L)
answer("user", path.expand(strsplit(
  paste0(Sys.getenv("R_LIBS_USER"), .Platform$path.sep), .Platform$path.sep)[[1L]][1L]))
for (name in c("{PACKAGE}", {", ".join(f'"{name}"' for name in R_PACKAGES)})) {{
  found <- find.package(name, quiet = TRUE)
  if (length(found)) answer("package", name, found[1L],
    utils::packageDescription(name, dirname(found[1L]), fields = "Version"))
}}
recorded <- system.file("python.txt", package = "{PACKAGE}")
if (nzchar(recorded)) answer("python", readLines(recorded, n = 1L, warn = FALSE))
"""


class SetUpError(SynthError):
    """The bridge to R cannot be set up or started."""


@dataclass(frozen=True)
class RInstallation:
    """
    An installation of R.

    Parameters
    ----------
    home : Path
        What R calls its home: `R RHOME`.
    """

    home: Path

    @property
    def executable(self) -> Path:
        """The program R."""
        return self.home / "bin" / "R"

    @property
    def rscript(self) -> Path:
        """The program Rscript."""
        return self.home / "bin" / "Rscript"


@dataclass(frozen=True)
class RPackage:
    """
    An installed R package.

    Parameters
    ----------
    path : Path
        Where it is.
    version : str
        Its version.
    """

    path: Path
    version: str


@dataclass(frozen=True)
class RFacts:
    """
    What R says of itself.

    Parameters
    ----------
    version : str
        Version of R.
    libraries : dict
        The libraries that R looks into, in order, and whether each can be
        written.
    user_library : Path or None
        The library that R would make for this user.
    packages : dict
        Those of the packages that the bridge needs that are installed, by
        name.
    recorded_python : str or None
        The Python that the installed R package was told of.
    """

    version: str
    libraries: dict[Path, bool]
    user_library: Path | None
    packages: dict[str, RPackage]
    recorded_python: str | None


def clean_environment() -> dict[str, str]:
    """Return the environment to start R with."""
    environment = dict(os.environ)
    home = environment.get("R_HOME")
    # R leads all that it starts to its own libraries. Where this Python was started by
    # R, a Python that is started from here would load the system's libpython.
    if home and f"{home}/lib" in environment.get("LD_LIBRARY_PATH", "").split(":"):
        del environment["LD_LIBRARY_PATH"]
    for name in SESSION_VARIABLES:
        environment.pop(name, None)
    return environment


def find_r() -> RInstallation:
    """Find R: the one that R_HOME names, otherwise the first one on PATH."""
    home = os.environ.get("R_HOME")
    if home:
        named = RInstallation(Path(home))
        if not shutil.which(named.executable):
            raise SetUpError(
                f"The environment variable R_HOME is {home!r}, where there is no R. "
                "Set it to what `R RHOME` prints, or unset it to use the R on PATH."
            )
        return named
    program = shutil.which("R")
    if program is None:
        raise SetUpError(
            "R is not on PATH. Install it with your system's package manager "
            "(r-base-core on Debian and Ubuntu) or R's own installer. If it is "
            "installed elsewhere, set the environment variable R_HOME to what "
            "`R RHOME` prints there."
        )
    answer = run([program, "RHOME"])
    lines = answer.stdout.splitlines()
    if answer.returncode != 0 or not lines:
        raise SetUpError(f"`{program} RHOME` failed: {error_in(answer.stderr)}")
    return RInstallation(Path(lines[-1].strip()))


def ask_r(r: RInstallation) -> RFacts:
    """Start R once and ask what it has."""
    answer = run([r.rscript, "-e", QUESTION])
    if answer.returncode != 0:
        raise SetUpError(
            f"R in {r.home} does not start (exit code {answer.returncode}): "
            f"{error_in(answer.stderr)}"
        )
    told: dict[str, list[list[str]]] = {}
    for line in answer.stdout.splitlines():
        word, *parts = line.split("\t")
        if word == ANSWER:
            told.setdefault(parts[0], []).append(parts[1:])
    user = told["user"][0][0]
    return RFacts(
        version=told["version"][0][0],
        libraries={Path(path): yes == "TRUE" for path, yes in told["library"]},
        # "NULL" is how R is told that there shall be none.
        user_library=Path(user) if user not in {"", "NULL"} else None,
        packages={
            name: RPackage(Path(path), version)
            for name, path, version in told.get("package", [])
        },
        recorded_python=told["python"][0][0] if "python" in told else None,
    )


def run(
    command: list[str | Path],
    environment: dict[str, str] | None = None,
    seconds: int = 600,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and keep what it prints."""
    try:
        return subprocess.run(
            command,
            env=clean_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        raise SetUpError(f"{command[0]} cannot be started: {error.strerror}.") from None
    except subprocess.TimeoutExpired:
        raise SetUpError(f"{command[0]} did not end in {seconds} seconds.") from None


def rpy2_problem(r_version: str | None) -> str | None:
    """Say what is wrong with rpy2 in this Python."""
    try:
        version = metadata.version("rpy2-rinterface")
        importable = util.find_spec("rpy2.rinterface") is not None
    except (metadata.PackageNotFoundError, ImportError):
        importable = False
    if not importable:
        return (
            "rpy2-rinterface is not installed for this Python. Run "
            f"{EXTRA}. If that finds no compiler, set the environment variable "
            "RPY2_CFFI_MODE=ABI for it."
        )
    number = numbers(version)
    newer_is_fine = r_version is not None and numbers(r_version) >= R_FOR_NEWER_RPY2
    if number < RPY2_FROM or (number >= RPY2_BELOW and not newer_is_fine):
        return (
            f"rpy2-rinterface {version} is installed, but 3.6.0 to 3.6.5 is needed: "
            f"3.6.6 and later run on R 4.5 and later only. Run {EXTRA}."
        )
    return None


def numbers(version: str) -> tuple[int, ...]:
    """
    Return the numbers in a version.

    Examples
    --------
    >>> numbers("4.2.2"), numbers("0.1.0.dev3"), numbers("1.1-31")
    ((4, 2, 2), (0, 1, 0, 3), (1, 1, 31))
    """
    return tuple(int(number) for number in re.findall(r"\d+", version))


def error_in(text: str) -> str:
    """
    Return what matters in the error output of R or Python.

    Examples
    --------
    >>> lines = ["Error in f() :", "  it broke", "Execution halted"]
    >>> print(error_in(chr(10).join(lines)))
    Error in f() : it broke
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line not in {"", "Execution halted"}]
    errors = [k for k, line in enumerate(lines) if line.startswith("Error")]
    # R breaks the message of an error into lines, Python's ends with it.
    told = " ".join(lines[errors[-1] if errors else -1 :])
    return told or "it printed no error."

"""A checklist of what the bridge to R needs, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import os
from pathlib import Path
import platform
import sys
import sysconfig

import statsmodels_synth
from statsmodels_synth.r.install import (
    missing_r_packages,
    package_source,
    r_problem,
    source_version,
)
from statsmodels_synth.r.locate import (
    ANSWER,
    PACKAGE,
    R_PACKAGES,
    RFacts,
    RInstallation,
    SetUpError,
    ask_r,
    clean_environment,
    error_in,
    find_r,
    numbers,
    rpy2_problem,
    run,
)
from statsmodels_synth.r.script import PYTHON_VARIABLE

INSTALL = "python -m statsmodels_synth.r install"
#: Says which of its two ways to R rpy2 took.
LOAD_RPY2 = """
from importlib.metadata import version
import rpy2.rinterface
from rpy2.rinterface_lib import openrlib
print(version("rpy2-rinterface"), openrlib.cffi_mode.name)
"""
#: A call from R, as a user makes it, to see the whole bridge at work.
CALL = f"""
available <- {PACKAGE}::synth_available()
reason <- gsub("[[:space:]]+", " ", paste(attr(available, "reason"), collapse = " "))
writeLines(paste("{ANSWER}", isTRUE(as.vector(available)), reason, sep = "\\t"),
  useBytes = TRUE)
"""


@dataclass(frozen=True)
class Check:
    """
    One line of the checklist.

    Parameters
    ----------
    state : str
        "ok", "missing", or "note" for what is neither.
    text : str
        What was found, or what is missing and how to get it.
    """

    state: str
    text: str


def doctor() -> int:
    """Print the checklist."""
    checks = examine()
    for check in checks:
        print(f"{check.state:<8} {check.text}", flush=True)
    if any(check.state == "missing" for check in checks):
        print("\nNot ready. Begin with the first line that says missing.")
        return 1
    print(f"\nAll is well. In R: library({PACKAGE})")
    return 0


def examine() -> list[Check]:
    """Check everything, each thing as far as those before it allow."""
    r, facts, checks = look_at_r()
    checks += guarded(check_python)
    checks += guarded(check_shared_library)
    checks += guarded(lambda: check_rpy2(r, facts))
    if facts is not None:
        checks += guarded(lambda: check_r_packages(facts))
        checks += guarded(lambda: check_bridge_package(facts))
        checks += guarded(check_variable)
        if r is not None and PACKAGE in facts.packages:
            checks += guarded(lambda: check_call(r))
    if platform.system() != "Linux":
        checks.append(
            Check("note", f"The bridge was tried on Linux, not on {platform.system()}.")
        )
    return checks


def guarded(check: Callable[[], list[Check]]) -> list[Check]:
    """Run a check; whatever goes wrong with it is a line of the list."""
    try:
        return check()
    except SetUpError as error:
        return [Check("missing", str(error))]
    except Exception as error:
        return [Check("missing", f"A check failed: {type(error).__name__}: {error}")]


def look_at_r() -> tuple[RInstallation | None, RFacts | None, list[Check]]:
    """Find R and ask it."""
    r, facts = None, None

    def check() -> list[Check]:
        nonlocal r, facts
        r = find_r()
        facts = ask_r(r)
        problem = r_problem(facts)
        if problem:
            return [Check("missing", problem)]
        return [Check("ok", f"R {facts.version} in {r.home}")]

    checks = guarded(check)
    return r, facts, checks


def check_python() -> list[Check]:
    """Say which Python this is."""
    version = platform.python_version()
    text = f"statsmodels_synth {statsmodels_synth.__version__} in Python {version}"
    return [Check("ok", f"{text}, {sys.executable}")]


def check_shared_library() -> list[Check]:
    """Check that this Python can be loaded by another program."""
    if os.name == "nt" or any(
        any(directory.glob(f"libpython{sysconfig.get_python_version()}*.{ending}*"))
        for directory in library_directories()
        for ending in ("so", "dylib")
    ):
        return [Check("ok", "This Python has a shared library, so that R can load it")]
    return [
        Check(
            "missing",
            "This Python has no shared library (libpython), so that R cannot load it. "
            "With pyenv, build it again: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv "
            f"install {platform.python_version()}. On Debian and Ubuntu, install "
            f"libpython{sysconfig.get_python_version()}-dev for the system's Python.",
        )
    ]


def library_directories() -> list[Path]:
    """List where reticulate looks for the shared library."""
    configured = [sysconfig.get_config_var(name) for name in ("LIBPL", "LIBDIR")]
    prefixes = [sys.prefix, sys.exec_prefix, sys.base_exec_prefix]
    return [Path(place) for place in (*configured, *prefixes) if place]


def check_rpy2(r: RInstallation | None, facts: RFacts | None) -> list[Check]:
    """Check the version of rpy2 and that it can load R."""
    problem = rpy2_problem(facts.version if facts else None)
    if problem:
        return [Check("missing", problem)]
    if r is None:
        return [Check("ok", "rpy2-rinterface is installed (not loaded: R is missing)")]
    # In a process of its own: it changes the process that it is loaded into.
    environment = clean_environment() | {"R_HOME": str(r.home)}
    answer = run([sys.executable, "-c", LOAD_RPY2], environment)
    if answer.returncode != 0:
        return [
            Check(
                "missing",
                f"rpy2-rinterface cannot load R: {error_in(answer.stderr)} Build it "
                "again, in the mode that needs no compiler: RPY2_CFFI_MODE=ABI pip "
                "install --force-reinstall --no-deps --no-cache-dir "
                '"rpy2-rinterface>=3.6,<3.6.6"',
            )
        ]
    version, mode = answer.stdout.split()[-2:]
    return [Check("ok", f"rpy2-rinterface {version} loads R (in {mode} mode)")]


def check_r_packages(facts: RFacts) -> list[Check]:
    """Check the R packages that the bridge needs."""
    missing = missing_r_packages(facts)
    return [
        Check("missing", missing[name])
        if name in missing
        else Check("ok", f"R package {name} {facts.packages[name].version}")
        for name in R_PACKAGES
    ]


def check_bridge_package(facts: RFacts) -> list[Check]:
    """Check the installed R package: its version, and the Python it was told of."""
    if PACKAGE not in facts.packages:
        return [
            Check("missing", f"R package {PACKAGE} is not installed. Run `{INSTALL}`.")
        ]
    found = facts.packages[PACKAGE]
    expected = source_version(package_source())
    if numbers(found.version) != numbers(expected):
        return [
            Check(
                "missing",
                f"R package {PACKAGE} {found.version} in {found.path.parent} does not "
                f"belong to this Python package, which comes with {expected}. Run "
                f"`{INSTALL} --library '{found.path.parent}'`.",
            )
        ]
    checks = [
        Check("ok", f"R package {PACKAGE} {found.version} in {found.path.parent}")
    ]
    recorded = facts.recorded_python
    if recorded is not None and same_python(recorded, sys.executable):
        return [*checks, Check("ok", "R will start this Python")]
    whose = f"was installed for {recorded}" if recorded else "knows of no Python"
    again = f"To use {sys.executable}, run `{INSTALL}`."
    return [*checks, Check("missing", f"R package {PACKAGE} {whose}. {again}")]


def same_python(one: str, other: str) -> bool:
    """Tell whether two paths start the same Python, with the same packages."""
    first, second = Path(one), Path(other)
    return (
        first.parent.resolve() == second.parent.resolve()
        and first.resolve() == second.resolve()
    )


def check_variable() -> list[Check]:
    """Check that no environment variable leads R to another Python."""
    python = os.environ.get(PYTHON_VARIABLE)
    if not python or same_python(python, sys.executable):
        return []
    text = f"The environment variable {PYTHON_VARIABLE} makes R start {python}."
    return [Check("missing", f"{text} Unset it to use this Python.")]


def check_call(r: RInstallation) -> list[Check]:
    """Start R, load the package and make a call, as a user would."""
    answer = run([r.rscript, "-e", CALL])
    told = [line.split("\t") for line in answer.stdout.splitlines()]
    told = [parts for parts in told if parts[0] == ANSWER]
    if answer.returncode != 0 or not told:
        return [
            Check(
                "missing",
                f"A call from R failed (exit code {answer.returncode}): "
                f"{error_in(answer.stderr)}",
            )
        ]
    _, available, reason = told[-1]
    if available == "TRUE":
        return [Check("ok", "A call from R reached Python and came back")]
    return [Check("missing", f"R cannot use Python: {reason or 'it gave no reason.'}")]

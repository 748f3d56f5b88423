"""Install the R package that comes with this Python package."""

from __future__ import annotations

import os
from pathlib import Path
import shlex
import shutil
import sys
import tempfile

from statsmodels_synth.r.locate import (
    PACKAGE,
    R_MINIMUM,
    R_PACKAGES,
    RFacts,
    RInstallation,
    SetUpError,
    ask_r,
    find_r,
    numbers,
    rpy2_problem,
    run,
)

#: What R and its tools leave in a directory of sources.
LEFTOVERS = ("*.Rcheck", "*.tar.gz", ".Rhistory", ".RData", ".Rproj.user", ".DS_Store")


def install(library: Path | None = None) -> None:
    """Install the R package and tell it of this Python."""
    r = find_r()
    facts = ask_r(r)
    missing = problems(facts)
    if missing:
        raise SetUpError("\n".join(["Not installed, because:", *missing]))
    target = choose_library(facts, library)
    install_source(r, target)
    version = source_version(package_source())
    print(f"Installed the R package {PACKAGE} {version} in {target}")
    print(f"It uses the Python {sys.executable}")
    place = "" if known(target, facts) else f', lib.loc = "{target.as_posix()}"'
    print(f"Next, in R: library({PACKAGE}{place})")


def problems(facts: RFacts) -> list[str]:
    """List what the bridge needs and does not find."""
    found = [r_problem(facts), rpy2_problem(facts.version)]
    found += missing_r_packages(facts).values()
    if not sys.executable:
        found.append("This Python does not know its own path (sys.executable).")
    return [problem for problem in found if problem]


def r_problem(facts: RFacts) -> str | None:
    """Say whether R is too old."""
    if numbers(facts.version) >= R_MINIMUM:
        return None
    needed = ".".join(map(str, R_MINIMUM))
    return f"R {facts.version} is too old: R {needed} or later is needed."


def missing_r_packages(facts: RFacts) -> dict[str, str]:
    """Find the R packages that are not installed."""
    return {
        name: f"The R package {name} is not installed. Run install.packages('{name}') "
        f"in R, or use your system's package manager: r-cran-{name} on Debian and "
        "Ubuntu."
        for name in R_PACKAGES
        if name not in facts.packages
    }


def package_source() -> Path:
    """Find the source of the R package."""
    here = Path(__file__).resolve().parent
    for candidate in (here / "r_bridge", here.parents[1] / "r_bridge"):
        if (candidate / "DESCRIPTION").is_file():
            return candidate
    raise SetUpError(
        f"The source of the R package is not in {here}: this Python package is "
        "incomplete. Install it again."
    )


def source_version(source: Path) -> str:
    """Read the version of the R package."""
    for line in (source / "DESCRIPTION").read_text(encoding="utf-8").splitlines():
        if line.startswith("Version:"):
            return line.partition(":")[2].strip()
    raise SetUpError(f"{source / 'DESCRIPTION'} has no version.")


def choose_library(facts: RFacts, wanted: Path | None) -> Path:
    """Choose the library to install into, and make it if it does not exist."""
    if wanted is None:
        for library, writable in facts.libraries.items():
            if writable:
                return library
        wanted = facts.user_library
    if wanted is None:
        raise SetUpError(
            "R has no library that can be written, and no user library. Choose a "
            "directory: python -m statsmodels_synth.r install --library DIR"
        )
    wanted = Path(os.path.abspath(wanted.expanduser()))
    try:
        wanted.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetUpError(
            f"The library {wanted} cannot be made: {error.strerror}. Choose another "
            "directory with --library."
        ) from None
    if not os.access(wanted, os.W_OK):
        raise SetUpError(
            f"The library {wanted} cannot be written. Choose another directory with "
            "--library, or leave it out: R's user library is used then."
        )
    return wanted


def known(library: Path, facts: RFacts) -> bool:
    """Tell whether R looks into a library without being told."""
    places = [*facts.libraries, *filter(None, [facts.user_library])]
    return library.resolve() in {place.resolve() for place in places}


def install_source(r: RInstallation, library: Path) -> None:
    """Install a copy of the source that knows of this Python."""
    with tempfile.TemporaryDirectory(prefix=f"{PACKAGE}-") as directory:
        copy = Path(directory) / PACKAGE
        copy_source(package_source(), copy)
        recorded = copy / "inst" / "python.txt"
        recorded.parent.mkdir(exist_ok=True)
        recorded.write_text(f"{sys.executable}\n", encoding="utf-8")
        command: list[str | Path] = [
            *(r.executable, "CMD", "INSTALL", "--no-multiarch"),
            *(f"--library={library}", copy),
        ]
        answer = run(command)
    if answer.returncode != 0:
        shown = " ".join(shlex.quote(str(part)) for part in command)
        raise SetUpError(f"{answer.stdout}{answer.stderr}\nThis failed: {shown}")


def copy_source(source: Path, target: Path) -> None:
    """Copy the files of the R package."""
    # Files one by one, without their permissions: those of an installed package may
    # forbid writing.
    ignored = shutil.ignore_patterns(*LEFTOVERS)
    for directory, folders, files in os.walk(source):
        skipped = ignored(directory, folders + files)
        folders[:] = [name for name in folders if name not in skipped]
        place = target / Path(directory).relative_to(source)
        place.mkdir(parents=True)
        for name in files:
            if name not in skipped:
                shutil.copyfile(Path(directory) / name, place / name)

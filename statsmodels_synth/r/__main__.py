"""Set the bridge to R up, look it over, or run an R script with it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys

from statsmodels_synth.core.messages import suggest
from statsmodels_synth.r.doctor import doctor
from statsmodels_synth.r.install import install
from statsmodels_synth.r.locate import SetUpError
from statsmodels_synth.r.script import run_script

PROGRAM = "python -m statsmodels_synth.r"
USAGE = f"""\
{PROGRAM} install [--library DIR]  install the R package for this Python
{PROGRAM} doctor                   what is missing, and how to get it
{PROGRAM} script.R [args...]       run an R script, as Rscript does

Then, in R: library(statsmodelssynth)"""
COMMANDS = ("install", "doctor")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(USAGE)
        return 0
    command, *rest = arguments
    try:
        if command == "install":
            install(read_library(rest))
            return 0
        if command == "doctor":
            read_nothing(rest)
            return doctor()
        if Path(command).is_file():
            return run_script(Path(command), rest)
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(misunderstood(command), file=sys.stderr)
    return 2


def read_library(arguments: Sequence[str]) -> Path | None:
    """Read the options of `install`."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} install",
        description="Install the R package statsmodelssynth for this Python.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--library",
        type=Path,
        metavar="DIR",
        help="R library to install into; the first that can be written if omitted",
    )
    library: Path | None = parser.parse_args(arguments).library
    return library


def read_nothing(arguments: Sequence[str]) -> None:
    """Read the options of `doctor`, which has none but `--help`."""
    argparse.ArgumentParser(
        prog=f"{PROGRAM} doctor",
        description="Check everything that the bridge to R needs.",
    ).parse_args(arguments)


def misunderstood(command: str) -> str:
    """
    Say that there is neither such a command nor such a script.

    Examples
    --------
    >>> misunderstood("instal")
    "There is no command and no file 'instal'. Did you mean 'install'?"
    >>> misunderstood("analysis.R")
    "There is no file 'analysis.R'."
    """
    path = Path(command)
    if path.is_dir():
        return f"{command!r} is a directory, not an R script."
    if command.startswith("-"):
        return f"There is no option {command!r}.\n\n{USAGE}"
    if path.suffix.lower() == ".r" or path.name != command:
        near = [other.name for other in path.parent.glob("*.[rR]")]
        return f"There is no file {command!r}.{suggest(path.name, near)}"
    return f"There is no command and no file {command!r}.{suggest(command, COMMANDS)}"


if __name__ == "__main__":
    sys.exit(main())

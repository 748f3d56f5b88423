"""
Run ``R CMD build`` and ``R CMD check`` on the R package, in a temporary directory.

Anything that the check remarks is a failure, except what :data:`ALLOWED` names. The
package finds the Python that runs this.
"""

from __future__ import annotations

import os
from pathlib import Path
import re
import sys
import tempfile
import time

from statsmodels_synth.core.messages import count
from statsmodels_synth.r.install import PACKAGE, package_source, problems
from statsmodels_synth.r.locate import SetUpError, ask_r, clean_environment, find_r, run

#: Packages whose absence the check may note.
OPTIONAL = r"(\s+.(clubSandwich|marginaleffects|multcomp|performance)(.,|.))+\s*"
#: Remarks that say nothing of the package: patterns that match the whole of one.
ALLOWED = (
    # They are suggested, and not in every system's package manager.
    r"checking package dependencies \.\.\. (NOTE|INFO)\s+"
    rf"Packages? suggested but not available for checking:{OPTIONAL}",
    r"checking Rd cross-references \.\.\. (NOTE|INFO)\s+"
    rf"Packages? unavailable to check Rd xrefs:{OPTIONAL}",
)
SETTINGS = {
    "STATSMODELSSYNTH_PYTHON": sys.executable,
    "_R_CHECK_FORCE_SUGGESTS_": "false",
    # Asks a server for the time.
    "_R_CHECK_SYSTEM_CLOCK_": "false",
    # Snapshots are compared everywhere but on CRAN.
    "NOT_CRAN": "true",
    "LANGUAGE": "en",
}


def main() -> int:
    """Return 0 if the check has nothing to say, 1 otherwise."""
    try:
        r = find_r()
        missing = problems(ask_r(r))
    except SetUpError as error:
        missing = [str(error)]
    if missing:
        print(f"R CMD check: skipped. {missing[0].partition('. ')[0]}")
        return int(os.environ.get("CI") == "true")
    environment = clean_environment() | SETTINGS
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        source = package_source()
        built = run([r.executable, "CMD", "build", source], environment)
        if built.returncode != 0:
            print(built.stdout, built.stderr, "R CMD build failed.", sep="\n")
            return 1
        (tarball,) = Path(place).glob(f"{PACKAGE}_*.tar.gz")
        checked = run(
            [r.executable, "CMD", "check", "--no-manual", tarball],
            environment,
            seconds=1800,
        )
        folder = Path(place) / f"{PACKAGE}.Rcheck"
        log = folder / "00check.log"
        if not log.is_file():
            print(checked.stdout, checked.stderr, "R CMD check failed.", sep="\n")
            return 1
        text = log.read_text(encoding="utf-8", errors="replace")
        remarks = unexpected(text)
        # "Status:" is not reached where the check itself breaks down.
        if remarks or "\nStatus:" not in text:
            print(*map(shortened, remarks), sep="\n\n")
            print(failed_output(folder) or shortened(text, -40))
            print(f"R CMD check: {count(len(remarks), 'remark')}, shown above.")
            return 1
    print(f"R CMD check: nothing to remark ({time.monotonic() - start:.0f} s)")
    return 0


def unexpected(log: str) -> list[str]:
    """Remarks of a log that are not allowed, each with the lines that belong to it."""
    remarks = re.split(r"^\* ", log, flags=re.MULTILINE)
    serious = re.compile(r"\.\.\.(.|\n)*\b(NOTE|WARNING|ERROR)\s*$", re.MULTILINE)
    return [
        remark.strip()
        for remark in remarks
        if remark.startswith("checking")
        and serious.search(remark)
        and not any(re.fullmatch(pattern, remark) for pattern in ALLOWED)
    ]


def shortened(text: str, lines: int = 15) -> str:
    """First lines of a text, or the last ones if their number is negative."""
    split = text.splitlines()
    return "\n".join(split[:lines] if lines > 0 else split[lines:])


def failed_output(folder: Path) -> str:
    """Output of the tests or examples that failed, its end."""
    parts = []
    for path in [*folder.glob("tests/*.fail"), *folder.glob("*-Ex.Rout.fail")]:
        text = path.read_text(encoding="utf-8", errors="replace")
        parts.append(f"--- {path.name}\n{shortened(text, -80)}")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())

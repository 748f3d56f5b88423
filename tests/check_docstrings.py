"""Validate with numpydoc what the reference shows; prints what is wrong."""

from __future__ import annotations

import configparser
import importlib
from pathlib import Path
import re
import sys

from numpydoc.validate import validate

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "reference"
#: Names that statsmodels defines, and documents.
STATSMODELS = ("statsmodels_synth.AugmentedGMMResults.save",)


def shown_names() -> list[str]:
    """Qualified names that the pages of the reference list."""
    names = []
    for page in sorted(PAGES.glob("*.md")):
        module = "statsmodels_synth"
        for line in page.read_text(encoding="utf-8").splitlines():
            if found := re.match(r"\.\. currentmodule:: (\S+)", line):
                module = found[1]
            elif found := re.match(r"\.\. auto(?:class|function):: (\S+)", line):
                names.append(found[1])
            elif found := re.match(r"   ([A-Za-z_][\w.]*)$", line):
                names.append(f"{module}.{found[1]}")
    return [name for name in names if name not in STATSMODELS]


def exists(name: str) -> bool:
    """Whether a dotted name can be imported, attribute by attribute."""
    parts = name.split(".")
    for k in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for part in parts[k:]:
            if not hasattr(thing, part):
                return False
            thing = getattr(thing, part)
        return True
    return False


def main() -> int:
    """Return the number of errors, printed one a line."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    skipped = set(config["tool:numpydoc_validation"]["checks"].split(",")) - {"all"}
    errors = []
    for name in shown_names():
        if not exists(name):
            errors.append(f"{name}: the reference shows it, and it does not exist")
            continue
        for code, message in validate(name)["errors"]:
            # A protocol has a constructor of its own, which nobody calls.
            protocol = code == "PR01" and "'**kwargs'" in message
            if code not in skipped and not protocol:
                errors.append(f"{name}: {code} {message}")
    print("\n".join(errors) or f"docstrings: all {len(shown_names())} valid")
    return len(errors)


if __name__ == "__main__":
    sys.exit(min(main(), 1))

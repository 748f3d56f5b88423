"""
Link the reference to the documentation of other projects, without a network.

``neighbours.txt`` says what they have and where. From it ``write_inventories`` makes
the files that ``sphinx.ext.intersphinx`` reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
import zlib

HERE = Path(__file__).resolve().parent
#: What is a part of Sphinx' domain of Python; the others are its own.
PYTHON = ("class", "data", "exception", "function", "method")
_HEAD = b"""\
# Sphinx inventory version 2
# Project: %s
# Version:
# The remainder of this file is compressed using zlib.
"""


class Entry(NamedTuple):
    """Something that another project describes, at a page of its documentation."""

    role: str
    name: str
    page: str


def read_neighbours(
    path: Path = HERE / "neighbours.txt",
) -> dict[str, tuple[str, list[Entry]]]:
    """Each project's address, and what it has there."""
    found: dict[str, tuple[str, list[Entry]]] = {}
    project = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        parts = line.split()
        if len(parts) == 2:
            project, address = parts
            found[project] = (address, [])
        elif len(parts) == 3:
            found[project][1].append(Entry(*parts))
        elif parts and not line.startswith("#"):
            raise ValueError(f"{path.name}: {line!r} has no role, name and page")
    return found


def write_inventories(folder: Path) -> dict[str, tuple[str, str]]:
    """Write an inventory per project; the mapping that intersphinx asks for."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for project, (address, entries) in read_neighbours().items():
        lines = [
            # A final # stands for the name; $ says so in an inventory.
            f"{entry.name} {'py' if entry.role in PYTHON else 'std'}:{entry.role} 1 "
            f"{entry.page + '$' if entry.page.endswith('#') else entry.page} -\n"
            for entry in entries
        ]
        path = folder / f"{project}.inv"
        packed = zlib.compress("".join(lines).encode())
        path.write_bytes(_HEAD % project.encode() + packed)
        mapping[project] = (address, str(path))
    return mapping

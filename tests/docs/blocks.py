"""Blocks of code of the pages that users read, in their order."""

from __future__ import annotations

import importlib.util
from pathlib import Path
import re
import sys
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: README, landing page, and whatever a user follows step by step.
PAGES = [
    *(ROOT / name for name in ("README.md", "llms.txt", "docs/index.md")),
    *sorted(ROOT.glob("skills/*/SKILL.md")),
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("tutorials/*.md")),
    *sorted(DOCS.glob("how-to/*.md")),
]
PAGES = [path for path in dict.fromkeys(PAGES) if path.is_file()]
_BLOCK = re.compile(
    r"(?:^<!-- (?:not run: (?P<reason>[^>]+)|needs: (?P<needs>[\w.]+)) -->\n\s*)?"
    r"^(?P<fence>`{3,})(?P<kind>python|r|\{code-cell\} ipython3)[ ]*\n"
    r"(?P<code>.*?)^(?P=fence)[ ]*$"
    r"(?:\n\n```text\n(?P<output>.*?)^```[ ]*$)?",
    re.DOTALL | re.MULTILINE,
)


def load(path: Path) -> Any:
    """A script that is in no package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look for it
    spec.loader.exec_module(module)
    return module


class Block(NamedTuple):
    """
    A block of a page.

    `reason` says why it is not run, and is mostly empty; `needs` is a package without
    which it is not. `output` is the text of the block below that says what it prints,
    where there is one.
    """

    language: str
    code: str
    line: int
    reason: str
    output: str | None
    needs: str

    @property
    def runs(self) -> bool:
        """Whether it can be run here."""
        missing = bool(self.needs) and importlib.util.find_spec(self.needs) is None
        return not self.reason and not missing


def blocks(page: Path) -> list[Block]:
    """All blocks in Python and R of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        # Without the options of a cell.
        code = re.sub(r"\A---\n.*?\n---\n", "", match["code"], flags=re.DOTALL)
        code = re.sub(r"\A(?::[\w-]+:.*\n)+", "", code)
        line = text.count("\n", 0, match.start("code")) + 1
        line += match["code"].count("\n") - code.count("\n")
        language = "r" if match["kind"] == "r" else "python"
        reason, needs = (match[name] or "" for name in ("reason", "needs"))
        found.append(Block(language, code, line, reason, match["output"], needs))
    return found


def name_of(page: Path) -> str:
    """Path of a page in the repository."""
    return page.relative_to(ROOT).as_posix()

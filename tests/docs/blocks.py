"""Blocks of code of the pages that users read, in their order."""

from __future__ import annotations

from pathlib import Path
import re
from typing import NamedTuple

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
    r"(?:^<!-- not run: (?P<reason>[^>]+) -->\n\s*)?"
    r"^(?P<fence>`{3,})(?P<kind>python|r|\{code-cell\} ipython3)[ ]*\n"
    r"(?P<code>.*?)^(?P=fence)[ ]*$"
    r"(?:\n\n```text\n(?P<output>.*?)^```[ ]*$)?",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """
    A block of a page.

    `reason` says why it is not run, and is mostly empty; `output` is the text of the
    block below that says what it prints, where there is one.
    """

    language: str
    code: str
    line: int
    reason: str
    output: str | None


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
        found.append(
            Block(language, code, line, match["reason"] or "", match["output"])
        )
    return found


def name_of(page: Path) -> str:
    """Path of a page in the repository."""
    return page.relative_to(ROOT).as_posix()

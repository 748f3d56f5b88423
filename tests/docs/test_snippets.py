"""Every block of Python that a user may copy runs, from top to bottom of its page."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
import re
from typing import Any

import matplotlib.pyplot as plt
import pytest

from tests.docs.blocks import PAGES, Block, blocks, name_of

#: What is another at every run, in a summary of statsmodels.
_NOW = re.compile(r"(Date: +)\S.*?\d{4}$|(Time: +)[\d:]{8}$", re.MULTILINE)
#: Blocks that need files, clusters, keys or packages that are not here.
MOST_SKIPPED = 7


def run(page: Path, names: dict[str, Any]) -> list[tuple[Block, str]]:
    """Run the blocks of a page; what each has printed."""
    found = []
    for block in blocks(page):
        if block.language != "python" or not block.runs:
            continue
        # Lines of an error are those of the page.
        above = "\n" * (block.line - 1)
        code = compile(above + block.code, str(page), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, names)
        found.append((block, printed.getvalue()))
    return found


def trimmed(text: str) -> str:
    """Without blanks at the ends of lines, and as if printed at one fixed time."""
    now = {"Date: ": "Mon, 01 Jan 2024", "Time: ": "00:00:00"}

    def fixed(match: re.Match[str]) -> str:
        value = now[match[0][:6]]
        return match[0][:6] + value.rjust(len(match[0]) - 6)

    text = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    return _NOW.sub(fixed, text) + "\n"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
# What a cell prints to stderr fails the build of the pages; here it is an error.
def test_every_block_of_python_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # what a page writes, another does not see
    names: dict[str, Any] = {"__name__": "page"}
    text = page.read_text(encoding="utf-8")
    before = re.match(r"<!-- continues: (\S+) -->", text, re.DOTALL)
    if before:
        run(page.parent / before[1], names)
    said = run(page, names)
    current = text
    for block, printed in said:
        if block.output is not None:
            old = f"{block.code}```\n\n```text\n{block.output}```\n"
            new = f"{block.code}```\n\n```text\n{trimmed(printed)}```\n"
            assert current.count(old) == 1
            current = current.replace(old, new)
    plt.close("all")
    if os.environ.get("UPDATE_SNAPSHOTS"):
        page.write_text(current, encoding="utf-8")
    assert current == page.read_text(encoding="utf-8")


def test_few_blocks_are_not_run() -> None:
    # What is not run rots: a reason must be one that holds.
    skipped = [name_of(p) for p in PAGES for block in blocks(p) if block.reason]
    assert len(skipped) <= MOST_SKIPPED, skipped

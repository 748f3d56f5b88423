"""Every block of R that a user may copy runs, from top to bottom of its page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import subprocess

from tests.docs.blocks import PAGES, blocks, name_of

RunR = Callable[..., subprocess.CompletedProcess[str]]
#: Tested with what it prints, in test_docs_page.py.
ELSEWHERE = "quickstart-r.md"


def test_every_block_of_r_runs(run_r: RunR, tmp_path: Path) -> None:
    lines, pages = [], 0
    for page in PAGES:
        own = [b for b in blocks(page) if b.language == "r" and not b.reason]
        if page.name == ELSEWHERE or not own:
            continue
        pages += 1
        path = tmp_path / f"page{pages}.R"
        path.write_text("\n".join(block.code for block in own), encoding="utf-8")
        # Warnings are errors, as in the cells of Python.
        lines.append(f"cat('{name_of(page)}\\n'); options(warn = 2)")
        lines.append(f"source('{path.name}', local = new.env(), print.eval = TRUE)")
    done = run_r("\n".join(lines))
    assert done.returncode == 0, done.stdout + done.stderr
    assert pages >= 3
    assert "hedge" in done.stdout

"""The page that shows an analysis in R says what R says."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import io
import os
from pathlib import Path
import re
import subprocess
from typing import Any
import warnings

import matplotlib as mpl

RunR = Callable[..., subprocess.CompletedProcess[str]]

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
PAGE = TUTORIALS / "quickstart-r.md"
#: A block of code, and the block of its output where one follows at once.
BLOCKS = re.compile(r"```(r|python)\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)
MARK = "=== next block ==="


def tutorial(folder: Path) -> dict[str, Any]:
    """What the cells of the Python tutorial define, up to the fit."""
    cells = re.findall(
        r"```\{code-cell\} ipython3\n(.*?)```",
        (TUTORIALS / "quickstart.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
    upto = next(k for k, cell in enumerate(cells) if "model.fit()" in cell)
    names: dict[str, Any] = {"__name__": "tutorial"}
    with contextlib.chdir(folder) if hasattr(contextlib, "chdir") else _in(folder):
        for cell in cells[: upto + 1]:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(cell, names)
    return names


@contextlib.contextmanager
def _in(folder: Path) -> Any:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def trimmed(text: str) -> str:
    """Without blanks at the ends of lines, and without empty lines around."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n"


def test_page_says_what_r_says(run_r: RunR, tmp_path: Path) -> None:
    mpl.use("agg")
    page = PAGE.read_text(encoding="utf-8")
    blocks = BLOCKS.findall(page)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = tutorial(tmp_path)
    said: dict[str, str] = {}
    for language, code, _ in blocks:
        if language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), _in(tmp_path):
                exec(code, names)
            said[code] = printed.getvalue()
    in_r = [code for language, code, _ in blocks if language == "r"]
    for k, code in enumerate(in_r):
        (tmp_path / f"block{k}.R").write_text(code, encoding="utf-8")
    sources = "\n".join(
        f"source('block{k}.R', echo = FALSE, print.eval = TRUE); cat('{MARK}\\n')"
        for k in range(len(in_r))
    )
    done = run_r(f"options(width = 80, useFancyQuotes = FALSE)\n{sources}")
    assert done.returncode == 0, done.stderr
    said |= dict(zip(in_r, done.stdout.split(f"{MARK}\n"), strict=False))

    def with_output(match: re.Match[str]) -> str:
        language, code, output = match.groups()
        block = f"```{language}\n{code}```\n"
        if output is None:
            return block
        return f"{block}\n```text\n{trimmed(said[code])}```\n"

    current = BLOCKS.sub(with_output, page)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        PAGE.write_text(current, encoding="utf-8")
    assert current == PAGE.read_text(encoding="utf-8")

"""The help pages of R that the documentation shows say what R shows."""

from __future__ import annotations

from pathlib import Path
import re
import shutil
import subprocess

import pytest

from tests.docs.blocks import DOCS, ROOT, load

MAN = ROOT / "r_bridge" / "man"


pytest.importorskip("yaml")
r_pages = load(DOCS / "r_pages.py")
PAGES = r_pages.read_pages()


def words(text: str) -> set[str]:
    """Words of letters only: no marks, quotes or hyphens at the ends of lines."""
    return set(re.findall(r"[a-zA-Z]{3,}", text))


def test_every_help_page_is_listed_once() -> None:
    names = [name for _, group in r_pages.groups(PAGES) for name in group]
    assert sorted(names) == sorted(path.stem for path in MAN.glob("*.Rd"))


@pytest.mark.parametrize("name", PAGES)
def test_nothing_of_a_page_is_left_as_a_macro(name: str) -> None:
    text = PAGES[name].markdown()
    prose = re.sub(r"```r\n.*?```|`[^`]*`|\$[^$]*\$", "", text, flags=re.DOTALL)
    assert not re.search(r"\\[a-zA-Z]", prose)
    for to in re.findall(r"\]\(([\w.-]+)\.md\)", text):
        assert to in PAGES


@pytest.mark.skipif(shutil.which("R") is None, reason="R is not installed")
def test_pages_have_the_words_that_r_shows(tmp_path: Path) -> None:
    # R's own reading of the same files: nothing of it may be lost.
    script = (
        "for (f in list.files(commandArgs(TRUE)[1], '[.]Rd$', full.names = TRUE))"
        " tools::Rd2txt(f, file.path(commandArgs(TRUE)[2], basename(f)),"
        " options = list(underline_titles = FALSE, width = 10000))"
    )
    command = ["R", "--no-echo", "--vanilla", "-e", script, "--args"]
    subprocess.run([*command, str(MAN), str(tmp_path)], check=True)
    for name, page in PAGES.items():
        said = (tmp_path / f"{name}.Rd").read_text(encoding="utf-8")
        # Who holds the copyright is on a page of its own.
        said = re.sub(r"^Author\(s\):.*?(?=^\S|\Z)", "", said, flags=re.M | re.S)
        shown = words(page.markdown())
        # Headings of R's own, and its words around examples that are not run.
        own = {"Description", "Also", "Not", "run", "End"}
        assert words(said) - shown - own == set(), name

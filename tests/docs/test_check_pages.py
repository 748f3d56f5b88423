"""The check of built pages finds what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, load

#: A page with one fault of each kind.
PAGE = """<!DOCTYPE html><html><head></head><body>
<a href="none.html">lost</a> <a href="#nowhere">lost</a> <img src="dot.svg">
<div style="width: 800px">wide</div>
<div style="overflow-x: auto"><div style="width: 900px">may be pushed</div></div>
<script>console.error("a word in the console"); missing();</script>
</body></html>"""


check_pages = load(ROOT / "tools" / "check_pages.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    (tmp_path / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return tmp_path


def test_links_and_pictures(folder: Path) -> None:
    assert list(check_pages.check_links(folder)) == [
        "index.html: #nowhere has no such place",
        "index.html: none.html leads nowhere",
        "index.html: no text for dot.svg",
    ]


@pytest.mark.skipif(check_pages.find_browser() is None, reason="no browser")
def test_looks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The search is that of Sphinx, which this page does not have.
    monkeypatch.setattr(check_pages, "SEARCHED", ())
    screens = folder / "screens"
    found = list(check_pages.check_looks(folder, check_pages.find_browser(), screens))
    assert found[:2] == [
        f"index.html at 390 px, {scheme}: wider than the page: 808 px: div wide"
        for scheme in ("light", "dark")
    ]
    assert found[2] == "index.html: a word in the console"
    assert "missing is not defined" in found[3]
    assert len(found) == 4
    assert len(list(screens.glob("index-*.png"))) == 4

"""Figures that two pages show are the same on both."""

from __future__ import annotations

import re

from tests.docs.blocks import DOCS, ROOT


def rows(page: str) -> list[list[str]]:
    """Cells of every row of every table of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\|.*\|$", text, re.MULTILINE)
    ]


def test_squared_errors_are_those_of_the_study() -> None:
    full = rows("explanation/related.md")
    measured = {}
    data = ""
    for row in full:
        data = row[0] or data
        if len(row) == 10:
            # labels of the columns: few-label default, paper, PPI, PPI++, both, ...
            measured[data, row[1]] = [row[k] for k in (2, 4, 5, 7, 8, 9)]
    shown = [r for r in rows("compared.md") if len(r) == 8 and r[1].endswith("%")]
    assert len(shown) == 5
    for row in shown:
        assert measured[row[0], row[1]] == row[2:], row


def test_speed_is_that_of_the_page_on_costs() -> None:
    ratios = {row[-1] for row in rows("explanation/scaling.md") if len(row) == 2}
    shown = [r for r in rows("compared.md") if len(r) == 2 and r[0] and "/" in r[0]]
    assert len(shown) == 3
    assert {row[1] for row in shown} <= ratios


def test_coverage_is_that_of_the_study() -> None:
    related = (DOCS / "explanation" / "related.md").read_text(encoding="utf-8")
    shown = (DOCS / "compared.md").read_text(encoding="utf-8")
    for number in (".955", ".909", ".942"):
        assert number in related
        assert number in shown
    few = (DOCS / "explanation" / "few-labels.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "91 to\n100 %" in readme
    assert ".913 to 1.000" in few

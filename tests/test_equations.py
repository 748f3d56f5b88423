"""Every equation leads to its code, and the page that says so is current."""

from __future__ import annotations

from collections import Counter
import re

import pytest

from tests.docs.blocks import DOCS, load

equations = load(DOCS / "equations.py")

KNOWN = [label for _, label in equations.equations()]
#: Displays without a label: the costs on this page are measured, not computed.
MEASURED = DOCS / "explanation" / "scaling.md"


def test_every_equation_has_its_code() -> None:
    missing = set(KNOWN) - {claim.label for claim in equations.claims()}
    assert not missing, f"no docstring says Eq. ({sorted(missing)[0]})"


def test_docstrings_name_equations_that_exist() -> None:
    wrong = [claim for claim in equations.claims() if claim.label not in KNOWN]
    assert not wrong


def test_claims_are_those_of_functions() -> None:
    # A page cannot show the lines of a module that belong to an equation.
    assert all(claim.name for claim in equations.claims())


def test_labels_are_unique() -> None:
    assert max(Counter(KNOWN).values()) == 1


def test_every_display_has_a_label() -> None:
    for path in sorted({*DOCS.glob("explanation/*.md"), *DOCS.glob("how-to/*.md")}):
        text = path.read_text(encoding="utf-8")
        ends = re.findall(r"^\$\$.*$", text, re.MULTILINE)[1::2]
        if path != MEASURED:
            assert all(re.fullmatch(r"\$\$ \([\w-]+\)", end) for end in ends), path.name
            known = path.relative_to(DOCS).as_posix() in equations.SOURCES
            assert known or not ends, f"add {path.name} to SOURCES"


def test_the_page_is_current() -> None:
    if equations.PAGE.read_text(encoding="utf-8") != equations.page():
        pytest.fail("stale: run python docs/equations.py")


@pytest.mark.parametrize("change", ["claim", "label"])
def test_a_change_makes_the_page_stale(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims, rows = list(equations.claims()), equations.equations()
    if change == "claim":
        monkeypatch.setattr(equations, "claims", lambda: claims[1:])
    else:
        monkeypatch.setattr(equations, "equations", lambda: rows[1:])
    assert equations.PAGE.read_text(encoding="utf-8") != equations.page()

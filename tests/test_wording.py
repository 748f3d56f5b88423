"""What the project says of itself: the same thing everywhere, and what is true."""

from __future__ import annotations

from pathlib import Path
import re

import pytest

import statsmodels_synth
from statsmodels_synth.core.messages import VALIDITY
from statsmodels_synth.data.kinds import KINDS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(statsmodels_synth.__file__).parent
#: Pages and modules that say when estimates are valid.
SAY_SO = [
    *("README.md", "docs/index.md", "docs/explanation/method.md"),
    *(
        "docs/explanation/related.md",
        "docs/how-to/compare.md",
        "docs/how-to/designs.md",
    ),
    *("docs/how-to/match-units.md", "docs/how-to/troubleshooting.md"),
    *("docs/tutorials/quickstart.md", "statsmodels_synth/__init__.py"),
    "statsmodels_synth/model/augmented.py",
]
#: Claims that are too strong: a model that does not know who is labelled is not enough.
SUPERSEDED = [
    *("whatever the model did", "consistent whatever", "whatever the sources"),
    *("not told who", "without regard to which", "without regard to the sources"),
    *("estimate stays valid", "independent of the sources", "never noticeably worse"),
    *("gmm-synth, shrunken", "its size does not suffer"),
]


def words(path: Path) -> str:
    """Text of a file with single blanks, whatever marks its lines."""
    return " ".join(
        re.sub(r"[>#*\"\s]+", " ", path.read_text(encoding="utf-8")).split()
    )


@pytest.mark.parametrize("name", SAY_SO)
def test_validity_is_worded_alike(name: str) -> None:
    assert VALIDITY in words(ROOT / name)


def test_superseded_claims_are_gone() -> None:
    pages = [ROOT / "README.md", ROOT / "CITATION.cff", ROOT / "pyproject.toml"]
    pages += [*(ROOT / "docs").rglob("*.md"), *PACKAGE.rglob("*.py")]
    for page in pages:
        if "_build" in page.parts or "generated" in page.parts:
            continue
        text = words(page).lower()
        found = [claim for claim in SUPERSEDED if claim in text]
        assert not found, f"{page.relative_to(ROOT)} says {found}"


def test_where_new_code_goes_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    text = text[text.index("## Where new code goes") : text.index("## What a change")]
    paths = {path for path in re.findall(r"`([\w/.-]+)`", text) if "/" in path}
    assert len(paths) > 30
    for path in paths:
        # A room is a folder, or the module that it grew from.
        room = f"{path.rstrip('/')}.py" if path.endswith("/") else path
        places = [root / name for root in (ROOT, PACKAGE) for name in (path, room)]
        inside = path.startswith((".venv", "docs/_build"))  # made by make
        assert inside or any(place.exists() for place in places), path


def test_readme_names_the_kinds_of_frames() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    start = text.index("Frames may be")
    sentence = text[start : text.index("`docs/how-to/match-units.md`", start)].lower()
    missing = {kind.library for kind in KINDS if kind.library not in sentence}
    assert not missing

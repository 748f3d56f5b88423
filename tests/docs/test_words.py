"""Pages for first readers have short sentences, and all have links that lead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import re

import pytest

from statsmodels_synth.core.messages import VALIDITY
from tests.docs.blocks import DOCS, ROOT, name_of

EVERY = [
    *(ROOT / name for name in ("README.md", "llms.txt", "CONTRIBUTING.md")),
    *sorted(ROOT.glob("skills/*/SKILL.md")),
    *sorted(DOCS.glob("*.md")),
    *(
        page
        for folder in ("tutorials", "how-to", "explanation")
        for page in sorted(DOCS.glob(f"{folder}/*.md"))
    ),
]
MOST_WORDS = 25


def sentences(text: str) -> Iterator[str]:
    """Sentences of the prose of a page: no code, table, comment or equation."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    fence = r"^(`{3,})(?!\{glossary\}).*?^\1\s*$"
    text = re.sub(fence, "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!--.*?-->|!\[.*?\]\(.*?\)", "", text, flags=re.DOTALL)
    text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    # What is in a line of its own ends no sentence; in a sentence it is one word.
    text = re.sub(r"\$\$.*?\$\$(?: \([\w-]+\))?", " ", text, flags=re.DOTALL)
    text = re.sub(r"\{eq\}`[^`]*`|\$[^$]+\$|`[^`]+`", "x", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    for part in re.split(r"\n\s*\n|\n(?=[-*] |#)", text):
        if not part.lstrip().startswith("#"):
            yield from re.split(r"(?<=[.!?:;])[*_\"')]*\s+", " ".join(part.split()))


@pytest.mark.parametrize("page", EVERY, ids=name_of)
def test_sentences_are_short(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split("\n> "))
    # What is said everywhere in the same words has two more.
    text = re.sub(re.escape(VALIDITY).replace(r"\ ", r"\s+"), "", text)
    found = [s for s in sentences(text) if len(s.split()) > MOST_WORDS]
    assert not found, found


@pytest.mark.parametrize("page", EVERY, ids=name_of)
def test_pictures_have_words(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    alts = re.findall(r"!\[(.*?)\]\(", text)
    for options in re.findall(r"```\{figure\}[^\n]*\n((?::.*\n)*)", text):
        alts += re.findall(r":alt: (.*)", options) or [""]
    assert all(len(alt) > 20 for alt in alts), alts


@pytest.mark.parametrize("page", EVERY, ids=name_of)
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "." in link and not link.startswith(("http", "mailto")):
            assert (page.parent / link).exists(), link

"""
Show the help pages of the R package beside the reference of Python.

As an extension of Sphinx it writes ``docs/reference/r`` from ``r_bridge/man`` when the
pages are built. It needs no R: an Rd file is a tree of macros with arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
import re
import textwrap
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "r_bridge"
PAGES = HERE / "reference" / "r"
#: Sections of a help page that are prose, in the order in which R shows them.
PROSE = {
    "description": "",
    "usage": "Usage",
    "arguments": "Arguments",
    "details": "Details",
    "format": "Format",
    "value": "Value",
    "section": "",
    "note": "Note",
    "source": "Source",
    "references": "References",
    "seealso": "See also",
    "examples": "Examples",
}
#: Macros whose text is code, in which only the escapes of Rd are undone.
CODE = ("usage", "examples", "code", "verb", "dontrun", "donttest", "preformatted")
_MARKS = re.compile(r"([\\`*_\[\]<>$|#~])")


@dataclass
class Macro:
    r"""A macro of an Rd file, e.g. ``\link[stats:glm]{glm()}``; arguments are trees."""

    name: str
    option: str = ""
    arguments: list[list[Any]] = field(default_factory=list)

    @property
    def body(self) -> list[Any]:
        """The last argument."""
        return self.arguments[-1] if self.arguments else []


class Reader:
    """Reads the text of an Rd file from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read(self) -> list[Any]:
        """Parts up to the brace that closes, or to the end: strings and macros."""
        parts: list[Any] = []
        while self.at < len(self.text) and self.text[self.at] != "}":
            character = self.text[self.at]
            if character == "%":
                self._skip_comment()
            elif character == "\\":
                parts.append(self._escape())
            elif character == "{":
                parts += ["{", *self._group(), "}"]
            else:
                found = re.compile(r"[^%\\{}]+").match(self.text, self.at)
                assert found is not None
                parts.append(found[0])
                self.at = found.end()
        return parts

    def _skip_comment(self) -> None:
        end = self.text.find("\n", self.at)
        starts_line = self.at == 0 or self.text[self.at - 1] == "\n"
        # A line that is a comment is no line at all.
        self.at = len(self.text) if end < 0 else end + starts_line

    def _group(self) -> list[Any]:
        """What is in braces."""
        self.at += 1
        parts = self.read()
        if self.at >= len(self.text):
            raise ValueError("a brace is not closed")
        self.at += 1
        return parts

    def _escape(self) -> Macro | str:
        """What follows a backslash: a macro, or a character as it stands."""
        found = re.compile(r"\\([a-zA-Z]+)").match(self.text, self.at)
        if found is None:
            character = self.text[self.at + 1]
            self.at += 2
            return character if character in "\\%{}" else "\\" + character
        macro = Macro(found[1])
        self.at = found.end()
        option = re.compile(r"\[([^\]]*)\]").match(self.text, self.at)
        if option and macro.name in ("link", "Sexpr"):
            macro.option = option[1]
            self.at = option.end()
        while self.text[self.at : self.at + 1] == "{":
            macro.arguments.append(self._group())
        return macro


def plain(parts: list[Any]) -> str:
    """Text of code: methods by their names, without what is not shown."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
        elif part.name in ("method", "S3method"):
            generic, of = (plain(argument) for argument in part.arguments)
            default = of == "default"
            kind = "Default S3 method" if default else f"S3 method for class '{of}'"
            text += f"# {kind}\n{generic}"
        elif part.name in ("dots", "ldots"):
            text += "..."
        elif part.name == "R":
            text += "R"
        elif part.name not in ("dontshow", "testonly"):
            text += plain(part.body)
    return text


class Page:
    """A help page as Markdown; `topics` has the file of each alias of the package."""

    def __init__(self, path: Path, topics: dict[str, str]) -> None:
        self.parts = [
            part
            for part in Reader(path.read_text(encoding="utf-8")).read()
            if isinstance(part, Macro)
        ]
        self.topics = topics

    def all(self, name: str) -> list[Macro]:
        """All macros of a name."""
        return [part for part in self.parts if part.name == name]

    @property
    def aliases(self) -> list[str]:
        """What the page is found by."""
        return [plain(macro.body) for macro in self.all("alias")]

    @property
    def title(self) -> str:
        """Its title, as text."""
        return " ".join(plain(self.all("title")[0].body).split())

    def markdown(self) -> str:
        """The whole page."""
        title = _MARKS.sub(r"\\\1", self.title)
        text = f"# {title}\n"
        for name, heading in PROSE.items():
            for macro in self.all(name):
                own = self.prose(macro.arguments[0]) if name == "section" else heading
                if own:
                    text += f"\n## {' '.join(own.split())}\n"
                text += f"\n{self.section(macro)}\n"
        return re.sub(r"\n{3,}", "\n\n", text)

    def section(self, macro: Macro) -> str:
        """The text of a section."""
        if macro.name in ("usage", "examples"):
            code = re.sub(r"\n{3,}", "\n\n", plain(macro.body)).strip("\n")
            return f"```r\n{code}\n```"
        if macro.name == "arguments":
            return self.definitions(macro.body)
        return self.prose(macro.body).strip()

    def definitions(self, parts: list[Any]) -> str:
        """A list of terms, each with paragraphs."""
        items = [part for part in parts if isinstance(part, Macro)]
        return "".join(self.definition(m) for m in items if m.name == "item").strip()

    def definition(self, item: Macro) -> str:
        """A term of a list, with its paragraphs."""
        term = self.prose(item.arguments[0]).strip()
        if "`" not in term:
            names = plain(item.arguments[0]).split(",")
            term = ", ".join(f"`{name.strip()}`" for name in names)
        body = textwrap.indent(self.prose(item.body).strip(), "  ").strip()
        return f"\n\n{term}\n: {body}"

    def prose(self, parts: list[Any]) -> str:
        """Markdown of running text."""
        return "".join(
            _MARKS.sub(r"\\\1", part) if isinstance(part, str) else self.inline(part)
            for part in parts
        )

    def inline(self, macro: Macro) -> str:
        """Markdown of a macro in running text."""
        name, body = macro.name, macro.body
        links = [m for m in body if isinstance(m, Macro) and m.name == "link"]
        if name == "link" or (name == "code" and len(links) == 1 == len(body)):
            link = macro if name == "link" else links[0]
            topic = link.option.lstrip("=") or plain(link.body)
            code = f"`{plain(link.body)}`"
            to = self.topics.get(topic)
            return f"[{code}]({to}.md)" if to else code
        if name in CODE:
            return f"`{plain(body)}`" if plain(body).strip() else ""
        if name == "eqn":
            return f"${plain(macro.arguments[0])}$"
        if name in ("emph", "strong", "bold"):
            mark = "*" if name == "emph" else "**"
            return f"{mark}{self.prose(body).strip()}{mark}"
        if name == "item":
            return self.definition(macro)
        if name == "describe":
            return f"\n\n{self.definitions(body)}\n\n"
        if name in ("itemize", "enumerate"):
            return f"\n\n{self.items(body)}\n\n"
        if name == "url":
            return f"<{plain(body)}>"
        if name == "href":
            return f"[{self.prose(body)}]({plain(macro.arguments[0])})"
        if name in ("dots", "ldots", "R"):
            return plain([macro])
        if name == "doi":
            return f"doi:{plain(body)}"
        if name == "email":
            return ""
        return self.prose(body)

    def items(self, parts: list[Any]) -> str:
        """A list with points; each item follows its macro."""
        entries: list[list[Any]] = []
        for part in parts:
            if isinstance(part, Macro) and part.name == "item":
                entries.append([])
            elif entries:
                entries[-1].append(part)
        texts = (" ".join(self.prose(entry).split()) for entry in entries)
        return "\n".join(f"- {text}" for text in texts)


def read_pages(package: Path = PACKAGE) -> dict[str, Page]:
    """All help pages of a package, by the name of their file."""
    topics: dict[str, str] = {}
    pages = {}
    for path in sorted((package / "man").glob("*.Rd")):
        page = pages[path.stem] = Page(path, topics)
        topics.update(dict.fromkeys(page.aliases, path.stem))
    return pages


def groups(pages: dict[str, Page], package: Path = PACKAGE) -> Iterator[Any]:
    """Headings of the package's index, each with the names of its pages."""
    text = (package / "_pkgdown.yml").read_text(encoding="utf-8")
    by_topic = {alias: name for name, page in pages.items() for alias in page.aliases}
    by_topic |= {name: name for name in pages}
    shown: set[str] = set()
    for group in yaml.safe_load(text)["reference"]:
        names: list[str] = []
        for entry in group["contents"]:
            prefix = re.fullmatch(r'starts_with\("(.*)"\)', entry)
            if prefix:
                names += [name for name in pages if name.startswith(prefix[1])]
            else:
                names.append(by_topic[entry])
        names = [name for name in dict.fromkeys(names) if name not in shown]
        shown.update(names)
        yield group["title"], names
    rest = [name for name in pages if name not in shown]
    yield "The package", rest


def index(pages: dict[str, Page]) -> str:
    """The page that lists all help pages."""
    text = (
        "# R package\n\n"
        "`library(statsmodelssynth)`. These are the help pages that `?augmented_gmm`"
        " shows in R. [Set up R](../../how-to/r-setup.md) says how to install it,\n"
        "and [An analysis in R](../../tutorials/quickstart-r.md) goes through one.\n"
    )
    listed = []
    for title, names in groups(pages):
        text += f"\n## {title}\n\n| page | what it is about |\n|---|---|\n"
        for name in names:
            about = _MARKS.sub(r"\\\1", pages[name].title)
            text += f"| [`{name}`]({name}.md) | {about} |\n"
        listed += names
    entries = "\n".join(f"{name} <{name}>" for name in listed)
    return f"{text}\n```{{toctree}}\n:hidden:\n\n{entries}\n```\n"


def write_pages(to: Path = PAGES) -> None:
    """Write all pages; those that are as they were are left alone."""
    pages = read_pages()
    texts = {name: page.markdown() for name, page in pages.items()}
    texts["index"] = index(pages)
    to.mkdir(parents=True, exist_ok=True)
    for old in to.glob("*.md"):
        if old.stem not in texts:
            old.unlink()
    for name, text in texts.items():
        path = to / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Have Sphinx write the pages before it looks for pages."""
    app.connect("builder-inited", lambda _: write_pages())
    return {"parallel_read_safe": True, "parallel_write_safe": True}

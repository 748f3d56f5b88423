"""
From equations to the code that computes them, and back.

A docstring that says ``Eq. (theta-hat)`` claims the equation of that label. ``python
docs/equations.py`` writes ``docs/explanation/equations.md`` from these claims: for each
equation the code that computes it. As an extension of Sphinx this file adds a link to
the code below every labelled equation, and makes the claims links in the reference.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
import re
import sys
from typing import Any, NamedTuple

DOCS = Path(__file__).resolve().parent
PACKAGE = DOCS.parent / "statsmodels_synth"
PAGE = DOCS / "explanation" / "equations.md"
#: Pages with equations, in the order of reading. What is measured has none to compute.
SOURCES = (
    "explanation/method.md",
    "explanation/few-labels.md",
    "explanation/task-exchangeability.md",
    "explanation/sampling.md",
    "how-to/plan.md",
    "how-to/fixed-effects.md",
)
_LABEL = re.compile(r"^\$\$ \(([\w-]+)\)$", re.MULTILINE)
_CLAIM = re.compile(r"Eq\.\s+\(([\w-]+)\)")
_HEADER = """\
<!-- Written by `python docs/equations.py`: change the docstrings, not this page. -->
# From equations to code

Each equation with the functions that compute it, page by page. A docstring names its
equations by these labels, as in `Eq. (theta-hat)`. Below each equation is a link to its
code, and from the code one leads back.
"""


class Claim(NamedTuple):
    """A docstring that names an equation: its label, its file and its function."""

    label: str
    file: str
    name: str


def equations() -> list[tuple[str, str]]:
    """Page and label of each equation, in the order of reading."""
    return [
        (page, label)
        for page in SOURCES
        for label in _LABEL.findall((DOCS / page).read_text(encoding="utf-8"))
    ]


def claims() -> Iterator[Claim]:
    """What the docstrings of the package claim."""
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE.parent).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for label in _CLAIM.findall(ast.get_docstring(tree) or ""):
            yield Claim(label, file, "")
        yield from _claims_in(tree, file, "")


def _claims_in(tree: Any, file: str, inside: str) -> Iterator[Claim]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            name = f"{inside}{node.name}"
            for label in _CLAIM.findall(ast.get_docstring(node) or ""):
                yield Claim(label, file, name)
            yield from _claims_in(node, file, f"{name}.")


def page() -> str:
    """The page, as it should be."""
    found: dict[str, list[Claim]] = {label: [] for _, label in equations()}
    for claim in claims():
        found.setdefault(claim.label, []).append(claim)
    table, sections = [], []
    for source in SOURCES:
        path = f"../{source}" if source.startswith("how-to") else Path(source).name
        text = (DOCS / source).read_text(encoding="utf-8")
        title = re.findall(r"^# (.+)$", text, re.MULTILINE)[0]
        table.append(
            f"\n**[{title}]({path})**\n\n| equation | computed by |\n|---|---|"
        )
        sections.append(f"## {title}\n")
        for label in (own for where, own in equations() if where == source):
            names = ", ".join(_dotted(claim) for claim in found[label])
            table.append(
                f"| {{ref}}`{label} <code-{label}>` {{eq}}`{label}` | {names} |"
            )
            sections.append(f"(code-{label})=\n### {label}\n")
            sections.append(f"Equation {{eq}}`{label}` of [{title}]({path}).\n")
            sections += [_code(claim) for claim in found[label]]
    return "\n".join([_HEADER, *table, "", *sections])


def _dotted(claim: Claim) -> str:
    module = claim.file.removeprefix("statsmodels_synth/").removesuffix(".py")
    return f"`{module.replace('/', '.')}.{claim.name}`"


def _code(claim: Claim) -> str:
    return (
        f"```{{literalinclude}} ../../{claim.file}\n"
        f":caption: {claim.file}, {claim.name}\n"
        f":pyobject: {claim.name}\n"
        ":lineno-match:\n"
        "```\n"
    )


def _link_to_code(app: Any, doctree: Any) -> None:
    """Below each labelled equation, a link to its code."""
    from docutils import nodes  # noqa: PLC0415
    from sphinx import addnodes  # noqa: PLC0415

    known = {label for where, label in equations() if where == f"{app.env.docname}.md"}
    for equation in list(doctree.findall(nodes.math_block)):
        label = equation.get("label")
        if label in known:
            link = addnodes.pending_xref(
                "",
                nodes.inline("", "code"),
                refdomain="std",
                reftype="ref",
                reftarget=f"code-{label}",
                refexplicit=True,
                refwarn=True,
            )
            line = nodes.paragraph("", "", link, classes=["equation-code"])
            equation.parent.insert(equation.parent.index(equation) + 1, line)


def _link_to_equation(
    _app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]
) -> None:
    """In the reference, a claim is a link to its equation."""
    lines[:] = [_CLAIM.sub(r"Equation :eq:`\1`", line) for line in lines]


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", _link_to_code)
    app.connect("autodoc-process-docstring", _link_to_equation, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(DOCS.parent)}: {len(equations())} equations\n")

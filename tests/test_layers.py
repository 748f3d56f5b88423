"""Data flows one way: between rooms along arrows, within a room in no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
import subprocess
import sys

import pytest

import statsmodels_synth

PACKAGE = Path(statsmodels_synth.__file__).parent
#: Room -> the rooms that it may import, besides those that these may. Imports for type
#: checkers count as well.
ARROWS: dict[str, set[str]] = {
    "exceptions": set(),
    "core": {"exceptions"},
    "problem": {"core"},
    "scores": {"problem"},
    "data": {"problem"},
    "gmm": {"problem"},
    "estimators": {"gmm"},
    "diagnostics": {"gmm"},
    "sampling": {"gmm"},
    "planning": {"sampling"},
    "results": {"estimators", "diagnostics", "planning"},
    "model": {"results", "data"},
    "tasks": {"core"},
    "generation": {"core"},
    "datasets": set(),
    "__init__": {"model", "scores", "tasks", "datasets"},
    "demo": {"__init__"},
    "demo_llm": {"__init__", "generation"},
    "r": {"__init__"},
}
#: Lines of code, docstring and comments apart, and parameters of a function. What has
#: more is named below, with the reason.
MOST_LINES, MOST_PARAMETERS = 60, 7
_ONE_BY_ONE = "reads one argument after the other"
LONG = {
    "data/arrays:labeled_rows": _ONE_BY_ONE,
    "data/dask/construct:_aligned": _ONE_BY_ONE,
    "data/frames:_align_source": "each step needs what the last one found",
    "data/from_frames:align_tables": _ONE_BY_ONE,
    "tasks/graphics:plot_gaps": "one figure, drawn from back to front",
    "tasks/reading_summaries:read_estimates": _ONE_BY_ONE,
    "tasks/reading_summaries:read_votes": _ONE_BY_ONE,
}
_PUBLIC, _ITS_READER = "options of users", "takes the options of a public function"
WIDE = {
    "core/prediction:get_prediction": _PUBLIC,
    "core/statsmodels:predictions": _ITS_READER,
    "data/arrays:align_arrays": _ITS_READER,
    "data/arrays:collect_sources": _ITS_READER,
    "data/dask/construct:align_partitions": _ITS_READER,
    "data/frames:_align_source": _ITS_READER,
    "data/frames:align_frames": _ITS_READER,
    "data/from_frames:align_tables": _ITS_READER,
    "problem/design:align_design": "all parts of a design",
    "problem/design:assemble_design": "all parts of a design",
    "estimators/learned:_cross_fit": "features of every kind of rows",
    "estimators/learned:_result": "all parts of a result",
    "estimators/results:__init__": "all parts of a result",
    "gmm/solver:solve": _ITS_READER,
    "generation/pairs:judge_pairs": _PUBLIC,
    "generation/study:__init__": _PUBLIC,
    "model/augmented:__init__": _PUBLIC,
    "model/augmented:fit": _PUBLIC,
    "model/augmented:from_formula": _PUBLIC,
    "model/augmented:from_moments": _PUBLIC,
    "model/drawing:draw_labels": _PUBLIC,
    "planning/plan:cheapest": _PUBLIC,
    "planning/plan:expect": _PUBLIC,
    "planning/plan:labels_needed": _PUBLIC,
    "tasks/model:fit": _PUBLIC,
    "tasks/model:from_estimates": _PUBLIC,
    "tasks/model:from_frame": _PUBLIC,
    "tasks/model:from_votes": _PUBLIC,
    "tasks/reading:read_frame": _ITS_READER,
    "tasks/reading_summaries:read_estimates": _ITS_READER,
    "tasks/reading_summaries:read_votes": _ITS_READER,
}


def reachable(room: str) -> set[str]:
    """Rooms that a room may import."""
    direct = ARROWS[room]
    return direct.union(*(reachable(other) for other in direct))


def imports(path: Path) -> Iterator[str]:
    """Dotted names of modules of the package that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            package, _, module = node.module.partition(".")
            if package == "statsmodels_synth":
                rooms = [a.name for a in node.names if (PACKAGE / a.name).is_dir()]
                yield from [module] if module else rooms or ["__init__"]


def room_of(path: Path) -> str:
    """Folder, or file at the top, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))


def test_imports_between_rooms_follow_the_arrows() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in FILES
        for module in imports(path)
        if (other := module.split(".")[0]) != (own := room_of(path))
        and other not in reachable(own)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_circle_within_a_room() -> None:
    known = {".".join(p.relative_to(PACKAGE).with_suffix("").parts): p for p in FILES}
    open_: list[str] = []
    closed: set[str] = set()

    def visit(name: str) -> None:
        assert name not in open_, " -> ".join([*open_[open_.index(name) :], name])
        if name in closed or name not in known:
            return
        open_.append(name)
        for other in imports(known[name]):
            visit(other if other in known else f"{other}.__init__")
        open_.pop()
        closed.add(name)

    for name in known:
        visit(name)


def functions() -> Iterator[tuple[str, ast.FunctionDef, int]]:
    """Every function: its place, its tree and its lines of code."""
    for path in FILES:
        lines = path.read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef):
                has_doc = ast.get_docstring(node) is not None
                body = node.body[has_doc:] or [node]
                code = [
                    line
                    for line in lines[body[0].lineno - 1 : node.end_lineno]
                    if line.strip() and not line.lstrip().startswith("#")
                ]
                place = path.relative_to(PACKAGE).with_suffix("").as_posix()
                yield f"{place}:{node.name}", node, len(code)


def test_functions_are_short() -> None:
    found = {place: n for place, _, n in functions() if n > MOST_LINES}
    assert found.keys() == LONG.keys(), found


def test_functions_take_few_arguments() -> None:
    found = {}
    for place, node, _ in functions():
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        n = len([a for a in every if a.arg not in ("self", "cls")])
        if n > MOST_PARAMETERS:
            found[place] = n
    assert found.keys() == WIDE.keys(), found


def test_private_statsmodels_in_one_place() -> None:
    for path in FILES:
        if path == PACKAGE / "core" / "statsmodels.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "statsmodels."
            ):
                parts = (node.module or "").split(".")
                private = any(p.startswith("_") or p == "sandbox" for p in parts)
                assert not private, f"{path.name} imports {node.module}"


@pytest.fixture(scope="module")
def imported() -> list[set[str]]:
    """Modules that statsmodels imports, and that the package has imported with it."""
    code = (
        "import sys, statsmodels.api; print(*sys.modules); "
        "import statsmodels_synth; print(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [set(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", ["estimators", "diagnostics", "planning", "tasks"])
def test_what_is_asked_for_later_is_imported_later(
    imported: list[set[str]], name: str
) -> None:
    assert "statsmodels_synth" in imported[1]
    assert f"statsmodels_synth.{name}" not in imported[1]


@pytest.mark.parametrize("name", ["matplotlib.pyplot", "dask"])
def test_other_packages_are_imported_where_they_are_used(
    imported: list[set[str]], name: str
) -> None:
    assert name not in imported[1] - imported[0]


def test_every_folder_is_in_the_wheel() -> None:
    """Packages are named one by one, and one that is not would be missing there."""
    text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
    found = {
        ".".join(("statsmodels_synth", *path.parent.relative_to(PACKAGE).parts))
        for path in PACKAGE.rglob("__init__.py")
    }
    assert not {name for name in found if f'"{name}"' not in text}

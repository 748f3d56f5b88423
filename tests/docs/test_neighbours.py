"""What the reference links to elsewhere exists, as far as can be seen from here."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import DOCS, load

neighbours = load(DOCS / "neighbours.py")
NAMED = [
    entry
    for _, entries in neighbours.read_neighbours().values()
    for entry in entries
    if entry.role in neighbours.PYTHON
]


@pytest.mark.parametrize("entry", NAMED, ids=lambda entry: entry.name)
def test_a_name_is_what_its_role_says(entry: Any) -> None:
    module, _, name = entry.name.rpartition(".")
    try:
        home = importlib.import_module(module) if module else builtins
    except ModuleNotFoundError:
        pytest.skip(f"{module} is not installed")
    thing = None if name == "None" else getattr(home, name)
    if entry.role in ("class", "exception"):
        assert inspect.isclass(thing)
        assert issubclass(thing, BaseException) == (entry.role == "exception")


def test_sphinx_reads_the_inventories(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    intersphinx = pytest.importorskip("sphinx.ext.intersphinx")
    mapping = neighbours.write_inventories(tmp_path)
    for project, (_, entries) in neighbours.read_neighbours().items():
        intersphinx.inspect_main([mapping[project][1]])
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        places = {parts[0]: parts[-1] for parts in lines if len(parts) > 1}
        assert places == {
            e.name: e.page + e.name * e.page.endswith("#") for e in entries
        }

"""Pictures show what the code of today computes."""

from __future__ import annotations

import importlib.util
import json

from PIL import Image
import pytest

from tests.docs.blocks import DOCS

_spec = importlib.util.spec_from_file_location("figures", DOCS / "figures.py")
assert _spec is not None
assert _spec.loader is not None
figures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(figures)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_the_numbers_of_a_picture_are_current(name: str) -> None:
    with Image.open(figures.IMAGES / name) as picture:
        drawn = json.loads(picture.text[figures.NUMBERS])
    compute, _ = figures.FIGURES[name]
    assert drawn == json.loads(json.dumps(compute())), "run make figures"


def test_every_picture_is_drawn_by_the_script() -> None:
    assert {path.name for path in figures.IMAGES.iterdir()} == set(figures.FIGURES)

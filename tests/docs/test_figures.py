"""Pictures show what the code of today computes."""

from __future__ import annotations

import json

from PIL import Image
import pytest

from tests.docs.blocks import DOCS, load

figures = load(DOCS / "figures.py")


@pytest.mark.parametrize("name", figures.FIGURES)
def test_the_numbers_of_a_picture_are_current(name: str) -> None:
    with Image.open(figures.IMAGES / name) as picture:
        drawn = json.loads(picture.text[figures.NUMBERS])
    compute, _ = figures.FIGURES[name]
    assert drawn == json.loads(json.dumps(compute())), "run make figures"


def test_every_picture_is_drawn_by_the_script() -> None:
    assert {path.name for path in figures.IMAGES.iterdir()} == set(figures.FIGURES)

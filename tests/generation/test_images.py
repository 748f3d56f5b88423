"""Images go along as parts of a message, by path or by address."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from statsmodels_synth.exceptions import DataError, GenerationError, OptionError
from statsmodels_synth.generation import Binary, Codebook, Study

CODEBOOK = Codebook(
    unit="a photograph with its caption",
    shown=["caption", "photo"],
    variables={"crowd": Binary("Does it show a crowd?")},
    images=["photo"],
)


def photos(tmp_path: Path) -> pd.DataFrame:
    for k in range(2):
        (tmp_path / f"{k}.jpg").write_bytes(f"image {k}".encode())
    where: list[str | None] = [str(tmp_path / f"{k}.jpg") for k in range(2)]
    where += ["https://x.org/2.png", None]
    captions = ["A square", "A field", None, "No photo"]
    return pd.DataFrame({"caption": captions, "photo": where}, index=list("abcd"))


def seen(data: pd.DataFrame, **options: Any) -> dict[str, Any]:
    found = {}

    def model(request: Any) -> str:
        found[request.unit] = request
        request.messages  # noqa: B018 - reads the files
        return '{"crowd": "yes"}'

    Study(data, CODEBOOK, model=model, store=":memory:", **options).run(workers=1)
    return found


def test_images_are_parts_of_the_message(tmp_path: Path) -> None:
    requests = seen(photos(tmp_path))
    text, image = requests["a"].messages[-1]["content"]
    assert "A square" in text["text"]
    assert str(tmp_path) not in str(requests["a"].messages)
    encoded = base64.b64encode(b"image 0").decode()
    assert image["image_url"]["url"] == f"data:image/jpeg;base64,{encoded}"
    url = requests["c"].messages[-1]["content"][1]["image_url"]["url"]
    assert url == "https://x.org/2.png"
    assert isinstance(requests["d"].messages[-1]["content"], str)


def test_answers_are_found_by_the_image_not_by_its_place(tmp_path: Path) -> None:
    data = photos(tmp_path)
    before = {unit: own.key for unit, own in seen(data).items()}
    (tmp_path / "0.jpg").rename(tmp_path / "moved.jpg")
    data.loc["a", "photo"] = str(tmp_path / "moved.jpg")
    assert {unit: own.key for unit, own in seen(data).items()} == before
    (tmp_path / "moved.jpg").write_bytes(b"another image")
    assert seen(data)["a"].key != before["a"]


def test_images_that_are_not_there(tmp_path: Path) -> None:
    data = photos(tmp_path)
    with pytest.raises(DataError, match=r"'photo' names 1 image .*unit 'b'"):
        seen(data.replace(str(tmp_path / "1.jpg"), "none.jpg"))
    with pytest.raises(OptionError, match="images cannot be written"):
        seen(data, synthetic=1)
    study = Study(
        data, CODEBOOK, model={"m": lambda own: str(own.messages)}, store=":memory:"
    )
    (tmp_path / "0.jpg").write_bytes(b"changed")
    with pytest.raises((GenerationError, DataError), match="has changed since"):
        study.run()

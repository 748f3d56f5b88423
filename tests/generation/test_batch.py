"""Batches: requests and answers as files, half the price; the command line."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest

from statsmodels_synth.exceptions import DataError, GenerationWarning, OptionError
from statsmodels_synth.generation import Answer, OpenAIModel, Study
from statsmodels_synth.generation.__main__ import main
from tests.generation.scripted import CODEBOOK, Scripted, posts

ADDRESS = "http://localhost:8000/v1"


class _Body:
    """What a scripted model reads of a request, from the body of a batch."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.text = body["messages"][-1]["content"]
        self.schema = body["response_format"]["json_schema"]["schema"]
        self.draw = body["seed"]


def respond(line: dict[str, Any]) -> dict[str, Any]:
    """What a batch returns for a line."""
    answer: Answer = Scripted().complete(_Body(line["body"]))  # type: ignore[arg-type]
    message = {"role": "assistant", "content": answer.text}
    body = {
        "model": "m-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
    }
    return {
        "id": "b",
        "custom_id": line["custom_id"],
        "response": {"status_code": 200, "body": body},
        "error": None,
    }


def answer_files(paths: list[Path], folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    written = []
    for path in paths:
        lines = [json.loads(text) for text in path.read_text().splitlines()]
        out = folder / path.name
        out.write_text("".join(json.dumps(respond(k)) + "\n" for k in lines))
        written.append(out)
    return written


def make(tmp_path: Path, **options: Any) -> Study:
    model = OpenAIModel("m", ADDRESS)
    store = tmp_path / "s.sqlite"
    return Study(posts(), CODEBOOK, model=model, store=store, synthetic=1, **options)


def test_a_study_by_batches_is_that_of_calls(tmp_path: Path) -> None:
    study = make(tmp_path, prices=(9.0, 10.0))
    steps = []
    while paths := study.export_batch(tmp_path / "out"):
        steps.append([path.name for path in paths])
        assert study.import_batch(answer_files(paths, tmp_path / "in")) == 40
    assert steps == [[f"m-{k}-001.jsonl"] for k in ("code", "write", "read")]
    sources = study.sources()
    own = Study(
        posts(), CODEBOOK, model=Scripted(), store=":memory:", synthetic=1
    ).run()
    pd.testing.assert_frame_equal(sources.proxy["m"], own.proxy["scripted"])
    pd.testing.assert_frame_equal(sources.synthetic["m"], own.synthetic["scripted"])
    # 100 tokens in and 10 out at these prices are .001 a call, and half in a batch.
    assert sources.costs["money"].sum() == pytest.approx(120 * 0.0005)
    assert "m-2026" in sources.report()


def test_lines_are_as_batches_take_them(tmp_path: Path) -> None:
    path = make(tmp_path).export_batch(tmp_path)[0]
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    assert len({line["custom_id"] for line in lines}) == 40
    assert {(line["method"], line["url"]) for line in lines} == {
        ("POST", "/v1/chat/completions")
    }
    assert all(len(line["custom_id"]) <= 512 for line in lines)
    form = lines[0]["body"]["response_format"]
    assert form["json_schema"]["schema"] == CODEBOOK.schema


def test_big_batches_are_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statsmodels_synth.generation.batch._MOST_LINES", 15)
    paths = make(tmp_path).export_batch(tmp_path)
    sizes = [len(path.read_text().splitlines()) for path in paths]
    assert sizes == [15, 15, 10]


def test_failed_lines_are_written_again(tmp_path: Path) -> None:
    study = make(tmp_path)
    paths = answer_files(study.export_batch(tmp_path / "out"), tmp_path / "in")
    lines = paths[0].read_text().splitlines()
    bad = json.loads(lines[0])
    bad["response"], bad["error"] = None, {"code": "batch_expired", "message": "late"}
    filtered = json.loads(lines[1])
    error = {"error": {"code": "content_filter", "message": "filtered"}}
    filtered["response"] = {"status_code": 400, "body": error}
    lines[:2] = [json.dumps(bad), json.dumps(filtered)]
    paths[0].write_text("\n".join(lines))
    with pytest.warns(GenerationWarning, match="1 request failed, such as: late"):
        assert study.import_batch(tmp_path / "in") == 39
    with pytest.warns(GenerationWarning):
        assert study.import_batch(paths[0]) == 0
    again = study.export_batch(tmp_path / "again")
    assert [len(path.read_text().splitlines()) for path in again] == [1]
    counts = study.sources().counts.set_index(["step", "reason"])["units"]
    assert counts["code", "refused"] == 1
    assert counts["code", "not asked yet"] == 1


def test_files_of_another_study(tmp_path: Path) -> None:
    study, other = make(tmp_path), make(tmp_path, seed=5)
    files = answer_files(other.export_batch(tmp_path / "out"), tmp_path / "in")
    with pytest.raises(DataError, match="40 answers of 40 belong to no request"):
        study.import_batch(files)
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(DataError, match=r"x\.jsonl, line 1 is no answer"):
        study.import_batch(tmp_path / "x.jsonl")
    with pytest.raises(DataError, match="is no file"):
        study.import_batch(tmp_path / "y.jsonl")
    with pytest.raises(OptionError, match="knows no batches"):
        Study(posts(), CODEBOOK, model=Scripted(), store=":memory:").export_batch(
            tmp_path
        )


TOML = """
data = "posts.csv"
on = "id"
model = "m"
base_url = "http://localhost:8000/v1"
store = "s.sqlite"
synthetic = 1
prices = [9.0, 10.0]

[codebook]
unit = "a request posted on a question-and-answer site"
shown = ["text"]

[codebook.variables.polite]
type = "binary"
question = "Is the request polite?"

[codebook.variables.warmth]
type = "scale"
question = "How warm is it?"
low = 1
high = 7
"""


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.toml"
    if sys.version_info < (3, 11):
        pytest.skip("TOML needs Python 3.11")
    file.write_text(TOML)
    data = posts().drop(columns="hedge")
    data.index = pd.Index([f"{k:03d}" for k in range(40)], name="id")
    data.to_csv(tmp_path / "posts.csv")
    for _ in range(3):
        assert main(["export-batch", str(file), str(tmp_path / "out")]) == 0
        paths = [Path(line) for line in capsys.readouterr().out.split()]
        answer_files(paths, tmp_path / "in")
        files = [str(tmp_path / "in" / path.name) for path in paths]
        assert main(["import-batch", str(file), *files]) == 0
        assert capsys.readouterr().out == "40 new answers\n"
    assert main(["run", str(file)]) == 0
    out = tmp_path / "sources"
    names = {path.name for path in out.iterdir()}
    assert names == {
        *("proxy-m.csv", "synthetic-m.csv", "texts-m.csv"),
        *("report.txt", "counts.csv", "costs.csv"),
    }
    frame = pd.read_csv(out / "proxy-m.csv", dtype={"id": str})
    assert list(frame["id"]) == list(data.index)
    assert list(frame.columns) == ["id", "polite", "warmth"]
    assert len(frame) == 40
    assert "Fisher" not in (out / "report.txt").read_text()
    capsys.readouterr()
    assert main(["forget", str(file)]) == 0
    assert capsys.readouterr().out == "120 answers deleted\n"


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("synthetic = 1", "sythetic = 1", "Did you mean 'synthetic'"),
        ('on = "id"\n', "", "It names the column of the ids"),
        ('type = "scale"', 'type = "scales"', "Did you mean 'scale'"),
        ("high = 7", "", "lacks one of"),
        ("high = 7", "hihg = 7", "Did you mean 'high'"),
        ("[codebook]", "[codebook", "is no TOML"),
    ],
)
def test_command_line_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, text: str
) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("TOML needs Python 3.11")
    file = tmp_path / "study.toml"
    file.write_text(TOML.replace(old, new))
    posts().to_csv(tmp_path / "posts.csv")
    assert main(["report", str(file)]) == 1
    assert text in capsys.readouterr().err


def test_command_line_has_help() -> None:
    command = [sys.executable, "-m", "statsmodels_synth.generation", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "export-batch" in done.stdout

"""The command line as a newcomer meets it: each mistake ends in a message."""

from __future__ import annotations

from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from statsmodels_synth.generation.__main__ import main
from tests.generation.scripted import posts
from tests.generation.servers import Script, faulty

pytest.importorskip("openai")
if sys.version_info < (3, 11):
    pytest.skip("TOML needs Python 3.11", allow_module_level=True)

STUDY = """data = "posts.csv"
on = "id"
model = "m"
base_url = "http://127.0.0.1:9/v1"
store = "posts.sqlite"

[codebook]
unit = "a request posted on a question-and-answer site"
shown = ["text"]

[codebook.variables.polite]
type = "binary"
question = "Is the request polite?"
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    posts()[["text"]].to_csv(tmp_path / "posts.csv")
    return tmp_path / "study.toml"


def told(
    capsys: pytest.CaptureFixture[str], path: Path, text: str, command: str = "report"
) -> str:
    """What the command says of a study that cannot be used."""
    path.write_text(text, encoding="utf-8")
    assert main([command, str(path)]) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('model = "m"', "model = 5", "model is 5. Give its name, or a list of names"),
        ('model = "m"', "model = []", "model= is empty"),
        ('"posts.sqlite"', "5", "store is 5. Give a text"),
        ('data = "posts.csv"', "data = 5", "data is 5. Give a text"),
        ('on = "id"', 'on = ["id"]', "on is ['id']. Give a text"),
        ('on = "id"', 'on = "ID"', "Did you mean 'id'"),
        ('"http://127.0.0.1:9/v1"', '"localhost:8000"', "'http://localhost:8000/v1'"),
        ('"http://127.0.0.1:9/v1"', "8000", "base_url is 8000. Give a text"),
        ('type = "binary"', 'type = ["binary"]', "There are: 'binary', 'choice'"),
        (".polite]", "]", "Give each variable a table of its own"),
        ('on = "id"', 'on = "id"\noutput = 5', "output is 5. Give a text"),
        ('on = "id"', 'on = "id"\nregressors = 5', "Give names of variables"),
        ("[codebook]", "[endpoint]\ntimeout='a'\n[codebook]", "no number of seconds"),
        ("[codebook]", "[endpoint]\nkey_variable=5\n[codebook]", "no name of an env"),
        ('"posts.csv"', '"posts.xlsx"', "ends in .csv, .tsv, .parquet"),
        ('"posts.csv"', '"none.csv"', "there is no file"),
        ('on = "id"', 'on = "id"\nexamples = "none.csv"', "examples = 'none.csv'"),
    ],
)
def test_what_is_wrong_in_the_file(
    capsys: pytest.CaptureFixture[str], study: Path, old: str, new: str, text: str
) -> None:
    assert old in STUDY
    assert text in told(capsys, study, STUDY.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("e.csv", b"", "cannot be read as CSV"),
        ("e.csv", b'id,text\n1,a,b,c\n2,"x\n', "cannot be read as CSV"),
        ("e.csv", b"id,text\n1,\xe9\xff\n", "is no text in UTF-8"),
        ("e.csv", b"id;text\n1;a\n", "on='id' is not a column of data"),
        ("e.parquet", b"abc", "cannot be read as Parquet"),
    ],
)
def test_tables_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str],
    study: Path,
    name: str,
    content: bytes,
    text: str,
) -> None:
    (study.parent / name).write_bytes(content)
    assert text in told(capsys, study, STUDY.replace("posts.csv", name))


def test_files_that_are_no_study(
    capsys: pytest.CaptureFixture[str], study: Path
) -> None:
    assert main(["run", str(study)]) == 1
    assert "study.toml does not exist" in capsys.readouterr().err
    assert main(["run", str(study.parent)]) == 1
    assert "is a folder" in capsys.readouterr().err
    study.write_bytes(b'data = "\xff"')
    assert main(["run", str(study)]) == 1
    assert "is no text in UTF-8" in capsys.readouterr().err
    # As an editor of Windows writes it.
    study.write_text(STUDY, encoding="utf-8-sig")
    assert main(["report", str(study)]) == 0
    assert main(["report", str(study), "more"]) == 1
    assert "nothing else" in capsys.readouterr().err


def test_endpoints_that_do_not_answer(
    capsys: pytest.CaptureFixture[str], study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Port 9 of this machine: nothing listens there. Not the minutes of eight retries.
    start = time.monotonic()
    said = told(capsys, study, STUDY, "run")
    assert time.monotonic() - start < 60
    assert "no connection to http://127.0.0.1:9/v1" in said
    assert "is base_url= right" in said
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    own = STUDY.replace('base_url = "http://127.0.0.1:9/v1"\n', "")
    assert "OPENAI_API_KEY is not set" in told(capsys, study, own, "run")


def test_nothing_is_asked_that_could_not_be_written(
    capsys: pytest.CaptureFixture[str], study: Path
) -> None:
    with faulty() as server:
        text = STUDY.replace("http://127.0.0.1:9/v1", server.url)
        own = text.replace('on = "id"', 'on = "id"\noutput = "posts.csv"')
        assert "Nothing can be written to the folder" in told(capsys, study, own, "run")
        own = text.replace("posts.sqlite", "none/posts.sqlite")
        assert "the file cannot be written" in told(capsys, study, own, "run")
        assert not server.ledger.asked
        # Two names that would make one file.
        own = text.replace('"m"', '["a/b", "a_b"]')
        study.write_text(own)
        assert main(["run", str(study)]) == 0
    names = {path.name for path in (study.parent / "sources").glob("proxy*")}
    assert names == {"proxy-a_b.csv", "proxy-a_b_.csv"}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
@pytest.mark.parametrize("times", [1, 2])
def test_interrupted(study: Path, times: int) -> None:
    with faulty(Script(slow=0.5 if times == 1 else 20.0)) as server:
        study.write_text(STUDY.replace("http://127.0.0.1:9/v1", server.url))
        command = [
            sys.executable,
            "-m",
            "statsmodels_synth.generation",
            "run",
            str(study),
        ]
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        wanted = 4 if times == 1 else 1
        while sum(server.ledger.asked.values()) < wanted:
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        assert any("calls in flight" in line for line in child.stderr)
        if times == 2:
            child.send_signal(signal.SIGINT)
        # The second time it waits for no call of 20 seconds.
        said = child.communicate(timeout=15)[1]
        assert child.returncode == 130
        assert "Traceback" not in said
        if times == 1:
            assert "Interrupted. What is answered is kept" in said
            # What was in flight is stored: the next run pays for nothing twice.
            asked = set(server.ledger.asked)
            server.script.slow = 0.0
            assert main(["run", str(study)]) == 0
            assert all(server.ledger.asked[key] == 1 for key in asked)

"""The store: committed at once, shared by processes, full, or no store at all."""

from __future__ import annotations

import os
from pathlib import Path
import sqlite3
import subprocess
import sys
import zlib

import pytest

from statsmodels_synth.exceptions import GenerationError
from statsmodels_synth.generation import Answer, Study
from statsmodels_synth.generation.spending import spent_on
from statsmodels_synth.generation.store import Store, StoreFullError, Total
from tests.generation.scripted import CODEBOOK, Scripted, posts

KEYS = [bytes([k]) * 32 for k in range(40)]
ANSWER = Answer(
    "text", "m-1", "", "stop", 10, 20, 5, 3, [("yes", -0.1, [("no", -2.0)])], "json"
)


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.put([(KEYS[0], "p", ANSWER), (KEYS[1], "q", Answer("", refusal="no"))])
    with Store(tmp_path / "s") as store:
        found = store.answers("p")[KEYS[0]]
        assert found.logprobs == [["yes", -0.1, [["no", -2.0]]]]
        assert store.known(KEYS) == {KEYS[0], KEYS[1]}
        spent = spent_on(store.answers("p").values())
        assert (spent.answers, spent.input_tokens, spent.models) == (1, 10, ("m-1",))
        assert store.modes("p") == ["json"]


def test_alternatives_that_never_happen_are_not_stored(tmp_path: Path) -> None:
    others = [("yes", -0.1234567), ("no", -2.2), *((f"x{k}", -15.0) for k in range(18))]
    with Store(tmp_path / "s") as store:
        tokens = [("yes", -0.1234567, others)] * 40
        store.put([(KEYS[0], "p", Answer("text", logprobs=tokens))])
        found = store.answers("p")[KEYS[0]].logprobs
    assert found == [["yes", -0.12346, [["yes", -0.12346], ["no", -2.2]]]] * 40


def test_a_key_has_one_answer_and_counts_once(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        for text in ("first", "second"):
            store.put([(KEYS[0], "p", Answer(text, input_tokens=10))])
        assert store.answers("p")[KEYS[0]].text == "first"
        assert spent_on(store.answers("p").values()).input_tokens == 10


def test_batches_count_half(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        store.put([(KEYS[0], "p", Answer("", input_tokens=10, batch=True))])
        assert spent_on(store.answers("p").values()).input_tokens == 5


def test_claims_are_of_one_process(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as one, Store(tmp_path / "s") as two:
        assert one.claim(KEYS[:3]) == set(KEYS[:3])
        assert two.claim(KEYS[:4]) == {KEYS[3]}
        one.put([(KEYS[0], "p", ANSWER)])
        one.release()
        # What is answered is not claimed again.
        assert two.claim(KEYS[:3]) == set(KEYS[1:3])


def test_claims_end_with_their_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "s") as store:
        dead = subprocess.run(
            [sys.executable, "-c", "import os; print(os.getpid())"],
            capture_output=True,
            text=True,
            check=True,
        )
        pid, host = int(dead.stdout), store.owner.rsplit("/", 2)[0]
        with Store(tmp_path / "s") as other:
            other.owner = f"{host}/{pid}/aaaa"
            other.claim(KEYS[:2])
            assert store.claim(KEYS[:2]) == set(KEYS[:2])
        # Of another machine, whose processes cannot be seen, a minute later.
        with Store(tmp_path / "s") as other:
            other.owner = f"elsewhere/{os.getpid()}/bbbb"
            other.claim(KEYS[2:4])
            assert not store.claim(KEYS[2:4])
            monkeypatch.setattr("statsmodels_synth.generation.store._DEAD", -1.0)
            assert store.claim(KEYS[2:4]) == set(KEYS[2:4])


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"no database at all" * 100, "is no store"), (None, "cannot be written")],
)
def test_what_is_no_store(tmp_path: Path, content: bytes | None, text: str) -> None:
    path = tmp_path / "s" if content else tmp_path / "missing" / "s"
    if content:
        path.write_bytes(content)
    with pytest.raises(GenerationError, match=text):
        Store(path)


def test_a_store_of_another_version(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "s")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(GenerationError, match="another version"):
        Store(tmp_path / "s")


def test_a_full_disk_keeps_what_is_stored(tmp_path: Path) -> None:
    path, model = tmp_path / "s", Scripted()
    study = Study(posts(400, 50), CODEBOOK, model=model, store=path)

    class Small(Store):
        def _open(self) -> None:
            super()._open()
            self._db.execute("PRAGMA max_page_count = 30")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("statsmodels_synth.generation.study.Store", Small)
        with pytest.raises(GenerationError, match="the disk is full") as info:
            study.run()
    assert str(path) in str(info.value)
    paid = len(model.asked)
    kept = len(study.sources().proxy["scripted"])
    # Calls stop at once: what is lost was in flight.
    assert kept > 0
    assert paid - kept <= 2 * 8
    study.run()
    assert len(model.asked) == 400 + paid - kept


SHARING = """
import pathlib, sys, time
from tests.generation.scripted import CODEBOOK, Scripted, posts
from statsmodels_synth.generation import Study
own, ready = Scripted(), pathlib.Path(sys.argv[1] + ".ready")
def complete(request):
    time.sleep(.005)
    return own.complete(request)
with ready.open("a") as file:  # both begin at once, however busy the machine is
    file.write("x")
while len(ready.read_text()) < 2:
    time.sleep(.01)
sources = Study(posts(100, 30), CODEBOOK, model={"m": complete}, store=sys.argv[1],
    synthetic=1).run(workers=4)
print(len(own.asked), len(sources.synthetic["m"]))
"""


def test_two_processes_share_a_store(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHARING, str(tmp_path / "s")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    out = [process.communicate()[0].split() for process in both]
    asked, rows = zip(*(map(int, line) for line in out), strict=True)
    assert rows == (100, 100)
    assert sum(asked) == 300  # nothing is paid twice
    assert min(asked) > 0


LIMITED = """
import sys, time
from tests.generation.scripted import CODEBOOK, Scripted, posts
from statsmodels_synth.exceptions import CostLimitError
from statsmodels_synth.generation import Study
own = Scripted()
def complete(request):
    time.sleep(.02)
    return own.complete(request)
study = Study(posts(100, 30), CODEBOOK, model={"m": complete}, store=sys.argv[1],
    prices=(9.0, 10.0))
try:
    study.run(workers=4, max_cost=.04)
except CostLimitError as error:
    print(len(own.asked), error)
"""


def test_two_processes_spend_from_one_purse(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "s")]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    out = [process.communicate()[0] for process in both]
    asked = [int(text.split()[0]) for text in out]
    # A call is .001: 40 of them, whoever asks; each process alone would ask for 40.
    assert sum(asked) == 40
    assert all("has cost 0.04 of max_cost=0.04" in text for text in out)


def test_totals_are_sums_of_answers(tmp_path: Path) -> None:
    with Store(tmp_path / "s") as store:
        batch = Answer("", input_tokens=10, output_tokens=4, batch=True)
        store.put([(KEYS[0], "p", ANSWER), (KEYS[1], "p", batch)])
        store.put([(KEYS[0], "p", ANSWER)])  # is there already
        assert store.totals() == {"p": Total(2, 15.0, 22.0, 3.0)}
        store._db.execute("DELETE FROM totals")
    # A file from before there were totals has them made.
    with Store(tmp_path / "s") as store:
        assert store.totals() == {"p": Total(2, 15.0, 22.0, 3.0)}
        store.forget(["p"])
        assert store.totals() == {}


def test_a_reserve_that_another_process_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "s.sqlite") as store, store.reserved():
        reserve = tmp_path / "s.sqlite-reserve"
        # Zeros would be no bytes on the disk where the file system compresses.
        assert len(zlib.compress(reserve.read_bytes())) > 900_000

        def full(answers: object) -> None:
            reserve.unlink(missing_ok=True)
            raise StoreFullError("the disk is full")

        monkeypatch.setattr(store, "_put", full)
        with pytest.raises(StoreFullError, match="the disk is full"):
            store.put([])

"""From texts to sources through an endpoint that fails in every way it can."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import functools
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pandas as pd
import pytest

from statsmodels_synth.exceptions import GenerationError, GenerationWarning
from statsmodels_synth.generation import OpenAIModel, Sources, Study
from statsmodels_synth.generation import study as study_module
from statsmodels_synth.generation.store import Store, StoreFullError
from tests.generation.scripted import CODEBOOK, posts
from tests.generation.servers import CONTENT, TRANSPORT, Faulty, Script, faulty

pytest.importorskip("openai")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    how = functools.partial(study_module.How, pause=0.01)
    monkeypatch.setattr(study_module, "How", how)


def study_at(
    server: Faulty, store: object, n: int = 40, timeout: float = 3.0, **options: Any
) -> Study:
    # Time for an answer on a busy machine; faults that hang last longer than it.
    model = {"m": OpenAIModel("m", server.url, timeout=timeout)}
    options.setdefault("synthetic", 1)
    return Study(posts(n), CODEBOOK, model=model, store=store, **options)  # type: ignore[arg-type]


def clean(n: int = 40) -> Sources:
    with faulty() as server:
        return study_at(server, ":memory:", n).run()


def assert_equal(one: Sources, other: Sources) -> None:
    for kind in ("proxy", "synthetic", "texts"):
        pd.testing.assert_frame_equal(
            getattr(one, kind)["m"], getattr(other, kind)["m"]
        )


@pytest.mark.parametrize("kind", TRANSPORT)
def test_each_fault_of_transport_loses_nothing(kind: str) -> None:
    n = 12 if kind in ("drip", "silent") else 40
    script = Script(transport=0.3 if n == 40 else 0.15, kinds=(kind,))
    with faulty(script) as server:
        found = study_at(server, ":memory:", n).run()
        assert server.ledger.faults[kind] >= 3
        # One answer of each request arrived and was stored: nothing is paid twice.
        assert set(server.ledger.delivered.values()) == {1}
        assert len(server.ledger.delivered) == 3 * n
    assert_equal(found, clean(n))
    assert found.costs["answers"].tolist() == [n, n, n]


def test_a_storm_of_refused_calls() -> None:
    with faulty(Script(storm=60)) as server:
        found = study_at(server, ":memory:").run(workers=8)
        assert server.ledger.faults["429 after"] == 60
        assert set(server.ledger.delivered.values()) == {1}
    assert_equal(found, clean())


def test_faults_of_content_are_counted_and_paid_for_once(tmp_path: Path) -> None:
    with faulty(Script(content=0.3, transport=0.2, kinds=("429", "500"))) as server:
        own = study_at(server, tmp_path / "s.sqlite", 100)
        found = own.run()
        asked = sum(server.ledger.asked.values())
        assert set(server.ledger.delivered.values()) == {1}
        assert own.run().counts.equals(found.counts)
        # Refused and broken answers are answers: a rerun asks for none of them.
        assert sum(server.ledger.asked.values()) == asked
        faults = server.ledger.faults
        assert len(server.ledger.delivered) == found.costs["answers"].sum()
    number = found.counts.groupby("reason")["rows"].sum()
    assert number["refused"] == faults["refusal"] > 5
    assert number["no answer of the codebook"] <= faults["enum"]
    lost = sum(faults[kind] for kind in CONTENT)
    # A wrong level in a written text is no fault; all others are counted.
    named = number.drop(["covered", "no counterpart", "no proxy to condition on"])
    assert 0.8 * lost <= named.sum() <= lost
    assert found.costs["answers"].sum() == len(server.ledger.delivered)


def test_a_model_that_changes_in_the_middle_is_told(tmp_path: Path) -> None:
    with faulty(Script(change_after=20)) as server:
        own = study_at(server, tmp_path / "s.sqlite", synthetic=0)
        with pytest.warns(GenerationWarning, match=r"scripted-1, scripted-2"):
            found = own.run(workers=1)
    assert "scripted-1" in found.report()
    assert "scripted-2" in found.report()


def test_a_fault_that_stays_names_unit_and_step(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    with faulty(Script(storm=10**6)) as server:
        with pytest.raises(GenerationError, match=r"'code' .* unit 'u\d{4}': 429"):
            study_at(server, store).run(retries=1)
        server.script.storm = 0
        found = study_at(server, store).run()
        assert set(server.ledger.delivered.values()) == {1}
    # The same study at another address has answers of its own; values are equal.
    assert_equal(found, clean())


CHILD = """
import sys
from tests.generation.scripted import CODEBOOK, posts
from statsmodels_synth.generation import OpenAIModel, Study
Study(posts(), CODEBOOK, model={"m": OpenAIModel("m", sys.argv[1])},
      store=sys.argv[2], synthetic=1).run(workers=4)
"""


def start(server: Faulty, store: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD, server.url, str(store)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize("after", [1, 25, 65, 105])
def test_killed_at_every_stage(tmp_path: Path, after: int) -> None:
    store = tmp_path / "s.sqlite"
    with faulty(Script(slow=0.02)) as server:
        child = start(server, store)
        while sum(server.ledger.delivered.values()) < after:
            assert child.poll() is None, child.communicate()[1].decode()
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        found = study_at(server, store).run()
        # Only calls in flight, of four workers, are asked again.
        paid = sum(server.ledger.asked.values())
        assert 120 <= paid <= 120 + 4
        assert max(server.ledger.asked.values()) <= 2
    assert_equal(found, clean())


def test_two_processes_pay_once(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    with faulty(Script(slow=0.01)) as server:
        both = [start(server, store) for _ in range(2)]
        for child in both:
            errors = child.communicate(timeout=120)[1].decode()
            assert child.returncode == 0, errors
        assert len(server.ledger.asked) == 120
        assert set(server.ledger.asked.values()) == {1}
        found = study_at(server, store).sources()
    assert_equal(found, clean())


@pytest.mark.parametrize(
    ("after", "step"), [(10, "'code'"), (55, "'write'"), (100, "'read'")]
)
def test_a_disk_that_fills_up_loses_nothing_that_is_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, step: str
) -> None:
    path, stored = tmp_path / "s.sqlite", []

    class Full(Store):
        """Room for some answers, and then for as many as the reserve gives way to."""

        def _put(self, answers: Any) -> None:
            listed = list(answers)
            if len(stored) >= after and self._reserve.exists():
                raise StoreFullError("the disk is full")
            super()._put(listed)
            stored.extend(listed)

    with faulty() as server:
        with monkeypatch.context() as patch:
            patch.setattr(study_module, "Store", Full)
            with pytest.raises(GenerationError, match=r"disk is full") as info:
                study_at(server, path).run(workers=4)
        assert f"in step {step}" in str(info.value)
        assert "at unit 'u0" in str(info.value)
        assert after <= sum(server.ledger.delivered.values()) <= after + 2 * 4
        found = study_at(server, path).run()
        # All that was in flight was stored, and nothing is paid for twice.
        assert set(server.ledger.asked.values()) == {1}
        assert len(server.ledger.asked) == 120
    assert not list(tmp_path.glob("*-reserve"))
    assert_equal(found, clean())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, check=False, capture_output=True)
    except OSError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("nothing can be mounted")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("step", ["code", "write"])
def test_a_disk_that_is_full_in_earnest(small_disk: Path, step: str) -> None:
    path, filler = small_disk / "s.sqlite", small_disk / "filler"

    def fill() -> None:
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    with faulty(Script(slow=0.02)) as server:
        own = study_at(server, path)
        failed: list[BaseException] = []

        def run() -> None:
            try:
                own.run(workers=4)
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run, name="generation-test")
        thread.start()
        wanted = 12 if step == "code" else 52
        while sum(server.ledger.delivered.values()) < wanted:
            assert thread.is_alive(), failed
            time.sleep(0.005)
        fill()
        thread.join()
        assert isinstance(failed[0], GenerationError), failed
        assert "the disk is full" in str(failed[0])
        assert f"in step {step!r}" in str(failed[0])
        # Where there is no room at all nothing is asked.
        fill()
        paid = sum(server.ledger.asked.values())
        with pytest.raises(GenerationError, match="Make room"):
            study_at(server, path).run()
        assert sum(server.ledger.asked.values()) == paid < 120
        filler.unlink()
        found = study_at(server, path).run()
        assert set(server.ledger.asked.values()) == {1}
    assert_equal(found, clean())

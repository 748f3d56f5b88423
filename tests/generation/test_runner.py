"""The runner: pace, waits, stops, and what is kept when it is stopped."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from statsmodels_synth.exceptions import GenerationError, ModelError
from statsmodels_synth.generation import Answer, Prices, Request, Settings
from statsmodels_synth.generation.models import FunctionModel
from statsmodels_synth.generation.requests import Prompt
from statsmodels_synth.generation.runner import Budget, How, Pacer, answer_all, ask
from statsmodels_synth.generation.store import Store

PROMPT = Prompt("m", "", "Code it.", (), {}, Settings())
REQUESTS = [Request(PROMPT, "code", f"u{k}", k, 0, f"text {k}") for k in range(30)]
#: Seconds that a test waits for other threads, which a busy machine may starve.
PATIENCE = 60.0
QUIET = How(workers=4, pause=0.01, progress=False)


def run(model: Any, store: Store, how: How = QUIET, **budget: Any) -> None:
    answer_all(REQUESTS, FunctionModel("m", model), store, how, Budget(**budget))


def stored(store: Store) -> set[str]:
    return {own.text for own in store.answers(PROMPT.digest).values()}


def test_everything_is_asked_once() -> None:
    asked = []
    with Store(":memory:") as store:
        run(lambda own: asked.append(own.unit) or own.text, store)
        run(lambda own: asked.append(own.unit) or own.text, store)
        assert stored(store) == {own.text for own in REQUESTS}
    assert sorted(asked) == sorted(own.unit for own in REQUESTS)


def test_order_is_that_of_hashes() -> None:
    asked = []
    with Store(":memory:") as store:
        one = How(workers=1, progress=False)
        run(lambda own: asked.append(own.key) or "", store, one)
    assert asked == sorted(asked)


def test_workers_are_calls_at_a_time() -> None:
    now, most, lock, all_busy = [0], [0], threading.Lock(), threading.Event()

    def model(own: Request) -> str:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            if now[0] == QUIET.workers:
                all_busy.set()
        all_busy.wait(PATIENCE)
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        return own.text

    with Store(":memory:") as store:
        run(model, store)
    assert most[0] == 4


def test_calls_keep_their_distance() -> None:
    starts = []
    with Store(":memory:") as store:
        how = How(workers=8, rate=60 / 0.02, progress=False)
        run(lambda own: starts.append(time.monotonic()) or "", store, how)
    # 30 calls, the first one at once; a slow machine only makes it longer.
    assert max(starts) - min(starts) >= 29 * 0.02 * 0.99


def test_what_an_endpoint_asks_holds_for_all_calls() -> None:
    pacer, start = Pacer(None), time.monotonic()
    tries = iter([ModelError("429", True, after=0.1)])

    def model(own: Request) -> str:
        error = next(tries, None)
        if error is not None:
            raise error
        return "done"

    assert ask(REQUESTS[0], FunctionModel("m", model), QUIET, pacer).text == "done"
    pacer.turn()
    assert time.monotonic() - start >= 0.1


def test_a_wait_that_is_too_long_ends_the_run() -> None:
    def model(own: Request) -> str:
        raise ModelError("429: quota", True, after=86_400.0)

    with Store(":memory:") as store, pytest.raises(GenerationError, match="86400 s"):
        run(model, store)


@pytest.mark.parametrize("error", [ValueError("bug"), ModelError("404: no model")])
def test_an_error_that_stays_is_raised_at_once(error: Exception) -> None:
    calls = []

    def model(own: Request) -> str:
        calls.append(own.unit)
        raise error

    with Store(":memory:") as store, pytest.raises(GenerationError) as info:
        run(model, store)
    assert "in step 'code' (coding units) at unit 'u" in str(info.value)
    assert info.value.__cause__ is error
    assert len(calls) <= 4


def test_calls_in_flight_are_kept_when_one_fails() -> None:
    bad = min(REQUESTS, key=lambda own: own.key)
    others, answered = threading.Semaphore(0), []

    def model(own: Request) -> str:
        if own is bad:  # only when all other workers have a call in flight
            for _ in range(QUIET.workers - 1):
                assert others.acquire(timeout=PATIENCE)
            raise ModelError("404")
        others.release()
        time.sleep(0.05)
        answered.append(own.text)
        return own.text

    with Store(":memory:") as store:
        with pytest.raises(GenerationError, match="404"):
            run(model, store)
        # A worker that got no processor for .05 s lets others begin once more.
        assert len(answered) >= QUIET.workers - 1
        assert stored(store) == set(answered)


def test_a_pressed_key_keeps_what_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    beats = iter([False, False, False, True])

    def interrupted(self: Store) -> None:
        if next(beats, False):
            raise KeyboardInterrupt

    asked = []
    with Store(":memory:") as store:
        store.claim([])
        monkeypatch.setattr(Store, "beat", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(lambda own: asked.append(own.unit) or own.text, store)
        monkeypatch.undo()
        kept = len(stored(store))
        # All that was paid for is stored, and no thread goes on.
        assert kept == len(asked) < 30
        time.sleep(0.05)
        assert len(asked) == kept


def test_waiting_calls_end_with_the_run() -> None:
    first = min(REQUESTS, key=lambda own: own.key)

    def model(own: Request) -> str:
        if own is first:
            time.sleep(0.1)
            raise ModelError("404")
        raise ModelError("503", True, after=600.0)

    start = time.monotonic()
    with Store(":memory:") as store, pytest.raises(GenerationError, match="404"):
        run(model, store)
    assert time.monotonic() - start < 60


def test_a_limit_of_cost_is_kept_by_all_workers() -> None:
    with Store(":memory:") as store:
        with pytest.raises(GenerationError, match=r"has cost 1 of max_cost=1"):
            run(
                lambda own: Answer(own.text, input_tokens=1),
                store,
                limit=1.0,
                prices={PROMPT.digest: Prices(1e5, 0.0)},
            )
        assert len(stored(store)) == 10


def test_progress_is_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    with Store(":memory:") as store:
        run(lambda own: own.text, store, How(progress=True))
    out, err = capsys.readouterr()
    assert not out
    assert "m: coding units" in err
    assert "30/30" in err

"""The runner: many requests at once, retried, paced, each stored before it counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
import random
import threading
import time
from typing import Any

from statsmodels_synth.core.messages import count
from statsmodels_synth.exceptions import CostLimitError, GenerationError, ModelError
from statsmodels_synth.generation.answers import Answer
from statsmodels_synth.generation.costs import Prices, money_of
from statsmodels_synth.generation.models import Model, NoEndpointError
from statsmodels_synth.generation.requests import Request
from statsmodels_synth.generation.store import Allows, Store, StoreFullError, Total

#: Words of a message for each step.
STEPS = {
    "code": "coding units",
    "write": "writing counterparts",
    "read": "coding counterparts",
}
#: Longest wait before a call is tried again, and the longest that an endpoint may ask.
_LONGEST, _LONGEST_ASKED = 60.0, 900.0
#: Seconds between looks at what another process is asking.
_LOOK = 0.2
_RETRYABLE = {408, 409, 425, 429}
#: Times that a call is tried again where nothing ever answered at the address, which
#: may be a wrong one.
_KNOCKS = 3


@dataclass(frozen=True)
class Budget:
    """
    What a study may cost, over all processes that share its store.

    Parameters
    ----------
    limit : float
        Most money.
    prices : mapping of str to Prices
        Prices by the hash of each prompt of the study.
    """

    limit: float = float("inf")
    prices: Mapping[str, Prices] = field(default_factory=dict)

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit."""
        return self.limit < float("inf")

    def spent(self, totals: Mapping[str, Total]) -> float:
        """Money for all stored answers of the study."""
        return sum(
            money_of(self.prices[prompt], own)
            for prompt, own in totals.items()
            if prompt in self.prices
        )

    def allows(
        self, prompt: str, totals: Mapping[str, Total], flying: Mapping[str, int]
    ) -> bool:
        """Whether one more call with a prompt is likely to stay below the limit."""
        spent = self.spent(totals)
        each = {
            name: money_of(self.prices[name], own) / own.answers
            for name, own in totals.items()
            if name in self.prices and own.answers
        }
        if prompt not in each:  # the first one tells what a call costs
            return not flying.get(prompt) and spent < self.limit
        calls = {name: flying[name] for name in flying if name in self.prices}
        waiting = sum(n * each.get(name, each[prompt]) for name, n in calls.items())
        # Sums of many small numbers.
        return spent + waiting + each[prompt] <= self.limit * (1 + 1e-9)


@dataclass(frozen=True)
class How:
    """
    How requests are sent.

    Parameters
    ----------
    workers : int
        Calls at a time.
    rate : float or None
        Most calls a minute.
    retries : int
        Times that a call is tried again.
    pause : float
        Seconds before the second try; twice as long before each further one.
    progress : bool or None
        Whether a bar is shown; None: where stderr is a terminal.
    """

    workers: int = 8
    rate: float | None = None
    retries: int = 8
    pause: float = 1.0
    progress: bool | None = None


@dataclass
class Pacer:
    """
    When the next call may start: by the rate, and after what the endpoint asked.

    Parameters
    ----------
    rate : float or None
        Most calls a minute.
    stopped : Event
        Set when no call is to start any more.
    reached : bool
        Whether the endpoint has answered, if by an error.
    """

    rate: float | None
    stopped: threading.Event = field(default_factory=threading.Event)
    reached: bool = False
    _next: float = 0.0
    _lock: Any = field(default_factory=threading.Lock)

    def turn(self) -> None:
        """Wait for the turn of this call."""
        with self._lock:
            start = max(self._next, time.monotonic())
            self._next = start + (60.0 / self.rate if self.rate else 0.0)
        self.rest(start - time.monotonic())

    def hold(self, seconds: float) -> None:
        """Let no call start for a while."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def rest(self, seconds: float) -> None:
        """Wait, unless the run is stopped."""
        if self.stopped.is_set() or (seconds > 0 and self.stopped.wait(seconds)):
            raise _StoppedError("stopped")


class _StoppedError(GenerationError):
    """The run was stopped while a call waited for its turn."""


def _as_model_error(error: Exception) -> ModelError | None:
    """What a library or a function raised, where trying again may help or not."""
    if isinstance(error, ModelError):
        return error
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        again = status in _RETRYABLE or status >= 500
        return ModelError(f"{type(error).__name__}: {error}", again)
    if isinstance(error, (TimeoutError, ConnectionError)):
        return ModelError(f"{type(error).__name__}: {error}", True)
    return None


def ask(request: Request, model: Model, how: How, pacer: Pacer) -> Answer:
    """One request, tried again while that may help."""
    for attempt in range(how.retries + 1):
        pacer.turn()
        try:
            answer = model.complete(request)
            pacer.reached = True
            return answer
        except Exception as raised:
            error = _as_model_error(raised)
            if not isinstance(error, NoEndpointError):
                pacer.reached = True
            most = how.retries if pacer.reached else min(how.retries, _KNOCKS)
            if error is None or not error.retryable or attempt >= most:
                raise
            if error.after is not None and error.after > _LONGEST_ASKED:
                raise ModelError(
                    f"{error}; the endpoint asks to wait {error.after:.0f} s"
                ) from raised
            delay = min(how.pause * 2**attempt, _LONGEST) * (0.5 + random.random())
            if error.after is not None:
                # It holds for all calls: others would be refused as well.
                pacer.hold(error.after)
                delay = error.after
        pacer.rest(delay)
    raise AssertionError("unreachable")  # pragma: no cover


def _explained(error: Exception, request: Request, tries: int) -> Exception:
    """Error of a call that names unit and step."""
    if isinstance(error, GenerationError) and not isinstance(error, ModelError):
        return error
    text = (
        str(error)
        if isinstance(error, ModelError)
        else f"{type(error).__name__}: {error}"
    )
    known = _as_model_error(error)
    again = known is not None and known.retryable
    again = again and not isinstance(known, NoEndpointError)
    often = f" {count(tries, 'time')}" if again else ""
    return GenerationError(
        f"Model {request.prompt.model!r} failed{often} in step {request.step!r} "
        f"({STEPS[request.step]}) at unit {request.unit!r}: {text.rstrip('.')}. "
        "Answers so far are stored: run again to go on."
    )


def _at(error: StoreFullError, request: Request) -> GenerationError:
    """Error of a full disk that names unit and step."""
    return StoreFullError(
        f"{error} It was full in step {request.step!r} ({STEPS[request.step]}) at unit "
        f"{request.unit!r}; answers up to there are stored where there was room."
    )


@contextmanager
def _bar(total: int, request: Request, how: How) -> Iterator[Callable[[int], object]]:
    """Progress on stderr, where tqdm is installed."""
    try:
        from tqdm import tqdm  # noqa: PLC0415 - imported when it is used
    except ImportError:
        yield lambda number: None
        return
    disable = None if how.progress is None else not how.progress
    title = f"{request.prompt.model}: {STEPS[request.step]}"
    with tqdm(total=total, desc=title, disable=disable, unit="call") as bar:
        yield bar.update


def answer_all(
    requests: Sequence[Request], model: Model, store: Store, how: How, budget: Budget
) -> None:
    """
    Get and store the answers to all requests that have none yet.

    They are asked in the order of their hashes, which is random and knows nothing of
    labels: units that are covered when a run stops early are a random part.
    """
    by_key = {request.key: request for request in requests}
    known = store.known(list(by_key))
    todo = sorted(key for key in by_key if key not in known)
    if todo:
        with store.reserved(), _bar(len(todo), by_key[todo[0]], how) as update:
            _Run(model, store, how, budget, update).finish(deque(todo), by_key)


@dataclass
class _Run:
    """One step of one source under way."""

    model: Model
    store: Store
    how: How
    budget: Budget
    update: Callable[[int], object]
    last: Request = field(init=False)

    def finish(self, todo: deque[bytes], by_key: dict[bytes, Request]) -> None:
        """Ask until every key has an answer, by whomever."""
        pacer = Pacer(self.how.rate)
        self.last = by_key[todo[0]]
        while todo:
            pool = ThreadPoolExecutor(self.how.workers, "generation")
            flying: dict[Future[Answer], Request] = {}
            try:
                elsewhere = self._send(todo, by_key, pool, pacer, flying)
            except BaseException as error:
                # Calls that wait give up; those that are paid for are stored.
                last = self.last
                pacer.stopped.set()
                self._drain(flying)
                with suppress(GenerationError):  # claims end with the process
                    self.store.release()
                if isinstance(error, StoreFullError):
                    raise _at(error, last) from error
                raise
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
            self.store.release()
            todo.extend(elsewhere)
            if todo:
                time.sleep(_LOOK)
                found = self.store.known(list(todo))
                self.update(len(found))
                todo = deque(key for key in todo if key not in found)

    def _send(
        self,
        todo: deque[bytes],
        by_key: dict[bytes, Request],
        pool: ThreadPoolExecutor,
        pacer: Pacer,
        flying: dict[Future[Answer], Request],
    ) -> list[bytes]:
        """Ask what no other process is asking; returns the keys that one is."""
        ready: deque[bytes] = deque()
        elsewhere: list[bytes] = []
        while todo or ready or flying:
            while (todo or ready) and len(flying) < self.how.workers:
                if not ready:
                    some = [todo.popleft() for _ in range(min(len(todo), self._chunk))]
                    prompt = by_key[some[0]].prompt.digest
                    mine = self.store.claim(some, prompt, self._allows(prompt))
                    if mine is None:
                        todo.extendleft(reversed(some))
                        if flying:
                            break
                        self._await_others(len(todo) + len(elsewhere))
                        continue
                    ready.extend(key for key in some if key in mine)
                    elsewhere += [key for key in some if key not in mine]
                    continue
                request = by_key[ready.popleft()]
                flying[pool.submit(ask, request, self.model, self.how, pacer)] = request
            if flying:
                done, _ = wait(flying, timeout=_LOOK * 25, return_when=FIRST_COMPLETED)
                self._keep(done, flying)
                self.store.beat()
        return elsewhere

    @property
    def _chunk(self) -> int:
        """Keys that are claimed at once; with a limit, the one that is sent."""
        return 1 if self.budget.is_limited else max(self.how.workers, 16)

    def _allows(self, prompt: str) -> Allows | None:
        """Whether one more call may be claimed; None without a limit."""
        if not self.budget.is_limited:
            return None
        return lambda totals, flying: self.budget.allows(prompt, totals, flying)

    def _await_others(self, left: int) -> None:
        """Wait for calls of other processes, whose cost decides; stop if none is."""
        if not self.store.others_ask(self.budget.prices):
            raise self._too_dear(left)
        time.sleep(_LOOK)

    def _keep(
        self, done: set[Future[Answer]], flying: dict[Future[Answer], Request]
    ) -> None:
        """Store answers, in one commit; raise what the first failed call raised."""
        failed: tuple[Exception, Request] | None = None
        answered = []
        for future in done:
            self.last = request = flying.pop(future)
            try:
                answered.append((request, future.result()))
            except _StoppedError:
                continue
            except Exception as raised:
                failed = failed or (raised, request)
        if answered:
            self.store.put((r.key, r.prompt.digest, own) for r, own in answered)
            self.update(len(answered))
            self._check_told([own for _, own in answered])
        if failed is not None:
            error, request = failed
            raise _explained(error, request, self.how.retries + 1) from error

    def _check_told(self, answers: list[Answer]) -> None:
        """Raise if answers do not say what they cost, and there is a limit."""
        if self.budget.is_limited and any(
            own.text and not own.input_tokens and not own.output_tokens
            for own in answers
        ):
            raise GenerationError(
                f"max_cost={self.budget.limit:g} cannot be kept: answers of the model "
                "do not say how many tokens they took. Return an Answer with "
                "input_tokens and output_tokens, or leave max_cost= out."
            )

    def _drain(self, flying: dict[Future[Answer], Request]) -> None:
        """Store what is still answered after the run was stopped."""
        while flying:
            done, _ = wait(flying, timeout=_LOOK * 25, return_when=FIRST_COMPLETED)
            # The first error is the one that is raised.
            with suppress(GenerationError):
                self._keep(done, flying)
                self.store.beat()

    def _too_dear(self, left: int) -> CostLimitError:
        spent = self.budget.spent(self.store.totals())
        return CostLimitError(
            f"The study has cost {spent:.4g} of "
            f"max_cost={self.budget.limit:g}; "
            f"{count(left, 'call')} of this step are left. What is answered is stored: "
            "run again with a higher max_cost= to go on, or take what there is with "
            "study.sources()."
        )

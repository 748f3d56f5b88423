"""
What belongs to the whole process, and comes back as it was: BLAS and filters.

**Threads of BLAS.** Rows are worked on in blocks that fit the cache. Each product of a
block takes some ten microseconds, and BLAS shares it out to its threads and waits for
all of them: where other processes keep a core busy, it waits for milliseconds,
thousands of times. So BLAS has one thread while this package computes.

**Filters of warnings.** This package changes none. But pandas does, within ``astype``
and much else, by ``warnings``' own context manager, which leaves them changed where two
threads overlap; and where it collects warnings (within ``clip``, say), what all threads
warn of could be lost from then on. So what is left of that is taken away.

One object counts who is inside: the first in saves, the last out restores, in whichever
order the threads of Python come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
import os
import threading
from typing import Any, ParamSpec, TypeVar
import warnings

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")


class OneThread:
    """
    Who needs BLAS to have one thread, and how many it had before.

    Parameters
    ----------
    find_pools : callable
        Returns the thread pools of BLAS.
    """

    def __init__(self, find_pools: Callable[[], list[Any]]) -> None:
        self._find_pools = find_pools
        self._pools: list[Any] | None = None
        self._lock = threading.RLock()  # a signal handler may compute, too
        #: From each visit to its thread.
        self._inside: dict[object, int] = {}
        #: Threads that a pool had, by its position.
        self._before: dict[int, int] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._lock.acquire,
                after_in_parent=self._lock.release,
                after_in_child=self._alone,
            )

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Let BLAS have one thread; fewer than it has, never more."""
        token = object()
        try:
            # Inside, so that whatever interrupts this is made good, too.
            self._enter(token)
            yield
        finally:
            self._leave(token)

    def _enter(self, token: object) -> None:
        with self._lock:
            own = threading.get_ident()
            known = own in self._inside.values()
            self._inside[token] = own
            if known:
                return
            if self._pools is None:
                # To look for them takes a millisecond. Those of NumPy and SciPy, which
                # this package calls, are loaded with it; later ones do not matter.
                self._pools = self._find_pools()
            for k, pool in enumerate(self._pools):
                if (threads := pool.num_threads) > 1:
                    self._before[k] = threads
                    pool.set_num_threads(1)

    def _leave(self, token: object) -> None:
        with self._lock:
            self._inside.pop(token, None)
            self._restore()

    def _restore(self) -> None:
        """Give back what nobody needs; what was set meanwhile stays."""
        own = threading.get_ident() in self._inside.values()
        for k, threads in list(self._before.items()):
            assert self._pools is not None
            pool = self._pools[k]
            # With OpenMP each thread has a number of its own.
            single = getattr(pool, "threading_layer", None) == "openmp" and not own
            if single or not self._inside:
                if pool.num_threads == 1:
                    pool.set_num_threads(threads)
                if not self._inside:
                    del self._before[k]

    def _alone(self) -> None:
        """In a forked child, where only the thread that forked goes on."""
        own = threading.get_ident()
        self._inside = {
            t: thread for t, thread in self._inside.items() if thread == own
        }
        self._restore()
        self._lock.release()


#: Filters, as action and category, that pandas sets for a moment, beside those of its
#: own warnings.
LEFT = frozenset(
    [
        ("always", DeprecationWarning),
        *(("ignore", kind) for kind in (FutureWarning, RuntimeWarning, UserWarning)),
    ]
)


def _set_by_pandas(action: str, category: type[Warning]) -> bool:
    return (action, category) in LEFT or category.__module__.startswith("pandas.")


def _collector() -> Any:
    """What takes warnings instead of showing them: ``append`` of somebody's list."""
    shown = getattr(warnings, "_showwarnmsg_impl", None)
    return shown if isinstance(getattr(shown, "__self__", None), list) else None


class KeptFilters:
    """
    Who does what may make pandas leave filters behind, and what they were before.

    One thread alone leaves none. Where several were inside at once, filters that pandas
    sets are taken away at the end, and nobody else's.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._inside: dict[object, int] = {}
        self._overlapped = False
        self._before: Any = None
        self._contents: list[Any] = []
        self._shown: Any = None

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Take away at the end what is left of filters that pandas sets."""
        token, own = object(), threading.get_ident()
        try:
            with self._lock:
                if not self._inside:
                    self._before, self._overlapped = warnings.filters, False
                    self._contents = list(warnings.filters)
                    self._shown = getattr(warnings, "_showwarnmsg_impl", None)
                self._overlapped |= any(k != own for k in self._inside.values())
                self._inside[token] = own
            yield
        finally:
            with self._lock:
                self._inside.pop(token, None)
                if not self._inside:
                    if self._overlapped:
                        self._restore()
                    self._before = self._shown = None

    def _restore(self) -> None:
        if self._only_of_pandas():
            # Between two threads pandas' filter can also get into the list itself.
            self._before[:] = self._contents
            warnings.filters = self._before
        if _collector() not in (None, self._shown):
            # Python has no public name for it, and a list that nobody reads stays.
            warnings._showwarnmsg_impl = self._shown  # type: ignore[attr-defined]

    def _only_of_pandas(self) -> bool:
        """
        Whether filters differ from those of before by some that pandas sets only.

        Between two threads one of them can also be lost: Python takes a filter out
        before it puts it first.
        """
        now: Any = warnings.filters
        changed = set(now).symmetric_difference(self._contents)
        return all(_set_by_pandas(action, kind) for action, _, kind, *_ in changed)


def _pools() -> list[Any]:
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


_ONE, _FILTERS = OneThread(_pools), KeptFilters()


def with_one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let BLAS have one thread while a function runs, and filters of warnings stay."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _FILTERS.visit(), _ONE.visit():
            return function(*args, **kwargs)

    return limited


def with_filters_kept(function: Callable[P, R]) -> Callable[P, R]:
    """Let filters of warnings stay as they are when a function is done."""

    @wraps(function)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        with _FILTERS.visit():
            return function(*args, **kwargs)

    return kept

"""Rows in Dask: reading, matching partitions by unit, and sums over them as a tree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
import contextlib
from functools import reduce
import glob
import operator
import os
import sys
import threading
import time
from typing import Any, NamedTuple, TypeVar

import dask
from dask.base import get_scheduler
from dask.callbacks import Callback
import dask.dataframe as dd
import pandas as pd

from statsmodels_synth.data.dask.parts import PartPlan, evaluate
from statsmodels_synth.data.kinds import is_path
from statsmodels_synth.exceptions import DataError

#: Results that are added up at once.
FAN_IN = 8
#: Seconds that a pass takes before its progress is shown.
PATIENCE = 5.0
#: Share of the memory that evaluated parts may take; else they are evaluated anew in
#: every pass.
MEMORY_SHARE = 0.4

_OPTIONS = threading.RLock()

Value = TypeVar("Value")


def read_frame(value: object, where: str) -> Any:
    """A Dask DataFrame of whatever was given."""
    if isinstance(value, str) or is_path(value):
        return _read_parquet(value, where)
    if isinstance(value, dd.Series):
        return value.to_frame()
    if isinstance(value, dd.DataFrame):
        return value
    try:
        with objects_kept():
            return dd.from_pandas(value, npartitions=1, sort=True)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise DataError(
            f"{where}: its index cannot be used in Dask: {error}. Use one index level "
            "of values that can be sorted, none of them missing, or set on=."
        ) from error


@contextlib.contextmanager
def objects_kept() -> Iterator[None]:
    """
    Dask makes frames meanwhile without making text of columns of objects.

    It would do so also of numbers. The option belongs to all threads: one after the
    other sets it, so that it comes back as it was.
    """
    with _OPTIONS, dask.config.set({"dataframe.convert-string": False}):
        yield


def _read_parquet(value: Any, where: str) -> Any:
    paths = [*map(os.fspath, value if isinstance(value, (list, tuple)) else [value])]
    for path in paths:
        if "://" not in path and not glob.glob(path):
            raise DataError(
                f"{where}: there is no file or folder {path!r} (in {os.getcwd()!r}). "
                "Give the path of a Parquet file or of a folder of such files."
            )
    try:
        return dd.read_parquet(
            paths if len(paths) > 1 else paths[0], calculate_divisions=True
        )
    except (OSError, ValueError) as error:
        shown = ", ".join(map(repr, paths[:3]))
        reason = str(error).rpartition("Original Message:")[2].strip()
        raise DataError(
            f"{where}: {shown} cannot be read as Parquet: {reason} Give the path of a "
            "Parquet file or of a folder of such files, or a DataFrame, such as that "
            "of dask.dataframe.read_csv."
        ) from error


def compute(value: Any) -> Any:
    """Compute with the current scheduler, with progress where it takes long."""
    client = _client()
    if client is None:
        with Progress():
            return dask.compute(value)[0]
    from distributed import wait  # noqa: PLC0415 - only where it is in use

    started, futures = time.monotonic(), client.compute(value)
    while True:
        try:
            wait(futures, timeout=PATIENCE)
            break
        except asyncio.TimeoutError:  # not the built-in one before Python 3.11
            if sys.stderr.isatty():
                _show_bar(futures)
                break
            print(f"{time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return client.gather(futures)


def _show_bar(futures: Any) -> None:
    """Dask's own bar until all is done, on stderr."""
    from distributed import futures_of  # noqa: PLC0415
    from distributed.diagnostics.progressbar import TextProgressBar  # noqa: PLC0415

    # To redirect stdout, where the bar is written, would be to do so for all threads.
    class Bar(TextProgressBar):  # type: ignore[misc]
        def _draw_bar(self, remaining: int, all: int, **kwargs: Any) -> None:
            done = "#" * int(self.width * (1.0 - remaining / all if all else 1.0))
            text = f"\r[{done:<{self.width}}] | {self.elapsed:.0f} s"
            print(text, end="", file=sys.stderr, flush=True)

        def _draw_stop(self, **kwargs: Any) -> None:
            print(file=sys.stderr, flush=True)

    Bar(futures_of(futures), interval="0.5s")


class Progress(Callback):  # type: ignore[misc]
    """
    How many tasks are done, on stderr, once it has taken a few seconds.

    Dask's own bar has a thread, and every computation waits for its next look.
    """

    def __init__(self) -> None:
        super().__init__()
        self._started = self._shown = time.monotonic()

    def _posttask(self, *given: Any) -> None:
        state, now = given[3], time.monotonic()
        # Seldom, where it ends up in a log.
        every = 0.5 if sys.stderr.isatty() else PATIENCE
        if now - self._started >= PATIENCE and now - self._shown >= every:
            self._shown = now
            self._write(state)

    def _finish(self, *given: Any) -> None:
        if self._shown > self._started:
            self._write(given[1])
            if sys.stderr.isatty():
                print(file=sys.stderr)

    def _write(self, state: Any) -> None:
        done = len(state["finished"])
        left = sum(len(state[name]) for name in ("ready", "waiting", "running"))
        seconds = time.monotonic() - self._started
        text = f"{done} of {done + left} tasks, {seconds:.0f} s"
        end = "\r" if sys.stderr.isatty() else "\n"
        print(text, end=end, file=sys.stderr, flush=True)


def _client() -> Any:
    """The client of a distributed cluster that would be used now, or None."""
    owner = getattr(get_scheduler(), "__self__", None)
    return owner if hasattr(owner, "scheduler_info") else None


def tree(
    values: Sequence[Any], combine: Callable[[list[Any]], Any], fan_in: int = FAN_IN
) -> Any:
    """Combine delayed values in steps, so that few are in one place at a time."""
    step = dask.delayed(combine)
    while len(values) > 1:
        values = [
            step(list(values[k : k + fan_in])) for k in range(0, len(values), fan_in)
        ]
    return values[0]


def add_up(values: Iterable[Any]) -> Any:
    """Sum from left to right."""
    return reduce(operator.add, values)


class Kept(NamedTuple):
    """
    Parts that are evaluated and in memory.

    Parameters
    ----------
    parts : tuple of Delayed
        Each a :class:`~statsmodels_synth.data.dask.parts.Part`.
    client : str or None
        The client in whose cluster they are; None: in this process. Once that client is
        closed they are gone.
    """

    parts: tuple[Any, ...]
    client: str | None


def evaluated(plan: PartPlan, frames: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The parts as arrays."""
    shared, step = dask.delayed(plan), dask.delayed(evaluate)
    return tuple(step(shared, *part) for part in frames)


def kept_in_memory(parts: tuple[Any, ...], nbytes: int) -> Kept | None:
    """Evaluate parts now, where there is enough memory for them."""
    if nbytes > MEMORY_SHARE * _memory():
        return None
    return Kept(dask.persist(*parts), _client_id())


def _client_id() -> str | None:
    client = _client()
    return None if client is None else str(client.id)


def _memory() -> float:
    """Bytes that the workers have, or that are free on this machine."""
    client = _client()
    if client is not None:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        return float(sum(worker["memory_limit"] or 0 for worker in workers))
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):  # not on this system
        return 2.0**30


def is_partitioned(value: object) -> bool:
    """Whether a value is a Dask collection."""
    return isinstance(value, (dd.DataFrame, dd.Series))


def meta_of(frame: Any) -> pd.DataFrame:
    """An empty frame with the columns and types of a Dask DataFrame."""
    return frame._meta.copy()  # type: ignore[no-any-return]

"""
The store: every answer in one SQLite file, found by the hash of its request.

Each answer is committed before it counts. Processes that share a store claim what they
ask, so that nothing is paid twice; a claim ends with its process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import json
import os
from pathlib import Path
import socket
import sqlite3
import time
from types import TracebackType
from typing import TypeAlias
import uuid

from statsmodels_synth.exceptions import GenerationError
from statsmodels_synth.generation.answers import Answer, Token

_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, prompt TEXT, text TEXT, model TEXT, refusal TEXT,
    finish_reason TEXT, input_tokens INTEGER, output_tokens INTEGER,
    reasoning_tokens INTEGER, cached_tokens INTEGER, logprobs TEXT, mode TEXT,
    batch INTEGER, seconds REAL, created REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_prompt ON answers (prompt);
CREATE TABLE IF NOT EXISTS calls (
    key BLOB PRIMARY KEY, owner TEXT, prompt TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (
    prompt TEXT PRIMARY KEY, answers INTEGER, input REAL, output REAL, cached REAL
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS add_up AFTER INSERT ON answers BEGIN
    INSERT INTO totals VALUES (
        NEW.prompt, 1, NEW.input_tokens * (1 - .5 * NEW.batch),
        NEW.output_tokens * (1 - .5 * NEW.batch),
        NEW.cached_tokens * (1 - .5 * NEW.batch)
    ) ON CONFLICT (prompt) DO UPDATE SET
        answers = answers + 1, input = input + excluded.input,
        output = output + excluded.output, cached = cached + excluded.cached;
END;
CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, beat REAL);
INSERT INTO totals SELECT prompt, COUNT(*), SUM(input_tokens * (1 - .5 * batch)),
    SUM(output_tokens * (1 - .5 * batch)), SUM(cached_tokens * (1 - .5 * batch))
    FROM answers WHERE NOT EXISTS (SELECT 1 FROM totals) GROUP BY prompt;
"""
_COLUMNS = (
    "key, text, model, refusal, finish_reason, input_tokens, output_tokens, "
    "reasoning_tokens, cached_tokens, logprobs, mode, batch, seconds, created"
)
#: Seconds without a sign of life after which the claims of a process end.
_DEAD = 60.0
_BUSY = 60.0
#: Log-probability up to which an alternative is not stored: 20 for each token, most of
#: them all but impossible, are a hundred times the size of an answer.
_RARE = -11.5
#: Bytes of the disk that are kept for answers in flight.
_ROOM = 1_000_000
#: Parameters of one statement that every SQLite takes.
_AT_ONCE = 500


@dataclass(frozen=True)
class Total:
    """
    What all answers to a prompt took, whoever asked for them.

    Parameters
    ----------
    answers : int
        Number of answers.
    input_tokens, output_tokens, cached_tokens : float
        Sums; those of a batch count half.
    """

    answers: int
    input_tokens: float
    output_tokens: float
    cached_tokens: float


class StoreFullError(GenerationError):
    """There is no room left for what a run stores."""


#: Whether one more call fits, by what answers took and calls in flight, by prompt.
Allows: TypeAlias = Callable[[Mapping[str, Total], Mapping[str, int]], bool]


class Store:
    """
    A file of answers.

    Parameters
    ----------
    path : path-like
        The file, made if it does not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.owner = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._beaten = 0.0
        with self._explained():
            self._open()

    def _open(self) -> None:
        self._db = sqlite3.connect(
            self.path, timeout=_BUSY, isolation_level=None, check_same_thread=False
        )
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            self._db.close()
            raise GenerationError(
                f"{self.path} was written by another version of this package. Give "
                "another file in store=."
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        # What is deleted is overwritten.
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.executescript(_TABLES)
        self._db.execute(f"PRAGMA user_version = {_VERSION}")

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up all claims and close the file."""
        try:
            self.release()
        except GenerationError:
            pass  # a claim ends with its process at the latest
        finally:
            self._db.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of SQLite as ours."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            text, kind = str(error), GenerationError
            if "full" in text or "disk I/O" in text:
                what, kind = "the disk is full. Make room", StoreFullError
            elif "not a database" in text or "malformed" in text:
                what = "the file is no store. Give another one in store="
            elif "unable to open" in text or "readonly" in text:
                what = "the file cannot be written. Give another one in store="
            elif "locked" in text:
                what = "another process keeps it locked. Wait for it"
            else:
                what = f"{text}. Look at the file"
            raise kind(
                f"Store {self.path}: {what}, and run again: what is stored is kept."
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction."""
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @property
    def _reserve(self) -> Path:
        """The file that keeps room for answers in flight."""
        return self.path.with_name(f"{self.path.name}-reserve")

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """
        Keep some room on the disk while calls are in flight.

        A disk that fills up in the middle of a run gives way to what is paid for:
        answers in flight take the room, and then the run stops.
        """
        if str(self.path) == ":memory:":
            yield
            return
        try:
            # Some file systems keep no room for zeros.
            self._reserve.write_bytes(os.urandom(_ROOM))
        except OSError as error:
            self._reserve.unlink(missing_ok=True)
            raise StoreFullError(
                f"Store {self.path}: {error.strerror} for the {_ROOM:,} bytes beside "
                "it that answers in flight may need. Make room, and run again: what "
                "is stored is kept."
            ) from error
        try:
            yield
        finally:
            self._reserve.unlink(missing_ok=True)

    def put(self, answers: Iterable[tuple[bytes, str, Answer]]) -> None:
        """
        Store answers with their keys and the hashes of prompts, in one commit.

        Where the disk is full they take the room that is kept, and the error says that
        it is full all the same.
        """
        listed = list(answers)
        try:
            self._put(listed)
        except StoreFullError:
            with suppress(FileNotFoundError):  # another process may have taken it
                self._reserve.unlink()
                self._put(listed)
            raise

    def _put(self, answers: Iterable[tuple[bytes, str, Answer]]) -> None:
        """Store answers in one commit."""
        now = time.time()
        rows = [
            (
                *(key, prompt, own.text, own.model, own.refusal, own.finish_reason),
                *(own.input_tokens, own.output_tokens, own.reasoning_tokens),
                own.cached_tokens,
                json.dumps(_compact(own.logprobs)) if own.logprobs else None,
                *(own.mode, int(own.batch), own.seconds, now),
            )
            for key, prompt, own in answers
        ]
        marks = ", ".join("?" * 15)
        with self._writing():
            self._db.executemany(
                f"INSERT OR IGNORE INTO answers VALUES ({marks})", rows
            )
            self._db.executemany(
                "DELETE FROM calls WHERE key = ?", [(row[0],) for row in rows]
            )

    def answers(self, prompt: str) -> dict[bytes, Answer]:
        """All answers to a prompt by key."""
        with self._explained():
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM answers WHERE prompt = ?", (prompt,)
            )
            return {row[0]: _answer(row) for row in rows}

    def known(self, keys: Sequence[bytes]) -> set[bytes]:
        """Those keys that have an answer."""
        found: set[bytes] = set()
        with self._explained():
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(part))
                rows = self._db.execute(
                    f"SELECT key FROM answers WHERE key IN ({marks})", part
                )
                found.update(row[0] for row in rows)
        return found

    def claim(
        self, keys: Sequence[bytes], prompt: str = "", allows: Allows | None = None
    ) -> set[bytes] | None:
        """
        Claim keys that no living process has claimed and that have no answer.

        None where `allows` refuses, which is asked in the same transaction: processes
        that share the file spend from one purse.
        """
        mine: set[bytes] = set()
        self._forget_dead()
        with self._writing():
            if allows is not None and not allows(self._totals(), self._flying()):
                return None
            for key in keys:
                done = self._db.execute(
                    "INSERT OR IGNORE INTO calls SELECT ?, ?, ? WHERE NOT EXISTS "
                    "(SELECT 1 FROM answers WHERE key = ?)",
                    (key, self.owner, prompt, key),
                )
                if done.rowcount == 1:
                    mine.add(key)
        return mine

    def totals(self) -> dict[str, Total]:
        """What the answers to each prompt took."""
        with self._explained():
            return self._totals()

    def _totals(self) -> dict[str, Total]:
        rows = self._db.execute("SELECT * FROM totals")
        return {row[0]: Total(*row[1:]) for row in rows}

    def _flying(self) -> dict[str, int]:
        """Calls of all processes that are claimed and not answered, by prompt."""
        rows = self._db.execute("SELECT prompt, COUNT(*) FROM calls GROUP BY prompt")
        return dict(rows.fetchall())

    def others_ask(self, prompts: Iterable[str]) -> bool:
        """Whether another process has a call in flight with one of the prompts."""
        with self._explained():
            rows = self._db.execute(
                "SELECT DISTINCT prompt FROM calls WHERE owner <> ?", (self.owner,)
            )
            return not {row[0] for row in rows}.isdisjoint(prompts)

    def beat(self) -> None:
        """Say that this process lives, now and then."""
        now = time.time()
        if now - self._beaten > _DEAD / 6:
            self._beaten = now
            with self._writing():
                self._db.execute(
                    "INSERT OR REPLACE INTO owners VALUES (?, ?)", (self.owner, now)
                )

    def release(self) -> None:
        """Give up the claims of this process."""
        with self._writing():
            self._db.execute("DELETE FROM calls WHERE owner = ?", (self.owner,))
            self._db.execute("DELETE FROM owners WHERE owner = ?", (self.owner,))
        self._beaten = 0.0

    def _forget_dead(self) -> None:
        """End the claims of processes that are no more."""
        self.beat()
        with self._explained():
            owners = dict(self._db.execute("SELECT owner, beat FROM owners").fetchall())
        dead = [
            owner
            for owner, beat in owners.items()
            if owner != self.owner and (time.time() - beat > _DEAD or _is_gone(owner))
        ]
        if dead:
            with self._writing():
                for table in ("calls", "owners"):
                    self._db.executemany(
                        f"DELETE FROM {table} WHERE owner = ?", [(k,) for k in dead]
                    )

    def modes(self, prompt: str) -> list[str]:
        """How the form of answers to a prompt was asked for."""
        with self._explained():
            rows = self._db.execute(
                "SELECT DISTINCT mode FROM answers WHERE prompt = ? AND mode <> ''",
                (prompt,),
            )
            return [row[0] for row in rows]

    def forget(self, prompts: Iterable[str]) -> int:
        """Delete all answers to prompts, from the disk too; returns their number."""
        number = 0
        with self._writing():
            for prompt in prompts:
                number += self._db.execute(
                    "DELETE FROM answers WHERE prompt = ?", (prompt,)
                ).rowcount
                self._db.execute("DELETE FROM totals WHERE prompt = ?", (prompt,))
        with self._explained():
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return number


def _compact(tokens: Sequence[Token]) -> list[Token]:
    """Tokens without alternatives that nearly never stand in their place."""
    return [
        (text, round(own, 5), [(k, round(p, 5)) for k, p in others if p > _RARE])
        for text, own, others in tokens
    ]


def _answer(row: tuple[object, ...]) -> Answer:
    fields = list(row[1:])
    if fields[8] is not None:
        fields[8] = json.loads(str(fields[8]))
    fields[10] = bool(fields[10])
    return Answer(*fields)  # type: ignore[arg-type]


def _is_gone(owner: str) -> bool:
    """Whether a process of this machine is no more."""
    host, pid, _ = owner.rsplit("/", 2)
    if host != socket.gethostname() or os.name == "nt":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False

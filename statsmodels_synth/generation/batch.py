"""Batches: requests and answers as files in the JSONL format of OpenAI's batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
import json
import os
from pathlib import Path
import re
from typing import Any

from statsmodels_synth.core.messages import count
from statsmodels_synth.exceptions import DataError, ModelError, OptionError
from statsmodels_synth.generation.answers import Answer
from statsmodels_synth.generation.models import answer_of, unanswered
from statsmodels_synth.generation.requests import Request

#: What a file of a batch may have at most: lines, and bytes (half of OpenAI's limit).
_MOST_LINES, _MOST_BYTES = 50_000, 100_000_000
_URL = "/v1/chat/completions"


@dataclass(frozen=True)
class Line:
    """
    One answer of a batch.

    Parameters
    ----------
    key : bytes
        Hash of the request.
    answer : Answer or None
        The answer; None where the endpoint gave an error.
    error : str
        That error.
    """

    key: bytes
    answer: Answer | None
    error: str = ""


def write_batch(
    folder: str | os.PathLike[str], name: str, requests: Sequence[Request], model: Any
) -> list[Path]:
    """Write requests as files of a batch; several where one would be too big."""
    body = getattr(model, "body", None)
    if body is None:
        raise OptionError(
            f"Source {name!r}: its model knows no batches. Give the name of a model, "
            "or an OpenAIModel."
        )
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name)
    paths: list[Path] = []
    lines: list[bytes] = []
    size = 0

    def flush() -> None:
        path = target / f"{plain}-{requests[0].step}-{len(paths) + 1:03d}.jsonl"
        path.write_bytes(b"".join(lines))
        paths.append(path)
        lines.clear()

    for request in requests:
        line = _line(request, body)
        if lines and (len(lines) == _MOST_LINES or size + len(line) > _MOST_BYTES):
            flush()
            size = 0
        lines.append(line)
        size += len(line)
    if lines:
        flush()
    return paths


def _line(request: Request, body: Any) -> bytes:
    own = body(request)
    form = own.get("response_format", {}).get("type", "text")
    mode = {"json_schema": "schema", "json_object": "json"}.get(form, "text")
    line = {
        "custom_id": f"{mode}-{request.key.hex()}",
        "method": "POST",
        "url": _URL,
        "body": own,
    }
    return (json.dumps(line, ensure_ascii=False) + "\n").encode()


def read_batch(paths: Iterable[Path]) -> Iterator[Line]:
    """Answers in files that a batch wrote."""
    for path in paths:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield _read_line(text, f"{path}, line {number}")


def _read_line(text: str, where: str) -> Line:
    try:
        line = json.loads(text)
        mode, _, digest = line["custom_id"].partition("-")
        key = bytes.fromhex(digest)
        response = line.get("response") or {}
        body = response.get("body") or {}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(
            f"{where} is no answer of a batch that this package wrote. Give the files "
            "that the batch returned."
        ) from error
    status = int(response.get("status_code") or 200)
    problem = line.get("error") or body.get("error")
    if status == 200 and not problem:
        try:
            return Line(key, answer_of(body, mode, batch=True))
        except ModelError as error:
            return Line(key, None, str(error))
    details = problem if isinstance(problem, dict) else {"message": str(problem)}
    words = str(details.get("message") or details)
    return Line(key, unanswered(status, str(details.get("code") or ""), words), words)


def batch_files(given: object) -> list[Path]:
    """Files of a batch: one, several, or all of a folder."""
    listed = [given] if isinstance(given, (str, os.PathLike)) else given
    if not isinstance(listed, Iterable):
        raise OptionError(f"{given!r} is no path. Give files, or their folder.")
    paths: list[Path] = []
    for own in listed:
        path = Path(own)
        paths += sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise DataError(f"{missing[0]!r} is no file. Give files that a batch returned.")
    if not paths:
        raise DataError(f"{given!r} has no file that ends in .jsonl.")
    return paths


def errors_of(lines: Sequence[Line]) -> str:
    """Errors of a batch, for a message."""
    failed = [line.error for line in lines if line.answer is None]
    return f"{count(len(failed), 'request')} failed, such as: {failed[0]}"

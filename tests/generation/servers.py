"""An endpoint that answers by rules and fails by a script, and the small model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import socket
import struct
import threading
import time
from types import SimpleNamespace
from typing import Any

from tests.generation.scripted import Scripted, share

#: Faults of transport: the answer does not arrive, and the call is tried again.
TRANSPORT = (
    *("429", "429 after", "500", "503"),
    *("reset", "broken", "cut", "drip", "silent"),
)
#: Faults of content: an answer arrives, is paid for and has no values.
CONTENT = ("refusal", "enum", "length")


@dataclass
class Script:
    """
    Which fault meets which request.

    Attributes
    ----------
    transport, content : float
        Share of calls, and of requests, that meet a fault of the kind.
    change_after : int or None
        Number of answers after which the endpoint serves another model.
    storm : int
        Number of first calls that all get status 429.
    steps : set of str
        Steps (of writing: "write", of codes: "code") that meet faults.
    slow : float
        Seconds before each answer.
    """

    transport: float = 0.0
    content: float = 0.0
    kinds: tuple[str, ...] = TRANSPORT
    change_after: int | None = None
    storm: int = 0
    steps: frozenset[str] = frozenset({"code", "write"})
    slow: float = 0.0


@dataclass
class Ledger:
    """What an endpoint was asked and what it delivered, by hash of the body."""

    asked: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    lock: Any = field(default_factory=threading.Lock)

    def count(self, which: Counter[str], key: str) -> int:
        with self.lock:
            which[key] += 1
            return which[key]


@dataclass
class Faulty:
    """An endpoint under test."""

    url: str
    script: Script
    ledger: Ledger


@contextmanager
def faulty(script: Script | None = None) -> Iterator[Faulty]:
    """Serve until the end of the block."""
    own = Faulty("", script or Script(), Ledger())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            respond(self, own, body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # A client that was killed leaves a broken pipe, which is no fault of a test.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    own.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield own
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def respond(handler: BaseHTTPRequestHandler, own: Faulty, body: bytes) -> None:
    """Answer one call, or fail it as the script says."""
    script, ledger = own.script, own.ledger
    key = hashlib.sha256(body).hexdigest()
    request = json.loads(body)
    attempt = ledger.count(ledger.asked, key)
    fault = fault_of(script, key, attempt, request, ledger)
    if fault in TRANSPORT:
        ledger.count(ledger.faults, fault)
        fail(handler, fault, completion(request, "", own))
        return
    if fault:
        ledger.count(ledger.faults, fault)
    payload = completion(request, fault, own)
    time.sleep(script.slow)
    send(handler, 200, payload)
    ledger.count(ledger.delivered, key)


def fault_of(
    script: Script, key: str, attempt: int, request: dict[str, Any], ledger: Ledger
) -> str:
    """Fault that meets a call; the third try of a request arrives."""
    if sum(ledger.asked.values()) <= script.storm:
        return "429 after"
    if step_of(request) not in script.steps:
        return ""
    if attempt < 3 and share("transport", key, attempt) < script.transport:
        return script.kinds[int(share("kind", key, attempt) * len(script.kinds))]
    if share("content", key) < script.content:
        return CONTENT[int(share("which", key) * len(CONTENT))]
    return ""


def properties_of(request: dict[str, Any]) -> dict[str, Any]:
    """Keys that an answer has, by the schema that is sent along."""
    schema = request["response_format"]["json_schema"]["schema"]
    return dict(schema["properties"])


def step_of(request: dict[str, Any]) -> str:
    return "write" if "text" in properties_of(request) else "code"


def completion(request: dict[str, Any], fault: str, own: Faulty) -> bytes:
    """Body of a response."""
    asked = SimpleNamespace(
        schema={"properties": properties_of(request)},
        text=request["messages"][-1]["content"],
        draw=request.get("seed", 0),
    )
    answer = Scripted().complete(asked)  # type: ignore[arg-type]
    late = own.script.change_after is not None and (
        sum(own.ledger.delivered.values()) >= own.script.change_after
    )
    text, message = answer.text, {"role": "assistant"}
    if fault == "enum":
        text = text.replace('"yes"', '"maybe"').replace('"no"', '"maybe"')
    elif fault == "length":
        text = text[: len(text) // 2]
    elif fault == "refusal":
        message["refusal"] = "I cannot help with that."
    return json.dumps(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "scripted-2" if late else "scripted-1",
            "choices": [
                {
                    "index": 0,
                    "message": {**message, "content": text},
                    "finish_reason": "length" if fault == "length" else "stop",
                }
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10},
        }
    ).encode()


def send(
    handler: BaseHTTPRequestHandler, status: int, payload: bytes, **headers: str
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(payload)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(payload)


def fail(handler: BaseHTTPRequestHandler, fault: str, payload: bytes) -> None:
    """Fail a call."""
    if fault == "reset":
        linger = struct.pack("ii", 1, 0)  # a close that resets the connection
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()
        handler.close_connection = True
    elif fault == "cut":
        send(handler, 200, payload[: len(payload) // 2])
    elif fault == "broken":
        # The connection ends in the middle of the body.
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        handler.wfile.write(payload[: len(payload) // 2])
    elif fault in ("drip", "silent"):
        # Slower than any client waits: byte by byte, or not at all.
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        for position in range(len(payload)):
            if fault == "drip":
                handler.wfile.write(payload[position : position + 1])
                handler.wfile.flush()
            time.sleep(0.1)
            if position > 60:
                return
    else:
        status, _, after = fault.partition(" ")
        body = json.dumps({"error": {"message": "busy", "code": "busy"}}).encode()
        headers = {"Retry_After": "0.1"} if after else {}
        send(handler, int(status), body, **headers)

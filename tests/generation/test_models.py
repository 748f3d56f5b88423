"""OpenAIModel against an endpoint of the standard library; functions as models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import threading
import time
from typing import Any

import pandas as pd
import pytest

from statsmodels_synth.exceptions import GenerationError, ModelError, OptionError
from statsmodels_synth.generation import Answer, OpenAIModel, Request, Settings, Study
from statsmodels_synth.generation.models import Model, read_models
from statsmodels_synth.generation.requests import Prompt
from tests.generation.scripted import CODEBOOK, Scripted, posts

SCHEMA = CODEBOOK.schema
GOOD = json.dumps({"polite": "yes", "hedge": "no", "warmth": 4})


def request(**settings: Any) -> Request:
    own = Settings(**settings)
    prompt = Prompt("m", "", "Code it.", (), SCHEMA, own)
    return Request(prompt, "code", "u1", 0, 0, "<unit>\nHello\n</unit>")


def completion(text: str = GOOD, **own: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **own.pop("message", {})}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", **own}],
        "usage": {
            "prompt_tokens": 50,
            "completion_tokens": 20,
            "total_tokens": 70,
            "completion_tokens_details": {"reasoning_tokens": 12},
            "prompt_tokens_details": {"cached_tokens": 30},
        },
    }


class Endpoint:
    """An endpoint whose answers a test decides."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.respond: Callable[[dict[str, Any]], Any] = lambda body: completion()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                outer.bodies.append(body)
                outer.keys.append(self.headers.get("Authorization"))
                found = outer.respond(body)
                status, data, *headers = (
                    found if isinstance(found, tuple) else (200, found)
                )
                raw = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                for name, value in headers[0].items() if headers else ():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    own = Endpoint()
    yield own
    own.server.shutdown()
    own.server.server_close()
    own.thread.join()


def test_an_answer_has_what_the_endpoint_says(endpoint: Endpoint) -> None:
    model = OpenAIModel("m", endpoint.url)
    answer = model.complete(request(temperature=0.0, seed=3, max_tokens=50))
    assert (answer.text, answer.model, answer.mode) == (GOOD, "m-2026", "schema")
    assert (answer.input_tokens, answer.output_tokens) == (50, 20)
    assert (answer.reasoning_tokens, answer.cached_tokens) == (12, 30)
    body = endpoint.bodies[0]
    form = body["response_format"]["json_schema"]
    assert (form["strict"], form["schema"]) == (True, SCHEMA)
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0.0, 3, 50)
    assert endpoint.keys == ["Bearer sk-secret"]
    assert "sk-secret" not in repr(model)


def test_endpoints_without_schemas_are_asked_otherwise(endpoint: Endpoint) -> None:
    def respond(body: dict[str, Any]) -> Any:
        if "response_format" in body:
            kind = body["response_format"]["type"]
            message = f"response_format of type {kind} is not supported"
            return 400, {"error": {"message": message}}
        return completion()

    endpoint.respond = respond
    model = OpenAIModel("m", endpoint.url)
    assert [model.complete(request()).mode for _ in range(2)] == ["text", "text"]
    # The form is found once: all requests of a source are asked in one way.
    assert len(endpoint.bodies) == 4


def test_log_probabilities_are_read(endpoint: Endpoint) -> None:
    others = [{"token": "no", "logprob": -2}]
    tokens = [{"token": "yes", "logprob": -0.1, "top_logprobs": others}]
    endpoint.respond = lambda body: completion(logprobs={"content": tokens})
    answer = OpenAIModel("m", endpoint.url).complete(request(logprobs=5))
    assert answer.logprobs == [("yes", -0.1, [("no", -2.0)])]
    assert endpoint.bodies[0]["top_logprobs"] == 5


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        *((status, False) for status in (400, 401, 403, 404)),
        *((status, True) for status in (408, 409, 429, 500, 503)),
    ],
)
def test_errors(endpoint: Endpoint, status: int, retryable: bool) -> None:
    data = {"error": {"message": "wrong key sk-secret", "code": None}}
    endpoint.respond = lambda body: (status, data, {"Retry-After": "7"})
    with pytest.raises(ModelError) as info:
        OpenAIModel("m", endpoint.url).complete(request())
    assert info.value.retryable == retryable
    assert info.value.after == (7.0 if retryable else None)
    assert "sk-secret" not in str(info.value)
    assert len(endpoint.bodies) == 1  # trying again is the runner's part


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"message": "filtered", "code": "content_filter"}, "content_filter"),
        ({"message": "maximum context length is 8192 tokens"}, "context"),
    ],
)
def test_errors_of_one_text_are_answers(
    endpoint: Endpoint, error: dict[str, str], reason: str
) -> None:
    endpoint.respond = lambda body: (400, {"error": error})
    answer = OpenAIModel("m", endpoint.url).complete(request())
    assert answer.finish_reason == reason


def test_settings_that_an_endpoint_does_not_take(endpoint: Endpoint) -> None:
    data = {"error": {"message": "Unsupported value: 'temperature'"}}
    endpoint.respond = lambda body: (400, data)
    with pytest.raises(ModelError, match="set temperature=None"):
        OpenAIModel("m", endpoint.url).complete(request(temperature=0.0))


@pytest.mark.parametrize(
    "data", [b'{"choices": [', {"error": {"message": "overloaded"}}, [1]]
)
def test_broken_responses_are_tried_again(endpoint: Endpoint, data: Any) -> None:
    endpoint.respond = lambda body: data
    with pytest.raises(ModelError) as info:
        OpenAIModel("m", endpoint.url).complete(request())
    assert info.value.retryable


def test_refusals_and_timeouts(endpoint: Endpoint) -> None:
    endpoint.respond = lambda body: completion("", message={"refusal": "I cannot."})
    model = OpenAIModel("m", endpoint.url, timeout=0.3)
    assert model.complete(request()).refusal == "I cannot."

    def late(body: dict[str, Any]) -> Any:
        time.sleep(0.6)
        return completion()

    endpoint.respond = late
    with pytest.raises(ModelError, match=r"no answer in 0\.3 s") as info:
        model.complete(request())
    assert info.value.retryable


def test_a_study_rides_out_a_storm(endpoint: Endpoint) -> None:
    stormy = iter(range(10))

    def respond(body: dict[str, Any]) -> Any:
        if next(stormy, None) is not None:
            return 429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"}
        return completion()

    endpoint.respond = respond
    data = posts(20, 5)
    study = Study(data, CODEBOOK, model="m", base_url=endpoint.url, store=":memory:")
    sources = study.run(workers=4)
    assert len(sources.proxy["m"]) == 20
    assert len(endpoint.bodies) == 20 + 10
    assert sources.costs["answers"].sum() == 20


def test_no_key_and_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(GenerationError, match="OPENAI_API_KEY is not set"):
        OpenAIModel("m").complete(request())


def test_addresses_hold_no_password() -> None:
    with pytest.raises(OptionError, match="user name, a password"):
        OpenAIModel("m", "https://me:secret@example.org/v1")


def test_models_are_read_by_name() -> None:
    own = Scripted(name="own")
    found = read_models({"a": own, "b": lambda request: "{}"}, None)
    assert list(found) == ["a", "b"]
    assert isinstance(found["b"], Model)
    assert found["b"].complete(request()) == Answer("{}", model="b")
    assert list(read_models(["x", "y"], "http://localhost/v1")) == ["x", "y"]
    for wrong in ([], 3, [own, own]):
        with pytest.raises(OptionError):
            read_models(wrong, None)
    with pytest.raises(OptionError, match="base_url= is for models given by name"):
        read_models(own, "http://localhost/v1")


def test_what_other_libraries_raise_is_tried_again() -> None:
    class RateLimitError(Exception):
        status_code = 429

    tries = iter(range(3))

    def model(own: Request) -> str:
        if next(tries, None) is not None:
            raise RateLimitError("slow down")
        return GOOD

    data = pd.DataFrame({"text": ["Hello"]})
    study = Study(data, CODEBOOK, model={"m": model}, store=":memory:")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("statsmodels_synth.generation.runner.How.pause", 0.01)
        with pytest.raises(GenerationError, match=r"failed 2 times .*RateLimitError"):
            study.run(retries=1)
    assert len(study.run(retries=1).proxy["m"]) == 1

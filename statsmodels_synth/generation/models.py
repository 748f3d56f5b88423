"""Models: a protocol of one method, functions as models, and the client of OpenAI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
import json
import os
import re
import threading
import time
from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable
from urllib.parse import urlsplit

from statsmodels_synth.core.messages import install, show
from statsmodels_synth.core.options import check_choice
from statsmodels_synth.exceptions import GenerationError, ModelError, OptionError
from statsmodels_synth.generation.answers import Answer
from statsmodels_synth.generation.requests import Request

Mode: TypeAlias = Literal["auto", "schema", "json", "text"]

_OPENAI = "https://api.openai.com/v1"
_RETRYABLE = {408, 409, 425, 429}
_FORM = re.compile(
    r"response_?format|json_?schema|json_?object|grammar|structured", re.I
)
_CONTEXT = re.compile(
    r"context.?(length|size|window)|maximum context|too long|too many tokens", re.I
)
_FILTER = re.compile(r"content.?(filter|management|policy)", re.I)
_MOST_SHOWN = 300
#: Characters of the shortest key that is one; others are words such as "none".
_LEAST_SECRET = 8


@runtime_checkable
class Model(Protocol):
    """
    What answers requests; any object with this method is a model.

    Its ``name``, and ``address`` if it has one, are part of the hash by which answers
    are stored. It is called by several threads at once, unless ``workers=1``.

    See Also
    --------
    OpenAIModel : Any endpoint with the interface of OpenAI.

    Examples
    --------
    >>> class Yes:
    ...     name = "yes"
    ...     def complete(self, request):
    ...         return Answer('{"polite": "yes"}', model="yes-1")
    >>> isinstance(Yes(), Model)
    True
    """

    def complete(self, request: Request) -> Answer:
        """
        Answer a request.

        Parameters
        ----------
        request : Request
            Its ``messages``, the JSON ``schema`` of an answer, and ``settings``.

        Returns
        -------
        Answer
            The answer, a refusal included.

        Raises
        ------
        ModelError
            If there is none.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Answer, Binary, Codebook, Study
        >>> class Rule:  # by a word
        ...     name = "rule"
        ...     def complete(self, request):
        ...         own = "yes" if "Could" in request.messages[-1]["content"] else "no"
        ...         return Answer(f'{{"polite": "{own}"}}', model="rule-1")
        >>> posts = pd.DataFrame({"text": ["Could you help?", "Fix this."]}, ["a", "b"])
        >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Polite?")})
        >>> sources = Study(posts, codebook, model=Rule(), store=":memory:").run()
        >>> sources.proxy["rule"]["polite"].tolist()
        [1.0, 0.0]
        """


@dataclass(frozen=True)
class FunctionModel:
    """A function of a request, which returns an answer or its text."""

    name: str
    function: Callable[[Request], Answer | str]

    def complete(self, request: Request) -> Answer:
        """Answer a request."""
        found = self.function(request)
        if isinstance(found, Answer):
            return found
        if isinstance(found, str):
            return Answer(found, model=self.name)
        raise ModelError(
            f"Model {self.name!r} returned a {type(found).__name__}. Return an Answer "
            "or its text."
        )


@dataclass
class OpenAIModel:
    """
    A model behind an endpoint with the interface of OpenAI.

    OpenAI itself, Azure, vLLM, llama.cpp, Ollama and most gateways. The library
    `openai` is imported at the first request. The key is read from the environment
    and is kept nowhere.

    Parameters
    ----------
    name : str
        Name of the model, as the endpoint knows it.
    base_url : str, optional
        Address of the endpoint; ``OPENAI_BASE_URL``, or OpenAI's own, if omitted.
    key_variable : str
        Environment variable that holds the key. Other endpoints may need none.
    structured : {"auto", "schema", "json", "text"}
        How the form of answers is asked for: by a JSON schema, as any JSON, or in words
        alone. "auto" takes the first that the endpoint does not refuse.
    timeout : float
        Seconds that an answer may take.
    client : object, optional
        A client of `openai`, such as ``openai.AzureOpenAI()``, to use instead.

    Raises
    ------
    OptionError
        If the address holds a password, or an option does not exist.

    See Also
    --------
    Model : What any other model has to be.

    Examples
    --------
    >>> from statsmodels_synth.generation import OpenAIModel
    >>> OpenAIModel("qwen3", base_url="http://localhost:8000/v1").address
    'http://localhost:8000/v1'
    """

    name: str
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    structured: Mode = "auto"
    timeout: float = 120.0
    client: Any = field(default=None, repr=False)
    _given: Any = field(default=None, init=False, repr=False)
    _mode: str | None = field(default=None, init=False, repr=False)
    _lock: Any = field(default_factory=threading.RLock, init=False, repr=False)

    def __post_init__(self) -> None:
        check_choice("structured", self.structured, Mode)
        self._given = self.client
        if not isinstance(self.name, str) or not self.name.strip():
            raise OptionError(f"model={self.name!r} has no name. Give that of a model.")
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise OptionError(
                f"base_url={self.address!r} is no address. Give one such as "
                "'http://localhost:8000/v1'."
            )
        if parts.username or parts.password or parts.query:
            raise OptionError(
                "base_url= holds a user name, a password or a query, and would be "
                "stored with them. Give the address alone, and the key in the "
                f"environment variable {self.key_variable}."
            )
        if not _is_positive(self.timeout):
            raise OptionError(
                f"timeout={show(self.timeout)} is no number of seconds above 0."
            )
        if not isinstance(self.key_variable, str) or not self.key_variable:
            raise OptionError(
                f"key_variable={show(self.key_variable)} is no name of an environment "
                "variable."
            )
        if self.structured != "auto":
            self._mode = self.structured

    @property
    def address(self) -> str:
        """Address of the endpoint."""
        own = getattr(self.client, "base_url", None)
        found = own or self.base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI
        return str(found).rstrip("/")

    def settle(self, mode: str) -> None:
        """Ask for the form of answers as for those that are stored."""
        if self.structured == "auto" and mode in get_args(Mode):
            self._mode = mode

    def complete(self, request: Request) -> Answer:
        """
        Answer a request.

        Parameters
        ----------
        request : Request
            The request.

        Returns
        -------
        Answer
            The answer.

        Raises
        ------
        ModelError
            If the endpoint gives none.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> from statsmodels_synth.generation import OpenAIModel
        >>> posts = pd.DataFrame({"text": ["Could you help?"]}, ["a"])
        >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Polite?")})
        >>> requests = []
        >>> def keep(request):  # in place of a language model
        ...     requests.append(request)
        ...     return '{"polite": "yes"}'
        >>> made = Study(posts, codebook, model=keep, store=":memory:").run()
        >>> model = OpenAIModel("qwen3", base_url="http://localhost:8000/v1")
        >>> answer = model.complete(requests[0])  # doctest: +SKIP
        >>> answer.text  # what the server says  # doctest: +SKIP
        '{"polite": "yes"}'
        """
        if self._mode is not None:
            return self._ask(request, self._mode)
        # All requests of a source are asked in one way: the first one finds it.
        with self._lock:
            if self._mode is not None:
                return self._ask(request, self._mode)
            for mode in ("schema", "json"):
                try:
                    answer = self._ask(request, mode)
                except _FormRefusedError:
                    continue
                self._mode = mode
                return answer
            answer = self._ask(request, "text")
            self._mode = "text"
            return answer

    def body(self, request: Request, mode: str | None = None) -> dict[str, Any]:
        """
        Body of a request as the endpoint takes it.

        Parameters
        ----------
        request : Request
            The request.
        mode : {"schema", "json", "text"}, optional
            How the form is asked for; as the model does if omitted.

        Returns
        -------
        dict
            The body.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> from statsmodels_synth.generation import OpenAIModel
        >>> posts = pd.DataFrame({"text": ["Could you help?"]}, ["a"])
        >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Polite?")})
        >>> requests = []
        >>> def keep(request):  # in place of a language model
        ...     requests.append(request)
        ...     return '{"polite": "yes"}'
        >>> made = Study(posts, codebook, model=keep, store=":memory:").run()
        >>> body = OpenAIModel("gpt-4o-mini").body(requests[0])
        >>> sorted(body)
        ['messages', 'model', 'response_format', 'seed', 'temperature']
        >>> body["messages"][-1]["role"]
        'user'
        """
        settings, own = request.settings, mode or self._mode or "schema"
        found: dict[str, Any] = {"model": self.name, "messages": request.messages}
        if own == "schema":
            schema = {"name": "answer", "strict": True, "schema": request.schema}
            found["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif own == "json":
            found["response_format"] = {"type": "json_object"}
        limit = "max_completion_tokens" if self.address == _OPENAI else "max_tokens"
        options = {
            "temperature": settings.temperature,
            "seed": settings.seed,
            limit: settings.max_tokens,
        }
        found |= {k: v for k, v in options.items() if v is not None}
        if settings.logprobs:
            found |= {"logprobs": True, "top_logprobs": settings.logprobs}
        return found | settings.extra

    def _ask(self, request: Request, mode: str) -> Answer:
        """One call; errors of the library as ours."""
        client = self._connected()
        import openai  # noqa: PLC0415 - imported when it is used

        body, start = self.body(request, mode), time.monotonic()
        try:
            data = self._call(client, body, start + self.timeout)
        except openai.APIStatusError as error:
            return self._unanswered(error, mode)
        except openai.APITimeoutError as error:
            raise ModelError(f"no answer in {self.timeout:g} s", True) from error
        except openai.APIConnectionError as error:
            cause = self._without_key(str(error.__cause__ or error))
            text = f"no connection to {self.address}: {cause}"
            if type(error.__cause__).__name__ == "ConnectError":
                text += " (is base_url= right, and does the endpoint run?)"
                raise NoEndpointError(text, True) from error
            raise ModelError(text, True) from error
        except (openai.OpenAIError, OSError, ValueError) as error:
            raise ModelError(self._without_key(str(error)), True) from error
        return answer_of(data, mode, time.monotonic() - start)

    def _call(self, client: Any, body: dict[str, Any], until: float) -> dict[str, Any]:
        """Response to a body, read to its end by a point of time."""
        rest = {k: v for k, v in body.items() if k not in ("model", "messages")}
        calls = client.chat.completions.with_streaming_response
        with calls.create(
            model=body["model"], messages=body["messages"], extra_body=rest
        ) as response:
            parts = []
            try:
                for part in response.iter_bytes():
                    parts.append(part)
                    if time.monotonic() > until:
                        raise ModelError(
                            f"no complete answer in {self.timeout:g} s", True
                        )
            except ModelError:
                raise
            except Exception as error:
                # Nothing but the network is at work here, and openai does not wrap
                # what its own library of HTTP raises in the middle of a body.
                what = self._without_key(f"{type(error).__name__}: {error}")
                raise ModelError(
                    f"connection lost within an answer: {what}", True
                ) from error
        try:
            data = json.loads(b"".join(parts))
        except ValueError as error:
            raise ModelError("a response that is no JSON", True) from error
        return data if isinstance(data, dict) else {}

    def _connected(self) -> Any:
        """The client, made at the first request."""
        if self.client is None:
            with self._lock:
                if self.client is None:
                    self.client = self._connect()
        return self.client

    def close(self) -> None:
        """Close connections that are open; the next request opens one again."""
        with self._lock:
            client, self.client = self.client, self._given
        if client is not None and client is not self._given:
            client.close()

    def _connect(self) -> Any:
        try:
            from openai import OpenAI  # noqa: PLC0415 - imported when it is used
        except ImportError as error:
            raise GenerationError(
                f"model={self.name!r} needs the library openai: {install('llm')}. Or "
                "give an object with a method complete()."
            ) from error
        key = os.environ.get(self.key_variable)
        if not key and self.address == _OPENAI:
            raise GenerationError(
                f"The environment variable {self.key_variable} is not set. Set it to "
                "the key of the endpoint, or name another variable in key_variable=."
            )
        return OpenAI(
            api_key=key or "none",
            base_url=self.address,
            max_retries=0,
            timeout=self.timeout,
        )

    def _unanswered(self, error: Any, mode: str) -> Answer:
        """Answer that an error of the endpoint amounts to, or that error as ours."""
        status = int(error.status_code)
        body = error.body if isinstance(error.body, dict) else {}
        text = self._without_key(str(body.get("message") or error.message))
        code = str(body.get("code") or "")
        if status in _RETRYABLE or (status >= 500 and status != 501):
            raise ModelError(f"{status}: {text}", True, _after(error)) from error
        answer = unanswered(status, code, text)
        if answer is not None:
            return answer
        if mode != "text" and status in (400, 404, 422, 501) and _FORM.search(text):
            raise _FormRefusedError(f"{status}: {text}")
        for option in ("temperature", "seed", "logprobs", "max_tokens"):
            if status in (400, 422) and option in text:
                other = "False" if option == "logprobs" else "None"
                text += f" (set {option}={other} if the endpoint does not take it)"
                break
        if status == 404 and not body:
            text += " (is base_url= right? Most of them end in /v1)"
        if status == 401:
            known = os.environ.get(self.key_variable)
            what = "is not accepted" if known else "is not set"
            text = f"the key in the environment variable {self.key_variable} {what}"
        raise ModelError(f"{status}: {text}") from error

    def _without_key(self, text: str) -> str:
        """Text of an error without the key, and not endless."""
        key = os.environ.get(self.key_variable) or getattr(self.client, "api_key", "")
        if isinstance(key, str) and len(key) >= _LEAST_SECRET:
            text = text.replace(key, "***")
        return text[:_MOST_SHOWN]


def unanswered(status: int, code: str, text: str) -> Answer | None:
    """Answer that an error amounts to which this request has every time."""
    if status in (400, 413, 422):
        if _FILTER.search(code) or _FILTER.search(text):
            return Answer("", refusal=text, finish_reason="content_filter")
        if status == 413 or _CONTEXT.search(code) or _CONTEXT.search(text):
            return Answer("", finish_reason="context")
    return None


class NoEndpointError(ModelError):
    """Nothing answers at the address, or there is no such address."""


class _FormRefusedError(ModelError):
    """The endpoint does not take the form of answers asked for."""


def _after(error: Any) -> float | None:
    """Seconds that an endpoint asks to wait."""
    headers = error.response.headers
    for name, factor in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(float(value) * factor, 0.0)
        except ValueError:
            from email.utils import parsedate_to_datetime  # noqa: PLC0415

            try:
                return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
            except (TypeError, ValueError):
                continue
    return None


def answer_of(
    data: Mapping[str, Any], mode: str, seconds: float = 0.0, batch: bool = False
) -> Answer:
    """Answer in a response of the endpoint, or in a line of a batch."""
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices:
        error = data.get("error")
        raise ModelError(
            f"a response without choices: {show(error)[:_MOST_SHOWN]}", True
        )
    choice = choices[0]
    message = choice.get("message") or {}
    usage = data.get("usage") or {}
    out, into = (
        usage.get("completion_tokens_details") or {},
        usage.get("prompt_tokens_details") or {},
    )
    return Answer(
        text=message.get("content") or "",
        model=str(data.get("model") or ""),
        refusal=message.get("refusal") or "",
        finish_reason=str(choice.get("finish_reason") or "stop"),
        input_tokens=int(usage.get("prompt_tokens") or 0),
        output_tokens=int(usage.get("completion_tokens") or 0),
        reasoning_tokens=int(out.get("reasoning_tokens") or 0),
        cached_tokens=int(into.get("cached_tokens") or 0),
        logprobs=_tokens(choice.get("logprobs")),
        mode=mode,
        batch=batch,
        seconds=seconds,
    )


def _tokens(logprobs: Any) -> list[Any] | None:
    content = (logprobs or {}).get("content")
    if not content:
        return None
    return [
        (
            own["token"],
            float(own["logprob"]),
            [(k["token"], float(k["logprob"])) for k in own.get("top_logprobs") or []],
        )
        for own in content
    ]


def read_models(model: object, base_url: str | None) -> dict[str, Model]:
    """Models of a study by name: one, several, or a mapping."""
    if isinstance(model, Mapping):
        given = dict(model)
    elif isinstance(model, Sequence) and not isinstance(model, str):
        given = {}
        for k in model:
            if _name_of(k) in given:
                raise OptionError(
                    f"model= has two of the name {_name_of(k)!r}. Give them names, "
                    "{'first': ..., 'second': ...}."
                )
            given[_name_of(k)] = k
    else:
        given = {_name_of(model): model}
    if not given:
        raise OptionError("model= is empty. Name a model.")
    return {str(k): _as_model(str(k), own, base_url) for k, own in given.items()}


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _name_of(model: object) -> str:
    if isinstance(model, str):
        return model
    own = getattr(model, "name", None) or getattr(model, "__qualname__", None)
    name = str(own or type(model).__name__)
    if "<lambda>" in name:
        raise OptionError(
            "model= is a function without a name, by which its answers could be found "
            "again. Give {'name': function}."
        )
    return name


def _as_model(name: str, model: object, base_url: str | None) -> Model:
    if isinstance(model, str):
        return OpenAIModel(model, base_url)
    if base_url is not None:
        raise OptionError(
            f"base_url= is for models given by name, and {name!r} is none. Give it to "
            "OpenAIModel."
        )
    if isinstance(model, type):
        raise OptionError(
            f"model={name!r} is a class. Give an object of it: {name}(...)."
        )
    if isinstance(model, Model):
        return model
    if callable(model):
        return FunctionModel(name, model)
    raise OptionError(
        f"model={show(model)} is no model. Give its name, a function, or an object "
        "with a method complete()."
    )

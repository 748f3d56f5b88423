"""Requests: what is sent, and the hash by which its answer is found again."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field
from functools import cached_property
import hashlib
import json
import mimetypes
from pathlib import Path
from typing import Any, Literal, TypeAlias

from statsmodels_synth.exceptions import DataError
from statsmodels_synth.generation.units import Image

Step: TypeAlias = Literal["code", "write", "read"]


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def canonical(value: object) -> bytes:
    r"""
    JSON with one form for one value.

    Examples
    --------
    >>> canonical({"b": 1, "a": "\u00e9"})
    b'{"a":"\xc3\xa9","b":1}'
    """
    return _ENCODER.encode(value).encode()


@dataclass(frozen=True)
class Settings:
    """
    How a model is asked, alike for all units of a source.

    Parameters
    ----------
    temperature : float or None
        Temperature; None leaves it to the endpoint.
    seed : int or None
        Seed of the first replicate; the next has the next number.
    max_tokens : int or None
        Most tokens of an answer.
    logprobs : int
        Alternatives of each token whose log-probability is asked for; 0: none.
    extra : dict
        What else the endpoint is told, such as ``{"reasoning_effort": "low"}``.

    Examples
    --------
    >>> from statsmodels_synth.generation import Settings
    >>> Settings(temperature=0.0, seed=1).max_tokens is None
    True
    """

    temperature: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    logprobs: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prompt:
    """
    What all requests of one step of a source have in common.

    Parameters
    ----------
    model, address : str
        Model and endpoint.
    system : str
        Instructions.
    turns : tuple of dict
        Examples, as messages.
    schema : dict
        JSON schema of an answer.
    settings : Settings
        Settings.
    """

    model: str
    address: str
    system: str
    turns: tuple[dict[str, Any], ...]
    schema: dict[str, Any]
    settings: Settings

    @cached_property
    def _hash(self) -> Any:
        return hashlib.sha256(canonical(asdict(self)))

    @property
    def digest(self) -> str:
        """Hash of all of it, by which a report names the prompt."""
        return str(self._hash.hexdigest())

    def key(self, text: str, images: tuple[Image, ...], draw: int) -> bytes:
        """Hash of a complete request."""
        own = self._hash.copy()
        # Each part after its length: two requests never run together to the same bytes.
        for part in (text, *(image.digest for image in images), str(draw)):
            data = part.encode()
            own.update(b"%d:" % len(data))
            own.update(data)
        return bytes(own.digest())


@dataclass(frozen=True)
class Request:
    """
    One question to a model.

    Parameters
    ----------
    prompt : Prompt
        What it shares with the others.
    step : {"code", "write", "read"}
        What it is for.
    unit : object
        Id of the unit, for messages; not part of what is sent.
    position : int
        Position of the unit in data.
    replicate : int
        Number of the replicate or counterpart of the unit.
    text : str
        Message of the user.
    images : tuple of Image
        Images that go with it.
    draw : int
        Number of the draw among requests that are alike.

    Notes
    -----
    A model reads ``messages``, ``schema`` and ``settings``.

    Examples
    --------
    >>> import pandas as pd
    >>> from statsmodels_synth.generation import Binary, Codebook, Study
    >>> posts = pd.DataFrame({"text": ["Could you help?", "Fix this."]}, ["a", "b"])
    >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Is it polite?")})
    >>> def model(request):  # in place of a language model
    ...     print(request.unit, request.step)
    ...     yes = "Could" in request.text
    ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
    >>> study = Study(posts, codebook, model=model, store=":memory:")
    >>> sources = study.run(workers=1)
    a code
    b code
    """

    prompt: Prompt
    step: Step
    unit: Any
    position: int
    replicate: int
    text: str
    images: tuple[Image, ...] = ()
    draw: int = 0

    @cached_property
    def key(self) -> bytes:
        """Hash of the complete request, by which its answer is stored."""
        return self.prompt.key(self.text, self.images, self.draw)

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of an answer."""
        return self.prompt.schema

    @property
    def settings(self) -> Settings:
        """Settings, with the seed of this draw."""
        own = self.prompt.settings
        seed = None if own.seed is None else own.seed + self.draw
        return Settings(own.temperature, seed, own.max_tokens, own.logprobs, own.extra)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Messages in the form that most endpoints take."""
        content: Any = self.text
        if self.images:
            content = [{"type": "text", "text": self.text}]
            content += [
                {"type": "image_url", "image_url": {"url": _url(image, self.unit)}}
                for image in self.images
            ]
        return [
            {"role": "system", "content": self.prompt.system},
            *self.prompt.turns,
            {"role": "user", "content": content},
        ]


def _url(image: Image, unit: object) -> str:
    """URL of an image, which holds the file itself where it is one."""
    if image.is_url:
        return image.where
    try:
        data = Path(image.where).read_bytes()
    except OSError as error:
        raise DataError(
            f"Image {image.where!r} of unit {unit!r} cannot be read: {error}."
        ) from error
    if hashlib.sha256(data).hexdigest() != image.digest:
        raise DataError(
            f"Image {image.where!r} of unit {unit!r} has changed since the study was "
            "made. Make the study anew."
        )
    kind = mimetypes.guess_type(image.where)[0] or "image/png"
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"

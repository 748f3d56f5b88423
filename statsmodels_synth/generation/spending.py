"""What answers took, and the prices of each source."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
import re
from typing import Any

from statsmodels_synth.core.messages import suggest
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.generation.answers import Answer
from statsmodels_synth.generation.costs import Prices


@dataclass(frozen=True)
class Spent:
    """
    What the answers of a prompt took.

    Parameters
    ----------
    answers : int
        Number of answers.
    input_tokens, output_tokens, reasoning_tokens, cached_tokens : float
        Sums; those of a batch count half, as they cost half.
    models : tuple of str
        Names of models as returned.
    modes : tuple of str
        How the form of answers was asked for.
    first, last : str
        Days of the first and the last answer.
    """

    answers: int
    input_tokens: float
    output_tokens: float
    reasoning_tokens: float
    cached_tokens: float
    models: tuple[str, ...]
    modes: tuple[str, ...]
    first: str
    last: str


def spent_on(answers: Collection[Answer]) -> Spent:
    """
    What answers took, each of them once.

    Examples
    --------
    >>> spent_on([Answer("", input_tokens=10), Answer("", input_tokens=10, batch=True)])
    Spent(answers=2, input_tokens=15.0, output_tokens=0.0, reasoning_tokens=0.0, cached_tokens=0.0, models=(), modes=('schema',), first='1970-01-01', last='1970-01-01')
    """  # noqa: E501
    into = out = thought = cached = 0.0
    models, modes, days = set(), set(), []
    for own in answers:
        share = 0.5 if own.batch else 1.0
        into += share * own.input_tokens
        out += share * own.output_tokens
        thought += share * own.reasoning_tokens
        cached += share * own.cached_tokens
        models.add(model_name(own.model))
        modes.add(own.mode)
        days.append(own.created)
    return Spent(
        len(answers),
        into,
        out,
        thought,
        cached,
        tuple(sorted(models - {""})),
        tuple(sorted(modes - {""})),
        _day(min(days)) if days else "",
        _day(max(days)) if days else "",
    )


def model_name(name: str) -> str:
    r"""
    Name of a model without the folders of its file, which are those of one machine.

    Examples
    --------
    >>> model_name("/home/me/models/qwen.gguf"), model_name("C:\\models\\qwen.gguf")
    ('qwen.gguf', 'qwen.gguf')
    >>> model_name("Qwen/Qwen3-8B")
    'Qwen/Qwen3-8B'
    """
    is_path = name.startswith(("/", "~", "./", "../")) or "\\" in name
    return re.split(r"[/\\]", name)[-1] if is_path else name


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()


def read_prices(
    prices: object, names: Mapping[str, str], known: Mapping[str, Prices | None]
) -> dict[str, Prices | None]:
    """Prices of each source: as given, by model if need be, or those that are known."""
    found = dict(known)
    if prices is None:
        return found
    if isinstance(prices, Mapping):
        both = [*names, *names.values()]
        for name in prices:
            if name not in both:
                raise OptionError(
                    f"prices= has {name!r}, which is no model or source of the study."
                    f"{suggest(name, list(dict.fromkeys(both)))}"
                )
    for source, model in names.items():
        own: Any = prices
        if isinstance(prices, Mapping):
            own = prices.get(source, prices.get(model))
        if own is None:
            continue
        if not isinstance(own, Prices):
            try:
                into, out = own
                own = Prices(float(into), float(out))
            except (TypeError, ValueError) as error:
                raise OptionError(
                    f"prices={prices!r}: give (input, output), the prices of a million "
                    "tokens, or {model: (input, output)}."
                ) from error
        if not (own.input >= 0 and own.output >= 0):
            raise OptionError(f"prices={prices!r}: a price is not a number >= 0.")
        found[source] = own
    return found

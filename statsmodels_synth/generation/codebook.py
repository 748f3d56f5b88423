"""The codebook: what is asked of each unit, and which answers exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import math
from typing import Any, Literal, TypeAlias

from statsmodels_synth.core.messages import show
from statsmodels_synth.core.options import check_choice, methods_name_keywords
from statsmodels_synth.exceptions import OptionError

#: A value as a frame holds it.
Value: TypeAlias = float | str
Role: TypeAlias = Literal["coder", "respondent"]

_YES = {"yes", "true", "1"}
_NO = {"no", "false", "0"}
#: Points of a scale that a schema lists one by one.
_LISTED = 101


def _check_question(kind: str, question: object) -> None:
    if not isinstance(question, str) or not question.strip():
        raise OptionError(
            f"{kind}({question!r}) has no question. Give the text that is asked."
        )


def _number(answer: object) -> float | None:
    """A finite number of JSON or NumPy, or text that is one."""
    answer = answer.item() if hasattr(answer, "item") else answer
    if isinstance(answer, bool) or not isinstance(answer, (int, float, str)):
        return None
    try:
        value = float(answer)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


@methods_name_keywords
@dataclass(frozen=True)
class Binary:
    """
    A question of yes or no; its variable is 1 or 0.

    Parameters
    ----------
    question : str
        What is asked.

    Raises
    ------
    OptionError
        If there is no question.

    Examples
    --------
    >>> Binary("Is the request polite?").read("yes")
    1.0
    """

    question: str

    def __post_init__(self) -> None:
        _check_question("Binary", self.question)

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of an answer."""
        return {"type": "string", "enum": ["no", "yes"]}

    @property
    def levels(self) -> dict[str, Value]:
        """Answers as a model writes them, with their values."""
        return {"no": 0.0, "yes": 1.0}

    @property
    def choices(self) -> str:
        """What may be answered, in words."""
        return '"yes" or "no"'

    def read(self, answer: object) -> Value | None:
        """Value of an answer, None where it is none."""
        if answer in ("yes", "no"):
            return 1.0 if answer == "yes" else 0.0
        answer = answer.item() if hasattr(answer, "item") else answer
        if isinstance(answer, (bool, str, int, float)):
            text = f"{answer:g}" if isinstance(answer, float) else str(answer)
            text = text.strip().lower()
            return 1.0 if text in _YES else 0.0 if text in _NO else None
        return None

    def write(self, value: object) -> object | None:
        """Answer that has a value, None where none has."""
        found = self.read(value)
        return None if found is None else "yes" if found else "no"


@methods_name_keywords
@dataclass(frozen=True)
class Choice:
    """
    A question with a list of answers; its variable is one of them.

    Parameters
    ----------
    question : str
        What is asked.
    levels : sequence of str
        The answers, two or more.

    Raises
    ------
    OptionError
        If there is no question, or fewer than two different answers.

    Examples
    --------
    >>> Choice("Which party?", ["left", "right"]).read("right")
    'right'
    """

    question: str
    levels: Any

    def __post_init__(self) -> None:
        _check_question("Choice", self.question)
        given = self.levels
        is_list = isinstance(given, Iterable) and not isinstance(given, (str, bytes))
        listed = list(given) if is_list else []
        names = [str(k).strip() for k in listed]
        missing = any(k is None or k != k for k in listed)  # noqa: PLR0124 - NaN
        if len(names) < 2 or "" in names or missing:
            raise OptionError(
                f"Choice({self.question!r}) has levels {given!r}. Give a list of two "
                "or more answers: what has one answer need not be asked."
            )
        if len({n.lower() for n in names}) < len(names):
            raise OptionError(
                f"Choice({self.question!r}) has the same level twice: {given!r}. "
                "Capitals do not tell levels apart: keep one."
            )
        object.__setattr__(self, "levels", {name: name for name in names})

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of an answer."""
        return {"type": "string", "enum": list(self.levels)}

    @property
    def choices(self) -> str:
        """What may be answered, in words."""
        return "one of " + ", ".join(f'"{k}"' for k in self.levels)

    def read(self, answer: object) -> Value | None:
        """Value of an answer, None where it is none."""
        answer = answer.item() if hasattr(answer, "item") else answer
        if isinstance(answer, bool) or not isinstance(answer, (str, int, float)):
            return None
        text = f"{answer:g}" if isinstance(answer, float) else str(answer)
        text = text.strip().lower()
        return next((k for k in self.levels if k.lower() == text), None)

    def write(self, value: object) -> object | None:
        """Answer that has a value, None where none has."""
        return self.read(value)


@methods_name_keywords
@dataclass(frozen=True)
class Scale:
    """
    A rating in whole numbers; its variable is the number.

    Parameters
    ----------
    question : str
        What is asked.
    low, high : int
        Ends of the scale.

    Raises
    ------
    OptionError
        If there is no question, or the ends are no whole numbers in order.

    Examples
    --------
    >>> Scale("How warm is it?", 1, 7).read(6)
    6.0
    """

    question: str
    low: int
    high: int

    def __post_init__(self) -> None:
        _check_question("Scale", self.question)
        for name in ("low", "high"):  # an integer of NumPy is one
            value = getattr(self, name)
            if hasattr(value, "item"):
                object.__setattr__(self, name, value.item())
        ends = (self.low, self.high)
        whole = all(isinstance(k, int) and not isinstance(k, bool) for k in ends)
        if not whole or self.low >= self.high:
            raise OptionError(
                f"Scale({self.question!r}, {self.low!r}, {self.high!r}) needs two "
                "whole numbers, the lower one first. Use Number for any number."
            )

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of an answer."""
        if len(self.levels) > 1:
            return {"type": "integer", "enum": list(range(self.low, self.high + 1))}
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    @property
    def levels(self) -> dict[str, Value]:
        """Answers as a model writes them, with their values; none if too many."""
        if self.high - self.low >= _LISTED:
            return {}
        return {str(k): float(k) for k in range(self.low, self.high + 1)}

    @property
    def choices(self) -> str:
        """What may be answered, in words."""
        return f"a whole number from {self.low} to {self.high}"

    def read(self, answer: object) -> Value | None:
        """Value of an answer, None where it is none."""
        value = _number(answer)
        if value is None or value != round(value):
            return None
        return value if self.low <= value <= self.high else None

    def write(self, value: object) -> object | None:
        """Answer that has a value, None where none has."""
        found = self.read(value)
        return None if found is None else int(found)


@methods_name_keywords
@dataclass(frozen=True)
class Number:
    """
    A number; its variable is the number.

    Parameters
    ----------
    question : str
        What is asked.
    low, high : float, optional
        Least and largest number that is an answer.

    Raises
    ------
    OptionError
        If there is no question, or the ends are not in order.

    Examples
    --------
    >>> Number("How old is the writer?", low=0).read(-1) is None
    True
    """

    question: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        _check_question("Number", self.question)
        for end in (self.low, self.high):
            if end is not None and (isinstance(end, str) or _number(end) is None):
                raise OptionError(
                    f"Number({self.question!r}) has an end {end!r}. Give a number."
                )
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise OptionError(
                f"Number({self.question!r}) has low={self.low!r} and "
                f"high={self.high!r}. Give the lower one first."
            )

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of an answer."""
        ends = {"minimum": self.low, "maximum": self.high}
        return {"type": "number"} | {k: v for k, v in ends.items() if v is not None}

    @property
    def levels(self) -> dict[str, Value]:
        """Answers as a model writes them: too many to list."""
        return {}

    @property
    def choices(self) -> str:
        """What may be answered, in words."""
        least = "" if self.low is None else f", at least {self.low:g}"
        most = "" if self.high is None else f", at most {self.high:g}"
        return f"a number{least}{most}"

    def read(self, answer: object) -> Value | None:
        """Value of an answer, None where it is none."""
        value = _number(answer)
        if value is None or (self.low is not None and value < self.low):
            return None
        return None if self.high is not None and value > self.high else value

    def write(self, value: object) -> object | None:
        """Answer that has a value, None where none has."""
        return self.read(value)


Question: TypeAlias = Binary | Choice | Scale | Number


def object_schema(properties: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """JSON schema of an object with all of these keys and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


@methods_name_keywords
@dataclass(frozen=True)
class Codebook:
    """
    What a unit is, what a model may see of it, and what is asked of it.

    Parameters
    ----------
    unit : str
        What a unit is, in words that follow "This is": ``"a request posted on a
        question-and-answer site"``, ``"a respondent of a survey"``.
    shown : sequence of str
        Columns that the model may see. Never one with codes of humans.
    variables : mapping of str to Binary, Choice, Scale or Number
        The questions, by the name of the variable that they become.
    instructions : str
        What else a coder has to know, such as definitions.
    role : {"coder", "respondent"}
        Whether the model codes the unit, or answers as the unit would.
    images : sequence of str
        Those of the columns `shown` that hold paths or URLs of images.

    Raises
    ------
    OptionError
        If it names no column or no variable, or a column that is a variable.

    See Also
    --------
    Study : Asks a model.

    Examples
    --------
    >>> codebook = Codebook(
    ...     unit="a request posted on a question-and-answer site",
    ...     shown=["text"],
    ...     variables={"polite": Binary("Is the request polite?")},
    ... )
    >>> codebook.schema["required"]
    ['polite']
    """

    unit: str
    shown: Sequence[str]
    variables: Mapping[str, Question]
    instructions: str = ""
    role: Role = "coder"
    images: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        check_choice("role", self.role, Role)
        if not isinstance(self.unit, str) or not self.unit.strip():
            raise OptionError("unit= is empty. Say what a unit is: 'a news article'.")
        for name in ("shown", "images"):
            given = getattr(self, name)
            listed = (given,) if isinstance(given, str) else given
            if not isinstance(listed, Iterable) or not all(
                isinstance(k, str) for k in listed
            ):
                raise OptionError(
                    f"{name}= is {show(given)}. Give the names of columns, as texts."
                )
            object.__setattr__(self, name, tuple(dict.fromkeys(listed)))
        if not self.shown:
            raise OptionError(
                "shown= names no column. Name those that the model may see of a unit."
            )
        self._check_variables()
        if extra := [k for k in self.images if k not in self.shown]:
            raise OptionError(
                f"images= names {show(extra[0])}, which is not in shown=. Add it there."
            )

    def _check_variables(self) -> None:
        if not isinstance(self.variables, Mapping) or not self.variables:
            raise OptionError(
                "variables= has no question. Give {name: Binary('...'), ...}."
            )
        for name, question in self.variables.items():
            if not isinstance(name, str) or not name.strip():
                raise OptionError(f"variables= has the name {name!r}. Give a text.")
            if not isinstance(question, (Binary, Choice, Scale, Number)):
                raise OptionError(
                    f"variables[{name!r}] is {question!r}. Give a Binary, Choice, "
                    "Scale or Number."
                )
            if name in self.shown:
                raise OptionError(
                    f"{name!r} is a variable of the codebook and a column of shown=. "
                    "The model must not see the codes of humans: sources would know "
                    "the labels of labelled units. Take it out of shown=."
                )
        object.__setattr__(self, "variables", dict(self.variables))

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of an answer with every variable."""
        return object_schema({k: q.schema for k, q in self.variables.items()})

    def pydantic_model(self) -> Any:
        """
        Class of pydantic with the variables as fields, for models that take one.

        Returns
        -------
        type of pydantic.BaseModel
            Class whose JSON schema is `schema`, titles apart.

        Examples
        --------
        >>> codebook = Codebook("a text", ["text"], {"long": Binary("Is it long?")})
        >>> codebook.pydantic_model()  # doctest: +SKIP
        <class 'statsmodels_synth.generation.codebook.Answers'>
        """
        from pydantic import ConfigDict, Field, create_model  # noqa: PLC0415

        fields: dict[str, Any] = {}
        for name, question in self.variables.items():
            schema = question.schema
            if "enum" in schema:
                kind: Any = Literal.__getitem__(tuple(schema["enum"]))
            else:
                kind = int if schema["type"] == "integer" else float
            ends = {"ge": schema.get("minimum"), "le": schema.get("maximum")}
            fields[name] = (kind, Field(**ends))
        strict = ConfigDict(extra="forbid", title="Answers")
        return create_model("Answers", __config__=strict, **fields)

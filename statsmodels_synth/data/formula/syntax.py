"""
What means something in other packages' formulas and nothing, or another thing, here.

Patsy takes what it does not know for Python: ``x | g`` becomes a bitwise OR. In a
formula ``x ** 2`` is ``x``, and ``x - z`` is ``x`` without ``z``. Each is refused, with
what to write.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
import re
from typing import Any

import pandas as pd

from statsmodels_synth.data.formula.engines import FormulaEngine
from statsmodels_synth.exceptions import FormulaError

_TOKEN = re.compile(
    r"\s*(?P<text>\"[^\"]*\"|'[^']*'|`[^`]*`|(?P<name>[^\W\d](\w|\.(?=[^\W\d]))*)"
    r"|(?P<number>\d+(\.\d*)?)|%in%|\|\||&&|\*\*|==|!=|<=|>=|//|->|<-|\S)"
)
_CATEGORY = "Write C({0})"
_BASES = "Write bs(x, df=4), or cr(x, df=4, constraints='center')"
_GROUPS = (
    "For a coefficient per group write C({0}); for standard errors that allow for "
    "groups, fit(cov_type='cluster', cov_kwds={{'groups': '{0}'}})"
)
_ROWS = "It depends on the order of rows: compute the column beforehand, in every frame"
_COMPUTE = "Compute the column beforehand, alike in data and every source"
#: Functions of formulas elsewhere, and what to write here.
_ELSEWHERE = {
    **dict.fromkeys(("s", "te", "ti", "t2", "ns", "lo", "mo"), _BASES),
    **dict.fromkeys(("poly",), "Write x + I(x**2), or choose engine='formulaic'"),
    **dict.fromkeys(("factor", "as.factor", "Factor", "ordered", "i"), _CATEGORY),
    "offset": "Give offset='{0}' to from_formula",
    "exposure": "Give exposure='{0}' to from_formula",
    "weights": "Give weights='{0}' to from_formula",
    "strata": "Give strata='{0}' to from_formula if it is how units were chosen",
    "relevel": "Write C(g, Treatment('level'))",
    "cbind": "Give one outcome, for a binomial one between 0 and 1",
    "ifelse": "Write np.where(...), or I(...) with the comparison alone",
    **dict.fromkeys(("cut", "ntile", "recode", "as.numeric"), _COMPUTE),
    **dict.fromkeys(("lag", "lead", "diff", "cumsum", "L", "D"), _ROWS),
    **dict.fromkeys(("re", "ranef", "random", "Error", "cluster"), _GROUPS),
    **{
        name: f"Write np.{name}(...), after import numpy as np"
        for name in ("log", "exp", "sqrt", "log2", "log10", "log1p", "sin", "cos")
    },
}
#: Functions that depend on the order of rows, in an engine that has them.
_ORDERED = {"lag"}
_ARITHMETIC = {"+", "-", "*", "/", ":", "**", "^"}


@dataclass(frozen=True)
class _Token:
    """A piece of a formula, and whether the formula's own operators hold there."""

    text: str
    kind: str
    start: int
    level: bool
    group: int


def refuse_foreign(
    text: str,
    engine: FormulaEngine,
    namespace: Mapping[str, Any],
) -> None:
    """Raise for what an engine would misread, or only call a syntax error."""
    tokens = _tokens(text)
    for k, token in enumerate(tokens):
        before = tokens[k - 1] if k else None
        after = tokens[k + 1] if k + 1 < len(tokens) else None
        if token.kind == "name" and after is not None and after.text == "(":
            _refuse_function(token.text, tokens, k, text, engine, namespace)
        if token.level:
            _refuse_operator(token, before, after, text, engine)
    tildes = [k for k, t in enumerate(tokens) if t.level and t.text == "~"]
    if len(tildes) != 1:
        raise _error(
            text,
            f"it has {len(tildes)} tildes",
            "One separates outcome and regressors; a logical not is I(~a)",
        )
    operators = [t for t in tokens[: tildes[0]] if t.level and t.text in _ARITHMETIC]
    if operators:
        outcome = text.split("~", maxsplit=1)[0].strip()
        raise FormulaError(
            f"The left side {outcome!r} of the formula {text!r} is not one outcome: "
            f"{operators[0].text!r} joins or removes terms there. Write I({outcome}) "
            "for the value of the expression."
        )
    if not tokens[tildes[0] + 1 :]:
        raise FormulaError(
            f"The formula {text!r} needs an outcome and regressors, such as 'y ~ x'."
        )
    _refuse_powers(tokens, text, engine)
    _refuse_constants(tokens, text)
    _refuse_removals(tokens, tildes[0], text, engine)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    # For every open bracket whether the formula's operators hold inside it.
    stack: list[tuple[bool, int]] = [(True, -1)]
    for found in _TOKEN.finditer(text):
        piece = found["text"]
        kind = "name" if found["name"] else "number" if found["number"] else "sign"
        if piece[0] in "\"'`":
            kind = "quoted"
        if piece in {")", "]", "}"} and len(stack) > 1:
            stack.pop()
        level, group = stack[-1]
        tokens.append(_Token(piece, kind, found.start("text"), level, group))
        if piece in {"(", "[", "{"}:
            before = tokens[-2] if len(tokens) > 1 else None
            called = before is not None and (
                before.kind in {"name", "quoted"} or before.text in {")", "]"}
            )
            stack.append((level and piece == "(" and not called, len(tokens) - 1))
    return tokens


def _error(text: str, what: str, advice: str) -> FormulaError:
    return FormulaError(f"The formula {text!r} cannot be used: {what}. {advice}.")


def _refuse_function(
    name: str,
    tokens: Sequence[_Token],
    k: int,
    text: str,
    engine: FormulaEngine,
    namespace: Mapping[str, Any],
) -> None:
    if callable(namespace.get(name)):
        return
    known = (
        name in engine.functions or hasattr(builtins, name)
    ) and name not in _ORDERED
    inner = [t.text for t in tokens[k + 2 : k + 5]]
    if name == "te" and engine.has_tensors and len(inner) > 1 and inner[1] == "(":
        return  # a tensor product of bases, not of columns
    if name not in _ELSEWHERE or (known and name != "te"):
        return
    column = inner[0] if inner and inner[0].isidentifier() else "g"
    raise _error(text, f"{name}() does not exist here", _ELSEWHERE[name].format(column))


def _refuse_operator(
    token: _Token,
    before: _Token | None,
    after: _Token | None,
    text: str,
    engine: FormulaEngine,
) -> None:
    sign = token.text
    name = after.text if after is not None and after.kind == "name" else "g"
    if sign in {"|", "||"}:
        raise _error(
            text,
            f"{sign!r}, which elsewhere marks random or fixed effects, does not exist "
            "here",
            f"{_GROUPS.format(name)}. A logical or is I((a > 0) | (b > 0))",
        )
    if sign in {"&", "&&"}:
        raise _error(
            text,
            f"{sign!r} is no operator of formulas",
            "An interaction is a:b, with main effects a*b; a logical and is "
            "I((a > 0) & (b > 0))",
        )
    if sign in {",", ";"}:
        raise _error(
            text,
            f"{sign!r} separates nothing in a formula",
            "Join regressors with +; weights=, offset= and the like are arguments of "
            "from_formula",
        )
    apart = before is None or before.text in {"~", "(", *_ARITHMETIC}
    if sign == "." and apart:
        raise _error(text, "'.' does not stand for all other columns here", "Name them")
    if sign in engine.foreign_signs:
        what = f"{sign!r} is no operator of {engine.name}"
        raise _error(text, what, engine.foreign_signs[sign])
    if not engine.has_quotes and (sign == "{" or sign[0] == "`"):
        write = "I(...) for {...}" if sign == "{" else f"Q({sign[1:-1]!r})"
        raise _error(text, f"{sign[0]!r} is formulaic's alone", f"Write {write}")
    if token.kind == "number" and sign not in {"0", "1"}:
        near = [t.text for t in (before, after) if t is not None]
        scales = engine.scales_terms and ":" in near
        power = before is not None and before.text in {"**", "^"}
        # As in x > 3 + z, an operator of Python before it makes it part of a factor.
        joined = before is None or before.text in {"~", "(", *_ARITHMETIC}
        if joined and not (power or scales):
            raise _error(
                text,
                f"the number {sign} is no term",
                "Arithmetic goes into I(), as in I(x / 10)",
            )


def _refuse_powers(tokens: Sequence[_Token], text: str, engine: FormulaEngine) -> None:
    """In a formula a power makes interactions, of which one term has none."""
    for k, token in enumerate(tokens):
        if not token.level or token.text not in {"**", "^"} or not k:
            continue
        before = tokens[k - 1]
        start = _start_of(tokens, k - 1)
        inner = {t.text for t in tokens[start:k] if t.level and t.group == start}
        several = before.text == ")" and not inner.isdisjoint({"+", "*", "/", ":", "-"})
        if not several:
            base = text[tokens[start].start : before.start + len(before.text)]
            raise _error(
                text,
                f"{token.text!r} makes interactions of several terms there, and of "
                f"{base} alone nothing",
                f"Write I({base} ** 2) for a square",
            )
        if token.text in engine.foreign_powers:
            what = f"{token.text!r} is no operator of {engine.name}"
            raise _error(text, what, engine.foreign_powers[token.text])


def _refuse_constants(tokens: Sequence[_Token], text: str) -> None:
    """Of numbers only 0 and 1 mean something, where terms are joined."""
    for k, token in enumerate(tokens):
        before = tokens[k - 1].text if k else "~"
        after = tokens[k + 1].text if k + 1 < len(tokens) else ""
        if not token.level:
            continue
        if token.text == "-" and before in _ARITHMETIC:
            what = f"'{before} -' joins no terms"
            raise _no_value(tokens, k, text, what)
        if token.kind != "number" or token.text not in {"0", "1"}:
            continue
        if ":" in (before, after) or before in {"**", "^"}:
            continue
        if {before, after} & {"*", "/"} or _is_operand(tokens, token.group):
            raise _no_value(tokens, k, text, f"{token.text} is no number there")


def _is_operand(tokens: Sequence[_Token], opening: int) -> bool:
    """Whether a bracket is multiplied by something."""
    if opening < 0:
        return False
    close = next(
        (
            k
            for k in range(opening + 1, len(tokens))
            if tokens[k].text == ")" and tokens[k].group == tokens[opening].group
        ),
        len(tokens),
    )
    sides = {t.text for t in (*tokens[max(0, opening - 1) : opening],)}
    sides |= {t.text for t in tokens[close + 1 : close + 2]}
    return bool(sides & {"*", "/", ":"}) or _is_operand(tokens, tokens[opening].group)


def _no_value(tokens: Sequence[_Token], k: int, text: str, what: str) -> FormulaError:
    """Error for arithmetic outside of I(), with the term that it stands in."""
    joins = [
        j
        for j, token in enumerate(tokens)
        if token.level
        and token.group == -1
        and (
            token.text in {"~", "+"}
            or (token.text == "-" and tokens[j - 1].text not in {"~", *_ARITHMETIC})
        )
    ]
    if tokens[k].text == "-" and tokens[k - 1].text == "-":
        joins = [j for j in joins if j != k - 1]
    first = max((j for j in joins if j < k), default=-1) + 1
    last = min((tokens[j].start for j in joins if j > k), default=len(text))
    term = text[tokens[first].start : last].strip().replace(":", "*")
    with suppress(SyntaxError):
        term = ast.unparse(ast.parse(term, mode="eval"))
    return _error(
        text,
        f"{what}, where * and / make interactions, and + and - add and remove terms",
        f"Write I({term}) for the value",
    )


def _start_of(tokens: Sequence[_Token], k: int) -> int:
    """First token of the operand that ends at token k."""
    depth = 0
    while k >= 0:
        depth += (tokens[k].text in {")", "]", "}"}) - (
            tokens[k].text in {"(", "[", "{"}
        )
        if depth == 0 and not (
            tokens[k].text in {"(", "["} and k and tokens[k - 1].kind == "name"
        ):
            return k
        k -= 1
    return 0


def _refuse_removals(
    tokens: Sequence[_Token], tilde: int, text: str, engine: FormulaEngine
) -> None:
    """A minus that removes nothing was meant as a difference."""
    for k in range(tilde + 1, len(tokens)):
        sign = tokens[k]
        if not sign.level or sign.text != "-":
            continue
        # The operand ends before the next sign of its level, or with its bracket.
        ends = [
            token.start
            for token in tokens[k + 1 :]
            if token.group < sign.group
            or (token.group == sign.group and token.text in {"+", "-"})
        ]
        removed = text[sign.start + 1 : min(ends, default=len(text))].strip()
        first = max(sign.group, tilde) + 1
        kept = text[tokens[first].start : sign.start].strip()
        if removed in {"", "0", "1"}:
            continue
        try:
            nothing = not kept or engine.terms_of_side(kept).isdisjoint(
                engine.terms_of_side(removed)
            )
        except Exception:  # the engine says what is wrong
            continue
        if nothing:
            value = f"{kept} - {removed}" if kept else f"-{removed}"
            raise _error(
                text,
                f"'- {removed}' removes a term that is not there",
                f"Write I({value}) for the value",
            )


def refuse_bitwise(codes: Sequence[str], frame: pd.DataFrame, text: str) -> None:
    """Raise for ``|``, ``&``, ``^`` and ``~`` of numbers: these act on their bits."""
    for code in codes:
        if code not in frame:
            _refuse_bits(ast.parse(code, mode="eval"), frame, text)


def _refuse_bits(tree: ast.Expression, frame: pd.DataFrame, text: str) -> None:
    signs = {ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^"}
    for node in ast.walk(tree):
        operands: list[ast.expr] = []
        sign = "~"
        if isinstance(node, ast.BinOp) and type(node.op) in signs:
            operands, sign = [node.left, node.right], signs[type(node.op)]
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            operands = [node.operand]
        if sign == "&" and _is_parity(operands, frame):
            continue
        number = next((o for o in operands if _is_number(o, frame)), None)
        if number is not None:
            shown = ast.unparse(number)
            advice = f"Compare first, as in I(({shown} > 0) {sign} (b > 0))"
            if sign == "^":
                advice = "Write ** for a power"
            elif sign == "~":
                advice = f"Write I({shown} == 0)"
            raise _error(
                text, f"{sign!r} acts on the bits of {shown}, which is a number", advice
            )


def _is_parity(operands: Sequence[ast.expr], frame: pd.DataFrame) -> bool:
    """Whether the bits of whole numbers are asked for, as in ``age & 1``."""
    whole = [
        o for o in operands if isinstance(o, ast.Constant) and type(o.value) is int
    ]
    names = [o.id for o in operands if isinstance(o, ast.Name) and o.id in frame]
    return len(whole) == len(names) == 1 and bool(
        pd.api.types.is_integer_dtype(frame[names[0]].dtype)
    )


def _is_number(node: ast.expr, frame: pd.DataFrame) -> bool:
    """Whether an expression is surely a number, not True or False."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
    if isinstance(node, ast.Name) and node.id in frame:
        kind = frame[node.id].dtype
        return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(
            kind
        )
    if isinstance(node, ast.BinOp):
        bitwise = isinstance(node.op, (ast.BitOr, ast.BitAnd, ast.BitXor))
        return not bitwise
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd))

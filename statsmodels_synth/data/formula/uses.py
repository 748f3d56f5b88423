"""What a formula uses its columns for: as numbers, or to tell levels apart."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import NamedTuple

#: Functions that tell the values of a column apart, and name levels by them.
_LEVELS = {"C", "hashed", "str"}
#: Methods that make text or levels of numbers.
_METHODS = {"astype", "map", "apply"}
#: Operators that only whole numbers have.
_BITWISE = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)
#: Functions of the engines whose column is a number, unless it is a factor by itself.
_NUMBERS = {
    *("I", "center", "scale", "standardize", "poly", "lag"),
    *("bs", "cr", "cc", "te", "cs", "cubic_spline"),
}


class ColumnUses(NamedTuple):
    """
    Columns by what a formula uses them for; a column may have several uses.

    Parameters
    ----------
    outcome : frozenset of str
        Used on the left alone, where a boolean is a number.
    numbers : frozenset of str
        Values enter as they are: as a term, in a function, in arithmetic.
    levels : frozenset of str
        Values are told apart, or are whole by necessity: ``C(g)``,
        ``g.astype(str)``, ``g & 1``.
    bare : frozenset of str
        A factor by itself, or the argument of a function such as ``I`` or ``center``.
    operands : frozenset of str
        Those, and what is added, multiplied or raised to a power.
    """

    outcome: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    levels: frozenset[str] = frozenset()
    bare: frozenset[str] = frozenset()
    operands: frozenset[str] = frozenset()

    @property
    def both(self) -> frozenset[str]:
        """Columns that are numbers here and levels there."""
        return self.numbers & self.levels

    def with_numbers(self, names: Iterable[str]) -> ColumnUses:
        """The same, with columns that are numbers by themselves."""
        more = frozenset(names)
        return self._replace(
            numbers=self.numbers | more,
            bare=self.bare | more,
            operands=self.operands | more,
        )


#: Of columns whose use is not known, such as an offset.
NUMBERS_ONLY = ColumnUses()


def column_uses(
    codes: Iterable[str], columns: set[str], outcome: Iterable[str] = ()
) -> ColumnUses:
    """
    What the factors of a formula use its columns for.

    Examples
    --------
    >>> uses = column_uses(["C(g)", "np.log(x)", "I(g * z)"], {"g", "x", "z"})
    >>> sorted(uses.levels), sorted(uses.numbers), sorted(uses.operands)
    (['g'], ['g', 'x', 'z'], ['g', 'z'])
    """
    reader = _Reader(columns)
    for code in codes:
        if code in columns:
            reader.found["numbers"].add(code)
            reader.found["bare"].add(code)
            continue
        tree = ast.parse(code, mode="eval").body
        reader.read(tree, "bare")
    found = {name: frozenset(own) for name, own in reader.found.items()}
    return ColumnUses(
        outcome=frozenset(outcome),
        numbers=found["numbers"],
        levels=found["levels"],
        bare=found["bare"],
        operands=found["bare"] | found["operands"],
    )


class _Reader:
    """Walks through code, and notes in which place each column stands."""

    def __init__(self, columns: set[str]) -> None:
        self.columns = columns
        self.found: dict[str, set[str]] = {
            name: set() for name in ("numbers", "levels", "bare", "operands")
        }

    def read(self, node: ast.AST, place: str) -> None:
        """Note columns; place is "levels", "bare", "operands" or "numbers"."""
        name = self._column(node)
        if name is not None:
            self.found[place].add(name)
            if place != "levels":
                self.found["numbers"].add(name)
        elif place == "levels":
            self._inside(node, "levels")
        elif isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, ast.BinOp):
            bitwise = isinstance(node.op, _BITWISE)
            for side in (node.left, node.right):
                self.read(side, "levels" if bitwise else "operands")
        elif isinstance(node, ast.UnaryOp):
            inverted = isinstance(node.op, ast.Invert)
            self.read(node.operand, "levels" if inverted else "operands")
        else:
            self._inside(node, "numbers")

    def _inside(self, node: ast.AST, place: str) -> None:
        for inner in ast.iter_child_nodes(node):
            self.read(inner, place)

    def _call(self, node: ast.Call) -> None:
        function = node.func
        place = "numbers"
        if isinstance(function, ast.Name):
            own = function.id
            place = "levels" if own in _LEVELS else place
            place = "bare" if own in _NUMBERS else place
        elif isinstance(function, ast.Attribute):
            method = function.attr in _METHODS
            self.read(function.value, "levels" if method else "numbers")
        else:
            self.read(function, "numbers")
        for k, argument in enumerate(node.args):
            # What follows the column are options.
            self.read(argument, "numbers" if k and place == "bare" else place)
        for keyword in node.keywords:
            self.read(keyword.value, "numbers")

    def _column(self, node: ast.AST) -> str | None:
        """The column that a node names, also quoted."""
        if isinstance(node, ast.Name):
            return node.id if node.id in self.columns else None
        quoted = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Q"
        if quoted and node.args:  # type: ignore[attr-defined]
            name = getattr(node.args[0], "value", None)  # type: ignore[attr-defined]
            return name if name in self.columns else None
        return None

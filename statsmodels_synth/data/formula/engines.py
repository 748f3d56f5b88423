"""
The formula engines, patsy and formulaic: all that differs between them.

Each is a class that answers what :class:`FormulaEngine` asks, and a row of
:data:`ENGINES`. Nothing else asks which engine it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import copy
import re
from typing import Any, ClassVar, Protocol

import formulaic
from formulaic.transforms import TRANSFORMS
import pandas as pd
import patsy
import patsy.builtins

from statsmodels_synth.core.options import Engine
from statsmodels_synth.core.statsmodels import FormulaManager
from statsmodels_synth.data.formula.strict import matrix_of, strict_frame

#: Code of the factors of a term, and the number of its columns.
Term = tuple[list[str], int]
#: What plain columns need besides their frame.
_NO_NAMES = patsy.EvalEnvironment([])


class FormulaEngine(Protocol):
    """
    What is asked of a formula engine.

    A specification is whatever the engine keeps of a formula that it has learned; all
    have `column_names`.
    """

    name: ClassVar[Engine]
    #: Functions that formulas have without an import.
    functions: ClassVar[frozenset[str]]
    #: Operators that it does not have, and what to write.
    foreign_signs: ClassVar[Mapping[str, str]]
    #: The same of powers, once it is clear that interactions are meant.
    foreign_powers: ClassVar[Mapping[str, str]]
    #: Whether braces and backticks quote.
    has_quotes: ClassVar[bool]
    #: Whether a number may scale a term, as in ``2:x``.
    scales_terms: ClassVar[bool]
    #: Whether ``te(bs(x), bs(z))`` is a product of bases.
    has_tensors: ClassVar[bool]
    #: Its ``C()``.
    categories: ClassVar[Callable[..., Any]]

    def plainly(self, text: str) -> str:
        """Write a formula without quotes that only this engine has."""
        ...

    def factor_codes(self, text: str) -> tuple[list[str], list[str]]:
        """Python code of the factors on each side of a formula."""
        ...

    def terms_of_side(self, side: str) -> set[Any]:
        """Terms of a right side, the constant left out."""
        ...

    def matrices(
        self,
        formula: Any,
        frame: pd.DataFrame,
        namespace: dict[str, Any],
        manager: Any = None,
        *,
        prediction: bool = False,
    ) -> Any:
        """Design matrices of a formula, or of a specification; no row is dropped."""
        ...

    def learn_plain(self, right: str, frame: pd.DataFrame) -> Any:
        """Specification of a right side of plain columns; None: by its matrix only."""
        ...

    def specification(self, matrix: Any) -> Any:
        """Specification that a matrix was made by."""
        ...

    def terms_of(self, spec: Any) -> list[Term]:
        """Terms of a specification, in the order of their columns."""
        ...

    def levels_of(self, spec: Any) -> dict[str, list[Any]]:
        """Levels of categorical factors."""
        ...

    def states_of(self, spec: Any) -> dict[str, Any]:
        """What stateful transforms such as ``center()`` and ``bs()`` have learned."""
        ...

    def with_states(self, spec: Any, states: Mapping[str, Any]) -> Any:
        """Specification with transforms that have learned something else."""
        ...


class Patsy:
    """
    Patsy.

    Examples
    --------
    >>> Patsy().factor_codes("y ~ x + x:np.log(z)")
    (['y'], ['x', 'x', 'np.log(z)'])
    """

    name: ClassVar[Engine] = "patsy"
    functions: ClassVar[frozenset[str]] = frozenset(dir(patsy.builtins))
    foreign_signs: ClassVar[Mapping[str, str]] = {"%in%": "Write a:b"}
    foreign_powers: ClassVar[Mapping[str, str]] = {"^": "Write ** instead"}
    has_quotes: ClassVar[bool] = False
    scales_terms: ClassVar[bool] = False
    has_tensors: ClassVar[bool] = True
    categories: ClassVar[Callable[..., Any]] = staticmethod(patsy.builtins.C)

    def plainly(self, text: str) -> str:
        """Patsy quotes by I() and Q() alone."""
        return text

    def factor_codes(self, text: str) -> tuple[list[str], list[str]]:
        """Code of the factors of the two lists of terms."""
        parsed = patsy.ModelDesc.from_formula(text)
        left, right = (
            [f.code for term in side for f in term.factors]
            for side in (parsed.lhs_termlist, parsed.rhs_termlist)
        )
        return left, right

    def terms_of_side(self, side: str) -> set[Any]:
        """Terms as sets of factors; patsy adds the constant unless told."""
        terms = patsy.ModelDesc.from_formula(f"~ 0 + {side}").rhs_termlist
        return {frozenset(f.code for f in term.factors) for term in terms}

    def matrices(
        self,
        formula: Any,
        frame: pd.DataFrame,
        namespace: dict[str, Any],
        manager: Any = None,
        *,
        prediction: bool = False,
    ) -> Any:
        """Design matrices; rows with missing values would raise."""
        manager = FormulaManager(self.name) if manager is None else manager
        return manager.get_matrices(
            formula,
            frame,
            eval_env=namespace,
            pandas=True,
            na_action=manager.get_na_action("drop", types=[]),
            prediction=prediction,
        )

    def learn_plain(self, right: str, frame: pd.DataFrame) -> Any:
        """Specification from a few rows, without a matrix."""
        return patsy.incr_dbuilder(right, lambda: iter([frame]), _NO_NAMES)

    def specification(self, matrix: Any) -> Any:
        """Patsy's design information."""
        return matrix.design_info

    def terms_of(self, spec: Any) -> list[Term]:
        """Terms and their columns, by the slices of the design information."""
        return [
            ([f.code for f in term.factors], at.stop - at.start)
            for term, at in spec.term_slices.items()
        ]

    def levels_of(self, spec: Any) -> dict[str, list[Any]]:
        """Categories of each factor."""
        return {
            factor.code: list(info.categories)
            for factor, info in spec.factor_infos.items()
            if info.type == "categorical"
        }

    def states_of(self, spec: Any) -> dict[str, Any]:
        """Attributes of each transform, by factor."""
        return {
            factor.code: {name: copy.deepcopy(vars(t)) for name, t in own.items()}
            for factor, info in spec.factor_infos.items()
            if (own := info.state["transforms"])
        }

    def with_states(self, spec: Any, states: Mapping[str, Any]) -> Any:
        """Specification whose transforms get these attributes."""
        for factor, info in spec.factor_infos.items():
            for name, state in states.get(factor.code, {}).items():
                vars(info.state["transforms"][name]).update(copy.deepcopy(state))
        return spec


class Formulaic:
    """
    Formulaic.

    Examples
    --------
    >>> Formulaic().factor_codes("y ~ x + x:np.log(z)")
    (['y'], ['x', 'x', 'np.log(z)'])
    """

    name: ClassVar[Engine] = "formulaic"
    functions: ClassVar[frozenset[str]] = frozenset(TRANSFORMS)
    foreign_signs: ClassVar[Mapping[str, str]] = {
        sign: f"Write I(a {sign} b)" for sign in ("%", "==", "!=", "<", ">", "<=", ">=")
    }
    foreign_powers: ClassVar[Mapping[str, str]] = {}
    has_quotes: ClassVar[bool] = True
    scales_terms: ClassVar[bool] = True
    has_tensors: ClassVar[bool] = False
    categories: ClassVar[Callable[..., Any]] = staticmethod(TRANSFORMS["C"])

    def plainly(self, text: str) -> str:
        """
        Write braces and backticks as I() and Q().

        statsmodels orders the terms of a formula by parsing their names again, where
        ``{x - 1}`` has become ``x - 1``: an x without intercept.
        """
        pieces = re.split(r"(\"[^\"]*\"|'[^']*')", text)  # leave strings alone
        for k in range(0, len(pieces), 2):
            piece = re.sub(r"`([^`]+)`", r'Q("\1")', pieces[k])
            pieces[k] = piece.replace("{", "I(").replace("}", ")")
        return "".join(pieces)

    def factor_codes(self, text: str) -> tuple[list[str], list[str]]:
        """Code of the factors, less that of the constant."""
        formula = formulaic.Formula(text)
        left, right = (
            [f.expr for term in side for f in term.factors if f.expr != "1"]
            for side in (formula.lhs, formula.rhs)
        )
        return left, right

    def terms_of_side(self, side: str) -> set[Any]:
        """Terms as sets of factors; the constant is one of them."""
        terms = formulaic.Formula(self.plainly(side))
        return {frozenset(f.expr for f in t.factors) for t in terms} - {
            frozenset({"1"})
        }

    def matrices(
        self,
        formula: Any,
        frame: pd.DataFrame,
        namespace: dict[str, Any],
        manager: Any = None,
        *,
        prediction: bool = False,
    ) -> Any:
        """Design matrices, by a reader that refuses unseen levels."""
        frame = strict_frame(frame)
        if not isinstance(formula, str):
            # statsmodels orders the terms of a specification again, which fails.
            return matrix_of(formula, frame, namespace)
        manager = FormulaManager(self.name) if manager is None else manager
        return manager.get_matrices(
            formula,
            frame,
            eval_env=namespace,
            pandas=True,
            na_action="ignore",
            prediction=prediction,
        )

    def learn_plain(self, right: str, frame: pd.DataFrame) -> Any:
        """Formulaic learns by making a matrix only."""
        return None

    def specification(self, matrix: Any) -> Any:
        """Formulaic's model specification."""
        return matrix.model_spec

    def terms_of(self, spec: Any) -> list[Term]:
        """Terms and their columns, by the structure of the specification."""
        return [
            ([f.expr for f in row.term.factors if f.expr != "1"], len(row.columns))
            for row in spec.structure
        ]

    def levels_of(self, spec: Any) -> dict[str, list[Any]]:
        """Categories that the encoders have learned."""
        return {
            str(expr): list(state["categories"])
            for expr, (_, state) in spec.encoder_state.items()
            if "categories" in state
        }

    def states_of(self, spec: Any) -> dict[str, Any]:
        """State of the transforms, by factor."""
        return copy.deepcopy(dict(spec.transform_state))

    def with_states(self, spec: Any, states: Mapping[str, Any]) -> Any:
        """Specification with these states in place of its own."""
        return spec.update(transform_state={**spec.transform_state, **states})


#: The engines that there are.
ENGINES: dict[Engine, FormulaEngine] = {"patsy": Patsy(), "formulaic": Formulaic()}

"""
Formulas: which columns they use, and a design that is learned once.

Levels, centring and spline knots come from `data`; every source is evaluated
with what was learned there. Both engines of statsmodels, patsy and formulaic,
go through its own ``FormulaManager``.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
import pickle
from types import FrameType, ModuleType
from typing import Any

import formulaic
from formulaic.transforms import TRANSFORMS
import numpy as np
import pandas as pd
import patsy
import patsy.builtins

from statsmodels_synth._arrays import Floats
from statsmodels_synth._statsmodels import FormulaManager, default_engine
from statsmodels_synth.exceptions import (
    DataError,
    FormulaError,
    format_units,
    suggest,
)
from statsmodels_synth.options import Engine, check_choice

#: Rows of the check that no term depends on which other rows are present.
_PROBE_ROWS = 50


@dataclass(frozen=True)
class ParsedFormula:
    """
    A formula and what it refers to.

    Parameters
    ----------
    text : str
        The formula.
    engine : {"patsy", "formulaic"}
        Engine that evaluates it.
    response, regressors : tuple of str
        Columns used on the left and on the right of the tilde.
    namespace : dict
        Functions and constants of the calling code that it uses.
    """

    text: str
    engine: Engine
    response: tuple[str, ...]
    regressors: tuple[str, ...]
    namespace: dict[str, Any] = field(repr=False)

    @property
    def left(self) -> str:
        """Left side of the formula."""
        return self.text.split("~", 1)[0].strip()

    @property
    def right(self) -> str:
        """Right side of the formula."""
        return self.text.split("~", 1)[1].strip()

    @property
    def variables(self) -> tuple[str, ...]:
        """All columns that the formula uses, the outcome's first."""
        return tuple(dict.fromkeys(self.response + self.regressors))


def calling_namespace(
    frame: FrameType | None, eval_env: int | Mapping[str, Any] | None
) -> dict[str, Any]:
    """
    Names that a formula may use besides columns.

    Captured once as a dict: formulaic's specification does not remember the
    names, and a later evaluation would look them up elsewhere.

    Parameters
    ----------
    frame : frame or None
        Frame of the caller.
    eval_env : int, mapping or None
        How many frames further up to look; -1 for none; or the names.

    Returns
    -------
    dict
        Globals and locals of that frame.
    """
    if isinstance(eval_env, Mapping):
        return dict(eval_env)
    if eval_env == -1:
        return {}
    for _ in range(eval_env or 0):
        frame = frame.f_back if frame is not None else None
    return {} if frame is None else {**frame.f_globals, **frame.f_locals}


def read_formula(
    text: str,
    columns: set[str],
    namespace: Mapping[str, Any],
    engine: Engine | None = None,
) -> ParsedFormula:
    """
    Find the columns, functions and constants that a formula uses.

    Parameters
    ----------
    text : str
        Formula with both sides.
    columns : set of str
        Columns of all frames.
    namespace : mapping
        Names of the calling code.
    engine : {"patsy", "formulaic"}, optional
        statsmodels' current engine if omitted.

    Returns
    -------
    ParsedFormula
        Its namespace holds only what the formula uses.

    Raises
    ------
    FormulaError
        If the formula has no left side, cannot be parsed, or uses a name that
        is neither a column nor a function or constant.

    Examples
    --------
    >>> parsed = read_formula("y ~ np.log(x) + C(g)", {"y", "x", "g"}, {"np": np})
    >>> parsed.response, parsed.regressors
    (('y',), ('x', 'g'))
    """
    if (
        not isinstance(text, str)
        or "~" not in text
        or not text.split("~", maxsplit=1)[0].strip()
    ):
        raise FormulaError(
            f"The formula {text!r} needs an outcome and regressors, such as 'y ~ x'."
        )
    engine = default_engine() if engine is None else engine
    check_choice("engine", engine, Engine)
    try:
        sides = _factor_codes(text, engine)
    except Exception as error:  # both engines raise many types for bad syntax
        raise FormulaError(f"{engine} cannot parse {text!r}: {error}") from error
    used: dict[str, Any] = {}
    found: list[tuple[str, ...]] = []
    for codes in sides:
        names: dict[str, None] = {}
        for code in codes:
            names |= dict.fromkeys(_columns_of(code, columns, namespace, text, used))
        found.append(tuple(names))
    return ParsedFormula(text, engine, found[0], found[1], used)


def _factor_codes(text: str, engine: Engine) -> tuple[list[str], list[str]]:
    """Python code of the factors on each side."""
    if engine == "patsy":
        parsed = patsy.ModelDesc.from_formula(text)
        sides = [parsed.lhs_termlist, parsed.rhs_termlist]
        codes = [[f.code for term in side for f in term.factors] for side in sides]
    else:
        formula = formulaic.Formula(text)
        codes = [
            [f.expr for term in side for f in term.factors if f.expr != "1"]
            for side in (formula.lhs, formula.rhs)
        ]
    return codes[0], codes[1]


def _columns_of(
    code: str,
    columns: set[str],
    namespace: Mapping[str, Any],
    text: str,
    used: dict[str, Any],
) -> list[str]:
    """Columns that one factor uses; other names it needs go into `used`."""
    if code in columns:
        return [code]
    known = {*dir(builtins), *dir(patsy.builtins), *TRANSFORMS}
    found = []
    tree = ast.parse(code.strip("{} "), mode="eval")
    # A column may share its name with a function that is called, as in C(C).
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    # Arguments after the first, such as the knots of a spline, may be arrays.
    options = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for argument in [*node.args[1:], *(k.value for k in node.keywords)]
        for inner in ast.walk(argument)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Q":
            name = getattr(node.args[0], "value", None) if node.args else None
            if name not in columns:
                raise _unknown(str(name), text, columns)
            found.append(str(name))
        if not isinstance(node, ast.Name):
            continue
        if node.id in columns and id(node) not in called:
            found.append(node.id)
        elif node.id in namespace:
            value = namespace[node.id]
            if isinstance(value, (np.ndarray, pd.Series, list)) and (
                id(node) not in options
            ):
                raise FormulaError(
                    f"{node.id!r} in the formula {text!r} is an array of the calling "
                    "code, not a column. It cannot be matched by unit: make it a "
                    "column of data and of the sources."
                )
            used[node.id] = value
        elif node.id not in known:
            raise _unknown(node.id, text, columns)
    return found


def _unknown(name: str, text: str, columns: set[str]) -> FormulaError:
    return FormulaError(
        f"{name!r} in the formula {text!r} is not a column of data or of a source."
        f"{suggest(name, sorted(columns))}"
    )


class LearnedFormula:
    """
    A formula whose levels, means and knots have been learned.

    Parameters
    ----------
    parsed : ParsedFormula
        The formula.
    labels : DataFrame
        Labelled rows, complete: the left side is learned on them.
    frame : DataFrame
        Rows of data with complete regressors: the right side is learned on
        them.

    Attributes
    ----------
    exog : DataFrame
        Design matrix of `frame`; dropped by :meth:`forget`.
    spec : object
        The engine's specification of the right side.
    yname : str
        Name of the outcome.

    Raises
    ------
    FormulaError
        If the engine cannot evaluate the formula or a term depends on which
        other rows are present.
    """

    def __init__(
        self, parsed: ParsedFormula, labels: pd.DataFrame, frame: pd.DataFrame
    ) -> None:
        self.parsed = parsed
        self.labels: pd.DataFrame | None = labels
        self.frame: pd.DataFrame | None = frame
        self._learn()

    def _learn(self) -> None:
        parsed, labels, frame = self.parsed, self.labels, self.frame
        assert labels is not None
        assert frame is not None
        # The intercept keeps both engines from mistaking the left side alone
        # for a one-sided formula.
        left, _ = self._matrices(f"{parsed.left} ~ 1", labels, "data")
        self.left_spec = (
            left.design_info if parsed.engine == "patsy" else left.model_spec
        )
        self.yname = str(left.columns[0])
        if left.shape[1] != 1:
            raise DataError(
                f"The outcome {parsed.left!r} is not numeric: it has the levels "
                f"{', '.join(str(c) for c in left.columns[:5])}. Recode it as "
                "numbers, 0 and 1 for a binary outcome."
            )
        manager = FormulaManager(parsed.engine)
        right = self._matrices(f"~ {parsed.right}", frame, "data", manager)
        self.spec = manager.spec
        self.exog = pd.DataFrame(
            np.asarray(right, dtype=float), frame.index, [str(c) for c in right.columns]
        )
        self._levels = _single_column_levels(self.spec, parsed)
        self._refuse_row_dependence()

    def _matrices(
        self,
        formula: Any,
        frame: pd.DataFrame,
        where: str,
        manager: Any = None,
        prediction: bool = False,
    ) -> Any:
        manager = FormulaManager(self.parsed.engine) if manager is None else manager
        # Rows with missing values have gone before; nothing may be dropped here,
        # where it would be dropped silently.
        keep = (
            manager.get_na_action("drop", types=[])
            if self.parsed.engine == "patsy"
            else "ignore"
        )
        try:
            return manager.get_matrices(
                formula,
                frame,
                eval_env=dict(self.parsed.namespace),
                pandas=True,
                na_action=keep,
                prediction=prediction,
            )
        except Exception as error:  # whatever the user's functions raise
            raise FormulaError(
                f"{where}: {self.parsed.engine} cannot evaluate "
                f"{self.parsed.text!r}: {error}"
            ) from error

    def _refuse_row_dependence(self) -> None:
        """A term such as ``x - x.mean()`` would differ from source to source."""
        assert self.frame is not None
        n = len(self.frame)
        if n < 4:
            return
        probe = np.unique(np.linspace(0, n // 2, min(_PROBE_ROWS, n // 2)).astype(int))
        alone = self.evaluate_exog(self.frame.iloc[probe], "data")
        whole = self.exog.to_numpy()[probe]
        scale = np.abs(self.exog.to_numpy()).max(axis=0)
        differs = ~np.isclose(alone, whole, rtol=1e-9, atol=1e-9 * scale).all(axis=0)
        if differs.any():
            name = self.exog.columns[int(np.flatnonzero(differs)[0])]
            raise FormulaError(
                f"The term {name!r} depends on which other rows are present, so it "
                "would mean something else in each source. Use center(), "
                "standardize() or a spline, which are learned once on data, or "
                "compute the column beforehand."
            )

    def _check_levels(self, frame: pd.DataFrame, where: str) -> None:
        for column, levels in self._levels.items():
            if column not in frame:
                continue
            values = frame[column]
            unseen = [v for v in pd.unique(values) if v not in levels]
            if unseen:
                units = frame.index[values.isin(unseen)]
                known = ", ".join(repr(v) for v in list(levels)[:10])
                raise FormulaError(
                    f"{where}: column {column!r} has the level {unseen[0]!r}, which "
                    f"data does not have (units {format_units(units)}). Known levels: "
                    f"{known}. Recode or remove these rows."
                )

    def evaluate_exog(self, frame: pd.DataFrame, where: str) -> Floats:
        """
        Design matrix of other rows, with what was learned.

        Parameters
        ----------
        frame : DataFrame
            Rows without missing values.
        where : str
            "data" or the source, for messages.

        Returns
        -------
        ndarray (rows, p)
            Design matrix.

        Raises
        ------
        FormulaError
            Names the source and the level, or what the engine said.
        """
        self._check_levels(frame, where)
        matrix = self._matrices(self.spec, frame, where, prediction=True)
        return self._finite(matrix, where)

    def evaluate_endog(self, frame: pd.DataFrame, where: str) -> Floats:
        """
        Outcome of other rows, with what was learned.

        Parameters
        ----------
        frame : DataFrame
            Rows without missing values.
        where : str
            "data" or the source, for messages.

        Returns
        -------
        ndarray (rows,)
            Outcome.
        """
        matrix = self._matrices(self.left_spec, frame, where, prediction=True)
        return self._finite(matrix, where)[:, 0]

    @staticmethod
    def _finite(matrix: pd.DataFrame, where: str) -> Floats:
        values = np.asarray(matrix, dtype=float)
        bad = np.isnan(values)
        if bad.any():
            column = int(np.flatnonzero(bad.any(axis=0))[0])
            units = matrix.index[bad[:, column]]
            raise FormulaError(
                f"{where}: {matrix.columns[column]!r} is not a number for "
                f"{int(bad[:, column].sum())} rows (units {format_units(units)}). "
                "Correct or remove them."
            )
        return values

    def predict_exog(self, frame: Any) -> pd.DataFrame:
        """
        Design matrix of rows to predict; NaN where a variable is missing.

        Parameters
        ----------
        frame : DataFrame, Series or mapping
            The variables of the right side.

        Returns
        -------
        DataFrame (rows, p)
            With the index of `frame`.
        """
        if isinstance(frame, pd.Series):
            frame = pd.DataFrame(frame).T.infer_objects()
        if not isinstance(frame, pd.DataFrame):
            scalars = isinstance(frame, Mapping) and all(
                np.ndim(v) == 0 for v in frame.values()
            )
            frame = pd.DataFrame(frame, index=[0] if scalars else None)
        if self.spec is None:
            raise FormulaError(
                "The formula was removed with the data. Give a design matrix with the "
                "columns of params and transform=False."
            )
        for name in self.parsed.regressors:
            if name not in frame:
                raise FormulaError(
                    f"The rows to predict have no column {name!r}."
                    f"{suggest(name, list(frame.columns))}"
                )
        complete = frame[list(self.parsed.regressors)].notna().all(axis=1)
        result = pd.DataFrame(
            np.nan, index=frame.index, columns=_column_names(self.spec)
        )
        if complete.any():
            rows = frame.loc[complete.to_numpy()]
            result.loc[complete.to_numpy()] = self.evaluate_exog(
                rows, "the rows to predict"
            )
        return result

    def forget(self) -> None:
        """Drop the frames; the live specification stays, a pickle loses it."""
        self.frame = self.labels = None
        self.exog = pd.DataFrame()

    def __getstate__(self) -> dict[str, Any]:
        """Frames and formula; specifications cannot be pickled with patsy."""
        state = self.__dict__ | {"spec": None, "left_spec": None}
        state["parsed"] = replace(
            self.parsed, namespace=_picklable(self.parsed.namespace)
        )
        if self.frame is None:
            state["_levels"] = {}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Learn again from the frames, if they are still there."""
        self.__dict__.update(state)
        namespace = {
            name: __import__("importlib").import_module(value.name)
            if isinstance(value, _Module)
            else value
            for name, value in self.parsed.namespace.items()
        }
        self.parsed = replace(self.parsed, namespace=namespace)
        if self.frame is not None:
            self._learn()


@dataclass(frozen=True)
class _Module:
    """A module in a pickle, by name."""

    name: str


def _picklable(namespace: dict[str, Any]) -> dict[str, Any]:
    """What of a namespace survives a pickle; a lambda, for one, does not."""
    result: dict[str, Any] = {}
    for name, value in namespace.items():
        if isinstance(value, ModuleType):
            result[name] = _Module(value.__name__)
            continue
        try:
            pickle.dumps(value)
        except (pickle.PicklingError, AttributeError, TypeError):
            continue
        result[name] = value
    return result


def _column_names(spec: Any) -> list[str]:
    return [str(c) for c in spec.column_names]


def _single_column_levels(spec: Any, parsed: ParsedFormula) -> dict[str, list[Any]]:
    """Learned levels of every categorical factor that uses one column only."""
    if parsed.engine == "patsy":
        factors = {
            factor.code: list(info.categories)
            for factor, info in spec.factor_infos.items()
            if info.type == "categorical"
        }
    else:
        factors = {
            str(expr): list(state["categories"])
            for expr, (_, state) in spec.encoder_state.items()
            if "categories" in state
        }
    levels = {}
    for code, known in factors.items():
        used: dict[str, Any] = {}
        names = set(
            _columns_of(
                code, set(parsed.regressors), parsed.namespace, parsed.text, used
            )
        )
        # An expression of a column has levels of its own; the engine checks it.
        plain = code in names or code.startswith(("C(", "Q("))
        if len(names) == 1 and plain and not _is_expression(code):
            levels[names.pop()] = known
    return levels


def _is_expression(code: str) -> bool:
    """Whether the first argument of ``C(...)`` is more than a column."""
    if code.isidentifier():
        return False
    tree = ast.parse(code, mode="eval").body
    if not isinstance(tree, ast.Call) or not tree.args:
        return True
    first = tree.args[0]
    plain = isinstance(first, (ast.Name, ast.Constant))
    quoted = isinstance(first, ast.Call) and getattr(first.func, "id", "") == "Q"
    return not (plain or quoted)

"""
A formula that is learned once and evaluated alike on every frame.

Levels, centring and spline knots come from `data`; every source is evaluated
with what was learned there. Both engines of statsmodels, patsy and formulaic,
go through its own ``FormulaManager``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
import functools
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pandas as pd

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.core.messages import (
    MAX_UNITS_SHOWN,
    count,
    name_units,
    show,
    suggest,
)
from statsmodels_synth.core.statsmodels import FormulaManager
from statsmodels_synth.data.columns import (
    joined_columns,
    matched_type,
    plain_columns,
    settled,
    uses_beside,
)
from statsmodels_synth.data.formula.parse import (
    ParsedFormula,
    columns_of,
    picklable_namespace,
    plain_text,
    restored_namespace,
)
from statsmodels_synth.data.formula.plain import (
    Columns,
    all_numeric,
    fill_columns,
    plain_column,
    plain_columns_of,
)
from statsmodels_synth.data.formula.strict import UnseenLevelError
from statsmodels_synth.data.formula.syntax import refuse_bitwise
from statsmodels_synth.data.kinds import opened, refuse_rows, to_pandas
from statsmodels_synth.data.types import no_numbers
from statsmodels_synth.exceptions import DataError, FormulaError

#: What both engines call the constant.
CONSTANT = "Intercept"
#: Rows of either half in the check that no term depends on which others are there.
_PROBE_ROWS = 50
#: Rows on which plain columns are learned: nothing about them depends on the rows.
_PLAIN_ROWS = 10
#: Engines align frames, and pandas records warnings of the whole process meanwhile: two
#: threads that overlap would leave it so, and no warning would be heard any more.
_ENGINE = threading.RLock()
#: What Python 3.11 and earlier may raise where two threads parse expressions, though
#: neither is wrong, and how often an evaluation is tried then.
_RACE, _TRIES = "AST constructor recursion depth mismatch", 5
#: Before pandas 3 a frame made of columns changes with them.
_VIEWS = int(pd.__version__.partition(".")[0]) < 3


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
    states : mapping, optional
        What means, scales and knots are, where they were learned on more rows (see
        :mod:`~statsmodels_synth.data.formula.engines`).

    Attributes
    ----------
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
        self,
        parsed: ParsedFormula,
        labels: pd.DataFrame,
        frame: pd.DataFrame,
        states: Mapping[str, Any] | None = None,
    ) -> None:
        self.parsed, self.states = parsed, states
        self.spec: Any = None
        self.labels: pd.DataFrame | None = labels
        self.frame: pd.DataFrame | None = frame
        # No rows, only the type of each column, for frames to predict.
        self._types = frame.iloc[:0].reset_index(drop=True)
        #: Why the specification is gone, once it is.
        self.lost = "it was removed with the data"
        self._learn()
        if _VIEWS:
            # These rows are evaluated again, and a pickle learns from them: they
            # must not change with the columns of the user.
            self.frame = frame.copy()

    def _learn(self) -> None:
        parsed, labels, frame = self.parsed, self.labels, self.frame
        assert labels is not None
        assert frame is not None
        refuse_bitwise(parsed.codes[0], labels, parsed.text)
        refuse_bitwise(parsed.codes[1], frame, parsed.text)
        self._exog: Floats | None = None
        self._plain_left = self._plain_column(parsed.left, labels)
        self.left_spec: Any = None
        self.yname = parsed.codes[0][0]
        if self._plain_left is None:
            self._learn_left(labels)
        self._plain_right = self._learn_plain(frame)
        if self._plain_right is None:
            matrix = self._learn_right(frame)
            if self.states is not None:
                self.spec = parsed.through.with_states(self.spec, self.states)
                matrix = self._matrices(self.spec, frame, "data", prediction=True)
            self._exog = self._kept(self._finite(matrix, "data"))
        self._levels = levels_of_columns(self.spec, parsed)
        self._refuse_row_dependence()

    def _learn_left(self, labels: pd.DataFrame) -> None:
        """Learn the left side on these rows, where it is more than a column."""
        parsed = self.parsed
        # The intercept keeps both engines from mistaking the left side alone
        # for a one-sided formula.
        left, _ = self._matrices(f"{parsed.left} ~ 1", labels, "data")
        self.left_spec = parsed.through.specification(left)
        self.yname = str(left.columns[0])
        if left.shape[1] != 1:
            values = "categories"
            if parsed.left == parsed.response[0]:
                shown = pd.unique(labels[parsed.left])[:MAX_UNITS_SHOWN]
                values = f"values such as {', '.join(show(v) for v in shown)}"
            advice = "Recode it as numbers, 0 and 1 for a binary outcome."
            if left.shape[1] > 2:
                advice = (
                    "If its categories have an order, use it as a number (the Gaussian "
                    "family is the default); a model of categories is given as score=."
                )
            raise DataError(
                f"The outcome {parsed.left!r} is not numeric: it has {values}. {advice}"
            )

    def _learn_right(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Learn the right side on these rows."""
        manager = FormulaManager(self.parsed.engine)
        right = self._matrices(f"~ {self.parsed.right}", frame, "data", manager)
        self.spec = manager.spec
        self._refuse_names()
        return right  # type: ignore[no-any-return]

    def _refuse_names(self) -> None:
        """Raise if the right side has no column, or two of one name."""
        names = self.exog_names
        if not names:
            raise FormulaError(
                f"The formula {self.parsed.text!r} has no regressor"
                + (
                    ": the constant is left out, since the target model has "
                    "thresholds in its place."
                    if self.parsed.without_constant
                    else ", not even a constant."
                )
            )
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise FormulaError(
                f"The formula {self.parsed.text!r} has two terms named {doubled!r}. "
                "Rename the column."
            )

    def specification_of(self, code: str, frame: pd.DataFrame) -> Any:
        """What the engine learns for one factor of the right side alone."""
        manager = FormulaManager(self.parsed.engine)
        self._matrices(f"~ 0 + {code}", frame, "data", manager)
        return manager.spec

    def levels_of_rows(self, code: str, frame: pd.DataFrame) -> NDArray[np.object_]:
        """
        What tells the levels of an expression apart.

        Shapes: (rows,).
        """
        matrix = self._matrices(f"~ 0 + I({code})", frame, "data")
        matrix = matrix[1] if isinstance(matrix, tuple) else matrix
        own, row = np.unique(np.asarray(matrix, float), axis=0, return_inverse=True)
        names = [str(name) for name in matrix.columns]
        texts = [
            "; ".join(f"{name}={v}" for name, v in zip(names, line, strict=True) if v)
            for line in own
        ]
        return np.array(texts, dtype=object)[row]

    def _plain_column(self, code: str, frame: pd.DataFrame) -> str | None:
        # A Q of the calling code is not the one that quotes a name.
        own = "Q" in self.parsed.namespace or "Q" in frame
        return None if own else plain_column(code, frame)

    def _learn_plain(self, frame: pd.DataFrame) -> Columns | None:
        """Learn the right side on a few rows, where it is plain columns only."""
        plain = {code: self._plain_column(code, frame) for code in self.parsed.codes[1]}
        if not all(plain.values()):
            return None
        some = frame.iloc[:_PLAIN_ROWS]
        right, through = f"~ {self.parsed.right}", self.parsed.through
        try:
            with _ENGINE:
                self.spec = through.learn_plain(right, some)
        except Exception as error:  # as where the engine evaluates
            text = self._explain(error, right, some, "data")
            raise FormulaError(text) from error
        if self.spec is None:
            self._learn_right(some)
        self._refuse_names()
        names = list(self.spec.column_names)
        return plain_columns_of(through.terms_of(self.spec), len(names), plain)

    @property
    def exog_names(self) -> list[str]:
        """Names of the columns of the design matrix."""
        names = [str(name) for name in self.spec.column_names]
        if self.parsed.without_constant:
            names = [name for name in names if name != CONSTANT]
        return names

    def _kept(self, matrix: Floats) -> Floats:
        """The design matrix without the constant, where the target has its own."""
        if not self.parsed.without_constant:
            return matrix
        names = [str(name) for name in self.spec.column_names]
        return matrix[:, [k for k, name in enumerate(names) if name != CONSTANT]]

    @property
    def index_of_data(self) -> pd.Index:
        """Units of the rows that the right side was learned on."""
        assert self.frame is not None
        return self.frame.index

    def exog_of_data(self, rows: Positions | None = None) -> Floats:
        """
        Design matrix of the rows that the right side was learned on.

        Shapes: (rows, p).
        """
        assert self.frame is not None
        exog = self._exog
        if rows is not None:
            if exog is not None:
                return exog[rows]
            return self.evaluate_exog(self.frame.iloc[rows], "data")
        self._exog = None
        return self.evaluate_exog(self.frame, "data") if exog is None else exog

    def _matrices(
        self,
        formula: Any,
        frame: pd.DataFrame,
        where: str,
        manager: Any = None,
        prediction: bool = False,
    ) -> Any:
        for attempt in range(_TRIES):
            try:
                return self._call_engine(formula, frame, manager, prediction)
            except Exception as error:  # noqa: PERF203 - whatever users' functions raise
                if _RACE in str(error) and attempt < _TRIES - 1:
                    continue
                text = self._explain(error, formula, frame, where)
                raise FormulaError(text) from error
        raise AssertionError("unreachable")

    def _call_engine(
        self, formula: Any, frame: pd.DataFrame, manager: Any, prediction: bool
    ) -> Any:
        frame, namespace = numbers_and_levels(settled(frame), self.parsed)
        # Rows with missing values have gone before; nothing may be dropped here,
        # where it would be dropped silently. What comes out as NaN or infinite is
        # refused, with the units.
        with _ENGINE, np.errstate(all="ignore"):
            return self.parsed.through.matrices(
                formula, frame, namespace, manager, prediction=prediction
            )

    def _explain(
        self, error: Exception, formula: Any, frame: pd.DataFrame, where: str
    ) -> str:
        """Say what an engine's error means, and for which units."""
        text = plain_text(error)
        if any(
            phrase in text
            for phrase in ("outside the outermost knots", "extend beyond upper and/or")
        ):
            meaning = (
                "a value is beyond the boundaries of a spline in "
                f"{self.parsed.text!r}, which were learned on data"
            )
            advice = (
                "Give data for all units (without outcome where unlabelled), give the "
                "spline lower_bound= and upper_bound= that hold all sources, or leave "
                "these rows out."
            )
        elif isinstance(error, UnseenLevelError) or any(
            phrase in text for phrase in ("expected levels", "the nominated levels")
        ):
            meaning = f"a level does not occur in data ({text})"
            advice = "Recode or leave out these rows."
            if where == "data":
                meaning = "a level is not among levels= of C()"
                advice = (
                    "levels= names all levels: add it there, or leave out the rows."
                )
        else:
            if "C() got an unexpected keyword" in text:
                text += ". A reference level is C(g, Treatment('level'))."
            text += no_numbers(frame, self.parsed.variables)
            engine = self.parsed.engine
            return f"{where}: {engine} cannot evaluate {self.parsed.text!r}: {text}"
        units = frame.index[self._failing_rows(formula, frame)]
        return f"{where}: {meaning} ({name_units(units)}). {advice}"

    def _failing_rows(self, formula: Any, frame: pd.DataFrame) -> list[int]:
        """First rows that fail by themselves, by halving."""
        found: list[int] = []
        parts = [(0, len(frame))]
        while parts and len(found) <= MAX_UNITS_SHOWN:
            start, stop = parts.pop()
            if stop - start == 1:
                found.append(start)
                continue
            middle = (start + stop) // 2
            for low, high in ((middle, stop), (start, middle)):
                try:
                    self._call_engine(formula, frame.iloc[low:high], None, True)
                except Exception:  # noqa: PERF203 - the one looked for
                    parts.append((low, high))
        return found

    def _refuse_row_dependence(self) -> None:
        """A term such as ``x - x.mean()`` would differ from source to source."""
        assert self.frame is not None
        assert self.labels is not None
        sides: list[tuple[pd.DataFrame, Floats, list[str], Any]] = []
        if self._plain_left is None:
            endog = self.evaluate_endog(self.labels, "data")[:, None]
            sides.append((self.labels, endog, [self.yname], self.evaluate_endog))
        if self._exog is not None:
            names = self.exog_names
            sides.append((self.frame, self._exog, names, self.evaluate_exog))
        for frame, values, names, evaluate in sides:
            n = len(frame)
            if n < 4:
                continue
            # The halves apart: a maximum or a mean is that of all rows in neither.
            halves = [
                np.unique(np.linspace(low, high - 1, _PROBE_ROWS).astype(int))
                for low, high in ((0, n // 2), (n // 2, n))
            ]
            probe = np.concatenate(halves)
            try:
                alone = np.concatenate(
                    [evaluate(frame.iloc[half], "data") for half in halves]
                ).reshape(len(probe), -1)
            except FormulaError as error:
                raise FormulaError(
                    f"The formula {self.parsed.text!r} can be evaluated on all rows of "
                    "data, but not on some of them alone: a term depends on which "
                    "other rows are present, as pd.cut(x, 3) does, or on an array of "
                    "the calling code. Compute the column beforehand."
                ) from error
            scale = np.abs(values).max(axis=0)
            differs = np.abs(alone - values[probe]) > 1e-9 * scale
            if differs.any():
                name = names[int(np.flatnonzero(differs.any(axis=0))[0])]
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
                known = ", ".join(show(v) for v in list(levels)[:10])
                raise FormulaError(
                    f"{where}: column {column!r} has the level {show(unseen[0])}, "
                    f"which data does not have ({name_units(units)}). Known "
                    f"levels: {known}. Recode or remove these rows."
                )

    def evaluate_exog(self, frame: pd.DataFrame, where: str) -> Floats:
        """
        Design matrix of other rows, with what was learned.

        Shapes: (rows, p).
        """
        if not len(frame):
            return np.empty((0, len(self.exog_names)))
        plain = self._plain_right
        if plain is not None and all_numeric(frame, plain):
            return self._kept(fill_columns(frame, plain))
        self._check_levels(frame, where)
        frame = self._with_categories(frame)
        matrix = self._matrices(self.spec, frame, where, prediction=True)
        return self._kept(self._finite(matrix, where))

    def _with_categories(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Values as categories where data has those: formulaic forgets that it had."""
        columns = {
            name: pd.Series(pd.Categorical(frame[name], levels), frame.index)
            for name, levels in self._levels.items()
            if isinstance(self._types[name].dtype, pd.CategoricalDtype)
        }
        if not columns:
            return frame
        return joined_columns({**dict(frame.items()), **columns}, frame.index)

    def evaluate_endog(self, frame: pd.DataFrame, where: str) -> Floats:
        """
        Outcome of other rows, with what was learned.

        Shapes: (rows,).
        """
        if not len(frame):
            return np.empty(0)
        plain = self._plain_left
        if plain is not None and all_numeric(frame, [plain]):
            return np.array(frame[plain].to_numpy(), dtype=float)
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
                f"{count(len(units), 'row')} ({name_units(units)}). Correct or "
                "remove them."
            )
        return values

    def predict_exog(self, frame: Any) -> pd.DataFrame:
        """
        Design matrix of rows to predict; NaN where a variable is missing.

        Shapes: (rows, p).
        """
        where = "the rows to predict"
        frame = opened(frame)
        refuse_rows(frame, where)
        needed = self.parsed.regressors
        frame = to_pandas(frame, needed, needed, where)
        if isinstance(frame, pd.Series):
            frame = pd.DataFrame(frame).T.infer_objects()
        if not isinstance(frame, pd.DataFrame):
            scalars = isinstance(frame, Mapping) and all(
                np.ndim(v) == 0 for v in frame.values()
            )
            frame = pd.DataFrame(frame, index=[0] if scalars else None)
        if self.spec is None:
            raise FormulaError(
                f"The formula cannot be evaluated any more: {self.lost}. Give a design "
                "matrix with the columns of params and transform=False."
            )
        for name in self.parsed.regressors:
            if name not in frame:
                raise FormulaError(
                    f"The rows to predict have no column {name!r}."
                    f"{suggest(name, list(frame.columns))}"
                )
        uses = uses_beside(self._types, self.parsed.uses)
        plain = plain_columns(frame, needed, uses, where)
        frame = joined_columns(
            {
                name: matched_type(column, self._types[name], where)
                for name, column in plain.frame.items()
            },
            frame.index,
        )
        names = self.exog_names
        lacking = plain.lacking()
        if lacking is None and len(frame):
            exog = self.evaluate_exog(frame, where)
            return pd.DataFrame(exog, frame.index, names, copy=False)
        result = pd.DataFrame(np.nan, index=frame.index, columns=names)
        if lacking is not None and not lacking.all():
            result.loc[~lacking] = self.evaluate_exog(frame.loc[~lacking], where)
        return result

    def twin(self) -> LearnedFormula:
        """The same, to be forgotten by itself."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def forget(self) -> None:
        """Drop the frames; the live specification stays, a pickle loses it."""
        self.frame = self.labels = self._exog = None

    def __getstate__(self) -> dict[str, Any]:
        """Frames and formula; specifications cannot be pickled with patsy."""
        state = self.__dict__ | {"spec": None, "left_spec": None, "_exog": None}
        state["parsed"] = replace(
            self.parsed, namespace=picklable_namespace(self.parsed.namespace)
        )
        if self.frame is None:
            state["_levels"] = {}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Learn again from the frames, if they are still there."""
        self.__dict__.update(state)
        namespace = restored_namespace(self.parsed.namespace)
        self.parsed = replace(self.parsed, namespace=namespace)
        if self.frame is not None:
            try:
                self._learn()
                self._exog = None  # in use elsewhere, or not at all
            except FormulaError as error:
                # The numbers are whole; only new frames cannot be predicted.
                self.lost = str(error)


def levels_of_columns(spec: Any, parsed: ParsedFormula) -> dict[str, list[Any]]:
    """Levels of the columns that are categorical factors by themselves."""
    levels = {}
    for code, known in parsed.through.levels_of(spec).items():
        used: dict[str, Any] = {}
        names = set(
            columns_of(
                code, set(parsed.regressors), parsed.namespace, parsed.text, used
            )
        )
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


def values_code(code: str) -> str:
    """
    What a factor takes its levels from.

    Examples
    --------
    >>> values_code("C(x > 0, Treatment(True))"), values_code("g")
    ('x > 0', 'g')
    """
    if code.isidentifier():
        return code
    tree = ast.parse(code, mode="eval").body
    if isinstance(tree, ast.Call) and getattr(tree.func, "id", "") == "C" and tree.args:
        return ast.unparse(tree.args[0])
    return code


def numbers_and_levels(
    frame: pd.DataFrame, parsed: ParsedFormula
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """What an engine gets, where a column is a number here and a level there."""
    names = dict(parsed.namespace)
    whole = [
        name
        for name in sorted(parsed.uses.both)
        if name in frame and frame[name].dtype.kind in "iu"
    ]
    if whole:
        floats = {name: frame[name].astype(np.float64) for name in whole}
        columns: dict[Any, pd.Series] = {**dict(frame.items()), **floats}
        frame = pd.DataFrame(columns, index=frame.index, copy=False)
        names.setdefault("C", _with_whole_levels(parsed.through.categories, whole))
    return frame, names


def _with_whole_levels(
    own: Callable[..., Any], columns: Sequence[str]
) -> Callable[..., Any]:
    """The engine's ``C()``, which names levels of these columns 2, not 2.0."""

    @functools.wraps(own)
    def categories(data: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(data, "name", None) in columns and data.dtype.kind == "f":
            whole = data.astype("int64")
            data = whole if (whole == data).all() else data
        return own(data, *args, **kwargs)

    return categories

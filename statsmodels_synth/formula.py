"""
A formula that is learned once and evaluated alike on every frame.

Levels, centring and spline knots come from `data`; every source is evaluated
with what was learned there. Both engines of statsmodels, patsy and formulaic,
go through its own ``FormulaManager``.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
import pickle
from types import ModuleType
from typing import Any
import warnings

from formulaic.errors import DataMismatchWarning
import numpy as np
import pandas as pd

from statsmodels_synth._arrays import Floats
from statsmodels_synth._statsmodels import FormulaManager, formula_options
from statsmodels_synth.columns import matched_type, plain_columns, settled_booleans
from statsmodels_synth.exceptions import (
    MAX_UNITS_SHOWN,
    DataError,
    FormulaError,
    count,
    format_units,
    show,
    suggest,
)
from statsmodels_synth.parsing import ParsedFormula, columns_of, plain_text

#: Rows of either half in the check that no term depends on which others are there.
_PROBE_ROWS = 50


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
        # No rows, only the type of each column, for frames to predict.
        self._types = frame.iloc[:0].reset_index(drop=True)
        #: Why the specification is gone, once it is.
        self.lost = "it was removed with the data"
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
            values = "categories"
            if parsed.left == parsed.response[0]:
                some = pd.unique(labels[parsed.left])[:MAX_UNITS_SHOWN]
                values = f"values such as {', '.join(show(v) for v in some)}"
            raise DataError(
                f"The outcome {parsed.left!r} is not numeric: it has {values}. Recode "
                "it as numbers, 0 and 1 for a binary outcome."
            )
        manager = FormulaManager(parsed.engine)
        right = self._matrices(f"~ {parsed.right}", frame, "data", manager)
        self.spec = manager.spec
        if not right.shape[1]:
            raise FormulaError(
                f"The formula {parsed.text!r} has no regressor, not even a constant."
            )
        self.exog = pd.DataFrame(
            self._finite(right, "data"),
            frame.index,
            [str(c) for c in right.columns],
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
        try:
            return self._call_engine(formula, frame, manager, prediction)
        except Exception as error:  # whatever the user's functions raise
            raise FormulaError(self._explain(error, formula, frame, where)) from error

    def _call_engine(
        self, formula: Any, frame: pd.DataFrame, manager: Any, prediction: bool
    ) -> Any:
        manager = FormulaManager(self.parsed.engine) if manager is None else manager
        # Rows with missing values have gone before; nothing may be dropped here,
        # where it would be dropped silently.
        keep = (
            manager.get_na_action("drop", types=[])
            if self.parsed.engine == "patsy"
            else "ignore"
        )
        # To order the terms of a specification again is an error in statsmodels.
        ordering = "legacy" if prediction else None
        # What comes out as NaN or infinite is refused, with the units.
        quiet = np.errstate(all="ignore")
        with quiet, warnings.catch_warnings(), formula_options(ordering=ordering):
            # formulaic codes an unseen level as the reference and goes on.
            warnings.simplefilter("error", DataMismatchWarning)
            return manager.get_matrices(
                formula,
                settled_booleans(frame),
                eval_env=dict(self.parsed.namespace),
                pandas=True,
                na_action=keep,
                prediction=prediction,
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
        elif isinstance(error, DataMismatchWarning) or "expected levels" in text:
            meaning = f"a level does not occur in data ({text})"
            advice = "Recode or leave out these rows."
        else:
            return (
                f"{where}: {self.parsed.engine} cannot evaluate "
                f"{self.parsed.text!r}: {text}"
            )
        units = frame.index[self._failing_rows(formula, frame)]
        return f"{where}: {meaning} (units {format_units(units)}). {advice}"

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
        left = pd.DataFrame(
            self.evaluate_endog(self.labels, "data"), self.labels.index, [self.yname]
        )
        for frame, whole, evaluate in (
            (self.labels, left, self.evaluate_endog),
            (self.frame, self.exog, self.evaluate_exog),
        ):
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
            values = whole.to_numpy()
            scale = np.abs(values).max(axis=0)
            differs = np.abs(alone - values[probe]) > 1e-9 * scale
            if differs.any():
                name = whole.columns[int(np.flatnonzero(differs.any(axis=0))[0])]
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
                    f"which data does not have (units {format_units(units)}). Known "
                    f"levels: {known}. Recode or remove these rows."
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
                f"{count(len(units), 'row')} (units {format_units(units)}). Correct or "
                "remove them."
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
                f"The formula cannot be evaluated any more: {self.lost}. Give a design "
                "matrix with the columns of params and transform=False."
            )
        for name in self.parsed.regressors:
            if name not in frame:
                raise FormulaError(
                    f"The rows to predict have no column {name!r}."
                    f"{suggest(name, list(frame.columns))}"
                )
        where = "the rows to predict"
        frame = plain_columns(frame[list(self.parsed.regressors)], set(), where)
        frame = pd.DataFrame(
            {
                name: matched_type(frame[name], self._types[name], where)
                for name in frame
            },
            index=frame.index,
        )
        complete = frame.notna().all(axis=1)
        result = pd.DataFrame(
            np.nan, index=frame.index, columns=_column_names(self.spec)
        )
        if complete.any():
            rows = frame.loc[complete.to_numpy()]
            result.loc[complete.to_numpy()] = self.evaluate_exog(rows, where)
        return result

    def twin(self) -> LearnedFormula:
        """
        The same, to be forgotten by itself.

        Returns
        -------
        LearnedFormula
            It shares frames and specification.
        """
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

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
            name: import_module(value.name) if isinstance(value, _Module) else value
            for name, value in self.parsed.namespace.items()
        }
        self.parsed = replace(self.parsed, namespace=namespace)
        if self.frame is not None:
            try:
                self._learn()
            except FormulaError as error:
                # The numbers are whole; only new frames cannot be predicted.
                self.lost = str(error)


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
            columns_of(
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

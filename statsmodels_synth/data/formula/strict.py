"""
Formulaic, with an error instead of a warning where a level was not learned.

Formulaic codes such a level as the reference, warns and goes on. To make an error of
the warning would be to change the filters of all threads. So the frame has a class of
its own, for which formulaic finds the materializer here; both are known to formulaic
from the import on, and other frames are read as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import formulaic
from formulaic.materializers import PandasMaterializer
from interface_meta import override
import pandas as pd

from statsmodels_synth.core.messages import MAX_UNITS_SHOWN, show


class UnseenLevelError(ValueError):
    """A factor has a level that was not learned."""


class StrictFrame(pd.DataFrame):
    """A frame that formulaic reads with :class:`StrictMaterializer`."""

    @property
    def _constructor(self) -> type[StrictFrame]:
        return StrictFrame


class StrictMaterializer(PandasMaterializer):  # type: ignore[misc]
    """Formulaic's reader of data frames, which does not pass over unseen levels."""

    REGISTER_NAME = "statsmodels_synth"
    REGISTER_INPUTS: Sequence[str] = (f"{__name__}.StrictFrame",)

    @override
    def _encode_evaled_factor(
        self, factor: Any, spec: Any, drop_rows: Any, reduced_rank: bool = False
    ) -> dict[str, Any]:
        checked = _refuse_unseen(factor, spec)
        encoded = super()._encode_evaled_factor(factor, spec, drop_rows, reduced_rank)
        if not checked:  # levels that are written in the formula
            _refuse_unseen(factor, spec)
        return encoded  # type: ignore[no-any-return]


def _refuse_unseen(factor: Any, spec: Any) -> bool:
    """Whether the levels of a factor are known; raise if it has others."""
    _, state = spec.encoder_state.get(factor.expr, (None, {}))
    if "categories" not in state:
        return False
    values = factor.values.__wrapped__  # noqa: PD011 - formulaic's
    found = pd.Series(values).dropna().unique()
    unseen = [show(v) for v in found if v not in state["categories"]]
    if unseen:
        shown = ", ".join(unseen[:MAX_UNITS_SHOWN])
        raise UnseenLevelError(f"{factor.expr} has {shown}")
    return True


def strict_frame(frame: pd.DataFrame) -> StrictFrame:
    """Rows as formulaic shall read them."""
    texts = [
        c for c, dtype in frame.dtypes.items() if isinstance(dtype, pd.StringDtype)
    ]
    return StrictFrame(frame.astype(dict.fromkeys(texts, object)) if texts else frame)


def matrix_of(spec: Any, frame: pd.DataFrame, namespace: Mapping[str, Any]) -> Any:
    """
    Design matrix of a specification that was learned.

    Shapes: (rows, p).
    """
    return formulaic.model_matrix(
        spec, frame, context=namespace, output="pandas", na_action="ignore"
    )

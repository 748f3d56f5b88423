"""The forms in which sources may be given, brought into one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from statsmodels_synth.core.messages import suggest, type_name
from statsmodels_synth.core.options import Kind
from statsmodels_synth.data.kinds import is_other_frame, opened, refuse_unread
from statsmodels_synth.exceptions import DataError

_FORMS = (
    "Give a DataFrame (or a Series named like a variable of the formula), {name: "
    "DataFrame}, {variable of the formula: column of data}, or a path of Parquet files "
    "(ending in '.parquet' or '/')."
)


@dataclass(frozen=True)
class GivenSource:
    """
    One source as the user gave it.

    Parameters
    ----------
    name : str
        Name.
    kind : {"proxy", "synthetic"}
        Kind.
    frame : DataFrame, Table or None
        Its own frame, in :func:`align_frames` one of pandas; None where it is
        columns of data.
    columns : dict
        From variable to column of data, where it is columns of data; to columns by
        level, where these are its probabilities.
    """

    name: str
    kind: Kind
    frame: Any
    columns: dict[str, Any]

    @property
    def named(self) -> list[str]:
        """Columns of data that it takes the place of."""
        found: list[str] = []
        for column in self.columns.values():
            found += column.values() if isinstance(column, Mapping) else [column]
        return found


def given_sources(proxy: object, synthetic: object) -> list[GivenSource]:
    """Bring the accepted forms of `proxy` and `synthetic` into one."""
    forms: dict[Kind, dict[str, Any]] = {}
    kinds: tuple[tuple[Kind, object], ...] = (
        ("proxy", proxy),
        ("synthetic", synthetic),
    )
    for kind, table in kinds:
        value = opened(table)
        if value is None:
            forms[kind] = {}
        elif isinstance(value, (pd.DataFrame, pd.Series)) or is_other_frame(value):
            forms[kind] = {kind: value}
        elif not isinstance(value, Mapping):
            refuse_unread(value, f"{kind}=")
            raise DataError(f"{kind}= is a {type_name(value)}. {_FORMS}")
        elif value and all(isinstance(v, str) for v in value.values()):
            forms[kind] = {kind: value}
        else:
            _refuse_several_columns(kind, value)
            refuse_unread(value, f"{kind}=")
            forms[kind] = {str(k): v for k, v in value.items()}
    names = unique_names(list(forms["proxy"]), list(forms["synthetic"]))
    result = []
    for kind, sources in forms.items():
        for key, value in sources.items():
            name = names[f"{kind}:{key}"]
            value = opened(value)  # noqa: PLW2901
            if isinstance(value, pd.Series) and value.name is not None:
                value = value.to_frame()  # noqa: PLW2901
            if isinstance(value, pd.DataFrame) or is_other_frame(value):
                result.append(GivenSource(name, kind, value, {}))
            elif isinstance(value, Mapping) and all(
                isinstance(v, str) or _is_by_level(v) for v in value.values()
            ):
                result.append(GivenSource(name, kind, None, dict(value)))
            else:
                refuse_unread(value, f"{kind}={{{key!r}: ...}}")
                raise DataError(
                    f"{kind}={{{key!r}: ...}} is a {type_name(value)}. {_FORMS}"
                )
    return result


def require_source_column(
    source: GivenSource, variable: str, column: str, known: Iterable[object]
) -> None:
    """Raise if data has no such column for a variable of a source."""
    if column not in known:
        raise DataError(
            f"Source {source.name!r}: data has no column {column!r} to take "
            f"{variable!r} from.{suggest(column, list(map(str, known)))}"
        )


def _is_by_level(value: object) -> bool:
    """Whether it names a column for each level of a variable."""
    return isinstance(value, Mapping) and all(
        isinstance(v, str) for v in value.values()
    )


def _refuse_several_columns(kind: Kind, given: Mapping[Any, Any]) -> None:
    """Raise if a variable has the names of several columns, one for each source."""
    for variable, columns in given.items():
        if not isinstance(columns, (list, tuple)) or not columns:
            return
        if not all(isinstance(column, str) for column in columns):
            return
        form = {column: {variable: column} for column in columns[:2]}
        raise DataError(
            f"{kind}={{{variable!r}: {columns[:2]!r}}} names several columns, which "
            f"are as many sources. Name each: {kind}={form!r}."
        )


def unique_names(
    proxy: Sequence[Hashable], synthetic: Sequence[Hashable]
) -> dict[str, str]:
    """
    Names of all sources, told apart where both kinds use the same.

    Examples
    --------
    >>> unique_names(["gpt4o"], ["gpt4o"])["proxy:gpt4o"]
    'gpt4o (proxy)'
    """
    both = {*map(str, proxy)} & {*map(str, synthetic)}
    given = [("proxy", n) for n in proxy] + [("synthetic", n) for n in synthetic]
    names = {
        f"{kind}:{name}": f"{name} ({kind})" if str(name) in both else str(name)
        for kind, name in given
    }
    repeated = [n for n, times in Counter(names.values()).items() if times > 1]
    if len(names) < len(given) or repeated:
        shown = repeated[0] if repeated else str(given[0][1])
        raise DataError(f"Two sources are named {shown!r}. Rename one.")
    return names

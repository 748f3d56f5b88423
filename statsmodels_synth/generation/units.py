"""Units: what a model may see of each, whoever is labelled; codes of humans apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools
from statsmodels_synth.core.messages import (
    count,
    name_units,
    show,
    suggest,
    type_name,
    warn,
)
from statsmodels_synth.exceptions import AlignmentError, DataError, GenerationWarning
from statsmodels_synth.generation.codebook import Codebook

#: Reasons for which a unit is not asked about at all.
EMPTY, TOO_LONG = "empty", "longer than max_chars"
#: Labelled units from which on a recoded column is told from chance, and most levels.
_ENOUGH, _MOST_LEVELS = 20, 20
_URL = ("http://", "https://", "data:")


@dataclass(frozen=True)
class Image:
    """
    An image to be sent.

    Parameters
    ----------
    where : str
        Path or URL.
    digest : str
        Hash of the file, or the URL: what a request is known by.
    """

    where: str
    digest: str

    @property
    def is_url(self) -> bool:
        """Whether the endpoint fetches it."""
        return self.where.startswith(_URL)


@dataclass(frozen=True)
class Shown:
    """
    What a model sees of one unit.

    Parameters
    ----------
    columns : dict
        Text of each column, by name; without images.
    images : tuple of Image
        Images.
    """

    columns: dict[str, str]
    images: tuple[Image, ...] = ()

    @property
    def text(self) -> str:
        """Text as the prompt has it: one column bare, several with their names."""
        if len(self.columns) == 1:
            return next(iter(self.columns.values()))
        return "\n".join(f"{name}: {text}" for name, text in self.columns.items())


@dataclass(frozen=True)
class Units:
    """
    All units of a study.

    Parameters
    ----------
    ids : pandas.Index (T,)
        Their ids.
    on : str or None
        Column of the ids; None where they are the index.
    shown : list of Shown (T,)
        What a model may see of each.
    skipped : dict of int to str
        Position of the units that are not asked about, with the reason.
    numeric : frozenset of str
        Columns shown that hold numbers.
    codes : DataFrame (T, k)
        Codes of humans that `data` holds, by variable. No prompt reads them but those
        of ``condition_on="human"``.
    """

    ids: pd.Index
    on: str | None
    shown: list[Shown]
    skipped: dict[int, str]
    numeric: frozenset[str]
    codes: pd.DataFrame

    def __len__(self) -> int:
        """Number of units."""
        return len(self.ids)

    @property
    def asked(self) -> list[int]:
        """Positions of units that a model is asked about."""
        return [k for k in range(len(self)) if k not in self.skipped]

    @property
    def labeled(self) -> Bools | None:
        """Units with every code that data holds; None where it holds none."""
        if not len(self.codes.columns):
            return None
        return np.asarray(self.codes.notna().all(axis=1))


def as_pandas(data: object, where: str) -> pd.DataFrame:
    """A frame of pandas, from one of another library if need be."""
    if isinstance(data, pd.DataFrame):
        return data
    convert = getattr(data, "to_pandas", None)
    if convert is not None:
        found = convert()
        if isinstance(found, pd.DataFrame):
            return found
    raise DataError(f"{where} is a {type_name(data)}. Give a DataFrame.")


def read_units(
    data: object, codebook: Codebook, on: str | None, max_chars: int
) -> Units:
    """Read what may be seen of each unit, and set the codes of humans apart."""
    frame = as_pandas(data, "data")
    if not len(frame):
        raise DataError("data has no rows. Give one row per unit.")
    ids = _ids(frame, on, "data")
    _check_shown(frame, codebook, "data")
    variables = [k for k in codebook.variables if k in frame.columns]
    codes = frame[variables].reset_index(drop=True)
    _refuse_codes(frame, codes, codebook)
    _refuse_filled_by_coders(frame, codes, codebook)
    shown = _shown(frame, codebook, ids)
    skipped = {}
    for k, unit in enumerate(shown):
        length = sum(map(len, unit.columns.values()))
        if not any(v.strip() for v in unit.columns.values()) and not unit.images:
            skipped[k] = EMPTY
        elif length > max_chars:
            skipped[k] = TOO_LONG
    if len(skipped) == len(ids):
        reasons = " or ".join(sorted(set(skipped.values())))
        raise DataError(
            f"data: nothing can be shown of any unit: {_columns(codebook)} {reasons}."
        )
    numeric = frozenset(
        k for k in codebook.shown if pd.api.types.is_numeric_dtype(frame[k])
    )
    return Units(ids, on, shown, skipped, numeric, codes)


def _columns(codebook: Codebook) -> str:
    return ", ".join(repr(k) for k in codebook.shown)


def _ids(frame: pd.DataFrame, on: str | None, where: str) -> pd.Index:
    """Ids of the rows, each of them once."""
    if on is not None and on not in frame.columns:
        raise DataError(
            f"on={on!r} is not a column of {where}."
            f"{suggest(on, [str(k) for k in frame.columns])}"
        )
    if isinstance(frame.index, pd.MultiIndex) and on is None:
        raise DataError(
            f"{where} has an index of several levels. Name a column in on=."
        )
    ids = frame.index if on is None else pd.Index(frame[on])
    if ids.hasnans:
        rows = np.flatnonzero(ids.isna())
        raise DataError(
            f"{where} has {count(len(rows), 'unit')} without id "
            f"({name_units(rows, 'row')}). Give each unit an id of its own."
        )
    twice = ids[ids.duplicated()].unique()
    if len(twice):
        raise AlignmentError(
            f"{where} has {name_units(twice)} more than once. Give each unit one row "
            "and an id of its own."
        )
    _check_spelling(ids, where)
    return ids


def _check_spelling(ids: pd.Index, where: str) -> None:
    """Raise if ids are one but for blanks at the ends; warn if but for capitals."""
    texts = pd.Series([own.strip() if isinstance(own, str) else None for own in ids])
    if texts.isna().all():
        return
    alike = _alike(texts)
    if len(alike):
        raise AlignmentError(
            f"{where} has ids that differ by blanks at their ends only, such as "
            f"{name_units(ids[alike])}. Each would be asked about as a unit of its "
            "own. Take the blanks off, and give each unit one row."
        )
    alike = _alike(texts.str.casefold())
    if len(alike):
        warn(
            f"{where} has ids that differ by capitals only, such as "
            f"{name_units(ids[alike])}. Each is a unit of its own. If they are the "
            "same unit, write them alike and give it one row.",
            GenerationWarning,
        )


def _alike(texts: pd.Series) -> list[int]:
    """Positions of the first texts that are the same; none if there are none."""
    twice = texts[texts.notna() & texts.duplicated()]
    return [] if twice.empty else list(texts.index[texts == twice.iloc[0]])


def _check_shown(frame: pd.DataFrame, codebook: Codebook, where: str) -> None:
    for name in codebook.shown:
        if name not in frame.columns:
            raise DataError(
                f"shown= names {name!r}, which is not a column of {where}."
                f"{suggest(name, [str(k) for k in frame.columns])}"
            )
        if list(frame.columns).count(name) > 1:
            raise DataError(f"{where} has several columns {name!r}. Rename them.")


def _refuse_codes(frame: pd.DataFrame, codes: pd.DataFrame, codebook: Codebook) -> None:
    """Raise if a column that the model may see holds the codes of humans."""
    for variable in codes.columns:
        known = codes[variable].notna().to_numpy()
        human = codes[variable][known].map(_plain)
        for name in codebook.shown:
            own = frame[name].reset_index(drop=True)[known]
            how = _same(own, human)
            if how:
                raise DataError(
                    f"shown= names {name!r}, which {how} the codes of humans in "
                    f"{variable!r} in all {count(int(known.sum()), 'labelled unit')}. "
                    "The model must not see them: sources would know the labels of "
                    f"labelled units. Take {name!r} out of shown=."
                )


def _refuse_filled_by_coders(
    frame: pd.DataFrame, codes: pd.DataFrame, codebook: Codebook
) -> None:
    """Raise if a column that the model may see is filled where people coded only."""
    if not len(codes.columns):
        return
    labeled = codes.notna().any(axis=1).to_numpy()
    others = int((~labeled).sum())
    if not others:
        return
    for name in codebook.shown:
        filled = np.array([bool(_text(value).strip()) for value in frame[name]])
        inside = int(filled[labeled].sum())
        if inside and not filled[~labeled].any():
            raise DataError(
                f"shown= names {name!r}, which is filled for {inside} labelled units "
                f"and for none of the {others} others. What only labelled units have "
                "the model must not see: sources would be made in another way for "
                f"them. Take {name!r} out of shown=, or fill it for all units."
            )


def _plain(value: object) -> object:
    """A code as it can be compared: numbers as floats, however they are written."""
    if isinstance(value, (bool, np.bool_)):
        return float(value)
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value).strip().lower()


def _same(shown: pd.Series, human: pd.Series) -> str:
    """How a column repeats codes, in words; empty where it does not."""
    if not len(human) or shown.isna().any():
        return ""
    own = shown.map(_plain)
    if (own == human).all() and (len(human) > 1):
        return "equals"
    pairs = pd.DataFrame({"own": own.to_numpy(), "human": human.to_numpy()})
    levels = pairs.nunique()
    one_to_one = len(pairs.drop_duplicates()) == levels["own"] == levels["human"]
    if one_to_one and 2 <= levels["own"] <= _MOST_LEVELS and len(pairs) >= _ENOUGH:
        return "recodes"
    return ""


def _text(value: object) -> str:
    """Text of a cell; what is missing is empty, lone surrogates are replaced."""
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.15g}"
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _shown(frame: pd.DataFrame, codebook: Codebook, ids: pd.Index) -> list[Shown]:
    texts = {
        name: [_text(v) for v in frame[name]]
        for name in codebook.shown
        if name not in codebook.images
    }
    images = [_images(frame[name], name, ids) for name in codebook.images]
    return [
        Shown(
            {name: column[k] for name, column in texts.items()},
            tuple(image for column in images if (image := column[k]) is not None),
        )
        for k in range(len(frame))
    ]


def _images(column: pd.Series, name: str, ids: pd.Index) -> list[Image | None]:
    """Images of a column, each file read once for its hash."""
    found: list[Image | None] = []
    missing = []
    for unit, value in zip(ids, column, strict=True):
        where = _text(value)
        if not where:
            found.append(None)
        elif where.startswith(_URL):
            found.append(Image(where, where))
        elif Path(where).is_file():
            digest = hashlib.sha256(Path(where).read_bytes()).hexdigest()
            found.append(Image(where, digest))
        else:
            missing.append(unit)
    if missing:
        raise DataError(
            f"data: column {name!r} names {count(len(missing), 'image')} that are no "
            f"files ({name_units(missing)}). Give paths or URLs."
        )
    return found


@dataclass(frozen=True)
class Example:
    """
    A unit outside the study with its codes, as an example of how to code.

    Parameters
    ----------
    shown : Shown
        What there is to see.
    answers : dict
        The right answers.
    """

    shown: Shown
    answers: dict[str, Any]


def read_examples(
    examples: object, codebook: Codebook, units: Units
) -> tuple[Example, ...]:
    """Read examples, none of which may be a unit of the study."""
    if examples is None:
        return ()
    frame = as_pandas(examples, "examples")
    ids = _ids(frame, units.on, "examples")
    _check_shown(frame, codebook, "examples")
    if len(inside := ids[_spelt(ids).isin(_spelt(units.ids))]):
        raise DataError(
            f"examples has {name_units(inside)} of the study. The model would know "
            "their labels, which are labelled units' alone. Take examples that are in "
            "no other row of data, with ids of their own."
        )
    known = {_content(unit) for unit in units.shown}
    shown = _shown(frame, codebook, ids)
    same = [u for u, own in zip(ids, shown, strict=True) if _content(own) in known]
    if same:
        raise DataError(
            f"examples has {name_units(same)}, of which the model would see the same "
            "as of a unit of data. Take examples that are not in data."
        )
    return tuple(
        Example(own, _answers(frame.iloc[k], codebook.variables, ids[k]))
        for k, own in enumerate(shown)
    )


def _spelt(ids: pd.Index) -> pd.Index:
    """Ids without blanks at their ends and without capitals."""
    own = [k.strip().casefold() if isinstance(k, str) else k for k in ids]
    return pd.Index(own, dtype=object)


def _content(unit: Shown) -> tuple[str, ...]:
    return (unit.text.strip(), *(image.digest for image in unit.images))


def _answers(
    row: pd.Series, variables: Mapping[str, Any], unit: object
) -> dict[str, Any]:
    found = {}
    for name, question in variables.items():
        if name not in row.index:
            raise DataError(f"examples has no column {name!r}. Give all codes.")
        value = row[name]
        value = value.item() if isinstance(value, np.generic) else value
        answer = None if pd.isna(value) else question.write(value)
        if answer is None:
            raise DataError(
                f"examples: {name!r} of {name_units([unit])} is {show(value)}, which "
                f"is no answer ({question.choices})."
            )
        found[name] = answer
    return found


def written(columns: Mapping[str, Any], names: Sequence[str]) -> Shown:
    """A counterpart, as a model sees it."""
    return Shown({name: _text(columns[name]) for name in names})

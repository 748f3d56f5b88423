"""A study in a file: its settings, its codebook and its tables, checked as read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import importlib
from importlib.util import find_spec
import json
from pathlib import Path
from typing import Any

import pandas as pd

from statsmodels_synth.core.messages import show, suggest
from statsmodels_synth.core.options import keywords_of
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.generation.codebook import (
    Binary,
    Choice,
    Codebook,
    Number,
    Scale,
)
from statsmodels_synth.generation.models import OpenAIModel
from statsmodels_synth.generation.study import Study

_KINDS: dict[str, Any] = {
    "binary": Binary,
    "choice": Choice,
    "scale": Scale,
    "number": Number,
}
#: Keys of the file beside those of Study and OpenAIModel.
_OWN = ["data", "output", "format", "codebook", "examples", "run", "endpoint"]
_RUN = ["max_cost", "workers", "rate", "retries", "pilot"]
_ENDPOINT = ["key_variable", "structured", "timeout"]
_STUDY = [k for k in keywords_of(Study.__init__) if k not in ("data", "codebook")]
#: Keys that hold a text, where they are there.
_TEXTS = ["data", "on", "store", "output", "format", "base_url", "examples"]
#: Kinds of tables by the end of their names.
_TABLES: dict[str, tuple[str, Callable[[Path, str], pd.DataFrame]]] = {
    ".csv": ("CSV", lambda path, on: pd.read_csv(path, dtype={on: str})),
    ".tsv": ("TSV", lambda path, on: pd.read_csv(path, sep="\t", dtype={on: str})),
    ".parquet": ("Parquet", lambda path, on: pd.read_parquet(path)),
}


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a file of TOML, or of JSON."""
    found = _parsed(path)
    _check(found, [*_OWN, *_STUDY], str(path))
    _check(found.get("run", {}), _RUN, f"{path}: [run]")
    _check(found.get("endpoint", {}), _ENDPOINT, f"{path}: [endpoint]")
    for key in ("data", "on", "model", "store", "codebook"):
        if key not in found:
            what = " It names the column of the ids." if key == "on" else ""
            raise OptionError(f"{path} has no {key!r}.{what}")
    for key in _TEXTS:
        own = found.get(key, "?")
        if not isinstance(own, str) or not own:
            raise OptionError(f"{path}: {key} is {show(own)}. Give a text.")
    names = found["model"]
    if not isinstance(names, str) and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        raise OptionError(
            f"{path}: model is {show(names)}. Give its name, or a list of names."
        )
    if found.get("format", "csv") not in ("csv", "parquet"):
        raise OptionError(f"{path}: format is 'csv' or 'parquet'.")
    return dict(found)


def _parsed(path: Path) -> Any:
    """What a file says, whatever that is."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise OptionError(f"{path} {what}. Name the file of a study, TOML or JSON.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise OptionError(f"{path} is no text in UTF-8. Save it as such.") from error
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except ValueError as error:
            raise OptionError(f"{path} is no JSON: {error}.") from error
    if find_spec("tomllib") is None:
        raise OptionError(
            f"{path}: TOML needs Python 3.11. Write the same as JSON, in a file that "
            "ends in .json."
        )
    try:
        return importlib.import_module("tomllib").loads(text)
    except ValueError as error:
        raise OptionError(f"{path} is no TOML: {error}.") from error


def _check(given: object, known: list[str], where: str) -> None:
    """Raise if a table has a key that means nothing."""
    if not isinstance(given, Mapping):
        raise OptionError(f"{where} is no table of settings.")
    for key in given:
        if key not in known:
            raise OptionError(f"{where} has the key {key!r}.{suggest(key, known)}")


def codebook_of(given: Any) -> Codebook:
    """The codebook in a file."""
    known = keywords_of(Codebook.__init__)
    _check(given, known, "[codebook]")
    own = dict(given)
    for key in ("unit", "shown"):
        if key not in own:
            raise OptionError(f"[codebook] has no {key!r}.")
    tables = own.pop("variables", {})
    if not isinstance(tables, Mapping):
        raise OptionError("[codebook.variables] is no table of questions.")
    variables = {name: _question(str(name), entry) for name, entry in tables.items()}
    return Codebook(variables=variables, **own)


def _question(name: str, entry: object) -> Any:
    """The question on one variable."""
    where = f"[codebook.variables.{name}]"
    if not isinstance(entry, Mapping):
        raise OptionError(
            f"{where} is {show(entry)}. Give each variable a table of its own, with "
            "type= and question=."
        )
    own = dict(entry)
    kind = own.pop("type", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise OptionError(f"{where} has type={kind!r}.{suggest(kind, list(_KINDS))}")
    known = keywords_of(_KINDS[kind].__init__)
    _check(own, known, where)
    try:
        return _KINDS[kind](**own)
    except TypeError as error:
        raise OptionError(f"{where} lacks one of: {', '.join(known)}.") from error


def study_of(config: Mapping[str, Any], folder: Path) -> Study:
    """The study in a file; paths are relative to it."""
    own = {key: config[key] for key in _STUDY if key in config}
    model, base_url = own.pop("model"), own.pop("base_url", None)
    names = [model] if isinstance(model, str) else list(model)
    endpoint = config.get("endpoint", {})
    own["model"] = {name: OpenAIModel(name, base_url, **endpoint) for name in names}
    own["store"] = folder / own["store"]
    codebook = codebook_of(config["codebook"])
    for key in ("data", "examples"):
        if key in config:
            own[key] = read_frame(folder / config[key], own["on"], key)
    return Study(own.pop("data"), codebook, **own)


def read_frame(path: Path, on: str, key: str) -> pd.DataFrame:
    """A table of CSV or Parquet; ids of CSV stay as they are written, such as 007."""
    name = path.name.removesuffix(".gz")
    ends = [end for end in _TABLES if name.lower().endswith(end)]
    if not ends:
        raise DataError(
            f"{key} = {path.name!r}: its kind is not known. Give a file that ends in "
            f"{', '.join(_TABLES)}."
        )
    kind, read = _TABLES[ends[0]]
    if not path.is_file():
        raise DataError(
            f"{key} = {path.name!r}: there is no file {path}. Paths are relative to "
            "the file of the study."
        )
    try:
        return read(path, on)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8. Save it as such.") from error
    except (ValueError, OSError, ImportError) as error:
        raise DataError(f"{path} cannot be read as {kind}: {error}") from error

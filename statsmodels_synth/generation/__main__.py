"""The command line: a study in a file of TOML, for R and for clusters."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import importlib
from importlib.util import find_spec
import json
from pathlib import Path
import sys
from typing import Any

import pandas as pd

from statsmodels_synth.core.messages import count, suggest
from statsmodels_synth.core.options import keywords_of
from statsmodels_synth.exceptions import OptionError, SynthError
from statsmodels_synth.generation.codebook import (
    Binary,
    Choice,
    Codebook,
    Number,
    Scale,
)
from statsmodels_synth.generation.models import OpenAIModel
from statsmodels_synth.generation.sources import Sources
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(
        prog="python -m statsmodels_synth.generation",
        description="Proxies and counterparts of units by a language model.",
    )
    parser.add_argument(
        "command",
        choices=["run", "estimate", "export-batch", "import-batch", "report", "forget"],
    )
    parser.add_argument("study", type=Path, help="a file of TOML or JSON")
    parser.add_argument("paths", nargs="*", help="folder or files of a batch")
    arguments = parser.parse_args(argv)
    try:
        return run_command(arguments.command, arguments.study, arguments.paths)
    except (SynthError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def run_command(command: str, path: Path, paths: list[str]) -> int:
    """Run one command on the study in a file."""
    config = read_config(path)
    study = study_of(config, path.parent)
    options = dict(config.get("run", {}))
    pilot = options.pop("pilot", 20)
    output = path.parent / config.get("output", "sources")
    if command == "run":
        write_sources(study.run(**options), output, config.get("format", "csv"))
    elif command == "report":
        print(study.sources().report())
    elif command == "estimate":
        kept = {k: v for k, v in options.items() if k in ("workers", "rate")}
        print(study.estimate(pilot, **kept))
    elif command == "export-batch":
        found = study.export_batch(paths[0] if paths else output / "batch")
        print("\n".join(map(str, found)) or "all is answered")
    elif command == "import-batch":
        if not paths:
            raise OptionError("import-batch needs the files that the batch returned.")
        print(f"{count(study.import_batch(paths), 'new answer')}")
    else:
        print(f"{count(study.forget(), 'answer')} deleted")
    return 0


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a file of TOML, or of JSON."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise OptionError(f"{path} is no JSON: {error}.") from error
    elif find_spec("tomllib") is None:
        raise OptionError(
            f"{path}: TOML needs Python 3.11. Write the same as JSON, in a file that "
            "ends in .json."
        )
    else:
        toml = importlib.import_module("tomllib")
        try:
            found = toml.loads(text)
        except ValueError as error:
            raise OptionError(f"{path} is no TOML: {error}.") from error
    _check(found, [*_OWN, *_STUDY], str(path))
    _check(found.get("run", {}), _RUN, f"{path}: [run]")
    _check(found.get("endpoint", {}), _ENDPOINT, f"{path}: [endpoint]")
    for key in ("data", "on", "model", "store", "codebook"):
        if key not in found:
            what = " It names the column of the ids." if key == "on" else ""
            raise OptionError(f"{path} has no {key!r}.{what}")
    if found.get("format", "csv") not in ("csv", "parquet"):
        raise OptionError(f"{path}: format is 'csv' or 'parquet'.")
    return dict(found)


def _check(given: object, known: list[str], where: str) -> None:
    """Raise if a table has a key that means nothing."""
    if not isinstance(given, Mapping):
        raise OptionError(f"{where} is no table of settings.")
    for key in given:
        if key not in known:
            raise OptionError(f"{where} has the key {key!r}.{suggest(key, known)}")


def codebook_of(given: Mapping[str, Any]) -> Codebook:
    """The codebook in a file."""
    own = dict(given)
    variables = {}
    for name, table in dict(own.pop("variables", {})).items():
        entry = dict(table)
        kind = entry.pop("type", None)
        if kind not in _KINDS:
            raise OptionError(
                f"[codebook.variables.{name}] has type={kind!r}."
                f"{suggest(kind, list(_KINDS))}"
            )
        known = keywords_of(_KINDS[kind].__init__)
        _check(entry, known, f"[codebook.variables.{name}]")
        try:
            variables[name] = _KINDS[kind](**entry)
        except TypeError as error:
            raise OptionError(
                f"[codebook.variables.{name}] lacks one of: {', '.join(known)}."
            ) from error
    known = [k for k in keywords_of(Codebook.__init__) if k != "variables"]
    _check(own, known, "[codebook]")
    for key in ("unit", "shown"):
        if key not in own:
            raise OptionError(f"[codebook] has no {key!r}.")
    return Codebook(variables=variables, **own)


def study_of(config: Mapping[str, Any], folder: Path) -> Study:
    """The study in a file; paths are relative to it."""
    own = {key: config[key] for key in _STUDY if key in config}
    model, base_url = own.pop("model"), own.pop("base_url", None)
    names = [model] if isinstance(model, str) else list(model)
    endpoint = config.get("endpoint", {})
    own["model"] = {name: OpenAIModel(name, base_url, **endpoint) for name in names}
    own["store"] = folder / own["store"]
    if "examples" in config:
        own["examples"] = read_frame(folder / config["examples"], own["on"])
    data = read_frame(folder / config["data"], own["on"])
    return Study(data, codebook_of(config["codebook"]), **own)


def read_frame(path: Path, on: str) -> pd.DataFrame:
    """A table of CSV or Parquet; ids of CSV stay as they are written, such as 007."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, dtype={on: str})


def write_sources(sources: Sources, folder: Path, kind: str) -> None:
    """Write the frames of all sources and the report."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {
        "proxy": sources.proxy,
        "synthetic": sources.synthetic,
        "texts": sources.texts,
    }
    for what, frames in kinds.items():
        for name, frame in frames.items():
            plain = "".join(k if k.isalnum() or k in "-._" else "_" for k in name)
            path = folder / f"{what}-{plain}.{kind}"
            if kind == "parquet":
                frame.to_parquet(path, index=False)
            else:
                frame.to_csv(path, index=False)
            print(f"{path}: {count(len(frame), 'row')}")
    report = folder / "report.txt"
    report.write_text(sources.report() + "\n", encoding="utf-8")
    sources.counts.to_csv(folder / "counts.csv", index=False)
    sources.costs.to_csv(folder / "costs.csv", index=False)
    print(report)


if __name__ == "__main__":
    sys.exit(main())

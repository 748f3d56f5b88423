"""The command line: a study in a file of TOML, for R and for clusters."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
import os
from pathlib import Path
import signal
import sys
import threading
from typing import Any

from statsmodels_synth.core.messages import count
from statsmodels_synth.exceptions import OptionError, SynthError
from statsmodels_synth.generation.config import read_config, study_of
from statsmodels_synth.generation.sources import Sources

_BATCHES = ("export-batch", "import-batch")
#: Status of a process that was interrupted, by the custom of shells.
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors of users end in a message and a status."""
    parser = argparse.ArgumentParser(
        prog="python -m statsmodels_synth.generation",
        description="Proxies and counterparts of units by a language model.",
    )
    parser.add_argument(
        "command",
        choices=["run", "estimate", *_BATCHES, "report", "forget"],
    )
    parser.add_argument("study", type=Path, help="a file of TOML or JSON")
    parser.add_argument("paths", nargs="*", help="folder or files of a batch")
    arguments = parser.parse_args(argv)
    try:
        with _interruptible():
            return run_command(arguments.command, arguments.study, arguments.paths)
    except (SynthError, OSError, ImportError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What is answered is kept: run again.", file=sys.stderr)
        return _INTERRUPTED


@contextmanager
def _interruptible() -> Iterator[None]:
    """Say at the first Ctrl-C what is waited for; the second one waits for nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        signal.signal(number, leave)
        print(
            "\nStopping: calls in flight are paid for, and are stored when they end. "
            "Ctrl-C again leaves at once.",
            file=sys.stderr,
        )
        raise KeyboardInterrupt

    def leave(number: int, frame: object) -> None:
        # Threads that wait for the endpoint would hold up any other way out.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(_INTERRUPTED)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_command(command: str, path: Path, paths: list[str]) -> int:
    """Run one command on the study in a file."""
    if paths and command not in _BATCHES:
        raise OptionError(f"{command} takes the file of a study and nothing else.")
    config = read_config(path)
    study = study_of(config, path.parent)
    options = dict(config.get("run", {}))
    pilot = options.pop("pilot", 20)
    output = path.parent / config.get("output", "sources")
    if command == "run":
        kind = config.get("format", "csv")
        _prepare(output, kind)
        write_sources(study.run(**options), output, kind)
    elif command == "report":
        print(study.sources().report())
    elif command == "estimate":
        kept = {k: v for k, v in options.items() if k in ("workers", "rate")}
        print(study.estimate(pilot, **kept))
    elif command == "export-batch":
        folder = Path(paths[0]) if paths else output / "batch"
        _prepare(folder)
        found = study.export_batch(folder)
        print("\n".join(map(str, found)) or "all is answered")
    elif command == "import-batch":
        if not paths:
            raise OptionError("import-batch needs the files that the batch returned.")
        print(f"{count(study.import_batch(paths), 'new answer')}")
    else:
        print(f"{count(study.forget(), 'answer')} deleted")
    return 0


def _prepare(folder: Path, kind: str = "csv") -> None:
    """Make a folder, and raise if nothing can be written there, before it is paid."""
    if kind == "parquet" and find_spec("pyarrow") is None:
        raise OptionError(
            "format = 'parquet' needs pyarrow: pip install pyarrow. Or set 'csv'."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".{os.getpid()}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise OptionError(
            f"Nothing can be written to the folder {folder}: {error.strerror}."
        ) from error


def write_sources(sources: Sources, folder: Path, kind: str) -> None:
    """Write the frames of all sources and the report."""
    kinds: dict[str, Any] = {
        "proxy": sources.proxy,
        "synthetic": sources.synthetic,
        "texts": sources.texts,
    }
    done: set[Path] = set()
    for what, frames in kinds.items():
        for name, frame in frames.items():
            plain = "".join(k if k.isalnum() or k in "-._" else "_" for k in name)
            path = folder / f"{what}-{plain}.{kind}"
            while path in done:  # "a/b" and "a_b" are two sources
                path = path.with_stem(f"{path.stem}_")
            done.add(path)
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

"""Validate the docstrings of everything public with numpydoc; prints what is wrong."""

from __future__ import annotations

import configparser
import importlib
import inspect
import logging
from pathlib import Path
import pkgutil
import sys

from numpydoc.validate import validate

import statsmodels_synth

#: Classes whose constructor or methods are documented elsewhere: statsmodels' own
#: wrapper, results and GMM, score factors and predicted scores by their protocols.
INHERITED = (
    *("Wrapper", "StackedMomentsGMM", "PredictedResults"),
    *("Score", "Scores", "GapMethod", "Partitions"),
)


def public_names() -> list[str]:
    """Qualified names of public modules, functions, classes and methods."""
    names = []
    for info in pkgutil.walk_packages(statsmodels_synth.__path__, "statsmodels_synth."):
        try:
            module = importlib.import_module(info.name)
        except (ImportError, ValueError):  # rpy2 is not there, or finds no R
            if not info.name.startswith("statsmodels_synth.r."):
                raise
            print(f"{info.name}: not checked, since R is missing")
            continue
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", None) == info.name
            if name.startswith("_") or name.endswith(INHERITED) or not ours:
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                names.append(f"{info.name}.{name}")
            if inspect.isclass(value):
                names += [
                    f"{info.name}.{name}.{method}"
                    for method, member in vars(value).items()
                    if not method.startswith("_")
                    and (inspect.isfunction(member) or isinstance(member, classmethod))
                ]
    return names


def main() -> int:
    """Return the number of errors, printed one a line."""
    logging.getLogger("rpy2").setLevel(logging.CRITICAL)  # tells how it was built
    config = configparser.ConfigParser()
    config.read(Path(__file__).parents[1] / "setup.cfg")
    skipped = set(config["tool:numpydoc_validation"]["checks"].split(",")) - {"all"}
    errors = []
    for name in public_names():
        for code, message in validate(name)["errors"]:
            if code not in skipped:
                errors.append(f"{name}: {code} {message}")
    print("\n".join(errors) or "docstrings: all valid")
    return len(errors)


if __name__ == "__main__":
    sys.exit(min(main(), 1))

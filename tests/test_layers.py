"""Data flows one way: no module imports a later one."""

from __future__ import annotations

import ast
from pathlib import Path
import subprocess
import sys

import statsmodels_synth

PACKAGE = Path(statsmodels_synth.__file__).parent
#: From first to last. What is on one line does not import each other either.
ORDER = [
    ["exceptions"],
    ["options", "_arrays", "_process", "_pyplot", "uses", "inherited"],
    ["frame_kinds", "column_types", "unit_ids"],
    ["_statsmodels", "_formulaic", "syntax"],
    ["design"],
    ["assembly"],
    ["sources"],
    ["given_sources", "predicting"],
    ["columns", "parsing", "unit_columns", "labeling", "plain_terms", "row_order"],
    ["specifications"],
    ["frames", "formula"],
    ["evaluate"],
    ["arguments"],
    ["scores"],
    ["source_sums"],
    ["starts", "moment_sums"],
    ["weights", "clusters"],
    ["shrinkage", "target"],
    ["solver"],
    ["checks", "separation", "cautions"],
    ["aligning"],
    ["covariance", "correction", "naive"],
    ["inference", "representativeness"],
    ["fitting"],
    ["tested_results"],
    ["predicted_results"],
    ["summary"],
    ["estimators.problem", "estimators.graphics"],
    ["estimators.predicted", "estimators.results"],
    ["estimators.rectify", "estimators.simple"],
    ["estimators.prediction_powered", "estimators.debias", "estimators.learned"],
    ["estimators.comparison"],
    ["estimators.__init__"],
    ["graphics", "source_results"],
    ["planning.prediction", "planning.power"],
    ["planning.arguments", "planning.search", "planning.variance"],
    ["planning.graphics", "planning.pilots", "planning.summary"],
    ["planning.mixes"],
    ["planning.plan"],
    ["planning.__init__"],
    ["diagnostics.source_bias", "diagnostics.agreement", "diagnostics.subgroups"],
    ["diagnostics.coverage", "diagnostics.left_out", "diagnostics.shown_labels"],
    ["diagnostics.tables"],
    ["diagnostics.verdict", "diagnostics.graphics"],
    ["diagnostics.diagnose"],
    ["diagnostics.__init__"],
    ["analysis_results"],
    ["results"],
    ["partitions.parts"],
    ["partitions.groups", "partitions.joining", "partitions.learning"],
    ["partitions.dask_rows"],
    ["partitions.matching"],
    ["partitions.construct"],
    ["partitions.__init__"],
    ["label_sets"],
    ["stock", "many"],
    ["model"],
    # Task exchangeability stands on the first three levels alone.
    ["tasks.options", "tasks.gaps"],
    ["tasks.samples", "tasks.bradley_terry", "tasks.weighting"],
    ["tasks.methods", "tasks.reading"],
    ["tasks.exchange", "tasks.reading_summaries", "tasks.diagnostics"],
    ["tasks.summary", "tasks.graphics"],
    ["tasks.checked_results"],
    ["tasks.results"],
    ["tasks.model"],
    ["tasks.__init__"],
    ["__init__"],
    ["demo"],
    # The bridge to R.
    ["r.__init__"],
    ["r.locate", "r.interrupts", "r.augmented", "r.convert"],
    ["r.install", "r.script", "r.tasks"],
    ["r.doctor", "r.dispatcher"],
    ["r.__main__", "r.attach"],
]


def path_of(name: str) -> Path:
    """File of a module."""
    return PACKAGE / f"{name.replace('.', '/')}.py"


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports at run time."""
    found = set()
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only or not isinstance(node, ast.ImportFrom):
            continue
        package, _, module = (node.module or "").partition(".")
        if package == "statsmodels_synth":
            names = [module] if module else [alias.name for alias in node.names]
            for name in names:
                if path_of(name).exists():
                    found.add(name)
                else:  # a package, or a name of the whole
                    inside = (PACKAGE / name).is_dir()
                    found.add(f"{name}.__init__" if inside else "__init__")
    return found


def test_every_module_has_its_place() -> None:
    modules = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
    }
    assert modules == {name for level in ORDER for name in level}


def test_no_module_imports_a_later_one() -> None:
    rank = {name: k for k, level in enumerate(ORDER) for name in level}
    for name, own in rank.items():
        for other in imported(path_of(name)):
            assert rank[other] < own, f"{name} imports {other}"


def test_tasks_need_nothing_of_the_estimator() -> None:
    for level in ORDER:
        for name in level:
            if name.startswith("tasks."):
                outside = {n for n in imported(path_of(name)) if n[:6] != "tasks."}
                assert outside <= {"exceptions", "options", "_arrays", "_pyplot"}, name


def test_private_statsmodels_in_one_place() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.stem == "_statsmodels":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "statsmodels."
            ):
                parts = node.module.split(".")
                private = any(p.startswith("_") or p == "sandbox" for p in parts)
                assert not private, f"{path.name} imports {node.module}"


def test_files_stay_small() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 600, path.name


def test_matplotlib_is_not_imported_until_a_figure_is_drawn() -> None:
    code = "import statsmodels_synth, sys; sys.exit('matplotlib.pyplot' in sys.modules)"
    before = "import statsmodels.api, sys; sys.exit('matplotlib.pyplot' in sys.modules)"
    alone = subprocess.run([sys.executable, "-c", before], check=False).returncode
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode <= alone


def test_analyses_are_not_imported_until_they_are_asked_for() -> None:
    code = (
        "import statsmodels_synth, sys; "
        "sys.exit(any(f'statsmodels_synth.{name}' in sys.modules "
        "for name in ('estimators', 'diagnostics', 'planning')))"
    )
    assert not subprocess.run([sys.executable, "-c", code], check=False).returncode

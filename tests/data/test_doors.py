"""Arrays, frames and Dask come in by three doors, and make one kind of problem."""

from __future__ import annotations

import ast
from dataclasses import FrozenInstanceError
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import statsmodels_synth
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.data.arrays import AlignedProblem, ModelOptions, align_arrays
from statsmodels_synth.data.dask import partitioned
from statsmodels_synth.data.from_frames import align_tables
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.problem.scores import read_score


def units() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"x": rng.normal(size=300)}, index=range(100, 400))
    data.index.name = "unit"
    data["llm"] = data.x + rng.normal(size=300)
    data["y"] = (data.llm + rng.normal(size=300)).where(np.arange(300) % 3 == 0)
    return data


def problem_by(door: str) -> AlignedProblem:
    """The same problem, by one of the doors."""
    data, target = units(), read_score(None, None)
    if door == "arrays":
        exog = np.column_stack([np.ones(300), data.x])
        options = ModelOptions({"y": (data.llm.to_numpy(), exog)})
        return align_arrays(data.y.to_numpy(), exog, None, target, options)
    options = ModelOptions({"y": "llm"})
    found: dict[str, Any] = {"namespace": {}, "engine": None, "on": None}
    if door == "frames":
        return align_tables("y ~ x", data, None, target, options, **found)
    dask = pytest.importorskip("dask.dataframe")
    frame = dask.from_pandas(data, npartitions=3)
    return partitioned()("y ~ x", frame, None, target, options, **found)


@pytest.mark.parametrize("door", ["arrays", "frames", "dask"])
def test_each_door_makes_a_problem_and_it_alone_makes_the_model(door: str) -> None:
    problem = problem_by(door)
    with pytest.raises(FrozenInstanceError):
        problem.n_incomplete = 3  # type: ignore[misc]
    model = AugmentedGMM.from_problem(problem)
    expected = AugmentedGMM.from_formula("y ~ x", units(), {"y": "llm"}).fit()
    result = model.fit()
    np.testing.assert_allclose(result.params, expected.params, rtol=1e-10)
    np.testing.assert_allclose(result.bse, expected.bse, rtol=1e-10)
    assert model.n_units == 300
    assert model.options.missing == "drop"


def test_the_constructor_has_no_hidden_options() -> None:
    shown = [
        name
        for name, parameter in inspect.signature(AugmentedGMM).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    # What levels a regressor has is a matter of frames.
    options = set(ModelOptions.__dataclass_fields__) - {"rare_levels"}
    assert set(shown) == options | {"endog", "exog", "labeled", "family"}
    for hidden in ("learned", "unit_index", "labeling", "aligned", "source_state"):
        with pytest.raises(OptionError, match=hidden):
            AugmentedGMM([1.0, 2.0], [[1.0], [1.0]], **{hidden: None})


def test_nothing_is_set_on_a_model_from_outside() -> None:
    package = Path(statsmodels_synth.__file__).parent
    found = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute)
        and ast.unparse(target.value).split(".")[0] in {"model", "given"}
    ]
    assert not found

"""
Regression with imperfect synthetic data, in the style of statsmodels.

Estimates are valid when units are labelled at random or with known probabilities, and
the sources are made in the same way for labelled and unlabelled units.

>>> from statsmodels_synth import AugmentedGMM
>>> AugmentedGMM.__name__
'AugmentedGMM'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from statsmodels_synth.model.augmented import AugmentedGMM
from statsmodels_synth.problem.design import SourceArrays
from statsmodels_synth.results.augmented import AugmentedGMMResults

if TYPE_CHECKING:
    from statsmodels_synth.estimators import combine
    from statsmodels_synth.model.drawing import draw_labels
    from statsmodels_synth.model.prevalence import PrevalenceResults, prevalence
    from statsmodels_synth.tasks import TaskExchangeability, TaskExchangeabilityResults

__all__ = [
    "AugmentedGMM",
    "AugmentedGMMResults",
    "PrevalenceResults",
    "SourceArrays",
    "TaskExchangeability",
    "TaskExchangeabilityResults",
    "combine",
    "draw_labels",
    "prevalence",
]
__version__ = "0.2.0"


#: What most users do not need, and where it is.
_LATER = {
    "TaskExchangeability": "tasks",
    "TaskExchangeabilityResults": "tasks",
    "PrevalenceResults": "model.prevalence",
    "combine": "estimators",
    "draw_labels": "model.drawing",
    "prevalence": "model.prevalence",
}
#: Modules that users import from.
_PARTS = (
    "datasets",
    "diagnostics",
    "estimators",
    "exceptions",
    "generation",
    "scores",
)


def __getattr__(name: str) -> Any:
    """Import what most users do not need when it is asked for."""
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    if name in _PARTS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What users need."""
    return [*__all__, "__version__", *_PARTS]

"""
Regression with imperfect synthetic data, in the style of statsmodels.

Estimates are valid when units are labelled at random or with known probabilities, and
the sources are made in the same way for labelled and unlabelled units.

>>> from statsmodels_synth import AugmentedGMM
>>> AugmentedGMM.__name__
'AugmentedGMM'
"""

from statsmodels_synth.design import SourceArrays
from statsmodels_synth.model import AugmentedGMM
from statsmodels_synth.results import AugmentedGMMResults
from statsmodels_synth.tasks import TaskExchangeability, TaskExchangeabilityResults

__all__ = [
    "AugmentedGMM",
    "AugmentedGMMResults",
    "SourceArrays",
    "TaskExchangeability",
    "TaskExchangeabilityResults",
]
__version__ = "0.1.0"

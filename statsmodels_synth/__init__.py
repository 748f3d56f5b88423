"""
Regression with imperfect synthetic data, in the style of statsmodels.

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

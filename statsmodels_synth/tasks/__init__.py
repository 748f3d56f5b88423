"""
Inference from synthetic data alone, by task exchangeability.

>>> from statsmodels_synth.tasks import TaskExchangeability
>>> TaskExchangeability.__name__
'TaskExchangeability'
"""

from statsmodels_synth.tasks.model import TaskExchangeability
from statsmodels_synth.tasks.results import TaskExchangeabilityResults

__all__ = ["TaskExchangeability", "TaskExchangeabilityResults"]

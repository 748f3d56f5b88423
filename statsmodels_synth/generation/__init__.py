"""
From texts and a model to valid sources: proxies and counterparts of every unit.

Labels of humans never reach a prompt, and every unit is asked about in the same way.
The libraries of the extra `llm` are imported when they are used.

>>> from statsmodels_synth.generation import Binary
>>> Binary("Is the request polite?").levels
{'no': 0.0, 'yes': 1.0}
"""

from statsmodels_synth.generation.answers import Answer
from statsmodels_synth.generation.codebook import (
    Binary,
    Choice,
    Codebook,
    Number,
    Scale,
)
from statsmodels_synth.generation.costs import Estimate, Prices
from statsmodels_synth.generation.models import Model, OpenAIModel
from statsmodels_synth.generation.pairs import PairStudy, judge_pairs
from statsmodels_synth.generation.requests import Request, Settings
from statsmodels_synth.generation.sources import Sources
from statsmodels_synth.generation.study import Study

__all__ = [
    "Answer",
    "Binary",
    "Choice",
    "Codebook",
    "Estimate",
    "Model",
    "Number",
    "OpenAIModel",
    "PairStudy",
    "Prices",
    "Request",
    "Scale",
    "Settings",
    "Sources",
    "Study",
    "judge_pairs",
]

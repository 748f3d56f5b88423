"""
Scores of target models: what ``score=`` takes.

>>> from statsmodels_synth.scores import TargetScore
>>> TargetScore().low
-inf
"""

from statsmodels_synth.problem.scores import (
    AverageTreatmentEffect,
    InstrumentalVariables,
    MultinomialLogit,
    OrderedLogit,
    OrderedProbit,
    Score,
    TargetScore,
)

__all__ = [
    "AverageTreatmentEffect",
    "InstrumentalVariables",
    "MultinomialLogit",
    "OrderedLogit",
    "OrderedProbit",
    "Score",
    "TargetScore",
]

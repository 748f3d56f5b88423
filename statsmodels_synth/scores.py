"""
Scores of target models: what ``score=`` takes.

>>> from statsmodels_synth.scores import TargetScore
>>> TargetScore().low
-inf
"""

from statsmodels_synth.problem.scores import (
    AverageTreatmentEffect,
    Huber,
    InstrumentalVariables,
    MultinomialLogit,
    NegativeBinomial2,
    OrderedLogit,
    OrderedProbit,
    Quantile,
    Score,
    TargetScore,
)

__all__ = [
    "AverageTreatmentEffect",
    "Huber",
    "InstrumentalVariables",
    "MultinomialLogit",
    "NegativeBinomial2",
    "OrderedLogit",
    "OrderedProbit",
    "Quantile",
    "Score",
    "TargetScore",
]

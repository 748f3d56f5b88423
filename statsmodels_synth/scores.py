"""
Scores of target models: what ``score=`` takes.

>>> from statsmodels_synth.scores import TargetScore
>>> TargetScore().low
-inf
"""

from statsmodels_synth.problem.scores import (
    Huber,
    InstrumentalVariables,
    NegativeBinomial2,
    Quantile,
    Score,
    TargetScore,
)

__all__ = [
    "Huber",
    "InstrumentalVariables",
    "NegativeBinomial2",
    "Quantile",
    "Score",
    "TargetScore",
]

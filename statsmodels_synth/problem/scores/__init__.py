"""
Scores of target models: one file for each kind, and one row of a table.

The moment function of the paper, psi(theta; y, x), is the score of the target model.
With one linear predictor ``eta = x @ theta + offset`` in a row it is ``x`` times a
scalar ``s(y, eta)``, and its derivative is ``x x'`` times ``s'``. All else in this
package works with these two numbers per row.
"""

from __future__ import annotations

from typing import Any

from statsmodels.genmod import families

from statsmodels_synth.core.messages import type_name
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.problem.scores.glm import FamilyScore, glm_score
from statsmodels_synth.problem.scores.huber import Huber
from statsmodels_synth.problem.scores.instruments import InstrumentalVariables
from statsmodels_synth.problem.scores.levels import (
    LevelScore,
    MultinomialLogit,
    OrderedLogit,
    OrderedProbit,
)
from statsmodels_synth.problem.scores.negative_binomial import NegativeBinomial2
from statsmodels_synth.problem.scores.plugin import PluginScore
from statsmodels_synth.problem.scores.protocol import Score, TargetScore
from statsmodels_synth.problem.scores.quantile import Quantile
from statsmodels_synth.problem.scores.treatment import AverageTreatmentEffect

__all__ = [
    "AverageTreatmentEffect",
    "FamilyScore",
    "Huber",
    "InstrumentalVariables",
    "LevelScore",
    "MultinomialLogit",
    "NegativeBinomial2",
    "OrderedLogit",
    "OrderedProbit",
    "PluginScore",
    "Quantile",
    "Score",
    "TargetScore",
    "read_score",
]


def read_score(family: Any, score: Any) -> TargetScore:
    """The target model of ``family=`` or ``score=``; least squares if neither."""
    if score is None:
        return glm_score(families.Gaussian() if family is None else family)
    if family is not None:
        raise OptionError(
            "family= and score= both name the target model. Give one of them."
        )
    if isinstance(score, families.Family):
        raise OptionError(
            f"score={type(score).__name__}() is a family of statsmodels. Give it as "
            "family=."
        )
    is_class = isinstance(score, type)
    what = f"the class {score.__name__}" if is_class else f"a {type_name(score)}"
    if is_class or not callable(getattr(score, "factors", None)):
        raise OptionError(
            f"score= is {what}. Give an object with a method factors(endog, linear), "
            "which returns the score of each row and its derivative with respect to "
            "the linear predictor."
        )
    return score if isinstance(score, TargetScore) else PluginScore(score)

"""
Other estimators on the same aligned data, to compare with.

Each takes an :class:`~statsmodels_synth.AugmentedGMM` or its results and returns
what statsmodels' results offer. ``AugmentedGMMResults.compare`` calls them all.
"""

from statsmodels_synth.estimators.combining import Combined, CombinedTest, combine
from statsmodels_synth.estimators.comparison import Comparison, compare
from statsmodels_synth.estimators.debias import predict_then_debias
from statsmodels_synth.estimators.learned import default_learner, dsl, reppi
from statsmodels_synth.estimators.prediction_powered import ppi, ppi_synth
from statsmodels_synth.estimators.results import (
    EstimatorResults,
    EstimatorResultsWrapper,
)
from statsmodels_synth.estimators.simple import (
    labeled_only,
    naive_pooled,
    naive_proxy,
    naive_synthetic,
)

__all__ = [
    "Combined",
    "CombinedTest",
    "Comparison",
    "EstimatorResults",
    "EstimatorResultsWrapper",
    "combine",
    "compare",
    "default_learner",
    "dsl",
    "labeled_only",
    "naive_pooled",
    "naive_proxy",
    "naive_synthetic",
    "ppi",
    "ppi_synth",
    "predict_then_debias",
    "reppi",
]

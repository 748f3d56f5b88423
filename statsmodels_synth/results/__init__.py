"""What a fit returns, its summary and its figure."""

from statsmodels_synth.results.augmented import (
    AugmentedGMMResults,
    AugmentedGMMResultsWrapper,
)

__all__ = ["AugmentedGMMResults", "AugmentedGMMResultsWrapper"]

"""The model that users construct."""

from statsmodels_synth.model.augmented import AugmentedGMM

__all__ = ["AugmentedGMM"]

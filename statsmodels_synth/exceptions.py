"""
Errors and warnings.

Every error derives from :class:`SynthError` and from the built-in exception
that statsmodels or pandas would raise in its place, so that existing
``except ValueError`` code keeps working. A message says what is wrong, where
(source, column, up to five units) and what to do about it.
"""

from __future__ import annotations

from statsmodels.tools.sm_exceptions import (
    ConvergenceWarning as StatsmodelsConvergenceWarning,
)

__all__ = [
    "AlignmentError",
    "CollinearSourceWarning",
    "CollinearityError",
    "ConvergenceWarning",
    "CostLimitError",
    "CoverageWarning",
    "CurrentTaskLabelsWarning",
    "DataError",
    "DegenerateGapWarning",
    "DiscreteOutcomeWarning",
    "DroppedTaskWarning",
    "FewClustersWarning",
    "FewUnitsWarning",
    "FormulaError",
    "FullyLabeledWarning",
    "GenerationError",
    "GenerationWarning",
    "InfiniteIntervalWarning",
    "LabelAgreementWarning",
    "MissingCodeWarning",
    "ModelError",
    "OptionError",
    "RareLevelWarning",
    "SeparationError",
    "SynthError",
    "SynthWarning",
    "UnavailableError",
    "WeakInstrumentWarning",
]


class SynthError(Exception):
    """Root of every error that this package raises on purpose."""


class DataError(SynthError, ValueError):
    """The values of a frame or an array cannot be used."""


class AlignmentError(DataError):
    """Frames cannot be matched unit by unit."""


class FormulaError(DataError):
    """The formula cannot be evaluated on one of the frames."""


class CollinearityError(DataError):
    """Columns of a design matrix are linearly dependent."""


class SeparationError(DataError):
    """The outcome is separated by the regressors: no finite estimate exists."""


class OptionError(SynthError, ValueError):
    """An option is misspelt or has a value that does not exist."""


class UnavailableError(SynthError, AttributeError):
    """A member of statsmodels' classes that means nothing here."""


class GenerationError(SynthError, RuntimeError):
    """A run of a language model cannot go on; what is answered is kept."""


class ModelError(GenerationError):
    """
    A model gave no answer to a request.

    Parameters
    ----------
    message : str
        What it said instead.
    retryable : bool
        Whether the same request may succeed later.
    after : float, optional
        Seconds to wait before, where the model says so.
    """

    def __init__(
        self, message: str, retryable: bool = False, after: float | None = None
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.after = after


class CostLimitError(GenerationError):
    """A run has cost what it may cost; what is answered is kept."""


class SynthWarning(UserWarning):
    """Root of every warning that this package issues."""


class ConvergenceWarning(SynthWarning, StatsmodelsConvergenceWarning):  # type: ignore[misc]
    """The solver stopped before the moment conditions were solved."""


class CoverageWarning(SynthWarning):
    """Some labelled units are absent from a source."""


class CollinearSourceWarning(SynthWarning):
    """A source was dropped: its moments repeat those of other sources."""


class FewClustersWarning(SynthWarning):
    """There are few clusters with labelled units."""


class FewUnitsWarning(SynthWarning):
    """A coefficient, or a stratum, rests on very few labelled units."""


class LabelAgreementWarning(SynthWarning):
    """A source agrees with (almost) every label: too little is known of its errors."""


class CoderWarning(SynthWarning):
    """Coders of a unit are divided: no code is that of most."""


class WeakInstrumentWarning(SynthWarning):
    """The labelled rows hardly tell what an instrument does."""


class RareLevelWarning(SynthWarning):
    """A regressor has levels that no labelled unit has."""


class MissingCodeWarning(SynthWarning):
    """A value of the outcome looks like the code of a missing one."""


class DiscreteOutcomeWarning(SynthWarning):
    """The outcome has few values, and the target is a quantile of it."""


class FullyLabeledWarning(SynthWarning):
    """Every unit is labelled, so the sources have nothing to add."""


class GenerationWarning(SynthWarning):
    """Sources may not be made alike for all units, or not by the same model."""


class InfiniteIntervalWarning(SynthWarning):
    """There are too few tasks for an interval with finite ends."""


class DegenerateGapWarning(SynthWarning):
    """Samples without variation: their interval has no width and is too short."""


class DroppedTaskWarning(SynthWarning):
    """Tasks or rows that cannot be used were left out."""


class CurrentTaskLabelsWarning(SynthWarning):
    """The current task has real data, which task exchangeability does not use."""

"""How intervals are made at any level: one small object for each kind of interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.tasks.gaps import (
    Estimates,
    GapIntervals,
    bootstrap_interval,
    hoeffding_gaps,
    hoeffding_interval,
    quantile_interval,
    student_gaps,
    student_interval,
)
from statsmodels_synth.tasks.options import Interval, TaskSettings
from statsmodels_synth.tasks.samples import (
    TaskData,
    bootstrap,
    quantile_of,
    sort_within,
)


class GapMethod(Protocol):
    """Makes the intervals that the algorithms are built of."""

    def gaps(self, alpha: float) -> GapIntervals:
        """
        Intervals of the gaps of the historical tasks.

        Parameters
        ----------
        alpha : float
            One minus the level.

        Returns
        -------
        GapIntervals
            Of shape (T, D).
        """

    def synthetic(self, alpha: float) -> tuple[Floats, Floats]:
        """
        Intervals of the synthetic quantities of all tasks.

        Parameters
        ----------
        alpha : float
            One minus the level.

        Returns
        -------
        lower, upper : ndarray (T + 1, D)
            The current task comes last.
        """


@dataclass(frozen=True)
class StudentMethod:
    """
    Student or normal intervals: Welch, paired, Hajek, from parameters.

    Parameters
    ----------
    gap : Estimates (T, D)
        Gaps.
    made : Estimates (T + 1, D)
        Synthetic estimates.
    """

    gap: Estimates
    made: Estimates

    def gaps(self, alpha: float) -> GapIntervals:  # noqa: D102  see GapMethod
        return student_gaps(self.gap, alpha)

    def synthetic(self, alpha: float) -> tuple[Floats, Floats]:  # noqa: D102
        return student_interval(self.made, alpha)


@dataclass(frozen=True)
class HoeffdingMethod:
    """
    Hoeffding's intervals of means.

    Parameters
    ----------
    real : ndarray (T, D)
        Means.
    made : ndarray (T + 1, D)
        Means.
    n_real : ndarray (T, 1)
        Numbers of observations.
    n_made : ndarray (T + 1, 1)
        Likewise.
    width : float
        Range of the values.
    paired : bool
        Whether observations are pairs.
    """

    real: Floats
    made: Floats
    n_real: Floats
    n_made: Floats
    width: float
    paired: bool

    def gaps(self, alpha: float) -> GapIntervals:  # noqa: D102
        return hoeffding_gaps(
            self.real,
            self.made[:-1],
            self.n_real,
            self.n_made[:-1],
            self.width,
            alpha,
            self.paired,
        )

    def synthetic(self, alpha: float) -> tuple[Floats, Floats]:  # noqa: D102
        return hoeffding_interval(self.made, self.n_made, self.width, alpha)


@dataclass(frozen=True)
class BootstrapMethod:
    """
    Percentile or basic bootstrap intervals.

    Parameters
    ----------
    gap : ndarray (T, D)
        Gaps.
    made : ndarray (T + 1, D)
        Synthetic estimates.
    gap_draws : ndarray (T, D, B)
        Draws, sorted along the last axis.
    made_draws : ndarray (T + 1, D, B)
        Likewise.
    basic : bool
        Basic instead of percentile.
    votes : bool
        Whether the draws came with votes, for messages.
    """

    gap: Floats
    made: Floats
    gap_draws: Floats
    made_draws: Floats
    basic: bool
    votes: bool = False

    def gaps(self, alpha: float) -> GapIntervals:  # noqa: D102
        ends = bootstrap_interval(
            self.gap, self.gap_draws, alpha, self.basic, self.votes
        )
        return GapIntervals(self.gap, *ends)

    def synthetic(self, alpha: float) -> tuple[Floats, Floats]:  # noqa: D102
        return bootstrap_interval(
            self.made, self.made_draws, alpha, self.basic, self.votes
        )


@dataclass(frozen=True)
class OrderMethod:
    """
    Exact intervals of quantiles; half of alpha for each of the two samples of a gap.

    Parameters
    ----------
    gap : ndarray (T, D)
        Gaps.
    real : ndarray (n, D)
        Real samples, sorted.
    real_starts : ndarray (T + 1,) of int
        Where they begin.
    made : ndarray (N, D)
        Synthetic samples, sorted.
    made_starts : ndarray (T + 2,) of int
        Where they begin.
    q : float
        Which quantile.
    """

    gap: Floats
    real: Floats
    real_starts: Positions
    made: Floats
    made_starts: Positions
    q: float

    def gaps(self, alpha: float) -> GapIntervals:  # noqa: D102
        low, high = quantile_interval(self.real, self.real_starts, self.q, alpha / 2)
        made_low, made_high = self.synthetic(alpha / 2)
        return GapIntervals(self.gap, low - made_high[:-1], high - made_low[:-1])

    def synthetic(self, alpha: float) -> tuple[Floats, Floats]:  # noqa: D102
        return quantile_interval(self.made, self.made_starts, self.q, alpha)


def choose_interval(data: TaskData, interval: Interval | None) -> Interval:
    """
    Interval that suits the data, or a check that the chosen one does.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> choose_interval(example_model().data, None)
    'welch'
    """
    q = quantile_of(data.statistic)
    default: Interval = "paired" if data.paired else "welch"
    if data.draws is not None or callable(data.statistic):
        default = "percentile"
    elif q is not None:
        default = "order"
    if interval is None:
        return default
    possible: list[Interval] = []
    if data.draws is None and data.statistic == "mean":
        possible += [default, "normal"]
    if data.samples is not None or data.draws is not None:
        possible += ["percentile", "basic"]
    weighted = data.samples is not None and data.samples[0].weights is not None
    if data.samples is not None and not weighted:
        if data.statistic == "mean":
            possible.append("hoeffding")
        if q is not None:
            possible.append("order")
    if interval not in possible:
        why = f"{data.kind} with statistic={_name(data.statistic)!r}"
        why += ", real and synthetic values paired" if data.paired else ""
        why += ", weights" if weighted else ""
        names = ", ".join(repr(name) for name in possible)
        raise OptionError(
            f"interval={interval!r} does not exist for {why}. There are: {names}."
            + _hint(data, interval)
        )
    return interval


def _name(statistic: object) -> object:
    return getattr(statistic, "__name__", statistic)


def _hint(data: TaskData, interval: str) -> str:
    if interval == "paired" and not data.paired:
        return (
            " For paired intervals name the column of the units with unit= "
            "(from_frame) or that of the correlations with correlation= "
            "(from_estimates)."
        )
    if interval == "welch" and data.paired:
        return " Welch's interval takes the two samples for independent; these are not."
    if interval == "order" and data.samples is not None:
        return ' It bounds quantiles: give statistic="median" or a number in (0, 1).'
    return ""


def make_method(data: TaskData, settings: TaskSettings) -> GapMethod:
    """
    Intervals for the data, as the settings ask.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> method = make_method(example_model().data, TaskSettings(interval="welch"))
    >>> type(method).__name__
    'StudentMethod'
    """
    interval = settings.interval
    if interval in ("welch", "paired"):
        return StudentMethod(data.gaps, data.synthetic)
    if interval == "normal":
        return StudentMethod(data.gaps.normal, data.synthetic.normal)
    if interval in ("percentile", "basic"):
        draws = data.draws or bootstrap(data, settings.n_boot, settings.seed)
        return BootstrapMethod(
            data.gaps.value,
            data.synthetic.value,
            np.sort(draws[0], axis=-1),
            np.sort(draws[1], axis=-1),
            interval == "basic",
            data.kind == "votes",
        )
    assert data.samples is not None
    real, made = data.samples
    if interval == "order":
        q = quantile_of(data.statistic)
        assert q is not None
        return OrderMethod(
            data.gaps.value,
            sort_within(real),
            real.starts,
            sort_within(made),
            made.starts,
            q,
        )
    assert settings.bounds is not None
    low, high = settings.bounds
    for name, sample in (("real", real), ("synthetic", made)):
        smallest, largest = sample.x.min(), sample.x.max()
        if smallest < low or largest > high:
            raise OptionError(
                f"bounds=({low:g}, {high:g}) do not hold: {name} values lie between "
                f"{smallest:g} and {largest:g}. Give the range that values can have."
            )
    return HoeffdingMethod(
        data.real.value,
        data.synthetic.value,
        real.sizes[:, None].astype(float),
        made.sizes[:, None].astype(float),
        high - low,
        data.paired,
    )

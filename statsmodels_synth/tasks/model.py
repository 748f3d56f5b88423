"""The model that users hold: reads data, fits."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
import math
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.messages import count
from statsmodels_synth.core.options import Missing, methods_name_keywords
from statsmodels_synth.core.signatures import not_constructed
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.tasks.exchange import exchange
from statsmodels_synth.tasks.methods import choose_interval, make_method
from statsmodels_synth.tasks.options import Algorithm, Interval, TaskSettings
from statsmodels_synth.tasks.reading import read_frame
from statsmodels_synth.tasks.reading_summaries import (
    Results,
    read_estimates,
    read_results,
    read_votes,
)
from statsmodels_synth.tasks.results import TaskExchangeabilityResults
from statsmodels_synth.tasks.samples import TaskData
from statsmodels_synth.tasks.summary import warn_of_intervals
from statsmodels_synth.tasks.weighting import find_weights


@methods_name_keywords
@not_constructed
class TaskExchangeability:
    r"""
    Inference for a task that has synthetic data alone.

    Historical tasks j = 1, ..., T have a real and a synthetic sample; the current task
    has a synthetic one. With theta the quantity of interest, the gaps
    ``theta_j - theta~_j`` of the past bound that of the present, if the current task is
    exchangeable with the historical ones.

    Make one with :meth:`from_frame`, :meth:`from_estimates`, :meth:`from_results` or
    :meth:`from_votes`.

    Attributes
    ----------
    data : TaskData
        The same.

    References
    ----------
    Tan, L. and Zrnic, T. (2026). Valid inference with synthetic data via task
    exchangeability. arXiv:2606.13629.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from statsmodels_synth import TaskExchangeability
    >>> rng = np.random.default_rng(0)
    >>> rows = []
    >>> for year in range(1960, 2021):
    ...     share = rng.uniform(0.3, 0.7)
    ...     said = share + rng.normal(0.05, 0.02)  # the model is off, a little
    ...     for source, p in (("real", share), ("synthetic", said)):
    ...         if source == "synthetic" or year < 2020:
    ...             value = (rng.random(400) < p).astype(float)
    ...             rows.append(
    ...                 pd.DataFrame({"task": year, "source": source, "value": value})
    ...             )
    >>> model = TaskExchangeability.from_frame(pd.concat(rows), current=2020)
    >>> model.fit(alpha=0.10).conf_int().round(3)
           lower  upper
    value  0.085  0.521
    """

    def __init__(self, data: TaskData) -> None:
        if not isinstance(data, TaskData):
            raise OptionError(
                "TaskExchangeability is made with from_frame, from_estimates, "
                f"from_results or from_votes, not from {type(data).__name__}."
            )
        self.data = data

    def __repr__(self) -> str:
        return (
            f"<TaskExchangeability: {count(len(self.data.tasks), 'historical task')}, "
            f"current task {self.data.current!r}>"
        )

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        current: object,
        task: Hashable = "task",
        source: Hashable = "source",
        value: Hashable | Sequence[Hashable] = "value",
        weight: Hashable | None = None,
        unit: Hashable | None = None,
        statistic: str | float | Callable[..., Any] = "mean",
        covariates: Hashable | Sequence[Hashable] | None = None,
        missing: Missing = "raise",
    ) -> TaskExchangeability:
        """
        Make a model from a tidy frame, one row per observation.

        Parameters
        ----------
        frame : DataFrame
            Observations of all tasks, real and synthetic.
        current : object
            The current task, a value of the column `task`.
        task, source : hashable
            Columns of the task and of the source, which is "real" or "synthetic".
        value : hashable or sequence of hashable
            Column of the values; several for a theta with several coordinates.
        weight : hashable, optional
            Column of weights. Means are then weighted (Hajek).
        unit : hashable, optional
            Column of units, where real and synthetic observations of a task are
            pairs. If omitted, the two samples are taken for independent.
        statistic : "mean", "median", float or callable
            What theta is: a mean, a quantile (a number in (0, 1)), or a function that
            takes a sample and returns a number. A function with an argument `axis` is
            given many samples at once.
        covariates : hashable or sequence of hashable, optional
            Columns that describe tasks, such as a year; constant within a task.
        missing : {"raise", "drop"}
            What to do with rows with missing values (with `unit`, their partners go
            too), and with historical tasks that lack real or synthetic data.

        Returns
        -------
        TaskExchangeability
            The model.

        Raises
        ------
        DataError
            If a column is absent or not numeric, values are missing or infinite, the
            current task has no synthetic data, or a historical one lacks data.
        AlignmentError
            If `unit` is given and real and synthetic units differ.
        OptionError
            If a statistic does not exist.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({
        ...     "task": ["a", "a", "a", "a", "b", "b"],
        ...     "source": ["real", "real"] + 4 * ["synthetic"],
        ...     "value": [0.0, 1.0, 2.0, 3.0, 1.0, 1.5],
        ... })
        >>> TaskExchangeability.from_frame(frame, current="b")
        <TaskExchangeability: 1 historical task, current task 'b'>
        """
        return cls(
            read_frame(
                frame,
                current,
                task,
                source,
                value,
                weight,
                unit,
                statistic,
                covariates,
                missing,
            )
        )

    @classmethod
    def from_estimates(
        cls,
        frame: pd.DataFrame,
        *,
        current: object,
        task: Hashable | None = None,
        coordinate: Hashable | None = None,
        real: Hashable = "real",
        real_se: Hashable = "real_se",
        real_n: Hashable | None = None,
        synthetic: Hashable = "synthetic",
        synthetic_se: Hashable = "synthetic_se",
        synthetic_n: Hashable | None = None,
        correlation: Hashable | None = None,
        covariates: Hashable | Sequence[Hashable] | None = None,
        missing: Missing = "raise",
    ) -> TaskExchangeability:
        """
        Make a model from estimates, one row per task.

        Parameters
        ----------
        frame : DataFrame
            A row per task, the current one included; its real columns are missing.
        current : object
            The current task.
        task : hashable, optional
            Column of the task; the index if omitted.
        coordinate : hashable, optional
            Column that names coordinates of theta, if there are several rows per task.
        real, real_se : hashable
            Columns of the real estimates and their standard errors.
        real_n : hashable, optional
            Column of numbers of real observations: Student t with n - 1 degrees of
            freedom. Normal quantiles if omitted.
        synthetic, synthetic_se : hashable
            Columns of the synthetic estimates and their standard errors.
        synthetic_n : hashable, optional
            Column of numbers of synthetic observations.
        correlation : hashable, optional
            Column of the correlation of the real and the synthetic estimate of a
            task; for means of pairs that is the correlation of their values. If
            omitted, the two are independent.
        covariates : hashable or sequence of hashable, optional
            Columns that describe tasks.
        missing : {"raise", "drop"}
            What to do with historical tasks that lack an estimate.

        Returns
        -------
        TaskExchangeability
            The model.

        Raises
        ------
        DataError
            If a column is absent or not numeric, a task is repeated, an estimate is
            incomplete, a standard error negative, or n below 2.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame(
        ...     {"real": [0.5, None], "real_se": [0.1, None],
        ...      "synthetic": [0.4, 0.6], "synthetic_se": [0.05, 0.05]},
        ...     index=["old", "new"],
        ... )
        >>> TaskExchangeability.from_estimates(frame, current="new")
        <TaskExchangeability: 1 historical task, current task 'new'>
        """
        columns = [real, real_se, real_n, synthetic, synthetic_se, synthetic_n]
        return cls(
            read_estimates(
                frame,
                current,
                task,
                coordinate,
                columns,
                correlation,
                covariates,
                missing,
            )
        )

    @classmethod
    def from_results(
        cls,
        real: Results,
        synthetic: Results,
        current: Any,
        *,
        params: Hashable | Sequence[Hashable] | None = None,
        tasks: Sequence[Hashable] | None = None,
        name: Hashable = "current",
        covariates: pd.DataFrame | None = None,
    ) -> TaskExchangeability:
        """
        Make a model from fitted results of statsmodels.

        Parameters
        ----------
        real, synthetic : sequence of results, or dict or Series of them by task
            Fits of the same model to the real and the synthetic data of each
            historical task. They are taken for independent. Sequences are matched by
            position, dicts and Series by their keys, which name the tasks.
        current : results
            Fit to the synthetic data of the current task.
        params : hashable or sequence of hashable, optional
            Parameters of interest; all if omitted. Each gets alpha / D, so name those
            that matter.
        tasks : sequence of hashable, optional
            Names of the historical tasks; the keys of the results, or 0, 1, ..., if
            omitted.
        name : hashable
            Name of the current task.
        covariates : DataFrame (T + 1, C), optional
            Covariates, indexed by task.

        Returns
        -------
        TaskExchangeability
            The model.

        Raises
        ------
        AlignmentError
            If the numbers of results, their keys or their parameters differ, or
            covariates do not have one row per task.
        DataError
            If something is no fitted result, or its parameters are missing.
        OptionError
            If names of tasks do not fit.

        Examples
        --------
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> rng = np.random.default_rng(0)
        >>> x = sm.add_constant(rng.normal(size=50))
        >>> fits = [sm.OLS(x[:, 1] + rng.normal(size=50), x).fit() for _ in range(5)]
        >>> TaskExchangeability.from_results(fits[:2], fits[2:4], fits[4], params="x1")
        <TaskExchangeability: 2 historical tasks, current task 'current'>
        """
        return cls(
            read_results(real, synthetic, current, params, tasks, name, covariates)
        )

    @classmethod
    def from_votes(
        cls,
        frame: pd.DataFrame,
        *,
        current: object,
        first: Hashable = "model_a",
        second: Hashable = "model_b",
        real: Hashable = "human",
        synthetic: Hashable = "judge",
        reference: object = None,
        prior: float = 1.0,
        n_boot: int = 1999,
        seed: int = 0,
    ) -> TaskExchangeability:
        """
        Make a model of Bradley-Terry strengths from votes of an autorater.

        A task is a player, theta its log-strength. The current player has votes of the
        autorater alone; human votes on it, if any, are not used.

        Parameters
        ----------
        frame : DataFrame
            A row per comparison.
        current : object
            The current player.
        first, second : hashable
            Columns of the two players.
        real, synthetic : hashable
            Columns of the human vote and that of the autorater: 1 if the first wins,
            0 if the second does, .5 for a tie.
        reference : object, optional
            Player whose strength is 0; it is no task then. The mean of the historical
            players if omitted.
        prior : float
            Votes of each player against an imaginary one of strength 0, half of them
            wins, which keep strengths finite. A player who won or lost every vote has
            a strength and a (too short) interval that this number alone determines.
        n_boot : int
            Bootstrap draws of comparisons.
        seed : int
            Seed of the bootstrap.

        Returns
        -------
        TaskExchangeability
            The model, for ``interval="percentile"`` or ``"basic"``.

        Raises
        ------
        DataError
            If votes are missing or out of range, or players are not connected.
        OptionError
            If an option has no meaning.

        Warns
        -----
        DegenerateGapWarning
            If a player won, or lost, every human vote or every one of the autorater.

        References
        ----------
        Bradley, R. A. and Terry, M. E. (1952). Rank analysis of incomplete block
        designs: the method of paired comparisons. Biometrika, 39, 324-345.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({
        ...     "model_a": ["x", "y", "x", "y"], "model_b": ["y", "x", "z", "z"],
        ...     "human": [1.0, 0.5, None, None], "judge": [1.0, 0.5, 0.0, 0.5],
        ... })
        >>> TaskExchangeability.from_votes(frame, current="z", n_boot=99)
        <TaskExchangeability: 2 historical tasks, current task 'z'>
        """
        return cls(
            read_votes(
                frame,
                current,
                first,
                second,
                real,
                synthetic,
                reference,
                prior,
                n_boot,
                seed,
            )
        )

    def fit(
        self,
        algorithm: Algorithm = 1,
        alpha: float | None = None,
        alphas: tuple[float, float, float] | None = None,
        interval: Interval | None = None,
        *,
        weights: Any = None,
        bandwidth: float = 1.0,
        bounds: tuple[float, float] | None = None,
        n_boot: int = 1999,
        seed: int = 0,
    ) -> TaskExchangeabilityResults:
        """
        Compute the interval for the current task.

        Parameters
        ----------
        algorithm : {1, 2, "finite"}
            1 if tasks and samples are exchangeable; 2 if sample sizes differ
            systematically, so that only the tasks are; "finite" for theta of the real
            sample that was not seen, rather than of its population.
        alpha : float, optional
            One minus the level; the sum of `alphas`, or .10 without these.
        alphas : tuple of float, optional
            Parts of alpha for the synthetic interval, the gap intervals and the band.
            If omitted (.1, .2, .7) alpha; the last is raised to 2 / (T + 1) if that
            makes the interval finite.
        interval : str, optional
            How gap intervals are made: "welch" (independent samples, estimates,
            results), "normal" (the same with normal quantiles, as in the code of Tan
            and Zrnic), "paired", "hoeffding" (means of bounded values), "percentile" or
            "basic" (bootstrap), "order" (quantiles). Chosen by the data if omitted.
        weights : Series, array_like (T,) or "gaussian", optional
            Weights between 0 and 1 of tasks that resemble the current one, or a kernel
            on the covariates. They must not depend on the gaps.
        bandwidth : float
            Of the kernel, in standard deviations of each covariate.
        bounds : tuple of float, optional
            Smallest and largest possible value, for "hoeffding".
        n_boot : int
            Bootstrap draws. Those of votes are made by :meth:`from_votes`.
        seed : int
            Seed of the bootstrap, likewise.

        Returns
        -------
        TaskExchangeabilityResults
            The interval and all that it is made of.

        Raises
        ------
        OptionError
            If an option does not exist or does not suit the data, or parts of alpha do
            not add up.

        Warns
        -----
        InfiniteIntervalWarning
            If there are too few tasks.
        DegenerateGapWarning
            If samples without variation have intervals without width.

        Examples
        --------
        >>> result = example_model().fit(algorithm="finite", alpha=0.20)
        >>> result.conf_int().round(2)
               lower  upper
        theta  -0.75   0.64
        """
        n_boot, seed = _draws(self.data, n_boot, seed)
        parts = _parts(alphas)
        if alpha is None:
            alpha = 0.10 if parts is None else round(math.fsum(parts), 12)
        settings = TaskSettings(
            algorithm, alpha, parts, interval, _parts(bounds), n_boot, seed
        )
        settings = replace(settings, interval=choose_interval(self.data, interval))
        found = find_weights(weights, self.data.tasks, self.data.covariates, bandwidth)
        method = make_method(self.data, settings)
        outcome = exchange(
            method, self.data.synthetic.value, self.data.gaps.value, settings, found
        )
        warn_of_intervals(self.data, settings, outcome, found)
        kernel = float(bandwidth) if isinstance(weights, str) else None
        return TaskExchangeabilityResults(
            self, settings, method, outcome, found, kernel
        )


def _draws(data: TaskData, n_boot: int, seed: int) -> tuple[int, int]:
    """Number and seed of the bootstrap draws, which those of votes have already."""
    if data.draws is None:
        return n_boot, seed
    drawn = (data.draws[0].shape[-1], data.draw_seed)
    usual = (TaskSettings.n_boot, TaskSettings.seed)
    for name, given, own, default in zip(
        ("n_boot", "seed"), (n_boot, seed), drawn, usual, strict=True
    ):
        if given not in (own, default):
            raise OptionError(
                f"{name}={given!r} comes too late: votes were resampled when they were "
                f"read, with {name}={own}. Give {name}= to from_votes."
            )
    return drawn


def _parts(values: Any) -> Any:
    """A tuple of floats, whatever sequence was given."""
    if values is None:
        return None
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise OptionError(f"{values!r} is not a tuple of numbers.") from None


def example_model() -> TaskExchangeability:
    """
    Sixty simulated tasks, for examples.

    Examples
    --------
    >>> example_model()
    <TaskExchangeability: 60 historical tasks, current task 'now'>
    """
    rng = np.random.default_rng(0)
    theta = rng.normal(size=61)
    frame = pd.DataFrame(
        {
            "real": theta + rng.normal(scale=0.1, size=61),
            "real_se": 0.1,
            "synthetic": theta - 0.3 + rng.normal(scale=0.5, size=61),
            "synthetic_se": 0.05,
            "year": np.arange(1960.0, 2021.0),
        },
        index=[*(f"task {year}" for year in range(1960, 2020)), "now"],
    )
    frame.loc["now", ["real", "real_se"]] = np.nan
    return TaskExchangeability.from_estimates(frame, current="now", covariates="year")

"""Checks of exchangeability on what a fit returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, Positions, as_floats
from statsmodels_synth.core.messages import suggest
from statsmodels_synth.core.options import (
    check_count,
    methods_name_keywords,
)
from statsmodels_synth.exceptions import AlignmentError, DataError, OptionError
from statsmodels_synth.tasks.diagnostics import (
    LeaveOneOut,
    TemporalSplit,
    TrendTest,
    permutation_trend,
    smallest_trend,
    split_pvalue,
    typicality,
)
from statsmodels_synth.tasks.exchange import (
    coverage_gap,
    leave_one_out,
    split_tasks,
)
from statsmodels_synth.tasks.methods import GapMethod
from statsmodels_synth.tasks.options import TaskSettings, is_positive
from statsmodels_synth.tasks.weighting import gaussian_weights

#: What the tasks are ordered by if nothing else is named.
ORDER = "order of the tasks"


@methods_name_keywords
class CheckedResults:
    """
    Checks of the assumption that every result has.

    Parameters
    ----------
    model : TaskExchangeability
        The model.
    settings : TaskSettings
        Settings of the fit.
    method : GapMethod
        What makes intervals.
    weights : ndarray (T,), optional
        Weights of the historical tasks.
    bandwidth : float, optional
        Of the kernel that made the weights, if one did.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> isinstance(example_model().fit(), CheckedResults)
    True
    """

    def __init__(
        self,
        model: Any,
        settings: TaskSettings,
        method: GapMethod,
        weights: Floats | None,
        bandwidth: float | None,
    ) -> None:
        self.model = model
        self.settings = settings
        self._method = method
        self._weights = weights
        self._bandwidth = bandwidth

    @property
    def n_tasks(self) -> int:
        """Number T of historical tasks."""
        return len(self.model.data.tasks)

    @property
    def is_weighted(self) -> bool:
        """Whether tasks have weights."""
        return self._weights is not None

    @property
    def has_kernel(self) -> bool:
        """Whether a kernel on the covariates made the weights."""
        return self._bandwidth is not None

    @property
    def weights(self) -> pd.Series:
        """
        Weight of each historical task; that of the current one is 1.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth import TaskExchangeability
        >>> table = pd.DataFrame(
        ...     {
        ...         "real": [0.42, 0.51, 0.38, 0.46, 0.44, None],
        ...         "synthetic": [0.45, 0.55, 0.46, 0.48, 0.49, 0.47],
        ...         "real_se": [0.02, 0.02, 0.02, 0.02, 0.02, None],
        ...         "synthetic_se": 0.01,
        ...     },
        ...     index=["a", "b", "c", "d", "e", "now"],
        ... )
        >>> tasks = TaskExchangeability.from_estimates(table, current="now")
        >>> result = tasks.fit(alpha=0.6, weights=[0.8, 0.8, 0.9, 0.9, 1.0])
        >>> result.weights
        a    0.8
        b    0.8
        c    0.9
        d    0.9
        e    1.0
        Name: weight, dtype: float64
        """
        ones = np.ones(self.n_tasks) if self._weights is None else self._weights
        return pd.Series(ones, index=self.model.data.tasks, name="weight")

    def _task_index(self, tasks: pd.Index) -> pd.Index:
        coordinates = self.model.data.coordinates
        if len(coordinates) == 1:
            return tasks.rename("task")
        return pd.MultiIndex.from_product(
            [tasks, coordinates], names=["task", "coordinate"]
        )

    def _covers(
        self,
        rows: Positions,
        lower: Floats,
        upper: Floats,
        naive: tuple[Floats, Floats],
    ) -> tuple[pd.DataFrame, Bools, Bools]:
        data = self.model.data
        real = data.real.value[rows]
        covered = (lower <= real) & (real <= upper)
        naively = (naive[0] <= real) & (real <= naive[1])
        table = pd.DataFrame(
            {
                "real": real.ravel(),
                "lower": lower.ravel(),
                "upper": upper.ravel(),
                "covered": covered.ravel(),
                "synthetic lower": naive[0].ravel(),
                "synthetic upper": naive[1].ravel(),
                "synthetic covers": naively.ravel(),
            },
            index=self._task_index(data.tasks[rows]),
        )
        every = np.asarray(covered.all(axis=1))
        return table, every, np.asarray(naively.all(axis=1))

    def loo(self) -> LeaveOneOut:
        """
        Leave-one-out coverage over the historical tasks.

        Each historical task is treated as the current one, with the others as history.
        Its real *estimate* stands for theta, so for algorithms 1 and 2 the noise of
        the real sample counts against coverage.

        Weights that the user gave are for the current task and not known for others:
        tasks count equally here. A kernel is applied anew to each task.

        Returns
        -------
        LeaveOneOut
            Coverage, and a table by task.

        Raises
        ------
        DataError
            If there is one historical task.

        Notes
        -----
        Coverage near 1 - alpha shows that the interval is as wide as it must be for
        tasks like the historical ones. It does *not* show that the current task is
        like them, nor that they did not drift: with ``algorithm="finite"`` it is the
        same whatever the order of the tasks, and close to 1 - alpha by construction.
        See :meth:`trend_test`, :meth:`temporal_split` and :meth:`typicality`.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> found = example_model().fit(alpha=0.10).loo()
        >>> round(found.coverage, 3), round(found.naive_coverage, 3)
        (1.0, 0.1)
        """
        data = self.model.data
        if self.n_tasks < 2:
            raise DataError(
                "Leave-one-out needs two historical tasks; there is 1. Add tasks."
            )
        kernel = None
        if self._bandwidth is not None and data.covariates is not None:
            x, bandwidth = data.covariates.to_numpy(), self._bandwidth

            def kernel(j: int) -> Floats:
                return gaussian_weights(x, j, bandwidth)[:-1]

        found = leave_one_out(
            self._method, data.synthetic.value, data.gaps.value, self.settings, kernel
        )
        rows = np.arange(self.n_tasks)
        table, covered, naively = self._covers(
            rows, found.lower, found.upper, found.naive
        )
        return LeaveOneOut(
            table,
            float(covered.mean()),
            float(naively.mean()),
            1.0 - self.settings.alpha,
            self.n_tasks,
            kernel is not None,
        )

    def _by(self, by: Any) -> tuple[str, Floats]:
        """Name and values (T + 1,) of what tasks are ordered by; NaN if unknown."""
        data = self.model.data
        if by is None:
            return ORDER, np.arange(self.n_tasks + 1.0)
        if isinstance(by, str) or (data.covariates is not None and np.ndim(by) == 0):
            names = [] if data.covariates is None else list(data.covariates.columns)
            if by not in names or data.covariates is None:
                hint = suggest(by, names) or (
                    " There are none: name their columns with covariates= when you "
                    "make the model."
                )
                raise OptionError(f"There is no covariate {by!r}.{hint}")
            return str(by), data.covariates[by].to_numpy()
        if isinstance(by, pd.Series):
            absent = data.tasks.difference(by.index, sort=False)
            if len(absent) or by.index.has_duplicates:
                raise AlignmentError(
                    "The index of by= must name every historical task once."
                )
            name = "by" if by.name is None else str(by.name)
            now = by.get(data.current, np.nan)
            return name, np.append(as_floats(by[data.tasks], "by"), float(now))
        values = as_floats(by, "by")
        if values.shape != (self.n_tasks,):
            raise AlignmentError(
                f"by= has shape {values.shape}; there are {self.n_tasks} historical "
                "tasks. Give one number for each, or the name of a covariate."
            )
        return "by", np.append(values, np.nan)

    def _known(self, by: Any) -> tuple[str, Floats]:
        """The same, raising if that of a historical task is not known."""
        name, values = self._by(by)
        if np.isnan(values[:-1]).any():
            raise DataError(f"by= ({name}) is missing for some historical tasks.")
        return name, values

    def trend_test(
        self, by: Any = None, n_permutations: int = 999, seed: int = 0
    ) -> TrendTest:
        """
        Permutation test of a trend of the gaps.

        Parameters
        ----------
        by : hashable, Series or array_like (T,), optional
            A covariate, or numbers by which tasks are ordered; the order in which
            tasks were given if omitted.
        n_permutations : int
            Number of permutations.
        seed : int
            Seed of the permutations.

        Returns
        -------
        TrendTest
            Spearman's correlation, with a p-value that is exact if tasks are
            exchangeable.

        Raises
        ------
        OptionError
            If there is no such covariate.
        AlignmentError, DataError
            If `by` does not fit the tasks.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> example_model().fit().trend_test("year").pvalue
        0.886
        """
        name, values = self._known(by)
        check_count("n_permutations", n_permutations)
        check_count("seed", seed, 0)
        gaps = self.model.data.gaps.value
        rho, pvalue, joint = permutation_trend(gaps, values[:-1], n_permutations, seed)
        table = pd.DataFrame(
            {"spearman": rho, "pvalue": pvalue}, index=self.model.data.coordinates
        )
        floor = smallest_trend(gaps, values[:-1], n_permutations)
        return TrendTest(name, table, joint, n_permutations, floor)

    def temporal_split(self, by: Any = None, share: float = 0.5) -> TemporalSplit:
        """
        Cover late tasks from early ones.

        Parameters
        ----------
        by : hashable, Series or array_like (T,), optional
            What tasks are ordered by; see :meth:`trend_test`.
        share : float
            Share of the tasks that are early.

        Returns
        -------
        TemporalSplit
            Coverage of late tasks, and the chance of as low a number of late gaps in
            the band of the early ones. Tasks count equally, whatever their weights.

        Raises
        ------
        OptionError
            If `share` leaves no task on one side, or there is no such covariate.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> found = example_model().fit(alpha=0.10).temporal_split("year")
        >>> found.coverage, round(found.pvalue, 2)
        (1.0, 0.75)
        """
        name, values = self._known(by)
        if not (is_positive(share) and share < 1.0):
            raise OptionError(
                f"share={share!r} is not between 0 and 1. Give the share of the tasks "
                "that are early, such as 0.5."
            )
        n_early = round(share * self.n_tasks)
        if not 0 < n_early < self.n_tasks:
            raise OptionError(
                f"share={share:g} of {self.n_tasks} tasks leaves none on one side."
            )
        order = np.argsort(values[:-1], kind="stable")
        late = order[n_early:]
        data = self.model.data
        found = split_tasks(
            self._method,
            data.synthetic.value,
            data.gaps.value,
            self.settings,
            order[:n_early],
            late,
        )
        table, covered, _ = self._covers(late, found.lower, found.upper, found.naive)
        inside = found.inside.sum(axis=0)
        tails = [split_pvalue(int(c), len(late), n_early, found.rank) for c in inside]
        return TemporalSplit(
            name,
            table,
            float(covered.mean()),
            1.0 - self.settings.alpha,
            min(1.0, min(tails) * len(tails)),
            n_early,
            len(late),
        )

    def typicality(self) -> pd.Series:
        """
        Rank test of whether the current synthetic estimate is like the past ones.

        Returns
        -------
        Series (D,)
            P-values. A small one says that the current task differs from the
            historical ones in its synthetic data, and so is not exchangeable.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> example_model().fit().typicality().round(2).to_dict()
        {'theta': 0.92}
        """
        data = self.model.data
        return pd.Series(
            typicality(data.synthetic.value), index=data.coordinates, name="pvalue"
        )

    def coverage_gap(self, distance: Any) -> float:
        """
        Bound on the coverage lost where tasks are not exchangeable.

        Parameters
        ----------
        distance : float, Series or array_like (T,)
            Total variation distance, between 0 and 1, of the distribution of each
            historical task from that of the current one: an assumption, which data
            alone cannot give.

        Returns
        -------
        float
            Coverage is at least 1 - alpha minus this, if tasks are independent.

        Raises
        ------
        OptionError
            If a distance is not between 0 and 1.
        AlignmentError
            If distances do not fit the tasks.

        References
        ----------
        Barber, R. F., Candes, E. J., Ramdas, A. and Tibshirani, R. J. (2023). Conformal
        prediction beyond exchangeability. Annals of Statistics, 51, 816-845.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> result = example_model().fit(weights="gaussian")
        >>> round(result.coverage_gap(0.02), 4)
        0.0378
        """
        values = as_floats(distance, "distance")
        if values.ndim:
            values = self._known(distance)[1][:-1]
        if not ((values >= 0.0) & (values <= 1.0)).all():
            raise OptionError("distance= must lie between 0 and 1.")
        return coverage_gap(self.weights.to_numpy(), values)

"""What a fit returns: the interval, its parts, figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.options import check_alpha, methods_name_keywords
from statsmodels_synth.core.signatures import not_constructed
from statsmodels_synth.tasks.checked_results import CheckedResults
from statsmodels_synth.tasks.exchange import (
    Exchange,
)
from statsmodels_synth.tasks.graphics import plot_covariate, plot_gaps
from statsmodels_synth.tasks.methods import GapMethod
from statsmodels_synth.tasks.options import TaskSettings
from statsmodels_synth.tasks.summary import summary as make_summary
from statsmodels_synth.tasks.summary import verdict


@methods_name_keywords
@not_constructed
class TaskExchangeabilityResults(CheckedResults):
    """
    Interval for a task that has synthetic data alone.

    Attributes
    ----------
    model : TaskExchangeability
        The model.
    settings : TaskSettings
        Settings of the fit.
    exchange : Exchange
        The parts of the interval as arrays.

    Examples
    --------
    >>> from statsmodels_synth.tasks.model import example_model
    >>> result = example_model().fit(alpha=0.10)
    >>> result.conf_int().round(2)
           lower  upper
    theta  -1.35   1.32
    >>> result.synthetic_only.round(2)
           lower  upper
    theta  -0.51  -0.35
    """

    def __init__(
        self,
        model: Any,
        settings: TaskSettings,
        method: GapMethod,
        exchange: Exchange,
        weights: Floats | None,
        bandwidth: float | None,
    ) -> None:
        super().__init__(model, settings, method, weights, bandwidth)
        self.exchange = exchange

    def __repr__(self) -> str:
        return (
            f"<TaskExchangeabilityResults: algorithm {self.settings.algorithm}, "
            f"{self.n_tasks} historical tasks>"
        )

    def _repr_html_(self) -> str:
        return str(self.summary().as_html())

    @property
    def effective_tasks(self) -> float:
        """
        Number of equally weighted tasks that would be as many (Kish).

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> result = example_model().fit(alpha=0.10)
        >>> result.effective_tasks
        60.0
        """
        w = self.weights.to_numpy()
        return float(w.sum() ** 2 / np.sum(w**2)) if w.any() else 0.0

    @property
    def gaps(self) -> pd.DataFrame:
        """
        Historical gaps: real and synthetic estimate, gap and its interval, weight.

        The intervals are at the level that the algorithm uses. The index is the task,
        and the coordinate if there are several.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> result = example_model().fit(alpha=0.10)
        >>> result.gaps.shape
        (60, 6)
        """
        data, found = self.model.data, self.exchange.gaps
        columns = {
            "real": data.real.value,
            "synthetic": data.synthetic.value[:-1],
            "gap": found.estimate,
            "lower": found.lower,
            "upper": found.upper,
        }
        frame = pd.DataFrame(
            {name: value.ravel() for name, value in columns.items()},
            index=self._task_index(data.tasks),
        )
        k = len(data.coordinates)
        return frame.assign(weight=np.repeat(self.weights.to_numpy(), k))

    def _interval(self, lower: Floats, upper: Floats) -> pd.DataFrame:
        return pd.DataFrame(
            {"lower": lower, "upper": upper}, index=self.model.data.coordinates
        )

    @property
    def estimate(self) -> pd.Series:
        """
        Synthetic estimate of the current task; the gap is not taken off.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> result = example_model().fit(alpha=0.10)
        >>> result.estimate.round(2)
        theta   -0.43
        Name: synthetic, dtype: float64
        """
        value = self.model.data.synthetic.value[-1]
        return pd.Series(value, index=self.model.data.coordinates, name="synthetic")

    @property
    def gap_band(self) -> pd.DataFrame:
        """
        Band that holds the gap of the current task (Delta_L, Delta_U).

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> result = example_model().fit(alpha=0.10)
        >>> result.gap_band.round(2)
               lower  upper
        theta  -0.79   1.63
        """
        return self._interval(*self.exchange.band)

    @property
    def synthetic_interval(self) -> pd.DataFrame:
        """
        Interval of the synthetic quantity at alpha1.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> result = example_model().fit(alpha=0.10)
        >>> result.synthetic_interval.round(2)
               lower  upper
        theta  -0.56   -0.3
        """
        return self._interval(*self.exchange.synthetic)

    @property
    def synthetic_only(self) -> pd.DataFrame:
        """
        Interval at level 1 - alpha if the synthetic data were real: not valid.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> result = example_model().fit(alpha=0.10)
        >>> result.synthetic_only.round(2)
               lower  upper
        theta  -0.51  -0.35
        """
        return self._interval(*self.exchange.naive)

    @property
    def allocation(self) -> pd.Series:
        """
        Parts of alpha (alpha1, alpha2, alpha3), over all coordinates.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> result = example_model().fit(alpha=0.10)
        >>> result.allocation
        alpha1    0.01
        alpha2    0.02
        alpha3    0.07
        Name: alpha, dtype: float64
        """
        parts, k = self.exchange.allocation, len(self.model.data.coordinates)
        values = np.array([parts.synthetic, parts.gap, parts.band]) * k
        return pd.Series(values, index=["alpha1", "alpha2", "alpha3"], name="alpha")

    @property
    def widths(self) -> pd.DataFrame:
        """
        Width of the interval by origin.

        W1 is the width of the synthetic interval, W3 the spread of the gap centres,
        W2 the rest: what the uncertainty of the gaps adds. W2 is missing where the
        interval is infinite.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> result = example_model().fit(alpha=0.10)
        >>> result.widths.round(2)
                 W1    W2   W3  total
        theta  0.26  0.52  1.9   2.68
        """
        found = self.exchange.widths
        return pd.DataFrame(
            {
                "W1": found.synthetic,
                "W2": found.gap,
                "W3": found.spread,
                "total": self.exchange.upper - self.exchange.lower,
            },
            index=self.model.data.coordinates,
        )

    def conf_int(self, alpha: float | None = None) -> pd.DataFrame:
        """
        Interval for theta of the current task.

        Parameters
        ----------
        alpha : float, optional
            One minus the level; that of the fit if omitted. Parts of alpha that the
            user chose are scaled.

        Returns
        -------
        DataFrame (D, 2)
            Columns "lower" and "upper". All coordinates are covered together with
            probability 1 - alpha or more, if tasks are exchangeable.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> example_model().fit(alpha=0.10).conf_int(alpha=0.20).round(2)
               lower  upper
        theta  -1.16   1.23
        """
        if alpha is None:
            return self._interval(self.exchange.lower, self.exchange.upper)
        settings = self.settings
        alpha = check_alpha(alpha)
        alphas = settings.alphas
        if alphas is not None:
            a, b, c = (part * alpha / settings.alpha for part in alphas)
            alphas = (a, b, c)
        other = self.model.fit(
            settings.algorithm,
            alpha,
            alphas,
            settings.interval,
            weights="gaussian" if self._bandwidth else self._weights,
            bandwidth=self._bandwidth or 1.0,
            bounds=settings.bounds,
            n_boot=settings.n_boot,
            seed=settings.seed,
        )
        return other.conf_int()  # type: ignore[no-any-return]

    def verdict(self) -> str:
        """
        What the checks say about exchangeability, in plain language.

        Returns
        -------
        str
            Sentences.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> example_model().fit().verdict()[:34]
        'No sign against exchangeability in'
        """
        return verdict(self)

    def summary(self, title: str | None = None) -> Summary:
        """
        Summary in statsmodels' look.

        Parameters
        ----------
        title : str, optional
            Title of the first table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Interval beside that of the synthetic data alone, gap band, parts of alpha,
            width decomposition, verdict on exchangeability.

        Examples
        --------
        >>> from statsmodels_synth.tasks.model import example_model
        >>> [table.title for table in example_model().fit().summary().tables][3:]
        ['Where the width comes from']
        """
        return make_summary(self, title)

    def plot(self, ax: Any = None) -> Any:
        """
        Draw the historical gaps, their band and the current interval.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes; a new figure if omitted.

        Returns
        -------
        matplotlib.figure.Figure
            The figure. With several coordinates a new figure has one panel each.

        Raises
        ------
        OptionError
            If one `ax` is given and there are several coordinates.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from statsmodels_synth.tasks.model import example_model
        >>> figure = example_model().fit().plot()
        >>> plt.close(figure)
        """
        return plot_gaps(self, ax)

    def plot_covariate(self, by: Any = None, ax: Any = None) -> Any:
        """
        Draw historical gaps against a covariate or time.

        Parameters
        ----------
        by : hashable, Series or array_like (T,), optional
            What to draw against; see :meth:`trend_test`.
        ax : matplotlib.axes.Axes, optional
            Axes; a new figure if omitted.

        Returns
        -------
        matplotlib.figure.Figure
            The figure, with the place of the current task marked where it is known.

        Raises
        ------
        OptionError
            If there is no such covariate, or one `ax` for several coordinates.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from statsmodels_synth.tasks.model import example_model
        >>> figure = example_model().fit().plot_covariate("year")
        >>> plt.close(figure)
        """
        name, values = self._known(by)
        return plot_covariate(self, name, values, ax)

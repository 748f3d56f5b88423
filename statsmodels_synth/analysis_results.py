"""
What to do with a result: hold it against others, doubt it, plan with it.

The packages that do it are imported when they are asked for: most fits need none, and
they would add a quarter to the time that it takes to import this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from statsmodels_synth._process import with_filters_kept

if TYPE_CHECKING:
    from statsmodels_synth.diagnostics import Diagnostics
    from statsmodels_synth.estimators.comparison import Comparison, Method
    from statsmodels_synth.planning import Plan
    from statsmodels_synth.results import AugmentedGMMResults


class AnalysisResults:
    """
    The part of the results that is about what to make of them.

    Mixed into :class:`~statsmodels_synth.results.AugmentedGMMResults`. Nothing is kept
    of what these methods return.
    """

    @property
    def _whole(self) -> AugmentedGMMResults:
        return cast("AugmentedGMMResults", self)

    @with_filters_kept
    def compare(
        self,
        methods: Sequence[Method] | None = None,
        *,
        alpha: float = 0.05,
        learner: Any = None,
        seed: int = 0,
    ) -> Comparison:
        """
        Estimate with every other method, on the same data.

        Parameters
        ----------
        methods : sequence of str, optional
            Which of ``"labels only"``, ``"naive"``, ``"naive pooled"``, ``"PPI"``,
            ``"PPI++"``, ``"PPI++ by coefficient"``, ``"PPI++Synth"``,
            ``"predict-then-debias"``, ``"DSL"``, ``"RePPI"``, ``"GMM-Synth"``. All that
            the sources allow if omitted; methods with one source get a line for each.
        alpha : float
            One minus the level of the intervals.
        learner : object, optional
            For DSL and RePPI: a regressor with scikit-learn's ``fit`` and ``predict``.
            A random forest if omitted; where scikit-learn is missing the two are left
            out, which a note says.
        seed : int
            Seed of folds and of the random forest.

        Returns
        -------
        Comparison
            Prints as one table per coefficient; ``.table`` is the data frame, and
            ``.plot()`` draws it.

        Raises
        ------
        OptionError
            If a method does not exist.
        DataError
            If the data were removed.

        See Also
        --------
        statsmodels_synth.estimators : The methods by themselves.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> result = study_model(make_study()).fit()
        >>> found = result.compare(["labels only", "naive", "GMM-Synth"])
        >>> found.table.loc["educ", ["estimate", "std_err", "valid"]].round(3)
                       estimate  std_err  valid
        method
        labels only       0.013    0.108   True
        naive (guess)    -0.020    0.053  False
        naive (draws)     0.026    0.032  False
        GMM-Synth         0.013    0.078   True
        """
        from statsmodels_synth.estimators.comparison import compare  # noqa: PLC0415

        _ = self._whole._design_or_raise.sources  # or every method would be left out
        return compare(self._whole, methods, alpha, learner, seed)

    @with_filters_kept
    def plot_compare(
        self, methods: Sequence[Method] | None = None, ax: Any = None, **kwargs: Any
    ) -> Any:
        """
        Draw the intervals of all methods.

        Parameters
        ----------
        methods : sequence of str, optional
            As in :meth:`compare`.
        ax : matplotlib.axes.Axes, optional
            Axes for a single coefficient; a new figure if omitted.
        **kwargs
            `coefficients`, to :meth:`Comparison.plot`; the rest to :meth:`compare`.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.
        """
        shown = kwargs.pop("coefficients", None)
        return self.compare(methods, **kwargs).plot(shown, ax)

    @with_filters_kept
    def diagnostics(
        self,
        by: Any = None,
        n_influential: int = 5,
        *,
        blind: bool | str | Sequence[str] = False,
    ) -> Diagnostics:
        """
        Ask of every source whether it is to be trusted, and what it is worth.

        Parameters
        ----------
        by : str or array_like, optional
            Column, or one value per unit, that splits the units into groups in which
            the errors of the sources are compared. The value of a unit is that of data
            where data has one, else that of a source. Numbers with many values are cut
            at their quartiles.
        n_influential : int
            Units to list that move a coefficient most.
        blind : bool, str or sequence of str
            Say with True that all sources, or with their names that some, were made
            without any label: none was copied into them or shown to a model, few-shot
            examples included. Without it a source that agrees with (almost) all labels
            is not recommended.

        Returns
        -------
        Diagnostics
            Prints as tables, and the verdict last; every table is a data frame, and
            ``.plot()`` draws the correlations of the labels' scores with those of the
            sources.

        Raises
        ------
        DataError
            If there is no source, the fit did not converge, the data were removed, or
            `by` cannot be used.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> found = study_model(make_study()).fit().diagnostics()
        >>> found.bias.loc["draws", ["bias", "std_err"]].round(3)
                      bias  std_err
        coefficient
        Intercept    1.858    0.659
        age         -0.016    0.007
        educ         0.013    0.084
        income      -0.066    0.027
        """
        from statsmodels_synth.diagnostics import diagnose  # noqa: PLC0415

        return diagnose(self._whole, by, n_influential, blind=blind)

    @with_filters_kept
    def plot_diagnostics(self, ax: Any = None) -> Any:
        """
        Draw how what labels and sources say of the same units is correlated.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes, if there is one source; a new figure if omitted.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.
        """
        return self.diagnostics(n_influential=0).plot(ax)

    @with_filters_kept
    def plan(self) -> Plan:
        """
        Plan another study with this one as its pilot.

        Returns
        -------
        Plan
            ``expect()``: standard errors, widths and power at other sizes and with
            other sources; ``labels_needed()``: for a width or a power; ``cheapest()``:
            the mix of labels, units and draws at given prices.

        Raises
        ------
        DataError
            If the fit did not converge, or the data were removed.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> plan = study_model(make_study()).fit().plan()
        >>> needed = plan.labels_needed(width=0.25, coefficients="educ")
        >>> int(needed["n"].iloc[0])
        418
        """
        from statsmodels_synth.planning import make_plan  # noqa: PLC0415

        return make_plan(self._whole)

    @with_filters_kept
    def plot_plan(
        self, coefficient: str | None = None, ax: Any = None, *, alpha: float = 0.05
    ) -> Any:
        """
        Draw the expected width of the interval against the number of labels.

        Parameters
        ----------
        coefficient : str, optional
            The coefficient; the first that is not the constant if omitted.
        ax : matplotlib.axes.Axes, optional
            Axes; a new figure if omitted.
        alpha : float
            One minus the level of the interval.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.
        """
        return self.plan().plot(coefficient, ax, alpha=alpha)

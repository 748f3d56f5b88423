"""What to do with a result: compare it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from statsmodels_synth import comparison
from statsmodels_synth.comparison import Comparison, Method


class AnalysisResults:
    """
    The part of the results that puts them beside something else.

    Mixed into :class:`~statsmodels_synth.results.AugmentedGMMResults`.
    """

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
        return comparison.compare(self, methods, alpha, learner, seed)  # type: ignore[arg-type]

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

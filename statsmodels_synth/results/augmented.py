"""
Results of :class:`~statsmodels_synth.AugmentedGMM`.

The analyses are imported when they are asked for: most fits need none, and they would
add a quarter to the time that it takes to import this package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.inherited import Withheld
from statsmodels_synth.core.messages import Caution
from statsmodels_synth.core.options import (
    check_alpha,
    check_keywords,
    methods_name_keywords,
)
from statsmodels_synth.core.prediction import PredictedResults, RowsToPredict
from statsmodels_synth.core.process import with_filters_kept, with_one_blas_thread
from statsmodels_synth.core.signatures import not_constructed
from statsmodels_synth.core.statsmodels import (
    GMMResults,
    LikelihoodModelResults,
    cache_readonly,
    cached_data,
    populate_wrapper,
)
from statsmodels_synth.core.tested import NamedResultsWrapper
from statsmodels_synth.exceptions import DataError, OptionError, WeakInstrumentWarning
from statsmodels_synth.gmm.alone import NaiveEstimate
from statsmodels_synth.gmm.anderson_rubin import (
    AndersonRubin,
    anderson_rubin,
    set_at_no_cost,
)
from statsmodels_synth.gmm.cautions import rarer_outcomes
from statsmodels_synth.gmm.covariance import explained_by_source
from statsmodels_synth.gmm.fit import labels_for_share
from statsmodels_synth.gmm.instruments import first_stage, overidentification
from statsmodels_synth.gmm.jtest import (
    JTest,
    hansen_j,
    reference_table,
)
from statsmodels_synth.gmm.score_intervals import score_intervals
from statsmodels_synth.gmm.solver import theta_without_clusters
from statsmodels_synth.problem.design import AlignedDesign, source_facts
from statsmodels_synth.problem.scores import LevelScore
from statsmodels_synth.results.figure import plot_coefficients, plot_variance
from statsmodels_synth.results.summary import model_infos
from statsmodels_synth.results.summary import summary as make_summary
from statsmodels_synth.results.summary import summary2 as make_summary2
from statsmodels_synth.results.text import brief, methods_text

if TYPE_CHECKING:
    from statsmodels_synth.diagnostics import Diagnostics
    from statsmodels_synth.diagnostics.coding import AgreementTable
    from statsmodels_synth.estimators.comparison import Comparison
    from statsmodels_synth.estimators.methods import Method, Own
    from statsmodels_synth.gmm.fit import Fit
    from statsmodels_synth.planning import Plan
    from statsmodels_synth.results.margins import At, Effect, Margins


@methods_name_keywords
@not_constructed
class AugmentedGMMResults(
    PredictedResults,
    GMMResults,  # type: ignore[misc]
):
    r"""
    Results of a regression on labels augmented by imperfect sources.

    Everything that statsmodels' results offer (``params``, ``bse``,
    ``conf_int``, ``t_test``, ``wald_test``, ``predict``, ...) refers to the p
    target coefficients alone. Made by :meth:`AugmentedGMM.fit`.

    Attributes
    ----------
    params : ndarray (p,)
        Target coefficients.
    n_labeled, n_units : int
        Labelled units n and all units T that are labelled or covered.
    n_frame : int
        Units that labels were drawn from: T, and those that could have been labelled
        but are not, and that no source covers. With ``population="finite"`` they are
        the population.
    auxiliary_params : DataFrame (M, p)
        eta, the coefficients of each source.
    converged : bool
        Whether the moment conditions were solved.
    settled : bool
        Whether the last step of an iterated estimator hardly moved anything.
    iterations : int
        Steps of the estimator.
    passes : int
        Passes over the rows of the sources that the fit took.
    dropped_sources : dict
        Sources that took no part, with the reason.
    df_resid, df_model : float
        Degrees of freedom of the t distribution: ``n - p`` less the effective number
        of coefficients of the sources (clusters less one instead of ``n - p``); and p
        without the constant.
    df_inference : Series or ndarray (p,)
        Degrees of freedom of each coefficient: fewer than `df_resid` where few units
        decide it, or their weights are unequal. A test of several has the fewest of
        them.
    n_clusters : int or None
        Clusters with a labelled unit.
    n_survey_strata : int or None
        Strata that a survey drew the clusters from.

    Examples
    --------
    >>> from statsmodels_synth.demo import fit_study, make_study
    >>> result = fit_study(make_study())[1]
    >>> result.params.round(3)
    Intercept   -2.853
    age          0.017
    educ         0.013
    income       0.096
    dtype: float64
    >>> result.conf_int().round(2)
                  0     1
    Intercept -4.03 -1.67
    age        0.00  0.03
    educ      -0.14  0.17
    income     0.05  0.14
    """

    calc_cov_params = Withheld(
        "Use cov_params(), the covariance of the target coefficients; influence has "
        "what each unit contributes to it."
    )
    compare_j = Withheld(
        "A difference of two J is a test where one set of moments is part of the "
        "other. Use representativeness(), which has it for each source."
    )
    #: Rows that ``summary_col`` adds below the coefficients.
    default_model_infos: ClassVar[dict[str, Any]] = model_infos()

    def __init__(
        self,
        model: Any,
        fit: Fit,
        cautions: Sequence[Caution] = (),
    ) -> None:
        solution, design, settings = fit.solution, fit.design, fit.settings
        # Not GMMResults.__init__: it computes a covariance by numeric
        # differentiation and sets df_resid to infinity, which breaks summary2
        # and f_test.
        LikelihoodModelResults.__init__(self, model, solution.theta)
        self._cache: dict[str, Any] = {}
        self.nobs = float(design.n_labeled)
        self.df_model = float(design.k_params - model.k_constant)
        self.df_resid = fit.inference.df
        self.df_inference = fit.inference.df_by_coefficient
        self.use_t = settings.use_t
        self.settings = settings
        #: The call of ``fit()`` that made it, as text.
        self.call = ""
        self._cautions = tuple(cautions)
        self.n_labeled = design.n_labeled
        self.n_units = design.n_units
        self.n_frame = design.n_frame
        self.converged = solution.converged
        self.settled = solution.settled
        self.iterations = solution.iterations
        self.passes = solution.passes
        self.dropped_sources = fit.dropped_sources
        self.cov_type = settings.cov_type
        self.n_clusters = None if fit.clusters is None else fit.clusters.n_labeled
        survey = None if fit.clusters is None else fit.clusters.survey
        self.n_survey_strata = None if survey is None else survey.n_strata
        self.labeling = design.labeling.name
        #: Whether weights were given for the units.
        self.is_weighted = model.weights is not None
        #: Labels with the rarer outcome, where the coefficient is a share.
        self.rarer_labels: int | None = None
        if design.k_params == model.k_constant == 1 and model.target_score.is_linear:
            self.rarer_labels = rarer_outcomes(design.labeled.endog)
        self.cov_kwds = {"description": settings.covariance_note}
        self._solution = solution
        self._fit: Fit | None = fit
        self._design: AlignedDesign | None = design
        self._clusters = fit.clusters
        self.cov_params_default = fit.inference.covariance
        self._data_attr.extend(["_fit", "_design", "_clusters"])

    @cache_readonly  # type: ignore[untyped-decorator]
    @with_one_blas_thread
    def influence(self) -> pd.DataFrame:
        """
        Influence of each unit on each coefficient, (T, p).

        Returns
        -------
        DataFrame
            Row t is T times what unit t contributes to the estimates to first order;
            the sum of their outer products over T squared is the asymptotic covariance
            of the estimates, with no correction for few labels.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.influence.shape
        (694, 4)
        """
        fit = self._fit_or_raise()
        design = fit.design
        values = np.empty((design.n_units, design.k_params))
        blocks = fit.inference.influence.blocks(
            design, self.model.target_score, fit.solution.eta
        )
        for units, own in blocks:
            values[units] = own * design.n_units
        return pd.DataFrame(
            values, index=self.model.unit_index, columns=self.model.param_names
        )

    def _wrapped(self) -> AugmentedGMMResultsWrapper:
        return AugmentedGMMResultsWrapper(self)

    # What the sources contribute

    @property
    def source_names(self) -> list[str]:
        """
        Names of the sources that took part, in order.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.source_names
        ['guess', 'draws']
        """
        return [row[0] for row in self._source_facts]

    # ``_summary_cache`` is statsmodels' own: what it holds survives remove_data().

    @property
    def _source_facts(self) -> list[tuple[str, str, int, int, float, int]]:
        """Name, kind, covered, covered labelled, replicates, dropped rows."""
        return self._summary_cache(  # type: ignore[no-any-return]
            "source_facts", lambda: source_facts(self._design_or_raise)
        )

    @property
    @with_one_blas_thread
    def _naive(self) -> NaiveEstimate:
        return self._summary_cache(  # type: ignore[no-any-return]
            "naive", lambda: self._fit_or_raise().naive
        )

    def _fit_or_raise(self) -> Fit:
        """The fit; an error where the data of this result were removed."""
        _ = self._design_or_raise
        assert self._fit is not None
        state = self.model.source_state
        if self._fit.sources is None and self._fit.design.k_sources and state:
            # Another fit of the model has found it since.
            self._fit = replace(self._fit, sources=state)
        return self._fit

    def _fit_to_analyse(self) -> Fit:
        """The fit that analyses start from, which need the data of the model too."""
        _ = self.model.aligned_or_raise()
        return self._fit_or_raise()

    @property
    def real_only(self) -> AugmentedGMMResultsWrapper:
        """
        The labelled-only result: the same class, without any source.

        Returns
        -------
        AugmentedGMMResultsWrapper
            Its parameters are those of statsmodels' GLM on the labelled rows,
            its covariance the robust one: HC3, by clusters CR3, and with
            ``use_correction=False`` HC0.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.real_only.bse.round(3)
        Intercept    0.700
        age          0.009
        educ         0.108
        income       0.031
        dtype: float64
        """
        if not self.source_names:
            return self._wrapped()
        return self._summary_cache(  # type: ignore[no-any-return]
            "real_only",
            lambda: AugmentedGMMResultsWrapper(
                AugmentedGMMResults(
                    self.model, self._fit_or_raise().labels_only, self._cautions
                )
            ),
        )

    @property
    def _without_clusters(self) -> Floats | None:
        """Estimate of the same fit without clusters, where these can change it."""
        if not (self.settings.shrinks and self.n_clusters and self.source_names):
            return None
        return self._summary_cache(  # type: ignore[no-any-return]
            "without_clusters",
            lambda: theta_without_clusters(
                self._design_or_raise, self.model.target_score, self._solution
            ),
        )

    @property
    @with_one_blas_thread
    def _weak_instrument_set(self) -> AndersonRubin | None:
        """Set of 95 % for the summary: where instruments are weak, at little cost."""
        if not any(c.category is WeakInstrumentWarning for c in self._cautions):
            return None
        return self._summary_cache(  # type: ignore[no-any-return]
            "weak_instrument_set", lambda: set_at_no_cost(self._fit_or_raise(), 0.05)
        )

    @property
    def _design_or_raise(self) -> AlignedDesign:
        if self._design is None:
            raise DataError(
                "The data were removed with remove_data(), and this needs them. Ask "
                "for it before."
            )
        return self._design

    @property
    @with_filters_kept
    def auxiliary_params(self) -> pd.DataFrame:
        """
        Coefficients eta of each source, (M, p).

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.auxiliary_params.round(2)
               Intercept  age  educ  income
        guess      -1.89  0.0 -0.02    0.09
        draws      -0.95  0.0  0.03    0.03
        """
        return pd.DataFrame(
            self._solution.eta, index=self.source_names, columns=self.model.param_names
        )

    @property
    @with_filters_kept
    def naive_params(self) -> pd.DataFrame:
        """
        Estimate from each source alone, as if it were real, (M, p).

        Returns
        -------
        DataFrame
            One row per source. Biased by whatever the LLM gets wrong.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.naive_params.round(2)
               Intercept  age  educ  income
        guess      -1.89  0.0 -0.02    0.09
        draws      -0.95  0.0  0.03    0.03
        """
        return pd.DataFrame(
            self._naive.params, index=self.source_names, columns=self.model.param_names
        )

    @property
    @with_filters_kept
    def naive_bse(self) -> pd.DataFrame:
        """
        Robust standard errors that go with :attr:`naive_params`, (M, p).

        Returns
        -------
        DataFrame
            One row per source. They know nothing of the bias, and are those of units
            that were drawn, also with ``population="finite"``.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.naive_bse.round(3)
               Intercept    age   educ  income
        guess      0.432  0.005  0.053   0.016
        draws      0.280  0.004  0.032   0.009
        """
        return pd.DataFrame(
            self._naive.bse, index=self.source_names, columns=self.model.param_names
        )

    @property
    @with_filters_kept
    def sources(self) -> pd.DataFrame:
        """
        What each source is and how much it knows, one row per source.

        Returns
        -------
        DataFrame
            `kind`; `covered` units and `covered_labeled` ones; `replicates` per
            covered unit; `dropped_rows` with missing values; `explained`, the
            share of the labelled score that the source explains; then
            ``naive[name]``, the estimate from the source alone.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.sources.iloc[:, :3]
                    kind  covered  covered_labeled
        guess      proxy      694              200
        draws  synthetic      694              200
        """
        parts = zip(
            self._source_facts, self._explained, self._naive.params, strict=True
        )
        rows = [(*facts[1:], explained, *naive) for facts, explained, naive in parts]
        columns = ["kind", "covered", "covered_labeled", "replicates", "dropped_rows"]
        columns += ["explained", *(f"naive[{name}]" for name in self.model.param_names)]
        return pd.DataFrame(rows, self.source_names, columns)

    @property
    def _explained(self) -> Floats:
        """Share of the labelled score that each source explains, (M,)."""
        return explained_by_source(
            self._solution.sums, self.model.aligned_basis, self.n_labeled
        )

    @cache_readonly  # type: ignore[untyped-decorator]
    @with_filters_kept
    def variance_reduction(self) -> Floats:
        """
        Share of the labelled-only variance that the sources remove, (p,).

        Eq. (reduction).

        Returns
        -------
        ndarray or Series
            ``1 - Var / Var_real`` per coefficient; negative where the
            estimated variance is larger than that of the labels alone.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.variance_reduction.round(2)
        Intercept    0.27
        age          0.36
        educ         0.48
        income       0.40
        dtype: float64
        """
        real = self.real_only._results.bse
        if self.settings.is_finite and not real.any():
            return np.zeros(len(real))  # nothing is left to chance
        return np.asarray(1.0 - (np.asarray(self.bse) / real) ** 2)

    @cache_readonly  # type: ignore[untyped-decorator]
    @with_filters_kept
    def effective_nobs(self) -> Floats:
        """
        Labels that would give the same standard error without sources, (p,).

        Eq. (effective).

        Returns
        -------
        ndarray or Series
            ``n Var_real / Var`` per coefficient; with ``population="finite"`` the
            number that leaves as much of the variance, at most all units.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.effective_nobs.round()
        Intercept    274.0
        age          313.0
        educ         385.0
        income       332.0
        dtype: float64
        """
        share = 1.0 - np.asarray(self.variance_reduction)
        frame = self.n_frame if self.settings.is_finite else None
        return labels_for_share(share, self.n_labeled, frame)

    # What to make of them

    @with_filters_kept
    def compare(
        self,
        methods: Sequence[Method | Own] | None = None,
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
            A function of yours is a method as well: it is called with the aligned
            problem (``problem.design``, ``problem.score``, ``problem.theta``, the
            labelled-only estimate, ...) and returns results with ``params``, ``bse``
            and ``conf_int()``, or the pair ``(params, covariance)``.
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

        # Rows in partitions are refused here, or every method would be left out.
        _ = self._fit_to_analyse().design.sources
        return compare(self, methods, alpha, learner, seed)

    @with_filters_kept
    def plot_compare(
        self,
        methods: Sequence[Method | Own] | None = None,
        ax: Any = None,
        **kwargs: Any,
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

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> figure = result.plot_compare(["labels only", "GMM-Synth"])
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
        Intercept    1.904    0.599
        age         -0.016    0.007
        educ         0.012    0.083
        income      -0.067    0.025
        """
        from statsmodels_synth.diagnostics import diagnose  # noqa: PLC0415
        from statsmodels_synth.results.replicates import (  # noqa: PLC0415
            combined_replicates,
        )
        from statsmodels_synth.results.units import (  # noqa: PLC0415
            given_units,
            groups_by,
        )

        fit = self._fit_to_analyse()
        _ = fit.design.sources  # rows in partitions are refused first
        groups = None if by is None else groups_by(self.model, by)
        given = given_units(self.model, fit)
        found = diagnose(fit, given, groups, n_influential, blind=blind)
        return replace(found, combined=combined_replicates(fit))

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

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> figure = result.plot_diagnostics()
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
        from statsmodels_synth.results.units import (  # noqa: PLC0415
            units_to_draw,
        )

        fit = self._fit_to_analyse()
        # Of one linear predictor; the first coefficient of others may be an effect.
        single = fit.target.score.is_single
        constant = self.model.data.const_idx if single else None
        to_draw = partial(units_to_draw, self.model, fit)
        return make_plan(fit, constant, fit.design.n_frame, to_draw)

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

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> figure = result.plot_plan("age")
        """
        return self.plan().plot(coefficient, ax, alpha=alpha)

    def glance(self) -> pd.DataFrame:
        """
        What there is to say of the fit as a whole, in one row.

        Returns
        -------
        DataFrame
            `method`, `nobs` (labelled units), `n_units`, `n_sources`, `df_resid`,
            `cov_type`; Hansen's J as `j_statistic`, `j_df`, `j_p_value`, missing where
            there is no source; and whether the fit `converged`. Works after
            :meth:`remove_data`.

        See Also
        --------
        tidy : One row per coefficient.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> found = study_model(make_study()).fit().glance()
        >>> found[["method", "nobs", "n_units"]].values.tolist()
        [['GMM-Synth, few-label default', 200, 694]]
        """
        has_sources, test = bool(self.source_names), self.jtest()
        row = {
            "method": self.settings.method if has_sources else "labels only",
            "nobs": self.n_labeled,
            "n_units": self.n_units,
            "n_sources": len(self.source_names),
            "df_resid": self.df_resid,
            "cov_type": self.cov_type,
            "j_statistic": test.statistic if test.df else float("nan"),
            "j_df": test.df,
            "j_p_value": test.pvalue,
            "converged": self.converged,
        }
        return pd.DataFrame([row])

    # What statsmodels' results offer

    def _averages(self, asked: RowsToPredict, which: str, by: Any) -> Any:
        """Averages over the units, or by group of rows that were given."""
        from statsmodels_synth.results.averages import (  # noqa: PLC0415
            average_predictions,
        )

        fit = self._fit_to_analyse() if asked.exog is None else None
        if fit is not None:
            _ = fit.design.sources  # rows in partitions are refused first
        return average_predictions(self, asked, which, by, fit)

    def agreement(self, alpha: float = 0.05) -> AgreementTable:
        """
        How far each source agrees with people, variable by variable.

        Accuracy, kappa, precision, recall and F1 of variables with two values, accuracy
        and kappa of levels; correlation, bias, mean absolute error and calibration
        slope of numbers: of the outcome and of regressors that a source brings, with
        the weights of the design, and intervals that follow strata and clusters.

        Parameters
        ----------
        alpha : float
            One minus the level of the intervals.

        Returns
        -------
        AgreementTable
            ``.table``, ``.confusion``, ``summary()``, ``to_latex()``, ``plot()``.

        Raises
        ------
        DataError
            If the data were removed.
        OptionError
            If the formula absorbs fixed effects.

        References
        ----------
        Cohen, J. (1960). A coefficient of agreement for nominal scales. Educational and
        Psychological Measurement 20, 37-46.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> found = study_model(make_study()).fit().agreement()
        >>> found.wide().loc[("guess", "dole"), ["accuracy", "kappa"]].round(2).tolist()
        [0.9, 0.8]
        """
        from statsmodels_synth.diagnostics.coding import (  # noqa: PLC0415
            agreement_table,
        )

        fit, names = self._fit_to_analyse(), self.model.exog_names
        if self.model.absorbed is not None:
            raise OptionError(
                f"With the fixed effects of {self.model.absorbed.text!r} outcomes are "
                "less what is known of their group, and are not what people coded any "
                "more. Fit the formula without '|' for agreement()."
            )
        return agreement_table(fit, str(self.model.endog_names), names, alpha)

    def sequential_conf_int(
        self,
        looks: Sequence[int] | None = None,
        *,
        tightest_at: int | None = None,
        alpha: float = 0.05,
    ) -> pd.DataFrame:
        """
        Intervals for labelling that stops as soon as they are to one's liking.

        An ordinary interval covers too rarely if one looks at it after every batch of
        labels, and stops when it excludes zero.

        Parameters
        ----------
        looks : sequence of int, optional
            Numbers of labels at which one looks, as they were planned; the present one
            is among them. All looks together have the level (Pocock [1]_). If omitted,
            the interval holds at every number of labels at once, and is longer ([2]_).
        tightest_at : int, optional
            Without `looks`, the number of labels at which it is to be shortest: that at
            which one expects to stop, fixed before. The present one if omitted, which
            is right for one look only.
        alpha : float
            One minus the level.

        Returns
        -------
        DataFrame
            `lower` and `upper` by coefficient.

        Raises
        ------
        OptionError
            If the present number of labels is not among the looks.

        Notes
        -----
        Both are for labels that are drawn at random, batch by batch, with at least some
        50 at the first look. An interval that is to be short enough, not to exclude a
        value, may be stopped with an ordinary one: how short it is says little of where
        it is.

        References
        ----------
        .. [1] Pocock, S. J. (1977). Group sequential methods in the design and analysis
           of clinical trials. Biometrika 64, 191-199.
        .. [2] Waudby-Smith, I., Arbour, D., Sinha, R., Kennedy, E. H. and Ramdas, A.
           (2024). Time-uniform central limit theory and asymptotic confidence
           sequences. Annals of Statistics 52, 2613-2640.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> result = study_model(make_study()).fit()
        >>> result.conf_int().loc["educ"].round(2).tolist()
        [-0.14, 0.17]
        >>> looks = [100, 200, 300]
        >>> result.sequential_conf_int(looks).loc["educ"].round(2).tolist()
        [-0.17, 0.19]
        """
        from statsmodels_synth.sampling.sequential import (  # noqa: PLC0415
            sequential_level,
        )

        level = sequential_level(self.n_labeled, looks, tightest_at, alpha)
        bounds = np.asarray(self.conf_int(alpha=level))
        return pd.DataFrame(bounds, self.model.param_names, ["lower", "upper"])

    def score_conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        r"""
        Intervals of a quantile regression that need no density: inverted score tests.

        The standard error of a quantile needs the density of the outcome there, of
        which a hundred labels say little. An interval of score tests has the values of
        a coefficient with which labels lie below the line as often as they should,
        given what sources say of them. It need not be symmetric.

        Parameters
        ----------
        alpha : float
            One minus the level.

        Returns
        -------
        DataFrame
            `lower` and `upper` by coefficient. An end is infinite where too few labels
            lie beyond the quantile to tell one, or there are few clusters. The estimate
            may lie beside its interval where the outcome has few values.

        Raises
        ------
        OptionError
            If the target is not a quantile, or the estimator not the default.

        See Also
        --------
        conf_int : Intervals from standard errors.

        Notes
        -----
        Without sources and regressors the ends are labels: those of the sign test, with
        a normal approximation and quantiles of Student's t. Other coefficients are
        estimated anew under each hypothesis, as in ``summary.rq(se = "rank")`` of R's
        quantreg.

        References
        ----------
        Gutenbrunner, C., Jureckova, J., Koenker, R. and Portnoy, S. (1993). Tests of
        linear hypotheses based on regression rank scores. Journal of Nonparametric
        Statistics 2, 307-331.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from statsmodels_synth import AugmentedGMM
        >>> from statsmodels_synth.scores import Quantile
        >>> rng = np.random.default_rng(3)
        >>> price = np.exp(rng.normal(size=2000))
        >>> units = pd.DataFrame({"llm": price * rng.uniform(0.8, 1.4, size=2000)})
        >>> units["price"] = np.where(np.arange(2000) < 100, price, np.nan)
        >>> model = AugmentedGMM.from_formula("price ~ 1", units, {"price": "llm"},
        ...                                   score=Quantile(0.9))
        >>> result = model.fit()
        >>> result.conf_int().round(2).to_numpy().tolist()
        [[2.72, 3.82]]
        >>> result.score_conf_int().round(2).to_numpy().tolist()
        [[3.06, 4.91]]
        """
        ends = score_intervals(self._fit_or_raise(), check_alpha(alpha))
        return pd.DataFrame(ends, self.model.param_names, ["lower", "upper"])

    def coder_agreement(self) -> pd.DataFrame:
        """
        How far several coders of a unit agree, variable by variable.

        Returns
        -------
        DataFrame
            One row per variable: `coders`, `codes`, `units` with a code, `several`,
            those with more than one, `agreement`, the share of pairs of codes of a unit
            that are the same, Krippendorff's `alpha`, its `metric`, `label`, what made
            one of several codes, and `ties`, the units without a majority.

        Raises
        ------
        OptionError
            If the model was made without ``coder=``.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from statsmodels_synth import AugmentedGMM
        >>> rng = np.random.default_rng(0)
        >>> units = pd.DataFrame({"unit": np.arange(600), "x": rng.normal(size=600)})
        >>> units["truth"] = units["x"] + rng.normal(size=600)
        >>> units["llm"] = units["truth"] + rng.normal(size=600)
        >>> codes = pd.concat([units.assign(coder=k) for k in ("ann", "bob")])
        >>> codes["y"] = codes["truth"] + rng.normal(0.0, 0.5, size=1200)
        >>> codes.loc[codes["unit"] >= 100, "y"] = np.nan
        >>> model = AugmentedGMM.from_formula("y ~ x", codes, {"y": "llm"}, on="unit",
        ...                                   coder="coder", coding="mean")
        >>> result = model.fit()
        >>> result.coder_agreement().round(2).T
        variable          y
        coders            2
        codes           200
        units           100
        several         100
        agreement       0.0
        alpha          0.88
        metric     interval
        label          mean
        ties              0
        """
        found = self.model.coders
        if found is None:
            raise OptionError(
                "Each unit has one row of data. Give one for each unit and coder, and "
                "the column that says who coded it: from_formula(..., coder='coder')."
            )
        table: pd.DataFrame = found.table
        return table.copy()

    def get_margeff(
        self,
        at: At = "overall",
        method: Effect = "dydx",
        atexog: Mapping[Any, float] | None = None,
        dummy: bool = False,
        count: bool = False,
    ) -> Margins:
        """
        Marginal effects of the regressors on the mean, averaged over the population.

        Parameters
        ----------
        at : {"overall", "mean", "median", "zero"}
            Average of the effects over units, or the effects at the mean, the median or
            zero of the regressors. Units are all whose regressors people observed,
            labelled or not; where these are known of labelled units only, those, with
            the weights of the design. A note of the summary says which.
        method : {"dydx", "eyex", "dyex", "eydx"}
            Change of the mean for a change of x, or of their logs.
        atexog : mapping, optional
            Values of regressors, by name or position, in all rows.
        dummy, count : bool
            Whether the effect of regressors of 0 and 1 is that of the step from 0 to 1,
            and that of counts the step by one.

        Returns
        -------
        Margins
            ``margeff``, ``margeff_se``, ``conf_int()``, ``summary_frame()``,
            ``summary()`` as statsmodels has them. With ``at="overall"`` standard errors
            include the drawing of the units; ``frame["conditional"]`` is without it.

        Raises
        ------
        OptionError
            If the model has several linear predictors, or an option does not exist.
        DataError
            If the data were removed.

        References
        ----------
        Dowd, B. E., Greene, W. H. and Norton, E. C. (2014). Computation of standard
        errors. Health Services Research 49, 731-750.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> found = study_model(make_study()).fit().get_margeff()
        >>> found.frame.columns.tolist()
        ['dy/dx', 'std_err', 'df', 'conditional']
        """
        from statsmodels_synth.results.margins import margins  # noqa: PLC0415

        fit = self._fit_to_analyse()
        return margins(self, fit, at, method, atexog, dummy=dummy, count=count)

    def first_stage(self) -> pd.DataFrame:
        """
        How well the instruments predict each endogenous regressor, on the labels.

        Returns
        -------
        DataFrame
            A row for each endogenous regressor: share of its variance that the
            instruments explain beside the exogenous ones (`partial_rsquared`), robust
            F statistic of the instruments with its degrees of freedom and p-value. By
            cluster where the fit was.

        Raises
        ------
        OptionError
            If the model has no instruments.

        References
        ----------
        Staiger, D. and Stock, J. H. (1997). Instrumental variables regression with
        weak instruments. Econometrica 65, 557-586.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from statsmodels_synth import AugmentedGMM
        >>> rng = np.random.default_rng(0)
        >>> z, u = rng.normal(size=(2, 1000))
        >>> frame = pd.DataFrame({"z": z, "z2": rng.normal(size=1000)})
        >>> frame["d"] = z + frame["z2"] + u + rng.normal(size=1000)
        >>> frame["y"] = frame["d"] + u + rng.normal(size=1000)
        >>> frame["guess"] = frame["y"] + rng.normal(size=1000)
        >>> frame.loc[200:, "y"] = np.nan
        >>> formula = "y ~ 1 + [d ~ z + z2]"
        >>> model = AugmentedGMM.from_formula(formula, frame, {"y": "guess"})
        >>> result = model.fit()
        >>> result.first_stage()[["fvalue", "df_num"]].round(1)
           fvalue  df_num
        d    98.3       2
        """
        fit = self._fit_or_raise()
        return first_stage(fit.design, fit.target.score, fit.clusters)

    @with_filters_kept
    def anderson_rubin(
        self, null: float = 0.0, *, alpha: float | None = 0.05
    ) -> AndersonRubin:
        """
        Test and confidence set of an endogenous regressor, valid with weak instruments.

        Under the hypothesis ``y - null * d`` has nothing to do with the instruments,
        given exogenous regressors: that is tested by a linear regression with the same
        sources, labels, design and options as the fit. The set holds all values that
        are not rejected.

        Parameters
        ----------
        null : float
            Value of the coefficient under the hypothesis.
        alpha : float or None
            One less the level of the confidence set; None for the test alone, which is
            one fit in place of some fifty.

        Returns
        -------
        AndersonRubin
            `fvalue`, `pvalue`, `df_num`, `df_denom`, and `confidence_set`: intervals
            from left to right, whose ends may be infinite; empty where instruments
            contradict each other. Print it.

        Raises
        ------
        OptionError
            If there are no instruments, or several endogenous regressors.
        DataError
            If the rows are in Dask partitions.

        See Also
        --------
        first_stage : Whether instruments are weak.

        Notes
        -----
        With more instruments than endogenous regressors it tests at the same time that
        these agree. F statistics are those of the default for few labels, which makes
        the set somewhat longer than that of a chi-squared reference.

        References
        ----------
        Anderson, T. W. and Rubin, H. (1949). Estimation of the parameters of a single
        equation in a complete system of stochastic equations. Annals of Mathematical
        Statistics 20, 46-63.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from statsmodels_synth import AugmentedGMM
        >>> rng = np.random.default_rng(0)
        >>> z, u = rng.normal(size=(2, 2000))
        >>> d = z + u + rng.normal(size=2000)
        >>> y = 0.5 * d + u + rng.normal(size=2000)
        >>> frame = pd.DataFrame({"d": d, "z": z})
        >>> frame["llm"] = y + 0.3 * rng.normal(size=2000)
        >>> frame["y"] = np.where(np.arange(2000) < 200, y, np.nan)
        >>> result = AugmentedGMM.from_formula(
        ...     "y ~ 1 + [d ~ z]", frame, proxy={"y": "llm"}
        ... ).fit()
        >>> result.anderson_rubin().is_bounded
        True
        """
        level = None if alpha is None else check_alpha(alpha)
        return anderson_rubin(self._fit_or_raise(), null, level)

    def overidentification(self) -> JTest:
        """
        Test whether more instruments than needed agree, on the labels.

        Returns
        -------
        JTest
            Unpacks as ``statistic, pvalue, df``: score test that is robust to
            heteroskedasticity, and to dependence within clusters where the fit was.

        Raises
        ------
        OptionError
            If there are no instruments, or no more than endogenous regressors.

        References
        ----------
        Wooldridge, J. M. (2010). Econometric Analysis of Cross Section and Panel Data,
        2nd ed., section 6.2.2. MIT Press.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from statsmodels_synth import AugmentedGMM
        >>> rng = np.random.default_rng(0)
        >>> z, u = rng.normal(size=(2, 1000))
        >>> frame = pd.DataFrame({"z": z, "z2": rng.normal(size=1000)})
        >>> frame["d"] = z + frame["z2"] + u + rng.normal(size=1000)
        >>> frame["y"] = frame["d"] + u + rng.normal(size=1000)
        >>> frame["guess"] = frame["y"] + rng.normal(size=1000)
        >>> frame.loc[200:, "y"] = np.nan
        >>> formula = "y ~ 1 + [d ~ z + z2]"
        >>> model = AugmentedGMM.from_formula(formula, frame, {"y": "guess"})
        >>> result = model.fit()
        >>> result.overidentification().df
        1
        """
        fit = self._fit_or_raise()
        return overidentification(
            fit.design, fit.target.score, fit.solution.theta_real, fit.clusters
        )

    def jtest(self) -> JTest:
        """
        Test whether labelled units look like the rest to the sources.

        Each source has a mean score over the labelled units and one over all. If units
        are labelled at random or with known probabilities, and the sources are made in
        the same way for labelled and unlabelled units, the two differ by chance only.

        Returns
        -------
        JTest
            Unpacks as ``statistic, pvalue, df``: Hansen's J with the variance that
            holds if the labels were drawn as the model supposes (the usual one with
            ``use_correction=False`` and no clusters); its p-value, NaN where there is
            no source or the fit did not converge; the number of overidentifying
            restrictions, M p, less where moments repeat each other. `distribution`
            names the reference: "chi2", or, with clusters, strata or labelling
            probabilities, "F": J is then Hotelling's T-squared, and the p-value is
            ``scipy.stats.f.sf(fvalue, df_num, df_denom)``.

        See Also
        --------
        representativeness : The same for each source.

        References
        ----------
        Hansen, L. P. (1982). Large sample properties of generalized method of
        moments estimators. Econometrica, 50, 1029-1054.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> round(result.jtest().pvalue, 2)
        0.87
        """
        if not self.converged:
            return JTest(float("nan"), float("nan"), 0)
        if self.settings.use_correction or self.n_clusters is not None:
            return self._representativeness[0][0]
        usual = hansen_j(
            self._solution.sums,
            self._solution.weight,
            self._solution.criterion,
            self.n_units,
            basis=self.model.aligned_basis,
            optimal=self.settings.maxiter != 1,
            centered=self.settings.centered,
        )
        return JTest(*usual)

    @with_filters_kept
    def representativeness(self) -> pd.DataFrame:
        """
        Test for each source whether labelled units look like the rest to it.

        Returns
        -------
        DataFrame
            One row for all sources together and one for each. `statistic`, `pvalue`,
            `df`: the source by itself, over the units that it covers. `c_statistic`,
            `c_pvalue`: what it adds to the other sources, the C statistic (a difference
            of two J). A source with a small `pvalue` disagrees with the choice of
            labels; one with a large `c_pvalue` says nothing that the others do not say.
            The reference is chi-squared; with clusters, strata or labelling
            probabilities Hotelling's T-squared: five more columns then have `fvalue`
            and `df_denom`, whose numerator has `df`, and likewise `c_fvalue`, `c_df`,
            `c_df_denom`.

        References
        ----------
        Eichenbaum, M. S., Hansen, L. P. and Singleton, K. J. (1988). A time series
        analysis of representative agent models of consumption and leisure choice
        under uncertainty. Quarterly Journal of Economics, 103, 51-78.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.representativeness().round(2)
                     statistic  pvalue  df  c_statistic  c_pvalue
        all sources       3.81    0.87   8          NaN       NaN
        guess             2.36    0.67   4         1.78      0.78
        draws             2.03    0.73   4         1.45      0.83
        """
        return reference_table(self._representativeness, self.source_names)

    @property
    @with_one_blas_thread
    def _representativeness(self) -> list[tuple[JTest, JTest]]:
        return self._summary_cache(  # type: ignore[no-any-return]
            "representativeness", lambda: self._fit_or_raise().representativeness
        )

    @property
    def jval(self) -> float:
        """
        Statistic of :meth:`jtest`.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> round(float(result.jval), 2)
        3.81
        """
        return self.jtest().statistic

    @property
    def weights(self) -> Floats:
        """
        Optimal weight of two-step GMM at the estimate, Omega^-1, (q, q).

        The default for few labels does not use it: its eta is what each source says
        over all its units, and its control coefficients are shrunken.
        """
        omega = self._solution.sums.omega(self.settings.centered)
        return np.asarray(np.linalg.pinv(omega, hermitian=True))

    def get_bse(self, **kwargs: Any) -> Floats:
        """
        Standard errors, as :attr:`bse`.

        Shapes: (p,).
        """
        check_keywords("get_bse", kwargs, [])
        return np.asarray(self.bse)

    @property
    def q(self) -> float:
        """
        Statistic of :meth:`jtest` over T.

        With ``use_correction=False``, no clusters and two or more steps this is the
        minimised GMM criterion. The default minimises none.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> round(result.q * result.n_units / result.jtest().statistic, 10)
        1.0
        """
        return self.jtest().statistic / self.n_units

    @cached_data  # type: ignore[untyped-decorator]
    def fittedvalues(self) -> Floats:
        """
        Fitted means of the labelled units, (n,); a column for each level of y.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.fittedvalues.head(3).round(2)
        r250    0.58
        r257    0.50
        r259    0.33
        dtype: float64
        """
        _ = self._design_or_raise
        return np.asarray(self.model.predict(self.params))

    @cached_data  # type: ignore[untyped-decorator]
    def resid(self) -> Floats:
        """
        Labels minus fitted means, (n,); of levels whether it is the label.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.resid.head(3).round(2)
        r250   -0.58
        r257   -0.50
        r259   -0.33
        dtype: float64
        """
        _ = self._design_or_raise
        score, endog = self.model.target_score, self.model.endog
        own = score.chances(endog) if isinstance(score, LevelScore) else endog
        return np.asarray(own - self.fittedvalues)

    @with_one_blas_thread
    def summary(
        self,
        yname: str | None = None,
        xname: list[str] | None = None,
        title: str | None = None,
        alpha: float = 0.05,
    ) -> Any:
        """
        Tables for people: the estimate, and the efficiency gain from the sources.

        Parameters
        ----------
        yname : str, optional
            Name of the outcome.
        xname : list of str, optional
            Names of the coefficients.
        title : str, optional
            Title of the first table.
        alpha : float
            One minus the level of the confidence intervals.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; ``as_latex()``, ``as_html()``, ``as_csv()``.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> print(result.summary().tables[1])
        ==============================================================================
                         coef    std err          t      P>|t|      [0.025      0.975]
        ------------------------------------------------------------------------------
        Intercept    -2.85283     0.5981     -4.770      0.000     -4.0326     -1.6731
        age           0.01652     0.0073      2.253      0.025      0.0021      0.0310
        educ          0.01304     0.0781      0.167      0.868     -0.1409      0.1670
        income        0.09557     0.0238      4.023      0.000      0.0487      0.1425
        ==============================================================================
        """
        return make_summary(self, yname, xname, title, alpha)

    @with_one_blas_thread
    def summary2(
        self,
        yname: str | None = None,
        xname: list[str] | None = None,
        title: str | None = None,
        alpha: float = 0.05,
        float_format: str = "%.4f",
    ) -> Any:
        """
        The same content as :meth:`summary` in statsmodels' second layout.

        Parameters
        ----------
        yname : str, optional
            Name of the outcome.
        xname : list of str, optional
            Names of the coefficients.
        title : str, optional
            Title of the table.
        alpha : float
            One minus the level of the confidence intervals.
        float_format : str
            Format of numbers.

        Returns
        -------
        statsmodels.iolib.summary2.Summary
            Prints as text.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> print(result.summary2().tables[1].round(2))
                   Coef.  Std.Err.     t  P>|t|  [0.025  0.975]
        Intercept  -2.85      0.60 -4.77   0.00   -4.03   -1.67
        age         0.02      0.01  2.25   0.03    0.00    0.03
        educ        0.01      0.08  0.17   0.87   -0.14    0.17
        income      0.10      0.02  4.02   0.00    0.05    0.14
        """
        return make_summary2(self, yname, xname, title, alpha, float_format)

    @with_filters_kept
    def plot_coefficients(
        self,
        ax: Any = None,
        *,
        alpha: float = 0.05,
        drop_intercept: bool = True,
        terms: Sequence[str] | None = None,
        panels: bool | None = None,
    ) -> Any:
        """
        Draw labelled-only, naive and augmented estimates with intervals.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw into; a new figure if omitted.
        alpha : float
            One minus the level of the intervals.
        drop_intercept : bool
            Whether to leave out the constant, whose scale is often another. The axis
            says that it is left out.
        terms : sequence of str, optional
            Coefficients to draw, in this order. All if omitted.
        panels : bool, optional
            Whether each coefficient has a panel with a scale of its own. If omitted, so
            it is where the widths of the intervals differ by more than a factor of 8.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Raises
        ------
        OptionError
            If there is no such coefficient, or one `ax` for several panels.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> figure = result.plot_coefficients(terms=["age", "educ"])
        """
        return plot_coefficients(
            self,
            ax,
            alpha=alpha,
            drop_intercept=drop_intercept,
            terms=terms,
            panels=panels,
        )

    @with_filters_kept
    @with_one_blas_thread
    def variance_parts(self) -> pd.DataFrame:
        """
        Where the gain comes from: the variance of the labels alone, part by part.

        Returns
        -------
        DataFrame
            A row for each coefficient. `labels_only` is the variance of the labels
            alone. The other columns sum to it: `sources`, what the sources take off;
            `units`, what comes from drawing the units; `labels`, what comes from which
            of them were labelled. With ``population="finite"`` the part `units` is
            taken off as well. With clusters, which are drawn with their labels, it is
            zero.

        Raises
        ------
        DataError
            If the data were removed.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> parts = study_model(make_study()).fit().variance_parts()
        >>> parts.div(parts["labels_only"], axis=0).loc["educ"].round(2).to_dict()
        {'labels_only': 1.0, 'sources': 0.48, 'units': 0.29, 'labels': 0.23}
        """
        from statsmodels_synth.results.variance import (  # noqa: PLC0415
            variance_parts,
        )

        return variance_parts(self)

    @with_filters_kept
    def plot_variance(self, ax: Any = None, *, drop_intercept: bool = True) -> Any:
        """
        Draw where the gain comes from: :meth:`variance_parts` as bars.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw into; a new figure if omitted.
        drop_intercept : bool
            Whether to leave out the constant.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> figure = result.plot_variance()
        """
        parts = self.variance_parts()
        return plot_variance(self, parts, ax, drop_intercept=drop_intercept)

    @with_filters_kept
    def methods_text(self) -> str:
        """
        A paragraph for the methods section of a paper, with the numbers of this fit.

        Returns
        -------
        str
            What was estimated, from which labels and sources, how, the efficiency
            gain, and what the estimates rest on. Square brackets mark what the fit
            cannot know, such as who labelled and which prompt a model was given.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> text = study_model(make_study()).fit().methods_text()
        >>> "People labelled 200 of 694 units" in text
        True
        """
        return methods_text(self)

    @with_filters_kept
    def report(
        self,
        path: str | PathLike[str] | None = None,
        *,
        title: str | None = None,
        by: Any = None,
        show_units: bool = False,
    ) -> str:
        """
        Write one self-contained page that a referee can audit.

        It has the design, the sources and their agreement with people, the estimates
        beside labels only and naive ones, diagnostics, figures with alternative texts,
        the methods paragraph, versions, hashes of the data, and the call.

        Parameters
        ----------
        path : path-like, optional
            HTML file to write. None is written if omitted.
        title : str, optional
            Title of the page.
        by : str or array_like, optional
            Groups in which errors are compared, as in :meth:`diagnostics`.
        show_units : bool
            Whether the page may name units: the most influential ones, and each label.
            Without it no label, text or name of a unit is in it.

        Returns
        -------
        str
            The page.

        Raises
        ------
        DataError
            If the data were removed.
        OptionError
            If `path` is a folder, or in none that exists.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> page = study_model(make_study()).fit().report()
        >>> page[:15], "Methods paragraph" in page
        ('<!DOCTYPE html>', True)
        """
        from statsmodels_synth.results.report import report  # noqa: PLC0415

        return report(self, path, title, by, show_units=show_units)

    @with_filters_kept
    def __str__(self) -> str:
        """The coefficients, and where there is more."""
        return brief(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The summary, in a notebook."""
        return str(self.summary().as_html())

    @with_filters_kept
    def remove_data(self) -> None:
        """
        Remove everything that has one value per unit, labels first of all.

        What the summary, the tables and the figure need is computed before, so
        that they still work; so does :meth:`predict`. Influence, residuals and
        the frames are gone, and no human label is left in a pickle. With a
        formula, a pickle of the result predicts from design matrices only.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.remove_data()
        >>> result.bse.round(3)
        Intercept    0.598
        age          0.007
        educ         0.078
        income       0.024
        dtype: float64
        """
        _ = self._representativeness, self._without_clusters, self._weak_instrument_set
        if self.source_names:
            _ = self._naive
            self.real_only.remove_data()

        super().remove_data()


class AugmentedGMMResultsWrapper(NamedResultsWrapper):
    """Results with pandas labels wherever the input had them."""

    _attrs: ClassVar[dict[str, str]] = {
        "df_inference": "columns",
        "variance_reduction": "columns",
        "effective_nobs": "columns",
    }
    _wrap_attrs = NamedResultsWrapper._wrap_attrs | _attrs
    _wrap_methods = NamedResultsWrapper._wrap_methods

    @property
    def fittedvalues(self) -> Any:
        """Fitted means of the labelled units, by row."""
        return self._by_row(self._results.fittedvalues)

    @property
    def resid(self) -> Any:
        """Labels minus fitted means, by row."""
        return self._by_row(self._results.resid)

    def _by_row(self, values: Floats) -> Any:
        """Values of labelled rows, with names where the input had them."""
        model = self._results.model
        if values.ndim == 1:
            return model.data.wrap_output(values, "rows")
        index = model.data.row_labels
        if index is None:
            return values
        return pd.DataFrame(values, index, model.target_score.levels)

    def __str__(self) -> str:
        """The coefficients, and where there is more."""
        return str(self._results)

    __repr__ = __str__


populate_wrapper(AugmentedGMMResultsWrapper, AugmentedGMMResults)

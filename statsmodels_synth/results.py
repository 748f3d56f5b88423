"""Results of :class:`~statsmodels_synth.AugmentedGMM`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from statsmodels_synth import graphics, summary
from statsmodels_synth._arrays import Floats
from statsmodels_synth._process import with_filters_kept, with_one_blas_thread
from statsmodels_synth._statsmodels import (
    GMMResults,
    LikelihoodModelResults,
    cache_readonly,
    cached_data,
    populate_wrapper,
)
from statsmodels_synth.analysis_results import AnalysisResults
from statsmodels_synth.covariance import hansen_j
from statsmodels_synth.inherited import Withheld
from statsmodels_synth.moment_sums import moment_blocks
from statsmodels_synth.options import FitSettings, check_keywords
from statsmodels_synth.predicted_results import PredictedResults
from statsmodels_synth.representativeness import (
    JTest,
    reference_table,
    representativeness,
)
from statsmodels_synth.source_results import SourceResults
from statsmodels_synth.tested_results import NamedResultsWrapper

if TYPE_CHECKING:
    from statsmodels_synth.fitting import Fit
    from statsmodels_synth.model import AugmentedGMM


class AugmentedGMMResults(
    SourceResults,
    AnalysisResults,
    PredictedResults,
    GMMResults,  # type: ignore[misc]
):
    r"""
    Results of a regression on labels augmented by imperfect sources.

    Everything that statsmodels' results offer (``params``, ``bse``,
    ``conf_int``, ``t_test``, ``wald_test``, ``predict``, ...) refers to the p
    target coefficients alone. Made by :meth:`AugmentedGMM.fit`.

    Parameters
    ----------
    model : AugmentedGMM
        The model.
    fit : Fit
        Parameters, sums at them, the design that was solved and the sources that
        take no part.
    settings : FitSettings
        Options of the fit.

    Attributes
    ----------
    params : ndarray (p,)
        Target coefficients.
    n_labeled, n_units : int
        Labelled units n and all units T.
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
        of control coefficients (clusters less one instead of ``n - p``); and p
        without the constant.
    n_clusters : int or None
        Clusters with a labelled unit.
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
    default_model_infos: ClassVar[dict[str, Any]] = summary.model_infos()

    def __init__(
        self,
        model: AugmentedGMM,
        fit: Fit,
        settings: FitSettings,
    ) -> None:
        solution, design = fit.solution, fit.design
        # Not GMMResults.__init__: it computes a covariance by numeric
        # differentiation and sets df_resid to infinity, which breaks summary2
        # and f_test.
        LikelihoodModelResults.__init__(self, model, solution.theta)
        self._cache: dict[str, Any] = {}
        self.nobs = float(design.n_labeled)
        self.df_model = float(design.k_params - model.k_constant)
        self.df_resid = fit.inference.df
        self.use_t = settings.use_t
        self.settings = settings
        self.n_labeled = design.n_labeled
        self.n_units = design.n_units
        self.converged = solution.converged
        self.settled = solution.settled
        self.iterations = solution.iterations
        self.passes = solution.passes
        self.dropped_sources = fit.dropped_sources
        self.cov_type = settings.cov_type
        self.n_clusters = None if fit.clusters is None else fit.clusters.n_labeled
        self.labeling = design.labeling.name
        self.cov_kwds = {"description": settings.covariance_note}
        self._solution = solution
        self._design = design
        self._clusters = fit.clusters
        self._influence_map = fit.inference.map
        self.cov_params_default = fit.inference.covariance
        self._data_attr.extend(["_design", "_clusters"])

    @cache_readonly  # type: ignore[untyped-decorator]
    @with_one_blas_thread
    def influence(self) -> pd.DataFrame:
        """
        Influence of each unit on each coefficient, (T, p).

        Returns
        -------
        DataFrame
            Row t is ``K g_t`` (see :mod:`statsmodels_synth.covariance`); the sum of
            their outer products over T squared is the asymptotic covariance of the
            estimates, with no correction for few labels.
        """
        design, solution = self._design_or_raise, self._solution
        values = np.empty((design.n_units, design.k_params))
        blocks = moment_blocks(
            design, self.model.target_score, solution.theta, solution.eta
        )
        for units, moments in blocks:
            values[units] = moments @ self._influence_map.T
        return pd.DataFrame(
            values, index=self.model.unit_index, columns=self.model.exog_names
        )

    def _wrapped(self) -> AugmentedGMMResultsWrapper:
        return AugmentedGMMResultsWrapper(self)

    # What statsmodels' results offer

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
            `df`: the source by itself. `c_statistic`, `c_pvalue`: what it adds to the
            other sources, the C statistic (a difference of two J). A source with a
            small `pvalue` disagrees with the choice of labels; one with a large
            `c_pvalue` says nothing that the others do not say. The reference is
            chi-squared; with clusters, strata or labelling probabilities Hotelling's
            T-squared: five more columns then have `fvalue` and `df_denom`, whose
            numerator has `df`, and likewise `c_fvalue`, `c_df`, `c_df_denom`.

        References
        ----------
        Eichenbaum, M. S., Hansen, L. P. and Singleton, K. J. (1988). A time series
        analysis of representative agent models of consumption and leisure choice
        under uncertainty. Quarterly Journal of Economics, 103, 51-78.
        """
        return reference_table(self._representativeness, self.source_names)

    @property
    @with_one_blas_thread
    def _representativeness(self) -> list[tuple[JTest, JTest]]:
        return self._summary_cache(  # type: ignore[no-any-return]
            "representativeness",
            lambda: representativeness(
                self._design_or_raise,
                self.model.target_score,
                self._solution,
                self._clusters,
            ),
        )

    @property
    def jval(self) -> float:
        """Statistic of :meth:`jtest`."""
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

        Parameters
        ----------
        **kwargs
            None: stock GMM's options ask for a covariance of all parameters.

        Returns
        -------
        ndarray (p,)
            Standard errors.
        """
        check_keywords("get_bse", kwargs, [])
        return np.asarray(self.bse)

    @property
    def q(self) -> float:
        """
        Statistic of :meth:`jtest` over T.

        With ``use_correction=False``, no clusters and two or more steps this is the
        minimised GMM criterion. The default minimises none.
        """
        return self.jtest().statistic / self.n_units

    @cached_data  # type: ignore[untyped-decorator]
    def fittedvalues(self) -> Floats:
        """Fitted means of the labelled units, (n,)."""
        _ = self._design_or_raise
        return np.asarray(self.model.predict(self.params))

    @cached_data  # type: ignore[untyped-decorator]
    def resid(self) -> Floats:
        """Labels minus fitted means, (n,)."""
        _ = self._design_or_raise
        return np.asarray(self.model.endog - self.fittedvalues)

    @with_one_blas_thread
    def summary(
        self,
        yname: str | None = None,
        xname: list[str] | None = None,
        title: str | None = None,
        alpha: float = 0.05,
    ) -> Any:
        """
        Tables for people: the estimate, and what the sources bought.

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
        """
        return summary.summary(self, yname, xname, title, alpha)

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
        """
        return summary.summary2(self, yname, xname, title, alpha, float_format)

    @with_filters_kept
    def plot_coefficients(
        self, ax: Any = None, *, alpha: float = 0.05, drop_intercept: bool = True
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
            Whether to leave out the constant, whose scale is often another.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.
        """
        return graphics.plot_coefficients(
            self, ax, alpha=alpha, drop_intercept=drop_intercept
        )

    @with_filters_kept
    def remove_data(self) -> None:
        """
        Remove everything that has one value per unit, labels first of all.

        What the summary, the tables and the figure need is computed before, so
        that they still work; so does :meth:`predict`. Influence, residuals and
        the frames are gone, and no human label is left in a pickle. With a
        formula, a pickle of the result predicts from design matrices only.
        """
        _ = self._representativeness, self._without_clusters
        if self.source_names:
            _ = self._naive
            if self.model.aligned is not None:  # not removed by another of its results
                self.real_only.remove_data()

        super().remove_data()


class AugmentedGMMResultsWrapper(NamedResultsWrapper):
    """Results with pandas labels wherever the input had them."""

    _attrs: ClassVar[dict[str, str]] = {
        "variance_reduction": "columns",
        "effective_nobs": "columns",
    }
    _wrap_attrs = NamedResultsWrapper._wrap_attrs | _attrs
    _wrap_methods = NamedResultsWrapper._wrap_methods


populate_wrapper(AugmentedGMMResultsWrapper, AugmentedGMMResults)

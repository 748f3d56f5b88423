"""What the sources contribute to a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from statsmodels_synth._arrays import Floats
from statsmodels_synth._process import with_filters_kept, with_one_blas_thread
from statsmodels_synth._statsmodels import cache_readonly
from statsmodels_synth.clusters import Clusters
from statsmodels_synth.covariance import explained_share
from statsmodels_synth.design import AlignedDesign, source_facts
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.naive import (
    NaiveEstimate,
    naive_at_state,
    naive_estimate,
)
from statsmodels_synth.options import FitSettings
from statsmodels_synth.solver import Solution, theta_without_clusters

if TYPE_CHECKING:
    from statsmodels_synth.results import AugmentedGMMResultsWrapper


class SourceResults:
    """
    The part of the results that is about the sources.

    Mixed into :class:`~statsmodels_synth.results.AugmentedGMMResults`, which has
    the attributes.

    Attributes
    ----------
    model : AugmentedGMM
        The model.
    settings : FitSettings
        Options of the fit.
    n_labeled : int
        Labelled units n.
    n_clusters : int or None
        Clusters with a labelled unit.
    bse : ndarray (p,)
        Standard errors.
    """

    model: Any
    settings: FitSettings
    n_labeled: int
    n_clusters: int | None
    bse: Floats
    dropped_sources: dict[str, str]
    _design: AlignedDesign | None
    _clusters: Clusters | None
    _solution: Solution
    _summary_cache: Any
    _wrapped: Callable[[], AugmentedGMMResultsWrapper]

    @property
    def source_names(self) -> list[str]:
        """Names of the sources that took part, in order."""
        return [row[0] for row in self._source_facts]

    # ``_summary_cache`` is statsmodels' own: what it holds survives remove_data().

    @property
    def _source_facts(self) -> list[tuple[str, str, int, int, float, int]]:
        """Name, kind, covered, covered labelled, replicates, dropped rows."""
        return self._summary_cache(  # type: ignore[no-any-return]
            "source_facts", lambda: source_facts(self._design_or_raise)
        )

    @property
    def _naive(self) -> NaiveEstimate:
        return self._summary_cache(  # type: ignore[no-any-return]
            "naive", self._find_naive
        )

    @with_one_blas_thread
    def _find_naive(self) -> NaiveEstimate:
        design, solution = self._design_or_raise, self._solution
        state = solution.sources
        if state is None and not self.dropped_sources:
            state = self.model.source_state  # another fit may have found it since
        if state is not None:
            return naive_at_state(design, state)
        return naive_estimate(design, self.model.target_score, solution.eta)

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
        """
        if not self.source_names:
            return self._wrapped()
        return self._summary_cache(  # type: ignore[no-any-return]
            "real_only",
            lambda: self.model.labeled_only(
                self._solution.theta_real, self.settings, self._clusters
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
        """Coefficients eta of each source, (M, p)."""
        return pd.DataFrame(
            self._solution.eta, index=self.source_names, columns=self.model.exog_names
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
        """
        return pd.DataFrame(
            self._naive.params, index=self.source_names, columns=self.model.exog_names
        )

    @property
    @with_filters_kept
    def naive_bse(self) -> pd.DataFrame:
        """
        Robust standard errors that go with :attr:`naive_params`, (M, p).

        Returns
        -------
        DataFrame
            One row per source. They know nothing of the bias.
        """
        return pd.DataFrame(
            self._naive.bse, index=self.source_names, columns=self.model.exog_names
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
        """
        frame = pd.DataFrame(
            self._source_facts,
            columns=[
                "source",
                "kind",
                "covered",
                "covered_labeled",
                "replicates",
                "dropped_rows",
            ],
        ).set_index("source")
        frame["explained"] = explained_share(
            self._solution.sums, self.model.aligned_basis, self.n_labeled
        )
        naive = self.naive_params
        naive.columns = [f"naive[{name}]" for name in naive.columns]
        return pd.concat([frame, naive], axis=1)

    @cache_readonly  # type: ignore[untyped-decorator]
    @with_filters_kept
    def variance_reduction(self) -> Floats:
        """
        Share of the labelled-only variance that the sources remove, (p,).

        Returns
        -------
        ndarray or Series
            ``1 - Var / Var_real`` per coefficient; negative where the
            estimated variance is larger than that of the labels alone.
        """
        real = np.asarray(self.real_only.bse)
        return np.asarray(1.0 - (np.asarray(self.bse) / real) ** 2)

    @cache_readonly  # type: ignore[untyped-decorator]
    @with_filters_kept
    def effective_nobs(self) -> Floats:
        """
        Labels that would give the same standard error without sources, (p,).

        Returns
        -------
        ndarray or Series
            ``n Var_real / Var`` per coefficient.
        """
        return np.asarray(self.n_labeled / (1.0 - np.asarray(self.variance_reduction)))

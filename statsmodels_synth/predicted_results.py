"""Predictions from results: with a formula, and with standard errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from statsmodels_synth._arrays import Floats
from statsmodels_synth._process import with_filters_kept, with_one_blas_thread
from statsmodels_synth._statsmodels import (
    cached_value,
    predictions,
)
from statsmodels_synth.design import AlignedDesign
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.tested_results import TestedResults


class PredictedResults(TestedResults):
    """
    The part of results that predicts.

    Attributes
    ----------
    model : AugmentedGMM
        The model.
    """

    @property
    def _design_or_raise(self) -> AlignedDesign:
        """Aligned arrays of the model, which the rows to predict come from."""
        return self.model.aligned_or_raise()  # type: ignore[no-any-return]

    # The three of statsmodels, which ignores warnings of what is no number: for that it
    # changes the filters of all threads.

    @cached_value  # type: ignore[untyped-decorator]
    def bse(self) -> Floats:
        """Standard errors, (p,)."""
        with np.errstate(all="ignore"):
            return np.asarray(np.sqrt(np.diag(self.cov_params())))

    @cached_value  # type: ignore[untyped-decorator]
    def tvalues(self) -> Floats:
        """Coefficients over their standard errors, (p,)."""
        with np.errstate(all="ignore"):
            return np.asarray(self.params / self.bse)

    @cached_value  # type: ignore[untyped-decorator]
    def pvalues(self) -> Floats:
        """Two-sided p-values of the hypotheses that a coefficient is zero, (p,)."""
        law = stats.t(self.df_resid) if self.use_t else stats.norm
        with np.errstate(all="ignore"):
            return np.asarray(2.0 * law.sf(np.abs(self.tvalues)))

    @with_filters_kept
    def predict(
        self,
        exog: Any = None,
        transform: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """
        Predict with the target coefficients.

        Parameters
        ----------
        exog : DataFrame or array_like, optional
            Rows to predict. With a formula, a frame of its variables. The
            labelled rows if omitted.
        transform : bool
            Whether to apply the formula to `exog`.
        *args, **kwargs
            To :meth:`AugmentedGMM.predict`: `which`, `offset`, `exposure`.

        Returns
        -------
        ndarray or Series
            One value per row; NaN where a variable of the formula is missing.
        """
        if exog is not None and transform and self.model.learned is not None:
            exog = self.model.learned.predict_exog(exog)
            transform = False
        if exog is None:
            _ = self._design_or_raise
        return super().predict(exog, transform, *args, **kwargs)

    @with_one_blas_thread
    def get_prediction(
        self,
        exog: Any = None,
        *,
        which: str = "mean",
        transform: bool = True,
        average: bool = False,
        agg_weights: Any = None,
        row_labels: Any = None,
        offset: Any = None,
        exposure: Any = None,
    ) -> Any:
        """
        Predictions with standard errors and confidence intervals.

        Parameters
        ----------
        exog : DataFrame or array_like, optional
            As in :meth:`predict`.
        which : {"mean", "linear"}
            Mean of y or linear predictor.
        transform : bool
            Whether to apply the formula to `exog`.
        average : bool
            Whether to average the predictions over rows.
        agg_weights : array_like, optional
            Weights of that average.
        row_labels : sequence, optional
            Labels of the rows.
        offset, exposure : array_like, optional
            Of the rows to predict.

        Returns
        -------
        PredictionResults
            The class of statsmodels, with ``summary_frame()`` and ``conf_int()``.
        """
        if which not in ("mean", "linear"):
            raise OptionError(
                f"which={which!r} does not exist. There are: 'mean', 'linear'."
            )
        if exog is not None and transform and self.model.learned is not None:
            exog = self.model.learned.predict_exog(exog)
        if exog is None:
            own = self._design_or_raise.labeled.offset
            offset = own if offset is None and exposure is None else offset
        return predictions(
            self,
            exog,
            which=which,
            average=average,
            agg_weights=agg_weights,
            row_labels=row_labels,
            offset=offset,
            exposure=exposure,
        )

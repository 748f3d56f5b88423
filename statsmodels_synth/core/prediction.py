"""Predictions from results: with a formula, and with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from statsmodels_synth.core.arrays import Floats, as_floats
from statsmodels_synth.core.options import (
    check_alpha,
    check_flag,
    methods_name_keywords,
)
from statsmodels_synth.core.process import with_filters_kept, with_one_blas_thread
from statsmodels_synth.core.statsmodels import (
    cached_value,
    on_link_scale,
    predictions,
    with_levels_checked,
)
from statsmodels_synth.core.tested import TestedResults
from statsmodels_synth.exceptions import OptionError


@dataclass(frozen=True)
class RowsToPredict:
    """
    What was given of rows to average over.

    Parameters
    ----------
    exog : ndarray (rows, p) or None
        Design matrix; None: the units of the model.
    offset, exposure, weights : ndarray or float or None
        Of each row.
    """

    exog: Any
    offset: Any
    exposure: Any
    weights: Floats | None


@methods_name_keywords
class PredictedResults(TestedResults):
    """
    The part of results that predicts.

    Attributes
    ----------
    model : AugmentedGMM
        The model.
    """

    @property
    def _design_or_raise(self) -> Any:
        """Aligned arrays of the model, which the rows to predict come from."""
        return self.model.aligned_or_raise()

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
        with np.errstate(all="ignore"):
            size = np.abs(self.tvalues)
            tail = (
                stats.t.sf(size, self.df_inference)
                if self.use_t
                else stats.norm.sf(size)
            )
        return np.asarray(2.0 * tail)

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
            Rows to predict. With a formula, a frame of its variables; without, the
            regressors: those of a frame are matched by name, those of an array by
            position. The labelled rows if omitted.
        transform : bool
            Whether to apply the formula to `exog`.
        *args, **kwargs
            To :meth:`AugmentedGMM.predict`: `which`, and `offset` and `exposure`: one
            number, one value per row, or a column of `exog`.

        Returns
        -------
        ndarray, Series or DataFrame
            One value per row, or a column for each level of the outcome; NaN where a
            variable of the formula is missing.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.predict()[:3].round(2)
        array([0.58, 0.5 , 0.33])
        """
        for name in ("offset", "exposure"):
            if name in kwargs:
                kwargs[name] = self.model._option_of_rows(kwargs[name], exog, name)
        if exog is None:
            _ = self._design_or_raise
        exog = self.model._rows_to_predict(exog, transform)
        found = super().predict(exog, False, *args, **kwargs)
        levels = getattr(self.model.target_score, "levels", None)
        if levels and isinstance(found, pd.DataFrame) and len(levels) == found.shape[1]:
            found.columns = levels
        return found

    @with_one_blas_thread
    def get_prediction(
        self,
        exog: Any = None,
        *,
        which: str = "mean",
        transform: bool = True,
        average: bool = False,
        agg_weights: Any = None,
        by: Any = None,
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
            Whether to average the predictions: over the rows of `exog`, or without it
            over the population. That is all units whose regressors people observed,
            labelled or not; where these are known of labelled units only, those, with
            the weights of the design. Standard errors then include the drawing of the
            units; ``.conditional_se`` is without it, and ``.note`` says what was
            averaged over.
        agg_weights : array_like, optional
            Weights of the rows of `exog` in that average.
        by : str or array_like, optional
            With ``average=True``: a column, or one value per unit, that makes groups,
            each with an average of its own. Numbers with many values are cut at their
            quartiles. With `exog` a column of that, or one value per row.
        row_labels : sequence, optional
            Labels of the rows.
        offset, exposure : float, array_like or str, optional
            Of the rows to predict, or a column of `exog`.

        Returns
        -------
        PredictionResults
            The class of statsmodels, with ``summary_frame()`` and ``conf_int()``.
            Intervals of means, averages included, are those of the link function,
            transformed: a share is within 0 and 1.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.get_prediction(average=True).summary_frame().round(3)
           predicted     se  ci_lower  ci_upper
        0      0.401  0.026     0.352     0.453
        """
        if which not in ("mean", "linear"):
            raise OptionError(
                f"which={which!r} does not exist. There are: 'mean', 'linear'."
            )
        self._require_prediction()
        check_flag("average", average)
        if by is not None and not average:
            raise OptionError("by= makes groups of an average: give average=True too.")
        if agg_weights is not None:
            agg_weights = as_floats(agg_weights, "agg_weights")
        if by is not None and exog is not None:
            by = self.model._option_of_rows(by, exog, "by")
        offset = self.model._option_of_rows(offset, exog, "offset")
        exposure = self.model._option_of_rows(exposure, exog, "exposure")
        exog = self.model._rows_to_predict(exog, transform)
        if average and (exog is None or by is not None):
            asked = RowsToPredict(exog, offset, exposure, agg_weights)
            return self._averages(asked, which, by)
        if exog is None:
            own = self._design_or_raise.labeled.offset
            offset = own if offset is None and exposure is None else offset
        found = predictions(
            self,
            exog,
            which=which,
            average=average,
            agg_weights=agg_weights,
            row_labels=row_labels,
            offset=offset,
            exposure=exposure,
        )
        if average:
            found = self._average(found, which, agg_weights)
        elif self.use_t:
            rows = self.model.exog if exog is None else exog
            rows = np.asarray(rows, dtype=float)
            df = self._df_of(self.model.target_score.prediction_columns(rows))
            # Statsmodels' class for a mean without a link is made for normal quantiles.
            found.df, found.dist, found.dist_args = df, stats.t, (df,)
        return with_levels_checked(found, check_alpha)

    def _require_prediction(self) -> None:
        """Raise where predictions have no interval, saying what to do."""
        score = self.model.target_score
        none = np.empty((0, len(self.model.exog_names)))
        if score.prediction_columns(none) is not None:
            return
        if score.predictors:
            raise OptionError(
                "get_prediction() gives an interval for one linear predictor, and "
                f"{score.called} has several. predict() gives the "
                "predictions; t_test() and cov_params() what errors of linear ones are."
            )
        raise OptionError(
            "get_prediction() gives intervals for a linear predictor, and with "
            f"{score.called} there is none. t_test() has intervals of combinations of "
            "the parameters."
        )

    def _averages(self, asked: RowsToPredict, which: str, by: Any) -> Any:
        """Averages over the units, or by group."""
        raise OptionError(
            "Averages over the population, and by group, are those of the fit: "
            "model.fit().get_prediction(average=True). For this estimate give the "
            "rows to average over: exog=data, with all units; and no by=."
        )

    def _average(self, found: Any, which: str, weights: Any) -> Any:
        """An average prediction with quantiles of t, within the range of means."""
        df = float(np.min(self.df_inference)) if self.use_t else None
        link = self.model.target_score.link
        # Weights that do not average to one give a sum, which has another range.
        is_mean = weights is None or bool(
            np.min(weights) >= 0.0 and np.isclose(np.mean(weights), 1.0)
        )
        if link is not None and which == "mean" and is_mean:
            return on_link_scale(found, link, df)
        if df is not None:
            found.df, found.dist, found.dist_args = df, stats.t, (df,)
        return found

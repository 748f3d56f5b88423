"""What statsmodels' own GMM, prediction and pickling code need of the model."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import scipy.linalg
from statsmodels.genmod import families

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.inherited import ListsWhatWorks, Withheld
from statsmodels_synth.core.messages import count
from statsmodels_synth.core.options import (
    WeightsMethod,
    check_choice,
    methods_name_keywords,
)
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.core.statsmodels import GMM
from statsmodels_synth.data.formula.learn import LearnedFormula
from statsmodels_synth.data.predicting import (
    design_rows,
    option_of_rows,
    total_offset,
)
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.gmm.moments import moment_blocks, moment_sums
from statsmodels_synth.gmm.starts import source_start, start_of
from statsmodels_synth.gmm.weights import block_jacobian
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.predictors import add_offset, linear_predictors


@methods_name_keywords
class StackedMomentsGMM(ListsWhatWorks, GMM):  # type: ignore[misc]
    """
    Stock GMM over the stacked moments of an aligned design.

    Every method of statsmodels' ``GMM`` that goes through ``momcond`` works on
    the full parameter vector, theta and then eta source by source. Fitting
    uses none of them.

    Attributes
    ----------
    aligned : AlignedDesign
        Arrays, aligned by unit.
    target_score : TargetScore
        TargetScore of the target model.
    family : statsmodels.genmod.families.Family
        Its family and link.
    learned : LearnedFormula or None
        The formula, if there is one.
    n_units : int
        Number of units T.
    """

    not_listed: ClassVar[frozenset[str]] = frozenset(
        {
            *("calc_weightmatrix", "fitgmm", "fitgmm_cu", "fititer"),
            *("gmmobjective", "gmmobjective_cu", "score", "score_cu"),
            *("momcond_mean", "start_weights", "epsilon_iter", "results_class"),
            *("instrument", "aligned_or_raise", "from_problem", "options"),
        }
    )
    set_param_names = Withheld(
        "Names of coefficients are those of exog, or of the formula. For a table: "
        "result.summary(xname=[...])."
    )

    aligned: AlignedDesign
    target_score: TargetScore
    family: families.Family
    learned: LearnedFormula | None
    n_units: int

    @property
    def param_names(self) -> list[str]:
        """Names of the coefficients: those of exog, or of the score."""
        return list(self.data.param_names)

    def aligned_or_raise(self) -> AlignedDesign:
        """
        Arrays, if they are still there.

        Returns
        -------
        AlignedDesign
            The arrays.

        Raises
        ------
        DataError
            If the data were removed.
        """
        if self.aligned is None:
            raise DataError(
                "The data were removed with remove_data(), and this needs them. Build "
                "the model again."
            )
        return self.aligned

    def _split(self, params: Any) -> tuple[Floats, Floats]:
        params = np.asarray(params, dtype=float)
        p, k_sources = self.k_params, self.aligned_or_raise().k_sources
        if params.shape != (p * (1 + k_sources),):
            raise DataError(
                f"params has shape {params.shape}; theta and eta of "
                f"{count(k_sources, 'source')} are {p * (1 + k_sources)} values: "
                "result.params, then result.auxiliary_params row by row."
            )
        return params[:p], params[p:].reshape(k_sources, p)

    @with_one_blas_thread
    def momcond(self, params: Any) -> Floats:
        """
        Moment conditions of every unit.

        Eq. (moments).

        Parameters
        ----------
        params : array_like (p + M p,)
            Theta, then eta source by source.

        Returns
        -------
        ndarray (T, p + 2 M p)
            Labelled score, then labelled and all-units moments of each source.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> model = study_model(make_study())
        >>> model.momcond(model.fitstart()).shape
        (694, 20)
        """
        theta, eta = self._split(params)
        moments = np.empty((self.n_units, self.nmoms))
        for units, block in moment_blocks(self.aligned, self.target_score, theta, eta):
            moments[units] = block
        return moments

    @with_one_blas_thread
    def gradient_momcond(self, params: Any, *args: Any, **kwargs: Any) -> Floats:
        """
        Exact Jacobian of the mean moments.

        Parameters
        ----------
        params : array_like (p + M p,)
            Theta, then eta source by source.
        *args, **kwargs
            Ignored: stock GMM passes options of a numeric derivative here.

        Returns
        -------
        ndarray (p + 2 M p, p + M p)
            Jacobian.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> model = study_model(make_study())
        >>> model.gradient_momcond(model.fitstart()).shape
        (20, 12)
        """
        theta, eta = self._split(params)
        sums = moment_sums(self.aligned, self.target_score, theta, eta)
        jacobian = block_jacobian(sums.auxiliary)
        return np.asarray(scipy.linalg.block_diag(sums.target, jacobian))

    def calc_weightmatrix(
        self, moms: Any, weights_method: str = "cov", *args: Any, **kwargs: Any
    ) -> Floats:
        """
        Weight of some moments, as stock GMM's own iteration asks for it.

        Parameters
        ----------
        moms : ndarray (T, q)
            From :meth:`momcond`.
        weights_method : {"cov"}
            Units are independent: what stock GMM has for series is refused.
        *args, **kwargs
            See ``statsmodels.sandbox.regression.gmm.GMM.calc_weightmatrix``.

        Returns
        -------
        ndarray (q, q)
            Second moment of the moments: stock GMM inverts it.
        """
        check_choice("weights_method", weights_method, WeightsMethod)
        if np.ndim(moms) != 2 or isinstance(moms, str):
            raise DataError(
                "moms must be the moments of every unit, momcond(params). The weight "
                "of a fit is result.weights."
            )
        return np.asarray(
            super().calc_weightmatrix(moms, weights_method, *args, **kwargs)
        )

    def fitstart(self) -> Floats:
        """
        Starting values: GLM on the labels and on (part of) each source.

        Returns
        -------
        ndarray (p + M p,)
            Theta, then eta source by source.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> model = study_model(make_study())
        >>> model.fitstart().shape
        (12,)
        """
        return np.concatenate([self.labeled_start(), self.sources_start().ravel()])

    @with_one_blas_thread
    def labeled_start(self) -> Floats:
        """
        GLM on the labels.

        Returns
        -------
        ndarray (p,)
            Theta.
        """
        return start_of(self.aligned_or_raise().labeled, self.target_score)

    @with_one_blas_thread
    def sources_start(self) -> Floats:
        """
        GLM on (part of) each source.

        Returns
        -------
        ndarray (M, p)
            Eta.
        """
        partitions = self.aligned_or_raise().partitions
        if partitions is None:
            some = [(source, False) for source in self.aligned.sources]
        else:
            sampled = zip(partitions.samples, partitions.facts, strict=True)
            some = [(rows, len(rows.endog) < fact.n_rows) for rows, fact in sampled]
        eta = [
            source_start(rows, self.target_score, is_sample=is_sample)
            for rows, is_sample in some
        ]
        return np.array(eta).reshape(len(some), self.k_params)

    def _rows_to_predict(self, exog: Any, transform: bool) -> Any:
        """Design matrix of rows to predict, columns in the order of coefficients."""
        absorbed = getattr(self, "absorbed", None)
        if absorbed is not None:
            raise OptionError(
                "There are no predictions with the fixed effects of the formula "
                f"{absorbed.text!r}: the constants of the groups are not estimated. "
                "t_test() has differences within a group, such as the change with a "
                "regressor."
            )
        if exog is None:
            return None
        if transform and self.learned is not None:
            return self.learned.predict_exog(exog)
        return design_rows(exog, self.exog_names)

    @staticmethod
    def _option_of_rows(value: Any, exog: Any, name: str) -> Any:
        """Offset or exposure of rows to predict, from a column or values."""
        return option_of_rows(value, exog, name)

    @with_one_blas_thread
    def predict(
        self,
        params: Any,
        exog: Any = None,
        *,
        which: str = "mean",
        offset: Any = None,
        exposure: Any = None,
    ) -> Floats:
        """
        Mean or linear predictor.

        Parameters
        ----------
        params : array_like (p,)
            Target coefficients.
        exog : array_like (rows, k), optional
            Design matrix; the labelled rows if omitted.
        which : {"mean", "linear"}
            What to predict.
        offset, exposure : array_like (rows,), optional
            Of the rows; if `exog` is omitted those of the labelled rows, unless
            one is given.

        Returns
        -------
        ndarray (rows,)
            Predictions; with several linear predictors one column for each, or for
            each of what the score predicts.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> model = study_model(make_study())
        >>> model.predict([0.1, 0.0, 0.0, 0.0]).shape
        (200,)
        """
        if which not in ("mean", "linear"):
            raise OptionError(
                f"which={which!r} does not exist. There are: 'mean', 'linear'."
            )
        if exog is None:
            _ = self.aligned_or_raise()
            exog = self.exog
            # As in GLM: what is given replaces what the rows came with.
            given = offset is not None or exposure is not None
            own = None if given else self.aligned.labeled.offset
            shift: Any = 0.0 if own is None else own
        else:
            exog, shift = design_rows(exog, self.exog_names), 0.0
        score = self.target_score
        if not score.predictors:
            return score.predicted(np.asarray(exog), np.asarray(params))
        linear = linear_predictors(np.asarray(exog), np.asarray(params), score)
        shift = shift + total_offset(offset, exposure, len(linear), score)
        add_offset(linear, shift, score)
        if which == "mean":
            return np.asarray(score.mean(linear))
        return np.asarray(linear[:, 0] if score.mean_of_first else linear)

    def remove_data(self) -> None:
        """
        Drop every array and frame with one value per unit.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> model = study_model(make_study())
        >>> result = model.fit()
        >>> model.remove_data()
        >>> result.bse.round(3)
        Intercept    0.598
        age          0.007
        educ         0.078
        income       0.024
        dtype: float64
        """
        _ = self.data.ynames, self.data.xnames  # cached, for the summary
        for name in self._data_attr:
            owner, _, attribute = name.rpartition(".")
            target = getattr(self, owner) if owner else self
            if attribute in target.__dict__:
                target.__dict__[attribute] = None
        self.data._cache.pop("row_labels", None)
        if self.learned is not None:
            self.learned.forget()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the formula's specification to :class:`LearnedFormula`."""
        state = self.__dict__.copy()
        # Not copy(): it would go through the pickling of statsmodels' data class,
        # which evaluates the formula again, with whichever engine is the default.
        data = object.__new__(type(self.data))
        data.__dict__.update(self.data.__dict__)
        data.__dict__.pop("model_spec", None)
        data.__dict__.pop("design_info", None)
        return state | {"data": data}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Attach the specification that was learned again."""
        self.__dict__.update(state)
        if self.learned is not None:
            self._attach_spec()

    def _attach_spec(self) -> None:
        """Put the formula's specification where statsmodels and others look for it."""
        assert self.learned is not None
        spec = self.learned.spec
        self.data.model_spec = spec
        if self.engine == "patsy":  # smmargins asks for it
            self.data.design_info = spec

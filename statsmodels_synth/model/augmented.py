"""The model: takes the data in, puts the parts to work, hands the results out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.genmod import families

from statsmodels_synth.core.arrays import Floats, as_floats
from statsmodels_synth.core.calls import call_text
from statsmodels_synth.core.messages import noting
from statsmodels_synth.core.options import (
    CovType,
    Engine,
    MaxIter,
    Missing,
    Population,
    RareLevels,
    WeightsMethod,
    check_alpha,
    check_choice,
    check_flag,
    check_keywords,
    methods_name_keywords,
)
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.data.arrays import (
    AlignedProblem,
    ModelOptions,
    align_arrays,
    check_number_of_labels,
)
from statsmodels_synth.data.auxiliary import NAME as AUXILIARY
from statsmodels_synth.data.auxiliary import Recalibration, with_auxiliary
from statsmodels_synth.data.checks import check_clusters, check_number_of_clusters
from statsmodels_synth.data.coders import Coding, Collapsed, collapse
from statsmodels_synth.data.dask import partitioned
from statsmodels_synth.data.equations import read_equations
from statsmodels_synth.data.forms import given_sources
from statsmodels_synth.data.formula.instruments import as_written, without_brackets
from statsmodels_synth.data.formula.parse import (
    calling_namespace,
    check_formula,
    refuse_formula,
)
from statsmodels_synth.data.frames import On
from statsmodels_synth.data.from_frames import align_tables
from statsmodels_synth.data.groups import (
    find_clusters,
    group_values,
    partitioned_clusters,
    read_groups,
    survey_strata,
)
from statsmodels_synth.data.kinds import Uncollected, any_partitioned
from statsmodels_synth.data.label_sets import read_sets, share_units
from statsmodels_synth.data.levels import coded_sets
from statsmodels_synth.data.rare_levels import check_rare_levels
from statsmodels_synth.exceptions import (
    DataError,
    OptionError,
)
from statsmodels_synth.gmm.fit import Fit, fit_design, fit_labels
from statsmodels_synth.gmm.settings import FitSettings
from statsmodels_synth.gmm.solver import solve_sources
from statsmodels_synth.gmm.sums import SourceState
from statsmodels_synth.model.many import FIT_KEYS, ManyFits
from statsmodels_synth.model.stacked import StackedMomentsGMM
from statsmodels_synth.problem.design import Target
from statsmodels_synth.problem.groups import Clusters
from statsmodels_synth.problem.scores import (
    InstrumentalVariables,
    LevelScore,
    TargetScore,
    read_score,
)
from statsmodels_synth.results.augmented import (
    AugmentedGMMResults,
    AugmentedGMMResultsWrapper,
)
from statsmodels_synth.results.text import fit_call

if TYPE_CHECKING:
    from statsmodels_synth.estimators.multiverse import Multiverse

_FORMULA_KEYS = [
    *("proxy", "synthetic", "on", "labeled", "labeling_prob", "strata", "family"),
    *("score", "weights", "offset", "exposure", "missing", "engine", "eval_env"),
    *("auxiliary", "learner", "rare_levels", "coder", "coding"),
]
#: What the text of a call shows.
_IN_CALL = {"formula", "data", *_FORMULA_KEYS} - {"missing", "eval_env"}
_MOMENT_CALL = ("psi", "data", "proxy", "synthetic", "start", "params", "derivative")
_MOMENT_KEYS = [
    *("on", "labeled", "labeling_prob", "strata", "weights", "auxiliary", "learner"),
    *("missing", "engine", "coder", "coding"),
]
_FIT_MANY_KEYS = [*FIT_KEYS, "exog", "labeling_prob", "strata"]
_INIT_KEYS = [
    *("proxy", "synthetic", "labeled", "family", "weights", "offset", "exposure"),
    *("missing", "hasconst", "labeling_prob", "strata", "score", "auxiliary"),
    "learner",
]
#: What the model keeps under the names of the constructor.
_OPTIONS = [
    *("proxy", "synthetic", "weights", "offset", "exposure", "missing", "hasconst"),
    *("labeling_prob", "strata", "auxiliary", "learner"),
]
#: What has one value per unit: remove_data() drops it.
_PER_UNIT = [
    *("proxy", "synthetic", "labeled", "weights", "offset", "exposure"),
    *("labeling_prob", "strata", "unit_columns", "given_units", "lacking_units"),
    *("aligned", "unit_index", "instrument", "source_state"),
    *("auxiliary", "recalibration"),
    *("data.frame", "data.orig_endog", "data.orig_exog"),
]


@methods_name_keywords
class AugmentedGMM(StackedMomentsGMM):
    r"""
    Regression on human labels, augmented by imperfect proxies and synthetic data.

    The estimator (GMM-Synth, [1]_) solves the score equations of a generalised
    linear model on the labelled units, and uses the scores of every source, on
    labelled and on all units, to remove what is predictable from their noise.
    Estimates are valid when units are labelled at random or with known
    probabilities, and the sources are made in the same way for labelled and
    unlabelled units.

    Parameters
    ----------
    endog : array_like (T,) or (n,)
        Human labels, NaN where a unit is not labelled; or, with `labeled`, the
        labels of the n labelled units only.
    exog : array_like (T, p) or (n, p)
        Regressors as people observed them, the constant included. Rows of
        unlabelled units are not used.
    proxy : mapping, optional
        From name to ``(endog, exog)`` with T rows, NaN where a unit is not
        covered, or to ``(endog, exog, units)`` with any number of rows, where
        `units` gives the position of each row's unit; several rows of one unit
        are replicates.
    synthetic : mapping, optional
        Synthetic sources in the same form. The estimator treats both alike.
    labeled : array_like of bool (T,), optional
        Which units are labelled. If omitted, those without NaN.
    family : statsmodels.genmod.families.Family, optional
        Family and link of the target model. Gaussian if omitted.
    weights : array_like (T,), optional
        Weight of each unit, above 0; multiplies every score of the unit.
    offset : array_like, optional
        Offset of the linear predictor, one value per row of `endog`.
    exposure : array_like, optional
        Its log is added to the offset; with a log link only.
    missing : {"drop", "raise"}
        What to do with incomplete rows of sources.
    hasconst : bool, optional
        Whether `exog` has a constant; found out if omitted.
    labeling_prob : float or array_like, optional
        Probability with which each unit was chosen for labelling, NaN allowed where
        it was not; one number if all had the same. If omitted, all had the same.
    strata : array_like (T,), optional
        Stratum of each unit, where a fixed number of units was labelled in each: the
        probabilities are then the shares that were.
    score : Score, optional
        Another target model, in place of `family`: an object with a method
        ``factors(endog, linear)``, see :class:`~statsmodels_synth.scores.Score`.
    auxiliary : array_like (T, k), optional
        What is known of every unit besides `exog`, such as the confidence of a model.
        The outcome is predicted from it and from what the proxies say, each fold of the
        units by the labels of the others, and that is one more source, named
        "auxiliary". It takes part where it predicts the labels better than the proxies
        do. NaN where the source shall not cover a unit.
    learner : object, optional
        What predicts: a regressor of scikit-learn, or a classifier with
        ``predict_proba``. If omitted, a ridge regression with curvature and products,
        logistic for outcomes of 0 and 1.
    **kwargs
        Set by :meth:`from_formula`.

    Attributes
    ----------
    endog, exog : ndarray (n,), (n, p)
        The labelled rows.
    aligned : AlignedDesign
        All arrays, aligned by unit.
    n_units : int
        Number of units T that are labelled or covered.
    nmoms, k_params : int
        Moment conditions ``p + 2 M p`` and target coefficients p.

    Raises
    ------
    DataError
        If lengths disagree, values are infinite or outside the family's range,
        labels are too few, a source covers no labelled or no unlabelled unit.
    CollinearityError
        If the columns of the labelled rows or of a source are dependent.
    OptionError
        If an option does not exist.

    See Also
    --------
    from_formula : The same from data frames, matched by unit.

    Notes
    -----
    The explanation of the method in the documentation has every equation, with
    the function that computes it.

    References
    ----------
    .. [1] Byun, Y., Gupta, S., Lipton, Z. C., Childers, R. L. and Wilder, B. (2025).
       Valid inference with imperfect synthetic data. NeurIPS 2025,
       arXiv:2508.06635.

    Examples
    --------
    >>> import numpy as np
    >>> import statsmodels.api as sm
    >>> from statsmodels_synth import AugmentedGMM
    >>> rng = np.random.default_rng(0)
    >>> x = sm.add_constant(rng.normal(size=2000))
    >>> truth = x @ [1.0, 0.5] + rng.normal(size=2000)
    >>> guess = truth + rng.normal(scale=0.5, size=2000) + 0.3
    >>> labels = np.where(np.arange(2000) < 200, truth, np.nan)
    >>> result = AugmentedGMM(labels, x, proxy={"llm": (guess, x)}).fit()
    >>> result.params.round(2)
    array([0.97, 0.53])
    >>> result.effective_nobs.round()
    array([598., 708.])
    """

    @with_one_blas_thread
    def __init__(
        self,
        endog: Any,
        exog: Any,
        proxy: Mapping[str, Any] | None = None,
        synthetic: Mapping[str, Any] | None = None,
        labeled: Any = None,
        family: families.Family | None = None,
        weights: Any = None,
        offset: Any = None,
        exposure: Any = None,
        missing: Missing = "drop",
        hasconst: bool | None = None,
        labeling_prob: Any = None,
        strata: Any = None,
        score: Any = None,
        auxiliary: Any = None,
        learner: Any = None,
        **kwargs: Any,
    ) -> None:
        check_keywords("AugmentedGMM", kwargs, _INIT_KEYS)
        refuse_formula(endog, exog)
        check_choice("missing", missing, Missing)
        options = ModelOptions(
            proxy,
            synthetic,
            weights,
            offset,
            exposure,
            missing,
            hasconst,
            labeling_prob,
            strata,
            score,
            auxiliary,
            learner,
        )
        target = read_score(family, score)
        self._take(align_arrays(endog, exog, labeled, target, options), None)

    @classmethod
    @with_one_blas_thread
    def from_problem(
        cls, problem: AlignedProblem, state: SourceState | None = None
    ) -> AugmentedGMM:
        """The model of a problem, from whichever door; `state`: of its sources."""
        model = cls.__new__(cls)
        model._take(problem, state)
        return model

    def _take(
        self,
        problem: AlignedProblem,
        state: SourceState | None,
        clusters: Clusters | None = None,
    ) -> None:
        """Take over a problem: the one place where a model gets its attributes."""
        #: How the source of auxiliary columns was made, if it was.
        self.recalibration: Recalibration | None
        problem, self.recalibration = with_auxiliary(problem, clusters)
        self.aligned, self.target_score = problem.design, problem.target
        #: All units that were given, also those that are neither labelled nor covered.
        self.given_units = self.unit_index = problem.units
        if self.aligned.kept is not None:
            self.unit_index = problem.units[self.aligned.kept]
        self.n_units = self.aligned.n_units
        self.n_incomplete, self.lacking_units = problem.n_incomplete, problem.lacking
        self.aligned_basis = self.aligned.basis
        self.family = self.target_score.family
        self._cautions = problem.cautions
        learned = self.learned = problem.learned
        self.engine: Engine | None = learned.parsed.engine if learned else None
        #: Further columns of the units, with a formula.
        self.unit_columns = problem.columns
        #: What each source says by itself, once a fit has found it: the next fit on
        #: the same sources needs no pass over their rows.
        self.source_state = state
        p = self.aligned.k_params
        options = problem.options
        super().__init__(
            problem.endog, problem.exog, None, k_params=p, hasconst=options.hasconst
        )
        if not self.target_score.is_single:
            names = self.target_score.param_names(self.exog_names)
            self.data.param_names = names
        self.nmoms = p * (1 + 2 * self.aligned.k_sources)
        self.df_model = float(p - self.k_constant)
        self.df_resid = float(self.aligned.n_labeled - p)
        # What the constructor takes, so that statsmodels can build the model again
        # from (endog, exog, **kwds). Its `score` is a method of stock GMM.
        self.labeled, self._own_score = problem.labeled, options.score
        for name in _OPTIONS:
            setattr(self, name, getattr(options, name))
        self._init_keys = list(_INIT_KEYS)
        self._data_attr.extend(_PER_UNIT)
        if problem.frame is not None:
            self.data.frame = problem.frame
        if learned is not None:
            self.formula = problem.formula or learned.parsed.text
        #: Fixed effects that were absorbed, with a formula that has some.
        self.absorbed = problem.absorbed
        #: How far coders agree, where units have several codes.
        self.coders = problem.coders
        #: The call that gave the data, as text; empty where it is not known.
        self.call = problem.call or ""
        if self.absorbed is not None:
            self.formula = problem.formula or self.absorbed.text
        if learned is not None:
            self._attach_spec()

    @property
    def options(self) -> ModelOptions:
        """What the constructor takes besides rows, family and labelled units."""
        given = {name: getattr(self, name) for name in _OPTIONS}
        return ModelOptions(**given, score=self._own_score)

    @classmethod
    def from_formula(
        cls,
        formula: str,
        data: Any,
        proxy: Any = None,
        synthetic: Any = None,
        *,
        on: On = None,
        labeled: Any = None,
        labeling_prob: Any = None,
        strata: Any = None,
        family: families.Family | None = None,
        score: Any = None,
        weights: Any = None,
        offset: Any = None,
        exposure: Any = None,
        auxiliary: Any = None,
        learner: Any = None,
        missing: Missing = "drop",
        coder: str | None = None,
        coding: Any = None,
        rare_levels: RareLevels = "raise",
        engine: Engine | None = None,
        eval_env: int | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AugmentedGMM:
        """
        Create the model from a formula and data frames, matched by unit.

        Estimates are valid when units are labelled at random or with known
        probabilities, and the sources are made in the same way for labelled and
        unlabelled units.

        Parameters
        ----------
        formula : str
            For example ``"polite ~ hedge + np.log(length)"``. Instruments are in
            brackets, as in ``"y ~ x + [d ~ z]"``; fixed effects that a linear model
            shall absorb follow a bar, as in ``"y ~ x | firm + year"``.
        data : DataFrame or Table
            Rows with human labels, or all units with NaN where nobody labelled.
            One row per unit; the index identifies units unless `on` is given. Of
            pandas or any library that narwhals knows, here and below. Without an
            index, rows are matched by `on`, or counted; those that have yet to be
            collected (LazyFrame, DuckDB, Ibis) only by `on`.
        proxy, synthetic : DataFrame, Table or mapping, optional
            A frame; ``{name: frame, ...}`` for several; or ``{variable: column}``
            for columns of `data` that stand in for variables of the formula (also
            ``{name: {variable: column}}``). A variable that a frame does not have
            is taken from `data` for that unit. Several rows of a unit are
            replicates.
        on : str or sequence of str, optional
            Column that identifies units in `data` and every frame.
        labeled : array_like of bool or str, optional
            Which rows of `data` are labelled, or the column that says so. If
            omitted, the rows in which every variable of the formula is present.
        labeling_prob : float, str or array_like, optional
            Probability with which each unit was chosen for labelling: one number, a
            column, or one value per row of `data`. If omitted, all had the same.
        strata : str or array_like, optional
            Column that says which stratum a unit is in (or one value per row of
            `data`), where a fixed number of units was labelled in each stratum.
        family : statsmodels.genmod.families.Family, optional
            Family and link. Gaussian if omitted.
        score : Score, optional
            Another target model, in place of `family`: see
            :class:`~statsmodels_synth.scores.Score`.
        weights, offset, exposure : str or array_like, optional
            Column, or one value per row of `data`.
        auxiliary : str, DataFrame or Table, optional
            What is known of every unit besides the formula, such as the confidence of a
            model: the right side of a formula of columns, as in
            ``"confidence + n_words"``, of `data` or, where it lacks one, of the
            sources; or a frame that is matched by unit. The outcome is predicted from
            it and from what the proxies say, each fold of the units by the labels of
            the others, and that is one more source, named "auxiliary". It takes part
            where it predicts the labels better than the proxies do.
        learner : object, optional
            What predicts: a regressor of scikit-learn, or a classifier with
            ``predict_proba``. If omitted, a ridge regression with curvature and
            products, logistic for outcomes of 0 and 1.
        missing : {"drop", "raise"}
            Whether incomplete labelled units count as unlabelled, and incomplete
            rows of sources as not covered (the summary gives the numbers), or
            raise.
        coder : str, optional
            Column that says who coded a row, where `data` has several rows per unit.
            They become one label, and the summary says how far coders agree.
        coding : {"mean", "majority"} or dict, optional
            What makes one label of several codes, of all columns in which these differ
            or by column. If omitted, the mean of an outcome of numbers, the majority
            of one with levels; a regressor on which coders differ must be named.
        rare_levels : {"raise", "drop", "lump"}
            What to do with levels of regressors that no labelled unit has: refuse them;
            leave their units and rows of sources out, like incomplete ones; or count
            them as the level with the fewest labels. A warning gives the numbers.
        engine : {"patsy", "formulaic"}, optional
            Formula engine; statsmodels' option if omitted.
        eval_env : int or mapping, optional
            Where the formula's functions are looked up: frames above the caller,
            -1 for nowhere, or the names themselves.
        **kwargs
            `hasconst`; anything else is an error.

        Returns
        -------
        AugmentedGMM
            The model, ready to fit.

        Raises
        ------
        AlignmentError
            If frames cannot be matched.
        FormulaError
            If the formula cannot be evaluated on a frame.
        DataError
            See :class:`AugmentedGMM`.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth import AugmentedGMM
        >>> units = pd.DataFrame({"x": range(40)})
        >>> units["llm"] = units.x * 2.0 + units.x % 3
        >>> units["y"] = (units.llm + units.x % 2).where(units.x % 4 < 2)
        >>> model = AugmentedGMM.from_formula("y ~ x", units, proxy={"y": "llm"})
        >>> model.fit().n_labeled
        20
        """
        given = {name: value for name, value in locals().items() if name in _IN_CALL}
        if rare_levels == "raise":
            del given["rare_levels"]  # the default
        check_keywords("from_formula", kwargs, [*_FORMULA_KEYS, "hasconst"])
        check_formula(formula, data)
        check_choice("missing", missing, Missing)
        check_rare_levels(rare_levels, missing)
        options = ModelOptions(
            proxy,
            synthetic,
            weights,
            offset,
            exposure,
            missing,
            kwargs.get("hasconst"),
            labeling_prob,
            strata,
            score,
            auxiliary,
            learner,
            rare_levels,
        )
        learned, target = without_brackets(
            formula,
            read_score(family, score),
            is_given=family is not None or score is not None,
        )
        in_parts = any_partitioned(data, proxy, synthetic)
        collapsed = _one_row_per_unit(
            (learned, data, on), target, options, (coder, coding), in_parts=in_parts
        )
        if collapsed is not None:
            data = collapsed.data
        door = partitioned() if in_parts else align_tables
        namespace = calling_namespace(sys._getframe(1), eval_env)
        with as_written(formula, learned):
            problem = door(
                learned,
                data,
                labeled,
                target,
                options,
                namespace=namespace,
                engine=engine,
                on=on,
            )
        if problem.absorbed is not None:
            absorbed = replace(problem.absorbed, text=formula)
            problem = replace(problem, absorbed=absorbed)
        return cls.from_problem(
            replace(
                problem,
                coders=None if collapsed is None else collapsed.coders,
                call=call_text("AugmentedGMM.from_formula", given),
                formula=None if learned == formula else formula,
            )
        )

    @classmethod
    def from_moments(
        cls,
        psi: Callable[..., Any],
        data: Any,
        proxy: Any = None,
        synthetic: Any = None,
        *,
        start: Any = None,
        params: Sequence[str] | None = None,
        derivative: Callable[..., Any] | None = None,
        variables: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> AugmentedGMM:
        """
        Create the model from estimating equations of one's own.

        Anything that is the solution of ``E[psi(theta; unit)] = 0``: a ratio, a
        weighted mean, several models at once.

        Parameters
        ----------
        psi : callable
            ``psi(theta, frame)``, the left side of the equations row by row, (rows, P),
            as an array. `theta` is an array (P,), `frame` a pandas frame with the
            columns that psi uses, of people or of a source. What it returns for a row
            must not depend on which other rows are there.
        data : DataFrame or Table
            As in :meth:`from_formula`, with the columns that psi uses.
        proxy, synthetic : DataFrame, Table or mapping, optional
            As in :meth:`from_formula`; what stands there of variables of the formula
            holds of the columns that psi uses.
        start : mapping, Series or array_like (P,)
            Where the search for the solution on the labelled rows begins. Its names are
            those of the parameters.
        params : sequence of str, optional
            Names of the parameters, if `start` has none.
        derivative : callable, optional
            ``derivative(theta, frame)``, (rows, P, P), equations by parameters. It is
            compared with differences of psi; if omitted, these are used.
        variables : sequence of str, optional
            Columns that psi uses. If omitted, those that it asks for by name when it is
            called with some rows of `data`. The outcome is the one that is missing most
            often; in Dask partitions the first.
        **kwargs
            `on`, `labeled`, `labeling_prob`, `strata`, `weights`, `missing`, `engine`,
            `auxiliary`, `learner`, `coder` and `coding`, as in :meth:`from_formula`.

        Returns
        -------
        AugmentedGMM
            The model, ready to fit.

        Raises
        ------
        OptionError
            If psi does not return what it should, or `derivative` is not its
            derivative.
        DataError
            If the equations have no solution on the labelled rows.
        CollinearityError
            If they do not identify a parameter.

        References
        ----------
        Stefanski, L. A. and Boos, D. D. (2002). The calculus of M-estimation. The
        American Statistician 56, 29-38.

        Examples
        --------
        The ratio of two means, both coded by people for 100 of 1,000 units:

        >>> import numpy as np
        >>> import pandas as pd
        >>> from statsmodels_synth import AugmentedGMM
        >>> rng = np.random.default_rng(0)
        >>> ids = pd.Index([f"u{i}" for i in range(1000)], name="id")
        >>> all_ = pd.DataFrame(rng.gamma(2.0, size=(1000, 2)), ids, ["a", "b"])
        >>> guesses = all_ + rng.normal(scale=0.3, size=(1000, 2))
        >>> def ratio(theta, frame):
        ...     return (frame.a - theta[0] * frame.b).to_numpy()
        >>> model = AugmentedGMM.from_moments(
        ...     ratio, all_.head(100), proxy=guesses, start={"a per b": 1.0}
        ... )
        >>> model.fit().params.round(3)
        a per b    1.065
        dtype: float64
        """
        given = {
            name: value for name, value in locals().items() if name in _MOMENT_CALL
        }
        refused = {"family", "score", "offset", "exposure", "eval_env"} & {*kwargs}
        if refused:
            raise OptionError(
                f"from_moments() has no {sorted(refused)[0]}=: psi says all of it."
            )
        check_keywords("from_moments", kwargs, [*_MOMENT_KEYS, "hasconst"])
        if start is None:
            raise OptionError(
                "start= is where the search for the solution begins: give a number for "
                "each parameter, such as start={'mean': 0.0}."
            )
        equations = read_equations(
            psi,
            data,
            given_sources(proxy, synthetic),
            start=start,
            params=params,
            variables=variables,
            derivative=derivative,
        )
        model = cls.from_formula(
            equations.formula,
            data,
            proxy,
            synthetic,
            score=equations.score,
            eval_env=-1,
            **kwargs,
        )
        return model._called_by("AugmentedGMM.from_moments", given | kwargs)

    def _called_by(self, function: str, given: Mapping[str, Any]) -> AugmentedGMM:
        """The same model, which another function has asked for."""
        self.call = call_text(function, given)
        return self

    @with_one_blas_thread
    def fit(
        self,
        start_params: Any = None,
        maxiter: MaxIter = 2,
        weights_method: WeightsMethod = "cov",
        cov_type: CovType | None = None,
        cov_kwds: Mapping[str, Any] | None = None,
        use_t: bool | None = None,
        centered: bool = False,
        use_correction: bool | None = None,
        population: Population = "superpopulation",
        **kwargs: Any,
    ) -> AugmentedGMMResultsWrapper:
        """
        Estimate the coefficients.

        Parameters
        ----------
        start_params : array_like, optional
            Start for theta (p,), or for theta and eta (p + M p,).
        maxiter : int or "cue"
            1: the labelled-only estimate. 2: two-step, by default the variant for few
            labels; with ``use_correction=False`` the estimator of Byun et al. (2025),
            but for the first step where the labelled design is ill-conditioned.
            Larger: iterated, at most so many steps. "cue": continuously updated.
        weights_method : {"cov"}
            How the weight is estimated: inverse second moment of the moments.
        cov_type : {"robust", "cluster"}, optional
            "robust" if omitted; "cluster", by the first of them, where the formula
            absorbs fixed effects. Covariance, robust to misspecification of the target
            model; "cluster" also to dependence within clusters. By default it changes
            the estimate as well: what is taken off for the sources is learned from
            whole clusters, and with very few, such as 5, may be nothing. The summary
            says by how much.
        cov_kwds : mapping, optional
            For "cluster": ``{"groups": ...}``, the name of a column or the cluster of
            each unit. Where a survey drew the clusters (primary sampling units) within
            strata, also ``"strata"``, and ``"fpc"``: of how many clusters in the
            stratum, or which share of them was drawn. "robust" has none.
        use_t : bool, optional
            Student t instead of normal quantiles, with n minus the effective number
            of estimated coefficients as degrees of freedom, or one less than the
            number of clusters with labels, minus those of the sources. As
            `use_correction` if omitted.
        centered : bool
            Whether the second moment of the moments is centred; not in the paper.
        use_correction : bool, optional
            True, if omitted but for "cue": what is taken off is shrunken as far as
            few labels demand, with standard errors for few labels (see
            :mod:`statsmodels_synth.gmm.few_labels` and
            :mod:`statsmodels_synth.gmm.few_labels`). False: estimator and asymptotic
            interval of Byun et al. (2025), where `maxiter` is 2.
        population : {"superpopulation", "finite"}
            What the coefficients are of. "finite": of the units themselves, such as a
            corpus of which all texts are there. They are those that labels for all
            units would give, and intervals leave out the variance from drawing the
            units. The estimate is the same.
        **kwargs
            Anything else is an error.

        Returns
        -------
        AugmentedGMMResultsWrapper
            See :class:`~statsmodels_synth.results.augmented.AugmentedGMMResults`.

        Raises
        ------
        SeparationError
            If the labels or a source are perfectly separated.
        OptionError
            If an option does not exist.

        Warns
        -----
        ConvergenceWarning
            If the moment conditions were not solved.
        CollinearSourceWarning
            If a source was dropped because it repeats others.
        LabelAgreementWarning
            If a source agrees with every label, or with all but a few.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> model = study_model(make_study())
        >>> model.fit().params.round(3)
        Intercept   -2.853
        age          0.017
        educ         0.013
        income       0.096
        dtype: float64
        >>> model.fit(use_correction=False).params.round(3)  # as in the paper
        Intercept   -2.731
        age          0.016
        educ        -0.001
        income       0.095
        dtype: float64
        """
        check_keywords("fit", kwargs, FIT_KEYS)
        settings, groups = self._settings(
            {
                "maxiter": maxiter,
                "weights_method": weights_method,
                "cov_type": cov_type,
                "cov_kwds": cov_kwds,
                "use_t": use_t,
                "centered": centered,
                "use_correction": use_correction,
                "population": population,
            }
        )
        _ = self.aligned_or_raise()
        with noting() as noted:
            clusters = self._clusters(groups, cov_kwds)
            model = self if clusters is None else self._with_folds_of(clusters)
            fit = model._solved(start_params, settings, clusters)
        cautions = (*model._cautions, *noted)
        found = AugmentedGMMResults(model, fit, cautions)
        found.call = fit_call(settings, cov_kwds)
        return AugmentedGMMResultsWrapper(found)

    def _settings(self, given: Mapping[str, Any]) -> tuple[FitSettings, Any]:
        """Options of a fit, read, and the groups of its covariance."""
        maxiter, population = (
            given.get("maxiter", 2),
            given.get("population", "superpopulation"),
        )
        use_t, correct = given.get("use_t"), given.get("use_correction")
        if correct is None:
            correct = maxiter != "cue"
        cov_type, cov_kwds = self._default_covariance(
            given.get("cov_type"), given.get("cov_kwds"), population
        )
        check_flag("use_correction", correct)
        settings = FitSettings(
            maxiter,
            given.get("weights_method", "cov"),
            cov_type,
            given.get("centered", False),
            correct if use_t is None else use_t,
            correct,
            population,
        )
        return settings, read_groups(cov_type, {} if cov_kwds is None else cov_kwds)

    def _default_covariance(
        self, cov_type: CovType | None, cov_kwds: Any, population: Population
    ) -> tuple[CovType, Any]:
        """By the first of absorbed fixed effects, unless another is asked for."""
        if self.absorbed is None or population == "finite" or cov_type == "robust":
            return cov_type or "robust", cov_kwds
        if cov_kwds is None:
            cov_kwds = {"groups": self.absorbed.names[0]}
        return cov_type or "cluster", cov_kwds

    def _solved(
        self, start_params: Any, settings: FitSettings, clusters: Clusters | None
    ) -> Fit:
        """The fit, from options that have been read."""
        design = self.aligned
        n, k = design.n_labeled, design.k_sources
        check_number_of_labels(n, self.k_params, k, k, design.n_units)
        known = self._known_sources(start_params)
        theta, eta = self._start(start_params, known)
        fit = fit_design(
            self.aligned, self._target, theta, eta, settings, clusters, known
        )
        if start_params is None and fit.sources is not None:
            self.source_state = fit.sources
        made = self.recalibration
        if made is not None and made.reason:
            dropped = {AUXILIARY: made.reason} | fit.dropped_sources
            fit = replace(fit, dropped_sources=dropped)
        return fit

    def _with_folds_of(self, clusters: Clusters) -> AugmentedGMM:
        """The same model; where labels have made a source, folds keep clusters."""
        made = self.recalibration
        if made is None:
            return self
        model = type(self).__new__(type(self))
        model._take(made.before, None, clusters)
        return model

    @with_one_blas_thread
    def multiverse(self, *, alpha: float = 0.05, **options: Any) -> Multiverse:
        """
        Estimate with each source alone, to see what hangs on the choice of a prompt.

        For sources that are variants of one another, such as the answers of many
        models to many prompts. Of each there is the naive estimate, as if it were
        real, and the augmented one, with this source alone beside the labels; and both
        of all sources together, which are then replicates of one source.

        Parameters
        ----------
        alpha : float
            One minus the level of intervals; level of the tests that are counted.
        **options
            Of :meth:`fit`, such as `cov_type` and `population`.

        Returns
        -------
        Multiverse
            ``.table``, ``.together``, ``shares()`` of significant results of each sign,
            ``summary()``, ``plot()``.

        Raises
        ------
        DataError
            If there is no source, or none can be used.
        OptionError
            If an option does not exist, or the model has auxiliary columns.

        See Also
        --------
        fit : All sources at once, each with a weight of its own.

        References
        ----------
        Steegen, S., Tuerlinckx, F., Gelman, A. and Vanpaemel, W. (2016). Increasing
        transparency through a multiverse analysis. Perspectives on Psychological
        Science 11, 702-712.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> found = study_model(make_study()).multiverse()
        >>> found.table.loc["income", ["naive", "augmented"]].round(3)
                 naive  augmented
        variant
        guess    0.090      0.096
        draws    0.029      0.089
        """
        from statsmodels_synth.estimators.multiverse import (  # noqa: PLC0415
            multiverse,
        )

        keys = [name for name in FIT_KEYS if name != "start_params"]
        check_keywords("multiverse", options, [*keys, "alpha"])
        if self.recalibration is not None:
            raise OptionError(
                "multiverse() takes each source by itself, and with auxiliary= one is "
                "made from the labels. Build the model without it."
            )
        settings, groups = self._settings(options)
        design = self.aligned_or_raise()
        clusters = self._clusters(groups, options.get("cov_kwds"))
        # As fit() starts: from the end of another fit a quantile has another solution.
        theta, eta = self._start(None, None)
        start = fit_labels(design, self._target, theta, settings, clusters)
        at, alpha = self.data.const_idx, check_alpha(alpha)
        return multiverse(design, start, settings, eta, at, alpha)

    @with_one_blas_thread
    def fit_many(
        self,
        endog: Any,
        exog: Any = None,
        *,
        labeling_prob: Any = None,
        strata: Any = None,
        **kwargs: Any,
    ) -> ManyFits:
        """
        Fit many sets of labels, or many human outcomes, on the same sources.

        The passes over the rows of the sources are made once, here, and shared. Each
        fit gives the numbers of a model built with its labels.

        Parameters
        ----------
        endog : array_like (T, K), DataFrame, mapping, or list of Series
            Labels of each set, NaN where a unit is not labelled in it. The columns of a
            DataFrame, or the keys of a mapping from name to a Series or to an array
            (T,), name the sets. Pandas objects are matched by their index to the units
            (:attr:`given_units`) and need no rows for units that are not labelled;
            arrays have one row for each unit, in that order. With a formula these are
            values of its left side.
        exog : array_like (T, p) or DataFrame, optional
            Regressors as people observed them, the constant included. If omitted, those
            that the model has: of its labelled units, and with a formula of every row
            of `data`; one that lacks a regressor counts as unlabelled.
        labeling_prob, strata : array_like (T,), optional
            How units are chosen for labelling, if not as in the model.
        **kwargs
            Options of :meth:`fit`, the same for all.

        Returns
        -------
        ManyFits
            Iterable with a length; ``fits[k]`` is a normal result.

        Raises
        ------
        AlignmentError, DataError
            If rows cannot be matched to units. What is wrong with the labels of a set
            is said when it is fitted, with its name.

        See Also
        --------
        fit : One fit.

        Examples
        --------
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> from statsmodels_synth import AugmentedGMM
        >>> rng = np.random.default_rng(0)
        >>> x = sm.add_constant(rng.normal(size=2000))
        >>> y = x @ [1.0, 0.5] + rng.normal(size=2000)
        >>> guess = y + rng.normal(scale=0.5, size=2000) + 0.3
        >>> model = AugmentedGMM(y, x, proxy={"llm": (guess, x)},
        ...                      labeled=np.arange(2000) < 200)
        >>> sets = np.full((2000, 3), np.nan)
        >>> for k in range(3):
        ...     chosen = rng.choice(2000, size=200, replace=False)
        ...     sets[chosen, k] = y[chosen]
        >>> fits = model.fit_many(sets, x)  # for result in tqdm(fits): ...
        >>> [result.params.round(2).tolist() for result in fits]
        [[1.0, 0.5], [0.97, 0.49], [0.99, 0.52]]
        """
        check_keywords("fit_many", kwargs, _FIT_MANY_KEYS)
        if self.absorbed is not None:
            raise OptionError(
                "fit_many() is not available with the fixed effects of the formula "
                f"{self.absorbed.text!r}: what is taken off for groups is learned from "
                "the labels. Make a model for each set of labels."
            )
        if (table := self._unordered) is not None:
            table.refuse_by_row(endog, "endog")
            table.refuse_by_row(exog, "exog")
            table.refuse_by_row(labeling_prob, "labeling_prob")
            table.refuse_by_row(strata, "strata")
        shared = share_units(self, exog, labeling_prob, strata)
        if isinstance(self.target_score, LevelScore):
            endog = coded_sets(endog, self.target_score)
        sets = read_sets(endog, shared.units)
        passes = 0
        design, start = self.aligned, kwargs.get("start_params")
        given = start is not None and np.size(start) > self.k_params
        given = given or self.recalibration is not None
        if self.source_state is None and design.k_sources and not given:
            self.source_state, passes = solve_sources(
                design,
                self.target_score,
                self.labeled_start(),
                self.sources_start(),
            )
        return ManyFits(self, shared, sets, kwargs, passes)

    def _clusters(self, groups: Any, options: Any) -> Clusters | None:
        """
        Cluster of each unit, from a column or one value per unit, if there are any.

        `options` of the covariance: strata that a survey drew them from.
        """
        if groups is None:
            return None
        found = self._numbered_clusters(groups)
        self._check_clusters(found)
        if options and ("strata" in options or "fpc" in options):
            return self._in_survey_strata(found, options)
        return found

    def _numbered_clusters(self, groups: Any) -> Clusters:
        """Cluster of each unit."""
        partitions = self.aligned.partitions
        if partitions is not None:
            if not isinstance(groups, str):
                raise OptionError(
                    "groups must be the name of a column where rows are in partitions. "
                    "Make it a column of data."
                )
            return partitioned_clusters(
                groups, self.unit_index, *partitions.groups(groups)
            )
        label = f"groups={groups!r}" if isinstance(groups, str) else "groups"
        values = self._values_by_unit(groups, label)
        return find_clusters(values, self.aligned, self.unit_index, label)

    def _in_survey_strata(
        self, clusters: Clusters, options: Mapping[str, Any]
    ) -> Clusters:
        """Clusters with the strata that a survey drew them from."""
        if self.aligned.partitions is not None:
            raise OptionError(
                "Survey strata need units in memory, and they are in parts. Leave "
                "'strata' and 'fpc' out: intervals are then too long, not too short."
            )
        kept = slice(None) if self.aligned.kept is None else self.aligned.kept
        found = {
            name: self._values_by_unit(options[name], f"cov_kwds={{{name!r}: ...}}")
            for name in ("strata", "fpc")
            if options.get(name) is not None
        }
        of_units = {name: values[kept] for name, values in found.items()}
        return survey_strata(clusters, of_units.get("strata"), of_units.get("fpc"))

    def _check_clusters(self, found: Clusters) -> None:
        """Warn of coefficients that few clusters decide, where regressors have one."""
        if self.target_score.predictors:
            check_clusters(found, self.aligned.labeled.exog, self.exog_names)
        elif isinstance(self.target_score, InstrumentalVariables):
            check_number_of_clusters(found, self.exog_names)

    def _values_by_unit(
        self, given: Any, label: str, *, of_data_first: bool = False
    ) -> NDArray[Any]:
        """A column, or one value per unit, for all units that were given."""
        columns = self.unit_columns
        if not isinstance(given, str):
            rows = None if columns is None else self.data.frame.index
            if (table := self._unordered) is not None:
                table.refuse_by_row(given, label)
                rows = None
            return group_values(given, self.given_units, self.unit_index, rows, label)
        if columns is None:
            raise OptionError(
                f"{label} names a column, but the model was made from arrays. Give one "
                "value per unit."
            )
        if of_data_first:
            return columns.of_data_first(given, label).to_numpy()
        return columns.values(given, label).to_numpy()

    @property
    def _unordered(self) -> Uncollected | None:
        return None if self.unit_columns is None else self.unit_columns.unordered

    def _start(self, start: Any, known: SourceState | None) -> tuple[Floats, Floats]:
        if start is None:
            return self.labeled_start(), self._eta_start(known)
        values = as_floats(start, "start_params")
        p, full = self.k_params, self.k_params * (1 + self.aligned.k_sources)
        if values.shape not in {(p,), (full,)} or not np.all(np.isfinite(values)):
            raise DataError(
                f"start_params must be {p} finite values for theta"
                + (f", or {full} for theta and eta" if full > p else "")
                + f"; it has shape {values.shape}."
            )
        if values.shape == (full,):
            return self._split(values)
        return values, self._eta_start(known)

    def _known_sources(self, start: Any) -> SourceState | None:
        """What the sources say, if it is known and no other start was given for eta."""
        return None if np.size(start) > self.k_params else self.source_state

    def _eta_start(self, known: SourceState | None) -> Floats:
        return self.sources_start() if known is None else known.eta

    def labeled_only(self) -> AugmentedGMMResultsWrapper:
        """
        The same model without sources, fitted with the default settings.

        Returns
        -------
        AugmentedGMMResultsWrapper
            Labelled-only result.

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> model = study_model(make_study())
        >>> model.labeled_only().bse.round(3)
        Intercept    0.700
        age          0.009
        educ         0.108
        income       0.031
        dtype: float64
        """
        design, start = self.aligned_or_raise(), self.labeled_start()
        with noting() as noted:
            fit = fit_labels(design, self._target, start, FitSettings())
        cautions = (*self._cautions, *noted)
        return AugmentedGMMResultsWrapper(AugmentedGMMResults(self, fit, cautions))

    def _get_init_kwds(self) -> dict[str, Any]:
        """What builds the model again; `score` is a method of stock GMM."""
        kwds: dict[str, Any] = super()._get_init_kwds()
        return kwds | {"score": self._own_score}

    @property
    def _target(self) -> Target:
        return Target(self.target_score, self.param_names, self.endog_names)


def _one_row_per_unit(
    frame: tuple[str, Any, On],
    target: TargetScore,
    options: ModelOptions,
    asked: tuple[Any, Any],
    *,
    in_parts: bool,
) -> Collapsed | None:
    """Data of several coders with one row per unit; None where there is no coder."""
    (formula, data, on), (coder, coding) = frame, asked
    if coder is None:
        if coding is not None:
            raise OptionError(
                "coding= says what makes one label of several codes. Name the column "
                "that says who coded a row, in coder=."
            )
        return None
    if in_parts:
        raise OptionError(
            "coder= needs data in memory, and it is in parts. Make one row per unit "
            "before: the mean or the majority of its codes."
        )
    fixed = {
        value: f"{name}="
        for name, value in vars(options).items()
        if isinstance(value, str) and name not in ("missing", "auxiliary")
    }
    for source in given_sources(options.proxy, options.synthetic):
        fixed |= dict.fromkeys(source.named, f"Source {source.name!r}")
    how = Coding(
        coding,
        formula,
        target.is_linear_in_outcome,
        target.has_levels,
        fixed,
    )
    return collapse(data, coder, on, how)

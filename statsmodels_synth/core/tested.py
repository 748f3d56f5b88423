"""Covariances and tests of coefficients: statsmodels' methods, matched by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.inherited import ListsWhatWorks, Withheld
from statsmodels_synth.core.messages import suggest
from statsmodels_synth.core.options import (
    check_alpha,
    check_keywords,
    methods_name_keywords,
)
from statsmodels_synth.core.process import with_filters_kept
from statsmodels_synth.core.statsmodels import (
    FormulaManager,
    LikelihoodModelResults,
    LikelihoodResultsWrapper,
    formula_engine,
    with_levels_checked,
)
from statsmodels_synth.core.terms import TermsOfCoefficients
from statsmodels_synth.core.tidy import ForMaketables, tidy_frame
from statsmodels_synth.exceptions import (
    DataError,
    OptionError,
    SynthError,
    UnavailableError,
)

NO_LIKELIHOOD = (
    "Nothing here is a likelihood: the estimate solves moment conditions. Use "
    "wald_test() for restrictions, compare() for methods."
)
#: Options of statsmodels' ``wald_test`` and ``wald_test_terms``.
_WALD_OPTIONS = ["invcov", "use_f", "df_constraints", "scalar"]
_TERMS_OPTIONS = ["skip_single", "extra_constraints", "combine_terms", "scalar"]


@methods_name_keywords
class TestedResults(
    ListsWhatWorks,
    ForMaketables,
    LikelihoodModelResults,  # type: ignore[misc]
):
    """
    The part of results that tests coefficients.

    Attributes
    ----------
    model : AugmentedGMM
        The model.
    cov_params_default : ndarray (p, p)
        Covariance of the coefficients.
    df_inference : ndarray (p,)
        Degrees of freedom of each coefficient.
    """

    __test__ = False  # no test class, whatever its name
    cov_params_default: Floats
    df_inference: Floats
    not_listed: ClassVar[frozenset[str]] = frozenset({"initialize"})

    llf = Withheld(NO_LIKELIHOOD)
    aic = Withheld(NO_LIKELIHOOD)
    bic = Withheld(NO_LIKELIHOOD)
    deviance = Withheld(NO_LIKELIHOOD)
    prsquared = Withheld(NO_LIKELIHOOD)
    rsquared = Withheld(NO_LIKELIHOOD)
    rsquared_adj = Withheld(NO_LIKELIHOOD)
    get_robustcov_results = Withheld(
        "The covariance is robust already. Another one: model.fit(cov_type='cluster', "
        "cov_kwds={'groups': ...})."
    )

    def glance(self) -> pd.DataFrame:
        """
        What there is to say of the fit as a whole, in one row.

        Returns
        -------
        DataFrame
            `method`, `nobs` (labelled units), `n_units`, and what the kind of result
            has besides.
        """
        raise NotImplementedError

    def initialize(self, model: Any, params: Any, **kwargs: Any) -> None:
        """
        Called once, by the constructor.

        Parameters
        ----------
        model, params, **kwargs
            See ``statsmodels.base.model.Results.initialize``.

        Raises
        ------
        UnavailableError
            If called again.
        """
        if "params" in self.__dict__:
            raise UnavailableError(
                "A result is not initialised again. Fit a model: model.fit()."
            )
        super().initialize(model, params, **kwargs)

    @property
    def normalized_cov_params(self) -> Floats:
        """
        Covariance of the coefficients, divided by :attr:`scale`, which is one.

        Returns
        -------
        ndarray (p, p)
            As :meth:`cov_params`.
        """
        return self.cov_params_default

    @normalized_cov_params.setter
    def normalized_cov_params(self, value: object) -> None:
        """Nothing: statsmodels' constructor sets what it was given, which is none."""

    def cov_params(
        self,
        r_matrix: Any = None,
        column: Any = None,
        scale: Any = None,
        cov_p: Any = None,
        other: Any = None,
    ) -> Any:
        """
        Covariance of the coefficients, or of combinations of them.

        Parameters
        ----------
        r_matrix : array_like or DataFrame (k, p) or (p,), optional
            Combinations. A frame is matched by the names of its columns.
        column : int, str or sequence of them, optional
            Coefficients, by position or name.
        scale : None
            There is none: the covariance is robust.
        cov_p : array_like (p, p), optional
            Covariance to use in place of the result's.
        other : array_like or DataFrame (j, p) or (p,), optional
            Combinations whose covariance with those of `r_matrix` is wanted.

        Returns
        -------
        DataFrame, ndarray or float
            With the names of the coefficients where the input had them; combinations
            have those of the rows of a frame, or none.

        Raises
        ------
        OptionError
            If an argument does not make sense, or a coefficient does not exist.
        """
        if scale is not None:
            raise OptionError(
                "scale= multiplies a covariance for errors of one variance. This one "
                "is robust and has no scale; leave it out."
            )
        if column is not None and (r_matrix is not None or other is not None):
            raise OptionError("column= and r_matrix= exclude each other. Give one.")
        if other is not None and r_matrix is None:
            raise OptionError("other= needs r_matrix=. Give both, or r_matrix= alone.")
        if column is not None:
            column = self._positions(column)
        return super().cov_params(
            self._combinations(r_matrix),
            column,
            None,
            self._square(cov_p),
            self._combinations(other, "other"),
        )

    def conf_int(self, alpha: float = 0.05) -> Floats:
        """
        Confidence intervals of the coefficients.

        Parameters
        ----------
        alpha : float
            One minus the level.

        Returns
        -------
        ndarray or DataFrame (p, 2)
            Ends.
        """
        tail = 1.0 - check_alpha(alpha) / 2.0
        size = (
            stats.t.ppf(tail, self.df_inference) if self.use_t else stats.norm.ppf(tail)
        )
        margin = size * np.asarray(self.bse)
        params = np.asarray(self.params)
        return np.column_stack([params - margin, params + margin])

    def tidy(self, alpha: float = 0.05) -> pd.DataFrame:
        """
        Coefficients as a plain frame, to join, filter and plot.

        Parameters
        ----------
        alpha : float
            One minus the level of the intervals.

        Returns
        -------
        DataFrame
            One row per coefficient: `term`, `estimate`, `std_error`, `statistic`,
            `p_value`, and the ends `conf_low` and `conf_high` of the interval. Works
            after :meth:`remove_data`.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.tidy()[["term", "estimate", "std_error"]].round(3)
                term  estimate  std_error
        0  Intercept    -2.853      0.598
        1        age     0.017      0.007
        2       educ     0.013      0.078
        3     income     0.096      0.024
        """
        return tidy_frame(
            self._coefficient_names,
            self.conf_int(alpha),
            estimate=np.asarray(self.params),
            std_error=np.asarray(self.bse),
            statistic=np.asarray(self.tvalues),
            p_value=np.asarray(self.pvalues),
        )

    @property
    def __maketables_depvar__(self) -> str:
        """Name of the outcome."""
        return str(self.model.endog_names)

    def __maketables_stat__(self, key: str) -> Any:
        """A number of :meth:`glance`; N is the labelled units."""
        row = self.glance().iloc[0]
        key = {"N": "nobs", "se_type": "cov_type"}.get(key, key)
        return row.get(key)

    def t_test(self, r_matrix: Any, cov_p: Any = None, use_t: Any = None) -> Any:
        """
        Test each restriction by itself.

        Parameters
        ----------
        r_matrix : str, array_like, DataFrame or tuple
            Restrictions, as in statsmodels. A frame is matched by the names of its
            columns.
        cov_p, use_t : optional
            As in statsmodels.

        Returns
        -------
        ContrastResults
            The class of statsmodels.
        """
        with self._readable(r_matrix):
            rows, values = self._restrictions(r_matrix)
            own = self._with_df(self._df_of(rows))
            cov_p = self._square(cov_p)
            found = LikelihoodModelResults.t_test(own, (rows, values), cov_p, use_t)
            return with_levels_checked(found, check_alpha)

    def wald_test(self, r_matrix: Any, cov_p: Any = None, **kwargs: Any) -> Any:
        """
        Test restrictions jointly.

        Parameters
        ----------
        r_matrix, cov_p : optional
            As in :meth:`t_test`.
        **kwargs
            As in statsmodels: `invcov`, `use_f`, `df_constraints`, `scalar`.

        Returns
        -------
        ContrastResults
            The class of statsmodels.
        """
        check_keywords("wald_test", kwargs, _WALD_OPTIONS)
        with self._readable(r_matrix):
            rows, values = self._restrictions(r_matrix)
            own = self._with_df(float(self._df_of(rows).min()))
            cov_p = self._square(cov_p)
            return LikelihoodModelResults.wald_test(
                own, (rows, values), cov_p, **kwargs
            )

    @with_filters_kept
    def wald_test_terms(self, *args: Any, **kwargs: Any) -> Any:
        """
        Call statsmodels' method with the engine of the model's formula.

        Parameters
        ----------
        *args, **kwargs
            See ``statsmodels.base.model.LikelihoodModelResults.wald_test_terms``.

        Returns
        -------
        object
            What statsmodels returns.

        Raises
        ------
        OptionError
            If the coefficients are not those of the formula's terms.

        Examples
        --------
        >>> from statsmodels_synth.demo import fit_study, make_study
        >>> result = fit_study(make_study())[1]
        >>> result.wald_test_terms().summary_frame().round(3)
                        F    P>F  df constraint  df denom
        Intercept  22.753  0.000              1   189.495
        age         5.075  0.025              1   190.353
        educ        0.028  0.868              1   193.835
        income     16.181  0.000              1   165.316
        """
        check_keywords("wald_test_terms", kwargs, _TERMS_OPTIONS)
        own = self._by_terms("wald_test_terms() tests")
        with formula_engine(self.model.engine):
            return super(TestedResults, own).wald_test_terms(*args, **kwargs)

    def _by_terms(self, what: str) -> TestedResults:
        """The same results, whose formula's terms point at their coefficients."""
        model, names = self.model, self._coefficient_names
        spec = None if model.learned is None else model.learned.spec
        if spec is None and model.target_score.is_single:
            return self
        if spec is not None:
            columns = [str(name) for name in spec.column_names]
            if columns == names[: len(columns)]:
                return self
            spec = TermsOfCoefficients(spec, names)
        if spec is None or not spec.terms:
            raise OptionError(
                f"{what} the terms of a formula, each with its own "
                f"coefficients, and {model.target_score.called} has others: "
                f"{', '.join(map(repr, names[:6]))}... "
                "wald_test() takes constraints on these, by name."
            )
        own = copy(self)
        own.model = copy(model)  # with data of its own
        own.model.data.model_spec = spec
        return own

    @with_filters_kept
    def t_test_pairwise(self, term_name: str, *args: Any, **kwargs: Any) -> Any:
        """
        Call statsmodels' method with the engine of the model's formula.

        Parameters
        ----------
        term_name : str
            A categorical term.
        *args, **kwargs
            See ``statsmodels.base.model.LikelihoodModelResults.t_test_pairwise``.

        Returns
        -------
        object
            What statsmodels returns.

        Raises
        ------
        OptionError
            If there is no such term, or it is not categorical.

        Examples
        --------
        >>> from statsmodels_synth import AugmentedGMM
        >>> from statsmodels_synth.datasets import load_posts
        >>> proxy = {"polite": "polite_llm"}
        >>> model = AugmentedGMM.from_formula("polite ~ C(forum)", load_posts(), proxy)
        >>> result = model.fit()
        >>> result.t_test_pairwise("C(forum)").result_frame.iloc[:, :2].round(3)
                          coef  std err
        physics-cooking -0.059    0.039
        travel-cooking   0.157    0.044
        travel-physics   0.216    0.043
        """
        if self.model.learned is None:
            raise OptionError(
                "t_test_pairwise() needs the categories of a term, and the model was "
                "made from arrays. Use from_formula(), or t_test() with a matrix."
            )
        if "alpha" in kwargs:
            check_alpha(kwargs["alpha"])
        own = self._by_terms("t_test_pairwise() compares levels of")
        with formula_engine(self.model.engine):
            try:
                pairs: Any = super(TestedResults, own)
                return pairs.t_test_pairwise(term_name, *args, **kwargs)
            except (SynthError, KeyboardInterrupt):
                raise
            except Exception as error:
                names = self._coefficient_names
                raise OptionError(
                    f"{term_name!r} is no categorical term of the formula, so that it "
                    "has no pairs of levels. Write it as in the formula, such as "
                    "'C(group)'; or use t_test() with names of coefficients."
                    f"{_all(names)}"
                ) from error

    def remove_data(self) -> None:
        """Remove what has one value per unit: that of the model first, with names."""
        self.model.remove_data()
        super().remove_data()

    # Degrees of freedom

    def _df_of(self, rows: Floats) -> Floats:
        """Degrees of freedom of combinations: the fewest of what takes part, (k,)."""
        rows = np.atleast_2d(rows)
        df = np.where(rows != 0.0, np.asarray(self.df_inference), np.inf)
        return np.asarray(np.minimum(df.min(axis=1), np.max(self.df_inference)))

    def _with_df(self, df: Any) -> Any:
        """The same results, whose tests have these degrees of freedom."""
        own = copy(self)
        own.df_resid_inference = df
        return own

    def _restrictions(self, given: Any) -> tuple[Floats, Floats]:
        """Restrictions as a matrix and the values that they should have."""
        found = FormulaManager().get_linear_constraints(
            self._combinations(given), self.model.data.cov_names
        )
        rows = np.atleast_2d(np.asarray(found.constraint_matrix, dtype=float))
        values = np.asarray(found.constraint_values, dtype=float)
        return rows, values.reshape(len(rows))

    # What users give

    @contextmanager
    def _readable(self, r_matrix: Any) -> Iterator[None]:
        """Say what is wrong with a restriction that is not understood."""
        try:
            yield
        except SynthError:
            raise
        except Exception as error:
            names = self._coefficient_names
            shown = repr(r_matrix) if isinstance(r_matrix, (str, list)) else "r_matrix="
            raise OptionError(
                f"{shown} is no restriction on the coefficients: "
                f"{str(error).splitlines()[0] if str(error) else type(error).__name__}."
                f"{_all(names)}"
            ) from error

    def _combinations(self, given: Any, option: str = "r_matrix") -> Any:
        """Rows of a frame in the order of the coefficients; the rest checked only."""
        names = self._coefficient_names
        if given is None or isinstance(given, str):
            return given
        if isinstance(given, tuple) and len(given) == 2 and np.ndim(given[0]):
            return (self._combinations(given[0], option), given[1])
        if isinstance(given, (list, tuple)) and any(isinstance(v, str) for v in given):
            return given
        if isinstance(given, (pd.DataFrame, pd.Series)):
            labels = given.columns if isinstance(given, pd.DataFrame) else given.index
            own = [str(name) for name in labels]
            if sorted(own) == sorted(names):
                order = [own.index(name) for name in names]
                values = given.to_numpy(dtype=float)
                return values[..., order]
            if own != [str(k) for k in range(len(names))]:
                missing = [name for name in names if name not in own]
                extra = [name for name in own if name not in names]
                raise OptionError(
                    f"{option}= is labelled with other names than the coefficients: "
                    f"missing {missing}, unknown {extra}. Give all of them, 0 where a "
                    "coefficient takes no part."
                )
        values = np.asarray(given)
        if values.ndim not in (1, 2) or values.shape[-1] != len(names):
            raise OptionError(
                f"{option}= has shape {values.shape}. Give one number per coefficient "
                f"in each row: {len(names)} columns.{_all(names)}"
            )
        return values

    @property
    def _coefficient_names(self) -> list[str]:
        """Names of the coefficients: of a model of any kind."""
        return [str(name) for name in self.model.data.param_names]

    def _positions(self, column: Any) -> Any:
        """Positions of coefficients that are named or counted."""
        names = self._coefficient_names
        if isinstance(column, str):
            if column not in names:
                raise OptionError(
                    f"There is no coefficient {column!r}.{suggest(column, names)}"
                )
            return names.index(column)
        values = np.asarray(column)
        if values.ndim == 1 and values.dtype.kind in "OUT":
            return np.array([self._positions(one) for one in values.tolist()])
        if values.dtype.kind == "b" and values.shape == (len(names),):
            return np.flatnonzero(values)
        whole = values.dtype.kind in "iu" and values.ndim <= 1
        if not whole or np.any(values < -len(names)) or np.any(values >= len(names)):
            raise OptionError(
                f"column={column!r} is no coefficient. Give names or positions from 0 "
                f"to {len(names) - 1}.{_all(names)}"
            )
        return values

    def _square(self, cov_p: Any) -> Any:
        """Another covariance, in the order of the coefficients."""
        if cov_p is None:
            return None
        names = self._coefficient_names
        if isinstance(cov_p, pd.DataFrame):
            cov_p = cov_p.set_axis([str(name) for name in cov_p.index], axis=0)
            cov_p = cov_p.set_axis([str(name) for name in cov_p.columns], axis=1)
            if {*cov_p.index} == {*cov_p.columns} == {*names}:
                cov_p = cov_p.loc[names, names]
        values = np.asarray(cov_p, dtype=float)
        if values.shape != (len(names), len(names)):
            raise DataError(
                f"cov_p has shape {values.shape}; the covariance of {len(names)} "
                f"coefficients has {(len(names), len(names))}."
            )
        return values


def _all(names: Sequence[str]) -> str:
    return f" Coefficients: {', '.join(map(repr, names))}."


@methods_name_keywords
class NamedResultsWrapper(LikelihoodResultsWrapper):  # type: ignore[misc]
    """Results with pandas labels wherever the input had them."""

    _wrap_methods: ClassVar[dict[str, str]] = {"conf_int": "columns"}

    def cov_params(
        self,
        r_matrix: Any = None,
        column: Any = None,
        scale: Any = None,
        cov_p: Any = None,
        other: Any = None,
    ) -> Any:
        """Covariance of the coefficients, or of combinations of them."""
        results = object.__getattribute__(self, "_results")
        found = results.cov_params(r_matrix, column, scale, cov_p, other)
        if r_matrix is None and column is None:
            return results.model.data.wrap_output(found, "cov")
        if np.ndim(found) == 0:
            return float(found)
        if column is not None:
            labelled = results.model.data.wrap_output(results.params, "columns")
            if not isinstance(labelled, pd.Series):
                return found
            names = labelled.index[results._positions(column)]
            return pd.DataFrame(found, index=names, columns=names)
        rows = r_matrix.index if isinstance(r_matrix, pd.DataFrame) else None
        by = r_matrix if other is None else other
        columns = by.index if isinstance(by, pd.DataFrame) else None
        if np.ndim(found) == 2 and (rows is not None or columns is not None):
            return pd.DataFrame(found, index=rows, columns=columns)
        return found

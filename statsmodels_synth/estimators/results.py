"""Results of the other estimators."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.summary2 import Summary as Summary2
from statsmodels.iolib.summary2 import summary_params

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count
from statsmodels_synth.core.options import methods_name_keywords
from statsmodels_synth.core.prediction import PredictedResults
from statsmodels_synth.core.process import with_filters_kept
from statsmodels_synth.core.statsmodels import populate_wrapper
from statsmodels_synth.core.tested import NamedResultsWrapper

if TYPE_CHECKING:
    from statsmodels_synth.estimators.problem import Problem

#: Notes of a summary are broken at this width.
_WIDTH = 78


@methods_name_keywords
class EstimatorResults(PredictedResults):
    """
    Estimate of one of the other methods, with what statsmodels' results offer.

    ``params``, ``bse``, ``tvalues``, ``pvalues``, ``conf_int()``, ``cov_params()``,
    ``t_test``, ``wald_test``, ``predict``, ``get_prediction``, ``summary()`` and
    ``summary2()``.

    Parameters
    ----------
    model : AugmentedGMM
        The model, for names.
    params : ndarray (p,)
        Estimate.
    covariance : ndarray (p, p)
        Its covariance.
    method : str
        Name of the method.
    sources : sequence of str
        Sources that it uses.
    n_labeled, n_units : int
        Labelled units n and all units T.
    n_clusters : int, optional
        Clusters with a labelled unit, if units come in clusters.
    valid : bool
        Whether the interval stays valid where the sources err.
    note : str
        What a reader must know, in sentences.
    effective_nobs : ndarray (p,), optional
        Labels that would give the same standard error without any source, by the
        method's own formula.
    power : float or ndarray (p,), optional
        How far predictions were trusted (lambda of PPI++), where the method has it.
    mix : float, optional
        Share of the second source, where two were mixed.
    converged : bool
        Whether the equations were solved.

    Attributes
    ----------
    params : ndarray (p,)
        Estimate.
    method, sources, effective_nobs, power, mix, valid, note, converged
        As given; effective_nobs is missing where the estimate is not valid.
    n_labeled, n_units, n_clusters : int
        As given.

    Examples
    --------
    >>> from statsmodels_synth.demo import make_study, study_model
    >>> from statsmodels_synth.estimators import ppi
    >>> result = ppi(study_model(make_study()), power_tuning="scalar")
    >>> result.method, result.sources
    ('PPI++', ('guess',))
    """

    def __init__(
        self,
        model: Any,
        params: Floats,
        covariance: Floats,
        method: str,
        sources: tuple[str, ...],
        *,
        n_labeled: int,
        n_units: int,
        n_clusters: int | None = None,
        valid: bool = True,
        note: str = "",
        effective_nobs: Floats | None = None,
        power: float | Floats | None = None,
        mix: float | None = None,
        converged: bool = True,
    ) -> None:
        super().__init__(model, params)
        self._cache: dict[str, Any] = {}
        self.cov_params_default = covariance
        self.cov_type = "robust" if n_clusters is None else "cluster"
        self.n_clusters = n_clusters
        self.use_t = False
        self.nobs = float(n_labeled)
        self.df_model = float(len(params) - model.k_constant)
        self.df_resid = float(n_labeled - len(params))
        self.df_inference = np.full(len(params), self.df_resid)
        self.method, self.sources = method, sources
        self.n_labeled, self.n_units = n_labeled, n_units
        self.valid, self.note, self.converged = valid, note, converged
        self.power, self.mix = power, mix
        nothing = np.full(len(params), np.nan)
        self.effective_nobs = nothing if effective_nobs is None else effective_nobs

    def glance(self) -> pd.DataFrame:
        """
        What there is to say of the estimate as a whole, in one row.

        Returns
        -------
        DataFrame
            `method`, `nobs` (labelled units), `n_units`, `n_sources`, `cov_type`;
            whether the interval is `valid` where the sources err, and whether the
            equations were solved (`converged`).

        Examples
        --------
        >>> from statsmodels_synth.demo import make_study, study_model
        >>> from statsmodels_synth.estimators import ppi
        >>> result = ppi(study_model(make_study()), "guess")
        >>> result.glance().T
                        0
        method      PPI++
        nobs          200
        n_units       694
        n_sources       1
        cov_type   robust
        valid        True
        converged    True
        """
        row = {
            "method": self.method,
            "nobs": self.n_labeled,
            "n_units": self.n_units,
            "n_sources": len(self.sources),
            "cov_type": self.cov_type,
            "valid": self.valid,
            "converged": self.converged,
        }
        return pd.DataFrame([row])

    @with_filters_kept
    def summary(
        self,
        yname: str | None = None,
        xname: list[str] | None = None,
        title: str | None = None,
        alpha: float = 0.05,
    ) -> Summary:
        """
        Table for people.

        Parameters
        ----------
        yname : str, optional
            Name of the outcome.
        xname : list of str, optional
            Names of the coefficients.
        title : str, optional
            Title.
        alpha : float
            One minus the level of the confidence intervals.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text.
        """
        used = ", ".join(self.sources) or "none"
        left: list[tuple[str, Any]] = [
            ("Dep. Variable:", None),
            ("Method:", [self.method]),
            ("Sources:", [used]),
        ]
        right: list[tuple[str, Any]] = [
            ("No. Labelled (n):", [str(self.n_labeled)]),
            ("No. Units (T):", [str(self.n_units)]),
            ("Date:", None),
        ]
        if self.n_clusters is not None:
            left.append(("No. Clusters:", [str(self.n_clusters)]))
        if isinstance(self.power, float):
            right.append(("Power (lambda):", [f"{self.power:.3f}"]))
        if self.mix is not None:
            left.append(("Mix (alpha):", [f"{self.mix:.2f}"]))
        table = Summary()
        heading = f"{self.method} Results" if title is None else title
        table.add_table_2cols(
            self, gleft=left, gright=right, yname=yname, xname=xname, title=heading
        )
        table.add_table_params(
            self, yname=yname, xname=xname, alpha=alpha, use_t=self.use_t
        )
        lines = [line for note in self._notes for line in textwrap.wrap(note, _WIDTH)]
        table.add_extra_txt(lines)
        return table

    @with_filters_kept
    def _repr_html_(self) -> str:
        """The summary in a notebook."""
        return str(self.summary().as_html())

    def summary2(
        self,
        yname: str | None = None,
        xname: list[str] | None = None,
        title: str | None = None,
        alpha: float = 0.05,
        float_format: str = "%.4f",
    ) -> Summary2:
        """
        The same content as :meth:`summary` in statsmodels' second layout.

        Parameters
        ----------
        yname : str, optional
            Name of the outcome.
        xname : list of str, optional
            Names of the coefficients.
        title : str, optional
            Title.
        alpha : float
            One minus the level of the confidence intervals.
        float_format : str
            Format of numbers.

        Returns
        -------
        statsmodels.iolib.summary2.Summary
            Prints as text.
        """
        table = Summary2()
        info = {
            "Dep. Variable:": yname or self.model.endog_names,
            "Method:": self.method,
            "Sources:": ", ".join(self.sources) or "none",
            "No. Labelled (n):": str(self.n_labeled),
            "No. Units (T):": str(self.n_units),
        }
        table.add_dict(info, ncols=2)
        table.add_df(
            summary_params(self, xname=xname, alpha=alpha, use_t=self.use_t),
            float_format=float_format,
        )
        table.add_title(f"{self.method} Results" if title is None else title)
        for note in self._notes:
            table.add_text(note)
        return table

    @property
    def _notes(self) -> list[str]:
        notes = [self.note] if self.note else []
        if isinstance(self.power, np.ndarray):
            each = ", ".join(f"{v:.3f}" for v in self.power)
            what = count(len(self.power), "coefficient")
            notes.append(f"Power (lambda) of the {what}: {each}.")
        if not self.converged:
            notes.insert(0, "NOT CONVERGED: do not use these numbers.")
        return notes


class EstimatorResultsWrapper(NamedResultsWrapper):
    """Results with pandas labels wherever the input had them."""

    _attrs: ClassVar[dict[str, str]] = {
        "effective_nobs": "columns",
        "df_inference": "columns",
    }
    _wrap_attrs = NamedResultsWrapper._wrap_attrs | _attrs
    _wrap_methods = NamedResultsWrapper._wrap_methods


populate_wrapper(EstimatorResultsWrapper, EstimatorResults)


def results_of(
    problem: Problem,
    theta: Floats,
    covariance: Floats,
    method: str,
    sources: tuple[str, ...],
    **kwargs: Any,
) -> EstimatorResultsWrapper:
    """
    Results of a method on a problem.

    Shapes: `theta` (p,), `covariance` (p, p).
    """
    return EstimatorResultsWrapper(
        EstimatorResults(
            problem.model,
            theta,
            covariance,
            method,
            sources,
            n_labeled=problem.design.n_labeled,
            n_units=problem.design.n_units,
            n_clusters=None if problem.clusters is None else problem.clusters.n_labeled,
            **kwargs,
        )
    )

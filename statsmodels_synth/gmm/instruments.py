"""What instruments tell of the endogenous regressors, on the labelled rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats
import statsmodels.api as sm

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import warn
from statsmodels_synth.exceptions import OptionError, WeakInstrumentWarning
from statsmodels_synth.gmm.jtest import JTest
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import Clusters, cluster_sums
from statsmodels_synth.problem.scores import InstrumentalVariables, TargetScore

#: F statistic of the first stage below which instruments count as weak (Staiger and
#: Stock 1997).
WEAK = 10.0


def first_stage(
    design: AlignedDesign, score: TargetScore, clusters: Clusters | None
) -> pd.DataFrame:
    """
    Regression of each endogenous regressor on exogenous ones and instruments.

    By weighted least squares with the weights of the design, and robust tests of the
    instruments, by cluster where there are clusters.
    """
    if not isinstance(score, InstrumentalVariables):
        raise OptionError(
            f"There is no first stage: the target model is {score.called}. Instruments "
            "are written 'y ~ x + [d ~ z]'."
        )
    rows = design.labeled
    weights, w = design.row_weights(rows), score.all_instruments(rows.exog)
    names = [n for n in score.exog_names if n not in score.endogenous]
    at = [names.index(name) for name in score.instruments]
    without = np.delete(w, at, axis=1)
    found = {}
    for name in score.endogenous:
        d = rows.exog[:, score.exog_names.index(name)]
        model = sm.WLS(d, w, weights=weights)
        if clusters is None:
            fitted = model.fit(cov_type="HC1", use_t=True)
        else:
            groups = {"groups": clusters.of_labeled}
            fitted = model.fit(cov_type="cluster", cov_kwds=groups, use_t=True)
        test = fitted.f_test(np.eye(len(names))[at])
        left = _squares(d, without, weights)
        partial = 1.0 - _squares(d, w, weights) / left if left > 0.0 else np.nan
        found[name] = (
            partial,
            float(np.squeeze(test.fvalue)),
            int(test.df_num),
            float(test.df_denom),
            float(test.pvalue),
        )
    columns = ["partial_rsquared", "fvalue", "df_num", "df_denom", "pvalue"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns)


def _squares(d: Floats, columns: Floats, weights: Floats) -> float:
    """Weighted sum of squares that columns leave of another one."""
    root = np.sqrt(weights)
    own, x = d * root, columns * root[:, None]
    if not x.shape[1]:
        return float(own @ own)
    residual = own - x @ np.linalg.lstsq(x, own, rcond=None)[0]
    return float(residual @ residual)


def warn_of_weak_instruments(
    design: AlignedDesign, score: TargetScore, clusters: Clusters | None
) -> None:
    """Warn where the labelled rows hardly tell what the instruments do."""
    if not isinstance(score, InstrumentalVariables):
        return
    table = first_stage(design, score, clusters)
    holds = " anderson_rubin() has a set that holds nonetheless." * (len(table) == 1)
    for name, value in table["fvalue"].items():
        if value >= WEAK:
            continue
        warn(
            f"The instruments of {name!r} are weak on the {design.n_labeled} labelled "
            f"units: the F statistic of the first stage is {value:.3g}, below "
            f"{WEAK:g}. The estimate is then biased towards least squares and its "
            "interval too short, with sources or without; they do not make an "
            "instrument stronger. Label more units, or find a stronger instrument. "
            f"first_stage() has the table.{holds}",
            WeakInstrumentWarning,
            f"Weak instruments of {name}: F = {value:.3g} in the first stage; the "
            "estimate may be biased and its interval too short.",
        )


def overidentification(
    design: AlignedDesign,
    score: TargetScore,
    theta: Floats,
    clusters: Clusters | None,
) -> JTest:
    """
    Test that more instruments than needed agree, on the labelled rows, robust.

    The mean of w u at the two-stage estimate has the covariance of (I - P) w u, P being
    what the estimation of the coefficients takes up of it (Wooldridge 2010, section
    6.2.2).

    Shapes: `theta` (p,), the estimate from the labelled rows.
    """
    if not isinstance(score, InstrumentalVariables):
        raise OptionError(
            f"There are no instruments: the target model is {score.called}."
        )
    rows = design.labeled
    w, x = score.all_instruments(rows.exog), score.regressors(rows.exog)
    df = w.shape[1] - x.shape[1]
    if not df:
        raise OptionError(
            "There are as many instruments as endogenous regressors, so that nothing "
            "is left to test them with."
        )
    weights = design.row_weights(rows)
    # In a basis of the instruments: of their scale nothing may depend.
    basis = np.linalg.inv(np.linalg.qr(w * np.sqrt(weights)[:, None], mode="r"))
    w = w @ basis
    moments = w * (weights * (rows.endog - x @ theta))[:, None]
    slope = (w * weights[:, None]).T @ x
    fitted = np.linalg.solve(basis, score.first_coefficients)
    taken = slope @ np.linalg.solve(fitted.T @ slope, fitted.T)
    if clusters is not None:
        grouped = cluster_sums(moments, clusters.of_labeled, clusters.n_all)
    else:
        grouped = moments
    left = grouped @ (np.eye(len(taken)) - taken).T
    total = moments.sum(axis=0)
    # Of rank df: the other eigenvalues are rounding.
    values, vectors = np.linalg.eigh(left.T @ left)
    part = vectors[:, -df:].T @ total
    statistic = float(np.sum(part**2 / values[-df:]))
    return JTest(statistic, float(stats.chi2.sf(statistic, df)), df)

"""Many sets of labels on the sources of one fit, for R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.exceptions import SynthError, SynthWarning
from statsmodels_synth.problem.scores import LevelScore
from statsmodels_synth.r.analyses import Arguments, of_fit
from statsmodels_synth.r.augmented import fit_options
from statsmodels_synth.r.recording import Said, recorded


@of_fit
def many_fits(result: Any, arguments: Arguments) -> dict[str, Any]:
    """
    Coefficients of every set of labels; sets that cannot be fitted, with the reason.

    Shapes: `endog` (rows, K), `exog` (rows, p), rows of data, which come first.
    """
    model = result.model
    endog, exog = arguments["endog"], arguments["exog"]
    units = model.given_units[: len(endog)]
    sets = pd.DataFrame(endog, units, columns=arguments["names"])
    if isinstance(model.target_score, LevelScore):
        levels = np.array([*arguments["levels"], None], dtype=object)
        codes = np.where(np.isnan(endog), len(levels) - 1, endog).astype(np.intp)
        sets = pd.DataFrame(levels[codes], units, columns=sets.columns, dtype=object)
    regressors = pd.DataFrame(exog, units, columns=model.exog_names)
    fits = model.fit_many(sets, regressors, **fit_options(arguments))
    alpha = float(arguments["alpha"][0])
    tables, about, left_out = [], [], {}
    for k, name in enumerate(fits.names):
        said = Said()
        try:
            with recorded(said):
                fit = fits[k]
        except SynthError as error:
            left_out[str(name)] = str(error)
            continue
        finally:
            print(said.output.getvalue(), end="")  # for R, as from any call
        tables.append(_coefficients(fit, str(name), alpha))
        ours = (w for w in said.warnings if issubclass(w.category, SynthWarning))
        about.append(_numbers(fit, str(name), [str(w.message) for w in ours]))
    return {
        "tables": [
            {c: table[c].tolist() if c in ("fit", "term") else table[c] for c in table}
            for table in tables
        ],
        "vcov": [np.asarray(row.pop("vcov")) for row in about],
        "about": about,
        "left_out": list(left_out),
        "why": list(left_out.values()),
    }


def _coefficients(fit: Any, name: str, alpha: float) -> pd.DataFrame:
    """One row per coefficient, by broom's names."""
    table: pd.DataFrame = fit.tidy(alpha)
    table = table.rename(columns=lambda column: column.replace("_", "."))
    table.insert(0, "fit", name)
    ends = np.asarray(fit.real_only.conf_int(alpha))
    df = np.asarray(fit.df_inference) if fit.use_t else np.inf
    return table.assign(
        **{
            "df": df,
            "labels.only": np.asarray(fit.real_only.params),
            "labels.only.std.error": np.asarray(fit.real_only.bse),
            "labels.only.conf.low": ends[:, 0],
            "labels.only.conf.high": ends[:, 1],
            "effective.labels": np.asarray(fit.effective_nobs),
        }
    )


def _numbers(fit: Any, name: str, warned: list[str]) -> dict[str, Any]:
    """One row per fit, its covariance, and what it warned of."""
    jtest = fit.jtest()
    return {
        "fit": name,
        "nobs": int(fit.n_labeled),
        "n_incomplete": int(fit.model.n_incomplete),
        "n_units": int(fit.n_units),
        "n_sources": len(fit.source_names),
        "j_p": float(jtest[1]),
        "converged": bool(fit.converged),
        "warnings": warned,
        "vcov": np.asarray(fit.cov_params()),
    }

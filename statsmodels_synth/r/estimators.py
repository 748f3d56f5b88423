"""The other estimators by themselves, for R."""

from __future__ import annotations

from typing import Any

import numpy as np

from statsmodels_synth import estimators
from statsmodels_synth.r.analyses import Arguments, of_fit


@of_fit
def estimator(result: Any, arguments: Arguments) -> dict[str, Any]:
    """Estimate of one of the other methods."""
    options: dict[str, Any] = {}
    for name in ("source", "power_tuning"):
        if arguments[name] is not None:
            options[name] = arguments[name][0]
    if arguments["sources"] is not None:
        options["sources"] = arguments["sources"]
    if arguments["seed"] is not None:
        options["seed"] = int(arguments["seed"][0])
    wrapped = getattr(estimators, arguments["name"][0])(result, **options)
    found = wrapped._results
    power = found.power
    return {
        "coefficients": found.params,
        "vcov": found.cov_params(),
        "method": found.method,
        "sources": list(found.sources),
        "n_labeled": found.n_labeled,
        "n_units": found.n_units,
        "n_clusters": found.n_clusters,
        "valid": found.valid,
        "note": found.note,
        "effective_nobs": np.asarray(found.effective_nobs, dtype=float),
        "power": None if power is None else np.atleast_1d(np.asarray(power, float)),
        "mix": found.mix,
        "converged": found.converged,
    }

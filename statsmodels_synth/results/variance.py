"""Where the gain comes from: the variance of the labels alone, part by part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import muted
from statsmodels_synth.exceptions import SynthWarning
from statsmodels_synth.gmm.fit import Fit, fit_design


def variance_parts(results: Any) -> pd.DataFrame:
    """
    Parts of the variance that the labels alone have, (p, 4).

    What only chance in the choice of labels makes is what is left where the units are
    the population; the rest of the variance comes from drawing the units.
    """
    fit = results._fit_to_analyse()
    drawn = _variance(_with_population(fit, "superpopulation"))
    alone = _variance(_with_population(fit.labels_only, "superpopulation"))
    # Whole clusters are drawn, and their labels with them: one part.
    chance = drawn
    if fit.clusters is None:
        chance = _variance(_with_population(fit, "finite"))
    columns = {
        "labels_only": alone,
        "sources": alone - drawn,
        "units": drawn - chance,
        "labels": chance,
    }
    return pd.DataFrame(columns, index=results.model.param_names)


def _variance(fit: Fit) -> Floats:
    return np.asarray(fit.bse**2)


def _with_population(fit: Fit, population: Any) -> Fit:
    """The same fit, with the standard errors of a population."""
    if fit.settings.population == population:
        return fit
    settings = replace(fit.settings, population=population)
    with muted(SynthWarning):  # what is to be warned of was said by the fit
        return fit_design(
            fit.design,
            fit.target,
            fit.solution.theta_real,
            fit.solution.eta,
            settings,
            fit.clusters,
            fit.solution.sources,
        )

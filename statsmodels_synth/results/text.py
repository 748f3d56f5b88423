"""A result in words: in short, as a paragraph for a paper, and as a call."""

from __future__ import annotations

from collections.abc import Mapping
import sys
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.calls import call_text
from statsmodels_synth.core.messages import VALIDITY, count
from statsmodels_synth.core.tables import decimals
from statsmodels_synth.exceptions import SynthError
from statsmodels_synth.gmm.settings import FitSettings

REFERENCE = (
    "Byun, Y., Gupta, S., Lipton, Z. C., Childers, R. L. and Wilder, B. (2025). Valid "
    "inference with imperfect synthetic data. NeurIPS 2025, arXiv:2508.06635."
)
#: Accuracy and its like, in the order in which one is named.
_MEASURES = {"accuracy": "accuracy", "kappa": "kappa", "r": "correlation"}
_LEVEL = 0.05


def version() -> str:
    """Version of this package."""
    return str(getattr(sys.modules["statsmodels_synth"], "__version__", ""))


def fit_call(settings: FitSettings, cov_kwds: Mapping[str, Any] | None) -> str:
    """Call of ``fit()`` with the options that are not those of the default."""
    usual = FitSettings()
    given: dict[str, Any] = {
        name: value
        for name in ("maxiter", "centered", "use_correction", "population", "cov_type")
        if (value := getattr(settings, name)) != getattr(usual, name)
    }
    if settings.use_t != settings.use_correction:
        given["use_t"] = settings.use_t
    if settings.cov_type == "cluster":
        given["cov_kwds"] = cov_kwds
    return call_text("fit", given)


def brief(results: Any) -> str:
    """What ``print(result)`` shows: the coefficients, and where to find more."""
    interval = np.asarray(results.conf_int())
    columns = {
        "coef": results.params,
        "std err": results.bse,
        "[0.025": interval[:, 0],
        "0.975]": interval[:, 1],
    }
    if results.source_names:
        columns["eff. labels"] = results.effective_nobs
    names = pd.Index(results.model.param_names)
    frame = pd.DataFrame({k: np.asarray(v) for k, v in columns.items()}, names)
    digits = decimals(frame["std err"].to_numpy(), least=4)
    shown = dict.fromkeys(list(columns)[:4], f"{{:.{digits}f}}".format)
    shown |= {"eff. labels": "{:.0f}".format} if results.source_names else {}
    sources = ", ".join(results.source_names) or "none"
    method = results.settings.method if results.source_names else "labels only"
    return (
        f"{_model(results)}; {method}\n"
        f"{results.n_labeled} labelled of {count(results.n_units, 'unit')}; "
        f"sources: {sources}\n\n"
        f"{frame.to_string(formatters=shown)}\n\n"
        "summary() has the tests and notes, methods_text() a paragraph for a paper."
    )


def methods_text(results: Any) -> str:
    """A methods paragraph, with brackets where the fit cannot know."""
    sentences = [
        f"We estimated {_model(results)} with the Python package statsmodels_synth "
        f"{version()}.",
        _units(results),
        *_sources(results),
        *_estimator(results),
        *_gains(results),
        *_test(results),
    ]
    text = " ".join(sentences)
    if not results.source_names:
        return text
    return f"{text} {VALIDITY}\n\nReference: {REFERENCE}"


def _model(results: Any) -> str:
    title = ", ".join(f"{k.lower()} {v}" for k, v in results.model.target_score.title)
    formula = getattr(results.model, "formula", None)
    what = f"{formula} " if formula else f"a model of {results.model.endog_names} "
    return f"{what}({title})"


def _units(results: Any) -> str:
    """Who was labelled, and how the analysis takes it."""
    n, frame = results.n_labeled, count(results.n_frame, "unit")
    text = f"People labelled {n} of {frame} [who, with what instructions]."
    how = results.labeling
    if how.endswith("strata"):
        text += f" A fixed number of units was drawn at random in each of {how}."
    elif how != "equal":
        text += " Units were drawn with known, unequal probabilities [how]."
    else:
        text += " They were drawn at random [how]."
    if results.n_clusters is not None:
        text += (
            f" Labelled units are in {count(results.n_clusters, 'cluster')} [which]."
        )
    if results.settings.is_finite:
        text += " The units are the population, and estimates are about them alone."
    return text


def _sources(results: Any) -> list[str]:
    """What each source is, and how far it agrees with people."""
    found = []
    agreement = _agreement(results)
    for name, kind, covered, labelled, replicates, _ in results._source_facts:
        rows = f", {replicates:.3g} rows each" if replicates != 1 else ""
        what = "labels by a model" if kind == "proxy" else "generated rows"
        text = (
            f"Source {name!r} has {what} [model, version, date, prompt] for "
            f"{count(covered, 'unit')}, {labelled} of them labelled{rows}."
        )
        found.append(text + agreement.get(name, ""))
    return found


def _agreement(results: Any) -> dict[str, str]:
    """A sentence for each source of which it can be told."""
    if not results.source_names:
        return {}
    try:
        wide = results.agreement().wide()
    except SynthError:  # the data were removed, are elsewhere, or have no such measure
        return {}
    found: dict[str, str] = {}
    for (source, variable), row in wide.iterrows():
        said = [
            f"{word} {row[name]:.2f}"
            for name, word in _MEASURES.items()
            if name in row.index and np.isfinite(row[name])
        ]
        if said:
            text = f" On labelled units it agrees with people in {variable}: "
            found[source] = found.get(source, "") + f"{text}{', '.join(said)}."
    return found


def _estimator(results: Any) -> list[str]:
    settings = results.settings
    errors = settings.covariance_note
    if not results.source_names:
        return ["Estimates use the human labels only.", errors]
    how = (
        "Coefficients are those of the human labels, adjusted by how far each source "
        "is off its own average on the labelled units (a control variate; GMM-Synth, "
        "Byun et al. 2025)."
    )
    if settings.shrinks:
        variant = (
            "We used the few-label default of the package: the size of the adjustment "
            "is estimated from the labels and shrunk where these are few."
        )
    else:
        variant = f"We used the variant {settings.variant!r}."
    quantiles = "Student's t" if settings.use_t else "the normal distribution"
    return [how, variant, errors, f"Intervals and tests use {quantiles}."]


def _gains(results: Any) -> list[str]:
    """What the sources bought, over all coefficients."""
    if not results.source_names:
        return []
    labels = np.asarray(results.effective_nobs)
    share = 100 * np.asarray(results.variance_reduction)
    if not (np.isfinite(labels).all() and np.isfinite(share).all()):
        return []
    return [
        "Against the labels alone, the sources reduced the variance of the "
        f"coefficients by {_range(share, ' %')}. The {results.n_labeled} labels have "
        f"the precision of {_range(labels, '')} labels without sources."
    ]


def _range(values: Any, unit: str) -> str:
    low, high = f"{values.min():.0f}", f"{values.max():.0f}"
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def _test(results: Any) -> list[str]:
    test = results.jtest()
    if not test.df or np.isnan(test.pvalue):
        return []
    verdict = "did not reject" if test.pvalue >= _LEVEL else "rejected"
    pvalue = "p < 0.001" if test.pvalue < 0.001 else f"p = {test.pvalue:.2g}"
    return [
        "A test of whether labelled units look like the others to the sources "
        f"{verdict} this at the 5 % level (Hansen J = {test.statistic:.2f}, "
        f"{test.df} df, {pvalue})."
    ]

"""AugmentedGMM for R: from its arrays to the model, from the result to its lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
import uuid

import numpy as np
import pandas as pd
from statsmodels.genmod import families
from statsmodels.genmod.families import links

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import muted
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.data.arrays import AlignedProblem, ModelOptions, align_arrays
from statsmodels_synth.data.auxiliary_columns import AuxiliaryColumns, checked
from statsmodels_synth.data.labeling import find_labeling
from statsmodels_synth.exceptions import OptionError, SynthWarning
from statsmodels_synth.gmm.moments import target_scores
from statsmodels_synth.model.augmented import AugmentedGMM
from statsmodels_synth.problem.design import SourceArrays, with_frame
from statsmodels_synth.problem.groups import cluster_sums
from statsmodels_synth.problem.scores import LevelScore, TargetScore, read_score
from statsmodels_synth.r.coders import read_coders
from statsmodels_synth.r.columns import split_text
from statsmodels_synth.r.targets import (
    absorb_effects,
    find_score,
    of_instruments,
    with_levels,
)
from statsmodels_synth.results.summary import summary_notes

#: R's names of families and links.
FAMILIES = {
    "gaussian": families.Gaussian,
    "binomial": families.Binomial,
    "poisson": families.Poisson,
    "Gamma": families.Gamma,
    "inverse.gaussian": families.InverseGaussian,
    "negative.binomial": families.NegativeBinomial,
}
LINKS = {
    "identity": links.Identity,
    "log": links.Log,
    "logit": links.Logit,
    "probit": links.Probit,
    "cauchit": links.Cauchy,
    "cloglog": links.CLogLog,
    "inverse": links.InversePower,
    "sqrt": links.Sqrt,
    "1/mu^2": links.InverseSquared,
}


#: The last fit that R asked for, by its token: what is asked of it next is not fitted
#: again. One only, since a fit holds all rows.
_LATEST: dict[str, Any] = {}


@with_one_blas_thread
def augmented_gmm(arguments: dict[str, Any]) -> dict[str, Any]:
    """Fit the model to what R has aligned."""
    result = fit_arrays(arguments)
    value = describe(result)
    if bool(arguments["influence"][0]):
        n_given = len(arguments["labeled"])
        value["influence"], value["slope"] = contributions(result, n_given)
        cluster = clusters_of(arguments)
        value["clusters"] = cluster_codes(result._results, cluster)
    value["token"] = uuid.uuid4().hex
    _LATEST.clear()
    if bool(arguments["keep"][0]):
        _LATEST[value["token"]] = result
    return value


def fit_arrays(arguments: dict[str, Any]) -> Any:
    """Result of the model that R's arrays make."""
    model = AugmentedGMM.from_problem(read_problem(arguments))
    return model.fit(**fit_options(arguments))


def fit_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """Options of :meth:`AugmentedGMM.fit`, clusters included."""
    settings = fit_settings(arguments["settings"])
    cluster = clusters_of(arguments)
    if cluster is not None:
        options = {"groups": cluster}
        for name in ("strata", "fpc"):
            if arguments.get(f"survey_{name}") is not None:
                options[name] = arguments[f"survey_{name}"]
        settings |= {"cov_type": "cluster", "cov_kwds": options}
    return settings


def clusters_of(arguments: dict[str, Any]) -> Any:
    """Clusters that were given, or else the first of absorbed fixed effects."""
    population = arguments["settings"].get("population")
    absorbed = arguments.get("absorbed")
    if arguments["cluster"] is not None or absorbed is None:
        return arguments["cluster"]
    return None if population == ["finite"] else absorbed["codes"][0]


def fitted_before(arguments: dict[str, Any]) -> Any:
    """
    The fit that R asks of: the last one, or fitted again from the arrays that R kept.

    None where R has to send these. What was warned of then R has shown the first time.
    """
    token = arguments["token"][0]
    if token not in _LATEST:
        if arguments["arrays"] is None:
            return None
        with muted(SynthWarning):
            result = fit_arrays(arguments["arrays"])
        _LATEST.clear()
        _LATEST[token] = result
    result = _LATEST[token]
    return result.real_only if bool(arguments["alone"][0]) else result


def read_problem(arguments: dict[str, Any]) -> AlignedProblem:
    """Align what R has sent."""
    labeled = arguments["labeled"].astype(bool)
    names, units = arguments["names"], unit_labels(arguments["units"], len(labeled))
    sources = [_source(source) for source in arguments["sources"]]
    prob, strata = _scalar_or_vector(arguments["labeling_prob"]), arguments["strata"]
    eligible = arguments["eligible"].astype(bool)
    labeling = None
    if prob is not None and not eligible.all():
        # These could not have been labelled, nor counted if they were.
        labeling = find_labeling(prob, strata, labeled, units, ~eligible)
    endog, exog = arguments["endog"], arguments["exog"]
    endog, sources, target = read_target(arguments, sources, units)
    labels = pd.Series(endog, name=arguments["yname"][0])
    regressors = pd.DataFrame(exog, columns=names, copy=False)
    absorbed = outcomes = None
    if arguments.get("absorbed") is not None:
        labeling = labeling or find_labeling(prob, strata, labeled, units)
        labels, regressors, sources, absorbed, outcomes = absorb_effects(
            arguments, labels, regressors, sources, labeling
        )
    problem = align_arrays(
        labels,
        regressors,
        labeled,
        target,
        ModelOptions(
            proxy={s.name: s for s in sources if s.kind == "proxy"},
            synthetic={s.name: s for s in sources if s.kind == "synthetic"},
            weights=arguments["weights"],
            offset=arguments["offset"],
            hasconst=_has_constant(arguments),
            labeling_prob=prob,
            strata=strata,
            auxiliary=_auxiliary(arguments, units),
            score=target if arguments.get("score") is not None else None,
        ),
        labeling=labeling,
        units=units,
    )
    return replace(
        problem,
        design=with_frame(problem.design, eligible).with_outcomes(outcomes),
        n_incomplete=int(arguments["n_incomplete"][0]),
        lacking=~eligible,
        absorbed=absorbed,
        coders=read_coders(arguments.get("coders")),
    )


def read_target(
    arguments: dict[str, Any], sources: list[SourceArrays], units: pd.Index
) -> tuple[Floats, list[SourceArrays], TargetScore]:
    """
    Outcomes and sources as the target model has them, and the target model.

    Shapes: `units` (T,).
    """
    endog, given = arguments["endog"], arguments.get("score")
    if arguments["family"] is not None:
        return endog, sources, read_score(find_family(arguments["family"]), None)
    target = read_score(None, None if given is None else find_score(given))
    if isinstance(target, LevelScore):
        chances = [source.get("chances") for source in arguments["sources"]]
        given = list(zip(sources, chances, strict=True))
        return with_levels(target, arguments["levels"], endog, given, units)
    return endog, sources, target


def _has_constant(arguments: dict[str, Any]) -> bool | None:
    if arguments.get("absorbed") is not None:
        return False
    return bool(arguments["intercept"][0]) or None


def _auxiliary(arguments: dict[str, Any], units: pd.Index) -> AuxiliaryColumns | None:
    """
    Columns of which the outcome is predicted, which R has looked at.

    Shapes: `units` (T,).
    """
    values = arguments["auxiliary"]
    if values is None:
        return None
    names = tuple(arguments["auxiliary_names"])
    return checked(values, names, units, arguments["missing"][0])


def find_family(code: dict[str, Any]) -> families.Family:
    """Family and link that R names."""
    name, link = code["name"][0], code["link"][0]
    if name not in FAMILIES or (link not in LINKS and link != "power"):
        raise OptionError(f"There is no family {name!r} with link {link!r}.")
    chosen = links.Power(float(code["power"][0])) if link == "power" else LINKS[link]()
    options = {} if code["alpha"] is None else {"alpha": float(code["alpha"][0])}
    # R lets a family have links that statsmodels does not list; the score is general.
    return FAMILIES[name](chosen, check_link=False, **options)


def unit_labels(units: Any, n_units: int) -> pd.Index:
    """
    Labels of the units, for messages.

    Shapes: `units` (T,) -> (T,).
    """
    if units is None:
        return pd.RangeIndex(1, n_units + 1)
    labels = split_text(units) if isinstance(units, list) else units
    index: pd.Index = pd.Index(labels)
    return index


def fit_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Options of :meth:`AugmentedGMM.fit` that were given."""
    maxiter = given["maxiter"][0]
    if not isinstance(maxiter, str):
        maxiter = int(maxiter) if maxiter == int(maxiter) else float(maxiter)
    settings: dict[str, Any] = {"maxiter": maxiter, "start_params": given["start"]}
    for name in ("use_t", "use_correction", "centered"):
        if given[name] is not None:
            settings[name] = bool(given[name][0])
    if given.get("population") is not None:
        settings["population"] = given["population"][0]
    return settings


def _df_inference(result: Any) -> Any:
    df = np.asarray(result.df_inference)
    return df if result.use_t else np.full(len(df), np.inf)


def describe(wrapped: Any) -> dict[str, Any]:
    """All that R keeps of a result, but for the contributions of units."""
    result = wrapped._results
    real, sources = result.real_only, result.sources
    settings = result.settings
    title = [] if result.model.family is not None else result.model.target_score.title
    absorbed = result.model.absorbed
    if absorbed is not None:
        title = [*title, ("Absorbed", " + ".join(absorbed.names))]
    return {
        "names": list(result.model.param_names),
        "title": {"name": [k for k, _ in title], "text": [str(v) for _, v in title]},
        **of_instruments(result),
        "coefficients": result.params,
        "vcov": result.cov_params(),
        "df": float(result.df_resid) if settings.use_t else np.inf,
        "df_inference": _df_inference(result),
        "use_t": settings.use_t,
        "n_units": result.n_units,
        "n_population": result.n_frame if settings.is_finite else None,
        "n_clusters": result.n_clusters,
        "labels_only": {
            "coefficients": np.asarray(real.params),
            "vcov": np.asarray(real.cov_params()),
            "df": float(real.df_resid) if settings.use_t else np.inf,
            "df_inference": _df_inference(real),
        },
        "variance_reduction": np.asarray(result.variance_reduction),
        "effective_nobs": np.asarray(result.effective_nobs),
        "sources": {
            "name": list(sources.index),
            "kind": list(sources["kind"]),
            "units": sources["covered"],
            "labelled": sources["covered_labeled"],
            "rows_per_unit": sources["replicates"],
            "explained": sources["explained"],
            "dropped_rows": sources["dropped_rows"],
        },
        "naive": {"coefficients": result.naive_params, "std_error": result.naive_bse},
        "auxiliary": result.auxiliary_params,
        "jtest": np.array(result.jtest(), dtype=float),
        "j_variance_df": variance_df(result)[0] if hotelling(result) else np.inf,
        "representativeness_df": variance_df(result),
        "representativeness": result.representativeness().iloc[:, :5],
        "c_reference": added_reference(result.representativeness()),
        "method": settings.method if result.source_names else "Labels only",
        "steps": settings.maxiter,
        "use_correction": settings.use_correction,
        "centered": settings.centered,
        "design_weights": result._design_or_raise.design_weights,
        "cov_type": result.cov_type,
        "labeling": result.labeling,
        "notes": summary_notes(result),
        "dropped_sources": dict(result.dropped_sources),
        "converged": result.converged,
        "settled": result.settled,
        "iterations": result.iterations,
        "influence": None,
        "slope": None,
        "clusters": None,
    }


def hotelling(result: Any) -> bool:
    """Whether J is the statistic of :meth:`representativeness`, not the usual one."""
    return bool(result.settings.use_correction or result.n_clusters is not None)


def variance_df(result: Any) -> Floats:
    """
    Degrees of freedom of the variance of labelled minus all units.

    For all sources, and for each: labels that it covers.

    Shapes: (1 + M,).
    """
    table = result.representativeness()
    if result._clusters is not None:
        plain = float(result._clusters.n_labeled - 1)
    elif result._design_or_raise.labeling.prob is not None:
        plain = float(result.n_labeled - 1)
    else:
        plain = float("inf")
    if "df_denom" not in table:
        return np.full(len(table), plain)
    # F has as many less those of its numerator, plus one.
    known = (table["df_denom"] + table["df"] - 1).to_numpy(dtype=float)
    return np.where(np.isnan(known), plain, known)


def added_reference(table: pd.DataFrame) -> pd.DataFrame | None:
    """F, and both degrees of freedom, of what each source adds, where it has them."""
    columns = ["c_fvalue", "c_df", "c_df_denom"]
    return table[columns].astype(float) if "c_fvalue" in table else None


def cluster_codes(result: Any, given: Any) -> Any:
    """
    The cluster of each row of the contributions.

    Shapes: (C,).
    """
    clusters = result._clusters
    if clusters is None:
        return None
    kept = result._design_or_raise.kept
    codes = np.empty(clusters.n_all, dtype=np.intp)
    codes[clusters.of_units] = given if kept is None else given[kept]
    return codes


def contributions(wrapped: Any, n_given: int) -> tuple[Floats, Floats]:
    """
    What each unit or cluster contributes to the estimate, for R's estfun and bread.

    Shapes: `contributions` (n_given, p), `slope` (p, p).
    """
    result = wrapped._results
    design, model = result._design_or_raise, result.model
    values = result.influence.to_numpy() / design.n_units
    clusters = result._clusters
    if clusters is not None:
        values = cluster_sums(values, clusters.of_units, clusters.n_all)
    elif design.kept is not None:
        part, values = values, np.zeros((n_given, values.shape[1]))
        values[design.kept] = part
    _, slope, _ = target_scores(design, model.target_score, result.params)
    return values, -slope


def _source(given: dict[str, Any]) -> SourceArrays:
    return SourceArrays(
        given["endog"],
        given["exog"],
        given["units"],
        offset=given["offset"],
        name=given["name"][0],
        kind=given["kind"][0],
        n_dropped=int(given["dropped"][0]),
    )


def _scalar_or_vector(value: Floats | None) -> Any:
    return float(value[0]) if value is not None and len(value) == 1 else value

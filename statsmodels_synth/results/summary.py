"""The tables that people read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from statsmodels.iolib.summary import Summary, fmt_params
from statsmodels.iolib.summary2 import Summary as Summary2
from statsmodels.iolib.summary2 import summary_params
from statsmodels.iolib.table import SimpleTable

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import VALIDITY, count
from statsmodels_synth.core.tables import NotesSummary, decimals, fixed
from statsmodels_synth.exceptions import (
    FewClustersWarning,
    FewUnitsWarning,
    WeakInstrumentWarning,
)
from statsmodels_synth.gmm.cautions import share_note, useless_note
from statsmodels_synth.gmm.settings import FEW_LABEL_DEFAULT, PAPER
from statsmodels_synth.gmm.weights import ILL_CONDITIONED

#: Below this many labels the asymptotic standard errors are called too small.
FEW_LABELS = 100
#: Degrees of freedom of a coefficient as a share of those of all rows below which they
#: are shown, so that p-values can be computed from what is printed.
DF_SHOWN = 0.9
#: Degrees of freedom below which a coefficient is named if it has less than half those
#: of all rows: its 95 % interval is 6 % longer than the normal one. So many are named.
FEW_DF, MOST_NAMES = 20.0, 3
#: Likewise where the sources have more moments than this share of the labels. In
#: simulations of this package the coverage of 95 % intervals fell to .85 to .93.
MANY_MOMENTS = 0.05
_J_LEVEL = 0.05
#: Change of a coefficient by clusters, in standard errors, from which a note says so:
#: less does not show where standard errors have three digits.
CLUSTER_CHANGE = 0.01


def summary(
    results: Any,
    yname: str | None,
    xname: list[str] | None,
    title: str | None,
    alpha: float,
) -> Summary:
    """The summary in statsmodels' layout."""
    facts = header(results)
    half = (len(facts) + 1) // 2
    left: list[tuple[str, Any]] = [("Dep. Variable:", None), ("Model:", None)]
    left += [(f"{k}:", [v]) for k, v in facts[:half]]
    right: list[tuple[str, Any]] = [(f"{k}:", [v]) for k, v in facts[half:]]
    right += [("Date:", None), ("Time:", None)]
    table = NotesSummary()
    xname = list(results.model.param_names if xname is None else xname)
    table.add_table_2cols(
        results,
        gleft=left,
        gright=right,
        yname=yname,
        xname=xname,
        title="Augmented GMM Results" if title is None else title,
    )
    table.add_table_params(
        results, yname=yname, xname=xname, alpha=alpha, use_t=results.use_t
    )
    _show_small_errors(table.tables[1], results, alpha)
    if results.source_names:
        table.tables.append(_gains_table(results, xname))
        table.tables.append(_sources_table(results))
    table.set_notes("Notes:", summary_notes(results))
    return table


def summary2(
    results: Any,
    yname: str | None,
    xname: list[str] | None,
    title: str | None,
    alpha: float,
    float_format: str,
) -> Summary2:
    """The summary in statsmodels' second layout."""
    table = Summary2()
    xname = list(results.model.param_names if xname is None else xname)
    info = {"Dep. Variable:": yname or results.model.endog_names}
    table.add_dict(info | {f"{k}:": v for k, v in header(results)}, ncols=2)
    coefficients = summary_params(
        results, xname=xname, alpha=alpha, use_t=results.use_t
    )
    if float_format == "%.4f":  # the default: a small standard error needs more
        float_format = f"%.{decimals(results.bse, least=4)}f"
    table.settings[0]["float_format"] = float_format  # that of all tables
    table.add_df(coefficients, float_format=float_format)
    if results.source_names:
        bought = pd.DataFrame(gains(results), pd.Index(xname), _GAINS_COLUMNS)
        table.add_df(bought, float_format=float_format)
        table.add_df(source_frame(results), float_format=float_format)
    table.add_title("Augmented GMM Results" if title is None else title)
    for note in summary_notes(results):  # this layout wraps by itself
        table.add_text(note)
    return table


def _show_small_errors(table: SimpleTable, results: Any, alpha: float) -> None:
    """More decimals than statsmodels has, where a standard error has none in them."""
    errors = np.asarray(results.bse)
    if (digits := decimals(errors)) == decimals([]):
        return
    columns = [
        np.asarray(results.params),
        errors,
        *np.asarray(results.conf_int(alpha)).T,
    ]
    for column, values in zip((1, 2, 5, 6), columns, strict=True):
        for row, value in zip(table[1:], values, strict=True):
            row[column].data = fixed(float(value), digits + (column == 1))


_GAINS_COLUMNS = ["labels only", "std err", "var. reduction", "eff. labels"]


def gains(results: Any) -> Floats:
    """
    Labelled-only estimate beside what the sources bought.

    Shapes: (p, 4).
    """
    real = results.real_only._results  # without names, which the table has
    return np.column_stack(
        [real.params, real.bse, results.variance_reduction, results.effective_nobs]
    )


_SOURCE_COLUMNS = ["kind", "units", "labelled", "rows/unit", "score explained"]


def source_rows(results: Any) -> list[tuple[str, str, str, float, float]]:
    """What the summary says of each source, in the order of its columns."""
    facts = zip(results._source_facts, results._explained, strict=True)
    return [
        (kind, str(units), str(labelled), per_unit, float(explained))
        for (_, kind, units, labelled, per_unit, _), explained in facts
    ]


def source_frame(results: Any) -> pd.DataFrame:
    """The same as a frame."""
    return pd.DataFrame(source_rows(results), results.source_names, _SOURCE_COLUMNS)


def header(results: Any) -> list[tuple[str, str]]:
    """Facts above the coefficients: a name and a value each."""
    pairs = [
        *results.model.target_score.title,
        ("Method", "GMM-Synth" if results.source_names else "Labels only"),
    ]
    if results.source_names:
        pairs.append(("Variant", results.settings.variant))
    if (absorbed := results.model.absorbed) is not None:
        pairs.append(("Absorbed", " + ".join(absorbed.names)))
    pairs.append(("Covariance Type", results.cov_type))
    if results.n_clusters is not None:
        pairs.append(("No. Clusters", str(results.n_clusters)))
    if results.labeling != "equal":
        pairs.append(("Labelling", results.labeling))
    if results.settings.is_finite:
        pairs.append(("Population", f"finite, {results.n_frame} units"))
    pairs += [
        ("No. Labelled (n)", str(results.n_labeled)),
        ("No. Units (T)", str(results.n_units)),
        ("No. Sources", str(len(results.source_names))),
    ]
    if results.use_t:
        pairs.append(("Df Residuals", f"{results.df_resid:.1f}"))
        if _own_df(results):
            ends = [f"{f(results.df_inference):.1f}" for f in (np.min, np.max)]
            pairs.append(("Df of t", " to ".join(dict.fromkeys(ends))))
    test = results.jtest()
    if test.df:
        pairs.append(("Hansen J", f"{test.statistic:#.4g} (df {test.df})"))
        if test.distribution == "F" and not np.isnan(test.pvalue):
            name = f"J as F({test.df_num}, {test.df_denom:g})"
            pairs.append((name, f"{test.fvalue:#.4g}"))
        pairs.append(("Prob (Hansen J)", f"{test.pvalue:#.3g}"))
    return pairs


def _own_df(results: Any) -> bool:
    """Whether coefficients have degrees of freedom that must be told."""
    least = np.min(np.asarray(results.df_inference))
    return bool(results.use_t and least < DF_SHOWN * results.df_resid)


def _gains_table(results: Any, names: list[str]) -> SimpleTable:
    parts = gains(results)
    digits = decimals(parts[:, 1])
    rows = [
        [
            fixed(estimate, digits + 1),
            fixed(error, digits),
            f"{round(float(reduction), 3) + 0.0:.1%}",  # no -0.0%
            f"{labels:.0f}",
        ]
        for estimate, error, reduction, labels in parts
    ]
    return SimpleTable(
        rows,
        _GAINS_COLUMNS,
        names,
        title="What the sources bought",
        txt_fmt=fmt_params,
    )


def _sources_table(results: Any) -> SimpleTable:
    rows = [
        [kind, units, labelled, f"{per_unit:.3g}", f"{explained:.1%}"]
        for kind, units, labelled, per_unit, explained in source_rows(results)
    ]
    return SimpleTable(
        rows,
        _SOURCE_COLUMNS,
        results.source_names,
        title="Sources",
        txt_fmt=fmt_params,
    )


def summary_notes(results: Any) -> list[str]:
    """Everything a reader must know besides the numbers."""
    notes = [
        *_caution_notes(results),
        *_instrument_notes(results),
        f"{results.settings.covariance_note} {_label_note(results)}".strip(),
    ]
    if (absorbed := results.model.absorbed) is not None:
        notes.append(absorbed.note)
    if (coders := results.model.coders) is not None:
        notes.append(coders.note)
    if results.source_names:
        notes.append(VALIDITY)
        notes += [*_method_notes(results), *_cluster_notes(results)]
    if results.n_clusters is not None and results.labeling.endswith("strata"):
        notes.append(
            "With clusters, the strata give labelling probabilities only: that the "
            "number of labels in each was fixed does not shorten the intervals."
        )
    notes += [*survey_notes(results), *_df_notes(results)]
    notes += filter(None, (share_note(results.rarer_labels),))
    if results.jtest().df:
        notes.append(_j_note(results))
    if results.source_names:
        notes.append(
            "Labels only: the same model without the sources. Var. reduction: the "
            "share of its variance that the sources remove. Eff. labels: how many "
            "labels would give the same standard error without them."
        )
        if np.any(np.asarray(results.variance_reduction) <= -0.0005):  # as printed
            notes.append(
                "Where the variance reduction is negative the sources bought nothing: "
                "both variances are estimates, at different coefficients."
            )
    groups = results.n_clusters or results.n_labeled
    told = zip(results._source_facts, results._explained, strict=True)
    notes += filter(
        None,
        (
            # Of the units that it covers: a small source is not a useless one.
            useless_note(
                name, share * results.n_labeled / labelled, min(labelled, groups)
            )
            for (name, _, _, labelled, *_), share in told
        ),
    )
    for name, reason in results.dropped_sources.items():
        notes.append(f"Source {name!r} takes no part: {reason}.")
    n_incomplete = results.model.n_incomplete
    if n_incomplete:
        notes.append(
            f"{count(n_incomplete, 'unit')} with an outcome (or declared labelled) "
            f"{'lacks' if n_incomplete == 1 else 'lack'} another variable and "
            f"{'counts' if n_incomplete == 1 else 'count'} as unlabelled."
        )
    notes += [
        f"Source {name!r}: {rows} rows with missing values are left out."
        for name, *_, rows in results._source_facts
        if rows
    ]
    if not results.converged:
        notes.insert(0, "NOT CONVERGED: do not use these numbers.")
    return notes


def _caution_notes(results: Any) -> list[str]:
    """A line for each warning of the fit; of the labels alone without sources."""
    of_labels = (FewClustersWarning, FewUnitsWarning, WeakInstrumentWarning)
    return list(
        dict.fromkeys(
            caution.text
            for caution in results._cautions
            if results.source_names or issubclass(caution.category, of_labels)
        )
    )


def _instrument_notes(results: Any) -> list[str]:
    """What holds where instruments are weak."""
    weak = (c.category is WeakInstrumentWarning for c in results._cautions)
    if not any(weak) or len(results.model.target_score.endogenous) > 1:
        return []
    found = results._weak_instrument_set
    if found is None:
        return [
            "anderson_rubin() has a test and a confidence set that hold with weak "
            "instruments."
        ]
    return [
        f"Anderson and Rubin's confidence set of {found.level} for {found.name}, which "
        f"holds with weak instruments: {found.ends}."
    ]


def _method_notes(results: Any) -> list[str]:
    """What was done, for those who cite the paper."""
    settings = results.settings
    if settings.shrinks:
        unit = "labels" if results.n_clusters is None else "clusters"
        counted = " The t distribution allows for it." if results.use_t else ""
        return [
            "The estimate is that of the labels, adjusted by the sources. How much "
            f"they count is learned from the {unit}: the fewer there are, the less."
            f"{counted} This {FEW_LABEL_DEFAULT} is a variant of GMM-Synth; "
            f"use_correction=False gives the two-step estimator of {PAPER}."
        ]
    if settings.maxiter == 1:
        return [
            "One step is the estimate of the labels only: the sources take no part in "
            "it. maxiter=2 is the default."
        ]
    if settings.rescaled and settings.maxiter != "cue":
        return [
            f"The first step is not that of {PAPER}: the condition number of "
            f"the labelled design is above {ILL_CONDITIONED:g}, so that its weight is "
            "the identity in the basis in which that design is orthonormal. Centre and "
            "scale the regressors for theirs."
        ]
    return []


def survey_notes(results: Any) -> list[str]:
    """Strata that a survey drew clusters from."""
    if results.n_survey_strata is None:
        return []
    if results.n_survey_strata == 1:
        return [
            "A survey drew the clusters, from one stratum: standard errors count how "
            "they differ from their mean."
        ]
    return [
        f"A survey drew the clusters within {results.n_survey_strata} strata"
        ": standard errors count how they differ within these only."
    ]


def _cluster_notes(results: Any) -> list[str]:
    """By how much clusters change the estimate, besides its standard errors."""
    without = results._without_clusters
    if without is None:
        return []
    params = np.asarray(results.params)
    change = np.abs(params - without) / np.asarray(results.bse)
    if not change.max() >= CLUSTER_CHANGE:  # nor where standard errors are missing
        return []
    j = int(change.argmax())
    return [
        "Clusters change the estimate, not only its standard errors: how much to take "
        "off for the sources is learned from "
        f"{count(results.n_clusters or 0, 'labelled cluster')} instead of "
        f"{count(results.n_labeled, 'labelled unit')}."
        + (
            ""
            if results._solution.uses_sources
            else " They are too few to take off anything: this is the estimate of the "
            "labels alone."
        )
        + f" Without clusters coefficients differ by up to {change[j]:.2f} standard "
        f"errors ({results.model.param_names[j]}: {without[j]:.4g} instead of "
        f"{params[j]:.4g})."
    ]


def _j_note(results: Any) -> str:
    """What the test asks, what its p-value comes from, and what it says."""
    test = results.jtest()
    if np.isnan(test.pvalue):
        verdict = (
            f"With so few clusters it cannot be tested for all {test.df} restrictions "
            "at once: see representativeness() for each source."
        )
    elif test.pvalue >= _J_LEVEL:
        verdict = (
            f"It does not reject at the 5 % level (p = {test.pvalue:.2g}). That is no "
            "proof: with few labels the test sees only large differences."
        )
    else:
        verdict = (
            f"It rejects at the 5 % level (p = {test.pvalue:.2g}); random labels give "
            f"as small a p-value in {_percent(test.pvalue)} of studies. Other causes: "
            "the labels are a selection, or a source was made differently for labelled "
            "units. Find out before you rely on the estimates."
            f"{_which_source(results)}"
        )
    reference = f"Its reference is chi-squared with {test.df} degrees of freedom."
    if test.distribution == "F":
        nu = test.df_denom + test.df_num - 1
        reference = (
            f"J is Hotelling's T-squared with {test.df_num} and {nu:g} degrees of "
            f"freedom: J * {test.df_denom:g} / ({test.df_num} * {nu:g}) is compared "
            f"with F({test.df_num}, {test.df_denom:g})."
        )
    if np.isnan(test.pvalue):
        reference = ""
    return (
        "Hansen J tests whether the labelled units look like the rest, as far as the "
        f"sources can see. {reference} {verdict}"
    ).replace("  ", " ")


def _percent(pvalue: float) -> str:
    return "under 0.1 %" if pvalue < 0.001 else f"{100 * pvalue:.2g} %"


def _which_source(results: Any) -> str:
    """Which of several sources the labelled units disagree with most."""
    if len(results.source_names) < 2:
        return ""
    pvalues = results.representativeness()["pvalue"].iloc[1:].dropna()
    if not len(pvalues):
        return ""
    return (
        f" The smallest p-value of a source alone is {pvalues.min():.2g} "
        f"({pvalues.idxmin()!r}): see representativeness()."
    )


def _df_notes(results: Any) -> list[str]:
    """Coefficients whose variance is made of much fewer units than there are labels."""
    df = np.asarray(results.df_inference)
    if not (results.use_t and df.min() < min(FEW_DF, results.df_resid / 2.0)):
        return []
    few = np.argsort(df, kind="stable")
    names = [
        f"{df[j]:.1f} ({results.model.param_names[j]})"
        for j in few[:MOST_NAMES].tolist()
    ]
    others = f" and {df[few[-1]]:.1f} at most" if len(few) > MOST_NAMES else ""
    return [
        "The t of each coefficient has degrees of freedom of its own, fewer than "
        f"{results.df_resid:.1f} where few units or unequal weights decide it: "
        f"{', '.join(names)}{others}. See df_inference."
    ]


def _label_note(results: Any) -> str:
    """What few labels do to the numbers; a moment costs about one label."""
    if results.settings.use_correction:
        return ""
    n, k = results.n_labeled, 0
    if results.source_names:
        n = min(n, *(labelled for _, _, _, labelled, *_ in results._source_facts))
        k = len(results.source_names) * results.model.k_params
    if n >= FEW_LABELS and k <= MANY_MOMENTS * n:
        return ""
    if not k:
        return f"With {n} labels they are likely too small."
    return (
        f"With {n} labels for {count(results.model.k_params, 'coefficient')} and "
        f"{count(len(results.source_names), 'source')} they are likely too small, and "
        f"the variance reduction too large: sources of pure noise would show about "
        f"{min(k / n, 1):.0%}."
    )


def model_infos() -> dict[str, Any]:
    """Rows that ``summary_col`` puts below the coefficients."""
    return {
        "Method": lambda r: r.settings.method if r.source_names else "labels only",
        "Labelled units": lambda r: str(r.n_labeled),
        "Units": lambda r: str(r.n_units),
        "Sources": lambda r: str(len(r.source_names)),
    }

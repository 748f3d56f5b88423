"""Warnings about a solution: what makes it less than it seems."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from statsmodels_synth.core.arrays import Bools, Floats, Positions
from statsmodels_synth.core.messages import count, note, warn
from statsmodels_synth.exceptions import (
    ConvergenceWarning,
    DiscreteOutcomeWarning,
    FewUnitsWarning,
    LabelAgreementWarning,
    SynthWarning,
)
from statsmodels_synth.gmm.solver import Solution
from statsmodels_synth.problem.design import AlignedDesign, DesignRows, Labeling
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.quantile import Quantile

#: A source that explains less than this share of the labels' score is called useless,
USELESS = 0.02
#: but only from so many labelled units (or clusters) on. In simulations with 200 labels
#: 2 % of sources that explain 10 % were called so, and none of those with 20 %.
TOLD_FROM = 200


_OR_SHOWN = (
    "This holds if its errors are rare. If labels were copied into the source or shown "
    "to its model (few-shot examples too), its errors for other units are not seen and "
    "the intervals do not cover: check how it was made."
)
#: Ones (or zeros) among the labels below which the interval of a share is said to be
#: worse than that of its logit: in simulations with 1 to 20 of them it covered in .84
#: to .93 (``python -m benchmarks.shares``).
FEW_ONES = 30
#: Correlation with the labels below whose negative a coding looks reversed, ratio of
#: standard deviations from which it looks like another scale, and from how many rows.
REVERSED, SCALED, CODED_FROM = 0.5, 10.0, 30
#: Relative rounding error.
EPSILON = float(np.finfo(float).eps)
#: Labelled units that differ from a source below which a warning is due.
FEW_DISAGREEMENTS = 4
#: How many times as much a source may vary over all units as labelled ones let expect.
#: With a log-normal regressor and 60 labels 5 % of the samples have more; else hardly
#: any.
MISSED = 30.0
#: Share of the disagreements to be expected by chance up to which agreement is nearly
#: perfect: one less Cohen's kappa. With balanced outcomes it is 5 % of the labels; with
#: rare ones nearly all labels agree by chance, and fewer must differ.
NEARLY = 0.1
#: The same where fewer than four labels differ: a kappa of .8, above which Landis and
#: Koch (1977) call agreement almost perfect.
NEARLY_OF_FEW = 0.2
#: The same for a continuous outcome, whose values no source guesses exactly.
NEARLY_CONTINUOUS = 0.5
#: An outcome is continuous where so many labels have a value of their own.
_CONTINUOUS = 0.9
#: Share of rows on the fitted line, besides as many as coefficients, from which the
#: outcome of a quantile has few values.
TIED = 0.02
#: Labels beyond a quantile up to which its standard errors are said to be uncertain: in
#: a long tail intervals covered in .85 to .92 with 10 to 30, and those of a median in
#: .98 with 50 (``python -m benchmarks.score_intervals``).
FEW_BEYOND = 50
#: Labels that may be wrong where none was seen to be, with 95 % confidence.
UNSEEN = 3


def warn_of(
    design: AlignedDesign, solution: Solution, names: Sequence[str], *, corrected: bool
) -> None:
    """Warn of what makes a solution less than it seems."""
    if not solution.converged:
        warn(
            "The moment conditions were not solved: do not use the estimates. Rescale "
            "regressors of very different size, give start_params, or use fewer "
            "sources.",
            ConvergenceWarning,
        )
    elif not solution.settled:
        warn(
            f"The estimate was still moving when the weight had been chosen "
            f"{solution.iterations - 1} times. Raise maxiter, or use maxiter=2 or "
            "'cue'.",
            ConvergenceWarning,
            "Not settled: the estimate was still moving at the last step.",
        )
    if solution.few_labels is not None:
        _warn_of_missed(design.names, solution.few_labels.missed, names)
    if not solution.uses_sources:
        return  # the sources take no part
    for m, (name, rows) in enumerate(
        zip(design.names, design.labeled_sources, strict=True)
    ):
        note(coding_note(name, rows, design.labeled), SynthWarning)
        differing, covered = disagreements(rows, design.labeled)
        if differing >= FEW_DISAGREEMENTS:
            continue
        chance = chance_disagreements(rows, design.labeled)
        if not is_nearly_perfect(design.labeled, differing, chance):
            continue
        if differing:
            found = (
                f"differs from the labels in {differing} of the {covered} units that "
                "have both, so that all that is known of its errors comes from "
                + ("this one" if differing == 1 else "these")
            )
        else:
            found = (
                f"agrees with all {covered} labels that it covers, so nothing is known "
                f"of its errors but that they are rare: up to {3 / covered:.1%} of its "
                "rows may be wrong (95 %, rule of three)"
            )
        allowed = (
            "The standard errors allow for one more such unit"
            f"{_one_sided(solution, m, names)}."
            if corrected
            else "The asymptotic standard errors allow for no other."
        )
        warn(
            f"Source {name!r} {found}. {allowed} {_OR_SHOWN}",
            LabelAgreementWarning,
            f"Agreement: source {name!r} differs from the labels in {differing} of "
            f"{covered} units. If labels were copied into it or shown to its model, do "
            "not use the augmented estimates.",
        )


def _warn_of_missed(
    sources: Sequence[str], missed: Floats, names: Sequence[str]
) -> None:
    """Warn of rows of a source that labelled units have nothing like."""
    for source, ratios in zip(sources, missed, strict=True):
        j = int(np.argmax(ratios))
        if not ratios[j] > MISSED:
            continue
        times = f"{float(f'{ratios[j]:.2g}'):,.0f} times"
        if ratios[j] > 1e4:
            times = "more than 10,000 times"
        warn(
            f"Source {source!r} varies {times} as much over all units as the "
            f"labelled ones let expect, in what it says of {names[j]!r}: a few of "
            "its rows are unlike any that has a label. Are there codes such as 99 or "
            "-9, or slips, in its columns? The estimate relies on it the less.",
            FewUnitsWarning,
            f"Few units: a few rows of source {source!r} are unlike any that has a "
            f"label ({names[j]!r}); codes such as 99?",
        )


def warn_of_ties(
    design: AlignedDesign, score: TargetScore, theta: Floats, yname: str
) -> None:
    """
    Warn where a score that jumps does so at many rows at once: y has few values.

    Of p coefficients p rows are on the line in any case. The rows of a source are those
    of labelled units.

    Shapes: `theta` (p,).
    """
    if score.is_smooth or not score.is_single:
        return
    found = [("the labels", tied_rows(design.labeled, score, theta))]
    for name, rows in zip(design.names, design.labeled_sources, strict=True):
        if len(rows.endog) <= design.k_params:
            continue
        own = score.start(rows.endog, rows.exog, rows.offset, design.row_weights(rows))
        found.append((f"source {name!r}", tied_rows(rows, score, own)))
    tied = [
        (where, n, of) for where, (n, of) in found if n > design.k_params + TIED * of
    ]
    if not tied:
        return
    listed = ", ".join(f"{n / of:.0%} of the rows of {w}" for w, n, of in tied)
    warn(
        f"{yname!r} has few values: {listed} are on the fitted line, where the score "
        "of a quantile jumps and the density of the residuals is not defined. Standard "
        "errors are not valid as far as that goes. If values were rounded, take those "
        "before; if they are levels or counts, use a model for these; or add uniform "
        "noise as wide as the rounding to all (Machado and Santos Silva 2005).",
        DiscreteOutcomeWarning,
        f"Discrete outcome: {listed} are on the fitted line; standard errors of a "
        "quantile are not valid for few values.",
    )


def note_of_density(design: AlignedDesign, score: TargetScore) -> None:
    """Note that few labels lie beyond a quantile, whose density is needed there."""
    if not isinstance(score, Quantile):
        return
    weights = design.row_weights(design.labeled)
    equal = weights.sum() ** 2 / (weights @ weights)  # Kish
    beyond = min(score.tau, 1.0 - score.tau) * equal
    if beyond <= FEW_BEYOND:
        note(
            f"Few labels beyond the quantile: about {count(round(beyond), 'label')}. "
            "Standard errors need the density there, of which they say little; "
            "score_conf_int() has intervals that need none.",
            FewUnitsWarning,
        )


def tied_rows(rows: DesignRows, score: TargetScore, params: Floats) -> tuple[int, int]:
    """
    Rows that the line goes through, and all rows.

    Shapes: `params` (p,).
    """
    linear = rows.exog @ params
    residual = rows.endog - linear - (0.0 if rows.offset is None else rows.offset)
    near = 1e-9 * np.ptp(rows.endog) + 8 * EPSILON * np.abs(linear).max(initial=0.0)
    return int(np.count_nonzero(np.abs(residual) <= near)), len(residual)


def _one_sided(solution: Solution, m: int, names: Sequence[str]) -> str:
    """
    What errors of one direction could do that no label shows.

    By the rule of three, three more labels may have been wrong.
    """
    if solution.few_labels is None:
        return ""
    moved = UNSEEN * solution.few_labels.one_error[m]
    size = moved / np.sqrt(np.diag(solution.few_labels.covariance))
    j = int(np.argmax(np.where(np.isfinite(size), size, -1.0)))
    return (
        f", not for errors of one direction: {UNSEEN} that the labels missed would "
        f"move {names[j]!r} by up to {moved[j]:.2g}, {size[j]:.1f} standard errors"
    )


def warn_of_strata(labeling: Labeling, df: float | Floats) -> None:
    """Warn of strata with a single label, which say nothing of their own variance."""
    strata, prob = labeling.strata, labeling.prob
    if strata is None or prob is None:
        return
    n = np.bincount(strata)
    # A stratum of which every unit is labelled has no variance to be known.
    single = int(np.count_nonzero((n[strata] == 1) & (prob < 1.0)))
    if not single:
        return
    left = float(np.min(df))
    have = "has one label" if single == 1 else "have one label each"
    which = "All" if single == len(n) else f"{single} of"
    warn(
        f"{which} {len(n)} strata {have}, which does not show how "
        f"units of a stratum differ. Intervals rest on {left:.3g} "
        f"{'degree' if left == 1.0 else 'degrees'} of freedom. Merge strata that are "
        "alike, so that every one has at least two labels, or label another unit in "
        "each.",
        FewUnitsWarning,
        f"Few units: {single} of {len(n)} strata {have}; intervals rest on "
        f"{left:.3g} {'degree' if left == 1.0 else 'degrees'} of freedom.",
    )


def disagreements(rows: DesignRows, labels: DesignRows) -> tuple[int, int]:
    """
    Labelled units at which a source differs from outcome or regressors.

    Examples
    --------
    >>> import numpy as np
    >>> labels = DesignRows(np.array([0.0, 1.0]), np.ones((2, 1)))
    >>> disagreements(labels, labels)
    (0, 2)
    """
    unit = rows.unit_positions
    differs = ~_same(rows.endog, labels.endog, unit)
    for own, real in zip(rows.exog.T, labels.exog.T, strict=True):
        differs |= ~_same(own, real, unit)
    return len(np.unique(unit[differs])), len(np.unique(unit))


def chance_disagreements(rows: DesignRows, labels: DesignRows) -> float:
    """
    Disagreements to be expected if a source had nothing to do with the labels.

    Those of its values with the labels of other units, at random: what Cohen's kappa
    compares with. Of the columns that differ somewhere; if none does, of the outcome.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.ones((100, 1))
    >>> rare = DesignRows((np.arange(100) < 3).astype(float), x)
    >>> often = DesignRows((np.arange(100) < 50).astype(float), x)
    >>> [round(chance_disagreements(v, v), 2) for v in (rare, often)]
    [5.82, 50.0]
    """
    unit = rows.unit_positions
    pairs = [
        (rows.endog, labels.endog),
        *zip(rows.exog.T, labels.exog.T, strict=True),
    ]
    told = [(own, real) for own, real in pairs if not _same(own, real, unit).all()]
    codes, known = [], []
    for own, real in told or pairs[:1]:
        values, of_label = np.unique(real, return_inverse=True)
        nearest = np.searchsorted(values, own)
        low = np.clip(nearest - 1, 0, len(values) - 1)
        high = np.clip(nearest, 0, len(values) - 1)
        of_row = np.where(
            np.abs(own - values[low]) < np.abs(own - values[high]), low, high
        )
        fits = _same(own, values, of_row)
        codes.append(np.where(fits, of_row, -1))
        known.append(of_label)
    n = len(labels.endog)
    _, joint = np.unique(
        np.column_stack(
            [np.concatenate(pair) for pair in zip(known, codes, strict=True)]
        ),
        axis=0,
        return_inverse=True,
    )
    joint = joint.reshape(-1)
    times = np.bincount(joint[:n], minlength=int(joint.max()) + 1)
    # A unit agrees with a label if all of its rows do.
    first = np.full(n, -1)
    first[unit] = joint[n:]
    mixed = np.zeros(n, dtype=bool)
    mixed[unit[joint[n:] != first[unit]]] = True
    covered = np.unique(unit)
    agreeing = np.where(mixed[covered], 0, times[first[covered]])
    return float(np.sum(1.0 - agreeing / n))


def is_nearly_perfect(labels: DesignRows, differing: int, chance: float) -> bool:
    """Whether so few disagreements are next to none of those expected by chance."""
    values = labels.endog
    continuous = len(np.unique(values)) >= _CONTINUOUS * len(values)
    share = NEARLY_OF_FEW if differing < FEW_DISAGREEMENTS else NEARLY
    share = NEARLY_CONTINUOUS if continuous else share
    return differing <= share * chance


def _same(own: Floats, real: Floats, unit: Positions) -> Bools:
    """
    Values that differ by rounding alone, wherever zero and the unit of measure are.

    What went through single precision, or six digits of text, is still the same.

    Shapes: `own` (R,), `real` (n,), `unit` (R,).
    """
    apart = np.abs(real - np.median(real))
    tolerance = 1e-6 * np.maximum(apart, apart.mean()) + 8 * EPSILON * np.abs(real)
    value = real[unit]
    with np.errstate(over="ignore"):
        # Far from zero, single precision is coarser than that.
        single = (own == value.astype(np.float32)) | (own.astype(np.float32) == value)
    return np.asarray((np.abs(own - value) <= tolerance[unit]) | single)


def rarer_outcomes(endog: Floats) -> int | None:
    """
    Labels with the rarer outcome of 0 and 1; None where there are others.

    Examples
    --------
    >>> rarer_outcomes(np.array([0.0, 1.0, 0.0])), rarer_outcomes(np.array([0.5]))
    (1, None)
    """
    ones = int(np.count_nonzero(endog == 1.0))
    zeros = int(np.count_nonzero(endog == 0.0))
    return min(ones, zeros) if ones + zeros == len(endog) else None


def share_note(rare: int | None) -> str:
    """Say that the mean of few ones has a better interval; else nothing."""
    if rare is None or rare >= FEW_ONES:
        return ""
    return (
        "The outcome is 0 or 1 and its mean a share, and "
        f"{count(rare, 'label')} with the rarer of the two are few: this interval is "
        "symmetric, may leave [0, 1] and can cover too rarely. The binomial family has "
        "one on the scale of the logit, which get_prediction() transforms."
    )


def coding_note(name: str, rows: DesignRows, labels: DesignRows) -> str:
    """
    Say that the outcome of a source looks reversed, or on another scale; else nothing.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.arange(40.0) % 2, np.ones((40, 1))
    >>> coding_note("llm", DesignRows(1.0 - y, x), DesignRows(y, x))
    "Source 'llm': its coding looks reversed (correlation -1.00 with the labels)."
    >>> coding_note("llm", DesignRows(y, x), DesignRows(y, x))
    ''
    """
    own, real = rows.endog, labels.endog[rows.unit_positions]
    spread = float(np.std(own)), float(np.std(real))
    if len(own) < CODED_FROM or not min(spread) > 0.0:
        return ""
    correlation = float(np.corrcoef(own, real)[0, 1])
    if correlation < -REVERSED:
        return (
            f"Source {name!r}: its coding looks reversed (correlation "
            f"{correlation:.2f} with the labels)."
        )
    ratio = spread[0] / spread[1]
    if correlation > REVERSED and not 1.0 / SCALED < ratio < SCALED:
        return (
            f"Source {name!r}: its outcome looks like another scale (standard "
            f"deviation {spread[0]:.3g}, of the labels {spread[1]:.3g})."
        )
    return ""


def useless_note(name: str, share: float, n_labeled: int) -> str:
    """
    Say that a source explains next to nothing, and what to check; else nothing.

    Examples
    --------
    >>> useless_note("llm", 0.3, 500), useless_note("llm", 0.0, 50)
    ('', '')
    """
    if not share < USELESS or n_labeled < TOLD_FROM:
        return ""
    return (
        f"Source {name!r} explains next to nothing of the labels' score "
        f"({max(share, 0.0):.1%}): check that its rows belong to these units (on=), "
        "and that codes such as 99 or -9 are not data."
    )

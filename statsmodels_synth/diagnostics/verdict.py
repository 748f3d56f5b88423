"""
What the diagnostics of a result say, in words.

The order is that of the pitfalls in the review of Abdel-Azim, Wang and Lin (2026):
misspecification bias, attenuated uncertainty, failure to generalise; then what the
sources are worth. Where several comparisons are made, p-values are adjusted by Holm's
method before anything is called out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import count

#: What is called out has an adjusted p-value below this.
LEVEL = 0.05
#: A bias of so many standard errors is found with a power of 80 % at a level of 5 %.
VISIBLE = 2.8
#: Intervals that are less than so many times too narrow are called about right.
NARROW = 1.2
#: An effective number of labels below this multiple of the labels is next to nothing.
WORTH = 1.05
#: Below this multiple of the labels it is called less than the labels alone.
LESS = 0.95
#: Effective numbers of labels are called the same below this ratio.
ALIKE = 1.05
#: So many coefficients are named for each source.
_NAMED = 3
#: So many groups, or coefficients of all sources, are named.
_LISTED = 5
#: What the data cannot show.
_CONDITION = (
    " This assumes that units were labelled at random or with the stated "
    "probabilities. It also assumes that sources were made alike for all units: no "
    "label was shown to a model, also not as a few-shot example."
)
#: What is said of comparisons with an estimate that may be wrong.
_DOUBT = "compared with an augmented estimate that is itself in doubt, "


@dataclass(frozen=True)
class Evidence:
    """
    Tables that the verdict is read from; see ``Diagnostics`` for their columns.

    Parameters
    ----------
    bias, bias_tests, uncertainty, coverage : DataFrame
        Of the diagnostics.
    representativeness, subgroups, subgroup_tests : DataFrame
        Likewise.
    by : str or None
        What the groups are called; None if they were not asked for.
    n_groups : int
        How many groups there are, besides that of units without a value.
    n_labeled : int
        Labelled units.
    effective : Series (p,)
        Labels that would give the same standard error without sources, by coefficient.
    clustered : bool
        Whether units were labelled in clusters.
    alike : tuple of (str, int, int, float)
        Sources that agree nearly perfectly with the labels, and of which the user has
        not said that no label was shown: name, labelled units that differ, labelled
        units that the source covers, and how many would differ by chance.
    useless : tuple of str
        A sentence for each source that explains next to nothing.
    """

    bias: pd.DataFrame
    bias_tests: pd.DataFrame
    uncertainty: pd.DataFrame
    coverage: pd.DataFrame
    representativeness: pd.DataFrame
    subgroups: pd.DataFrame
    subgroup_tests: pd.DataFrame
    by: str | None
    n_groups: int
    n_labeled: int
    effective: pd.Series
    clustered: bool
    alike: tuple[tuple[str, int, int, float], ...] = ()
    useless: tuple[str, ...] = ()


def verdict(evidence: Evidence) -> tuple[str, ...]:
    """Say what the tables say."""
    uneven, groups = _subgroups(evidence)
    gap, coverage = _coverage(evidence)
    unlike, labels = _labels(evidence)
    doubtful = gap or unlike
    biased, first = _bias(evidence, doubtful=doubtful)
    third = " ".join(filter(None, [groups, coverage, labels, _leak(evidence)]))
    unsafe = [str(s) for s in evidence.bias_tests.index if s in (*biased, *uneven)]
    return (
        first,
        _uncertainty(evidence, doubtful=doubtful),
        f"Failure to generalise: {third}",
        _worth(evidence, unsafe, doubtful=doubtful),
    )


def holm(pvalues: Floats) -> Floats:
    """
    Adjust p-values by Holm's method, missing ones left out.

    Examples
    --------
    >>> holm(np.array([0.01, np.nan, 0.2]))
    array([0.02,  nan, 0.2 ])
    """
    adjusted = np.full_like(pvalues, np.nan)
    some = np.isfinite(pvalues)
    # Not statsmodels' multipletests: it collects garbage, which takes a hundred times
    # as long as everything else here.
    own = pvalues[some]
    order = np.argsort(own, kind="stable")
    stepped = np.maximum.accumulate(own[order] * np.arange(len(own), 0, -1))
    found = np.empty_like(own)
    found[order] = np.minimum(stepped, 1.0)
    adjusted[some] = found
    return adjusted


def number(value: float, *, signed: bool = False) -> str:
    """
    Write a number with two significant digits, or as many as its whole part has.

    Examples
    --------
    >>> number(0.01234), number(5.0), number(1234.5), number(0.5, signed=True)
    ('0.012', '5.0', '1234', '+0.50')
    """
    sign = "+" if signed else ""
    size = abs(value)
    if not np.isfinite(value) or size == 0.0:
        return f"{value:{sign}g}"
    if size < 1e-5 or size >= 1e7:
        return f"{value:{sign}.1e}"
    return f"{value:{sign}.{max(0, 1 - int(np.floor(np.log10(size))))}f}"


def probability(pvalue: float, tests: int = 1) -> str:
    """
    Write a p-value, and that it is adjusted where it is one of several tests.

    Examples
    --------
    >>> probability(0.0234), probability(1e-9, tests=2)
    ('p = 0.023', 'Holm-adjusted p < 0.001')
    """
    text = "p < 0.001" if pvalue < 0.001 else f"p = {pvalue:.2g}"
    return f"Holm-adjusted {text}" if tests > 1 else text


def percent(share: float) -> str:
    """
    Write a share, never a part as nothing or as all.

    Examples
    --------
    >>> percent(0.25), percent(0.9996), percent(1.0)
    ('25 %', 'over 99 %', '100 %')
    """
    if 0.0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1.0 else f"{100 * share:.0f} %"


def listed(parts: list[str], last: str = "and") -> str:
    """
    Write a list.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def some_of(names: list[str], others: str = "other") -> str:
    """
    Write the first few of a list, and how many more there are.

    Examples
    --------
    >>> some_of(list("abcdefg"), "other group")
    'a, b, c, d, e and 2 other groups'
    """
    rest = len(names) - _LISTED
    return listed([*names[:_LISTED], *([count(rest, others)] if rest > 0 else [])])


def _bias(evidence: Evidence, *, doubtful: bool) -> tuple[list[str], str]:
    """Sources that are called biased, and the sentence."""
    frame, tests = evidence.bias, evidence.bias_tests
    adjusted = pd.Series(holm(frame["pvalue"].to_numpy(float)), frame.index)
    joint = pd.Series(holm(tests["pvalue"].to_numpy(float)), tests.index)
    made, compared = int(adjusted.notna().sum()), int(joint.notna().sum())
    if not made:
        return [], "Misspecification bias: no source has an estimate to compare."
    found, biased = [], []
    for source in tests.index:
        own = adjusted[source]
        significant = own[own < LEVEL].sort_values(kind="stable")
        if len(significant):
            biased.append(str(source))
            parts = [
                _one_bias(frame.loc[(source, name)], str(name), probability(p, made))
                for name, p in significant.iloc[:_NAMED].items()
            ]
            if len(significant) > _NAMED:
                more = count(len(significant) - _NAMED, "other coefficient")
                parts.append(more)
            found.append(
                f"{source} alone differs from the augmented estimate: {listed(parts)}"
            )
        elif joint[source] < LEVEL:
            biased.append(str(source))
            found.append(
                f"{source} alone differs from the augmented estimate in all "
                f"coefficients together ({probability(joint[source], compared)}), and "
                f"in no single one below {'Holm-adjusted ' * (made > 1)}p = {LEVEL:g}"
            )
    unknown = [str(s) for s in tests.index if not frame.loc[s, "std_err"].notna().any()]
    tail = f" {listed(unknown)} could not be compared." if unknown else ""
    if found:
        text = f"{'; '.join(found)}."
        if not doubtful:
            text += " The augmented estimate does not have this bias."
        if made > 1:
            text += f" {made} comparisons were made."
    else:
        some = frame["std_err"].dropna()
        visible, names = VISIBLE * some.to_numpy(), some.index.get_level_values(1)
        low, high = int(visible.argmin()), int(visible.argmax())
        size, largest = number(visible[low]), number(visible[high])
        if size != largest:
            size = f"{size} ({names[low]}) to {largest} ({names[high]})"
        text = (
            f"no p-value of {count(made, 'comparison')} is below {LEVEL:g} (smallest: "
            f"{probability(float(adjusted.min()), made)}). That does not "
            "exclude a bias: one is found with a power of 80 % only if it is about "
            f"{size} or more."
        )
    return biased, f"Misspecification bias: {_DOUBT if doubtful else ''}{text}{tail}"


def _one_bias(row: pd.Series, name: str, pvalue: str) -> str:
    direction = "higher" if row["bias"] > 0 else "lower"
    errors = number(abs(row["bias"] / row["augmented_std_err"]))
    return (
        f"{name} {number(abs(row['bias']))} {direction} ({errors} augmented "
        f"standard errors, {pvalue})"
    )


def _uncertainty(evidence: Evidence, *, doubtful: bool) -> str:
    frame = evidence.uncertainty
    # What may be wrong itself is no measure of honesty.
    measure = "the augmented interval has ±{}: {} times as wide"
    if not doubtful:
        measure = "±{} is honest: {} times too narrow"
    sentences = []
    fine = []
    for source in evidence.bias_tests.index:
        own = frame.loc[source]
        ratio = own["ratio"].dropna()
        if not len(ratio):
            continue
        worst = ratio.idxmax()
        row = own.loc[worst]
        if row["ratio"] < NARROW:
            fine.append(str(source))
            continue
        missed = int((~own.loc[ratio.index, "contains"].astype(bool)).sum())
        sentences.append(
            f"a naive analysis of {source} would have claimed "
            f"±{number(row['naive_margin'])} for {worst}, when "
            + measure.format(number(row["margin"]), number(row["ratio"]))
            + (
                f" (95 %), and {missed} of its {count(len(ratio), 'interval')} "
                f"{'misses' if missed == 1 else 'miss'} the augmented estimate"
                if missed
                else " (95 %)"
            )
        )
    if fine:
        verb = "claims intervals" if len(fine) == 1 else "claim intervals"
        sentences.append(
            f"{listed(fine)} alone {verb} that are not much narrower than the "
            f"{'augmented' if doubtful else 'honest'} ones"
        )
    if not sentences:
        return "Attenuated uncertainty: not known."
    return (
        f"Attenuated uncertainty: {_DOUBT if doubtful else ''}{'; '.join(sentences)}."
    )


def _subgroups(evidence: Evidence) -> tuple[list[str], str]:
    """Sources whose errors differ between groups, and the sentences."""
    if evidence.by is None:
        return [], "not looked for in subgroups, since by= was not given."
    tests, groups, by = evidence.subgroup_tests, evidence.subgroups, evidence.by
    adjusted = holm(tests["pvalue"].to_numpy(float))
    made, uneven, differ, same = int(np.isfinite(adjusted).sum()), [], [], []
    for source, p in zip(tests.index, adjusted, strict=True):
        mean = groups.loc[source, "mean_error"].dropna()
        if p < LEVEL:
            uneven.append(str(source))
            differ.append(
                f"the outcome of {source} is off by "
                f"{number(mean.min(), signed=True)} in {mean.idxmin()} and by "
                f"{number(mean.max(), signed=True)} in {mean.idxmax()} "
                f"({probability(p, made)} that its mean error is the same in all)"
            )
        elif np.isfinite(p):
            same.append(f"{source} ({probability(p, made)})")
    text = []
    if differ:
        text.append(f"by {by}, {'; '.join(differ)}.")
    if same:
        text.append(
            f"{'B' if differ else 'b'}y {by}, no difference between groups is seen in "
            f"the mean error of {listed(same)}."
        )
    if evidence.n_groups == 1:
        name = next(iter(groups.index.unique("group")))
        return [], f"by {by} there is one group only, {name}: nothing to compare."
    if not text:
        text.append(
            f"the groups by {by} cannot be compared: there are too few labels, or the "
            "errors do not vary."
        )
    elif unknown := [
        str(s) for s, p in zip(tests.index, adjusted, strict=True) if np.isnan(p)
    ]:
        text.append(
            f"That of {listed(unknown)} cannot be compared: there are too few labels, "
            "or the errors do not vary."
        )
    if few := _unknown_groups(groups["mean_error"]):
        text.append(
            f"Nothing is known of {some_of(few, 'other group')}: fewer than 2 labelled "
            "units or clusters there."
        )
    return uneven, " ".join(text)


def _unknown_groups(means: pd.Series) -> list[str]:
    """Groups without a mean error, with the source where others have one."""
    found = []
    for group in means.index.unique("group"):
        own = means.xs(group, level="group")
        lacking = [str(source) for source in own.index[own.isna()]]
        if len(lacking) == len(own):
            found.append(str(group))
        elif lacking:
            found.append(f"{group} (in {listed(lacking)})")
    return found


def _coverage(evidence: Evidence) -> tuple[bool, str]:
    frame = evidence.coverage
    adjusted = holm(frame["pvalue"].to_numpy(float))
    made = int(np.isfinite(adjusted).sum())
    gaps = [
        f"{source} is available for {percent(row['labeled'])} of the labelled units "
        f"but for {percent(row['unlabeled'])} of the others ({probability(p, made)})"
        for (source, row), p in zip(frame.iterrows(), adjusted, strict=True)
        if p < LEVEL
    ]
    if gaps:
        return True, (
            f"{'; '.join(gaps)}. {_by_chance(float(np.nanmin(adjusted)))} Whether a "
            "source is available must not depend on whether the unit is labelled."
        )
    partial = frame[(frame["labeled"] < 1.0) | (frame["unlabeled"] < 1.0)]
    if not len(partial):
        return False, ""
    if partial["pvalue"].isna().all():
        return False, (
            "Whether a source is available must not depend on being labelled. That "
            "cannot be seen: every known unit is labelled or has a source."
        )
    smallest = float(np.nanmin(adjusted))
    return False, (
        "That availability depends on being labelled is not seen "
        f"({probability(smallest, made)}), and not excluded."
    )


def _labels(evidence: Evidence) -> tuple[bool, str]:
    row = evidence.representativeness.iloc[0]
    statistic, p, df = float(row["statistic"]), float(row["pvalue"]), int(row["df"])
    if not np.isfinite(p):
        return False, ""
    # With clusters the p-value is that of Hotelling's T squared, not of chi-squared.
    degrees = "" if evidence.clustered else f" on {df} df"
    test = f"J = {statistic:.1f}{degrees}, {probability(p)}"
    if p < LEVEL:
        return True, (
            "Labelled units and the rest differ in the scores of the sources "
            f"({test}). {_by_chance(p)} Other causes: the labels are a selection, or a "
            "source was made differently for labelled units."
        )
    return False, (
        f"The scores of the sources show no difference between labelled units and the "
        f"rest at the 5 % level ({test}). A small one is not excluded."
    )


def _by_chance(pvalue: float) -> str:
    """How often labels drawn at random give as small a p-value."""
    share = "under 0.1" if pvalue < 0.001 else number(100 * pvalue)
    return f"Random labels give a p-value as small in {share} % of studies."


def _leak(evidence: Evidence) -> str:
    """What nearly perfect agreement with the labels may mean."""
    if not evidence.alike:
        return ""
    found = [
        f"{name} differs from the labels in {differing} of {count(covered, 'unit')} "
        f"(by chance: {number(chance)})"
        for name, differing, covered, chance in evidence.alike
    ]
    return (
        f"{listed(found)}. Rare outcomes do not explain this. Either its errors are "
        "rare, or labels were copied into the source or shown to its model, as "
        "few-shot examples or otherwise. With the second its errors for other units "
        "stay unseen, and intervals do not cover. The labels alone cannot tell the "
        "two apart. Check how the source was made. If no label was used, say so with "
        "blind=True."
    )


def _worth(evidence: Evidence, unsafe: list[str], *, doubtful: bool) -> str:
    low, high = float(evidence.effective.min()), float(evidence.effective.max())
    n = evidence.n_labeled
    spread = f"{low:.0f} to {high:.0f}, depending on the coefficient"
    if high < ALIKE * low:
        spread = f"about {(low + high) / 2:.0f}"
    worth = f"with the sources {count(n, 'label')} are worth {spread}"
    surer = [str(k) for k, own in evidence.effective.items() if own < LESS * n]
    named = some_of(surer, "other coefficient") if surer else ""
    alone = f" Never rely on {listed(unsafe, 'or')} alone." if unsafe else ""
    if doubtful:
        advice = (
            "Do not rely on the augmented estimate before it is known why labelled "
            "and other units differ; it may be chance."
        )
    elif evidence.alike:
        names = listed([name for name, *_ in evidence.alike])
        advice = (
            "Do not use the augmented estimate before it is excluded that labels were "
            f"copied into {names} or shown to its model (blind=True)."
        )
    elif len(surer) == len(evidence.effective):
        advice = f"That is less than the labels alone: report real_only.{alone}"
    elif surer and high < WORTH * n:
        advice = (
            f"For {named} that is less than the labels alone, and otherwise next to "
            f"nothing: report real_only.{alone}"
        )
    elif surer:
        advice = (
            f"For {named} the labels alone are surer (real_only). For the rest rely on "
            f"the augmented estimate.{alone}"
        )
    elif high < WORTH * n:
        advice = (
            "That is next to nothing: the augmented estimate may be reported, but "
            "says no more than the labels."
        )
    elif unsafe:
        names = listed(unsafe, "or")
        advice = f"Rely on the augmented estimate, and never on {names} alone."
    else:
        advice = (
            "Rely on the augmented estimate; that no bias is seen does not make a "
            "source safe to use alone."
        )
    if "ely on the augmented estimate" in advice and not doubtful:
        advice += _CONDITION
    return " ".join([f"Efficiency gain: {worth}. {advice}", *evidence.useless])

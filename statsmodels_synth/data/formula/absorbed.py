"""Absorbed fixed effects in a formula: ``y ~ x | group``, as fixest writes them."""

from __future__ import annotations

import re

from statsmodels_synth.exceptions import FormulaError, OptionError
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.glm import GaussianIdentityScore
from statsmodels_synth.problem.scores.instruments import InstrumentalVariables

#: Text in quotes, whose signs are no operators.
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`")


def bar_of(formula: str) -> int | None:
    """
    Place of the bar after which fixed effects stand; None where there is none.

    One within brackets is an operator of Python, two are those of other packages.

    Examples
    --------
    >>> bar_of("y ~ x | g"), bar_of("y ~ x + I((a > 0) | (b > 0))"), bar_of("y ~ x")
    (6, None, None)
    """
    text = _QUOTED.sub(lambda found: " " * len(found[0]), formula)
    depth = 0
    for place in range(text.find("~") + 1, len(text)):
        sign = text[place]
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "|" and depth == 0:
            doubled = text[place + 1 : place + 2] == "|"
            return None if doubled else place
    return None


def without_absorbed(formula: str, target: TargetScore) -> tuple[str, tuple[str, ...]]:
    """
    The formula without its fixed effects, and the columns that these are.

    Examples
    --------
    >>> from statsmodels_synth.problem.scores import read_score
    >>> without_absorbed("y ~ x | firm + year", read_score(None, None))
    ('y ~ x', ('firm', 'year'))
    """
    place = bar_of(formula)
    if place is None:
        return formula, ()
    before, after = formula[:place].strip(), formula[place + 1 :].strip()
    if not isinstance(target, (GaussianIdentityScore, InstrumentalVariables)):
        raise OptionError(
            f"'| {after}' in the formula {formula!r} absorbs fixed effects, which only "
            f"a linear model allows; the target model is {target.called}. Leave "
            f"family= and score= out, or write {before} + C({after.split(' ')[0]}) if "
            "there are many labels in each group."
        )
    if "|" in after:
        raise FormulaError(
            f"The formula {formula!r} has two bars. One separates regressors and fixed "
            "effects, as in y ~ x | firm + year; instruments stand in brackets before "
            "it, as in y ~ x + [d ~ z] | firm."
        )
    names = tuple(name.strip() for name in after.split("+"))
    wrong = next((name for name in names if not _is_name(name)), None)
    if wrong is not None:
        raise FormulaError(
            f"{wrong!r} after the bar of the formula {formula!r} is no name of a "
            "column. Fixed effects are columns, joined by +, as in y ~ x | firm + "
            "year; for one per pair of values make a column of the pairs."
        )
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise FormulaError(
            f"{doubled!r} is twice after the bar of the formula {formula!r}. Name it "
            "once."
        )
    return before, names


def _is_name(text: str) -> bool:
    return bool(re.fullmatch(r"[^\W\d][\w.]*", text))


def refuse_absorbed(formula: str, where: str, instead: str) -> None:
    """Raise if a formula absorbs fixed effects where these are not available."""
    place = bar_of(formula)
    if place is not None:
        raise OptionError(
            f"'{formula[place:].strip()}' in the formula {formula!r} absorbs fixed "
            f"effects, which is not available {where}. {instead}"
        )

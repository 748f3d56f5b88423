"""Instruments in a formula: ``y ~ x + [d ~ z]``, as linearmodels writes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import re

from statsmodels_synth.core.statsmodels import default_engine
from statsmodels_synth.data.formula.absorbed import bar_of
from statsmodels_synth.data.formula.engines import ENGINES
from statsmodels_synth.data.formula.learn import LearnedFormula
from statsmodels_synth.exceptions import FormulaError, OptionError, SynthError
from statsmodels_synth.problem.scores import TargetScore
from statsmodels_synth.problem.scores.glm import GaussianIdentityScore
from statsmodels_synth.problem.scores.instruments import InstrumentalVariables

_BRACKET = re.compile(r"\[([^\[\]]*~[^\[\]]*)\]")


def without_brackets(
    formula: str, target: TargetScore, *, is_given: bool
) -> tuple[str, TargetScore]:
    """
    The formula with endogenous regressors and instruments as terms, and its target.

    `is_given`: whether the target is one that the user asked for.

    Examples
    --------
    >>> from statsmodels_synth.problem.scores import read_score
    >>> text, target = without_brackets(
    ...     "y ~ x + [d ~ z1 + z2]", read_score(None, None), is_given=False
    ... )
    >>> text, target.endogenous, target.instruments
    ('y ~ x + d + z1 + z2', ('d',), ('z1 + z2',))
    >>> without_brackets("y ~ [d ~ z] | g", read_score(None, None), is_given=False)[0]
    'y ~ d + z | g'
    """
    found = _BRACKET.findall(formula)
    if not found:
        return formula, target
    if len(found) > 1:
        raise FormulaError(
            f"The formula {formula!r} has {len(found)} brackets. Put all endogenous "
            "regressors and all instruments into one: [d1 + d2 ~ z1 + z2]."
        )
    if is_given and not isinstance(target, GaussianIdentityScore):
        raise OptionError(
            f"{found[0]!r} in the formula {formula!r} names instruments, which are for "
            f"linear models; the target model is {target.called}. Leave family= and "
            "score= out, or the brackets."
        )
    endogenous, _, instruments = (part.strip() for part in found[0].partition("~"))
    if not endogenous or not instruments or "~" in instruments:
        raise FormulaError(
            f"[{found[0]}] in the formula {formula!r} needs endogenous regressors, one "
            "~ and instruments, as in [d ~ z]."
        )
    if bar_of(f"~ {endogenous} + {instruments}") is not None:
        raise FormulaError(
            f"[{found[0]}] in the formula {formula!r} has a bar. Fixed effects stand "
            "after the brackets, as in y ~ x + [d ~ z] | firm."
        )
    # Fixed effects stay where they are, after all terms.
    place = bar_of(formula)
    fixed = "" if place is None else f" {formula[place:]}"
    left, _, right = formula[:place].rstrip().partition("~")
    beside = _BRACKET.sub("", right).strip().rstrip("+").strip()
    engine = ENGINES[default_engine()]
    if beside:
        both = engine.terms_of_side(beside) & engine.terms_of_side(instruments)
        for term in both:
            raise FormulaError(
                f"{' : '.join(sorted(term))} is an exogenous regressor and an "
                f"instrument in the formula {formula!r}. Exogenous regressors are "
                "their own instruments: leave it out of the brackets."
            )
    inside = f"{endogenous} + {instruments}"
    text = f"{left}~{_BRACKET.sub(inside, right)}{fixed}"
    return text, InstrumentalVariables(endogenous, instruments)


@contextmanager
def as_written(formula: str, text: str) -> Iterator[None]:
    """Errors about the formula without brackets or bar name the one as written."""
    try:
        yield
    except SynthError as error:
        parts = [text, text[: bar_of(text)].strip()]
        for part in parts:
            if part != formula:
                error.args = tuple(
                    arg.replace(repr(part), repr(formula)) if type(arg) is str else arg
                    for arg in error.args
                )
        raise


def with_columns_of_terms(target: TargetScore, learned: LearnedFormula) -> TargetScore:
    """The target whose instruments are named by columns, where they were by terms."""
    if not isinstance(target, InstrumentalVariables):
        return target
    names, through = learned.exog_names, learned.parsed.through
    columns: dict[frozenset[str], list[str]] = {}
    start = 0
    for codes, width in through.terms_of(learned.spec):
        columns[frozenset(codes)] = names[start : start + width]
        start += width

    def resolved(given: tuple[str, ...]) -> list[str]:
        found: list[str] = []
        for text in given:
            if text in names:
                found.append(text)
                continue
            terms = through.terms_of_side(text)
            own = [own for term, own in columns.items() if term in terms]
            found += [name for part in own for name in part]
        return found

    return InstrumentalVariables(
        resolved(target.endogenous), resolved(target.instruments)
    )

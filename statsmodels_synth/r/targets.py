"""Target models that R names, and what they take besides arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.data.absorbing import Absorbed, WithinLabels, absorb
from statsmodels_synth.data.levels import Codebook
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.problem.design import Labeling, SourceArrays
from statsmodels_synth.problem.scores import (
    AverageTreatmentEffect,
    Huber,
    InstrumentalVariables,
    LevelScore,
    MultinomialLogit,
    NegativeBinomial2,
    OrderedLogit,
    OrderedProbit,
    Quantile,
    TargetScore,
)
from statsmodels_synth.r.convert import frame_columns

Arguments = dict[str, Any]


def _one(value: Any) -> Any:
    """A number, a text or nothing."""
    if value is None:
        return None
    return value[0] if isinstance(value, list) else float(value[0])


#: R's names of scores, which are Python's own.
SCORES: dict[str, Callable[[Arguments], TargetScore]] = {
    "Quantile": lambda given: Quantile(_one(given["tau"])),
    "Huber": lambda given: Huber(_one(given["t"]), _one(given["scale"])),
    "NegativeBinomial2": lambda given: NegativeBinomial2(),
    "MultinomialLogit": lambda given: MultinomialLogit(base=_one(given["base"])),
    "OrderedLogit": lambda given: OrderedLogit(),
    "OrderedProbit": lambda given: OrderedProbit(),
    "AverageTreatmentEffect": lambda given: AverageTreatmentEffect(
        given["treatment"][0], _one(given["propensity"])
    ),
    "InstrumentalVariables": lambda given: InstrumentalVariables(
        given["endogenous"], given["instruments"]
    ),
}


def find_score(given: Arguments) -> TargetScore:
    """Score that R names."""
    name = given["name"][0]
    if name not in SCORES:
        raise OptionError(f"There is no score {name!r}.")
    return SCORES[name](given)


def with_levels(
    score: LevelScore,
    levels: Sequence[str],
    endog: Floats,
    given: Sequence[tuple[SourceArrays, Floats | None]],
    units: pd.Index,
) -> tuple[Floats, list[SourceArrays], LevelScore]:
    """
    Codes of outcomes that are numbers of levels, and the score that knows these.

    A source may have probabilities by level, which then count instead.

    Shapes: `units` (T,).
    """
    book = Codebook(levels)

    def coded(values: Floats, where: str, *, is_source: bool) -> Floats:
        texts = pd.Series(np.array(levels, dtype=object)[values.astype(np.intp)])
        return book.of_levels(texts, where, is_source=is_source)

    endog = coded(endog, "data", is_source=False)
    sources = []
    for source, chances in given:
        where = f"Source {source.name!r}"
        if chances is None:
            codes = coded(source.endog, where, is_source=True)
        else:
            rows = units if source.units is None else units[source.units]
            codes = book.of_probabilities(chances, rows, where)
        sources.append(replace(source, endog=codes))
    return endog, sources, score.told_levels(book.levels, book.table)


def absorb_effects(
    arguments: Arguments,
    labels: pd.Series,
    exog: pd.DataFrame,
    sources: list[SourceArrays],
    labeling: Labeling,
) -> tuple[pd.Series, pd.DataFrame, list[SourceArrays], Absorbed, WithinLabels]:
    """Labels and sources less what is constant in groups."""
    given = arguments["absorbed"]
    names, codes = (
        given["names"],
        dict(zip(given["names"], given["codes"], strict=True)),
    )
    # All that is asked of frames, which R has read.
    frames: Any = SimpleNamespace(
        labeled_rows=np.flatnonzero(arguments["labeled"]),
        weights=arguments["weights"],
        columns=SimpleNamespace(complete=lambda name, _: pd.Series(codes[name])),
    )
    named = exog.rename(columns={"(Intercept)": "Intercept"})
    borrows = given["borrows"].astype(bool)
    return absorb(
        given["text"][0],
        names,
        frames,
        (labels, named),
        list(zip(sources, borrows, strict=True)),
        given["exog"],
        labeling,
    )


def of_instruments(result: Any) -> Arguments:
    """First stage and test of overidentification, where there are instruments."""
    score = result.model.target_score
    if not isinstance(score, InstrumentalVariables):
        return {"first_stage": None, "overidentification": None}
    test = None
    if len(score.instruments) > len(score.endogenous):
        test = np.array(result.overidentification(), dtype=float)
    return {
        "first_stage": frame_columns(result.first_stage()),
        "overidentification": test,
    }

"""
Bad input: every case ends in an error or a warning that helps.

`CASES` lists what users get wrong. Each case says which error or warning it
ends in and what the text must name. The full texts are part of the interface
and are kept in ``snapshots/errors.txt``; after a deliberate change write them
again with ``UPDATE_SNAPSHOTS=1 pytest tests/data/test_bad_input.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import os
from pathlib import Path
import re
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.core.messages import format_units
from statsmodels_synth.exceptions import (
    AlignmentError,
    CollinearityError,
    CollinearSourceWarning,
    ConvergenceWarning,
    CoverageWarning,
    DataError,
    DiscreteOutcomeWarning,
    FewClustersWarning,
    FewUnitsWarning,
    FormulaError,
    FullyLabeledWarning,
    LabelAgreementWarning,
    OptionError,
    SeparationError,
    SynthError,
    SynthWarning,
)
from statsmodels_synth.gmm import target
from statsmodels_synth.scores import Huber, NegativeBinomial2, Quantile

SNAPSHOTS = Path(__file__).parents[1] / "snapshots" / "errors.txt"
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"

T, N = 120, 48
K = np.arange(T)
LABELED = K < N
UNITS = pd.Index([f"u{k:03d}" for k in K])
#: Four units, two of them labelled.
SOME = K % 40 == 3

Binomial = sm.families.Binomial
Poisson = sm.families.Poisson
links = sm.families.links


def spread(seed: int) -> np.ndarray:
    """Numbers between -1 and 1, with two decimals."""
    return np.round(np.random.default_rng(seed).uniform(-1.0, 1.0, T), 2)


@dataclass(frozen=True)
class Frames:
    """Labels of 48 of 120 units, a proxy of y, synthetic y, x and g."""

    data: pd.DataFrame
    llm: pd.DataFrame
    sim: pd.DataFrame


def make_frames() -> Frames:
    x = 2 * spread(1)
    g = np.array(["a", "b", "c"])[(7 * K // 3) % 3]
    y = np.round(0.5 + 0.8 * x + spread(2) + spread(3), 2)
    return Frames(
        pd.DataFrame({"y": np.where(LABELED, y, np.nan), "x": x, "g": g}, UNITS),
        pd.DataFrame({"y": y + 0.4 * spread(4)}, UNITS),
        pd.DataFrame(
            {"y": y + 0.3 * spread(5), "x": x + 0.2 * spread(6), "g": g}, UNITS
        ),
    )


def binary(f: Frames) -> Frames:
    """The same with y 0 or 1, far from separated."""

    def cut(y: pd.Series, error: Any = 0.0) -> pd.Series:
        return (y + 2 * spread(7) + error > 0.5).astype(float).where(y.notna())

    return Frames(
        f.data.assign(y=cut(f.data["y"])),
        f.llm.assign(y=cut(f.llm["y"], spread(8))),
        f.sim.assign(y=cut(f.sim["y"], spread(9))),
    )


def counts(f: Frames) -> Frames:
    """The same with y a count."""
    return Frames(
        f.data.assign(y=f.data["y"].abs().round()),
        f.llm.abs().round(),
        f.sim.assign(y=f.sim["y"].abs().round()),
    )


def from_frames(f: Frames, formula: str = "y ~ x", **options: Any) -> AugmentedGMM:
    """The formula interface, with the proxy as source unless one is given."""
    data = options.pop("data", f.data)
    if "synthetic" not in options:
        options.setdefault("proxy", {"llm": f.llm})
    return AugmentedGMM.from_formula(formula, data, **options)


def from_arrays(f: Frames, source: Any = None, **options: Any) -> AugmentedGMM:
    """The array interface, NumPy throughout."""
    exog = sm.add_constant(f.data[["x"]].to_numpy())
    source = (f.llm["y"].to_numpy(), exog) if source is None else source
    options.setdefault("endog", f.data["y"].to_numpy())
    options.setdefault("exog", exog)
    options.setdefault("proxy", {"llm": source})
    return AugmentedGMM(**options)


def from_pandas(f: Frames, source: Any = None, **options: Any) -> AugmentedGMM:
    """The array interface with pandas objects."""
    exog = sm.add_constant(f.data[["x"]])
    source = (f.llm["y"], exog) if source is None else source
    options.setdefault("endog", f.data["y"])
    options.setdefault("exog", exog)
    return AugmentedGMM(proxy={"llm": source}, **options)


def design(f: Frames) -> pd.DataFrame:
    return sm.add_constant(f.data[["x"]])


def where(mask: np.ndarray, value: Any, values: Any) -> np.ndarray:
    """Values with some of them replaced."""
    return np.where(mask, value, values)


def with_x(f: Frames, mask: np.ndarray, value: float) -> pd.DataFrame:
    """The data with some of x replaced."""
    return f.data.assign(x=f.data["x"].mask(mask, value))


def numpy_quiet(call: Callable[[], Any]) -> Any:
    """Without the warnings that functions of NumPy in a formula issue."""
    with np.errstate(all="ignore"):
        return call()


@dataclass(frozen=True)
class Case:
    """
    One mistake.

    Attributes
    ----------
    kind : type
        The error or warning it ends in.
    call : callable
        From frames to whatever; errors or warns.
    names : tuple of str
        What the text has to name.
    """

    kind: type[SynthError] | type[SynthWarning]
    call: Callable[[Frames], Any]
    names: tuple[str, ...]


CASES: dict[str, Case] = {}


def case(
    name: str,
    kind: type[SynthError] | type[SynthWarning],
    call: Callable[[Frames], Any],
    *names: str,
) -> None:
    assert name not in CASES
    CASES[name] = Case(kind, call, names)


# Columns that do not exist

case(
    "formula: unknown column",
    FormulaError,
    lambda f: from_frames(f, "y ~ x + hedge"),
    *("'hedge'", "There are: 'g', 'x', 'y'"),
)
case(
    "formula: misspelt column",
    FormulaError,
    lambda f: from_frames(f, "y ~ lenght", data=f.data.rename(columns={"x": "length"})),
    *("'lenght'", "Did you mean 'length'?"),
)
case(
    "formula: misspelt column inside a function",
    FormulaError,
    lambda f: from_frames(
        f, "y ~ np.exp(lenght)", data=f.data.rename(columns={"x": "length"})
    ),
    *("'lenght'", "Did you mean 'length'?"),
)
case(
    "formula: misspelt column inside Q()",
    FormulaError,
    lambda f: from_frames(
        f, "y ~ Q('text lenght')", data=f.data.rename(columns={"x": "text length"})
    ),
    *("'text lenght'", "Did you mean 'text length'?"),
)
case(
    "formula: misspelt outcome",
    FormulaError,
    lambda f: from_frames(f, "yy ~ x"),
    *("'yy'", "Did you mean 'y'?"),
)
case(
    "formula: a column of the source that data lacks",
    DataError,
    lambda f: from_frames(f, "y ~ z", synthetic={"sim": f.sim.assign(z=1.0)}),
    *("data has no column 'z'", "There are: "),
)
case(
    "mapping: unknown column of data",
    DataError,
    lambda f: from_frames(
        f, data=f.data.assign(y_llm=f.llm["y"]), proxy={"llm": {"y": "y_lmm"}}
    ),
    *("Source 'llm'", "'y_lmm'", "'y'", "Did you mean 'y_llm'?"),
)
case(
    "mapping: variable that the formula does not use",
    DataError,
    lambda f: from_frames(f, proxy={"yy": "x"}),
    *("Source 'proxy'", "'yy'", "Did you mean 'y'?"),
)
case(
    "source without any column of the formula",
    DataError,
    lambda f: from_frames(f, proxy={"llm": f.llm.rename(columns={"y": "Y"})}),
    *("Source 'llm'", "'y', 'x'", "It has: 'Y'"),
)
case(
    "on: unknown column of data",
    AlignmentError,
    lambda f: from_frames(f, data=f.data.assign(unit=K), on="unti"),
    *("data", "'unti'", "Did you mean 'unit'?"),
)
case(
    "on: unknown column of a source",
    AlignmentError,
    lambda f: from_frames(f, data=f.data.assign(unit=K), on="unit"),
    *("Source 'llm'", "'unit'", "There are: 'y'"),
)
case(
    "labeled: unknown column",
    DataError,
    lambda f: from_frames(f, data=f.data.assign(human=LABELED), labeled="humen"),
    *("labeled=", "'humen'", "Did you mean 'human'?"),
)
case(
    "weights: unknown column",
    DataError,
    lambda f: from_frames(f, data=f.data.assign(weight=1.0), weights="wieght"),
    *("'wieght'", "Did you mean 'weight'?"),
)
case(
    "offset: unknown column",
    DataError,
    lambda f: from_frames(f, offset="log_n"),
    *("'log_n'", "There are: "),
)
case(
    "exposure: unknown column",
    DataError,
    lambda f: from_frames(counts(f), exposure="words", family=Poisson()),
    *("'words'", "There are: "),
)

# Forms that do not exist

case(
    "data: not a frame",
    DataError,
    lambda f: from_frames(f, data=f.data.to_dict("list")),
    *("data is a dict", "DataFrame"),
)
case(
    "data: an array",
    DataError,
    lambda f: from_frames(f, data=f.data.to_numpy()),
    *("data is a ndarray", "DataFrame"),
)
case(
    "data: two columns with the same name",
    DataError,
    lambda f: from_frames(f, data=pd.concat([f.data, f.data[["x"]]], axis=1)),
    *("data has two columns", "'x'", "Rename"),
)
case(
    "source: two columns with the same name",
    DataError,
    lambda f: from_frames(
        f, synthetic={"sim": pd.concat([f.sim, f.sim[["x"]]], axis=1)}
    ),
    *("Source 'sim'", "two columns", "'x'", "Rename"),
)
case(
    "proxy: a Series with another name",
    DataError,
    lambda f: from_frames(f, proxy=f.llm["y"].rename("guess")),
    *("guess", "'y', 'x'"),
)
case(
    "proxy: a Series without a name",
    DataError,
    lambda f: from_frames(f, proxy={"llm": f.llm["y"].rename(None)}),
    *("'llm'", "Series", "variable"),
)
case(
    "proxy: a list",
    DataError,
    lambda f: from_frames(f, proxy=[f.llm, f.llm]),
    *("proxy=", "list", "{name: DataFrame}"),
)
case(
    "synthetic: the name of a column",
    DataError,
    lambda f: from_frames(f, synthetic="y"),
    *("synthetic=", "str", "{variable of the formula: column of data}"),
)
case(
    "formula: no outcome",
    FormulaError,
    lambda f: from_frames(f, "~ x"),
    *("'~ x'", "'y ~ x'"),
)
case(
    "formula: two outcomes",
    DataError,
    lambda f: from_frames(f, "y + x ~ g"),
    *("'y + x'", "not one outcome", "I(y + x)"),
)
case(
    "formula: no coefficient",
    DataError,
    lambda f: from_frames(f, "y ~ 0"),
    "'y ~ 0'",
)
case(
    "formula: the outcome on both sides",
    FormulaError,
    lambda f: from_frames(f, "y ~ x + y").fit(),
    *("'y' is the outcome", "'y ~ x + y'", "Leave it out on the right"),
)
case(
    "formula: given to the array interface",
    FormulaError,
    lambda f: AugmentedGMM("y ~ x", f.data, proxy={"llm": f.llm}),
    *("'y ~ x' is a formula", "AugmentedGMM.from_formula('y ~ x', data, ...)"),
)
case(
    "formula: after the data",
    FormulaError,
    lambda f: AugmentedGMM.from_formula(f.data, "y ~ x", {"llm": f.llm}),
    *("The formula 'y ~ x' comes first", "from_formula('y ~ x', data, ...)"),
)

# Units

case(
    "units: the source lacks x, and data lacks the unit",
    AlignmentError,
    lambda f: from_frames(f, data=f.data.iloc[:100]),
    *("Source 'llm'", "'x'", "20 of its units", "'u100'", "and 15 more", "Add 'x'"),
)
case(
    "units: more than once in data",
    AlignmentError,
    lambda f: from_frames(f, data=pd.concat([f.data, f.data.iloc[:7]])),
    *("data", "7 units", "'u000'", "'u004' and 2 more", "Keep one row"),
)
case(
    "units: more than once in the column on=",
    AlignmentError,
    lambda f: from_frames(
        f, data=f.data.assign(unit=K // 2), proxy=f.llm.assign(unit=K), on="unit"
    ),
    *("data", "60 units", "0, 1, 2, 3, 4 and 55 more", "Keep one row"),
)
case(
    "units: default indexes of different length",
    AlignmentError,
    lambda f: from_frames(
        f,
        data=f.data[LABELED].reset_index(drop=True),
        synthetic={"sim": f.sim.reset_index(drop=True)},
    ),
    *("data", "source 'sim'", "48 and 120", "Set on="),
)
case(
    "units: default index of data, other units in the source",
    AlignmentError,
    lambda f: from_frames(
        f,
        data=f.data.reset_index(drop=True),
        synthetic={"sim": f.sim.set_index(K + 50)},
    ),
    *("source 'sim'", "120, 121, 122, 123, 124 and 45 more", "Set on="),
)
case(
    "units: default index in the source, other integers in data",
    AlignmentError,
    lambda f: from_frames(
        f,
        data=f.data.set_index(K + 1),
        synthetic={"sim": f.sim.reset_index(drop=True)},
    ),
    *("source 'sim'", "default index", "Set on="),
)
case(
    "units: nothing in common",
    AlignmentError,
    lambda f: from_frames(f, synthetic={"sim": f.sim.rename(index="v{}".format)}),
    *("Source 'sim'", "'vu000'", "'u000'", "set on="),
)
case(
    "units: text in the source, integers in data",
    AlignmentError,
    lambda f: from_frames(
        f,
        data=f.data.set_index(2 * K),
        synthetic={"sim": f.sim.set_index(np.char.mod("%d", 2 * K))},
    ),
    *("Source 'sim'", "string ('0', '2', '4')", "integer (0, 2, 4)"),
)
case(
    "units: text in the column on= of the source, integers in data",
    AlignmentError,
    lambda f: from_frames(
        f,
        data=f.data.assign(unit=K),
        proxy={"llm": f.llm.assign(unit=np.char.mod("%d", K))},
        on="unit",
    ),
    *("Source 'llm'", "string ('0', '1', '2')", "integer (0, 1, 2)"),
)
case(
    "units: default index in the source, names in data",
    AlignmentError,
    lambda f: from_frames(f, proxy={"llm": f.llm.reset_index(drop=True)}),
    *("Source 'llm'", "(0, 1, 2)", "('u000', 'u001', 'u002')", "set on="),
)
case(
    "units: missing in data",
    AlignmentError,
    lambda f: from_frames(
        f, data=f.data.assign(unit=where(SOME, None, UNITS)), on="unit"
    ),
    *("data", "unit is missing"),
)
case(
    "units: a source without rows",
    DataError,
    lambda f: from_frames(f, proxy={"llm": f.llm.iloc[:0]}),
    *("Source 'llm'", "no row"),
)
case(
    "labeled: wrong length",
    DataError,
    lambda f: from_frames(f, labeled=LABELED[:60]),
    *("labeled=", "(60,)", "120 rows", "one value per row"),
)
case(
    "labeled: a Series with another index",
    AlignmentError,
    lambda f: from_frames(f, labeled=pd.Series(LABELED)),
    *("labeled=", "index", "Reindex"),
)
case(
    "arrays: labels of the labelled rows in another order",
    AlignmentError,
    lambda f: from_pandas(
        f,
        endog=f.data["y"][LABELED].iloc[::-1],
        exog=design(f)[LABELED].iloc[::-1],
        labeled=pd.Series(LABELED, f.data.index),
    ),
    *("endog and exog", "Reindex"),
)
case(
    "arrays: a source in another order than labeled",
    AlignmentError,
    lambda f: from_pandas(
        f,
        (f.llm["y"].iloc[::-1], design(f).iloc[::-1]),
        endog=f.data["y"][LABELED].to_numpy(),
        exog=design(f)[LABELED].to_numpy(),
        labeled=pd.Series(LABELED, f.data.index),
    ),
    *("Source 'llm'", "endog", "reindex"),
)
case(
    "arrays: endog and exog of a source with units in different order",
    AlignmentError,
    lambda f: from_arrays(f, (f.llm["y"].iloc[::-1], design(f), np.arange(T))),
    *("Source 'llm'", "endog and exog", "Reindex"),
)
case(
    "labeled: not True or False",
    DataError,
    lambda f: from_frames(f, data=f.data.assign(human="yes"), labeled="human"),
    *("labeled=", "True or False"),
)

# Coverage

case(
    "coverage: labelled units absent from the source",
    CoverageWarning,
    lambda f: from_frames(f, proxy={"llm": f.llm.iloc[7:]}),
    *("Source 'llm'", "7 of the 48", "'u004' and 2 more", "coverage"),
)
case(
    "coverage: no labelled unit",
    DataError,
    lambda f: from_frames(f, proxy={"llm": f.llm[~LABELED]}),
    *("Source 'llm'", "none of the 48", "Run the model on the labelled units"),
)
case(
    "coverage: no unlabelled unit",
    DataError,
    lambda f: from_frames(f, proxy={"llm": f.llm[LABELED]}),
    *("Source 'llm'", "no unlabelled unit", "leave it out"),
)
case(
    "coverage: the source lacks x, and data has it for labelled units only",
    DataError,
    lambda f: from_frames(f, data=with_x(f, ~LABELED, np.nan)),
    *("Source 'llm'", "no unlabelled unit", "taken from data"),
)
case(
    "coverage: every row of the source is incomplete",
    DataError,
    lambda f: from_frames(f, proxy={"llm": f.llm * np.nan}),
    *("Source 'llm'", "no row", "120 rows", "'y'"),
)
case(
    "coverage: every unit is labelled",
    FullyLabeledWarning,
    lambda f: from_frames(f, data=f.data.assign(y=f.sim["y"])).fit(),
    *("Every unit is labelled", "labels alone"),
)

# Levels

for engine in ("patsy", "formulaic"):
    for text, contrast in (("g", "plain"), ("C(g, Sum)", "with a contrast")):
        case(
            f"levels: unseen, {contrast}, {engine}",
            FormulaError,
            lambda f, text=text, engine=engine: from_frames(
                f,
                f"y ~ x + {text}",
                synthetic={"sim": f.sim.assign(g=where(SOME, "d", f.sim["g"]))},
                engine=engine,
            ),
            *("Source 'sim'", "'g'", "'d'", "'u003', 'u043', 'u083'"),
            *("'a', 'b', 'c'", "Recode"),
        )
    case(
        f"levels: numbers where data has text, {engine}",
        FormulaError,
        lambda f, engine=engine: from_frames(
            f,
            "y ~ g",
            data=f.data.assign(g=f.data["g"].map({"a": "1", "b": "2", "c": "3"})),
            synthetic={"sim": f.sim.assign(g=1)},
            engine=engine,
        ),
        *("Source 'sim'", "'g'", "level 1,", "'1', '2', '3'", "'u000'"),
    )
    case(
        f"levels: text where data has True and False, {engine}",
        DataError,
        lambda f, engine=engine: from_frames(
            f,
            "y ~ b",
            data=f.data.assign(b=f.data["x"] > 0),
            synthetic={"sim": f.sim.assign(b=where(f.sim["x"] > 0, "yes", "no"))},
            engine=engine,
        ),
        *("Source 'sim'", "'b'", "'u000'"),
    )
    case(
        f"levels: probabilities where data has True and False, {engine}",
        DataError,
        lambda f, engine=engine: from_frames(
            f,
            "y ~ b",
            data=f.data.assign(b=f.data["x"] > 0),
            synthetic={"sim": f.sim.assign(b=np.abs(spread(10)))},
            engine=engine,
        ),
        *("Source 'sim'", "'b'", "'u000'"),
    )
case(
    "levels: text where data has numbers",
    DataError,
    lambda f: from_frames(
        f, synthetic={"sim": f.sim.assign(x=where(SOME, "n/a", f.sim["x"]))}
    ),
    *("Source 'sim'", "'x'", "'n/a'", "'u003', 'u043', 'u083'"),
)

# Outcomes

case(
    "outcome: text in data",
    DataError,
    lambda f: from_frames(f, data=f.data.assign(y=where(K % 2, "yes", "no"))),
    *("'y'", "not numeric", "0 and 1"),
)
case(
    "outcome: text in a source",
    DataError,
    lambda f: from_frames(
        f, proxy={"llm": f.llm.assign(y=where(SOME, "about 3", f.llm["y"]))}
    ),
    *("Source 'llm'", "'y'", "'about 3'", "'u003', 'u043', 'u083'", "Convert"),
)
for family, lowest in (
    (Poisson(), 0.0),
    (sm.families.NegativeBinomial(alpha=1.0), 0.0),
    (sm.families.Tweedie(var_power=1.5), 0.0),
    (sm.families.Gamma(links.Log()), 0.01),
    (sm.families.InverseGaussian(links.Log()), 0.01),
):
    name = type(family).__name__
    low = lowest - (1.0 if lowest == 0 else 0.01)
    case(
        f"outcome: outside the range of {name}, data",
        DataError,
        lambda f, family=family, low=low: from_frames(
            f,
            data=f.data.assign(y=(f.data["y"].abs() + 0.01).mask(SOME, low)),
            proxy={"llm": f.llm.abs() + 0.01},
            family=family,
        ),
        *("data", "'y'", name, f"such as {low:g}", "'u003', 'u043'", "Recode"),
    )
    case(
        f"outcome: outside the range of {name}, source",
        DataError,
        lambda f, family=family, low=low: from_frames(
            f,
            data=f.data.assign(y=f.data["y"].abs() + 0.01),
            proxy={"llm": (f.llm.abs() + 0.01).mask(SOME[:, None], low)},
            family=family,
        ),
        *("Source 'llm'", "'y'", name, f"such as {low:g}", "'u083'", "Recode"),
    )
case(
    "outcome: outside the range of Binomial, data",
    DataError,
    lambda f: from_frames(
        binary(f),
        data=binary(f).data.assign(y=binary(f).data["y"] + 1),
        family=Binomial(),
    ),
    *("data", "'y'", "between 0 and 1", "Binomial", "such as 2", "Recode"),
)
case(
    "outcome: outside the range of Binomial, source",
    DataError,
    lambda f: from_frames(binary(f), proxy={"llm": f.llm}, family=Binomial()),
    *("Source 'llm'", "'y'", "between 0 and 1", "Binomial", "'u0", "Recode"),
)
case(
    "outcome: outside the range of the negative binomial model, data",
    DataError,
    lambda f: from_frames(
        counts(f),
        data=counts(f).data.assign(y=counts(f).data["y"].mask(SOME, -1.0)),
        proxy={"llm": counts(f).llm},
        score=NegativeBinomial2(),
    ),
    *("data", "'y'", "negative binomial model", "such as -1", "'u003', 'u043'"),
)
case(
    "negative binomial: no more variance than Poisson's",
    DataError,
    lambda f: from_frames(
        counts(f),
        data=f.data.assign(y=np.where(LABELED, 2.0 + K % 2, np.nan)),
        score=NegativeBinomial2(),
    ),
    *("labels", "family=sm.families.Poisson()"),
)
case(
    "Huber: half of the labels fitted exactly",
    DataError,
    lambda f: from_frames(
        f,
        data=f.data.assign(y=f.data["y"].mask(LABELED & (K % 4 > 0), 1.0)),
        formula="y ~ 1",
        score=Huber(),
    ),
    *("Half of the labels", "Huber(scale=...)"),
)
case(
    "Huber: a tuning constant of zero",
    OptionError,
    lambda f: from_frames(f, score=Huber(0.0)),
    *("t=0.0", "above 0"),
)
case(
    "Huber: a scale that is no number",
    OptionError,
    lambda f: from_frames(f, score=Huber(scale="mad")),  # type: ignore[arg-type]
    *("scale='mad'", "above 0"),
)
case(
    "quantile: above 1",
    OptionError,
    lambda f: from_frames(f, score=Quantile(50)),
    *("tau=50", "above 0 and below 1", "0.5"),
)
case(
    "quantile: few values",
    DiscreteOutcomeWarning,
    lambda f: from_frames(
        f, data=f.data.assign(y=f.data["y"].round()), formula="y ~ 1", score=Quantile()
    ).fit(),
    *("'y'", "rows of the labels", "fitted line", "noise"),
)
case(
    "outcome: the same for every label",
    DataError,
    lambda f: from_frames(f, data=f.data.assign(y=where(LABELED, 3.0, np.nan))).fit(),
    *("'y'", "48"),
)
case(
    "outcome: an exact function of x for every label",
    DataError,
    lambda f: from_frames(
        f, data=f.data.assign(y=(1 + 2 * f.data["x"]).where(LABELED))
    ).fit(),
    *("'y'", "exact function"),
)

# Infinite values, and values that a function of the formula cannot take

case(
    "infinite: x of labelled units",
    DataError,
    lambda f: from_frames(f, data=with_x(f, SOME, np.inf)),
    *("data", "'x'", "infinite", "'u003', 'u043'", "Correct or remove"),
)
case(
    "infinite: x of unlabelled units, which the source takes from data",
    DataError,
    lambda f: from_frames(f, data=with_x(f, K == 100, np.inf)),
    *("'x'", "infinite", "'u100'", "Correct or remove"),
)
case(
    "infinite: x of a source",
    DataError,
    lambda f: from_frames(
        f, synthetic={"sim": f.sim.assign(x=f.sim["x"].mask(SOME, -np.inf))}
    ),
    *("Source 'sim'", "'x'", "infinite", "'u003', 'u043', 'u083'"),
)
case(
    "infinite: a centred x",
    DataError,
    lambda f: numpy_quiet(
        lambda: from_frames(f, "y ~ center(x)", data=with_x(f, K == 100, np.inf))
    ),
    *("'x'", "infinite", "'u100'", "Correct or remove"),
)
case(
    "infinite: y of labelled units",
    DataError,
    lambda f: from_frames(f, data=f.data.assign(y=f.data["y"].mask(SOME, np.inf))),
    *("data", "'y'", "infinite", "'u003', 'u043'", "Correct or remove"),
)
case(
    "infinite: y of a source",
    DataError,
    lambda f: from_frames(f, proxy={"llm": f.llm.mask(SOME[:, None], np.inf)}),
    *("Source 'llm'", "'y'", "infinite", "'u003', 'u043', 'u083'"),
)
case(
    "infinite: offset",
    DataError,
    lambda f: from_frames(f, offset=where(SOME, np.inf, 0.0)),
    *("offset", "infinite", "'u003', 'u043'"),
)
case(
    "exposure: zero",
    DataError,
    lambda f: from_frames(
        counts(f),
        data=counts(f).data.assign(words=where(SOME, 0, 5)),
        exposure="words",
        family=Poisson(),
    ),
    *("'words'", "above 0", "'u003', 'u043'"),
)
case(
    "exposure: without a log link",
    DataError,
    lambda f: from_frames(f, exposure=np.ones(T)),
    *("exposure", "log link", "Identity", "Use offset"),
)
for engine in ("patsy", "formulaic"):
    case(
        f"logarithm of a negative number, data, {engine}",
        FormulaError,
        lambda f, engine=engine: numpy_quiet(
            lambda: from_frames(
                f,
                "y ~ np.log(x)",
                data=f.data.assign(x=where(SOME, -1, 2.0 + K)),
                engine=engine,
            )
        ),
        *("data", "np.log(x)", "not a number", "'u003', 'u043', 'u083'"),
    )
    case(
        f"logarithm of a negative number, source, {engine}",
        FormulaError,
        lambda f, engine=engine: numpy_quiet(
            lambda: from_frames(
                f,
                "y ~ np.log(x)",
                data=f.data.assign(x=f.data["x"].abs() + 1),
                synthetic={"sim": f.sim.assign(x=where(SOME, -1, 2.0 + K))},
                engine=engine,
            )
        ),
        *("Source 'sim'", "np.log(x)", "not a number", "'u003', 'u043', 'u083'"),
    )
    case(
        f"logarithm of zero, {engine}",
        DataError,
        lambda f, engine=engine: numpy_quiet(
            lambda: from_frames(
                f,
                "y ~ np.log(x)",
                data=f.data.assign(x=where(SOME, 0, 2.0 + K)),
                engine=engine,
            )
        ),
        *("data", "np.log(x)", "infinite", "'u003', 'u043'"),
    )
    case(
        f"logarithm of a negative outcome, {engine}",
        FormulaError,
        lambda f, engine=engine: numpy_quiet(
            lambda: from_frames(f, "np.log(y) ~ x", engine=engine)
        ),
        *("data", "np.log(y)", "not a number", "Correct or remove"),
    )
    case(
        f"spline beyond the knots of data, {engine}",
        FormulaError,
        lambda f, engine=engine: from_frames(
            f,
            "y ~ bs(x, df=4)",
            synthetic={"sim": f.sim.assign(x=where(SOME, 9.0, f.data["x"]))},
            engine=engine,
        ),
        *("Source 'sim'", "bs(x, df=4)", "'u003', 'u043', 'u083'"),
        *("lower_bound", "upper_bound"),
    )

# Too few labels, and designs without an answer

case(
    "labels: none",
    DataError,
    lambda f: from_frames(f, data=f.data.assign(y=np.nan)),
    *("no labelled unit", "'y'", "Check the outcome column"),
)
case(
    "labels: none by labeled=",
    DataError,
    lambda f: from_frames(f, labeled=np.zeros(T, dtype=bool)),
    *("no labelled unit", "labeled="),
)
case(
    "labels: x is missing wherever y is known",
    DataError,
    lambda f: from_frames(f, data=with_x(f, LABELED, np.nan)),
    *("no labelled unit", "'x'"),
)
case(
    "labels: as many as coefficients",
    DataError,
    lambda f: from_frames(
        f, "y ~ x + g", data=f.data.assign(y=f.data["y"].where(K < 4))
    ),
    *("4 labelled units", "4 coefficients", "Intercept, g[T.b], g[T.c], x", "Label"),
)
case(
    "labels: too few for two sources",
    DataError,
    lambda f: from_frames(
        f,
        data=f.data.assign(y=f.data["y"].where(K < 6)),
        proxy={"llm": f.llm},
        synthetic={"sim": f.sim},
    ).fit(),
    *("6 labelled units", "2 coefficients", "2 sources", "use fewer sources"),
)
case(
    "labels: text column taken for numbers, a coefficient for each value",
    DataError,
    lambda f: from_frames(f, data=f.data.assign(x=f.data.index)),
    *("48 labelled units", "120 coefficients", " more"),
)
case(
    "design: collinear",
    CollinearityError,
    lambda f: from_frames(f, "y ~ x + z", data=f.data.assign(z=2 * f.data["x"] + 1)),
    *("48 labelled units", "'z'", "'Intercept', 'x'", "Leave one"),
)
case(
    "design: a column of zeros",
    CollinearityError,
    lambda f: from_frames(f, "y ~ x + z", data=f.data.assign(z=0.0)),
    *("'z'", "zero"),
)
case(
    "design: a second constant",
    CollinearityError,
    lambda f: from_frames(f, "y ~ x + z", data=f.data.assign(z=3.0)),
    *("'z'", "'Intercept'", "Leave one"),
)
case(
    "design: a level that no labelled unit has",
    CollinearityError,
    lambda f: from_frames(
        f,
        "y ~ x + g",
        data=f.data.assign(g=f.data["g"].mask(LABELED & (f.data["g"] == "c"), "a")),
    ),
    *("'g[T.c]'", "all 48 labelled units", "merge levels"),
)
case(
    "design: a dummy that is constant among labelled units",
    CollinearityError,
    lambda f: from_frames(
        f, "y ~ x + z", data=f.data.assign(z=where(LABELED, 1, K % 2))
    ),
    *("'z' is 1", "all 48 labelled units", "Label units where it differs"),
)
case(
    "design: a column of a source is constant",
    CollinearityError,
    lambda f: from_frames(f, synthetic={"sim": f.sim.assign(x=1.0)}),
    *("Source 'sim'", "'x'", "'Intercept'", "Leave the source"),
)
case(
    "design: a level that the source does not have",
    CollinearityError,
    lambda f: from_frames(
        f, "y ~ x + g", synthetic={"sim": f.sim.replace({"g": {"c": "a"}})}
    ),
    *("Source 'sim'", "'g[T.c]'", "zero", "Leave the source"),
)

# Sources that add nothing of their own

case(
    "sources: a copy",
    CollinearSourceWarning,
    lambda f: from_frames(f, proxy={"llm": f.llm, "copy": f.llm}).fit(),
    *("Source 'copy' is left out", "'llm'", "without it"),
)
case(
    "sources: the sum of two others",
    CollinearSourceWarning,
    lambda f: from_frames(
        f, proxy={"llm": f.llm, "sim": f.sim[["y"]], "sum": f.llm + f.sim[["y"]]}
    ).fit(),
    *("Source 'sum' is left out", "'llm', 'sim'"),
)
case(
    "sources: proxy and synthetic alike, with the same name",
    CollinearSourceWarning,
    lambda f: from_frames(f, proxy={"llm": f.llm}, synthetic={"llm": f.llm}).fit(),
    *("'llm (synthetic)' is left out", "'llm (proxy)'"),
)
case(
    "sources: an exact function of x",
    CollinearSourceWarning,
    lambda f: from_frames(f, proxy={"llm": pd.DataFrame({"y": 2 * f.data["x"]})}).fit(),
    *("Source 'llm' is left out", "exact function"),
)
case(
    "sources: the same outcome in every row",
    CollinearSourceWarning,
    lambda f: from_frames(f, proxy={"llm": 0 * f.llm + 3.0}).fit(),
    *("Source 'llm' is left out", "exact function"),
)
case(
    "sources: agrees with every label",
    LabelAgreementWarning,
    lambda f: from_frames(f, proxy={"llm": agreeing(f)}).fit(),
    *("Source 'llm'", "all 48 labels", "6.2%", "standard errors"),
)
case(
    "sources: agrees with every label, covers some",
    LabelAgreementWarning,
    lambda f: numpy_quiet(
        lambda: ignoring_coverage(
            lambda: from_frames(f, proxy={"llm": agreeing(f).iloc[8:]}).fit()
        )
    ),
    *("Source 'llm'", "all 40 ", "7.5%"),
)


def agreeing(f: Frames) -> pd.DataFrame:
    """A proxy that repeats every label."""
    return f.llm.assign(y=f.data["y"].where(LABELED, f.llm["y"]))


def ignoring_coverage(call: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CoverageWarning)
        return call()


# Separation

case(
    "separation: a number, labels",
    SeparationError,
    lambda f: from_frames(
        binary(f),
        data=f.data.assign(y=(f.data["x"] > 0).astype(float).where(LABELED)),
        family=Binomial(),
    ).fit(),
    *("labelled units", "'x'", "no finite estimate"),
)
case(
    "separation: a level, labels",
    SeparationError,
    lambda f: from_frames(
        binary(f),
        "y ~ x + g",
        data=binary(f).data.assign(
            y=binary(f).data["y"].mask(LABELED & (f.data["g"] == "c"), 1.0)
        ),
        family=Binomial(),
    ).fit(),
    *("labelled units", "'g[T.c]'", "merge levels", "label more units"),
)
case(
    "separation: a level, probit",
    SeparationError,
    lambda f: from_frames(
        binary(f),
        "y ~ x + g",
        data=binary(f).data.assign(
            y=binary(f).data["y"].mask(LABELED & (f.data["g"] == "c"), 0.0)
        ),
        family=Binomial(links.Probit()),
    ).fit(),
    *("labelled units", "'g[T.c]'"),
)
case(
    "separation: a number, source",
    SeparationError,
    lambda f: from_frames(
        binary(f),
        proxy={"llm": pd.DataFrame({"y": (f.data["x"] > 0).astype(float)})},
        family=Binomial(),
    ).fit(),
    *("source 'llm'", "'x'", "no finite estimate", "the source out"),
)
case(
    "separation: a level, source",
    SeparationError,
    lambda f: from_frames(
        binary(f),
        "y ~ x + g",
        proxy={
            "llm": binary(f).llm.mask((f.data["g"] == "c").to_numpy()[:, None], 1.0)
        },
        family=Binomial(),
    ).fit(),
    *("source 'llm'", "'g[T.c]'", "the source out"),
)
case(
    "separation: every label is 1",
    SeparationError,
    lambda f: from_frames(
        binary(f), data=f.data.assign(y=where(LABELED, 1, np.nan)), family=Binomial()
    ).fit(),
    *("labelled units", "no finite estimate"),
)
case(
    "separation: a level without counts, labels",
    SeparationError,
    lambda f: from_frames(
        counts(f),
        "y ~ x + g",
        data=counts(f).data.assign(
            y=counts(f).data["y"].mask(LABELED & (f.data["g"] == "b"), 0.0)
        ),
        family=Poisson(),
    ).fit(),
    *("labelled units", "'g[T.b]'", "merge levels"),
)
case(
    "separation: a level without counts, source",
    SeparationError,
    lambda f: from_frames(
        counts(f),
        "y ~ x + g",
        proxy={
            "llm": counts(f).llm.mask((f.data["g"] == "b").to_numpy()[:, None], 0.0)
        },
        family=Poisson(),
    ).fit(),
    *("source 'llm'", "'g[T.b]'", "the source out"),
)
case(
    "separation: no counts at all, labels",
    SeparationError,
    lambda f: from_frames(
        counts(f), data=f.data.assign(y=where(LABELED, 0, np.nan)), family=Poisson()
    ).fit(),
    *("labelled units", "no finite estimate"),
)
case(
    "separation: no counts at all, source",
    SeparationError,
    lambda f: from_frames(counts(f), proxy={"llm": 0 * f.llm}, family=Poisson()).fit(),
    *("source 'llm'", "no finite estimate"),
)

# Weights and offsets

for value, name in ((0.0, "zero"), (-1.0, "negative"), (np.inf, "infinite")):
    case(
        f"weights: {name}, column",
        DataError,
        lambda f, value=value: from_frames(
            f, data=f.data.assign(w=where(SOME, value, 1.0)), weights="w"
        ),
        *("weights", "above 0", "'u003', 'u043', 'u083'", "'w'"),
    )
case(
    "weights: missing, column",
    DataError,
    lambda f: from_frames(
        f, data=f.data.assign(w=where(SOME, np.nan, 1.0)), weights="w"
    ),
    *("weights", "'w'", "'u003', 'u043', 'u083'"),
)
case(
    "weights: missing, array",
    DataError,
    lambda f: from_frames(f, weights=where(SOME, np.nan, 1.0)),
    *("weights=", "missing for 3 units", "'u003', 'u043', 'u083'"),
)
case(
    "weights: text",
    DataError,
    lambda f: from_frames(f, data=f.data.assign(w="heavy"), weights="w"),
    *("weights", "'w'", "not numeric", "'heavy'"),
)
case(
    "weights: differ between data and a source",
    DataError,
    lambda f: from_frames(
        f,
        data=f.data.assign(w=1.0),
        proxy={"llm": f.llm.assign(w=where(SOME, 2.0, 1.0))},
        weights="w",
    ),
    *("Source 'llm'", "'w'", "'u003', 'u043', 'u083'", "one value"),
)
case(
    "weights: a number",
    DataError,
    lambda f: from_frames(f, weights=2.0),
    *("weights=", "120 rows", "one value per row"),
)
for option in ("weights", "offset"):
    case(
        f"{option}: wrong length",
        DataError,
        lambda f, option=option: from_frames(f, **{option: np.ones(N)}),
        *(f"{option}=", "(48,)", "120 rows", "one value per row"),
    )
    case(
        f"{option}: a Series with another index",
        AlignmentError,
        lambda f, option=option: from_frames(f, **{option: pd.Series(np.ones(T))}),
        *(f"{option}=", "index", "Reindex"),
    )

# One frame indexed by unit, the other with a column of units

case(
    "units: index of data, column of a source",
    AlignmentError,
    lambda f: from_frames(
        f,
        data=f.data.reset_index(drop=True).rename_axis("id"),
        proxy={"llm": f.llm.reset_index(drop=True).rename_axis("id").reset_index()},
    ),
    *("data", "source 'llm'", "index 'id'", "column 'id'", "on='id'"),
)
case(
    "units: column of data, index of a source",
    AlignmentError,
    lambda f: from_frames(
        f,
        data=f.data.reset_index(drop=True).rename_axis("id").reset_index(),
        proxy={"llm": f.llm.set_axis(pd.RangeIndex(1, T + 1, name="id"))},
    ),
    *("data", "source 'llm'", "index 'id'", "column 'id'", "on='id'"),
)

# Coefficients that rest on too few labelled units

case(
    "labels: a dummy that is one for one labelled unit",
    DataError,
    lambda f: from_frames(
        f,
        "y ~ x + d",
        data=f.data.assign(d=(K == 3).astype(float)),
        proxy={"llm": f.llm.assign(d=(K % 7 == 3).astype(float))},
    ),
    *("'d'", "one labelled unit", "'u003'", "leave 'd' out"),
)
case(
    "labels: a dummy that is one for two labelled units",
    FewUnitsWarning,
    lambda f: from_frames(
        f,
        "y ~ x + d",
        data=f.data.assign(d=SOME.astype(float)),
        proxy={"llm": f.llm.assign(d=(K % 7 == 3).astype(float))},
    ),
    *("'d'", "very few of the 48", "'u003'"),
)

case(
    "labels: a weight of a million on one labelled unit",
    FewUnitsWarning,
    lambda f: from_frames(
        f,
        data=f.data.assign(w=np.where(K == 3, 1e6, 1.0)),
        weights="w",
    ),
    *("48 labelled units", "'u003'", "Kish"),
)
case(
    "units: a weight of a million on one unit without a label",
    FewUnitsWarning,
    lambda f: from_frames(
        f,
        data=f.data.assign(w=np.where(np.flatnonzero(f.data.y.isna())[0] == K, 1e6, 1)),
        weights="w",
    ),
    *("units worth 1.0", "Kish"),
)

# Options of the labelling design that are no values

for option, given in (
    ("labeling_prob", "pi"),
    ("labeling_prob", True),
    ("strata", "h"),
):
    case(
        f"arrays: {option}={given!r}",
        OptionError,
        lambda f, option=option, given=given: from_arrays(f, **{option: given}),
        *(f"{option}={given!r}", "from_formula"),
    )

# Auxiliary columns

case(
    "auxiliary: no such column",
    FormulaError,
    lambda f: from_frames(f, auxiliary="nope"),
    "'nope'",
)
case(
    "auxiliary: the outcome",
    FormulaError,
    lambda f: from_frames(f, auxiliary="y"),
    *("'y'", "Leave it out"),
)
case(
    "auxiliary: a whole formula",
    FormulaError,
    lambda f: from_frames(f, auxiliary="y ~ x"),
    *("auxiliary='y ~ x'", "confidence + n_words"),
)
case(
    "auxiliary: a list",
    OptionError,
    lambda f: from_frames(f, auxiliary=["x"]),
    *("auxiliary= is a list", "a row for each unit"),
)
case(
    "auxiliary: infinite for a unit",
    DataError,
    lambda f: from_frames(
        f,
        data=f.data.assign(a=np.where(f.data.index == "u003", np.inf, 1.0)),
        auxiliary="a",
    ),
    *("'a'", "'u003'", "Correct"),
)
case(
    "auxiliary: missing for a unit",
    DataError,
    lambda f: from_frames(
        f,
        data=f.data.assign(a=f.data["x"].where(f.data.index != "u003")),
        auxiliary="a",
        missing="raise",
    ),
    *("'a'", "'u003'", "missing='drop'"),
)
case(
    "auxiliary: no proxy",
    DataError,
    lambda f: from_frames(f, proxy=None, synthetic=f.sim, auxiliary="x"),
    *("auxiliary=", "proxy="),
)
case(
    "auxiliary: two rows for a unit",
    AlignmentError,
    lambda f: from_frames(f, auxiliary=f.data[["x"]].iloc[[*range(40), 3]]),
    *("auxiliary=", "1 unit", "one row per unit"),
)
case(
    "auxiliary: a source of this name",
    DataError,
    lambda f: from_frames(f, proxy={"auxiliary": f.llm}, auxiliary="x"),
    *("'auxiliary'", "Rename"),
)
case(
    "auxiliary: too few rows in an array",
    DataError,
    lambda f: from_arrays(f, auxiliary=np.ones((7, 2))),
    *("(7, 2)", "one row per unit"),
)
case(
    "learner: a class",
    OptionError,
    lambda f: from_frames(f, auxiliary="x", learner=dict),
    *("learner=", "fit and predict"),
)
case(
    "learner: without auxiliary",
    OptionError,
    lambda f: from_frames(f, learner=3),
    *("learner=", "auxiliary="),
)

# Sources with the same name

case(
    "sources: a name that is another's with its kind",
    DataError,
    lambda f: from_frames(
        f, proxy={"a": f.llm, "a (proxy)": f.llm}, synthetic={"a": f.sim}
    ),
    *("'a (proxy)'", "Rename"),
)
case(
    "arrays: sources named 1 and '1'",
    DataError,
    lambda f: from_arrays(
        f,
        proxy={
            k: (f.llm["y"].to_numpy(), sm.add_constant(f.data[["x"]].to_numpy()))
            for k in (1, "1")
        },
    ),
    *("'1'", "Rename"),
)

# Missing values that were not to be dropped

case(
    "missing='raise': x of unlabelled units, which a source borrows",
    DataError,
    lambda f: from_frames(f, data=with_x(f, K == 100, np.nan), missing="raise"),
    *("Source 'llm'", "'x'", "taken from data", "'u100'", "missing='drop'"),
)
for first in (True, False):
    case(
        f"formula: a maximum in the {'first' if first else 'second'} half",
        FormulaError,
        lambda f, first=first: from_frames(
            f,
            "y ~ np.clip(x, None, x.max() - 0.5)",
            data=with_x(f, (5 if first else 100) == K, 9.0),
        ),
        *("np.clip", "depends on which other rows"),
    )
case(
    "missing='raise': x of labelled units",
    DataError,
    lambda f: from_frames(f, data=with_x(f, SOME, np.nan), missing="raise"),
    *("data", "'x'", "2 labelled units", "'u003', 'u043'", "missing='drop'"),
)
case(
    "missing='raise': y of units declared labelled",
    DataError,
    lambda f: from_frames(f, labeled=K < N + 7, missing="raise"),
    *("data", "'y'", "7 labelled units", "'u052' and 2 more", "missing='drop'"),
)
for column in ("x", "y"):
    case(
        f"missing='raise': {column} of a source",
        DataError,
        lambda f, column=column: from_frames(
            f,
            synthetic={"sim": f.sim.assign(**{column: f.sim[column].mask(SOME)})},
            missing="raise",
        ),
        *("Source 'sim'", f"'{column}'", "'u003', 'u043', 'u083'", "missing='drop'"),
    )

# Options

case(
    "option: from_formula",
    OptionError,
    lambda f: from_frames(f, weigths="w"),
    *("from_formula", "'weigths'", "Did you mean 'weights'?"),
)
case(
    "option: from_formula, nothing like it",
    OptionError,
    lambda f: from_frames(f, subset=LABELED),
    *("from_formula", "'subset'", "There are: 'proxy'", "'engine'"),
)
case(
    "option: constructor",
    OptionError,
    lambda f: from_arrays(f, syntetic={}),
    *("AugmentedGMM", "'syntetic'", "Did you mean 'synthetic'?"),
)
case(
    "option: fit",
    OptionError,
    lambda f: from_frames(f).fit(max_iter=3),
    *("fit", "'max_iter'", "Did you mean 'maxiter'?"),
)
case(
    "option: fit, as in other models",
    OptionError,
    lambda f: from_frames(f).fit(disp=0),
    *("fit", "'disp'", "There are: 'start_params', 'maxiter'"),
)
case(
    "option: engine",
    OptionError,
    lambda f: from_frames(f, engine="pasty"),
    *("engine='pasty'", "Did you mean 'patsy'?"),
)
case(
    "option: missing",
    OptionError,
    lambda f: from_frames(f, missing="none"),
    *("missing='none'", "There are: 'drop', 'raise'"),
)
case(
    "option: missing, constructor",
    OptionError,
    lambda f: from_arrays(f, missing="rase"),
    *("missing='rase'", "Did you mean 'raise'?"),
)
case(
    "option: cov_type",
    OptionError,
    lambda f: from_frames(f).fit(cov_type="HC1"),
    *("cov_type='HC1'", "There are: 'robust', 'cluster'"),
)
case(
    "option: cov_kwds of a cov_type that does not exist",
    OptionError,
    lambda f: from_frames(f).fit(cov_type="clustre", cov_kwds={"groups": f.data["g"]}),
    *("cov_type='clustre' does not exist", "Did you mean 'cluster'?"),
)
case(
    "option: population",
    OptionError,
    lambda f: from_frames(f).fit(population="finit"),
    *("population='finit' does not exist", "Did you mean 'finite'?"),
)
case(
    "option: cov_kwds",
    OptionError,
    lambda f: from_frames(f).fit(cov_kwds={"maxlags": 2}),
    *("cov_kwds", "'maxlags'", "cov_type='robust' has no option"),
)
case(
    "option: weights_method",
    OptionError,
    lambda f: from_frames(f).fit(weights_method="hac"),
    *("weights_method='hac'", "There are: 'cov'"),
)
for value in (0, 2.5, True, "cuee", None):
    case(
        f"option: maxiter={value!r}",
        OptionError,
        lambda f, value=value: from_frames(f).fit(maxiter=value),
        *(f"maxiter={value!r}", "Give 1", "'cue'"),
    )
case(
    "option: which of predict",
    OptionError,
    lambda f: from_frames(f).fit().predict(f.data, which="linera"),
    *("which='linera'", "'mean', 'linear'"),
)
case(
    "option: which of get_prediction",
    OptionError,
    lambda f: from_frames(f).fit().get_prediction(f.data, which="prob"),
    *("which='prob'", "'mean', 'linear'"),
)
case(
    "option: family, a name",
    OptionError,
    lambda f: from_frames(f, family="binomial"),
    *("family='binomial'", "sm.families.Binomial()"),
)
case(
    "option: family, a class",
    OptionError,
    lambda f: from_frames(f, family=Binomial),
    *("family=", "Give an instance"),
)
case(
    "start_params: wrong length",
    DataError,
    lambda f: from_frames(f).fit(start_params=[1.0]),
    *("start_params", "(1,)", "2", "4"),
)
case(
    "start_params: missing",
    DataError,
    lambda f: from_frames(f).fit(start_params=[1.0, np.nan]),
    "start_params",
)
case(
    "start_params: text",
    DataError,
    lambda f: from_frames(f).fit(start_params=["a", "b"]),
    *("start_params", "not numeric"),
)

# Arrays

case(
    "arrays: endog and exog of different length",
    DataError,
    lambda f: from_arrays(f, endog=f.data["y"].to_numpy()[:-1]),
    *("(119,)", "(120, 2)", "(rows, columns)"),
)
case(
    "arrays: endog with two columns",
    DataError,
    lambda f: from_arrays(f, endog=np.ones((T, 2))),
    *("endog has shape (120, 2)", "(rows,)"),
)
case(
    "arrays: source with too few rows",
    DataError,
    lambda f: from_arrays(f, (f.llm["y"].to_numpy()[:7], np.ones((7, 2)))),
    *("Source 'llm'", "7 rows for 120 units", "(endog, exog, units)"),
)
case(
    "arrays: source with one row",
    DataError,
    lambda f: from_arrays(f, (np.ones(1), np.ones((1, 2)))),
    *("Source 'llm'", "for 120 units"),
)
case(
    "arrays: source with a number for endog",
    DataError,
    lambda f: from_arrays(f, (1.0, np.ones((T, 2)))),
    *("Source 'llm'", "endog has shape ()", "(120, 2)"),
)
case(
    "arrays: source without the constant",
    DataError,
    lambda f: from_arrays(f, (f.llm["y"].to_numpy(), f.data["x"].to_numpy())),
    *("Source 'llm'", "the constant included"),
)
case(
    "arrays: source without exog",
    DataError,
    lambda f: from_arrays(f, f.llm["y"].to_numpy()),
    *("Source 'llm'", "ndarray", "{name: (endog, exog)}"),
)
case(
    "arrays: source as a frame",
    DataError,
    lambda f: from_arrays(f, proxy=f.llm),
    *("proxy=", "DataFrame", "AugmentedGMM.from_formula"),
)
case(
    "arrays: units of a source out of range",
    DataError,
    lambda f: from_arrays(f, (np.ones(2), np.ones((2, 2)), np.array([0, T]))),
    *("Source 'llm'", "from 0 to 119"),
)
case(
    "arrays: units of a source that are not integers",
    DataError,
    lambda f: from_arrays(f, (np.ones(2), np.ones((2, 2)), np.array([0.0, 1.0]))),
    *("Source 'llm'", "units", "integers", "float64"),
)
case(
    "arrays: columns in another order",
    AlignmentError,
    lambda f: from_pandas(f, (f.llm["y"], design(f)[["x", "const"]])),
    *("Source 'llm'", "['x', 'const']", "['const', 'x']", "same order"),
)
case(
    "arrays: endog and exog with different indexes",
    AlignmentError,
    lambda f: from_pandas(f, endog=f.data["y"].iloc[::-1]),
    *("endog and exog", "Reindex"),
)
for part in ("endog", "exog"):
    case(
        f"arrays: {part} of a source with another index",
        AlignmentError,
        lambda f, part=part: from_pandas(
            f,
            (
                f.llm["y"].iloc[:: -1 if part == "endog" else 1],
                design(f).iloc[:: -1 if part == "exog" else 1],
            ),
        ),
        *("Source 'llm'", part, "index", "from_formula"),
    )
for option in ("weights", "offset", "labeled"):
    case(
        f"arrays: {option} with another index",
        AlignmentError,
        lambda f, option=option: from_pandas(
            f, **{option: pd.Series(LABELED if option == "labeled" else np.ones(T))}
        ),
        *(option, "index", "Reindex"),
    )
    case(
        f"arrays: {option} with the wrong length",
        DataError,
        lambda f, option=option: from_arrays(
            f, **{option: LABELED[:7] if option == "labeled" else np.ones(7)}
        ),
        *(option, "7", "120"),
    )
for value, name in ((0.0, "zero"), (np.nan, "missing"), (np.inf, "infinite")):
    case(
        f"arrays: weights that are {name}",
        DataError,
        lambda f, value=value: from_arrays(f, weights=where(SOME, value, 1.0)),
        *("weights", "above 0", "3, 43, 83"),
    )
case(
    "arrays: offset that is missing",
    DataError,
    lambda f: from_arrays(f, offset=where(SOME, np.nan, 1.0)),
    *("offset", "finite", "3, 43, 83"),
)
case(
    "arrays: exposure that is zero",
    DataError,
    lambda f: from_arrays(counts(f), exposure=where(SOME, 0.0, 1.0), family=Poisson()),
    *("exposure", "above 0", "3, 43, 83"),
)
case(
    "arrays: offset of the labelled rows only",
    DataError,
    lambda f: from_arrays(f, offset=np.ones(N)),
    *("offset", "120 units", "Give 120 values"),
)
case(
    "arrays: labeled that is not True or False",
    DataError,
    lambda f: from_arrays(f, labeled=K),
    *("labeled=", "True or False"),
)
case(
    "arrays: labelled rows without y",
    DataError,
    lambda f: from_arrays(f, labeled=K < N + 7),
    *("7 labelled rows", "48, 49, 50, 51, 52 and 2 more", "labeled=False"),
)
case(
    "arrays: labelled rows without x, missing='raise'",
    DataError,
    lambda f: from_arrays(
        f,
        exog=sm.add_constant(with_x(f, SOME, np.nan)[["x"]].to_numpy()),
        source=(f.llm["y"].to_numpy(), design(f).to_numpy()),
        missing="raise",
    ),
    *("2 labelled", "3, 43"),
)
case(
    "arrays: no label",
    DataError,
    lambda f: from_arrays(f, endog=np.full(T, np.nan)),
    *("no labelled unit", "Check"),
)
case(
    "arrays: text in exog",
    DataError,
    lambda f: from_arrays(f, exog=where(SOME, "a", "1")[:, None]),
    *("exog", "not numeric", "'a'"),
)
case(
    "arrays: text in a source",
    DataError,
    lambda f: from_arrays(f, (where(SOME, "a", "1"), np.ones((T, 2)))),
    *("Source 'llm'", "endog", "not numeric", "'a'"),
)
case(
    "arrays: complex numbers",
    DataError,
    lambda f: from_arrays(f, exog=design(f).to_numpy() + 1j),
    *("exog", "complex"),
)
case(
    "arrays: infinite x",
    DataError,
    lambda f: from_arrays(
        f, exog=sm.add_constant(with_x(f, SOME, np.inf)[["x"]].to_numpy())
    ),
    *("data", "'x1'", "infinite", "3, 43"),
)
case(
    "arrays: missing values of a source, missing='raise'",
    DataError,
    lambda f: from_pandas(f, (f.llm["y"].mask(SOME), design(f)), missing="raise"),
    *("Source 'llm'", "3 rows", "'u003', 'u043', 'u083'", "missing='drop'"),
)
case(
    "arrays: source that covers labelled units only",
    DataError,
    lambda f: from_arrays(
        f, (f.llm["y"].where(LABELED).to_numpy(), design(f).to_numpy())
    ),
    *("Source 'llm'", "no unlabelled unit", "leave it out"),
)
case(
    "arrays: two columns with the same name",
    DataError,
    lambda f: from_pandas(
        f,
        (f.llm["y"], design(f)[["const", "x", "x"]]),
        exog=design(f)[["const", "x", "x"]],
    ),
    "'x'",
)

# How units were drawn, and clusters


def prob(f: Frames, **changes: float) -> pd.DataFrame:
    """The data with a probability of .4, changed for some of the units."""
    values = pd.Series(N / T, f.data.index)
    for unit, value in changes.items():
        values[unit] = value
    return f.data.assign(pi=values)


def strata(f: Frames, **changes: Any) -> pd.DataFrame:
    """The data with two strata, changed for some of the units."""
    values = pd.Series(where(K % 2 == 0, "even", "odd"), f.data.index, dtype=object)
    for unit, value in changes.items():
        values[unit] = value
    return f.data.assign(h=values)


def groups_of(f: Frames, **changes: Any) -> pd.Series:
    """Twenty-four clusters of five, changed for some of the units."""
    values = pd.Series([f"c{k:02d}" for k in K % 24], f.data.index, dtype=object)
    for unit, value in changes.items():
        values[unit] = value
    return values


def fit_by_group(f: Frames, groups: Any, **options: Any) -> Any:
    return from_frames(f, **options).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )


case(
    "clusters: of a finite population",
    OptionError,
    lambda f: from_frames(f).fit(
        population="finite", cov_type="cluster", cov_kwds={"groups": groups_of(f)}
    ),
    *("population='finite' has no cov_type='cluster'", "leave cov_type out"),
)
case(
    "labeling_prob: zero for a labelled unit",
    DataError,
    lambda f: from_frames(f, data=prob(f, u003=0.0), labeling_prob="pi"),
    *("labeling_prob", "above 0", "1 is not", "'u003'"),
)
case(
    "labeling_prob: zero for an unlabelled unit",
    DataError,
    lambda f: from_frames(f, data=prob(f, u077=0.0), labeling_prob="pi"),
    *("labeling_prob", "above 0", "'u077'"),
)
case(
    "labeling_prob: above one, a weight",
    DataError,
    lambda f: from_frames(f, labeling_prob=np.full(T, T / N)),
    *("labeling_prob", "at most 1", "2.5", "not a weight"),
)
case(
    "labeling_prob: negative",
    DataError,
    lambda f: from_arrays(f, labeling_prob=-0.4),
    *("labeling_prob", "above 0", "-0.4"),
)
case(
    "labeling_prob: missing for a labelled unit",
    DataError,
    lambda f: from_frames(f, data=prob(f, u003=np.nan), labeling_prob="pi"),
    *("labeling_prob", "every labelled unit", "'u003'"),
)
case(
    "labeling_prob: far from the number of labels",
    DataError,
    lambda f: from_frames(f, labeling_prob=0.05),
    *("sums to 6", "48 are labelled"),
)
case(
    "labeling_prob: for labelled units, far from the number of units",
    DataError,
    lambda f: from_arrays(f, labeling_prob=np.full(N, 0.9)),
    *("stand for 53.33 units", "there are 120"),
)
case(
    "labeling_prob: too short",
    DataError,
    lambda f: from_arrays(f, labeling_prob=np.full(7, 0.4)),
    *("labeling_prob has shape (7,)", "120 units, 48 labelled"),
)
case(
    "labeling_prob: unknown column",
    DataError,
    lambda f: from_frames(f, data=prob(f), labeling_prob="pj"),
    *("labeling_prob='pj'", "not a column"),
)
case(
    "labeling_prob: two frames disagree",
    DataError,
    lambda f: from_frames(
        f,
        data=prob(f),
        proxy={"llm": f.llm.assign(pi=where(K == 9, 0.3, N / T))},
        labeling_prob="pi",
    ),
    *("Source 'llm'", "labeling_prob='pi'", "'u009'"),
)
case(
    "labeling_prob and strata",
    OptionError,
    lambda f: from_frames(f, data=strata(f), strata="h", labeling_prob=0.4),
    *("labeling_prob=", "strata="),
)
case(
    "strata: one without a label",
    DataError,
    lambda f: from_frames(f, data=strata(f, u077="new", u078="new"), strata="h"),
    *("1 of 3 strata", "'new'"),
)
case(
    "strata: missing for a unit",
    DataError,
    lambda f: from_frames(f, data=strata(f, u077=None), strata="h"),
    *("strata='h'", "missing for 1 unit", "'u077'"),
)
case(
    "strata: missing for the units of a source",
    DataError,
    lambda f: from_frames(
        f, data=strata(f)[LABELED], synthetic={"sim": f.sim}, strata="h"
    ),
    *("strata='h'", "missing for 72 units", "'u048'"),
)
case(
    "strata: an array with gaps",
    DataError,
    lambda f: from_pandas(f, strata=strata(f, u077=None)["h"].to_numpy()),
    *("strata", "missing for 1 unit", "'u077'"),
)
case(
    "strata: too short",
    DataError,
    lambda f: from_arrays(f, strata=np.zeros(N)),
    *("strata has 48 values", "120 units"),
)
case(
    "strata: misspelt column",
    DataError,
    lambda f: from_frames(
        f, data=strata(f).rename(columns={"h": "region"}), strata="regoin"
    ),
    *("strata='regoin'", "Did you mean 'region'?"),
)
case(
    "groups: not given",
    OptionError,
    lambda f: from_frames(f).fit(cov_type="cluster"),
    *("cov_type='cluster'", "'groups'"),
)
case(
    "groups: misspelt option",
    OptionError,
    lambda f: from_frames(f).fit(cov_type="cluster", cov_kwds={"group": groups_of(f)}),
    *("'group'", "Did you mean 'groups'?"),
)
case(
    "groups: without clusters",
    OptionError,
    lambda f: from_frames(f).fit(cov_kwds={"groups": groups_of(f)}),
    *("cov_type='robust'", "'groups'"),
)
case(
    "groups: missing for a unit",
    DataError,
    lambda f: fit_by_group(f, groups_of(f, u077=None)),
    *("groups is missing for 1 unit", "'u077'"),
)
case(
    "groups: missing for the units of a source",
    DataError,
    lambda f: fit_by_group(
        f,
        "c",
        data=f.data.assign(c=groups_of(f))[LABELED],
        synthetic={"sim": f.sim},
    ),
    *("groups='c' is missing for 72 units", "'u048'"),
)
case(
    "groups: too short",
    DataError,
    lambda f: fit_by_group(f, np.arange(N)),
    *("groups has 48 values", "120 units"),
)
case(
    "groups: two values for a unit",
    DataError,
    lambda f: fit_by_group(f, pd.concat([groups_of(f), groups_of(f)[:1]])),
    *("groups has two values for one unit",),
)
case(
    "groups: misspelt column",
    DataError,
    lambda f: fit_by_group(f, "thraed", data=f.data.assign(thread=groups_of(f))),
    *("groups='thraed'", "Did you mean 'thread'?"),
)
case(
    "groups: a column, but arrays",
    OptionError,
    lambda f: from_arrays(f).fit(cov_type="cluster", cov_kwds={"groups": "thread"}),
    *("groups='thread'", "arrays"),
)
case(
    "groups: no more than coefficients",
    DataError,
    lambda f: fit_by_group(f, f.data["g"], formula="y ~ x + g"),
    *("3 clusters", "4 coefficients"),
)
case(
    "groups: few",
    FewClustersWarning,
    lambda f: fit_by_group(f, K % 8),
    *("8 clusters",),
)


@dataclass(frozen=True)
class Outcome:
    """What a case ended in."""

    error: SynthError | None
    warned: list[warnings.WarningMessage]
    leaked: list[str]

    @property
    def text(self) -> str:
        """Error or warning, with its type, as the user reads it."""
        told = [w.message for w in self.warned] if self.error is None else [self.error]
        return "\n".join(f"{type(m).__name__}: {m}" for m in told)


def run(call: Callable[[Frames], Any]) -> Outcome:
    """Run a case as a user would: other libraries' warnings are not errors."""
    frames, error = make_frames(), None
    before = make_frames()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call(frames)
        except SynthError as raised:
            error = raised
    for name in ("data", "llm", "sim"):
        pd.testing.assert_frame_equal(getattr(frames, name), getattr(before, name))
    return Outcome(
        error,
        [w for w in caught if issubclass(w.category, SynthWarning)],
        [str(w.message) for w in caught if not issubclass(w.category, SynthWarning)],
    )


def read_snapshots() -> dict[str, str]:
    if not SNAPSHOTS.exists():
        return {}
    parts = SNAPSHOTS.read_text(encoding="utf-8").split("## ")[1:]
    return {
        name: text.strip() for name, _, text in (part.partition("\n") for part in parts)
    }


def shortcomings(expected: Case, outcome: Outcome) -> list[str]:
    """What is wrong with the outcome of a case, apart from its exact words."""
    text = outcome.text
    found = [f"does not name {part}" for part in expected.names if part not in text]
    found += [f"lets through: {message}" for message in outcome.leaked]
    if issubclass(expected.kind, SynthError):
        if not isinstance(outcome.error, expected.kind):
            found.append(f"is not a {expected.kind.__name__}")
    elif [w.category for w in outcome.warned] != [expected.kind]:
        found.append(f"is not one {expected.kind.__name__}")
    elif outcome.warned[0].filename != __file__:
        found.append(f"points to {outcome.warned[0].filename}")
    if re.search(r"np\.(int|float|str|bool)", text):
        found.append("shows types of NumPy")
    if re.search(r"'\((weights|offset|exposure|labeling_prob|strata)\)'", text):
        found.append("shows a column that the user did not name")
    if "\x1b" in text:
        found.append("has colour codes")
    if len(text) > 600:
        found.append("is too long to read")
    return found


@pytest.mark.skipif(UPDATE, reason="snapshots are being written")
@pytest.mark.parametrize("name", CASES)
def test_bad_input_ends_in_a_text_that_helps(name: str) -> None:
    outcome = run(CASES[name].call)
    assert shortcomings(CASES[name], outcome) == [], outcome.text
    snapshots = read_snapshots()
    assert name in snapshots, "run with UPDATE_SNAPSHOTS=1 and read the new texts"
    assert outcome.text == snapshots[name]


@pytest.mark.skipif(UPDATE, reason="snapshots are being written")
def test_every_snapshot_belongs_to_a_case() -> None:
    assert set(read_snapshots()) <= set(CASES)


@pytest.mark.skipif(not UPDATE, reason="only with UPDATE_SNAPSHOTS=1")
def test_write_snapshots() -> None:
    texts = []
    for name, expected in CASES.items():
        try:
            outcome = run(expected.call)
        except Exception:  # not an error of this package: the test of the case fails
            continue
        if not shortcomings(expected, outcome):
            texts.append(f"## {name}\n{outcome.text}\n")
    SNAPSHOTS.parent.mkdir(exist_ok=True)
    SNAPSHOTS.write_text("\n".join(texts), encoding="utf-8")


# Formulas that an engine cannot read: the text is the engine's, and not kept.


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
@pytest.mark.parametrize(
    "formula",
    ["y ~ x +* g", "y ~ x + (g", "y ~ .", "y ~ x || g", "y ~ np.nothing(x)", "y ~ a b"],
)
def test_a_formula_that_cannot_be_read(formula: str, engine: str) -> None:
    outcome = run(lambda f: from_frames(f, formula, engine=engine))
    assert isinstance(outcome.error, FormulaError)
    assert formula in str(outcome.error)
    assert "\x1b" not in str(outcome.error)


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_a_function_of_the_user_that_fails(engine: str) -> None:
    def fail(_: Any) -> Any:
        raise ZeroDivisionError("no such thing")

    outcome = run(
        lambda f: from_frames(f, "y ~ fail(x)", engine=engine, eval_env={"fail": fail})
    )
    assert isinstance(outcome.error, FormulaError)
    assert "'y ~ fail(x)'" in str(outcome.error)
    assert "no such thing" in str(outcome.error)
    assert outcome.error.__cause__ is not None


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
@pytest.mark.parametrize("term", ["C(g + h)", "C(g + 'z')", "x:C(g + 'z')"])
def test_unseen_level_of_an_expression(term: str, engine: str) -> None:
    """formulaic only warns, and codes the level as the reference."""
    outcome = run(
        lambda f: from_frames(
            f,
            f"y ~ {term}",
            data=f.data.assign(h=where(K % 2, "p", "q")),
            synthetic={"sim": f.sim.assign(g=where(SOME, "d", f.sim["g"]))},
            engine=engine,
        )
    )
    assert isinstance(outcome.error, FormulaError)
    assert "Source 'sim'" in str(outcome.error)
    assert outcome.leaked == []


# Errors and warnings as classes


def test_errors_have_one_root_and_are_value_errors() -> None:
    for error in (
        *(AlignmentError, CollinearityError, DataError, FormulaError, OptionError),
        SeparationError,
    ):
        assert issubclass(error, SynthError)
        assert issubclass(error, ValueError)


def test_warnings_have_one_root() -> None:
    for warning in (
        *(CollinearSourceWarning, ConvergenceWarning, CoverageWarning),
        *(FewClustersWarning, FewUnitsWarning),
        *(FullyLabeledWarning, LabelAgreementWarning),
    ):
        assert issubclass(warning, SynthWarning)
        assert issubclass(warning, UserWarning)


@pytest.mark.parametrize(
    ("units", "text"),
    [
        ([], ""),
        (["a"], "'a'"),
        (np.arange(5), "0, 1, 2, 3, 4"),
        (np.arange(6), "0, 1, 2, 3, 4 and 1 more"),
        (np.array([0.5]), "0.5"),
        (pd.Index(["a", "b"]), "'a', 'b'"),
        (pd.MultiIndex.from_tuples([("a", 1)]), "('a', 1)"),
    ],
)
def test_units_are_written_plainly_and_five_at_most(units: Any, text: str) -> None:
    assert format_units(units) == text


# What warns still gives an answer


def fit(model: AugmentedGMM, *expected: type[Warning], **options: Any) -> Any:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = model.fit(**options)
    assert [w.category for w in caught] == list(expected)
    return result


@pytest.mark.parametrize("maxiter", [2, 10, "cue"])
def test_a_copy_of_a_source_changes_nothing(maxiter: Any) -> None:
    f = make_frames()
    alone = fit(from_frames(f), maxiter=maxiter)
    model = from_frames(f, proxy={"llm": f.llm, "copy": f.llm})
    both = fit(model, CollinearSourceWarning, maxiter=maxiter)
    np.testing.assert_allclose(both.params, alone.params, rtol=1e-9)
    np.testing.assert_allclose(both.bse, alone.bse, rtol=1e-9)
    assert both.source_names == ["llm"]
    assert list(both.dropped_sources) == ["copy"]


@pytest.mark.parametrize("maxiter", [2, 10, "cue"])
@pytest.mark.parametrize("kind", ["numbers", "binary", "two sources"])
def test_a_source_that_agrees_with_every_label(kind: str, maxiter: Any) -> None:
    f = make_frames() if kind == "numbers" else binary(make_frames())
    proxy = {"llm": agreeing(f)}
    if kind == "two sources":
        proxy["sim"] = f.sim[["y"]]
    model = from_frames(
        f, proxy=proxy, family=None if kind == "numbers" else Binomial()
    )
    result = fit(model, LabelAgreementWarning, maxiter=maxiter)
    assert np.isfinite(result.params).all()
    assert (np.isfinite(result.bse) & (result.bse > 0)).all()
    width = np.diff(np.asarray(result.conf_int()), axis=1)
    assert (width > 1e-3).all()


def test_replicates_that_agree_with_every_label() -> None:
    f = binary(make_frames())
    three = pd.concat([agreeing(f)] * 3)
    once = fit(
        from_frames(f, proxy={"llm": agreeing(f)}, family=Binomial()),
        LabelAgreementWarning,
    )
    thrice = fit(
        from_frames(f, proxy={"llm": three}, family=Binomial()), LabelAgreementWarning
    )
    np.testing.assert_allclose(thrice.params, once.params, rtol=1e-9)


def test_every_unit_labelled_is_the_fit_of_the_labels() -> None:
    f = make_frames()
    data = f.data.assign(y=f.sim["y"])
    result = fit(from_frames(f, data=data), FullyLabeledWarning)
    plain = sm.OLS(data["y"], design(f)).fit(cov_type="HC3")
    np.testing.assert_allclose(result.params, plain.params, rtol=1e-9)
    np.testing.assert_allclose(result.bse, plain.bse, rtol=1e-9)


def test_absent_labelled_units_leave_an_answer() -> None:
    f = make_frames()
    with pytest.warns(CoverageWarning, match="7 of the 48"):
        model = from_frames(f, proxy={"llm": f.llm.iloc[7:]})
    result = fit(model)
    assert result.sources.loc["llm", "covered_labeled"] == N - 7
    assert np.isfinite(result.bse).all()


def test_rows_are_counted_that_fall_short_of_a_label() -> None:
    f = make_frames()
    model = from_frames(f, data=with_x(f, SOME, np.nan), synthetic={"sim": f.sim})
    assert model.n_incomplete == 2
    assert fit(model).n_labeled == N - 2


# Non-convergence


def test_a_fit_that_does_not_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    f = counts(make_frames())
    model = from_frames(f, family=Poisson())
    good = fit(model)
    assert good.converged
    monkeypatch.setattr(target, "MAX_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match="do not use the estimates") as caught:
        result = model.fit(start_params=np.asarray(good.params) + 0.5)
    assert not result.converged
    assert [w.filename for w in caught] == [__file__]
    assert isinstance(caught[0].message, sm.tools.sm_exceptions.ConvergenceWarning)


@pytest.mark.parametrize("start", [[100.0, -300.0], [0.0, 0.0], [5.0, 40.0]])
def test_a_start_far_away_converges_or_says_so(start: list[float]) -> None:
    model = from_frames(binary(make_frames()), family=Binomial())
    good = fit(model, LabelAgreementWarning)  # three labels differ
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = model.fit(start_params=start)
    found = {w.category for w in caught} - {LabelAgreementWarning}
    assert found <= {ConvergenceWarning}
    assert result.converged == (not found)
    if result.converged:
        np.testing.assert_allclose(result.params, good.params, rtol=1e-6)


def test_a_regressor_far_from_zero_is_solved_or_says_not() -> None:
    """x + 1e9 is collinear with the constant, but for rounding."""
    f, results = make_frames(), []
    data = f.data.assign(x=f.data["x"] + 1e9)
    outcome = run(lambda _: results.append(from_frames(f, data=data).fit()))
    assert outcome.leaked == []
    if outcome.error is not None:
        assert isinstance(outcome.error, CollinearityError)
        assert "'x'" in str(outcome.error)
    elif outcome.warned:
        assert [w.category for w in outcome.warned] == [ConvergenceWarning]
        assert not results[0].converged
    else:
        expected = fit(from_frames(f)).params["x"]
        np.testing.assert_allclose(results[0].params["x"], expected, rtol=1e-4)


# Nothing is left half-done


def test_a_model_fits_after_a_fit_that_was_refused() -> None:
    f = make_frames()
    model = from_frames(f)
    for options in (
        *({"maxiter": 0}, {"cov_type": "HC1"}, {"start_params": [1.0]}),
        {"max_iter": 2},
    ):
        with pytest.raises(SynthError):
            model.fit(**options)
    np.testing.assert_array_equal(model.fit().params, from_frames(f).fit().params)


# The right input beside the wrong one


def test_rows_and_columns_of_frames_may_come_in_any_order() -> None:
    f = make_frames()
    order = np.random.default_rng(5).permutation(T)
    sim = f.sim.iloc[order][["g", "y", "x"]]
    expected = fit(from_frames(f, "y ~ x + g", synthetic={"sim": f.sim}))
    actual = fit(from_frames(f, "y ~ x + g", synthetic={"sim": sim}))
    np.testing.assert_allclose(actual.params, expected.params, rtol=1e-10)
    np.testing.assert_allclose(actual.bse, expected.bse, rtol=1e-10)


def test_units_may_be_a_column() -> None:
    f = make_frames()
    order = np.random.default_rng(6).permutation(T)
    data = f.data.reset_index(names="unit")
    llm = f.llm.reset_index(names="unit").iloc[order].reset_index(drop=True)
    actual = fit(from_frames(f, data=data, proxy={"llm": llm}, on="unit"))
    np.testing.assert_allclose(actual.params, fit(from_frames(f)).params, rtol=1e-10)


def test_units_may_be_two_columns() -> None:
    f = make_frames()
    order = np.random.default_rng(6).permutation(T)
    keys = {"person": K // 10, "question": K % 10}
    data, llm = f.data.assign(**keys), f.llm.assign(**keys).iloc[order]
    actual = fit(
        from_frames(f, data=data, proxy={"llm": llm}, on=["person", "question"])
    )
    np.testing.assert_allclose(actual.params, fit(from_frames(f)).params, rtol=1e-10)


def test_units_may_be_a_multi_index() -> None:
    f = make_frames()
    index = pd.MultiIndex.from_arrays([K // 10, K % 10])
    actual = fit(
        from_frames(
            f, data=f.data.set_index(index), proxy={"llm": f.llm.set_index(index)}
        )
    )
    np.testing.assert_allclose(actual.params, fit(from_frames(f)).params, rtol=1e-10)


def test_default_indexes_of_the_same_length_match() -> None:
    f = make_frames()
    actual = fit(
        from_frames(
            f,
            data=f.data.reset_index(drop=True),
            proxy={"llm": f.llm.reset_index(drop=True)},
        )
    )
    np.testing.assert_allclose(actual.params, fit(from_frames(f)).params, rtol=1e-10)


def test_numbers_written_as_text_in_a_source_are_read() -> None:
    f = make_frames()
    text = f.llm.assign(y=f.llm["y"].astype(str))
    actual = fit(from_frames(f, proxy={"llm": text}))
    np.testing.assert_allclose(actual.params, fit(from_frames(f)).params, rtol=1e-10)


def test_an_outcome_of_true_false_and_missing() -> None:
    """What pandas makes of a column of booleans with gaps."""
    f = binary(make_frames())
    data = f.data.assign(y=[None if np.isnan(v) else bool(v) for v in f.data["y"]])
    llm = f.llm.astype(bool)
    model = from_frames(f, data=data, proxy={"llm": llm}, family=Binomial())
    actual = fit(model, LabelAgreementWarning)  # three labels differ
    expected = fit(from_frames(f, family=Binomial()), LabelAgreementWarning)
    np.testing.assert_allclose(actual.params, expected.params, rtol=1e-10)


def test_pandas_arrays_keep_their_units() -> None:
    f = make_frames()
    model = from_pandas(f)
    assert list(model.unit_index) == list(UNITS)
    assert list(fit(model).influence.index) == list(UNITS)


def test_an_integer_of_numpy_is_a_number_of_steps() -> None:
    model = from_frames(make_frames())
    np.testing.assert_array_equal(
        fit(model, maxiter=np.int64(2)).params, fit(model, maxiter=2).params
    )


def test_data_can_be_removed_right_after_the_fit() -> None:
    f = make_frames()
    result = fit(from_frames(f))
    expected = np.asarray(result.predict(f.data))
    result.remove_data()
    np.testing.assert_array_equal(result.predict(f.data), expected)
    with pytest.raises(SynthError, match="removed"):
        _ = result.influence
    with pytest.raises(SynthError, match="removed"):
        result.model.fit()


# Rows to predict


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda d: d[["x"]], ("'g'", "There are: 'x'")),
        (lambda d: d.assign(g="d"), ("'g'", "'d'", "'a', 'b', 'c'", "'u000'")),
        (lambda d: d.assign(x="much"), ("'x'", "'much'", "'u000'")),
        (lambda d: d.to_numpy(), ("'x'",)),
    ],
    ids=["no column", "unseen level", "text", "array"],
)
def test_rows_that_cannot_be_predicted(
    change: Callable[[pd.DataFrame], Any], names: tuple[str, ...], engine: str
) -> None:
    f = make_frames()
    result = fit(from_frames(f, "y ~ x + g", engine=engine))
    with pytest.raises(DataError) as raised:
        result.predict(change(f.data))
    assert "rows to predict" in str(raised.value)
    assert [name for name in names if name not in str(raised.value)] == []

"""
Formulas: learned once on data, evaluated alike on labels and on every source.

Each formula comes with the columns that it means, computed here by hand from
the raw columns and from `data`, where levels, means and knots are learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import pickle
from typing import Any
import warnings

import formulaic
import numpy as np
import pandas as pd
import patsy
import pytest
from scipy.interpolate import BSpline, CubicSpline
import statsmodels.api as sm
import statsmodels.formula

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import FormulaError, SynthError

ENGINES = ("patsy", "formulaic")
T, N = 160, 80
UNITS = pd.Index([f"u{k:03d}" for k in range(T)])

Frame = pd.DataFrame
Columns = list[Any]


@dataclass(frozen=True)
class Frames:
    """
    Three frames that differ in their means, quantiles and levels.

    Attributes
    ----------
    data : DataFrame
        Every unit; y for half of them.
    llm : DataFrame
        y for every unit, nothing else.
    sim : DataFrame
        One or more rows for most units, none for some without a label, in any
        order, with another distribution of x and of the levels.
    """

    data: Frame
    llm: Frame
    sim: Frame


def make_frames() -> Frames:
    rng = np.random.default_rng(20)
    x = rng.uniform(1.0, 4.0, T)
    z = rng.normal(2.0, 3.0, T)
    g = rng.choice(["a", "b", "c"], T)
    h = rng.choice(["p", "q"], T)
    size = pd.Categorical(rng.choice(["small", "large"], T), ["small", "large"])
    b = rng.uniform(size=T) < 0.4
    y = np.exp(0.3 * x + 0.05 * z + 0.2 * (g == "b") + 0.3 * rng.normal(size=T))
    labeled = np.zeros(T, dtype=bool)
    labeled[rng.choice(T, N, replace=False)] = True
    data = Frame(
        {
            "y": np.where(labeled, y, np.nan),
            **{"x": x, "z": z, "g": g, "h": h, "size": size, "b": b},
            "odd name": z,
        },
        UNITS,
    )
    llm = Frame({"y": y * np.exp(0.2 * rng.normal(size=T))}, UNITS)
    rows = np.concatenate([np.flatnonzero(labeled), rng.choice(T, T)])
    # Within the range of data, where splines end, but lower.
    low = data["x"].min()
    sim = data.iloc[rows].assign(
        y=y[rows] * np.exp(0.3 * rng.normal(size=len(rows))),
        x=lambda d: low + (d["x"] - low) * rng.uniform(0.3, 1.0, len(rows)),
        z=lambda d: d["z"] + rng.normal(1.0, 1.0, len(rows)),
    )
    sim["odd name"] = sim["z"]
    sim["g"] = np.where(rng.uniform(size=len(rows)) < 0.5, "c", sim["g"])
    return Frames(data, llm, sim.iloc[rng.permutation(len(rows))])


def double(values: Any) -> Any:
    """A function of the calling module."""
    return 2.0 * values + 1.0


def by_unit(sim: Frame) -> Frame:
    """Rows in the order of the units, as the model keeps them."""
    return sim.iloc[np.argsort(UNITS.get_indexer(sim.index), kind="stable")]


def labels(f: Frames) -> Frame:
    return f.data[f.data["y"].notna()]


def is_level(frame: Frame, column: str, *levels: str) -> Columns:
    return [frame[column] == level for level in levels]


def b_spline(frame: Frame, data: Frame) -> Columns:
    """Cubic, four degrees of freedom: one inner knot at the median of data."""
    x = data["x"]
    ends = [x.min()] * 4, [x.max()] * 4
    knots = np.concatenate([ends[0], [np.quantile(x, 0.5)], ends[1]])
    basis = BSpline.design_matrix(frame["x"].to_numpy(), knots, 3).toarray()
    return list(basis.T[1:])


def natural_spline(frame: Frame, data: Frame) -> Columns:
    """Four knots at quantiles of data; each column is 1 at one of them."""
    knots = np.quantile(data["x"], [0, 1 / 3, 2 / 3, 1])
    spline = CubicSpline(knots, np.eye(4), bc_type="natural")
    return list(spline(frame["x"]).T)


def standardized(frame: Frame, data: Frame) -> Any:
    return (frame["x"] - data["x"].mean()) / data["x"].std(ddof=0)


def sum_coded(frame: Frame, *levels: str) -> Columns:
    *shown, last = levels
    return [1.0 * (frame["g"] == s) - (frame["g"] == last) for s in shown]


@dataclass(frozen=True)
class Formula:
    """
    A right-hand side and what it means.

    Attributes
    ----------
    patsy, formulaic : str or None
        As each engine writes it; None where an engine does not have it.
    columns : callable
        From a frame, and from data, to the columns.
    """

    patsy: str | None
    formulaic: str | None
    columns: Callable[[Frame, Frame], Columns]

    def text(self, engine: str) -> str:
        text = getattr(self, engine)
        if text is None:
            pytest.skip(f"{engine} does not have it")
        return text

    def by_hand(self, frame: Frame, data: Frame) -> np.ndarray:
        columns = [
            np.broadcast_to(np.asarray(c, dtype=float), len(frame))
            for c in self.columns(frame, data)
        ]
        return np.column_stack(columns)


def both(text: str, columns: Callable[[Frame, Frame], Columns]) -> Formula:
    """A formula that both engines write alike."""
    return Formula(text, text, columns)


FORMULAS = {
    "numbers": both("x + z", lambda f, _: [1, f["x"], f["z"]]),
    "product": both("x * z", lambda f, _: [1, f["x"], f["z"], f["x"] * f["z"]]),
    "interaction alone": both("x:z", lambda f, _: [1, f["x"] * f["z"]]),
    "levels": both("g + x", lambda f, _: [1, *is_level(f, "g", "b", "c"), f["x"]]),
    "levels and slopes": both(
        "g * x",
        lambda f, _: [
            *(1, *is_level(f, "g", "b", "c"), f["x"]),
            *(c * f["x"] for c in is_level(f, "g", "b", "c")),
        ],
    ),
    "slopes of levels": both(
        "x:g", lambda f, _: [1, *(c * f["x"] for c in is_level(f, "g", *"abc"))]
    ),
    "levels of two columns": both(
        "g * h",
        lambda f, _: [
            *(1, *is_level(f, "g", "b", "c"), f["h"] == "q"),
            *(c & (f["h"] == "q") for c in is_level(f, "g", "b", "c")),
        ],
    ),
    "treatment contrast": Formula(
        "C(g, Treatment('b'))",
        "C(g, contr.treatment('b'))",
        lambda f, _: [1, *is_level(f, "g", "a", "c")],
    ),
    "treatment contrast, reference by name": both(
        "C(g, Treatment(reference='c')) + x",
        lambda f, _: [1, *is_level(f, "g", "a", "b"), f["x"]],
    ),
    "sum contrast": Formula(
        "C(g, Sum) + z",
        "C(g, contr.sum) + z",
        lambda f, _: [1, *sum_coded(f, *"abc"), f["z"]],
    ),
    "sum contrast, patsy's name": both(
        "C(g, Sum)", lambda f, _: [1, *sum_coded(f, *"abc")]
    ),
    "levels in another order": both(
        "C(g, levels=['c', 'b', 'a'])", lambda f, _: [1, *is_level(f, "g", "b", "a")]
    ),
    "levels of an expression": both(
        "C(g + h)",
        lambda f, _: [
            1,
            *((f["g"] + f["h"]) == v for v in ("aq", "bp", "bq", "cp", "cq")),
        ],
    ),
    "logarithm": both("np.log(x) + z", lambda f, _: [1, np.log(f["x"]), f["z"]]),
    "I()": both("x + I(x ** 2)", lambda f, _: [1, f["x"], f["x"] ** 2]),
    "I() of two columns": both("I(x - z)", lambda f, _: [1, f["x"] - f["z"]]),
    "I() of a comparison": both("I(x > 2.5)", lambda f, _: [1, f["x"] > 2.5]),
    "braces": Formula(None, "x + {x ** 2}", lambda f, _: [1, f["x"], f["x"] ** 2]),
    "braces, a difference": Formula(None, "{x - z}", lambda f, _: [1, f["x"] - f["z"]]),
    "braces, a product": Formula(
        None, "{x * 2} + z", lambda f, _: [1, 2 * f["x"], f["z"]]
    ),
    "braces, a constant taken off": Formula(
        None, "{x - 1}", lambda f, _: [1, f["x"] - 1]
    ),
    "centred": both("center(x)", lambda f, d: [1, f["x"] - d["x"].mean()]),
    "standardised": both("standardize(x)", lambda f, d: [1, standardized(f, d)]),
    "scaled": Formula("scale(x)", None, lambda f, d: [1, standardized(f, d)]),
    "centred product": both(
        "center(x) * g",
        lambda f, d: [
            *(1, *is_level(f, "g", "b", "c"), f["x"] - d["x"].mean()),
            *(c * (f["x"] - d["x"].mean()) for c in is_level(f, "g", "b", "c")),
        ],
    ),
    "centred logarithm": both(
        "center(np.log(x))",
        lambda f, d: [1, np.log(f["x"]) - np.log(d["x"]).mean()],
    ),
    "B-spline": both("bs(x, df=4)", lambda f, d: [1, *b_spline(f, d)]),
    "natural spline": both("cr(x, df=4) - 1", natural_spline),
    "no intercept": both("0 + x + z", lambda f, _: [f["x"], f["z"]]),
    "no intercept, minus one": both("x + z - 1", lambda f, _: [f["x"], f["z"]]),
    "no intercept, levels": both(
        "0 + g + x", lambda f, _: [*is_level(f, "g", *"abc"), f["x"]]
    ),
    "intercept alone": both("1", lambda _, __: [1]),
    "a function of the caller": both(
        "double(x) + z", lambda f, _: [1, 2 * f["x"] + 1, f["z"]]
    ),
    "a number of the caller": both(
        "I(x * factor) + np.log(x + shift)",
        lambda f, _: [1, 2.5 * f["x"], np.log(f["x"] + 3)],
    ),
    "knots of the caller": both(
        "bs(x, knots=inner, degree=1)",
        lambda f, d: [
            1,
            *np.transpose(
                [
                    np.interp(f["x"], [d["x"].min(), 2.0, 3.0, d["x"].max()], one)
                    for one in np.eye(4)[1:]
                ]
            ).T,
        ],
    ),
    "Q()": both("Q('odd name') + x", lambda f, _: [1, f["odd name"], f["x"]]),
    "Q() in a function": both(
        "I(Q('odd name') ** 2)", lambda f, _: [1, f["odd name"] ** 2]
    ),
    "backticks": Formula(
        None, "`odd name` + x", lambda f, _: [1, f["odd name"], f["x"]]
    ),
    "method of a column": both("x.clip(2, 3)", lambda f, _: [1, f["x"].clip(2, 3)]),
    "boolean column": both("b + x", lambda f, _: [1, f["b"], f["x"]]),
    "boolean column as levels": both("C(b)", lambda f, _: [1, f["b"]]),
    "categorical column": both(
        "size + x", lambda f, _: [1, f["size"] == "large", f["x"]]
    ),
}


@pytest.fixture
def frames() -> Frames:
    return make_frames()


def model_of(
    f: Frames, right: str, engine: str, left: str = "y", **options: Any
) -> AugmentedGMM:
    """Both sources; the namespace has what formulas of this module use."""
    names = {"np": np, "double": double, "factor": 2.5, "shift": 3.0}
    names["inner"] = np.array([2.0, 3.0])
    options.setdefault("proxy", {"llm": f.llm})
    options.setdefault("synthetic", {"sim": f.sim})
    return AugmentedGMM.from_formula(
        f"{left} ~ {right}",
        options.pop("data", f.data),
        engine=engine,
        eval_env=names,
        **options,
    )


def engine_design(right: str, data: Frame, engine: str) -> np.ndarray:
    """The engine's own design matrix, without this package."""
    names = {"np": np, "double": double, "factor": 2.5, "shift": 3.0}
    names["inner"] = np.array([2.0, 3.0])
    if engine == "formulaic":
        return np.asarray(formulaic.model_matrix(right, data, context=names), float)
    environment = patsy.EvalEnvironment([names])
    return np.asarray(patsy.dmatrix(right, data, eval_env=environment), float)


def in_any_order(matrix: np.ndarray) -> np.ndarray:
    """Columns sorted, so that matrices can be compared as sets of columns."""
    return matrix[:, np.lexsort(np.round(matrix, 9))]


# What the formula means


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FORMULAS)
def test_design_is_learned_on_data_and_applied_to_sources(
    frames: Frames, name: str, engine: str
) -> None:
    formula = FORMULAS[name]
    model = model_of(frames, formula.text(engine), engine)
    llm, sim = model.aligned.sources
    assert (llm.name, sim.name) == ("llm", "sim")
    close = {"rtol": 1e-10, "atol": 1e-10}
    by_hand = formula.by_hand(labels(frames), frames.data)
    np.testing.assert_allclose(model.exog, by_hand, **close)
    by_hand = formula.by_hand(frames.data, frames.data)
    np.testing.assert_allclose(llm.exog, by_hand, **close)
    by_hand = formula.by_hand(by_unit(frames.sim), frames.data)
    np.testing.assert_allclose(sim.exog, by_hand, **close)
    np.testing.assert_array_equal(model.endog, labels(frames)["y"])
    np.testing.assert_array_equal(sim.endog, by_unit(frames.sim)["y"])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FORMULAS)
def test_one_step_is_the_glm_of_the_labels(
    frames: Frames, name: str, engine: str
) -> None:
    right = FORMULAS[name].text(engine)
    family = sm.families.Gamma(sm.families.links.Log())
    result = model_of(frames, right, engine, family=family).fit(maxiter=1)
    exog = engine_design(right, frames.data, engine)[frames.data["y"].notna()]
    glm = sm.GLM(labels(frames)["y"].to_numpy(), exog, family=family).fit(tol=1e-14)
    np.testing.assert_allclose(
        in_any_order(result.model.exog), in_any_order(exog), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        result.predict(), glm.fittedvalues, rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(
        np.sort(np.asarray(result.params)), np.sort(glm.params), rtol=1e-7, atol=1e-9
    )


@pytest.mark.parametrize(
    "name", [n for n, f in FORMULAS.items() if f.patsy and f.formulaic]
)
def test_both_engines_give_the_same_numbers(frames: Frames, name: str) -> None:
    formula = FORMULAS[name]
    one, other = (model_of(frames, formula.text(e), e).fit() for e in ENGINES)
    np.testing.assert_allclose(one.model.exog, other.model.exog, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(one.bse, other.bse, rtol=1e-10)
    np.testing.assert_allclose(one.jtest()[0], other.jtest()[0], rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_learned_on_data_where_data_is_the_labels_alone(
    frames: Frames, engine: str
) -> None:
    data = labels(frames)
    model = model_of(frames, "center(x) + g", engine, data=data, proxy=None)
    units = data.index.append(frames.sim.index[~frames.sim.index.isin(data.index)])
    place = units.unique().get_indexer(frames.sim.index)
    sim = frames.sim.iloc[np.argsort(place, kind="stable")]
    by_hand = FORMULAS["centred"].by_hand(sim, data)[:, 1]
    column = list(model.exog_names).index("center(x)")
    np.testing.assert_allclose(
        model.aligned.sources[0].exog[:, column], by_hand, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_learned_on_every_row_of_data_with_regressors(
    frames: Frames, engine: str
) -> None:
    """Labelled or not; a row without x teaches nothing."""
    data = frames.data.copy()
    gaps = data.index[::7]
    data.loc[gaps, "x"] = np.nan
    model = model_of(frames, "center(x)", engine, data=data)
    known = data["x"].notna() & data["y"].notna()
    np.testing.assert_allclose(
        model.exog[:, 1], data.loc[known, "x"] - data["x"].mean(), atol=1e-12
    )


# The left side


LEFT = {
    "np.log(y)": np.log,
    "I(y / 2)": lambda y: y / 2,
    "np.sqrt(y)": np.sqrt,
    "double(y)": double,
    "Q('y')": lambda y: y,
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("left", LEFT)
def test_left_side_is_transformed_alike(frames: Frames, left: str, engine: str) -> None:
    result = model_of(frames, "x + g", engine, left).fit(maxiter=1)
    transform = LEFT[left]
    np.testing.assert_allclose(
        result.model.endog, transform(labels(frames)["y"]), rtol=1e-14
    )
    llm, sim = result.model.aligned.sources
    np.testing.assert_allclose(llm.endog, transform(frames.llm["y"]), rtol=1e-14)
    np.testing.assert_allclose(
        sim.endog, transform(by_unit(frames.sim)["y"]), rtol=1e-14
    )
    ols = sm.OLS(transform(labels(frames)["y"].to_numpy()), result.model.exog).fit()
    np.testing.assert_allclose(result.params, ols.params, rtol=1e-9)
    assert "y" in result.model.endog_names
    assert result.model.endog_names in str(result.summary())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("left", ["I((y > 3) * 1)", "np.where(y > 3, 1, 0)"])
def test_left_side_is_a_comparison(frames: Frames, left: str, engine: str) -> None:
    family = sm.families.Binomial()
    result = model_of(frames, "x", engine, left, family=family).fit(maxiter=1)
    above = (labels(frames)["y"] > 3).to_numpy(float)
    np.testing.assert_array_equal(result.model.endog, above)
    np.testing.assert_array_equal(
        result.model.aligned.sources[0].endog, frames.llm["y"] > 3
    )
    glm = sm.GLM(above, result.model.exog, family=family).fit(tol=1e-14)
    np.testing.assert_allclose(result.params, glm.params, rtol=1e-8)


@pytest.mark.parametrize("engine", ENGINES)
def test_left_side_is_centred_as_it_was_on_the_labels(
    frames: Frames, engine: str
) -> None:
    model = model_of(frames, "x", engine, "center(y)")
    mean = labels(frames)["y"].mean()
    np.testing.assert_allclose(
        model.aligned.sources[0].endog, frames.llm["y"] - mean, rtol=1e-12
    )


# Types of columns


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("x", "Float64"),
        ("z", "Float32"),
        ("count", "Int64"),
        ("count", "int8"),
        ("count", "boolean"),
        ("b", "boolean"),
        ("b", "object"),
        ("b", "int64"),
        ("g", "string"),
        ("g", "category"),
        ("g", "object"),
        ("x", "object"),
    ],
)
@pytest.mark.parametrize("where", ["data", "sim"])
def test_type_of_a_column_does_not_matter(
    frames: Frames, column: str, dtype: str, engine: str, where: str
) -> None:
    data, sim = (
        d.assign(count=(d["z"] > 1).astype(int)).astype({"z": np.float32})
        for d in (frames.data, frames.sim)
    )
    right = "x + z + g + b + count"
    expected = model_of(Frames(data, frames.llm, sim), right, engine)
    if where == "data":
        data = data.astype({column: dtype})
    else:
        sim = sim.astype({column: dtype})
    actual = model_of(Frames(data, frames.llm, sim), right, engine)
    # patsy puts booleans before numbers.
    pairs = [(actual, expected)]
    pairs += zip(actual.aligned.sources, expected.aligned.sources, strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(in_any_order(one.exog), in_any_order(other.exog))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", ["Float64", "Int64", "Float32", "boolean", "object"])
def test_type_of_the_outcome_does_not_matter(
    frames: Frames, dtype: str, engine: str
) -> None:
    data = frames.data.assign(y=(frames.data["y"] > 3).where(frames.data["y"].notna()))
    data = data.astype({"y": float})
    llm, sim = (d.assign(y=(d["y"] > 3) * 1.0) for d in (frames.llm, frames.sim))
    expected = model_of(Frames(data, llm, sim), "x", engine)
    actual = model_of(
        Frames(*(d.astype({"y": dtype}) for d in (data, llm, sim))), "x", engine
    )
    np.testing.assert_array_equal(actual.endog, expected.endog)
    for one, other in zip(
        actual.aligned.sources, expected.aligned.sources, strict=True
    ):
        np.testing.assert_array_equal(one.endog, other.endog)
        np.testing.assert_array_equal(one.units, other.units)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        *(("x", "Float64"), ("x", "float64"), ("z", "Int64"), ("b", "boolean")),
        *(("b", "object"), ("g", "string"), ("g", "category"), ("g", "object")),
    ],
)
def test_missing_values_of_any_type_leave_rows_out(
    frames: Frames, column: str, dtype: str, engine: str
) -> None:
    frames.data["z"] = frames.data["z"].round()
    frames.sim["z"] = frames.sim["z"].round()
    right = "x + z + g + b"
    unlabeled = frames.data.index[frames.data["y"].isna()]
    out = frames.sim.index.isin(unlabeled[::9])
    expected = model_of(
        Frames(frames.data, frames.llm, frames.sim[~out]), right, engine
    )
    sim = frames.sim.astype({column: dtype})
    sim.loc[out, column] = None if dtype in ("object", "category") else pd.NA
    actual = model_of(Frames(frames.data, frames.llm, sim), right, engine)
    one, other = actual.aligned.sources[1], expected.aligned.sources[1]
    np.testing.assert_allclose(one.exog, other.exog, rtol=1e-15)
    np.testing.assert_array_equal(one.units, other.units)
    assert one.n_dropped == out.sum()


@pytest.mark.parametrize("engine", ENGINES)
def test_levels_of_a_source_may_come_in_another_order(
    frames: Frames, engine: str
) -> None:
    expected = model_of(frames, "size + g", engine)
    sim = frames.sim.assign(
        size=frames.sim["size"].cat.reorder_categories(["large", "small"]),
        g=pd.Categorical(frames.sim["g"], ["c", "unused", "b", "a"]),
    )
    actual = model_of(Frames(frames.data, frames.llm, sim), "size + g", engine)
    np.testing.assert_array_equal(
        actual.aligned.sources[1].exog, expected.aligned.sources[1].exog
    )


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.CoverageWarning")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_source_without_one_of_the_levels(frames: Frames, engine: str) -> None:
    """The other columns stay where they are; only then are they collinear."""
    sim = frames.sim[frames.sim["g"] != "b"]
    with pytest.raises(SynthError, match=r"Source 'sim'.*'g\[T.b\]'"):
        model_of(Frames(frames.data, frames.llm, sim), "g", engine)


# Terms that are refused


ROW_DEPENDENT = [
    "I(x - np.mean(x))",
    "I(x - x.mean())",
    "I(x / np.std(x))",
    "np.argsort(x)",
    "I(x.rank())",
    "np.cumsum(x)",
    "I((x == np.max(x)) * 1)",
    "g:I(x - np.mean(x))",
    "double(x - np.median(x))",
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("term", ROW_DEPENDENT)
def test_terms_that_depend_on_other_rows_are_refused(
    frames: Frames, term: str, engine: str
) -> None:
    with pytest.raises(FormulaError, match="depends on which other rows") as raised:
        model_of(frames, f"z + {term}", engine)
    assert "center()" in str(raised.value)


def test_braces_that_depend_on_other_rows_are_refused(frames: Frames) -> None:
    with pytest.raises(FormulaError, match="depends on which other rows"):
        model_of(frames, "{x - np.mean(x)}", "formulaic")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("left", ["I(y - np.mean(y))", "I(y.rank())"])
def test_left_sides_that_depend_on_other_rows_are_refused(
    frames: Frames, left: str, engine: str
) -> None:
    with pytest.raises(FormulaError, match="depends on which other rows"):
        model_of(frames, "x", engine, left)


ARRAYS = {
    "array": lambda f: f.data["x"].to_numpy(),
    "Series": lambda f: f.data["x"],
    "list": lambda f: list(f.data["x"]),
    "tuple": lambda f: tuple(f.data["x"]),
    "Index": lambda f: pd.Index(f.data["x"]),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("term", "kind"),
    [
        *(("other", kind) for kind in ARRAYS),
        *(("I(x * other)", "array"), ("np.log(other)", "Series"), ("x:other", "list")),
        *(("np.multiply(x, other)", "array"), ("np.where(x > 2, other, x)", "Series")),
    ],
)
def test_an_array_of_the_caller_is_not_a_variable(
    frames: Frames, term: str, kind: str, engine: str
) -> None:
    names = {"np": np, "other": ARRAYS[kind](frames)}
    with pytest.raises(FormulaError) as raised:
        AugmentedGMM.from_formula(
            f"y ~ x + {term}",
            frames.data,
            proxy=frames.llm,
            engine=engine,
            eval_env=names,
        )
    assert "'other'" in str(raised.value)
    assert "make it a column" in str(raised.value)


# Where names come from


@pytest.mark.parametrize("engine", ENGINES)
def test_names_of_the_calling_function(frames: Frames, engine: str) -> None:
    power = 3

    def cube(values: Any) -> Any:
        return values**power

    model = AugmentedGMM.from_formula(
        "y ~ cube(x) + I(z * power) + double(x)",
        frames.data,
        proxy=frames.llm,
        engine=engine,
    )
    data = labels(frames)
    by_hand = np.column_stack(
        [np.ones(N), data["x"] ** 3, 3 * data["z"], double(data["x"])]
    )
    np.testing.assert_allclose(model.exog, by_hand, rtol=1e-13)


@pytest.mark.parametrize("engine", ENGINES)
def test_names_of_the_caller_of_the_calling_function(
    frames: Frames, engine: str
) -> None:
    power = 3

    def wrapper(**options: Any) -> AugmentedGMM:
        return AugmentedGMM.from_formula(
            "y ~ I(x ** power)",
            frames.data,
            proxy=frames.llm,
            engine=engine,
            **options,
        )

    model = wrapper(eval_env=1)
    np.testing.assert_allclose(model.exog[:, 1], labels(frames)["x"] ** power)
    with pytest.raises(FormulaError, match="'power'"):
        wrapper()
    with pytest.raises(FormulaError, match="'power'"):
        wrapper(eval_env=-1)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_column_comes_before_a_name_of_the_caller(
    frames: Frames, engine: str
) -> None:
    expected = model_of(frames, "x + z", engine)
    x = "something else"  # noqa: F841
    actual = AugmentedGMM.from_formula(
        "y ~ x + z", frames.data, proxy=frames.llm, engine=engine
    )
    np.testing.assert_array_equal(actual.exog, expected.exog)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_name_that_changes_afterwards_does_not_matter(
    frames: Frames, engine: str
) -> None:
    names: dict[str, Any] = {"factor": 2.0}
    result = AugmentedGMM.from_formula(
        "y ~ I(x * factor)",
        frames.data,
        proxy=frames.llm,
        engine=engine,
        eval_env=names,
    ).fit()
    expected = result.predict(frames.data)
    names["factor"] = -7.0
    np.testing.assert_array_equal(result.predict(frames.data), expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_of_statsmodels_is_the_default(
    frames: Frames, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", engine)
    model = AugmentedGMM.from_formula("y ~ g * x", frames.data, proxy=frames.llm)
    assert model.engine == engine
    np.testing.assert_array_equal(model.exog, model_of(frames, "g * x", engine).exog)


@pytest.mark.parametrize("ordering", ["degree", "sort", "none", "legacy"])
def test_an_order_of_terms_does_not_mix_up_columns(
    frames: Frames, ordering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """statsmodels' option moves columns; labels and sources must move alike."""
    monkeypatch.setattr(statsmodels.formula.options, "ordering", ordering)
    model = model_of(frames, "z + g + x + x:g", "formulaic")
    monkeypatch.undo()
    expected = model_of(frames, "z + g + x + x:g", "formulaic")

    def factors(names: list[str]) -> list[str]:  # x:g and g:x are the same term
        return [":".join(sorted(name.split(":"))) for name in names]

    own, other_names = factors(model.exog_names), factors(expected.exog_names)
    assert sorted(own) == sorted(other_names)
    order = [own.index(name) for name in other_names]
    np.testing.assert_array_equal(model.exog[:, order], expected.exog)
    for one, other in zip(model.aligned.sources, expected.aligned.sources, strict=True):
        np.testing.assert_array_equal(one.exog[:, order], other.exog)


# Predictions


def new_frame(f: Frames) -> Frame:
    """Rows of other units, some of them incomplete."""
    rng = np.random.default_rng(3)
    frame = f.sim.iloc[:40].assign(x=rng.uniform(1.5, 3.5, 40)).drop(columns="y")
    frame = frame.set_axis([f"new{k}" for k in range(40)])
    frame.loc["new3", "x"] = np.nan
    frame.loc[["new5", "new6"], "g"] = None
    return frame


PREDICTED = ["x * g", "center(x) + g", "bs(x, df=4) + g", "double(x) + C(g, Sum)"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("right", PREDICTED)
def test_predictions_of_new_rows(frames: Frames, right: str, engine: str) -> None:
    result = model_of(frames, right, engine).fit()
    frame = new_frame(frames)
    predicted = result.predict(frame)
    assert list(predicted.index) == list(frame.index)
    assert list(predicted.index[predicted.isna()]) == ["new3", "new5", "new6"]
    # Each row means the same on its own.
    some = frame.index[:8]
    one_by_one = [float(result.predict(frame.loc[[unit]]).iloc[0]) for unit in some]
    np.testing.assert_allclose(predicted[some], one_by_one, rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_predictions_by_hand(frames: Frames, engine: str) -> None:
    frame = new_frame(frames).dropna()
    for name in ("centred product", "B-spline", "sum contrast"):
        formula = FORMULAS[name]
        result = model_of(frames, formula.text(engine), engine).fit()
        exog = formula.by_hand(frame, frames.data)
        np.testing.assert_allclose(
            result.predict(frame), exog @ np.asarray(result.params), rtol=1e-9
        )
        np.testing.assert_allclose(
            result.predict(exog, transform=False), result.predict(frame), rtol=1e-9
        )


@pytest.mark.parametrize("engine", ENGINES)
def test_predictions_of_the_rows_of_data(frames: Frames, engine: str) -> None:
    family = sm.families.Gamma(sm.families.links.Log())
    result = model_of(frames, "g * np.log(x)", engine, family=family).fit()
    predicted = result.predict(frames.data)
    np.testing.assert_allclose(
        predicted[frames.data["y"].notna()], result.fittedvalues, rtol=1e-12
    )
    linear = result.predict(frames.data, which="linear")
    np.testing.assert_allclose(np.exp(linear), predicted, rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "rows",
    [
        {"x": 2.0, "g": "b"},
        {"x": [2.0], "g": ["b"]},
        pd.Series({"x": 2.0, "g": "b"}),
        Frame({"g": ["b"], "unused": [0], "x": [2]}),
        Frame({"g": pd.Categorical(["b"]), "x": pd.array([2], "Int64")}),
    ],
    ids=["scalars", "lists", "Series", "other columns", "other types"],
)
def test_forms_of_rows_to_predict(frames: Frames, rows: Any, engine: str) -> None:
    result = model_of(frames, "x + g", engine).fit()
    by_hand = np.asarray(result.params) @ [1.0, 1.0, 0.0, 2.0]
    assert list(result.model.exog_names)[1:] == ["g[T.b]", "g[T.c]", "x"]
    np.testing.assert_allclose(np.ravel(result.predict(rows)), [by_hand], rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_intervals_of_predictions(frames: Frames, engine: str) -> None:
    formula = FORMULAS["centred product"]
    result = model_of(frames, formula.text(engine), engine).fit()
    frame = new_frame(frames)
    table = result.get_prediction(frame).summary_frame()
    missing = ["new3", "new5", "new6"]
    assert list(table.index) == list(frame.index)
    assert list(table.index[table.isna().all(axis=1)]) == missing
    assert list(table.index[table.isna().any(axis=1)]) == missing
    exog = formula.by_hand(frame.dropna(), frames.data)
    se = np.sqrt(np.einsum("ij,jk,ik->i", exog, np.asarray(result.cov_params()), exog))
    table = table.dropna()
    mean = exog @ np.asarray(result.params)
    np.testing.assert_allclose(table["predicted"], mean, rtol=1e-9)
    np.testing.assert_allclose(table["se"], se, rtol=1e-8)
    if not result.use_t:
        np.testing.assert_allclose(
            table["ci_lower"], mean - 1.959963985 * se, rtol=1e-8
        )


# Tests of terms


def slices(names: list[str], terms: dict[str, str]) -> dict[str, np.ndarray]:
    """Positions of the columns of each term, from the names of the columns."""

    def term_of(name: str) -> str:
        return ":".join(part.split("[")[0] for part in name.split(":"))

    return {
        shown: np.flatnonzero([term_of(name) == term for name in names])
        for shown, term in terms.items()
    }


@pytest.mark.parametrize("other", ENGINES)
@pytest.mark.parametrize("engine", ENGINES)
def test_wald_test_of_every_term(
    frames: Frames, engine: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where statsmodels' engine has changed since."""
    result = model_of(frames, "g * x + h", engine).fit()
    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", other)
    table = result.wald_test_terms(scalar=True).table
    assert statsmodels.formula.options.formula_engine == other
    constant = "Intercept" if engine == "patsy" else "1"
    interaction = next(name for name in table.index if ":" in name)
    assert set(table.index) == {constant, "g", "x", "h", interaction}
    names = list(result.model.exog_names)
    by_term = slices(names, {"g": "g", "x": "x", "h": "h", constant: "Intercept"})
    by_term[interaction] = np.flatnonzero([":" in name for name in names])
    for term, columns in by_term.items():
        expected = result.wald_test(np.eye(len(names))[columns], scalar=True)
        np.testing.assert_allclose(table.loc[term, "statistic"], expected.statistic)
        np.testing.assert_allclose(table.loc[term, "pvalue"], expected.pvalue)
        assert table.loc[term, "df_constraint"] == len(columns)


@pytest.mark.parametrize("engine", ENGINES)
def test_hypotheses_in_words(frames: Frames, engine: str) -> None:
    result = model_of(frames, "g + x", engine).fit()
    in_words = result.t_test("g[T.b] - g[T.c] = 0, x = 0.5")
    in_numbers = result.t_test(([[0, 1, -1, 0], [0, 0, 0, 1]], [0, 0.5]))
    np.testing.assert_allclose(in_words.tvalue, in_numbers.tvalue, rtol=1e-12)
    joint = result.wald_test("g[T.b] = 0, g[T.c] = 0", scalar=True)
    terms = result.wald_test_terms(scalar=True).table
    np.testing.assert_allclose(terms.loc["g", "statistic"], joint.statistic)


@pytest.mark.parametrize("engine", ENGINES)
def test_pairs_of_levels(frames: Frames, engine: str) -> None:
    result = model_of(frames, "g + x", engine).fit()
    pairs = result.t_test_pairwise("g").result_frame
    params = np.asarray(result.params)
    np.testing.assert_allclose(
        pairs["coef"], [params[1], params[2], params[2] - params[1]], rtol=1e-9
    )


# Pickles


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("right", "changed"),
    [
        *(("x * g", True), ("center(x) + C(g, Sum)", False), ("bs(x, df=4)", False)),
        *(("double(x)", False), ("I(x * factor)", False), ("size + b", False)),
    ],
)
def test_a_pickle_predicts_the_same(
    frames: Frames,
    right: str,
    changed: bool,
    engine: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = ENGINES[engine == ENGINES[0]] if changed else engine
    result = model_of(frames, right, engine).fit()
    expected = result.predict(new_frame(frames))
    blob = pickle.dumps(result)
    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", other)
    loaded = pickle.loads(blob)
    np.testing.assert_array_equal(loaded.params, result.params)
    np.testing.assert_array_equal(loaded.predict(new_frame(frames)), expected)
    np.testing.assert_array_equal(
        loaded.wald_test_terms(scalar=True).table["statistic"],
        result.wald_test_terms(scalar=True).table["statistic"],
    )
    assert str(loaded.summary().tables[1]) == str(result.summary().tables[1])
    assert loaded.model.engine == engine


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pickle_of_the_model_fits_the_same(frames: Frames, engine: str) -> None:
    model = model_of(frames, "center(x) * g", engine)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.fit().params, model.fit().params)
    assert loaded.formula == model.formula


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pickle_without_the_function_keeps_the_numbers(
    frames: Frames, engine: str
) -> None:
    """A lambda cannot be pickled: only evaluating the formula needs it."""
    result = AugmentedGMM.from_formula(
        "y ~ square(x)",
        frames.data,
        proxy=frames.llm,
        engine=engine,
        eval_env={"square": lambda v: v**2},
    ).fit()
    loaded = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(loaded.params, result.params)
    np.testing.assert_allclose(
        loaded.predict(np.array([[1.0, 4.0]]), transform=False),
        result.predict(Frame({"x": [2.0]})),
    )
    with pytest.raises(FormulaError, match="square"):
        loaded.predict(Frame({"x": [2.0]}))


@pytest.mark.parametrize("engine", ENGINES)
def test_no_warning_of_an_engine_reaches_the_user(frames: Frames, engine: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = model_of(frames, "size + g * b + bs(x, df=4)", engine).fit()
        result.predict(new_frame(frames))
        result.wald_test_terms(scalar=True)
    assert [str(w.message) for w in caught] == []

"""What means something else in other packages' formulas is refused, with advice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import FormulaError

N = 200
ENGINES = ("patsy", "formulaic")
GROUPS = r"write C\({0}\).*cov_type='cluster', cov_kwds={{'groups': '{0}'}}"


def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Data and proxy; z, k and w are whole numbers, b is True or False."""
    rng = np.random.default_rng(16)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "z": rng.integers(1, 9, N),
            "k": rng.integers(0, 2, N),
            "w": rng.integers(1, 9, N),
            "b": rng.random(N) < 0.5,
            "g": rng.choice(list("abc"), N),
        }
    )
    data["y"] = data["x"] + data["z"] + rng.normal(size=N)
    proxy = data.assign(y=data["y"] + rng.normal(size=N))
    data.loc[N // 2 :, "y"] = np.nan
    return data, proxy


def made(formula: str, engine: str) -> AugmentedGMM:
    """The model, with names that are no functions among those of the caller."""
    i = s = 1  # noqa: F841
    data, proxy = frames()
    return AugmentedGMM.from_formula(formula, data, proxy=proxy, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("formula", "advice"),
    [
        ("y ~ x + (1 | g)", GROUPS.format("g")),
        ("y ~ x + (1 | z)", GROUPS.format("z")),
        ("y ~ x || z", GROUPS.format("z")),
        ("y ~ x + cluster(z)", GROUPS.format("z")),
        ("y ~ z & k", "a:b, with main effects a"),
        ("y ~ z && k", "a:b, with main effects a"),
        ("y ~ I(z | k)", r"bits of z.*I\(\(z > 0\) \| \(b > 0\)\)"),
        ("y ~ I(b | k)", "bits of k"),
        ("y ~ I((z + 1) & b)", r"bits of z \+ 1"),
        ("y ~ I(~k)", r"bits of k.*Write I\(k == 0\)"),
        ("y ~ np.log(z ^ 2)", "bits of z.*Write \\*\\* for a power"),
        ("I(z ^ 2) ~ x", "bits of z"),
        ("y ~ x ^ 2", r"of x alone nothing\. Write I\(x \*\* 2\)"),
        ("y ~ x**2", r"of x alone nothing\. Write I\(x \*\* 2\)"),
        ("y ~ np.exp(x)**2", r"Write I\(np.exp\(x\) \*\* 2\)"),
        ("y ~ (x)**2", "alone nothing"),
        ("y ~ x - z", r"Write I\(x - z\)"),
        ("y ~ w + (x - z)", r"Write I\(x - z\)"),
        ("y ~ -x", r"Write I\(-x\)"),
        ("y - z ~ x", r"Write I\(y - z\)"),
        ("y**2 ~ x", r"Write I\(y\*\*2\)"),
        ("y + 1 ~ x", r"Write I\(y \+ 1\)"),
        ("y ~ x / 10", r"the number 10 is no term.*I\(x / 10\)"),
        ("y ~ 2*x", "the number 2 is no term"),
        ("y ~ x - 5", "the number 5 is no term"),
        ("y ~ s(x)", r"bs\(x, df=4\), or cr\(x, df=4, constraints='center'\)"),
        ("y ~ te(x, z)", r"bs\(x, df=4\)"),
        ("y ~ ns(x, 3)", r"bs\(x, df=4\)"),
        ("y ~ x + offset(z)", "Give offset='z' to from_formula"),
        ("y ~ factor(g)", r"Write C\(g\)"),
        ("y ~ as.factor(g)", r"Write C\(g\)"),
        ("y ~ i(g)", r"Write C\(g\)"),
        ("y ~ sqrt(z)", r"Write np.sqrt\(\.\.\.\)"),
        ("y ~ lag(x)", "order of rows"),
        ("y ~ cut(x, 3)", "Compute the column beforehand"),
        ("y ~ x, weights=w", "weights=, offset= .* of from_formula"),
        ("y ~ .", "Name them"),
        ("y ~ ~b", r"2 tildes.*a logical not is I\(~a\)"),
        ("y ~ x ~ z", "2 tildes"),
        ("y ~", "needs an outcome and regressors"),
    ],
)
def test_refused_with_what_to_write(formula: str, advice: str, engine: str) -> None:
    with pytest.raises(FormulaError, match=advice):
        made(formula, engine)


@pytest.mark.parametrize(
    ("formula", "engine", "advice"),
    [
        ("y ~ log(z)", "patsy", r"Write np.log\(\.\.\.\)"),
        ("y ~ poly(x, 2)", "patsy", r"x \+ I\(x\*\*2\), or choose engine='formulaic'"),
        ("y ~ (x + z)^2", "patsy", "Write \\*\\* instead"),
        ("y ~ x %in% z", "patsy", "Write a:b"),
        ("y ~ `x`", "patsy", r"Write Q\('x'\)"),
        ("y ~ {x * 2}", "patsy", r"Write I\(\.\.\.\)"),
        ("y ~ x > 0", "formulaic", r"Write I\(a > b\)"),
        ("y ~ x % 2", "formulaic", r"Write I\(a % b\)"),
    ],
)
def test_of_one_engine(formula: str, engine: str, advice: str) -> None:
    with pytest.raises(FormulaError, match=advice):
        made(formula, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("formula", "columns"),
    [
        ("y ~ I((x > 0) | (z > 2))", [lambda d: (d.x > 0) | (d.z > 2)]),
        ("y ~ I(b & ~(k == 1))", [lambda d: d.b & (d.k != 1)]),
        ("y ~ I(~b)", [lambda d: ~d.b]),
        ("y ~ I(x - z) + I(x / 10)", [lambda d: d.x - d.z, lambda d: d.x / 10]),
        ("y ~ I(x**2)", [lambda d: d.x**2]),
        ("y ~ (x + z)**2 - x:z", [lambda d: d.x, lambda d: d.z]),
        ("y ~ x*z - z - x", [lambda d: d.x * d.z]),
        ("y ~ I(z == 1) + x", [lambda d: d.z == 1, lambda d: d.x]),
        ("I(y - z) ~ x", [lambda d: d.x]),
        ("y ~ 1 + x", [lambda d: d.x]),
    ],
)
def test_what_is_right_stays(formula: str, columns: list[Any], engine: str) -> None:
    model = made(formula, engine)
    data = frames()[0][: N // 2]
    wanted = [np.ones(N // 2), *(np.asarray(c(data), dtype=float) for c in columns)]
    for column in wanted:
        differ = np.abs(model.exog - column[:, None]).max(axis=0)
        assert differ.min() < 1e-12, model.exog_names


@pytest.mark.parametrize("formula", ["y ~ x % 2 + z", "y ~ z > 3 + x", "y ~ z // 2"])
def test_python_of_patsy_stays(formula: str) -> None:
    assert made(formula, "patsy").exog.shape[1] == 2 + ("+" in formula)


def test_without_a_constant() -> None:
    for formula in ("y ~ x - 1", "y ~ 0 + x", "y ~ -1 + x", "y ~ x + 0"):
        for engine in ENGINES:
            assert made(formula, engine).exog_names == ["x"]


def test_a_function_of_the_caller_goes_first() -> None:
    def factor(values: pd.Series) -> pd.Series:
        return 2 * values

    data, proxy = frames()
    model = AugmentedGMM.from_formula("y ~ factor(x)", data, proxy=proxy)
    np.testing.assert_allclose(model.exog[:, 1], 2 * data["x"][: N // 2])


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
@pytest.mark.parametrize(
    ("right", "write"),
    [
        ("x * -1", "I(x * -1)"),
        ("(-1)*x", "I(-1 * x)"),
        ("-1*x", "I(-1 * x)"),
        ("x*0 + z", "I(x * 0)"),
        ("z + 1/x", "I(1 / x)"),
        ("x - -z", "I(x - -z)"),
        ("z + x/1", "I(x / 1)"),
        ("(x + 1):z", "I((x + 1) * z)"),
        ("(x - 1)/z", "I((x - 1) / z)"),
        ("x + -z", "I(-z)"),
        ("x + -1", "I(-1)"),
    ],
)
def test_numbers_that_compute_nothing(engine: Any, right: str, write: str) -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame(rng.normal(size=(90, 3)), columns=["x", "z", "y"])
    data["guess"] = data["y"] + rng.normal(size=90)
    with pytest.raises(FormulaError) as caught:
        AugmentedGMM.from_formula(
            f"y ~ {right}", data, proxy={"y": "guess"}, engine=engine
        )
    assert f"Write {write} for the value." in str(caught.value)


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_constants_of_functions(engine: Any) -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame(rng.normal(size=(300, 2)), columns=["x", "y"])
    data["age"] = rng.integers(18, 90, 300)
    data["guess"] = data["y"] + rng.normal(size=300)
    data.loc[200:, "y"] = np.nan
    cuts, other = [-9.0, 0.0, 9.0], np.ones(300)

    def fitted(right: str, **columns: Any) -> Any:
        return AugmentedGMM.from_formula(
            f"y ~ {right}",
            data.assign(**columns),
            proxy={"y": "guess"},
            engine=engine,
            eval_env={"np": np, "cuts": cuts, "other": other},
        ).fit()

    wanted = fitted("h", h=(data["x"] > 0) + 1.0).params
    assert other.size == len(data)
    found = fitted("np.digitize(x, cuts)").params
    np.testing.assert_allclose(found, wanted, rtol=1e-8)
    with pytest.raises(FormulaError, match="'other' in the formula"):
        fitted("np.maximum(x, other)")
    odd = fitted("odd", odd=data["age"] % 2.0).params
    np.testing.assert_allclose(fitted("I(age & 1)").params, odd, rtol=1e-8)
    if engine == "formulaic":  # patsy has no lambda
        square = fitted("s", s=data["x"] ** 2).params
        found = fitted("x.apply(lambda v: v * v)").params
        np.testing.assert_allclose(found, square, rtol=1e-8)

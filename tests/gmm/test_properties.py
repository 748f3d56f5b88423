"""What must not change the numbers, for any data that Hypothesis comes up with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import CollinearSourceWarning
from statsmodels_synth.gmm.moments import moment_blocks, moment_sums
from tests.reference import dense

KINDS = st.sampled_from(["gaussian", "binomial", "poisson"])
SEEDS = st.integers(0, 10_000)
# Sums in another order differ by rounding, and the solver stops when its steps are
# below 1e-7 and applies the last one, which leaves errors of some 1e-10.
CLOSE: dict[str, Any] = {"rtol": 1e-7, "atol": 1e-9}


def frames(problem: dense.Problem) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """The problem as data frames: labels, and one frame per source."""
    units = pd.Index([f"u{t:04d}" for t in range(len(problem.y))])
    columns = [f"x{j}" for j in range(1, problem.x.shape[1])]

    def frame(y: np.ndarray, x: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(x[:, 1:], units, columns).assign(y=y)

    labels = frame(problem.y, problem.x)[problem.labeled]
    return labels, {f"s{m}": frame(*s) for m, s in enumerate(problem.sources)}


def fit(
    labels: pd.DataFrame, sources: dict[str, pd.DataFrame], family: Any, **kwargs: Any
) -> Any:
    """Two-step fit of y on all x."""
    formula = "y ~ " + " + ".join(c for c in labels if c.startswith("x"))
    model = AugmentedGMM.from_formula(
        formula, labels, synthetic=sources, family=family, **kwargs
    )
    return model.fit()


def assert_same(one: Any, other: Any) -> None:
    """Same parameters, covariance and J."""
    np.testing.assert_allclose(one.params, other.params, **CLOSE)
    np.testing.assert_allclose(one.cov_params(), other.cov_params(), **CLOSE)
    np.testing.assert_allclose(one.jtest()[0], other.jtest()[0], rtol=1e-6, atol=1e-8)


@given(kind=KINDS, seed=SEEDS)
def test_order_of_rows_and_of_sources(kind: str, seed: int) -> None:
    problem = dense.simulate(kind, seed=seed, k_sources=2)
    labels, sources = frames(problem)
    first = fit(labels, sources, problem.family)
    rng = np.random.default_rng(seed)
    shuffled = {
        name: frame.sample(frac=1, random_state=rng)
        for name, frame in reversed(sources.items())
    }
    second = fit(labels.sample(frac=1, random_state=rng), shuffled, problem.family)
    assert_same(first, second)
    np.testing.assert_allclose(
        first.auxiliary_params.loc["s0"], second.auxiliary_params.loc["s0"], **CLOSE
    )
    # Influence is by unit, whatever the order.
    np.testing.assert_allclose(
        first.influence.sort_index(), second.influence.sort_index(), atol=1e-6
    )


@given(kind=KINDS, seed=SEEDS)
def test_names_of_units(kind: str, seed: int) -> None:
    problem = dense.simulate(kind, seed=seed)
    labels, sources = frames(problem)
    new = np.random.default_rng(seed).permutation(len(problem.y)) + 7
    names = dict(zip(sources["s0"].index, new, strict=True))
    renamed = {name: frame.rename(index=names) for name, frame in sources.items()}
    assert_same(
        fit(labels, sources, problem.family),
        fit(labels.rename(index=names), renamed, problem.family),
    )


@given(kind=KINDS, seed=SEEDS, copies=st.integers(2, 4))
def test_repeated_replicates(kind: str, seed: int, copies: int) -> None:
    problem = dense.simulate(kind, seed=seed)
    labels, sources = frames(problem)
    repeated = {name: pd.concat([frame] * copies) for name, frame in sources.items()}
    result = fit(labels, repeated, problem.family)
    assert_same(fit(labels, sources, problem.family), result)
    assert result.sources.loc["s0", "replicates"] == copies


@given(seed=SEEDS)
def test_replicates_are_averaged(seed: int) -> None:
    """With least squares the mean score of replicates with the same x is that of
    their mean y."""
    problem = dense.simulate("gaussian", seed=seed)
    labels, sources = frames(problem)
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=len(problem.y))
    both = pd.concat([sources["s0"].assign(y=lambda f: f.y + noise), sources["s0"]])
    mean = sources["s0"].assign(y=lambda f: f.y + noise / 2)
    assert_same(
        fit(labels, {"s0": both}, problem.family),
        fit(labels, {"s0": mean}, problem.family),
    )


@given(
    kind=KINDS,
    seed=SEEDS,
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-20, 20),
)
def test_affine_change_of_x(kind: str, seed: int, scale: float, shift: float) -> None:
    """
    Exact for the iterated estimator, whose limit does not depend on the first
    step. The two-step estimator starts from the paper's identity weight, which
    does: it moves by a small part of a standard error.
    """
    problem = dense.simulate(kind, seed=seed)
    change = np.eye(3)
    change[1, 1], change[0, 1] = scale, shift
    moved = replace(
        problem,
        x=problem.x @ change,
        sources=[(y, x @ change) for y, x in problem.sources],
    )

    def result(case: dense.Problem, maxiter: int) -> Any:
        return AugmentedGMM(
            case.endog, case.x, proxy={"p": case.sources[0]}, family=case.family
        ).fit(maxiter=maxiter)

    one, other = result(problem, 100), result(moved, 100)
    back = change @ other.params
    tolerance = 1e-5 * one.bse  # where the iteration stops, and conditioning of x
    assert np.all(np.abs(back - one.params) < tolerance)
    np.testing.assert_allclose(
        change @ other.cov_params() @ change.T, one.cov_params(), rtol=1e-5, atol=1e-9
    )
    two_step = change @ result(moved, 2).params - result(problem, 2).params
    assert np.all(np.abs(two_step) < 0.25 * one.bse)


@given(kind=KINDS, seed=SEEDS)
def test_second_copy_of_a_source(kind: str, seed: int) -> None:
    problem = dense.simulate(kind, seed=seed)
    labels, sources = frames(problem)
    with pytest.warns(CollinearSourceWarning, match="'copy' is left out"):
        doubled = fit(labels, sources | {"copy": sources["s0"]}, problem.family)
    assert_same(fit(labels, sources, problem.family), doubled)
    assert list(doubled.dropped_sources) == ["copy"]


@given(kind=KINDS, seed=SEEDS)
def test_patsy_and_formulaic(kind: str, seed: int) -> None:
    problem = dense.simulate(kind, seed=seed, k_sources=2)
    labels, sources = frames(problem)
    one = fit(labels, sources, problem.family, engine="patsy")
    other = fit(labels, sources, problem.family, engine="formulaic")
    np.testing.assert_allclose(one.params, other.params, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        one.cov_params(), other.cov_params(), rtol=1e-12, atol=1e-14
    )


@given(
    kind=KINDS,
    seed=SEEDS,
    block=st.integers(1, 700),
    copies=st.integers(1, 3),
    covered=st.floats(0.3, 1.0),
)
def test_blocked_sums(
    kind: str, seed: int, block: int, copies: int, covered: float
) -> None:
    problem = dense.simulate(kind, seed=seed, k_sources=2)
    rng = np.random.default_rng(seed)
    units = np.flatnonzero(rng.uniform(size=len(problem.y)) < covered)
    units = np.repeat(units, rng.integers(1, copies + 1, size=len(units)))
    y_1, x_1 = problem.sources[1]
    model_args = {
        "proxy": {"p": problem.sources[0]},
        "synthetic": {"s": (y_1[units], x_1[units], units)},
    }
    missed = not np.isin(np.flatnonzero(problem.labeled), units).all()
    if missed:
        with pytest.warns(UserWarning, match="lacks"):
            model = AugmentedGMM(
                problem.endog, problem.x, family=problem.family, **model_args
            )
    else:
        model = AugmentedGMM(
            problem.endog, problem.x, family=problem.family, **model_args
        )
    theta, eta = np.array([0.1, 0.2, -0.1]), np.array([[0.2, 0.0, 0.1], [0.0, 0.3, 0]])
    arguments = (model.aligned, model.target_score, theta, eta)
    whole = moment_sums(*arguments, second_moment=True, block_size=10_000)
    parts = moment_sums(*arguments, second_moment=True, block_size=block)
    for name in ("mean", "target", "auxiliary", "second_moment"):
        np.testing.assert_allclose(
            getattr(parts, name), getattr(whole, name), rtol=1e-12, atol=1e-13
        )
    # And both are the moments of the moment matrix itself.
    matrix = np.vstack(
        [m.copy() for _, m in moment_blocks(*arguments, block_size=block)]
    )
    np.testing.assert_allclose(matrix.mean(0), whole.mean, atol=1e-13)
    np.testing.assert_allclose(
        matrix.T @ matrix / len(matrix), whole.second_moment, atol=1e-12
    )


@pytest.mark.parametrize("kind", ["gaussian", "binomial", "poisson"])
def test_noise_buys_nothing(kind: str) -> None:
    """
    A source that knows nothing leaves the asymptotic variance at labelled-only.

    With n = 4,000 labels and p = 3 moments, what pure noise explains by chance is
    p / n of the variance on average, so 1 % is more than ten times that.
    """
    problem = dense.simulate(kind, seed=1, n_units=20_000, n_labeled=4_000, error=1.0)
    result = AugmentedGMM(
        problem.endog, problem.x, proxy={"p": problem.sources[0]}, family=problem.family
    ).fit()
    assert np.all(np.abs(result.variance_reduction) < 0.01)


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_coverage_and_size(kind: str) -> None:
    """
    Monte Carlo with n = 300 of T = 1,500: coverage near .95, J near its size.

    With 300 draws the standard error of a coverage of .95 is .0126 and that of a
    size of .05 the same; bounds are three of them. The asymptotic interval is
    expected to be a little short, which the lower bound allows for.
    """
    draws, covered, rejected, gains = 300, 0, 0, []
    beta = np.r_[0.3, 0.6, -0.4]
    for seed in range(draws):
        problem = dense.simulate(
            kind, seed=seed, n_units=1500, n_labeled=300, k_sources=2
        )
        result = AugmentedGMM(
            problem.endog,
            problem.x,
            proxy={"p": problem.sources[0]},
            synthetic={"s": problem.sources[1]},
            family=problem.family,
        ).fit()
        low, high = np.asarray(result.conf_int()).T
        covered += int(low[1] <= beta[1] <= high[1])
        rejected += int(result.jtest()[1] < 0.05)
        gains.append(result.variance_reduction[1])
    assert 0.95 - 3 * 0.0126 - 0.01 <= covered / draws <= 0.95 + 3 * 0.0126
    assert rejected / draws <= 0.05 + 3 * 0.0126
    assert np.mean(gains) > 0.2


def test_j_detects_a_generator_that_saw_the_labels() -> None:
    """Real x for labelled units, something else for the rest: J rejects."""
    problem = dense.simulate("gaussian", seed=3, n_units=3000, n_labeled=600)
    y_0, x_0 = problem.sources[0]
    shown = np.where(problem.labeled[:, None], x_0, x_0 * np.array([1.0, 0.3, 1.0]))
    result = AugmentedGMM(
        problem.endog, problem.x, synthetic={"s": (y_0, shown)}, family=problem.family
    ).fit()
    assert result.jtest()[1] < 1e-6
    assert "rejects at the 5 % level" in str(result.summary())


def test_ill_conditioned_x_is_solved() -> None:
    """A constant and an age in years: the paper's first step goes astray here."""
    rng = np.random.default_rng(5)
    t = 800
    age, income = rng.uniform(18, 90, t), rng.integers(1, 24, t)
    x = np.column_stack([np.ones(t), age, income])
    y = rng.binomial(1, 1 / (1 + np.exp(2 - 0.02 * age - 0.08 * income)))
    guess = np.where(rng.uniform(size=t) < 0.15, 1 - y, y)
    labels = np.where(np.arange(t) < 200, y, np.nan)
    scale = np.array([1.0, 60.0, 15.0])
    raw = AugmentedGMM(
        labels, x, proxy={"p": (guess, x)}, family=sm.families.Binomial()
    ).fit()
    years = x / scale
    scaled = AugmentedGMM(
        labels, years, proxy={"p": (guess, years)}, family=sm.families.Binomial()
    ).fit()
    assert raw.converged
    distance = np.abs(raw.params * scale - scaled.params) / scaled.bse
    assert distance.max() < 0.25


@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
def test_units_of_x_do_not_matter(kind: str, scale: float) -> None:
    """Populations, incomes, timestamps: the numbers follow the units of x."""
    problem = dense.simulate(kind, seed=2)
    change = np.array([1.0, scale, 1.0])

    def result(case: dense.Problem) -> Any:
        return AugmentedGMM(
            case.endog, case.x, proxy={"p": case.sources[0]}, family=case.family
        ).fit(maxiter=100)

    one = result(problem)
    moved = replace(
        problem,
        x=problem.x * change,
        sources=[(y, x * change) for y, x in problem.sources],
    )
    other = result(moved)
    assert other.converged
    np.testing.assert_allclose(other.params * change, one.params, rtol=1e-5)
    np.testing.assert_allclose(other.bse * change, one.bse, rtol=1e-5)
    np.testing.assert_allclose(other.naive_bse * change, one.naive_bse, rtol=1e-6)
    np.testing.assert_allclose(other.real_only.bse * change, one.real_only.bse)


def test_year_and_its_square() -> None:
    """Ill-conditioned, but no harder than it is for GLM on the labels."""
    rng = np.random.default_rng(4)
    year = rng.integers(1980, 2020, 900).astype(float)
    centred = (year - 2000.0) / 20.0
    y = 1 + centred - 0.5 * centred**2 + rng.normal(size=900)
    guess = y + rng.normal(scale=0.4, size=900)
    labels = np.where(np.arange(900) < 250, y, np.nan)

    def design(value: np.ndarray) -> np.ndarray:
        return np.column_stack([np.ones(900), value, value**2])

    def result(x: np.ndarray) -> Any:
        return AugmentedGMM(labels, x, proxy={"p": (guess, x)}).fit()

    raw, scaled = result(design(year)), result(design(centred))
    assert raw.converged
    # b2 of the raw design is that of the scaled one over 20 squared.
    assert abs(raw.params[2] * 400 - scaled.params[2]) < 0.05 * scaled.bse[2]
    np.testing.assert_allclose(raw.bse[2] * 400, scaled.bse[2], rtol=0.02)

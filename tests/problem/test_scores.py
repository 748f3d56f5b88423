"""A score of the user's own, end to end: ``score=`` wherever there is a target."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
import pickle
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
from scipy.special import expit
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth import scores as public
from statsmodels_synth.estimators import naive_pooled, ppi
from statsmodels_synth.exceptions import DataError, OptionError, SeparationError
from statsmodels_synth.scores import TargetScore
from tests.reference import dense

BEND = 1.345


class Huber:
    """The smallest plug-in: one method."""

    def factors(
        self, endog: dense.Array, linear: dense.Array
    ) -> tuple[dense.Array, dense.Array]:
        residual = endog - linear
        inside = np.abs(residual) <= BEND
        return np.clip(residual, -BEND, BEND), -inside.astype(float)


class Disguised:
    """Logistic regression that does not say what it is."""

    low, high, separable, is_canonical = 0.0, 1.0, True, True
    range_text = "between 0 and 1"

    def factors(
        self, endog: dense.Array, linear: dense.Array
    ) -> tuple[dense.Array, dense.Array]:
        mean = expit(linear)
        return endog - mean, -mean * (1.0 - mean)

    def mean(self, linear: dense.Array) -> dense.Array:
        return np.asarray(expit(linear))


@dataclass(frozen=True)
class _Scores:
    y: dense.Array
    x: dense.Array

    def score_obs(self, params: dense.Array, scale: float) -> dense.Array:
        residual = self.y - self.x @ params
        return self.x * np.clip(residual, -BEND, BEND)[:, None]


class HuberProblem(dense.Problem):
    """The problem of the dense derivation, with Huber's score."""

    @cached_property
    def models(self) -> list[Any]:
        glms = super().models
        return [_Scores(np.asarray(m.endog), np.asarray(m.exog)) for m in glms]


def huber_problem(seed: int = 3, k_sources: int = 2) -> HuberProblem:
    """Outcomes with heavy tails."""
    problem = dense.simulate("gaussian", seed=seed, k_sources=k_sources)
    rng = np.random.default_rng(seed)
    y = problem.y + rng.standard_t(2, size=len(problem.y))
    sources = [(y + 0.7 * rng.normal(size=len(y)), x) for _, x in problem.sources]
    return HuberProblem(y, problem.x, problem.labeled, sources, problem.family)


def frame(seed: int = 1, n_units: int = 900) -> pd.DataFrame:
    """A study with a binary outcome, strata and clusters."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_units)
    truth = (rng.uniform(size=n_units) < expit(0.3 + 0.8 * x)).astype(float)
    llm = np.where(rng.uniform(size=n_units) < 0.8, truth, 1.0 - truth)
    drawn = np.where(rng.uniform(size=n_units) < 0.7, truth, 1.0 - truth)
    return pd.DataFrame(
        {
            "x": x,
            "llm": llm,
            "drawn": drawn,
            "s": np.arange(n_units) % 3,
            "g": np.arange(n_units) // 15,
            "y": np.where(np.arange(n_units) % 4 == 0, truth, np.nan),
        }
    )


def both(seed: int = 1, **options: Any) -> tuple[AugmentedGMM, AugmentedGMM]:
    """The model with the score, and with the family that it is."""
    data = frame(seed)
    sources = {"a": {"y": "llm"}, "b": {"y": "drawn"}}

    def model(**target: Any) -> AugmentedGMM:
        return AugmentedGMM.from_formula(
            "y ~ x", data, proxy=sources, **target, **options
        )

    return model(score=Disguised()), model(family=sm.families.Binomial())


# Against a derivation of its own


@pytest.mark.parametrize("steps", [2, 4])
def test_hubers_score_equals_the_dense_derivation(steps: int) -> None:
    problem = huber_problem()
    sources = {f"s{m}": pair for m, pair in enumerate(problem.sources)}
    model = AugmentedGMM(problem.endog, problem.x, proxy=sources, score=Huber())
    result = model.fit(maxiter=steps, **dense.PAPER)
    expected = dense.fit(problem, steps)
    # The dense Jacobian is numeric, across the kinks of the score, where a step moves
    # a few rows: .1 % of a standard error.
    error = np.sqrt(np.diag(expected["cov"]))
    np.testing.assert_allclose(result.params, expected["params"], atol=2e-3 * error[0])
    np.testing.assert_allclose(result.bse, error, rtol=5e-3)
    np.testing.assert_allclose(result.jtest()[0], expected["J"], rtol=1e-2)


def test_labels_alone_and_naive_solve_hubers_equations() -> None:
    problem = huber_problem(5, 1)
    model = AugmentedGMM(
        problem.endog, problem.x, proxy={"s": problem.sources[0]}, score=Huber()
    )
    result = model.fit(use_correction=False)
    x, y = problem.x[problem.labeled], problem.y[problem.labeled]
    for found, own_x, own_y in (
        (np.asarray(result.real_only.params), x, y),
        (result.naive_params.to_numpy()[0], problem.x, problem.sources[0][0]),
    ):
        scores = _Scores(own_y, own_x)
        root = scipy.optimize.root(
            lambda b, s=scores: s.score_obs(b, 1.0).sum(0), found * 0.9, tol=1e-12
        )
        np.testing.assert_allclose(found, root.x, atol=1e-7)
    # HC0 of the labels, from its formula.
    residual = y - x @ np.asarray(result.real_only.params)
    bread = np.linalg.inv((x * (np.abs(residual) <= BEND)[:, None]).T @ x)
    psi = x * np.clip(residual, -BEND, BEND)[:, None]
    cov = bread @ (psi.T @ psi) @ bread
    np.testing.assert_allclose(result.real_only.bse, np.sqrt(np.diag(cov)), rtol=1e-8)


# A score that is a family in disguise gives what the family gives, everywhere


@pytest.mark.parametrize(
    ("options", "fit"),
    [
        ({}, {}),
        ({}, {"use_correction": False}),
        ({}, {"maxiter": "cue"}),
        ({"strata": "s"}, {}),
        ({"weights": "g"}, {}),
        ({"offset": "s"}, {}),
        ({}, {"cov_type": "cluster", "cov_kwds": {"groups": "g"}}),
    ],
)
def test_fits_equal_those_of_the_family(
    options: dict[str, Any], fit: dict[str, Any]
) -> None:
    data = frame()
    own = dict(options)
    if "weights" in own:
        own["weights"] = 1.0 + data["g"] % 3
    found, expected = (model.fit(**fit) for model in both(**own))
    for name in ("params", "bse", "pvalues", "variance_reduction", "df_resid"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-9
        )
    np.testing.assert_allclose(found.naive_params, expected.naive_params, rtol=1e-7)
    np.testing.assert_allclose(found.jtest()[0], expected.jtest()[0], rtol=1e-6)
    np.testing.assert_allclose(found.influence, expected.influence, atol=1e-6)


def test_analyses_equal_those_of_the_family() -> None:
    found, expected = (model.fit() for model in both())
    names = ["labels only", "naive", "naive pooled", "PPI++", "predict-then-debias"]
    columns = ["estimate", "std_err", "lower", "upper"]
    np.testing.assert_allclose(
        found.compare(names).table[columns],
        expected.compare(names).table[columns],
        rtol=1e-6,
    )
    one, other = found.diagnostics(by="s"), expected.diagnostics(by="s")
    for table in ("bias", "explained", "uncertainty", "influential", "coverage"):
        left, right = getattr(one, table), getattr(other, table)
        np.testing.assert_allclose(
            left.select_dtypes("number"), right.select_dtypes("number"), rtol=1e-5
        )
    assert one.verdict == other.verdict
    plans = [result.plan().expect([100, 300]) for result in (found, expected)]
    np.testing.assert_allclose(
        plans[0].select_dtypes("number"), plans[1].select_dtypes("number"), rtol=1e-6
    )


def test_predictions_equal_those_of_the_family() -> None:
    found, expected = (model.fit() for model in both())
    rows = frame(7).iloc[:5]
    np.testing.assert_allclose(found.predict(rows), expected.predict(rows), rtol=1e-8)
    means = [result.get_prediction(rows) for result in (found, expected)]
    np.testing.assert_allclose(means[0].se, means[1].se, rtol=1e-6)
    linear = [r.get_prediction(rows, which="linear") for r in (found, expected)]
    np.testing.assert_allclose(linear[0].conf_int(), linear[1].conf_int(), rtol=1e-6)


def test_many_fits_copies_and_pickles_keep_the_score() -> None:
    model, other = both()
    sets = pd.DataFrame(
        {k: frame()["y"].where(np.arange(900) % 3 == k) for k in (0, 1)}
    )
    fits = [one.fit_many(sets) for one in (model, other)]
    for found, expected in zip(*fits, strict=True):
        np.testing.assert_allclose(found.params, expected.params, rtol=1e-6)
    again = pickle.loads(pickle.dumps(model.fit()))
    np.testing.assert_allclose(again.params, model.fit().params)
    twin = type(model)(model.endog, model.exog, **model._get_init_kwds())
    assert isinstance(twin._own_score, Disguised)


def test_dask_equals_memory() -> None:
    dd = pytest.importorskip("dask.dataframe")
    data = frame()
    parts = dd.from_pandas(data, npartitions=3)
    found = AugmentedGMM.from_formula(
        "y ~ x", parts, proxy={"y": "llm"}, score=Disguised()
    ).fit()
    expected = AugmentedGMM.from_formula(
        "y ~ x", data, proxy={"y": "llm"}, score=Disguised()
    ).fit()
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-8)
    np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-8)


def test_summary_names_the_score() -> None:
    model, _ = both()
    result = model.fit()
    assert "Score:" in str(result.summary())
    assert "Disguised" in str(result.summary2())
    assert "Disguised" in str(naive_pooled(model).model.target_score.title)
    assert ppi(model).converged


def test_separation_and_ranges_are_those_of_the_score() -> None:
    data = frame().assign(y=lambda d: (d["x"] > 0).astype(float).where(d.index < 200))
    with pytest.raises(SeparationError, match="'x'"):
        AugmentedGMM.from_formula(
            "y ~ x", data, proxy={"y": "llm"}, score=Disguised()
        ).fit()
    wrong = frame()
    wrong.loc[0, "y"] = 3.0
    with pytest.raises(DataError, match="between 0 and 1 for the score Disguised"):
        AugmentedGMM.from_formula("y ~ x", wrong, {"y": "llm"}, score=Disguised())


# What is wrong with a score


class _Pair(Huber):
    def factors(self, endog: Any, linear: Any) -> Any:
        return endog - linear


class _Short(Huber):
    def factors(self, endog: Any, linear: Any) -> Any:
        return (endog - linear)[:2], np.ones(2)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"score": Huber}, "the class Huber. Give an object"),
        ({"score": object()}, "Give an object with a method factors"),
        ({"score": sm.families.Poisson()}, "Give it as family="),
        ({"score": Huber(), "family": sm.families.Gaussian()}, "Give one of them"),
        ({"score": _Pair()}, "must return two arrays"),
        ({"score": _Short()}, "one score per row"),
        ({"family": Huber()}, "give it as score="),
    ],
)
def test_scores_that_are_none(options: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text):
        AugmentedGMM.from_formula("y ~ x", frame(), {"y": "llm"}, **options).fit()


def test_exposure_needs_a_log_link() -> None:
    with pytest.raises(DataError, match="with the score Huber there is none"):
        AugmentedGMM.from_formula(
            "y ~ x", frame().assign(e=2.0), {"y": "llm"}, score=Huber(), exposure="e"
        )


def test_a_score_may_derive_from_the_base_class() -> None:
    class Absolute(TargetScore):
        name = "smoothed absolute"

        def factors(
            self, endog: dense.Array, linear: dense.Array
        ) -> tuple[dense.Array, dense.Array]:
            u = (endog - linear) / 0.5
            return np.tanh(u), -(1.0 - np.tanh(u) ** 2) / 0.5

    problem = huber_problem(8, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = AugmentedGMM(
            problem.endog, problem.x, {"s": problem.sources[0]}, score=Absolute()
        ).fit()
    assert result.converged
    assert "smoothed absolute" in str(result.summary())


@pytest.mark.parametrize(
    "made",
    [
        public.MultinomialLogit(levels=np.array([1, 2, 3]), base=np.int64(2)),
        public.MultinomialLogit(levels=np.unique(["a", "b"]), base=np.str_("a")),
        public.OrderedLogit(levels=np.array([1.5, 2.0])),
        public.OrderedProbit(),
        public.AverageTreatmentEffect("t", np.float64(0.25)),
        public.Quantile(np.float64(0.1)),
    ],
    ids=repr,
)
def test_what_is_written_needs_no_numpy(made: TargetScore) -> None:
    """Levels and numbers often come out of a frame, with a type of numpy."""
    again = eval(repr(made), vars(public))
    assert type(again) is type(made)
    for name in ("given", "base", "propensity", "tau"):
        assert getattr(again, name, None) == getattr(made, name, None)

"""Repeated fits on the same sources: numbers of fresh ones without their passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.estimators.problem import problem_of
from statsmodels_synth.exceptions import (
    AlignmentError,
    CollinearSourceWarning,
    CoverageWarning,
    DataError,
    OptionError,
    SynthError,
)
from statsmodels_synth.gmm import sums as module
from tests.problems import frames, model_of
from tests.reference import dense

PAPER = dense.PAPER
CLOSE: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}
#: The paper's weight depends on the labels: another start ends elsewhere by rounding.
SOLVED: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-9}
FAMILIES = ["gaussian", "binomial", "probit", "poisson", "gamma", "tweedie"]


def assert_same(one: Any, other: Any, **tolerance: Any) -> None:
    """Estimates, their covariance, tests and what each source says."""
    for name in ("params", "bse", "naive_params", "naive_bse", "auxiliary_params"):
        np.testing.assert_allclose(
            np.asarray(getattr(one, name)),
            np.asarray(getattr(other, name)),
            **tolerance,
            err_msg=name,
        )
    np.testing.assert_allclose(one.cov_params(), other.cov_params(), **tolerance)
    np.testing.assert_allclose(one.influence, other.influence, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(one.jtest(), other.jtest(), rtol=1e-7, atol=1e-9)
    assert one.df_resid == pytest.approx(other.df_resid)
    assert one.n_units == other.n_units
    assert one.n_labeled == other.n_labeled


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Passes over rows of sources, counted where they are made."""
    calls: list[int] = []
    made = module.part_sums

    def counting(*args: Any, **kwargs: Any) -> Any:
        if args[0]:  # the labels alone have no sources
            calls.append(1)
        return made(*args, **kwargs)

    monkeypatch.setattr(module, "part_sums", counting)
    return calls


def sets_of(problem: dense.Problem, k_sets: int = 3, n: int = 150) -> np.ndarray:
    """Labels of random units, (T, K)."""
    rng = np.random.default_rng(7)
    sets = np.full((len(problem.y), k_sets), np.nan)
    for k in range(k_sets):
        chosen = rng.choice(len(problem.y), size=n, replace=False)
        sets[chosen, k] = problem.y[chosen]
    return sets


class TestRefit:
    @pytest.mark.parametrize("kind", FAMILIES)
    @pytest.mark.parametrize("k_sources", [1, 2])
    def test_default(self, kind: str, k_sources: int, counted: list[int]) -> None:
        model = model_of(dense.simulate(kind, k_sources=k_sources))
        first = model.fit()
        assert 0 < first.passes <= len(counted)
        counted.clear()
        again = model.fit()
        assert again.passes == 0
        again.summary()
        _ = again.naive_bse, again.real_only.bse, again.jtest(), again.sources
        assert not counted
        assert_same(first, again, rtol=0, atol=0)

    @pytest.mark.parametrize(
        "options",
        [
            PAPER,
            {"maxiter": 1},
            {"maxiter": 20},
            {"maxiter": 20, **PAPER},
            {"maxiter": "cue"},
            {"centered": True, **PAPER},
            {"use_t": False},
            {"cov_type": "cluster", "cov_kwds": {"groups": np.arange(600) % 60}},
        ],
        ids="-".join,
    )
    @pytest.mark.parametrize("kind", ["gaussian", "binomial"])
    def test_other_options(self, kind: str, options: dict[str, Any]) -> None:
        problem = dense.simulate(kind, k_sources=2)
        fresh = model_of(problem).fit(**options)
        model = model_of(problem)
        model.fit()
        again = model.fit(**options)
        assert again.passes < fresh.passes
        assert_same(again, fresh, **SOLVED)

    def test_naive_needs_no_pass_once_a_fit_knows_it(self, counted: list[int]) -> None:
        model = model_of(dense.simulate("binomial", k_sources=2))
        paper = model.fit(**PAPER)
        default = model.fit()
        counted.clear()
        np.testing.assert_allclose(paper.naive_bse, default.naive_bse, **CLOSE)
        assert not counted

    def test_start_params_are_used(self) -> None:
        model = model_of(dense.simulate("poisson"))
        first = model.fit()
        full = np.r_[first.params, np.asarray(first.auxiliary_params).ravel()] + 0.01
        assert model.fit(full).passes > 0
        assert model.fit(full[:3]).passes == 0
        other = model_of(dense.simulate("poisson"))
        other.fit(full)
        assert other.source_state is None

    def test_redundant_source(self) -> None:
        problem = dense.simulate("gaussian")
        problem = replace(problem, sources=problem.sources * 2)
        model = model_of(problem)
        with pytest.warns(CollinearSourceWarning):
            first = model.fit()
        assert first.passes > 0
        with pytest.warns(CollinearSourceWarning):
            again = model.fit()
        assert again.passes == 0
        assert_same(first, again, rtol=0, atol=0)

    def test_removed_and_pickled(self) -> None:
        model = model_of(dense.simulate())
        result = model.fit()
        assert pickle.loads(pickle.dumps(model)).fit().passes == 0
        result.remove_data()
        assert model.source_state is None


def _partial(problem: dense.Problem) -> dense.Problem:
    """Sources that lack units, and some units that none has."""
    rng = np.random.default_rng(3)
    parts = []
    for y, x in problem.sources:
        lost = rng.uniform(size=len(y)) < 0.4
        parts.append((np.where(lost, np.nan, y), x))
    return replace(problem, sources=parts)


def _weighted(t: int) -> dict[str, Any]:
    return {"weights": np.random.default_rng(1).uniform(0.5, 2.0, t)}


def _with_offset(t: int) -> dict[str, Any]:
    return {"offset": np.random.default_rng(2).normal(size=t) * 0.2}


def _strata(t: int) -> dict[str, Any]:
    return {"strata": np.arange(t) % 3}


class TestFitMany:
    @pytest.mark.parametrize("kind", FAMILIES)
    def test_families(self, kind: str) -> None:
        problem = dense.simulate(kind, k_sources=2)
        self.compare(problem, {})

    @pytest.mark.parametrize("extra", [_weighted, _with_offset, _strata])
    @pytest.mark.parametrize("kind", ["gaussian", "poisson"])
    def test_known_of_units(
        self, kind: str, extra: Callable[[int], dict[str, Any]]
    ) -> None:
        problem = dense.simulate(kind, k_sources=2)
        self.compare(problem, extra(len(problem.y)))

    @pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.CoverageWarning")
    @pytest.mark.parametrize("options", [{}, PAPER, {"maxiter": "cue"}], ids=str)
    def test_partial_coverage(self, options: dict[str, Any]) -> None:
        problem = _partial(dense.simulate("binomial", k_sources=2, n_units=900))
        self.compare(problem, {}, **options)
        model = model_of(problem)
        assert model.aligned.kept is not None
        sizes = {r.n_units for r in model.fit_many(sets_of(problem), problem.x)}
        assert len(sizes) > 1  # labels make units count that no source covers

    def test_clusters(self) -> None:
        problem = dense.simulate(k_sources=2)
        groups = {"groups": np.arange(600) % 60}
        self.compare(problem, {}, cov_type="cluster", cov_kwds=groups)

    def test_replicates(self) -> None:
        problem = dense.simulate("binomial")
        t, (y, x) = len(problem.y), problem.sources[0]
        units = np.repeat(np.arange(t), 2)[np.arange(2 * t) % 5 > 0]
        source = {"made": (y[units], x[units], units)}
        sets = sets_of(problem)

        def build(endog: np.ndarray) -> AugmentedGMM:
            return AugmentedGMM(
                endog, problem.x, synthetic=source, family=problem.family
            )

        fits = build(problem.endog).fit_many(sets, problem.x)
        for k, result in enumerate(fits):
            assert_same(result, build(sets[:, k]).fit(), **CLOSE)

    def test_probabilities(self) -> None:
        problem = dense.simulate("gaussian")
        rng = np.random.default_rng(5)
        prob = rng.uniform(0.2, 0.4, len(problem.y))
        draws = rng.uniform(size=(3, len(problem.y))) < prob
        sets = np.where(draws.T, problem.y[:, None], np.nan)
        first = replace(problem, labeled=draws[0])
        model = model_of(first, labeling_prob=prob)
        for k, result in enumerate(model.fit_many(sets, problem.x)):
            other = replace(problem, labeled=draws[k])
            assert_same(result, model_of(other, labeling_prob=prob).fit(), **CLOSE)

    def compare(
        self, problem: dense.Problem, extra: dict[str, Any], **options: Any
    ) -> None:
        """Every set against a model that was built with it."""
        model = model_of(problem, **extra)
        before = model.fit(**options)
        sets = sets_of(problem)
        fits = model.fit_many(sets, problem.x, **options)
        assert len(fits) == 3
        assert fits.names == [0, 1, 2]
        tolerance = SOLVED if options else CLOSE
        if options.get("maxiter") == "cue":  # where BFGS stops
            tolerance = {"rtol": 1e-6, "atol": 1e-7}
        for k, result in enumerate(fits):
            labels = replace(problem, y=sets[:, k], labeled=~np.isnan(sets[:, k]))
            fresh = model_of(labels, **extra).fit(**options)
            assert_same(result, fresh, **tolerance)
            assert result.passes < fresh.passes
            assert result.passes == 0 or options
            np.testing.assert_array_equal(result.model.labeled, labels.labeled)
        after = model.fit(**options)
        assert_same(before, after, **(tolerance if options else {"rtol": 0, "atol": 0}))

    def test_no_pass_beyond_the_shared_ones(self, counted: list[int]) -> None:
        problem = dense.simulate("binomial", k_sources=2)
        fits = model_of(problem).fit_many(sets_of(problem), problem.x)
        assert 0 < fits.passes == len(counted)
        counted.clear()
        for result in fits:
            result.summary()
        assert not counted

    def test_forms_of_endog(self) -> None:
        problem = dense.simulate()
        data, proxies = frames(problem)
        model = AugmentedGMM.from_formula("y ~ x1 + x2", data, proxies)
        sets = sets_of(problem, 2)
        table = pd.DataFrame(sets, data.index, ["a", "b"])
        plain = [r.params for r in model.fit_many(sets)]
        sparse = {k: table[k].dropna().sample(frac=1, random_state=1) for k in table}
        for endog in (table, table[::-1], sparse, {k: table[k] for k in table}):
            fits = model.fit_many(endog)
            assert fits.names == ["a", "b"]
            for expected, result in zip(plain, fits, strict=True):
                pd.testing.assert_series_equal(result.params, expected, rtol=1e-12)
        one = model.fit_many(table["b"])
        assert one.names == ["b"]
        np.testing.assert_allclose(one[0].params, plain[1], **CLOSE)
        np.testing.assert_allclose(one[-1].params, plain[1], **CLOSE)
        with pytest.raises(IndexError):
            one[1]

    def test_formula(self) -> None:
        problem = dense.simulate("poisson", k_sources=2)
        data, proxies = frames(problem)
        options: dict[str, Any] = {
            "family": problem.family,
            "weights": "w",
        }
        data["w"] = np.linspace(0.5, 1.5, len(data))
        data["g"] = np.arange(len(data)) % 40

        def build(y: Any) -> AugmentedGMM:
            return AugmentedGMM.from_formula(
                "y ~ center(x1) + x2", data.assign(y=y), proxies, **options
            )

        model, sets = build(problem.endog), sets_of(problem)
        cluster: dict[str, Any] = {"cov_type": "cluster", "cov_kwds": {"groups": "g"}}
        fits = model.fit_many(sets, **cluster)
        rows = data.iloc[:4]
        for k, result in enumerate(fits):
            fresh = build(sets[:, k]).fit(**cluster)
            assert_same(result, fresh, **CLOSE)
            np.testing.assert_allclose(
                result.predict(rows), fresh.predict(rows), rtol=1e-10
            )
            assert str(result.summary().tables[1]) == str(fresh.summary().tables[1])
            result.remove_data()
            stored = pickle.dumps(result)
            assert b"u599" not in stored  # no unit is left in it
            pickle.loads(stored).summary()
        pickle.loads(pickle.dumps(model)).fit()

    def test_offset_of_a_formula(self) -> None:
        problem = dense.simulate("poisson")
        data, proxies = frames(problem)
        data["o"] = np.linspace(-0.2, 0.2, len(data))

        def build(y: Any) -> AugmentedGMM:
            return AugmentedGMM.from_formula(
                "y ~ x1 + x2",
                data.assign(y=y),
                proxies,
                family=problem.family,
                offset="o",
            )

        half = problem.endog.copy()
        half[np.flatnonzero(problem.labeled)[::2]] = np.nan
        model = build(problem.endog)
        assert_same(model.fit_many(half)[0], build(half).fit(), **CLOSE)
        with pytest.raises(DataError, match="offset is not known for"):
            model.fit_many(sets_of(problem))[0]

    def test_subsets_need_no_exog(self) -> None:
        problem = dense.simulate("binomial")
        half = problem.endog.copy()
        half[np.flatnonzero(problem.labeled)[::2]] = np.nan
        result = model_of(problem).fit_many(half)[0]
        labels = replace(problem, labeled=~np.isnan(half))
        assert_same(result, model_of(labels).fit(), **CLOSE)

    def test_other_outcomes(self) -> None:
        problem = dense.simulate("gaussian")
        rng = np.random.default_rng(0)
        outcomes = problem.endog[:, None] + rng.normal(size=(len(problem.y), 2))
        for k, result in enumerate(model_of(problem).fit_many(outcomes)):
            fresh = model_of(replace(problem, y=outcomes[:, k])).fit()
            assert_same(result, fresh, **CLOSE)

    def test_incomplete_exog_is_not_labelled(self) -> None:
        problem = dense.simulate()
        sets, exog = sets_of(problem, 1), problem.x.copy()
        lost = np.flatnonzero(~np.isnan(sets[:, 0]))[:3]
        exog[lost, 1] = np.nan
        result = model_of(problem).fit_many(sets, exog)[0]
        assert result.n_labeled == 147
        assert result.model.n_incomplete == 3
        strict = model_of(problem, missing="raise").fit_many(sets, exog)
        with pytest.raises(DataError, match="exog is missing for 3 labelled units"):
            strict[0]

    def test_warnings_of_each_set(self) -> None:
        problem = dense.simulate()
        y = problem.sources[0][0].copy()
        y[:50] = np.nan
        problem = replace(problem, sources=[(y, problem.x)])
        rest = np.where(np.arange(600) >= 400, problem.y, np.nan)
        some = np.where(np.arange(600) < 200, problem.y, np.nan)
        with pytest.warns(CoverageWarning):
            fits = model_of(problem).fit_many({"rest": rest, "some": some}, problem.x)
        fits[0]
        with pytest.warns(CoverageWarning, match="lacks 50 of the 200"):
            fits[1]

    def test_pickled(self) -> None:
        problem = dense.simulate("binomial")
        fits = model_of(problem).fit_many(sets_of(problem), problem.x)
        other = pickle.loads(pickle.dumps(fits))
        assert other[1].passes == 0
        np.testing.assert_array_equal(other[1].params, fits[1].params)
        assert repr(fits) == "<3 fits of AugmentedGMM, made when asked for>"

    def test_state_that_is_not_found(self) -> None:
        """A source without an estimate of its own is said so by every fit."""
        problem = dense.simulate("binomial")
        apart = (problem.x[:, 1] > 0).astype(float)
        problem = replace(problem, sources=[(apart, problem.x)])
        fits = model_of(problem).fit_many(sets_of(problem, 1), problem.x)
        with pytest.raises(SynthError, match=r"Labels 0: .*source 's0'"):
            fits[0]


class TestErrors:
    problem = dense.simulate()

    @pytest.mark.parametrize(
        ("endog", "error", "text"),
        [
            (np.ones((5, 2)), DataError, r"endog has shape \(5, 2\); there are 600"),
            (np.ones((2, 2, 2)), DataError, "endog has shape"),
            (pd.Series(np.ones(50)), AlignmentError, "counts 50 rows and there are"),
            (pd.Series([1.0], index=[600]), AlignmentError, "does not know"),
            (pd.Series([1.0, 2.0], index=[3, 3]), AlignmentError, "two rows for"),
            ({"a": np.ones(5)}, DataError, r"endog\['a'\] is a"),
            ([["x"]] * 600, DataError, "not numeric"),
        ],
    )
    def test_endog(self, endog: Any, error: type[Exception], text: str) -> None:
        with pytest.raises(error, match=text):
            model_of(self.problem).fit_many(endog, self.problem.x)

    def test_exog(self) -> None:
        model, sets = model_of(self.problem), sets_of(self.problem)
        with pytest.raises(DataError, match="exog has shape"):
            model.fit_many(sets, self.problem.x[:, :2])
        frame = pd.DataFrame(self.problem.x, columns=["const", "x2", "x1"])
        with pytest.raises(AlignmentError, match="same columns in the same order"):
            model.fit_many(sets, frame)
        with pytest.raises(DataError, match=r"Labels 0: exog is not known for \d+"):
            model.fit_many(sets)[0]
        frame.columns = ["const", "x1", "x2"]
        with pytest.raises(DataError, match="a row for each of them"):
            model.fit_many(sets, frame.loc[np.arange(0, 600, 2)])[0]
        given = model.fit_many(sets, frame.sample(frac=1, random_state=1))[0]
        plain = model.fit_many(sets, self.problem.x)[0]
        np.testing.assert_array_equal(given.params, plain.params)

    @pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.FewUnitsWarning")
    def test_labels_of_a_set(self) -> None:
        sets = {"few": sets_of(self.problem, 1, n=4)[:, 0], "no": np.full(600, np.nan)}
        fits = model_of(self.problem).fit_many(sets, self.problem.x)
        with pytest.raises(DataError, match="Labels 'few': There are 4 labelled"):
            fits[0]
        with pytest.raises(DataError, match="Labels 'no': There is no labelled unit"):
            fits[1]

    def test_options(self) -> None:
        model = model_of(self.problem)
        with pytest.raises(OptionError, match="fit_many has no option 'cov_typ'"):
            model.fit_many(sets_of(self.problem), self.problem.x, cov_typ="robust")

    def test_probabilities_that_do_not_hold(self) -> None:
        prob = np.full(600, 200 / 600)
        prob[::2] = 0.3
        model = model_of(self.problem, labeling_prob=prob)
        half = self.problem.endog.copy()
        half[np.flatnonzero(self.problem.labeled)[::2]] = np.nan
        with pytest.raises(DataError, match="labeling_prob sums to"):
            model.fit_many(half)[0]
        fits = model.fit_many(half, labeling_prob=prob / 2)
        labels = replace(self.problem, labeled=~np.isnan(half))
        fresh = model_of(labels, labeling_prob=prob / 2).fit()
        assert_same(fits[0], fresh, **CLOSE)

    def test_probabilities_of_labelled_units_only(self) -> None:
        n = int(self.problem.labeled.sum())
        prob = np.full(n, n / 600)
        prob[::2] *= 0.999
        model = model_of(self.problem, labeling_prob=prob)
        with pytest.raises(
            DataError, match="labeling_prob is missing for 101 labelled"
        ):
            model.fit_many(sets_of(self.problem), self.problem.x)[0]

    def test_removed_data(self) -> None:
        model = model_of(self.problem)
        model.fit().remove_data()
        with pytest.raises(DataError, match="remove_data"):
            model.fit_many(sets_of(self.problem))

    def test_what_is_no_position(self) -> None:
        fits = model_of(self.problem).fit_many(sets_of(self.problem), self.problem.x)
        with pytest.raises(TypeError, match="'slice' object"):
            fits[0:1]  # type: ignore[index]

    def test_labels_alone(self) -> None:
        model = AugmentedGMM(
            self.problem.endog, self.problem.x, family=sm.families.Gaussian()
        )
        result = model.fit_many(sets_of(self.problem), self.problem.x)[0]
        assert result.passes == 0
        np.testing.assert_allclose(result.params, result.real_only.params)


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.CoverageWarning")
def test_naive_estimates_among_other_units() -> None:
    """What the sources say is the same where more units that none covers count."""
    rng = np.random.default_rng(5)
    x = sm.add_constant(rng.normal(size=900))
    y = x @ [0.2, 0.5] + rng.normal(size=900)
    guess = np.where(np.arange(900) < 400, y + rng.normal(size=900), np.nan)

    def make(labeled: np.ndarray) -> AugmentedGMM:
        return AugmentedGMM(np.where(labeled, y, np.nan), x, proxy={"a": (guess, x)})

    few, many = rng.random(900) < 0.1, rng.random(900) < 0.5
    model = make(few)
    model.fit()
    options = {"start_params": np.zeros(4), "use_correction": False}
    result = model.fit_many(np.where(many, y, np.nan), x, **options)[0]
    fresh = make(many).fit(**options)
    assert result.n_units == fresh.n_units != model.n_units
    for one, other in (
        (result._naive.bse, fresh._naive.bse),
        (problem_of(result.model).naive.bse, problem_of(fresh.model).naive.bse),
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_sets_of_polars() -> None:
    problem = dense.simulate(seed=3)
    model, sets = model_of(problem), sets_of(problem)
    frame = pl.DataFrame({"a": sets[:, 0], "b": sets[:, 1]}).with_columns(
        pl.all().fill_nan(None)
    )
    fits, expected = (model.fit_many(s, problem.x) for s in (frame, sets))
    assert fits.names == ["a", "b"]
    for k in range(2):
        np.testing.assert_array_equal(fits[k].params, expected[k].params)


@pytest.mark.parametrize("right", ["x", "x + np.abs(x)"])
def test_labels_of_units_without_regressors(right: str) -> None:
    """With a formula they count as unlabelled, as where a model is built of them."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=500)
    y = x + rng.normal(size=500)
    data = pd.DataFrame({"x": x, "guess": y + rng.normal(size=500)})
    data.loc[[3, 4], "x"] = np.nan
    data.index = [f"u{t}" for t in range(500)]

    def make(labels: pd.Series) -> AugmentedGMM:
        return AugmentedGMM.from_formula(
            f"y ~ {right}", data.assign(y=labels), {"y": "guess"}
        )

    labels = pd.Series(np.where(np.arange(500) % 5 < 4, np.nan, y), data.index)
    other = pd.Series(np.where(np.arange(500) % 4 < 3, np.nan, y), data.index)
    result = make(labels).fit_many({"a": other})[0]
    fresh = make(other).fit()
    assert_same(result, fresh, **CLOSE)
    assert result.model.n_incomplete == fresh.model.n_incomplete == 1


def test_a_list_and_a_generator_of_series() -> None:
    problem = dense.simulate("binomial")
    model, sets = model_of(problem), sets_of(problem)
    columns = [pd.Series(column) for column in np.asarray(sets).T]
    expected = [r.params for r in model.fit_many(sets, problem.x)]
    for given in (columns, (column for column in columns)):
        found = [r.params for r in model.fit_many(given, problem.x)]
        np.testing.assert_array_equal(found, expected)


def test_options_of_fit_many_are_matched_by_unit() -> None:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"x": rng.normal(size=400)}, [f"u{k}" for k in range(400)])
    data["h"] = np.where(data["x"] > 0, "high", "low")
    data["p"] = np.where(data["h"] == "high", 0.5, 0.2)
    outcome = data["x"] + rng.normal(size=400)
    data["guess"] = outcome + rng.normal(size=400)
    data["y"] = outcome.where(rng.uniform(size=400) < data["p"])
    model = AugmentedGMM.from_formula("y ~ x", data, proxy={"y": "guess"})
    shuffled = data.sample(frac=1, random_state=1)
    for option, column in (("labeling_prob", "p"), ("strata", "h")):
        wanted = AugmentedGMM.from_formula(
            "y ~ x", data, proxy={"y": "guess"}, **{option: column}
        ).fit()
        forms = [data[column], shuffled[column], dict(shuffled[column])]
        for given in [*forms, data[column].to_numpy()]:
            found = model.fit_many(data[["y"]], **{option: given})[0]
            np.testing.assert_allclose(found.params, wanted.params, rtol=1e-7)
            np.testing.assert_allclose(found.bse, wanted.bse, rtol=1e-7)
        with pytest.raises(AlignmentError, match=f"{option} has 400 units .* not know"):
            model.fit_many(data[["y"]], **{option: data[column].reset_index(drop=True)})
        with pytest.raises(OptionError, match=rf"{option}= is a dict, whose keys"):
            AugmentedGMM.from_formula(
                "y ~ x", data, proxy={"y": "guess"}, **{option: dict(data[column])}
            )
        with pytest.raises(OptionError, match=rf"as in frame\['{column}'\]"):
            AugmentedGMM.from_formula(
                "y ~ x", data, proxy={"y": "guess"}, **{option: data[[column]]}
            )


def test_a_count_does_not_name_units_that_are_numbers() -> None:
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"x": rng.normal(size=200)}, rng.permutation(200))
    outcome = data["x"] + rng.normal(size=200)
    data["guess"] = outcome + rng.normal(size=200)
    data["y"] = outcome.where(np.arange(200) < 60)
    model = AugmentedGMM.from_formula("y ~ x", data, proxy={"y": "guess"})
    for sets in (data[["y"]], data[["y"]].dropna()):
        model.fit_many(sets)
        with pytest.raises(AlignmentError, match=r"counts .* rows and the units of"):
            model.fit_many(sets.reset_index(drop=True))

"""Outcomes with levels: multinomial logit, ordered logit and probit."""

from __future__ import annotations

from dataclasses import dataclass
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm
from statsmodels.miscmodels.ordinal_model import OrderedModel

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.estimators import dsl
from statsmodels_synth.exceptions import (
    CollinearityError,
    DataError,
    OptionError,
    SeparationError,
    SynthError,
)
from statsmodels_synth.scores import MultinomialLogit, OrderedLogit, OrderedProbit
from tests.reference import dense, loops
from tests.reference.dense import Array

LEVELS = ["centre", "left", "right"]
SHARES = {"centre": "pc", "left": "pl", "right": "pr"}


def frame(seed: int = 0, n_units: int = 1200, n_labels: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n_units)
    utility = np.column_stack([0 * x, x, 0.5 - x]) + rng.gumbel(size=(n_units, 3))
    at = utility.argmax(axis=1)
    said = np.where(rng.uniform(size=n_units) < 0.8, at, rng.integers(0, 3, n_units))
    rank = np.digitize(0.8 * x + rng.logistic(size=n_units), [-1.0, 0.0, 1.5])
    guess = np.where(rng.uniform(size=n_units) < 0.8, rank, rng.integers(0, 4, n_units))
    levels = np.array(LEVELS)
    units = pd.DataFrame({"x": x, "vote_true": levels[at], "llm": levels[said]})
    units["rank_true"], units["rank_llm"] = rank.astype(float), guess.astype(float)
    units["g"] = rng.choice(list("ab"), n_units)
    units["c"], units["s"] = np.arange(n_units) // 12, np.arange(n_units) % 3
    units["w"] = rng.uniform(0.5, 2.0, n_units)
    chance = np.full((n_units, 3), 0.1)
    chance[np.arange(n_units), said] = 0.8
    units[["pc", "pl", "pr"]] = chance
    labeled = rng.permutation(n_units) < n_labels
    return units.assign(
        vote=units["vote_true"].where(labeled), rank=units["rank_true"].where(labeled)
    )


def voting(units: Any = None, score: Any = None, **options: Any) -> AugmentedGMM:
    options = {"proxy": {"vote": "llm"}} | options
    return AugmentedGMM.from_formula(
        "vote ~ x + g",
        frame() if units is None else units,
        score=MultinomialLogit() if score is None else score,
        **options,
    )


def design(rows: pd.DataFrame, *names: str) -> Array:
    known = {"1": np.ones(len(rows)), "g": rows["g"] == "b", "x": rows["x"]}
    return np.column_stack([np.asarray(known[n], dtype=float) for n in names])


def test_without_sources_it_is_mnlogit() -> None:
    labels = frame().dropna()
    found = voting(labels, proxy=None).fit(use_correction=False)
    codes = labels["vote"].map(LEVELS.index)
    peer = sm.MNLogit(codes, design(labels, "1", "g", "x")).fit(disp=0, cov_type="HC0")
    np.testing.assert_allclose(
        found.params, peer.params.T.to_numpy().ravel(), rtol=1e-9
    )
    np.testing.assert_allclose(found.bse, np.asarray(peer.bse).T.ravel(), rtol=1e-8)
    predicted = found.predict(labels.head(4))
    assert list(predicted.columns) == LEVELS
    expected = peer.predict(design(labels.head(4), "1", "g", "x"))
    np.testing.assert_allclose(predicted, expected, rtol=1e-8)
    assert list(found.params.index[:2]) == ["left:Intercept", "left:g[T.b]"]


@pytest.mark.parametrize(
    ("score", "distribution"), [(OrderedLogit, "logit"), (OrderedProbit, "probit")]
)
def test_without_sources_it_is_ordered_model(score: Any, distribution: str) -> None:
    labels = frame().dropna()
    found = AugmentedGMM.from_formula("rank ~ x + g", labels, score=score()).fit(
        use_correction=False
    )
    exog = design(labels, "g", "x")
    model = OrderedModel(labels["rank"], exog, distr=distribution)
    peer = model.fit(method="newton", disp=0, tol=1e-9)
    thresholds = model.transform_threshold_params(peer.params.to_numpy())[1:-1]
    expected = np.r_[peer.params.to_numpy()[:2], thresholds]
    np.testing.assert_allclose(found.params, expected, rtol=1e-6)
    assert list(found.params.index) == ["g[T.b]", "x", "0/1", "1/2", "2/3"]
    # The sandwich of its own parameters, brought to thresholds by the delta method.
    scores = model.score_obs(peer.params.to_numpy())
    bread = np.linalg.inv(model.hessian(peer.params.to_numpy()))
    cov = bread @ scores.T @ scores @ bread
    turn, logs = np.eye(5), peer.params.to_numpy()[2:]
    for j in range(1, 3):
        turn[2 + j :, 2 + j] = np.exp(logs[j])
    turn[3:, 2] = 1.0
    # Its derivatives are differences.
    np.testing.assert_allclose(
        found.bse, np.sqrt(np.diag(turn @ cov @ turn.T)), rtol=1e-4
    )
    np.testing.assert_allclose(
        found.predict(labels.head(3)),
        peer.model.predict(peer.params, exog[:3]),
        rtol=1e-5,
    )


@dataclass(frozen=True)
class _Levels:
    """A model of the dense derivations, with numeric derivatives of log-likelihoods."""

    chances: Array
    x: Array
    own: Any

    def log_likelihood(self, params: Array) -> Array:
        with np.errstate(all="ignore"):
            logs = np.log(self.own(self.x, params))
        return np.asarray(np.where(self.chances > 0, self.chances * logs, 0.0).sum(1))

    def score_obs(self, params: Array, scale: float) -> Array:
        columns = []
        for j in range(len(params)):
            step = np.zeros_like(params)
            step[j] = 1e-3
            v = [self.log_likelihood(params + k * step) for k in (-2, -1, 1, 2)]
            columns.append((v[0] - 8 * v[1] + 8 * v[2] - v[3]) / 12e-3)
        return np.column_stack(columns)


def softmax(x: Array, params: Array) -> Array:
    odds = np.exp(np.column_stack([0.0 * x[:, 0], x @ params.reshape(2, -1).T]))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def cumulative(x: Array, params: Array) -> Array:
    below = stats.norm.cdf(params[1:] - (x @ params[:1])[:, None])
    n = len(x)
    return np.diff(np.column_stack([np.zeros(n), below, np.ones(n)]), axis=1)


@dataclass(frozen=True)
class LevelProblem(dense.Problem):
    """Outcomes are probabilities by level, one row of `table` per code."""

    own: Any = None
    begin: Any = None
    table: Any = None

    @property
    def k_params(self) -> int:
        return len(self.begin)

    def model(self, y: Array, x: Array, rows: Any) -> Any:
        return _Levels(self.table[y.astype(int)], x, self.own)

    def start(self) -> Array:
        return np.tile(self.begin, 1 + len(self.sources))


def level_problem(kind: str) -> tuple[LevelProblem, AugmentedGMM]:
    units = frame(3, 400, 110)
    if kind == "ordered":
        model = AugmentedGMM.from_formula(
            "rank ~ x", units, proxy={"rank": "rank_llm"}, score=OrderedProbit()
        )
        x, own = units[["x"]].to_numpy(), cumulative
        y, said = units["rank_true"], units["rank_llm"]
        begin, size = np.array([0.5, -1.0, 0.0, 1.0]), 4
    else:
        sources = {"llm": {"vote": SHARES if kind == "probabilities" else "llm"}}
        model = AugmentedGMM.from_formula(
            "vote ~ x", units, proxy=sources, score=MultinomialLogit()
        )
        x = np.column_stack([np.ones(400), units["x"]])
        own, begin, size = softmax, np.zeros(4), 3
        y, said = (units[c].map(LEVELS.index) for c in ("vote_true", "llm"))
    table = np.eye(size)
    if kind == "probabilities":
        table = np.vstack([table, units[["pc", "pl", "pr"]].to_numpy()])
        said = pd.Series(np.arange(400) + 3)
    problem = LevelProblem(
        y.to_numpy(dtype=float),
        x,
        units["vote"].notna().to_numpy(),
        [(said.to_numpy(dtype=float), x)],
        None,
        own=own,
        begin=begin,
        table=table,
    )
    return problem, model


@pytest.mark.parametrize("kind", ["multinomial", "probabilities", "ordered"])
def test_the_papers_estimator_equals_the_dense_derivation(kind: str) -> None:
    problem, model = level_problem(kind)
    found, expected = model.fit(**dense.PAPER), dense.fit(problem)
    # The derivation has differences of differences.
    np.testing.assert_allclose(found.params, expected["params"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.bse, np.sqrt(np.diag(expected["cov"])), rtol=1e-5)


@pytest.mark.parametrize("kind", ["multinomial", "ordered"])
def test_the_default_equals_the_plain_loops(kind: str) -> None:
    problem, model = level_problem(kind)
    found, expected = model.fit(), loops.fit(problem)
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        found.bse, np.sqrt(np.diag(expected.covariance)), rtol=1e-4
    )


def test_probabilities_of_zero_and_one_are_levels() -> None:
    units = frame()
    sure = units.assign(
        **{column: (units["llm"] == level) * 1.0 for level, column in SHARES.items()}
    )
    plain = voting(units).fit()
    soft = voting(sure, proxy={"gpt": {"vote": SHARES}}).fit()
    np.testing.assert_allclose(soft.params, plain.params, rtol=1e-8)
    # What a unit of another outcome would say: of all outcomes, or of quantiles.
    np.testing.assert_allclose(soft.bse, plain.bse, rtol=2e-2)


def test_a_level_that_a_source_never_uses() -> None:
    units = frame().assign(llm=lambda d: d["llm"].replace("right", "left"))
    result = voting(units).fit()
    assert result.converged
    assert result.dropped_sources == {}
    assert result.effective_nobs["left:x"] > 1.1 * result.n_labeled
    rank = frame().assign(rank_llm=lambda d: d["rank_llm"].clip(0, 2))
    ordered = AugmentedGMM.from_formula(
        "rank ~ x", rank, proxy={"rank": "rank_llm"}, score=OrderedLogit()
    ).fit()
    assert ordered.converged
    assert ordered.effective_nobs["x"] > 1.1 * ordered.n_labeled


OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"strata": "s"}, {}),
    ({"weights": "w"}, {}),
    ({}, {"cov_type": "cluster", "cov_kwds": {"groups": "c"}}),
    ({}, {"population": "finite"}),
    ({}, {"maxiter": "cue"}),
    ({"engine": "formulaic"}, {}),
]


@pytest.mark.parametrize(("options", "fit"), OPTIONS)
@pytest.mark.parametrize("score", [MultinomialLogit, OrderedLogit])
def test_options_and_analyses(
    score: Any, options: dict[str, Any], fit: dict[str, Any]
) -> None:
    units = frame(1)
    outcome = "vote" if score is MultinomialLogit else "rank"
    source = {outcome: "llm" if outcome == "vote" else "rank_llm"}
    result = AugmentedGMM.from_formula(
        f"{outcome} ~ x", units, proxy=source, score=score(), **options
    ).fit(**fit)
    name, truth = ("left:x", 1.0) if outcome == "vote" else ("x", 0.8)
    assert result.params[name] == pytest.approx(truth, abs=4 * result.bse[name])
    assert result.effective_nobs[name] > 1.2 * result.n_labeled
    assert len(result.diagnostics().verdict) > 2
    result.compare(["labels only", "PPI++", "predict-then-debias"])
    assert np.all(np.isfinite(result.plan().expect([300])["std_err"]))
    assert "Levels:" in str(result.summary())
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(again.params, result.params)


def test_base_and_order_of_levels() -> None:
    plain, other = voting().fit(), voting(score=MultinomialLogit(base="right")).fit()
    assert other.params["centre:x"] == pytest.approx(-plain.params["right:x"], rel=1e-6)
    order = ["right", "left", "centre"]
    category = frame().assign(vote=lambda d: pd.Categorical(d["vote"], order))
    assert list(voting(category).fit().params.index[::3]) == [
        "left:Intercept",
        "centre:Intercept",
    ]
    given = voting(score=MultinomialLogit(levels=order)).fit()
    np.testing.assert_allclose(given.params, voting(category).fit().params)


def test_texts_in_order() -> None:
    names = ["never", "seldom", "often", "always"]
    units = frame()
    texts = units.assign(
        rank=units["rank"].map(dict(enumerate(names))),
        rank_llm=units["rank_llm"].map(dict(enumerate(names))),
    )
    plain = AugmentedGMM.from_formula(
        "rank ~ x", units, proxy={"rank": "rank_llm"}, score=OrderedLogit()
    ).fit()
    for data, score in (
        (texts, OrderedLogit(names)),
        (texts.assign(rank=pd.Categorical(texts["rank"], names, ordered=True)), None),
    ):
        found = AugmentedGMM.from_formula(
            "rank ~ x",
            data,
            proxy={"rank": "rank_llm"},
            score=OrderedLogit() if score is None else score,
        ).fit()
        np.testing.assert_allclose(found.params, plain.params)
        assert list(found.params.index[1:]) == [
            *("never/seldom", "seldom/often", "often/always")
        ]


def test_arrays_are_the_same() -> None:
    units = frame()
    by_formula = voting(units).fit()
    exog = pd.DataFrame(design(units, "1", "g", "x"), columns=["const", "g", "x"])
    for outcome, labels in (
        (units["llm"], units["vote"]),
        (units["llm"].to_numpy(), units["vote"].to_numpy()),
    ):
        found = AugmentedGMM(
            labels, exog, proxy={"llm": (outcome, exog)}, score=MultinomialLogit()
        ).fit()
        np.testing.assert_allclose(found.params, by_formula.params, rtol=1e-9)
    soft = AugmentedGMM(
        units["vote"],
        exog,
        proxy={"llm": (units[["pc", "pl", "pr"]].to_numpy(), exog)},
        score=MultinomialLogit(),
    ).fit()
    expected = voting(units, proxy={"llm": {"vote": SHARES}}).fit()
    np.testing.assert_allclose(soft.params, expected.params, rtol=1e-9)


def test_a_frame_of_its_own_with_replicates_and_gaps() -> None:
    units = frame()
    own = units.loc[np.repeat(np.arange(1000), 2), ["llm"]]
    own = own.rename(columns={"llm": "vote"}).assign(x=lambda d: 0.0)
    own["x"] = units["x"].loc[own.index] + 0.1
    labeled = units.index[units["vote"].notna()]
    own = pd.concat(
        [
            own,
            units.loc[labeled[labeled >= 1000], ["llm", "x"]].rename(
                columns={"llm": "vote"}
            ),
        ]
    )
    result = voting(units, proxy=None, synthetic=own).fit()
    assert result.effective_nobs["left:x"] > 1.05 * result.n_labeled


def test_many_sets_of_labels() -> None:
    units = frame(n_units=600)
    model = voting(units)
    rng = np.random.default_rng(2)
    sets = {}
    for k in range(2):
        some = rng.permutation(600) < 200
        sets[k] = units["vote_true"].where(some)
    for k, result in enumerate(model.fit_many(sets)):
        own = voting(units.assign(vote=sets[k])).fit()
        np.testing.assert_allclose(result.params, own.params, rtol=1e-8)
    with pytest.raises(DataError, match="No label is 'right'"):
        list(model.fit_many({0: sets[0].where(sets[0] != "right")}))
    with pytest.raises(DataError, match="has the level 'up'"):
        model.fit_many({0: units["vote_true"].replace("left", "up")})


@pytest.mark.parametrize("as_category", [False, True])
@pytest.mark.parametrize("form", ["columns", "frames", "replicates"])
def test_dask_finds_levels(form: str, as_category: bool) -> None:
    dd = pytest.importorskip("dask.dataframe")
    units = frame()[["x", "vote", "llm", "rank", "rank_llm"]]
    units["second"] = units["llm"].replace("left", "right")  # never uses a level
    if as_category:
        order = pd.CategoricalDtype(["right", "left", "centre"])
        units["vote"] = units["vote"].astype(order)

    def parts(data: pd.DataFrame) -> Any:
        return dd.from_pandas(data, npartitions=3)

    def sources(names: list[str], outcome: str) -> dict[str, Any]:
        if form == "columns":
            return {name: {outcome: name} for name in names}
        own = {n: units[[n]].rename(columns={n: outcome}) for n in names}
        if form == "replicates":
            own = {"both": pd.concat(own.values()).sort_index(kind="stable")}
        return own

    for formula, names, score in (
        ("vote ~ x", ["llm", "second"], MultinomialLogit(base="left")),
        ("rank ~ x", ["rank_llm"], OrderedLogit()),
        ("rank ~ x", ["rank_llm"], OrderedLogit([0, 1, 2, 3])),
        ("vote ~ x", ["llm"], OrderedProbit(["left", "centre", "right"])),
    ):
        given = sources(names, formula.split()[0])
        expected = AugmentedGMM.from_formula(formula, units, given, score=score).fit()
        if form != "columns":
            given = {name: parts(own) for name, own in given.items()}
        model = AugmentedGMM.from_formula(formula, parts(units), given, score=score)
        found = model.fit()
        np.testing.assert_allclose(found.params, expected.params, rtol=1e-7)
        np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-6)
        assert list(found.params.index) == list(expected.params.index)
        assert list(found.predict(units.head(2))) == list(
            expected.predict(units.head(2))
        )
        again = pickle.loads(pickle.dumps(found))
        np.testing.assert_array_equal(again.params, found.params)


def test_levels_in_dask_are_checked_as_in_memory() -> None:
    dd = pytest.importorskip("dask.dataframe")
    units = frame()[["x", "vote", "llm", "rank", "pc", "pl", "pr"]]
    units["odd"] = units["llm"].replace("left", "lefft")

    def run(formula: str = "vote ~ x", source: Any = None, **options: Any) -> Any:
        options = {"score": MultinomialLogit()} | options
        data = dd.from_pandas(units, npartitions=3)
        source = {"vote": "llm"} if source is None else source
        return AugmentedGMM.from_formula(formula, data, source, **options)

    n = int((units["odd"] == "lefft").sum())
    with pytest.raises(DataError, match=rf"'proxy' has the level 'lefft'.*\({n} rows"):
        run(source={"vote": "odd"})
    with pytest.raises(DataError, match="data has the level 'right', which levels="):
        run(score=MultinomialLogit(LEVELS[:2]))
    with pytest.raises(DataError, match="No label is 'up', which levels= has"):
        run(score=MultinomialLogit([*LEVELS, "up"]))
    with pytest.raises(DataError, match="'vote' have no order"):
        run(score=OrderedLogit())
    with pytest.raises(OptionError, match="a probability for each level of 'vote'"):
        run(source={"llm": {"vote": SHARES}})
    with pytest.raises(OptionError, match=r"'np.sqrt\(rank\)' must be a column"):
        run("np.sqrt(rank) ~ x", {"rank": "rank"}, score=OrderedLogit())


def ranking(**options: Any) -> AugmentedGMM:
    units = options.pop("data", frame())
    formula = options.pop("formula", "rank ~ x")
    options = {"proxy": {"rank": "rank_llm"}, "score": OrderedLogit()} | options
    return AugmentedGMM.from_formula(formula, units, **options)


def of_arrays(outcome: Any) -> AugmentedGMM:
    exog = sm.add_constant(np.arange(len(outcome)) % 7.0)
    return AugmentedGMM(outcome, exog, score=MultinomialLogit())


BAD: list[tuple[Any, type[SynthError], str]] = [
    (
        lambda: voting(frame().replace({"llm": {"left": "lefft"}})),
        DataError,
        "Source 'proxy' has the level 'lefft', which no label has",
    ),
    (
        lambda: voting(score=MultinomialLogit(levels=[*LEVELS, "up"])),
        DataError,
        "No label is 'up', which levels= has",
    ),
    (
        lambda: voting(score=MultinomialLogit(levels=LEVELS[:2])),
        DataError,
        "has the level 'right', which levels= does not have",
    ),
    (
        lambda: voting(score=MultinomialLogit(base="up")),
        OptionError,
        "base='up' is not a level",
    ),
    (lambda: MultinomialLogit(["a", "a"]), OptionError, "a level twice"),
    (lambda: MultinomialLogit(["a", "b"], base="c"), OptionError, "is not one of"),
    (
        lambda: voting(
            frame().assign(vote=lambda d: d["vote"].where(d["vote"] == "left"))
        ),
        DataError,
        "one level among the labels",
    ),
    (
        lambda: voting(frame().assign(pc=0.5), proxy={"llm": {"vote": SHARES}}),
        DataError,
        "sum to 1; for",
    ),
    (
        lambda: voting(proxy={"llm": {"vote": {"left": "pl", "right": "pr"}}}),
        DataError,
        "Give one for each level, named as it",
    ),
    (
        lambda: AugmentedGMM.from_formula(
            "rank ~ x", frame(), proxy={"a": {"rank": SHARES}}
        ),
        DataError,
        "has a column for each level",
    ),
    (
        lambda: ranking(data=frame().assign(rank=frame()["vote"])),
        DataError,
        "have no order",
    ),
    (
        lambda: of_arrays(np.array(["a", "b", np.nan] * 60)),
        DataError,
        "the text 'nan'",
    ),
    (
        lambda: of_arrays(np.arange(180.0)),
        DataError,
        "too many to be levels",
    ),
    (lambda: ranking(formula="rank ~ 1"), SynthError, "thresholds"),
    (lambda: OrderedLogit("abc"), OptionError, "'abc' is one text"),
    (lambda: voting(proxy={"vote": "lm"}), DataError, "no column 'lm' to take 'vote'"),
    (
        lambda: voting(proxy={"llm": {"vote": SHARES | {"left": "zz"}}}),
        DataError,
        "no column 'zz' to take 'vote'",
    ),
    (
        lambda: voting(frame().assign(vote=None)),
        DataError,
        "no labelled unit: no row has the outcome 'vote'",
    ),
    (
        lambda: ranking(data=frame().replace({"rank": {2.0: np.inf}})),
        DataError,
        "'rank' is infinite for some labels",
    ),
    (
        lambda: ranking(formula="rank ~ 0 + g"),
        CollinearityError,
        "add up to a constant",
    ),
    (lambda: ranking(formula="np.sqrt(rank) ~ x"), OptionError, "must be a column"),
    (lambda: ranking(auxiliary="w"), OptionError, "auxiliary= predicts a number"),
    (lambda: voting().fit().diagnostics(by="g"), OptionError, "levels have no order"),
    (lambda: voting().fit().get_prediction(), OptionError, "one linear predictor"),
    (lambda: dsl(voting().fit()), DataError, "DSL predicts a number"),
]


@pytest.mark.parametrize(("run", "error", "match"), BAD)
def test_bad_input(run: Any, error: type[SynthError], match: str) -> None:
    with pytest.raises(error, match=match):
        run()


def test_every_method_that_can_is_in_the_comparison() -> None:
    for model in (voting(), ranking()):
        found = model.fit().compare()
        assert np.all(np.isfinite(found.table["estimate"]))
        assert "GMM-Synth" in found.table.index.get_level_values("method")
        assert [*found.left_out] == ["DSL (proxy)"]
        assert "has levels" in found.left_out["DSL (proxy)"]


@pytest.mark.parametrize("base", [None, "right"])
def test_fitted_probabilities_and_what_they_miss(base: Any) -> None:
    units = frame()
    result = voting(units, MultinomialLogit(base=base)).fit()
    labels = units.dropna()
    pd.testing.assert_frame_equal(result.fittedvalues, result.predict(labels))
    is_level = pd.DataFrame({k: labels["vote"] == k for k in result.resid}, dtype=float)
    pd.testing.assert_frame_equal(result.resid, is_level - result.fittedvalues)
    # As statsmodels', a Series where there are numbers, and arrays for arrays.
    assert of_arrays(np.repeat([0.0, 1.0, 2.0], 60)).fit().resid.shape == (180, 3)


def separated(column: str) -> pd.DataFrame:
    """A study in which x tells a level without error, in labels or in a source."""
    units = frame()
    apart = np.where(units["x"] > 0.3, "right", units["vote_true"])
    apart = np.where((units["x"] <= 0.3) & (apart == "right"), "left", apart)
    said = pd.Series(apart)
    said = said.where(units["vote"].notna()) if column == "vote" else said
    return units.assign(**{column: said})


def test_separation_is_named() -> None:
    for column, where in (("vote", "the labelled units"), ("llm", "source 'proxy'")):
        with pytest.raises(SeparationError, match=f"in {where}: .*'right:x'"):
            voting(separated(column)).fit()
    rank = frame().assign(rank_llm=lambda d: np.digitize(d["x"], [-1.0, 0.0, 1.0]))
    with pytest.raises(SeparationError, match="Or give a probability for each level"):
        ranking(data=rank).fit()


def test_a_separated_source_with_probabilities_is_no_harm() -> None:
    units = separated("llm")
    sure = {
        column: 0.94 * (units["llm"] == level) + 0.02
        for level, column in SHARES.items()
    }
    result = voting(units.assign(**sure), proxy={"llm": {"vote": SHARES}}).fit()
    assert result.converged
    alone = voting(units, proxy=None).fit()
    assert np.all(result.bse < 1.1 * alone.bse)


def test_the_score_that_knows_the_codes_is_kept() -> None:
    for model in (voting(), ranking()):
        assert model.options.score.levels == model.target_score.levels

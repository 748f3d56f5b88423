"""The same numbers from R as from Python for target models besides families."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import subprocess
from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.scores import (
    AverageTreatmentEffect,
    Huber,
    MultinomialLogit,
    NegativeBinomial2,
    OrderedLogit,
    OrderedProbit,
    Quantile,
)
from tests.r.test_parity import REPORT

RunR = Callable[..., subprocess.CompletedProcess[str]]

T, N = 1500, 500
LEVELS = ["low", "mid", "high"]
ONE_PROXY = {"proxy": {"real": "real_guess"}}
PROXY = "proxy = c(real = 'real_guess')"
#: Name: (formula, score, options of the model, of the fit, formula in R, rest in R).
CASES: dict[str, tuple[str, Any, dict[str, Any], dict[str, Any], str, str]] = {
    "median": (
        "real ~ x + z", Quantile(0.5), ONE_PROXY, {}, "real ~ x + z",
        f"{PROXY}, score = quantile_score(0.5)",
    ),
    "quantile, replicates": (
        "real ~ x", Quantile(0.8), {"synthetic": "made_up"}, {}, "real ~ x",
        "synthetic = made_up, score = quantile_score(0.8)",
    ),
    "huber, weights": (
        "real ~ x + z", Huber(), ONE_PROXY | {"weights": "w"}, {}, "real ~ x + z",
        f"{PROXY}, weights = w, score = huber()",
    ),
    "huber, scale": (
        "real ~ x", Huber(2.0, scale=1.5), ONE_PROXY, {}, "real ~ x",
        f"{PROXY}, score = huber(2, scale = 1.5)",
    ),
    "negative binomial": (
        "count ~ x", NegativeBinomial2(), {"proxy": {"count": "count_guess"}}, {},
        "count ~ x", "proxy = c(count = 'count_guess'), score = negative_binomial2()",
    ),
    "multinomial": (
        "level ~ x + z", MultinomialLogit(), {"proxy": {"level": "level_guess"}}, {},
        "level ~ x + z",
        "proxy = c(level = 'level_guess'), score = multinomial_logit()",
    ),
    "multinomial, base and clusters": (
        "level ~ x", MultinomialLogit(base="mid"), {"synthetic": "made_up"},
        {"cov_type": "cluster", "cov_kwds": {"groups": "firm"}},
        "level ~ x", "synthetic = made_up, cluster = firm, "
        "score = multinomial_logit(base = 'mid')",
    ),
    "multinomial, probabilities": (
        "level ~ x", MultinomialLogit(),
        {"proxy": {"llm": {"level": {k: f"p_{k}" for k in LEVELS}}}}, {}, "level ~ x",
        "proxy = list(llm = list(level = c(high = 'p_high', low = 'p_low', "
        "mid = 'p_mid'))), score = multinomial_logit()",
    ),
    "ordered, probabilities and rows": (
        "level ~ x + z", OrderedLogit(LEVELS),
        {"proxy": {"llm": {"level": {k: f"p_{k}" for k in LEVELS}, "z": "v"}},
         "synthetic": "made_up"}, {}, "level ~ x + z",
        "proxy = list(llm = list(level = c(low = 'p_low', mid = 'p_mid', "
        "high = 'p_high'), z = 'v')), synthetic = made_up, "
        "score = ordered_logit(c('low', 'mid', 'high'))",
    ),
    "ordered logit": (
        "level ~ x + z", OrderedLogit(LEVELS), {"proxy": {"level": "level_guess"}}, {},
        "level ~ x + z", "proxy = c(level = 'level_guess'), "
        "score = ordered_logit(c('low', 'mid', 'high'))",
    ),
    "ordered probit, numbers": (
        "rating ~ group + x", OrderedProbit(), {"proxy": {"rating": "rating_guess"}},
        {}, "rating ~ group + x",
        "proxy = c(rating = 'rating_guess'), score = ordered_probit()",
    ),
    "adjustment": (
        "real ~ treated + x", AverageTreatmentEffect("treated"), ONE_PROXY, {},
        "real ~ treated + x", f"{PROXY}, score = treatment_effect('treated')",
    ),
    "weighting": (
        "real ~ treated + x", AverageTreatmentEffect("treated", "logit"), ONE_PROXY,
        {}, "real ~ treated + x",
        f"{PROXY}, score = treatment_effect('treated', 'logit')",
    ),
    "known propensities": (
        "real ~ treated + x + chance", AverageTreatmentEffect("treated", "chance"),
        ONE_PROXY, {}, "real ~ treated + x + chance",
        f"{PROXY}, score = treatment_effect('treated', 'chance')",
    ),
    "instruments": (
        "real ~ group + x + [d ~ z + v]", None, ONE_PROXY, {},
        "real ~ group + x | d ~ z + v", PROXY,
    ),
    "instruments, synthetic": (
        "real ~ 1 + [d ~ z]", None, {"synthetic": "made_up"},
        {"cov_type": "cluster", "cov_kwds": {"groups": "firm"}},
        "real ~ 1 | d ~ z", "synthetic = made_up, cluster = firm",
    ),
    "instruments and fixed effects": (
        "real ~ x + [d ~ z + v] | firm", None, ONE_PROXY, {},
        "real ~ x | firm | d ~ z + v", PROXY,
    ),
    "instruments, two fixed effects, finite": (
        "real ~ group + [d ~ z] | firm + year", None, ONE_PROXY,
        {"population": "finite"}, "real ~ group | firm + year | d ~ z",
        f"{PROXY}, population = 'finite'",
    ),
    "fixed effects": (
        "real ~ x + d | firm", None, ONE_PROXY, {}, "real ~ x + d | firm", PROXY,
    ),
    "two fixed effects, weights": (
        "real ~ x | firm + year", None, {"synthetic": "made_up", "weights": "w"}, {},
        "real ~ x | firm + year", "synthetic = made_up, weights = w",
    ),
    "fixed effects, finite": (
        "real ~ group + x | firm", None, ONE_PROXY, {"population": "finite"},
        "real ~ group + x | firm", f"{PROXY}, population = 'finite'",
    ),
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.SynthWarning"
)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Units with outcomes of several kinds, an endogenous regressor, and groups."""
    rng = np.random.default_rng(21)
    frame = pd.DataFrame(rng.normal(size=(T, 3)), columns=["x", "z", "v"])
    frame.insert(0, "id", [f"u{k}" for k in range(T)])
    frame["group"] = rng.choice(["a", "b"], T)
    frame["firm"] = rng.choice([f"f{k}" for k in range(30)], T)
    frame["year"] = rng.integers(2000, 2006, T)
    frame["w"] = rng.uniform(0.5, 2.0, T)
    frame["chance"] = 1 / (1 + np.exp(-0.5 * frame["x"]))
    frame["treated"] = (rng.uniform(size=T) < frame["chance"]).astype(int)
    shared = rng.normal(size=T)
    frame["d"] = frame["z"] + 0.5 * frame["v"] + shared + rng.normal(size=T)
    eta = 0.5 * frame["x"] + 0.4 * frame["treated"] + 0.3 * frame["d"]
    real = eta + shared + rng.normal(size=T)
    frame["real"], frame["real_guess"] = real, real + rng.normal(scale=0.6, size=T)
    rate = np.exp(0.4 + 0.4 * frame["x"]) * rng.gamma(2.0, 0.5, T)
    frame["count"] = rng.poisson(rate).astype(float)
    frame["count_guess"] = frame["count"] + rng.poisson(0.3, T)
    for name, noise in (("", 0.0), ("_guess", 0.7)):
        latent = real + noise * rng.normal(size=T)
        place = np.digitize(latent, [0.0, 1.2])
        frame[f"level{name}"] = np.array(LEVELS)[place]
        frame[f"rating{name}"] = place + 1.0
    soft = np.random.default_rng(23).dirichlet(np.ones(3), T)
    for k, level in enumerate(LEVELS):
        frame[f"p_{level}"] = 0.4 * soft[:, k] + 0.6 * (frame["level_guess"] == level)
    frame.loc[frame.index % 50 == 0, "p_mid"] = np.nan
    labeled = np.zeros(T, dtype=bool)
    labeled[rng.choice(T, N, replace=False)] = True
    for name in ("real", "count", "level", "rating"):
        frame[name] = frame[name].where(labeled)
    return frame


def made_up(data: pd.DataFrame) -> pd.DataFrame:
    """Two rows for each unit, with outcomes and an x of their own."""
    rng = np.random.default_rng(22)
    rows = np.repeat(np.arange(T), 2)
    frame = data.iloc[rows][["id"]].reset_index(drop=True)
    frame["x"] = data["x"].to_numpy()[rows] + rng.normal(scale=0.2, size=2 * T)
    frame["real"] = data["real_guess"].to_numpy()[rows] + rng.normal(size=2 * T)
    frame["level"] = data["level_guess"].to_numpy()[rows]
    return frame


def fitted(case: str, data: pd.DataFrame) -> tuple[AugmentedGMM, Any]:
    formula, score, options, fit_options, *_ = CASES[case]
    given = {k: made_up(data) if v == "made_up" else v for k, v in options.items()}
    model = AugmentedGMM.from_formula(formula, data, on="id", score=score, **given)
    return model, model.fit(**fit_options)


def in_python(model: AugmentedGMM, fit: Any) -> list[Any]:
    """What `report` writes."""
    df = fit.df_resid if fit.use_t else np.inf
    table = fit.representativeness()
    return [
        fit.params, fit.cov_params(), df, fit.real_only.params,
        fit.real_only.cov_params(), fit.variance_reduction, fit.effective_nobs,
        table.iloc[:, :5].to_numpy().T, fit.naive_params, fit.naive_bse,
        fit.auxiliary_params, fit.sources["explained"], fit.n_units,
        model.n_incomplete,
    ]  # fmt: skip


def flat(parts: list[Any]) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(part, dtype=float)) for part in parts])


def numbers(line: list[str]) -> list[float]:
    return [np.nan if v in ("NaN", "NA") else float.fromhex(v) for v in line if v]


#: What a line is about, if not about the fit.
SAID = ("names", "predicted", "first stage", "test")


def test_the_same_numbers(run_r: RunR, data: pd.DataFrame, tmp_path: Path) -> None:
    for name, frame in (("data", data), ("made_up", made_up(data))):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    calls = [
        f"fit <- augmented_gmm({c[4]}, data, {c[5]}, on = 'id'); report({case!r}, fit);"
        f" extras({case!r}, fit)"
        for case, c in CASES.items()
    ]
    done = run_r(f"""
    library(statsmodelssynth)
    {REPORT}
    extras <- function(name, fit) {{
      cat(name, "names", names(coef(fit)), sep = "\\t")
      cat("\\n")
      predicted <- tryCatch(predict(fit, data[1:20, ]), error = function(e) NULL)
      if (!is.null(predicted)) {{
        cat(name, "predicted", sprintf("%a", t(predicted)), sep = "\\t")
        cat("\\n")
      }}
      if (!is.null(fit$first_stage)) {{
        stage <- first_stage(fit)
        test <- tryCatch(overidentification(fit), error = function(e) NULL)
        cat(name, "first stage", sprintf("%a", unlist(stage[-1])),
          sprintf("%a", c(test$statistic, test$p.value)), sep = "\\t")
        cat("\\n")
        table <- tidy(anderson_rubin(fit, null = 0.2, level = 0.9))
        cat(name, "test", sprintf("%a", unlist(table[2:9])), sep = "\\t")
        cat("\\n")
      }}
    }}
    data <- utils::read.csv("data.csv", na.strings = "")
    made_up <- utils::read.csv("made_up.csv")
    suppressWarnings({{
    {chr(10).join(calls)}
    }})
    """)
    assert done.returncode == 0, done.stderr
    lines: dict[str, dict[str, list[str]]] = {}
    for line in done.stdout.splitlines():
        case, *rest = line.split("\t")
        what = rest.pop(0) if rest[0] in SAID else ""
        lines.setdefault(case, {})[what] = rest
    assert lines.keys() == CASES.keys()
    for case, own in lines.items():
        model, fit = fitted(case, data)
        names = [
            name.replace("Intercept", "(Intercept)").replace("group[T.b]", "groupb")
            for name in fit.model.param_names
        ]
        assert own["names"] == names, case
        # The columns of the design can differ in the last bit, and the order of sums.
        ours, expected = numbers(own[""]), flat(in_python(model, fit))
        if case == "two fixed effects, weights":
            # These degrees of freedom jump by 7e-6 in Python too where x changes by its
            # last bit: groups are found by iteration.
            k = 2  # after one coefficient and its variance
            assert ours[k] == pytest.approx(expected[k], rel=1e-5)
            ours[k] = expected[k]
        np.testing.assert_allclose(ours, expected, 1e-10, 1e-10, err_msg=case)
        if "predicted" in own:
            there = fit.predict(
                data.head(20), which="linear" if _has_link(fit) else "mean"
            )
            np.testing.assert_allclose(
                numbers(own["predicted"]), np.ravel(there), 1e-10, 1e-10, err_msg=case
            )
        if "first stage" in own:
            found = [fit.first_stage().to_numpy()]
            if "v" in CASES[case][0]:
                found.append(np.array(fit.overidentification())[:2])
            np.testing.assert_allclose(
                numbers(own["first stage"]), flat(found), 1e-10, 1e-10, err_msg=case
            )
            test = fit.anderson_rubin(0.2, alpha=0.1).tidy().iloc[:, 1:9]
            # The ends are searched for, to 1e-7 of an angle.
            np.testing.assert_allclose(
                numbers(own["test"]), flat([test.to_numpy().T]), 1e-6, err_msg=case
            )


def _has_link(fit: Any) -> bool:
    """Whether R's predictor is not the mean."""
    return isinstance(fit.model.target_score, NegativeBinomial2)

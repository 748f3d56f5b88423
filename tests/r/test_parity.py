"""The same numbers from R and from Python, on the same data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import subprocess
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM

RunR = Callable[..., subprocess.CompletedProcess[str]]

N_UNITS, N_LABELED = 800, 160


def units() -> pd.DataFrame:
    """A population with outcomes of several families, guesses, and a design."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=N_UNITS)
    group = rng.choice(["a", "b", "c"], N_UNITS)
    z = rng.normal(size=N_UNITS)
    eta = 0.4 + 0.5 * x + 0.3 * (group == "b") - 0.2 * z
    frame = pd.DataFrame(
        {
            "id": [f"u{k}" for k in range(N_UNITS)],
            "x": x,
            "z": z,
            "group": group,
            "w": rng.uniform(0.5, 2.0, N_UNITS),
            "area": rng.integers(0, 40, N_UNITS),
            "stratum": np.where(x > 0.5, "high", "low"),
            "size": rng.uniform(1.0, 3.0, N_UNITS),
        }
    )
    noise = rng.normal(size=N_UNITS)
    frame["real"] = eta + noise
    frame["real_guess"] = frame["real"] + 0.2 + rng.normal(scale=0.6, size=N_UNITS)
    chance = 1 / (1 + np.exp(-eta))
    frame["yes"] = (rng.uniform(size=N_UNITS) < chance).astype(float)
    flip = rng.uniform(size=N_UNITS) < 0.15
    frame["yes_guess"] = np.where(flip, 1 - frame["yes"], frame["yes"])
    frame["count"] = rng.poisson(np.exp(0.5 * eta)).astype(float)
    frame["count_guess"] = frame["count"] + rng.poisson(0.3, N_UNITS)
    frame["cost"] = rng.gamma(2.0, np.exp(0.3 * eta) / 2.0)
    frame["cost_guess"] = frame["cost"] * rng.gamma(20.0, 0.05, N_UNITS)
    prob = np.where(frame["stratum"] == "high", 0.3, 0.15)
    frame["prob"] = prob
    labeled = np.zeros(N_UNITS, dtype=bool)
    labeled[rng.choice(N_UNITS, N_LABELED, replace=False)] = True
    frame["labeled"] = labeled.astype(int)
    for name in ("real", "yes", "count", "cost"):
        frame.loc[~labeled, name] = np.nan
    far = ~labeled & (np.arange(N_UNITS) % 40 == 0)
    frame["region"] = np.where(far, "far", frame["group"])
    return frame


def made_up(data: pd.DataFrame) -> pd.DataFrame:
    """Three synthetic rows for most units, with an outcome and an x of their own."""
    rng = np.random.default_rng(12)
    rows = np.sort(rng.choice(N_UNITS, 3 * N_UNITS))
    frame = data.iloc[rows][["id", "z", "group", "size"]].reset_index(drop=True)
    frame["x"] = data["x"].to_numpy()[rows] + rng.normal(scale=0.3, size=len(rows))
    for name in ("real", "count", "cost"):
        scale = rng.gamma(30.0, 1 / 30.0, len(rows))
        frame[name] = data[f"{name}_guess"].to_numpy()[rows] * scale
    frame["count"] = frame["count"].round()
    frame["yes"] = data["yes_guess"].to_numpy()[rows]
    frame.loc[frame.index % 37 == 0, "real"] = np.nan
    frame["region"] = data["region"].to_numpy()[rows]
    frame.loc[frame.index % 31 == 0, "region"] = "odd"
    return frame


FAMILIES = sm.families
LINKS = sm.families.links
#: Name: (formula, family, options of model and fit, family in R, rest in R).
CASES: dict[str, tuple[str, Any, dict[str, Any], dict[str, Any], str, str]] = {
    "labels only": ("real ~ x + z", None, {}, {}, "gaussian", ""),
    "proxy column": (
        "real ~ group + x", None, {"proxy": {"real": "real_guess"}}, {},
        "gaussian", "proxy = c(real = 'real_guess')",
    ),
    "synthetic frame": (
        "real ~ x + z", None, {"synthetic": "made_up"}, {},
        "gaussian()", "synthetic = made_up",
    ),
    "both": (
        "real ~ group * x", None,
        {"proxy": {"llm": {"real": "real_guess"}}, "synthetic": {"agents": "made_up"}},
        {}, "gaussian",
        "proxy = list(llm = c(real = 'real_guess')), "
        "synthetic = list(agents = made_up)",
    ),
    "logit": (
        "yes ~ group + x", FAMILIES.Binomial(), {"proxy": {"yes": "yes_guess"}}, {},
        "binomial", "proxy = c(yes = 'yes_guess')",
    ),
    "probit": (
        "yes ~ x", FAMILIES.Binomial(LINKS.Probit()), {"synthetic": "made_up"}, {},
        "binomial('probit')", "synthetic = made_up",
    ),
    "cloglog": (
        "yes ~ x", FAMILIES.Binomial(LINKS.CLogLog()), {"proxy": {"yes": "yes_guess"}},
        {}, "binomial(link = cloglog)", "proxy = c(yes = 'yes_guess')",
    ),
    "cauchit": (
        "yes ~ x", FAMILIES.Binomial(LINKS.Cauchy()), {"proxy": {"yes": "yes_guess"}},
        {}, "binomial('cauchit')", "proxy = c(yes = 'yes_guess')",
    ),
    "poisson": (
        "count ~ x + z", FAMILIES.Poisson(), {"proxy": {"count": "count_guess"}}, {},
        "poisson", "proxy = c(count = 'count_guess')",
    ),
    "poisson, square root": (
        "count ~ x", FAMILIES.Poisson(LINKS.Sqrt()), {"synthetic": "made_up"}, {},
        "poisson('sqrt')", "synthetic = made_up",
    ),
    "gamma": (
        "cost ~ x", FAMILIES.Gamma(LINKS.Log()), {"proxy": {"cost": "cost_guess"}}, {},
        "Gamma('log')", "proxy = c(cost = 'cost_guess')",
    ),
    "gamma, inverse": (
        "cost ~ 1", FAMILIES.Gamma(), {"proxy": {"cost": "cost_guess"}}, {},
        "Gamma", "proxy = c(cost = 'cost_guess')",
    ),
    "negative binomial": (
        "count ~ x", FAMILIES.NegativeBinomial(alpha=0.5),
        {"proxy": {"count": "count_guess"}}, {},
        "MASS::negative.binomial(2)", "proxy = c(count = 'count_guess')",
    ),
    "weights": (
        "real ~ x", None, {"proxy": {"real": "real_guess"}, "weights": "w"}, {},
        "gaussian", "proxy = c(real = 'real_guess'), weights = w",
    ),
    "clusters": (
        "real ~ x", None, {"proxy": {"real": "real_guess"}},
        {"cov_type": "cluster", "cov_kwds": {"groups": "area"}},
        "gaussian", "proxy = c(real = 'real_guess'), cluster = ~area",
    ),
    "strata": (
        "real ~ x", None, {"proxy": {"real": "real_guess"}, "strata": "stratum"}, {},
        "gaussian", "proxy = c(real = 'real_guess'), strata = 'stratum'",
    ),
    "labelling probability": (
        "real ~ x", None,
        {"proxy": {"real": "real_guess"}, "labeling_prob": "prob"}, {}, "gaussian",
        "proxy = c(real = 'real_guess'), labeling_prob = prob",
    ),
    "auxiliary": (
        "real ~ x", None,
        {"proxy": {"real": "real_guess"}, "auxiliary": "z + group"}, {},
        "gaussian", "proxy = c(real = 'real_guess'), auxiliary = ~ z + group",
    ),
    "auxiliary, clusters": (
        "yes ~ x", FAMILIES.Binomial(),
        {"proxy": {"yes": "yes_guess"}, "auxiliary": "z + size"},
        {"cov_type": "cluster", "cov_kwds": {"groups": "area"}},
        "binomial", "proxy = c(yes = 'yes_guess'), auxiliary = ~ z + size, "
        "cluster = area",
    ),
    "labelled by column": (
        "real ~ x", None, {"synthetic": "made_up", "labeled": "labeled"}, {},
        "gaussian", "synthetic = made_up, labeled = labeled",
    ),
    "rare levels dropped": (
        "real ~ region + x", None,
        {
            "proxy": {"llm": {"real": "real_guess"}},
            "synthetic": {"agents": "made_up"}, "rare_levels": "drop",
        },
        {}, "gaussian",
        "proxy = list(llm = c(real = 'real_guess')), "
        "synthetic = list(agents = made_up), rare_levels = 'drop'",
    ),
    "rare levels lumped": (
        "real ~ region + x", None, {"synthetic": "made_up", "rare_levels": "lump"}, {},
        "gaussian", "synthetic = made_up, rare_levels = 'lump'",
    ),
    "paper": (
        "real ~ x", None, {"proxy": {"real": "real_guess"}},
        {"use_correction": False, "use_t": False},
        "gaussian", "proxy = c(real = 'real_guess'), use_correction = FALSE",
    ),
    "finite population, partly covered": (
        "real ~ x", None, {"synthetic": "made_up", "strata": "stratum"},
        {"population": "finite"},
        "gaussian", "synthetic = made_up, strata = stratum, population = 'finite'",
    ),
    "one step": (
        "real ~ x", None, {"proxy": {"real": "real_guess"}}, {"maxiter": 1},
        "gaussian", "proxy = c(real = 'real_guess'), maxiter = 1",
    ),
    "iterated, centred": (
        "real ~ x", None, {"synthetic": "made_up"},
        {"maxiter": 50, "use_correction": False, "centered": True},
        "gaussian",
        "synthetic = made_up, maxiter = 50, use_correction = FALSE, centered = TRUE",
    ),
    "continuously updated": (
        "yes ~ x", FAMILIES.Binomial(), {"proxy": {"yes": "yes_guess"}},
        {"maxiter": "cue"},
        "binomial", "proxy = c(yes = 'yes_guess'), maxiter = 'cue'",
    ),
}  # fmt: skip

#: Writes numbers so that no bit is lost.
REPORT = """
report <- function(name, fit) {
  numbers <- c(
    coef(fit), vcov(fit), fit$df.residual, fit$labels_only$coefficients,
    fit$labels_only$vcov, fit$variance_reduction, fit$effective_nobs,
    unlist(fit$representativeness), t(fit$naive$coefficients), t(fit$naive$std.error),
    t(fit$auxiliary), fit$sources$explained, fit$n_units, fit$n_incomplete
  )
  cat(name, sprintf("%a", numbers), "\\n", sep = "\\t")
}
"""


# R says them too, where they are muffled: see test_guards.py.
pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.SynthWarning"
)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return units()


def python_numbers(case: str, data: pd.DataFrame) -> np.ndarray:
    """What `report` writes, from Python."""
    formula, family, options, fit_options, *_ = CASES[case]
    synthetic = made_up(data)

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: resolve(v) for k, v in value.items()}
        return synthetic if isinstance(value, str) and value == "made_up" else value

    given = {key: resolve(value) for key, value in options.items()}
    model = AugmentedGMM.from_formula(formula, data, on="id", family=family, **given)
    fit = model.fit(**fit_options)
    df = fit.df_resid if fit.use_t else np.inf
    parts = [
        fit.params, fit.cov_params(), df, fit.real_only.params,
        fit.real_only.cov_params(), fit.variance_reduction, fit.effective_nobs,
        fit.representativeness().iloc[:, :5].to_numpy().T, fit.naive_params,
        fit.naive_bse, fit.auxiliary_params, fit.sources["explained"], fit.n_units,
        model.n_incomplete,
    ]  # fmt: skip
    return np.concatenate([np.ravel(np.asarray(part, dtype=float)) for part in parts])


def test_the_same_numbers(run_r: RunR, data: pd.DataFrame, tmp_path: Path) -> None:
    for name, frame in (("data", data), ("made_up", made_up(data))):
        # R's reading of decimals may be off in the last bit.
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    calls = [
        f"report({case!r}, augmented_gmm({c[0]}, data, {c[5]}{', ' if c[5] else ''}"
        f"on = 'id', family = {c[4]}))"
        for case, c in CASES.items()
    ]
    script = f"""
    library(statsmodelssynth)
    {REPORT}
    data <- utils::read.csv("data.csv")
    made_up <- utils::read.csv("made_up.csv")
    suppressWarnings({{
    {chr(10).join(calls)}
    }})
    """
    done = run_r(script)
    assert done.returncode == 0, done.stderr
    lines = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    assert lines.keys() == CASES.keys()
    for case in CASES:
        values = [v for v in lines[case].split("\t") if v]
        # sprintf("%a") writes NaN and Inf as R does.
        ours = [np.nan if v in ("NaN", "NA") else float.fromhex(v) for v in values]
        theirs = python_numbers(case, data)
        assert len(ours) == len(theirs), case
        # The columns of the design can differ in the last bit, and the order of sums.
        np.testing.assert_allclose(ours, theirs, 1e-10, 1e-10, err_msg=case)

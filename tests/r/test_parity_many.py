"""Many fits in R: sets of labels as Python has them, formulas as single calls."""

from __future__ import annotations

from collections.abc import Callable
import itertools
from pathlib import Path
import subprocess
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.scores import MultinomialLogit, OrderedLogit
from tests.r.test_parity import N_UNITS, made_up, units

RunR = Callable[..., subprocess.CompletedProcess[str]]

COLUMNS = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
BINOMIAL = sm.families.Binomial()
#: Name: (formula, options of the model, of the fit, formula in R, the rest in R).
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], str, str]] = {
    "proxy": (
        "real ~ group + x", {"proxy": {"real": "real_guess"}}, {}, "real ~ group + x",
        "proxy = c(real = 'real_guess')",
    ),
    "weights, replicates": (
        "real ~ x", {"synthetic": "made_up", "weights": "w"}, {"use_t": False},
        "real ~ x", "synthetic = made_up, weights = w, use_t = FALSE",
    ),
    "shares, clusters": (
        "yes ~ x", {"proxy": {"yes": "yes_guess"}, "family": BINOMIAL},
        {"cov_type": "cluster", "cov_kwds": {"groups": "area"}}, "yes ~ x",
        "proxy = c(yes = 'yes_guess'), family = binomial, cluster = area",
    ),
    "strata, a gap": (
        "real ~ gappy", {"synthetic": "made_up", "strata": "stratum"},
        {"population": "finite"}, "real ~ gappy",
        "synthetic = made_up, strata = stratum, population = 'finite'",
    ),
    "paper": (
        "real ~ x", {"proxy": {"real": "real_guess"}}, {"use_correction": False},
        "real ~ x", "proxy = c(real = 'real_guess'), use_correction = FALSE",
    ),
    "levels, base": (
        "level ~ x",
        {"proxy": {"level": "level_guess"}, "score": MultinomialLogit(base="mid")}, {},
        "level ~ x",
        "proxy = c(level = 'level_guess'), score = multinomial_logit(base = 'mid')",
    ),
    "levels in order": (
        "level ~ x",
        {"proxy": {"level": "level_guess"},
         "score": OrderedLogit(["low", "mid", "high"])}, {},
        "level ~ x", "proxy = c(level = 'level_guess'), "
        "score = ordered_logit(c('low', 'mid', 'high'))",
    ),
    "instruments": (
        "real ~ z + [x ~ w]", {"proxy": {"real": "real_guess"}}, {},
        "real ~ z | x ~ w", "proxy = c(real = 'real_guess')",
    ),
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.SynthWarning"
)


def data_and_truth() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Units with labels of some, and the outcomes of all."""
    frame = units()
    rng = np.random.default_rng(17)
    frame["gappy"] = frame["z"].where(np.arange(N_UNITS) % 9 != 0)
    truth = pd.DataFrame({"id": frame["id"], "real": frame["real_guess"] - 0.2})
    truth["real"] += rng.normal(scale=0.3, size=N_UNITS)
    truth["yes"] = frame["yes_guess"]
    flip = rng.uniform(size=N_UNITS) < 0.1
    truth.loc[flip, "yes"] = 1 - truth.loc[flip, "yes"]
    for name, noise in (("", 0.0), ("_guess", 0.6)):
        latent = truth["real"] + noise * rng.normal(size=N_UNITS)
        levels = np.array(["low", "mid", "high"])[np.digitize(latent, [0.0, 1.2])]
        frame[f"level{name}"] = levels
    truth["level"] = frame["level"]
    frame["level"] = frame["level"].where(frame["real"].notna(), None)
    return frame, truth


def sets_of(truth: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Three sets of labels, by id, in an order of their own."""
    rng = np.random.default_rng(3)
    sets = {}
    for k, n in enumerate((120, 200, 90)):
        is_chosen = np.zeros(len(truth), dtype=bool)
        is_chosen[rng.choice(len(truth), n, replace=False)] = True
        sets[f"set {k}"] = truth[outcome].where(is_chosen, None)
    frame = pd.DataFrame({"id": truth["id"], **sets})
    return frame.iloc[rng.permutation(len(frame))]


REPORT = """
report <- function(case, found) {
  for (name in c("fit", "term", "estimate", "std.error", "statistic", "p.value",
                 "conf.low", "conf.high")) {
    x <- found$table[[name]]
    shown <- if (is.character(x)) x else sprintf("%a", as.double(x))
    cat(case, name, shown, sep = "\\t")
    cat("\\n")
  }
}
"""


def test_sets_of_labels_are_those_of_python(run_r: RunR, tmp_path: Path) -> None:
    data, truth = data_and_truth()
    frames = {"data": data, "made_up": made_up(data).assign(gappy=lambda d: d["z"])}
    for outcome in ("real", "yes", "level"):
        frames[f"sets_{outcome}"] = sets_of(truth, outcome)
    for name, frame in frames.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    calls = [
        f"report({case!r}, many_fits(augmented_gmm({c[3]}, data, {c[4]}, on = 'id'), "
        f"sets_{c[0].split(' ')[0]}, level = 0.9))"
        for case, c in CASES.items()
    ]
    reads = [f"{name} <- read('{name}.csv')" for name in frames]
    done = run_r(f"""
    library(statsmodelssynth)
    {REPORT}
    read <- function(path) utils::read.csv(path, check.names = FALSE, na.strings = "")
    {chr(10).join(reads)}
    suppressWarnings({{
    {chr(10).join(calls)}
    }})
    """)
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    for case, of_case in itertools.groupby(lines, key=lambda line: line[0]):
        formula, options, fit_options, *_ = CASES[case]
        given = options | (
            {"synthetic": frames["made_up"]} if "synthetic" in options else {}
        )
        sets = frames[f"sets_{formula.split(' ')[0]}"].set_index("id")
        model = AugmentedGMM.from_formula(formula, data, on="id", **given)
        theirs = model.fit_many(sets, **fit_options).tidy(0.1)
        ours = {line[1]: line[2:] for line in of_case}
        assert ours["fit"] == list(theirs["labels"]), case
        assert len(set(ours["fit"])) == 3
        for name in COLUMNS:
            read = [float.fromhex(v) for v in ours[name.replace("_", ".")]]
            # The columns of the design can differ in the last bit.
            np.testing.assert_allclose(
                read, theirs[name], 1e-10, 1e-10, err_msg=f"{case}, {name}"
            )

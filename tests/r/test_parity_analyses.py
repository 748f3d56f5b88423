"""The same answers from R as from Python to what is asked of a fit."""

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

from statsmodels_synth import AugmentedGMM, estimators
from tests.r.test_parity import made_up, units

RunR = Callable[..., subprocess.CompletedProcess[str]]

BINOMIAL = sm.families.Binomial()
#: DSL and RePPI have a test of their own: their learners are trees, which may part
#: elsewhere where a number differs in its last bit, as it does after R has read it.
METHODS = [
    *("labels only", "naive", "naive pooled", "PPI", "PPI++", "PPI++ by coefficient"),
    *("predict-then-debias", "GMM-Synth"),
]
#: Name: (formula, options of the model, options of the fit, the rest of the call in R).
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "two sources": (
        "real ~ x + z",
        {"proxy": {"llm": {"real": "real_guess"}}, "synthetic": {"agents": "made_up"}},
        {},
        "proxy = list(llm = c(real = 'real_guess')), "
        "synthetic = list(agents = made_up)",
    ),
    "shares": (
        "yes ~ x", {"proxy": {"yes": "yes_guess"}, "family": BINOMIAL}, {},
        "proxy = c(yes = 'yes_guess'), family = binomial",
    ),
    "weights, strata": (
        "real ~ x",
        {"proxy": {"real": "real_guess"}, "weights": "w", "strata": "stratum"}, {},
        "proxy = c(real = 'real_guess'), weights = w, strata = stratum",
    ),
    "clusters": (
        "real ~ x", {"proxy": {"real": "real_guess"}},
        {"cov_type": "cluster", "cov_kwds": {"groups": "area"}},
        "proxy = c(real = 'real_guess'), cluster = area",
    ),
    "paper": (
        "real ~ x", {"proxy": {"real": "real_guess"}},
        {"use_correction": False, "use_t": False},
        "proxy = c(real = 'real_guess'), use_correction = FALSE",
    ),
    "finite, not all covered": (
        "real ~ x + gappy", {"synthetic": "made_up"}, {"population": "finite"},
        "synthetic = made_up, population = 'finite'",
    ),
    "probabilities, gaps": (
        "real ~ x + gappy", {"synthetic": "made_up", "labeling_prob": "prob"}, {},
        "synthetic = made_up, labeling_prob = prob",
    ),
}  # fmt: skip

#: Writes numbers so that no bit is lost, text as it is.
REPORT = """
write <- function(case, what, table) {
  for (name in names(table)) {
    x <- table[[name]]
    shown <- if (is.character(x)) x else sprintf("%a", as.double(x))
    cat(case, what, name, shown, sep = "\\t")
    cat("\\n")
  }
}
report <- function(case, fit, level) {
  write(case, "compare", compare(fit, methods, level = level)$table)
  found <- diagnostics(fit, by = group, n_influential = 3)
  for (table in c("bias", "bias_tests", "uncertainty", "influential", "coverage",
                  "subgroups", "subgroup_tests")) {
    write(case, table, found[[table]])
  }
  if (!is.null(found$combined)) write(case, "combined", found$combined)
  write(case, "explained", list(x = c(found$explained)))
  write(case, "correlation", list(x = c(found$residual_correlation)))
  pilot <- plan(fit)
  write(case, "expect", expect(pilot, n = c(100, 200), n_units = c(500, 800),
    effect = 0.2, level = level))
  write(case, "alone", expect(pilot, sources = character(), replicates = 2))
  write(case, "needed", labels_needed(pilot, width = 0.3))
  write(case, "powerful", labels_needed(pilot, power = 0.8, effect = c(x = 0.15),
    terms = "x"))
  write(case, "cheapest", cheapest(pilot, term = "x", width = 0.4, price_label = 2,
    price_proxy = 0.01, price_synthetic = 0.02))
  write(case, "agreement", agreement(fit, level = level)$table)
  alone <- labels_only(fit)
  write(case, "plan of labels", expect(alone, n = c(100, 200)))
}
"""

pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.SynthWarning"
)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Units of which some lack a regressor, so that nobody could label them."""
    frame = units()
    frame["gappy"] = frame["z"].where(np.arange(len(frame)) % 9 != 0)
    return frame


def python_tables(fit: Any, alpha: float) -> dict[str, dict[str, Any]]:
    """What `report` writes, from Python: columns in order, by table."""
    found = fit.diagnostics(by="group", n_influential=3)
    plan = fit.plan()
    tables = {
        "compare": fit.compare(METHODS, alpha=alpha).table.reset_index(),
        **{
            name: getattr(found, name).reset_index()
            for name in (
                *("bias", "bias_tests", "uncertainty", "influential", "coverage"),
                *("subgroups", "subgroup_tests"),
            )
        },
        **({"combined": found.combined.reset_index()} if len(found.combined) else {}),
        "explained": {"x": found.explained.to_numpy().T.ravel()},
        "correlation": {"x": found.residual_correlation.to_numpy().T.ravel()},
        "expect": plan.expect([100, 200], [500, 800], effect=0.2, alpha=alpha),
        "alone": plan.expect(sources=[], replicates=2),
        "needed": plan.labels_needed(width=0.3).reset_index(),
        "powerful": plan.labels_needed(
            power=0.8, effect={"x": 0.15}, coefficients="x"
        ).reset_index(),
        "cheapest": plan.cheapest(
            coefficient="x",
            width=0.4,
            price_label=2.0,
            price_proxy=0.01,
            price_synthetic=0.02,
        ),
        "agreement": fit.agreement(alpha=alpha).table.reset_index(),
        "plan of labels": fit.real_only.plan().expect([100, 200]),
    }
    return {
        name: {str(c): np.asarray(table[c], dtype=object) for c in table}
        for name, table in tables.items()
    }


def assert_column(ours: list[str], theirs: Any, where: str) -> None:
    if all(isinstance(v, str) for v in theirs):
        renamed = ["(Intercept)" if v == "Intercept" else v for v in theirs]
        assert ours == renamed, where
        return
    read = [np.nan if v in ("NA", "NaN") else float.fromhex(v) for v in ours]
    given = [np.nan if v is pd.NA else float(v) for v in theirs]
    # The columns of the design can differ in the last bit, and the order of sums.
    np.testing.assert_allclose(read, given, 1e-10, 1e-10, err_msg=where)


def test_the_same_answers(run_r: RunR, data: pd.DataFrame, tmp_path: Path) -> None:
    frames = {"data": data, "made_up": made_up(data).assign(gappy=lambda d: d["z"])}
    for name, frame in frames.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    calls = [
        f"report({case!r}, augmented_gmm({c[0]}, data, {c[3]}, on = 'id'), 0.9)"
        for case, c in CASES.items()
    ]
    methods = ", ".join(f"'{name}'" for name in METHODS)
    done = run_r(f"""
    library(statsmodelssynth)
    methods <- c({methods})
    {REPORT}
    data <- utils::read.csv("data.csv")
    group <- data$group
    made_up <- utils::read.csv("made_up.csv")
    suppressWarnings({{
    {chr(10).join(calls)}
    }})
    """)
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    for case, of_case in itertools.groupby(lines, key=lambda line: line[0]):
        formula, options, fit_options, _ = CASES[case]
        given = {
            key: frames["made_up"] if value == "made_up" else value
            for key, value in options.items()
        }
        if isinstance(given.get("synthetic"), dict):
            given["synthetic"] = {"agents": frames["made_up"]}
        model = AugmentedGMM.from_formula(formula, data, on="id", **given)
        theirs = python_tables(model.fit(**fit_options), 0.1)
        for what, own in itertools.groupby(of_case, key=lambda line: line[1]):
            columns = [line[3:] for line in own]
            expected = list(theirs.pop(what).items())
            assert len(columns) == len(expected), (case, what)
            for ours, (name, values) in zip(columns, expected, strict=True):
                assert_column(ours, values, f"{case}, {what}, {name}")
        assert not theirs


def test_learners_give_the_same(
    run_r: RunR, data: pd.DataFrame, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    # Numbers with few decimals, which R reads as Python does, to the last bit.
    short = data[["id", "x", "z", "real", "real_guess", "yes", "yes_guess"]].round(3)
    short.to_csv(tmp_path / "data.csv", index=False)
    done = run_r("""
    library(statsmodelssynth)
    data <- utils::read.csv("data.csv")
    fits <- list(
      real = augmented_gmm(real ~ x + z, data, c(real = "real_guess"), on = "id"),
      yes = augmented_gmm(
        yes ~ x, data, c(yes = "yes_guess"), family = binomial, on = "id"
      )
    )
    for (name in names(fits)) {
      table <- compare(fits[[name]], c("labels only", "DSL", "RePPI"))$table
      alone <- list(dsl(fits[[name]], seed = 3), reppi(fits[[name]], seed = 3))
      numbers <- c(
        table$estimate, table$std.error, table$conf.low,
        unlist(lapply(alone, coef)), unlist(lapply(alone, vcov))
      )
      cat(name, sprintf("%a", numbers), sep = "\\t")
      cat("\\n")
    }
    """)
    assert done.returncode == 0, done.stderr
    formulas = {"real": ("real ~ x + z", None), "yes": ("yes ~ x", BINOMIAL)}
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == list(formulas)
    for name, *numbers in lines:
        formula, family = formulas[name]
        proxy = {name: f"{name}_guess"}
        fit = AugmentedGMM.from_formula(
            formula, short, proxy, on="id", family=family
        ).fit()
        table = fit.compare(["labels only", "DSL", "RePPI"]).table
        alone = [estimators.dsl(fit, seed=3), estimators.reppi(fit, seed=3)]
        expected = [
            *(table[column] for column in ("estimate", "std_err", "lower")),
            *(own.params for own in alone),
            *(np.ravel(own.cov_params()) for own in alone),
        ]
        np.testing.assert_allclose(
            [float.fromhex(v) for v in numbers], np.concatenate(expected), rtol=1e-10
        )

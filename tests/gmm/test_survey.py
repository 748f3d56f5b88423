"""Clusters that a survey drew within strata: R's survey, closed forms, coverage."""

from __future__ import annotations

from pathlib import Path
import shutil
import subprocess
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.stats.proportion import proportion_confint

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import DataError, OptionError

FAMILIES = {"gaussian": sm.families.Gaussian(), "binomial": sm.families.Binomial()}


def survey(seed: int = 0) -> pd.DataFrame:
    """Four strata of 8 to 20 clusters of 3 to 9 units, with weights."""
    rng, rows = np.random.default_rng(seed), []
    for stratum, (drawn, size) in enumerate([(8, 40), (10, 12), (20, 500), (9, 30)]):
        for psu in range(drawn):
            shift, k = 0.5 * rng.normal(), rng.integers(3, 10)
            x = rng.normal(size=k) + 0.3 * stratum
            y = stratum + 0.5 * x + shift + rng.normal(size=k)
            rows.append(
                pd.DataFrame(
                    {
                        "y": y,
                        "x": x,
                        "stratum": stratum,
                        "psu": f"{stratum}-{psu}",
                        "fpc": size,
                        "w": rng.uniform(1.0, 3.0, size=k),
                    }
                )
            )
    data = pd.concat(rows, ignore_index=True)
    data["b"] = (data["y"] > data["y"].median()) * 1.0
    return data


def fitted(data: pd.DataFrame, formula: str, family: Any, **options: Any) -> Any:
    kwds = {"groups": "psu"} | options.pop("kwds", {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AugmentedGMM.from_formula(
            formula, data, family=family, weights="w", **options.pop("model", {})
        )
        return model.fit(cov_type="cluster", cov_kwds=kwds, **options)


_SCRIPT = """
suppressMessages(library(survey))
data <- read.csv(commandArgs(TRUE)[1])
for (fpc in c(FALSE, TRUE)) {
  design <- svydesign(~psu, strata = ~stratum, weights = ~w, data = data,
                      fpc = if (fpc) ~fpc else NULL)
  for (model in list(svyglm(y ~ x, design),
                     svyglm(b ~ x, design, family = quasibinomial()))) {
    cat(sprintf("%.15g", c(coef(model), sqrt(diag(vcov(model))))), "\\n")
  }
}
"""


def test_equals_svyglm(tmp_path: Path) -> None:
    """Coefficients and standard errors of R's survey, 1e-6, with and without fpc."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    table, script = tmp_path / "data.csv", tmp_path / "script.R"
    data = survey()
    data.to_csv(table, index=False)
    script.write_text(_SCRIPT, encoding="utf-8")
    done = subprocess.run(
        ["Rscript", "--vanilla", str(script), str(table)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "there is no package called" in done.stderr:
        pytest.skip("R's package survey is not installed")
    lines = [list(map(float, line.split())) for line in done.stdout.splitlines()]
    assert len(lines) == 4, done.stderr
    found = []
    for kwds in ({"strata": "stratum"}, {"strata": "stratum", "fpc": "fpc"}):
        for name, family in (("y", "gaussian"), ("b", "binomial")):
            result = fitted(
                data, f"{name} ~ x", FAMILIES[family], kwds=kwds, use_correction=False
            )
            found.append([*result.params, *result.bse])
    assert np.allclose(found, lines, rtol=1e-6)


@pytest.mark.parametrize("with_fpc", [False, True])
def test_equals_the_formula_of_linearisation(with_fpc: bool) -> None:
    data = survey(1)
    kwds = {"strata": "stratum"} | ({"fpc": "fpc"} if with_fpc else {})
    result = fitted(data, "y ~ x", None, kwds=kwds, use_correction=False)
    x = sm.add_constant(data["x"].to_numpy())
    w = data["w"].to_numpy()
    theta = np.linalg.solve((x * w[:, None]).T @ x, (x * w[:, None]).T @ data["y"])
    scores = pd.DataFrame(x * (w * (data["y"] - x @ theta).to_numpy())[:, None])
    total = scores.groupby([data["stratum"], data["psu"]]).sum()
    middle = np.zeros((2, 2))
    for stratum, own in total.groupby(level=0):
        k = len(own)
        share = k / data["fpc"][data["stratum"] == stratum].iloc[0] if with_fpc else 0.0
        off = own.to_numpy() - own.to_numpy().mean(axis=0)
        middle += (1.0 - share) * k / (k - 1) * off.T @ off
    inverse = np.linalg.inv((x * w[:, None]).T @ x)
    assert np.allclose(result.params, theta, rtol=1e-10)
    assert np.allclose(result.cov_params(), inverse @ middle @ inverse, rtol=1e-8)
    assert result.df_resid == 47 - 4


def test_a_share_is_as_good_as_a_number() -> None:
    data = survey(2)
    drawn = data.groupby("stratum")["psu"].transform("nunique")
    data["share"] = drawn / data["fpc"]
    one = fitted(data, "y ~ x", None, kwds={"strata": "stratum", "fpc": "fpc"})
    other = fitted(data, "y ~ x", None, kwds={"strata": "stratum", "fpc": "share"})
    assert np.allclose(one.bse, other.bse, rtol=1e-12)


def test_labels_within_a_survey_cover() -> None:
    """Clusters of a survey, a third of their units labelled, a useful proxy."""
    covered, ratio = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        strata, per, size = 5, 12, 20
        shift = np.repeat(0.4 * rng.normal(size=strata * per), size)
        stratum = np.repeat(np.arange(strata), per * size)
        x = rng.normal(size=len(shift)) + 0.5 * stratum
        y = 2.0 * stratum + 0.5 * x + shift + rng.normal(size=len(shift))
        data = pd.DataFrame({"x": x, "stratum": stratum, "w": 1.0})
        data["psu"] = np.repeat(np.arange(strata * per), size)
        data["llm"] = y + rng.normal(size=len(y))
        data["y"] = np.where(rng.random(len(y)) < 1.0 / 3.0, y, np.nan)
        # Truth of the mean of y, from which strata take most of the variance.
        options = {"model": {"proxy": {"y": "llm"}}}
        inside = fitted(data, "y ~ 1", None, kwds={"strata": "stratum"}, **options)
        plain = fitted(data, "y ~ 1", None, **options)
        low, high = inside.conf_int().iloc[0]
        truth = 4.0 + 0.5 * 0.5 * 2.0
        covered.append(low <= truth <= high)
        ratio.append(inside.bse.iloc[0] / plain.bse.iloc[0])
    low, high = proportion_confint(sum(covered), 200, alpha=0.002, method="beta")
    assert low < 0.98
    assert high > 0.95
    assert np.mean(ratio) < 0.5


@pytest.mark.parametrize(
    ("change", "kwds", "error", "says"),
    [
        ({"stratum": "psu"}, {"strata": "stratum"}, DataError, "have one cluster"),
        ({"fpc": 3}, {"strata": "stratum", "fpc": "fpc"}, DataError, "is 3 for"),
        ({"stratum": "row"}, {"strata": "stratum"}, DataError, "have different strata"),
        ({}, {"stratum": "stratum"}, OptionError, "strata"),
    ],
)
def test_what_is_wrong_is_said(
    change: dict[str, Any], kwds: dict[str, Any], error: Any, says: str
) -> None:
    data = survey()
    for name, value in change.items():
        data[name] = {"psu": data["psu"], "row": np.arange(len(data)) % 2}.get(
            value, value
        )
    with pytest.raises(error, match=says):
        fitted(data, "y ~ x", None, kwds=kwds)


def test_the_summary_says_so() -> None:
    text = str(fitted(survey(), "y ~ x", None, kwds={"strata": "stratum"}).summary())
    assert "within 4 strata" in " ".join(text.split())
    alone: Any = survey().assign(stratum="all")
    text = str(fitted(alone, "y ~ x", None, kwds={"strata": "stratum"}).summary())
    assert "drew the clusters, from one stratum:" in " ".join(text.split())


def test_fpc_belongs_to_strata() -> None:
    data = survey()
    data["other"] = data["fpc"] + data["psu"].factorize()[0]
    with pytest.raises(DataError, match="differs within 4 of 4 strata"):
        fitted(data, "y ~ x", None, kwds={"strata": "stratum", "fpc": "other"})
    data["gap"] = data["fpc"].where(data.index > 4)
    with pytest.raises(DataError, match="is missing for 5 units"):
        fitted(data, "y ~ x", None, kwds={"strata": "stratum", "fpc": "gap"})

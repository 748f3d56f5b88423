"""The same draws from R as from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import subprocess
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM, draw_labels
from statsmodels_synth.scores import Huber

RunR = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.SynthWarning"
)
BINOMIAL = sm.families.Binomial()
ALONE = {"formula": "y ~ x + rare", "proxy": {"y": "llm"}, "family": BINOMIAL}
#: Name: (design, options in Python, the same in R).
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "random": ("random", {}, ""),
    "balanced": ("random", {"balance": "x"}, ", balance = 'x'"),
    "strata": ("stratified", {"strata": "site"}, ", strata = 'site'"),
    "clusters": ("clusters", {"clusters": "thread"}, ", clusters = 'thread'"),
    "influence": (
        "influence",
        ALONE | {"for_": "rare"},
        ", formula = y ~ x + rare, proxy = c(y = 'llm'), family = binomial, "
        "terms = 'rare'",
    ),
    "a score": (
        "influence",
        {"formula": "share ~ x", "proxy": {"share": "sure"}, "score": Huber()},
        ", formula = share ~ x, proxy = c(share = 'sure'), score = huber()",
    ),
    "two proxies": (
        "optimal",
        ALONE | {"proxy": {"a": {"y": "llm"}, "b": {"y": "share"}}},
        ", formula = y ~ x + rare, proxy = list(a = c(y = 'llm'), b = c(y = 'share')), "
        "family = binomial",
    ),
    "random wave": ("random", {"pilot": True}, ", pilot = fit"),
    "strata of a wave": (
        "stratified", {"pilot": True, "strata": "site"},
        ", pilot = fit, strata = 'site'",
    ),
    "influence of a wave": (
        "influence", {"pilot": True, "for_": "rare"}, ", pilot = fit, terms = 'rare'",
    ),
    "optimal wave": (
        "optimal", {"pilot": True, "auxiliary": "sure"},
        ", pilot = fit, auxiliary = ~ sure",
    ),
}  # fmt: skip


def posts() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size = 1200
    data = pd.DataFrame({"id": [f"u{i}" for i in range(size)]})
    data["x"], data["sure"] = rng.normal(size=size), rng.random(size)
    data["rare"] = (rng.random(size) < 0.15) * 1.0
    truth = rng.random(size) < 1.0 / (1.0 + np.exp(-data["x"] - data["rare"]))
    right = rng.random(size) < 0.7 + 0.25 * data["sure"]
    data["llm"] = np.where(right, truth, ~truth) * 1.0
    data["share"] = np.clip(0.2 + 0.6 * truth + 0.1 * rng.normal(size=size), 0.0, 1.0)
    data["y"] = np.where(np.arange(size) % 8 == 0, truth * 1.0, np.nan)
    data["site"] = rng.choice(["a", "b", "c"], size)
    data["thread"] = np.arange(size) // 10
    return data


def test_draws_are_the_same(run_r: RunR, tmp_path: Path) -> None:
    """Who is drawn is the same, probabilities to 1e-10."""
    data = posts()
    table = tmp_path / "posts.csv"
    data.to_csv(table, index=False)
    lines = [
        "suppressMessages(library(statsmodelssynth))",
        f"posts <- read.csv('{table}')",
        "fit <- suppressWarnings(augmented_gmm(y ~ x + rare, posts, on = 'id',",
        "  proxy = c(y = 'llm'), family = binomial))",
    ]
    for name, (design, _, options) in CASES.items():
        lines += [
            f"f <- draw_labels(posts, 100, '{design}', on = 'id', seed = 7{options})",
            f"cat('{name}', sprintf('%d', f$drawn), sep = '\\t'); cat('\\n')",
            f"cat('{name}', sprintf('%a', f$labeling_prob), sep = '\\t'); cat('\\n')",
        ]
    lines += [
        "table <- designs(fit, n = 400, terms = c('x', 'rare'))",
        "cat('designs', sprintf('%a', table$std.error), sep = '\t'); cat('\n')",
        "cat('saved', sprintf('%d', as.integer(table$labels_saved)), sep = '\t')",
    ]
    done = run_r("\n".join(lines))
    assert done.returncode == 0, done.stderr
    written = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    fit = AugmentedGMM.from_formula(
        "y ~ x + rare", data, proxy={"y": "llm"}, on="id", family=BINOMIAL
    ).fit()
    for k, (name, (design, given, _)) in enumerate(CASES.items()):
        options = given | ({"pilot": fit} if given.get("pilot") else {})
        found = draw_labels(data, 100, design, on="id", seed=7, **options)
        who, prob = written[2 * k], written[2 * k + 1]
        assert who[0] == prob[0] == name
        assert [int(v) for v in who[1:]] == found["drawn"].astype(int).tolist(), name
        values = [float.fromhex(v) for v in prob[1:]]
        assert np.allclose(values, found["labeling_prob"], rtol=1e-10), name
    plan = fit.plan().designs(400, coefficients=["x", "rare"])
    errors, saved = written[-2:]
    assert np.allclose([float.fromhex(v) for v in errors[1:]], plan["std_err"], 1e-10)
    assert [int(v) for v in saved[1:]] == plan["labels_saved"].tolist()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("draw_labels(posts, 100, 'stratified')", "strata"),
        ("draw_labels(posts, 100, 'stratified', strata = 'sit')", "site"),
        ("draw_labels(posts, 100, 'best')", "best"),
        ("draw_labels(posts, 1e5)", "can be drawn"),
        ("draw_labels(posts, 10, 'influence')", "needs the model"),
        ("draw_labels(posts, 10, pilot = lm(x ~ rare, posts))", "augmented_gmm()"),
        ("draw_labels(posts, 10, sead = 1)", "seed"),
        ("draw_labels(posts)", "units and n are needed"),
        ("draw_labels(posts, 0)", "n = 0 must be a whole number >= 1"),
        ("draw_labels(posts, -5)", "n = -5 must be a whole number >= 1"),
        ("draw_labels(posts, 9, balance = 'y')", "'y' is missing for 1050 units"),
        ("draw_labels(posts, 9, 'stratified', strata = site)", "strata = 'site'"),
        ("draw_labels(posts, 9, 'stratified', strata = ~ site)", "strata = 'site'"),
        (
            "draw_labels(posts, 9, 'influence', formula = y ~ x, "
            "proxy = c(y = 'llm'), terms = 'xx')",
            "terms: there is no coefficient 'xx'",
        ),
        (
            "draw_labels(posts, 9, 'clusters', clusters = 'thread', on = 'id', "
            "pilot = augmented_gmm(y ~ x, posts, proxy = c(y = 'llm'), on = 'id'))",
            "in part (column 'thread')",
        ),
    ],
)
def test_what_is_wrong_is_said(
    run_r: RunR, tmp_path: Path, call: str, says: str
) -> None:
    table = tmp_path / "posts.csv"
    posts().to_csv(table, index=False)
    done = run_r(
        "suppressMessages(library(statsmodelssynth))\n"
        f"posts <- read.csv('{table}')\n"
        f"cat(conditionMessage(tryCatch({call}, error = identity)))"
    )
    assert says in done.stdout.replace('"', "'")

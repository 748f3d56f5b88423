"""Designs of R's survey: svyglm without sources, Python with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import subprocess
from typing import Any

import numpy as np
import pytest

from statsmodels_synth import AugmentedGMM
from tests.gmm.test_survey import survey

RunR = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.SynthWarning"
)
SCRIPT = """
if (!requireNamespace('survey', quietly = TRUE)) quit(status = 3)
suppressMessages({{ library(survey); library(statsmodelssynth) }})
data <- read.csv('{table}')
show <- function(...) cat(sprintf('%a', c(...)), sep = '\\t', fill = FALSE)
for (fpc in c(FALSE, TRUE)) {{
  design <- svydesign(~psu, strata = ~stratum, weights = ~w, data = data,
                      fpc = if (fpc) ~fpc else NULL)
  other <- svyglm(y ~ x, design)
  fit <- suppressWarnings(
    augmented_gmm(y ~ x, data, survey = design, use_correction = FALSE)
  )
  show(coef(other), sqrt(diag(vcov(other)))); cat('\\n')
  show(coef(fit), sqrt(diag(vcov(fit)))); cat('\\n')
}}
data$y[seq_len(nrow(data)) %% 3 != 0] <- NA
fit <- suppressWarnings(
  augmented_gmm(y ~ x, data, proxy = c(y = 'llm'), survey = design)
)
show(coef(fit), sqrt(diag(vcov(fit)))); cat('\\n')
tried <- function(call) cat(conditionMessage(tryCatch(call, error = identity)), '\\n')
tried(augmented_gmm(y ~ x, data, survey = design, weights = w))
tried(augmented_gmm(y ~ x, data, survey = design[1:50, ]))
tried(augmented_gmm(y ~ x, data, survey = lm(x ~ w, data)))
tried(augmented_gmm(y ~ x, survey = design))
tried(augmented_gmm(y ~ x, design))
"""


def test_designs_of_survey(run_r: RunR, tmp_path: Path) -> None:
    """As svyglm to 1e-6 where all are labelled, as Python to 1e-10 with a proxy."""
    data = survey(3)
    data["llm"] = data["y"] + np.random.default_rng(0).normal(size=len(data))
    table = tmp_path / "data.csv"
    data.to_csv(table, index=False)
    done = run_r(SCRIPT.format(table=table))
    if done.returncode == 3:
        pytest.skip("R's package survey is not installed")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    numbers = [np.array([float.fromhex(v) for v in s.split("\t")]) for s in lines[:5]]
    for k in (0, 2):
        assert np.allclose(numbers[k], numbers[k + 1], rtol=1e-6)
    table_of: Any = data.assign(y=data["y"].where(np.arange(1, len(data) + 1) % 3 == 0))
    kwds = {"groups": "psu", "strata": "stratum", "fpc": "fpc"}
    fit = AugmentedGMM.from_formula(
        "y ~ x", table_of, proxy={"y": "llm"}, weights="w"
    ).fit(cov_type="cluster", cov_kwds=kwds)
    assert np.allclose(numbers[4], [*fit.params, *fit.bse], rtol=1e-10)
    says = ["weights of its own", "has 50 rows", "svydesign()", "design$variables"]
    says.append("data = design$variables, survey = design")
    for text, message in zip(says, lines[5:], strict=True):
        assert text in message

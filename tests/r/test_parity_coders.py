"""Several coders of a unit: the same labels and agreement in R as in Python."""

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
from statsmodels_synth.scores import MultinomialLogit
from tests.data.test_coders import study

RunR = Callable[..., subprocess.CompletedProcess[str]]

BINOMIAL = sm.families.Binomial()
#: Name: (formula, options of the model, the rest of the call in R).
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "mean": (
        "y ~ x", {"proxy": {"y": "llm"}, "family": BINOMIAL},
        "c(y = 'llm'), family = binomial",
    ),
    "majority": (
        "y ~ x", {"proxy": {"y": "llm"}, "family": BINOMIAL, "coding": "majority"},
        "c(y = 'llm'), family = binomial, coding = 'majority'",
    ),
    "levels, a regressor": (
        "word ~ x + seen", {"proxy": {"word": "llm_word"}, "score": MultinomialLogit(),
                            "coding": {"seen": "mean", "word": "majority"}},
        "c(word = 'llm_word'), score = multinomial_logit(), "
        "coding = c(seen = 'mean', word = 'majority')",
    ),
    "ids are numbers": (
        "y ~ x", {"proxy": {"y": "llm"}, "coding": "majority", "on": "number"},
        "c(y = 'llm'), coding = 'majority'",
    ),
    "two ids, weights": (
        "y ~ x", {"proxy": {"y": "llm"}, "on": ["half", "number"], "weights": "w",
                  "coding": "majority"},
        "c(y = 'llm'), coding = 'majority', weights = w",
    ),
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.SynthWarning"
)


def coded() -> pd.DataFrame:
    """Rows of units and coders, with codes of several kinds; few labels are ties."""
    rows, _ = study()
    rng = np.random.default_rng(4)
    rows["number"] = rows["id"].str[1:].astype(int) * 7
    rows["half"] = np.where(rows["number"] % 2 == 0, "even", "odd")
    rows["w"] = 1.0 + rows["number"] % 3
    words = np.array(["no", "yes", "perhaps"])
    code = np.where(rng.random(len(rows)) < 0.2, 2, rows["y"].fillna(0)).astype(int)
    rows["word"] = pd.Series(words[code]).where(rows["y"].notna().to_numpy())
    rows["llm_word"] = words[rows["llm"].astype(int)]
    rows["seen"] = np.where(rows["y"].notna(), rng.normal(size=len(rows)), 0.0)
    return rows


def test_coders_as_in_python(run_r: RunR, tmp_path: Path) -> None:
    rows = coded()
    rows.to_csv(tmp_path / "rows.csv", index=False)
    calls = []
    for case, (formula, options, rest) in CASES.items():
        on = options.get("on", "id")
        names = ", ".join(f"'{name}'" for name in ([on] if isinstance(on, str) else on))
        calls.append(
            f"report({case!r}, augmented_gmm({formula}, rows, {rest}, on = c({names}), "
            "coder = 'coder'))"
        )
    done = run_r(f"""
    library(statsmodelssynth)
    report <- function(case, fit) {{
      cat(case, sprintf("%a", c(coef(fit), vcov(fit))), sep = "\\t")
      cat("\\n")
      table <- coder_agreement(fit)
      numbers <- c("coders", "codes", "units", "several", "agreement", "alpha", "ties")
      cat(case, sprintf("%a", as.double(unlist(table[numbers]))), sep = "\\t")
      cat("\\n")
      cat(case, table$variable, table$metric, table$label, sep = "\\t")
      cat("\\n")
      cat(case, any(grepl("Several coders", fit$notes)), sep = "\\t")
      cat("\\n")
    }}
    rows <- utils::read.csv("rows.csv", na.strings = "")
    suppressWarnings({{
    {chr(10).join(calls)}
    }})
    """)
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) == 4 * len(CASES)
    for case, (formula, options, _) in CASES.items():
        fits, table, texts, notes = (line[1:] for line in lines if line[0] == case)
        given = {"on": "id", "coder": "coder"} | options
        theirs = AugmentedGMM.from_formula(formula, rows, **given).fit()
        expected = [theirs.params, np.ravel(theirs.cov_params())]
        # The columns of the design can differ in the last bit, and the order of sums.
        np.testing.assert_allclose(
            [float.fromhex(v) for v in fits], np.concatenate(expected), 1e-10, 1e-10,
            err_msg=case,
        )  # fmt: skip
        own = theirs.coder_agreement()
        columns = ["coders", "codes", "units", "several", "agreement", "alpha", "ties"]
        np.testing.assert_allclose(
            [float.fromhex(v) for v in table], own[columns].to_numpy(float).T.ravel(),
            rtol=1e-12, err_msg=case,
        )  # fmt: skip
        assert texts == [*own.index, *own["metric"], *own["label"]], case
        assert notes == ["TRUE"]

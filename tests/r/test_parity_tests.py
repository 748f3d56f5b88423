"""The same tests and intervals from R as from Python, by what each does by default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import subprocess
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from statsmodels_synth import AugmentedGMM

RunR = Callable[..., subprocess.CompletedProcess[str]]

N_UNITS, N_LABELED, N_CLUSTERS = 600, 120, 12
#: Terms of the joint hypothesis, as R and as patsy name them.
R_TERMS = ["x", "groupb", "groupc"]
TERMS = ["x", "group[T.b]", "group[T.c]"]
#: Name: (options of the model, options of the fit, the rest of the call in R).
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "plain": ({}, {}, ""),
    "few clusters": (
        {}, {"cov_type": "cluster", "cov_kwds": {"groups": "village"}},
        ", cluster = village",
    ),
    "paper, clusters": (
        {},
        {
            "cov_type": "cluster", "cov_kwds": {"groups": "village"},
            "use_correction": False, "use_t": False,
        },
        ", cluster = village, use_correction = FALSE",
    ),
    "strata": ({"strata": "stratum"}, {}, ", strata = stratum"),
    "strata, paper": (
        {"strata": "stratum"}, {"use_correction": False, "use_t": False},
        ", strata = stratum, use_correction = FALSE",
    ),
    "normal": ({}, {"use_t": False}, ", use_t = FALSE"),
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_synth.exceptions.SynthWarning"
)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Units in twelve villages; the last twenty are neither labelled nor guessed."""
    rng = np.random.default_rng(3)
    village = rng.integers(N_CLUSTERS, size=N_UNITS)
    frame = pd.DataFrame(
        {
            "id": [f"u{k}" for k in range(N_UNITS)],
            "x": rng.normal(size=N_UNITS),
            "group": rng.choice(["a", "b", "c"], N_UNITS),
            "village": [f"v{k}" for k in village],
        }
    )
    frame["stratum"] = np.where(frame["x"] > 0.4, "high", "low")
    real = 0.2 * frame["x"] + rng.normal(scale=0.4, size=N_CLUSTERS)[village]
    real += rng.normal(size=N_UNITS)
    frame["guess"] = real + 0.2 + rng.normal(scale=0.6, size=N_UNITS)
    frame.loc[N_UNITS - 20 :, "guess"] = np.nan
    labeled = rng.choice(N_UNITS - 20, N_LABELED, replace=False)
    frame["real"] = real.where(frame.index.isin(labeled))
    return frame


def fits(data: pd.DataFrame) -> dict[str, Any]:
    return {
        case: AugmentedGMM.from_formula(
            "real ~ x + group", data, on="id", proxy={"real": "guess"}, **options
        ).fit(**fit_options)
        for case, (options, fit_options, _) in CASES.items()
    }


def from_r(
    run_r: RunR, data: pd.DataFrame, folder: Path, report: str
) -> dict[str, list[float]]:
    """Numbers that `report`, a function of a fit and its name in R, gives."""
    data.to_csv(folder / "data.csv", index=False)
    calls = [
        f"say({case!r}, augmented_gmm(real ~ x + group, data, "
        f"proxy = c(real = 'guess'), on = 'id'{rest}))"
        for case, (_, _, rest) in CASES.items()
    ]
    done = run_r(
        f"""
        library(statsmodelssynth)
        data <- utils::read.csv("data.csv")
        report <- {report}
        say <- function(name, fit) {{
          cat(name, sprintf("%a", report(fit)), "\\n", sep = "\\t")
        }}
        suppressWarnings({{
        {chr(10).join(calls)}
        }})
        """
    )
    assert done.returncode == 0, done.stderr
    lines = dict(line.split("\t", 1) for line in done.stdout.splitlines() if line)
    assert lines.keys() == CASES.keys()
    return {
        case: [
            np.nan if value in ("NaN", "NA") else float.fromhex(value)
            for value in line.split("\t")
            if value
        ]
        for case, line in lines.items()
    }


def need(run_r: RunR, *packages: str) -> None:
    """Skip where R does not have a package that is not necessary."""
    asked = "; ".join(f"loadNamespace({name!r})" for name in packages)
    if run_r(asked).returncode != 0:
        pytest.skip(f"R has not all of {', '.join(packages)}")


def test_joint_hypotheses(run_r: RunR, data: pd.DataFrame, tmp_path: Path) -> None:
    # The default of Python is F where it is Student's t, and chi-squared where it is
    # normal; the defaults of car and lmtest are chi-squared.
    need(run_r, "car", "lmtest")
    hypothesis = ", ".join(f"'{name} = 0'" for name in R_TERMS)
    theirs = from_r(
        run_r, data, tmp_path,
        f"""function(fit) {{
          last <- function(table) utils::tail(unlist(table), 1)
          group <- function(table) table["group", ncol(table)]
          c(
            car::linearHypothesis(fit, c({hypothesis}))[2, ] |> last(),
            car::Anova(fit) |> group(), car::Anova(fit, type = 3) |> group(),
            lmtest::waldtest(fit, "group")[2, ] |> last(),
            lmtest::waldtest(fit)[2, ] |> last()
          )
        }}""",
    )  # fmt: skip
    for case, fit in fits(data).items():
        joint = fit.wald_test(", ".join(f"{t} = 0" for t in TERMS), scalar=True)
        group = fit.wald_test(", ".join(f"{t} = 0" for t in TERMS[1:]), scalar=True)
        ours = [joint.pvalue, group.pvalue, group.pvalue, group.pvalue, joint.pvalue]
        # Other orders of the same sums.
        np.testing.assert_allclose(theirs[case], ours, 1e-8, err_msg=case)
        assert joint.distribution == ("F" if fit.use_t else "chi2")


def test_hansen_j_names_its_reference(
    run_r: RunR, data: pd.DataFrame, tmp_path: Path
) -> None:
    # J compares the units that the source covers.
    data = data.assign(guess=data["guess"].mask(data.index % 3 == 0))
    theirs = from_r(
        run_r, data, tmp_path,
        """function(fit) {
          row <- glance(fit)
          test <- jtest(fit)
          by_hand <- pf(row$j.f, row$j.df, row$j.df2, lower.tail = FALSE)
          printed <- if (length(test$parameter) == 2L) {
            pf(test$statistic, test$parameter[1], test$parameter[2], lower.tail = FALSE)
          } else {
            pchisq(test$statistic, test$parameter, lower.tail = FALSE)
          }
          table <- representativeness(fit)
          c(
            row$j.p.value, by_hand, printed, row$j.statistic, row$j.df, row$j.df2,
            table$p.value, pf(table$f, table$df, table$df2, lower.tail = FALSE)
          )
        }""",
    )  # fmt: skip
    for case, fit in fits(data).items():
        statistic, pvalue, df = fit.jtest()
        table = fit.representativeness()["pvalue"].to_numpy()
        found = theirs[case]
        np.testing.assert_allclose(found[:3], pvalue, 1e-8, err_msg=case)
        np.testing.assert_allclose(found[3:5], [statistic, df], 1e-8, err_msg=case)
        np.testing.assert_allclose(found[6:], np.tile(table, 2), 1e-8, err_msg=case)
        if "clusters" in case:
            assert found[5] == N_CLUSTERS - 1 - df + 1
            # What was printed before, chi-squared, is another p-value.
            assert abs(stats.chi2.sf(statistic, df) - pvalue) > 0.01
        if case in ("plain", "normal", "strata, paper"):
            assert found[5] == np.inf


def test_intervals_of_means(run_r: RunR, data: pd.DataFrame, tmp_path: Path) -> None:
    theirs = from_r(
        run_r, data, tmp_path,
        """function(fit) c(
          predict(fit, data[1:5, ], interval = "confidence", level = 0.9),
          predict(fit, data[1:5, ], se.fit = TRUE)$se.fit
        )""",
    )  # fmt: skip
    for case, fit in fits(data).items():
        found = fit.get_prediction(data.iloc[:5])
        ours = np.concatenate(
            [found.predicted, found.conf_int(alpha=0.1).T.ravel(), found.se]
        )
        np.testing.assert_allclose(theirs[case], ours, 1e-8, err_msg=case)


def test_units_without_part_keep_their_rows(
    run_r: RunR, data: pd.DataFrame, tmp_path: Path
) -> None:
    # A cluster of each row of data is all that vcovCL() needs, whoever was dropped.
    need(run_r, "sandwich")
    theirs = from_r(
        run_r, data, tmp_path,
        """function(fit) {
          scores <- sandwich::estfun(fit)
          if (!is.null(fit$n_clusters)) {
            return(c(nrow(scores), all(rownames(scores) %in% data$village), rep(0, 8)))
          }
          c(
            nrow(scores), identical(rownames(scores), data$id),
            diag(sandwich::vcovCL(fit, data$village, cadjust = FALSE)),
            diag(sandwich::sandwich(fit))
          )
        }""",
    )  # fmt: skip
    for case, fit in fits(data).items():
        if "cluster" in case:
            assert theirs[case][:2] == [N_CLUSTERS, 1]
            continue
        assert theirs[case][:2] == [N_UNITS, 1]
        # patsy puts dummies before numbers.
        order = ["Intercept", *TERMS]
        covariance = fit.cov_params().loc[order, order]
        influence = fit.influence[order]
        np.testing.assert_allclose(
            theirs[case][6:], np.diag(covariance), 1e-8, err_msg=case
        )
        # By hand: sums of the influence by cluster, whose covariance is that of the
        # units up to the correction for few labels.
        village = data.set_index("id")["village"].reindex(influence.index)
        sums = (influence / fit.n_units).groupby(village).sum()
        by_hand = np.diag(sums.T @ sums)
        few = np.diag(covariance) / (influence**2).sum() * fit.n_units**2
        np.testing.assert_allclose(theirs[case][2:6], by_hand * few, rtol=0.05)

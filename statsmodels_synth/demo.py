"""
The main job on a real survey that comes with statsmodels.

``python -m statsmodels_synth.demo`` takes the American National Election Study
of 1996, keeps the answers of some respondents as human labels, lets models
that were fitted on other respondents stand in for an LLM, and compares what
the estimators make of it with the answers of everybody.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
import textwrap

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.core.messages import VALIDITY
from statsmodels_synth.results.augmented import AugmentedGMMResultsWrapper

FORMULA = "dole ~ age + educ + income"
#: What an LLM would be told of a respondent, besides the survey's x.
PROFILE = "PID + selfLR + age + educ + income"


@dataclass(frozen=True)
class Study:
    """
    A survey in which few answers are known to the analyst.

    Parameters
    ----------
    respondents : DataFrame (T, variables)
        Everybody, with the answer that the analyst does not see: the truth.
    labelled : DataFrame (n, variables)
        The respondents whose answer the analyst has.
    proxy : DataFrame (T, 1)
        A guess of the answer of every respondent.
    synthetic : DataFrame (T * draws, variables)
        Generated respondents, each conditioned on a real one.
    """

    respondents: pd.DataFrame
    labelled: pd.DataFrame
    proxy: pd.DataFrame
    synthetic: pd.DataFrame


def make_study(
    n_labelled: int = 200, n_training: int = 250, draws: int = 3, seed: int = 2
) -> Study:
    """Split the survey and make the two sources."""
    rng = np.random.default_rng(seed)
    survey = sm.datasets.anes96.load_pandas().data
    survey = survey.rename(columns={"vote": "dole"}).sample(frac=1, random_state=rng)
    survey.index = pd.Index([f"r{i:03d}" for i in range(len(survey))])
    training, respondents = survey.iloc[:n_training], survey.iloc[n_training:]
    labelled = respondents.sample(n_labelled, random_state=rng).sort_index()

    voting = smf.glm(f"dole ~ {PROFILE}", training, family=sm.families.Binomial()).fit()
    proxy = (voting.predict(respondents) > 0.5).astype(int).to_frame("dole")

    # A synthetic counterpart gets its own education and income, as a model that
    # is told party, ideology and age would make them up, and then a vote.
    synthetic = respondents.loc[
        respondents.index.repeat(draws), ["PID", "selfLR", "age"]
    ]
    for name in ("educ", "income"):
        known = [c for c in ("PID", "selfLR", "age", "educ") if c in synthetic]
        model = smf.ols(f"{name} ~ {' + '.join(known)}", training).fit()
        noise = rng.normal(scale=np.sqrt(model.scale), size=len(synthetic))
        low, high = training[name].min(), training[name].max()
        drawn = np.asarray(model.predict(synthetic)) + noise
        synthetic[name] = drawn.round().clip(low, high)
    synthetic["dole"] = rng.binomial(1, np.asarray(voting.predict(synthetic)))
    return Study(respondents, labelled, proxy, synthetic)


def study_model(study: Study) -> AugmentedGMM:
    """
    The model of the demo: labels, proxy and synthetic rows.

    Examples
    --------
    >>> study_model(make_study()).n_units
    694
    """
    data = study.respondents[["age", "educ", "income"]].copy()
    data["dole"] = study.labelled["dole"]  # NaN where nobody asked
    return AugmentedGMM.from_formula(
        FORMULA,
        data,
        proxy={"guess": study.proxy},
        synthetic={"draws": study.synthetic},
        family=sm.families.Binomial(),
    )


def fit_study(study: Study) -> tuple[pd.DataFrame, AugmentedGMMResultsWrapper]:
    """Estimate the regression in every way that the demo compares."""
    family = sm.families.Binomial()
    data = study.respondents[["age", "educ", "income"]].copy()
    data["dole"] = study.labelled["dole"]  # NaN where nobody asked
    by_proxy = AugmentedGMM.from_formula(
        FORMULA, data, proxy={"guess": study.proxy}, family=family
    ).fit()
    by_both = study_model(study).fit()
    pooled = data.assign(dole=data["dole"].fillna(study.proxy["dole"]))
    fits = {
        "labels only": by_both.real_only,
        "naive pooled": smf.glm(FORMULA, pooled, family=family).fit(cov_type="HC0"),
        "GMM-Proxy": by_proxy,
        "GMM-Synth": by_both,
        "truth (all answers)": smf.glm(FORMULA, study.respondents, family=family).fit(
            cov_type="HC0"
        ),
    }
    columns = {
        (name, part): getattr(fit, attribute)
        for name, fit in fits.items()
        for part, attribute in (("coef", "params"), ("std err", "bse"))
    }
    return pd.DataFrame(columns), by_both


def main(argv: Sequence[str] | None = None) -> None:
    """Run the demo: print what goes in and what comes out, save the figure."""
    parser = argparse.ArgumentParser(
        prog="python -m statsmodels_synth.demo", description=__doc__
    )
    parser.add_argument("--figure", type=Path, default=Path("coefficients.png"))
    parser.add_argument("--labels", type=int, default=200, help="respondents labelled")
    options = parser.parse_args(argv)
    study = make_study(options.labels)
    table, result = fit_study(study)
    print(
        f"American National Election Study 1996: {len(study.respondents)} respondents, "
        f"of whom {len(study.labelled)} told us their vote.\n"
        "Question: how do age, education and income go with a vote for Dole?\n\n"
        "No LLM runs here. A logit and linear models, fitted on 250 other "
        "respondents,\nstand in for one: 'guess' predicts every vote, 'draws' are "
        "generated respondents\n(3 for each real one), never made from that "
        "respondent's own answer.\n\n"
        + textwrap.fill(VALIDITY, 78)
        + " Here both hold.\n"
    )
    print(result.summary())
    print("\n\nSide by side, with what everybody answered:\n")
    print(table.round(3).to_string())
    figure = result.plot_coefficients()
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.figure, dpi=150)
    print(f"\nFigure: {options.figure}")


if __name__ == "__main__":
    main()

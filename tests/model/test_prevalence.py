"""Shares of a binary outcome, overall and by group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM, prevalence
from statsmodels_synth.exceptions import DataError, OptionError, SynthError

PROXY = {"llm": {"hateful": "guess"}}


def study(seed: int = 0, n: int = 500) -> pd.DataFrame:
    """Texts of three platforms with 3, 8 and 8 % of ones."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"site": rng.choice(["a", "b", "c"], 3000)})
    truth = rng.random(3000) < np.where(frame["site"] == "a", 0.03, 0.08)
    right = rng.random(3000) < 0.97
    frame["guess"] = np.where(right, truth, ~truth).astype(float)
    chosen = rng.permutation(3000) < n
    frame["hateful"] = np.where(chosen, truth, np.nan).astype(float)
    frame["w"] = rng.uniform(0.5, 2.0, 3000)
    frame["stratum"] = frame["guess"].astype(int)
    return frame


def test_without_sources_it_is_the_share_of_labels() -> None:
    labels = study().dropna()
    found = prevalence("hateful", labels, by="site")
    for name, part in [("overall", labels), *labels.groupby("site")]:
        row, n = found.table.loc[name], len(part)
        share = part["hateful"].mean()
        assert row["share"] == pytest.approx(share, rel=1e-9)
        assert (row["labels"], row["ones"]) == (n, part["hateful"].sum())
        # HC3: each leverage is 1/n.
        error = np.sqrt(share * (1 - share) / n) * n / (n - 1)
        assert row["std_err"] == pytest.approx(error, rel=1e-9)
        df = found.overall.df_inference if name == "overall" else None
        if df is not None:
            half = stats.t.ppf(0.975, float(df.iloc[0])) * error / share / (1 - share)
            logit = np.log(share / (1 - share))
            ends = 1 / (1 + np.exp(-(logit + np.array([-half, half]))))
            np.testing.assert_allclose(row[["lower", "upper"]], ends, rtol=1e-8)
        assert row["effective_labels"] == pytest.approx(n)


@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"strata": "stratum"}])
def test_it_is_the_logit_with_constants(options: Any) -> None:
    frame = study()
    found = prevalence("hateful", frame, PROXY, by="site", alpha=0.1, **options)
    binomial = {"family": sm.families.Binomial()} | options
    for formula, names in (("1", ["overall"]), ("0 + C(site)", ["a", "b", "c"])):
        model = AugmentedGMM.from_formula(
            f"hateful ~ {formula}", frame, PROXY, **binomial
        )
        fit = model.fit()
        peer = fit.get_prediction(np.eye(len(names)), transform=False)
        own = found.table.loc[names]
        np.testing.assert_allclose(own["share"], peer.predicted, rtol=1e-12)
        np.testing.assert_allclose(own["std_err"], peer.se, rtol=1e-12)
        np.testing.assert_allclose(
            own[["lower", "upper"]], peer.conf_int(alpha=0.1), rtol=1e-12
        )
        ratio = own["effective_labels"] / own["labels"]
        np.testing.assert_allclose(ratio, fit.effective_nobs / fit.n_labeled)
    assert found.table.index.name == "site"
    if "strata" not in options:  # by what the source says: it adds nothing then
        assert (found.table["effective_labels"] > found.table["labels"]).all()


def test_differences_are_put_together_from_both_intervals() -> None:
    found = prevalence("hateful", study(), PROXY, by="site")
    table = found.differences()
    assert list(table.index) == [("b", "a"), ("c", "a"), ("c", "b")]
    b, a = found.table.loc["b"], found.table.loc["a"]
    row = table.loc[("b", "a")]
    covariance = found.groups.cov_params().to_numpy()
    r = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert row["difference"] == pytest.approx(b["share"] - a["share"])
    down, up = b["share"] - b["lower"], a["upper"] - a["share"]
    below = np.sqrt(down**2 + up**2 - 2 * r * down * up)
    assert row["lower"] == pytest.approx(row["difference"] - below)
    test = found.groups.t_test([-1.0, 1.0, 0.0])
    assert row["pvalue"] == pytest.approx(float(test.pvalue))
    turned = found.differences("b")
    assert list(turned.index) == [("a", "b"), ("c", "b")]
    other = turned.loc[("a", "b")]
    assert other["lower"] == pytest.approx(-row["upper"])
    assert other["std_err"] == pytest.approx(row["std_err"])
    # One group certain to have it, one certain not to: still within -1 and 1.
    sure = pd.DataFrame({"site": ["a", "b"] * 40, "y": [0.0, 1.0] * 39 + [1.0, 0.0]})
    ends = prevalence("y", sure, by="site").differences().iloc[0]
    assert -1.0 <= ends["lower"] < ends["difference"] < ends["upper"] <= 1.0


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_names_and_types_of_columns_do_not_matter(engine: Any) -> None:
    frame = study()
    expected = prevalence("hateful", frame, PROXY, by="site", engine=engine).table
    odd = frame.rename(columns={"site": "the site", "hateful": "is hateful?"})
    odd["is hateful?"] = odd["is hateful?"].map({0.0: False, 1.0: True})
    proxy = {"llm": {"is hateful?": "guess"}}
    found = prevalence("is hateful?", odd, proxy, by="the site", engine=engine).table
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    numbers = frame.assign(site=frame["site"].map({"a": 7, "b": 10, "c": 20}))
    found = prevalence("hateful", numbers, PROXY, by="site", engine=engine).table
    assert list(found.index) == ["overall", 7, 10, 20]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_rows_in_partitions_give_the_same() -> None:
    dd = pytest.importorskip("dask.dataframe")
    expected = prevalence("hateful", study(), PROXY, by="site").table
    frame = dd.from_pandas(study(), npartitions=3)
    found = prevalence("hateful", frame, PROXY, by="site").table
    assert list(found.index) == list(expected.index)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_it_prints_and_draws() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    found = prevalence("hateful", study(n=200), PROXY, by="site")
    text = " ".join(str(found).split())
    assert "Prevalence of hateful" in text
    assert "200 labelled of 3000 units" in text
    assert "b, a" in text
    assert "P (same odds)" in text
    assert "Fewer than 5 labels have the rarer outcome (a" in text
    assert "<table" in found._repr_html_()
    figure = found.plot()
    (ax,) = figure.axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["overall", "a", "b", "c"]
    assert found.plot(ax=ax) is figure
    alone = prevalence("hateful", study())
    assert "Differences" not in str(alone)
    with pytest.raises(OptionError, match="no groups to compare"):
        alone.differences()
    with pytest.raises(OptionError, match="no group 'd'"):
        found.differences("d")


def raised(frame: pd.DataFrame, **options: Any) -> str:
    with pytest.raises(SynthError) as caught:
        prevalence("hateful", frame, PROXY, **options)
    return str(caught.value)


def test_labels_that_are_all_alike_have_an_exact_bound() -> None:
    frame = study()
    none = frame.assign(hateful=frame["hateful"] * 0.0)
    bound = stats.binomtest(0, 500).proportion_ci(0.95, "exact").high
    text = raised(none)
    assert (
        f"none of 500 labels is 1, so that the share is at most {100 * bound:.3g}"
        in (text)
    )
    bound = stats.binomtest(500, 500).proportion_ci(0.9, "exact").low
    text = raised(none.assign(hateful=none["hateful"] + 1.0), alpha=0.1)
    assert (
        f"all of 500 labels are 1, so that the share is at least {100 * bound:.3g}"
        in (text)
    )
    one = frame.assign(hateful=frame["hateful"].where(frame["site"] != "a", 0.0))
    one["hateful"] = one["hateful"].where(frame["hateful"].notna())
    number = int((one["hateful"].notna() & (one["site"] == "a")).sum())
    text = raised(one, by="site")
    assert "in 1 group of 'site'" in text
    assert f"a, none of {number} labels" in text
    with pytest.raises(DataError):
        prevalence("hateful", one, PROXY, by="site")


def test_what_is_no_prevalence_is_named() -> None:
    frame = study()
    halves = frame.assign(hateful=frame["hateful"] / 2.0)
    text = raised(halves)
    assert "'hateful' is 0.5 for" in text
    assert "hateful ~ 1" in text
    assert "no family=" in raised(frame, family=sm.families.Poisson())
    assert "by=['site'] is no name" in raised(frame, by=["site"])
    assert "no option 'stratum'" in raised(frame, stratum="stratum")
    assert "'sight'" in raised(frame, by="sight")
    assert "alpha" in raised(frame, alpha=5)
    # A group that nobody labelled.
    unseen = frame.assign(site=frame["site"].where(frame["hateful"].notna(), "d"))
    assert "d" in raised(unseen, by="site")

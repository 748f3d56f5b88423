"""Several coders per unit: agreement, and what their codes make one label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from statsmodels_synth import AugmentedGMM
from statsmodels_synth.data.coders import krippendorff_alpha, pair_agreement
from statsmodels_synth.exceptions import CoderWarning, DataError, OptionError
from statsmodels_synth.scores import MultinomialLogit, OrderedLogit, Quantile


def study(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Units with a proxy, of which 200 have one to three codes."""
    rng, size = np.random.default_rng(seed), 1000
    units = pd.DataFrame(
        {"id": [f"u{i}" for i in range(size)], "x": rng.normal(size=size)}
    )
    truth = rng.random(size) < 1.0 / (1.0 + np.exp(-units["x"]))
    units["llm"] = np.where(rng.random(size) < 0.85, truth, ~truth) * 1.0
    rows = [
        (units["id"][i], coder, float(truth[i] if rng.random() < 0.85 else ~truth[i]))
        for i in range(200)
        for coder in rng.choice(list("ABC"), rng.integers(1, 4), replace=False)
    ]
    codes = pd.DataFrame(rows, columns=["id", "coder", "y"])
    return units.merge(codes, how="left", on="id"), codes.merge(units, on="id")


def model(data: pd.DataFrame, formula: str = "y ~ x", **options) -> AugmentedGMM:
    options = {"on": "id", "family": sm.families.Binomial()} | options
    return AugmentedGMM.from_formula(
        formula, data, proxy={"y": "llm"}, coder="coder", **options
    )


# The example of Krippendorff (2011): four observers, twelve units.
_OBSERVERS = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""


@pytest.mark.parametrize(("metric", "alpha"), [("nominal", 0.743), ("interval", 0.849)])
def test_alpha_is_krippendorffs(metric, alpha):
    table = [line.split() for line in _OBSERVERS.strip().splitlines()]
    cells = [
        (float(code), unit)
        for row in table
        for unit, code in enumerate(row)
        if code != "."
    ]
    values, units = np.array([c for c, _ in cells]), np.array([u for _, u in cells])
    # Published to three digits.
    assert krippendorff_alpha(values, units, metric) == pytest.approx(alpha, abs=5e-4)


def test_agreement_is_fleiss_where_all_units_have_as_many_codes():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, size=(80, 4))
    codes[:40, 1:3] = codes[:40, :1]
    units = np.repeat(np.arange(80), 4)
    table, _ = aggregate_raters(codes)
    kappa = fleiss_kappa(table)
    alpha = krippendorff_alpha(codes.ravel().astype(float), units, "nominal")
    # Alpha is Fleiss' kappa with a correction for the number of codes (320).
    assert alpha == pytest.approx(1.0 - (1.0 - kappa) * (1.0 - 1.0 / 320), abs=1e-12)
    observed = (table * (table - 1)).sum() / (80 * 4 * 3)
    assert pair_agreement(codes.ravel(), units) == pytest.approx(observed, abs=1e-12)


@pytest.mark.filterwarnings("ignore:cov_type not fully supported")
def test_mean_equals_all_codes_as_rows_by_unit():
    """The mean of codes gives the estimate of all rows, each one over their number."""
    data, rows = study()
    weights = 1.0 / rows.groupby("id")["y"].transform("size")
    other = sm.GLM(
        rows["y"],
        sm.add_constant(rows["x"]),
        family=sm.families.Binomial(),
        var_weights=weights,
    ).fit(cov_type="cluster", cov_kwds={"groups": pd.factorize(rows["id"])[0]})
    result = model(data).fit(use_correction=False).real_only
    assert np.allclose(result.params, other.params, atol=1e-8)
    # statsmodels has the factor G / (G - 1) * (N - 1) / (N - p), here none.
    factor = 200 / 199 * (len(rows) - 1) / (len(rows) - 2)
    assert np.allclose(result.bse, other.bse / np.sqrt(factor), rtol=1e-6)


def test_order_of_rows_does_not_matter():
    data, _ = study()
    with pytest.warns(CoderWarning, match="divided on 'y'"):
        one = model(data, coding="majority").fit()
    with pytest.warns(CoderWarning):
        other = model(data.sample(frac=1.0, random_state=3), coding="majority").fit()
    assert np.allclose(one.params, other.params, atol=1e-10)


def test_majority_is_what_most_say():
    data, _ = study()
    with pytest.warns(CoderWarning):
        made = model(data, coding="majority")
    y = pd.Series(np.asarray(made.endog), made.data.row_labels)
    count = data.dropna().groupby("id")["y"].agg(["sum", "size"])
    clear = count.index[count["sum"] * 2 != count["size"]]
    expected = (count["sum"] * 2 > count["size"])[clear] * 1.0
    found = y[clear] if set(clear) <= set(y.index) else None
    if found is None:
        ids = made.unit_index[made.aligned.labeled_units]
        found = pd.Series(np.asarray(made.endog), ids)[clear]
    assert np.array_equal(found, expected)


def test_coders_are_described():
    data, rows = study()
    result = model(data).fit()
    table = result.coder_agreement()
    assert table.loc["y", ["coders", "codes", "units"]].tolist() == [3, len(rows), 200]
    assert table.loc["y", "label"] == "mean"
    assert "Krippendorff's alpha" in str(result.summary())


def test_levels_are_those_of_most():
    data, _ = study()
    data["y"] = data["y"].map({0.0: "no", 1.0: "yes"})
    data["llm"] = data["llm"].map({0.0: "no", 1.0: "yes"})
    with pytest.warns(CoderWarning):
        result = model(data, family=None, score=MultinomialLogit()).fit()
    assert result.coder_agreement().loc["y", "label"] == "majority"
    assert result.n_labeled == 200


def test_a_coded_regressor_must_be_named():
    data, _ = study()
    rng = np.random.default_rng(1)
    data["hedge"] = np.where(data["coder"].isna(), 0.0, rng.integers(0, 2, len(data)))
    with pytest.raises(OptionError, match="Coders differ on 'hedge'"):
        model(data, "y ~ x + hedge")
    made = model(data, "y ~ x + hedge", coding={"hedge": "mean"})
    assert {"y", "hedge"} == set(made.coders.table.index)
    # Not in the formula it is left alone.
    assert model(data).n_units == 1000


def test_index_identifies_units():
    data, _ = study()
    one = model(data.set_index("id"), on=None).fit()
    assert np.allclose(one.params, model(data).fit().params)


@pytest.mark.parametrize(
    ("change", "options", "error", "says"),
    [
        ({}, {"coder": "rater"}, DataError, "coder"),
        ({}, {"on": None}, DataError, "needs ids"),
        ({}, {"coding": "median"}, OptionError, "median"),
        ({}, {"family": None, "score": Quantile(0.5)}, OptionError, "not linear"),
        ({"coder": "A"}, {}, DataError, "one row per unit and coder"),
        ({"w": "random"}, {"weights": "w"}, DataError, "differs between the rows"),
    ],
)
def test_what_is_wrong_is_said(change, options, error, says):
    data, _ = study()
    if "w" in change:
        data["w"] = np.random.default_rng(0).random(len(data)) + 0.5
    elif change:
        data = data.assign(**change)
    coder = options.pop("coder", "coder")
    options = {"on": "id", "family": sm.families.Binomial()} | options
    with pytest.raises(error, match=says):
        AugmentedGMM.from_formula(
            "y ~ x", data, proxy={"y": "llm"}, coder=coder, **options
        )


def test_coding_needs_a_coder():
    data, _ = study()
    with pytest.raises(OptionError, match="in coder="):
        AugmentedGMM.from_formula(
            "y ~ x", data.drop_duplicates("id"), on="id", coding="mean"
        )


def test_results_without_coders_say_so():
    data, _ = study()
    result = AugmentedGMM.from_formula(
        "y ~ x", data.drop_duplicates("id"), proxy={"y": "llm"}, on="id"
    ).fit()
    with pytest.raises(OptionError, match="coder="):
        result.coder_agreement()


def coded_levels(ordered: bool) -> pd.DataFrame:
    """300 units, 150 with two codes among three levels; a quarter differ."""
    rng, levels = np.random.default_rng(0), ["low", "mid", "high"]
    x = rng.normal(size=300)
    truth = np.digitize(x + rng.logistic(size=300), [-0.5, 0.7])
    units = pd.DataFrame({"id": np.arange(300), "x": x, "llm": truth})
    rows = [
        (i, coder, truth[i] if rng.random() < 0.75 else rng.integers(0, 3))
        for i in range(150)
        for coder in "AB"
    ]
    codes = pd.DataFrame(rows, columns=["id", "coder", "y"])
    data = units.merge(codes, on="id", how="left")
    for name in ("y", "llm"):
        text = data[name].map(dict(enumerate(levels)))
        data[name] = pd.Categorical(text, levels, ordered=ordered)
    return data


@pytest.mark.filterwarnings("ignore::statsmodels_synth.exceptions.SynthWarning")
def test_order_of_categories_survives_a_majority():
    model = AugmentedGMM.from_formula(
        "y ~ x",
        coded_levels(ordered=True),
        proxy={"y": "llm"},
        on="id",
        coder="coder",
        score=OrderedLogit(),
    )
    assert list(model.fit().params.index) == ["x", "low/mid", "mid/high"]


def test_codes_that_agree_keep_their_categories_too():
    data = coded_levels(ordered=True)
    data = data[data["coder"].ne("B")]
    model = AugmentedGMM.from_formula(
        "y ~ x",
        data,
        proxy={"y": "llm"},
        on="id",
        coder="coder",
        score=OrderedLogit(),
    )
    result = model.fit()
    assert list(result.params.index) == ["x", "low/mid", "mid/high"]
    # No unit has two codes: that is said, and no alpha of nan is shown.
    text = " ".join(str(result.summary()).split())
    assert "no two coded the same unit" in text
    assert "alpha nan" not in text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"coding": {"yy": "majority"}}, "coding=.*yy.*Did you mean 'y'"),
        ({"on": 3}, "no column 3 .on=3."),
    ],
)
def test_names_that_no_column_has_are_refused(options, says):
    given = {"on": "id", "coder": "coder", "score": MultinomialLogit()} | options
    with pytest.raises(DataError, match=says):
        AugmentedGMM.from_formula(
            "y ~ x", coded_levels(ordered=False), proxy={"y": "llm"}, **given
        )


def test_groups_are_columns_of_units():
    data, _ = study()
    number = data["id"].str[1:].astype(int)
    data["region"] = np.where(number % 2 == 0, "north", "south")
    data["mood"] = np.where(np.arange(len(data)) % 3 == 0, "good", "bad")
    result = model(data).fit()
    found = result.diagnostics(by="region").subgroups
    assert found["labeled"].tolist() == [100, 100]
    by_index = model(data.set_index("id"), on=None).fit()
    pd.testing.assert_frame_equal(by_index.diagnostics(by="region").subgroups, found)
    for name in ("mood", "coder"):
        with pytest.raises(DataError, match=f"by='{name}' has several values for one"):
            result.diagnostics(by=name)


def test_ids_that_are_missing_in_part_are_refused():
    data, _ = study()
    data["wave"] = 1.0
    data.loc[3, "wave"] = np.nan
    with pytest.raises(DataError, match="1 row whose unit is missing"):
        model(data, on=["id", "wave"])

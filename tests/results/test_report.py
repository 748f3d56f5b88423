"""A result in words and as a page: its numbers, and what is not told."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
import sys
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_synth import AugmentedGMM, combine, prevalence, scores
from statsmodels_synth.datasets import load_posts
from statsmodels_synth.estimators import ppi
from statsmodels_synth.exceptions import (
    CollinearSourceWarning,
    DataError,
    OptionError,
    RareLevelWarning,
)
from statsmodels_synth.results.report import variance_alt
from statsmodels_synth.scores import OrderedLogit
from statsmodels_synth.tasks.model import example_model

FORMULA = "polite ~ hedge + length"
BINOMIAL = sm.families.Binomial()


def model(posts: pd.DataFrame | None = None, **options: Any) -> AugmentedGMM:
    data = load_posts() if posts is None else posts
    options = {"proxy": {"polite": "polite_llm"}, "family": BINOMIAL} | options
    return AugmentedGMM.from_formula(FORMULA, data, **options)


@pytest.fixture(scope="module")
def result() -> Any:
    return model().fit()


class Page(HTMLParser):
    """Images, links and words of a page, and whether its tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.words = ""
        self._open: list[str] = []
        self._hidden = False
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in ("img", "meta"):
            self._open.append(tag)
        for name in ("href", "src"):
            link = dict(attrs).get(name) or "data:"
            assert link.startswith("data:"), "needs another file"

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words += data


# Words


def test_methods_paragraph_has_the_numbers_of_the_fit(result: Any) -> None:
    text = result.methods_text()
    assert "People labelled 300 of 3000 units" in text
    share = 100 * result.variance_reduction
    assert f"by {share.min():.0f} to {share.max():.0f} %" in text
    labels = result.effective_nobs
    assert f"of {labels.min():.0f} to {labels.max():.0f} labels without" in text
    assert f"p = {result.jtest().pvalue:.2g}" in text
    posts = load_posts().dropna()
    agree = (posts["polite"] == posts["polite_llm"]).mean()
    assert f"accuracy {agree:.2f}" in text


@pytest.mark.parametrize(
    ("options", "fit", "words"),
    [
        ({}, {"maxiter": 1}, "the sources take no part in them"),
        ({"weights": "length"}, {}, "Units have weights [which]"),
        ({"proxy": None}, {}, "human labels only. Standard errors are corrected"),
        ({"proxy": None}, {}, "tests use Student's t"),
        (
            {},
            {"cov_type": "cluster", "cov_kwds": {"groups": "c", "strata": "half"}},
            "A survey drew the clusters within 2 strata",
        ),
        (
            {"proxy": None},
            {"cov_type": "cluster", "cov_kwds": {"groups": "c"}},
            "Units, or whole clusters of them, were drawn at random",
        ),
        ({"strata": "forum"}, {}, "drawn at random in each of 3 strata"),
        ({"labeling_prob": 0.1}, {}, "labelled 300 of 3000"),
        ({}, {"population": "finite"}, "about them alone"),
        ({}, {"use_correction": False}, "variant 'Byun et al. (2025)'"),
        ({}, {"use_correction": False}, "use the normal distribution"),
        ({"proxy": None}, {}, "human labels only"),
        ({}, {"cov_type": "cluster", "cov_kwds": {"groups": "c"}}, "clusters [which]"),
    ],
)
def test_methods_paragraph_says_what_was_done(
    options: dict[str, Any], fit: dict[str, Any], words: str
) -> None:
    posts = load_posts().sort_values("forum")
    posts["c"] = np.arange(3000) // 30  # a hundred clusters
    posts["half"] = posts["c"] // 50
    if "strata" in options:  # a hundred labels in each
        truth = load_posts(truth=True)["polite_truth"].astype(float)
        first = posts.groupby("forum").cumcount() < 100
        posts["polite"] = truth.loc[posts.index].where(first)
    text = model(posts, **options).fit(**fit).methods_text()
    assert words in text


def test_methods_paragraph_claims_no_adjustment_by_one_step() -> None:
    text = model().fit(maxiter=1).methods_text()
    assert "adjusted by" not in text
    assert "Against the labels alone" not in text


def numbers(n_units: int = 600, n: int = 150) -> pd.DataFrame:
    """A number for each unit, known of the first n; a guess, and how far it errs."""
    rng = np.random.default_rng(22)
    units = pd.DataFrame(rng.normal(size=(n_units, 3)), columns=["x", "z", "e"])
    units["d"] = units["z"] + 0.5 * rng.normal(size=n_units)
    units["all"] = 1.0 + 0.5 * units["d"] + units["e"]
    units["guess"] = units["all"] + 0.7 * rng.normal(size=n_units)
    units["off"] = units["all"] - units["guess"] + 0.1 * rng.normal(size=n_units)
    first = np.arange(n_units) < n
    units["y"] = units["all"].where(first)
    return units


def test_methods_paragraph_says_what_predicted_from_auxiliary_columns() -> None:
    result = AugmentedGMM.from_formula(
        "y ~ x", numbers(), proxy={"y": "guess"}, auxiliary="off"
    ).fit()
    assert "auxiliary" in result.source_names
    text = result.methods_text()
    assert "'auxiliary' has predictions of the outcome from auxiliary columns" in text
    assert "generated" not in text


def test_methods_paragraph_names_sources_that_take_no_part() -> None:
    twice = {k: {"polite": "polite_llm"} for k in ("one", "two")}
    with pytest.warns(CollinearSourceWarning):
        result = model(proxy=twice).fit()
    words = "Source 'two' was given and takes no part: its moments are collinear"
    assert words in result.methods_text()


def test_people_do_not_agree_with_themselves_in_the_methods_paragraph() -> None:
    units = numbers()
    units["people"] = units["x"].where(np.arange(600) < 150)
    units["guess"] = units["x"] + units["z"]
    result = AugmentedGMM.from_formula(
        "all ~ people", units, proxy={"people": "guess"}
    ).fit()
    text = result.methods_text()
    assert "in people: correlation 0.7" in text
    assert "in all:" not in text
    assert "450 further units with an outcome" in text


def test_instruments_are_where_they_were_in_the_formula() -> None:
    formula = "y ~ x + [d ~ z]"
    result = AugmentedGMM.from_formula(formula, numbers(), proxy={"y": "guess"}).fit()
    assert result.model.formula == formula
    assert result.methods_text().startswith(f"We estimated {formula} (")
    assert formula in Page(result.report()).words


def test_equations_of_ones_own_have_no_formula() -> None:
    units = numbers()
    result = AugmentedGMM.from_moments(
        lambda theta, frame: (frame["y"].to_numpy() - theta[0])[:, None],
        units,
        proxy={"y": "guess"},
        start={"mean": 0.0},
    ).fit()
    assert "y ~ 0" not in result.methods_text()
    page = Page(result.report()).words
    assert "y ~ 0" not in page
    assert "AugmentedGMM.from_moments(psi=psi, data=data" in page


def test_levels_that_were_left_out_are_told() -> None:
    units = numbers().assign(g=np.where(np.arange(600) % 2, "a", "b"))
    units.loc[599, "g"] = "rare"
    with pytest.warns(RareLevelWarning):
        built = AugmentedGMM.from_formula(
            "y ~ g", units, proxy={"y": "guess"}, rare_levels="drop"
        )
    assert "levels that no labelled unit has" in built.fit().methods_text()


def test_clusters_are_one_part_of_the_variance_in_words_and_bars() -> None:
    posts = load_posts().assign(c=np.arange(3000) // 30)
    clustered = model(posts).fit(cov_type="cluster", cov_kwds={"groups": "c"})
    words = variance_alt(clustered)
    assert "which clusters and labels were drawn" in words
    assert "units were drawn" not in words
    axes = clustered.plot_variance().axes[0]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    plt.close(axes.figure)
    assert len(legend) == 2
    assert "which clusters and labels were drawn" in legend[0]


def test_names_are_text_in_html() -> None:
    name = "<b>large</b> & co"
    result = model(proxy={name: {"polite": "polite_llm"}}).fit()
    for shown in (
        result,
        result.diagnostics(),
        result.compare(["labels only", "naive"]),
        result.agreement(),
        result.model.multiverse(),
    ):
        page = shown._repr_html_()
        assert "<b>" not in page, type(shown)
        assert "& co" not in page
    assert "&lt;b&gt;large&lt;/b&gt; &amp; co" in result._repr_html_()
    assert name in str(result.summary())


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.report(show_units="no"),
        lambda r: r.report(by="nope"),
        lambda r: r.plot_coefficients(panels="yes"),
        lambda r: r.plot_coefficients(drop_intercept="no"),
        lambda r: r.plot_variance(drop_intercept="no"),
        lambda r: r.get_prediction(average="yes"),
        combine,
    ],
)
def test_options_that_do_not_exist(result: Any, call: Any) -> None:
    with pytest.raises((OptionError, DataError)):
        call(result)


def test_a_report_needs_a_folder(result: Any, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is a folder"):
        result.report(tmp_path)
    with pytest.raises(OptionError, match="there is no folder"):
        result.report(tmp_path / "missing" / "study.html")


def test_what_is_printed_is_short_and_has_the_coefficients(result: Any) -> None:
    text = str(result)
    assert repr(result) == text
    assert len(text.splitlines()) < 12
    for name, value in result.params.items():
        line = next(row for row in text.splitlines() if row.startswith(name))
        assert f"{value:.4f}" in line
    assert result._repr_html_() == result.summary().as_html()
    assert "eff. sample" not in str(result.real_only)


def test_small_standard_errors_have_digits() -> None:
    posts = load_posts().assign(length=lambda d: 1e4 * d["length"])
    result = model(posts).fit()
    error = f"{result.bse['length']:.6f}"
    assert error.startswith("0.00001")
    for text in (
        result,
        result.summary(),
        result.summary2(),
        result.compare(["labels only", "GMM-Synth"]),
    ):
        lines = str(text).splitlines()
        assert any(error in row for row in lines), text
    # As statsmodels has it where that shows something.
    plain = str(model().fit().summary())
    assert "hedge          0.3344      0.078      4.287" in plain


# The call


@pytest.mark.parametrize(
    ("options", "fit"),
    [
        ({}, {}),
        (
            {"proxy": {"a": {"polite": "polite_llm"}, "b": {"polite": "polite_small"}}},
            {},
        ),
        ({"family": sm.families.Binomial(sm.families.links.Probit())}, {"maxiter": 3}),
        ({"family": None, "weights": "length"}, {"use_correction": False}),
        ({}, {"cov_type": "cluster", "cov_kwds": {"groups": "c"}, "use_t": False}),
    ],
)
def test_the_call_makes_the_same_result(
    options: dict[str, Any], fit: dict[str, Any]
) -> None:
    data = load_posts().assign(c=np.arange(3000) // 20)
    first = model(data, **options)
    result = first.fit(**fit)
    names = {"data": data, "AugmentedGMM": AugmentedGMM, "sm": sm, "m": first}
    again = eval(f"{first.call}.{result.call}", names)
    np.testing.assert_array_equal(result.params, again.params)
    np.testing.assert_array_equal(result.bse, again.bse)


@pytest.mark.parametrize(
    "score",
    [
        scores.MultinomialLogit(),
        scores.MultinomialLogit([0.0, 1.0], base=1.0),
        scores.OrderedProbit(levels=[0.0, 1.0]),
        scores.OrderedLogit(),
        scores.Quantile(1 / 3),
        scores.Huber(1.5, scale=1 / 3),
        scores.NegativeBinomial2(),
        scores.InstrumentalVariables("hedge", ["a", "b"]),
        scores.AverageTreatmentEffect("treated", propensity="logit"),
        scores.AverageTreatmentEffect("treated", propensity=1 / 3),
    ],
    ids=repr,
)
def test_a_score_is_written_as_code(score: Any) -> None:
    again = eval(repr(score), vars(scores))
    assert repr(again) == repr(score)
    public = [name for name in vars(score) if not name.startswith("_")]
    for name in public:
        np.testing.assert_equal(getattr(again, name), getattr(score, name))


def test_the_call_with_a_score_makes_the_same_result() -> None:
    score = scores.MultinomialLogit([0.0, 1.0], base=1.0)
    first = model(family=None, score=score)
    result = first.fit()
    names = {"data": load_posts(), "AugmentedGMM": AugmentedGMM}
    again = eval(f"{first.call}.{result.call}", names | vars(scores))
    np.testing.assert_array_equal(result.params, again.params)
    assert "MultinomialLogit(levels=[0.0, 1.0], base=1.0)" in result.report()


# Where the gain comes from


@pytest.mark.parametrize("population", ["superpopulation", "finite"])
def test_parts_of_the_variance_are_those_of_three_fits(population: Any) -> None:
    whole = model()
    drawn, finite = whole.fit(), whole.fit(population="finite")
    parts = whole.fit(population=population).variance_parts()
    np.testing.assert_allclose(parts["labels_only"], drawn.real_only.bse**2, rtol=1e-9)
    np.testing.assert_allclose(
        parts["sources"], drawn.real_only.bse**2 - drawn.bse**2, rtol=1e-9
    )
    np.testing.assert_allclose(parts["labels"], finite.bse**2, rtol=1e-9)
    total = parts[["sources", "units", "labels"]].sum(axis=1)
    np.testing.assert_allclose(total, parts["labels_only"], rtol=1e-12)


def test_parts_with_clusters_and_without_sources() -> None:
    data = load_posts().assign(c=np.arange(3000) // 20)
    result = model(data).fit(cov_type="cluster", cov_kwds={"groups": "c"})
    parts = result.variance_parts()
    assert (parts["units"] == 0.0).all()
    np.testing.assert_allclose(parts["labels"], result.bse**2)
    assert (result.real_only.variance_parts()["sources"].abs() < 1e-15).all()


def test_figure_of_the_variance(result: Any) -> None:
    figure = result.plot_variance()
    bars = figure.axes[0].patches
    share = result.variance_parts().div(result.variance_parts()["labels_only"], axis=0)
    drawn = sorted(bar.get_width() for bar in bars if bar.get_height() == 0.62)
    expected = share.loc[["hedge", "length"], ["labels", "units", "sources"]]
    np.testing.assert_allclose(drawn, np.sort(100 * expected.to_numpy().ravel()))
    assert len({bar.get_hatch() for bar in bars}) == 3  # colour is not the only code
    plt.close(figure)


def test_figure_of_some_coefficients(result: Any) -> None:
    figure = result.plot_coefficients(terms=["length"])
    ticks = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert ticks == ["length"]
    assert "not shown" not in figure.axes[0].get_xlabel()
    whole = result.plot_coefficients()
    assert "Intercept not shown" in whole.axes[0].get_xlabel()
    narrow = result.plot_coefficients(alpha=0.005)
    assert "with 99.5% interval" in narrow.axes[0].get_xlabel()
    two = result.plot_coefficients(panels=True)
    assert len(two.axes) == 2
    # Scales that differ have panels of themselves.
    far = model(load_posts().assign(length=lambda d: 100 * d["length"])).fit()
    assert len(far.plot_coefficients().axes) == 2
    assert len(far.plot_coefficients(panels=False).axes) == 1
    assert len(far.plot_coefficients(ax=plt.figure().gca()).figure.axes) == 1
    with pytest.raises(OptionError, match="Did you mean 'length'"):
        result.plot_coefficients(terms=["lenght"])
    with pytest.raises(OptionError, match="is empty"):
        result.plot_coefficients(terms=[])
    with pytest.raises(OptionError, match="ax= is one panel"):
        result.plot_coefficients(plt.figure().gca(), panels=True)
    plt.close("all")


# The page


def test_page_is_complete_and_needs_nothing_else(result: Any, tmp_path: Path) -> None:
    path = tmp_path / "posts.html"
    before = plt.get_fignums()
    text = result.report(path, by="forum")
    assert plt.get_fignums() == before
    assert path.read_text(encoding="utf-8") == text
    page = Page(text)
    assert len(page.images) == 2
    assert all(len(image["alt"] or "") > 80 for image in page.images)
    assert all((i["src"] or "").startswith("data:image/svg") for i in page.images)
    for part in (
        "Methods paragraph",
        "Design",
        "Agreement",
        "Estimates",
        "Where the gain comes from",
        "Diagnostics",
        "Notes",
        "To reproduce it",
        "SHA-256",
        "statsmodels_synth",
        "proxy, naive",
        "labels only",
        "cooking",
    ):
        assert part in page.words, part
    assert "Not available" not in page.words
    assert result.methods_text().split("\n")[0] in page.words
    for name in result.params.index:
        assert f"{result.params[name]:.4g}" in page.words
    assert result.report(by="forum") == text  # nothing in it depends on the time


def secret() -> pd.DataFrame:
    posts = load_posts()
    return posts.set_index("hidden-" + posts.index)


def test_page_names_no_unit_unless_asked() -> None:
    result = model(secret()).fit()
    assert "hidden-" not in result.report()
    page = Page(result.report(show_units=True)).words
    assert page.count("hidden-") >= 300


def test_page_escapes_what_it_is_given() -> None:
    posts = load_posts().assign(forum="<script>alert(1)</script>")
    posts.loc[posts.index[::2], "forum"] = "b&c"
    text = model(posts).fit().report(title="A < B", by="forum")
    assert "<script" not in text
    assert "A &lt; B" in text


def test_hashes_are_those_of_the_data() -> None:
    def hashes(posts: pd.DataFrame) -> list[str]:
        text = model(posts).fit().report()
        return [part.split("<")[0] for part in text.split('class="hash">')[1:]]

    first = hashes(load_posts())
    assert all(len(one) == 64 for one in first)
    assert hashes(secret()) == first  # other names, the same numbers
    changed = load_posts()
    row = changed["polite"].first_valid_index()
    changed.loc[row, "polite"] = 1 - changed.loc[row, "polite"]
    labels, source = hashes(changed)
    assert labels != first[0]
    assert source == first[1]


@pytest.mark.filterwarnings("ignore")
def test_page_of_other_fits() -> None:
    alone = model(proxy=None).fit().report()
    assert "the labels stand alone" in Page(alone).words
    posts = load_posts().assign(c=np.arange(3000) // 20)
    clustered = model(posts).fit(cov_type="cluster", cov_kwds={"groups": "c"})
    assert "groups" in Page(clustered.report()).words
    levels = AugmentedGMM.from_formula(
        "level ~ length",
        posts.assign(
            level=posts["polite"] + (posts["hedge"] > 2), guess=posts["c"] % 3
        ),
        proxy={"level": "guess"},
        score=OrderedLogit(),
    )
    assert "OrderedLogit" in Page(levels.fit().report()).words
    exog = sm.add_constant(posts[["hedge", "length"]].to_numpy())
    arrays = AugmentedGMM(
        posts["polite"].to_numpy(), exog, proxy={"llm": (posts["polite_llm"], exog)}
    )
    assert "from arrays" in Page(arrays.fit().report()).words


def test_page_without_matplotlib(result: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    page = Page(result.report())
    assert not page.images
    assert 'pip install ".[plot]"' in page.words


def test_page_needs_the_data() -> None:
    result = model().fit()
    result.remove_data()
    with pytest.raises(DataError, match="removed"):
        result.report()
    assert "People labelled 300" in result.methods_text()


def test_tables_in_a_notebook() -> None:
    """Whatever prints as a table is one in a notebook as well."""
    result = model().fit()
    shown = [result, result.real_only, ppi(result, "proxy"), result.diagnostics()]
    shown += [result.plan(), result.agreement(), combine([result, result])]
    shown += [result.compare(["labels only"]), example_model().fit(alpha=0.1)]
    for thing in shown:
        assert "<table" in thing._repr_html_(), type(thing).__name__


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_figures_as_vectors(kind: str, tmp_path: Path) -> None:
    """Journals ask for them: every figure is saved, and its words stay words."""
    result = model().fit()
    tasks = example_model().fit(alpha=0.1)
    figures = {
        "coefficients": result.plot_coefficients(),
        "variance": result.plot_variance(),
        "compare": result.plot_compare(["labels only", "GMM-Synth"]),
        "plan": result.plot_plan("hedge"),
        "diagnostics": result.plot_diagnostics(),
        "agreement": result.agreement().plot(),
        "multiverse": result.model.multiverse().plot("hedge"),
        "shares": prevalence("polite", load_posts(), {"polite": "polite_llm"}).plot(),
        "tasks": tasks.plot(),
    }
    with plt.rc_context({"svg.fonttype": "none", "pdf.compression": 0}):
        for name, figure in figures.items():
            path = tmp_path / f"{name}.{kind}"
            figure.savefig(path)
            data = path.read_bytes()
            assert b"<image" not in data, name
            assert b"/Subtype /Image" not in data, name
            if kind == "svg":
                assert b"<text" in data, name
            else:
                assert b"/Font" in data, name
    plt.close("all")

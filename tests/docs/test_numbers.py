"""Numbers that are said twice, in two pages or in a table and a sentence, are one."""

from __future__ import annotations

import re

import pandas as pd

from benchmarks.coverage import BAND
from benchmarks.record import number
from tests.docs.blocks import DOCS, ROOT, load

records = load(DOCS / "records.py")


def rows(page: str) -> list[list[str]]:
    """Cells of every row of every table of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\|.*\|$", text, re.MULTILINE)
    ]


def test_squared_errors_are_those_of_the_study() -> None:
    full = rows("explanation/related.md")
    measured = {}
    data = ""
    for row in full:
        data = row[0] or data
        if len(row) == 10:
            # labels of the columns: few-label default, paper, PPI, PPI++, both, ...
            measured[data, row[1]] = [row[k] for k in (2, 4, 5, 7, 8, 9)]
    shown = [r for r in rows("compared.md") if len(r) == 8 and r[1].endswith("%")]
    assert len(shown) == 5
    for row in shown:
        assert measured[row[0], row[1]] == row[2:], row


def test_speed_is_that_of_the_page_on_costs() -> None:
    ratios = {row[-1] for row in rows("explanation/scaling.md") if len(row) == 2}
    shown = [r for r in rows("compared.md") if len(r) == 2 and r[0] and "/" in r[0]]
    assert len(shown) == 3
    assert {row[1] for row in shown} <= ratios


def test_coverage_is_that_of_the_study() -> None:
    related = (DOCS / "explanation" / "related.md").read_text(encoding="utf-8")
    shown = (DOCS / "compared.md").read_text(encoding="utf-8")
    for said in (".955", ".909", ".942"):
        assert said in related
        assert said in shown
    few = (DOCS / "explanation" / "few-labels.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "91 to\n100 %" in readme
    assert ".913 to 1.000" in few


# Sentences that say again what a table has


def words(page: str) -> str:
    """A page on one line."""
    return " ".join((DOCS / page).read_text(encoding="utf-8").split())


def low(value: float, digits: int = 3) -> str:
    """A number without the zero before its point."""
    return number(value, f".{digits}f")


def numbers(name: str, column: int) -> dict[tuple[str, ...], list[float]]:
    """Values of a column of a record, by row."""
    record = records.read(name)
    return {
        key: [value for value in row[column][::2] if value is not None]
        for key, row in zip(record.keys(), record.rows, strict=True)
    }


def grid() -> pd.DataFrame:
    """
    All cells of the simulation of coverage.

    As ``python -m benchmarks.coverage --draws 150`` leaves them in
    ``coverage-output/cells.csv``.
    """
    return pd.read_csv(DOCS / "records" / "coverage.csv")


def test_tables_of_coverage_are_those_of_their_cells() -> None:
    cells = grid()
    usual = cells[(cells["columns"] == 2) & (cells["slope"] == 1.0)]
    steep = cells[cells["slope"] == 2.0]

    def ends(found: pd.Series) -> list[float]:
        return [round(float(found.min()), 3), round(float(found.max()), 3)]

    for k, quality in enumerate(("none", "useless", "ordinary", "5 %", "2 %")):
        for (family, n), shown in numbers("grid", 2 + k).items():
            own = usual.query(
                "family == @family and n == @n",
                local_dict={"family": family, "n": int(n)},
            )
            assert ends(own["coverage"][own["quality"] == quality]) == shown
    for (family, n), shown in numbers("grid", 7).items():
        own = usual[(usual["family"] == family) & (usual["n"] == int(n))]
        assert ends(own["coverage_paper"][own["quality"] != "none"]) == shown
    for k, column in enumerate(("coverage", "coverage_paper")):
        for (family, quality, n), shown in numbers("slope_two", 3 + k).items():
            key = ["family", "quality", "n"]
            own = steep.set_index(key).sort_index().loc[[(family, quality, int(n))]]
            assert ends(own[column]) == shown
    many = cells[cells["columns"] == 5].set_index(["family", "n", "quality"])
    for k, column in enumerate(("coverage", "coverage_paper", "mse", "mse_paper")):
        for (family, n, quality), shown in numbers("five_sources", 3 + k).items():
            assert round(many.loc[(family, int(n), quality), column], 3) == shown[0]


def test_sentences_on_coverage_are_those_of_its_cells() -> None:
    text, cells = words("explanation/few-labels.md"), grid()
    usual = cells[(cells["columns"] == 2) & (cells["slope"] == 1.0)]
    with_sources = usual[usual["quality"] != "none"]
    some = with_sources[with_sources["n"] >= 50]
    within = some["coverage"].between(*BAND)
    below = some[some["coverage"] < BAND[0]]
    above = some["coverage"] > BAND[1]
    assert f"Of the {len(some)} cells with 50 labels or more" in text
    assert f"{within.sum()} are between .935 and .975. Thirteen are below" in text
    assert len(below) == 13
    lowest = [low(k) for k in sorted(below["coverage"])]
    assert set(lowest[2:]) == {".927", ".933"}
    assert f"two with {lowest[0]} and {lowest[1]}, the others with .927 and" in text
    ends = [low(getattr(below["coverage_labels"], k)()) for k in ("min", "max")]
    assert f"cover in {ends[0]} to {ends[1]} of the same draws" in text
    assert f"The {above.sum()} cells above .975" in text
    first = usual["coverage"][usual["n"] == 30]
    assert (
        f"With 30 labels coverage is {low(first.min())} to {low(first.max())}" in text
    )
    every = cells["coverage"]
    said = f"Over all {len(cells)} cells it is {low(every.min())} to {low(every.max())}"
    assert said in text
    width = usual.groupby("quality")["width"].max()
    assert round(100 * width["useless"] - 100, 1) == 0.1
    assert "intervals are at most .1 % longer than those of the labels alone" in text
    assert int(100 - 100 * width["ordinary"]) == 7
    assert "ordinary ones at least 7 % shorter" in text
    said = f"at most {low(100 * usual['mse'].max() - 100, 1)} % above those of the"
    assert said in text
    assert said in words("faq.md")


def test_sentences_on_squared_errors_are_those_of_the_cells() -> None:
    text, cells = words("explanation/few-labels.md"), grid()
    usual = cells[(cells["columns"] == 2) & (cells["slope"] == 1.0)]
    gains = usual[usual["mse_paper"] <= 0.97]
    share = (1.0 - gains["mse"]) / (1.0 - gains["mse_paper"])
    few = sorted(share)
    assert [low(k, 2) for k in few[:2]] == [".73", ".82"]
    assert int(100 * few[2]) == 88
    assert "gains at least .88 of that; a logit with 30 labels and one" in text
    many = cells[cells["columns"] == 5]
    ratio = many["mse"] / many["mse_paper"]
    assert f"{low(ratio.min(), 2)} to {low(ratio.max(), 2)} of the paper's" in text
    steep = cells[(cells["slope"] == 2.0) & (cells["family"] == "binomial")]
    own = steep[(steep["quality"] == "5 %") & steep["n"].isin([50, 100])]
    ends = [low(getattr(own["coverage"], k)(), 2) for k in ("min", "max")]
    assert f"then covers in {ends[0]} to {ends[1]} with 50 and 100" in text
    less = (1.0 - own["mse_paper"] / own["mse"]).max()
    assert f"up to {100 * less:.0f} % less squared error there" in text
    ends = [low(getattr(own["coverage_paper"], k)(), 2) for k in ("min", "max")]
    assert f"cover in {ends[0]} to {ends[1]}." in text


def test_sentences_on_finite_populations_are_those_of_the_table() -> None:
    text = words("explanation/few-labels.md")
    default = [value for own in numbers("finite", 3).values() for value in own]
    few = [value for value in default if value < 0.93]
    assert len(few) in (1, 2)
    assert f"One cell is below .93 ({low(few[0])})" in text
    key = ("proteins, 2,000 residues, share", "strata", "150")
    labels = numbers("finite", 5)[key][0]
    assert f"the labels alone have {low(labels)} there" in text
    others = [
        value for k in (4, 6) for own in numbers("finite", k).values() for value in own
    ]
    assert f"cover in {low(min(others), 2)} to {low(max(others), 2)}, less" in text


def test_sentences_on_designs_are_those_of_the_table() -> None:
    text = words("explanation/few-labels.md")
    ratio = {key: own[0] for (key,), own in numbers("designs", 1).items()}
    paper = {key: own[0] for (key,), own in numbers("designs", 2).items()}
    covers = {key: (own[0], own[1]) for (key,), own in numbers("designs", 4).items()}
    assert max(ratio.values()) <= 1.03
    less = [
        f"{100 - 100 * paper[k] / ratio[k]:.0f}"
        for k in ("12 clusters, good", "errors grow with x")
    ]
    assert f"Its squared errors are {less[0]} and {less[1]} % less" in text
    (least,) = (value for value, _ in covers.values() if value < 0.93)
    assert (
        "One coefficient is covered in less than .93, the constant of the skewed $x$ "
        f"with 300 labels, in {low(least)}" in text
    )
    usual = sum(highest <= 0.987 for _, highest in covers.values())
    assert f"Of the {len(covers)} cells {usual} have no coefficient above .987" in text


def test_sentences_on_auxiliary_columns_are_those_of_the_table() -> None:
    text = words("how-to/auxiliary.md")
    ratio = {key: own[0] for (key,), own in numbers("auxiliary", 5).items()}
    useless = max(value for key, value in ratio.items() if "useless" in key)
    assert f"Useless columns cost at most {low(100 * useless - 100, 1)} %" in text
    real = {k: v for k, v in ratio.items() if k.startswith(("politeness", "alpha"))}
    assert max(real.values()) < 1.01
    errors = {row[0]: row[5][1] for row in records.read("auxiliary").rows}
    first, last = "politeness, n = 100", "alphafold, n = 1000"
    said = (
        f"(100 requests have {ratio[first]:.3f} with an error of {low(errors[first])}, "
        f"and 1,000 residues {ratio[last]:.3f} with {low(errors[last])}.)"
    )
    assert said in text
    oracle = {key: own[0] for (key,), own in numbers("auxiliary", 6).items()}
    many = max(value for key, value in oracle.items() if key.endswith("1000"))
    assert f"the oracle is at most {100 * many - 100:.0f} % better" in text


def test_words_of_the_figure_of_designs_are_those_of_the_table() -> None:
    text = words("how-to/choose-labels.md")
    widths = [[v[0] for v in numbers("sampling", k).values() if v] for k in range(1, 5)]
    others = [value for own in widths[1:] for value in own if value < 1.0]
    ends = [low(min(others), 2), low(max(others), 2)]
    assert f"Influence and optimal designs are between {ends[0]} and {ends[1]}" in text
    least = low(min(widths[0]), 2)
    assert f"stratified ones between {least} and 1." in text


def test_sentences_on_counterparts_are_those_of_the_tables() -> None:
    text = words("explanation/conditioning.md")
    bias = {key: own[0] for key, own in numbers("conditioning", 2).items()}
    error = {key: own[0] for key, own in numbers("conditioning", 3).items()}
    rejects = {key: own[0] for key, own in numbers("conditioning", 5).items()}
    some, many = ("400", "human"), ("2,000", "human")
    assert abs(rejects[some] - 1 / 3) < 0.05
    assert "it finds the fault in one draw of three" in text
    assert abs(-bias[some] / error[some] - 0.8) < 0.05
    assert "a bias of four fifths of a standard error" in text
    assert rejects[many] > 0.95
    covers = numbers("conditioning", 4)
    assert covers[many][0] < covers[some][0] < covers["100", "human"][0]


def test_sentences_on_other_methods_are_those_of_the_tables() -> None:
    text = words("explanation/related.md")
    ppi = max(own[0] for own in numbers("methods", 4).values() if own)
    assert f"PPI has up to {ppi:.1f} times the squared error" in text
    quantile = (".9 quantile", "100")
    alone = numbers("other_targets", 4)[quantile][0]
    assert f"the labels alone cover in {low(alone, 2)}, and so does" in text
    curved = {key: own for (key,), own in numbers("rivals", 3).items() if own}
    tuned, plain = curved["ppi-aipw, tuned"][0], curved["PPI++"][0]
    assert f"the first is better ({low(tuned, 2)} to {low(plain, 2)})" in text
    assert f"it finds ({low(curved['cje-eval, calibrated'][0], 2)})" in text
    assert f"curved ({low(curved['ppi-aipw, spline'][0], 2)})" in text
    cut = curved["ppi-aipw, linear"][0]
    assert f"and pays: {low(cut, 2)}, without it" in text
    clusters = numbers("rivals", 5)[("glide, clustered",)]
    assert f"its interval covers that in {100 * clusters[2]:.0f} %" in text


def test_sentences_on_shares_of_errors_are_in_the_record() -> None:
    text = words("explanation/generation-study.md")
    (last,) = (
        k for k in numbers("generation_reported", 5) if k == ("200", "first_person_pl")
    )
    mean = numbers("generation_reported", 5)[last][0]
    median = numbers("generation_reported", 4)[last][0]
    real = numbers("generation_reported", 3)[last][0]
    assert f"it is {mean:.2f} times the labels on average" in text
    assert f"The squared errors say {real:.2f}." in text
    assert f"The median is {median:.2f}." in text

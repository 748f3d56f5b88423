"""
All methods on real and simulated data, at labelling rates from 2 to 30 %.

Run from the root of the repository::

    python -m benchmarks.methods                 # the whole study
    python -m benchmarks.methods --draws 20      # a rough look, in minutes
    python -m benchmarks.methods --report        # tables and figure of what is there

Every draw is a sample of T units *with replacement* from the data, of which a share is
labelled at random; so the estimate from all the data is the truth, and intervals are
for it. The real data need ``../shared``; without it, the simulated ones remain.

- ``politeness``: requests, rated by people and by GPT-4o (a proxy of the outcome);
- ``twins``: a survey, and LLM twins of the respondents: one run as a proxy of the
  outcome, one as synthetic rows with their own regressors;
- ``alphafold``: protein residues and a predicted probability (a proxy);
- ``simulated binary``, ``simulated linear``: a proxy that errs in the outcome, and
  synthetic rows that err in outcome and regressors, both of use, with errors of their
  own.

Finished draws are kept in ``methods-output/draws``; interrupt when you like and run the
command again. In the end ``table.csv`` and a figure are written next to them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, cpu_count, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
from scipy.special import expit
import statsmodels.api as sm
from tqdm import tqdm

from benchmarks.measured import UNKNOWN, Measured, Span, rate_of, ratio_of, together
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import SynthError

Floats = NDArray[np.float64]
SHARED = Path(__file__).parents[2] / "shared" / "data"
RATES = (0.02, 0.05, 0.10, 0.20, 0.30)
#: Fewer labels than this are no study.
FEWEST = 40
#: Draws that are saved together.
CHUNK = 10


@dataclass(frozen=True)
class Data:
    """The population: every row is a unit, with its label and its sources."""

    formula: str
    frame: pd.DataFrame
    proxy: dict[str, str]
    synthetic: tuple[str, ...] = ()
    family: Any = None

    def sources(self, units: pd.DataFrame) -> dict[str, Any]:
        """Arguments of from_formula for a sample of units."""
        found: dict[str, Any] = {"proxy": {"proxy": self.proxy}, "family": self.family}
        if self.synthetic:
            made = units[[f"made_{name}" for name in self.synthetic]]
            made = made.set_axis(list(self.synthetic), axis=1)
            found["synthetic"] = {"synthetic": made}
        return found


def politeness() -> Data:
    frame = pd.read_csv(SHARED / "politeness.csv")
    frame["log_words"] = np.log(frame["n_words"])
    return Data(
        "y ~ hashedge + first_person_pl + log_words",
        frame,
        {"y": "yhat_gpt4o"},
        family=sm.families.Binomial(),
    )


def twins() -> Data:
    wide = pd.read_csv(SHARED / "twin_wide.csv")
    names = ["Redistribution_1", "Fairness", "Trust", "Work_vs_Luck"]
    parts = {"h_": "", "l_": "guess_", "l2_": "made_"}
    frame = pd.DataFrame(
        {new + k: wide[old + k] for old, new in parts.items() for k in names}
    ).dropna()
    return Data(
        "Redistribution_1 ~ Fairness + Trust + Work_vs_Luck",
        frame,
        {"Redistribution_1": "guess_Redistribution_1"},
        tuple(names),
    )


def alphafold() -> Data:
    return Data(
        "y ~ phosphorylated + ubiquitinated + acetylated",
        pd.read_csv(SHARED / "alphafold.csv"),
        {"y": "yhat"},
        family=sm.families.Binomial(),
    )


def simulated(binary: bool) -> Data:
    rng, size = np.random.default_rng(0), 100_000

    def outcome(linear: Floats) -> Floats:
        if binary:
            return (rng.random(size) < expit(linear)).astype(float)
        return np.asarray(linear + rng.normal(size=size))

    x1, x2 = rng.normal(size=(2, size))
    linear = 0.3 + 0.7 * x1 - 0.5 * x2
    frame = pd.DataFrame({"y": outcome(linear), "x1": x1, "x2": x2})
    wrong = rng.random((2, size)) < [[0.2], [0.3]]
    other = [outcome(-0.3 * linear), outcome(0.2 * linear)]
    frame["guess"], frame["made_y"] = np.where(wrong, other, frame["y"])
    for k in ("x1", "x2"):
        frame[f"made_{k}"] = frame[k] + 0.3 * rng.normal(size=size)
    family = sm.families.Binomial() if binary else None
    return Data("y ~ x1 + x2", frame, {"y": "guess"}, ("y", "x1", "x2"), family)


DATA: dict[str, Callable[[], Data]] = {
    "politeness": politeness,
    "twins": twins,
    "alphafold": alphafold,
    "simulated binary": lambda: simulated(True),
    "simulated linear": lambda: simulated(False),
}
#: Units of a draw, where it is not the whole population.
SIZE = {"simulated binary": 2000, "simulated linear": 2000}


def draw(data: Data, rate: float, size: int, seed: int) -> pd.DataFrame | str:
    """One row per method and coefficient; the name of the error if refused."""
    rng = np.random.default_rng([seed, round(1000 * rate)])
    units = data.frame.iloc[rng.integers(0, len(data.frame), size)]
    units = units.reset_index(drop=True).rename_axis("unit")
    labeled = np.zeros(size, dtype=bool)
    labeled[: round(rate * size)] = True
    options = data.sources(units)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = AugmentedGMM.from_formula(
                data.formula, units, labeled=labeled, **options
            )
            result = model.fit()
            paper = model.fit(use_correction=False, use_t=False)
            table = result.compare().table
        except SynthError as error:
            return type(error).__name__
    columns = ["estimate", "std_err", "lower", "upper"]
    found = table[columns].reset_index()
    ends = np.asarray(paper.conf_int())
    own = pd.DataFrame(
        np.column_stack([paper.params, paper.bse, ends]), columns=columns
    )
    own["coefficient"], own["method"] = list(paper.params.index), "GMM-Synth, paper"
    return pd.concat([found, own], ignore_index=True)


def grid() -> Iterator[tuple[str, float, int]]:
    """Data set, labelling rate and number of units."""
    for name, read in DATA.items():
        if not (SHARED.is_dir() or name.startswith("simulated")):
            continue
        size = SIZE.get(name) or len(read().frame)
        for rate in RATES:
            if round(rate * size) >= FEWEST:
                yield name, rate, size


#: Methods in the order of the table of the documentation.
COLUMNS = (
    *("GMM-Synth", "GMM-Synth, paper", "PPI (proxy)", "PPI++ (proxy)", "PPI++Synth"),
    *("predict-then-debias (proxy)", "DSL (proxy)", "RePPI"),
)


def _truth(data: Data) -> Any:
    """Coefficients of the population."""
    full = AugmentedGMM.from_formula(data.formula, data.frame, family=data.family)
    return full.fit().params


@cache
def _tables(
    name: str, rate: float, size: int, draws: int, first: int, jobs: int
) -> list[pd.DataFrame]:
    """Draws of a cell that are not refused, without the constant, with the truth."""
    data = DATA[name]()
    truth = _truth(data)
    found = Parallel(jobs)(
        delayed(draw)(data, rate, size, seed) for seed in range(first, first + draws)
    )
    tables = [own for own in found if not isinstance(own, str)]
    return [
        own.assign(truth=own["coefficient"].map(truth))
        .set_index(["method", "coefficient"])
        .drop(index="Intercept", level="coefficient")
        for own in tables
    ]


def _wide(tables: list[pd.DataFrame], values: Callable[[pd.DataFrame], Any]) -> Any:
    """What is said of each method and coefficient (columns) in each draw (rows)."""
    return pd.concat([values(own) for own in tables], axis=1).T.reset_index(drop=True)


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of the documentation: squared errors, labels alone = 1."""
    for name, rate, size in grid():
        fewest = 0.05 if name == "twins" else 0.02
        if rate not in (fewest, 0.10, 0.30):
            continue
        tables = _tables(name, rate, size, draws, first, jobs)
        squared = _wide(tables, lambda own: (own["estimate"] - own["truth"]) ** 2)
        row = [_relative(squared, method) for method in COLUMNS]
        yield (name.replace("simulated ", "simulated, "), f"{100 * rate:.0f} %"), row


def coverage_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured | Span]]]:
    """Numbers of the documentation: mean coverage of each method over all cells."""
    if not SHARED.is_dir():
        return
    found: dict[str, list[Measured]] = {}
    for name, rate, size in grid():
        tables = _tables(name, rate, size, draws, first, jobs)
        covered = _wide(
            tables, lambda own: own["truth"].between(own["lower"], own["upper"])
        ).astype(float)
        for method in covered.columns.unique("method"):
            each = covered[method].dropna().mean(axis=1)
            if len(each) > 1:
                found.setdefault(method, []).append(rate_of(each))
    over = {method: together(own).mean for method, own in found.items()}
    for method in ("labels only", *COLUMNS[:2], "PPI++ (proxy)", *COLUMNS[4:6]):
        yield (method,), [over[method]]
    others = [over[k] for k in ("RePPI", "DSL (proxy)", "PPI (proxy)")]
    yield ("others",), [together(others)]


def _relative(squared: pd.DataFrame, method: str) -> Measured:
    """Squared error over that of the labels, in draws in which the method has one."""
    if method not in squared.columns.get_level_values(0):
        return UNKNOWN
    own = squared[method].dropna()
    if len(own) < 2:
        return UNKNOWN
    base = squared["labels only"].loc[own.index, own.columns]
    return ratio_of(own.to_numpy(), base.to_numpy())


def run(draws: int, folder: Path, jobs: int) -> None:
    """Simulate what is not in the folder yet; every chunk of draws is a file."""
    todo = [
        (name, rate, size, chunk)
        for chunk in range(-(-draws // CHUNK))
        for name, rate, size in grid()
        if not _file(folder, name, rate, chunk).exists()
    ]
    read = {name: DATA[name]() for name in {name for name, *_ in todo}}
    tasks = (delayed(_chunk)(read[c[0]], c, folder) for c in todo)
    with tqdm(total=len(todo) * CHUNK, unit="draw") as bar:
        for _ in Parallel(jobs, return_as="generator_unordered")(tasks):
            bar.update(CHUNK)


def _file(folder: Path, name: str, rate: float, chunk: int) -> Path:
    return folder / f"{name.replace(' ', '-')}-{rate:.2f}-{chunk:04d}.csv"


def _chunk(data: Data, cell: tuple[str, float, int, int], folder: Path) -> None:
    name, rate, size, chunk = cell
    parts = []
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        found = draw(data, rate, size, seed)
        if isinstance(found, str):
            found = pd.DataFrame({"method": ["refused"], "coefficient": [found]})
        parts.append(found.assign(seed=seed))
    path = _file(folder, name, rate, chunk)
    rows = pd.concat(parts, ignore_index=True)
    # Under another name first: a file that is there is complete.
    rows.assign(data=name, rate=rate, size=size).to_csv(path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def report(folder: Path) -> pd.DataFrame:
    """
    One row per data set, rate and method, over all coefficients but the constant.

    A method may be left out of a draw (a source that is separated on the labelled units
    has no estimate there). Its figures are of the other draws, and so are those of the
    labels that they are relative to; `missing` is the share that is left out. `mse_se`
    is the Monte Carlo error of `mse`, from the draws.
    """
    draws = pd.concat([pd.read_csv(p) for p in sorted(folder.glob("*.csv"))])
    is_refused = draws["method"] == "refused"
    refused = draws[is_refused].groupby(["data", "rate"]).size()
    truth = {}
    for name in draws["data"].unique():
        data = DATA[name]()
        truth |= {(name, k): v for k, v in _truth(data).items()}
    draws = draws[~is_refused & (draws["coefficient"] != "Intercept")].copy()
    pairs = zip(draws["data"], draws["coefficient"], strict=True)
    draws["truth"] = [truth[pair] for pair in pairs]
    draws["squared"] = (draws["estimate"] - draws["truth"]) ** 2
    draws["covered"] = draws["truth"].between(draws["lower"], draws["upper"])
    draws["width"] = draws["upper"] - draws["lower"]
    cell = ["data", "rate", "coefficient"]
    base = draws[draws["method"] == "labels only"].set_index([*cell, "seed"])
    base = base.sort_index()
    rows = []
    for keys, part in draws.groupby([*cell, "method"], sort=False):
        own = base.loc[keys[:3]]
        labels = own.reindex(part["seed"])
        ratio = ratio_of(part[["squared"]].to_numpy(), labels[["squared"]].to_numpy())
        size = part["size"].iloc[0]
        rows.append(
            dict(zip([*cell, "method"], keys, strict=True))
            | {
                "draws": len(part),
                "missing": 1.0 - len(part) / len(own),
                "mse": ratio.value,
                "mse_se": ratio.error,
                "coverage": part["covered"].mean(),
                "width": part["width"].median() / labels["width"].median(),
                "effective_labels": round(keys[1] * size) / ratio.value,
            }
        )
    each = pd.DataFrame(rows)
    table = each.drop(columns="coefficient").groupby(["data", "rate", "method"])
    table = table.mean()
    at = table.reset_index("method").index
    table["refused"] = refused.reindex(at).fillna(0).to_numpy()
    return table


def show(table: pd.DataFrame) -> None:
    """Print a table per measure: methods down, labelling rates across."""
    for measure in (
        "mse",
        "mse_se",
        "coverage",
        "width",
        "effective_labels",
        "missing",
    ):
        print(f"\n{measure} (mean over coefficients but the constant)")
        wide = table.reset_index().pivot_table(
            measure, ["data", "method"], "rate", sort=False
        )
        if measure == "missing":
            wide = wide[(wide > 0.0).any(axis=1)]
        print(wide.round(0 if measure == "effective_labels" else 3).to_string())


#: Colour, marker and line of each method: no two differ by colour alone.
LOOKS = {
    "GMM-Synth": ("#0072B2", "o", "-"),
    "GMM-Synth, paper": ("#56B4E9", "s", "--"),
    "PPI++ (proxy)": ("#009E73", "^", "-."),
    "PPI++Synth": ("#000000", "v", ":"),
    "predict-then-debias (proxy)": ("#CC79A7", "D", "--"),
    "DSL (proxy)": ("#D55E00", "P", "-."),
    "RePPI": ("#E69F00", "X", ":"),
}


def figure(table: pd.DataFrame, path: Path) -> None:
    """Squared error and coverage of all methods, one row of panels per data set."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    names = list(dict.fromkeys(table.index.get_level_values("data")))
    # One below the other: so it can be read on a phone.
    fig, axes = plt.subplots(
        len(names),
        2,
        figsize=(7.2, 2.2 * len(names) + 1.6),
        sharex=True,
        sharey="col",
        squeeze=False,
        layout="constrained",
    )
    titles = ("squared error, labels only = 1", "coverage of 95 % interval")
    for k, name in enumerate(names):
        part = table.loc[name]
        for method, (colour, marker, line) in LOOKS.items():
            if method not in part.index.get_level_values("method"):
                continue
            rows = part.xs(method, level="method")
            look = {"color": colour, "marker": marker, "linestyle": line, "ms": 5.5}
            look["lw"] = 2.6 if method == "GMM-Synth" else 1.5
            for ax, measure in zip(axes[k], ("mse", "coverage"), strict=True):
                ax.plot(100 * rows.index, rows[measure], label=method, **look)
        axes[k, 0].axhline(1.0, color="0.6", lw=0.8)
        axes[k, 1].axhline(0.95, color="0.6", lw=0.8)
        axes[k, 0].set_ylabel(name.replace(" ", "\n"), fontsize=12)
        for ax, title in zip(axes[k], titles, strict=True):
            ax.tick_params(labelsize=11)
            ax.spines[["top", "right"]].set_visible(False)
            if k == 0:
                ax.set_title(title, loc="left", fontsize=12)
    for ax in axes[-1]:
        ax.set_xlabel("units labelled, %", fontsize=12)
    handles = {h.get_label(): h for ax in axes[:, 0] for h in ax.get_lines()}
    shown = [handles[method] for method in LOOKS if method in handles]
    fig.legend(
        shown,
        [line.get_label() for line in shown],
        loc="outside lower center",
        ncols=2,
        fontsize=11,
        frameon=False,
        handlelength=3.2,
    )
    fig.savefig(path, dpi=150)
    plt.close(fig)


def main() -> None:
    """Run, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=cpu_count())
    parser.add_argument("--out", type=Path, default=Path("methods-output"))
    parser.add_argument("--report", action="store_true", help="of what is there")
    given = parser.parse_args()
    folder = given.out / "draws"
    folder.mkdir(parents=True, exist_ok=True)
    pd.set_option("display.width", 200, "display.max_rows", 500)
    if not SHARED.is_dir():
        print(f"The real data are not in {SHARED}: simulated data only.")
    if not given.report:
        run(given.draws, folder, given.jobs)
    table = report(folder)
    table.to_csv(given.out / "table.csv")
    show(table)
    figure(table, given.out / "methods.png")
    print(f"\nTable and figure: {given.out}")


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.methods  # noqa: PLW0406

    benchmarks.methods.main()

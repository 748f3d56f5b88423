"""
What pays: proxies, probabilities, replicates and counterparts, with real labels.

Run from the root of the repository, where ../shared/data is::

    python -m benchmarks.generation_study                # some minutes
    python -m benchmarks.generation_study --draws 20     # a rough look
    python -m benchmarks.generation_study --labels 800 --out more-labels

5,480 requests were rated by people, and labelled by GPT-4o with a confidence. Again and
again 200 of them are drawn as those with human labels; the regression is that of being
polite on hedging and the first person plural, which are counted in the texts. An
efficiency gain is the ratio of squared errors, around the estimate from all human
labels, of the labels alone to those of the estimator: the factor by which the sources
multiply the labels. Its Monte Carlo error is that of the jackknife over draws.

Sources: the label as 0 or 1; the confidence as the probability of it; the two as two
sources; the share of polite human labels at each label and confidence, learned from 500
other units, which is what a calibrated probability is worth; a counterpart made of the
label and the regressors of another request with the same label, alone and beside the
proxy, once and three times. Such a counterpart carries what the proxy tells of the unit
and nothing more: the recorded labels come without texts of counterparts.

Draws that are done are kept in ``generation-study-output/draws.csv``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any
import warnings

from joblib import Parallel, delayed
import numpy as np
from numpy.typing import NDArray
import pandas as pd
import statsmodels.api as sm

from benchmarks.measured import Measured, mean_of, median_of, share_of
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.exceptions import SeparationError

Floats = NDArray[np.float64]
SHARED = Path(__file__).parents[2] / "shared" / "data"
NAMES = ["const", "hashedge", "first_person_pl"]
#: Labelled units, and units from which a calibration is learned.
LABELED, CALIBRATION = 200, 500


def read_requests() -> pd.DataFrame:
    """Human labels, those of the model, and regressors."""
    frame = pd.read_csv(SHARED / "politeness.csv")
    frame["const"] = 1.0
    yes = frame["yhat_gpt4o"] == 1
    confidence = frame["conf_gpt4o"]
    frame["probability"] = np.where(yes, confidence, 1 - confidence)
    return frame[["y", "yhat_gpt4o", "probability", *NAMES]].dropna()


def calibrated(frame: pd.DataFrame, rest: pd.DataFrame) -> Floats:
    """Share of polite human labels at each probability, learned elsewhere."""
    overall = rest["y"].mean()
    groups = rest.groupby("probability")["y"].agg(["sum", "count"])
    shares = (groups["sum"] + 5 * overall) / (groups["count"] + 5)
    return np.asarray(frame["probability"].map(shares).fillna(overall), dtype=float)


def counterparts(frame: pd.DataFrame, seed: int) -> tuple[Floats, Floats]:
    """Label of each unit, with the regressors of another one that has the same."""
    rng = np.random.default_rng(seed)
    label = frame["yhat_gpt4o"].to_numpy(dtype=float)
    donors = np.empty(len(frame), dtype=int)
    for value in np.unique(label):
        units = np.flatnonzero(label == value)
        donors[units] = rng.choice(units, len(units))
    return label, frame[NAMES].to_numpy(dtype=float)[donors]


def designs(
    frame: pd.DataFrame, rest: pd.DataFrame, seed: int
) -> dict[str, dict[str, Any]]:
    """Sources of each design."""
    x = frame[NAMES].to_numpy(dtype=float)
    label = (frame["yhat_gpt4o"].to_numpy(dtype=float), x)
    confidence = (frame["probability"].to_numpy(dtype=float), x)
    made = [counterparts(frame, 1_000 * seed + k) for k in range(3)]
    thrice = {f"counterpart {k}": own for k, own in enumerate(made)}
    return {
        "proxy of 0 or 1": {"proxy": {"label": label}},
        "confidence as probability": {"proxy": {"confidence": confidence}},
        "both": {"proxy": {"label": label, "confidence": confidence}},
        "calibrated probability": {"proxy": {"p": (calibrated(frame, rest), x)}},
        "counterpart alone": {"synthetic": {"counterpart": made[0]}},
        "proxy and counterpart": {
            "proxy": {"label": label},
            "synthetic": {"counterpart": made[0]},
        },
        "proxy and three counterparts": {
            "proxy": {"label": label},
            "synthetic": thrice,
        },
    }


def draw(data: pd.DataFrame, seed: int, labeled: int = LABELED) -> list[dict[str, Any]]:
    """Squared errors of each design in one labelling."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data))
    rest = data.iloc[order[:CALIBRATION]]
    frame = data.iloc[order[CALIBRATION:]]
    y, x = frame["y"].to_numpy(dtype=float), frame[NAMES].to_numpy(dtype=float)
    family = sm.families.Binomial()
    true = sm.GLM(y, x, family=family).fit().params
    labels = np.where(np.arange(len(frame)) < labeled, y, np.nan)
    rows = []
    for name, sources in designs(frame, rest, seed).items():
        result = AugmentedGMM(labels, x, family=family, **sources).fit()
        low, high = np.asarray(result.conf_int()).T
        error = np.asarray(result.params) - true
        own = np.asarray(result.real_only.params) - true
        gain = np.asarray(result.effective_nobs) / labeled
        for k, column in enumerate(NAMES):
            rows.append(
                {
                    **{"seed": seed, "design": name, "coefficient": column},
                    **{"error": error[k], "error_labels": own[k]},
                    "covered": low[k] <= true[k] <= high[k],
                    "reported": gain[k],
                    "J_rejects": result.jtest().pvalue < 0.05,
                }
            )
    return rows


def gain(error: Floats, own: Floats) -> tuple[float, float]:
    """
    Ratio of mean squared errors, and its jackknife error.

    Examples
    --------
    >>> gain(np.array([1.0, -1.0]), np.array([2.0, 2.0]))
    (4.0, 0.0)
    """
    ours, theirs = error**2, own**2
    n = len(ours)
    left_out = (theirs.sum() - theirs) / (ours.sum() - ours)
    spread = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    return float(theirs.sum() / ours.sum()), float(spread)


def table_of(draws: pd.DataFrame) -> pd.DataFrame:
    """Gains by design and coefficient."""
    rows = []
    for (design, name), part in draws.groupby(["design", "coefficient"], sort=False):
        factor, error = gain(part["error"].to_numpy(), part["error_labels"].to_numpy())
        rows.append(
            {
                **{"design": design, "coefficient": name, "draws": len(part)},
                **{"gain": factor, "mc_error": error},
                # Few labels with a rare regressor: the mean of ratios is that of a few.
                "reported": part["reported"].median(),
                "reported_mean": part["reported"].mean(),
                **part[["covered", "J_rejects"]].astype(float).mean(),
            }
        )
    return pd.DataFrame(rows)


def several(seeds: range, labeled: int, jobs: int) -> pd.DataFrame:
    """Draws whose labels are not separated."""
    data = read_requests()
    found = Parallel(jobs)(delayed(_or_none)(data, seed, labeled) for seed in seeds)
    return pd.DataFrame([row for rows in found for row in rows])


def _or_none(data: pd.DataFrame, seed: int, labeled: int) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return draw(data, seed, labeled)
        except SeparationError:
            return []


#: Designs in the words of the table of the documentation, where they are others.
SHOWN = {"both": "both, as two sources"}


def cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of gains: both coefficients, then coverage of both."""
    if not SHARED.exists():
        return
    table = several(range(first, first + draws), LABELED, jobs)
    for design, part in table.groupby("design", sort=False):
        own = [part[part["coefficient"] == name] for name in NAMES[1:]]
        gains = [
            Measured(*gain(k["error"].to_numpy(), k["error_labels"].to_numpy()))
            for k in own
        ]
        row = [*gains, *(share_of(k["covered"]) for k in own)]
        yield (SHOWN.get(str(design), str(design)),), row


def over_label_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Numbers of the documentation: gains over the proxy of 0 or 1 alone."""
    if not SHARED.exists():
        return
    table = several(range(first, first + draws), LABELED, jobs)
    wide = table.pivot_table("error", "seed", ["design", "coefficient"])
    for design in wide.columns.unique("design"):
        for name in NAMES[1:]:
            own, label = wide[design, name], wide["proxy of 0 or 1", name]
            if design not in ("proxy of 0 or 1", "counterpart alone"):
                found = gain(own.to_numpy(), label.to_numpy())
                yield (f"{design}, {name}",), [Measured(*found)]


def reported_cells(
    draws: int, first: int = 0, jobs: int = 1
) -> Iterator[tuple[tuple[str, ...], list[Measured]]]:
    """Rows of the table of what fits promise: gain, median and mean of the promised."""
    if not SHARED.exists():
        return
    for labeled in (LABELED, 800):
        table = several(range(first, first + draws), labeled, jobs)
        proxy = table[table["design"] == "proxy of 0 or 1"]
        for name in NAMES[1:]:
            own = proxy[proxy["coefficient"] == name]
            real = Measured(
                *gain(own["error"].to_numpy(), own["error_labels"].to_numpy())
            )
            told = own["reported"]
            yield (str(labeled), name), [real, median_of(told), mean_of(told)]


def plot(table: pd.DataFrame, path: Path) -> None:
    """Gains with two Monte Carlo errors to each side."""
    import matplotlib as mpl  # noqa: PLC0415 - a figure is asked for

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    names = list(dict.fromkeys(table["design"]))
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, sharex=True)
    for ax, coefficient in zip(axes, NAMES[1:], strict=True):
        part = table[table["coefficient"] == coefficient].set_index("design").loc[names]
        ax.errorbar(
            part["gain"], range(len(names)), xerr=2 * part["mc_error"], fmt="o", ms=4
        )
        ax.axvline(1.0, color="0.6", lw=1, ls="--")
        ax.set_title(coefficient, fontsize=10)
        ax.set_xlabel("efficiency gain (labels alone = 1)")
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Draw what is not done, print the table, save the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--labels", type=int, default=LABELED)
    parser.add_argument("--out", type=Path, default=Path("generation-study-output"))
    options = parser.parse_args()
    if not (SHARED / "politeness.csv").exists():
        raise SystemExit(f"{SHARED / 'politeness.csv'} is not there.")
    options.out.mkdir(parents=True, exist_ok=True)
    path, data = options.out / "draws.csv", read_requests()
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    done, refused = {row["seed"] for row in rows}, []
    for seed in range(options.draws):
        if seed not in done:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    rows += draw(data, seed, options.labels)
                except SeparationError:  # no estimate from the labels either
                    refused.append(seed)
            pd.DataFrame(rows).to_csv(path, index=False)
    if refused:
        print(f"labels are separated, and the fit is refused, in draws {refused}")
    table = table_of(pd.DataFrame(rows))
    print(table.round(3).to_string(index=False))
    plot(table, options.out / "generation-study.png")


if __name__ == "__main__":
    # Not its own main(): the workers must find the functions by name.
    import benchmarks.generation_study  # noqa: PLW0406

    benchmarks.generation_study.main()

"""C10: a cross-fitted recalibration of the outcome as one more source."""

import sys, warnings

warnings.simplefilter("ignore")
import numpy as np, pandas as pd, glm, cells, sim
from augment import new, estimate
from dataclasses import replace


def crossfit(y, F, labelled, family, rng, folds=5, ridge=1.0, w=None):
    """Prediction for every unit: own fold for labelled units, the mean of all folds for the others."""
    T = len(y)
    idx = rng.permutation(np.flatnonzero(labelled))
    out = np.zeros(T)
    own = np.zeros(T)
    F = (F - F.mean(0)) / F.std(0)
    X = np.column_stack([np.ones(T), F])
    pr = ridge * np.eye(X.shape[1])
    pr[0, 0] = 0
    for k in range(folds):
        hold = idx[k::folds]
        tr = np.setdiff1d(idx, hold)
        b = glm.fit(
            family,
            X[tr],
            y[tr],
            np.ones(len(tr)),
            toward=np.zeros(X.shape[1]),
            precision=pr,
        )
        mu, _ = glm.mean_var(family, X @ b)
        out += mu / folds
        own[hold] = mu[hold]
    out[idx] = own[idx]
    return out


def polite(rng, n):
    f = (
        pd.read_csv(cells.SH + "politeness.csv")
        if not hasattr(polite, "f")
        else polite.f
    )
    polite.f = f
    i = rng.integers(0, len(f), len(f))
    g = f.iloc[i]
    fam, x, y, so = cells.real_data("politeness")
    P = cells.Problem(
        fam,
        x[i],
        y[i],
        cells.srs(rng, len(i), n),
        [(so[0][0][i], x[i])],
        cells.real_truth("politeness"),
    )
    s = g.yhat_gpt4o.to_numpy(float)
    c = g.conf_gpt4o.fillna(0.8).to_numpy(float)
    A = np.column_stack(
        [
            s,
            c,
            s * c,
            np.log(g.n_words),
            g[
                [
                    q
                    for q in f.columns
                    if q
                    in (
                        "please",
                        "hedges",
                        "gratitude",
                        "apologizing",
                        "haspositive",
                        "hasnegative",
                        "second_person",
                        "direct_question",
                        "indirect_greeting",
                    )
                ]
            ].to_numpy(float),
        ]
    )
    return P, np.hstack([A, x[i][:, 1:3]])


def alpha(rng, n):
    f = pd.read_csv(cells.SH + "alphafold.csv")
    i = rng.integers(0, len(f), len(f))
    fam, x, y, so = cells.real_data("alphafold")
    P = cells.Problem(
        fam,
        x[i],
        y[i],
        cells.srs(rng, len(i), n),
        [(so[0][0][i], x[i])],
        cells.real_truth("alphafold"),
    )
    s = np.clip(so[0][0][i], 0.001, 0.999)
    l = np.log(s / (1 - s))
    return P, np.column_stack(
        [
            s,
            l,
            l**2,
            f[["phosphorylated", "ubiquitinated", "acetylated"]].to_numpy(float)[i],
        ]
    )


def synth(rng, n, T=5000):
    """Label depends on two covariates beside the formula, source is over-confident."""
    x = rng.normal(size=T)
    a = rng.normal(size=(T, 2))
    X = cells.const(T, x)
    y = 0.3 + x + 0.7 * a[:, 0] - 0.5 * a[:, 1] + 0.8 * rng.normal(size=T)
    s = y + 0.8 * rng.normal(size=T) - 0.5 * a[:, 0]
    P = cells.Problem(
        "gaussian", X, y, cells.srs(rng, T, n), [(s, X)], np.array([0.3, 1.0])
    )
    return P, np.column_stack([s, a, x])


gens = {"polite": polite, "alpha": alpha, "synth": synth}
for nm in sys.argv[2:]:
    g, n = nm.split(":")
    n = int(n)
    E = {k: [] for k in ("labels", "new", "aux added", "aux only")}
    C = {k: [] for k in E}
    for s in range(int(sys.argv[1])):
        rng = np.random.default_rng(s)
        P, F = gens[g](rng, n)
        try:
            m = crossfit(P.y, F, P.labelled, P.family, rng)
            Q = replace(P, sources=P.sources + [(m, P.x)])
            R = replace(P, sources=[(m, P.x)])
            r = {"new": new(P, {}), "aux added": new(Q, {}), "aux only": new(R, {})}
        except (np.linalg.LinAlgError, ValueError):
            continue
        e = {k: (v["theta"] - P.truth) ** 2 for k, v in r.items()} | {
            "labels": (r["new"]["real"] - P.truth) ** 2
        }
        if (
            not all(np.isfinite(v).all() for v in e.values())
            or np.abs(r["new"]["real"]).max() > 8
        ):
            continue
        for k in E:
            E[k].append(e[k])
        from scipy import stats

        for k, v in r.items():
            C[k].append(
                np.abs(v["theta"] - P.truth) <= stats.t.ppf(0.975, v["df"]) * v["se"]
            )
    b = np.mean(E["labels"], 0)
    print(
        nm,
        len(E["new"]),
        {
            k: (
                round(float((np.mean(E[k], 0) / b)[1:].mean()), 3),
                np.mean(C[k], 0).round(3).tolist() if C[k] else "",
            )
            for k in E
        },
        flush=True,
    )

import sys, os, time, warnings
import numpy as np
from scipy import stats
import cells
from today import today


def ci(th, se, df):
    q = stats.t.ppf(0.975, df)
    return np.array([th, th - q * se, th + q * se])


def run(name, draws, methods, first=0):
    """methods: dict name -> fun(P) -> dict. Returns dict name -> (draws,3,p), plus labels."""
    res = {}
    truth = []
    for s in range(first, first + draws):
        P = cells.make(name, s)
        truth.append(P.truth)
        try:
            got = {}
            shared = {}
            for k, fun in methods.items():
                r = fun(P, shared)
                got[k] = ci(r["theta"], r["se"], r["df"])
                if k == "new":
                    got["labels new"] = ci(r["real"], r["rse"], r["rdf"])
                    if name.startswith("F "):
                        got["finite"] = ci(r["theta"], r["fse"], r["df"])
                        got["labels fin"] = ci(r["real"], r["frse"], r["rdf"])
                if k == next(iter(methods)):
                    got["labels"] = ci(r["real"], r["rse"], r["rdf"])
            if not all(np.all(np.isfinite(v)) for v in got.values()):
                raise ValueError("nan")
            if max(np.abs(v).max() for v in got.values()) > 1e4:
                raise ValueError("huge")
        except (np.linalg.LinAlgError, ValueError) as e:
            truth.pop()
            continue
        for k, v in got.items():
            res.setdefault(k, []).append(v)
    return {k: np.array(v) for k, v in res.items()}, np.array(truth)


def report(name, res, truth, file=None):
    base = (res["labels"][:, 0] - truth) ** 2
    p = truth.shape[1]
    line = [f"{name:24s} N={len(truth)}"]
    bw = np.median(res["labels"][:, 2] - res["labels"][:, 1], axis=0)
    for k, v in res.items():
        err = (v[:, 0] - truth) ** 2
        # trimmed? no: plain ratio, mean over coefficients, and that of the last
        ratio = err.mean(0) / base.mean(0)
        cov = ((v[:, 1] <= truth) & (truth <= v[:, 2])).mean(0)
        wid = np.median(v[:, 2] - v[:, 1], axis=0) / bw
        # MC error of the ratio of the mean over coefs
        lin = (err / base.mean(0) - ratio * base / base.mean(0)).mean(1)
        se = lin.std() / np.sqrt(len(lin))
        line.append(
            f"\n    {k:12s} mse {ratio.mean():.3f}({se:.3f}) [{' '.join(f'{r:.2f}' for r in ratio)}] width {wid.mean():.3f} cov {' '.join(f'{c:.3f}' for c in cov)}"
        )
    txt = "".join(line)
    print(txt, flush=True)
    if file:
        open(file, "a").write(txt + "\n")

"""Representativeness under partial coverage: labelled covered units against all covered units."""

import numpy as np, sys
from scipy import stats
from scipy.special import expit
import glm


def j_statistic(h, cover, labelled, pi, strata=None):
    """h (T, M, p) scores at all-units estimates, cover (T, M), pi (T,). Returns J, df, p."""
    T, M, p = h.shape
    a = 1 / pi
    L = labelled
    d = np.empty((M, p))
    e = np.zeros((T, M, p))
    for m in range(M):
        c = cover[:, m]
        hb = h[c, m].mean(0)
        Tm = c.sum()
        e[c, m] = (h[c, m] - hb) / Tm
        d[m] = (a[L & c, None] * h[L & c, m]).sum(0) / a[L & c].sum() - hb
        # Hajek ratio: the expected number of labelled covered units is replaced by the actual one
        e[:, m] *= np.sqrt(Tm / ((a * (L & c)).sum()))
    w = (1 - pi) / pi
    if strata is not None:
        for k in np.unique(strata):
            e[strata == k] -= e[strata == k].mean(0)
    E = e.reshape(T, -1)
    V = E.T @ (E * w[:, None])
    J = d.ravel() @ np.linalg.solve(V, d.ravel())
    return J, M * p, stats.chi2.sf(J, M * p)


def one(rng, n=300, T=3000, share=0.3, selected=0.0, two=False, family="gaussian"):
    x = rng.normal(size=T)
    X = np.column_stack([np.ones(T), x])
    y = (
        0.3 + x + rng.normal(size=T)
        if family == "gaussian"
        else (rng.random(T) < expit(0.3 + x)).astype(float)
    )
    srcs = []
    for m in range(1 + two):
        s = (
            y + 0.5 * rng.normal(size=T)
            if family == "gaussian"
            else np.where(rng.random(T) < 0.12, 1 - y, y)
        )
        srcs.append((s, rng.random(T) < share))
    pr = np.exp(selected * (y - y.mean()))
    pr = pr / pr.sum()
    L = np.zeros(T, bool)
    L[rng.choice(T, n, replace=False, p=pr)] = True
    h = np.zeros((T, len(srcs), 2))
    C = np.zeros((T, len(srcs)), bool)
    for m, (s, c) in enumerate(srcs):
        g = glm.fit(family, X[c], s[c], np.ones(c.sum()))
        mu, _ = glm.mean_var(family, X @ g)
        h[:, m] = X * (c * (s - mu))[:, None]
        C[:, m] = c
    J = j_statistic(h, C, L, np.full(T, n / T))
    # today's: zeros for uncovered, units neither labelled nor covered dropped
    keep = L | C.any(1)
    z = h[keep].reshape(keep.sum(), -1)
    Lk = L[keep]
    t = keep.sum()
    d = z[Lk].mean(0) - z.mean(0)
    S = np.cov(z.T)
    J0 = d @ np.linalg.solve((1 / n - 1 / t) * S, d)
    return J[2], stats.chi2.sf(J0, J[1])


if __name__ == "__main__":
    N = int(sys.argv[1])
    for kw in (
        dict(),
        dict(selected=0.25),
        dict(n=100),
        dict(n=100, selected=0.4),
        dict(n=1500),
        dict(two=True),
        dict(two=True, selected=0.25),
        dict(share=1.0),
        dict(share=1.0, selected=0.25),
        dict(family="binomial"),
        dict(family="binomial", selected=0.5),
        dict(family="binomial", n=100, share=0.5),
    ):
        rng = np.random.default_rng(1)
        P = np.array([one(rng, **kw) for _ in range(N)])
        print(
            kw,
            "new: .05",
            (P[:, 0] < 0.05).mean().round(3),
            ".01",
            (P[:, 0] < 0.01).mean().round(3),
            "| today .05",
            (P[:, 1] < 0.05).mean().round(3),
            flush=True,
        )

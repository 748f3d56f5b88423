"""Replica of today's default (score space, h at the all-units estimate)."""

import numpy as np
from core import *


def design(P):
    n = int(P.labelled.sum())
    T = len(P.y)
    f = n / T
    if P.prob is None:
        a = np.ones(n)
        pi = np.full(n, f)
    else:
        a = 1 / P.prob[P.labelled]
        a = a / a.mean()
        pi = np.minimum(f / a, 1)
    return n, T, f, a, pi


def loo_rows(x, d, v):
    """rows (D - d x x')^-1 v, D = sum d x x'."""
    H = x.T @ (x * d[:, None])
    Hi = np.linalg.inv(H)
    t = x @ Hi
    lev = d * (t * x).sum(1)
    along = (v * t).sum(1)
    return v @ Hi + (d * along / np.maximum(1 - lev, 1e-10))[:, None] * t


def unrelated(P, lab, gamma, h, a, w, m, fam, src):
    x, o, c = src
    k = c.sum()
    mu, v = glm.mean_var(fam, x @ gamma)
    oc = o[c]
    xc = x[c]
    aw = (a * w)[c]
    s0 = xc * (aw * (oc.mean() - mu[c]))[:, None]
    s1 = xc * aw[:, None]
    mom = s0.T @ s0 + oc.var() * s1.T @ s1
    return bounded(mom, 30 * h.T @ h) / k


def today(P):
    fam, lab, p = P.family, P.labelled, P.x.shape[1]
    n, T, f, a, pi = design(P)
    w = np.ones(T) if P.weights is None else P.weights / P.weights[lab].mean()
    x, y, wl = P.x[lab], P.y[lab], w[lab]
    thL = glm.fit(fam, x, y, a * wl)
    mu, v = glm.mean_var(fam, x @ thL)
    psi = x * (a * wl * (y - mu))[:, None]
    d = a * wl * v
    H = x.T @ (x * d[:, None])
    M = len(P.sources)
    h = np.zeros((n, M, p))
    align = []
    G = []
    U = []
    E = np.zeros((T, M, p))
    for m, s in enumerate(P.sources):
        c = np.ones(T, bool) if len(s) == 2 else s[2]
        g = glm.fit(fam, s[1][c], s[0][c], w[c], start=None)
        ms, vs = glm.mean_var(fam, s[1] @ g)
        E[:, m] = s[1] * (c * w * (s[0] - ms))[:, None]
        h[:, m] = E[lab, m] * a[:, None]
        J = s[1].T @ (s[1] * (c * w * vs)[:, None]) / T
        align.append((H / T) @ np.linalg.inv(J))
        G.append(g)
        U.append(
            unrelated(P, lab, g, h[:, m], a, wl, m, fam, (s[1][lab], s[0][lab], c[lab]))
        )
    cl = P.clusters
    if cl is not None:
        uq, inv = np.unique(cl, return_inverse=True)
        ng = len(uq)

        def agg(v, ix):
            o = np.zeros((ng,) + v.shape[1:])
            np.add.at(o, ix, v)
            return o

        has = np.zeros(ng, bool)
        has[inv[lab]] = True
        rpsi, rh = agg(psi, inv[lab])[has], agg(h, inv[lab])[has]
    else:
        rpsi, rh = psi, h
    R = len(rpsi)
    pseudo = PSEUDO / np.maximum(np.any(rh != 0, axis=2).sum(0), 1)
    Hi = np.linalg.inv(H)
    # orthonormal basis
    Lc = np.linalg.cholesky(np.linalg.inv(x.T @ x / n))
    Yb, Zb = rpsi @ Lc, rh @ Lc
    metric = psd_root(Yb.T @ Yb)
    Af, lof, kf = full_ridge(Yb, Zb, pseudo)
    al = [Lc.T @ q @ np.linalg.inv(Lc).T for q in align]
    Za = np.stack([Zb[:, m] @ al[m].T for m in range(M)], 1)
    As, los, ks, cs = scalar_fit(Yb, Za, pseudo, metric)
    As = np.hstack([cs[m] * al[m] for m in range(M)])
    wts = simplex(
        (Yb @ metric).ravel(), [(lof @ metric).ravel(), (los @ metric).ravel()]
    )
    back = np.linalg.inv(Lc)
    Bb = wts[0] * Af + wts[1] * As
    B = back.T @ (Bb.reshape(p, M, p) @ Lc.T).reshape(p, M * p)
    lo = (wts[0] * lof + wts[1] * los) @ back
    k = wts[0] * kf + wts[1] * ks
    # solve
    rhs = B @ h.reshape(n, -1).sum(0)
    th = thL.copy()
    for _ in range(30):
        m_, v_ = glm.mean_var(fam, x @ th)
        g_ = x.T @ (a * wl * (y - m_)) - rhs
        st = np.linalg.solve(x.T @ (x * (a * wl * v_)[:, None]), g_)
        th = th + st
        if np.abs(st).max() < 1e-10:
            break
    m_, v_ = glm.mean_var(fam, x @ th)
    d2 = a * wl * v_
    psi2 = x * (a * wl * (y - m_))[:, None]
    H2i = np.linalg.inv(x.T @ (x * d2[:, None]))
    own = (psi2 - h.reshape(n, -1) @ B.T) @ H2i
    ev = E.reshape(T, -1) @ B.T @ H2i * f
    if cl is None:
        tot = own + ev[lab]
        ev2 = ev.T @ ev - ev[lab].T @ ev[lab]
        cov = ev2 + tot.T @ tot
        left = loo_rows(x, d2, psi - lo)
        una = loo_rows(x, d2, psi)
    else:
        allc = agg(ev, inv)
        oc = agg(own, inv[lab])
        totall = allc + oc
        cov = totall.T @ totall
        tot = totall[has]
        own = oc[has]
        Hm = x.T @ (x * d2[:, None])
        left = np.empty_like(rpsi)
        una = np.empty_like(rpsi)
        ids = np.flatnonzero(has)
        for i, cid in enumerate(ids):
            r = inv[lab] == cid
            ri = np.linalg.pinv(Hm - x[r].T @ (x[r] * d2[r, None]), hermitian=True)
            left[i] = (rpsi[i] - lo[i]) @ ri
            una[i] = rpsi[i] @ ri
    unr = np.zeros((p, p))
    for m in range(M):
        q = H2i @ B[:, m * p : (m + 1) * p]
        unr += q @ U[m] @ q.T
    unr *= n / R
    cor = tot - own + left
    wt = 1 / (R + 1)
    V = cov + cor.T @ cor - tot.T @ tot + wt * (una.T @ una + R * unr - left.T @ left)
    df = n - p - k if cl is None else R - 1 - k
    if cl is None:
        una = loo_rows(x, d, psi)
    Vr = una.T @ una
    dfr = n - p if cl is None else R - 1
    if P.strata is not None:
        st = P.strata[lab]
        for q in np.unique(st):
            r = st == q
            nh = r.sum()
            if nh == 1:
                continue
            for nm, rows in (("V", left[r]), ("R", una[r])):
                ce = rows - rows.mean(0)
                dif = (1 - pi[r][0]) * (ce.T @ ce * nh / (nh - 1) - rows.T @ rows)
                if nm == "V":
                    V = V + dif
                else:
                    Vr = Vr + dif
        df = min(df, n - len(np.unique(st)))
        dfr = min(dfr, n - len(np.unique(st)))
    return dict(
        theta=th,
        se=np.sqrt(np.diag(V)),
        df=np.full(p, max(df, 1.0)),
        real=thL,
        rse=np.sqrt(np.diag(Vr)),
        rdf=np.full(p, max(float(dfr), 1.0)),
        w=wts,
    )


if __name__ == "__main__":
    import cells, baseline, warnings

    warnings.simplefilter("ignore")
    from scipy import stats

    for nm in (
        "A1 y~x strata",
        "A1 60 clusters",
        "A1 prob .9/.06",
        "B6 inf weights",
        "B7 n60",
        "C9 logit2 n60",
        "cover .3",
        "P5 bin weak n100",
        "R twin n60",
        "A1 40 of 200 clusters",
    ):
        P = cells.make(nm, 1)
        r = today(P)
        b = baseline.package(P)
        q = stats.t.ppf(0.975, r["df"])
        qr = stats.t.ppf(0.975, r["rdf"])
        print(
            nm,
            np.abs(r["theta"] - b[0]).max().round(5),
            np.abs(2 * q * r["se"] / (b[2] - b[1]) - 1).max().round(5),
            np.abs(2 * qr * r["rse"] / (b[8] - b[7]) - 1).max().round(5),
        )

"""Prototype of the new default: control variates at labelled estimates, any design.

theta = theta_L + sum_m A_m (gamma_m - gamma_mL);   A from rows y_r (labels), z_r (sources).
"""

import numpy as np
from core import *
from today import design, loo_rows, unrelated


def extra_columns(x, w):
    """Columns that let a source be curved in its regressors: affine invariant, of bounded slope."""
    G = x.T @ (x * w[:, None]) / w.sum()
    l = np.einsum("ti,ij,tj->t", x, np.linalg.inv(G), x) / x.shape[1]  # mean one
    cols = [x / np.sqrt(1 + l)[:, None], np.sqrt(1 + l)[:, None]]
    return np.hstack(cols)


def rows_of(P, *, kappa=1.0, trim=None, flat=False):
    """Influence rows of theta_L (y) and of gamma_mL - gamma_m (z), direct and left-out."""
    fam, lab, p = P.family, P.labelled, P.x.shape[1]
    n, T, f, a, pi = design(P)
    w = np.ones(T) if P.weights is None else P.weights / P.weights[lab].mean()
    x, y, wl = P.x[lab], P.y[lab], w[lab]
    thL = glm.fit(fam, x, y, a * wl)
    mu, v = glm.mean_var(fam, x @ thL)
    d = a * wl * v
    H = x.T @ (x * d[:, None])
    Hi = np.linalg.inv(H)
    psi = x * (a * wl * (y - mu))[:, None]
    lev = d * np.einsum("ti,ij,tj->t", x, Hi, x)
    ydir = psi @ Hi
    q = dict(
        n=n,
        T=T,
        f=f,
        a=a,
        pi=pi,
        thL=thL,
        H=H,
        Hi=Hi,
        x=x,
        d=d,
        psi=psi,
        lev=lev,
        y=ydir,
        g=x @ Hi * np.sqrt(d)[:, None] * np.sqrt(a * wl)[:, None],
    )
    M = len(P.sources)
    zd = np.zeros((n, M, p))
    zl = np.zeros((n, M, p))
    zlev = np.zeros((n, M))
    delta = np.zeros((M, p))
    U = np.zeros((M, p, p))
    nm = np.zeros(M)
    E = np.zeros((T, M, p)) if P.clusters is not None else None
    outer = np.zeros((M, p, p))
    H_m = []
    hh = []
    for m, s in enumerate(P.sources):
        c = np.ones(T, bool) if len(s) == 2 else s[2]
        ys, xs = s[0], s[1]
        wt = w * c
        J0 = xs[c].T @ (xs[c] * w[c][:, None])
        if (
            trim is not None
        ):  # bounded regressors' weight: leverage among n labels at most `trim`
            levT = (
                np.einsum("ti,ij,tj->t", xs, np.linalg.inv(J0) * c.sum(), xs)
                / c[lab].sum()
            )
            wt = wt * np.minimum(1, trim / levT)
        off = None
        if flat:
            ex = extra_columns(xs, w * c)
            both = np.hstack([xs, ex])
            G = both[c].T @ (both[c] * wt[c][:, None])
            prec0 = 1e-6 * np.diag(np.diag(G))
            prec0[:p, :p] = 0
            fullc = glm.fit(
                fam,
                both[c],
                ys[c],
                wt[c],
                toward=np.zeros(both.shape[1]),
                precision=prec0,
            )
            off = ex @ fullc[p:]
        o_ = lambda k: None if off is None else off[k]
        gam = glm.fit(fam, xs[c], ys[c], wt[c], offset=o_(c))
        ms, vs = glm.mean_var(fam, xs @ gam + (0 if off is None else off))
        J = xs.T @ (xs * (wt * vs)[:, None])
        prec = kappa * J / c.sum()
        aw = a * wt[lab]
        cl = c[lab]
        gL = glm.fit(
            fam,
            xs[lab][cl],
            ys[lab][cl],
            aw[cl],
            start=gam,
            toward=gam,
            precision=prec,
            offset=None if off is None else off[lab][cl],
        )
        mL, vL = glm.mean_var(fam, xs[lab] @ gL + (0 if off is None else off[lab]))
        dm = aw * vL
        Hm = xs[lab].T @ (xs[lab] * dm[:, None]) + prec
        Hmi = np.linalg.inv(Hm)
        h = xs[lab] * (aw * (ys[lab] - mL))[:, None]
        zd[:, m] = h @ Hmi
        lm = dm * np.einsum("ti,ij,tj->t", xs[lab], Hmi, xs[lab])
        zlev[:, m] = lm
        delta[m] = gam - gL
        nm[m] = cl.sum()
        U[m] = (
            Hmi
            @ unrelated(P, lab, gL, h, a, wt[lab], m, fam, (xs[lab], ys[lab], cl))
            @ Hmi
        )
        ev = xs * (wt * (ys - ms))[:, None]
        Ji = np.linalg.inv(J)
        e = ev @ Ji
        if E is not None:
            E[:, m] = e
        outer[m] = e.T @ e
        H_m.append(Hm)
        hh.append(h)
    q.update(
        Hm=H_m,
        M=M,
        p=p,
        zd=zd,
        zlev=zlev,
        delta=delta,
        U=U,
        nm=nm,
        E=E,
        outer=outer,
        w=wl,
    )
    return q


def bm_df(q, root_q, kind="hc3"):
    """Bell-McCaffrey degrees of freedom of the labelled estimate, unit rows.

    Working model: independent errors with variance 1 / d (so that a design weight is no variance).
    """
    x, Hi, d, lev = q["x"], q["Hi"], q["d"], q["lev"]
    a = q["a"] * q["w"]
    v = d / a  # variance function
    # residual r = (I - P) e, P = X Hi X' diag(a) with e scaled to sd sqrt(v): u = e / sqrt v
    xs = x * np.sqrt(v)[:, None]  # rows
    # r/sqrt(v): R = I - xs Hi (xs a)' ; coefficient weights c_tj = (xs Hi)_tj a_t * infl
    infl = (
        1 / np.maximum(1 - lev, 1e-10)
        if kind == "hc3"
        else 1 / np.sqrt(np.maximum(1 - lev, 1e-10))
    )
    tx = xs @ Hi
    C = tx * (a * infl * root_q)[:, None]  # (n, p)
    XA = xs * a[:, None]
    S2 = Hi @ (XA.T @ XA) @ Hi
    # Cov of residuals K = R R' = I - tx XA' - XA tx' + xs S2 xs'
    out = np.empty(C.shape[1])
    scale = np.empty(C.shape[1])
    for j in range(C.shape[1]):
        c = C[:, j]
        c2 = c * c
        kd = 1 - 2 * (tx * XA).sum(1) + np.einsum("ti,ij,tj->t", xs, S2, xs)
        tr = (c2 * kd).sum()
        # tr(M^2) = sum c2_s c2_t K_st^2
        K = (
            np.eye(len(c)) - tx @ XA.T - XA @ tx.T + xs @ S2 @ xs.T
            if len(c) <= 400
            else None
        )
        if K is not None:
            tr2 = c2 @ (K * K) @ c2
        else:
            tr2 = (c2 * c2 * kd * kd).sum()
        out[j] = tr * tr / tr2
        true = ((tx[:, j] * a * root_q) ** 2).sum()
        scale[j] = tr / true
    return out, scale


def augment(
    P,
    *,
    kappa=1.0,
    trim=None,
    flat=False,
    train="loo",
    cands=("full", "scalar"),
    df="np",
    q=None,
    hc=3,
    gate=None,
    unrelated_units=1.0,
):
    q = q or rows_of(P, kappa=kappa, trim=trim, flat=flat)
    n, T, f, a, pi, p, M = (q[k] for k in ("n", "T", "f", "a", "pi", "p", "M"))
    lab = P.labelled
    inf_y = 1 / np.maximum(1 - q["lev"], 1e-10)
    inf_z = 1 / np.maximum(1 - q["zlev"], 1e-10)
    Yd, Zd = q["y"], q["zd"]
    Yl, Zl = Yd * inf_y[:, None], Zd * inf_z[:, :, None]
    extra = np.zeros((p, p))
    extra_r = extra
    if P.clusters is not None:
        uq, inv = np.unique(P.clusters, return_inverse=True)
        ng = len(uq)

        def agg(v, ix):
            o = np.zeros((ng,) + v.shape[1:])
            np.add.at(o, ix, v)
            return o

        il = inv[lab]
        H = q["H"]
        x, d = q["x"], q["d"]
        ya, ea = agg(q["psi"], il), agg(q["E"], inv)
        za = agg(Zd, il)
        Yl2, Zl2 = ya @ q["Hi"], za - ea
        Yd = Yl2.copy()
        Zd = Zl2.copy()
        ids = np.unique(il)
        for cid in ids:
            r = il == cid
            Yl2[cid] = ya[cid] @ np.linalg.pinv(
                H - x[r].T @ (x[r] * d[r, None]), hermitian=True
            )
            for m in range(
                M
            ):  # first order in the cluster's share of the source's information
                k = q["Hm"][m] if "Hm" in q else None
        # sources: same inflation as that of the labels, cluster by cluster, by the matrix (I - H_c H^-1)^-1
        for cid in ids:
            r = il == cid
            infl = H @ np.linalg.pinv(H - x[r].T @ (x[r] * d[r, None]), hermitian=True)
            Zl2[cid] = za[cid] @ infl - ea[cid]
        Yl, Zl = Yl2, Zl2
        keep = np.ones(len(ids))
        root = np.ones(len(Yl))
        G = len(ids)
        finite_part = None
        R = len(Yl)
    else:
        root = np.sqrt(1 - pi)
        R = n
        if P.strata is not None:
            st = P.strata[lab]
            u, cnt = np.unique(st, return_counts=True)
            grp = st.copy()
            single = np.isin(st, u[cnt == 1])
            grp[single] = -1
            for k in np.unique(grp):
                r = grp == k
                nh = r.sum()
                if nh == 1:
                    continue
                fac = np.sqrt(nh / (nh - 1))
                for arr in ("Yd", "Yl", "Zd", "Zl"):
                    v = dict(Yd=Yd, Yl=Yl, Zd=Zd, Zl=Zl)[arr]
                    v = v.copy() if False else v
                    v_new = (v[r] - v[r].mean(0)) * fac
                    if arr == "Yd":
                        Yd = _put(Yd, r, v_new)
                    elif arr == "Yl":
                        Yl = _put(Yl, r, v_new)
                    elif arr == "Zd":
                        Zd = _put(Zd, r, v_new)
                    else:
                        Zl = _put(Zl, r, v_new)
    Y0 = (q["y"] * inf_y[:, None]) if P.clusters is None else None
    Yt, Zt = (Yl, Zl) if train == "loo" else (Yd, Zd)
    Yt, Zt, Ys, Zs = (
        v * (root[:, None] if v.ndim == 2 else root[:, None, None])
        for v in (Yt, Zt, Yl, Zl)
    )
    pseudo = (
        PSEUDO / np.maximum(q["nm"], 1)
        if P.clusters is None
        else PSEUDO / np.maximum(np.any(Zd != 0, axis=2).sum(0), 1)
    )
    metric = psd_root(Yt.T @ Yt)
    A1, lo1, k1 = full_ridge(Yt, Zt, pseudo)
    A2, lo2, k2, cs = scalar_fit(Yt, Zt, pseudo, metric)
    wts = simplex(
        (Yt @ metric).ravel(), [(lo1 @ metric).ravel(), (lo2 @ metric).ravel()]
    )
    A = wts[0] * A1 + wts[1] * A2
    k = wts[0] * k1 + wts[1] * k2
    # left-out fit at the left-out rows: B_{-t} applied to Zs (train rows may be the direct ones)
    lo = wts[0] * lo1 + wts[1] * lo2
    res = Yt - lo
    if train != "loo":
        res = res * (inf_y[:, None] if P.clusters is None else 1)
    theta = q["thL"] + A @ q["delta"].ravel()
    V = res.T @ res
    Vr = Ys.T @ Ys
    unr = np.zeros((p, p))
    for m in range(M):
        B = A[:, m * p : (m + 1) * p]
        unr += B @ q["U"][m] @ B.T
    rm = (root**2).mean() if P.clusters is None else 1.0
    nr = n if P.clusters is None else (G if P.clusters is not None else R)
    unr *= n / nr * rm
    wt = unrelated_units / (nr + unrelated_units)
    V = V + wt * (Vr + nr * unr - V)
    fin = V.copy()
    finr = Vr.copy()
    if P.clusters is None:
        pop = Y0.T @ (Y0 * pi[:, None])
        V = V + pop
        Vr = Vr + pop
    if P.clusters is None:
        d0, d0r = n - p - k, n - p
        if P.strata is not None:
            ns = len(np.unique(grp))
            d0, d0r = min(d0, n - ns), min(d0r, n - ns)
    else:
        d0, d0r = G - 1 - k, G - 1
    d0 = max(d0, 1.0)
    d0r = max(float(d0r), 1.0)
    dfv, dfr = np.full(p, d0), np.full(p, d0r)
    dfv, dfrv = np.full(p, d0), np.full(p, d0r)
    if dfrule == "bms" and P.clusters is None:
        b_, sc = satterthwaite(q, P, Yo, grp, with_scale=True)
        dfrv = np.minimum(b_, d0r)
        dfv = np.maximum(dfrv * d0 / d0r, 1)
        sa = sc
        if kap == "half":
            sc = sa = np.sqrt(sc)
        elif kap == "eff":
            sa = 1 + (sc - 1) * np.minimum(np.diag(V) / np.diag(Vr), 1)
        elif kap == "none":
            sa = np.ones(p)
        D = 1 / np.sqrt(np.outer(sc, sc))
        Da = 1 / np.sqrt(np.outer(sa, sa))
        V, Vr, fin, finr = V * Da, Vr * D, fin * Da, finr * D
    elif dfrule != "np":
        b_ = satterthwaite(q, P, Yo, None if P.clusters is not None else grp)
        dfrv = (
            np.minimum(b_, d0r)
            if dfrule == "bm"
            else 1 / (0.5 / np.minimum(b_, d0r) + 0.5 / d0r)
        )
        dfv = dfrv * d0 / d0r
    out = dict(
        theta=theta,
        V=V,
        Vr=Vr,
        k=k,
        real=q["thL"],
        w=wts,
        cs=cs,
        fin=fin,
        finr=finr,
        q=q,
        A=A,
    )
    out.update(
        fse=np.sqrt(np.diag(fin)),
        frse=np.sqrt(np.diag(finr)),
        se=np.sqrt(np.diag(V)),
        rse=np.sqrt(np.diag(Vr)),
        df=dfv,
        rdf=dfr,
    )
    return out


def _put(v, r, new):
    v = v.copy()
    v[r] = new
    return v


def center_rows(P, q, arrays, grp):
    """Centre rows within strata, with the factor sqrt(n_h / (n_h - 1)); grp < 0: pooled."""
    out = [v.copy() for v in arrays]
    for k in np.unique(grp):
        r = grp == k
        nh = r.sum()
        if nh == 1:
            continue
        for v in out:
            v[r] = (v[r] - v[r].mean(0)) * np.sqrt(nh / (nh - 1))
    return out


def strata_groups(st):
    u, cnt = np.unique(st, return_counts=True)
    grp = np.searchsorted(u, st)
    grp[cnt[grp] == 1] = -1  # strata with one label: pooled
    return grp


def cluster_rows(P, q, sets):
    """Rows of clusters: labelled sum minus f times sum over all units. sets: list of source blocks."""
    lab = P.labelled
    uq, inv = np.unique(P.clusters, return_inverse=True)
    ng = len(uq)
    il = inv[lab]

    def agg(v, ix):
        o = np.zeros((ng,) + v.shape[1:])
        np.add.at(o, ix, v)
        return o

    x, d, H, Hi = q["x"], q["d"], q["H"], q["Hi"]
    ya = agg(q["psi"], il)
    Yd = ya @ Hi
    Yl = Yd.copy()
    ids = np.unique(il)
    G = len(ids)
    Zd, Zl = [], []
    infl = {}
    for c in ids:
        r = il == c
        inv_ = np.linalg.pinv(H - x[r].T @ (x[r] * d[r, None]), hermitian=True)
        Yl[c] = ya[c] @ inv_
        infl[c] = H @ inv_
    for S in sets:
        za, ea = agg(S["z"], il), agg(S["E"], inv)
        zl = za.copy()
        for c in ids:
            zl[c] = za[c] @ infl[c]
        Zd.append(za - ea)
        Zl.append(zl - ea)
    return Yd, Yl, Zd, Zl, G


def source_block(P, q, m, *, kappa=1.0, trim=None, flat=False):
    """delta, rows z, leverages, unrelated moment, e of one source; flat: curvature taken out."""
    fam, lab, p = P.family, P.labelled, P.x.shape[1]
    s = P.sources[m]
    T = len(P.y)
    a = q["a"]
    w = q["wT"]
    c = np.ones(T, bool) if len(s) == 2 else s[2]
    ys, xs = s[0], s[1]
    wt = w * c
    cl = c[lab]
    if trim is not None:
        J0 = xs.T @ (xs * wt[:, None])
        levT = np.einsum("ti,ij,tj->t", xs, np.linalg.inv(J0), xs) * c.sum() / cl.sum()
        wt = wt * np.minimum(1, trim / levT)
    off = np.zeros(T)
    if flat:
        ex = extra_columns(xs, w * c)
        both = np.hstack([xs, ex])
        G = both[c].T @ (both[c] * wt[c][:, None])
        pr = np.diag(np.diag(G)) / c.sum()
        pr[:p, :p] = 0  # the information of one unit
        kap = glm.fit(
            fam, both[c], ys[c], wt[c], toward=np.zeros(both.shape[1]), precision=pr
        )[p:]
        off = (
            ex @ kap if np.all(np.isfinite(kap)) else off
        )  # a fit that runs off: flat = raw
    gam = glm.fit(fam, xs[c], ys[c], wt[c], offset=off[c])
    ms, vs = glm.mean_var(fam, xs @ gam + off)
    J = xs.T @ (xs * (wt * vs)[:, None])
    prec = kappa * J / c.sum()
    aw = a * wt[lab]
    xl, yl, ol = xs[lab], ys[lab], off[lab]
    gL = glm.fit(
        fam,
        xl[cl],
        yl[cl],
        aw[cl],
        start=gam,
        toward=gam,
        precision=prec,
        offset=ol[cl],
    )
    mL, vL = glm.mean_var(fam, xl @ gL + ol)
    dm = aw * vL
    Hmi = np.linalg.inv(xl.T @ (xl * dm[:, None]) + prec)
    h = xl * (aw * (yl - mL))[:, None]
    lev = dm * np.einsum("ti,ij,tj->t", xl, Hmi, xl)
    e = (xs * (wt * (ys - ms))[:, None]) @ np.linalg.inv(J)
    U = Hmi @ unrelated(P, lab, gL, h, a, aw / a, m, fam, (xl, yl, cl)) @ Hmi
    return dict(delta=gam - gL, z=h @ Hmi, lev=lev, U=U, E=e, nm=cl.sum(), off=off)


def labels_part(P):
    fam, lab, p = P.family, P.labelled, P.x.shape[1]
    n, T, f, a, pi = design(P)
    w = np.ones(T) if P.weights is None else P.weights / P.weights[lab].mean()
    x, y, wl = P.x[lab], P.y[lab], w[lab]
    thL = glm.fit(fam, x, y, a * wl)
    mu, v = glm.mean_var(fam, x @ thL)
    d = a * wl * v
    H = x.T @ (x * d[:, None])
    Hi = np.linalg.inv(H)
    psi = x * (a * wl * (y - mu))[:, None]
    lev = d * np.einsum("ti,ij,tj->t", x, Hi, x)
    return dict(
        n=n,
        T=T,
        f=f,
        a=a,
        pi=pi,
        thL=thL,
        H=H,
        Hi=Hi,
        x=x,
        d=d,
        psi=psi,
        lev=lev,
        y=psi @ Hi,
        w=wl,
        wT=w,
        p=p,
    )


def scalar_multi(y, z, own, pseudo, metric):
    """One multiple per block of z (R,K,p); ridge pseudo_k * own_k."""
    R, K, p = z.shape
    x, t = z @ metric, y @ metric
    gram = np.einsum("gmi,gni->gmn", x, x)
    cross = np.einsum("gmi,gi->gm", x, t)
    tot = gram.sum(0)
    ow = np.diag(tot).copy()
    tot = tot + np.diag(np.where(ow > 0, pseudo * ow, 1.0)) + own
    c = np.linalg.solve(tot, cross.sum(0))
    wo = np.linalg.solve(tot - gram, (cross.sum(0) - cross)[:, :, None])[:, :, 0]
    return c, np.einsum("gmi,gm->gi", z, wo)


def floor_excess(gram, pop, share):
    """What is missing of share * pop in the directions where gram is below it, (p, p), psd."""
    r = psd_root(pop * share)  # r' (share pop) r = I
    if r.shape[1] < len(pop):
        return np.zeros_like(gram)
    w, v = np.linalg.eigh(r.T @ gram @ r)
    ri = np.linalg.inv(r)
    return ri.T @ (v * np.maximum(1 - w, 0)) @ v.T @ ri


def pop_gram(P, q, E1, E2):
    """Expected sum over labels of z1 z2' from all units: sum (1 - pi) / pi e e' (within strata)."""
    pi = (
        np.full(len(P.y), q["f"])
        if P.prob is None
        else np.minimum(P.prob / P.prob.sum() * q["n"], 1)
    )
    wt = (1 - pi) / pi
    if P.strata is not None:
        E1, E2 = E1.copy(), E2.copy()
        for k in np.unique(P.strata):
            r = P.strata == k
            E1[r] -= E1[r].mean(0)
            E2[r] -= E2[r].mean(0)
    return E1.T @ (E2 * wt[:, None])


def estimate(
    P,
    *,
    cands=("fr", "sr", "ff", "s2"),
    trim=None,
    kappa=1.0,
    sh=None,
    train="dir",
    floor=0.0,
    dfrule="np",
    zr=None,
    perrow=False,
    force=None,
    unit_metric=False,
    kap="eff",
):
    """The prototype. cands: fr/ff full on raw/flat blocks, sr/sf scalar, s2 scalar on raw and flat."""
    sh = {} if sh is None else sh
    if "q" not in sh:
        sh["q"] = labels_part(P)
    q = sh["q"]
    M = len(P.sources)
    p, n, pi = q["p"], q["n"], q["pi"]
    need = set(
        "r" if c in ("fr", "sr") else "f" if c in ("ff", "sf") else "rf" for c in cands
    )
    kinds = sorted(set("".join(need)), reverse=True)  # r, f
    blocks = {}
    for k in kinds:
        key = (k, trim, kappa)
        if key not in sh:
            sh[key] = [
                source_block(P, q, m, kappa=kappa, trim=trim, flat=(k == "f"))
                for m in range(M)
            ]
        blocks[k] = sh[key]
    flatlist = [b for k in kinds for b in blocks[k]]
    K = len(flatlist)
    infy = 1 / np.maximum(1 - q["lev"], 1e-10)
    if P.clusters is not None:
        Yd, Yl, Zd, Zl, G = cluster_rows(P, q, flatlist)
        Zd, Zl = np.stack(Zd, 1), np.stack(Zl, 1)
        root = np.ones(len(Yd))
        nr = G
        lo_factor = None
    else:
        Yd = q["y"]
        Yl = Yd * infy[:, None]
        Zd = np.stack([b["z"] for b in flatlist], 1)
        Zl = np.stack(
            [b["z"] / np.maximum(1 - b["lev"], 1e-10)[:, None] for b in flatlist], 1
        )
        root = np.sqrt(1 - pi)
        nr = n
        grp = None
        if P.strata is not None:
            grp = strata_groups(P.strata[P.labelled])
            Yd, Yl, Zd, Zl = center_rows(P, q, (Yd, Yl, Zd, Zl), grp)
    if train == "hc2" and P.clusters is None:
        Yt = q["y"] * np.sqrt(infy)[:, None]
        Zt = np.stack(
            [
                b["z"] / np.sqrt(np.maximum(1 - b["lev"], 1e-10))[:, None]
                for b in flatlist
            ],
            1,
        )
        if grp is not None:
            Yt, Zt = center_rows(P, q, (Yt, Zt), grp)
        up = np.sqrt(infy)
    elif train == "loo" and P.clusters is None:
        Yt, Zt, up = Yl, Zl, np.ones(n)
    else:
        Yt, Zt, up = Yd, Zd, infy
    Yt, Zt = Yt * root[:, None], Zt * root[:, None, None]
    Yo, Zo = Yl * root[:, None], Zl * root[:, None, None]
    nm = np.array([b["nm"] for b in flatlist], float)
    if P.clusters is not None:
        nm = np.full(K, float(nr))
    pseudo = PSEUDO / np.maximum(nm, 1)
    metric = psd_root(Yt.T @ Yt)
    idx = {k: slice(i * M, (i + 1) * M) for i, k in enumerate(kinds)}
    exc_on = bool(floor) and P.clusters is None
    aw_ = q["a"] * q["w"]
    pw = 2 if floor == "s2" else 1
    neff = [
        float(((aw_[c_] ** pw).sum() ** 2) / (aw_[c_] ** (2 * pw)).sum())
        for c_ in [
            np.ones(n, bool) if len(s_) == 2 else s_[2][P.labelled] for s_ in P.sources
        ]
    ] * (K // M)
    share = np.array(
        [
            floor
            if not isinstance(floor, str)
            else max(1 - np.sqrt(2 * p / max(nm_, 1)), 0.3)
            for nm_ in neff
        ]
    )
    if exc_on:
        exc = [
            floor_excess(
                Zt[:, k].T @ Zt[:, k], pop_gram(P, q, b["E"], b["E"]), share[k]
            )
            for k, b in enumerate(flatlist)
        ]
    else:
        exc = [np.zeros((p, p))] * K
    As, los, ks = [], [], []
    for c in cands:
        if c in ("fr", "ff"):
            s = idx[c[1]]
            F = np.zeros((M * p, M * p))
            for m in range(M):
                F[m * p : (m + 1) * p, m * p : (m + 1) * p] = exc[s.start + m]
            A, lo, kk = full_ridge(Yt, Zt[:, s], pseudo[s], F)
            big = np.zeros((p, K * p))
            big[:, s.start * p : s.stop * p] = A
        else:
            s = slice(0, K) if c == "s2" else idx[c[1]]
            tr_ = lambda g: float(np.trace(metric.T @ g @ metric))
            add = np.diag([tr_(exc[k]) for k in range(s.start, s.stop)])
            if (
                c == "s2"
            ):  # multiples (c_raw, c_flat): the curvature gets c_raw, the flat score c_raw + c_flat
                add = np.zeros((K, K))
                for m in range(M):
                    r_, f_ = idx["r"].start + m, idx["f"].start + m
                    if exc_on:
                        De = blocks["r"][m]["E"] - blocks["f"][m]["E"]
                        Dz = (Zt[:, r_] - Zt[:, f_]) @ metric
                        add[r_, r_] += max(
                            0.0, share[m] * tr_(pop_gram(P, q, De, De)) - np.sum(Dz**2)
                        )
                        add[np.ix_([r_, f_], [r_, f_])] += tr_(exc[f_])
            cc, lo = scalar_multi(Yt, Zt[:, s], add, pseudo[s], metric)
            big = np.zeros((p, K * p))
            big[:, s.start * p : s.stop * p] = np.hstack([v * np.eye(p) for v in cc])
            kk = (s.stop - s.start) / p
        As.append(big)
        los.append(lo)
        ks.append(kk)
    wts = simplex((Yt @ metric).ravel(), [(l @ metric).ravel() for l in los])
    A = sum(w * a for w, a in zip(wts, As))
    lo = sum(w * a for w, a in zip(wts, los))
    k = float(np.dot(wts, ks))
    if force is not None:
        wts = (
            np.array(force)
            if not isinstance(force, float)
            else wts + force * wts[2] * np.array([1.0, 0, -1.0])
        )
        A = sum(w * a for w, a in zip(wts, As))
        lo = sum(w * a for w, a in zip(wts, los))
        k = float(np.dot(wts, ks))
    if perrow:
        W = np.array(
            [simplex(Yt[:, j], [l[:, j] for l in los]) for j in range(p)]
        )  # (p, cands)
        A = sum(W[:, [i]] * a_ for i, a_ in enumerate(As))
        lo = sum(W[:, i] * l for i, l in enumerate(los))
        k = float((W @ np.array(ks)).mean())
    delta = np.concatenate([b["delta"] for b in flatlist])
    theta = q["thL"] + A @ delta
    # left-out residuals: label part inflated by the leverage, fit with coefficients that have not seen the unit
    res_loo = Yt - lo
    if P.clusters is None:
        res_loo = res_loo * up[:, None]
    else:
        res_loo = Yo - lo
    res_dir = Yt - np.einsum("rkp,jkp->rj", Zt, A.reshape(p, K, p))
    V = res_loo.T @ res_loo
    Vr = Yo.T @ Yo
    unr = np.zeros((p, p))
    for m in range(M):
        B = sum(
            A[:, (idx[k_].start + m) * p : (idx[k_].start + m + 1) * p] for k_ in kinds
        )
        Um = blocks[kinds[0]][m]["U"]
        unr += B @ Um @ B.T
    unr *= n / nr * (root**2).mean()
    V = V + (Vr + nr * unr - V) / (nr + 1)
    fin, finr = V.copy(), Vr.copy()
    if P.clusters is None:
        Y0 = q["y"] * infy[:, None]
        pop = Y0.T @ (Y0 * pi[:, None])
        V, Vr = V + pop, Vr + pop
        d0, d0r = n - p - k, n - p
        if grp is not None:
            ns = len(np.unique(grp))
            d0, d0r = min(d0, n - ns), min(d0r, n - ns)
    else:
        d0, d0r = G - 1 - k, G - 1
    d0, d0r = max(d0, 1.0), max(float(d0r), 1.0)
    dfv, dfrv = np.full(p, d0), np.full(p, d0r)
    if dfrule == "bms" and P.clusters is None:
        b_, sc = satterthwaite(q, P, Yo, grp, with_scale=True)
        dfrv = np.minimum(b_, d0r)
        dfv = np.maximum(dfrv * d0 / d0r, 1)
        sa = sc
        if kap == "half":
            sc = sa = np.sqrt(sc)
        elif kap == "eff":
            sa = 1 + (sc - 1) * np.minimum(np.diag(V) / np.diag(Vr), 1)
        elif kap == "none":
            sa = np.ones(p)
        D = 1 / np.sqrt(np.outer(sc, sc))
        Da = 1 / np.sqrt(np.outer(sa, sa))
        V, Vr, fin, finr = V * Da, Vr * D, fin * Da, finr * D
    elif dfrule != "np":
        b_ = satterthwaite(q, P, Yo, None if P.clusters is not None else grp)
        dfrv = (
            np.minimum(b_, d0r)
            if dfrule == "bm"
            else 1 / (0.5 / np.minimum(b_, d0r) + 0.5 / d0r)
        )
        dfv = dfrv * d0 / d0r
    out = dict(
        theta=theta, V=V, Vr=Vr, k=k, real=q["thL"], w=wts, fin=fin, finr=finr, A=A, q=q
    )
    out.update(
        fse=np.sqrt(np.diag(fin)),
        frse=np.sqrt(np.diag(finr)),
        se=np.sqrt(np.diag(V)),
        rse=np.sqrt(np.diag(Vr)),
        df=np.maximum(dfv, 1),
        rdf=np.maximum(dfrv, 1),
    )
    out.update(res=res_loo, Yo=Yo, root=root)
    return out


def satterthwaite(q, P, Yo, grp, with_scale=False):
    """Bell-McCaffrey degrees of freedom per coefficient of the labelled estimate (units).

    Working model: independent errors with the variance function of the family; c_tj is the derivative of theta_j
    with respect to the standardised error of unit t, inflated as in HC3. K = covariance of standardised residuals.
    tr = sum c^2 K_tt, tr2 = sum_st c_s^2 c_t^2 K_st^2, expanded so that only p x p sums are needed.
    """
    x, Hi, d, a = q["x"], q["Hi"], q["d"], q["a"] * q["w"]
    v = d / a
    xs = x * np.sqrt(v)[:, None]
    u = xs * a[:, None]
    tx = xs @ Hi  # theta = Hi u' e
    infl = 1 / np.maximum(1 - q["lev"], 1e-10)
    S2 = Hi @ (u.T @ u) @ Hi
    if P.clusters is not None:
        _, il = np.unique(P.clusters[P.labelled], return_inverse=True)
        G = il.max() + 1
        out = np.empty(x.shape[1])
        # cluster scores s_c = sum u_t r_t; independent errors plus a cluster effect are not separated: use sizes
        for j in range(x.shape[1]):
            c2 = np.bincount(il, (tx[:, j] * a) ** 2, G)
            s1 = np.bincount(il, tx[:, j] * a, G) ** 2
            lam = 0.5 * c2 / c2.sum() + 0.5 * s1 / max(s1.sum(), 1e-300)
            out[j] = max(1 / (lam**2).sum() - 1, 1)
        return out
    # K = I - tx u' - u tx' + xs S2 xs' = I - W Q W'  with W = [tx, u, xs-part]
    W = np.hstack([tx, u])
    p = x.shape[1]
    Q = np.block([[-(q["H"] @ S2 @ q["H"]), np.eye(p)], [np.eye(p), np.zeros((p, p))]])
    # xs S2 xs' = tx H S2 H tx'
    kd = 1 - np.einsum("ti,ij,tj->t", W, Q, W)
    out = np.empty(p)
    scale = np.empty(p)
    for j in range(p):
        c2 = (tx[:, j] * a * infl) ** 2
        # sum_st c2_s c2_t K_st^2 = sum c2_s^2 (1 - 2 w Q w) + tr(Q A Q A), A = W' diag(c2) W
        A = W.T @ (W * c2[:, None])
        QA = Q @ A
        wq = np.einsum("ti,ij,tj->t", W, Q, W)
        tr = (c2 * kd).sum()
        tr2 = (c2 * c2 * (1 - 2 * wq)).sum() + np.trace(QA @ QA)
        out[j] = max(tr * tr / tr2, 1.0)
        scale[j] = tr / ((tx[:, j] * a) ** 2).sum()
        if (
            grp is not None
        ):  # means of strata are estimated: n_h / (n_h - 1) in the variance of a variance
            size = np.bincount(grp - grp.min())[grp - grp.min()]
            f2 = np.where(size > 1, size / np.maximum(size - 1, 1), 1.0)
            out[j] = max(out[j] * (c2**2).sum() / (c2**2 * f2).sum(), 1.0)
    return (out, scale) if with_scale else out


def new(P, sh=None):
    return estimate(
        P, sh=sh, cands=("fr", "ff", "s2"), train="hc2", floor="s2", dfrule="bms"
    )


def ptd(P, sh, every=False):
    """Predict-Then-Debias: first source, or all of them, unshrunk; normal quantiles."""
    q = sh.setdefault("q", labels_part(P))
    M = len(P.sources) if every else 1
    p = q["p"]
    B = [source_block(P, q, m, kappa=1e-3) for m in range(M)]
    root = np.sqrt(1 - q["pi"])
    Y, Z = q["y"] * root[:, None], np.hstack([b["z"] for b in B]) * root[:, None]
    A = np.linalg.lstsq(Z, Y, rcond=1e-10)[0].T
    th = q["thL"] + A @ np.concatenate([b["delta"] for b in B])
    r = Y - Z @ A.T
    V = r.T @ r + q["y"].T @ (q["y"] * q["pi"][:, None])
    return dict(theta=th, se=np.sqrt(np.diag(V)), df=np.full(p, 1e6))

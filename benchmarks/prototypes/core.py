"""Shared parts: rows of influence values, stacking, unrelated unit."""

import numpy as np
import glm

PSEUDO = 2.0


def psd_root(g, tol=1e-10):
    s = np.sqrt(np.maximum(np.diag(g), 1e-300))
    w, v = np.linalg.eigh(g / np.outer(s, s))
    keep = w > tol * max(w.max(), 1e-300)
    return (v[:, keep] / np.sqrt(w[keep])) / s[:, None]  # r r' = pinv


def bounded(matrix, bound):
    s = np.sqrt(np.diag(bound))
    if not np.all(s > 0):
        return matrix
    w, v = np.linalg.eigh(bound / np.outer(s, s))
    if w[0] <= 1e-12 * w[-1]:
        return matrix
    root = s[:, None] * (v * np.sqrt(w))
    inv = (v / np.sqrt(w)).T / s
    w, v = np.linalg.eigh(inv @ matrix @ inv.T)
    if w[-1] <= 1:
        return matrix
    t = root @ v
    return (t * np.minimum(w, 1)) @ t.T


def simplex(target, preds):
    """Weights >= 0, sum <= 1, least squares (active-set by enumeration, k <= 4)."""
    import itertools

    k = len(preds)
    q = np.array(preds)
    g = q @ q.T
    c = q @ target
    best, bw = 0.0, np.zeros(k)
    for r in range(1, k + 1):
        for sub in itertools.combinations(range(k), r):
            s = list(sub)
            gs = g[np.ix_(s, s)]
            cs = c[s]
            for tight in (False, True):
                try:
                    if tight:
                        m = np.block(
                            [[gs, np.ones((r, 1))], [np.ones((1, r)), np.zeros((1, 1))]]
                        )
                        w = np.linalg.solve(m, np.r_[cs, 1.0])[:r]
                    else:
                        w = np.linalg.solve(gs, cs)
                except np.linalg.LinAlgError:
                    continue
                if w.min() < 0 or w.sum() > 1 + 1e-9:
                    continue
                val = w @ gs @ w - 2 * w @ cs
                if val < best - 1e-14:
                    best, bw = val, np.zeros(k)
                    bw[s] = w
    return bw


def full_ridge(y, z, pseudo, floor=None):
    """y (R,p), z (R,M,p) -> A (p,Mp), left-out fit, leverage sum. floor: (Mp,Mp) added."""
    R, M, p = z.shape
    flat = z.reshape(R, M * p)
    g0 = flat.T @ flat
    g = g0.copy()
    for m in range(M):
        s = slice(m * p, (m + 1) * p)
        g[s, s] *= 1 + pseudo[m]
    if floor is not None:
        g = g + floor
    root = psd_root(g)
    sc = flat @ root
    co = root @ (sc.T @ y)
    lev = (sc**2).sum(1)
    fit = flat @ co
    lo = y - (y - fit) / np.maximum(1 - lev, 1e-10)[:, None]
    return co.T, lo, lev.sum()


def scalar_fit(y, z, pseudo, metric):
    R, M, p = z.shape
    x, t = z @ metric, y @ metric
    gram = np.einsum("gmi,gni->gmn", x, x)
    cross = np.einsum("gmi,gi->gm", x, t)
    tot = gram.sum(0)
    own = np.diag(tot).copy()
    tot = tot + np.diag(np.where(own > 0, pseudo * own, 1.0))
    c = np.linalg.solve(tot, cross.sum(0))
    wo = np.linalg.solve(tot - gram, (cross.sum(0) - cross)[:, :, None])[:, :, 0]
    A = np.hstack([c[m] * np.eye(p) for m in range(M)])
    return A, np.einsum("gmi,gm->gi", z, wo), M / p, c

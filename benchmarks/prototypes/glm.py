"""Dense GLM pieces (Gaussian, Binomial with canonical links)."""

import numpy as np
from scipy.special import expit


def mean_var(family, eta):
    if family == "binomial":
        mu = expit(eta)
        return mu, mu * (1 - mu)
    return eta, np.ones_like(eta)


def fit(
    family, x, y, w, start=None, toward=None, precision=None, maxiter=60, offset=None
):
    """Weighted ML, optionally penalised by .5 (b - toward)' precision (b - toward)."""
    p = x.shape[1]
    off = 0.0 if offset is None else offset
    if family == "gaussian":
        xw = x * w[:, None]
        h, g = xw.T @ x, xw.T @ (y - off)
        if toward is not None:
            h, g = h + precision, g + precision @ toward
        return np.linalg.solve(h, g)
    b = np.zeros(p) if start is None else start.copy()

    def loss(b):
        e = x @ b + off
        v = np.sum(w * (np.logaddexp(0, e) - y * e))
        if toward is not None:
            v += 0.5 * (b - toward) @ precision @ (b - toward)
        return v

    old = loss(b)
    for _ in range(maxiter):
        mu, v = mean_var(family, x @ b + off)
        g = x.T @ (w * (y - mu))
        h = x.T @ (x * (w * v)[:, None])
        if toward is not None:
            g -= precision @ (b - toward)
            h = h + precision
        step = np.linalg.lstsq(h, g, rcond=1e-12)[0]
        if abs(g @ step) < 1e-16 * max(1, w.sum()):
            break
        f = 1.0
        while True:
            new = loss(b + f * step)
            if new <= old + 1e-12 * abs(old) or f < 1e-6:
                break
            f /= 2
        b = b + f * step
        if np.abs(f * step).max() < 1e-10 * (1 + np.abs(b).max()):
            old = new
            break
        old = new
        if toward is None and np.abs(x @ b + off).max() > 60:
            return np.full(p, np.nan)  # separation
    return b

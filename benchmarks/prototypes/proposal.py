"""
Functions of the proposed default, at the level of arrays: liftable into the package.

Notation of DESIGN.md: rows r are labelled units (or clusters), y (R, p) their influence on the labelled-only
estimate, z (R, K, p) that on the labelled estimate of control k (raw and flat score of every source).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

PSEUDO_UNITS = 2.0  # (ridge), as today
UNRELATED_UNITS = 1.0  # (unrelated), as today
LEAST_SHARE = 0.3  # (floor)
RANK_TOLERANCE = 1e-10


def inverse_root(gram):
    """Root r of the generalised inverse, r r' = gram^+, columns scaled first."""
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
    keep = values > RANK_TOLERANCE * max(values.max(), 1e-300)
    return vectors[:, keep] / np.sqrt(values[keep]) / scale[:, None]


def flat_columns(x, leverage):
    """
    (flat-columns): columns of bounded slope that let a source be curved in its regressors.

    leverage (rows,): x' (mean w x x')^-1 x / p over all covered units, mean one. Affine invariant.
    """
    root = np.sqrt(1.0 + leverage)
    return np.column_stack([x / root[:, None], root])


def center_in_strata(rows, groups):
    """(strata): rows less their mean in the stratum, times sqrt(n_h / (n_h - 1)). groups from merged_strata."""
    rows = rows.copy()
    for g in np.unique(groups):
        at = groups == g
        if at.sum() > 1:
            rows[at] = (rows[at] - rows[at].mean(axis=0)) * np.sqrt(
                at.sum() / (at.sum() - 1)
            )
    return rows


def merged_strata(strata):
    """(single): strata with one label are pooled into one (collapsed strata: conservative)."""
    _, codes, count = np.unique(strata, return_inverse=True, return_counts=True)
    codes = np.where(count[codes] == 1, len(count), codes)
    if (
        codes == len(count)
    ).sum() == 1:  # one such stratum: join the smallest other one
        codes[codes == len(count)] = np.argmin(
            np.where(count > 1, count, count.max() + 1)
        )
    return np.unique(codes, return_inverse=True)[1]


def floor_excess(gram, population, share):
    """(floor): what gram lacks of share * population, where it has less. psd (p, p)."""
    root = inverse_root(share * population)
    if root.shape[1] < len(population):
        return np.zeros_like(gram)
    values, vectors = np.linalg.eigh(root.T @ gram @ root)
    back = np.linalg.inv(root)
    return back.T @ (vectors * np.maximum(1.0 - values, 0.0)) @ vectors.T @ back


def full_candidate(y, z, pseudo, excess):
    """(full): ridge regression of y on all z (R, M, p). A (p, M p), left-out fit (R, p), df."""
    n_rows, m, p = z.shape
    flat = z.reshape(n_rows, -1)
    gram = flat.T @ flat
    for k in range(m):
        at = slice(k * p, (k + 1) * p)
        gram[at, at] = gram[at, at] * (1.0 + pseudo[k]) + excess[k]
    root = inverse_root(gram)
    scores = flat @ root
    coef = root @ (scores.T @ y)
    leverage = (scores**2).sum(axis=1)
    left_out = y - (y - flat @ coef) / np.maximum(1.0 - leverage, 1e-10)[:, None]
    return coef.T, left_out, float(leverage.sum())


def multiples_candidate(y, z, pseudo, metric, penalty):
    """(multiples): one number per control (K of them). penalty (K, K). multiples, left-out fit, df."""
    x, target = z @ metric, y @ metric
    gram = np.einsum("rki,rli->rkl", x, x)
    cross = np.einsum("rki,ri->rk", x, target)
    total = gram.sum(axis=0)
    own = np.diag(total)
    total = total + penalty + np.diag(np.where(own > 0.0, pseudo * own, 1.0))
    c = np.linalg.solve(total, cross.sum(axis=0))
    without = np.linalg.solve(total - gram, (cross.sum(axis=0) - cross)[:, :, None])[
        :, :, 0
    ]
    return c, np.einsum("rki,rk->ri", z, without), z.shape[1] / y.shape[1]


def stacking_weights(target, predictions):
    """(stack): weights >= 0, sum <= 1, of least squares; faces of the simplex enumerated."""
    k, q = len(predictions), np.array(predictions)
    gram, cross = q @ q.T, q @ target
    best, weights = 0.0, np.zeros(k)
    for size in range(1, k + 1):
        for face in combinations(range(k), size):
            at = list(face)
            g, c = gram[np.ix_(at, at)], cross[at]
            for tight in (False, True):
                border = np.ones((size, 1))
                system = (
                    np.block([[g, border], [border.T, np.zeros((1, 1))]])
                    if tight
                    else g
                )
                try:
                    w = np.linalg.solve(system, np.r_[c, 1.0] if tight else c)[:size]
                except np.linalg.LinAlgError:
                    continue
                value = w @ g @ w - 2.0 * (w @ c)
                if w.min() >= 0.0 and w.sum() <= 1.0 + 1e-9 and value < best - 1e-14:
                    best, weights = value, np.zeros(k)
                    weights[at] = w
    return weights


def degrees_of_freedom(x, inverse, variance, a, leverage, contrasts, sizes=None):
    """
    (satterthwaite), (scale): of the contrasts of the labelled-only estimate, HC3, units as rows.

    Parameters
    ----------
    x : (n, p); inverse : (p, p), H^-1 with H = sum a V x x'
    variance : (n,), working variance V(mu) of the score's outcome part (1 for Gaussian)
    a : (n,), all weights (design times survey); leverage : (n,), a V x' H^-1 x
    contrasts : (q, p), rows L; identity for the coefficients
    sizes : (n,) labels of the unit's stratum, if strata were fixed

    Returns
    -------
    df, scale : (q,). Variances are divided by scale, quantiles are those of t(df).
    """
    xs = x * np.sqrt(variance)[:, None]
    u, g = xs * a[:, None], xs @ inverse
    p = x.shape[1]
    h = np.linalg.inv(inverse)
    middle = u.T @ u  # K = I - g u' - u g' + g middle g'
    w = np.hstack([g, u])
    q = np.block([[-middle, np.eye(p)], [np.eye(p), np.zeros((p, p))]])
    wqw = np.einsum("ti,ij,tj->t", w, q, w)
    df, scale = np.empty(len(contrasts)), np.empty(len(contrasts))
    for j, row in enumerate(contrasts):
        plain = (g @ row * a) ** 2
        c = plain / np.maximum(1.0 - leverage, 1e-10) ** 2
        trace = float(c @ (1.0 - wqw))
        qa = q @ (w.T @ (w * c[:, None]))
        square = float((c * c) @ (1.0 - 2.0 * wqw) + np.trace(qa @ qa))
        df[j] = trace**2 / square
        if sizes is not None:
            more = np.where(sizes > 1, sizes / np.maximum(sizes - 1.0, 1.0), 1.0)
            df[j] *= (c * c).sum() / (c * c * more).sum()
        scale[j] = trace / plain.sum()
    return np.maximum(df, 1.0), scale


# ---------------------------------------------------------------------------------------------------------------
# One source, one fit.

from dataclasses import dataclass  # noqa: E402


@dataclass(frozen=True)
class Control:
    """
    One source: its raw and its flat score. All of it needs sums over all units only.

    delta : (2, p)        gamma - gamma_L, raw and flat                              (delta)
    z : (2, R, p)         rows: influence of a labelled unit on gamma_L              (rows)
    leverage : (2, R)     of the unit in the labelled fit of the source
    spread : (3, p, p)    expected sum of z z' over the labels, from all units:
                          raw, flat, curvature = raw - flat                          (population)
    unrelated : (p, p)    second moment of z at a unit to which the source is unrelated
    n_eff : float         (sum a^2)^2 / sum a^4 over labelled units that it covers (n for equal weights)
    n : int               their number
    """

    delta: np.ndarray
    z: np.ndarray
    leverage: np.ndarray
    spread: np.ndarray
    unrelated: np.ndarray
    n_eff: float
    n: int


@dataclass(frozen=True)
class Combined:
    """theta, covariance of an infinite and of the finite population, df, B (p, 2 M p), shares, labels alone."""

    theta: np.ndarray
    covariance: np.ndarray
    finite: np.ndarray
    df: np.ndarray
    coefficients: np.ndarray
    shares: np.ndarray
    k: float
    real_covariance: np.ndarray
    real_finite: np.ndarray
    real_df: np.ndarray


def combine(theta, y, leverage, prob, controls, df, scale, strata=None):
    """
    The proposed default for labelled units as rows (no clusters).

    theta : (p,) labelled-only estimate; y : (n, p) H^-1 a psi; leverage : (n,); prob : (n,) pi_t
    controls : list of Control; df, scale : (p,) from degrees_of_freedom; strata : (n,) codes or None
    """
    n, p = y.shape
    m = len(controls)
    root = np.sqrt(1.0 - prob)[:, None]
    groups = None if strata is None else merged_strata(strata)

    def prepared(rows):
        rows = rows if groups is None else center_in_strata(rows, groups)
        return rows * root

    up = 1.0 / np.sqrt(np.maximum(1.0 - leverage, 1e-10))[:, None]
    target, jack = (
        prepared(y * up),
        prepared(y * up**2),
    )  # HC2 to learn from, HC3 to judge by
    z = np.stack(
        [
            prepared(c.z[s] / np.sqrt(np.maximum(1.0 - c.leverage[s], 1e-10))[:, None])
            for s in (0, 1)
            for c in controls
        ],
        axis=1,
    )  # (n, 2 M, p): raw ones first
    pseudo = np.tile(PSEUDO_UNITS / np.maximum([c.n for c in controls], 1), 2)
    share = [
        max(1.0 - np.sqrt(2.0 * p / max(c.n_eff, 1.0)), LEAST_SHARE) for c in controls
    ]
    excess = [
        [
            floor_excess(z[:, s * m + k].T @ z[:, s * m + k], c.spread[s], share[k])
            for k, c in enumerate(controls)
        ]
        for s in (0, 1)
    ]
    metric = inverse_root(target.T @ target)

    def size(second_moment):
        return float(np.trace(metric.T @ second_moment @ metric))

    penalty = np.zeros((2 * m, 2 * m))
    for k, c in enumerate(controls):
        pair = np.ix_([k, m + k], [k, m + k])
        penalty[pair] += size(excess[1][k])
        curvature = (z[:, k] - z[:, m + k]) @ metric
        penalty[k, k] += max(
            0.0, share[k] * size(c.spread[2]) - float((curvature**2).sum())
        )
    candidates = []
    for s in (0, 1):
        a, left_out, k_df = full_candidate(
            target, z[:, s * m : (s + 1) * m], pseudo[:m], excess[s]
        )
        big = np.zeros((p, 2 * m * p))
        big[:, s * m * p : (s + 1) * m * p] = a
        candidates.append((big, left_out, k_df))
    c_, left_out, k_df = multiples_candidate(target, z, pseudo, metric, penalty)
    candidates.append((np.hstack([v * np.eye(p) for v in c_]), left_out, k_df))
    shares = stacking_weights(
        (target @ metric).ravel(), [(f @ metric).ravel() for _, f, _ in candidates]
    )
    b = sum(w * c[0] for w, c in zip(shares, candidates))
    fitted = sum(w * c[1] for w, c in zip(shares, candidates))
    k_df = float(sum(w * c[2] for w, c in zip(shares, candidates)))
    delta = np.concatenate([c.delta[s] for s in (0, 1) for c in controls])
    residual = (target - fitted) * up
    unrelated = np.zeros((p, p))
    for k, c in enumerate(controls):
        own = b[:, k * p : (k + 1) * p] + b[:, (m + k) * p : (m + k + 1) * p]
        unrelated += own @ c.unrelated @ own.T
    unrelated *= float((root**2).mean())
    real = jack.T @ jack
    inner = residual.T @ residual
    inner += UNRELATED_UNITS / (n + UNRELATED_UNITS) * (real + n * unrelated - inner)
    drawn = (y * up**2).T @ (y * up**2 * prob[:, None])  # from drawing the units
    real_all, all_ = real + drawn, inner + drawn
    lower = 1.0 + (scale - 1.0) * np.minimum(
        np.diag(all_) / np.diag(real_all), 1.0
    )  # (scale-aided)
    d, da = (1.0 / np.sqrt(np.outer(v, v)) for v in (scale, lower))
    groups_df = np.inf if groups is None else n - groups.max() - 1
    real_df = np.minimum(df, min(n - p, groups_df))
    ratio = min(n - p - k_df, groups_df) / min(n - p, groups_df)
    return Combined(
        theta + b @ delta,
        all_ * da,
        inner * da,
        np.maximum(real_df * ratio, 1.0),
        b,
        shares,
        k_df,
        real_all * d,
        real * d,
        np.maximum(real_df, 1.0),
    )


def from_problem(P):
    """Glue for the prototypes' problems: dense, T x p arrays where the package has sums."""
    import augment as A

    q = A.labels_part(P)
    controls = []
    for m in range(len(P.sources)):
        r, f = A.source_block(P, q, m), A.source_block(P, q, m, flat=True)
        de = r["E"] - f["E"]
        spread = np.array([A.pop_gram(P, q, e, e) for e in (r["E"], f["E"], de)])
        s = P.sources[m]
        cl = np.ones(q["n"], bool) if len(s) == 2 else s[2][P.labelled]
        aw = (q["a"] * q["w"])[cl]
        controls.append(
            Control(
                np.array([r["delta"], f["delta"]]),
                np.array([r["z"], f["z"]]),
                np.array([r["lev"], f["lev"]]),
                spread,
                r["U"],
                (aw**2).sum() ** 2 / (aw**4).sum(),
                int(r["nm"]),
            )
        )
    strata = None if P.strata is None else P.strata[P.labelled]
    sizes = None
    if strata is not None:
        g = merged_strata(strata)
        sizes = np.bincount(g)[g].astype(float)
    a = q["a"] * q["w"]
    df, scale = degrees_of_freedom(
        q["x"], q["Hi"], q["d"] / a, a, q["lev"], np.eye(q["p"]), sizes
    )
    return combine(q["thL"], q["y"], q["lev"], q["pi"], controls, df, scale, strata)


def estimate(P):
    """theta, se, df per coefficient, and those of the labels alone."""
    c = from_problem(P)
    root = lambda v: np.sqrt(np.diag(v))  # noqa: E731
    theta_l = c.theta - c.coefficients @ _delta(P)
    return dict(
        theta=c.theta,
        se=root(c.covariance),
        df=c.df,
        real=theta_l,
        rse=root(c.real_covariance),
        rdf=c.real_df,
        fse=root(c.finite),
        frse=root(c.real_finite),
    )


def _delta(P):
    import augment as A

    q = A.labels_part(P)
    return np.concatenate(
        [
            A.source_block(P, q, m, flat=bool(s))["delta"]
            for s in (0, 1)
            for m in range(len(P.sources))
        ]
    )


def cluster_degrees_of_freedom(x, inverse, variance, a, contrasts, clusters):
    """(satterthwaite), clusters as rows and CR3; working model: independent errors (Bell and McCaffrey 2002)."""
    xs = x * np.sqrt(variance)[:, None]
    u, g = xs * a[:, None], xs @ inverse
    p, n_c = x.shape[1], clusters.max() + 1
    middle, h = u.T @ u, np.linalg.inv(inverse)
    w = np.hstack([g, u])
    q = np.block([[-middle, np.eye(p)], [np.eye(p), np.zeros((p, p))]])
    df, scale = np.empty(len(contrasts)), np.empty(len(contrasts))
    out = np.zeros((len(x), len(contrasts)))  # b_t: CR3 weight of the error of a unit
    for c in range(n_c):
        at = clusters == c
        rest = np.linalg.pinv(h - xs[at].T @ u[at], rcond=1e-10, hermitian=True)
        out[at] = u[at] @ rest @ contrasts.T
    plain = u @ inverse @ contrasts.T
    for j in range(len(contrasts)):
        b = out[:, j]
        own = np.bincount(clusters, b * b, n_c)
        big = np.zeros((n_c, 2 * p))
        np.add.at(big, clusters, b[:, None] * w)
        diag = np.einsum("ci,ij,cj->c", big, q, big)
        qb = q @ (big.T @ big)
        trace = float((own - diag).sum())
        df[j] = trace**2 / float(
            (own * own).sum() - 2.0 * (own * diag).sum() + np.trace(qb @ qb)
        )
        scale[j] = trace / float((plain[:, j] ** 2).sum())
    return np.maximum(df, 1.0), scale

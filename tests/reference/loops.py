"""
A second, plain derivation of what is done about few labels, for comparison.

Written from the equations of the page "Few labels" alone: every row that is said to
be left out is left out and regressed again, with plain inverses, numeric derivatives
and in the coordinates of x as given. No code of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
import scipy.optimize

from tests.reference import dense

Array = NDArray[np.float64]
Labels = NDArray[np.int_]


@dataclass(frozen=True)
class Stack:
    """A (p, M p), A without each row (rows, p, M p), weights, its df, F of sources."""

    matrix: Array
    without: Array
    shares: Array
    df: float
    floors: list[Array]


@dataclass(frozen=True)
class Fit:
    """Estimate, covariance, degrees of freedom, and what they are made of."""

    params: Array
    covariance: Array
    df: float
    real: Array
    stack: Stack | None
    gammas: list[Array]


# Scores and their derivatives


def score(problem: dense.Problem, m: int, params: Array) -> Array:
    """Scores of the labels (m = 0) or of source m - 1, (T, p); zero where unknown."""
    h = np.asarray(problem.models[m].score_obs(params, scale=1.0))
    return h * known(problem, m)[:, None]


def known(problem: dense.Problem, m: int) -> NDArray[np.bool_]:
    """Units that are labelled (m = 0) or that source m - 1 covers."""
    return problem.labeled if m == 0 else ~np.isnan(problem.sources[m - 1][0])


def derivative(problem: dense.Problem, m: int, params: Array) -> Array:
    """Derivatives of the scores, (T, p, p), by differences of fourth order."""
    columns = []
    for j in range(len(params)):
        step = np.zeros_like(params)
        step[j] = 1e-3
        v = [score(problem, m, params + k * step) for k in (-2, -1, 1, 2)]
        columns.append((v[0] - 8 * v[1] + 8 * v[2] - v[3]) / 12e-3)
    return np.stack(columns, axis=2)


def design(problem: dense.Problem) -> Array:
    """The weights a_t, zero where nobody labelled."""
    a = problem.design_weights
    return np.where(problem.labeled, 1.0 if a is None else a, 0.0)


def solved(problem: dense.Problem, m: int, a: Array, pull: Array, to: Array) -> Array:
    """Where the sum of ``a`` times scores is ``pull @ (params - to)``."""

    def equation(params: Array) -> Array:
        return np.asarray(a @ score(problem, m, params) - pull @ (params - to))

    def slope(params: Array) -> Array:
        return np.tensordot(a, derivative(problem, m, params), 1) - pull

    found = np.asarray(scipy.optimize.root(equation, to, jac=slope, tol=1e-12).x)
    for _ in range(3):  # to rounding
        found = found - np.linalg.solve(slope(found), equation(found))
    return found


def labels_then_sources(problem: dense.Problem) -> Array:
    """Labels alone and each source over all its units, (p + M p,), to rounding."""
    p = problem.k_params
    start, none = problem.start(), np.zeros((p, p))
    found = [solved(problem, 0, design(problem), none, start[:p])]
    for m in range(1, len(problem.sources) + 1):
        c = known(problem, m).astype(float)
        found.append(solved(problem, m, c, none, start[m * p : (m + 1) * p]))
    return np.concatenate(found)


# How much is taken off


def blocks(z: Array, p: int) -> list[Array]:
    return [z[:, at : at + p] for at in range(0, z.shape[1], p)]


def simplex(target: Array, columns: Array) -> Array:
    """
    Least squares with coefficients not below zero and at most one in sum.

    Every set of coefficients that may differ from zero, with the sum free or one: the
    best of what is allowed.
    """
    k = columns.shape[1]
    best, least = np.zeros(k), float(target @ target)
    for size in range(1, k + 1):
        for chosen in combinations(range(k), size):
            own = columns[:, chosen]
            last, others = own[:, -1:], own[:, :-1]
            free = np.linalg.lstsq(own, target, rcond=None)[0]
            part = np.linalg.lstsq(others - last, target - last[:, 0], rcond=None)[0]
            for found in (free, np.r_[part, 1.0 - part.sum()]):
                loss = float(np.sum((target - own @ found) ** 2))
                if found.min() >= 0 and found.sum() <= 1 + 1e-12 and loss < least:
                    best, least = np.zeros(k), loss
                    best[list(chosen)] = found
    return best


def lacking(expected: Array, gram: Array) -> Array:
    """What a Gram matrix lacks of what all units say, in whatever direction it does."""
    r = np.linalg.inv(np.linalg.cholesky(expected)).T
    w, u = np.linalg.eigh(r.T @ gram @ r)
    out = np.linalg.inv(r)
    return np.asarray(out.T @ (u * np.maximum(1.0 - w, 0.0)) @ u.T @ out)


def stacked(
    y: Array,
    z: Array,
    counts: Sequence[int],
    floors: list[Array],
    number: int | None = None,
    more: tuple[Array, Array, float] | None = None,
    others: Callable[[int], tuple[Array, Array]] | None = None,
) -> Stack:
    """
    The weights of two ridge regressions, of ``more``, and of nothing.

    `counts` has the n_m, `floors` the F_m, `more` a further candidate: its
    matrix, the one without each row, and its df. `others` are the rows without one of
    them, where that changes the rest.
    """
    (rows, p), k = y.shape, z.shape[1] // y.shape[1]
    number = rows if number is None else number
    s_inv = np.linalg.inv(y.T @ y)
    penalty, ridge = np.zeros((k * p, k * p)), np.zeros(k)
    for m, own in enumerate(blocks(z, p)):
        gram = own.T @ own
        at = slice(m * p, (m + 1) * p)
        penalty[at, at] = 2.0 / counts[m] * gram + floors[m]
        ridge[m] = np.trace(s_inv @ penalty[at, at])

    def full(y: Array, z: Array) -> Array:
        gram = z.T @ z + penalty
        return np.asarray(y.T @ z @ np.linalg.inv(gram))

    root = np.linalg.cholesky(s_inv)  # |v|^2 in the metric is |v root|^2

    def multiple(y: Array, z: Array) -> Array:
        columns = np.column_stack([(b @ root).ravel() for b in blocks(z, p)])
        # The penalty as rows of zeros that b has to explain.
        tall = np.vstack([columns, np.diag(np.sqrt(ridge))])
        target = np.r_[(y @ root).ravel(), np.zeros(k)]
        b = np.linalg.lstsq(tall, target, rcond=None)[0]
        return np.kron(b, np.eye(p))

    def without(t: int) -> tuple[Array, Array]:
        return np.delete(y, t, axis=0), np.delete(z, t, axis=0)

    rest = without if others is None else others
    candidates = [full(y, z), multiple(y, z)]
    left = [np.array([f(*rest(t)) for t in range(rows)]) for f in (full, multiple)]
    lost = [float(np.trace(z @ np.linalg.inv(z.T @ z + penalty) @ z.T)), k / p]
    if more is not None:
        candidates.append(more[0])
        left.append(more[1])
        lost.append(more[2])
    said = [np.einsum("tij,tj->ti", a, z) for a in left]
    target = (y @ root).ravel()
    columns = np.column_stack([(v @ root).ravel() for v in said])
    shares = simplex(target, columns)
    hat = columns @ shares
    if hat.any():
        f = number * p * (target @ hat) ** 2 / (target @ target * (hat @ hat))
        shares[:2] *= max(0.0, 1.0 - 2.0 / f) if target @ hat > 0 else 0.0
    else:
        shares = 0 * shares
    return Stack(
        sum(w * c for w, c in zip(shares, candidates, strict=True)),
        sum(w * a for w, a in zip(shares, left, strict=True)),
        shares,
        float(shares @ lost),
        floors,
    )


def collapsed(strata: Labels, certain: NDArray[np.bool_] | None = None) -> Labels:
    """
    Strata of one labelled unit in pairs; a single one with the smallest other.

    Not those whose one unit was certain to be labelled.
    """
    names, counts = np.unique(strata, return_counts=True)
    single = names[counts == 1]
    if certain is not None:
        single = np.array([h for h in single if not certain[strata == h][0]])
    merged = strata.copy()
    if len(single) > 1:
        for first in range(0, len(single), 2):
            last = first + 1 == len(single)  # of an odd number the last three
            to = single[first - 2 if last else first]
            merged[np.isin(strata, single[first : first + 2])] = to
    elif len(single) == 1 and (counts > 1).any():
        others = counts > 1
        merged[strata == single[0]] = names[others][np.argmin(counts[others])]
    return merged


def together(clusters: Labels) -> Labels:
    """Clusters of one labelled unit as one."""
    names, counts = np.unique(clusters, return_counts=True)
    single = names[counts == 1]
    return np.where(np.isin(clusters, single), single[:1].sum(), clusters)


def within(v: Array, strata: Labels) -> Array:
    """Rows about the means of their strata, with the factor of the fewer freedoms."""
    out = np.empty_like(v)
    for h in np.unique(strata):
        n = int((strata == h).sum())
        if n == 1:
            out[strata == h] = 0.0  # nothing to differ from
            continue
        out[strata == h] = np.sqrt(n / (n - 1)) * (
            v[strata == h] - v[strata == h].mean(0)
        )
    return out


def shares(inverse: Array, by_unit: Array) -> Array:
    """Leverage of each unit: the largest eigenvalue of its share of the information."""
    return np.asarray(np.linalg.eigvals(inverse @ by_unit).real.max(axis=1))


# The fit


def fit(
    problem: dense.Problem,
    groups: Labels | None = None,
    strata: Labels | None = None,
    unequal: bool = False,
    finite: bool = False,
) -> Fit:
    """
    The default fit and its covariance, one cluster (or unit) after the other.

    Design weights are on the problem; `strata` of every unit, `unequal` if the
    weights come from probabilities; `finite` if the units are the population.
    """
    p, k, every = problem.k_params, len(problem.sources), len(problem.y)
    a, lab = design(problem), problem.labeled
    n = int(lab.sum())
    # Labels were drawn from all units, also those that no source covers.
    t_units = every
    if groups is not None and len(set(groups.tolist())) == every:
        groups = None
    nothing = np.zeros((p, p))
    real = solved(problem, 0, a, nothing, problem.start()[:p])
    by_unit = -a[:, None, None] * derivative(problem, 0, real)
    info = by_unit.sum(axis=0)
    inverse = np.linalg.inv(info)
    y = a[:, None] * score(problem, 0, real) @ inverse.T
    lev = shares(inverse, by_unit)
    pi = np.where(lab, np.minimum(n / t_units / np.where(lab, a, 1.0), 1.0), 0.0)
    if strata is not None:
        share = {h: lab[strata == h].mean() for h in set(strata.tolist())}
        pi = np.where(lab, [share[h] for h in strata.tolist()], 0.0)
        merged = collapsed(strata[lab], pi[lab] >= 1.0)
        for h in set(merged.tolist()):  # strata taken together: the mean of theirs
            at = np.flatnonzero(lab)[merged == h]
            pi[at] = pi[at].mean()

    zs, es, levs, etas, gammas, infos, jacobians = [], [], [], [], [], [], []
    for m in range(1, k + 1):
        c = known(problem, m).astype(float)
        start = problem.start()[m * p : (m + 1) * p]
        eta = solved(problem, m, c, nothing, start)
        j = -derivative(problem, m, eta).sum(axis=0)
        pull = j / c.sum()
        gamma = solved(problem, m, a, pull, eta)
        unit = -a[:, None, None] * derivative(problem, m, gamma)
        own = np.linalg.inv(unit.sum(axis=0) + pull)
        zs.append(a[:, None] * score(problem, m, gamma) @ own.T)
        es.append(score(problem, m, eta) @ np.linalg.inv(j).T)
        levs.append(shares(own, unit))
        etas.append(eta)
        gammas.append(gamma)
        infos.append(own)
        jacobians.append(j)

    rows = np.flatnonzero(lab)
    counts = [int((lab & known(problem, m)).sum()) for m in range(1, k + 1)]
    survey = np.ones(every) if problem.weights is None else problem.weights
    n_groups = None if groups is None else len(set(groups[lab].tolist()))
    expected: list[Array] = []
    trusted = []  # among units, and among clusters
    sizes = (n, n if n_groups is None else n_groups)
    for m in range(k):
        own = lab & known(problem, m + 1)
        w = (a * survey)[own]
        effective = np.sum(w**2) ** 2 / np.sum(w**4)
        trusted.append(
            [max(0.3, 1.0 - np.sqrt(2 * p / min(effective, rows_))) for rows_ in sizes]
        )
        spread = es[m].T @ es[m]
        # Of all units by the information of the labelled, where that is much less.
        kept = (own.sum() / known(problem, m + 1).sum()) * jacobians[m]
        if np.linalg.eigvals(infos[m] @ kept).real.max() > 2.0:
            h = score(problem, m + 1, etas[m]) @ infos[m].T
            h = h * own.sum() / known(problem, m + 1).sum()
            spread = spread + lacking(h.T @ h, spread)
        expected.append(spread)

    odds = t_units / n - 1
    floors = []
    for m in range(k):
        z = zs[m][rows] / np.sqrt(1 - levs[m][rows])[:, None]
        floors.append(
            odds * lacking(trusted[m][0] * expected[m], z.T @ (z * pi[rows][:, None]))
        )

    def unit_rows(
        about: Labels | None,
    ) -> tuple[Array, Array, Callable[[int], tuple[Array, Array]] | None]:
        """Y and Z of labelled units, within groups, and both without one unit."""
        up = y[rows] / np.sqrt(1 - lev[rows])[:, None]
        parts = [
            z[rows] / np.sqrt(1 - own[rows])[:, None]
            for z, own in zip(zs, levs, strict=True)
        ]
        zed = np.hstack([np.zeros((n, 0)), *parts])
        free = np.sqrt(1 - pi[rows])[:, None]

        def alone(t: int) -> tuple[Array, Array]:
            """Without a unit that decides a coefficient residuals of others change."""
            unit = rows[t]
            kept = np.arange(n) != t
            if max(own[unit] for own in [lev, *levs]) <= 0.3:
                return (up * free)[kept], (zed * free)[kept]
            parts = []
            for m, params in enumerate([real, *gammas]):
                h = a[:, None] * score(problem, m, params)
                bits = -a[:, None, None] * derivative(problem, m, params)
                total = np.linalg.inv(inverse if m == 0 else infos[m - 1])
                rest = np.linalg.inv(total - bits[unit])
                moved = h + bits @ (rest @ h[unit])
                own = (lev if m == 0 else levs[m - 1])[rows]
                parts.append((moved @ rest.T)[rows] / np.sqrt(1 - own)[:, None])
            y_, z_ = parts[0], np.hstack([np.zeros((n, 0)), *parts[1:]])
            return (y_ * free)[kept], (z_ * free)[kept]

        if about is None:
            return up * free, zed * free, alone

        def others(t: int) -> tuple[Array, Array]:
            kept = np.arange(n) != t
            own = within(up[kept], about[kept]), within(zed[kept], about[kept])
            return own[0] * free[kept], own[1] * free[kept]

        return within(up, about) * free, within(zed, about) * free, others

    stack = None
    if groups is None:
        about = None if strata is None else merged
        big_y, big_z, others = unit_rows(about)
        if k:
            stack = stacked(big_y, big_z, counts, floors, others=others)
        turned = [np.eye(p) / np.sqrt(1 - lev[t]) for t in rows]
        size, factor = n, float(np.mean(1 - pi[rows]))
        drawn = (y / (1 - lev)[:, None])[rows] * np.sqrt(pi[rows])[:, None]
        last = nothing if finite else drawn.T @ drawn
        left_out = (y / (1 - lev)[:, None])[rows]
        if strata is not None:
            left_out = within(left_out, merged)
        without = left_out * np.sqrt(1 - pi[rows])[:, None]
    else:
        names = np.unique(groups)
        big_y = np.array([y[groups == c].sum(0) for c in names])
        both = np.hstack(
            [np.zeros((every, 0)), *[z - e for z, e in zip(zs, es, strict=True)]]
        )
        big_z = np.array([both[groups == c].sum(0) for c in names])
        turned = [
            np.linalg.inv(info - by_unit[groups == c].sum(0)) @ info for c in names
        ]
        without = np.array([h @ own for h, own in zip(turned, big_y, strict=True)])
        assert n_groups is not None
        size, factor, last = n_groups, n / n_groups, np.zeros((p, p))
        if k:
            inner = unit_rows(together(groups[rows]))
            more = inside(*inner, counts, floors, names)
            # What clusters say within them counts for them as often as it is there.
            more = (*more[:2], more[2] * n_groups / n)
            floors = [
                np.zeros((p, p)) if unequal else lacking(odds * s[1] * g, own.T @ own)
                for s, g, own in zip(trusted, expected, blocks(big_z, p), strict=True)
            ]
            stack = stacked(big_y, big_z, [n_groups] * k, floors, n_groups, more)

    theta = real.copy()
    u, missed = np.zeros((2, p, p))
    if stack is not None:
        for m in range(k):
            at = stack.matrix[:, m * p : (m + 1) * p]
            theta += at @ (etas[m] - gammas[m])
            said = at @ infos[m]
            u += factor * said @ unrelated(problem, m, gammas[m]) @ said.T
            missed += at @ floors[m] @ at.T

    v, gap = np.zeros((p, p)), np.zeros((p, p))
    for t in range(len(big_y)):
        alone = r = without[t]
        if stack is not None and stack.matrix.any():
            taken = stack.without[t] @ big_z[t]
            units = groups is None
            r = turned[t] @ (big_y[t] - taken) if units else alone - taken
        v += np.outer(r, r)
        gap += np.outer(alone, alone) - np.outer(r, r)
    v += (gap + size * u) / (size + 1) + last + missed
    lost = 0.0 if stack is None else stack.df
    vary = rows[pi[rows] < 1.0] if finite else rows
    df = (len(vary) - p if groups is None else size - 1) - lost
    if strata is not None:
        df = min(df, len(vary) - len(set(merged[np.isin(rows, vary)].tolist())))
    return Fit(theta, v, max(df, 1.0), real, stack, gammas)


def inside(
    y: Array,
    z: Array,
    others: Callable[[int], tuple[Array, Array]] | None,
    counts: Sequence[int],
    floors: list[Array],
    names: Labels,
) -> tuple[Array, Array, float]:
    """What labelled units say within clusters, and without each cluster."""
    learned = stacked(y, z, counts, floors, others=others)
    # Nothing of it is learned from how the clusters differ: the same without one.
    without = np.array([learned.matrix for _ in names])
    return learned.matrix, without, learned.df


def unrelated(problem: dense.Problem, m: int, gamma: Array) -> Array:
    """Second moment of a source's score with the outcome of every other unit."""
    said, x = problem.sources[m]
    rows = problem.labeled & ~np.isnan(said)
    n, p = int(rows.sum()), problem.k_params
    a = design(problem)[rows][:, None]
    moment = np.zeros((p, p))
    for value in said[rows]:
        model = problem.model(np.full(n, value), x[rows], rows)
        h = a * np.asarray(model.score_obs(gamma, scale=1.0))
        moment += h.T @ h / n**2
    own = a * score(problem, m + 1, gamma)[rows]
    r = np.linalg.inv(np.linalg.cholesky(own.T @ own / n)).T
    w, v = np.linalg.eigh(r.T @ moment @ r)
    out = np.linalg.inv(r)
    return np.asarray(out.T @ (v * np.minimum(w, 30.0)) @ v.T @ out)

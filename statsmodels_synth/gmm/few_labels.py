r"""
The default for few labels: control coefficients and covariance.

**Control coefficients**

The augmented estimate solves ``mean(a psi(theta)) = B mean(a h(eta))``. The paper's
``B`` is the least-squares regression of the labelled score on the scores of the
sources for the same units, ``p x M p`` numbers from n units. With few labels and
several sources it costs more than it brings. Here three candidates are stacked
(Wolpert 1992; Breiman 1996): that regression, a multiple of each source's own
score (M numbers), and nothing at all,

.. math::
    B = w_1 B_{\text{full}} + w_2 B_{\text{scalar}},
    \qquad w_1, w_2 \ge 0, \quad w_1 + w_2 \le 1,

with the weights that predict the labelled score of a unit best, in the metric of its
second moment, when that unit is left out. Each regression sees :data:`PSEUDO_UNITS`
units per source at which the source says something unrelated, which adds
``c / n S_mm`` to the Gram matrix of source m, and zero to its product with the
labelled score. That is ridge regression with a penalty that does not depend on units
of x. It keeps a handful of disagreements from deciding which source is right.

As n grows the pseudo-units and the error of leaving one out vanish. With equal
labelling probabilities and no clusters B then is the paper's. With unequal ones it
need not be: the paper's regression also has the scores of all units.

**Covariance**

The asymptotic covariance takes the control coefficients ``B`` for known and the
residuals of the labels for errors. Here each labelled unit (or cluster) c enters with
what it would change if it were left out, the jackknife of the first order,

.. math::
    \tilde l_c = -\bigl(\textstyle\sum_t D_t - D_c\bigr)^{-1}
        \bigl(\psi_c - B_{-c} h_c\bigr),

with ``D_t`` the derivative of the labelled score and ``B_{-c}`` coefficients that have
not seen c. Without sources this is the HC3 covariance (MacKinnon and White 1985), and
CR3 with clusters.

A source that hardly ever disagrees with the labels shows hardly any residual, and
the labels cannot tell how rare its errors are. :data:`UNRELATED_UNITS` labelled unit
is therefore added, at which all sources say something unrelated: what they say of some
other unit. It weighs little where residuals are many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statsmodels_synth.core.arrays import Floats, Positions
from statsmodels_synth.gmm.moments import (
    ROUNDING,
    UNRELATED_BOUND,
    WEIGHT_BOUND,
    MomentSums,
)
from statsmodels_synth.gmm.sums import (
    unit_scores,
)
from statsmodels_synth.gmm.weights import RANK_TOLERANCE, inverse_root
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.scores import TargetScore


def unrelated_scores(
    design: AlignedDesign, score: TargetScore, eta: Floats, h: Floats
) -> Floats:
    """
    Second moment of the score of each source if its outcome had nothing to do with x.

    Eq. (unrelated).

    The outcome of another unit, the mean of its replicates, in place of the unit's own:
    the score is linear in the outcome, so its mean square over all outcomes needs only
    their mean and variance.

    Shapes: `eta` (M, p), `h` (n, M p) -> (M, p, p).
    """
    p, n, everything = design.k_params, design.n_labeled, slice(None)
    moments = np.empty((len(eta), p, p))
    scores = np.empty((2, n, p))
    for m, source in enumerate(design.labeled_sources):
        linear = source.exog @ eta[m]
        if source.offset is not None:
            linear += source.offset
        unit = source.unit_positions
        count = np.bincount(unit, minlength=n)
        share = 1.0 / count[unit]  # of a row in the mean of its unit
        outcomes = np.bincount(unit, share * source.endog, n)[count > 0]
        mean = outcomes.mean()
        at_mean, _ = score.factors(np.full(len(linear), mean), linear.copy())
        above, _ = score.factors(np.full(len(linear), mean + 1.0), linear.copy())
        slope = above - at_mean
        # With a link that is not canonical a row whose mean is near the end of its
        # range has a weight without bound, and would stand for all.
        order = np.argsort(np.abs(slope), kind="stable")
        weight = np.cumsum(share[order])
        middle = order[np.searchsorted(weight, weight[-1] / 2)]
        limit = WEIGHT_BOUND * np.abs(slope[middle])
        bound = np.minimum(1.0, limit / np.maximum(np.abs(slope), 1e-300))
        bound *= 1.0 if source.weights is None else source.weights
        for part, factor in zip(scores, (at_mean, slope), strict=True):
            unit_scores(source, everything, factor * bound, 0, part)
        scores *= design.design_weights[:, None]
        moment = scores[0].T @ scores[0] + outcomes.var() * scores[1].T @ scores[1]
        # A source whose slope is far off says very different things of different units:
        # without a bound, that of one unit would drown the labels.
        own = h[:, m * p : (m + 1) * p] * design.design_weights[:, None]
        moments[m] = _bounded(moment, UNRELATED_BOUND * own.T @ own) / len(outcomes)
    return moments


def _bounded(matrix: Floats, bound: Floats) -> Floats:
    """A second moment with no direction above that of another one."""
    scale = np.sqrt(np.diag(bound))
    if not np.all(scale > 0.0):
        return matrix
    values, vectors = np.linalg.eigh(bound / np.outer(scale, scale))
    if values[0] <= ROUNDING * values[-1]:
        return matrix  # a source that says nothing in some direction
    root = scale[:, None] * (vectors * np.sqrt(values))
    inverse = (vectors / np.sqrt(values)).T / scale
    values, vectors = np.linalg.eigh(inverse @ matrix @ inverse.T)
    if values[-1] <= 1.0:
        return matrix
    turned = root @ vectors
    return np.asarray((turned * np.minimum(values, 1.0)) @ turned.T)


#: Units per source at which it is supposed to say something unrelated; for a
#: proportion, to add two successes and two failures is the rule of Agresti and
#: Coull (1998).
PSEUDO_UNITS = 2.0


@dataclass(frozen=True)
class ControlCoefficients:
    """
    Regression of the labelled score on the scores of the sources.

    Parameters
    ----------
    matrix : ndarray (p, M p)
        B.
    left_out : ndarray (G, p)
        ``B h`` of every observation, with coefficients that have not seen it.
    df : float
        Effective number of coefficients per component of the score.
    shares : tuple of float
        Weights of the full regression and of the scalar one.
    """

    matrix: Floats
    left_out: Floats
    df: float
    shares: tuple[float, float]

    @property
    def gain(self) -> Floats:
        """B with zeros for the all-units moments, (p, 2 M p)."""
        p = len(self.matrix)
        by_source = self.matrix.reshape(p, -1, p)
        padded = np.stack([by_source, np.zeros_like(by_source)], axis=2)
        return padded.reshape(p, -1)


def no_controls(n: int, p: int, k_sources: int) -> ControlCoefficients:
    """Coefficients of zero: the sources take no part."""
    return ControlCoefficients(
        matrix=np.zeros((p, k_sources * p)),
        left_out=np.zeros((n, p)),
        df=0.0,
        shares=(0.0, 0.0),
    )


@dataclass(frozen=True)
class _Candidate:
    """Coefficients (p, M p), left-out fit (G, p), degrees of freedom."""

    matrix: Floats
    left_out: Floats
    df: float


def control_coefficients(
    psi: Floats, h: Floats, sums: MomentSums, basis: Floats
) -> ControlCoefficients:
    """
    Stack the full and the scalar regression, and nothing.

    Eq. (stack).

    Shapes: `psi` (G, p), `h` (G, M p), `basis` (p, p).
    """
    n, p = psi.shape
    k_sources = h.shape[1] // p
    y, z = psi @ basis, h.reshape(n, k_sources, p) @ basis
    covered = np.any(z != 0.0, axis=2).sum(axis=0)
    pseudo = PSEUDO_UNITS / np.maximum(covered, 1)
    values, vectors = np.linalg.eigh(y.T @ y)
    keep = values > RANK_TOLERANCE * values.max(initial=0.0)
    if not keep.any():  # labels that are fitted exactly: there is nothing to explain
        return no_controls(n, p, k_sources)
    metric = vectors[:, keep] / np.sqrt(values[keep])
    full = _full(y, z, pseudo)
    scalar = _scalar(y, z, pseudo, metric, _alignment(sums, basis))
    shares = _simplex_weights(
        (y @ metric).ravel(),
        (full.left_out @ metric).ravel(),
        (scalar.left_out @ metric).ravel(),
    )
    back = np.linalg.inv(basis)

    def stacked(name: str) -> Floats:
        return np.asarray(
            shares[0] * getattr(full, name) + shares[1] * getattr(scalar, name)
        )

    matrix = back.T @ (stacked("matrix").reshape(p, k_sources, p) @ basis.T).reshape(
        p, -1
    )
    return ControlCoefficients(
        matrix=matrix,
        left_out=stacked("left_out") @ back,
        df=shares[0] * full.df + shares[1] * scalar.df,
        shares=shares,
    )


def _alignment(sums: MomentSums, basis: Floats) -> Floats:
    """
    Maps that turn the score of a source into units of the labelled one, (M, p, p).

    Eq. (scalar).

    A source that repeats the labels has the influence of the labels, not their
    score, where its coefficients are others: ``D_1^{-1} psi = D_m^{-1} h_m``.
    """
    target = basis.T @ sums.target @ basis
    own = basis.T @ sums.auxiliary[:, 1] @ basis
    return np.asarray(target @ np.linalg.inv(own))


def _full(y: Floats, z: Floats, pseudo: Floats) -> _Candidate:
    """Every component of y on all of z, by ridge regression. Eq. (full)."""
    n, k_sources, p = z.shape
    gram = np.einsum("gmi,gnj->minj", z, z, optimize=True)
    for m in range(k_sources):
        gram[m, :, m] *= 1.0 + pseudo[m]
    gram = gram.reshape(k_sources * p, k_sources * p)
    flat = z.reshape(n, k_sources * p)
    root = inverse_root(gram)
    scores = flat @ root
    coefficients = root @ (scores.T @ y)
    fitted = flat @ coefficients
    leverage = (scores**2).sum(axis=1)
    left_out = y - (y - fitted) / np.maximum(1.0 - leverage, 1e-10)[:, None]
    return _Candidate(coefficients.T, left_out, float(leverage.sum()))


def _scalar(
    y: Floats, z: Floats, pseudo: Floats, metric: Floats, alignment: Floats
) -> _Candidate:
    """
    One multiple per source of its aligned score, for all components at once.

    Eq. (scalar).
    """
    _, k_sources, p = z.shape
    aligned = np.einsum("gmj,mij->gmi", z, alignment)
    x, target = aligned @ metric, y @ metric
    gram = np.einsum("gmi,gni->gmn", x, x)
    cross = np.einsum("gmi,gi->gm", x, target)
    total = gram.sum(axis=0)
    # A source whose scores vanish on all labelled units gets a multiple of zero.
    own = np.diag(total)
    total += np.diag(np.where(own > 0.0, pseudo * own, 1.0))
    multiples = np.linalg.solve(total, cross.sum(axis=0))
    without = np.linalg.solve(total - gram, (cross.sum(axis=0) - cross)[:, :, None])
    matrix = multiples[:, None, None] * alignment
    return _Candidate(
        matrix.transpose(1, 0, 2).reshape(p, -1),
        np.einsum("gmi,gm->gi", aligned, without[:, :, 0]),
        k_sources / p,
    )


def _simplex_weights(
    target: Floats, first: Floats, second: Floats
) -> tuple[float, float]:
    """
    Least-squares weights of two predictions, not negative and at most one in sum.

    Eq. (stack-weights).

    A convex problem in the triangle: its solution is inside, or the best point of
    one of the three sides.
    """
    gram = np.array(
        [[first @ first, first @ second], [first @ second, second @ second]]
    )
    cross = np.array([first @ target, second @ target])

    def loss(w: Floats) -> float:
        return float(w @ gram @ w - 2.0 * (w @ cross))

    def side(start: Floats, stop: Floats) -> Floats:
        step = stop - start
        length = float(step @ gram @ step)
        along = float(step @ (cross - gram @ start)) / length if length > 0.0 else 0.0
        return np.asarray(start + min(max(along, 0.0), 1.0) * step)

    zero, one, two = np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, 1.0])
    points = [side(zero, one), side(zero, two), side(one, two)]
    if np.linalg.det(gram) > RANK_TOLERANCE * gram[0, 0] * gram[1, 1]:
        inside = np.linalg.solve(gram, cross)
        if inside.min() >= 0.0 and inside.sum() <= 1.0:
            points = [inside]
    best = min(points, key=loss)
    return float(best[0]), float(best[1])


#: Labelled units that are added, at which the sources say something unrelated. One is
#: between the half of Jeffreys' prior for a proportion and the two of Agresti and
#: Coull (1998), and did best of the three in simulation.
UNRELATED_UNITS = 1.0

#: Directions that only one cluster informs, which is left out: what is left of them
#: is rounding below this share.
LEFT_OUT_TOLERANCE = 1e-10


@dataclass(frozen=True)
class LabeledInfluence:
    """
    What labelled units, or clusters of them, contribute to theta through their labels.

    Parameters
    ----------
    direct : ndarray (G, p)
        ``-D^-1 (psi - B h)``, D the sum of the derivatives over all.
    left_out : ndarray (G, p)
        The same had they not taken part.
    unaided : ndarray (G, p)
        That without any source.
    unrelated : ndarray (p, p)
        Outer product of ``D^-1 B h`` for a unit at which every source says something
        unrelated to the others and to the label.
    """

    direct: Floats
    left_out: Floats
    unaided: Floats
    unrelated: Floats


def labeled_influence(
    design: AlignedDesign,
    derivatives: Floats,
    psi: Floats,
    psi_unaided: Floats,
    h: Floats,
    controls: ControlCoefficients,
    moments: Floats,
    clusters: Positions | None,
) -> LabeledInfluence:
    """
    Influence of labelled units or clusters, with and without their own part in it.

    Eq. (jackknife), Eq. (unrelated).

    Shapes: `derivatives` (n,), `psi` (G, p), `psi_unaided` (G, p), `h` (G, M p),
    `moments` (M, p, p), `clusters` (n,).
    """
    basis, p = design.basis, design.k_params
    x = design.labeled.exog @ basis
    slope = x.T @ (x * derivatives[:, None])
    inverse = np.asarray(np.linalg.inv(slope), dtype=float)
    both = np.stack([psi_unaided - controls.left_out, psi_unaided], axis=1) @ basis
    if clusters is None:
        without = _without_unit(x, derivatives, inverse, both)
    else:
        without = _without_cluster(x, derivatives, slope, both, clusters)
    without = -without @ basis.T
    inverse = basis @ inverse @ basis.T
    unrelated = np.zeros((p, p))
    for m, moment in enumerate(moments):
        part = inverse @ controls.matrix[:, m * p : (m + 1) * p]
        unrelated += part @ moment @ part.T
    # A cluster holds several such units.
    unrelated *= design.n_labeled / len(psi)
    return LabeledInfluence(
        direct=-(psi - h @ controls.matrix.T) @ inverse,
        left_out=without[:, 0],
        unaided=without[:, 1],
        unrelated=unrelated,
    )


def _without_unit(x: Floats, derivatives: Floats, inverse: Floats, v: Floats) -> Floats:
    """
    Rows ``(D - d x x')^-1 v`` by the formula of Sherman and Morrison, (n, 2, p).

    Eq. (jackknife).
    """
    turned = x @ inverse
    room = 1.0 - derivatives * np.einsum("ti,ti->t", turned, x)
    along = np.einsum("tki,ti->tk", v, turned)
    share = derivatives[:, None] * along / np.maximum(room, 1e-10)[:, None]
    return np.asarray(v @ inverse + share[:, :, None] * turned[:, None, :])


def _without_cluster(
    x: Floats, derivatives: Floats, slope: Floats, v: Floats, clusters: Positions
) -> Floats:
    """Rows ``(D - D_c)^-1 v`` for every cluster, (G, 2, p). Eq. (jackknife)."""
    order = np.argsort(clusters, kind="stable")
    bounds = np.searchsorted(clusters[order], np.arange(len(v) + 1))
    result = np.empty_like(v)
    for c in range(len(v)):
        rows = order[bounds[c] : bounds[c + 1]]
        own = x[rows].T @ (x[rows] * derivatives[rows, None])
        # A dummy of this cluster has no coefficient without it: a generalised inverse.
        rest = np.linalg.pinv(slope - own, rcond=LEFT_OUT_TOLERANCE, hermitian=True)
        result[c] = v[c] @ rest
    return result


def corrected_covariance(
    covariance: Floats, total: Floats, labeled: LabeledInfluence
) -> Floats:
    """
    Small-sample covariance from the asymptotic one.

    Eq. (corrected).

    Shapes: `covariance` (p, p), `total` (G, p) -> (p, p).
    """
    n, direct, left_out = len(total), labeled.direct, labeled.left_out
    corrected = total - direct + left_out
    # An average over n labelled observations and the unrelated one.
    alone = labeled.unaided.T @ labeled.unaided
    more = alone + n * labeled.unrelated - left_out.T @ left_out
    weight = UNRELATED_UNITS / (n + UNRELATED_UNITS)
    result = covariance + corrected.T @ corrected - total.T @ total + weight * more
    return np.asarray((result + result.T) / 2)

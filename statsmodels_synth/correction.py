r"""
Covariance of the target coefficients with few labels or few clusters.

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

from statsmodels_synth._arrays import Floats, Positions
from statsmodels_synth.design import AlignedDesign
from statsmodels_synth.shrinkage import ControlCoefficients

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

    Parameters
    ----------
    design : AlignedDesign
        Aligned arrays.
    derivatives : ndarray (n,)
        Derivative of the labelled score along the linear predictor, times a_t.
    psi : ndarray (G, p)
        Labelled scores ``a psi`` at the estimate, summed by cluster.
    psi_unaided : ndarray (G, p)
        The same at the labelled-only estimate. The mean residual is zero at the
        augmented estimate by construction, which would hide what was taken off.
    h : ndarray (G, M p)
        Scores ``a h`` of the sources, summed by cluster.
    controls : ControlCoefficients
        B, from `psi_unaided` and `h`.
    moments : ndarray (M, p, p)
        Second moment of the score of each source at a unit to which it is unrelated.
    clusters : ndarray (n,) or None
        Cluster of each labelled unit, 0 to G - 1; None: each unit for itself.

    Returns
    -------
    LabeledInfluence
        Contributions to theta, in the order of the rows of `psi`.
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
    """Rows ``(D - d x x')^-1 v`` by the formula of Sherman and Morrison, (n, 2, p)."""
    turned = x @ inverse
    room = 1.0 - derivatives * np.einsum("ti,ti->t", turned, x)
    along = np.einsum("tki,ti->tk", v, turned)
    share = derivatives[:, None] * along / np.maximum(room, 1e-10)[:, None]
    return np.asarray(v @ inverse + share[:, :, None] * turned[:, None, :])


def _without_cluster(
    x: Floats, derivatives: Floats, slope: Floats, v: Floats, clusters: Positions
) -> Floats:
    """Rows ``(D - D_c)^-1 v`` for every cluster, (G, 2, p)."""
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

    Parameters
    ----------
    covariance : ndarray (p, p)
        Asymptotic covariance: the sum of outer products of all contributions.
    total : ndarray (G, p)
        Contributions of the labelled units or clusters to it.
    labeled : LabeledInfluence
        Their part through the labels.

    Returns
    -------
    ndarray (p, p)
        Covariance.
    """
    n, direct, left_out = len(total), labeled.direct, labeled.left_out
    corrected = total - direct + left_out
    # An average over n labelled observations and the unrelated one.
    alone = labeled.unaided.T @ labeled.unaided
    more = alone + n * labeled.unrelated - left_out.T @ left_out
    weight = UNRELATED_UNITS / (n + UNRELATED_UNITS)
    result = covariance + corrected.T @ corrected - total.T @ total + weight * more
    return np.asarray((result + result.T) / 2)

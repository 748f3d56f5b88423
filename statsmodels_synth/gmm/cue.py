"""Continuous updating: the weight moves with the parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.linalg
import scipy.optimize

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.gmm.moments import (
    MomentSums,
    labeled_scores,
    moment_blocks,
    moment_sums,
)
from statsmodels_synth.gmm.sums import design_sums
from statsmodels_synth.gmm.target import (
    solve_target,
)
from statsmodels_synth.gmm.weights import (
    block_jacobian,
    optimal_weight,
)
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.scores import TargetScore


def _continuously_update(
    design: AlignedDesign,
    score: TargetScore,
    theta: Floats,
    eta: Floats,
    sums: MomentSums,
) -> tuple[Floats, Floats, bool, int]:
    """
    Minimise ``gbar_2' Omega_22(eta)^-1 gbar_2`` over eta.

    Eq. (criterion).

    Continuously updated GMM (Hansen, Heaton and Yaron 1996), with theta
    concentrated out: it has as many moments as components, so that the criterion
    over all parameters has its minimum where this one has.

    The gradient is ``2/T sum_t f_t G_2t' lambda`` with ``lambda = Omega_22^-1
    gbar_2`` and ``f_t = 1 - lambda' g_2t`` (Donald and Newey 2000), which holds for
    the uncentred Omega; the centred criterion is an increasing function of the
    uncentred one, so both have the same minimiser. BFGS works in the coordinates
    in which the two-step covariance of eta is the identity.

    Returns eta, ``f`` (T,), whether a minimum was found, and the passes it took.
    """
    p, n_units = design.k_params, design.n_units
    start, passes = eta.ravel(), 0
    weight = optimal_weight(sums.omega(), design.basis)
    whitened = weight.whiten @ block_jacobian(sums.auxiliary)
    # Columns of `scale` are directions of one standard error each.
    scale = scipy.linalg.pinv(whitened) @ scipy.linalg.orth(whitened)
    scale = scale / np.sqrt(n_units)

    def evaluate(z: Floats) -> tuple[float, Floats, Floats, Floats]:
        nonlocal passes
        passes += 2
        point = (start + scale @ z).reshape(eta.shape)
        here = moment_sums(design, score, theta, point, second_moment=True)
        root = optimal_weight(here.omega(), design.basis).whiten
        multiplier = root.T @ (root @ here.mean[p:])
        factors = np.empty(n_units)
        for units, block in moment_blocks(design, score, theta, point):
            factors[units] = 1.0 - block[:, p:] @ multiplier
        value = n_units * float(here.mean[p:] @ multiplier)
        return value, point, multiplier, factors

    def objective(z: Floats) -> tuple[float, Floats]:
        nonlocal passes
        value, point, multiplier, factors = evaluate(z)
        passes += 1
        tilted = block_jacobian(_tilted_auxiliary(design, score, point, factors))
        return value, scale.T @ (2.0 * n_units * tilted.T @ multiplier)

    found = scipy.optimize.minimize(
        objective,
        np.zeros(scale.shape[1]),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-6},
    )
    _, point, _, factors = evaluate(found.x)
    # Status 2 is loss of precision: fine when the gradient is at rounding level.
    solved = bool(found.success or np.abs(found.jac).max() < 1e-4)
    return point, factors, solved, passes


def _tilt(design: AlignedDesign, factors: Floats) -> AlignedDesign:
    """The design with the weight of every labelled unit multiplied."""
    labeled = factors[design.labeled_units]
    return replace(design, design_weights=design.design_weights * labeled)


def _tilted_target(
    design: AlignedDesign, score: TargetScore, theta: Floats, factors: Floats
) -> tuple[Floats, bool]:
    """
    Theta of continuously updated GMM, whose Omega_12 depends on theta itself.

    ``mean(a psi) = Omega_12 Omega_22^-1 gbar_2`` with ``Omega_12 = mean(a psi g_2')``
    is ``mean(f a psi) = 0``: a weighted score equation.
    """
    return solve_target(_tilt(design, factors), score, theta, np.zeros(len(theta)))


def _tilted_auxiliary(
    design: AlignedDesign, score: TargetScore, eta: Floats, factors: Floats
) -> Floats:
    """Jacobian of the moments of the sources, each unit weighted by its factor."""
    theta = np.zeros(design.k_params)
    *_, auxiliary = labeled_scores(_tilt(design, factors), score, theta, eta)
    everyone = design_sums(
        design,
        score,
        eta,
        unit_weights=np.broadcast_to(factors, (len(eta), len(factors))),
    )
    return np.stack([auxiliary / design.n_units, everyone.jacobian], axis=1)

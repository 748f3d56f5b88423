"""Newton's method for theta on the labelled rows, and when a step is negligible."""

from __future__ import annotations

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.exceptions import DataError
from statsmodels_synth.gmm.moments import target_scores
from statsmodels_synth.gmm.weights import SINGULAR
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.scores import TargetScore

#: Relative step below which theta counts as solved.
TARGET_TOLERANCE = 1e-12
#: Where x is badly scaled rounding keeps steps above it; then this is enough.
ROUNDING_STEP = 1e-8
MAX_STEPS = 50
MAX_HALVINGS = 30


def solve_target(
    design: AlignedDesign, score: TargetScore, theta: Floats, shift: Floats
) -> tuple[Floats, bool]:
    """
    Newton's method for ``mean(a psi(theta)) = shift`` on the labelled rows.

    Eq. (labels-only), Eq. (theta-hat).

    Shapes: `theta` (p,), `shift` (p,) -> `theta` (p,).
    """
    if not score.is_smooth:
        return _where_it_jumps(design, score, shift)

    def evaluate(point: Floats) -> tuple[Floats, Floats, Floats]:
        psi, target, _ = target_scores(design, score, point)
        mean = design.design_weights @ psi / design.n_units
        return mean - shift, target / design.n_units, psi

    residual, jacobian, psi = evaluate(theta)
    require_finite(residual, jacobian)
    for _ in range(MAX_STEPS):
        slope = design.basis.T @ jacobian @ design.basis
        if np.linalg.cond(slope) > SINGULAR:
            return theta, False
        step = -design.basis @ np.linalg.solve(slope, design.basis.T @ residual)
        moved = min(
            relative_step(step, theta, design.column_scale),
            score_step(step, jacobian, psi.T @ psi / design.n_units),
        )
        negligible = moved <= TARGET_TOLERANCE
        size = np.linalg.norm(design.basis.T @ residual)
        for _ in range(MAX_HALVINGS):
            new, new_jacobian, psi = evaluate(theta + step)
            # A step at rounding level need not reduce the residual further.
            if negligible or (
                np.linalg.norm(design.basis.T @ new) <= size
                and np.all(np.isfinite(new_jacobian))
            ):
                break
            step = step / 2
        else:
            # Nothing reduces the residual any more: rounding, if the step is small.
            return theta, moved <= ROUNDING_STEP
        theta, residual, jacobian = theta + step, new, new_jacobian
        if negligible:
            return theta, True
    return theta, moved <= ROUNDING_STEP


def _where_it_jumps(
    design: AlignedDesign, score: TargetScore, shift: Floats
) -> tuple[Floats, bool]:
    """What the target model itself says of the labels, and a step from there."""
    rows = design.labeled
    weights = design.row_weights(rows)
    theta = score.start(rows.endog, rows.exog, rows.offset, weights)
    _, target, _ = target_scores(design, score, theta)
    slope = design.basis.T @ target @ design.basis / design.n_units
    if not np.all(np.isfinite(slope)) or np.linalg.cond(slope) > SINGULAR:
        return theta, False
    step = design.basis @ np.linalg.solve(slope, design.basis.T @ shift)
    return theta + step, True


def require_finite(*arrays: Floats) -> None:
    """Raise if moments at the start are not finite."""
    if not all(np.all(np.isfinite(array)) for array in arrays):
        raise DataError(
            "The moments are infinite at the starting values. Give start_params nearer "
            "to the estimate, such as those of a GLM on the labelled rows."
        )


def relative_step(step: Floats, point: Floats, column_scale: Floats) -> float:
    """
    Largest change of the linear predictor as a share of its level.

    Shapes: `step, point` (p,), `column_scale` (p,).
    """
    change = (np.abs(step) * column_scale).max(axis=-1, initial=0.0)
    level = (np.abs(point) * column_scale).max(axis=-1, initial=0.0)
    return float(np.max(change / np.maximum(level, 1e-300), initial=0.0))


def score_step(step: Floats, jacobian: Floats, second_moment: Floats) -> float:
    """
    Largest change of a mean score as a share of the score's root mean square.

    Decides where all coefficients are zero and a relative step says nothing.

    Shapes: `step` (p,), `jacobian` (p, p), `second_moment` (p, p).
    """
    change = np.abs(jacobian @ step)
    rms = np.sqrt(np.diag(second_moment))
    return float(np.max(change / np.maximum(rms, 1e-300), initial=0.0))

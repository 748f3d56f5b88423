r"""
Solve the moment conditions for theta and eta.

theta enters only the labelled score, which has as many moments as theta has
components. Minimising ``gbar' W gbar`` therefore separates, for any weight
matrix ``W = Omega^-1``:

.. math::
    \hat\eta = \arg\min_\eta \bar g_2' \Omega_{22}^{-1} \bar g_2,
    \qquad
    \bar g_1(\hat\theta) = \Omega_{12} \Omega_{22}^{-1} \bar g_2(\hat\eta),

with ``g_1`` the labelled score and ``g_2`` the moments of the sources. The
first is a Gauss-Newton problem whose sums run over all rows, the second a
Newton problem on the labelled rows. The minimised criterion is
``gbar_2' Omega_22^-1 gbar_2``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.exceptions import CollinearityError, OptionError
from statsmodels_synth.gmm.cue import _continuously_update, _tilted_target
from statsmodels_synth.gmm.few_labels import FewLabels, few_label_estimate
from statsmodels_synth.gmm.moments import (
    MomentSums,
    labeled_scores,
    moment_sums,
    stack_second_moment,
)
from statsmodels_synth.gmm.sums import SourceState
from statsmodels_synth.gmm.target import (
    MAX_HALVINGS,
    MAX_STEPS,
    relative_step,
    require_finite,
    score_step,
    solve_target,
)
from statsmodels_synth.gmm.weights import (
    ZERO_SCORE,
    Weight,
    all_units_weight,
    block_jacobian,
    first_weight,
    independent_moments,
    inverse_in_basis,
    optimal_weight,
    redundant_sources,
    repeated_block,
    scaled_lstsq,
)
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.problem.groups import Clusters
from statsmodels_synth.problem.scores import TargetScore

#: Relative step below which eta counts as solved. Gauss-Newton converges
#: quadratically here, and the last step is applied to the mean as well, so the
#: error that remains in eta is of the order of this squared. With many units a
#: pass is dear, and the looser tolerance still leaves errors far below 1e-6
#: standard errors; with few, estimates shall not depend on the order of the rows.
STEP_TOLERANCE = 1e-7
TIGHT_STEP_TOLERANCE = 1e-10
MANY_UNITS = 100_000
#: Steps after which the second moment comes with every pass, and a kink of the score is
#: between steps of this relative size that do not become smaller.
MANY_STEPS = 8
KINK = 1e-3
#: Condition number of a source's equations from which it tells nothing of a parameter.
IDENTIFIED = 1e12
#: Iterated estimator: stop when no coefficient moves by more standard errors; and
#: what may still move when the steps run out, without a warning.
WEIGHT_TOLERANCE = 1e-8
SETTLED = 1e-3


@dataclass(frozen=True)
class Solution:
    """
    Parameters that solve the moment conditions.

    Parameters
    ----------
    theta : ndarray (p,)
        Target parameters.
    eta : ndarray (M, p)
        Auxiliary parameters.
    theta_real : ndarray (p,)
        Labelled-only estimate, the first step.
    sums : MomentSums
        Mean, Jacobian and second moment at (theta, eta).
    weight : Weight
        Weight matrix of the last step.
    criterion : float
        ``T gbar' W gbar`` with that weight: Hansen's J where W is optimal.
    converged : bool
        Whether every sub-problem was solved.
    settled : bool
        Whether the last step of the iterated estimator moved no coefficient by
        more than :data:`SETTLED` standard errors; True for the others.
    iterations : int
        Steps of the estimator: how often the weight was chosen, plus one.
    passes : int
        Passes over the rows of the sources.
    redundant : dict
        Positions of sources whose moments carry nothing of their own, with the
        reason. Where there are any, the solver stopped after the first step.
    few_labels : FewLabels or None
        The default estimate, where it is that.
    sources : SourceState or None
        What each source says by itself, where that is known.
    uses_sources : bool
        Whether anything is taken off for the sources.
    """

    theta: Floats
    eta: Floats
    theta_real: Floats
    sums: MomentSums
    weight: Weight
    criterion: float
    converged: bool
    settled: bool
    iterations: int
    passes: int
    redundant: dict[int, str] = field(default_factory=dict)
    few_labels: FewLabels | None = None
    uses_sources: bool = False
    sources: SourceState | None = None


class _Auxiliary:
    """
    Gauss-Newton for eta; keeps the latest sums, so that no pass is repeated.

    The sums at the current eta are carried from one weight to the next: the
    first step under a new weight needs no pass at all.
    """

    def __init__(
        self,
        design: AlignedDesign,
        score: TargetScore,
        theta: Floats,
        eta: Floats,
        known: SourceState | None,
    ) -> None:
        self.design, self.score, self.theta = design, score, theta
        self.passes = 0
        many = design.n_units > MANY_UNITS
        self.tolerance = STEP_TOLERANCE if many else TIGHT_STEP_TOLERANCE
        self.eta = eta
        if known is None:
            self.sums = self._evaluate(eta, second_moment=False)
        else:
            self.start_at(known)
        require_finite(self.sums.mean, self.sums.auxiliary)
        if not score.predictors:
            self._require_identified()

    def _require_identified(self) -> None:
        """Raise for a source whose rows do not tell a parameter of the equations."""
        basis, names = self.design.basis, self.score.constants
        for m, slope in enumerate(self.sums.auxiliary[:, 1]):
            _, values, right = np.linalg.svd(basis.T @ slope @ basis)
            if values[-1] <= values[0] / IDENTIFIED:
                least = names[int(np.argmax(np.abs(right[-1])))]
                raise CollinearityError(
                    f"Source {self.design.names[m]!r}: its rows do not identify "
                    f"{least!r} in {self.score.called}. Is a column of it constant, or "
                    "a combination of others? Leave the source out, or have that "
                    "column taken from data."
                )

    def _evaluate(self, eta: Floats, second_moment: bool) -> MomentSums:
        self.passes += 1 if len(eta) else 0
        return moment_sums(
            self.design, self.score, self.theta, eta, second_moment=second_moment
        )

    def start_at(self, known: SourceState) -> None:
        """Go where the sums of the sources are known."""
        self.eta = known.eta
        self.sums = moment_sums(
            self.design, self.score, self.theta, known.eta, sources=known.sums
        )

    def solve(self, weight: Weight) -> bool:
        """Minimise under `weight`; leaves eta and its sums, with Omega."""
        solved = self._iterate(weight) if len(self.eta) else True
        if self.sums.second_moment is None:
            self.sums = self._evaluate(self.eta, second_moment=True)
        return solved

    def _iterate(self, weight: Weight) -> bool:
        """Gauss-Newton steps under one weight. Eq. (eta-hat), Eq. (source-eta)."""
        p, before = self.design.k_params, np.inf
        if not self.score.is_smooth and self.sums.second_moment is None:
            # It has no exact solution: one step from where the start led.
            self.sums = self._evaluate(self.eta, second_moment=True)
        contraction = 0.0 if self.score.is_linear else 1.0
        for count in range(MAX_STEPS):
            residual = weight.whiten @ self.sums.mean[p:]
            jacobian = block_jacobian(self.sums.auxiliary)
            whitened = weight.whiten @ jacobian
            if not (np.all(np.isfinite(residual)) and np.all(np.isfinite(whitened))):
                return False
            # In the basis in which the labelled design is orthonormal: in that of
            # x the normal equations may be too ill-conditioned to be solved.
            turned = repeated_block(self.design.basis, self.design.k_sources)
            step = turned @ scaled_lstsq(whitened @ turned, -residual)
            step = step.reshape(self.eta.shape)
            relative = relative_step(step, self.eta, self.design.column_scale)
            # Where the score has a kink, steps may lead to and fro across it for ever.
            at_kink = count > MANY_STEPS and before * (1.0 - KINK) <= relative <= KINK
            if self.sums.second_moment is not None and (
                not self.score.is_smooth
                or at_kink
                or min(relative, self._score_step(step)) <= self.tolerance
            ):
                step = step / 2.0 if at_kink else step
                # Apply the last step to first order: no pass is worth it.
                mean = self.sums.mean.copy()
                mean[p:] += jacobian @ step.ravel()
                self.eta = self.eta + step
                self.sums = replace(self.sums, mean=mean)
                return True
            # Quadratic convergence: where the step after this one will be
            # negligible, its sums are wanted with the second moment.
            if relative < before < np.inf and contraction:
                contraction = min(1.0, 4.0 * relative / before / before)
            last = contraction * relative * relative <= self.tolerance
            before = relative
            if not self._move(weight, step, residual, last or count > MANY_STEPS):
                return False
        return False

    def _score_step(self, step: Floats) -> float:
        own = self.sums.source_outer()
        return max(
            score_step(step[m], self.sums.auxiliary[m, 1], own[m, :, m])
            for m in range(len(self.eta))
        )

    def _move(
        self, weight: Weight, step: Floats, residual: Floats, second_moment: bool
    ) -> bool:
        """Take the step, halved while the criterion rises or overflows."""
        p = self.design.k_params
        # At convergence the criterion is flat and may rise by rounding.
        limit = float(residual @ residual) * (1 + 1e-6) + 1e-30
        for _ in range(MAX_HALVINGS):
            sums = self._evaluate(self.eta + step, second_moment)
            new = weight.whiten @ sums.mean[p:]
            if float(new @ new) <= limit and np.all(np.isfinite(sums.auxiliary)):
                self.eta, self.sums = self.eta + step, sums
                return True
            step = step / 2
        return False

    def refresh(self, theta: Floats) -> None:
        """Second moment at a new theta, which enters the labelled rows only."""
        self.theta = theta
        self.sums = _with_target(self.design, self.score, theta, self.eta, self.sums)


def _with_target(
    design: AlignedDesign,
    score: TargetScore,
    theta: Floats,
    eta: Floats,
    sums: MomentSums,
) -> MomentSums:
    """Replace what depends on theta in sums whose source part is known."""
    p, n_units = design.k_params, design.n_units
    a = design.design_weights
    psi, h, target, _ = labeled_scores(design, score, theta, eta)
    mean = sums.mean.copy()
    mean[:p] = a @ psi / n_units
    outer = sums.source_outer().reshape(h.shape[1], h.shape[1])
    omega = stack_second_moment(psi, h, outer, a, n_units)
    return replace(sums, mean=mean, target=target / n_units, second_moment=omega)


# A trial step may overflow. It is found out by its values, and halved.
@np.errstate(all="ignore")
def solve(
    design: AlignedDesign,
    score: TargetScore,
    theta: Floats,
    eta: Floats,
    *,
    steps: int = 2,
    continuous: bool = False,
    centered: bool = False,
    shrink: bool = False,
    clusters: Clusters | None = None,
    known: SourceState | None = None,
) -> Solution:
    """
    Estimate theta and eta by one-step, two-step, iterated or continuous GMM.

    Eq. (criterion), Eq. (theta-hat).

    Shapes: `theta` (p,), `eta` (M, p).
    """
    theta_real, converged = solve_target(
        design, score, theta, np.zeros(design.k_params)
    )
    state = _Auxiliary(design, score, theta_real, eta, known if len(eta) else None)
    if shrink and len(eta):
        return _few_label_solution(state, converged, steps, clusters, known)
    if continuous and len(eta) and not score.predictors:
        _refuse_dependent(state)
    weight = first_weight(design)
    converged &= state.solve(weight)
    redundant = redundant_sources(design, score, state.sums) if converged else {}
    iterations, settled = 1, continuous or steps <= 2
    while converged and not redundant and iterations < (2 if continuous else steps):
        weight = optimal_weight(state.sums.omega(centered), design.basis)
        before = state.theta
        solved = state.solve(weight)
        shift = weight.gain @ state.sums.mean[design.k_params :]
        theta, found = solve_target(design, score, state.theta, shift)
        converged &= solved and found
        state.refresh(theta)
        iterations += 1
        if iterations > 2:
            moved = _moved(theta - before, state.sums, design)
            settled = moved <= SETTLED
            if moved <= WEIGHT_TOLERANCE:
                break
    if continuous and len(eta) and converged and not redundant:
        eta, factors, solved, more = _continuously_update(
            design, score, state.theta, state.eta, state.sums
        )
        theta, found = _tilted_target(design, score, state.theta, factors)
        converged &= solved and found
        state.eta, state.theta, state.passes = eta, theta, state.passes + more + 1
        state.sums = moment_sums(design, score, theta, eta, second_moment=True)
        weight = optimal_weight(state.sums.omega(centered), design.basis)
    return _solution(
        state,
        theta_real,
        weight,
        converged=converged,
        settled=settled or not len(eta),
        iterations=iterations,
        redundant=redundant,
        sources=known,
        uses_sources=bool(weight.gain.any()),
    )


def _refuse_dependent(state: _Auxiliary) -> None:
    """
    Raise if moments of sources depend on each other, where the weight is not fixed.

    A combination that is the same in all rows has a criterion of T wherever it is not
    zero, however close.
    """
    design, eta = state.design, state.eta
    if not state.solve(all_units_weight(design)):
        return
    if redundant_sources(design, state.score, state.sums):
        return  # which are left out, and the others solved anew
    size = eta.size
    change = repeated_block(design.basis.T, len(eta))
    outer = state.sums.source_outer().reshape(size, size)
    rank = independent_moments(change @ outer @ change.T)
    if rank < size:
        raise OptionError(
            "maxiter='cue' needs moments that do not follow from each other, and the "
            f"sources have {rank} such of {size}: what sources do not change is the "
            "same in each. Leave maxiter= out."
        )


def _few_label_solution(
    state: _Auxiliary,
    converged: bool,
    steps: int,
    clusters: Clusters | None,
    known: SourceState | None,
) -> Solution:
    """The default: each source by itself, then what is taken off. Eq. (estimate)."""
    design, theta_real = state.design, state.theta
    weight = all_units_weight(design)
    if known is None:
        solved = state.solve(weight) and not _is_stuck(state)
        converged &= solved
        if solved:
            # Go on from what does not depend on the labels, so that fits that share it
            # give the same numbers as this one.
            known = _state_of(state)
            state.start_at(known)
    redundant = redundant_sources(design, state.score, state.sums) if converged else {}
    few_labels = None
    if converged and not redundant and steps > 1:
        few_labels = few_label_estimate(
            design, state.score, theta_real, state.eta, state.sums, clusters
        )
        state.refresh(few_labels.theta)
        # It may be where the target model has no mean.
        converged = bool(np.all(np.isfinite(state.sums.mean)))
    return _solution(
        state,
        theta_real,
        weight,
        converged=converged,
        settled=True,
        iterations=1 if few_labels is None else 2,
        redundant=redundant,
        few_labels=few_labels,
        sources=known,
        uses_sources=few_labels is not None and bool(few_labels.stacked.matrix.any()),
    )


def _solution(
    state: _Auxiliary, theta_real: Floats, weight: Weight, **found: Any
) -> Solution:
    """What was found, at the present state."""
    whitened = weight.whiten @ state.sums.mean[state.design.k_params :]
    return Solution(
        theta=state.theta,
        eta=state.eta,
        theta_real=theta_real,
        sums=state.sums,
        weight=weight,
        criterion=float(state.design.n_units * (whitened @ whitened)),
        passes=state.passes,
        **found,
    )


def theta_without_clusters(
    design: AlignedDesign, score: TargetScore, solution: Solution
) -> Floats:
    """
    The default estimate, had what is taken off been learned from units.

    Reads the labelled rows only: what the sources say over all units stays as it is.

    Shapes: (p,).
    """
    start, eta, sums = solution.theta_real, solution.eta, solution.sums
    return few_label_estimate(design, score, start, eta, sums, None).theta


def solve_sources(
    design: AlignedDesign, score: TargetScore, theta: Floats, eta: Floats
) -> tuple[SourceState | None, int]:
    """
    What each source says over all its units.

    Eq. (source-eta).

    Shapes: `theta` (p,), `eta` (M, p).
    """
    with np.errstate(all="ignore"):
        state = _Auxiliary(design, score, theta, eta, None)
        solved = state.solve(all_units_weight(design)) and not _is_stuck(state)
    return _state_of(state) if solved else None, state.passes


def _is_stuck(state: _Auxiliary) -> bool:
    """
    Whether a score is not zero where it should be, more than chance could tell.

    Far out, where fitted means are at a bound, the score hardly depends on eta, and no
    step leads back.
    """
    sums = state.sums.source_sums()
    assert sums.outer is not None
    scale = np.tile(state.design.column_scale, len(state.eta))
    error = np.sqrt(np.diag(sums.outer) / state.design.n_units) / scale
    # An equation that holds in every row has rounding only.
    least = SETTLED * error + ZERO_SCORE * error.max(initial=0.0) + 1e-300
    return bool(np.any(np.abs(sums.mean.ravel()) / scale > least))


def _state_of(state: _Auxiliary) -> SourceState:
    return SourceState(state.eta, state.sums.source_sums(), state.design.n_units)


def _moved(step: Floats, sums: MomentSums, design: AlignedDesign) -> float:
    """Size of a step in labelled-only standard errors."""
    p = len(step)
    bread = inverse_in_basis(sums.target, design.basis)
    variance = np.diag(bread @ sums.omega()[:p, :p] @ bread.T) / design.n_units
    return float(np.max(np.abs(step) / np.sqrt(variance)))

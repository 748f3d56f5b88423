"""The pilot with some of its sources: fitted again where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import muted
from statsmodels_synth.exceptions import DataError, SynthWarning
from statsmodels_synth.gmm.fit import Fit, fit_design
from statsmodels_synth.planning.arguments import read_replicates
from statsmodels_synth.planning.prediction import VarianceParts
from statsmodels_synth.planning.variance import Pilot, explained_more, pilot_of
from statsmodels_synth.problem.design import AlignedDesign
from statsmodels_synth.sampling.pilots import UnitsToDraw, design_ratio

#: What a row of a table calls a design without sources.
LABELS_ONLY = "labels only"


@dataclass(frozen=True)
class DesignOfLabels:
    """
    How further labels are drawn.

    Parameters
    ----------
    name : str
        Design, as in :func:`~statsmodels_synth.draw_labels`.
    n : int
        Labels beyond those of the pilot; 0 for a simple random sample of all.
    coefficients : tuple of int
        Each is looked at as if it alone mattered.
    units : UnitsToDraw
        What they are drawn from.
    """

    name: str
    n: int
    coefficients: tuple[int, ...]
    units: UnitsToDraw

    def ratios(self, fit: Fit) -> Floats:
        """Variance in 1/n over that of the pilot's design, by coefficient, (p,)."""
        found = np.ones(fit.design.k_params)
        for j in self.coefficients:
            found[j] = design_ratio(fit, j, self.name, self.units, self.n)
        return found


class Pilots:
    """
    The pilot with any choice of its sources.

    Parameters
    ----------
    fit : Fit
        The pilot.
    n_units : int
        Its units, also those that are neither labelled nor covered.

    Attributes
    ----------
    kinds : list of str
        Kind of each source.
    covered : list of float
        Share of the units that each source covers.
    alone : VarianceParts
        Variance of the labels alone, which everything is compared with.
    min_labels : int
        The fewest labels that a prediction is made for.
    """

    def __init__(self, fit: Fit, n_units: int) -> None:
        design, self._n_units = fit.design, n_units
        self._design, self._solution, self._target = design, fit.solution, fit.target
        self._settings, self._clusters = fit.settings, fit.clusters
        self._known: dict[tuple[int, ...], Pilot] = {}
        self._bare: dict[tuple[int, ...], VarianceParts] = {}
        self.kinds = list(design.kinds)
        self.covered = [
            len(np.unique(source.unit_positions)) / n_units for source in design.sources
        ]
        least = max(design.k_params + 2, design.n_labeled // 4)
        self.min_labels = min(least, design.n_labeled)
        # Whatever is wrong with the pilot itself or its labels alone is found here.
        self.of(range(design.k_sources))
        self.alone = self.of(()).taken.alone()
        self._design_of_labels: DesignOfLabels | None = None

    def with_design(self, design: DesignOfLabels) -> Pilots:
        """The same, where further labels are drawn by a design."""
        found = copy(self)
        found._design_of_labels = design
        return found

    def of(self, used: Sequence[int]) -> Pilot:
        """The pilot with some of its sources."""
        key = tuple(used)
        if key not in self._known:
            self._known[key] = self._pilot(self._design.with_sources(key), key)
        return self._known[key]

    def _pilot(self, design: AlignedDesign, used: tuple[int, ...]) -> Pilot:
        """The pilot with a design of some of its sources."""
        with muted(SynthWarning):  # said when the pilot was fitted
            fit = fit_design(
                design,
                self._target,
                self._solution.theta_real,
                self._solution.eta[list(used)],
                self._settings,
                self._clusters,
            )
        variances = np.diag(fit.inference.covariance)
        solved = fit.solution.converged and not fit.dropped_sources
        if not (solved and np.all(variances > 0.0)):
            raise DataError(
                f"The pilot has no estimate with {self.label(used)}: its moment "
                "conditions were not solved. Plan without this choice of sources."
            )
        return pilot_of(fit, self._target.score, self._settings, self._n_units)

    def _beside(self, used: Sequence[int]) -> VarianceParts:
        """
        Labels alone whose variance the moments of sources lower.

        Where outcomes are less what sources say of groups, theirs are so as well.
        """
        if self._design.outcomes is None:
            return self.alone
        key = tuple(used)
        if key not in self._bare:
            design = replace(self._design.with_sources(key), outcomes=None)
            pilot = self._pilot(design.with_sources(()), ())
            self._bare[key] = pilot.taken.alone()
        return self._bare[key]

    def parts(self, used: Sequence[int], replicates: Any) -> VarianceParts:
        """Variance with some sources and numbers of replicates."""
        pilot = self.of(used)
        rows = [float("nan")] * len(self.kinds)
        for m, noise in zip(used, pilot.noise, strict=True):
            rows[m] = noise.rows
        asked = read_replicates(replicates, self._design.names, used, rows)
        place = {m: k for k, m in enumerate(used)}
        if not used:
            return self._drawn(self.alone, pilot)
        changed = {place[m]: r for m, r in asked.items()}
        more = explained_more(pilot, changed) if changed else 0.0
        parts = pilot.taken.beside(self._beside(used), self.min_labels, more)
        return self._drawn(parts, pilot)

    def _drawn(self, parts: VarianceParts, pilot: Pilot) -> VarianceParts:
        """Variance where further labels are drawn by a design."""
        if self._design_of_labels is None:
            return parts
        return parts.by_design(self._design_of_labels.ratios(pilot.fit))

    def parts_of_rows(
        self, used: Sequence[int], choice: Sequence[int]
    ) -> VarianceParts:
        """The same, by position."""
        names = self._design.names
        pairs = zip(used, choice, strict=True)
        return self.parts(used, {names[m]: r for m, r in pairs})

    def row_choices(self, m: int, most: int) -> list[int]:
        """Rows per unit that can be predicted."""
        noise = self.of(range(len(self.kinds))).noise[m]
        return list(range(1, 1 + (1 if noise.rows == 1 else most)))

    def can_be_had(self, used: Sequence[int]) -> bool:
        """Whether these sources can be had: one is made of what all proxies say."""
        kinds = [self.kinds[m] for m in used]
        return "auxiliary" not in kinds or kinds.count("proxy") == self.kinds.count(
            "proxy"
        )

    def label(self, used: Sequence[int]) -> str:
        """What tables call a choice of sources."""
        return ", ".join(self._design.names[m] for m in used) or LABELS_ONLY

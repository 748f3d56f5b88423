"""A user's own score, with the answers that hold for any model where it has none."""

from __future__ import annotations

from typing import Any

import numpy as np

from statsmodels_synth.core.arrays import Floats
from statsmodels_synth.core.messages import type_name
from statsmodels_synth.exceptions import OptionError
from statsmodels_synth.problem.scores.protocol import TargetScore


class PluginScore(TargetScore):
    """
    What :class:`~statsmodels_synth.scores.Score` has, checked row by row.

    Parameters
    ----------
    own : Score
        The user's object.
    """

    def __init__(self, own: Any) -> None:
        self.own = own
        self.name = type(own).__name__
        for name in self.OPTIONAL:
            if hasattr(own, name):
                setattr(self, name, getattr(own, name))
        self.constants = tuple(self.constants)
        self.is_single = self.predictors == 1 and not self.constants
        if not self.is_smooth and not hasattr(own, "start"):
            raise OptionError(
                f"{type_name(own)} has is_smooth=False, so that no equation leads to "
                "its estimate. Define start(endog, exog, offset, weights), which "
                "returns it."
            )
        if self.learns_from_rows and not hasattr(own, "told_rows"):
            raise OptionError(
                f"{type_name(own)} has learns_from_rows=True. Define told_rows(endog, "
                "exog, offset, weights, n_units), which returns the same score, told "
                "of these rows."
            )

    def told_rows(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
        n_units: int,
    ) -> PluginScore:
        """The same of what the object says when it is told the rows."""
        return PluginScore(self.own.told_rows(endog, exog, offset, weights, n_units))

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """Score factor and its derivative, (rows,) each, as the object returns them."""
        found = self.own.factors(endog, linear)
        if not isinstance(found, tuple) or len(found) != 2:
            raise OptionError(
                f"factors() of {type_name(self.own)} must return two arrays, the score "
                f"of each row and its derivative; it returns a {type_name(found)}."
            )
        factor, derivative = (np.array(part, dtype=float) for part in found)
        wanted = (linear.shape, linear.shape + linear.shape[1:])
        names = ["one score per row", "one derivative per row"]
        if not self.is_single:
            names[0] += " and linear predictor"
            names[1] += " and pair of linear predictors"
        for what, part, shape in zip(names, (factor, derivative), wanted, strict=True):
            if part.shape != shape:
                raise OptionError(
                    f"factors() of {type_name(self.own)} must return {what}, an array "
                    f"of shape {shape}; it has shape {part.shape}."
                )
        return factor, derivative

"""Terms of a formula where coefficients are not one by one those of its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class TermsOfCoefficients:
    """
    A specification whose terms point at coefficients, found by name.

    Absorbed fixed effects and thresholds leave no constant, and instruments have no
    coefficient. Terms without any are left out.

    Parameters
    ----------
    spec : patsy.DesignInfo or formulaic.ModelSpec
        Specification of the right side.
    names : sequence of str
        Names of the coefficients.
    """

    def __init__(self, spec: Any, names: Sequence[str]) -> None:
        self._spec = spec
        columns = [str(name) for name in spec.column_names]
        place = {name: k for k, name in enumerate(names)}
        self.term_slices: dict[Any, slice] = {}
        for term, own in spec.term_slices.items():
            at = [place.get(name, -1) for name in columns[own]]
            if at and at == list(range(at[0], at[0] + len(at))) and at[0] >= 0:
                self.term_slices[term] = slice(at[0], at[0] + len(at))
        self.terms = list(self.term_slices)
        self.term_names = [
            term.name() if callable(getattr(term, "name", None)) else str(term)
            for term in self.terms
        ]

    def __getattr__(self, name: str) -> Any:
        """What it has besides."""
        return getattr(self._spec, name)

    @property
    def design_info(self) -> TermsOfCoefficients:
        """Itself: it is not of patsy's class, and is asked for one as frames are."""
        return self

    #: As formulaic's are.
    model_spec = design_info

    def slice(self, term: Any) -> slice:
        """Coefficients of a term, as patsy asks for them."""
        return self.term_slices[term]

    #: As formulaic asks for them.
    get_slice = slice

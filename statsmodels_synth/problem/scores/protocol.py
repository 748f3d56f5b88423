"""What the package asks of a target model, with the answers that hold for any."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np

from statsmodels_synth.core.arrays import Floats


class Score(Protocol):
    """
    The score of a target model, row by row: what ``score=`` takes.

    One method is enough. What :class:`TargetScore` has besides may be defined as well,
    under the same names; what is not defined gets the answer that holds for any model.
    Where a score jumps, as that of a quantile does, its derivative is an estimate of
    the slope of its expectation.

    See Also
    --------
    TargetScore : Everything that a score may define.

    Examples
    --------
    Huber's robust regression with the tuning constant 1.345:

    >>> import numpy as np
    >>> import statsmodels.api as sm
    >>> from statsmodels_synth import AugmentedGMM
    >>> class Huber:
    ...     def factors(self, endog, linear):
    ...         residual = endog - linear
    ...         inside = np.abs(residual) <= 1.345
    ...         return np.clip(residual, -1.345, 1.345), -inside.astype(float)
    >>> rng = np.random.default_rng(0)
    >>> x = sm.add_constant(rng.normal(size=2000))
    >>> y = x @ [1.0, 0.5] + rng.standard_t(3, size=2000)
    >>> guess = y + rng.normal(scale=0.5, size=2000) + 0.3
    >>> labels = np.where(np.arange(2000) < 200, y, np.nan)
    >>> model = AugmentedGMM(labels, x, proxy={"llm": (guess, x)}, score=Huber())
    >>> model.fit().params.round(2)
    array([0.95, 0.54])
    """

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """
        Score factor and its derivative, row by row, Eq. (score).

        Parameters
        ----------
        endog : ndarray (rows,)
            Outcome.
        linear : ndarray (rows,)
            Linear predictor, offset included.

        Returns
        -------
        factor, derivative : ndarray (rows,)
            New arrays ``s`` and ``s'``, which the caller may overwrite. The score of a
            row is ``x s`` and its derivative with respect to theta ``x x' s'``. Where
            ``s`` jumps, ``s'`` is an estimate of the slope of its expectation.
        """
        ...


class TargetScore:
    """
    A score with all that the package may ask of it: a base class for scores.

    Attributes
    ----------
    kind, name : str
        What summaries and messages call it.
    family : statsmodels.genmod.families.Family or None
        Family and link, where the model is a generalised linear model.
    link : statsmodels.genmod.families.links.Link or None
        Link, where predictions have one; else intervals of means use the delta method.
    is_canonical : bool
        Whether the derivative does not depend on the outcome.
    is_linear : bool
        Whether it is constant, so that Newton's first step is the last.
    low, high : float
        Bounds of the outcome.
    low_open : bool
        Whether `low` itself is not admitted.
    range_text : str
        The range in words.
    separable : bool
        Whether a coefficient runs to infinity where regressors tell without error which
        outcomes are at `low` or `high`.
    """

    kind: str = "score"
    name: str = "user's own"
    family: Any = None
    link: Any = None
    is_canonical: bool = False
    is_linear: bool = False
    low: float = -np.inf
    high: float = np.inf
    low_open: bool = False
    range_text: str = "finite"
    separable: bool = False

    #: What a user's own object may define, besides `factors`.
    OPTIONAL: ClassVar[tuple[str, ...]] = (
        *("name", "link", "is_canonical", "is_linear", "low", "high", "low_open"),
        *("range_text", "separable", "mean", "start", "loss"),
    )

    @property
    def called(self) -> str:
        """The target model in a sentence."""
        return f"the score {self.name}"

    @property
    def title(self) -> list[tuple[str, str]]:
        """What the header of a summary says of the target model."""
        return [("Score", self.name)]

    def factors(self, endog: Floats, linear: Floats) -> tuple[Floats, Floats]:
        """Score factor and its derivative, (rows,) each; see :class:`Score`."""
        raise NotImplementedError

    def mean(self, linear: Floats) -> Floats:
        """
        Prediction of the outcome.

        Parameters
        ----------
        linear : ndarray (rows,)
            Linear predictor.

        Returns
        -------
        ndarray (rows,)
            The same, where nothing else is defined.
        """
        return linear

    def start(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None = None,
        weights: Floats | None = None,
    ) -> Floats:
        """
        A finite estimate to start from.

        Parameters
        ----------
        endog : ndarray (rows,)
            Outcome.
        exog : ndarray (rows, p)
            Regressors.
        offset, weights : ndarray (rows,), optional
            Of the rows.

        Returns
        -------
        ndarray (p,)
            Least squares, where nothing else is defined.
        """
        root = np.ones(len(endog)) if weights is None else np.sqrt(weights)
        shifted = endog if offset is None else endog - offset
        found = np.linalg.lstsq(exog * root[:, None], shifted * root, rcond=None)[0]
        return np.where(np.isfinite(found), found, 0.0)

    def loss(
        self, endog: Floats, linear: Floats, weights: Floats | None
    ) -> float | None:
        """
        What the estimate minimises.

        Parameters
        ----------
        endog, linear : ndarray (rows,)
            Outcome and linear predictor.
        weights : ndarray (rows,), optional
            Weights of the rows.

        Returns
        -------
        float or None
            None where nothing is known of it.
        """
        return None

"""What the package asks of a target model, with the answers that hold for any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from statsmodels_synth.core.arrays import Bools, Floats


class Score(Protocol):
    """
    The score of a target model, row by row: what ``score=`` takes.

    One method is enough. What :class:`TargetScore` has besides may be defined as well,
    under the same names; what is not defined gets the answer that holds for any model.

    A row may have several linear predictors, say J: `predictors` of them in which every
    regressor has a coefficient (one per level of a multinomial outcome), and one for
    each of `constants`, which is the same in all rows (a threshold, the log of a
    dispersion). Where a score jumps, as that of a quantile does, set `is_smooth` to
    False and define `start`.

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
        linear : ndarray (rows,), or (rows, J)
            Linear predictor, offset included; with several the offset is in the first.

        Returns
        -------
        factor : ndarray (rows,), or (rows, J)
            A new array ``s``, which the caller may overwrite: the derivative of the
            loss with respect to the linear predictor, its sign turned. The score of a
            row is ``x s``.
        derivative : ndarray (rows,), or (rows, J, J)
            A new array ``s'``, its derivative with respect to the linear predictor.
            That of the score with respect to theta is ``x x' s'``. Where ``s`` jumps,
            ``s'`` is an estimate of the slope of its expectation.
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
    is_smooth : bool
        Whether the score has a derivative. Where it jumps its equations have no exact
        solution: `start` is then the estimate itself, and one step of Newton's method
        leads from the estimate of some rows to that of all.
    is_linear_in_outcome : bool
        Whether the score is linear in the outcome, as that of every GLM.
    predictors : int
        Linear predictors in which every regressor has a coefficient. Coefficients are
        in the order of predictors, then of regressors.
    constants : tuple of str
        Names of the parameters that are a linear predictor of their own, the same in
        all rows; they come last.
    low, high : float
        Bounds of the outcome.
    low_open : bool
        Whether `low` itself is not admitted.
    range_text : str
        The range in words.
    separable : bool
        Whether a coefficient runs to infinity where regressors tell without error which
        outcomes are at `low` or `high`.
    fixed_predictors : ndarray (P, P) or None
        Without regressors that have a coefficient: derivative of the predictors with
        respect to the constants, the same in all rows; None: they are these.
    basis : ndarray (P, P) or None
        Basis of the parameters in which they are about as well determined; None: that
        in which regressors are orthonormal.
    param_scale : ndarray (P,) or None
        What each parameter is multiplied by; None: root mean squares of regressors.
    most_leverage : float
        Where leverages are cut off: one, as where the derivative is symmetric they are
        no larger, and a row with it is fitted exactly.
    has_levels : bool
        Whether outcomes are levels, which are coded before anything else.
    has_own_constant : bool
        Whether its parameters stand for the constant, which regressors then lack.
    mean_of_first : bool
        Whether `mean` depends on the first of several linear predictors alone, so that
        predictions have an interval.
    learns_from_labels : bool
        Whether `told_labels` changes something, so that each set of labels has its own.
    learns_from_rows : bool
        Whether `told_rows` changes something: `factors` sees rows block by block, and
        some models need one number of all rows, such as the bandwidth of a kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from statsmodels_synth import AugmentedGMM
    >>> from statsmodels_synth.datasets import load_posts
    >>> from statsmodels_synth.scores import TargetScore
    >>> class LeastSquares(TargetScore):
    ...     name = "least squares of my own"
    ...     def factors(self, endog, linear):
    ...         return endog - linear, -np.ones_like(linear)
    >>> formula, proxy = "polite ~ hedge", {"polite": "polite_llm"}
    >>> posts, score = load_posts(), LeastSquares()
    >>> own = AugmentedGMM.from_formula(formula, posts, proxy, score=score)
    >>> stock = AugmentedGMM.from_formula(formula, posts, proxy)
    >>> bool(np.allclose(own.fit().params, stock.fit().params))
    True
    """

    kind: str = "score"
    name: str = "user's own"
    family: Any = None
    link: Any = None
    is_canonical: bool = False
    is_linear: bool = False
    is_smooth: bool = True
    is_linear_in_outcome: bool = False
    predictors: int = 1
    constants: tuple[str, ...] = ()
    low: float = -np.inf
    high: float = np.inf
    low_open: bool = False
    range_text: str = "finite"
    separable: bool = False
    fixed_predictors: Floats | None = None
    basis: Floats | None = None
    param_scale: Floats | None = None
    mean_of_first: bool = False
    learns_from_labels: bool = False
    most_leverage: float = 1.0
    has_levels: bool = False
    has_own_constant: bool = False
    learns_from_rows: bool = False

    #: What a user's own object may define, besides `factors`.
    OPTIONAL: ClassVar[tuple[str, ...]] = (
        *("name", "link", "is_canonical", "is_linear", "low", "high", "low_open"),
        *("range_text", "separable", "mean", "start", "loss", "is_smooth"),
        *("is_linear_in_outcome", "predictors", "constants", "param_names"),
        *("learns_from_rows", "mean_of_first"),
    )

    #: Whether a row has one linear predictor, in which regressors have coefficients.
    is_single: bool = True

    def __init_subclass__(cls) -> None:
        """Keep at hand what every pass over rows asks for."""
        super().__init_subclass__()
        cls.is_single = cls.predictors == 1 and not cls.constants

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

    def told_rows(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
        n_units: int,
    ) -> TargetScore:
        """
        The same target model, told the rows of one source, or of the labels.

        Asked for before their `factors`, where `learns_from_rows` is set.

        Parameters
        ----------
        endog : ndarray (rows,)
            Outcome of all rows or, of many, of evenly spread ones.
        exog : ndarray (rows, p)
            Regressors.
        offset, weights : ndarray (rows,) or None
            Of the rows.
        n_units : int
            Units that all the rows belong to: replicates are one.

        Returns
        -------
        TargetScore
            Itself, where nothing else is defined.
        """
        return self

    def row_factors(
        self, endog: Floats, exog: Floats, linear: Floats
    ) -> tuple[Floats, Floats]:
        """The same for rows whose regressors count by themselves, too."""
        return self.factors(endog, linear)

    def told_names(self, exog_names: Sequence[str]) -> TargetScore:
        """The same target model, told the names of the p columns; itself if no use."""
        return self

    def told_labels(
        self,
        endog: Floats,
        exog: Floats,
        offset: Floats | None,
        weights: Floats | None,
    ) -> TargetScore:
        """The same target model, told the labelled rows and their weights."""
        return self

    def param_names(self, exog_names: Sequence[str]) -> list[str]:
        """
        Names of the parameters.

        Parameters
        ----------
        exog_names : sequence of str
            Names of the p regressors.

        Returns
        -------
        list of str
            Those of the regressors; with several predictors ``eq1:x``, ``eq2:x``, as
            statsmodels separates the equations of a multinomial model.
        """
        if self.predictors == 1:
            return [*exog_names, *self.constants]
        numbers = range(1, self.predictors + 1)
        own = [f"eq{j}:{name}" for j in numbers for name in exog_names]
        return [*own, *self.constants]

    def mean(self, linear: Floats) -> Floats:
        """
        Prediction of the outcome.

        Parameters
        ----------
        linear : ndarray (rows,), or (rows, J)
            Linear predictor.

        Returns
        -------
        ndarray (rows,), or (rows, k)
            The same, where nothing else is defined. With several linear predictors it
            may be one column for each level of the outcome.
        """
        return linear

    def separation_rows(self, endog: Floats, exog: Floats) -> Floats | None:
        """
        Contrasts of the parameters that no row may lower, where outcomes are levels.

        Outcomes are separated by a direction that lowers none and raises some.

        Shapes: `exog` (rows, p) -> (rows, c, P).
        """
        return None

    def outcomes(self, endog: Floats) -> Floats:
        """Outcomes as they are compared with labels, (rows,)."""
        return endog

    def numbers(self, endog: Floats) -> Floats:
        """Outcomes as numbers whose means are compared, (rows,)."""
        return endog

    def own_leverages(self, exog: Floats, weights: Floats) -> Floats | None:
        """Leverages of rows, (rows,), where not by the derivative of the score."""
        return None

    def strange_rows(self, exog: Floats) -> tuple[Bools, str] | None:
        """Rows with regressors that cannot be, (rows,), and what must be; or None."""
        return None

    def predicted(self, exog: Floats, params: Floats) -> Floats:
        """Prediction of a model without linear predictors, (rows,)."""
        raise NotImplementedError

    def prediction_columns(self, exog: Floats) -> Floats | None:
        """What predictions are linear in, by parameter, (rows, P); None: nothing."""
        if not (self.is_single or self.mean_of_first):
            return None
        return np.pad(exog, ((0, 0), (0, len(self.constants))))

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
        ndarray (P,)
            Least squares, where nothing else is defined; zero with several linear
            predictors.
        """
        if not self.is_single:
            return np.zeros(self.predictors * exog.shape[1] + len(self.constants))
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
        endog : ndarray (rows,)
            Outcome.
        linear : ndarray (rows,), or (rows, J)
            Linear predictor.
        weights : ndarray (rows,), optional
            Weights of the rows.

        Returns
        -------
        float or None
            None where nothing is known of it.
        """
        return None

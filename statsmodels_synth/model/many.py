"""Many sets of labels on the same sources: fitted one at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from operator import index
from typing import Any

import pandas as pd

from statsmodels_synth.core.options import check_alpha, methods_name_keywords
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.core.signatures import not_constructed
from statsmodels_synth.data.label_sets import (
    LabelSets,
    SharedUnits,
    align_labels,
)
from statsmodels_synth.exceptions import SynthError

FIT_KEYS = [
    *("start_params", "maxiter", "weights_method", "cov_type", "cov_kwds", "use_t"),
    *("centered", "use_correction", "population"),
]


@methods_name_keywords
@not_constructed
class ManyFits:
    """
    Fits of one model to many sets of labels, made when they are asked for.

    Made by :meth:`AugmentedGMM.fit_many`. Nothing is kept: every ``fits[k]`` and every
    loop fits again. It has a length, so that a progress bar such as
    ``tqdm(fits)`` knows it, and can be pickled, so that joblib can share it out.

    Attributes
    ----------
    names : list
        Name of each set: the columns or keys of `endog`, or 0 to K - 1.
    passes : int
        Passes over the rows of the sources that were made for all fits together.

    Examples
    --------
    >>> from statsmodels_synth import AugmentedGMM
    >>> from statsmodels_synth.datasets import load_posts
    >>> posts = load_posts(truth=True)
    >>> proxy = {"polite": "polite_llm"}
    >>> model = AugmentedGMM.from_formula("polite ~ hedge", posts, proxy)
    >>> truth = posts["polite_truth"].astype(float)
    >>> draws = {"a": 0, "b": 1}
    >>> labels = {k: truth.sample(300, random_state=draws[k]) for k in draws}
    >>> fits = model.fit_many(labels)
    >>> len(fits), fits.names
    (2, ['a', 'b'])
    >>> fits[1].params.round(2)
    Intercept    0.41
    hedge        0.09
    dtype: float64
    """

    def __init__(
        self,
        model: Any,
        shared: SharedUnits,
        sets: LabelSets,
        options: dict[str, Any],
        passes: int,
    ) -> None:
        self._model, self._shared, self._sets = model, shared, sets
        self._options, self.passes = options, passes

    @property
    def names(self) -> list[Hashable]:
        """Name of each set of labels."""
        return list(self._sets.names)

    def __len__(self) -> int:
        """Return the number of sets."""
        return len(self._sets.names)

    def __iter__(self) -> Iterator[Any]:
        """Fit one set after the other."""
        return (self[k] for k in range(len(self)))

    @with_one_blas_thread
    def __getitem__(self, k: int) -> Any:
        """Fit one set."""
        k = range(len(self))[index(k)]
        try:
            problem = align_labels(self._shared, *self._sets.labels(k))
            # Each set makes a source, or a target model, of its own.
            own = self._model.recalibration is not None
            own |= self._model.target_score.learns_from_labels
            state = None if own else self._model.source_state
            model = type(self._model).from_problem(problem, state)
            return model.fit(**self._options)
        except SynthError as error:
            name = self._sets.names[k]
            raise type(error)(f"Labels {name!r}: {error}") from error

    def tidy(self, alpha: float = 0.05) -> pd.DataFrame:
        """
        Coefficients of all fits as one plain frame; each is fitted for it.

        Parameters
        ----------
        alpha : float
            One minus the level of the intervals.

        Returns
        -------
        DataFrame
            One row per set of labels and coefficient: `term`, `estimate`, `std_error`,
            `statistic`, `p_value`, `conf_low`, `conf_high`, `labels` (name of the set).

        Examples
        --------
        >>> from statsmodels_synth import AugmentedGMM
        >>> from statsmodels_synth.datasets import load_posts
        >>> posts = load_posts(truth=True)
        >>> proxy = {"polite": "polite_llm"}
        >>> model = AugmentedGMM.from_formula("polite ~ hedge", posts, proxy)
        >>> truth = posts["polite_truth"].astype(float)
        >>> draws = {"a": 0, "b": 1}
        >>> labels = {k: truth.sample(300, random_state=draws[k]) for k in draws}
        >>> fits = model.fit_many(labels)
        >>> fits.tidy().shape
        (4, 8)
        """
        check_alpha(alpha)
        named = zip(self.names, self, strict=True)
        frames: list[pd.DataFrame] = [
            own.tidy(alpha).assign(labels=name) for name, own in named
        ]
        return pd.concat(frames, ignore_index=True)

    def __repr__(self) -> str:
        """Say what it is."""
        return (
            f"<{len(self)} fits of {type(self._model).__name__}, made when asked for>"
        )

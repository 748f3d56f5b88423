"""Many sets of labels on the same sources: read, aligned and fitted one at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from statsmodels.genmod import families

from statsmodels_synth._arrays import Bools, Floats, Positions, as_floats, missing_rows
from statsmodels_synth._process import with_one_blas_thread
from statsmodels_synth.aligning import AlignedRows, check_labels
from statsmodels_synth.assembly import (
    align_design,
    covered_units,
)
from statsmodels_synth.checks import check_coverage
from statsmodels_synth.design import (
    DesignRows,
    SourceArrays,
)
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    SynthError,
    count,
    name_units,
)
from statsmodels_synth.label_sets import (
    ByUnit,
    LabelSets,
    positions_of,
    read_sets,
    sorted_by_unit,
)
from statsmodels_synth.labeling import find_labeling
from statsmodels_synth.options import Missing, check_keywords
from statsmodels_synth.solver import solve_sources
from statsmodels_synth.sources import offsets, unit_weights, units_without_exog

if TYPE_CHECKING:
    from statsmodels_synth.model import AugmentedGMM
    from statsmodels_synth.results import AugmentedGMMResultsWrapper

FIT_KEYS = [
    *("start_params", "maxiter", "weights_method", "cov_type", "cov_kwds", "use_t"),
    *("centered", "use_correction"),
]


@dataclass(frozen=True)
class SharedUnits:
    """
    What all sets of labels have in common.

    Parameters
    ----------
    units : pandas.Index (T,)
        Labels of all units that were given.
    sources : tuple of SourceArrays
        Sources; positions are among these units.
    covered : ndarray (T,) of bool or None
        Units that a source covers; None: all.
    exog : ByUnit
        Regressors as people observed them.
    offset : ByUnit or None
        Offset of the labels, log exposure included.
    weights : ndarray (T,) or None
        Weight of each unit, with a mean of one.
    labeling_prob, strata : array_like or None
        How units are chosen, as it was given.
    family : statsmodels.genmod.families.Family
        Family of the target model.
    names : tuple of str
        Names of the coefficients.
    yname : str
        Name of the outcome.
    missing : {"drop", "raise"}
        What to do with labelled units whose regressors are missing.
    labeled_pandas : bool
        Whether labelled rows carry names and units.
    """

    units: pd.Index
    sources: tuple[SourceArrays, ...]
    covered: Bools | None
    exog: ByUnit
    offset: ByUnit | None
    weights: Floats | None
    labeling_prob: Any
    strata: Any
    family: families.Family
    names: tuple[str, ...]
    yname: str
    missing: Missing
    labeled_pandas: bool


def share_units(
    model: AugmentedGMM, exog: Any, labeling_prob: Any, strata: Any
) -> SharedUnits:
    """
    Take from a model what other sets of labels share with its own.

    Parameters
    ----------
    model : AugmentedGMM
        The model.
    exog : array_like (T, p) or DataFrame or None
        Regressors of the units, where the model does not have those of all.
    labeling_prob, strata : array_like or None
        How units are chosen, if not as in the model.

    Returns
    -------
    SharedUnits
        Arrays are shared, not copied.

    Raises
    ------
    DataError
        If the data were removed or are not in memory, or `exog` has another form.
    """
    design, units = model.aligned_or_raise(), model.given_units
    mask = np.asarray(model.labeled)
    labeled, sources = np.flatnonzero(mask), design.sources
    if design.kept is not None:
        kept = design.kept
        sources = tuple(replace(s, units=kept[s.units]) for s in sources)
    if labeling_prob is None and strata is None:
        labeling_prob, strata = model.labeling_prob, model.strata
        if labeling_prob is None and strata is None and design.labeling.name != "equal":
            raise DataError(
                "How the labels of this model were chosen is known for its labelled "
                "units only. Give labeling_prob= or strata= for all units."
            )
        if np.ndim(labeling_prob) and len(labeling_prob) != len(units):
            known = np.full(len(units), np.nan)
            known[labeled] = as_floats(labeling_prob, "labeling_prob")
            labeling_prob = known
    _, of_labels = offsets(model.offset, model.exposure, model.family, mask)
    return SharedUnits(
        units=units,
        sources=sources,
        covered=covered_units(sources, len(units)),
        exog=_known_exog(model, exog, labeled),
        offset=None if of_labels is None else _known_offset(model, mask, of_labels),
        weights=unit_weights(model.weights, len(units)),
        labeling_prob=labeling_prob,
        strata=strata,
        family=model.family,
        names=tuple(model.exog_names),
        yname=str(model.endog_names),
        missing=model.missing,
        labeled_pandas=isinstance(model.data.orig_exog, pd.DataFrame),
    )


def _known_exog(model: AugmentedGMM, exog: Any, labeled: Positions) -> ByUnit:
    what, names, units = "exog", list(model.exog_names), model.given_units
    positions: Positions | None
    if exog is None:
        advice = "Give exog= for them: the regressors of all units."
        if model.learned is not None:
            # Rows of data whose regressors are complete, labelled or not.
            rows = model.learned.exog_of_data()
            index = model.learned.index_of_data
            known = np.asarray(units.get_indexer(index), dtype=np.intp)
            n_data = 0 if model.unit_columns is None else len(model.unit_columns.data)
            if len(known) < n_data:
                # Units of data come first. Without their regressors they count as
                # unlabelled, as where the model is built with these labels.
                values = np.full((n_data, len(names)), np.nan)
                values[known] = rows
                rows, known = values, np.arange(n_data)
            return sorted_by_unit(rows, known, what, advice)
        return ByUnit(model.aligned.labeled.exog, labeled, what, advice)
    advice = "Give exog= a row for each of them."
    positions = None
    if isinstance(exog, pd.DataFrame):
        columns = [str(c) for c in exog.columns]
        if columns != names:
            raise AlignmentError(
                f"exog has the columns {columns}, the model has {names}. Give the same "
                "columns in the same order."
            )
        positions = positions_of(exog.index, units, "exog")
    values = as_floats(exog, "exog")
    values = values[:, None] if values.ndim == 1 else values
    n_rows = len(units) if positions is None else len(positions)
    if values.shape != (n_rows, len(names)):
        raise DataError(
            f"exog has shape {values.shape}; there are {len(units)} units and "
            f"{count(len(names), 'coefficient')}. Give one row per unit and the same "
            "columns as the model's."
        )
    if positions is None:
        return ByUnit(values, None, what, advice)
    return sorted_by_unit(values, positions, what, advice)


def _known_offset(model: AugmentedGMM, mask: Bools, of_labels: Floats) -> ByUnit:
    advice = "The model knows that of its labelled units only: "
    advice += (
        "give offset= or exposure= of all units to the constructor."
        if model.learned is None
        else "build it from arrays, with offset= or exposure= of all units."
    )
    given = [v for v in (model.offset, model.exposure) if v is not None]
    if all(len(v) == len(mask) for v in given):
        by_unit, _ = offsets(model.offset, model.exposure, model.family, mask)
        assert by_unit is not None
        return ByUnit(by_unit, None, "offset", advice)
    return ByUnit(of_labels, np.flatnonzero(mask), "offset", advice)


def align_labels(
    shared: SharedUnits, positions: Positions, values: Floats
) -> AlignedRows:
    """
    Align and check one set of labels.

    Parameters
    ----------
    shared : SharedUnits
        Units and sources.
    positions : ndarray (n,)
        Labelled units, increasing.
    values : ndarray (n,)
        Their labels.

    Returns
    -------
    AlignedRows
        The same as if the model had been built with these labels.

    Raises
    ------
    DataError, CollinearityError
        See :class:`~statsmodels_synth.AugmentedGMM`.
    """
    units, n_units, n_incomplete = shared.units, len(shared.units), 0
    exog = shared.exog.at(positions, units)
    lacking = missing_rows(exog)
    if lacking is not None:
        n_incomplete = int(lacking.sum())
        if shared.missing == "raise":
            raise DataError(
                f"exog is missing for {count(n_incomplete, 'labelled unit')} ("
                f"{name_units(units[positions[lacking]])}). Complete them, or build "
                "the model with missing='drop', which counts them as unlabelled."
            )
        positions, values, exog = positions[~lacking], values[~lacking], exog[~lacking]
    labels = DesignRows(
        values,
        exog,
        offset=None if shared.offset is None else shared.offset.at(positions, units),
        weights=None if shared.weights is None else shared.weights[positions],
    )
    own, names = units[positions], shared.names
    designs = [s.exog for s in shared.sources]
    check_labels(labels, own, n_units, designs, shared.family, names, shared.yname)
    for source in shared.sources:
        check_coverage(source.units, positions, source.name, units, len(names))
    mask = np.zeros(n_units, dtype=bool)
    mask[positions] = True
    labeling = find_labeling(shared.labeling_prob, shared.strata, mask, units)
    design = align_design(
        labels, positions, shared.sources, n_units, labeling, shared.covered
    )
    rows: tuple[Any, Any] = (values, exog)
    if shared.labeled_pandas:
        rows = (
            pd.Series(values, own, name=shared.yname),
            pd.DataFrame(exog, own, columns=list(names)),
        )
    gaps = None
    if shared.exog.positions is None:
        gaps = units_without_exog(shared.exog.values, mask)
    return AlignedRows(*rows, design, units, mask, n_incomplete, gaps)


class ManyFits:
    """
    Fits of one model to many sets of labels, made when they are asked for.

    Made by :meth:`AugmentedGMM.fit_many`. Nothing is kept: every ``fits[k]`` and every
    loop fits again. It has a length, so that a progress bar such as
    ``tqdm(fits)`` knows it, and can be pickled, so that joblib can share it out.

    Parameters
    ----------
    model : AugmentedGMM
        The model whose sources all fits share.
    shared : SharedUnits
        What they have in common.
    sets : LabelSets
        Their labels.
    options : dict
        Options of :meth:`AugmentedGMM.fit`.
    passes : int
        Passes over the rows of the sources that were made for all fits together.

    Attributes
    ----------
    names : list
        Name of each set: the columns or keys of `endog`, or 0 to K - 1.
    passes : int
        Passes over the rows of the sources that were made for all fits together.
    """

    def __init__(
        self,
        model: AugmentedGMM,
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

    def __iter__(self) -> Iterator[AugmentedGMMResultsWrapper]:
        """Fit one set after the other."""
        return (self[k] for k in range(len(self)))

    @with_one_blas_thread
    def __getitem__(self, k: int) -> AugmentedGMMResultsWrapper:
        """Fit one set."""
        k = range(len(self))[index(k)]
        try:
            aligned = align_labels(self._shared, *self._sets.labels(k))
            model = self._model.with_labels(aligned, **self._labeling(aligned))
            return model.fit(**self._options)
        except SynthError as error:
            name = self._sets.names[k]
            raise type(error)(f"Labels {name!r}: {error}") from error

    def __repr__(self) -> str:
        """Say what it is."""
        return (
            f"<{len(self)} fits of {type(self._model).__name__}, made when asked for>"
        )

    def _labeling(self, aligned: AlignedRows) -> dict[str, Any]:
        """How the units were chosen and their offset, as the constructor takes it."""
        shared, model = self._shared, self._model
        offset, exposure = model.offset, model.exposure
        if shared.offset is not None and shared.offset.positions is not None:
            offset, exposure = aligned.design.labeled.offset, None
        return {
            "labeling_prob": shared.labeling_prob,
            "strata": shared.strata,
            "offset": offset,
            "exposure": exposure,
        }


class FitsMany:
    """The part of the model that fits many sets of labels."""

    @with_one_blas_thread
    def fit_many(
        self,
        endog: Any,
        exog: Any = None,
        *,
        labeling_prob: Any = None,
        strata: Any = None,
        **kwargs: Any,
    ) -> ManyFits:
        """
        Fit many sets of labels, or many human outcomes, on the same sources.

        The passes over the rows of the sources are made once, here, and shared. Each
        fit gives the numbers of a model built with its labels.

        Parameters
        ----------
        endog : array_like (T, K), DataFrame, mapping, or list of Series
            Labels of each set, NaN where a unit is not labelled in it. The columns of a
            DataFrame, or the keys of a mapping from name to a Series or to an array
            (T,), name the sets. Pandas objects are matched by their index to the units
            (:attr:`given_units`) and need no rows for units that are not labelled;
            arrays have one row for each unit, in that order. With a formula these are
            values of its left side.
        exog : array_like (T, p) or DataFrame, optional
            Regressors as people observed them, the constant included. If omitted, those
            that the model has: of its labelled units, and with a formula of every row
            of `data`; one that lacks a regressor counts as unlabelled.
        labeling_prob, strata : array_like (T,), optional
            How units are chosen for labelling, if not as in the model.
        **kwargs
            Options of :meth:`fit`, the same for all.

        Returns
        -------
        ManyFits
            Iterable with a length; ``fits[k]`` is a normal result.

        Raises
        ------
        AlignmentError, DataError
            If rows cannot be matched to units. What is wrong with the labels of a set
            is said when it is fitted, with its name.

        See Also
        --------
        fit : One fit.

        Examples
        --------
        >>> import numpy as np
        >>> import statsmodels.api as sm
        >>> from statsmodels_synth import AugmentedGMM
        >>> rng = np.random.default_rng(0)
        >>> x = sm.add_constant(rng.normal(size=2000))
        >>> y = x @ [1.0, 0.5] + rng.normal(size=2000)
        >>> guess = y + rng.normal(scale=0.5, size=2000) + 0.3
        >>> model = AugmentedGMM(y, x, proxy={"llm": (guess, x)},
        ...                      labeled=np.arange(2000) < 200)
        >>> sets = np.full((2000, 3), np.nan)
        >>> for k in range(3):
        ...     chosen = rng.choice(2000, size=200, replace=False)
        ...     sets[chosen, k] = y[chosen]
        >>> fits = model.fit_many(sets, x)  # for result in tqdm(fits): ...
        >>> [result.params.round(2).tolist() for result in fits]
        [[1.0, 0.5], [0.97, 0.49], [0.99, 0.52]]
        """
        model: AugmentedGMM = self  # type: ignore[assignment]
        check_keywords("fit_many", kwargs, FIT_KEYS)
        shared = share_units(model, exog, labeling_prob, strata)
        sets = read_sets(endog, shared.units)
        passes = 0
        design, start = model.aligned, kwargs.get("start_params")
        given = start is not None and np.size(start) > model.k_params
        if model.source_state is None and design.k_sources and not given:
            model.source_state, passes = solve_sources(
                design,
                model.target_score,
                model.labeled_start(),
                model.sources_start(),
            )
        return ManyFits(model, shared, sets, kwargs, passes)

    def with_labels(self, aligned: AlignedRows, **kwargs: Any) -> AugmentedGMM:
        """
        The same model with other labels.

        Parameters
        ----------
        aligned : AlignedRows
            Labelled rows and sources.
        **kwargs
            `labeling_prob`, `strata`, `offset` and `exposure` of these.

        Returns
        -------
        AugmentedGMM
            It shares the rows of the sources, and what is known of them.
        """
        given: AugmentedGMM = self  # type: ignore[assignment]
        model = type(given)(
            aligned.endog,
            aligned.exog,
            proxy=given.proxy,
            synthetic=given.synthetic,
            family=given.family,
            weights=given.weights,
            missing=given.missing,
            hasconst=given.hasconst,
            learned=None if given.learned is None else given.learned.twin(),
            aligned=aligned,
            source_state=given.source_state,
            **kwargs,
        )
        model.unit_columns = given.unit_columns
        model.data.frame = getattr(given.data, "frame", None)
        return model

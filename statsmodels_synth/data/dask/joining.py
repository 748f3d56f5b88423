"""What was found on several parts, put together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, is_observed
from statsmodels_synth.data.dask.parts import PartFacts, Unmatched
from statsmodels_synth.problem.design import DesignRows


def joined_frames(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Rows of several parts, whose categories may differ."""
    joined = pd.concat(frames)
    for name in joined.columns:
        own = [frame[name].dtype for frame in frames]
        kinds = [kind for kind in own if isinstance(kind, pd.CategoricalDtype)]
        if not kinds or isinstance(joined[name].dtype, pd.CategoricalDtype):
            continue
        levels = pd.Index(
            np.concatenate([k.categories.to_numpy(object) for k in kinds])
        )
        levels = levels.append(pd.Index(joined[name].dropna(), dtype=object)).unique()
        if any(kind != kinds[0] for kind in kinds):
            levels = _in_order(levels)
        joined[name] = pd.Categorical(joined[name], levels)
    return joined


def _in_order(levels: pd.Index) -> pd.Index:
    try:
        return levels.sort_values()
    except TypeError:  # numbers and text
        return levels


def join_facts(found: list[PartFacts]) -> PartFacts:
    """Facts of several parts together."""
    labels = [part.labels for part in found]
    before = np.cumsum([0, *(len(own.endog) for own in labels)])
    sizes = [part.strata_sizes for part in found if part.strata_sizes is not None]
    k_sources = len(found[0].samples)
    strides = np.max([part.strides for part in found], axis=0)
    return PartFacts(
        labels=type(labels[0])(
            pd.concat([own.endog for own in labels]),
            pd.concat([own.exog for own in labels]),
            _joined([own.offset for own in labels]),
            _joined([own.exposure for own in labels]),
        ),
        weights=_joined([part.weights for part in found]),
        labeling_prob=_joined([part.labeling_prob for part in found]),
        strata=_joined([part.strata for part in found]),
        strata_sizes=pd.concat(sizes).groupby(level=0).sum() if sizes else None,
        labeled_sources=tuple(
            _joined_rows(
                [
                    replace(
                        part.labeled_sources[m],
                        units=part.labeled_sources[m].unit_positions + first,
                    )
                    for part, first in zip(found, before[:-1], strict=True)
                ]
            )
            for m in range(k_sources)
        ),
        samples=tuple(
            # From each part one row in as many as from the one that has most rows.
            _joined_rows(
                [
                    part.samples[m].take(
                        slice(None, None, strides[m] // part.strides[m]), None
                    )
                    for part in found
                ]
            )
            for m in range(k_sources)
        ),
        strides=strides,
        counts=np.sum([part.counts for part in found], axis=0),
        grams=np.sum([part.grams for part in found], axis=0),
        n_units=sum(part.n_units for part in found),
        gaps=_joined_gaps([part.gaps for part in found]),
        n_given=sum(part.n_given for part in found),
        n_foreign=sum(part.n_foreign for part in found),
        prob_sums=_added([part.prob_sums for part in found]),
        unmatched=_joined_ids([part.unmatched for part in found]),
        weight_sum=sum(part.weight_sum for part in found),
    )


def _joined_ids(found: list[Unmatched]) -> Unmatched:
    """Ids of all parts, of each one in as many as where there are most."""
    stride = max(part.stride for part in found)
    total: dict[str, list[tuple[pd.Index, pd.Index]]] = {}
    for part in found:
        for name, pair in part.at_stride(stride).ids.items():
            total.setdefault(name, []).append(pair)
    ids = {}
    for name, pairs in total.items():
        own, its = (pd.Index(np.concatenate(side)) for side in zip(*pairs, strict=True))
        ids[name] = own, its
    return Unmatched(ids, stride)


def _joined_gaps(
    found: list[dict[tuple[bool, ...], Floats]],
) -> dict[tuple[bool, ...], Floats]:
    total: dict[tuple[bool, ...], Floats] = {}
    for gaps in found:
        for pattern, counts in gaps.items():
            total[pattern] = total.get(pattern, np.zeros_like(counts)) + counts
    return total


def drawn_from(facts: PartFacts) -> int:
    """Units that take part, and others that could have been labelled."""
    counts, eligible = _eligible(facts)
    return facts.n_units + int(counts[eligible, 1].sum())


def could_be_labeled(facts: PartFacts) -> tuple[int, Floats | None]:
    """
    Units that could have been labelled, and sums of their probabilities.

    Shapes: (3,).
    """
    counts, eligible = _eligible(facts)
    n_units = facts.n_given - int(counts[~eligible, 0].sum())
    if facts.prob_sums is None:
        return n_units, None
    return n_units, facts.prob_sums + counts[eligible, 2:].sum(axis=0)


def _eligible(facts: PartFacts) -> tuple[Floats, Bools]:
    """
    What was counted of unlabelled units that are alike, and whether they count.

    By the rule for units in memory, with units that are alike counted at once.

    Shapes: (k, 5), (k,).
    """
    n_labeled, patterns = len(facts.labels.endog), list(facts.gaps)
    if not patterns:  # data has labelled units only
        return np.empty((0, 5)), np.empty(0, dtype=bool)
    counts = np.array([facts.gaps[pattern] for pattern in patterns]).reshape(-1, 5)
    gaps = np.array(patterns, dtype=bool).reshape(len(patterns), -1)
    observed = is_observed(~gaps.T @ counts[:, 0], n_labeled, int(counts[:, 0].sum()))
    return counts, np.asarray(~gaps[:, observed].any(axis=1))


def _joined(arrays: list[Any]) -> Any:
    """One array of several, or None of Nones."""
    return None if arrays[0] is None else np.concatenate(arrays)


def _added(arrays: list[Any]) -> Any:
    return None if arrays[0] is None else np.sum(arrays, axis=0)


def _joined_rows(rows: list[Any]) -> Any:
    """Rows of several parts; units must be positions among all, or None."""
    return replace(
        rows[0],
        endog=np.concatenate([r.endog for r in rows]),
        exog=np.concatenate([r.exog for r in rows]),
        units=_joined([r.units for r in rows]),
        offset=_joined([r.offset for r in rows]),
        weights=_joined_weights(rows),
        has_replicates=any(r.has_replicates for r in rows),
    )


def _joined_weights(rows: list[DesignRows]) -> Floats | None:
    """Weights; a part in which all are one has none of its own."""
    if all(r.weights is None for r in rows):
        return None
    return np.concatenate(
        [np.ones(len(r.endog)) if r.weights is None else r.weights for r in rows]
    )

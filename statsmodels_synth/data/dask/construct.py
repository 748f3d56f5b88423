"""The door for Dask: a design whose rows stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import dask
import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import as_floats, check_positive
from statsmodels_synth.core.messages import (
    count,
    format_units,
    option_label,
    show,
    unknown_column,
)
from statsmodels_synth.core.options import Engine
from statsmodels_synth.core.process import with_one_blas_thread
from statsmodels_synth.data.arrays import (
    AlignedProblem,
    ModelOptions,
    check_labels,
    keeps_cautions,
    offsets,
    told_columns,
)
from statsmodels_synth.data.checks import (
    check_coverage,
    check_source_design,
    surely_independent,
)
from statsmodels_synth.data.columns import check_frame
from statsmodels_synth.data.dask.dask_rows import (
    compute,
    evaluated,
    is_partitioned,
    kept_in_memory,
    meta_of,
    read_frame,
    tree,
)
from statsmodels_synth.data.dask.joining import (
    could_be_labeled,
    drawn_from,
    join_facts,
    joined_frames,
)
from statsmodels_synth.data.dask.learning import Learnable, distinct, rows_to_learn
from statsmodels_synth.data.dask.levels import code_partitions
from statsmodels_synth.data.dask.matching import (
    PartFrames,
    refuse_counted,
    refuse_other_units,
)
from statsmodels_synth.data.dask.partitions import DaskPartitions
from statsmodels_synth.data.dask.parts import (
    FirstLook,
    PartFacts,
    PartPlan,
    align_part,
    describe,
    first_look,
    typed_rows,
)
from statsmodels_synth.data.forms import GivenSource, given_sources
from statsmodels_synth.data.formula.absorbed import refuse_absorbed
from statsmodels_synth.data.formula.instruments import with_columns_of_terms
from statsmodels_synth.data.formula.learn import LearnedFormula, values_code
from statsmodels_synth.data.formula.parse import columns_of, read_formula
from statsmodels_synth.data.frames import On
from statsmodels_synth.data.from_frames import no_label
from statsmodels_synth.data.ids import refuse_ids_spelt_alike
from statsmodels_synth.data.kinds import (
    is_other_frame,
    is_path,
    names_of_columns,
    opened,
    refuse_positions,
    to_pandas,
)
from statsmodels_synth.data.labeling import labeling_of_labeled, refuse_both, stratified
from statsmodels_synth.exceptions import (
    AlignmentError,
    DataError,
    FormulaError,
    OptionError,
)
from statsmodels_synth.problem.design import (
    DesignRows,
    Labeling,
    SourceFacts,
    assemble_design,
    told_labels,
)
from statsmodels_synth.problem.scores import LevelScore, TargetScore

#: Rows of each source in the sample that starts are estimated from.
SAMPLE_ROWS = 200_000
#: Levels of a factor beyond which it can hardly be meant as one.
MANY_LEVELS = 10_000


class Input(NamedTuple):
    """
    Frames as they were given.

    Parameters
    ----------
    data : dask DataFrame
        Data.
    given : list of GivenSource
        The sources; `frame` is an empty one where a source has a frame of its own.
    frames : list of dask DataFrame
        The frames of these, in order.
    """

    data: Any
    given: list[GivenSource]
    frames: list[Any]


@keeps_cautions
@with_one_blas_thread
def align_partitions(
    formula: str,
    data: Any,
    labeled: Any,
    target: TargetScore,
    options: ModelOptions,
    *,
    namespace: dict[str, Any],
    engine: Engine | None,
    on: On,
) -> AlignedProblem:
    """Learn the formula, look once at every part, and keep what is small."""
    _refuse_auxiliary(options)
    _refuse_absorbed(formula)
    if options.rare_levels != "raise":
        raise OptionError(
            "rare_levels= needs all rows at once, and some are in Dask partitions. "
            "Recode the levels with map_partitions, or give data.compute() if it fits."
        )
    labeling_prob = options.labeling_prob
    refuse_both(labeling_prob, options.strata)
    given = read_input(data, options.proxy, options.synthetic, on)
    by_row = options.by_unit
    if _is_number(labeling_prob):
        by_row["labeling_prob"] = None
    columns = _columns_only(labeled=labeled, **by_row)
    metas = [meta_of(frame) for frame in (given.data, *given.frames)]
    names = set().union(*(map(str, meta.columns) for meta in metas))
    parsed = read_formula(formula, names, namespace, engine)
    if isinstance(target, LevelScore):
        parsed = replace(parsed, without_constant=target.has_own_constant)
        coded = code_partitions(*given, parsed.response, parsed.left, target)
        given, target = Input(*coded[:3]), coded.score
        metas = [meta_of(frame) for frame in (given.data, *given.frames)]
    plan = PartPlan(parsed, tuple(given.given), columns, on, options.missing, metas[0])
    # Without rows, all that can be wrong with names and options shows here.
    align_part(plan, tuple(metas))
    for option in ("labeling_prob", "strata"):
        if option in columns and columns[option] not in names:
            label = option_label(option, columns[option])
            raise unknown_column(label, columns[option], names)
    given_frames = [given.data, *given.frames]
    frames = PartFrames(
        tuple(given_frames),
        tuple(_needed(plan, frame, k == 0) for k, frame in enumerate(given_frames)),
        ("data", *(_called(s) for s in given.given if s.frame is not None)),
        plan.matches_frames,
        on,
    )
    if plan.matches_frames:
        plan = replace(plan, on=None)
        if on is None:
            response, regressors = set(parsed.response), set(parsed.regressors)
            refuse_other_units(frames, response, regressors)
    parts = frames.parts()
    look = _first_looks(plan, frames.columns_of_data, [part[0] for part in parts])
    plan = replace(plan, types=typed_rows(plan, pd.concat([look.labeled, look.first])))
    learned = _learn(plan, look, [part[0] for part in parts])
    plan = replace(plan, learned=learned, score=target)
    facts = _describe(plan, parts)
    for name, (ids, others) in facts.unmatched.ids.items():
        refuse_ids_spelt_alike(ids, others, name, on, stride=facts.unmatched.stride)
    if plan.matches_frames and on is None:
        own = [s.frame is not None for s in plan.given]
        n_rows = (facts.counts[:, 0] + facts.counts[:, 2])[own]
        refuse_counted(frames, [look.n_rows, *n_rows])
    if "weights" in columns:
        scale = facts.n_given / facts.weight_sum
        plan = replace(plan, weight_scale=scale)
    aligned = _aligned(plan, facts, look, frames, parts, labeling_prob, target)
    # What the options name stays in the partitions.
    score = target if target.has_levels else options.score  # which knows the codes
    kept = replace(aligned.options, score=score, hasconst=options.hasconst)
    return replace(aligned, options=kept)


def _refuse_absorbed(formula: str) -> None:
    """Raise if the formula absorbs fixed effects."""
    refuse_absorbed(
        formula,
        "where rows are in Dask partitions",
        "Give data.compute() and source.compute() if they fit into memory.",
    )


def _refuse_auxiliary(options: ModelOptions) -> None:
    """Raise if columns shall make a source: what it predicts would be one more pass."""
    if options.auxiliary is not None or options.learner is not None:
        raise OptionError(
            "auxiliary= needs its columns and the rows of the proxies in memory, and "
            "these are in Dask partitions. If they fit, give data.compute() and "
            "source.compute(); else predict the outcome yourself, each fold of the "
            "units from the labels of the others, and give that as one more proxy."
        )


def read_input(data: Any, proxy: Any, synthetic: Any, on: On) -> Input:
    """Read every form of input as Dask frames, without computing those of Dask."""
    found: list[Any] = []

    def placeholder(value: Any, where: str) -> Any:
        frame = value = opened(value)
        if is_partitioned(value) or is_path(value):
            frame = read_frame(value, where)
        elif is_other_frame(value) or isinstance(value, (pd.DataFrame, pd.Series)):
            refuse_positions([("data", data), (where, value)], on)
            frame = read_frame(_in_memory(value, where), where)
        else:
            return value
        found.append(frame)
        return meta_of(frame)

    sources = {}
    for kind, value in (("proxy", proxy), ("synthetic", synthetic)):
        if isinstance(value, Mapping):
            sources[kind] = {
                name: placeholder(own, f"Source {name!r}")
                for name, own in value.items()
            }
        else:
            sources[kind] = placeholder(value, f"Source {kind!r}")
    data = opened(data)
    if not (is_partitioned(data) or isinstance(data, str) or is_path(data)):
        refuse_positions([("data", data), *((s, None) for s in sources)], on)
        data = _in_memory(data, "data")
        check_frame(data)
    frame = read_frame(data, "data")
    given = given_sources(sources["proxy"], sources["synthetic"])
    return Input(frame, given, found)


def _in_memory(value: Any, where: str) -> Any:
    """A pandas DataFrame of a frame or Series of any kind."""
    if is_other_frame(value):
        return to_pandas(value, names_of_columns(value), [], where)
    return value.to_frame() if isinstance(value, pd.Series) else value


def _called(source: GivenSource) -> str:
    return f"Source {source.name!r}"


def _is_number(value: Any) -> bool:
    return np.isscalar(value) and not isinstance(value, str)


def _columns_only(**options: Any) -> dict[str, str]:
    """Options that name a column."""
    for name, value in options.items():
        if value is not None and not isinstance(value, str):
            raise OptionError(
                f"{name}= must be the name of a column where data is in partitions. "
                "Make it a column of data."
            )
    return {name: value for name, value in options.items() if value is not None}


def _needed(plan: PartPlan, frame: Any, is_data: bool) -> list[str]:
    """Columns of a frame that are used at all."""
    used = [*plan.variables, *plan.options.values()]
    if is_data:
        used += [column for s in plan.given for column in s.columns.values()]
    on = plan.on if isinstance(plan.on, (list, tuple)) else [plan.on]
    used += [str(name) for name in on if name is not None]
    return [name for name in frame.columns if name in set(used)]


def _first_looks(plan: PartPlan, columns: list[str], parts: list[Any]) -> FirstLook:
    """Labelled rows of all parts, and a few others."""
    shared, step = dask.delayed(plan), dask.delayed(first_look)
    looks: list[FirstLook] = compute([step(shared, columns, part) for part in parts])
    n_rows = sum(look.n_rows for look in looks)
    labeled = joined_frames([look.labeled for look in looks])
    gaps = sum((look.gaps for look in looks[1:]), looks[0].gaps)
    if not n_rows:
        raise DataError("data has no rows.")
    if not len(labeled):
        raise no_label(gaps / n_rows)
    if plan.on is not None and not labeled.index.is_unique:
        repeated = labeled.index[labeled.index.duplicated()].unique()
        raise AlignmentError(
            f"data has more than one labelled row for {count(len(repeated), 'unit')} "
            f"({format_units(repeated)}). Keep one row per unit."
        )
    first = joined_frames([look.first for look in looks])
    return FirstLook(
        labeled,
        first.iloc[:1000],
        n_rows,
        sum(look.n_incomplete for look in looks),
        gaps,
    )


def _learn(plan: PartPlan, look: FirstLook, parts: list[Any]) -> LearnedFormula:
    """The formula with what it learns from all rows of data."""
    parsed = plan.parsed
    labels = typed_rows(plan, look.labeled)
    regressors = list(parsed.regressors)
    some = plan.types.loc[plan.types[regressors].notna().all(axis=1).to_numpy()]
    learned = LearnedFormula(parsed, labels, some)
    needed, codes = _learnable(learned, some)
    if not (needed.levels or needed.factors or codes):
        return learned
    shared, step = dask.delayed(replace(plan, learned=learned)), rows_to_learn
    join = partial(_join, needed.groups)
    found = [dask.delayed(step)(shared, needed, part) for part in parts]
    rows, columns = compute(tree(found, join))
    states: dict[str, Any] = {}
    for code in codes:
        states |= parsed.through.states_of(learned.specification_of(code, columns))
    # Categories keep their order.
    shown = joined_frames([some[regressors], rows[regressors]]) if len(rows) else some
    return LearnedFormula(parsed, labels, shown, states or None)


def _learnable(
    learned: LearnedFormula, frame: pd.DataFrame
) -> tuple[Learnable, list[str]]:
    """Columns whose levels or values are needed from all rows, and stateful factors."""
    parsed = learned.parsed
    _, codes = parsed.codes
    levels: list[tuple[str, ...]] = []
    factors: list[str] = []
    columns: dict[str, None] = {}
    stateful: list[str] = []
    for code in dict.fromkeys(codes):
        spec = learned.specification_of(code, frame)
        used = columns_of(
            code, set(parsed.regressors), parsed.namespace, parsed.text, {}
        )
        if parsed.through.states_of(spec):
            stateful.append(code)
            columns |= dict.fromkeys(used)
        elif parsed.through.levels_of(spec):
            values = values_code(code)
            if values in used or values.startswith("Q("):
                levels.append(tuple(used))
            else:
                factors.append(values)
    return Learnable(tuple(levels), tuple(factors), tuple(columns)), stateful


def _join(
    levels: tuple[tuple[str, ...], ...],
    found: list[tuple[pd.DataFrame, pd.DataFrame]],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Levels and columns of several parts."""
    rows = distinct(pd.concat([rows for rows, _ in found]), levels)
    for group in levels:
        if len(rows.drop_duplicates(list(group))) > MANY_LEVELS:
            raise FormulaError(
                f"{', '.join(map(repr, group))} has more than {MANY_LEVELS} levels. "
                "Merge levels, or make it a number."
            )
    return rows, pd.concat([columns for _, columns in found])


def _describe(plan: PartPlan, parts: list[tuple[Any, ...]]) -> PartFacts:
    """Facts of all parts together."""
    shared, step = dask.delayed(plan), dask.delayed(describe)
    most = max(1, SAMPLE_ROWS // len(parts))
    found: list[PartFacts] = compute([step(shared, most, *p) for p in parts])
    found = [part for part in found if part.n_given]
    before: Any = None
    for part in found if plan.matches_frames else []:
        assert part.edges is not None
        first: Any
        first, last = part.edges
        if before is not None and not first > before:
            raise AlignmentError(
                f"Unit {show(first)} has rows in two partitions, or partitions are not "
                "in the order of their units. Set the index anew: "
                "frame.reset_index().set_index(...)."
            )
        before = last
    return join_facts(found)


def _aligned(
    plan: PartPlan,
    facts: PartFacts,
    look: FirstLook,
    frames: PartFrames,
    parts: list[tuple[Any, ...]],
    labeling_prob: Any,
    target: TargetScore,
) -> AlignedProblem:
    """Check the whole, and put it together."""
    learned = plan.learned
    assert learned is not None
    labels, names = facts.labels, learned.exog_names
    units = labels.endog.index
    n, p = labels.exog.shape
    _, offset = offsets(labels.offset, labels.exposure, target, np.ones(n, dtype=bool))
    weights = None
    if facts.weights is not None:
        check_positive(facts.weights, "weights", units)
        weights = facts.weights * plan.weight_scale
    rows = DesignRows(
        as_floats(labels.endog, "endog"),
        as_floats(labels.exog, "exog"),
        offset=offset,
        weights=weights,
    )
    target = told_columns(with_columns_of_terms(target, learned), names, offset)
    described = [
        SourceFacts(s.name, s.kind, *map(int, own))
        for s, own in zip(facts.samples, facts.counts, strict=True)
    ]
    if facts.n_foreign and _counted(look.labeled.index):
        raise AlignmentError(
            f"{facts.n_foreign} units of the sources are not in data, and units are "
            "plain numbers without a name, so that the frames may not count the same "
            "units. Set on= to the column that identifies units, or name the index."
        )
    check_labels(
        rows,
        units,
        facts.n_units,
        [s.exog for s in facts.samples],
        target,
        names,
        learned.yname,
    )
    for m, fact in enumerate(described):
        _check_whole_source(fact, facts, m, units, p, names)
    scale = plan.weight_scale
    samples, labeled_sources = (
        tuple(_rescaled(own, scale) for own in found)
        for found in (facts.samples, facts.labeled_sources)
    )
    nbytes = int(sum(8 * (p + 2) * fact.n_rows for fact in described))
    recipes = evaluated(plan, parts)
    partitions = DaskPartitions(
        recipes,
        tuple(described),
        samples,
        tuple(range(len(described))),
        plan,
        frames,
        kept_in_memory(recipes, nbytes),
    )
    labeling = _labeling(facts, labeling_prob, units)
    target = told_labels(target, rows, labeling)
    in_use = assemble_design(
        rows,
        np.arange(n),
        partitions,
        labeled_sources,
        facts.n_units,
        target,
        labeling=labeling,
    )
    design = replace(in_use, n_frame=drawn_from(facts))
    return AlignedProblem(
        target=target,
        endog=labels.endog,
        exog=labels.exog,
        design=design,
        units=units,
        labeled=np.ones(n, dtype=bool),
        n_incomplete=look.n_incomplete,
        options=ModelOptions(missing=plan.missing),
        learned=learned,
    )


def _counted(index: pd.Index) -> bool:
    """Whether units are numbers that nobody has named."""
    return index.name is None and pd.api.types.is_integer_dtype(index.dtype)


def _rescaled(rows: Any, scale: float) -> Any:
    """Rows with their weights brought to a mean of one over the units."""
    return rows if rows.weights is None else replace(rows, weights=rows.weights * scale)


def _check_whole_source(
    fact: SourceFacts,
    facts: PartFacts,
    m: int,
    units: pd.Index,
    p: int,
    names: list[str],
) -> None:
    """Coverage and collinearity of one source over all parts."""
    if not fact.n_rows:
        raise DataError(
            f"Source {fact.name!r} has no row with every variable of the formula "
            f"({count(fact.n_dropped, 'incomplete row')}). Complete it or leave the "
            "source out."
        )
    n = len(units)
    covered = np.unique(facts.labeled_sources[m].unit_positions)
    # All other units as one: what counts is whether there are any.
    everyone = units.append(pd.Index([None])) if facts.n_units > n else units
    if fact.n_covered > len(covered):
        covered = np.append(covered, n)
    check_coverage(covered, np.arange(n), fact.name, everyone, p)
    if not surely_independent(facts.grams[m]):
        check_source_design(facts.samples[m].exog, fact.name, names)


def _labeling(facts: PartFacts, labeling_prob: Any, units: pd.Index) -> Labeling:
    """How the labelled units were chosen."""
    if facts.strata is not None:
        assert facts.strata_sizes is not None
        return stratified(facts.strata, facts.strata_sizes)
    prob, (n_units, sums) = facts.labeling_prob, could_be_labeled(facts)
    if prob is None and labeling_prob is not None:
        p = float(labeling_prob)
        prob = np.full(len(units), p)
        sums = np.array([p, p * (1.0 - p), 0.0]) * n_units
    return labeling_of_labeled(prob, n_units, units, sums)

"""Which units to send to coders: draws with known probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from statsmodels_synth.core.arrays import Bools, Floats, as_floats
from statsmodels_synth.core.messages import (
    count,
    muted,
)
from statsmodels_synth.core.options import check_choice, check_count
from statsmodels_synth.core.process import with_filters_kept, with_one_blas_thread
from statsmodels_synth.data.frames import On
from statsmodels_synth.exceptions import (
    DataError,
    OptionError,
    SynthError,
    SynthWarning,
)
from statsmodels_synth.model.augmented import AugmentedGMM
from statsmodels_synth.model.drawn_from import (
    Frame,
    Request,
    coefficients,
    random_keys,
    read_pilot,
    read_units,
)
from statsmodels_synth.problem.scores.protocol import TargetScore
from statsmodels_synth.sampling.draws import (
    LEAST_PER_STRATUM,
    allocated,
    drawn_within,
    systematic,
    wave_probabilities,
)
from statsmodels_synth.sampling.influence import label_leverage, unit_leverage
from statsmodels_synth.sampling.pilots import (
    FEWEST_LABELS,
    influence_of_labels,
    learned_from_pilot,
    spread_by_group,
)
from statsmodels_synth.sampling.spread import with_floor

Design = Literal["random", "stratified", "clusters", "influence", "optimal"]


@dataclass(frozen=True)
class _Drawn:
    """What a design says: who is drawn, the probabilities, and the expected gain."""

    drawn: Bools
    combined: Floats
    gain: float = float("nan")


@with_filters_kept
@with_one_blas_thread
def draw_labels(
    units: Any,
    n: int,
    design: Design = "random",
    *,
    pilot: Any = None,
    for_: Any = None,
    formula: str | None = None,
    proxy: Any = None,
    strata: str | None = None,
    clusters: str | None = None,
    auxiliary: Any = None,
    balance: str | None = None,
    on: On = None,
    seed: int | None = None,
    **options: Any,
) -> pd.DataFrame:
    """
    Draw the units that people shall label, with the probabilities of being drawn.

    Parameters
    ----------
    units : DataFrame or Table
        One row per unit that could be labelled. With `pilot` the units that it was
        fitted to.
    n : int
        Labels to draw, beyond those of the pilot. With ``design="clusters"`` whole
        clusters are drawn, of about so many units.
    design : {"random", "stratified", "clusters", "influence", "optimal"}
        * "random": a simple random sample.
        * "stratified": a fixed number in each stratum, in proportion to its size; with
          a pilot, to its size times the spread of what labels tell in it (Neyman).
        * "clusters": a simple random sample of whole clusters.
        * "influence": with probabilities in proportion to how much a label would move
          the coefficients `for_`, by the regressors of the unit alone. Needs no label:
          `formula` and `proxy`, or a pilot.
        * "optimal": in proportion to the expected error of the sources there as well,
          as the labels of a pilot show it; without a pilot, as the proxies say
          themselves, by probabilities or by their disagreement.
    pilot : AugmentedGMMResults, optional
        A fit with the labels that there are. These are kept, and `labeling_prob` is
        that of being labelled in either wave.
    for_ : str or list of str, optional
        Coefficients that matter; all but the constant if omitted.
    formula : str, optional
        The model, for "influence" and "optimal" without a pilot.
    proxy : mapping or DataFrame, optional
        What a model says of the outcome, and of regressors that nobody observed, in the
        forms of :meth:`AugmentedGMM.from_formula`.
    strata, clusters : str, optional
        Column of units, for the designs of these names.
    auxiliary : str or list of str, optional
        Columns of numbers that may say where sources err, for "optimal" with a pilot.
    balance : str, optional
        Column of numbers. Units are drawn systematically in its order, so that the
        sample has its distribution. Not with "stratified" and "clusters".
    on : str or list of str, optional
        Column of ids, or several; the index if omitted.
    seed : int, optional
        The same seed and units give the same draw, in whatever order the rows are. If
        omitted, one is drawn and kept in ``.attrs["seed"]``.
    **options
        Of :meth:`AugmentedGMM.from_formula`, such as `family`, `score` and `weights`,
        without a pilot.

    Returns
    -------
    DataFrame
        By unit: `drawn`, who is to be labelled now, and `labeling_prob`, which goes to
        ``labeling_prob=`` of the fit; with a pilot also `labeled`, who is already.
        With "stratified" the fit takes ``strata=`` instead, unless a pilot had unequal
        probabilities within these strata; with "clusters" it takes
        ``cov_type="cluster"``. ``.attrs`` holds design, n, seed, and `gain`: the share
        of the variance that the design takes off a simple random sample, as far as the
        pilot can say, else NaN.

    Raises
    ------
    DataError
        If there are not so many units, if ids are missing or occur twice, or if the
        units are not those of the pilot.
    OptionError
        If a design lacks what it needs, or has what it does not take.

    See Also
    --------
    statsmodels_synth.planning.Plan : How many labels are needed.

    Notes
    -----
    A tenth of the expected squared influence is spread evenly over all units, so that
    no unit has less than about a third of the mean probability: what a model says may
    be wrong. With a pilot, a step away from simple random sampling is made only if it
    pays at labels that were left out, by more than its standard error. What is learned
    for a unit does not depend on its own label, so that combined probabilities are
    those of the draw. Active inference of a mean ([1]_) is the special case ``y ~ 1``.

    References
    ----------
    .. [1] Zrnic, T. and Candes, E. J. (2024). Active statistical inference.
       arXiv 2403.03208.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from statsmodels_synth import draw_labels
    >>> rng = np.random.default_rng(0)
    >>> texts = pd.DataFrame({"rare": rng.random(5000) < 0.04, "llm": rng.random(5000)})
    >>> drawn = draw_labels(
    ...     texts, 200, "influence", formula="y ~ rare", proxy={"y": "llm"}, seed=1
    ... )
    >>> int(drawn["drawn"].sum()), int(texts["rare"][drawn["drawn"]].sum())
    (200, 65)
    >>> drawn.groupby(texts["rare"])["labeling_prob"].first().round(3).tolist()
    [0.027, 0.342]
    """
    check_choice("design", design, Design)
    check_count("n", n)
    request = Request(
        for_, formula, proxy, strata, clusters, auxiliary, balance, on, options
    )
    request.check(design, has_pilot=pilot is not None)
    table, ids = read_units(units, on)
    return draw_from(table, ids, n, design, request, pilot, seed)


def draw_from(
    table: pd.DataFrame,
    ids: pd.Index,
    n: int,
    design: Design,
    request: Request,
    pilot: Any,
    seed: int | None,
) -> pd.DataFrame:
    """
    What :func:`draw_labels` returns, of units that have been read.

    Shapes: `ids` (U,).
    """
    found = None if pilot is None else read_pilot(pilot, ids, request.for_)
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    check_count("seed", seed, 0)
    n_labeled = 0 if found is None else int(found.labeled.sum())
    key, start = random_keys(seed, ids, n_labeled)
    is_open = np.ones(len(ids), dtype=bool)
    if found is not None:
        is_open = found.eligible & ~found.labeled
    frame = Frame(table, ids, key, start, is_open, found)
    if n > int(is_open.sum()):
        raise DataError(
            f"n={n}: only {count(int(is_open.sum()), 'unit')} of {len(ids)} can be "
            "drawn. Ask for fewer labels."
        )
    drawn = _DESIGNS[design](frame, n, request)
    answer = pd.DataFrame(
        {"drawn": drawn.drawn, "labeling_prob": drawn.combined}, index=ids
    )
    if found is not None:
        answer.insert(0, "labeled", found.labeled)
        answer.loc[~found.eligible & ~found.labeled, "labeling_prob"] = np.nan
    answer.attrs = {"design": design, "n": n, "seed": seed, "gain": drawn.gain}
    return answer


def _drawn_randomly(frame: Frame, n: int, request: Request) -> _Drawn:
    """A simple random sample."""
    return _sized(frame, n, np.ones(len(frame.ids)), request.balance)


def _sized(
    frame: Frame, n: int, size: Floats, balance: str | None, gain: float = np.nan
) -> _Drawn:
    """
    A sample with probabilities in proportion to a size. Eq. (inclusion).

    Shapes: `size` (U,).
    """
    wave = wave_probabilities(size, n, frame.earlier, frame.is_open)
    order = np.argsort(frame.key, kind="stable")
    if balance is not None:
        values = as_floats(frame.values(balance, "balance"), f"balance={balance!r}")
        if np.isnan(values).any():
            raise DataError(
                f"balance={balance!r} is missing for "
                f"{count(int(np.isnan(values).sum()), 'unit')}. Complete the column."
            )
        order = np.lexsort((frame.key, values))
    return _Drawn(systematic(wave.now, order, frame.start), wave.combined, gain)


def _stratified(frame: Frame, n: int, request: Request) -> _Drawn:
    """A fixed number in each stratum. Eq. (allocation)."""
    groups, k = frame.groups(request.strata, "strata")
    pilot, spread = frame.pilot, np.ones(k)
    already = np.zeros(k, dtype=np.intp)
    could = frame.is_open
    if pilot is not None:
        already = np.bincount(groups[pilot.labeled], minlength=k)
        could = could | pilot.labeled
        own = groups[pilot.kept[pilot.fit.design.labeled_units]]
        spread = spread_by_group(influence_of_labels(pilot.fit, pilot.which), own, k)
    size = np.bincount(groups[could], minlength=k)
    fewest = int(np.maximum(np.minimum(size, LEAST_PER_STRATUM), already).sum())
    if fewest > n + int(already.sum()):
        raise DataError(
            f"n={n} is too few for {k} strata: with {LEAST_PER_STRATUM} "
            f"labels in each, which its variance needs, there are "
            f"{fewest - int(already.sum())} to draw. Ask for more labels, or merge "
            "strata."
        )
    number = allocated(size, spread, n, already) - already
    drawn = drawn_within(groups, number, frame.key, frame.is_open)
    if pilot is None or pilot.is_simple_within(groups):
        # Given how many labels a stratum has, they are a simple random sample of it.
        return _Drawn(drawn, ((number + already) / np.maximum(size, 1))[groups])
    now = (number / np.maximum(size - already, 1))[groups]
    return _Drawn(drawn, pilot.chance + (1.0 - pilot.chance) * now)


def _clusters(frame: Frame, n: int, request: Request) -> _Drawn:
    """A simple random sample of whole clusters."""
    groups, k = frame.groups(request.clusters, "clusters")
    here, pilot = np.bincount(groups[frame.is_open], minlength=k), frame.pilot
    is_open = here > 0
    if pilot is not None:
        in_part = is_open & (np.bincount(groups[pilot.labeled], minlength=k) > 0)
        if in_part.any():
            raise DataError(
                f"The pilot has labelled {count(int(in_part.sum()), 'cluster')} in "
                f"part (column {request.clusters!r}), so it was not drawn by whole "
                "clusters, and a wave of whole clusters cannot go on from it. Take "
                "another design."
            )
    number = max(2, round(n * int(is_open.sum()) / int(here.sum())))
    if number > is_open.sum():
        raise DataError(
            f"n={n} units are about {number} clusters, and {int(is_open.sum())} of {k} "
            "can be drawn. Ask for fewer labels."
        )
    # The number of one unit: the least of all would be less in a large cluster.
    by_id = pd.util.hash_pandas_object(frame.ids, index=False).to_numpy()
    order = np.argsort(by_id, kind="stable")
    key = frame.key[order[np.unique(groups[order], return_index=True)[1]]]
    all_one = np.zeros(k, dtype=np.intp)
    chosen = drawn_within(all_one, np.array([number]), key, is_open)
    now, earlier = number / int(is_open.sum()), frame.earlier
    combined = np.broadcast_to(earlier + (1.0 - earlier) * now, len(groups))
    return _Drawn(chosen[groups] & frame.is_open, combined.copy())


def _by_influence(frame: Frame, n: int, request: Request) -> _Drawn:
    """In proportion to what a label would move, by regressors. Eq. (unit-leverage)."""
    if frame.pilot is None:
        squared, _, score = _of_proxies(frame, request)
    else:
        pilot = frame.pilot
        score = pilot.fit.target.score
        squared = _spread_out(frame, unit_leverage(pilot.fit, pilot.which).squared)
    has_regressors = score.is_single or score.predictors > 0
    _check_leverage(squared, has_regressors=has_regressors)
    return _sized(frame, n, np.sqrt(with_floor(squared)), request.balance)


def _optimally(frame: Frame, n: int, request: Request) -> _Drawn:
    """In proportion to the influence to expect. Eq. (expected-influence)."""
    pilot = frame.pilot
    if pilot is None:
        squared, doubt, _ = _of_proxies(frame, request)
        if doubt is None:
            raise OptionError(
                'design="optimal" without a pilot needs proxies that say how sure they '
                "are: probabilities of the outcome, or two proxies that can disagree. "
                'Give them, or take design="influence".'
            )
        # Half of what proxies say of themselves is believed.
        return _sized(
            frame,
            n,
            np.sqrt(with_floor(with_floor(squared) * with_floor(doubt, 0.5))),
            request.balance,
        )
    if pilot.fit.design.n_labeled < FEWEST_LABELS:
        raise DataError(
            f"The pilot has {pilot.fit.design.n_labeled} labels, of which nothing can "
            f'be learned ({FEWEST_LABELS} are needed). Take design="influence".'
        )
    columns = request.numbers(frame)
    learned = learned_from_pilot(
        pilot.fit,
        pilot.which,
        frame.key[pilot.kept],
        None if columns is None else columns[pilot.kept],
    )
    expected = with_floor(_spread_out(frame, learned.expected), 0.0)
    return _sized(frame, n, np.sqrt(expected), request.balance, learned.gain)


_DESIGNS: dict[str, Callable[[Frame, int, Request], _Drawn]] = {
    "random": _drawn_randomly,
    "stratified": _stratified,
    "clusters": _clusters,
    "influence": _by_influence,
    "optimal": _optimally,
}


def _spread_out(frame: Frame, of_pilot: Floats) -> Floats:
    """Values of the units of a pilot for all units, else NaN. (T,) -> (U,)."""
    values = np.full(len(frame.ids), np.nan)
    if frame.pilot is not None:
        values[frame.pilot.kept] = of_pilot
    return values


def _check_leverage(squared: Floats, *, has_regressors: bool) -> None:
    """Raise if regressors do not tell units apart. Shapes: (U,)."""
    known = squared[~np.isnan(squared)]
    if not has_regressors:
        raise OptionError(
            'design="influence" goes by regressors, and equations that are given whole '
            "(instruments, moments) do not set them apart. Take "
            'design="optimal" with a pilot, or "random".'
        )
    if not len(known):
        raise OptionError(
            'design="influence" goes by what sources say of units, and the pilot uses '
            'no source. Take design="random", or give formula= and proxy= in place of '
            "pilot=."
        )
    if np.ptp(known) <= 1e-9 * known.max():
        raise OptionError(
            'design="influence" goes by regressors, and by these all units are alike. '
            'Take design="optimal" with a pilot, or "random".'
        )


def _fitted_to_proxies(frame: Frame, request: Request) -> tuple[Any, Floats]:
    """The regression on what proxies say, and how unsure they are of it, (U, K)."""
    table, said = request.filled(frame)
    # What is said of labels there would be said of what a proxy says.
    with muted(SynthWarning):
        try:
            model = AugmentedGMM.from_formula(request.formula, table, **request.options)
            return model.fit(), said
        except SynthError as error:
            raise type(error)(
                "The design goes by the regression on what proxies say in place of "
                f"labels, which failed: {error}"
            ) from error


def _of_proxies(
    frame: Frame, request: Request
) -> tuple[Floats, Floats | None, TargetScore]:
    """
    Squared leverage by the regression on proxies alone, their own doubts, the score.

    Shapes: (U,), (U,).
    """
    if request.by_proxies is not None:
        result, said = request.by_proxies(frame)
    else:
        result, said = _fitted_to_proxies(frame, request)
    fit, model = result._fit_to_analyse(), result.model
    known = coefficients(request.for_, fit, model)
    squared = np.full(len(frame.ids), np.nan)
    place = frame.ids.get_indexer(model.unit_index)
    squared[place] = label_leverage(fit, known).squared
    said = said[:, np.nanmax(said, axis=0, initial=0.0) > 0.0]
    if not said.shape[1]:
        return squared, None, fit.target.score
    doubt = np.nanmean(said / np.nanmean(said, axis=0), axis=1)
    return squared, doubt, fit.target.score

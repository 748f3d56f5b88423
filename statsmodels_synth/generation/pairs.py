"""Autoraters: pairs of outputs judged by a model, the order of each pair at random."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
import os
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_synth.core.messages import suggest
from statsmodels_synth.core.options import check_flag
from statsmodels_synth.exceptions import DataError, OptionError
from statsmodels_synth.generation.codebook import Choice, Codebook
from statsmodels_synth.generation.sources import Sources
from statsmodels_synth.generation.study import Study
from statsmodels_synth.generation.units import as_pandas

#: The two outputs as a judge sees them, and the vote for each.
_FIRST, _SECOND, _TIE = "first output", "second output", "tie"
_ORDER, _SWAPPED = "order", "swapped"


def judge_pairs(
    pairs: object,
    question: str,
    *,
    model: object,
    store: str | os.PathLike[str],
    outputs: tuple[str, str] = ("output_a", "output_b"),
    context: Sequence[str] = (),
    ties: bool = True,
    both_orders: bool = False,
    seed: int = 0,
    **options: Any,
) -> PairStudy:
    """
    Let a model judge which of two outputs is better.

    Which of the two comes first is drawn for each pair, so that a judge who likes the
    first one favours nobody. The names of the players are not shown.

    Parameters
    ----------
    pairs : DataFrame
        A row per comparison, with the two outputs, their players, and the human vote
        where there is one; :meth:`~statsmodels_synth.TaskExchangeability.from_votes`
        reads what is returned.
    question : str
        What is asked, such as ``"Which answer is more helpful?"``.
    model : str, object, callable, sequence or mapping
        The judge, as that of :class:`Study`.
    store : path-like
        File of the answers.
    outputs : tuple of str
        Columns of the output of the first and of the second player.
    context : sequence of str
        Columns that are shown along with both, such as the question that was answered.
    ties : bool
        Whether the judge may call a tie.
    both_orders : bool
        Whether each pair is judged in both orders, at twice the price; the vote is the
        mean.
    seed : int
        Seed of the orders.
    **options
        Further options of :class:`Study`.

    Returns
    -------
    PairStudy
        ``run()`` returns the pairs with the votes.

    Raises
    ------
    DataError
        If a column does not exist.
    OptionError
        If an option has no meaning.

    See Also
    --------
    statsmodels_synth.TaskExchangeability.from_votes : Ranks players by votes.

    Examples
    --------
    >>> import pandas as pd
    >>> from statsmodels_synth.generation import judge_pairs
    >>> pairs = pd.DataFrame({"model_a": ["x"], "model_b": ["y"],
    ...                       "output_a": ["a long answer"], "output_b": ["short"]})
    >>> def judge(request):
    ...     first = request.text.splitlines()[1]
    ...     return '{"winner": "first"}' if "long" in first else '{"winner": "second"}'
    >>> study = judge_pairs(pairs, "Which is longer?", model=judge, store=":memory:")
    >>> study.run()["judge"].tolist()
    [1.0]
    """
    frame = as_pandas(pairs, "pairs")
    check_flag("ties", ties)
    check_flag("both_orders", both_orders)
    for name in (*outputs, *context):
        if name not in frame.columns:
            raise DataError(
                f"{name!r} is not a column of pairs."
                f"{suggest(name, [str(k) for k in frame.columns])}"
            )
    if len(outputs) != 2 or outputs[0] == outputs[1]:
        raise OptionError(f"outputs={outputs!r}: name two columns.")
    orders = [False, True] if both_orders else [None]
    shown = pd.concat(
        [_in_order(frame, outputs, context, order, seed) for order in orders]
    )
    levels = ["first", "second", *(["tie"] if ties else [])]
    codebook = Codebook(
        unit="two outputs" + (f", with {', '.join(context)}" if context else ""),
        shown=[_FIRST, _SECOND, *context],
        variables={"winner": Choice(question, levels)},
        instructions="Judge by content alone, not by which one comes first.",
    )
    study = Study(shown, codebook, model=model, store=store, **options)
    return PairStudy(frame, shown[_SWAPPED], study)


def _in_order(
    frame: pd.DataFrame,
    outputs: tuple[str, str],
    context: Sequence[str],
    order: bool | None,
    seed: int,
) -> pd.DataFrame:
    """Pairs as they are shown; order None: at random."""
    if order is None:
        swapped = np.random.default_rng(seed).random(len(frame)) < 0.5
    else:
        swapped = np.full(len(frame), order)
    own = frame[[*outputs]].to_numpy(dtype=object)
    own = np.where(swapped[:, None], own[:, ::-1], own)
    columns: dict[Hashable, Any] = {_FIRST: own[:, 0], _SECOND: own[:, 1]}
    columns |= {name: frame[name].to_numpy() for name in context}
    columns[_SWAPPED] = swapped
    index = pd.Index([f"{k}/{int(bool(order))}" for k in range(len(frame))])
    return pd.DataFrame(columns, index=index)


class PairStudy:
    """
    Pairs that a model judges; made by :func:`judge_pairs`.

    Parameters
    ----------
    pairs : DataFrame
        The pairs.
    swapped : Series
        Whether the output of the second player comes first, by question.
    study : Study
        The study that asks.

    Attributes
    ----------
    study : Study
        The study behind it, with costs, batches and the rest.

    See Also
    --------
    judge_pairs : Makes it.

    Examples
    --------
    >>> import pandas as pd
    >>> from statsmodels_synth.generation import judge_pairs
    >>> pairs = pd.DataFrame({"model_a": ["x"], "model_b": ["y"],
    ...                       "output_a": ["a long answer"], "output_b": ["short"]})
    >>> def judge(request):
    ...     first = request.text.splitlines()[1]
    ...     return '{"winner": "first"}' if "long" in first else '{"winner": "second"}'
    >>> study = judge_pairs(pairs, "Which is longer?", model=judge, store=":memory:")
    >>> study.run()["judge"].tolist()
    [1.0]
    """

    def __init__(self, pairs: pd.DataFrame, swapped: pd.Series, study: Study) -> None:
        self._pairs = pairs
        self._swapped = swapped
        self.study = study

    def run(self, **options: Any) -> pd.DataFrame:
        """
        Ask for all votes that are not stored yet.

        Parameters
        ----------
        **options
            As in :meth:`Study.run`.

        Returns
        -------
        DataFrame
            The pairs with a column of votes, 1 for the first player, 0 for the second,
            .5 for a tie: ``judge``, or that of each model by its name where there are
            several. Missing where there was no usable answer.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import judge_pairs
        >>> pairs = pd.DataFrame({"model_a": ["x"], "model_b": ["y"],
        ...                       "output_a": ["a long answer"], "output_b": ["short"]})
        >>> def judge(request):
        ...     first = request.text.splitlines()[1]
        ...     winner = "first" if "long" in first else "second"
        ...     return f'{{"winner": "{winner}"}}'
        >>> question = "Which is longer?"
        >>> study = judge_pairs(pairs, question, model=judge, store=":memory:")
        >>> study.run()["judge"].tolist()
        [1.0]
        """
        return self.votes(self.study.run(**options))

    def votes(self, sources: Sources) -> pd.DataFrame:
        """
        Pairs with the votes of sources of the study.

        Parameters
        ----------
        sources : Sources
            What the study returned.

        Returns
        -------
        DataFrame
            As :meth:`run`.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import judge_pairs
        >>> pairs = pd.DataFrame({"model_a": ["x"], "model_b": ["y"],
        ...                       "output_a": ["a long answer"], "output_b": ["short"]})
        >>> def judge(request):
        ...     first = request.text.splitlines()[1]
        ...     winner = "first" if "long" in first else "second"
        ...     return f'{{"winner": "{winner}"}}'
        >>> question = "Which is longer?"
        >>> study = judge_pairs(pairs, question, model=judge, store=":memory:")
        >>> sources = study.study.run()
        >>> study.votes(sources)["judge"].tolist()
        [1.0]
        """
        found = self._pairs.copy()
        for name, frame in sources.proxy.items():
            column = "judge" if len(sources.proxy) == 1 else name
            vote = frame["winner"].map({"first": 1.0, "second": 0.0, "tie": 0.5})
            swapped = self._swapped.loc[frame.index]
            own = pd.Series(np.where(swapped, 1.0 - vote, vote), index=frame.index)
            pair = own.index.str.partition("/").get_level_values(0).astype(int)
            mean = own.groupby(pair).mean().reindex(range(len(found)))
            found[column] = mean.to_numpy(dtype=float)
        return found

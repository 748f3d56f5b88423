"""Sources: frames for the model, which units have no row and why, and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from statsmodels_synth.core.arrays import Bools
from statsmodels_synth.core.messages import count, warn
from statsmodels_synth.core.signatures import not_constructed
from statsmodels_synth.exceptions import AlignmentError, DataError, GenerationWarning
from statsmodels_synth.generation.answers import NotCovered
from statsmodels_synth.generation.costs import Prices, money_of
from statsmodels_synth.generation.report import report_of
from statsmodels_synth.generation.requests import Step
from statsmodels_synth.generation.spending import model_name
from statsmodels_synth.generation.steps import NOT_ASKED, Made, Outcome
from statsmodels_synth.generation.texts import TextChecks, describe_texts
from statsmodels_synth.generation.units import Units

#: Chance of a false alarm, over all tests of failures together.
_ALARM = 0.01


@not_constructed
class Sources:
    """
    Proxies and counterparts of all units, as a regression takes them.

    Made by :meth:`Study.run`. A unit without a usable answer has no row, in every
    source by itself, and is counted in `counts`.

    Attributes
    ----------
    proxy, synthetic : dict of DataFrame
        Codes of the units, and of their counterparts, by source.
    texts : dict of DataFrame
        Counterparts as they were written, by source.
    counts : DataFrame
        Number of units by source, step and reason.
    costs : DataFrame
        Answers, tokens and money by source and step.
    prompts : DataFrame
        Instructions of each source and step, with their hashes, for an appendix.
    on : str or None
        Column of the ids; None where they are the index.

    See Also
    --------
    Study : Makes them.

    Examples
    --------
    >>> import pandas as pd
    >>> from statsmodels_synth.generation import Binary, Codebook, Study
    >>> posts = pd.DataFrame({"text": ["Could you help?", "Fix this."]}, ["a", "b"])
    >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Is it polite?")})
    >>> def model(request):  # in place of a language model
    ...     yes = "Could" in request.text
    ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
    >>> study = Study(posts, codebook, model=model, store=":memory:")
    >>> sources = study.run()
    >>> sources.counts
      source  step   reason  units  rows
    0  model  code  covered      2     2
    """

    def __init__(
        self,
        units: Units,
        made: Sequence[Made],
        prices: Mapping[str, Prices | None],
    ) -> None:
        self._units = units
        self._made = list(made)
        self._prices = dict(prices)
        self.on = units.on
        self.proxy = {m.design.name: _frame(m, "code", units) for m in self._made}
        written = [m for m in self._made if m.design.synthetic]
        self.synthetic = {m.design.name: _frame(m, "read", units) for m in written}
        self.texts = {m.design.name: _frame(m, "write", units) for m in written}

    def __repr__(self) -> str:
        names = ", ".join(repr(name) for name in self.proxy)
        return f"<Sources: {count(len(self._units), 'unit')}, {names}>"

    def arguments(self) -> dict[str, Any]:
        """
        Arguments for :meth:`AugmentedGMM.from_formula`.

        Returns
        -------
        dict
            ``proxy``, ``synthetic`` where there are counterparts, and ``on`` where the
            study has it.

        Raises
        ------
        DataError
            If a source is available for no unit.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> texts = ["Could you help?", "Fix this."]
        >>> posts = pd.DataFrame({"text": texts}, ["a", "b"])
        >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Polite?")})
        >>> def model(request):
        ...     yes = "Could" in request.text
        ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
        >>> sources = Study(posts, codebook, model=model, store=":memory:").run()
        >>> sources.arguments()["proxy"]["model"]
           polite
        a     1.0
        b     0.0
        """
        found: dict[str, Any] = {"proxy": dict(self.proxy)}
        if self.synthetic:
            found["synthetic"] = dict(self.synthetic)
        for kind, frames in found.items():
            for name, frame in frames.items():
                if not len(frame):
                    raise DataError(
                        f"{kind} source {name!r} is available for no unit: "
                        f"{self._reasons(name)}."
                    )
        if self.on is not None:
            found["on"] = self.on
        return found

    def _reasons(self, name: str) -> str:
        rows = self.counts[self.counts["source"] == name]
        return "; ".join(
            f"step {row.step!r}: {row.reason} ({count(int(str(row.rows)), 'answer')})"
            for row in rows.itertuples()
            if row.reason != "covered"
        )

    @property
    def counts(self) -> pd.DataFrame:
        """Units and answers by source, step and reason; "covered" is one of these."""
        rows = []
        for made in self._made:
            for step, outcomes in made.outcomes.items():
                reasons = {place: _reason(own) for place, own in outcomes.items()}
                number = Counter(reasons.values())
                units = {
                    reason: len({k for (k, _), r in reasons.items() if r == reason})
                    for reason in number
                }
                for reason in sorted(number, key=lambda r: (r != "covered", r)):
                    own = (units[reason], number[reason])
                    rows += [(made.design.name, step, reason, *own)]
        return pd.DataFrame(rows, columns=["source", "step", "reason", "units", "rows"])

    @property
    def costs(self) -> pd.DataFrame:
        """Answers, tokens and money by source and step; shared answers count once."""
        rows = []
        for made in self._made:
            prices = self._prices.get(made.design.name)
            for step, own in made.spent.items():
                money = np.nan if prices is None else money_of(prices, own)
                rows.append(
                    (
                        *(made.design.name, step, own.answers, own.input_tokens),
                        *(own.output_tokens, own.reasoning_tokens, money),
                    )
                )
        names = ["source", "step", "answers", "input_tokens", "output_tokens"]
        return pd.DataFrame(rows, columns=[*names, "reasoning_tokens", "money"])

    @property
    def prompts(self) -> pd.DataFrame:
        """Instructions of each source and step, with their hashes."""
        rows = []
        for made in self._made:
            rows.append((made.design.name, "code", made.design.code))
            if made.design.synthetic:
                rows.append((made.design.name, "write", made.design.write))
        listed = [(name, step, p.digest, p.system) for name, step, p in rows]
        return pd.DataFrame(listed, columns=["source", "step", "hash", "instructions"])

    def failures(self, labeled: object = None) -> pd.DataFrame:
        """
        Test whether a source is missing more often where units are labelled.

        The estimator needs that availability does not depend on being labelled. The
        test is that of Fisher, of each source and step.

        Parameters
        ----------
        labeled : array_like, optional
            Ids of labelled units, or whether each unit is labelled, in the order of
            data. Those with all codes that data holds, if omitted.

        Returns
        -------
        DataFrame
            Units without any row among labelled and unlabelled units, the numbers of
            both, and the p-value, by source and step.

        Raises
        ------
        DataError
            If data holds no codes and `labeled` is not given.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> texts = ["Could you help?", "Fix this."]
        >>> posts = pd.DataFrame({"text": texts, "polite": [1, None]}, ["a", "b"])
        >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Polite?")})
        >>> def model(request):  # in place of a language model
        ...     yes = "Could" in request.text
        ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
        >>> sources = Study(posts, codebook, model=model, store=":memory:").run()
        >>> sources.failures()
          source  step  lost_labeled  n_labeled  lost_unlabeled  n_unlabeled  pvalue
        0  model  code             0          1               0            1     1.0
        """
        who = self._labeled(labeled)
        rows = []
        for made in self._made:
            for step, outcomes in made.outcomes.items():
                asked = np.zeros(len(self._units), dtype=bool)
                covered = asked.copy()
                for (k, _), own in outcomes.items():
                    if own is not NOT_ASKED:
                        asked[k] = True
                        covered[k] |= not isinstance(own, NotCovered)
                lost = asked & ~covered
                table = [
                    [int((lost & part).sum()), int((asked & part).sum())]
                    for part in (who, ~who)
                ]
                tested = [[a, n - a] for a, n in table]
                p = float(stats.fisher_exact(tested).pvalue)
                rows.append((made.design.name, step, *table[0], *table[1], p))
        names = ["lost_labeled", "n_labeled", "lost_unlabeled", "n_unlabeled", "pvalue"]
        return pd.DataFrame(rows, columns=["source", "step", *names])

    def _labeled(self, given: object) -> Bools:
        units = self._units
        if given is None:
            if units.labeled is None:
                raise DataError(
                    "data holds no codes of humans, so that who is labelled is not "
                    "known. Give labeled=, the ids of labelled units."
                )
            return units.labeled
        array = np.asarray(given)
        if array.dtype == bool:
            if array.shape != (len(units),):
                raise DataError(
                    f"labeled= has {array.size} values for {len(units)} units."
                )
            return array
        if not _is_list(given):
            raise DataError("labeled= is no list. Give the ids of labelled units.")
        values = pd.Index(pd.unique(pd.Series(array)))
        unknown = values[~values.isin(units.ids)]
        if len(unknown):
            raise AlignmentError(
                f"labeled= has {count(len(unknown), 'id')} that data has not, such as "
                f"{unknown[0]!r}."
            )
        return np.asarray(units.ids.isin(values))

    def checks(self) -> dict[str, TextChecks]:
        """
        Diversity and drift of the counterparts of each source.

        Returns
        -------
        dict of TextChecks
            By source.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> texts = ["Could you help?", "Fix this."]
        >>> posts = pd.DataFrame({"text": texts}, ["a", "b"])
        >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Polite?")})
        >>> def model(request):  # in place of a language model
        ...     if request.step == "write":
        ...         return '{"text": "Would you mind?"}'
        ...     return '{"polite": "yes"}'
        >>> study = Study(posts, codebook, model=model, store=":memory:", synthetic=1)
        >>> checks = study.run().checks()["model"]
        >>> print(checks.sentence()[:65])
        Of 2 counterparts, 0.0% are near-copies of their original (cosine
        """
        found = {}
        for made in self._made:
            if made.design.synthetic:
                done = [
                    (k, own)
                    for (k, _), own in made.outcomes["write"].items()
                    if not isinstance(own, NotCovered)
                ]
                originals = [self._units.shown[k].text for k, _ in done]
                written = [_written_text(_values(own)) for _, own in done]
                if written:
                    found[made.design.name] = describe_texts(originals, written)
        return found

    def report(self, labeled: object = None) -> str:
        """
        Sentences for a methods section: how each source was made, and what it lacks.

        Parameters
        ----------
        labeled : array_like, optional
            As in :meth:`failures`.

        Returns
        -------
        str
            A paragraph on the units, and one per source.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> texts = ["Could you help?", "Fix this."]
        >>> posts = pd.DataFrame({"text": texts, "polite": [1, None]}, ["a", "b"])
        >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Polite?")})
        >>> def model(request):  # in place of a language model
        ...     yes = "Could" in request.text
        ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
        >>> sources = Study(posts, codebook, model=model, store=":memory:").run()
        >>> print(sources.report()[:60])
        2 units (a request) were coded for 'polite' by 1 source made
        """
        known = labeled is not None or self._units.labeled is not None
        return report_of(
            self._units,
            {made.design.name: made for made in self._made},
            self.counts,
            self.costs,
            self.failures(labeled) if known else None,
            self.checks(),
        )

    def plan_prices(self) -> dict[str, dict[str, float]]:
        """
        Prices of rows, for ``result.plan().cheapest(...)``.

        Returns
        -------
        dict
            ``price_proxy`` and, with counterparts, ``price_synthetic``: money per row
            by source, named as in the regression. The price of a counterpart is that of
            writing and coding it; the proxy that it is written from is paid for as
            well, also in a plan that does without it as a source.

        Raises
        ------
        DataError
            If prices of a source are not known, or it is available for no unit.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Answer, Binary, Codebook, Study
        >>> texts = ["Could you help?", "Fix this."]
        >>> posts = pd.DataFrame({"text": texts, "polite": [1, None]}, ["a", "b"])
        >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Polite?")})
        >>> def model(request):  # in place of a language model
        ...     return Answer('{"polite": "yes"}', input_tokens=300, output_tokens=20)
        >>> study = Study(
        ...     posts, codebook, model=model, store=":memory:", prices=(0.15, 0.60)
        ... )
        >>> study.run().plan_prices()  # money for a row
        {'price_proxy': {'model': 5.7e-05}}
        """
        costs = self.costs.set_index(["source", "step"])["money"]
        found: dict[str, dict[str, float]] = {}
        for kind, frames, steps in (
            ("proxy", self.proxy, ["code"]),
            ("synthetic", self.synthetic, ["write", "read"]),
        ):
            for name, frame in frames.items():
                money = float(sum(costs[name, step] for step in steps))
                if np.isnan(money) or not len(frame):
                    why = (
                        "is available for no unit"
                        if not len(frame)
                        else "has no known prices"
                    )
                    raise DataError(
                        f"{kind} source {name!r} {why}. Give prices=(input, output) to "
                        "the study."
                    )
                both = name in self.proxy and name in self.synthetic
                called = f"{name} ({kind})" if both else name
                found.setdefault(f"price_{kind}", {})[called] = money / len(frame)
        return found

    def warn_of_faults(self) -> None:
        """Warn where sources may not be made alike for all units."""
        for made in self._made:
            for step, own in made.spent.items():
                where = f"Source {made.design.name!r}, step {step!r}"
                if len(own.models) > 1:
                    warn(
                        f"{where}: answers come from {len(own.models)} models, "
                        f"{', '.join(map(model_name, own.models))}. The endpoint "
                        "changed the model in the middle. The source stays valid, "
                        "since which unit got which does not depend on labels, but it "
                        "is a mixture; name a dated version of the model.",
                        GenerationWarning,
                    )
                if len(own.modes) > 1:
                    warn(
                        f"{where}: the form of answers was asked for in several ways "
                        f"({', '.join(own.modes)}). Set structured= of OpenAIModel.",
                        GenerationWarning,
                    )
        if self._units.labeled is not None:
            table = self.failures()
            for row in table[
                table["pvalue"] < _ALARM / max(len(table), 1)
            ].itertuples():
                warn(
                    f"Source {row.source!r}, step {row.step!r}: {row.lost_labeled} of "
                    f"{row.n_labeled} labelled units have no row, and "
                    f"{row.lost_unlabeled} of {row.n_unlabeled} others (p = "
                    f"{row.pvalue:.2g}). Coverage must not depend on being labelled: "
                    "look for what tells labelled units apart.",
                    GenerationWarning,
                )


def _is_list(value: object) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, (str, bytes))


def _reason(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, NotCovered) else "covered"


def _values(outcome: Outcome) -> dict[str, Any]:
    """Values of what is covered."""
    assert not isinstance(outcome, NotCovered)
    return outcome


def _written_text(values: Mapping[str, Any]) -> str:
    if len(values) == 1:
        return str(next(iter(values.values())))
    return "\n".join(f"{name}: {value}" for name, value in values.items())


def _frame(made: Made, step: Step, units: Units) -> pd.DataFrame:
    """Rows of what is covered, in the order of data."""
    outcomes = made.outcomes.get(step, {})
    places = sorted(p for p, o in outcomes.items() if not isinstance(o, NotCovered))
    codebook = made.design.codebook
    own_columns = len(codebook.shown) > 1
    names = [*codebook.shown] if step == "write" else [*codebook.variables]
    rows = [_values(outcomes[place]) for place in places]
    if step in made.probabilities:
        known = made.probabilities[step]
        rows = [
            {**row, **known.get(p, {})} for p, row in zip(places, rows, strict=True)
        ]
    if step == "read" and own_columns:
        # A counterpart has its own values of what was shown.
        names += codebook.shown
        texts = made.outcomes["write"]
        rows = [
            {**_values(texts[p]), **row} for p, row in zip(places, rows, strict=True)
        ]
    ids = units.ids[[k for k, _ in places]]
    columns = {name: [row[name] for row in rows] for name in names}
    if units.on is None:
        return pd.DataFrame(columns, index=ids)
    return pd.DataFrame({units.on: ids, **columns})

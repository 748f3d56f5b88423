"""The study: takes data and a codebook, puts the steps to work, hands sources out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
import os
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import pandas as pd

from statsmodels_synth.core.messages import count, name_units, show, suggest, warn
from statsmodels_synth.core.options import (
    check_choice,
    check_count,
    methods_name_keywords,
)
from statsmodels_synth.exceptions import DataError, GenerationWarning, OptionError
from statsmodels_synth.generation.answers import NotCovered
from statsmodels_synth.generation.batch import (
    batch_files,
    errors_of,
    read_batch,
    write_batch,
)
from statsmodels_synth.generation.codebook import Codebook
from statsmodels_synth.generation.costs import (
    Estimate,
    Prices,
    estimate,
    total_of,
)
from statsmodels_synth.generation.models import Model, OpenAIModel, read_models
from statsmodels_synth.generation.prompts import (
    code_instructions,
    example_turns,
    write_instructions,
    write_schema,
)
from statsmodels_synth.generation.requests import (
    Prompt,
    Request,
    Settings,
    Step,
    canonical,
)
from statsmodels_synth.generation.runner import Budget, How, answer_all
from statsmodels_synth.generation.sources import Sources
from statsmodels_synth.generation.spending import read_prices
from statsmodels_synth.generation.steps import (
    Chain,
    Design,
    Made,
    Outcome,
    Place,
    code_requests,
    follow,
)
from statsmodels_synth.generation.store import Store
from statsmodels_synth.generation.units import Units, read_examples, read_units

ConditionOn: TypeAlias = Literal["proxy", "human"]
#: A setting of both steps, or of each: ``{"code": ..., "write": ...}``.
PerStep: TypeAlias = Any

_TEMPERATURE: Mapping[str, float] = MappingProxyType({"code": 0.0, "write": 1.0})
#: Alternatives that endpoints give of a token at most.
_ALTERNATIVES = 20


def _per_step(name: str, value: object, default: Mapping[str, Any]) -> dict[str, Any]:
    """A setting of each step."""
    if not isinstance(value, Mapping):
        return {"code": value, "write": value}
    for step in value:
        if step not in default:
            raise OptionError(
                f"{name}= has no step {step!r}.{suggest(step, list(default))}"
            )
    return {**default, **value}


def is_number(value: Any) -> bool:
    """Whether an option is a number."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _settings(
    temperature: PerStep,
    seed: PerStep,
    max_tokens: PerStep,
    logprobs: object,
    extra: Mapping[str, Any] | None,
) -> dict[str, Settings]:
    """Settings of each step."""
    heat = _per_step("temperature", temperature, _TEMPERATURE)
    seeds = _per_step("seed", seed, {"code": 0, "write": 0})
    most = _per_step("max_tokens", max_tokens, {"code": None, "write": None})
    for step in ("code", "write"):
        own = heat[step]
        if own is not None and (not is_number(own) or not 0 <= own <= 2):
            raise OptionError(
                f"temperature={own!r} is not between 0 and 2. Give a number there."
            )
        if most[step] is not None:
            check_count("max_tokens", most[step])
        if seeds[step] is not None:
            check_count("seed", seeds[step], 0)
    more = _extra(extra)
    return {
        step: Settings(
            None if heat[step] is None else float(heat[step]),
            seeds[step],
            most[step],
            _alternatives(logprobs) if step == "code" else 0,
            more,
        )
        for step in ("code", "write")
    }


def _alternatives(logprobs: object) -> int:
    """Alternatives of each token whose log-probability is asked for."""
    if isinstance(logprobs, bool):
        return _ALTERNATIVES if logprobs else 0
    number = check_count("logprobs", logprobs, 0)
    if number > _ALTERNATIVES:
        raise OptionError(f"logprobs={number} is more than {_ALTERNATIVES}.")
    return number


def _extra(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What else the endpoint is told: JSON, and nothing that the study itself says."""
    if given is not None and not isinstance(given, Mapping):
        raise OptionError(f"extra= is {show(given)}. Give {{'name': value}}.")
    found = dict(given or {})
    own = sorted({"model", "messages", "response_format", "n", "stream"} & set(found))
    if own:
        raise OptionError(f"extra= has {own[0]!r}, which the study itself sets.")
    try:
        canonical(found)
    except (TypeError, ValueError) as error:
        raise OptionError(f"extra= is no JSON: {error}.") from error
    return found


@methods_name_keywords
class Study:
    """
    Ask language models about every unit, in the same way whoever is labelled.

    Three steps for each source: codes of every unit (the proxy); a counterpart of every
    unit, written by the model given the unit and its proxy; codes of the counterparts,
    by the same prompt as those of the units. Every answer is stored at once in a local
    file, which holds texts of counterparts: :meth:`forget` deletes them.

    Parameters
    ----------
    data : DataFrame
        A row per unit. No column is sent but those that the codebook shows. It may hold
        codes of humans, in columns named as the variables of the codebook: these tell
        who is labelled.
    codebook : Codebook
        What is shown and asked.
    model : str, object, callable, sequence or mapping
        Name of a model behind an endpoint with the interface of OpenAI, an object with
        a method ``complete(request)``, a function of a request that returns the text of
        an answer; several as a list or ``{name: model}``, each a source.
    store : path-like
        File of the answers, made if it does not exist; ``":memory:"`` for none.
    base_url : str, optional
        Address of the endpoint of models given by name.
    synthetic : int
        Counterparts of each unit.
    replicates : int
        Proxies of each unit.
    prompts : mapping, optional
        Further instructions, by a name; each makes a source of its own. A text is for
        coding; ``{"code": ..., "write": ...}`` for writing as well.
    regressors : sequence of str, optional
        Variables that a counterpart has as its original does, by the proxy. All but the
        first of the codebook, which is taken for the outcome, if omitted.
    condition_on : {"proxy", "human"}
        "human" gives codes of humans where there are some. Labelled and unlabelled
        units then differ in law, and estimates may be biased: only to study that.
    examples : DataFrame, optional
        Coded units outside the study, shown to the model as examples.
    on : str, optional
        Column of the ids of units; the index if omitted.
    temperature : float, None or mapping
        Temperature; of each step as ``{"code": 0.0, "write": 1.0}``. None leaves it to
        the endpoint.
    seed : int, None or mapping
        Seed of the first draw of each request; the next one has the next number. Of
        each step as ``{"code": 0, "write": 1}``. None sends none.
    max_tokens : int or mapping, optional
        Most tokens of an answer.
    logprobs : bool or int
        Whether log-probabilities of tokens are asked for: variables that are
        :class:`Binary` are then the probability of yes, where they can be read. A
        number says for how many alternatives of each token, where an endpoint does
        not give 20.
    extra : mapping, optional
        What else the endpoint is told, such as ``{"reasoning_effort": "low"}``.
    prices : tuple, Prices or mapping, optional
        Money for a million tokens read and written, of each model if need be. Those of
        genai-prices if omitted.
    max_chars : int
        Units that show more characters have no row.

    Raises
    ------
    DataError
        If ids are missing or doubled, a column does not exist, or one that is shown
        holds codes of humans.
    OptionError
        If an option does not exist or has no meaning.

    Warns
    -----
    GenerationWarning
        If codes of humans are given to the model.

    See Also
    --------
    Codebook : What is shown and asked.
    Sources : What a run returns.

    Examples
    --------
    >>> import pandas as pd
    >>> from statsmodels_synth.generation import Binary, Codebook, Study
    >>> posts = pd.DataFrame({"text": ["Could you help?", "Fix this."]}, ["a", "b"])
    >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Is it polite?")})
    >>> def model(request):  # in place of a language model
    ...     yes = "Could" in request.text
    ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
    >>> Study(posts, codebook, model=model, store=":memory:").run()
    <Sources: 2 units, 'model'>
    """

    def __init__(
        self,
        data: object,
        codebook: Codebook,
        *,
        model: object,
        store: str | os.PathLike[str],
        base_url: str | None = None,
        synthetic: int = 0,
        replicates: int = 1,
        prompts: Mapping[str, Any] | None = None,
        regressors: Sequence[str] | None = None,
        condition_on: ConditionOn = "proxy",
        examples: object = None,
        on: str | None = None,
        temperature: PerStep = _TEMPERATURE,
        seed: PerStep = 0,
        max_tokens: PerStep = None,
        logprobs: bool | int = False,
        extra: Mapping[str, Any] | None = None,
        prices: object = None,
        max_chars: int = 100_000,
    ) -> None:
        if not isinstance(codebook, Codebook):
            raise OptionError(f"codebook= is {show(codebook)}. Give a Codebook.")
        check_choice("condition_on", condition_on, ConditionOn)
        check_count("synthetic", synthetic, 0)
        check_count("replicates", replicates)
        check_count("max_chars", max_chars)
        settings = _settings(temperature, seed, max_tokens, logprobs, extra)
        _check_repeats(settings, replicates, synthetic)
        if synthetic and codebook.images:
            raise OptionError(
                "synthetic= asks for counterparts, and images cannot be written. Set "
                "synthetic=0."
            )
        if not isinstance(store, (str, os.PathLike)) or not os.fspath(store):
            raise OptionError(
                f"store={store!r} is no path. Name a file, or ':memory:' for none."
            )
        self.codebook = codebook
        self.units = read_units(data, codebook, on, max_chars)
        self.store = store
        self.prices = prices
        turns = example_turns(read_examples(examples, codebook, self.units))
        own = _regressors(codebook, regressors)
        if condition_on == "human":
            _check_human(self.units, codebook, own)
        models = read_models(model, base_url)
        texts = _prompt_texts(prompts, codebook)
        self._designs = [
            Design(
                name=", ".join(part for part in (name, prompt) if part),
                model=each,
                codebook=codebook,
                code=_code_prompt(
                    each, name, codebook, text["code"], turns, settings["code"]
                ),
                write=_write_prompt(
                    (each, name),
                    codebook,
                    text["write"],
                    self.units,
                    own,
                    settings["write"],
                ),
                replicates=replicates,
                synthetic=synthetic,
                regressors=own,
                human=condition_on == "human",
            )
            for name, each in models.items()
            for prompt, text in texts.items()
        ]
        self._memory = Store(store) if str(store) == ":memory:" else None

    def __repr__(self) -> str:
        names = ", ".join(repr(own.name) for own in self._designs)
        return f"<Study: {count(len(self.units), 'unit')}, {names}>"

    def run(
        self,
        *,
        max_cost: float | None = None,
        prices: object = None,
        workers: int = 8,
        rate: float | None = None,
        retries: int = 8,
        progress: bool | None = None,
    ) -> Sources:
        """
        Ask for all that is not stored yet, and return the sources.

        A run that was ended, by whatever, goes on where it was; what is stored is not
        asked again. Calls are in the order of hashes of the requests, which knows
        nothing of labels.

        Parameters
        ----------
        max_cost : float, optional
            Money that the study may cost, earlier runs and other processes that share
            the store included.
        prices : tuple, Prices or mapping, optional
            As those of the study, in place of them.
        workers : int
            Calls at a time.
        rate : float, optional
            Most calls a minute.
        retries : int
            Times that a call is tried again after an error that may pass.
        progress : bool, optional
            Whether a bar is shown on stderr; where that is a terminal, if omitted.

        Returns
        -------
        Sources
            Proxies and counterparts.

        Raises
        ------
        GenerationError
            If a call fails for good, which names unit and step; answers are kept.
        CostLimitError
            If the study has cost `max_cost`; answers are kept.
        OptionError
            If an option has no meaning, or `max_cost` is given without known prices.

        Warns
        -----
        GenerationWarning
            If the endpoint changed the model, or units have no row more often where
            they are labelled.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> texts = ["Could you help?", "Fix this."]
        >>> posts = pd.DataFrame({"text": texts}, ["a", "b"])
        >>> asked = {"polite": Binary("Is it polite?")}
        >>> codebook = Codebook("a request", ["text"], asked)
        >>> def model(request):  # in place of a language model
        ...     yes = "Could" in request.text
        ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
        >>> study = Study(posts, codebook, model=model, store=":memory:")
        >>> study.run().proxy["model"]["polite"].tolist()
        [1.0, 0.0]
        """
        how = _how(workers, rate, retries, progress)
        with self._opened() as store:
            known = self._known_prices(prices)
            limit = self._limit(max_cost, known)
            some = self.units.asked
            budget = Budget(limit, self._prices_by_prompt(known))
            chains = [self._ask(own, some, store, how, budget) for own in self._designs]
            sources = self._sources(known, chains)
        sources.warn_of_faults()
        return sources

    def estimate(
        self,
        pilot: int = 20,
        *,
        prices: object = None,
        workers: int = 8,
        rate: float | None = None,
    ) -> Estimate:
        """
        Calls, tokens, money and time of the whole study, from a pilot.

        The pilot goes through all steps for some units at random; its answers are
        stored, and a run does not ask for them again.

        Parameters
        ----------
        pilot : int
            Units of the pilot.
        prices : tuple, Prices or mapping, optional
            As those of the study, in place of them.
        workers : int
            Calls at a time.
        rate : float, optional
            Most calls a minute.

        Returns
        -------
        Estimate
            Of all sources together; print it.

        Raises
        ------
        GenerationError
            If a call fails for good.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> texts = ["Could you help?", "Fix this."]
        >>> posts = pd.DataFrame({"text": texts}, ["a", "b"])
        >>> asked = {"polite": Binary("Is it polite?")}
        >>> codebook = Codebook("a request", ["text"], asked)
        >>> def model(request):  # in place of a language model
        ...     yes = "Could" in request.text
        ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
        >>> study = Study(posts, codebook, model=model, store=":memory:")
        >>> study.estimate(pilot=1).calls
        2
        """
        check_count("pilot", pilot)
        how, known = _how(workers, rate, 8, None), self._known_prices(prices)
        with self._opened() as store:
            return total_of(
                [self._estimate(own, pilot, known, store, how) for own in self._designs]
            )

    def _estimate(
        self,
        design: Design,
        pilot: int,
        known: Mapping[str, Prices | None],
        store: Store,
        how: How,
    ) -> Estimate:
        """What one source takes."""
        requests = code_requests(design, self.units, self.units.asked)
        # By hash: at random, and the first ones that a run would ask.
        order = sorted(requests, key=lambda place: requests[place].key)
        some = sorted(list(dict.fromkeys(k for k, _ in order))[:pilot])
        chain = self._ask(design, some, store, how, Budget())
        # Units of the pilot without a proxy have fewer calls: so will the others.
        calls = {
            step: round(len(found) / len(some) * len(self.units.asked))
            for step, found in chain.answers.items()
        }
        # An answer that several units share is of one of them, as in chain.answers.
        units = {
            step: [own.position for own in {r.key: r for r in found.values()}.values()]
            for step, found in chain.requests.items()
        }
        prices = known[design.name]
        return estimate(chain.answers, calls, prices, how.workers, units)

    def export_batch(self, folder: str | os.PathLike[str]) -> list[Path]:
        """
        Write the requests that can be asked now as files of OpenAI's batches.

        These are those of the first step that is not done: codes of units, then
        counterparts, then codes of these. Upload the files, or run them on a cluster
        with ``vllm run-batch``, give what comes back to :meth:`import_batch`, and call
        this again until it returns no file. The files hold what is shown of units.

        Parameters
        ----------
        folder : path-like
            Where to write, made if it does not exist.

        Returns
        -------
        list of Path
            The files, of one model and step each; none when all is done.

        Raises
        ------
        OptionError
            If a model is not behind an endpoint with the interface of OpenAI.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> from statsmodels_synth.generation import OpenAIModel
        >>> posts = pd.DataFrame({"text": ["Could you help?", "Fix this."]}, ["a", "b"])
        >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Polite?")})
        >>> model = OpenAIModel("gpt-4o-mini")
        >>> study = Study(posts, codebook, model=model, store=":memory:")
        >>> with TemporaryDirectory() as folder:
        ...     [path.name for path in study.export_batch(folder)]
        ['gpt-4o-mini-code-001.jsonl']
        """
        paths: list[Path] = []
        with self._opened() as store:
            for design in self._designs:
                for requests in self._stored(design, store).requests.values():
                    by_key = {request.key: request for request in requests.values()}
                    todo = sorted(set(by_key) - store.known(list(by_key)))
                    if todo:
                        _settle(design, store)
                        own = [by_key[key] for key in todo]
                        paths += write_batch(folder, design.name, own, design.model)
                        break
        return paths

    def import_batch(self, paths: object) -> int:
        """
        Store the answers in files that a batch returned.

        Requests that failed are not stored: :meth:`export_batch` has them again.

        Parameters
        ----------
        paths : path-like or list of path-like
            The files, or their folder.

        Returns
        -------
        int
            Number of answers that are new.

        Raises
        ------
        DataError
            If a file is not the answer to a batch of this study.

        Warns
        -----
        GenerationWarning
            If requests failed.

        Examples
        --------
        >>> import json
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> from statsmodels_synth.generation import OpenAIModel
        >>> posts = pd.DataFrame({"text": ["Could you help?", "Fix this."]}, ["a", "b"])
        >>> codebook = Codebook("a request", ["text"], {"polite": Binary("Polite?")})
        >>> model = OpenAIModel("gpt-4o-mini")
        >>> study = Study(posts, codebook, model=model, store=":memory:")
        >>> message = {"content": '{"polite": "yes"}'}
        >>> choices = [{"message": message, "finish_reason": "stop"}]
        >>> body = {"model": "gpt-4o-mini", "choices": choices}
        >>> with TemporaryDirectory() as folder:
        ...     asked = study.export_batch(folder)[0].read_text().splitlines()
        ...     answers = Path(folder, "answers.jsonl")
        ...     with answers.open("w") as file:
        ...         for line in asked:  # what an endpoint returns
        ...             own = {"custom_id": json.loads(line)["custom_id"]}
        ...             print(json.dumps(own | {"response": {"body": body}}), file=file)
        ...     study.import_batch(answers)
        2
        """
        lines = list(read_batch(batch_files(paths)))
        with self._opened() as store:
            prompts = {
                request.key: request.prompt.digest
                for design in self._designs
                for requests in self._stored(design, store).requests.values()
                for request in requests.values()
            }
            alien = [line for line in lines if line.key not in prompts]
            if alien:
                raise DataError(
                    f"{count(len(alien), 'answer')} of {len(lines)} belong to no "
                    "request of this study. Its data, codebook or settings have "
                    "changed since the batch was written, or the file is another one."
                )
            answered = [line for line in lines if line.answer is not None]
            known = store.known([line.key for line in answered])
            store.put(
                (line.key, prompts[line.key], line.answer)
                for line in answered
                if line.answer is not None and line.key not in known
            )
        if len(answered) < len(lines):
            warn(
                f"{errors_of(lines)}. Write them again with export_batch().",
                GenerationWarning,
            )
        return len({line.key for line in answered} - known)

    def _stored(self, design: Design, store: Store) -> Chain:
        """The steps of a source as far as answers are stored."""
        return follow(design, self.units, self.units.asked, store.answers)

    def sources(self, *, prices: object = None) -> Sources:
        """
        Sources of what is stored, without asking anything.

        Parameters
        ----------
        prices : tuple, Prices or mapping, optional
            As those of the study, in place of them.

        Returns
        -------
        Sources
            Proxies and counterparts of units that were asked about so far, which are a
            random part of all.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> texts = ["Could you help?", "Fix this."]
        >>> posts = pd.DataFrame({"text": texts}, ["a", "b"])
        >>> asked = {"polite": Binary("Is it polite?")}
        >>> codebook = Codebook("a request", ["text"], asked)
        >>> def model(request):  # in place of a language model
        ...     yes = "Could" in request.text
        ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
        >>> study = Study(posts, codebook, model=model, store=":memory:")
        >>> made = study.run()
        >>> study.sources()  # from the store, without a call
        <Sources: 2 units, 'model'>
        """
        with self._opened() as store:
            chains = [self._stored(own, store) for own in self._designs]
            found = self._sources(self._known_prices(prices), chains)
        found.warn_of_faults()
        return found

    def forget(self) -> int:
        """
        Delete all stored answers of this study, texts of counterparts included.

        Returns
        -------
        int
            Number of answers deleted.

        Examples
        --------
        >>> import pandas as pd
        >>> from statsmodels_synth.generation import Binary, Codebook, Study
        >>> texts = ["Could you help?", "Fix this."]
        >>> posts = pd.DataFrame({"text": texts}, ["a", "b"])
        >>> asked = {"polite": Binary("Is it polite?")}
        >>> codebook = Codebook("a request", ["text"], asked)
        >>> def model(request):  # in place of a language model
        ...     yes = "Could" in request.text
        ...     return '{"polite": "yes"}' if yes else '{"polite": "no"}'
        >>> study = Study(posts, codebook, model=model, store=":memory:")
        >>> made = study.run()
        >>> study.forget()
        2
        """
        with self._opened() as store:
            return store.forget(self._prompts())

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        """The store, for a while."""
        if self._memory is not None:
            yield self._memory
            return
        with Store(self.store) as store:
            yield store

    def _prompts(self) -> list[str]:
        """Hashes of all prompts of the study."""
        both = [(own.code.digest, own.write.digest) for own in self._designs]
        return list(dict.fromkeys(digest for pair in both for digest in pair))

    def _known_prices(self, given: object) -> dict[str, Prices | None]:
        """Prices of each source."""
        names = {own.name: own.code.model for own in self._designs}
        known = {name: Prices.of(model) for name, model in names.items()}
        return read_prices(self.prices if given is None else given, names, known)

    def _limit(
        self, max_cost: float | None, known: Mapping[str, Prices | None]
    ) -> float:
        """Most money, which needs prices."""
        if max_cost is None:
            return float("inf")
        if not is_number(max_cost) or max_cost <= 0:
            raise OptionError(
                f"max_cost={max_cost!r} is no amount of money above 0. Give one."
            )
        for name, prices in known.items():
            if prices is None:
                raise OptionError(
                    f"max_cost= needs prices, and those of source {name!r} are not "
                    "known. Give prices=(input, output), money for a million tokens."
                )
        return float(max_cost)

    def _prices_by_prompt(
        self, known: Mapping[str, Prices | None]
    ) -> dict[str, Prices]:
        """Prices by the hash of each prompt."""
        return {
            prompt.digest: prices
            for design in self._designs
            if (prices := known[design.name]) is not None
            for prompt in (design.code, design.write)
        }

    def _ask(
        self, design: Design, some: list[int], store: Store, how: How, budget: Budget
    ) -> Chain:
        """Let a model answer, step by step, what is not stored."""
        _settle(design, store)

        def ask(requests: list[Request]) -> None:
            answer_all(requests, design.model, store, how, budget)

        try:
            return follow(design, self.units, some, store.answers, ask)
        finally:
            if isinstance(design.model, OpenAIModel):
                design.model.close()

    def _sources(
        self, known: Mapping[str, Prices | None], chains: Sequence[Chain]
    ) -> Sources:
        """What came of the steps, as sources."""
        made = []
        for design, chain in zip(self._designs, chains, strict=True):
            outcomes: dict[Step, dict[Place, Outcome]] = {}
            for step, own in chain.outcomes.items():
                skipped = {
                    (k, 0): NotCovered(reason)
                    for k, reason in self.units.skipped.items()
                }
                outcomes[step] = {**skipped, **own}
            made.append(Made(design, outcomes, chain.probabilities, chain.spent))
        return Sources(self.units, made, known)


def _settle(design: Design, store: Store) -> None:
    """Ask for the form of answers as stored answers of the source were asked for."""
    settle = getattr(design.model, "settle", None)
    if settle is not None:
        modes = store.modes(design.code.digest)
        if len(modes) == 1:
            settle(modes[0])


def _how(workers: int, rate: float | None, retries: int, progress: bool | None) -> How:
    """How requests are sent."""
    check_count("workers", workers)
    check_count("retries", retries, 0)
    if rate is not None and (not is_number(rate) or not rate > 0):
        raise OptionError(f"rate={rate!r} is no number of calls a minute.")
    return How(workers, rate, retries, progress=progress)


def _check_repeats(
    settings: Mapping[str, Settings], replicates: int, synthetic: int
) -> None:
    """Raise if the same answer would be asked for several times."""
    for name, number, step in (
        ("replicates", replicates, "code"),
        ("synthetic", synthetic, "write"),
    ):
        if number > 1 and settings[step].temperature == 0:
            raise OptionError(
                f"{name}={number} at temperature 0 would be the same answer {number} "
                f"times. Set temperature={{{step!r}: 1.0}}, or {name}=1."
            )


def _check_human(units: Units, codebook: Codebook, regressors: Sequence[str]) -> None:
    """Raise if there are no codes to condition on; warn otherwise."""
    for name in regressors:
        if name not in units.codes.columns:
            raise DataError(
                f"condition_on='human' needs codes of {name!r}, and data has no such "
                "column."
            )
        codes = units.codes[name]
        question = codebook.variables[name]
        bad = [
            k
            for k, code in enumerate(codes)
            if not pd.isna(code) and question.write(code) is None
        ]
        if bad:
            raise DataError(
                f"data: column {name!r} holds {show(codes.iloc[bad[0]])} "
                f"({name_units(units.ids[bad])}), which is no answer of the codebook "
                f"({question.choices})."
            )
    warn(
        "condition_on='human': counterparts of labelled units are given codes of "
        "humans and those of other units codes of the model. Labelled and unlabelled "
        "rows then differ in law, and estimates may be biased whatever the number of "
        "units. Use 'proxy' unless that is what you study.",
        GenerationWarning,
    )


def _address(model: Any) -> str:
    return str(getattr(model, "address", ""))


def _own_name(model: Any, name: str) -> str:
    return str(getattr(model, "name", None) or name)


def _prompt_texts(
    given: Mapping[str, Any] | None, codebook: Codebook
) -> dict[str, dict[str, str]]:
    """Instructions of each step, by the name of the prompt."""
    if given is not None and not isinstance(given, Mapping):
        raise OptionError(
            f"prompts= is {show(given)}. Give {{'name': 'further instructions'}}."
        )
    usual = {"code": codebook.instructions, "write": ""}
    found = {}
    for name, text in (given or {"": {}}).items():
        own = text if isinstance(text, Mapping) else {"code": text}
        steps = _per_step(f"prompts[{name!r}]", own, usual)
        for step, words in steps.items():
            if not isinstance(words, str):
                raise OptionError(
                    f"prompts[{name!r}] has {show(words)} for step {step!r}. Give a "
                    "text."
                )
        found[str(name)] = steps
    return found


def _code_prompt(
    model: Model,
    name: str,
    codebook: Codebook,
    text: str,
    turns: tuple[dict[str, Any], ...],
    settings: Settings,
) -> Prompt:
    """Prompt of coding."""
    system = code_instructions(codebook, text)
    own, address = _own_name(model, name), _address(model)
    return Prompt(own, address, system, turns, codebook.schema, settings)


def _write_prompt(
    named: tuple[Model, str],
    codebook: Codebook,
    text: str,
    units: Units,
    regressors: tuple[str, ...],
    settings: Settings,
) -> Prompt:
    """Prompt of writing."""
    system = write_instructions(codebook, text, regressors)
    schema = write_schema(codebook, units.numeric)
    own, address = _own_name(*named), _address(named[0])
    return Prompt(own, address, system, (), schema, settings)


def _regressors(codebook: Codebook, given: Sequence[str] | None) -> tuple[str, ...]:
    """Variables that a counterpart has as its original does."""
    names = list(codebook.variables)
    if given is None:
        return tuple(names[1:])
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, Iterable):
        raise OptionError(f"regressors= is {show(given)}. Give names of variables.")
    for name in given:
        if name not in names:
            raise OptionError(
                f"regressors= names {show(name)}, which is no variable of the codebook."
                f"{suggest(name, names)}"
            )
    return tuple(dict.fromkeys(given))

"""Calls in several threads give the same numbers and leave the process as it was."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import pickle
import sys
import threading
from typing import Any
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula
from threadpoolctl import threadpool_info, threadpool_limits

import statsmodels_synth
from statsmodels_synth import AugmentedGMM
from statsmodels_synth.core.messages import muted, warn
from statsmodels_synth.core.process import KeptFilters, OneThread
from statsmodels_synth.exceptions import (
    FewClustersWarning,
    FewUnitsWarning,
    FormulaError,
    SynthWarning,
)

PACKAGE = Path(statsmodels_synth.__file__).parent
T, WORKERS, JOBS = 600, 8, 16
CHANGES_THE_PROCESS = {
    *("catch_warnings", "simplefilter", "filterwarnings", "resetwarnings"),
    *("seterr", "redirect_stdout", "redirect_stderr", "option_context", "set_option"),
}


def frame() -> pd.DataFrame:
    """A study whose units, levels and outcome pandas has to convert."""
    rng = np.random.default_rng(3)
    x, group = rng.normal(size=T), rng.choice(list("abc"), size=T)
    truth = (0.4 * x + (group == "b") + rng.normal(size=T) > 0.2).astype(float)
    guess = np.where(rng.uniform(size=T) < 0.8, truth, 1.0 - truth)
    units = [f"unit {t}" for t in range(T)]
    columns = {"x": x, "group": group, "flag": x > 0.5, "truth": truth, "guess": guess}
    columns["drawn"] = np.where(rng.uniform(size=T) < 0.7, truth, 1.0 - truth)
    return pd.DataFrame(columns, units).assign(
        y=np.where(np.arange(T) % 3 == 0, truth, np.nan), school=np.arange(T) // 20
    )


#: Each with labels of its own. They are made here, and looked at afterwards: a thread
#: that uses pandas changes filters for a moment, and no thread can stop another.
FRAMES = [
    frame().assign(y=lambda data, k=k: data["truth"].where(np.arange(T) % 3 == k))
    for k in range(3)
]
DRAWN = frame().assign(y=frame()["drawn"])[["y", "x", "group", "flag", "school"]]
AHEAD = frame().iloc[:50]
LATER = FRAMES[0].iloc[:5].assign(school=[5, 15, 25, 99, 10])
SETS = pd.DataFrame(
    {j: frame()["truth"].where(np.arange(T) % 4 == j) for j in range(3)}
)
X = sm.add_constant(frame()["x"].to_numpy())
ARRAYS = [{name: data[name].to_numpy() for name in data} for data in FRAMES]


def model(engine: str, k: int = 0) -> AugmentedGMM:
    """The model from frames."""
    return AugmentedGMM.from_formula(
        "y ~ x + group + flag + C(np.floor(x.clip(-1, 1))) + center(school)",
        FRAMES[k],
        {"y": "guess"},
        DRAWN,
        family=sm.families.Binomial(),
        engine=engine,
    )


def numbers(result: Any) -> list[Any]:
    """
    What a user asks of a fit, and its texts, which have to be made.

    That of ``summary2()`` is made by pandas when it is shown, not by this package.
    """
    assert str(result.summary())
    assert result.summary2().tables
    tables = [result.sources, result.variance_reduction]
    return [*tables, result.params, result.pvalues, result.bse, result.jtest()]


def from_arrays(k: int) -> list[Any]:
    data = ARRAYS[k]
    sources = {"llm": (data["guess"], X)}
    made = AugmentedGMM(data["y"], X, sources, family=sm.families.Binomial())
    clusters = {"cov_type": "cluster", "cov_kwds": {"groups": data["school"]}}
    return numbers(made.fit()) + numbers(made.fit(**clusters))


def from_frames(engine: str) -> Callable[[int], list[Any]]:
    def call(k: int) -> list[Any]:
        result = model(engine, k).fit()
        terms = result.wald_test_terms(scalar=True)
        interval = result.get_prediction(AHEAD).conf_int()
        return [*numbers(result), result.predict(AHEAD), terms.table, interval]

    return call


def unseen_level(k: int) -> list[Any]:
    """An error that formulaic only warns of."""
    formula, source = "y ~ C(np.floor(school / 10))", {"y": "guess"}
    made = AugmentedGMM.from_formula(formula, FRAMES[k], source, engine="formulaic")
    result = made.fit()
    with pytest.raises(FormulaError, match=r"has 9\.0\) \(unit 'unit 3'\)"):
        result.predict(LATER)
    return [result.predict(AHEAD)]


def many(k: int) -> list[Any]:
    return [result.params for result in model("patsy", k).fit_many(SETS)]


def analyses(k: int) -> list[Any]:
    result = model("patsy", k).fit()
    methods = ["labels only", "naive", "naive pooled", "PPI++", "predict-then-debias"]
    compared, found = result.compare(methods), result.diagnostics(by="group")
    plan = result.plan()
    for shown in (compared, found, plan):
        assert str(shown)
    return [compared.table, found.bias, plan.expect(n=[200, 300])]


def plain(value: Any) -> Any:
    """Numbers of a table."""
    if isinstance(value, pd.DataFrame):
        return value.select_dtypes("number").to_numpy(dtype=float)
    return np.asarray(value, dtype=float)


CALLS = {
    "arrays": from_arrays,
    "patsy": from_frames("patsy"),
    "formulaic": from_frames("formulaic"),
    "unseen level": unseen_level,
    "fit_many": many,
    "analyses": analyses,
}


def blas_threads() -> list[int]:
    return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]


def state() -> dict[str, Any]:
    """What all threads share."""
    options = statsmodels.formula.options
    return {
        "filters": list(warnings.filters),
        "shown by": (warnings.showwarning, warnings._showwarnmsg_impl),  # type: ignore[attr-defined]
        "floats": np.geterr(),
        "blas": blas_threads(),
        "formulas": (options.formula_engine, options.ordering),
        "output": (sys.stdout, sys.stderr),
        "environment": dict(os.environ),
    }


@pytest.fixture
def often() -> Iterator[None]:
    """Threads change places all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("name", CALLS)
def test_threads_leave_the_process_as_it_was(name: str) -> None:
    alone = [CALLS[name](k) for k in range(3)]
    filters, before = warnings.filters, state()
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(CALLS[name], [k % 3 for k in range(JOBS)]))
    assert state() == before
    assert warnings.filters is filters
    # Sums depend on where arrays begin in memory, and are stopped at steps of 1e-8.
    for k, of_thread in enumerate(found):
        for value, expected in zip(of_thread, alone[k % 3], strict=True):
            np.testing.assert_allclose(
                plain(value), plain(expected), rtol=1e-7, atol=1e-9
            )


@pytest.mark.parametrize("name", CALLS)
def test_only_pandas_touches_the_filters(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither this package nor statsmodels, patsy or formulaic on its behalf."""
    callers = set()

    def watched(change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            callers.add(str(sys._getframe(1).f_globals["__name__"]).partition(".")[0])
            return change(*args, **kwargs)

        return call

    for place, what in (
        (warnings.catch_warnings, "__enter__"),
        (warnings, "simplefilter"),
        (warnings, "filterwarnings"),
        (np, "seterr"),
    ):
        monkeypatch.setattr(place, what, watched(getattr(place, what)))
    CALLS[name](1)
    # pytest.raises of the test itself asks for none.
    assert callers <= {"pandas"}


def test_no_code_changes_what_belongs_to_the_process() -> None:
    """R is one thread, and warnings and output are collected for it."""
    found = {
        (
            path.relative_to(PACKAGE).as_posix(),
            node.attr if isinstance(node, ast.Attribute) else node.id,
        )
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Attribute, ast.Name))
        and (node.attr if isinstance(node, ast.Attribute) else node.id)
        in CHANGES_THE_PROCESS
    }
    assert {name for name, _ in found} == {"r/recording.py"}


# The number of threads of BLAS


class Pool:
    """A pool of threads as threadpoolctl shows it."""

    threading_layer = "pthreads"

    def __init__(self, threads: int = 4) -> None:
        self.num_threads = threads

    def set_num_threads(self, threads: int) -> None:
        self.num_threads = threads


class OpenMPPool(threading.local):
    """One whose number each thread has by itself."""

    threading_layer = "openmp"
    num_threads = 4

    def set_num_threads(self, threads: int) -> None:
        self.num_threads = threads


@pytest.mark.parametrize("first", [0, 1])
def test_the_last_one_out_restores(first: int) -> None:
    pool = Pool()
    one = OneThread(lambda: [pool])
    visits = [one.visit(), one.visit()]
    threads = [ThreadPoolExecutor(1), ThreadPoolExecutor(1)]
    for thread, visit in zip(threads, visits, strict=True):
        thread.submit(visit.__enter__).result()
        assert pool.num_threads == 1
    for k, expected in ((first, 1), (1 - first, 4)):
        threads[k].submit(visits[k].__exit__, None, None, None).result()
        assert pool.num_threads == expected
        threads[k].shutdown()


def test_a_thread_with_openmp_gets_its_own_number_back() -> None:
    pool = OpenMPPool()
    one = OneThread(lambda: [pool])

    def inside() -> tuple[int, int]:
        with one.visit():
            limited = pool.num_threads
        return limited, pool.num_threads

    with one.visit(), ThreadPoolExecutor(1) as other:
        assert other.submit(inside).result() == (1, 4)
        assert pool.num_threads == 1
    assert pool.num_threads == 4


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_exceptions_restore(error: type[BaseException]) -> None:
    pool = Pool()
    one = OneThread(lambda: [pool])
    with pytest.raises(error), one.visit(), one.visit():
        raise error
    assert pool.num_threads == 4


def test_an_interrupt_on_the_way_in_restores(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = [Pool(), Pool()]
    one = OneThread(lambda: pools)

    def interrupted(threads: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pools[1], "set_num_threads", interrupted)
        with pytest.raises(KeyboardInterrupt), one.visit():
            pass
    assert [pool.num_threads for pool in pools] == [4, 4]


def test_what_the_user_sets_stays() -> None:
    few = Pool(1)
    one = OneThread(lambda: [few])
    with one.visit():
        assert few.num_threads == 1
    assert few.num_threads == 1  # never raised
    pool = Pool()
    one = OneThread(lambda: [pool])
    with one.visit():
        pool.set_num_threads(3)
    assert pool.num_threads == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_while_another_thread_computes() -> None:
    pool = Pool()
    one = OneThread(lambda: [pool])
    with ThreadPoolExecutor(1) as other:
        visit = one.visit()
        other.submit(visit.__enter__).result()
        child = os.fork()
        if child == 0:
            alone = pool.num_threads == 4
            with one.visit():
                limited = pool.num_threads == 1
            os._exit(not (alone and limited and pool.num_threads == 4))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert pool.num_threads == 1
        other.submit(visit.__exit__, None, None, None).result()
    assert pool.num_threads == 4


class WatchedLink(sm.families.links.Log):
    """Notes how many threads BLAS has while a fit computes, or fails."""

    seen: list[int]
    fails = False

    def inverse(self, z: Any) -> Any:
        """Mean, from the linear predictor."""
        self.seen.extend(blas_threads())
        if self.fails:
            raise KeyboardInterrupt
        return super().inverse(z)


@pytest.mark.parametrize("fails", [False, True])
def test_blas_has_one_thread_while_a_fit_computes(fails: bool) -> None:
    link = WatchedLink()
    link.seen = []
    data = ARRAYS[0]
    sources = {"llm": (data["guess"], X)}
    family = sm.families.Poisson(link)
    made = AugmentedGMM(data["y"], X, sources, family=family)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        if not before or max(before) < 2:
            pytest.skip("BLAS has one thread here")
        link.fails, link.seen = fails, []
        if fails:
            with pytest.raises(KeyboardInterrupt):
                made.fit()
        else:
            made.fit()
        assert set(link.seen) == {1}
        assert blas_threads() == before


def test_limited_methods_look_as_they_are_written() -> None:
    """Pickled by name, with signature and docstring: Dask and users need these."""
    fit = pickle.loads(pickle.dumps(AugmentedGMM.fit))
    assert fit is AugmentedGMM.fit
    assert fit.__name__ == "fit"
    assert "Estimate the coefficients" in str(fit.__doc__)


# Filters of warnings


def test_what_pandas_leaves_behind_is_taken_away() -> None:
    """Two threads that overlap within pandas, played out."""
    kept, before = KeptFilters(), warnings.filters
    try:
        visits = [kept.visit(), kept.visit()]
        visits[0].__enter__()
        with ThreadPoolExecutor(1) as other:
            other.submit(visits[1].__enter__).result()
        changes = [warnings.catch_warnings(), warnings.catch_warnings()]
        for change in changes:
            change.__enter__()
            warnings.simplefilter("always", DeprecationWarning)
        for change in changes:  # the first one in is the first one out
            change.__exit__()
        assert warnings.filters is not before
        visits[0].__exit__(None, None, None)
        assert warnings.filters is not before
        visits[1].__exit__(None, None, None)
        assert warnings.filters is before
    finally:
        warnings.filters = before  # type: ignore[assignment]


def test_what_pandas_leaves_in_the_list_itself_is_taken_away() -> None:
    """One thread gives the list back before the other one adds its filter."""
    kept, before, contents = KeptFilters(), warnings.filters, list(warnings.filters)
    try:
        visits = [kept.visit(), kept.visit()]
        visits[0].__enter__()
        with ThreadPoolExecutor(1) as other:
            other.submit(visits[1].__enter__).result()
        changes = [warnings.catch_warnings(), warnings.catch_warnings()]
        changes[0].__enter__()
        changes[1].__enter__()
        changes[0].__exit__()
        warnings.simplefilter("ignore", RuntimeWarning)
        changes[1].__exit__()
        assert before[0][:3] == ("ignore", None, RuntimeWarning)
        for visit in visits:
            visit.__exit__(None, None, None)
        assert warnings.filters is before
        assert list(before) == contents
    finally:
        before[:] = contents  # type: ignore[index]
        warnings.filters = before  # type: ignore[assignment]


def test_a_filter_that_is_lost_between_two_threads_comes_back() -> None:
    """One thread copies the list while another one moves a filter to its front."""
    kept, before = KeptFilters(), warnings.filters
    with warnings.catch_warnings():
        warnings.simplefilter("always", DeprecationWarning)
        contents = list(warnings.filters)
        visits = [kept.visit(), kept.visit()]
        visits[0].__enter__()
        with ThreadPoolExecutor(1) as other:
            other.submit(visits[1].__enter__).result()
        warnings.filters = contents[1:]  # type: ignore[assignment]
        for visit in visits:
            visit.__exit__(None, None, None)
        assert list(warnings.filters) == contents
    assert warnings.filters is before


def test_warnings_are_shown_again_where_pandas_collected_them() -> None:
    """Two threads, one of which collects, played out."""
    kept, before, filters = KeptFilters(), state()["shown by"], warnings.filters
    try:
        visits = [kept.visit(), kept.visit()]
        visits[0].__enter__()
        with ThreadPoolExecutor(1) as other:
            other.submit(visits[1].__enter__).result()
        changes = [warnings.catch_warnings(record=True), warnings.catch_warnings()]
        for change in changes:
            change.__enter__()
        for change in changes:
            change.__exit__()
        assert state()["shown by"] != before
        for visit in visits:
            visit.__exit__(None, None, None)
        assert state()["shown by"] == before
    finally:
        warnings.showwarning, warnings._showwarnmsg_impl = before  # type: ignore[attr-defined]
        warnings.filters = filters  # type: ignore[assignment]


def test_a_filter_of_the_user_stays_although_pandas_sets_such_ones() -> None:
    kept = KeptFilters()
    with kept.visit():
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("always", DeprecationWarning)
        with kept.visit():
            pass
        assert warnings.filters[0][:3] == ("always", None, DeprecationWarning)


def test_filters_of_the_user_stay() -> None:
    kept, before = KeptFilters(), warnings.filters
    try:
        visit = kept.visit()
        visit.__enter__()
        with warnings.catch_warnings():
            warnings.simplefilter("error", SynthWarning)
            visit.__exit__(None, None, None)
            assert warnings.filters is not before
            assert warnings.filters[0][2] is SynthWarning
        assert warnings.filters is before
    finally:
        warnings.filters = before  # type: ignore[assignment]


def test_warnings_are_muted_in_one_thread_only() -> None:
    def said() -> bool:
        try:
            warn("few", FewUnitsWarning)
        except FewUnitsWarning:  # an error in these tests
            return True
        return False

    with muted(FewClustersWarning), ThreadPoolExecutor(1) as other:
        assert said()
        with muted(FewUnitsWarning):
            assert not said()
            assert other.submit(said).result()
        assert said()
    with muted(SynthWarning):
        assert not said()

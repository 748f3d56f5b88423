"""
The fit against other software on the same data, for :mod:`benchmarks.speed`.

Where a peer solves the same moment conditions (stock GMM, linearmodels, R's gmm), the
distance between the estimates is a row too, in standard errors. Time and estimate are
then those of the estimator of the paper, ``fit(use_correction=False)``, because the
default shrinks what it takes off for the sources, and takes fewer passes. Peers are
given arrays that are laid out beforehand, our start, and derivatives where they have an
argument for them, as R's gmm does; stock GMM differentiates its criterion numerically.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
import subprocess
import tempfile
from typing import Any
import warnings

from linearmodels.iv import IVGMM
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from statsmodels.sandbox.regression.gmm import GMM

from benchmarks.problems import (
    Floats,
    Problem,
    Row,
    make_problem,
    say,
    size,
    timed,
)
from statsmodels_synth.r.locate import SetUpError, clean_environment, find_r

#: Estimates agree if no coefficient is further apart than this, in standard errors.
SAME = 1e-5
#: Units at most where a peer iterates to the end.
EXACT_UNITS = 20_000


def paper_fit(problem: Problem) -> Any:
    """Fit the estimator that the peers have."""
    return problem.model().fit(use_correction=False)


def distance(ours: Any, params: Any) -> float:
    """Return the largest difference of a target coefficient, in standard errors."""
    own = np.asarray(ours.params)
    apart = own - np.asarray(params)[: len(own)]
    return float(np.max(np.abs(apart) / np.asarray(ours.bse)))


def _our_seconds(problem: Problem, repeats: int) -> float:
    """Median seconds of construction and the fit that the peers have."""
    paper_fit(problem)
    return median(timed(paper_fit, problem)[0] for _ in range(repeats))


# statsmodels


class StockModel(GMM):  # type: ignore[misc]
    """
    The same moment conditions for statsmodels' own GMM, written down densely.

    Parameters
    ----------
    problem : Problem
        The arrays, of a Binomial problem.
    start : ndarray (p + M p,)
        Where the search starts.
    """

    def __init__(self, problem: Problem, start: Floats) -> None:
        self.labeled = problem.labeled
        self.start = start
        labels = np.where(self.labeled, problem.endog, 0.0)
        self.parts = [(labels, problem.exog), *problem.sources]
        columns, n_sources = problem.exog.shape[1], len(problem.sources)
        super().__init__(
            problem.proxy_endog,
            problem.exog,
            np.empty((len(problem.endog), 0)),
            k_moms=(1 + 2 * n_sources) * columns,
            k_params=(1 + n_sources) * columns,
        )

    def fitstart(self) -> Floats:
        """Start of the search."""
        return self.start

    def momcond(self, params: Floats) -> Floats:
        """Moments ``[a psi; a h_1; h_1; a h_2; h_2; ...]`` of every unit."""
        psi, *h = (
            exog * (endog - expit(exog @ beta))[:, None]
            for (endog, exog), beta in zip(
                self.parts, params.reshape(len(self.parts), -1), strict=True
            )
        )
        a = self.labeled[:, None]
        return np.hstack([a * psi, *(part for h_m in h for part in (a * h_m, h_m))])


def stock_fit(problem: Problem, options: dict[str, float]) -> Any:
    """
    Fit stock GMM, started where our fit starts.

    Parameters
    ----------
    problem : Problem
        The arrays.
    options : dict
        Options of the optimiser.

    Returns
    -------
    GMMResults
        Two-step estimate, uncentred weight.
    """
    return StockModel(problem, problem.model().fitstart()).fit(
        maxiter=2, optim_args={"disp": 0, **options}, wargs={"centered": False}
    )


def stock_rows(problem: Problem, repeats: int) -> list[Row]:
    """
    Time against stock GMM on the same moments, and whether they agree.

    Parameters
    ----------
    problem : Problem
        The arrays, of a Binomial problem.
    repeats : int
        Rounds of our fit; stock GMM is fitted once.

    Returns
    -------
    list of Row
        Ratio of times, largest difference in standard errors.
    """
    ours = _our_seconds(problem, repeats)
    say(f"stock GMM on {size(problem)} units (a minute or two)")
    seconds, stock = timed(stock_fit, problem, {})
    small = make_problem(min(len(problem.endog), EXACT_UNITS))
    say(f"stock GMM to convergence on {size(small)} units")
    exact = stock_fit(small, {"gtol": 1e-9})
    return [
        Row(
            f"stock GMM.fit / construct + paper's fit, {size(problem)} units",
            seconds / ours,
            50,
            at_least=True,
            note=f"{seconds:.1f} s / {ours:.3f} s, stock's numeric gradient",
        ),
        Row(
            "  estimates apart, in standard errors",
            distance(paper_fit(problem), stock.params),
            note="stock stops at its default gtol=1e-5",
        ),
        Row(
            f"  same with gtol=1e-9, {size(small)} units",
            distance(paper_fit(small), exact.params),
            SAME,
            note="both reach the same estimate if met",
        ),
    ]


# ppi-python


def ppi_rows(problem: Problem, repeats: int) -> list[Row]:
    """
    Time against PPI++ of ppi-python: both have the proxy only and end with intervals.

    Parameters
    ----------
    problem : Problem
        The arrays, of a Binomial problem.
    repeats : int
        Rounds, in turns; of PPI++ three at most.

    Returns
    -------
    list of Row
        Ratio of times, and of the widths of the intervals: not the same estimator.
    """
    # Here, since its imports (numba, PyTorch where there is one) take long.
    from ppi_py import ppi_logistic_ci  # noqa: PLC0415

    labeled = problem.labeled
    parts = (
        *(a[labeled] for a in (problem.exog, problem.endog, problem.proxy_endog)),
        *(a[~labeled] for a in (problem.exog, problem.proxy_endog)),
    )

    def theirs(*arrays: Floats) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of scikit-learn, on an argument it gives
            return ppi_logistic_ci(*arrays, alpha=0.05)

    def ours() -> Any:
        return problem.model(proxy_only=True).fit().conf_int()

    theirs(*(part[:500] for part in parts))  # compiles
    ours()
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for count in range(min(repeats, 3)):
        say(f"ppi-python, round {count + 1}")
        took, own = timed(ours)
        seconds["ours"].append(took)
        took, (low, high) = timed(theirs, *parts)
        seconds["theirs"].append(took)
    own_seconds, peer_seconds = (median(each) for each in seconds.values())
    widths = np.ptp(np.asarray(own), axis=1) / (high - low)
    return [
        Row(
            f"ppi_logistic_ci, warm / construct + fit, {size(problem)} units",
            peer_seconds / own_seconds,
            10,
            at_least=True,
            note=f"{peer_seconds:.2f} s / {own_seconds:.3f} s, the proxy alone",
        ),
        Row("  median width of our 95 % intervals / theirs", float(np.median(widths))),
    ]


# linearmodels


def linear_stack(problem: Problem) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """
    The moments of a Gaussian problem as those of one linear instrumental problem.

    Parameters
    ----------
    problem : Problem
        The arrays.

    Returns
    -------
    y : ndarray (R,)
        Outcomes: labels of the labelled units, then all rows of each source, R rows.
    regressors : ndarray (R, p + M p)
        Regressors, block diagonal.
    instruments : ndarray (R, p + 2 M p)
        Regressors of the labelled units; of each source ``[a x, x]``, since both of
        its moments have the same residual.
    clusters : ndarray (R,)
        Unit of each row: the moments of a unit are summed.
    """
    labeled = problem.labeled
    n, (n_units, p) = int(labeled.sum()), problem.exog.shape
    n_sources = len(problem.sources)
    length = n + n_sources * n_units
    y = np.empty(length)
    regressors = np.zeros((length, (1 + n_sources) * p))
    instruments = np.zeros((length, (1 + 2 * n_sources) * p))
    y[:n] = problem.endog[labeled]
    regressors[:n, :p] = instruments[:n, :p] = problem.exog[labeled]
    for m, (endog, exog) in enumerate(problem.sources):
        rows = slice(n + m * n_units, n + (m + 1) * n_units)
        y[rows] = endog
        regressors[rows, (1 + m) * p : (2 + m) * p] = exog
        at = (1 + 2 * m) * p
        instruments[rows, at : at + p] = labeled[:, None] * exog
        instruments[rows, at + p : at + 2 * p] = exog
    clusters = np.r_[np.flatnonzero(labeled), np.tile(np.arange(n_units), n_sources)]
    return y, regressors, instruments, clusters


def iv_rows(problem: Problem, repeats: int) -> list[Row]:
    """
    Time against linearmodels' IVGMM on the same moments, and whether they agree.

    Parameters
    ----------
    problem : Problem
        The arrays, of a Gaussian problem with one row per unit in every source.
    repeats : int
        Rounds of our fit; IVGMM is fitted once.

    Returns
    -------
    list of Row
        Ratio of times, largest difference in standard errors.
    """
    ours = _our_seconds(problem, repeats)
    say(f"linearmodels' IVGMM on {size(problem)} units")
    y, regressors, instruments, clusters = linear_stack(problem)

    def theirs() -> Any:
        model = IVGMM(
            y, None, regressors, instruments, weight_type="clustered", clusters=clusters
        )
        return model.fit(
            initial_weight=np.eye(instruments.shape[1]),
            cov_type="clustered",
            clusters=clusters,
        )

    seconds, peer = timed(theirs)
    return [
        Row(
            f"Gaussian: IVGMM / construct + paper's fit, {size(problem)} units",
            seconds / ours,
            note=f"{seconds:.2f} s / {ours:.3f} s, linearmodels' rows stacked before",
        ),
        Row(
            "  estimates apart, in standard errors",
            distance(paper_fit(problem), peer.params),
            SAME,
        ),
    ]


# R

SCRIPT = """
suppressMessages(library(gmm))
p <- P; sources <- M
read <- function(name, ncol) {
  path <- paste0(name, ".bin")
  matrix(readBin(path, "double", file.size(path) / 8), ncol = ncol)
}
y <- read("y", 1 + sources)
a <- as.vector(read("labeled", 1))
x <- lapply(0:sources, function(m) read(paste0("x", m), p))
start <- as.vector(read("start", 1))
of <- function(m) m * p + seq_len(p)
moments <- function(theta, data) {
  h <- lapply(0:sources, function(m)
    x[[m + 1L]] * as.vector(y[, m + 1L] - plogis(x[[m + 1L]] %*% theta[of(m)])))
  do.call(cbind, c(list(a * h[[1L]]), lapply(h[-1L], function(h) cbind(a * h, h))))
}
jacobian <- function(theta, data) {
  result <- matrix(0, (1 + 2 * sources) * p, (1 + sources) * p)
  for (m in 0:sources) {
    mu <- plogis(as.vector(x[[m + 1L]] %*% theta[of(m)]))
    slope <- function(w) -crossprod(x[[m + 1L]] * (w * mu * (1 - mu)), x[[m + 1L]])
    if (m == 0) result[of(0), of(0)] <- slope(a)
    else {
      result[of(2 * m - 1), of(m)] <- slope(a)
      result[of(2 * m), of(m)] <- slope(1)
    }
  }
  result / nrow(y)
}
took <- system.time(fit <- gmm(
  moments, a, start, gradv = jacobian, vcov = "iid", centeredVcov = FALSE,
  method = "BFGS", control = CONTROL))[["elapsed"]]
cat(took, format(coef(fit)[of(0)], digits = 17), "\\n")
"""
#: Options of R's optim: its own, but for the number of steps; and to the end.
DEFAULT_CONTROL = "list(maxit = 1000)"
EXACT_CONTROL = "list(maxit = 10000, reltol = 1e-15)"


class NoPeerError(Exception):
    """R or its package gmm is not there."""


def _r_program() -> Path:
    """Rscript, of an R that has the package gmm."""
    try:
        program = find_r().rscript
    except SetUpError as error:
        raise NoPeerError("R is not installed") from error
    question = 'quit(status = !requireNamespace("gmm", quietly = TRUE))'
    done = subprocess.run(
        [program, "--no-init-file", "-e", question],
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise NoPeerError("the R package gmm is not installed (tools/set_up_r.sh)")
    return program


def r_fit(problem: Problem, control: str) -> tuple[float, Floats]:
    """
    Fit R's gmm, with the analytic Jacobian, started where our fit starts.

    Parameters
    ----------
    problem : Problem
        The arrays, of a Binomial problem.
    control : str
        R code of the options of the optimiser.

    Returns
    -------
    seconds : float
        Of the call of gmm alone: not of starting R, reading data or loading packages.
    params : ndarray (p,)
        Target coefficients.

    Raises
    ------
    NoPeerError
        If R or gmm is not there.
    RuntimeError
        If R fails.
    """
    program = _r_program()
    labels = np.where(problem.labeled, problem.endog, 0.0)
    outcomes = [labels, *(endog for endog, _ in problem.sources)]
    arrays = {
        "y": np.stack(outcomes),  # R reads column by column
        "labeled": problem.labeled.astype(float),
        "start": np.asarray(problem.model().fitstart(), dtype=float),
        "x0": problem.exog.T,
    }
    arrays |= {f"x{m}": exog.T for m, (_, exog) in enumerate(problem.sources, 1)}
    script = SCRIPT.replace("CONTROL", control)
    script = script.replace("<- P;", f"<- {problem.exog.shape[1]};")
    script = script.replace("<- M\n", f"<- {len(problem.sources)}\n")
    with tempfile.TemporaryDirectory() as place:
        for name, array in arrays.items():
            array.tofile(Path(place) / f"{name}.bin")
        path = Path(place) / "peer.R"
        path.write_text(script)
        done = subprocess.run(
            [program, "--no-init-file", path],
            env=clean_environment(),
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"R failed:\n{done.stderr}")
    seconds, *params = map(float, done.stdout.split())
    return seconds, np.array(params)


def r_rows(problem: Problem, repeats: int) -> list[Row]:
    """
    Time against R's gmm on the same moments, and whether they agree.

    Parameters
    ----------
    problem : Problem
        The arrays, of a Binomial problem.
    repeats : int
        Rounds of our fit; R's is fitted once.

    Returns
    -------
    list of Row
        Ratio of times, largest difference in standard errors; one row without a
        number where R or gmm is not there.
    """
    what = f"R's gmm / construct + paper's fit, {size(problem)} units"
    say(f"R's gmm on {size(problem)} units (a minute or two)")
    try:
        seconds, params = r_fit(problem, DEFAULT_CONTROL)
    except NoPeerError as error:
        return [Row(what, None, note=f"not measured: {error}")]
    ours = _our_seconds(problem, repeats)
    small = make_problem(min(len(problem.endog), EXACT_UNITS))
    say(f"R's gmm to convergence on {size(small)} units")
    _, exact = r_fit(small, EXACT_CONTROL)
    return [
        Row(
            what,
            seconds / ours,
            note=f"{seconds:.1f} s / {ours:.3f} s, R's analytic gradient, BFGS",
        ),
        Row(
            "  estimates apart, in standard errors",
            distance(paper_fit(problem), params),
            note="R stops at its default reltol=1e-8",
        ),
        Row(
            f"  same with reltol=1e-15, {size(small)} units",
            distance(paper_fit(small), exact),
            SAME,
            note="both reach the same estimate if met",
        ),
    ]

"""The bridge must not crash R, eat an error, or mangle a value."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import os
from pathlib import Path
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

RunR = Callable[..., subprocess.CompletedProcess[str]]

#: Functions that the tests call through the dispatcher.
HANDLERS = """
import ctypes, gc, time, warnings
import numpy as np
from statsmodels_synth.r import dispatcher
from statsmodels_synth.exceptions import FewUnitsWarning, SeparationError

def boom(a): raise SeparationError("The labels are separated.")
def bug(a): return {}["missing"]
def warned(a):
    warnings.warn("Few units.", FewUnitsWarning)
    warnings.warn("overflow", RuntimeWarning)
    warnings.warn("for developers", DeprecationWarning)
    return {"done": 1}
def work(a):
    x = np.ones((400, 400))
    stop = time.monotonic() + a["seconds"][0]
    while time.monotonic() < stop:
        x @ x
    return {}
def printed(a): print("said by Python"); return {}
def trim(a):
    # What malloc keeps for later is no leak.
    gc.collect()
    return {"trimmed": ctypes.CDLL(None).malloc_trim(0)}
def collect(a):
    # R collects while Python's lock is let go.
    from rpy2 import rinterface
    rinterface.baseenv["gc"]()
    return {}
def leave(a): raise SystemExit(3)
def odd(a): return {"x": object()}
dispatcher.HANDLERS |= {
    "echo": lambda a: a, "boom": boom, "bug": bug, "warned": warned,
    "work": work, "printed": printed, "leave": leave, "odd": odd,
    "trim": trim, "collect": collect,
}
"""
START = f"""
library(statsmodelssynth)
call_python <- statsmodelssynth:::call_python
stopifnot(synth_available())
reticulate::py_run_string({HANDLERS!r})
"""


def start(script: str) -> str:
    """A script with the test handlers at hand."""
    return START + script


def test_library_starts_no_python(run_r: RunR) -> None:
    done = run_r("library(statsmodelssynth); cat(reticulate::py_available(FALSE))")
    assert done.stdout == "FALSE"


def test_values_come_back_as_they_went(run_r: RunR) -> None:
    done = run_r(
        start("""
        x <- list(
          d = c(1.5, NaN, Inf, -Inf), m = matrix(as.double(1:6), 2), one = pi,
          i = c(3L, -7L), im = matrix(1:6, 3), s = c("a", "\\u00e9\\u4e2d"), n = NULL,
          nested = list(list(a = 1), list(a = "b")), none = double(),
          empty = matrix(0, 0, 3)
        )
        y <- call_python("echo", x)
        # Integers go as 64 bits and come back as R's own.
        stopifnot(identical(y[names(x) != "n"], x[names(x) != "n"]), is.null(y$n))
        big <- matrix(rnorm(2e6), ncol = 4)
        stopifnot(identical(call_python("echo", list(x = big))$x, big))
        """)
    )
    assert done.returncode == 0, done.stderr


def test_what_python_gets_is_a_copy(run_r: RunR) -> None:
    done = run_r(
        start("""
        reticulate::py_run_string("
def double(a):
    a['x'] *= 2
    return a
dispatcher.HANDLERS['double'] = double")
        x <- c(1, 2)
        stopifnot(identical(call_python("double", list(x = x))$x, c(2, 4)), x == 1:2)
        """)
    )
    assert done.returncode == 0, done.stderr


def test_what_does_not_cross_is_an_error(run_r: RunR) -> None:
    # In one R: to start it takes as long as a thousand such calls.
    values = ["c(1L, NA)", "NA", "TRUE", "c('x', NA)", "factor('a')"]
    values += ["data.frame(a = 1)", "1i", "as.raw(1)", "quote(x)", "mean"]
    done = run_r(
        start(f"""
        for (value in expression({", ".join(values)})) {{
          e <- tryCatch(call_python("echo", list(x = eval(value))), error = identity)
          cat(class(e), "|", gsub("\n", " ", conditionMessage(e)), "\n")
        }}
        """)
    )
    assert done.returncode == 0, done.stderr
    for value, said in zip(values, done.stdout.splitlines(), strict=True):
        classes, message = said.split("|")
        assert "PythonError" in classes, value
        assert "does not cross" in message or "missing" in message, value


def test_errors_keep_class_and_message(run_r: RunR) -> None:
    done = run_r(
        start("""
        e <- tryCatch(call_python("boom", list()), DataError = identity)
        stopifnot(inherits(e, "SeparationError"), inherits(e, "SynthError"))
        stopifnot(identical(conditionMessage(e), "The labels are separated."))
        e <- tryCatch(call_python("bug", list()), PythonError = identity)
        stopifnot(grepl("^KeyError", conditionMessage(e)), grepl("in bug", e$traceback))
        for (name in c("leave", "odd", "no such")) {
          e <- tryCatch(call_python(name, list()), PythonError = identity)
          stopifnot(inherits(e, "PythonError"))
        }
        cat("next: "); call_python("boom", list()); cat("not reached")
        """)
    )
    assert done.returncode == 1
    assert done.stdout == "next: "
    assert "The labels are separated." in done.stderr


def test_warnings_become_warnings(run_r: RunR) -> None:
    done = run_r(
        start("""
        seen <- list()
        value <- withCallingHandlers(
          call_python("warned", list()),
          warning = function(w) {
            seen[[length(seen) + 1L]] <<- w
            invokeRestart("muffleWarning")
          }
        )
        stopifnot(value$done == 1, length(seen) == 2L)
        stopifnot(inherits(seen[[1]], c("FewUnitsWarning", "SynthWarning"), TRUE) > 0)
        stopifnot(conditionMessage(seen[[2]]) == "overflow")
        """)
    )
    assert done.returncode == 0, done.stderr


def test_python_prints_where_r_prints(run_r: RunR) -> None:
    done = run_r(
        start("""
        text <- capture.output(invisible(call_python("printed", list())))
        stopifnot(identical(text, "said by Python"))
        """)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_nothing_is_said_at_start_or_exit(run_r: RunR) -> None:
    done = run_r("library(statsmodelssynth); cat(synth_available())")
    assert (done.returncode, done.stdout, done.stderr) == (0, "TRUE", "")


def test_environment_of_r_is_kept(run_r: RunR) -> None:
    done = run_r("""
    library(statsmodelssynth)
    ours <- c("LD_LIBRARY_PATH", "R_HOME", "R_LIBS_SITE", "R_PAPERSIZE_USER",
              "RETICULATE_PYTHON", "RPY2_CFFI_MODE", "TZ", "LANG")
    before <- Sys.getenv(ours, unset = NA)
    stopifnot(synth_available())
    after <- Sys.getenv(ours, unset = NA)
    stopifnot(identical(before, after))
    ours <- c("ours", "before", "after", ".Random.seed")  # reticulate draws numbers
    stopifnot(setdiff(ls(globalenv(), all.names = TRUE), ours) == character())
    """)
    assert done.returncode == 0, done.stderr


def test_random_numbers_of_r_are_kept(run_r: RunR) -> None:
    done = run_r("""
    library(statsmodelssynth)
    set.seed(1)
    expected <- runif(2)
    set.seed(1)
    first <- runif(1)
    stopifnot(synth_available(), identical(c(first, runif(1)), expected))
    """)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs glibc and /proc"
)
def test_thousands_of_calls_do_not_grow(run_r: RunR) -> None:
    done = run_r(
        start("""
        resident <- function() {
          status <- readLines("/proc/self/status")
          as.numeric(gsub("[^0-9]", "", grep("^VmRSS", status, value = TRUE)))
        }
        args <- list(x = rnorm(1000), m = matrix(0, 50, 4), s = "text")
        # What reticulate left is collected first, as before every call of
        # call_python(); no more comes where it is not used, so that R may then collect
        # when it likes.
        dispatch <- statsmodelssynth:::dispatcher()
        calls <- function(n) {
          for (k in seq_len(n)) stopifnot(dispatch("echo", args)$ok)
        }
        invisible(list(gc(), call_python("trim", list())))
        calls(3000)
        invisible(list(gc(), call_python("trim", list())))
        before <- resident()
        calls(10000)
        invisible(list(gc(), call_python("trim", list())))
        cat(resident() - before)
        """)
    )
    assert done.returncode == 0, done.stderr
    # Each call moves 10 kB both ways: a leak of one would be 100,000 kB, and one of 200
    # bytes is seen. Without any, up to 660 kB were.
    assert float(done.stdout) < 2000


def test_garbage_collection_at_any_moment(run_r: RunR) -> None:
    done = run_r(
        start("""
        args <- list(x = rnorm(20), m = matrix(0, 5, 4), s = c("a", "\\u00e9"),
                     l = list(list(a = 1, b = "c")))
        gctorture2(step = 29)
        for (k in 1:3) y <- call_python("echo", args)
        e <- tryCatch(call_python("boom", list()), DataError = identity)
        gctorture2(0)
        stopifnot(identical(y, args), inherits(e, "SeparationError"))
        """)
    )
    assert done.returncode == 0, done.stderr


def test_garbage_of_reticulate(run_r: RunR) -> None:
    done = run_r(
        start("""
        builtins <- reticulate::import_builtins(convert = FALSE)
        # Methods of new objects, which nobody else holds.
        for (i in 1:20) builtins$list()$append
        invisible(call_python("collect", list()))
        cat("alive")
        """)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "alive"


def test_forked_workers(run_r: RunR) -> None:
    done = run_r(
        start("""
        answers <- parallel::mclapply(1:8, function(k) {
          call_python("echo", list(x = k + rnorm(1000) * 0))$x[1]
        }, mc.cores = 2)
        stopifnot(identical(unlist(answers), as.double(1:8)))
        """)
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_text_in_any_locale(run_r: RunR, locale: str) -> None:
    done = run_r(
        start("""
        x <- c("\\u00e9t\\u00e9", "\\u4e2d", "plain")
        y <- call_python("echo", list(x = x))$x
        stopifnot(identical(enc2utf8(y), enc2utf8(x)), all(Encoding(y)[1:2] == "UTF-8"))
        """),
        env={"LC_ALL": locale},
    )
    assert done.returncode == 0, done.stderr


def test_bytes_are_refused(run_r: RunR) -> None:
    done = run_r("""
    library(statsmodelssynth)
    x <- "caf\\xe9"
    Encoding(x) <- "bytes"
    e <- tryCatch(statsmodelssynth:::utf8(x, "Names"), DataError = identity)
    stopifnot(grepl("not valid text", conditionMessage(e)))
    latin <- "caf\\xe9"
    Encoding(latin) <- "latin1"
    stopifnot(statsmodelssynth:::utf8(latin, "Names") == "caf\\u00e9")
    """)
    assert done.returncode == 0, done.stderr


class Console:
    """R at a terminal."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execvpe(command[0], command, env)
        self.text = ""

    def type(self, text: str) -> None:
        """Send keys."""
        os.write(self.fd, text.encode())

    def wait_for(self, text: str, seconds: float = 30.0) -> None:
        """Read until `text` was printed."""
        stop = time.monotonic() + seconds
        while text not in self.text:
            left = stop - time.monotonic()
            assert left > 0, f"{text!r} did not come: {self.text!r}"
            if select.select([self.fd], [], [], left)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
        self.text = self.text.split(text, 1)[1]

    def close(self) -> int:
        """Quit, and return the exit status."""
        self.type("q('no')\n")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
def test_ctrl_c_returns_to_the_prompt(
    r_command: list[str], r_environment: dict[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "start.R"
    script.write_text(start(""))
    r = Console([*r_command, "--no-save", "--no-readline", "-q"], r_environment)
    try:
        r.type(f"source({str(script)!r}); cat('rea', 'dy\\n', sep = '')\n")
        r.wait_for("ready", 60)
        for _ in range(3):
            r.type(
                "cat('sta', 'rt\\n', sep=''); call_python('work', list(seconds = 60))\n"
            )
            r.wait_for("start")
            time.sleep(0.3)
            began = time.monotonic()
            r.type("\x03")
            r.type("cat('al', 'ive\\n', sep = '')\n")
            r.wait_for("alive")
            assert time.monotonic() - began < 10
            # R's own interrupts work as before.
            r.type("cat('lo', 'op\\n', sep = ''); repeat NULL\n")
            r.wait_for("loop")
            time.sleep(0.2)
            r.type("\x03")
            r.type("cat('st', 'ill\\n', sep = '')\n")
            r.wait_for("still")
        r.type("e <- call_python('echo', list(x = 5)); cat('x=', e$x, '\\n', sep='')\n")
        r.wait_for("x=5")
        assert r.close() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(r.pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_interrupt_is_a_condition(run_r: RunR) -> None:
    done = run_r(
        start("""
        pid <- Sys.getpid()
        system(sprintf("(sleep 1; kill -INT %d) >/dev/null 2>&1 &", pid))
        what <- tryCatch(
          { call_python("work", list(seconds = 30)); "finished" },
          interrupt = function(i) "interrupted"
        )
        cat(what)
        """)
    )
    assert (done.returncode, done.stdout) == (0, "interrupted"), done.stderr


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("'/nowhere/python'", "There is no Python at /nowhere/python, which option"),
        ("Sys.which('true')", "Python cannot be started"),
    ],
)
def test_wrong_python(run_r: RunR, option: str, said: str) -> None:
    done = run_r(f"""
    options(statsmodelssynth.python = {option})
    library(statsmodelssynth)
    ok <- synth_available()
    e <- tryCatch(augmented_gmm(mpg ~ wt, mtcars), BridgeError = identity)
    stopifnot(!ok, identical(attr(ok, "reason"), conditionMessage(e)))
    cat(conditionMessage(e))
    """)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert "python -m statsmodels_synth.r doctor" in done.stdout


@pytest.mark.parametrize("module", ["rpy2", "statsmodels_synth"])
def test_python_without_a_module(run_r: RunR, tmp_path: Path, module: str) -> None:
    # A module of that name that cannot be imported, before the real one.
    (tmp_path / "hidden").mkdir()
    text = f"raise ModuleNotFoundError(\"No module named '{module}'\")"
    (tmp_path / "hidden" / f"{module}.py").write_text(text)
    done = run_r(
        """
        library(statsmodelssynth)
        ok <- synth_available()
        cat(isTRUE(ok), attr(ok, "reason"))
        """,
        env={"PYTHONPATH": str(tmp_path / "hidden")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("FALSE Python at")
    assert f"has no {module}." in done.stdout


def test_a_running_python_without_the_package(run_r: RunR) -> None:
    done = run_r("""
    reticulate::py_run_string("
import sys
sys.modules['statsmodels_synth'] = None")
    library(statsmodelssynth)
    ok <- synth_available()
    cat(isTRUE(ok), attr(ok, "reason"))
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("FALSE")
    assert "statsmodels_synth" in done.stdout


def test_a_fit_survives_garbage_collection_and_forks(run_r: RunR) -> None:
    done = run_r("""
    library(statsmodelssynth)
    units <- data.frame(x = rnorm(200))
    units$y <- units$x + rnorm(200)
    units$guess <- units$y + rnorm(200)
    units$y[81:200] <- NA
    fit <- function(...) augmented_gmm(y ~ x, units, proxy = c(y = "guess"))
    expected <- fit()
    invisible(gctorture2(step = 101))
    tortured <- fit()
    invisible(gctorture2(0))
    forked <- parallel::mclapply(1:4, fit, mc.cores = 2)
    for (one in c(list(tortured), forked)) {
      stopifnot(identical(coef(one), coef(expected)))
      stopifnot(identical(vcov(one), vcov(expected)))
    }
    """)
    assert done.returncode == 0, done.stderr

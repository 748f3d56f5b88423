# The only place that knows of Python. R starts it with reticulate, and it attaches
# itself to this R with rpy2; from then on one closure takes all calls.

# What belongs to this session: the dispatcher, once Python is attached.
session <- new.env(parent = emptyenv())

# Where statsmodels_synth leaves the dispatcher (statsmodels_synth/r/attach.py).
handover <- ".statsmodelssynth_dispatch"

#' Can Python be reached?
#'
#' Starts Python, if it does not run yet, and attaches `statsmodels_synth` to this
#' session.
#'
#' Python is looked for in this order: option `statsmodelssynth.python`, environment
#' variable `STATSMODELSSYNTH_PYTHON`, the Python that installed this package with
#' `python -m statsmodels_synth.r install`, and whatever reticulate finds.
#'
#' @return `TRUE`, or `FALSE` with an attribute `"reason"`.
#' @examples
#' synth_available()
#' @export
synth_available <- function() {
  tryCatch(
    {
      dispatcher()
      TRUE
    },
    BridgeError = function(e) structure(FALSE, reason = conditionMessage(e))
  )
}

# Call a function of statsmodels_synth/r and turn what it says into R's conditions.
call_python <- function(name, args) {
  dispatch <- dispatcher()
  # Finalisers of reticulate's objects need Python's lock, which rpy2 lets go while R
  # allocates for it: what is garbage now must not be collected then, or R is aborted.
  gc(verbose = FALSE)
  reply <- dispatch(name, args)
  if (!is.list(reply) || is.null(reply$ok)) {
    synth_stop(
      paste0(
        "Python did not answer the call of ", name, "(). Restart R; if it happens ",
        "again, please report it."
      ),
      "BridgeError"
    )
  }
  if (nzchar(reply$output)) {
    # Python's own print would escape sink() and capture.output().
    cat(reply$output)
  }
  for (warned in reply$warnings) {
    synth_warn(in_r_words(warned$message), warned$class)
  }
  if (!reply$ok) {
    raise(reply)
  }
  reply$value
}

raise <- function(reply) {
  if (identical(reply$class, "interrupt")) {
    interrupt()
  }
  synth_stop(
    in_r_words(reply$message), reply$class,
    traceback = reply$traceback
  )
}

# Python took the interrupt for us: interrupt R in turn.
interrupt <- function() {
  if (.Platform$OS.type == "unix") {
    tools::pskill(Sys.getpid(), tools::SIGINT)
    Sys.sleep(1) # R looks for interrupts here
  }
  signalCondition(structure(
    class = c("interrupt", "condition"), list(message = "", call = NULL)
  ))
  invokeRestart("abort")
}

# Options are named alike on both sides, but values and functions are not written alike.
in_r_words <- function(text) {
  for (i in seq_along(r_words)) {
    text <- gsub(names(r_words)[[i]], r_words[[i]], text, perl = TRUE)
  }
  text
}

r_words <- c(
  # Values, options and calls.
  "\\bnp\\.(?:int|float)64\\(([^()]*)\\)" = "\\1",
  "(?<![.\\w])(\\d+)\\.0(?![.\\w]*\\d|%)" = "\\1",
  "=True\\b" = " = TRUE",
  "=False\\b" = " = FALSE",
  "\\bGive True\\b" = "Give TRUE",
  "\\bTrue (and|or) False\\b" = "TRUE \\1 FALSE",
  "\\bFalse or True\\b" = "FALSE or TRUE",
  "\\bNaN where\\b" = "NA where",
  "scipy\\.stats\\.binomtest\\(([0-9]+), ([0-9]+)\\)\\.proportion_ci\\(\\)" =
    "binom.test(\\1, \\2)$conf.int",
  "plot_covariate\\(\\)" = "plot(x, by = )",
  "loo\\(\\)" = "leave_one_out()",
  "\\bAugmentedGMM\\b(?![.(])" = "augmented_gmm()",
  "\\bfrom_frame\\b" = "task_exchangeability",
  "\\bfrom_(estimates|votes)\\b" = "task_exchangeability_\\1",
  "\\bfrom_results\\b" = "task_exchangeability_fits",
  " when you make the model" = "",
  "\\bfit\\(\\)" = "the fit",
  "\\bconf_int\\(\\)" = "confint()",
  "\\bscore_conf_int\\(\\)" = "score_confint()",
  "\\balpha=None\\b" = "level = NULL",
  "\\bpilot=result\\b" = "pilot = fit",
  "\\bfor_\\b" = "terms",
  "expect\\(n_units=\\.\\.\\.\\)" = "expect(plan, n_units = )",
  "(^|[ (])\\.table\\b" = "\\1$table",
  "\\b(proxy|synthetic)=\\{'([^']*)': \\{'([^']*)': '([^']*)'\\}\\}" =
    "\\1 = list(\\2 = c(\\3 = \"\\4\"))",
  "=\\{'([^']*)': ['\"]?([^'\"}]*)['\"]?\\}" = " = c(\\1 = \"\\2\")",
  "\\bendog(\\['[^']*'\\])?(?= has )" = "labels\\1",
  "\\bnan\\b" = "NA",
  # Tasks.
  ", (a number between 0 and 1 for that quantile), or a function of a sample" = " or \\1",
  "\\bThe frame has\\b" = "data has",
  "\\(dtype [^;()]*; such as " = "(such as ",
  "has no row in column 'the index'" = "is not among the row names",
  "'the index' has rows" = "data has rows",
  "\\b(real|synthetic) result of\\b" = "\\1 fit of",
  "Results with keys" = "Lists with names",
  "\\bhas keys, the other is a list\\b" = "has names, the other has none",
  "as dicts \\(or Series\\) by task, or both as lists" = "lists named by task, or both",
  "\\bThe index of ([a-z]+)= must" = "The names of \\1 must",
  "Its index must name every task" = "Its row names must be the tasks",
  # Columns and row names.
  "or set on= to" = "or set on to",
  "Set on= to the column" = "Name the column",
  "(?<=identifies units)\\." = ", as in on = \"id\".",
  ", or set the index of both" = ", or give both row names",
  "Set on='([^']*)', after renaming '[^']*' to '[^']*'" =
    "Give both one name and set on = \"\\1\"",
  "frame(\\.index|\\['[^']*'\\]) = \\S+\\.str\\.strip\\(\\)\\.str\\.lower\\(\\)" =
    "id <- tolower(trimws(id))",
  "frame(\\.index|\\['[^']*'\\]) = \\S+\\.str\\.strip\\(\\)" = "id <- trimws(id)",
  "\\bC\\(([^()]*)\\)" = "factor(\\1)",
  "([Mm])ake them missing(,?) with pd\\.to_numeric\\(\\.\\.\\., errors='coerce'\\)" =
    "\\1ake them NA\\2 with as.numeric()",
  "Convert it with pd\\.to_numeric\\b" = "Convert it with as.numeric()",
  "could not convert string to float: ('[^']*')" = "it has \\1. Give numbers",
  "with read_csv\\(\\.\\.\\., decimal=','\\)" = "with read.csv2()",
  "pd\\.to_numeric\\(column\\.str\\.replace\\(',', '\\.'\\)\\)" =
    "as.numeric(sub(\",\", \".\", column))",
  # What is left of name=value.
  "\\b([a-z_]+)=[(\\[]([^]()]*?),?[])]" = "\\1 = c(\\2)",
  "\\b([a-z_]+( [a-z]+)?)=(['\"])([^'\"]*)\\3" = "\\1 = \"\\4\"",
  "\\b([a-z_]+)=(-?[.]?[0-9])" = "\\1 = \\2",
  "\\b([a-z_]+)=None\\b" = "\\1 = NULL",
  "\\b([a-z_]+)=(?=[ ,.:;)])" = "\\1"
)

dispatcher <- function() {
  if (is.null(session$dispatch)) {
    session$dispatch <- attach_python()
  }
  session$dispatch
}

attach_python <- function() {
  # reticulate draws random numbers.
  seed <- globalenv()[[".Random.seed"]]
  on.exit(restore_seed(seed))
  # R puts its own libraries first, where a Python may find another Python's.
  libraries <- Sys.getenv("LD_LIBRARY_PATH", unset = NA)
  if (!is.na(libraries)) {
    Sys.unsetenv("LD_LIBRARY_PATH")
    on.exit(Sys.setenv(LD_LIBRARY_PATH = libraries), add = TRUE)
  }
  python <- start_python()
  tryCatch(
    reticulate::import("statsmodels_synth.r.attach", convert = FALSE)$attach(),
    error = function(e) synth_stop(why_not_attached(e, python), "BridgeError")
  )
  on.exit(rm(list = handover, envir = globalenv()), add = TRUE)
  get(handover, envir = globalenv(), inherits = FALSE)
}

restore_seed <- function(seed) {
  name <- ".Random.seed"
  if (!is.null(seed)) {
    assign(name, seed, envir = globalenv())
  } else if (exists(name, globalenv(), inherits = FALSE)) {
    rm(list = name, envir = globalenv())
  }
}

# Start Python and return its path.
start_python <- function() {
  chosen <- chosen_python()
  if (reticulate::py_available(initialize = FALSE)) {
    return(reticulate::py_config()$python)
  }
  if (!is.null(chosen)) {
    # Not use_python(), after which reticulate still looks for others, and warns.
    before <- Sys.getenv("RETICULATE_PYTHON", unset = NA)
    Sys.setenv(RETICULATE_PYTHON = chosen)
    on.exit(
      if (is.na(before)) {
        Sys.unsetenv("RETICULATE_PYTHON")
      } else {
        Sys.setenv(RETICULATE_PYTHON = before)
      }
    )
  }
  if (interactive()) {
    message("Starting Python, once in a session; this may take half a minute ...")
  }
  tryCatch(
    {
      if (!reticulate::py_available(initialize = TRUE)) {
        stop("reticulate found no Python that it can load")
      }
      reticulate::py_config()$python
    },
    error = function(e) {
      synth_stop(
        paste0(
          "Python cannot be started",
          if (!is.null(chosen)) paste0(" (", chosen, ")"), ": ",
          first_line(conditionMessage(e)), ". ", how_to_set_up
        ),
        "BridgeError"
      )
    }
  )
}

# The Python that somebody chose, or NULL.
chosen_python <- function() {
  recorded <- system.file("python.txt", package = "statsmodelssynth")
  places <- list(
    "option statsmodelssynth.python" = getOption("statsmodelssynth.python", ""),
    "environment variable STATSMODELSSYNTH_PYTHON" =
      Sys.getenv("STATSMODELSSYNTH_PYTHON"),
    "the installation of this package" =
      if (nzchar(recorded)) readLines(recorded, n = 1L, encoding = "UTF-8") else ""
  )
  given <- Filter(nzchar, places)
  if (!length(given)) {
    return(NULL)
  }
  path <- path.expand(given[[1L]])
  if (!file.exists(path)) {
    synth_stop(
      sprintf(
        "There is no Python at %s, which %s names. %s",
        path, names(given)[[1L]], how_to_set_up
      ),
      "BridgeError"
    )
  }
  path
}

how_to_set_up <- paste(
  "Set up with `pip install \".[r]\"` in a checkout of statsmodels_synth (or",
  "`pip install \"FILE.whl[r]\"` with its wheel) and",
  "`python -m statsmodels_synth.r install`;",
  "`python -m statsmodels_synth.r doctor` says what is missing."
)

why_not_attached <- function(error, python) {
  said <- conditionMessage(error)
  missing <- regmatches(said, regexec("No module named '?([A-Za-z0-9_.]+)", said))[[1L]]
  if (length(missing) == 2L) {
    return(sprintf(
      "Python at %s has no %s. Restart R after setting up. %s",
      python, sub("[.].*", "", missing[[2L]]), how_to_set_up
    ))
  }
  sprintf(
    "statsmodels_synth cannot be attached in %s: %s. %s",
    python, first_line(said), how_to_set_up
  )
}

first_line <- function(text) {
  lines <- strsplit(text, "\n", fixed = TRUE)[[1L]]
  sub("[.[:space:]]+$", "", lines[nzchar(lines)][1L])
}

# Text that may cross: valid, and marked as UTF-8. A string of bytes crashes rpy2.
utf8 <- function(x, what) {
  x <- as.character(x)
  bad <- is.na(x) | Encoding(x) == "bytes"
  bad[!bad] <- !validUTF8(enc2utf8(x[!bad]))
  if (any(bad)) {
    synth_stop(sprintf(
      "%s: %s not valid text (number %s). Give it an encoding with iconv().",
      what, if (sum(bad) == 1L) "one is" else paste(sum(bad), "are"),
      format_units(which(bad))
    ))
  }
  enc2utf8(x)
}

#' Set Python up, look for what is missing, and run a study
#'
#' `install_python()` makes a virtual environment with reticulate, installs the Python
#' package into it, and has this R package use it from then on. `doctor()` goes through
#' everything that the bridge needs and says what to do. `run_study()` runs a study of
#' generated proxies and counterparts, which a file of TOML describes.
#'
#' @param package What pip installs: the directory of a checkout, or a wheel.
#' @param envname Name of the virtual environment.
#' @param path The file of the study.
#' @param command `"run"`, `"estimate"` (of what it would cost), `"report"`, `"forget"`,
#'   `"export-batch"` or `"import-batch"`.
#' @param paths Folder or files of a batch.
#'
#' @return `install_python()`: the path of Python, invisibly. It is noted in the library of
#'   this package, or, where that cannot be written, for this session only, which a message
#'   says. `doctor()`: invisibly whether all is well; where
#'   there is no Python, that is what it reports. `run_study()`: invisibly the file's
#'   `output`, where it has one; read it with `read.csv()`, or what reads Parquet. An error
#'   where the study fails.
#' @examples
#' \dontrun{
#' install_python("statsmodels_synth/")
#' doctor()
#' run_study("study.toml", "estimate")
#' }
#' @name setup
NULL

#' @rdname setup
#' @export
install_python <- function(package, envname = "r-statsmodels-synth") {
  if (missing(package) || !is_string(package) || !file.exists(package)) {
    synth_stop(
      paste(
        "package is the directory of a checkout of statsmodels_synth, or its wheel.",
        "Give a path that exists."
      ),
      "OptionError"
    )
  }
  if (!envname %in% reticulate::virtualenv_list()) {
    message("Making the virtual environment ", envname, " ...")
    reticulate::virtualenv_create(envname)
  }
  python <- reticulate::virtualenv_python(envname)
  message("Installing ", package, " into it; this may take some minutes ...")
  # Built without R and without a compiler, and as fast.
  run_python(
    c("-m", "pip", "install", shQuote(paste0(normalizePath(package), "[r]"))), python,
    environment = "RPY2_CFFI_MODE=ABI", failed = "pip could not install it"
  )
  record_python(python)
  invisible(python)
}

# Where chosen_python() looks for it.
record_python <- function(python) {
  path <- file.path(system.file(package = "statsmodelssynth"), "python.txt")
  noted <- tryCatch(
    {
      writeLines(enc2utf8(python), path, useBytes = TRUE)
      TRUE
    },
    error = function(e) FALSE, warning = function(w) FALSE
  )
  options(statsmodelssynth.python = python)
  if (!noted) {
    message(
      "The library of this package cannot be written. Put this into ~/.Rprofile:\n",
      sprintf("options(statsmodelssynth.python = \"%s\")", python)
    )
  }
  if (reticulate::py_available(initialize = FALSE)) {
    message("Restart R: this session runs another Python already.")
  }
}

#' @rdname setup
#' @export
doctor <- function() {
  # Whatever keeps Python from being asked is what the doctor has to report.
  python <- tryCatch(python_or_stop(), BridgeError = function(e) e)
  if (!inherits(python, "BridgeError")) {
    found <- tryCatch(
      run_python(c("-c", shQuote("import statsmodels_synth.r")), python, quiet = TRUE),
      error = function(e) 127L, warning = function(w) 127L
    )
    if (found == 0L) {
      status <- run_python(c("-m", "statsmodels_synth.r", "doctor"), python)
      return(invisible(status == 0L))
    }
  }
  lines <- if (inherits(python, "BridgeError")) {
    c("missing  ", conditionMessage(python))
  } else {
    c(
      sprintf("ok       Python at %s\n", python),
      "missing  statsmodels_synth cannot be imported there. ", how_to_set_up
    )
  }
  cat(sprintf("ok       %s in %s\n", R.version.string, R.home()), lines,
    "\n\nNot ready. Begin with the first line that says missing.\n", sep = "")
  invisible(FALSE)
}

#' @rdname setup
#' @export
run_study <- function(path, command = "run", paths = character()) {
  require_arguments("run_study")
  known <- c("run", "estimate", "export-batch", "import-batch", "report", "forget")
  command <- choose_option(command, known, "command")
  if (!is_string(path) || !file.exists(path)) {
    synth_stop(
      sprintf("There is no file %s. Give the file of the study.", deparsed(path)),
      "OptionError"
    )
  }
  run_python(
    c("-m", "statsmodels_synth.generation", command, shQuote(c(path, paths))),
    python_or_stop(), failed = "The study failed; what it said is above"
  )
  invisible(study_output(path))
}

# `output` of the file, relative to it.
study_output <- function(path) {
  lines <- readLines(path, warn = FALSE, encoding = "UTF-8")
  found <- regmatches(lines, regexec("^\\s*\"?output\"?\\s*[=:]\\s*\"([^\"]+)\"", lines))
  found <- Filter(length, found)
  if (length(found)) file.path(dirname(path), found[[1L]][[2L]])
}

python_or_stop <- function() {
  python <- chosen_python()
  if (is.null(python)) {
    python <- tryCatch(reticulate::py_discover_config()$python, error = function(e) NULL)
  }
  if (is.null(python)) {
    synth_stop(paste("No Python was found.", how_to_set_up), "BridgeError")
  }
  python
}

# A process of its own: what it says is seen at once, and Ctrl-C reaches it.
run_python <- function(arguments, python, environment = character(), failed = NULL,
                       quiet = FALSE) {
  libraries <- Sys.getenv("LD_LIBRARY_PATH", unset = NA)
  if (!is.na(libraries)) {
    # R's own come first there, where a Python may find another Python's.
    Sys.unsetenv("LD_LIBRARY_PATH")
    on.exit(Sys.setenv(LD_LIBRARY_PATH = libraries))
  }
  shown <- if (quiet) FALSE else ""
  status <- system2(
    python, arguments, env = environment, stdout = shown, stderr = shown
  )
  if (status != 0L && !is.null(failed)) {
    synth_stop(sprintf("%s (exit status %d).", failed, status), "PythonError")
  }
  status
}

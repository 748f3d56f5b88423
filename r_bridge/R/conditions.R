# Classes of errors and warnings: the same names as in Python, so that
# `tryCatch(..., DataError = )` catches what either side refuses.

error_parents <- list(
  DataError = "SynthError",
  AlignmentError = c("DataError", "SynthError"),
  FormulaError = c("DataError", "SynthError"),
  CollinearityError = c("DataError", "SynthError"),
  SeparationError = c("DataError", "SynthError"),
  UnavailableError = "SynthError",
  OptionError = "SynthError",
  BridgeError = "SynthError",
  PythonError = "SynthError"
)

synth_stop <- function(message, class = "DataError", call = NULL, ...) {
  classes <- c(class[[1L]], error_parents[[class[[1L]]]], class[-1L])
  stop(structure(
    class = c(unique(classes), "error", "condition"),
    list(message = message, call = call, ...)
  ))
}

synth_warn <- function(message, class, call = NULL) {
  warning(structure(
    class = c(unique(c(class, "SynthWarning")), "warning", "condition"),
    list(message = message, call = call)
  ))
}

# Units for a message: five at most, and how many more there are.
format_units <- function(units, most = 5L) {
  shown <- format_labels(utils::head(units, most))
  more <- length(units) - most
  paste0(
    paste(shown, collapse = ", "),
    if (more > 0L) sprintf(" and %d more", more)
  )
}

# "unit 5", or "units 5, 7": for what stands in parentheses.
name_units <- function(units, what = "unit") {
  units <- unique(units) # rows of one unit name it once
  sprintf("%s%s %s", what, if (length(units) == 1L) "" else "s", format_units(units))
}

format_labels <- function(x) {
  if (is.numeric(x)) {
    vapply(x, format, "", digits = 15L, trim = TRUE, scientific = FALSE)
  } else {
    sprintf("'%s'", as.character(x))
  }
}

count <- function(n, what) {
  sprintf("%s %s%s", format(n, scientific = FALSE), what, if (n == 1L) "" else "s")
}

# What was probably meant, or what exists.
suggest <- function(value, known) {
  known <- unique(as.character(known))
  if (!length(known)) {
    return("")
  }
  if (is.character(value) && length(value) == 1L && !is.na(value)) {
    alike <- known[tolower(known) == tolower(value)]
    if (length(alike) == 1L) {
      return(sprintf(" Did you mean '%s'?", alike))
    }
    begun <- known[startsWith(tolower(known), tolower(value))]
    if (nchar(value) > 1L && length(begun) == 1L) {
      return(sprintf(" Did you mean '%s'?", begun))
    }
    distance <- utils::adist(value, known, ignore.case = TRUE)[1L, ]
    near <- which.min(distance)
    if (distance[[near]] <= max(1L, min(2L, nchar(value) - 2L), nchar(value) %/% 3L)) {
      return(sprintf(" Did you mean '%s'?", known[[near]]))
    }
  }
  more <- length(known) - 10L
  sprintf(
    " There are: %s%s.",
    paste(sprintf("'%s'", utils::head(known, 10L)), collapse = ", "),
    if (more > 0L) sprintf(" and %d more", more) else ""
  )
}

# Units: what identifies the rows of frames, and their labels.

# `on` is a name: say so where a column was written without quotes.
unit_column <- function(on, expr, name = "on") {
  value <- tryCatch(on, error = identity)
  bare <- if (is.symbol(expr)) expr else if (is_one_sided(expr)) expr[[2L]]
  meant <- is_one_sided(expr) || inherits(value, "error") || !is.character(value)
  if (is.symbol(bare) && !is.null(value) && meant) {
    synth_stop(sprintf(
      "%s = %s is no text. Give the name of the %s in quotes: %s = \"%s\".",
      name, deparse1(expr), if (name == "term") "coefficient" else "column", name,
      as.character(bare)
    ), "OptionError")
  }
  if (inherits(value, "error")) stop(value)
  value
}

check_on <- function(on) {
  if (!is.null(on) && (!is.character(on) || !length(on) || anyNA(on) || length(on) > 20L)) {
    synth_stop(sprintf(
      "on is %s. Give the name of the column that identifies units, or several names.",
      describe_type(on)
    ), "OptionError")
  }
  unique(on)
}

# LABEL_SEPARATOR of statsmodels_synth/r/columns.py.
separator <- "\x1f"

# Text in one string, which crosses a hundred times faster than a million strings.
joined <- function(text) paste(gsub(separator, " ", text, fixed = TRUE), collapse = separator)

# Labels of units as Python sends them: numbers, or text in one string.
split_labels <- function(labels) {
  if (is.numeric(labels)) {
    return(labels)
  }
  labels <- strsplit(paste0(labels, separator), separator, fixed = TRUE)[[1L]]
  if (anyDuplicated(labels)) make.unique(labels) else labels
}

labels_to_send <- function(units) {
  if (is.numeric(units)) {
    counted <- is.integer(units) && identical(units, seq_along(units))
    return(if (!counted) units)
  }
  joined(utf8(units, "Labels of the units"))
}

# Columns that a formula takes as they are, checked in all rows of data: numbers that
# are text, which would be one level each, and infinite values.

# Names of the columns that are variables of the formula by themselves, not in factor().
bare_variables <- function(formula, data) {
  variables <- as.list(attr(stats::terms(formula), "variables"))[-1L]
  names <- vapply(Filter(is.symbol, variables), as.character, "")
  intersect(names, names(data))
}

# The rule and its limits are those of statsmodels_synth/data/types.py.
refuse_text_numbers <- function(formula, data, response) {
  for (name in bare_variables(formula, data)) {
    x <- column(data, name)
    if (!is.character(x) || !is.null(dim(x))) {
      next
    }
    x <- check_column(x, sprintf("data: column '%s'", name))
    if (holds_numbers(x)) {
      refuse_numbers_in(x, name, name %in% response)
    }
  }
}

# Rows here and there: text takes long.
holds_numbers <- function(x) {
  known <- x[!is.na(x)]
  some <- known[unique(round(seq(1, length(known), length.out = 200L)))]
  length(known) > 0L && !all(is.na(suppressWarnings(as.numeric(some))))
}

refuse_numbers_in <- function(x, name, outcome) {
  rows <- which(!is.na(x))
  values <- unique(as.vector(x[rows]))
  numbers <- suppressWarnings(as.numeric(values))
  none <- values[is.na(numbers) | is.infinite(numbers)]
  odd <- rows[x[rows] %in% none]
  if (length(odd) > length(rows) / 2 || !meant_as_number(values, numbers, none)) {
    return(invisible())
  }
  category <- if (outcome) "" else sprintf(" If it is a category, write factor(%s).", name)
  if (length(none)) {
    synth_stop(sprintf(
      paste(
        "data: column '%s' has numbers, but also %s in %s (%s). Make them NA, or correct",
        "them, and convert the column with as.numeric().%s"
      ), name, format_units(none, 3L), count(length(odd), "row"),
      name_units(odd, "row"), category
    ))
  }
  synth_stop(sprintf(
    paste(
      "data: column '%s' holds numbers as text, such as %s (%s in %s). Convert it with",
      "as.numeric().%s"
    ), name, format_labels(values[[1L]]), count(length(values), "value"),
    count(length(rows), "row"), category
  ))
}

# Whether text is likely a number gone wrong rather than the name of a level.
meant_as_number <- function(values, numbers, none) {
  good <- !(values %in% none)
  if (any(numbers[good] %% 1 != 0)) {
    return(TRUE)
  }
  padded <- any(grepl("^\\s*0[0-9]", values[good])) # as in codes of places
  if (length(unique(numbers[good])) > 20L && !padded) {
    return(TRUE)
  }
  other <- trimws(tolower(none))
  any(nchar(other) > 12L | other %in% no_value)
}

# Text that stands for a missing value, in small letters.
no_value <- c(
  "", "-", "--", ".", "?", "na", "n/a", "#n/a", "nan", "none", "null", "nil", "missing",
  "error", "refused", "refusal", "inf", "-inf", "infinity"
)

# Only the labelled rows are evaluated, but whoever corrects one wants to know of all.
refuse_infinite <- function(formula, frames) {
  for (name in bare_variables(formula, frames$data)) {
    x <- column(frames$data, name)
    if (!is.numeric(x) || !any(is.infinite(take(x, frames$rows)))) {
      next
    }
    infinite <- is.infinite(x)
    bad <- which(if (length(dim(x)) == 2L) rowSums(infinite) > 0L else infinite)
    synth_stop(sprintf(
      "data: column '%s' is infinite for %s (%s). Correct or remove them.", name,
      count(length(bad), "row"), name_units(frames$units[bad])
    ))
  }
}

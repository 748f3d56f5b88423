# Options with one value per unit: weights, probabilities, strata, clusters.

# Values for all T units of a column, from data, else from a source, or of a vector with
# one value per row of data. NA where nobody has one; NULL where nothing was given.
unit_values <- function(resolved, option, frames) {
  if (is.null(resolved)) {
    return(NULL)
  }
  label <- option_label(option, resolved)
  n <- n_rows(frames$data)
  if (is.null(resolved$column)) {
    values <- check_row_values(resolved$values, label, n)
    return(c(as_values(values), rep(NA, length(frames$units) - n)))
  }
  name <- resolved$column
  holders <- Filter(function(k) name %in% names(k$frame), frames$keyed)
  values <- NULL
  for (holder in holders) {
    given <- check_row_values(
      column(holder$frame, name),
      sprintf("%s: column '%s'", holder$label, name), n_rows(holder$frame)
    )
    given <- as_values(given)
    if (is.null(values)) {
      values <- rep(given[NA_integer_], length(frames$units))
    } else if (is.character(values) != is.character(given) && !all_missing(given)) {
      synth_stop(sprintf(
        "%s: %s is %s, elsewhere %s. Convert one of them.", holder$label, label,
        if (is.character(given)) "text" else "numbers",
        if (is.character(values)) "text" else "numbers"
      ))
    }
    values <- fill_values(values, given, holder, label, frames$units)
  }
  values
}

# Text or numbers, without class.
as_values <- function(x) {
  if (is.factor(x)) as.character(x) else as.vector(unclass(x))
}

fill_values <- function(values, given, holder, label, units) {
  rows <- which(!is.na(given))
  at <- holder$at[rows]
  empty <- is.na(values[at])
  # Of replicates the first counts; the others are compared with it.
  first <- empty & !duplicated(at)
  values[at[first]] <- given[rows[first]]
  differs <- which(values[at] != given[rows])
  if (length(differs)) {
    pair <- c(given[rows[differs[[1L]]]], values[at[differs[[1L]]]])
    synth_stop(sprintf(
      paste(
        "%s: %s is not the same as in data or in another row for %s, such as %s",
        "(%s). A unit has one value."
      ),
      holder$label, label, count(length(differs), "row"),
      paste(format_labels(pair), collapse = " and "),
      name_units(units[at[differs]])
    ))
  }
  values
}

# The same, for what every unit needs.
complete_values <- function(resolved, option, frames) {
  values <- unit_values(resolved, option, frames)
  absent <- which(is.na(values))
  if (length(absent)) {
    by_row <- is.null(resolved$column) && all(absent > n_rows(frames$data))
    given <- resolved$values
    if (!is.null(resolved$column) && resolved$column %in% names(frames$data)) {
      given <- column(frames$data, resolved$column)
    }
    is_nan <- is.numeric(given) && length(given) >= max(absent) && all(is.nan(given[absent]))
    synth_stop(sprintf(
      "%s is %s for %s (%s). %s", option_label(option, resolved),
      if (is_nan) "NaN" else "missing",
      count(length(absent), "unit"), format_units(frames$units[absent]),
      if (by_row) {
        "They are in a source only: name a column that data and the source have."
      } else {
        paste(
          "Every unit needs one: complete the column in data or in a source that has",
          "these units."
        )
      }
    ))
  }
  values
}

unit_weights <- function(resolved, frames) {
  values <- complete_values(resolved, "weights", frames)
  if (is.null(values)) {
    return(NULL)
  }
  label <- option_label("weights", resolved)
  values <- as_numbers(values, label)
  bad <- which(!(values > 0) | is.infinite(values))
  if (length(bad)) {
    synth_stop(sprintf(
      paste(
        "%s must be finite and above 0; %s not (%s). Leave out units that",
        "should not count."
      ), label,
      if (length(bad) == 1L) "1 is" else paste(length(bad), "are"),
      name_units(frames$units[bad])
    ))
  }
  values
}

as_numbers <- function(values, label) {
  if (!is.numeric(values) && !is.logical(values)) {
    synth_stop(sprintf("%s is not numeric: it has %s. Give numbers.",
      label, format_units(unique(values[!is.na(values)]))))
  }
  as.double(values)
}

unit_prob <- function(resolved, frames) {
  if (is.null(resolved)) {
    return(NULL)
  }
  label <- option_label("labeling_prob", resolved)
  single <- resolved$values
  if (is.numeric(single) && length(single) == 1L && !is.na(single)) {
    return(as.double(single))
  }
  values <- as_numbers(unit_values(resolved, "labeling_prob", frames), label)
  absent <- frames$rows[is.na(values[frames$rows])]
  if (length(absent)) {
    synth_stop(sprintf(
      paste(
        "%s is missing for %s (%s). Give the probability with which each was chosen",
        "for labelling; only unlabelled units may lack it."
      ), label, count(length(absent), "labelled unit"),
      format_units(frames$units[absent])
    ))
  }
  values
}

# Codes 1, 2, ... of what is only told apart.
unit_codes <- function(resolved, option, frames) {
  if (is.character(resolved$values) && length(resolved$values) != n_rows(frames$data) &&
    all(resolved$values %in% names(frames$keyed[[1L]]$frame))) {
    synth_stop(sprintf(
      "%s names %d columns. Give one; paste() makes one of several.",
      option, length(resolved$values)
    ))
  }
  values <- complete_values(resolved, option, frames)
  if (is.null(values)) {
    return(NULL)
  }
  known <- unique(values)
  codes <- match(values, known)
  if (option == "strata") {
    empty <- setdiff(seq_along(known), codes[frames$rows])
    if (length(empty)) {
      synth_stop(sprintf(
        paste(
          "No unit is labelled in %d of %d strata (%s), so the labels cannot stand for",
          "them. Label some of their units, merge strata, or leave these units out."
        ), length(empty), length(known), format_units(known[empty])
      ))
    }
  }
  codes
}

# The columns of `auxiliary`: what is known of every unit beside the formula.

# A matrix with a row per unit, NA where one lacks a column; NULL where nothing was given.
auxiliary_columns <- function(given, formula, frames, missing) {
  if (is.null(given)) {
    return(NULL)
  }
  if (!inherits(given, "formula") || length(given) != 2L) {
    synth_stop(sprintf(
      "auxiliary is %s. Give a one-sided formula of columns, as in %s.",
      describe_type(given), "auxiliary = ~ confidence + n_words"
    ))
  }
  names <- all.vars(given)
  known <- unique(unlist(lapply(frames$keyed, function(holder) names(holder$frame))))
  refuse_outcome(names, formula)
  columns <- lapply(stats::setNames(nm = names), function(name) {
    if (!name %in% known) {
      stop_no_column("auxiliary", name, known)
    }
    unit_values(list(column = name), "auxiliary", frames)
  })
  values <- data.frame(row.names = seq_along(frames$units))
  values[names] <- columns
  model <- evaluate_at("auxiliary", given, stats::model.frame(
    given, values, na.action = stats::na.pass
  ))
  matrix <- evaluate_at("auxiliary", given, stats::model.matrix(given, model))
  matrix <- matrix[, colnames(matrix) != "(Intercept)", drop = FALSE]
  complete <- stats::complete.cases(values)
  odd <- which(complete & !stats::complete.cases(matrix))
  if (length(odd)) {
    synth_stop(sprintf(
      "auxiliary: %s is not a number for %s (%s). Correct the columns, or leave it out.",
      deparse1(given), count(length(odd), "unit"), format_units(frames$units[odd])
    ))
  }
  refuse_bad_columns(matrix, frames$units, missing)
  matrix
}

refuse_outcome <- function(names, formula) {
  outcome <- intersect(names, all.vars(formula[[2L]]))
  if (length(outcome)) {
    synth_stop(sprintf(
      paste(
        "auxiliary uses the outcome '%s', which only labelled units have. Leave it out;",
        "what the proxies say of it is used anyway."
      ), outcome[[1L]]
    ))
  }
}

refuse_bad_columns <- function(matrix, units, missing) {
  if (!ncol(matrix)) {
    synth_stop("auxiliary names no column. Give a formula such as ~ confidence + n_words.")
  }
  for (name in colnames(matrix)) {
    bad <- which(is.infinite(matrix[, name]))
    if (length(bad)) {
      synth_stop(sprintf(
        "auxiliary: column '%s' is infinite for %s (%s). Correct them.",
        name, count(length(bad), "unit"), format_units(units[bad])
      ))
    }
    absent <- which(is.na(matrix[, name]))
    if (length(absent) && missing == "raise") {
      synth_stop(sprintf(
        paste(
          "auxiliary: column '%s' is missing for %s. Complete it, or set missing =",
          "\"drop\", which counts these units as not covered by the source that is made",
          "of it."
        ), name, name_units(units[absent])
      ))
    }
  }
}

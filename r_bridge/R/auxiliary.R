# The columns of `auxiliary`: what is known of every unit beside the formula.

# Names of the columns that `auxiliary` uses.
auxiliary_names <- function(given, formula, data, others) {
  if (is.null(given)) {
    return(character())
  }
  if (!inherits(given, "formula") || length(given) != 2L) {
    synth_stop(sprintf(
      "auxiliary is %s. Give a one-sided formula of columns, as in %s.",
      describe_type(given), "auxiliary = ~ confidence + n_words"
    ))
  }
  used <- all.vars(given)
  refuse_outcome(used, formula)
  known <- unique(c(names(data), unlist(lapply(others, names))))
  for (name in setdiff(used, known)) {
    stop_no_column("auxiliary", name, known)
  }
  used
}

# A matrix with a row per unit, NA where one lacks a column; NULL where nothing was given.
auxiliary_columns <- function(given, names, frames) {
  if (is.null(given)) {
    return(NULL)
  }
  values <- data.frame(row.names = seq_along(frames$units))
  values[names] <- lapply(frames$values, function(x) {
    if (is.null(x$numbers)) unlist(x$levels)[ifelse(x$codes > 0L, x$codes, NA)] else x$numbers
  })
  model <- evaluate_at("auxiliary", given, stats::model.frame(
    given, values, na.action = stats::na.pass
  ))
  matrix <- evaluate_at("auxiliary", given, stats::model.matrix(given, model))
  matrix <- matrix[, colnames(matrix) != "(Intercept)", drop = FALSE]
  if (!ncol(matrix)) {
    synth_stop("auxiliary names no column. Give a formula such as ~ confidence + n_words.")
  }
  odd <- which(stats::complete.cases(values) & !stats::complete.cases(matrix))
  if (length(odd)) {
    synth_stop(sprintf(
      "auxiliary: %s is not a number for %s (%s). Correct the columns, or leave it out.",
      deparse1(given), count(length(odd), "unit"), format_units(frames$units[odd])
    ))
  }
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

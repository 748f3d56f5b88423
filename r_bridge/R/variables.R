# Which names of a formula are columns, which are constants of the calling code.

# The formula with `.` written out: the columns of data that serve no other purpose.
expand_formula <- function(formula, data, reserved) {
  if (!inherits(formula, "formula")) {
    synth_stop(sprintf(
      "formula is %s. Write it without quotes: y ~ x.", describe_type(formula)
    ), "FormulaError")
  }
  if (length(formula) != 3L) {
    synth_stop(sprintf(
      "The formula %s needs an outcome and regressors, such as y ~ x.",
      deparse1(formula)
    ), "FormulaError")
  }
  if (!"." %in% all.vars(formula)) {
    return(stats::formula(formula))
  }
  kept <- setdiff(names(data), reserved)
  columns <- stats::setNames(lapply(kept, function(name) logical()), kept)
  expanded <- tryCatch(
    stats::formula(stats::terms(formula, data = plain_frame(columns, 0L))),
    error = function(e) {
      synth_stop(sprintf(
        "'.' in the formula %s cannot be written out: %s",
        deparse1(formula), conditionMessage(e)
      ), "FormulaError")
    }
  )
  environment(expanded) <- environment(formula)
  expanded
}

# list(response, all): the columns that the formula uses, those of the outcome first.
formula_variables <- function(formula, data, given) {
  frames <- lapply(Filter(has_frame, given), `[[`, "frame")
  response <- all.vars(formula[[2L]])
  used <- unique(c(response, all.vars(formula[[3L]])))
  columns <- unique(c(names(data), unlist(lapply(frames, names))))
  for (name in setdiff(used, columns)) {
    check_constant(name, formula, columns, c(n_rows(data), vapply(frames, n_rows, 0L)))
  }
  variables <- intersect(used, columns)
  for (name in setdiff(variables, names(data))) {
    synth_stop(sprintf(
      paste(
        "data has no column '%s', which every labelled unit needs; only a source has",
        "it. Add it to data."
      ), name
    ))
  }
  response <- intersect(response, variables)
  if (!length(response)) {
    synth_stop(sprintf(
      "The outcome %s of the formula is not a column of data.%s",
      deparse1(formula[[2L]]), suggest(deparse1(formula[[2L]]), names(data))
    ), "FormulaError")
  }
  list(response = response, all = variables)
}

# Raise unless a name that is no column is a constant: knots, a number, a function.
check_constant <- function(name, formula, columns, lengths) {
  env <- environment(formula)
  if (is.null(env)) {
    env <- globalenv()
  }
  value <- get0(name, envir = env)
  if (is.null(value)) {
    synth_stop(sprintf(
      "'%s' in the formula %s is not a column of data or of a source.%s",
      name, deparse1(formula), suggest(name, columns)
    ), "FormulaError")
  }
  if (is.data.frame(value)) {
    synth_stop(sprintf(
      paste(
        "'%s' in the formula %s is a data frame. Name its columns alone (x, not %s$x)",
        "and give them in data and in the sources."
      ), name, deparse1(formula), name
    ), "FormulaError")
  }
  if (NROW(value) > 1L && NROW(value) %in% lengths) {
    synth_stop(sprintf(
      paste(
        "data has no column '%s'; a vector of that name exists outside, which cannot",
        "be matched with the sources. Add it to data."
      ), name
    ), "FormulaError")
  }
}

# Names of the columns that are variables of the formula by themselves, not in factor().
bare_variables <- function(formula, data) {
  variables <- as.list(attr(stats::terms(formula), "variables"))[-1L]
  names <- vapply(Filter(is.symbol, variables), as.character, "")
  intersect(names, names(data))
}

# The outcome as numbers, by the conventions of glm().

response_numbers <- function(y, learned, where, units) {
  name <- deparse1(learned$formula[[2L]])
  refuse <- function(...) synth_stop(sprintf("The outcome '%s' %s", name, sprintf(...)))
  if (has_levels(learned$target)) {
    return(level_codes(y, learned$ylevels, where, name, units))
  }
  binomial <- learned$target$family$family %in% c("binomial", "quasibinomial")
  if (is.null(y)) {
    refuse("gives nothing.")
  }
  if (has_trials(y, learned$target)) {
    return(read_trials(y, name, where, units)$share)
  }
  if (NCOL(y) > 1L) {
    refuse_columns(y, refuse)
  }
  if (!is.null(learned$ylevels)) {
    return(factor_numbers(y, learned$ylevels, binomial, refuse, where, name, units))
  }
  if (is.character(y) || is.factor(y)) {
    refuse(if (binomial) {
      "is text. Make it a factor, whose first level is 0 and all others 1, or numbers."
    } else {
      "is text. Give numbers."
    })
  }
  if (!is.numeric(y) && !is.logical(y) || inherits(y, c("Date", "POSIXct"))) {
    refuse("is %s. Give numbers.", describe_type(y))
  }
  as.double(y)
}

refuse_columns <- function(y, refuse) {
  if (inherits(y, "Surv")) {
    refuse("is a survival time, for which there is no family here.")
  }
  refuse(
    "has %d columns. Give one%s.", NCOL(y),
    if (NCOL(y) == 2L) ", or cbind(successes, failures) with family = binomial()" else ""
  )
}

factor_numbers <- function(y, known, binomial, refuse, where, name, units) {
  if (!binomial) {
    refuse("is a factor. Give numbers, or family = binomial() for two levels.")
  }
  if (length(known) < 2L) {
    refuse(paste(
      "has only the level '%s' among the labelled units. Label some of the others."
    ), known)
  }
  codes <- match(as.character(levels(y)), known)[as.integer(y)]
  strange <- which(is.na(codes))
  if (length(strange)) {
    synth_stop(sprintf(
      paste(
        "%s: the outcome '%s' has the level '%s', which no labelled unit has",
        "(%s).%s"
      ), where, name, as.character(y[strange[[1L]]]), name_units(units(strange)),
      known_levels(known)
    ))
  }
  as.double(codes != 1L)
}

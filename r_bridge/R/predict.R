#' Predictions of a regression with sources
#'
#' Linear predictors or means for the labelled units or for new rows, with standard
#' errors by the delta method.
#'
#' @param object An object of class `augmented_gmm`.
#' @param newdata Data frame with the variables of the formula, offsets included; the
#'   labelled rows if omitted.
#' @param type `"link"`: linear predictor; `"response"`: mean of the outcome. Where the
#'   outcome has levels: `"probs"`, a column of probabilities for each, or `"class"`, the
#'   most probable one; without standard errors.
#' @param se.fit Whether to give standard errors too.
#' @param interval `"confidence"`: intervals for the linear predictor or the mean.
#' @param level Their level.
#' @param ... Nothing: arguments that a method does not have are errors.
#'
#' @details Bases such as `ns()` and `poly()`, levels and contrasts are those learned on
#'   the labelled rows. A row that lacks a variable gets `NA`. A variable that `newdata`
#'   does not have is an error: it is never taken from the workspace.
#'
#' @return A vector named by row; with `interval = "confidence"` a matrix with columns
#'   `fit`, `lwr` and `upr`. With `se.fit = TRUE` a list of `fit` (either), `se.fit` and
#'   `df`, the degrees of freedom of the interval of each row (`Inf` for the normal
#'   distribution): the fewest of the coefficients that take part in it. An
#'   interval for the mean is that of the linear predictor, carried through the link.
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 13:32, NA), guess = 34 - 4 * wt)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' predict(fit, data.frame(wt = 2:4), se.fit = TRUE)
#' @export
predict.augmented_gmm <- function(object, newdata, type = c("link", "response"),
                                  se.fit = FALSE, interval = c("none", "confidence"),
                                  level = 0.95, ...) {
  refuse_tjur(parent.frame(), ...)
  refuse_arguments("predict", ...)
  if (has_levels(object) && !isTRUE(se.fit) && !identical(interval, "confidence")) {
    rows <- if (!missing(newdata)) newdata
    return(predict_levels(object, rows, if (missing(type)) "probs" else type))
  }
  refuse_without_means(object, if (has_levels(object)) {
    "predict() with standard errors"
  } else {
    "predict()"
  })
  check_flag(se.fit, "se.fit")
  interval <- choose_interval(interval)
  check_level(level)
  with_interval <- interval == "confidence"
  type <- choose_option(type, c("link", "response"), "type")
  if (missing(newdata) || is.null(newdata)) {
    eta <- object$linear.predictors
    exog <- if (se.fit || with_interval) stats::model.matrix(object)
  } else {
    design <- new_design(object, newdata)
    exog <- design$exog
    eta <- linear_part(object, exog) + design$offset
    names(eta) <- rownames(exog)
  }
  family <- object$family
  fit <- if (type == "link") eta else with_names(family$linkinv(eta), eta)
  if (!se.fit && !with_interval) {
    return(fit)
  }
  own <- slopes_of(object)
  exog <- exog[, own, drop = FALSE]
  error <- sqrt(rowSums((exog %*% object$vcov[own, own, drop = FALSE]) * exog))
  object$df.inference <- coefficient_df(object)[own]
  df <- with_names(fewest_df(object, exog), eta)
  if (with_interval) {
    # Of the linear predictor, carried to the mean: it stays where a mean can be.
    margin <- stats::qt((1 + level) / 2, df) * error
    fit <- cbind(fit = fit, mean_interval(eta, margin, family, type))
    if (!se.fit) {
      return(fit)
    }
  }
  if (type == "response") {
    error <- error * abs(family$mu.eta(eta))
  }
  list(fit = fit, se.fit = with_names(error, eta), df = df)
}

choose_interval <- function(interval) {
  if (identical(interval, "prediction")) {
    synth_stop(
      paste(
        "interval = \"prediction\" does not exist: the fit says how the mean of the",
        "outcome depends on regressors, and assumes nothing of how single outcomes",
        "spread. interval = \"confidence\" is for the mean."
      ),
      "OptionError"
    )
  }
  choose_option(interval, c("none", "confidence"), "interval")
}

mean_interval <- function(eta, margin, family, type) {
  ends <- cbind(lwr = eta - margin, upr = eta + margin)
  if (type == "response") {
    ends[] <- family$linkinv(ends)
    # Links such as the inverse turn the ends round.
    ends[] <- c(pmin(ends[, 1L], ends[, 2L]), pmax(ends[, 1L], ends[, 2L]))
  }
  ends
}

with_names <- function(x, like) stats::setNames(as.double(x), names(like))

# Design matrix and offset of new rows, by the terms learned on the labelled rows.
# Incomplete rows are set aside before the terms are evaluated: not every basis
# function takes NA.
new_design <- function(object, newdata) {
  newdata <- as_new_data(newdata)
  terms <- stats::delete.response(object$terms)
  variables <- check_new_variables(object, terms, newdata)
  newdata <- newdata[variables]
  complete <- if (length(variables)) {
    stats::complete.cases(newdata)
  } else {
    rep(TRUE, nrow(newdata))
  }
  exog <- NULL
  offset <- numeric(nrow(newdata))
  if (any(complete)) {
    frame <- new_frame(object, terms, newdata[complete, , drop = FALSE])
    x <- without_thresholds(
      object, stats::model.matrix(terms, frame, contrasts.arg = object$contrasts)
    )
    exog <- matrix(
      NA_real_, nrow(newdata), ncol(x), dimnames = list(row.names(newdata), colnames(x))
    )
    exog[complete, ] <- x
    attributes(exog) <- c(attributes(exog), attributes(x)[c("assign", "contrasts")])
    own <- stats::model.offset(frame)
    offset[complete] <- if (is.null(own)) 0 else own
  }
  if (is.null(exog)) {
    own <- unique(sub("^.*:", "", slopes_of(object)))
    exog <- matrix(
      NA_real_, nrow(newdata), length(own), dimnames = list(row.names(newdata), own)
    )
  }
  list(exog = exog, offset = offset)
}

as_new_data <- function(newdata) {
  if (!is.list(newdata)) {
    synth_stop(
      sprintf("newdata must be a data frame; it is of class '%s'.", class(newdata)[1L])
    )
  }
  newdata <- as.data.frame(newdata, optional = TRUE)
  repeated <- unique(names(newdata)[duplicated(names(newdata))])
  if (length(repeated)) {
    synth_stop(sprintf("newdata has several columns '%s'.", repeated[1L]))
  }
  newdata
}

# The variables of the terms that newdata has; an error if one is missing. What is not
# in newdata may be a constant of the formula's environment (knots, a number). Another
# variable of the same name there must not be taken for one: it is of the length of
# newdata at best, so that the terms fail on newdata with one row more.
check_new_variables <- function(object, terms, newdata) {
  needed <- all.vars(attr(terms, "predvars"))
  absent <- needed[is.na(match_names(needed, names(newdata)))]
  known <- vapply(
    absent, function(name) is_constant(name, object, terms, newdata), NA
  )
  if (!all(known)) {
    refuse_absent(absent[!known], names(newdata), needed)
  }
  if (length(absent) && nrow(newdata)) {
    longer <- newdata[c(seq_len(nrow(newdata)), 1L), , drop = FALSE]
    if (!can_evaluate(terms, newdata) || !can_evaluate(terms, longer)) {
      refuse_absent(absent, names(newdata), needed)
    }
  }
  names(newdata)[!is.na(match_names(names(newdata), needed))]
}

# Where the locale has not the letters (LC_ALL=C), symbols hold escapes of them: compare
# names as symbols would.
match_names <- function(names, table) match(enc2native(names), enc2native(table))

can_evaluate <- function(terms, newdata) {
  # model.frame() only warns where the number of rows is another.
  rows <- tryCatch(
    nrow(suppressWarnings(
      stats::model.frame(terms, newdata, na.action = stats::na.pass)
    )),
    error = function(e) -1L
  )
  rows == nrow(newdata)
}

is_constant <- function(name, object, terms, newdata) {
  !(name %in% names(object$model)) &&
    exists(name, envir = environment(terms)) &&
    !(length(get(name, envir = environment(terms))) %in% c(object$nobs, object$n_units))
}

refuse_absent <- function(absent, known, needed) {
  synth_stop(sprintf(
    "newdata has no column%s %s, which the formula needs.%s",
    if (length(absent) > 1L) "s" else "", format_units(absent),
    misspelt(absent, setdiff(known, needed))
  ))
}

# Which of the columns that nobody needs may be meant. It is newdata that is to be
# corrected: the name in the formula is right.
misspelt <- function(absent, others) {
  for (name in absent) {
    near <- sub("^ Did you mean '(.*)'\\?$", "\\1", suggest(name, others))
    # One letter in place of another is no misspelling.
    if (near %in% others && utils::adist(near, name) < max(nchar(near), nchar(name))) {
      return(sprintf(" Should its column '%s' be named '%s'?", near, name))
    }
  }
  if (length(others)) {
    sprintf(" It has: %s.", format_units(others, 10L))
  } else {
    ""
  }
}

new_frame <- function(object, terms, newdata) {
  frame <- or_stop(
    stats::model.frame(terms, newdata, na.action = stats::na.pass),
    "newdata: the formula cannot be evaluated there: %s"
  )
  for (name in intersect(names(object$xlevels), names(frame))) {
    frame[[name]] <- with_levels(frame[[name]], object$xlevels[[name]], name, newdata)
  }
  classes <- attr(terms, "dataClasses")
  if (!is.null(classes)) {
    or_stop(stats::.checkMFClasses(classes, frame), "newdata: %s")
  }
  frame
}

# R's own message, as an error of this package.
or_stop <- function(value, message) {
  tryCatch(value, error = function(e) synth_stop(sprintf(message, conditionMessage(e))))
}

with_levels <- function(values, levels, name, newdata) {
  text <- as.character(values)
  unknown <- !is.na(text) & !(text %in% levels)
  if (any(unknown)) {
    new <- text[unknown][1L]
    rows <- attr(newdata, "row.names")[unknown & text == new]
    synth_stop(sprintf(
      "newdata: '%s' has the level '%s', which no labelled unit has (row%s %s).%s",
      name, new, if (length(rows) == 1L) "" else "s", format_units(rows),
      suggest(NULL, levels)
    ))
  }
  factor(text, levels = levels, ordered = is.ordered(values))
}

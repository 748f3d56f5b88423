# Methods for the generics of insight, parameters and performance, registered when these
# are loaded.

#' @exportS3Method insight::get_statistic
get_statistic.augmented_gmm <- function(x, ...) {
  table <- coefficient_table(x)
  structure(
    data.frame(
      Parameter = rownames(table), Statistic = unname(table[, 3L]),
      stringsAsFactors = FALSE
    ),
    statistic = if (is.finite(x$df.residual)) "t-statistic" else "z-statistic"
  )
}

#' @exportS3Method insight::get_df
get_df.augmented_gmm <- function(x, type = "residual", ...) {
  switch(tolower(type),
    model = length(x$coefficients),
    normal = Inf,
    wald = coefficient_df(x),
    x$df.residual
  )
}

# parameters asks insight::find_statistic() for other classes, a closed list.
#' @exportS3Method parameters::degrees_of_freedom
degrees_of_freedom.augmented_gmm <- function(model, method = "wald", ...) {
  if (identical(tolower(method), "normal")) Inf else unname(coefficient_df(model))
}

#' @exportS3Method insight::model_info
model_info.augmented_gmm <- function(x, ...) {
  info <- NextMethod()
  if (isTRUE(info$is_binomial)) {
    info$is_bernoulli <- all(x$y %in% c(0, 1))
  }
  info
}

#' @exportS3Method insight::link_function
link_function.augmented_gmm <- function(x, ...) {
  refuse_without_means(x, "insight::link_function()")
  x$family$linkfun
}

#' @exportS3Method insight::link_inverse
link_inverse.augmented_gmm <- function(x, ...) {
  refuse_without_means(x, "insight::link_inverse()")
  x$family$linkinv
}

#' @exportS3Method insight::get_data
get_data.augmented_gmm <- function(x, ...) labelled_data(x)

# Means of the outcome, as insight gives them for other classes.
#' @exportS3Method insight::get_predicted
get_predicted.augmented_gmm <- function(x, data = NULL, predict = "expectation",
                                        ci = NULL, ...) {
  refuse_without_means(x, "insight::get_predicted()")
  types <- c(expectation = "response", response = "response", link = "link")
  predict <- choose_option(
    if (is.null(predict)) "expectation" else predict, names(types), "predict"
  )
  type <- types[[predict]]
  level <- if (is.null(ci) || anyNA(ci)) 0.95 else ci
  if (is.null(data)) {
    found <- stats::predict(
      x, type = type, se.fit = TRUE, interval = "confidence", level = level
    )
    data <- tryCatch(labelled_data(x), SynthError = function(e) NULL)
  } else {
    found <- stats::predict(
      x, data, type = type, se.fit = TRUE, interval = "confidence", level = level
    )
  }
  with_ci <- !is.null(ci) && !anyNA(ci)
  structure(
    unname(found$fit[, "fit"]),
    data = data, ci = ci, predict = predict,
    ci_data = data.frame(
      SE = unname(found$se.fit),
      CI_low = if (with_ci) unname(found$fit[, "lwr"]) else NA_real_,
      CI_high = if (with_ci) unname(found$fit[, "upr"]) else NA_real_
    ),
    class = c("get_predicted", "numeric")
  )
}

#' @exportS3Method insight::get_deviance
get_deviance.augmented_gmm <- function(x, ...) stats::deviance(x)

# Share of the variance of the outcome that the fitted means explain. As in the default
# of package performance, but with units counted by weight and labelling probability.
#' @exportS3Method performance::r2
r2.augmented_gmm <- function(model, ...) {
  refuse_without_means(model, "performance::r2()")
  weight <- label_weights(model)
  centre <- sum(weight * model$y) / sum(weight)
  explained <- 1 - sum(weight * (model$y - model$fitted.values)^2) /
    sum(weight * (model$y - centre)^2)
  # What print() writes before the number.
  name <- "Variance explained among the labelled units"
  structure(
    list(R2 = stats::setNames(explained, name)), class = c("r2_generic", "list")
  )
}

# The columns that the formula uses, at the labelled units. A model frame has them
# unless the formula transforms them; then they are looked up in the data of the call,
# and must give the model frame of the fit.
labelled_data <- function(object) {
  variables <- all.vars(attr(object$terms, "variables"))
  columns <- match_names(variables, names(object$model))
  if (!anyNA(columns)) {
    return(object$model[columns])
  }
  env <- environment(object$terms)
  data <- tryCatch(
    as.data.frame(eval(object$call$data, env)), error = function(e) NULL
  )
  rows <- match(row.names(object$model), row.names(data))
  if (is.null(data) || anyNA(rows)) {
    refuse_lost_data(object)
  }
  # Constants of the formula, such as a number of knots, are not columns.
  known <- stats::na.omit(match_names(variables, names(data)))
  found <- data[rows, known, drop = FALSE]
  again <- tryCatch(
    stats::model.frame(
      object$terms, found, na.action = stats::na.pass, drop.unused.levels = TRUE
    ),
    error = function(e) NULL
  )
  same <- !is.null(again) &&
    isTRUE(all.equal(again, object$model, check.attributes = FALSE))
  if (!same) {
    refuse_lost_data(object)
  }
  found[] <- lapply(found, function(x) if (is.factor(x)) droplevels(x) else x)
  found
}

refuse_lost_data <- function(object) {
  synth_stop(sprintf(
    paste(
      "The formula transforms its variables, and '%s' no longer has the data of the",
      "fit. Make them available under that name, or give them to the function you",
      "called."
    ),
    paste(deparse(object$call$data), collapse = " ")
  ))
}

# parameters::ci() for other classes asks insight::find_statistic() likewise.
#' @exportS3Method bayestestR::ci
ci.augmented_gmm <- function(x, ci = 0.95, ...) {
  rows <- lapply(ci, function(level) {
    interval <- stats::confint(x, level = level)
    data.frame(
      Parameter = rownames(interval), CI = level, CI_low = unname(interval[, 1L]),
      CI_high = unname(interval[, 2L]), stringsAsFactors = FALSE
    )
  })
  do.call(rbind, rows)
}

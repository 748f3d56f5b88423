# Methods for the generics of marginaleffects, registered when it is loaded. Users must
# set options(marginaleffects_model_classes = "augmented_gmm"): see ?ecosystem.

#' @exportS3Method marginaleffects::get_coef
get_coef.augmented_gmm <- function(model, ...) model$coefficients

#' @exportS3Method marginaleffects::set_coef
set_coef.augmented_gmm <- function(model, coefs, ...) {
  # The fitted values must follow: predict() without newdata uses them.
  model$coefficients[] <- coefs
  with_fitted(model)
}

#' @exportS3Method marginaleffects::get_vcov
get_vcov.augmented_gmm <- function(model, vcov = NULL, ...) {
  if (is.null(vcov) || isTRUE(vcov)) {
    return(model$vcov)
  }
  if (is.function(vcov)) {
    return(vcov(model))
  }
  if (is.matrix(vcov)) {
    return(vcov)
  }
  if (isFALSE(vcov)) {
    return(NULL)
  }
  synth_stop(
    paste(
      "vcov must be a matrix or a function of the fit. The standard errors of the fit",
      "are robust already."
    ),
    "OptionError"
  )
}

#' @exportS3Method marginaleffects::get_predict
get_predict.augmented_gmm <- function(model, newdata = NULL, type = "response", ...) {
  refuse_without_means(model, "marginaleffects")
  estimate <- stats::predict(model, newdata, type = type)
  rowid <- newdata$rowid
  data.frame(
    rowid = if (is.null(rowid)) seq_along(estimate) else rowid,
    estimate = unname(estimate)
  )
}

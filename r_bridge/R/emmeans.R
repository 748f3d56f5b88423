#' Support for emmeans, insight, parameters and marginaleffects
#'
#' `emmeans::emmeans()`, `parameters::model_parameters()` and the functions of insight
#' work on a fit as on a [stats::glm()]. The reference grid and the model data are those
#' of the labelled rows. Each coefficient has degrees of freedom of its own, in
#' `fit$df.inference`; what is made of several has the fewest of those that take part.
#'
#' @section marginaleffects:
#'   Package marginaleffects takes a class that it does not know only after
#'   `options(marginaleffects_model_classes = "augmented_gmm")`. Then
#'   `marginaleffects::avg_slopes(fit)` and the like work. Give
#'   `df = min(fit$df.inference)` for Student's t: `df.residual(fit)` may be more than a
#'   coefficient has, and intervals are too short then.
#'
#' @section insight and performance:
#'   `insight::find_statistic()` knows a closed list of classes and refuses others;
#'   `insight::get_statistic()` says which statistic it is. `performance::r2()` is the
#'   share of the variance of the outcome that the fitted means explain among the
#'   labelled units, each counted by its weight over its probability of being labelled:
#'   not Tjur's R2, which `performance::r2()` of a logistic [stats::glm()] is.
#'
#' @section car, lmtest and multcomp:
#'   `car::linearHypothesis()`, `car::Anova()` and `lmtest::waldtest()` use F, as Python
#'   does, and chi-squared only where degrees of freedom are infinite. Those of the
#'   denominator are the fewest of the coefficients tested, and printed: `Res.Df` in the
#'   row of the test, `Df.res` of each term in `Anova()`. `test = "Chisq"` (`test.statistic` of `Anova()`) asks for it.
#'   `multcomp::glht()` takes whole degrees of freedom for all coefficients: the fewest,
#'   rounded down.
#'
#' @name ecosystem
#' @keywords internal
NULL

# emmeans is not imported: registration of these methods waits until it is loaded.

#' @exportS3Method emmeans::recover_data
recover_data.augmented_gmm <- function(object, data = NULL, ...) {
  refuse_without_means(object, "emmeans()")
  frame <- object$model
  emmeans::recover_data(
    object$call, stats::delete.response(object$terms), NULL,
    data = if (is.null(data)) labelled_data(object) else data, frame = frame, ...
  )
}

#' @exportS3Method emmeans::emm_basis
emm_basis.augmented_gmm <- function(object, trms, xlev, grid, vcov., ...) {
  frame <- stats::model.frame(trms, grid, na.action = stats::na.pass, xlev = xlev)
  exog <- stats::model.matrix(trms, frame, contrasts.arg = object$contrasts)
  covariance <- if (missing(vcov.)) object$vcov else given_covariance(vcov., object)
  list(
    X = exog[, slopes_of(object), drop = FALSE],
    bhat = as.numeric(object$coefficients[slopes_of(object)]),
    nbasis = matrix(NA),
    V = as.matrix(covariance)[slopes_of(object), slopes_of(object), drop = FALSE],
    dffun = function(k, dfargs) {
      if (any(k != 0)) min(dfargs$df[k != 0]) else max(dfargs$df)
    },
    dfargs = list(df = unname(coefficient_df(object)[slopes_of(object)])),
    misc = link_labels(object$family)
  )
}

given_covariance <- function(given, object) {
  if (is.function(given)) given(object) else given
}

# What emmeans needs to go back to the scale of the outcome.
link_labels <- function(family) {
  if (family$link == "identity") {
    return(list())
  }
  label <- if (grepl("binomial", family$family) && !grepl("Negative", family$family)) {
    "prob"
  } else if (family$family == "poisson") {
    "rate"
  } else {
    "response"
  }
  list(tran = family$link, inv.lbl = label)
}

# The estimate maximises no likelihood. What R computes from one, its defaults would make
# of whatever components an object has, or of none (NULL, numeric(0)): say so instead.

stop_no_likelihood <- function(what, advice) {
  synth_stop(
    sprintf("There is no %s: the estimate maximises no likelihood. %s", what, advice),
    "OptionError"
  )
}

compare_nested <- paste(
  "Compare nested models with anova() or car::linearHypothesis()."
)

#' @rdname augmented_gmm-methods
#' @export
logLik.augmented_gmm <- function(object, ...) {
  stop_no_likelihood("log-likelihood", compare_nested)
}

#' @rdname augmented_gmm-methods
#' @export
deviance.augmented_gmm <- function(object, ...) {
  stop_no_likelihood("deviance", compare_nested)
}

#' @rdname augmented_gmm-methods
#' @export
AIC.augmented_gmm <- function(object, ..., k = 2) {
  stop_no_likelihood("AIC", compare_nested)
}

#' @rdname augmented_gmm-methods
#' @export
BIC.augmented_gmm <- function(object, ...) {
  stop_no_likelihood("BIC", compare_nested)
}

#' @rdname augmented_gmm-methods
#' @export
extractAIC.augmented_gmm <- function(fit, scale, k = 2, ...) {
  stop_no_likelihood("AIC, which step() and drop1() need", compare_nested)
}

#' @rdname augmented_gmm-methods
#' @export
sigma.augmented_gmm <- function(object, ...) {
  refuse_arguments("sigma", ...)
  if (object$family$family != "gaussian") {
    synth_stop(
      sprintf(
        paste(
          "There is no residual standard deviation in the family %s, and no dispersion",
          "is estimated: standard errors are robust. sd(residuals(fit, \"pearson\"))",
          "shows whether outcomes vary more than the family has it."
        ), object$family$family
      ),
      "OptionError"
    )
  }
  n <- object$nobs
  # As lm() has it, where all labels count alike.
  weight <- label_weights(object)
  sqrt(
    sum(weight * object$residuals^2) / sum(weight) *
      n / (n - length(object$coefficients))
  )
}

# How much each label stands for: weight over the probability of having been labelled.
label_weights <- function(object) {
  one <- rep(1, object$nobs)
  weight <- if (is.null(object$weights)) one else object$weights
  chance <- if (is.null(object$design_weights)) one else object$design_weights
  weight * chance
}

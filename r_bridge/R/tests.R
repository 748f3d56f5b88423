# Wald tests in other packages: of F where Python uses F, that is, where df.residual() is
# finite. Their own default is chi-squared, which rejects too often with few labels.

default_test <- function(model, test) {
  if (!is.null(test)) {
    return(test)
  }
  if (is.finite(model$df.residual)) "F" else "Chisq"
}

#' @exportS3Method car::linearHypothesis
linearHypothesis.augmented_gmm <- function(model, hypothesis.matrix, rhs = NULL,
                                           test = NULL, ...) {
  car::linearHypothesis.default(
    model, hypothesis.matrix, rhs, test = default_test(model, test), ...
  )
}

#' @exportS3Method car::Anova
Anova.augmented_gmm <- function(mod, type = c("II", "III", 2, 3), test.statistic = NULL,
                                ...) {
  NextMethod(test.statistic = default_test(mod, test.statistic))
}

#' @exportS3Method lmtest::waldtest
waldtest.augmented_gmm <- function(object, ..., test = NULL) {
  lmtest::waldtest.default(object, ..., test = default_test(object, test))
}

# multcomp takes whole degrees of freedom; rounded down they are on the safe side. 0 is
# its word for the normal distribution.
#' @exportS3Method multcomp::modelparm
modelparm.augmented_gmm <- function(model, coef. = stats::coef, vcov. = stats::vcov,
                                    df = NULL, ...) {
  if (is.null(df)) {
    df <- model$df.residual
    df <- if (is.finite(df)) max(1, floor(df)) else 0
  }
  NextMethod(coef. = coef., vcov. = vcov., df = df)
}

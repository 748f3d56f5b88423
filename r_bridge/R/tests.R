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
  rows <- if (is.character(hypothesis.matrix)) {
    made <- car::makeHypothesis(names(model$coefficients), hypothesis.matrix, rhs)
    made <- if (is.null(dim(made))) t(made) else made
    made[, seq_along(model$coefficients), drop = FALSE]
  } else {
    hypothesis.matrix
  }
  # A joint test has the degrees of freedom of the coefficient that has the fewest.
  model$df.residual <- min(fewest_df(model, rows))
  car::linearHypothesis.default(
    model, hypothesis.matrix, rhs, test = default_test(model, test), ...
  )
}

#' @exportS3Method car::Anova
Anova.augmented_gmm <- function(mod, type = c("II", "III", 2, 3), test.statistic = NULL,
                                ...) {
  if (!predicts_means(mod) && !identical(names(mod$coefficients), mod$regressors)) {
    synth_stop(
      paste(
        "car::Anova() does not know which coefficients belong to a term of this fit.",
        "Test them with car::linearHypothesis()."
      ),
      "OptionError"
    )
  }
  table <- NextMethod(test.statistic = default_test(mod, test.statistic))
  with_df_of_terms(table, mod)
}

#' @exportS3Method lmtest::waldtest
waldtest.augmented_gmm <- function(object, ..., test = NULL, name = NULL) {
  fits <- list()
  # lmtest makes the other models itself; what names them sees them all.
  noted <- function(fit) {
    fits <<- c(fits, list(fit))
    if (is.null(name)) paste(deparse(stats::formula(fit)), collapse = "\n") else name(fit)
  }
  table <- lmtest::waldtest.default(
    object, ..., test = default_test(object, test), name = noted
  )
  if (!"F" %in% names(table)) {
    return(table)
  }
  for (k in seq_along(fits)[-1L]) {
    pair <- fits[c(k - 1L, k)]
    larger <- pair[[which.max(lengths(lapply(pair, stats::coef)))]]
    smaller <- pair[[which.min(lengths(lapply(pair, stats::coef)))]]
    tested <- setdiff(names(larger$coefficients), names(smaller$coefficients))
    df <- min(coefficient_df(larger)[tested])
    table[k, "Pr(>F)"] <- stats::pf(
      table[k, "F"], abs(table[k, "Df"]), df, lower.tail = FALSE
    )
    # What is printed is what the p-value comes from.
    table[k, "Res.Df"] <- df
  }
  table
}

# The F test of each term with the degrees of freedom of its own coefficients, in a
# column as car has it where they differ by term, instead of one for all.
with_df_of_terms <- function(table, mod) {
  if (!all(c("F", "Pr(>F)") %in% names(table))) {
    return(table)
  }
  exog <- stats::model.matrix(mod)
  labels <- c("(Intercept)", attr(mod$terms, "term.labels"))
  term <- labels[attr(exog, "assign") + 1L]
  table <- table[rownames(table) %in% term, , drop = FALSE]
  df <- vapply(rownames(table), function(row) min(coefficient_df(mod)[term == row]), 0)
  table[["Pr(>F)"]] <- stats::pf(table$F, table$Df, df, lower.tail = FALSE)
  table$Df.res <- unname(df)
  table[c("Df", "Df.res", "F", "Pr(>F)")]
}

# Further arguments are those of a covariance that is given as a function.
covariance_for <- function(method, x, given, ...) {
  if (is.function(given)) {
    return(given(x, ...))
  }
  refuse_arguments(method, ...)
  if (is.null(given)) x$vcov else given
}

#' @exportS3Method lmtest::coeftest
coeftest.augmented_gmm <- function(x, vcov. = NULL, df = NULL, ...) {
  covariance <- covariance_for("coeftest", x, vcov., ...)
  df <- if (is.null(df)) coefficient_df(x) else df
  error <- standard_errors(covariance)
  statistic <- x$coefficients / error
  letter <- if (all(is.finite(df))) "t" else "z"
  table <- cbind(x$coefficients, error, statistic, two_sided(statistic, df))
  dimnames(table) <- list(
    names(x$coefficients),
    c("Estimate", "Std. Error", paste(letter, "value"), sprintf("Pr(>|%s|)", letter))
  )
  structure(
    table,
    class = "coeftest", method = paste(letter, "test of coefficients"),
    df = if (length(unique(df)) == 1L) df[[1L]] else df, nobs = x$nobs
  )
}

#' @exportS3Method lmtest::coefci
coefci.augmented_gmm <- function(x, parm = NULL, level = 0.95, vcov. = NULL, df = NULL,
                                 ...) {
  x$vcov <- covariance_for("coefci", x, vcov., ...)
  if (!is.null(df)) {
    x$df.inference[] <- df
  }
  if (is.null(parm)) {
    stats::confint(x, level = level)
  } else {
    stats::confint(x, parm, level = level)
  }
}

# multcomp takes whole degrees of freedom; rounded down they are on the safe side. 0 is
# its word for the normal distribution.
#' @exportS3Method multcomp::modelparm
modelparm.augmented_gmm <- function(model, coef. = stats::coef, vcov. = stats::vcov,
                                    df = NULL, ...) {
  if (is.null(df)) {
    df <- min(coefficient_df(model))
    df <- if (is.finite(df)) max(1, floor(df)) else 0
  }
  NextMethod(coef. = coef., vcov. = vcov., df = df)
}

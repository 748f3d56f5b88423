#' Wald tests of terms, or of nested fits
#'
#' With one fit, each term given all others. With several, the coefficients that a fit has
#' more than the one before it, in the larger of the two. There is no analysis of deviance:
#' the estimate maximises no likelihood.
#'
#' @param object A fit by [augmented_gmm()].
#' @param ... Further fits to the same units, each nested in the next or the one before.
#' @param test `"F"`, or `"Chisq"`; F where the fit has finite degrees of freedom, if
#'   omitted.
#'
#' @return A data frame of class `anova` with a row for each term or comparison. Denominator
#'   degrees of freedom are the fewest of the coefficients tested.
#' @seealso `car::Anova()` for tests that respect marginality, `car::linearHypothesis()` for
#'   any linear hypothesis.
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 17:32, NA), guess = 42 - 4 * wt - qsec / 2)
#' fit <- augmented_gmm(mpg ~ wt + hp, units, proxy = c(mpg = "guess"))
#' anova(fit)
#' anova(update(fit, . ~ . - hp), fit)
#' @export
anova.augmented_gmm <- function(object, ..., test = NULL) {
  test <- default_test(object, test)
  test <- choose_option(test, c("F", "Chisq"), "test")
  others <- list(...)
  named <- dots_names(...)
  if (any(nzchar(named))) {
    stop_unknown("anova", named[nzchar(named)][[1L]], "test")
  }
  if (length(others)) {
    return(anova_of_fits(c(list(object), others), test))
  }
  if (!predicts_means(object)) {
    synth_stop(
      paste(
        "anova() does not know which coefficients belong to a term of this fit. Test them",
        "with car::linearHypothesis()."
      ),
      "OptionError"
    )
  }
  exog <- stats::model.matrix(object)
  assign <- attr(exog, "assign")
  labels <- attr(object$terms, "term.labels")
  tested <- lapply(seq_along(labels), function(k) {
    wald_row(object, colnames(exog)[assign == k], test)
  })
  table <- do.call(rbind, tested)
  anova_table(table, labels, c(
    "Wald tests, each term given all others\n",
    paste0("Response: ", deparse1(object$formula[[2L]]))
  ))
}

anova_of_fits <- function(fits, test) {
  for (fit in fits) {
    check_fit(fit)
  }
  rows <- lapply(seq_along(fits)[-1L], function(k) {
    pair <- fits[c(k - 1L, k)]
    names <- lapply(pair, function(fit) names(fit$coefficients))
    larger <- which.max(lengths(names))
    more <- setdiff(names[[larger]], names[[3L - larger]])
    if (!length(more) || !all(names[[3L - larger]] %in% names[[larger]])) {
      synth_stop(
        sprintf("Fits %d and %d are not nested: none has all coefficients of the other.",
          k - 1L, k),
        "OptionError"
      )
    }
    if (!identical(names(pair[[1L]]$y), names(pair[[2L]]$y)) ||
      !identical(unname(pair[[1L]]$y), unname(pair[[2L]]$y))) {
      synth_stop(
        sprintf(
          "Fits %d and %d are not of the same labels, so that they cannot be compared.",
          k - 1L, k
        )
      )
    }
    wald_row(pair[[larger]], more, test)
  })
  blank <- rows[[1L]]
  blank[] <- NA
  formulas <- vapply(fits, function(fit) deparse1(fit$formula), "")
  anova_table(do.call(rbind, c(list(blank), rows)), seq_along(fits), c(
    "Wald tests of nested fits\n",
    paste0(sprintf("Model %d: ", seq_along(fits)), formulas, collapse = "\n")
  ))
}

# Of coefficients that are all zero.
wald_row <- function(object, names, test) {
  beta <- object$coefficients[names]
  covariance <- object$vcov[names, names, drop = FALSE]
  size <- sqrt(diag(covariance))
  # In units of standard errors, as coefficients may be of very different size.
  scaled <- covariance / outer(size, size)
  chisq <- drop(crossprod(beta / size, solve(scaled, beta / size)))
  k <- length(names)
  if (test == "Chisq") {
    return(data.frame(
      Df = k, Chisq = chisq, "Pr(>Chisq)" = stats::pchisq(chisq, k, lower.tail = FALSE),
      check.names = FALSE
    ))
  }
  df <- min(coefficient_df(object)[names])
  data.frame(
    Df = k, Df.res = df, F = chisq / k,
    "Pr(>F)" = stats::pf(chisq / k, k, df, lower.tail = FALSE), check.names = FALSE
  )
}

anova_table <- function(table, rows, heading) {
  attr(table, "row.names") <- as.character(rows)
  structure(table, heading = heading, class = c("anova", "data.frame"))
}

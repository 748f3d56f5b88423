#' Do the labelled units look like the rest?
#'
#' Each source has a mean score over the labelled units and one over all. If labels
#' are drawn by chance alone, the two differ by chance only. A small p-value is
#' evidence that the labels are a selection, or that a source was made differently for
#' labelled units; a large one does not exclude either. Estimates are valid when units
#' are labelled at random or with known probabilities, and the sources are made in the
#' same way for labelled and unlabelled units.
#'
#' @param object An object of class `augmented_gmm`.
#' @param x What `representativeness()` returned.
#' @param digits Significant digits.
#' @param ... Nothing: arguments that a method does not have are errors.
#'
#' @return `jtest()`: Hansen's J over all sources at once, of class `htest`. With labels
#'   drawn at random J is chi-squared. With clusters, strata or unequal probabilities its
#'   variance is estimated from the labelled clusters or units, and J is Hotelling's
#'   T-squared: the test then has the value of F and both degrees of freedom, so that
#'   `pf()` gives the p-value, and J itself as estimate.
#'
#'   `representativeness()`: a data frame of class `representativeness`, one row for all
#'   sources together and one for each. `statistic`, `p.value`, `df`: the source by
#'   itself. `c.statistic`, `c.p.value`: what it adds to the other sources (a difference
#'   of two J). `f`, `df2`: `pf(f, df, df2, lower.tail = FALSE)` is `p.value`; likewise
#'   `c.f`, `c.df`, `c.df2` for `c.p.value`. A source with a small `p.value` disagrees
#'   with the choice of labels; one with a large `c.p.value` says nothing that the others
#'   do not say.
#'
#' @details Package lmtest has a `jtest()` of its own, for non-nested models. With lmtest
#'   attached after this package write `statsmodelssynth::jtest(fit)`.
#'
#' @references Hansen, L. P. (1982). Large sample properties of generalized method of
#'   moments estimators. *Econometrica*, 50, 1029-1054.
#'
#'   Eichenbaum, M. S., Hansen, L. P. and Singleton, K. J. (1988). A time series
#'   analysis of representative agent models of consumption and leisure choice under
#'   uncertainty. *Quarterly Journal of Economics*, 103, 51-78.
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 13:32, NA), guess = 34 - 4 * wt)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' jtest(fit)
#' representativeness(fit)
#' @export
representativeness <- function(object, ...) UseMethod("representativeness")

#' @rdname representativeness
#' @export
representativeness.augmented_gmm <- function(object, ...) {
  refuse_arguments("representativeness", ...)
  table <- object$representativeness
  variance_df <- object$representativeness_df
  if (is.null(variance_df)) {
    variance_df <- Inf
  }
  as_f <- hotelling(table$statistic, table$df, variance_df)
  table$f <- as_f$f
  table$df2 <- as_f$df2
  table[c("c.f", "c.df", "c.df2")] <- added_reference(object, table, variance_df)
  structure(
    table, variance_df = variance_df[[1L]], class = c("representativeness", "data.frame")
  )
}

#' @rdname representativeness
#' @export
print.representativeness <- function(x, digits = max(3L, getOption("digits") - 3L),
                                     ...) {
  refuse_arguments("print", ...)
  cat("\n\tDo the labelled units look like the rest?\n\n")
  if (!all(c("statistic", "p.value", "df", "c.statistic", "c.p.value") %in% names(x))) {
    print.data.frame(x, digits = digits)
    return(invisible(x))
  }
  if (!any(x$df > 0, na.rm = TRUE)) {
    cat("Nothing to test: there is no source, or the fit did not converge.\n\n")
    return(invisible(x))
  }
  table <- cbind(
    "statistic" = format_known(x$statistic, digits),
    "df" = format_known(x$df, digits),
    "p-value" = format_p(x$p.value),
    "C statistic" = format_known(x$c.statistic, digits),
    "p-value (C)" = format_p(x$c.p.value)
  )
  rownames(table) <- row.names(x)
  print_text(table)
  cat("\n", wrapped(paste(
    "Statistic: labelled units against all, as the source sees them. C: what the",
    "source adds to the others.",
    name_reference(attr(x, "variance_df"))
  )), "\n\n", sep = "")
  invisible(x)
}

format_known <- function(x, digits) {
  ifelse(is.na(x), "", format(x, digits = digits))
}

name_reference <- function(variance_df) {
  if (is.null(variance_df) || is.infinite(variance_df)) {
    return("P-values: chi-squared.")
  }
  sprintf(
    paste(
      "P-values: Hotelling's T-squared, whose variance has %s degrees of freedom; columns",
      "'f', 'df' and 'df2' have it as F."
    ), whole(variance_df)
  )
}

# The same for what a source adds: Python's, or with labels drawn at random chi-squared
# with as many restrictions as the source has.
added_reference <- function(object, table, variance_df) {
  if (!is.null(object$c_reference)) {
    return(object$c_reference)
  }
  known <- !is.na(table$c.statistic) & is.infinite(variance_df)
  df <- ifelse(known, table$df, NaN)
  list(table$c.statistic / df, df, ifelse(known, Inf, NaN))
}

# A statistic as a value of F, whose p-value is pf(f, df, df2, lower.tail = FALSE). With
# labels drawn at random df2 is infinite, so that this is chi-squared; with clusters or
# unequal probabilities the variance has degrees of freedom of its own, and the statistic
# is Hotelling's T-squared.
hotelling <- function(statistic, df, variance_df) {
  df2 <- variance_df - df + 1
  scale <- ifelse(is.finite(df2), df2 / variance_df, 1)
  possible <- df > 0 & df2 > 0
  list(
    f = ifelse(possible %in% TRUE, statistic / df * scale, NaN),
    df2 = ifelse(possible %in% TRUE, df2, NaN)
  )
}

j_reference <- function(x) {
  statistic <- x$jtest[["statistic"]]
  df <- x$jtest[["df"]]
  variance_df <- if (is.null(x$j_variance_df)) Inf else x$j_variance_df
  c(
    list(statistic = statistic, df = df, p.value = x$jtest[["p.value"]]),
    hotelling(statistic, df, variance_df)
  )
}

# With the decimals of a p-value alone: a column is not wider for a small one.
format_p <- function(p) ifelse(is.na(p), "", format.pval(round(p, 4L), 3L, 1e-4))

#' @rdname representativeness
#' @export
jtest <- function(object) {
  check_fit(object)
  test <- j_reference(object)
  hotelling <- is.finite(test$df2)
  structure(
    list(
      statistic = if (hotelling) c(F = test$f) else c(J = test$statistic),
      parameter = if (hotelling) {
        c("num df" = test$df, "denom df" = test$df2)
      } else {
        c(df = test$df)
      },
      p.value = test$p.value,
      estimate = if (hotelling) c("Hansen's J" = test$statistic),
      method = paste0(
        "Hansen's J test (", if (hotelling) "as Hotelling's T-squared" else "chi-squared",
        "): do the labelled units look like the rest?"
      ),
      data.name = paste(deparse(object$formula, width.cutoff = 500L), collapse = " ")
    ),
    class = "htest"
  )
}

#' Do the labelled units look like the rest?
#'
#' Each source has a mean score over the labelled units and one over all. If labelling
#' is independent of the sources, the two differ by chance only. A small p-value says
#' that the labels are a selection, or that a source was made differently for labelled
#' units.
#'
#' @param object An object of class `augmented_gmm`.
#' @param x What `representativeness()` returned.
#' @param digits Significant digits.
#' @param ... Ignored.
#'
#' @return `jtest()`: Hansen's J over all sources at once, of class `htest`.
#'
#'   `representativeness()`: a data frame of class `representativeness`, one row for all
#'   sources together and one for each. `statistic`, `p.value`, `df`: the source by
#'   itself. `c.statistic`, `c.p.value`: what it adds to the other sources (a difference
#'   of two J). A source with a small `p.value` disagrees with the choice of labels; one
#'   with a large `c.p.value` says nothing that the others do not say.
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
  structure(
    object$representativeness, class = c("representativeness", "data.frame")
  )
}

#' @rdname representativeness
#' @export
print.representativeness <- function(x, digits = max(3L, getOption("digits") - 3L),
                                     ...) {
  cat("\n\tDo the labelled units look like the rest?\n\n")
  if (!all(c("statistic", "p.value", "df", "c.statistic", "c.p.value") %in% names(x))) {
    print.data.frame(x, digits = digits, ...)
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
    "source adds to the others."
  )), "\n\n", sep = "")
  invisible(x)
}

format_known <- function(x, digits) {
  ifelse(is.na(x), "", format(x, digits = digits))
}

# With the decimals of a p-value alone: a column is not wider for a small one.
format_p <- function(p) ifelse(is.na(p), "", format.pval(round(p, 4L), 3L, 1e-4))

#' @rdname representativeness
#' @export
jtest <- function(object) {
  check_fit(object)
  test <- object$jtest
  structure(
    list(
      statistic = c(J = test[["statistic"]]),
      parameter = c(df = test[["df"]]),
      p.value = test[["p.value"]],
      method = "Hansen's J test: do the labelled units look like the rest?",
      data.name = paste(deparse(object$formula, width.cutoff = 500L), collapse = " ")
    ),
    class = "htest"
  )
}

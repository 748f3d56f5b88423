#' Instruments: how strong, and do they agree?
#'
#' For a fit of `y ~ x | d ~ z`.
#'
#' @param object A fit by [augmented_gmm()] with instruments.
#' @return `first_stage()`: a data frame with a row for each endogenous regressor, the share
#'   of its variance that the instruments explain beside the exogenous ones
#'   (`partial_rsquared`), and the robust F statistic of the instruments with its degrees of
#'   freedom and p-value. `overidentification()`: of class `htest`, the robust score test
#'   whether more instruments than needed agree. Both are of the labels.
#' @references Staiger, D. and Stock, J. H. (1997). Instrumental variables regression with
#'   weak instruments. *Econometrica* 65, 557-586.
#'
#'   Wooldridge, J. M. (2010). *Econometric Analysis of Cross Section and Panel Data*, 2nd
#'   ed., chapters 5 and 6. MIT Press.
#' @seealso [anderson_rubin()], which holds with weak instruments.
#' @examplesIf synth_available()
#' set.seed(1)
#' units <- data.frame(z = rnorm(800), u = rnorm(800))
#' units$d <- units$z + units$u + rnorm(800)
#' y <- 0.5 * units$d + units$u + rnorm(800)
#' units$guess <- y + rnorm(800, sd = 0.3)
#' units$y <- ifelse(seq_len(800) <= 150, y, NA)
#' fit <- augmented_gmm(y ~ 1 | d ~ z, units, proxy = c(y = "guess"))
#' fit
#' first_stage(fit)
#' @export
first_stage <- function(object) {
  check_fit(object)
  if (is.null(object$first_stage)) {
    synth_stop(
      "The fit has no instruments: they are written y ~ x | d ~ z.", "OptionError"
    )
  }
  object$first_stage
}

#' @rdname first_stage
#' @export
overidentification <- function(object) {
  first_stage(object)
  found <- object$overidentification
  if (is.null(found)) {
    synth_stop(
      paste(
        "There are no more instruments than endogenous regressors, so that nothing is",
        "left to test."
      ),
      "OptionError"
    )
  }
  structure(
    list(
      statistic = c(chisq = found[[1L]]), parameter = c(df = found[[3L]]),
      p.value = found[[2L]],
      method = "Robust score test of overidentifying instruments, on the labels",
      data.name = deparse1(object$formula)
    ),
    class = "htest"
  )
}

#' Test and confidence set that hold with weak instruments
#'
#' For a fit of `y ~ x | d ~ z` with one endogenous regressor: the test of Anderson and
#' Rubin. Under the hypothesis `y - null * d` has nothing to do with the instruments, given
#' exogenous regressors. That is tested by a linear regression with the labels, sources,
#' design and options of the fit. The set holds all values that are not rejected.
#'
#' @param object A fit by [augmented_gmm()] with instruments.
#' @param null Value of the coefficient under the hypothesis.
#' @param level Level of the confidence set; `NULL` for the test alone, which is one fit in
#'   place of some fifty.
#' @param x What `anderson_rubin()` returned.
#' @param digits Significant digits.
#' @param ... Nothing: arguments that a method does not have are errors.
#'
#' @return An object of class `anderson_rubin`: `term`, `null`, `statistic` (F with `df` and
#'   `df2`), `p.value`, `level`, `set`, a matrix with a row for each interval, from left to
#'   right, and `kind`: `"bounded"`, `"unbounded"` where an end is infinite, `"whole line"`,
#'   `"empty"` where instruments contradict each other, or `"not asked for"`. `tidy()` has a
#'   row for each interval; an empty set is one row without ends. `glance()` is the test.
#' @details With more instruments than endogenous regressors it tests at the same time that
#'   these agree.
#' @references Anderson, T. W. and Rubin, H. (1949). Estimation of the parameters of a
#'   single equation in a complete system of stochastic equations. *Annals of Mathematical
#'   Statistics* 20, 46-63.
#' @seealso [first_stage()], which says whether instruments are weak.
#' @examplesIf synth_available()
#' set.seed(1)
#' units <- data.frame(z = rnorm(800), u = rnorm(800))
#' units$d <- units$z + units$u + rnorm(800)
#' y <- 0.5 * units$d + units$u + rnorm(800)
#' units$guess <- y + rnorm(800, sd = 0.3)
#' units$y <- ifelse(seq_len(800) <= 150, y, NA)
#' fit <- augmented_gmm(y ~ 1 | d ~ z, units, proxy = c(y = "guess"))
#' anderson_rubin(fit, null = 0.3)
#' tidy(anderson_rubin(fit))
#' @export
anderson_rubin <- function(object, null = 0, level = 0.95) {
  first_stage(object)
  value <- ask_python("anderson_rubin", object, list(
    null = one_number(null, "null"), alpha = if (!is.null(level)) check_alpha(level)
  ))
  table <- table_of(value$table)
  first <- as.list(table[1L, ])
  ends <- as.matrix(table[c("conf.low", "conf.high")])
  structure(
    c(
      first[c("term", "null", "statistic", "df", "df2", "p.value")],
      list(
        level = level, set = ends[!is.na(ends[, 1L]), , drop = FALSE], kind = first$kind,
        call = object$call
      )
    ),
    class = "anderson_rubin"
  )
}

#' @rdname anderson_rubin
#' @export
print.anderson_rubin <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  refuse_arguments("print", ...)
  shown <- function(number) format(number, digits = digits)
  p <- format_p(x$p.value)
  cat("\n\tAnderson-Rubin test\n\n")
  cat(sprintf(
    "%s = %s: F = %s, df = %s, df2 = %s, p-value %s\n", x$term, shown(x$null),
    shown(x$statistic), shown(x$df), shown(x$df2),
    if (startsWith(p, "<")) sub("<", "< ", p) else paste("=", p)
  ))
  if (x$kind != "not asked for") {
    sides <- apply(x$set, 1L, function(ends) {
      paste(shown(ends[[1L]]), "to", shown(ends[[2L]]))
    })
    cat(sprintf(
      "%s%% confidence set: %s\n", format(100 * x$level),
      if (length(sides)) paste(sides, collapse = " or ") else "empty"
    ))
  }
  meaning <- c(
    unbounded = "At an infinite end the instruments are too weak for a bound.",
    "whole line" = "The instruments are too weak to say anything of the coefficient.",
    empty = "No value suits all instruments: they contradict each other."
  )
  if (x$kind %in% names(meaning)) {
    cat(wrapped(meaning[[x$kind]]), "\n", sep = "")
  }
  cat("\n")
  invisible(x)
}

#' @rdname anderson_rubin
#' @export
tidy.anderson_rubin <- function(x, ...) {
  refuse_arguments("tidy", ...)
  ends <- if (nrow(x$set)) x$set else matrix(NA_real_, 1L, 2L)
  as_tibble_if_any(data.frame(
    term = x$term, statistic = x$statistic, p.value = x$p.value,
    conf.low = ends[, 1L], conf.high = ends[, 2L], null = x$null, df = x$df, df2 = x$df2,
    conf.level = if (is.null(x$level)) NA_real_ else x$level, kind = x$kind
  ))
}

#' @rdname anderson_rubin
#' @export
glance.anderson_rubin <- function(x, ...) {
  refuse_arguments("glance", ...)
  as_tibble_if_any(data.frame(
    term = x$term, null = x$null, statistic = x$statistic, df = x$df, df2 = x$df2,
    p.value = x$p.value, kind = x$kind
  ))
}

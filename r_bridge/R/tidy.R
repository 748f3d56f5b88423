#' Tidy data frames from a regression with sources
#'
#' Methods for the generics of package generics, which broom, modelsummary and texreg
#' use: one row per coefficient, one row per model, one row per labelled unit.
#'
#' @param x An object of class `augmented_gmm`.
#' @param conf.int Whether to add a confidence interval.
#' @param conf.level Its level.
#' @param exponentiate Whether to exponentiate estimates and interval (odds and rate
#'   ratios). Standard errors stay those of the coefficients, as in broom.
#' @param data The labelled rows to which columns are added: the model frame if omitted.
#' @param newdata New rows to predict instead.
#' @param type.predict Scale of `.fitted` and `.se.fit`: `"response"` (mean of the
#'   outcome) or `"link"`.
#' @param ... Nothing: arguments that a method does not have are errors.
#'
#' @return A data frame; a tibble where package tibble is installed, as it is for
#'   whoever uses broom.
#'   * `tidy()`: `term`, `estimate`, `std.error`, `statistic`, `p.value` and, if asked
#'     for, `conf.low` and `conf.high`.
#'   * `glance()`: `nobs` (labelled units), `n_units`, `n_sources`, `df.residual`,
#'     `j.statistic`, `j.df`, `j.f`, `j.df2`, `j.p.value`, `converged`. The p-value of
#'     Hansen's J is `pf(j.f, j.df, j.df2, lower.tail = FALSE)`: see [jtest()].
#'   * `augment()`: the labelled rows with `.fitted`, `.resid` (label minus fitted mean)
#'     and `.se.fit`; or new rows with `.fitted` and `.se.fit`.
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 13:32, NA), guess = 34 - 4 * wt)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' tidy(fit, conf.int = TRUE)
#' glance(fit)
#' augment(fit)
#' @name tidy.augmented_gmm
NULL

#' @rdname tidy.augmented_gmm
#' @export
tidy.augmented_gmm <- function(x, conf.int = FALSE, conf.level = 0.95,
                               exponentiate = FALSE, ...) {
  refuse_arguments("tidy", ...)
  check_flag(conf.int, "conf.int")
  check_flag(exponentiate, "exponentiate")
  table <- coefficient_table(x)
  result <- data.frame(
    term = rownames(table), estimate = table[, 1L], std.error = table[, 2L],
    statistic = table[, 3L], p.value = table[, 4L], row.names = NULL
  )
  if (conf.int) {
    interval <- stats::confint(x, level = conf.level)
    result$conf.low <- unname(interval[, 1L])
    result$conf.high <- unname(interval[, 2L])
  }
  if (exponentiate) {
    scaled <- intersect(c("estimate", "conf.low", "conf.high"), names(result))
    result[scaled] <- exp(result[scaled])
  }
  as_tibble_if_any(result)
}

#' @rdname tidy.augmented_gmm
#' @export
glance.augmented_gmm <- function(x, ...) {
  refuse_arguments("glance", ...)
  test <- j_reference(x)
  as_tibble_if_any(data.frame(
    nobs = x$nobs, n_units = x$n_units, n_sources = nrow(x$sources),
    df.residual = x$df.residual, j.statistic = x$jtest[["statistic"]],
    j.df = x$jtest[["df"]], j.f = test$f, j.df2 = test$df2,
    j.p.value = x$jtest[["p.value"]], converged = x$converged
  ))
}

#' @rdname tidy.augmented_gmm
#' @export
augment.augmented_gmm <- function(x, data = stats::model.frame(x), newdata = NULL,
                                  type.predict = c("response", "link"), ...) {
  refuse_arguments("augment", ...)
  type <- choose_option(type.predict, c("response", "link"), "type.predict")
  refuse_without_means(x, "augment()")
  if (is.null(newdata)) {
    check_augmented_rows(x, data)
    rows <- data
    fit <- stats::predict(x, type = type, se.fit = TRUE)
  } else {
    rows <- as_new_data(newdata)
    fit <- stats::predict(x, newdata, type = type, se.fit = TRUE)
  }
  # Not as.data.frame(), which would split the columns of poly(x, 2).
  result <- structure(as.list(rows), terms = NULL)
  if (.row_names_info(rows) > 0L) {
    result <- c(list(.rownames = row.names(rows)), result)
  }
  result <- structure(
    result, class = "data.frame", row.names = seq_len(nrow(rows))
  )
  result$.fitted <- unname(fit$fit)
  if (is.null(newdata)) {
    result$.resid <- unname(x$residuals)
  }
  result$.se.fit <- unname(fit$se.fit)
  as_tibble_if_any(result)
}

check_augmented_rows <- function(x, data) {
  if (!is.data.frame(data) || nrow(data) != x$nobs) {
    synth_stop(sprintf(
      "data must have one row for each of the %s. For other rows give newdata.",
      count(x$nobs, "labelled unit")
    ))
  }
}

# Users of broom expect a tibble; nobody else needs the package.
as_tibble_if_any <- function(frame) {
  row.names(frame) <- NULL
  if (requireNamespace("tibble", quietly = TRUE)) tibble::as_tibble(frame) else frame
}

#' @importFrom generics tidy
#' @export
generics::tidy

#' @importFrom generics glance
#' @export
generics::glance

#' @importFrom generics augment
#' @export
generics::augment

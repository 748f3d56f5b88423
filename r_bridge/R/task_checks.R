#' Checks of task exchangeability
#'
#' No data can prove that the current task is exchangeable with the historical ones.
#' These checks can speak against it, or say what the interval is worth for tasks like
#' the historical ones.
#'
#' `typicality()` asks whether the current synthetic estimate is like the past ones, by
#' its rank. `trend_test()` permutes the gaps to see whether they move with a covariate
#' or with the order of the tasks. `temporal_split()` covers late tasks from early ones.
#' `leave_one_out()` covers each historical task from the others; it does not see drift:
#' shuffle the tasks, and it is the same. The real *estimate* of a task stands for what
#' is to be covered, whose noise counts against coverage.
#'
#' `coverage_gap()` bounds the coverage that is lost if the historical tasks are as far
#' from the current one as assumed (Barber et al. 2023).
#'
#' @param object A fit of [task_exchangeability()] or one of its siblings.
#' @param by What tasks are ordered by: the name of a covariate; numbers named by task,
#'   or in the order of `object$tasks`. If omitted, the order in which tasks were given.
#' @param n_permutations,seed Number of permutations, and their seed. R's own random
#'   numbers are not used.
#' @param share Share of the tasks that are early.
#' @param distance Total variation distance, between 0 and 1, of the distribution of
#'   historical tasks from that of the current one: one number, or numbers named by task
#'   or in the order of `object$tasks`. An assumption, which data alone cannot give.
#' @param x What `leave_one_out()` or `temporal_split()` gave.
#' @param digits Number of significant digits.
#' @param ... Nothing: arguments that a method does not have are errors.
#'
#' @return `typicality()`: p-values by coordinate. `trend_test()`: an object of class
#'   `htest` with Spearman's correlations; its p-value is corrected for the number of
#'   coordinates, and `$table` has those of each. `leave_one_out()` and
#'   `temporal_split()`: a list of class `task_coverage` with the `coverage` (share of
#'   tasks), that of the synthetic data taken for real (`synthetic_coverage`, of
#'   `leave_one_out()`), the `level` promised, for `temporal_split()` a `p.value` of so
#'   low a coverage, and the `table` by task. `coverage_gap()`: one number.
#'   `exchangeability_verdict()`: the verdict of the summary, a sentence.
#'
#' @references Barber, R. F., Candes, E. J., Ramdas, A. and Tibshirani, R. J. (2023).
#'   Conformal prediction beyond exchangeability. *Annals of Statistics*, 51, 816-845.
#' @examplesIf synth_available()
#' set.seed(1)
#' theta <- rnorm(41)
#' polls <- data.frame(
#'   real = c(theta[1:40] + rnorm(40, sd = 0.1), NA), real_se = c(rep(0.1, 40), NA),
#'   synthetic = theta - 0.3 + rnorm(41, sd = 0.3), synthetic_se = 0.05,
#'   year = 1985:2025
#' )
#' fit <- task_exchangeability_estimates(
#'   polls, current = 2025, task = "year", covariates = "year"
#' )
#' typicality(fit)
#' trend_test(fit, "year")
#' temporal_split(fit, "year")
#' leave_one_out(fit)
#' coverage_gap(fit, 0.02)
#' @name task_checks
NULL

#' @rdname task_checks
#' @export
typicality <- function(object) {
  check_fit(object, "task_exchangeability")$typicality
}

#' @rdname task_checks
#' @export
exchangeability_verdict <- function(object) {
  check_fit(object, "task_exchangeability")$verdict
}

#' @rdname task_checks
#' @export
leave_one_out <- function(object) {
  found <- check_fit(object, "task_exchangeability")$held_out
  if (is.character(found)) {
    synth_stop(found)
  }
  found
}

#' @rdname task_checks
#' @export
trend_test <- function(object, by = NULL, n_permutations = 999, seed = 0) {
  check_fit(object, "task_exchangeability")
  found <- ask_again(
    object, "task_trend",
    by = by_to_send(by, substitute(by)), n_permutations = whole_number(n_permutations, "n_permutations"),
    seed = whole_number(seed, "seed")
  )
  table <- structure(
    found$table, dimnames = list(object$coordinates, c("spearman", "p.value"))
  )
  one <- nrow(table) == 1L
  structure(
    list(
      statistic = stats::setNames(
        table[, "spearman"], if (one) "rho" else paste("rho of", object$coordinates)
      ),
      p.value = found$pvalue,
      parameter = c(permutations = n_permutations),
      alternative = "two.sided",
      method = "Permutation test of a trend of the gaps (Spearman)",
      data.name = sprintf(
        "gaps of %s by %s", count(object$n_tasks, "task"), found$by
      ),
      table = table
    ),
    class = "htest"
  )
}

#' @rdname task_checks
#' @export
temporal_split <- function(object, by = NULL, share = 0.5) {
  check_fit(object, "task_exchangeability")
  found <- ask_again(
    object, "task_split", by = by_to_send(by, substitute(by)), share = one_number(share, "share")
  )
  structure(
    list(
      coverage = found$coverage,
      level = found$level,
      p.value = found$pvalue,
      by = found$by,
      n_early = found$n_early,
      n_late = found$n_late,
      table = covered_table(found$table, object$tasks[found$tasks], object$coordinates)
    ),
    class = "task_coverage"
  )
}

#' @rdname task_checks
#' @export
coverage_gap <- function(object, distance) {
  require_arguments("coverage_gap")
  check_fit(object, "task_exchangeability")
  ask_again(object, "task_coverage_gap", distance = task_values(distance, "distance"))$bound
}

#' @rdname task_checks
#' @export
print.task_coverage <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  refuse_arguments("print", ...)
  percent <- function(share) sprintf("%s %%", format(100 * share, digits = digits))
  if (is.null(x$n_late)) {
    cat("Leave-one-out over", count(x$n_tasks, "historical task"), "\n")
  } else {
    cat(
      count(x$n_late, "late task"), " covered from ", x$n_early, " early ones, by ",
      x$by, "\n",
      sep = ""
    )
  }
  cat("\n  real estimates covered:     ", percent(x$coverage), "\n", sep = "")
  if (!is.null(x$synthetic_coverage)) {
    cat("  by synthetic data alone:    ", percent(x$synthetic_coverage), "\n", sep = "")
  }
  cat("  promised:                   ", percent(x$level), "\n", sep = "")
  if (!is.null(x$p.value)) {
    shown <- format(x$p.value, digits = digits)
    cat("  p-value of so low coverage: ", shown, "\n", sep = "")
  }
  cat("\nThe component 'table' has the tasks.\n")
  invisible(x)
}

# What tasks are ordered by: the name of a covariate, or numbers.
by_to_send <- function(by, expr) {
  value <- tryCatch(by, error = identity)
  if (inherits(value, "error")) {
    if (!is.symbol(expr)) stop(value)
    synth_stop(sprintf(
      "by = %s is no object. Give the name of a covariate in quotes, or numbers.",
      as.character(expr)
    ), "OptionError")
  }
  if (is.null(value)) {
    NULL
  } else if (is_bare_string(value)) utf8(value, "by") else task_values(value, "by")
}

#' Summary of a regression with sources
#'
#' The coefficients as in [stats::summary.glm()], and then the efficiency gain from the sources and
#' what they are.
#'
#' @param object,x An object of class `augmented_gmm`, and its summary.
#' @param digits Significant digits.
#' @param signif.stars Whether to print significance stars.
#' @param ... `print()`: to [stats::printCoefmat()], such as `P.values`. `summary()`:
#'   nothing; arguments that it does not have are errors.
#'
#' @return A list of class `summary.augmented_gmm` with, among others,
#'   \describe{
#'     \item{`coefficients`}{Estimates, standard errors, t (or z) values and p-values.}
#'     \item{`gains`}{For each coefficient, estimate and standard error from the labels
#'       only; the share of that variance which the sources remove; and how many labels
#'       would give the same standard error without them. `NULL` without sources.}
#'     \item{`sources`}{For each source, its kind, how many units and labelled units it
#'       covers, rows per unit, the share of the labelled score that it explains, and
#'       rows left out because of missing values.}
#'     \item{`jtest`}{Hansen's J: see [jtest()].}
#'     \item{`notes`}{What a reader must know besides the numbers, as sentences.}
#'   }
#'
#' @seealso [augmented_gmm()], [labels_only()], [representativeness()]
#' @examplesIf synth_available()
#' units <- transform(mtcars, mpg = replace(mpg, 13:32, NA), guess = 34 - 4 * wt)
#' fit <- augmented_gmm(mpg ~ wt, units, proxy = c(mpg = "guess"))
#' summary(fit)
#' summary(fit)$gains
#' @export
summary.augmented_gmm <- function(object, ...) {
  refuse_arguments("summary", ...)
  kept <- c(
    "call", "family", "title", "df.residual", "df.inference", "use_t", "nobs", "n_units",
    "n_population", "n_clusters", "method", "cov_type", "labeling", "steps",
    "use_correction", "centered", "sources", "jtest", "j_variance_df",
    "representativeness", "notes",
    "dropped_sources", "converged"
  )
  value <- unclass(object)[intersect(kept, names(object))]
  value$coefficients <- coefficient_table(object)
  value$gains <- if (has_sources(object)) gains_table(object)
  value$vcov <- object$vcov
  structure(value, class = "summary.augmented_gmm")
}

# k x 4, with the column names that summary.lm and summary.glm use.
coefficient_table <- function(object) {
  estimate <- object$coefficients
  error <- standard_errors(object$vcov)
  statistic <- estimate / error
  letter <- if (is.finite(object$df.residual)) "t" else "z"
  table <- cbind(
    estimate, error, statistic, two_sided(statistic, coefficient_df(object))
  )
  dimnames(table) <- list(
    names(estimate),
    c("Estimate", "Std. Error", paste(letter, "value"), sprintf("Pr(>|%s|)", letter))
  )
  table
}

# With infinite degrees of freedom Student's t is the normal distribution.
# Degrees of freedom of combinations of coefficients, one in each row: the fewest of
# those that take part.
fewest_df <- function(object, rows) {
  df <- coefficient_df(object)
  rows <- matrix(rows, ncol = length(df))
  apply(rows, 1L, function(row) {
    if (any(row != 0, na.rm = TRUE)) min(df[which(row != 0)]) else max(df)
  })
}

# Degrees of freedom of each coefficient: infinite where inference is normal.
coefficient_df <- function(object) {
  df <- object$df.inference
  if (is.null(df) || !is.finite(object$df.residual)) {
    terms <- names(object$coefficients)
    df <- stats::setNames(rep(object$df.residual, length(terms)), terms)
  }
  df
}

two_sided <- function(statistic, df) {
  2 * stats::pt(abs(statistic), df, lower.tail = FALSE)
}

# NaN where the fit ran off, without R's warning: the summary says NOT CONVERGED.
standard_errors <- function(vcov) {
  variance <- diag(as.matrix(vcov))
  sqrt(ifelse(!is.na(variance) & variance >= 0, variance, NaN))
}

gains_table <- function(object) {
  real <- object$labels_only
  table <- cbind(
    "labels only" = real$coefficients,
    "std. error" = standard_errors(real$vcov),
    "var. reduction" = object$variance_reduction,
    "eff. sample" = object$effective_nobs
  )
  rownames(table) <- names(object$coefficients)
  table
}

#' @rdname summary.augmented_gmm
#' @export
print.summary.augmented_gmm <- function(x,
                                        digits = max(3L, getOption("digits") - 3L),
                                        signif.stars = getOption("show.signif.stars"),
                                        ...) {
  refuse_arguments("print", ..., also = names(formals(stats::printCoefmat)))
  print_not_converged(x)
  print_call(x$call)
  for (line in describe_model(x)) {
    indent <- if (startsWith(line, " ")) 2L else 0L
    cat(wrapped(line, indent, exdent = 2L), "\n", sep = "")
  }
  cat("\nCoefficients:\n")
  stats::printCoefmat(
    x$coefficients, digits = digits, signif.stars = signif.stars, na.print = "NA", ...
  )
  if (has_sources(x)) {
    cat("\nEfficiency gain from the sources:\n")
    print_text(format_gains(x$gains, digits))
    cat("\nSources:\n")
    print_text(format_sources(x$sources))
  }
  cat("\n")
  for (line in closing_lines(x, digits)) {
    cat(wrapped(line, exdent = 2L), "\n", sep = "")
  }
  print_notes(x$notes)
  cat("\n")
  invisible(x)
}

describe_model <- function(x) {
  errors <- if (identical(x$cov_type, "cluster")) "cluster-robust" else "robust"
  c(
    if (length(x$title)) {
      sprintf("%s: %s", names(x$title), x$title)
    } else {
      sprintf("Family: %s (%s link)", x$family$family, x$family$link)
    },
    sprintf("Method: %s; %s standard errors", method_name(x), errors),
    papers_own(x),
    if (!identical(x$labeling, "equal")) sprintf("Labelling: %s", x$labeling)
  )
}

print_text <- function(table) print.default(table, quote = FALSE, right = TRUE)

format_gains <- function(gains, digits) {
  table <- cbind(
    format_estimates(gains[, 1:2, drop = FALSE], digits),
    sprintf("%.1f%%", 100 * gains[, 3L]),
    sprintf("%.0f", gains[, 4L])
  )
  dimnames(table) <- dimnames(gains)
  table
}

# As printCoefmat does, so that the two tables show the same decimals.
format_estimates <- function(values, digits) {
  sizes <- abs(values[is.finite(values) & values != 0])
  shown <- if (length(sizes)) 1L + floor(log10(range(sizes))) else 0
  matrix(
    format(round(values, max(1L, digits - shown)), digits = digits),
    nrow(values)
  )
}

format_sources <- function(sources) {
  table <- cbind(
    kind = sources$kind,
    units = whole(sources$units),
    labelled = whole(sources$labelled),
    "rows/unit" = sprintf("%.3g", sources$rows_per_unit),
    "share explained" = sprintf("%.1f%%", 100 * sources$explained)
  )
  rownames(table) <- row.names(sources)
  table
}

closing_lines <- function(x, digits) {
  df <- if (is.finite(x$df.residual)) {
    sprintf("Student's t with %s degrees of freedom", df_range(x))
  } else {
    "Normal distribution"
  }
  clusters <- if (!is.null(x$n_clusters)) {
    sprintf("; the labelled are in %s", count(x$n_clusters, "cluster"))
  }
  c(
    sprintf(
      "%s labelled of %s%s", whole(x$nobs), count(x$n_units, "unit"),
      if (is.null(clusters)) "" else clusters
    ),
    df,
    if (isTRUE(x$jtest[["df"]] > 0)) j_line(x, digits)
  )
}

# Of all rows, or of the coefficients from the fewest to the most where these have fewer.
df_range <- function(x) {
  own <- x$df.inference
  if (is.null(own) || !isTRUE(min(own) < df_shown * x$df.residual)) {
    return(sprintf("%.1f", x$df.residual))
  }
  ends <- unique(sprintf("%.1f", range(own)))
  paste(ends, collapse = " to ")
}

# As in Python.
df_shown <- 0.9

# With all that reproduces the p-value: by pchisq(), or by pf().
j_line <- function(x, digits) {
  test <- j_reference(x)
  number <- function(value) format(value, digits = digits)
  reference <- if (is.finite(test$df2)) {
    sprintf(
      "J = %s, as Hotelling's T-squared: F = %s on %s and %s DF", number(test$statistic),
      number(test$f), number(test$df), number(test$df2)
    )
  } else {
    sprintf("chi-squared = %s on %s DF", number(test$statistic), number(test$df))
  }
  sprintf(
    "Hansen J test: %s, p-value: %s", reference,
    format.pval(test$p.value, digits = digits)
  )
}

# The first lines already say whether it converged.
print_notes <- function(notes, before = "\n") {
  notes <- notes[!startsWith(notes, "NOT CONVERGED")]
  if (!length(notes)) {
    return(invisible())
  }
  cat(before, "Notes:\n", sep = "")
  for (k in seq_along(notes)) {
    cat(wrapped(sprintf("[%d] %s", k, notes[[k]]), exdent = 4L), "\n", sep = "")
  }
}
